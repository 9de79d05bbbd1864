# A file of a run that another program has open for writing is not damaged: exit code 3, and the same command works when it is closed.
# Each advice is followed once: of a file that was left open, of a shard that is damaged.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
sed -i 's/images = 2400/images = 320/; s/evaluations = 3/evaluations = 1/; s/warmup_images = 200/warmup_images = 0/' tiny.cfg
cell=r0-f0-s32-x1
"$tenfold" preprocess tiny.cfg --run out >log 2>&1 || { cat log; exit 1; }
"$tenfold" train tiny.cfg --run out --folds 0 >log 2>&1 || { cat log; exit 1; }
"$tenfold" predict tiny.cfg --run out --round 0 --folds 0 >log 2>&1 || { cat log; exit 1; }
(cd out && md5sum predict/$cell/predictions.h5 shards/*.h5) >expected
rm -r out/predict
predict="$tenfold predict tiny.cfg --run out --round 0 --folds 0"
refused() { # CODE TEXT COMMAND...
    want=$1 text=$2 code=0
    shift 2
    "$@" >log 2>&1 || code=$?
    [ $code = $want ] && grep -q -- "$text" log || { echo "$*: exit code $code, wanted $want and: $text"; cat log; exit 1; }
}
works() { # the bits of the undisturbed run
    $predict >log 2>&1 || { cat log; exit 1; }
    (cd out && md5sum -c --quiet ../expected)
    rm -r out/predict
}
mkfifo hold
held() { # FILE TEXT COMMAND...
    file=$1 text=$2
    shift 2
    rm -f said
    exec 3<>hold # open for both, which waits for nobody; the holder sees its end when we close it
    "$TN_HOLD_H5" "$file" <hold 3>&- >said &
    for _ in $(seq 500); do [ ! -s said ] || break; sleep 0.01; done
    grep -q held said
    refused 3 "$text" "$@"
    exec 3>&-
    wait $!
}
for file in shards/dataset.h5 folds/folds.h5 shards/shard-00001.h5; do
    held out/$file "out/$file: another program has it open for writing (h5py .*): close it there and run the same command again" $predict
    works
done
$predict >log 2>&1
held out/predict/$cell/predictions.h5 "predictions.h5: another program has it open for writing" "$tenfold" reduce tiny.cfg --run out --allow-missing
rm -r out/predict

# killed with the file open: the folder is made again
for file in shards/dataset.h5 shards/shard-00000.h5 folds/folds.h5; do
    "$TN_HOLD_H5" out/$file killed >said
    refused 3 "If it is open nowhere, a program was killed with it open: delete the folder out/${file%/*} and run .tenfold preprocess. again" $predict
    rm -r out/${file%/*}
    "$tenfold" preprocess tiny.cfg --run out >log 2>&1 || { cat log; exit 1; }
    works
done

# a shard that is damaged; one that is gone: slow_deleted_shard.sh
echo "no HDF5" >out/shards/shard-00001.h5
refused 4 "shard-00001.h5: not an HDF5 file, or damaged: delete the folder out/shards and run .tenfold preprocess. again" $predict
rm -r out/shards
"$tenfold" preprocess tiny.cfg --run out >log 2>&1 || { cat log; exit 1; }
works
