# What surrounds the program: a machine without ssh, standard files that are closed, a standard output that is full.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
small="--set train.images=128 --set train.evaluations=1 --set train.warmup_images=0 --set self.max_rounds=0"

# --- no ssh, as in many containers: mpirun looks for it although all ranks are here
mkdir bin
for program in mpirun orterun orted prte prterun bash sh; do
    there=$(command -v $program) && ln -s "$there" bin/
done
bash=$(command -v bash)
PATH=$PWD/bin "$bash" -c 'command -v ssh || command -v rsh' && exit 1
PATH=$PWD/bin "$tenfold" run tiny.cfg --run no-ssh $small >log 2>&1 || { cat log; exit 1; }
test -s no-ssh/submission.csv

# --- closed standard files, as services leave them: what is printed goes nowhere, least of all into the lock of the run
closed() { # RUN REDIRECTIONS
    code=0
    eval "\"$tenfold\" run tiny.cfg --run $1 $small $2" || code=$?
    test $code = 0 || { echo "$2: exit code $code"; exit 1; }
    cmp no-ssh/submission.csv $1/submission.csv
}
closed closed-2 "2>&-" >log
closed closed-12 ">&- 2>&-"
closed closed-012 "<&- >&- 2>&-"

# --- a full standard output: what is printed there is the result, and half of it looks whole
full() { # COMMAND...
    code=0
    "$@" >/dev/full 2>log || code=$?
    if [ $code != 3 ] || ! grep -q "tenfold: error: .* written.*\(No space left\|disk full\)" log; then
        echo "$*: exit code $code"
        cat log
        exit 1
    fi
}
weights=no-ssh/train/r0-f0-s32-x1/best.safetensors
full "$tenfold" weights digest $weights
full "$tenfold" weights describe efficientnet-b0
full "$tenfold" check tiny.cfg
full "$tenfold" check --reference
full "$tenfold" submit tiny.cfg --run queued --dry-run
full "$tenfold" status no-ssh
full "$tenfold" report no-ssh
full "$tenfold" filter --diff no-ssh/ledger.csv no-ssh/ledger.csv
full "$tenfold" train --help
# a reader that leaves is no failure
set -o pipefail
for _ in 1 2 3; do "$tenfold" check --reference | { read -r _; sleep 0.1; } || test $? = 141; done
