# What sites demand: a job_submit script that refuses jobs without a GPU in a GPU partition, limits of a partition, constraints, a
# clean environment. What is refused is said in sbatch's own words and nothing stays submitted; per stage it passes.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
. "$source/tests/slurm/slurm.sh"
sed -i 's/images = 2400/images = 640/; s/evaluations = 3/evaluations = 1/' tiny.cfg
cp tiny.cfg plain.cfg
cat >job_submit.lua <<'LUA'
function slurm_job_submit(job, partitions, uid)
    if job.partition == "gpu" and job.tres_per_node == nil then
        slurm.log_user("partition gpu is for jobs that ask for GPUs")
        return slurm.ERROR
    end
    return slurm.SUCCESS
end
function slurm_job_modify(job, old, partitions, uid) return slurm.SUCCESS end
LUA
cat >site.conf <<'CONF'
EnforcePartLimits=ALL
JobRequeue=0
PartitionName=gpu Nodes=node[1-2] MaxTime=60
PartitionName=cpu Nodes=node[3-4] MaxTime=30
PartitionName=single Nodes=ALL MaxNodes=1
CONF
slurm_up --job-submit job_submit.lua --conf site.conf
scontrol update nodename=node1 AvailableFeatures=epyc ActiveFeatures=epyc
refused() { # WORDS OF SBATCH, JOBS BEFORE, SLURM GROUP: exit code 3, and the queue is empty
    cp plain.cfg tiny.cfg
    echo "slurm: { $3 };" >>tiny.cfg
    code=0
    "$tenfold" submit tiny.cfg --run refused >ids 2>log || code=$?
    [ $code = 3 ] && grep -q "$1" log && [ "$(wc -l <ids)" = "$2" ] || { echo "exit code $code, wanted 3, $2 jobs and: $1" && cat ids log && exit 1; } >&2
    wait_for 30 "the end of what was submitted" none_left 'refused\.'
}
refused "sbatch refuses preprocess (exit code 1): sbatch: error: partition gpu is for jobs that ask for GPUs" 0 \
    'partition = "gpu"; gpus_per_node = 1;'
refused "sbatch refuses finish (exit code 1): sbatch: error: partition gpu is for jobs that ask for GPUs" 3 \
    'partition = "gpu"; gpus_per_node = 1; preprocess: { partition = "cpu"; };'
refused "sbatch refuses finish .*time limit" 3 'partition = "cpu"; reduce: { minutes = 31; };'
refused "sbatch refuses train.r0 .*[Nn]ode count" 1 'partition = "single"; nodes = [ 2, 2 ]; preprocess: { partition = "main"; };'
refused "sbatch refuses train.r0 .*feature" 1 'train: { options = [ "--constraint=cray" ]; };'

# Each stage where it belongs, in an environment that has nothing of the login node's.
eval "$("$cluster" env)"
env | sed -n "s/^\(OMPI_[A-Z_a-z]*\|TN_CLUSTER\)=\(.*\)/export \1='\2'/p" >site.env
export TENFOLD_SITE_ENV=$PWD/site.env
cat >>site.env <<'ENV'
TENFOLD_PARTITION=gpu
TENFOLD_PREPROCESS_PARTITION=cpu
TENFOLD_OPTIONS='--comment=night --export=NONE'
ENV
cp plain.cfg tiny.cfg
echo 'slurm: { gpus_per_node = 1; nodes = [ 1, 2 ]; train: { minutes = 60; options = [ "--constraint=epyc" ]; };
  preprocess: { memory_gib = 1; }; reduce: { partition = "cpu"; minutes = 30; }; };' >>tiny.cfg
"$tenfold" submit tiny.cfg --run out >ids || { cat ids && exit 1; }
scontrol show job "$(sed -n 's/^train.r1 *job \([0-9]*\),.*/\1/p' ids)" | grep -q "Comment=night"
test "$(job_field "$(sed -n 's/^train.r1 *job \([0-9]*\),.*/\1/p' ids)" Requeue)" = 1 # --requeue goes before JobRequeue=0
timeout 300 "$tenfold" status out --watch --every 2 >watch 2>&1 || { cat watch out/log/*.log && exit 1; }
wait_for 60 "the end of the jobs" none_left 'out\.'
ended() { sed -n "s/.* Name=out\.$1.* JobState=COMPLETED Partition=\([a-z]*\) .* NodeList=\([^ ]*\) .*/\1 \2/p" "$TN_CLUSTER/log/jobs" | sort -u; }
ended preprocess | grep -q "^cpu node\[*[34]"
test "$(ended train)" = "gpu node1" # the only one that has the constraint
ended finish | grep -q "^cpu node[34]$"
