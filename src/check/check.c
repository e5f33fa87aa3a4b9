#include "check/check.h"

#include "base/clock.h"
#include "base/env.h"
#include "base/file.h"
#include "check/work.h"
#include "device/driver_cache.h"

#include <kiln/device.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What a plan can do without, and the other kind of kernels: in the order in which they are tried. Names go on
 * from "the device is used". */
typedef struct way {
    const char *name;
    unsigned avoid;
    bool other_kernels;
} way;

static const way ways[] = {
    {"as planned", 0, false},
    {"without pooling in convolutions", DEVICE_AVOID_POOLING, false},
    {"without Winograd's convolutions", DEVICE_AVOID_WINOGRAD, false},
    {"with a launch for each phase", DEVICE_AVOID_PHASES, false},
    {"without chains of rows", DEVICE_AVOID_CHAINS, false},
    {"with a kernel for each launch", DEVICE_AVOID_ALL, false},
    /* Some compilers take long for a tile of the other kind, and minutes for several in one kernel. */
    {"with the other kind of kernels", DEVICE_AVOID_GROUPS, true},
};
enum { WAYS = sizeof ways / sizeof *ways };

static void take(kiln_device *device, const way *w, unsigned avoid, bool serial)
{
    device->avoid = avoid | w->avoid;
    device->serial_kernels = w->other_kernels ? !serial : serial;
}

/* ---- the file ---- */

enum { LARGEST_FILE = 1 << 16 };

static char *verdict_path(const kiln_device *device)
{
    return device_record_path(device, "checks", KILN_VERSION);
}

static char *clblast_path(const kiln_device *device)
{
    return device_record_path(device, "checks", KILN_VERSION "-clblast");
}

static bool any_word(const char *const *words)
{
    for (; *words; words++)
        if (env_debug(*words))
            return true;
    return false;
}

/* What KILN_DEBUG changes is not the device's own doing. */
static bool is_kept(void)
{
    static const char *const words[] = {"miscompile", "compiler", "no-chains", "no-groups", "no-phases", "no-pooling", "no-winograd", NULL};
    return !any_word(words);
}

/* Calls that are to fail are counted from the work on, not from its check. */
static bool is_trusted(void)
{
    static const char *const words[] = {"fail", "vanish", "hang", "compiler", NULL};
    const char *wanted = env_get(ENV_CHECK);
    return (wanted && strcmp(wanted, "off") == 0) || any_word(words);
}

/* The line "verdict: NAME": a way's number, -1 where all are wrong, -2 where there is none. */
static int read_verdict(const char *path)
{
    void *data;
    size_t bytes;
    int verdict = -2;
    if (!file_exists(path) || file_read(path, LARGEST_FILE, &data, &bytes) != KILN_OK)
        return -2;
    char *line = strstr(data, "\nverdict: ");
    if (line) {
        line += strlen("\nverdict: ");
        line[strcspn(line, "\n")] = '\0';
        for (int i = 0; i < WAYS; i++)
            if (strcmp(line, ways[i].name) == 0)
                verdict = i;
    }
    free(data);
    return verdict;
}

/* A case that a process died in, some way. Once may be chance: it was ended from outside, or the machine was out of
 * memory. */
typedef struct death {
    int way; /* -1: none */
    size_t number;
    int times;
} death;

enum { DEATHS_OF_A_FAULT = 2 };

/* "WAY CASE PID WAY CASE TIMES" of a run that is under way, or that ended together with its process, and of an earlier
 * one that did. */
static char *marker_path(const char *path)
{
    return str_format("%s.running", path);
}

/* For check_forget_running, which a signal may call. */
static char running[4096];
static volatile sig_atomic_t is_running;

static void mark(const char *marker, int at, size_t number, const death *before)
{
    char line[128];
    int length = snprintf(line, sizeof line, "%d %zu %ld %d %zu %d\n", at, number, (long)getpid(), before->way,
                          before->number, before->times);
    if (marker == NULL)
        return;
    if (!is_running && strlen(marker) < sizeof running) { /* before it is there */
        strcpy(running, marker);
        is_running = 1;
    }
    file_write_atomic(marker, line, (size_t)length);
}

