#include "report/chart.h"

#include "report/escape.h"
#include "report/scale.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double letter = 6.7;      /* about the width of a letter of 12 pixels */
static const double bold_letter = 8.4; /* of a digit in bold, in the widest of the page's fonts */

static void open_svg(text *out, const char *title, double width, double height)
{
    text_add(out,
             "<svg viewBox=\"0 0 %.0f %.0f\" style=\"max-width:%.0fpx\" role=\"img\" aria-label=\"",
             width, height, width);
    escape_add(out, title);
    text_add(out, "\">");
}

static void add_text(text *out, double x, double y, const char *kind, const char *anchor,
                     const char *words)
{
    text_add(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\" text-anchor=\"%s\">", x, y, kind,
             anchor);
    escape_add(out, words);
    text_add(out, "</text>");
}

static const char *color_class(int color, char out[8])
{
    if (color < 0)
        strcpy(out, "ct");
    else
        snprintf(out, 8, "c%d", color % CHART_COLORS);
    return out;
}

/* ---- curves and points ---- */

typedef struct frame {
    double left, right, top, bottom;
    scale x, y;
} frame;

static double x_of(const chart_series *s, size_t i)
{
    return s->x ? s->x[i] : (double)i + 1;
}

static void find_range(const chart *c, bool vertical, double *low, double *high)
{
    bool log = vertical ? c->log_y : c->log_x;
    *low = INFINITY;
    *high = -INFINITY;
    for (size_t k = 0; k < c->count; k++)
        for (size_t i = 0; i < c->series[k].count; i++) {
            double v = vertical ? c->series[k].y[i] : x_of(&c->series[k], i);
            if (!isfinite(v) || (log && v <= 0))
                continue;
            *low = v < *low ? v : *low;
            *high = v > *high ? v : *high;
        }
}

static size_t legend_rows(const chart *c, double width)
{
    double x = 0;
    size_t rows = 0;
    for (size_t k = 0; k < c->count; k++) {
        if (c->series[k].name == NULL)
            continue;
        double room = 26 + letter * (double)strlen(c->series[k].name);
        if (rows == 0 || x + room > width) {
            rows++;
            x = 0;
        }
        x += room;
    }
    return rows;
}

static void add_legend(text *out, const chart *c, const frame *f)
{
    char color[8];
    double x = 0, y = 14, width = f->right;
    bool first = true;
    for (size_t k = 0; k < c->count; k++) {
        if (c->series[k].name == NULL)
            continue;
        double room = 26 + letter * (double)strlen(c->series[k].name);
        if (!first && x + room > width) {
            x = 0;
            y += 18;
        }
        first = false;
        color_class(c->series[k].color, color);
        if (c->series[k].radius)
            text_add(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" class=\"fill %s\"/>", x + 8,
                     y - 4, color);
        else
            text_add(out, "<path d=\"M%.1f %.1fh16\" class=\"line %s%s\"/>", x, y - 4, color,
                     c->series[k].dashed ? " dashed" : "");
        text_add(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"label\" text-anchor=\"start\">", x + 21,
                 y);
        escape_add_short(out, c->series[k].name, (size_t)((width - 21) / letter));
        text_add(out, "</text>");
        x += room;
    }
}

static void add_axes(text *out, const chart *c, const frame *f)
{
    double ticks[SCALE_MOST_TICKS];
    char label[32];
    size_t most = f->bottom - f->top < 180 ? 5 : 7, count = scale_ticks(&f->y, most, ticks);
    for (size_t i = 0; i < count; i++) {
        double y = scale_at(&f->y, ticks[i]);
        text_add(out, "<path d=\"M%.1f %.1fH%.1f\" class=\"grid\"/>", f->left, y, f->right);
        add_text(out, f->left - 7, y + 4, "tick", "end", scale_label(ticks[i], label));
    }
    count = scale_ticks(&f->x, f->right - f->left < 400 ? 5 : 9, ticks);
    bool counted = true; /* epochs, steps: there is none between two */
    for (size_t k = 0; k < c->count; k++)
        counted &= c->series[k].x == NULL;
    for (size_t i = 0; i < count; i++) {
        double x = scale_at(&f->x, ticks[i]);
        if (counted && ticks[i] != floor(ticks[i]))
            continue;
        text_add(out, "<path d=\"M%.1f %.1fv5\" class=\"axis\"/>", x, f->bottom);
        add_text(out, x, f->bottom + 18, "tick", "middle", scale_label(ticks[i], label));
    }
    text_add(out, "<path d=\"M%.1f %.1fH%.1f\" class=\"axis\"/>", f->left, f->bottom, f->right);
    add_text(out, (f->left + f->right) / 2, f->bottom + 36, "label", "middle", c->x_name);
    add_text(out, 0, f->top - 10, "label", "start", c->y_name);
}

static bool has_place(const chart_series *s, size_t i, const frame *f)
{
    return i < s->count && isfinite(s->y[i]) && !(f->y.log && s->y[i] <= 0);
}

