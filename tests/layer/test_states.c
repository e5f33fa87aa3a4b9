/* States of recurrent layers: returned, started with, kept from batch to batch; stacked cells and
 * convolutional ones. Each against layers that do the same in another way. */
#include "runner.h"

#include <kiln/kiln.h>

#include <math.h>

#define COUNT(ARRAY) (sizeof(ARRAY) / sizeof *(ARRAY))

enum { ROWS = 3, STEPS = 6, FEATURES = 4, MOST = 4096 };

static kiln_array array(kiln_shape shape, const void *data)
{
    return (kiln_array){.dtype = KILN_FLOAT32, .shape = shape, .data = data};
}

static kiln_tensor *apply(kiln_layer *layer, kiln_tensor *x)
{
    return kiln_apply(layer, x);
}

static kiln_model *model_of(kiln_tensor *x, kiln_tensor *y)
{
    kiln_model *model = kiln_functional(KILN_TENSORS(x), KILN_TENSORS(y));
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    return model;
}

/* Weights of one model into another, beginning at the other's `first`. */
static void copy_weights(kiln_model *from, kiln_model *to, size_t first)
{
    static float values[MOST];
    for (size_t i = 0; i < kiln_model_weight_count(from); i++) {
        size_t count = (size_t)kiln_shape_size(kiln_model_weight_shape(from, i));
        ck_assert_uint_le(count, MOST);
        harness_ok(kiln_get_weights(from, i, values, count));
        harness_ok(kiln_set_weights(to, first + i, values, count));
    }
}

/* What a model makes of its inputs. */
static void predict(kiln_device *device, kiln_model *model, const float *const *inputs,
                    float *const *outputs)
{
    kiln_array x[8];
    harness_ok(kiln_compile(model, .device = device, .loss = kiln_mean_squared_error()));
    for (size_t i = 0; i < kiln_model_input_count(model); i++)
        x[i] = array(kiln_model_input_shape(model, i), inputs[i]);
    harness_ok(kiln_predict_on_batch(model, ROWS, x, outputs));
}

/* Recurrent layers, all with a number of units of 3. Options that are 0 are left out. */
enum { KINDS = 6 };
static kiln_layer *make(int kind, kiln_choice sequences, kiln_choice state, kiln_choice stateful)
{
    const kiln_choice no = KILN_NO;
#define OPTIONS .return_sequences = sequences, .return_state = state, .stateful = stateful
    switch (kind) {
    case 0:
        return kiln_simple_rnn(3, OPTIONS);
    case 1:
        return kiln_lstm(3, OPTIONS);
    case 2:
        return kiln_gru(3, OPTIONS);
    case 3:
        return kiln_gru(3, .reset_after = no, .use_bias = no, OPTIONS);
    case 4:
        return kiln_rnn(kiln_lstm_cell(3), OPTIONS);
    default:
        return kiln_rnn(kiln_stacked_rnn_cells(kiln_lstm_cell(2), kiln_gru_cell(5),
                                               kiln_simple_rnn_cell(3)),
                        OPTIONS);
    }
}

/* Half of the steps of (rows, 2 * STEPS, width). */
static void half_of(const float *all, int half, int width, float *out)
{
    for (int r = 0; r < ROWS; r++)
        memcpy(out + (size_t)(r * STEPS * width), all + (size_t)((2 * r + half) * STEPS * width),
               sizeof *out * (size_t)(STEPS * width));
}

/* A sequence in one, and in two halves of which the second starts as the first ended: by states that
 * are returned and given, and by states that are kept. */
