/* Expressions: OpenCL C statements that compute a node at an index, one value or sixteen at once,
 * and store it. */
#include "graph/code_inside.h"
#include "op/leaf.h"

#include <inttypes.h>
#include <string.h>

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

kiln_status code_set_gates(code *c, ir_id anchor, int64_t gates)
{
    kiln_shape whole = c->b->g->items[anchor].shape;
    const domain top = c->domains.items[0];
    int64_t width = whole.dims[whole.rank - 1];
    for (int k = 0; k < gates; k++) {
        domain d = {.shape = whole, .width = width};
        char name[SHORT];
        snprintf(d.flat, sizeof d.flat, "f%d", k);
        snprintf(d.inner, sizeof d.inner, "e%d", k);
        memcpy(d.outer, top.outer, sizeof d.outer);
        text_add(&c->out,
                 "const uint e%d = %s + %" PRId64 "u;\nconst %s f%d = %s * %" PRId64 "u + e%d;\n",
                 k, top.inner, k * top.width, code_index_type(c), k, top.outer, width, k);
        snprintf(name, sizeof name, "z%d", k);
        c->gate[k] = code_find_domain(c, &d);
        if (c->gate[k] < 0)
            return KILN_ERROR_MEMORY;
        KILN_TRY(remember(c, anchor, c->gate[k], c->lanes, name));
    }
    return KILN_OK;
}

const char *code_value_type(int lanes)
{
    return lanes == 16 ? "float16" : "float";
}

const char *code_index_type(const code *c)
{
    return c->wide_index ? "ulong" : "uint";
}

kiln_status code_give_up(code *c, char *out)
{
    c->scalar_only = true;
    snprintf(out, SHORT, "0.0f");
    return KILN_OK;
}

/* ---- arguments ---- */
kiln_status code_buffer(code *c, const argument *a, int *k)
{
    *k = launch_argument(c->l, a);
    if (*k < 0)
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "a fused kernel needs more than %d buffers",
                         LAUNCH_MAX_ARGUMENTS);
    return KILN_OK;
}

void code_element(code *c, const argument *a, int k, const char *at, int lanes)
{
    bool is_float = strcmp(a->type, "float") == 0, is_half = strcmp(a->type, "half") == 0;
    if (lanes == 16)
        text_add(&c->out,
                 is_float  ? "kiln_load16(p%d + (%s))"
                 : is_half ? "vload_half16(0, p%d + (%s))"
                           : "convert_float16(vload16(0, p%d + (%s)))",
                 k, at);
    else if (is_half)
        text_add(&c->out, "vload_half(%s, p%d)", at, k);
    else
        text_add(&c->out, "%sp%d[%s]", is_float ? "" : "(float)", k, at);
}

kiln_status code_load(code *c, const argument *a, const char *index, int lanes, char *out)
{
    int k;
    char at[256];
    KILN_TRY(code_buffer(c, a, &k));
    snprintf(out, SHORT, "v%d", c->next++);
    snprintf(at, sizeof at, "o%d + %s", k, index);
    text_add(&c->out, "const %s %s = ", code_value_type(lanes), out);
    code_element(c, a, k, at, lanes);
    text_add(&c->out, ";\n");
    return c->out.failed ? KILN_ERROR_MEMORY : KILN_OK;
}

const char *code_storage_type(kiln_dtype dtype)
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
        *a = (argument){.kind = ARGUMENT_SLOT,
                        .slot = (int)n->attr.integer[0],
                        .type = code_storage_type(n->dtype)};
        return KILN_OK;
    }
    *a = (argument){.kind = ARGUMENT_NODE};
    KILN_TRY(place_of(b, base, &a->where));
    a->type = place_type(b, a->where.owner);
    return KILN_OK;
}

