/* Plans: made once, run many times. */
#include "base/env.h"
#include "graph/inside.h"
#include "op/leaf.h"
#include "op/node.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* One enqueued call: a group, at one time step when it is part of a loop. */
typedef struct bound {
    const group *from;
    const launch *first; /* of the group */
    cl_kernel kernel;    /* NULL: CLBlast */
    int64_t time;
    device_launch_info info;
    cl_mem memory[3]; /* CLBlast's operands */
    size_t offset[3];
} bound;

typedef struct slot {
    cl_mem memory;
    size_t offset;
    int64_t rows;
} slot;

typedef struct output {
    cl_mem memory;
    size_t offset; /* elements */
    int64_t elements;
} output;

struct plan {
    kiln_device *device;
    char *name;
    builder b; /* launches and buffers; the graph's copy is gone after plan_create */
    ir_graph graph;
    memory_plan places;
    cl_mem *arenas;
    bound *calls;
    size_t call_count;
    slot *slots;
    int slot_count;
    output *outputs;
    int output_count;
    size_t step_capacity, loaded, enqueued;
    cl_mem scratch;
    size_t scratch_bytes;
    size_t gradient_bytes;
    double flops;
    bool tile, clblast;
};

#define STEP_CAPACITY 4096

/* kiln_state in cl/common.clh. */
typedef struct state_record {
    plan_step step;
    uint32_t index, bad, seed[2], spare[4];
} state_record;

/* ---- making ---- */

/* Copies of what a request asks for, with nodes of the plan's own graph. */
typedef struct asked {
    plan_update *updates;
    plan_assign *assigns;
    ir_id *outputs, *accumulators;
} asked;

/* A value that is asked for and lies in somebody else's memory (a source, a sequence's step) or
 * nowhere (it is computed in place: were the node itself asked for, everyone would read it from
 * memory and wait for it) gets a node of its own. */
static ir_id own_value(ir_graph *g, ir_id id, int64_t number)
{
    ir_id base = id;
    if (id == IR_NONE)
        return id;
    while (g->items[base].op->kind == OP_VIEW && g->items[base].op != &op_desc_scan_final)
        base = g->items[base].inputs[0];
    const ir_node *n = &g->items[base];
    return n->op->kind == OP_LEAF || n->op->kind == OP_SOURCE || n->op == &op_desc_scan_slice
               ? op_node(g, op_pointwise(F_IDENTITY), 1, &id, KILN_FLOAT32, g->items[id].shape,
                         &(ir_attributes){.integer = {0, number}})
               : id;
}

/* The nodes that are asked for, in place of the request's. */
static kiln_status own_values(plan *p, plan_request *r, const asked *own)
{
    ir_graph *g = &p->graph;
    int64_t number = -1;
    for (int i = 0; i < r->output_count; i++)
        if ((own->outputs[i] = own_value(g, r->outputs[i], number--)) == IR_NONE)
            return kiln_fail_null("an output of a plan");
    for (int i = 0; i < r->accumulator_count; i++)
        if ((own->accumulators[i] = own_value(g, r->accumulators[i], number--)) == IR_NONE)
            return kiln_fail_null("an accumulator of a plan");
    for (int i = 0; i < r->assign_count; i++) {
        own->assigns[i] = r->assigns[i];
        if ((own->assigns[i].value = own_value(g, r->assigns[i].value, number--)) == IR_NONE)
            return kiln_fail_null("a value to assign");
        kiln_shape from = g->items[own->assigns[i].value].shape, to = r->assigns[i].weight->shape;
        if (kiln_shape_size(from) != kiln_shape_size(to))
            return kiln_fail(KILN_ERROR_SHAPE, "%s of shape %s is assigned a value of shape %s",
                             r->assigns[i].weight->path, ir_shape_text(to), ir_shape_text(from));
    }
    if (r->loss != IR_NONE && (r->loss = own_value(g, r->loss, number)) == IR_NONE)
        return kiln_last_status();
    r->outputs = own->outputs;
    r->accumulators = own->accumulators;
    r->assigns = own->assigns;
    return KILN_OK;
}

