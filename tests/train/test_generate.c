/* Text that a model writes: draws by temperature, top-k and top-p, and a state that is carried. */
#include "harness/harness.h"

#include "train/sample.h"
#include "train/training.h"

#include <kiln/kiln.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = 4 };

/* How often each token is drawn by evenly spread numbers, of 1000. */
static void draw_all(const float *scores, const sample_rules *rules, int *times)
{
    sample_place room[TOKENS];
    memset(times, 0, TOKENS * sizeof *times);
    for (int i = 0; i < 1000; i++) {
        int32_t token = -1;
        harness_ok(sample_token(scores, TOKENS, rules, (i + 0.5) / 1000, room, &token));
        ck_assert_int_ge(token, 0);
        ck_assert_int_lt(token, TOKENS);
        times[token]++;
    }
}

START_TEST(draws)
{
    /* softmax: 0.1, 0.4, 0.3, 0.2 */
    const float shares[TOKENS] = {0.1f, 0.4f, 0.3f, 0.2f};
    float scores[TOKENS];
    static const struct {
        sample_rules rules;
        int times[TOKENS];
    } cases[] = {
        {{.temperature = 1}, {100, 400, 300, 200}},
        {{.temperature = 1, .probabilities = true}, {100, 400, 300, 200}},
        {{.temperature = 0}, {0, 1000, 0, 0}},
        {{.temperature = 1e-3}, {0, 1000, 0, 0}},
        {{.temperature = 0.5}, {33, 534, 300, 133}}, /* squares: 1, 16, 9, 4 of 30 */
        {{.temperature = 1, .top_k = 1}, {0, 1000, 0, 0}},
        {{.temperature = 1, .top_k = 2}, {0, 571, 429, 0}},
        {{.temperature = 1, .top_k = 9}, {100, 400, 300, 200}},
        {{.temperature = 1, .top_p = 0.39}, {0, 1000, 0, 0}},
        {{.temperature = 1, .top_p = 0.6}, {0, 571, 429, 0}},
        {{.temperature = 1, .top_p = 0.8}, {0, 444, 333, 223}},
        {{.temperature = 1, .skip = 2}, {0, 0, 600, 400}},
    };
    for (int i = 0; i < TOKENS; i++)
        scores[i] = logf(shares[i]) + 3;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        int times[TOKENS];
        draw_all(cases[c].rules.probabilities ? shares : scores, &cases[c].rules, times);
        for (int i = 0; i < TOKENS; i++)
            ck_assert_msg(abs(times[i] - cases[c].times[i]) <= 2,
                          "case %zu: token %d %d times, not %d", c, i, times[i], cases[c].times[i]);
    }
    const float bad[TOKENS] = {0, 1, NAN, 0};
    sample_place room[TOKENS];
    int32_t token;
    ck_assert_int_eq(sample_token(bad, TOKENS, &cases[0].rules, 0.5, room, &token),
                     KILN_ERROR_NUMERIC);
    kiln_clear_error();
}
END_TEST

static const char *const letters[] = {"a", "b", "c", "d", "e"};
enum { LETTERS = 5, LONG = 12 };

/* A model of five letters, as kiln_fit leaves one. */
static kiln_model *writer(kiln_device *device, kiln_layer *first, kiln_layer *second)
{
    kiln_model *model = kiln_sequential(
        kiln_embedding(LETTERS, 6, .embeddings_initializer = "random_normal(stddev=2)",
                       .input_shape = KILN_SHAPE(LONG)),
        first, second, kiln_dense(LETTERS, .kernel_initializer = "random_normal(stddev=2)"));
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    harness_ok(kiln_model_set_seed(model, 7));
    model_text *rules = &model->facts->text;
    rules->task = str_copy("generate");
    rules->standardize = str_copy("none");
    rules->split = str_copy("character");
    rules->length = LONG;
    harness_ok(model_text_set_tokens(rules, LETTERS, letters));
    harness_ok(kiln_compile(model, .device = device));
    return model;
}

