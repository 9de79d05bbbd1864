# Every file of the tree that a comment, a message or a page names exists: x.c, x.h, x.sh, x.md with a folder in front or without,
# and all below docs/, jobs/, src/, tests/ and packaging/. Code is not looked at, nor paths of a run folder.
source=$2 work=$PWD
cd "$source" || exit 1
find .ci docs jobs packaging preprocess slurm src tests results/README.md results/published ./*.md CMakeLists.txt CMakePresets.json -type f | sed 's|^\./||' >"$work/have"
# decisions, measurements and the changelog also tell of files that are gone; fixtures are of others
grep -E '\.([ch]|md|sh|cfg|cmake|txt|def|py|example)$|^(\.ci|jobs|docs|tests)/[^.]*$' "$work/have" |
    grep -vE '^tests/(golden|fuzz/corpus|lint/test_references)|^CHANGELOG|^docs/decisions/|^results/published/' >"$work/readers"
awk -v have_file="$work/have" '
function exists(x,   pattern, f) {
    if (x in have || x in name) return 1
    if (x !~ /\*/) return 0
    pattern = x
    gsub(/\./, "\\.", pattern); gsub(/\*/, "[^/]*", pattern)
    for (f in have) if (f ~ "(^|/)" pattern "$") return 1
    return 0
}
function look(x,   folder, above, base) { # one word
    gsub(/^(\.\.?\/)+|[.\/]+$/, "", x)
    if (x ~ /^\// || x ~ /^(RUN|NEW|run|out|share)\/|dev\/new\//) return # installed, of a run, an example
    if (x ~ /^\.(c|h|sh|md)$/) return # of an ending
    base = x; sub(/.*\//, "", base)
    if (base in made) return
    if (x !~ /\.(c|h|sh|md)$/ && x !~ /^(docs|jobs|src|tests|packaging)\/./) return
    words++
    folder = FILENAME; if (!sub(/\/[^\/]*$/, "", folder)) folder = "."
    above = folder; sub(/\/?[^\/]*$/, "", above)
    if (exists(x) || exists(x ".c") || exists("src/" x) || exists("docs/" x) || exists("tests/" x) || exists(folder "/" x) || exists(above "/" x)) return
    print FILENAME ":" FNR ": there is no " x
    bad = 1
}
function prose(line,   text, at) { # what of a line is no code
    if (FILENAME ~ /\.[ch]$/) {
        if (line ~ /^ *# *include/) return ""
        text = ""
        while (line != "") {
            if (comment) {
                at = index(line, "*/")
                text = text " " (at ? substr(line, 1, at - 1) : line)
                line = at ? substr(line, at + 2) : ""
                if (at) comment = 0
            } else if (match(line, /\/\*|\/\/|"([^"\\]|\\.)*"/)) {
                at = substr(line, RSTART, RLENGTH)
                line = substr(line, RSTART + RLENGTH)
                if (at == "/*") comment = 1
                else if (at == "//") { text = text " " line; line = "" }
                else { gsub(/\\[a-z]/, " ", at); text = text " " at }
            } else line = ""
        }
        return text
    }
    if (FILENAME ~ /\.md$/) return line
    if (FILENAME ~ /\.cfg$/ || FILENAME !~ /^tests\//) { sub(/^[^#]*[^# ]#[^ ].*/, "", line) }
    if (line !~ /(^|[ ;])# /) return ""
    sub(/^#/, " #", line); sub(/.*[ ;]# /, "", line)
    return line
}
BEGIN {
    while ((getline f < have_file) > 0) {
        have[f] = 1
        d = f; sub(/.*\//, "", d); name[d] = 1
        d = f; while (sub(/\/[^\/]*$/, "", d)) have[d] = 1
    }
    n = split("commit.h explore.md report.md search.md drill.md hdf5.h lmod.sh got.h file.h", m, " ") # made, of others, examples
    for (i = 1; i <= n; i++) made[m[i]] = 1
}
FNR == 1 { comment = 0 }
{
    line = prose($0)
    gsub(/\$\{[^{}]*\}\//, "", line); gsub(/<[^<>]*>|\{[^{}]*\}/, "*", line); gsub(/%s\/(\.\.\/share\/tenfold)?|\$PWD\//, "", line)
    gsub(/[^A-Za-z0-9_.\/*-]+/, " ", line)
    n = split(line, word, " ")
    for (i = 1; i <= n; i++) look(word[i])
}
END {
    if (words < 500) { print "only " words " names of files seen"; bad = 1 }
    exit bad
}' $(cat "$work/readers")
