/* The JSON writer. */
#include "harness/harness.h"

#include "format/json.h"

#include <math.h>

static void write_all(json_writer *w)
{
    json_write_open(w, NULL, '{');
    json_write_string(w, "text", "a \"quoted\" \\ line\nand\ttab \x01 \xc3\xa9 \xff!");
    json_write_integer(w, "integer", -42);
    json_write_real(w, "real", 0.2);
    json_write_real(w, "whole", 3);
    json_write_real(w, "small", 1e-7);
    json_write_real(w, "none", NAN);
    json_write_bool(w, "yes", true);
    json_write_string(w, "null", NULL);
    json_write_open(w, "empty", '[');
    json_write_close(w, ']');
    json_write_open(w, "list", '[');
    json_write_integer(w, NULL, 1);
    json_write_open(w, NULL, '{');
    json_write_close(w, '}');
    json_write_raw(w, NULL, "[null]");
    json_write_close(w, ']');
    json_write_close(w, '}');
}

START_TEST(compact)
{
    text out = {0};
    json_writer w = {.out = &out, .indent = -1};
    write_all(&w);
    ck_assert_str_eq(
        out.data,
        "{\"text\": \"a \\\"quoted\\\" \\\\ line\\nand\\u0009tab \\u0001 \xc3\xa9 \\ufffd!\", "
        "\"integer\": -42, \"real\": 0.2, \"whole\": 3.0, \"small\": 1e-07, \"none\": null, "
        "\"yes\": true, \"null\": null, \"empty\": [], \"list\": [1, {}, [null]]}");
    json_t *back = json_parse("test", out.data, out.length);
    ck_assert_msg(back != NULL, "%s", kiln_last_error());
    ck_assert_double_eq(json_number_value(json_object_get(back, "real")), 0.2);
    json_decref(back);
    text_free(&out);
}
END_TEST

START_TEST(indented)
{
    text out = {0};
    json_writer w = {.out = &out, .indent = 2};
    json_write_open(&w, NULL, '{');
    json_write_open(&w, "a", '[');
    json_write_integer(&w, NULL, 1);
    json_write_integer(&w, NULL, 2);
    json_write_close(&w, ']');
    json_write_open(&w, "b", '{');
    json_write_close(&w, '}');
    json_write_close(&w, '}');
    ck_assert_str_eq(out.data, "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}");
    text_free(&out);
}
END_TEST

START_TEST(invalid)
{
    static const struct {
        const char *json, *message;
    } cases[] = {
        {"{", "model.json is not valid JSON: line 1, column 1: "},
        {"{\"a\": 1,\n \"a\": 2}",
         "model.json is not valid JSON: line 2, column 4: duplicate object key"},
        {"[1, 2] x", "model.json is not valid JSON: line 1, column 8: end of file expected"},
        {"", "model.json is not valid JSON: line 1, column 0: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_ptr_null(json_parse("model.json", cases[i].json, strlen(cases[i].json)));
        ck_assert_msg(strncmp(kiln_last_error(), cases[i].message, strlen(cases[i].message)) == 0,
                      "%s", kiln_last_error());
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json");
    TCase *tests = tcase_create("json");
    tcase_add_test(tests, compact);
    tcase_add_test(tests, indented);
    tcase_add_test(tests, invalid);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
