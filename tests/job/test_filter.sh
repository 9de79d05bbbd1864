# The filter by the command line: rounds that end by themselves, methods, ledgers that are compared, refusals.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
sed -i 's/images = 2400/images = 240/; s/evaluations = 3/evaluations = 1/; s/warmup_images = 200/warmup_images = 0/' tiny.cfg

# five rounds, each of which would have to beat the one before
rounds="--set self.max_rounds=4 --set self.dropped=relabel --set self.relabel_margin=0.2"
"$tenfold" run tiny.cfg --run out $rounds >/dev/null 2>log || { cat log; exit 1; }
"$tenfold" report out >report
first=$(sed -n 's/^Rounds from \([0-9]*\) on were skipped: smoothed score of the validation slices of 3 models: .*/\1/p' report)
test -n "$first" && test $first -ge 2
grep -q "round $((first - 1)) -[0-9]" out/filter/r$first/skipped.txt
"$tenfold" status out >status
test "$(grep -c 'skipped *$' status)" = $((2 * 3 * (5 - first) + 5 - first)) # cells, their predictions, filters
for round in $(seq $first 4); do
    test ! -e out/train/r$round-f0-s32-x1/best.safetensors
    test ! -e out/filter/r$round/overlay-f0.h5
done
grep -q '"skipped"' out/predict/r4-f2-s32-x1/DONE
test "$(grep -c '^| \*\*round .* out-of-fold\*\*' report)" = $first
grep -q "^Compared out-of-fold: round 0, with a decision tuned on other folds: smoothed score" report
grep -q "^round $((first - 1)), with a decision.* 95 % interval of the difference to the first: macro F1" report
cmp out/ledger.csv out/filter/r$((first - 1))/ledger.csv
rm out/log/*
"$tenfold" run tiny.cfg --run out $rounds >/dev/null 2>log2 || { cat log2; exit 1; }
"$tenfold" report out >again
without_times() { sed '/^## How the run went/,/^Cells were queued/d' "$1"; } # which tell of both runs
cmp <(without_times report) <(without_times again)
if grep 'skipped, ' out/log/*; then exit 1; fi

# the other methods on the same models: each class keeps its share, each row has one vote
for method in confident disagreement; do
    mkdir $method
    cp -r out/shards out/folds out/train $method/
    "$tenfold" filter tiny.cfg --run $method --set self.method=$method --set self.category_floor=0.9 >log 2>&1 || { cat log; exit 1; }
    awk -F, 'NR > 1 && $6 + $7 != 1 { exit 1 }' $method/filter/r1/ledger.csv
    awk -F, 'NR == FNR { cat[$1] = $3; next } FNR > 1 { n[cat[$1]]++; kept[cat[$1]] += $5 == "keep" } END { for (c in n) if (kept[c] < 0.9 * n[c]) exit 1 }' \
        data/metadata.csv $method/filter/r1/ledger.csv
    grep -q ',category_floor,' $method/filter/r1/ledger.csv
    # filter.json counts what the ledger lists, and the elements of a class in the noise matrix sum to 1
    "$tenfold" show $method/filter/r1/filter.json >shown
    for class in disc square stripes; do
        awk -F, -v class=$class 'NR > 1 && $2 == class { n++; odd += $9 != "believed"; taken += $5 == "drop" } END { print n, odd, taken + 0 }' \
            $method/filter/r1/ledger.csv >expected
        awk -v class=$class '$1 == class && NF > 5 { print $2, $3, $4 }' shown | cmp - expected
    done
    tr -d ' \n' <$method/filter/r1/filter.json | tr '{' '\n' | sed -n 's/.*"given":"\([a-z]*\)",.*"share":\([-0-9.e]*\)}.*/\1 \2/p' |
        awk '{ sum[$1] += $2 } END { for (k in sum) { n++; if (sum[k] < 0.999999 || sum[k] > 1.000001) exit 1 } exit n != 3 }'
done
grep -q '^| given label | truly disc | truly square | truly stripes |$' report
grep -q 'style="background:rgba(214,39,40,0\.[0-9]*)">[0-9]* %' out/report/report.html
grep -q '"estimated_wrong": 0\.' out/metrics.json

