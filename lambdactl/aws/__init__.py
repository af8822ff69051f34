"""The one door to AWS. The only package that sees botocore, and the only one that changes AWS.

client      session, clients, reads remembered for one plan, `perform`
patience    what AWS answers before it is ready
translate   botocore's errors become ours, masked
"""

from lambdactl.aws.client import Aws, Endpoint, Stored, answered

__all__ = ["Aws", "Endpoint", "Stored", "answered"]
