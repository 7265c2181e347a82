# Common code of the tests of the course's scripts: a scratch directory, checks that print a line
# each, a summary. To be sourced by bash.
# shellcheck shell=bash disable=SC2034,SC2154 # `said` is what the last command printed

place=$(mktemp -d) || exit 1
trap 'rm -rf "$place"' EXIT
checks=0 failures=0

ok() { checks=$((checks + 1)); echo "ok: $1"; }
bad() {
    checks=$((checks + 1)) failures=$((failures + 1))
    printf 'FAILED: %s\n' "$1"
    printf '%s\n' "$said" | sed 's/^/    | /'
}
# is WHAT WANTED GOT
is() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1: expected '$2', got '$3'"; fi; }
says() { if [[ $said == *"$2"* ]]; then ok "$1"; else bad "$1: '$2' is missing"; fi; }
silent() { if [[ $said != *"$2"* ]]; then ok "$1"; else bad "$1: '$2' is printed"; fi; }

# checked WHAT CODE: runs Python with results.json as `results` and its `tests`.
checked() {
    if python3 -c '
import json, sys
with open("results.json") as file: results = json.load(file)
tests = results.get("tests", [])
'"$2"; then ok "$1"; else bad "$1"; head -c 2000 results.json; fi
}

# all_checked WHAT: prints the summary; returns the status.
all_checked() {
    echo "$((checks - failures)) of $checks checks of $1 passed"
    [ "$failures" -eq 0 ]
}
