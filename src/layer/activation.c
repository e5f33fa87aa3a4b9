/* Activations, by Keras's names, arguments and definitions. */
#include "layer/layer.h"

#include <string.h>

const spec_class activation_classes[] = {
    {"linear", NULL, NULL, {{0}}},
    {"relu",
     "ReLU",
     NULL,
     {{.name = "negative_slope", .number = 0},
      {.name = "max_value", .none = true},
      {.name = "threshold", .number = 0}}},
    {"relu6", NULL, NULL, {{0}}},
    {"leaky_relu", "LeakyReLU", NULL, {{.name = "negative_slope", .number = 0.2}}},
    {"softmax", "Softmax", NULL, {{.name = "axis", .type = SPEC_INTEGER, .number = -1}}},
    {"log_softmax", NULL, NULL, {{.name = "axis", .type = SPEC_INTEGER, .number = -1}}},
    {"sparsemax", NULL, NULL, {{.name = "axis", .type = SPEC_INTEGER, .number = -1}}},
    {"elu", "ELU", NULL, {{.name = "alpha", .number = 1}}},
    {"celu", NULL, NULL, {{.name = "alpha", .number = 1}}},
    {"selu", NULL, NULL, {{0}}},
    {"gelu", NULL, NULL, {{.name = "approximate", .type = SPEC_BOOL, .number = 0}}},
    {"glu", NULL, NULL, {{.name = "axis", .type = SPEC_INTEGER, .number = -1}}},
    {"silu", NULL, "swish", {{0}}},
    {"hard_silu", NULL, "hard_swish", {{0}}},
    {"mish", NULL, NULL, {{0}}},
    {"sigmoid", NULL, NULL, {{0}}},
    {"log_sigmoid", NULL, NULL, {{0}}},
    {"hard_sigmoid", NULL, NULL, {{0}}},
    {"sparse_sigmoid", NULL, NULL, {{0}}},
    {"tanh", NULL, NULL, {{0}}},
    {"tanh_shrink", NULL, NULL, {{0}}},
    {"hard_tanh", NULL, NULL, {{0}}},
    {"softplus", NULL, NULL, {{0}}},
    {"sparse_plus", NULL, NULL, {{0}}},
    {"squareplus", NULL, NULL, {{.name = "b", .number = 4}}},
    {"softsign", NULL, NULL, {{0}}},
    {"soft_shrink", NULL, NULL, {{.name = "threshold", .number = 0.5}}},
    {"hard_shrink", NULL, NULL, {{.name = "threshold", .number = 0.5}}},
    {"threshold",
     NULL,
     NULL,
     {{.name = "threshold", .required = true}, {.name = "default_value", .required = true}}},
    {"exponential", NULL, NULL, {{0}}},
    {.name = NULL},
};

/* Those that are one function of the graph; its numbers are the spec's first two values. */
static const struct {
    const char *name;
    op_function function;
} functions[] = {
    {"relu6", F_RELU6},
    {"leaky_relu", F_LEAKY_RELU},
    {"elu", F_ELU},
    {"celu", F_CELU},
    {"selu", F_SELU},
    {"silu", F_SILU},
    {"hard_silu", F_HARD_SILU},
    {"mish", F_MISH},
    {"sigmoid", F_SIGMOID},
    {"log_sigmoid", F_LOG_SIGMOID},
    {"hard_sigmoid", F_HARD_SIGMOID},
    {"sparse_sigmoid", F_SPARSE_SIGMOID},
    {"tanh", F_TANH},
    {"tanh_shrink", F_TANH_SHRINK},
    {"hard_tanh", F_HARD_TANH},
    {"softplus", F_SOFTPLUS},
    {"sparse_plus", F_SPARSE_PLUS},
    {"squareplus", F_SQUAREPLUS},
    {"softsign", F_SOFTSIGN},
    {"soft_shrink", F_SOFT_SHRINK},
    {"hard_shrink", F_HARD_SHRINK},
    {"threshold", F_THRESHOLD},
    {"exponential", F_EXPONENTIAL},
};

static kiln_status resolve(const char *source, spec *s)
{
    KILN_TRY(spec_resolve(activation_classes, "activation", source, s, NULL));
    if (strcmp(s->name, "relu") == 0) {
        if (s->values[0] < 0 || s->values[2] < 0 || (!s->given_none[1] && s->values[1] < 0))
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "activation \"%s\": its arguments cannot be negative", source);
    } else if (strcmp(s->name, "celu") == 0 && s->values[0] == 0) {
        return kiln_fail(KILN_ERROR_ARGUMENT, "activation \"%s\": alpha cannot be 0", source);
    }
    return KILN_OK;
}

kiln_status activation_check(const char *source)
{
    spec s;
    return source == NULL ? KILN_OK : resolve(source, &s);
}

/* For those with an axis: softmax takes any but that of the batch, the others the last of `rank`.
 */
static kiln_status check_axis(const spec *s, int rank)
{
    if (s->count == 0 || strcmp(s->keys[0], "axis") != 0)
        return KILN_OK;
    if (rank < 2)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "activation \"%s\" needs an input with an axis besides the batch",
                         s->name);
    double axis = s->values[0] < 0 ? s->values[0] + rank : s->values[0];
    if (strstr(s->name, "softmax")) {
        if (axis < 1 || axis >= rank)
            return kiln_fail(KILN_ERROR_SHAPE,
                             "activation \"%s\": axis %d is none of an input with %d axes, or that "
                             "of the batch",
                             s->name, (int)s->values[0], rank);
    } else if (axis != rank - 1) {
        return kiln_fail(KILN_ERROR_UNSUPPORTED,
                         "activation \"%s\" works over the last axis only, not over axis %d",
                         s->name, (int)s->values[0]);
    }
    return KILN_OK;
}

