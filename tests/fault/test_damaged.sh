# Artefacts that lost a byte, a bit or altogether: exit code 4 that names the file and what to do, never another number; what
# can be made again is made again.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
sed -i 's/images = 2400/images = 320/; s/evaluations = 3/evaluations = 1/; s/warmup_images = 200/warmup_images = 0/' tiny.cfg
"$tenfold" run tiny.cfg --run whole >report 2>log || { cat log; exit 1; }
cell=r0-f0-s32-x1
flip() { # FILE PLACE: one bit
    byte=$(od -An -tu1 -j $2 -N 1 "$1")
    printf "\\$(printf %o $((byte ^ 64)))" | dd of="$1" bs=1 seek=$2 conv=notrunc 2>/dev/null
}
refused() { # CODE TEXT VERB [options]
    want=$1 text=$2 code=0
    shift 2
    timeout 100 "$tenfold" "$@" >log 2>&1 || code=$?
    [ $code = $want ] && grep -qF -- "$text" log && return
    echo "tenfold $*: exit code $code, wanted $want and: $text"
    cat log
    exit 1
}
damaged() { # FILE MADE-AGAIN-FOLDER VERB: at several places, the numbers' last byte among them, and cut short
    file=$1 gone=$2
    shift 2
    size=$(stat -c %s whole/$file)
    for at in 900 2100 3000 $((size - 1)); do
        rm -rf hurt && cp -r whole hurt && rm -r hurt/$gone
        flip hurt/$file $at
        refused 4 "hurt/$file: damaged" "$@" tiny.cfg --run hurt
    done
    head -c $((size / 2)) whole/$file >hurt/$file
    refused 4 "hurt/$file: damaged" "$@" tiny.cfg --run hurt
    rm hurt/$file
    refused 4 "hurt/$file: missing: delete the folder hurt/${file%/*}" "$@" tiny.cfg --run hurt
    rm -r hurt
}
damaged shards/dataset.h5 filter filter
damaged folds/folds.h5 filter filter
damaged train/$cell/posteriors.h5 filter filter
damaged train/$cell/best.safetensors predict/$cell predict
damaged filter/r1/overlay-f0.h5 train/r1-f0-s32-x1 train --round 1
damaged predict/$cell/predictions.h5 reduce reduce
damaged filter/r1/ledger.csv reduce reduce
damaged filter/r1/ledger.h5 reduce reduce
damaged filter/r1/ledger.csv report report

# a filter that was killed before its DONE is none: neither its ledger nor its table is shown
cp -r whole hurt && rm -r hurt/reduce hurt/filter/r1/DONE
refused 0 "ledger.csv" reduce tiny.cfg --run hurt
test "$(head -n 1 hurt/ledger.csv)" = path,label,suggested,margin,verdict
"$tenfold" report tiny.cfg --run hurt >log 2>&1
if grep "^Before round 1:\|By the truth column" log; then exit 1; fi
rm -r hurt

# a checkpoint in mid-way: another clock is no clock; without its best model it does not go on; a lost journal is only told
cp -r whole hurt && rm -r hurt/train/$cell
last_checkpoint hurt/train/$cell "$tenfold" train tiny.cfg --run hurt --folds 0
cp hurt/train/$cell/checkpoint.safetensors sound.safetensors
"$tenfold" weights digest hurt/train/$cell/best.safetensors >expected
sed -i 's/images_seen\\":320/images_seen\\":160/' hurt/train/$cell/checkpoint.safetensors
refused 4 "its header does not have the hash" train tiny.cfg --run hurt --folds 0
code=0 # rank 0 reads it for all, and each rank checks it
timeout 100 mpirun -n 2 "$tenfold" train tiny.cfg --run hurt --folds 0 >log 2>&1 || code=$?
cat log
test $code = 4
test "$(grep -c "^tenfold: error: hurt/train/$cell/checkpoint.safetensors: .* its header does not have the hash" log)" = 1
cp sound.safetensors hurt/train/$cell/checkpoint.safetensors
rm hurt/train/$cell/posteriors.h5
refused 4 "delete the folder hurt/train/$cell and run again" train tiny.cfg --run hurt --folds 0
cp whole/train/$cell/posteriors.h5 hurt/train/$cell/
rm hurt/train/$cell/journal.jsonl
refused 0 "journal.jsonl: lines are missing" train tiny.cfg --run hurt --folds 0
"$tenfold" weights digest hurt/train/$cell/best.safetensors | cmp - expected

# outputs that were deleted come back; a plan that was cut short is said; a moved run folder is itself
rm hurt/submission.csv hurt/metrics.json
"$tenfold" reduce tiny.cfg --run hurt 2>log
cmp hurt/submission.csv whole/submission.csv
cmp hurt/metrics.json whole/metrics.json
for file in ensemble.h5 submission.csv ledger.csv metrics.json; do
    flip hurt/$file $(($(stat -c %s hurt/$file) - 3))
    [ $file != metrics.json ] || refused 4 "hurt/metrics.json: damaged: its bytes are not those that were published" report tiny.cfg --run hurt
    refused 0 "reduce: hurt/$file: damaged: its bytes are not those that were published: made again" reduce tiny.cfg --run hurt
    cmp hurt/$file whole/$file
done
refused 0 "reduce: already done" reduce tiny.cfg --run hurt
name=$(printf 'b\351.cfg')
cp tiny.cfg "$name" && rm hurt/metrics.json
refused 0 "metrics.json: missing: made again" reduce "$name" --run hurt
grep -qF '"run": "b\\xe9"' hurt/metrics.json
mkdir else && mv hurt else/moved
rm else/moved/ledger.csv else/moved/reduce/DONE whole/reduce/DONE
"$tenfold" run else/moved >/dev/null 2>log || { cat log; exit 1; }
test -e else/moved/ledger.csv
test ! -e whole/reduce/DONE
head -c 100 whole/plan.json >else/moved/plan.json
refused 4 "plan.json: not a plan" status else/moved

# predictions of a model that was trained again since; an incomplete reduction is not a complete one
"$tenfold" reduce tiny.cfg --run whole 2>log
rm -r whole/train/$cell
"$tenfold" train tiny.cfg --run whole --folds 0 --set train.learning_rate=0.001 >log 2>&1
refused 2 "its model was trained again since: run \`tenfold predict\` again" reduce tiny.cfg --run whole --set reduce.method=mean --allow-missing --set self.max_rounds=0
refused 6 "round 2: only 0 of 3 predictions are done" reduce tiny.cfg --run whole --set self.max_rounds=2
# a class that cannot be learned at such a rate: numbers that are not finite are not published
refused 9 "lower train.learning_rate" train tiny.cfg --run whole --folds 1 --set train.seeds=[2] --set train.images=64 --set train.learning_rate=100 --set train.optimizer=sgd
test ! -e whole/train/r0-f1-s32-x2/DONE
