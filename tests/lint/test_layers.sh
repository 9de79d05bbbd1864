# src/layers.txt: every #include "room/file.h" is allowed there, no room uses one below it, nothing is allowed that nobody uses, and no
# folder holds more than 3,300 lines. *_priv.h stays in its folder; a header compiles alone.
source=$2
cd "$source" || exit 1
find src preprocess -name '*.[ch]' -exec grep -H '^#include "' {} + | awk '
    BEGIN {
        while ((getline line < "src/layers.txt") > 0) {
            sub(/ *#.*/, "", line)
            if (line == "") continue
            split(line, a, ":"); room = a[1]; n = split(a[2], used, " "); place[room] = ++rooms
            for (i = 1; i <= n; i++) {
                allowed[room, used[i]] = 1
                if (!(used[i] in place)) { print "src/layers.txt: " room " uses " used[i] ", which is not above it"; bad = 1 }
            }
        }
    }
    {
        split($0, part, ":#include \""); file = part[1]; target = part[2]; sub(/".*/, "", target)
        if (target == "commit.h") next # generated
        room = file; sub(/^src\//, "", room); folder = room; sub(/\/[^\/]*$/, "", folder); sub(/\/.*/, "", room)
        to = target; sub(/\/.*/, "", to); of = target; sub(/\/[^\/]*$/, "", of)
        includes++
        if (!(room in place)) { print file ": " room " is not in src/layers.txt"; bad = 1 }
        else if (to != room && !((room, to) in allowed)) { print file ": " room " may not include from " to ": " target; bad = 1 }
        if (target ~ /_priv\.h$/ && of != folder) { print file ": includes the private " target; bad = 1 }
        seen[room, to] = 1
    }
    END {
        for (pair in allowed) if (!(pair in seen)) { split(pair, p, SUBSEP); print "src/layers.txt: " p[1] " does not use " p[2]; bad = 1 }
        if (includes < 100) { print "only " includes " includes seen"; bad = 1 }
        exit bad
    }' || exit 1
docs/rooms flow | cmp - docs/flow.svg || { echo "docs/flow.svg is not what docs/rooms draws: docs/rooms flow >docs/flow.svg"; exit 1; }
docs/rooms | cmp - docs/rooms.svg || { echo "docs/rooms.svg is not what docs/rooms draws: docs/rooms >docs/rooms.svg"; exit 1; }
while read -r folder; do
    n=$(find "$folder" -maxdepth 1 -name '*.[ch]*' -exec cat {} + | wc -l)
    [ "$n" -le 3300 ] || { echo "$folder holds $n lines: make two of it"; exit 1; }
done < <(find src preprocess -type d)
grep -rl '<hdf5.h>' src preprocess | grep -v '^src/store/h5' && { echo "only store/h5 uses hdf5.h"; exit 1; }
grep -rl 'pthread_create(' src preprocess | grep -v '^src/base/thread.c$' && { echo "only base/thread starts threads: they need a stack"; exit 1; }
flags=$(pkg-config --cflags ompi-c jansson hdf5-openmpi libconfig)
for header in $(find src preprocess -name '*.h' ! -path '*/cpu/kernels/*'); do
    echo "#include \"${header#src/}\"" | ${CC:-cc} -std=c17 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -Wall -Wextra -Werror \
        -Isrc -I. $flags -fsyntax-only -x c - || { echo "$header does not compile alone"; exit 1; }
done
