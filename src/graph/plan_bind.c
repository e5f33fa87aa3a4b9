/* Binding: a plan's list of calls, one for each group (and time step), with its arguments set. */
#include "device/inject.h"
#include "graph/plan_inside.h"

void plan_resolve(const plan *p, const argument *a, int64_t time, cl_mem *memory, cl_ulong *offset)
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
            *offset = p->places.offset[o] / place_element_size(&p->b, o) + (cl_ulong)at;
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
    plan_resolve(p, &c->from->arguments[k], c->time, &memory, &offset);
    if (c->kernel == NULL) {
        if (k < 3) {
            c->memory[k] = memory;
            c->offset[k] = (size_t)offset;
        }
        return KILN_OK;
    }
    KILN_TRY(device_check(
        p->device, CL_RUN(clSetKernelArg, c->kernel, (cl_uint)(2 * k), sizeof memory, &memory),
        "clSetKernelArg", "kernel %s", c->from->name));
    return device_check(
        p->device, CL_RUN(clSetKernelArg, c->kernel, (cl_uint)(2 * k + 1), sizeof offset, &offset),
        "clSetKernelArg", "kernel %s", c->from->name);
}

kiln_status plan_set_arguments(plan *p, plan_argument_filter *filter, const void *like)
{
    const call_list *const lists[] = {&p->calls, &p->apart};
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < lists[k]->count; i++) {
            bound *c = &lists[k]->items[i];
            for (int a = 0; a < c->from->argument_count; a++)
                if (filter(&c->from->arguments[a], like))
                    KILN_TRY(set_argument(p, c, a));
        }
    return KILN_OK;
}

/* How large the kernel's work-groups are: as the launch asks, where the kernel and the device allow it. A
 * template's size is fixed in its text: another one must be written then. */
static kiln_status size_group(plan *p, bound *c)
{
    const launch *l = c->first;
    uint64_t most;
    KILN_TRY(device_kernel_group(p->device, c->kernel, &most));
    if (l->items) {
        for (size_t i = c->from->first; i < c->from->first + c->from->count; i++)
            if (p->b.launches.items[i].local > c->local)
                c->local = p->b.launches.items[i].local;
        while (c->local > most)
            c->local /= 2;
        return KILN_OK;
    }
    size_t wanted = l->local3[0] ? l->local3[0] : 1;
    for (int d = 1; d < l->dims; d++)
        wanted *= l->local3[d] ? l->local3[d] : 1;
    if (wanted <= most)
        return KILN_OK;
    p->group_wanted = most;
    return kiln_fail(KILN_ERROR_DEVICE,
                     "kernel %s of plan \"%s\" wants work-groups of %zu, and \"%s\" runs it with %llu "
                     "at most; use another device",
                     c->from->name, p->name, wanted, p->device->info.name, (unsigned long long)most);
}

static kiln_status bind_call(plan *p, cl_program program, const group *g, int64_t time, call_list *calls)
{
    const launch *l = &p->b.launches.items[g->first];
    bound *c = &calls->items[calls->count++];
    *c = (bound){.from = g, .first = l, .time = time};
    c->info = (device_launch_info){
        .name = g->name, .what = g->what, .flops = g->flops, .layer = g->layer};
    for (int a = 0; a < g->argument_count; a++)
        c->info.bytes += (double)launch_argument_bytes(&p->b, &g->arguments[a], g->scope == 0);
    if (!l->is_clblast) {
        char name[32];
        if (plan_has_own_kernel(p, g))
            snprintf(name, sizeof name, "kiln_group_%zu", g->kernel);
        else
            snprintf(name, sizeof name, PLAN_PREFIX, l->variant);
        KILN_TRY(device_kernel(p->device, program, name, &c->kernel));
        KILN_TRY(size_group(p, c));
    }
    for (int a = 0; a < g->argument_count; a++)
        if (g->arguments[a].kind != ARGUMENT_SLOT || p->slots[g->arguments[a].slot].memory)
            KILN_TRY(set_argument(p, c, a));
    return KILN_OK;
}

static kiln_status bind_calls(plan *p, group *groups, size_t group_count, call_list *calls)
{
    builder *b = &p->b;
    cl_program program;
    KILN_TRY(plan_build(p, groups, group_count, &program));
    size_t count = 0;
    for (size_t i = 0; i < group_count; i++)
        count += groups[i].scope ? (size_t)b->g->scans[groups[i].scope - 1].steps : 1;
    calls->items = mem_new(count, sizeof *calls->items);
    if (calls->items == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < group_count;) {
        /* One group, or a loop's groups once for each time step. */
        size_t end = i + 1;
        int scope = groups[i].scope;
        int64_t repeats = 1;
        bool reverse = false;
        if (scope) {
            while (end < group_count && groups[end].scope == scope)
                end++;
            repeats = b->g->scans[scope - 1].steps;
            reverse = b->g->scans[scope - 1].reverse;
        }
        for (int64_t k = 0; k < repeats; k++)
            for (size_t j = i; j < end; j++)
                KILN_TRY(bind_call(p, program, &groups[j], reverse ? repeats - 1 - k : k, calls));
        i = end;
    }
    return KILN_OK;
}

