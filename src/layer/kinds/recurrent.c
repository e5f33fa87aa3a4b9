/* SimpleRNN, LSTM and GRU, and their cells by themselves, which RNN runs. */
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
#define CONSTRAINT(FIELD)                                                                          \
    {                                                                                              \
        .name = #FIELD, .type = FIELD_CONSTRAINT, .offset = AT(FIELD)                              \
    }
#define RATE(FIELD)                                                                                \
    {                                                                                              \
        .name = #FIELD, .type = FIELD_FLOAT, .offset = AT(FIELD)                                   \
    }
#define FIRST                                                                                      \
    {.name = "units", .type = FIELD_INT, .offset = AT(units), .required = true},                   \
    {                                                                                              \
        .name = "activation", .type = FIELD_ACTIVATION, .offset = AT(activation), .text = "tanh"   \
    }
#define SECOND                                                                                     \
    FLAG(use_bias, 1), INITIALIZER(kernel_initializer, "glorot_uniform"),                          \
        INITIALIZER(recurrent_initializer, "orthogonal"), INITIALIZER(bias_initializer, "zeros")
#define THIRD                                                                                      \
    REGULARIZER(kernel_regularizer), REGULARIZER(recurrent_regularizer),                           \
        REGULARIZER(bias_regularizer)
#define FOURTH                                                                                     \
    CONSTRAINT(kernel_constraint), CONSTRAINT(recurrent_constraint), CONSTRAINT(bias_constraint),  \
        RATE(dropout), RATE(recurrent_dropout)
#define ACTIVITY REGULARIZER(activity_regularizer)
#define SEED {.name = "seed", .type = FIELD_IGNORED, .text = "null"}
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
    RECURRENT_OPTIONS,
    FIRST,
    SECOND,
    THIRD,
    ACTIVITY,
    FOURTH,
    {.name = "seed", .type = FIELD_IGNORED, .text = "null", .quiet = true},
    OLD,
};
static const layer_field lstm_fields[] = {
    RECURRENT_OPTIONS, FIRST,    GATE,   SECOND, FLAG(unit_forget_bias, 1),
    THIRD,             ACTIVITY, FOURTH, SEED,   OLD,
};
static const layer_field gru_fields[] = {
    RECURRENT_OPTIONS, FIRST, GATE, SECOND, THIRD, ACTIVITY, FOURTH, FLAG(reset_after, 1), SEED, OLD,
};
static const layer_field simple_rnn_cell_fields[] = {FIRST, SECOND, THIRD, FOURTH, SEED, OLD};
static const layer_field lstm_cell_fields[] = {
    FIRST, GATE, SECOND, FLAG(unit_forget_bias, 1), THIRD, FOURTH, SEED, OLD,
};
static const layer_field gru_cell_fields[] = {
    FIRST, GATE, SECOND, THIRD, FOURTH, FLAG(reset_after, 1), SEED, OLD,
};

static kiln_status check(const kiln_layer *layer)
{
    const recurrent_config *c = layer->config;
    if (c->units < 1)
        return kiln_fail(KILN_ERROR_ARGUMENT, "units is %lld; it must be 1 or more",
                         (long long)c->units);
    KILN_TRY(cell_check_rate("dropout", c->dropout));
    KILN_TRY(cell_check_rate("recurrent_dropout", c->recurrent_dropout));
    KILN_TRY(cell_check_activation("activation", c->activation, c->units));
    return cell_check_activation("recurrent_activation", c->recurrent_activation, c->units);
}

/* A recurrent layer is its own cell. */
static kiln_status output_shapes(const kiln_layer *layer, int count, const kiln_shape *inputs,
                                 kiln_shape *output)
{
    return recurrent_shapes(layer, 1, (kiln_layer *const *)&layer, count, inputs, output);
}

static kiln_status output_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    return output_shapes(layer, 1, &input, output);
}

static int output_count(const kiln_layer *layer)
{
    const recurrent_config *c = layer->config;
    return 1 + (c->options.return_state ? cell_states(layer) : 0);
}

static kiln_status add_weight(kiln_layer *layer, const char *name, kiln_shape shape,
                              const char *initializer, const char *regularizer,
                              const char *constraint)
{
    char path[64];
    if (layer->cls->is_cell)
        snprintf(path, sizeof path, "%s", name);
    else
        snprintf(path, sizeof path, "%s/%s", layer->cls->cell_name, name);
    KILN_TRY(layer_add_weight(layer, path, shape, initializer, regularizer, true));
    return layer_constrain(layer, constraint);
}

