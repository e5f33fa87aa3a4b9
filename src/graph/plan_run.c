/* Running a plan: loading the records of steps, enqueueing them, reading what they left. */
#include "base/clock.h"
#include "device/inject.h"
#include "device/profile.h"
#include "graph/plan_inside.h"

static void replace_memory(group *g, cl_mem old, cl_mem fresh)
{
    for (int a = 0; a < g->argument_count; a++)
        if (g->arguments[a].kind == ARGUMENT_MEMORY && g->arguments[a].memory == old)
            g->arguments[a].memory = fresh;
}

static bool is_of_memory(const argument *a, const void *memory)
{
    return a->kind == ARGUMENT_MEMORY && a->memory == memory;
}

/* Makes room for a table of so many steps. */
static kiln_status grow_table(plan *p, size_t count)
{
    cl_mem bigger, old = p->b.steps;
    if (count <= p->step_capacity)
        return KILN_OK;
    KILN_TRY(device_alloc(p->device, (count + 1) * sizeof(plan_step), "table of steps", &bigger));
    p->b.steps = bigger;
    p->step_capacity = count;
    for (size_t i = 0; i < p->b.groups.count; i++)
        replace_memory(&p->b.groups.items[i], old, bigger);
    for (size_t i = 0; i < p->apart_group_count; i++)
        replace_memory(&p->apart_groups[i], old, bigger);
    KILN_TRY(plan_set_arguments(p, is_of_memory, bigger));
    KILN_TRY(device_finish(p->device));
    device_free(p->device, old);
    return KILN_OK;
}

/* The state of the first of them, and where it is in the table. */
static kiln_status load(plan *p, const plan_step *steps, size_t count)
{
    KILN_TRY(grow_table(p, count));
    p->first = (state_record){.step = steps[0]};
    KILN_TRY(device_write_later(p->device, p->b.steps, 0, steps, count * sizeof *steps));
    KILN_TRY(device_write_later(p->device, p->b.state, 0, &p->first, offsetof(state_record, bad)));
    p->loaded = count;
    p->enqueued = 0;
    return KILN_OK;
}

kiln_status plan_load_steps(plan *p, const plan_step *steps, size_t count)
{
    if (count == 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "no steps to load into plan \"%s\"", p->name);
    KILN_TRY(load(p, steps, count));
    return device_finish(p->device);
}

kiln_status plan_load_step(plan *p, const plan_step *step)
{
    return load(p, step, 1);
}

static kiln_status enqueue_clblast(plan *p, const bound *c)
{
    return blas_clblast_enqueue(p->device, &c->first->product, c->memory[0], c->offset[0],
                                c->memory[1], c->offset[1], c->memory[2], c->offset[2], p->scratch,
                                p->scratch_bytes);
}

/* CLBlast keeps its launches to itself: a profile times the whole call from outside. */
static kiln_status time_clblast(plan *p, const bound *c)
{
    KILN_TRY(device_finish(p->device));
    double start = clock_seconds();
    KILN_TRY(enqueue_clblast(p, c));
    KILN_TRY(device_finish(p->device));
    return profile_add(p->device, &c->info, clock_seconds() - start);
}

static kiln_status set_steps(plan *p, bound *c, size_t steps)
{
    const cl_uint number = (cl_uint)steps;
    if (c->from->most_steps == 0 || c->steps == steps)
        return KILN_OK;
    KILN_TRY(device_check(
        p->device, CL_RUN(clSetKernelArg, c->kernel, (cl_uint)(2 * c->from->argument_count), sizeof number, &number),
        "clSetKernelArg", "kernel %s", c->from->name));
    c->steps = steps;
    return KILN_OK;
}

kiln_status plan_enqueue_call(plan *p, bound *c, size_t steps)
{
    const launch *l = c->first;
    KILN_TRY(set_steps(p, c, steps));
    if (l->is_clblast)
        return p->device->profile ? time_clblast(p, c) : enqueue_clblast(p, c);
    if (l->items) {
        size_t items = c->from->items, local = c->local,
               global = local ? (items + local - 1) / local * local : items;
        return device_launch(p->device, c->kernel, 1, &global, local ? &local : NULL, &c->info);
    }
    return device_launch(p->device, c->kernel, l->dims, l->global, l->local3[0] ? l->local3 : NULL,
                         &c->info);
}

kiln_status plan_ready(plan *p, size_t count)
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
    const call_list *calls = &p->calls;
    KILN_TRY(plan_ready(p, count));
    if (p->device->profile)
        KILN_TRY(plan_calls_apart(p, &calls));
    const size_t most = p->device->profile ? 0 : p->b.groups.items[0].most_steps;
    while (count > 0) {
        const size_t steps = most == 0 ? 1 : count < most ? count : most;
        for (size_t i = 0; i < calls->count; i++)
            KILN_TRY(plan_enqueue_call(p, &calls->items[i], steps));
        p->enqueued += steps;
        count -= steps;
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
    static const uint32_t none = 0;
    KILN_TRY(device_write_later(p->device, p->b.state, offsetof(state_record, bad), &none, sizeof none));
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
