/* Tables: separators, quotes, headers, labels of every kind, and the line and column of each
 * mistake. */
#include "support.h"

#include "data/csv.h"
#include "data/csv_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static kiln_dataset *parse(const char *name, const char *content, kiln_dataset_args args)
{
    size_t size = strlen(content);
    char *copy = malloc(size + 1); /* on the heap, so that a read past the end is found */
    memcpy(copy, content, size);
    kiln_dataset *dataset = csv_parse(name, copy, size, &args);
    free(copy);
    return dataset;
}

static kiln_dataset *parse_good(const char *content, kiln_dataset_args args)
{
    kiln_dataset *dataset = parse("t.csv", content, args);
    ck_assert_msg(dataset != NULL, "%s", kiln_last_error());
    return dataset;
}

static float feature(const kiln_dataset *d, int64_t row, int64_t column)
{
    return ((const float *)d->inputs[0].data)[row * d->inputs[0].shape.dims[0] + column];
}

static int32_t label(const kiln_dataset *d, int64_t row)
{
    ck_assert_int_eq(d->targets[0].dtype, KILN_INT32);
    return ((const int32_t *)d->targets[0].data)[row];
}

START_TEST(reads_text_labels)
{
    kiln_dataset *d =
        parse_good("5.1,3.5,Iris-virginica\n4.9,3,Iris-setosa\n-1e-2,+.5,Iris-virginica\n",
                   (kiln_dataset_args){0});
    size_t count;
    ck_assert_int_eq(kiln_dataset_size(d), 3);
    ck_assert_uint_eq(d->input_count, 1);
    ck_assert_int_eq(d->inputs[0].dtype, KILN_FLOAT32);
    ck_assert_int_eq(d->inputs[0].shape.rank, 1);
    ck_assert_int_eq(d->inputs[0].shape.dims[0], 2);
    ck_assert_float_eq(feature(d, 0, 0), 5.1f);
    ck_assert_float_eq(feature(d, 1, 1), 3.0f);
    ck_assert_float_eq(feature(d, 2, 0), -0.01f);
    ck_assert_float_eq(feature(d, 2, 1), 0.5f);
    const char *const *names = kiln_dataset_class_names(d, &count);
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(names[0], "Iris-setosa"); /* sorted */
    ck_assert_str_eq(names[1], "Iris-virginica");
    ck_assert_int_eq(label(d, 0), 1);
    ck_assert_int_eq(label(d, 1), 0);
    ck_assert_int_eq(label(d, 2), 1);
    ck_assert_int_eq(d->targets[0].shape.rank, 0);
    ck_assert(d->split_by_class);
    ck_assert_ptr_null(d->class_values);
    kiln_dataset_free(d);
}
END_TEST

START_TEST(finds_separators_quotes_and_line_ends)
{
    static const char *const forms[] = {
        "a,b,c\n1,2,x\n3,4,y\n",
        "a\tb\tc\r\n1\t2\tx\r\n3\t4\ty",
        "a;b;c\r1;2;x\r3;4;y\r",
        "\357\273\277a|b|c\n\n1|2|x\n   \n3|4|y\n\n\n",
        "\"a\",\"b\",\"c\"\n\"1\", \"2\" ,\"x\"\n 3 ,4,  y  \n",
        "\"a\",\"b\",\"c, with; a\ttab\nand a line\"\n1,2,x\n3,4,y\n",
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        kiln_dataset *d = parse_good(forms[i], (kiln_dataset_args){0});
        ck_assert_int_eq(d->samples, 2);
        ck_assert_uint_eq(d->feature_count, 2);
        ck_assert_str_eq(d->feature_names[0], "a");
        ck_assert_str_eq(d->feature_names[1], "b");
        ck_assert_float_eq(feature(d, 1, 0), 3);
        ck_assert_float_eq(feature(d, 1, 1), 4);
        ck_assert_str_eq(d->class_names[0], "x");
        ck_assert_str_eq(d->class_names[1], "y");
        kiln_dataset_free(d);
    }
    kiln_dataset *d = parse_good("1,\"a \"\"b\"\"\n,c\"\n2,\"\"\"\"\n", (kiln_dataset_args){0});
    ck_assert_uint_eq(d->class_count, 2);
    ck_assert_str_eq(d->class_names[0], "\"");
    ck_assert_str_eq(d->class_names[1], "a \"b\"\n,c");
    kiln_dataset_free(d);
    /* in a .tsv, commas are text */
    d = parse("t.tsv", "1\tx,y\n2\tz,w\n", (kiln_dataset_args){0});
    ck_assert_ptr_nonnull(d);
    ck_assert_str_eq(d->class_names[0], "x,y");
    kiln_dataset_free(d);
}
END_TEST

