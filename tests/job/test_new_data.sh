# New pictures, predicted by the ensemble that a finished run decided on: where they are copies of its test rows, in whatever
# order, with the probabilities of its own predictions (to 1e-6); bit for bit on any number of ranks, and after a kill. What does not fit is refused by one message, and nothing is
# written; nothing of the run is ever touched.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
sed -i 's/images = 2400/images = 400/; s/\[ 32 \]/[ 24 ]/; s/evaluations = 3/evaluations = 1/; s/warmup_images = 200/warmup_images = 0/' tiny.cfg
cat >>tiny.cfg <<'CFG'
predict: { views = [ "identity", "pad_flip" ]; size_factor = 1.25; };
reduce: { method = "greedy"; decision = "offsets"; category_prior = 2; bootstrap = 50; };
CFG
all_of() { (cd $1 && find . -type f ! -name '.*.lock' ! -path './log/*' -exec md5sum {} + | sort); }
quiet() { "$@" >log 2>&1 || { cat log; exit 1; }; }
p_of() { # RUN N [f4]: the last N rows of probabilities (ensemble.h5 ends with them), a line of bits (or numbers) per row
    tail -c $(($2 * 12)) $1/ensemble.h5 | od -An -v -w12 -t ${3-x4}
}
near() { # FILE FILE: equal words, and numbers that differ by less than 1e-6
    test -s $1 && paste -d ' ' <(tr , ' ' <$1) <(tr , ' ' <$2) | awk '{
        for (i = 1; i <= NF / 2; i++) {
            d = $i - $(i + NF / 2)
            if (NF % 2 || (($i + 0 == 0 || $(i + NF / 2) + 0 == 0) ? $i != $(i + NF / 2) : d * d >= 1e-12)) exit 1
        } }'
}
new() { # FOLDER TABLE [LAUNCHER [options]]: predicted by the run `out`
    quiet ${3-} "$tenfold" preprocess out --data $1 --set data.metadata=$2 ${4-} ${5-}
    quiet ${3-} "$tenfold" predict out --data $1
    quiet ${3-} "$tenfold" reduce out --data $1
}
quiet "$tenfold" run tiny.cfg --run out --ranks 1
all_of out >untouched
grep -q '"decides": true' out/reduce/ensemble.json
grep -q '"level": 2' out/reduce/ensemble.json

# the test rows again: in their order with labels, and backwards without
awk -F, 'NR == 1 || $6 == "test"' data/metadata.csv >data/same.csv
awk -F, 'NR == 1 || $6 == "test" { print $4 "," $1 "," $3 }' data/metadata.csv >data/columns
(head -n 1 data/columns && tail -n +2 data/columns | tac) >data/back.csv
new same data/same.csv
new back data/back.csv "mpirun -n 2"
N=40
test "$(p_of out $N | sort -u | wc -l)" -ge 30
p_of same $N >expected
p_of out $N f4 >numbers
p_of same $N f4 >straight
near straight numbers
p_of back $N f4 | tac >turned
near turned numbers
test "$(tail -n +2 back/submission.csv | cut -d, -f1)" = "$(tail -n +2 data/back.csv | cut -d, -f2)"
tail -n +2 back/submission.csv | tac >turned
tail -n +2 same/submission.csv >straight
tail -n +2 out/submission.csv >numbers
near straight numbers
near turned numbers
section() { sed -n "/\"$2\": {/,/classes_with_f1_zero/p" $1 | head -n 11 | tr -d ' '; }
sed -n '/"submitted"/,/"rounds"/p' out/metrics.json >tuned.json # the scores of the run's test split, and those of the same rows as new ones
test "$(section tuned.json test | tail -n +2)" = "$(section same/metrics.json score | tail -n +2)"
grep -q '"score": null' back/metrics.json
ls back | grep ledger && exit 1
quiet "$tenfold" preprocess out --data back1 --set data.metadata=data/back.csv # in two parts, as an array of jobs would
quiet "$tenfold" predict out --data back1 --part 1/2
quiet "$tenfold" predict out --data back1 --part 0/2
quiet "$tenfold" reduce out --data back1
for f in ensemble.h5 submission.csv metrics.json; do cmp back/$f back1/$f; done
quiet "$tenfold" reduce out --data back
grep -q "reduce: already done" log
grep -c "already done" log | grep -qx 1

