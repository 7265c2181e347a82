#!/usr/bin/env bash
# Tests the course's scripts with trees whose build and machine are a few lines of shell: which
# kernel is tested, and what happens if it does not boot. Prints a line for each check and exits
# with 1 if one failed.
set -uo pipefail
unset PAGODA XV6_BOOT_TIMEOUT XV6_TIMEOUT
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/scripts/setup" tests || exit 1
# shellcheck source=checks.sh
. "$root/tests/checks.sh"
place=$(realpath "$place")
cd "$place" || exit 1

# --- The trees ------------------------------------------------------------------------------------

mkdir -p course scripts
cp -r "$root"/course/{test-mmap.sh,tester} course/
cp "$root"/scripts/{tree-state,results.sh} scripts/
mkdir -p course/src course/tests
cp "$root/course/src/Makefile" course/src/
cp "$root/course/tests/pre" course/tests/

# The kernel is its source text. A program prints its name and the kernel's.
cat >machine <<'END_OF_MACHINE'
#!/bin/bash
case $1 in
    kernel)
        tree=$(dirname "$0")/..
        ps -o args= -p $PPID >>"$tree/builds"
        ! grep 'syntax error' "$tree/kernel/lib" >&2 && cp "$tree/kernel/lib" "$2"
        ;;
    image) # FILE --programs NAMES --add SOURCES
        for source in $6; do cc -fsyntax-only -x c "$source" || exit; done
        for source in $6; do echo "${source%.c}"; done >"$2"
        ;;
    boot)
        kernel=$(cat "$2") disk=$3
        stty -icanon -echo
        echo "boots $kernel"
        case $kernel in
            hangs) head -c 2 >/dev/null; exit ;;
            panics) echo 'panic: no memory'; head -c 2 >/dev/null; exit ;;
            ends) exit ;;
        esac
        printf 'init: starting sh\n$ '
        IFS= read -r line
        line=${line%$'\r'}
        echo "$line"
        if grep -qx "$line" "$disk"; then echo "XV6_TEST_OUTPUT $line on $kernel"; fi
        printf '$ '
        head -c 2 >/dev/null
        ;;
esac
END_OF_MACHINE
chmod +x machine

# tree NAME KERNEL: creates the tree or changes its kernel.
tree() {
    mkdir -p "$1/kernel" "$1/scripts"
    touch "$1/Cargo.toml"
    cp machine "$1/scripts/xtask"
    echo "$2" >"$1/kernel/lib"
}

# put N DIR: a test that passes on ann's kernel.
put() {
    echo 'int main(void) { return 0; }' >"$2/test_$1.c"
    echo "cd src; ./../tester/run-xv6-command.exp CPUS=1 Makefile.test test_$1 | grep XV6_TEST_OUTPUT; cd .." >"$2/$1.run"
    echo "XV6_TEST_OUTPUT test_$1 on ann's" >"$2/$1.out"
    : >"$2/$1.err"
}

# go TREE OPTION…: runs the tests; sets `status` and `said`.
go() { said=$(PAGODA=$1 course/test-mmap.sh "${@:2}" 2>&1); status=$?; }
lines() { is "$1: one line" 1 "$(wc -l <<<"$said")"; }

tree 'class/ann lee' "ann's"
tree class/bob "bob's"
put 1 course/tests
put 2 course/tests
ann='class/ann lee' bob=class/bob

# --- Which kernel ---------------------------------------------------------------------------------

