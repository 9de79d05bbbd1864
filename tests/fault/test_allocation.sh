# In a shell of a batch system `run` means this machine, and `submit` hands nothing of the job around it on; a start that fails says
# why, in `run` and in a job. The batch systems are variables of the environment, and stand-ins for their commands.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
sed -i 's/images = 2400/images = 320/; s/warmup_images = 200/warmup_images = 0/; s/evaluations = 3/evaluations = 1/' tiny.cfg
mkdir bin
printf '#!/bin/sh\nexec sleep 60\n' | tee bin/srun bin/ssh bin/qrsh >bin/blaunch # as srun does in an allocation that is in use
printf '#!/bin/sh\nexit 0\n' | tee bin/squeue bin/scancel >bin/scontrol
printf '#!/bin/bash\nenv | cut -d= -f1 | sort >names\necho 900\n' >bin/sbatch
chmod +x bin/*
PATH=$PWD/bin:$PATH
echo "node7 1 q@node7 UNDEFINED" | tee pe >nodes
echo "node7" >hosts
around() { # COMMAND...: in the shell of a job of every kind at once
    env SLURM_JOB_ID=4242 SLURM_JOBID=4242 SLURM_NNODES=2 SLURM_TASKS_PER_NODE='1(x2)' SLURM_NODELIST=node7,node8 \
        SLURM_JOB_NODELIST=node7,node8 SLURM_CPU_BIND=quiet,mask_cpu:0x3 SLURM_MEM_PER_CPU=2000 SLURM_CONF="$PWD/slurm.conf" \
        SBATCH_ACCOUNT=mine PBS_ENVIRONMENT=PBS_INTERACTIVE PBS_JOBID=17.head PBS_NODEFILE="$PWD/hosts" LSB_JOBID=17 LSB_HOSTS=node7 \
        LSB_DJOB_HOSTFILE="$PWD/hosts" SGE_ROOT=/opt/sge ARC=x JOB_ID=17 PE_HOSTFILE="$PWD/pe" PMI_RANK=0 PMI_SIZE=2 PMI_FD=9 PMIX_RANK=0 \
        PMIX_NAMESPACE=outer PMIX_SERVER_URI3='outer.0;tcp4://127.0.0.1:9' OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=2 \
        OMPI_MCA_orte_default_hostfile="$PWD/hosts" OMPI_MCA_btl_base_warn_component_unused=0 timeout 200 "$@"
}
fails() { # CODE TEXT LOG COMMAND...; CODE: or several, A|B
    want=$1 text=$2 file=$3 code=0
    shift 3
    "$@" >log 2>&1 || code=$?
    [[ $code =~ ^($want)$ ]] && grep -q -- "$text" "$file" || { echo "$*: exit code $code, wanted $want and in $file: $text"; cat log "$file"; exit 1; }
}

"$tenfold" run tiny.cfg --run out --ranks 2 >log 2>&1 || { cat log; exit 1; }
around "$tenfold" run tiny.cfg --run inside --ranks 2 >log 2>&1 || { cat log; exit 1; }
(cd out && md5sum submission.csv train/*/best.safetensors) >expected
(cd inside && md5sum -c --quiet ../expected)
grep -q -- "--------" log out/log/* && { echo "rules of dashes"; exit 1; }

# a rank's number that a shell inherited: nothing is done, and that is said
PMIX_RANK=3 "$tenfold" run tiny.cfg --run never 2>log
grep -q "run: nothing to do, because a launcher's variable (.*PMIX_RANK.*) says that this is not rank 0; .*unset it" log
test ! -e never

# an environment that is the user's reaches the new jobs, the job's own does not; a dry run is a script that forgets it too
around "$tenfold" submit tiny.cfg --run queued >log 2>&1 || { cat log; exit 1; }
test "$(grep -E '^(SLURM|SBATCH|PBS|LSB|PE_|JOB_ID|PMI|OMPI_)' names | grep -v '^OMPI_ALLOW_RUN_AS_ROOT\|^OMPI_MCA_\(btl_\|rmaps_\|hwloc_\|mpi_\|smsc$\|pml$\)' | tr '\n' ' ')" = "SBATCH_ACCOUNT SLURM_CONF "
grep -q '^OMPI_MCA_btl_base_warn_component_unused' names
around "$tenfold" submit tiny.cfg --run dry --dry-run >script
rm names
around bash script
grep -q '^SBATCH_ACCOUNT' names
if grep '^SLURM_JOB_ID\|^SLURM_CPU_BIND\|^PMIX_RANK' names; then exit 1; fi
"$tenfold" submit tiny.cfg --run dry --dry-run | grep '^unset' && exit 1

# mpirun's own failure (exit code 1 of Open MPI 4, 14 of 5): its words in the message, in the log and in a job's log, no rule of dashes in the
# message. Open MPI 4.1.4 now and then loses one of its explanations ("Data unpack would read past end of buffer"), or both.
unreachable="At least one pair of MPI processes are unable to reach each other\|MPI_INIT has failed because at least one MPI process is unreachable\|.*An error occurred in MPI_Init_thread"
export OMPI_MCA_btl=self
fails 3 "error: preprocess failed (exit code \(1\|14\)): \($unreachable\).*; log: .*/unreachable/log/preprocess.log" \
    log "$tenfold" run tiny.cfg --run unreachable --ranks 2
