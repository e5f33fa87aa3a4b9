/* Layers that wrap layers: TimeDistributed and Bidirectional. */
#include "layer/recurrent.h"

#include <string.h>

/* ---- TimeDistributed ---- */

typedef struct distributed_config {
    char nothing;
} distributed_config;

static const layer_field distributed_fields[] = {
    {.name = "layer", .type = FIELD_LAYER, .offset = 0, .required = true},
};

static kiln_status check_distributed(const kiln_layer *layer)
{
    const kiln_layer *inner = layer->inner[0];
    if (inner == NULL)
        return kiln_fail(KILN_ERROR_ARGUMENT, "layer is missing");
    if (inner->cls->is_cell)
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "%s is a cell and no layer by itself",
                         layer_label(inner));
    if (layer_output_count(inner) > 1)
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "%s has several outputs, and each step can have one",
                         layer_label(inner));
    /* The layers of a model may be frozen one by one. */
    return inner->cls->is_model && !layer->trainable
               ? kiln_layer_set_trainable((kiln_layer *)inner, 0)
               : KILN_OK;
}

static kiln_status one_step(kiln_shape input, kiln_shape *step)
{
    if (input.rank < 2)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "its input %s has %d axis besides the batch; it takes 2 or more (steps, "
                         "features...)",
                         ir_shape_text(input), input.rank);
    step->rank = input.rank - 1;
    memcpy(step->dims, &input.dims[1], (size_t)step->rank * sizeof *step->dims);
    return KILN_OK;
}

static kiln_status distributed_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    const kiln_layer *inner = layer->inner[0];
    kiln_shape step, made;
    KILN_TRY(one_step(input, &step));
    if (!inner->cls->is_model)
        KILN_TRY(layer_output_shape(inner, step, &made));
    else if (inner->cls->output_shape_of(inner, 1, &step, &made) != KILN_OK)
        return kiln_fail_in("%s", layer_label(inner));
    if (made.rank > KILN_MAX_RANK - 2)
        return kiln_fail(KILN_ERROR_SHAPE, "its output has too many axes");
    *output = (kiln_shape){.rank = made.rank + 1, .dims = {input.dims[0]}};
    memcpy(&output->dims[1], made.dims, (size_t)made.rank * sizeof *made.dims);
    return KILN_OK;
}

static kiln_status build_distributed(kiln_layer *layer, kiln_shape input)
{
    kiln_shape step;
    KILN_TRY(one_step(input, &step));
    KILN_TRY(layer_build_inner(layer, 0, step));
    for (size_t i = 0; i < layer->weight_count; i++)
        if (layer->weights[i]->state)
            return kiln_fail(KILN_ERROR_UNSUPPORTED,
                             "%s: %s is stateful, and a layer that each step runs cannot be",
                             layer_label(layer), layer_label(layer->inner[0]));
    return KILN_OK;
}

/* Calls a wrapped layer with the wrapper's own inputs, of which the first has this mask; the
 * wrapper's masks are as before afterwards. */
static kiln_status call_inner_of(kiln_layer *inner, layer_call *call, int count,
                                 const ir_id *inputs, ir_id mask, ir_id *y)
{
    ir_id given[LAYER_MAX_INPUTS] = {mask}, own = call->mask;
    const ir_id *masks = call->masks;
    for (int i = 1; i < count; i++)
        given[i] = IR_NONE;
    call->masks = given;
    call->mask = inner->cls->passes_mask ? mask : IR_NONE;
    kiln_status status = layer_apply(inner, call, count, inputs, y);
    call->masks = masks;
    call->mask = own;
    return status;
}

static kiln_status call_inner(kiln_layer *inner, layer_call *call, ir_id x, ir_id mask, ir_id *y)
{
    return call_inner_of(inner, call, 1, &x, mask, y);
}

