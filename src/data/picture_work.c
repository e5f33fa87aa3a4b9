#include "data/picture_work.h"

#include "base/file.h"
#include "data/packed.h"
#include "data/picture.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

enum { MOST_THREADS = 64, BATCH = 32, BATCH_BYTES = 1 << 20, QUEUE = 4 * MOST_THREADS };

int picture_threads;

/* Small pictures travel together: a lock for each would cost as much as decoding it. */
typedef struct batch {
    size_t count, bytes;
    picture_job jobs[BATCH];
} batch;

struct picture_work {
    picture_rows *rows;
    int64_t height, width;
    int channels;
    bool strict;

    pthread_t threads[MOST_THREADS];
    int thread_count;
    pthread_mutex_t lock;
    pthread_cond_t filled, done; /* the queue has something; nothing is left to do */
    batch *queue[QUEUE];
    size_t first, queued, limit;
    int busy;
    bool closing;
    batch *open; /* being filled by the caller */

    picture_failure *items; /* of failures */
    size_t count, capacity;
    bool lost; /* a failure could not be noted */
};

static void free_job(picture_job *job)
{
    free(job->bytes);
    free(job->path);
    *job = (picture_job){0};
}

static kiln_status decode(const picture_work *w, picture_job *job)
{
    picture p;
    if (job->bytes == NULL)
        KILN_TRY(file_read(job->path, PACKED_MOST_FILE, &job->bytes, &job->size));
    KILN_TRY(picture_decode(job->bytes, job->size, job->path, w->channels, &p));
    kiln_status status;
    if (w->strict && (p.height != w->height || p.width != w->width))
        status = kiln_fail(KILN_ERROR_SHAPE,
                           "%s: has %" PRId64 " x %" PRId64 " pixels, but those before it %" PRId64
                           " x %" PRId64 "; say to which size all are brought: image_size, "
                           "--image-size HEIGHTxWIDTH",
                           job->path, p.width, p.height, w->width, w->height);
    else
        status = picture_resize(&p, w->height, w->width,
                                w->rows->base + (size_t)job->row * w->rows->row_bytes);
    free(p.pixels);
    return status;
}

static void note(picture_work *w, const picture_job *job, kiln_status code)
{
    pthread_mutex_lock(&w->lock);
    char *message = MEM_PUSH_ROOM(w) == KILN_OK ? str_copy(kiln_last_error()) : NULL;
    if (message)
        w->items[w->count++] = (picture_failure){job->item, code, message};
    else
        w->lost = true;
    pthread_mutex_unlock(&w->lock);
    kiln_clear_error();
}

static void do_batch(picture_work *w, batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        kiln_error_record before;
        kiln_error_save(&before);
        kiln_clear_error();
        kiln_status status = decode(w, &b->jobs[i]);
        if (status != KILN_OK)
            note(w, &b->jobs[i], status);
        kiln_error_restore(&before);
        free_job(&b->jobs[i]);
    }
    free(b);
}

/* Takes the oldest batch and decodes it, with the lock held before and after. */
static void do_next(picture_work *w)
{
    batch *b = w->queue[w->first];
    w->first = (w->first + 1) % QUEUE;
    w->queued--;
    w->busy++;
    pthread_mutex_unlock(&w->lock);
    do_batch(w, b);
    pthread_mutex_lock(&w->lock);
    w->busy--;
    if (w->busy == 0 && w->queued == 0)
        pthread_cond_signal(&w->done);
}

static void *run(void *user)
{
    picture_work *w = user;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->queued == 0 && !w->closing)
            pthread_cond_wait(&w->filled, &w->lock);
        if (w->queued == 0)
            break;
        do_next(w);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static int count_threads(void)
{
    cpu_set_t cores;
    int count = picture_threads;
    if (count <= 0)
        count = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
    return count > MOST_THREADS ? MOST_THREADS : count;
}

picture_work *picture_work_start(picture_rows *rows, int64_t height, int64_t width, int channels,
                                 bool strict)
{
    picture_work *w = mem_new(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->rows = rows;
    w->height = height;
    w->width = width;
    w->channels = channels;
    w->strict = strict;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->filled, NULL);
    pthread_cond_init(&w->done, NULL);
    int wanted = count_threads();
    for (int i = 1; i < wanted; i++) /* the caller is one of them */
        if (pthread_create(&w->threads[w->thread_count], NULL, run, w) == 0)
            w->thread_count++; /* with fewer, or none, it is only slower */
    w->limit = 4 * (size_t)w->thread_count;
    return w;
}

/* Hands the open batch to the threads, or does it here where there are none. */
static void send(picture_work *w)
{
    batch *b = w->open;
    w->open = NULL;
    if (b == NULL)
        return;
    if (w->thread_count == 0) {
        do_batch(w, b);
        return;
    }
    pthread_mutex_lock(&w->lock);
    while (w->queued >= w->limit) /* the threads are behind: the caller helps */
        do_next(w);
    w->queue[(w->first + w->queued++) % QUEUE] = b;
    pthread_cond_signal(&w->filled);
    pthread_mutex_unlock(&w->lock);
}

kiln_status picture_work_put(picture_work *w, const picture_job *job)
{
    if (w->open == NULL && (w->open = mem_new(1, sizeof *w->open)) == NULL) {
        picture_job lost = *job;
        free_job(&lost);
        return kiln_last_status();
    }
    w->open->jobs[w->open->count++] = *job;
    w->open->bytes += job->size;
    if (w->open->count == BATCH || w->open->bytes >= BATCH_BYTES)
        send(w);
    return KILN_OK;
}

void picture_work_wait(picture_work *w)
{
    send(w);
    pthread_mutex_lock(&w->lock);
    while (w->queued > 0)
        do_next(w);
    while (w->busy > 0)
        pthread_cond_wait(&w->done, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

static int compare(const void *a, const void *b)
{
    size_t first = ((const picture_failure *)a)->item, second = ((const picture_failure *)b)->item;
    return (first > second) - (first < second);
}

kiln_status picture_work_failures(picture_work *w, const picture_failure **failures, size_t *count)
{
    if (w->lost)
        return kiln_fail_memory(sizeof **failures);
    if (w->count > 1)
        qsort(w->items, w->count, sizeof *w->items, compare);
    *count = w->count;
    *failures = w->items;
    return KILN_OK;
}

void picture_work_end(picture_work *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    pthread_cond_broadcast(&w->filled);
    pthread_mutex_unlock(&w->lock);
    for (int i = 0; i < w->thread_count; i++)
        pthread_join(w->threads[i], NULL);
    if (w->open) {
        for (size_t i = 0; i < w->open->count; i++)
            free_job(&w->open->jobs[i]);
        free(w->open);
    }
    for (size_t i = 0; i < w->count; i++)
        free(w->items[i].message);
    free(w->items);
    pthread_cond_destroy(&w->filled);
    pthread_cond_destroy(&w->done);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