START_TEST(halves)
{
    const kiln_choice yes = KILN_YES, no = KILN_DEFAULT;
    const int kind = _i;
    HARNESS_EACH_DEVICE(device)
    {
        char what[80];
        kiln_tensor *in = kiln_input(KILN_SHAPE(2 * STEPS, FEATURES));
        kiln_model *whole = model_of(in, apply(make(kind, yes, no, no), in));
        runner_set_weights(whole, 1);
        float *x = runner_pattern((size_t)ROWS * 2 * STEPS * FEATURES, 11, 23);
        static float y[ROWS * 2 * STEPS * 3], xs[2][ROWS * STEPS * FEATURES],
            wanted[2][ROWS * STEPS * 3], made[2][ROWS * STEPS * 3];
        predict(device, whole, (const float *[]){x}, (float *[]){y});
        for (int half = 0; half < 2; half++) {
            half_of(x, half, FEATURES, xs[half]);
            half_of(y, half, 3, wanted[half]);
        }
        /* Given. */
        kiln_tensor *a = kiln_input(KILN_SHAPE(STEPS, FEATURES)),
                    *b = kiln_input(KILN_SHAPE(STEPS, FEATURES)),
                    *first = apply(make(kind, yes, yes, no), a), *given[8] = {b};
        size_t states = kind == 5 ? 4 : kind == 1 || kind == 4 ? 2 : 1;
        for (size_t i = 1; i <= states; i++)
            given[i] = kiln_tensor_output(first, i);
        kiln_tensor *second = kiln_apply_to(make(kind, yes, no, no), states + 1, given);
        kiln_model *two = kiln_functional(KILN_TENSORS(a, b), KILN_TENSORS(first, second));
        ck_assert_msg(two != NULL, "%s", kiln_last_error());
        for (int reading = 0; reading < (kind % 4 == 1 ? 2 : 1); reading++) {
            copy_weights(whole, two, 0);
            copy_weights(whole, two, kiln_model_weight_count(whole));
            predict(device, two, (const float *[]){xs[0], xs[1]}, (float *[]){made[0], made[1]});
            for (int half = 0; half < 2; half++) {
                snprintf(what, sizeof what, "kind %d, half %d, reading %d", kind, half, reading);
                runner_compare(what, made[half], wanted[half], ROWS * STEPS * 3, 1e-5);
            }
            if (kind % 4 != 1)
                break;
            /* The same once more, as its own JSON says. */
            char *json = kiln_model_to_json(two, 2);
            kiln_model *again = json ? kiln_model_from_json(json) : NULL;
            ck_assert_msg(again != NULL, "%s", kiln_last_error());
            free(json);
            kiln_model_free(two);
            two = again;
        }
        kiln_model_free(two);
        /* Kept. */
        in = kiln_input(KILN_SHAPE(STEPS, FEATURES), .batch_size = ROWS);
        kiln_model *kept = model_of(in, apply(make(kind, yes, no, yes), in));
        ck_assert_uint_eq(kiln_model_weight_count(kept), kiln_model_weight_count(whole));
        ck_assert_int_eq(kiln_model_count_params(kept), kiln_model_count_params(whole));
        copy_weights(whole, kept, 0);
        for (int round = 0; round < 4; round++) {
            int half = round % 2;
            snprintf(what, sizeof what, "kind %d, round %d", kind, round);
            if (round == 3) { /* evaluating moves the states on, too */
                kiln_array ex = array(KILN_SHAPE(STEPS, FEATURES), xs[1]),
                           ey = array(KILN_SHAPE(STEPS, 3), wanted[1]);
                const kiln_logs *logs = kiln_test_on_batch(kept, ROWS, &ex, &ey, NULL);
                ck_assert_msg(logs != NULL, "%s", kiln_last_error());
                ck_assert_double_lt(kiln_logs_get(logs, "loss"), 1e-9);
            } else {
                predict(device, kept, (const float *[]){xs[half]}, (float *[]){made[half]});
                runner_compare(what, made[half], wanted[half], ROWS * STEPS * 3, 1e-5);
            }
            if (round == 1)
                harness_ok(kiln_reset_states(kept));
        }
        /* As batches of one data set: the rows of a batch go on in the next one's. */
        harness_ok(kiln_reset_states(kept));
        kiln_array batches = array(KILN_SHAPE(STEPS, FEATURES), xs);
        kiln_dataset *data = kiln_dataset_from_arrays(2 * ROWS, 1, &batches, 0, NULL);
        ck_assert_msg(data != NULL, "%s", kiln_last_error());
        int64_t samples;
        float *all = kiln_predict(&samples, kept, data, .verbose = KILN_NO);
        ck_assert_msg(all != NULL, "%s", kiln_last_error());
        ck_assert_int_eq(samples, 2 * ROWS);
        runner_compare("all batches", all, wanted[0], 2 * ROWS * STEPS * 3, 1e-5);
        free(all);
        free(x);
        kiln_dataset_free(data);
        kiln_model_free(kept);
        kiln_model_free(whole);
    }
}
END_TEST