/* A layer that joins the rows of a batch takes each step by itself. */
static kiln_status call_each_step(kiln_layer *inner, layer_call *call, ir_id input, ir_id *output)
{
    ir_graph *g = call->graph;
    kiln_shape shape = g->items[input].shape,
               step = {.rank = shape.rank - 1, .dims = {shape.dims[0]}};
    memcpy(&step.dims[1], &shape.dims[2], (size_t)(step.rank - 1) * sizeof *step.dims);
    *output = IR_NONE;
    for (int64_t i = 0; i < shape.dims[1]; i++) {
        ir_id x = op_reshape(g, op_slice(g, input, 1, i, 1, 1), step), y;
        if (x == IR_NONE)
            return kiln_last_status();
        ir_id mask = layer_mask(call, 0), here = mask;
        if (mask != IR_NONE) {
            kiln_shape part = {.rank = 1, .dims = {shape.dims[0]}}, from = g->items[mask].shape;
            for (int k = 2; k < from.rank; k++)
                part.dims[part.rank++] = from.dims[k];
            here = op_reshape(g, op_slice(g, mask, 1, i, 1, 1), part);
        }
        KILN_TRY(call_inner(inner, call, x, here, &y));
        kiln_shape made = g->items[y].shape,
                   row = {.rank = made.rank + 1, .dims = {made.dims[0], 1}};
        memcpy(&row.dims[2], &made.dims[1], (size_t)(made.rank - 1) * sizeof *row.dims);
        y = op_pad(g, op_reshape(g, y, row), 1, i, shape.dims[1] - 1 - i);
        *output = i == 0 ? y : op_binary(g, F_ADD, *output, y);
    }
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

/* All steps at once, as rows of one batch. */
static kiln_status call_folded(kiln_layer *inner, layer_call *call, ir_id input, ir_id *output)
{
    ir_graph *g = call->graph;
    kiln_shape shape = g->items[input].shape, rows = {.rank = shape.rank - 1};
    ir_id penalties = call->loss; /* the wrapped layer's activity has none, as in Keras */
    rows.dims[0] = shape.dims[0] * shape.dims[1];
    memcpy(&rows.dims[1], &shape.dims[2], (size_t)(rows.rank - 1) * sizeof *rows.dims);
    ir_id x = op_reshape(g, input, rows), y;
    if (x == IR_NONE)
        return kiln_last_status();
    /* A mask of the steps alone says nothing of what a single step has inside. */
    ir_id mask = layer_mask(call, 0);
    if (mask != IR_NONE && g->items[mask].shape.rank > 2) {
        kiln_shape from = g->items[mask].shape, to = {.rank = from.rank - 1};
        to.dims[0] = rows.dims[0];
        memcpy(&to.dims[1], &from.dims[2], (size_t)(to.rank - 1) * sizeof *to.dims);
        mask = op_reshape(g, mask, to);
    } else {
        mask = IR_NONE;
    }
    KILN_TRY(call_inner(inner, call, x, mask, &y));
    call->loss = penalties;
    kiln_shape made = g->items[y].shape,
               out = {.rank = made.rank + 1, .dims = {shape.dims[0], shape.dims[1]}};
    memcpy(&out.dims[2], &made.dims[1], (size_t)(made.rank - 1) * sizeof *out.dims);
    *output = op_reshape(g, y, out);
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

static bool joins_rows(const kiln_layer *layer, bool training)
{
    const kiln_layer *inner = layer->inner[0];
    return inner->cls->joins_rows && inner->cls->joins_rows(inner, training);
}

static kiln_status call_distributed(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    kiln_layer *inner = layer->inner[0];
    const char *within = call->within;
    char *inside = NULL;
    if (inner->cls->is_model) { /* whose layers are called by this one's name too */
        inside = within ? str_format("%s/%s", within, layer->name) : str_copy(layer->name);
        if (inside == NULL)
            return KILN_ERROR_MEMORY;
        call->within = inside;
    }
    kiln_status status = joins_rows(layer, call->training)
                             ? call_each_step(inner, call, input, output)
                             : call_folded(inner, call, input, output);
    call->within = within;
    free(inside);
    return status;
}

static const char *const distributed_names[] = {"layer"};

const layer_class time_distributed_class = {
    .class_name = "TimeDistributed",
    .snake_name = "time_distributed",
    .config_size = sizeof(distributed_config),
    .fields = distributed_fields,
    .field_count = sizeof distributed_fields / sizeof *distributed_fields,
    .inner_names = distributed_names,
    .check = check_distributed,
    .output_shape = distributed_shape,
    .build = build_distributed,
    .call = call_distributed,
    .joins_rows = joins_rows,
    .passes_mask = true,
};

kiln_layer *kiln_time_distributed_with(const kiln_time_distributed_args *args)
{
    kiln_layer *layer = layer_new(&time_distributed_class);
    if (layer == NULL) {
        kiln_layer_free(args->layer);
        return NULL;
    }
    kiln_status status = layer_set_inner(layer, 0, args->layer);
    if (status == KILN_OK)
        status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    if (status == KILN_OK && args->trainable == KILN_NO)
        status = kiln_layer_set_trainable(layer, 0);
    return layer_finish(layer, status);
}

/* ---- Bidirectional ---- */

typedef struct bidirectional_config {
    char *merge_mode;
} bidirectional_config;

static const layer_field bidirectional_fields[] = {
    {.name = "merge_mode",
     .type = FIELD_TEXT,
     .offset = offsetof(bidirectional_config, merge_mode),
     .text = "concat",
     .none = true},
    {.name = "layer", .type = FIELD_LAYER, .offset = 0, .required = true},
    {.name = "backward_layer", .type = FIELD_LAYER, .offset = 1},
};

/* "lstm" or "forward_lstm" becomes "forward_lstm". */
static kiln_status prefix_name(kiln_layer *layer, const char *name, const char *prefix)
{
    size_t n = strlen(prefix);
    char *made = str_format("%s%s", prefix, strncmp(name, prefix, n) == 0 ? name + n : name);
    kiln_status status = made ? layer_set_name(layer, made) : KILN_ERROR_MEMORY;
    free(made);
    return status;
}

/* The layer as it was given becomes the forward one, and a backward one is made where none was
 * given. */
static kiln_status settle_directions(kiln_layer *layer)
{
    kiln_layer *forward = layer->inner[0];
    if (forward == NULL)
        return kiln_fail(KILN_ERROR_ARGUMENT, "layer is missing");
    for (int i = 0; i < layer->inner_count; i++)
        if (!layer->inner[i]->cls->is_recurrent)
            return kiln_fail(KILN_ERROR_UNSUPPORTED,
                             "it wraps recurrent layers, and not a layer of class %s",
                             layer->inner[i]->cls->class_name);
    if (layer->inner[1] == NULL) {
        kiln_layer *backward = layer_clone(forward);
        if (backward == NULL)
            return kiln_last_status();
        recurrent_options_in(backward)->go_backwards = true;
        KILN_TRY(layer_set_inner(layer, 1, backward));
        KILN_TRY(prefix_name(backward, forward->name, "backward_"));
    }
    return prefix_name(forward, forward->name, "forward_");
}

static kiln_status check_bidirectional(const kiln_layer *layer)
{
    const char *mode = ((const bidirectional_config *)layer->config)->merge_mode;
    static const char *const modes[] = {"concat", "sum", "ave", "mul", NULL};
    bool found = false;
    for (size_t i = 0; mode && modes[i]; i++)
        found |= strcmp(modes[i], mode) == 0;
    if (mode && !found)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "merge_mode is \"%s\"; possible are: concat sum ave mul none%s", mode,
                         spec_hint(mode, modes));
    KILN_TRY(settle_directions((kiln_layer *)layer));
    recurrent_options *a = recurrent_options_in(layer->inner[0]),
                      *b = recurrent_options_in(layer->inner[1]);
    if (a->go_backwards == b->go_backwards)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "the forward and the backward layer both have go_backwards %s",
                         a->go_backwards ? "true" : "false");
    const char *differ = a->return_sequences != b->return_sequences ? "return_sequences"
                         : a->return_state != b->return_state       ? "return_state"
                         : a->stateful != b->stateful               ? "stateful"
                                                                    : NULL;
    if (differ)
        return kiln_fail(KILN_ERROR_ARGUMENT, "the forward and the backward layer differ in %s",
                         differ);
    a->zero_output_for_mask = b->zero_output_for_mask = a->return_sequences;
    return KILN_OK;
}

