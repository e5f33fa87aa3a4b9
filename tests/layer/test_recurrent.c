/* Recurrent layers and embeddings against Keras: read from Keras's JSON and made by their builders;
 * dropout, long sequences, files. */
#include "recurrent_figures.h"
#include "runner.h"

#include "format/keras_layer.h"
#include "graph/autodiff.h"

#include <kiln/kiln.h>

#include <math.h>

#define COUNT(ARRAY) (sizeof(ARRAY) / sizeof *(ARRAY))

/* The layers of recurrent_figures.h, by their names there. */
static kiln_layer *make(const char *name)
{
    const kiln_choice yes = KILN_YES, no = KILN_NO;
    struct {
        const char *name;
        kiln_layer *layer;
    } all[] = {
        {"embedding", kiln_embedding(7, 5)},
        {"embedding_wide",
         kiln_embedding(19, 17, .mask_zero = yes, .embeddings_regularizer = "l2")},
        {"simple_rnn", kiln_simple_rnn(5)},
        {"simple_rnn_sequences",
         kiln_simple_rnn(3, .activation = "relu", .use_bias = no, .return_sequences = yes)},
        {"simple_rnn_backwards", kiln_simple_rnn(3, .return_sequences = yes, .go_backwards = yes)},
        {"simple_rnn_softmax",
         kiln_simple_rnn(3, .activation = "softmax", .recurrent_regularizer = "l2")},
        {"lstm", kiln_lstm(5)},
        {"lstm_sequences",
         kiln_lstm(3, .return_sequences = yes, .unit_forget_bias = no, .dropout = 0.25)},
        {"lstm_backwards",
         kiln_lstm(17, .go_backwards = yes, .use_bias = no, .recurrent_dropout = 0.5)},
        {"lstm_hard", kiln_lstm(3, .activation = "softsign", .recurrent_activation = "hard_sigmoid",
                                .return_sequences = yes, .go_backwards = yes)},
        {"lstm_long", kiln_lstm(2, .recurrent_initializer = "glorot_uniform")},
        {"gru", kiln_gru(5)},
        {"gru_sequences", kiln_gru(3, .return_sequences = yes, .kernel_initializer = "he_normal")},
        {"gru_backwards",
         kiln_gru(4, .go_backwards = yes, .return_sequences = yes, .use_bias = no)},
        {"gru_before", kiln_gru(5, .reset_after = no)},
        {"gru_before_sequences", kiln_gru(3, .activation = "relu", .reset_after = no,
                                          .use_bias = no, .return_sequences = yes)},
        {"masking", kiln_masking(.mask_value = 0.07)},
        {"time_distributed", kiln_time_distributed(kiln_dense(3, .activation = "tanh"))},
        {"time_distributed_conv", kiln_time_distributed(kiln_conv1d(3, KILN_SHAPE(2)))},
        {"time_distributed_lstm", kiln_time_distributed(kiln_bidirectional(kiln_lstm(3)))},
        {"time_distributed_normalization",
         kiln_time_distributed(kiln_batch_normalization(.axis = 1))},
        {"bidirectional", kiln_bidirectional(kiln_lstm(3))},
        {"bidirectional_sequences", kiln_bidirectional(kiln_gru(3, .return_sequences = yes))},
        {"bidirectional_sum",
         kiln_bidirectional(kiln_lstm(3, .return_sequences = yes), .merge_mode = "sum")},
        {"bidirectional_ave", kiln_bidirectional(kiln_simple_rnn(3), .merge_mode = "ave")},
        {"bidirectional_mul", kiln_bidirectional(kiln_gru(3), .merge_mode = "mul")},
        {"bidirectional_other",
         kiln_bidirectional(kiln_lstm(3, .name = "there"),
                            .backward_layer = kiln_gru(2, .go_backwards = yes, .name = "back"))},
    };
    kiln_layer *found = NULL;
    for (size_t i = 0; i < COUNT(all); i++) {
        ck_assert_msg(all[i].layer != NULL, "%s: %s", all[i].name, kiln_last_error());
        if (strcmp(all[i].name, name) == 0)
            found = all[i].layer;
        else
            kiln_layer_free(all[i].layer);
    }
    ck_assert_msg(found != NULL, "make() has no layer %s", name);
    return found;
}

