# Faults of an emulated GPU: the right exit code, and what was published goes on to the bits of an undisturbed training.
tenfold=$1 source=$2
. "$source/tests/gpu/tiny.sh"
must mpirun -n 1 "$TN_GPU" preprocess tiny.cfg --run gpu
must "$TN_GPU" train tiny.cfg --run gpu --folds 0 $cuda

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
