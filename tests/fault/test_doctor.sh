# tenfold doctor: a healthy machine, an MPI that is another's or not there, a cluster whose commands are stand-ins, site.env.
tenfold=$1
set -eu
examine() { # CODE LINE... -- ARGUMENTS: the exit code, and lines of the table (extended regular expressions)
    want=$1 code=0 lines=()
    shift
    while [ "$1" != -- ]; do lines+=("$1") && shift; done
    shift
    timeout 120 "$tenfold" doctor "$@" >said 2>err || code=$?
    [ $code = "$want" ] || { echo "doctor $*: exit code $code, wanted $want"; cat said err; exit 1; }
    for line in "${lines[@]}"; do grep -qE -- "$line" said err || { echo "doctor $*: wanted $line"; cat said err; exit 1; }; done
}
mkdir here bin
examine 0 "^ok    MPI by mpirun +Open MPI v[0-9.]+, 2 ranks" "^(ok|warn)  +locks" "^ok    one folder for all" "^(ok|warn)  +fsync +4 KiB" \
    "^ok    HDF5" "^ok    TMPDIR" "^ok +instruction set" "^ok    MPI version" "ranks: 2 on " -- here
test -z "$(ls -A here)" # nothing is left
examine 0 "3 ranks in" -- here --ranks 3
examine 2 "give --slurm, too" -- here --write
touch file
examine 3 "file" -- file

# ranks that do not know of each other: another MPI's launcher
PATH=$PWD/bin:$PATH
printf '#!/bin/bash\nwhile [ "${1##*/}" != tenfold ]; do shift; done\nexec "$@"\n' >bin/mpirun && chmod +x bin/mpirun
examine 3 "^bad   MPI by mpirun +2 ranks do not start: .*" "-> does .mpirun -n 2 hostname. work" "1 finding is bad" -- here
printf '#!/bin/bash\nexit 127\n' >bin/mpirun
examine 3 "^bad   MPI by mpirun" "-> apt-get install openmpi-bin" -- here
rm bin/mpirun
TMPDIR=$PWD/file examine 3 "^bad   TMPDIR +$PWD/file: no file can be made" -- here
test -z "$(ls -A here)"

# a cluster
cat >bin/scontrol <<'SH'
#!/bin/bash
[ -e broken ] && echo "slurm_load_ctl_conf error: Unable to contact slurm controller" >&2 && exit 1
case $* in
"show config") cat config ;;
"--oneliner show partition") cat partitions ;;
esac
SH
cat >bin/sbatch <<'SH'
#!/bin/bash
echo "$*" >asked
[ ! -e refused ] || { echo "sbatch: error: Batch job submission failed: Invalid account" >&2; exit 1; }
SH
cat >bin/srun <<'SH'
#!/bin/bash
[ "$*" != --mpi=list ] || { echo "MPI plugin types are..." >&2; cat types >&2; exit 0; }
echo "$*" >started
[ ! -e full ] || { echo "srun: error: Unable to allocate resources: Requested nodes are busy" >&2; exit 1; }
while [ "${1##*/}" != tenfold ]; do shift; done
exec "$@"
SH
chmod +x bin/*
cat >config <<'TXT'
Configuration data as of 2026-01-01T00:00:00
JobRequeue              = 0
JobSubmitPlugins        = lua
MaxArraySize            = 1001
SLURM_VERSION           = 23.02.6
TaskPlugin              = task/none
TXT
cat >partitions <<'TXT'
PartitionName=long AllowGroups=ALL Default=NO GraceTime=60 MaxTime=7-00:00:00 State=DOWN TotalNodes=4 MaxMemPerNode=UNLIMITED
PartitionName=batch AllowGroups=ALL Default=YES GraceTime=0 MaxTime=08:30:00 State=UP TotalNodes=12 MaxMemPerNode=64000
TXT
echo "none" | tee types >/dev/null
examine 0 "^ok    Slurm +Slurm 23.02.6 answers" "^ok    requeue +JobRequeue = 0, which the jobs' own" "^ok    array size +MaxArraySize 1001: arrays of at most 1000" \
    "^warn  binding by Slurm +TaskPlugin task/none" "site's rules +JobSubmitPlugins lua" "^ok    partition batch +UP, 12 nodes, time limit 08:30:00, memory a node 64000, grace time 0, default" \
    "^warn  partition long +DOWN" "^ok    sbatch" "^warn  PMIx" "^    TENFOLD_PARTITION=batch" "^    TENFOLD_TRAIN_MINUTES=510" -- here --slurm
if grep LAUNCHER said; then exit 1; fi
grep -q -- "--test-only --requeue" asked
test ! -e started
echo "pmix_v4" >types
export XDG_CONFIG_HOME=$PWD/home
examine 0 "^ok    PMIx" "^ok    MPI by srun +Open MPI v[0-9.]+, 1 ranks" "^    TENFOLD_LAUNCHER=srun" -- here --slurm --nodes 3 --ranks 1 --write
grep -q -- "--mpi=pmix --immediate=60 .*--nodes=3 --ntasks-per-node=1 " started
test "$(grep -v '^#' home/tenfold/site.env | sort | tr '\n' ' ')" = "TENFOLD_LAUNCHER=srun TENFOLD_PARTITION=batch TENFOLD_TRAIN_MINUTES=510 "
cp home/tenfold/site.env before
examine 2 "site.env is there already" -- here --slurm --ranks 1 --write
cmp home/tenfold/site.env before
touch full
examine 0 "^warn  MPI by srun +1 nodes of 1 ranks did not start: .*Requested nodes are busy" -- here --slurm --ranks 1
touch refused
examine 3 "^bad   sbatch +.*Invalid account" "TENFOLD_ACCOUNT" -- here --slurm --ranks 1
touch broken
examine 3 "^bad   Slurm +.*Unable to contact slurm controller" -- here --slurm
test -z "$(ls -A here)"
