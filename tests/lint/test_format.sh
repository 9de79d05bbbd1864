# All C code has the format of .clang-format.
source=$2
command -v clang-format >/dev/null || { echo "skipped: no clang-format here"; exit 77; }
cd "$source" && find src preprocess tests -name '*.[ch]' ! -path 'tests/golden/*' | xargs clang-format --dry-run --Werror
