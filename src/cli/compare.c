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

kiln_status compare_next(const char **at, char **item)
{
    *item = NULL;
    if (*at == NULL)
        return KILN_OK;
    *at += strspn(*at, ",");
    size_t length = strcspn(*at, ",");
    if (length == 0)
        return KILN_OK;
    *item = str_format("%.*s", (int)length, *at);
    *at += length;
    return *item ? KILN_OK : KILN_ERROR_MEMORY;
}

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

/* ---- devices ---- */

typedef struct comparing {
    json_t *devices, *runs; /* of the document */
    json_t *document;
    json_t *others; /* documents of other machines */
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

/* Is the device with that address among them? */
static bool is_listed(const json_t *devices, const json_t *device)
{
    size_t i;
    json_t *other;
    json_array_foreach((json_t *)(uintptr_t)devices, i, other)
    {
        if (json_equal(json_object_get(other, "address"), json_object_get(device, "address")))
            return true;
    }
    return false;
}

/* What a child says of the devices there are, or of the one that a selector means. */
static kiln_status ask(const char *const *words, size_t count, json_t **result)
{
    char *problem;
    KILN_TRY(run_child(words, count, result, &problem));
    if (*result == NULL)
        kiln_fail(KILN_ERROR_DEVICE, "listing the devices: %s", problem);
    free(problem);
    return *result ? KILN_OK : KILN_ERROR_DEVICE;
}

static kiln_status find_all_devices(comparing *c)
{
    const char *words[] = {"devices", "--json"};
    json_t *list;
    KILN_TRY(ask(words, 2, &list));
    json_array_extend(c->devices, list);
    json_decref(list);
    return KILN_OK;
}

/* An unknown one is refused here, before anything runs. */
static kiln_status find_devices(comparing *c)
{
    const char *at = given.devices;
    char *selector;
    if (strcmp(at, "all") == 0)
        return find_all_devices(c);
    kiln_status status;
    while ((status = compare_next(&at, &selector)) == KILN_OK && selector) {
        const char *words[] = {"compare", "--child", "find", selector};
        json_t *device = NULL;
        status = ask(words, 4, &device);
        if (status == KILN_OK && !is_listed(c->devices, device))
            json_array_append(c->devices, device);
        json_decref(device);
        free(selector);
        KILN_TRY(status);
    }
    return status;
}

static const char *selector_of(const json_t *device)
{
    return json_string_value(json_object_get(device, "address"));
}

/* A device's peaks, or why there are none. Measured twice, before and after its trainings, since a
 * machine that is busy with other work meanwhile makes them too small: the better figures count. */
static kiln_status measure(json_t *device)
{
    const char *words[] = {"compare", "--child", "measure", selector_of(device)};
    json_t *peaks, *before = json_object_get(device, "peaks");
    char *problem;
    say("measuring", name_of(device));
    KILN_TRY(run_child(words, 4, &peaks, &problem));
    if (peaks && before) {
        compare_better_peaks(before, peaks);
    } else if (peaks) {
        json_object_set(device, "peaks", peaks);
        json_object_del(device, "problem");
    } else if (before == NULL) {
        json_object_set_new(device, "problem", json_string(problem));
    }
    json_decref(peaks);
    free(problem);
    return KILN_OK;
}

/* ---- trainings ---- */

static kiln_status add_run(comparing *c, const char *name, size_t device)
{
    const json_t *entry = json_array_get(c->devices, device);
    char steps[24], batch[24], seed[24];
    snprintf(steps, sizeof steps, "%lld", (long long)given.steps);
    snprintf(batch, sizeof batch, "%lld", (long long)given.batch_size);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)given.seed);
    const char *words[] = {"compare", "--child", "train", selector_of(entry),          name,
                           steps,     batch,     seed,    given.gemm ? given.gemm : ""};
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
        json_object_set_new(result, "seed", json_integer((json_int_t)given.seed));
        json_array_append_new(c->runs, result);
    }
    return status;
}

/* Those of one device; each network once. */
static kiln_status add_runs(comparing *c, size_t device)
{
    size_t first = json_array_size(c->runs);
    const char *at = given.networks;
    char *name;
    kiln_status status;
    while ((status = compare_next(&at, &name)) == KILN_OK && name) {
        bool done = false;
        for (size_t i = first; i < json_array_size(c->runs) && !done; i++)
            done = strcmp(json_string_value(json_object_get(json_array_get(c->runs, i), "network")),
                          name) == 0;
        status = done ? KILN_OK : add_run(c, name, device);
        free(name);
        KILN_TRY(status);
    }
    return status;
}

static kiln_status compare_device(comparing *c, size_t device)
{
    json_t *entry = json_array_get(c->devices, device);
    size_t worked = c->worked;
    KILN_TRY(measure(entry));
    KILN_TRY(add_runs(c, device));
    return c->worked > worked ? measure(entry) : KILN_OK;
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
    if (given.devices[strspn(given.devices, ",")] == '\0')
        return usage_error(&command_compare, "--devices '%s': it names no device", given.devices);
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

/* A word of a command for a shell. */
static void add_word(text *t, const char *name, const char *word)
{
    text_add(t, " %s '", name);
    for (; *word; word++)
        text_add(t, *word == '\'' ? "'\\''" : "%c", *word);
    text_add(t, "'");
}

/* The command that does it again. */
static char *repeat(void)
{
    text t = {0};
    text_add(&t, "kiln compare --network %s --steps %lld --seed %llu", given.networks,
             (long long)given.steps, (unsigned long long)given.seed);
    if (strcmp(given.devices, "all") != 0)
        add_word(&t, "--devices", given.devices);
    if (given.batch_size)
        text_add(&t, " --batch-size %lld", (long long)given.batch_size);
    if (given.gemm)
        text_add(&t, " --gemm %s", given.gemm);
    if (given.limit != 180)
        text_add(&t, " --limit %lld", (long long)given.limit);
    if (given.with)
        add_word(&t, "--with", given.with);
    if (given.output)
        add_word(&t, "-o", given.output);
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
    KILN_TRY(compare_with_read(given.with, c->others)); /* before the work */
    KILN_TRY(make_document(c));
    KILN_TRY(find_devices(c));
    size_t count = json_array_size(c->devices);
    if (count == 0)
        return kiln_fail(KILN_ERROR_DEVICE, "no OpenCL device found: no driver announces one; "
                                            "install a driver for your device, or pocl-opencl-icd "
                                            "to compute on the CPU");
    for (size_t i = 0; i < count; i++)
        KILN_TRY(compare_device(c, i));
    say("", "");
    compare_with_add(c->document, c->others);
    KILN_TRY(comparison_read(all, c->document, "the comparison"));
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
    comparing c = {.devices = json_array(), .runs = json_array(), .others = json_array()};
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
    json_decref(c.others);
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
        "largest relative distance from the reference: of the curves into which the same bits\n"
        "went, the nearest to all the others; of two, that of a CPU driver. What --with adds can\n"
        "have had another seed, batch size or data; the table says so. Each device works in a "
        "process of its own with a time limit:\n"
        "one that crashes or hangs costs its own row only.",
    .example = "  kiln compare -o report.html\n"
               "  kiln compare --network mlp,cnn --json >here.json\n"
               "  kiln compare --network mlp,cnn --with there.json",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .run = run,
};
