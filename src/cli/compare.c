/* kiln compare */
#include "cli/compare.h"

#include "base/file.h"
#include "base/process.h"
#include "cli/networks.h"
#include "cli/session.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static struct {
    const char *devices, *networks, *output, *with, *gemm;
    int64_t steps, batch_size, limit;
    uint64_t seed;
    bool json;
} given = {.devices = "all", .networks = "mlp", .steps = 100, .limit = 180, .seed = 1};

#define AT(FIELD) offsetof(__typeof__(given), FIELD)

static const option options[] = {
    {"--devices", OPTION_TEXT, AT(devices), "all|D,...", "which ones, as --device names them (all)",
     0},
    {"--network", OPTION_TEXT, AT(networks), "N,...", "built-in networks to train (mlp)", 0},
    {"--steps", OPTION_WHOLE, AT(steps), "S",
     "steps of the loss curve (100; a slow device gets fewer)", 1},
    {"-o", OPTION_TEXT, AT(output), "FILE.html", "a report to look at: one page, no network needed",
     0},
    {"--json", OPTION_FLAG, AT(json), NULL, "one object on standard output, for --with elsewhere",
     0},
    {"--with", OPTION_TEXT, AT(with), "FILE,...",
     "puts what --json printed on other machines beside it", 0},
    {"--batch-size", OPTION_WHOLE, AT(batch_size), "N", "samples in a step (each network's own)",
     1},
    {"--seed", OPTION_UNSIGNED, AT(seed), "N",
     "fixes initial weights, order and dropout on all devices (1)", 0},
    {"--gemm", OPTION_TEXT, AT(gemm), "E",
     "engine of matrix products: auto (default), clblast or tile", 0},
    {"--limit", OPTION_WHOLE, AT(limit), "SECONDS",
     "a device that takes longer for a network is given up (180)", 1},
};

/* ---- one child ---- */

static char *signal_reason(int number)
{
    const char *name = strsignal(number);
    if (number == SIGKILL)
        return str_copy("it was killed, most likely because the system had no memory left; free "
                        "memory or take a smaller --batch-size");
    return str_format("its driver crashed: %s; try another version of the driver",
                      name ? name : "an unknown signal");
}

/* The line that begins with "kiln: ", without that. */
static char *said_why(const text *err)
{
    const char *at = err->data, *found = NULL;
    for (; at && (at = strstr(at, "kiln: ")) != NULL; at++)
        if (at == err->data || at[-1] == '\n')
            found = at + 6;
    return found ? str_format("%.*s", (int)strcspn(found, "\n"), found) : NULL;
}

/* Runs this program with these words. *result: what it printed, or NULL and the reason in *problem;
 * a failure only where neither could be had. */
static kiln_status run_child(const char *const *words, size_t count, json_t **result,
                             char **problem)
{
    const char *all[16] = {0};
    process_end end;
    json_error_t error;
    *result = NULL;
    *problem = NULL;
    char *self = process_self();
    if (self == NULL)
        return kiln_last_status();
    all[0] = self;
    for (size_t i = 0; i < count; i++)
        all[i + 1] = words[i];
    kiln_status status = process_run(all, (double)given.limit, &end);
    free(self);
    if (status != KILN_OK) {
        process_free(&end);
        return status;
    }
    if (end.code == 0 && end.out.data)
        *result = json_loadb(end.out.data, end.out.length, 0, &error);
    if (*result == NULL && end.timed_out)
        *problem = str_format("it took longer than %lld s and was stopped; --limit gives it more",
                              (long long)given.limit);
    else if (*result == NULL && end.signal)
        *problem = signal_reason(end.signal);
    else if (*result == NULL && (*problem = said_why(&end.err)) == NULL)
        *problem = str_format("it ended with exit code %d and said nothing", end.code);
    process_free(&end);
    return *result || *problem ? KILN_OK : kiln_last_status();
}

/* ---- all of them ---- */

