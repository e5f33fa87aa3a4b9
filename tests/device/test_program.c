/* Programs: building, the cache on disk, failures. */
#include "base/file.h"
#include "device/build_log.h"
#include "device/driver_cache.h"
#include "device/program_cache.h"
#include "device/source.h"

#include "harness/harness.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

static const char good[] =
    "__kernel void kiln_test_one(__global float *out)\n{ out[0] = VALUE; }\n";

static int compiled;

static void count_compile(const char *label)
{
    (void)label;
    compiled++;
}

static char cache_folder[512];

static void use_cache(const char *debug)
{
    harness_count(); /* listing may compile, to measure speeds: not here */
    snprintf(cache_folder, sizeof cache_folder, "%s/cache", harness_folder());
    setenv("KILN_CACHE_DIR", cache_folder, 1);
    setenv("KILN_DEBUG", debug, 1);
    device_on_compile = count_compile;
    compiled = 0;
}

/* Opens the device again, so that its programs in memory are gone, builds and runs; returns how
 * often something was compiled. */
static int build_and_run(size_t i, const char *options, float expected)
{
    int before = compiled;
    kiln_device *device = harness_open(i);
    cl_program program;
    cl_kernel kernel;
    cl_mem out;
    float value = -1;
    size_t one = 1;
    harness_ok(device_program(device, "test", good, options, &program));
    harness_ok(device_kernel(device, program, "kiln_test_one", &kernel));
    harness_ok(device_alloc(device, 4, "test", &out));
    ck_assert_int_eq(clSetKernelArg(kernel, 0, sizeof out, &out), CL_SUCCESS);
    harness_ok(device_launch(device, kernel, 1, &one, NULL, NULL));
    harness_ok(device_read(device, out, 0, &value, 4));
    ck_assert_float_eq(value, expected);
    clReleaseKernel(kernel);
    device_free(device, out);
    harness_close(device);
    ck_assert_str_eq(kiln_last_error(), "");
    return compiled - before;
}

/* The only file in the cache's programs folder that ends so. */
static const char *entry(const char *end)
{
    static char path[1024];
    char folder[600];
    snprintf(folder, sizeof folder, "%s/programs", cache_folder);
    DIR *directory = opendir(folder);
    ck_assert_ptr_nonnull(directory);
    path[0] = '\0';
    for (struct dirent *e; (e = readdir(directory));) {
        ck_assert_ptr_null(strstr(e->d_name, ".part"));
        if (strstr(e->d_name, end)) {
            ck_assert_str_eq(path, "");
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        }
    }
    closedir(directory);
    return path;
}

static int count_entries(const char *end)
{
    char folder[600];
    int n = 0;
    snprintf(folder, sizeof folder, "%s/programs", cache_folder);
    DIR *directory = opendir(folder);
    ck_assert_ptr_nonnull(directory);
    for (struct dirent *e; (e = readdir(directory));)
        n += strstr(e->d_name, end) != NULL;
    closedir(directory);
    return n;
}

START_TEST(programs_are_kept_on_disk)
{
    for (size_t i = 0; i < harness_count(); i++) {
        use_cache("program-cache");
        ck_assert_int_eq(build_and_run(i, "-DVALUE=2", 2), 1);
        ck_assert_int_eq(build_and_run(i, "-DVALUE=2", 2), 0);
        ck_assert_str_ne(entry(".bin"), "");
        ck_assert_int_eq(build_and_run(i, "-DVALUE=3", 3),
                         1); /* other options are another program */
        ck_assert_int_eq(build_and_run(i, "-DVALUE=2", 2), 0);
        harness_remove_folder();
    }
}
END_TEST

/* Where the driver has a cache of its own there is only a mark, by which the first run is told from
 * later ones. */
START_TEST(driver_caches_are_not_doubled)
{
    for (size_t i = 0; i < harness_count(); i++) {
        use_cache("");
        kiln_device *device = harness_open(i);
        const bool kept = program_cache_driver_keeps(device);
        struct stat about;
        harness_close(device);
        for (int k = 0; k < 3; k++) {
            ck_assert_int_eq(build_and_run(i, "-DVALUE=2", 2), k == 0);
            ck_assert_int_eq(count_entries(".seen"), kept);
            ck_assert(!kept || (stat(entry(".seen"), &about) == 0 && about.st_size == 0));
            ck_assert_int_eq(count_entries(".bin"), !kept);
        }
        harness_remove_folder();
    }
}
END_TEST

