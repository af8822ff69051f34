#!/bin/sh
# Makes a Debian base image for machines that reach Debian but no public image registry, once:
#
#     tests/support/base_image.sh [TAG [ENGINE [REGISTRY]]]
#
# Prints the tag; with a REGISTRY (host:port on loopback) pushes there and prints the reference by
# digest, ready for LAMBDACTL_BASE_IMAGE. The base holds what lambdactl asks of one: glibc,
# Python >= 3.11 with venv, CA certificates. Needs mmdebstrap (apt-get install mmdebstrap) and root;
# uses the machine's own apt configuration.
set -eu

tag=${1:-lambdactl-test-base:bookworm}
engine=${2:-docker}
registry=${3:-}

if ! "$engine" image inspect "$tag" >/dev/null 2>&1; then
    # A fixed date makes the tree, not yet the image, reproducible.
    SOURCE_DATE_EPOCH=$(date -u -d 2026-01-01 +%s)
    export SOURCE_DATE_EPOCH
    mmdebstrap --quiet --variant=apt --include=python3,python3-venv,ca-certificates \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
        --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/log/*' \
        bookworm - |
        "$engine" import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
            --change 'CMD ["python3"]' - "$tag" >/dev/null
fi

if [ -z "$registry" ]; then
    echo "$tag"
else
    remote="$registry/base:bookworm"
    "$engine" tag "$tag" "$remote"
    "$engine" push -q "$remote" >/dev/null
    "$engine" image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$remote" | grep -m1 "^$registry/base@"
    "$engine" rmi "$remote" >/dev/null
fi
