/* How a data set reaches a plan: the order of a pass, whole or in chunks, and batches made by a
 * function. */
#include "problem.h"

#include "train/feed.h"

#define SAMPLES 10
#define WIDTH 2

/* x[i] = {i, 10 i}, y[i] = i % 3 */
static kiln_dataset *ten(void)
{
    float x[SAMPLES][WIDTH];
    int32_t y[SAMPLES];
    for (int i = 0; i < SAMPLES; i++) {
        x[i][0] = (float)i;
        x[i][1] = (float)(10 * i);
        y[i] = i % 3;
    }
    kiln_array input = {.shape = KILN_SHAPE(WIDTH), .data = x};
    kiln_array target = {.dtype = KILN_INT32, .data = y};
    kiln_dataset *data = kiln_dataset_from_arrays(SAMPLES, 1, &input, 1, &target);
    ck_assert_msg(data != NULL, "%s", kiln_last_error());
    return data;
}

static kiln_model *small(kiln_device *device)
{
    kiln_model *model = kiln_sequential(kiln_dense(3, .input_shape = KILN_SHAPE(WIDTH)));
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    harness_ok(kiln_model_set_seed(model, 3));
    problem_compile(model, device, kiln_sgd(.learning_rate = 0.01));
    return model;
}

/* Takes the next batches and says how many rows they have. */
static void expect_rows(feed *f, program *p, size_t count, const uint32_t *rows)
{
    size_t seen = 0;
    for (;;) {
        plan_step steps[8];
        int64_t n;
        harness_ok(feed_next(f, p, 8, steps, &n));
        if (n == 0)
            break;
        for (int64_t i = 0; i < n; i++) {
            ck_assert_uint_lt(seen, count);
            ck_assert_uint_eq(steps[i].rows, rows[seen++]);
        }
    }
    ck_assert_uint_eq(seen, count);
}

/* What lies on the host of a chunk are the rows of the order. */
static void check_chunk(const feed *f)
{
    const float *x = (const float *)f->columns[0].chunk[f->use];
    const int32_t *y = (const int32_t *)f->columns[1].chunk[f->use];
    for (int i = 0; i < SAMPLES; i++) {
        /* batches of 4: none of them is partial before the last */
        ck_assert_float_eq(x[WIDTH * i + 1], (float)(10 * f->rows[i]));
        ck_assert_int_eq(y[i], (int32_t)(f->rows[i] % 3));
    }
}

START_TEST(orders)
{
    const uint32_t rows[] = {4, 4, 2};
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = ten();
        kiln_model *model = small(device);
        for (int chunks = 0; chunks < 2; chunks++) {
            feed f;
            program *p;
            feed_request request = {.targets = true, .batch = 4};
            feed_whole_limit = chunks ? 0 : SIZE_MAX;
            harness_ok(feed_open(training_of(model), data, &request, &f));
            ck_assert_int_eq(f.whole, !chunks);
            ck_assert_int_eq(f.steps, 3);
            harness_ok(program_get(f.training, TRAINING_FIT, 4, &f.types, &p));
            uint32_t first[SAMPLES];
            int seen[SAMPLES] = {0};
            harness_ok(feed_start(&f, true, 5, 0));
            memcpy(first, f.rows, sizeof first);
            for (int i = 0; i < SAMPLES; i++) {
                ck_assert_uint_lt(first[i], SAMPLES);
                seen[first[i]]++;
            }
            for (int i = 0; i < SAMPLES; i++)
                ck_assert_int_eq(seen[i], 1);
            expect_rows(&f, p, 3, rows);
            ck_assert(feed_exhausted(&f));
            if (chunks) {
                f.use = 1 - f.use; /* the one before the empty one */
                check_chunk(&f);
                f.use = 1 - f.use;
            }
            harness_ok(feed_start(&f, true, 5, 3)); /* three steps later */
            ck_assert_mem_ne(first, f.rows, sizeof first);
            harness_ok(feed_start(&f, true, 6, 0));
            ck_assert_mem_ne(first, f.rows, sizeof first);
            harness_ok(feed_start(&f, true, 5, 0)); /* a function of seed and place alone */
            ck_assert_mem_eq(first, f.rows, sizeof first);
            harness_ok(feed_start(&f, false, 5, 0));
            for (uint32_t i = 0; i < SAMPLES; i++)
                ck_assert_uint_eq(f.rows[i], i);
            feed_close(&f);
        }
        feed_whole_limit = SIZE_MAX;
        kiln_model_free(model);
        kiln_dataset_free(data);
    }
}
END_TEST

