#include "train/progress.h"

#include <math.h>
#include <stdarg.h>
#include <unistd.h>

#define CELLS 20
#define CELL "\u2501"
#define REFRESH 0.1 /* seconds between two drawings */

int progress_verbosity(int verbose)
{
    return verbose == 0 ? 1 : verbose < 0 ? 0 : verbose > 2 ? 2 : verbose;
}

void progress_begin(progress *p, int verbose, int64_t target, double now)
{
    *p = (progress){.stream = stdout,
                    .verbose = verbose,
                    .terminal = isatty(STDOUT_FILENO) == 1,
                    .target = target,
                    .start = now};
}

bool progress_wants(const progress *p, double now)
{
    return p->verbose == 1 && p->terminal && now - p->drawn >= REFRESH;
}

/* Adds text that takes so many columns, between escape codes on a terminal. */
static void add_styled(const progress *p, text *out, const char *style, const char *what)
{
    if (p->terminal)
        text_add(out, "\033[%sm%s\033[0m", style, what);
    else
        text_add(out, "%s", what);
}

static size_t add_cells(const progress *p, text *out, int count, const char *style)
{
    char cells[CELLS * sizeof CELL + 1] = "";
    char *end = cells;
    for (int i = 0; i < count; i++)
        end += snprintf(end, sizeof CELL, "%s", CELL);
    add_styled(p, out, style, cells);
    return (size_t)count;
}

static size_t add_bar(const progress *p, int64_t current, text *out)
{
    char count[64];
    if (p->target <= 0) {
        int n = snprintf(count, sizeof count, "%7lld/Unknown", (long long)current);
        text_add(out, "%s", count);
        return (size_t)n;
    }
    int digits = snprintf(NULL, 0, "%lld", (long long)p->target);
    size_t width = (size_t)snprintf(count, sizeof count, "%*lld/%lld", digits, (long long)current,
                                    (long long)p->target);
    add_styled(p, out, "1", count);
    text_add(out, " ");
    int done = (int)(CELLS * (double)current / (double)p->target);
    done = done > CELLS ? CELLS : done;
    width++;
    if (done > 0)
        width += add_cells(p, out, done, "32");
    width += add_cells(p, out, CELLS - done, "37");
    return width;
}

static size_t add_duration(const progress *p, int64_t current, bool last, double per_step,
                           double now, text *out)
{
    char words[64];
    if (p->target > 0 && !last) {
        long long eta = (long long)(per_step * (double)(p->target - current));
        if (eta > 3600)
            snprintf(words, sizeof words, "%lld:%02lld:%02lld", eta / 3600, eta % 3600 / 60,
                     eta % 60);
        else if (eta > 60)
            snprintf(words, sizeof words, "%lld:%02lld", eta / 60, eta % 60);
        else
            snprintf(words, sizeof words, "%llds", eta);
    } else {
        snprintf(words, sizeof words, "%.0fs", now - p->start);
    }
    text_add(out, " ");
    add_styled(p, out, "1", words);
    return 1 + (size_t)snprintf(NULL, 0, "%s", words);
}

static size_t add_counted(text *out, const char *format, ...) KILN_PRINTF(2, 3);
static size_t add_counted(text *out, const char *format, ...)
{
    char words[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(words, sizeof words, format, args);
    va_end(args);
    text_add(out, "%s", words);
    return n < 0 ? 0 : (size_t)n;
}

static size_t add_step_time(double seconds, text *out)
{
    if (seconds >= 1 || seconds == 0)
        return add_counted(out, " %.0fs/step", seconds);
    if (seconds >= 1e-3)
        return add_counted(out, " %.0fms/step", seconds * 1e3);
    return add_counted(out, " %.0fus/step", seconds * 1e6);
}

static size_t add_logs(const progress *p, const kiln_logs *logs, text *out)
{
    size_t width = 0;
    for (size_t i = 0; i < kiln_logs_count(logs); i++) {
        double value = kiln_logs_value(logs, i);
        if (isnan(value) || isinf(value)) {
            width += add_counted(out, " - %.200s: %s", kiln_logs_name(logs, i),
                                 isnan(value) ? "nan"
                                 : value > 0  ? "inf"
                                              : "-inf");
            continue;
        }
        double size = p->verbose == 1 ? fabs(value) : value;
        const char *name = kiln_logs_name(logs, i);
        width += size > 1e-3 ? add_counted(out, " - %.200s: %.4f", name, value)
                             : add_counted(out, " - %.200s: %.4e", name, value);
    }
    return width;
}

/* Seconds a step, without the first one (which may compile) where that was measured. */
static double step_time(const progress *p, int64_t current, double now)
{
    if (current <= 0)
        return 0;
    if (p->first_step > 0 && current > 1)
        return (now - p->first_step) / (double)(current - 1);
    return (now - p->start) / (double)current;
}

void progress_text(const progress *p, int64_t current, const kiln_logs *logs, bool last, double now,
                   text *out, size_t *columns)
{
    double per_step = step_time(p, current, now);
    size_t width;
    if (p->verbose == 2) {
        int digits = snprintf(NULL, 0, "%lld", (long long)p->target);
        width = add_counted(out, "%*lld/%lld - %.0fs -", digits, (long long)current,
                            (long long)p->target, now - p->start);
        width += add_step_time(per_step, out);
    } else {
        width = add_bar(p, current, out);
        width += add_duration(p, current, last, per_step, now, out);
        width += add_step_time(per_step, out);
    }
    width += add_logs(p, logs, out);
    if (columns)
        *columns = width;
}

static void print(progress *p, int64_t current, const kiln_logs *logs, bool last, double now)
{
    text line = {0};
    size_t columns;
    bool redraw = p->verbose == 1 && p->terminal;
    if (redraw)
        text_add(&line, "\r");
    progress_text(p, current, logs, last, now, &line, &columns);
    if (redraw && columns < p->width)
        text_add(&line, "%*s", (int)(p->width - columns), "");
    if (last)
        text_add(&line, "\n");
    if (!line.failed && line.data) {
        fwrite(line.data, 1, line.length, p->stream);
        fflush(p->stream);
    }
    text_free(&line);
    p->width = last ? 0 : columns;
    p->drawn = now;
}

void progress_draw(progress *p, int64_t current, const kiln_logs *logs, double now)
{
    if (p->verbose == 1 && p->terminal)
        print(p, current, logs, false, now);
}

void progress_finish(progress *p, int64_t current, const kiln_logs *logs, double now)
{
    if (p->verbose == 0)
        return;
    if (p->target <= 0)
        p->target = current;
    print(p, current, logs, true, now);
}

void progress_abort(progress *p)
{
    if (p->width > 0) {
        fputc('\n', p->stream);
        fflush(p->stream);
    }
    p->width = 0;
}

void progress_epoch(int verbose, int64_t epoch, int64_t epochs)
{
    if (verbose > 0 && epochs > 1) {
        fprintf(stdout, "Epoch %lld/%lld\n", (long long)(epoch + 1), (long long)epochs);
        fflush(stdout);
    }
}

void progress_message(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stdout, format, args);
    va_end(args);
    fputc('\n', stdout);
    fflush(stdout);
}
