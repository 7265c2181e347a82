# Judges a test of run-tests.sh and reports it. To be sourced.
# shellcheck shell=bash disable=SC2154 # sourced

# Whether two files have the same text, ignoring carriage returns.
same() {
    cmp -s "$1" "$2" || cmp -s <(tr -d '\r' <"$1") <(tr -d '\r' <"$2")
}

# differences N KIND: the first lines of the diff of expected and real output.
differences() {
    local wanted=$dir/$1.$2 got=$out/$1.$2
    [ -f "$wanted" ] || wanted=/dev/null
    [ -f "$got" ] || return 0
    same "$wanted" "$got" || diff -a -u --strip-trailing-cr "$wanted" "$got" | head -n 20 | head -c 4000
}

# line_of FILE LINE COLUMN: the line for a message, from about that column on.
line_of() {
    local text
    [ -s "$1" ] || { echo "nothing ($1 is empty)"; return; }
    if ! text=$(tr -d '\r' <"$1" | LC_ALL=C awk -v line="$2" -v at="$3" '
        NR == line { print (at > 60 ? "…" substr($0, at - 40, 160) : substr($0, 1, 200)); found = 1; exit }
        END { exit !found }'); then
        echo "$1 ends before line $2"
        return
    fi
    text=$(tr -d '\000-\037\177' <<<"$text")
    # A missing newline at the end of the file.
    [ -z "$(tail -c 1 "$1")" ] || [ "$(wc -l <"$1")" -ge "$2" ] || text+=' (no newline)'
    echo "$1:$2: $text"
}

# first_difference WANTED GOT: the first difference. WANTED may be missing.
first_difference() {
    local wanted=$1 first count line column
    [ -f "$wanted" ] || wanted=/dev/null
    first=$(LC_ALL=C cmp <(tr -d '\r' <"$wanted") <(tr -d '\r' <"$2") 2>&1)
    # Length of the common prefix.
    count=$(sed -n 's/.* byte \([0-9]*\).*/\1/p' <<<"$first")
    [[ $first != *differ:* ]] || count=$((count - 1))
    read -r line column < <({ tr -d '\r' <"$2" | head -c "${count:-0}"; echo x; } |
        LC_ALL=C awk 'END { print NR, length($0) }')
    if [ -f "$1" ]; then
        echo "expected: $(line_of "$1" "$line" "$column")"
    else
        echo "expected: nothing (no file $1)"
    fi
    echo "got:      $(line_of "$2" "$line" "$column")"
}

# no_prompt FILE: the message of run-xv6-command.exp if the kernel did not reach its first prompt.
no_prompt() { sed -n 's/^run-xv6-command.exp: \(no prompt[^;]*\).*/\1/p' "$1" | head -n 1; }

# ran_out STATUS BEGIN: whether a test timed out. It may also have exited with such a status.
ran_out() {
    case $1 in
        124 | 137) awk -v a="$2" -v b="$(now)" -v limit="$limit" 'BEGIN { exit !(b - a >= limit) }' ;;
        *) false ;;
    esac
}

# judge N STATUS BEGIN: prints the verdict.
judge() {
    local n=$1 status=$2 kind what wanted booted bad=() tell=()
    if [ -n "$have_timeout" ] && ran_out "$status" "$3"; then
        bad+=("no end after $limit s")
    elif [ -f "$dir/$n.rc" ]; then
        wanted=$(tr -d ' \r\n' <"$dir/$n.rc")
        if [ "$wanted" != "$status" ]; then
            bad+=("exit status $status instead of $wanted")
            tell+=("expected: $dir/$n.rc" "got:      $out/$n.rc")
        fi
    fi
    for kind in out err; do
        wanted=$dir/$n.$kind
        what='standard output'
        [ "$kind" = out ] || what='standard error'
        if [ ! -f "$wanted" ]; then
            [ -s "$out/$n.$kind" ] || continue
            bad+=("unexpected $what")
        elif same "$wanted" "$out/$n.$kind"; then
            continue
        else
            bad+=("other $what than expected")
        fi
        mapfile -t -O "${#tell[@]}" tell < <(first_difference "$wanted" "$out/$n.$kind")
        [ ! -f "$wanted" ] || tell+=("compare:  diff $wanted $out/$n.$kind")
    done
    if [ ${#bad[@]} -eq 0 ]; then
        echo passed
        return
    fi
    # Other failures follow from this.
    booted=$(no_prompt "$out/$n.err")
    if [ -n "$booted" ]; then
        bad=("$booted") tell=("the end of the console: $out/$n.err")
    fi
    printf '%s, ' "${bad[@]}" | sed 's/, $/\n/'
    [ ! -f "$XV6_CONSOLE" ] || tell+=("console:  $out/$n.console")
    printf '%s\n' "${tell[@]}" "the test: $dir/$n.run"
}
