#!/bin/sh
# Tests the kernel in src/ with the tests in tests/; the options are those of tester/run-tests.sh. Names of
# files, and PAGODA, are seen from where the caller stands.
course=$(cd "$(dirname "$0")" && pwd) || exit 2
case ${1-} in
    -h | --help) exec "$course/tester/run-tests.sh" -h ;;
esac
if [ ! -d "$course/src" ]; then
    echo "test-mmap.sh: there is no src/ in $course; it is where the kernel to test is expected" >&2
    exit 2
fi
# expect and gawk; it says what to do where they cannot be installed.
if [ -x "$course/../scripts/setup" ]; then
    "$course/../scripts/setup" course || exit 2
fi
export PAGODA="${PAGODA:-$course/..}"
exec "$course/tester/run-tests.sh" --course "$course" "$@"
