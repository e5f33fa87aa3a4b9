/* Text that a model writes: a state that is carried, prompts, long texts, and what is refused. */
#include "harness/harness.h"

#include "train/training.h"

#include <kiln/kiln.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

/* More than the records of steps that are loaded at once, and a prompt that is longer than the text. */
START_TEST(writes_long_texts)
{
    enum { MANY = 5000 };
    HARNESS_EACH_DEVICE(device)
    {
        const int many = harness_is_slow(device) ? 50 : MANY;
        int count[LETTERS] = {0};
        kiln_model *model = writer(device, kiln_lstm(8, .return_sequences = KILN_YES), kiln_dropout(0.5));
        char *one = kiln_generate(model, .prompt = "a", .length = many, .seed = 3, .temperature = 2), prompt[MANY + 1];
        ck_assert_msg(one != NULL, "%s", kiln_last_error());
        ck_assert_uint_eq(strlen(one), (size_t)many);
        for (int i = 0; i < many; i++)
            count[one[i] - 'a']++;
        for (int i = 0; i < LETTERS && many == MANY; i++)
            ck_assert_int_gt(count[i], 0);
        /* Read back to it, its beginning is gone on with as it was. */
        char *whole = kiln_generate(model, .prompt = "a", .length = many, .temperature = KILN_ZERO);
        snprintf(prompt, sizeof prompt, "a%.*s", many - 4, whole);
        char *rest = kiln_generate(model, .prompt = prompt, .length = 4, .temperature = KILN_ZERO);
        ck_assert_msg(rest != NULL, "%s", kiln_last_error());
        ck_assert_str_eq(rest, whole + many - 4);
        free(one);
        free(whole);
        free(rest);
        kiln_model_free(model);
    }
}
END_TEST

START_TEST(names_bad_scores)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_model *model = writer(device, kiln_lstm(8, .return_sequences = KILN_YES), kiln_dropout(0.5));
        float bias[LETTERS] = {0, 0, NAN, 0, 0};
        harness_ok(kiln_set_weights(model, kiln_model_weight_count(model) - 1, bias, LETTERS));
        ck_assert_ptr_null(kiln_generate(model, .length = 5));
        ck_assert_str_eq(kiln_last_error(), "model sequential: its score of token 2 is not finite; train it again, with a "
                                            "smaller learning rate");
        kiln_clear_error();
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
        expect_failure("the prompt: byte 2 (0xff) is no UTF-8; write it in UTF-8, as a terminal of a UTF-8 locale does");
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
    tcase_add_test(tests, writes_long_texts);
    tcase_add_test(tests, names_bad_scores);
    tcase_add_test(tests, carries_the_state);
    tcase_add_test(tests, refuses);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
