/* Behind the graph: clipping, the optimizer, and the tail of a step.
 *
 * Weights are updated in blocks: a table lists, for each block, where it starts in the slab and in
 * the layout that gradients and slots share. One launch a slab does them all. */
#include "graph/inside.h"

#include <inttypes.h>
#include <string.h>

static int64_t size_of(const ir_weight *w)
{
    return kiln_shape_size(w->shape);
}

size_t plan_update_offsets(int count, const plan_update *updates, size_t *offsets)
{
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        if (offsets)
            offsets[i] = at;
        at += ((size_t)size_of(updates[i].weight) + 63) / 64 * 64;
    }
    return at;
}

kiln_status plan_own(builder *b, size_t bytes, const char *what, cl_mem *memory)
{
    KILN_TRY(mem_grow(&b->owned, &b->owned_capacity, b->owned_count + 1, sizeof *b->owned));
    KILN_TRY(device_alloc(b->device, bytes, what, memory));
    b->owned[b->owned_count++] = *memory;
    return KILN_OK;
}

/* ---- blocks ---- */
typedef struct block {
    cl_ulong weight, gradient, count,
        segment; /* starts in elements; segment: number of the update */
} block;

typedef struct block_table {
    block *items;
    size_t count, capacity;
    cl_mem memory;
} block_table;

static kiln_status make_blocks(builder *b, cl_mem slab, size_t length, block_table *t)
{
    const plan_request *r = b->request;
    *t = (block_table){0};
    for (int i = 0; i < r->update_count; i++) {
        const ir_weight *w = r->updates[i].weight;
        if (slab && w->memory != slab)
            continue;
        for (size_t at = 0, n = (size_t)size_of(w); at < n; at += length) {
            KILN_TRY(MEM_PUSH_ROOM(t));
            t->items[t->count++] = (block){w->offset + at, b->update_offsets[i] + at,
                                           n - at < length ? n - at : length, (cl_ulong)i};
        }
    }
    KILN_TRY(plan_own(b, t->count * sizeof(block), "table of weight blocks", &t->memory));
    return device_write(b->device, t->memory, 0, t->items, t->count * sizeof(block));
}

/* A body over the elements of a block: `wide` for sixteen, `narrow` for one (element j of the
 * block). */
static void block_loop(const builder *b, text *body, size_t length, size_t blocks, const char *wide,
                       const char *narrow)
{
    if (b->device->serial_kernels) {
        text_add(body, "    const ulong4 at = table[item];\n    ulong j = 0;\n");
        if (wide)
            text_add(body, "    for (; j + 16 <= at.s2; j += 16) {\n%s    }\n", wide);
        text_add(body, "    for (; j < at.s2; j++) {\n%s    }\n", narrow);
    } else {
        text_add(body,
                 "    if (item / %zuu >= %zuu)\n        return;\n    const ulong4 at = table[item "
                 "/ %zuu];\n    const ulong j = item %% %zuu;\n    if (j < at.s2) {\n%s    }\n",
                 length, blocks, length, length, narrow);
    }
}

/* ---- clipping by norm: partial sums of squares by block, then a factor by weight or one for all
 * ---- */

static int scale_buffer(const builder *b, launch *l, bool written)
{
    ir_weight *scale = b->request->optimizer->scale;
    return scale ? launch_argument(l, &(argument){.kind = ARGUMENT_WEIGHT,
                                                  .weight = scale,
                                                  .type = "float",
                                                  .written = written})
                 : -1;
}

/* The factor of a norm, which is not a number where a scaled gradient is not finite. */
static void factor_text(const plan_optimizer *o, text *t, float most)
{
    text_add(t, "    float factor = 1.0f;\n");
    if (most > 0)
        text_add(t, "    if (norm > %.9ef)\n        factor = %.9ef / norm;\n", most, most);
    if (o->scale)
        text_add(t, "    if (!(squares <= FLT_MAX))\n        factor = NAN;\n");
}

enum { FEW_PARTIAL_SUMS = 2048 };
#define LEAST_SCALE "0x1p-14f"

