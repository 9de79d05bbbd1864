# tests/gpu/bundle and the first half of tests/gpu/proof, on the emulated GPU: with an emptied environment, all is right; without a GPU it is
# skipped, with the reason; what is missing or damaged fails.
tenfold=$1 source=$2
set -eu
[ -n "${TN_GPU-}" ] || { echo "CUDA's headers or cuDNN are not there" && exit 77; }
command -v ompi_info >/dev/null || { echo "the bundle wants Open MPI, and ompi_info is not there" && exit 77; }
build=$(dirname "$tenfold")
cudnn=$(ldd "$TN_GPU" | awk '/libcudnn\.so/ { print $3 }')
must() { "$@" >log 2>&1 || { cat log && exit 1; }; }
proof() { # VARIABLE=VALUE... BUNDLE OUTDIR: its exit code; what it prints is in out
    code=0
    env -i PATH=/usr/bin:/bin TMPDIR="$PWD" TN_CUDNN="$(dirname "$cudnn")" "${@:1:$#-2}" "$source/tests/gpu/proof" "${@: -2}" >out 2>&1 || code=$?
}
must "$source/tests/gpu/bundle" "$build" gpu.tar
tar -tf gpu.tar | grep -E 'libvips|libcudnn|libc\.so' && exit 1

proof gpu.tar here
[ $code = 0 ] || { cat out here/*.log && exit 1; }
result=$(echo here/gpu-proof-????-??-??.md)
grep -v "^SKIP" "$result" >shown
grep -q "^| GPU | emulated H100, compute capability 9.0" shown
test "$(grep -c '^| .* | PASS | .* | [0-9]* |$' shown)" = 5
grep -q "^| every operation beside ref, fp32 and bf16 | PASS | [1-9][0-9] pass, 0 fail |" shown
grep -q "^| whole small nets .* | PASS | 9 pass, 0 fail |" shown
grep -q "^| tiny beside PyTorch, fp32 | PASS | 15 families of tensors within their bounds, 0 not; ten steps of adamw: [0-9.e-]* from PyTorch" shown
grep -q "^| the same bits on 1 and 2 ranks of one GPU | PASS | 3 steps, losses [0-9.]* [0-9.]*; weights [0-9a-f]\{16\} |" shown
grep -q "^| killed and resumed: the same bits | PASS | goes on after [0-9]* images |" shown
grep -q "^PASS: everything" shown
grep -q "rank 1 of this node takes GPU 0" here/*.log # two ranks there were

proof TN_EMU_GPUS=0 gpu.tar none
[ $code = 77 ] && grep -qx "SKIP: there is no GPU: CUDA driver version is insufficient for CUDA runtime version" out && ! ls none/*.md 2>/dev/null

# a program and a fixture that are missing, a wrong fixture, a net that cannot be trained
mkdir damaged && tar -C damaged -xf gpu.tar && cd damaged
rm gpu-proof/bin/ops gpu-proof/data/golden/b0.safetensors
cp gpu-proof/data/golden/lite0.safetensors gpu-proof/data/parity/tiny.safetensors
sed -i 's/efficientnet-b0/efficientnet-b9/' gpu-proof/data/job.cfg
tar -cf ../damaged.tar gpu-proof && cd ..
proof damaged.tar bad
[ $code = 1 ] || { cat out && exit 1; }
test "$(grep -c '^| .* | FAIL | .* | [0-9]* |$' bad/*.md)" = 5
grep -q "^## the same bits on 1 and 2 ranks of one GPU: FAIL" bad/*.md
grep -q "^FAIL: every operation beside ref, fp32 and bf16; " bad/*.md
