# The test cluster itself: a killed `up` is cleaned up by the next; two side by side; a node that dies, is cut off, comes back;
# a controller that restarts; after `down` nothing is left.
source=$2
. "$source/tests/slurm/slurm.sh"
"$cluster" up 2>/dev/null & # killed as soon as its first daemon runs
up=$!
until [ -n "$(ls cluster/pids 2>/dev/null)" ] || ! kill -0 $up 2>/dev/null; do sleep 0.01; done
kill -KILL $up 2>/dev/null || true
code=0
wait $up || code=$?
[ $code = 77 ] || [ $code = 137 ] || { echo "exit code $code"; exit 1; }
slurm_up
TN_CLUSTER=$PWD/other "$cluster" up --nodes 1
test "$(srun --nodes=4 hostname | sort | tr '\n' ' ')" = "node1 node2 node3 node4 "
test "$(SLURM_CONF=$PWD/other/slurm.conf sinfo -h -o %D)" = 1
TN_CLUSTER=$PWD/other "$cluster" down
"$cluster" status

wait_for 60 "an empty queue" none_left # nodes that complete are not taken

# nodes share files, but not processes, memory and local disk
srun --nodes=2 bash -c 'echo x >"$TN_CLUSTER/local/mine"; echo x >"/dev/shm/mine"; touch "shared-$(hostname)"'
test -e shared-node1 && test -e shared-node2
test ! -e "$TN_CLUSTER/local/mine" && test ! -e /dev/shm/mine
test "$("$cluster" on node2 cat "$TN_CLUSTER/local/mine")" = x
test ! -e "$TN_CLUSTER/nodes/node3/local/mine"

# a node fails: its job is requeued on another one, and it comes back
wait_for 60 "an empty queue" none_left
job=$(submit --output=out --wrap 'echo "$(hostname) ${SLURM_RESTART_COUNT:-0}"; [ "${SLURM_RESTART_COUNT:-0}" = 1 ] || sleep 600')
wait_for 20 "the first start" says out "node1 0"
"$cluster" fail node1
wait_job 60 "$job" COMPLETED
grep -q "node2 1" out
"$cluster" revive node1

# a node is cut off and healed; slurmctld restarts; a job of two nodes lives through it. Only what runs on both by then does: srun
# would wait two minutes before it asks slurmctld for its step again.
node2_listens() { timeout 2 bash -c ": </dev/tcp/$(cat "$TN_CLUSTER/net").12/16818" 2>/dev/null; }
node2_listens
job=$(submit --nodes=2 --output=long --wrap 'srun --kill-on-bad-exit=1 bash -c "touch runs-\$SLURM_PROCID; until test -e done; do sleep 0.2; done"; echo "rc $?"')
wait_for 60 "the first task" test -e runs-0
wait_for 60 "the second task" test -e runs-1
"$cluster" restart-controller
"$cluster" cut node2
node2_listens && exit 1
"$cluster" heal node2
wait_for 20 "node2 to be reached" node2_listens
touch "done"
wait_job 60 "$job" COMPLETED
test "$(job_field "$job" Restarts)" = 0
grep -q "rc 0" long

tag=$(sed -n 's/^ClusterName=//p' "$SLURM_CONF")
"$cluster" down
test "$(ls "$TN_CLUSTER")" = log
ip -o link show | grep "$tag" && exit 1
# shellcheck disable=SC2013 # a number has no blanks
for pid in $(grep -lzs "^SLURM_CONF=$SLURM_CONF" /proc/[0-9]*/environ | grep -o '[0-9]*'); do
    case "$(cat "/proc/$pid/comm" 2>/dev/null)" in slurm* | munged | unshare | sleep) ps -fp "$pid" && exit 1 ;; esac
done
