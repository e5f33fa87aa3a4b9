/* A drawing of a model: its calls in rows, each below all that it reads, in SVG.
 *
 * Rows by longest path from an input; a connection that passes rows takes a narrow place of its own
 * in each of them, so that lines and boxes do not cross; the order within rows follows the middle
 * of what an item is connected with (Sugiyama et al., 1981), and so do the places, as far as the
 * items to the left allow. */
#include "base/file.h"
#include "model/model.h"

#include <stdio.h>
#include <string.h>

enum { BOX = 232, HEIGHT = 58, ROW = 104, GAP = 28, NARROW = 12, MARGIN = 24, SWEEPS = 8 };

typedef struct item {
    int call; /* -1: a line passes */
    int row;
    double x;     /* the middle */
    double order; /* while a row is sorted */
    int above[MODEL_MAX_LAYER_INPUTS], above_count;
} item;

typedef struct drawing {
    const kiln_model *model;
    item *items;
    size_t count, capacity;
    int *row; /* item numbers, those of a row side by side */
    size_t *row_begin;
    int rows;
    double width;
} drawing;

static double width_of(const item *i)
{
    return i->call < 0 ? NARROW : BOX;
}

static kiln_status add(drawing *d, int call, int row, int *number)
{
    KILN_TRY(mem_grow(&d->items, &d->capacity, d->count + 1, sizeof *d->items));
    *number = (int)d->count;
    d->items[d->count++] = (item){.call = call, .row = row};
    return KILN_OK;
}

/* An item for each call, whatever the number of its outputs, into items: by output of a call, the
 * item. */
static kiln_status make_boxes(drawing *d, int *items)
{
    const kiln_model *m = d->model;
    for (size_t i = 0; i < m->call_count; i++) {
        int row = 0;
        if (m->calls[i].output > 0) {
            items[i] = items[i - 1];
            continue;
        }
        for (int k = 0; k < m->calls[i].input_count; k++)
            if (d->items[items[m->calls[i].inputs[k]]].row >= row)
                row = d->items[items[m->calls[i].inputs[k]]].row + 1;
        KILN_TRY(add(d, (int)i, row, &items[i]));
        if (row >= d->rows)
            d->rows = row + 1;
    }
    return KILN_OK;
}

/* Connects them, with an item for each row that a connection passes. */
static kiln_status connect(drawing *d, const int *items)
{
    const kiln_model *m = d->model;
    int number;
    for (size_t i = 0; i < m->call_count; i++)
        for (int k = 0; m->calls[i].output == 0 && k < m->calls[i].input_count; k++) {
            int from = items[m->calls[i].inputs[k]], to = items[i];
            for (int row = d->items[from].row + 1; row < d->items[to].row; row++) {
                KILN_TRY(add(d, -1, row, &number));
                d->items[number].above[d->items[number].above_count++] = from;
                from = number;
            }
            d->items[to].above[d->items[to].above_count++] = from;
        }
    return KILN_OK;
}

static kiln_status make_items(drawing *d)
{
    int *items = mem_new(d->model->call_count, sizeof *items);
    kiln_status status = items ? make_boxes(d, items) : KILN_ERROR_MEMORY;
    if (status == KILN_OK)
        status = connect(d, items);
    free(items);
    return status;
}

static kiln_status make_rows(drawing *d)
{
    size_t at = 0;
    d->row = mem_new(d->count, sizeof *d->row);
    d->row_begin = mem_new((size_t)d->rows + 1, sizeof *d->row_begin);
    if (d->row == NULL || d->row_begin == NULL)
        return KILN_ERROR_MEMORY;
    for (int r = 0; r <= d->rows; r++) {
        d->row_begin[r] = at;
        for (size_t i = 0; i < d->count; i++)
            if (d->items[i].row == r)
                d->row[at++] = (int)i;
    }
    return KILN_OK;
}

/* The mean place of what an item is connected with above, or below; its own where there is none. */
static double middle(const drawing *d, int number, bool above)
{
    const item *i = &d->items[number];
    double sum = 0;
    int count = 0;
    for (int k = 0; above && k < i->above_count; k++, count++)
        sum += d->items[i->above[k]].x;
    for (size_t o = 0; !above && o < d->count; o++)
        for (int k = 0; k < d->items[o].above_count; k++)
            if (d->items[o].above[k] == number) {
                sum += d->items[o].x;
                count++;
            }
    return count ? sum / count : i->x;
}

