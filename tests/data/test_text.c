/* Text: tokens and vocabularies by Keras's figures, windows of a stream, labelled lines, and the
 * place of each mistake. */
#include "support.h"

#include "data/text.h"
#include "data/vocabulary.h"

#include <kiln/text.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text_figures.h"

#define COUNT(array) (sizeof array / sizeof *array)

/* ---- TextVectorization ---- */

START_TEST(as_keras)
{
    for (size_t i = 0; i < COUNT(settings); i++) {
        size_t count;
        int64_t length;
        kiln_text_vectorization *layer = kiln_text_vectorization_with(&settings[i].args);
        ck_assert_msg(layer != NULL, "%s", kiln_last_error());
        if (settings[i].args.vocabulary == NULL)
            ck_assert_int_eq(kiln_text_vectorization_adapt(layer, COUNT(texts), texts), KILN_OK);
        const char *const *words = kiln_text_vectorization_vocabulary(layer, &count);
        ck_assert_uint_eq(count, settings[i].words);
        for (size_t k = 0; k < count; k++)
            ck_assert_str_eq(words[k], settings[i].vocabulary[k]);
        int32_t *numbers = kiln_text_vectorization_call(layer, COUNT(queries), queries, &length);
        ck_assert_msg(numbers != NULL, "%s", kiln_last_error());
        ck_assert_int_eq(length, settings[i].length);
        for (size_t k = 0; k < COUNT(queries) * (size_t)length; k++)
            ck_assert_msg(numbers[k] == settings[i].numbers[k],
                          "setting %zu, number %zu: %d, not %d", i, k, numbers[k],
                          settings[i].numbers[k]);
        free(numbers);
        kiln_text_vectorization_free(layer);
    }
}
END_TEST

START_TEST(vectorization_fails)
{
    static const char *const twice[] = {"a", "b", "a"}, *const bad[] = {"fine", "caf\351"},
                             *const four[] = {"a", "b", "c", "d"};
    ck_assert_ptr_null(kiln_text_vectorization_new(.split = "words"));
    expect_error(KILN_ERROR_ARGUMENT,
                 "TextVectorization: the split \"words\" is unknown; there are "
                 "whitespace, character, none");
    ck_assert_ptr_null(kiln_text_vectorization_new(.max_tokens = 2));
    expect_error(
        KILN_ERROR_ARGUMENT,
        "TextVectorization: max_tokens is 2 and output_sequence_length 0; max_tokens is 3 or "
        "more, for two are reserved, and neither is negative");
    ck_assert_ptr_null(kiln_text_vectorization_new(.vocabulary = twice, .vocabulary_count = 3));
    expect_error(KILN_ERROR_ARGUMENT, "the vocabulary has the token 'a' twice, as 2 and as 4");
    ck_assert_ptr_null(
        kiln_text_vectorization_new(.vocabulary = four, .vocabulary_count = 4, .max_tokens = 5));
    expect_error(KILN_ERROR_ARGUMENT,
                 "TextVectorization: a vocabulary of 6 tokens, and max_tokens is "
                 "5; leave out one of them");
    kiln_text_vectorization *layer = kiln_text_vectorization_new();
    ck_assert_ptr_null(kiln_text_vectorization_call(layer, 1, four, NULL));
    expect_error(KILN_ERROR_ARGUMENT, "TextVectorization: there is no vocabulary yet; call "
                                      "kiln_text_vectorization_adapt first, or give one");
    ck_assert_int_eq(kiln_text_vectorization_adapt(layer, 2, bad), KILN_ERROR_FORMAT);
    expect_error(KILN_ERROR_FORMAT, "TextVectorization: text 1: line 1: byte 3 (0xe9) is no UTF-8; "
                                    "save the file as UTF-8");
    kiln_text_vectorization_free(layer);
}
END_TEST

/* ---- streams ---- */

