/* The table of layers that Keras prints. */
#include "model/model.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MAX_COLUMNS 4

/* Text of a table: rows of cells. */
typedef struct table {
    int columns;
    int widths[MAX_COLUMNS]; /* of the text, without the blank on each side */
    bool right[MAX_COLUMNS];
} table;

/* Characters of UTF-8 in n bytes. */
static int characters(const char *bytes, size_t n)
{
    int count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)bytes[i] & 0xC0) != 0x80;
    return count;
}

/* Bytes of the first `count` characters. */
static size_t bytes_of(const char *bytes, int count)
{
    size_t i = 0;
    while (bytes[i]) {
        if (((unsigned char)bytes[i] & 0xC0) != 0x80 && count-- == 0)
            break;
        i++;
    }
    return i;
}

/* The bytes of the cell's next line: whole words while they fit, parts of a word that is longer
 * than a line by itself. */
static size_t line_of(const char *cell, int width)
{
    size_t taken = 0;
    while (cell[taken]) {
        size_t next = taken + strspn(cell + taken, " ");
        next += strcspn(cell + next, " ");
        if (characters(cell, next) > width)
            break;
        taken = next;
    }
    return taken ? taken : bytes_of(cell, width);
}

static void add_row(const table *t, const char *bar, char *const *cells, text *out)
{
    const char *rest[MAX_COLUMNS];
    bool more = true;
    for (int c = 0; c < t->columns; c++)
        rest[c] = cells[c];
    while (more) {
        more = false;
        for (int c = 0; c < t->columns; c++) {
            size_t n = line_of(rest[c], t->widths[c]);
            int pad = t->widths[c] - characters(rest[c], n);
            text_add(out, "%s %*s%.*s%*s ", bar, t->right[c] ? pad : 0, "", (int)n, rest[c],
                     t->right[c] ? 0 : pad, "");
            rest[c] += n;
            rest[c] += strspn(rest[c], " ");
            more |= *rest[c] != '\0';
        }
        text_add(out, "%s\n", bar);
    }
}

static void add_rule(const table *t, const char *left, const char *line, const char *cross,
                     const char *right, text *out)
{
    for (int c = 0; c < t->columns; c++) {
        text_add(out, "%s", c ? cross : left);
        for (int i = 0; i < t->widths[c] + 2; i++)
            text_add(out, "%s", line);
    }
    text_add(out, "%s\n", right);
}

/* Is every layer used once, on the output of the one before? Then Keras leaves the connections
 * out. */
static bool is_chain(const kiln_model *model)
{
    for (size_t i = 1; i < model->call_count; i++) {
        if (model->calls[i].input_count != 1 || model->calls[i].inputs[0] != (int)i - 1)
            return false;
        for (size_t k = 0; k < i; k++)
            if (model->calls[k].layer == model->calls[i].layer)
                return false;
    }
    return true;
}

/* Widths as Keras asks for them, and as the library that prints its tables makes them fit: the
 * padding and the bars are taken from all columns alike. */
static void set_widths(table *t, int width, const double *ends)
{
    int asked = 0, excess = 3 * t->columns + 1, left = t->columns;
    for (int c = 0; c < t->columns; c++) {
        int own = (int)(ends[c] * width) - asked;
        asked += own;
        int less = (int)rint((double)excess / left);
        excess -= less;
        left--;
        t->widths[c] = own - less > 1 ? own - less : 1;
    }
}

/* "101,770" */
static const char *with_commas(int64_t number, char buffer[32])
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%" PRId64, number), at = 0;
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0 && digits[i - 1] != '-')
            buffer[at++] = ',';
        buffer[at++] = digits[i];
    }
    buffer[at] = '\0';
    return buffer;
}

static void add_total(const char *what, int64_t count, text *out)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB"};
    double size = 4.0 * (double)count;
    int unit = 0;
    char number[32];
    while (size >= 1024 && unit < 5) {
        size /= 1024;
        unit++;
    }
    text_add(out, " %s: %s (%.2f %s)\n", what, with_commas(count, number), size, units[unit]);
}

static int64_t count_params(const kiln_layer *layer)
{
    int64_t count = 0;
    for (size_t i = 0; i < layer->weight_count; i++)
        if (!layer->weights[i]->constant)
            count += kiln_shape_size(layer->weights[i]->weight.shape);
    return count;
}