typedef struct comparing {
    json_t *devices, *runs; /* of the document */
    json_t *document;
    size_t worked;
} comparing;

static void say(const char *what, const char *device)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K%s%s%s", what, device[0] ? " on " : "", device);
}

/* A device's name, of its entry. */
static const char *name_of(const json_t *device)
{
    const char *name = json_string_value(json_object_get(device, "name"));
    return name ? name : "?";
}

/* An entry for a device: what it says of itself, its peaks, or why there are none. */
static kiln_status add_device(comparing *c, const char *selector, json_t *known)
{
    const char *words[] = {"compare", "--child", "measure", selector};
    json_t *result;
    char *problem;
    say("measuring", known ? name_of(known) : selector);
    kiln_status status = run_child(words, 4, &result, &problem);
    if (result == NULL && status == KILN_OK) {
        result = known ? json_deep_copy(known) : json_pack("{s:s}", "name", selector);
        json_object_set_new(result, "problem", json_string(problem));
    }
    free(problem);
    if (status == KILN_OK) {
        json_object_set_new(result, "selector", json_string(selector));
        json_array_append_new(c->devices, result);
    }
    return status;
}

static kiln_status add_all_devices(comparing *c)
{
    const char *words[] = {"devices", "--json"};
    json_t *list;
    char *problem;
    KILN_TRY(run_child(words, 2, &list, &problem));
    if (list == NULL) {
        kiln_fail(KILN_ERROR_DEVICE, "the devices cannot be listed: %s", problem);
        free(problem);
        return KILN_ERROR_DEVICE;
    }
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < json_array_size(list) && status == KILN_OK; i++) {
        char selector[24];
        snprintf(selector, sizeof selector, "%zu", i);
        status = add_device(c, selector, json_array_get(list, i));
    }
    json_decref(list);
    return status;
}

static kiln_status add_devices(comparing *c)
{
    if (strcmp(given.devices, "all") == 0)
        return add_all_devices(c);
    kiln_status status = KILN_OK;
    for (const char *at = given.devices; *at && status == KILN_OK;) {
        size_t length = strcspn(at, ",");
        char *selector = str_format("%.*s", (int)length, at);
        if (selector == NULL)
            return KILN_ERROR_MEMORY;
        if (length)
            status = add_device(c, selector, NULL);
        free(selector);
        at += length + (at[length] == ',');
    }
    return status;
}

static kiln_status add_run(comparing *c, const char *name, size_t device)
{
    const json_t *entry = json_array_get(c->devices, device);
    char steps[24], batch[24], seed[24];
    snprintf(steps, sizeof steps, "%lld", (long long)given.steps);
    snprintf(batch, sizeof batch, "%lld", (long long)given.batch_size);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)given.seed);
    const char *words[] = {"compare",
                           "--child",
                           "train",
                           json_string_value(json_object_get(entry, "selector")),
                           name,
                           steps,
                           batch,
                           seed,
                           given.gemm ? given.gemm : ""};
    json_t *result;
    char *problem, what[64];
    snprintf(what, sizeof what, "training %.40s", name);
    say(what, name_of(entry));
    kiln_status status = run_child(words, sizeof words / sizeof *words, &result, &problem);
    if (result == NULL && status == KILN_OK)
        result = json_pack("{s:s, s:s}", "network", name, "problem", problem);
    else
        c->worked += status == KILN_OK;
    free(problem);
    if (status == KILN_OK) {
        json_object_set_new(result, "device", json_integer((json_int_t)device));
        json_array_append_new(c->runs, result);
    }
    return status;
}

static kiln_status add_runs(comparing *c)
{
    kiln_status status = KILN_OK;
    for (const char *at = given.networks; *at && status == KILN_OK;) {
        size_t length = strcspn(at, ",");
        char *name = str_format("%.*s", (int)length, at);
        if (name == NULL)
            return KILN_ERROR_MEMORY;
        for (size_t i = 0; length && i < json_array_size(c->devices) && status == KILN_OK; i++)
            status = add_run(c, name, i);
        free(name);
        at += length + (at[length] == ',');
    }
    return status;
}