/* Half of the states that it starts with are for each direction. */
static kiln_status half_of(int count, int *half)
{
    *half = (count - 1) / 2;
    if (count % 2 == 0)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "it is given %d states to start with, which two layers cannot share",
                         count - 1);
    return KILN_OK;
}

/* The inputs of one direction. */
static int inputs_of(int direction, int half, size_t size, const void *inputs, void *own)
{
    const char *from = (const char *)inputs + (size_t)(1 + direction * half) * size;
    memcpy(own, inputs, size);
    memcpy((char *)own + size, from, (size_t)half * size);
    return 1 + half;
}

static const char *merge_mode(const kiln_layer *layer)
{
    return ((const bidirectional_config *)layer->config)->merge_mode;
}

/* Behind what both made, the states of one and of the other. */
static int bidirectional_outputs(const kiln_layer *layer)
{
    int made = merge_mode(layer) ? 1 : 2;
    return made + layer_output_count(layer->inner[0]) - 1 + layer_output_count(layer->inner[1]) - 1;
}

static kiln_status bidirectional_shapes(const kiln_layer *layer, int count,
                                        const kiln_shape *inputs, kiln_shape *output)
{
    kiln_shape own[LAYER_MAX_INPUTS], made[2][LAYER_MAX_OUTPUTS];
    const char *mode = merge_mode(layer);
    int half, next = 0;
    KILN_TRY(half_of(count, &half));
    if (bidirectional_outputs(layer) > LAYER_MAX_OUTPUTS)
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "it has %d outputs; %d are the most",
                         bidirectional_outputs(layer), LAYER_MAX_OUTPUTS);
    for (int i = 0; i < 2; i++) {
        const kiln_layer *inner = layer->inner[i];
        int n = inputs_of(i, half, sizeof *inputs, inputs, own);
        kiln_status status =
            n == 1 ? inner->cls->output_shape(inner, own[0], made[i])
                   : inner->cls->output_shape_of(inner, n, own, made[i]);
        if (status != KILN_OK)
            return kiln_fail_in("%s", layer_label(inner));
    }
    kiln_shape *first = made[0], *second = made[1];
    int last = first->rank - 1;
    output[next++] = *first;
    if (mode == NULL)
        output[next++] = *second;
    else if (strcmp(mode, "concat") == 0)
        output[0].dims[last] += second->dims[last];
    else if (!ir_shape_equal(*first, *second))
        return kiln_fail(KILN_ERROR_SHAPE, "its layers make %s and %s, which cannot be merged",
                         ir_shape_text(*first), ir_shape_text(*second));
    for (int i = 0; i < 2; i++)
        for (int k = 1; k < layer_output_count(layer->inner[i]); k++)
            output[next++] = made[i][k];
    return KILN_OK;
}