static kiln_status build(kiln_layer *layer, kiln_shape input)
{
    const recurrent_config *c = layer->config;
    cell_kind kind = cell_kind_of(layer);
    int64_t wide = cell_gates(layer) * c->units;
    kiln_shape bias = {1, {wide}};
    KILN_TRY(add_weight(layer, "kernel", (kiln_shape){2, {input.dims[input.rank - 1], wide}},
                        c->kernel_initializer, c->kernel_regularizer, c->kernel_constraint));
    KILN_TRY(add_weight(layer, "recurrent_kernel", (kiln_shape){2, {c->units, wide}},
                        c->recurrent_initializer, c->recurrent_regularizer,
                        c->recurrent_constraint));
    if (c->use_bias) {
        if (kind == CELL_GRU && c->reset_after)
            bias = (kiln_shape){2, {2, wide}};
        KILN_TRY(add_weight(layer, "bias", bias, c->bias_initializer, c->bias_regularizer,
                            c->bias_constraint));
        if (kind == CELL_LSTM && c->unit_forget_bias) {
            layer->weights[2]->ones_first = c->units;
            layer->weights[2]->ones_count = c->units;
        }
    }
    for (int i = 0; c->options.stateful && i < cell_states(layer); i++)
        KILN_TRY(layer_add_state(layer, i == 0 ? "rnn_state" : "rnn_state_1",
                                 (kiln_shape){1, {c->units}}));
    return KILN_OK;
}

static kiln_status call_many(kiln_layer *layer, layer_call *call, int count, const ir_id *inputs,
                             ir_id *output)
{
    const recurrent_config *c = layer->config;
    KILN_TRY(recurrent_call(layer, call, 1, &layer, count, inputs, output));
    return layer_add_activity(call, c->activity_regularizer, output[0]);
}

static kiln_status call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    return call_many(layer, call, 1, &input, output);
}

#define CONFIG(FIELDS)                                                                             \
    .config_size = sizeof(recurrent_config), .fields = FIELDS,                                     \
    .field_count = sizeof FIELDS / sizeof *FIELDS, .check = check, .build = build
#define CLASS(FIELDS)                                                                              \
    CONFIG(FIELDS), .output_shape = output_shape, .output_shape_of = output_shapes,                \
        .output_count = output_count, .call = call, .call_many = call_many,                        \
        .is_recurrent = true, .more_inputs = "initial_state"

const layer_class simple_rnn_class = {
    .class_name = "SimpleRNN", .snake_name = "simple_rnn", .cell_name = "simple_rnn_cell", CLASS(simple_rnn_fields)};
const layer_class lstm_class = {.class_name = "LSTM", .snake_name = "lstm", .cell_name = "lstm_cell", CLASS(lstm_fields)};
const layer_class gru_class = {.class_name = "GRU", .snake_name = "gru", .cell_name = "gru_cell", CLASS(gru_fields)};
const layer_class simple_rnn_cell_class = {.class_name = "SimpleRNNCell",
                                           .snake_name = "simple_rnn_cell",
                                           CONFIG(simple_rnn_cell_fields),
                                           .is_cell = true};
const layer_class lstm_cell_class = {.class_name = "LSTMCell",
                                     .snake_name = "lstm_cell",
                                     CONFIG(lstm_cell_fields),
                                     .is_cell = true};
const layer_class gru_cell_class = {.class_name = "GRUCell",
                                    .snake_name = "gru_cell",
                                    CONFIG(gru_cell_fields),
                                    .is_cell = true};

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
    c->options = recurrent_options_of(args->return_sequences, args->return_state,
                                      args->go_backwards, args->stateful,
                                      args->zero_output_for_mask);
    kiln_status status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    const struct {
        const char *field, *value;
    } texts[] = {
        {"activation", args->activation},
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
        {"recurrent_activation", args->recurrent_activation},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == KILN_OK; i++)
        if (texts[i].value) /* not every class has each */
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

kiln_layer *kiln_simple_rnn_cell_with(const kiln_recurrent_args *args)
{
    return make(&simple_rnn_cell_class, args);
}

kiln_layer *kiln_lstm_cell_with(const kiln_recurrent_args *args)
{
    return make(&lstm_cell_class, args);
}

kiln_layer *kiln_gru_cell_with(const kiln_recurrent_args *args)
{
    return make(&gru_cell_class, args);
}
