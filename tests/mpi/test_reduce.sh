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
test "$(cut -d' ' -f1 all | sort -u | wc -l)" -ge 13 # other methods, other bytes (but for ledgers, and selected members that do not pay)
# submission in the table's order, and its labels are those of its probabilities
test "$(tail -n +2 run/submission.csv | cut -d, -f1 | sort -c && tail -n +2 run/submission.csv | wc -l)" -gt 5000

# with argmax the label is the most probable class; else the one of the formula, from the written p, T and offsets
awk_argmax='NR > 1 { best = 3; for (i = 4; i <= 6; i++) if ($i > $best) best = i; if ($2 != substr("abcd", best - 2, 1)) bad++ } END { print bad + 0 }'
rm -rf run/reduce
reduce 2 --set reduce.decision=argmax
test "$(awk -F, "$awk_argmax" run/submission.csv)" = 0
rm -rf run/reduce
reduce 2 --set reduce.decision=offsets
test "$(awk -F, "$awk_argmax" run/submission.csv)" -gt 10
sed -n '/"offsets"/,/]/p' run/reduce/ensemble.json | sed -n 's/^ *\([-0-9][-0-9.e]*\),*$/\1/p' >offsets
awk -F, -v T=$(sed -n 's/^ *"temperature": \([0-9.]*\),$/\1/p' run/reduce/ensemble.json) '
    FILENAME == "offsets" { b[++n] = $1; next }
    FNR > 1 { most = -1e9; for (k = 1; k <= 4; k++) { s[k] = T * log($(k + 2)) + b[k]; if (s[k] > most) most = s[k] }
        if (most - s[index("abcd", $2)] > 1e-3) exit 1 }
    END { exit !(T > 0 && n == 4) }' offsets run/submission.csv

rm -rf run/reduce
reduce 2 --set reduce.method=greedy --set reduce.decision=offsets --set reduce.category_prior=1
# a decision that pays, each fold by the others; selected members that do not, and are not written; in sample is not below honest
score() { sed -n "/^ \"$1\": {/,\$p" run/metrics.json | grep -A2 "^  \"$2\": {" | sed -n 's/.*"geometric_mean": \([0-9.]*\).*/\1/p' | head -n 1; }
grep -c '"interval_95"' run/metrics.json
awk -v u=$(score decision argmax) -v h=$(score decision honest) 'BEGIN { print u, h; exit !(u < h) }'
awk -v h=$(score tuned honest) -v i=$(score tuned in_sample) 'BEGIN { print h, i; exit !(h <= i + 0.001) }'
grep -q "the mean of rounds 0 and 1 pooled is written" log
test "$(score submitted out_of_fold)" = "$(score decision honest)"

# a decision tuned on few rows: worse where it was not chosen, so that of argmax is written, byte for byte
"$TN_REDUCE_ROWS" job.cfg few 120 30
for how in "reduce.decision=argmax" "reduce.decision=offsets"; do
    rm -rf few/reduce
    mpirun -n 2 "$tenfold" reduce job.cfg --run few --set $how --set self.max_rounds=0 >log 2>&1 || { cat log; exit 1; }
    md5sum few/ensemble.h5 few/submission.csv few/ledger.csv >few-$how
done
grep -q "the tuned decision of round 0 scores less than the most probable class: it is given up" log
grep -q '"used": false' few/metrics.json
sed -n '/"gain"/,/}/p' few/metrics.json | grep -q '"smoothed": -' # the score of what was given up
cmp few-reduce.decision=argmax few-reduce.decision=offsets

# with predictions of one fold nothing tests what was tuned
"$TN_REDUCE_ROWS" job.cfg one 400 30
rm -r one/predict/r?-f[12]-*
mpirun -n 2 "$tenfold" reduce job.cfg --run one --allow-missing --set reduce.method=greedy --set reduce.decision=offsets --set self.max_rounds=0 >log 2>&1 || { cat log; exit 1; }
grep -q "the tuned decision of round 0 cannot be tested, as only one fold has predictions: it is given up" log
grep -q "the tuned weights cannot be tested, as only one fold has predictions: the mean of round 0 is written" log
grep -q '"tested": false' one/metrics.json

