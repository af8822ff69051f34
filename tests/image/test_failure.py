"""Why a build failed, read out of what real builders and package tools print."""

from __future__ import annotations

import pytest

from lambdactl.image.failure import hint, reason

DOCKER = """\
#5 [base 1/1] FROM 127.0.0.1:5000/base@sha256:aa
#5 CACHED
#8 [stage-2 2/7] RUN python3 /run/lambdactl/install.py bundle /run/lambdactl/bundle # 12ab
#8 1.204 installing pypi:awslambdaric@4.2.2+boto3@1.44.5
#8 DONE 2.0s
#9 [stage-2 3/7] RUN python3 /run/lambdactl/install.py apt no-such-package # 12ab
#9 3.281 Building dependency tree...
#9 3.401 E: Unable to locate package no-such-package
#9 3.410 apt-get ended with 100
#9 ERROR: executor failed running [/bin/sh -c python3 /run/lambdactl/install.py apt]: exit code: 1
------
 > [stage-2 3/7] RUN python3 /run/lambdactl/install.py apt no-such-package # 12ab:
------
executor failed running [/bin/sh -c python3 /run/lambdactl/install.py apt no-such-package]: exit code: 1
"""
PODMAN = """\
[1/3] STEP 1/3: FROM 127.0.0.1:5000/base@sha256:aa AS base
[2/3] STEP 2/2: RUN python3 /run/lambdactl/install.py tools /run/lambdactl/tools.txt arm64
installing uv and Node
the base image is for x86_64, the job asks for arm64
time="2026-11-23T21:52:18Z" level=error msg="unable to cleanup run mounts"
Error: building at STEP "RUN python3 /run/lambdactl/install.py tools": while running runtime: exit status 1
"""
NPM = """\
installing npm:ms@2.1.3
npm error code ENOTFOUND
npm error syscall getaddrinfo
npm error errno ENOTFOUND
npm error network request to https://registry/ms failed, reason: getaddrinfo ENOTFOUND
npm error network This is a problem related to network connectivity.
npm error A complete log of this run can be found in: /run/lambdactl/cache/npm/_logs/x.log
node ended with 1
"""
UV = """\
installing pypi:tabulate@0.9.0
error: Failed to fetch: `https://pypi.org/simple/tabulate/`
  Caused by: client error (Connect)
  Caused by: invalid peer certificate: UnknownIssuer
uv ended with 2
"""
PIP = """\
#7 2.1 WARNING: Retrying (Retry(total=4)) after connection broken by 'SSLError(SSLCertVerificationError(1, \
'[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed'))': /simple/uv/
#7 9.8 ERROR: No matching distribution found for uv==0.13.9
#7 9.9 python ended with 1
#7 ERROR: process "/bin/sh -c python3 install.py tools" did not complete successfully: exit code: 1
"""
NO_BASE = """\
#3 [internal] load metadata for 127.0.0.1:1/base@sha256:aa
#3 ERROR: failed to do request: Head "http://127.0.0.1:1/v2/base": connect: connection refused
------
 > [internal] load metadata for 127.0.0.1:1/base@sha256:aa:
------
"""


@pytest.mark.parametrize(
    ("output", "why"),
    [
        (DOCKER, "E: Unable to locate package no-such-package"),
        (PODMAN, "the base image is for x86_64, the job asks for arm64"),
        (
            NPM,
            "npm error network request to https://registry/ms failed, reason: getaddrinfo ENOTFOUND",
        ),
        (UV, "Caused by: invalid peer certificate: UnknownIssuer"),
        (PIP, "ERROR: No matching distribution found for uv==0.13.9"),
        (NO_BASE, 'failed to do request: Head "http://127.0.0.1:1/v2/base": connect: connection refused'),
        ("one thing\nanother\n", "another"),
        ("", ""),
    ],
    ids=["docker", "podman", "npm", "uv", "pip", "no base", "unknown", "nothing"],
)
def test_the_line_that_says_most(output: str, why: str) -> None:
    assert reason(output.splitlines()) == why


@pytest.mark.parametrize(
    ("output", "variable"),
    [(NPM, "LAMBDACTL_BUILD_NETWORK=host"), (UV, "LAMBDACTL_CA_BUNDLE"), (PIP, "LAMBDACTL_CA_BUNDLE")],
    ids=["names", "rustls", "openssl"],
)
def test_the_setting_that_may_help(output: str, variable: str) -> None:
    assert variable in hint(output.splitlines())


def test_no_hint_is_made_up() -> None:
    assert hint(DOCKER.splitlines()) == ""
