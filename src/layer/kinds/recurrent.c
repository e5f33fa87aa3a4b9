/* SimpleRNN, LSTM and GRU. The inputs' product of all time steps comes before the loop; the loop
 * has the recurrent product and the cell. Sequences are (steps, rows, features) here, so that what
 * one step reads and writes lies together. */
#include "layer/recurrent.h"

#define AT(FIELD) offsetof(recurrent_config, FIELD)
#define FLAG(FIELD, DEFAULT)                                                                       \
    {                                                                                              \
        .name = #FIELD, .type = FIELD_BOOL, .offset = AT(FIELD), .number = DEFAULT                 \
    }
#define INITIALIZER(FIELD, DEFAULT)                                                                \
    {                                                                                              \
        .name = #FIELD, .type = FIELD_INITIALIZER, .offset = AT(FIELD), .text = DEFAULT            \
    }
#define REGULARIZER(FIELD)                                                                         \
    {                                                                                              \
        .name = #FIELD, .type = FIELD_REGULARIZER, .offset = AT(FIELD)                             \
    }
#define CONSTRAINT(NAME)                                                                           \
    {                                                                                              \
        .name = NAME, .type = FIELD_FIXED, .text = "null"                                          \
    }
#define RATE(FIELD)                                                                                \
    {                                                                                              \
        .name = #FIELD, .type = FIELD_FLOAT, .offset = AT(FIELD)                                   \
    }
#define FIRST                                                                                      \
    FLAG(return_sequences, 0), {.name = "return_state", .type = FIELD_FIXED, .text = "false"},     \
        FLAG(go_backwards, 0), {.name = "stateful", .type = FIELD_FIXED, .text = "false"},         \
        FLAG(unroll, 0), FLAG(zero_output_for_mask, 0),                                            \
        {.name = "units", .type = FIELD_INT, .offset = AT(units), .required = true},               \
    {                                                                                              \
        .name = "activation", .type = FIELD_ACTIVATION, .offset = AT(activation), .text = "tanh"   \
    }
#define SECOND                                                                                     \
    FLAG(use_bias, 1), INITIALIZER(kernel_initializer, "glorot_uniform"),                          \
        INITIALIZER(recurrent_initializer, "orthogonal"), INITIALIZER(bias_initializer, "zeros")
#define THIRD                                                                                      \
    REGULARIZER(kernel_regularizer), REGULARIZER(recurrent_regularizer),                           \
        REGULARIZER(bias_regularizer), REGULARIZER(activity_regularizer),                          \
        CONSTRAINT("kernel_constraint"), CONSTRAINT("recurrent_constraint"),                       \
        CONSTRAINT("bias_constraint"), RATE(dropout), RATE(recurrent_dropout)
/* What earlier versions wrote besides. */
#define OLD                                                                                        \
    {.name = "time_major", .type = FIELD_FIXED, .text = "false", .quiet = true},                   \
    {                                                                                              \
        .name = "implementation", .type = FIELD_IGNORED, .text = "2", .quiet = true                \
    }
#define GATE                                                                                       \
    {                                                                                              \
        .name = "recurrent_activation", .type = FIELD_ACTIVATION,                                  \
        .offset = AT(recurrent_activation), .text = "sigmoid"                                      \
    }

static const layer_field simple_rnn_fields[] = {
    FIRST, SECOND, THIRD, {.name = "seed", .type = FIELD_IGNORED, .text = "null", .quiet = true},
    OLD,
};
static const layer_field lstm_fields[] = {
    FIRST,  GATE,
    SECOND, FLAG(unit_forget_bias, 1),
    THIRD,  {.name = "seed", .type = FIELD_IGNORED, .text = "null"},
    OLD,
};
static const layer_field gru_fields[] = {
    FIRST,
    GATE,
    SECOND,
    THIRD,
    FLAG(reset_after, 1),
    {.name = "seed", .type = FIELD_IGNORED, .text = "null"},
    OLD,
};

static int gate_count(const kiln_layer *layer)
{
    return layer->cls == &lstm_class ? 4 : layer->cls == &gru_class ? 3 : 1;
}

static kiln_status check_activation(const char *what, const char *source, int64_t units)
{
    kiln_shape from = {1, {units}}, to;
    if (source == NULL)
        return KILN_OK;
    KILN_TRY(activation_shape(source, from, &to));
    if (!ir_shape_equal(from, to))
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s \"%s\" changes the number of units", what,
                         source);
    return KILN_OK;
}

