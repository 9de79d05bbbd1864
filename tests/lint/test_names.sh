# Names: the first parameter is `tn_run *` where the comment in a header says "Collective", and not where it says "Local"; no static
# function is called just `run` or `publish`, so that a breakpoint there means one function.
source=$2
cd "$source" || exit 1
bad=0
statics=$(grep -rnE '^static [a-z_ *]*\b(run|publish)\(' src preprocess) && { echo "$statics"; echo "say what is run or published"; bad=1; }
# tn_job_*: MPI begins in them, and the job that they are given holds the tn_run
find src preprocess -name '*.h' -exec awk -v allowed=" tn_job_run tn_job_begin tn_job_end tn_job_stage " '
function judge(declaration,   name, first, collective) {
    if (!match(declaration, /tn_[a-z0-9_]+\(/)) return
    name = substr(declaration, RSTART, RLENGTH - 1)
    first = substr(declaration, RSTART + RLENGTH)
    collective = first ~ /^(const )?tn_run \*/
    functions++
    n_collective += collective
    if (!collective && says ~ /Collective|\/\* collective/ && index(allowed, " " name " ") == 0) {
        print FILENAME ": " name " is collective by its comment, and its first parameter is not tn_run *"; bad = 1
    }
    if (collective && says ~ /(^|[ .;:*])Local[ .,;:]/) { print FILENAME ": " name " is local by its comment, and takes tn_run *"; bad = 1 }
}
FNR == 1 { says = text = ""; inside = 0 }
/^$/ { says = ""; next }
/^\/\*/ { says = ""; inside = 1 }
inside { says = says " " $0; if (/\*\//) inside = 0; next }
/^[#}]|^(typedef|enum|extern)|^    [a-z].*;|^ *\*/ && text == "" { next }
{
    text = text " " $0
    if (text !~ /;/) next
    if (match(text, /\/\*.*/)) says = says " " substr(text, RSTART)
    judge(text)
    says = "" # what follows at once is its close or free, and local
    text = ""
}
END {
    if (functions < 100 || n_collective < 30) { print "only " functions " functions seen, " n_collective " with tn_run *"; bad = 1 }
    exit bad
}' {} + || bad=1
exit $bad
