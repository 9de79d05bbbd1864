# tests/gpu/bundle on a bare machine: a root folder with bash, coreutils, grep, sed, awk, tar, gzip, libc, libstdc++ and CUDA's libraries alone.
# The bundle of the emulated GPU: everything passes. That of the preset cuda, which has at most 60 MiB: SKIP, there is no GPU; tenfold says so with
# exit code 8; what needs no GPU runs, also two ranks.
tenfold=$1 source=$2
set -eu
PATH=$PATH:/usr/local/cuda/bin
[ -n "${TN_GPU-}" ] && command -v nvcc ompi_info >/dev/null || { echo "nvcc, cuDNN or Open MPI is not there" && exit 77; }
unshare -m true 2>/dev/null || { echo "this user may not mount" && exit 77; }
must() { "$@" >log 2>&1 || { cat log && exit 1; }; }
cudnn=$(dirname "$(readlink -f "$(ldd "$TN_GPU" | awk '/libcudnn\.so/ { print $3 }')")")

root=$PWD/root
mkdir -p "$root"/{bin,lib64,tmp,proc,sys,dev,usr/lib,cudnn}
ln -s usr/lib "$root/lib" && ln -s ../bin "$root/usr/bin"
tools="bash awk cat cp cut date env grep gzip head ls mkdir mktemp nproc paste rm sed seq sha256sum sleep sort tail tar tee timeout tr uname"
for tool in $tools; do
    cp -L "$(command -v $tool)" "$root/bin/"
    ldd "$(command -v $tool)" | awk '$3 ~ /^\// { print $3 }'
done | sort -u >libraries
for name in c m dl rt pthread resolv util stdc++ gcc_s; do
    ldconfig -p | awk -v name="lib$name.so." 'index($1, name) == 1 && /x86-64/ { print $NF; exit }'
done >>libraries
sort -u libraries | while read -r library; do cp -L "$library" "$root/usr/lib/"; done
cp -L /lib64/ld-linux-x86-64.so.2 "$root/lib64/"
cp "$source/tests/gpu/proof" "$root/"
bare() { # COMMAND in the bare root
    # shellcheck disable=SC2016 # the inner shell's
    unshare -m bash -c 'root=$1 cudnn=$2 && shift 2 && for folder in proc sys dev; do mount --rbind /$folder "$root/$folder"; done &&
        mount --bind "$cudnn" "$root/cudnn" && exec chroot "$root" /bin/env -i PATH=/bin TN_CUDNN=/cudnn "$@"' bare "$root" "$cudnn" "$@"
}

must "$source/tests/gpu/bundle" "$(dirname "$tenfold")" "$root/emulated.tar"
bare /proof emulated.tar /here >out 2>&1 || { cat out "$root"/here/*.log && exit 1; }
grep "PASS: everything" out

must cmake -S "$source" --preset cuda
must cmake --build "$source/build/cuda" --target tn_proofs
"$source/tests/gpu/bundle" "$source/build/cuda" "$root/gpu-proof.tar.gz"
code=0
bare /proof gpu-proof.tar.gz /none >out 2>&1 || code=$?
cat out
[ $code = 77 ] && grep -q "^SKIP: there is no GPU: " out
tar -C "$root" -xf "$root/gpu-proof.tar.gz"
cat >"$root/run" <<'RUN'
set -eu
cd /gpu-proof
export HOME=/tmp LD_LIBRARY_PATH=/gpu-proof/lib:/cudnn OPAL_PREFIX=/gpu-proof/openmpi OMP_NUM_THREADS=1 TN_GOLDEN=/gpu-proof/data/golden
. data/mpi_settings
export PMIX_MCA_mca_base_component_path=/tmp PMIX_MCA_pcompress_base_silence_warning=1
export OMPI_MCA_mca_base_component_path=$OPAL_PREFIX/$(sed -n 's/^plugins=//p' about) OMPI_MCA_plm=isolated OMPI_MCA_btl=self,vader
train="bin/tenfold train data/job.cfg --folds 0 --set train.precision=fp32 --set train.images=64 --set train.lane_images=4 --set model.width=0.25"
for device in cuda cpu; do
    code=0
    $train --set train.device=$device --run data/run >log 2>&1 || code=$?
    tail -n 1 log && echo "exit code $code on $device"
done
mkdir two && cp -r data/run/shards data/run/folds two/
openmpi/bin/mpirun -n 2 $train --set train.device=cpu --run two >log 2>&1 || cat log
sha256sum data/run/train/*/posteriors.h5 two/train/*/posteriors.h5 | cut -c 1-64 | sort -u | grep -c .
bin/parity --device cpu data/parity/tiny.safetensors | grep -c "| fine |$"
RUN
bare bash /run >out 2>&1 || { cat out && exit 1; }
cat out
grep -q "no NVIDIA GPU" out && grep -qx "exit code 8 on cuda" out && grep -qx "exit code 0 on cpu" out
test "$(tail -n 2 out | tr '\n' ' ')" = "1 15 "