/* ---- windows of one array ---- */

enum { LONG = 60, WINDOW = 4 };

/* Windows of rows (row, 2 row + 1) of one array, `stride` rows apart, of every `step`th row; the
 * target is the row behind. Packed: the same as arrays. */
static kiln_dataset *windows(int64_t stride, int64_t step, bool packed)
{
    float *rows = calloc(LONG * WIDTH, sizeof *rows);
    int64_t samples = (LONG - 1 - (WINDOW - 1) * step - 1) / stride + 1;
    for (int i = 0; i < LONG; i++) {
        rows[WIDTH * i] = (float)i / LONG;
        rows[WIDTH * i + 1] = (float)(i % 7);
    }
    data_block *block = data_block_new(rows, LONG * WIDTH * sizeof *rows, false);
    kiln_dataset *data = dataset_new("windows");
    data->samples = samples;
    harness_ok(
        dataset_share_input(data, NULL, KILN_FLOAT32, KILN_SHAPE(WINDOW, WIDTH), block, rows));
    data->inputs[0].stride = stride * WIDTH;
    data->inputs[0].step = step * WIDTH;
    harness_ok(dataset_share_target(data, NULL, KILN_FLOAT32, KILN_SHAPE(WIDTH), block,
                                    rows + ((WINDOW - 1) * step + 1) * WIDTH));
    data->targets[0].stride = stride * WIDTH;
    data_block_release(block);
    if (!packed)
        return data;
    int64_t *all = calloc((size_t)samples, sizeof *all);
    for (int64_t i = 0; i < samples; i++)
        all[i] = i;
    kiln_dataset *copy = dataset_gather(data, samples, all);
    ck_assert_msg(copy != NULL, "%s", kiln_last_error());
    for (int64_t i = 0; i < samples; i++)
        for (int64_t k = 0; k < WINDOW; k++) {
            const float *x = (const float *)copy->inputs[0].data + (i * WINDOW + k) * WIDTH;
            ck_assert_float_eq(x[0], (float)(i * stride + k * step) / LONG);
            ck_assert_float_eq(x[1], (float)((i * stride + k * step) % 7));
        }
    kiln_dataset_free(data);
    free(all);
    return copy;
}

START_TEST(windows_of_one_array)
{
    static const int64_t layouts[][2] = {{1, 1}, {3, 1}, {2, 5}};
    HARNESS_EACH_DEVICE(device)
    {
        for (int way = 0; way < 3 * 3; way++) {
            kiln_model *model = kiln_sequential(
                kiln_flatten(.input_shape = KILN_SHAPE(WINDOW, WIDTH)), kiln_dense(WIDTH));
            harness_ok(kiln_model_set_seed(model, 3));
            harness_ok(kiln_compile(model, .device = device, .loss = kiln_mean_squared_error(),
                                    .optimizer = kiln_sgd(.learning_rate = 0.01)));
            kiln_dataset *data = windows(layouts[way / 3][0], layouts[way / 3][1], way % 3 == 2);
            kiln_dataset *part = kiln_dataset_slice(data, 2, kiln_dataset_size(data) - 2);
            feed_whole_limit = way % 3 == 1 ? 0 : SIZE_MAX; /* whole, in chunks, packed */
            problem_fitted(kiln_fit(model, part, .epochs = 2, .batch_size = 8, .verbose = KILN_NO));
            static double loss[3];
            loss[way % 3] = kiln_logs_get(
                kiln_evaluate(model, data, .batch_size = 8, .verbose = KILN_NO), "loss");
            ck_assert_double_eq_tol(loss[way % 3], loss[0], 1e-6);
            kiln_dataset_free(part);
            kiln_dataset_free(data);
            kiln_model_free(model);
        }
        feed_whole_limit = SIZE_MAX;
    }
}
END_TEST

/* ---- functions ---- */

