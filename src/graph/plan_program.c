/* The OpenCL program of a plan: all functions and kernels in one text. */
#include "graph/plan_inside.h"

#include <inttypes.h>
#include <string.h>

/* Whether a group's kernel is written here: a product's template for work-groups brings its own. */
bool plan_has_own_kernel(const plan *p, const group *g)
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
        text_add(source, PLAN_PREFIX, number);
    }
    text_add(source, "\n");
}

/* in_loop: `time` is the time step. */
static void add_call(text *source, const launch *l, const char *item, bool in_loop)
{
    text_add(source, PLAN_PREFIX "_body(", l->variant);
    for (int i = 0; i < l->argument_count; i++) {
        int64_t stride = l->arguments[i].where.stride;
        text_add(source, "p%d, o%d", l->map[i], l->map[i]);
        if (in_loop && stride)
            text_add(source, " + time * %" PRId64 "u", stride);
        text_add(source, ", ");
    }
    text_add(source, "%s);\n", item);
}

/* The launches of a group: ranges of work-items, each with its launch or chain; or one work-item that does all of
 * theirs. `leave` ends the item. */
static void add_ranges(const plan *p, text *source, const group *g, const char *leave)
{
    const builder *b = &p->b;
    for (size_t i = g->first; i < g->first + g->count;) {
        const launch *l = &b->launches.items[i];
        bool last = false;
        size_t end = i + 1;
        while (end < g->first + g->count && launch_joins(&b->launches.items[end - 1]))
            end++;
        last = end == g->first + g->count;
        if (g->in_turn)
            text_add(source, "    for (size_t item = 0; item < %zuu; item++) {\n", l->items);
        else
            text_add(source, last && (l->serial || g->units == 1) ? "    {\n" : "    if (item < %zuu) {\n", l->items);
        const ir_scan *scan = launch_loop(b, l);
        if (scan)
            text_add(source,
                     "    for (ulong t = 0; t < %" PRId64 "u; t++) {\n        const ulong time = ",
                     scan->steps);
        if (scan && scan->reverse)
            text_add(source, "%" PRId64 "u - t;\n", scan->steps - 1);
        else if (scan)
            text_add(source, "t;\n");
        for (; i < end; i++) {
            const launch *x = &b->launches.items[i];
            if (x->repeats > 1) {
                char item[64];
                snprintf(item, sizeof item, "item + k * %zuu", x->stride);
                text_add(source, "        for (uint k = 0; k < %zuu; k++)\n            ",
                         x->repeats);
                add_call(source, x, item, scan != NULL);
            } else {
                text_add(source, "        ");
                add_call(source, x, "item", scan != NULL);
            }
        }
        if (scan)
            text_add(source, "    }\n");
        if (last || g->in_turn)
            text_add(source, "    }\n");
        else
            text_add(source, "        %s;\n    }\n    item -= %zuu;\n", leave, l->items);
    }
}

/* Groups that follow each other, step after step; see phases.c, and phases.cl for the counters. */
static void add_phases(const plan *p, text *source, const group *g)
{
    const int counters = g->argument_count - 1;
    const size_t runners = g->items / 2, count = phases_counters(g);
    text_add(source,
             "    __global uint *counters = p%d + o%d;\n    const uint rank = atomic_add(counters + %zu * KILN_COUNTER, 1u);\n"
             "    bool here = true;\n    for (uint step = 0; step < steps && here; step++) {\n"
             "    __global uint *counter = counters;\n",
             counters, counters, count - 2);
    for (size_t i = 0; i < g->phases; i++) {
        const group *phase = &p->b.phases.items[g->phase + i];
        const size_t share = phase->items / (8 * runners) + 1;
        text_add(source,
                 "    if (here) {\n    uint done = 0;\n    for (uint i = 0; i < %zuu; i++) {\n"
                 "    const uint owner = (rank + i) %% %zuu, own = (%zuu - owner) / %zuu, first = step * own, end = first + own;\n"
                 "    for (uint from; (from = kiln_phase_take(counter + owner * KILN_COUNTER, %zuu, end)) < end;) {\n"
                 "    const uint until = min(from + %zuu, end);\n    done += until - from;\n"
                 "    for (uint k = from - first; k < until - first; k++) {\n    size_t item = k * %zuu + owner;\n",
                 runners, runners, phase->items + runners - 1, runners, share, share, runners);
        add_ranges(p, source, phase, "continue");
        text_add(source,
                 "    }\n    }\n    }\n    here = kiln_phase_ends(counter + %zu * KILN_COUNTER, done, (step + 1) * %zuu);\n"
                 "    counter += %zu * KILN_COUNTER;\n    }\n",
                 runners, phase->items, runners + 1);
    }
    text_add(source, "    }\n    kiln_phases_leave(counters, %zuu, %zuu);\n", count, g->items);
}

/* The kernel of a group. */
static void add_kernel(const plan *p, text *source, const group *g)
{
    text_add(source, "(");
    for (int i = 0; i < g->argument_count; i++)
        text_add(source, "%s__global %s%s *p%d, const ulong o%d", i ? ", " : "",
                 g->arguments[i].written ? "" : "const ", g->arguments[i].type, i, i);
    text_add(source, g->most_steps ? ", const uint steps)\n{\n" : ")\n{\n");
    if (g->most_steps == 0 && (g->phases || g->in_turn))
        text_add(source, "    const uint steps = 1;\n");
    if (g->phases) {
        add_phases(p, source, g);
    } else if (g->in_turn) {
        text_add(source, "    for (uint step = 0; step < steps; step++) {\n");
        add_ranges(p, source, g, "continue");
        text_add(source, "    }\n");
    } else {
        text_add(source, "    size_t item = get_global_id(0);\n");
        add_ranges(p, source, g, "return");
    }
    text_add(source, "}\n\n");
}

/* Kernels of groups; those with the same text are one kernel, compiled once. */
static kiln_status add_kernels(const plan *p, group *groups, size_t count, text *source)
{
    text *kernels = mem_new(count, sizeof *kernels);
    bool failed = kernels == NULL;
    for (size_t i = 0; i < count && !failed; i++) {
        group *g = &groups[i];
        if (!plan_has_own_kernel(p, g))
            continue;
        add_kernel(p, &kernels[i], g);
        failed = kernels[i].failed;
        g->kernel = i;
        for (size_t k = 0; k < i && g->kernel == i && !failed; k++)
            if (kernels[k].length == kernels[i].length &&
                memcmp(kernels[k].data, kernels[i].data, kernels[i].length) == 0)
                g->kernel = k;
        if (g->kernel == i && !failed)
            text_add(source, "__kernel void kiln_group_%zu%s", i, kernels[i].data);
    }
    for (size_t i = 0; i < count && kernels; i++)
        text_free(&kernels[i]);
    free(kernels);
    return failed || source->failed ? KILN_ERROR_MEMORY : KILN_OK;
}

/* Puts all kernels into one program; launches with the same text share their functions. */
kiln_status plan_build(plan *p, group *groups, size_t count, cl_program *program)
{
    text source = {0};
    char label[96];
    builder *b = &p->b;
    if (b->fused_updates) {
        text_add(&source, "%s", p->optimizer_defines);
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
    if (b->phases.count)
        KILN_TRY(source_file(&source, "phases.cl"));
    text_add(&source, "#line 1 \"groups\"\n");
    kiln_status status = add_kernels(p, groups, count, &source);
    snprintf(label, sizeof label, "kernels of %s", p->name);
    if (status == KILN_OK)
        status = device_program(p->device, label, source.data, NULL, program);
    text_free(&source);
    return status;
}
