#!/bin/sh
# Gradescope runs this as root, once, when it makes the machine that submissions are marked on: installs
# what it takes, and builds what all markings begin with.
set -eu
export HOME="${HOME:-/root}" PAGODA_MARKING=/autograder/marking
if ! command -v cargo >/dev/null; then
    # Where the distribution's own Rust is older than what Pagoda takes, its rustup fetches one.
    apt-get -qq update
    if apt-cache show rustup >/dev/null 2>&1; then
        DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends rustup ca-certificates
    fi
fi
/autograder/source/pagoda/course/mark.sh --prepare
