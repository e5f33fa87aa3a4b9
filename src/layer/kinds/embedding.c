/* Embedding: the row of a table for each whole number. */
#include "layer/layer.h"

typedef struct embedding_config {
    int64_t input_dim, output_dim;
    char *embeddings_initializer, *embeddings_regularizer, *activity_regularizer;
    char *embeddings_constraint;
    bool mask_zero;
} embedding_config;

#define AT(FIELD) offsetof(embedding_config, FIELD)

static const layer_field fields[] = {
    {.name = "input_dim", .type = FIELD_INT, .offset = AT(input_dim), .required = true},
    {.name = "output_dim", .type = FIELD_INT, .offset = AT(output_dim), .required = true},
    {.name = "embeddings_initializer",
     .type = FIELD_INITIALIZER,
     .offset = AT(embeddings_initializer),
     .text = "random_uniform"},
    {.name = "embeddings_regularizer",
     .type = FIELD_REGULARIZER,
     .offset = AT(embeddings_regularizer)},
    {.name = "activity_regularizer", .type = FIELD_REGULARIZER, .offset = AT(activity_regularizer)},
    {.name = "embeddings_constraint",
     .type = FIELD_CONSTRAINT,
     .offset = AT(embeddings_constraint)},
    {.name = "mask_zero", .type = FIELD_BOOL, .offset = AT(mask_zero)},
    {.name = "lora_rank", .type = FIELD_FIXED, .text = "null", .quiet = true},
    {.name = "lora_alpha", .type = FIELD_FIXED, .text = "null", .quiet = true},
    {.name = "quantization_config", .type = FIELD_FIXED, .text = "null", .quiet = true},
    /* Of earlier versions. */
    {.name = "input_length", .type = FIELD_IGNORED, .text = "null", .quiet = true},
    {.name = "sparse", .type = FIELD_FIXED, .text = "false", .quiet = true},
};

static kiln_status check(const kiln_layer *layer)
{
    const embedding_config *c = layer->config;
    if (c->input_dim < 1 || c->output_dim < 1)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "input_dim %lld and output_dim %lld must both be 1 or more",
                         (long long)c->input_dim, (long long)c->output_dim);
    if (c->input_dim > 1 << 24) /* ids may come as float32 */
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "input_dim %lld is more than %d",
                         (long long)c->input_dim, 1 << 24);
    return KILN_OK;
}

static kiln_status output_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    const embedding_config *c = layer->config;
    if (input.rank > KILN_MAX_RANK - 2)
        return kiln_fail(KILN_ERROR_SHAPE, "its input %s has too many axes", ir_shape_text(input));
    input.dims[input.rank++] = c->output_dim;
    *output = input;
    return KILN_OK;
}

static kiln_status build(kiln_layer *layer, kiln_shape input)
{
    const embedding_config *c = layer->config;
    (void)input;
    KILN_TRY(layer_add_weight(layer, "embeddings", (kiln_shape){2, {c->input_dim, c->output_dim}},
                              c->embeddings_initializer, c->embeddings_regularizer, true));
    return layer_constrain(layer, c->embeddings_constraint);
}

static kiln_status call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    const embedding_config *c = layer->config;
    ir_graph *g = call->graph;
    if (c->mask_zero) {
        ir_id zero = op_binary(g, F_EQUAL, input, op_constant(g, 0));
        call->mask = op_affine(g, zero, -1, 1);
        if (call->mask == IR_NONE)
            return kiln_last_status();
    }
    *output = op_gather(g, op_weight(g, &layer->weights[0]->weight), input);
    if (*output == IR_NONE)
        return kiln_last_status();
    return layer_add_activity(call, c->activity_regularizer, *output);
}

const layer_class embedding_class = {
    .class_name = "Embedding",
    .snake_name = "embedding",
    .config_size = sizeof(embedding_config),
    .fields = fields,
    .field_count = sizeof fields / sizeof *fields,
    .check = check,
    .output_shape = output_shape,
    .build = build,
    .call = call,
    .any_input = true,
};

kiln_layer *kiln_embedding_with(const kiln_embedding_args *args)
{
    kiln_layer *layer = layer_new(&embedding_class);
    if (layer == NULL)
        return NULL;
    embedding_config *c = layer->config;
    c->input_dim = args->input_dim;
    c->output_dim = args->output_dim;
    c->mask_zero = args->mask_zero == KILN_YES;
    kiln_status status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    const struct {
        const char *field, *value;
    } texts[] = {
        {"embeddings_initializer", args->embeddings_initializer},
        {"embeddings_regularizer", args->embeddings_regularizer},
        {"embeddings_constraint", args->embeddings_constraint},
        {"activity_regularizer", args->activity_regularizer},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == KILN_OK; i++)
        status = layer_set_text(layer, texts[i].field, texts[i].value);
    return layer_finish(layer, status);
}
