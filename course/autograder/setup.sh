#!/bin/sh
# Gradescope runs this once, as root, to build the marking image: installs packages and prepares the
# shared build.
set -eu
export HOME="${HOME:-/root}" PAGODA_MARKING=/autograder/marking
if ! command -v cargo >/dev/null; then
    # If the distribution's Rust is too old, its rustup fetches one.
    apt-get -qq update
    if apt-cache show rustup >/dev/null 2>&1; then
        DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends rustup ca-certificates
    fi
fi
/autograder/source/pagoda/course/mark.sh --prepare