static kiln_layer *read_layer(const char *json)
{
    json_t *object = json_parse("the figures", json, strlen(json));
    kiln_layer *layer = object ? keras_layer_read(object, 1, NULL) : NULL;
    json_decref(object);
    ck_assert_msg(layer != NULL, "%s: %s", json, kiln_last_error());
    return layer;
}

static void write_layer(const kiln_layer *layer, text *out)
{
    json_writer w = {.out = out, .indent = -1};
    *out = (text){0};
    harness_ok(keras_layer_write(&w, NULL, layer));
    ck_assert(!out->failed);
}

/* A builder's layer says of itself what the one from Keras's JSON says, and all that Keras said. */
START_TEST(builders)
{
    for (size_t i = 0; i < COUNT(recurrent_figures); i++) {
        const char *name = recurrent_figures[i].name, *key;
        kiln_layer *read = read_layer(recurrent_figures[i].json), *built = make(name);
        text a, b;
        json_t *value;
        harness_ok(layer_set_name(built, name));
        write_layer(read, &a);
        write_layer(built, &b);
        ck_assert_str_eq(a.data, b.data);
        ck_assert_str_eq(built->cls->class_name, recurrent_figures[i].class_name);
        json_t *keras = json_loads(recurrent_figures[i].json, 0, NULL);
        text_add(&a, "}");
        json_t *own = json_loads(a.data, 0, NULL);
        ck_assert_msg(own != NULL, "%s", a.data);
        json_object_foreach(json_object_get(keras, "config"), key, value)
        {
            if (!json_is_null(value) || json_object_get(json_object_get(own, "config"), key))
                ck_assert_msg(
                    json_equal(json_object_get(json_object_get(own, "config"), key), value) ||
                        json_is_object(value),
                    "%s: %s", name, key);
        }
        json_decref(keras);
        json_decref(own);
        text_free(&a);
        text_free(&b);
        kiln_layer_free(read);
        kiln_layer_free(built);
    }
}
END_TEST

static kiln_shape with_rows(kiln_shape shape, int64_t rows)
{
    kiln_shape out = {.rank = shape.rank + 1, .dims = {rows}};
    memcpy(out.dims + 1, shape.dims, sizeof *shape.dims * (size_t)shape.rank);
    return out;
}

#define MOST 16

/* A model with a place for what a call of it computes: the output, then the gradients of
 * sum(output * factors) by input (not those of whole numbers) and weights. */
typedef struct trial {
    kiln_model *model;
    bool training, whole;
    int64_t rows;
    int count;
    size_t sizes[MOST];
    float *values[MOST];

} trial;

