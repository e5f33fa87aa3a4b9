#include "op/op.h"
#include "rows.h"

/* Leaves: with a function of them, so that some are computed in place and some are stored. */
static ir_id after(trial *t, const op_row *r, ir_id leaf)
{
    if (!r->keep)
        return leaf;
    ir_graph *g = &t->graph;
    return op_binary(g, F_MUL, leaf, trial_float(t, r->b, -2, 2));
}

static ir_id constant(trial *t, const op_row *r)
{
    return after(t, r, op_constant(&t->graph, r->number[0]));
}

static ir_id iota(trial *t, const op_row *r)
{
    return after(t, r, op_iota(&t->graph, r->a.dims[0]));
}

static ir_id row_mask(trial *t, const op_row *r)
{
    t->step.rows = (uint32_t)r->number[0];
    return after(t, r, op_row_mask(&t->graph, r->a.dims[0]));
}

static ir_id row_count(trial *t, const op_row *r)
{
    t->step.rows = (uint32_t)r->number[0];
    return after(t, r, op_row_count(&t->graph));
}

static ir_id uniform(trial *t, const op_row *r)
{
    return after(t, r, op_uniform(&t->graph, r->a, (uint32_t)r->number[0]));
}

/* Dropout: one draw, used twice (forward and backward see the same mask). */
static ir_id dropout(trial *t, const op_row *r)
{
    ir_graph *g = &t->graph;
    ir_id x = trial_float(t, r->a, -2, 2),
          kept = op_binary(g, F_GREATER_EQUAL, op_uniform(g, r->a, 9), op_constant(g, 0.4));
    return op_binary(g, F_MUL, op_unary(g, F_SQUARE, x), op_affine(g, kept, 1 / 0.6, 0));
}

static ir_id source(trial *t, const op_row *r)
{
    return r->keep ? trial_weight(t, r->a, -2, 2) : trial_float(t, r->a, -2, 2);
}

/* A batch of a shuffled array; number: rows in the batch, scale. */
static ir_id batch(trial *t, const op_row *r)
{
    int64_t samples = 3 * r->a.dims[0];
    kiln_shape data = r->a;
    data.dims[0] = samples;
    int slot = trial_buffer(t, r->dtype, data, r->dtype ? 0 : -2, r->dtype ? 255 : 2),
        order = trial_buffer(t, KILN_INT32, (kiln_shape){1, {samples}}, 0, (double)samples - 1);
    t->step.rows = (uint32_t)r->number[0];
    t->step.position = 3;
    ir_id x = op_batch(&t->graph, slot, order, r->dtype, r->a, r->number[1]);
    return r->keep ? op_matmul(&t->graph, x, trial_weight(t, r->b, -1, 1), false, false)
                   : after(t, r, x);
}

/* Windows of one array of rows of numbers: shape b of one sample without its first axis; which:
 * rows from sample to sample, axis: rows from entry to entry. */
static ir_id windows(trial *t, const op_row *r)
{
    int64_t samples = 11, entry = r->a.rank > 2 ? r->a.dims[2] : 1,
            rows = (samples - 1) * r->which + (r->a.dims[1] - 1) * r->axis + 1;
    int slot = trial_buffer(t, r->dtype, (kiln_shape){2, {rows, entry}}, r->dtype ? 0 : -2,
                            r->dtype ? 255 : 2),
        order = trial_buffer(t, KILN_INT32, (kiln_shape){1, {20}}, 0, (double)samples - 1);
    t->step.rows = (uint32_t)r->number[0];
    t->step.position = 3;
    return after(t, r,
                 op_batch_windows(&t->graph, slot, order, r->dtype, r->a, r->which * entry,
                                  r->axis * entry, r->number[1]));
}

#define L(function, ...)                                                                           \
    {                                                                                              \
        .name = #function, .build = function, .a = __VA_ARGS__                                     \
    }

const op_row rows_leaves[] = {
    L(constant, SCALAR, .number = {2.5}, .flat = true),
    L(constant, SCALAR, .b = S(3, 33), .number = {-1e-3}, .keep = true),
    L(iota, S(65), .flat = true),
    L(iota, S(33), .b = S(5, 33), .keep = true),
    L(iota, S(5), .b = S(5, 33), .flat = true),
    L(uniform, S(5, 33), .number = {3}, .tolerance = 1e-30, .flat = true),
    L(uniform, S(9, 4, 16), .number = {4}, .tolerance = 1e-30, .flat = true),
    L(uniform, S(65), .number = {5}, .tolerance = 1e-30, .flat = true),
    L(uniform, S(31, 1), .b = S(31, 33), .number = {6}, .keep = true),
    L(uniform, S(33), .b = S(5, 33), .number = {7}, .keep = true),
    L(uniform, S(1, 33), .b = S(5, 33), .number = {8}, .keep = true),
    L(dropout, S(7, 65)),
    L(dropout, S(3, 5, 16)),
    L(source, S(3, 33)),
    L(source, S(3, 33), .keep = true),
    /* rows of the batch: the number is the plan's, so a plan has rows of one number */
    L(row_mask, S(9), .number = {7}, .flat = true),
    L(row_mask, S(9), .b = S(33, 9), .number = {7}, .keep = true),
    L(row_count, SCALAR, .number = {7}, .flat = true),
    L(row_count, SCALAR, .b = S(3, 33), .number = {7}, .keep = true),
    L(batch, S(9, 33), .number = {7, 1}, .flat = true),
    L(batch, S(9, 5, 16), .number = {7, 1 / 255.0}, .dtype = KILN_UINT8, .flat = true),
    L(batch, S(9), .number = {7, 1}, .dtype = KILN_INT32, .flat = true),
    L(batch, S(9, 33), .b = S(33, 17), .number = {7, 1 / 255.0}, .dtype = KILN_UINT8, .keep = true),
    L(batch, S(9, 1), .number = {7, 0.5}, .flat = true),
    L(windows, S(9, 33), .which = 1, .axis = 1, .number = {7, 1}, .dtype = KILN_INT32,
      .flat = true),
    L(windows, S(9, 64), .which = 3, .axis = 1, .number = {7, 0.5}, .flat = true),
    L(windows, S(9, 12, 5), .which = 2, .axis = 3, .number = {7, 1}, .flat = true),
    L(windows, S(9, 6, 32), .b = S(9, 6, 32), .which = 1, .axis = 2, .number = {7, 1},
      .keep = true),
};
ROWS(rows_leaves);