/* A graph of the plan's own, in which each gradient has a node that nothing else shares. */
static kiln_status copy_graph(plan *p, plan_request *r, const asked *own_of)
{
    size_t more =
        2 * (size_t)(r->update_count + r->output_count + r->accumulator_count + r->assign_count) +
        8;
    const ir_graph *g = r->graph;
    p->graph = (ir_graph){0};
    p->graph.items = mem_new(g->count + more, sizeof *p->graph.items);
    p->graph.scans = mem_new(g->scan_count, sizeof *p->graph.scans);
    if (!p->graph.items || !p->graph.scans)
        return KILN_ERROR_MEMORY;
    memcpy(p->graph.items, g->items, g->count * sizeof *g->items);
    p->graph.count = g->count;
    p->graph.capacity = g->count + more;
    for (size_t i = 0; i < g->scan_count; i++) {
        p->graph.scans[i] = g->scans[i];
        p->graph.scans[i].state_capacity = g->scans[i].state_count;
        p->graph.scans[i].states = mem_new(g->scans[i].state_count, sizeof *g->scans[i].states);
        if (!p->graph.scans[i].states)
            return KILN_ERROR_MEMORY;
        memcpy(p->graph.scans[i].states, g->scans[i].states,
               g->scans[i].state_count * sizeof *g->scans[i].states);
        p->graph.scan_count = i + 1;
    }
    for (size_t i = 0; i < g->count; i++) { /* the names too: launches show them */
        if (g->items[i].place && (i == 0 || g->items[i].place != g->items[i - 1].place))
            KILN_TRY(ir_set_place(&p->graph, g->items[i].place));
        p->graph.items[i].place = g->items[i].place ? p->graph.place : NULL;
    }
    for (int i = 0; i < r->update_count; i++) {
        kiln_shape shape = r->updates[i].weight->shape;
        ir_id gradient = r->updates[i].gradient;
        if (gradient == IR_NONE)
            gradient = op_broadcast(&p->graph, op_constant(&p->graph, 0.0), shape);
        if (gradient == IR_NONE)
            return kiln_last_status();
        if (!ir_shape_equal(p->graph.items[gradient].shape, shape))
            return kiln_fail(KILN_ERROR_SHAPE, "the gradient of %s has shape %s, not %s",
                             r->updates[i].weight->path,
                             ir_shape_text(p->graph.items[gradient].shape), ir_shape_text(shape));
        p->graph.place = p->graph.items[gradient].place;
        ir_id own = op_node(&p->graph, op_pointwise(F_IDENTITY), 1, &gradient, KILN_FLOAT32, shape,
                            &(ir_attributes){.integer = {0, 1 + i}});
        if (own == IR_NONE)
            return kiln_last_status();
        own_of->updates[i] = (plan_update){r->updates[i].weight, own};
    }
    r->updates = own_of->updates;
    return own_values(p, r, own_of);
}

static kiln_status make_builder(plan *p, const plan_request *r)
{
    builder *b = &p->b;
    size_t n = p->graph.count;
    *b = (builder){.device = p->device, .request = r, .g = &p->graph, .count = n};
    b->live = mem_new(n, sizeof *b->live);
    b->inlined = mem_new(n, sizeof *b->inlined);
    b->stored = mem_new(n, sizeof *b->stored);
    b->required = mem_new(n, sizeof *b->required);
    b->stacked = mem_new(n, sizeof *b->stacked);
    b->cluster_of = mem_new(n, sizeof *b->cluster_of);
    b->state_of = mem_new(n, sizeof *b->state_of);
    b->fixed = mem_new(n, sizeof *b->fixed);
    b->update_of = mem_new(n, sizeof *b->update_of);
    b->update_offsets = mem_new((size_t)r->update_count, sizeof *b->update_offsets);
    if (!b->live || !b->inlined || !b->stored || !b->required || !b->stacked || !b->cluster_of ||
        !b->state_of || !b->fixed || !b->update_of || !b->update_offsets)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < n; i++)
        b->state_of[i] = b->update_of[i] = -1;
    KILN_TRY(device_alloc(p->device, sizeof(state_record), "step state", &b->state));
    p->step_capacity = STEP_CAPACITY;
    KILN_TRY(device_alloc(p->device, (p->step_capacity + 1) * sizeof(plan_step), "table of steps",
                          &b->steps));
    for (int i = 0; i < r->accumulator_count; i++)
        b->sum_count += (size_t)kiln_shape_size(p->graph.items[r->accumulators[i]].shape);
    if (b->sum_count)
        KILN_TRY(device_alloc(p->device, b->sum_count * 8, "running sums", &b->sums));
    if (r->update_count) {
        if (r->optimizer == NULL)
            return kiln_fail_null("the optimizer of a plan with updates");
        size_t size = plan_update_offsets(r->update_count, r->updates, b->update_offsets);
        /* Clipping by norm needs all gradients first, and accumulation keeps them: then they lie in
         * a buffer of their own. */
        b->fused_updates = r->optimizer->clipnorm <= 0 && r->optimizer->global_clipnorm <= 0 &&
                           r->optimizer->accumulate <= 1;
        for (int i = 0; i < r->update_count && b->fused_updates; i++)
            b->update_of[r->updates[i].gradient] = i;
        if (!b->fused_updates) {
            p->gradient_bytes = 4 * size;
            KILN_TRY(device_alloc(p->device, p->gradient_bytes, "gradients", &b->gradients));
            for (int i = 0; i < r->update_count; i++)
                b->fixed[r->updates[i].gradient] =
                    (struct fixed_place){b->gradients, b->update_offsets[i]};
        }
    }
    return KILN_OK;
}

