# tiny.sh - sourced by tests: the tiny job of tests/job/tiny.sh, small enough for an emulated GPU. Needs $tenfold and $source.
[ -n "${TN_GPU-}" ] || { echo "CUDA's headers or cuDNN are not there" && exit 77; }
. "$source/tests/job/tiny.sh"
rm -r data && "$TN_MAKE_IMAGES" data 72 0.15 # few: an emulated GPU is slow
sed -i "s/images = 2400/images = 64/; s/warmup_images = 200/warmup_images = 16/; s/evaluations = 3/evaluations = 2/; s/sizes_px = \[ 32 \]/sizes_px = [ 16 ]/
    s/lanes = 4; lane_images = 8/lanes = 4; lane_images = 4/" tiny.cfg
# shellcheck disable=SC2034
cuda="--set train.device=cuda"
# shellcheck disable=SC2034
cell=train/r0-f0-s16-x1
fails() { # CODE WORDS COMMAND...
    local wanted=$1 words=$2 code=0
    shift 2
    "$@" >log 2>&1 || code=$?
    [ $code = "$wanted" ] && grep -q -- "$words" log || { echo "$*: exit code $code, wanted $wanted and: $words" && cat log && exit 1; } >&2
}