/* The layers whose outputs a layer's calls read: "dense[0][0], dense_1[0][0]". */
static void add_connections(const kiln_model *model, const kiln_layer *layer, text *out)
{
    for (size_t i = 0; i < model->call_count; i++) {
        const model_call *c = &model->calls[i];
        for (int k = 0; c->layer == layer && k < c->input_count; k++) {
            const kiln_layer *from = model->calls[c->inputs[k]].layer;
            int node = 0;
            for (int j = 0; j < c->inputs[k]; j++)
                node += model->calls[j].layer == from;
            text_add(out, "%s%s[%d][0]", out->length ? ", " : "", from->name, node);
        }
    }
    if (out->length == 0)
        text_add(out, "-");
}

/* "(None, 128)" */
static void add_shape(kiln_shape shape, text *out)
{
    text_add(out, "(None");
    for (int i = 0; i < shape.rank; i++)
        text_add(out, ", %lld", (long long)shape.dims[i]);
    text_add(out, ")");
}

static void add_layer(const kiln_model *model, const table *t, const kiln_layer *layer, text *out)
{
    text cells[MAX_COLUMNS] = {{0}};
    char *row[MAX_COLUMNS], number[32];
    text_add(&cells[0], "%s (%s)", layer->name, layer->cls->class_name);
    for (size_t i = model->call_count; i-- > 0;)
        if (model->calls[i].layer == layer) {
            add_shape(model->calls[i].shape, &cells[1]);
            break;
        }
    text_add(&cells[2], "%s", with_commas(count_params(layer), number));
    if (t->columns > 3)
        add_connections(model, layer, &cells[3]);
    for (int c = 0; c < t->columns; c++) {
        row[c] = cells[c].data ? cells[c].data : (char *)"";
        out->failed |= cells[c].failed;
    }
    add_row(t, "│", row, out);
    for (int c = 0; c < t->columns; c++)
        text_free(&cells[c]);
}

kiln_status model_summary(const kiln_model *model, int width, int64_t optimizer_params, text *out)
{
    static char *const header[] = {"Layer (type)", "Output Shape", "Param #", "Connected to"};
    bool chain = is_chain(model);
    table t = {.columns = chain ? 3 : 4, .right = {false, false, true, false}};
    int longest = chain ? 88 : 108;
    width = width - 4 < longest ? width - 4 : longest;
    set_widths(&t, width, chain ? (double[]){0.45, 0.80, 1} : (double[]){0.3, 0.56, 0.74, 1});
    text_add(out, "Model: \"%s\"\n", model->name);
    add_rule(&t, "┏", "━", "┳", "┓", out);
    add_row(&t, "┃", header, out);
    add_rule(&t, "┡", "━", "╇", "┩", out);
    int64_t total = 0, trainable = 0;
    bool first = true;
    for (size_t i = 0; i < model->layer_count; i++) {
        const kiln_layer *layer = model->layers[i];
        for (size_t k = 0; k < layer->weight_count; k++) {
            const layer_weight *w = layer->weights[k];
            if (w->constant)
                continue;
            total += kiln_shape_size(w->weight.shape);
            if (layer->trainable && w->weight.trainable)
                trainable += kiln_shape_size(w->weight.shape);
        }
        if (model->sequential && layer->cls == &input_class)
            continue;
        if (!first)
            add_rule(&t, "├", "─", "┼", "┤", out);
        add_layer(model, &t, layer, out);
        first = false;
    }
    add_rule(&t, "└", "─", "┴", "┘", out);
    add_total("Total params", total + (optimizer_params > 0 ? optimizer_params : 0), out);
    add_total("Trainable params", trainable, out);
    add_total("Non-trainable params", total - trainable, out);
    if (optimizer_params >= 0)
        add_total("Optimizer params", optimizer_params, out);
    return out->failed ? KILN_ERROR_MEMORY : KILN_OK;
}

kiln_status kiln_summary(kiln_model *model, FILE *stream)
{
    text out = {0};
    struct winsize size;
    if (model == NULL || stream == NULL)
        return kiln_fail_null("kiln_summary: model or stream");
    int width = 80;
    if (isatty(fileno(stream)) && ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 &&
        size.ws_col >= 40)
        width = size.ws_col;
    kiln_status status = model_summary(model, width, -1, &out);
    if (status == KILN_OK && (fputs(out.data, stream) == EOF || fflush(stream) != 0))
        status = kiln_fail(KILN_ERROR_FILE, "the summary could not be written");
    text_free(&out);
    return status;
}
