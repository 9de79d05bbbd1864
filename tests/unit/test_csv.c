/* test_csv.c - RFC 4180, and everything that is not. */
#include "unit.h"

#include "store/csv.h"

#include <math.h>

static tn_csv *read_ok(const char *text) {
    tn_csv *t = NULL;
    tn_status st = tn_csv_read(unit_write("t.csv", text), &t);
    if (st != TN_OK) fail_msg("%s", tn_msg);
    return t;
}

static void assert_refused(const char *text, const char *says) {
    tn_csv *t = NULL;
    assert_int_equal(tn_csv_read(unit_write("t.csv", text), &t), TN_EARG);
    assert_null(t);
    unit_says(says);
}

static void accepted(void **unused) {
    (void)unused;
    tn_csv *t = read_ok("\xEF\xBB\xBFpath,label\r\n\"a, b "
                        "\"\"c\"\".jpg\",\xEA\xB3\xBC\xEC\x9D\xBC\r\nplain,\r\n\"two\nlines\",x\r\n\r\n\r\n");
    assert_int_equal(tn_csv_rows(t), 3);
    assert_int_equal(tn_csv_columns(t), 2);
    assert_int_equal(tn_csv_column(t, "path"), 0); /* the byte order mark is not part of the name */
    assert_int_equal(tn_csv_column(t, "none"), -1);
    assert_string_equal(tn_csv_at(t, 0, 0), "a, b \"c\".jpg");
    assert_string_equal(tn_csv_at(t, 0, 1), "\xEA\xB3\xBC\xEC\x9D\xBC");
    assert_string_equal(tn_csv_at(t, 1, 1), "");
    assert_string_equal(tn_csv_at(t, 2, 0), "two\nlines");
    assert_int_equal(tn_csv_line(t, 2), 4);
    tn_csv_free(&t);
    t = read_ok("a\nlast without end");
    assert_int_equal(tn_csv_rows(t), 1);
    assert_string_equal(tn_csv_at(t, 0, 0), "last without end");
    tn_csv_free(&t);
    t = read_ok("a,b\n");
    assert_int_equal(tn_csv_rows(t), 0);
    tn_csv_free(&t);
    t = read_ok("a,b\n1,2\n \t \n3,4\n  \r\n\x1A");
    assert_int_equal(tn_csv_rows(t), 2);
    assert_int_equal(tn_csv_line(t, 1), 4);
    tn_csv_free(&t);
    t = read_ok("a\n \n");
    assert_int_equal(tn_csv_rows(t), 1);
    assert_string_equal(tn_csv_at(t, 0, 0), " ");
    tn_csv_free(&t);
    int column;
    t = read_ok("path,label;split,x|group\n1,2,3\n");
    assert_int_equal(tn_csv_find(t, "path", &column), TN_OK);
    assert_int_equal(tn_csv_find(t, "cat1", &column), TN_OK);
    assert_int_equal(column, -1);
    assert_int_equal(tn_csv_find(t, "split", &column), TN_EARG);
    unit_says("t.csv:1: `label;split` is one column, separated by semicolons: separate all columns by commas");
    assert_int_equal(tn_csv_find(t, "group", &column), TN_EARG);
    unit_says("`x|group` is one column, separated by `|`");
    tn_csv_free(&t);
}

