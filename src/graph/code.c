/* Expressions: OpenCL C statements that compute a node at an index, one value or sixteen at once.
 */
#include "graph/inside.h"
#include "op/leaf.h"

#include <inttypes.h>
#include <string.h>

#define SHORT 24

typedef struct memo {
    ir_id node;
    int domain, lanes;
    char name[SHORT];
} memo;

struct code {
    builder *b;
    launch *l;
    int cluster, lanes;
    text out;
    int next; /* number of the next variable */
    bool scalar_only;
    bool wide_index;
    struct {
        domain *items;
        size_t count, capacity;
    } domains;
    struct {
        memo *items;
        size_t count, capacity;
    } memos;
};

static kiln_status value(code *c, ir_id id, int d, int lanes, char *out);

code *code_new(builder *b, launch *l, int number, int lanes, const domain *d)
{
    code *c = mem_new(1, sizeof *c);
    if (c == NULL)
        return NULL;
    *c = (code){.b = b, .l = l, .cluster = number, .lanes = lanes};
    c->wide_index = kiln_shape_size(d->shape) >= INT32_MAX;
    if (MEM_PUSH_ROOM(&c->domains) != KILN_OK) {
        code_free(c);
        return NULL;
    }
    c->domains.items[c->domains.count++] = *d;
    return c;
}

void code_free(code *c)
{
    if (c == NULL)
        return;
    text_free(&c->out);
    free(c->domains.items);
    free(c->memos.items);
    free(c);
}

const char *code_text(const code *c)
{
    return c->out.data ? c->out.data : "";
}

static kiln_status remember(code *c, ir_id node, int d, int lanes, const char *name)
{
    KILN_TRY(MEM_PUSH_ROOM(&c->memos));
    memo *m = &c->memos.items[c->memos.count++];
    *m = (memo){.node = node, .domain = d, .lanes = lanes};
    snprintf(m->name, sizeof m->name, "%s", name);
    return KILN_OK;
}

kiln_status code_set(code *c, ir_id node, const char *name)
{
    return remember(c, node, 0, c->lanes, name);
}

static const char *value_type(int lanes)
{
    return lanes == 16 ? "float16" : "float";
}

static const char *index_type(const code *c)
{
    return c->wide_index ? "ulong" : "uint";
}

static kiln_status give_up(code *c, char *out)
{
    c->scalar_only = true;
    snprintf(out, SHORT, "0.0f");
    return KILN_OK;
}

/* ---- index arithmetic ---- */

/* The position that strides give to the axes first..last of a shape whose row-major position over
 * those axes is `flat`. *scale is its distance when it is a plain multiple of flat (0: it does not
 * move), else -1. */
static void axes_index(text *t, kiln_shape shape, int first, int last, const char *flat,
                       const int64_t *strides, int64_t *scale)
{
    int64_t row[KILN_MAX_RANK], run = 1;
    bool zero = true, plain = true;
    int64_t s = -1;
    for (int k = last; k >= first; k--) {
        row[k] = run;
        if (shape.dims[k] > 1) {
            zero &= strides[k] == 0;
            if (s < 0 && strides[k] >= 0 && strides[k] % run == 0)
                s = strides[k] / run;
            plain &= s >= 0 && strides[k] == s * run;
        }
        run *= shape.dims[k];
    }
    if (zero) {
        *scale = 0;
        text_add(t, "0");
    } else if (plain) {
        *scale = s;
        if (s == 1)
            text_add(t, "%s", flat);
        else
            text_add(t, "%s * %" PRId64 "u", flat, s);
    } else {
        *scale = -1;
        const char *plus = "";
        for (int k = first; k <= last; k++) {
            if (shape.dims[k] == 1 || strides[k] == 0)
                continue;
            text_add(t, "%s%s", plus, "(");
            if (row[k] == 1)
                text_add(t, "%s", flat);
            else
                text_add(t, "%s / %" PRId64 "u", flat, row[k]);
            if (k > first)
                text_add(t, " %% %" PRId64 "u", shape.dims[k]);
            text_add(t, ") * %" PRId64 "%s", strides[k] < 0 ? -strides[k] : strides[k],
                     strides[k] < 0 ? " * -1" : "u");
            plus = " + ";
        }
    }
}

