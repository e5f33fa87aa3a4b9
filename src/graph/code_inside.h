/* The inside of a body of statements, shared by code.c and code_*.c. */
#ifndef GRAPH_CODE_INSIDE_H
#define GRAPH_CODE_INSIDE_H

#include "graph/inside.h"

#define SHORT 24 /* room for a variable's name */

/* A node that has a variable already. */
typedef struct memo {
    ir_id node;
    int domain, lanes;
    char name[SHORT];
} memo;

struct code {
    builder *b;
    launch *l;
    int cluster, lanes;
    text out;
    int next; /* number of the next variable */
    bool scalar_only;
    bool wide_index;
    int gate[GATES_MOST]; /* with gates: their domains */
    struct {
        domain *items;
        size_t count, capacity;
    } domains;
    struct {
        memo *items;
        size_t count, capacity;
    } memos;
};

/* Below, d is the number of a domain in c->domains, and out has SHORT characters for the name of
 * the variable that gets the result. */

/* code.c */
kiln_status code_value_at(code *c, ir_id id, int d, int lanes, char *out);
/* The argument's number. */
kiln_status code_buffer(code *c, const argument *a, int *k);
kiln_status code_state(code *c, int *k);
/* Writes the expression of the `lanes` values of argument k from index `at` of its buffer on. */
void code_element(code *c, const argument *a, int k, const char *at, int lanes);
/* Reads `lanes` values from an index on. */
kiln_status code_load(code *c, const argument *a, const char *index, int lanes, char *out);
/* Sixteen lanes cannot be had: the caller of code_value starts again with one. */
kiln_status code_give_up(code *c, char *out);
const char *code_value_type(int lanes);
const char *code_index_type(const code *c);
const char *code_storage_type(kiln_dtype dtype);

/* code_leaf.c, code_indexed.c and what it leaves to code_window.c and code_picture.c */
kiln_status code_leaf(code *c, const ir_node *n, int d, int lanes, char *out);
kiln_status code_indexed(code *c, ir_id id, int d, int lanes, char *out);
kiln_status code_window(code *c, ir_id id, int d, int lanes, char *out);
kiln_status code_conv_window(code *c, const ir_node *n, int d, int lanes, char *out);
kiln_status code_picture(code *c, ir_id id, int d, int lanes, char *out);
/* A place of the result as coordinates. Emits, for each axis a below `axes`, "const int <out>c<a>",
 * and gives the text of the position within the axes behind them, `inner` elements. *done is false
 * when sixteen lanes do not stay within these. */
kiln_status code_coordinates(code *c, int d, kiln_shape shape, int axes, int lanes, const char *out,
                             char inner[SHORT], bool *done);
/* Emits the value of argument k at o<k> + index, 0 where `inside` (may be NULL) is false. */
void code_read(code *c, const argument *a, int k, const char *inside, const char *index, int lanes,
               const char *name);

/* code_index.c */
/* The number of a domain, which is added when it is new. -1: out of memory. */
int code_find_domain(code *c, const domain *d);
/* The first axis that `inner` covers, or 0 with everything inner when the split is not on an axis.
 */
int code_inner_axis(const domain *d, kiln_shape shape, const char **outer, const char **inner);
/* Emits the position that strides (by axis of the node's shape) give at a domain. *lanes becomes 1
 * when all sixteen lanes share one position. split: whether the domain's inner part falls on axes
 * of the shape. */
kiln_status code_strided(code *c, int d, kiln_shape shape, const int64_t *strides, int64_t offset,
                         int *lanes, char *out);
/* The domain of an input of shape `to`, broadcast to a node of shape `from` at domain d. */
kiln_status code_input_domain(code *c, int d, kiln_shape from, kiln_shape to, int *result,
                              int *lanes);
/* Row (first axis) and position within the row of a domain. *lanes_ok: sixteen lanes stay in one
 * row. */
void code_row_and_column(code *c, int d, int64_t width, const char **row, const char **column,
                         bool *lanes_ok, char *space);

/* What sixteen lanes add to an index. */
#define LANES "(uint16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)"

#endif