static kiln_status bidirectional_shape(const kiln_layer *layer, kiln_shape input,
                                       kiln_shape *output)
{
    return bidirectional_shapes(layer, 1, &input, output);
}

static kiln_status build_bidirectional(kiln_layer *layer, kiln_shape input)
{
    KILN_TRY(layer_build_inner(layer, 0, input));
    return layer_build_inner(layer, 1, input);
}

/* One of two results, or both. */
static ir_id merge(ir_graph *g, const char *mode, ir_id a, ir_id b)
{
    ir_id y[2] = {a, b};
    if (strcmp(mode, "concat") == 0)
        return op_concatenate(g, 2, y, -1);
    if (strcmp(mode, "mul") == 0)
        return op_binary(g, F_MUL, a, b);
    ir_id sum = op_binary(g, F_ADD, a, b);
    return strcmp(mode, "ave") == 0 ? op_affine(g, sum, 0.5, 0) : sum;
}

static kiln_status call_bidirectional_of(kiln_layer *layer, layer_call *call, int count,
                                         const ir_id *inputs, ir_id *output)
{
    ir_graph *g = call->graph;
    const char *mode = merge_mode(layer);
    ir_id own[LAYER_MAX_INPUTS], made[2][LAYER_MAX_OUTPUTS], mask = layer_mask(call, 0);
    int half, next = 0;
    KILN_TRY(half_of(count, &half));
    for (int i = 0; i < 2; i++) {
        int n = inputs_of(i, half, sizeof *inputs, inputs, own);
        KILN_TRY(call_inner_of(layer->inner[i], call, n, own, mask, made[i]));
    }
    ir_id first = made[0][0], second = made[1][0];
    if (recurrent_options_in(layer->inner[1])->return_sequences) {
        call->mask = mask;
        call->other_masks[1] = mode ? IR_NONE : mask;
        int64_t steps = g->items[second].shape.dims[1];
        second = op_slice(g, second, 1, steps - 1, steps, -1);
    }
    output[next++] = mode ? merge(g, mode, first, second) : first;
    if (mode == NULL)
        output[next++] = second;
    for (int i = 0; i < 2; i++)
        for (int k = 1; k < layer_output_count(layer->inner[i]); k++)
            output[next++] = made[i][k];
    for (int i = 0; i < next; i++)
        if (output[i] == IR_NONE)
            return kiln_last_status();
    return KILN_OK;
}