static void run(kiln_device *device, trial *t, const float *x, const float *factors)
{
    kiln_shape in = with_rows(kiln_model_input_shape(t->model, 0), t->rows),
               out = with_rows(kiln_model_output_shape(t->model, 0), t->rows);
    ir_id nodes[MOST], wrt[MOST], gradients[MOST];
    ir_weight *weights[MOST];
    size_t weight_count = model_weight_count(t->model);
    harness_ok(model_seed_weights(t->model));
    for (size_t i = 0; i < weight_count; i++)
        weights[i] = &model_weight(t->model, i, NULL)->weight;
    harness_ok(store_place(device, weights, weight_count));
    runner r;
    runner_start(&r, device);
    layer_call call = {.graph = &r.graph, .loss = IR_NONE, .training = t->training};
    ir_id input = runner_input(&r, in, x), factor = runner_input(&r, out, factors), y;
    harness_ok(model_build_graph(t->model, &call, &input, &y));
    ck_assert_msg(ir_shape_equal(r.graph.items[y].shape, out), "output %s, not %s",
                  ir_shape_text(r.graph.items[y].shape), ir_shape_text(out));
    ir_id loss = op_reduce(&r.graph, R_SUM, op_binary(&r.graph, F_MUL, y, factor), 0, -1, false);
    int count = 0;
    if (!t->whole)
        wrt[count++] = input;
    for (size_t i = 0; i < weight_count; i++)
        if (weights[i]->trainable)
            wrt[count++] = op_weight(&r.graph, weights[i]);
    harness_ok(graph_gradients(&r.graph, loss, count, wrt, gradients));
    nodes[0] = y;
    for (int i = 0; i < count; i++) {
        ck_assert_msg(gradients[i] != IR_NONE, "no gradient %d", i);
        nodes[i + 1] = gradients[i];
    }
    t->count = count + 1;
    for (int i = 0; i < t->count; i++) {
        /* asked for as they are, also where a value is a source under another name */
        nodes[i] = op_unary(&r.graph, F_IDENTITY, nodes[i]);
        t->sizes[i] = (size_t)kiln_shape_size(r.graph.items[nodes[i]].shape);
        t->values[i] = malloc(t->sizes[i] * sizeof **t->values);
        ck_assert_ptr_nonnull(t->values[i]);
    }
    runner_run(&r, (uint32_t)t->rows, t->count, nodes, t->values);
    runner_end(&r);
    free(call.assigns);
}

static void drop_values(trial *t)
{
    for (int i = 0; i < t->count; i++)
        free(t->values[i]);
    t->count = 0;
}

static void run_layer(kiln_device *device, size_t number)
{
    const char *name = recurrent_figures[number].name;
    kiln_layer *layer = make(name);
    kiln_shape in = with_rows(recurrent_figures[number].input, RECURRENT_ROWS),
               out = with_rows(recurrent_figures[number].output, RECURRENT_ROWS);
    size_t inputs = (size_t)kiln_shape_size(in);
    float *x = runner_pattern(inputs, 11, 23), *w = runner_pattern((size_t)kiln_shape_size(out), 7, 19);
    bool whole = recurrent_figures[number].dx == NULL;
    for (size_t i = 0; whole && i < inputs; i++)
        x[i] = (float)(i * 5 % 7);
    harness_ok(layer_set_name(layer, name));
    trial t = {.model = kiln_sequential(kiln_input_layer(recurrent_figures[number].input), layer),
               .rows = RECURRENT_ROWS,
               .whole = whole};
    ck_assert_msg(t.model != NULL, "%s: %s", name, kiln_last_error());
    ck_assert(ir_shape_equal(with_rows(kiln_model_output_shape(t.model, 0), RECURRENT_ROWS), out));
    runner_set_weights(t.model, 1);
    run(device, &t, x, w);
    const float *next = recurrent_figures[number].dw;
    for (int i = 0; i < t.count; i++) {
        char what[80];
        const float *expected = i == 0             ? recurrent_figures[number].y
                                : i == 1 && !whole ? recurrent_figures[number].dx
                                                   : next;
        snprintf(what, sizeof what, "%s, value %d", name, i);
        runner_compare(what, t.values[i], expected, t.sizes[i], 2e-5);
        if (expected == next)
            next += t.sizes[i];
    }
    drop_values(&t);
    free(x);
    free(w);
    kiln_model_free(t.model);
}

START_TEST(figures)
{
    HARNESS_EACH_DEVICE(device)
    {
        run_layer(device, (size_t)_i);
    }
}
END_TEST

/* ---- models in which masks travel ---- */

