/* Threads that decode pictures while the caller reads the next ones. */
#ifndef DATA_PICTURE_WORK_H
#define DATA_PICTURE_WORK_H

#include "data/picture_rows.h"

/* How many threads decode, the caller among them; 0: as many as there are cores. For benchmarks and
 * tests. */
extern int picture_threads;

/* One picture to decode. */
typedef struct picture_job {
    size_t item;
    int64_t row;
    void *bytes; /* the file's; NULL: it is read from the path. The job's, freed by it */
    size_t size;
    char *path; /* for messages and reading; the job's */
} picture_job;

/* One that failed. */
typedef struct picture_failure {
    size_t item;
    kiln_status code;
    char *message;
} picture_failure;

typedef struct picture_work picture_work;

/* All pictures are brought to this size, or, when `strict` is set, must have it. NULL on failure.
 */
picture_work *picture_work_start(picture_rows *rows, int64_t height, int64_t width, int channels,
                                 bool strict);

/* Takes the job over, on failure too; decodes some itself when the threads are behind. */
kiln_status picture_work_put(picture_work *work, const picture_job *job);

/* Waits until everything is decoded: then the rows may move. */
void picture_work_wait(picture_work *work);

/* The failures so far, in the order of their items; after picture_work_wait. */
kiln_status picture_work_failures(picture_work *work, const picture_failure **failures,
                                  size_t *count);

/* NULL is allowed. */
void picture_work_end(picture_work *work);

#endif
