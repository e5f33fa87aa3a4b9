/* Status, memory, environment, clock, hash. */
#include "base/clock.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/memory.h"

#include "harness/harness.h"

#include <pthread.h>
#include <time.h>

START_TEST(status_is_kept)
{
    ck_assert_int_eq(kiln_last_status(), KILN_OK);
    ck_assert_str_eq(kiln_last_error(), "");
    ck_assert_int_eq(kiln_fail(KILN_ERROR_SHAPE, "layer %s: %d", "dense", 3), KILN_ERROR_SHAPE);
    ck_assert_str_eq(kiln_last_error(), "layer dense: 3");
    ck_assert_int_eq(kiln_fail_in("model %d", 7), KILN_ERROR_SHAPE);
    ck_assert_str_eq(kiln_last_error(), "model 7: layer dense: 3");
    /* the message as its own argument */
    kiln_fail(KILN_ERROR_FILE, "again: %s", kiln_last_error());
    ck_assert_str_eq(kiln_last_error(), "again: model 7: layer dense: 3");
    ck_assert_int_eq(kiln_fail_null("layer"), KILN_ERROR_FILE);
    kiln_error_record record;
    kiln_error_save(&record);
    kiln_fail(KILN_ERROR_MEMORY, "something else");
    kiln_error_restore(&record);
    ck_assert_int_eq(kiln_last_status(), KILN_ERROR_FILE);
    ck_assert_str_eq(kiln_last_error(), "again: model 7: layer dense: 3");
    char printed[256] = "";
    FILE *stream = fmemopen(printed, sizeof printed, "w");
    ck_assert_int_eq(kiln_report_errors(stream), 1);
    ck_assert_int_eq(kiln_report_errors(stream), 0);
    fclose(stream);
    ck_assert_str_eq(printed, "kiln: again: model 7: layer dense: 3; check the path and its "
                              "permissions\n");
    ck_assert_int_eq(kiln_fail_null("layer"), KILN_ERROR_ARGUMENT);
    ck_assert_str_eq(kiln_last_error(), "layer is NULL");
}
END_TEST

/* Whatever fails, the line says what to do; once. */
START_TEST(lines_say_what_to_do)
{
    ck_assert_int_eq(kiln_advise("not needed"), KILN_OK);
    ck_assert_str_eq(kiln_last_error(), "");
    kiln_fail(KILN_ERROR_FORMAT, "a.csv: line 3: is short");
    ck_assert_int_eq(kiln_advise("fill it"), KILN_ERROR_FORMAT);
    ck_assert_int_eq(kiln_advise("and again"), KILN_ERROR_FORMAT);
    ck_assert_str_eq(kiln_last_error(), "a.csv: line 3: is short; fill it");
    for (int code = KILN_ERROR_ARGUMENT; code <= KILN_INTERRUPTED; code++) {
        char printed[256] = "";
        FILE *stream = fmemopen(printed, sizeof printed, "w");
        kiln_fail((kiln_status)code, "x: y");
        ck_assert_int_eq(kiln_report_errors(stream), 1);
        fclose(stream);
        ck_assert_int_eq(strncmp(printed, "kiln: x: y", 10), 0);
        ck_assert_int_eq(strstr(printed, "; ") != NULL, code != KILN_INTERRUPTED);
        ck_assert_ptr_eq(strchr(printed, '\n'), printed + strlen(printed) - 1);
    }
}
END_TEST

static void *other_thread(void *unused)
{
    (void)unused;
    bool clean = kiln_last_status() == KILN_OK;
    kiln_fail(KILN_ERROR_DEVICE, "theirs");
    return clean ? "clean" : NULL;
}

START_TEST(status_is_per_thread)
{
    pthread_t thread;
    void *result;
    kiln_fail(KILN_ERROR_SHAPE, "ours");
    pthread_create(&thread, NULL, other_thread, NULL);
    pthread_join(thread, &result);
    ck_assert_ptr_nonnull(result);
    ck_assert_str_eq(kiln_last_error(), "ours");
}
END_TEST

START_TEST(arrays_grow)
{
    struct {
        int *items;
        size_t count, capacity;
    } list = {0};
    for (int i = 0; i < 1000; i++) {
        harness_ok(MEM_PUSH_ROOM(&list));
        list.items[list.count++] = i;
    }
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(list.items[i], i);
    ck_assert_int_eq(mem_grow(&list.items, &list.capacity, SIZE_MAX / 2, sizeof(int)),
                     KILN_ERROR_MEMORY);
    ck_assert_int_eq(list.items[999], 999);
    free(list.items);
    ck_assert_ptr_null(mem_new(SIZE_MAX / 4, 8));
    ck_assert_int_eq(kiln_last_status(), KILN_ERROR_MEMORY);
    int *zeros = mem_new(10, sizeof *zeros);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(zeros[i], 0);
    free(zeros);
}
END_TEST

