# To be sourced by a POSIX shell.
# shellcheck shell=sh

# look_above: sets `above` to the ancestors of this process, parent first.
look_above() {
    above='' process=$$
    while [ "$process" -gt 0 ] && [ -r "/proc/$process/status" ]; do
        while read -r field value; do
            if [ "$field" = PPid: ]; then process=$value; break; fi
        done <"/proc/$process/status"
        above="$above $process"
    done
}
