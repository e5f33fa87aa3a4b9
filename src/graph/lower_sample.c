/* The launch that draws the next token from a step's scores: a text is written without the host between its tokens. */
#include "graph/lower_inside.h"

#include <inttypes.h>

#define MOST_LANES 64

static int slot_buffer(launch *l, int slot, const char *type, bool written)
{
    return launch_argument(l, &(argument){.kind = ARGUMENT_SLOT, .slot = slot, .type = type, .written = written});
}

kiln_status lower_sample(builder *b)
{
    const plan_sample *s = b->request->sample;
    if (s == NULL)
        return KILN_OK;
    const ir_id from = b->request->outputs[s->output];
    const int64_t count = kiln_shape_size(b->g->items[from].shape);
    /* A CPU's work-group is one thread, whatever its work-items are. */
    const size_t most = b->device->info.type == KILN_DEVICE_CPU ? 1 : MOST_LANES,
                 lanes = b->device->group_limit < most ? b->device->group_limit : most;
    cl_mem weights, part;
    KILN_TRY(plan_own(b, (size_t)count * sizeof(float), "weights of tokens", &weights));
    KILN_TRY(plan_own(b, lanes * sizeof(float), "sums of tokens' weights", &part));
    launch *l = launch_new(b, "sample", NULL, 0);
    if (l == NULL)
        return KILN_ERROR_MEMORY;
    argument scores = {.kind = ARGUMENT_NODE, .type = "float"};
    KILN_TRY(place_of(b, from, &scores.where));
    const int x = launch_argument(l, &scores), w = launch_memory(l, weights, "float", true),
              p = launch_memory(l, part, "float", true), rules = slot_buffer(l, s->rules_slot, "uint", false),
              chances = slot_buffer(l, s->chances_slot, "uint", false),
              tokens = slot_buffer(l, s->tokens_slot, "int", true), order = slot_buffer(l, s->order_slot, "int", true),
              state = launch_memory(l, b->state, "kiln_state", false);
    text body = {0};
    if (lanes > 1)
        text_add(&l->source, "#define KILN_MEET barrier(CLK_GLOBAL_MEM_FENCE)\n#define KILN_WHERE(x)\n");
    KILN_TRY(source_file(&l->source, "sample.cl"));
    if (lanes > 1) /* a work-group smaller than was asked for is not alone */
        text_add(&body, "    if (get_group_id(0) > 0)\n        return;\n");
    text_add(&body,
             "    const uint index = p%d->index;\n    bool mine;\n"
             "    const __global kiln_sample_chance *chance = (const __global kiln_sample_chance *)(p%d + o%d) + index;\n"
             "    const __global kiln_sample_rules *rules = (const __global kiln_sample_rules *)(p%d + o%d);\n"
             "    int token = kiln_sample(p%d + o%d, p%d, p%d, %" PRId64 "u, %s, rules, chance->unit, &mine);\n",
             state, chances, chances, rules, rules, x, x, w, p, count,
             lanes == 1 ? "0u, 1u" : "(uint)get_local_id(0), (uint)get_local_size(0)");
    text_add(&body,
             "    if (mine) {\n        if (chance->token >= 0)\n            token = chance->token;\n"
             "        p%d[o%d + index] = token;\n        p%d[o%d] = max(token, 0);\n    }\n",
             tokens, tokens, order, order);
    l->whole_group = lanes > 1;
    kiln_status status = body.failed ? KILN_ERROR_MEMORY : launch_finish(l, body.data, lanes, lanes);
    text_free(&body);
    return status;
}
