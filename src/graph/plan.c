/* Making and freeing plans: the passes over the graph, in order (make), and the memory they ask
 * for. */
#include "base/env.h"
#include "graph/plan_inside.h"

#define STEP_CAPACITY 4096

static kiln_status make_builder(plan *p, const plan_request *r)
{
    builder *b = &p->b;
    size_t n = p->graph.count;
    *b = (builder){.device = p->device, .request = r, .g = &p->graph, .count = n};
    b->live = mem_new(n, sizeof *b->live);
    b->inlined = mem_new(n, sizeof *b->inlined);
    b->stored = mem_new(n, sizeof *b->stored);
    b->required = mem_new(n, sizeof *b->required);
    b->half = mem_new(n, sizeof *b->half);
    b->stacked = mem_new(n, sizeof *b->stacked);
    b->joined_to = mem_new(n, sizeof *b->joined_to);
    b->cluster_of = mem_new(n, sizeof *b->cluster_of);
    b->state_of = mem_new(n, sizeof *b->state_of);
    b->stored_in = mem_new(n, sizeof *b->stored_in);
    b->fixed = mem_new(n, sizeof *b->fixed);
    b->update_of = mem_new(n, sizeof *b->update_of);
    b->assign_of = mem_new(n, sizeof *b->assign_of);
    b->update_offsets = mem_new((size_t)r->update_count, sizeof *b->update_offsets);
    if (!b->live || !b->inlined || !b->stored || !b->required || !b->half || !b->stacked || !b->joined_to ||
        !b->cluster_of || !b->state_of || !b->stored_in || !b->fixed || !b->update_of ||
        !b->assign_of || !b->update_offsets)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < n; i++)
        b->state_of[i] = b->stored_in[i] = b->update_of[i] = b->assign_of[i] = -1;
    for (int i = 0; i < r->assign_count; i++)
        b->assign_of[r->assigns[i].value] = i;
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
        p->optimizer_defines = str_copy(r->optimizer->defines ? r->optimizer->defines : "");
        if (p->optimizer_defines == NULL)
            return KILN_ERROR_MEMORY;
        b->fused_updates = r->optimizer->clipnorm <= 0 && r->optimizer->global_clipnorm <= 0 &&
                           r->optimizer->accumulate <= 1 && r->optimizer->scale == NULL;
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
        return kiln_fail(
            KILN_ERROR_MEMORY,
            "no memory for plan \"%s\": it needs %.1f MB for activations, and \"%s\" has "
            "%.1f MB left of "
            "%.1f; use a smaller batch or another device",
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
    if (own.half && own.engine == BLAS_AUTO) /* CLBlast's products take float32 alone */
        own.engine = BLAS_TILE;
    plan_asked a = {.updates = mem_new((size_t)r->update_count, sizeof *a.updates),
                    .assigns = mem_new((size_t)r->assign_count, sizeof *a.assigns),
                    .outputs = mem_new((size_t)r->output_count, sizeof *a.outputs),
                    .accumulators = mem_new((size_t)r->accumulator_count, sizeof *a.accumulators)};
    kiln_status status = a.updates && a.assigns && a.outputs && a.accumulators
                             ? plan_copy_graph(p, &own, &a)
                             : KILN_ERROR_MEMORY;
    if (status == KILN_OK)
        status = plan_join_parts(p);
    if (status == KILN_OK)
        status = plan_lay_out_panels(p);
    if (status == KILN_OK)
        status = make_builder(p, &own);
    if (status == KILN_OK)
        status = cluster_graph(&p->b);
    if (status == KILN_OK)
        half_storage(&p->b);
    for (size_t i = 0; i < p->b.order_count && status == KILN_OK; i++)
        status = lower_cluster(&p->b, p->b.order[i]);
    if (status == KILN_OK)
        status = lower_updates(&p->b);
    if (status == KILN_OK)
        status = lower_sample(&p->b);
    if (status == KILN_OK)
        status = lower_tail(&p->b);
    if (status == KILN_OK && !env_debug("no-reuse"))
        reuse_storage(&p->b);
    if (status == KILN_OK)
        status = group_launches(&p->b);
    if (status == KILN_OK)
        status = place_everything(p);
    if (status == KILN_OK)
        status = phases_join(&p->b);
    if (status == KILN_OK) {
        group_steps(&p->b);
        status = plan_bind_all(p, &own);
    }
    if (status == KILN_OK)
        status = write_state(p, r);
    p->b.request = NULL;
    free(a.updates);
    free(a.assigns);
    free(a.outputs);
    free(a.accumulators);
    return status;
}

static void show(const plan *p, kiln_status (*writer)(const plan *p, text *out))
{
    text t = {0};
    writer(p, &t);
    fprintf(stderr, "%s", t.data ? t.data : "");
    text_free(&t);
}

/* *smaller: the plan fails for its work-groups alone, which are to have so many work-items at most;
 * else 0. */
static kiln_status create(kiln_device *device, const plan_request *request, plan **result,
                          uint64_t *smaller)
{
    plan *p = mem_new(1, sizeof *p);
    if (p == NULL)
        return KILN_ERROR_MEMORY;
    p->device = device_retain(device);
    p->name = str_copy(request->name ? request->name : "plan");
    kiln_status status = p->name ? make(p, request) : KILN_ERROR_MEMORY;
    *smaller = p->group_wanted;
    if (status == KILN_OK)
        *result = p;
    else
        plan_free(p);
    return status;
}

kiln_status plan_create(kiln_device *device, const plan_request *request, plan **result)
{
    uint64_t smaller = 0;
    *result = NULL;
    if (device == NULL || request == NULL || request->graph == NULL)
        return kiln_fail_null("the device or graph of a plan");
    kiln_error_record before;
    kiln_error_save(&before);
    kiln_status status;
    /* How large the work-groups of a kernel may be is known when it is compiled: its registers
     * decide. */
    while ((status = create(device, request, result, &smaller)) != KILN_OK && smaller > 0 &&
           smaller < device->group_limit) {
        device->group_limit = smaller;
        kiln_error_restore(&before);
    }
    KILN_TRY(status);
    plan *p = *result;
    if (env_debug("plan"))
        show(p, plan_dump);
    if (env_debug("dot"))
        show(p, plan_dot);
    return KILN_OK;
}

void plan_free(plan *p)
{
    if (p == NULL)
        return;
    builder *b = &p->b;
    device_finish(p->device);
    plan_free_calls(&p->calls);
    plan_free_calls(&p->apart);
    free(p->apart_groups);
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
    free(b->half);
    free(b->stacked);
    free(b->stored_in);
    free(b->joined_to);
    free(b->cluster_of);
    free(b->state_of);
    free(b->fixed);
    free(b->update_offsets);
    free(b->update_of);
    free(b->assign_of);
    free(b->clusters);
    free(b->chains.items);
    free(b->groups.items);
    free(b->phases.items);
    free(b->order);
    memory_plan_free(&p->places);
    free(p->arenas);
    free(p->slots);
    free(p->outputs);
    ir_free(&p->graph);
    free(p->name);
    free(p->optimizer_defines);
    kiln_device_close(p->device);
    free(p);
}
