# An urgent job takes all nodes, with no time of grace: cells are queued again by Slurm and go on to the same bits. With a GPU per node
# (in name only), which Slurm must give to each start.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
. "$source/tests/slurm/slurm.sh"
sed -i 's/images = 2400/images = 2720/' tiny.cfg
echo 'slurm: { gpus_per_node = 1; partition = "main"; };' >>tiny.cfg
slurm_up
"$tenfold" submit tiny.cfg --run out --set train.checkpoint_seconds=1e-6 >ids
array=$(sed -n 's/^train.r0 *job \([0-9]*\),.*/\1/p' ids)
wait_for 120 "a checkpoint of fold 1" test -e out/train/r0-f1-s32-x1/checkpoint.safetensors
scontrol show job "${array}_1" | grep -q "TresPerNode=gres[:/]gpu:1"
urgent=$(submit --partition=urgent --nodes=4 --exclusive --wrap "sleep 1")
wait_job 120 "$urgent" COMPLETED
wait_for 120 "the second start of fold 1" says "out/log/train.r0-${array}_1.log" "start 1: "
timeout 300 "$tenfold" status out --watch --every 2
test "$(job_field "${array}_1" Restarts)" = 1
grep -q "goes on after [0-9]* images" "out/log/train.r0-${array}_1.log"
if grep "Slurm refuses" out/log/*.log; then exit 1; fi
"$tenfold" run tiny.cfg --run local >/dev/null 2>log || { cat log; exit 1; }
digest_of_run local >expected
digest_of_run out | cmp - expected
