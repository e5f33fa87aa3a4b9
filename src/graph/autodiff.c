/* Reverse-mode gradients: each node's descriptor adds the nodes of its inputs' gradients. A loop
 * over time becomes a loop the other way; it reads the stacked values of the first and recomputes
 * what is element-wise and cheap. */
#include "graph/autodiff.h"

#include "op/conv.h"
#include "op/leaf.h"
#include "op/node.h"

#include <string.h>

/* A gradient of an outer value that a body reads: summed over time after the loop. */
typedef struct capture {
    ir_id outer; /* whose gradient it is */
    ir_id part;  /* inner contribution (a product's: the gradient of its result) */
    ir_id left;  /* product: the outer stack of the left operand, else IR_NONE */
    ir_id product; /* with `left`: the node in the forward body */
    int64_t steps; /* of the loop */
} capture;

/* A body's product (or convolution) of a state and a captured value. What its gradient sends to the state is computed at
 * the beginning of the reverse loop's next turn, from the gradient of its result, which is carried there: so the turn is
 * a product and what follows it element by element, as the forward one is, and can be one launch. */
typedef struct late_product {
    ir_id product, state; /* in the forward body */
    ir_id carried;        /* in the reverse one */
} late_product;

typedef struct differ {
    ir_graph *g;
    size_t count; /* nodes of the forward graph */
    ir_id *total; /* gradient of each forward node so far; for a body's nodes, inside the reverse
                     loop */
    ir_id *value; /* a body's node inside the reverse loop */
    bool *wanted; /* some wrt is reachable */
    int *last;    /* last node of each scope */
    struct {
        capture *items;
        size_t count, capacity;
    } captures;
    struct {
        late_product *items;
        size_t count, capacity;
    } late; /* of the loop at hand */
} differ;

static void mark_wanted(differ *d, int count, const ir_id *wrt)
{
    ir_graph *g = d->g;
    for (int i = 0; i < count; i++)
        if (wrt[i] != IR_NONE)
            d->wanted[wrt[i]] = true;
    /* Again while it spreads: a state depends on the node it becomes, which comes later. */
    for (bool spreads = true; spreads;) {
        spreads = false;
        for (size_t i = 0; i < d->count; i++) {
            bool wanted = d->wanted[i];
            for (int k = 0; k < g->items[i].input_count; k++)
                wanted |= d->wanted[g->items[i].inputs[k]];
            if (g->items[i].op == &op_desc_scan_state)
                wanted |=
                    d->wanted
                        [g->scans[g->items[i].scope - 1].states[g->items[i].attr.integer[0]].next];
            spreads |= wanted && !d->wanted[i] && g->items[i].scope != 0;
            d->wanted[i] = wanted;
        }
    }
}

/* Whether an element-wise operation takes long: then its value is kept for the way back. */
static bool is_costly(const op_descriptor *op)
{
    static const char *const calls[] = {"exp(",  "expm1(", "log(", "log1p(", "pow(",
                                        "tanh(", "erf(",   "sin(", "cos("};
    for (size_t i = 0; op->expression && i < sizeof calls / sizeof *calls; i++)
        if (strstr(op->expression, calls[i]))
            return true;
    return false;
}

/* The forward body's value inside the reverse loop: element-wise nodes that are cheap are computed
 * again, others are read back. */
static ir_id inside_value(differ *d, ir_id id)
{
    ir_graph *g = d->g;
    if (g->items[id].scope == 0)
        return id;
    if (d->value[id] != IR_NONE)
        return d->value[id];
    ir_node n = g->items[id];
    ir_id v;
    if ((n.op->kind == OP_POINTWISE && !is_costly(n.op)) || n.op == &op_desc_reshape) {
        ir_id inputs[IR_MAX_INPUTS];
        for (int i = 0; i < n.input_count; i++)
            if ((inputs[i] = inside_value(d, n.inputs[i])) == IR_NONE)
                return IR_NONE;
        n.attr.integer[3] = 0;
        v = op_node(g, n.op, n.input_count, inputs, n.dtype, n.shape, &n.attr);
    } else if (n.op == &op_desc_scan_slice) {
        v = op_scan_slice(g, n.inputs[0]);
    } else {
        int scope = g->scope;
        g->scope = 0;
        ir_id stack = op_scan_stack(g, id);
        g->scope = scope;
        v = op_scan_slice(g, stack);
    }
    return d->value[id] = v;
}

