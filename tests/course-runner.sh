#!/usr/bin/env bash
# Tests course/tester/run-tests.sh with tests that need no guest. Prints a line for each check and
# exits with 1 if one failed.
set -uo pipefail
unset PAGODA
"$(dirname "$0")/../scripts/setup" tests || exit 1
runner=$(cd "$(dirname "$0")/../course/tester" && pwd)/run-tests.sh
# shellcheck source=checks.sh
. "$(dirname "$0")/checks.sh"

# fresh: changes to an empty course folder.
fresh() { rm -rf "$place/course"; mkdir -p "$place/course/tests"; cd "$place/course" || exit 1; }

# put N COMMANDS OUTPUT: creates a test.
put() {
    echo "$2" >"tests/$1.run"
    printf '%s' "$3" >"tests/$1.out"
    : >"tests/$1.err"
    echo 0 >"tests/$1.rc"
    echo "number $1" >"tests/$1.desc"
}

# go OPTIONS: runs the tests; sets `status` and `said`.
go() { said=$("$runner" "$@" 2>&1); status=$?; }

# Three that pass.
fresh
put 1 'echo one' $'one\n'
put 2 'cat no-such-file 2>/dev/null; expr 1 + 1 | sed s/\$/\ two/' $'2 two\n'
put 3 'echo out; echo err >&2; exit 7' $'out\n'
echo err >tests/3.err
echo 7 >tests/3.rc
go
is 'all pass: status' 0 "$status"
says 'all pass: the third' 'test 3: passed'
says 'all pass: the count' '3 of 3 tests passed'
is 'results: output' out "$(cat tests-out/3.out)"
is 'results: errors' err "$(cat tests-out/3.err)"
is 'results: status' 7 "$(cat tests-out/3.rc)"
go -h
is 'help: status' 0 "$status"
for option in -h -v '-t n' -c '-d dir' -s '-j n' --junit; do says "help: $option" "$option"; done
go -v
says 'verbose: what the test is' 'number 2'
says 'verbose: what is run' 'echo one'
go -t 2
is 'one test: status' 0 "$status"
says 'one test: it is run' 'test 2: passed'
silent 'one test: no other' 'test 1'
go -cvt2 -j2
is 'options in one word' 0 "$status"
go -t 3 -t 1 -t 3 -j 2
says 'chosen tests: each once' '2 of 2 tests passed'
go -t 9
is 'a test that is not there: status' 2 "$status"
says 'a test that is not there: which' tests/9.run
go -x
is 'an unknown option: status' 2 "$status"
go -t
is 'a value missing: status' 2 "$status"
go -j many
is 'no number: status' 2 "$status"
go -d nowhere
is 'no directory: status' 2 "$status"
says 'no directory: which' nowhere
mkdir empty
go -d empty
is 'no tests: status' 2 "$status"

# Wrong expectations.
put 2 'echo two' $'three\n'
go
is 'wrong output: status' 1 "$status"
says 'wrong output: the test' 'test 2: FAILED'
says 'wrong output: the file expected' tests/2.out
says 'wrong output: the file got' tests-out/2.out
says 'wrong output: the line expected' 'expected: tests/2.out:1: three'
says 'wrong output: the line got' 'got:      tests-out/2.out:1: two'
silent 'wrong output: it stops there' 'test 3'
says 'wrong output: some were not run' '1 not run'
go -c
is 'go on: status' 1 "$status"
says 'go on: the next' 'test 3: passed'
go -c -v
says 'verbose: the difference' '+two'
go -t 3
is 'a test that passes beside one that fails' 0 "$status"
put 2 'echo two; exit 1' $'two\n'
go -t 2
is 'wrong status: status' 1 "$status"
says 'wrong status: what' 'exit status 1 instead of 0'
says 'wrong status: the file' tests/2.rc
put 2 'echo two; echo oops >&2' $'two\n'
go -t 2
is 'wrong errors: status' 1 "$status"
says 'wrong errors: the files' 'diff tests/2.err tests-out/2.err'
put 2 'printf two' $'two\n'
go -t 2
is 'a line without an end is another line' 1 "$status"
says 'a line without an end: it says so' 'got:      tests-out/2.out:1: two (no newline)'
put 2 'seq 5' $'1\n2\n3\n'
go -t 2
says 'too much: the line expected' 'expected: tests/2.out ends before line 4'
says 'too much: the line got' 'got:      tests-out/2.out:4: 4'
put 2 'seq 2' $'1\r\n2\n3\n'
go -t 2
says 'too little: the line expected' 'expected: tests/2.out:3: 3'
says 'too little: the line got' 'got:      tests-out/2.out ends before line 3'
put 2 'true' $'1\n'
go -t 2
says 'nothing: the line got' 'got:      nothing (tests-out/2.out is empty)'
put 2 'printf "%0500d\n" 2' "$(printf %0500d 1)"
go -t 2
says 'a long line: where it differs' '00002'
if [ "$(wc -L <<<"$said")" -lt 200 ]; then ok 'a long line: cut'; else bad 'a long line: cut'; fi
put 2 'echo two; cat here' $'two\n'
go -t 2 --out elsewhere
says 'another place: named' 'diff tests/2.err elsewhere/2.err'
if [ -s elsewhere/2.err ]; then ok 'another place: the results'; else bad 'another place: the results'; fi

