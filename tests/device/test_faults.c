/* Devices that fail, hang and vanish; profiles; two devices at once. */
#include "base/clock.h"
#include "device/profile.h"

#include "harness/harness.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const char source[] =
    "__kernel void kiln_test_add(__global float *x, float by, int rounds)\n"
    "{\n"
    "    float v = x[get_global_id(0)];\n"
    "    for (int i = 0; i < rounds; i++)\n"
    "        v += by;\n"
    "    x[get_global_id(0)] = v;\n"
    "}\n";

enum { N = 64 };

/* Allocates, builds, launches `launches` times, reads back: everything a training step does. */
static kiln_status work(kiln_device *device, int launches, float *first)
{
    static const device_launch_info info = {
        .name = "kiln_test_add", .what = "a test", .flops = N, .bytes = 8 * N};
    cl_program program;
    cl_kernel kernel = NULL;
    cl_mem memory = NULL;
    float out[N];
    size_t global = N;
    kiln_status status = device_program(device, "a test", source, NULL, &program);
    if (status == KILN_OK)
        status = device_kernel(device, program, "kiln_test_add", &kernel);
    if (status == KILN_OK)
        status = device_alloc(device, sizeof out, "numbers", &memory);
    if (status == KILN_OK)
        status = device_fill_zero(device, memory, 0, sizeof out);
    if (status == KILN_OK)
        status = device_copy(device, memory, 0, memory, N * 2, N);
    if (status == KILN_OK) {
        clSetKernelArg(kernel, 0, sizeof memory, &memory);
        clSetKernelArg(kernel, 1, sizeof(float), &(float){1});
        clSetKernelArg(kernel, 2, sizeof(int), &(int){2});
    }
    for (int i = 0; i < launches && status == KILN_OK; i++)
        status = device_launch(device, kernel, 1, &global, NULL, &info);
    if (status == KILN_OK)
        status = device_flush(device);
    if (status == KILN_OK)
        status = device_read(device, memory, 0, out, sizeof out);
    if (status == KILN_OK && first)
        *first = out[0];
    if (status == KILN_OK)
        status = device_write(device, memory, 0, out, sizeof out);
    if (status == KILN_OK)
        status = device_finish(device);
    if (kernel)
        clReleaseKernel(kernel);
    device_free(device, memory);
    return status;
}

/* Each call of the list fails once: one clear sentence, no crash, and the next device works. */
START_TEST(failing_calls)
{
    static const struct {
        const char *call;
        bool lost;
    } calls[] = {{"clCreateContext", false},
                 {"clCreateCommandQueue", false},
                 {"clCreateProgramWithSource", false},
                 {"clBuildProgram", false},
                 {"clCreateKernel", false},
                 {"clCreateBuffer", false},
                 {"clEnqueueFillBuffer", true},
                 {"clEnqueueCopyBuffer", true},
                 {"clEnqueueNDRangeKernel", false},
                 {"clFlush", true},
                 {"clEnqueueReadBuffer", true},
                 {"clEnqueueWriteBuffer", true},
                 {"clFinish", true}};
    for (size_t i = 0; i < harness_count(); i++) {
        size_t count;
        const char *selector = harness_devices(&count)[i];
        for (size_t c = 0; c < sizeof calls / sizeof *calls; c++) {
            char debug[64];
            snprintf(debug, sizeof debug, "fail:%s:1,sync", calls[c].call);
            setenv("KILN_DEBUG", debug, 1);
            harness_remove_folder(); /* a program on disk is not built from source */
            setenv("KILN_CACHE_DIR", harness_folder(), 1);
            kiln_device *device = kiln_device_open(selector);
            kiln_status status = device ? work(device, 3, NULL) : kiln_last_status();
            ck_assert_msg(status != KILN_OK, "%s was not noticed", calls[c].call);
            ck_assert_msg(strstr(kiln_last_error(), calls[c].call) != NULL, "%s: %s", calls[c].call,
                          kiln_last_error());
            ck_assert_ptr_nonnull(strstr(kiln_last_error(), "CL_OUT_OF_RESOURCES (-5)"));
            ck_assert_msg(!device || device->lost == calls[c].lost, "%s", calls[c].call);
            if (device && device->lost) {
                ck_assert_ptr_nonnull(strstr(kiln_last_error(), "the device is lost"));
                char first_reason[512]; /* stays the reason of everything after */
                snprintf(first_reason, sizeof first_reason, "%s",
                         strstr(kiln_last_error(), calls[c].call));
                kiln_clear_error();
                harness_fails(work(device, 1, NULL), KILN_ERROR_DEVICE, first_reason);
            }
            kiln_device_close(device);
            setenv("KILN_DEBUG", "sync", 1);
            device = kiln_device_open(selector);
            float first = 0;
            harness_ok(work(device, 3, &first));
            ck_assert_float_eq(first, 6);
            kiln_device_close(device);
        }
    }
    harness_remove_folder();
}
END_TEST

