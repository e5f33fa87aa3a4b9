#include "op/op.h"
#include "rows.h"

/* The first operand: of the row's type. */
static ir_id operand(trial *t, const op_row *r)
{
    if (r->dtype == KILN_FLOAT32)
        return trial_float(t, r->a, r->low == r->high ? -2 : r->low,
                           r->low == r->high ? 2 : r->high);
    return trial_whole(t, r->dtype, r->a, r->dtype == KILN_UINT8 ? 0 : -50,
                       r->dtype == KILN_UINT8 ? 255 : 50);
}

/* A value that is computed, not read from a source. */
static ir_id computed(trial *t, const op_row *r)
{
    return op_unary(&t->graph, F_SQUARE, operand(t, r));
}

static ir_id reshape(trial *t, const op_row *r)
{
    ir_id x = operand(t, r);
    return op_unary(&t->graph, F_SQUARE, op_reshape(&t->graph, x, r->b));
}

/* A view of a computed value, with one consumer of either shape. */
static ir_id reshape_between(trial *t, const op_row *r)
{
    ir_graph *g = &t->graph;
    ir_id x = computed(t, r), y = op_reshape(g, x, r->b);
    ir_id z = op_reshape(g, op_binary(g, F_MUL, y, trial_float(t, r->c, -1, 1)), r->a);
    return op_binary(g, F_SUB, z, x);
}

static ir_id transpose(trial *t, const op_row *r)
{
    int order[KILN_MAX_RANK];
    for (int i = 0; i < r->b.rank; i++)
        order[i] = (int)r->b.dims[i];
    return op_transpose(&t->graph, operand(t, r), order);
}

static ir_id transpose_computed(trial *t, const op_row *r)
{
    int order[KILN_MAX_RANK];
    for (int i = 0; i < r->b.rank; i++)
        order[i] = (int)r->b.dims[i];
    return op_unary(&t->graph, F_SQUARE, op_transpose(&t->graph, computed(t, r), order));
}

/* number: first element and step; last: count. */
static ir_id slice(trial *t, const op_row *r)
{
    return op_slice(&t->graph, operand(t, r), r->axis, (int64_t)r->number[0], r->last,
                    (int64_t)r->number[1]);
}

static ir_id slice_computed(trial *t, const op_row *r)
{
    return op_unary(&t->graph, F_SQUARE,
                    op_slice(&t->graph, computed(t, r), r->axis, (int64_t)r->number[0], r->last,
                             (int64_t)r->number[1]));
}

static ir_id pad(trial *t, const op_row *r)
{
    return op_pad(&t->graph, operand(t, r), r->axis, (int64_t)r->number[0], (int64_t)r->number[1]);
}

static ir_id concatenate(trial *t, const op_row *r)
{
    ir_id x[3] = {computed(t, r), trial_float(t, r->b, -2, 2), trial_float(t, r->c, -2, 2)};
    return op_unary(&t->graph, F_TANH, op_concatenate(&t->graph, 3, x, r->axis));
}

/* b: shape of the indices; some are out of range. */
static ir_id gather(trial *t, const op_row *r)
{
    ir_id ids = trial_whole(t, r->dtype == KILN_UINT8 ? KILN_UINT8 : KILN_INT32, r->b,
                            r->dtype == KILN_UINT8 ? 0 : -1, (int)r->a.dims[0]);
    return op_gather(&t->graph,
                     r->keep ? trial_weight(t, r->a, -2, 2) : trial_float(t, r->a, -2, 2), ids);
}

/* From a table of whole numbers, at computed indices. */
static ir_id gather_whole(trial *t, const op_row *r)
{
    ir_id ids = trial_whole(t, KILN_INT32, r->b, 0, (int)r->a.dims[0] - 1);
    ir_id backwards = op_affine(&t->graph, ids, -1, (double)r->a.dims[0] - 1);
    return op_gather(&t->graph, operand(t, r), backwards);
}

static kiln_shape rows_of(kiln_shape shape)
{
    shape.rank--;
    return shape;
}

static ir_id pick(trial *t, const op_row *r)
{
    int classes = (int)r->a.dims[r->a.rank - 1];
    return op_pick(&t->graph, r->keep ? computed(t, r) : operand(t, r),
                   trial_whole(t, KILN_INT32, rows_of(r->a), -1, classes));
}

static ir_id one_hot(trial *t, const op_row *r)
{
    ir_id hot = op_one_hot(&t->graph,
                           trial_whole(t, r->dtype, r->a, r->dtype == KILN_UINT8 ? 0 : -1, r->last),
                           r->last);
    return r->keep ? op_unary(&t->graph, F_EXP, hot) : hot;
}

#define R(function, ...)                                                                           \
    {                                                                                              \
        .name = #function, .build = function, .a = __VA_ARGS__                                     \
    }

