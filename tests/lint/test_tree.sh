# The shape of the tree: files of at most 500 lines, no unfinished words, no paths of one machine, job files that are read.
tenfold=$1 source=$2
cd "$source" || exit 1
bad=0
n=0
for f in $(find src preprocess -name '*.[ch]'); do
    n=$((n + 1))
    [ "$(wc -l <"$f")" -le 500 ] || { echo "$f is longer than 500 lines"; bad=1; }
done
files=$(find src preprocess jobs tests docs slurm .ci -type f ! -path '*/lint/test_tree.sh' ! -name '*.safetensors'; ls ./*.md CMakeLists.txt CMakePresets.json)
grep -nE 'TODO|FIXME|not implemented' $files && bad=1
grep -nE '(^|[^A-Za-z0-9_.])/(home|work|farm|root)/' $files && bad=1
for f in jobs/*.cfg; do "$tenfold" check "$f" >/dev/null || bad=1; done
for f in jobs/quickstart jobs/demo-data tests/run tests/fuzz/run .ci/run tests/with_work_folder tests/systems tests/slurm/cluster tests/slurm/launchers tests/slurm/show; do [ -x $f ] || { echo "$f is not executable"; bad=1; }; done
[ "$n" -gt 250 ] || { echo "only $n files seen"; bad=1; }
# every verb explains itself
n=0
for verb in $("$tenfold" --help | awk '/^  [a-z]+ / { print $1 }' | grep -v '^tenfold$'); do
    "$tenfold" $verb --help | grep -q '^example:' || { echo "tenfold $verb --help has no example"; bad=1; }
    n=$((n + 1))
done
[ "$n" -gt 15 ] || { echo "only $n verbs seen"; bad=1; }
exit $bad
