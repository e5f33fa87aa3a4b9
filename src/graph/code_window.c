/* Windows: pooling and its gradients, each a loop over what a result's element needs. */
#include "graph/code_inside.h"
#include "op/conv.h"
#include "op/leaf.h"
#include "op/window.h"

#include <inttypes.h>

kiln_status code_coordinates(code *c, int d, kiln_shape shape, int axes, int lanes, const char *out,
                             char inner[SHORT], bool *done)
{
    const char *row, *column, *type = code_index_type(c);
    char space[2 * SHORT];
    int64_t width = 1, stride = 1;
    for (int a = axes; a < shape.rank; a++)
        width *= shape.dims[a];
    code_row_and_column(c, d, width, &row, &column, done, space);
    *done = lanes == 1 || (*done && width >= 16);
    snprintf(inner, SHORT, "%s", column);
    for (int a = axes; a-- > 0; stride *= shape.dims[a])
        if (shape.dims[a] == 1)
            text_add(&c->out, "const int %sc%d = 0;\n", out, a);
        else if (a == 0)
            text_add(&c->out, "const int %sc0 = (int)((%s)(%s) / %" PRId64 "u);\n", out, type, row,
                     stride);
        else
            text_add(&c->out, "const int %sc%d = (int)((%s)(%s) / %" PRId64 "u %% %" PRId64 "u);\n",
                     out, a, type, row, stride, shape.dims[a]);
    return c->out.failed ? KILN_ERROR_MEMORY : KILN_OK;
}

void code_read(code *c, const argument *a, int k, const char *inside, const char *index, int lanes,
               const char *name)
{
    char at[256];
    const char *zero = !inside ? "" : lanes == 16 ? " : (float16)(0.0f)" : " : 0.0f";
    text_add(&c->out, "const %s %s = %s%s", code_value_type(lanes), name, inside ? inside : "",
             inside ? " ? " : "");
    snprintf(at, sizeof at, "o%d + %s", k, index);
    code_element(c, a, k, at, lanes);
    text_add(&c->out, "%s;\n", zero);
}

/* What a window reads, by a function of the launch's. */
kiln_status code_conv_window(code *c, const ir_node *n, int d, int lanes, char *out)
{
    const char *row, *column;
    char space[2 * SHORT], name[SHORT + 12];
    bool done;
    argument a;
    int k;
    if (lanes != 1)
        return code_give_up(c, out);
    code_row_and_column(c, d, n->shape.dims[1], &row, &column, &done, space);
    KILN_TRY(code_source(c, n->inputs[0], &a));
    KILN_TRY(code_buffer(c, &a, &k));
    snprintf(out, SHORT, "v%d", c->next++);
    snprintf(name, sizeof name, "@_window_%s", out);
    blas_convolution v = op_conv_product(c->b->g, n);
    blas_convolution_window(&v, name, a.type, &c->l->source);
    text_add(&c->out, "const float %s = %s(p%d, o%d, 0, %s, %s);\n", out, name, k, k, row, column);
    return c->out.failed || c->l->source.failed ? KILN_ERROR_MEMORY : KILN_OK;
}

typedef struct window_code {
    code *c;
    op_window w;
    kiln_shape input, windows; /* (batch, axes..., channels) */
    const char *out;           /* begins all names */
    const char *type;          /* of indices */
    char channel[SHORT];
    int lanes;
} window_code;

/* "((b * L0 + a0) * L1 + a1) * C + channel", the coordinates being <out><letter><axis>. */
static void write_index(const window_code *x, kiln_shape shape, const char *letter, char *to,
                        size_t room)
{
    size_t at = (size_t)snprintf(to, room, "(%s)%sc0", x->type, x->out);
    char before[160];
    for (int a = 0; a < x->w.axes && at < room; a++) {
        snprintf(before, sizeof before, "%s", to);
        at = (size_t)snprintf(to, room, "(%s) * %" PRId64 "u + (uint)%s%s%d", before,
                              shape.dims[a + 1], x->out, letter, a);
    }
    snprintf(before, sizeof before, "%s", to);
    snprintf(to, room, "(%s) * %" PRId64 "u + %s", before, shape.dims[shape.rank - 1], x->channel);
}