static kiln_status lower_norms(builder *b, size_t length)
{
    clipping *clip = &b->clip;
    const plan_optimizer *o = b->request->optimizer;
    block_table t;
    cl_mem partial;
    text body = {0};
    kiln_status status = make_blocks(b, NULL, length, &t);
    if (status == KILN_OK)
        status = plan_own(b, t.count * 4, "gradient norms", &partial);
    if (status == KILN_OK && b->device->serial_kernels && o->clipnorm <= 0 &&
        t.count <= FEW_PARTIAL_SUMS)
        *clip = (clipping){.partial = partial, .count = t.count};
    else if (status == KILN_OK)
        status = plan_own(b, (size_t)b->request->update_count * 4, "clipping factors", &clip->factors);
    launch *l = status == KILN_OK ? launch_new(b, "gradient_norms", NULL, 0) : NULL;
    if (l) {
        int g = launch_memory(l, b->gradients, "float", false),
            table = launch_memory(l, t.memory, "ulong4", false),
            p = launch_memory(l, partial, "float", true);
        int acc =
            o->accumulate > 1 ? launch_memory(l, o->slots[o->slot_count - 1], "float", false) : -1;
        int scale = scale_buffer(b, l, false);
        text_add(&body,
                 "    if (item >= %zuu)\n        return;\n    const ulong4 at = p%d[item];\n    "
                 "float sum = 0.0f;\n    for (ulong j = 0; j < at.s2; j++) {\n        float g = "
                 "p%d[at.s1 + j];\n",
                 t.count, table, g);
        if (scale >= 0)
            text_add(&body, "        g /= p%d[o%d];\n", scale, scale);
        if (acc >= 0)
            text_add(&body, "        g = (g + p%d[at.s1 + j]) / %d.0f;\n", acc, o->accumulate);
        text_add(&body, "        sum += g * g;\n    }\n    p%d[item] = sum;\n", p);
        status = body.failed
                     ? KILN_ERROR_MEMORY
                     : launch_finish(l, body.data, t.count, b->device->serial_kernels ? 1 : 64);
        text_free(&body);
    } else if (status == KILN_OK) {
        status = KILN_ERROR_MEMORY;
    }
    l = status == KILN_OK && clip->factors ? launch_new(b, "clip_factors", NULL, 0) : NULL;
    if (l) {
        int table = launch_memory(l, t.memory, "ulong4", false),
            p = launch_memory(l, partial, "float", false),
            f = launch_memory(l, clip->factors, "float", true);
        bool all = o->clipnorm <= 0;
        text_add(&body,
                 "    if (item >= %du)\n        return;\n    float squares = 0.0f, own = 0.0f;\n    "
                 "for (uint k = 0; k < %zuu; k++) {\n        squares += p%d[k];\n        if (%s || "
                 "p%d[k].s3 == item)\n            own += p%d[k];\n    }\n    const float norm = "
                 "sqrt(own);\n",
                 b->request->update_count, t.count, p, all ? "true" : "false", table, p);
        factor_text(o, &body, all ? o->global_clipnorm : o->clipnorm);
        text_add(&body, "    p%d[item] = factor;\n", f);
        status = body.failed ? KILN_ERROR_MEMORY
                             : launch_finish(l, body.data, (size_t)b->request->update_count,
                                             b->device->serial_kernels ? 1 : 64);
    } else if (status == KILN_OK && clip->factors) {
        status = KILN_ERROR_MEMORY;
    }
    free(t.items);
    text_free(&body);
    return status;
}

/* Statements for `lanes` elements j.. of a block. factor: what gradients are multiplied by; "":
 * none.
 */