START_TEST(texts_grow)
{
    text t = {0};
    char long_word[2000];
    memset(long_word, 'x', sizeof long_word - 1);
    long_word[sizeof long_word - 1] = '\0';
    text_add(&t, "%d ", 12);
    text_add(&t, "%s", long_word);
    text_bytes(&t, "\0y", 2);
    ck_assert_uint_eq(t.length, 3 + sizeof long_word - 1 + 2);
    ck_assert_int_eq(t.data[t.length - 1], 'y');
    ck_assert_int_eq(t.data[t.length], 0);
    ck_assert_int_eq(strncmp(t.data, "12 xxx", 6), 0);
    ck_assert(!t.failed);
    text_free(&t);
    ck_assert_ptr_null(t.data);
    char *s = str_format("%s-%d", "a", 5);
    ck_assert_str_eq(s, "a-5");
    free(s);
}
END_TEST

START_TEST(environment)
{
    char value[32];
    unsetenv("KILN_DEVICE");
    ck_assert_ptr_null(env_get(ENV_DEVICE));
    setenv("KILN_DEVICE", "", 1);
    ck_assert_ptr_null(env_get(ENV_DEVICE));
    setenv("KILN_DEVICE", "gpu", 1);
    ck_assert_str_eq(env_get(ENV_DEVICE), "gpu");
    for (int i = 0; i < ENV_COUNT; i++) {
        ck_assert_ptr_nonnull(env_name(i));
        ck_assert_ptr_nonnull(env_meaning(i));
    }

    unsetenv("KILN_DEBUG");
    ck_assert(!env_debug("sync"));
    setenv("KILN_DEBUG", "sync, fail:clFinish:3,fail:clFlush:1 ,plan", 1);
    ck_assert(env_debug("sync") && env_debug("plan") && env_debug("fail"));
    ck_assert(!env_debug("syn") && !env_debug("fai") && !env_debug("dot") &&
              !env_debug("clFinish"));
    ck_assert(env_debug_item("fail", 0, value, sizeof value));
    ck_assert_str_eq(value, "clFinish:3");
    ck_assert(env_debug_item("fail", 1, value, sizeof value));
    ck_assert_str_eq(value, "clFlush:1");
    ck_assert(!env_debug_item("fail", 2, value, sizeof value));
    ck_assert_str_eq(value, "");
    ck_assert(env_debug_item("sync", 0, value, sizeof value));
    ck_assert_str_eq(value, "");
    ck_assert(env_debug_item("fail", 0, value, 4));
    ck_assert_str_eq(value, "clF");
    harness_ok(env_check());
    setenv("KILN_DEBUG", "sync,plam", 1);
    harness_fails(env_check(), KILN_ERROR_ARGUMENT, "'plam' means nothing; the words are sync");
    setenv("KILN_DEBUG", ",, ,", 1);
    harness_ok(env_check());
}
END_TEST

START_TEST(clocks)
{
    double a = clock_seconds(), start = clock_since_start();
    clock_sleep(0.02);
    double b = clock_seconds();
    ck_assert(b - a >= 0.02 && b - a < 5);
    ck_assert(start >= 0 && start < 3600);
    ck_assert_double_ge(clock_since_start(), start + 0.01);
}
END_TEST

START_TEST(hashes)
{
    /* XXH64's own figures: the same on every machine */
    ck_assert_uint_eq(hash_bytes(0, "", 0), 0xEF46DB3751D8E999u);
    ck_assert_uint_eq(hash_bytes(0, "abc", 3), 0x44BC2CF5AD770999u);
    ck_assert_uint_ne(hash_bytes(1, "abc", 3), hash_bytes(0, "abc", 3));
    ck_assert_uint_ne(hash_string(hash_string(0, "ab"), "c"),
                      hash_string(hash_string(0, "a"), "bc"));
}
END_TEST

START_TEST(values)
{
    kiln_shape shape = KILN_SHAPE(28, 28, 3);
    ck_assert_int_eq(shape.rank, 3);
    ck_assert_int_eq(kiln_shape_size(shape), 28 * 28 * 3);
    ck_assert_int_eq(kiln_shape_size((kiln_shape){0}), 1);
    int64_t dims[] = {4, 5};
    ck_assert_int_eq(kiln_shape_of(2, dims).dims[1], 5);
    ck_assert_int_eq(kiln_shape_of(-1, NULL).rank, 0);
    ck_assert_uint_eq(kiln_dtype_size(KILN_FLOAT32), 4);
    ck_assert_uint_eq(kiln_dtype_size(KILN_UINT8), 1);
    ck_assert_uint_eq(kiln_dtype_size(KILN_INT64), 8);
    ck_assert_str_eq(kiln_dtype_name(KILN_FLOAT64), "float64");
    ck_assert_str_eq(kiln_dtype_name((kiln_dtype)99), "unknown");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("basics");
    TCase *tests = tcase_create("basics");
    tcase_add_test(tests, status_is_kept);
    tcase_add_test(tests, lines_say_what_to_do);
    tcase_add_test(tests, status_is_per_thread);
    tcase_add_test(tests, arrays_grow);
    tcase_add_test(tests, texts_grow);
    tcase_add_test(tests, environment);
    tcase_add_test(tests, clocks);
    tcase_add_test(tests, hashes);
    tcase_add_test(tests, values);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
