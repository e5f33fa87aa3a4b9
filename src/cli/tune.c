/* kiln tune */
#include "cli/tune.h"

#include "base/clock.h"
#include "base/file.h"
#include "cli/objective.h"
#include "cli/practice.h"
#include "cli/steps.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    const char *shape, *save, *load;
    double minutes, limit;
    int64_t tries;
    bool clblast, again, json;
} given = {.minutes = 10, .tries = -1};

#define AT(FIELD) offsetof(__typeof__(given), FIELD)
static const option options[] = {
    {"--shape", OPTION_TEXT, AT(shape), "MxNxK",
     "one product in place of a network's; transposed sides as in 512x512x512,NT; or a line's name of the "
     "file of choices", 0},
    {"--minutes", OPTION_REAL, AT(minutes), "M", "time to spend, at most (10)", 0},
    {"--tries", OPTION_WHOLE, AT(tries), "N", "candidates to try for each product, at most (all)", 0},
    {"--limit", OPTION_REAL, AT(limit), "S",
     "seconds after which a candidate counts as hanging (30, of CLBlast 120)", 0},
    {"--clblast", OPTION_FLAG, AT(clblast), NULL,
     "CLBlast's own parameters for this device, too", 0},
    {"--again", OPTION_FLAG, AT(again), NULL, "also what has been tuned before", 0},
    {"--json", OPTION_FLAG, AT(json), NULL, "an array of products on standard output", 0},
    {"--export", OPTION_TEXT, AT(save), "FILE", "writes what is known of the device; tunes nothing",
     0},
    {"--import", OPTION_TEXT, AT(load), "FILE", "takes over such a file; tunes nothing", 0},
};

/* ---- the products of a network ---- */

static tune_list wanted;

static void add_work(workload w)
{
    for (int i = 0; i < wanted.count; i++)
        if (strcmp(wanted.items[i].key, w.key) == 0)
            return;
    if (wanted.count < TUNE_MOST_PRODUCTS)
        wanted.items[wanted.count++] = w;
}

static void add_product(const blas_product *p, bool fused)
{
    add_work(workload_of_product(p, !fused));
}

static void add_convolution(const blas_convolution *c)
{
    add_work(workload_of_convolution(c));
}

static kiln_status collect(const network *which, kiln_device *device)
{
    static steps s; /* too large for the stack */
    const char *name;
    kiln_dataset *data = practice_data(which, &name);
    kiln_model *model = data ? session_model(which->name, data) : NULL;
    kiln_status status =
        model ? objective_compile(model, data, device, &(objective_options){0}, false)
              : kiln_last_status();
    blas_on_product = add_product;
    blas_on_convolution = add_convolution;
    if (status == KILN_OK)
        status =
            steps_open(&s, model, data, common.batch_size ? common.batch_size : which->batch_size);
    blas_on_product = NULL;
    blas_on_convolution = NULL;
    steps_close(&s);
    kiln_model_free(model);
    kiln_dataset_free(data);
    return status;
}

static kiln_status collect_shape(const kiln_device *device, const char *shape)
{
    workload w;
    if (workload_read(shape, &w)) {
        KILN_TRY(workload_check(device, &w));
        add_work(w);
        return KILN_OK;
    }
    long long m, n, k;
    char left = 'N', right = 'N', rest;
    int fields = sscanf(shape, "%lldx%lldx%lld,%c%c%c", &m, &n, &k, &left, &right, &rest);
    if ((fields != 3 && fields != 5) || m < 1 || n < 1 || k < 1 || m > 1 << 20 || n > 1 << 20 ||
        k > 1 << 20 || strchr("NT", left) == NULL || strchr("NT", right) == NULL)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "--shape: %s is no product of sizes up to 1,048,576; give MxNxK, as in 512x512x512 or "
                         "512x512x512,NT, or what a line of the file of choices begins with",
                         shape);
    blas_product p = blas_plain(m, n, k, left == 'T', right == 'T');
    add_product(&p, false);
    add_product(&p, true);
    return KILN_OK;
}

/* ---- files ---- */

static kiln_status save_record(kiln_device *device, const char *file)
{
    void *data;
    size_t bytes;
    char *path = device_record_path(device, "products", NULL);
    if (path == NULL)
        return kiln_last_status();
    kiln_status status =
        file_exists(path)
            ? file_read(path, 1 << 22, &data, &bytes)
            : kiln_fail(KILN_ERROR_FILE,
                        "exporting: nothing has been measured on \"%s\" yet (there is no %s); run kiln tune first",
                        device->info.name, path);
    free(path);
    KILN_TRY(status);
    status = file_write_atomic(file, data, bytes);
    free(data);
    return status;
}

