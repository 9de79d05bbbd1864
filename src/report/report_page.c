/* report_page.c - markdown, curves and pictures as one page. */
#include "report/report_page.h"

#include "data/shard.h"
#include "filter/ledger.h"
#include "report/report_choice.h"
#include "store/csv.h"
#include "store/jpeg.h"
#include "train/journal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char HEAD[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>tenfold</title><style>"
    "body{font:15px/1.5 sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;margin:1em 0}th,td{border-bottom:1px solid #ddd;padding:.2em .7em;text-align:right}"
    "th:first-child,td:first-child{text-align:left}"
    "figure{display:inline-block;width:130px;margin:6px;font-size:12px;vertical-align:top;overflow-wrap:anywhere}"
    "figure img{width:130px;height:130px;object-fit:contain;background:#f4f4f4}svg{width:100%;max-width:760px}"
    "</style>\n";

static void put_text(FILE *f, const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) switch (text[i]) {
        case '<':
            fputs("&lt;", f);
            break;
        case '>':
            fputs("&gt;", f);
            break;
        case '&':
            fputs("&amp;", f);
            break;
        case '"':
            fputs("&quot;", f);
            break;
        default:
            fputc(text[i], f);
        }
}

/* --- the text ----------------------------------------------------------------------------------------------------- */

/* **bold** and \-escapes. */
static void put_inline(FILE *f, const char *text, size_t n) {
    bool bold = false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\\' && i + 1 < n) {
            put_text(f, text + ++i, 1);
        } else if (text[i] == '*' && i + 1 < n && text[i + 1] == '*') {
            fputs(bold ? "</b>" : "<b>", f);
            bold = !bold;
            i++;
        } else {
            put_text(f, text + i, 1);
        }
    }
}

/* The start of a cell; in the noise matrix its colour is as strong as the percentage that it holds. */
static void open_cell(FILE *f, const char *text, const char *tag, bool shaded) {
    double percent = shaded ? strtod(text, NULL) : 0;
    if (percent > 0)
        fprintf(f, "<%s style=\"background:rgba(214,39,40,%.2f)\">", tag, percent / 100);
    else
        fprintf(f, "<%s>", tag);
}

/* "| a | b |": cells end at a bar that no \ escapes. */
static void put_row(FILE *f, const char *line, size_t n, const char *tag, bool shaded) {
    fputs("<tr>", f);
    for (size_t from = 1, i = 1; i < n; i++) {
        if (line[i] == '\\') {
            i++;
        } else if (line[i] == '|') {
            size_t a = from, b = i;
            while (a < b && line[a] == ' ') a++;
            while (b > a && line[b - 1] == ' ') b--;
            open_cell(f, line + a, tag, shaded && from > 1);
            put_inline(f, line + a, b - a);
            fprintf(f, "</%s>", tag);
            from = i + 1;
        }
    }
    fputs("</tr>\n", f);
}

static void put_markdown(FILE *f, const char *text) {
    static const char MATRIX[] = "| given label | truly "; /* report_filter.c */
    bool table = false, shaded = false;
    while (*text) {
        size_t n = strcspn(text, "\n");
        bool row = *text == '|';
        if (table && !row) fputs("</table>\n", f);
        if (row && !table) {
            fputs("<table>", f);
            shaded = strncmp(text, MATRIX, strlen(MATRIX)) == 0 && text[strlen(MATRIX)] != '|';
            put_row(f, text, n, "th", false);
        } else if (row && strncmp(text, "| ---", 5) != 0) {
            put_row(f, text, n, "td", shaded);
        } else if (!row && n > 0) {
            size_t level = strspn(text, "#");
            if (level > 0) {
                fprintf(f, "<h%zu>", level);
                put_inline(f, text + level + 1, n - level - 1);
                fprintf(f, "</h%zu>\n", level);
            } else {
                fputs("<p>", f);
                put_inline(f, text, n);
                fputs("</p>\n", f);
            }
        }
        table = row;
        text += n + (text[n] == '\n');
    }
    if (table) fputs("</table>\n", f);
}

/* --- curves ------------------------------------------------------------------------------------------------------- */

enum { LEFT = 50, RIGHT = 740, TOP = 20, BOTTOM = 300 };
static const char *const COLOUR[] = {"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b"};
enum { N_COLOURS = sizeof COLOUR / sizeof *COLOUR };

