/* test_cfg.c - the job file: defaults, every kind of error with its line, identity, printing. */
#include "unit.h"

#include "base/utf8.h"
#include "cfg/cfg.h"
#include "cfg/shown.h"
#include "cfg/student.h"
#include "train/cost.h"

#include <dirent.h>

#define LEAST "data: { metadata = \"m.csv\"; classes = [ \"a\", \"b\" ]; };\ntrain: { images = 1000; };\n"

static tn_cfg *read_ok(const char *text, int n_set, char **set) {
    tn_cfg *cfg = NULL;
    tn_status st = tn_cfg_read(unit_write("job.cfg", text), n_set, set, NULL, &cfg);
    if (st != TN_OK) fail_msg("%s", tn_msg);
    return cfg;
}

static void assert_refused(const char *text, const char *says) {
    tn_cfg *cfg = NULL;
    assert_int_equal(tn_cfg_read(unit_write("job.cfg", text), 0, NULL, NULL, &cfg), TN_EARG);
    assert_null(cfg);
    unit_says(says);
}

static void assert_set_refused(char *set, const char *says) {
    tn_cfg *cfg = NULL;
    assert_int_equal(tn_cfg_read(unit_write("job.cfg", LEAST), 1, &set, NULL, &cfg), TN_EARG);
    unit_says(says);
}

static void defaults(void **unused) {
    (void)unused;
    tn_cfg *c = read_ok(LEAST, 0, NULL);
    assert_string_equal(c->name, "job");
    assert_string_equal(c->run_dir, "results/job");
    assert_string_equal(c->data.metadata, unit_path("m.csv")); /* relative to the job file */
    assert_string_equal(c->data.images, unit_folder);
    assert_int_equal(c->data.n_classes, 2);
    assert_string_equal(c->data.classes[1], "b");
    assert_int_equal(c->folds.count, 10);
    assert_int_equal(c->preprocess.background[2], 255);
    assert_int_equal(c->preprocess.max_pixels, 268435456);
    assert_true(c->model.dropout == -1 && c->train.learning_rate == 0.001);
    assert_int_equal(c->train.optimizer, TN_OPTIM_ADAMW);
    assert_int_equal(c->train.n_sizes, 1);
    assert_int_equal(c->train.sizes_px[0], 224);
    assert_int_equal(c->train.n_augment, 0);
    assert_true(c->train.ema_decay == -1 && c->train.bn_momentum == -1 && c->predict.size_factor == 1);
    tn_cfg_free(&c);
    assert_null(c);
}

/* The hidden layer of the head: what is set; else 256 units or one for each class, if there are category levels. */
static void head_units(void **unused) {
    (void)unused;
    static const struct {
        int classes, levels, set, want;
    } CASE[] = {{5, 0, -1, 0},  {5, 1, -1, 256}, {5, 4, -1, 256}, {256, 2, -1, 256}, {1000, 2, -1, 1000},
                {5, 0, 64, 64}, {5, 2, 64, 64},  {5, 2, 0, 0},    {1000, 2, 0, 0}};
    tn_cfg *c = read_ok(LEAST, 0, NULL);
    assert_int_equal(c->model.head_units, -1);
    for (size_t i = 0; i < sizeof CASE / sizeof *CASE; i++) {
        c->data.n_classes = CASE[i].classes;
        c->model.metadata_levels = CASE[i].levels;
        c->model.head_units = CASE[i].set;
        assert_int_equal(tn_cfg_head_units(c), CASE[i].want);
        assert_int_equal(tn_train_net(c, 7).head_units, CASE[i].want);
    }
    tn_cfg_free(&c);
    assert_set_refused("model.head_units=-2", "model.head_units");
}

/* A name that is not UTF-8, or is cut in the middle of a character, can be kept in JSON and printed. */
static void names(void **unused) {
    (void)unused;
    tn_cfg *c = NULL;
    char *text = NULL;
    size_t n = 0;
    assert_int_equal(tn_cfg_read(unit_write("b\xE9.cfg", LEAST), 0, NULL, NULL, &c), TN_OK);
    assert_string_equal(c->name, "b\\xe9");
    assert_string_equal(c->run_dir, "results/b\xE9");
    FILE *f = open_memstream(&text, &n);
    tn_cfg_print(c, f);
    fclose(f);
    assert_true(tn_is_utf8(text, n));
    free(text);
    tn_cfg_free(&c);
    char name[128] = "x";
    for (int i = 0; i < 40; i++) strcat(name, "\xC3\xA9");
    strcat(name, ".cfg");
    assert_int_equal(tn_cfg_read(unit_write(name, LEAST), 0, NULL, NULL, &c), TN_OK);
    assert_int_equal(strlen(c->name), 63); /* x and 31 characters of two bytes */
    assert_true(tn_is_utf8(c->name, 63));
    assert_int_equal(strlen(c->run_dir), 8 + 81);
    tn_cfg_free(&c);
}

