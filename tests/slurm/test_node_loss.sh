# `tenfold submit` where things break: a node fails in mid-fold and slurmctld restarts; a fold that cannot be written fails three
# times; a dependency can never be met. The runs end with the digests of undisturbed ones, and nothing waits for ever.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
. "$source/tests/slurm/slurm.sh"
sed -i 's/images = 2400/images = 1600/; s/evaluations = 3/&; checkpoint_seconds = 1e-6/' tiny.cfg
slurm_up
short="--set self.max_rounds=0 --set train.images=800"
cell() { echo "train/r0-f$1-s32-x1"; }
finished() { wait_for 400 "the end of the jobs of $1" none_left "$1\."; } # RUN
# RUN FOLD: "12_1 node3", the task that trains the fold now and its node
task_of() { squeue --noheader --array --states=RUNNING --format="%F_%K %B %j" | awk -v name="$1.train.r0" -v task="_$2$" 'index($3, name) == 1 && $1 ~ task { print $1, $2 }'; }
trains() { [ -n "$(task_of "$1" "$2")" ] && [ -s "$1/$(cell "$2")/checkpoint.safetensors" ]; }

"$tenfold" run tiny.cfg --run whole --ranks 2 >/dev/null 2>log || { cat log; exit 1; }
digest_of_run whole >expected

# a node fails, another Slurm daemon restarts
"$tenfold" submit tiny.cfg --run crashed >submitted
wait_for 300 "a checkpoint of fold 1" trains crashed 1
read -r id node <<<"$(task_of crashed 1)"
"$cluster" fail "$node"
"$cluster" restart-controller
wait_for 90 "the second start of fold 1" says "crashed/log/train.r0-$id.log" "start 1: "
"$cluster" revive "$node"

# a fold fails three times: the others go on, the run says which one is missing, resume does the rest
mkdir -p gap/train
echo "in the way" >"gap/$(cell 2)"
"$tenfold" submit tiny.cfg --run gap $short >submitted

# a dependency that can never be met: there is no image where the job file says
mkdir elsewhere
"$tenfold" submit tiny.cfg --run never $short --set data.images=elsewhere >submitted
finished never
grep -q "240 of 240 images cannot be used" never/log/preprocess-*.log
test ! -e never/train

finished gap
grep -q "the third failure in a row" gap/log/train.r0-*_2.log
test -e "gap/$(cell 0)/DONE" && test -e "gap/$(cell 1)/DONE"
test ! -e gap/submission.csv
"$tenfold" status gap >table || true
grep "train r0-f2" table | grep failed
rm "gap/$(cell 2)"
"$tenfold" submit gap >submitted
finished gap
test -e gap/submission.csv

finished crashed
grep -q "goes on after" "crashed/log/train.r0-$id.log"
digest_of_run crashed | cmp - expected

# the morning after: why they began again, what was lost, and that nothing is left to do
course() { sed -n '/^## How the run went/,$p' "$1/report/report.md" | tee "course.$1"; }
says_all() { # FILE LINE...: extended regular expressions
    file=$1
    shift
    for line; do grep -qE -- "$line" "$file" || { echo "$file: wanted $line"; exit 1; }; done
}
course crashed
says_all course.crashed "^train r0-f1-s32-x1, start 2: after " " Node-hours of cells: " \
    "^[|] train r0-f1-s32-x1 [|] [0-9:]+ [|] [0-9:]+ [|] [0-9:]+ [|] ([0-9:]+|-) [|] [2-9] [|] done [|]\$"
if grep "^Next: \|after done" course.crashed; then exit 1; fi
course gap
says_all course.gap "^train r0-f2-s32-x1, start 3: after .*exit code 3" "^[|] train r0-f0-s32-x1 .*[|] [1-9] [|] done [|]\$"
"$tenfold" status gap --json >json
says_all json '"next": null' '"why": ".*the third failure in a row'
