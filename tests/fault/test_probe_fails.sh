# The probe killed, asked to stop, started twice at once, and on a disk that fills up: nothing half-done is called done, and the same command goes
# on to the bits of one that was not disturbed.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
sed -i 's/images = 2400/images = 32/; s/evaluations = 3/evaluations = 1/; s/warmup_images = 200/warmup_images = 0/' tiny.cfg
(mkdir before && cd before && "$TN_MAKE_IMAGES" data 60 0 && cp ../tiny.cfg . && must "$tenfold" preprocess tiny.cfg --run out &&
    must "$tenfold" train tiny.cfg --run out --folds 0 --set model.metadata_levels=0 --set model.head_units=0)
probed="--set model.pretrained=before/out/train/r0-f0-s32-x1/best.safetensors --set self.probe=true"
must "$tenfold" preprocess tiny.cfg --run whole
cp -r whole empty
must mpirun -n 2 "$tenfold" probe tiny.cfg --run whole $probed
(cd whole && find probe filter -type f ! -name '.*' -exec md5sum {} + | sort -k 2) >expected
same() { # RUN
    (cd $1 && find probe filter -type f ! -name '.*' -exec md5sum {} + | sort -k 2) | diff expected -
    test -z "$(find $1 -name '*.tmp')"
}

# killed, or asked to stop, when a file is begun: features, posteriors, the filter's overlays
for signal in KILL TERM; do
    for file in probe/posteriors.h5 filter/r0; do
        rm -rf cut && cp -r empty cut
        "$tenfold" probe tiny.cfg --run cut $probed >log 2>&1 &
        pid=$!
        for _ in $(seq 3000); do [ -e cut/$file ] && break; sleep 0.01; done
        kill -$signal $pid 2>/dev/null || true
        code=0
        wait $pid || code=$?
        case $signal$code in KILL137 | TERM6 | *0) ;; *) cat log && exit 1 ;; esac # 0: it was faster
        [ $code = 0 ] || [ ! -e cut/filter/r0/DONE ]
        [ $code = 0 ] || [ $file = filter/r0 ] || [ ! -e cut/probe/DONE ]
        must "$tenfold" probe tiny.cfg --run cut $probed
        same cut
    done
done

# two at once: the second waits and finds it done, or is refused; never a mixture
rm -r cut && cp -r empty cut
"$tenfold" probe tiny.cfg --run cut $probed >log1 2>&1 &
first=$!
"$tenfold" probe tiny.cfg --run cut $probed >log2 2>&1 &
second=$!
for pid in $first $second; do
    code=0
    wait $pid || code=$?
    test $code = 0 || test $code = 7 || { cat log1 log2 && exit 1; }
done
must "$tenfold" probe tiny.cfg --run cut $probed
same cut
test "$(cat log1 log2 | grep -c ': classifiers of fold 1 of 3')" = 1

# pretrained weights or folds that became others: the probe is made anew; a damaged one is refused by name
printf 'x' | dd of=cut/probe/posteriors.h5 bs=1 seek=5000 conv=notrunc 2>/dev/null
rm -r cut/filter
refused 4 "cut/probe/posteriors.h5" "$tenfold" probe tiny.cfg --run cut $probed

# a disk that fills up: exit code 3 that says so
mkdir small
mount -t tmpfs -o size=20m tmpfs small 2>/dev/null || { echo "no tmpfs can be mounted here: not on a full disk"; exit 0; }
trap 'umount small' EXIT
for kb in 0 120 300; do
    rm -rf small/run && cp -r empty small/run
    head -c $((($(df --output=avail -k small | tail -n 1) - kb) * 1024)) /dev/zero >small/filler
    code=0
    timeout -s KILL 100 mpirun -n 2 "$tenfold" probe tiny.cfg --run small/run $probed >log 2>&1 || code=$?
    test $code = 3 || { test $code = 0 && test $kb != 0; } || { cat log && exit 1; }
    test $code = 0 || grep -q "No space left on device\|disk .*full" log
    test $code = 0 || test ! -e small/run/filter/r0/DONE
    test -z "$(find small/run -name '*.tmp')"
    echo "$kb KiB: exit code $code"
    rm small/filler
    must "$tenfold" probe tiny.cfg --run small/run $probed
    same small/run
done
