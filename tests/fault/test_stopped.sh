# Asked to stop in the middle of long work, by a signal to one rank alone: every stage leaves with exit code 6, keeps what is
# finished, and goes on to the bits of a run that was not disturbed.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
awk -F, 'BEGIN { OFS = "," } { print } NR > 1 { for (i = 0; i < 8; i++) { p = $1; sub(/images/, "images" i, p); print p, $2, $3, $4, $5 i, $6, $7 } }' data/metadata.csv >data/many.csv
for i in $(seq 0 7); do ln -s images data/images$i; done
sed -i 's/images = 2400/images = 32/; s/evaluations = 3/evaluations = 1/; s/warmup_images = 200/warmup_images = 0/
    s/metadata.csv/many.csv/; s/shard_rows = 50/shard_rows = 90/' tiny.cfg
stop_one_rank() { # SIGNAL FILE LOG: when FILE is there, the last rank of the mpirun that was started last gets the signal
    for _ in $(seq 3000); do [ -e "$2" ] && break; sleep 0.02; done
    kill -$1 $(ranks_of $! | tail -n 1)
    code=0
    wait $! || code=$?
    cat $3
    test $code = 6
}
"$tenfold" preprocess tiny.cfg --run whole >log 2>&1 || { cat log; exit 1; }
mpirun -n 2 "$tenfold" train tiny.cfg --run whole --folds 0 >log 2>&1 || { cat log; exit 1; }

# preprocess: finished shards count, and are not made again
mpirun -n 2 "$tenfold" preprocess tiny.cfg --run cut >log 2>&1 &
stop_one_rank TERM cut/shards/shard-00001.h5 log
grep -q "stopped on request; the shards that are finished are kept" log
test ! -e cut/shards/DONE
test -z "$(find cut -name '*.tmp')"
before=$(stat -c %i cut/shards/shard-00001.h5)
n=$(ls cut/shards/shard-*.h5 | wc -l)
test $n -lt 24
"$tenfold" preprocess tiny.cfg --run cut >log 2>&1 || { cat log; exit 1; }
grep -q "$n of 24 shards were there already" log
test "$(stat -c %i cut/shards/shard-00001.h5)" = $before
(cd whole && md5sum shards/*.h5 shards/quarantine.csv folds/folds.h5) >expected
(cd cut && md5sum -c --quiet ../expected)

# shards of other rows, damaged or torn ones are made anew
rm cut/shards/DONE
printf 'x' | dd of=cut/shards/shard-00003.h5 bs=1 seek=30000 conv=notrunc 2>/dev/null
head -c 5000 whole/shards/shard-00004.h5 >cut/shards/shard-00004.h5
cp whole/shards/shard-00000.h5 cut/shards/shard-00005.h5
cp whole/shards/shard-00000.h5 cut/shards/shard-00099.h5
echo >cut/shards/dataset.h5.tmp
mpirun -n 2 "$tenfold" preprocess tiny.cfg --run cut >log 2>&1 || { cat log; exit 1; }
grep -q "21 of 24 shards were there already" log
(cd cut && md5sum -c --quiet ../expected)
test ! -e cut/shards/shard-00099.h5
test ! -e cut/shards/dataset.h5.tmp
rm cut/shards/DONE
"$tenfold" preprocess tiny.cfg --run cut --set preprocess.shard_rows=900 >log 2>&1 || { cat log; exit 1; }
grep -c "were there already" log && exit 1
test "$(ls cut/shards/shard-*.h5 | wc -l)" = 3

# evaluation inside train: the point is dropped, the checkpoint before it, after the only step, stays; the journal has no line yet
mkdir eval && cp -r whole/shards whole/folds eval/
mpirun -n 2 "$tenfold" train tiny.cfg --run eval --folds 0 --set train.checkpoint_seconds=1e-6 >log 2>&1 &
cell=train/r0-f0-s32-x1
sleep 0.2
stop_one_rank USR1 eval/$cell/checkpoint.safetensors log
test ! -s eval/$cell/journal.jsonl
test ! -e eval/$cell/best.safetensors
echo >eval/$cell/posteriors.h5.tmp # of a writer that died
grep -q "stopped on request after 32 of 32 images" log
"$tenfold" train tiny.cfg --run eval --folds 0 >log 2>&1 || { cat log; exit 1; }
grep -q "goes on after 32 images" log
test -z "$(find eval -name '*.tmp')"
cmp eval/$cell/posteriors.h5 whole/$cell/posteriors.h5
test "$("$tenfold" weights digest eval/$cell/best.safetensors)" = "$("$tenfold" weights digest whole/$cell/best.safetensors)"
test "$(journal_of eval/$cell)" = "$(journal_of whole/$cell)"

# predict
mpirun -n 2 "$tenfold" predict tiny.cfg --run eval --round 0 --folds 0 >log 2>&1 &
stop_one_rank USR1 eval/predict/r0-f0-s32-x1 log
test ! -e eval/predict/r0-f0-s32-x1/DONE
mpirun -n 2 "$tenfold" predict tiny.cfg --run eval --round 0 --folds 0 >log 2>&1 || { cat log; exit 1; }
"$tenfold" predict tiny.cfg --run whole --round 0 --folds 0 >log 2>&1 || { cat log; exit 1; }
cmp eval/predict/r0-f0-s32-x1/predictions.h5 whole/predict/r0-f0-s32-x1/predictions.h5

# by the clock: a checkpoint long before the only evaluation
sed -i 's/images = 32/images = 3200/; s/many.csv/metadata.csv/' tiny.cfg
"$tenfold" preprocess tiny.cfg --run clock >log 2>&1 || { cat log; exit 1; }
mkdir still && cp -r clock/shards clock/folds still/
mpirun -n 2 "$tenfold" train tiny.cfg --run still --folds 0 --set train.checkpoint_seconds=0 >log 2>&1 || { cat log; exit 1; }
mpirun -n 2 "$tenfold" train tiny.cfg --run clock --folds 0 --set train.checkpoint_seconds=0.05 >log 2>&1 &
for _ in $(seq 600); do [ -e clock/$cell/checkpoint.safetensors ] && break; sleep 0.1; done
kill -KILL $(ranks_of $!)
wait $! && exit 1
test ! -s clock/$cell/journal.jsonl
mpirun -n 2 "$tenfold" train tiny.cfg --run clock --folds 0 >log 2>&1 || { cat log; exit 1; }
grep -q "goes on after" log
cmp clock/$cell/posteriors.h5 still/$cell/posteriors.h5
