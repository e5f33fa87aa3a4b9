/* Listing devices and choosing one. */
#include "device/list.h"

#include "harness/harness.h"

START_TEST(every_device_is_listed)
{
    kiln_device_info *devices;
    size_t count, defaults = 0;
    char *skipped;
    unsetenv("KILN_DEVICE");
    harness_ok(kiln_devices_list(&devices, &count, &skipped));
    ck_assert_uint_gt(count, 0);
    ck_assert_ptr_nonnull(skipped);
    for (size_t i = 0; i < count; i++) {
        const kiln_device_info *info = &devices[i];
        char selector[32];
        ck_assert_int_eq(info->index, (int)i);
        ck_assert(info->name[0] && info->platform[0] && info->driver[0]);
        ck_assert_uint_gt(info->compute_units, 0);
        ck_assert_uint_gt(info->memory, 1 << 20);
        ck_assert_uint_gt(info->largest_allocation, 1 << 20);
        ck_assert_uint_le(info->largest_allocation, info->memory);
        ck_assert_uint_ge(info->largest_work_group, 1);
        ck_assert_uint_ge(info->base_alignment, 1);
        ck_assert_str_ne(kiln_device_type_name(info->type), "");
        defaults += info->is_default != 0;
        /* Each can be opened by its number and by its address. */
        for (int how = 0; how < 2; how++) {
            snprintf(selector, sizeof selector, how ? "%d:%d" : "%d",
                     how ? info->platform_index : info->index, info->device_index);
            kiln_device *device = kiln_device_open(selector);
            ck_assert_msg(device != NULL, "%s: %s", selector, kiln_last_error());
            ck_assert_int_eq(kiln_device_describe(device)->index, info->index);
            kiln_device_close(device);
        }
    }
    ck_assert_uint_eq(defaults, 1);
    free(devices);
    free(skipped);
}
END_TEST

START_TEST(the_default_is_what_the_list_marks)
{
    kiln_device_info *devices;
    size_t count, marked = 0;
    unsetenv("KILN_DEVICE");
    harness_ok(kiln_devices_list(&devices, &count, NULL));
    while (marked < count && !devices[marked].is_default)
        marked++;
    kiln_device *device = kiln_device_open(NULL);
    ck_assert_msg(device != NULL, "%s", kiln_last_error());
    ck_assert_int_eq(kiln_device_describe(device)->index, (int)marked);
    ck_assert(kiln_device_describe(device)->is_default);
    kiln_device_close(device);

    /* KILN_DEVICE overrules it; a bad one is an error of opening, not of listing. */
    char last[16];
    snprintf(last, sizeof last, "%zu", count - 1);
    setenv("KILN_DEVICE", last, 1);
    device = kiln_device_open(NULL);
    ck_assert_int_eq(kiln_device_describe(device)->index, (int)count - 1);
    kiln_device_close(device);
    free(devices);
    setenv("KILN_DEVICE", "no such thing", 1);
    ck_assert_ptr_null(kiln_device_open(NULL));
    ck_assert_ptr_nonnull(
        strstr(kiln_last_error(), "KILN_DEVICE: device \"no such thing\" does not exist"));
    kiln_clear_error();
    harness_ok(kiln_devices_list(&devices, &count, NULL));
    for (size_t i = 0; i < count; i++)
        ck_assert(!devices[i].is_default);
    ck_assert_str_eq(kiln_last_error(), "");
    free(devices);
}
END_TEST

START_TEST(no_device_is_no_crash)
{
    kiln_device_info *devices;
    size_t count;
    char *skipped;
    setenv("KILN_DEBUG", "vanish:clGetDeviceIDs:1", 1);
    harness_ok(kiln_devices_list(&devices, &count, &skipped));
    ck_assert_uint_eq(count, 0);
    ck_assert_ptr_nonnull(strstr(skipped, "CL_DEVICE_NOT_AVAILABLE"));
    free(devices);
    free(skipped);
    ck_assert_ptr_null(kiln_device_open(NULL));
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), "no OpenCL device was found: "));
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), "install a driver"));
    setenv("KILN_DEBUG", "fail:clGetPlatformIDs:1", 1);
    ck_assert_ptr_null(kiln_device_open("gpu"));
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), "CL_OUT_OF_RESOURCES"));
}
END_TEST

/* A made-up machine. */
static found_device machine[] = {
    {.info = {.index = 0,
              .platform_index = 0,
              .device_index = 0,
              .type = KILN_DEVICE_CPU,
              .name = "pthread-EPYC",
              .platform = "Portable Computing Language"}},
    {.info = {.index = 1,
              .platform_index = 1,
              .device_index = 0,
              .type = KILN_DEVICE_GPU,
              .name = "GeForce RTX 4090",
              .platform = "NVIDIA CUDA",
              .pci = "0000:01:00.0"}},
    {.info = {.index = 2,
              .platform_index = 1,
              .device_index = 1,
              .type = KILN_DEVICE_GPU,
              .name = "GeForce RTX 4090 D",
              .platform = "NVIDIA CUDA",
              .pci = "0000:0a:00.0"}},
    {.info = {.index = 3,
              .platform_index = 2,
              .device_index = 0,
              .type = KILN_DEVICE_ACCELERATOR,
              .name = "FPGA",
              .platform = "Old Thing"},
     .unusable = "it is older than OpenCL 1.2"},
};

