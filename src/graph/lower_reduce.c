/* Kernels of reductions: along rows, or down columns. On a device with serial kernels a work-item
 * does a run of rows or sixteen columns; elsewhere it does one. */
#include "graph/lower_inside.h"
#include "op/leaf.h"

#include <inttypes.h>

#define SUMS (1 + CLUSTER_MORE_SUMS)
typedef struct names {
    char of[SUMS][24];
} names;

static int count_of(const builder *b, int number)
{
    return 1 + b->clusters[number].also_count;
}

static ir_id anchor_of(const builder *b, int number, int k)
{
    return k == 0 ? b->clusters[number].anchor : b->clusters[number].also[k - 1];
}

/* The statements of the values in front of a cluster's reductions, and the names they have at their
 * end. */
static kiln_status input_text(builder *b, launch *l, int number, int lanes, const domain *d,
                              text *out, names *name, bool *done)
{
    bool scalar_only = false;
    int arguments = l->argument_count;
    code *c = code_new(b, l, number, lanes, d);
    kiln_status status = c ? KILN_OK : KILN_ERROR_MEMORY;
    for (int k = 0; k < count_of(b, number) && status == KILN_OK && !scalar_only; k++)
        status = code_value(c, b->g->items[anchor_of(b, number, k)].inputs[0], name->of[k],
                            &scalar_only);
    *done = !scalar_only;
    if (status == KILN_OK && *done)
        text_add(out, "%s", code_text(c));
    else
        l->argument_count = arguments;
    code_free(c);
    return status;
}

/* The accumulator of the k-th reduction: a, a1, a2, ... */
static const char *numbered(const char *a, int k, char room[24])
{
    if (k == 0)
        snprintf(room, 24, "%s", a);
    else
        snprintf(room, 24, "%s%d", a, k);
    return room;
}

typedef enum join_kind { JOIN_SUM, JOIN_MAX, JOIN_MIN, JOIN_EXP } join_kind;

static const char *join_start(join_kind k)
{
    return k == JOIN_MAX ? "-INFINITY" : k == JOIN_MIN ? "INFINITY" : "0.0f";
}

/* Statement: value x joins accumulator a. NaN stays. JOIN_EXP adds exp(x - m). */
static void join(text *t, join_kind k, const char *a, const char *x)
{
    if (k == JOIN_MAX || k == JOIN_MIN)
        text_add(t, "%s = ((%s %s %s) || (%s != %s)) ? %s : %s;\n", a, a, k == JOIN_MAX ? ">" : "<",
                 x, a, a, a, x);
    else if (k == JOIN_EXP)
        text_add(t, "%s += exp(%s - m);\n", a, x);
    else
        text_add(t, "%s += %s;\n", a, x);
}

typedef struct reduce_text {
    text wide, narrow;
    names wide_name, narrow_name;
    bool vector;
    int count; /* of reductions */
} reduce_text;

/* Joins a row of `width` elements (inner index c, element i = r * width + c) into `a` (and a1,
 * ...), which it declares. */
static void row_pass(text *t, const reduce_text *x, join_kind k, const char *a, int64_t width,
                     const char *type)
{
    char n[24], m[24], lane[32];
    for (int i = 0; i < x->count; i++)
        text_add(t, "    float %s = %s;\n", numbered(a, i, n), join_start(k));
    text_add(t, "    {\n    %s c = 0;\n", type);
    if (x->vector) {
        for (int i = 0; i < x->count; i++)
            text_add(t, "    float16 %s = (float16)(%s);\n", numbered("w", i, n), join_start(k));
        text_add(t,
                 "    for (; c + 16 <= %" PRId64 "u; c += 16) {\nconst %s i = r * %" PRId64
                 "u + c;\n%s",
                 width, type, width, x->wide.data);
        for (int i = 0; i < x->count; i++)
            join(t, k, numbered("w", i, n), x->wide_name.of[i]);
        text_add(t, "    }\n");
        for (int i = 0; i < x->count; i++)
            text_add(t, "    float %s[16];\n    vstore16(%s, 0, %s);\n", numbered("lane", i, n),
                     numbered("w", i, m), n);
        text_add(t, "    for (int j = 0; j < 16; j++) {\n");
        for (int i = 0; i < x->count; i++) {
            snprintf(lane, sizeof lane, "%s[j]", numbered("lane", i, m));
            join(t, k == JOIN_EXP ? JOIN_SUM : k, numbered(a, i, n), lane);
        }
        text_add(t, "    }\n");
    }
    if (!x->vector || width % 16 != 0) {
        text_add(t, "    for (; c < %" PRId64 "u; c++) {\nconst %s i = r * %" PRId64 "u + c;\n%s",
                 width, type, width, x->narrow.data);
        for (int i = 0; i < x->count; i++)
            join(t, k, numbered(a, i, n), x->narrow_name.of[i]);
        text_add(t, "    }\n");
    }
    text_add(t, "    }\n");
}

