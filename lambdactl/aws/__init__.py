"""The one door to AWS. The only package that sees botocore, and the only one that changes AWS.

client      calls, paced and repeated; pages; `perform`
reader      reads remembered for one plan
session     where calls go and as whom
pace        rate budgets
patience    what AWS answers that is not its last word
answer      what is missing in an answer is an error
translate   botocore's errors become ours, masked
"""

from lambdactl.aws.client import Aws, Stored, answered
from lambdactl.aws.reader import Reader
from lambdactl.aws.session import Endpoint
from lambdactl.aws.translate import LOG_IN

__all__ = ["LOG_IN", "Aws", "Endpoint", "Reader", "Stored", "answered"]
