# All C code has the format of .clang-format, as version 14 understands it: later ones set blanks in macros otherwise.
source=$2
command -v clang-format >/dev/null || { echo "skipped: no clang-format here"; exit 77; }
clang-format --version | grep -q 'version 14\.' || { echo "skipped: $(clang-format --version), and the format is that of version 14"; exit 77; }
cd "$source" && find src preprocess packaging tests -name "*.[ch]" ! -path "tests/golden/*" -exec clang-format --dry-run --Werror {} +