/* Along rows: the reduced axes are the last. */
static kiln_status lower_rows(builder *b, launch *l, int number, int64_t rows, int64_t width,
                              const char *type)
{
    const ir_node *n = &b->g->items[b->clusters[number].anchor];
    op_reduction r = (op_reduction)(n->op - op_desc_reduce);
    reduce_text x = {.count = count_of(b, number)};
    text body = {0}, result = {0};
    domain d = {.shape = b->g->items[n->inputs[0]].shape,
                .flat = "i",
                .outer = "r",
                .inner = "c",
                .width = width};
    domain after = {.shape = n->shape, .flat = "r"};
    bool serial = b->device->serial_kernels, done;
    kiln_status status = KILN_OK;
    if (serial && width >= 32 && r != R_ARGMAX)
        status = input_text(b, l, number, 16, &d, &x.wide, &x.wide_name, &x.vector);
    if (status == KILN_OK)
        status = input_text(b, l, number, 1, &d, &x.narrow, &x.narrow_name, &done);
    lower_result job = {b->clusters[number].anchor, "a", b->clusters[number].also,
                        b->clusters[number].also_count};
    if (status == KILN_OK)
        status = lower_emit(b, l, number, 1, &after, lower_emit_result, &job, &result, &done);
    int64_t share = serial ? (width >= 1024 ? 1 : 1024 / width) : 1;
    if (serial && rows / share < 8)
        share = rows / 8 > 0 ? rows / 8 : 1;
    if (lower_chain(b, number))
        share = rows / lower_chain(b, number)->rows * lower_chain(b, number)->block;
    if (serial)
        text_add(&body,
                 "    const %s r0 = (%s)item * %" PRId64 "u, r1 = min(r0 + %" PRId64
                 "u, (%s)%" PRId64 "u);\n    for (%s r = r0; r < r1; r++) {\n",
                 type, type, share, share, type, rows, type);
    else
        text_add(&body, "    const %s r = (%s)item;\n    if (r < %" PRId64 "u) {\n", type, type,
                 rows);
    if (r == R_LOGSUMEXP) {
        row_pass(&body, &x, JOIN_MAX, "top", width, type);
        text_add(&body, "    const float m = fabs(top) <= FLT_MAX ? top : 0.0f;\n");
        row_pass(&body, &x, JOIN_EXP, "sum", width, type);
        text_add(&body, "    const float a = m + log(sum);\n");
    } else if (r == R_ARGMAX) {
        text_add(&body,
                 "    float top = -INFINITY;\n    %s at = 0;\n    for (%s c = 0; c < %" PRId64
                 "u; c++) {\nconst %s i = r * %" PRId64 "u + c;\n%s",
                 type, type, width, type, width, x.narrow.data ? x.narrow.data : "");
        text_add(&body,
                 "        if (%s > top) {\n            top = %s;\n            at = c;\n        }\n "
                 "   }\n    const float a = (float)at;\n",
                 x.narrow_name.of[0], x.narrow_name.of[0]);
    } else {
        row_pass(&body, &x,
                 r == R_MAX   ? JOIN_MAX
                 : r == R_MIN ? JOIN_MIN
                              : JOIN_SUM,
                 "a", width, type);
    }
    text_add(&body, "%s    }\n", result.data ? result.data : "");
    if (status == KILN_OK)
        status = body.failed || x.wide.failed || x.narrow.failed
                     ? KILN_ERROR_MEMORY
                     : launch_finish(l, body.data, (size_t)((rows + share - 1) / share),
                                     serial ? 1 : 64);
    text_free(&x.wide);
    text_free(&x.narrow);
    text_free(&body);
    text_free(&result);
    return status;
}

/* One pass down the columns: accumulators a, a1, ... (of `lanes` columns from c on) over k. */
static void column_pass(text *t, const char *value, const names *name, int count, join_kind k,
                        const char *a, int lanes, int64_t depth, int64_t width, const char *type)
{
    const char *v = lanes == 16 ? "float16" : "float";
    char n[24];
    for (int i = 0; i < count; i++)
        text_add(t, "    %s %s = (%s)(%s);\n", v, numbered(a, i, n), v, join_start(k));
    text_add(t,
             "    for (%s k = 0; k < %" PRId64 "u; k++) {\nconst %s r = o * %" PRId64
             "u + k;\nconst %s i = r * %" PRId64 "u + c;\n%s",
             type, depth, type, depth, type, width, value);
    for (int i = 0; i < count; i++)
        join(t, k, numbered(a, i, n), name->of[i]);
    text_add(t, "    }\n");
}