static void run_masked(kiln_device *device, size_t number)
{
    const char *name = masked_figures[number].name;
    trial t = {.model = kiln_model_from_json(masked_figures[number].json),
               .rows = RECURRENT_ROWS,
               .training = masked_figures[number].training,
               .whole = true};
    ck_assert_msg(t.model != NULL, "%s: %s", name, kiln_last_error());
    kiln_shape out = with_rows(masked_figures[number].output, RECURRENT_ROWS);
    size_t outputs = (size_t)kiln_shape_size(out);
    float *w = runner_pattern(outputs, 7, 19);
    runner_set_weights(t.model, 1);
    run(device, &t, masked_figures[number].x, w);
    const float *next = masked_figures[number].dw;
    for (int i = 0; i < t.count; i++) {
        char what[80];
        snprintf(what, sizeof what, "%s, value %d", name, i);
        runner_compare(what, t.values[i], i ? next : masked_figures[number].y, t.sizes[i], 3e-5);
        next += i ? t.sizes[i] : 0;
    }
    drop_values(&t);
    /* Losses and metrics leave masked steps out. */
    bool tokens = masked_figures[number].tokens;
    int32_t labels[RECURRENT_ROWS * 6];
    for (int i = 0; i < RECURRENT_ROWS * 6; i++)
        labels[i] = i % 4;
    kiln_array x = {.dtype = KILN_FLOAT32,
                    .shape = kiln_model_input_shape(t.model, 0),
                    .data = masked_figures[number].x},
               y = {.dtype = tokens ? KILN_INT32 : KILN_FLOAT32,
                    .shape = masked_figures[number].output,
                    .data = tokens ? (const void *)labels : w};
    if (tokens)
        y.shape.rank--;
    harness_ok(kiln_compile(t.model, .device = device, .optimizer = kiln_sgd(),
                            .loss = tokens ? kiln_sparse_categorical_crossentropy()
                                           : kiln_mean_squared_error(),
                            .metrics = KILN_METRICS(tokens ? "accuracy" : "mae")));
    const kiln_logs *logs = kiln_test_on_batch(t.model, RECURRENT_ROWS, &x, &y, NULL);
    ck_assert_msg(logs != NULL, "%s: %s", name, kiln_last_error());
    double loss = kiln_logs_get(logs, "loss"),
           metric = kiln_logs_get(logs, tokens ? "accuracy" : "mae");
    ck_assert_msg(fabs(loss - masked_figures[number].loss) < 1e-5 * fmax(1, loss) &&
                      fabs(metric - masked_figures[number].metric) < 1e-5 * fmax(1, metric),
                  "%s: loss %.9g and metric %.9g, not %.9g and %.9g", name, loss, metric,
                  masked_figures[number].loss, masked_figures[number].metric);
    free(w);
    kiln_model_free(t.model);
}

START_TEST(masks)
{
    HARNESS_EACH_DEVICE(device)
    {
        for (size_t i = 0; i < COUNT(masked_figures); i++)
            run_masked(device, i);
    }
}
END_TEST

/* ---- beyond the figures: finite differences, long sequences, dropout ---- */

static kiln_model *model_of(kiln_shape input, kiln_layer *layer)
{
    kiln_model *model = kiln_sequential(kiln_input_layer(input), layer);
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    return model;
}

static double loss_of(const trial *t, const float *factors)
{
    double loss = 0;
    for (size_t i = 0; i < t->sizes[0]; i++)
        loss += (double)t->values[0][i] * factors[i];
    return loss;
}

/* Moves all weights along a direction and compares what the loss does with what the gradients say.
 * Takes the model over. */