static void refused(void **unused) {
    (void)unused;
    assert_refused("", "t.csv: is empty");
    assert_refused("a,b\n1,2\n1,2,3\n", "t.csv:3: 3 fields, the header has 2");
    assert_refused("a,b\n1,2\n\"x\ny\",2\n1\n", "t.csv:5: 1 fields");
    assert_refused("a,b\n1,x\"y\n", "t.csv:2: wrong quoting");
    assert_refused("a,b\n1,\"x\"y\n", "t.csv:2: wrong quoting");
    assert_refused("a,b\n1,2\n1,\"open\n", "t.csv:3: wrong quoting");
    assert_refused("\n\n", "t.csv: is empty");
    assert_refused("a,b\r1,2\r\r1,2,3\r", "t.csv:4: 3 fields");
    assert_refused("a,b\r\n1,2\r\n\r\n1,2,3\r\n", "t.csv:4: 3 fields");
    assert_refused("a,b\r\"x\ry\",2\r\"x\r\ny\",2\r1\r", "t.csv:6: 1 fields");
    assert_refused("a,b\n1,\"x\" y\n", "t.csv:2: wrong quoting");
    assert_refused("a,b\n1,\"", "t.csv:2: wrong quoting");
    assert_refused("path;label\na,b;c\n", "t.csv:1: the fields are separated by semicolons: separate them by commas");
    assert_refused("path\tlabel\na\tb\n", "separated by tabs");
    assert_refused("\"path\";\"label\"\n", "t.csv:1: the fields are separated by semicolons: separate them by commas");
    assert_refused("\"\";\"path\"\n", "t.csv:1: the fields are separated by semicolons");
    assert_refused("\"path\"\t\"label\"\n", "t.csv:1: the fields are separated by tabs");
    assert_refused("a,b,c\n1,2,3\nx;y;z\n", "t.csv:3: the fields are separated by semicolons");
    assert_refused("a,b,c\nx;1.png,2\n", "t.csv:2: the fields are separated by semicolons");
    assert_refused("a,b,c\nx;y;1.png,2\n", "t.csv:2: 2 fields, the header has 3");
    assert_refused("sep=,\na,b\n1,2\n", "t.csv:1: this line is a word to Excel");
    assert_refused("path|label\na|b\n", "separated by `|`");
    assert_refused("PK\3\4rest of a workbook", "t.csv: is a workbook");
    assert_refused("a\nok\n\xff\xfe\n", "t.csv:3: a field is not UTF-8");
    assert_refused("a\n\xC0\xAF\n", "not UTF-8");     /* overlong */
    assert_refused("a\n\xED\xA0\x80\n", "not UTF-8"); /* surrogate */
    tn_csv *t = NULL;
    FILE *f = fopen(unit_path("zero.csv"), "wb");
    fwrite("a\nb\0c\n", 1, 6, f);
    fclose(f);
    assert_int_equal(tn_csv_read(unit_path("zero.csv"), &t), TN_EARG);
    unit_says("zero.csv:2: holds a 0 byte");
    assert_int_equal(tn_csv_read(unit_path("none.csv"), &t), TN_EIO);
}

static void refuse_bytes(const char *bytes, size_t n, const char *says) {
    tn_csv *t = NULL;
    FILE *f = fopen(unit_path("bytes.csv"), "wb");
    fwrite(bytes, 1, n, f);
    fclose(f);
    assert_int_equal(tn_csv_read(unit_path("bytes.csv"), &t), TN_EARG);
    unit_says(says);
}

static void utf16(void **unused) {
    (void)unused;
    refuse_bytes("\xFF\xFE"
                 "a\0\n\0",
                 6, "bytes.csv: is UTF-16, not UTF-8");
    refuse_bytes("\xFE\xFF\0a\0\n", 6, "is UTF-16");
    refuse_bytes("a\0\n\0", 4, "is UTF-16");
    refuse_bytes("\0a\0\n", 4, "is UTF-16");
    refuse_bytes("a\rb\rc\0\r", 7, "bytes.csv:3: holds a 0 byte");
}

