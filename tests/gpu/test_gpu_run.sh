# The whole program on an emulated GPU (tests/gpu/emu.h): src/dev/cuda as it is, cuDNN's own plans, executed on the CPU. From images to the report,
# on 1 and 2 ranks; where there is no GPU; memory.
tenfold=$1 source=$2
. "$source/tests/gpu/tiny.sh"

# from images to the report; on two ranks the bits of one
must "$TN_GPU" run tiny.cfg --run gpu $cuda --ranks 1
test -s gpu/report/report.html
must "$TN_GPU" run tiny.cfg --run two $cuda --ranks 2
grep -q "rank 1 of this node takes GPU 0 of the 1 that it sees" two/log/train-*
digest_of_run gpu >gpu.digest
digest_of_run two >two.digest
cmp gpu.digest two.digest

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