/* Adds the gradients of one node's inputs. node and its inputs are given as they are visible here.
 */
static kiln_status visit(differ *d, ir_id forward, ir_id node, ir_id dy)
{
    ir_graph *g = d->g;
    ir_node n = g->items[forward];
    if (n.op->gradient == NULL)
        return KILN_OK;
    ir_id dx[IR_MAX_INPUTS];
    for (int i = 0; i < IR_MAX_INPUTS; i++)
        dx[i] = IR_NONE;
    KILN_TRY(n.op->gradient(g, node, dy, dx));
    for (int i = 0; i < n.input_count; i++) {
        ir_id input = n.inputs[i];
        if (dx[i] == IR_NONE || !d->wanted[input])
            continue;
        if (n.scope != 0 && g->items[input].scope == 0) { /* a captured value */
            KILN_TRY(MEM_PUSH_ROOM(&d->captures));
            d->captures.items[d->captures.count++] =
                (capture){.outer = input,
                          .part = dx[i],
                          .left = IR_NONE,
                          .steps = g->scans[n.scope - 1].steps};
        } else {
            KILN_TRY(op_add_gradient(g, &d->total[input], dx[i]));
        }
    }
    return KILN_OK;
}

static bool is_captured_product(const ir_graph *g, const ir_node *n)
{
    bool plain = n->op == &op_desc_matmul && n->attr.integer[0] == 0 && n->shape.rank == 2;
    return (plain || n->op == &op_desc_conv) && g->items[n->inputs[1]].scope == 0 &&
           g->items[n->inputs[0]].scope != 0;
}

/* What a captured product sends to its left side, from the gradient of its result. */
static ir_id sent_left(ir_graph *g, ir_id product, ir_id gradient)
{
    const ir_node n = g->items[product];
    return n.op == &op_desc_conv ? op_conv_input_gradient(g, &n, gradient)
                                 : op_matmul(g, gradient, n.inputs[1], false, !n.attr.integer[1]);
}

/* The leading two axes as one: of all time steps, the rows. */
static ir_id all_rows(ir_graph *g, ir_id x)
{
    if (x == IR_NONE)
        return x;
    kiln_shape from = g->items[x].shape, to = {.rank = from.rank - 1, .dims = {-1}};
    memcpy(&to.dims[1], &from.dims[2], (size_t)(to.rank - 1) * sizeof *to.dims);
    return op_reshape(g, x, to);
}

/* And to its right side, from the left sides and the gradients of all time steps. */
static ir_id sent_right(ir_graph *g, ir_id product, ir_id left, ir_id gradient)
{
    const ir_node n = g->items[product];
    left = all_rows(g, left);
    gradient = all_rows(g, gradient);
    return n.op == &op_desc_conv ? op_conv_kernel_gradient(g, &n, left, gradient)
           : n.attr.integer[1]   ? op_matmul(g, gradient, left, true, false)
                                 : op_matmul(g, left, gradient, true, false);
}

static const late_product *late_product_of(const differ *d, ir_id product)
{
    for (size_t i = 0; i < d->late.count; i++)
        if (d->late.items[i].product == product)
            return &d->late.items[i];
    return NULL;
}

/* A product with a captured right side: its gradient is one product over all time steps. */
static kiln_status visit_captured_product(differ *d, ir_id forward, ir_id dy, bool *done)
{
    ir_graph *g = d->g;
    ir_node n = g->items[forward];
    ir_id a = n.inputs[0], b = n.inputs[1];
    *done = is_captured_product(g, &n);
    if (!*done)
        return KILN_OK;
    if (d->wanted[b]) {
        ir_id left;
        if (g->items[a].op == &op_desc_scan_slice) {
            left = g->items[a].inputs[0];
        } else {
            int scope = g->scope;
            g->scope = 0;
            left = op_scan_stack(g, a);
            g->scope = scope;
        }
        if (left == IR_NONE)
            return kiln_last_status();
        KILN_TRY(MEM_PUSH_ROOM(&d->captures));
        d->captures.items[d->captures.count++] =
            (capture){.outer = b, .part = dy, .left = left, .product = forward};
    }
    if (d->wanted[a] && late_product_of(d, forward) == NULL)
        KILN_TRY(op_add_gradient(g, &d->total[a], sent_left(g, forward, dy)));
    return KILN_OK;
}

