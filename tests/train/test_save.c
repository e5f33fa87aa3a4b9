/* Trained models in files: what is kept, and training that goes on from them as if it had not
 * stopped. */
#include "problem.h"

#include "train/training.h"

#include <jansson.h>
#include <math.h>
#include <unistd.h>

#include "fixtures/configs.h"

#define SIDE 6
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *file(const char *name)
{
    static char path[400];
    snprintf(path, sizeof path, "%s/%s", harness_folder(), name);
    return path;
}

static kiln_model *load(const char *path, kiln_device *device)
{
    kiln_model *model = kiln_load(path);
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    harness_ok(kiln_compile(model, .device = device)); /* all else from the file */
    return model;
}

START_TEST(training_goes_on)
{
    const kiln_optimizer rules[] = {
        kiln_adam(.learning_rate = 0.01),
        kiln_sgd(.learning_rate = 0.05, .momentum = 0.9, .gradient_accumulation_steps = 3),
        kiln_rmsprop(.schedule = kiln_cosine_decay(0.01, 20, .alpha = 0.1), .centered = KILN_YES),
        kiln_adagrad(.clipnorm = 0.5, .weight_decay = 0.01),
    };
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(100, SIDE);
        for (size_t i = 0; i < COUNT(rules); i++) {
            if (harness_is_slow(device) && i > 0)
                break;
            kiln_model *straight = problem_model(SIDE, 8, 0.2, 5);
            problem_compile(straight, device, rules[i]);
            const kiln_history *history =
                kiln_fit(straight, data, .epochs = 3, .verbose = KILN_NO, .batch_size = 16);
            ck_assert_msg(history != NULL, "%s", kiln_last_error());
            double last = kiln_history_get(history, "loss", 2);

            kiln_model *first = problem_model(SIDE, 8, 0.2, 5);
            problem_compile(first, device, rules[i]);
            ck_assert_ptr_nonnull(
                kiln_fit(first, data, .epochs = 1, .verbose = KILN_NO, .batch_size = 16));
            harness_ok(kiln_save(first, file("first.keras")));
            kiln_model_free(first);
            kiln_model *second = load(file("first.keras"), device);
            /* saved again before it runs: nothing is lost */
            harness_ok(kiln_save(second, file("second.keras")));
            kiln_model *third = load(file("second.keras"), device);
            kiln_model *both[] = {second, third};
            for (int k = 0; k < 2; k++) {
                history = kiln_fit(both[k], data, .initial_epoch = 1, .epochs = 3,
                                   .verbose = KILN_NO, .batch_size = 16);
                ck_assert_msg(history != NULL, "%s", kiln_last_error());
                ck_assert_double_eq(kiln_history_get(history, "loss", 1), last);
                ck_assert_msg(problem_same(straight, both[k]), "rule %zu, file %d", i, k);
                kiln_model_free(both[k]);
            }
            kiln_model_free(straight);
        }
        harness_remove_folder();
        kiln_dataset_free(data);
    }
}
END_TEST

