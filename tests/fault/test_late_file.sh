# A network file system shows one rank files late, or the ones that were renamed over: it waits for what rank 0 sees, says so, and
# the bits are the same. Played by a library that hides a file from one rank until that says so.
tenfold=$1 source=$2
. "$source/tests/fault/preload.sh"
. "$source/tests/job/tiny.sh"
cat >late.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#define REAL(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))
/* Does the run's log say that a rank waits for the file? */
static int said(void) {
    char line[4096];
    int found = 0;
    FILE *log = REAL(fopen)(getenv("LATE_LOG"), "r");
    while (log && !found && fgets(line, sizeof line, log)) found = strstr(line, "does not see it yet") != NULL;
    if (log) fclose(log);
    return found;
}
/* Until the log says so, and for more than LATE_SECONDS after the first use, a path that contains LATE_FILE leads to LATE_OLD, or to nothing. */
static const char *now(const char *path) {
    static time_t begin;
    static int over;
    struct timespec t;
    const char *name = getenv("LATE_FILE");
    if (over || !name || !strstr(path, name)) return path;
    clock_gettime(CLOCK_MONOTONIC, &t);
    if (!begin) begin = t.tv_sec;
    over = t.tv_sec - begin > atoi(getenv("LATE_SECONDS")) && said();
    if (over) return path;
    const char *old = getenv("LATE_OLD");
    return old ? old : "/nowhere/at/all";
}
int access(const char *path, int mode) { return REAL(access)(now(path), mode); }
FILE *fopen(const char *path, const char *mode) { return REAL(fopen)(now(path), mode); }
FILE *fopen64(const char *path, const char *mode) { return REAL(fopen64)(now(path), mode); }
int open(const char *path, int flags, ...) {
    va_list a;
    va_start(a, flags);
    int mode = flags & O_CREAT ? va_arg(a, int) : 0;
    va_end(a);
    return REAL(open)(now(path), flags, mode);
}
int open64(const char *path, int flags, ...) {
    va_list a;
    va_start(a, flags);
    int mode = flags & O_CREAT ? va_arg(a, int) : 0;
    va_end(a);
    return REAL(open64)(now(path), flags, mode);
}
C
cc -shared -fPIC -o late.so late.c -ldl
# a wrapper, as Open MPI 5.0.7's mpirun crashes where ranks have command lines of their own
cat >from_rank_1 <<'SH'
#!/bin/bash
[ "${OMPI_COMM_WORLD_RANK-$PMI_RANK}" = 0 ] || export LD_PRELOAD=$LATE_SO
exec "$@"
SH
chmod +x from_rank_1
late() { # FILE SECONDS OLD VERB [options]: rank 1 does not see FILE until the log says that it waits, and SECONDS have passed
    file=$1 seconds=$2 old=$3
    shift 3
    env LATE_SO=$PWD/late.so LATE_LOG=$PWD/log LATE_FILE=$file LATE_SECONDS=$seconds ${old:+LATE_OLD=$old} \
        timeout 200 mpirun -n 2 ./from_rank_1 "$tenfold" "$@" >log 2>&1 || { cat log; exit 1; }
    cat log
}
short="--set train.images=1280 --set train.warmup_images=0 --set train.evaluations=2"
mpirun -n 2 "$tenfold" preprocess tiny.cfg --run whole >log 2>&1
mkdir late && cp -r whole/shards whole/folds late/
for round in 0 1; do
    mpirun -n 2 "$tenfold" train tiny.cfg --run whole --round $round --folds 0-2 $short >log 2>&1 || { cat log; exit 1; }
    [ $round = 1 ] || "$tenfold" filter tiny.cfg --run whole $short 2>log || { cat log; exit 1; }
done
"$tenfold" predict tiny.cfg --run whole --round 0 --folds 0 $short 2>log || { cat log; exit 1; }

cell=train/r0-f0-s32-x1
late shard-00002.h5 0 "" train tiny.cfg --run late --folds 0 $short
grep -q "shard-00002.h5: another process published it, but .* does not see it yet" log
cmp late/$cell/posteriors.h5 whole/$cell/posteriors.h5

