/* Looking inside a plan: the first launch whose result is not finite, figures, a line a launch, a
 * drawing. */
#include "graph/plan_inside.h"
#include "op/leaf.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define PLACE_SHOWN 256

/* Does what an argument was written to hold a value that is not finite? */
static kiln_status is_bad(const plan *p, const bound *c, const argument *x, bool *bad)
{
    *bad = false;
    const bool half = strcmp(x->type, "half") == 0;
    if (!x->written || (!half && strcmp(x->type, "float") != 0) ||
        (x->kind == ARGUMENT_NODE && !p->b.fixed[x->where.owner].memory &&
         p->places.arena[x->where.owner] < 0))
        return KILN_OK;
    int64_t n = x->kind == ARGUMENT_NODE     ? kiln_shape_size(p->graph.items[x->where.owner].shape)
                : x->kind == ARGUMENT_WEIGHT ? kiln_shape_size(x->weight->shape)
                                             : 0;
    if (c->from->scope == 0 && x->kind == ARGUMENT_NODE && x->where.stride) /* all time steps */
        n *= place_elements(&p->b, x->where.owner) / n - (x->where.offset > 0);
    if (n == 0)
        return KILN_OK;
    cl_mem memory;
    cl_ulong offset;
    plan_resolve(p, x, c->time, &memory, &offset);
    const size_t size = half ? 2 : 4;
    float *values = mem_new((size_t)n, size);
    if (values == NULL)
        return KILN_ERROR_MEMORY;
    const uint16_t *halves = (const uint16_t *)values;
    kiln_status status =
        device_read(p->device, memory, (size_t)offset * size, values, (size_t)n * size);
    for (int64_t i = 0; i < n && status == KILN_OK && !*bad; i++)
        *bad = half ? (halves[i] & 0x7c00) == 0x7c00 : !isfinite(values[i]);
    free(values);
    return status;
}

static bool is_place(const char *given, const char *name)
{
    return given && strcmp(given, name) == 0;
}

/* Does a call write what this node's value is? */
static bool is_written(const bound *c, ir_id id)
{
    for (int a = 0; a < c->from->argument_count; a++) {
        const argument *x = &c->from->arguments[a];
        if (x->written && x->kind == ARGUMENT_NODE && x->where.owner == id)
            return true;
    }
    return false;
}

/* The first of the nodes that a result is made of on its way to memory, where it alone is seen: the
 * values of each of them may be the ones that are not finite. */
static kiln_status first_within(const plan *p, const bound *c, ir_id result, ir_id *first)
{
    bool *within = mem_new((size_t)result + 1, sizeof *within);
    *first = result;
    if (within == NULL)
        return KILN_ERROR_MEMORY;
    within[result] = true;
    for (ir_id id = result; id >= 0; id--) {
        const ir_node *n = &p->graph.items[id];
        if (!within[id])
            continue;
        if (n->place)
            *first = id;
        for (int i = 0; i < n->input_count; i++) {
            ir_id from = n->inputs[i];
            within[from] |= p->b.cluster_of[from] >= 0 &&
                            p->b.cluster_of[from] == p->b.cluster_of[id] && !p->b.stored[from] &&
                            !is_written(c, from);
        }
    }
    free(within);
    return KILN_OK;
}

/* " of layer dense", " of the loss" or " of layer dense up to the loss" */
static void say_place(const char *from, const char *to, char out[PLACE_SHOWN])
{
    const char *const places[] = {from, to};
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < 2 && used < PLACE_SHOWN; i++) {
        const char *name = places[i];
        bool part =
            is_place(name, "loss") || is_place(name, "metrics") || is_place(name, "gradients");
        if (name && (i == 0 || !is_place(from, name)))
            used += (size_t)snprintf(out + used, PLACE_SHOWN - used, "%s%s%s",
                                     i ? " up to " : " of ", part ? "the " : "layer ", name);
    }
}

/* A kernel may hold the launches of several layers: the first of its bad results in the order of
 * the graph says whose it is, but for a copy of the data, which has no layer. */
static kiln_status first_bad_result(const plan *p, const bound *c, bool *found, bool *data_bad,
                                    char shown[PLACE_SHOWN])
{
    ir_id first = IR_NONE, begin;
    say_place(c->first->layer, NULL, shown);
    for (int a = 0; a < c->from->argument_count; a++) {
        const argument *x = &c->from->arguments[a];
        bool bad;
        KILN_TRY(is_bad(p, c, x, &bad));
        *found |= bad;
        if (!bad || x->kind != ARGUMENT_NODE)
            continue;
        if (is_place(p->graph.items[x->where.owner].place, "data"))
            *data_bad = true;
        else if (first == IR_NONE || x->where.owner < first)
            first = x->where.owner;
    }
    if (first == IR_NONE || p->graph.items[first].place == NULL)
        return KILN_OK;
    KILN_TRY(first_within(p, c, first, &begin));
    say_place(p->graph.items[begin].place, p->graph.items[first].place, shown);
    return KILN_OK;
}

kiln_status plan_check_numerics(plan *p, char *where, size_t room)
{
    const call_list *calls;
    KILN_TRY(plan_ready(p, 1));
    KILN_TRY(plan_calls_apart(p, &calls));
    where[0] = '\0';
    p->enqueued++;
    for (size_t i = 0; i < calls->count; i++) {
        bool found = false, data_bad = false;
        char shown[PLACE_SHOWN] = "";
        KILN_TRY(plan_enqueue_call(p, &calls->items[i], 1));
        if (where[0] == '\0')
            KILN_TRY(first_bad_result(p, &calls->items[i], &found, &data_bad, shown));
        if (found)
            snprintf(where, room, "launch %zu (%s)%s%s", i + 1, calls->items[i].from->name, shown,
                     data_bad ? ", which takes data that are not finite" : "");
    }
    return device_finish(p->device);
}

