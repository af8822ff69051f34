"""Runs a program under a seccomp filter that denies what Lambda's denies: `python lambdaish.py PROGRAM ARGS`.

`--deny=NUMBER` before the program denies that option of prctl instead.

prctl answers EPERM to PR_SET_PDEATHSIG and PR_SET_NO_NEW_PRIVS. Linux on x86_64 and arm64.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
PRCTL = {"x86_64": 157, "aarch64": 167}[platform.machine()]
MODE_FILTER = 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER, ARGUMENT_0 = 0, 16  # offsets in struct seccomp_data
ALLOW, EPERM = 0x7FFF0000, 0x00050001

DENIED = (PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS)


def rules(first: int, second: int) -> tuple[tuple[int, int, int, int], ...]:
    """(code, jump if true, jump if false, value): the kernel's struct sock_filter."""
    return (
        (LOAD, 0, 0, NUMBER),
        (EQUAL, 0, 3, PRCTL),
        (LOAD, 0, 0, ARGUMENT_0),
        (EQUAL, 2, 0, first),
        (EQUAL, 1, 0, second),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, EPERM),
    )


class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def deny(first: int, second: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    code = b"".join(struct.pack("HBBI", *each) for each in rules(first, second))
    program = Program(len(code) // 8, code)
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0), (PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program))):
        if libc.prctl(*arguments, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
    if libc.prctl(first, 0, 0, 0, 0) == 0:
        raise OSError(0, "the filter does not hold")


if __name__ == "__main__":
    _, *argv = sys.argv
    denied = DENIED
    if argv[0].startswith("--deny="):
        denied = (int(argv.pop(0).partition("=")[2]),) * 2
    deny(*denied)
    os.execvp(argv[0], argv)
