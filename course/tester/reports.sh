# Writes reports of run-tests.sh for grading systems: JUnit XML and Gradescope's results.json. Texts
# are truncated.
# shellcheck shell=bash disable=SC2154 # sourced

# explain N: the explanation of a failed test.
explain() {
    {
        sed 1d "$work/$1.verdict"
        differences "$1" out
        differences "$1" err
        [ ! -s "$out/$1.console" ] || { echo 'the end of the console:'; tail -c 3000 "$out/$1.console"; }
    } | head -c "$shown_most"
}

write_junit() {
    local n failed=0 skipped=0 errors=0 total=0
    for n in "${order[@]}"; do
        case ${verdict[$n]:-} in
            '') skipped=$((skipped + 1)) ;;
            passed) ;;
            *) failed=$((failed + 1)) ;;
        esac
        total=$((total + 1))
    done
    [ -z "$problem" ] || errors=1 total=$((total + 1))
    {
        echo '<?xml version="1.0" encoding="UTF-8"?>'
        printf '<testsuite name="%s" tests="%s" failures="%s" errors="%s" skipped="%s">\n' \
            "$(for_xml <<<"$dir${tree_name:+ of $tree_name}")" "$total" "$failed" "$errors" "$skipped"
        if [ -n "$tree_name" ]; then
            echo '<properties>'
            echo "<property name=\"tree\" value=\"$(for_xml <<<"$tree_name")\"/>"
            echo "<property name=\"state\" value=\"${tree_now%% *}\"/>"
            echo '</properties>'
        fi
        if [ -n "$problem" ]; then
            echo "<testcase classname=\"$(for_xml <<<"$dir")\" name=\"preparation\"><error message=\"$(for_xml <<<"$problem")\">"
            tail -c "$shown_most" "$problem_log" | for_xml
            echo '</error></testcase>'
        fi
        for n in "${order[@]}"; do junit_case "$n"; done
        echo '</testsuite>'
    } >"$junit.new" && mv "$junit.new" "$junit"
}

junit_case() {
    local n=$1
    printf '<testcase classname="%s" name="%s: %s" time="%s">' \
        "$(for_xml <<<"$dir")" "$(for_xml <<<"$n")" "$(describe "$n" | for_xml)" "${took[$n]:-0}"
    case ${verdict[$n]:-} in
        '') printf '<skipped%s/>' "${unreached:+ message=\"not reached: $unreached\"}" ;;
        passed) ;;
        *)
            printf '<failure message="%s">\n' "$(for_xml <<<"${verdict[$n]}")"
            explain "$n" | for_xml
            printf '</failure>'
            ;;
    esac
    echo '</testcase>'
}

write_gradescope() {
    local n points score=0 separator=''
    for n in "${order[@]}"; do
        [ "${verdict[$n]:-}" != passed ] || score=$((score + ${worth[$n]:-1}))
    done
    {
        printf '{"score": %s, "execution_time": %s, "visibility": "%s", "stdout_visibility": "hidden",\n' \
            "$score" "$SECONDS" "$visibility"
        [ -z "$tree_name" ] ||
            printf '"extra_data": {"tree": "%s", "state": "%s"},\n' "$(for_json <<<"$tree_name")" "${tree_now%% *}"
        printf '"output": "%s",\n"tests": [' "$({
            [ -z "$tree_name" ] || echo "$tree_name${tree_now:+, state ${tree_now%% *}}"
            echo "${problem:-$summary}"
            tail -c "$shown_most" "$problem_log"
        } | for_json)"
        for n in "${order[@]}"; do
            points=${worth[$n]:-1}
            printf '%s\n{"name": "%s", "max_score": %s, "visibility": "%s", ' "$separator" \
                "$(printf '%s: ' "$n"; describe "$n" | for_json)" "$points" "$visibility"
            case ${verdict[$n]:-} in
                '')
                    printf '"score": 0, "status": "failed", "output": "%s"}' \
                        "${unreached:+not reached: }${unreached:-not run}"
                    ;;
                passed) printf '"score": %s, "status": "passed", "output": ""}' "$points" ;;
                *)
                    printf '"score": 0, "status": "failed", "output": "%s"}' \
                        "$({ echo "${verdict[$n]}"; explain "$n"; } | for_json)"
                    ;;
            esac
            separator=,
        done
        printf '\n]}\n'
    } >"$gradescope.new" && mv "$gradescope.new" "$gradescope"
}