/* Opens a loop for each axis over the elements <out>i<axis> of the window at <out>w<axis>. */
static void open_elements(const window_code *x)
{
    text *t = &x->c->out;
    for (int a = 0; a < x->w.axes; a++) {
        int64_t length = x->input.dims[a + 1], count = x->windows.dims[a + 1];
        text_add(t, "const int %ss%d = %sw%d * %" PRId64 " - %" PRId64 ";\n", x->out, a, x->out, a,
                 x->w.stride[a], x->w.before[a]);
        if (op_window_inside(&x->w, a, length, count)) /* as many each time: can be unrolled */
            text_add(t,
                     "for (int %sk%d = 0; %sk%d < %" PRId64
                     "; %sk%d++) {\nconst int %si%d = %ss%d + %sk%d;\n",
                     x->out, a, x->out, a, x->w.size[a], x->out, a, x->out, a, x->out, a, x->out,
                     a);
        else
            text_add(t,
                     "for (int %si%d = max(%ss%d, 0); %si%d < min(%ss%d + %" PRId64 ", %" PRId64
                     "); %si%d++) {\n",
                     x->out, a, x->out, a, x->out, a, x->out, a, x->w.size[a], length, x->out, a);
    }
}

static void close_loops(const window_code *x)
{
    for (int a = 0; a < x->w.axes; a++)
        text_add(&x->c->out, "}\n");
}

/* Opens a loop for each axis over the windows <out>w<axis> that cover the element <out>c<axis + 1>.
 */
static void open_windows(const window_code *x)
{
    for (int a = 0; a < x->w.axes; a++) {
        int64_t size = x->w.size[a], stride = x->w.stride[a], before = x->w.before[a],
                count = x->windows.dims[a + 1];
        text_add(&x->c->out,
                 "for (int %sw%d = max((%sc%d + %" PRId64 ") / %" PRId64
                 ", 0); %sw%d <= min((%sc%d + %" PRId64 ") / %" PRId64 ", %" PRId64
                 "); %sw%d++) {\n",
                 x->out, a, x->out, a + 1, before - size + stride, stride, x->out, a, x->out, a + 1,
                 before, stride, count - 1, x->out, a);
    }
}

/* " / (float)(elements of the window at <out>w<axis> that lie in the input)" */
static void write_share(const window_code *x)
{
    text *t = &x->c->out;
    text_add(t, " / (%s)((float)(1", code_value_type(x->lanes));
    for (int a = 0; a < x->w.axes; a++) {
        int64_t stride = x->w.stride[a], before = x->w.before[a], size = x->w.size[a];
        if (op_window_inside(&x->w, a, x->input.dims[a + 1], x->windows.dims[a + 1]))
            text_add(t, " * %" PRId64, size);
        else
            text_add(t,
                     " * (min(%sw%d * %" PRId64 " + %" PRId64 ", %" PRId64
                     ") - max(%sw%d * %" PRId64 " - %" PRId64 ", 0))",
                     x->out, a, stride, size - before, x->input.dims[a + 1], x->out, a, stride,
                     before);
    }
    text_add(t, "))");
}