/* The first axis that `inner` covers, or 0 with everything inner when the split is not on an axis.
 */
static int inner_axis(const domain *d, kiln_shape shape, const char **outer, const char **inner)
{
    if (d->inner[0]) {
        int64_t run = 1;
        for (int q = shape.rank; q-- > 0;) {
            run *= shape.dims[q];
            if (run == d->width && (q == 0 || shape.dims[q] > 1 || d->width == 1)) {
                *outer = d->outer;
                *inner = d->inner;
                return q;
            }
            if (run > d->width)
                break;
        }
    }
    *outer = "0";
    *inner = d->flat;
    return 0;
}

/* Emits the position that strides (by axis of the node's shape) give at a domain. *lanes becomes 1
 * when all sixteen lanes share one position. split: whether the domain's inner part falls on axes
 * of the shape. */
static kiln_status strided(code *c, int d, kiln_shape shape, const int64_t *strides, int64_t offset,
                           int *lanes, char *out)
{
    const char *outer, *inner;
    int q = inner_axis(&c->domains.items[d], shape, &outer, &inner);
    bool split = inner == c->domains.items[d].inner || c->domains.items[d].inner[0] == '\0';
    text a = {0}, z = {0};
    int64_t outer_scale = 0, inner_scale = 0;
    if (q > 0)
        axes_index(&a, shape, 0, q - 1, outer, strides, &outer_scale);
    axes_index(&z, shape, q, shape.rank - 1, inner, strides, &inner_scale);
    if (*lanes == 16) {
        if (inner_scale == 0 && split)
            *lanes = 1;
        else if (inner_scale != 1 || !split)
            c->scalar_only = true;
    }
    snprintf(out, SHORT, "i%d", c->next++);
    text_add(&c->out, "const %s %s = ", index_type(c), out);
    if (offset)
        text_add(&c->out, "%" PRId64 "u + ", offset);
    text_add(&c->out, "%s%s%s;\n", q > 0 ? a.data : "", q > 0 ? " + " : "", z.data ? z.data : "0");
    bool failed = a.failed || z.failed || c->out.failed;
    text_free(&a);
    text_free(&z);
    return failed ? KILN_ERROR_MEMORY : KILN_OK;
}

static int find_domain(code *c, const domain *d)
{
    for (size_t i = 0; i < c->domains.count; i++) {
        const domain *o = &c->domains.items[i];
        if (ir_shape_equal(o->shape, d->shape) && strcmp(o->flat, d->flat) == 0 &&
            strcmp(o->outer, d->outer) == 0 && strcmp(o->inner, d->inner) == 0 &&
            o->width == d->width)
            return (int)i;
    }
    if (MEM_PUSH_ROOM(&c->domains) != KILN_OK)
        return -1;
    c->domains.items[c->domains.count] = *d;
    return (int)c->domains.count++;
}

/* The domain of an input of shape `to`, broadcast to a node of shape `from` at domain d. */
static kiln_status input_domain(code *c, int d, kiln_shape from, kiln_shape to, int *result,
                                int *lanes)
{
    domain next = c->domains.items[d];
    next.shape = to;
    if (kiln_shape_size(from) != kiln_shape_size(to)) {
        if (kiln_shape_size(to) == 1) {
            next = (domain){.shape = to, .flat = "0", .outer = "0", .inner = "0", .width = 1};
            *lanes = 1;
        } else {
            int64_t strides[KILN_MAX_RANK] = {0}, run = 1;
            for (int k = 1; k <= to.rank; k++) {
                strides[from.rank - k] = to.dims[to.rank - k] == 1 ? 0 : run;
                run *= to.dims[to.rank - k];
            }
            const char *outer, *inner;
            domain here = c->domains.items[d];
            int q = inner_axis(&here, from, &outer, &inner);
            bool inner_full = inner == here.inner || strcmp(inner, here.inner) == 0,
                 outer_zero = true;
            for (int k = 0; k < from.rank; k++) {
                bool equal =
                    k >= from.rank - to.rank && to.dims[k - (from.rank - to.rank)] == from.dims[k];
                if (k >= q)
                    inner_full &= equal;
                else
                    outer_zero &= from.dims[k] == 1 || strides[k] == 0;
            }
            int before = *lanes;
            KILN_TRY(strided(c, d, from, strides, 0, lanes, next.flat));
            next.outer[0] = next.inner[0] = '\0';
            next.width = 0;
            if (inner_full && here.inner[0]) {
                next.width = here.width;
                snprintf(next.inner, sizeof next.inner, "%s", here.inner);
                if (outer_zero) {
                    snprintf(next.outer, sizeof next.outer, "0");
                } else {
                    snprintf(next.outer, sizeof next.outer, "i%d", c->next++);
                    text_add(&c->out, "const %s %s = (%s - %s) / %" PRId64 "u;\n", index_type(c),
                             next.outer, next.flat, next.inner, next.width);
                }
            } else if (before == 16 && *lanes == 16) {
                c->scalar_only = true;
            }
        }
    }
    *result = find_domain(c, &next);
    return *result < 0 ? KILN_ERROR_MEMORY : KILN_OK;
}

