# The last round judges no more rows than its score needs: the same weights, kept points and predictions as where a round follows.
# More rounds later: its cells are made again. Fewer: what judged more stays.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
sed -i 's/images = 2400/images = 256/; s/evaluations = 3/evaluations = 2/; s/warmup_images = 200/warmup_images = 0/' tiny.cfg
tenfold() { "$tenfold" "$@" >out 2>log || { code=$? && cat log && return $code; }; }
refused() { # TEXT VERB...
    want=$1 code=0
    shift
    "$tenfold" "$@" >out 2>log || code=$?
    test $code = 2 && grep -q -- "$want" log || { cat log && return 1; }
}
models() { for f in "$1"/train/r[01]-*/best.safetensors; do echo "${f#*/} $("$tenfold" weights digest "$f")"; done; }
points() { sed 's,"[a-z]*_seconds":[0-9.e+-]*,,g' "$1"/train/r[01]-*/journal.jsonl; }

mkdir few more
tenfold run tiny.cfg --run few
test "$(ls -d few/train/*/posteriors.h5)" = "$(ls -d few/train/r0-*/posteriors.h5)"
grep -q '"posteriors.h5"' few/train/r0-f0-s32-x1/DONE
if grep -q 'posteriors.h5' few/train/r1-f0-s32-x1/DONE; then exit 1; fi
refused "r1-f0-s32-x1 has no posteriors of all rows, because round 1 was the last (self.max_rounds). Set self.max_rounds to 2 and run" \
    filter tiny.cfg --run few --round 1
test ! -e few/filter/r2
tenfold train few # done is done
test "$(grep -c 'already done' log)" = 3

for folder in shards folds train filter; do cp -r few/$folder more/; done
rm -r more/train/r1-*
tenfold train tiny.cfg --run more --round 1 --set self.max_rounds=2
test -e more/train/r1-f0-s32-x1/posteriors.h5
models few >expected
models more | cmp - expected
points few >expected
points more | cmp - expected
tenfold predict tiny.cfg --run more
tenfold reduce tiny.cfg --run more # with one round: what judged more has judged enough
cmp few/submission.csv more/submission.csv
cmp few/ledger.csv more/ledger.csv
tenfold train tiny.cfg --run more --round 1
test "$(grep -c 'already done' log)" = 3

# begun with more rows, gone on with: to the end as it began
cell=more/train/r1-f1-s32-x1
for _ in 1 2 3 4 5; do # killed behind its first point; a quick machine may be done before
    rm -r $cell
    "$tenfold" train tiny.cfg --run more --round 1 --folds 1 --set self.max_rounds=2 >log 2>&1 &
    pid=$!
    until [ -e $cell/checkpoint.safetensors ] || [ -e $cell/DONE ]; do sleep 0.01; done
    kill -KILL $pid || true
    wait $pid || true
    [ -e $cell/DONE ] || break
done
tenfold train tiny.cfg --run more --round 1 --folds 1
grep -q 'goes on after [0-9]* images' log
grep -q '"posteriors.h5"' more/train/r1-f1-s32-x1/DONE

# another round: the cells of the one before are made again
tenfold run tiny.cfg --run few --set self.max_rounds=2
grep -q 'r1-f0-s32-x1: its inputs have changed: made anew' few/log/train-r1-f0-s32-x1.log
test -e few/filter/r2/DONE
models more >expected
models few | cmp - expected
for fold in 0 1 2; do cmp few/train/r1-f$fold-s32-x1/posteriors.h5 more/train/r1-f$fold-s32-x1/posteriors.h5; done

# a trial judges its own fold too, on which the judgement compares
cat >>tiny.cfg <<'CFG'
search: { trials = 2; folds = [ 0, 1 ]; rungs = [ 64 ]; space = ( { key = "train.learning_rate"; choice = ( 0.004, 0.008 ); } ); };
CFG
tenfold run tiny.cfg --run search --set train.images=128
grep -q 'judged validation+own' search/search/t000-i128/train/r0-f2-s32-x1/DONE
