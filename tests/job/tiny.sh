# tiny.sh - sourced by tests: a tiny data set (data/) and its job file (tiny.cfg) in the current folder. Needs $tenfold.
set -eu
"$TN_MAKE_IMAGES" data 240 0.15
cat >tiny.cfg <<'CFG'
data: { metadata = "data/metadata.csv"; classes = [ "disc", "square", "stripes" ]; truth_column = "truth"; };
preprocess: { size_px = 40; shard_rows = 50; };
folds: { count = 3; };
model: { net = "efficientnet-b0"; width = 0.25; depth = 0.35; stem_stride = 1; metadata_levels = 2; head_units = 16; };
train: { images = 2400; sizes_px = [ 32 ]; lanes = 4; lane_images = 8; learning_rate = 0.006; warmup_images = 200;
  evaluations = 3; ema_decay = 0.9;
  augment = ( { op = "random_resized_crop"; area_min = 0.5; }, { op = "horizontal_flip"; probability = 0.5; },
              { op = "cutmix"; probability = 0.2; } ); };
self: { verdict_ratio = 0; }; # nets that have hardly learned give low odds
CFG

# run_verb RANKS VERB [options]: a verb under mpirun, into run<RANKS>
run_verb() {
    n=$1 verb=$2
    shift 2
    mpirun -n $n "$tenfold" $verb tiny.cfg --run run$n "$@"
}

# what must work, and what must be refused; a test may have its own
must() { "$@" >log 2>&1 || { cat log && exit 1; }; }
refused() { # CODE TEXT COMMAND...
    want=$1 text=$2 code=0
    shift 2
    timeout 100 "$@" >log 2>&1 || code=$?
    [ $code = $want ] && grep -q -- "$text" log && return
    echo "$*: exit code $code, wanted $want and: $text"
    cat log
    exit 1
}

# the processes of the ranks that a launcher started; below MPICH's stands another process
ranks_of() { pgrep -P "$1" -x tenfold || pgrep -P "$(pgrep -d, -P "$1")" -x tenfold; }

. "$source/tests/job/digests.sh"