/* ---- what it was called with ---- */

static int check_usage(void)
{
    size_t length = given.output ? strlen(given.output) : 0;
    if (given.output && (length < 5 || strcmp(given.output + length - 5, ".html") != 0))
        return usage_error(&command_compare, "-o '%s': it takes a .html file", given.output);
    if (given.gemm && strcmp(given.gemm, "auto") != 0 && strcmp(given.gemm, "clblast") != 0 &&
        strcmp(given.gemm, "tile") != 0)
        return usage_error(&command_compare, "--gemm '%s': it takes auto, clblast or tile",
                           given.gemm);
    if (given.networks[strspn(given.networks, ",")] == '\0')
        return usage_error(&command_compare, "--network '%s': it names no network", given.networks);
    for (const char *at = given.networks; *at; at += *at == ',') {
        char name[64];
        size_t n = strcspn(at, ",");
        snprintf(name, sizeof name, "%.*s", (int)n, at);
        if (n && network_find(name) == NULL)
            return usage_error(&command_compare,
                               "there is no built-in network '%s': kiln new lists those there are",
                               name);
        at += n;
    }
    return -1;
}

/* The command that does it again. */
static char *repeat(void)
{
    text t = {0};
    text_add(&t, "kiln compare --network %s --steps %lld --seed %llu", given.networks,
             (long long)given.steps, (unsigned long long)given.seed);
    if (strcmp(given.devices, "all") != 0)
        text_add(&t, " --devices '%s'", given.devices);
    if (given.batch_size)
        text_add(&t, " --batch-size %lld", (long long)given.batch_size);
    if (given.gemm)
        text_add(&t, " --gemm %s", given.gemm);
    if (given.with)
        text_add(&t, " --with '%s'", given.with);
    if (given.output)
        text_add(&t, " -o '%s'", given.output);
    return t.data;
}

/* The processor of this machine, as Linux names it; "" where it does not. */
static char *processor(void)
{
    void *data;
    size_t bytes;
    kiln_error_record before;
    kiln_error_save(&before);
    char *name = NULL;
    if (file_read("/proc/cpuinfo", 1 << 24, &data, &bytes) == KILN_OK) {
        const char *at = strstr(data, "model name");
        at = at ? strchr(at, ':') : NULL;
        if (at)
            name = str_format("%.*s", (int)strcspn(at + 2, "\n"), at + 2);
        free(data);
    }
    kiln_error_restore(&before);
    return name ? name : str_copy("");
}

static kiln_status make_document(comparing *c)
{
    char *again = repeat(), *cpu = processor();
    c->devices = json_array();
    c->runs = json_array();
    if (again && cpu)
        c->document = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:O, s:O}", "format",
                                "kiln compare", "kiln", kiln_version(), "command", again,
                                "processor", cpu, "steps", (json_int_t)given.steps, "seed",
                                (json_int_t)given.seed, "devices", c->devices, "runs", c->runs);
    free(again);
    free(cpu);
    return c->document ? KILN_OK
                       : kiln_fail(KILN_ERROR_ARGUMENT, "the command line cannot be kept: it is no "
                                                        "text in UTF-8; name files otherwise");
}

/* ---- other machines ---- */

/* "other" of "a/other.json" */
static char *stem(const char *path)
{
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    size_t length = strlen(name);
    if (length > 5 && strcmp(name + length - 5, ".json") == 0)
        length -= 5;
    return str_format("%.*s", (int)length, name);
}

