#!/usr/bin/env bash
# stage.sh - what every job of a run executes. `tenfold submit` writes the command, `tenfold submit --dry-run` prints it:
#
#   sbatch [options] stage.sh PROGRAM SITE_ENV RUN LABEL WHAT/TASKS RANKS_PER_NODE COMMAND...
#
# Each COMMAND ("train --round 0 --part @/10", @ = this task) runs as `PROGRAM VERB RUN ...` in all ranks of the allocation; the
# next one only when it succeeded. LABEL names this job's record, RUN/slurm/LABEL[.TASK], which `tenfold status` reads.
# WHAT is what the tasks share: f10 for ten folds, p16 for sixteen places of a search; squeue shows a task with the first of its own.
#
# What becomes of an exit code:
#   0              the next command; after the last one the record says done
#   2 4 5 70 127   bad settings, a bad file, no memory, a bug, no launcher: the same would come again. Failed, never queued again.
#   7              another process makes the same folder, and lives: this task alone is queued again until that one has ended.
#   others         6, unfinished (a signal before the time limit); a killed rank, a lost node (mpirun: 205), a disk: this task alone
#                  is queued again, as often as it takes, as long as it gets further. Three starts in a row that published nothing
#                  (no checkpoint, shard, finished cell) are the end. A crash (SIGSEGV and its like) of a program that had begun
#                  is a bug: failed.
#   before MPI     a launch that dies before the first collective is tried again at once, three times in all.
# After SIGTERM (scancel, preemption, the limit itself) nothing is queued again here: Slurm does it where it is wanted.
set -u
program=$1 site=$2 run=$3 label=$4 what=${5%/*} tasks=${5#*/} per_node=$6
shift 6
failures=0 asked="" ended="" interrupted="" child="" reminder="" further=""

# The ranks publish a checkpoint and leave with 6. bash runs a trap only between commands: so the launcher runs in the background.
# From here on no signal is lost: one that finds no child is remembered, and looked for before a launch and behind it. A launcher
# that is just starting forgets a signal (bash before its exec, mpirun before its ranks): so it is sent until the launcher ends.
remind() { while kill -USR1 "$1" 2>/dev/null; do sleep 0.5; done; }
pass_on() {
    interrupted=yes
    [ -n "$child" ] && [ -z "$reminder" ] || return 0
    remind "$child" &
    reminder=$!
}
trap 'asked=yes; pass_on' USR1
trap 'ended=yes; pass_on' TERM

TENFOLD_LAUNCHER=mpirun
if [ -n "$site" ]; then
    # a job without a login shell has no `module` yet
    for f in /etc/profile.d/modules.sh /etc/profile.d/lmod.sh; do
        # shellcheck disable=SC1090
        type module >/dev/null 2>&1 || [ ! -r "$f" ] || . "$f"
    done
    # shellcheck disable=SC1090
    . "$site"
fi
task=${SLURM_ARRAY_TASK_ID-}
id=$SLURM_JOB_ID
[ -z "$task" ] || id=${SLURM_ARRAY_JOB_ID}_$task
record=$run/slurm/$label${task:+.$task}
ranks=$((SLURM_JOB_NUM_NODES * per_node))
export SLURM_TASKS_PER_NODE="$per_node(x$SLURM_JOB_NUM_NODES)" # mpirun's slots; to sbatch a node's share was one task
restarts=${SLURM_RESTART_COUNT:-0}

