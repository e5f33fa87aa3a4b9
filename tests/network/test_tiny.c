/* The tiny sizes of the built-in networks: the loss of 20 steps and every
 * gradient of the first against Keras's in double precision, from the same weights and batches. */
#include "cli/networks.h"
#include "format/keras_json.h"
#include "graph/plan.h"
#include "model/model.h"
#include "train/problem.h"

#include <jansson.h>
#include <math.h>

#define STEPS 20
#define BATCHES 4
#define DIRECTIONS 4

typedef struct tiny_figures {
    const char *name;
    size_t weights;
    double losses[STEPS];
    const double (*gradients)[1 + DIRECTIONS]; /* of each weight: its norm, products with signs */
} tiny_figures;

#include "fixtures/tiny.h"

#define COUNT (sizeof tiny / sizeof *tiny)

/* KILN_TEST_NETWORK=NAME runs that one alone. */
static bool left_out(const tiny_figures *f)
{
    const char *only = getenv("KILN_TEST_NETWORK");
    return only && strcmp(only, f->name) != 0;
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

static const char *const text_networks[] = {"simple_rnn", "lstm", "gru", "bilstm_classifier", NULL},
                         *const picture_networks[] = {"resnet20", "mobilenet_small", NULL},
                         *const rough_networks[] = {"cnn", "resnet20", "mobilenet_small", NULL},
                         *const recurrent_networks[] = {
                             "simple_rnn", "lstm",     "gru", "bilstm_classifier",
                             "lstm512",    "forecast", NULL};

/* Nothing random: no dropout, no random change of a picture; as in make_tiny.py. */
static kiln_model *without_chance(kiln_model *model)
{
    text written = {0};
    harness_ok(keras_json_write(model, NULL, -1, &written));
    json_t *all = json_loads(written.data, 0, NULL), *layer;
    size_t i;
    ck_assert_ptr_nonnull(all);
    json_array_foreach(json_object_get(json_object_get(all, "config"), "layers"), i, layer)
    {
        const char *name = json_string_value(json_object_get(layer, "class_name"));
        json_t *config = json_object_get(layer, "config");
        if (strcmp(name, "Dropout") == 0)
            json_object_set_new(config, "rate", json_real(0));
        if (strcmp(name, "RandomFlip") == 0 || strcmp(name, "RandomTranslation") == 0) {
            json_object_set_new(layer, "class_name", json_string("Activation"));
            json_object_set_new(layer, "config",
                                json_pack("{s:O, s:s}", "name", json_object_get(config, "name"),
                                          "activation", "linear"));
        }
    }
    char *changed = json_dumps(all, 0);
    kiln_model *read;
    harness_ok(keras_json_read("tiny.json", changed, strlen(changed), NULL, &read));
    free(changed);
    json_decref(all);
    text_free(&written);
    return read;
}

/* initial() in make_tiny.py */
static void set_initial(kiln_model *model)
{
    static const char *const ones[] = {"gamma", "variance", "moving_variance", NULL},
                             *const zeros[] = {"beta", "mean", "moving_mean", "count", NULL};
    for (size_t i = 0; i < kiln_model_weight_count(model); i++) {
        kiln_shape shape = kiln_model_weight_shape(model, i);
        size_t count = (size_t)kiln_shape_size(shape);
        const char *path = kiln_model_weight_path(model, i), *slash = strrchr(path, '/'),
                   *name = slash ? slash + 1 : path;
        double limit =
            strcmp(name, "bias") == 0
                ? 0.1
                : sqrt(3 * (double)(shape.rank ? shape.dims[shape.rank - 1] : 1) / (double)count);
        float *values = malloc(count * sizeof *values);
        for (uint32_t k = 0; k < count; k++)
            values[k] = is_one_of(name, ones)    ? 1
                        : is_one_of(name, zeros) ? 0
                                                 : problem_weight((uint32_t)i * 100000 + k, limit);
        harness_ok(kiln_set_weights(model, i, values, count));
        free(values);
    }
}

typedef struct practice {
    kiln_array x, y;
    size_t x_bytes, y_bytes; /* of a batch */
} practice;

/* BATCHES batches; batches() in make_tiny.py. */
static practice make_batches(const tiny_figures *f, const network *which, kiln_model *model)
{
    kiln_shape in = kiln_model_input_shape(model, 0), out = kiln_model_output_shape(model, 0);
    bool words = is_one_of(f->name, text_networks), numbers = strcmp(f->name, "forecast") == 0;
    uint32_t classes = (uint32_t)out.dims[out.rank - 1];
    double scale = is_one_of(f->name, picture_networks) ? 1 : 1.0 / 256;
    if (!numbers)
        out.rank--;
    size_t xs = (size_t)(which->batch_size * kiln_shape_size(in)),
           ys = (size_t)(which->batch_size * kiln_shape_size(out));
    practice p = {.x = {.dtype = words ? KILN_INT32 : KILN_FLOAT32, .shape = in},
                  .y = {.dtype = numbers ? KILN_FLOAT32 : KILN_INT32, .shape = out},
                  .x_bytes = xs * 4,
                  .y_bytes = ys * 4};
    float *x = malloc(BATCHES * p.x_bytes), *y = malloc(BATCHES * p.y_bytes);
    for (uint32_t k = 0; k < BATCHES * xs; k++) {
        uint32_t bits = scramble(5000000 + k);
        if (words)
            ((int32_t *)x)[k] = (int32_t)((bits >> 8) % 65);
        else
            x[k] = (float)((bits >> 24) * scale);
    }
    for (uint32_t k = 0; k < BATCHES * ys; k++) {
        uint32_t bits = scramble(6000000 + k);
        if (numbers)
            y[k] = (float)(bits >> 24) / 256;
        else
            ((int32_t *)y)[k] = (int32_t)((bits >> 8) % classes);
    }
    p.x.data = x;
    p.y.data = y;
    return p;
}

static kiln_model *open_network(const tiny_figures *f, const network **which, practice *p)
{
    char name[64];
    snprintf(name, sizeof name, "%s-tiny", f->name);
    *which = network_find(name);
    ck_assert_msg(*which != NULL, "there is no %s", name);
    kiln_model *whole = network_build(*which, NULL);
    ck_assert_msg(whole != NULL, "%s: %s", name, kiln_last_error());
    kiln_model *model = without_chance(whole);
    kiln_model_free(whole);
    set_initial(model);
    ck_assert_uint_eq(kiln_model_weight_count(model), f->weights);
    *p = make_batches(f, *which, model);
    return model;
}

static kiln_loss loss_for(const tiny_figures *f)
{
    return strcmp(f->name, "forecast") == 0
               ? kiln_mean_squared_error()
               : kiln_sparse_categorical_crossentropy(.from_logits = KILN_YES);
}

static double train(kiln_model *model, const network *which, const practice *p, int step)
{
    kiln_array x = p->x, y = p->y;
    x.data = (const char *)x.data + (size_t)(step % BATCHES) * p->x_bytes;
    y.data = (const char *)y.data + (size_t)(step % BATCHES) * p->y_bytes;
    const kiln_logs *logs = kiln_train_on_batch(model, which->batch_size, &x, &y, NULL);
    ck_assert_msg(logs != NULL, "%s: %s", which->name, kiln_last_error());
    return kiln_logs_get(logs, "loss");
}

static void done(kiln_model *model, practice *p)
{
    kiln_model_free(model);
    free((void *)(uintptr_t)p->x.data);
    free((void *)(uintptr_t)p->y.data);
}

/* Of two roundings that part at a maximum or a near-zero variance, later steps tell nothing. */
static double tolerance_of(const tiny_figures *f, int step)
{
    if (is_one_of(f->name, rough_networks))
        return step < 5 ? 1e-4 : 2e-2;
    return is_one_of(f->name, recurrent_networks) ? 1e-3 : 1e-4;
}

static int steps_on(const kiln_device *device)
{
    return strstr(kiln_device_describe(device)->platform, "Oclgrind") ? 2 : STEPS;
}

START_TEST(losses_are_as_in_keras)
{
    const tiny_figures *f = &tiny[_i];
    if (left_out(f))
        return;
    HARNESS_EACH_DEVICE(device)
    {
        const network *which;
        practice p;
        kiln_model *model = open_network(f, &which, &p);
        harness_ok(
            kiln_compile(model, .optimizer = kiln_adam(), .loss = loss_for(f), .device = device));
        for (int s = 0; s < steps_on(device); s++) {
            double loss = train(model, which, &p, s), off = fabs(loss / f->losses[s] - 1);
            if (getenv("KILN_TEST_PRINT"))
                printf("%s step %d: %.9g, off by %.2g\n", f->name, s, loss, off);
            ck_assert_msg(off <= tolerance_of(f, s), "%s, step %d: loss %.9g instead of %.9g",
                          which->name, s, loss, f->losses[s]);
        }
        done(model, &p);
    }
}
END_TEST

/* One step at a rate beside which the weights vanish leaves the gradients in them. Of a difference
 * the products with random signs are as large as its norm, in the mean of squares. */
START_TEST(gradients_are_as_in_keras)
{
    const tiny_figures *f = &tiny[_i];
    const double rate = 1048576;
    if (left_out(f))
        return;
    HARNESS_EACH_DEVICE(device)
    {
        const network *which;
        practice p;
        kiln_model *model = open_network(f, &which, &p);
        float *before[64];
        for (size_t i = 0; i < f->weights; i++) {
            size_t count = (size_t)kiln_shape_size(kiln_model_weight_shape(model, i));
            before[i] = malloc(count * sizeof **before);
            harness_ok(kiln_get_weights(model, i, before[i], count));
        }
        harness_ok(kiln_compile(model, .optimizer = kiln_sgd(.learning_rate = rate),
                                .loss = loss_for(f), .device = device));
        train(model, which, &p, 0);
        for (size_t i = 0; i < f->weights; i++) {
            size_t count = (size_t)kiln_shape_size(kiln_model_weight_shape(model, i));
            float *after = malloc(count * sizeof *after);
            double norm = f->gradients[i][0], squares = 0;
            harness_ok(kiln_get_weights(model, i, after, count));
            for (int d = 0; norm > 0 && d < DIRECTIONS; d++) {
                double sum = -f->gradients[i][1 + d];
                for (uint32_t k = 0; k < count; k++) {
                    double g = ((double)before[i][k] - (double)after[k]) / rate;
                    sum += scramble(7000000 + (uint32_t)d * 100000 + k) >> 31 ? -g : g;
                }
                squares += sum * sum / DIRECTIONS;
            }
            if (getenv("KILN_TEST_PRINT") && norm > 0)
                printf("%s %s: %.2g of the norm %.3g\n", f->name, kiln_model_weight_path(model, i),
                       sqrt(squares) / norm, norm);
            ck_assert_msg(sqrt(squares) <= 1e-4 * norm,
                          "%s, %s: its gradient is off by %.3g, and its norm is %.9g", which->name,
                          kiln_model_weight_path(model, i), sqrt(squares), norm);
            free(after);
            free(before[i]);
        }
        done(model, &p);
    }
}
END_TEST

/* Each network of the program has a tiny size, whose figures are here. */
START_TEST(all_are_there)
{
    size_t count = 0;
    for (const network *n = networks; n->name; n++, count++) {
        bool found = false;
        for (size_t i = 0; i < COUNT; i++)
            found |= strcmp(tiny[i].name, n->name) == 0;
        ck_assert_msg(found, "no figures of %s-tiny", n->name);
    }
    ck_assert_uint_eq(count, COUNT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tiny");
    TCase *tests = tcase_create("tiny");
    tcase_add_test(tests, all_are_there);
    tcase_add_loop_test(tests, losses_are_as_in_keras, 0, COUNT);
    tcase_add_loop_test(tests, gradients_are_as_in_keras, 0, COUNT);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
