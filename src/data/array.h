/* An array in host memory as a file describes it: what the readers of idx, npy and npz hand out. */
#ifndef DATA_ARRAY_H
#define DATA_ARRAY_H

#include "base/memory.h"

#include <kiln/values.h>

/* The samples' axis and those of one sample. */
#define DATA_MAX_RANK (KILN_MAX_RANK + 1)

typedef struct data_array {
    char *name; /* owned; NULL: none */
    kiln_dtype dtype;
    int rank; /* 0: a scalar */
    int64_t dims[DATA_MAX_RANK];
    void *data; /* owned, row-major; never NULL, even for no elements */
    size_t bytes;
} data_array;

typedef struct data_array_list {
    data_array *items;
    size_t count, capacity;
} data_array_list;

/* Frees what the array owns and clears it. */
void data_array_free(data_array *array);
void data_array_list_free(data_array_list *list);

/* The array with that name, or NULL. */
const data_array *data_array_find(const data_array_list *list, const char *name);

/* Elements of the array. */
int64_t data_array_size(const data_array *array);

/* Makes 64-bit elements 32-bit ones. A value that does not fit is an error which names the element;
 * what is the place for the message ("file.npy"). */
kiln_status data_array_narrow(data_array *array, const char *what);

/* The same for count elements from `from` to `to`; row_size elements make a sample (for the
 * message). */
kiln_status data_narrow(const void *from, kiln_dtype dtype, int64_t count, int64_t row_size,
                        void *to, const char *what);

/* The type a host array of this type has after narrowing. */
kiln_dtype data_narrow_dtype(kiln_dtype dtype);

/* Bytes of an array of these dimensions; false when a dimension is negative or the product passes
 * what fits into size_t / 2. */
bool data_size(int rank, const int64_t *dims, size_t element, size_t *bytes);

/* Writes "(60000, 28, 28)" or "()" for messages; returns buffer. */
#define DATA_SHAPE_TEXT 256
const char *data_shape_text(int rank, const int64_t *dims, char buffer[DATA_SHAPE_TEXT]);

#endif