static ir_id zeros(ir_graph *g, kiln_shape shape)
{
    return op_broadcast(g, op_constant(g, 0.0), shape);
}

/* At the beginning of a reverse body. */
static kiln_status begin_late_products(differ *d, int scope)
{
    ir_graph *g = d->g;
    d->late.count = 0;
    for (size_t i = 0; i < d->count; i++) {
        const ir_node n = g->items[i];
        if (n.scope != scope || !d->wanted[i] || !is_captured_product(g, &n) ||
            g->items[n.inputs[0]].op != &op_desc_scan_state || !d->wanted[n.inputs[0]])
            continue;
        ir_scan_state s = g->scans[scope - 1].states[g->items[n.inputs[0]].attr.integer[0]];
        late_product l = {(ir_id)i, s.state, op_scan_state(g, zeros(g, n.shape))};
        KILN_TRY(op_add_gradient(g, &d->total[s.next], sent_left(g, l.product, l.carried)));
        KILN_TRY(MEM_PUSH_ROOM(&d->late));
        d->late.items[d->late.count++] = l;
    }
    return KILN_OK;
}

/* At its end. The gradient is kept in the state's place; whoever reads it over all time steps reads it there. */
static kiln_status end_late_products(differ *d, int scope)
{
    ir_graph *g = d->g;
    for (size_t i = 0; i < d->late.count; i++) {
        const late_product *l = &d->late.items[i];
        ir_id dy = d->total[l->product];
        KILN_TRY(op_scan_update(g, l->carried, dy == IR_NONE ? zeros(g, g->items[l->product].shape) : dy));
        ir_id own = op_scan_next(g, l->carried);
        for (size_t k = 0; k < d->captures.count && dy != IR_NONE; k++)
            if (d->captures.items[k].part == dy)
                d->captures.items[k].part = own;
        for (size_t k = 0; k < d->count && dy != IR_NONE; k++)
            if (g->items[k].scope == scope && d->total[k] == dy)
                d->total[k] = own;
    }
    return KILN_OK;
}

/* Behind the loop: what is left for the states' first values. */
static kiln_status finish_late_products(differ *d, int scope)
{
    ir_graph *g = d->g;
    for (size_t i = 0; i < d->late.count; i++) {
        const late_product *l = &d->late.items[i];
        ir_id initial = g->scans[scope - 1].states[g->items[l->state].attr.integer[0]].initial;
        if (d->wanted[initial])
            KILN_TRY(op_add_gradient(g, &d->total[initial], sent_left(g, l->product, op_scan_final(g, l->carried))));
    }
    return KILN_OK;
}

/* Inside the reverse of a loop: a value at that loop's last time step, zeros at the others. */
static ir_id at_last_step(ir_graph *g, int forward, ir_id value)
{
    const ir_scan scan = g->scans[forward - 1];
    kiln_shape shape = g->items[value].shape, step = {.rank = shape.rank + 1, .dims = {1}};
    memcpy(&step.dims[1], shape.dims, (size_t)shape.rank * sizeof *shape.dims);
    int scope = g->scope;
    g->scope = 0;
    ir_id all = op_pad(g, op_reshape(g, value, step), 0, scan.reverse ? 0 : scan.steps - 1, scan.reverse ? scan.steps - 1 : 0);
    g->scope = scope;
    return op_scan_slice(g, all);
}

/* Whether a state's gradient inside the loop comes from late products alone: then nothing else of it is carried. */
static bool is_sent_late(const differ *d, int scope, ir_id state)
{
    const ir_graph *g = d->g;
    bool late = d->total[state] == IR_NONE;
    for (size_t i = 0; i < d->count && late; i++)
        for (int k = 0; k < g->items[i].input_count && g->items[i].scope == scope; k++)
            if (g->items[i].inputs[k] == state && d->wanted[i])
                late &= late_product_of(d, (ir_id)i) != NULL;
    return late;
}