go "$ann" --junit results.xml --gradescope results.json --out results/ann
is 'a tree: status' 0 "$status"
says 'a tree: its name' "testing $place/class/ann lee, state "
says 'a tree: the count' '2 of 2 tests passed'
state=$(sed -n 's/.*, state //p' <<<"$said")
is 'a tree: built before it boots' 0 "$(grep -c qemu-nox "$ann/builds")"
if python3 - results.xml "$place/class/ann lee" "$state" <<'END'
import sys, xml.etree.ElementTree as tree
suite = tree.parse(sys.argv[1]).getroot()
told = {p.get("name"): p.get("value") for p in suite.find("properties")}
assert told == {"tree": sys.argv[2], "state": sys.argv[3]}, told
assert sys.argv[2] in suite.get("name"), suite.attrib
END
then ok 'junit: the tree'; else bad 'junit: the tree'; cat results.xml; fi
checked 'gradescope: the tree' '
assert results["extra_data"]["tree"].endswith("/class/ann lee"), results
assert len(results["extra_data"]["state"]) == 12, results
assert results["extra_data"]["tree"] in results["output"].split("\n")[0], results'
go "$ann" -s
is 'the same tree: status' 0 "$status"

go "$bob" -s --gradescope results.json
is 'another tree was built: status' 2 "$status"
says 'another tree was built: that one' "$place/class/ann lee in state $state"
says 'another tree was built: this one' "$place/class/bob in state "
lines 'another tree was built'
checked 'another tree was built: no points' 'assert results["score"] == 0 and "class/bob" in results["output"]'
go "$bob" -c --out results/bob
is 'the other tree: status' 1 "$status"
says 'the other tree: its kernel' "got:      $place/results/bob/1.out:1: XV6_TEST_OUTPUT test_1 on bob's"
go "$ann" -s
is 'the right one after the wrong one: status' 2 "$status"
is 'results side by side: one' "XV6_TEST_OUTPUT test_1 on ann's" "$(tr -d '\r' <results/ann/1.out)"
is 'results side by side: the other' "XV6_TEST_OUTPUT test_1 on bob's" "$(tr -d '\r' <results/bob/1.out)"
is 'results side by side: consoles' 4 "$(find results -name '*.console' -size +0 | wc -l)"
go "$bob" --name 'bob, second try' -c
says 'another name' 'testing bob, second try, state '

find "$bob" -exec touch -d 2001-01-01 {} +
go "$bob" -s -t 1
is 'other times are no change: status' 1 "$status"
tree "$bob" "bob's new"
go "$bob" -s
is 'a changed tree: status' 2 "$status"
is 'a changed tree: both states' 2 "$(grep -o "$place/class/bob in state" <<<"$said" | wc -l)"
ln -s bob class/link
go class/link
go "$bob" -s
is 'a link to a tree is that tree' 1 "$status"
tree "$bob" 'syntax error'
go "$bob"
is 'a tree that does not build: status' 2 "$status"
go "$bob" -s
is 'what was not built is not tested: status' 2 "$status"

tree "$bob" "bob's"
make -s -C course/src PAGODA="$place/$ann" xv6.img >make.log 2>&1
make -s -C course/src PAGODA="$place/$bob" xv6.img >>make.log 2>&1
is 'by hand: the other kernel' "bob's" "$(cat course/src/xv6.img)"
go "$bob" -s
is 'by hand: no tests on the disk' 2 "$status"

# --- Where a tree is ------------------------------------------------------------------------------

said=$(cd class && PAGODA='ann lee' ../course/test-mmap.sh -d ../course/tests --junit r.xml 2>&1)
is 'names from where the caller stands: status' 0 $?
if [ -s class/r.xml ]; then ok 'results where the caller stands'; else bad 'results where the caller stands'; fi
go class/nobody
is 'no tree: status' 2 "$status"
says 'no tree: which' "no Pagoda tree at $place/class/nobody"
lines 'no tree'
said=$(make -C course/src PAGODA=../nobody 2>&1)
is 'no tree by hand: status' 2 $?
says 'no tree by hand: which' 'no Pagoda tree at ../nobody'

# --- Which tests ----------------------------------------------------------------------------------