/* ---- arguments ---- */
static kiln_status buffer(code *c, const argument *a, int *k)
{
    *k = launch_argument(c->l, a);
    if (*k < 0)
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "a fused kernel needs more than %d buffers",
                         LAUNCH_MAX_ARGUMENTS);
    return KILN_OK;
}

static kiln_status load(code *c, const argument *a, const char *index, int lanes, char *out)
{
    int k;
    KILN_TRY(buffer(c, a, &k));
    snprintf(out, SHORT, "v%d", c->next++);
    bool is_float = strcmp(a->type, "float") == 0;
    if (lanes == 16)
        text_add(&c->out,
                 is_float ? "const float16 %s = vload16(0, p%d + (o%d + %s));\n"
                          : "const float16 %s = convert_float16(vload16(0, p%d + (o%d + %s)));\n",
                 out, k, k, index);
    else
        text_add(&c->out, "const float %s = %sp%d[o%d + %s];\n", out, is_float ? "" : "(float)", k,
                 k, index);
    return c->out.failed ? KILN_ERROR_MEMORY : KILN_OK;
}

static const char *storage_type(kiln_dtype dtype)
{
    return dtype == KILN_UINT8 ? "uchar" : dtype == KILN_INT32 ? "int" : "float";
}

kiln_status code_source(code *c, ir_id id, argument *a)
{
    const builder *b = c->b;
    ir_id base = through_views(b, id);
    const ir_node *n = &b->g->items[base];
    if (n->op == &op_desc_scan_slice &&
        b->g->items[through_views(b, n->inputs[0])].op->kind == OP_SOURCE) {
        KILN_TRY(code_source(c, n->inputs[0], a));
        a->where.stride = kiln_shape_size(n->shape);
        return KILN_OK;
    }
    if (n->op == &op_desc_scan_stack) {
        const ir_node *i = &b->g->items[through_views(b, n->inputs[0])];
        if (i->op == &op_desc_scan_slice)
            return code_source(c, i->inputs[0], a);
    }
    if (n->op == &op_desc_weight) {
        *a = (argument){.kind = ARGUMENT_WEIGHT, .weight = n->attr.object, .type = "float"};
        return KILN_OK;
    }
    if (n->op == &op_desc_input) {
        *a = (argument){
            .kind = ARGUMENT_SLOT, .slot = (int)n->attr.integer[0], .type = storage_type(n->dtype)};
        return KILN_OK;
    }
    *a = (argument){.kind = ARGUMENT_NODE, .type = "float"};
    return place_of(b, base, &a->where);
}

static kiln_status state_argument(code *c, int *k)
{
    return buffer(
        c, &(argument){.kind = ARGUMENT_MEMORY, .memory = c->b->state, .type = "kiln_state"}, k);
}

/* Row (first axis) and position within the row of a domain. *lanes_ok: sixteen lanes stay in one
 * row. */
static void row_and_column(code *c, int d, int64_t width, const char **row, const char **column,
                           bool *lanes_ok, char *space)
{
    const domain *here = &c->domains.items[d];
    if (here->inner[0] && here->width == width) {
        *row = here->outer;
        *column = here->inner;
        *lanes_ok = true;
        return;
    }
    *lanes_ok = width % 16 == 0 && here->inner[0] && here->width % 16 == 0;
    if (width == 1) {
        *row = here->flat;
        *column = "0";
        *lanes_ok = false;
        return;
    }
    snprintf(space, 2 * SHORT, "i%d", c->next++);
    snprintf(space + SHORT, SHORT, "i%d", c->next++);
    text_add(&c->out, "const %s %s = %s / %" PRId64 "u;\nconst %s %s = %s %% %" PRId64 "u;\n",
             index_type(c), space, here->flat, width, index_type(c), space + SHORT, here->flat,
             width);
    *row = space;
    *column = space + SHORT;
}

