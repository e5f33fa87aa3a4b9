/* A user's program in what C11 and C++17 have in common: every header, plain functions, no macro
 * that needs a compound literal. */
#include <kiln/data.h>
#include <kiln/device.h>
#include <kiln/kiln.h>
#include <kiln/layers.h>
#include <kiln/model.h>
#include <kiln/ops.h>
#include <kiln/status.h>
#include <kiln/train.h>
#include <kiln/values.h>

#include <string.h>

int main(void)
{
    const int64_t dims[2] = {28, 28};
    kiln_flatten_args flatten;
    kiln_dense_args hidden, output;
    kiln_layer *layers[3];
    kiln_compile_args compile;
    kiln_model *model;

    memset(&flatten, 0, sizeof flatten);
    memset(&hidden, 0, sizeof hidden);
    memset(&output, 0, sizeof output);
    memset(&compile, 0, sizeof compile);
    flatten.input_shape = kiln_shape_of(2, dims);
    hidden.units = 128;
    hidden.activation = "relu";
    hidden.use_bias = KILN_NO;
    output.units = 10;
    layers[0] = kiln_flatten_with(&flatten);
    layers[1] = kiln_dense_with(&hidden);
    layers[2] = kiln_dense_with(&output);
    model = kiln_sequential_from(3, layers);
    if (model == NULL || kiln_model_count_params(model) != 784 * 128 + 128 * 10 + 10)
        return 2;
    compile.model = model;
    compile.optimizer = kiln_optimizer_of(KILN_OPTIMIZER_ADAM);
    compile.optimizer.learning_rate = 0.01;
    compile.loss = kiln_loss_of(KILN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY);
    compile.loss.from_logits = KILN_YES;
    compile.metrics.names[0] = "accuracy";
    {
        const char *const names[] = {"accuracy", "auc"};
        const kiln_schedule schedule = kiln_schedule_of(KILN_SCHEDULE_EXPONENTIAL, 0.1, 1000);
        compile.metrics = kiln_metrics_of(2, names);
        compile.optimizer.schedule = schedule;
        compile.optimizer.schedule.decay_rate = 0.9;
        if (strcmp(compile.metrics.names[1], "auc") != 0 || compile.metrics.names[2] != NULL)
            return 3;
        if (kiln_schedule_rate(&compile.optimizer.schedule, 0) != 0.1)
            return 4;
    }
    kiln_model_free(model);
    return kiln_report_errors(stderr);
}
