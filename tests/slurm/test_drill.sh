# The rehearsal through Slurm, asked to stop while its jobs run: it leaves none of them in the queue.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
. "$source/tests/slurm/slurm.sh"
slurm_up
"$tenfold" drill tiny.cfg --slurm --runs 1 --run drill >log 2>&1 &
drill=$!
running() { squeue --noheader --states=RUNNING --format=%j | grep -q '^undisturbed-slurm\.'; }
wait_for 400 "a job of the drill" running
kill -TERM $drill
code=0
wait $drill || code=$?
cat log
test $code = 6
grep -q "stopped on request after 0 of 1 runs; its jobs are cancelled" log
if grep "could not be cancelled" log; then exit 1; fi
wait_for 60 "the end of its jobs" none_left
squeue --noheader --states=CANCELLED --format=%j | grep -q '^undisturbed-slurm\.finish$'