#define LANES "(uint16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)"

/* ---- leaves ---- */
static kiln_status leaf(code *c, const ir_node *n, int d, int lanes, char *out)
{
    const char *row, *column, *type = value_type(lanes);
    char space[2 * SHORT];
    bool lanes_ok;
    int s, k;
    int64_t rows = n->shape.rank ? n->shape.dims[0] : 1,
            width = kiln_shape_size(n->shape) / (rows ? rows : 1);
    snprintf(out, SHORT, "v%d", c->next++);
    if (n->op == &op_desc_constant) {
        double v = n->attr.number[0];
        if (v != v || v - v != 0)
            text_add(&c->out, "const %s %s = (%s)(%s);\n", type, out, type,
                     v != v  ? "NAN"
                     : v > 0 ? "INFINITY"
                             : "-INFINITY");
        else
            text_add(&c->out, "const %s %s = (%s)(%.9ef);\n", type, out, type, v);
    } else if (n->op == &op_desc_row_count) {
        KILN_TRY(state_argument(c, &s));
        text_add(&c->out, "const %s %s = (%s)((float)p%d->rows);\n", type, out, type, s);
    } else if (n->op == &op_desc_row_mask) {
        if (lanes == 16)
            return give_up(c, out);
        KILN_TRY(state_argument(c, &s));
        text_add(&c->out, "const float %s = %s < p%d->rows ? 1.0f : 0.0f;\n", out,
                 c->domains.items[d].flat, s);
    } else if (n->op == &op_desc_iota) {
        if (lanes == 16)
            text_add(&c->out, "const float16 %s = convert_float16((uint16)(%s) + " LANES ");\n",
                     out, c->domains.items[d].flat);
        else
            text_add(&c->out, "const float %s = (float)(%s);\n", out, c->domains.items[d].flat);
    } else if (n->op == &op_desc_uniform) {
        row_and_column(c, d, width, &row, &column, &lanes_ok, space);
        if (lanes == 16 && !lanes_ok)
            return give_up(c, out);
        KILN_TRY(state_argument(c, &s));
        text_add(&c->out, "const %s %s = kiln_uniform%s(p%d, %uu, (uint)(%s), (uint)(%s));\n", type,
                 out, lanes == 16 ? "16" : "", s, n->attr.stream, row, column);
    } else if (n->op == &op_desc_batch) {
        row_and_column(c, d, width, &row, &column, &lanes_ok, space);
        if (lanes == 16 && (!lanes_ok || width < 16))
            return give_up(c, out);
        const char *stored = storage_type((kiln_dtype)n->attr.integer[2]);
        KILN_TRY(state_argument(c, &s));
        int data;
        KILN_TRY(buffer(
            c, &(argument){.kind = ARGUMENT_SLOT, .slot = (int)n->attr.integer[0], .type = stored},
            &data));
        KILN_TRY(buffer(
            c, &(argument){.kind = ARGUMENT_SLOT, .slot = (int)n->attr.integer[1], .type = "int"},
            &k));
        text_add(&c->out,
                 "const ulong j%s = o%d + (ulong)p%d[o%d + p%d->position + (%s < p%d->rows ? %s : "
                 "0)] * %" PRId64 "u + %s;\n",
                 out, data, k, k, s, row, s, row, width, column);
        if (lanes == 16)
            text_add(&c->out, "const float16 %s = convert_float16(vload16(0, p%d + j%s))", out,
                     data, out);
        else
            text_add(&c->out, "const float %s = (float)p%d[j%s]", out, data, out);
        if (n->attr.number[0] != 1.0)
            text_add(&c->out, " * (%s)(%.9ef)", type, n->attr.number[0]);
        text_add(&c->out, ";\n");
    } else {
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "no code for %s", n->op->name);
    }
    return c->out.failed ? KILN_ERROR_MEMORY : KILN_OK;
}