static int choose(const char *selector)
{
    size_t chosen = 99;
    kiln_clear_error();
    kiln_status status = list_select(machine, 4, selector, "", &chosen);
    return status == KILN_OK ? (int)chosen : -1;
}

static void check_refused(const char *selector, const char *part)
{
    ck_assert_int_eq(choose(selector), -1);
    ck_assert_msg(strstr(kiln_last_error(), part) != NULL, "%s: %s", selector, kiln_last_error());
    ck_assert_ptr_null(strchr(kiln_last_error(), '\n'));
}

START_TEST(selectors)
{
    unsetenv("KILN_DEVICE");
    ck_assert_int_eq(choose("0"), 0);
    ck_assert_int_eq(choose("2"), 2);
    ck_assert_int_eq(choose("1:1"), 2);
    ck_assert_int_eq(choose("cpu"), 0);
    ck_assert_int_eq(choose("CPU"), 0);
    ck_assert_int_eq(choose("epyc"), 0);
    ck_assert_int_eq(choose("portable"), 0);
    ck_assert_int_eq(choose("geforce rtx 4090"), 1); /* the whole name beats a part */
    ck_assert_int_eq(choose("4090 d"), 2);
    ck_assert_int_eq(choose("0000:0a:00.0"), 2);
    ck_assert_int_eq(choose("0A:00.0"), 2);
    ck_assert_int_eq(choose("01:00.0"), 1);

    check_refused("4", "\"4\" does not exist: there is device 0 \"pthread-EPYC\" (CPU), device 1 \"GeForce "
                       "RTX 4090\" (GPU, 0000:01:00.0)");
    check_refused("99999999999999999999", "does not exist");
    check_refused("1:2", "does not exist");
    check_refused("-1", "does not exist");
    check_refused("02:00.0", "does not exist");
    check_refused("radeon", "does not exist");
    check_refused("nvidia", "could be several: device 1 \"GeForce RTX 4090\" (GPU, 0000:01:00.0), device 2");
    check_refused("rtx", "could be several");
    check_refused("fpga", "older than OpenCL 1.2");
    check_refused("accelerator", "does not exist");
    machine[3].unusable = NULL;
    ck_assert_int_eq(choose("accelerator"), 3);

    size_t chosen;
    harness_fails(list_select(machine, 0, NULL, "Clover: no device\nrusticl: no device", &chosen),
                  KILN_ERROR_DEVICE, "was found: Clover: no device, rusticl: no device; install");
    harness_fails(list_select(machine, 0, "gpu", "", &chosen), KILN_ERROR_DEVICE,
                  "no OpenCL device was found: no driver announces one; install");
}
END_TEST

START_TEST(the_best_is_chosen)
{
    unsetenv("KILN_DEVICE");
    ck_assert_int_eq(choose(""), 1 + (choose("gpu") == 2)); /* a GPU, whichever is faster */
    machine[1].unusable = machine[2].unusable = "it is broken";
    ck_assert_int_eq(choose(NULL), 0); /* the accelerator is unusable */
    machine[0].unusable = "it is broken";
    check_refused(NULL, "no usable OpenCL device");
}
END_TEST

/* Where a software GPU that calls itself a CPU stands beside a real CPU driver, the faster one
 * wins, and the measurement is kept. */
START_TEST(speed_is_measured_and_kept)
{
    found_device *found;
    size_t count;
    text skipped = {0};
    double first[16];
    setenv("KILN_CACHE_DIR", harness_folder(), 1);
    harness_ok(list_devices(&found, &count, &skipped));
    for (size_t i = 0; i < count && i < 16; i++) {
        first[i] = list_speed(&found[i]);
        ck_assert_double_gt(first[i], 0);
    }
    for (size_t i = 0; i < count && i < 16; i++) /* the file holds three decimals */
        ck_assert_double_eq_tol(list_speed(&found[i]), first[i], 0.001);
    for (size_t i = 0; i < count && i < 16; i++)
        for (size_t k = 0; k < count && k < 16; k++)
            if (strstr(found[i].info.name, "llvmpipe") && strstr(found[k].info.name, "pthread"))
                ck_assert_double_lt(first[i], first[k]);
    free(found);
    text_free(&skipped);
    harness_remove_folder();
}
END_TEST

