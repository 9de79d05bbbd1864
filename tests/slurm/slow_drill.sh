# The rehearsal through Slurm on four nodes, nodes that crash included. DRILL_RUNS and DRILL_SEED choose others; DRILL_PUBLISH=FILE keeps
# the table.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
. "$source/tests/slurm/slurm.sh"
echo 'slurm: { nodes = [ 1, 2 ]; train: { minutes = 10; }; };' >>tiny.cfg
cat >crash <<SH
#!/bin/sh
"$cluster" fail "\$1" && (sleep 5 && "$cluster" revive "\$1") >/dev/null 2>&1 &
SH
chmod +x crash
slurm_up
"$tenfold" drill tiny.cfg --slurm --node-command "$PWD/crash" --runs ${DRILL_RUNS:-10} --seed ${DRILL_SEED:-1} --run drill >report ||
    { cat drill/drill.md; exit 1; }
cat report
test "$(grep -c ',yes$' drill/drill.csv)" = ${DRILL_RUNS:-10}
[ -z "${DRILL_PUBLISH-}" ] || cp report "$DRILL_PUBLISH"