static kiln_dataset *parse(const char *name, const char *content, kiln_text_dataset_args args)
{
    size_t size = strlen(content);
    char *copy = malloc(size + 1); /* on the heap, so that a read past the end is found */
    memcpy(copy, content, size + 1);
    kiln_dataset *dataset = text_dataset_parse(name, copy, size, &args);
    free(copy);
    return dataset;
}

static kiln_dataset *parse_good(const char *name, const char *content, kiln_text_dataset_args args)
{
    kiln_dataset *dataset = parse(name, content, args);
    ck_assert_msg(dataset != NULL, "%s", kiln_last_error());
    return dataset;
}

/* The tokens of a sample, joined. */
static const char *shown(const kiln_dataset *d, bool target, int64_t sample)
{
    static char out[4][256];
    static int next;
    const data_column *c = target ? &d->targets[0] : &d->inputs[0];
    char *at = out[next = (next + 1) % 4];
    *at = '\0';
    int32_t row[64];
    ck_assert_int_eq(c->dtype, KILN_INT32);
    ck_assert_int_eq(c->shape.rank, 1);
    ck_assert_int_le(c->shape.dims[0], 64);
    data_column_copy(c, sample, 1, row);
    for (int64_t i = 0; i < c->shape.dims[0]; i++) {
        ck_assert_int_ge(row[i], 0);
        ck_assert_uint_lt((size_t)row[i], d->text.token_count);
        strcat(at, d->text.tokens[row[i]]);
        if (d->text.split[0] == 'w')
            strcat(at, "|");
    }
    return at;
}

START_TEST(streams_of_characters)
{
    kiln_dataset *d =
        parse_good("t", "hello, w\303\266rld\n", (kiln_text_dataset_args){.sequence_length = 4});
    ck_assert_int_eq(d->samples, 9);
    ck_assert_uint_eq(d->text.token_count, 11);
    ck_assert_str_eq(d->text.tokens[0], "\n"); /* by code point */
    ck_assert_str_eq(d->text.tokens[10], "\303\266");
    ck_assert_str_eq(shown(d, false, 0), "hell");
    ck_assert_str_eq(shown(d, true, 0), "ello");
    ck_assert_str_eq(shown(d, false, 8), "\303\266rld");
    ck_assert_str_eq(shown(d, true, 8), "rld\n");
    ck_assert_ptr_eq(d->inputs[0].block, d->targets[0].block);
    kiln_dataset *part = kiln_dataset_slice(d, 3, 2);
    ck_assert_str_eq(shown(part, false, 1), "o, w");
    ck_assert_str_eq(part->text.tokens[10], "\303\266");
    kiln_dataset_free(d);
    ck_assert_str_eq(shown(part, true, 1), ", w\303\266");
    kiln_dataset_free(part);

    d = parse_good("t", "abcabdabe",
                   (kiln_text_dataset_args){.sequence_length = 2, .sequence_stride = 3});
    ck_assert_int_eq(d->samples, 3);
    ck_assert_str_eq(shown(d, false, 2), "ab");
    ck_assert_str_eq(shown(d, true, 2), "be");
    kiln_dataset_free(d);
}
END_TEST

START_TEST(streams_are_split)
{
    const char *content = "aaaaaaaaabbbbbbbbbz\303\266";
    kiln_text_dataset_args args = {
        .sequence_length = 3, .validation_split = 0.5, .subset = "training"};
    kiln_dataset *d = parse_good("t", content, args);
    ck_assert_int_eq(d->samples, 7);
    ck_assert_uint_eq(d->text.token_count, 4); /* of the whole text: there is no token for others */
    ck_assert_str_eq(shown(d, true, 6), "aab");
    kiln_dataset_free(d);
    args.subset = "validation";
    d = parse_good("t", content, args);
    ck_assert_int_eq(d->samples, 3);
    ck_assert_str_eq(shown(d, false, 0), "bbb");
    ck_assert_str_eq(shown(d, true, 2), "bz\303\266");
    kiln_dataset_free(d);

    /* The most frequent ones of the training part, and one for the others. */
    args.max_tokens = 4;
    d = parse_good("t", content, args);
    ck_assert_uint_eq(d->text.token_count, 4);
    ck_assert_str_eq(d->text.tokens[2], "a");
    ck_assert_str_eq(shown(d, true, 2), "b[UNK][UNK]");
    kiln_dataset_free(d);
}
END_TEST

