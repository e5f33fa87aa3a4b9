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

/* The bytes of the cell's next line: whole words while they fit. *cut: a word that is longer than
 * a line by itself, of which an ellipsis shows that there is more; *taken is the whole of it. */
static size_t line_of(const char *cell, int width, size_t *taken, bool *cut)
{
    *taken = 0;
    *cut = false;
    while (cell[*taken]) {
        size_t next = *taken + strspn(cell + *taken, " ");
        next += strcspn(cell + next, " ");
        if (characters(cell, next) > width) {
            *cut = *taken == 0;
            *taken = *cut ? next : *taken;
            break;
        }
        *taken = next;
    }
    return *cut ? bytes_of(cell, width - 1) : *taken;
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
            bool cut;
            size_t taken, n = line_of(rest[c], t->widths[c], &taken, &cut);
            int pad = t->widths[c] - characters(rest[c], n) - cut;
            text_add(out, "%s %*s%.*s%s%*s ", bar, t->right[c] ? pad : 0, "", (int)n, rest[c],
                     cut ? "…" : "", t->right[c] ? 0 : pad, "");
            rest[c] += taken;
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

/* Is every layer used once, on one output of the one before? Then Keras leaves the connections
 * out. */
static bool is_chain(const kiln_model *model)
{
    size_t before = 0; /* the first output of the last call */
    for (size_t i = 1; i < model->call_count; i++) {
        const model_call *c = &model->calls[i];
        if (c->output > 0)
            continue;
        if (c->input_count != 1 || (size_t)c->inputs[0] < before)
            return false;
        for (size_t k = 0; k < i; k++)
            if (model->calls[k].layer == c->layer)
                return false;
        before = i;
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

static int64_t own_params(const kiln_layer *layer)
{
    int64_t count = 0;
    for (size_t i = 0; i < layer->weight_count; i++)
        if (!layer->weights[i]->constant)
            count += kiln_shape_size(layer->weights[i]->weight.shape);
    return count;
}

int64_t model_count_layer_params(const kiln_layer *layer)
{
    const kiln_model *nested = model_within(layer);
    int64_t count = 0;
    if (nested == NULL)
        return own_params(layer);
    for (size_t i = 0; i < nested->leaf_count; i++)
        count += own_params(nested->leaves[i]);
    return count;
}

/* The layers whose outputs a layer's calls read: "dense[0][0], dense_1[0][0]". */
static void add_connections(const kiln_model *model, const kiln_layer *layer, text *out)
{
    for (size_t i = 0; i < model->call_count; i++) {
        const model_call *c = &model->calls[i];
        for (int k = 0; c->layer == layer && c->output == 0 && k < c->input_count; k++) {
            const model_call *from = &model->calls[c->inputs[k]];
            int node = 0;
            for (int j = 0; j < c->inputs[k]; j++)
                node += model->calls[j].layer == from->layer && model->calls[j].output == 0;
            node -= from->output > 0; /* its own first output */
            text_add(out, "%s%s[%d][%d]", out->length ? ", " : "", from->layer->name, node,
                     from->output);
        }
    }
    if (out->length == 0)
        text_add(out, "-");
}

/* "(None, 128)" */
static void add_shape(int64_t batch, kiln_shape shape, text *out)
{
    if (batch)
        text_add(out, "(%lld", (long long)batch);
    else
        text_add(out, "(None");
    for (int i = 0; i < shape.rank; i++)
        text_add(out, ", %lld", (long long)shape.dims[i]);
    text_add(out, ")");
}

/* What the last call of a layer makes: "(None, 128)", or "[(None, 128), (None, 2)]". */
static void add_shapes(const kiln_model *model, const kiln_layer *layer, text *out)
{
    int outputs = layer_output_count(layer);
    for (size_t i = model->call_count; i-- > 0;) {
        const model_call *c = &model->calls[i];
        if (c->layer != layer || c->output > 0)
            continue;
        if (outputs > 1)
            text_add(out, "[");
        for (int k = 0; k < outputs; k++) {
            text_add(out, "%s", k ? ", " : "");
            add_shape(c[k].batch, c[k].shape, out);
        }
        if (outputs > 1)
            text_add(out, "]");
        return;
    }
}

/* Is the layer in the table? Keras does not count the input layer of a sequential model. */
static bool has_row(const kiln_model *model, const kiln_layer *layer)
{
    return !(model->sequential && layer->cls == &input_class);
}

/* The row of a layer, and those of the layers nested in it. depth: how far it is nested itself. */
static void add_layer(const kiln_model *model, const table *t, const kiln_layer *layer, bool expand,
                      int depth, text *out)
{
    text cells[MAX_COLUMNS] = {{0}};
    char *row[MAX_COLUMNS], number[32];
    const kiln_model *nested = model_in(layer);
    text_add(&cells[0], "%*s%s%s (%s)", 3 * depth, "", depth ? "└ " : "", layer->name,
             layer->cls->class_name);
    add_shapes(model, layer, &cells[1]);
    text_add(&cells[2], "%s", with_commas(model_count_layer_params(layer), number));
    if (t->columns > 3 && depth == 0)
        add_connections(model, layer, &cells[3]);
    else if (t->columns > 3)
        text_add(&cells[3], "-");
    for (int c = 0; c < t->columns; c++) {
        row[c] = cells[c].data ? cells[c].data : (char *)"";
        out->failed |= cells[c].failed;
    }
    add_row(t, "│", row, out);
    for (int c = 0; c < t->columns; c++)
        text_free(&cells[c]);
    for (size_t i = 0; expand && nested && i < nested->layer_count; i++)
        if (has_row(nested, nested->layers[i])) {
            add_rule(t, "├", "─", "┼", "┤", out);
            add_layer(nested, t, nested->layers[i], expand, depth + 1, out);
        }
}

kiln_status model_summary(const kiln_model *model, int width, bool expand, int64_t optimizer_params,
                          text *out)
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
    for (size_t i = 0; i < model->leaf_count; i++) {
        const kiln_layer *layer = model->leaves[i];
        for (size_t k = 0; k < layer->weight_count; k++) {
            const layer_weight *w = layer->weights[k];
            if (w->constant)
                continue;
            total += kiln_shape_size(w->weight.shape);
            if (layer->trainable && w->weight.trainable)
                trainable += kiln_shape_size(w->weight.shape);
        }
    }
    for (size_t i = 0; i < model->layer_count; i++) {
        if (!has_row(model, model->layers[i]))
            continue;
        if (!first)
            add_rule(&t, "├", "─", "┼", "┤", out);
        add_layer(model, &t, model->layers[i], expand, 0, out);
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

kiln_status kiln_summary_with(kiln_model *model, FILE *stream, const kiln_summary_args *args)
{
    text out = {0};
    struct winsize size;
    if (model == NULL || stream == NULL)
        return kiln_fail_null("kiln_summary: model or stream");
    int width = 80;
    if (isatty(fileno(stream)) && ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 &&
        size.ws_col >= 40)
        width = size.ws_col;
    kiln_status status = model_summary(model, width, args->expand_nested == KILN_YES, -1, &out);
    if (status == KILN_OK && (fputs(out.data, stream) == EOF || fflush(stream) != 0))
        status = kiln_fail(KILN_ERROR_FILE, "the summary could not be written");
    text_free(&out);
    return status;
}

kiln_status kiln_summary(kiln_model *model, FILE *stream)
{
    return kiln_summary_with(model, stream, &(kiln_summary_args){.expand_nested = KILN_NO});
}
