# reduce on made-up predictions: the same bytes on 1, 2 and 4 ranks, whatever is tuned; honest scores below those in sample;
# members that do not belong together are refused, by one message, and nothing is written.
set -eu
tenfold=$1
cat >job.cfg <<'CFG'
data: { metadata = "m.csv"; classes = [ "a", "b", "c", "d" ]; };
folds: { count = 3; };
train: { images = 1; sizes_px = [ 16, 32 ]; seeds = [ 1, 2 ]; };
reduce: { bootstrap = 100; tune_rows = 4000; };
CFG
sed 's/"c", "d"/"d", "c"/' job.cfg >classes.cfg
sed 's/count = 3;/count = 3; seed = 9;/' job.cfg >folds.cfg
"$TN_REDUCE_ROWS" job.cfg run 20000 30

reduce() { n=$1; shift; mpirun -n $n "$tenfold" reduce job.cfg --run run "$@" >log 2>&1 || { cat log; exit 1; }; }
bytes() { (cd run && md5sum ensemble.h5 submission.csv metrics.json ledger.csv); }
for how in "reduce.method=mean" "reduce.method=gmean" "reduce.method=greedy" \
    "reduce.decision=argmax" "reduce.method=greedy reduce.decision=offsets reduce.category_prior=1"; do
    for n in 1 2 4; do
        rm -rf run/reduce
        reduce $n $(printf -- '--set %s ' $how)
        bytes >bytes$n
    done
    cmp bytes1 bytes2
    cmp bytes1 bytes4
    cat bytes1 >>all
done
test "$(cut -d' ' -f1 all | sort -u | wc -l)" -ge 15 # other methods, other bytes (but for the ledger of plain means)
# submission in the table's order, and its labels are those of its probabilities
test "$(tail -n +2 run/submission.csv | cut -d, -f1 | sort -c && tail -n +2 run/submission.csv | wc -l)" -gt 5000

# with argmax the label is the most probable class; with tau the one of the formula, from the written p, T, tau and the shares of labels
awk_argmax='NR > 1 { best = 3; for (i = 4; i <= 6; i++) if ($i > $best) best = i; if ($2 != substr("abcd", best - 2, 1)) bad++ } END { print bad + 0 }'
number() { sed -n "s/^ *\"$1\": \([-0-9.e]*\),*\$/\1/p" run/reduce/ensemble.json; }
rm -rf run/reduce
reduce 2 --set reduce.decision=argmax
test "$(awk -F, "$awk_argmax" run/submission.csv)" = 0
rm -rf run/reduce
reduce 2
test "$(awk -F, "$awk_argmax" run/submission.csv)" -gt 10
sed -n '/"labels"/,/]/p' run/reduce/ensemble.json | sed -n 's/^ *\([0-9][0-9]*\),*$/\1/p' >labels
awk -F, -v tau=$(number tau) -v T=$(number temperature) '
    FILENAME == "labels" { n[FNR] = $1; all += $1; next }
    FNR > 1 { best = 0; for (k = 1; k <= 4; k++) { s = T * log($(k + 2)) - tau * log(n[k] / all); if (!best || s > most) { best = k; most = s }; v[k] = s }
        for (k = 1; k <= 4; k++) if (substr("abcd", k, 1) == $2 && most - v[k] > 1e-3) exit 1 }
    END { exit !(tau > 0 && T > 0) }' labels run/submission.csv

rm -rf run/reduce
reduce 2 --set reduce.method=greedy --set reduce.decision=offsets --set reduce.category_prior=1
# tuned: better than not, and honest is not better than in sample
score() { sed -n "/\"tuned\"/,\$p" run/metrics.json | grep -A2 "\"$1\": {" | sed -n 's/.*"geometric_mean": \([0-9.]*\).*/\1/p' | head -n 1; }
grep -c '"interval_95"' run/metrics.json
awk -v u=$(score untuned) -v h=$(score honest) -v i=$(score in_sample) 'BEGIN { print u, h, i; exit !(u < h && h <= i) }'
grep -q '"used": true' run/metrics.json

# tuned on few rows: worse where it was not chosen, so the mean is written, byte for byte
"$TN_REDUCE_ROWS" job.cfg few 400 30
for how in "reduce.decision=argmax" "reduce.decision=offsets"; do
    rm -rf few/reduce
    mpirun -n 2 "$tenfold" reduce job.cfg --run few --set $how >log 2>&1 || { cat log; exit 1; }
    md5sum few/ensemble.h5 few/submission.csv few/ledger.csv >few-$how
done
grep -q "is written by argmax" log
grep -q '"used": false' few/metrics.json
cmp few-reduce.decision=argmax few-reduce.decision=offsets

