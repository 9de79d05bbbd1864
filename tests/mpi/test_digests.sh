# The same bits on 1, 2, 3 and 4 ranks, and in fold groups: shards, folds, weights, posteriors, filter, ensemble.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
sed -i "s/images = 2400/images = 1200/; s/evaluations = 3/evaluations = 2/" tiny.cfg
all_verbs() { # on the left of || the shell forgets `set -e`, also in here
    run_verb $1 preprocess && run_verb $1 train --round 0 && run_verb $1 filter --round 0 && run_verb $1 train --round 1 &&
        run_verb $1 predict && run_verb $1 reduce && digest_of_run run$1 >digest$1
}
for n in 1 2 4; do all_verbs $n >log 2>&1 || { cat log; exit 1; }; done
cat digest1
test "$(wc -l <digest1)" = 44
cmp digest1 digest2
cmp digest1 digest4
# what is told is the same, too: of two kinds of seconds alone it is not
told() { for f in run$1/train/*/journal.jsonl; do sed 's/,"training_seconds".*//' $f; done; }
for n in 1 2 4; do told $n >told$n; done
grep -q '"noise_scale_images":[1-9]' told1
cmp told1 told2
cmp told1 told4

mkdir group
cp -r run1/shards run1/folds group/
mpirun -n 4 "$tenfold" train tiny.cfg --run group --ranks-per-fold 2 >log 2>&1 || { cat log; exit 1; }
for cell in run1/train/r0-*; do
    test "$("$tenfold" weights digest $cell/best.safetensors)" = "$("$tenfold" weights digest group/train/${cell##*/}/best.safetensors)"
done
# three ranks share four lanes unevenly; the last checkpoints, with the optimiser's moments, before DONE makes them superfluous
last="--set train.images=320 --set train.warmup_images=0 --set train.evaluations=2"
for n in 1 2 3; do
    mkdir last$n
    cp -r run1/shards run1/folds last$n/
    last_checkpoint last$n/train/r0-f0-s32-x1 mpirun -n $n "$tenfold" train tiny.cfg --run last$n --folds 0 $last
    "$tenfold" weights digest last$n/train/r0-f0-s32-x1/checkpoint.safetensors >last$n.digest
done
cmp last1.digest last2.digest
cmp last1.digest last3.digest
# ... from which another number of ranks goes on to DONE, and then there is none; a start that finds one beside DONE removes it
cp last3/train/r0-f0-s32-x1/checkpoint.safetensors left.safetensors
mpirun -n 2 "$tenfold" train tiny.cfg --run last3 --folds 0 $last >log 2>&1 || { cat log; exit 1; }
grep -q "goes on after 320 images" log
test ! -e last3/train/r0-f0-s32-x1/checkpoint.safetensors
cp left.safetensors last3/train/r0-f0-s32-x1/checkpoint.safetensors
mpirun -n 2 "$tenfold" train tiny.cfg --run last3 --folds 0 $last >log 2>&1 || { cat log; exit 1; }
grep -q "already done" log
test ! -e last3/train/r0-f0-s32-x1/checkpoint.safetensors
test -e last3/train/r0-f0-s32-x1/best.safetensors

# what depends on the sizes of the classes and on the layer; the first three stages are frozen in half of the steps
recipe="--set train.images=256 --set train.warmup_images=0 --set train.evaluations=1 --set train.sampler=square_root --set train.class_weight=0.5 \
    --set train.logit_adjustment=0.5 --set train.restarts=1 --set train.layer_decay=0.7 --set train.head_learning_rate=0.02 \
    --set train.freeze_stages=3 --set train.freeze_images=128"
for n in 1 2 4; do
    mkdir recipe$n
    cp -r run1/shards run1/folds recipe$n/
    mpirun -n $n "$tenfold" train tiny.cfg --run recipe$n --folds 0 $recipe >log 2>&1 || { cat log; exit 1; }
    "$tenfold" weights digest recipe$n/train/r0-f0-s32-x1/best.safetensors >recipe$n.digest
done
cmp recipe1.digest recipe2.digest
cmp recipe1.digest recipe4.digest

# rows without a label, and a teacher for all: the same bits too
reuse="--set train.images=400 --set train.warmup_images=0 --set train.evaluations=1 --set self.dropped=unlabeled \
    --set self.consistency_weight=3 --set self.rampup_images=300 \
    --set self.max_rounds=2"
for n in 1 2 4; do
    mkdir reuse$n
    cp -r run1/shards run1/folds reuse$n/
    {
        mpirun -n $n "$tenfold" train tiny.cfg --run reuse$n $reuse &&
        mpirun -n $n "$tenfold" filter tiny.cfg --run reuse$n $reuse &&
        mpirun -n $n "$tenfold" train tiny.cfg --run reuse$n $reuse --round 1 --folds 0
    } >log 2>&1 || { cat log; exit 1; }
    grep -q '"rows_unlabeled":[1-9]' reuse$n/train/r1-f0-s32-x1/journal.jsonl
    grep -q '"images_unlabeled":[1-9]' reuse$n/train/r1-f0-s32-x1/journal.jsonl
    (cd reuse$n && md5sum train/*/posteriors.h5 filter/r1/ledger.* filter/r1/filter.json filter/r1/overlay-* filter/r1/posteriors.h5) >reuse$n.md5
done
cmp reuse1.md5 reuse2.md5
cmp reuse1.md5 reuse4.md5

# ... and after kill -9 between checkpoints, on another number of ranks
mkdir -p killed/train
cp -r reuse1/shards reuse1/folds reuse1/filter killed/
cp -r reuse1/train/r0-* killed/train/
cell=train/r1-f0-s32-x1
"$tenfold" train tiny.cfg --run killed $reuse --round 1 --folds 0 --set train.checkpoint_seconds=1e-6 >log 2>&1 &
pid=$!
for _ in $(seq 600); do [ ! -e killed/$cell/checkpoint.safetensors ] || break; sleep 0.05; done
kill -9 $pid
wait $pid || true
test ! -e killed/$cell/DONE
mpirun -n 2 "$tenfold" train tiny.cfg --run killed $reuse --round 1 --folds 0 >log 2>&1 || { cat log; exit 1; }
grep -q "goes on after" log
cmp reuse1/$cell/posteriors.h5 killed/$cell/posteriors.h5

# another seed gives other bits: the comparison can fail
mpirun -n 2 "$tenfold" train tiny.cfg --run group --folds 0 --set train.seeds=[2] >log 2>&1 || { cat log; exit 1; }
test "$("$tenfold" weights digest run1/train/r0-f0-s32-x1/best.safetensors)" != "$("$tenfold" weights digest group/train/r0-f0-s32-x2/best.safetensors)"
# more ranks than lanes is an error on all ranks, not a hang
code=0
timeout 60 mpirun -n 5 "$tenfold" train tiny.cfg --run group --folds 1 --set train.seeds=[3] >log 2>&1 || code=$?
test $code = 2
grep -q "5 ranks for one fold, but train.lanes = 4" log
test "$(grep -c 'tenfold: error' log)" = 1

# verbs without MPI act once, whatever the number of ranks
test "$(mpirun -n 4 "$tenfold" check tiny.cfg | grep -c '^data:')" = 1
test "$(mpirun -n 4 "$tenfold" report tiny.cfg --run run1 | grep -c '^## Scores')" = 1
test "$(mpirun -n 2 "$tenfold" weights describe efficientnet-b1 --classes 1000 | grep -c '^parameters 7794184$')" = 1
