# Common code of the scripts that write results as JUnit XML or Gradescope's results.json. To be
# sourced by a POSIX shell.
# shellcheck shell=sh

# Filters standard input to plain text.
plain_text() { LC_ALL=C tr -cd '\11\12\40-\176'; }
for_xml() { plain_text | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g'; }
# A JSON string without its quotes.
for_json() { plain_text | sed 's/\\/\\\\/g; s/"/\\"/g; s/	/\\t/g; $!s/$/\\n/' | tr -d '\n'; }

# report_nothing FILE WHY LOG TREE: writes the results of a run that could not start: no points, the
# reason, and the end of the log. FILE's extension decides the format.
report_nothing() {
    case $1 in
        *.xml)
            echo '<?xml version="1.0" encoding="UTF-8"?>'
            printf '<testsuite name="preparation of %s" tests="1" failures="0" errors="1" skipped="0">\n' \
                "$(printf %s "$4" | for_xml)"
            printf '<properties><property name="tree" value="%s"/></properties>\n' "$(printf %s "$4" | for_xml)"
            printf '<testcase name="preparation"><error message="%s">\n' "$(printf %s "$2" | for_xml)"
            tail -c 8000 "$3" | for_xml
            printf '</error></testcase>\n</testsuite>\n'
            ;;
        *)
            printf '{"score": 0, "visibility": "visible", "stdout_visibility": "hidden",\n'
            printf '"extra_data": {"tree": "%s"}, "output": "' "$(printf %s "$4" | for_json)"
            { printf '%s\n%s\n\n' "$4" "$2" && tail -c 8000 "$3"; } | for_json
            printf '"}\n'
            ;;
    esac >"$1.new" && mv "$1.new" "$1"
}
