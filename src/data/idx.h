/* IDX files, the format MNIST came in: a big-endian header and the elements, plain or gzip. */
#ifndef DATA_IDX_H
#define DATA_IDX_H

#include "data/array.h"
#include "data/reader.h"

/* Reads a whole array. ubyte stays uint8; byte, short and int become int32; float and double keep
 * their size. A file shorter or longer than its header says is an error. Free with data_array_free.
 */
kiln_status idx_read(const char *path, data_array *array);
kiln_status idx_read_from(data_reader *reader, data_array *array);

/* Does a file that starts with these bytes look like IDX? */
bool idx_looks_like(const unsigned char *bytes, size_t size);

#endif
