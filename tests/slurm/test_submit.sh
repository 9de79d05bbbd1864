# submit, status, resume --slurm on four nodes: the bits of a run on one machine, whatever happens to one of the tasks.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
. "$source/tests/slurm/slurm.sh"
sed -i 's/images = 2400/images = 2560/' tiny.cfg
echo 'slurm: { nodes = [ 1, 2 ]; train: { minutes = 10; }; max_running = 2; };' >>tiny.cfg
export TENFOLD_SITE_ENV=$PWD/site.env
echo 'TENFOLD_REDUCE_MINUTES=5' >site.env
slurm_up
ended() { # RUN: exit code of its `status --watch --every 2` in $code
    code=0
    timeout 500 "$tenfold" status "$1" --watch --every 2 >watch 2>&1 || code=$?
    cat watch
    wait_for 60 "the end of the jobs of $1" none_left "$1\." # over is what has its DONE; its job still says so
}
step() { "$tenfold" status "$1" | grep "^$2 "; }
job_of() { tr '\n' ' ' <"$1/plan.json" | grep -o "\"name\": \"$2\"[^}]*" | sed 's/.*"job": "\([^"]*\)".*/\1/'; }

# a dry run submits nothing and writes nothing
"$tenfold" submit tiny.cfg --run out --dry-run >dry
test "$(grep -c '=\$(sbatch ' dry)" = 4
test ! -e out
test -z "$(squeue -h)"
bash -n dry

"$tenfold" submit tiny.cfg --run out --set train.checkpoint_seconds=1e-6 >ids
cat ids
test "$(wc -l <ids)" = 4
for verb in "submit tiny.cfg --run out" "run out" "submit out"; do # while its jobs wait or run: refused, and they are named
    code=0
    # shellcheck disable=SC2086
    "$tenfold" $verb >log 2>&1 || code=$?
    test $code = 2
    grep -q "jobs of this run still wait or run: [0-9]" log
done
cp tiny.cfg submitted
sed -i 's/learning_rate = 0.006/learning_rate = 0.1/' tiny.cfg # what was submitted is what runs

# one task is told that its time ends: it alone is queued again
wait_for 120 "a checkpoint of fold 1" test -e out/train/r0-f1-s32-x1/checkpoint.safetensors
one=$(job_of out "train r0-f1-s32-x1")
scancel --signal=USR1 --batch "$one"
wait_for 60 "the restart" says "out/log/train.r0-$one.log" "start 1: "
# whoever looks asks for the jobs of one user, and not every few seconds
mkdir askers
printf '#!/bin/sh\necho "$*" >>%s/asked\nexec %s "$@"\n' "$PWD" "$(command -v squeue)" >askers/squeue
chmod +x askers/squeue
PATH=$PWD/askers:$PATH timeout 8 "$tenfold" status out --watch >/dev/null 2>&1 || true
test "$(wc -l <asked)" = 1
grep -q -- " --user=$(id -u) --jobs=[0-9]" asked
ended out
test $code = 0
test "$(tail -n 1 out/log/finish-*.log)" = "tenfold: all done; results in $PWD/out"
grep -q "start 0: 2 ranks by mpirun on node" out/log/train.r0-*_0.log
grep -q "goes on after" "out/log/train.r0-$one.log"
grep -q "job $one is queued again, restart 1" "out/log/train.r0-$one.log"
test "$(grep -l 'start 1: ' out/log/*.log)" = "out/log/train.r0-$one.log"
test "$(job_field "$one" JobName)" = out.train.r0.f1
step out "train r0-f1-s32-x1" | grep -q ' done .*, score'
test "$(sed -n 's/^state //p' out/slurm/train.r0.1)" = "done"
if grep "Slurm refuses" out/log/*.log; then exit 1; fi
code=0
"$tenfold" submit out >log 2>&1 || code=$? # the job file of now is another one
test $code = 2
grep -q 'train.learning_rate = 0.006 (now: 0.1)' log
cp submitted tiny.cfg
for key in "reduce.decision argmax" "self.class_floor 0.25"; do # nothing is missing, and yet it is told
    code=0
    "$tenfold" submit tiny.cfg --run out --set "${key% *}=${key#* }" >log 2>&1 || code=$?
    test $code = 2
    grep -q "${key% *} = .*(now: .*${key#* }" log
done
"$tenfold" run tiny.cfg --run local >/dev/null 2>log || { cat log; exit 1; }
digest_of_run local >expected
digest_of_run out | cmp - expected
"$tenfold" submit out 2>&1 | grep -q "nothing is missing; results in"

# who ended round 0 filtered it, and no other; the tasks of round 1 found it done
test "$(grep -l "labels flagged" out/log/train.*.log | wc -l)" = 1
grep -q "labels flagged" out/log/train.r0-*.log
test "$(grep -l "filter r1: already done" out/log/train.r1-*.log | wc -l)" = 3
grep -q "filter r1: not yet, other cells" out/log/train.r0-*.log

# a task that is cancelled by hand: its prediction is cancelled with it, the others are reduced; then the rest
"$tenfold" submit tiny.cfg --run dead --set self.max_rounds=0 --set slurm.allow_missing=true >ids
one=$(job_of dead "train r0-f1-s32-x1")
scancel "$one"
ended dead
test $code = 6
step dead "train r0-f1-s32-x1" | grep -q failed
grep -q "(2 of 3 models)" dead/report/report.md
"$tenfold" submit dead >ids
grep -q "^train.r0 .*, 1 tasks" ids
test "$(job_of dead "train r0-f1-s32-x1" | cut -d_ -f2)" = 1
ended dead
test $code = 0
if grep "of 3 models" dead/report/report.md; then exit 1; fi

# Slurm refuses the last job: the ones before it are cancelled
mkdir bin
printf '#!/bin/sh\ncase $* in *.finish*) echo "sbatch: error: too many" >&2; exit 1 ;; esac\nexec %s "$@"\n' "$(command -v sbatch)" >bin/sbatch
chmod +x bin/sbatch
code=0
PATH=$PWD/bin:$PATH "$tenfold" submit tiny.cfg --run refused >ids 2>log || code=$?
test $code = 3
test "$(wc -l <ids)" = 3
grep -q "sbatch refuses finish (exit code 1): sbatch: error: too many" log
wait_for 30 "the end of what was submitted" none_left 'refused\.'
squeue --noheader --states=CANCELLED --format=%j | grep -q '^refused\.train.r1'