say() { echo "tenfold: $*" >&2; }
write_record() ( # STATE EXIT_CODE; a signal to the whole job shall not end mv
    trap '' USR1 TERM
    rm -f "$record.tmp" # of a start that was killed; a link is not followed
    printf 'job %s\nstate %s\nexit_code %d\nfailures %d\nrestarts %d\n' "$id" "$1" "$2" "$failures" "$restarts" >"$record.tmp" &&
        mv -f "$record.tmp" "$record"
)
read_failures() { # of the same job's earlier starts
    [ "$(sed -n 's/^job //p' "$record" 2>/dev/null)" = "$id" ] && failures=$(sed -n 's/^failures //p' "$record")
}
give_up() { # EXIT_CODE WHY
    say "$2; log: $run/log, job $id"
    write_record failed "$1"
    exit "$1"
}
end() { # EXIT_CODE HOW: SIGTERM came
    say "$2 after SIGTERM"
    write_record ended "$1"
    exit "$1"
}
# While Slurm ends this job it ends scontrol with it: that shall first hear the answer. Where a node was lost, Slurm may have queued
# the job again before we ask, and refuses to do so twice.
queue_again() (
    trap '' TERM
    scontrol requeue "$id" || [ "$(squeue --noheader --jobs="$id" --format=%T)" = PENDING ]
)
requeue() { # EXIT_CODE WHY
    say "$2: job $id is queued again, restart $((restarts + 1))"
    write_record requeued "$1"
    [ -z "$ended" ] || end "$1" "$2"
    queue_again || give_up "$1" "$2, and Slurm refuses to queue it again: tenfold resume --slurm"
    exit "$1"
}

case $TENFOLD_LAUNCHER in
mpirun) launcher=(mpirun -q --bind-to none -n "$ranks") ;;
srun) launcher=(srun --mpi=pmix --kill-on-bad-exit=1 --ntasks="$ranks" --ntasks-per-node="$per_node"
    --cpus-per-task=$((${SLURM_CPUS_PER_TASK:-$per_node} / per_node))) ;;
*) give_up 2 "TENFOLD_LAUNCHER=$TENFOLD_LAUNCHER in $site: give mpirun or srun" ;;
esac

launch() { # VERB OPTIONS...: its exit code in $code
    rm -f "$record.begun"
    TENFOLD_BEGUN=$record.begun "${launcher[@]}" "$program" "$1" "$run" "${@:2}" &
    child=$!
    [ -z "$asked$ended" ] || pass_on # came before child was known
    while :; do
        interrupted=""
        wait "$child"
        code=$?
        [ -n "$interrupted" ] || break
        [ $code -gt 128 ] || break # else it was the trap that ended the wait, not the child
    done
    child=""
    [ -z "$reminder" ] || kill "$reminder" 2>/dev/null
    reminder=""
    [ ! -s "$record.begun" ] || further=yes
}

judge() { # VERB: of an exit code that is not 0
    local how="$1 ended with exit code $code" crashed=""
    case $code in 132 | 134 | 135 | 136 | 139) [ ! -e "$record.begun" ] || crashed=yes ;; esac
    [ -z "$ended" ] || end "$code" "$how"
    case $code$crashed in
    2 | 4 | 5 | 70 | 127 | *yes) give_up "$code" "$how" ;;
    esac
    case ${asked:-no}:$code:$1 in
    *:7:*) requeue "$code" "$1: another process is at work there" ;;
    yes:* | *:6:train | *:6:trial | *:6:preprocess) how="$1 is unfinished" ;;
    *:6:*) give_up "$code" "$how: something is missing" ;;
    esac
    failures=$((failures + 1))
    [ -z "$further" ] || failures=0
    [ $failures -lt 3 ] || give_up "$code" "$how, the third failure in a row that got no further"
    requeue "$code" "$how"
}

read_failures
name=$SLURM_JOB_NAME
if [ -n "$task" ]; then
    name=$name.${what:0:1}$((task * ${what:1} / tasks))
    scontrol update JobId="$id" JobName="$name" 2>/dev/null # no matter where it is not allowed
fi
say "$name: job $id, start $restarts: $ranks ranks by $TENFOLD_LAUNCHER on $SLURM_JOB_NODELIST"
write_record running 0
for command in "$@"; do
    read -ra words <<<"${command//@/$task}"
    for try in 1 2 3; do
        [ -z "$asked$ended" ] || { code=6 && break; } # between two commands
        launch "${words[@]}"
        case $code in 0 | [2-7] | 70 | 127) break ;; esac
        [ ! -e "$record.begun" ] || break
        say "${words[0]} died with exit code $code before MPI was up, try $try of 3"
    done
    [ "$code" = 0 ] || judge "${words[0]}"
done
rm -f "$record.begun"
write_record "done" 0
[ "$label" != finish ] || say "all done; results in $run"