static kiln_status pool(window_code *x, const ir_node *n)
{
    code *c = x->c;
    const char *v = x->out;
    argument a;
    int k;
    char index[200], name[SHORT];
    KILN_TRY(code_source(c, n->inputs[0], &a));
    KILN_TRY(code_buffer(c, &a, &k));
    bool max = n->attr.integer[0] == POOL_MAX;
    text_add(&c->out, "%s %s = (%s)(%s);\n", code_value_type(x->lanes), v,
             code_value_type(x->lanes), max ? "-INFINITY" : "0.0f");
    for (int i = 0; i < x->w.axes; i++)
        text_add(&c->out, "const int %sw%d = %sc%d;\n", v, i, v, i + 1);
    open_elements(x);
    write_index(x, x->input, "i", index, sizeof index);
    snprintf(name, sizeof name, "%st", v);
    code_read(c, &a, k, NULL, index, x->lanes, name);
    if (max)
        text_add(&c->out, "%s = ((%s > %s) || (%s != %s)) ? %s : %s;\n", v, v, name, v, v, v, name);
    else
        text_add(&c->out, "%s += %s;\n", v, name);
    close_loops(x);
    if (n->attr.integer[0] == POOL_AVERAGE) {
        text_add(&c->out, "%s = %s", v, v);
        write_share(x);
        text_add(&c->out, ";\n");
    }
    return KILN_OK;
}

static kiln_status unpool(window_code *x, const ir_node *n)
{
    code *c = x->c;
    const char *v = x->out;
    argument a;
    int k;
    char index[200], name[SHORT];
    KILN_TRY(code_source(c, n->inputs[0], &a));
    KILN_TRY(code_buffer(c, &a, &k));
    text_add(&c->out, "%s %s = (%s)(0.0f);\n", code_value_type(x->lanes), v,
             code_value_type(x->lanes));
    open_windows(x);
    write_index(x, x->windows, "w", index, sizeof index);
    snprintf(name, sizeof name, "%st", v);
    code_read(c, &a, k, NULL, index, x->lanes, name);
    text_add(&c->out, "%s += %s", v, name);
    if (n->attr.integer[0] == POOL_AVERAGE)
        write_share(x);
    text_add(&c->out, ";\n");
    close_loops(x);
    return KILN_OK;
}

/* The number of the element <out>i<axis> in the window that begins at <out>s<axis>. */
static void write_number(const window_code *x, char *to, size_t room)
{
    char before[120];
    snprintf(to, room, "0");
    for (int a = 0; a < x->w.axes; a++) {
        snprintf(before, sizeof before, "%.100s", to);
        snprintf(to, room, "(%s) * %" PRId64 " + %si%d - %ss%d", before, x->w.size[a], x->out, a,
                 x->out, a);
    }
}

/* The first element that the largest is equal to. */
static kiln_status max_index(window_code *x, const ir_node *n, int d)
{
    code *c = x->c;
    const char *v = x->out, *type = code_value_type(x->lanes);
    argument a;
    int k;
    char index[200], name[SHORT], largest[SHORT];
    KILN_TRY(code_source(c, n->inputs[0], &a));
    KILN_TRY(code_buffer(c, &a, &k));
    KILN_TRY(code_value_at(c, n->inputs[1], d, x->lanes, largest));
    text_add(&c->out, "%s %s = (%s)(-1.0f);\n", type, v, type);
    for (int i = 0; i < x->w.axes; i++)
        text_add(&c->out, "const int %sw%d = %sc%d;\n", v, i, v, i + 1);
    open_elements(x);
    write_index(x, x->input, "i", index, sizeof index);
    snprintf(name, sizeof name, "%st", v);
    code_read(c, &a, k, NULL, index, x->lanes, name);
    write_number(x, index, sizeof index);
    text_add(&c->out, "%s = ((%s < (%s)(0.0f)) && (%s == %s)) ? (%s)((float)(%s)) : %s;\n", v, v,
             type, name, largest, type, index, v);
    close_loops(x);
    text_add(&c->out, "%s = fmax(%s, (%s)(0.0f));\n", v, v, type); /* NaN is equal to nothing */
    return KILN_OK;
}