void plan_describe(const plan *p, plan_facts *f)
{
    *f = (plan_facts){
        .launches = (int)p->calls.count,
        .profiled = (int)plan_count_apart(p),
        .flops = p->flops,
        .kept_bytes = p->places.kept};
    for (int i = 0; i < p->places.arena_count; i++)
        f->arena_bytes += p->places.sizes[i];
    f->state_bytes = p->gradient_bytes + p->scratch_bytes + p->b.sum_count * 8 +
                     (p->step_capacity + 1) * sizeof(plan_step) + sizeof(state_record);
    f->engines = p->tile && p->clblast ? "tile+clblast" : p->clblast ? "clblast" : "tile";
}

/* The phase of a group's kernel that a launch begins, from 1; 0: none. */
static size_t phase_beginning(const plan *p, const group *g, size_t l)
{
    for (size_t i = 0; i < g->phases; i++)
        if (p->b.phases.items[g->phase + i].first == l)
            return i + 1;
    return 0;
}

kiln_status plan_dump(const plan *p, text *out)
{
    plan_facts f;
    plan_describe(p, &f);
    text_add(out, "plan \"%s\": %d launches a step, ", p->name, f.launches);
    if (p->b.groups.items[0].most_steps)
        text_add(out, "up to %zu steps in one, ", p->b.groups.items[0].most_steps);
    text_add(out, "%.2f MB of activations, %.2f MFLOP in products\n", (double)f.arena_bytes / 1e6, f.flops / 1e6);
    for (size_t j = 0; j < p->b.groups.count; j++) {
        const group *g = &p->b.groups.items[j];
        for (size_t i = g->first; i < g->first + g->count; i++) {
            const launch *l = &p->b.launches.items[i];
            const size_t phase = phase_beginning(p, g, i);
            if (phase)
                text_add(out, "%3zu.%zu", j + 1, phase);
            else if (i == g->first)
                text_add(out, "  %3zu", j + 1);
            else
                text_add(out, "     ");
            text_add(out, " %s%-46s %-16s", l->chain >= 0 || l->with_next ? "> " : "  ", l->name,
                     l->layer ? l->layer : "-");
            if (l->product.k)
                text_add(out, " %s %" PRId64 " x %" PRId64 " x %" PRId64 ",",
                         l->is_clblast ? "clblast" : "tile", l->product.m, l->product.n,
                         l->product.k);
            text_add(out, " %zu items",
                     l->items ? l->items : l->global[0] * (l->dims > 1 ? l->global[1] : 1));
            if (launch_loop(&p->b, l))
                text_add(out, ", all %" PRId64 " time steps", launch_loop(&p->b, l)->steps);
            if (l->scope)
                text_add(out, ", at each of %" PRId64 " time steps",
                         p->graph.scans[l->scope - 1].steps);
            text_add(out, "\n");
        }
    }
    return out->failed ? KILN_ERROR_MEMORY : KILN_OK;
}

/* Text between quotation marks. */
static void add_quoted(text *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            text_add(out, "\\");
        text_bytes(out, s, 1);
    }
}

static void add_node(const plan *p, size_t i, text *out)
{
    const ir_node *n = &p->graph.items[i];
    const ir_weight *w = n->op == &op_desc_weight ? n->attr.object : NULL;
    text_add(out, "    n%zu [label=\"%s", i, n->op->name);
    if (w) {
        text_add(out, " ");
        add_quoted(out, w->path);
    }
    text_add(out, "\\n%s\"", ir_shape_text(n->shape));
    if (p->b.stored[i]) /* its value passes between launches */
        text_add(out, ", penwidth=2");
    else if (p->b.inlined[i]) /* computed wherever it is read */
        text_add(out, ", style=dashed");
    text_add(out, "];\n");
}

kiln_status plan_dot(const plan *p, text *out)
{
    const builder *b = &p->b;
    text_add(out, "digraph \"");
    add_quoted(out, p->name);
    text_add(out, "\" {\nnode [shape=box];\n");
    for (size_t c = 0; c < b->cluster_count; c++) {
        const cluster *k = &b->clusters[c];
        if (k->dead)
            continue;
        const char *layer = b->g->items[k->anchor != IR_NONE ? k->anchor : k->first].place;
        text_add(out, "subgraph cluster_%zu {\n    label=\"", c);
        add_quoted(out, layer ? layer : "");
        if (k->chain >= 0)
            text_add(out, " (chain %d)", k->chain + 1);
        text_add(out, "\";\n");
        for (size_t i = 0; i < b->count; i++)
            if (b->cluster_of[i] == (int)c)
                add_node(p, i, out);
        text_add(out, "}\n");
    }
    for (size_t i = 0; i < b->count; i++) {
        if (!b->live[i])
            continue;
        if (b->cluster_of[i] < 0)
            add_node(p, i, out);
        for (int k = 0; k < b->g->items[i].input_count; k++)
            text_add(out, "    n%d -> n%zu;\n", b->g->items[i].inputs[k], i);
        if (b->state_of[i] != IR_NONE) /* what a loop carries to its next time step */
            text_add(out, "    n%zu -> n%d [style=dotted];\n", i, b->state_of[i]);
    }
    text_add(out, "}\n");
    return out->failed ? KILN_ERROR_MEMORY : KILN_OK;
}
