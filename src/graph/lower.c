/* Kernels of clusters: element-wise, reductions, products with what follows them.
 *
 * On a device with serial kernels a work-item does a run of elements, sixteen at a time; elsewhere
 * it does one. */
#include "graph/inside.h"
#include "op/leaf.h"

#include <inttypes.h>
#include <string.h>

/* ---- launches and their arguments ---- */
launch *launch_new(builder *b, const char *name, const char *layer, int scope)
{
    if (MEM_PUSH_ROOM(&b->launches) != KILN_OK)
        return NULL;
    launch *l = &b->launches.items[b->launches.count++];
    *l = (launch){.layer = layer, .scope = scope, .dims = 1, .chain = -1, .repeats = 1};
    snprintf(l->name, sizeof l->name, "%s", name);
    return l;
}

int launch_argument(launch *l, const argument *a)
{
    for (int i = l->reserved; i < l->argument_count; i++) {
        argument *o = &l->arguments[i];
        if (o->kind == a->kind && o->where.owner == a->where.owner &&
            o->where.offset == a->where.offset && o->where.stride == a->where.stride &&
            o->weight == a->weight && o->slot == a->slot && o->memory == a->memory &&
            o->offset == a->offset && strcmp(o->type, a->type) == 0) {
            o->written |= a->written;
            return i;
        }
    }
    if (l->argument_count == LAUNCH_MAX_ARGUMENTS)
        return -1;
    l->arguments[l->argument_count] = *a;
    return l->argument_count++;
}

void launch_parameters(const launch *l, text *out)
{
    for (int i = 0; i < l->argument_count; i++)
        text_add(out, "%s__global %s%s *p%d, const ulong o%d", i ? ", " : "",
                 l->arguments[i].written ? "" : "const ", l->arguments[i].type, i, i);
}

void launch_names(const launch *l, text *out)
{
    for (int i = 0; i < l->argument_count; i++)
        text_add(out, "%sp%d, o%d", i ? ", " : "", i, i);
}

/* "add+relu": the operations of a cluster, anchor first. */
static void cluster_name(const builder *b, int number, char *out, size_t room)
{
    size_t at = 0;
    ir_id anchor = b->clusters[number].anchor;
    if (anchor != IR_NONE)
        at += (size_t)snprintf(out, room, "%s", b->g->items[anchor].op->name);
    for (size_t i = 0; i < b->count && at + 24 < room; i++)
        if (b->cluster_of[i] == number && (ir_id)i != anchor &&
            b->g->items[i].op != op_pointwise(F_IDENTITY))
            at += (size_t)snprintf(out + at, room - at, "%s%s", at ? "+" : "",
                                   b->g->items[i].op->name);
    if (at == 0)
        snprintf(out, room, "copy");
}

static const chain *chain_of(const builder *b, int number)
{
    return b->clusters[number].chain < 0 ? NULL : &b->chains.items[b->clusters[number].chain];
}

static launch *cluster_launch(builder *b, int number)
{
    char name[sizeof((launch *)0)->name];
    cluster_name(b, number, name, sizeof name);
    ir_id shown = b->clusters[number].anchor != IR_NONE ? b->clusters[number].anchor
                                                        : b->clusters[number].first;
    launch *l = launch_new(b, name, b->g->items[shown].place, b->clusters[number].scope);
    if (l)
        l->chain = b->clusters[number].chain;
    return l;
}

kiln_status launch_finish(launch *l, const char *body, size_t items, size_t local)
{
    l->items = items;
    l->local = local;
    l->serial = local == 1;
    text_add(&l->source, "static void @_body(");
    launch_parameters(l, &l->source);
    text_add(&l->source, ", const size_t item)\n{\n%s}\n", body);
    return l->source.failed ? KILN_ERROR_MEMORY : KILN_OK;
}

/* ---- one body of statements, with sixteen lanes or one ---- */
typedef kiln_status (*emitter)(code *c, void *user, bool *scalar_only);