# Files that are not there.
fresh
echo true >tests/1.run
go
is 'nothing expected, nothing seen' 0 "$status"
echo 'exit 3' >tests/1.run
go
is 'any status will do' 0 "$status"
echo 'echo x' >tests/1.run
go
is 'nothing expected, output seen' 1 "$status"
says 'nothing expected, output seen: the line' 'got:      tests-out/1.out:1: x'
says 'nothing expected, output seen: it says so' 'unexpected standard output'
echo 'echo x >&2' >tests/1.run
go
is 'nothing expected, errors seen' 1 "$status"
go -v
says 'no description' 'no tests/1.desc'
fresh
put 1 true ''
put 3 true ''
go
is 'a gap in the numbers: status' 1 "$status"
says 'a gap in the numbers: the test' 'tests/3.run was not run'

# Ends of lines.
fresh
put 1 'printf "a\r\nb\r\n"' $'a\nb\n'
put 2 'printf "a\nb\n"' $'a\r\nb\r\n'
put 3 'printf "a\r\nc\r\n"' $'a\nb\n'
go -c
says 'carriage returns in the output' 'test 1: passed'
says 'carriage returns in the expectation' 'test 2: passed'
says 'carriage returns hide nothing' 'test 3: FAILED'

# What runs before and after.
fresh
echo 'echo x >>prepared; exit 0' >tests/pre
put 1 'cat before; rm before' $'1\n'
echo 'echo 1 >before' >tests/1.pre
echo 'echo 1 >after' >tests/1.post
put 2 'wc -l <prepared | tr -d " "' $'1\n'
go
is 'before and after: status' 0 "$status"
is 'after: was run' 1 "$(cat after)"
go -s -t 2
is 'without pre: status' 0 "$status"
go -t 2
is 'with pre again: status' 1 "$status"
printf '#!/bin/sh\necho broken; exit 5\n' >tests/pre
chmod +x tests/pre
go --junit results.xml
is 'pre fails: status' 2 "$status"
says 'pre fails: its status' 'status 5'
says 'pre fails: its output' broken
silent 'pre fails: no test' 'test 1'
is 'pre fails: for machines' 1 "$(grep -c '<error ' results.xml)"
go -s -t 1
is 'without the pre that fails' 0 "$status"
echo 'exit 4' >tests/1.pre
go -s -t 1
is 'n.pre fails: status' 1 "$status"
says 'n.pre fails: which' 'tests/1.pre failed with status 4'