void plan_free_calls(call_list *calls)
{
    for (size_t i = 0; i < calls->count; i++)
        if (calls->items[i].kernel)
            clReleaseKernel(calls->items[i].kernel);
    free(calls->items);
    *calls = (call_list){0};
}

/* What the calls' launches amount to. */
static kiln_status add_up(plan *p)
{
    for (size_t k = 0; k < p->calls.count; k++) {
        const group *g = p->calls.items[k].from;
        for (size_t i = g->first; i < g->first + g->count; i++) {
            const launch *x = &p->b.launches.items[i];
            const ir_scan *loop = launch_loop(&p->b, x);
            p->flops += x->product.k ? x->flops * (loop ? (double)loop->steps : 1) : 0;
            p->clblast |= x->is_clblast;
            p->tile |= x->product.k && !x->is_clblast;
            if (x->scratch_bytes > p->scratch_bytes)
                p->scratch_bytes = x->scratch_bytes;
        }
    }
    if (p->scratch_bytes)
        KILN_TRY(device_alloc(p->device, p->scratch_bytes, "CLBlast's scratch", &p->scratch));
    return KILN_OK;
}

/* ---- calls of phases ---- */

size_t plan_count_apart(const plan *p)
{
    size_t count = p->calls.count;
    for (size_t i = 0; i < p->b.groups.count; i++)
        if (p->b.groups.items[i].phases)
            count += p->b.groups.items[i].phases - 1;
    return count;
}

/* A phase as a group of its own: at the numbers that its launches know from their kernel it has their arguments, and
 * nothing of use at the others. */
static void part_phase(const builder *b, const group *whole, group *part)
{
    part->argument_count = whole->argument_count - 1;
    for (int k = 0; k < part->argument_count; k++)
        part->arguments[k] =
            (argument){.kind = ARGUMENT_MEMORY, .memory = b->state, .type = "kiln_state"};
    for (size_t i = part->first; i < part->first + part->count; i++) {
        const launch *l = &b->launches.items[i];
        for (int a = 0; a < l->argument_count; a++) {
            argument *own = &part->arguments[l->map[a]];
            const bool written = l->arguments[a].written || own->written;
            *own = whole->arguments[l->map[a]];
            own->written = written;
        }
    }
}

/* Groups of which each phase is one. */
static kiln_status part_phases(plan *p)
{
    const builder *b = &p->b;
    size_t at = 0;
    group *parts = mem_new(b->groups.count + b->phases.count, sizeof *parts);
    if (parts == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < b->groups.count; i++) {
        const group *g = &b->groups.items[i];
        if (g->phases == 0)
            parts[at++] = *g;
        for (size_t k = 0; k < g->phases; k++) {
            parts[at] = b->phases.items[g->phase + k];
            part_phase(b, g, &parts[at++]);
        }
    }
    p->apart_groups = parts;
    p->apart_group_count = at;
    return KILN_OK;
}

kiln_status plan_calls_apart(plan *p, const call_list **calls)
{
    *calls = p->b.phases.count ? &p->apart : &p->calls;
    if ((*calls)->items)
        return KILN_OK;
    if (p->apart_groups == NULL)
        KILN_TRY(part_phases(p));
    kiln_status status = bind_calls(p, p->apart_groups, p->apart_group_count, &p->apart);
    if (status != KILN_OK) /* to be tried again */
        plan_free_calls(&p->apart);
    return status;
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
        plan_resolve(p, &(argument){.kind = ARGUMENT_NODE, .where = where}, 0,
                     &p->outputs[i].memory, &offset);
        p->outputs[i].offset = (size_t)offset;
        p->outputs[i].elements = kiln_shape_size(p->graph.items[r->outputs[i]].shape);
    }
    return KILN_OK;
}

kiln_status plan_bind_all(plan *p, const plan_request *r)
{
    KILN_TRY(find_slots(p));
    KILN_TRY(bind_calls(p, p->b.groups.items, p->b.groups.count, &p->calls));
    KILN_TRY(add_up(p));
    return find_outputs(p, r);
}

static bool is_of_slot(const argument *a, const void *number)
{
    return a->kind == ARGUMENT_SLOT && a->slot == *(const int *)number;
}

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
    return plan_set_arguments(p, is_of_slot, &number);
}

kiln_status plan_bind_as(plan *p, const plan *other)
{
    for (int i = 0; i < p->slot_count && i < other->slot_count; i++) {
        const slot *s = &other->slots[i];
        if (s->memory)
            KILN_TRY(plan_bind(p, i, s->memory, s->offset, s->rows));
    }
    return KILN_OK;
}

void plan_unbind(plan *p, int number, cl_mem memory)
{
    if (number >= 0 && number < p->slot_count && p->slots[number].memory == memory)
        p->slots[number].memory = NULL;
}

void plan_unbind_all(plan *p)
{
    for (int i = 0; i < p->slot_count; i++)
        p->slots[i].memory = NULL;
}