/* Only lines that mean something here, and only of this device with this driver. */
static kiln_status load_record(kiln_device *device, const char *file, int *taken)
{
    void *data;
    size_t bytes;
    *taken = 0;
    KILN_TRY(file_read(file, 1 << 22, &data, &bytes));
    char *rest = data, *first = strsep(&rest, "\n"), *second = strsep(&rest, "\n");
    char *of = str_format("# %s, driver %s.", device->info.name, device->info.driver);
    kiln_status status = of ? KILN_OK : kiln_last_status();
    if (status == KILN_OK && (first == NULL || strncmp(first, "# Kiln's choices for matrix products", 36) != 0))
        status = kiln_fail(KILN_ERROR_FORMAT, "importing %s: it is no file that kiln tune --export wrote; its first line says what it is",
                           file);
    else if (status == KILN_OK && (second == NULL || strncmp(second, of, strlen(of)) != 0))
        status = kiln_fail(KILN_ERROR_ARGUMENT,
                           "importing %s: it is of another device or driver (%s); tune this one, %s with driver %s, by "
                           "itself",
                           file, second ? second : "", device->info.name, device->info.driver);
    for (char *line; status == KILN_OK && (line = strsep(&rest, "\n")) != NULL;) {
        workload w;
        candidate c;
        char *value = strstr(line, " = ");
        if (value == NULL || strlen(line) >= RECORD_TEXT)
            continue;
        *value = '\0';
        value += 3;
        if ((workload_read(line, &w) && candidate_read(value, &c) && workload_takes(device, &w, &c)) ||
            (strcmp(line, "clblast Xgemm") == 0 && strncmp(value, "GEMMK", 5) == 0)) {
            record_keep(device, line, value);
            (*taken)++;
        }
    }
    free(of);
    free(data);
    if (status == KILN_OK && *taken == 0)
        status = kiln_fail(KILN_ERROR_FORMAT, "importing %s: it has no line that this device can use; was it cut short? Export it again",
                           file);
    return status == KILN_OK ? record_is_saved(device) : status;
}

/* ---- the command ---- */

typedef struct row {
    double before, after;
    int tried, failed, wrong;
    bool skipped;
    char began[RECORD_TEXT];
} row;

static int print_rows(const row *rows, kiln_device *device)
{
    json_t *list = json_array();
    if (!given.json)
        printf("%-44s %9s %9s %6s %6s %6s %6s  %s\n", "product", "before", "after", "ratio", "tried",
               "failed", "wrong", "choice");
    for (int i = 0; i < wanted.count; i++) {
        const row *r = &rows[i];
        char value[RECORD_TEXT] = "";
        if (!record_find(device, wanted.items[i].key, value))
            snprintf(value, sizeof value, "-");
        value[strcspn(value, ",") + (strstr(value, "pack=") ? 2 : 0)] = '\0';
        if (given.json)
            json_array_append_new(
                list, json_pack("{s:s, s:f, s:f, s:i, s:i, s:i, s:b, s:s, s:s}", "product",
                                wanted.items[i].key, "before_gflops", r->before, "after_gflops",
                                r->after, "tried", r->tried, "failed", r->failed, "wrong", r->wrong,
                                "tuned_before", r->skipped, "began_with", r->began, "choice",
                                value));
        else if (r->skipped)
            printf("%-44s tuned before: %s\n", wanted.items[i].key, value);
        else if (r->tried == 0)
            printf("%-44s nothing tried; begins with %s\n", wanted.items[i].key, r->began);
        else
            printf("%-44s %9.1f %9.1f %6.2f %6d %6d %6d  %s\n", wanted.items[i].key, r->before,
                   r->after, r->before > 0 ? r->after / r->before : 0, r->tried, r->failed, r->wrong,
                   value);
    }
    if (given.json)
        return cli_print_json(list);
    json_decref(list);
    return EXIT_DONE;
}

