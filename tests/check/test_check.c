/* The check of a device: that it passes on sound drivers, finds planted faults, and puts aside what it can. */
#include "base/file.h"
#include "blas/clblast.h"
#include "blas/tile.h"
#include "check/check.h"
#include "check/work.h"
#include "device/miscompile.h"
#include "harness/harness.h"

#include <unistd.h>

static const check_case *find(const char *name)
{
    for (size_t i = 0; i < check_case_count; i++)
        if (strcmp(check_cases[i].name, name) == 0)
            return &check_cases[i];
    ck_abort_msg("there is no case '%s'", name);
    return NULL;
}

START_TEST(sound_devices_pass)
{
    HARNESS_EACH_DEVICE(device)
    {
        const bool usual = device->serial_kernels;
        for (int kind = 0; kind < 2; kind++) {
            if (kind && harness_is_slow(device))
                continue;
            device->serial_kernels = kind ? !usual : usual;
            for (size_t i = 0; i < check_case_count; i++) {
                kiln_status status = check_run(device, &check_cases[i]);
                ck_assert_msg(status == KILN_OK, "%s, %s kernels: %s: %s", device->info.name,
                              device->serial_kernels ? "serial" : "parallel", check_cases[i].name, kiln_last_error());
            }
        }
        device->serial_kernels = usual;
    }
}
END_TEST

/* Each fault, the case that has to find it, and the kind of kernels that have it (-1: both). */
static const struct {
    const char *fault, *found_by, *says;
    int serial;
} faults[] = {
    {"wrong-index", "products", "a b: element", 0},
    {"missing-barrier", "products", "a b: element", 0},
    {"wrong-transpose", "products", "a b': element", 0},
    {"uninitialized-accumulator", "products", "a b: element", 1},
    {"nan", "sums and maxima", "nan, not", -1},
    {"lost-lanes", "sums and maxima", "sums of rows: element", 1},
    {"random-bits", "random draws", "uniform draws: element", -1},
    {"half-rounding", "whole numbers, halves and atomics", "numbers kept as halves: element", -1},
    {"shift", "whole numbers, halves and atomics", "whole numbers: element", -1},
    {"momentum", "training", "trained weights: element", -1},
    {"minimal-filtering", "convolutions by Winograd", "a convolution: element", 1},
    {"lost-step", "training", "trained weights: element", -1},
};

START_TEST(planted_faults_are_found)
{
    char debug[64];
    snprintf(debug, sizeof debug, "miscompile:%s", faults[_i].fault);
    setenv("KILN_DEBUG", debug, 1);
    HARNESS_EACH_DEVICE(device)
    {
        if (faults[_i].serial >= 0)
            device->serial_kernels = faults[_i].serial;
        /* A barrier that is missing does no harm where work-items run in step by chance. */
        if (strcmp(faults[_i].fault, "missing-barrier") == 0 && !strstr(device->info.platform, "Portable"))
            continue;
        /* Where tiles of registers are not the kind in use, convolutions of them compile for minutes. */
        if (strcmp(faults[_i].fault, "minimal-filtering") == 0 && harness_is_slow(device))
            continue;
        harness_fails(check_run(device, find(faults[_i].found_by)), KILN_ERROR_DEVICE, faults[_i].says);
    }
    setenv("KILN_DEBUG", "", 1);
}
END_TEST

START_TEST(every_fault_is_tried)
{
    size_t count = 0;
    for (; miscompile_names[count]; count++) {
        bool tried = false;
        for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
            tried |= strcmp(faults[i].fault, miscompile_names[count]) == 0;
        ck_assert_msg(tried, "%s", miscompile_names[count]);
    }
    ck_assert_uint_ge(count, 10);
    kiln_device_info *list;
    setenv("KILN_DEBUG", "miscompile:everything", 1);
    harness_fails(kiln_devices_list(&list, &count, NULL), KILN_ERROR_ARGUMENT, "there is no fault 'everything'");
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const char *first = strstr(kiln_last_error(), faults[i].fault);
        ck_assert_msg(first && strstr(first + 1, faults[i].fault) == NULL, "%s", kiln_last_error());
    }
    setenv("KILN_DEBUG", "", 1);
}
END_TEST

static int warnings;
static void on_warning(const char *way, const char *why)
{
    warnings++;
    ck_assert_str_eq(way, "with the other kind of kernels");
    ck_assert_ptr_nonnull(strstr(why, "products: a b: element"));
}

