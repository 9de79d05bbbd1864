# tenfold show: every kind of file of a run says what it is, with shapes and digests that are known from elsewhere; what is
# damaged, cut short or of nobody is one line and exit code 4.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
sed -i 's/images = 2400/images = 320/; s/evaluations = 3/evaluations = 2/; s/warmup_images = 200/warmup_images = 0/' tiny.cfg
"$tenfold" run tiny.cfg --run run --set folds.count=3 >report 2>log || { cat log; exit 1; }
cell=run/train/r0-f0-s32-x1
# a cell that is done has no checkpoint: one that is asked to stop
mkdir half
cp -r run/shards run/folds half/
"$tenfold" train tiny.cfg --run half --folds 0 --set train.images=64000 >log 2>&1 &
for _ in $(seq 600); do [ ! -e half/train/r0-f0-s32-x1/heartbeat ] || break; sleep 0.1; done
kill -TERM $!
wait $! || [ $? = 6 ]
images=$(sed -n 's/.*stopped on request after \([0-9]*\) of .*/\1/p' log)
half=half/train/r0-f0-s32-x1/checkpoint.safetensors

shows() { # FILE LINE...: exit code 0, and these extended regular expressions are found
    file=$1
    shift
    "$tenfold" show "$file" >said 2>&1 || { echo "show $file: exit code $?"; cat said; exit 1; }
    [ "$(wc -l <said)" -le 50 ] || { echo "show $file: more than a screen"; cat said; exit 1; }
    for line; do grep -qE -- "$line" said || { echo "show $file: wanted $line"; cat said; exit 1; }; done
}
refuses() { # FILE TEXT [CODE]
    code=0
    "$tenfold" show "$1" >said 2>&1 || code=$?
    { [ $code = ${3-4} ] && [ "$(wc -l <said)" = 1 ] && grep -qF -- "$2" said; } || {
        echo "show $1: exit code $code, wanted ${3-4}, one line and: $2"
        cat said
        exit 1
    }
}

digest=$("$tenfold" weights digest $cell/best.safetensors)
shows $cell/best.safetensors "best.safetensors: the kept model of a cell; .* hash it names, .* DONE vouches for" \
    "efficientnet-b0, width 0.25, depth 0.35, 3 classes, .*input 32 px" "tensors, digest $digest\$" "cell r0-f0-s32-x1"
shows $half "a checkpoint, to go on from" "after $images images, step $((images / 32)), " "0 evaluations" \
    "^ +model\.  [0-9]+ tensors" "^ +ema\.  " "^ +m\.  " "^ +v\.  " "^ +z \(200,3\)" "train: images = 64000;" "made from shards [0-9a-f]{32}"
shows $cell/posteriors.h5 "posteriors, version 1, .* DONE vouches for" "^ +p +f32 \(240,3\)" "^ +z +f32 \(240,3\)"
shows run/shards/dataset.h5 "dataset, version 1" "^ +label +i32 \(240\)" "^ +is_test +u8 \(240\)"
shows run/shards/shard-00004.h5 "shard, version 2" "first_row 200" "store jpeg" "^ +length +i32 \(40\)"
shows run/folds/folds.h5 "folds, version 1" "count 3" "^ +fold +i32 \(240\)"
shows run/predict/r0-f0-s32-x1/predictions.h5 "predictions, version 2" "classes disc, square, stripes" "^ +row +i64 "
shows run/ensemble.h5 "ensemble, version 1, .* DONE vouches for" "members 3" "^ +p +f32 \(40,3\)"
shows $cell/DONE "stage train is done" "vouches for posteriors.h5 [0-9a-f]{32}" "train: images = 320;" "made from folds [0-9a-f]{32}"
shows $cell "stage train is done"
shows $cell/journal.jsonl "2 evaluations" "^ +1 +160 " "^ +2 +320 " " kept\$"
shows run/plan.json "plan of a run" "[0-9]+ steps: [0-9]+ done" "--set folds.count=3"
shows run "plan of a run"
shows run/metrics.json "tenfold metrics 3, .* DONE vouches for" 'classes \["disc","square","stripes"\]' "submitted"
shows run/reduce/ensemble.json "tenfold ensemble 2" 'mean "arithmetic"'
shows run/submission.csv "40 rows and 5 columns, .* DONE vouches for" "path, label, p_disc, p_square, p_stripes"
shows run/history/train-r0-f0-s32-x1 "what became of starts" "^ +running [0-9]+ - 0 1 0" "^ +done [0-9]+ - 0 1 0"
shows run/job.cfg "a job file"
shows "$source/tests/golden/foreign.h5" "posteriors of models trained elsewhere" "^ +p +f64 \(5,3\)"
shows "$source/tests/golden/weights/timm_lite_16bit.safetensors" "weights of another program" "--padding symmetric or --padding same"
"$tenfold" weights import "$source/tests/golden/weights/timm_lite_16bit.safetensors" lite.safetensors --padding same >said
shows lite.safetensors "weights, for model.pretrained" "efficientnet-lite0, width 0.01, .*padding same; input 37 px" "origin timm"

mkdir hurt hurt/run
cp -r run/train run/reduce run/ensemble.h5 run/metrics.json run/submission.csv hurt/run/
cell=hurt/$cell
flip() { # FILE PLACE: one bit
    byte=$(od -An -tu1 -j $2 -N 1 "$1")
    printf "\\$(printf %o $((byte ^ 64)))" | dd of="$1" bs=1 seek=$2 conv=notrunc 2>/dev/null
}
for file in $cell/posteriors.h5 hurt/run/ensemble.h5 hurt/run/submission.csv; do
    flip $file $(($(stat -c %s $file) - 3))
    refuses $file "$file: damaged: its bytes are not those that the DONE"
done
flip $cell/best.safetensors $(($(stat -c %s $cell/best.safetensors) - 3))
refuses $cell/best.safetensors "do not have the hash"
head -c 5000 $half >cut.safetensors
refuses cut.safetensors "cut.safetensors: not a safetensors file this program can read"
head -c 1000 run/folds/folds.h5 >cut.h5
refuses cut.h5 "cut.h5: "
head -c 200 run/metrics.json >cut.json
refuses cut.json "not JSON to its end, so damaged"
sed -i 's/"stage": "train"/"stage": "train "/' $cell/DONE
refuses $cell/DONE "damaged: delete its folder"
sed -i '1s/^.\{9\}/{"evaluation"/' $cell/journal.jsonl
refuses $cell/journal.jsonl "journal.jsonl:1: not an evaluation"
: >empty
refuses empty "is empty"
refuses "$source/README.md" "nothing of tenfold"
refuses "$source/tests/golden/weights/image.png" "is binary"
refuses "$source/tests/golden/weights/torchvision.safetensors" "lists what does not fit"
refuses "$source/tests/golden/weights/timm.pth" "lists what does not fit"
refuses "$source/tests/fuzz/corpus-pth/code-system" "names posix.system"
refuses "$source/tests/golden/weights/keras3.h5" "lists what does not fit"
refuses "$source/tests" "a folder without DONE or plan.json"
echo '{"a": 1}' >other.json
refuses other.json "JSON of another program"
printf 'PK\003\004aaaaaaaa' >model.pt
refuses model.pt "is a zip archive"
refuses none "is not there" 3
