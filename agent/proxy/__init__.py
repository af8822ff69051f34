"""The model's API on loopback: adds the key that the agent never has, and counts what is spent.

Standard library only. Nothing here logs: headers and bodies are the job's and the model's.
"""

from agent.proxy.meter import Exceeded, Meter
from agent.proxy.server import Proxy

__all__ = ["Exceeded", "Meter", "Proxy"]
