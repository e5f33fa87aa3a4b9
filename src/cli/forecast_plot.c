/* A drawing of a series and its forecast in SVG: for each forecast column a panel with the known
 * values, what was forecast of them one step ahead, and what comes next. */
#include "base/file.h"
#include "cli/forecast.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 900, PANEL = 380, LEFT = 72, RIGHT = 28, TOP = 64, BOTTOM = 40, MOST_ALL = 400 };

typedef struct panel {
    const forecast *f;
    size_t column;
    int64_t begin, end;        /* rows shown */
    double low, high, tick;    /* of the values */
    double top, height, width; /* of the frame */
    text *out;
} panel;

static double x_of(const panel *p, int64_t row)
{
    int64_t steps = p->end - 1 - p->begin;
    return LEFT + (double)(row - p->begin) / (double)(steps > 0 ? steps : 1) * p->width;
}

static double y_of(const panel *p, double value)
{
    return p->top + (p->high - value) / (p->high - p->low) * p->height;
}

static double known_at(const panel *p, int64_t row)
{
    const series_table *t = &p->f->table;
    return row < p->f->known ? (double)t->values[(size_t)row * t->columns + p->column] : NAN;
}

/* The next of 1, 2, 5, 10, ... times a power of ten. */
static double nice_step(double least)
{
    double power = pow(10, floor(log10(least)));
    for (int i = 0; i < 3; i++)
        if (power * (i == 0 ? 1 : i == 1 ? 2 : 5) >= least)
            return power * (i == 0 ? 1 : i == 1 ? 2 : 5);
    return 10 * power;
}

/* Room for all that is shown, between round numbers. */
static void find_range(panel *p)
{
    double low = INFINITY, high = -INFINITY;
    for (int64_t row = p->begin; row < p->end; row++) {
        const double values[] = {known_at(p, row), forecast_at(p->f, row, p->column)};
        for (int i = 0; i < 2; i++) {
            if (!isfinite(values[i]))
                continue;
            low = fmin(low, values[i]);
            high = fmax(high, values[i]);
        }
    }
    if (!(high > low)) { /* a line, or nothing */
        low = isfinite(low) ? low - 1 : 0;
        high = low + 2;
    }
    p->tick = nice_step((high - low) / 5);
    p->low = floor(low / p->tick) * p->tick;
    p->high = ceil(high / p->tick) * p->tick;
}

/* Rows from one label to the next, and the first one with a label: whole seasons, the first months
 * of years. */
static int64_t label_step(const panel *p, int64_t *first)
{
    const series_table *t = &p->f->table;
    int64_t season = forecast_season(p->f), step = (p->end - p->begin + 6) / 7;
    series_date date;
    if (season > 1 && step > season / 2)
        step = (step + season - 1) / season * season;
    *first = p->begin;
    if (t->interval.unit == INTERVAL_MONTHS && step % 12 == 0 &&
        series_date_read(t->dates[p->begin], &t->format, &date))
        while ((date.months + (*first - p->begin) * t->interval.length) % 12 &&
               *first - p->begin < 12)
            ++*first;
    return step;
}

static void add_axes(const panel *p)
{
    text *out = p->out;
    int64_t first, step = label_step(p, &first);
    for (int i = 0; i <= (int)lround((p->high - p->low) / p->tick); i++) {
        double value = p->low + i * p->tick, y = y_of(p, value);
        if (fabs(value) < p->tick / 1e6)
            value = 0;
        text_add(out, "<path class=\"grid\" d=\"M %d %.1f H %.1f\"/>", LEFT, y, LEFT + p->width);
        text_add(out, "<text class=\"value\" x=\"%d\" y=\"%.1f\">%.8g</text>\n", LEFT - 8, y + 4,
                 value);
    }
    for (int64_t row = first; row < p->end; row += step) {
        text_add(out, "<path class=\"mark\" d=\"M %.1f %.1f v 5\"/>", x_of(p, row),
                 p->top + p->height);
        text_add(out, "<text class=\"date\" x=\"%.1f\" y=\"%.1f\">", x_of(p, row),
                 p->top + p->height + 20);
        text_add_xml(out, forecast_date(p->f, row), 19);
        text_add(out, "</text>\n");
    }
}

/* Rows that the model was not trained on, and those that nobody knows yet. */
static void add_areas(const panel *p)
{
    const forecast *f = p->f;
    double held = x_of(p, f->first > p->begin ? f->first : p->begin), end = x_of(p, f->known - 1);
    if (f->first < f->known)
        text_add(p->out,
                 "<rect class=\"held\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
                 held, p->top, end - held, p->height);
    text_add(p->out, "<path class=\"now\" d=\"M %.1f %.1f v %.1f\"/>\n", end, p->top, p->height);
}

/* A line through the values of rows first..end-1 that are there. */
static void add_line(const panel *p, const char *class_name, int64_t first, int64_t end, bool known)
{
    bool open = false;
    text_add(p->out, "<path class=\"%s\" d=\"", class_name);
    for (int64_t row = first > p->begin ? first : p->begin; row < end; row++) {
        double value = known ? known_at(p, row) : forecast_at(p->f, row, p->column);
        if (!isfinite(value))
            continue;
        text_add(p->out, "%c %.1f %.1f ", open ? 'L' : 'M', x_of(p, row), y_of(p, value));
        open = true;
    }
    text_add(p->out, "\"/>\n");
}

