/* ConvLSTM1D and ConvLSTM2D: an LSTM whose products are convolutions. The inputs' convolution of all
 * steps comes before the loop. Channels are last in here. */
#include "layer/recurrent.h"
#include "layer/spatial.h"
#include "op/conv.h"

#include <string.h>

typedef struct conv_lstm_config {
    recurrent_options options;
    int64_t filters;
    kiln_shape kernel_size, strides, dilation_rate;
    char *padding, *data_format, *activation, *recurrent_activation;
    char *kernel_initializer, *recurrent_initializer, *bias_initializer;
    char *kernel_regularizer, *recurrent_regularizer, *bias_regularizer, *activity_regularizer;
    char *kernel_constraint, *recurrent_constraint, *bias_constraint;
    double dropout, recurrent_dropout;
    bool use_bias, unit_forget_bias;
} conv_lstm_config;

#define AT(FIELD) offsetof(conv_lstm_config, FIELD)
#define FIELD_OF(TYPE, FIELD, ...)                                                                 \
    {                                                                                              \
        .name = #FIELD, .type = TYPE, .offset = AT(FIELD), __VA_ARGS__                             \
    }
#define PLAIN(TYPE, FIELD)                                                                         \
    {                                                                                              \
        .name = #FIELD, .type = TYPE, .offset = AT(FIELD)                                          \
    }

static const layer_field fields[] = {
    RECURRENT_OPTIONS,
    FIELD_OF(FIELD_INT, filters, .required = true),
    FIELD_OF(FIELD_SHAPE, kernel_size, .required = true),
    PLAIN(FIELD_SHAPE, strides),
    FIELD_OF(FIELD_TEXT, padding, .text = "valid"),
    FIELD_OF(FIELD_TEXT, data_format, .text = "channels_last"),
    PLAIN(FIELD_SHAPE, dilation_rate),
    FIELD_OF(FIELD_ACTIVATION, activation, .text = "tanh"),
    FIELD_OF(FIELD_ACTIVATION, recurrent_activation, .text = "sigmoid"),
    FIELD_OF(FIELD_BOOL, use_bias, .number = 1),
    FIELD_OF(FIELD_INITIALIZER, kernel_initializer, .text = "glorot_uniform"),
    FIELD_OF(FIELD_INITIALIZER, recurrent_initializer, .text = "orthogonal"),
    FIELD_OF(FIELD_INITIALIZER, bias_initializer, .text = "zeros"),
    FIELD_OF(FIELD_BOOL, unit_forget_bias, .number = 1),
    PLAIN(FIELD_REGULARIZER, kernel_regularizer),
    PLAIN(FIELD_REGULARIZER, recurrent_regularizer),
    PLAIN(FIELD_REGULARIZER, bias_regularizer),
    PLAIN(FIELD_REGULARIZER, activity_regularizer),
    PLAIN(FIELD_CONSTRAINT, kernel_constraint),
    PLAIN(FIELD_CONSTRAINT, recurrent_constraint),
    PLAIN(FIELD_CONSTRAINT, bias_constraint),
    PLAIN(FIELD_FLOAT, dropout),
    PLAIN(FIELD_FLOAT, recurrent_dropout),
    {.name = "seed", .type = FIELD_IGNORED, .text = "null"},
    {.name = "time_major", .type = FIELD_FIXED, .text = "false", .quiet = true},
};

static bool has_step(kiln_shape sizes)
{
    for (int i = 0; i < sizes.rank; i++)
        if (sizes.dims[i] > 1)
            return true;
    return false;
}