static void check_slope(kiln_device *device, const char *what, kiln_model *model, bool training)
{
    trial t = {.model = model, .rows = 5, .training = training};
    size_t inputs = (size_t)kiln_shape_size(with_rows(kiln_model_input_shape(model, 0), t.rows)),
           outputs = (size_t)kiln_shape_size(with_rows(kiln_model_output_shape(model, 0), t.rows)),
           weights = kiln_model_weight_count(model);
    float *x = runner_pattern(inputs, 11, 23), *factors = runner_pattern(outputs, 7, 19);
    double slope = 0, losses[2], step = 3e-4;
    runner_set_weights(model, 0.5f);
    run(device, &t, x, factors);
    for (size_t i = 0; i < weights; i++)
        for (size_t k = 0; k < t.sizes[i + 2]; k++)
            slope += (double)t.values[i + 2][k] * ((double)(int)((k * 5 + i) % 7) - 3);
    drop_values(&t);
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < weights; i++) {
            size_t count = (size_t)kiln_shape_size(kiln_model_weight_shape(model, i));
            float *values = malloc(count * sizeof *values);
            ck_assert_ptr_nonnull(values);
            for (size_t k = 0; k < count; k++)
                values[k] = (float)((double)((int)((k * 7 + i * 3) % 13) - 6) * 0.0625 +
                                    (side ? step : -step) * ((double)(int)((k * 5 + i) % 7) - 3));
            harness_ok(kiln_set_weights(model, i, values, count));
            free(values);
        }
        run(device, &t, x, factors);
        losses[side] = loss_of(&t, factors);
        drop_values(&t);
    }
    double seen = (losses[1] - losses[0]) / (2 * step);
    ck_assert_msg(fabs(seen - slope) < 0.004 * fmax(1, fabs(slope)), "%s: %g, not %g", what, slope,
                  seen);
    free(x);
    free(factors);
    kiln_model_free(model);
}

START_TEST(slopes)
{
    const kiln_shape in = {2, {5, 4}};
    const kiln_choice yes = KILN_YES, no = KILN_NO;
    HARNESS_EACH_DEVICE(device)
    {
        check_slope(device, "simple_rnn, dropout",
                    model_of(in, kiln_simple_rnn(6, .dropout = 0.4, .recurrent_dropout = 0.3,
                                                 .return_sequences = yes)),
                    true);
        check_slope(device, "lstm, dropout",
                    model_of(in, kiln_lstm(6, .dropout = 0.4, .return_sequences = yes)), true);
        check_slope(device, "lstm, both",
                    model_of(in, kiln_lstm(6, .dropout = 0.4, .recurrent_dropout = 0.3)), true);
        check_slope(device, "gru, both",
                    model_of(in, kiln_gru(6, .dropout = 0.4, .recurrent_dropout = 0.3,
                                          .return_sequences = yes, .go_backwards = yes)),
                    true);
        check_slope(device, "gru before, recurrent",
                    model_of(in, kiln_gru(6, .recurrent_dropout = 0.3, .reset_after = no)), true);
        check_slope(device, "stacked cells",
                    model_of(in, kiln_rnn(kiln_stacked_rnn_cells(kiln_gru_cell(3),
                                                                 kiln_lstm_cell(4)))),
                    false);
        check_slope(device, "conv_lstm1d, dropout",
                    model_of(KILN_SHAPE(3, 6, 2),
                             kiln_conv_lstm1d(2, KILN_SHAPE(3), .padding = "same", .dropout = 0.3)),
                    true);
        check_slope(device, "conv_lstm1d, both",
                    model_of(KILN_SHAPE(3, 6, 2),
                             kiln_conv_lstm1d(2, KILN_SHAPE(2), .dropout = 0.3,
                                              .recurrent_dropout = 0.3, .return_sequences = yes)),
                    true);
        check_slope(device, "conv_lstm2d",
                    model_of(KILN_SHAPE(3, 4, 5, 2),
                             kiln_conv_lstm2d(2, KILN_SHAPE(3, 2), .strides = KILN_SHAPE(2),
                                              .return_sequences = yes, .go_backwards = yes)),
                    false);
        check_slope(device, "conv_lstm2d, channels first",
                    model_of(KILN_SHAPE(3, 2, 4, 5),
                             kiln_conv_lstm2d(3, KILN_SHAPE(2), .padding = "same",
                                              .data_format = "channels_first")),
                    false);
    }
}
END_TEST