# the checkpoint: rank 0 reads it for all; another rank, which would see an older one, or none, never looks
rm -r late/train
mpirun -n 2 "$tenfold" train tiny.cfg --run late --folds 0 --set train.checkpoint_seconds=1e-6 $short >log 2>&1 &
for _ in $(seq 6000); do [ -e late/$cell/checkpoint.safetensors ] && break; sleep 0.02; done
cp late/$cell/checkpoint.safetensors old.safetensors
for _ in $(seq 6000); do [ -s late/$cell/journal.jsonl ] && break; sleep 0.02; done
pkill -KILL -P $! -x tenfold
wait $! && exit 1
cmp -s old.safetensors late/$cell/checkpoint.safetensors && exit 1
cp -r late/train half
for seen in $PWD/old.safetensors ""; do
    rm -r late/train && cp -r half late/train
    late checkpoint.safetensors 1000 "$seen" train tiny.cfg --run late --folds 0 $short
    grep -q "goes on after" log
    if grep "does not see it yet" log; then exit 1; fi
    cmp late/$cell/posteriors.h5 whole/$cell/posteriors.h5
done

# what other jobs have just made: the model to predict with, the overlay to train with
# the wait is longer than what is taken for a hang, and is none
late best.safetensors 11 "" predict tiny.cfg --run late --round 0 --folds 0 $short --set train.hang_seconds=3
cmp late/predict/r0-f0-s32-x1/predictions.h5 whole/predict/r0-f0-s32-x1/predictions.h5
cp -r whole/filter late/
cp -r whole/train/r0-f1-s32-x1 whole/train/r0-f2-s32-x1 late/train/
late overlay-f0.h5 0 "" train tiny.cfg --run late --round 1 --folds 0 $short
cmp late/train/r1-f0-s32-x1/best.safetensors whole/train/r1-f0-s32-x1/best.safetensors

# the job file: rank 0 reads it, whatever another rank would see; what is wrong with it is said once, and names no rank
sed 's/learning_rate = 0.006/learning_rate = 0.5/' tiny.cfg >edited.cfg
cp -r whole/shards whole/folds late/ && rm -r late/train
late tiny.cfg 1000 $PWD/edited.cfg train tiny.cfg --run late --folds 0 $short
cmp late/$cell/posteriors.h5 whole/$cell/posteriors.h5
echo 'train: { lerning_rate = 1.0; };' >wrong.cfg
code=0
mpirun -n 2 "$tenfold" train wrong.cfg --run late >log 2>&1 || code=$?
test $code = 2
test "$(grep -c '^tenfold: error: wrong.cfg:1: unknown key train.lerning_rate' log)" = 1

# the weights that training begins from: of these, too, rank 0 sends what it reads
cp whole/train/r0-f1-s32-x1/best.safetensors weights.safetensors
cp whole/train/r0-f2-s32-x1/best.safetensors old.safetensors
begun="train tiny.cfg --folds 0 $short --set model.pretrained=weights.safetensors"
rm -r late/train
mkdir begun && cp -r whole/shards whole/folds begun/
mpirun -n 2 "$tenfold" $begun --run begun >log 2>&1 || { cat log; exit 1; }
late weights.safetensors 1000 $PWD/old.safetensors $begun --run late
cmp late/$cell/posteriors.h5 begun/$cell/posteriors.h5

# the table that shards are made from; the tables and predictions that ranks reduce in blocks
mpirun -n 2 "$tenfold" predict tiny.cfg --run whole --round 0 --folds 1-2 $short >log 2>&1 || { cat log; exit 1; }
reduced="reduce tiny.cfg $short --set self.max_rounds=0"
mpirun -n 2 "$tenfold" $reduced --run whole >log 2>&1 || { cat log; exit 1; }
awk -F, -v OFS=, 'NR > 1 && $2 == "disc" && n++ < 20 { $2 = "square" } 1' data/metadata.csv >old.csv
late metadata.csv 0 $PWD/old.csv preprocess tiny.cfg --run table
grep -q "metadata.csv: .* does not see it yet" log
for file in shards/dataset.h5 folds/folds.h5; do cmp table/$file whole/$file; done
cp old.csv data/metadata.csv
"$tenfold" preprocess tiny.cfg --run old 2>log || { cat log; exit 1; }
cp whole/predict/r0-f2-s32-x1/predictions.h5 old/
for name in shards/dataset folds/folds predictions; do
    rm -rf late && mkdir late
    cp -r whole/shards whole/folds whole/train whole/predict whole/filter late/
    late $name.h5 0 $PWD/old/$name.h5 $reduced --run late
    grep -q "$name.h5: .* does not see it yet" log
    for made in submission.csv metrics.json ensemble.h5; do cmp late/$made whole/$made; done
done