/* ---- binding ---- */
static void resolve(const plan *p, const argument *a, int64_t time, cl_mem *memory,
                    cl_ulong *offset)
{
    switch (a->kind) {
    case ARGUMENT_NODE: {
        ir_id o = a->where.owner;
        int64_t at = a->where.offset + a->where.stride * time;
        if (p->b.fixed[o].memory) {
            *memory = p->b.fixed[o].memory;
            *offset = p->b.fixed[o].offset + (cl_ulong)at;
        } else if (p->places.arena[o] >= 0) {
            *memory = p->arenas[p->places.arena[o]];
            *offset = p->places.offset[o] / 4 + (cl_ulong)at;
        } else { /* an anchor that only its epilogue sees: the template wants a buffer and does not
                    use it */
            *memory = p->b.state;
            *offset = 0;
        }
        break;
    }
    case ARGUMENT_WEIGHT:
        *memory = a->weight->memory;
        *offset = a->weight->offset + (cl_ulong)(a->where.stride * time);
        break;
    case ARGUMENT_SLOT:
        *memory = p->slots[a->slot].memory;
        *offset = p->slots[a->slot].offset + (cl_ulong)(a->where.stride * time);
        break;
    default:
        *memory = a->memory;
        *offset = a->offset;
        break;
    }
}

static kiln_status set_argument(plan *p, bound *c, int k)
{
    cl_mem memory;
    cl_ulong offset;
    resolve(p, &c->from->arguments[k], c->time, &memory, &offset);
    if (c->kernel == NULL) {
        if (k < 3) {
            c->memory[k] = memory;
            c->offset[k] = (size_t)offset;
        }
        return KILN_OK;
    }
    KILN_TRY(device_check(p->device,
                          clSetKernelArg(c->kernel, (cl_uint)(2 * k), sizeof memory, &memory),
                          "clSetKernelArg", "kernel %s", c->from->name));
    return device_check(p->device,
                        clSetKernelArg(c->kernel, (cl_uint)(2 * k + 1), sizeof offset, &offset),
                        "clSetKernelArg", "kernel %s", c->from->name);
}

/* Whether a group's kernel is written here: a product's template for work-groups brings its own. */
static bool has_own_kernel(const plan *p, const group *g)
{
    const launch *l = &p->b.launches.items[g->first];
    return !l->is_clblast && l->items > 0;
}

/* A launch's functions, with '@' replaced by a name of its own. */
static void add_functions(text *source, const char *from, int number)
{
    for (const char *s = from, *at; *s; s = at + 1) {
        at = strchr(s, '@');
        if (at == NULL) {
            text_add(source, "%s", s);
            break;
        }
        text_bytes(source, s, (size_t)(at - s));
        text_add(source, "kiln_%d", number);
    }
    text_add(source, "\n");
}

static void add_call(text *source, const launch *l, const char *item)
{
    text_add(source, "kiln_%d_body(", l->variant);
    for (int i = 0; i < l->argument_count; i++)
        text_add(source, "p%d, o%d, ", l->map[i], l->map[i]);
    text_add(source, "%s);\n", item);
}

