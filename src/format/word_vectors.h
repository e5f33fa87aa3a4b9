/* Beside kiln_load_word_vectors. */
#ifndef FORMAT_WORD_VECTORS_H
#define FORMAT_WORD_VECTORS_H

#include <kiln/status.h>
#include <stdint.h>

/* How many numbers each vector of a file has, by its first line. */
kiln_status word_vectors_width(const char *path, int64_t *width);

#endif
