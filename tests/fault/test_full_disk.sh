# A disk that fills up while preprocessing and training: exit code 3 that names the file, nothing half-published, and the run
# goes on when there is room. On a small tmpfs where one can be mounted; elsewhere skipped.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
mkdir small
mount -t tmpfs -o size=700k tmpfs small 2>/dev/null || { echo "skipped: no tmpfs can be mounted here"; exit 77; }
trap 'umount small' EXIT
code=0
"$tenfold" preprocess tiny.cfg --run small/run --set preprocess.store=raw >log 2>&1 || code=$?
cat log
test $code = 3
grep -q "small/run/shards/shard-.*: .*No space left on device" log
test ! -e small/run/shards/DONE
rm -r small/run

mount -o remount,size=8m small
"$tenfold" preprocess tiny.cfg --run small/run >log 2>&1 || { cat log; exit 1; }
head -c $(($(df --output=avail -k small | tail -n 1) * 1024 - 40000)) /dev/zero >small/filler
code=0
"$tenfold" train tiny.cfg --run small/run --folds 0 >log 2>&1 || code=$?
cat log
test $code = 3
grep -q "No space left on device\|disk full" log
test ! -e small/run/train/r0-f0-s32-x1/DONE
test ! -e small/run/train/r0-f0-s32-x1/checkpoint.safetensors
rm small/filler
"$tenfold" train tiny.cfg --run small/run --folds 0 >log 2>&1 || { cat log; exit 1; }
test -e small/run/train/r0-f0-s32-x1/DONE

# every number of ranks, at every place where the room may end: nothing is published that the disk did not take, and no rank waits
mount -o remount,size=40m small
short="--set train.images=64 --set train.warmup_images=0 --set train.evaluations=1"
rm -r small/run/train
mpirun -n 2 "$tenfold" train tiny.cfg --run small/run --folds 0 $short >log 2>&1 || { cat log; exit 1; }
cell=small/run/train/r0-f0-s32-x1
md5sum $cell/posteriors.h5 >undisturbed
for ranks in 1 2 3 4; do
    for kb in 0 8 400; do
        rm -r small/run/train
        head -c $((($(df --output=avail -k small | tail -n 1) - kb) * 1024)) /dev/zero >small/filler
        code=0
        timeout -s KILL 120 mpirun -n $ranks "$tenfold" train tiny.cfg --run small/run --folds 0 $short >log 2>&1 || code=$?
        rm small/filler
        test $code = 3 || { cat log; exit 1; }
        grep -q "No space left on device\|disk .*full" log
        test ! -e $cell/DONE
        test -z "$(find small/run -name '*.tmp')"
    done
    mpirun -n $ranks "$tenfold" train tiny.cfg --run small/run --folds 0 $short >log 2>&1 || { cat log; exit 1; }
    md5sum -c --quiet undisturbed
done

# the later stages, with a little more room each time: HDF5 once crashed at its end after a file that could not be closed
refused_for_room() { # FOLDER VERB [options]: exit code 3 or, where the room is enough, 0
    folder=$1
    shift
    "$tenfold" "$@" tiny.cfg --run small/run $short >log 2>&1 || { cat log; exit 1; }
    (cd small/run/$folder && find . -type f ! -name DONE -exec md5sum {} +) >undisturbed
    for kb in 0 4 12 40; do
        rm -rf small/run/$folder
        rm -f small/run/ensemble.h5
        head -c $((($(df --output=avail -k small | tail -n 1) - kb) * 1024)) /dev/zero >small/filler
        code=0
        "$tenfold" "$@" tiny.cfg --run small/run $short >log 2>&1 || code=$?
        cat log
        test $code = 3 || { test $code = 0 && test $kb != 0; }
        test $code = 0 || grep -q "No space left on device\|disk .*full" log
        test -z "$(find small/run -name '*.tmp')"
        rm small/filler
        "$tenfold" "$@" tiny.cfg --run small/run $short >log 2>&1 || { cat log; exit 1; }
        (cd small/run/$folder && md5sum -c --quiet) <undisturbed
    done
}
mount -o remount,size=40m small
short="--set train.images=64 --set train.warmup_images=0 --set train.evaluations=1"
rm -r small/run/train
"$tenfold" train tiny.cfg --run small/run $short >log 2>&1 || { cat log; exit 1; }
refused_for_room filter filter
short="$short --set self.max_rounds=0"
refused_for_room predict predict
refused_for_room reduce reduce
refused_for_room report report
