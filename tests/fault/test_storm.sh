# A thousand signals, one every millisecond, to a process and to each of its threads. Those that ask for nothing change no bit; those
# that ask to stop end each stage once, with exit code 6, and it goes on to the bits of a run that was not disturbed. In fp32 with
# products of more than 128 channels, where a library once let the stack pointer stand in a buffer on the heap.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
sed -i 's/images = 2400/images = 640/; s/evaluations = 3/evaluations = 1/; s/warmup_images = 200/warmup_images = 0/' tiny.cfg
threads="--set train.lane_threads=2"
undisturbed() { "$@" >log 2>&1 || { cat log; exit 1; }; }
undisturbed "$tenfold" preprocess tiny.cfg --run whole
undisturbed mpirun -n 2 "$tenfold" train tiny.cfg --run whole
undisturbed "$tenfold" filter tiny.cfg --run whole
undisturbed mpirun -n 2 "$tenfold" predict tiny.cfg --run whole --round 0
undisturbed "$tenfold" reduce tiny.cfg --run whole --set self.max_rounds=0
mkdir threads && cp -r whole/shards whole/folds threads/
undisturbed "$tenfold" train tiny.cfg --run threads --folds 0 $threads
sums() { # RUN: what must not change
    (cd $1 && find shards folds train filter predict -name '*.h5' -o -name '*.csv' -o -name '*.txt' | sort | xargs md5sum
        for f in train/*/*.safetensors; do echo "$("$tenfold" weights digest $f) $f"; done
        for f in train/*/; do echo "$(journal_of $f | md5sum) $f"; done)
}
sums whole >expected
sums threads >expected_threads 2>/dev/null

# Its threads block SIGTERM: the third hexadecimal digit from the right of signals 15 to 18.
is_ready() { grep -q '^SigBlk:.*[4-7c-f]...$' /proc/$1/status 2>/dev/null; }
storm() { # stop|other COMMAND...: its exit code in $code
    kind=$1
    shift
    "$@" >log 2>&1 &
    pid=$! rank=""
    until [ -n "$rank" ] && is_ready $rank; do
        kill -0 $pid 2>/dev/null || break
        rank=$(pgrep -P $pid -x tenfold | tail -n 1)
        [ "$(cat /proc/$pid/comm)" != tenfold ] || rank=$pid
        sleep 0.005
    done
    [ $kind = other ] || sleep 0.$((RANDOM % 4))
    "$TN_STORM" $kind $rank 1000 || [ $kind = stop ] # it may have ended before the first one
    code=0
    wait $pid || code=$?
    cat log
}
stage() { # stop|other COMMAND...: until it is done
    storm "$@"
    if [ $code = 6 ] && [ $1 = stop ]; then
        [ "$(grep -c 'error: .*stopped on request' log)" = 1 ]
        stops=$((stops + 1))
        shift
        undisturbed "$@"
        code=0
    fi
    [ $code = 0 ]
}
for kind in other stop; do
    stops=0
    mkdir $kind
    stage $kind "$tenfold" preprocess tiny.cfg --run $kind
    stage $kind mpirun -n 2 "$tenfold" train tiny.cfg --run $kind
    stage $kind "$tenfold" filter tiny.cfg --run $kind
    stage $kind mpirun -n 2 "$tenfold" predict tiny.cfg --run $kind --round 0
    stage $kind "$tenfold" reduce tiny.cfg --run $kind --set self.max_rounds=0
    sums $kind | cmp - expected
    cmp $kind/submission.csv whole/submission.csv
    mkdir threads-$kind && cp -r whole/shards whole/folds threads-$kind/
    stage $kind "$tenfold" train tiny.cfg --run threads-$kind --folds 0 $threads
    sums threads-$kind 2>/dev/null | cmp - expected_threads
done
[ $stops -ge 3 ]
