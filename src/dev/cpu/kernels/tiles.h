/*
 * tiles.h - six operations on eight tiles of 16 rows of 64 bytes: the instructions of AMX, or the same in plain C.
 *
 *   TILES_SHAPE(s)           set the shapes of all tiles, for this thread     TILES_RELEASE()   give them up: threads switch faster
 *   TILE_ZERO(t)  TILE_LOAD(t, from, stride)  TILE_STORE(t, to, stride)       rows of a tile, `stride` bytes apart in memory
 *   TILE_DOT(c, a, b)        c(i,j) += sum over p of a(i,p).0 b(p,j).0 + a(i,p).1 b(p,j).1, a and b in pairs of bf16 (pairs.h)
 *
 * t, c, a, b are literals 0 .. 7. TN_TILES_IN_C: in C, for tests on processors without AMX. It gives the bits of the instructions: first and second halves of
 * the pairs are two chains of multiply-adds that start at zero; their sum is added to c; numbers below 2^-126 are zeros, as operands and as results.
 * Source  Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, TDPBF16PS
 */

typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16]; /* of a row of tile t */
    uint8_t rows[16];
} tile_shapes;

#if !defined(TN_TILES_IN_C)

/* The compiler does not know that tiles are memory. */
#define TILES_FENCE() __asm__ volatile("" ::: "memory")

#define TILES_SHAPE(s)                                                                                                 \
    do {                                                                                                               \
        TILES_FENCE();                                                                                                 \
        _tile_loadconfig(s);                                                                                           \
    } while (0)
#define TILES_RELEASE()                                                                                                \
    do {                                                                                                               \
        _tile_release();                                                                                               \
        TILES_FENCE();                                                                                                 \
    } while (0)
#define TILE_ZERO(t)               _tile_zero(t)
#define TILE_LOAD(t, from, stride) _tile_loadd(t, from, stride)
#define TILE_STORE(t, to, stride)  _tile_stored(t, to, stride)
#define TILE_DOT(c, a, b)          _tile_dpbf16ps(c, a, b)

#else

static _Thread_local struct {
    tile_shapes shape;
    uint32_t word[8][16][16];
} tiles;

static float flushed(float x) {
    return fabsf(x) < 0x1p-126F ? copysignf(0, x) : x;
}
static float half(uint32_t pair, int which) {
    uint32_t u = which ? pair & 0xffff0000U : pair << 16;
    float x;
    memcpy(&x, &u, sizeof x);
    return flushed(x);
}
static float tile_sum(int a, int b, int i, int j) {
    float chain[2] = {0, 0};
    for (int p = 0; p < tiles.shape.bytes[a] / 4; p++)
        for (int h = 0; h < 2; h++)
            chain[h] = flushed(fmaf(half(tiles.word[a][i][p], h), half(tiles.word[b][p][j], h), chain[h]));
    return flushed(chain[0] + chain[1]);
}
static void tile_dot(int c, int a, int b) {
    for (int i = 0; i < tiles.shape.rows[c]; i++)
        for (int j = 0; j < tiles.shape.bytes[c] / 4; j++) {
            float sum;
            memcpy(&sum, &tiles.word[c][i][j], sizeof sum);
            sum = flushed(flushed(sum) + tile_sum(a, b, i, j));
            memcpy(&tiles.word[c][i][j], &sum, sizeof sum);
        }
}
static void tile_load(int t, const void *from, int64_t stride) {
    memset(tiles.word[t], 0, sizeof tiles.word[t]);
    for (int i = 0; i < tiles.shape.rows[t]; i++)
        memcpy(tiles.word[t][i], (const char *)from + i * stride, tiles.shape.bytes[t]);
}
static void tile_store(int t, void *to, int64_t stride) {
    for (int i = 0; i < tiles.shape.rows[t]; i++)
        memcpy((char *)to + i * stride, tiles.word[t][i], tiles.shape.bytes[t]);
}

#define TILES_SHAPE(s)             (tiles.shape = *(s))
#define TILES_RELEASE()            memset(&tiles, 0, sizeof tiles)
#define TILE_ZERO(t)               memset(tiles.word[t], 0, sizeof tiles.word[t])
#define TILE_LOAD(t, from, stride) tile_load(t, from, stride)
#define TILE_STORE(t, to, stride)  tile_store(t, to, stride)
#define TILE_DOT(c, a, b)          tile_dot(c, a, b)

#endif