static kiln_status check_rate(const char *what, double rate)
{
    if (!(rate >= 0 && rate <= 1))
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s is %g; it must be between 0 and 1", what, rate);
    return KILN_OK;
}

static kiln_status check(const kiln_layer *layer)
{
    const recurrent_config *c = layer->config;
    if (c->units < 1)
        return kiln_fail(KILN_ERROR_ARGUMENT, "units is %lld; it must be 1 or more",
                         (long long)c->units);
    KILN_TRY(check_rate("dropout", c->dropout));
    KILN_TRY(check_rate("recurrent_dropout", c->recurrent_dropout));
    KILN_TRY(check_activation("activation", c->activation, c->units));
    return check_activation("recurrent_activation", c->recurrent_activation, c->units);
}

static kiln_status output_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    const recurrent_config *c = layer->config;
    if (input.rank != 2)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "its input %s has %d axes besides the batch; it takes 2 (steps, features)",
                         ir_shape_text(input), input.rank);
    *output = c->return_sequences ? (kiln_shape){2, {input.dims[0], c->units}}
                                  : (kiln_shape){1, {c->units}};
    return KILN_OK;
}

static kiln_status add_weight(kiln_layer *layer, const char *name, kiln_shape shape,
                              const char *initializer, const char *regularizer)
{
    char path[64];
    snprintf(path, sizeof path, "%s_cell/%s", layer->cls->snake_name, name);
    return layer_add_weight(layer, path, shape, initializer, regularizer, true);
}

static kiln_status build(kiln_layer *layer, kiln_shape input)
{
    const recurrent_config *c = layer->config;
    int64_t wide = gate_count(layer) * c->units;
    kiln_shape bias = {1, {wide}};
    KILN_TRY(add_weight(layer, "kernel", (kiln_shape){2, {input.dims[input.rank - 1], wide}},
                        c->kernel_initializer, c->kernel_regularizer));
    KILN_TRY(add_weight(layer, "recurrent_kernel", (kiln_shape){2, {c->units, wide}},
                        c->recurrent_initializer, c->recurrent_regularizer));
    if (!c->use_bias)
        return KILN_OK;
    if (layer->cls == &gru_class && c->reset_after)
        bias = (kiln_shape){2, {2, wide}};
    KILN_TRY(add_weight(layer, "bias", bias, c->bias_initializer, c->bias_regularizer));
    if (layer->cls == &lstm_class && c->unit_forget_bias) {
        layer->weights[2]->ones_first = c->units;
        layer->weights[2]->ones_count = c->units;
    }
    return KILN_OK;
}

/* ---- the graph ---- */

#define GATES 4

/* One call of a layer. */
typedef struct pass {
    const recurrent_config *c;
    ir_graph *g;
    int gates;
    int64_t rows, units;
    ir_id kernel, recurrent, bias; /* weights; bias IR_NONE: none */
    ir_id input;                   /* all gates' inputs (steps, rows, gates * units), or IR_NONE: */
    ir_id inputs[GATES];           /* one each, (steps, rows, units) */
    ir_id masks[GATES];            /* (rows, units): dropout of the state in front of each gate */
    ir_id recurrents[GATES];       /* the recurrent kernel's gates, where they are apart */
    ir_id mask;                    /* (steps, rows, 1), or IR_NONE */
    ir_id late_bias;               /* GRU: added to the product that the reset gate scales */
} pass;

/* What to multiply by: 0 for a part `rate` of the elements. */
static ir_id draw_mask(ir_graph *g, kiln_shape shape, double rate, uint32_t stream)
{
    ir_id kept = op_binary(g, F_GREATER_EQUAL, op_uniform(g, shape, stream), op_constant(g, rate));
    return op_affine(g, kept, rate < 1 ? 1 / (1 - rate) : 0, 0);
}

static ir_id gate_of(const pass *p, ir_id x, int gate)
{
    return x == IR_NONE
               ? IR_NONE
               : op_slice(p->g, x, p->g->items[x].shape.rank - 1, gate * p->units, p->units, 1);
}

