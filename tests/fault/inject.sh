# inject.sh - sourced by tests: one stage of a tiny run in which one chosen system call fails, and what came of it. Needs $tenfold,
# $source, an empty current folder, and TN_INJECT (inject.c).
#
#   inject_begin                            makes the pictures and, stage by stage, an undisturbed run
#   inject_count STAGE RANKS                writes the calls of an undisturbed start, `KIND RANK N PATH` each
#   inject_case STAGE RANKS RANK KIND N FAULT
#                                           hits the N-th call of a kind, of rank RANK (`any`: of all processes); sets code, hit (its
#                                           path), outcome. Returns 1 where the outcome is wrong; its files are in case/
#
# Stages: preprocess train resume filter retrain predict reduce report run, staged (train, with shards copied to a local disk)
# Faults: the name of an error; with a + behind: all calls of the kind fail from the N-th on; `short`: half of a write; `stall`: 2 s
#
# Right is: the exit code of the documentation for that fault and one message that says why; folders with a DONE and final outputs
# have the bytes of the undisturbed run; a second start without a fault ends with exactly these.
# shellcheck disable=SC2034 # inject_stages, outcome: for those who source this
set -eu

inject_stages="preprocess train resume filter retrain predict reduce report run staged"

inject_words() { # STAGE: the words behind `tenfold`
    job="case/inject.cfg --run case/run"
    case $1 in
    train | resume) echo "train $job --round 0 --folds 0" ;;
    retrain) echo "train $job --round 1 --folds 1" ;;
    staged) echo "train $job --round 0 --folds 0 --set data.stage_folder=case/stage" ;;
    filter) echo "filter $job --round 0" ;;
    *) echo "$1 $job" ;;
    esac
}

# bytes that must not depend on what went wrong; of checkpoints and journals without the seconds in them; the report tells how it went
inject_digests() { # `digest file`, of case/run
    (
        cd case/run 2>/dev/null || exit 0 # nothing is there yet
        find . -type f ! -name '.*.lock' ! -name sign ! -path './log/*' ! -path './history/*' ! -path './report/*' ! -name plan.json ! -name job.cfg \
            ! -name checkpoint.safetensors ! -name journal.jsonl -exec md5sum {} +
        find . -name journal.jsonl -exec sh -c 'for f; do echo "$(sed "s/,\"training_seconds\":.*//" $f | md5sum | cut -c 1-32)  $f"; done' - {} +
        find . -name checkpoint.safetensors -exec sh -c 'for f; do echo "$("$0" weights digest $f)  $f"; done' "$tenfold" {} +
    ) | sort -k 2
}

inject_keep() { # STAGE: the undisturbed run so far is what this stage begins with; then the stage itself
    mkdir -p before after
    rm -rf before/$1
    cp -a case before/$1
    "$tenfold" $(inject_words $1) >log 2>&1 </dev/null || { cat log; return 1; }
    inject_digests >after/$1
}

inject_begin() {
    mkdir case
    "$TN_MAKE_IMAGES" case/data 36 0.15
    mkdir case/stage
    cat >case/inject.cfg <<'CFG'
data: { metadata = "data/metadata.csv"; classes = [ "disc", "square", "stripes" ]; truth_column = "truth"; };
preprocess: { size_px = 18; shard_rows = 12; };
folds: { count = 3; };
model: { net = "efficientnet-b0"; width = 0.1; depth = 0.1; stem_stride = 1; metadata_levels = 2; head_units = 4; };
train: { images = 32; sizes_px = [ 16 ]; lanes = 4; lane_images = 4; learning_rate = 0.006; warmup_images = 0;
  evaluations = 2; ema_decay = 0.9; checkpoint_seconds = 1e-6; loader_threads = 1; hang_seconds = 40; };
self: { max_rounds = 1; };
CFG
    inject_keep preprocess
    inject_keep train
    cp after/train after/staged
    cp after/train after/resume
    cp -a before/train before/staged
    # half trained: the second line of the journal found no room
    cp -a before/train half
    mv case whole && mv half case
    "$TN_INJECT" --below case --call write --skip '[!j]*' --nth 2 --error ENOSPC -- "$tenfold" $(inject_words train) >log 2>&1 && return 1
    test -e case/run/train/r0-f0-s16-x1/checkpoint.safetensors
    mv case before/resume && mv whole case
    "$tenfold" train case/inject.cfg --run case/run --round 0 >log 2>&1 || { cat log; return 1; }
    inject_keep filter
    "$tenfold" train case/inject.cfg --run case/run --round 1 --folds 0,2 >log 2>&1 || { cat log; return 1; }
    inject_keep retrain
    cp -a case before/run
    inject_keep predict
    inject_keep reduce
    inject_keep report
    rm -rf case
    cp -a before/run case
    inject_keep run
}

