#include "device/inject.h"

#include "base/env.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { RULES = 8 };
typedef enum rule_kind { RULE_FAIL, RULE_VANISH, RULE_HANG } rule_kind;

/* The calls that can fail; those that use a queue can hang. */
static const struct {
    const char *call;
    bool hangs;
} calls[] = {{"clGetPlatformIDs", false},
             {"clGetDeviceIDs", false},
             {"clCreateContext", false},
             {"clCreateCommandQueue", false},
             {"clCreateBuffer", false},
             {"clCreateProgramWithSource", false},
             {"clCreateProgramWithBinary", false},
             {"clBuildProgram", false},
             {"clCreateKernel", false},
             {"clSetKernelArg", false},
             {"clEnqueueNDRangeKernel", true},
             {"clEnqueueReadBuffer", true},
             {"clEnqueueWriteBuffer", true},
             {"clEnqueueCopyBuffer", true},
             {"clEnqueueFillBuffer", true},
             {"clFlush", true},
             {"clFinish", true},
             {"CLBlastSgemm", true}};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    char loaded[512]; /* the KILN_DEBUG the rules were made from */
    struct {
        rule_kind kind;
        char call[64];
        unsigned long nth, seen;
    } rules[RULES];
    int count;
    bool vanished;
} state;
atomic_bool inject_on;
static _Thread_local cl_int last_code;

static kiln_status fail_rule(const char *word, const char *value, bool hangs)
{
    text names = {0};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i].hangs || !hangs)
            text_add(&names, "%s%s", names.length ? ", " : "", calls[i].call);
    kiln_status status =
        kiln_fail(KILN_ERROR_ARGUMENT,
                  "KILN_DEBUG: '%s:%s' is not %s:CALL:N, with N from 1; the calls are %s", word,
                  value, word, names.data ? names.data : "");
    text_free(&names);
    return status;
}

static kiln_status add_rules(const char *word, rule_kind kind)
{
    char value[96];
    for (int i = 0; state.count < RULES && env_debug_item(word, i, value, sizeof value); i++) {
        unsigned long nth = 1;
        char call[64] = "", rest;
        size_t k = 0;
        int given = sscanf(value, "%63[A-Za-z]:%lu%c", call, &nth, &rest);
        while (k < sizeof calls / sizeof *calls && strcmp(calls[k].call, call) != 0)
            k++;
        if (given < 1 || given > 2 || nth == 0 || k == sizeof calls / sizeof *calls ||
            (given == 1 && value[strlen(call)]) || (kind == RULE_HANG && !calls[k].hangs))
            return fail_rule(word, value, kind == RULE_HANG);
        state.rules[state.count].kind = kind;
        state.rules[state.count].nth = nth;
        state.rules[state.count].seen = 0;
        memcpy(state.rules[state.count++].call, call, sizeof call);
    }
    return KILN_OK;
}

kiln_status inject_load(void)
{
    const char *debug = env_get(ENV_DEBUG);
    kiln_status status = KILN_OK;
    pthread_mutex_lock(&lock);
    if (strncmp(state.loaded, debug ? debug : "", sizeof state.loaded - 1) != 0) {
        snprintf(state.loaded, sizeof state.loaded, "%s", debug ? debug : "");
        state.count = 0;
        state.vanished = false;
        status = add_rules("fail", RULE_FAIL);
        if (status == KILN_OK)
            status = add_rules("vanish", RULE_VANISH);
        if (status == KILN_OK)
            status = add_rules("hang", RULE_HANG);
        if (status != KILN_OK) /* to be said again */
            state.loaded[0] = '\0', state.count = 0;
        atomic_store(&inject_on, state.count > 0);
    }
    pthread_mutex_unlock(&lock);
    return status;
}

bool inject_hangs(void)
{
    bool hangs = false;
    if (!atomic_load_explicit(&inject_on, memory_order_relaxed))
        return false;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < state.count; i++)
        hangs |= state.rules[i].kind == RULE_HANG;
    pthread_mutex_unlock(&lock);
    return hangs;
}

/* Everything enqueued from here on waits for an event that nobody sets. */
static void stall(kiln_device *device, cl_command_queue queue)
{
    cl_int error;
    cl_event never = clCreateUserEvent(device->context, &error);
    if (never == NULL)
        return;
    clEnqueueBarrierWithWaitList(queue, 1, &never, NULL);
}

cl_int inject_call(const char *call, kiln_device *device, cl_command_queue queue)
{
    cl_int code = CL_SUCCESS;
    bool hang = false;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < state.count; i++) {
        if (strcmp(state.rules[i].call, call) != 0 || ++state.rules[i].seen != state.rules[i].nth)
            continue;
        if (state.rules[i].kind == RULE_FAIL)
            code = CL_OUT_OF_RESOURCES;
        else if (state.rules[i].kind == RULE_VANISH)
            state.vanished = true;
        else
            hang = device && queue;
    }
    if (state.vanished)
        code = CL_DEVICE_NOT_AVAILABLE;
    pthread_mutex_unlock(&lock);
    if (hang)
        stall(device, queue);
    return last_code = code;
}

cl_int inject_code(void)
{
    return last_code;
}