/* The bias that the inputs' product takes. */
static ir_id early_bias(pass *p)
{
    ir_graph *g = p->g;
    if (p->bias == IR_NONE || g->items[p->bias].shape.rank == 1)
        return p->bias;
    /* GRU with two: the second one's gates z and r join the first, h waits for the reset gate. */
    kiln_shape one = {1, {p->gates * p->units}}, row = {2, {p->rows, p->units}};
    ir_id first = op_reshape(g, op_slice(g, p->bias, 0, 0, 1, 1), one),
          second = op_reshape(g, op_slice(g, p->bias, 0, 1, 1, 1), one);
    /* One for each row: its gradient is then summed once, after the loop. */
    p->late_bias = op_broadcast(g, gate_of(p, second, 2), row);
    return op_binary(g, F_ADD, first,
                     op_pad(g, op_slice(g, second, 0, 0, 2 * p->units, 1), 0, 0, p->units));
}

static kiln_status multiply_inputs(pass *p, layer_call *call, ir_id x, bool apart)
{
    ir_graph *g = p->g;
    const recurrent_config *c = p->c;
    kiln_shape shape = g->items[x].shape, one = shape;
    one.dims[0] = 1;
    bool drops = call->training && c->dropout > 0 && (c->dropout < 1 || p->gates == 1);
    ir_id bias = early_bias(p);
    int count = apart ? p->gates : 1;
    for (int i = 0; i < count; i++) {
        ir_id from = x, kernel = apart ? gate_of(p, p->kernel, i) : p->kernel;
        if (drops) {
            ir_id mask = draw_mask(g, (kiln_shape){2, {shape.dims[1], shape.dims[2]}}, c->dropout,
                                   call->stream + (uint32_t)i);
            from = op_binary(g, F_MUL, x, op_reshape(g, mask, one));
        }
        ir_id y = op_matmul(g, from, kernel, false, false);
        if (p->bias != IR_NONE)
            y = op_binary(g, F_ADD, y, apart ? gate_of(p, bias, i) : bias);
        if (y == IR_NONE)
            return kiln_last_status();
        p->inputs[i] = y;
    }
    p->input = apart ? IR_NONE : p->inputs[0];
    return KILN_OK;
}

/* Inside the loop: gate i of this step's inputs. */
static ir_id step_input(const pass *p, int gate)
{
    return p->input == IR_NONE ? op_scan_slice(p->g, p->inputs[gate])
                               : gate_of(p, op_scan_slice(p->g, p->input), gate);
}

/* Inside: x through one gate's part of the recurrent kernel. */
static ir_id step_product(const pass *p, ir_id x, int gate)
{
    if (p->masks[gate] != IR_NONE)
        x = op_binary(p->g, F_MUL, x, p->masks[gate]);
    return op_matmul(p->g, x, p->recurrents[gate], false, false);
}

/* Inside: input plus recurrent product of each gate, all that do not wait for another gate. */
static void step_sums(const pass *p, ir_id h, int count, ir_id *sums)
{
    ir_graph *g = p->g;
    if (p->recurrents[0] != IR_NONE) { /* each by itself */
        for (int i = 0; i < count; i++)
            sums[i] = op_binary(g, F_ADD, step_input(p, i), step_product(p, h, i));
        return;
    }
    ir_id all = op_binary(g, F_ADD, op_scan_slice(g, p->input),
                          op_matmul(g, h, p->recurrent, false, false));
    for (int i = 0; i < count; i++)
        sums[i] = gate_of(p, all, i);
}

static ir_id activate(const pass *p, ir_id x, bool gate)
{
    return activation_apply(p->g, gate ? p->c->recurrent_activation : p->c->activation, x);
}

static ir_id step_simple(const pass *p, ir_id h)
{
    ir_id sum;
    step_sums(p, h, 1, &sum);
    return activate(p, sum, false);
}

static ir_id step_lstm(const pass *p, ir_id h, ir_id *carry)
{
    ir_graph *g = p->g;
    ir_id sums[GATES]; /* i f c o */
    step_sums(p, h, 4, sums);
    ir_id in = op_binary(g, F_MUL, activate(p, sums[0], true), activate(p, sums[2], false)),
          kept = op_binary(g, F_MUL, activate(p, sums[1], true), *carry);
    *carry = op_binary(g, F_ADD, kept, in);
    return op_binary(g, F_MUL, activate(p, sums[3], true), activate(p, *carry, false));
}