START_TEST(bad_entries_are_rebuilt)
{
    for (size_t i = 0; i < harness_count(); i++) {
        void *data;
        size_t bytes;
        use_cache("program-cache");
        ck_assert_int_eq(build_and_run(i, "-DVALUE=2", 2), 1);
        char path[1024];
        snprintf(path, sizeof path, "%s", entry(".bin"));
        harness_ok(file_read(path, 1 << 28, &data, &bytes));
        /* cut short, at several places */
        const size_t cuts[] = {0, 5, 40, 41, bytes / 2, bytes - 1};
        for (size_t k = 0; k < sizeof cuts / sizeof *cuts; k++) {
            harness_ok(file_write_atomic(path, data, cuts[k]));
            ck_assert_int_eq(build_and_run(i, "-DVALUE=2", 2), 1);
            ck_assert_int_eq(build_and_run(i, "-DVALUE=2", 2), 0);
        }
        /* a flipped bit in the binary */
        ((char *)data)[bytes - 10] ^= 4;
        harness_ok(file_write_atomic(path, data, bytes));
        ck_assert_int_eq(build_and_run(i, "-DVALUE=2", 2), 1);
        free(data);
        /* a folder in its place */
        unlink(path);
        ck_assert_int_eq(mkdir(path, 0777), 0);
        ck_assert_int_eq(build_and_run(i, "-DVALUE=2", 2), 1);
        ck_assert_int_eq(build_and_run(i, "-DVALUE=2", 2), 1);
        harness_remove_folder();
    }
}
END_TEST

/* What was dropped is built again, and does not reach the disk. */
START_TEST(dropped_programs_are_forgotten)
{
    use_cache("program-cache");
    kiln_device *device = harness_open(0);
    cl_program keep, drop;
    harness_ok(device_program(device, "test", good, "-DVALUE=1", &drop));
    harness_ok(device_program(device, "test", good, "-DVALUE=2", &keep));
    device_program_drop(device, drop);
    harness_ok(device_program(device, "test", good, "-DVALUE=1", &drop));
    ck_assert_int_eq(compiled, 3);
    device_program_drop(device, drop);
    harness_close(device);
    ck_assert_str_ne(entry(".bin"), ""); /* only one */
    ck_assert_int_eq(build_and_run(0, "-DVALUE=2", 2), 0);
    ck_assert_int_eq(build_and_run(0, "-DVALUE=1", 1), 1);
    harness_remove_folder();
}
END_TEST

/* A driver that refuses its binary. */
START_TEST(refused_entries_are_rebuilt)
{
    use_cache("program-cache");
    ck_assert_int_eq(build_and_run(0, "-DVALUE=2", 2), 1);
    use_cache("program-cache,fail:clCreateProgramWithBinary:1");
    ck_assert_int_eq(build_and_run(0, "-DVALUE=2", 2), 1);
    use_cache("program-cache,fail:clBuildProgram:1");
    ck_assert_int_eq(build_and_run(0, "-DVALUE=2", 2), 1);
    use_cache("program-cache");
    ck_assert_int_eq(build_and_run(0, "-DVALUE=2", 2), 0);
    harness_remove_folder();
}
END_TEST

START_TEST(no_cache_is_no_failure)
{
    char path[600];
    use_cache("program-cache");
    snprintf(path, sizeof path, "%s/plain", harness_folder());
    harness_ok(file_write_atomic(path, "", 0));
    setenv("KILN_CACHE_DIR", path, 1); /* cannot be made: it is a file */
    ck_assert_int_eq(build_and_run(0, "-DVALUE=2", 2), 1);
    ck_assert_int_eq(build_and_run(0, "-DVALUE=2", 2), 1);
    if (getuid() != 0) {
        snprintf(path, sizeof path, "%s/locked", harness_folder());
        mkdir(path, 0500);
        setenv("KILN_CACHE_DIR", path, 1);
        ck_assert_int_eq(build_and_run(0, "-DVALUE=2", 2), 1);
    }
    harness_remove_folder();
}
END_TEST

