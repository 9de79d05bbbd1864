/*
 * product_tiles.h - the products of product.h on tiles (tiles.h). Included by kernels.c for the instruction sets that have them.
 *
 * Two by two tiles of C stay in registers while the loop runs over 16 pairs at a time. The last pairs, and the last rows, have tiles
 * of their own shapes, so that nothing is read beyond the operands.
 */

enum { SIDE = 16, TILE_WORDS = SIDE * SIDE }; /* of a tile */

typedef struct {
    const uint32_t *a, *b;
    float *c;
    int64_t a_row, a_step, a_group; /* strides of A in pairs: rows, 16 pairs, 16 rows */
    int64_t b_pair, b_panel;        /* of B */
    int64_t c_row;                  /* in floats */
    int64_t n_steps;                /* of 16 pairs */
    int n_last;                     /* pairs after them */
} tiled;

/* Tiles 0 to 3: C. 4, 5: A and B. 6, 7: their last pairs. */
static void shape_tiles(int n_rows, int n_last) {
    tile_shapes s = {.palette = 1};
    for (int t = 0; t < 8; t++) s.bytes[t] = 64, s.rows[t] = (uint8_t)n_rows;
    s.rows[5] = SIDE;
    s.bytes[6] = (uint16_t)(4 * n_last);
    s.rows[7] = (uint8_t)n_last;
    if (n_last == 0) s.rows[6] = 0, s.bytes[7] = 0;
    TILES_SHAPE(&s);
}

/* groups: 1 or 2 of 16 rows; panels: 1 or 2. The second B is still there when the second A comes. */
#define STEP(A, B)                                                                                                     \
    do {                                                                                                               \
        TILE_LOAD(A, a, a_bytes);                                                                                      \
        TILE_LOAD(B, b, b_bytes);                                                                                      \
        TILE_DOT(0, A, B);                                                                                             \
        if (panels == 2) {                                                                                             \
            TILE_LOAD(B, b + o->b_panel, b_bytes);                                                                     \
            TILE_DOT(1, A, B);                                                                                         \
        }                                                                                                              \
        if (groups == 2) {                                                                                             \
            TILE_LOAD(A, a + o->a_group, a_bytes);                                                                     \
            if (panels == 2) {                                                                                         \
                TILE_DOT(3, A, B);                                                                                     \
                TILE_LOAD(B, b, b_bytes);                                                                              \
            }                                                                                                          \
            TILE_DOT(2, A, B);                                                                                         \
        }                                                                                                              \
    } while (0)

#define EACH_OF_C(DO)                                                                                                  \
    do {                                                                                                               \
        DO(0, o->c);                                                                                                   \
        if (panels == 2) DO(1, o->c + SIDE);                                                                           \
        if (groups == 2) DO(2, o->c + SIDE * o->c_row);                                                                \
        if (groups == 2 && panels == 2) DO(3, o->c + SIDE * o->c_row + SIDE);                                          \
    } while (0)

INLINE void tiles_of_c(int groups, int panels, const tiled *o, bool add) {
    const uint32_t *a = o->a, *b = o->b;
    int64_t a_bytes = 4 * o->a_row, b_bytes = 4 * o->b_pair, c_bytes = 4 * o->c_row;
#define ZERO(t, at)  TILE_ZERO(t)
#define LOAD(t, at)  TILE_LOAD(t, at, c_bytes)
#define STORE(t, at) TILE_STORE(t, at, c_bytes)
    if (add)
        EACH_OF_C(LOAD);
    else
        EACH_OF_C(ZERO);
    for (int64_t s = 0; s < o->n_steps; s++, a += o->a_step, b += SIDE * o->b_pair) STEP(4, 5);
    if (o->n_last) STEP(6, 7);
    EACH_OF_C(STORE);
#undef ZERO
#undef LOAD
#undef STORE
}

/* All panels of one or two groups of rows. */
INLINE void groups_of_rows(int groups, int n_panels, tiled o, bool add) {
    int j = 0;
    for (; j + 2 <= n_panels; j += 2, o.b += 2 * o.b_panel, o.c += 2 * SIDE) tiles_of_c(groups, 2, &o, add);
    if (j < n_panels) tiles_of_c(groups, 1, &o, add);
}