fails 3 "BTLs attempted: self\|$unreachable" unreachable/log/preprocess.log "$tenfold" run tiny.cfg --run unreachable --ranks 2
mkdir -p unreachable/slurm
fails "1|14" "BTLs attempted: self\|$unreachable" log env SLURM_JOB_ID=1 SLURM_JOB_NUM_NODES=1 SLURM_JOB_NAME=j SLURM_JOB_NODELIST=here \
    "$source/slurm/stage.sh" "$tenfold" "" "$PWD/unreachable" preprocess f1/0 2 preprocess
unset OMPI_MCA_btl
# what ended with an exit code needs no words of mpirun
fails 2 "tenfold: error: .*lanes" log "$tenfold" run tiny.cfg --run bad --ranks 2 --set train.lanes=0
fails 4 "images cannot be used" log "$tenfold" run tiny.cfg --run bad --ranks 2 --set data.images=nowhere --set data.max_bad_fraction=0
grep -q "Primary job\|-----" log bad/log/preprocess.log && { cat log; exit 1; }

# a run folder so deep that no file of a cell would fit into a path is refused before any work
deep=$(printf 'd%.0s' $(seq 200))
long=$(for _ in $(seq 19); do printf '/%s' "$deep"; done)
fails 2 "the path of the run folder is too long: it has 3[89][0-9]* bytes, files in it need [0-9]* more, and the limit is 4095" log "$tenfold" run tiny.cfg --run "$PWD$long/$(printf 'e%.0s' $(seq $((3900 - ${#PWD} - ${#long}))))"
test -z "$(find "$deep" -type f)"
# a long one that fits is a run like any other, its longest file names a cell
fits=$PWD/$(printf 'f%.0s' $(seq $((190 - ${#PWD}))))
"$tenfold" run tiny.cfg --run "$fits" --ranks 1 >log 2>&1 || { cat log; exit 1; }
cmp "$fits/submission.csv" out/submission.csv

# a crash before MPI is up is no bug of this program, memory that is not there is none either
mpirun_that() { printf '#!/bin/bash\n%s\n' "$1" >bin/mpirun && chmod +x bin/mpirun; }
mpirun_that 'kill -SEGV $$'
fails 3 "preprocess failed (exit code 3): crashed with signal 11 before MPI was up: does mpirun -n 2 hostname work here" log "$tenfold" run tiny.cfg --run crash
mpirun_that 'touch "$TENFOLD_BEGUN"; kill -SEGV $$'
fails 70 "preprocess failed (crashed with signal 11)" log "$tenfold" run tiny.cfg --run crash
mpirun_that 'touch "$TENFOLD_BEGUN"; kill -BUS $$'
fails 3 "preprocess failed (killed by signal 7: is /dev/shm or the disk full?)" log "$tenfold" run tiny.cfg --run crash
test -z "$(find crash -name '*.begun')"
mpirun_that 'echo "ended 6" >"$TENFOLD_BEGUN"' # as MPICH's can: rank 0 knows how it ended
fails 6 "preprocess is unfinished: go on with: tenfold run" log "$tenfold" run tiny.cfg --run ended
