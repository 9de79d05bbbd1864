# The sum over lanes has the bits of the tree on every number of ranks from 1 to 8: tests/mpi/lane_sum.c
timeout 300 mpirun -n 8 "$TN_LANE_SUM" >log 2>&1 || { cat log; exit 1; }
grep -q '^compared 465$' log || { cat log; exit 1; }
