/* test_batch.c - shards written and read, JPEG, and the loader: the same lanes from any number of threads. */
#include "unit.h"

#include "base/hash.h"
#include "data/loader.h"
#include "preprocess/image.h"
#include "store/h5.h"
#include "store/jpeg.h"

#include <math.h>
#include <stdio.h>

#include <jpeglib.h>

enum { N = 24, W = 30, H = 20, K = 3 };

/* A data set of N small pictures in two shards. raw: pixels, else JPEG. */
static tn_index *make(bool raw, tn_shards **shards_out) {
    static char *names[K] = {"a", "b", "c"}, *paths[N], *values[3] = {"unknown", "x", "y"};
    tn_cfg cfg = {.preprocess = {.store = raw ? TN_STORE_RAW : TN_STORE_JPEG, .jpeg_quality = 95}};
    const char *dir = unit_path(raw ? "raw" : "jpeg");
    tn_index *ix = NULL;
    assert_int_equal(tn_folder_make(dir), TN_OK);
    assert_int_equal(tn_index_new(N, 1, &ix), TN_OK);
    ix->n_classes = K;
    ix->n_values[0] = 3;
    for (int s = 0; s < 2; s++) {
        char path[TN_PATH_BYTES];
        tn_shard_writer *w = NULL;
        assert_int_equal(tn_path(path, "%s/shard-%05d.h5", dir, s), TN_OK);
        const char *reason[N / 2];
        tn_shard_spec spec = {s * N / 2, N / 2, raw ? "raw" : "jpeg", H, "test"};
        assert_int_equal(tn_shard_writer_open(path, &spec, &w), TN_OK);
        for (int i = s * N / 2; i < (s + 1) * N / 2; i++) {
            unsigned char pixels[W * H * 3], *bytes = NULL;
            for (int j = 0; j < W * H * 3; j++) pixels[j] = (unsigned char)(i * 10 + j / (3 * W) * 2 + j % 3);
            tn_image image = {.w = W, .h = H, .pixels = pixels};
            size_t n = 0;
            assert_int_equal(tn_image_store(&cfg, &image, &bytes, &n), TN_OK);
            assert_int_equal(tn_shard_writer_add(w, bytes, (int32_t)n, &ix->offset[i]), TN_OK);
            ix->shard[i] = s, ix->length[i] = (int32_t)n, ix->checksum[i] = tn_hash64(bytes, n);
            ix->width[i] = W, ix->height[i] = H, ix->label[i] = i % 4 == 3 ? -1 : i % 4, ix->cat[i] = i % 3;
            paths[i] = names[0], reason[i % (N / 2)] = "";
            free(bytes);
        }
        assert_int_equal(tn_shard_writer_close(&w, ix, reason), TN_OK);
        assert_null(w);
    }
    ix->class_name = memcpy(malloc(sizeof names), names, sizeof names);
    ix->path = memcpy(malloc(sizeof paths), paths, sizeof paths);
    ix->value_name[0] = memcpy(malloc(sizeof values), values, sizeof values);
    snprintf(ix->shards_dir, sizeof ix->shards_dir, "%s", dir);
    assert_int_equal(tn_shards_open(NULL, ix, shards_out), TN_OK);
    return ix;
}

/* The first three: as most tests use them. */
static const tn_augment AUGMENT[] = {
    {.kind = TN_AUG_CROP, .probability = 1, .area_min = 0.3, .area_max = 1, .ratio_min = 0.75, .ratio_max = 1.33},
    {.kind = TN_AUG_FLIP, .probability = 0.5},
    {.kind = TN_AUG_CUTMIX, .probability = 0.7},
    {.kind = TN_AUG_MIXUP, .probability = 0.5, .alpha = 1},
    {.kind = TN_AUG_VERTICAL_FLIP, .probability = 0.5},
    {.kind = TN_AUG_SHIFT_SCALE_ROTATE, .probability = 0.5, .shift_limit = 0.1, .scale_limit = 0.1, .rotate_limit = 45},
    {.kind = TN_AUG_RAND_AUGMENT, .probability = 0.5, .magnitude = 9, .num_ops = 2},
    {.kind = TN_AUG_BRIGHTNESS_CONTRAST, .probability = 0.5, .brightness_limit = 0.2, .contrast_limit = 0.2},
    {.kind = TN_AUG_HUE_SATURATION_VALUE, .probability = 0.5, .hue_shift_limit = 20, .sat_shift_limit = 30},
    {.kind = TN_AUG_GAUSSIAN_BLUR, .probability = 0.5, .sigma_min = 0.5, .sigma_max = 3},
    {.kind = TN_AUG_GAUSS_NOISE, .probability = 0.5, .std_min = 3, .std_max = 7},
    {.kind = TN_AUG_COARSE_DROPOUT, .probability = 0.5, .num_holes_min = 1, .num_holes_max = 2, .hole_size_max = 0.4},
    {.kind = TN_AUG_CHANNEL_DROPOUT, .probability = 0.5, .num_channels_min = 1, .num_channels_max = 2}};
