# nvcc compiles our kernels for every kind of GPU without a warning, and none of them keeps registers in memory. Prints the occupancy of each:
# resident warps, of 64, as registers and threads allow (shared memory never decides here).
source=$2
set -eu
PATH=$PATH:/usr/local/cuda/bin
command -v nvcc >/dev/null || { echo "nvcc is not there" && exit 77; }
for arch in 80 90 100; do
    rm -f log
    for file in "$source"/src/dev/cuda/*.cu; do
        nvcc -std=c++17 -O2 -I "$source/src" -gencode "arch=compute_$arch,code=sm_$arch" -Xptxas -v,-warn-spills,-Werror -Werror all-warnings \
            -c "$file" -o kernels.o >>log 2>&1 || { cat log && exit 1; }
    done
    c++filt <log | awk -v arch=$arch '
        /Compiling entry function/ { sub(/^.*function .(void )?\(anonymous namespace\)::/, ""); sub(/\(anonymous namespace\)::/, ""); sub(/\(.*/, ""); name = $0 }
        /bytes spill stores/ && !/ 0 bytes spill stores/ { print name ": spills" > "/dev/stderr"; bad = 1 }
        /Used [0-9]* registers/ {
            match($0, /Used [0-9]*/); registers = substr($0, RSTART + 5, RLENGTH - 5)
            each = int((registers + 7) / 8) * 8 * 32; warps = int(65536 / each); if (warps > 64) warps = 64
            blocks = int(warps / 8); printf "sm_%s %-50s %3d registers, %2d of 64 warps\n", arch, name, registers, blocks * 8
            if (blocks < 1) bad = 1
            n++
        }
        END { exit bad || n < 40 }' || { echo "sm_$arch: see above" && exit 1; }
done
