/* Specs: "name(key=value, ...)". */
#include "harness/harness.h"
#include "layer/layer.h"

#include <locale.h>
#include <math.h>

START_TEST(parse)
{
    spec s;
    harness_ok(spec_parse(" relu ", "activation", &s));
    ck_assert_str_eq(s.name, "relu");
    ck_assert_int_eq(s.count, 0);
    harness_ok(spec_parse("f()", "activation", &s));
    ck_assert_int_eq(s.count, 0);
    harness_ok(spec_parse("top_k ( 5 , none, k=-1.5e-3, b = True, c=\"a b\", d='x', e=word,)",
                          "metric", &s));
    ck_assert_int_eq(s.count, 7);
    ck_assert_double_eq(s.values[0], 5);
    ck_assert(s.given_none[1]);
    ck_assert_double_eq(spec_number(&s, "k", -1, 0), -0.0015);
    ck_assert_double_eq(spec_number(&s, "b", -1, 0), 1);
    ck_assert_str_eq(s.words[4], "a b");
    ck_assert_str_eq(s.words[5], "x");
    ck_assert_str_eq(s.words[6], "word");
    ck_assert_double_eq(spec_number(&s, "anything", 0, 7), 5); /* the first by position */
    ck_assert_double_eq(spec_number(&s, "anything", 1, 7), 7); /* None */
    ck_assert_double_eq(spec_number(&s, "e", -1, 7), 7);       /* a word */
}
END_TEST

/* A number reads and writes the same in a locale with a decimal comma. */
START_TEST(numbers)
{
    static const double values[] = {0,       1,   -1,    0.1,    0.2,     1e-7,
                                    1.0 / 3, 128, 1e300, 5e-324, 16777217};
    char buffer[SPEC_NUMBER_ROOM];
    spec s;
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL)
        puts("skip: numbers in a locale with a comma: de_DE.UTF-8 is not installed");
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        double back;
        ck_assert_ptr_nonnull(spec_read_number(spec_number_text(values[i], buffer), &back));
        ck_assert_msg(back == values[i], "%s", buffer);
        ck_assert_ptr_null(strchr(buffer, ','));
    }
    ck_assert_str_eq(spec_number_text(0.2, buffer), "0.2");
    ck_assert_str_eq(spec_number_text(1e-7, buffer), "1e-07");
    harness_ok(spec_parse("l2(0.25)", "regularizer", &s));
    ck_assert_double_eq(s.values[0], 0.25);
    setlocale(LC_NUMERIC, "C");
}
END_TEST

static const struct {
    const char *text, *message;
} parse_errors[] = {
    {"", "activation \"\": a name is missing"},
    {"(1)", "activation \"(1)\": a name is missing"},
    {"relu(", "activation \"relu(\": a value is missing"},
    {"relu(1", "activation \"relu(1\": the closing \")\" is missing"},
    {"relu(1 2)", "activation \"relu(1 2)\": expected \",\" or \")\" between arguments"},
    {"relu(a=)", "activation \"relu(a=)\": a value is missing"},
    {"relu(a=1, a=2)", "activation \"relu(a=1, a=2)\": an argument is given twice"},
    {"relu(a=1, 2)", "activation \"relu(a=1, 2)\": a value without a name follows one with a name"},
    {"relu(1)x", "activation \"relu(1)x\": something follows its end"},
    {"relu relu", "activation \"relu relu\": something follows its end"},
    {"relu(a='x)", "activation \"relu(a='x)\": a quote is not closed"},
    {"relu(1e999)", "activation \"relu(1e999)\": a number in it is out of range"},
    {"f(1,2,3,4,5,6,7,8,9)", "activation \"f(1,2,3,4,5,6,7,8,9)\": too many arguments"},
    {"abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij",
     "activation \"abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij\": a "
     "word "
     "in it is too long"},
};

START_TEST(parse_fails)
{
    spec s;
    ck_assert_int_ne(spec_parse(parse_errors[_i].text, "activation", &s), KILN_OK);
    ck_assert_str_eq(kiln_last_error(), parse_errors[_i].message);
}
END_TEST