/* What comes next, from the last known value on. */
static void add_next(const panel *p)
{
    const forecast *f = p->f;
    int64_t last = f->known - 1;
    text_add(p->out, "<path class=\"next\" d=\"M %.1f %.1f", x_of(p, last),
             y_of(p, known_at(p, last)));
    for (int64_t row = f->known; row < p->end; row++) {
        double value = forecast_at(f, row, p->column);
        if (isfinite(value))
            text_add(p->out, " L %.1f %.1f", x_of(p, row), y_of(p, value));
    }
    text_add(p->out, "\"/>\n");
    for (int64_t row = f->known; row < p->end && p->end - f->known <= 60; row++) {
        double value = forecast_at(f, row, p->column);
        if (!isfinite(value))
            continue;
        text_add(p->out, "<circle class=\"point\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>",
                 x_of(p, row), y_of(p, value));
        text_add_xml(p->out, forecast_date(f, row), 40);
        text_add(p->out, ": %.6g</title></circle>\n", value);
    }
}

static void add_key(const panel *p, double x, const char *class_name, const char *words)
{
    double y = p->top - 14;
    text_add(p->out,
             "<path class=\"%s\" d=\"M %.1f %.1f h 26\"/><text class=\"key\" x=\"%.1f\" "
             "y=\"%.1f\">%s</text>\n",
             class_name, x, y - 4, x + 33, y, words);
}

static void add_head(const panel *p)
{
    const forecast *f = p->f;
    forecast_errors e;
    double y = p->top - 36;
    text_add(p->out, "<text class=\"title\" x=\"%d\" y=\"%.1f\">", LEFT, y);
    text_add_xml(p->out, f->series->columns[p->column], 60);
    forecast_measure(f, FORECAST_MODEL, p->column, &e);
    text_add(p->out, "<tspan class=\"error\" dx=\"12\">");
    if (e.count > 0 && isfinite(e.mape))
        text_add(p->out, "%.2f %% mean error on %lld rows held out", e.mape, (long long)e.count);
    else if (e.count > 0)
        text_add(p->out, "RMSE %.5g on %lld rows held out", e.rmse, (long long)e.count);
    text_add(p->out, "</tspan></text>\n");
    add_key(p, LEFT, "known", "known");
    if (f->first < f->known)
        add_key(p, LEFT + 96, "said", "forecast one step ahead");
    add_key(p, f->first < f->known ? LEFT + 300 : LEFT + 96, "next", "what comes next");
}

static const char style[] =
    "<style>\n"
    "svg { background: #fff; font-family: system-ui, sans-serif }\n"
    "text { fill: #1b1f24; font-size: 12px } .title { font-size: 15px; font-weight: 600 }\n"
    ".error { font-size: 12px; font-weight: 400; fill: #57606a } .key { fill: #57606a }\n"
    ".value { text-anchor: end; fill: #57606a } .date { text-anchor: middle; fill: #57606a }\n"
    ".grid { stroke: #d8dee4; fill: none } .mark { stroke: #8c959f } .held { fill: #f1f5f9 }\n"
    ".now { stroke: #8c959f; stroke-dasharray: 2 3 }\n"
    ".known, .said, .next { fill: none; stroke-width: 1.7; stroke-linejoin: round }\n"
    ".known { stroke: #57606a } .said { stroke: #0969da } .next { stroke: #bc4c00 }\n"
    ".point { fill: #bc4c00 }\n"
    "@media (prefers-color-scheme: dark) {\n"
    "svg { background: #0d1117 } text { fill: #e6edf3 }\n"
    ".error, .key, .value, .date { fill: #9198a1 } .grid { stroke: #21262d }\n"
    ".held { fill: #161b22 } .mark, .now { stroke: #6e7681 }\n"
    ".known { stroke: #9198a1 } .said { stroke: #58a6ff } .next { stroke: #f0883e }\n"
    ".point { fill: #f0883e } }\n"
    "</style>\n";

static void add_panel(panel *p)
{
    const forecast *f = p->f;
    find_range(p);
    add_areas(p);
    add_axes(p);
    add_line(p, "known", p->begin, f->known, true);
    add_line(p, "said", f->first, f->known, false);
    add_next(p);
    add_head(p);
}

/* All rows where they are few; else the held-out ones and as many before them. */
static int64_t first_shown(const forecast *f)
{
    int64_t held = f->known - f->first, before = held > 60 ? held : 60;
    return f->known <= MOST_ALL || f->first <= before ? 0 : f->first - before;
}

kiln_status forecast_plot(const forecast *f, const char *path)
{
    text out = {0};
    size_t panels = f->series->target_count;
    int64_t end = forecast_end(f);
    text_add(&out,
             "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %zu\" width=\"%d\" "
             "height=\"%zu\" role=\"img\">\n<title>",
             WIDTH, panels * PANEL, WIDTH, panels * PANEL);
    text_add_xml(&out, f->table.file, 200);
    text_add(&out, "</title>\n%s", style);
    for (size_t c = 0; c < panels; c++) {
        panel p = {.f = f,
                   .column = c,
                   .begin = first_shown(f),
                   .end = end,
                   .top = (double)c * PANEL + TOP,
                   .height = PANEL - TOP - BOTTOM,
                   .width = WIDTH - LEFT - RIGHT,
                   .out = &out};
        add_panel(&p);
    }
    text_add(&out, "</svg>\n");
    kiln_status status =
        out.failed ? kiln_fail_memory(out.length) : file_write_atomic(path, out.data, out.length);
    text_free(&out);
    return status;
}
