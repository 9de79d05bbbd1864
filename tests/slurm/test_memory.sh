# Jobs that run out of memory: how that is seen, who gets more, how often, and what is asked for in the first place.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
. "$source/tests/slurm/slurm.sh"
mkdir -p run/slurm run/log
slurm_up --limits

# program hold RUN RANK: that rank holds 400 MiB; killed RUN: by a person, once; N RUN: exit code N. What it was given is written down.
cat >program <<'SH'
#!/bin/bash
touch "$TENFOLD_BEGUN"
rank=${OMPI_COMM_WORLD_RANK:-$SLURM_PROCID}
if [ "$rank" = 0 ]; then
    echo "$SLURM_MEM_PER_NODE" >>"starts.$SLURM_JOB_NAME"
else # a rank that ends at once takes rank 0 with it, before that has written
    for _ in $(seq 200); do
        [ "$(cat "starts.$SLURM_JOB_NAME" 2>/dev/null | wc -l)" -le "${SLURM_RESTART_COUNT:-0}" ] || break
        sleep 0.1
    done
fi
[ "$1" != killed ] || [ "${SLURM_RESTART_COUNT:-0}" != 0 ] || kill -KILL $$
case $1 in killed) exit 0 ;; hold) ;; *) exit "$1" ;; esac
[ "$rank" = "$3" ] || exec sleep 1 # srun takes a rank that ends while it starts for a lost node
exec perl -e 'vec(my $x, (400 << 20) - 1, 8) = 1'
SH
chmod +x program
stage() { # NAME MIB NODES COMMAND...: the job's id
    local name=$1 mib=$2 nodes=$3
    shift 3
    submit --job-name="$name" --output="run/log/$name-%j.log" --nodes="$nodes" --mem="${mib}M" \
        "$source/slurm/stage.sh" "$PWD/program" "${site-}" "$PWD/run" "$name" f1/0 1 "$@"
}
record() { sed -n "s/^$2 //p" "run/slurm/$1"; }
same() {
    [ "$1" = "$2" ] || { echo "line ${BASH_LINENO[0]}: $1, not $2" && scontrol show job; tail -n 40 run/log/* run/history/* cluster/log/slurm*.log; exit 1; } >&2
}
starts() { tr '\n' ' ' <"starts.$1"; }

kernel=$(stage kernel 300 1 "hold 0")
other=$(stage other 300 2 "hold 1")
site=$PWD/srun.env
echo 'TENFOLD_LAUNCHER=srun' >srun.env
srun=$(stage srun 300 2 "hold 1")
site=""
own=$(stage own 200 1 5)
most=$(stage most 3000 1 5)
killed=$(stage killed 300 2 killed)

wait_job 120 "$kernel" COMPLETED
same "$(starts kernel)" "300 450 "
grep -q "tenfold: hold ended with exit code 137: out of memory with 300 MiB on each node; it asks for 450 MiB now: job $kernel is queued again, restart 1" run/log/kernel-*.log
same "$(record kernel out_of_memory)" 1
same "$(record kernel memory_mib)" 450
wait_job 120 "$other" COMPLETED # the kernel of another node
same "$(starts other)" "300 450 "
wait_job 120 "$srun" COMPLETED
same "$(starts srun)" "300 450 "
wait_job 120 "$own" FAILED # the program itself has none: twice more
same "$(starts own)" "200 300 450 "
same "$(record own exit_code)" 5
same "$(record own state)" failed
grep -q "out of memory with 450 MiB on each node, for the third time; see slurm.memory_gib" run/log/own-*.log
wait_job 120 "$most" FAILED # a node has 4096
same "$(starts most)" "3000 4096 "
grep -q "no node of partition main has more" run/log/most-*.log
wait_job 120 "$killed" COMPLETED # a rank that somebody else kills is no matter of memory
same "$(starts killed)" "300 300 "
same "$(record killed out_of_memory)" 0

# what check predicts is what submit asks for, and it is enough for a real run
set -- --set train.images=160 --set train.evaluations=1 --set train.warmup_images=0 --set self.max_rounds=0
"$tenfold" check tiny.cfg "$@" >checked
mib() { sed -n "s/^# memory that submit requests.*$1 \([0-9]*\) MiB.*/\1/p" checked; }
"$tenfold" submit tiny.cfg --run out "$@" --dry-run >dry
grep '^preprocess=' dry | grep -q -- " --mem=$(mib preprocess)M "
grep '^train_r0=' dry | grep -q -- " --mem=$(mib 'train and predict')M "
grep '^finish=' dry | grep -q -- " --mem=$(mib 'other jobs')M "
"$tenfold" submit tiny.cfg --run out "$@" >log
timeout 300 "$tenfold" status out --watch --every 2 >watch 2>&1 || { cat watch && exit 1; }
if grep "out of memory\|oom" out/log/*.log; then exit 1; fi
