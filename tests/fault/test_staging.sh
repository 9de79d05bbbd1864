# Shards on a disk of the node: the same bits, shared by jobs of one node, removed at the end and after a kill; where the disk is too
# small, or others could put files there, one warning, and the shared shards.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
sed -i 's/images = 2400/images = 320/; s/evaluations = 3/evaluations = 2/; s/warmup_images = 200/warmup_images = 0/' tiny.cfg
"$tenfold" preprocess tiny.cfg --run whole >log 2>&1 || { cat log; exit 1; }
mkdir staged && cp -r whole/shards whole/folds staged/
mpirun -n 2 "$tenfold" train tiny.cfg --run whole >log 2>&1 || { cat log; exit 1; }
same() {
    for cell in whole/train/*; do cmp $cell/posteriors.h5 staged/train/${cell##*/}/posteriors.h5; done
}
on="--set data.stage_folder=local"
own=local/tenfold-$(id -u)
train() { mpirun -n 2 "$tenfold" train tiny.cfg --run staged "$@" >log 2>&1 || { cat log; exit 1; }; }
train $on
grep -q "$own/[0-9a-f]*: copied 5 shards, .* MiB" log
test "$(grep -c "copied 5 shards," log)" = 1 # by one rank of the node
same
test -z "$(ls local)"

# what is read is the copy: a damaged one is found by the checksums and named
rm -r staged/train
mpirun -n 2 "$tenfold" train tiny.cfg --run staged --folds 0 $on --set train.images=320000 >log 2>&1 &
pid=$!
for _ in $(seq 600); do [ -d staged/train ] && break; sleep 0.05; done
test "$(stat -c %a $own)" = 700
for f in $own/*/shard-*.h5; do dd if=/dev/zero of=$f bs=1000 seek=8 count=100000 conv=notrunc iflag=count_bytes 2>/dev/null; done
wait $pid && exit 1
cat log
grep -q "in .*$own/[0-9a-f]*/shard-.* is damaged" log
test -z "$(ls local)"

# killed: the copy stays, and is removed at the next start, also by a job of other data
rm -r staged/train
mpirun -n 2 "$tenfold" train tiny.cfg --run staged --folds 0 $on --set train.images=320000 >log 2>&1 &
pid=$!
for _ in $(seq 600); do [ -d staged/train ] && break; sleep 0.05; done
kill -KILL $(ranks_of $pid)
wait $pid && exit 1
test -e $own/*/COPIED
rm -r staged/train
"$tenfold" preprocess tiny.cfg --run other --set preprocess.size_px=36 >log 2>&1
"$tenfold" train tiny.cfg --run other --folds 0 $on >log 2>&1 || { cat log; exit 1; }
grep -q "removed the copy of shards of a killed job" log
test -z "$(ls local)"

# two jobs of one node at once: one copies, the other uses that copy, the last one removes it
"$tenfold" train tiny.cfg --run staged --folds 0 $on --set train.images=320000 >log1 2>&1 &
first=$!
for _ in $(seq 600); do grep -q staged, log1 && break; sleep 0.05; done
"$tenfold" train tiny.cfg --run staged --folds 1 $on >log2 2>&1 || { cat log1 log2; exit 1; }
if grep staged, log2; then exit 1; fi
test -e $own/*/COPIED # the first one still reads it
kill -TERM $first
wait $first || true
test -z "$(ls local)"
rm -r staged/train/r0-f0-*
train --folds 0,2 $on
same

# Others can neither plant a copy nor lose anything: what is not ours alone is left as it is, and said. Whole copies of foreign shards
# that nobody has locked, where ours would be; a folder of another user; a link.
mkdir theirs
predict() { "$tenfold" predict tiny.cfg --run $1 $on >log 2>&1 || { cat log; exit 1; }; }
on="" predict whole
predict staged
copy=$(sed -n "s|.*$own/\([0-9a-f]*\): copied 5 shards.*|\1|p" log)
plant() { # FOLDER
    mkdir -p $1/$copy
    for f in staged/shards/shard-*.h5; do echo foreign >$1/$copy/${f##*/}; done
    touch $1/$copy/COPIED $1/$copy.lock
}
refuses() { # MESSAGE
    rm -r staged/predict
    find local theirs | sort >before
    predict staged
    grep -q "on .* the shared shards are used, not data.stage_folder: $1" log || { cat log; exit 1; }
    if grep staged, log; then exit 1; fi
    find local theirs | sort | cmp - before
    for cell in whole/predict/*; do cmp $cell/predictions.h5 staged/predict/${cell##*/}/predictions.h5; done
}
plant theirs
ln -s ../theirs $own
refuses "$own: is not a folder of tenfold and is not used: Not a directory"
rm $own
plant $own
chmod 770 $own
refuses "$own: other users may enter it: chmod 700, or remove it"
rm -r $own
chmod 777 local
refuses "local: other users may replace files in this folder: set its sticky bit (chmod +t), or give a folder of your own"
chmod 1777 local
if [ "$(id -u)" = 0 ]; then
    plant $own
    chmod 700 $own
    chown -R 12345 $own
    refuses "$own: belongs to user 12345 and is not used: remove it, or give another folder"
    mv $own local/tenfold-12345
    touch local/tenfold-12345.lock # as of a killed job
    chown 12345 local/tenfold-12345.lock
fi
find local | grep tenfold | sort >before || true
rm -r staged/predict
predict staged
grep -q "$own/$copy: copied 5 shards" log
find local | grep tenfold | sort | cmp - before

# too small, or no folder at all: one warning
rm -r staged/train
echo >file
train --folds 0 --set data.stage_folder=file/below
test "$(grep -c "the shared shards are used, not data.stage_folder: file: .*\|the shared shards are used, not data.stage_folder: file/below: .*" log)" = 1
mkdir small
if mount -t tmpfs -o size=100k tmpfs small 2>/dev/null; then
    trap 'umount small' EXIT
    train --folds 1 --set data.stage_folder=small
    cat log
    test "$(grep -c "the shared shards are used, not data.stage_folder: small/tenfold-[0-9]* has room for 0 MiB, the shards are 1 MiB" log)" = 1
    test -z "$(ls small)"
fi
train
same
