# Bad input: one clear error with file, line or sample and what to do, the right exit code, nothing half-published.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
cp -r data good
n=0
refused() { # CODE TEXT VERB [options]
    want=$1 text=$2
    shift 2
    n=$((n + 1)) code=0
    timeout 100 "$tenfold" "$@" >log 2>&1 || code=$?
    if [ $code != $want ] || ! grep -qF -- "$text" log || [ "$(grep -c 'tenfold: error' log)" != 1 ]; then
        echo "tenfold $*: exit code $code, wanted $want and: $text"
        cat log
        exit 1
    fi
}
pre() { refused $1 "$2" preprocess tiny.cfg --run out$n; test ! -e out$((n - 1))/shards/DONE; cp good/metadata.csv data/; }

# --- the table
: >data/metadata.csv;                              pre 2 "data/metadata.csv: is empty"
head -n 1 good/metadata.csv >data/metadata.csv;    pre 2 "has a header but no rows"
rm data/metadata.csv;                              pre 3 "data/metadata.csv: cannot be read"
sed -i '3s/.*/images\/0001.png,disc/' data/metadata.csv;        pre 2 "data/metadata.csv:3: 2 fields, the header has 7"
sed -i '3s/^/"/' data/metadata.csv;                pre 2 "data/metadata.csv:3: wrong quoting"
sed -i '4s/^[^,]*/images\/0001.png/' data/metadata.csv;         pre 2 "data/metadata.csv:4: path images/0001.png is there already, on line 3"
sed -i '4s/^[^,]*/..\/secret.png/' data/metadata.csv;           pre 2 "data/metadata.csv:4: ../secret.png leads out"
sed -i '4s/^[^,]*/\/etc\/passwd/' data/metadata.csv;            pre 2 "data/metadata.csv:4: /etc/passwd is an absolute path"
sed -i '4s/,[a-z]*,/,discs,/' data/metadata.csv;   pre 2 'data/metadata.csv:4: label `discs` is not in data.classes: did you mean `disc`?'
# control characters of names and labels do not reach the terminal
quiet() { if grep -q "$(printf '[\007\033]')" log; then cat -v log && exit 1; fi; }
sed -i "4s/,[a-z]*,/,di$(printf '\007')sc,/" data/metadata.csv;  pre 2 'data/metadata.csv:4: label `di\x07sc` is not in data.classes'
quiet
sed -i "2s/^[^,]*/images\/$(printf '\033')[2J.png/" data/metadata.csv
refused 4 '0,images/\x1b[2J.png,cannot be read: No such file' preprocess tiny.cfg --run quiet --set data.max_bad_fraction=0.001
quiet
cp good/metadata.csv data/

# --- jobs that compute on GPUs and would get none
refused 2 "the jobs ask for no GPU: set slurm.gpus_per_node = 1" submit tiny.cfg --run blind --dry-run --set train.device=cuda
"$tenfold" check tiny.cfg --set train.device=cuda >log
grep -q '^# GPUs: `tenfold submit` will refuse this: .* ask for no GPU' log
"$tenfold" check tiny.cfg --set train.device=cuda --set slurm.gpus_per_node=2 >log 2>errs
grep -q "^# GPUs that submit requests per node for train and predict: 2, for 1 ranks with 2 CPUs each" log
grep -q "warning: slurm.gpus_per_node = 2, but slurm.ranks_per_node = 1" errs
"$tenfold" submit tiny.cfg --run blind --dry-run --set train.device=cuda --set slurm.gpus_per_node=1 >log
grep -- --gres=gpu:1 log | sed 's/=.*//' | tr '\n' ' ' | grep -qx "train_r0 train_r1 "
test ! -e blind