/* Sizes that take long are left to the fast drivers. */
START_TEST(long_sequences)
{
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        for (int64_t steps = 64; steps <= 512; steps *= 8) {
            const kiln_shape in = {2, {steps, 3}};
            check_slope(device, "simple_rnn", model_of(in, kiln_simple_rnn(4)), false);
            check_slope(device, "lstm", model_of(in, kiln_lstm(8, .return_sequences = KILN_YES)),
                        false);
            check_slope(device, "gru", model_of(in, kiln_gru(4)), false);
        }
    }
}
END_TEST

/* A matrix with ones on its diagonal. */
static void set_identity(kiln_model *model, size_t weight, float diagonal)
{
    kiln_shape shape = kiln_model_weight_shape(model, weight);
    float values[64] = {0};
    for (int64_t i = 0; i < shape.dims[0]; i++)
        values[i * shape.dims[1] + i] = diagonal;
    harness_ok(kiln_set_weights(model, weight, values, (size_t)kiln_shape_size(shape)));
}

/* What dropout of the inputs and of the state leaves: the same elements at each step, scaled. */
START_TEST(dropout)
{
    enum { ROWS = 64, STEPS = 4, UNITS = 8 };
    static float x[ROWS][STEPS][UNITS], factors[ROWS][STEPS][UNITS];
    HARNESS_EACH_DEVICE(device)
    {
        for (int state = 0; state < 2; state++) {
            for (int r = 0; r < ROWS; r++)
                for (int s = 0; s < STEPS; s++)
                    for (int u = 0; u < UNITS; u++)
                        x[r][s][u] = state == 0 || s == 0 ? 1.0f : 0.0f;
            trial t = {
                .model = model_of(KILN_SHAPE(STEPS, UNITS),
                                  kiln_simple_rnn(UNITS, .activation = "linear",
                                                  .use_bias = KILN_NO, .return_sequences = KILN_YES,
                                                  .dropout = state ? 0 : 0.25,
                                                  .recurrent_dropout = state ? 0.25 : 0)),
                .rows = ROWS,
                .training = true};
            set_identity(t.model, 0, 1);
            set_identity(t.model, 1, state ? 1 : 0);
            run(device, &t, x[0][0], factors[0][0]);
            const float(*y)[STEPS][UNITS] = (const float(*)[STEPS][UNITS])t.values[0];
            int kept = 0;
            for (int r = 0; r < ROWS; r++)
                for (int u = 0; u < UNITS; u++) {
                    bool here = y[r][1][u] != 0;
                    double expected = state ? 1 : 4.0 / 3;
                    kept += here;
                    for (int s = 0; s < STEPS; s++) {
                        if (state && s > 0)
                            expected *= 4.0 / 3;
                        double wanted = here || (state && s == 0) ? expected : 0;
                        ck_assert_msg(fabs(y[r][s][u] - wanted) < 1e-5, "%d %d %d: %g, not %g", r,
                                      s, u, y[r][s][u], wanted);
                    }
                }
            ck_assert_int_gt(kept, ROWS * UNITS * 2 / 3);
            ck_assert_int_lt(kept, ROWS * UNITS * 5 / 6);
            drop_values(&t);
            kiln_model_free(t.model);
        }
    }
}
END_TEST

#define REFUSES(LAYER, MESSAGE)                                                                    \
    do {                                                                                           \
        kiln_clear_error();                                                                        \
        ck_assert_ptr_null(LAYER);                                                                 \
        ck_assert_str_eq(kiln_last_error(), MESSAGE);                                              \
    } while (0)