enum { N_AUGMENT = sizeof AUGMENT / sizeof *AUGMENT };

static tn_loader_spec spec_of(const tn_index *ix, const tn_shards *shards, int threads, bool training) {
    return (tn_loader_spec){.index = ix,
                            .shards = shards,
                            .size_px = 12,
                            .lane_images = 6,
                            .n_threads = threads,
                            .depth = 5,
                            .seed = 4,
                            .training = training,
                            .augment = AUGMENT,
                            .n_augment = 3,
                            .label_smoothing = 0.1,
                            .metadata_levels = 1,
                            .norm = {{0, 0, 0}, {1.0F / 255, 1.0F / 255, 1.0F / 255}}};
}

static void hash_lanes(const tn_index *ix, const tn_shards *shards, int threads, char hex[TN_HEX_BYTES]) {
    tn_loader_spec spec = spec_of(ix, shards, threads, true);
    spec.n_augment = N_AUGMENT;
    tn_loader *ld = NULL;
    tn_hash *h = tn_hash_new();
    int64_t rows[6];
    int pushed = 0;
    assert_int_equal(tn_loader_new(&spec, &ld), TN_OK);
    for (int lane = 0; lane < 12; lane++) {
        for (; pushed < 12 && tn_loader_pending(ld) < 4; pushed++) {
            for (int i = 0; i < 6; i++) rows[i] = (pushed * 5 + i * 7) % N / 4 * 4; /* labelled ones */
            tn_loader_push(ld, rows, 6, pushed * 6);
        }
        tn_lane x;
        assert_int_equal(tn_loader_pop(ld, &x), TN_OK);
        assert_int_equal(x.B, 6);
        tn_hash_add(h, x.image, 6 * 12 * 12 * 3);
        tn_hash_add(h, x.target, 6 * K * sizeof(float));
        tn_hash_add(h, x.extra, 6 * 3 * sizeof(float));
        for (int i = 0; i < 6; i++) {
            double sum = 0;
            for (int k = 0; k < K; k++) sum += (double)x.target[i * K + k];
            assert_true(fabs(sum - 1) < 1e-5);
        }
    }
    tn_hash_hex(h, hex);
    tn_hash_free(&h);
    tn_loader_free(&ld);
}

static void threads(void **unused) {
    (void)unused;
    for (int raw = 0; raw < 2; raw++) {
        char one[TN_HEX_BYTES], three[TN_HEX_BYTES];
        tn_shards *shards = NULL;
        tn_index *ix = make(raw, &shards);
        hash_lanes(ix, shards, 1, one);
        hash_lanes(ix, shards, 3, three);
        assert_string_equal(one, three);
        tn_shards_close(&shards);
        tn_index_free(&ix);
    }
}

/* The lane before CutMix is the one of a loader that has none; labels and soft targets are those that are given, smoothed. */
static void clean_lanes(void **unused) {
    (void)unused;
    tn_shards *shards = NULL;
    tn_index *ix = make(true, &shards);
    int32_t label[N];
    for (int i = 0; i < N; i++) label[i] = i == 4 ? -1 : (ix->label[i] + 1) % K;
    tn_loader_spec plain = spec_of(ix, shards, 1, true), spec = plain;
    plain.n_augment = 2;
    plain.label = spec.label = label;
    int64_t mixed_row[] = {1, 8};
    float mixed_target[2 * K] = {0};
    mixed_target[K] = 0.75F, mixed_target[K + 1] = 0.25F;
    plain.soft = spec.soft = &(tn_soft){.K = K, .n = 2, .row = mixed_row, .target = mixed_target};
    spec.keep_clean = true;
    tn_loader *a = NULL, *b = NULL;
    assert_int_equal(tn_loader_new(&plain, &a), TN_OK);
    assert_int_equal(tn_loader_new(&spec, &b), TN_OK);
    int n_mixed = 0;
    for (int lane = 0; lane < 8; lane++) {
        const int64_t rows[] = {0, 4, 8, 12, 16, 20};
        tn_lane x, y;
        tn_loader_push(a, rows, 6, lane * 6);
        tn_loader_push(b, rows, 6, lane * 6);
        assert_int_equal(tn_loader_pop(a, &x), TN_OK);
        assert_int_equal(tn_loader_pop(b, &y), TN_OK);
        assert_null(x.clean_image);
        assert_memory_equal(x.image, y.clean_image, 6 * 12 * 12 * 3);
        assert_memory_equal(x.extra, y.clean_extra, 6 * 3 * sizeof(float));
        for (int k = 0; k < K; k++) {
            assert_true(x.target[K + k] == 0 && y.target[K + k] == 0);
            double soft = 0.9 * (double)mixed_target[K + k] + 0.1 / K;
            assert_true(fabs((double)x.target[2 * K + k] - soft) < 1e-6);
            assert_true(x.mix.lambda == 1 && (x.target[k] > 0.9F) == (k == 1)); /* 0 was given, 1 is trained with */
        }
        n_mixed += y.mix.lambda < 1;
    }
    assert_true(n_mixed > 2 && n_mixed < 8);
    tn_loader_free(&a);
    tn_loader_free(&b);
    tn_shards_close(&shards);
    tn_index_free(&ix);
}