typedef struct source {
    int calls, epoch_calls; /* 0: without end */
    int64_t claim;          /* samples too many */
    kiln_status status;
    bool explains;
} source;

static kiln_status make_batch(void *user, int64_t batch_size, void *const *x, void *const *y,
                              int64_t *samples)
{
    source *s = user;
    s->calls++;
    if (s->status != KILN_OK)
        return s->explains ? kiln_fail(s->status, "the well is dry") : s->status;
    *samples = s->epoch_calls && s->calls > s->epoch_calls ? 0 : batch_size + s->claim;
    for (int64_t i = 0; i < batch_size; i++) {
        ((float *)x[0])[WIDTH * i] = (float)s->calls;
        ((float *)x[0])[WIDTH * i + 1] = (float)i;
        ((int32_t *)y[0])[i] = (int32_t)(i % 3);
    }
    return KILN_OK;
}

static kiln_dataset *from(source *s, int64_t steps)
{
    kiln_array x = {.shape = KILN_SHAPE(WIDTH)}, y = {.dtype = KILN_INT32};
    kiln_dataset *data = kiln_dataset_from_function(make_batch, s, steps, 1, &x, 1, &y);
    ck_assert_msg(data != NULL, "%s", kiln_last_error());
    return data;
}

static void check_fails(kiln_model *model, kiln_dataset *data, kiln_status status,
                        const char *message)
{
    kiln_clear_error();
    ck_assert_ptr_null(kiln_fit(model, data, .batch_size = 4, .verbose = KILN_NO));
    ck_assert_int_eq(kiln_last_status(), status);
    ck_assert_str_eq(kiln_last_error(), message);
    kiln_clear_error();
}

START_TEST(functions)
{
    const uint32_t rows[] = {4, 4, 4};
    HARNESS_EACH_DEVICE(device)
    {
        kiln_model *model = small(device);
        for (int counted = 0; counted < 2; counted++) {
            source s = {.epoch_calls = counted ? 0 : 3};
            kiln_dataset *data = from(&s, counted ? 3 : 0);
            feed f;
            program *p;
            feed_request request = {.targets = true, .batch = 4};
            harness_ok(feed_open(training_of(model), data, &request, &f));
            ck_assert_int_eq(f.steps, counted ? 3 : -1);
            harness_ok(program_get(f.training, TRAINING_FIT, 4, &f.types, &p));
            harness_ok(feed_start(&f, true, 1, 0));
            expect_rows(&f, p, 3, rows);
            ck_assert(feed_exhausted(&f));
            ck_assert_int_eq(s.calls, counted ? 3 : 4); /* not asked again after the end */
            feed_close(&f);
            kiln_dataset_free(data);
        }
        source s = {.claim = 1};
        kiln_dataset *data = from(&s, 0);
        check_fails(model, data, KILN_ERROR_ARGUMENT,
                    "function: the function that makes batches says it made 5 samples; it may make "
                    "1 to 4, or 0 at the end of the epoch");
        s = (source){.claim = -9};
        check_fails(model, data, KILN_ERROR_ARGUMENT,
                    "function: the function that makes batches says it made -5 samples; it may "
                    "make 1 to 4, or 0 at the end of the epoch");
        s = (source){.status = KILN_ERROR_FILE};
        check_fails(model, data, KILN_ERROR_FILE,
                    "function: the function that makes batches failed at batch 1 with status 3");
        s = (source){.status = KILN_ERROR_FILE, .explains = true};
        check_fails(model, data, KILN_ERROR_FILE, "the well is dry");
        kiln_dataset_free(data);
        kiln_model_free(model);
    }
}
END_TEST

