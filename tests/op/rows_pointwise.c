#include "op/op.h"
#include "rows.h"

/* ---- one operand ---- */
static ir_id unary(trial *t, const op_row *r)
{
    ir_id x = r->dtype == KILN_FLOAT32 ? trial_float(t, r->a, r->low, r->high)
                                       : trial_whole(t, r->dtype, r->a, (int)r->low, (int)r->high);
    if (r->flat)
        trial_source_of(t, x)->fixed = true;
    return op_unary_with(&t->graph, (op_function)r->which, x, r->number[0], r->number[1]);
}

/* x * f(x): a gradient that stops takes f(x) for a constant. */
static ir_id stopped(trial *t, const op_row *r)
{
    ir_id x = trial_float(t, r->a, r->low, r->high), y = trial_float(t, r->a, r->low, r->high);
    trial_source_of(t, y)->fixed = true;
    return op_binary(&t->graph, F_MUL, x, op_unary(&t->graph, F_STOP_GRADIENT, y));
}

#define U(f, ...)                                                                                  \
    {                                                                                              \
        .name = #f, .build = unary, .which = f, .a = __VA_ARGS__                                   \
    }

const op_row rows_unary[] = {
    U(F_NEG, S(3, 65), -3, 3),
    U(F_ABS, S(33), -3, 3),
    U(F_SIGN, S(2, 31), -3, 3, .flat = true),
    U(F_SQUARE, S(3, 65), -3, 3),
    U(F_SQRT, S(1), 0.05, 4),
    U(F_SQRT, S(65, 1), 0.05, 4),
    U(F_RSQRT, S(3, 65), 0.1, 4),
    U(F_EXP, S(3, 65), -4, 4),
    U(F_LOG, S(31), 0.05, 5),
    U(F_LOG1P, S(2, 3, 33), -0.9, 4),
    U(F_EXPM1, S(3, 65), -3, 3),
    U(F_RECIPROCAL, S(2, 33), 0.2, 4),
    U(F_RECIPROCAL, S(65), -4, -0.2),
    U(F_FLOOR, S(3, 65), -3, 3, .flat = true),
    U(F_SIN, S(3, 65), -4, 4),
    U(F_COS, S(1, 33), -4, 4),
    U(F_ERF, S(3, 65), -3, 3),
    U(F_RELU, S(3, 65), -3, 3),
    U(F_SIGMOID, S(3, 65), -8, 8),
    U(F_TANH, S(3, 65), -4, 4),
    U(F_SOFTPLUS, S(2, 2, 33), -20, 20),
    U(F_SOFTSIGN, S(3, 65), -4, 4),
    U(F_ELU, S(3, 65), -4, 4, .number = {1.3}),
    U(F_SELU, S(3, 65), -4, 4),
    U(F_GELU, S(3, 65), -4, 4),
    U(F_GELU_TANH, S(3, 65), -4, 4),
    U(F_SILU, S(3, 65), -8, 8),
    U(F_MISH, S(3, 65), -8, 8),
    U(F_LEAKY_RELU, S(3, 65), -3, 3, .number = {0.2}),
    U(F_RELU6, S(3, 65), -2, 8),
    U(F_HARD_SIGMOID, S(3, 65), -5, 5),
    U(F_HARD_SILU, S(3, 65), -5, 5),
    U(F_HARD_TANH, S(3, 65), -2, 2),
    U(F_EXPONENTIAL, S(33), -4, 4),
    U(F_CELU, S(3, 65), -4, 4, .number = {1.5}),
    U(F_SQUAREPLUS, S(3, 65), -4, 4, .number = {4}),
    U(F_SPARSE_PLUS, S(3, 65), -2, 2),
    U(F_HARD_SHRINK, S(3, 65), -2, 2, .number = {0.5}),
    U(F_SOFT_SHRINK, S(3, 65), -2, 2, .number = {0.5}),
    U(F_TANH_SHRINK, S(3, 65), -3, 3),
    U(F_THRESHOLD, S(3, 65), -2, 3, .number = {1, -0.5}),
    U(F_LOG_SIGMOID, S(3, 65), -20, 20),
    U(F_SPARSE_SIGMOID, S(3, 65), -2, 2),
    U(F_AFFINE, S(3, 65), -3, 3, .number = {2.5, -1}),
    U(F_IDENTITY, S(5, 31), -3, 3),
    U(F_IS_FINITE, S(33), -3, 3, .flat = true),
    {.name = "F_STOP_GRADIENT", .build = stopped, .a = S(3, 65), .low = -3, .high = 3},
    /* whole numbers and bytes */
    U(F_SQUARE, S(3, 65), -100, 100, .dtype = KILN_INT32, .flat = true),
    U(F_AFFINE, S(3, 65), 0, 255, .dtype = KILN_UINT8, .number = {1 / 255.0, -0.5}, .flat = true),
    U(F_IDENTITY, S(1), 7, 9, .dtype = KILN_UINT8, .flat = true),
    U(F_NEG, S(33), -100, 100, .dtype = KILN_INT32, .flat = true),
};
ROWS(rows_unary);