# --- too little to learn from: the table shows it, so nothing is decoded, begun or queued (sbatch is not even looked for)
too_little() { # TEXT
    for verb in check run "submit --dry-run" submit preprocess; do
        refused 2 "data/metadata.csv: $1" $verb tiny.cfg --run few
        tail -n 1 log | grep -q "^tenfold: error: " # also behind what check prints
    done
    test ! -e few
    mpirun -n 3 "$tenfold" preprocess tiny.cfg --run few >log 2>&1 && exit 1
    test "$(grep -c 'tenfold: error: ' log)" = 1
    test ! -e few
    cp good/metadata.csv data/
}
awk -F, '$2 != "stripes" || ++c < 3' good/metadata.csv >data/metadata.csv;         too_little "class stripes has 2 labelled rows in "
awk -F, '$2 != "stripes" || $6 == "test"' good/metadata.csv >data/metadata.csv;    too_little "class stripes has no row to train on"
awk -F, 'BEGIN { OFS = "," } $2 == "disc" { $5 = "one" } { print }' good/metadata.csv >data/metadata.csv
too_little "class disc has $(awk -F, '$2 == "disc" && $6 != "test"' good/metadata.csv | wc -l) labelled rows in 1 group, fewer than folds.count = 3"
awk -F, 'BEGIN { OFS = "," } NR > 1 { $2 = "" } { print }' good/metadata.csv >data/metadata.csv
too_little "no row can be trained on: each has an empty label or the split"
sed '1s/,label,/,tag,/' good/metadata.csv >data/metadata.csv;    too_little "no row can be trained on: the header names no column"
# three rows of three groups, but two are one picture: that shows when they are decoded
awk -F, '$2 != "stripes" || ($6 == "train" && ++c < 4)' good/metadata.csv >data/metadata.csv
cp good/images/0002.jpg data/images/0004.jpg
refused 2 "class stripes has 3 labelled rows in 2 groups, fewer than" preprocess tiny.cfg --run kin
test -e kin/shards/DONE && test ! -e kin/folds/DONE
cp good/images/0004.jpg data/images/ && cp good/metadata.csv data/