/* ---- indexed reads ---- */
static kiln_status indexed(code *c, ir_id id, int d, int lanes, char *out)
{
    const ir_node *n = &c->b->g->items[id];
    const char *row, *column, *type = value_type(lanes);
    char space[2 * SHORT], index[SHORT], x[SHORT];
    bool lanes_ok;
    argument a;
    int k, inner_lanes = lanes;
    if (n->op == &op_desc_transpose || n->op == &op_desc_slice) {
        KILN_TRY(code_source(c, n->inputs[0], &a));
        KILN_TRY(strided(c, d, n->shape, n->attr.shape.dims,
                         n->op == &op_desc_slice ? n->attr.integer[0] : 0, &inner_lanes, index));
        KILN_TRY(load(c, &a, index, inner_lanes, x));
        snprintf(out, SHORT, "v%d", c->next++);
        text_add(&c->out, "const %s %s = (%s)(%s);\n", type, out, type, x);
    } else if (n->op == &op_desc_pad) {
        int axis = (int)n->attr.integer[0];
        int64_t before = n->attr.integer[1], distance = n->attr.integer[2];
        kiln_shape in = c->b->g->items[n->inputs[0]].shape, strides = ir_strides(in);
        if (lanes == 16) {
            const char *o, *i;
            int q = inner_axis(&c->domains.items[d], n->shape, &o, &i);
            if (axis >= q || c->domains.items[d].inner[0] == '\0')
                return give_up(c, out);
        }
        KILN_TRY(code_source(c, n->inputs[0], &a));
        /* The coordinate along the axis, then the position of the others. */
        int64_t along[KILN_MAX_RANK] = {0};
        char j[SHORT];
        int one = 1;
        along[axis] = 1;
        KILN_TRY(strided(c, d, n->shape, along, 0, &one, j));
        strides.dims[axis] = 0;
        KILN_TRY(strided(c, d, n->shape, strides.dims, 0, &inner_lanes, index));
        KILN_TRY(buffer(c, &a, &k));
        snprintf(out, SHORT, "v%d", c->next++);
        int64_t stride = ir_strides(in).dims[axis];
        text_add(&c->out, "const int k%s = (int)%s - %" PRId64 ";\n", out, j, before);
        text_add(&c->out,
                 "const bool b%s = k%s >= 0 && k%s < %" PRId64 " && k%s %% %" PRId64 " == 0;\n",
                 out, out, out, in.dims[axis] * distance, out, distance);
        text_add(&c->out,
                 "const ulong j%s = o%d + %s + (b%s ? (ulong)(k%s / %" PRId64 ") * %" PRId64
                 "u : 0);\n",
                 out, k, index, out, out, distance, stride);
        if (lanes == 16 && inner_lanes == 16)
            text_add(&c->out,
                     "const float16 %s = b%s ? convert_float16(vload16(0, p%d + j%s)) : "
                     "(float16)(0.0f);\n",
                     out, out, k, out);
        else
            text_add(&c->out, "const %s %s = (%s)(b%s ? (float)p%d[j%s] : 0.0f);\n", type, out,
                     type, out, k, out);
    } else if (n->op == &op_desc_one_hot) {
        kiln_shape last = n->shape;
        int64_t classes = last.dims[last.rank - 1];
        row_and_column(c, d, classes, &row, &column, &lanes_ok, space);
        if (lanes == 16 && (!lanes_ok || classes < 16))
            return give_up(c, out);
        domain rows = {.shape = c->b->g->items[n->inputs[0]].shape, .width = 0};
        snprintf(rows.flat, sizeof rows.flat, "%s", row);
        char col[SHORT];
        snprintf(col, sizeof col, "%s", column);
        int at = find_domain(c, &rows);
        if (at < 0)
            return KILN_ERROR_MEMORY;
        KILN_TRY(value(c, n->inputs[0], at, 1, x));
        snprintf(out, SHORT, "v%d", c->next++);
        if (lanes == 16)
            text_add(&c->out,
                     "const float16 %s = convert_float16((uint16)(%s) + " LANES
                     ") == (float16)(%s) ? (float16)(1.0f) : (float16)(0.0f);\n",
                     out, col, x);
        else
            text_add(&c->out, "const float %s = (float)(%s) == %s ? 1.0f : 0.0f;\n", out, col, x);
    } else if (n->op == &op_desc_pick) {
        if (lanes == 16)
            return give_up(c, out);
        kiln_shape from = c->b->g->items[n->inputs[0]].shape;
        int64_t classes = from.dims[from.rank - 1];
        KILN_TRY(value(c, n->inputs[1], d, 1, x));
        KILN_TRY(code_source(c, n->inputs[0], &a));
        KILN_TRY(buffer(c, &a, &k));
        snprintf(out, SHORT, "v%d", c->next++);
        text_add(&c->out, "const int k%s = (int)%s;\n", out, x);
        text_add(&c->out,
                 "const float %s = k%s >= 0 && k%s < %" PRId64
                 " ? (float)p%d[o%d + (ulong)%s * %" PRId64 "u + (uint)k%s] : 0.0f;\n",
                 out, out, out, classes, k, k, c->domains.items[d].flat, classes, out);
    } else if (n->op == &op_desc_gather) {
        kiln_shape table = c->b->g->items[n->inputs[0]].shape;
        int64_t width = kiln_shape_size(table) / table.dims[0];
        row_and_column(c, d, width, &row, &column, &lanes_ok, space);
        if (lanes == 16 && (!lanes_ok || width < 16))
            return give_up(c, out);
        char col[SHORT];
        snprintf(col, sizeof col, "%s", column);
        domain ids = {.shape = c->b->g->items[n->inputs[1]].shape, .width = 0};
        snprintf(ids.flat, sizeof ids.flat, "%s", row);
        int at = find_domain(c, &ids);
        if (at < 0)
            return KILN_ERROR_MEMORY;
        KILN_TRY(value(c, n->inputs[1], at, 1, x));
        KILN_TRY(code_source(c, n->inputs[0], &a));
        KILN_TRY(buffer(c, &a, &k));
        snprintf(out, SHORT, "v%d", c->next++);
        text_add(&c->out,
                 "const int k%s = (int)%s;\nconst bool b%s = k%s >= 0 && k%s < %" PRId64 ";\n", out,
                 x, out, out, out, table.dims[0]);
        text_add(&c->out, "const ulong j%s = o%d + (ulong)(b%s ? k%s : 0) * %" PRId64 "u + %s;\n",
                 out, k, out, out, width, col);
        if (lanes == 16)
            text_add(&c->out,
                     "const float16 %s = b%s ? convert_float16(vload16(0, p%d + j%s)) : "
                     "(float16)(0.0f);\n",
                     out, out, k, out);
        else
            text_add(&c->out, "const float %s = b%s ? (float)p%d[j%s] : 0.0f;\n", out, out, k, out);
    } else if (n->op == &op_desc_gather_gradient) {
        int64_t width = kiln_shape_size(n->shape) / n->shape.dims[0],
                count = kiln_shape_size(c->b->g->items[n->inputs[1]].shape);
        row_and_column(c, d, width, &row, &column, &lanes_ok, space);
        if (lanes == 16 && (!lanes_ok || width < 16))
            return give_up(c, out);
        argument ids;
        int ki;
        KILN_TRY(code_source(c, n->inputs[0], &a));
        KILN_TRY(code_source(c, n->inputs[1], &ids));
        KILN_TRY(buffer(c, &a, &k));
        KILN_TRY(buffer(c, &ids, &ki));
        snprintf(out, SHORT, "v%d", c->next++);
        text_add(&c->out,
                 "%s %s = (%s)(0.0f);\nfor (uint j%s = 0; j%s < %" PRId64
                 "u; j%s++)\n    if ((int)p%d[o%d + j%s] == (int)(%s))\n",
                 type, out, type, out, out, count, out, ki, ki, out, row);
        if (lanes == 16)
            text_add(&c->out,
                     "        %s += vload16(0, p%d + (o%d + (ulong)j%s * %" PRId64 "u + %s));\n",
                     out, k, k, out, width, column);
        else
            text_add(&c->out, "        %s += p%d[o%d + (ulong)j%s * %" PRId64 "u + %s];\n", out, k,
                     k, out, width, column);
    } else {
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "no code for %s", n->op->name);
    }
    return c->out.failed ? KILN_ERROR_MEMORY : KILN_OK;
}