START_TEST(a_file_says_how_to_compile)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(40, SIDE);
        kiln_model *model = problem_model(SIDE, 8, 0, 5);
        problem_compile(model, device, kiln_adam(.learning_rate = 0.01));
        ck_assert_ptr_nonnull(kiln_fit(model, data, .verbose = KILN_NO));
        harness_ok(kiln_set_learning_rate(model, 0.003));
        const kiln_logs *logs = kiln_evaluate(model, data, .verbose = KILN_NO);
        double loss = kiln_logs_get(logs, "loss");
        harness_ok(kiln_save(model, file("a.keras")));

        kiln_model *loaded = load(file("a.keras"), device);
        ck_assert_double_eq(kiln_learning_rate(loaded), 0.003);
        ck_assert_double_eq(training_of(loaded)->model->facts->input_scale, 1.0 / 255);
        logs = kiln_evaluate(loaded, data, .verbose = KILN_NO);
        ck_assert_msg(logs != NULL, "%s", kiln_last_error());
        ck_assert_double_eq(kiln_logs_get(logs, "loss"), loss);
        ck_assert_uint_eq(kiln_logs_count(logs), 2);
        /* another optimizer, the rest as it was */
        kiln_model *other = kiln_load(file("a.keras"));
        harness_ok(kiln_compile(other, .optimizer = kiln_sgd(), .device = device));
        ck_assert_double_eq(kiln_learning_rate(other), 0.01);
        ck_assert_int_eq(training_of(other)->optimizer.iterations, 0);
        ck_assert_ptr_nonnull(kiln_fit(other, data, .verbose = KILN_NO));
        /* once it runs, kiln_compile starts afresh */
        harness_ok(kiln_compile(other, .device = device));
        ck_assert_ptr_null(kiln_fit(other, data, .verbose = KILN_NO));
        kiln_clear_error();

        /* a model that was never compiled has nothing of it */
        kiln_model *plain = problem_model(SIDE, 8, 0, 5);
        harness_ok(kiln_save(plain, file("plain.keras")));
        kiln_model *back = kiln_load(file("plain.keras"));
        ck_assert_msg(back != NULL, "%s", kiln_last_error());
        ck_assert_ptr_null(kiln_fit(back, data, .verbose = KILN_NO));
        ck_assert_ptr_nonnull(strstr(kiln_last_error(), "not compiled"));
        kiln_clear_error();
        kiln_model *all[] = {model, loaded, other, plain, back};
        for (int i = 0; i < 5; i++)
            kiln_model_free(all[i]);
        kiln_dataset_free(data);
        harness_remove_folder();
    }
}
END_TEST

/* A program checks once, at its end: what works later does not wipe out what failed. */
START_TEST(a_failure_stays_on_record)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_fail(KILN_ERROR_SHAPE, "the first failure");
        kiln_dataset *data = problem_images(40, SIDE);
        kiln_model *model = problem_model(SIDE, 8, 0.2, 5);
        problem_compile(model, device, kiln_adam());
        ck_assert_ptr_nonnull(kiln_fit(model, data, .verbose = KILN_NO, .validation_split = 0.2,
                                       .callbacks = {kiln_early_stopping(.patience = 1)}));
        ck_assert_ptr_nonnull(kiln_evaluate(model, data, .verbose = KILN_NO));
        harness_ok(kiln_save(model, file("a.keras")));
        kiln_model *loaded = load(file("a.keras"), device);
        free(kiln_predict_with(
            &(kiln_predict_args){.model = loaded, .data = data, .verbose = KILN_NO}, NULL));
        ck_assert_str_eq(kiln_last_error(), "the first failure");
        ck_assert_int_eq(kiln_last_status(), KILN_ERROR_SHAPE);
        kiln_clear_error();
        kiln_model_free(model);
        kiln_model_free(loaded);
        kiln_dataset_free(data);
        harness_remove_folder();
    }
}
END_TEST

START_TEST(bad_paths)
{
    kiln_model *model = problem_model(SIDE, 8, 0, 5);
    harness_fails(kiln_save(model, "/nowhere/a.keras"), KILN_ERROR_FILE, "/nowhere/a.keras");
    harness_fails(kiln_save(NULL, "a"), KILN_ERROR_FILE, "");
    kiln_clear_error();
    harness_fails(kiln_save(model, NULL), KILN_ERROR_ARGUMENT, "path");
    ck_assert_ptr_null(kiln_load("/nowhere/a.keras"));
    ck_assert_int_eq(kiln_last_status(), KILN_ERROR_FILE);
    kiln_model_free(model);
}
END_TEST

/* What does not matter, and names that Keras counts. */
static void forget_details(json_t *config)
{
    json_object_del(config, "jit_compile");
    const char *const parts[] = {"loss", "optimizer"};
    for (int i = 0; i < 2; i++)
        json_object_del(json_object_get(json_object_get(config, parts[i]), "config"), "name");
}

/* Kiln writes of a metric what its name does not say, Keras all its arguments: what both have must
 * be the same. */
