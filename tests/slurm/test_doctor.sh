# tenfold doctor --slurm on the test cluster: ranks by srun on two nodes, which see the same folder.
tenfold=$1 source=$2
. "$source/tests/slurm/slurm.sh"
slurm_up
mkdir shared
"$tenfold" doctor shared --slurm --nodes 2 --ranks 1 >said 2>err || { cat said err; exit 1; }
cat said
grep -q "^ok    Slurm " said
grep -q "^ok    sbatch " said
grep -q "^ok    requeue " said
grep -qE "ranks: 1 on node[0-9], 1 on node[0-9]" said
grep -q "^    TENFOLD_PARTITION=" said
test "$(grep -c "^ok    one folder for all" said)" = 2
test -z "$(ls -A shared)"
