# An image is damaged that one rank meets in mid-training: all ranks leave in that step, with one message; none hangs.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
mpirun -n 2 "$tenfold" preprocess tiny.cfg --run run >log 2>&1 || { cat log; exit 1; }
size=$(stat -c %s run/shards/shard-00002.h5)
printf '\377\377\377\377' | dd of=run/shards/shard-00002.h5 bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
for n in 2 3 4; do
    code=0
    timeout 60 mpirun -n $n "$tenfold" train tiny.cfg --run run --folds 0 --set train.seeds=[$n] >log 2>&1 || code=$?
    test $code = 4 || { echo "exit code $code"; cat log; exit 1; }
    test "$(grep -c 'tenfold: error' log)" = 1 || { cat log; exit 1; }
    grep -q "error: rank [0-9]: .*shard-00002.h5" log || { cat log; exit 1; }
    test ! -e run/train/r0-f0-s32-x$n/DONE
done