/* A row that is masked altogether, and masked steps in the others. */
static float *masked_input(void)
{
    float *x = runner_pattern((size_t)ROWS * STEPS * FEATURES, 11, 23);
    for (int r = 0; r < ROWS; r++)
        for (int s = 0; s < STEPS; s++)
            for (int k = 0; k < FEATURES && (r == 1 || (r * 3 + s) % 4 == 1); k++)
                x[(r * STEPS + s) * FEATURES + k] = 0;
    return x;
}

/* RNN of a cell is that cell's layer, and of several cells the layers one behind the other; masked
 * or not, from either end. */
START_TEST(stacked)
{
    const kiln_choice yes = KILN_YES;
    HARNESS_EACH_DEVICE(device)
    {
        for (int option = 0; option < 4; option += 3) {
            kiln_choice back = option & 1 ? yes : KILN_NO, zero = option & 2 ? yes : KILN_NO;
            static float y[2][ROWS * STEPS * 3], states[2][3][ROWS * 3];
            float *x = masked_input();
            kiln_tensor *in[2], *out[2];
            kiln_model *models[2];
            for (int i = 0; i < 2; i++) {
                in[i] = kiln_input(KILN_SHAPE(STEPS, FEATURES));
                kiln_tensor *m = apply(kiln_masking(), in[i]);
                if (i == 0) {
                    out[0] = apply(
                        kiln_rnn(kiln_stacked_rnn_cells(kiln_lstm_cell(3), kiln_gru_cell(3)),
                                 .return_sequences = yes, .return_state = yes,
                                 .go_backwards = back, .zero_output_for_mask = zero),
                        m);
                    models[0] = kiln_functional(
                        KILN_TENSORS(in[0]),
                        KILN_TENSORS(out[0], kiln_tensor_output(out[0], 1),
                                     kiln_tensor_output(out[0], 2), kiln_tensor_output(out[0], 3)));
                } else {
                    kiln_tensor *one = apply(kiln_lstm(3, .return_sequences = yes,
                                                       .return_state = yes, .go_backwards = back),
                                             m);
                    /* What goes backwards gives the last step first, with the mask as it was; so
                     * only the unmasked order can be given on. */
                    kiln_tensor *two = apply(
                        kiln_gru(3, .return_sequences = yes, .return_state = yes,
                                 .zero_output_for_mask = zero),
                        one);
                    models[1] = kiln_functional(
                        KILN_TENSORS(in[1]),
                        KILN_TENSORS(two, kiln_tensor_output(one, 1), kiln_tensor_output(one, 2),
                                     kiln_tensor_output(two, 1)));
                }
                ck_assert_msg(models[i] != NULL, "%s", kiln_last_error());
            }
            runner_set_weights(models[0], 1);
            copy_weights(models[0], models[1], 0);
            for (int i = 0; i < 2; i++)
                predict(device, models[i], (const float *[]){x},
                        (float *[]){y[i], states[i][0], states[i][1], states[i][2]});
            runner_compare("h of the first cell", states[0][0], states[1][0], ROWS * 3, 1e-5);
            runner_compare("c of the first cell", states[0][1], states[1][1], ROWS * 3, 1e-5);
            if (back == KILN_NO) {
                runner_compare("output", y[0], y[1], ROWS * STEPS * 3, 1e-5);
                runner_compare("h of the second cell", states[0][2], states[1][2], ROWS * 3, 1e-5);
                for (int k = 0; k < STEPS * 3; k++) /* nothing but masked steps */
                    ck_assert_float_eq(y[0][STEPS * 3 + k], 0);
            }
            for (int i = 0; i < 2; i++)
                kiln_model_free(models[i]);
            free(x);
        }
    }
}
END_TEST