static kiln_status add_file(comparison *all, const char *path)
{
    void *data;
    size_t bytes;
    json_error_t error;
    KILN_TRY(file_read(path, (size_t)1 << 28, &data, &bytes));
    json_t *document = json_loadb(data, bytes, 0, &error);
    free(data);
    if (document == NULL)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: not JSON at line %d: %s; it takes what kiln compare --json prints",
                         path, error.line, error.text);
    char *machine = stem(path);
    kiln_status status = machine ? comparison_add(all, document, machine, path) : KILN_ERROR_MEMORY;
    free(machine);
    json_decref(document);
    return status;
}

static kiln_status add_files(comparison *all)
{
    kiln_status status = KILN_OK;
    for (const char *at = given.with ? given.with : ""; *at && status == KILN_OK;) {
        size_t length = strcspn(at, ",");
        char *path = str_format("%.*s", (int)length, at);
        if (path == NULL)
            return KILN_ERROR_MEMORY;
        if (length)
            status = add_file(all, path);
        free(path);
        at += length + (at[length] == ',');
    }
    return status;
}

/* ---- the command ---- */

static kiln_status write_page(const comparison *all)
{
    text page = {0};
    kiln_status status = comparison_page(all, &page);
    if (status == KILN_OK)
        status = file_write_atomic(given.output, page.data, page.length);
    text_free(&page);
    return status;
}

static kiln_status compare(comparing *c, comparison *all)
{
    if (given.output)
        KILN_TRY(file_writable(given.output));
    KILN_TRY(session_start());
    comparison other = {0}; /* a file that cannot be read is found before the work */
    kiln_status status = add_files(&other);
    comparison_free(&other);
    KILN_TRY(status);
    KILN_TRY(make_document(c));
    KILN_TRY(add_devices(c));
    if (json_array_size(c->devices) == 0)
        return kiln_fail(KILN_ERROR_DEVICE, "no OpenCL device found: no driver announces one; "
                                            "install a driver for your device, or pocl-opencl-icd "
                                            "to compute on the CPU");
    KILN_TRY(add_runs(c));
    say("", "");
    KILN_TRY(comparison_add(all, c->document, "this machine", "the comparison"));
    KILN_TRY(add_files(all));
    KILN_TRY(comparison_judge(all));
    return given.output ? write_page(all) : KILN_OK;
}

static int run(int count, char **words)
{
    if (count && strcmp(words[0], "--child") == 0)
        return compare_child(count, words);
    int status = options_parse(&command_compare, &given, &count, words);
    if (status < 0)
        status = check_usage();
    if (status >= 0)
        return status;
    comparing c = {0};
    comparison all = {0};
    if (compare(&c, &all) != KILN_OK) {
        status = cli_fail();
    } else {
        status = EXIT_DONE;
        if (given.json)
            status = cli_print_json(json_incref(c.document));
        else
            comparison_print(&all, stdout);
        if (c.worked == 0) {
            fflush(stdout);
            fprintf(stderr, "kiln: comparing: no device could train; see the reasons above, and "
                            "kiln devices\n");
            status = EXIT_FAILED;
        }
    }
    comparison_free(&all);
    json_decref(c.devices);
    json_decref(c.runs);
    json_decref(c.document);
    return status;
}

const command command_compare = {
    .name = "compare",
    .arguments = "",
    .summary = "the same training on every device, side by side",
    .help =
        "Trains built-in networks on each device, from the same bits (weights, order, dropout),\n"
        "on MNIST where it is at hand, else on the drawn digits. Prints for each device its\n"
        "measured peaks, and for each network a ranking: time of a step, samples a second, first\n"
        "step, compilation, memory, the share of what the device's peaks allow, the loss, and its\n"
        "largest relative distance from the reference: the curve nearest to all the others; of\n"
        "two, that of a CPU driver. Each device works in a process of its own with a time limit:\n"
        "one that crashes or hangs costs its own row only.",
    .example = "  kiln compare -o report.html\n"
               "  kiln compare --network mlp,cnn --json >here.json\n"
               "  kiln compare --network mlp,cnn --with there.json",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .run = run,
};
