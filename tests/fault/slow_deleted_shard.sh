# A shard that was deleted: the ranks wait for a file system that may show it late, then say what to do; that works.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
sed -i 's/images = 2400/images = 320/; s/evaluations = 3/evaluations = 1/; s/warmup_images = 200/warmup_images = 0/' tiny.cfg
"$tenfold" preprocess tiny.cfg --run out
(cd out && md5sum shards/*.h5) >expected
rm out/shards/shard-00001.h5
code=0
"$tenfold" train tiny.cfg --run out --folds 0 >log 2>&1 || code=$?
cat log
test $code = 3
grep -q "does not see it after 90 s: .*; if it was deleted, delete the folder out/shards and run .tenfold preprocess. again" log
rm -r out/shards
"$tenfold" preprocess tiny.cfg --run out
(cd out && md5sum -c --quiet ../expected)
"$tenfold" train tiny.cfg --run out --folds 0