/* After the reverse loop: the captured values' gradients. */
static kiln_status add_captures(differ *d)
{
    ir_graph *g = d->g;
    for (size_t i = 0; i < d->captures.count; i++) {
        capture c = d->captures.items[i];
        ir_id part = g->items[c.part].scope == 0 ? IR_NONE : op_scan_stack(g, c.part), sum;
        if (c.left != IR_NONE) {
            sum = sent_right(g, c.product, c.left, part);
        } else if (part == IR_NONE) { /* the same at each step */
            sum = op_affine(g, c.part, (double)c.steps, 0.0);
        } else {
            sum = op_reduce(g, R_SUM, part, 0, 0, false);
        }
        KILN_TRY(op_add_gradient(g, &d->total[c.outer], sum));
    }
    d->captures.count = 0;
    return KILN_OK;
}

static kiln_status reverse_loop(differ *d, int scope)
{
    ir_graph *g = d->g;
    size_t states = g->scans[scope - 1].state_count;
    ir_id *carried = mem_new(states, sizeof *carried);
    if (carried == NULL)
        return KILN_ERROR_MEMORY;
    kiln_status status = op_scan_begin(g, g->scans[scope - 1].steps, !g->scans[scope - 1].reverse);
    /* What came from outside, as it looks inside: stacked gradients are read step by step. */
    for (size_t i = 0; i < d->count && status == KILN_OK; i++)
        if (g->items[i].scope == scope && d->total[i] != IR_NONE)
            d->total[i] = op_scan_slice(g, d->total[i]);
    if (status == KILN_OK)
        status = begin_late_products(d, scope);
    for (size_t k = 0; k < states && status == KILN_OK; k++) {
        ir_scan_state s = g->scans[scope - 1].states[k];
        carried[k] = IR_NONE;
        if (!d->wanted[s.next])
            continue;
        ir_id start =
            d->value[s.state]; /* the gradient of the final state, put here by the outer pass */
        d->value[s.state] = IR_NONE;
        if (is_sent_late(d, scope, s.state)) {
            if (start != IR_NONE)
                status = op_add_gradient(g, &d->total[s.next], at_last_step(g, scope, start));
            continue;
        }
        if (start == IR_NONE)
            start = zeros(g, g->items[s.state].shape);
        carried[k] = op_scan_state(g, start);
        status = op_add_gradient(g, &d->total[s.next], carried[k]);
    }
    for (size_t i = d->count; i-- > 0 && status == KILN_OK;) {
        if (g->items[i].scope != scope || d->total[i] == IR_NONE || !d->wanted[i])
            continue;
        const op_descriptor *op = g->items[i].op;
        if (op == &op_desc_scan_slice || op == &op_desc_scan_state)
            continue;
        bool done;
        status = visit_captured_product(d, (ir_id)i, d->total[i], &done);
        if (status != KILN_OK || done)
            continue;
        /* A copy of the node over values that are visible here; only what the gradient reads of it
         * stays alive. */
        ir_node n = g->items[i];
        ir_id inputs[IR_MAX_INPUTS], copy;
        for (int k = 0; k < n.input_count && status == KILN_OK; k++)
            if ((inputs[k] = inside_value(d, n.inputs[k])) == IR_NONE)
                status = kiln_last_status();
        if (status != KILN_OK)
            break;
        n.attr.integer[3] = op == op_pointwise(F_IDENTITY) ? 0 : n.attr.integer[3];
        copy = op_node(g, op, n.input_count, inputs, n.dtype, n.shape, &n.attr);
        ir_id kept = is_costly(op) ? inside_value(d, (ir_id)i) : copy;
        size_t first = g->count;
        status = copy == IR_NONE || kept == IR_NONE ? kiln_last_status()
                                                    : visit(d, (ir_id)i, copy, d->total[i]);
        for (size_t k = first; k < g->count; k++) /* a gradient that reads the node's value */
            for (int x = 0; x < g->items[k].input_count; x++)
                if (g->items[k].inputs[x] == copy)
                    g->items[k].inputs[x] = kept;
    }
    for (size_t k = 0; k < states && status == KILN_OK; k++) {
        ir_scan_state s = g->scans[scope - 1].states[k];
        if (carried[k] == IR_NONE)
            continue;
        ir_id before = d->total[s.state];
        if (before == IR_NONE)
            before = zeros(g, g->items[s.state].shape);
        status = op_scan_update(g, carried[k], before);
    }
    if (status == KILN_OK)
        status = end_late_products(d, scope);
    kiln_status end = op_scan_end(g);
    if (status == KILN_OK)
        status = end;
    for (size_t k = 0; k < states && status == KILN_OK; k++) {
        ir_scan_state s = g->scans[scope - 1].states[k];
        if (carried[k] != IR_NONE && d->wanted[s.initial])
            status = op_add_gradient(g, &d->total[s.initial], op_scan_final(g, carried[k]));
    }
    if (status == KILN_OK)
        status = finish_late_products(d, scope);
    for (size_t i = 0; i < d->count && status == KILN_OK; i++)
        if (g->items[i].scope == scope && g->items[i].op == &op_desc_scan_slice &&
            d->total[i] != IR_NONE && d->wanted[g->items[i].inputs[0]])
            status =
                op_add_gradient(g, &d->total[g->items[i].inputs[0]], op_scan_stack(g, d->total[i]));
    free(carried);
    return status == KILN_OK ? add_captures(d) : status;
}

