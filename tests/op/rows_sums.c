#include "op/op.h"
#include "rows.h"

/* ---- reductions ---- */
static ir_id operand(trial *t, const op_row *r)
{
    if (r->dtype == KILN_FLOAT32)
        return trial_float(t, r->a, r->low == r->high ? -2 : r->low,
                           r->low == r->high ? 2 : r->high);
    return trial_whole(t, r->dtype, r->a, 0, 100);
}

static ir_id reduce(trial *t, const op_row *r)
{
    return op_reduce(&t->graph, (op_reduction)r->which, operand(t, r), r->axis, r->last, r->keep);
}

/* Something before the reduction, and something behind it. */
static ir_id fused(trial *t, const op_row *r)
{
    ir_graph *g = &t->graph;
    ir_id x = operand(t, r), y = trial_float(t, r->b, -2, 2);
    ir_id sum = op_reduce(g, (op_reduction)r->which, op_binary(g, F_MUL, op_unary(g, F_SIN, x), y),
                          r->axis, r->last, r->keep);
    return op_unary(g, F_TANH, op_binary(g, F_MUL, sum, op_constant(g, 0.3)));
}

/* The value before the reduction is wanted behind it too. */
static ir_id centered(trial *t, const op_row *r)
{
    ir_graph *g = &t->graph;
    ir_id x = op_unary(g, F_SIN, operand(t, r));
    return op_binary(g, F_SUB, x, op_reduce(g, (op_reduction)r->which, x, r->axis, r->last, true));
}

static ir_id mean(trial *t, const op_row *r)
{
    return op_mean(&t->graph, operand(t, r), r->axis, r->last, r->keep);
}

static ir_id softmax(trial *t, const op_row *r)
{
    return op_softmax(&t->graph, operand(t, r));
}

static ir_id log_softmax(trial *t, const op_row *r)
{
    return op_log_softmax(&t->graph, operand(t, r));
}

/* An argument's index has no gradient: it multiplies a value that has one. */
static ir_id argmax(trial *t, const op_row *r)
{
    ir_id x = operand(t, r);
    trial_source_of(t, x)->fixed = true;
    return op_reduce(&t->graph, R_ARGMAX, x, r->axis, r->last, r->keep);
}

#define R(reduction, ...)                                                                          \
    {                                                                                              \
        .name = #reduction, .build = reduce, .which = reduction, .a = __VA_ARGS__                  \
    }
#define F(reduction, ...)                                                                          \
    {                                                                                              \
        .name = #reduction " fused", .build = fused, .which = reduction, .a = __VA_ARGS__          \
    }
#define C(reduction, ...)                                                                          \
    {                                                                                              \
        .name = #reduction " centered", .build = centered, .which = reduction, .a = __VA_ARGS__    \
    }
#define O(function, ...)                                                                           \
    {                                                                                              \
        .name = #function, .build = function, .a = __VA_ARGS__                                     \
    }

const op_row rows_reductions[] = {
    R(R_SUM, S(33, 65), .axis = -1, .last = -1),
    R(R_SUM, S(33, 65), .axis = 0, .last = 0),
    R(R_SUM, S(33, 65), .axis = 0, .last = 1),
    R(R_SUM, S(3, 31, 17), .axis = 1, .last = 1, .keep = true),
    R(R_SUM, S(3, 5, 17), .axis = 1, .last = 2),
    R(R_SUM, S(3, 5, 17), .axis = 0, .last = 1),
    R(R_SUM, S(1), .axis = 0, .last = 0),
    R(R_SUM, S(31, 1), .axis = 0, .last = 0),
    R(R_SUM, S(1, 31), .axis = 0, .last = 0),
    R(R_SUM, S(700, 3), .axis = 0, .last = 0, .tolerance = 1e-4),
    R(R_SUM, S(3, 2049), .axis = 1, .last = 1, .tolerance = 1e-4),
    R(R_SUM, S(33, 65), .axis = 0, .last = 0, .dtype = KILN_UINT8, .flat = true),
    R(R_SUM, S(33, 65), .axis = 1, .last = 1, .dtype = KILN_INT32, .flat = true),
    R(R_MAX, S(33, 65), .axis = -1, .last = -1),
    R(R_MAX, S(33, 65), .axis = 0, .last = 0),
    R(R_MAX, S(3, 31, 17), .axis = 1, .last = 1, .keep = true),
    R(R_MAX, S(65), .axis = 0, .last = 0),
    R(R_MAX, S(9, 33), .axis = 1, .last = 1, .dtype = KILN_UINT8, .flat = true),
    R(R_MIN, S(33, 65), .axis = -1, .last = -1),
    R(R_MIN, S(33, 17), .axis = 0, .last = 0),
    R(R_MIN, S(3, 5, 7, 3), .axis = 1, .last = 2, .keep = true),
    R(R_LOGSUMEXP, S(33, 10), .axis = -1, .last = -1),
    R(R_LOGSUMEXP, S(33, 65), .axis = -1, .last = -1, .low = -90, .high = 90),
    R(R_LOGSUMEXP, S(33, 65), .axis = 0, .last = 0),
    R(R_LOGSUMEXP, S(3, 5, 31), .axis = 0, .last = 1),
    O(argmax, S(33, 10), .axis = -1, .last = -1),
    O(argmax, S(33, 65), .axis = 0, .last = 0),
    O(argmax, S(3, 31, 5), .axis = 1, .last = 1, .keep = true),
    O(argmax, S(31, 1), .axis = 1, .last = 1),
    O(argmax, S(17, 33), .axis = 1, .last = 1, .dtype = KILN_UINT8),
    F(R_SUM, S(33, 65), .b = S(65), .axis = -1, .last = -1),
    F(R_SUM, S(33, 65), .b = S(33, 1), .axis = 0, .last = 0),
    F(R_SUM, S(3, 31, 17), .b = S(31, 17), .axis = 1, .last = 1),
    F(R_MAX, S(33, 65), .b = S(33, 65), .axis = -1, .last = -1),
    F(R_LOGSUMEXP, S(17, 33), .b = S(33), .axis = -1, .last = -1, .keep = true),
    C(R_SUM, S(9, 33), .axis = -1, .last = -1),
    C(R_MAX, S(9, 33), .axis = 0, .last = 0),
    C(R_LOGSUMEXP, S(9, 33), .axis = -1, .last = -1),
    C(R_SUM, S(31, 1), .axis = -1, .last = -1),
    O(mean, S(3, 31, 17), .axis = 0, .last = -1),
    O(mean, S(33, 65), .axis = 1, .last = 1, .keep = true),
    O(softmax, S(33, 10), .low = -6, .high = 6),
    O(softmax, S(3, 5, 33), .low = -6, .high = 6),
    O(softmax, S(65)),
    O(log_softmax, S(33, 10), .low = -6, .high = 6),
    O(log_softmax, S(3, 1)),
};
ROWS(rows_reductions);

