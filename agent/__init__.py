"""The supervisor inside the container: runs one job's agent to its end and stores what it left.

Standard library only (boto3 where a bucket or SSM is really used), Python 3.10 or later. It shares
documents with lambdactl (schemas/), no code: neither imports the other.
"""

__version__ = "0.1.0"