# a later round without one fold is compared on the folds that both have: as if the earlier one lacked it too
compared() { sed -n '/"choice"/,/"rounds_skipped"/p' run/metrics.json; }
mkdir kept-folds
mv run/predict/r1-f2-* kept-folds/
rm -rf run/reduce
reduce 2 --allow-missing --set reduce.decision=argmax
compared >without-newer
mv run/predict/r0-f2-* kept-folds/
rm -rf run/reduce
reduce 2 --allow-missing --set reduce.decision=argmax
compared >without-both
grep -q '"folds": 2' without-newer
cmp without-newer without-both
mv kept-folds/* run/predict/

# a fold without models, in all rounds or in the one that is chosen: its rows are tuned on and judged as little as if they
# were not in the table
sed 's/tune_rows = 4000/tune_rows = 100000/' job.cfg >all.cfg # both tune on all rows that they have
"$TN_REDUCE_ROWS" all.cfg whole 20000 30
"$TN_REDUCE_ROWS" all.cfg part 20000 30 absent
rm -r part/predict/r?-f2-*
tuned() { # RUN [options]: all but the scores of test rows
    rm -rf $1/reduce
    mpirun -n 2 "$tenfold" reduce all.cfg --run "$@" --set reduce.decision=offsets --allow-missing >log 2>&1 || { cat log; exit 1; }
    sed -n '/"tuned": {/,/"test": {/p' $1/metrics.json
}
for round in 0 1; do # round 0 is chosen
    rm -r whole/predict/r$round-f2-*
    for how in "reduce.method=mean" "reduce.method=greedy"; do
        tuned part --set $how >absent
        tuned whole --set $how >missing
        test "$(grep -c '"rows": 9' absent)" = 1 # of 14 thousand
        diff absent missing
    done
done
# ... and a row of a sample stands for those of the two folds: as good as tuned on all
in_sample() { tuned whole "$@" | sed -n '/"in_sample"/,$s/.*"geometric_mean": \([0-9.]*\).*/\1/p' | head -n 1; }
awk -v all=$(in_sample) -v few=$(in_sample --set reduce.tune_rows=8000) 'BEGIN { print all, few; exit !(few > all - 0.001) }'

# a round with few members does not replace a full one, nor keep others from being compared on all folds; without a fold in
# common the earlier one stays
sed 's/^reduce.*/self: { max_rounds = 2; };/' job.cfg >rounds.cfg
"$TN_REDUCE_ROWS" rounds.cfg rounds 400 30
chosen() { # ROUND REASON LINES: how many lines of metrics.json say so, or a number of folds
    rm -rf rounds/reduce
    mpirun -n 2 "$tenfold" reduce rounds.cfg --run rounds --allow-missing >log 2>&1 || { cat log; exit 1; }
    grep "\"chosen_round\": $1,\|\"chosen_because\": \"$2\|\"folds\": [0-9]" rounds/metrics.json >why || true
    test "$(wc -l <why)" = $3 || { cat why rounds/metrics.json; exit 1; }
}
chosen 2 "round 2 is not worse than round 1 on the out-of-fold rows of their 3 common folds" 4
mkdir kept-rounds
mv rounds/predict/r2-f[12]-* kept-rounds/
chosen 1 "round 2 has 4 of 12 predictions, fewer than half as many as round 0" 3
grep -q '"folds": 3' why
mv rounds/predict/r[01]-f0-* kept-rounds/
chosen 0 "no fold has predictions of all rounds" 2
mv rounds/predict/r0-f1-* kept-rounds/
mv kept-rounds/r2-* rounds/predict/
chosen 2 "round 2 is not worse than round 1 on the out-of-fold rows of their 2 common folds" 3

# bad members: nothing is written, one message
refused() { # CODE TEXT [options]
    code=$1 text=$2 got=0
    shift 2
    rm -f run/ensemble.h5 run/submission.csv run/metrics.json run/ledger.csv && rm -rf run/reduce
    mpirun -n 2 "$tenfold" reduce job.cfg --run run "$@" >log 2>&1 || got=$?
    cat log
    test $got = $code
    grep -q "$text" log
    test "$(grep -c 'tenfold: error' log)" = 1
    test -z "$(ls run | grep -v 'shards\|folds\|predict\|reduce')"
}
cell=r0-f1-s16-x2
put() { # CFG ROWS [flaw]: that cell from a run of another kind
    rm -rf other run/predict/$cell
    "$TN_REDUCE_ROWS" $1 other $2 30 ${3-}
    cp -r other/predict/$cell run/predict/
}
cp -r run/predict/$cell kept
put classes.cfg 20000
refused 2 "$cell/predictions.h5: classes or their order differ: class 3 of 4 is .d.; in the data set class 3 of 4 is .c."
put job.cfg 19996
refused 2 "$cell/predictions.h5: was made with another data set"
put folds.cfg 20000
refused 2 "$cell/predictions.h5: was made with another fold map"
put job.cfg 20000 nan
refused 4 "$cell/predictions.h5: row [0-9]*: the probability of class [0-9] is nan, not a number from 0 to 1"
put job.cfg 20000 twice
refused 2 "predict/$cell and predict/r0-f1-s16-x1 are of the same model: train one of them again"
put job.cfg 20000 missing
refused 4 "predict/$cell: row [0-9]* of the data set is missing"
rm -r run/predict/$cell
cp -r run/predict/r0-f1-s16-x1 run/predict/$cell
refused 2 "holds the predictions of r0-f1-s16-x1, not of $cell"
rm -r run/predict/$cell
refused 6 "11 of 12 predictions are done"
grep -q "^$cell$" log
mpirun -n 2 "$tenfold" reduce job.cfg --run run --allow-missing >log 2>&1 || { cat log; exit 1; }
grep -q "11 of 12 predictions are done" log
grep -q "\"$cell\"" run/metrics.json
# a fold map of four: three of its folds are no ensemble
sed 's/count = 3/count = 4/' job.cfg >four.cfg
"$TN_REDUCE_ROWS" four.cfg four 400 30
mv run none
mv four run
refused 2 "run/folds: was made with 4 folds, but folds.count = 3: set folds.count = 4"
rm -r run
mv none run
mv run/predict none
refused 6 "there are no predictions" --allow-missing
