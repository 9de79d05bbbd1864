# A search as arrays of Slurm: a task per place of a rung, a job that ranks when the array has ended, the next array behind it.
# Who goes on is not known when the jobs are submitted. Then `tenfold tune` finds everything done, and its digests the local ones.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
. "$source/tests/slurm/slurm.sh"
export tenfold
cat >tune.cfg <<'CFG'
tune: { trials = 3; folds = [ 0 ]; judge_folds = [ 2 ]; rungs = [ 64, 160 ]; keep = 0.667;
  space = ( { key = "train.learning_rate"; log_uniform = ( 0.001, 0.02 ); },
            { key = "train.sampler"; choice = ( "natural", "balanced_down" ); } ); };
CFG
sed 's/images = 2400/images = 320/; s/evaluation_points = 3/evaluation_points = 2/' tiny.cfg | cat - tune.cfg >job.cfg
digests() { (cd $1/tune && md5sum rung*/ranking.json judge/judge.json t*/train/*/posteriors.h5); }
"$tenfold" preprocess job.cfg --run array 2>/dev/null
mkdir local && cp -r array/shards array/folds local
"$tenfold" tune job.cfg --run local --ranks 2 >report 2>log || { cat log; exit 1; }
digests local >expected

slurm_up
after="" last=""
for rung in 0 1 2; do
    places=$((rung == 0 ? 3 : 2))
    trials=$(submit $after --array=0-$((places - 1)) --output="q$rung-%a.log" \
        --wrap "exec \"$tenfold\" trial job.cfg --run array --rung $rung --place \$SLURM_ARRAY_TASK_ID")
    last=$(submit --dependency=afterany:$trials --output="rank$rung.log" --wrap "exec \"$tenfold\" rank job.cfg --run array --rung $rung")
    after="--dependency=afterok:$last --kill-on-invalid-dep=yes"
done
wait_job 300 "$last" COMPLETED
digests array | cmp - expected
"$tenfold" tune job.cfg --run array 2>log | cmp report -
if grep -q "trained\|made anew" log; then cat log && exit 1; fi