static void unmark(const char *marker)
{
    is_running = 0;
    if (marker)
        remove(marker);
}

void check_forget_running(void)
{
    if (is_running)
        unlink(running);
}

static death read_mark(const char *marker)
{
    void *data;
    size_t bytes;
    long process = 0;
    death now = {.way = -1, .times = 1}, before = {.way = -1};
    if (marker == NULL || !file_exists(marker) || file_read(marker, 4096, &data, &bytes) != KILN_OK)
        return before;
    const int fields = sscanf(data, "%d %zu %ld %d %zu %d", &now.way, &now.number, &process, &before.way,
                              &before.number, &before.times);
    free(data);
    if (fields < 3 || now.way < 0 || now.way >= WAYS || now.number >= check_case_count || kill((pid_t)process, 0) == 0)
        return (death){.way = -1};
    if (fields == 6 && before.way == now.way && before.number == now.number && before.times > 0)
        now.times += before.times;
    return now;
}

/* ---- running ---- */

typedef struct session {
    kiln_device *device;
    unsigned avoid; /* as the device was opened */
    bool serial;
    char *marker;
    death died;
    double until; /* the clock's time from when on cases are left out, but for those of a way that is needed */
    bool needed;  /* this way has to be right in everything */
    bool left_out;
    text report;
    char first[1024]; /* the first failure */
} session;

/* Seconds after which the check before a first use begins no further case, and kiln_device_check none of
 * a kind of kernels that nothing uses: some drivers compile for minutes. */
double check_patience = 10;

static const char left_out[] = "left out: this driver takes long";

/* Runs all cases one way; but those between the two kinds of kernels are given up at their first fault. *good: all
 * right. Fails only with a lost device. */
static kiln_status run_way(session *s, int number, bool *good)
{
    *good = true;
    take(s->device, &ways[number], s->avoid, s->serial);
    text_add(&s->report, "\n%s, %s kernels:\n", ways[number].name,
             s->device->serial_kernels ? "serial" : "parallel");
    for (size_t i = 0; i < check_case_count; i++) {
        if (number == s->died.way && i == s->died.number && s->died.times >= DEATHS_OF_A_FAULT) {
            text_add(&s->report, "  %-34s the process ended in it\n", check_cases[i].name);
            if (s->first[0] == '\0')
                snprintf(s->first, sizeof s->first, "%s: the process ended in them",
                         check_cases[i].name);
            *good = false;
            continue;
        }
        if (!*good && number > 0 && number < WAYS - 1) {
            text_add(&s->report, "  %-34s left out: this way is wrong\n", check_cases[i].name);
            continue;
        }
        if (!s->needed && clock_seconds() > s->until) {
            text_add(&s->report, "  %-34s %s%s\n", check_cases[i].name, left_out,
                     number == 0 ? "; see kiln devices --check" : "");
            s->left_out = true;
            continue;
        }
        mark(s->marker, number, i, &s->died);
        kiln_status status = check_run(s->device, &check_cases[i]);
        if (s->device->lost)
            return kiln_last_status();
        if (status == KILN_ERROR_MEMORY)
            return status;
        text_add(&s->report, "  %-34s %s\n", check_cases[i].name,
                 status == KILN_OK ? "right" : kiln_last_error());
        if (status != KILN_OK && s->first[0] == '\0')
            snprintf(s->first, sizeof s->first, "%s: %s", check_cases[i].name, kiln_last_error());
        *good &= status == KILN_OK;
    }
    return KILN_OK;
}

static void head(session *s, text *out)
{
    const kiln_device_info *info = &s->device->info;
    text_add(out, "# Kiln %s's check of \"%s\", %s, driver %s, %s\n", KILN_VERSION, info->name,
             info->platform, info->driver, info->version);
}