static void values(void **unused) {
    (void)unused;
    char *set[] = {"train.sizes_px=[64, 96]", "train.optimizer=sgd", "data.metadata=other.csv", "train.learning_rate=1",
                   "train.images=12345678901"};
    tn_cfg *c = read_ok(
        "data: { metadata = \"/abs/m.csv\"; classes = [ \"a\", \"b\" ]; };\n"
        "train: { images = 1000; learning_rate = 2; augment = ( { op = \"random_resized_crop\"; area_min = 0.5; },"
        " { op = \"cutmix\"; probability = 0.25; } ); };\n",
        5, set);
    assert_int_equal(c->train.n_sizes, 2);
    assert_int_equal(c->train.sizes_px[1], 96);
    assert_int_equal(c->train.optimizer, TN_OPTIM_SGD);
    assert_true(c->train.learning_rate == 1);
    assert_int_equal(c->train.images, 12345678901);
    assert_string_equal(c->data.metadata, "other.csv"); /* --set: relative to the working folder */
    assert_string_equal(c->data.images, ".");
    assert_int_equal(c->train.n_augment, 2);
    assert_true(c->train.augment[0].area_min == 0.5 && c->train.augment[0].area_max == 1 &&
                c->train.augment[0].probability == 1);
    assert_int_equal(c->train.augment[1].kind, TN_AUG_CUTMIX);
    assert_true(c->train.augment[1].probability == 0.25);
    tn_cfg_free(&c);
    /* libconfig 1.5 alone would read 705032704, without a word */
    c = read_ok("data: { metadata = \"5000000000 m\"; classes = [ \"a\", \"b\" ]; };\ntrain: { images = 5000000000; "
                "warmup_images = 1000L;"
                " learning_rate = 0.12345678901; };\n",
                0, NULL);
    assert_int_equal(c->train.images, 5000000000);
    assert_string_equal(c->data.metadata_given, "5000000000 m");
    assert_true(c->train.learning_rate == 0.12345678901);
    tn_cfg_free(&c);
    /* libconfig takes a comma behind the last element since 1.7: here it is taken whatever the version */
    c = read_ok("data: { metadata = \"m,]\"; classes = [ \"a,\", \"b\", /* , ] */\n# , ]\n // , ]\n ]; };\n"
                "train: { images = 5; sizes_px = [ 32,\n  64, ]; augment = ( { op = \"horizontal_flip\"; },\n ); };\n",
                0, NULL);
    assert_int_equal(c->train.n_sizes, 2);
    assert_int_equal(c->train.sizes_px[1], 64);
    assert_string_equal(c->data.metadata_given, "m,]");
    assert_string_equal(c->data.classes[0], "a,");
    tn_cfg_free(&c);
    /* quotes in comments and before other numbers, hexadecimal: the value is the one that stands there */
    c = read_ok("# a lone \" here\n// and \" here\n/* \" */\n"
                "data: { metadata = \"m \\\\\"; classes = [ \"a\", \"b\" ]; };\ntrain: { images = 5000000000; };\n",
                0, NULL);
    assert_int_equal(c->train.images, 5000000000);
    assert_string_equal(c->data.metadata_given, "m \\");
    tn_cfg_free(&c);
    c = read_ok("data: { metadata = \"m\"; classes = [ \"a\", \"b\" ]; };\ntrain: { images = 0x12A05F200; };\n", 0,
                NULL);
    assert_int_equal(c->train.images, 5000000000);
    tn_cfg_free(&c);
}

