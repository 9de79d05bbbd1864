# What makes a stage be made again, and what does not: truth learnt later, other overlays, other labels, missing folds.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
sed -i 's/images = 2400/images = 64/; s/warmup_images = 200/warmup_images = 0/; s/evaluations = 3/evaluations = 1/' tiny.cfg
say() { # VERB [options]: its code in $code, its words in log
    code=0
    "$tenfold" "$@" >out 2>log || code=$?
}
models() { (cd a && stat -c '%n %i' train/*/best.safetensors predict/*/predictions.h5); }

say run tiny.cfg --run a --set data.truth_column= --ranks 1
test $code = 0 || { cat log; exit 1; }
models >before
test "$(head -n 1 a/ledger.csv)" = "path,label,suggested,margin,verdict,votes_drop,votes_keep,votes,reason,p_label,log_odds,id,round"
cp a/filter/r1/overlay-f0.h5 overlay

# the truth is learnt later: it judges, and no model or prediction is made again
cp -r a late
rm -r a/shards a/folds
say run tiny.cfg --run a --ranks 1
test $code = 0 || { cat log; exit 1; }
models | cmp - before
cmp overlay a/filter/r1/overlay-f0.h5
head -n 1 a/ledger.csv | grep -q ',truth$'
grep -q '"found_by_chance"' a/metrics.json
grep -q "By the truth column" a/report/report.md
grep -q '^| class | training rows | images seen | times each |$' a/report/report.md
# ... nor a filter: its ledger is judged as it is
rm -r late/shards late/folds
say preprocess tiny.cfg --run late
say reduce tiny.cfg --run late
test $code = 0 || { cat log; exit 1; }
for run in a late; do sed -n '/^ "filter"/,$p' $run/metrics.json >judged-$run; done
cmp judged-a judged-late
found=$(awk -F, 'NR == FNR { if ($2 != $7) bad[$1]; next } FNR > 1 && $5 == "drop" && $1 in bad { n++ } END { print n + 0 }' data/metadata.csv late/ledger.csv)
grep -q "\"found\": $found,$" judged-late

# scores that are not what they seem are marked, in every table
say reduce tiny.cfg --run shared --set self.view=shared --set folds.validation=held_out --allow-missing
test $code = 2 # nothing is there yet
cp -r a shared
rm -r shared/reduce
say reduce tiny.cfg --run shared --set self.view=shared --set folds.validation=held_out
test $code = 0 || { cat log; exit 1; }
say report tiny.cfg --run shared --set self.view=shared --set folds.validation=held_out
grep -q '^| round 1, fold 0, out-of-fold (optimistic, not independent) |' out
grep -q '^"round 0, fold 0, out-of-fold (optimistic)",' shared/report/scores.csv
grep -q 'Out-of-fold scores of round 1 are not independent: the training labels were filtered by models' out
grep -q 'Out-of-fold scores of what is submitted: optimistic: ' out
grep -q '^The choice of rounds: not independent: a later round' out
grep -q 'Warning: the choice of rounds: not independent' out
if grep "optimistic\|independent" a/report/report.md; then exit 1; fi

# one fold of round 1 is left: predictions of round 0 in its place are no second opinion
cp -r a b
rm -r b/train b/predict/r1-f1-* b/predict/r1-f2-*
say reduce tiny.cfg --run b --allow-missing
test $code = 0 || { cat log; exit 1; }
grep -q "round 1: only 1 of 3 predictions are done" log
say report tiny.cfg --run b
grep -q "^Not compared: round 1 has 1 of 3 predictions, fewer than half as many as round 0.$" out
grep -q "^The submission uses round 0: " out
cp a/predict/r0-f0-s32-x1/predictions.h5 a/predict/r0-f0-s32-x1/DONE b/predict/r1-f0-s32-x1/
say reduce tiny.cfg --run b --allow-missing
test $code = 2
grep -q "holds the predictions of r0-f0-s32-x1, not of r1-f0-s32-x1" log

# other overlays: the cells of round 1 are stale, their predictions are refused
rm -r a/filter
say filter tiny.cfg --run a --round 0 --set self.class_floor=1
test $code = 0
say train tiny.cfg --run a --round 1 --folds 0
grep -q "its inputs have changed: made anew" log
say reduce tiny.cfg --run a
test $code = 2
grep -q "predict/r1-f0-s32-x1/predictions.h5: its model was trained again since" log

# a fold without a model is passed over, an error where it was asked for, and never a success with nothing done
rm -r a/train/r1-f1-*
say predict tiny.cfg --run a --round 1 --folds 1
test $code = 2
grep -q "r1-f1-s32-x1 is not trained" log
say predict tiny.cfg --run a
test $code = 0
grep -q "2 of 6 cells are not trained yet and were skipped" log # r1-f2 is stale
mv a/train a/gone
say predict tiny.cfg --run a
test $code = 6
mv a/gone a/train

# other labels: what was trained on the old ones is not filtered with
sed -i '2s/,disc,/,square,/; t; 2s/,[a-z]*,/,disc,/' data/metadata.csv
say preprocess tiny.cfg --run a
test $code = 0
say filter tiny.cfg --run a --round 0 --set self.class_floor=1
test $code = 2
grep -q "r0-f0-s32-x1 is not trained, or its inputs have changed since" log
