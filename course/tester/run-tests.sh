#!/usr/bin/env bash
# Runs the numbered tests of a directory and compares their output with the expected; `-h` lists the
# options and the files. Needs bash 4.3 or newer.
set -uo pipefail

me=${0##*/}
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../../scripts/results.sh
. "$here/../../scripts/results.sh" || exit 2
# shellcheck source=tree.sh
. "$here/tree.sh" || exit 2
# shellcheck source=judge.sh
. "$here/judge.sh" || exit 2
# shellcheck source=reports.sh
. "$here/reports.sh" || exit 2

usage() {
    cat <<END
usage: $me [-h] [-v] [-c] [-s] [-t n] [-d dir] [-j n] [--out dir] [--course dir]
       [--timeout s] [--boot-timeout s] [--pre-timeout s] [--total s]
       [--junit file] [--gradescope file] [--visibility word] [--name text]

  -h            this text
  -v            tell what each test is about, what is run, and how the output differs
  -t n          only test n; may be given more than once
  -c            go on after a test that fails
  -d dir        the tests are in dir, not in tests/
  -s            leave out dir/pre, which is otherwise run once, before the first test, and builds; what
                was built has to be of the same tree and tests, in the same state
  -j n          up to n tests at the same time
  --out dir     what the tests really gave goes to dir, not to tests-out/
  --course dir  the folder to run in, with src/ and tests/; names in other options are seen from here
  --timeout s   seconds that one test may take (300)
  --boot-timeout s
                seconds until a guest's first prompt, once it is built (XV6_BOOT_TIMEOUT, else 30)
  --pre-timeout s
                seconds that dir/pre may take (900)
  --total s     seconds after which no further test begins; without it there is no limit
  --junit file  write the results to file, as JUnit's XML, too
  --gradescope file
                write the results to file, as Gradescope's results.json, too
  --visibility word
                for Gradescope, when students see them: visible (which it is without this option),
                hidden, after_due_date or after_published
  --name text   what the results call the tree under test, instead of its path

The tree whose kernel is tested is the one that PAGODA names. When two tests in a row see no prompt, no
other one is begun.

Test n is the file n.run, and those of the following that it needs:
  n.run   commands that make the test; run from the current directory
  n.out   its standard output; without this file there must be none
  n.err   its standard error; without this file there must be none
  n.rc    its exit status; without this file any will do
  n.desc  a line or more that describe it
  n.points  the points that it is worth to Gradescope, a whole number; without this file 1
  n.pre   commands to run before it, which must succeed
  n.post  commands to run after it, however it ended
Numbers start at 1. What a test really gave is in tests-out/, under the same names. The ends of lines
may have carriage returns on one side and none on the other. tests-out/n.console is the whole console of
a test that run-xv6-command.exp ran; tests-out/n.err has the end of it if no prompt came.

Exit status: 0 all tests ran and passed, 1 some did not, 2 there was nothing that could be run.
END
}

# die TEXT: reports an error and exits.
die() {
    echo "$me: $1" >&2
    problem=$1
    finish 2
}

verbose='' keep_going='' skip_pre='' junit='' gradescope='' visibility=visible
dir='' out='' course='' tree_name=''
jobs=1 limit=300 boot_limit='' pre_limit=900 total='' problem='' problem_log=/dev/null unreached=''
# Limits on the output of dir/pre, and on a text in a report.
most=4000000 shown_most=8000
chosen=()
declare -A verdict=() took=() started=() worth=()
order=()

# --- Helpers -------------------------------------------------------------------------------

whole_number() { [[ $1 =~ ^[1-9][0-9]{0,5}$ ]]; }

now() { echo "${EPOCHREALTIME:-$(date +%s)}" | tr , .; }

# command_for FILE: sets `runner` to the command that runs it: the file if it has a #! line, else
# bash.
command_for() {
    local path=$1 head=''
    [[ $path == */* ]] || path=./$path
    IFS= read -r -n 2 head <"$path" 2>/dev/null
    if [ "$head" = '#!' ] && [ -x "$path" ]; then runner=("$path"); else runner=(bash "$path"); fi
}

# --- One test -----------------------------------------------------------------------------------

# run_test N: runs the test and writes its verdict to $work/N.verdict: `passed` or the reason, then
# explanations. Runs in a subprocess.
run_test() {
    local n=$1 begin child='' status=0 stopped=''
    trap '[ -z "$child" ] || kill -TERM "$child" 2>/dev/null; stopped=yes' TERM INT HUP
    exec 9<&- # whatever of this outlives the tests holds no lock
    begin=$(now)
    rm -f "$out/$n".{out,err,rc,log,console}
    # run-xv6-command.exp writes the full console there.
    export XV6_CONSOLE
    XV6_CONSOLE=$(realpath "$out")/$n.console
    if [ -f "$dir/$n.pre" ]; then
        command_for "$dir/$n.pre"
        "${runner[@]}" </dev/null >"$out/$n.log" 2>&1 || status=$?
    fi
    if [ "$status" -ne 0 ]; then
        printf '%s\n' "$dir/$n.pre failed with status $status" "its output: $out/$n.log"
    else
        command_for "$dir/$n.run"
        [ -z "$have_timeout" ] || runner=(timeout -k 5 "$limit" "${runner[@]}")
        "${runner[@]}" </dev/null >"$out/$n.out" 2>"$out/$n.err" &
        child=$!
        while wait "$child"; status=$?; [ "$status" -gt 128 ] && kill -0 "$child" 2>/dev/null; do :; done
        echo "$status" >"$out/$n.rc"
        judge "$n" "$status" "$begin"
    fi >"$work/$n.new"
    child=''
    if [ -f "$dir/$n.post" ]; then
        command_for "$dir/$n.post"
        "${runner[@]}" </dev/null >>"$out/$n.log" 2>&1 ||
            echo "$me: $dir/$n.post failed; its output: $out/$n.log" >&2
    fi
    echo "$begin $(now)" >"$work/$n.time"
    # An interrupted test has no verdict.
    [ -n "$stopped" ] || mv "$work/$n.new" "$work/$n.verdict"
}

# --- Before all tests ---------------------------------------------------------------------------

# run_pre: runs dir/pre with output to $out/pre.log; returns its exit status.
run_pre() {
    command_for "$dir/pre"
    # The time limit is for the whole pipeline. Endless output ends with SIGPIPE; stdbuf makes head
    # write at once.
    # shellcheck disable=SC2016 # for the inner shell
    runner=(bash -c 'log=$1 most=$2; shift 2; set -o pipefail
        "$@" </dev/null 2>&1 | stdbuf -o0 head -c "$most" | tee "$log"' pre "$out/pre.log" "$most" "${runner[@]}")
    [ -z "$have_timeout" ] || runner=(timeout -k 5 "$pre_limit" "${runner[@]}")
    if [ -n "$verbose" ]; then "${runner[@]}" 9<&- & else "${runner[@]}" >/dev/null 9<&- & fi
    wait $!
}

# pre_failed STATUS: reports the failure in place of all tests.
pre_failed() {
    local why="failed with status $1" booted
    [ -n "$verbose" ] || tail -n 20 "$out/pre.log" | head -c "$shown_most" | sed 's/^/    | /' >&2
    problem_log=$out/pre.log
    booted=$(no_prompt "$out/pre.log")
    if [ -n "$booted" ]; then
        why+=", $booted"
        unreached='the kernel does not boot'
    elif [ "$1" -eq 124 ] && [ "$SECONDS" -ge "$pre_limit" ]; then
        why="had not ended after $pre_limit s"
    fi
    die "$dir/pre $why; its output: $out/pre.log"
}

# --- Reports ------------------------------------------------------------------------------------

# announce N: the line of -v before a test.
announce() {
    [ -n "$verbose" ] || return 0
    echo "test $1: $(describe "$1")"
    sed 's/^/    runs: /' "$dir/$1.run"
}

describe() {
    if [ -s "$dir/$1.desc" ]; then tr -s '\r\n' '  ' <"$dir/$1.desc" | sed 's/ *$//'; else echo "(no $dir/$1.desc)"; fi
}

# report N: prints and records the result of a test.
report() {
    local n=$1 lines kind
    [ "$jobs" -eq 1 ] || announce "$n"
    mapfile -t lines <"$work/$n.verdict"
    verdict[$n]=${lines[0]}
    read -r -a times <"$work/$n.time"
    took[$n]=$(awk -v a="${times[0]}" -v b="${times[1]}" 'BEGIN { printf "%.3f", b - a }')
    if [ "${verdict[$n]}" = passed ]; then
        echo "test $n: passed"
        return 0
    fi
    echo "test $n: FAILED: ${verdict[$n]}"
    printf '    %s\n' "${lines[@]:1}"
    if [ -n "$verbose" ]; then
        for kind in out err; do differences "$n" "$kind" | sed 's/^/    | /'; done
    fi
    return 1
}

work='' summary=''
# finish STATUS: writes the requested reports and exits.
finish() {
    local status=$1 form
    trap '' INT TERM HUP
    for form in junit gradescope; do
        if [ -n "${!form}" ] && ! "write_$form"; then
            echo "$me: ${!form} could not be written" >&2
            [ "$status" -ne 0 ] || status=2
        fi
    done
    [ -z "$work" ] || rm -rf "$work"
    exit "$status"
}

# stop_all: kills the running tests.
stop_all() {
    local running
    # Repeatedly, because bash may miss a signal that comes just before it waits.
    while running=$(jobs -rp) && [ -n "$running" ]; do
        # shellcheck disable=SC2086 # a list of numbers
        kill -TERM $running 2>/dev/null
        sleep 0.1
    done
    wait
}

# shellcheck disable=SC2317 # called by the trap
interrupted() {
    trap '' INT TERM HUP
    stop_all
    echo "$me: interrupted" >&2
    problem=interrupted
    finish 1
}

# --- Options ------------------------------------------------------------------------------------

while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        -v) verbose=yes ;;
        -c) keep_going=yes ;;
        -s) skip_pre=yes ;;
        -t | -d | -j | --out | --course | --name | --junit | --gradescope | --visibility | \
            --timeout | --boot-timeout | --pre-timeout | --total)
            [ $# -ge 2 ] || die "$1 needs a value; -h lists the options"
            case $1 in
                -t) chosen+=("$2") ;;
                -d) dir=${2%/} ;;
                -j) jobs=$2 ;;
                --out) out=${2%/} ;;
                --course) course=$2 ;;
                --name) tree_name=$2 ;;
                --junit) junit=$2 ;;
                --gradescope) gradescope=$2 ;;
                --visibility) visibility=$2 ;;
                --timeout) limit=$2 ;;
                --boot-timeout) boot_limit=$2 ;;
                --pre-timeout) pre_limit=$2 ;;
                --total) total=$2 ;;
            esac
            shift
            ;;
        --*=*)
            set -- "${1%%=*}" "${1#*=}" "${@:2}"
            continue
            ;;
        -[tdj]?*) set -- "${1:0:2}" "${1:2}" "${@:2}"; continue ;;
        -[hvcs]?*) set -- "${1:0:2}" "-${1:2}" "${@:2}"; continue ;;
        *) usage >&2; die "no option '$1'" ;;
    esac
    shift
done
whole_number "$jobs" || die "-j $jobs: expected a number of tests"
whole_number "$limit" || die "--timeout $limit: expected a number of seconds"
whole_number "$pre_limit" || die "--pre-timeout $pre_limit: expected a number of seconds"
[ -z "$total" ] || whole_number "$total" || die "--total $total: expected a number of seconds"
if [ -n "$boot_limit" ]; then
    whole_number "$boot_limit" || die "--boot-timeout $boot_limit: expected a number of seconds"
    export XV6_BOOT_TIMEOUT=$boot_limit
fi
case $visibility in
    visible | hidden | after_due_date | after_published) ;;
    *) bad=$visibility visibility=visible; die "--visibility $bad: expected visible, hidden, after_due_date or after_published" ;;
esac
# Remove reports of an earlier run.
[ -z "$junit" ] || rm -f "$junit"
[ -z "$gradescope" ] || rm -f "$gradescope"
if [ -n "$course" ] && ! [ "$course" -ef . ]; then
    for file in dir out junit gradescope PAGODA; do
        [[ -z ${!file:-} || ${!file} == /* ]] || printf -v "$file" %s "$PWD/${!file}"
    done
    cd "$course" || die "no folder $course"
fi
dir=${dir:-tests} out=${out:-tests-out}
[ -d "$dir" ] || die "no directory $dir with tests"
for n in "${chosen[@]}"; do
    [ -f "$dir/$n.run" ] || die "no test $n: no file $dir/$n.run"
done
have_timeout=$(command -v timeout)

# --- Main ---------------------------------------------------------------------------------------

if [ ${#chosen[@]} -gt 0 ]; then
    for n in "${chosen[@]}"; do
        # A test must not run concurrently with itself.
        [[ " ${order[*]} " == *" $n "* ]] || order+=("$n")
    done
else
    for ((n = 1; ; n++)); do
        [ -f "$dir/$n.run" ] || break
        order+=("$n")
    done
    [ ${#order[@]} -gt 0 ] || die "no tests in $dir: it has no 1.run"
fi
for n in "${order[@]}"; do
    [ -f "$dir/$n.points" ] || continue
    points=$(tr -d ' \r\n' <"$dir/$n.points")
    whole_number "$points" || die "$dir/$n.points: expected a whole number of points"
    worth[$n]=$points
done
# Tests after a gap in the numbers do not run; report them.
gap=''
if [ ${#chosen[@]} -eq 0 ]; then
    for file in "$dir"/*.run; do
        name=${file##*/}
        name=${name%.run}
        if whole_number "$name" && [ "$name" -gt ${#order[@]} ]; then gap=$file; fi
    done
fi

work=$(mktemp -d) || die "cannot create temporary files"
mkdir -p "$out" || die "cannot create the results folder $out"
trap interrupted INT TERM HUP
# make in a test is not a submake.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

look_at_tree
if [ -n "$skip_pre" ]; then expect_built; else claim_src; fi
[ -z "$tree_name" ] || echo "testing $tree_name${tree_now:+, state ${tree_now%% *}}"
if [ -z "$skip_pre" ] && [ -f "$dir/pre" ]; then
    echo "preparing the tests with $dir/pre (-s leaves this out)"
    run_pre || pre_failed $?
    note_built
fi

# in_time: whether another test may start.
in_time() { [ -z "$total" ] || [ "$SECONDS" -lt "$total" ]; }

next=0 shown=0 failed=0 passed=0 running=0 no_prompts=0
while [ "$shown" -lt ${#order[@]} ]; do
    while [ "$running" -lt "$jobs" ] && [ "$next" -lt ${#order[@]} ] && in_time; do
        n=${order[next]}
        [ "$jobs" -gt 1 ] || announce "$n"
        run_test "$n" &
        started[$n]=$!
        next=$((next + 1)) running=$((running + 1))
    done
    [ "$shown" -lt "$next" ] || break
    wait -n
    running=$(jobs -rp | wc -l)
    # Report in the order of numbers.
    while [ "$shown" -lt "$next" ]; do
        n=${order[shown]}
        if [ ! -f "$work/$n.verdict" ]; then
            kill -0 "${started[$n]}" 2>/dev/null && break
            # It may have finished since the first check.
            [ -f "$work/$n.verdict" ] || {
                echo "the test was killed" >"$work/$n.verdict"
                echo "0 0" >"$work/$n.time"
            }
        fi
        shown=$((shown + 1))
        if report "$n"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            [ -n "$keep_going" ] || break 2
        fi
        case ${verdict[$n]} in 'no prompt'*) no_prompts=$((no_prompts + 1)) ;; *) no_prompts=0 ;; esac
        if [ "$no_prompts" -eq 2 ]; then
            unreached='the kernel does not boot'
            break 2
        fi
    done
done
stop_all

left=$((${#order[@]} - passed - failed))
summary="$passed of ${#order[@]} tests passed"
if [ "$left" -ne 0 ]; then
    why='-c goes on after a failure'
    [ "$failed" -ne 0 ] && [ -z "$keep_going" ] || why="the $total s for all tests were up"
    if [ -n "$unreached" ]; then summary+=", $left not reached: $unreached"; else summary+=", $left not run ($why)"; fi
fi
echo "$summary"
[ -z "$gap" ] || echo "$me: $gap was not run: the numbers end at ${#order[@]}" >&2
if [ "$passed" -ne ${#order[@]} ] || [ -n "$gap" ]; then finish 1; fi
finish 0