/* Emits statements at a domain. *done is false when sixteen lanes cannot be had. */
static kiln_status emit(builder *b, launch *l, int number, int lanes, const domain *d, emitter f,
                        void *user, text *out, bool *done)
{
    bool scalar_only = false;
    int arguments = l->argument_count;
    code *c = code_new(b, l, number, lanes, d);
    if (c == NULL)
        return KILN_ERROR_MEMORY;
    kiln_status status = f(c, user, &scalar_only);
    *done = !scalar_only;
    if (status == KILN_OK && *done)
        text_add(out, "%s", code_text(c));
    else
        l->argument_count = arguments;
    code_free(c);
    return status != KILN_OK ? status : out->failed ? KILN_ERROR_MEMORY : KILN_OK;
}

static kiln_status emit_stores(code *c, void *user, bool *scalar_only)
{
    (void)user;
    return code_store_all(c, scalar_only);
}

/* ---- element-wise ---- */

/* Widths to try for rows of the domain: the row of a sample (draws and gathers go by it), then the
 * last axis. */
static int widths(kiln_shape shape, int64_t *out)
{
    int count = 0;
    int64_t n = kiln_shape_size(shape);
    if (shape.rank >= 2 && shape.dims[0] > 0)
        out[count++] = n / shape.dims[0];
    if (shape.rank >= 1 && (count == 0 || out[0] != shape.dims[shape.rank - 1]))
        out[count++] = shape.dims[shape.rank - 1];
    if (count == 0)
        out[count++] = n;
    return count;
}

static kiln_shape domain_shape(const builder *b, int number)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->cluster_of[i] == number && b->stored[i])
            return b->g->items[i].shape;
    return b->g->items[b->clusters[number].first].shape;
}

/* Rows of a batch lie anywhere in the data set, and a miss in the caches stalls a row at its start.
 * Reading one element of each cache line of all rows of an item first lets those misses overlap.
 * The sum of what was read is too small to reach bit 31; the loops over rows depend on it, so that
 * no compiler drops it. */
static void touch_batch(const builder *b, launch *l, int number, int64_t width, text *body)
{
    for (size_t i = 0; i < b->count; i++) {
        const ir_node *n = &b->g->items[i];
        if (b->cluster_of[i] != number || n->op != &op_desc_batch ||
            kiln_shape_size(n->shape) / n->shape.dims[0] != width)
            continue;
        kiln_dtype dtype = (kiln_dtype)n->attr.integer[2];
        int64_t line = 64 / (int64_t)kiln_dtype_size(dtype);
        if (width < 4 * line)
            continue;
        int data = -1, order = -1, state = -1;
        for (int a = 0; a < l->argument_count; a++) {
            const argument *x = &l->arguments[a];
            if (x->kind == ARGUMENT_SLOT && x->slot == (int)n->attr.integer[0])
                data = a;
            else if (x->kind == ARGUMENT_SLOT && x->slot == (int)n->attr.integer[1])
                order = a;
            else if (x->kind == ARGUMENT_MEMORY && x->memory == b->state)
                state = a;
        }
        if (data < 0 || order < 0 || state < 0)
            continue;
        text_add(body,
                 "    for (uint r = r0; r < r1; r++) {\n        const ulong at = o%d + "
                 "(ulong)p%d[o%d + p%d->position + (r < p%d->rows ? r : 0)] "
                 "* %" PRId64 "u;\n        for (uint c = 0; c < %" PRId64 "u; c += %" PRId64
                 "u)\n            touched += %sp%d[at + c]%s;\n    }\n",
                 data, order, order, state, state, width, width, line,
                 dtype == KILN_FLOAT32 ? "as_uint(" : "(uint)", data,
                 dtype == KILN_UINT8     ? ""
                 : dtype == KILN_FLOAT32 ? ") & 1u"
                                         : " & 1u");
    }
}