START_TEST(what_is_wrong_is_put_aside)
{
    unsetenv("KILN_CHECK");
    device_on_warning = on_warning;
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        const bool usual = device->serial_kernels;
        if (tile_kind_is_serial(device) != usual) {
            puts("skip: what is wrong is put aside: where work-groups are of less than 64, both kinds have the same tiles");
            continue;
        }
        setenv("KILN_DEBUG", usual ? "miscompile:uninitialized-accumulator" : "miscompile:missing-barrier", 1);
        warnings = 0;
        harness_ok(check_device(device));
        ck_assert_int_eq(warnings, 1);
        ck_assert(device->serial_kernels != usual && device->checked);
        harness_ok(check_device(device)); /* not again */
        ck_assert_int_eq(warnings, 1);
    }
    setenv("KILN_DEBUG", "", 1);
    device_on_warning = NULL;
}
END_TEST

/* A scheme that has a plain one beside it is all that is put aside. */
START_TEST(winograd_is_put_aside)
{
    unsetenv("KILN_CHECK");
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device) || !device->serial_kernels)
            continue;
        setenv("KILN_DEBUG", "miscompile:minimal-filtering", 1);
        harness_ok(check_device(device));
        ck_assert(device->avoid == DEVICE_AVOID_WINOGRAD && device->serial_kernels);
        device->avoid = 0;
    }
    setenv("KILN_DEBUG", "", 1);
}
END_TEST

START_TEST(no_way_is_refused)
{
    char *report;
    unsetenv("KILN_CHECK");
    harness_fails(kiln_device_check(NULL, &report), KILN_ERROR_ARGUMENT, "is NULL");
    setenv("KILN_DEBUG", "miscompile:shift", 1);
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        harness_fails(kiln_device_check(device, &report), KILN_ERROR_DEVICE,
                      "computes wrongly, whichever way it is asked: whole numbers, halves and atomics: whole numbers");
        ck_assert_ptr_nonnull(strstr(report, "verdict: wrong"));
        ck_assert_ptr_nonnull(strstr(report, "convolutions with pooling          right"));
        free(report);
        ck_assert(!device->checked);
    }
    setenv("KILN_DEBUG", "", 1);
}
END_TEST

/* Both kinds of kernels and CLBlast; where time runs out, what nothing uses is left out, and the report says so. */
START_TEST(the_report_of_a_sound_device)
{
    unsetenv("KILN_CHECK");
    const double usual_patience = check_patience;
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        for (int hurried = 0; hurried < 2; hurried++) {
            char *report;
            check_patience = hurried ? -1 : usual_patience;
            harness_ok(kiln_device_check(device, &report));
            const char *other = strstr(report, "\nwith the other kind of kernels, "), *clblast = strstr(report, "\nCLBlast:\n");
            ck_assert_msg(other && clblast && strstr(clblast, "\nverdict: as planned\n"), "%s", report);
            for (size_t i = 0; i < check_case_count; i++) {
                char right[64], out[128];
                snprintf(right, sizeof right, "  %-34s right\n", check_cases[i].name);
                snprintf(out, sizeof out, "  %-34s left out: this driver takes long\n", check_cases[i].name);
                const char *found = strstr(report, right);
                ck_assert_msg(found && found < other, "%s", report);
                ck_assert_msg(strstr(other, hurried ? out : right) != NULL, "%s", report);
            }
            ck_assert_msg(strstr(clblast, hurried ? "CLBlast                left out" : "CLBlast                right") != NULL,
                          "%s", report);
            ck_assert_uint_eq(device->avoid, 0);
            free(report);
        }
    }
    check_patience = usual_patience;
}
END_TEST

/* The verdict is kept, read again, and damaged files are made anew; a process that dies in a case is remembered. */
START_TEST(verdicts_are_kept)
{
    unsetenv("KILN_CHECK");
    setenv("KILN_CACHE_DIR", harness_folder(), 1);
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        char *path = device_record_path(device, "checks", KILN_VERSION), *marker = str_format("%s.running", path);
        const bool usual = device->serial_kernels;
        harness_ok(check_device(device));
        ck_assert(access(path, R_OK) == 0 && access(marker, F_OK) != 0);
        void *first, *second;
        size_t bytes, again;
        harness_ok(file_read(path, 1 << 20, &first, &bytes));
        ck_assert_ptr_nonnull(strstr(first, "\nverdict: as planned\n"));
        device->checked = false; /* read, not run: what the file says is done */
        static const char told[] = "#\nverdict: without chains of rows\n";
        harness_ok(file_write_atomic(path, told, sizeof told - 1));
        harness_ok(check_device(device));
        ck_assert_uint_eq(device->avoid, DEVICE_AVOID_CHAINS);
        ck_assert(device->serial_kernels == usual);
        device->avoid = 0;
        device->checked = false; /* nonsense is checked anew */
        harness_ok(file_write_atomic(path, "verdict: ?", 10));
        harness_ok(check_device(device));
        harness_ok(file_read(path, 1 << 20, &second, &again));
        ck_assert_str_eq(first, second);
        ck_assert_uint_eq(device->avoid, 0);
        free(first);
        free(second);
        /* What is kept is told without running anything. */
        harness_ok(file_write_atomic(path, told, sizeof told - 1));
        check_recall(device);
        ck_assert_uint_eq(device->avoid, DEVICE_AVOID_CHAINS);
        device->avoid = 0;
        /* The thorough check puts a verdict right that was wrong. */
        char *report;
        harness_ok(kiln_device_check(device, &report));
        free(report);
        harness_ok(file_read(path, 1 << 20, &first, &bytes));
        ck_assert_ptr_nonnull(strstr(first, "\nverdict: as planned\n"));
        free(first);
        /* A process that is no more ended in the products, as planned: once may be chance, twice is none. */
        static const char *const died[] = {"0 5 999999999\n", "0 5 999999999 0 4 7\n", "0 5 999999999 0 5 1\n"};
        for (int i = 0; i < 3; i++) {
            harness_ok(file_write_atomic(marker, died[i], strlen(died[i])));
            ck_assert_int_eq(remove(path), 0);
            device->checked = false;
            harness_ok(check_device(device));
            ck_assert((i == 2) == (device->avoid != 0 || device->serial_kernels != usual));
            ck_assert(access(marker, F_OK) != 0);
            device->avoid = 0;
            device->serial_kernels = usual;
        }
        free(path);
        free(marker);
    }
    harness_remove_folder();
}
END_TEST