kiln_status activation_shape(const char *source, kiln_shape input, kiln_shape *output)
{
    spec s;
    *output = input;
    if (source == NULL)
        return KILN_OK;
    KILN_TRY(resolve(source, &s));
    KILN_TRY(check_axis(&s, input.rank + 1));
    if (strcmp(s.name, "glu") == 0) {
        int64_t *last = &output->dims[output->rank - 1];
        if (*last % 2)
            return kiln_fail(KILN_ERROR_SHAPE,
                             "activation \"glu\" halves the last axis, and %lld of %s is odd",
                             (long long)*last, ir_shape_text(input));
        *last /= 2;
    }
    return KILN_OK;
}

/* relu with arguments: x between threshold and max_value, a line below the threshold. */
static ir_id relu(ir_graph *g, const spec *s, ir_id x)
{
    double slope = s->values[0], threshold = s->values[2];
    bool clips = !s->given_none[1];
    if (threshold == 0 && slope == 0) {
        ir_id positive = op_unary(g, F_RELU, x);
        return clips ? op_binary(g, F_MIN, positive, op_constant(g, s->values[1])) : positive;
    }
    if (threshold == 0 && !clips)
        return op_unary_with(g, F_LEAKY_RELU, x, slope, 0);
    ir_id y = op_unary_with(g, F_THRESHOLD, x, threshold, 0);
    if (clips)
        y = op_binary(g, F_MIN, y, op_constant(g, s->values[1]));
    if (slope == 0)
        return y;
    /* What lies below the threshold, as a negative number. */
    ir_id below = op_binary(g, F_MIN, op_affine(g, x, 1, -threshold), op_constant(g, 0));
    return op_binary(g, F_ADD, y, op_affine(g, below, slope, 0));
}

/* x[.., first half] * sigmoid(x[.., second half]) */
static ir_id glu(ir_graph *g, ir_id x)
{
    kiln_shape shape = g->items[x].shape;
    int64_t half = shape.dims[shape.rank - 1] / 2;
    ir_id a = op_slice(g, x, shape.rank - 1, 0, half, 1);
    ir_id b = op_slice(g, x, shape.rank - 1, half, half, 1);
    return op_binary(g, F_MUL, a, op_unary(g, F_SIGMOID, b));
}

/* The projection onto the simplex. An element z is in the support exactly if the others rise above
 * it by less than 1 in all, which needs no sorting: n comparisons for each of n elements. */
static ir_id sparsemax(ir_graph *g, ir_id x)
{
    kiln_shape shape = g->items[x].shape, rows = shape, columns = shape;
    if (shape.rank == KILN_MAX_RANK) {
        kiln_fail(KILN_ERROR_UNSUPPORTED, "activation \"sparsemax\" takes at most %d axes",
                  KILN_MAX_RANK - 1);
        return IR_NONE;
    }
    int64_t n = shape.dims[shape.rank - 1];
    rows.rank = columns.rank = shape.rank + 1;
    rows.dims[shape.rank - 1] = 1, rows.dims[shape.rank] = n;       /* (.., 1, n) */
    columns.dims[shape.rank - 1] = n, columns.dims[shape.rank] = 1; /* (.., n, 1) */
    ir_id above =
        op_unary(g, F_RELU, op_binary(g, F_SUB, op_reshape(g, x, rows), op_reshape(g, x, columns)));
    ir_id rise = op_reduce(g, R_SUM, above, -1, -1, false); /* (.., n) */
    ir_id support = op_unary(g, F_STOP_GRADIENT, op_binary(g, F_LESS, rise, op_constant(g, 1)));
    ir_id count = op_reduce(g, R_SUM, support, -1, -1, true);
    ir_id sum = op_reduce(g, R_SUM, op_binary(g, F_MUL, support, x), -1, -1, true);
    ir_id level = op_binary(g, F_DIV, op_affine(g, sum, 1, -1), count);
    return op_unary(g, F_RELU, op_binary(g, F_SUB, x, level));
}

ir_id activation_apply(ir_graph *graph, const char *source, ir_id x)
{
    spec s;
    kiln_shape shape, output;
    if (x == IR_NONE || source == NULL)
        return x;
    shape = graph->items[x].shape;
    if (shape.rank > 0) { /* of one sample */
        shape.rank--;
        memmove(shape.dims, shape.dims + 1, (size_t)shape.rank * sizeof *shape.dims);
    }
    if (resolve(source, &s) != KILN_OK || activation_shape(source, shape, &output) != KILN_OK)
        return IR_NONE;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (strcmp(functions[i].name, s.name) == 0)
            return op_unary_with(graph, functions[i].function, x, s.count > 0 ? s.values[0] : 0,
                                 s.count > 1 ? s.values[1] : 0);
    if (strcmp(s.name, "relu") == 0)
        return relu(graph, &s, x);
    if (strcmp(s.name, "gelu") == 0)
        return op_unary(graph, s.values[0] ? F_GELU_TANH : F_GELU, x);
    if (strstr(s.name, "softmax")) {
        int axis = (int)s.values[0];
        ir_id y = op_binary(graph, F_SUB, x, op_reduce(graph, R_LOGSUMEXP, x, axis, axis, true));
        return strcmp(s.name, "softmax") == 0 ? op_unary(graph, F_EXP, y) : y;
    }
    if (strcmp(s.name, "sparsemax") == 0)
        return sparsemax(graph, x);
    if (strcmp(s.name, "glu") == 0)
        return glu(graph, x);
    return x; /* linear */
}