/* ---- products: number: transposed operands ---- */
static ir_id matmul(trial *t, const op_row *r)
{
    ir_id x = operand(t, r),
          y = r->keep ? trial_weight(t, r->b, -1, 1) : trial_float(t, r->b, -1, 1);
    return op_matmul(&t->graph, x, y, r->number[0] != 0, r->number[1] != 0);
}

/* With bias and an activation behind it, and a computed left side. */
static ir_id dense(trial *t, const op_row *r)
{
    ir_graph *g = &t->graph;
    ir_id x = op_unary(g, F_SIN, operand(t, r)), w = trial_weight(t, r->b, -0.5, 0.5),
          b = trial_weight(t, r->c, -1, 1);
    return op_unary(
        g, F_TANH,
        op_binary(g, F_ADD, op_matmul(g, x, w, r->number[0] != 0, r->number[1] != 0), b));
}

/* A value by itself. */
static ir_id square(trial *t, const op_row *r)
{
    ir_id x = operand(t, r);
    return op_matmul(&t->graph, x, x, r->number[0] != 0, r->number[1] != 0);
}

#define M(...)                                                                                     \
    {                                                                                              \
        .name = "matmul", .build = matmul, .low = -1, .high = 1, .a = __VA_ARGS__                  \
    }
#define D(...)                                                                                     \
    {                                                                                              \
        .name = "matmul, bias, tanh", .build = dense, .low = -1, .high = 1, .a = __VA_ARGS__       \
    }
#define Q(...)                                                                                     \
    {                                                                                              \
        .name = "matmul by itself", .build = square, .low = -1, .high = 1, .a = __VA_ARGS__        \
    }

const op_row rows_products[] = {
    M(S(1, 1), .b = S(1, 1)),
    M(S(31, 33), .b = S(33, 65)),
    M(S(33, 31), .b = S(33, 65), .number = {1, 0}),
    M(S(31, 33), .b = S(65, 33), .number = {0, 1}),
    M(S(33, 31), .b = S(65, 33), .number = {1, 1}),
    M(S(1, 65), .b = S(65, 10), .keep = true),
    M(S(65, 1), .b = S(1, 33)),
    M(S(33, 65), .b = S(65, 1)),
    M(S(2, 5, 33), .b = S(33, 17), .keep = true),
    M(S(2, 5, 33), .b = S(17, 33), .number = {0, 1}),
    M(S(2, 3, 5, 7), .b = S(7, 9)),
    M(S(3, 9, 17), .b = S(3, 17, 5)),
    M(S(3, 17, 9), .b = S(3, 5, 17), .number = {1, 1}),
    M(S(2, 3, 9, 17), .b = S(2, 3, 17, 33)),
    M(S(2, 3, 9, 17), .b = S(2, 3, 33, 17), .number = {0, 1}),
    M(S(2, 3, 17, 9), .b = S(2, 3, 17, 33), .number = {1, 0}),
    M(S(2, 3, 9, 17), .b = S(3, 17, 5)),
    M(S(2, 1, 9, 17), .b = S(1, 3, 17, 5)),
    M(S(2, 3, 9, 17), .b = S(2, 1, 17, 5)),
    M(S(1, 3, 9, 17), .b = S(2, 3, 17, 5)),
    M(S(9, 17), .b = S(2, 3, 17, 5)),
    M(S(3, 17, 9), .b = S(17, 5), .number = {1, 0}),
    M(S(5, 33), .b = S(33, 17), .dtype = KILN_UINT8, .tolerance = 1e-4),
    M(S(5, 33), .b = S(33, 17), .dtype = KILN_INT32, .tolerance = 1e-4),
    D(S(33, 31), .b = S(31, 65), .c = S(65)),
    D(S(1, 31), .b = S(31, 10), .c = S(10)),
    D(S(2, 3, 9, 17), .b = S(17, 33), .c = S(33)),
    D(S(2, 9, 17), .b = S(2, 17, 33), .c = S(9, 1)),
    D(S(17, 33), .b = S(17, 65), .c = S(1, 1), .number = {1, 0}),
    Q(S(17, 17)),
    Q(S(17, 33), .number = {0, 1}),
    Q(S(33, 17), .number = {1, 0}),
};
ROWS(rows_products);
