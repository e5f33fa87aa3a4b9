/* safetensors: named tensors behind a JSON header.
 *
 * Eight bytes with the header's length, the header (an object: name to dtype, shape and the place
 * of the data), and the data, which lie one behind the other without gaps. All of it is checked
 * before any of it is used: lengths, shapes against sizes, and that the data cover the file exactly
 * once.
 *
 * Read: BOOL, U8, I8, I16, U16, I32, U32, I64, F16, BF16, F32 and F64. Written: F32. */
#ifndef FORMAT_SAFETENSORS_H
#define FORMAT_SAFETENSORS_H

#include "data/array.h"

bool safetensors_looks_like(const unsigned char *bytes, size_t size);

/* origin is for messages. On failure nothing is left to free. */
kiln_status safetensors_decode(const char *origin, const void *bytes, size_t size,
                               data_array_list *list);

/* The file of these float32 arrays, sorted by name as other writers do. Free *bytes with free(). */
kiln_status safetensors_encode(const data_array_list *list, void **bytes, size_t *size);

#endif