START_TEST(streams_of_words)
{
    kiln_dataset *d =
        parse_good("t", "To be, or not to be\nthat is",
                   (kiln_text_dataset_args){.split = "whitespace", .sequence_length = 3});
    ck_assert_int_eq(d->samples, 5);
    ck_assert_str_eq(shown(d, false, 0), "To|be,|or|");
    ck_assert_str_eq(shown(d, true, 4), "be|that|is|");
    kiln_dataset_free(d);
    d = parse_good("t", "To be, or not to be\nthat is",
                   (kiln_text_dataset_args){.split = "whitespace",
                                            .sequence_length = 3,
                                            .max_tokens = 4,
                                            .standardize = "lower_and_strip_punctuation"});
    ck_assert_str_eq(shown(d, false, 0), "to|be|[UNK]|");
    kiln_dataset_free(d);
}
END_TEST

/* Row r of each batch goes on where row r of the one before ended. */
START_TEST(contiguous_windows)
{
    kiln_dataset *d = parse_good("t", "abcdefghijklmnopqrstuvwxyz",
                                 (kiln_text_dataset_args){.sequence_length = 3, .batch_size = 2});
    ck_assert_int_eq(d->samples, 8);
    static const char *const wanted[] = {"abc", "mno", "def", "pqr", "ghi", "stu", "jkl", "vwx"};
    for (int i = 0; i < 8; i++)
        ck_assert_str_eq(shown(d, false, i), wanted[i]);
    ck_assert_str_eq(shown(d, true, 7), "wxy");
    kiln_dataset_free(d);
}
END_TEST

START_TEST(a_known_vocabulary)
{
    static const char *const letters[] = {"a", "b", " "};
    kiln_text_dataset_args args = {
        .sequence_length = 2, .vocabulary = letters, .vocabulary_count = 3};
    kiln_dataset *d = parse_good("t", "ab ba", args);
    ck_assert_int_eq(((const int32_t *)d->inputs[0].data)[2], 2);
    kiln_dataset_free(d);
    ck_assert_ptr_null(parse("t.txt", "ab\nb", args));
    expect_error(KILN_ERROR_FORMAT,
                 "t.txt: line 1: the character (U+000A) is not in the vocabulary of the model (3 "
                 "tokens); remove it, or train on this text");
    ck_assert_ptr_null(parse("t.txt", "ab b\303\251", args));
    expect_error(KILN_ERROR_FORMAT,
                 "t.txt: line 1: the character '\303\251' (U+00E9) is not in the vocabulary of the "
                 "model (3 tokens); remove it, or train on this text");
}
END_TEST