static kiln_status call_bidirectional(kiln_layer *layer, layer_call *call, ir_id input,
                                      ir_id *output)
{
    return call_bidirectional_of(layer, call, 1, &input, output);
}

static const char *const bidirectional_names[] = {"forward_layer", "backward_layer"};

const layer_class bidirectional_class = {
    .class_name = "Bidirectional",
    .snake_name = "bidirectional",
    .config_size = sizeof(bidirectional_config),
    .fields = bidirectional_fields,
    .field_count = sizeof bidirectional_fields / sizeof *bidirectional_fields,
    .inner_names = bidirectional_names,
    .check = check_bidirectional,
    .output_shape = bidirectional_shape,
    .output_shape_of = bidirectional_shapes,
    .output_count = bidirectional_outputs,
    .build = build_bidirectional,
    .call = call_bidirectional,
    .call_many = call_bidirectional_of,
    .more_inputs = "initial_state",
};

kiln_layer *kiln_bidirectional_with(const kiln_bidirectional_args *args)
{
    kiln_layer *layer = layer_new(&bidirectional_class);
    if (layer == NULL) {
        kiln_layer_free(args->layer);
        kiln_layer_free(args->backward_layer);
        return NULL;
    }
    kiln_status status = layer_set_inner(layer, 0, args->layer);
    if (args->backward_layer) {
        kiln_status second = status == KILN_OK ? layer_set_inner(layer, 1, args->backward_layer)
                                               : (kiln_layer_free(args->backward_layer), status);
        status = second;
    }
    bidirectional_config *c = layer->config;
    if (status == KILN_OK && args->merge_mode && strcmp(args->merge_mode, "none") == 0) {
        free(c->merge_mode);
        c->merge_mode = NULL;
    } else if (status == KILN_OK) {
        status = layer_set_text(layer, "merge_mode", args->merge_mode);
    }
    if (status == KILN_OK)
        status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    if (status == KILN_OK && args->trainable == KILN_NO)
        status = kiln_layer_set_trainable(layer, 0);
    return layer_finish(layer, status);
}