/* The likeliest letter each time, token by token, is that of the whole sequence at once. */
static void check_state(kiln_model *model)
{
    char all[LONG + 2] = "bad";
    char *out = kiln_generate(model, .prompt = "bad", .length = LONG - 2, .temperature = KILN_ZERO);
    ck_assert_msg(out != NULL, "%s", kiln_last_error());
    ck_assert_uint_eq(strlen(out), LONG - 2);
    memcpy(all + 3, out, LONG - 2);
    int32_t tokens[LONG];
    for (int i = 0; i < LONG; i++)
        tokens[i] = all[i] - 'a';
    float scores[LONG][LETTERS], *const outputs[] = {&scores[0][0]};
    kiln_array x = {.dtype = KILN_INT32, .shape = KILN_SHAPE(LONG), .data = tokens};
    harness_ok(kiln_predict_on_batch(model, 1, &x, outputs));
    for (int i = 2; i < LONG; i++)
        for (int k = 0; k < LETTERS; k++)
            ck_assert_float_le(scores[i][k], scores[i][all[i + 1] - 'a'] + 1e-4f);
    free(out);
}

START_TEST(carries_the_state)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_model *model =
            writer(device, kiln_lstm(8, .return_sequences = KILN_YES), kiln_dropout(0.5));
        check_state(model);
        check_state(model); /* from the start again */
        char *a = kiln_generate(model, .length = 20, .seed = 3, .temperature = 2),
             *b = kiln_generate(model, .length = 20, .seed = 3, .temperature = 2),
             *c = kiln_generate(model, .length = 20, .seed = 4, .temperature = 2);
        ck_assert_str_eq(a, b);
        ck_assert_str_ne(a, c);
        free(a);
        free(b);
        free(c);
        kiln_model_free(model);
        model = writer(device, kiln_gru(8, .return_sequences = KILN_YES),
                       kiln_simple_rnn(7, .return_sequences = KILN_YES));
        check_state(model);
        kiln_model_free(model);
    }
}
END_TEST

static int stop_after(void *user, const char *letter, size_t bytes)
{
    ck_assert_uint_eq(bytes, 1);
    ck_assert_int_ge(letter[0], 'a');
    return --*(int *)user == 0;
}

static void expect_failure(const char *message)
{
    ck_assert_str_eq(kiln_last_error(), message);
    kiln_clear_error();
}

START_TEST(refuses)
{
    HARNESS_EACH_DEVICE(device)
    {
        int left = 4;
        kiln_model *model =
            writer(device, kiln_lstm(8, .return_sequences = KILN_YES), kiln_dropout(0.5));
        char *out = kiln_generate(model, .on_text = stop_after, .user = &left);
        ck_assert_uint_eq(strlen(out), 4);
        free(out);
        ck_assert_ptr_null(kiln_generate(model, .prompt = "abx"));
        expect_failure("the prompt: the character 'x' (U+0078) is not in the vocabulary of model "
                       "sequential; leave it out, or train on text with it");
        ck_assert_ptr_null(kiln_generate(model, .prompt = "ab\377"));
        expect_failure("the prompt: line 1: byte 2 (0xff) is no UTF-8; save the file as UTF-8");
        ck_assert_ptr_null(kiln_generate(model, .top_p = 2));
        expect_failure("kiln_generate: top_p is 2; it lies between 0 and 1");
        kiln_model_free(model);
        model = writer(device, kiln_bidirectional(kiln_lstm(8, .return_sequences = KILN_YES)),
                       kiln_dropout(0.5));
        ck_assert_ptr_null(kiln_generate(model));
        expect_failure(
            "model sequential: layer bidirectional reads a text from its end too, so it "
            "cannot carry its state from one token to the next; generate with layers that "
            "read forwards");
        kiln_model_free(model);
        model =
            writer(device, kiln_conv1d(8, KILN_SHAPE(3), .padding = "causal"), kiln_dropout(0.5));
        ck_assert_ptr_null(kiln_generate(model));
        expect_failure(
            "model sequential: layer conv1d (Conv1D) looks at several tokens at once, so it "
            "cannot take one at a time; generate with a model of recurrent and Dense layers");
        kiln_model_free(model);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("generate");
    TCase *tests = tcase_create("generate");
    tcase_add_test(tests, draws);
    tcase_add_test(tests, carries_the_state);
    tcase_add_test(tests, refuses);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
