/* Opening devices, memory, launches. */
#include "harness/harness.h"

#include <string.h>

START_TEST(buffers_round_trip)
{
    HARNESS_EACH_DEVICE(device)
    {
        enum { N = 1000 };
        static float in[N], out[N + 2];
        cl_mem a, b;
        for (int i = 0; i < N; i++)
            in[i] = (float)i * 0.5f;
        harness_ok(device_alloc(device, sizeof in, "test", &a));
        harness_ok(device_alloc(device, sizeof in, "test", &b));
        ck_assert_uint_eq(kiln_device_memory_used(device), 2 * sizeof in);
        harness_ok(device_write(device, a, 0, in, sizeof in));
        harness_ok(device_copy(device, a, 40, b, 0, sizeof in - 40));
        harness_ok(device_fill_zero(device, b, sizeof in - 40, 40));
        out[N] = 7;
        harness_ok(device_read(device, b, 0, out, sizeof in));
        for (int i = 0; i < N; i++)
            ck_assert_float_eq(out[i], i < N - 10 ? in[i + 10] : 0);
        ck_assert_float_eq(out[N], 7);
        harness_ok(device_fill_zero(device, b, 5, 6));
        harness_ok(device_read(device, b, 4, out, 12));
        ck_assert_int_eq(memcmp((char *)out + 1, "\0\0\0\0\0", 6), 0);
        device_free(device, a);
        device_free(device, b);
        ck_assert_uint_eq(kiln_device_memory_peak(device), 2 * sizeof in);
    }
}
END_TEST

START_TEST(a_kernel_runs)
{
    HARNESS_EACH_DEVICE(device)
    {
        cl_program program, again;
        cl_kernel kernel;
        cl_mem memory;
        int out[64];
        size_t global = 64;
        const char *source = "__kernel void kiln_test_fill(__global int *out, int value)\n"
                             "{ out[get_global_id(0)] = value + (int)get_global_id(0); }\n";
        harness_ok(device_program(device, "a test", source, NULL, &program));
        harness_ok(device_program(device, "a test", source, NULL, &again));
        ck_assert_ptr_eq(program, again);
        harness_ok(device_kernel(device, program, "kiln_test_fill", &kernel));
        harness_ok(device_alloc(device, sizeof out, "test", &memory));
        clSetKernelArg(kernel, 0, sizeof memory, &memory);
        clSetKernelArg(kernel, 1, sizeof(cl_int), &(cl_int){100});
        harness_ok(device_launch(device, kernel, 1, &global, NULL, NULL));
        harness_ok(device_read(device, memory, 0, out, sizeof out));
        for (int i = 0; i < 64; i++)
            ck_assert_int_eq(out[i], 100 + i);
        clReleaseKernel(kernel);
        device_free(device, memory);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("device");
    TCase *tests = tcase_create("device");
    tcase_add_test(tests, buffers_round_trip);
    tcase_add_test(tests, a_kernel_runs);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