static const struct {
    kiln_status (*check)(const char *);
    const char *text, *message; /* NULL: it is fine */
} checks[] = {
    {activation_check, NULL, NULL},
    {activation_check, "rleu", "unknown activation \"rleu\" (did you mean \"relu\"?)"},
    {activation_check, "quantum", "unknown activation \"quantum\""},
    {activation_check, "relu(slope=1)", "activation \"relu\" has no argument \"slope\""},
    {activation_check, "relu(negative_slop=1)",
     "activation \"relu\" has no argument \"negative_slop\" (did you mean \"negative_slope\"?)"},
    {activation_check, "tanh(1)", "activation \"tanh\" takes at most 0 arguments"},
    {activation_check, "elu(alpha=big)", "activation \"elu\": alpha must be a number"},
    {activation_check, "elu(alpha=none)", "activation \"elu\": alpha must be a value"},
    {activation_check, "gelu(approximate=2)",
     "activation \"gelu\": approximate must be true or false"},
    {activation_check, "softmax(axis=0.5)", "activation \"softmax\": axis must be a whole number"},
    {activation_check, "threshold",
     "activation \"threshold\" needs the argument threshold: write \"threshold(threshold=...)\""},
    {activation_check, "relu(-1)", "activation \"relu(-1)\": its arguments cannot be negative"},
    {activation_check, "celu(0)", "activation \"celu(0)\": alpha cannot be 0"},
    {activation_check, "relu(max_value=none)", NULL},
    {activation_check, "LeakyReLU(0.1)", NULL},
    {initializer_check, "glorot_uniform", NULL},
    {initializer_check, "GlorotUniform(seed=3)", NULL},
    {initializer_check, "one", NULL},
    {initializer_check, "glorot", "unknown initializer \"glorot\""},
    {initializer_check, "glrot_uniform",
     "unknown initializer \"glrot_uniform\" (did you mean \"glorot_uniform\"?)"},
    {initializer_check, "random_normal(stddev=-1)",
     "initializer \"random_normal(stddev=-1)\": stddev cannot be negative"},
    {initializer_check, "variance_scaling(scale=0)",
     "initializer \"variance_scaling(scale=0)\": scale must be positive"},
    {initializer_check, "variance_scaling(mode=fan_on)",
     "initializer \"variance_scaling\": mode must be one of fan_in fan_out fan_avg"},
    {initializer_check, "glorot_uniform(input_axes=1)",
     "initializer \"glorot_uniform\": input_axes must be None (anything else is not supported)"},
    {regularizer_check, NULL, NULL},
    {regularizer_check, "l1l2(0.1, 0.2)", NULL},
    {regularizer_check, "l3", "unknown regularizer \"l3\" (did you mean \"l1\"?)"},
    {regularizer_check, "l2(-1)", "regularizer \"l2(-1)\": l2 cannot be negative"},
    {constraint_check, NULL, NULL},
    {constraint_check, "MaxNorm(3, axis=1)", NULL},
    {constraint_check, "min_max_norm(0.5, 1, rate=0.5, axis='0 -1')", NULL},
    {constraint_check, "non_negg", "unknown constraint \"non_negg\" (did you mean \"non_neg\"?)"},
    {constraint_check, "non_neg(2)", "constraint \"non_neg\" takes at most 0 arguments"},
    {constraint_check, "unit_norm(axis=0.5)",
     "constraint \"unit_norm\": axis must be a whole number"},
    {constraint_check, "unit_norm(axis='- 1')",
     "constraint \"unit_norm\": axis must be whole numbers"},
};

START_TEST(names)
{
    kiln_clear_error();
    kiln_status status = checks[_i].check(checks[_i].text);
    if (checks[_i].message) {
        ck_assert_int_eq(status, KILN_ERROR_ARGUMENT);
        ck_assert_str_eq(kiln_last_error(), checks[_i].message);
    } else {
        ck_assert_msg(status == KILN_OK, "%s: %s", checks[_i].text, kiln_last_error());
    }
}
END_TEST

START_TEST(shapes)
{
    kiln_shape out, in = {2, {5, 6}};
    harness_ok(activation_shape("glu", in, &out));
    ck_assert_int_eq(out.dims[1], 3);
    harness_ok(activation_shape("softmax(axis=2)", in, &out));
    ck_assert(ir_shape_equal(in, out));
    harness_fails(
        activation_shape("softmax(axis=3)", in, &out), KILN_ERROR_SHAPE,
        "activation \"softmax\": axis 3 is none of an input with 3 axes, or that of the batch");
    harness_fails(activation_shape("glu(axis=1)", in, &out), KILN_ERROR_UNSUPPORTED,
                  "activation \"glu\" works over the last axis only, not over axis 1");
    harness_fails(activation_shape("glu", (kiln_shape){2, {5, 7}}, &out), KILN_ERROR_SHAPE,
                  "activation \"glu\" halves the last axis, and 7 of (5, 7) is odd");
    harness_fails(activation_shape("softmax", (kiln_shape){0}, &out), KILN_ERROR_SHAPE,
                  "activation \"softmax\" needs an input with an axis besides the batch");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spec");
    TCase *tests = tcase_create("spec");
    tcase_add_test(tests, parse);
    tcase_add_test(tests, numbers);
    tcase_add_loop_test(tests, parse_fails, 0, sizeof parse_errors / sizeof *parse_errors);
    tcase_add_loop_test(tests, names, 0, sizeof checks / sizeof *checks);
    tcase_add_test(tests, shapes);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