/* Blanks of a field without quotes are data (RFC 4180, section 2.4); those around quotes and names are not. */
static void blanks(void **unused) {
    (void)unused;
    tn_csv *t = read_ok("path , label,\"b \"\n a.jpg ,\tdisc , \" c \" \n,  ,\" \"\n");
    assert_int_equal(tn_csv_column(t, "path"), 0);
    assert_int_equal(tn_csv_column(t, "label"), 1);
    assert_int_equal(tn_csv_column(t, "b"), 2);
    assert_string_equal(tn_csv_at(t, 0, 0), " a.jpg ");
    assert_string_equal(tn_csv_at(t, 0, 1), "\tdisc ");
    assert_string_equal(tn_csv_at(t, 0, 2), " c ");
    assert_string_equal(tn_csv_at(t, 1, 1), "  ");
    for (int c = 1; c < 3; c++) tn_csv_trim(t, c);
    assert_string_equal(tn_csv_at(t, 0, 0), " a.jpg ");
    assert_string_equal(tn_csv_at(t, 0, 1), "disc");
    assert_string_equal(tn_csv_at(t, 0, 2), "c");
    assert_string_equal(tn_csv_at(t, 1, 1), "");
    assert_string_equal(tn_csv_at(t, 1, 2), "");
    tn_csv_free(&t);
}

/* CR, LF and CRLF end a line alike, in one file as well; in quotes they are data. */
static void line_ends(void **unused) {
    (void)unused;
    tn_csv *t = read_ok("\r\na,b\r1,2\r\n3,4\n\r\"5\r6\r\n7\",8\r9,\n\n\r");
    assert_int_equal(tn_csv_rows(t), 4);
    static const int64_t LINE[] = {3, 4, 6, 9};
    static const char *const SECOND[] = {"2", "4", "8", ""};
    for (int r = 0; r < 4; r++) {
        assert_int_equal(tn_csv_line(t, r), LINE[r]);
        assert_string_equal(tn_csv_at(t, r, 1), SECOND[r]);
    }
    assert_string_equal(tn_csv_at(t, 2, 0), "5\r6\r\n7");
    assert_string_equal(tn_csv_at(t, 3, 0), "9");
    tn_csv_free(&t);
    t = read_ok("\t only \n1\n"); /* tabs around the only name separate nothing */
    assert_string_equal(tn_csv_name(t, 0), "only");
    tn_csv_free(&t);
    t = read_ok("a,b\r1,"); /* ends in the midst of a row */
    assert_string_equal(tn_csv_at(t, 0, 1), "");
    tn_csv_free(&t);
}

/* Columns that nobody asks for may have any name, or none. */
static void names(void **unused) {
    (void)unused;
    tn_csv *t = read_ok(",path,x,x,Label,,split,Split\n0,a,1,2,disc,,test,\n");
    int at = 9;
    assert_int_equal(tn_csv_columns(t), 8);
    assert_int_equal(tn_csv_find(t, "path", &at), TN_OK);
    assert_int_equal(at, 1);
    assert_int_equal(tn_csv_find(t, "split", &at), TN_OK); /* the other one is no better */
    assert_int_equal(at, 6);
    assert_int_equal(tn_csv_find(t, "group", &at), TN_OK);
    assert_int_equal(at, -1);
    assert_int_equal(tn_csv_find(t, "x", &at), TN_EARG);
    unit_says("t.csv:1: two columns are named x");
    assert_int_equal(tn_csv_find(t, "label", &at), TN_EARG);
    unit_says("t.csv:1: there is a column `Label`, but none `label`");
    tn_csv_free(&t);
}

static void round_trip(void **unused) {
    (void)unused;
    const char *fields[] = {"", "a,b", "say \"x\"", "two\r\nlines", " space ", "\xED\x95\x9C", "=cmd()"};
    FILE *f = fopen(unit_path("out.csv"), "wb");
    fputs("1,2,3,4,5,6,7\n", f);
    for (int i = 0; i < 7; i++) tn_csv_put(f, i ? "," : "", fields[i]);
    fputc('\n', f);
    fclose(f);
    tn_csv *t = NULL;
    assert_int_equal(tn_csv_read(unit_path("out.csv"), &t), TN_OK);
    for (int i = 0; i < 7; i++) assert_string_equal(tn_csv_at(t, 0, i), fields[i]);
    tn_csv_free(&t);
}

