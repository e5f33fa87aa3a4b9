/* Opening devices, memory, launches. */
#include "harness/harness.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

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

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void *release(void *event)
{
    nanosleep(&(struct timespec){.tv_nsec = 600000000}, NULL);
    clSetUserEventStatus(event, CL_COMPLETE);
    return NULL;
}

/* A queue that gets no further for 0.6 s, as that of a slow GPU: whoever waits leaves the processor alone. */
START_TEST(waiting_is_sleeping)
{
    static const int five = 5;
    setenv("KILN_DEBUG", "limits:threads", 1);
    HARNESS_EACH_DEVICE(device)
    {
        cl_mem memory;
        cl_int error;
        int out = 0;
        pthread_t thread;
        harness_ok(device_alloc(device, 4, "test", &memory));
        harness_ok(device_fill_zero(device, memory, 0, 4));
        harness_ok(device_finish(device));
        cl_event event = clCreateUserEvent(device->context, &error);
        ck_assert_int_eq(error, CL_SUCCESS);
        ck_assert_int_eq(clEnqueueBarrierWithWaitList(device->queue, 1, &event, NULL), CL_SUCCESS);
        harness_ok(device_write_later(device, memory, 0, &five, 4));
        ck_assert_int_eq(pthread_create(&thread, NULL, release, event), 0);
        const double before = cpu_seconds();
        harness_ok(device_finish(device));
        const double used = cpu_seconds() - before;
        ck_assert_msg(used < 0.12, "%s: waiting for 0.6 s took %.3f s of a processor", device->info.name, used);
        harness_ok(device_read(device, memory, 0, &out, 4));
        ck_assert_int_eq(out, 5);
        pthread_join(thread, NULL);
        clReleaseEvent(event);
        device_free(device, memory);
    }
    setenv("KILN_DEBUG", "", 1);
}
END_TEST

/* Some drivers' clFinish waits for what it itself flushes, and no more. */
START_TEST(what_was_flushed_is_waited_for)
{
    static const int five = 5;
    for (int seeming = 0; seeming < 2; seeming++) {
        setenv("KILN_DEBUG", seeming ? "limits:threads" : "", 1);
        HARNESS_EACH_DEVICE(device)
        {
            cl_mem memory;
            cl_int error, status = CL_QUEUED;
            pthread_t thread;
            cl_event done;
            harness_ok(device_alloc(device, 4, "test", &memory));
            cl_event event = clCreateUserEvent(device->context, &error);
            ck_assert_int_eq(error, CL_SUCCESS);
            ck_assert_int_eq(clEnqueueBarrierWithWaitList(device->queue, 1, &event, NULL), CL_SUCCESS);
            error = clEnqueueWriteBuffer(device->queue, memory, CL_FALSE, 0, 4, &five, 0, NULL, &done);
            ck_assert_int_eq(error, CL_SUCCESS);
            harness_ok(device_flush(device));
            ck_assert_int_eq(pthread_create(&thread, NULL, release, event), 0);
            harness_ok(device_finish(device));
            clGetEventInfo(done, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL);
            ck_assert_msg(status == CL_COMPLETE, "%s: status %d", device->info.name, status);
            pthread_join(thread, NULL);
            clReleaseEvent(event);
            clReleaseEvent(done);
            device_free(device, memory);
        }
    }
    setenv("KILN_DEBUG", "", 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("device");
    TCase *tests = tcase_create("device");
    tcase_add_test(tests, buffers_round_trip);
    tcase_add_test(tests, a_kernel_runs);
    tcase_add_test(tests, waiting_is_sleeping);
    tcase_add_test(tests, what_was_flushed_is_waited_for);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
