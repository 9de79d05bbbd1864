# site.env is any bash: whatever it does, the job has a record and a message, and its settings reach the ranks. Stand-ins for mpirun
# and Slurm; no cluster is needed.
source=$2
set -eu
mkdir -p bin run/slurm run/log
cat >bin/mpirun <<'SH'
#!/bin/bash
[ ! -e verdict ] || [ "$1" = --version ] || cat verdict >"$TENFOLD_BEGUN"
[ "$1" != --version ] || { cat version 2>/dev/null; exit 0; }
echo "${0##*/} $*" >words
printf '%s\n' "${A-none}|${SLURM_MEM_PER_CPU-none}|$(umask)|$(ulimit -S -n)|${PWD##*/}" >ranks
SH
echo : | tee bin/squeue >bin/scontrol
chmod +x bin/*
job() { # SITE_ENV, in the words of printf: exit code and the job's output in `log`
    rm -f run/slurm/* ranks
    printf "$1" >site.env
    code=0
    env -u PS1 -u LD_PRELOAD PATH="$PWD/bin:$PATH" SLURM_JOB_ID=7 SLURM_JOB_NUM_NODES=1 SLURM_JOB_NAME=r.train SLURM_JOB_NODELIST=node \
        SLURM_MEM_PER_CPU=1 A=before timeout 20 "$source/slurm/stage.sh" program "${site-$PWD/site.env}" "$PWD/run" train f1/0 1 train >log 2>&1 || code=$?
}
wrong() { echo "site.env: $text: exit code $code, wanted $*" && cat log run/slurm/* ranks 2>/dev/null && exit 1; } >&2
goes() { # SITE_ENV [RANKS]: all is done; what the ranks saw
    text=$1
    job "$1"
    [ $code = 0 ] || wrong 0
    [ "$(sed -n 's/^state //p' run/slurm/train)" = "done" ] || wrong "a record that says done"
    [ $# = 1 ] || [ "$(cat ranks)" = "$2" ] || wrong "$2"
}
ends() { # SITE_ENV TEXT: never reached the ranks; record and message say why
    text=$1
    job "$1"
    [ $code = 2 ] || wrong 2
    [ "$(sed -n 's/^\(state\|exit_code\) //p' run/slurm/train | tr '\n' ' ')" = "failed 2 " ] || wrong "a record that says failed 2"
    grep -q "^tenfold: .*$2" log || wrong "$2"
    [ ! -e ranks ] || wrong "no ranks"
}
mask=$(umask) files=$(ulimit -S -n)
here=${PWD##*/}
plain="before|1|$mask|$files|$here"

goes '' "$plain"
goes 'keep="$LD_PRELOAD" ask="$PS1"\n' "$plain" # Lmod, conda: unset variables
goes 'set -- compiler=latest\nshift 5\n:' "$plain" # oneAPI
goes '[ -z "$*" ] || exit 9\n' "$plain"
goes 'export A="two  words\n and a line" B=\nA=${A%%%% and*}\n' "two  words
|1|$mask|$files|$here"
goes 'export A=x\nunset SLURM_MEM_PER_CPU\numask 0027\nulimit -n 99\ncd /\nIFS=,\n' "x|none|0027|99|$here"
goes 'run=/nowhere label=x code=9 record=/dev/full program=false\nexport failures=x theirs=y\nsay() { exit 9; }\n' "$plain"
goes 'set -u -o pipefail\ntrap "exit 9" USR1\nexport A=strict\n' "strict|1|$mask|$files|$here"
goes 'export A=1\nreturn 3\nexport A=2\n' "1|1|$mask|$files|$here"
grep -q "^tenfold: .*site.env ends with status 3; the job goes on" log || wrong "the status is said"
goes 'read -r x\nexport A=${x:-nothing}\n' "nothing|1|$mask|$files|$here" # asks on standard input
goes 'sleep 60 &\necho $! >daemon\necho out; echo err >&2\n' "$plain" # is not waited for
kill "$(cat daemon)"
grep -q "^out" log && grep -q "^err" log || wrong "what site.env prints"
goes 'export PATH=/nowhere:$PWD/bin\n' # this script finds its commands all the same
goes '\xef\xbb\xbfexport A=windows\r\nTENFOLD_LAUNCHER=mpirun\r\nif true; then\r\n    A=$A-too\r\nfi\r\n' "windows-too|1|$mask|$files|$here"

ends 'exit 0\n' "site.env ended the shell that reads it, with status 0"
ends 'export A=1\nexit 5\n' "with status 5"
ends 'exec true\n' "with status 0"
ends 'set -e\ngrep -q nothing /dev/null\n' "with status 1: by exit, by exec, or by a command that failed after set -e"
ends 'set -u\necho $not_there\n' "site.env ended the shell"
ends 'kill -KILL $$\n' "with status 137"
ends 'if true; then\n' "site.env is no bash"
grep -q "site.env: line 2: syntax error" log || wrong "the line"
ends 'x=1\r\nfi\r\n' "site.env is no bash"
ends 'TENFOLD_LAUNCHER=aprun' "TENFOLD_LAUNCHER=aprun in .*: give mpirun, mpiexec or srun"
site=$PWD/gone.env ends '' "gone.env cannot be read on"

# what starts the ranks: the site's words, and those that its MPI needs
cp bin/mpirun bin/srun
cp bin/mpirun bin/mpiexec.hydra
starts() { # SITE_ENV WORDS
    goes "$1"
    [ "$(cat words)" = "$2 program train $PWD/run" ] || { cat words && wrong "$2"; }
}
starts '' "mpirun --bind-to none -n 1"
starts 'TENFOLD_LAUNCHER=mpiexec.hydra' "mpiexec.hydra --bind-to none -n 1"
starts 'TENFOLD_LAUNCHER="mpirun -bind-to core"' "mpirun -bind-to core -n 1"
echo "mpirun (Open MPI) 5.0.7" >version
starts '' "mpirun --bind-to none --leave-session-attached -n 1"
each="--kill-on-bad-exit=1 --ntasks=1 --ntasks-per-node=1 --cpus-per-task=1"
starts 'TENFOLD_LAUNCHER=srun' "srun --mpi=pmix $each"
starts 'TENFOLD_LAUNCHER="srun --mpi=pmi2 --cpu-bind=none"' "srun --mpi=pmi2 --cpu-bind=none $each"

# a launcher that ends with 0 where rank 0 ended otherwise
printf 'published\nended 6\n' >verdict
job ''
[ $code = 6 ] || wrong 6
grep -q "^tenfold: train is unfinished: job 7 is queued again" log || wrong "queued again"
printf 'ended 0\n' >verdict
goes ''