/* A lane is mixed at most once, by Mixup or else by CutMix. */
static void mixed_once(void **unused) {
    (void)unused;
    enum { PIXELS = 12 * 12 * 3 };
    tn_shards *shards = NULL;
    tn_index *ix = make(true, &shards);
    tn_loader_spec spec = spec_of(ix, shards, 2, true);
    spec.n_augment = 4;
    spec.keep_clean = true;
    tn_loader *ld = NULL;
    int n_blended = 0, n_pasted = 0;
    assert_int_equal(tn_loader_new(&spec, &ld), TN_OK);
    for (int lane = 0; lane < 200; lane++) {
        tn_lane x;
        tn_loader_push(ld, (int64_t[]){0, 4, 8, 12, 16, 20}, 6, lane * 6);
        assert_int_equal(tn_loader_pop(ld, &x), TN_OK);
        if (x.mix.lambda >= 1) continue;
        bool blended = true, pasted = true;
        for (int i = 0; i < 6 * PIXELS; i++) {
            int own = x.clean_image[i], other = x.clean_image[(int)x.mix.partner[i / PIXELS] * PIXELS + i % PIXELS];
            blended &= fabs(x.image[i] - x.mix.lambda * own - (1 - x.mix.lambda) * other) <= 0.5;
            pasted &= x.image[i] == own || x.image[i] == other;
        }
        assert_true(blended || pasted);
        n_blended += !pasted, n_pasted += !blended;
    }
    assert_true(n_blended > 70 && n_blended < 130 && n_pasted > 40 && n_pasted < 100); /* 0.5 and 0.35 of 200 */
    tn_loader_free(&ld);
    tn_shards_close(&shards);
    tn_index_free(&ix);
}

/* Evaluation: the centre square, no randomness, one-hot targets; values worked out from the picture's formula. */
static void evaluation(void **unused) {
    (void)unused;
    tn_shards *shards = NULL;
    tn_index *ix = make(true, &shards);
    tn_loader_spec spec = spec_of(ix, shards, 2, false);
    spec.size_px = H; /* no resizing: pixels as they are */
    spec.n_augment = N_AUGMENT;
    tn_loader *ld = NULL;
    tn_lane x;
    assert_int_equal(tn_loader_new(&spec, &ld), TN_OK);
    tn_loader_push(ld, (int64_t[]){5, 3}, 2, 0);
    assert_int_equal(tn_loader_pop(ld, &x), TN_OK);
    assert_int_equal(x.B, 2);
    for (int i = 0; i < 2; i++)
        for (int y = 0; y < H; y++)
            for (int c = 0; c < 3; c++)
                assert_int_equal(x.image[((i * H + y) * H + 7) * 3 + c], (int)x.row[i] * 10 + y * 2 + c);
    assert_true(x.target[0] == 0 && x.target[1] == 1 && x.target[2] == 0);
    assert_true(x.target[3] == 0 && x.target[4] == 0 && x.target[5] == 0); /* unlabelled */
    assert_true(x.extra[2] == 1 && x.extra[0] == 0 && x.extra[3] == 1);
    tn_loader_push(ld, (int64_t[]){1}, 1, 0); /* freed with work pending */
    tn_loader_free(&ld);
    tn_shards_close(&shards);
    tn_index_free(&ix);
}

