/* Kinds of files that hold a model. Adding one: a file that defines it, and a line in formats.c. */
#ifndef FORMAT_FORMAT_H
#define FORMAT_FORMAT_H

#include "format/archive.h"

typedef struct format {
    const char *name; /* "zip archive" */
    /* Does a file that begins with these bytes look like it? */
    bool (*looks_like)(const unsigned char *head, size_t count);
    /* Builds the model from the file's bytes. open says how long open axes are, and may learn it
     * from the file. extra gets the optimizer's arrays. On failure nothing is left to free;
     * messages need not name the file. */
    kiln_status (*read)(const char *path, const void *bytes, size_t count, open_axis *open,
                        kiln_model **model, archive_arrays *extra);
} format;

/* Ends with NULL. */
extern const format *const format_registry[];

/* The .keras archive (archive_read.c), and Keras 2's whole models in HDF5 (hdf5_model.c). */
extern const format format_archive, format_hdf5;

#endif