START_TEST(limits_make_a_device_smaller)
{
    setenv("KILN_DEBUG", "limits:memory:9000000,limits:allocation:5000000,limits:group:3", 1);
    HARNESS_EACH_DEVICE(device)
    {
        cl_mem a, b;
        ck_assert_uint_eq(device->info.memory, 9000000);
        ck_assert_uint_eq(device->info.largest_allocation, 5000000);
        ck_assert_uint_le(device->info.largest_work_group, 3);
        harness_fails(device_alloc(device, 5000001, "the activations", &a), KILN_ERROR_MEMORY,
                      "no memory for the activations: it takes 4.8 MiB, more than the largest single allocation");
        ck_assert_ptr_null(a);
        harness_ok(device_alloc(device, 5000000, "weights", &a));
        harness_fails(device_alloc(device, 4500000, "the activations", &b), KILN_ERROR_MEMORY,
                      "4.8 MiB of the 8.6 MiB of");
        harness_ok(device_alloc(device, 0, "nothing", &b));
        ck_assert_uint_eq(kiln_device_memory_used(device), 5000004);
        device_free(device, a);
        device_free(device, b);
    }
    setenv("KILN_DEBUG", "", 1);
    HARNESS_EACH_DEVICE(device)
    {
        cl_mem a;
        harness_fails(device_alloc(device, SIZE_MAX, "too much", &a), KILN_ERROR_MEMORY,
                      "no memory for too much: it takes");
        harness_fails(device_alloc(device, SIZE_MAX / 2, "too much", &a), KILN_ERROR_MEMORY, "PiB");
    }
}
END_TEST

/* What a device seems not to have cannot be used either. */
START_TEST(limits_are_kept)
{
    static const char source[] = "__kernel void kiln_one(__global float *p)\n{\n    p[get_global_id(0)] = 1;\n}\n",
                      wide[] = "__kernel void kiln_two(__global float *p)\n{\n    p[0] = (float)(double)p[1];\n}\n";
    setenv("KILN_DEBUG",
           "limits:group:8,limits:items:16:4:2,limits:no-fp64,limits:no-fp16,limits:no-subgroups,"
           "limits:alignment:4096,limits:local:2048,limits:version:1.2,limits:threads",
           1);
    HARNESS_EACH_DEVICE(device)
    {
        const kiln_device_info *info = &device->info;
        ck_assert_uint_eq(info->largest_work_group, 8);
        ck_assert_uint_eq(info->largest_work_items[0], 8);
        ck_assert_uint_eq(info->largest_work_items[1], 4);
        ck_assert_uint_eq(info->largest_work_items[2], 2);
        ck_assert_uint_eq(info->base_alignment, 4096);
        ck_assert_uint_eq(info->local_memory, 2048);
        ck_assert(!info->has_fp64 && !info->has_fp16 && !info->has_subgroups);
        ck_assert_ptr_nonnull(strstr(info->version, "OpenCL 1.2"));
        ck_assert(!device->serial_kernels);
        cl_program program;
        cl_kernel kernel;
        cl_mem memory;
        harness_ok(device_alloc(device, 64, "a test", &memory));
        harness_ok(device_program(device, "a test", source, NULL, &program));
        harness_ok(device_kernel(device, program, "kiln_one", &kernel));
        uint64_t most;
        harness_ok(device_kernel_group(device, kernel, &most));
        ck_assert_uint_ge(most, 1);
        ck_assert_uint_le(most, 8);
        ck_assert_int_eq(clSetKernelArg(kernel, 0, sizeof memory, &memory), CL_SUCCESS);
        const size_t global[] = {16, 8}, eight[] = {8, 1}, tall[] = {1, 8}, many[] = {4, 4}, sixteen = 16;
        harness_ok(device_launch(device, kernel, 1, global, eight, NULL));
        harness_ok(device_launch(device, kernel, 1, global, NULL, NULL));
        harness_fails(device_launch(device, kernel, 1, global, &sixteen, NULL), KILN_ERROR_DEVICE,
                      "a work-group of 16 work-items, 16 along axis 0, is more than");
        harness_fails(device_launch(device, kernel, 2, global, tall, NULL), KILN_ERROR_DEVICE,
                      "8 along axis 1, is more than");
        harness_fails(device_launch(device, kernel, 2, global, many, NULL), KILN_ERROR_DEVICE,
                      "a work-group of 16 work-items");
        harness_ok(device_finish(device));
        harness_fails(device_program(device, "a test", wide, NULL, &program), KILN_ERROR_BUILD, "a test");
        clReleaseKernel(kernel);
        device_free(device, memory);
    }
    kiln_device_info *list;
    size_t count;
    static const char *const nonsense[] = {"limits:colour:3", "limits:group:0", "limits:items:4:4", "limits:group:8x"};
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        setenv("KILN_DEBUG", nonsense[i], 1);
        harness_fails(kiln_devices_list(&list, &count, NULL), KILN_ERROR_ARGUMENT, "means nothing; limits are");
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("list");
    TCase *tests = tcase_create("list");
    tcase_add_test(tests, every_device_is_listed);
    tcase_add_test(tests, the_default_is_what_the_list_marks);
    tcase_add_test(tests, no_device_is_no_crash);
    tcase_add_test(tests, selectors);
    tcase_add_test(tests, the_best_is_chosen);
    tcase_add_test(tests, speed_is_measured_and_kept);
    tcase_add_test(tests, limits_make_a_device_smaller);
    tcase_add_test(tests, limits_are_kept);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