# a floor that binds is a warning, which names the class
rm -r disagreement/filter
"$tenfold" filter tiny.cfg --run disagreement --set self.method=disagreement --set self.class_floor=1 >log 2>&1 || { cat log; exit 1; }
for class in disc square stripes; do
    grep -q "warning: filter r1: class $class: [0-9.]* % of its labels were found suspicious, but self.class_floor = 1 keeps 100.0 %. Look at them" log
done
rm -r disagreement/filter
"$tenfold" filter tiny.cfg --run disagreement --set self.method=disagreement >log 2>&1 || { cat log; exit 1; }

# two ledgers: the changed rows, counted here
"$tenfold" filter --diff confident/filter/r1/ledger.csv disagreement/filter/r1/ledger.csv >changed.csv 2>counts
paste -d, confident/filter/r1/ledger.csv disagreement/filter/r1/ledger.csv | awk -F, 'NR > 1 && $5 != $(NF / 2 + 5) { print $1 }' >expected
test "$(tail -n +2 changed.csv | cut -d, -f1)" = "$(cat expected)"
grep -q "^$(wc -l <expected) of $(($(wc -l <out/ledger.csv) - 1)) verdicts changed" counts

refused() { # CODE TEXT VERB [options]
    want=$1 text=$2 code=0
    shift 2
    timeout 100 "$tenfold" "$@" >log 2>&1 || code=$?
    [ $code = $want ] && grep -qF -- "$text" log && [ "$(grep -c 'tenfold: error' log)" = 1 ] && return
    echo "tenfold $*: exit code $code, wanted $want and: $text"
    cat log
    exit 1
}
sed 2d out/ledger.csv >short.csv
refused 2 "the ledgers are of different data sets" filter --diff out/ledger.csv short.csv
refused 3 "none.csv: cannot be read" filter --diff out/ledger.csv none.csv
# the rows are data; a terminal does not obey them
sed "2s/^[^,]*/x$(printf '\033')[2J.png/" out/ledger.csv >esc-a.csv
awk -F, -v OFS=, 'NR == 2 { $5 = $5 == "keep" ? "drop" : "keep" } { print }' esc-a.csv >esc-b.csv
"$tenfold" filter --diff esc-a.csv esc-b.csv 2>log >rows
test "$(sed -n 2p rows | cut -d, -f1)" = "x$(printf '\033')[2J.png"
script -qec "'$tenfold' filter --diff esc-a.csv esc-b.csv 2>log" rows >/dev/null
grep -q '^x\\x1b\[2J.png,' rows
code=0
"$tenfold" filter --diff confident/filter/r1/ledger.csv disagreement/filter/r1/ledger.csv >/dev/full 2>log || code=$?
test $code = 3 && grep -q "could not be written: No space left" log
refused 2 "--diff needs two ledgers" filter --diff out/ledger.csv
refused 2 "self.verdict_ratio" check tiny.cfg --set self.verdict_ratio=-1
refused 2 "one word too many" filter tiny.cfg out
refused 2 "set self.consistency_weight above 0" check tiny.cfg --set self.dropped=unlabeled
refused 2 'only self.method = "self" has views' check tiny.cfg --set self.method=confident --set self.view=shared
refused 2 "out/folds: was made with 3 folds, but folds.count = 4: set folds.count = 3" filter tiny.cfg --run out $rounds --set folds.count=4
refused 3 "none.h5: cannot be read" filter tiny.cfg --run out $rounds --posteriors none.h5
rm -r confident/filter
refused 4 "attribute \`classes\` names 0 classes, data.classes has 3" filter tiny.cfg --run confident --posteriors out/ensemble.h5
test ! -e confident/filter/r1
elr="check tiny.cfg --set self.consistency=elr --set self.consistency_weight"
"$tenfold" $elr=2 | grep -q '^# self.consistency_weight = 2 with "elr" may pull all predictions to one class of 3: give less than 2, or set'
if "$tenfold" $elr=1.9 | grep "may pull" || "$tenfold" $elr=2 --set self.rampup_images=240 | grep "may pull"; then exit 1; fi
"$tenfold" check tiny.cfg --set self.consistency_weight=1 | grep -q "^# teacher 1440 more images, forward pass only = 6 cells"
