# Weights from another program to a run and back: import, verify, train from them, export; what does not fit is refused and
# leaves the old file alone.
tenfold=$1 source=$2
golden=$source/tests/golden/weights
. "$source/tests/job/tiny.sh"
lite=$golden/timm_lite_16bit.safetensors

fails() { # CODE TEXT COMMAND...: exits so and says so
    want=$1 text=$2 code=0
    shift 2
    "$@" >said 2>&1 || code=$?
    { [ $code = $want ] && grep -q -- "$text" said; } || { echo "exit $code, wanted $want and \"$text\":"; cat said; exit 1; }
}

says() { # TEXT COMMAND...: succeeds and says so
    text=$1
    shift
    "$@" >said 2>&1 && grep -q -- "$text" said || { echo "wanted \"$text\":"; cat said; exit 1; }
}

says "^efficientnet-lite0 by names of timm, 37 px" "$tenfold" weights import "$lite" lite.safetensors --padding same
"$tenfold" weights verify lite.safetensors "$golden/image.png" --against "$golden/logits.safetensors" | tee said
grep -q "^   1      4 .* 4 " said
fails 4 "the logits differ by" "$tenfold" weights verify lite.safetensors "$golden/image.png" --against "$golden/logits.safetensors" --size 40
fails 4 "logits .*is missing" "$tenfold" weights verify lite.safetensors "$golden/image.png" --against "$lite"
fails 4 "tiny.cfg: is not a JPEG" "$tenfold" weights verify lite.safetensors tiny.cfg --against "$golden/logits.safetensors"

# a failed import touches nothing
cp lite.safetensors before
fails 2 "say which, with --padding" "$tenfold" weights import "$lite" lite.safetensors
fails 2 "give symmetric" "$tenfold" weights import "$lite" lite.safetensors --padding valid
fails 4 "^missing: blocks.0.0.se.conv_reduce.weight (2,8,1,1)" "$tenfold" weights import "$lite" lite.safetensors --padding same --net efficientnet-b0
head -c 50000 "$lite" >cut.safetensors
fails 4 "bad entry for tensor" "$tenfold" weights import cut.safetensors lite.safetensors --padding same
fails 4 "bad entry for tensor" "$tenfold" weights import cut.safetensors new.safetensors --padding same
cmp lite.safetensors before
test ! -e new.safetensors
test -z "$(ls ./*.tmp 2>/dev/null)"
fails 2 "usage: tenfold weights verify FILE IMAGE --against" "$tenfold" weights verify lite.safetensors "$golden/image.png"
fails 2 "does not take --net, --padding or --ema" "$tenfold" weights digest lite.safetensors --net efficientnet-b0
fails 2 "give import, export, verify" "$tenfold" weights inport a b

# .pth, which have no words for width and depth: their values are compared by unit/test_pth; here what is refused, and nothing is written
fails 4 "names of lukemelas) are not those of" "$tenfold" weights import "$golden/lukemelas_lite.pth" new.safetensors
fails 2 "holds no averaged weights" "$tenfold" weights import "$golden/lukemelas_lite.pth" new.safetensors --ema yes
fails 2 "give yes (the averaged weights) or no" "$tenfold" weights import "$golden/timm.pth" new.safetensors --ema 1
fails 2 "omit --ema" "$tenfold" weights import lite.safetensors new.safetensors --ema no
fails 2 "omit --ema" "$tenfold" weights import "$golden/keras2.h5" new.safetensors --ema no
for code in code-system:posix.system opcode-newobj:NEWOBJ cut:"too early" stream-cut:"too early" empty-nested:"state_dict is empty"; do
    fails 4 "${code#*:}" "$tenfold" weights import "$source/tests/fuzz/corpus-pth/${code%%:*}" new.safetensors --padding same
done
test ! -e new.safetensors