/* The kernel of a group: ranges of work-items, each with its launch or chain. */
static void add_kernel(const plan *p, text *source, const group *g, size_t number)
{
    const builder *b = &p->b;
    text_add(source, "__kernel void kiln_group_%zu(", number);
    for (int i = 0; i < g->argument_count; i++)
        text_add(source, "%s__global %s%s *p%d, const ulong o%d", i ? ", " : "",
                 g->arguments[i].written ? "" : "const ", g->arguments[i].type, i, i);
    text_add(source, ")\n{\n    size_t item = get_global_id(0);\n");
    for (size_t i = g->first; i < g->first + g->count;) {
        const launch *l = &b->launches.items[i];
        bool last = false;
        size_t end = i + 1;
        while (l->chain >= 0 && end < g->first + g->count &&
               b->launches.items[end].chain == l->chain)
            end++;
        last = end == g->first + g->count;
        text_add(source, last ? "    {\n" : "    if (item < %zuu) {\n", l->items);
        for (; i < end; i++) {
            const launch *x = &b->launches.items[i];
            if (x->repeats > 1) {
                char item[64];
                snprintf(item, sizeof item, "item + k * %zuu", x->stride);
                text_add(source, "        for (uint k = 0; k < %zuu; k++)\n            ",
                         x->repeats);
                add_call(source, x, item);
            } else {
                text_add(source, "        ");
                add_call(source, x, "item");
            }
        }
        text_add(source, last ? "    }\n" : "        return;\n    }\n    item -= %zuu;\n",
                 l->items);
    }
    text_add(source, "}\n\n");
}

/* Puts all kernels into one program; launches with the same text share their functions. */
static kiln_status build(plan *p, cl_program *program)
{
    text source = {0};
    char label[96];
    builder *b = &p->b;
    if (b->fused_updates) {
        text_add(&source, "%s",
                 b->request->optimizer->defines ? b->request->optimizer->defines : "");
        KILN_TRY(source_file(&source, "optimizer.cl"));
    }
    for (size_t i = 0; i < b->launches.count; i++) {
        launch *l = &b->launches.items[i];
        l->variant = (int)i;
        for (size_t k = 0; k < i && !l->is_clblast; k++) {
            const launch *o = &b->launches.items[k];
            if (!o->is_clblast && o->source.length == l->source.length &&
                memcmp(o->source.data, l->source.data, l->source.length) == 0) {
                l->variant = o->variant;
                break;
            }
        }
        if (l->variant == (int)i && !l->is_clblast) {
            text_add(&source, "#line 1 \"%s\"\n", l->name);
            add_functions(&source, l->source.data, l->variant);
        }
    }
    text_add(&source, "#line 1 \"groups\"\n");
    for (size_t i = 0; i < b->groups.count; i++)
        if (has_own_kernel(p, &b->groups.items[i]))
            add_kernel(p, &source, &b->groups.items[i], i);
    if (source.failed)
        return KILN_ERROR_MEMORY;
    if (env_debug("source"))
        fprintf(stderr, "/* kernels of plan \"%s\" */\n%s", p->name, source.data);
    snprintf(label, sizeof label, "kernels of %s", p->name);
    kiln_status status = device_program(p->device, label, source.data, NULL, program);
    text_free(&source);
    return status;
}

static size_t argument_bytes(const plan *p, const argument *a)
{
    if (a->kind == ARGUMENT_NODE)
        return (size_t)kiln_shape_size(p->graph.items[a->where.owner].shape) * 4;
    return a->kind == ARGUMENT_WEIGHT ? (size_t)kiln_shape_size(a->weight->shape) * 4 : 0;
}

static kiln_status bind_call(plan *p, cl_program program, size_t number, int64_t time)
{
    const group *g = &p->b.groups.items[number];
    const launch *l = &p->b.launches.items[g->first];
    bound *c = &p->calls[p->call_count++];
    *c = (bound){.from = g, .first = l, .time = time};
    c->info =
        (device_launch_info){.name = g->name, .what = l->layer ? l->layer : "", .flops = g->flops};
    for (int a = 0; a < g->argument_count; a++)
        c->info.bytes += (double)argument_bytes(p, &g->arguments[a]);
    if (!l->is_clblast) {
        char name[32];
        if (has_own_kernel(p, g))
            snprintf(name, sizeof name, "kiln_group_%zu", number);
        else
            snprintf(name, sizeof name, "kiln_%d", l->variant);
        KILN_TRY(device_kernel(p->device, program, name, &c->kernel));
    }
    for (int a = 0; a < g->argument_count; a++)
        if (g->arguments[a].kind != ARGUMENT_SLOT)
            KILN_TRY(set_argument(p, c, a));
    for (size_t i = g->first; i < g->first + g->count; i++) {
        const launch *x = &p->b.launches.items[i];
        p->flops += x->product.k ? x->flops : 0;
        p->clblast |= x->is_clblast;
        p->tile |= x->product.k && !x->is_clblast;
        if (x->scratch_bytes > p->scratch_bytes)
            p->scratch_bytes = x->scratch_bytes;
    }
    return KILN_OK;
}