/* Random bytes of the characters that matter: any verdict, but no crash and no endless loop. */
static void hostile(void **unused) {
    (void)unused;
    unsigned state = 1;
    for (int trial = 0; trial < 2000; trial++) {
        char text[64];
        for (int i = 0; i < 63; i++) {
            state = state * 1664525 + 1013904223;
            text[i] = ",\"\n\ra\xC3\xA9x "[state >> 24 & 7];
        }
        text[63] = 0;
        tn_csv *t = NULL;
        if (tn_csv_read(unit_write("h.csv", text), &t) == TN_OK) {
            for (int64_t r = 0; r < tn_csv_rows(t); r++)
                for (int c = 0; c < tn_csv_columns(t); c++) assert_true(strlen(tn_csv_at(t, r, c)) < 64);
        }
        tn_csv_free(&t);
    }
}

static void assert_written(const char *begin, const char *end, const char *expected) {
    if ((size_t)(end - begin) != strlen(expected) || memcmp(begin, expected, strlen(expected)) != 0)
        fail_msg("%.*s, not %s", (int)(end - begin), begin, expected);
    assert_true(end - begin <= TN_CSV_NUMBER_BYTES);
}

/* As printf writes it: bit patterns of all floats from 0 to 1 in steps, and those around powers of ten. */
static void probabilities(void **unused) {
    (void)unused;
    char text[TN_CSV_NUMBER_BYTES], expected[32];
    uint32_t last = 0x3F800100; /* a little beyond 1.0F */
    for (uint32_t bits = 0; bits <= last; bits += bits % 5 == 0 ? 1 : 1021) {
        float p;
        memcpy(&p, &bits, sizeof p);
        snprintf(expected, sizeof expected, "%.7g", (double)p);
        assert_written(text, tn_csv_probability(text, p), expected);
    }
    for (float ten = 1; ten > 1e-13F; ten /= 10) {
        float p = ten;
        for (int i = 0; i < 100; i++) p = nextafterf(p, 0);
        for (int i = 0; i < 200; i++, p = nextafterf(p, 2)) {
            snprintf(expected, sizeof expected, "%.7g", (double)p);
            assert_written(text, tn_csv_probability(text, p), expected);
        }
    }
}

static void differences(void **unused) {
    (void)unused;
    char text[TN_CSV_NUMBER_BYTES], expected[32];
    for (uint32_t bits = 0; bits < 0x40000000; bits += 1021) { /* 0 to 2, and their negatives */
        uint32_t sign = bits % 2 ? 0x80000000 : 0, both = bits | sign;
        float x;
        memcpy(&x, &both, sizeof x);
        snprintf(expected, sizeof expected, "%.6f", (double)x);
        assert_written(text, tn_csv_difference(text, x), expected);
    }
    assert_written(text, tn_csv_difference(text, 0.0000005F), "0.000000");        /* just below a half */
    assert_written(text, tn_csv_difference(text, 0.5F + 0.0078125F), "0.507812"); /* half to even */
}

static void fields(void **unused) {
    (void)unused;
    static const char *const VALUE[] = {"", "plain", "a b", " a", "a ", "a,b", "say \"x\"", "\"\"", "two\nlines", "\r"};
    for (size_t i = 0; i < sizeof VALUE / sizeof *VALUE; i++) {
        char *expected = NULL, text[64];
        size_t n = 0;
        FILE *f = open_memstream(&expected, &n);
        tn_csv_put(f, "", VALUE[i]);
        fclose(f);
        char *end = tn_csv_field(text, VALUE[i]);
        assert_true((size_t)(end - text) <= 2 * strlen(VALUE[i]) + 2);
        *end = 0;
        assert_string_equal(text, expected);
        free(expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted),  cmocka_unit_test(refused),       cmocka_unit_test(round_trip),
        cmocka_unit_test(hostile),   cmocka_unit_test(probabilities), cmocka_unit_test(differences),
        cmocka_unit_test(fields),    cmocka_unit_test(utf16),         cmocka_unit_test(blanks),
        cmocka_unit_test(line_ends), cmocka_unit_test(names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