/* Places a row's items in their order, each where it wants to be or right of the one before; then
 * moves all so that on average they are where they want to be. */
static void place_row(drawing *d, int r)
{
    double end = 0, off = 0;
    size_t begin = d->row_begin[r], stop = d->row_begin[r + 1];
    for (size_t i = begin; i < stop; i++) {
        item *x = &d->items[d->row[i]];
        double half = width_of(x) / 2, least = i == begin ? x->order : end + GAP + half;
        x->x = x->order > least ? x->order : least;
        end = x->x + half;
        off += x->order - x->x;
    }
    for (size_t i = begin; i < stop; i++)
        d->items[d->row[i]].x += off / (double)(stop - begin);
}

static void sort_row(drawing *d, int r, bool above)
{
    size_t begin = d->row_begin[r], end = d->row_begin[r + 1];
    for (size_t i = begin; i < end; i++)
        d->items[d->row[i]].order = middle(d, d->row[i], above);
    for (size_t i = begin + 1; i < end; i++) /* stable */
        for (size_t k = i; k > begin && d->items[d->row[k - 1]].order > d->items[d->row[k]].order;
             k--) {
            int swapped = d->row[k];
            d->row[k] = d->row[k - 1];
            d->row[k - 1] = swapped;
        }
    place_row(d, r);
}

static void arrange(drawing *d)
{
    for (int r = 0; r < d->rows; r++) {
        for (size_t i = d->row_begin[r]; i < d->row_begin[r + 1]; i++)
            d->items[d->row[i]].order = 0;
        place_row(d, r);
    }
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        for (int r = 1; r < d->rows; r++)
            sort_row(d, r, true);
        for (int r = d->rows - 1; sweep + 1 < SWEEPS && r-- > 0;)
            sort_row(d, r, false);
    }
    double left = 0, right = 0;
    for (size_t i = 0; i < d->count; i++) {
        double half = width_of(&d->items[i]) / 2, x = d->items[i].x;
        left = i == 0 || x - half < left ? x - half : left;
        right = i == 0 || x + half > right ? x + half : right;
    }
    for (size_t i = 0; i < d->count; i++)
        d->items[i].x += MARGIN - left;
    d->width = right - left + 2 * MARGIN;
}

/* ---- text ---- */

static double top_of(const item *i)
{
    return MARGIN + 30 + (double)i->row * ROW;
}

static void add_line(const item *to, const item *from, text *out)
{
    double y0 = top_of(from) + HEIGHT, y1 = top_of(to), bend = (y1 - y0) / 2;
    bool passes = to->call < 0;
    text_add(out, "<path class=\"line\" d=\"M %.1f %.1f C %.1f %.1f %.1f %.1f %.1f %.1f\"%s/>\n",
             from->x, y0, from->x, y0 + bend, to->x, y1 - bend, to->x, passes ? y1 : y1 - 2,
             passes ? "" : " marker-end=\"url(#tip)\"");
    if (passes)
        text_add(out, "<path class=\"line\" d=\"M %.1f %.1f V %.1f\"/>\n", to->x, y1, y1 + HEIGHT);
}

static void add_box(const drawing *d, const item *i, text *out)
{
    const model_call *c = &d->model->calls[i->call];
    double x = i->x - BOX / 2.0, y = top_of(i);
    int64_t parameters = model_count_layer_params(c->layer);
    text_add(out, "<g><title>");
    text_add_xml(out, c->layer->name, 200);
    text_add(out, " (%s), %lld parameters%s</title>", c->layer->cls->class_name,
             (long long)parameters, c->layer->trainable ? "" : ", frozen");
    text_add(out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\" rx=\"6\"/>",
             c->input_count == 0    ? "box input"
             : !c->layer->trainable ? "box frozen"
             : parameters > 0       ? "box weights"
                                    : "box",
             x, y, BOX, HEIGHT);
    text_add(out, "<text class=\"class\" x=\"%.1f\" y=\"%.1f\">%s</text>", i->x, y + 18,
             c->layer->cls->class_name);
    text_add(out, "<text class=\"name\" x=\"%.1f\" y=\"%.1f\">", i->x, y + 35);
    text_add_xml(out, c->layer->name, 30);
    text_add(out, "</text><text class=\"shape\" x=\"%.1f\" y=\"%.1f\">", i->x, y + 51);
    for (int o = 0; o < layer_output_count(c->layer); o++) {
        text_add(out, "%s(None", o ? ", " : "");
        for (int k = 0; k < c[o].shape.rank; k++)
            text_add(out, ", %lld", (long long)c[o].shape.dims[k]);
        text_add(out, ")");
    }
    text_add(out, "</text></g>\n");
}