# Time, and being killed.
fresh
put 1 'echo begun; sleep 30 & wait' $'begun\n'
put 2 'kill -KILL $$' ''
SECONDS=0
go -c --timeout 1
is 'no end: status' 1 "$status"
says 'no end: it says so' 'no end after 1 s'
if [ "$SECONDS" -lt 15 ]; then ok 'no end: in time'; else bad "no end: took $SECONDS s"; fi
says 'killed: it is no pass' 'test 2: FAILED: exit status 137'
put 1 'echo $$ >pid; exec sleep 30' ''
"$runner" >interrupted 2>&1 &
tested=$!
for ((i = 0; i < 100; i++)); do [ -s pid ] && break; sleep 0.1; done
kill -TERM "$tested"
wait "$tested"
is 'interrupted: status' 1 "$?"
said=$(cat interrupted)
says 'interrupted: it says so' interrupted
if kill -0 "$(cat pid)" 2>/dev/null; then bad 'interrupted: the test runs on'; else ok 'interrupted: nothing is left'; fi

# Concurrent tests, which wait for each other.
fresh
for pair in '1 2' '2 1'; do
    read -r mine other <<<"$pair"
    put "$mine" "touch here$mine; until [ -e here$other ]; do sleep 0.05; done; echo $mine" "$mine"$'\n'
done
put 3 'sleep 0.3; echo three' $'three\n'
put 4 'echo four' $'four\n'
put 5 'echo five' $'5\n'
put 6 'echo six' $'six\n'
go -j 2 -c --timeout 20
is 'side by side: status' 1 "$status"
is 'side by side: in order' '1 2 3 4 5 6' "$(sed -n 's/^test \([0-9]\): .*/\1/p' <<<"$said" | paste -sd' ')"
is 'side by side: outputs apart' '1 2' "$(cat tests-out/1.out tests-out/2.out | paste -sd' ')"
says 'side by side: one fails' 'test 5: FAILED'
says 'side by side: the count' '5 of 6 tests passed'
rm -f here*
go -j 4 --timeout 20
is 'side by side, to the first failure: status' 1 "$status"
silent 'side by side, to the first failure: nothing behind it' 'test 6'

# The full console of a failed test.
fresh
# shellcheck disable=SC2016 # for the test's own shell
put 1 'echo "the whole console" >"$XV6_CONSOLE"; echo a part' $'another part\n'
go
is 'console: kept' 'the whole console' "$(cat tests-out/1.console)"
says 'console: named' tests-out/1.console

# JUnit.
fresh
put 1 'echo one' $'one\n'
put 2 $'printf "<&\\"\\001\\377>\\n"' $'two\n'
echo 'a <b> & "c"' >tests/2.desc
put 3 'echo three' $'three\n'
go -c --junit results.xml
is 'junit: status' 1 "$status"
if python3 - results.xml <<'END'
import sys, xml.etree.ElementTree as tree
suite = tree.parse(sys.argv[1]).getroot()
cases = suite.findall("testcase")
assert suite.get("tests") == "3" and suite.get("failures") == "1", suite.attrib
assert len(cases) == 3 and cases[1].get("name") == '2: a <b> & "c"', [c.attrib for c in cases]
failure = cases[1].find("failure")
assert "output" in failure.get("message") and "tests-out/2.out" in failure.text, failure.text
assert cases[0].find("failure") is None and cases[2].find("failure") is None
END
then ok 'junit: well formed and right'; else bad 'junit: see above'; cat results.xml; fi
go --junit results.xml
is 'junit: tests that were not run' 1 "$(grep -c '<skipped/>' results.xml)"
put 2 'echo two' $'two\n'
go --junit=no/such/directory.xml
is 'junit: a file that cannot be written' 2 "$status"