static tn_status put_curve(const tn_cfg *cfg, const tn_cell *cell, FILE *f) {
    char name[TN_CELL_NAME_BYTES];
    tn_journal journal;
    TN_TRY(tn_journal_read(cfg, cell, &journal));
    if (journal.n == 0) { /* not trained, or skipped */
        tn_journal_free(&journal);
        return TN_OK;
    }
    tn_cell_name(cell, name);
    fprintf(f, "<polyline fill=\"none\" stroke=\"%s\" stroke-opacity=\"0.6\" points=\"",
            COLOUR[cell->round % N_COLOURS]);
    for (int i = 0; i < journal.n; i++)
        fprintf(f, "%.1f,%.1f ", LEFT + (RIGHT - LEFT) * (double)journal.at[i].images / (double)cfg->train.images,
                BOTTOM - (BOTTOM - TOP) * journal.at[i].gmean);
    fprintf(f, "\"><title>%s</title></polyline>\n", name);
    tn_journal_free(&journal);
    return TN_OK;
}

static tn_status put_curves(const tn_cfg *cfg, FILE *f) {
    tn_cell *cell = calloc((size_t)tn_cell_count(cfg), sizeof *cell);
    if (!cell) return tn_fail_memory((size_t)tn_cell_count(cfg) * sizeof *cell, "the report");
    fprintf(f,
            "<h2>Validation score over images seen</h2>\n<p>Geometric mean of F1 on each model's validation slice; a "
            "line is a model, a colour a round.</p>\n<svg viewBox=\"0 0 760 330\" font-size=\"11\">\n");
    for (int i = 0; i <= 5; i++) {
        double y = BOTTOM - (BOTTOM - TOP) * i / 5.0, x = LEFT + (RIGHT - LEFT) * i / 5.0;
        fprintf(f,
                "<path d=\"M%d %.1f H%d\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.1f</text>",
                LEFT, y, RIGHT, LEFT - 6, y + 4, i / 5.0);
        fprintf(f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%" PRId64 "</text>\n", x, BOTTOM + 18,
                cfg->train.images * i / 5);
    }
    tn_status st = TN_OK;
    for (int round = 0; st == TN_OK && round <= cfg->self.max_rounds; round++) {
        tn_cell_list(cfg, round, cell);
        for (int i = 0; st == TN_OK && i < tn_cell_count(cfg); i++) st = put_curve(cfg, &cell[i], f);
        fprintf(f, "<text x=\"%d\" y=\"%d\" fill=\"%s\">round %d</text>\n", LEFT + 8 + 70 * round, TOP - 6,
                COLOUR[round % N_COLOURS], round);
    }
    fputs("</svg>\n", f);
    free(cell);
    return st;
}

/* --- pictures of suspicious labels -------------------------------------------------------------------------------- */

enum { MOST_PICTURES = 60 };

typedef struct {
    double log_odds;
    int64_t ledger_row;
} suspect;

static int largest_odds(const void *a, const void *b) {
    const suspect *x = a, *y = b;
    if (x->log_odds != y->log_odds) return x->log_odds > y->log_odds ? -1 : 1;
    return (x->ledger_row > y->ledger_row) - (x->ledger_row < y->ledger_row);
}

static void put_base64(FILE *f, const unsigned char *b, size_t n) {
    static const char DIGIT[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)b[i] << 16 | (i + 1 < n ? (unsigned)b[i + 1] << 8 : 0) | (i + 2 < n ? b[i + 2] : 0U);
        fputc(DIGIT[v >> 18], f);
        fputc(DIGIT[v >> 12 & 63], f);
        fputc(i + 1 < n ? DIGIT[v >> 6 & 63] : '=', f);
        fputc(i + 2 < n ? DIGIT[v & 63] : '=', f);
    }
}

static tn_status put_picture(const tn_index *ix, const tn_shards *shards, int64_t row, FILE *f) {
    unsigned char *stored = NULL, *jpeg = NULL;
    size_t room = 0, n_jpeg = 0;
    int32_t n = 0;
    tn_status st = tn_shards_read(shards, row, &stored, &room, &n);
    if (st == TN_OK && tn_shards_raw(shards))
        st = tn_jpeg_encode(stored, ix->width[row], ix->height[row], 85, &jpeg, &n_jpeg);
    if (st == TN_OK) {
        fputs("<img src=\"data:image/jpeg;base64,", f);
        put_base64(f, jpeg ? jpeg : stored, jpeg ? n_jpeg : (size_t)n);
        fputs("\" alt=\"\">", f);
    }
    free(stored);
    free(jpeg);
    return st;
}