/* ---- two and three operands ---- */
static ir_id binary(trial *t, const op_row *r)
{
    bool other = r->low2 != 0 || r->high2 != 0;
    ir_id x = trial_float(t, r->a, r->low, r->high),
          y = trial_float(t, r->b, other ? r->low2 : r->low, other ? r->high2 : r->high);
    return op_binary(&t->graph, (op_function)r->which, x, y);
}

/* Whole numbers, so that some are equal; x - y has a gradient beside the comparison's zero. */
static ir_id comparison(trial *t, const op_row *r)
{
    ir_id x = trial_whole(t, r->dtype, r->a, -2, 2), y = trial_whole(t, KILN_INT32, r->b, -2, 2);
    return op_binary(&t->graph, (op_function)r->which, x, y);
}

static ir_id selection(trial *t, const op_row *r)
{
    ir_id condition = trial_whole(t, r->dtype, r->a, 0, 1), x = trial_float(t, r->b, -2, 2),
          y = trial_float(t, r->c, -2, 2);
    return op_select(&t->graph, condition, x, y);
}

static ir_id broadcast(trial *t, const op_row *r)
{
    return op_broadcast(&t->graph, trial_float(t, r->a, -2, 2), r->b);
}

static ir_id sum_to(trial *t, const op_row *r)
{
    return op_sum_to(&t->graph, trial_float(t, r->a, -1, 1), r->b);
}

#define B(f, x, y, ...)                                                                            \
    {                                                                                              \
        .name = #f, .build = binary, .which = f, .a = x, .b = y, .low = __VA_ARGS__                \
    }
#define C(f, x, y, type)                                                                           \
    {                                                                                              \
        .name = #f, .build = comparison, .which = f, .a = x, .b = y, .dtype = type                 \
    }
#define SEL(type, x, y, z)                                                                         \
    {                                                                                              \
        .name = "F_SELECT", .build = selection, .a = x, .b = y, .c = z, .dtype = type              \
    }
#define TO(function, x, y)                                                                         \
    {                                                                                              \
        .name = #function, .build = function, .a = x, .b = y                                       \
    }

const op_row rows_binary[] = {
    B(F_ADD, S(3, 65), S(3, 65), -2, 2),
    B(F_SUB, S(3, 65), S(65), -2, 2),
    B(F_MUL, S(3, 65), S(3, 1), -2, 2),
    B(F_MUL, S(65, 1), S(1, 33), -2, 2),
    B(F_MUL, S(4, 1, 33), S(31, 1), -2, 2),
    B(F_MUL, SCALAR, S(5, 33), -2, 2),
    B(F_MUL, S(2, 3, 4, 5), S(3, 1, 5), -2, 2),
    B(F_MUL, S(2, 1, 4, 1), S(3, 1, 33), -2, 2),
    B(F_MUL, S(1), S(1), -2, 2),
    B(F_MUL, S(33, 1), S(33, 33), -2, 2),
    B(F_MUL, S(2, 16, 32), S(16, 1), -2, 2),
    B(F_MUL, S(2, 16, 32), S(2, 1, 1), -2, 2),
    B(F_MUL, S(2, 16, 32), S(2, 1, 32), -2, 2),
    B(F_MUL, S(32, 32, 2), S(32, 1), -2, 2),
    B(F_MUL, S(2, 32, 1), S(2, 1, 32), -2, 2),
    B(F_MUL, S(1, 1), S(3, 33), -2, 2),
    B(F_MUL, S(1, 65), S(1), -2, 2),
    B(F_MUL, S(3, 2, 1, 2, 3, 1, 2, 4), S(1, 2, 5, 1, 3, 2, 2, 1), -2, 2),
    B(F_DIV, S(31, 33), S(31, 1), -2, 2, .low2 = 0.3, .high2 = 2),
    B(F_MAX, S(3, 65), S(3, 65), -2, 2),
    B(F_MAX, S(3, 65), S(65), -2, 2),
    B(F_MIN, S(3, 65), S(3, 1), -2, 2),
    B(F_POW, S(3, 65), S(65), 0.1, 3, .low2 = -2, .high2 = 3),
    C(F_EQUAL, S(3, 65), S(65), KILN_FLOAT32),
    C(F_GREATER, S(3, 65), S(3, 65), KILN_INT32),
    C(F_GREATER_EQUAL, S(33), S(33), KILN_FLOAT32),
    C(F_LESS, S(65, 1), S(31), KILN_FLOAT32),
    SEL(KILN_UINT8, S(3, 65), S(3, 65), S(3, 65)),
    SEL(KILN_FLOAT32, S(3, 1), S(65), S(3, 65)),
    SEL(KILN_INT32, S(33), S(5, 1), SCALAR),
    TO(broadcast, S(33), S(3, 33)),
    TO(broadcast, S(3, 1), S(2, 3, 33)),
    TO(broadcast, SCALAR, S(65)),
    TO(sum_to, S(3, 5, 33), S(33)),
    TO(sum_to, S(3, 5, 33), S(5, 1)),
    TO(sum_to, S(3, 5, 33), S(1, 5, 1)),
    TO(sum_to, S(3, 1, 33), S(3, 1, 1)),
    TO(sum_to, S(3, 5, 33), SCALAR),
    TO(sum_to, S(33), S(1, 33)),
};
ROWS(rows_binary);