static kiln_status differentiate(differ *d)
{
    ir_graph *g = d->g;
    for (size_t i = d->count; i-- > 0;) {
        const ir_node n = g->items[i];
        if (n.scope != 0) {
            if (d->last[n.scope - 1] == (int)i)
                KILN_TRY(reverse_loop(d, n.scope));
            continue;
        }
        if (d->total[i] == IR_NONE || !d->wanted[i])
            continue;
        ir_set_place(g, n.place);
        if (n.op == &op_desc_scan_stack)
            KILN_TRY(op_add_gradient(g, &d->total[n.inputs[0]], d->total[i]));
        else if (n.op == &op_desc_scan_final)
            KILN_TRY(op_add_gradient(g, &d->value[n.inputs[0]], d->total[i]));
        else
            KILN_TRY(visit(d, (ir_id)i, (ir_id)i, d->total[i]));
    }
    return KILN_OK;
}

kiln_status graph_gradients(ir_graph *g, ir_id loss, int count, const ir_id *wrt, ir_id *gradients)
{
    if (loss == IR_NONE)
        return kiln_fail_null("the loss");
    if (kiln_shape_size(g->items[loss].shape) != 1)
        return kiln_fail(KILN_ERROR_SHAPE, "gradients need a scalar loss, not one of shape %s",
                         ir_shape_text(g->items[loss].shape));
    differ d = {.g = g, .count = g->count};
    d.total = mem_new(d.count, sizeof *d.total);
    d.value = mem_new(d.count, sizeof *d.value);
    d.wanted = mem_new(d.count, sizeof *d.wanted);
    d.last = mem_new(g->scan_count, sizeof *d.last);
    kiln_status status = d.total && d.value && d.wanted && d.last ? KILN_OK : KILN_ERROR_MEMORY;
    if (status == KILN_OK) {
        for (size_t i = 0; i < d.count; i++) {
            d.total[i] = d.value[i] = IR_NONE;
            if (g->items[i].scope)
                d.last[g->items[i].scope - 1] = (int)i;
        }
        mark_wanted(&d, count, wrt);
        kiln_shape shape = g->items[loss].shape; /* adding nodes may move the others */
        d.total[loss] = op_broadcast(g, op_constant(g, 1.0), shape);
        if (d.total[loss] == IR_NONE)
            status = kiln_last_status();
    }
    const char *place = g->place;
    if (status == KILN_OK)
        status = differentiate(&d);
    g->place = place;
    for (int i = 0; i < count && status == KILN_OK; i++)
        gradients[i] = wrt[i] == IR_NONE ? IR_NONE : d.total[wrt[i]];
    free(d.total);
    free(d.value);
    free(d.wanted);
    free(d.last);
    free(d.captures.items);
    free(d.late.items);
    return status;
}