static kiln_status lower_pointwise(builder *b, int number)
{
    launch *l = cluster_launch(b, number);
    if (l == NULL)
        return KILN_ERROR_MEMORY;
    kiln_shape shape = domain_shape(b, number);
    int64_t n = kiln_shape_size(shape), tries[2];
    int count = widths(shape, tries);
    const char *type = n >= INT32_MAX ? "ulong" : "uint";
    domain d = {.shape = shape, .flat = "i", .outer = "r", .inner = "c"};
    text wide = {0}, narrow = {0}, body = {0};
    bool done = false;
    kiln_status status = KILN_OK;
    const chain *in = chain_of(b, number);
    if (in && (n / tries[0]) % in->rows != 0) /* rows of the domain are rows of the chain */
        tries[0] = n / in->rows, count = 1;
    if (in && count == 2 && (n / tries[1]) % in->rows != 0)
        count = 1;
    for (int t = 0; t < count && status == KILN_OK && !done && b->device->serial_kernels; t++) {
        d.width = tries[t];
        if (d.width >= 16)
            status = emit(b, l, number, 16, &d, emit_stores, NULL, &wide, &done);
    }
    bool vector = done;
    if (!done)
        d.width = tries[0];
    if (status == KILN_OK)
        status = emit(b, l, number, 1, &d, emit_stores, NULL, &narrow, &done);
    size_t items, local = 0;
    int64_t w = d.width ? d.width : 1, rows = n / w;
    if (b->device->serial_kernels) {
        int64_t share = n / 16 < 256    ? 256
                        : n / 16 > 8192 ? 8192
                                        : n / 16; /* elements of an item */
        int64_t columns = w <= share ? w : share / 16 * 16,
                per_item = columns == w ? (share / w > 1 ? share / w : 1) : 1;
        if (in) {
            columns = w;
            per_item = rows / in->rows * in->block;
        }
        int64_t column_blocks = (w + columns - 1) / columns;
        items = (size_t)((rows + per_item - 1) / per_item * column_blocks);
        local = 1;
        text_add(&body,
                 "    const %s r0 = (%s)(item / %" PRId64 "u) * %" PRId64
                 "u, c0 = (%s)(item %% %" PRId64 "u) * %" PRId64 "u;\n",
                 type, type, column_blocks, per_item, type, column_blocks, columns);
        text_add(&body,
                 "    const %s r1 = min(r0 + %" PRId64 "u, (%s)%" PRId64
                 "u), c1 = min(c0 + %" PRId64 "u, (%s)%" PRId64 "u);\n",
                 type, per_item, type, rows, columns, type, w);
        text touch = {0};
        if (columns == w)
            touch_batch(b, l, number, w, &touch);
        if (touch.length)
            text_add(&body, "    uint touched = 0;\n%s", touch.data);
        text_add(&body, "    for (%s r = r0%s; r < r1; r++) {\n        %s c = c0;\n", type,
                 touch.length ? " + (touched >> 31)" : "", type);
        text_free(&touch);
        if (vector)
            text_add(&body,
                     "        for (; c + 16 <= c1; c += 16) {\nconst %s i = r * %" PRId64
                     "u + c;\n%s        }\n",
                     type, w, wide.data);
        if (!vector || w % 16 != 0)
            text_add(&body,
                     "        for (; c < c1; c++) {\nconst %s i = r * %" PRId64
                     "u + c;\n%s        }\n",
                     type, w, narrow.data ? narrow.data : "");
        text_add(&body, "    }\n");
    } else {
        local = 64;
        items = (size_t)n;
        text_add(&body,
                 "    const %s i = (%s)item;\n    if (i >= %" PRId64
                 "u)\n        return;\n    const %s r = i / %" PRId64 "u, c = i %% %" PRId64
                 "u;\n%s",
                 type, type, n, type, w, w, narrow.data ? narrow.data : "");
    }
    if (status == KILN_OK)
        status = body.failed || wide.failed || narrow.failed
                     ? KILN_ERROR_MEMORY
                     : launch_finish(l, body.data, items, local);
    text_free(&wide);
    text_free(&narrow);
    text_free(&body);
    return status;
}

/* ---- reductions ---- */