/* Statements for `lanes` columns from c on of block o. */
static kiln_status columns_text(builder *b, launch *l, int number, int lanes, int64_t depth,
                                int64_t width, const char *type, text *out, bool *done)
{
    const ir_node *n = &b->g->items[b->clusters[number].anchor];
    op_reduction r = (op_reduction)(n->op - op_desc_reduce);
    domain d = {.shape = b->g->items[n->inputs[0]].shape,
                .flat = "i",
                .outer = "r",
                .inner = "c",
                .width = width};
    domain after = {.shape = n->shape, .flat = "e", .outer = "o", .inner = "c", .width = width};
    text value = {0}, result = {0};
    names name;
    int count = count_of(b, number);
    *done = false;
    kiln_status status = r == R_ARGMAX && lanes == 16
                             ? KILN_OK
                             : input_text(b, l, number, lanes, &d, &value, &name, done);
    if (status == KILN_OK && *done) {
        lower_result job = {b->clusters[number].anchor, "a", b->clusters[number].also,
                            b->clusters[number].also_count};
        status = lower_emit(b, l, number, lanes, &after, lower_emit_result, &job, &result, done);
    }
    if (status == KILN_OK && *done) {
        const char *v = lanes == 16 ? "float16" : "float", *x = value.data ? value.data : "";
        if (r == R_LOGSUMEXP) {
            column_pass(out, x, &name, count, JOIN_MAX, "top", lanes, depth, width, type);
            text_add(out, "    const %s m = (fabs(top) <= (%s)(FLT_MAX)) ? top : (%s)(0.0f);\n", v,
                     v, v);
            column_pass(out, x, &name, count, JOIN_EXP, "sum", lanes, depth, width, type);
            text_add(out, "    const %s a = m + log(sum);\n", v);
        } else if (r == R_ARGMAX) {
            text_add(out,
                     "    float top = -INFINITY;\n    %s at = 0;\n    for (%s k = 0; k < %" PRId64
                     "u; k++) {\nconst %s r = o * %" PRId64 "u + k;\nconst %s i = r * %" PRId64
                     "u + c;\n%s",
                     type, type, depth, type, depth, type, width, x);
            text_add(out,
                     "        if (%s > top) {\n            top = %s;\n            at = k;\n        "
                     "}\n    }\n    const float a = (float)at;\n",
                     name.of[0], name.of[0]);
        } else {
            column_pass(out, x, &name, count,
                        r == R_MAX   ? JOIN_MAX
                        : r == R_MIN ? JOIN_MIN
                                     : JOIN_SUM,
                        "a", lanes, depth, width, type);
        }
        text_add(out, "const %s e = o * %" PRId64 "u + c;\n%s", type, width,
                 result.data ? result.data : "");
    }
    text_free(&value);
    text_free(&result);
    return status;
}

/* Down columns: `width` elements lie between two that are joined. */
static kiln_status lower_columns(builder *b, launch *l, int number, int64_t outer, int64_t depth,
                                 int64_t width, const char *type)
{
    text wide = {0}, narrow = {0}, body = {0};
    bool vector = false, done = false, serial = b->device->serial_kernels;
    kiln_status status = KILN_OK;
    if (serial && width >= 16)
        status = columns_text(b, l, number, 16, depth, width, type, &wide, &vector);
    if (status == KILN_OK)
        status = columns_text(b, l, number, 1, depth, width, type, &narrow, &done);
    int64_t block = serial ? 16 : 1, blocks = (width + block - 1) / block;
    text_add(&body,
             "    const %s o = (%s)item / %" PRId64 "u;\n    %s c = ((%s)item %% %" PRId64
             "u) * %" PRId64 "u;\n",
             type, type, blocks, type, type, blocks, block);
    if (serial) {
        text_add(&body, "    const %s c1 = min(c + 16u, (%s)%" PRId64 "u);\n", type, type, width);
        if (vector)
            text_add(&body, "    if (c + 16 == c1) {\n%s    } else\n", wide.data);
        text_add(&body, "    for (; c < c1; c++) {\n%s    }\n", narrow.data ? narrow.data : "");
    } else {
        text_add(&body, "    if (o < %" PRId64 "u) {\n%s    }\n", outer,
                 narrow.data ? narrow.data : "");
    }
    if (status == KILN_OK)
        status = body.failed || wide.failed || narrow.failed
                     ? KILN_ERROR_MEMORY
                     : launch_finish(l, body.data, (size_t)(outer * blocks), serial ? 1 : 64);
    text_free(&wide);
    text_free(&narrow);
    text_free(&body);
    return status;
}

kiln_status lower_reduce(builder *b, int number)
{
    const ir_node *n = &b->g->items[b->clusters[number].anchor];
    kiln_shape shape = b->g->items[n->inputs[0]].shape;
    int64_t outer = 1, depth = 1, width = 1;
    for (int k = 0; k < shape.rank; k++)
        *(k < n->attr.integer[0]    ? &outer
          : k <= n->attr.integer[1] ? &depth
                                    : &width) *= shape.dims[k];
    launch *l = lower_launch(b, number);
    if (l == NULL)
        return KILN_ERROR_MEMORY;
    const char *type = kiln_shape_size(shape) >= INT32_MAX ? "ulong" : "uint";
    l->flops = (double)kiln_shape_size(shape);
    return width == 1 ? lower_rows(b, l, number, outer, depth, type)
                      : lower_columns(b, l, number, outer, depth, width, type);
}
