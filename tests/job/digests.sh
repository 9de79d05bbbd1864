# digests.sh - sourced by tests: everything that must not depend on ranks, interruptions and launchers, one line each.
digest_of_run() {
    (
        cd $1
        md5sum shards/*.h5 shards/quarantine.csv folds/folds.h5 folds/certificate.txt $(find train -name posteriors.h5 | sort) filter/*/ledger.csv \
            filter/*/overlay-* predict/*/predictions.h5 ensemble.h5 submission.csv metrics.json ledger.csv
        for f in train/*/best.safetensors train/*/checkpoint.safetensors; do echo "$("$tenfold" weights digest $f)  $f"; done
    )
}
