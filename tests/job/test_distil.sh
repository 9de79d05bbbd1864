# The student (tests/unit/test_distil.c has what it learns): the same bits on one and two ranks and after a kill; its score
# stands beside the ensemble's; it predicts new images alone. What cannot work is refused by one line.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
sed -i 's/images = 2400/images = 200/; s/\[ 32 \]/[ 24 ]/; s/evaluations = 3/evaluations = 1/; s/warmup_images = 200/warmup_images = 0/' tiny.cfg
cat >>tiny.cfg <<'CFG'
reduce: { category_prior = 2; bootstrap = 50; };
CFG
awk -F, -v OFS=, 'NR % 24 == 2 { $2 = "" } { print }' data/metadata.csv >table && mv table data/metadata.csv # ten rows without a label
settings="--set self.max_rounds=0"
student="--set distil.student=true --set distil.images=1600"

must "$tenfold" run tiny.cfg --run one --ranks 1 $settings
refused 2 "distil.student is false" "$tenfold" distil tiny.cfg --run one $settings
cp -r one two
cp -r one three
must "$tenfold" run tiny.cfg --run one --ranks 1 $settings $student
grep -q "^Student:   accuracy 0.* by one model; the ensemble 0" log
grep -q "| \*\*student, test split\*\* | 40 |" one/report/report.md

# it learned rows without a label, too, but none of the test split
test "$(awk -F, '$2 == "" && $6 == "train"' data/metadata.csv | wc -l)" = 10
grep -q '"rows_unlabeled":10,' one/train/student-s24-x1/journal.jsonl

# two ranks, killed in the middle, continue: the same bits
(set +e; "$tenfold" distil tiny.cfg --run two $settings $student --set train.checkpoint_seconds=1e-6 >killed 2>&1 & pid=$!
    for _ in $(seq 3000); do [ -e two/train/student-s24-x1/checkpoint.safetensors ] && break; sleep 0.02; done
    kill -9 $pid; wait $pid) 2>/dev/null || true
test ! -e two/distil/DONE
must mpirun -n 2 "$tenfold" distil tiny.cfg --run two $settings $student
grep -q "student-s24-x1: goes on after" log
for file in train/student-s24-x1/best.safetensors distil/targets/overlay.h5 distil/ensemble.json distil/ensemble.h5 distil/metrics.json distil/submission.csv; do
    cmp one/$file two/$file
done
before=$(find one/distil one/train/student-s24-x1 -type f -exec md5sum {} +)
must "$tenfold" distil one
grep -q "distil: already done" log
test "$before" = "$(find one/distil one/train/student-s24-x1 -type f -exec md5sum {} +)"

# the score beside the ensemble's, which is that of metrics.json; and counted here from the submission and the table
section() { sed -n "/\"$2\"/,\$p" $1 | sed -n '/"test": {/,/"f1"/p' | head -n 5; }
test "$(section one/metrics.json submitted | tr -d ' ')" = "$(section one/distil/metrics.json ensemble | tr -d ' ')"
section one/distil/metrics.json ensemble | grep -q '"n": 40'

accuracy=$(awk -F, 'NR == FNR { if ($6 == "test") given[$1] = $2; next } $1 in given { n++; right += $2 == given[$1] }
    END { printf "%.6g", right / n }' data/metadata.csv one/distil/submission.csv)
sed -n '/"score": {/,/"f1"/p' one/distil/metrics.json | grep -q "\"accuracy\": $accuracy,"

# new images that are the rows of no fold, by the student alone: what it said of them in its run
awk -F, 'NR == 1 || $6 == "test" || $2 == ""' data/metadata.csv >data/same.csv
must "$tenfold" preprocess one --data new --set data.metadata=data/same.csv
must "$tenfold" predict one --data new --student
must "$tenfold" reduce one --data new --student
cmp new/submission.csv one/distil/submission.csv
test "$(ls new/predict)" = student-s24-x1

# refused, and nothing is written
must "$tenfold" predict one --data new --folds 0
refused 2 "models = the student (now: the ensemble)" "$tenfold" reduce one --data new --allow-missing
refused 2 "belongs to --data" "$tenfold" predict one --student
refused 2 "the run has none" "$tenfold" predict three --data new --student
refused 2 "distil.net = .*efficientnet-lite0" "$tenfold" distil tiny.cfg --run one $settings $student --set distil.net=efficientnet-lite0
mv three/predict/r0-f1-s24-x1 .
refused 2 "predict/r0-f1-s24-x1" "$tenfold" distil tiny.cfg --run three $settings $student
test "$(wc -l <log)" = 1
test -z "$(find three/distil -type f ! -name '.*')"
rm -r three/reduce
must "$tenfold" reduce tiny.cfg --run three $settings --allow-missing
refused 2 "no model of fold 1" "$tenfold" distil tiny.cfg --run three $settings $student
test -z "$(find three/distil -type f ! -name '.*')"
rm -r three/reduce
refused 2 "tenfold reduce" "$tenfold" distil tiny.cfg --run three $settings $student
refused 2 "distil.student: a search has no ensemble" "$tenfold" check tiny.cfg $student --set 'search.space=({key="train.learning_rate";choice=[0.1,0.2];})'
refused 2 "distil.images = 300: give more than" "$tenfold" check tiny.cfg $student --set distil.images=300 --set train.warmup_images=300
refused 2 "the student.*unknown net" "$tenfold" check tiny.cfg $student --set distil.net=resnet
refused 3 "distil.pretrained: .*nothere: cannot be read" "$tenfold" run tiny.cfg --run four $student --set distil.pretrained=nothere
test ! -e four/shards