START_TEST(later_calls_are_counted)
{
    setenv("KILN_DEBUG", "fail:clEnqueueNDRangeKernel:5", 1);
    kiln_device *device = harness_open(0);
    harness_ok(work(device, 4, NULL));
    harness_fails(work(device, 4, NULL), KILN_ERROR_DEVICE,
                  "launching kiln_test_add for a test failed on");
    harness_ok(work(device, 4, NULL));
    harness_close(device);
}
END_TEST

START_TEST(a_vanished_device)
{
    setenv("KILN_DEBUG", "vanish:clEnqueueNDRangeKernel:5", 1);
    kiln_device *device = harness_open(0);
    harness_ok(work(device, 4, NULL));
    harness_fails(work(device, 4, NULL), KILN_ERROR_DEVICE, "CL_DEVICE_NOT_AVAILABLE");
    ck_assert(device->lost);
    harness_fails(device_finish(device), KILN_ERROR_DEVICE, "CL_DEVICE_NOT_AVAILABLE");
    kiln_device_close(device);
}
END_TEST

/* Oclgrind runs everything in the caller's thread (clFlush waits) and has no locks. */
static bool is_interpreter(size_t i)
{
    kiln_device *device = harness_open(i);
    bool is = strstr(device->info.platform, "Oclgrind") != NULL;
    kiln_device_close(device);
    return is;
}

static void hang_each_call(size_t i)
{
    static const char *const calls[] = {"clEnqueueNDRangeKernel", "clFinish",
                                        "clEnqueueReadBuffer",    "clEnqueueWriteBuffer",
                                        "clEnqueueFillBuffer",    "clFlush"};
    for (size_t c = 0; c < sizeof calls / sizeof *calls; c++) {
        char debug[80];
        snprintf(debug, sizeof debug, "hang:%s:1,timeout:0.3", calls[c]);
        setenv("KILN_DEBUG", debug, 1);
        kiln_device *device = harness_open(i);
        double begin = clock_seconds();
        harness_fails(work(device, 3, NULL), KILN_ERROR_DEVICE,
                      "did not finish its work within 0.3 seconds");
        ck_assert(device->lost);
        ck_assert_ptr_nonnull(strstr(kiln_last_error(), "device lost"));
        ck_assert_double_lt(clock_seconds() - begin, 20);
        kiln_device_close(device);
    }
}

/* Whatever hangs, the next wait ends. */
START_TEST(hanging_calls)
{
    for (size_t i = 0; i < harness_count(); i++)
        if (!is_interpreter(i))
            hang_each_call(i);
}
END_TEST

/* Seconds of a launch with so many rounds a work-item. */
static double time_rounds(kiln_device *device, int rounds, kiln_status *status)
{
    cl_program program;
    cl_kernel kernel;
    cl_mem memory;
    size_t one = 1;
    harness_ok(device_program(device, "a test", source, NULL, &program));
    harness_ok(device_kernel(device, program, "kiln_test_add", &kernel));
    harness_ok(device_alloc(device, 4, "numbers", &memory));
    harness_ok(device_fill_zero(device, memory, 0, 4));
    clSetKernelArg(kernel, 0, sizeof memory, &memory);
    clSetKernelArg(kernel, 1, sizeof(float), &(float){1});
    clSetKernelArg(kernel, 2, sizeof(int), &rounds);
    double begin = clock_seconds();
    *status = device_launch(device, kernel, 1, &one, NULL, NULL);
    if (*status == KILN_OK)
        *status = device_finish(device);
    double took = clock_seconds() - begin;
    clReleaseKernel(kernel);
    device_free(device, memory);
    return took;
}