static void forget_metric_defaults(json_t *given, const json_t *made)
{
    size_t i;
    json_t *entry, *value;
    const char *key;
    void *next;
    json_array_foreach(given, i, entry)
    {
        json_t *config = json_object_get(entry, "config");
        const json_t *other = json_array_get(made, i), *kept = json_object_get(other, "config");
        if (json_is_string(other) && config) {
            json_array_set(given, i, json_object_get(config, "name"));
            continue;
        }
        json_object_foreach_safe(config, next, key, value)
        {
            if (json_object_get(kept, key) == NULL)
                json_object_del(config, key);
        }
    }
}

/* Reading Keras's configuration and writing it yields the same, but for what Kiln always writes in
 * full. */
START_TEST(configurations_are_as_in_keras)
{
    kiln_model *model = kiln_sequential(kiln_dense(1, .input_shape = KILN_SHAPE(2)));
    for (size_t i = 0; i < COUNT(configs); i++) {
        compile_config config;
        kiln_optimizer resolved;
        model_training t = {.compiled = true, .model = model};
        text words = {0};
        harness_ok(config_read(model, configs[i], &config));
        harness_ok(optimizer_resolve(&config.optimizer, &resolved));
        optimizer_init(&t.optimizer, &resolved);
        t.goals = config.goals;
        harness_ok(config_write(&t, &words));
        json_t *given = json_loads(configs[i], 0, NULL), *made = json_loads(words.data, 0, NULL);
        ck_assert(given && made);
        forget_details(given);
        forget_details(made);
        forget_metric_defaults(json_object_get(given, "metrics"), json_object_get(made, "metrics"));
        if (json_is_object(json_object_get(given, "optimizer")) &&
            !json_is_string(json_object_get(given, "loss"))) {
            char *a = json_dumps(given, JSON_SORT_KEYS | JSON_REAL_PRECISION(6)),
                 *b = json_dumps(made, JSON_SORT_KEYS | JSON_REAL_PRECISION(6));
            ck_assert_str_eq(b, a);
            free(a);
            free(b);
        } else { /* names instead of objects */
            ck_assert_int_eq(resolved.kind, KILN_OPTIMIZER_SGD);
            ck_assert_int_eq(config.goals.items[0].loss.kind, KILN_LOSS_MEAN_SQUARED_ERROR);
            ck_assert_str_eq(config.goals.items[0].metrics[0], "mae");
        }
        json_decref(given);
        json_decref(made);
        text_free(&words);
        config_free(&config);
    }
    kiln_model_free(model);
}
END_TEST

/* A model of two outputs, "a" and "b". */
static kiln_model *two_outputs(void)
{
    kiln_tensor *x = kiln_input(KILN_SHAPE(2));
    return kiln_functional(KILN_TENSORS(x),
                           KILN_TENSORS(kiln_apply(kiln_dense(1, .name = "a"), x),
                                        kiln_apply(kiln_dense(3, .name = "b"), x)));
}

/* A loss, weight and metrics for each output: all of Keras's ways to say so are the same lists in
 * the end. */