static kiln_status bind_all(plan *p)
{
    builder *b = &p->b;
    cl_program program;
    KILN_TRY(build(p, &program));
    size_t count = 0;
    for (size_t i = 0; i < b->groups.count; i++)
        count +=
            b->groups.items[i].scope ? (size_t)b->g->scans[b->groups.items[i].scope - 1].steps : 1;
    p->calls = mem_new(count, sizeof *p->calls);
    if (p->calls == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < b->groups.count;) {
        /* One group, or a loop's groups once for each time step. */
        size_t end = i + 1;
        int scope = b->groups.items[i].scope;
        int64_t repeats = 1;
        bool reverse = false;
        if (scope) {
            while (end < b->groups.count && b->groups.items[end].scope == scope)
                end++;
            repeats = b->g->scans[scope - 1].steps;
            reverse = b->g->scans[scope - 1].reverse;
        }
        for (int64_t k = 0; k < repeats; k++)
            for (size_t j = i; j < end; j++)
                KILN_TRY(bind_call(p, program, j, reverse ? repeats - 1 - k : k));
        i = end;
    }
    if (p->scratch_bytes)
        KILN_TRY(device_alloc(p->device, p->scratch_bytes, "CLBlast's scratch", &p->scratch));
    return KILN_OK;
}

static kiln_status find_slots(plan *p)
{
    for (size_t i = 0; i < p->b.groups.count; i++)
        for (int a = 0; a < p->b.groups.items[i].argument_count; a++)
            if (p->b.groups.items[i].arguments[a].kind == ARGUMENT_SLOT &&
                p->b.groups.items[i].arguments[a].slot >= p->slot_count)
                p->slot_count = p->b.groups.items[i].arguments[a].slot + 1;
    p->slots = mem_new((size_t)p->slot_count, sizeof *p->slots);
    return p->slots ? KILN_OK : KILN_ERROR_MEMORY;
}

static kiln_status find_outputs(plan *p, const plan_request *r)
{
    p->output_count = r->output_count;
    p->outputs = mem_new((size_t)r->output_count, sizeof *p->outputs);
    if (p->outputs == NULL)
        return KILN_ERROR_MEMORY;
    for (int i = 0; i < r->output_count; i++) {
        place where;
        cl_ulong offset;
        KILN_TRY(place_of(&p->b, r->outputs[i], &where));
        resolve(p, &(argument){.kind = ARGUMENT_NODE, .where = where}, 0, &p->outputs[i].memory,
                &offset);
        p->outputs[i].offset = (size_t)offset;
        p->outputs[i].elements = kiln_shape_size(p->graph.items[r->outputs[i]].shape);
    }
    return KILN_OK;
}

static kiln_status place_everything(plan *p)
{
    KILN_TRY(memory_plan_make(&p->b, &p->places));
    p->arenas = mem_new((size_t)p->places.arena_count, sizeof *p->arenas);
    if (p->arenas == NULL)
        return KILN_ERROR_MEMORY;
    size_t total = 0;
    for (int i = 0; i < p->places.arena_count; i++)
        total += p->places.sizes[i];
    uint64_t used = kiln_device_memory_used(p->device), memory = p->device->info.memory;
    if (memory && total > memory - (used < memory ? used : memory))
        return kiln_fail(KILN_ERROR_MEMORY,
                         "plan \"%s\" needs %.1f MB for activations, and %s has %.1f MB left of "
                         "%.1f: use a smaller batch",
                         p->name, (double)total / 1e6, p->device->info.name,
                         (double)(used < memory ? memory - used : 0) / 1e6, (double)memory / 1e6);
    for (int i = 0; i < p->places.arena_count; i++)
        KILN_TRY(device_alloc(p->device, p->places.sizes[i], "activations", &p->arenas[i]));
    return KILN_OK;
}

static kiln_status write_state(plan *p, const plan_request *r)
{
    state_record s = {.seed = {(uint32_t)r->seed, (uint32_t)(r->seed >> 32)}};
    KILN_TRY(device_write(p->device, p->b.state, 0, &s, sizeof s));
    return plan_reset_accumulators(p);
}