/* Rounds that keep one work-item busy for about this long. */
static int rounds_for(kiln_device *device, double seconds)
{
    kiln_status status;
    double took = 0, rounds = 1e4;
    for (took = time_rounds(device, 1, &status); rounds < 1e9; rounds *= 4) {
        took = time_rounds(device, (int)rounds, &status);
        harness_ok(status);
        if (took > 0.05)
            break;
    }
    rounds *= seconds / took;
    return rounds < 2e9 ? (int)rounds : 2000000000;
}

/* Where the process does nothing meanwhile a hang shows soon; a device that computes has time. */
START_TEST(idle_waits_are_short)
{
    if (is_interpreter(0))
        return;
    setenv("KILN_DEBUG", "hang:clFinish:1,timeout:60:0.4", 1);
    kiln_device *device = harness_open(0);
    double begin = clock_seconds();
    harness_fails(work(device, 3, NULL), KILN_ERROR_DEVICE,
                  "did not finish its work within 0.4 seconds");
    ck_assert_double_lt(clock_seconds() - begin, 20);
    kiln_device_close(device);

    setenv("KILN_DEBUG", "timeout:60:0.4", 1);
    device = harness_open(0);
    if (device->info.type == KILN_DEVICE_CPU) {
        kiln_status status;
        int rounds = rounds_for(device, 1.5);
        double took = time_rounds(device, rounds, &status);
        harness_ok(status);
        /* Longer than an idle wait may be, where the compiler does not see through the loop. */
        ck_assert(took > 0.5 || strstr(device->info.platform, "Portable") == NULL);
    }
    harness_close(device);
}
END_TEST