static int clblast_warnings;
static void on_clblast_warning(const char *way, const char *why)
{
    clblast_warnings++;
    ck_assert_str_eq(way, "with the engine tile");
    ck_assert_ptr_nonnull(strstr(why, "products by CLBlast: a b: element"));
}

/* What check_engine makes of an engine. */
static blas_engine asked_for(kiln_device *device, blas_engine engine, bool forget)
{
    if (forget)
        device->clblast_verdict = 0;
    harness_ok(check_engine(device, &engine));
    return engine;
}

/* CLBlast asked for by name is compared once; where it is wrong, tile takes its place, which is said. */
START_TEST(a_wrong_clblast_is_put_aside)
{
    unsetenv("KILN_CHECK");
    setenv("KILN_CACHE_DIR", harness_folder(), 1);
    device_on_warning = on_clblast_warning;
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        clblast_warnings = 0;
        ck_assert_int_eq(asked_for(device, BLAS_AUTO, true), BLAS_AUTO);
        ck_assert_int_eq(device->clblast_verdict, 0);
        ck_assert_int_eq(asked_for(device, BLAS_CLBLAST, false), BLAS_CLBLAST);
        clblast_alpha = 1.25f;
        ck_assert_int_eq(asked_for(device, BLAS_CLBLAST, false), BLAS_CLBLAST); /* not again */
        ck_assert_int_eq(asked_for(device, BLAS_CLBLAST, true), BLAS_CLBLAST);  /* its file is believed */
        char *path = device_record_path(device, "checks", KILN_VERSION "-clblast");
        harness_ok(file_write_atomic(path, "?", 1));
        ck_assert_int_eq(asked_for(device, BLAS_CLBLAST, true), BLAS_TILE);
        ck_assert_int_eq(clblast_warnings, 1);
        ck_assert_int_eq(asked_for(device, BLAS_CLBLAST, false), BLAS_TILE);
        ck_assert_int_eq(clblast_warnings, 1);
        clblast_alpha = 1;
        ck_assert_int_eq(asked_for(device, BLAS_CLBLAST, true), BLAS_TILE); /* from the file */
        ck_assert_int_eq(clblast_warnings, 2);
        setenv("KILN_GEMM", "clblast", 1);
        ck_assert_int_eq(asked_for(device, BLAS_AUTO, false), BLAS_TILE);
        unsetenv("KILN_GEMM");
        ck_assert_int_eq(asked_for(device, BLAS_TILE, false), BLAS_TILE);
        free(path);
    }
    device_on_warning = NULL;
    harness_remove_folder();
}
END_TEST

int main(void)
{
    check_patience = 1e9;
    Suite *suite = suite_create("check");
    TCase *tests = tcase_create("check");
    tcase_add_test(tests, sound_devices_pass);
    tcase_add_loop_test(tests, planted_faults_are_found, 0, sizeof faults / sizeof *faults);
    tcase_add_test(tests, every_fault_is_tried);
    tcase_add_test(tests, what_is_wrong_is_put_aside);
    tcase_add_test(tests, winograd_is_put_aside);
    tcase_add_test(tests, a_wrong_clblast_is_put_aside);
    tcase_add_test(tests, no_way_is_refused);
    tcase_add_test(tests, the_report_of_a_sound_device);
    tcase_add_test(tests, verdicts_are_kept);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