static kiln_status tune_all(kiln_device *device, const char *selector, const tune_limits *limits, row *rows)
{
    double end = clock_seconds() + 60 * given.minutes;
    if (given.clblast) {
        tune_search s = {.device = device, .list = &wanted, .limits = *limits, .begun = clock_seconds(), .end = end};
        double before, after;
        char name[TUNE_NAME];
        snprintf(s.selector, sizeof s.selector, "%s", selector);
        KILN_TRY(tune_clblast(&s, name, &before, &after));
        fprintf(stderr, "%s%s: %.1f GFLOP/s, before %.1f; %d tried, %d failed, %d wrong\n",
                tune_shows() ? "\r\033[K" : "", name, after, before, s.tried, s.failed, s.wrong);
    }
    for (int i = 0; i < wanted.count; i++) {
        tune_search s = {.device = device, .list = &wanted, .limits = *limits, .number = i, .gain = 1, .again = given.again};
        snprintf(s.selector, sizeof s.selector, "%s", selector);
        rows[i].skipped = !given.again && tune_is_done(device, &wanted.items[i]);
        if (rows[i].skipped)
            continue;
        s.begun = clock_seconds();
        s.end = s.begun + (end > s.begun ? (end - s.begun) / (wanted.count - i) : 0);
        kiln_status status = tune_product(&s);
        if (s.first > 0) {
            rows[i].before = workload_flops(&wanted.items[i]) / s.first * 1e-9;
            rows[i].after = rows[i].before * s.gain;
        }
        memcpy(rows[i].began, s.began, sizeof s.began);
        rows[i].tried = s.tried;
        rows[i].failed = s.failed;
        rows[i].wrong = s.wrong;
        for (int k = 0; k < TUNE_MOST_TRIED; k++)
            free(s.names[k]);
        KILN_TRY(status);
    }
    if (tune_shows())
        fprintf(stderr, "\r\033[K");
    return record_is_saved(device);
}

static kiln_status tune(kiln_device *device, const network *which, row *rows)
{
    char selector[24];
    snprintf(selector, sizeof selector, "%d", device->info.index);
    KILN_TRY(given.shape ? collect_shape(device, given.shape) : collect(which, device));
    if (wanted.count == 0 && !given.clblast)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "network %s: it has no product that is large enough to be tuned and no convolution; "
                         "--shape MxNxK tunes one of your own",
                         which->name);
    const tune_limits limits = {given.limit, given.tries, given.clblast};
    return tune_all(device, selector, &limits, rows);
}

static int run(int count, char **words)
{
    if (count == 5 && strcmp(words[0], "--child") == 0)
        return tune_child(words);
    int status = options_parse(&command_tune, &given, &count, words);
    if (status >= 0)
        return status;
    const network *which = network_find(count ? words[0] : "mlp");
    if (which == NULL)
        return usage_error(&command_tune,
                           "there is no built-in network '%s': kiln new lists those there are",
                           words[0]);
    static row rows[TUNE_MOST_PRODUCTS];
    kiln_device *device = NULL;
    int taken = 0;
    kiln_status done = session_start();
    if (done == KILN_OK && (device = session_device()) == NULL)
        done = kiln_last_status();
    if (done == KILN_OK)
        done = given.save   ? save_record(device, given.save)
               : given.load ? load_record(device, given.load, &taken)
                            : tune(device, which, rows);
    status = done == KILN_OK ? EXIT_DONE : cli_fail();
    if (status == EXIT_DONE && given.load)
        printf("%d lines taken over\n", taken);
    else if (status == EXIT_DONE && !given.save)
        status = print_rows(rows, device);
    kiln_device_close(device);
    return status;
}

const command command_tune = {
    .name = "tune",
    .arguments = "[NETWORK]",
    .most_arguments = 1,
    .summary = "look for faster matrix products on this device",
    .help = "Tries other tiles, and CLBlast, for the matrix products that a built-in network (mlp) uses\n"
            "at a batch size, and for its convolutions other tiles, or, where kernels are serial (CPUs), other\n"
            "sizes and Winograd's way. Each candidate runs in a process of its own, is compared with the host's\n"
            "result, and timed beside the best so far, which stays unless it is beaten by 3 % twice. What is\n"
            "found is kept in a readable file for each device and driver, in the cache; a tuning that\n"
            "was stopped goes on where it was. --clblast tunes CLBlast's own parameters with the product that\n"
            "takes longest, which takes minutes of compiling.",
    .example = "  kiln tune mlp1024 --batch-size 256 --minutes 5\n"
               "  kiln tune --shape 512x512x512 --clblast\n  kiln tune --export gpu.txt",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .takes_common = true,
    .run = run,
};