/* The statements of the value in front of a reduction, and the name it has at their end. */
static kiln_status input_text(builder *b, launch *l, int number, int lanes, const domain *d,
                              text *out, char name[24], bool *done)
{
    bool scalar_only = false;
    int arguments = l->argument_count;
    code *c = code_new(b, l, number, lanes, d);
    if (c == NULL)
        return KILN_ERROR_MEMORY;
    kiln_status status =
        code_value(c, b->g->items[b->clusters[number].anchor].inputs[0], name, &scalar_only);
    *done = !scalar_only;
    if (status == KILN_OK && *done)
        text_add(out, "%s", code_text(c));
    else
        l->argument_count = arguments;
    code_free(c);
    return status;
}

typedef struct result_job {
    ir_id anchor;
    const char *name;
} result_job;

static kiln_status emit_result(code *c, void *user, bool *scalar_only)
{
    const result_job *job = user;
    KILN_TRY(code_set(c, job->anchor, job->name));
    return code_store_all(c, scalar_only);
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
    char wide_name[24], narrow_name[24];
    bool vector;
} reduce_text;

/* Joins a row of `width` elements (inner index c, element i = r * width + c) into `a`, which it
 * declares. */
static void row_pass(text *t, const reduce_text *x, join_kind k, const char *a, int64_t width,
                     const char *type)
{
    text_add(t, "    float %s = %s;\n    {\n    %s c = 0;\n", a, join_start(k), type);
    if (x->vector) {
        text_add(t,
                 "    float16 w = (float16)(%s);\n    for (; c + 16 <= %" PRId64
                 "u; c += 16) {\nconst %s i = r * %" PRId64 "u + c;\n%s",
                 join_start(k), width, type, width, x->wide.data);
        join(t, k, "w", x->wide_name);
        text_add(t, "    }\n    float lane[16];\n    vstore16(w, 0, lane);\n    for (int j = 0; j "
                    "< 16; j++) {\n");
        join(t, k == JOIN_EXP ? JOIN_SUM : k, a, "lane[j]");
        text_add(t, "    }\n");
    }
    if (!x->vector || width % 16 != 0) {
        text_add(t, "    for (; c < %" PRId64 "u; c++) {\nconst %s i = r * %" PRId64 "u + c;\n%s",
                 width, type, width, x->narrow.data);
        join(t, k, a, x->narrow_name);
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
    reduce_text x = {0};
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
        status = input_text(b, l, number, 16, &d, &x.wide, x.wide_name, &x.vector);
    if (status == KILN_OK)
        status = input_text(b, l, number, 1, &d, &x.narrow, x.narrow_name, &done);
    result_job job = {b->clusters[number].anchor, "a"};
    if (status == KILN_OK)
        status = emit(b, l, number, 1, &after, emit_result, &job, &result, &done);
    int64_t share = serial ? (width >= 1024 ? 1 : 1024 / width) : 1;
    if (serial && rows / share < 8)
        share = rows / 8 > 0 ? rows / 8 : 1;
    if (chain_of(b, number))
        share = rows / chain_of(b, number)->rows * chain_of(b, number)->block;
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
                 x.narrow_name, x.narrow_name);
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

/* One pass down the columns: accumulators a (of `lanes` columns from c on) over k. */
static void column_pass(text *t, const char *value, const char *name, join_kind k, const char *a,
                        int lanes, int64_t depth, int64_t width, const char *type)
{
    const char *v = lanes == 16 ? "float16" : "float";
    text_add(t,
             "    %s %s = (%s)(%s);\n    for (%s k = 0; k < %" PRId64
             "u; k++) {\nconst %s r = o * %" PRId64 "u + k;\nconst %s i = r * %" PRId64
             "u + c;\n%s",
             v, a, v, join_start(k), type, depth, type, depth, type, width, value);
    join(t, k, a, name);
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
    char name[24];
    *done = false;
    kiln_status status = r == R_ARGMAX && lanes == 16
                             ? KILN_OK
                             : input_text(b, l, number, lanes, &d, &value, name, done);
    if (status == KILN_OK && *done) {
        result_job job = {b->clusters[number].anchor, "a"};
        status = emit(b, l, number, lanes, &after, emit_result, &job, &result, done);
    }
    if (status == KILN_OK && *done) {
        const char *v = lanes == 16 ? "float16" : "float", *x = value.data ? value.data : "";
        if (r == R_LOGSUMEXP) {
            column_pass(out, x, name, JOIN_MAX, "top", lanes, depth, width, type);
            text_add(out, "    const %s m = (fabs(top) <= (%s)(FLT_MAX)) ? top : (%s)(0.0f);\n", v,
                     v, v);
            column_pass(out, x, name, JOIN_EXP, "sum", lanes, depth, width, type);
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
                     name, name);
        } else {
            column_pass(out, x, name,
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

static kiln_status lower_reduce(builder *b, int number)
{
    const ir_node *n = &b->g->items[b->clusters[number].anchor];
    kiln_shape shape = b->g->items[n->inputs[0]].shape;
    int64_t outer = 1, depth = 1, width = 1;
    for (int k = 0; k < shape.rank; k++)
        *(k < n->attr.integer[0]    ? &outer
          : k <= n->attr.integer[1] ? &depth
                                    : &width) *= shape.dims[k];
    launch *l = cluster_launch(b, number);
    if (l == NULL)
        return KILN_ERROR_MEMORY;
    const char *type = kiln_shape_size(shape) >= INT32_MAX ? "ulong" : "uint";
    l->flops = (double)kiln_shape_size(shape);
    return width == 1 ? lower_rows(b, l, number, outer, depth, type)
                      : lower_columns(b, l, number, outer, depth, width, type);
}

/* ---- products ---- */

/* The buffer a product's operand lies in. */
static kiln_status operand(builder *b, launch *l, int number, ir_id id, argument *a)
{
    domain d = {.shape = b->g->items[id].shape, .flat = "0"};
    code *c = code_new(b, l, number, 1, &d);
    if (c == NULL)
        return KILN_ERROR_MEMORY;
    kiln_status status = code_source(c, id, a);
    code_free(c);
    return status;
}

static bool only_stores_anchor(const builder *b, int number)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->cluster_of[i] == number && (ir_id)i != b->clusters[number].anchor)
            return false;
    return true;
}

static void hook(text *t, const char *name, const char *vector_parameters, const launch *l,
                 const char *statements, int64_t rows, int64_t width, const char *type)
{
    text_add(t, "static void @_%s(const uint batch, const uint row, const uint c, %s", name,
             vector_parameters);
    for (int i = 3; i < l->argument_count; i++)
        text_add(t, ", __global %s%s *p%d, const ulong o%d",
                 l->arguments[i].written ? "" : "const ", l->arguments[i].type, i, i);
    text_add(t,
             ")\n{\nconst %s r = batch * %" PRId64 "u + row;\nconst %s i = r * %" PRId64
             "u + c;\n%s}\n",
             type, rows, type, width, statements);
}

static kiln_status lower_product(builder *b, int number)
{
    cluster *k = &b->clusters[number];
    const ir_node *n = &b->g->items[k->anchor];
    launch *l = cluster_launch(b, number);
    if (l == NULL)
        return KILN_ERROR_MEMORY;
    int64_t rows = n->shape.dims[n->shape.rank - 2], width = n->shape.dims[n->shape.rank - 1];
    l->product = graph_product(b->g, n);
    l->flops = 2.0 * (double)kiln_shape_size(n->shape) * (double)l->product.k;
    argument a, w;
    KILN_TRY(operand(b, l, number, n->inputs[0], &a));
    KILN_TRY(operand(b, l, number, n->inputs[1], &w));
    /* The first three arguments are the template's; the same buffer may be there twice. */
    l->arguments[0] = a;
    l->arguments[1] = w;
    l->arguments[2] = (argument){.kind = ARGUMENT_NODE,
                                 .where = place_written(b, k->anchor),
                                 .written = true,
                                 .type = "float"};
    l->argument_count = l->reserved = 3;
    if (k->choice.engine == BLAS_CLBLAST) {
        l->is_clblast = true;
        return blas_clblast_scratch(b->device, &l->product, &l->scratch_bytes);
    }
    bool plain = only_stores_anchor(b, number);
    text wide = {0}, narrow = {0};
    kiln_status status = KILN_OK;
    if (!plain) {
        const char *type = kiln_shape_size(n->shape) >= INT32_MAX ? "ulong" : "uint";
        domain d = {.shape = n->shape, .flat = "i", .outer = "r", .inner = "c", .width = width};
        result_job job = {k->anchor, "v"};
        bool vector = false, done;
        status = emit(b, l, number, 16, &d, emit_result, &job, &wide, &vector);
        if (status == KILN_OK)
            status = emit(b, l, number, 1, &d, emit_result, &job, &narrow, &done);
        if (status == KILN_OK) {
            text t = {0};
            hook(&t, "store1", "const float v", l, narrow.data, rows, width, type);
            text names = {0};
            for (int i = 3; i < l->argument_count; i++)
                text_add(&names, ", p%d, o%d", i, i);
            if (vector)
                hook(&t, "store16", "const float16 v", l, wide.data, rows, width, type);
            text_add(&l->source,
                     "%s#define KILN_STORE_C1(batch, row, col, x) @_store1(batch, row, col, x%s)\n",
                     t.data ? t.data : "", names.data ? names.data : "");
            if (vector)
                text_add(
                    &l->source,
                    "#define KILN_STORE_C16(batch, row, col, x) @_store16(batch, row, col, x%s)\n",
                    names.data ? names.data : "");
            else
                text_add(&l->source,
                         "#define KILN_STORE_C16(batch, row, col, x) { float lane[16]; vstore16(x, "
                         "0, lane); for (uint j = 0; j < 16; j++) @_store1(batch, row, (col) + j, "
                         "lane[j]%s); }\n",
                         names.data ? names.data : "");
            text_add(&l->source, "#define KILN_EXTRA_ARGS %s\n#define KILN_EXTRA_PARAMS ",
                     names.data ? names.data : "");
            for (int i = 3; i < l->argument_count; i++)
                text_add(&l->source, ", __global %s%s *p%d, const ulong o%d",
                         l->arguments[i].written ? "" : "const ", l->arguments[i].type, i, i);
            text_add(&l->source, "\n");
            if (t.failed || names.failed)
                status = KILN_ERROR_MEMORY;
            text_free(&t);
            text_free(&names);
        }
    }
    blas_choice choice = k->choice;
    const chain *in = chain_of(b, number);
    if (status == KILN_OK && in) {
        status =
            blas_choose_rows(b->device, &l->product, (int)(rows / in->rows * in->block), &choice);
        l->stride = (size_t)(in->rows / in->block);
        l->repeats = choice.global[0] / l->stride;
        choice.global[0] = l->stride;
    }
    if (status == KILN_OK) {
        text_add(&l->source, "#undef KILN_BODY_ONLY\n#define KILN_NAME @\n%s%s",
                 choice.serial ? "#define KILN_BODY_ONLY 1\n" : "", choice.defines);
        status = source_file(&l->source, choice.file);
        l->serial = choice.serial;
        if (choice.serial) {
            l->items = choice.global[0];
            l->local = 1;
        } else {
            l->dims = choice.dims;
            memcpy(l->global, choice.global, sizeof l->global);
            memcpy(l->local3, choice.local, sizeof l->local3);
        }
    }
    if (status == KILN_OK && (l->source.failed || wide.failed || narrow.failed))
        status = KILN_ERROR_MEMORY;
    text_free(&wide);
    text_free(&narrow);
    return status;
}

kiln_status lower_cluster(builder *b, int number)
{
    ir_id shown = b->clusters[number].anchor != IR_NONE ? b->clusters[number].anchor
                                                        : b->clusters[number].first;
    kiln_status status;
    switch (b->clusters[number].kind) {
    case CLUSTER_REDUCE:
        status = lower_reduce(b, number);
        break;
    case CLUSTER_PRODUCT:
        status = lower_product(b, number);
        break;
    default:
        status = lower_pointwise(b, number);
        break;
    }
    if (status != KILN_OK && kiln_last_status() != KILN_OK && b->g->items[shown].place)
        return kiln_fail_in("layer %s (%s)", b->g->items[shown].place, b->g->items[shown].op->name);
    return status;
}