go "$ann" -c
mkdir hidden
put 1 hidden
go "$ann" -d hidden
is 'tests without pre: status' 2 "$status"
says 'tests without pre: it says so' "there is no $place/hidden/pre"
go "$ann" -d hidden -s
is 'tests without pre, nothing built: status' 2 "$status"
says 'tests without pre, nothing built: whose programs there are' "$place/course/tests in state"
says 'tests without pre, nothing built: whose are asked for' "$place/hidden in state"
cp course/tests/pre hidden/
go "$ann" -d hidden
is 'tests with pre: status' 0 "$status"
go "$ann" -s
is 'the programs of other tests: status' 2 "$status"
go "$ann" -c
echo 'int main(void) { return 1; }' >course/tests/test_2.c
go "$ann" -s
is 'a changed program: status' 2 "$status"

printf '/* for you */\nint main(void)\n{\n    return x;\n}\n' >course/tests/test_2.c
go "$ann"
is 'an error in a test: status' 2 "$status"
says 'an error in a test: the file to edit' "$place/course/tests/test_2.c:4:12: error"
silent 'an error in a test: no copy' src/test_2.c
put 2 course/tests

# A test that waits for another run.
echo 'until [ -e ../gate ]; do touch ../gate.reached; sleep 0.1; done' >course/tests/1.pre
PAGODA=$ann course/test-mmap.sh >first 2>&1 &
until [ -e gate.reached ]; do sleep 0.1; done
go "$bob"
is 'a second run: status' 2 "$status"
says 'a second run: it says so' 'another run is using'
touch gate
wait $!
is 'the first run goes on: status' 0 $?
rm course/tests/1.pre

# --- No prompt ------------------------------------------------------------------------------------

for n in 3 4 5; do put $n course/tests; done
# The usual pre without the boot.
sed -i '/run-xv6-command/d' course/tests/pre
tree "$bob" hangs
go "$bob" -c --boot-timeout 1 --junit results.xml --gradescope results.json
is 'it hangs: status' 1 "$status"
says 'it hangs: the first' 'test 1: FAILED: no prompt within 1 s'
says 'it hangs: the second' 'test 2: FAILED: no prompt within 1 s'
says 'it hangs: the others' '0 of 5 tests passed, 3 not reached: the kernel does not boot'
silent 'it hangs: two are enough' 'test 3'
is 'it hangs: the end of the console' '    boots hangs' "$(tail -n 1 course/tests-out/1.err)"
checked 'gradescope: it hangs' '
assert [t["output"] for t in tests][2:] == 3 * ["not reached: the kernel does not boot"], tests
assert "no prompt within 1 s" in tests[0]["output"] and "boots hangs" in tests[0]["output"], tests'
is 'junit: it hangs' 3 "$(grep -c '<skipped message="not reached: the kernel does not boot"/>' results.xml)"
XV6_BOOT_TIMEOUT=1 go "$bob" -s -t 4
says 'a limit from the environment' 'no prompt within 1 s'
go "$bob" -s --boot-timeout many
is 'no number: status' 2 "$status"
tree "$bob" panics
go "$bob" -c
says 'it panics' 'test 1: FAILED: no prompt: the kernel panicked'
says 'it panics: the others' '3 not reached: the kernel does not boot'
tree "$bob" ends
go "$bob" -c -j 2
says 'it ends' 'test 1: FAILED: no prompt: the machine ended by itself'
says 'it ends: the others' '3 not reached: the kernel does not boot'

# Single failures to boot do not stop the run.
echo 'echo "run-xv6-command.exp: no prompt within 30 s" >&2' | tee course/tests/{1,3,5}.run >/dev/null
go "$ann" -c
says 'every other one' '2 of 5 tests passed'
silent 'every other one: all are reached' 'not reached'

cp "$root/course/tests/pre" course/tests/
tree "$bob" hangs
go "$bob" -c --boot-timeout 1 --gradescope results.json
is 'it hangs in pre: status' 2 "$status"
says 'it hangs in pre: it says so' 'tests/pre failed with status 1, no prompt within 1 s'
checked 'gradescope: it hangs in pre' '
assert "boots hangs" in results["output"], results
assert tests[0]["output"] == "not reached: the kernel does not boot", tests'

all_checked 'the trees under test'