static ir_id step_gru(const pass *p, ir_id h)
{
    ir_graph *g = p->g;
    ir_id sums[GATES], waiting = IR_NONE; /* z r h */
    if (p->recurrents[0] != IR_NONE) {
        step_sums(p, h, 2, sums);
        if (p->c->reset_after)
            waiting = step_product(p, h, 2);
    } else if (p->c->reset_after) {
        ir_id x = op_scan_slice(g, p->input), y = op_matmul(g, h, p->recurrent, false, false);
        for (int i = 0; i < 2; i++)
            sums[i] = op_binary(g, F_ADD, gate_of(p, x, i), gate_of(p, y, i));
        waiting = gate_of(p, y, 2);
    } else { /* recurrent holds the gates z and r, recurrents[2] the last */
        ir_id x = op_scan_slice(g, p->input), y = op_matmul(g, h, p->recurrent, false, false);
        for (int i = 0; i < 2; i++)
            sums[i] = op_binary(g, F_ADD, gate_of(p, x, i), gate_of(p, y, i));
    }
    ir_id z = activate(p, sums[0], true), r = activate(p, sums[1], true);
    if (p->c->reset_after) {
        if (p->late_bias != IR_NONE)
            waiting = op_binary(g, F_ADD, waiting, p->late_bias);
        waiting = op_binary(g, F_MUL, r, waiting);
    } else {
        ir_id masked = p->masks[2] == IR_NONE ? h : op_binary(g, F_MUL, h, p->masks[2]);
        waiting = op_matmul(g, op_binary(g, F_MUL, r, masked), p->recurrents[2], false, false);
    }
    ir_id next = activate(p, op_binary(g, F_ADD, step_input(p, 2), waiting), false);
    /* z h + (1 - z) next */
    return op_binary(g, F_ADD, op_binary(g, F_MUL, z, h),
                     op_binary(g, F_MUL, op_affine(g, z, -1, 1), next));
}

static void part_recurrent(pass *p, layer_call *call, bool apart)
{
    ir_graph *g = p->g;
    const recurrent_config *c = p->c;
    kiln_shape row = {2, {p->rows, p->units}};
    bool drops =
        call->training && c->recurrent_dropout > 0 && (c->recurrent_dropout < 1 || p->gates == 1);
    for (int i = 0; i < p->gates; i++) {
        p->masks[i] =
            drops ? draw_mask(g, row, c->recurrent_dropout, call->stream + (uint32_t)(p->gates + i))
                  : IR_NONE;
        p->recurrents[i] = apart || drops ? gate_of(p, p->recurrent, i) : IR_NONE;
    }
    if (p->gates == 3 && !c->reset_after && !apart) {
        p->recurrents[2] = gate_of(p, p->recurrent, 2);
        p->recurrent = op_slice(g, p->recurrent, 1, 0, 2 * p->units, 1);
    }
}

/* Inside: `next` where the mask counts this step, else `held`. */
static ir_id choose(const pass *p, ir_id mask, ir_id next, ir_id held)
{
    return mask == IR_NONE ? next : op_select(p->g, mask, next, held);
}

static kiln_status loop(const kiln_layer *layer, const pass *p, int64_t steps, ir_id *output)
{
    ir_graph *g = p->g;
    const recurrent_config *c = p->c;
    static const int swap[] = {1, 0, 2};
    ir_id none = op_constant(g, 0),
          zero = op_broadcast(g, none, (kiln_shape){2, {p->rows, p->units}});
    bool lstm = layer->cls == &lstm_class, zeros = p->mask != IR_NONE && c->zero_output_for_mask;
    KILN_TRY(op_scan_begin(g, steps, c->go_backwards));
    ir_id mask = p->mask == IR_NONE ? IR_NONE : op_scan_slice(g, p->mask);
    ir_id h = op_scan_state(g, zero), carry = lstm ? op_scan_state(g, zero) : IR_NONE,
          next_carry = carry, shown = zeros ? op_scan_state(g, zero) : h;
    ir_id next = lstm                       ? step_lstm(p, h, &next_carry)
                 : layer->cls == &gru_class ? step_gru(p, h)
                                            : step_simple(p, h);
    kiln_status status = op_scan_update(g, h, choose(p, mask, next, h));
    if (status == KILN_OK && lstm)
        status = op_scan_update(g, carry, choose(p, mask, next_carry, carry));
    if (status == KILN_OK && zeros)
        status = op_scan_update(g, shown, choose(p, mask, next, none));
    if (status != KILN_OK) {
        g->scope = 0;
        return status;
    }
    KILN_TRY(op_scan_end(g));
    if (!c->return_sequences) {
        *output = op_scan_final(g, shown);
        return KILN_OK;
    }
    *output = op_transpose(g, op_scan_stack(g, op_scan_next(g, shown)), swap);
    if (c->go_backwards) /* in the order of execution */
        *output = op_slice(g, *output, 1, steps - 1, steps, -1);
    return KILN_OK;
}

