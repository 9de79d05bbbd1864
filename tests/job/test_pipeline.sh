# The whole pipeline by one command: what must lie in the run folder, what it must say, and that it can be repeated.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
"$tenfold" run tiny.cfg --run out >summary 2>log || { cat log; exit 1; }
grep -q "^Finished in [0-9]* s$" summary
grep -q "^ *round 0 .*round 1" summary
grep -q "^Report:  .*/out/report/report.html$" summary
grep -q "^\[ *[0-9]*/17\] filter r1  *[0-9]* of 200 labels flagged  *[0-9]* s$" log
"$tenfold" report out >report
cat report

# one line per test or unlabelled row, in input order
test "$(head -n 1 out/submission.csv)" = "path,label,p_disc,p_square,p_stripes"
test "$(awk -F, '$6 == "test" || $2 == "" { print $1 }' data/metadata.csv)" = "$(tail -n +2 out/submission.csv | cut -d, -f1)"
awk -F, 'NR > 1 && ($3 + $4 + $5 < 0.999 || $3 + $4 + $5 > 1.001) { exit 1 }' out/submission.csv

# accuracy of the submission, counted here from the two tables, is the report's
count() { awk -F, 'NR == FNR { truth[$1] = $7; next } FNR > 1 { n++; ok += truth[$1] == $2 } END { printf "%.4f", ok / n }' data/metadata.csv $1; }
grep "submitted, test split" report | grep -q "| $(count out/submission.csv) |"

# the planted errors, counted here, are the report's; found ones too
wrong=$(awk -F, 'NR == FNR { if ($2 != $7) bad[$1]; next } FNR > 1 && $5 != "not_judged" && $1 in bad { n++ } END { print n + 0 }' data/metadata.csv out/ledger.csv)
found=$(awk -F, 'NR == FNR { if ($2 != $7) bad[$1]; next } FNR > 1 && $5 == "drop" && $1 in bad { n++ } END { print n + 0 }' data/metadata.csv out/ledger.csv)
grep -q "By the truth column: $found of the .* are wrong .* of $wrong wrong labels" report
test "$(head -n 1 out/ledger.csv | cut -d, -f1-5)" = "path,label,suggested,margin,verdict"

# rows of the test split were never trained on, judged or filtered
test -z "$(awk -F, 'NR == FNR { if ($6 == "test") test[$1]; next } FNR > 1 && $1 in test' data/metadata.csv out/ledger.csv)"

# it learns: better than always naming the most frequent class
awk -F, 'NR == FNR { if ($6 == "test") { n++; c[$7]++ } next } END { for (k in c) if (c[k] > m) m = c[k]; print m / n }' data/metadata.csv /dev/null >most
awk -v a="$(count out/submission.csv)" -v m="$(cat most)" 'BEGIN { exit !(a > m + 0.1) }'

# status knows it, a second run does nothing new and changes no byte
"$tenfold" status out >status
test "$(grep -c ' done' status)" -ge 10
timeout 60 "$tenfold" status out --watch >watch 2>&1 # it has ended, and all is done: exit code 0
grep -q "^17 of 17 steps done$" watch
grep -q "all done; results in $PWD/out$" watch
digest_of_run out >before
"$tenfold" run tiny.cfg --run out >/dev/null 2>log2
"$tenfold" report out >again
without_times() { sed '/^## How the run went/,/^Cells were queued/d' "$1"; } # which tell of both runs
cmp <(without_times report) <(without_times again)
digest_of_run out >after
cmp before after
test "$(grep -c "was done before" log2)" = 12 # cells and their predictions
"$tenfold" report tiny.cfg --run "$PWD/out" >after 2>/dev/null
cmp <(without_times report) <(without_times after)

# a run folder in place of the job file: as it was started, and a part of its cells
cmp out/job.cfg tiny.cfg
"$tenfold" train out --round 1 --part 2/3 2>log3
grep -q "r1-f2-s32-x1: already done" log3
test "$(grep -c "already done" log3)" = 1
code=0
"$tenfold" train out --set train.images=1 2>log3 || code=$?
test $code = 2
grep -q "out is a run folder, which keeps the settings it was started with" log3

# the tables of the data set: classes counted here; the same page each time and with any ranks; it is made again for other folds
of() { awk -F, -v c="$1" 'NR > 1 && $2 == c { n++; test += $6 == "test" } END { printf "%d | %d", n, n - test }' data/metadata.csv; }
for class in disc square stripes; do grep -q "^| $class | $(of $class) | [0-9.]* % | " out/explore/explore.md; done
grep -q "^240 rows: .*, 0 quarantined" out/explore/explore.md
grep -q "^## Quarantined images" out/log/explore.log
"$tenfold" explore out 2>log3 | cmp - out/explore/explore.md
grep -q "explore: already done" log3
cp -r out other && rm -r other/explore other/folds
"$tenfold" preprocess tiny.cfg --run other --set folds.seed=2 2>log3
mpirun -n 2 "$tenfold" explore tiny.cfg --run other --set folds.seed=2 2>log3 >page
cmp page other/explore/explore.md
if cmp -s page out/explore/explore.md; then exit 1; fi
rm -r other/folds && "$tenfold" preprocess tiny.cfg --run other 2>log3
"$tenfold" explore tiny.cfg --run other 2>log3 | cmp - out/explore/explore.md
grep -q "^Recommended: model.metadata_levels = 1, " out/explore/explore.md
"$tenfold" explore tiny.cfg --run other --set reduce.prior_count=1 2>log3 | grep -q "smoothed by 1 rows" # not refused

# what it will take and what it took
"$tenfold" check tiny.cfg | grep -q "^# memory at 32 px: a lane [0-9]* MiB"
"$tenfold" train tiny.cfg --run out --set train.seeds=[2] --folds 0 --profile 2>&1 | grep -q "^| depthwise conv .* % |"

# unlabelled rows get predictions; no round of filtering still gives all files
awk -F, 'BEGIN { OFS = "," } NR > 1 && NR % 4 == 0 { $2 = "" } { print }' data/metadata.csv >data/part.csv
part="--set data.metadata=data/part.csv --set data.images=data --set self.max_rounds=0 --set train.images=200 --set train.warmup_images=0"
"$tenfold" run tiny.cfg --run part $part >report2 2>log || { cat log; exit 1; }
test "$(awk -F, 'NR > 1 && ($6 == "test" || $2 == "")' data/part.csv | wc -l)" = "$(($(wc -l <part/submission.csv) - 1))"
test "$(head -n 1 part/ledger.csv)" = "path,label,suggested,margin,verdict"

# one of three folds lost: refused, then allowed and said
rm -r part/predict/r0-f1-*
code=0
"$tenfold" reduce tiny.cfg --run part $part 2>log || code=$?
test $code = 6
grep -q "2 of 3 predictions are done" log
"$tenfold" reduce tiny.cfg --run part $part --allow-missing 2>log
"$tenfold" report tiny.cfg --run part $part | grep -q "(2 of 3 models)"
