#!/usr/bin/env bash
# Tests course/mark.sh with a tree whose build is a few lines of shell that go by file times, as
# cargo does. Prints a line for each check and exits with 1 if one failed.
set -uo pipefail
unset PAGODA
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=checks.sh
. "$root/tests/checks.sh"
# A build can be made to wait for this file.
export PAGODA_MARKING=$place/marking GATE=$place/gate
base=$place/base
cd "$place" || exit 1

# --- The tree -------------------------------------------------------------------------------------

mkdir -p "$base"/{.cargo,crates/one,crates/two,kernel,user,xtask,tests,scripts,course/tests,course/src}
cp "$root"/scripts/{above.sh,grade,results.sh,tree-state} "$base/scripts/"
cp -r "$root"/course/{mark.sh,test-mmap.sh,tester} "$base/course/"
touch "$base"/{Cargo.toml,Cargo.lock,README.md}
# shellcheck disable=SC2016 # for make
printf 'grade:\n\t@LAB="$(LAB)" OUT="$(OUT)" scripts/grade\n' >"$base/Makefile"
for crate in one two; do echo "the teacher's $crate" >"$base/crates/$crate/lib"; done
echo "the teacher's kernel" >"$base/kernel/lib"
echo 'exit 0' >"$base/scripts/setup"
cat >"$base/scripts/xtask" <<'END'
#!/bin/sh
# Copies newer files to target/.
cd "$(dirname "$0")/.." && mkdir -p target && echo "$1" >>target/calls || exit 1
for lib in crates/one crates/two kernel; do
    built=target/$(basename $lib)
    [ ! -e "$built" ] || [ "$lib/lib" -nt "$built" ] || continue
    ! grep 'syntax error' $lib/lib >&2 || exit 101
    if grep -q 'waiting build' $lib/lib; then
        echo >"$GATE.reached"
        until [ -e "$GATE" ]; do sleep 0.1; done
    fi
    cp $lib/lib $built && echo "built $lib" >>target/calls
done
[ "$1" != grade ] || echo "{\"score\": 7, \"output\": \"$LAB\"}" >"$OUT"
END
chmod +x "$base"/scripts/{setup,xtask}
echo '../scripts/xtask build || exit; cp ../target/{one,two,kernel,calls} .' | sed 's/^/cd src; /; s/\.\.\//..\/..\//g' >"$base/course/tests/pre"
echo 'cat src/kernel' >"$base/course/tests/1.run"
echo "the teacher's kernel" >"$base/course/tests/1.out"
echo 'cat src/one src/two src/calls' >"$base/course/tests/2.run"

# student NAME FILE TEXT: a tree with that file changed, and with the oldest possible time.
student() {
    mkdir -p "class/$1"
    cp -r "$base"/{crates,kernel,Cargo.toml,Cargo.lock} "class/$1/"
    echo "$3" >"class/$1/$2"
    find "class/$1" -exec touch -h -d 2001-01-01 {} +
}

# mark OPTION…: sets `status` and `said`.
mark() { said=$("$base/course/mark.sh" "$@" 2>&1); status=$?; }

# --- One after the other --------------------------------------------------------------------------

student ann crates/one/lib "ann's one"
student bob kernel/lib "bob's kernel"
student eve crates/two/lib 'syntax error of eve'

mark class/ann results.json
is 'a tree: status' 0 "$status"
says 'a tree: its line' 'ann: 1 of 2 tests passed'
checked 'a tree: its own files are built' '
text = tests[1]["output"]
assert "ann'"'"'s one" in text and "the teacher'"'"'s two" in text, text'
checked 'a tree: nothing else is built again' '
text = tests[1]["output"]
assert text.count("+built crates/one") == 2 and text.count("+built crates/two") == 1, text'
if grep -q '1 of 2' results.log; then ok 'a tree: the log'; else bad 'a tree: the log'; fi
mark class/bob results.json
checked 'the next tree: its own files' '
assert "+bob'"'"'s kernel" in tests[0]["output"], tests
assert "the teacher'"'"'s one" in tests[1]["output"], tests'
mark class/eve results.json
is 'a tree that does not build: status' 0 "$status"
says 'a tree that does not build: its line' 'eve: tests/pre failed with status 101'
checked 'a tree that does not build: no points, and why' '
assert results["score"] == 0 and [t["score"] for t in tests] == [0, 0], results
assert "syntax error of eve" in results["output"], results'
mark class/ann results.xml
is 'junit: status' 0 "$status"
is 'junit: results' 1 "$(grep -c '<failure' results.xml)"
is 'junit: the tree' 1 "$(grep -c "<property name=\"tree\" value=\"$place/class/ann\"/>" results.xml)"
PAGODA=$place/class/bob mark class/ann results.json
checked 'a tree: the name, whatever the caller works with' '
assert results["extra_data"]["tree"].endswith("/class/ann"), results
assert tests[0]["score"] == 1, tests'

mkdir class/gus
cp -r class/ann class/gus/pagoda
mark class/gus results.json
checked 'a tree in a folder' '"ann'"'"'s one" in tests[1]["output"]'
mkdir -p class/nil/notes
mark class/nil results.json
is 'no tree: status' 0 "$status"
checked 'no tree: no points, and why' '
assert results["score"] == 0 and "nothing of a tree" in results["output"], results
assert results["extra_data"]["tree"] == "class/nil", results'