# training begins from it: backbone, padding, batch norm and input are the file's, the head is new
set_net="--set model.net=efficientnet-lite0 --set model.width=0.01 --set model.depth=0.01 --set model.stem_stride=2"
short="--set train.images=96 --set train.warmup_images=0 --set train.evaluations=1 --set train.learning_rate=1e-12"
short="$short --set train.weight_decay=0 --set train.ema_decay=0 --set train.augment=()"
from="--set model.pretrained=lite.safetensors"
says "^# pretrained: padding same, batch norm eps 0.001 momentum 0.1, input mean 0.5 0.5 0.5 std 0.5 0.5 0.5" "$tenfold" check tiny.cfg $set_net $from
fails 2 "has width 0.01, the job file's model has 0.25" "$tenfold" check tiny.cfg --set model.net=efficientnet-lite0 $from
fails 2 "is of efficientnet-lite0, but model.net = \"efficientnet-b0\"" "$tenfold" check tiny.cfg $from
nets='search.space=( { key = "model.net"; choice = ( "efficientnet-lite0", "efficientnet-lite1" ); } )'
fails 2 "cannot be trained: .* is of efficientnet-lite0, but model.net = \"efficientnet-lite1\"" \
    "$tenfold" run tiny.cfg --run never $set_net $from --set "$nets" --set 'search.rungs=[ 500 ]'
test ! -e never
"$tenfold" preprocess tiny.cfg --run out
last_checkpoint out/train/r0-f0-s32-x1 "$tenfold" train tiny.cfg --run out --folds 0 $set_net $short $from
best=out/train/r0-f0-s32-x1/best.safetensors
"$tenfold" weights export $best back.safetensors
"$tenfold" weights export out/train/r0-f0-s32-x1/checkpoint.safetensors average.safetensors # after the only point: the best
test "$("$tenfold" weights digest back.safetensors)" = "$("$tenfold" weights digest average.safetensors)"
grep -q '"input_mean":"0.5 0.5 0.5"' back.safetensors
grep -q '"pad_same":"1"' back.safetensors
# interrupted before its DONE: goes on with the same weights, padding and input
says "goes on after 96 images" "$tenfold" train tiny.cfg --run out --folds 0 $set_net $short $from
grep -q "pretrained [0-9a-f]\{32\}" out/train/r0-f0-s32-x1/DONE
says "already done" "$tenfold" train tiny.cfg --run out --folds 0 $set_net $short $from
"$tenfold" weights export $best again.safetensors >/dev/null
cmp back.safetensors again.safetensors
"$tenfold" predict tiny.cfg --run out --round 0 --folds 0 $set_net $short $from

# they are read once to know that nothing has changed, however often a command asks
code=0
"$TN_INJECT" --below lite.safetensors --call open --nth 0 --report opened -- "$tenfold" predict tiny.cfg --run out --round 0 --folds 0 $set_net $short $from || code=$?
[ $code = 77 ] || { test $code = 0 && test "$(grep -c "^call open .*lite.safetensors" opened)" = 1; }

# at this learning rate the first tensor, 216 numbers, is the file's to the last bit; without the file it is not
stem() { n=$(od -An -tu8 -N8 $1 | tr -d ' ') && tail -c +$((n + 9)) $1 | head -c 864; }
stem lite.safetensors >stem_file
stem $best | cmp - stem_file
"$tenfold" preprocess tiny.cfg --run scratch
"$tenfold" train tiny.cfg --run scratch --folds 0 $set_net $short
stem scratch/train/r0-f0-s32-x1/best.safetensors >stem_scratch
fails 1 "differ" cmp stem_scratch stem_file

# other weights: made anew; none: other settings
"$tenfold" weights import "$golden/timm_lite_16bit.safetensors" lite.safetensors --padding same --net efficientnet-lite0 >/dev/null
says "already done" "$tenfold" train tiny.cfg --run out --folds 0 $set_net $short $from
"$tenfold" weights import back.safetensors lite.safetensors >/dev/null
says "trained" "$tenfold" train tiny.cfg --run out --folds 0 $set_net $short $from
fails 2 "model.pretrained" "$tenfold" train tiny.cfg --run out --folds 0 $set_net $short
fails 4 "model.pretrained: .*timm.pth: .*tenfold weights import" "$tenfold" check tiny.cfg $set_net --set model.pretrained="$golden/timm.pth"
fails 3 "model.pretrained: none.safetensors: cannot be read" "$tenfold" train tiny.cfg --run scratch --folds 1 $set_net $short --set model.pretrained=none.safetensors
fails 3 "model.pretrained: none.safetensors: cannot be read" "$tenfold" run tiny.cfg --run unmade $set_net --set model.pretrained=none.safetensors
test ! -e unmade/shards