/* A process that is stopped in a wait and goes on later has lost no device. */
START_TEST(stopped_processes_go_on)
{
    int ready[2], status;
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ready[0]);
        if (is_interpreter(0))
            _exit(0);
        setenv("KILN_DEBUG", "timeout:4", 1);
        kiln_device *device = harness_open(0);
        kiln_status done;
        int rounds = rounds_for(device, 1);
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        time_rounds(device, rounds, &done);
        fprintf(stderr, "%s", kiln_last_error());
        _exit(done != KILN_OK);
    }
    char x;
    close(ready[1]);
    if (read(ready[0], &x, 1) == 1) {
        clock_sleep(0.3);
        kill(child, SIGSTOP);
        clock_sleep(6);
        kill(child, SIGCONT);
    }
    close(ready[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(rules_that_never_act_are_refused)
{
    static const char *const rules[] = {
        "fail:clFinsh:1",    "fail:clFinish:0",   "fail:clFinish:x",      "fail",
        "fail:clFinish:1:2", "vanish:clFinish 3", "hang:clCreateBuffer:1"};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        setenv("KILN_DEBUG", rules[i], 1);
        for (int again = 0; again < 2; again++) {
            ck_assert_msg(kiln_device_open("0") == NULL, "%s was taken", rules[i]);
            ck_assert_msg(strstr(kiln_last_error(), "KILN_DEBUG: '") == kiln_last_error() &&
                              strstr(kiln_last_error(), "; the calls are ") != NULL,
                          "%s", kiln_last_error());
            kiln_clear_error();
        }
    }
}
END_TEST

/* Memory that is promised and then not given is missed when it is asked for. */
START_TEST(big_buffers_are_touched)
{
    cl_mem memory;
    for (int nth = 1; nth < 3; nth++) {
        char debug[64];
        snprintf(debug, sizeof debug, "fail:clEnqueueFillBuffer:%d", nth);
        setenv("KILN_DEBUG", debug, 1);
        kiln_device *device = harness_open(0);
        if (device->info.largest_allocation < (20 << 20)) {
            harness_close(device);
            return;
        }
        harness_ok(device_alloc(device, 1 << 20, "a small thing", &memory));
        device_free(device, memory);
        harness_fails(device_alloc(device, 20 << 20, "the activations", &memory), KILN_ERROR_MEMORY,
                      "no memory for the activations: it takes 20.0 MiB, which ");
        ck_assert_ptr_nonnull(strstr(kiln_last_error(), "use a smaller network or batch"));
        ck_assert_ptr_null(memory);
        ck_assert_uint_eq(kiln_device_memory_used(device), 0);
        ck_assert(!device->lost);
        harness_ok(device_alloc(device, 20 << 20, "the activations", &memory));
        device_free(device, memory);
        harness_close(device);
    }
}
END_TEST

START_TEST(profiles_add_up)
{
    HARNESS_EACH_DEVICE(device)
    {
        profile_row *rows;
        size_t count;
        float first;
        int launches = harness_is_slow(device) ? 300 : 5000;
        harness_fails(profile_stop(device, &rows, &count), KILN_ERROR_ARGUMENT,
                      "not being profiled");
        profile_span *spans;
        size_t span_count;
        harness_fails(profile_keep_spans(device, 4), KILN_ERROR_ARGUMENT, "not being profiled");
        harness_ok(profile_start(device));
        harness_fails(profile_start(device), KILN_ERROR_ARGUMENT, "already");
        harness_fails(profile_take_spans(device, &spans, &span_count), KILN_ERROR_ARGUMENT,
                      "not being kept");
        double begin = clock_seconds();
        harness_ok(work(device, launches, &first));
        ck_assert_float_eq(first, 2 * (float)launches);
        harness_ok(profile_keep_spans(device, 4)); /* of the seven that follow */
        harness_ok(work(device, 7, NULL));
        harness_ok(profile_take_spans(device, &spans, &span_count));
        ck_assert_uint_eq(span_count, 4);
        ck_assert_double_eq(spans[0].start, 0);
        for (size_t i = 0; i < span_count; i++) {
            ck_assert_uint_eq(spans[i].row, 0);
            ck_assert_double_gt(spans[i].seconds, 0);
            ck_assert_double_eq(spans[i].bytes, 8.0 * N);
            if (i)
                ck_assert_double_ge(spans[i].start, spans[i - 1].start + spans[i - 1].seconds);
        }
        free(spans);
        launches += 7;
        harness_ok(profile_stop(device, &rows, &count));
        ck_assert_uint_eq(count, 1);
        ck_assert_str_eq(rows[0].name, "kiln_test_add");
        ck_assert_str_eq(rows[0].what, "a test");
        ck_assert_uint_eq(rows[0].calls, (uint64_t)launches);
        ck_assert_double_eq(rows[0].flops, (double)N * launches);
        ck_assert_double_eq(rows[0].bytes, 8.0 * N * launches);
        ck_assert_double_gt(rows[0].seconds, 0);
        ck_assert_double_lt(rows[0].seconds, clock_seconds() - begin);
        profile_free_rows(rows, count);
        harness_ok(work(device, 1, NULL)); /* without a profile */
    }
}
END_TEST

START_TEST(profiles_have_many_rows)
{
    kiln_device *device = harness_open(0);
    cl_program program;
    cl_kernel kernel;
    cl_mem memory;
    profile_row *rows;
    size_t count, global = N;
    harness_ok(device_program(device, "a test", source, NULL, &program));
    harness_ok(device_kernel(device, program, "kiln_test_add", &kernel));
    harness_ok(device_alloc(device, N * 4, "numbers", &memory));
    clSetKernelArg(kernel, 0, sizeof memory, &memory);
    clSetKernelArg(kernel, 1, sizeof(float), &(float){1});
    clSetKernelArg(kernel, 2, sizeof(int), &(int){2});
    harness_ok(profile_start(device));
    for (int i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof name, "kernel %d", i % 500);
        device_launch_info info = {.name = name, .what = i % 2 ? "odd" : "even", .flops = 1};
        harness_ok(device_launch(device, kernel, 1, &global, NULL, i == 999 ? NULL : &info));
    }
    harness_ok(profile_stop(device, &rows, &count));
    ck_assert_uint_eq(count, 501);
    for (int i = 0; i < 500; i++) {
        char name[32];
        snprintf(name, sizeof name, "kernel %d", i);
        ck_assert_str_eq(rows[i].name, name); /* in order of the first call */
        ck_assert_str_eq(rows[i].what, i % 2 ? "odd" : "even");
        ck_assert_uint_eq(rows[i].calls, i == 499 ? 1 : 2);
    }
    ck_assert_str_eq(rows[500].name, "kernel");
    profile_free_rows(rows, count);
    clReleaseKernel(kernel);
    device_free(device, memory);
    harness_ok(profile_start(device)); /* closed while profiling */
    harness_close(device);
}
END_TEST

