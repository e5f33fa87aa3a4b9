/* Saved models: one file with architecture, compile configuration, weights and optimizer state.
 *
 * What Kiln writes is a zip archive with three members: metadata.json (version, date, and what is
 * Kiln's own in a "kiln" object), config.json (Keras's architecture and compile configuration) and
 * model.weights.npz (an array for each weight, "dense/kernel", and for each array of the optimizer,
 * "optimizer/...").
 *
 * Reading finds the kind of a file by its content, never by its name. */
#ifndef FORMAT_ARCHIVE_H
#define FORMAT_ARCHIVE_H

#include "model/model.h"

/* A named array of floats. */
typedef struct archive_array {
    char *name;       /* "optimizer/dense/kernel/momentum" */
    kiln_shape shape; /* without a batch axis; rank 0: one number */
    float *values;
} archive_array;

typedef struct archive_arrays {
    archive_array *items;
    size_t count, capacity;
} archive_arrays;

/* What an extra array's name must begin with, so that it is told from a weight. */
#define ARCHIVE_EXTRA "optimizer/"

/* Frees names, values and the list. */
void archive_arrays_free(archive_arrays *arrays);

/* The array of that name, or NULL. */
const archive_array *archive_find(const archive_arrays *arrays, const char *name);

/* Adds a copy of an array. */
kiln_status archive_add(archive_arrays *arrays, const char *name, kiln_shape shape,
                        const float *values);

/* Writes a model: its architecture, its weights (fetched from the device), its facts, the compile
 * configuration (the JSON text of Keras's compile_config; NULL: none) and extra arrays (NULL: none;
 * names begin with ARCHIVE_EXTRA). Through a temporary file: on failure, what was at path before is
 * untouched. */
kiln_status archive_write(kiln_model *model, const char *compile_config,
                          const archive_arrays *extra, const char *path);

/* Reads a saved model of any known format, or an architecture alone (then its weights are not set).
 * *model is the caller's (kiln_model_free), as is *compile_config (free; NULL when the file has
 * none), and *extra (archive_arrays_free). compile_config and extra may be NULL. The compile
 * configuration is also kept in the model's facts. On failure nothing is left to free. */
kiln_status archive_read(const char *path, kiln_model **model, char **compile_config,
                         archive_arrays *extra);

#endif