/* A point that no line reaches is drawn as a circle, on a dashed curve as a hollow one. */
static void add_lone_points(text *out, const chart_series *s, const frame *f)
{
    char color[8];
    for (size_t i = 0; i < s->count; i++)
        if (has_place(s, i, f) && !has_place(s, i + 1, f) && (i == 0 || !has_place(s, i - 1, f)))
            text_add(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" class=\"%s %s\"/>",
                     scale_at(&f->x, x_of(s, i)), scale_at(&f->y, s->y[i]),
                     s->dashed ? "line" : "fill", color_class(s->color, color));
}

static void add_curve(text *out, const chart_series *s, const frame *f)
{
    char color[8];
    bool pen = false;
    text_add(out, "<path d=\"");
    for (size_t i = 0; i < s->count; i++) {
        if (!has_place(s, i, f)) {
            pen = false;
            continue;
        }
        text_add(out, "%c%.1f %.1f", pen ? 'L' : 'M', scale_at(&f->x, x_of(s, i)),
                 scale_at(&f->y, s->y[i]));
        pen = true;
    }
    text_add(out, "\" class=\"line %s%s\"/>", color_class(s->color, color),
             s->dashed ? " dashed" : "");
    add_lone_points(out, s, f);
}

static void add_points(text *out, const chart_series *s, const frame *f)
{
    char color[8];
    color_class(s->color, color);
    for (size_t i = 0; i < s->count; i++) {
        double x = scale_at(&f->x, x_of(s, i)), y = scale_at(&f->y, s->y[i]);
        text_add(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" class=\"point %s\">", x, y,
                 s->radius[i], color);
        if (s->notes && s->notes[i]) {
            text_add(out, "<title>");
            escape_add(out, s->notes[i]);
            text_add(out, "</title>");
        }
        text_add(out, "</circle>");
        if (s->labels && s->labels[i]) {
            double long_as = letter * (double)strlen(s->labels[i]);
            bool left = x + s->radius[i] + 4 + long_as > f->right;
            add_text(out, left ? x - s->radius[i] - 4 : x + s->radius[i] + 4, y + 4, "tick",
                     left ? "end" : "start", s->labels[i]);
        }
    }
}

void chart_draw(text *out, const chart *c, double width, double height)
{
    double low, high;
    size_t rows = legend_rows(c, width);
    frame f = {.left = 52, .right = width - 10, .top = 30 + 18 * (double)rows};
    f.bottom = f.top + height;
    find_range(c, false, &low, &high);
    f.x = scale_make(low, high, c->log_x, f.left, f.right);
    if (!c->log_x && isfinite(low) && high > low) { /* curves use the whole width */
        f.x.low = low;
        f.x.high = high;
    }
    find_range(c, true, &low, &high);
    f.y = scale_make(c->from_zero && low > 0 ? 0 : low, high, c->log_y, f.bottom, f.top);
    open_svg(out, c->title, width, f.bottom + 44);
    add_legend(out, c, &f);
    add_axes(out, c, &f);
    for (size_t k = 0; k < c->count; k++)
        if (c->series[k].radius)
            add_points(out, &c->series[k], &f);
        else
            add_curve(out, &c->series[k], &f);
    text_add(out, "</svg>");
}

/* ---- bars ---- */

void chart_bars(text *out, const char *title, const chart_bar *bars, size_t count, double width)
{
    enum { ROW = 46 };
    double most = 0, least = INFINITY, value_room = 0;
    char color[8];
    for (size_t i = 0; i < count; i++) {
        double end = bars[i].mark > bars[i].length ? bars[i].mark : bars[i].length;
        most = end > most ? end : most;
        least = bars[i].length > 0 && bars[i].length < least ? bars[i].length : least;
        double room = bold_letter * (double)strlen(bars[i].value);
        value_room = room > value_room ? room : value_room;
    }
    bool log = most > 100 * least;
    scale s = {.low = log ? least / 4 : 0,
               .high = most > 0 ? most : 1,
               .log = log,
               .to = width - value_room - 12};
    open_svg(out, title, width, ROW * (double)count + (log ? 18 : 4));
    for (size_t i = 0; i < count; i++) {
        double y = ROW * (double)i, end = scale_at(&s, bars[i].length);
        text_add(out, "<text x=\"0\" y=\"%.1f\" class=\"label\">", y + 14);
        escape_add_short(out, bars[i].name, (size_t)(width / letter));
        text_add(out,
                 "</text><rect x=\"0\" y=\"%.1f\" width=\"%.1f\" height=\"16\" rx=\"2\" "
                 "class=\"fill %s\"/>",
                 y + 20, end > 1 ? end : 1, color_class(bars[i].color, color));
        if (bars[i].mark > 0) {
            double at = scale_at(&s, bars[i].mark);
            text_add(out, "<path d=\"M%.1f %.1fv20\" class=\"mark\"/>", at, y + 18);
            end = at > end ? at : end;
        }
        add_text(out, end + 8, y + 33, "value", "start", bars[i].value);
    }
    if (log)
        add_text(out, 0, ROW * (double)count + 12, "tick", "start", "logarithmic scale");
    text_add(out, "</svg>");
}