START_TEST(chooses_the_label_column)
{
    const char *content = "a,kind,b\n1,x,2\n3,y,4\n";
    static const char *const ways[] = {"kind", "1", "-2"};
    for (int i = 0; i < 3; i++) {
        kiln_dataset *d = parse_good(content, (kiln_dataset_args){.label = ways[i]});
        ck_assert_uint_eq(d->feature_count, 2);
        ck_assert_str_eq(d->feature_names[0], "a");
        ck_assert_str_eq(d->feature_names[1], "b");
        ck_assert_float_eq(feature(d, 1, 1), 4);
        ck_assert_int_eq(label(d, 1), 1);
        kiln_dataset_free(d);
    }
}
END_TEST

START_TEST(reads_with_or_without_labels)
{
    kiln_dataset *d = parse_good("1,2\n3,4\n", (kiln_dataset_args){.has_labels = KILN_NO});
    ck_assert_uint_eq(d->target_count, 0);
    ck_assert_int_eq(d->inputs[0].shape.dims[0], 2);
    kiln_dataset_free(d);
    d = parse_good("1,2\n3,4\n", (kiln_dataset_args){.features = 2});
    ck_assert_uint_eq(d->target_count, 0);
    kiln_dataset_free(d);
    d = parse_good("1,2,x\n3,4,y\n", (kiln_dataset_args){.features = 2});
    ck_assert_uint_eq(d->target_count, 1);
    kiln_dataset_free(d);
    /* a label named for a file that has it not */
    d = parse_good("a,b\n3,4\n", (kiln_dataset_args){.features = 2, .label = "kind"});
    ck_assert_uint_eq(d->target_count, 0);
    kiln_dataset_free(d);
    ck_assert_ptr_null(parse("t.csv", "1,2,3,x\n", (kiln_dataset_args){.features = 2}));
    expect_error(KILN_ERROR_SHAPE,
                 "t.csv: has 4 columns; the model takes 2 features, with or without a label");
}
END_TEST

START_TEST(tells_classes_from_quantities)
{
    /* 0..C-1 stay as they are */
    kiln_dataset *d = parse_good("1,2\n1,0\n1,1\n", (kiln_dataset_args){0});
    ck_assert_int_eq(label(d, 0), 2);
    ck_assert_int_eq(label(d, 1), 0);
    ck_assert_uint_eq(d->class_count, 3);
    ck_assert_str_eq(d->class_names[2], "2");
    kiln_dataset_free(d);
    /* other integers become classes that remember their number */
    d = parse_good("1,5\n1,3\n1,8.0\n1,5\n1,3\n1,5\n", (kiln_dataset_args){0});
    ck_assert_int_eq(label(d, 0), 1);
    ck_assert_int_eq(label(d, 1), 0);
    ck_assert_int_eq(label(d, 2), 2);
    ck_assert_str_eq(d->class_names[2], "8");
    ck_assert_double_eq(d->class_values[2], 8);
    ck_assert_int_eq(dataset_labels_as_numbers(d), KILN_OK);
    ck_assert_int_eq(d->targets[0].dtype, KILN_FLOAT32);
    ck_assert_float_eq(((const float *)d->targets[0].data)[2], 8);
    kiln_dataset_free(d);
    /* a fraction anywhere makes a quantity */
    d = parse_good("1,0\n1,1\n1,0.5\n1,1\n", (kiln_dataset_args){0});
    ck_assert_int_eq(d->targets[0].dtype, KILN_FLOAT32);
    ck_assert_float_eq(((const float *)d->targets[0].data)[2], 0.5f);
    ck_assert_uint_eq(d->class_count, 0);
    kiln_dataset_free(d);
    /* integers that hardly repeat, too */
    d = parse_good("1,10\n1,17\n1,12\n1,10\n", (kiln_dataset_args){0});
    ck_assert_int_eq(d->targets[0].dtype, KILN_FLOAT32);
    kiln_dataset_free(d);
    /* and more than a hundred */
    char content[4096] = "";
    size_t used = 0;
    for (int i = 0; i < 303; i++)
        used += (size_t)snprintf(content + used, sizeof content - used, "1,%d\n", i % 101);
    d = parse_good(content, (kiln_dataset_args){0});
    ck_assert_int_eq(d->targets[0].dtype, KILN_FLOAT32);
    kiln_dataset_free(d);
    for (int i = 0, at = 0; i < 303; i++) /* a hundred is fine */
        at += snprintf(content + at, sizeof content - (size_t)at, "1,%d\n", i % 100);
    d = parse_good(content, (kiln_dataset_args){0});
    ck_assert_int_eq(d->targets[0].dtype, KILN_INT32);
    ck_assert_uint_eq(d->class_count, 100);
    kiln_dataset_free(d);
}
END_TEST