/* The first way in which everything comes out right, or -1. `thorough`: every way is run. */
static kiln_status find_way(session *s, bool thorough, int *verdict)
{
    kiln_error_record before;
    kiln_error_save(&before);
    kiln_status status = KILN_OK;
    uint64_t peak = s->device->peak;
    *verdict = -1;
    for (int i = 0; i < WAYS && status == KILN_OK && (*verdict < 0 || thorough); i++) {
        bool good;
        if (thorough && *verdict == 0 && i != WAYS - 1) /* the kinds of kernels only */
            continue;
        /* Before a first use the planned way may be known in part; another way has to be right in all. */
        s->needed = thorough ? *verdict < 0 : i > 0;
        if (thorough)
            s->until = clock_seconds() + check_patience;
        status = run_way(s, i, &good);
        if (status == KILN_OK && good && *verdict < 0)
            *verdict = i;
    }
    s->device->peak = peak;
    if (status == KILN_OK)
        unmark(s->marker);
    is_running = 0;
    KILN_TRY(status);
    kiln_error_restore(&before);
    take(s->device, &ways[*verdict < 0 ? 0 : *verdict], s->avoid, s->serial);
    return s->report.failed ? KILN_ERROR_MEMORY : KILN_OK;
}

static kiln_status refuse(const session *s)
{
    return kiln_fail(KILN_ERROR_DEVICE,
                     "\"%s\" (driver %s) computes wrongly, whichever way it is asked: %s; update its driver, "
                     "or use another --device; kiln devices --check tells all",
                     s->device->info.name, s->device->info.driver, s->first);
}

static void begin(session *s, kiln_device *device, const char *path)
{
    *s = (session){.device = device,
                   .avoid = device->avoid,
                   .serial = device->serial_kernels,
                   .marker = path ? marker_path(path) : NULL,
                   .until = INFINITY};
    s->died = read_mark(s->marker);
}

static void end(session *s)
{
    free(s->marker);
    text_free(&s->report);
}

static void keep(session *s, const char *path, int verdict)
{
    text out = {0};
    head(s, &out);
    text_add(&out, "# Delete this file to have the device checked again.\nverdict: %s\n%s",
             verdict < 0 ? "wrong" : ways[verdict].name, s->report.data ? s->report.data : "");
    if (!out.failed)
        file_write_atomic(path, out.data, out.length);
    text_free(&out);
}

static kiln_status check_now(kiln_device *device, const char *path)
{
    session s;
    int verdict;
    KILN_TRY(driver_cache_check(&device->info)); /* no case would be right, for a reason of the host's */
    begin(&s, device, path);
    s.until = clock_seconds() + check_patience;
    kiln_status status = find_way(&s, false, &verdict);
    if (status == KILN_OK && verdict < 0)
        status = refuse(&s);
    else if (status == KILN_OK && path)
        keep(&s, path, verdict);
    if (status == KILN_OK && verdict > 0 && device_on_warning)
        device_on_warning(ways[verdict].name, s.first);
    end(&s);
    return status;
}

/* Takes the verdict that is kept, if there is one. *path: where it is or would be, NULL where none is kept; the
 * caller's. */
static bool recall(kiln_device *device, char **path)
{
    kiln_error_record before;
    kiln_error_save(&before);
    *path = is_kept() ? verdict_path(device) : NULL;
    int verdict = *path ? read_verdict(*path) : -2;
    kiln_error_restore(&before); /* a cache that cannot be had, or read, is no reason not to train */
    if (verdict >= 0)
        take(device, &ways[verdict], device->avoid, device->serial_kernels);
    return verdict >= 0;
}

void check_recall(kiln_device *device)
{
    char *path = NULL;
    if (!is_trusted())
        recall(device, &path);
    free(path);
}

kiln_status check_device(kiln_device *device)
{
    char *path;
    if (device->checked || is_trusted())
        return KILN_OK;
    kiln_status status = recall(device, &path) ? KILN_OK : check_now(device, path);
    device->checked = status == KILN_OK;
    free(path);
    return status;
}

/* ---- CLBlast ---- */