static const char style[] =
    "<style>\n"
    "svg { background: #fff; font-family: system-ui, sans-serif }\n"
    "text { fill: #1b1f24; text-anchor: middle; font-size: 12px }\n"
    ".title { font-size: 15px; font-weight: 600; text-anchor: start }\n"
    ".class { font-weight: 600; font-size: 13px } .name { fill: #57606a }\n"
    ".shape { font-family: ui-monospace, monospace; font-size: 11px }\n"
    ".box { fill: #f6f8fa; stroke: #8c959f } .input { fill: #ddf4ff; stroke: #218bff }\n"
    ".weights { fill: #fff8c5; stroke: #bf8700 } .frozen { fill: #eaeef2; stroke-dasharray: 4 3 }\n"
    ".line { fill: none; stroke: #57606a; stroke-width: 1.3 } #tip path { fill: #57606a }\n"
    "@media (prefers-color-scheme: dark) {\n"
    "svg { background: #0d1117 } text { fill: #e6edf3 } .name { fill: #9198a1 }\n"
    ".box { fill: #161b22; stroke: #6e7681 } .input { fill: #0c2d4f; stroke: #388bfd }\n"
    ".weights { fill: #3a2d05; stroke: #9e6a03 } .frozen { fill: #21262d }\n"
    ".line { stroke: #9198a1 } #tip path { fill: #9198a1 } }\n"
    "</style>\n";

static void write_svg(const drawing *d, text *out)
{
    double height = 2 * MARGIN + 30 + (double)(d->rows - 1) * ROW + HEIGHT,
           width = d->width > 320 ? d->width : 320;
    text_add(out,
             "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" "
             "height=\"%.0f\" role=\"img\">\n<title>",
             width, height, width, height);
    text_add_xml(out, d->model->name, 200);
    text_add(out,
             "</title>\n%s<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" "
             "markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M 0 0 L 8 4 L 0 8 "
             "z\"/></marker></defs>\n<text class=\"title\" x=\"%d\" y=\"%d\">",
             style, MARGIN, MARGIN + 8);
    text_add_xml(out, d->model->name, 60);
    text_add(out, ", %lld parameters</text>\n", (long long)kiln_model_count_params(d->model));
    for (size_t i = 0; i < d->count; i++)
        for (int k = 0; k < d->items[i].above_count; k++)
            add_line(&d->items[i], &d->items[d->items[i].above[k]], out);
    for (size_t i = 0; i < d->count; i++)
        if (d->items[i].call >= 0)
            add_box(d, &d->items[i], out);
    text_add(out, "</svg>\n");
}

kiln_status model_plot(const kiln_model *model, text *out)
{
    drawing d = {.model = model};
    kiln_status status = make_items(&d);
    if (status == KILN_OK)
        status = make_rows(&d);
    if (status == KILN_OK) {
        arrange(&d);
        write_svg(&d, out);
        if (out->failed)
            status = KILN_ERROR_MEMORY;
    }
    free(d.items);
    free(d.row);
    free(d.row_begin);
    return status;
}

kiln_status kiln_plot_model(const kiln_model *model, const char *path)
{
    text out = {0};
    if (model == NULL || path == NULL)
        return kiln_fail_null("kiln_plot_model: model or path");
    kiln_status status = model_plot(model, &out);
    if (status == KILN_OK)
        status = file_write_atomic(path, out.data, out.length);
    text_free(&out);
    return status;
}