START_TEST(refused)
{
    const kiln_shape two = {2, {4, 2}};
    REFUSES(kiln_lstm(0), "LSTM layer: units is 0; it must be 1 or more");
    REFUSES(kiln_gru(3, .dropout = 1.5), "GRU layer: dropout is 1.5; it must be between 0 and 1");
    REFUSES(kiln_lstm(4, .recurrent_activation = "glu"),
            "LSTM layer: recurrent_activation \"glu\" changes the number of units");
    REFUSES(kiln_simple_rnn(4, .recurrent_activation = "tanh"),
            "SimpleRNN layer has no text argument \"recurrent_activation\"");
    REFUSES(kiln_embedding(0, 4),
            "Embedding layer: input_dim 0 and output_dim 4 must both be 1 or more");
    REFUSES(
        kiln_bidirectional(kiln_dense(3)),
        "Bidirectional layer: it wraps recurrent layers, and not a layer of class Dense");
    REFUSES(
        kiln_bidirectional(kiln_lstm(3), .merge_mode = "some"),
        "Bidirectional layer: merge_mode is \"some\"; possible are: concat sum ave mul none (did you "
        "mean \"sum\"?)");
    REFUSES(kiln_bidirectional(kiln_lstm(3), .backward_layer = kiln_lstm(3)),
            "Bidirectional layer: the forward and the backward layer both have go_backwards false");
    REFUSES(kiln_bidirectional(kiln_lstm(0)), "LSTM layer: units is 0; it must be 1 or more");
    REFUSES(kiln_sequential(kiln_bidirectional(
                kiln_lstm(3), .merge_mode = "sum",
                .backward_layer = kiln_gru(2, .go_backwards = KILN_YES), .input_shape = two)),
            "layer bidirectional: its layers make (3,) and (2,), which cannot be merged");
    REFUSES(kiln_time_distributed(kiln_add()), "a layer of class Add cannot be wrapped");
    REFUSES(kiln_sequential(kiln_time_distributed(kiln_dense(2), .input_shape = KILN_SHAPE(4))),
            "layer time_distributed: its input (4,) has 1 axis besides the batch; it takes 2 or "
            "more (steps, features...)");
    REFUSES(
        kiln_sequential(kiln_lstm(4, .input_shape = KILN_SHAPE(7))),
        "layer lstm: its input (7,) has 1 axes besides the batch; it takes 2 (steps, features)");
}
END_TEST

/* Weights begin as Keras begins them: gates' biases, an orthogonal recurrent kernel. */
START_TEST(first_weights)
{
    kiln_model *model = kiln_sequential(kiln_lstm(4, .input_shape = KILN_SHAPE(3, 2)));
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    float bias[16], recurrent[4][16];
    const char *paths[] = {"lstm/lstm_cell/kernel", "lstm/lstm_cell/recurrent_kernel",
                           "lstm/lstm_cell/bias"};
    for (size_t i = 0; i < COUNT(paths); i++)
        ck_assert_str_eq(kiln_model_weight_path(model, i), paths[i]);
    harness_ok(kiln_get_weights(model, 2, bias, 16));
    for (int i = 0; i < 16; i++)
        ck_assert_float_eq(bias[i], i / 4 == 1 ? 1.0f : 0.0f);
    harness_ok(kiln_get_weights(model, 1, recurrent[0], 64));
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < 4; b++) {
            double dot = 0;
            for (int k = 0; k < 16; k++)
                dot += (double)recurrent[a][k] * recurrent[b][k];
            ck_assert_double_eq_tol(dot, a == b ? 1 : 0, 1e-6);
        }
    kiln_model_free(model);
    /* A layer that is applied before it has a name. */
    kiln_tensor *x = kiln_input(KILN_SHAPE(3, 2)), *y = kiln_apply(kiln_gru(2), x);
    model = kiln_functional(KILN_TENSORS(x), KILN_TENSORS(y));
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    ck_assert_str_eq(kiln_model_weight_path(model, 0), "gru/gru_cell/kernel");
    kiln_model_free(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("recurrent");
    TCase *tests = tcase_create("recurrent");
    tcase_add_test(tests, builders);
    tcase_add_loop_test(tests, figures, 0, (int)COUNT(recurrent_figures));
    tcase_add_test(tests, masks);
    tcase_add_test(tests, slopes);
    tcase_add_test(tests, long_sequences);
    tcase_add_test(tests, dropout);
    tcase_add_test(tests, refused);
    tcase_add_test(tests, first_weights);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