kiln_status code_state(code *c, int *k)
{
    return code_buffer(
        c, &(argument){.kind = ARGUMENT_MEMORY, .memory = c->b->state, .type = "kiln_state"}, k);
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
    const char *type = code_value_type(lanes);
    for (int i = 0; i < n->input_count; i++) {
        int at, got = lanes;
        KILN_TRY(code_input_domain(c, d, n->shape, c->b->g->items[n->inputs[i]].shape, &at, &got));
        KILN_TRY(code_value_at(c, n->inputs[i], at, got, inputs[i]));
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

/* ---- any node ---- */
static bool is_anchor(const builder *b, int number, ir_id id)
{
    const cluster *c = &b->clusters[number];
    bool found = id == c->anchor || (id == c->pooled && id != IR_NONE);
    for (int i = 0; i < c->also_count; i++)
        found |= id == c->also[i];
    return found;
}

kiln_status code_value_at(code *c, ir_id id, int d, int lanes, char *out)
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
        int at = code_find_domain(c, &next);
        if (at < 0)
            return KILN_ERROR_MEMORY;
        return code_value_at(c, n->inputs[0], at, lanes, out);
    }
    bool mine = b->inlined[id] || b->cluster_of[id] == c->cluster;
    const cluster *own = &b->clusters[c->cluster];
    size_t known = own->gates ? (size_t)own->gates : (size_t)own->also_count + 1;
    for (size_t i = 0; i < c->memos.count && i < known; i++) {
        const memo *m = &c->memos.items[i];
        const domain *here = &c->domains.items[d], *at = &c->domains.items[m->domain];
        if (mine && m->node == id && is_anchor(b, c->cluster, id) &&
            strcmp(here->flat, at->flat) == 0 && lanes == m->lanes) {
            memcpy(out, m->name, SHORT);
            return KILN_OK;
        }
    }
    if (!mine || n->op->kind == OP_SOURCE || n->op->kind == OP_VIEW ||
        n->op == &op_desc_scan_slice || n->op == &op_desc_scan_state) {
        argument a;
        KILN_TRY(code_source(c, id, &a));
        KILN_TRY(code_load(c, &a, c->domains.items[d].flat, lanes, out));
    } else if (n->op->kind == OP_LEAF) {
        KILN_TRY(code_leaf(c, n, d, lanes, out));
    } else if (n->op->kind == OP_INDEXED) {
        KILN_TRY(code_indexed(c, id, d, lanes, out));
    } else if (n->op->kind == OP_POINTWISE) {
        KILN_TRY(pointwise(c, n, d, lanes, out));
    } else {
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "%s cannot be computed in place", n->op->name);
    }
    return remember(c, id, d, lanes, out);
}

static kiln_status value_in(code *c, ir_id node, int where, char out[24], bool *scalar_only)
{
    domain d = c->domains.items[where];
    d.shape = c->b->g->items[node].shape;
    int at = code_find_domain(c, &d);
    if (at < 0)
        return KILN_ERROR_MEMORY;
    KILN_TRY(code_value_at(c, node, at, c->lanes, out));
    *scalar_only = c->scalar_only;
    return KILN_OK;
}

kiln_status code_value(code *c, ir_id node, char out[24], bool *scalar_only)
{
    return value_in(c, node, 0, out, scalar_only);
}

/* ---- stores ---- */

