/* What lower.c and lower_*.c share. */
#ifndef GRAPH_LOWER_INSIDE_H
#define GRAPH_LOWER_INSIDE_H

#include "graph/inside.h"

/* Each appends the launch of a cluster of its kind. */
kiln_status lower_pointwise(builder *b, int number);
kiln_status lower_reduce(builder *b, int number);
kiln_status lower_product(builder *b, int number);

/* lower_gather.c: rows of a table that a work-item owns when the cluster has the gradient of a
 * gather in it, or 0 when it has not, or not one that lists are made for. The lists are made for
 * rows r0 up to r1. */
int64_t lower_gather_rows(const builder *b, int number, int64_t width);
kiln_status lower_gather_lists(builder *b, launch *l, int number, int64_t rows, text *body);

/* A new launch with the cluster's name, layer and chain. */
launch *lower_launch(builder *b, int number);
/* The chain a cluster is in, or NULL. */
const chain *lower_chain(const builder *b, int number);

/* Emits a body of statements at a domain, with sixteen lanes or one. *done is false when sixteen
 * lanes cannot be had. */
typedef kiln_status (*lower_emitter)(code *c, void *user, bool *scalar_only);
kiln_status lower_emit(builder *b, launch *l, int number, int lanes, const domain *d,
                       lower_emitter f, void *user, text *out, bool *done);

/* An emitter: gives the anchor's value a name and stores what is made of it. user: a lower_result.
 */
typedef struct lower_result {
    ir_id anchor;
    const char *name;
    const ir_id *also; /* further anchors, called name1, name2, ... */
    int also_count;
} lower_result;
kiln_status lower_emit_result(code *c, void *user, bool *scalar_only);

#endif
