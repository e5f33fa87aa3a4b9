/* NumPy's .npy and .npz files.
 *
 * Read: versions 1, 2 and 3, C and Fortran order, both byte orders, bool, integers of 1 to 8 bytes
 * and floats of 2, 4 and 8. In memory an array has the nearest of Kiln's types: bool, u1 -> uint8;
 * i1, i2, u2, i4 -> int32; u4, i8, u8 -> int64 (u8 above its range is an error); f2, f4 -> float32;
 * f8 -> float64 Written: Kiln's five types, C order, this machine's byte order. */
#ifndef DATA_NPY_H
#define DATA_NPY_H

#include "data/array.h"
#include "data/reader.h"

typedef data_array npy_array;
typedef data_array_list npy_list;

/* One array. name is for messages and is not kept in the array. Free with data_array_free. */
kiln_status npy_read(const char *path, npy_array *array);
kiln_status npy_decode(const void *bytes, size_t size, const char *name, npy_array *array);
kiln_status npy_read_from(data_reader *reader, npy_array *array);

/* The header of the array's file, padded so that the elements start at a multiple of 64 bytes. */
#define NPY_HEADER 512
size_t npy_header(const npy_array *array, char header[NPY_HEADER]);

/* The array as a file in memory. Free *bytes with free(). */
kiln_status npy_encode(const npy_array *array, void **bytes, size_t *size);
kiln_status npy_write(const char *path, const npy_array *array);

/* All arrays of an archive in its order; the name of each is the member's, less ".npy". Free with
 * data_array_list_free. */
kiln_status npz_read(const char *path, npy_list *list);
kiln_status npz_decode(const void *bytes, size_t size, const char *name, npy_list *list);

/* The archive of count named arrays, members stored as they are or deflated. The bytes depend on
 * nothing but the arrays (no time, no user). Free *bytes with free(). */
kiln_status npz_encode(const npy_array *arrays, size_t count, bool deflate, void **bytes,
                       size_t *size);
kiln_status npz_write(const char *path, const npy_array *arrays, size_t count, bool deflate);

/* A number of 16 bits (IEEE 754) as a float. */
float npy_half(uint16_t bits);

/* Does a file that starts with these bytes look like .npy, or like a zip archive? */
bool npy_looks_like(const unsigned char *bytes, size_t size);
bool npz_looks_like(const unsigned char *bytes, size_t size);

#endif