/* Both directions by themselves are what is merged, and their states those of the layers. */
START_TEST(both_directions)
{
    const kiln_choice yes = KILN_YES;
    HARNESS_EACH_DEVICE(device)
    {
        static float y[2][ROWS * STEPS * 2], state[4][ROWS * 2], merged[ROWS * STEPS * 4],
            plain[2][ROWS * STEPS * 2], plain_state[4][ROWS * 2];
        float *x = masked_input();
        kiln_tensor *a = kiln_input(KILN_SHAPE(STEPS, FEATURES)),
                    *m = apply(kiln_masking(), a),
                    *both = apply(kiln_bidirectional(kiln_lstm(2, .return_sequences = yes,
                                                               .return_state = yes),
                                                     .merge_mode = "none"),
                                  m);
        kiln_model *none = kiln_functional(
            KILN_TENSORS(a), KILN_TENSORS(both, kiln_tensor_output(both, 1),
                                          kiln_tensor_output(both, 2), kiln_tensor_output(both, 3),
                                          kiln_tensor_output(both, 4),
                                          kiln_tensor_output(both, 5)));
        ck_assert_msg(none != NULL, "%s", kiln_last_error());
        a = kiln_input(KILN_SHAPE(STEPS, FEATURES));
        kiln_model *concat = model_of(
            a, apply(kiln_bidirectional(kiln_lstm(2, .return_sequences = yes)),
                     apply(kiln_masking(), a)));
        a = kiln_input(KILN_SHAPE(STEPS, FEATURES));
        m = apply(kiln_masking(), a);
        kiln_tensor *f = apply(kiln_lstm(2, .return_sequences = yes, .return_state = yes,
                                         .zero_output_for_mask = yes),
                               m),
                    *b = apply(kiln_lstm(2, .return_sequences = yes, .return_state = yes,
                                         .go_backwards = yes, .zero_output_for_mask = yes),
                               m);
        kiln_model *apart = kiln_functional(
            KILN_TENSORS(a), KILN_TENSORS(f, b, kiln_tensor_output(f, 1), kiln_tensor_output(f, 2),
                                          kiln_tensor_output(b, 1), kiln_tensor_output(b, 2)));
        ck_assert_msg(apart != NULL, "%s", kiln_last_error());
        runner_set_weights(none, 1);
        copy_weights(none, concat, 0);
        copy_weights(none, apart, 0);
        predict(device, none, (const float *[]){x},
                (float *[]){y[0], y[1], state[0], state[1], state[2], state[3]});
        predict(device, concat, (const float *[]){x}, (float *[]){merged});
        predict(device, apart, (const float *[]){x},
                (float *[]){plain[0], plain[1], plain_state[0], plain_state[1], plain_state[2],
                            plain_state[3]});
        for (int i = 0; i < ROWS * STEPS; i++) {
            int turned = i / STEPS * STEPS + STEPS - 1 - i % STEPS;
            runner_compare("forward", y[0] + 2 * i, merged + 4 * i, 2, 1e-6);
            runner_compare("backward", y[1] + 2 * i, merged + 4 * i + 2, 2, 1e-6);
            runner_compare("forward alone", y[0] + 2 * i, plain[0] + 2 * i, 2, 1e-6);
            runner_compare("backward alone", y[1] + 2 * i, plain[1] + 2 * turned, 2, 1e-6);
        }
        for (int i = 0; i < 4; i++)
            runner_compare("states", state[i], plain_state[i], ROWS * 2, 1e-6);
        kiln_model_free(none);
        kiln_model_free(concat);
        kiln_model_free(apart);
        free(x);
    }
}
END_TEST

/* ---- ConvLSTM, against its convolutions one by one ---- */

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* One step of an LSTM over `cells` places: gates (place, i f c o of `filters`). */
static void cell_step(const float *of_input, const float *of_state, int cells, int filters,
                      float *h, float *c)
{
    for (int p = 0; p < cells; p++)
        for (int f = 0; f < filters; f++) {
            double z[4];
            for (int gate = 0; gate < 4; gate++)
                z[gate] = (double)of_input[(p * 4 + gate) * filters + f] +
                          of_state[(p * 4 + gate) * filters + f];
            double carry = sigmoid(z[1]) * c[p * filters + f] + sigmoid(z[0]) * tanh(z[2]);
            c[p * filters + f] = (float)carry;
            h[p * filters + f] = (float)(sigmoid(z[3]) * tanh(carry));
        }
}

