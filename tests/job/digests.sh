# digests.sh - sourced by tests: everything that must not depend on ranks, interruptions and launchers, one line each.
# A cell that is done has no checkpoint. What tells its last weights: the losses of its journal, which are of every step, with 15 digits.
journal_of() { sed 's/,"training_seconds":.*//' "$1/journal.jsonl"; } # CELL: without the seconds
digest_in() { tr -d ' "' <"$1" | sed -n 's/^digest:\([0-9a-f]*\),$/\1/p'; } # DONE
# trains a cell to its last checkpoint, which stays, since DONE cannot be published; so that checkpoints can be compared
last_checkpoint() { # CELL-FOLDER COMMAND...
    stuck=$1 code=0
    shift
    mkdir -p $stuck/DONE.tmp
    "$@" >log 2>&1 || code=$?
    rmdir $stuck/DONE.tmp
    { [ $code = 3 ] && grep -q "DONE.tmp: cannot be written" log && [ -e $stuck/checkpoint.safetensors ]; } || { cat log && return 1; }
}
digest_of_run() {
    (
        cd $1 || exit
        md5sum shards/*.h5 shards/quarantine.csv folds/folds.h5 folds/certificate.txt $(find train -name posteriors.h5 | sort) filter/*/ledger.csv \
            filter/*/overlay-* predict/*/predictions.h5 ensemble.h5 submission.csv metrics.json ledger.csv
        for f in train/*/best.safetensors; do echo "$("$tenfold" weights digest $f)  $f"; done
        for f in train/*/; do echo "$(journal_of $f | md5sum | cut -c 1-32)  ${f}journal.jsonl"; done
        for f in train/*/DONE; do echo "$(digest_in $f)  $f"; done
    )
}
