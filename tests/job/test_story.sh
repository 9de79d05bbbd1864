# jobs/story/run: a step out of order, and what is missing, is said by one line before anything is done.
source=$2
set -eu
mkdir -p top/jobs data/fashion_usage
cp -r "$source/jobs/story" top/jobs
story=top/jobs/story/run
refused() { # TEXT ARGUMENTS...
    want=$1 code=0
    shift
    "$story" "$@" >log 2>&1 || code=$?
    [ $code = 2 ] && [ "$(wc -l <log)" = 1 ] && grep -q "^error: .*$want" log && [ ! -e top/results/story ] && return
    echo "$*: exit code $code, wanted 2 and: $want"
    cat log
    exit 1
}
unset TENFOLD_DATA
refused "TENFOLD_DATA is not set" fashion 1-baseline
export TENFOLD_DATA=$PWD/data
refused "DATA is 'shoes': fashion or reviews" shoes 1-baseline
refused "STEP is '7-more': one of 1-baseline" fashion 7-more
refused "STEP is ''" fashion
refused "no ImageNet weights: run jobs/lite0-weights" fashion 1-baseline
mkdir -p top/results/weights
touch top/results/weights/lite0.safetensors data/fashion_usage/metadata.csv
refused "step 3-filter builds on 2-metadata, which has no metrics.json in .*fashion-x1: run jobs/story/run fashion 2-metadata 1 first" fashion 3-filter
refused "step 6-student builds on 5-sizes.*fashion-x4" fashion 6-student 4
refused "neither .*/data/reviews_clothing/metadata.csv nor .*/data/reviews_clothing.tar is there" reviews 1-baseline

# a step in its order starts tenfold, with what it adds
mkdir -p top/build/release top/results/story/fashion-x1/1-baseline/shards
echo '{}' >top/results/story/fashion-x1/1-baseline/metrics.json
printf '#!/bin/sh\nprintf "%%s\\n" "$@"\n' >top/build/release/tenfold
chmod +x top/build/release/tenfold
"$story" fashion 2-metadata >asked
grep -qx "model.metadata_levels=3" asked
if grep -q "self.max_rounds" asked; then exit 1; fi
test -d top/results/story/fashion-x1/2-metadata/shards