/* ---- element-wise: the expression with its names put in ---- */
static bool word(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
           ch == '_';
}

static void substitute(text *t, const char *expression, char (*inputs)[SHORT],
                       const double *numbers, const char *type)
{
    for (const char *s = expression; *s; s++) {
        if (*s == '$') {
            text_add(t, "%s", inputs[*++s - '0']);
        } else if (*s == '@') {
            text_add(t, "(%s)(%.9ef)", type, numbers[*++s - '0']);
        } else if (*s == 'V' && (s == expression || !word(s[-1])) && !word(s[1])) {
            text_add(t, "%s", type);
        } else {
            text_bytes(t, s, 1);
        }
    }
}

static kiln_status pointwise(code *c, const ir_node *n, int d, int lanes, char *out)
{
    char inputs[IR_MAX_INPUTS][SHORT];
    const char *type = value_type(lanes);
    for (int i = 0; i < n->input_count; i++) {
        int at, got = lanes;
        KILN_TRY(input_domain(c, d, n->shape, c->b->g->items[n->inputs[i]].shape, &at, &got));
        KILN_TRY(value(c, n->inputs[i], at, got, inputs[i]));
        if (got != lanes) { /* one value for all lanes */
            char wide[SHORT];
            snprintf(wide, sizeof wide, "v%d", c->next++);
            text_add(&c->out, "const float16 %s = (float16)(%s);\n", wide, inputs[i]);
            memcpy(inputs[i], wide, sizeof wide);
        }
    }
    snprintf(out, SHORT, "v%d", c->next++);
    text_add(&c->out, "const %s %s = ", type, out);
    substitute(&c->out, n->op->expression, inputs, n->attr.number, type);
    text_add(&c->out, ";\n");
    return c->out.failed ? KILN_ERROR_MEMORY : KILN_OK;
}