/* "right", or what is wrong. Fails only with a lost device, or without memory. */
static kiln_status run_clblast(kiln_device *device, char *finding, size_t size)
{
    kiln_error_record before;
    kiln_error_save(&before);
    kiln_status status = check_run(device, &check_clblast);
    if (device->lost || status == KILN_ERROR_MEMORY)
        return status;
    device->clblast_verdict = status == KILN_OK ? 1 : -1;
    snprintf(finding, size, "%s", status == KILN_OK ? "right" : kiln_last_error());
    kiln_error_restore(&before);
    return KILN_OK;
}

static kiln_status add_clblast(session *s)
{
    char finding[1024];
    snprintf(finding, sizeof finding, "%s", left_out);
    if (!s->left_out)
        KILN_TRY(run_clblast(s->device, finding, sizeof finding));
    text_add(&s->report, "\nCLBlast:\n  %-34s %s\n", check_clblast.name, finding);
    return KILN_OK;
}

/* From its file, or by running it. */
static kiln_status judge_clblast(kiln_device *device)
{
    char finding[1024] = "";
    void *data;
    size_t bytes;
    text out = {0};
    kiln_error_record before;
    kiln_error_save(&before);
    char *path = is_kept() ? clblast_path(device) : NULL;
    if (path && file_exists(path) && file_read(path, LARGEST_FILE, &data, &bytes) == KILN_OK) {
        if (sscanf(data, "products by CLBlast: %1023[^\n]", finding) == 1)
            device->clblast_verdict = strcmp(finding, "right") == 0 ? 1 : -1;
        free(data);
    }
    kiln_error_restore(&before);
    kiln_status status = KILN_OK;
    if (device->clblast_verdict == 0) {
        status = run_clblast(device, finding, sizeof finding);
        text_add(&out, "%s: %s\n# Delete this file to have CLBlast checked again.\n", check_clblast.name, finding);
        if (status == KILN_OK && path && !out.failed)
            file_write_atomic(path, out.data, out.length);
        if (status == KILN_OK)
            kiln_error_restore(&before); /* a cache that cannot be written is no failure */
        text_free(&out);
    }
    if (status == KILN_OK && device->clblast_verdict < 0 && device_on_warning) {
        char why[1100];
        snprintf(why, sizeof why, "%s: %s", check_clblast.name, finding);
        device_on_warning("with the engine tile", why);
    }
    free(path);
    return status;
}

kiln_status check_engine(kiln_device *device, blas_engine *engine)
{
    if (*engine == BLAS_AUTO)
        KILN_TRY(blas_engine_asked(engine));
    if (*engine != BLAS_CLBLAST || is_trusted())
        return KILN_OK;
    if (device->clblast_verdict == 0)
        KILN_TRY(judge_clblast(device));
    if (device->clblast_verdict < 0)
        *engine = BLAS_TILE;
    return KILN_OK;
}

static kiln_status tell(session *s, int verdict, char **report)
{
    text out = {0};
    head(s, &out);
    text_add(&out, "%s\nverdict: %s\n", s->report.data ? s->report.data : "",
             verdict < 0 ? "wrong" : ways[verdict].name);
    if (out.failed) {
        text_free(&out);
        return kiln_fail_memory(s->report.length);
    }
    *report = out.data;
    return KILN_OK;
}

kiln_status kiln_device_check(kiln_device *device, char **report)
{
    session s;
    int verdict;
    if (device == NULL || report == NULL)
        return kiln_fail_null("the device, or where its report goes,");
    *report = NULL;
    KILN_TRY(driver_cache_check(&device->info));
    char *path = is_kept() ? verdict_path(device) : NULL;
    begin(&s, device, path);
    kiln_status status = find_way(&s, true, &verdict);
    if (status == KILN_OK && verdict >= 0)
        status = add_clblast(&s);
    if (status == KILN_OK && verdict >= 0 && path)
        keep(&s, path, verdict);
    if (status == KILN_OK)
        status = tell(&s, verdict, report);
    if (status == KILN_OK && verdict < 0)
        status = refuse(&s);
    device->checked = status == KILN_OK;
    free(path);
    end(&s);
    return status;
}
