# One fold on two nodes of a real Slurm, disturbed: a rank killed, a node failed, a node cut off and healed, slurmctld restarted,
# a slow prolog, clocks an hour apart, the same cell started twice. The outcome is always that of the undisturbed fold, bit for bit.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
. "$source/tests/slurm/slurm.sh"
export tenfold
sed -i 's/images = 2400/images = 3200/' tiny.cfg
printf '#!/bin/sh\nif [ -e %s/slow ]; then sleep 4; fi\n' "$PWD" >prolog
chmod +x prolog
echo "Prolog=$PWD/prolog" >extra.conf
slurm_up --conf extra.conf
cell=train/r0-f0-s32-x1
digest_of_cell() { # RUN
    (cd "$1/$cell" && md5sum posteriors.h5 && "$tenfold" weights digest best.safetensors && digest_in DONE && journal_of .)
}

"$tenfold" preprocess tiny.cfg --run shards >log 2>&1
for run in whole killed failed cut twice skewed; do cp -r shards $run; done
cat >fold.sh <<'JOB'
#!/usr/bin/env bash
mpirun --map-by ppr:1:node $wrapper "$tenfold" train tiny.cfg --run "$1" --folds 0 --set train.checkpoint_seconds=1e-6
code=$?
echo "start ${SLURM_RESTART_COUNT:-0} on $SLURM_JOB_NODELIST ended with $code"
case $code in 6 | 137 | 143 | 205) [ "${SLURM_RESTART_COUNT:-0}" -ge 3 ] || scontrol requeue "$SLURM_JOB_ID" ;; esac
exit $code
JOB
start_fold() { submit --nodes=2 --ntasks-per-node=1 --cpus-per-task=1 --job-name="$1" --output="$1.log" fold.sh "$1"; }
in_the_middle() { wait_for 300 "the first evaluation of $1" test -s "$1/$cell/journal.jsonl"; }
second_node() { scontrol show hostnames "$(job_field "$1" NodeList)" | tail -n 1; }
first_node() { job_field "$1" BatchHost; }

# nobody disturbs it; slurmctld restarts and the prolog takes its time
touch slow
whole=$(start_fold whole)
in_the_middle whole
rm slow
"$cluster" restart-controller
wait_job 300 "$whole" COMPLETED
test "$(job_field "$whole" Restarts)" = 0
digest_of_cell whole >expected

# a rank is killed
killed=$(start_fold killed)
in_the_middle killed
node=$(second_node "$killed")
"$cluster" on "$node" kill -KILL "$("$cluster" on "$node" pgrep -x tenfold)"

# two copies of one cell: one of them trains it, the other leaves or finds it done
twice=$(start_fold twice)
again=$(start_fold twice)
for job in "$twice" "$again"; do wait_for 300 "the end of job $job" job_over "$job"; done
digest_of_cell twice | cmp - expected
test "$(grep -c ': trained,' twice.log)" = 1
wait_job 300 "$killed" COMPLETED
grep -q "goes on after" killed.log
digest_of_cell killed | cmp - expected

# the node of the batch script fails
failed=$(start_fold failed)
in_the_middle failed
node=$(first_node "$failed")
"$cluster" fail "$node"
wait_for 60 "the second start" says failed.log "goes on after"
"$cluster" revive "$node"
wait_job 300 "$failed" COMPLETED
digest_of_cell failed | cmp - expected

# a node is cut off for longer than Slurm waits, then healed
cut=$(start_fold cut)
in_the_middle cut
node=$(second_node "$cut")
"$cluster" cut "$node"
wait_for 300 "the second start" says cut.log "goes on after"
"$cluster" heal "$node"
wait_job 300 "$cut" COMPLETED
digest_of_cell cut | cmp - expected

# clocks an hour apart
cat >skew <<'JOB'
#!/usr/bin/env bash
case $(hostname)-${SLURM_RESTART_COUNT:-0} in *[13]-0 | *[24]-1) exec faketime -f +1h "$@" ;; esac
exec "$@"
JOB
chmod +x skew
wrapper=./skew
export wrapper
skewed=$(start_fold skewed)
in_the_middle skewed
scontrol requeue "$skewed"
wait_job 300 "$skewed" COMPLETED
test "$(job_field "$skewed" Restarts)" = 1
digest_of_cell skewed | cmp - expected
