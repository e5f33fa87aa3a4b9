/* Named tensors of a file, and a model's weights as such. */
#ifndef FORMAT_TENSORS_H
#define FORMAT_TENSORS_H

#include "data/array.h"
#include "format/archive.h"
#include "format/hdf5_file.h"

/* The array's elements as floats, in *values (the caller's). */
kiln_status tensor_floats(const data_array *array, float **values);

/* Gives a weight of the layer the array's values; fails where the shapes differ, naming the layer
 * and both shapes. */
kiln_status tensor_to_weight(const data_array *array, kiln_layer *layer, layer_weight *weight);

/* Adds the weight's values, fetched from the device, under a name. */
kiln_status tensor_of_weight(layer_weight *weight, const char *name, data_array_list *list);

/* Room for one array more, of zeros; NULL on failure. */
data_array *tensor_add(data_array_list *list, const char *name, kiln_dtype dtype, int rank,
                       const int64_t *dims);

/* A model's weights under Keras's names, "dense/kernel", and back: every weight must be there, and
 * nothing else; what begins with ARCHIVE_EXTRA goes to extra where that is not NULL. */
kiln_status tensors_of_model(kiln_model *model, data_array_list *list);
kiln_status tensors_to_model(const data_array_list *list, kiln_model *model, archive_arrays *extra);

/* A model's weights, and the optimizer's variables, as Keras 3 lays them out in HDF5; name is the
 * optimizer's. extra may be NULL. */
kiln_status hdf5_of_model(kiln_model *model, const char *name, const archive_arrays *extra,
                          hdf5_contents *contents);
kiln_status hdf5_to_model(const hdf5_contents *contents, kiln_model *model, archive_arrays *extra);

/* The same in the layout of Keras 2, by the layers' names (hdf5_model.c). */
bool hdf5_is_legacy(const hdf5_contents *contents);
kiln_status hdf5_legacy_to_model(const hdf5_contents *contents, kiln_model *model);

#endif
