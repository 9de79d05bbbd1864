# kill -9 in mid-training, then resume: the digests of the undisturbed run. And SIGTERM: a checkpoint and exit code 6.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
sed -i "s/images = 2400/images = 1200/; s/evaluations = 3/evaluations = 2/" tiny.cfg
launcher_of() { pgrep -P "$1" -x 'mpirun.*|prterun|mpiexec.*'; } # Open MPI 5's mpirun becomes prterun
wait_for() { # FILE: at most 300 s
    for _ in $(seq 3000); do [ -e "$1" ] && return; sleep 0.1; done
    echo "$1 did not come" >&2
    return 1
}
"$tenfold" run tiny.cfg --run whole --ranks 2 >report 2>log || { cat log; exit 1; }
digest_of_run whole >expected

# a rank is killed: the others end, the run says what failed, nothing half-done is called done
"$tenfold" run tiny.cfg --run killed --ranks 2 --set train.checkpoint_seconds=1e-6 >/dev/null 2>log &
pid=$!
wait_for killed/train/r0-f1-s32-x1/checkpoint.safetensors
rank=$(ranks_of "$(launcher_of $pid)" | head -n 1)
kill -9 $rank
code=0
wait $pid || code=$?
cat log
test $code = 6
grep -q "tenfold run" log
test ! -e killed/train/r0-f1-s32-x1/DONE
test -e killed/train/r0-f2-s32-x1/DONE # one dead fold does not stop the others
"$tenfold" status killed | grep "train r0-f1" | grep -q failed
code=0
timeout 60 "$tenfold" status killed --watch >watch 2>&1 || code=$?
cat watch
test $code = 6
grep -q "the run has ended, and 13 of 17 steps are missing: tenfold run" watch
"$tenfold" run killed >/dev/null 2>log2 || { cat log2; exit 1; }
grep -q "goes on after" killed/log/train-r0-f1-s32-x1.log
digest_of_run killed | cmp - expected
history=killed/history/train-r0-f1-s32-x1
test "$(cut -d ' ' -f 1 $history | tr '\n' ' ')" = "running failed running done "
grep -q "^train r0-f1-s32-x1, start 2: after " killed/report/report.md
grep -q "<h2>How the run went</h2>" killed/report/report.html
"$tenfold" status killed --json >json
grep -q '"next": null' json
test "$(grep -c '"state": "done"' json)" -gt 12 # steps, and their starts

# the whole tree of processes is killed
"$tenfold" run tiny.cfg --run dead --ranks 2 >/dev/null 2>&1 &
pid=$!
wait_for dead/train/r0-f0-s32-x1/checkpoint.safetensors
launcher=$(launcher_of $pid)
kill -9 $pid
for _ in $(seq 100); do kill -0 $launcher 2>/dev/null || break; sleep 0.1; done
if kill -0 $launcher 2>/dev/null; then echo "mpirun survives its executor" && exit 1; fi
"$tenfold" run dead --ranks 4 >/dev/null 2>log || { cat log; exit 1; }
digest_of_run dead | cmp - expected

# asked to stop: checkpoint, exit code 6, no DONE; then on to the same bits with one rank
"$tenfold" run tiny.cfg --run stopped --ranks 2 >/dev/null 2>log &
pid=$!
wait_for stopped/train/r0-f0-s32-x1/journal.jsonl
kill -TERM $pid
code=0
wait $pid || code=$?
cat log
test $code = 6
test ! -e stopped/train/r0-f2-s32-x1/DONE
# a start that could not end would have left a heartbeat, further than its checkpoint: that is told as lost
cell=$(for f in 0 1 2; do [ -e stopped/train/r0-f$f-s32-x1/DONE ] || echo r0-f$f-s32-x1; done | head -n 1)
mkdir -p stopped/train/$cell
echo "7 2 100000 100000 50 $cell" >stopped/train/$cell/heartbeat
"$tenfold" run stopped --ranks 1 >/dev/null 2>log || { cat log; exit 1; }
digest_of_run stopped | cmp - expected
read -r state _ _ _ _ _ images seconds <stopped/history/$cell
[ "$state" = lost ]
awk -v i="$images" -v s="$seconds" 'BEGIN { d = i / 50 - s; exit !(i > 98000 && i <= 100000 && d < .06 && d > -.06) }'
