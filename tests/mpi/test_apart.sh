# Ranks that come to different collective calls end at once, and both places are named (base/run.h).
set -eu
mpirun -n 3 "$TN_APART" same | grep -qx together
apart() { # WHAT TEXT
    code=0
    timeout 60 mpirun -n 3 "$TN_APART" "$1" >log 2>&1 || code=$?
    [ $code = 70 ] && grep -q "error: rank 0 on .*: ranks came to different collective calls: rank 0 to $2" log && ! grep -q together log ||
        { echo "$1: exit code $code, wanted 70 and: $2"; cat log; exit 1; }
}
apart line "tn_agree (.*) at .*mpi/apart.c:26, rank 2 to tn_agree (.*) at .*mpi/apart.c:24"
apart call "tn_bcast (rank 1, 32) at .*apart.c:30, rank 2 to tn_sum (rank 0, 8) at .*apart.c:28"
apart length "tn_bcast (rank 1, 32) at .*apart.c:30, rank 2 to tn_bcast (rank 1, 16) at .*apart.c:30"
