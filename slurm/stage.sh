#!/usr/bin/env bash
# stage.sh - what every job of a run executes. `tenfold submit` writes the command, `tenfold submit --dry-run` prints it:
#
#   sbatch [options] stage.sh PROGRAM SITE_ENV RUN LABEL WHAT/CELLS RANKS_PER_NODE COMMAND...
#
# Each COMMAND ("train --round 0 --part @/10", @ = this task) runs as `PROGRAM VERB RUN ...` in all ranks of the allocation; the
# next one only when it succeeded, or when its verb is written with a "-" before it, as in make. LABEL names this job's record, RUN/slurm/LABEL[.TASK], which `tenfold status` reads.
# WHAT is what the cells share, those of a size or of a rung: f10 for ten folds, p16 for sixteen places of a search; squeue shows a task
# with that of its first cell, which has the task's number.
#
# What becomes of an exit code:
#   0              the next command; after the last one the record says done
#   2 4 9 70 127   bad settings, a bad file, a loss that is no number, a bug, no launcher: the same would come again. Failed, never queued again.
#   memory         exit code 5, a rank that the kernel killed for memory, a step that Slurm ended for it: this task alone is queued again
#                  with half as much again, twice at most, as far as a node of its partition has it. Where Slurm sets no
#                  limit that could be raised, exit code 5 is failed.
#   7              another process makes the same folder, and lives: this task alone is queued again until that one has ended.
#   8              this node cannot, another one can (it lacks the cell's instruction set): this task alone is queued again and leaves
#                  this node out, where its partition has others; that counts as a failure of those below. A process that got further
#                  and cannot go on itself (two sets) is followed by another one at once.
#   others         6, unfinished (a signal before the time limit); a killed rank, a lost node (mpirun: 205), a disk: this task alone
#                  is queued again, as often as it takes, as long as it gets further. Three starts in a row that published nothing
#                  (no checkpoint, shard, finished cell) are the end. A crash (SIGSEGV and its like) of a program that had begun
#                  is a bug: failed.
#   before MPI     a launch that dies before the first collective is tried again at once, three times in all; so is one whose ranks have
#                  not begun after TENFOLD_START_SECONDS (600), which is ended.
# After SIGTERM (scancel, preemption, the limit itself) nothing is queued again here: Slurm does it where it is wanted.
set -u
program=$1 site=$2 run=$3 label=$4 what=${5%/*} cells=${5#*/} per_node=$6
shift 6
failures=0 out_of_memory=0 asked="" ended="" interrupted="" child="" reminder="" further="" raised="" avoid="" keeper=""

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

task=${SLURM_ARRAY_TASK_ID-}
id=$SLURM_JOB_ID
[ -z "$task" ] || id=${SLURM_ARRAY_JOB_ID}_$task
record=$run/slurm/$label${task:+.$task}
ranks=$((SLURM_JOB_NUM_NODES * per_node))
name=$SLURM_JOB_NAME nodes=$SLURM_JOB_NUM_NODES nodelist=$SLURM_JOB_NODELIST # before site.env, which may unset them
restarts=${SLURM_RESTART_COUNT:-0}
memory=${SLURM_MEM_PER_NODE:-$((${SLURM_MEM_PER_CPU:-0} * ${SLURM_CPUS_ON_NODE:-1}))} # MiB on each node; 0: no limit

