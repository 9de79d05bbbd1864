# Nodes with older processors: bits never depend on the node in silence. A cell and its predictions keep one instruction set, which the job
# file may name; a node that lacks it says so, with the exit code that means "another node can".
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
grep -q avx2 /proc/cpuinfo || { echo "this processor has only one instruction set" && exit 77; }
sed -i 's/images = 2400/images = 640/; s/evaluations = 3/evaluations = 2/' tiny.cfg
export TN_OLD_ISA=plain
cell=r0-f0-s32-x1
fails() { # EXIT_CODE WORDS COMMAND...
    local wanted=$1 words=$2 code=0
    shift 2
    "$@" >log 2>&1 || code=$?
    [ $code = "$wanted" ] && grep -q -- "$words" log || { echo "$*: exit code $code, wanted $wanted and: $words" && cat log && exit 1; } >&2
}
same() { cmp "$1/train/$cell/best.safetensors" "$2/train/$cell/best.safetensors" && [ "$(digest "$1")" = "$(digest "$2")" ]; }
digest() { sed -n 's/.*"digest": "\([0-9a-f]*\)".*/\1/p' "$1/predict/$cell/DONE"; }
isa() { head -c 8000 "$1/train/$cell/best.safetensors" | grep -ao '"isa": *"[a-z0-9_]*"' | cut -d'"' -f4; }

"$tenfold" preprocess tiny.cfg --run new >/dev/null 2>&1
for run in old named named-old stopped other mixed; do cp -r new $run; done

# left open: that of the node where the cell begins; predictions have it everywhere
"$tenfold" train tiny.cfg --folds 0 --round 0 --run new >/dev/null 2>&1
"$TN_OLD_NODE" train tiny.cfg --folds 0 --round 0 --run old >/dev/null 2>&1
test "$(isa old)" = plain
test "$(isa new)" != plain
cp -r old old-here
"$TN_OLD_NODE" predict tiny.cfg --folds 0 --round 0 --run old >/dev/null 2>&1
"$tenfold" predict tiny.cfg --folds 0 --round 0 --run old-here >/dev/null 2>&1
same old old-here
fails 8 "has no $(isa new), only plain: use a node that has it (under Slurm, request that kind of node: slurm.options = \[ \"--constraint=...\" \])" \
    "$TN_OLD_NODE" predict tiny.cfg --folds 0 --round 0 --run new
test ! -e new/predict/$cell/DONE
"$tenfold" predict tiny.cfg --folds 0 --round 0 --run new >/dev/null 2>&1
test "$(digest new)" != "$(digest old)" # the sets do differ

# ranks of both kinds: the least of all; a named set that one of them lacks is refused by that one
cat >either <<'E'
#!/bin/sh
# One program for each rank: Open MPI 5.0.7's mpirun crashes over two command lines.
[ "${OMPI_COMM_WORLD_RANK:-$PMI_RANK}" = 0 ] && exec "$tenfold" "$@"
exec "$TN_OLD_NODE" "$@"
E
chmod +x either
export tenfold
both() { # OPTIONS
    mpirun --oversubscribe -n 2 ./either train tiny.cfg --folds 0 --round 0 "$@"
}
both --run mixed >/dev/null 2>&1
cmp old/train/$cell/best.safetensors mixed/train/$cell/best.safetensors
fails 8 "rank 1: $cell: train.isa: the processor of .* has no avx2" both --run other --set train.isa=avx2

# begun here, it cannot go on there; it goes on here to the same bits
"$tenfold" train tiny.cfg --folds 0 --round 0 --run stopped --set train.checkpoint_seconds=1e-6 >log 2>&1 &
for _ in $(seq 1000); do [ ! -e stopped/train/$cell/checkpoint.safetensors ] || break; sleep 0.02; done
kill -TERM $!
code=0
wait $! || code=$?
test $code = 6
fails 8 "$cell: it began with another instruction set: the processor of .* has no $(isa new)" "$TN_OLD_NODE" train tiny.cfg --folds 0 --round 0 --run stopped
"$tenfold" train tiny.cfg --folds 0 --round 0 --run stopped >/dev/null 2>&1
cmp new/train/$cell/best.safetensors stopped/train/$cell/best.safetensors

# named: the same bits on both
for run in named named-old; do
    program=$tenfold
    [ $run = named ] || program=$TN_OLD_NODE
    for verb in train predict; do "$program" $verb tiny.cfg --folds 0 --round 0 --run $run --set train.isa=plain >/dev/null 2>&1; done
done
same named named-old
fails 8 "$cell: train.isa: the processor of .* has no avx2" "$TN_OLD_NODE" train tiny.cfg --folds 0 --round 0 --run other --set train.isa=avx2
# part of the identity
fails 2 'train.isa = "plain" (now: "best")' "$tenfold" train tiny.cfg --folds 0 --round 0 --run named
