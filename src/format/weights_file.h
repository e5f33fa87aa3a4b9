/* Weights in files of their own. */
#ifndef FORMAT_WEIGHTS_FILE_H
#define FORMAT_WEIGHTS_FILE_H

#include "data/array.h"
#include "format/archive.h"

/* What a file is to be, by the end of its name. */
typedef enum file_kind {
    FILE_KIND_NONE,        /* an end that says nothing */
    FILE_KIND_KERAS,       /* .keras */
    FILE_KIND_JSON,        /* .json: the architecture alone */
    FILE_KIND_WEIGHTS_H5,  /* .weights.h5: Keras 3's weights, with the optimizer's variables */
    FILE_KIND_H5,          /* .h5 else: Keras 2's, which is only read */
    FILE_KIND_SAFETENSORS, /* .safetensors: weights by name */
    FILE_KIND_NPZ          /* .npz: weights by name */
} file_kind;
file_kind file_kind_of(const char *path);

/* Fails unless the end of the name says that the file holds weights. */
kiln_status weights_check_path(const char *path);

/* Writes a model's weights in the format that the end of the name says; fails for one that holds no
 * weights. optimizer is the optimizer's name and variables (Keras's order) for .weights.h5; both
 * may be NULL. */
kiln_status weights_write(kiln_model *model, const char *optimizer, const archive_arrays *variables,
                          const char *path);

/* Reads weights into a model from any of these formats, a .keras archive or a whole model of Keras
 * 2, found by content. All of them must be there, with their shapes, and no others. *variables gets
 * the optimizer's; on failure nothing is left to free, and the model may have some of the weights.
 */
kiln_status weights_read(kiln_model *model, const char *path, archive_arrays *variables);

/* Named arrays without a model, for formats that have names (.npz, safetensors). */
kiln_status tensors_read(const char *path, data_array_list *list);
kiln_status tensors_write(const data_array_list *list, const char *path);

#endif