static kiln_status value(code *c, ir_id id, int d, int lanes, char *out)
{
    const builder *b = c->b;
    const ir_node *n = &b->g->items[id];
    for (size_t i = c->memos.count; i-- > 0;) {
        const memo *m = &c->memos.items[i];
        if (m->node == id && m->domain == d && m->lanes == lanes) {
            memcpy(out, m->name, sizeof m->name);
            return KILN_OK;
        }
    }
    /* The anchor's value is known by the domain it was set at, whatever view is taken of it. */
    if (n->op == &op_desc_reshape) {
        domain next = c->domains.items[d];
        next.shape = b->g->items[n->inputs[0]].shape;
        int at = find_domain(c, &next);
        if (at < 0)
            return KILN_ERROR_MEMORY;
        return value(c, n->inputs[0], at, lanes, out);
    }
    bool mine = b->inlined[id] || b->cluster_of[id] == c->cluster;
    if (id == b->clusters[c->cluster].anchor && mine) {
        const domain *here = &c->domains.items[d], *top = &c->domains.items[0];
        if (c->memos.count && c->memos.items[0].node == id && strcmp(here->flat, top->flat) == 0 &&
            lanes == c->memos.items[0].lanes) {
            memcpy(out, c->memos.items[0].name, SHORT);
            return KILN_OK;
        }
    }
    if (!mine || n->op->kind == OP_SOURCE || n->op->kind == OP_VIEW ||
        n->op == &op_desc_scan_slice || n->op == &op_desc_scan_state) {
        argument a;
        KILN_TRY(code_source(c, id, &a));
        KILN_TRY(load(c, &a, c->domains.items[d].flat, lanes, out));
    } else if (n->op->kind == OP_LEAF) {
        KILN_TRY(leaf(c, n, d, lanes, out));
    } else if (n->op->kind == OP_INDEXED) {
        KILN_TRY(indexed(c, id, d, lanes, out));
    } else if (n->op->kind == OP_POINTWISE) {
        KILN_TRY(pointwise(c, n, d, lanes, out));
    } else {
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "%s cannot be computed in place", n->op->name);
    }
    return remember(c, id, d, lanes, out);
}

kiln_status code_value(code *c, ir_id node, char out[24], bool *scalar_only)
{
    domain d = c->domains.items[0];
    d.shape = c->b->g->items[node].shape;
    int at = find_domain(c, &d);
    if (at < 0)
        return KILN_ERROR_MEMORY;
    KILN_TRY(value(c, node, at, c->lanes, out));
    *scalar_only = c->scalar_only;
    return KILN_OK;
}