/* The loader shows a view at its place: 30 x 20 pixels in a square of 30, as they are, between rows of the background. */
static void padded(void **unused) {
    (void)unused;
    enum { S = W, TOP = (W - H) / 2 };
    tn_shards *shards = NULL;
    tn_index *ix = make(true, &shards);
    tn_loader_spec spec = spec_of(ix, shards, 2, false);
    const tn_image_view view = {.fit = TN_FIT_PAD, .percent = 100, .flip = true, .around = {9, 8, 7}};
    spec.size_px = S;
    spec.view = &view;
    tn_loader *ld = NULL;
    tn_lane x;
    assert_int_equal(tn_loader_new(&spec, &ld), TN_OK);
    tn_loader_push(ld, (int64_t[]){5}, 1, 0);
    assert_int_equal(tn_loader_pop(ld, &x), TN_OK);
    for (int y = 0; y < S; y++)
        for (int i = 0; i < S; i++)
            for (int c = 0; c < 3; c++)
                assert_int_equal(x.image[(y * S + i) * 3 + c],
                                 y < TOP || y >= TOP + H ? 9 - c : 50 + (y - TOP) * 2 + c);
    tn_loader_free(&ld);
    tn_shards_close(&shards);
    tn_index_free(&ix);
}

static void damage(void **unused) {
    (void)unused;
    tn_shards *shards = NULL;
    tn_index *ix = make(false, &shards);
    char path[TN_PATH_BYTES];
    assert_int_equal(tn_path(path, "%s/shard-00001.h5", ix->shards_dir), TN_OK);
    tn_h5 *file = NULL;
    int64_t at = 0;
    assert_int_equal(tn_h5_open(path, &file), TN_OK);
    assert_int_equal(tn_h5_offset(file, "payload", &at), TN_OK);
    tn_h5_close(&file);
    FILE *f = fopen(path, "r+b");
    fseek(f, (long)(at + ix->offset[20] + 100), SEEK_SET);
    fputc('!', f);
    fclose(f);
    tn_loader_spec spec = spec_of(ix, shards, 2, true);
    tn_loader *ld = NULL;
    tn_lane x;
    assert_int_equal(tn_loader_new(&spec, &ld), TN_OK);
    tn_loader_push(ld, (int64_t[]){0, 1}, 2, 0);
    tn_loader_push(ld, (int64_t[]){0, 20}, 2, 2);
    tn_loader_push(ld, (int64_t[]){22, 1}, 2, 4);
    assert_int_equal(tn_loader_pop(ld, &x), TN_OK);
    assert_int_equal(tn_loader_pop(ld, &x), TN_EFORMAT);
    unit_says("row 20 (a) in ");
    unit_says("shard-00001.h5 is damaged: its checksum is wrong");
    assert_int_equal(tn_loader_pop(ld, &x), TN_OK); /* only the lane with the bad row */
    tn_loader_free(&ld);
    tn_shards_close(&shards);
    tn_index_free(&ix);
}

static void jpeg(void **unused) {
    (void)unused;
    unsigned char *pixels = NULL;
    size_t room = 0;
    int w = 0, h = 0;
    tn_shards *shards = NULL;
    tn_index *ix = make(false, &shards);
    unsigned char *bytes = NULL;
    size_t capacity = 0;
    int32_t n = 0;
    assert_int_equal(tn_shards_read(shards, 7, &bytes, &capacity, &n), TN_OK);
    assert_int_equal(tn_jpeg_decode(bytes, (size_t)n, 1, &pixels, &room, &w, &h), TN_OK);
    assert_true(w == W && h == H);
    for (int j = 0; j < W * H * 3; j++) assert_true(abs(pixels[j] - (70 + j / (3 * W) * 2 + j % 3)) <= 4);
    for (int cut = 0; cut < n; cut += 7)
        assert_int_equal(tn_jpeg_decode(bytes, (size_t)cut, 1, &pixels, &room, &w, &h), TN_EFORMAT);
    unit_says("corrupt JPEG");
    for (int at = 0; at < n; at++) { /* any verdict, no crash */
        bytes[at] ^= 0xFF;
        tn_jpeg_decode(bytes, (size_t)n, 1, &pixels, &room, &w, &h);
        bytes[at] ^= 0xFF;
    }
    free(pixels);
    free(bytes);
    tn_shards_close(&shards);
    tn_index_free(&ix);
}

/* A picture of waves and noise, as JPEG. */
static unsigned char *wavy(int w, int h, int sampling, bool progressive, unsigned long *n) {
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL, *row = malloc((size_t)w * 3);
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &bytes, n);
    c.image_width = (JDIMENSION)w;
    c.image_height = (JDIMENSION)h;
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    c.comp_info[0].h_samp_factor = sampling > 0 ? 2 : 1;
    c.comp_info[0].v_samp_factor = sampling > 1 ? 2 : 1;
    if (progressive) jpeg_simple_progression(&c);
    jpeg_start_compress(&c, TRUE);
    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w * 3; x++)
            row[x] =
                (unsigned char)(128 + 90 * sin(x * 0.031 * (1 + x % 3)) * cos(y * 0.07) + (x * 7919 + y * 104729) % 23);
        JSAMPROW at = row;
        jpeg_write_scanlines(&c, &at, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    free(row);
    return bytes;
}