static void errors(void **unused) {
    (void)unused;
    assert_refused("data: { metadata = \"m\"; classes = [ \"a\", \"b\" ]; };\n", "job.cfg: train.images is missing");
    assert_refused(LEAST "model: {\n", "job.cfg:3:8: `{` is not closed: the file ends without its `}`");
    assert_refused(LEAST "train: { lanes = 2; };\n",
                   "job.cfg:3:1: a key or group stands here for the second time: here stands `train: {");
    assert_refused(LEAST "model: {\n  nett = \"efficientnet-b0\"; };\n",
                   "job.cfg:4: unknown key model.nett: did you mean model.net?");
    assert_refused(LEAST "trian: { lanes = 2; };\n", "job.cfg:3: unknown group trian: did you mean train?");
    assert_refused(LEAST "tune: { trials = 2; };\n", "job.cfg:3: unknown group tune: did you mean search?");
    assert_refused(LEAST "model: { learning_rate = 2; };\n", "did you mean train.learning_rate?");
    assert_refused(LEAST "model: { depth = \"x\"; };\n", "job.cfg:3: model.depth is text: give a number from 0 to 10");
    assert_refused(LEAST "folds: { count = 2; };\n",
                   "job.cfg:3: folds.count = 2 is out of range: give a whole number from 3 to 64");
    assert_refused(LEAST "folds: { count = 3.5; };\n", "folds.count is a number");
    assert_refused(LEAST "folds: { validation = \"held_ou\"; };\n",
                   "(did you mean \"held_out\"?): give one of: \"slice\", \"held_out\"");
    assert_refused(LEAST "folds: { count = 3; count = 4; };\n", "job.cfg:3");
    assert_refused(LEAST "preprocess: { background = [ 1, 2 ]; };\n", "has 2 members");
    assert_refused(LEAST "self: { folds = [ 1 ]; };\n", "only the shared view");
    assert_refused(LEAST "self: { dropped = \"softt\"; };\n", "(did you mean \"soft\"?): give one of: \"drop\"");
    assert_refused(
        "data: { metadata = \"m\"; classes = [ \"a\", \"b\" ]; };\ntrain: { images = 9; class_weight = 2.7; };\n",
        "job.cfg:2: train.class_weight = 2.7 is out of range: give a number from 0 to 2");
    assert_refused(LEAST "self: { view = \"shared\"; folds = [ 12 ]; };\n", "there is no fold 12");
    assert_refused("data: { metadata = \"m\"; classes = [ \"a\", \"a\" ]; };\ntrain: { images = 9; };\n",
                   "\"a\" is named twice");
    assert_refused("data: { metadata = \"m\";\nclasses = [ \"a\", \"b \" ]; };\ntrain: { images = 9; };\n",
                   "job.cfg:2: data.classes: \"b \" has blanks at an end");
    assert_refused("data: { metadata = \"m\"; classes = [ \" a\", \"a\" ]; };\ntrain: { images = 9; };\n",
                   "data.classes: \" a\" has blanks at an end");
    assert_refused(
        "data: { metadata = \"m\"; classes = [ \"x\", \"\u00E9\", \"e\u0301\" ]; };\ntrain: { images = 9; };\n",
        "data.classes: \"\u00E9\" and \"e\u0301\" look alike");
    assert_refused("data: { metadata = \"m\"; classes = [ \"a\", \"\" ]; };\ntrain: { images = 9; };\n",
                   "job.cfg:1: data.classes: class 2 has no name");
    assert_refused(
        "data: { metadata = \"m\"; classes = [ \"a\", \"b\" ]; };\ntrain: { images = 9; warmup_images = 9; };\n",
        "job.cfg:2: train.warmup_images = 9");
    assert_refused("data: { metadata = \"m\"; classes = [ \"a\", \"b\" ]; };\ntrain: { images = 9; lanes = 3; };\n",
                   "power of two");
    assert_set_refused("train.sampler=n_per_class", "set train.rows_per_class, the rows of each class");
    assert_set_refused("train.rows_per_class=5", "only train.sampler = \"n_per_class\" uses it");
    assert_set_refused("train.sampler=n_per_clas", "(did you mean \"n_per_class\"?)");
    assert_set_refused("train.schedule=step", "set train.step_images");
    assert_set_refused("train.step_images=500", "only train.schedule = \"step\" uses it");
    assert_set_refused("train.class_weight=-1", "train.class_weight = -1 is out of range: give a number from 0 to 2");
    assert_set_refused("train.layer_decay=1.1",
                       "train.layer_decay = 1.1 is out of range: give a number from 0.01 to 1");
    assert_set_refused("train.ema_decay=-0.5", "train.ema_decay = -0.5: give 0 to 0.999999, or -1");
    assert_set_refused("train.bn_momentum=0", "train.bn_momentum = 0: give more than 0, up to 1, or -1");
    assert_set_refused("train.bn_momentum=-0.1", "train.bn_momentum = -0.1: give more than 0");
    assert_set_refused("predict.size_factor=0", "= 0 is out of range: give a number from 0.5 to 4");
    assert_set_refused("predict.views=[ \"squash\" ]", "no view \"squash\" (did you mean \"squish\"?)");
    assert_set_refused("predict.views=[ \"pad\", \"pad\" ]", "\"pad\" is named twice");
    assert_set_refused("train.freeze_stages=10", "= 10 is out of range: give a whole number from 0 to 9");
    assert_set_refused("train.freeze_stages=9", "train.freeze_stages = 9: set train.freeze_images");
    assert_set_refused("train.freeze_images=9", "nothing is frozen: set train.freeze_stages");
    assert_refused(
        "data: { metadata = \"m\"; classes = [ \"a\", \"b\" ]; };\ntrain: { images = 9; schedule = \"constant\";\n"
        "restarts = 2; };\n",
        "job.cfg:3: train.restarts: only train.schedule = \"cosine\" has restarts");
    assert_refused("data: { metadata = \"m\"; classes = [ \"a\", \"b\" ]; };\ntrain: { images = 9; augment = (\n { op "
                   "= \"cutmx\"; } ); };\n",
                   "job.cfg:3: train.augment: no op \"cutmx\" (did you mean \"cutmix\"?)");
    assert_refused("data: { metadata = \"m\"; classes = [ \"a\", \"b\" ]; };\ntrain: { images = 9; augment = (\n { op "
                   "= \"cutmix\"; area_min = 1; } ); };\n",
                   "cutmix has no `area_min`");
    assert_refused("data = 3;\n", "job.cfg:1: data is a group");
    /* all problems in one go */
    assert_refused("model: { x = 1; };\nfolds: { count = 1; };\n", "job.cfg:1: unknown key model.x");
    unit_says("job.cfg:2: folds.count = 1");
    unit_says("data.metadata is missing");
    tn_cfg *cfg = NULL;
    assert_int_equal(tn_cfg_read(unit_path("none.cfg"), 0, NULL, NULL, &cfg), TN_EARG);
    unit_says("none.cfg: cannot be read");
    assert_set_refused("lanes=2", "--set: `lanes=2`: give group.key=value");
    assert_set_refused("train.checkpoint_images=20000",
                       "--set: unknown key train.checkpoint_images: checkpoints are made by time now: "
                       "train.checkpoint_seconds");
    assert_set_refused("train.lanez=2", "--set: unknown key train.lanez: did you mean train.lanes?");
    assert_set_refused("train.lanes=two", "--set: train.lanes is text");
    assert_set_refused("train.lanes=", "--set: train.lanes is text");
    /* one --set, one value: nothing behind it is swallowed */
    assert_set_refused("train.lanes=4; train.foo = 3", "--set: train.lanes is text");
    assert_set_refused("train.lanes=4;\n@include \"job.cfg\"", "--set: train.lanes is text");
    assert_set_refused("data.metadata=\xff", "--set: data.metadata: the value is not UTF-8");
    /* included text is neither checked line by line nor widened, and a folder ended the process inside libconfig */
    assert_refused(LEAST " @include \"other.cfg\"\n", "job.cfg:3: @include is not taken");
    assert_refused("# M\xfcller\n" LEAST, "job.cfg: is not UTF-8");
}

