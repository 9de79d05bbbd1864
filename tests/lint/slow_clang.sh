# clang compiles all but the kernels (src/dev/cpu/kernels.c takes it minutes) without a warning, and clang-tidy finds nothing in src,
# preprocess and packaging: .clang-tidy says which checks.
source=$2
clang=$(command -v clang) && tidy=$(command -v clang-tidy clang-tidy-14 | head -n 1) && [ -n "$tidy" ] || { echo "skipped: no clang or no clang-tidy here"; exit 77; }
set -eu
cmake -S "$source" -B build -G Ninja -DCMAKE_C_COMPILER="$clang" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DTENFOLD_WERROR=ON -DCMAKE_EXPORT_COMPILE_COMMANDS=ON >log ||
    { cat log; exit 1; }
objects=$(ninja -C build -t targets all | sed -n 's/^\([^ ]*\.c\.o\): C_COMPILER.*/\1/p' | grep -v '/kernels\.c\.o$')
test "$(wc -w <<<"$objects")" -ge 200
ninja -C build tn_commit >log # commit.h
ninja -C build -k 0 $objects >log || { grep -v '^\[' log; exit 1; }
cd "$source"
find src preprocess packaging -name '*.c' ! -name kernels.c -print0 | xargs -0 -P "$(nproc)" -n 8 "$tidy" -p "$OLDPWD/build" --quiet --warnings-as-errors='*'
