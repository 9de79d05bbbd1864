/* test_meta.c - metadata.csv: what it may hold and what it may not. */
#include "unit.h"

#include "data/meta.h"
#include "data/vocabulary.h"
#include "preprocess/columns.h"

static tn_cfg config_of(int levels, const char *truth) {
    tn_cfg cfg = {.data.n_classes = 2, .model.metadata_levels = levels};
    strcpy(cfg.data.classes[0], "cooked");
    strcpy(cfg.data.classes[1], "worn");
    snprintf(cfg.data.truth_column, sizeof cfg.data.truth_column, "%s", truth);
    snprintf(cfg.data.metadata, sizeof cfg.data.metadata, "%s", unit_path("m.csv"));
    return cfg;
}

static void columns(void **unused) {
    (void)unused;
    tn_cfg cfg = config_of(2, "truth");
    tn_meta *m = NULL;
    unit_write("m.csv", "extra,truth,path,label,cat1,cat2,group,split\n"
                        "x,worn,a.jpg,cooked,one,two,g1,train\n"
                        "y,,\"\xEC\x82\xAC\xEC\xA7\x84, 1.jpg\",,one,,,\n"
                        "z,worn,sub/b.jpg,worn,,,g1,test\n");
    if (tn_meta_read(&cfg, &m) != TN_OK) fail_msg("%s", tn_msg);
    assert_int_equal(m->n, 3);
    assert_int_equal(m->n_levels, 2);
    assert_string_equal(m->path[1], "\xEC\x82\xAC\xEC\xA7\x84, 1.jpg");
    assert_true(m->label[0] == 0 && m->label[1] == -1 && m->label[2] == 1);
    assert_true(m->truth[0] == 1 && m->truth[1] == -1);
    assert_true(!m->is_test[0] && !m->is_test[1] && m->is_test[2]);
    assert_string_equal(m->cat[1][0], "two");
    assert_string_equal(m->group[2], "g1");
    tn_meta_free(&m);
    /* as pandas and R write it, and by hand: columns without a name, blanks */
    unit_write("m.csv", ",note,path,label, cat1,cat2 ,group,split,truth,note\r"
                        "0,x, a.jpg, cooked,one ,, g1,train ,worn ,y\r"
                        "1,x,a.jpg , ,one,\" \",g1,\" test\",,y\r");
    if (tn_meta_read(&cfg, &m) != TN_OK) fail_msg("%s", tn_msg);
    assert_string_equal(m->path[0], " a.jpg");
    assert_string_equal(m->path[1], "a.jpg ");
    assert_true(m->label[0] == 0 && m->label[1] == -1 && m->truth[0] == 1);
    assert_true(!m->is_test[0] && m->is_test[1]);
    assert_string_equal(m->cat[0][0], "one");
    assert_string_equal(m->cat[1][1], "");
    assert_string_equal(m->group[0], "g1");
    tn_meta_free(&m);
    unit_write("m.csv", "path\na.jpg\n"); /* a set to predict */
    cfg = config_of(0, "");
    assert_int_equal(tn_meta_read(&cfg, &m), TN_OK);
    assert_int_equal(m->label[0], -1);
    assert_null(m->group);
    tn_meta_free(&m);
}

