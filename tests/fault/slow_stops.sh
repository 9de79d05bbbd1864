# A hundred single stop signals, each at a random time, to a training in fp32 at a size where oneDNN borrows the stack pointer: a hundred
# times exit code 6 and nothing else, and then the bits of a run that was not disturbed. The seed of the times is printed.
#   slow_stops.sh TENFOLD SOURCE [STOPS [SEED]]
tenfold=$1 source=$2 stops=${3:-100} seed=${4:-$RANDOM}
. "$source/tests/job/tiny.sh"
RANDOM=$seed
echo "seed $seed"
cell=train/r0-f0-s96-x1
settings="--folds 0 --set model.width=0 --set model.depth=0 --set model.stem_stride=2 --set train.sizes_px=[96] --set train.images=320
    --set train.warmup_images=0 --set train.evaluations=2 --set train.checkpoint_seconds=1e-6" # small images, whole widths
train() { "$tenfold" train tiny.cfg --run $1 $settings >log 2>&1 || { cat log; exit 1; }; }
"$tenfold" preprocess tiny.cfg --run whole --set preprocess.size_px=120 >log 2>&1 || { cat log; exit 1; }
sed -i 's/size_px = 40/size_px = 120/' tiny.cfg
cp -r whole stopped
SECONDS=0
train whole
echo "undisturbed: $SECONDS s"
declare -A ends
while [ ${ends[6]-0} -lt $stops ]; do
    "$tenfold" train tiny.cfg --run stopped $settings >log 2>&1 &
    pid=$!
    until grep -q '^SigBlk:.*[4-7c-f]...$' /proc/$pid/status 2>/dev/null; do sleep 0.01; done
    sleep $((RANDOM % 3)).$((RANDOM % 10))
    kill -TERM $pid 2>/dev/null || true # it may have ended by itself: exit code 0, and that is no stop
    code=0
    wait $pid || code=$?
    ends[$code]=$((${ends[$code]-0} + 1))
    [ $code = 6 ] || [ $code = 0 ] || { cat log; exit 1; }
    [ $code = 6 ] || { cmp stopped/$cell/posteriors.h5 whole/$cell/posteriors.h5 && rm -r stopped/train; }
done
for code in "${!ends[@]}"; do echo "exit code $code: ${ends[$code]} times"; done
train stopped
cmp stopped/$cell/posteriors.h5 whole/$cell/posteriors.h5
test "$("$tenfold" weights digest stopped/$cell/best.safetensors)" = "$("$tenfold" weights digest whole/$cell/best.safetensors)"
test "$(journal_of stopped/$cell)" = "$(journal_of whole/$cell)"
echo "the same bits as undisturbed"
