#!/bin/sh
# Marks one student's tree in a directory of its own, so that many can be marked concurrently; `-h`
# lists the options.
#
# A built copy of this tree, the seed, is kept. Each marking copies the seed, overlays the student's
# files and rebuilds what differs. Unchanged files keep their time and changed ones get the present,
# which cargo relies on. Nothing of one student is left for the next.
set -eu
base=$(cd "$(dirname "$0")/.." && pwd)
. "$base/scripts/results.sh"
. "$base/scripts/above.sh"
look_above
above_first=$above
# The copy is marked, whatever tree the caller uses.
unset PAGODA

usage() {
    cat <<END
usage: mark.sh [--lab LAB] [--take 'PART …'] [--limit s] TREE OUT [-- OPTION …]
       mark.sh --prepare

Marks TREE with test-mmap.sh, which gets the OPTIONs, and writes the results to OUT: Gradescope's
results.json if the name ends in .json, JUnit's XML if it ends in .xml. What was said meanwhile is in the
file with the extension .log. TREE is a changed tree of Pagoda, or a folder with one in it.

  --lab LAB    mark with 'make grade LAB=…' instead: alloc or lazy
  --take 'PART …'
               the files and folders that count as the student's, where TREE has them; all others are
               those of this tree ('$take')
  --limit s    seconds that it may take ($limit); what was not run then has no points
  --prepare    only build what all markings begin with

The built copy that all begin with and those of the markings are in PAGODA_MARKING
(/var/tmp/pagoda-marking-UID): on a disk of this machine, please.

Exit status: 0 the tree was marked, whatever its points; 2 it could not be.
END
}

die() { echo "mark.sh: $*" >&2; exit 2; }

lab='' out='' name='' take='crates kernel Cargo.toml Cargo.lock' limit=1800 prepare=''
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --prepare) prepare=yes ;;
        --lab | --take | --limit)
            [ $# -ge 2 ] || die "$1 needs a value; -h lists the options"
            case $1 in --lab) lab=$2 ;; --take) take=$2 ;; --limit) limit=$2 ;; esac
            shift
            ;;
        -*) die "no option '$1'; -h lists the options" ;;
        *) break ;;
    esac
    shift
done
case $lab in '' | alloc | lazy) ;; *) die "no lab '$lab'; there are alloc and lazy" ;; esac
case $limit in '' | *[!0-9]* | 0* | ???????*) die "--limit $limit: expected a number of seconds" ;; esac

place=${PAGODA_MARKING:-/var/tmp/pagoda-marking-$(id -u)}
seed=$place/seed
mkdir -p -m 700 "$place" && [ -O "$place" ] || die "$place is not a directory of yours"

copy='' child=''
# attend LOG COMMAND…: runs the command and reacts to signals meanwhile.
attend() {
    heard=''
    # Until the child is known.
    trap 'heard=yes' INT TERM HUP
    attended=$1
    shift
    "$@" </dev/null >"$attended" 2>&1 &
    child=$!
    trap interrupted INT TERM HUP
    [ -z "$heard" ] || interrupted
    attended=0
    wait "$child" || attended=$?
    child=''
    return "$attended"
}

# An interrupted marking has no results.
interrupted() {
    trap '' INT TERM HUP
    if [ -n "$child" ]; then
        # Repeatedly: a process just forked may miss a signal, bash one that comes just before it
        # waits, and timeout forwards only the first. Only timeout has a process group of its own.
        while kill -TERM "-$child" 2>/dev/null || kill -TERM "$child" 2>/dev/null; do sleep 0.1; done
        wait "$child" || :
    fi
    [ -z "$out" ] || rm -f "$out"
    die "${name:-}${name:+: }interrupted"
}
trap '[ -z "$copy" ] || rm -rf "$copy"' EXIT
trap interrupted INT TERM HUP

# prepare_seed: updates the seed to this tree and builds it.
prepare_seed() {
    for part in '' c course marking; do
        # shellcheck disable=SC2086 # no argument if there is no part
        "$base/scripts/setup" $part >&2 || die "scripts/setup $part fails"
    done
    [ -e "$seed" ] || echo "mark.sh: the first build, in $seed" >&2
    mkdir -p "$seed"
    (cd "$base" && rsync -rlpc --delete --exclude='*.img' --exclude=/course/tests-out \
        .cargo Cargo.toml Cargo.lock Makefile README.md crates kernel user xtask scripts course tests "$seed/") ||
        die "$seed could not be written"
    attend "$place/seed.log" "$seed/scripts/xtask" build ||
        { tail -n 20 "$place/seed.log" >&2; die "$base does not build; see $place/seed.log"; }
}

