"""Reads out of a failed build's output why it failed, and what may mend it. Pure.

The whole output was shown as it came; these are the few words that an error adds to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# docker: "#9 12.3 what the step's program wrote"; podman writes that bare.
_OF_STEP = re.compile(r"#(?P<step>\d+) \d+(?:\.\d+)? ?(?P<text>.*)")
_FAILED_STEP = re.compile(r"#(?P<step>\d+) ERROR:? (?P<text>.*)")
# What frames a failure and does not explain it.
_FRAME = re.compile(
    r"-+|time=\".*|STEP \d.*|\[\d+/\d+\] STEP .*|Error: building at STEP .*|\S+ ended with -?\d+"
    r"|npm (?:error|ERR!)(?: (?:code|errno|syscall|network|\d+)( \S+)?| A complete log .*)?"
    r"|executor failed running .*|exit status \d+|\s*"
)
_SPEAKS_OF_FAILURE = re.compile(
    r"^E: |\b(?:error|failed|fatal|cannot|mismatch|refused|unable|not found|denied|caused by)\b", re.I
)

_UNTRUSTED = re.compile(
    r"CERTIFICATE_VERIFY_FAILED|SELF_SIGNED_CERT|UNABLE_TO_(?:GET_ISSUER_CERT|VERIFY_LEAF_SIGNATURE)"
    r"|self-signed certificate|invalid peer certificate|certificate verification failed",
    re.I,
)
_UNRESOLVED = re.compile(
    r"name resolution|Name or service not known|Temporary failure resolving|Could not resolve|EAI_AGAIN"
    r"|ENOTFOUND|dns error|Cannot connect to proxy|ECONNREFUSED 127\.",
    re.I,
)


def reason(output: Iterable[str]) -> str:
    """The one line that says most: the failed program's own last words about its failure."""
    lines = list(output)
    said = [line for line in _of_failed_step(lines) if not _FRAME.fullmatch(line)]
    if npm := [line for line in said if line.startswith(("npm error", "npm ERR!"))]:
        return npm[0]  # npm says it first, and then gives advice
    speaking = [line for line in said if _SPEAKS_OF_FAILURE.search(line)]
    found = speaking or said or [line for line in lines if line.strip()]
    return found[-1].strip() if found else ""


def hint(lines: Iterable[str]) -> str:
    """What of this machine's settings may help, "" when none comes to mind."""
    text = "\n".join(lines)
    if _UNTRUSTED.search(text):
        return "behind a TLS proxy, set LAMBDACTL_CA_BUNDLE to a file with its certificates (docs/images.md)"
    if _UNRESOLVED.search(text):
        return "if this machine itself reaches the network, set LAMBDACTL_BUILD_NETWORK=host (docs/images.md)"
    return ""


def _of_failed_step(lines: Sequence[str]) -> list[str]:
    """What the failed step's program wrote; all that was written where no step is named."""
    failed = next((match for line in lines if (match := _FAILED_STEP.fullmatch(line))), None)
    if failed:
        written = (match for line in lines if (match := _OF_STEP.fullmatch(line)))
        return [failed["text"], *(each["text"] for each in written if each["step"] == failed["step"])]
    steps = [place for place, line in enumerate(lines) if re.match(r"(?:\[\d+/\d+\] )?STEP \d", line)]
    return list(lines[steps[-1] :] if steps else lines)