START_TEST(configurations_by_output)
{
    static const struct {
        const char *words, *loss, *weights, *metrics;
    } cases[] = {
        {"{\"loss\": [\"mse\", \"huber\"]}", "mean_squared_error huber", "1 1", "|"},
        {"{\"loss\": {\"b\": \"mse\"}}", "none mean_squared_error", "1 1", "|"},
        {"{\"loss\": {\"b\": \"mse\", \"a\": \"mae\"}, \"loss_weights\": {\"b\": 0.5}}",
         "mean_absolute_error mean_squared_error", "1 0.5", "|"},
        {"{\"loss\": \"mse\", \"loss_weights\": [0, 2], \"metrics\": [\"mae\", [\"mse\", "
         "\"mae\"]]}",
         "mean_squared_error mean_squared_error", "0 2", "mae|mse mae"},
        {"{\"loss\": [null, \"mse\"], \"loss_weights\": [null, 3], \"metrics\": {\"b\": \"mae\"}}",
         "none mean_squared_error", "1 3", "|mae"},
        {"{\"loss\": \"mse\", \"metrics\": [[\"mae\"], null]}",
         "mean_squared_error mean_squared_error", "1 1", "mae|"},
        {"{\"loss\": \"mse\", \"metrics\": [\"mae\"]}", /* as Kiln wrote it before */
         "mean_squared_error mean_squared_error", "1 1", "mae|mae"},
    };
    kiln_model *model = two_outputs();
    for (size_t i = 0; i < COUNT(cases); i++) {
        text words = {0};
        text_add(&words, "%s", cases[i].words);
        for (int turn = 0; turn < 2; turn++) { /* as given, and as written from that */
            compile_config config;
            kiln_optimizer resolved;
            model_training t = {.compiled = true, .model = model};
            text loss = {0}, weights = {0}, metrics = {0};
            harness_ok(config_read(model, words.data, &config));
            for (size_t k = 0; k < 2; k++) {
                const output_goal *goal = goal_of(&config.goals, k);
                const char *space = k == 0 ? "" : " ";
                text_add(&loss, "%s%s", space,
                         goal->loss.kind == KILN_LOSS_NONE ? "none" : loss_name(goal->loss.kind));
                text_add(&weights, "%s%g", space, goal->weight);
                text_add(&metrics, "%s", k == 0 ? "" : "|");
                for (size_t j = 0; j < goal->metric_count; j++)
                    text_add(&metrics, "%s%s", j == 0 ? "" : " ", goal->metrics[j]);
            }
            ck_assert_str_eq(loss.data, cases[i].loss);
            ck_assert_str_eq(weights.data, cases[i].weights);
            ck_assert_str_eq(metrics.data, cases[i].metrics);
            harness_ok(optimizer_resolve(&config.optimizer, &resolved));
            optimizer_init(&t.optimizer, &resolved);
            t.goals = config.goals;
            text_free(&words);
            words = (text){0};
            harness_ok(config_write(&t, &words));
            text_free(&loss);
            text_free(&weights);
            text_free(&metrics);
            config_free(&config);
        }
        text_free(&words);
    }
    static const struct {
        const char *words, *part;
    } wrong[] = {
        {"{\"loss\": [\"mse\", \"mae\", \"mse\"]}", "its losses are 3, its outputs 2"},
        {"{\"loss\": {\"c\": \"mse\"}}", "losses: model functional has no output named c"},
        {"{\"loss\": \"mse\", \"loss_weights\": [1]}", "its loss_weights are 1, its outputs 2"},
        {"{\"loss\": \"mse\", \"loss_weights\": [1, -2]}", "output b's loss"},
        {"{\"loss\": \"mse\", \"loss_weights\": \"x\"}", "loss_weights are no numbers"},
        {"{\"loss\": \"mse\", \"metrics\": {\"c\": \"mae\"}}", "no output named c"},
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        compile_config config;
        ck_assert_int_ne(config_read(model, wrong[i].words, &config), KILN_OK);
        ck_assert_msg(strstr(kiln_last_error(), wrong[i].part) != NULL, "%s: %s", wrong[i].words,
                      kiln_last_error());
    }
    kiln_model_free(model);
}
END_TEST