/* An element takes the gradient of the windows whose largest it is. */
static kiln_status max_gradient(window_code *x, const ir_node *n)
{
    code *c = x->c;
    const char *v = x->out, *type = code_value_type(x->lanes);
    argument a[2];
    int k[2];
    char index[200], name[SHORT];
    for (int i = 0; i < 2; i++) {
        KILN_TRY(code_source(c, n->inputs[i], &a[i]));
        KILN_TRY(code_buffer(c, &a[i], &k[i]));
    }
    text_add(&c->out, "%s %s = (%s)(0.0f);\n", type, v, type);
    for (int i = 0; i < x->w.axes; i++)
        text_add(&c->out, "const int %si%d = %sc%d;\n", v, i, v, i + 1);
    open_windows(x);
    for (int i = 0; i < x->w.axes; i++)
        text_add(&c->out, "const int %ss%d = %sw%d * %" PRId64 " - %" PRId64 ";\n", v, i, v, i,
                 x->w.stride[i], x->w.before[i]);
    write_index(x, x->windows, "w", index, sizeof index);
    text_add(&c->out, "const %s %so = %s;\n", x->type, v, index);
    snprintf(index, sizeof index, "%so", v);
    snprintf(name, sizeof name, "%sn", v);
    code_read(c, &a[0], k[0], NULL, index, x->lanes, name);
    snprintf(name, sizeof name, "%sg", v);
    code_read(c, &a[1], k[1], NULL, index, x->lanes, name);
    write_number(x, index, sizeof index);
    text_add(&c->out, "%s += (%sn == (%s)((float)(%s))) ? %sg : (%s)(0.0f);\n", v, v, type, index,
             v, type);
    close_loops(x);
    return KILN_OK;
}

/* Opens a loop for each axis over the taps <out>k<axis>, at the elements <out>i<axis> that they
 * read of the window at <out>c<axis + 1>; or (back) the windows <out>w<axis> in which they read the
 * element <out>c<axis + 1>. */
static void open_taps(const window_code *x, bool back)
{
    text *t = &x->c->out;
    const char *v = x->out;
    for (int a = 0; a < x->w.axes; a++) {
        int64_t length = x->input.dims[a + 1], count = x->windows.dims[a + 1];
        text_add(t, "for (int %sk%d = 0; %sk%d < %" PRId64 "; %sk%d++) {\n", v, a, v, a,
                 x->w.size[a], v, a);
        if (!back) {
            text_add(
                t, "const int %si%d = %sc%d * %" PRId64 " - (%" PRId64 ") + %sk%d * %" PRId64 ";\n",
                v, a, v, a + 1, x->w.stride[a], x->w.before[a], v, a, x->w.dilation[a]);
            if (!op_window_inside(&x->w, a, length, count))
                text_add(t, "if (%si%d < 0 || %si%d >= %" PRId64 ")\n    continue;\n", v, a, v, a,
                         length);
            continue;
        }
        text_add(t,
                 "const int %sp%d = %sc%d + (%" PRId64 ") - %sk%d * %" PRId64 ";\n"
                 "const int %sw%d = %sp%d / %" PRId64 ";\n"
                 "if (%sp%d < 0 || %sw%d * %" PRId64 " != %sp%d || %sw%d >= %" PRId64
                 ")\n    continue;\n",
                 v, a, v, a + 1, x->w.before[a], v, a, x->w.dilation[a], v, a, v, a, x->w.stride[a],
                 v, a, v, a, x->w.stride[a], v, a, v, a, count);
    }
}

/* Sums over taps, each with its weight: of a window's elements, or (back) of the windows that an
 * element is in. */