static void refused(void **unused) {
    (void)unused;
    static const struct {
        int levels;
        const char *truth, *text, *says;
    } CASE[] = {
        {0, "", "label\nworn\n", "m.csv:1: no column `path`: the header must name it; it names: label"},
        {0, "", "Path,label\na,worn\n", "m.csv:1: there is a column `Path`, but none `path`"},
        {0, "", "path,Label\na,worn\n", "a column `Label`, but none `label`"},
        {0, "", "path,SPLIT\na,test\n", "a column `SPLIT`, but none `split`"},
        {0, "", "path,Group\na,g\n", "a column `Group`, but none `group`"},
        {0, "", "path,Cat1\na,g\n", "a column `Cat1`, but none `cat1`"},
        {0, "truth", "path,Truth\na,worn\n", "a column `Truth`, but none `truth`"},
        {0, "", "path,label,label\na,worn,\n", "m.csv:1: two columns are named label"},
        {0, "", "path,label\n", "has a header but no rows"},
        {0, "truth", "path,label\na,worn\n", "no column `truth`"},
        {1, "", "path,label\na,worn\n", "no column `cat1`, but model.metadata_levels = 1"},
        {2, "", "path,cat1,cat3\na,x,y\n", "no column `cat2`"},
        {0, "", "path,label\na,worn\nb,wron\n", "m.csv:3: label `wron` is not in data.classes: did you mean `worn`?"},
        {0, "t", "path,t\na,worm\n", "m.csv:2: t `worm` is not in data.classes"},
        {0, "", "path,label\na,worn\nb,NA\n",
         "m.csv:3: label `NA` is not in data.classes: for no label, leave the field empty"},
        {0, "", "path,label\na,nan\n", "label `nan` is not in data.classes: for no label, leave the field empty"},
        {0, "", "path,label\na, None \n", "label `None` is not in data.classes: for no label"},
        {0, "", "path,label\na,-\n", "label `-` is not in data.classes: for no label"},
        {0, "t", "path,t\na,#N/A\n", "t `#N/A` is not in data.classes: for no label"},
        {0, "", "path,label\na,Worn\n", "label `Worn` is not in data.classes: did you mean `worn`?"},
        {0, "", "path,label\na,wo\u200Brn\n",
         "m.csv:2: label `wo\u200Brn` looks like `worn` of data.classes, but has other characters"},
        {0, "", "path,label\na,\uFF57\uFF4F\uFF52\uFF4E\n", "looks like `worn` of data.classes"}, /* wide letters */
        {0, "", "path,label\na,worn\u00A0\n", "looks like `worn` of data.classes"},               /* no-break space */
        {0, "", "path,split\na,train\nb,tset\n", "m.csv:3: split `tset`"},
        {0, "", "path\n/etc/passwd\n", "m.csv:2: /etc/passwd is an absolute path"},
        {0, "", "path\na/../../b\n", "m.csv:2: a/../../b leads out of its folder"},
        {0, "", "path\n..\n", "leads out of its folder"},
        {0, "", "path,label\n,worn\n", "m.csv:2: the path is empty"},
        {0, "", "path\na\nb\nc\nb\na\n", "m.csv:5: path b is there already, on line 3"},
    };
    for (size_t i = 0; i < sizeof CASE / sizeof *CASE; i++) {
        tn_cfg cfg = config_of(CASE[i].levels, CASE[i].truth);
        tn_meta *m = NULL;
        unit_write("m.csv", CASE[i].text);
        assert_int_equal(tn_meta_read(&cfg, &m), TN_EARG);
        unit_says(CASE[i].says);
    }
    tn_cfg cfg = config_of(0, "");
    tn_meta *m = NULL;
    unit_write("m.csv", "path\na..b\n..c/d\n"); /* dots in names are fine */
    assert_int_equal(tn_meta_read(&cfg, &m), TN_OK);
    tn_meta_free(&m);
}

/* One letter with its mark, or two characters; a syllable, or its parts. A class may be called None. */
static void forms(void **unused) {
    (void)unused;
    static const char *const FORM[][2] = {{"caf\u00E9", "cafe\u0301"},
                                          {"\uC0AC\uC9C4", "\u1109\u1161\u110C\u1175\u11AB"}};
    for (int i = 0; i < 4; i++) {
        char table[64], says[128];
        const char *is = FORM[i / 2][i % 2], *other = FORM[i / 2][1 - i % 2];
        tn_cfg cfg = config_of(0, "");
        tn_meta *m = NULL;
        strcpy(cfg.data.classes[0], is);
        strcpy(cfg.data.classes[1], "None");
        snprintf(table, sizeof table, "path,label\na,%s\nb,None\n", is);
        unit_write("m.csv", table);
        assert_int_equal(tn_meta_read(&cfg, &m), TN_OK);
        assert_true(m->label[0] == 0 && m->label[1] == 1);
        tn_meta_free(&m);
        snprintf(table, sizeof table, "path,label\na,%s\n", other);
        unit_write("m.csv", table);
        assert_int_equal(tn_meta_read(&cfg, &m), TN_EARG);
        snprintf(says, sizeof says, "m.csv:2: label `%s` looks like `%s` of data.classes", other, is);
        unit_says(says);
        unit_write("m.csv", "path,label\na,none\n");
        assert_int_equal(tn_meta_read(&cfg, &m), TN_EARG);
        unit_says("label `none` is not in data.classes: did you mean `None`?");
        unit_write("m.csv", "path,label\na,cafe\n"); /* without its mark it is another word */
        assert_int_equal(tn_meta_read(&cfg, &m), TN_EARG);
        assert_null(strstr(tn_msg, "looks like"));
    }
}

