/* Texts numbered in the order of their first appearance. */
#ifndef BASE_INTERN_H
#define BASE_INTERN_H

#include "base/memory.h"

/* A text that lies elsewhere, without a zero at its end. */
typedef struct intern_text {
    const char *text;
    size_t length;
} intern_text;

/* Zero-initialize; free with intern_free. The texts must stay where they are. */
typedef struct intern {
    intern_text *items; /* by number */
    size_t count, capacity;
    uint32_t *slots; /* hash table: number + 1, 0: free */
    size_t slot_count;
} intern;

/* The number of a text, which is added if it is new. */
kiln_status intern_add(intern *table, const char *bytes, size_t length, uint32_t *number);

/* The number of a text that is there. */
bool intern_find(const intern *table, const char *bytes, size_t length, uint32_t *number);

void intern_free(intern *table);

#endif
