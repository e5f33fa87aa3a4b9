#include "op/normalize.h"
#include "rows.h"

/* A batch whose last rows do not count, normalized by its own statistics; axis: of the channels;
 * keep: with gamma and beta. number[0]: rows; number[1]: added to x. */
static ir_id normalize(trial *t, const op_row *r)
{
    ir_graph *g = &t->graph;
    kiln_shape column = {.rank = r->a.rank - r->axis}, rows = {.rank = r->a.rank};
    for (int i = 0; i < column.rank; i++)
        column.dims[i] = i == 0 ? r->a.dims[r->axis] : 1;
    for (int i = 0; i < rows.rank; i++)
        rows.dims[i] = i == 0 ? r->a.dims[0] : 1;
    t->step.rows = (uint32_t)r->number[0];
    double each = (double)kiln_shape_size(r->a) / (double)(r->a.dims[0] * r->a.dims[r->axis]);
    op_moments m = {.weight = op_reshape(g, op_row_mask(g, r->a.dims[0]), rows),
                    .count = op_affine(g, op_row_count(g), each, 0)};
    ir_id x = op_affine(g, op_unary(g, F_SIN, trial_float(t, r->a, -2, 2)), 1, r->number[1]);
    ir_id near = trial_float(t, column, r->number[1] - 0.5, r->number[1] + 0.5);
    trial_source_of(t, near)->fixed = true;
    if (op_batch_moments(g, x, column, near, &m) != KILN_OK)
        return IR_NONE;
    return op_unary(g, F_TANH,
                    op_batch_normalize(g, x, &m, 0.01,
                                       r->keep ? trial_float(t, column, 0.5, 2) : IR_NONE,
                                       r->keep ? trial_float(t, column, -1, 1) : IR_NONE));
}

/* Several sums of what is made of the same values, and something of all of them. */
static ir_id sums(trial *t, const op_row *r)
{
    ir_graph *g = &t->graph;
    ir_id x = op_unary(g, F_SIN, trial_float(t, r->a, -2, 2)), total = IR_NONE;
    ir_id parts[5] = {x, op_unary(g, F_SQUARE, x), op_unary(g, F_EXP, x), op_unary(g, F_TANH, x),
                      op_binary(g, F_MUL, x, trial_float(t, r->a, -1, 1))};
    for (int i = 0; i < 5; i++) {
        ir_id sum = op_reduce(g, R_SUM, parts[i], r->axis, r->last, r->keep);
        total = i == 0 ? sum
                       : op_binary(g, F_MUL, op_affine(g, total, 0.1, 0), op_unary(g, F_SIN, sum));
    }
    return total;
}

#define B(function, ...)                                                                           \
    {                                                                                              \
        .name = #function, .build = function, .a = __VA_ARGS__                                     \
    }

const op_row rows_batch[] = {
    B(normalize, S(5, 4, 3, 16), .axis = 3, .number = {4, 0}, .keep = true),
    B(normalize, S(5, 7, 3), .axis = 2, .number = {4, 3}, .keep = true),
    B(normalize, S(5, 33), .axis = 1, .number = {4, 0}),
    B(normalize, S(5, 3, 4, 5), .axis = 1, .number = {4, 0}, .keep = true),
    B(normalize, S(5, 33, 33, 2), .axis = 3, .number = {4, 0}, .keep = true),
    B(sums, S(7, 33), .axis = 0, .last = 0),
    B(sums, S(7, 33), .axis = 1, .last = 1, .keep = true),
    B(sums, S(3, 5, 65), .axis = 1, .last = 1),
    B(sums, S(2100, 17), .axis = 0, .last = 0, .tolerance = 1e-4),
};
ROWS(rows_batch);
