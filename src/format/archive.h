/* Saved models: one file with architecture, compile configuration, weights and optimizer state.
 *
 * What Kiln writes is the .keras archive of Keras 3: a zip archive of three members, stored as they
 * are: metadata.json (version, date, and what is Kiln's own in a "kiln" object), config.json
 * (architecture and compile configuration) and model.weights.h5 (weights and the optimizer's
 * variables in HDF5). Read are also the archive that earlier versions of Kiln wrote, with its
 * weights in model.weights.npz, and whole models of Keras 2 in HDF5.
 *
 * Reading finds the kind of a file by its content, never by its name. */
#ifndef FORMAT_ARCHIVE_H
#define FORMAT_ARCHIVE_H

#include "format/open_axis.h"
#include "model/model.h"

/* A named array of floats. */
typedef struct archive_array {
    char *name;       /* "optimizer/dense/kernel/momentum" */
    kiln_shape shape; /* without a batch axis; rank 0: one number */
    float *values;
    bool whole;      /* it holds one whole number, */
    int64_t integer; /* this one, which a float may not hold exactly */
} archive_array;

typedef struct archive_arrays {
    archive_array *items;
    size_t count, capacity;
} archive_arrays;

/* What the optimizer's arrays are called by archive_read: "optimizer/vars/0", "1", ... in the order
 * of Keras's optimizer variables. In the earlier archive they had names of their own,
 * "optimizer/dense/kernel/momentum". */
#define ARCHIVE_EXTRA "optimizer/"
#define ARCHIVE_VARIABLE ARCHIVE_EXTRA "vars/"
/* The last of the variables that a LossScaleOptimizer has before those of the optimizer in it. */
#define ARCHIVE_LOSS_SCALE "dynamic_scale"

/* Frees names, values and the list. */
void archive_arrays_free(archive_arrays *arrays);

/* The array of that name, or NULL. */
const archive_array *archive_find(const archive_arrays *arrays, const char *name);

/* Adds a copy of an array. */
kiln_status archive_add(archive_arrays *arrays, const char *name, kiln_shape shape,
                        const float *values);
kiln_status archive_add_whole(archive_arrays *arrays, const char *name, int64_t value);

/* Writes a model: its architecture, its weights (fetched from the device), its facts, the compile
 * configuration (the JSON text of Keras's compile_config; NULL: none) and the optimizer's variables
 * in Keras's order (NULL: none; their names are not kept). Through a temporary file: on failure,
 * what was at path before is untouched. */
kiln_status archive_write(kiln_model *model, const char *compile_config,
                          const archive_arrays *extra, const char *path);

/* What a training wants kept beside the model, to go on as if it had never stopped. */
typedef struct archive_training {
    char *json;          /* an object, for "training" in metadata.json's "kiln" */
    archive_arrays kept; /* weights of another time, in a member of their own */
} archive_training;
void archive_training_free(archive_training *training);

/* archive_write with that; the file is a saved model like any other. */
kiln_status archive_write_training(kiln_model *model, const char *compile_config,
                                   const archive_arrays *extra, const archive_training *training,
                                   const char *path);
/* What of it a file has; fails for one that has nothing. */
kiln_status archive_read_training(const char *path, archive_training *training);

/* Reads a saved model of any known format, or an architecture alone (then its weights are not set).
 * *model is the caller's (kiln_model_free), as is *compile_config (free; NULL when the file has
 * none), and *extra (archive_arrays_free). open, compile_config and extra may be NULL. The compile
 * configuration is also kept in the model's facts. On failure nothing is left to free. */
kiln_status archive_read(const char *path, open_axis *open, kiln_model **model,
                         char **compile_config, archive_arrays *extra);

#endif