say() { echo "tenfold: $*" >&2; }
write_record() ( # STATE EXIT_CODE [WHY]; a signal to the whole job shall not end mv
    trap '' USR1 TERM
    { mkdir -p "$run/history" && # store/history.h: for people; nothing is decided by its time
        printf '%s %(%s)T %s %d %d %d %s\n' "$1" -1 "$id" "$restarts" "$nodes" "$2" "${3-}" >>"$run/history/${record##*/}"; } 2>/dev/null
    rm -f "$record.tmp" # of a start that was killed; a link is not followed
    printf 'job %s\nstate %s\nexit_code %d\nfailures %d\nrestarts %d\nmemory_mib %d\nout_of_memory %d\n' \
        "$id" "$1" "$2" "$failures" "$restarts" "$memory" "$out_of_memory" >"$record.tmp" &&
        sync "$record.tmp" && # a network file system may say only now that it is full
        mv -f "$record.tmp" "$record"
)
recall() { # the same job's earlier starts
    [ "$(sed -n 's/^job //p' "$record" 2>/dev/null)" = "$id" ] || return
    failures=$(sed -n 's/^failures //p' "$record")
    out_of_memory=$(sed -n 's/^out_of_memory //p' "$record")
}
give_up() { # EXIT_CODE WHY
    say "$2; log: $run/log, job $id"
    write_record failed "$1" "$2"
    exit "$1"
}
end() { # EXIT_CODE HOW: SIGTERM came
    say "$2 after SIGTERM"
    write_record ended "$1" "$2"
    exit "$1"
}
# While Slurm ends this job it ends scontrol with it: that shall first hear the answer. Where a node was lost, Slurm may have queued
# the job again before we ask, and refuses to do so twice.
queue_again() (
    trap '' TERM
    scontrol requeue "$id" || [ "$(squeue --noheader --jobs="$id" --format=%T)" = PENDING ] || exit 1
    [ -z "$raised" ] || scontrol update JobId="$id" MinMemoryNode="$memory" || # only a job that waits can be changed
        say "Slurm refuses $memory MiB on each node; the next start has what this one had"
    [ -z "$avoid" ] || scontrol update JobId="$id" ExcNodeList="$avoid" || say "Slurm refuses to leave $avoid out"
)
requeue() { # EXIT_CODE WHY
    say "$2: job $id is queued again, restart $((restarts + 1))"
    write_record requeued "$1" "$2" || give_up "$1" "$2, and $record cannot be written" # else failures would not be counted
    [ -z "$ended" ] || end "$1" "$2"
    queue_again || give_up "$1" "$2, and Slurm refuses to queue it again: tenfold submit $run"
    exit "$1"
}

# --- memory -------------------------------------------------------------------------------------------------------------------

# How many processes of this job the kernel has killed for memory on this node: cgroups of version 2, of version 1.
kills() {
    local path
    path=$(sed -n 's/^0:://p' /proc/self/cgroup)
    sed -n 's/^oom_kill //p' "/sys/fs/cgroup$path/memory.events" 2>/dev/null
    path=$(sed -n 's/^[0-9]*:[^:]*\bmemory\b[^:]*://p' /proc/self/cgroup)
    sed -n 's/^oom_kill //p' "/sys/fs/cgroup/memory$path/memory.oom_control" 2>/dev/null
}
# On other nodes only Slurm sees it, and says so in the log.
log=$(readlink "/proc/$$/fd/2")
log_bytes() { stat --format=%s "$log" 2>/dev/null || echo 0; }
slurm_says_so() {
    tail -c +$((log_before + 1)) "$log" 2>/dev/null |
        grep -q '^\(slurmstepd\|srun\).*\(oom.kill event\|: Out Of Memory$\|xceeded .*memory limit\)'
}
lacks_memory() { # EXIT_CODE
    [ "$1" != 5 ] && [ "$(kills)" = "$killed_before" ] || return 0
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        slurm_says_so && return 0
        { [ "$1" = 137 ] && [ "$nodes" -gt 1 ]; } || break # mpirun may end before Slurm's words arrive
        sleep 0.3
    done
    return 1
}
more_memory() { # HOW
    local most had=$memory
    out_of_memory=$((out_of_memory + 1))
    [ $out_of_memory -le 2 ] || give_up 5 "$1: out of memory with $had MiB on each node, for the third time; see slurm.memory_gib"
    most=$(sinfo --noheader --Node --partition="$SLURM_JOB_PARTITION" --format=%m | sort -n | tail -n 1)
    [ "${most:-0}" -gt "$had" ] ||
        give_up 5 "$1: out of memory with $had MiB on each node, and no node of partition $SLURM_JOB_PARTITION has more"
    memory=$((had * 3 / 2)) raised=yes
    [ $memory -le "$most" ] || memory=$most
    requeue 5 "$1: out of memory with $had MiB on each node; it asks for $memory MiB now"
}

# --- the site's files ---------------------------------------------------------------------------------------------------------

# They are read by a shell of their own, with its default options and without arguments, as they may do anything: `exit`, `exec`, `set -e`,
# `set --`. What they leave (exported variables, TENFOLD_LAUNCHER, TENFOLD_EXEC, TENFOLD_BIND, umask, limits) comes back line by line on descriptor 3, which
# is closed to them: a daemon that they start would keep it open. Where the last line is no `end STATUS`, they ended the shell.
read -r -d '' read_site <<'BASH' || :
trap '' USR1
for tenfold_file in /etc/profile.d/modules.sh /etc/profile.d/lmod.sh; do # a job without a login shell has no `module` yet
    type module >/dev/null 2>&1 || [ ! -r "$tenfold_file" ] || . "$tenfold_file" 3>&-