const op_row rows_views[] = {
    R(reshape, S(4, 33), .b = S(3, 44)),
    R(reshape, S(2, 3, 32), .b = S(96, -1)),
    R(reshape, S(1), .b = SCALAR),
    R(reshape, S(6, 11), .b = S(66), .dtype = KILN_UINT8, .flat = true),
    R(reshape_between, S(4, 33), .b = S(12, 11), .c = S(12, 11)),
    R(reshape_between, S(4, 33), .b = S(2, 2, 33), .c = S(2, 1, 33)),
    R(reshape_between, S(4, 32), .b = S(4, 2, 16), .c = S(2, 1)),
    R(reshape_between, S(6, 32), .b = S(3, 64), .c = S(64)),
    R(transpose, S(31, 33), .b = S(1, 0)),
    R(transpose, S(2, 3, 33), .b = S(1, 0, 2)),
    R(transpose, S(2, 5, 33), .b = S(2, 0, 1)),
    R(transpose, S(2, 3, 4, 5), .b = S(0, 2, 1, 3)),
    R(transpose, S(2, 3, 4, 32), .b = S(0, 2, 1, 3)),
    R(transpose, S(2, 3, 16, 17), .b = S(3, 1, 2, 0)),
    R(transpose, S(1, 33), .b = S(1, 0)),
    R(transpose, S(33, 3), .b = S(1, 0), .dtype = KILN_INT32, .flat = true),
    R(transpose, S(3, 5, 33), .b = S(1, 0, 2), .dtype = KILN_UINT8, .flat = true),
    R(transpose_computed, S(17, 33), .b = S(1, 0)),
    R(transpose_computed, S(3, 5, 32), .b = S(1, 0, 2)),
    R(slice, S(5, 33), .axis = 0, .number = {1, 1}, .last = 3),
    R(slice, S(5, 65), .axis = 1, .number = {7, 1}, .last = 33),
    R(slice, S(5, 65), .axis = -1, .number = {2, 3}, .last = 20),
    R(slice, S(7, 2, 33), .axis = 0, .number = {0, 2}, .last = 4),
    R(slice, S(3, 9, 33), .axis = 1, .number = {3, 2}, .last = 3),
    R(slice, S(65), .axis = 0, .number = {64, 1}, .last = 1),
    R(slice, S(5, 33), .axis = 1, .number = {32, -1}, .last = 33, .flat = true),
    R(slice, S(9, 33), .axis = 0, .number = {8, -2}, .last = 4, .flat = true),
    R(slice, S(5, 33), .axis = 0, .number = {1, 1}, .last = 3, .dtype = KILN_UINT8, .flat = true),
    R(slice, S(5, 33), .axis = 1, .number = {1, 1}, .last = 31, .dtype = KILN_INT32, .flat = true),
    R(slice_computed, S(5, 65), .axis = 1, .number = {7, 1}, .last = 33),
    R(slice_computed, S(7, 2, 33), .axis = 0, .number = {1, 2}, .last = 3),
    R(pad, S(3, 33), .axis = 0, .number = {1, 2}),
    R(pad, S(3, 33), .axis = 1, .number = {5, 0}),
    R(pad, S(3, 33), .axis = -1, .number = {0, 31}),
    R(pad, S(2, 3, 16), .axis = 1, .number = {2, 1}),
    R(pad, S(1), .axis = 0, .number = {30, 2}),
    R(pad, S(3, 33), .axis = 0, .number = {1, 2}, .dtype = KILN_UINT8, .flat = true),
    R(pad, S(3, 33), .axis = 1, .number = {1, 2}, .dtype = KILN_INT32, .flat = true),
    R(concatenate, S(3, 33), .b = S(1, 33), .c = S(5, 33), .axis = 0),
    R(concatenate, S(3, 33), .b = S(3, 1), .c = S(3, 31), .axis = 1),
    R(concatenate, S(2, 3, 16), .b = S(2, 2, 16), .c = S(2, 1, 16), .axis = -2),
    R(gather, S(7, 33), .b = S(5)),
    R(gather, S(7, 1), .b = S(33)),
    R(gather, S(31), .b = S(5, 7)),
    R(gather, S(7, 2, 17), .b = S(3, 2), .keep = true),
    R(gather, S(33, 65), .b = S(2, 31), .keep = true),
    R(gather, S(900, 20), .b = S(40, 7), .keep = true),
    R(gather, S(1, 33), .b = S(3)),
    R(gather, S(65, 32), .b = S(4, 3), .dtype = KILN_UINT8),
    R(gather_whole, S(7, 33), .b = S(5), .dtype = KILN_UINT8, .flat = true),
    R(gather_whole, S(7, 33), .b = S(5), .dtype = KILN_INT32, .flat = true),
    R(gather_whole, S(7, 33), .b = S(5)),
    R(pick, S(33, 10)),
    R(pick, S(10)),
    R(pick, S(5, 7, 33)),
    R(pick, S(31, 1)),
    R(pick, S(33, 10), .keep = true),
    R(pick, S(17, 33), .dtype = KILN_UINT8, .flat = true),
    R(one_hot, S(33), .last = 10, .dtype = KILN_INT32, .flat = true),
    R(one_hot, S(3, 5), .last = 33, .dtype = KILN_UINT8, .keep = true, .flat = true),
    R(one_hot, S(31), .last = 1, .dtype = KILN_INT32, .keep = true, .flat = true),
    R(one_hot, SCALAR, .last = 65, .dtype = KILN_INT32, .flat = true),
};
ROWS(rows_views);
