# Threads that the environment does not give: exit code 2 and what to set, before anything is computed.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
short="--set train.images=64 --set train.warmup_images=0 --set train.evaluations=1 --set train.lane_threads=2"
"$tenfold" preprocess tiny.cfg --run run $short >log 2>&1 || { cat log; exit 1; }
refused() { # TEXT, in the environment of the call
    code=0
    "$tenfold" train tiny.cfg --run run --folds 0 $short >log 2>&1 || code=$?
    cat log
    test $code = 2
    grep -qF -- "$1" log
    test ! -e run/train/r0-f0-s32-x1/DONE
}
(export OMP_THREAD_LIMIT=1 && refused "OpenMP gives 1 of 2 threads to a device (train.lane_threads): the environment variable OMP_THREAD_LIMIT")
(export OMP_STACKSIZE=64k && refused "KiB of stack left and needs 256 KiB: set the environment variable OMP_STACKSIZE to 1M or more")
(ulimit -Ss 240 && refused "KiB of stack left and needs 256 KiB: set the environment variable OMP_STACKSIZE to 1M or more")
(ulimit -s 240 && refused "the stack may have 240 KiB and needs 2048: set \`ulimit -Hs\` and \`ulimit -s\` to 2048 or more")
OMP_THREAD_LIMIT=2 "$tenfold" train tiny.cfg --run run --folds 0 $short >log 2>&1 || { cat log; exit 1; }
