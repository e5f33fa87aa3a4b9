/* kiln summary */
#include "cli/objective.h"
#include "train/training.h"

static struct {
    bool expand_nested;
} given;

static const option options[] = {
    {"--expand-nested", OPTION_FLAG, 0, NULL, "rows for the layers of nested models too", 0},
};

/* What the targets of such a model look like, for a plan without data. */
static void guess_types(const kiln_model *model, const model_training *t, data_types *types)
{
    *types = (data_types){
        .input_count = model->input_count, .target_count = t->target_count, .scale = 1};
    for (size_t i = 0; i < model->input_count; i++) {
        const model_call *call = &model->calls[model->inputs[i]];
        types->dtypes[i] = call->layer->input_dtype == KILN_INT32 ? KILN_INT32 : KILN_FLOAT32;
        types->shapes[i] = call->shape;
    }
    for (size_t i = 0; i < t->target_count; i++) {
        size_t column = model->input_count + i, output = t->targets[i];
        types->shapes[column] = model->calls[model->outputs[output]].shape;
        types->dtypes[column] = KILN_FLOAT32;
        if (goal_of(&t->goals, output)->loss.kind == KILN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY) {
            types->dtypes[column] = KILN_INT32;
            types->shapes[column].rank--;
        }
    }
}

/* As kiln fit would compile it, for class numbers where the output has several elements. */
static kiln_status compile(kiln_model *model, kiln_device *device)
{
    const model_training *t = training_of(model);
    kiln_compile_args args = {.model = model, .device = device, .gemm = common.gemm};
    if (t == NULL || !t->compiled)
        args.optimizer.kind = KILN_OPTIMIZER_ADAM;
    if (t == NULL || !goals_have_loss(&t->goals)) {
        kiln_shape shape = kiln_model_output_shape(model, 0);
        bool classes = shape.rank > 0 && shape.dims[shape.rank - 1] > 1;
        args.loss.kind =
            classes ? KILN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY : KILN_LOSS_MEAN_SQUARED_ERROR;
        args.loss.from_logits = KILN_YES;
        args.metrics.names[0] = classes ? "accuracy" : "mae";
    }
    return kiln_compile_with(&args);
}

static kiln_status describe_plan(kiln_model *model, kiln_device *device)
{
    int64_t batch = common.batch_size ? common.batch_size : 32;
    KILN_TRY(compile(model, device));
    model_training *t = training_of(model);
    data_types types;
    program *p;
    plan_facts facts;
    guess_types(model, t, &types);
    KILN_TRY(program_get(t, TRAINING_FIT, batch, &types, &p));
    plan_describe(p->plan, &facts);
    const kiln_device_info *info = kiln_device_describe(device);
    printf("\nTraining at batch size %lld on %s:\n", (long long)batch, info->name);
    printf("  %d launches a step, products by %s, %.3g MFLOP\n", facts.launches, facts.engines,
           facts.flops / 1e6);
    printf("  weights and optimizer %s, activations and gradients %s, state %s\n",
           session_bytes(kiln_device_memory_used(device) - facts.arena_bytes - facts.state_bytes),
           session_bytes(facts.arena_bytes), session_bytes(facts.state_bytes));
    if (facts.kept_bytes > 0)
        printf(
            "  activations that the backward pass needs %s; %.2f times that with the gradients\n",
            session_bytes(facts.kept_bytes), (double)facts.arena_bytes / (double)facts.kept_bytes);
    printf("  device memory %s of %s, besides the data\n",
           session_bytes(kiln_device_memory_used(device)), session_bytes(info->memory));
    return KILN_OK;
}

static kiln_status summary(kiln_model *model, kiln_device **device)
{
    const kiln_summary_args args = {.expand_nested = given.expand_nested ? KILN_YES : KILN_NO};
    KILN_TRY(kiln_summary_with(model, stdout, &args));
    fflush(stdout);
    *device = session_device();
    if (*device == NULL)
        return kiln_last_status();
    return describe_plan(model, *device);
}

static int run(int count, char **words)
{
    int status = options_parse(&command_summary, &given, &count, words);
    if (status >= 0)
        return status;
    kiln_model *model = NULL;
    kiln_device *device = NULL;
    status = EXIT_DONE;
    if (session_start() != KILN_OK || (model = session_model(words[0], NULL)) == NULL ||
        summary(model, &device) != KILN_OK)
        status = cli_fail();
    kiln_model_free(model);
    kiln_device_close(device);
    return status;
}

const command command_summary = {
    .name = "summary",
    .arguments = "MODEL",
    .least_arguments = 1,
    .most_arguments = 1,
    .summary = "the layers of a network, and the memory its training takes",
    .help =
        "Prints Keras's table of layers, and below it what training takes on the device: launches\n"
        "a step, and memory by use. --batch-size says for which batch.",
    .example = "  kiln summary mlp --batch-size 128\n  kiln summary model.json",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .group = &length_group,
    .takes_common = true,
    .run = run,
};