/* The folder does not grow for ever: what was not used for longest is compiled again. */
START_TEST(the_cache_is_kept_small)
{
    struct stat about;
    char options[32];
    use_cache("program-cache");
    ck_assert_int_eq(build_and_run(0, "-DVALUE=0", 0), 1);
    ck_assert_int_eq(stat(entry(".bin"), &about), 0);
    const long each = (about.st_size / 4096 + 1) * 4096;
    char debug[64];
    snprintf(debug, sizeof debug, "program-cache,limits:cache:%ld", each * 9 / 2);
    for (int i = 1; i < 6; i++) {
        use_cache(debug);
        snprintf(options, sizeof options, "-DVALUE=%d", i);
        ck_assert_int_eq(build_and_run(0, options, (float)i), 1);
        ck_assert_int_le(count_entries(".bin"), 4);
        ck_assert_int_ge(count_entries(".bin"), i < 3 ? i + 1 : 2);
        if (i < 3) /* used again and again */
            ck_assert_int_eq(build_and_run(0, "-DVALUE=0", 0), 0);
    }
    ck_assert_int_eq(build_and_run(0, "-DVALUE=5", 5), 0);
    ck_assert_int_eq(build_and_run(0, "-DVALUE=1", 1), 1);
    harness_remove_folder();
}
END_TEST

/* Another driver, platform or device finds nothing under this one's names. */
START_TEST(entries_belong_to_a_driver)
{
    use_cache("program-cache");
    kiln_device *device = harness_open(0);
    cl_program program;
    harness_ok(device_program(device, "test", good, "-DVALUE=1", &program));
    const uint64_t hash[2] = {1, 2};
    program_cache cache;
    const kiln_device_info info = device->info;
    program_cache_open(&cache, device, "one platform");
    program_cache_store(&cache, hash, program);
    cl_program found = program_cache_load(&cache, hash, "");
    ck_assert_ptr_nonnull(found);
    clReleaseProgram(found);
    ck_assert_ptr_null(program_cache_load(&cache, (uint64_t[2]){2, 2}, ""));
    ck_assert_ptr_null(program_cache_load(&cache, (uint64_t[2]){1, 3}, ""));
    ck_assert_ptr_nonnull(strstr(cache.identity, KILN_VERSION));
    program_cache_close(&cache);
    for (int i = 0; i < 4; i++) {
        if (i == 1)
            strcpy(device->info.driver, "another");
        else if (i == 2)
            strcpy(device->info.name, "another");
        else if (i == 3)
            strcpy(device->info.version, "OpenCL 9.9");
        program_cache_open(&cache, device, i ? "one platform" : "another platform");
        ck_assert_ptr_null(program_cache_load(&cache, hash, ""));
        program_cache_close(&cache);
        device->info = info;
    }
    harness_close(device);
    harness_remove_folder();
}
END_TEST

START_TEST(a_build_failure_names_the_place)
{
    HARNESS_EACH_DEVICE(device)
    {
        cl_program program;
        text source = {0};
        text_add(&source,
                 "#define N 4\n#line 1 \"nice.cl\"\n__kernel void kiln_a(__global float *x)\n"
                 "{\n    x[0] = no_such_thing;\n}\n");
        text_add(
            &source,
            "#line 1 \"other.cl\"\n\n__kernel void kiln_b(__global int *x) { x[0] = nor_this; }\n");
        harness_fails(device_program(device, "dense layer", source.data, NULL, &program),
                      KILN_ERROR_BUILD, "compiling dense layer failed on \"");
        ck_assert_ptr_null(program);
        ck_assert_msg(strstr(kiln_last_error(), "nice.cl:3:") != NULL, "%s", kiln_last_error());
        ck_assert_msg(strstr(kiln_last_error(), "other.cl:2:") != NULL, "%s", kiln_last_error());
        ck_assert_ptr_nonnull(strstr(kiln_last_error(), "no_such_thing"));
        ck_assert_ptr_null(strchr(kiln_last_error(), '\n'));
        text_free(&source);
        /* The device still works, and so does a program after it. */
        harness_ok(device_program(device, "test", good, "-DVALUE=1", &program));
        cl_kernel kernel;
        harness_fails(device_kernel(device, program, "kiln_missing", &kernel), KILN_ERROR_DEVICE,
                      "finding kernel kiln_missing failed");
        ck_assert_ptr_null(kernel);
    }
}
END_TEST