static void multiply_tiles(int64_t n_rows, int n_panels, tiled o, bool add) {
    int64_t i = 0;
    if (n_rows >= SIDE) shape_tiles(SIDE, o.n_last);
    for (; i + 2 * SIDE <= n_rows; i += 2 * SIDE, o.a += 2 * o.a_group, o.c += 2 * SIDE * o.c_row)
        groups_of_rows(2, n_panels, o, add);
    for (; i + SIDE <= n_rows; i += SIDE, o.a += o.a_group, o.c += SIDE * o.c_row) groups_of_rows(1, n_panels, o, add);
    if (i < n_rows) {
        shape_tiles((int)(n_rows - i), o.n_last);
        groups_of_rows(1, n_panels, o, add);
    }
    TILES_RELEASE();
}

static void product(int64_t n_rows, int n_panels, int64_t n_pairs, const uint32_t *a, int64_t a_row, const uint32_t *b,
                    float *c, int64_t c_row) {
    tiled o = {.a = a, .b = b, .c = c, .a_row = a_row, .a_step = SIDE, .a_group = SIDE * a_row};
    o.b_pair = PW, o.b_panel = n_pairs * PW, o.c_row = c_row;
    o.n_steps = n_pairs / SIDE, o.n_last = (int)(n_pairs % SIDE);
    multiply_tiles(n_rows, n_panels, o, false);
}

/* --- the weights' gradient ------------------------------------------------------------------------------------------ */

INLINE words widen_words(const bf16 *x) {
    typedef uint16_t halves __attribute__((vector_size(2 * PW), aligned(2), may_alias));
    return __builtin_convertvector(*(const halves *)(const void *)x, words);
}

/* A tile of 16 columns of x: each becomes a row, its values in pairs. n rows of x, at most 32; those that lack are zeros. */
INLINE void transpose_tile(int n, const bf16 *x, int64_t ld, uint32_t *out) {
    words r[SIDE];
#pragma GCC unroll 16
    for (int p = 0; p < SIDE; p++) {
        r[p] = (words){0};
        if (2 * p < n) r[p] = widen_words(x + 2 * p * ld);
        if (2 * p + 1 < n) r[p] |= widen_words(x + (2 * p + 1) * ld) << 16;
    }
    transpose_words(r);
#pragma GCC unroll 16
    for (int p = 0; p < SIDE; p++) memcpy(out + p * SIDE, &r[p], sizeof r[p]);
}

/* out: a tile for each 16 columns of x (n, 16 n_groups) and each 32 rows, in this order. */
static void transpose_rows(int64_t n, int n_groups, const bf16 *x, int64_t ld, uint32_t *out) {
    int64_t n_steps = (n + 2 * SIDE - 1) / (2 * SIDE);
    for (int64_t s = 0; s < n_steps; s++, x += 2 * SIDE * ld)
        for (int g = 0; g < n_groups; g++) {
            uint32_t *to = out + (g * n_steps + s) * TILE_WORDS;
            if (n - s * 2 * SIDE >= 2 * SIDE)
                transpose_tile(2 * SIDE, x + g * SIDE, ld, to);
            else
                transpose_tile((int)(n - s * 2 * SIDE), x + g * SIDE, ld, to);
        }
}

static void weights_product(int64_t n, int K, int64_t C, const bf16 *dy, int64_t ld_dy, const bf16 *x, int64_t ld_x,
                            uint32_t *room, float *sums, int64_t ld_sums) {
    int n_groups = (K + SIDE - 1) / SIDE;
    int64_t n_steps = (n + 2 * SIDE - 1) / (2 * SIDE), n_pairs = (n + 1) / 2;
    uint32_t *x_pairs = room + n_groups * n_steps * TILE_WORDS;
    transpose_rows(n, n_groups, dy, ld_dy, room);
    pair_rows(n, C, x, ld_x, x_pairs, ld_sums);
    memset(x_pairs + n_pairs * ld_sums, 0, (size_t)((n_steps * SIDE - n_pairs) * ld_sums) * sizeof *x_pairs);
    tiled o = {
        .a = room, .b = x_pairs, .c = sums, .a_row = SIDE, .a_step = TILE_WORDS, .a_group = n_steps * TILE_WORDS};
    o.b_pair = ld_sums, o.b_panel = SIDE, o.c_row = ld_sums, o.n_steps = n_steps;
    multiply_tiles(n_groups * SIDE, (int)(ld_sums / SIDE), o, true);
}
