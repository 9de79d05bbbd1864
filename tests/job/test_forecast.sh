# tenfold check: how often a model sees the images of a class; how many category levels help; --time: a forecast with images of the table, without them, and without the
# table; what check says otherwise stays.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
says() { grep -qE -- "$1" said || { echo "wanted: $1"; cat said; exit 1; }; }
"$tenfold" check tiny.cfg >plain
# 94, 57 and 49 labelled rows: 56, 34 and 29 of them in two folds of three, less a tenth; 2,400 images
grep -qxF "# class square: about 34 training rows, 686 images seen, each 20.2 times" plain
"$tenfold" check tiny.cfg --set train.sampler=balanced_up | grep -qxF "# class stripes: about 29 training rows, 800 images seen, each 27.6 times"
# of the two category levels the first alone tells as much
levels() { { "$tenfold" check tiny.cfg --set model.metadata_levels="$1" >log; } 2>&1; }
levels 0 | grep -q "metadata.csv: model.metadata_levels = 0, but 1 would help: .* a log loss of [0-9.]* with 0, [0-9.]* with 1 levels"
levels 2 | grep -q "model.metadata_levels = 2, but 1 would be enough: "
[ -z "$(levels 1)" ]
"$tenfold" check tiny.cfg --set predict.size_factor=1.5 >said 2>log
says "^# models of 32 px predict at 48 px: a rank about [0-9]+ MiB$"
grep -q "warning: preprocess.size_px = 40: models of 32 px predict at 48 px" log
"$tenfold" check tiny.cfg --set model.metadata_levels=1 --set predict.size_factor=1.25 2>&1 >said | diff /dev/null - # 40 px are stored
# 119 rows of three classes are 39 each; tiny.cfg's own net has no published weights
"$tenfold" check tiny.cfg --set model.width=0 --set model.depth=0 --set model.stem_stride=2 >said
says "^# model.pretrained is empty: with 39 training rows per class, "
grep -q "^# model.pretrained is empty" plain && exit 1
asked() { "$tenfold" check tiny.cfg --set predict.size_factor="$1" 2>log | sed -n 's/.*train and predict \([0-9]*\) MiB.*/\1/p'; }
[ "$(asked 4)" -gt "$(asked 1)" ] # images of 128 px: prediction needs more than training
"$tenfold" check tiny.cfg --time --nodes 2 >said
grep -v "^# forecast" said | sed '${/^$/d}' | diff plain - # only lines are added
says "^# forecast: timed here with .* with images of the table"
says "^# forecast: 32 px: a lane trains in [0-9.]+ ms"
says "preprocess decodes and stores an image in [0-9.]+ ms"
says "here, by tenfold run: [1-9][0-9]* s = "
says "with 2 nodes at a time the run ends after "
[ "$(grep -c "nodes at a time" said)" = 1 ]
# the probe: at the size of its weights, and without them
sed 's/images = 2400/images = 64/; s/evaluations = 3/evaluations = 1/; s/warmup_images = 200/warmup_images = 0/' tiny.cfg >small.cfg
must "$tenfold" preprocess small.cfg --run before
must "$tenfold" train small.cfg --run before --folds 0 --set model.metadata_levels=0 --set model.head_units=0
weights=before/train/r0-f0-s32-x1/best.safetensors
"$tenfold" check tiny.cfg --time --set self.probe=true --set model.pretrained=$weights --set 'train.sizes_px=[24]' >said
says "^# forecast: the probe computes features at 32 px: a lane in [0-9.]+ ms"
says "here, by tenfold run: .* preprocess .*, probe [0-9.]+ s, train "
mv $weights later
"$tenfold" check tiny.cfg --time --set self.probe=true --set model.pretrained=$weights >said 2>log
says "model.pretrained is not there yet: the probe is not included below"
rm -r data/images
"$tenfold" check tiny.cfg --time >said
says "with an image that was made up"
says "no image of the table exists yet"
rm data/metadata.csv
"$tenfold" check tiny.cfg --time >said
says "there is no table yet: evaluation, prediction and preprocess are not included below"
code=0
"$tenfold" check tiny.cfg --nodes 2 >said 2>&1 || code=$?
[ $code = 2 ]
says "give --time, too"
