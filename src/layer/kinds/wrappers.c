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

extern const layer_class batch_normalization_class;

static kiln_status check_distributed(const kiln_layer *layer)
{
    return layer->inner[0] ? KILN_OK : kiln_fail(KILN_ERROR_ARGUMENT, "layer is missing");
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
    kiln_shape step, made;
    KILN_TRY(one_step(input, &step));
    KILN_TRY(layer_output_shape(layer->inner[0], step, &made));
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
    return layer_build_inner(layer, 0, step);
}

/* Calls a wrapped layer; the wrapper's masks are as before afterwards. */
static kiln_status call_inner(kiln_layer *inner, layer_call *call, ir_id x, ir_id mask, ir_id *y)
{
    const ir_id *masks = call->masks;
    ir_id own = call->mask;
    call->masks = &mask;
    call->mask = inner->cls->passes_mask ? mask : IR_NONE;
    kiln_status status = inner->cls->call(inner, call, x, y);
    call->masks = masks;
    call->mask = own;
    return status;
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

static kiln_status call_distributed(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    ir_graph *g = call->graph;
    kiln_layer *inner = layer->inner[0];
    kiln_shape shape = g->items[input].shape, rows = {.rank = shape.rank - 1};
    ir_id penalties = call->loss; /* the wrapped layer's activity has none, as in Keras */
    if (inner->cls == &batch_normalization_class && call->training) {
        KILN_TRY(call_each_step(inner, call, input, output));
        return KILN_OK;
    }
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
     .text = "concat"},
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
        if (!is_recurrent(layer->inner[i]))
            return kiln_fail(KILN_ERROR_UNSUPPORTED,
                             "it wraps SimpleRNN, LSTM and GRU, and not a layer of class %s",
                             layer->inner[i]->cls->class_name);
    if (layer->inner[1] == NULL) {
        kiln_layer *backward = layer_clone(forward);
        if (backward == NULL)
            return kiln_last_status();
        ((recurrent_config *)backward->config)->go_backwards = true;
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
    if (mode == NULL)
        return kiln_fail(KILN_ERROR_UNSUPPORTED,
                         "merge_mode None, which returns two tensors, is not supported");
    for (size_t i = 0; modes[i]; i++)
        found |= strcmp(modes[i], mode) == 0;
    if (!found)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "merge_mode is \"%s\"; possible are: concat sum ave mul%s", mode,
                         spec_hint(mode, modes));
    KILN_TRY(settle_directions((kiln_layer *)layer));
    recurrent_config *a = layer->inner[0]->config, *b = layer->inner[1]->config;
    if (a->go_backwards == b->go_backwards)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "the forward and the backward layer both have go_backwards %s",
                         a->go_backwards ? "true" : "false");
    if (a->return_sequences != b->return_sequences)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "the forward and the backward layer differ in return_sequences");
    a->zero_output_for_mask = b->zero_output_for_mask = a->return_sequences;
    return KILN_OK;
}

static kiln_status bidirectional_shape(const kiln_layer *layer, kiln_shape input,
                                       kiln_shape *output)
{
    kiln_shape back;
    KILN_TRY(layer_output_shape(layer->inner[0], input, output));
    KILN_TRY(layer_output_shape(layer->inner[1], input, &back));
    int last = output->rank - 1;
    if (strcmp(((const bidirectional_config *)layer->config)->merge_mode, "concat") == 0)
        output->dims[last] += back.dims[last];
    else if (!ir_shape_equal(*output, back))
        return kiln_fail(KILN_ERROR_SHAPE, "its layers make %s and %s, which cannot be merged",
                         ir_shape_text(*output), ir_shape_text(back));
    return KILN_OK;
}

static kiln_status build_bidirectional(kiln_layer *layer, kiln_shape input)
{
    KILN_TRY(layer_build_inner(layer, 0, input));
    return layer_build_inner(layer, 1, input);
}

static kiln_status call_bidirectional(kiln_layer *layer, layer_call *call, ir_id input,
                                      ir_id *output)
{
    ir_graph *g = call->graph;
    const char *mode = ((const bidirectional_config *)layer->config)->merge_mode;
    const recurrent_config *c = layer->inner[1]->config;
    ir_id y[2];
    for (int i = 0; i < 2; i++)
        KILN_TRY(call_inner(layer->inner[i], call, input, layer_mask(call, 0), &y[i]));
    if (c->return_sequences) {
        call->mask = layer_mask(call, 0);
        int64_t steps = g->items[y[1]].shape.dims[1];
        y[1] = op_slice(g, y[1], 1, steps - 1, steps, -1);
    }
    if (strcmp(mode, "concat") == 0)
        *output = op_concatenate(g, 2, y, -1);
    else if (strcmp(mode, "mul") == 0)
        *output = op_binary(g, F_MUL, y[0], y[1]);
    else
        *output = op_binary(g, F_ADD, y[0], y[1]);
    if (strcmp(mode, "ave") == 0)
        *output = op_affine(g, *output, 0.5, 0);
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
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
    .build = build_bidirectional,
    .call = call_bidirectional,
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
    if (status == KILN_OK)
        status = layer_set_text(layer, "merge_mode", args->merge_mode);
    if (status == KILN_OK)
        status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    if (status == KILN_OK && args->trainable == KILN_NO)
        status = kiln_layer_set_trainable(layer, 0);
    return layer_finish(layer, status);
}