/* Line and column are counted by hand; LEAST is two lines. */
static void syntax(void **unused) {
    (void)unused;
    static const struct {
        const char *text, *says;
    } CASE[] = {
        {LEAST "model: { net = \u201Cefficientnet-b0\u201D; };\n",
         "job.cfg:3:16: text is written in straight double quotes (\"): here stands `\u201Cefficientnet-b0\u201D; };`"},
        {LEAST "model: { net = 'efficientnet-b0'; };\n", "job.cfg:3:16: text is written in straight double quotes"},
        {LEAST "model: { net = \"b0\u201D; x = \"y\"; };\n",
         "job.cfg:3:16: this text goes on behind where it should end"},
        {LEAST "a = [ \"disc\u201D, \"square\" ];\n", "job.cfg:3:7: this text goes on behind where it should end"},
        {LEAST "a = \"x;y\";\nb = 1 2;\n", "job.cfg:4:7: the name of a key or group is wanted"},
        {LEAST "# \uD55C\uAE00\nmodel: { /* \uD55C */ net = efficientnet-b0; };\n",
         "job.cfg:4:24: text is written in quotes: here stands `efficientnet-b0; };`"},
        {LEAST "x: { a = [ , ]; };\n", "job.cfg:3:12: a value is wanted: here stands `, ]; };`"},
        {LEAST "x: { a = [ 32 64 ]; };\n", "job.cfg:3:15: a comma or `]` is wanted: here stands `64 ]; };`"},
        {LEAST "x: { a = [ 32, 64; };\n", "job.cfg:3:18: a comma or `]` is wanted: here stands `; };`"},
        {LEAST "x: { a = [ [ 1 ] ]; };\n", "job.cfg:3:12: an array [ ... ] holds numbers or texts alone"},
        {LEAST "x: { a = [ 1, 2.5 ]; };\n", "job.cfg:3:1: the elements of an array are of one kind"},
        {LEAST "x { a = 1; };\n", "job.cfg:3:3: `=` or `:` behind the name is wanted: here stands `{ a = 1; };`"},
        {LEAST "x: { a 1; };\n", "job.cfg:3:8: `=` or `:` behind the name is wanted: here stands `1; };`"},
        {LEAST "x: { a = ; };\n", "job.cfg:3:10: a value is wanted: here stands `; };`"},
        {LEAST "x: { a = 1;; };\n", "job.cfg:3:12: one `;` too many"},
        {LEAST "x: { a = 5k; };\n", "job.cfg:3:10: this is no number: here stands `5k; };`"},
        {LEAST "x: { a = 1; }; };\n", "job.cfg:3:16: no group is open that `}` could close"},
        {LEAST "x: { a = 1;\ny: { b = 1; };\n", "job.cfg:3:4: `{` is not closed: the file ends without its `}`"},
        {LEAST "x: { a = [ 1, 2", "job.cfg:3:10: `[` is not closed: the file ends without `]`"},
        {LEAST "x: { a = \"b;\n c = \"d\"; };\n",
         "job.cfg:3:10: the quote that is opened is not closed in its line: here stands `\"b;`"},
        {LEAST "x: { a = \"b; };", "job.cfg:3:10: the quote that is opened is not closed"},
        {LEAST "1x: { a = 1; };\n", "job.cfg:3:1: the name of a key or group is wanted: here stands `1x: {"},
        {LEAST "x: { a = \u2026; };\n", "job.cfg:3:10: this character stands outside quotes: here stands `\u2026; };`"},
        {LEAST "x: { a = 1.5.2; };\n", "job.cfg:3:1: syntax error: here stands `x: { a = 1.5.2; };`"},
        {LEAST "model: { net = \"efficientnet-b0\", ; };\n", "job.cfg:3:35: one `;` too many"},
        {LEAST "x: { a = "
               "\u201C\uD55C\uD55C\uD55C\uD55C\uD55C\uD55C\uD55C\uD55C\uD55C\uD55C\uD55C\uD55C\uD55C\uD55C\uD55C\uD55C"
               "\u201D; };\n",
         "here stands "
         "`\u201C\uD55C\uD55C\uD55C\uD55C\uD55C\uD55C\uD55C\uD55C\uD55C\uD55C\uD55C\uD55C\uD55C\uD55C\uD55C`: not "
         "libconfig"},
    };
    for (size_t i = 0; i < sizeof CASE / sizeof *CASE; i++) assert_refused(CASE[i].text, CASE[i].says);
    char deep[1000 + sizeof LEAST + 8] = LEAST "x = ";
    for (int i = 0; i < 1000; i++) strcat(deep, "(");
    assert_refused(deep, "job.cfg:3:69: too many brackets in each other");
}