static kiln_status check(const kiln_layer *layer)
{
    conv_lstm_config *c = layer->config; /* what was left out is filled in */
    int axes = spatial_axes(layer);
    if (c->filters < 1)
        return kiln_fail(KILN_ERROR_ARGUMENT, "filters is %lld; it must be 1 or more",
                         (long long)c->filters);
    KILN_TRY(spatial_fill("kernel_size", &c->kernel_size, axes, 0, 1));
    KILN_TRY(spatial_fill("strides", &c->strides, axes, 1, 1));
    KILN_TRY(spatial_fill("dilation_rate", &c->dilation_rate, axes, 1, 1));
    if (has_step(c->strides) && has_step(c->dilation_rate))
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "strides %s and dilation_rate %s cannot both be more than 1",
                         ir_shape_text(c->strides), ir_shape_text(c->dilation_rate));
    KILN_TRY(spatial_word("padding", c->padding, "valid same"));
    KILN_TRY(spatial_format(c->data_format));
    KILN_TRY(cell_check_rate("dropout", c->dropout));
    KILN_TRY(cell_check_rate("recurrent_dropout", c->recurrent_dropout));
    KILN_TRY(cell_check_activation("activation", c->activation, c->filters));
    return cell_check_activation("recurrent_activation", c->recurrent_activation, c->filters);
}

/* The convolution over x (rows, axes..., channels), of the inputs or of the state, and the shape of
 * its result. */
static kiln_status place(const kiln_layer *layer, kiln_shape x, bool state, op_conv *conv,
                         kiln_shape *result)
{
    const conv_lstm_config *c = layer->config;
    op_window w = {.axes = c->kernel_size.rank};
    for (int i = 0; i < w.axes; i++) {
        w.size[i] = c->kernel_size.dims[i];
        w.stride[i] = state ? 1 : c->strides.dims[i];
        w.dilation[i] = state ? 1 : c->dilation_rate.dims[i];
    }
    bool same = state || strcmp(c->padding, "same") == 0;
    KILN_TRY(
        op_window_place("convolution", &w, same ? PADDING_SAME : PADDING_VALID, x, result));
    *conv = op_conv_of(&w, *result, 1);
    result->dims[result->rank - 1] = c->filters;
    return KILN_OK;
}

/* Of one row: what a step makes, and its states. */
static kiln_status step_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *step)
{
    const conv_lstm_config *c = layer->config;
    int axes = spatial_axes(layer);
    if (input.rank != axes + 2)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "its input %s has %d axes besides the batch; it takes %d (steps, %s)",
                         ir_shape_text(input), input.rank, axes + 2,
                         axes == 1 ? "length, channels" : "height, width, channels");
    kiln_shape one = {.rank = input.rank - 1}, x, y;
    memcpy(one.dims, &input.dims[1], (size_t)one.rank * sizeof *one.dims);
    one = spatial_channels_last(c->data_format, one);
    x = (kiln_shape){.rank = input.rank, .dims = {1}};
    memcpy(&x.dims[1], one.dims, (size_t)one.rank * sizeof *one.dims);
    op_conv conv;
    KILN_TRY(place(layer, x, false, &conv, &y));
    memcpy(one.dims, &y.dims[1], (size_t)one.rank * sizeof *one.dims);
    *step = spatial_as_given(c->data_format, one);
    return KILN_OK;
}

static kiln_status output_shapes(const kiln_layer *layer, int count, const kiln_shape *inputs,
                                 kiln_shape *output)
{
    kiln_shape step;
    KILN_TRY(step_shape(layer, inputs[0], &step));
    return recurrent_shapes_of(layer, 2, (kiln_shape[]){step, step}, step, count, inputs, output);
}

static kiln_status output_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    return output_shapes(layer, 1, &input, output);
}

static int output_count(const kiln_layer *layer)
{
    return recurrent_options_in(layer)->return_state ? 3 : 1;
}

static kiln_status build(kiln_layer *layer, kiln_shape input)
{
    const conv_lstm_config *c = layer->config;
    kiln_shape step, kernel = c->kernel_size, recurrent = c->kernel_size;
    int64_t channels = input.dims[spatial_channels_first(c->data_format) ? 1 : input.rank - 1];
    KILN_TRY(step_shape(layer, input, &step));
    kernel.dims[kernel.rank++] = channels;
    kernel.dims[kernel.rank++] = 4 * c->filters;
    recurrent.dims[recurrent.rank++] = c->filters;
    recurrent.dims[recurrent.rank++] = 4 * c->filters;
    KILN_TRY(layer_add_weight(layer, "conv_lstm_cell/kernel", kernel, c->kernel_initializer,
                              c->kernel_regularizer, true));
    KILN_TRY(layer_constrain(layer, c->kernel_constraint));
    KILN_TRY(layer_add_weight(layer, "conv_lstm_cell/recurrent_kernel", recurrent,
                              c->recurrent_initializer, c->recurrent_regularizer, true));
    KILN_TRY(layer_constrain(layer, c->recurrent_constraint));
    if (c->use_bias) {
        KILN_TRY(layer_add_weight(layer, "conv_lstm_cell/bias", (kiln_shape){1, {4 * c->filters}},
                                  c->bias_initializer, c->bias_regularizer, true));
        KILN_TRY(layer_constrain(layer, c->bias_constraint));
        if (c->unit_forget_bias)
            layer->weights[2]->ones_first = layer->weights[2]->ones_count = c->filters;
    }
    for (int i = 0; c->options.stateful && i < 2; i++)
        KILN_TRY(layer_add_state(layer, i == 0 ? "rnn_state" : "rnn_state_1", step));
    return KILN_OK;
}

