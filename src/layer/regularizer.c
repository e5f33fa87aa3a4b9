/* Regularizers: penalties on weights and activities, by Keras's names and definitions. */
#include "layer/layer.h"

#include <string.h>

#define FACTOR(NAME, DEFAULT)                                                                      \
    {                                                                                              \
        .name = NAME, .number = DEFAULT, .none = true                                              \
    }

const spec_class regularizer_classes[] = {
    {"l1", "L1", NULL, {FACTOR("l1", 0.01)}},
    {"l2", "L2", NULL, {FACTOR("l2", 0.01)}},
    {"l1_l2", "L1L2", "l1l2", {FACTOR("l1", 0), FACTOR("l2", 0)}},
    {"orthogonal_regularizer",
     "OrthogonalRegularizer",
     "orthogonal",
     {{.name = "factor", .number = 0.01},
      {.name = "mode", .type = SPEC_WORD, .words = "rows columns"}}},
    {.name = NULL},
};

kiln_status regularizer_resolve(const char *source, spec *s)
{
    KILN_TRY(spec_resolve(regularizer_classes, "regularizer", source, s, NULL));
    /* Bare "l1_l2" means 0.01 for both; one that names a factor has none of the other. */
    bool pair = strcmp(s->name, "l1_l2") == 0, bare = strchr(source, '(') == NULL;
    for (int i = 0; i < s->count; i++) {
        if (s->given_none[i])
            s->values[i] = pair && !bare ? 0 : 0.01;
        s->given_none[i] = false;
        if (s->values[i] < 0)
            return kiln_fail(KILN_ERROR_ARGUMENT, "regularizer \"%s\": %s cannot be negative",
                             source, s->keys[i]);
    }
    return KILN_OK;
}

kiln_status regularizer_check(const char *source)
{
    spec s;
    return source == NULL ? KILN_OK : regularizer_resolve(source, &s);
}

/* The sum of all elements. */
static ir_id total(ir_graph *g, ir_id x)
{
    return x == IR_NONE ? IR_NONE : op_reduce(g, R_SUM, x, 0, -1, false);
}

/* Half the mean absolute product of different rows (or columns), which are brought to length 1. */
static ir_id orthogonal(ir_graph *g, const spec *s, ir_id x)
{
    kiln_shape shape = g->items[x].shape;
    if (shape.rank != 2) {
        kiln_fail(KILN_ERROR_SHAPE, "regularizer \"orthogonal\" needs a weight of two axes, not %s",
                  ir_shape_text(shape));
        return IR_NONE;
    }
    bool rows = strcmp(s->words[1], "rows") == 0;
    int64_t n = shape.dims[rows ? 0 : 1];
    if (n < 2)
        return op_constant(g, 0);
    int axis = rows ? 1 : 0;
    ir_id squares = op_reduce(g, R_SUM, op_unary(g, F_SQUARE, x), axis, axis, true);
    ir_id lengths = op_unary(g, F_SQRT, op_binary(g, F_MAX, squares, op_constant(g, 1e-14)));
    ir_id unit = op_binary(g, F_DIV, x, lengths);
    ir_id product = op_matmul(g, unit, unit, !rows, rows);
    ir_id index = op_iota(g, n);
    ir_id diagonal = op_binary(g, F_EQUAL, op_reshape(g, index, (kiln_shape){2, {n, 1}}),
                               op_reshape(g, index, (kiln_shape){2, {1, n}}));
    ir_id others = op_binary(g, F_MUL, product, op_affine(g, diagonal, -1, 1));
    return op_affine(g, total(g, op_unary(g, F_ABS, others)),
                     s->values[0] / ((double)n * ((double)n - 1)), 0);
}

ir_id regularizer_apply(ir_graph *graph, const char *source, ir_id x)
{
    spec s;
    if (x == IR_NONE || source == NULL || regularizer_resolve(source, &s) != KILN_OK)
        return IR_NONE;
    if (strcmp(s.name, "orthogonal_regularizer") == 0)
        return orthogonal(graph, &s, x);
    ir_id sum = IR_NONE;
    for (int i = 0; i < s.count; i++) {
        if (s.values[i] == 0)
            continue;
        op_function f = strcmp(s.keys[i], "l1") == 0 ? F_ABS : F_SQUARE;
        ir_id part = op_affine(graph, total(graph, op_unary(graph, f, x)), s.values[i], 0);
        sum = sum == IR_NONE ? part : op_binary(graph, F_ADD, sum, part);
    }
    return sum == IR_NONE ? op_constant(graph, 0) : sum;
}