# labels judge, counted here from the two tables; asked to stop, or killed; pictures that cannot be read
awk -F, 'NR == 1 { print; next } { print; for (i = 0; i < 4; i++) { p = $1; sub(/images/, "images" i, p); print p "," $2 "," $3 "," $4 ",,," } }' data/metadata.csv >many.csv
for i in 0 1 2 3; do ln -s images data/images$i; done
echo "images/none.png,disc,a0,b0,,," >>many.csv
new many many.csv "mpirun -n 2" --set data.images=data
for signal in TERM KILL; do
    mkdir $signal && cp -r many/shards $signal/
    mpirun -n 2 "$tenfold" predict out --data $signal >log 2>&1 &
    for _ in $(seq 6000); do ls $signal/predict/*/DONE >/dev/null 2>&1 && break; sleep 0.02; done
    kill -$signal $(ranks_of $!)
    code=0
    wait $! || code=$?
    if [ $signal = TERM ]; then
        cat log
        test $code = 6
        grep -q "stopped on request" log
    fi
    test $code != 0
    n=$(ls $signal/predict/*/DONE | wc -l)
    test $n -lt "$(ls many/predict | wc -l)"
    quiet "$tenfold" predict out --data $signal
    test "$(grep -c 'already done' log)" = $n
    quiet "$tenfold" reduce out --data $signal
    for f in ensemble.h5 submission.csv metrics.json; do cmp many/$f $signal/$f; done
done
accuracy=$(awk -F, 'NR == FNR { label[$1] = $2; next } FNR > 1 && $1 != "images/none.png" { n++; ok += label[$1] == $2 } END { printf "%.15g", ok / n }' many.csv many/submission.csv)
grep -m 1 -A 4 '"score": {' many/metrics.json | grep -q "\"accuracy\": $accuracy"
grep -q '"rows": 1201' many/metrics.json && grep -q '"predicted": 1200' many/metrics.json
test "$(wc -l <many/submission.csv)" = 1202
# ... which get the class shares of the training rows
awk -F, '$1 == "images/none.png"' many/submission.csv | cut -d, -f3 >share
awk -F, -v s="$(cat share)" 'NR > 1 && $6 != "test" { n++; d += $2 == "disc" } END { e = d / n - s; exit !(e * e < 1e-12) }' data/metadata.csv

# categories that training has not seen are as good as empty ones, and counted
awk -F, 'BEGIN { OFS = "," } NR == 1 { print $1, $3, $4; next } $6 == "test" { if (++n <= 7) $3 = "boots"; print $1, $3, $4 }' data/metadata.csv >data/boots.csv
sed 's/boots//' data/boots.csv >data/empty.csv
quiet "$tenfold" preprocess out --data boots --set data.metadata=data/boots.csv
quiet mpirun -n 2 "$tenfold" predict out --data boots
grep -q "boots/shards: 7 of 40 rows have a value of cat1 that did not occur in training" log
quiet "$tenfold" reduce out --data boots
grep -A 2 '"unknown_categories"' boots/metrics.json | tr -d ' \n' | grep -q '\[7,0'
new empty data/empty.csv
cmp boots/submission.csv empty/submission.csv
test "$(p_of boots $N | tail -n +8)" = "$(tail -n +8 expected)"
test "$(p_of boots $N | head -n 7)" != "$(head -n 7 expected)"

