#!/bin/sh
# Tests the kernel in src/ with the tests in tests/; options are those of tester/run-tests.sh. File
# names and PAGODA are relative to the caller's directory.
course=$(cd "$(dirname "$0")" && pwd) || exit 2
case ${1-} in
    -h | --help) exec "$course/tester/run-tests.sh" -h ;;
esac
if [ ! -d "$course/src" ]; then
    echo "test-mmap.sh: no src/ in $course, where the kernel to test is expected" >&2
    exit 2
fi
# Installs expect and gawk, or says what to do.
if [ -x "$course/../scripts/setup" ]; then
    "$course/../scripts/setup" course || exit 2
fi
export PAGODA="${PAGODA:-$course/..}"
exec "$course/tester/run-tests.sh" --course "$course" "$@"