static kiln_status make(plan *p, const plan_request *r)
{
    plan_request own = *r;
    asked a = {.updates = mem_new((size_t)r->update_count, sizeof *a.updates),
               .assigns = mem_new((size_t)r->assign_count, sizeof *a.assigns),
               .outputs = mem_new((size_t)r->output_count, sizeof *a.outputs),
               .accumulators = mem_new((size_t)r->accumulator_count, sizeof *a.accumulators)};
    kiln_status status = a.updates && a.assigns && a.outputs && a.accumulators
                             ? copy_graph(p, &own, &a)
                             : KILN_ERROR_MEMORY;
    if (status == KILN_OK)
        status = make_builder(p, &own);
    if (status == KILN_OK)
        status = cluster_graph(&p->b);
    for (size_t i = 0; i < p->b.order_count && status == KILN_OK; i++)
        status = lower_cluster(&p->b, p->b.order[i]);
    if (status == KILN_OK)
        status = lower_updates(&p->b);
    if (status == KILN_OK)
        status = lower_tail(&p->b);
    if (status == KILN_OK)
        status = group_launches(&p->b);
    if (status == KILN_OK)
        status = place_everything(p);
    if (status == KILN_OK)
        status = find_slots(p);
    if (status == KILN_OK)
        status = bind_all(p);
    if (status == KILN_OK)
        status = find_outputs(p, &own);
    if (status == KILN_OK)
        status = write_state(p, r);
    p->b.request = NULL;
    free(a.updates);
    free(a.assigns);
    free(a.outputs);
    free(a.accumulators);
    return status;
}

kiln_status plan_create(kiln_device *device, const plan_request *request, plan **result)
{
    *result = NULL;
    if (device == NULL || request == NULL || request->graph == NULL)
        return kiln_fail_null("the device or graph of a plan");
    plan *p = mem_new(1, sizeof *p);
    if (p == NULL)
        return KILN_ERROR_MEMORY;
    p->device = device_retain(device);
    p->name = str_copy(request->name ? request->name : "plan");
    kiln_status status = p->name ? make(p, request) : KILN_ERROR_MEMORY;
    if (status != KILN_OK) {
        plan_free(p);
        return status;
    }
    if (env_debug("plan")) {
        text t = {0};
        plan_dump(p, &t);
        fprintf(stderr, "%s", t.data ? t.data : "");
        text_free(&t);
    }
    *result = p;
    return KILN_OK;
}

void plan_free(plan *p)
{
    if (p == NULL)
        return;
    builder *b = &p->b;
    device_finish(p->device);
    for (size_t i = 0; i < p->call_count; i++)
        if (p->calls[i].kernel)
            clReleaseKernel(p->calls[i].kernel);
    for (int i = 0; i < p->places.arena_count && p->arenas; i++)
        device_free(p->device, p->arenas[i]);
    for (size_t i = 0; i < b->owned_count; i++)
        device_free(p->device, b->owned[i]);
    device_free(p->device, b->state);
    device_free(p->device, b->steps);
    device_free(p->device, b->sums);
    device_free(p->device, b->gradients);
    device_free(p->device, p->scratch);
    for (size_t i = 0; i < b->launches.count; i++)
        text_free(&b->launches.items[i].source);
    free(b->launches.items);
    free(b->owned);
    free(b->live);
    free(b->inlined);
    free(b->stored);
    free(b->required);
    free(b->stacked);
    free(b->cluster_of);
    free(b->state_of);
    free(b->fixed);
    free(b->update_offsets);
    free(b->update_of);
    free(b->clusters);
    free(b->chains.items);
    free(b->groups.items);
    free(b->order);
    memory_plan_free(&p->places);
    free(p->arenas);
    free(p->calls);
    free(p->slots);
    free(p->outputs);
    ir_free(&p->graph);
    free(p->name);
    kiln_device_close(p->device);
    free(p);
}

/* ---- running ---- */
kiln_status plan_bind(plan *p, int number, cl_mem memory, size_t offset, int64_t rows)
{
    if (number < 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "plan \"%s\" has no slot %d", p->name, number);
    if (number >= p->slot_count) /* an input that nothing reads */
        return KILN_OK;
    slot *s = &p->slots[number];
    s->rows = rows;
    if (s->memory == memory && s->offset == offset)
        return KILN_OK;
    s->memory = memory;
    s->offset = offset;
    for (size_t i = 0; i < p->call_count; i++)
        for (int a = 0; a < p->calls[i].from->argument_count; a++)
            if (p->calls[i].from->arguments[a].kind == ARGUMENT_SLOT &&
                p->calls[i].from->arguments[a].slot == number)
                KILN_TRY(set_argument(p, &p->calls[i], a));
    return KILN_OK;
}

void plan_unbind(plan *p, int number, cl_mem memory)
{
    if (number >= 0 && number < p->slot_count && p->slots[number].memory == memory)
        p->slots[number].memory = NULL;
}