# Gradescope: the console may contain any bytes, and be long.
fresh
put 1 'echo one' $'one\n'
put 2 $'printf "<&\\"\\\\\\001\\377>\\t\\r\\n\\033[31m"; yes "a long line" | head -c 3000000' $'two\n'
# shellcheck disable=SC2016 # for the test's own shell
echo 'yes "0123456789 \ \"" | head -c 1000000 | tee "$XV6_CONSOLE"; echo the last line >>"$XV6_CONSOLE"' >tests/3.run
echo 'a "quoted" \ name' >tests/3.desc
echo 10 >tests/1.points
echo 5 >tests/2.points
go -c --gradescope results.json --junit results.xml
is 'gradescope: status' 1 "$status"
checked 'gradescope: points' '
assert results["score"] == 10, results["score"]
assert [(t["score"], t["max_score"]) for t in tests] == [(10, 10), (0, 5), (0, 1)], tests
assert [t["status"] for t in tests] == ["passed", "failed", "failed"]
assert isinstance(results["execution_time"], int) and results["stdout_visibility"] == "hidden"'
checked 'gradescope: names' '
assert tests[0]["name"] == "1: number 1" and tests[2]["name"] == "3: a \"quoted\" \\ name", tests'
checked 'gradescope: what went wrong, and the end of the console' '
assert "other standard output" in tests[1]["output"], tests[1]
assert tests[2]["output"].endswith("the last line"), tests[2]'
checked 'gradescope: every text is cut' '
assert all(len(t["output"]) < 10000 for t in tests), [len(t["output"]) for t in tests]'
if [ "$(wc -c <results.xml)" -lt 30000 ]; then ok 'junit: every text is cut'; else bad 'junit: every text is cut'; fi
checked 'gradescope: visible' 'assert all(t["visibility"] == "visible" for t in tests)'
go --gradescope=results.json --visibility after_published
checked 'gradescope: tests that were not run' '
assert [(t["score"], t["output"]) for t in tests][2] == (0, "not run"), tests
assert all(t["visibility"] == "after_published" for t in tests)'
go --gradescope results.json --visibility 'no"body'
is 'gradescope: an unknown visibility: status' 2 "$status"
checked 'gradescope: an unknown visibility' 'assert results["score"] == 0'
echo many >tests/2.points
go --gradescope results.json
is 'points: no number: status' 2 "$status"
says 'points: no number: which' tests/2.points

# Failures of pre: no points, and the reason.
fresh
put 1 'echo one' $'one\n'
echo 'echo "kernel does not \"build\""; exit 2' >tests/pre
go -c --gradescope results.json
is 'pre fails: status for graders' 2 "$status"
checked 'gradescope: pre fails' '
assert results["score"] == 0 and tests[0]["max_score"] == 1 and tests[0]["output"] == "not run"
assert "status 2" in results["output"] and "kernel does not \"build\"" in results["output"], results'
echo 'echo begun; sleep 60 & wait' >tests/pre
go -c --gradescope results.json --pre-timeout 5
is 'pre has no end: status' 2 "$status"
says 'pre has no end: it says so' 'had not ended after 5 s'
checked 'gradescope: pre has no end' 'assert "begun" in results["output"], results'
echo 'yes' >tests/pre
go -c --gradescope results.json
is 'pre prints without end: status' 2 "$status"
if [ "$(wc -c <tests-out/pre.log)" -le 4000000 ]; then ok 'pre prints without end: cut'; else bad 'pre prints without end'; fi
checked 'gradescope: pre prints without end' 'assert len(results["output"]) < 10000'
go -t 9 --gradescope results.json
checked 'gradescope: nothing to run' 'assert results["score"] == 0 and "tests/9.run" in results["output"]'

# Time for all tests.
fresh
put 1 'sleep 1; echo one' $'one\n'
put 2 'echo two' $'two\n'
go --total 1 --gradescope results.json
is 'the time for all tests: status' 1 "$status"
says 'the time for all tests: it says so' '1 of 2 tests passed, 1 not run (the 1 s for all tests were up)'
checked 'gradescope: the time for all tests' 'assert [t["score"] for t in tests] == [1, 0]'
go --total 600
is 'time enough for all tests: status' 0 "$status"

# A killed run leaves no earlier results.
put 1 "kill -KILL \$(ps -o ppid= -p \$(ps -o ppid= -p \$(ps -o ppid= -p \$\$)))" ''
echo '{"score": 2}' >results.json
go --gradescope results.json
if [ ! -e results.json ]; then ok 'killed: no results of another run'; else bad 'killed: old results'; fi

# Odd names.
fresh
mkdir 'more tests'
mv tests 'more tests/a b'
mkdir tests
# shellcheck disable=SC2016 # for the test's own shell
put 1 'echo "$0"' ''
mv tests/* 'more tests/a b/'
echo 'more tests/a b/1.run' >'more tests/a b/1.out'
go -d 'more tests/a b/'
is 'blanks in names' 0 "$status"

all_checked 'the test runner'
