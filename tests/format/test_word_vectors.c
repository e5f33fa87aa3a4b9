/* Vectors of words from text files: which rows they fill, and what is wrong with a file. */
#include "harness/harness.h"

#include "base/file.h"

#include <kiln/kiln.h>

#include <unistd.h>

#define PATH "test_word_vectors.txt"

static kiln_model *make_model(void)
{
    kiln_model *model = kiln_sequential(kiln_embedding(6, 3, .input_shape = KILN_SHAPE(4)));
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    harness_ok(kiln_model_set_seed(model, 7));
    return model;
}

static const char *const words[] = {"", "the", "sea", "new york", "gone"};

static kiln_status load(kiln_model *model, const char *content, size_t *missing)
{
    harness_ok(file_write_atomic(PATH, content, strlen(content)));
    kiln_clear_error();
    return kiln_load_word_vectors(missing, model, PATH, 5, words);
}

START_TEST(filled)
{
    static const char *const contents[] = {
        /* GloVe; a word with a space, one that nobody wants, one that is there twice */
        "sea 1 -2.5 3e-1\nother 9 9 9\nnew york 4 5 6\nthe 7 8 9\nsea 0 0 0\n",
        /* word2vec: a first line, spaces and carriage returns at the ends */
        "5 3\r\nthe 7 8 9 \r\nsea 1 -2.5 0.3 \r\nnew\tyork 1 1 1\r\nnew york 4 5 6 \r\nx 1 2 3 \r\n\r\n",
    };
    for (size_t i = 0; i < 2; i++) {
        kiln_model *model = make_model();
        float before[6][3], after[6][3];
        size_t missing = 99;
        harness_ok(kiln_get_weights(model, 0, before[0], 18));
        harness_ok(load(model, contents[i], &missing));
        harness_ok(kiln_get_weights(model, 0, after[0], 18));
        ck_assert_uint_eq(missing, 1);
        for (int row = 0; row < 6; row++)
            for (int k = 0; k < 3; k++) {
                static const float wanted[6][3] = {
                    {0}, {7, 8, 9}, {1, -2.5f, 0.3f}, {4, 5, 6}, {0}, {0}};
                bool found = row >= 1 && row <= 3;
                ck_assert_float_eq(after[row][k], found ? wanted[row][k] : before[row][k]);
            }
        ck_assert_int_eq(kiln_layer_trainable(kiln_model_layer(model, 0)), 1);
        harness_ok(kiln_load_word_vectors(NULL, model, PATH, 5, words, .freeze = 1));
        ck_assert_int_eq(kiln_layer_trainable(kiln_model_layer(model, 0)), 0);
        kiln_model_free(model);
    }
    unlink(PATH);
}
END_TEST

START_TEST(refused)
{
    const struct {
        const char *content, *message;
    } all[] = {
        {"the 1 2 3\nsea 1 2\n", "line 2: 2 numbers behind a word, not 3"},
        {"the 1 2 3\nsea 1 2 x\n", "line 2: \"x\" is no number that float32 holds"},
        {"the 1 2 3\nx 1 2 3\nsea 1e99 2 3\n", "line 3: \"1e99\" is no number that float32 holds"},
        {"2 4\nthe 1 2 3 4\n", "its vectors have 4 numbers, and the layer's output_dim is 3"},
        {"the 1 2 3 4\n", "its vectors have 4 numbers, and the layer's output_dim is 3"},
        {"the\n", "its vectors have 0 numbers, and the layer's output_dim is 3"},
        {"", "there is no word in it"},
        {"5 3\n", "there is no word in it"},
    };
    kiln_model *model = make_model();
    float before[18], after[18];
    harness_ok(kiln_get_weights(model, 0, before, 18));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char message[256];
        snprintf(message, sizeof message, "the vectors of layer embedding: %s: %s", PATH,
                 all[i].message);
        ck_assert(load(model, all[i].content, NULL) != KILN_OK);
        ck_assert_str_eq(kiln_last_error(), message);
        harness_ok(kiln_get_weights(model, 0, after, 18));
        ck_assert(memcmp(before, after, sizeof before) == 0);
    }
    unlink(PATH);
    kiln_clear_error();
    ck_assert(kiln_load_word_vectors(NULL, model, PATH, 5, words) != KILN_OK);
    ck_assert_str_eq(kiln_last_error(), "the vectors of layer embedding: " PATH
                                        ": No such file or directory");
    const char *const twice[] = {"a", "b", "a"};
    ck_assert(kiln_load_word_vectors(NULL, model, PATH, 3, twice) != KILN_OK);
    ck_assert_str_eq(kiln_last_error(), "the vectors of layer embedding: the word \"a\" is there "
                                        "twice, as number 0 and 2");
    ck_assert(kiln_load_word_vectors(NULL, model, PATH, 7, words) != KILN_OK);
    ck_assert_str_eq(kiln_last_error(),
                     "layer embedding has a table of 6 words, and 7 words are given");
    ck_assert(kiln_load_word_vectors(NULL, model, PATH, 5, words, .layer = "embeding") != KILN_OK);
    kiln_model_free(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("word vectors");
    TCase *tests = tcase_create("word vectors");
    tcase_add_test(tests, filled);
    tcase_add_test(tests, refused);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