/* What editors make of line ends and of the first bytes; a semicolon too few is none too few. */
static void text_forms(void **unused) {
    (void)unused;
    tn_cfg *c = read_ok("\xEF\xBB\xBF" LEAST, 0, NULL);
    assert_int_equal(c->train.images, 1000);
    tn_cfg_free(&c);
    c = read_ok("# a comment\rdata: { metadata = \"m.csv\"\r classes = [ \"a\", \"b\" ] }\r\ntrain: { images = 77 }\r",
                0, NULL);
    assert_int_equal(c->train.images, 77);
    tn_cfg_free(&c);
    assert_refused("\xEF\xBB\xBF# \r\rx y\r", "job.cfg:3:3: `=` or `:` behind the name");
    FILE *f = fopen(unit_path("wide.cfg"), "wb");
    fwrite("\xFF\xFE#\0\n\0", 1, 6, f);
    fclose(f);
    assert_int_equal(tn_cfg_read(unit_path("wide.cfg"), 0, NULL, NULL, &c), TN_EARG);
    unit_says("wide.cfg: is UTF-16: save it as UTF-8");
    f = fopen(unit_path("zero.cfg"), "wb");
    fwrite("#x\n\0\n", 1, 5, f);
    fclose(f);
    assert_int_equal(tn_cfg_read(unit_path("zero.cfg"), 0, NULL, NULL, &c), TN_EARG);
    unit_says("zero.cfg: holds a 0 byte");
}

static void identity(void **unused) {
    (void)unused;
    char *free_of[] = {"train.loader_threads=7", "train.checkpoint_seconds=5", "train.sizes_px=[32]",
                       "self.max_rounds=3",      "data.max_bad_fraction=0.5",  "data.truth_column=x",
                       "train.seeds=[9]",        "reduce.method=gmean",        "self.class_floor=0.1",
                       "preprocess.size_px=99"};
    char *part_of[] = {"train.learning_rate=0.002"};
    tn_cfg *a = read_ok("# a comment\n" LEAST, 0, NULL), *b = read_ok(LEAST, sizeof free_of / sizeof *free_of, free_of),
           *c = read_ok(LEAST, 1, part_of);
    char *ta = tn_cfg_canonical(a, TN_KEYS_TRAIN), *tb = tn_cfg_canonical(b, TN_KEYS_TRAIN),
         *tc = tn_cfg_canonical(c, TN_KEYS_TRAIN);
    assert_string_equal(ta, tb);
    assert_string_not_equal(ta, tc);
    assert_non_null(strstr(tc, "train.learning_rate = 0.002\n"));
    char *order[] = {"train.sizes_px=[96, 64]", "train.seeds=[7, 5]", "self.view=shared", "self.folds=[2, 0]"};
    tn_cfg *d = read_ok(LEAST, 4, order);
    assert_true(d->train.sizes_px[0] == 64 && d->train.seeds[0] == 5 &&
                d->self.folds[0] == 0); /* the order says nothing */
    tn_cfg_free(&d);
    char *folds = tn_cfg_canonical(a, TN_KEYS_FOLDS); /* the map of folds knows nothing of validation slices */
    assert_null(strstr(folds, "validation"));
    assert_non_null(strstr(ta, "folds.validation_share"));
    free(folds);
    char *pre = tn_cfg_canonical(a, TN_KEYS_PREPROCESS);
    assert_non_null(strstr(pre, "data.metadata = \"m.csv\"\n")); /* as given: the same from every working folder */
    assert_null(strstr(pre, "train."));
    free(ta), free(tb), free(tc), free(pre);
    tn_cfg_free(&a), tn_cfg_free(&b), tn_cfg_free(&c);
}

/* What `check` prints is a job file that means the same. */
static void printing(void **unused) {
    (void)unused;
    char *set[] = {
        "train.label_smoothing=0.1234567890123", "data.truth_column=a \"b\" \\c",
        ("search.space=( { key = \"train.momentum\"; uniform = ( 0, 0.5 ); }, { key = \"train.sampler\"; choice "
         "= [ \"natural\", \"balanced_down\" ]; } )"),
        "search.rungs=[ 500 ]", "train.augment=( { op = \"random_resized_crop\"; ratio_max = 1.7; } )"};
    tn_cfg *a = read_ok(LEAST, 5, set);
    FILE *f = fopen(unit_path("printed.cfg"), "w");
    tn_cfg_print(a, f);
    fclose(f);
    tn_cfg *b = NULL;
    if (tn_cfg_read(unit_path("printed.cfg"), 0, NULL, NULL, &b) != TN_OK) fail_msg("%s", tn_msg);
    char *ta = tn_cfg_canonical(a, TN_KEYS_TRAIN | TN_KEYS_SEARCH),
         *tb = tn_cfg_canonical(b, TN_KEYS_TRAIN | TN_KEYS_SEARCH);
    assert_string_equal(ta, tb);
    assert_string_equal(a->data.truth_column, b->data.truth_column);
    free(ta), free(tb);
    tn_cfg_free(&a), tn_cfg_free(&b);
}

#define RATE  "{ key = \"train.learning_rate\"; log_uniform = [ 1e-4, 1e-2 ]; }"
#define CUTMX "train: { images = 9000; augment = ( { op = \"cutmix\"; } ); };\n"
#define DATA  "data: { metadata = \"m\"; classes = [ \"a\", \"b\" ]; };\n"

