/* What cluster.c and merge.c share: the edges between nodes, and the clusters' members. */
#ifndef GRAPH_CLUSTER_H
#define GRAPH_CLUSTER_H

#include "graph/inside.h"

typedef struct work {
    builder *b;
    struct {
        edge *items;
        size_t count, capacity;
    } edges;
    size_t *first_edge; /* by node: edges sorted by `from` */
    int *next_member;   /* by node: next node of its cluster; -1 */
    int *head, *tail;   /* by cluster */
    unsigned *stamp;    /* by cluster: visited in search number... */
    unsigned search;
    int *stack;
} work;

/* merge.c: merges clusters along edges. */
kiln_status cluster_merge(work *w);
/* Whether something outside both lies on a path from one cluster to another. */
bool cluster_indirect_path(work *w, int from, int to);
/* Makes one cluster of two, `to`. */
void cluster_absorb(work *w, int from, int to);

/* gates.c */
void gates_join(work *w);

#endif