# refused
refused() { # CODE TEXT COMMAND...: by one message, and no file is written
    code=$1 text=$2 got=0
    shift 2
    find . -type f ! -name '.*.lock' ! -name 'log' ! -name files ! -name files2 | sort >files
    $launch "$tenfold" "$@" >log 2>&1 || got=$?
    cat log
    test $got = $code
    grep -q -- "$text" log
    test "$(grep -c 'tenfold: error' log)" = 1
    find . -type f ! -name '.*.lock' ! -name 'log' ! -name files ! -name files2 | sort >files2
    cmp files files2
}
launch=
refused 2 "give their table, too (--set data.metadata=FILE)" preprocess out --data bad
refused 2 "out is a run folder, which keeps the settings" preprocess out --set data.metadata=data/same.csv
refused 2 "--table is called --set data.metadata=FILE now" preprocess out --data bad --table data/same.csv
refused 2 "--data .*/out: is the run folder of the models" preprocess out --data out --set data.metadata=data/same.csv
refused 2 "out is a run folder, which keeps the settings" preprocess out --data bad --set data.metadata=data/same.csv --set preprocess.size_px=16
refused 2 "none/shards is not there or not complete: run .tenfold preprocess RUN --data DIR --set data.metadata=FILE. first" predict out --data none
cut -d, -f1,2 data/same.csv >data/flat.csv
refused 2 "flat.csv:1: no column .cat1., but model.metadata_levels = 2" preprocess out --data bad --set data.metadata=data/flat.csv
sed 's/disc/disk/' data/same.csv >data/disk.csv
refused 2 "label .disk. is not in data.classes: did you mean .disc." preprocess out --data bad --set data.metadata=data/disk.csv
mkdir own && cp -r out/shards own/
refused 2 "own/shards: is a run's own data set, not new images" predict out --data own
refused 2 "own/shards: is a run's own data set, not new images" reduce out --data own
mkdir raw && cp tiny.cfg raw.cfg
refused 2 "raw/reduce is not there or not complete: run .tenfold reduce. first" predict raw.cfg --run raw --data same
refused 2 'out/reduce was made with other settings:' predict tiny.cfg --run out --data same --set 'predict.views=["identity"]'
sed 's/"disc", "square"/"square", "disc"/' tiny.cfg >classes.cfg
quiet "$tenfold" preprocess classes.cfg --data classes --set data.metadata=data/same.csv
refused 2 "classes/shards: classes or their order differ: class 1 of 3 is .square.; in the models of .*out class 1 of 3 is .disc.: preprocess" predict out --data classes
quiet "$tenfold" preprocess tiny.cfg --data small --set data.metadata=data/same.csv --set preprocess.size_px=30
refused 2 "small/shards: images are stored with a short side of 30 px, but the models of .*out were trained with 40 px" predict out --data small
quiet "$tenfold" preprocess tiny.cfg --data flat --set data.metadata=data/flat.csv --set model.metadata_levels=0
refused 2 "flat/shards: its table has no column .cat1., which the ensemble of .*out needs" predict out --data flat
refused 2 "the options select none of the" predict out --data same --size 28
last=$(ls same/predict | tail -n 1)
refused_by_reduce() { # CODE TEXT [options]
    code=$1 text=$2
    shift 2
    rm -rf same/reduce same/ensemble.h5 same/submission.csv same/metrics.json
    refused $code "$text" reduce out --data same "$@"
}
launch="mpirun -n 2"
mv same/predict/$last kept && cp -r back/predict/$last same/predict/
refused_by_reduce 2 "same/predict/$last/predictions.h5: was made with another data set"
rm -r same/predict/$last
refused_by_reduce 6 "same: only [0-9]* of [0-9]* predictions are done"
grep -q "^$last$" log
quiet "$tenfold" reduce out --data same --allow-missing
grep -q "\"$last\"" same/metrics.json
mv kept same/predict/$last
quiet "$tenfold" reduce out --data same
p_of same $N | cmp - expected

# models that were trained again: neither their weights nor another run's predictions are taken for those that were chosen
all_of out | cmp - untouched
cell=$(ls same/predict | head -n 1)
round=${cell%%-*} fold=${cell#*-f} size=${cell#*-s}
rate="--set train.learning_rate=0.003"
cp -r out other && rm -r other/train/$cell
where="--round ${round#r} --folds ${fold%%-*} --size ${size%%-*}"
quiet "$tenfold" train tiny.cfg --run other $rate $where
refused 2 "$cell was trained again since other was reduced" predict tiny.cfg --run other $rate $where --data many
rm -r other/predict/$cell other/reduce
quiet "$tenfold" predict tiny.cfg --run other $where $rate
quiet "$tenfold" reduce tiny.cfg --run other $rate
if grep -q "\"size_px\": ${size%%-*}" other/reduce/ensemble.json; then
    refused 2 'train.learning_rate = 0.006 (now: 0.003)' predict tiny.cfg --run other $rate $where --data same
    rm -r same/reduce
    refused 2 "same/predict/$cell: is by another model than the one in the ensemble" reduce tiny.cfg --run other $rate --data same --allow-missing
fi

# a plain mean of the chosen rounds
plain="--set reduce.method=gmean --set reduce.decision=argmax --set reduce.category_prior=0"
rm -r out/reduce
quiet "$tenfold" reduce tiny.cfg --run out $plain
quiet "$tenfold" preprocess out --data plain --set data.metadata=data/back.csv
quiet mpirun -n 2 "$tenfold" predict tiny.cfg --run out $plain --data plain
quiet mpirun -n 2 "$tenfold" reduce tiny.cfg --run out $plain --data plain
p_of out $N f4 >numbers2
p_of same $N f4 >numbers
near numbers numbers2 && exit 1
p_of plain $N f4 | tac >turned
near turned numbers2
grep -q '"tau": 0.0' plain/metrics.json
grep -q '"decides": false' out/reduce/ensemble.json
chosen=$(tr -d ' \n' <out/metrics.json | sed 's/.*"choice":{"chosen":"[^"]*","rounds":\[\([0-9,]*\)\].*/\1/')
test "$(ls plain/predict | cut -d- -f1 | sort -u | tr -d r | paste -sd ,)" = $chosen