enum { HEIGHT = 5, WIDTH = 4, CHANNELS = 2, FILTERS = 3, TIMES = 3 };

/* (rows, height, width, channels) from channels last to first, or back. */
static void swap_channels(const float *x, int rows, int places, int channels, bool back, float *y)
{
    for (int r = 0; r < rows; r++)
        for (int p = 0; p < places; p++)
            for (int c = 0; c < channels; c++) {
                int last = (r * places + p) * channels + c, first = (r * channels + c) * places + p;
                if (back)
                    y[last] = x[first];
                else
                    y[first] = x[last];
            }
}

START_TEST(convolutions)
{
    const kiln_choice yes = KILN_YES;
    const struct {
        const char *padding, *format;
        kiln_shape kernel, strides, dilation, result;
        bool back;
    } all[] = {
        {"valid", "channels_last", {2, {3, 2}}, {0}, {0}, {2, {3, 3}}, false},
        {"same", "channels_last", {2, {2, 3}}, {1, {2}}, {0}, {2, {3, 2}}, true},
        {"same", "channels_first", {1, {3}}, {0}, {2, {2, 1}}, {2, {5, 4}}, false},
        {"valid", "channels_first", {2, {1, 3}}, {2, {1, 1}}, {0}, {2, {5, 2}}, true},
    };
    HARNESS_EACH_DEVICE(device)
    {
        for (size_t i = (size_t)_i; i == (size_t)_i; i++) {
            bool first = strcmp(all[i].format, "channels_first") == 0;
            int h = (int)all[i].result.dims[0], w = (int)all[i].result.dims[1], places = h * w;
            static float x[TIMES][ROWS * HEIGHT * WIDTH * CHANNELS],
                given[ROWS * TIMES * HEIGHT * WIDTH * CHANNELS], moved[MOST], y[MOST], states[2][MOST],
                state[2][MOST], of_input[MOST], of_state[MOST], wanted[TIMES][MOST];
            kiln_shape frame = first ? KILN_SHAPE(TIMES, CHANNELS, HEIGHT, WIDTH)
                                     : KILN_SHAPE(TIMES, HEIGHT, WIDTH, CHANNELS);
            kiln_tensor *in = kiln_input(frame),
                        *out = apply(
                            kiln_conv_lstm2d(FILTERS, all[i].kernel, .strides = all[i].strides,
                                             .padding = all[i].padding,
                                             .dilation_rate = all[i].dilation,
                                             .data_format = all[i].format, .return_sequences = yes,
                                             .return_state = yes,
                                             .go_backwards = all[i].back ? yes : KILN_NO),
                            in);
            kiln_model *model = kiln_functional(
                KILN_TENSORS(in),
                KILN_TENSORS(out, kiln_tensor_output(out, 1), kiln_tensor_output(out, 2)));
            ck_assert_msg(model != NULL, "%s", kiln_last_error());
            runner_set_weights(model, 0.5f);
            in = kiln_input(KILN_SHAPE(HEIGHT, WIDTH, CHANNELS));
            kiln_model *input = model_of(
                in, apply(kiln_conv2d(4 * FILTERS, all[i].kernel, .strides = all[i].strides,
                                      .padding = all[i].padding, .dilation_rate = all[i].dilation),
                          in));
            in = kiln_input(KILN_SHAPE(h, w, FILTERS));
            kiln_model *recurrent = model_of(
                in, apply(kiln_conv2d(4 * FILTERS, all[i].kernel, .padding = "same",
                                      .use_bias = KILN_NO),
                          in));
            for (size_t k = 0; k < 3; k++) {
                size_t count = (size_t)kiln_shape_size(kiln_model_weight_shape(model, k));
                harness_ok(kiln_get_weights(model, k, moved, count));
                harness_ok(k == 1 ? kiln_set_weights(recurrent, 0, moved, count)
                                  : kiln_set_weights(input, k / 2, moved, count));
            }
            int frame_size = HEIGHT * WIDTH * CHANNELS;
            for (int t = 0; t < TIMES; t++) {
                float *values = runner_pattern((size_t)(ROWS * frame_size), 11 + 2 * t, 23);
                memcpy(x[t], values, sizeof x[t]);
                free(values);
                if (first)
                    swap_channels(x[t], ROWS, HEIGHT * WIDTH, CHANNELS, false, moved);
                else
                    memcpy(moved, x[t], sizeof x[t]);
                for (int r = 0; r < ROWS; r++)
                    memcpy(given + (r * TIMES + t) * frame_size, moved + r * frame_size,
                           sizeof *given * (size_t)frame_size);
            }
            predict(device, model, (const float *[]){given}, (float *[]){y, states[0], states[1]});
            memset(state, 0, sizeof state);
            for (int k = 0; k < TIMES; k++) {
                int t = all[i].back ? TIMES - 1 - k : k;
                predict(device, input, (const float *[]){x[t]}, (float *[]){of_input});
                predict(device, recurrent, (const float *[]){state[0]}, (float *[]){of_state});
                cell_step(of_input, of_state, ROWS * places, FILTERS, state[0], state[1]);
                memcpy(wanted[k], state[0], sizeof *state[0] * (size_t)(ROWS * places * FILTERS));
            }
            int step = places * FILTERS;
            for (int k = 0; k < TIMES; k++)
                for (int r = 0; r < ROWS; r++) {
                    char what[80];
                    const float *found = y + (r * TIMES + k) * step;
                    if (first) {
                        swap_channels(found, 1, places, FILTERS, true, moved);
                        found = moved;
                    }
                    snprintf(what, sizeof what, "case %zu, step %d, row %d", i, k, r);
                    runner_compare(what, found, wanted[k] + r * step, (size_t)step, 2e-5);
                }
            for (int k = 0; k < 2; k++) {
                const float *found = states[k];
                if (first) {
                    swap_channels(found, ROWS, places, FILTERS, true, moved);
                    found = moved;
                }
                runner_compare("state", found, state[k], (size_t)(ROWS * step), 2e-5);
            }
            kiln_model_free(model);
            kiln_model_free(input);
            kiln_model_free(recurrent);
        }
    }
}
END_TEST

