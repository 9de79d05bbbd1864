/* test_run.c - sums over ranks of more counts than an int can number. */
#include "unit.h"

#include "base/run.h"

#include <limits.h>
#include <sys/mman.h>

/* MPI's call comes here: nothing is summed, what was asked for is noted. */
static int64_t *expected, n_calls;
static bool gap;
int MPI_Allreduce(const void *from, void *to, int n, MPI_Datatype type, MPI_Op op, MPI_Comm comm) {
    gap |= from != MPI_IN_PLACE || to != (void *)expected || n < 1 || type != MPI_INT64_T || op != MPI_SUM ||
           comm != MPI_COMM_SELF;
    expected += n;
    n_calls++;
    return MPI_SUCCESS;
}

/* (5 folds, 64 classes) of ten million categories; the memory is promised, and never touched. */
static void long_sums(void **unused) {
    (void)unused;
    tn_run run = {.comm = MPI_COMM_SELF, .n_ranks = 1};
    const int64_t length[] = {0, 1, 5, (int64_t)INT_MAX + 1, (int64_t)5 * 64 * 10000000};
    for (size_t i = 0; i < sizeof length / sizeof *length; i++) {
        size_t n_bytes = (size_t)length[i] * sizeof(int64_t) + 1;
        int64_t *count = mmap(NULL, n_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        assert_true(count != MAP_FAILED);
        expected = count;
        n_calls = 0;
        tn_sum(&run, length[i], count);
        assert_false(gap);
        assert_true(expected == count + length[i]);
        assert_true(length[i] > INT_MAX ? n_calls > 1 : n_calls <= 1);
        munmap(count, n_bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(long_sums)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
