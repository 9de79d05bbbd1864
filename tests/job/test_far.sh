# A device whose memory the host cannot read (tests/far/far.c): the whole program runs on it, and its results have the bits of `cpu`. Any
# look at device memory from outside the device would end it.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
sed -i "s/images = 2400/images = 640/; s/warmup_images = 200/warmup_images = 0/; s/evaluations = 3/evaluations = 2/" tiny.cfg

# from images to the report, on 2 ranks: each adds two lanes on the device, and two vectors travel
must "$tenfold" run tiny.cfg --run near --ranks 2
must "$TN_FAR" run tiny.cfg --run far --ranks 2
digest_of_run near >near.digest
digest_of_run far >far.digest
cmp near.digest far.digest

# in bf16, on 1 and 3 ranks (a rank with lanes in both halves), with rows without labels, a teacher and a profile
more="--set train.precision=bf16 --set self.dropped=unlabeled --set self.consistency_weight=3 --set self.rampup_images=300"
for n in 1 3; do
    for kind in near far; do
        mkdir $kind$n
        cp -r near/shards near/folds $kind$n/
    done
    must mpirun -n $n "$tenfold" train tiny.cfg --run near$n --folds 0 $more
    must mpirun -n $n "$TN_FAR" train tiny.cfg --run far$n --folds 0 $more --profile
    grep -q "sum over lanes, per step" log
    cell=train/r0-f0-s32-x1
    test "$("$tenfold" weights digest near$n/$cell/best.safetensors)" = "$("$tenfold" weights digest far$n/$cell/best.safetensors)"
    cmp near$n/$cell/posteriors.h5 far$n/$cell/posteriors.h5
done

# a checkpoint of one goes on with the other; then from its weights, and with the settings of the other optimiser
last_checkpoint far3/train/r0-f1-s32-x1 "$TN_FAR" train tiny.cfg --run far3 --folds 1 $more
must "$tenfold" train tiny.cfg --run far3 --folds 1 $more
must "$tenfold" train tiny.cfg --run near3 --folds 1 $more
cmp near3/train/r0-f1-s32-x1/posteriors.h5 far3/train/r0-f1-s32-x1/posteriors.h5
from="--set model.pretrained=near/train/r0-f0-s32-x1/best.safetensors --set train.optimizer=sgd --set train.clip_norm=1 --set train.seeds=[2]"
must "$tenfold" train tiny.cfg --run near1 --folds 0 $from
must "$TN_FAR" train tiny.cfg --run far1 --folds 0 $from
cmp near1/train/r0-f0-s32-x2/posteriors.h5 far1/train/r0-f0-s32-x2/posteriors.h5

# numbers that are no numbers: the layer is found without a look
code=0
"$TN_FAR" train tiny.cfg --run far1 --folds 2 --set train.optimizer=sgd --set train.learning_rate=100 --set train.weight_decay=1 --set train.seeds=[3] >log 2>&1 || code=$?
test $code = 9
grep -q "values are not finite at step" log

# the other users of a device
must "$TN_FAR" check tiny.cfg --run none --time
grep -q "images/s" log
