/* kiln report */
#include "base/file.h"
#include "cli/run_report.h"
#include "report/page.h"

#include <math.h>
#include <string.h>

enum { MOST_RUNS = 64 };

static struct {
    const char *output;
} given;

static const option options[] = {
    {"-o", OPTION_TEXT, offsetof(__typeof__(given), output), "FILE.html",
     "a page with the curves of all runs", 0},
};

/* Is less of a figure better? Losses and errors, by their names. */
static bool is_cost(const char *name)
{
    static const char *const words[] = {"loss", "error", "mae", "mse", "crossentropy", "rate"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(name, words[i]))
            return true;
    return false;
}

/* The best value of a run's figure and its epoch; false when it has none. */
static bool best_of(const run_curves *r, const char *name, double *best, size_t *epoch)
{
    const double *values = run_curves_get(r, name);
    bool any = false;
    for (size_t e = 0; values && e < r->epochs; e++)
        if (isfinite(values[e]) &&
            (!any || (is_cost(name) ? values[e] < *best : values[e] > *best))) {
            *best = values[e];
            *epoch = e;
            any = true;
        }
    return any;
}

/* The figures of all runs, each once. */
static bool is_first(const run_curves *runs, size_t i, const char *name)
{
    for (size_t k = 0; k < i; k++)
        if (run_curves_get(&runs[k], name))
            return false;
    return true;
}

/* One line: last and best value of a figure in a run. */
static void describe(const run_curves *r, const char *name, char last[32], char best[64])
{
    const double *values = run_curves_get(r, name);
    double value = 0;
    size_t epoch = 0;
    snprintf(last, 32, "-");
    snprintf(best, 64, "-");
    if (values && isfinite(values[r->epochs - 1]))
        snprintf(last, 32, "%.6g", values[r->epochs - 1]);
    if (best_of(r, name, &value, &epoch))
        snprintf(best, 64, "%.6g in epoch %zu", value, epoch + 1);
}

static void print(const run_curves *runs, size_t count)
{
    char last[32], best[64];
    int width = 24;
    for (size_t i = 0; i < count; i++)
        width = (int)strlen(runs[i].name) > width ? (int)strlen(runs[i].name) : width;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < runs[i].count; k++) {
            const char *name = runs[i].figures[k].name;
            if (!is_first(runs, i, name))
                continue;
            printf("%s\n", name);
            for (size_t r = 0; r < count; r++) {
                describe(&runs[r], name, last, best);
                printf("  %-*s last %-12s best %s\n", width, runs[r].name, last, best);
            }
        }
}

static void add_table(const run_curves *runs, size_t count, text *page)
{
    static const char *const headings[] = {"Figure", "Run", "\tEpochs", "\tLast", "\tBest"};
    enum { COLUMNS = sizeof headings / sizeof *headings };
    char last[33] = "\t", best[65] = "\t", epochs[32];
    page_table_begin(page, headings, COLUMNS);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < runs[i].count; k++) {
            const char *name = runs[i].figures[k].name;
            for (size_t r = 0; r < count && is_first(runs, i, name); r++) {
                describe(&runs[r], name, last + 1, best + 1);
                snprintf(epochs, sizeof epochs, "\t%zu", runs[r].epochs);
                page_table_row(page, (int)r,
                               (const char *const[]){name, runs[r].name, epochs, last, best},
                               COLUMNS);
            }
        }
    page_table_end(page);
}

static kiln_status write_page(const run_curves *runs, size_t count)
{
    text page = {0};
    page_begin(&page, "Trainings compared",
               "Solid: on the training data; dashed or hollow: validation.");
    kiln_status status = run_curves_page(&page, runs, count);
    page_heading(&page, 2, "Figures");
    add_table(runs, count, &page);
    page_end(&page, "Kiln");
    if (status == KILN_OK)
        status = page.failed ? KILN_ERROR_MEMORY
                             : file_write_atomic(given.output, page.data, page.length);
    text_free(&page);
    return status;
}

static int run(int count, char **words)
{
    int status = options_parse(&command_report, &given, &count, words);
    if (status >= 0)
        return status;
    size_t length = given.output ? strlen(given.output) : 0;
    if (given.output && (length < 5 || strcmp(given.output + length - 5, ".html") != 0))
        return usage_error(&command_report, "-o '%s': it takes a .html file", given.output);
    static run_curves runs[MOST_RUNS];
    kiln_status done = given.output ? file_writable(given.output) : KILN_OK;
    for (int i = 0; i < count && done == KILN_OK; i++)
        done = run_curves_read(words[i], &runs[i]);
    if (done == KILN_OK)
        done = run_curves_tell_apart(runs, (const char *const *)words, (size_t)count);
    if (done == KILN_OK && given.output)
        done = write_page(runs, (size_t)count);
    if (done == KILN_OK)
        print(runs, (size_t)count);
    for (int i = 0; i < count; i++)
        run_curves_free(&runs[i]);
    return done == KILN_OK ? EXIT_DONE : cli_fail();
}

const command command_report = {
    .name = "report",
    .arguments = "A.json B.json ...",
    .least_arguments = 1,
    .most_arguments = MOST_RUNS,
    .summary = "trainings side by side",
    .help =
        "Reads what kiln fit wrote by --history or --log-json, prints the last and the best value\n"
        "of each figure of each training, and draws their curves into one another.",
    .example = "  kiln report adam.json sgd.json -o both.html",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .run = run,
};