static void search_space(void **unused) {
    (void)unused;
    tn_cfg *c = read_ok(DATA CUTMX "search: { rungs = [ 1000, 3000 ]; space = ( " RATE ",\n"
                                   " { key = \"train.augment.cutmix.probability\"; uniform = ( 0, 0.5 ); },\n"
                                   " { key = \"train.sizes_px\"; choice = ( [ 48 ], [ 64, 96 ] ); },\n"
                                   " { key = \"train.sampler\"; choice = [ \"natural\", \"balanced_down\" ]; },\n"
                                   " { key = \"train.lane_images\"; integer = [ 4, 16 ]; } ); };\n",
                        0, NULL);
    assert_int_equal(c->search.n_space, 5);
    assert_true(c->search.space[0].kind == TN_SPACE_LOG_UNIFORM && c->search.space[0].low == 1e-4 &&
                c->search.space[0].high == 1e-2);
    assert_true(c->search.space[1].kind == TN_SPACE_UNIFORM && c->search.space[1].high == 0.5);
    assert_string_equal(c->search.space[2].choice[1], "[ 64, 96 ]");
    assert_string_equal(c->search.space[3].choice[1], "\"balanced_down\"");
    assert_true(c->search.space[4].kind == TN_SPACE_INTEGER && c->search.space[4].line == 7);
    /* 16 x 0.333 = 5.3 -> 5; 5 x 0.333 = 1.7 -> 2 */
    assert_int_equal(tn_cfg_slots(c, 0), 16);
    assert_int_equal(tn_cfg_slots(c, 1), 5);
    assert_int_equal(tn_cfg_slots(c, 2), 2);
    /* other values: checked as a job file's */
    char *set[] = {"train.augment.cutmix.probability=0.25", "train.sizes_px=[ 64, 96 ]"};
    tn_cfg *d = NULL;
    assert_int_equal(tn_cfg_derive(c, 2, set, &d), TN_OK);
    assert_true(d->train.augment[0].probability == 0.25 && c->train.augment[0].probability == 1);
    assert_int_equal(d->train.sizes_px[1], 96);
    tn_cfg_free(&d);
    char *bad[] = {"train.lanes=3"};
    assert_int_equal(tn_cfg_derive(c, 1, bad, &d), TN_EARG);
    unit_says("power of two");
    tn_cfg_free(&c);
}

static void search_errors(void **unused) {
    (void)unused;
#define SPACE(more) DATA CUTMX "search: { rungs = [ 1000 ]; space = ( " RATE ",\n" more " ); };\n"
    assert_refused(SPACE("{ key = \"train.label_smothing\"; uniform = ( 0, 0.2 ); }"),
                   "job.cfg:4: search.space: unknown key train.label_smothing: did you mean train.label_smoothing?");
    assert_refused(SPACE("{ key = \"train.augment.cutmx.probability\"; uniform = ( 0, 0.2 ); }"),
                   "did you mean train.augment.cutmix.probability?");
    assert_refused(SPACE("{ key = \"train.sampler\"; choice = ( \"natural\", \"balanced\" ); }"),
                   "job.cfg:4: train.sampler = \"balanced\" is unknown (did you mean \"balanced_up\"?): give one of: "
                   "\"natural\", ");
    assert_refused(SPACE("{ key = \"train.label_smoothing\"; uniform = ( 0, 1.5 ); }"),
                   "job.cfg:4: train.label_smoothing = 1.5 is out of range: give a number from 0 to 0.9");
    assert_refused(SPACE("{ key = \"train.lane_images\"; uniform = ( 1, 4 ); }"), "use integer or choice");
    assert_refused(SPACE("{ key = \"train.images\"; integer = ( 1, 4 ); }"), "budgets are search.rungs");
    assert_refused(SPACE("{ key = \"train.lanes\"; choice = ( 1, 4 ); }"), "train.lanes cannot be searched");
    assert_refused(SPACE("{ key = \"model.pretrained\"; choice = ( \"a\", \"b\" ); }"), "cannot be searched");
    assert_refused(SPACE("{ key = \"folds.validation_share\"; uniform = ( 0.1, 0.2 ); }"), "cannot be searched");
    assert_refused(SPACE("{ key = \"train.momentum\"; unifrom = ( 0, 0.5 ); }"), "job.cfg:4: search.space: unknown "
                                                                                 "`unifrom` (did you mean `uniform`?)");
    assert_refused(SPACE("{ key = \"train.momentum\"; uniform = ( 0.5, 0.1 ); }"), "with a < b");
    assert_refused(SPACE("{ key = \"train.weight_decay\"; log_uniform = ( 0, 0.1 ); }"), "with 0 < a < b");
    assert_refused(SPACE("{ key = \"train.momentum\"; }"), "give one of choice, uniform");
    assert_refused(SPACE("{ choice = ( 1, 2 ); }"), "every member is a group");
    assert_refused(SPACE(RATE), "train.learning_rate is named twice");
    assert_refused(SPACE("{ key = \"train.augment.horizontal_flip.probability\"; uniform = ( 0, 1 ); }"),
                   "the list train.augment has no horizontal_flip: add { op = \"horizontal_flip\"; }");
#undef SPACE
#define SEARCH(more) DATA CUTMX "search: { " more " space = ( " RATE " ); };\n"
    assert_refused(SEARCH(""), "search.rungs: give at least one budget");
    assert_refused(SEARCH("rungs = [ 3000, 1000 ];"), "give ascending budgets");
    assert_refused(SEARCH("rungs = [ 1000, 10000 ];"), "10000 is more than train.images = 9000");
    assert_refused(SEARCH("rungs = [ 1000, 2000 ]; trials = 4;"), "only one of 4 trials is left for rung 1");
    assert_refused(SEARCH("rungs = [ 1000 ]; folds = [ 0, 10 ];"), "search.folds: there is no fold 10");
    assert_refused(SEARCH("rungs = [ 1000 ]; folds = [ 0, 1 ]; judge_folds = [ 1, 2 ];"),
                   "the final comparison needs other folds");
    assert_refused(SEARCH("rungs = [ 1000 ]; folds = [ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 ];"), "leave at least one");
#undef SEARCH
    assert_set_refused("train.augment.cutmix.probability=0.5", "the list train.augment has no cutmix");
}