/* Only what can be trained on makes the vocabulary; the rest is unknown. Groups are numbered over all rows. */
static void vocabulary(void **unused) {
    (void)unused;
    tn_cfg cfg = config_of(1, "truth");
    tn_meta *m = NULL;
    tn_index *ix = NULL;
    unit_write("m.csv", "path,label,cat1,group,split,truth\n"
                        "a,worn,hat,g2,,worn\n"
                        "b,worn,only-test,g1,test,\n"
                        "c,,only-unlabelled,,,\n"
                        "d,cooked,,g1,,\n"
                        "e,worn,coat,g2,,\n"
                        "f,worn,hat,,test,\n");
    assert_int_equal(tn_meta_read(&cfg, &m), TN_OK);
    assert_int_equal(tn_index_new(m->n, m->n_levels, &ix), TN_OK);
    assert_int_equal(tn_index_fill_columns(&cfg, m, false, ix), TN_OK);
    assert_int_equal(ix->n_values[0], 3);
    const char *names[] = {"unknown", "hat", "coat"};
    for (int v = 0; v < 3; v++) assert_string_equal(ix->value_name[0][v], names[v]);
    const int32_t cat[] = {1, 0, 0, 0, 2, 1}, group[] = {0, 1, -1, 1, 0, -1};
    assert_memory_equal(ix->cat, cat, sizeof cat);
    assert_memory_equal(ix->group, group, sizeof group);
    char before[TN_HEX_BYTES], after[TN_HEX_BYTES];
    tn_index_columns_digest(ix, before);
    ix->truth[3] = 1; /* judges only: models do not depend on it */
    tn_index_columns_digest(ix, after);
    assert_string_equal(before, after);
    ix->label[3] = 1;
    tn_index_columns_digest(ix, after);
    assert_string_not_equal(before, after);
    tn_index_free(&ix);
    tn_meta_free(&m);
}

/* New pictures bring all their values, which are then those of the models by name: in other numbers, or unknown. A
 * value that is called "unknown" is one like others. */
static void translated(void **unused) {
    (void)unused;
    tn_cfg cfg = config_of(1, "");
    tn_meta *m = NULL;
    tn_index *ix = NULL;
    int64_t n_unknown = -1;
    char *models[] = {"unknown", "coat", "unknown", "hat"};
    unit_write("m.csv", "path,cat1\na,hat\nb,boots\nc,\nd,coat\ne,boots\nf,unknown\n");
    assert_int_equal(tn_meta_read(&cfg, &m), TN_OK);
    assert_int_equal(tn_index_new(m->n, m->n_levels, &ix), TN_OK);
    assert_int_equal(tn_index_fill_columns(&cfg, m, true, ix), TN_OK);
    const int32_t own[] = {1, 2, 0, 3, 2, 4}, theirs[] = {3, 0, 0, 1, 0, 2};
    assert_memory_equal(ix->cat, own, sizeof own);
    ix->state[4] = 1; /* quarantined: not counted */
    assert_int_equal(tn_index_translate(ix, 0, 4, models, &n_unknown), TN_OK);
    assert_memory_equal(ix->cat, theirs, sizeof theirs);
    assert_int_equal(n_unknown, 1);
    assert_int_equal(ix->n_values[0], 4);
    tn_index_free(&ix);
    tn_meta_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(columns), cmocka_unit_test(refused), cmocka_unit_test(forms),
                                       cmocka_unit_test(vocabulary), cmocka_unit_test(translated)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