static void update_text(const plan_optimizer *o, text *t, int lanes, int rule_slots,
                        const char *factor)
{
    const char *v = lanes == 16 ? "float16" : "float";
    text_add(t, "        %s g = %sgradients%sat.s1 + j%s;\n", v, lanes == 16 ? "kiln_load16(" : "",
             lanes == 16 ? " + (" : "[", lanes == 16 ? "))" : "]");
    if (o->scale) /* what is not finite counts as nothing: only an accumulated sum gets here with it */
        text_add(t, "        g = lost ? (%s)(0.0f) : g / (%s)(scale);\n", v, v);
    if (o->accumulate > 1) {
        text_add(t, "        %s sum = %saccumulator%sat.s1 + j%s + g;\n", v,
                 lanes == 16 ? "kiln_load16(" : "", lanes == 16 ? " + (" : "[",
                 lanes == 16 ? "))" : "]");
        text_add(t,
                 "        if (due) {\n        g = sum / (%s)(%d.0f);\n        sum = (%s)(0.0f);\n",
                 v, o->accumulate, v);
    }
    if (factor[0])
        text_add(t, "        g *= (%s)(%s);\n", v, factor);
    if (o->clipvalue > 0)
        text_add(t,
                 "        g = (g < (%s)(%.9ef)) ? (%s)(%.9ef) : g;\n        g = (g > (%s)(%.9ef)) "
                 "? (%s)(%.9ef) : g;\n",
                 v, -o->clipvalue, v, -o->clipvalue, v, o->clipvalue, v, o->clipvalue);
    if (lanes == 16) {
        text_add(t, "        float16 w = kiln_load16(weights + (at.s0 + j));\n");
        for (int s = 0; s < rule_slots; s++)
            text_add(t, "        float16 s%d = kiln_load16(slot%d + (at.s1 + j));\n", s, s);
        text_add(t, "        KILN_UPDATE(float16, w, g, s0, s1, s2, rate, f0, f1, f2);\n        "
                    "vstore16(w, 0, weights + (at.s0 + j));\n");
        for (int s = 0; s < rule_slots; s++)
            text_add(t, "        vstore16(s%d, 0, slot%d + (at.s1 + j));\n", s, s);
    } else {
        text_add(t, "        float w = weights[at.s0 + j];\n");
        for (int s = 0; s < rule_slots; s++)
            text_add(t, "        float s%d = slot%d[at.s1 + j];\n", s, s);
        text_add(t, "        KILN_UPDATE(float, w, g, s0, s1, s2, rate, f0, f1, f2);\n        "
                    "weights[at.s0 + j] = w;\n");
        for (int s = 0; s < rule_slots; s++)
            text_add(t, "        slot%d[at.s1 + j] = s%d;\n", s, s);
    }
    if (o->accumulate > 1)
        text_add(t, "        }\n%s",
                 lanes == 16 ? "        vstore16(sum, 0, accumulator + (at.s1 + j));\n"
                             : "        accumulator[at.s1 + j] = sum;\n");
}

/* Emits "norm" and "factor" of all gradients. */
static void norm_text(const builder *b, text *t, int partial)
{
    text_add(t,
             "    float squares = 0.0f;\n    for (uint k = 0; k < %zuu; k++)\n        squares += "
             "p%d[k];\n    const float norm = sqrt(squares);\n",
             b->clip.count, partial);
    factor_text(b->request->optimizer, t, b->request->optimizer->global_clipnorm);
}

static int norm_buffer(const builder *b, launch *l)
{
    cl_mem memory = b->clip.factors ? b->clip.factors : b->clip.partial;
    return memory ? launch_memory(l, memory, "float", false) : -1;
}

