"""Every error a user can meet, in one tree. Imports nothing of ours.

    LambdactlError
    ├── UsageError          the command line itself is wrong              exit 64
    ├── ManifestError       manifests or lambdactl.yaml are bad; carries every Problem
    ├── MissingTool         a program we need is not installed (docker, npm, ...)
    ├── LockError           lambdactl.lock is missing, stale or does not match
    ├── BuildError          an image could not be built or pushed
    ├── RunError            a job could not be started (its outcome is not an error)
    ├── Refused             we could, but will not: not ours, no terminal, too dangerous
    ├── SandboxError        the embedded AWS is not up or not usable
    ├── TimeLimit           --timeout is over
    └── AwsError            a call to AWS failed; the only one made from a botocore error
        └── NotFound        what the call names does not exist

An error says *what* happened, *where*, *why*, and how to mend it (`hint`). It is drawn in one
place, `report.errors`; nothing here prints.
"""

from __future__ import annotations

from dataclasses import dataclass


class LambdactlError(Exception):
    """Base of all. `what` is one sentence; `hint` says how to mend it."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.why:
            text += f" ({self.why})"
        if self.hint:
            text += f"; {self.hint}"
        return text


class UsageError(LambdactlError):
    exit_code = 64


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in a file. `line` and `column` count from 1; 0 means the whole file."""

    file: str
    line: int
    column: int
    what: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: {self.what}"
        return f"{text}; {self.hint}" if self.hint else text


class ManifestError(LambdactlError):
    """Carries *all* problems found, sorted by file and line."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class MissingTool(LambdactlError):
    """`hint` is the command that installs it."""


class LockError(LambdactlError):
    pass


class BuildError(LambdactlError):
    pass


class RunError(LambdactlError):
    pass


class Refused(LambdactlError):
    pass


class SandboxError(LambdactlError):
    pass


class TimeLimit(LambdactlError):
    pass


class AwsError(LambdactlError):
    """A call failed. `code` is AWS's error code, `call` is "service.Operation", `about` names what it was
    made for.

    The message is AWS's own with every value we sent masked: the 4 KB environment error, for
    one, echoes the whole environment.
    """

    def __init__(
        self,
        what: str,
        *,
        code: str,
        call: str,
        about: str = "",
        request_id: str = "",
        hint: str = "",
        status: int = 0,
    ) -> None:
        parts = (call, about and f"of {about}", request_id and f"({request_id})")
        super().__init__(what, where=" ".join(part for part in parts if part), hint=hint)
        self.code = code
        self.call = call
        self.request_id = request_id
        self.status = status  # of HTTP; 0 when no answer came


class NotFound(AwsError):
    pass