/* Instead of storing a gradient: the optimizer's step of the weight at the same index. */
static kiln_status update(code *c, int number, const char *gradient)
{
    const builder *b = c->b;
    const plan_optimizer *o = b->request->optimizer;
    const char *type = code_value_type(c->lanes), *flat = c->domains.items[0].flat;
    int s, w, slot[4];
    KILN_TRY(code_state(c, &s));
    KILN_TRY(code_buffer(c,
                         &(argument){.kind = ARGUMENT_WEIGHT,
                                     .weight = b->request->updates[number].weight,
                                     .type = "float",
                                     .written = true},
                         &w));
    for (int k = 0; k < o->slot_count; k++)
        KILN_TRY(code_buffer(c,
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
        c->lanes == 16 ? "%s %s = kiln_load16(p%d + (o%d + %s));\n" : "%s %s = p%d[o%d + %s];\n";
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

static void store(code *c, const argument *a, int k, const char *index, const char *name)
{
    if (strcmp(a->type, "half") == 0)
        text_add(&c->out,
                 c->lanes == 16 ? "vstore_half16(%s, 0, p%d + (o%d + %s));\n"
                                : "vstore_half(%s, 0, p%d + (o%d + %s));\n",
                 name, k, k, index);
    else if (c->lanes == 16 && strcmp(a->type, "float") != 0)
        text_add(&c->out, "vstore16(convert_%s16(%s), 0, p%d + (o%d + %s));\n", a->type, name, k, k,
                 index);
    else if (c->lanes == 16)
        text_add(&c->out, "kiln_store16(%s, p%d + (o%d + %s));\n", name, k, k, index);
    else
        text_add(&c->out, "p%d[o%d + %s] = (%s)%s;\n", k, k, index, a->type, name);
}

/* Stores a part where it belongs in a joined value. */
static kiln_status store_joined(code *c, ir_id part, const char *name)
{
    int64_t own, whole, offset;
    int k;
    const char *row, *column;
    char space[2 * SHORT], index[SHORT];
    bool lanes_ok;
    argument a = {.kind = ARGUMENT_NODE, .written = true};
    joined_place(c->b, part, &own, &whole, &offset);
    KILN_TRY(place_of(c->b, c->b->joined_to[part], &a.where));
    a.type = place_type(c->b, a.where.owner);
    code_row_and_column(c, 0, own, &row, &column, &lanes_ok, space);
    if (c->lanes == 16 && !lanes_ok)
        c->scalar_only = true;
    KILN_TRY(code_buffer(c, &a, &k));
    snprintf(index, sizeof index, "i%d", c->next++);
    text_add(&c->out, "const %s %s = %s * %" PRId64 "u + %" PRId64 "u + %s;\n", code_index_type(c),
             index, row, whole, offset, column);
    store(c, &a, k, index, name);
    return c->out.failed ? KILN_ERROR_MEMORY : KILN_OK;
}

/* What has the size of all gates is stored for each. */
static kiln_status store_gates(code *c, ir_id id, bool *scalar_only)
{
    const builder *b = c->b;
    argument a = {.kind = ARGUMENT_NODE, .written = true, .where = place_written(b, id)};
    int k;
    a.type = place_type(b, a.where.owner);
    KILN_TRY(code_buffer(c, &a, &k));
    for (int gate = 0; gate < b->clusters[c->cluster].gates; gate++) {
        char name[SHORT];
        KILN_TRY(value_in(c, id, c->gate[gate], name, scalar_only));
        store(c, &a, k, c->domains.items[c->gate[gate]].flat, name);
    }
    return KILN_OK;
}

/* The nodes in front of a reduction are not stored; everything stored lies behind the anchor. */
kiln_status code_store_all(code *c, bool *scalar_only)
{
    builder *b = c->b;
    for (size_t i = 0; i < b->count; i++) {
        if (b->cluster_of[i] != c->cluster || (!b->stored[i] && b->joined_to[i] == IR_NONE))
            continue;
        char name[SHORT];
        int k;
        ir_id shown = (ir_id)i;
        const cluster *own = &b->clusters[c->cluster];
        if (own->gates && graph_elements(b, shown) == graph_elements(b, own->anchor)) {
            KILN_TRY(store_gates(c, shown, scalar_only));
            continue;
        }
        if (b->g->items[i].op == &op_desc_scan_state) { /* the loop's first value */
            KILN_TRY(code_value(c, b->g->items[i].inputs[0], name, scalar_only));
        } else {
            KILN_TRY(code_value(c, shown, name, scalar_only));
        }
        if (b->joined_to[i] != IR_NONE)
            KILN_TRY(store_joined(c, shown, name));
        if (!b->stored[i])
            continue;
        if (b->update_of[i] >= 0) {
            KILN_TRY(update(c, b->update_of[i], name));
            continue;
        }
        argument a = {.kind = ARGUMENT_WEIGHT, .written = true, .type = "float"};
        if (b->assign_of[i] >= 0) { /* stored into the weight itself */
            a.weight = b->request->assigns[b->assign_of[i]].weight;
        } else {
            a.kind = ARGUMENT_NODE;
            a.where = place_written(b, shown);
            a.type = place_type(b, a.where.owner);
        }
        KILN_TRY(code_buffer(c, &a, &k));
        store(c, &a, k, c->domains.items[0].flat, name);
    }
    *scalar_only = c->scalar_only;
    return c->out.failed ? KILN_ERROR_MEMORY : KILN_OK;
}