START_TEST(configurations_that_mean_nothing)
{
    kiln_model *model = kiln_sequential(kiln_dense(1, .input_shape = KILN_SHAPE(2)));
    compile_config config;
    harness_ok(config_read(model,
                           "{\"loss\": {\"class_name\": \"Huber\", \"config\": {\"reduction\": "
                           "\"auto\", \"delta\": 0.5}}}", /* of Keras 2 */
                           &config));
    ck_assert_double_eq(config.goals.items[0].loss.delta, 0.5);
    config_free(&config);
    const struct {
        const char *words, *part;
    } cases[] = {
        {"{", "no JSON"},
        {"{\"optimizer\": {\"class_name\": \"Lion\", \"config\": {}}}", "Lion"},
        {"{\"optimizer\": \"adam\", \"loss\": \"cosine\"}", "cosine"},
        {"{\"loss\": [\"mse\", \"mae\"]}", "its losses are 2"},
        {"{\"metrics\": [\"beauty\"]}", "beauty"},
        {"{\"metrics\": {\"a\": \"mae\"}}", "no output named a"},
        {"{\"metrics\": [{\"class_name\": \"AUC\", \"config\": {\"curve\": \"PR\"}}]}",
         "curve is \"PR\", which is not supported"},
        {"{\"metrics\": [{\"class_name\": \"Precision\", \"config\": {\"top_k\": 3}}]}",
         "top_k is 3"},
        {"{\"metrics\": [{\"class_name\": \"Recall\", \"config\": {\"thresholds\": [0.1, 0.2]}}]}",
         "thresholds is [0.1"},
        {"{\"loss\": {\"class_name\": \"MeanSquaredError\", \"config\": {\"reduction\": \"sum\"}}}",
         "reduction is \"sum\""},
        {"{\"loss\": {\"class_name\": \"SparseCategoricalCrossentropy\", \"config\": "
         "{\"ignore_class\": 3}}}",
         "ignore_class is 3"},
        {"{\"loss_weights\": [1, 2]}", "loss_weights"},
        {"{\"weighted_metrics\": [\"mae\"]}", "weighted_metrics"},
        {"{\"optimizer\": {\"class_name\": \"Adam\", \"config\": {\"use_ema\": true}}}", "use_ema"},
        {"{\"optimizer\": {\"class_name\": \"Adam\", \"config\": {\"learning_rate\": "
         "{\"class_name\": \"Odd\", \"config\": {}}}}}",
         "Odd"},
        {"{\"optimizer\": {\"class_name\": \"Adam\", \"config\": {\"learning_rate\": "
         "{\"class_name\": \"PiecewiseConstantDecay\", \"config\": {}}}}}",
         "boundaries"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        ck_assert_int_ne(config_read(model, cases[i].words, &config), KILN_OK);
        ck_assert_msg(strstr(kiln_last_error(), cases[i].part) != NULL, "%s: %s", cases[i].words,
                      kiln_last_error());
    }
    kiln_model_free(model);
}
END_TEST

/* The archive that Kiln wrote before Keras's own is read, and saved as Keras's from then on. */
START_TEST(an_earlier_archive)
{
    float kernel[4];
    kiln_model *model = kiln_load(FIXTURES "/earlier.keras");
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    for (int turn = 0; turn < 2; turn++) {
        const model_training *t = training_of(model);
        harness_ok(kiln_get_weights(model, 0, kernel, 4));
        ck_assert_float_eq(kernel[2], 3);
        ck_assert_uint_eq(model->seed, UINT64_MAX);
        ck_assert_str_eq(model->facts->class_names[1], "no");
        ck_assert_int_eq(t->optimizer.iterations, 3 + 2 * (1 << 24));
        ck_assert_double_eq(t->optimizer.args.momentum, 0.75);
        ck_assert_uint_eq(t->optimizer.pending_count, 2);
        for (size_t i = 0; i < 2; i++) {
            const optimizer_array *array = &t->optimizer.pending[i];
            bool bias = strcmp(array->name, "dense/bias/momentum") == 0;
            ck_assert(bias || strcmp(array->name, "dense/kernel/momentum") == 0);
            ck_assert_float_eq(array->values[1], bias ? 16 : 0.25f);
        }
        harness_ok(kiln_save(model, file("again.keras")));
        kiln_model_free(model);
        model = kiln_load(file("again.keras"));
        ck_assert_msg(model != NULL, "%s", kiln_last_error());
    }
    kiln_model_free(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("save");
    TCase *tests = tcase_create("save");
    tcase_add_test(tests, training_goes_on);
    tcase_add_test(tests, a_file_says_how_to_compile);
    tcase_add_test(tests, a_failure_stays_on_record);
    tcase_add_test(tests, bad_paths);
    tcase_add_test(tests, configurations_are_as_in_keras);
    tcase_add_test(tests, configurations_by_output);
    tcase_add_test(tests, configurations_that_mean_nothing);
    tcase_add_test(tests, an_earlier_archive);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