student mal kernel/lib "mal's kernel"
mkdir -p class/mal/course/tests class/mal/scripts
echo "mal's kernel" >class/mal/course/tests/1.out
printf '#!/bin/sh\nexit 0\n' >class/mal/scripts/xtask
ln -s "$place/class/ann/crates/one/lib" class/mal/crates/one/extra
mark class/mal results.json
checked 'tests and tools are the teacher'"'"'s' 'assert results["score"] == 0, results'
mark --take crates/one class/mal results.json
checked 'only the parts that count' 'assert tests[0]["score"] == 1, tests'

# --- Labs -----------------------------------------------------------------------------------------

mark --lab lazy class/ann results.json
is 'a lab: status' 0 "$status"
checked 'a lab: its results' 'assert results == {"score": 7, "output": "lazy"}, results'
mark --lab alloc class/eve results.json
is 'a lab that does not build: status' 0 "$status"
says 'a lab that does not build: its line' 'eve: Score: 0'
checked 'a lab that does not build: no points, and why' '
assert results["score"] == 0 and "syntax error of eve" in results["output"], results
assert results["extra_data"]["tree"].endswith("/class/eve"), results'
mark --lab alloc class/eve results.xml
is 'a lab that does not build: junit' 1 "$(grep -c 'syntax error of eve' results.xml)"
mark --lab other class/ann results.json
is 'an unknown lab: status' 2 "$status"

# --- Time -----------------------------------------------------------------------------------------

student hal kernel/lib 'waiting build'
mark --limit 5 class/hal results.json
is 'no end: status' 0 "$status"
checked 'no end: no points, and why' 'assert results["score"] == 0 and "not ended after 5 s" in results["output"], results'
mark --limit 5 --lab lazy class/hal results.json
is 'a lab without end: status' 0 "$status"
checked 'a lab without end: no points, and why' 'assert results == {**results, "score": 0} and "no end after 5 s" in results["output"], results'
rm -f "$GATE.reached"
"$base/course/mark.sh" class/hal results.json >interrupted 2>&1 &
marking=$!
until [ -e "$GATE.reached" ]; do sleep 0.1; done
kill -TERM "$marking"
wait "$marking"
is 'interrupted: status' 2 "$?"
said=$(cat interrupted)
says 'interrupted: it says so' 'hal: interrupted'
if [ ! -e results.json ]; then ok 'interrupted: no results'; else bad 'interrupted: there are results'; fi

# While the seed is built.
rm -f "$GATE.reached"
echo 'waiting build' >"$base/kernel/lib"
PAGODA_MARKING=$place/other "$base/course/mark.sh" class/ann results.json >interrupted 2>&1 &
marking=$!
until [ -e "$GATE.reached" ]; do sleep 0.1; done
kill -TERM "$marking"
wait "$marking"
is 'interrupted at its beginning: status' 2 "$?"
said=$(cat interrupted)
says 'interrupted at its beginning: it says so' 'ann: interrupted'
if flock -n other/seed.lock true; then ok 'interrupted at its beginning: nothing goes on'; else bad 'it goes on'; fi
echo "the teacher's kernel" >"$base/kernel/lib"

# The calling shell ends, and with it the guests.
rm -f "$GATE.reached"
# shellcheck disable=SC2016 # for the inner shell
bash -c '{ "$0" class/hal results.json >left 2>&1; echo "status $?" >>left; } &
    until [ -e "$GATE.reached" ]; do sleep 0.1; done' "$base/course/mark.sh"
touch "$GATE"
until grep -qs ^status left; do sleep 0.1; done
said=$(cat left)
says 'left alone: status' 'status 2'
says 'left alone: it says so' 'a parent process ended'
if [ ! -e results.json ]; then ok 'left alone: no results'; else bad 'left alone: there are results'; fi

# --- Side by side ---------------------------------------------------------------------------------

for name in ann bob eve; do "$base/course/mark.sh" class/$name marks/$name.json >/dev/null 2>&1 & done
wait
for name in ann bob eve; do
    cp marks/$name.json results.json
    case $name in
        ann) checked 'side by side: ann' 'assert results["score"] == 1 and "ann'"'"'s one" in tests[1]["output"], results' ;;
        bob) checked 'side by side: bob' 'assert results["score"] == 0 and "bob'"'"'s kernel" in tests[0]["output"], results' ;;
        eve) checked 'side by side: eve' 'assert "syntax error of eve" in results["output"], results' ;;
    esac
done
is 'nothing is left' seed "$(cd "$PAGODA_MARKING" && echo */ | tr -d /)"

# --- What is no student's fault -------------------------------------------------------------------

mark class/nobody results.json
is 'no such tree: status' 2 "$status"
mark class/ann results.txt
is 'an unknown form: status' 2 "$status"
find "$PAGODA_MARKING/seed/target" -type f -exec touch -d '1 day' {} +
mark class/ann results.json
is 'a clock that was set back: status' 2 "$status"
says 'a clock that was set back: it says so' 'in the future'
rm -rf "$PAGODA_MARKING"
echo 'the syntax error of the teacher' >"$base/kernel/lib"
mark class/ann results.json
is 'the teacher'"'"'s own tree does not build: status' 2 "$status"
if [ ! -e results.json ]; then ok 'the teacher'"'"'s own tree does not build: no results'; else bad 'there are results'; fi

all_checked 'marking'
