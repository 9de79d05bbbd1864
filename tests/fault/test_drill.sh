# The rehearsal itself: some disturbed runs end in the same bits, the table says how; where the bits are not the same it says so.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
"$tenfold" drill tiny.cfg --runs 4 --seed 5 --run d >report 2>log || { cat log; exit 1; }
cat report
cmp report d/drill.md
grep -q "^4 of 4 disturbed runs ended in the bits of the undisturbed one. Seed 5" report
test "$(grep -c '^[1-4],5,\(preprocess\|train\|predict\),' d/drill.csv)" = 4
test "$(grep -c ',yes$' d/drill.csv)" = 4
test "$(awk -F, 'NR > 1 && $4 == "" || $7 == ""' d/drill.csv)" = "" # each was disturbed
test -z "$(ls -d d/[0-9]* 2>/dev/null)"
grep -q "drill: .* rows, at most 30 of each class" log

# an installation with other bits than before is found out: after the undisturbed run another learning rate is used
cat >mpirun <<'SH'
#!/bin/bash
n=$(cat count 2>/dev/null || echo 0)
echo $((n + 1)) >count
[ $n -lt 3 ] || sed -i 's/learning_rate = .*/learning_rate = 0.007;/' f/drill.cfg
exec "$REAL_MPIRUN" "$@"
SH
chmod +x mpirun
code=0
REAL_MPIRUN=$(command -v mpirun) PATH=$PWD:$PATH "$tenfold" drill tiny.cfg --runs 1 --seed 5 --run f >report 2>log || code=$?
cat log
test $code = 70
grep -q "1 of 1 runs did not end in the bits of the undisturbed one: do not trust this installation" log
test "$(cut -d, -f3 f/drill.csv)" = "$(sed -n 1,2p d/drill.csv | cut -d, -f3)" # the same seed draws the same: a train run
grep -q ",NO$" f/drill.csv
test -e f/1/log.txt