#define REFUSES(CALL, MESSAGE)                                                                     \
    do {                                                                                           \
        kiln_clear_error();                                                                        \
        ck_assert(!(CALL));                                                                        \
        ck_assert_str_eq(kiln_last_error(), MESSAGE);                                              \
    } while (0)

START_TEST(refused)
{
    const kiln_choice yes = KILN_YES;
    float x[7 * 12] = {0}, y[7 * 2] = {0};
    kiln_array xs = array(KILN_SHAPE(4, 3), x), ys = array(KILN_SHAPE(2), y);
    REFUSES(kiln_sequential(kiln_lstm(2, .stateful = yes, .input_shape = KILN_SHAPE(4, 3))),
            "layer lstm is stateful, so the number of rows in a batch must be fixed: give the "
            "model's input a batch_size");
    REFUSES(kiln_sequential(kiln_lstm(2, .return_state = yes, .input_shape = KILN_SHAPE(4, 3))),
            "layer lstm has several outputs, and a sequential model's layers have one each; make a "
            "functional model");
    REFUSES(kiln_time_distributed(kiln_gru(2, .return_state = yes)),
            "TimeDistributed layer: layer gru has several outputs, and each step can have one");
    REFUSES(kiln_rnn(kiln_gru(2)),
            "RNN layer: it takes SimpleRNNCell, LSTMCell, GRUCell and StackedRNNCells, and not a "
            "layer of class GRU");
    REFUSES(kiln_sequential(kiln_input_layer(KILN_SHAPE(4, 3)), kiln_lstm_cell(2)),
            "layer lstm_cell is a cell and no layer by itself; RNN makes one of it");
    REFUSES(kiln_bidirectional(kiln_lstm(2), .backward_layer = kiln_lstm(2, .go_backwards = yes,
                                                                         .stateful = yes)),
            "Bidirectional layer: the forward and the backward layer differ in stateful");
    kiln_tensor *a = kiln_input(KILN_SHAPE(4, 3)), *h = kiln_input(KILN_SHAPE(3));
    REFUSES(kiln_apply(kiln_gru(2), a, h),
            "GRU layer: state 1 that it starts with is (3,), not (2,)");
    REFUSES(kiln_apply(kiln_lstm(3), a, h),
            "LSTM layer: it is given 1 state to start with; it has 2");
    kiln_tensor *b = kiln_apply(kiln_gru(2), a);
    REFUSES(kiln_tensor_output(b, 1), "GRU layer has 1 output, and none at index 1");
    kiln_tensor_free(b);
    kiln_tensor_free(h);
    HARNESS_EACH_DEVICE(device)
    {
        kiln_model *model = kiln_sequential(kiln_input_layer(KILN_SHAPE(4, 3), .batch_size = 3),
                                            kiln_lstm(2, .stateful = yes));
        kiln_dataset *seven = kiln_dataset_from_arrays(7, 1, &xs, 1, &ys);
        ck_assert_msg(model && seven, "%s", kiln_last_error());
        harness_ok(kiln_compile(model, .device = device, .loss = kiln_mean_squared_error()));
        REFUSES(kiln_predict(NULL, model, seven, .verbose = KILN_NO),
                "kiln_predict: model sequential is stateful with batches of 3 rows, and the last "
                "batch of 7 samples would have 1; leave those out");
        REFUSES(kiln_evaluate(model, seven, .verbose = KILN_NO, .batch_size = 7),
                "kiln_evaluate: model sequential is stateful with batches of 3 rows and cannot take "
                "batches of 7");
        REFUSES(kiln_fit(model, seven, .verbose = KILN_NO),
                "kiln_fit: model sequential is stateful with batches of 3 rows, and the last batch "
                "of 7 samples would have 1; leave those out");
        REFUSES(kiln_train_on_batch(model, 2, &xs, &ys, NULL),
                "model sequential is stateful with batches of 3 rows and cannot take one of 2");
        ck_assert_msg(kiln_fit(model, seven, .verbose = KILN_NO, .steps_per_epoch = 2) != NULL, "%s",
                      kiln_last_error());
        kiln_dataset_free(seven);
        kiln_model_free(model);
    }
}
END_TEST