inject_command() { # STAGE RANKS: the words of the start
    case $1 in
    run) echo "$tenfold $(inject_words run) --ranks $2" ;;
    report) echo "$tenfold $(inject_words report)" ;;
    *) if [ $2 = 1 ]; then echo "$tenfold $(inject_words $1)"; else echo "mpirun -n $2 $tenfold $(inject_words $1)"; fi ;;
    esac
}

inject_count() { # STAGE RANKS
    rm -rf case
    cp -a before/$1 case
    "$TN_INJECT" --below case --call all --limit 120 --report report -- $(inject_command $1 $2) >log 2>&1 || { cat log; return 1; }
    awk '$1 == "call" { print $2, $3, ++n[$2, $3], $4 }' report
}

# folders with a DONE are whole and right, and so are the outputs in the run folder itself. A start that failed behind DONE may leave
# a checkpoint, which the next one removes.
inject_is_right_so_far() { # STAGE
    inject_digests >now
    awk -v here="case/run/" '
        function folder(f) { return match(f, /^.*\//) ? substr(f, 1, RLENGTH - 1) : "." }
        NR == FNR { right[$2] = $1; next }
        { have[$2] = $1; if ($2 ~ /\/DONE$/) done[folder($2)] }
        END {
            for (f in have) if ((folder(f) in done || folder(f) == ".") && f !~ /\.tmp$|\/checkpoint\.safetensors$/ && have[f] != right[f]) { print f " differs"; bad = 1 }
            for (f in right) if (folder(f) in done && !(f in have)) { print f " is missing beside a DONE"; bad = 1 }
            exit bad
        }' after/$1 now
}

inject_right_codes() { # STAGE FAULT
    case ${2%+} in
    stall | short) echo 0 ;;
    ENOMEM) echo "0 3 5 1 14 70 127 134 139" ;; # without memory MPI gives up (14: Open MPI 5), and the loader of programs crashes
    *) echo "0 3" ;;
    esac
}

# A file that seems to be there, and is not found afterwards, and what HDF5 keeps to itself have words of their own.
inject_cause() { # FAULT: how a message names it
    printf '%s' 'No such file or directory\|Input/output error\|'
    case ${1%+} in
    ENOSPC) echo "No space left on device" ;;
    EDQUOT) echo "Disk quota exceeded" ;;
    EIO) echo "Input/output error" ;;
    ESTALE) echo "Stale file handle" ;;
    EMFILE) echo "Too many open files" ;;
    *) echo "" ;;
    esac
}

inject_wrong() { # TEXT
    outcome="WRONG: $1"
    return 1
}

inject_case() { # STAGE RANKS RANK KIND N FAULT
    stage=$1 ranks=$2 rank=$3 kind=$4 n=$5 fault=$6 code=0 hit=""
    case ${fault%+} in
    stall) how="--stall 2" ;;
    short) how="--short" ;;
    *) how="--error ${fault%+}" ;;
    esac
    [ "$fault" = "${fault%+}" ] || how="$how --on"
    [ $rank = any ] || how="$how --rank $rank"
    rm -rf case
    cp -a before/$stage case
    "$TN_INJECT" --below case --call $kind --nth $n $how --limit 120 --report report -- $(inject_command $stage $ranks) >said 2>log </dev/null || code=$?
    hit=$(sed -n 's/^hit [^ ]* [^ ]* //p' report | head -n 1)
    hit=${hit#"$PWD"/case/}
    [ -n "$hit" ] || [ $code != 0 ] || { outcome="not reached"; return 0; }
    [ $code != 124 ] || inject_wrong "no end within 120 s" || return 1
    case " $(inject_right_codes $stage $fault) " in
    *" $code "*) ;;
    *) inject_wrong "exit code $code" || return 1 ;;
    esac
    ! grep -q '^left' report || inject_wrong "processes stay behind" || return 1
    said=$(grep -c '^tenfold: error: ' log || :) # a step that fails says so, and then the run
    [ $code != 3 ] && [ $code != 5 ] || [ $said = 1 ] || [ $stage$said = run2 ] || inject_wrong "exit code $code, $said messages" || return 1
    [ $code != 3 ] || grep -q "^tenfold: .*\($(inject_cause $fault)\)" log || inject_wrong "exit code 3, not saying why" || return 1
    inject_is_right_so_far $stage >differs || inject_wrong "exit code $code, $(head -n 1 differs)" || return 1
    outcome="unharmed"
    if [ $code != 0 ] || grep -q "checkpoint.safetensors: cannot be removed: .* the next start removes it" log; then
        outcome="exit code $code"
        "$tenfold" $(inject_words $stage) >log2 2>&1 || inject_wrong "exit code $code, then $? without a fault" || return 1
        inject_digests >now
    fi
    cmp -s now after/$stage || inject_wrong "exit code $code, and in the end $(diff now after/$stage | grep -c '^[<>]') lines differ" || return 1
}
