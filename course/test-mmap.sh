#!/bin/sh
# Tests the kernel in src/ with the tests in tests/; the options are those of tester/run-tests.sh.
cd "$(dirname "$0")" || exit 2
case ${1-} in
    -h | --help) exec ./tester/run-tests.sh -h ;;
esac
if [ ! -d src ]; then
    echo "test-mmap.sh: there is no src/ here; it is where the kernel to test is expected" >&2
    exit 2
fi
# expect and gawk; it says what to do where they cannot be installed.
if [ -x ../scripts/setup ]; then
    ../scripts/setup course || exit 2
fi
exec ./tester/run-tests.sh "$@"