done
tenfold_unix() { LC_ALL=C sed $'1s/^\xEF\xBB\xBF//; s/\r$//' "$TENFOLD_SITE"; } # what Windows puts into a file
if LC_ALL=C grep -q $'^\xEF\xBB\xBF\|\r$' "$TENFOLD_SITE"; then . <(tenfold_unix) 3>&-; else . "$TENFOLD_SITE" 3>&-; fi
tenfold_status=$?
set +eux
trap - DEBUG ERR
IFS=$' \t\n'
[ $tenfold_status = 0 ] || "$BASH" -n <(tenfold_unix) 2>/dev/null || { echo syntax >&3 && exit 0; }
unset TENFOLD_SITE
[ -z "${TENFOLD_LAUNCHER+set}" ] || export TENFOLD_LAUNCHER
[ -z "${TENFOLD_EXEC+set}" ] || export TENFOLD_EXEC
[ -z "${TENFOLD_BIND+set}" ] || export TENFOLD_BIND
for tenfold_name in $(compgen -e); do printf 'export %s=%q\n' "$tenfold_name" "${!tenfold_name}" >&3; done
for tenfold_name in c d f l m n s t u v; do echo "ulimit $tenfold_name $(ulimit -S -$tenfold_name 2>/dev/null)" >&3; done
printf 'umask %s\nend %d\n' "$(umask)" $tenfold_status >&3
BASH

declare -A theirs=()
take_over() { # LINES: exported names of ours and new ones, never this script's own variables
    local verb rest name kept=" "
    for name in $(compgen -e); do theirs[$name]=yes; done
    while read -r verb rest; do
        name=${rest%%[= ]*}
        case $verb:$name in
        export:PWD | export:OLDPWD | export:SHLVL | export:_ | export:SHELLOPTS | export:BASHOPTS) kept+="$name " ;;
        export:*)
            kept+="$name "
            if [ -z "${!name+set}" ] || [ -n "${theirs[$name]-}" ]; then eval "export $rest"; fi
            ;;
        ulimit:*) ulimit -S "-$name" "${rest#* }" 2>/dev/null ;;
        umask:*) umask "$rest" ;;
        esac
    done <<<"$1"
    for name in "${!theirs[@]}"; do
        case $kept in *" $name "*) ;; *) unset "$name" 2>/dev/null ;; esac
    done
}
site_env() {
    local left path=$PATH
    [ -r "$site" ] || give_up 2 "$site cannot be read on $(uname -n)"
    left=$(exec 3>&1 >&2 && TENFOLD_SITE=$site exec env -u SHELLOPTS -u BASHOPTS bash -c "$read_site" bash </dev/null)
    local status=$? last=${left##*$'\n'}
    [ -z "$ended" ] || end 6 "reading $site"
    case $last in
    "end 0") ;;
    "end "*) say "$site ends with status ${last#end }; the job goes on" ;;
    syntax) give_up 2 "$site is no bash (line and cause stand above)" ;;
    *) give_up 2 "$site ended the shell that reads it, with status $status: by exit, by exec, or by a command that failed after set -e" ;;
    esac
    take_over "$left"
    type -P rm mv sed >/dev/null || PATH=$PATH:$path # this script needs them still
}
recall
unset TENFOLD_LAUNCHER TENFOLD_EXEC TENFOLD_BIND
[ -z "$site" ] || site_env
TENFOLD_LAUNCHER=${TENFOLD_LAUNCHER:-mpirun}
export SLURM_EXPORT_ENV=ALL # srun would keep to --export=NONE of sbatch: ranks without what site.env exports
export SLURM_TASKS_PER_NODE="$per_node(x$nodes)" # mpirun's slots; to sbatch a node's share was one task

# The words of the site, and what every launch needs. Without options of the site's: no binding (a rank has threads of several kinds), which
# Open MPI's and MPICH's mpirun are told in the same words, and PMIx, which Open MPI needs.
read -ra launcher <<<"$TENFOLD_LAUNCHER"
case ${launcher[0]##*/} in
mpirun* | mpiexec*)
    version=$("${launcher[0]}" --version 2>&1) || give_up 127 "TENFOLD_LAUNCHER: ${launcher[0]} cannot be started on $(uname -n): ${version##*: }"
    [ ${#launcher[@]} -gt 1 ] || launcher+=(--bind-to none)
    # Open MPI's keeps to itself what its daemons' nodes say of memory, unless told
    case $version in *"Open MPI"*) attached=--leave-session-attached ;; *) attached="" ;; esac
    launcher+=(${attached:+"$attached"} -n "$ranks")
    ;;