START_TEST(streams_fail)
{
    static const struct {
        const char *content;
        kiln_text_dataset_args args;
        const char *message;
    } cases[] = {
        {"", {0}, "t.txt: is empty; give a file with text in it"},
        {"\357\273\277", {0}, "t.txt: is empty; give a file with text in it"},
        {"short",
         {0},
         "t.txt: has 5 characters, fewer than one window of 64 and the character behind it; give a "
         "longer text, or a smaller sequence_length"},
        {"rather short",
         {.sequence_length = 6, .validation_split = 0.25, .subset = "validation"},
         "t.txt: has 3 characters in the part for validation, fewer than one window of 6 and the "
         "character behind it; give a longer text, or a smaller sequence_length"},
        {"one two",
         {.sequence_length = 2, .split = "whitespace"},
         "t.txt: has 2 words, fewer than one window of 2 and the word behind it; give a longer "
         "text, "
         "or a smaller sequence_length"},
        {"abcdefgh",
         {.sequence_length = 2, .batch_size = 4},
         "t.txt: has 8 tokens, which is less than the 9 of one batch of 4 windows; give a longer "
         "text, a smaller batch or shorter windows"},
        {"ab\nc\377d", {0}, "t.txt: line 2: byte 4 (0xff) is no UTF-8; save the file as UTF-8"},
        {"ab\303", {0}, "t.txt: line 1: byte 2 (0xc3) is no UTF-8; save the file as UTF-8"},
        {"\377\376a", {0}, "t.txt: is UTF-16 text; save it as UTF-8"},
        {"aaaaaaaa",
         {.sequence_length = 2},
         "t.txt: is one character over and over, from which there is nothing to learn; give a text "
         "with at least two distinct characters"},
        {"no no no no",
         {.sequence_length = 2, .split = "whitespace"},
         "t.txt: is one word over and over, from which there is nothing to learn; give a text with "
         "at least two distinct words"},
        {"a",
         {.task = "sing"},
         "t.txt: the task \"sing\" is unknown; there are generate, classify"},
        {"a",
         {.max_tokens = 1},
         "t.txt: max_tokens is 1, and two tokens are reserved; take 3 or more"},
        {"a",
         {.sequence_length = -1},
         "t.txt: max_tokens, sequence_length, sequence_stride or batch_size is negative; leave out "
         "what has no limit"},
        {"a",
         {.validation_split = 1.5, .subset = "training"},
         "t.txt: a validation_split of 1.5; it lies between 0 and 1"},
        {"a",
         {.validation_split = 0.5},
         "t.txt: validation_split and subset belong together; give both or neither"},
        {"a",
         {.validation_split = 0.5, .subset = "test"},
         "t.txt: the subset 'test' is unknown; there are training and validation"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        ck_assert_ptr_null(parse("t.txt", cases[i].content, cases[i].args));
        ck_assert_str_eq(kiln_last_error(), cases[i].message);
        kiln_clear_error();
    }
    char zero[] = "ab\0c";
    ck_assert_ptr_null(text_dataset_parse("t.txt", zero, 4, NULL));
    expect_error(KILN_ERROR_FORMAT,
                 "t.txt: is no text: byte 2 is zero; correct the file, or give another one");
    ck_assert_ptr_null(kiln_text_dataset_from_file("nowhere.txt", .sequence_length = 2));
    ck_assert_int_eq(kiln_last_status(), KILN_ERROR_FILE);
    kiln_clear_error();
}
END_TEST

/* ---- lines ---- */

static const char table[] = "ham\tSee you at \"five\", ok?\n"
                            "spam\tWIN a prize! Call 555\n"
                            "ham\t\"Quoted\" see you\n"
                            "\n"
                            "spam\tcall now, WIN\n"
                            "ham\tok\n";

static int32_t label(const kiln_dataset *d, int64_t i)
{
    return ((const int32_t *)d->targets[0].data)[i];
}

START_TEST(labelled_lines)
{
    kiln_dataset *d = parse_good("t.tsv", table, (kiln_text_dataset_args){.task = "classify"});
    ck_assert_int_eq(d->samples, 5);
    ck_assert_uint_eq(d->class_count, 2);
    ck_assert_str_eq(d->class_names[1], "spam");
    ck_assert_int_eq(label(d, 0), 0);
    ck_assert_int_eq(label(d, 3), 1);
    ck_assert_int_eq(d->text.length, 5);
    ck_assert_str_eq(shown(d, false, 0), "see|you|at|five|ok|");
    ck_assert_str_eq(shown(d, false, 4), "ok|||||");
    ck_assert_str_eq(d->sample_names[2], "\"Quoted\" see you");
    ck_assert_str_eq(d->text.tokens[0], "");
    ck_assert_str_eq(d->text.tokens[1], "[UNK]");
    ck_assert_str_eq(d->text.tokens[2], "you"); /* twice, as five others: falling alphabet */
    kiln_dataset_free(d);
}
END_TEST

/* The vocabulary is the training part's, for either part. */
START_TEST(lines_are_split)
{
    text all = {0};
    for (int i = 0; i < 40; i++)
        text_add(&all, "%s\tword%d common\n", i % 4 ? "a" : "b", i);
    kiln_text_dataset_args args = {
        .task = "classify", .validation_split = 0.25, .subset = "training", .seed = 3};
    kiln_dataset *d = parse_good("t.tsv", all.data, args);
    ck_assert_int_eq(d->samples, 30);
    ck_assert_uint_eq(d->text.token_count, 2 + 1 + 30);
    args.subset = "validation";
    kiln_dataset *v = parse_good("t.tsv", all.data, args);
    ck_assert_int_eq(v->samples, 10);
    ck_assert_uint_eq(v->text.token_count, 2 + 1 + 30);
    int b = 0;
    for (int64_t i = 0; i < 10; i++) {
        ck_assert_str_eq(shown(v, false, i), "[UNK]|common|");
        b += label(v, i);
        for (int64_t k = 0; k < 30; k++)
            ck_assert_str_ne(v->sample_names[i], d->sample_names[k]);
    }
    ck_assert_int_ge(b, 2); /* its share, rounded */
    ck_assert_int_le(b, 3);
    for (size_t i = 0; i < d->text.token_count; i++)
        ck_assert_str_eq(d->text.tokens[i], v->text.tokens[i]);
    kiln_dataset_free(d);
    kiln_dataset_free(v);
    text_free(&all);
}
END_TEST

START_TEST(columns_by_name_and_by_look)
{
    static const char *const contents[] = {
        "id,stars,review\n1,5,\"very good, really\"\n2,1,bad\n3,5,good\n4,1,really bad\n",
        "review;stars\nvery good, really;5\nbad;1\ngood;5\nreally bad;1\n",
        "very good, really|5\nbad|1\ngood|5\nreally bad|1\n",
    };
    static const kiln_text_dataset_args args[] = {
        {.task = "classify", .text_column = "review", .label_column = "stars"},
        {.task = "classify", .text_column = "2", .label_column = "1"},
        {.task = "classify", .text_column = "-1", .label_column = "stars"},
        {.task = "classify"},
        {.task = "classify"},
    };
    static const int which[] = {0, 0, 0, 1, 2};
    for (size_t i = 0; i < COUNT(args); i++) {
        kiln_dataset *d = parse_good("t.csv", contents[which[i]], args[i]);
        ck_assert_int_eq(d->samples, 4);
        ck_assert_uint_eq(d->class_count, 2);
        ck_assert_str_eq(d->class_names[0], "1");
        ck_assert_str_eq(d->sample_names[0], "very good, really");
        ck_assert_int_eq(label(d, 0), 1);
        ck_assert_int_eq(label(d, 3), 0);
        kiln_dataset_free(d);
    }
}
END_TEST

START_TEST(lines_of_a_model)
{
    static const char *const words[] = {"", "[UNK]", "win", "see"}, *const classes[] = {"ham",
                                                                                        "spam"};
    kiln_text_dataset_args args = {.task = "classify",
                                   .sequence_length = 3,
                                   .vocabulary = words,
                                   .vocabulary_count = 4,
                                   .class_names = classes,
                                   .class_count = 2};
    kiln_dataset *d = parse_good("standard input", "win, win\tnow!\n\n  \r\nsee\r\n", args);
    ck_assert_int_eq(d->samples, 2);
    ck_assert_uint_eq(d->target_count, 0);
    ck_assert_str_eq(shown(d, false, 0), "win|win|[UNK]|");
    ck_assert_str_eq(shown(d, false, 1), "see|||");
    ck_assert_str_eq(d->sample_names[0], "win, win now!");
    kiln_dataset_free(d);
    d = parse_good("t.tsv", "see it\tham\nwin\tspam\n", args); /* the column of known classes */
    ck_assert_int_eq(label(d, 1), 1);
    ck_assert_str_eq(shown(d, false, 0), "see|[UNK]||");
    kiln_dataset_free(d);
    d = parse_good("t.tsv", "one\nwin\n", args);
    ck_assert_uint_eq(d->target_count, 0);
    ck_assert_int_eq(d->samples, 2);
    kiln_dataset_free(d);
    args.labels = KILN_YES;
    ck_assert_ptr_null(parse("t.tsv", "ham\tsee you\neggs\twin it\n", args));
    expect_error(KILN_ERROR_FORMAT,
                 "t.tsv: line 2, column 1: the label 'eggs' is none of the 2 classes (ham, spam); "
                 "correct the file, or give another one");
}
END_TEST

/* A model's columns are found by name in other tables, unless others are given. */
START_TEST(columns_of_a_model)
{
    static const char *const words[] = {"", "[UNK]", "win", "see"}, *const classes[] = {"ham",
                                                                                        "spam"};
    static const char whole[] = "about,mail,kind\nham,win now,spam\nham,see,ham\n",
                      unlabelled[] = "about,mail\na text that is longer,win\nand another one,see\n";
    kiln_text_dataset_args args = {.task = "classify",
                                   .sequence_length = 3,
                                   .vocabulary = words,
                                   .vocabulary_count = 4,
                                   .class_names = classes,
                                   .class_count = 2,
                                   .kept_text_column = "mail",
                                   .kept_label_column = "kind"};
    static const char *const names[] = {"t.csv", "standard input"};
    for (size_t i = 0; i < COUNT(names); i++) {
        kiln_dataset *d = parse_good(names[i], whole, args);
        ck_assert_int_eq(d->samples, 2);
        ck_assert_str_eq(d->sample_names[0], "win now");
        ck_assert_int_eq(label(d, 0), 1);
        ck_assert_str_eq(d->text.text_column, "mail");
        ck_assert_str_eq(d->text.label_column, "kind");
        ck_assert_str_eq(d->columns_read,
                         "text from 'mail', labels from 'kind'; the first line names the columns");
        kiln_dataset_free(d);
    }
    kiln_dataset *d = parse_good("t.csv", unlabelled, args);
    ck_assert_int_eq(d->samples, 2);
    ck_assert_uint_eq(d->target_count, 0);
    ck_assert_str_eq(d->sample_names[1], "see");
    kiln_dataset_free(d);
    d = parse_good("t.txt", "mail\nwin, see\n", args); /* lines, below the column's name */
    ck_assert_int_eq(d->samples, 1);
    ck_assert_str_eq(d->sample_names[0], "win, see");
    kiln_dataset_free(d);
    d = parse_good("t.txt", "the mail of this kind\n", args);
    ck_assert_int_eq(d->samples, 1);
    kiln_dataset_free(d);
    ck_assert_ptr_null(parse("t.csv", "about,letter\na,win\nb,see\n", args));
    expect_error(
        KILN_ERROR_ARGUMENT,
        "t.csv: has no column 'mail' in its first line, where the model's text is; name the "
        "column that it is in here with --text-column (text_column)");
    args.labels = KILN_YES;
    ck_assert_ptr_null(parse("t.csv", unlabelled, args));
    expect_error(KILN_ERROR_ARGUMENT,
                 "t.csv: has no column 'kind' in its first line, where the model's label is; name "
                 "the column that it is in here with --label-column (label_column)");
    args.text_column = "0"; /* given again */
    args.label_column = "2";
    d = parse_good("t.csv", "x,y,z\nsee,win,ham\nwin,see,spam\n", args);
    ck_assert_int_eq(d->samples, 2);
    ck_assert_str_eq(d->sample_names[0], "see");
    ck_assert_str_eq(d->text.text_column, "x");
    kiln_dataset_free(d);
    /* Nothing names columns: an index that was given is kept, what was guessed is not. */
    d = parse_good("t.tsv", "see\tham\nwin\tspam\n",
                   (kiln_text_dataset_args){.task = "classify", .text_column = "-2"});
    ck_assert_str_eq(d->text.text_column, "0");
    ck_assert_ptr_null(d->text.label_column);
    kiln_dataset_free(d);
}
END_TEST

START_TEST(lines_fail)
{
    static const struct {
        const char *content;
        kiln_text_dataset_args args;
        const char *message;
    } cases[] = {
        {" \n\n", {.labels = KILN_YES}, "t.tsv: has only blank lines; give a file with text in it"},
        {"one\ntwo\n",
         {.labels = KILN_YES},
         "t.tsv: line 1: has 1 column; a label and a text are needed, separated by a tab, comma, "
         "semicolon or bar"},
        {"a\tone\nb\n",
         {0},
         "t.tsv: line 2 has 1 columns, but line 1 has 2; put texts with the separator in them in "
         "quotes, or give a .tsv file"},
        {"a\tone\nb\ttwo\n",
         {.text_column = "words"},
         "t.tsv: has no text column 'words' in its first line; give its name there, or its index "
         "from 0"},
        {"a\tone\nb\ttwo\n",
         {.label_column = "2"},
         "t.tsv: the label column 2 is outside its columns, 0 to 1; correct the arguments"},
        {"a\tone\nb\ttwo\n",
         {.label_column = "1", .text_column = "-1"},
         "t.tsv: column 1 cannot be both the text and the label; name two columns"},
        {"kind\ttext\n",
         {.label_column = "kind"},
         "t.tsv: has a header but no rows; correct the file, or give another one"},
        {"1.5\tone thing\n2.25\ttwo things\n",
         {0},
         "t.tsv: column 0 holds numbers of many values, not classes; name the label column"},
        {"a\tone\na\ttwo\n",
         {0},
         "t.tsv: column 0, the label, is 'a' in every line; give lines of at least two classes, or "
         "name another label column"},
        {"7\tone\n7\ttwo\n",
         {0},
         "t.tsv: column 0, the label, is '7' in every line; give lines of at least two classes, or "
         "name another label column"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        kiln_text_dataset_args args = cases[i].args;
        args.task = "classify";
        ck_assert_msg(parse("t.tsv", cases[i].content, args) == NULL, "case %zu", i);
        ck_assert_str_eq(kiln_last_error(), cases[i].message);
        kiln_clear_error();
    }
}
END_TEST

START_TEST(real_lines)
{
    char *path = real_data("sms.tsv");
    if (path == NULL)
        return;
    kiln_dataset *d =
        kiln_text_dataset_from_file(path, .task = "classify", .labels = KILN_YES,
                                    .validation_split = 0.2, .subset = "training", .seed = 1);
    ck_assert_msg(d != NULL, "%s", kiln_last_error());
    ck_assert_int_eq(d->samples, 4459);
    ck_assert_str_eq(d->class_names[0], "ham");
    ck_assert_int_gt(d->text.length, 40);
    kiln_dataset_free(d);
    free(path);
}
END_TEST

START_TEST(real_stream)
{
    char *path = real_data("tinyshakespeare.txt");
    if (path == NULL)
        return;
    kiln_dataset *d =
        kiln_text_dataset_from_file(path, .validation_split = 0.1, .subset = "training");
    ck_assert_msg(d != NULL, "%s", kiln_last_error());
    ck_assert_uint_eq(d->text.token_count, 65);
    ck_assert_int_eq(d->samples, 1003854 - 64);
    ck_assert(strncmp(shown(d, false, 0), "First Citizen:\nBefore we proceed", 32) == 0);
    kiln_dataset_free(d);
    free(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tests = tcase_create("text");
    tcase_add_test(tests, as_keras);
    tcase_add_test(tests, vectorization_fails);
    tcase_add_test(tests, streams_of_characters);
    tcase_add_test(tests, streams_are_split);
    tcase_add_test(tests, streams_of_words);
    tcase_add_test(tests, contiguous_windows);
    tcase_add_test(tests, a_known_vocabulary);
    tcase_add_test(tests, streams_fail);
    tcase_add_test(tests, labelled_lines);
    tcase_add_test(tests, lines_are_split);
    tcase_add_test(tests, columns_by_name_and_by_look);
    tcase_add_test(tests, lines_of_a_model);
    tcase_add_test(tests, columns_of_a_model);
    tcase_add_test(tests, lines_fail);
    tcase_add_test(tests, real_lines);
    tcase_add_test(tests, real_stream);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