kiln_status plan_load_steps(plan *p, const plan_step *steps, size_t count)
{
    if (count == 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "no steps to load into plan \"%s\"", p->name);
    if (count > p->step_capacity) {
        cl_mem bigger;
        KILN_TRY(device_alloc(p->device, (count + 1) * sizeof *steps, "table of steps", &bigger));
        cl_mem old = p->b.steps;
        p->b.steps = bigger;
        p->step_capacity = count;
        for (size_t i = 0; i < p->b.groups.count; i++)
            for (int a = 0; a < p->b.groups.items[i].argument_count; a++)
                if (p->b.groups.items[i].arguments[a].kind == ARGUMENT_MEMORY &&
                    p->b.groups.items[i].arguments[a].memory == old)
                    p->b.groups.items[i].arguments[a].memory = bigger;
        for (size_t i = 0; i < p->call_count; i++)
            for (int a = 0; a < p->calls[i].from->argument_count; a++)
                if (p->calls[i].from->arguments[a].memory == bigger)
                    KILN_TRY(set_argument(p, &p->calls[i], a));
        KILN_TRY(device_finish(p->device));
        device_free(p->device, old);
    }
    const uint32_t first = 0;
    KILN_TRY(device_write_later(p->device, p->b.steps, 0, steps, count * sizeof *steps));
    KILN_TRY(device_write_later(p->device, p->b.state, 0, &steps[0], sizeof steps[0]));
    KILN_TRY(device_write_later(p->device, p->b.state, offsetof(state_record, index), &first, 4));
    KILN_TRY(device_finish(p->device));
    p->loaded = count;
    p->enqueued = 0;
    return KILN_OK;
}

static kiln_status enqueue_call(plan *p, const bound *c)
{
    const launch *l = c->first;
    if (l->is_clblast)
        return blas_clblast_enqueue(p->device, &l->product, c->memory[0], c->offset[0],
                                    c->memory[1], c->offset[1], c->memory[2], c->offset[2],
                                    p->scratch, p->scratch_bytes);
    if (l->items) {
        size_t items = c->from->items, local = l->local,
               global = local ? (items + local - 1) / local * local : items;
        return device_launch(p->device, c->kernel, 1, &global, local ? &local : NULL, &c->info);
    }
    return device_launch(p->device, c->kernel, l->dims, l->global, l->local3[0] ? l->local3 : NULL,
                         &c->info);
}

static kiln_status ready(plan *p, size_t count)
{
    if (p->enqueued + count > p->loaded)
        return kiln_fail(KILN_ERROR_ARGUMENT, "plan \"%s\" has %zu steps left, not %zu", p->name,
                         p->loaded - p->enqueued, count);
    for (int i = 0; i < p->slot_count; i++)
        if (p->slots[i].memory == NULL)
            for (size_t k = 0; k < p->b.groups.count; k++)
                for (int a = 0; a < p->b.groups.items[k].argument_count; a++)
                    if (p->b.groups.items[k].arguments[a].kind == ARGUMENT_SLOT &&
                        p->b.groups.items[k].arguments[a].slot == i)
                        return kiln_fail(KILN_ERROR_ARGUMENT, "slot %d of plan \"%s\" is not bound",
                                         i, p->name);
    return KILN_OK;
}

kiln_status plan_enqueue(plan *p, size_t count)
{
    KILN_TRY(ready(p, count));
    for (size_t s = 0; s < count; s++) {
        for (size_t i = 0; i < p->call_count; i++)
            KILN_TRY(enqueue_call(p, &p->calls[i]));
        p->enqueued++;
    }
    return KILN_OK;
}

size_t plan_accumulator_size(const plan *p)
{
    return p->b.sum_count;
}

kiln_status plan_read_accumulators(plan *p, double *values)
{
    size_t n = p->b.sum_count;
    float(*sums)[2] = mem_new(n, sizeof *sums);
    if (sums == NULL)
        return KILN_ERROR_MEMORY;
    kiln_status status =
        n ? device_read(p->device, p->b.sums, 0, sums, n * sizeof *sums) : device_finish(p->device);
    for (size_t i = 0; i < n && status == KILN_OK; i++)
        values[i] = (double)sums[i][0] - (double)sums[i][1];
    free(sums);
    return status;
}

kiln_status plan_reset_accumulators(plan *p)
{
    KILN_TRY(device_write(p->device, p->b.state, offsetof(state_record, bad), &(uint32_t){0}, 4));
    return p->b.sum_count ? device_fill_zero(p->device, p->b.sums, 0, p->b.sum_count * 8) : KILN_OK;
}

kiln_status plan_read_bad_step(plan *p, int64_t *step)
{
    uint32_t bad;
    KILN_TRY(device_read(p->device, p->b.state, offsetof(state_record, bad), &bad, 4));
    *step = (int64_t)bad - 1;
    return KILN_OK;
}

