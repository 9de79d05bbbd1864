# Several folds at a time inside one allocation: the digests of one at a time, also where groups and ranks do not divide evenly;
# a fold that fails does not take the others along.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
sed -i 's/images = 2400/images = 1280/; s/evaluations = 3/evaluations = 2/; s/warmup_images = 200/warmup_images = 0/' tiny.cfg
"$tenfold" preprocess tiny.cfg --run one >log 2>&1 || { cat log; exit 1; }
digests() {
    for f in $1/train/*/*.safetensors; do echo "$("$tenfold" weights digest $f) ${f#*/}"; done
    for f in $1/train/*/; do echo "$(journal_of $f | md5sum) ${f#*/}"; done
    (cd $1 && md5sum train/*/posteriors.h5)
}
folder() { mkdir $1 && cp -r one/shards one/folds $1/; }
for name in three two uneven failing; do folder $name; done
"$tenfold" train tiny.cfg --run one >log 2>&1 || { cat log; exit 1; }
digests one >expected
test "$(wc -l <expected)" = 9

groups() { # FOLDER RANKS PER-FOLD
    mpirun -n $2 "$tenfold" train tiny.cfg --run $1 --ranks-per-fold $3 >log 2>&1 || { cat log; exit 1; }
    digests $1 | cmp - expected
}
groups three 6 2  # three groups of two ranks, one fold each
groups two 2 1    # two groups, three folds: one group trains two of them
groups uneven 3 3 # one group whose ranks have 1, 1 and 2 lanes

code=0
timeout 60 mpirun -n 3 "$tenfold" train tiny.cfg --run failing --ranks-per-fold 2 >log 2>&1 || code=$?
test $code = 2
grep -q "3 ranks cannot be split into groups of --ranks-per-fold 2" log
mkdir failing/train && echo >failing/train/r0-f1-s32-x1
code=0
timeout 300 mpirun -n 6 "$tenfold" train tiny.cfg --run failing --ranks-per-fold 2 >log 2>&1 || code=$?
cat log
test $code = 3
grep -q "r0-f1-s32-x1 failed, the other cells go on" log
test -e failing/train/r0-f0-s32-x1/DONE
test -e failing/train/r0-f2-s32-x1/DONE

# a crash of one rank ends the whole allocation (the launcher kills it); what was done and every checkpoint stay
rm -r failing/train/r0-f*
mpirun -n 6 "$tenfold" train tiny.cfg --run failing --ranks-per-fold 2 --set train.checkpoint_seconds=1e-6 >log 2>&1 &
pid=$!
for _ in $(seq 6000); do [ -e failing/train/r0-f1-s32-x1/checkpoint.safetensors ] && break; sleep 0.01; done
kill -KILL $(ranks_of $pid | tail -n 1)
wait $pid && exit 1
mpirun -n 6 "$tenfold" train tiny.cfg --run failing --ranks-per-fold 2 >log 2>&1 || { cat log; exit 1; }
grep -q "r0-f1-s32-x1: goes on after" log
digests failing | cmp - expected