/* ---- time lines ---- */

void chart_timeline(text *out, const char *title, const char *x_name, const chart_span *spans,
                    size_t count, double width)
{
    enum { TOP = 4, HEIGHT = 44 };
    double end = 0, ticks[SCALE_MOST_TICKS];
    char color[8], label[32];
    for (size_t i = 0; i < count; i++)
        if (spans[i].start + spans[i].length > end)
            end = spans[i].start + spans[i].length;
    scale s = {.low = 0, .high = end > 0 ? end : 1, .from = 1, .to = width - 1};
    open_svg(out, title, width, TOP + HEIGHT + 44);
    text_add(out, "<rect x=\"0\" y=\"%d\" width=\"%.0f\" height=\"%d\" class=\"empty\"/>", TOP,
             width, HEIGHT);
    for (size_t i = 0; i < count; i++) {
        double x = scale_at(&s, spans[i].start),
               w = scale_at(&s, spans[i].start + spans[i].length) - x;
        text_add(out,
                 "<g><rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" class=\"span %s\"/>", x,
                 TOP, w > 0.4 ? w : 0.4, HEIGHT, color_class(spans[i].color, color));
        if (w > 5 * letter) {
            text_add(out, "<text x=\"%.1f\" y=\"%d\" class=\"inside\">", x + 6,
                     TOP + HEIGHT / 2 + 4);
            escape_add_short(out, spans[i].name, (size_t)((w - 10) / letter));
            text_add(out, "</text>");
        }
        if (spans[i].note) {
            text_add(out, "<title>");
            escape_add(out, spans[i].note);
            text_add(out, "</title>");
        }
        text_add(out, "</g>");
    }
    size_t n = scale_ticks(&s, width < 400 ? 5 : 9, ticks);
    for (size_t i = 0; i < n; i++) {
        double x = scale_at(&s, ticks[i]);
        text_add(out, "<path d=\"M%.1f %dv5\" class=\"axis\"/>", x, TOP + HEIGHT);
        add_text(out, x, TOP + HEIGHT + 18, "tick",
                 i == 0           ? "start"
                 : x > width - 20 ? "end"
                                  : "middle",
                 scale_label(ticks[i], label));
    }
    add_text(out, width / 2, TOP + HEIGHT + 36, "label", "middle", x_name);
    text_add(out, "</svg>");
}

/* ---- matrices ---- */

void chart_matrix(text *out, const char *title, const char *const *names, const double *counts,
                  size_t classes, double width)
{
    double name_room = 30;
    for (size_t i = 0; i < classes; i++) {
        double room = letter * (double)strlen(names[i]) + 10;
        name_room = room > name_room ? room : name_room;
    }
    name_room = name_room < width / 4 ? name_room : width / 4;
    double cell = (width - name_room) / (double)classes;
    cell = cell > 48 ? 48 : cell;
    double high = cell > 30 ? 30 : cell, top = 24;
    size_t letters = (size_t)(name_room / letter);
    open_svg(out, title, name_room + cell * (double)classes, top + high * (double)classes + 4);
    for (size_t j = 0; j < classes && cell > 18; j++) {
        text_add(out, "<text x=\"%.1f\" y=\"14\" class=\"tick\" text-anchor=\"middle\">",
                 name_room + cell * ((double)j + 0.5));
        escape_add_short(out, names[j], (size_t)(cell / letter));
        text_add(out, "</text>");
    }
    for (size_t i = 0; i < classes; i++) {
        double sum = 0, y = top + high * (double)i;
        for (size_t j = 0; j < classes; j++)
            sum += counts[i * classes + j];
        text_add(out, "<text x=\"0\" y=\"%.1f\" class=\"tick\">", y + high / 2 + 4);
        escape_add_short(out, names[i], letters);
        text_add(out, "</text>");
        for (size_t j = 0; j < classes; j++) {
            double count = counts[i * classes + j], share = sum > 0 ? count / sum : 0,
                   x = name_room + cell * (double)j;
            if (count <= 0)
                continue;
            text_add(out,
                     "<g><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"2\" "
                     "class=\"cell %s\" fill-opacity=\"%.2f\"/>",
                     x + 1, y + 1, cell - 2, high - 2, i == j ? "c0" : "c1",
                     0.12 + 0.88 * sqrt(share));
            if (cell >= letter * (floor(log10(count)) + 1.5) && high >= 14)
                text_add(
                    out,
                    "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\" text-anchor=\"middle\">%.0f</text>",
                    x + cell / 2, y + high / 2 + 4, share > 0.3 ? "inside" : "tick", count);
            text_add(out, "<title>");
            escape_add(out, names[i]);
            text_add(out, " taken for ");
            escape_add(out, names[j]);
            text_add(out, ": %.0f of %.0f</title></g>", count, sum);
        }
    }
    text_add(out, "</svg>");
}