# --- a byte order mark, CRLF, Korean, blanks at the ends and CSV-hostile names are fine
mkdir fine && cp -r good/* fine/
mv fine/images/0000.jpg "$(printf 'fine/images/\355\225\234\352\270\200, "x".jpg')"
{ printf '\357\273\277'; awk 'BEGIN { OFS = "" } { sub(/^images\/0000.jpg/, "\"images/\355\225\234\352\270\200, \"\"x\"\".jpg\""); print $0, "\r" }' good/metadata.csv; } >fine/metadata.csv
"$tenfold" preprocess tiny.cfg --run fine-run --set data.metadata=fine/metadata.csv >log 2>&1 || { cat log; exit 1; }
test "$(wc -l <fine-run/shards/quarantine.csv)" = 1
mv fine/images/0001.png 'fine/images/0001.png ' # beside a neighbour of nearly that name, which is another row
cp fine/images/0003.png fine/images/0001.png
sed -i 's/0001.png,/0001.png ,/; s/0002.jpg,/0002.jpg ,/' fine/metadata.csv
"$tenfold" preprocess tiny.cfg --run fine-run2 --set data.metadata=fine/metadata.csv >log 2>&1 || { cat log; exit 1; }
echo '2,"images/0002.jpg ",cannot be read: No such file or directory (a blank in front of a name or behind it belongs to the name)' |
    cmp - <(tail -n +2 fine-run2/shards/quarantine.csv)

# --- a table from Windows
sed 's#^images/#images\\#' good/metadata.csv >data/metadata.csv
refused 4 '0,images\0000.jpg,cannot be read: No such file or directory (folders are separated by / here and not by \)' preprocess tiny.cfg --run windows
cp good/metadata.csv data/

# --- images: quarantined with row and reason; too many of them is an error
: >data/images/0000.jpg
echo "this is text" >data/images/0002.jpg
rm data/images/0004.jpg
head -c 300 good/images/0006.jpg >data/images/0006.jpg
printf '\211PNG\r\n\032\n\0\0\0\rIHDR\0\001\206\240\0\001\206\240\010\002\0\0\0\205\123\271\215' >data/images/0001.png # 100,000 x 100,000
rm data/images/0003.png && mkdir data/images/0003.png
mkfifo data/images/fifo && rm data/images/0005.png && mv data/images/fifo data/images/0005.png # reading it would hang
refused 4 "7 of 240 images cannot be used, more than data.max_bad_fraction = 0.01 allows" preprocess tiny.cfg --run many
test ! -e many/shards/DONE
timeout 60 "$tenfold" preprocess tiny.cfg --run some --set data.max_bad_fraction=0.1 >log 2>&1 || { cat log; exit 1; }
cat some/shards/quarantine.csv
grep -q "^0,images/0000.jpg,is empty" some/shards/quarantine.csv
grep -q "^1,images/0001.png,\(cannot be decoded\|its header claims more\)" some/shards/quarantine.csv
grep -q "^2,images/0002.jpg,\"*is not a JPEG" some/shards/quarantine.csv
grep -q "^3,images/0003.png,is not a file" some/shards/quarantine.csv
grep -q "^4,images/0004.jpg,cannot be read: No such file" some/shards/quarantine.csv
grep -q "^5,images/0005.png,is not a file" some/shards/quarantine.csv
grep -q "^6,images/0006.jpg,cannot be decoded" some/shards/quarantine.csv
rm -r data && cp -r good data

# --- the job file and the command line
refused 2 "did you mean train.learning_rate?" check tiny.cfg --set train.learning_rat=1
refused 2 "--set: folds.count is text: give a whole number from 3 to 64" preprocess tiny.cfg --set folds.count=three
refused 2 "its unit is not the share of the range, but 8-bit steps" train tiny.cfg \
    --set 'train.augment=( { op = "hue_saturation_value"; val_shift_limit = 0.2; } )'
refused 2 "sigma_min = 3 of gaussian_blur is larger than sigma_max = 1" train tiny.cfg \
    --set 'train.augment=( { op = "gaussian_blur"; sigma_min = 3; sigma_max = 1; } )'
refused 2 "none.cfg: cannot be read" run none.cfg
refused 2 "no verb \`trian\`" trian tiny.cfg
refused 2 "unknown option --fold" train tiny.cfg --fold 1
refused 2 "tenfold check does not take --folds" check tiny.cfg --folds 1
refused 2 "--run: the folder has no name" preprocess tiny.cfg --run=
refused 2 "--folds 2-1" train tiny.cfg --folds 2-1
refused 2 'did you mean `efficientnet-b0`?' run tiny.cfg --run never --set model.net=efficientnet-bo
refused 2 "fewer than train.evaluations" run tiny.cfg --run never --set train.images=40 --set train.warmup_images=0
refused 2 "fewer than train.evaluations" check tiny.cfg --set train.images=40 --set train.warmup_images=0
test ! -e never
refused 2 'did you mean `efficientnet-b0`?' weights describe efficientnet-b9
refused 3 "cannot be read" weights digest none.safetensors
refused 4 "not a checkpoint" weights digest tiny.cfg

# --- order of stages, run folders
refused 2 "run \`tenfold preprocess\` first" train tiny.cfg --run empty
refused 2 "empty/shards is not there or not complete: run \`tenfold preprocess\` first" explore tiny.cfg --run empty
"$tenfold" preprocess tiny.cfg --run one >log 2>&1
refused 2 "run \`tenfold train --round 0 --folds 0\` first" filter tiny.cfg --run one
refused 6 "0 of 3 predictions are done" reduce tiny.cfg --run one --set self.max_rounds=0
refused 2 "run \`tenfold reduce\` first" report tiny.cfg --run one
refused 2 "folds.seed = 1 (now: 2)" preprocess tiny.cfg --run one --set folds.seed=2
refused 2 "no plan.json" run one
"$tenfold" preprocess tiny.cfg --run one 2>&1 | grep -q "already done"
refused 2 "--folds names fold 3" train tiny.cfg --run one --folds 3
refused 2 "fewer than train.evaluations" train tiny.cfg --run one --set train.images=40 --set train.warmup_images=0
refused 2 "model.metadata_levels = 4, but the table has 2 category columns" train tiny.cfg --run one --set model.metadata_levels=4

# --- a results folder that cannot be made (a file is in the way; root may write anywhere)
echo >file
refused 3 "file" run tiny.cfg --run file/out

# --- a rate that blows the weights up: step, images and layer are named, no DONE, the other cells go on
"$tenfold" preprocess tiny.cfg --run nan >log 2>&1
wild="--set train.optimizer=sgd --set train.learning_rate=100 --set train.weight_decay=1 --set train.warmup_images=0"
refused 9 ", first in " train tiny.cfg --run nan --folds 0 $wild
grep -q "values are not finite at step [0-9]*, after [0-9]* images" log
grep -qE "first in (conv_stem|bn1|bn2|blocks|conv_head|classifier|head_dense)" log
test ! -e nan/train/r0-f0-s32-x1/DONE
code=0
"$tenfold" run tiny.cfg --run nan $wild >log 2>&1 || code=$?
test $code = 9 # all failed alike: the code says so, and nobody runs it again
grep -q "3 steps failed" log
sed '1s/,label,/,tag,/' good/metadata.csv >data/metadata.csv
refused 2 "no row can be trained on" run nan
cp good/metadata.csv data/

# --- damaged artefacts
printf 'x' | dd of=one/shards/dataset.h5 bs=1 seek=0 conv=notrunc 2>/dev/null
refused 4 "one/shards/dataset.h5" train tiny.cfg --run one
refused 4 "one/shards/dataset.h5: damaged" explore tiny.cfg --run one
test ! -e one/explore/DONE
echo "$n refusals"