/* Gradients that grow without bound make the weights, and with them the next loss, not finite: the
 * failure says at which step and in which layer. */
START_TEST(exploding)
{
    enum { LENGTH = 64, UNITS = 4 };
    static float x[2 * LENGTH];
    const float target[2] = {1, 1};
    HARNESS_EACH_DEVICE(device)
    {
        kiln_model *model = kiln_sequential(kiln_input_layer(KILN_SHAPE(LENGTH, 1)),
                                            kiln_simple_rnn(UNITS, .activation = "linear"),
                                            kiln_dense(1));
        ck_assert_msg(model != NULL, "%s", kiln_last_error());
        float recurrent[UNITS * UNITS] = {0};
        for (int i = 0; i < UNITS; i++)
            recurrent[i * UNITS + i] = 10;
        harness_ok(kiln_set_weights(model, 1, recurrent, UNITS * UNITS));
        kiln_array xs = array(KILN_SHAPE(LENGTH, 1), x), ys = array(KILN_SHAPE(1), target);
        kiln_dataset *data = kiln_dataset_from_arrays(2, 1, &xs, 1, &ys);
        ck_assert_msg(data != NULL, "%s", kiln_last_error());
        harness_ok(kiln_compile(model, .device = device, .optimizer = kiln_sgd(),
                                .loss = kiln_mean_squared_error()));
        ck_assert_ptr_null(kiln_fit(model, data, .epochs = 3, .batch_size = 1, .verbose = KILN_NO,
                                    .check_numerics = 1));
        ck_assert_msg(strstr(kiln_last_error(), "step 2 of epoch 1") != NULL, "%s",
                      kiln_last_error());
        ck_assert_msg(strstr(kiln_last_error(), "simple_rnn") != NULL, "%s", kiln_last_error());
        kiln_dataset_free(data);
        kiln_model_free(model);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("states");
    TCase *tests = tcase_create("states");
    tcase_add_loop_test(tests, halves, 0, KINDS);
    tcase_add_test(tests, stacked);
    tcase_add_test(tests, both_directions);
    tcase_add_loop_test(tests, convolutions, 0, 4);
    tcase_add_test(tests, refused);
    tcase_add_test(tests, exploding);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
