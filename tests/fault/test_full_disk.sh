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
grep -q "small/run/shards/shard-.*: .*disk full" log
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
