# stage.sh and exit codes: which ones are queued again, how often, and what the record says. The program is a script here.
source=$2
. "$source/tests/slurm/slurm.sh"
mkdir -p run/slurm run/log

# A signal before each single command of the script, with stand-ins for Slurm and mpirun: BASH_ENV brings a DEBUG trap. One comes while
# site.env is read. The stand-in for mpirun ends when its script waits for it, and after the signal only when it is told.
mkdir stand-ins
cat >stand-ins/mpirun <<'SH'
#!/bin/bash
[ "$1" != --version ] || exit 0
trap 'echo told >>story; exit 6' USR1
touch "$TENFOLD_BEGUN"
for _ in $(seq 500); do
    [ ! -e go ] || { rm go && echo "$6 ended" >>story && exit "$ENDS"; }
    sleep 0.01
done
echo "$6 was never told" >>story
SH
echo 'echo "scontrol $*" >>story' >stand-ins/scontrol
echo : >stand-ins/squeue
chmod +x stand-ins/*
cat >windows.sh <<'SH'
case $0 in */stage.sh) ;; *) return ;; esac # the script alone, not the shells that it starts
PATH=$PWD/stand-ins:$PATH
before() { # COMMAND, of a subshell too
    local n
    read -r n <count && echo $((n + 1)) >count
    if [ "$n" = "$AT" ]; then echo "$1" >sent && kill -s "$SIGNAL" $$; fi
    [ "$1" != 'wait "$child"' ] || [ -e sent ] || touch go
}
set -T
armed=""
look() { # COMMAND FUNCTION; before the script has its traps a signal ends it, and Slurm sends none so early
    case $armed:$1:$2 in
    :"trap 'ended="*) armed=yes ;;
    : | :* | *:before | *:take_over) ;;
    *) [ -e sent ] || before "$1" ;;
    esac
}
trap 'look "$BASH_COMMAND" "${FUNCNAME-}"' DEBUG
SH
echo 'n=$(cat count) && echo $((n + 1)) >count && if [ "$n" = "$AT" ]; then echo site.env >sent && kill -s "$SIGNAL" $PPID && sleep 0.1; fi' >windows.env
walk() { # SIGNAL ENDS COMMAND...: ENDS: how a command ends that is not told; how each start ended goes to outcomes
    rm -f outcomes
    for ((at = 0; ; at++)); do
        rm -f run/slurm/* sent go
        : >story
        echo 0 >count
        BASH_ENV=$PWD/windows.sh AT=$at SIGNAL=$1 ENDS=$2 SLURM_JOB_ID=1 SLURM_JOB_NUM_NODES=1 SLURM_JOB_NAME=walk SLURM_JOB_NODELIST=node \
            "$source/slurm/stage.sh" program "$PWD/windows.env" "$PWD/run" walk f1/0 1 "${@:3}" 2>log && code=0 || code=$?
        [ -e sent ] || break
        echo "$(sed -n 's/^state //p' run/slurm/walk) $code $(tr '\n' ' ' <story)at: $(tr '\n' ' ' <sent)" >>outcomes
    done
    cat outcomes
    grep -q 'at: site.env' outcomes
    grep -q 'at: child=\$!' outcomes # a window that only a DEBUG trap hits
    if grep 'never told' outcomes; then exit 1; fi
}
# queued again once with an exit code, or all is done; nothing begins after the signal and ends as if there had been none
walk USR1 0 preprocess train
if grep -v "^requeued 6 \(preprocess ended \|\)\(told \|\)scontrol requeue 1 at: \|^done 0 preprocess ended train ended at: " outcomes; then exit 1; fi
grep -q "^requeued 6 scontrol" outcomes
grep -q "^requeued 6 preprocess ended scontrol" outcomes
grep -q "^requeued 6 preprocess ended told scontrol" outcomes
grep -q "^done" outcomes
# SIGTERM: never queued again, but where that was asked for already
walk TERM 3 preprocess
if grep -v "^ended [36] \(preprocess ended \|told \|\)at: \|^requeued 3 preprocess ended scontrol requeue 1 at: \(queue_again\|trap\|scontrol\|exit\|\[ -z .\$\(raised\|avoid\)\)" outcomes; then exit 1; fi

echo 'PartitionName=alone Nodes=node4' >alone.conf
slurm_up --conf alone.conf
cat >program <<'SH'
#!/bin/bash
# program VERB RUN [--part I/N]: ends as `ends` says, a line per start
[ "$1" = early ] || touch "$TENFOLD_BEGUN"
echo "$*: start ${SLURM_RESTART_COUNT:-0}${INSIDE+ inside}" >>"starts.$SLURM_JOB_NAME"
hostname >>"nodes.$SLURM_JOB_NAME"
code=$(sed -n "$(($(wc -l <"starts.$SLURM_JOB_NAME")))p" "ends.$SLURM_JOB_NAME")
case $code in
sleep) trap 'exit 6' USR1; for _ in $(seq 600); do sleep 0.1; done ;;
205) exit 205 ;;
crash) kill -SEGV $$ ;;
hang) exec sleep 600 ;;
*+) echo published >>"$TENFOLD_BEGUN" && exit "${code%+}" ;; # got further
*) echo "ended $code" >>"$TENFOLD_BEGUN" && exit "$code" ;; # as every rank 0 writes it
esac
SH
chmod +x program
stage() { # NAME ENDS COMMAND...: the job's id; ENDS: how the first, second, ... start ends
    local name=$1
    printf '%s\n' $2 >"ends.$name"
    shift 2
    sbatch --parsable --requeue --open-mode=append --job-name="$name" --output="run/log/$name-%j.log" --nodes=1 \
        --time=5 "$source/slurm/stage.sh" "$PWD/program" "${site-}" "$PWD/run" "$name" f1/0 "${ranks-1}" "$@"
}
record() { sed -n "s/^$2 //p" "run/slurm/$1"; }
starts() { wc -l <"starts.$1"; }

bad=$(stage bad 2 train)
lost=$(stage lost "205 205 205" train)
once=$(stage once "205 0" train)
stuck=$(stage stuck "6 6 6 6" train)
long=$(stage long "6 205+ 205 7 0" train)
last=$(stage last "0 3 0 3 0 3" reduce report)
part=$(stage part 6 reduce)
unasked=$(stage unasked "6 0" predict)
crash=$(stage crash crash train)
early=$(stage early "crash crash 0 0" early train)
echo 'export TENFOLD_START_SECONDS=3' >start.env
never=$(site=$PWD/start.env stage never "hang 0 0" early train)
two=$(stage two "0 3 0 0" preprocess train)
extra=$(stage extra "0 5 0" preprocess -explore train)
other=$(stage other "8 8 0" train)
none=$(SBATCH_PARTITION=alone stage none "8 0" train)
again=$(stage again "8+ 8+ 0" predict)
stop=$(stage stop "sleep 0" predict)
term=$(stage term sleep train)
array=$(printf '0\n0\n0\n' >ends.array && sbatch --parsable --requeue --open-mode=append --job-name=array --output=run/log/array-%A_%a.log \
    --array=0,2 --nodes=1 "$source/slurm/stage.sh" "$PWD/program" "" "$PWD/run" array f6/3 1 "train --part @/3")

wait_job 60 "$bad" FAILED # settings: never again
test "$(starts bad)" = 1
test "$(record bad state)" = failed
test "$(record bad exit_code)" = 2
wait_job 60 "$crash" FAILED # a program that had begun: a bug
test "$(starts crash)" = 1
test "$(record crash exit_code)" = 139
wait_job 60 "$part" FAILED # reduce: something is missing, and waiting does not bring it
test "$(starts part)" = 1
wait_job 60 "$unasked" COMPLETED # a rank of predict was stopped, or hung: it goes on
test "$(job_field "$unasked" Restarts)" = 1
wait_job 60 "$early" COMPLETED # before MPI: again at once, in the same job
test "$(starts early)" = 4
test "$(job_field "$early" Restarts)" = 0
grep -q "early died with exit code 139 before MPI was up, try 2 of 3" run/log/early-*.log
wait_job 60 "$never" COMPLETED # its ranks never begin: ended, and again at once
test "$(starts never)" = 3
grep -q "no rank has begun within 3 s (TENFOLD_START_SECONDS): this start is ended" run/log/never-*.log
grep -q "early died with exit code [0-9]* before MPI was up, try 1 of 3" run/log/never-*.log
wait_job 60 "${array}_2" COMPLETED # fold 4 and 5 of 6 are part 2 of 3
test "$(job_field "${array}_2" JobName)" = array.f4
grep -q -- "^train $PWD/run --part 2/3: start 0" starts.array

wait_job 60 "$extra" COMPLETED # nothing needs the second command
test "$(starts extra)" = 3
grep -q "explore ended with exit code 5: nothing needs it, and the job goes on" run/log/extra-*.log

wait_job 60 "$again" COMPLETED # got further, and needs another process: in the same job
test "$(starts again)" = 3
test "$(job_field "$again" Restarts)" = 0
wait_job 60 "$none" FAILED # its partition has no other node
test "$(starts none)" = 1
grep -q "train ended with exit code 8: this node cannot, and partition alone has no other" run/log/none-*.log
wait_job 90 "$other" COMPLETED # each time on another node
test "$(starts other)" = 3
test "$(sort -u nodes.other | wc -l)" = 3
wait_for 60 "the start of stop" says starts.stop "start 0"
wait_for 60 "the start of term" says starts.term "start 0"
sleep 0.5 # until the script has set its trap
scancel --signal=USR1 --batch "$stop"
scancel "$term"
wait_for 60 "the end of term" job_over "$term" # cancelled is cancelled, although a checkpoint was made
test "$(job_field "$term" JobState)" = CANCELLED
wait_job 90 "$once" COMPLETED
test "$(job_field "$once" Restarts)" = 1
test "$(record once state)" = "done"
test "$(cut -d ' ' -f 1 run/history/once | tr '\n' ' ')" = "running requeued running done "
grep -q "^requeued [0-9]* $once 0 1 205 train ended with exit code 205\$" run/history/once
grep -q "^running [0-9]* $once 1 1 0 \$" run/history/once
wait_job 90 "$two" COMPLETED # the second start says of the first command that it is done
test "$(cut -d: -f1 starts.two | cut -d' ' -f1 | tr '\n' ' ')" = "preprocess train preprocess train "
wait_job 90 "$stop" COMPLETED
test "$(job_field "$stop" Restarts)" = 1
wait_job 120 "$lost" FAILED
test "$(starts lost)" = 3
test "$(record lost failures)" = 3
wait_job 120 "$stuck" FAILED # a time limit that is too short for anything
test "$(starts stuck)" = 3
grep -q "train is unfinished, the third failure in a row that got no further" run/log/stuck-*.log
wait_job 120 "$last" FAILED # what was done by an earlier start does not count again
test "$(starts last)" = 6
wait_job 180 "$long" COMPLETED # as long as it gets further; another process at it is no failure
test "$(starts long)" = 5
test "$(job_field "$term" Restarts)" = 0

# srun as the launcher, and a site.env that is bash
cat >site.env <<'SH'
TENFOLD_LAUNCHER=srun
export FROM_SITE="$(hostname) says"
TENFOLD_EXEC="env INSIDE=yes" # as a container would be entered
SH
site=$PWD/site.env
job=$(stage srun "205 0" train)
wait_job 90 "$job" COMPLETED
grep -q "1 ranks by srun on node" run/log/srun-*.log
grep -q "start 0 inside" starts.srun
site=$PWD/wrong.env
echo 'TENFOLD_LAUNCHER=aprun' >wrong.env
job=$(stage wrong 0 train)
wait_job 60 "$job" FAILED
test "$(record wrong exit_code)" = 2
grep -q "TENFOLD_LAUNCHER=aprun in .*: give mpirun, mpiexec or srun" run/log/wrong-*.log
test ! -e starts.wrong