srun)
    case $TENFOLD_LAUNCHER in *\ --mpi*) ;; *) launcher+=(--mpi=pmix) ;; esac
    launcher+=(--kill-on-bad-exit=1 --ntasks="$ranks" --ntasks-per-node="$per_node"
        --cpus-per-task=$((${SLURM_CPUS_PER_TASK:-$per_node} / per_node)))
    ;;
*) give_up 2 "TENFOLD_LAUNCHER=$TENFOLD_LAUNCHER in $site: give mpirun, mpiexec or srun, with its options where it needs any" ;;
esac

read -ra container <<<"${TENFOLD_EXEC-}" # `apptainer exec image.sif`: each rank starts in it
# A rank on cores of its own, so that the memory of its threads is that of one socket. Whether that can be had only a launch tells; one
# that fails for it must cost nothing but this line.
if [ "${TENFOLD_BIND:-none}" = core ]; then
    cores=$((${SLURM_CPUS_PER_TASK:-$per_node} / per_node))
    case ${launcher[0]##*/} in
    srun) bound=("${launcher[@]}" --cpu-bind=cores) ;;
    *) bound=("${launcher[0]}" --map-by "ppr:$per_node:node:pe=$cores" --bind-to core ${attached:+"$attached"} -n "$ranks") ;;
    esac
    # A launch may fail for other causes: another job of this user that ends on this node takes the folder away in which Open MPI 4's
    # mpirun makes its own, and Open MPI 5.0.7's now and then waits for ever for a daemon that has ended.
    for _ in 1 2 3; do
        code=0
        words=$(timeout 20 "${bound[@]}" true 2>&1 </dev/null) || code=$?
        [ "$code" != 0 ] || break
    done
    if [ "$code" = 0 ]; then
        launcher=("${bound[@]}")
    else
        words=$(grep '[[:alnum:]]' <<<"$words" | head -n 1)
        say "$ranks ranks of $cores cores cannot be bound, and run unbound: ${words:-${bound[0]} ended with exit code $code and no word}"
    fi
elif [ "${TENFOLD_BIND:-none}" != none ]; then
    give_up 2 "TENFOLD_BIND=$TENFOLD_BIND in $site: give none or core"
fi

# MPICH's mpirun ends with the bare number of the signal that ended a rank, which is also one of our exit codes, and says so in words.
code_of() { # EXIT_CODE
    local signal
    signal=$(tail -c +$((log_before + 1)) "$log" 2>/dev/null |
        sed -n 's/^YOUR APPLICATION TERMINATED WITH THE EXIT STRING: .*(signal \([0-9]*\))$/\1/p' | tail -n 1)
    echo $((signal ? 128 + signal : $1))
}

# A launcher whose ranks never begin (a daemon of mpirun that has ended, a node that does not answer) is ended: then it is one that died
# before MPI was up. A program of its own: it shall not delay a signal. It ends with the launcher: where one of its processes outlives
# the job, Slurm 22.05 keeps the job's cgroup, and fails to start the job with more memory on that node.
# shellcheck disable=SC2016
keep_start='timeout "$1" tail -f --pid="$2" /dev/null
[ $? = 124 ] && [ ! -e "$3" ] || exit 0
echo "tenfold: no rank has begun within $1 s (TENFOLD_START_SECONDS): this start is ended" >&2
kill -TERM "$2"
timeout 10 tail -f --pid="$2" /dev/null
pkill -KILL -P "$2"
kill -KILL "$2"'