/* Instead of storing a gradient: the optimizer's step of the weight at the same index. */
static kiln_status update(code *c, int number, const char *gradient)
{
    const builder *b = c->b;
    const plan_optimizer *o = b->request->optimizer;
    const char *type = value_type(c->lanes), *flat = c->domains.items[0].flat;
    int s, w, slot[4];
    KILN_TRY(state_argument(c, &s));
    KILN_TRY(buffer(c,
                    &(argument){.kind = ARGUMENT_WEIGHT,
                                .weight = b->request->updates[number].weight,
                                .type = "float",
                                .written = true},
                    &w));
    for (int k = 0; k < o->slot_count; k++)
        KILN_TRY(buffer(c,
                        &(argument){.kind = ARGUMENT_MEMORY,
                                    .memory = o->slots[k],
                                    .offset = b->update_offsets[number],
                                    .type = "float",
                                    .written = true},
                        &slot[k]));
    text_add(&c->out, "{\n%s g = %s;\n", type, gradient);
    if (o->clipvalue > 0)
        text_add(
            &c->out,
            "g = (g < (%s)(%.9ef)) ? (%s)(%.9ef) : g;\ng = (g > (%s)(%.9ef)) ? (%s)(%.9ef) : g;\n",
            type, -o->clipvalue, type, -o->clipvalue, type, o->clipvalue, type, o->clipvalue);
    const char *load =
        c->lanes == 16 ? "%s %s = vload16(0, p%d + (o%d + %s));\n" : "%s %s = p%d[o%d + %s];\n";
    const char *store = c->lanes == 16 ? "kiln_store16(%s, p%d + (o%d + %s));\n" : NULL;
    const char *names[4] = {"s0", "s1", "s2", "s3"};
    text_add(&c->out, load, type, "w", w, w, flat);
    for (int k = 0; k < o->slot_count; k++)
        text_add(&c->out, load, type, names[k], slot[k], slot[k], flat);
    text_add(
        &c->out,
        "KILN_UPDATE(%s, w, g, s0, s1, s2, p%d->rate, p%d->factor0, p%d->factor1, p%d->factor2);\n",
        type, s, s, s, s);
    for (int k = -1; k < o->slot_count; k++) {
        const char *name = k < 0 ? "w" : names[k];
        int at = k < 0 ? w : slot[k];
        if (store)
            text_add(&c->out, store, name, at, at, flat);
        else
            text_add(&c->out, "p%d[o%d + %s] = %s;\n", at, at, flat, name);
    }
    text_add(&c->out, "}\n");
    return c->out.failed ? KILN_ERROR_MEMORY : KILN_OK;
}

/* The nodes in front of a reduction are not stored; everything stored lies behind the anchor. */
kiln_status code_store_all(code *c, bool *scalar_only)
{
    builder *b = c->b;
    for (size_t i = 0; i < b->count; i++) {
        if (b->cluster_of[i] != c->cluster || !b->stored[i])
            continue;
        char name[SHORT];
        int k;
        ir_id shown = (ir_id)i;
        if (b->g->items[i].op == &op_desc_scan_state) { /* the loop's first value */
            KILN_TRY(code_value(c, b->g->items[i].inputs[0], name, scalar_only));
        } else {
            KILN_TRY(code_value(c, shown, name, scalar_only));
        }
        if (b->update_of[i] >= 0) {
            KILN_TRY(update(c, b->update_of[i], name));
            continue;
        }
        argument a = {.kind = ARGUMENT_NODE,
                      .where = place_written(b, shown),
                      .written = true,
                      .type = "float"};
        KILN_TRY(buffer(c, &a, &k));
        if (c->lanes == 16)
            text_add(&c->out, "kiln_store16(%s, p%d + (o%d + %s));\n", name, k, k,
                     c->domains.items[0].flat);
        else
            text_add(&c->out, "p%d[o%d + %s] = %s;\n", k, k, c->domains.items[0].flat, name);
    }
    *scalar_only = c->scalar_only;
    return c->out.failed ? KILN_ERROR_MEMORY : KILN_OK;
}
