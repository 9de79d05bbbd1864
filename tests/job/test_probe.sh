# The probe: a filter before round 0, on features of a net that was trained before; the same bits on one and two ranks.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"

# the pretrained net has seen other pictures of these classes; it knows nothing of this table
(mkdir before && cd before && "$TN_MAKE_IMAGES" data 300 0 && cp ../tiny.cfg . && must "$tenfold" preprocess tiny.cfg --run out &&
    must "$tenfold" train tiny.cfg --run out --folds 0 --set model.metadata_levels=0 --set model.head_units=0)
pretrained="--set model.pretrained=before/out/train/r0-f0-s32-x1/best.safetensors"
probed="$pretrained --set self.probe=true"
sed -i 's/images = 2400/images = 240/; s/evaluations = 3/evaluations = 1/; s/warmup_images = 200/warmup_images = 0/' tiny.cfg

must "$tenfold" preprocess tiny.cfg --run one
refused 2 "self.probe is false.*Set self.probe = true" "$tenfold" probe tiny.cfg --run one $pretrained
must "$tenfold" run tiny.cfg --run one $probed --set self.max_rounds=0
must "$tenfold" preprocess tiny.cfg --run two
must mpirun -n 2 "$tenfold" probe tiny.cfg --run two $probed
for file in probe/features.h5 probe/posteriors.h5 filter/r0/ledger.csv filter/r0/overlay-f0.h5 filter/r0/overlay-f2.h5; do cmp one/$file two/$file; done

# the job's categories have a say; without category levels it is the pictures alone
must "$tenfold" preprocess tiny.cfg --run pictures
must "$tenfold" probe tiny.cfg --run pictures $probed --set model.metadata_levels=0 --set model.head_units=0
if grep -q "categories" log; then exit 1; fi
cmp one/probe/features.h5 pictures/probe/features.h5
if cmp -s one/probe/posteriors.h5 pictures/probe/posteriors.h5; then exit 1; fi
grep -q "temperature [0-9.]*, weights of pictures [0-9.]*, of categories 0\.[0-9]" one/log/probe.log
refused 2 "model.metadata_levels = 3, but the table has 2" "$tenfold" probe tiny.cfg --run pictures $probed --set model.metadata_levels=3

# it finds more than lots would: the planted wrong labels are counted here
awk -F, 'NR > 1 { n++; wrong = $14 != $2; w += wrong; d += $5 == "drop"; f += $5 == "drop" && wrong }
    END { print f " of " w " wrong labels found, " d " of " n " labels dropped"; exit !(f > 2 * w * d / n) }' one/filter/r0/ledger.csv

# round 0 was trained by it, the report tells of it, and the same command has nothing to do
grep -q 'filter [0-9a-f]\{32\}' one/train/r0-f0-s32-x1/DONE
grep -q "Before round 0:" one/report/report.md
tr -d ' \n' <one/metrics.json | grep -q '"filter":\[{"round":0,"judged":200,'
before=$(md5sum one/probe/* one/filter/r0/*)
must "$tenfold" run tiny.cfg --run one $probed --set self.max_rounds=0
test "$before" = "$(md5sum one/probe/* one/filter/r0/*)"
refused 2 "self.probe" "$tenfold" run tiny.cfg --run one $pretrained --set self.max_rounds=0

# a mistake is said before anything is computed
refused 2 "self.probe needs model.pretrained" "$tenfold" probe tiny.cfg --run two --set self.probe=true
refused 2 "self.probe needs model.pretrained" "$tenfold" check tiny.cfg --set self.probe=true
refused 3 "error: model.pretrained: nothere: cannot be read" "$tenfold" probe tiny.cfg --run two $probed --set model.pretrained=nothere
test "$(wc -l <log)" = 1
rm -r two/filter
refused 2 "two/filter/r0 is not there.*run .tenfold probe" "$tenfold" train tiny.cfg --run two --folds 0 $probed

# one overlay for all folds: then no score of round 0 is independent, and it says so
mkdir shared && cp -r two/shards two/folds shared/
must "$tenfold" run tiny.cfg --run shared $probed --set self.max_rounds=0 --set self.view=\"shared\"
cmp shared/filter/r0/overlay-f0.h5 shared/filter/r0/overlay-f1.h5
tr -d ' \n' <shared/metrics.json | grep -q '"out_of_fold_caveats":{"notindependent"'
tr -d ' \n' <one/metrics.json | grep -q '"out_of_fold_caveats":{}'
