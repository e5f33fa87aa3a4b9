/* Host memory: checked allocation, growing arrays, strings. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include "base/status.h"

#include <stdint.h>
#include <stdlib.h>

/* Zeroed memory for count items; NULL (with a failure on record) when there is none. Free with free(). */
void *mem_new(size_t count, size_t size);

/* Grows *items (an array of size-byte elements) so that it has room for need of them; *capacity is
 * updated. New room is not cleared. */
kiln_status mem_grow(void *items, size_t *capacity, size_t need, size_t size);

/* Room for one more element at the end of an array with fields items, count, capacity. */
#define MEM_PUSH_ROOM(list) mem_grow(&(list)->items, &(list)->capacity, (list)->count + 1, sizeof *(list)->items)

/* Copies; NULL with a failure on record when there is no memory. Free with free(). */
char *str_copy(const char *text);
char *str_format(const char *format, ...) KILN_PRINTF(1, 2);

/* A text that grows. Zero-initialize; free text with text_free. After a failed append `failed` is set
 * and everything after is ignored, so that a caller checks once. */
typedef struct text {
    char *data;
    size_t length, capacity;
    bool failed;
} text;

void text_add(text *t, const char *format, ...) KILN_PRINTF(2, 3);
void text_bytes(text *t, const char *bytes, size_t count);
/* The first `most` characters of UTF-8 as text of an XML document. */
void text_add_xml(text *t, const char *s, size_t most);
void text_free(text *t);

#endif