/* Ranges upside down, numbers in the wrong unit, and those that are accepted. */
static void augmentations(void **unused) {
    (void)unused;
#define WITH(op)                                                                                                       \
    "data: { metadata = \"m\"; classes = [ \"a\", \"b\" ]; };\ntrain: { images = 9; augment = (\n { op = " op          \
    "; } ); };\n"
    assert_refused(WITH("\"gaussian_blur\"; sigma_min = 3; sigma_max = 1"),
                   "train.augment: sigma_min = 3 of gaussian_blur is larger than sigma_max = 1");
    assert_refused(WITH("\"gauss_noise\"; std_min = 9"), "std_min = 9 of gauss_noise is larger than std_max = 7");
    assert_refused(WITH("\"random_resized_crop\"; area_min = 0.9; area_max = 0.5"),
                   "area_min = 0.9 of random_resized_crop");
    assert_refused(
        WITH("\"hue_saturation_value\"; val_shift_limit = 0.2"),
        "job.cfg:3: train.augment: val_shift_limit of hue_saturation_value: 0.2 is less than one step: its unit "
        "is not the share of the range, but 8-bit steps: give 0, or a number from 1 to 255");
    assert_refused(WITH("\"gauss_noise\"; std_max = 0.44"), "standard deviation in 8-bit steps");
    assert_refused(WITH("\"coarse_dropout\"; fill = 0.5"), "8-bit value");
    assert_refused(WITH("\"shift_scale_rotate\"; rotate_limit = 0.79"), "degrees: give 0, or a number from 1 to 180");
    assert_refused(WITH("\"shift_scale_rotate\"; shift_limit = 15"), "give a number from 0 to 1 (share of the side)");
    assert_refused(WITH("\"random_brightness_contrast\"; brightness_limit = 20"), "from 0 to 1 (share of 255)");
    assert_refused(WITH("\"rand_augment\"; num_ops = 1.5"),
                   "num_ops of rand_augment: give a whole number from 1 to 10");
    assert_refused(WITH("\"channel_dropout\"; num_channels_max = 3"), "give a whole number from 1 to 2 (channels)");
    assert_refused(WITH("\"mixup\"; alpha = 0"), "alpha of mixup: give a number from 0.05 to 2");
    assert_refused(WITH("\"gaussian_blur\"; sigma_limit = 3"),
                   "gaussian_blur has no `sigma_limit`: did you mean `sigma_min`?");
    assert_refused(WITH("\"gausian_noise\""), "no op \"gausian_noise\" (did you mean \"gauss_noise\"?)");
    char *set[] = {"train.augment.hue_saturation_value.sat_shift_limit=0",
                   "train.augment.hue_saturation_value.probability=0.2"};
    tn_cfg *c = NULL;
    assert_int_equal(
        tn_cfg_read(unit_write("job.cfg", WITH("\"hue_saturation_value\"; val_shift_limit = 7")), 2, set, NULL, &c),
        TN_OK);
    const tn_augment *a = c->train.augment;
    assert_true(a->kind == TN_AUG_HUE_SATURATION_VALUE && a->probability == 0.2 && a->hue_shift_limit == 20);
    assert_true(a->sat_shift_limit == 0 && a->val_shift_limit == 7);
    tn_cfg_free(&c);
#undef WITH
}

static void job_files(void **unused) {
    (void)unused;
    DIR *d = opendir(TN_SOURCE_DIR "/jobs");
    int n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[1024];
        tn_cfg *cfg = NULL;
        if (!strstr(e->d_name, ".cfg")) continue;
        snprintf(path, sizeof path, "%s/jobs/%s", TN_SOURCE_DIR, e->d_name);
        if (tn_cfg_read(path, 0, NULL, NULL, &cfg) != TN_OK) fail_msg("%s", tn_msg);
        tn_cfg_free(&cfg);
        n++;
    }
    closedir(d);
    assert_true(n >= 6);
}

static void reference_page(void **unused) {
    (void)unused;
    char *page = NULL, *text = NULL;
    size_t n_page = 0, n = 0;
    FILE *f = open_memstream(&text, &n);
    tn_cfg_print_reference(f);
    fclose(f);
    assert_int_equal(tn_file_read(TN_SOURCE_DIR "/docs/job-file.md", &page, &n_page), TN_OK);
    assert_string_equal(page, text); /* else: tenfold check --reference > docs/job-file.md */
    free(page);
    free(text);
}