START_TEST(maps_labels_to_known_classes)
{
    static const char *const kinds[] = {"zebra", "ant", "cow"}, *const numbers[] = {"3", "5"};
    kiln_dataset *d =
        parse_good("1,ant\n2,zebra\n", (kiln_dataset_args){.class_count = 3, .class_names = kinds});
    ck_assert_int_eq(label(d, 0), 1);
    ck_assert_int_eq(label(d, 1), 0);
    ck_assert_uint_eq(d->class_count, 3);
    ck_assert_str_eq(d->class_names[2], "cow");
    kiln_dataset_free(d);
    d = parse_good("1,5.0\n2,3\n", (kiln_dataset_args){.class_count = 2, .class_names = numbers});
    ck_assert_int_eq(label(d, 0), 1);
    ck_assert_int_eq(label(d, 1), 0);
    kiln_dataset_free(d);
    ck_assert_ptr_null(parse("t.csv", "x,y\n1,ant\n2,bee\n",
                             (kiln_dataset_args){.class_count = 3, .class_names = kinds}));
    expect_error(
        KILN_ERROR_FORMAT,
        "t.csv: line 3, column 2: the label 'bee' is none of the 3 classes (zebra, ant, cow)");
}
END_TEST

static const struct {
    const char *content;
    const char *label;
    kiln_status code;
    const char *message;
} wrong[] = {
    {"", NULL, KILN_ERROR_FORMAT, "t.csv: is empty"},
    {"1,5;2,5;x\n3,5;4,5;y\n", NULL, KILN_ERROR_FORMAT, /* neither a header nor 5 columns */
     "t.csv: line 1, column 1: '1,5' is text where a number is needed"},
    {"\n \n\r\n", NULL, KILN_ERROR_FORMAT, "t.csv: is empty"},
    {"a,b,c\n", NULL, KILN_ERROR_FORMAT, "t.csv: has a header but no rows"},
    {"1,2,x\n3,y\n", NULL, KILN_ERROR_FORMAT,
     "t.csv: line 2 has 2 columns, but line 1 has 3 (separator ',')"},
    {"a;b\n1;2\n\n3;4\n5;6;7\n", NULL, KILN_ERROR_FORMAT,
     "t.csv: line 5 has 3 columns, but line 1 has 2 (separator ';')"},
    {"1,2,x\n3,,y\n", NULL, KILN_ERROR_FORMAT, "t.csv: line 2, column 2: the cell is empty"},
    {"a,b,kind\n1,2,x\n3,\"\",y\n", NULL, KILN_ERROR_FORMAT,
     "t.csv: line 3, column 2 (b): the cell is empty"},
    {"1,2,x\n3,4,\n", NULL, KILN_ERROR_FORMAT, "t.csv: line 2, column 3: the label is empty"},
    {"1,2,x\n3,abc,y\n", NULL, KILN_ERROR_FORMAT,
     "t.csv: line 2, column 2: 'abc' is text where a number is needed"},
    {"a,b,kind\n1,2,x\n3,4.5.6,y\n", NULL, KILN_ERROR_FORMAT,
     "t.csv: line 3, column 2 (b): '4.5.6' is text where a number is needed"},
    {"1,?,x\n", NULL, KILN_ERROR_FORMAT,
     "t.csv: line 1, column 2: '?' is text where a number is needed"},
    {"1,2,x\n1,NaN,x\n", NULL, KILN_ERROR_FORMAT,
     "t.csv: line 2, column 2: 'NaN' is no finite number; remove or fill such cells"},
    {"1,2,x\n1,-inf,x\n", NULL, KILN_ERROR_FORMAT,
     "t.csv: line 2, column 2: '-inf' is no finite number; remove or fill such cells"},
    {"1,1e39,x\n", NULL, KILN_ERROR_FORMAT,
     "t.csv: line 1, column 2: '1e39' does not fit into float32"},
    {"1,2\n1,nan\n", NULL, KILN_ERROR_FORMAT,
     "t.csv: line 2, column 2: the label 'nan' is text, but on line 1 it is a number"},
    {"1,x\n1,2\n", NULL, KILN_ERROR_FORMAT,
     "t.csv: line 2, column 2: the label '2' is a number, but on line 1 it is text"},
    {"1,-1e300\n", NULL, KILN_ERROR_FORMAT,
     "t.csv: line 1, column 2: the label '-1e300' does not fit into float32"},
    {"1,\"x\n2,y\n", NULL, KILN_ERROR_FORMAT,
     "t.csv: line 1, column 2: the quote that opens there is never closed"},
    {"1,\"x\"y\n", NULL, KILN_ERROR_FORMAT,
     "t.csv: line 1, column 2: text follows the closing quote"},
    {"1\n2\n", NULL, KILN_ERROR_FORMAT,
     "t.csv: line 1: has 1 column; at least one feature and the label are needed, separated by a "
     "comma, tab, "
     "semicolon or bar"},
    {"\xff\xfe"
     "1",
     NULL, KILN_ERROR_FORMAT, "t.csv: is UTF-16 text; save it as UTF-8"},
    {"1,2,3\n", "kind", KILN_ERROR_ARGUMENT,
     "t.csv: has no header that could name the label column 'kind'; give its index, 0 to 2"},
    {"a,b\n1,2\n", "kind", KILN_ERROR_ARGUMENT,
     "t.csv: has no column 'kind'; its columns are a, b"},
    {"a,a\n1,2\n", "a", KILN_ERROR_ARGUMENT,
     "t.csv: 2 columns are called 'a'; give the index of the label column"},
    {"a,b\n1,2\n", "2", KILN_ERROR_ARGUMENT,
     "t.csv: the label column 2 is outside its columns, 0 to 1"},
    {"a,b\n1,2\n", "-3", KILN_ERROR_ARGUMENT,
     "t.csv: the label column -3 is outside its columns, 0 to 1"},
    {"1,a cell of which nobody would want to read more than its first words,x\n", NULL,
     KILN_ERROR_FORMAT,
     "t.csv: line 1, column 2: 'a cell of which nobody would want to rea...' is text where a "
     "number is needed"},
    {"\"a\nb\",2,x\n\"c\",3,y\n1,oops,z\n", NULL, KILN_ERROR_FORMAT,
     "t.csv: line 1, column 1: 'a?b' is text where a number is needed"},
};

