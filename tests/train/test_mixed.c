/* Models whose dtype policy is mixed_float16: they train as those of float32 do, keep layers of float32 as such, scale
 * the loss, and are saved and resumed with the scale. */
#include "problem.h"

#include "model/model.h"
#include "train/training.h"

#include <math.h>

#define SIDE 8

static kiln_model *pictures(uint64_t seed)
{
    kiln_model *model = kiln_sequential(
        kiln_reshape(KILN_SHAPE(SIDE, SIDE, 1), .input_shape = KILN_SHAPE(SIDE, SIDE)),
        kiln_conv2d(8, KILN_SHAPE(3, 3), .activation = "relu"), kiln_batch_normalization(),
        kiln_average_pooling2d(.pool_size = KILN_SHAPE(2, 2)), kiln_flatten(),
        kiln_dense(24, .activation = "tanh"), kiln_dense(10));
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    harness_ok(kiln_model_set_seed(model, seed));
    return model;
}

static void train(kiln_model *model, kiln_dataset *data, int64_t epochs, double *losses)
{
    const kiln_history *h =
        kiln_fit(model, data, .epochs = epochs, .verbose = KILN_NO, .shuffle = KILN_NO);
    ck_assert_msg(h != NULL, "%s", kiln_last_error());
    for (int64_t i = 0; i < epochs; i++)
        losses[i] = kiln_history_get(h, "loss", (size_t)i);
}

START_TEST(course)
{
    HARNESS_EACH_DEVICE(device)
    {
        bool usual = device->serial_kernels;
        for (int parallel = harness_is_slow(device); parallel < 2; parallel++) {
            double losses[2][3];
            kiln_dataset *data = problem_images(96, SIDE);
            device->serial_kernels = parallel ? false : usual;
            for (int mixed = 0; mixed < 2; mixed++) {
                kiln_model *model = pictures(3);
                if (mixed)
                    harness_ok(kiln_model_set_dtype_policy(model, "mixed_float16"));
                ck_assert_str_eq(kiln_model_dtype_policy(model),
                                 mixed ? "mixed_float16" : "float32");
                problem_compile(model, device, kiln_adam(.learning_rate = 0.01));
                train(model, data, 3, losses[mixed]);
                kiln_model_free(model);
            }
            for (int i = 0; i < 3; i++) {
                ck_assert_msg(fabs(losses[1][i] / losses[0][i] - 1) < 1e-2,
                              "epoch %d: loss %g with half, %g without", i, losses[1][i], losses[0][i]);
                /* half it is: no other rounding would be the same to the last bit */
                ck_assert_msg(losses[1][i] != losses[0][i], "epoch %d: the same loss to the bit", i);
            }
            kiln_dataset_free(data);
        }
        device->serial_kernels = usual;
    }
}
END_TEST

/* Layers of both policies in one model. */
START_TEST(layers_of_float32)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(64, SIDE);
        double loss[2];
        for (int mixed = 0; mixed < 2; mixed++) {
            kiln_model *model = pictures(5);
            /* flatten, which stores nothing, and the last but one */
            for (size_t i = 4; mixed && i < 6; i++)
                harness_ok(kiln_layer_set_dtype_policy(kiln_model_layer(model, i), "mixed_float16"));
            ck_assert_str_eq(kiln_model_dtype_policy(model), mixed ? "mixed_float16" : "float32");
            ck_assert_str_eq(kiln_layer_dtype_policy(kiln_model_layer(model, 6)), "float32");
            problem_compile(model, device, kiln_sgd(.learning_rate = 0.05));
            train(model, data, 1, &loss[mixed]);
            kiln_model_free(model);
        }
        ck_assert_msg(fabs(loss[1] / loss[0] - 1) < 1e-3, "loss %.9g and %.9g", loss[1], loss[0]);
        kiln_dataset_free(data);
    }
}
END_TEST

START_TEST(bad_policies)
{
    kiln_model *model = pictures(1);
    harness_fails(kiln_model_set_dtype_policy(NULL, "float32"), KILN_ERROR_ARGUMENT, "model");
    harness_fails(kiln_layer_set_dtype_policy(kiln_model_layer(model, 0), NULL), KILN_ERROR_ARGUMENT, "policy");
    harness_fails(kiln_model_set_dtype_policy(model, "float16"), KILN_ERROR_ARGUMENT,
                  "there is no dtype policy \"float16\": it is float32 or mixed_float16");
    ck_assert_str_eq(kiln_model_dtype_policy(model), "float32");
    harness_fails(kiln_compile(model, .optimizer = kiln_adam(.initial_scale = -1),
                               .loss = kiln_mean_squared_error()),
                  KILN_ERROR_ARGUMENT, "initial_scale");
    harness_fails(kiln_compile(model, .optimizer = kiln_adam(.initial_scale = 8, .dynamic_growth_steps = -3),
                               .loss = kiln_mean_squared_error()),
                  KILN_ERROR_ARGUMENT, "dynamic_growth_steps");
    kiln_model_free(model);
}
END_TEST

/* The scale and its count go into the file and come back; training goes on to the same bits. */
START_TEST(saved_with_its_scale)
{
    HARNESS_EACH_DEVICE(device)
    {
        char path[512];
        float scale[2];
        double one[2], two[2];
        kiln_dataset *data = problem_images(96, SIDE);
        snprintf(path, sizeof path, "%s/mixed.keras", harness_folder());
        kiln_model *model = pictures(3);
        harness_ok(kiln_model_set_dtype_policy(model, "mixed_float16"));
        harness_ok(kiln_layer_set_dtype_policy(kiln_model_layer(model, 6), "float32"));
        problem_compile(model, device,
                        kiln_adam(.learning_rate = 0.01, .initial_scale = 64, .dynamic_growth_steps = 2));
        train(model, data, 1, one); /* three steps: the scale doubles once */
        harness_ok(optimizer_read_scale(&training_of(model)->optimizer, scale));
        ck_assert_msg(scale[0] == 128 && scale[1] == 1, "scale %g, %g good steps", scale[0], scale[1]);
        harness_ok(kiln_save(model, path));
        kiln_model *again = kiln_load(path);
        ck_assert_msg(again != NULL, "%s", kiln_last_error());
        ck_assert_str_eq(kiln_model_dtype_policy(again), "mixed_float16");
        ck_assert_str_eq(kiln_layer_dtype_policy(kiln_model_layer(again, 5)), "mixed_float16");
        ck_assert_str_eq(kiln_layer_dtype_policy(kiln_model_layer(again, 6)), "float32");
        harness_ok(kiln_compile(again, .device = device));
        harness_ok(optimizer_read_scale(&training_of(again)->optimizer, scale));
        ck_assert_msg(scale[0] == 128 && scale[1] == 1, "read: scale %g, %g good steps", scale[0], scale[1]);
        ck_assert_int_eq(training_of(again)->optimizer.args.dynamic_growth_steps, 2);
        train(model, data, 2, one);
        train(again, data, 2, two);
        ck_assert_mem_eq(one, two, sizeof one);
        harness_ok(optimizer_read_scale(&training_of(again)->optimizer, scale));
        ck_assert_msg(scale[0] == 1024 && scale[1] == 1, "later: scale %g, %g good steps", scale[0], scale[1]);
        kiln_model_free(model);
        kiln_model_free(again);
        kiln_dataset_free(data);
        harness_remove_folder();
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mixed");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 600);
    tcase_add_test(all, course);
    tcase_add_test(all, layers_of_float32);
    tcase_add_test(all, bad_policies);
    tcase_add_test(all, saved_with_its_scale);
    suite_add_tcase(suite, all);
    return harness_run(suite);
}
