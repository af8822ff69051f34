#!/bin/sh
# Makes a Debian base image for machines that reach Debian but no public image registry, once:
#
#     tests/support/base_image.sh [TAG] [ENGINE]      prints the tag
#
# It holds what lambdactl asks of a base: glibc, Python >= 3.11 with venv, CA certificates. Needs
# mmdebstrap (apt-get install mmdebstrap) and root; uses the machine's own apt configuration.
set -eu

tag=${1:-lambdactl-test-base:bookworm}
engine=${2:-docker}

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
echo "$tag"
