#include "device/wait.h"

#include "base/env.h"
#include "device/inject.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

/* Training keeps about 50 ms of work in a queue. Five minutes without an end mean a hang even on a
 * device a thousand times slower than thought, and half a minute does where this process does
 * nothing meanwhile: neither computes, as CPU drivers do, nor compiles, as most do at a first
 * launch. */
static const double busy_limit = 300.0, idle_limit = 30.0;
static const double injected_limit = 2.0;

/* Waits are cut into pieces. A process that was stopped for an hour finds one piece, not the hour,
 * gone; and one that uses less than this part of a processor in a piece is idle in it. */
static const double piece = 0.25, idle_share = 0.02;

struct device_waiter {
    pthread_mutex_t lock;
    pthread_cond_t asked, answered;
    cl_command_queue queues[2];
    bool flushed;
    cl_int result;
    double busy_limit, idle_limit;
    bool sleeps;
    enum { IDLE, ASKED, ANSWERED, GIVEN_UP, ENDING } state;
    pthread_t thread;
    bool ended, abandoned;
};

static void destroy(device_waiter *waiter)
{
    pthread_cond_destroy(&waiter->asked);
    pthread_cond_destroy(&waiter->answered);
    pthread_mutex_destroy(&waiter->lock);
    free(waiter);
}

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* clFinish, but asleep: some drivers wait by asking without end, which takes a whole processor from whoever makes
 * the next batch. Sleeps are short against what has been waited, so that little time is lost. */
static cl_int finish_asleep(cl_command_queue queue)
{
    const double shortest = 20e-6, longest = 2e-3, share = 0.1;
    cl_event event = NULL;
    cl_int status = CL_QUEUED,
           error = clEnqueueMarkerWithWaitList(queue, 0, NULL, &event);
    if (error == CL_SUCCESS)
        error = clFlush(queue);
    const double start = seconds_of(CLOCK_MONOTONIC);
    while (error == CL_SUCCESS) {
        error = clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL);
        if (error != CL_SUCCESS || status <= CL_COMPLETE)
            break;
        double nap = share * (seconds_of(CLOCK_MONOTONIC) - start);
        nap = nap < shortest ? shortest : nap > longest ? longest : nap;
        nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * nap)}, NULL);
    }
    if (event)
        clReleaseEvent(event);
    return error == CL_SUCCESS && status < CL_COMPLETE ? status : error;
}

/* What clFinish says is what counts; asleep, it has nothing left to wait for. In a queue that was flushed before, Mesa
 * 22.3's finds nothing to wait for either, unless there is a marker. */
static cl_int finish(const device_waiter *waiter, cl_command_queue queue, bool flushed)
{
    cl_int error = waiter->sleeps ? finish_asleep(queue)
                   : flushed      ? clEnqueueMarkerWithWaitList(queue, 0, NULL, NULL)
                                  : CL_SUCCESS;
    return error == CL_SUCCESS ? clFinish(queue) : error;
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
        const bool flushed = waiter->flushed;
        cl_int result = finish(waiter, first, flushed);
        if (result == CL_SUCCESS && second)
            result = finish(waiter, second, flushed);
        pthread_mutex_lock(&waiter->lock);
        waiter->result = result;
        if (waiter->state == ASKED) {
            waiter->state = ANSWERED;
            pthread_cond_signal(&waiter->answered);
        }
    }
    waiter->ended = true;
    const bool abandoned = waiter->abandoned;
    pthread_mutex_unlock(&waiter->lock);
    if (abandoned)
        destroy(waiter);
    return NULL;
}

/* KILN_DEBUG=timeout:BUSY or timeout:BUSY:IDLE */
static void set_limits(device_waiter *waiter)
{
    char value[48];
    double busy = 0, idle = 0;
    waiter->busy_limit = inject_hangs() ? injected_limit : busy_limit;
    waiter->idle_limit = inject_hangs() ? injected_limit : idle_limit;
    if (!env_debug_item("timeout", 0, value, sizeof value))
        return;
    int given = sscanf(value, "%lf:%lf", &busy, &idle);
    if (given >= 1 && busy > 0)
        waiter->busy_limit = waiter->idle_limit = busy;
    if (given == 2 && idle > 0)
        waiter->idle_limit = idle;
}

device_waiter *waiter_new(bool sleeps)
{
    device_waiter *waiter = mem_new(1, sizeof *waiter);
    if (waiter == NULL)
        return NULL;
    waiter->sleeps = sleeps;
    set_limits(waiter);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&waiter->lock, NULL);
    pthread_cond_init(&waiter->asked, NULL);
    pthread_cond_init(&waiter->answered, &monotonic);
    pthread_condattr_destroy(&monotonic);

    int error = pthread_create(&waiter->thread, NULL, serve, waiter);
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

bool waiter_sleeps(const device_waiter *waiter)
{
    return waiter->sleeps;
}

/* A thread that hangs in the driver cannot be joined: it frees the waiter should it ever come back. */
void waiter_free(device_waiter *waiter)
{
    if (waiter == NULL)
        return;
    pthread_mutex_lock(&waiter->lock);
    waiter->abandoned = waiter->state == GIVEN_UP && !waiter->ended;
    const bool abandoned = waiter->abandoned;
    if (abandoned)
        pthread_detach(waiter->thread);
    else
        waiter->state = ENDING;
    pthread_cond_signal(&waiter->asked);
    pthread_mutex_unlock(&waiter->lock);
    if (abandoned)
        return;
    pthread_join(waiter->thread, NULL);
    destroy(waiter);
}

static struct timespec after(double seconds)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)seconds;
    end.tv_nsec += (long)((seconds - (double)(time_t)seconds) * 1e9);
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    return end;
}

/* The lock is held. Returns the limit that was reached, or 0 when there is an answer. */
static double await_answer(device_waiter *waiter)
{
    const double least =
        waiter->idle_limit < waiter->busy_limit ? waiter->idle_limit : waiter->busy_limit;
    const double step = piece < least / 4 ? piece : least / 4;
    double waited = 0, idle = 0, wall = 0, cpu = 0;
    for (bool first = true;; first = false) {
        const struct timespec end = after(step);
        int error = 0;
        while (waiter->state == ASKED && error != ETIMEDOUT)
            error = pthread_cond_timedwait(&waiter->answered, &waiter->lock, &end);
        if (waiter->state != ASKED)
            return 0;
        const double wall_now = seconds_of(CLOCK_MONOTONIC);
        const double cpu_now = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
        const double took = first || wall_now - wall > 2 * step ? step : wall_now - wall;
        waited += took;
        idle = !first && cpu_now - cpu < idle_share * took ? idle + took : 0;
        wall = wall_now;
        cpu = cpu_now;
        if (waited >= waiter->busy_limit)
            return waiter->busy_limit;
        if (idle >= waiter->idle_limit)
            return waiter->idle_limit;
    }
}

cl_int waiter_finish(device_waiter *waiter, cl_command_queue first, cl_command_queue second, bool flushed,
                     bool *timed_out, double *seconds)
{
    pthread_mutex_lock(&waiter->lock);
    waiter->queues[0] = first;
    waiter->queues[1] = second;
    waiter->flushed = flushed;
    waiter->state = ASKED;
    pthread_cond_signal(&waiter->asked);
    *seconds = await_answer(waiter);
    *timed_out = waiter->state == ASKED;
    waiter->state = *timed_out ? GIVEN_UP : IDLE;
    cl_int result = waiter->result;
    pthread_mutex_unlock(&waiter->lock);
    return *timed_out ? CL_SUCCESS : result;
}