# tree_in FOLDER: the tree in the folder, or the folder itself.
tree_in() {
    for dir in "$1" "$1"/*/; do
        for part in $take; do
            if [ -e "$dir/$part" ]; then echo "${dir%/}"; return 0; fi
        done
    done
    return 1
}

# put_over TREE: replaces the copy's parts by the student's.
put_over() {
    for part in $take; do
        if [ -d "$1/$part" ]; then
            mkdir -p "$copy/$part"
            rsync -rlc --delete --safe-links --chmod=u+rwX --exclude=/target --exclude='/*/target' \
                "$1/$part/" "$copy/$part/"
        elif [ -f "$1/$part" ]; then
            cmp -s "$1/$part" "$copy/$part" || cp "$1/$part" "$copy/$part"
        fi
    done
}

exec 9>"$place/seed.lock"
attend /dev/null flock 9 || die "$place/seed.lock cannot be locked"
if [ -n "$prepare" ]; then
    [ $# -eq 0 ] || die "--prepare takes no tree"
    prepare_seed
    exit 0
fi

[ $# -ge 2 ] || { usage >&2; exit 2; }
student=$1 out=$2
shift 2
[ $# -eq 0 ] || [ "$1" = -- ] || die "unexpected '$1' after the two names; options of test-mmap.sh go after --"
[ $# -eq 0 ] || shift
[ -z "$lab" ] || [ $# -eq 0 ] || die "--lab takes no options of test-mmap.sh"
[ -d "$student" ] || die "no folder $student"
case $out in
    *.json) form=--gradescope ;;
    *.xml) form=--junit ;;
    *) die "$out: expected a name ending in .json (Gradescope) or .xml (JUnit)" ;;
esac
case $out in /*) ;; *) out=$PWD/$out ;; esac
log=${out%.*}.log
# Remove results of an earlier marking.
mkdir -p "$(dirname "$out")" && rm -f "$out" && : >"$log" || die "$out cannot be written"
name=$(cd "$student" && basename "$PWD")

# report WHY: writes results with no points and the reason.
report() { report_nothing "$out" "$1" "$log" "$tree"; echo "$name: $1"; }

tree=$(tree_in "$student") || { tree=$student; report "nothing of a tree is there: $take"; exit 0; }
tree=$(realpath "$tree")

prepare_seed
# Take the first free slot; child processes hold its lock too.
n=1
until exec 8>"$place/$n.lock" && flock -n 8; do n=$((n + 1)); done
copy=$place/$n
rm -rf "$copy"
cp -a --reflink=auto "$seed" "$copy"
exec 9>&-
: >"$place/$n.now"
[ -z "$(find "$copy" -newer "$place/$n.now" -print -quit)" ] ||
    die "files in $seed are in the future: was the clock set back? Remove $place"
put_over "$tree" || die "$tree could not be copied to $copy"

# Concurrent builds slow down booting.
export XV6_BOOT_TIMEOUT="${XV6_BOOT_TIMEOUT:-60}"
if [ -n "$lab" ]; then
    set -- timeout -k 20 "$limit" make -s -C "$copy" grade LAB="$lab" OUT="$out" TREE="$tree"
else
    cd "$copy/course"
    # test-mmap.sh enforces the limit itself.
    set -- timeout -k 20 $((limit + 300)) ./test-mmap.sh -c --total "$limit" \
        --pre-timeout "$limit" --name "$tree" "$form" "$out" "$@"
fi
status=0
attend "$log" "$@" || status=$?
trap '' INT TERM HUP
# If an ancestor ended, the guests ended with it, which is not the student's fault.
look_above
[ "$above" = "$above_first" ] || { rm -f "$out"; die "$name could not be marked: a parent process ended"; }
if [ -s "$out" ]; then
    last=$(grep -v '^make: ' "$log" | tail -n 1 | cut -c 1-200 | sed 's/^run-tests.sh: //; s/; its output: .*//')
    echo "$name: $last"
elif [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
    report "no end after $limit s"
else
    tail -n 20 "$log" >&2
    die "$name could not be marked (status $status)"
fi