/* ---- the graph ---- */

typedef struct pass {
    const conv_lstm_config *c;
    ir_graph *g;
    kiln_shape one, state; /* of a step: its input and its result, (rows, axes..., channels) */
    op_conv recurrent;
} pass;

/* A kernel as the convolution takes it: (taps, channels, filters). */
static ir_id kernel_of(ir_graph *g, const ir_weight *weight)
{
    kiln_shape from = weight->shape, to = {3, {-1, from.dims[from.rank - 2], from.dims[from.rank - 1]}};
    return op_reshape(g, op_weight(g, (ir_weight *)weight), to);
}

static ir_id gate_of(const pass *p, ir_id x, int gate)
{
    return x == IR_NONE ? x
                        : op_slice(p->g, x, p->g->items[x].shape.rank - 1, gate * p->c->filters,
                                   p->c->filters, 1);
}

/* (steps, rows, ...) as (steps * rows, ...), or back. */
static ir_id join_steps(ir_graph *g, ir_id x)
{
    if (x == IR_NONE)
        return x;
    kiln_shape from = g->items[x].shape, to = {.rank = from.rank - 1};
    to.dims[0] = from.dims[0] * from.dims[1];
    memcpy(&to.dims[1], &from.dims[2], (size_t)(to.rank - 1) * sizeof *to.dims);
    return op_reshape(g, x, to);
}

static ir_id part_steps(ir_graph *g, ir_id x, int64_t steps)
{
    if (x == IR_NONE)
        return x;
    kiln_shape from = g->items[x].shape, to = {.rank = from.rank + 1, .dims = {steps}};
    to.dims[1] = from.dims[0] / steps;
    memcpy(&to.dims[2], &from.dims[1], (size_t)(from.rank - 1) * sizeof *to.dims);
    return op_reshape(g, x, to);
}

/* The gates' inputs of all steps, (steps, rows, axes..., filters): one for all four gates, or, where
 * each has dropout of its own, one each. */
static kiln_status convolve_inputs(const pass *p, const kiln_layer *layer, layer_call *call,
                                   ir_id x, int64_t steps, bool drops, ir_id *made)
{
    ir_graph *g = p->g;
    op_conv conv;
    kiln_shape result;
    ir_id kernel = kernel_of(g, &layer->weights[0]->weight),
          bias = p->c->use_bias ? op_weight(g, &layer->weights[2]->weight) : IR_NONE;
    KILN_TRY(place(layer, g->items[x].shape, false, &conv, &result));
    for (int i = 0; i < (drops ? 4 : 1); i++) {
        ir_id from = x, y;
        if (drops) { /* the same elements at each step */
            kiln_shape all = p->one;
            all.rank++;
            memmove(&all.dims[1], p->one.dims, (size_t)p->one.rank * sizeof *all.dims);
            all.dims[0] = 1;
            ir_id mask = op_reshape(
                g, cell_dropout(g, p->one, p->c->dropout, call->stream + (uint32_t)i), all);
            from = join_steps(g, op_binary(g, F_MUL, part_steps(g, x, steps), mask));
        }
        y = op_convolve(g, from, drops ? gate_of(p, kernel, i) : kernel, &conv);
        if (bias != IR_NONE)
            y = op_binary(g, F_ADD, y, drops ? gate_of(p, bias, i) : bias);
        made[i] = part_steps(g, y, steps);
        if (made[i] == IR_NONE)
            return kiln_last_status();
    }
    return KILN_OK;
}