static kiln_status call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    static const int swap[] = {1, 0, 2};
    ir_graph *g = call->graph;
    const recurrent_config *c = layer->config;
    kiln_shape shape = g->items[input].shape;
    pass p = {.c = c,
              .g = g,
              .gates = gate_count(layer),
              .rows = shape.dims[0],
              .units = c->units,
              .kernel = op_weight(g, &layer->weights[0]->weight),
              .recurrent = op_weight(g, &layer->weights[1]->weight),
              .bias = c->use_bias ? op_weight(g, &layer->weights[2]->weight) : IR_NONE,
              .late_bias = IR_NONE};
    ir_id x = op_transpose(g, input, swap);
    if (x == IR_NONE)
        return kiln_last_status();
    /* As in Keras: dropout of the state makes each gate draw for itself, of the inputs too. */
    bool apart = p.gates > 1 && call->training && c->recurrent_dropout > 0;
    KILN_TRY(multiply_inputs(&p, call, x, apart));
    part_recurrent(&p, call, apart);
    call->stream += 2 * (uint32_t)p.gates;
    ir_id mask;
    KILN_TRY(layer_mask_for(call, 0, input, &mask));
    if (mask != IR_NONE && g->items[layer_mask(call, 0)].shape.rank != 2)
        return kiln_fail(KILN_ERROR_SHAPE, "the mask %s of its input is not one of (batch, steps)",
                         ir_shape_text(g->items[layer_mask(call, 0)].shape));
    p.mask = mask == IR_NONE ? IR_NONE : op_transpose(g, mask, swap);
    if (c->return_sequences)
        call->mask = layer_mask(call, 0);
    KILN_TRY(loop(layer, &p, shape.dims[1], output));
    if (*output == IR_NONE)
        return kiln_last_status();
    return layer_add_activity(call, c->activity_regularizer, *output);
}

#define CLASS(FIELDS)                                                                              \
    .config_size = sizeof(recurrent_config), .fields = FIELDS,                                     \
    .field_count = sizeof FIELDS / sizeof *FIELDS, .check = check, .output_shape = output_shape,   \
    .build = build, .call = call, .weights_of_cell = true

const layer_class simple_rnn_class = {
    .class_name = "SimpleRNN", .snake_name = "simple_rnn", CLASS(simple_rnn_fields)};
const layer_class lstm_class = {.class_name = "LSTM", .snake_name = "lstm", CLASS(lstm_fields)};
const layer_class gru_class = {.class_name = "GRU", .snake_name = "gru", CLASS(gru_fields)};

static kiln_layer *make(const layer_class *cls, const kiln_recurrent_args *args)
{
    kiln_layer *layer = layer_new(cls);
    if (layer == NULL)
        return NULL;
    recurrent_config *c = layer->config;
    c->units = args->units;
    c->use_bias = args->use_bias != KILN_NO;
    c->unit_forget_bias = args->unit_forget_bias != KILN_NO;
    c->reset_after = args->reset_after != KILN_NO;
    c->dropout = args->dropout;
    c->recurrent_dropout = args->recurrent_dropout;
    c->return_sequences = args->return_sequences == KILN_YES;
    c->go_backwards = args->go_backwards == KILN_YES;
    kiln_status status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    const struct {
        const char *field, *value;
    } texts[] = {
        {"activation", args->activation},
        {"kernel_initializer", args->kernel_initializer},
        {"recurrent_initializer", args->recurrent_initializer},
        {"bias_initializer", args->bias_initializer},
        {"kernel_regularizer", args->kernel_regularizer},
        {"recurrent_regularizer", args->recurrent_regularizer},
        {"bias_regularizer", args->bias_regularizer},
        {"activity_regularizer", args->activity_regularizer},
        {"recurrent_activation", args->recurrent_activation},
    };
    size_t count = sizeof texts / sizeof *texts;
    if (cls == &simple_rnn_class && args->recurrent_activation == NULL)
        count--;
    for (size_t i = 0; i < count && status == KILN_OK; i++)
        status = layer_set_text(layer, texts[i].field, texts[i].value);
    return layer_finish(layer, status);
}

kiln_layer *kiln_simple_rnn_with(const kiln_recurrent_args *args)
{
    return make(&simple_rnn_class, args);
}

kiln_layer *kiln_lstm_with(const kiln_recurrent_args *args)
{
    return make(&lstm_class, args);
}

kiln_layer *kiln_gru_with(const kiln_recurrent_args *args)
{
    return make(&gru_class, args);
}
