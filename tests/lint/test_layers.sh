# One-way street: every #include "layer/file.h" must be allowed by src/layers.txt; *_priv.h stays in its folder; a public header
# compiles alone.
source=$2
cd "$source" || exit 1
find src preprocess -name '*.[ch]' | xargs grep -H '^#include "' | awk '
    BEGIN { while ((getline line < "src/layers.txt") > 0) if (line !~ /^#/) { split(line, a, ": "); allowed[a[1]] = " " a[2] " " } }
    {
        split($0, part, ":#include \""); file = part[1]; target = part[2]; sub(/".*/, "", target)
        layer = file; sub(/^src\//, "", layer); folder = layer; sub(/\/[^\/]*$/, "", folder); sub(/\/.*/, "", layer)
        to = target; sub(/\/.*/, "", to); of = target; sub(/\/[^\/]*$/, "", of)
        if (target == "commit.h") next # generated
        n++
        if (!(layer in allowed)) { print file ": layer " layer " is not in src/layers.txt"; bad = 1 }
        else if (index(allowed[layer], " " to " ") == 0) { print file ": " layer " may not include from " to ": " target; bad = 1 }
        if (target ~ /_priv\.h$/ && of != folder) { print file ": includes the private " target; bad = 1 }
    }
    END { if (n < 100) { print "only " n " includes seen"; bad = 1 } exit bad }' || exit 1
grep -rl '<hdf5.h>' src preprocess | grep -v '^src/base/h5' && { echo "only base/h5 uses hdf5.h"; exit 1; }
grep -rl 'pthread_create(' src preprocess | grep -v '^src/base/thread.c$' && { echo "only base/thread starts threads: they need a stack"; exit 1; }
flags=$(pkg-config --cflags ompi-c jansson hdf5-openmpi libconfig)
for header in $(find src preprocess -name '*.h' ! -path '*/cpu/kernels/*'); do
    echo "#include \"${header#src/}\"" | ${CC:-cc} -std=c17 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -Wall -Wextra -Werror \
        -Isrc -I. $flags -fsyntax-only -x c - || { echo "$header does not compile alone"; exit 1; }
done
