# --allow-other-bits goes on where another instruction set began. A start that died between publishing a kept model and its checkpoint left
# a model that the checkpoint does not know, and that other bits would not make again: what DONE vouches for is one model all the same.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
"$TN_MAKE_IMAGES" data 900 0.0
settings="--set folds.validation_share=0.3 --set train.warmup_images=0 --set train.ema_decay=0.1 --set train.images=1920 --set train.evaluations=6"
"$tenfold" preprocess tiny.cfg --run out --set folds.validation_share=0.3 >log 2>&1 || { cat log; exit 1; }
cp -r out lost && cp -r out whole
worse="train tiny.cfg --folds 0 $settings --set train.learning_rate=0.3" # its last points
cell=train/r0-f0-s32-x1
"$tenfold" train tiny.cfg --folds 0 $settings --run lost --set train.learning_rate=0.05 >log 2>&1 || { cat log; exit 1; }
"$tenfold" $worse --run whole >log 2>&1 || { cat log; exit 1; }

# stopped behind the fourth point; then a model takes the place of the kept one
"$tenfold" $worse --run out >log 2>&1 &
for _ in $(seq 3000); do [ "$(cat out/$cell/journal.jsonl 2>/dev/null | wc -l)" -ge 4 ] && break; sleep 0.02; done
kill -TERM $!
code=0
wait $! || code=$?
points=$(wc -l <out/$cell/journal.jsonl)
test $code = 6 && test $points -ge 4
cp -r out same && cp -r out back
cp lost/$cell/best.safetensors lost/$cell/posteriors.h5 out/$cell/
export TN_OLD_ISA=plain
code=0
"$TN_OLD_NODE" $worse --run out >log 2>&1 || code=$?
test $code = 8 && grep -q "it began with another instruction set" log
"$TN_OLD_NODE" $worse --run out --allow-other-bits >log 2>&1 || { cat log; exit 1; }
cat log
grep -q "the kept model is newer than the checkpoint: the next evaluation will be kept" log
for file in best.safetensors posteriors.h5; do if cmp -s lost/$cell/$file out/$cell/$file; then exit 1; fi; done
sed -n "$((points + 1))p" out/$cell/journal.jsonl | grep -q '"best":true'
# ... and where the checkpoint's own bits go on after such a start of others
cp lost/$cell/best.safetensors lost/$cell/posteriors.h5 back/$cell/
"$tenfold" $worse --run back >log 2>&1 || { cat log; exit 1; }
for file in best.safetensors posteriors.h5; do if cmp -s lost/$cell/$file back/$cell/$file; then exit 1; fi; done
# with its own model it goes on as if nothing had been: here the bits are the same
"$tenfold" $worse --run same --allow-other-bits >log 2>&1 || { cat log; exit 1; }
if grep "newer than the checkpoint" log; then exit 1; fi
cmp same/$cell/best.safetensors whole/$cell/best.safetensors
cmp same/$cell/posteriors.h5 whole/$cell/posteriors.h5
