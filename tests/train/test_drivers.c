/* Every driver trains the MNIST network and a recurrent one alike: the same initial weights and batches, dropout's
 * masks bit for bit, and at each step a loss that differs from the others' by no more than rounding
 * can make it. The figures below were made by one driver (PoCL 3.1) and hold for all. */
#include "problem.h"

#include "base/hash.h"
#include "base/philox.h"
#include "graph/plan.h"

#include <math.h>
#include <pthread.h>

#define BATCH 32
#define STEPS 100
#define SEED 20240229

#include "fixtures/drivers.h"

/* One step after the other by kiln_fit with one batch an epoch: shuffled, with dropout. */
static kiln_status keep_loss(void *user, kiln_model *model, int64_t epoch, const kiln_logs *logs)
{
    (void)model;
    ((double *)user)[epoch] = kiln_logs_get(logs, "loss");
    return KILN_OK;
}

static kiln_dataset *images(void)
{
    return problem_images(20 * BATCH, 28);
}

static kiln_model *dense(void)
{
    return problem_model(28, 128, 0.2, SEED);
}

/* Ten rows of tokens under noise. */
static kiln_dataset *rows_of_tokens(void)
{
    enum { COUNT = 20 * BATCH, LENGTH = 10, TOKENS = 24 };
    static int32_t tokens[COUNT * LENGTH], labels[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        labels[i] = problem_label(i);
        for (uint32_t k = 0; k < LENGTH; k++) {
            uint32_t noise = scramble(100000 + i * LENGTH + k);
            tokens[i * LENGTH + k] =
                (int32_t)((noise % 3 ? scramble((uint32_t)labels[i] * LENGTH + k) : noise >> 8) % TOKENS);
        }
    }
    kiln_array x = {.dtype = KILN_INT32, .shape = {1, {LENGTH}}, .data = tokens};
    kiln_array y = {.dtype = KILN_INT32, .data = labels};
    kiln_dataset *data = kiln_dataset_from_arrays(COUNT, 1, &x, 1, &y);
    ck_assert_msg(data != NULL, "%s", kiln_last_error());
    return data;
}

static kiln_model *recurrent(void)
{
    kiln_model *model = kiln_sequential(
        kiln_embedding(24, 8, .input_shape = KILN_SHAPE(10)),
        kiln_lstm(12, .return_sequences = KILN_YES, .dropout = 0.1, .recurrent_dropout = 0.1),
        kiln_gru(12, .return_sequences = KILN_YES), kiln_simple_rnn(12), kiln_dropout(0.2), kiln_dense(10));
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    harness_ok(kiln_model_set_seed(model, SEED));
    return model;
}

static const struct {
    const char *name;
    kiln_dataset *(*data)(void);
    kiln_model *(*model)(void);
    uint64_t weights; /* the hash of the initial ones */
    const double *losses;
    double within;
    int slow_steps; /* on drivers that interpret */
} networks[] = {
    {"dense", images, dense, drivers_weights, drivers_losses, 1e-4, 12},
    {"recurrent", rows_of_tokens, recurrent, drivers_recurrent_weights, drivers_recurrent_losses, 1e-3, STEPS},
};

START_TEST(losses_agree)
{
    HARNESS_EACH_DEVICE(device)
    {
        int steps = harness_is_slow(device) ? networks[_i].slow_steps : STEPS;
        double losses[STEPS];
        kiln_dataset *data = networks[_i].data();
        kiln_model *model = networks[_i].model();
        problem_compile(model, device, kiln_adam());
        size_t count;
        float *weights = problem_weights(model, &count);
        uint64_t bits = hash_bytes(0, weights, count * sizeof *weights);
        ck_assert_msg(bits == networks[_i].weights, "%s: initial weights have bits %016llx",
                      networks[_i].name, (unsigned long long)bits);
        free(weights);
        kiln_callback *callback =
            kiln_callback_new(&(kiln_callback_functions){.on_epoch_end = keep_loss}, losses);
        const kiln_history *history =
            kiln_fit(model, data, .batch_size = BATCH, .steps_per_epoch = 1, .epochs = steps,
                     .verbose = KILN_NO, .callbacks = {callback});
        ck_assert_msg(history != NULL, "%s", kiln_last_error());
        for (int s = 0; s < steps; s++) {
            double wanted = networks[_i].losses[s];
            if (getenv("KILN_TEST_PRINT"))
                printf("%.9g,\n", losses[s]);
            else
                ck_assert_msg(fabs(losses[s] - wanted) <= networks[_i].within * wanted,
                              "%s, step %d: loss %.9g instead of %.9g", networks[_i].name, s, losses[s], wanted);
        }
        kiln_model_free(model);
        kiln_dataset_free(data);
    }
}
END_TEST

