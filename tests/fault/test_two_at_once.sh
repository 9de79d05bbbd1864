# Two processes on one cell or one run folder: the second waits for a moment, then finds it done or is refused; never a mixture.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
"$tenfold" preprocess tiny.cfg --run alone >log 2>&1
cp -r alone two
"$tenfold" train tiny.cfg --run alone --folds 0 >log 2>&1 || { cat log; exit 1; }
"$tenfold" train tiny.cfg --run two --folds 0 --set train.checkpoint_seconds=1e-6 >log1 2>&1 &
"$tenfold" train tiny.cfg --run two --folds 0 --set train.checkpoint_seconds=1e-6 >log2 2>&1 &
code=0
wait -n || code=$?
wait -n || code=$?
cat log1 log2
test $code = 0 || test $code = 7 # 7 where the first took longer than the second waits
cell=train/r0-f0-s32-x1
cmp alone/$cell/posteriors.h5 two/$cell/posteriors.h5
test "$("$tenfold" weights digest alone/$cell/best.safetensors)" = "$("$tenfold" weights digest two/$cell/best.safetensors)"
test "$(journal_of alone/$cell)" = "$(journal_of two/$cell)"
test "$(wc -l <two/$cell/journal.jsonl)" = 3
test "$(cat log1 log2 | grep -c ': trained,')" = 1

# a run folder that is in use: exit code 7 that says so; the lock of a process that was killed holds nobody up
"$tenfold" run tiny.cfg --run two --ranks 1 >/dev/null 2>log &
pid=$!
for _ in $(seq 100); do grep -q "step 2" log && break; sleep 0.1; done
kill -STOP $pid
code=0
timeout 60 "$tenfold" run tiny.cfg --run two >log2 2>&1 || code=$?
cat log2
test $code = 7
grep -q "two: another tenfold is working on it" log2
kill -KILL $pid
timeout 300 "$tenfold" run two >/dev/null 2>log2 || { cat log2; exit 1; }
test -e two/submission.csv

# output that nobody reads any more does not stop the work
"$tenfold" run tiny.cfg --run unread --set train.images=320 --set train.warmup_images=0 --set self.max_rounds=0 2>&1 >/dev/null | head -n 1 >first
test -s first
for _ in $(seq 300); do [ -e unread/submission.csv ] && break; sleep 0.1; done
test -e unread/submission.csv
