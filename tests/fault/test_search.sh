# A search: who goes on, by which folds; killed and resumed to the same survivors; a trial that diverges; bad input.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
cat >search.cfg <<'CFG'
search: { trials = 4; folds = [ 0, 1 ]; rungs = [ 64, 160 ]; keep = 0.5;
  space = ( { key = "train.learning_rate"; choice = ( 0.004, 100.0 ); },
            { key = "train.augment.cutmix.probability"; uniform = ( 0, 0.5 ); } ); };
CFG
# decay of 10 at a rate of 100 multiplies the weights by -999 in every step
sed 's/images = 2400/images = 320; weight_decay = 10.0/; s/warmup_images = 200/warmup_images = 0/; s/evaluations = 3/evaluations = 2/' tiny.cfg |
    cat - search.cfg >job.cfg
digests() { (cd $1/search && md5sum rung*/ranking.json judge/judge.json trials.csv search.md t*/train/*/posteriors.h5); }

# bad input: one message, nothing written
refused() { # SAYS OPTIONS...
    says=$1 code=0
    shift
    "$tenfold" run job.cfg --run bad "$@" 2>log || code=$?
    cat log
    test $code = 2 && grep -q "$says" log && test ! -e bad
}
refused "did you mean train.momentum" --set 'search.space=( { key = "train.momentun"; uniform = ( 0, 0.5 ); } )'
refused "cannot be trained" --set 'search.space=( { key = "train.warmup_images"; choice = ( 0, 320 ); } )'
# trials that could never be trained, so that their rung would never end
refused "did you mean .efficientnet-b0" --set 'search.space=( { key = "model.net"; choice = ( "efficientnet-b0", "efficientnet-bo" ); } )'
refused "train.images = 64 are 2 steps" --set 'search.space=( { key = "train.evaluations"; choice = ( 1, 3 ); } )'

"$tenfold" preprocess job.cfg --run whole 2>/dev/null
levels='search.space=( { key = "model.metadata_levels"; integer = ( 0, 4 ); } )' code=0
"$tenfold" trial job.cfg --run whole --rung 0 --slot 0 --set "$levels" 2>log || code=$?
cat log
test $code = 2 && grep -q "cannot be trained: model.metadata_levels = [34], but the table has 2 category columns" log && test ! -e whole/search
mkdir killed && cp -r whole/shards whole/folds killed
"$tenfold" run job.cfg --run whole --ranks 2 >report 2>log || { cat log; exit 1; }
cat report
cmp report whole/search/search.md
digests whole >expected

# the search saw folds 0 and 1 alone, the judgement fold 2 alone
test -z "$(find whole/search/*-i64 whole/search/*-i160 -name 'r0-f2-*')"
test "$(find whole/search/*-i320/train -name 'r0-*' | sort | sed 's/.*\/r0/r0/' | uniq)" = r0-f2-s32-x1
# ... and there not the rows that ranked trials, counted here: folds.h5 ends with 240 folds and components, posteriors.h5 with 240 rows p
for f in 0 1; do tail -c 2880 whole/search/t000-i64/train/r0-f$f-s32-x1/posteriors.h5 | od -An -v -w12 -t x4 | awk '{ print $0 != " 00000000 00000000 00000000" }' >said$f; done
tail -c 1920 whole/folds/folds.h5 | head -c 960 | od -An -v -w4 -t d4 | paste -d ' ' - said0 said1 |
    awk '$1 == 2 { all++; n += !$2 && !$3 } END { print n, all; exit !(n > 30 && n < all) }' >rows
grep -q "\"rows\": $(cut -d' ' -f1 rows),$" whole/search/judge/judge.json
# two of four went on, those that the scores say: counted here from the journals; ties go to the lower number
score() { # TRIAL
    for f in 0 1; do grep '"best":true' whole/search/t00$1-i64/train/r0-f$f-s32-x1/journal.jsonl | tail -n 1; done |
        sed 's/.*"geometric_mean":\([0-9.e-]*\),"macro_f1":\([0-9.e-]*\),"accuracy":\([0-9.e-]*\).*/\1 \2 \3/' |
        awk '{ g += $1; m += $2; a += $3 } END { printf "%.6f %.6f %.6f\n", g / 2, m / 2, a / 2 }'
}
diverged=$(awk -F, 'NR > 1 && $NF != "" { print $1 }' whole/search/trials.csv)
test -n "$diverged"
for t in 0 1 2 3; do echo $diverged | grep -qw $t || echo "$(score $t) $t"; done | sort -k1,1nr -k2,2nr -k3,3nr -k4,4n | awk '{ print $4 }' >ranking
for t in $diverged; do
    grep -q "^Trial $t diverged: .*\(not a number\|not finite\)" report
    test ! -e whole/search/t00$t-i160 # it has lost
    echo $t >>ranking
done
test "$(head -n 2 ranking | sort | tr -d '\n')" = "$(ls -d whole/search/*-i160 | sed 's/.*t00\(.\)-.*/\1/' | tr -d '\n')"
test "$(awk -F, 'NR > 1 { print $4, $1 }' whole/search/trials.csv | sort -n | cut -d' ' -f2)" = "$(cat ranking)"

# 4 x 2 x 64 + 2 x 2 x 160 + 2 x 1 x 320
"$tenfold" check job.cfg | grep -q "^# search: 1792 training images in all"
# the best trial is a job file of its own
"$tenfold" check whole/search/best.cfg | grep -q "^  weight_decay = 10;"
# so is the other one of the last rung
test "$(head -n 1 whole/search/best-2.cfg)" = "# trial $(awk -F, '$8 == 2 { print $1 }' whole/search/trials.csv) of the search of job"
"$tenfold" check whole/search/best-2.cfg | grep -q "^  images = 320;"
test ! -e whole/search/best-3.cfg
# from elsewhere they mean the same files, those that are not there yet among them
(mkdir elsewhere && cd elsewhere && "$tenfold" report ../job.cfg --run ../whole --set data.stage_folder=not/yet >/dev/null)
grep -q "^  stage_folder = \"$PWD/elsewhere/not/yet\";" whole/search/best.cfg
"$tenfold" check whole/search/best.cfg | grep -q "^# rows 240:"
"$tenfold" status whole >status
test "$(grep -c ' done' status)" = 20
grep -q "trial q0-p01-f1 .* done .* trial 1, .* 64 of *64 images" status
grep -q "trial q0-p03-f1 .* done .* trial 3, .*(diverged: r0-f1-s32-x1: .*)" status

# killed in mid-training, then resumed: the same survivors and digests
"$tenfold" run job.cfg --run killed --ranks 2 --set train.checkpoint_seconds=1e-6 >/dev/null 2>&1 &
pid=$!
for _ in $(seq 600); do [ -e killed/search/t000-i64/train/r0-f1-s32-x1/journal.jsonl ] && break; sleep 0.1; done
kill -9 $pid
test ! -e killed/search/rung0/DONE
code=0 # what is not trained is not ranked, and says so
for _ in $(seq 100); do pgrep -f "$PWD/killed" >/dev/null || break; sleep 0.1; done
"$tenfold" rank job.cfg --run killed --rung 0 2>log || code=$?
test $code = 6 && grep -q "is not trained yet" log
"$tenfold" run killed --ranks 1 >again 2>log || { cat log; exit 1; }
cmp report again
digests killed | cmp - expected