START_TEST(logs_are_summarized)
{
    const char *source = "#line 1 \"common.clh\"\nint a;\n#line 1 \"x.cl\"\nint b;\nint c;\n";
    static const struct {
        const char *log, *summary;
    } cases[] = {
        {"input.cl:5:7: error: bad thing\n    int c;\n      ^\n1 error generated.\n",
         "x.cl:2:7: error: bad thing"},
        {"<kernel>:2:1: error: bad\n<kernel>:4:9: error: worse\n",
         "common.clh:1:1: error: bad; x.cl:1:9: error: worse"},
        {"x.cl:2:7: error: already right\n", "x.cl:2:7: error: already right"},
        {"x.cl:1:1: warning: whatever\nx.cl:2:1: error: this\n", "x.cl:2:1: error: this"},
        {"error: x.cl:2:1: the other way round", "error: x.cl:2:1: the other way round"},
        {"a: error: 1\nb: error: 2\nc: error: 3\nd: error: 4\n",
         "a: error: 1; b: error: 2; c: error: 3"},
        {"\n  unresolved symbol\nfoo\n", "unresolved symbol foo"},
        {"", "the driver gave no reason"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text out = {0};
        build_log_summary(cases[i].log, source, &out);
        ck_assert_str_eq(out.data, cases[i].summary);
        text_free(&out);
    }
}
END_TEST

START_TEST(full_disk_is_told)
{
    const char *folder = harness_folder();
    char deep[512];
    snprintf(deep, sizeof deep, "%s/not/made/yet", folder);
    harness_ok(driver_cache_check_folder(folder, 1));
    harness_ok(driver_cache_check_folder(deep, 1));
    harness_fails(driver_cache_check_folder(deep, (uint64_t)1 << 60), KILN_ERROR_BUILD, "not/made/yet, where ");
    harness_fails(driver_cache_check_folder("/proc", 1), KILN_ERROR_BUILD, "where 0.0 MB are free");
    harness_remove_folder();
    kiln_device_info info = {.platform = "Portable Computing Language"};
    setenv("POCL_CACHE_DIR", "/proc/kernels", 1);
    harness_fails(driver_cache_check(&info), KILN_ERROR_BUILD, "set POCL_CACHE_DIR to a folder on another disk");
    info = (kiln_device_info){.platform = "rusticl"};
    harness_ok(driver_cache_check(&info));
    unsetenv("POCL_CACHE_DIR");
}
END_TEST

START_TEST(embedded_files_are_there)
{
    text source = {0};
    ck_assert_ptr_nonnull(strstr(source_find("common.clh"), "kiln_philox"));
    ck_assert_ptr_null(source_find("common"));
    harness_fails(source_file(&source, "no.cl"), KILN_ERROR_BUILD, "no kernel file no.cl");
    harness_ok(source_file(&source, "peaks.cl"));
    ck_assert_int_eq(strncmp(source.data, "#line 1 \"peaks.cl\"\n", 19), 0);
    text_free(&source);
}
END_TEST

/* Every file of cl/ compiles by itself, on every driver. */
START_TEST(embedded_files_compile_alone)
{
    HARNESS_EACH_DEVICE(device)
    {
        for (size_t i = 0; i < embedded_source_count; i++) {
            const embedded_source *file = &embedded_sources[i];
            cl_program program;
            text source = {0};
            if (strcmp(file->file, "common.clh") == 0)
                continue;
            harness_ok(source_file(&source, file->file));
            harness_ok(device_program(device, file->file, source.data, NULL, &program));
            text_free(&source);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("program");
    TCase *tests = tcase_create("program");
    tcase_add_test(tests, programs_are_kept_on_disk);
    tcase_add_test(tests, driver_caches_are_not_doubled);
    tcase_add_test(tests, bad_entries_are_rebuilt);
    tcase_add_test(tests, dropped_programs_are_forgotten);
    tcase_add_test(tests, refused_entries_are_rebuilt);
    tcase_add_test(tests, no_cache_is_no_failure);
    tcase_add_test(tests, the_cache_is_kept_small);
    tcase_add_test(tests, entries_belong_to_a_driver);
    tcase_add_test(tests, a_build_failure_names_the_place);
    tcase_add_test(tests, logs_are_summarized);
    tcase_add_test(tests, full_disk_is_told);
    tcase_add_test(tests, embedded_files_are_there);
    tcase_add_test(tests, embedded_files_compile_alone);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