kiln_status plan_read_output(plan *p, int number, float *values)
{
    if (number < 0 || number >= p->output_count)
        return kiln_fail(KILN_ERROR_ARGUMENT, "plan \"%s\" has no output %d", p->name, number);
    const output *o = &p->outputs[number];
    return device_read(p->device, o->memory, o->offset * 4, values, (size_t)o->elements * 4);
}

/* ---- looking inside ---- */
static kiln_status first_bad_result(plan *p, const bound *c, bool *found)
{
    for (int a = 0; a < c->from->argument_count && !*found; a++) {
        const argument *x = &c->from->arguments[a];
        if (!x->written || strcmp(x->type, "float") != 0 ||
            (x->kind == ARGUMENT_NODE && !p->b.fixed[x->where.owner].memory &&
             p->places.arena[x->where.owner] < 0))
            continue;
        int64_t n = x->kind == ARGUMENT_NODE ? kiln_shape_size(p->graph.items[x->where.owner].shape)
                    : x->kind == ARGUMENT_WEIGHT ? kiln_shape_size(x->weight->shape)
                                                 : 0;
        if (n == 0)
            continue;
        cl_mem memory;
        cl_ulong offset;
        resolve(p, x, c->time, &memory, &offset);
        float *values = mem_new((size_t)n, 4);
        if (values == NULL)
            return KILN_ERROR_MEMORY;
        kiln_status status =
            device_read(p->device, memory, (size_t)offset * 4, values, (size_t)n * 4);
        for (int64_t i = 0; i < n && status == KILN_OK && !*found; i++)
            *found = !isfinite(values[i]);
        free(values);
        KILN_TRY(status);
    }
    return KILN_OK;
}

kiln_status plan_check_numerics(plan *p, char *where, size_t room)
{
    KILN_TRY(ready(p, 1));
    where[0] = '\0';
    p->enqueued++;
    for (size_t i = 0; i < p->call_count; i++) {
        bool found = false;
        KILN_TRY(enqueue_call(p, &p->calls[i]));
        if (where[0] == '\0')
            KILN_TRY(first_bad_result(p, &p->calls[i], &found));
        if (found)
            snprintf(where, room, "launch %zu (%s)%s%s", i + 1, p->calls[i].from->name,
                     p->calls[i].first->layer ? " of layer " : "",
                     p->calls[i].first->layer ? p->calls[i].first->layer : "");
    }
    return device_finish(p->device);
}

void plan_describe(const plan *p, plan_facts *f)
{
    *f = (plan_facts){.launches = (int)p->call_count, .flops = p->flops};
    for (int i = 0; i < p->places.arena_count; i++)
        f->arena_bytes += p->places.sizes[i];
    f->state_bytes = p->gradient_bytes + p->scratch_bytes + p->b.sum_count * 8 +
                     (p->step_capacity + 1) * sizeof(plan_step) + sizeof(state_record);
    f->engines = p->tile && p->clblast ? "tile+clblast" : p->clblast ? "clblast" : "tile";
}

kiln_status plan_dump(const plan *p, text *out)
{
    plan_facts f;
    plan_describe(p, &f);
    text_add(out,
             "plan \"%s\": %d launches a step, %.2f MB of activations, %.2f MFLOP in products\n",
             p->name, f.launches, (double)f.arena_bytes / 1e6, f.flops / 1e6);
    for (size_t j = 0; j < p->b.groups.count; j++) {
        const group *g = &p->b.groups.items[j];
        for (size_t i = g->first; i < g->first + g->count; i++) {
            const launch *l = &p->b.launches.items[i];
            if (i == g->first)
                text_add(out, "  %3zu", j + 1);
            else
                text_add(out, "     ");
            text_add(out, " %s%-46s %-16s", l->chain >= 0 ? "> " : "  ", l->name,
                     l->layer ? l->layer : "-");
            if (l->product.k)
                text_add(out, " %s %" PRId64 " x %" PRId64 " x %" PRId64 ",",
                         l->is_clblast ? "clblast" : "tile", l->product.m, l->product.n,
                         l->product.k);
            text_add(out, " %zu items",
                     l->items ? l->items : l->global[0] * (l->dims > 1 ? l->global[1] : 1));
            if (l->scope)
                text_add(out, ", at each of %" PRId64 " time steps",
                         p->graph.scans[l->scope - 1].steps);
            text_add(out, "\n");
        }
    }
    return out->failed ? KILN_ERROR_MEMORY : KILN_OK;
}