/* To predict, a function is asked for its targets all the same, and they go nowhere. */
START_TEST(predictions_from_a_function)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_model *model = small(device);
        source s = {.epoch_calls = 3};
        kiln_dataset *data = from(&s, 0);
        int64_t samples;
        float *out = kiln_predict(&samples, model, data, .batch_size = 4, .verbose = KILN_NO);
        ck_assert_msg(out != NULL, "%s", kiln_last_error());
        ck_assert_int_eq(samples, 12);
        float x[12][WIDTH], wanted[12 * 3], *const outs[] = {wanted};
        for (int i = 0; i < 12; i++) {
            x[i][0] = (float)(i / 4 + 1);
            x[i][1] = (float)(i % 4);
        }
        kiln_array input = {.shape = KILN_SHAPE(WIDTH), .data = x};
        harness_ok(kiln_predict_on_batch(model, 12, &input, outs));
        for (int i = 0; i < 36; i++)
            ck_assert_float_eq_tol(out[i], wanted[i], 1e-5f);
        free(out);
        int32_t labels[12];
        for (int i = 0; i < 12; i++)
            labels[i] = i % 4 % 3;
        kiln_array target = {.dtype = KILN_INT32, .data = labels};
        const kiln_logs *logs = kiln_test_on_batch(model, 12, &input, &target, NULL);
        ck_assert_msg(logs != NULL, "%s", kiln_last_error());
        double loss = kiln_logs_get(logs, "loss");
        s = (source){.epoch_calls = 3};
        logs = kiln_evaluate(model, data, .batch_size = 4, .verbose = KILN_NO);
        ck_assert_msg(logs != NULL, "%s", kiln_last_error());
        ck_assert_double_eq_tol(kiln_logs_get(logs, "loss"), loss, 1e-5);
        s = (source){0};
        out = kiln_predict(&samples, model, data, .batch_size = 4, .steps = 2, .verbose = KILN_NO);
        ck_assert_msg(out != NULL, "%s", kiln_last_error());
        ck_assert_int_eq(samples, 8);
        free(out);
        kiln_dataset_free(data);
        kiln_model_free(model);
    }
}
END_TEST

/* A function fills the arrays in the order in which they were declared, whatever the model's. */
static kiln_status two_inputs(void *user, int64_t batch_size, void *const *x, void *const *y,
                              int64_t *samples)
{
    (void)user;
    for (int64_t i = 0; i < batch_size; i++) {
        ((float *)x[0])[i] = 1;     /* b */
        ((float *)x[1])[2 * i] = 2; /* a */
        ((float *)x[1])[2 * i + 1] = 3;
        ((float *)y[0])[i] = 0;
    }
    *samples = batch_size;
    return KILN_OK;
}

START_TEST(functions_fill_what_they_declare)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_model *model = model_new("pair", false);
        int a, b, first, second;
        harness_ok(model_apply(model, kiln_input_layer(KILN_SHAPE(2), .name = "a"), 0, NULL, &a));
        harness_ok(model_apply(model, kiln_input_layer(KILN_SHAPE(1), .name = "b"), 0, NULL, &b));
        harness_ok(model_apply(model, kiln_rescaling(10, .name = "first"), 1, &a, &first));
        harness_ok(model_apply(model, kiln_rescaling(100, .name = "second"), 1, &b, &second));
        harness_ok(model_set_ends(model, 2, (int[]){a, b}, 2, (int[]){first, second}));
        harness_ok(kiln_compile(model, .device = device));
        kiln_array inputs[] = {{"b", KILN_FLOAT32, KILN_SHAPE(1), NULL},
                               {"a", KILN_FLOAT32, KILN_SHAPE(2), NULL}};
        kiln_array target = {.name = "none"};
        kiln_dataset *data = kiln_dataset_from_function(two_inputs, NULL, 1, 2, inputs, 1, &target);
        ck_assert_msg(data != NULL, "%s", kiln_last_error());
        for (size_t output = 0; output < 2; output++) {
            int64_t samples;
            float *out = kiln_predict(&samples, model, data, .batch_size = 4, .output = output,
                                      .verbose = KILN_NO);
            ck_assert_msg(out != NULL, "%s", kiln_last_error());
            ck_assert_int_eq(samples, 4);
            ck_assert_float_eq(out[0], output ? 100 : 20);
            ck_assert_float_eq(out[1], output ? 100 : 30);
            free(out);
        }
        kiln_dataset_free(data);
        kiln_model_free(model);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("feed");
    TCase *tests = tcase_create("feed");
    tcase_add_test(tests, orders);
    tcase_add_test(tests, windows_of_one_array);
    tcase_add_test(tests, functions);
    tcase_add_test(tests, predictions_from_a_function);
    tcase_add_test(tests, functions_fill_what_they_declare);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
