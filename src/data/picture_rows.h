/* Rows of pictures of one size: in memory, or, when they grow larger than that, in a file of the
 * cache that is mapped. */
#ifndef DATA_PICTURE_ROWS_H
#define DATA_PICTURE_ROWS_H

#include "data/dataset.h"

/* More bytes than this go to a file; for tests. 0: half of the machine's memory. */
extern uint64_t picture_rows_memory;

typedef struct picture_rows {
    uint8_t *base;
    size_t row_bytes;
    int64_t capacity;
    size_t mapped; /* bytes at base */
    int file;      /* 0: none */
} picture_rows;

/* Room for at least `rows`; base moves. */
kiln_status picture_rows_reserve(picture_rows *rows, int64_t count);

/* Puts the row from[i] at place i for each i below count, in place; from names no row twice.
 * `there` is how many rows there are. */
kiln_status picture_rows_arrange(picture_rows *rows, int64_t count, const int64_t *from,
                                 int64_t there);

/* Hands the first `count` rows over as a block. NULL on failure; the rows are gone either way. */
data_block *picture_rows_finish(picture_rows *rows, int64_t count);
void picture_rows_free(picture_rows *rows);

#endif