START_TEST(names_what_is_wrong)
{
    ck_assert_ptr_null(
        parse("t.csv", wrong[_i].content, (kiln_dataset_args){.label = wrong[_i].label}));
    expect_error(wrong[_i].code, wrong[_i].message);
}
END_TEST

START_TEST(names_binary_files)
{
    char bytes[] = {'1', ',', '2', 0, '3'};
    kiln_dataset_args none = {0};
    ck_assert_ptr_null(csv_parse("t.csv", bytes, sizeof bytes, &none));
    expect_error(KILN_ERROR_FORMAT, "t.csv: is no text: byte 3 is zero");
}
END_TEST

/* Our own conversion gives what strtod gives. */
START_TEST(converts_numbers_exactly)
{
    static const char *const numbers[] = {"0",
                                          "-0",
                                          "1",
                                          "0.1",
                                          "123456789.123456789",
                                          "1e22",
                                          "1e23",
                                          "9007199254740993",
                                          "1.7976931348623157e308",
                                          "4.9e-324",
                                          "2.2250738585072011e-308",
                                          "0.000000000000000000000000000001",
                                          "1e400",
                                          "-1e-400",
                                          "00012.50",
                                          "179769313486231570000000000000000000000",
                                          "3.4028235677973366e38",
                                          "0.30000000000000004",
                                          "1E5",
                                          "+7",
                                          "123456789012345678901234567890",
                                          "0.00000000000000000000123456789012345678901234567890e20",
                                          "5.",
                                          ".5"};
    static const char *const no_numbers[] = {"",    "-",    "+",   ".",    "e5",  "1e",
                                             "1e+", "0x10", "1 2", "1,5",  "1_0", "--1",
                                             "nan", "inf",  "1f",  "1.2.3"};
    double value;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        ck_assert_msg(csv_number((csv_cell){numbers[i], strlen(numbers[i]), false}, &value), "%s",
                      numbers[i]);
        ck_assert_msg(value == strtod(numbers[i], NULL), "%s: %.17g", numbers[i], value);
    }
    for (size_t i = 0; i < sizeof no_numbers / sizeof *no_numbers; i++)
        ck_assert_msg(!csv_number((csv_cell){no_numbers[i], strlen(no_numbers[i]), false}, &value),
                      "%s", no_numbers[i]);
}
END_TEST

