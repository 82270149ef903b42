# Turns the output of cargo test into a JUnit report. Every test is a case of the suite of its program. The message of a failure
# is in the log, under the name of the test; the report repeats it.

function escaped(text) {
    gsub(/&/, "\\&amp;", text)
    gsub(/</, "\\&lt;", text)
    gsub(/>/, "\\&gt;", text)
    gsub(/"/, "\\&quot;", text)
    # XML cannot contain the escape sequences of colours and other control characters.
    gsub(/[\001-\010\013-\037]/, "", text)
    return text
}

# The last word is the path of the test program, with a hash at its end.
/^     Running / { suite = $NF; sub(/^.*\//, "", suite); sub(/-[0-9a-f]+\)$/, "", suite) }
/^   Doc-tests / { suite = "doctests of " $2 }

/^test .* \.\.\. (ok|FAILED|ignored)/ {
    name = $0
    sub(/^test /, "", name)
    sub(/ \.\.\. [a-zA-Z].*$/, "", name)
    n++
    suites[n] = suite
    names[n] = name
    outcomes[n] = ($0 ~ /\.\.\. FAILED/) ? "failed" : ($0 ~ /\.\.\. ignored/) ? "ignored" : "ok"
    if (outcomes[n] == "failed") failures++
    if (outcomes[n] == "ignored") skipped++
    last[name] = n
}

/^---- .* stdout ----$/ { at = $0; sub(/^---- /, "", at); sub(/ stdout ----$/, "", at); next }
/^failures:$/ || /^test result:/ { at = "" }
at != "" && at in last { messages[last[at]] = messages[last[at]] $0 "\n" }

END {
    print "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
    printf "<testsuites>\n<testsuite name=\"cargo test\" tests=\"%d\" failures=\"%d\" skipped=\"%d\">\n", n, failures, skipped
    for (i = 1; i <= n; i++) {
        printf "<testcase classname=\"%s\" name=\"%s\"", escaped(suites[i]), escaped(names[i])
        if (outcomes[i] == "failed")
            printf "><failure message=\"failed\">%s</failure></testcase>\n", escaped(messages[i])
        else if (outcomes[i] == "ignored")
            print "><skipped/></testcase>"
        else
            print "/>"
    }
    print "</testsuite>\n</testsuites>"
}
