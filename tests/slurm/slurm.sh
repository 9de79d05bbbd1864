# slurm.sh - sourced by tests: a Slurm cluster of its own, node1 to node4, for $tenfold from $source, in the current folder.
#
#   slurm_up [options of tests/slurm/cluster up]       skips the test (exit code 77) where that cannot be; ends with the test
#   wait_for 60 "the first checkpoint" test -e FILE    no wait without a bound
#   job=$(submit sbatch options)                       prints the job's id
#   wait_job 60 $job COMPLETED                         until the job is in that state; any other final state is an error
#   wait_for 60 "an empty queue" none_left             until no job waits, runs or completes; `none_left NAME`: none whose name begins so
set -eu
unset OMPI_MCA_pml # ranks choose their transport, as in production
cluster=$source/tests/slurm/cluster

slurm_up() {
    "$cluster" up "$@" || exit $?
    eval "$("$cluster" env)"
    trap '"$cluster" down' EXIT
    # bash runs no trap where a time limit kills it: then this one ends the cluster
    setsid bash -c 'tail --pid=$1 -f /dev/null; "$2" down' keeper $$ "$cluster" </dev/null >/dev/null 2>&1 &
}

wait_for() { # SECONDS WHAT COMMAND...
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ $SECONDS -lt $end ] || { echo "waited in vain for $what" && squeue --all --states=all && return 1; } >&2
        sleep 0.1
    done
}

submit() { sbatch --parsable --requeue --open-mode=append --time=10 "$@"; }

# prints a field that `scontrol show job` calls NAME=VALUE
job_field() { scontrol --oneliner show job "$1" | tr ' ' '\n' | sed -n "s/^$2=//p" | head -n 1; }
job_is() { [ "$(job_field "$1" JobState)" = "$2" ]; }
job_over() { case $(job_field "$1" JobState) in PENDING | RUNNING | COMPLETING | CONFIGURING | REQUEUED | "") false ;; esac }
wait_job() { # SECONDS JOB STATE
    wait_for "$1" "the end of job $2" job_over "$2"
    job_is "$2" "$3" || { scontrol show job "$2" && return 1; } >&2
}

# jobs that end keep their nodes for a moment; an squeue that fails says nothing
none_left() { local jobs; jobs=$(squeue --noheader --format=%j) && ! grep -q -- "^${1-.}" <<<"$jobs"; }

# the text $2 in the file $1, which may not be there yet
says() { grep -qs -- "$2" "$1"; }