START_TEST(reads_the_real_tables)
{
    char *iris = real_data("iris.csv"), *wine = real_data("winequality-red.csv"),
         *housing = real_data("housing.csv");
    if (iris && wine && housing) {
        kiln_dataset *d = kiln_dataset_open(iris);
        ck_assert_ptr_nonnull(d);
        ck_assert_int_eq(d->samples, 150);
        ck_assert_int_eq(d->inputs[0].shape.dims[0], 4);
        ck_assert_uint_eq(d->class_count, 3);
        ck_assert_str_eq(d->class_names[1], "Iris-versicolor");
        kiln_dataset_free(d);
        d = kiln_dataset_open(wine);
        ck_assert_ptr_nonnull(d);
        ck_assert_int_eq(d->samples, 1599);
        ck_assert_uint_eq(d->class_count, 6);
        ck_assert_str_eq(d->class_names[0], "3");
        ck_assert_int_eq(label(d, 0), 2);
        kiln_dataset_free(d);
        d = kiln_dataset_open(housing);
        ck_assert_ptr_nonnull(d);
        ck_assert_int_eq(d->samples, 506);
        ck_assert_int_eq(d->inputs[0].shape.dims[0], 13);
        ck_assert_int_eq(d->targets[0].dtype, KILN_FLOAT32);
        ck_assert_float_eq(((const float *)d->targets[0].data)[1], 21.6f);
        kiln_dataset_free(d);
    }
    free(iris);
    free(wine);
    free(housing);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("csv");
    TCase *tests = tcase_create("csv");
    tcase_add_unchecked_fixture(tests, enter_folder, leave_folder);
    tcase_add_test(tests, reads_text_labels);
    tcase_add_test(tests, finds_separators_quotes_and_line_ends);
    tcase_add_test(tests, chooses_the_label_column);
    tcase_add_test(tests, reads_with_or_without_labels);
    tcase_add_test(tests, tells_classes_from_quantities);
    tcase_add_test(tests, maps_labels_to_known_classes);
    tcase_add_loop_test(tests, names_what_is_wrong, 0, (int)(sizeof wrong / sizeof *wrong));
    tcase_add_test(tests, names_binary_files);
    tcase_add_test(tests, converts_numbers_exactly);
    tcase_add_test(tests, reads_the_real_tables);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
