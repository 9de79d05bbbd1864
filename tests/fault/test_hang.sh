# A rank that stands still for ever (SIGSTOP: what a hung node or file system does to it) ends the run with a message that says what each
# rank was doing, exit code 6, and nothing lost. A job that is suspended as a whole is not ended.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
sed -i 's/images = 2400/images = 640/; s/evaluations = 3/evaluations = 1/; s/warmup_images = 200/warmup_images = 0/' tiny.cfg
"$tenfold" preprocess tiny.cfg --run whole >log 2>&1 || { cat log; exit 1; }
mkdir hung suspended && cp -r whole/shards whole/folds hung/ && cp -r whole/shards whole/folds suspended/
cell=train/r0-f0-s32-x1
"$tenfold" train tiny.cfg --run whole --folds 0 >log 2>&1 || { cat log; exit 1; }

begin() { # RUN FOLD OPTIONS: two ranks, past the first checkpoint of FOLD; $launcher, $ranks
    checkpoint=$1/train/r0-f$2-s32-x1/checkpoint.safetensors
    mpirun -n 2 "$tenfold" train tiny.cfg --run $1 "${@:3}" --set train.checkpoint_seconds=1e-6 --set train.hang_seconds=3 >log 2>&1 &
    launcher=$!
    for _ in $(seq 600); do [ -e $checkpoint ] && break; sleep 0.1; done
    ranks=$(ranks_of $launcher)
    [ $(echo $ranks | wc -w) = 2 ]
}
begin hung 0 --folds 0
stopped=$(echo $ranks | cut -d' ' -f2)
kill -STOP $stopped
code=0
wait $launcher || code=$?
cat log
test $code = 6
grep -q "^tenfold: rank 0, process [0-9]*: in r0-f0-s32-x1 at [0-9]*, waits for .* (sleeping\|running)$" log
grep -q "^tenfold: rank [01], process $stopped: in .* (stopped)$" log
grep -q "^tenfold: error: no rank on .* has made progress for 3 s (train.hang_seconds)" log
for _ in $(seq 100); do kill -0 $stopped 2>/dev/null || break; sleep 0.1; done
if kill -0 $stopped 2>/dev/null; then echo "the stopped rank is still there" && exit 1; fi
test ! -e hung/$cell/DONE
mpirun -n 2 "$tenfold" train tiny.cfg --run hung --folds 0 >log 2>&1 || { cat log; exit 1; }
grep -q "goes on after" log
cmp hung/$cell/posteriors.h5 whole/$cell/posteriors.h5

begin suspended 0 --folds 0
kill -STOP $ranks
sleep 6
kill -CONT $ranks
wait $launcher || { cat log; exit 1; }
cmp suspended/$cell/posteriors.h5 whole/$cell/posteriors.h5

# a rank whose fold is done waits for that of another: it does not hide that this one stands still
mkdir groups && cp -r whole/shards whole/folds groups/
mkdir groups/train && cp -r whole/$cell groups/train/
begin groups 1 --folds 0-1 --ranks-per-fold 1
for rank in $ranks; do tr '\0' '\n' <"/proc/$rank/environ" | grep -q "^\(OMPI_COMM_WORLD_RANK\|PMI_RANK\)=1$" && kill -STOP "$rank"; done
code=0
wait $launcher || code=$?
cat log
test $code = 6
grep -q "^tenfold: rank 1, process [0-9]*: in r0-f1-s32-x1 at .* (stopped)$" log
grep -q "^tenfold: error: no rank on .* has made progress for 3 s (train.hang_seconds)" log