/* A part has the values of the whole, whatever the colours' sampling. */
static void jpeg_part(void **unused) {
    (void)unused;
    enum { PW = 203, PH = 149 };
    tn_box box[] = {{0, 0, PW, PH},   {0, 0, 1, 1},     {202, 148, 1, 1}, {50, 40, 60, 33},
                    {17, 16, 16, 16}, {32, 48, 20, 21}, {1, 100, 202, 49}};
    for (int kind = 0; kind < 6; kind++) {
        unsigned long n = 0;
        unsigned char *bytes = wavy(PW, PH, kind / 2, kind % 2, &n), *whole = NULL, *part = NULL;
        size_t whole_room = 0, part_room = 0;
        int w, h;
        tn_box got;
        assert_int_equal(tn_jpeg_decode(bytes, n, 1, &whole, &whole_room, &w, &h), TN_OK);
        assert_true(w == PW && h == PH);
        for (size_t i = 0; i < sizeof box / sizeof *box; i++) {
            tn_box b = box[i];
            assert_int_equal(tn_jpeg_decode_part(bytes, n, PW, PH, &b, 1, &part, &part_room, &got), TN_OK);
            assert_true(got.x <= b.x && got.y <= b.y && got.x + got.w >= b.x + b.w && got.y + got.h >= b.y + b.h);
            for (int y = b.y; y < b.y + b.h; y++)
                assert_memory_equal(part + ((y - got.y) * got.w + b.x - got.x) * 3, whole + (y * PW + b.x) * 3,
                                    (size_t)b.w * 3);
        }
        assert_int_equal(tn_jpeg_decode_part(bytes, n, PW, PH + 1, &box[1], 1, &part, &part_room, &got), TN_EFORMAT);
        unit_says("203 x 149 pixels instead of 203 x 150");
        free(bytes);
        free(whole);
        free(part);
    }
}

/* Shrunk in the cosine transform: close to the mean of 2 x 2 pixels, and again no part differs from the whole. */
static void jpeg_shrunk(void **unused) {
    (void)unused;
    enum { PW = 200, PH = 120 };
    unsigned long n = 0;
    unsigned char *bytes = wavy(PW, PH, 0, false, &n), *whole = NULL, *half = NULL, *part = NULL;
    size_t rooms[3] = {0};
    int w, h;
    tn_box got, all = {0, 0, PW / 2, PH / 2}, some = {31, 22, 40, 30};
    assert_int_equal(tn_jpeg_decode(bytes, n, 1, &whole, &rooms[0], &w, &h), TN_OK);
    assert_int_equal(tn_jpeg_decode_part(bytes, n, PW, PH, &all, 2, &half, &rooms[1], &got), TN_OK);
    assert_true(got.x == 0 && got.y == 0 && got.w == PW / 2 && got.h == PH / 2);
    assert_int_equal(tn_jpeg_decode_part(bytes, n, PW, PH, &some, 2, &part, &rooms[2], &got), TN_OK);
    double sum = 0;
    for (int y = 0; y < PH / 2; y++)
        for (int x = 0; x < PW / 2; x++)
            for (int c = 0; c < 3; c++) {
                int at = (2 * y * PW + 2 * x) * 3 + c;
                double mean = (whole[at] + whole[at + 3] + whole[at + 3 * PW] + whole[at + 3 * PW + 3]) / 4.0;
                sum += fabs(mean - half[(y * PW / 2 + x) * 3 + c]);
            }
    assert_true(sum / (PW * PH / 4 * 3) < 1.5); /* of 255; the waves go through 180 */
    for (int y = some.y; y < some.y + some.h; y++)
        assert_memory_equal(part + ((y - got.y) * got.w + some.x - got.x) * 3, half + (y * PW / 2 + some.x) * 3,
                            (size_t)some.w * 3);
    free(bytes);
    free(whole);
    free(half);
    free(part);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads),    cmocka_unit_test(clean_lanes), cmocka_unit_test(mixed_once),
        cmocka_unit_test(evaluation), cmocka_unit_test(padded),      cmocka_unit_test(damage),
        cmocka_unit_test(jpeg),       cmocka_unit_test(jpeg_part),   cmocka_unit_test(jpeg_shrunk)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
