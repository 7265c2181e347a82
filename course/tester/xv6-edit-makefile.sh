#!/bin/sh
# xv6-edit-makefile.sh MAKEFILE NAME,NAME…: prints the makefile with these programs added to UPROGS,
# before the line of mkdir, which every xv6 has.
if [ $# -ne 2 ] || [ ! -r "$1" ]; then
    echo "usage: xv6-edit-makefile.sh MAKEFILE NAME,NAME…" >&2
    exit 2
fi
awk=$(command -v gawk || command -v awk) || {
    echo "xv6-edit-makefile.sh: no gawk; scripts/setup course installs it" >&2
    exit 2
}
exec "$awk" -v names="$2" '
    $1 == "_mkdir\\" {
        count = split(names, name, ",")
        for (i = 1; i <= count; i++) if (name[i] != "") printf "\t_%s\\\n", name[i]
        found = 1
    }
    { print }
    END {
        if (!found) {
            print "xv6-edit-makefile.sh: " FILENAME " has no line _mkdir\\" >"/dev/stderr"
            exit 1
        }
    }' "$1"