# selected members that pay, of a round that takes no part, too: ensemble.h5 says what was written, not what it was compared with
"$TN_REDUCE_ROWS" job.cfg selected 400 30
rm -r selected/predict/r1-*-s16-x2 selected/predict/r1-*-s32-*
mpirun -n 2 "$tenfold" reduce job.cfg --run selected --allow-missing --set reduce.method=greedy --set reduce.decision=argmax >log 2>&1 || { cat log; exit 1; }
grep -q '"chosen": "round 0"' selected/metrics.json # of 12
"$tenfold" show selected/ensemble.h5 >said
grep -q "^  members 15$" said && grep -q "^  what members of all rounds, selected$" said || { cat said; exit 1; }
test "$(sed -n '/"submitted": {/,/"tau"/s/.*"members": \([0-9]*\),/\1/p' selected/metrics.json)" = 15

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
    mpirun -n 2 "$tenfold" reduce all.cfg --run "$@" --set reduce.decision=offsets --set self.max_rounds=0 --allow-missing >log 2>&1 || { cat log; exit 1; }
    sed -n '/^ "decision": {/,/"argmax_test": {/p; /^ "tuned": {/,/"test": {/p' $1/metrics.json
}
rm -r whole/predict/r0-f2-*
for how in mean greedy; do
    tuned part --set reduce.method=$how >absent
    tuned whole --set reduce.method=$how >missing
    test "$(grep -c '"rows": 9' absent)" = $([ $how = mean ] && echo 1 || echo 2) # of 14 thousand
    diff absent missing
done
# ... and a row of a sample stands for those of the two folds: as good as tuned on all
in_sample() { tuned whole --set reduce.method=greedy "$@" | sed -n '/"in_sample"/,$s/.*"geometric_mean": \([0-9.]*\).*/\1/p' | head -n 1; }
awk -v all=$(in_sample) -v few=$(in_sample --set reduce.tune_rows=8000) 'BEGIN { print all, few; exit !(few > all - 0.003) }'

# the first round against the newest and both pooled; a round with few members takes no part, nor keeps others from being compared on
# all folds; without a fold in common the first one stays
sed 's/^reduce.*/self: { max_rounds = 2; };/' job.cfg >rounds.cfg
"$TN_REDUCE_ROWS" rounds.cfg rounds 400 30
chosen() { # CHOSEN TEXT FOLDS: what metrics.json says
    rm -rf rounds/reduce
    mpirun -n 2 "$tenfold" reduce rounds.cfg --run rounds --allow-missing >log 2>&1 || { cat log; exit 1; }
    sed -n '/"choice": {/,/"rounds_skipped"/p' rounds/metrics.json >why
    grep -q "\"chosen\": \"$1\"" why && grep -q "$2" why && grep -q "^  \"folds\": $3,$" why || { cat why; exit 1; }
}
chosen "rounds 0 and 2 pooled" "of both pooled, out-of-fold on 3 common folds; round 2 is not used alone: " 3
test "$(grep -c '"what"' why)" = 3
grep -q '"what": "round 1"' why && exit 1
mkdir kept-rounds
mv rounds/predict/r2-f[12]-* kept-rounds/
chosen "rounds 0 and 1 pooled" "round 2 has 4 of 12 predictions, fewer than half as many as round 0" 3
mv rounds/predict/r[01]-f0-* kept-rounds/
chosen "round 0" "no fold has predictions of all rounds" 0
mv rounds/predict/r0-f1-* kept-rounds/
mv kept-rounds/r2-* rounds/predict/
chosen "rounds 1 and 2 pooled" "round 0 has 4 of 12 predictions, fewer than half as many as round 2" 2

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
