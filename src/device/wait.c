#include "device/wait.h"

#include "base/env.h"
#include "device/inject.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

/* Training keeps about 50 ms of work in a queue, so five minutes without an end mean a hang even on
 * a device a thousand times slower than thought. */
static const double default_limit = 300.0;
static const double injected_limit = 2.0;

struct device_waiter {
    pthread_mutex_t lock;
    pthread_cond_t asked, answered;
    cl_command_queue queues[2];
    cl_int result;
    double limit;
    enum { IDLE, ASKED, ANSWERED, GIVEN_UP, ENDING } state;
};

static void destroy(device_waiter *waiter)
{
    pthread_cond_destroy(&waiter->asked);
    pthread_cond_destroy(&waiter->answered);
    pthread_mutex_destroy(&waiter->lock);
    free(waiter);
}

static void *serve(void *argument)
{
    device_waiter *waiter = argument;
    pthread_mutex_lock(&waiter->lock);
    while (waiter->state != ENDING && waiter->state != GIVEN_UP) {
        if (waiter->state != ASKED) {
            pthread_cond_wait(&waiter->asked, &waiter->lock);
            continue;
        }
        cl_command_queue first = waiter->queues[0], second = waiter->queues[1];
        pthread_mutex_unlock(&waiter->lock);
        cl_int result = clFinish(first);
        if (result == CL_SUCCESS && second)
            result = clFinish(second);
        pthread_mutex_lock(&waiter->lock);
        waiter->result = result;
        if (waiter->state == ASKED) {
            waiter->state = ANSWERED;
            pthread_cond_signal(&waiter->answered);
        }
    }
    pthread_mutex_unlock(&waiter->lock);
    destroy(waiter);
    return NULL;
}

device_waiter *waiter_new(void)
{
    device_waiter *waiter = mem_new(1, sizeof *waiter);
    if (waiter == NULL)
        return NULL;
    char value[32];
    if (!env_debug_item("timeout", 0, value, sizeof value) ||
        sscanf(value, "%lf", &waiter->limit) != 1 || !(waiter->limit > 0))
        waiter->limit = inject_hangs() ? injected_limit : default_limit;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&waiter->lock, NULL);
    pthread_cond_init(&waiter->asked, NULL);
    pthread_cond_init(&waiter->answered, &monotonic);
    pthread_condattr_destroy(&monotonic);

    pthread_attr_t detached;
    pthread_t thread;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    int error = pthread_create(&thread, &detached, serve, waiter);
    pthread_attr_destroy(&detached);
    if (error) {
        destroy(waiter);
        kiln_fail(KILN_ERROR_MEMORY,
                  "opening a device: no thread could be started (error %d); close "
                  "other programs",
                  error);
        return NULL;
    }
    return waiter;
}

void waiter_free(device_waiter *waiter)
{
    if (waiter == NULL)
        return;
    pthread_mutex_lock(&waiter->lock);
    if (waiter->state != GIVEN_UP)
        waiter->state = ENDING;
    pthread_cond_signal(&waiter->asked);
    pthread_mutex_unlock(&waiter->lock);
}

cl_int waiter_finish(device_waiter *waiter, cl_command_queue first, cl_command_queue second,
                     bool *timed_out, double *seconds)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)waiter->limit;
    end.tv_nsec += (long)((waiter->limit - (double)(time_t)waiter->limit) * 1e9);
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    *seconds = waiter->limit;
    *timed_out = false;
    pthread_mutex_lock(&waiter->lock);
    waiter->queues[0] = first;
    waiter->queues[1] = second;
    waiter->state = ASKED;
    pthread_cond_signal(&waiter->asked);
    int error = 0;
    while (waiter->state == ASKED && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&waiter->answered, &waiter->lock, &end);
    *timed_out = waiter->state == ASKED;
    waiter->state = *timed_out ? GIVEN_UP : IDLE;
    cl_int result = waiter->result;
    pthread_mutex_unlock(&waiter->lock);
    return *timed_out ? CL_SUCCESS : result;
}