kiln_status conv_cell_run(const kiln_layer *layer, layer_call *call, ir_id sequence, cell_pass *run)
{
    ir_graph *g = call->graph;
    const conv_lstm_config *c = layer->config;
    bool first = spatial_channels_first(c->data_format);
    bool drops = call->training && c->dropout > 0 && c->dropout < 1,
         forgets = call->training && c->recurrent_dropout > 0 && c->recurrent_dropout < 1;
    if (sequence == IR_NONE)
        return kiln_last_status();
    int64_t steps = g->items[sequence].shape.dims[0];
    ir_id x = join_steps(g, sequence), inputs[4], kernels[4], masks[4], initial[2];
    if (first)
        x = spatial_move_channels(g, x, false);
    if (x == IR_NONE)
        return kiln_last_status();
    pass p = {.c = c, .g = g, .one = g->items[x].shape};
    op_conv ignored;
    p.one.dims[0] /= steps;
    KILN_TRY(place(layer, p.one, false, &ignored, &p.state));
    KILN_TRY(place(layer, p.state, true, &p.recurrent, &(kiln_shape){0}));
    KILN_TRY(convolve_inputs(&p, layer, call, x, steps, drops, inputs));
    ir_id recurrent = kernel_of(g, &layer->weights[1]->weight);
    for (int i = 0; i < 4; i++) {
        kernels[i] = forgets ? gate_of(&p, recurrent, i) : recurrent;
        masks[i] = forgets ? cell_dropout(g, p.state, c->recurrent_dropout,
                                          call->stream + 4 + (uint32_t)i)
                           : IR_NONE;
    }
    call->stream += 8;
    ir_id none = op_constant(g, 0), zero = op_broadcast(g, none, p.state);
    for (int i = 0; i < 2; i++)
        initial[i] = run->initial[i] == IR_NONE ? zero
                     : first ? spatial_move_channels(g, run->initial[i], false)
                             : run->initial[i];
    bool zeros = run->mask != IR_NONE && run->zeros;
    KILN_TRY(op_scan_begin(g, steps, run->backwards));
    ir_id mask = run->mask == IR_NONE ? IR_NONE : op_scan_slice(g, run->mask);
    ir_id h = op_scan_state(g, initial[0]), carry = op_scan_state(g, initial[1]),
          shown = zeros ? op_scan_state(g, zero) : h, sums[4], here[4];
    for (int i = 0; i < (drops ? 4 : 1); i++)
        here[i] = op_scan_slice(g, inputs[i]);
    ir_id all = forgets ? IR_NONE : op_convolve(g, h, recurrent, &p.recurrent);
    if (!drops && !forgets)
        all = op_binary(g, F_ADD, here[0], all);
    for (int i = 0; i < 4; i++) { /* i f c o */
        if (!drops && !forgets) {
            sums[i] = gate_of(&p, all, i);
            continue;
        }
        ir_id of_state = forgets ? op_convolve(g, op_binary(g, F_MUL, h, masks[i]), kernels[i],
                                               &p.recurrent)
                                 : gate_of(&p, all, i);
        sums[i] = op_binary(g, F_ADD, drops ? here[i] : gate_of(&p, here[0], i), of_state);
    }
    ir_id in = op_binary(g, F_MUL, activation_apply(g, c->recurrent_activation, sums[0]),
                         activation_apply(g, c->activation, sums[2])),
          kept = op_binary(g, F_MUL, activation_apply(g, c->recurrent_activation, sums[1]), carry),
          next_carry = op_binary(g, F_ADD, kept, in),
          next = op_binary(g, F_MUL, activation_apply(g, c->recurrent_activation, sums[3]),
                           activation_apply(g, c->activation, next_carry));
    ir_id held = mask == IR_NONE ? next : op_select(g, mask, next, h),
          held_carry = mask == IR_NONE ? next_carry : op_select(g, mask, next_carry, carry);
    kiln_status status = op_scan_update(g, h, held);
    if (status == KILN_OK)
        status = op_scan_update(g, carry, held_carry);
    if (status == KILN_OK && zeros)
        status = op_scan_update(g, shown, op_select(g, mask, next, none));
    if (status != KILN_OK) {
        g->scope = 0;
        return status;
    }
    KILN_TRY(op_scan_end(g));
    ir_id made = run->sequences ? join_steps(g, op_scan_stack(g, op_scan_next(g, shown)))
                                : op_scan_final(g, shown);
    if (first)
        made = spatial_move_channels(g, made, true);
    run->sequence = run->sequences ? part_steps(g, made, steps) : IR_NONE;
    run->last = run->sequences ? IR_NONE : made;
    for (int i = 0; run->finals && i < 2; i++) {
        run->states[i] = op_scan_final(g, i == 0 ? h : carry);
        if (first)
            run->states[i] = spatial_move_channels(g, run->states[i], true);
    }
    return made == IR_NONE ? kiln_last_status() : KILN_OK;
}