static kiln_status lower_slab(builder *b, cl_mem slab, size_t length)
{
    const clipping *clip = &b->clip;
    const plan_optimizer *o = b->request->optimizer;
    int rule_slots = o->slot_count - (o->accumulate > 1);
    block_table t;
    text body = {0}, wide = {0}, narrow = {0}, all = {0};
    kiln_status status = make_blocks(b, slab, length, &t);
    launch *l = status == KILN_OK ? launch_new(b, "update", NULL, 0) : NULL;
    if (l) {
        int w = launch_memory(l, slab, "float", true),
            g = launch_memory(l, b->gradients, "float", false),
            table = launch_memory(l, t.memory, "ulong4", false);
        int s = launch_memory(l, b->state, "kiln_state", false),
            f = norm_buffer(b, l);
        text_add(&all,
                 "    __global float *weights = p%d;\n    __global const float *gradients = p%d;\n "
                 "   __global const ulong4 *table = p%d;\n",
                 w, g, table);
        for (int k = 0; k < rule_slots; k++)
            text_add(&all, "    __global float *slot%d = p%d;\n", k,
                     launch_memory(l, o->slots[k], "float", true));
        if (o->accumulate > 1)
            text_add(&all,
                     "    __global float *accumulator = p%d;\n    const bool due = (p%d->step + 1) "
                     "%% %du == 0;\n",
                     launch_memory(l, o->slots[o->slot_count - 1], "float", true), s, o->accumulate);
        text_add(&all,
                 "    const float rate = p%d->rate, f0 = p%d->factor0, f1 = p%d->factor1, f2 = "
                 "p%d->factor2;\n",
                 s, s, s, s);
        char factor[32] = "";
        if (clip->factors)
            snprintf(factor, sizeof factor, "p%d[at.s3]", f);
        if (clip->partial) {
            norm_text(b, &all, f);
            snprintf(factor, sizeof factor, "factor");
        }
        if (o->scale) {
            int scale = scale_buffer(b, l, false);
            text_add(&all, "    const float scale = p%d[o%d];\n    const bool lost = isnan(", scale,
                     scale);
            text_add(&all, clip->partial ? "factor);\n" : "p%d[0]);\n", f);
            if (o->accumulate <= 1)
                text_add(&all, "    if (lost)\n        return;\n");
            if (clip->partial)
                snprintf(factor, sizeof factor, "lost ? 1.0f : factor");
            else
                snprintf(factor, sizeof factor, "lost ? 1.0f : p%d[at.s3]", f);
        }
        update_text(o, &wide, 16, rule_slots, factor);
        update_text(o, &narrow, 1, rule_slots, factor);
        block_loop(b, &body, length, t.count, wide.data, narrow.data);
        text_add(&all, "%s", body.data ? body.data : "");
        text_add(&l->source, "%s", o->defines ? o->defines : "");
        status = source_file(&l->source, "optimizer.cl");
        bool serial = b->device->serial_kernels;
        l->flops =
            (double)plan_update_offsets(b->request->update_count, b->request->updates, NULL) * 10;
        if (status == KILN_OK)
            status = all.failed || wide.failed || narrow.failed
                         ? KILN_ERROR_MEMORY
                         : launch_finish(l, all.data, serial ? t.count : t.count * length,
                                         serial ? 1 : 64);
    } else if (status == KILN_OK) {
        status = KILN_ERROR_MEMORY;
    }
    free(t.items);
    text_free(&body);
    text_free(&wide);
    text_free(&narrow);
    text_free(&all);
    return status;
}

kiln_status lower_updates(builder *b)
{
    const plan_request *r = b->request;
    if (r->update_count == 0 || b->fused_updates)
        return KILN_OK;
    size_t length = b->device->serial_kernels ? 2048 : 256;
    if (r->optimizer->clipnorm > 0 || r->optimizer->global_clipnorm > 0 || r->optimizer->scale)
        KILN_TRY(lower_norms(b, length));
    for (int i = 0; i < r->update_count; i++) {
        bool first = true;
        for (int k = 0; k < i; k++)
            first &= r->updates[k].weight->memory != r->updates[i].weight->memory;
        if (first)
            KILN_TRY(lower_slab(b, r->updates[i].weight->memory, length));
    }
    return KILN_OK;
}

/* The scale of the loss after a step. Below the least no gradient is saved by halving it again: then
 * training goes nowhere, which the watch for values that are not finite is told. */
