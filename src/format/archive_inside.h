/* Parts of a .keras archive. */
#ifndef FORMAT_ARCHIVE_INSIDE_H
#define FORMAT_ARCHIVE_INSIDE_H

#include "format/archive.h"

/* The member with the arrays that a training keeps. */
#define ARCHIVE_KEPT "kiln.kept.npz"

/* Is it a zip archive with a saved model (a config.json) in it, and no .npz? */
bool archive_looks_like(const void *bytes, size_t size);

/* Reads the weights of an archive into a model of the same architecture, and the optimizer's
 * variables. */
kiln_status archive_read_weights(const char *path, const void *bytes, size_t size,
                                 kiln_model *model, archive_arrays *variables);

#endif