static kiln_status weighted(window_code *x, const ir_node *n, bool back)
{
    code *c = x->c;
    const char *v = x->out, *type = code_value_type(x->lanes);
    argument a[2];
    int k[2];
    char index[200], name[SHORT];
    kiln_shape map = back ? x->windows : x->input;
    for (int i = 0; i < 2; i++) {
        KILN_TRY(code_source(c, n->inputs[i], &a[i]));
        KILN_TRY(code_buffer(c, &a[i], &k[i]));
    }
    text_add(&c->out, "%s %s = (%s)(0.0f);\n", type, v, type);
    open_taps(x, back);
    write_index(x, map, back ? "w" : "i", index, sizeof index);
    snprintf(name, sizeof name, "%sx", v);
    code_read(c, &a[0], k[0], NULL, index, x->lanes, name);
    char number[120] = "0", before[100];
    for (int i = 0; i < x->w.axes; i++) {
        snprintf(before, sizeof before, "%.90s", number);
        snprintf(number, sizeof number, "(%.60s) * %" PRId64 " + %sk%d", before, x->w.size[i], v,
                 i);
    }
    snprintf(index, sizeof index, "(uint)(%s) * %" PRId64 "u + %s", number, map.dims[map.rank - 1],
             x->channel);
    snprintf(name, sizeof name, "%sf", v);
    code_read(c, &a[1], k[1], NULL, index, x->lanes, name);
    text_add(&c->out, "%s = fma(%sx, %sf, %s);\n", v, v, v, v);
    close_loops(x);
    return KILN_OK;
}

/* What one tap reads. */
static kiln_status tap(window_code *x, const ir_node *n)
{
    code *c = x->c;
    const char *v = x->out;
    argument a;
    int k;
    char index[200], name[SHORT], inside[SHORT];
    KILN_TRY(code_source(c, n->inputs[0], &a));
    KILN_TRY(code_buffer(c, &a, &k));
    bool all = true;
    for (int i = 0; i < x->w.axes; i++) {
        text_add(&c->out, "const int %si%d = %sc%d * %" PRId64 " + (%" PRId64 ");\n", v, i, v,
                 i + 1, x->w.stride[i], n->attr.more.dims[i] * x->w.dilation[i] - x->w.before[i]);
        all &= op_window_inside(&x->w, i, x->input.dims[i + 1], x->windows.dims[i + 1]);
    }
    snprintf(inside, sizeof inside, "%sb", v);
    if (!all) {
        text_add(&c->out, "const bool %s = true", inside);
        for (int i = 0; i < x->w.axes; i++)
            text_add(&c->out, " && %si%d >= 0 && %si%d < %" PRId64, v, i, v, i,
                     x->input.dims[i + 1]);
        text_add(&c->out, ";\n");
    }
    write_index(x, x->input, "i", index, sizeof index);
    snprintf(name, sizeof name, "%sx", v);
    code_read(c, &a, k, all ? NULL : inside, index, x->lanes, name);
    text_add(&c->out, "const %s %s = %s;\n", code_value_type(x->lanes), v, name);
    return KILN_OK;
}

kiln_status code_window(code *c, ir_id id, int d, int lanes, char *out)
{
    const ir_node *n = &c->b->g->items[id];
    kiln_shape of = c->b->g->items[n->inputs[0]].shape;
    window_code x = {.c = c, .w = op_window_of(&n->attr), .out = out, .lanes = lanes};
    bool done;
    snprintf(out, SHORT, "v%d", c->next++);
    bool forward = n->op == &op_desc_pool || n->op == &op_desc_max_pool_index ||
                   n->op == &op_desc_depthwise || n->op == &op_desc_window_tap;
    x.input = forward ? of : n->shape;
    x.windows = forward ? n->shape : of;
    x.type = c->wide_index || kiln_shape_size(x.input) >= INT32_MAX ||
                     kiln_shape_size(x.windows) >= INT32_MAX
                 ? "ulong"
                 : "uint";
    KILN_TRY(code_coordinates(c, d, n->shape, x.w.axes + 1, lanes, out, x.channel, &done));
    if (!done)
        return code_give_up(c, out);
    KILN_TRY(n->op == &op_desc_pool             ? pool(&x, n)
             : n->op == &op_desc_depthwise      ? weighted(&x, n, false)
             : n->op == &op_desc_depthwise_back ? weighted(&x, n, true)
             : n->op == &op_desc_window_tap     ? tap(&x, n)
             : n->op == &op_desc_max_pool_index ? max_index(&x, n, d)
             : n->op == &op_desc_unpool         ? unpool(&x, n)
                                                : max_gradient(&x, n));
    return c->out.failed ? KILN_ERROR_MEMORY : KILN_OK;
}