enum { THREADS = 3, THREAD_STEPS = 12 };

typedef struct one_thread {
    const char *selector;
    kiln_dataset *data; /* shared by all */
    double losses[THREAD_STEPS];
    char error[512];
} one_thread;

static void *train_in_thread(void *argument)
{
    one_thread *t = argument;
    kiln_device *device = kiln_device_open(t->selector);
    kiln_model *model = problem_model(28, 128, 0.2, SEED);
    kiln_callback *callback =
        kiln_callback_new(&(kiln_callback_functions){.on_epoch_end = keep_loss}, t->losses);
    bool good = device &&
                kiln_compile(model, .device = device, .optimizer = kiln_adam(),
                             .loss = kiln_sparse_categorical_crossentropy(.from_logits =
                                                                              KILN_YES)) == KILN_OK;
    if (!good)
        kiln_callback_free(callback);
    if (!good ||
        kiln_fit(model, t->data, .batch_size = BATCH, .steps_per_epoch = 1, .epochs = THREAD_STEPS,
                 .verbose = KILN_NO, .callbacks = {callback}) == NULL)
        snprintf(t->error, sizeof t->error, "%s.", kiln_last_error());
    kiln_model_free(model);
    kiln_device_close(device);
    return NULL;
}

/* Several devices of one process, each in a thread of its own; where there is only one it is opened
 * several times. */
START_TEST(devices_train_in_threads)
{
    pthread_t threads[THREADS];
    static one_thread all[THREADS];
    size_t count;
    const char *const *selectors = harness_devices(&count);
    kiln_dataset *data = problem_images(20 * BATCH, 28);
    for (size_t i = 0; i < THREADS; i++) {
        all[i].selector = selectors[i % count];
        all[i].data = data;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, train_in_thread, &all[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < THREADS; i++) {
        ck_assert_msg(all[i].error[0] == '\0', "%s", all[i].error);
        for (int s = 0; s < THREAD_STEPS; s++) {
            ck_assert_double_le(fabs(all[i].losses[s] - drivers_losses[s]),
                                1e-4 * drivers_losses[s]);
            if (i >= count) /* the same device: the same bits */
                ck_assert_double_eq(all[i].losses[s], all[i % count].losses[s]);
        }
    }
    kiln_dataset_free(data);
}
END_TEST

/* The masks themselves: draws on the device against the host's Philox. */
START_TEST(masks_agree)
{
    enum { ROWS = 6, WIDTH = 40, STEP = 77, SAMPLE = 5, STREAM = 3 };
    const uint64_t seed = 0x123456789abcdef0;
    HARNESS_EACH_DEVICE(device)
    {
        ir_graph graph = {0};
        ir_id draws = op_uniform(&graph, (kiln_shape){2, {ROWS, WIDTH}}, STREAM);
        ir_id output = op_binary(&graph, F_GREATER_EQUAL, draws, op_constant(&graph, 0.3));
        plan_request request = {.name = "masks",
                                .graph = &graph,
                                .output_count = 1,
                                .outputs = &output,
                                .loss = IR_NONE,
                                .seed = seed};
        plan *p;
        harness_ok(plan_create(device, &request, &p));
        harness_ok(
            plan_load_steps(p, &(plan_step){.rows = ROWS, .step = STEP, .sample = SAMPLE}, 1));
        harness_ok(plan_enqueue(p, 1));
        float mask[ROWS * WIDTH];
        harness_ok(plan_read_output(p, 0, mask));
        for (uint32_t r = 0; r < ROWS; r++)
            for (uint32_t c = 0; c < WIDTH; c++) {
                uint32_t sample = SAMPLE + r, words[4];
                philox4x32((const uint32_t[4]){STREAM, STEP, sample / 4, c},
                           (const uint32_t[2]){(uint32_t)seed, (uint32_t)(seed >> 32)}, words);
                float unit = (float)(words[sample % 4] >> 8) * 0x1p-24f;
                ck_assert_int_eq(mask[r * WIDTH + c] != 0, unit >= 0.3f);
            }
        plan_free(p);
        ir_free(&graph);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("drivers");
    TCase *all = tcase_create("all");
    tcase_add_loop_test(all, losses_agree, 0, sizeof networks / sizeof *networks);
    tcase_add_test(all, devices_train_in_threads);
    tcase_add_test(all, masks_agree);
    suite_add_tcase(suite, all);
    return harness_run(suite);
}
