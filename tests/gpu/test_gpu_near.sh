# Training on an emulated GPU beside the device `cpu`, in fp32 and bf16.
tenfold=$1 source=$2
. "$source/tests/gpu/tiny.sh"
must mpirun -n 1 "$TN_GPU" preprocess tiny.cfg --run gpu
losses() { sed -n 's/.*"loss":\([0-9.]*\).*/\1/p' "$1/$cell/journal.jsonl"; }
near() { # BOUND RUN RUN: the losses of two runs, after two steps and after four, where differences have grown
    paste <(losses "$2") <(losses "$3") | awk -v bound="$1" '{ d = $1 / $2 - 1; if (d < 0) d = -d; n += d <= NR * NR * bound } END { exit !(NR == 2 && n == 2) }' ||
        { echo "losses: $(losses "$2" | tr '\n' ' ') and $(losses "$3" | tr '\n' ' ')" && exit 1; } >&2
}

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