#define FROM_FILE "data: { metadata = \"m\"; classes_file = \"names.txt\"; };\ntrain: { images = 1000; };\n"

/* n names, one a line; ended: does the last line end? */
static void write_names(int n, bool ended) {
    char *text = malloc((size_t)n * 16 + 1), *to = text;
    assert_non_null(text);
    for (int i = 0; i < n; i++) to += sprintf(to, "n%06d%s", i, i + 1 < n || ended ? "\r\n" : "");
    *to = 0;
    unit_write("names.txt", text);
    free(text);
}

static void classes_of_a_file(void **unused) {
    (void)unused;
    for (int ended = 0; ended < 2; ended++) {
        write_names(TN_MAX_CLASSES, ended);
        tn_cfg *c = read_ok(FROM_FILE, 0, NULL);
        assert_int_equal(c->data.n_classes, TN_MAX_CLASSES);
        assert_string_equal(c->data.classes[0], "n000000");
        assert_string_equal(c->data.classes[1000], "n001000");
        tn_cfg_free(&c);
    }
    write_names(22000, true);
    assert_refused(FROM_FILE, "names.txt has 22000 lines: give at most 21999 classes");
    write_names(TN_WHOLE_CLASSES + 1, true);
    assert_refused(
        FROM_FILE "reduce: { category_prior = 1; };\n",
        "reduce.category_prior: only for up to 1024 classes, because it counts every class for every category; "
        "there are 1025: take it away");
    assert_refused(FROM_FILE "self: { dropped = \"soft\"; };\n",
                   "self.dropped: soft targets are for up to 1024 classes, because whole rows of probabilities are "
                   "stored; there are 1025: give");
    write_names(TN_WHOLE_CLASSES, true);
    tn_cfg *most = read_ok(FROM_FILE "reduce: { category_prior = 1; };\n", 0, NULL);
    tn_cfg_free(&most);
    unit_write("names.txt", "worn\n\ncooked\n");
    assert_refused(FROM_FILE, "data.classes: class 2 has no name");
    unit_write("names.txt", "worn\ncooked\nworn\n");
    assert_refused(FROM_FILE, "\"worn\" is named twice");
    unit_write("names.txt", "worn\n\xff\n");
    assert_refused(FROM_FILE, "is not UTF-8 text");
    unit_write("names.txt", "a\nc\n");
    assert_refused("data: { metadata = \"m\"; classes = [ \"a\", \"b\" ]; classes_file = \"names.txt\"; };\ntrain: { "
                   "images = 9; };\n",
                   "data.classes differs from data.classes_file");
    assert_refused("data: { metadata = \"m\"; classes_file = \"no.txt\"; };\ntrain: { images = 9; };\n", "no.txt");
    assert_refused("data: { metadata = \"m\"; };\ntrain: { images = 9; };\n",
                   "data.classes: give at least 2 classes, here or in data.classes_file");
}

/* The student trains three times as long as a member, unless the job file says otherwise. */
static void student_settings(void **unused) {
    (void)unused;
    char *images = "distil.images=5000";
    tn_cfg *cfg = read_ok(LEAST, 0, NULL), *asked = read_ok(LEAST, 1, &images);
    tn_cfg_student(cfg);
    tn_cfg_student(asked);
    assert_int_equal(cfg->train.images, 3000);
    assert_int_equal(asked->train.images, 5000);
    tn_cfg_free(&cfg);
    tn_cfg_free(&asked);
}

/* It gives all of few classes, in their order, or those of many with the largest keys. */
static void shown_classes(void **unused) {
    (void)unused;
    double key[TN_MAX_CLASSES];
    int class[TN_MOST_SHOWN];
    for (int k = 0; k < TN_MAX_CLASSES; k++) key[k] = k * 7919 % 1000; /* 7919 k mod 1000 */
    assert_int_equal(tn_shown(TN_MOST_SHOWN, key, class), TN_MOST_SHOWN);
    for (int i = 0; i < TN_MOST_SHOWN; i++) assert_int_equal(class[i], i);
    assert_int_equal(tn_shown(1000, key, class), TN_MOST_SHOWN); /* each key from 0 to 999 once */
    for (int i = 0; i < TN_MOST_SHOWN; i++) assert_true(key[class[i]] == 999 - i);
    for (int k = 0; k < TN_MAX_CLASSES; k++) key[k] = 0;
    tn_shown(1000, key, class);
    for (int i = 0; i < TN_MOST_SHOWN; i++) assert_int_equal(class[i], i);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),      cmocka_unit_test(head_units),      cmocka_unit_test(names),
        cmocka_unit_test(values),        cmocka_unit_test(errors),          cmocka_unit_test(syntax),
        cmocka_unit_test(text_forms),    cmocka_unit_test(identity),        cmocka_unit_test(printing),
        cmocka_unit_test(search_space),  cmocka_unit_test(search_errors),   cmocka_unit_test(augmentations),
        cmocka_unit_test(job_files),     cmocka_unit_test(reference_page),  cmocka_unit_test(classes_of_a_file),
        cmocka_unit_test(shown_classes), cmocka_unit_test(student_settings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
