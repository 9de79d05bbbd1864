# A search submitted at once: an array per rung, ranked by the task that finishes it. The survivors and bits of `tenfold run`, although a rank
# is killed and a task cancelled; and where the job file as it stands wins, only one task trains it for the judgement.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
. "$source/tests/slurm/slurm.sh"
cat >search.cfg <<'CFG'
search: { trials = 3; folds = [ 0 ]; judge_folds = [ 2 ]; rungs = [ 480, 640 ]; keep = 0.667;
  space = ( { key = "train.learning_rate"; log_uniform = ( 0.001, 0.02 ); },
            { key = "train.sampler"; choice = ( "natural", "balanced_down" ); } ); };
CFG
sed 's/images = 2400/images = 640/; s/evaluations = 3/evaluations = 2; checkpoint_seconds = 1e-6/' tiny.cfg | cat - search.cfg >job.cfg
digests() { (cd "$1/search" && md5sum rung*/ranking.json judge/judge.json trials.csv search.md t*/train/*/posteriors.h5); }
job_of() { tr '\n' ' ' <"$1/plan.json" | grep -o "\"name\": \"$2\"[^}]*" | sed 's/.*"job": "\([^"]*\)".*/\1/'; }
ended() { # RUN: exit code of its `status --watch --every 2` in $code
    code=0
    timeout 500 "$tenfold" status "$1" --watch --every 2 >watch 2>&1 || code=$?
    cat watch
    wait_for 60 "the end of the jobs of $1" none_left "$1\." # over is what has its DONE; its job still says so
}

"$tenfold" run job.cfg --run local --ranks 1 >report 2>log || { cat log; exit 1; }
digests local >expected
slurm_up

"$tenfold" submit job.cfg --run out --dry-run >dry
test "$(grep -c '=\$(sbatch ' dry)" = 5
bash -n dry
test ! -e out
"$tenfold" submit job.cfg --run out >ids
cat ids
test "$(sed 's/ *job [0-9]*//' ids | tr '\n' ';')" = "preprocess;trial.q0, 3 tasks;trial.q1, 2 tasks;trial.judge, 2 tasks;finish;"
code=0
"$tenfold" submit out >log 2>&1 || code=$?
test $code = 2
grep -q "jobs of this run still wait or run: [0-9]" log

# a rank of trial 1 is killed: that task alone is queued again, and goes on
one=$(job_of out "trial q0-p01-f0")
wait_for 400 "a checkpoint of trial 1" test -e out/search/t001-i480/train/r0-f0-s32-x1/checkpoint.safetensors
node=$(job_field "$one" BatchHost)
"$cluster" on "$node" sh -c 'for p in $(pgrep -x tenfold); do if grep -qz "^1/3$" /proc/$p/cmdline; then kill -KILL $p && hit=1; fi; done; [ "${hit-}" ]'
"$tenfold" status out >table
grep "^trial q0-p01-f0 .* trial 1, " table
grep "^rank q0 .* waiting" table
ended out
test $code = 0
grep -q "job $one is queued again, restart 1" "out/log/trial.q0-$one.log"
grep -q "goes on after" "out/log/trial.q0-$one.log"
test "$(job_field "$one" JobName)" = out.trial.q0.p1
test "$(grep -l 'start 1: ' out/log/*.log)" = "out/log/trial.q0-$one.log"
digests out | cmp - expected
"$tenfold" submit out 2>&1 | grep -q "nothing is missing"
sed -i 's/trials = 3/trials = 4/' job.cfg # a search of its own
code=0
"$tenfold" submit out >log 2>&1 || code=$?
sed -i 's/trials = 4/trials = 3/' job.cfg
test $code = 2
grep -q 'search.trials = 3 (now: 4)' log
"$tenfold" report out | cmp report -
"$tenfold" status out | grep "^report .* done"

# trial 1 cannot win: the job file as it stands is judged beside itself. A task that is cancelled by hand is missing, and no trial has
# lost by it: nobody is ranked, what waits fails; submit submits the rest.
sed 's/trials = 3/trials = 2/; s/rungs = [^;]*/rungs = [ 64 ]/; s/images = 640/images = 128/; s/log_uniform = [^;]*/choice = ( 100.0, 99.0 )/; s/lanes = 4/weight_decay = 10.0; &/; s/warmup_images = 200/warmup_images = 0/' \
    job.cfg >wins.cfg
"$tenfold" submit wins.cfg --run wins >ids
scancel "$(job_of wins "trial q0-p00-f0")"
ended wins
test $code = 6
test ! -e wins/search/rung0/DONE
grep "^rank q0 .* failed" watch
grep "trial 0, r0-f0-s32-x1, is not trained yet" watch
"$tenfold" submit wins >ids
cat ids
test "$(sed 's/ *job [0-9]*//' ids | tr '\n' ';')" = "trial.q0, 1 tasks;trial.judge, 2 tasks;finish;"
ended wins
test $code = 0
grep -q "Trial 1 diverged" wins/search/search.md
grep -q "the job file as it stands is the best trial: it is trained at slot 0" wins/log/trial.judge-*_1.log
if grep "start 1: " wins/log/trial.judge-*.log; then exit 1; fi
"$tenfold" run wins.cfg --run wins-local --ranks 1 >/dev/null 2>log || { cat log; exit 1; }
digests wins-local >expected
digests wins | cmp - expected
"$tenfold" check wins/search/best.cfg | grep -q "^  space = ( *);"