static tn_status put_suspects(const tn_cfg *cfg, const tn_csv *t, int n, const suspect *s, FILE *f) {
    char folder[TN_PATH_BYTES];
    tn_index *ix = NULL;
    tn_shards *shards = NULL;
    TN_TRY(tn_path(folder, "%s/shards", cfg->run_dir));
    tn_status st = tn_index_read(folder, NULL, &ix);
    if (st == TN_OK) st = tn_shards_open(NULL, ix, &shards);
    int id = tn_csv_column(t, "id"), path = tn_csv_column(t, "path"), label = tn_csv_column(t, "label"),
        suggested = tn_csv_column(t, "suggested");
    for (int i = 0; st == TN_OK && i < n; i++) {
        const char *name = tn_csv_at(t, s[i].ledger_row, path);
        long long row = id < 0 ? -1 : atoll(tn_csv_at(t, s[i].ledger_row, id));
        if (row < 0 || row >= ix->n || strcmp(ix->path[row], name) != 0) {
            st = tn_fail(TN_EFORMAT, "the ledger's row of %s is not that of %s/dataset.h5: run `tenfold filter` again",
                         name, folder);
            break;
        }
        fputs("<figure>", f);
        st = put_picture(ix, shards, row, f);
        fputs("<figcaption>", f);
        put_text(f, tn_csv_at(t, s[i].ledger_row, label), strlen(tn_csv_at(t, s[i].ledger_row, label)));
        fputs(" &rarr; <b>", f);
        put_text(f, tn_csv_at(t, s[i].ledger_row, suggested), strlen(tn_csv_at(t, s[i].ledger_row, suggested)));
        fprintf(f, "</b><br>log odds %.2f<br>", s[i].log_odds);
        put_text(f, name, strlen(name));
        fputs("</figcaption></figure>\n", f);
    }
    tn_shards_close(&shards);
    tn_index_free(&ix);
    return st;
}

static tn_status put_ledger(const tn_cfg *cfg, const tn_csv *t, const char *path, FILE *f) {
    int odds = tn_csv_column(t, "log_odds");
    if (odds < 0) return tn_fail(TN_EFORMAT, "%s: has no column log_odds", path);
    suspect *s = malloc((size_t)tn_csv_rows(t) * sizeof *s + 1);
    if (!s) return tn_fail_memory((size_t)tn_csv_rows(t) * sizeof *s, "the report");
    int64_t n = 0;
    for (int64_t i = 0; i < tn_csv_rows(t); i++)
        if (atof(tn_csv_at(t, i, odds)) > 0) s[n++] = (suspect){atof(tn_csv_at(t, i, odds)), i};
    qsort(s, (size_t)n, sizeof *s, largest_odds);
    int shown = n < MOST_PICTURES ? (int)n : MOST_PICTURES;
    fprintf(
        f,
        "<h2>The labels believed least</h2>\n<p>%d of %lld whose log odds are above 0, the largest first: given label "
        "&rarr; suggested label.</p>\n",
        shown, (long long)n);
    tn_status st = put_suspects(cfg, t, shown, s, f);
    free(s);
    return st;
}

static tn_status put_pictures(const tn_cfg *cfg, FILE *f) {
    char path[TN_PATH_BYTES];
    tn_csv *t = NULL;
    TN_TRY(tn_ledger_last(cfg, path));
    if (!*path) return TN_OK;
    TN_TRY(tn_csv_read(path, &t));
    tn_status st = put_ledger(cfg, t, path, f);
    tn_csv_free(&t);
    return st;
}

tn_status tn_report_page(const tn_cfg *cfg, struct json_t *metrics, const char *markdown, FILE *out) {
    fputs(HEAD, out);
    put_markdown(out, markdown);
    tn_report_reliability(metrics, out);
    TN_TRY(put_curves(cfg, out));
    TN_TRY(put_pictures(cfg, out));
    fputs("</html>\n", out);
    return TN_OK;
}
