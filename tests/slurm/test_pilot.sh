# submit --pilot: one job, cells side by side on its nodes: the bits of `run`, whatever happens. A killed cell begins again in the same job;
# the signal before the limit stops all cells with checkpoints, and the one job is queued again; after scancel `resume` goes on.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
. "$source/tests/slurm/slurm.sh"
sed -i 's/images = 2400/images = 2560/' tiny.cfg
echo 'slurm: { nodes = [ 1, 1 ]; ranks_per_node = 1; };' >>tiny.cfg
slurm_up
over() { wait_for 400 "the end of the jobs of $1" none_left "$1\."; }
cell() { echo "out/train/r$1-f$2-s32-x1"; }

"$tenfold" submit tiny.cfg --run out --pilot 2 --set train.checkpoint_seconds=1 >ids
cat ids
job=$(sed -n 's/^pilot *job \([0-9]*\)$/\1/p' ids)
log=out/log/pilot-$job.log
code=0
"$tenfold" submit out --pilot 2 >again 2>&1 || code=$? # while it waits or runs
test $code = 2 && grep -q "jobs of this run still wait or run: $job" again

# three cells on two nodes of four cores: two of them share one. A cell that has a checkpoint is held until all have one: it trains for
# two seconds, and the others may begin later than that.
rank_of() { echo "^$tenfold train $PWD/tiny.cfg --run $PWD/out .*--folds $1 "; }
held=""
all_held() {
    for fold in 0 1 2; do
        [[ "$held" != *$fold* && -e $(cell 0 $fold)/checkpoint.safetensors ]] && pkill -STOP -f "$(rank_of $fold)" && held+=$fold
    done
    [ ${#held} = 3 ]
}
wait_for 200 "a checkpoint of every fold" all_held
"$tenfold" status out >table
cat table
grep -q "^train r0-f2-s32-x1 .*(pilot, job $job)" table

# a rank is killed: its cell alone begins again, in the same job
killed=$(pgrep -f "$(rank_of 1)")
# shellcheck disable=SC2086
kill -KILL ${killed%%$'\n'*}
for fold in 0 1 2; do pkill -CONT -f "$(rank_of $fold)" || true; done
wait_for 60 "the second start of fold 1" says $log "train r0-f1-s32-x1 ended: will be started again"
wait_for 60 "its checkpoint" says out/log/train-r0-f1-s32-x1.log "goes on after"
job_is "$job" RUNNING

# the time limit comes near
scancel --signal=USR1 --batch "$job"
wait_for 100 "the restart" says $log "start 1: "
grep -q "pilot is unfinished: job $job is queued again, restart 1" $log
test "$(ls out/train/*/DONE | wc -l)" -lt 3

# cancelled in round 1
wait_for 400 "a cell of round 1" test -e "$(cell 1 0)/checkpoint.safetensors"
scancel "$job"
over out
code=0
"$tenfold" status out --watch >table 2>&1 || code=$?
cat table
test $code = 6
grep -q "^train r1-f0-s32-x1  *stopped" table
"$tenfold" submit out --pilot 1 >ids
over out
code=0
"$tenfold" status out >table || code=$?
if [ $code != 0 ] || grep -v " done \| skipped " table; then cat table $log out/log/pilot-*.log && exit 1; fi
"$tenfold" submit out --pilot 1 2>&1 | grep -q "nothing is missing"
"$tenfold" run tiny.cfg --run local --set train.checkpoint_seconds=1 >/dev/null 2>log || { cat log; exit 1; }
digest_of_run local >expected
digest_of_run out | cmp - expected

# by srun, cells on two nodes each; a cell that cannot be written fails, and no other
echo 'export TENFOLD_LAUNCHER=srun' >site.env
export TENFOLD_SITE_ENV=$PWD/site.env
mkdir -p wide/train
echo "in the way" >"wide/train/r0-f1-s32-x1"
"$tenfold" submit tiny.cfg --run wide --pilot 2 --set "slurm.nodes=[2,2]" --set self.max_rounds=0 --set train.images=320 >ids
over wide
cat wide/log/pilot-*.log
grep -q "train r0-f0-s32-x1 started: 2 ranks on 2 nodes" wide/log/pilot-*.log
test -e wide/train/r0-f0-s32-x1/DONE && test -e wide/train/r0-f2-s32-x1/DONE && test ! -e wide/submission.csv
"$tenfold" status wide | grep "^train r0-f1-s32-x1  *failed"
