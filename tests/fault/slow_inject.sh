# The sweep: at each stage, 1 to 4 ranks, first and last rank, each kind of call: some of its calls fail or stall, one after the other.
#   INJECT_STAGES, INJECT_RANKS, INJECT_KINDS   only these
#   INJECT_PER=N                                at most N calls of a kind for each stage, ranks and rank (default 1)
#   INJECT_SEED=N                               other calls and faults (default 0)
#   INJECT_PUBLISH=FILE                         keeps the table (results/published/fault-injection.md); FILE.csv: each case
tenfold=$1 source=$2
. "$source/tests/fault/inject.sh"
kinds=${INJECT_KINDS:-open read write fsync rename mmap truncate unlink mkdir close stat list memory}
code=0
"$TN_INJECT" --below . --call fsync -- true || code=$?
[ $code != 77 ] || { echo "skipped: no system calls are handed over here"; exit 77; }

faults_of() { # KIND: those that such a call can meet
    case $1 in
    open) echo EIO ENOSPC ESTALE stall EDQUOT EMFILE EIO+ ;;
    read) echo EIO ESTALE stall EIO+ ;;
    write) echo ENOSPC short EDQUOT EIO stall ENOSPC+ short+ ESTALE ;;
    fsync) echo EIO ENOSPC stall EDQUOT EIO+ ;;
    rename) echo EIO ENOSPC stall ESTALE EDQUOT ;;
    mmap | memory) echo ENOMEM stall ENOMEM+ ;;
    truncate) echo ENOSPC EIO stall ;;
    mkdir) echo ENOSPC EDQUOT EIO ESTALE stall ;;
    close) echo EIO ENOSPC EDQUOT stall ;;
    *) echo EIO ESTALE stall ;;
    esac
}

ranks_hit() { # STAGE RANKS
    case $1 in
    report) echo none ;;
    run) echo none 0 ;;
    *) if [ $2 = 1 ]; then echo none; else echo 0 $(($2 - 1)); fi ;;
    esac
}

# Some calls of a kind: the first and the last with each path come into question, of memory each; evenly where these are too many.
draw() { # RANK KIND MOST TURN
    awk -v rank=$1 -v kind=$2 -v most=$3 -v turn=$4 '
        $1 == kind && $2 == rank { if (kind == "memory") $4 = $3; if (!($4 in first)) { first[$4] = $3; path[++n_paths] = $4 } last[$4] = $3 }
        END {
            for (i = 1; i <= n_paths; i++) { c[n++] = first[path[i]]; if (last[path[i]] != first[path[i]]) c[n++] = last[path[i]] }
            if (most > n) most = n
            for (i = 0; i < most; i++) print c[int((i + (turn % 7) / 7) * n / most)]
        }' calls
}

inject_begin
turn=${INJECT_SEED:-0} n_wrong=0
echo "stage,ranks,rank,kind,n,path,fault,exit code,outcome,seconds" >cases.csv
for stage in ${INJECT_STAGES:-$inject_stages}; do
    for ranks in ${INJECT_RANKS:-1 2 3 4}; do
        [ $stage != report ] || [ $ranks = 1 ] || continue
        inject_count $stage $ranks >calls
        for rank in $(ranks_hit $stage $ranks); do
            for kind in $kinds; do
                read -ra faults <<<"$(faults_of $kind)"
                for n in $(draw $rank $kind ${INJECT_PER:-1} $turn); do
                    fault=${faults[$((turn % ${#faults[@]}))]} began=${EPOCHREALTIME/./}
                    turn=$((turn + 1))
                    if ! inject_case $stage $ranks $rank $kind $n $fault; then
                        n_wrong=$((n_wrong + 1))
                        echo "$stage, $ranks ranks, rank $rank, $kind $n ($hit), $fault: $outcome"
                        sed 's/^/    /' log
                        [ -z "${INJECT_KEEP-}" ] || { mkdir -p wrong && rm -rf wrong/$n_wrong && cp -a case wrong/$n_wrong && cp log wrong/$n_wrong.log; }
                    fi
                    echo "$stage,$ranks,$rank,$kind,$n,$hit,$fault,$code,$outcome,$(((${EPOCHREALTIME/./} - began) / 1000000))" >>cases.csv
                done
            done
        done
    done
done

# `| first words | tried | ... |` by the columns of cases.csv that are named
table() { # HEADING COLUMNS
    echo "| $1 | calls tried | unharmed | failed, with exit code | not reached | wrong |"
    echo "| --- | --- | --- | --- | --- | --- |"
    awk -F, -v columns="$2" '
        BEGIN { n = split(columns, column, " ") }
        NR == 1 { next }
        {
            key = $column[1]
            for (i = 2; i <= n; i++) key = key ", " $column[i]
            if (!(key in tried)) order[++keys] = key
            tried[key]++
            what = $9 ~ /^WRONG/ ? "wrong" : $9 ~ /^exit code/ ? "failed" : $9
            if (what == "failed") codes[key, $8]++
            count[key, what]++
        }
        END {
            for (i = 1; i <= keys; i++) {
                key = order[i]
                failed = ""
                for (code = 1; code <= 255; code++) if (codes[key, code]) failed = failed (failed ? ", " : "") codes[key, code] " with " code
                printf "| %s | %d | %d | %s | %d | %d |\n", key, tried[key], count[key, "unharmed"], failed ? failed : 0, count[key, "not reached"], count[key, "wrong"]
            }
        }' cases.csv
}
{
    echo "$(($(wc -l <cases.csv) - 1)) calls were hit, one per start. $n_wrong outcomes were wrong."
    echo
    table "stage, ranks" "1 2"
    echo
    table "call" 4
    echo
    table "fault" 7
} >table
cat table
[ -z "${INJECT_PUBLISH-}" ] || { cp table "$INJECT_PUBLISH" && cp cases.csv "$INJECT_PUBLISH.csv"; }
test $n_wrong = 0
