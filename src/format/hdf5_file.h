/* HDF5 files.
 *
 * The parser of libhdf5 has known faults on malformed files, so that this process never runs it on
 * a file: hdf5_read starts kiln-hdf5, a small program installed beside the library (in
 * LIBEXEC/kiln; $KILN_HELPER_DIR names another folder), by posix_spawn, which is sound in a process
 * with the threads of OpenCL drivers where fork is not. It gets the file's bytes over a
 * socket, limits its own memory and time before it looks at them, opens no other file, and hands
 * back plain tensors and texts in a stream that is checked for every length
 * (hdf5_stream.h). A crash, a hang or a file that is refused ends in one clear sentence here.
 *
 * Writing needs no such care and happens in this process. */
#ifndef FORMAT_HDF5_FILE_H
#define FORMAT_HDF5_FILE_H

#include "data/array.h"

/* Texts of an object, or why something of it cannot be read. */
typedef struct hdf5_text {
    char *path; /* of the object, "model_weights/dense"; "" for the root */
    char *name; /* of the attribute; NULL: what is said is about the object itself */
    char **values;
    size_t count;
} hdf5_text;

typedef struct hdf5_texts {
    hdf5_text *items;
    size_t count, capacity;
} hdf5_texts;

/* What a file has in it; the order is that of the names. */
typedef struct hdf5_contents {
    data_array_list arrays; /* float32 or int64; the name is the path, "layers/dense/vars/0" */
    hdf5_texts attributes;  /* texts only; attributes of numbers are left out */
    hdf5_texts others;      /* data that are neither numbers nor texts: values[0] says what */
} hdf5_contents;

void hdf5_free(hdf5_contents *contents);

/* The attribute of an object, or NULL. */
const hdf5_text *hdf5_attribute(const hdf5_contents *contents, const char *path, const char *name);

/* Adds texts to a list; copies. */
kiln_status hdf5_add_texts(hdf5_texts *list, const char *path, const char *name, size_t count,
                           const char *const *values);

/* Reads a file's bytes by kiln-hdf5. origin is for messages. On failure nothing is left to free. */
kiln_status hdf5_read(const char *origin, const void *bytes, size_t size, hdf5_contents *contents);

/* What kiln-hdf5 printed, taken apart. */
kiln_status hdf5_decode(const char *origin, const void *stream, size_t size,
                        hdf5_contents *contents);

bool hdf5_looks_like(const unsigned char *bytes, size_t size);

/* The bytes of a new file: the arrays (float32, int32 or int64), each in the groups that its name
 * says, and attributes of one text each; an object that an attribute names and no array does
 * becomes a group. Free *bytes with free(). */
kiln_status hdf5_write(const hdf5_contents *contents, void **bytes, size_t *size);

#endif