START_TEST(peaks_are_plausible)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_device_peaks peaks;
        if (strstr(device->info.platform, "Oclgrind"))
            continue;
        harness_ok(kiln_device_measure(device, &peaks));
        ck_assert(peaks.fma_gflops > 0.01 && peaks.fma_gflops < 1e6);
        ck_assert(peaks.copy_gbytes > 0.1 && peaks.copy_gbytes < 1e5);
        ck_assert(peaks.launch_us > 0.05 && peaks.launch_us < 1e4);
    }
    ck_assert_int_eq(kiln_device_measure(NULL, &(kiln_device_peaks){0}), KILN_ERROR_ARGUMENT);
}
END_TEST

typedef struct one_thread {
    size_t device;
    float result;
    char error[512];
} one_thread;

static void *work_in_thread(void *argument)
{
    one_thread *thread = argument;
    size_t count;
    const char *selector = harness_devices(&count)[thread->device];
    for (int i = 0; i < 5; i++) {
        kiln_device *device = kiln_device_open(selector);
        if (device == NULL || work(device, 20, &thread->result) != KILN_OK)
            snprintf(thread->error, sizeof thread->error, "%s", kiln_last_error());
        kiln_device_close(device);
    }
    return NULL;
}

/* Two devices, or one device opened twice, each in a thread of its own. */
START_TEST(devices_in_threads)
{
    pthread_t threads[4];
    one_thread work_of[4] = {0};
    setenv("KILN_CACHE_DIR", harness_folder(), 1);
    size_t count = harness_count();
    if (is_interpreter(0))
        return;
    for (size_t i = 0; i < 4; i++) {
        work_of[i].device = i % count;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work_in_thread, &work_of[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_msg(work_of[i].error[0] == '\0', "%s", work_of[i].error);
        ck_assert_float_eq(work_of[i].result, 40);
    }
    harness_remove_folder();
}
END_TEST

START_TEST(a_retained_device_stays_open)
{
    kiln_device *device = harness_open(0);
    ck_assert_ptr_eq(device_retain(device), device);
    kiln_device_close(device);
    harness_ok(work(device, 1, NULL));
    kiln_device_close(device);
    kiln_device_close(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("faults");
    TCase *tests = tcase_create("faults");
    tcase_add_test(tests, failing_calls);
    tcase_add_test(tests, later_calls_are_counted);
    tcase_add_test(tests, a_vanished_device);
    tcase_add_test(tests, idle_waits_are_short);
    tcase_add_test(tests, stopped_processes_go_on);
    tcase_add_test(tests, rules_that_never_act_are_refused);
    tcase_add_test(tests, big_buffers_are_touched);
    tcase_add_test(tests, hanging_calls);
    tcase_add_test(tests, profiles_add_up);
    tcase_add_test(tests, profiles_have_many_rows);
    tcase_add_test(tests, peaks_are_plausible);
    tcase_add_test(tests, devices_in_threads);
    tcase_add_test(tests, a_retained_device_stays_open);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
