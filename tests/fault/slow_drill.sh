# A hundred disturbed runs, each ending in the bits of the undisturbed one. DRILL_RUNS and DRILL_SEED choose others; DRILL_PUBLISH=FILE
# keeps the table.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
"$tenfold" drill tiny.cfg --runs ${DRILL_RUNS:-100} --seed ${DRILL_SEED:-1} --run drill >report || { cat drill/drill.md; exit 1; }
cat report
test "$(grep -c ',yes$' drill/drill.csv)" = ${DRILL_RUNS:-100}
[ -z "${DRILL_PUBLISH-}" ] || cp report "$DRILL_PUBLISH"
