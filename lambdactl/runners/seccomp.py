"""The seccomp profile of a run's container: what Lambda is reported to refuse. Pure.

Lambda's own filter is not published. Two `prctl` options are known to be denied there, and programs
meet that (openai/codex#4725, hashicorp/terraform-exec#172, chromedp/chromedp#720). A profile of one's
own replaces the engine's default, so what that one keeps from an unprivileged process is denied too.
"""

from __future__ import annotations

import json
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWUSER = 0x10000000
# clone's flags that make a namespace, any of them: NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, CLONE_NEWUSER, 0x20000000, 0x40000000)
EPERM, ENOSYS = 1, 38
AF_VSOCK = 40

# Denied to processes without capabilities by the engines' own defaults (docs.docker.com, "Seccomp
# security profiles for Docker"); what needs a capability in any case is left to that.
DENIED = (
    "acct", "add_key", "bpf", "clock_adjtime", "clock_settime", "create_module", "delete_module",
    "fanotify_init", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "get_kernel_syms",
    "init_module", "io_uring_enter", "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp",
    "kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie", "mount", "mount_setattr", "move_mount",
    "move_pages", "nfsservctl", "open_by_handle_at", "open_tree", "perf_event_open", "pivot_root",
    "process_madvise", "query_module", "quotactl", "reboot", "request_key", "setdomainname", "sethostname",
    "setns", "settimeofday", "stime", "swapoff", "swapon", "sysfs", "syslog", "umount", "umount2", "unshare",
    "uselib", "userfaultfd", "ustat", "vhangup", "vm86", "vm86old",
)  # fmt: skip


def profile() -> bytes:
    """For `--security-opt seccomp=FILE` of docker and podman."""
    rules = [
        _rule(["prctl"], EPERM, _equals(0, PR_SET_PDEATHSIG)),
        _rule(["prctl"], EPERM, _equals(0, PR_SET_NO_NEW_PRIVS)),
        _rule(DENIED, EPERM),
        _rule(["socket"], EPERM, _equals(0, AF_VSOCK)),
        *(_rule(["clone"], EPERM, _has(0, flag)) for flag in NAMESPACES),
        # Its flags lie in memory, where no filter sees them: C libraries then use clone.
        _rule(["clone3"], ENOSYS),
    ]
    return json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}).encode()


def _rule(names: Any, errno: int, *args: dict[str, Any]) -> dict[str, Any]:
    return {"names": list(names), "action": "SCMP_ACT_ERRNO", "errnoRet": errno, "args": list(args)}


def _equals(index: int, value: int) -> dict[str, Any]:
    return {"index": index, "value": value, "op": "SCMP_CMP_EQ"}


def _has(index: int, bits: int) -> dict[str, Any]:
    return {"index": index, "value": bits, "valueTwo": bits, "op": "SCMP_CMP_MASKED_EQ"}