launch() { # VERB OPTIONS...: its exit code in $code
    rm -f "$record.begun"
    killed_before=$(kills)
    log_before=$(log_bytes) # a command of its own: bash loses a signal between two substitutions of one command
    if [ "$1" = pilot ]; then # it starts the ranks itself
        launcher=(env "TENFOLD_LAUNCHER=$TENFOLD_LAUNCHER")
        [ ${#container[@]} = 0 ] || give_up 2 "TENFOLD_EXEC: a pilot calls Slurm's programs, which are not in a container: submit without --pilot"
    fi
    TENFOLD_JOB=$id TENFOLD_BEGUN=$record.begun TENFOLD_RANKS=$ranks "${launcher[@]}" "${container[@]}" "$program" "$1" "$run" "${@:2}" &
    child=$!
    sh -c "$keep_start" keep_start "${TENFOLD_START_SECONDS:-600}" "$child" "$record.begun" &
    keeper=$!
    [ -z "$asked$ended" ] || pass_on # came before child was known
    while :; do
        interrupted=""
        wait "$child"
        code=$?
        [ -n "$interrupted" ] || break
        [ $code -gt 128 ] || break # else it was the trap that ended the wait, not the child
    done
    child=""
    pkill -P "$keeper"
    wait "$keeper"
    [ "$code" = 0 ] || code=$(code_of "$code")
    [ -z "$reminder" ] || kill "$reminder" 2>/dev/null
    reminder=""
    ! grep -qs '^published' "$record.begun" || further=yes
    [ "$code" != 0 ] || code=$(sed -n 's/^ended //p' "$record.begun" 2>/dev/null | tail -n 1) # rank 0 knows better than MPICH's mpirun
    code=${code:-0}
}

fail() { # EXIT_CODE HOW: is there another start?
    failures=$((failures + 1))
    [ -z "$further" ] || failures=0
    [ $failures -lt 3 ] || give_up "$1" "$2, the third failure in a row that got no further"
}
elsewhere() { # HOW. Of several nodes only the program's message says which one it is
    fail 8 "$1"
    if [ "$nodes" = 1 ]; then
        avoid=$(scontrol --oneliner show job "$id" | sed -n 's/.* ExcNodeList=\([^ (]*\).*/\1/p')
        avoid=${avoid:+$avoid,}$nodelist
        sinfo --noheader --Node --partition="$SLURM_JOB_PARTITION" --format=%N | grep -qvxF "$(scontrol show hostnames "$avoid")" ||
            give_up 8 "$1, and partition $SLURM_JOB_PARTITION has no other"
    fi
    requeue 8 "$1"
}

judge() { # VERB: of an exit code that is not 0
    local how="$1 ended with exit code $code" crashed=""
    case $code in 134 | 136 | 139) [ ! -e "$record.begun" ] || crashed=yes ;; esac
    [ -z "$ended" ] || end "$code" "$how"
    if [ "$memory" != 0 ] && [ "$1" != pilot ] && lacks_memory "$code"; then more_memory "$how"; fi
    case $code$crashed in
    2 | 4 | 5 | 9 | 70 | 127 | *yes) give_up "$code" "$how" ;;
    esac
    case ${asked:-no}:$code:$1 in
    *:8:*) elsewhere "$how: this node cannot" ;;
    *:7:*) requeue "$code" "$1: another process is at work there" ;;
    yes:* | *:6:train | *:6:trial | *:6:preprocess | *:6:probe | *:6:predict | *:6:distil | *:6:pilot) how="$1 is unfinished" ;;
    *:6:*) give_up "$code" "$how: something is missing" ;;
    esac
    fail "$code" "$how"
    requeue "$code" "$how"
}

if [ -n "$task" ]; then
    first=.${what:0:1}$((task % cells * ${what:1} / cells))
    name=${name%"$first"}$first # since Slurm 23 a job that starts again has the name that it was given here
    scontrol update JobId="$id" JobName="$name" 2>/dev/null # no matter where it is not allowed
fi
say "$name: job $id, start $restarts: $ranks ranks by $TENFOLD_LAUNCHER on $nodelist"
write_record running 0
for command in "$@"; do
    read -ra words <<<"${command//@/$task}"
    optional=""
    case ${words[0]} in -*) optional=yes words[0]=${words[0]#-} ;; esac
    for try in 1 2 3; do
        [ -z "$asked$ended" ] || { code=6 && break; } # between two commands
        launch "${words[@]}"
        while [ "$code" = 8 ] && grep -qs '^published' "$record.begun" && [ -z "$asked$ended" ]; do launch "${words[@]}"; done
        case $code in 0 | [2-9] | 70 | 127) break ;; esac
        [ ! -e "$record.begun" ] || break
        say "${words[0]} died with exit code $code before MPI was up, try $try of 3"
    done
    if [ "$code" != 0 ] && [ -n "$optional" ] && [ -z "$asked$ended" ]; then
        say "${words[0]} ended with exit code $code: nothing needs it, and the job goes on"
        code=0
    fi
    [ "$code" = 0 ] || judge "${words[0]}"
done
rm -f "$record.begun"
write_record "done" 0
[ "$label" != finish ] || say "all done; results in $run"
