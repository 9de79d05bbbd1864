# More classes than rows are kept whole for (score/prow.h): every stage, on one rank and on two, and what is refused.
tenfold=$1
set -eu
K=1100
"$TN_MAKE_IMAGES" data $((3 * K + 110)) 0 plain
awk -v K=$K 'NR == 1 { print "path,label,split"; next }
    { printf "%s,n%04d,%s\n", $1, NR % K, (NR - 2 < 3 * K) ? "" : "test" }' data/metadata.csv >data/many.csv
awk -v K=$K 'BEGIN { for (k = 0; k < K; k++) printf "n%04d\n", k }' >classes.txt
cat >many.cfg <<'CFG'
data: { metadata = "data/many.csv"; classes_file = "classes.txt"; };
preprocess: { size_px = 16; };
folds: { count = 3; };
model: { net = "efficientnet-b0"; width = 0.25; depth = 0.35; stem_stride = 1; };
train: { images = 64; sizes_px = [ 16 ]; lanes = 2; lane_images = 16; evaluations = 2; };
self: { max_rounds = 1; };
reduce: { method = "gmean"; bootstrap = 100; };
CFG
quiet() { "$@" >log 2>&1 || { cat log; exit 1; }; }
refused() { # WORDS VERB [options]: exit code 2 and this message
    words=$1 code=0
    shift
    "$tenfold" "$@" >log 2>&1 || code=$?
    test $code = 2 && grep -q "$words" log || { cat log; exit 1; }
}

# predictions and posteriors are rows of 16 classes, 16 values, the label and its value
quiet "$tenfold" run many.cfg --run one --ranks 1
"$tenfold" show one/train/r0-f0-s16-x1/posteriors.h5 >log
grep -q "^ *z .*(3410,34)" log
"$tenfold" show one/predict/r1-f0-s16-x1/predictions.h5 >log
grep -q "^ *p .*(1210,34)" log
test "$(head -n 1 one/submission.csv)" = "path,label,p,label_2,p_2,label_3,p_3,label_4,p_4,label_5,p_5"
# the class that was decided, then the others by their probability
awk -F, 'NR > 1 && !($5 >= $7 && $7 >= $9 && $9 >= $11 && $11 > 0 && $2 != $4) { exit 1 } END { exit NR != 111 }' one/submission.csv
# what the ledger suggests is another class exactly where the margin is above 0
awk -F, 'NR > 1 && ($4 > 0 ? $2 == $3 : $4 < 0 && $2 != $3) { exit 1 } END { exit NR != 3301 }' one/ledger.csv
grep -q '"classes_with_f1_zero"' one/metrics.json
test "$(head -n 1 one/report/scores.csv)" = "what,rows,geometric_mean,macro_f1,accuracy"

# two ranks train the same model
mkdir two
cp -r one/shards one/folds two
quiet mpirun -n 2 "$tenfold" train many.cfg --run two --folds 2
for file in best.safetensors posteriors.h5; do cmp one/train/r0-f2-s16-x1/$file two/train/r0-f2-s16-x1/$file; done

# members and offsets are tuned; one and two ranks agree
cp -r one tuned
rm -r tuned/reduce
quiet "$tenfold" reduce many.cfg --run tuned --set reduce.method=greedy --set reduce.decision=offsets
cp tuned/metrics.json a
rm -r tuned/reduce
quiet mpirun -n 2 "$tenfold" reduce many.cfg --run tuned --set reduce.method=greedy --set reduce.decision=offsets
cmp tuned/metrics.json a
grep -q '"honest"' a

# the other method of filtering; the floor keeps all rows, so that no class loses its last one
cp -r one other
rm -r other/filter
quiet "$tenfold" filter many.cfg --run other --round 0 --set self.method=confident --set self.class_floor=1
awk -F, 'NR > 1 && $9 == "class_floor" { n++ } END { exit !(n > 0 && n < 3300) }' other/filter/r1/ledger.csv

refused "only for up to 1024 classes, because it counts every class for every category; there are 1100" \
    check many.cfg --set reduce.category_prior=1
rm -r other/filter
refused "posteriors: only for up to 1024 classes" filter many.cfg --run other --round 0 --posteriors one/ensemble.h5
test ! -e other/filter/r1/DONE
