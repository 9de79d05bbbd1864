# The whole program on an emulated GPU (tests/gpu/emu.h): src/dev/cuda as it is, cuDNN's own plans, executed on the CPU. From images to the report,
# beside the device `cpu`, on 1 and 2 ranks, after faults, and where there is no GPU.
tenfold=$1 source=$2
[ -n "${TN_GPU-}" ] || { echo "CUDA's headers or cuDNN are not there" && exit 77; }
. "$source/tests/job/tiny.sh"
rm -r data && "$TN_MAKE_IMAGES" data 72 0.15 # few: an emulated GPU is slow
sed -i "s/images = 2400/images = 64/; s/warmup_images = 200/warmup_images = 16/; s/evaluations = 3/evaluations = 2/; s/sizes_px = \[ 32 \]/sizes_px = [ 16 ]/
    s/lanes = 4; lane_images = 8/lanes = 4; lane_images = 4/" tiny.cfg
cuda="--set train.device=cuda"
cell=train/r0-f0-s16-x1
must() { "$@" >log 2>&1 || { cat log; exit 1; }; }
fails() { # CODE WORDS COMMAND...
    local wanted=$1 words=$2 code=0
    shift 2
    "$@" >log 2>&1 || code=$?
    [ $code = "$wanted" ] && grep -q -- "$words" log || { echo "$*: exit code $code, wanted $wanted and: $words" && cat log && exit 1; } >&2
}
losses() { sed -n 's/.*"loss":\([0-9.]*\).*/\1/p' "$1/$cell/journal.jsonl"; }
near() { # BOUND RUN RUN: the losses of two runs, after two steps and after four, where differences have grown
    paste <(losses "$2") <(losses "$3") | awk -v bound="$1" '{ d = $1 / $2 - 1; if (d < 0) d = -d; n += d <= NR * NR * bound } END { exit !(NR == 2 && n == 2) }' ||
        { echo "losses: $(losses "$2" | tr '\n' ' ') and $(losses "$3" | tr '\n' ' ')" && exit 1; } >&2
}

# from images to the report; on two ranks the bits of one
must "$TN_GPU" run tiny.cfg --run gpu $cuda --ranks 1
test -s gpu/report/report.html
must "$TN_GPU" run tiny.cfg --run two $cuda --ranks 2
grep -q "rank 1 of this node takes GPU 0 of the 1 that it sees" two/log/train-*
digest_of_run gpu >gpu.digest
digest_of_run two >two.digest
cmp gpu.digest two.digest

# beside `cpu`, in fp32 and bf16, with another order of sums and threads
for more in "" "--set train.precision=bf16"; do
    rm -rf near far other
    mkdir near far other
    for run in near far other; do cp -r gpu/shards gpu/folds $run/; done
    must "$tenfold" train tiny.cfg --run near --folds 0 $more
    must "$TN_GPU" train tiny.cfg --run far --folds 0 $cuda $more
    must env TN_EMU_SEED=7 "$TN_GPU" train tiny.cfg --run other --folds 0 $cuda $more
    bound=1e-3
    [ -z "$more" ] || bound=2e-2
    near $bound near far
    near $bound near other
    cmp -s far/$cell/posteriors.h5 other/$cell/posteriors.h5 && { echo "another order of sums has the same bits" && exit 1; }
done

# lanes of a number of images that fills no vector
mkdir odd
cp -r gpu/shards gpu/folds odd/
for more in "" "--set train.precision=bf16"; do
    rm -rf odd/train
    must "$TN_GPU" train tiny.cfg --run odd --folds 0 $cuda --set train.lane_images=3 --set train.images=24 $more
done

# a call that fails ends the process with the right exit code; what was published goes on to the bits of an undisturbed run
mkdir fault
cp -r gpu/shards gpu/folds fault/
train=("$TN_GPU" train tiny.cfg --run fault --folds 0 --set train.device=cuda --set train.checkpoint_seconds=1e-6)
fails 5 "memory" env TN_EMU_FAIL="malloc 3" "${train[@]}"
fails 5 "MiB are needed" env TN_EMU_FAIL="malloc 60" "${train[@]}"
fails 70 "GPU 0 (emulated H100): .* failed: unspecified launch failure" env TN_EMU_FAIL="launch 40" "${train[@]}"
fails 70 "a download failed\|an upload failed" env TN_EMU_FAIL="copy 30" "${train[@]}"
fails 2 "cuDNN [0-9]* has no deterministic engine in fp32 on emulated H100 for the .* of a convolution" env TN_EMU_FAIL="plan 14+" "${train[@]}"
fails 8 "rank 1 .* is/are busy or unavailable: the GPU is lost" mpirun -n 1 "${train[@]}" : -n 1 env TN_EMU_FAIL="lost 12" "${train[@]}"
fails 8 "uncorrectable ECC error encountered: the GPU is lost" env TN_EMU_FAIL="wait 80" "${train[@]}"
test -e fault/$cell/checkpoint.safetensors
fails 70 "a convolution failed in cuDNN: CUDNN_STATUS_EXECUTION_FAILED" env TN_EMU_FAIL="execute 150" "${train[@]}"
# an engine is refused, and the next one taken
must env TN_EMU_FAIL="plan 1" "${train[@]}"
grep -q "goes on after" log
cmp gpu/$cell/posteriors.h5 fault/$cell/posteriors.h5

# no GPU; a program without CUDA; a job file is checked where there is neither
mkdir none
cp -r gpu/shards gpu/folds none/
fails 8 "this node has no NVIDIA GPU" env TN_EMU_GPUS=0 "$TN_GPU" train tiny.cfg --run none --folds 0 $cuda
fails 2 "built without CUDA" "$tenfold" train tiny.cfg --run none --folds 0 $cuda
must "$tenfold" check tiny.cfg --run none $cuda
fails 2 "check --time forecasts training on processors only" "$tenfold" check tiny.cfg --run none $cuda --time

# the memory that `check` predicts for a GPU is within 10 % of what is allocated, for a real net; a GPU with too little is refused before
for more in "--set train.precision=bf16" "--set train.precision=fp32"; do
    # shellcheck disable=SC2206
    big=(tiny.cfg --run none $cuda --set train.sizes_px=[64] --set train.lane_images=256 --set train.lanes=1 --set train.images=512 --set model.width=1 --set model.depth=1 $more)
    must "$tenfold" check "${big[@]}"
    predicted=$(sed -n 's/^# GPU memory at 64 px: .*, with all of them \([0-9]*\) MiB.*/\1/p' log)
    rm -rf none/train
    fails 9 "not finite" env TN_EMU_DRY=1 TN_EMU_PEAK=peak "$TN_GPU" train "${big[@]}" --folds 0
    awk -v predicted="$predicted" '{ share = predicted * 1048576 / $1; print "predicted and allocated: " predicted, $1 / 1048576; exit !(share > .9 && share < 1.1) }' peak
    fails 2 "needs .* MiB of GPU memory, but .* MiB are free" env TN_EMU_MIB=$((predicted - 1)) "$TN_GPU" train "${big[@]}" --folds 0
done
