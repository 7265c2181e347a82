# The Pagoda tree that the kernel in src/ is built from. src/Makefile records its state and name in
# src/.tree, and this script in src/.tests whose tests are on the disk. To be sourced.
# shellcheck shell=bash disable=SC2154 # sourced

# The output of `scripts/tree-state`, "state name", and the same for the tests; empty if no tree is
# known.
tree_now='' tests_now=''

# look_at_tree: sets them. PAGODA names the tree; without it the kernel is unknown.
look_at_tree() {
    [ -n "${PAGODA:-}" ] && [ -d src ] || return 0
    local said
    said=$("$here/../../scripts/tree-state" "$PAGODA" 2>&1) || die "$said"
    tree_now=$said
    # As an absolute path, for the makefile.
    export PAGODA="${tree_now#* }"
    tree_name=${tree_name:-$PAGODA}
    tests_now="$(state_of_tests) $(realpath "$dir")"
}

# A hash of the tests' sources.
state_of_tests() {
    (cd "$dir" && shopt -s nullglob && sha256sum pre ./*.[chS] 2>/dev/null | sha256sum | cut -c 1-12)
}

# called WORDS: such words in a message.
called() { echo "${1#* } in state ${1%% *}"; }

# Before dir/pre builds: locks src/ until this script ends.
claim_src() {
    [ -n "$tree_now" ] || return 0
    [ -f "$dir/pre" ] ||
        die "there is no $dir/pre: its tests would use an old build; a copy of tests/pre builds theirs"
    lock_src --exclusive
    rm -f src/.tests
}

# Instead of dir/pre: checks that what was built is what is asked for.
expect_built() {
    local what now built
    [ -n "$tree_now" ] || return 0
    lock_src --shared
    for what in tree tests; do
        now=${what}_now
        built=$(cat "src/.$what" 2>/dev/null) || die "-s: nothing was built to its end in src/; without -s it is"
        [ "$built" = "${!now}" ] ||
            die "-s: src/ has what was built of $(called "$built"), not of $(called "${!now}"); without -s that is built"
    done
}

# After dir/pre has built.
note_built() {
    [ -n "$tree_now" ] || return 0
    echo "$tests_now" >src/.tests
    lock_src --shared
}

# lock_src HOW: locks with descriptor 9, which children do not inherit.
lock_src() {
    exec 9<src
    flock --nonblock "$1" 9 || die "another run is using $PWD/src"
}
