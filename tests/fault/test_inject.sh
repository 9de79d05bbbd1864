# One chosen system call fails, stalls or writes half: the right exit code and message, nothing half-published, then the same bytes.
# A selection; all of it is slow_inject.sh.
tenfold=$1 source=$2
. "$source/tests/fault/inject.sh"
code=0
"$TN_INJECT" --below . --call fsync -- true || code=$?
[ $code != 77 ] || { echo "skipped: no system calls are handed over here"; exit 77; }

# the tool itself: the call that is meant, and no other
mkdir here
inject() { # CODE OPTIONS... -- COMMAND
    wanted=$1 code=0
    shift
    "$TN_INJECT" --below here --report report "$@" || code=$?
    test $code = $wanted
}
inject 1 --call write --nth 2 --error ENOSPC -- bash -c 'echo a >here/x && echo b >elsewhere && echo c >here/y' 2>log
grep -q "No space left on device" log
printf 'call write none %s\n' "$PWD/here/x" >expected
printf 'hit write none %s\ncalls 2\n' "$PWD/here/y" >>expected
cmp expected report
inject 0 --call rename --nth 1 --stall 1.5 -- bash -c 'date +%s%N >began && mv here/x here/z && date +%s%N >ended'
test $(($(cat ended) - $(cat began))) -ge 1500000000 && test -e here/z
inject 1 --call open --nth 1 --on --error EIO --rank 1 -- bash -c 'cat here/z && OMPI_COMM_WORLD_RANK=1 cat here/z' >log 2>&1
test "$(head -n 1 log)" = a && grep -q "Input/output error" log
inject 0 --call write --nth 1 --short -- bash -c 'printf 12345678 >here/x && cat here/x >log' # printf writes the rest
test "$(cat here/x)" = 12345678 && test "$(grep -c "write none $PWD/here/x" report)" = 2
inject 124 --call fsync --limit 0.5 -- bash -c 'sleep 100 & sleep 100'
inject 0 --call fsync -- bash -c 'sleep 100 >/dev/null 2>&1 &'
grep -q "^left 1" report

inject_begin
declare -A counted
try() { # STAGE RANKS RANK KIND PATH FAULT CODES: the first call of a kind on a path
    if [ -z "${counted[$1-$2]-}" ]; then
        counted[$1-$2]=calls-$1-$2
        inject_count $1 $2 >calls-$1-$2
    fi
    n=$(awk -v rank=$3 -v kind=$4 -v path="case/$5" '$1 == kind && $2 == rank && substr($4, length($4) - length(path) + 1) == path { print $3; exit }' calls-$1-$2)
    [ -n "$n" ] || { echo "$1, $2 ranks: rank $3 never does $4 on $5"; exit 1; }
    inject_case $1 $2 $3 $4 $n $6 || { cat log && echo "$*: $outcome" && exit 1; }
    echo "$*: $outcome"
    [ "$hit" = $5 ] && [[ " $7 " = *" $code "* ]] || { cat log && echo "exit code $code, hit $hit" && exit 1; }
}
cell=run/train/r0-f0-s16-x1
try preprocess 1 none open data/metadata.csv ESTALE 3
try preprocess 2 1 write run/shards/shard-00001.h5.tmp ENOSPC 3
try preprocess 1 none rename run/shards/DONE EDQUOT 3
try train 1 none write $cell/posteriors.h5.tmp short+ 0
try train 1 none mkdir $cell ENOSPC 3
try train 3 2 read run/shards/shard-00000.h5 EIO 3
try train 3 0 fsync $cell/checkpoint.safetensors.tmp EIO 3
try train 3 0 rename $cell/best.safetensors stall 0
try train 1 none unlink $cell/checkpoint.safetensors EIO 0
try resume 1 none open $cell/checkpoint.safetensors EMFILE 3
try filter 1 none rename run/filter/r1/DONE EIO 3
try retrain 1 none read run/filter/r1/overlay-f1.h5 ESTALE 3
try predict 2 0 truncate run/predict/r0-f0-s16-x1/predictions.h5.tmp EIO 3
try reduce 1 none fsync run/submission.csv.tmp EDQUOT 3
try staged 2 0 read run/shards/shard-00002.h5 EIO 3
try run 1 none rename run/plan.json ENOSPC 3

# what could not be looked at was taken for a journal that had lost its lines
try resume 1 none stat $cell/journal.jsonl EIO 3
# a lock of which the system writes half at a time could not be taken
try preprocess 2 0 write run/.shards.lock short+ 0
# a file that cannot be closed crashed HDF5 at the end of a verb without MPI; with it, the launcher made exit code 1 of it
try report 1 none close run/shards/dataset.h5 EDQUOT 0
try train 2 0 close run/shards/shard-00001.h5 EIO 3
# the message did not say why
try report 1 none stat run/report EIO 3
# a rank that fails before MPI begins said nothing: its signal thread (the fourth piece of memory, where this was written) is not started
inject_case preprocess 2 1 memory 4 ENOMEM || { cat log && echo "$outcome" && exit 1; }
echo "preprocess 2 1 memory: $outcome"