static void scale_text(const builder *b, launch *l, text *body, int state)
{
    const plan_optimizer *o = b->request->optimizer;
    int scale = scale_buffer(b, l, true), f = norm_buffer(b, l);
    text_add(body, "    if (item == 0) {\n");
    if (b->clip.partial)
        norm_text(b, body, f);
    else
        text_add(body, "    const float factor = p%d[0];\n", f);
    text_add(body,
             "    const float scale = p%d[o%d], good = p%d[o%d + 1] + 1.0f;\n    const bool grows = "
             "good >= %d.0f;\n    if (isnan(factor)) {\n        p%d[o%d] = fmax(scale * 0.5f, %s);\n  "
             "      p%d[o%d + 1] = 0.0f;\n        if (scale <= %s && p%d->bad == 0)\n            "
             "p%d->bad = p%d->step + 1;\n    } else {\n        p%d[o%d] = grows ? scale * 2.0f : "
             "scale;\n        p%d[o%d + 1] = grows ? 0.0f : good;\n    }\n    }\n",
             scale, scale, scale, scale, o->scale_growth, scale, scale, LEAST_SCALE, scale, scale,
             LEAST_SCALE, state, state, state, scale, scale, scale, scale);
}

/* Sums are kept as (sum, compensation) after Kahan, so that a long epoch loses nothing. */
kiln_status lower_tail(builder *b)
{
    const plan_request *r = b->request;
    launch *l = launch_new(b, "tail", NULL, 0);
    if (l == NULL)
        return KILN_ERROR_MEMORY;
    int state = launch_memory(l, b->state, "kiln_state", true),
        steps = launch_memory(l, b->steps, "kiln_step", false);
    int sums = b->sum_count ? launch_memory(l, b->sums, "float2", true) : -1;
    text body = {0};
    int64_t at = 0;
    for (int i = 0; i < r->accumulator_count; i++) {
        int64_t n = kiln_shape_size(b->g->items[r->accumulators[i]].shape);
        argument a = {.kind = ARGUMENT_NODE, .type = "float"};
        KILN_TRY(place_of(b, r->accumulators[i], &a.where));
        int k = launch_argument(l, &a);
        if (k < 0)
            return kiln_fail(KILN_ERROR_UNSUPPORTED, "more than %d sums in one plan",
                             LAUNCH_MAX_ARGUMENTS - 4);
        if (i == 0)
            text_add(&body, "    if (item < %zuu) {\n        float x;\n", b->sum_count);
        if (i + 1 < r->accumulator_count)
            text_add(&body,
                     "        %sif (item < %" PRId64 "u)\n            x = p%d[o%d + item - %" PRId64
                     "u];\n",
                     i ? "else " : "", at + n, k, k, at);
        else
            text_add(&body, "        %sx = p%d[o%d + item - %" PRId64 "u];\n",
                     i ? "else\n            " : "", k, k, at);
        at += n;
    }
    if (r->accumulator_count)
        text_add(&body,
                 "        const float2 old = p%d[item];\n        const float y = x - old.y;\n      "
                 "  const float sum = old.x + y;\n        const float taken = sum - old.x;\n       "
                 " p%d[item] = (float2)(sum, taken - y);\n    }\n",
                 sums, sums);
    if (r->update_count && r->optimizer->scale)
        scale_text(b, l, &body, state);
    text_add(&body, "    if (item == 0) {\n");
    if (r->loss != IR_NONE) {
        argument a = {.kind = ARGUMENT_NODE, .type = "float"};
        KILN_TRY(place_of(b, r->loss, &a.where));
        int k = launch_argument(l, &a);
        text_add(&body,
                 "        const float loss = p%d[o%d];\n        if (!(fabs(loss) <= FLT_MAX) && "
                 "p%d->bad == 0)\n            p%d->bad = p%d->step + 1;\n",
                 k, k, state, state, state);
    }
    text_add(&body, "        kiln_next_step(p%d, p%d);\n    }\n", state, steps);
    kiln_status status = body.failed ? KILN_ERROR_MEMORY
                                     : launch_finish(l, body.data, b->sum_count ? b->sum_count : 1,
                                                     b->device->serial_kernels ? 1 : 0);
    text_free(&body);
    return status;
}
