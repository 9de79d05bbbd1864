# doxygen reads all headers without a warning, and finds what they document.
source=$2 work=$PWD
command -v doxygen >/dev/null || { echo "skipped: no doxygen here"; exit 77; }
set -eu
cd "$source"
{ cat docs/Doxyfile && echo "OUTPUT_DIRECTORY = $work"; } | doxygen -
test "$(find "$work/html" -name '*_8h.html' | wc -l)" -ge 100
grep -q "worst status of all ranks, on every rank" "$work/html/run_8h.html"
