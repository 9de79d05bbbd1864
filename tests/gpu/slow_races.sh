# A whole run on an emulated GPU whose kernels are watched for races (tests/gpu/races.cpp), with either optimiser.
tenfold=$1 source=$2
[ -n "${TN_GPU_RACES_RUN-}" ] || { echo "not with sanitizers" && exit 77; }
. "$source/tests/job/tiny.sh"
sed -i "s/images = 2400/images = 64/; s/warmup_images = 200/warmup_images = 16/; s/evaluations = 3/evaluations = 2/; s/sizes_px = \[ 32 \]/sizes_px = [ 16 ]/
    s/lanes = 4; lane_images = 8/lanes = 4; lane_images = 4/" tiny.cfg
"$tenfold" preprocess tiny.cfg --run run >log 2>&1
for optimizer in sgd adamw; do
    cp -r run $optimizer
    "$TN_GPU_RACES_RUN" train tiny.cfg --run $optimizer --folds 0 --set train.device=cuda --set train.precision=bf16 \
        --set train.optimizer=$optimizer >log 2>&1 ||
        { cat log && exit 1; }
done