static kiln_status call_many(kiln_layer *layer, layer_call *call, int count, const ir_id *inputs,
                             ir_id *output)
{
    const conv_lstm_config *c = layer->config;
    KILN_TRY(recurrent_call(layer, call, 1, &layer, count, inputs, output));
    return layer_add_activity(call, c->activity_regularizer, output[0]);
}

static kiln_status call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    return call_many(layer, call, 1, &input, output);
}

#define CLASS                                                                                      \
    .config_size = sizeof(conv_lstm_config), .fields = fields,                                     \
    .field_count = sizeof fields / sizeof *fields, .check = check, .build = build,                 \
    .output_shape = output_shape, .output_shape_of = output_shapes, .output_count = output_count,  \
    .call = call, .call_many = call_many, .cell_name = "conv_lstm_cell", .is_recurrent = true,           \
    .more_inputs = "initial_state"

const layer_class conv_lstm1d_class = {
    .class_name = "ConvLSTM1D", .snake_name = "conv_lstm1d", CLASS};
const layer_class conv_lstm2d_class = {
    .class_name = "ConvLSTM2D", .snake_name = "conv_lstm2d", CLASS};

static kiln_layer *make(const layer_class *cls, const kiln_conv_lstm_args *args)
{
    kiln_layer *layer = layer_new(cls);
    if (layer == NULL)
        return NULL;
    conv_lstm_config *c = layer->config;
    c->options = recurrent_options_of(args->return_sequences, args->return_state,
                                      args->go_backwards, args->stateful,
                                      args->zero_output_for_mask);
    c->filters = args->filters;
    c->kernel_size = args->kernel_size;
    c->strides = args->strides;
    c->dilation_rate = args->dilation_rate;
    c->use_bias = args->use_bias != KILN_NO;
    c->unit_forget_bias = args->unit_forget_bias != KILN_NO;
    c->dropout = args->dropout;
    c->recurrent_dropout = args->recurrent_dropout;
    kiln_status status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    const struct {
        const char *field, *value;
    } texts[] = {
        {"padding", args->padding},
        {"data_format", args->data_format},
        {"activation", args->activation},
        {"recurrent_activation", args->recurrent_activation},
        {"kernel_initializer", args->kernel_initializer},
        {"recurrent_initializer", args->recurrent_initializer},
        {"bias_initializer", args->bias_initializer},
        {"kernel_regularizer", args->kernel_regularizer},
        {"kernel_constraint", args->kernel_constraint},
        {"recurrent_regularizer", args->recurrent_regularizer},
        {"recurrent_constraint", args->recurrent_constraint},
        {"bias_regularizer", args->bias_regularizer},
        {"bias_constraint", args->bias_constraint},
        {"activity_regularizer", args->activity_regularizer},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == KILN_OK; i++)
        status = layer_set_text(layer, texts[i].field, texts[i].value);
    return layer_finish(layer, status);
}

kiln_layer *kiln_conv_lstm1d_with(const kiln_conv_lstm_args *args)
{
    return make(&conv_lstm1d_class, args);
}

kiln_layer *kiln_conv_lstm2d_with(const kiln_conv_lstm_args *args)
{
    return make(&conv_lstm2d_class, args);
}
