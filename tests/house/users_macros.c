/* A user's program in C with every macro, called with as little and with as much as it takes. */
#include <kiln/kiln.h>

#include <string.h>

static kiln_node my_loss(struct kiln_ops *ops, kiln_node y_true, kiln_node y_pred, void *user)
{
    (void)user;
    return kiln_ops_reduce_mean(ops, kiln_ops_abs(ops, kiln_ops_sub(ops, y_pred, y_true)), -1);
}

static double my_rate(int64_t epoch, double rate, void *user)
{
    (void)epoch, (void)user;
    return rate;
}

int main(void)
{
    kiln_layer *layers[] = {
        kiln_input_layer(KILN_SHAPE(4, 2), .name = "in"),
        kiln_flatten(),
        kiln_flatten(.name = "flat", .input_shape = KILN_SHAPE(4, 2)),
        kiln_reshape(KILN_SHAPE(2, -1), .name = "twice"),
        kiln_dense(3),
        kiln_dense(3, .activation = "relu", .use_bias = KILN_NO, .trainable = KILN_NO),
        kiln_activation("softmax", .name = "last"),
        kiln_relu(),
        kiln_relu(.max_value = 6, .name = "six"),
        kiln_leaky_relu(),
        kiln_leaky_relu(.negative_slope = KILN_ZERO),
        kiln_elu(.alpha = 0.5),
        kiln_softmax(),
        kiln_dropout(0.5),
        kiln_dropout(0.5, .name = "half"),
        kiln_rescaling(1.0 / 255, .offset = -0.5),
        kiln_normalization(),
        kiln_normalization(.name = "norm"),
        kiln_normalization(.axis = KILN_NONE),
    };
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        kiln_layer_free(layers[i]);

    kiln_optimizer optimizers[] = {
        kiln_sgd(.learning_rate = 0.1, .momentum = 0.9, .nesterov = KILN_YES),
        kiln_adam(),
        kiln_adam(.schedule = kiln_cosine_decay(0.1, 1000, .alpha = 0.1)),
        kiln_adamw(.weight_decay = 0.1),
        kiln_rmsprop(.rho = 0.8),
        kiln_adagrad(),
        kiln_sgd(.schedule = kiln_exponential_decay(0.1, 100, 0.9, .staircase = KILN_YES)),
        kiln_sgd(.schedule = kiln_polynomial_decay(0.1, 100, .power = 2)),
        kiln_sgd(.schedule = kiln_exponential_decay(0.1, 100, 0.9)),
        kiln_sgd(.schedule = kiln_piecewise_constant_decay(1, .boundaries = {5}, .values = {1, 2})),
    };
    kiln_loss losses[] = {
        kiln_sparse_categorical_crossentropy(),
        kiln_categorical_crossentropy(.label_smoothing = 0.1),
        kiln_binary_crossentropy(.from_logits = KILN_YES),
        kiln_mean_squared_error(),
        kiln_mean_absolute_error(),
        kiln_mean_squared_logarithmic_error(),
        kiln_huber(.delta = 2),
        kiln_hinge(),
        kiln_custom_loss(my_loss),
        kiln_custom_loss(my_loss, .user = layers),
    };
    kiln_callback *callbacks[] = {
        kiln_early_stopping(),
        kiln_early_stopping(.monitor = "loss", .patience = 3, .verbose = 1),
        kiln_model_checkpoint("model-{epoch}.keras", .save_best_only = KILN_YES),
        kiln_model_checkpoint("model-{batch}.keras", .save_freq = 100),
        kiln_learning_rate_scheduler(my_rate),
        kiln_learning_rate_scheduler(my_rate, .verbose = 1),
        kiln_learning_rate_scheduler(my_rate, layers),
        kiln_reduce_lr_on_plateau(.patience = KILN_NO),
        kiln_csv_logger("log.csv", .separator = ";"),
        kiln_reduce_lr_on_plateau(),
        kiln_reduce_lr_on_plateau(.factor = 0.5, .verbose = 1),
        kiln_terminate_on_nan(),
    };
    for (size_t i = 0; i < sizeof callbacks / sizeof *callbacks; i++)
        kiln_callback_free(callbacks[i]);

    kiln_model *model =
        kiln_sequential(kiln_flatten(.input_shape = KILN_SHAPE(28, 28)),
                        kiln_dense(128, .activation = "relu"), kiln_dropout(0.2), kiln_dense(10));
    if (model == NULL)
        return kiln_report_errors(stderr);
    if (kiln_model_count_params(model) != 101770)
        return 2;
    kiln_model_free(model);

    /* A field behind the source is not lost. */
    kiln_dataset *data = kiln_dataset_open("missing.csv", .part = "neither", .label = "x");
    if (data != NULL)
        return 3;
    kiln_clear_error();
    if (optimizers[0].momentum < 0.9 || losses[2].from_logits != KILN_YES)
        return 4;
    /* Nothing that a macro is given is lost. */
    if (optimizers[6].schedule.staircase != KILN_YES || optimizers[6].schedule.decay_rate != 0.9 ||
        optimizers[9].schedule.piece_count != 1 || losses[9].user != layers)
        return 6;
    if (kiln_predict(NULL, NULL, NULL, .batch_size = 3) != NULL)
        return 7;
    kiln_clear_error();
    kiln_metrics metrics = KILN_METRICS("accuracy", "auc");
    return strcmp(metrics.names[1], "auc") == 0 && metrics.names[2] == NULL ? 0 : 5;
}
