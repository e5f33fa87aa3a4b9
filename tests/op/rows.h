/* Tests of operations as data: a row names an operation, shapes and ranges; what to do with a row
 * is the same for all. */
#ifndef TESTS_OP_ROWS_H
#define TESTS_OP_ROWS_H

#include "harness/trial.h"

typedef struct op_row op_row;
struct op_row {
    const char *name;
    /* Adds the sources and the operation; IR_NONE fails the test. */
    ir_id (*build)(trial *t, const op_row *row);
    int which; /* op_function, op_reduction, or the builder's own */
    kiln_shape a;
    double low, high; /* of the first operand's values */
    kiln_shape b, c;
    double low2, high2; /* of the others' (0, 0: as the first's) */
    double number[2];
    int axis, last; /* or the builder's own */
    bool keep;
    kiln_dtype dtype; /* of the first operand */
    double tolerance; /* of the value; 0: the usual */
    bool flat;        /* no gradient to check */
};

typedef struct op_table {
    const char *name;
    const op_row *rows;
    const int *count;
    int group; /* rows in one plan */
} op_table;

/* All tables; ends with a NULL name. */
extern const op_table op_tables[];
extern const op_row rows_unary[], rows_binary[], rows_views[], rows_reductions[], rows_products[],
    rows_leaves[], rows_windows[], rows_conv[], rows_filtered[], rows_batch[];
extern const int rows_unary_count, rows_binary_count, rows_views_count, rows_reductions_count,
    rows_products_count, rows_leaves_count, rows_windows_count, rows_conv_count,
    rows_filtered_count, rows_batch_count;

#define S(...)                                                                                     \
    {                                                                                              \
        (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                                 \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define SCALAR                                                                                     \
    {                                                                                              \
        0                                                                                          \
    }
#define ROWS(table) const int table##_count = (int)(sizeof table / sizeof *table)

#endif
