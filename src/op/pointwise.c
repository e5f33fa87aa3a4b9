/* Element-wise operations: an expression and its derivative for each.
 *
 * Expressions are OpenCL C over values of type V, which the code generator makes float or float16:
 * $0, $1, $2 are the inputs, @0, @1 the numbers. Comparisons pass NaN on where the mathematical
 * function would. A derivative's inputs are g (the gradient of the result) as $0, then x where
 * uses_x, then the result y where uses_y. */
#include "op/node.h"

#define ONE "(V)(1.0f)"
#define ZERO "(V)(0.0f)"
#define SIGMOID(x) "(" ONE " / (" ONE " + exp(-" x ")))"

typedef struct function {
    const char *name;
    int inputs;
    const char *expression;
    const char *derivative; /* of a unary function; NULL: zero, or (binary) written out below */
    bool uses_x, uses_y;
} function;

static const function functions[F_COUNT] = {
    [F_ADD] = {"add", 2, "$0 + $1", NULL, 0, 0},
    [F_SUB] = {"subtract", 2, "$0 - $1", NULL, 0, 0},
    [F_MUL] = {"multiply", 2, "$0 * $1", NULL, 0, 0},
    [F_DIV] = {"divide", 2, "$0 / $1", NULL, 0, 0},
    [F_MAX] = {"maximum", 2, "($0 < $1 ? $1 : $0)", NULL, 0, 0},
    [F_MIN] = {"minimum", 2, "($0 > $1 ? $1 : $0)", NULL, 0, 0},
    [F_POW] = {"power", 2, "pow($0, $1)", NULL, 0, 0},
    [F_EQUAL] = {"equal", 2, "($0 == $1 ? " ONE " : " ZERO ")", NULL, 0, 0},
    [F_GREATER] = {"greater", 2, "($0 > $1 ? " ONE " : " ZERO ")", NULL, 0, 0},
    [F_GREATER_EQUAL] = {"greater_equal", 2, "($0 >= $1 ? " ONE " : " ZERO ")", NULL, 0, 0},
    [F_LESS] = {"less", 2, "($0 < $1 ? " ONE " : " ZERO ")", NULL, 0, 0},
    [F_SELECT] = {"select", 3, "($0 != " ZERO " ? $1 : $2)", NULL, 0, 0},
    [F_NEG] = {"negative", 1, "-$0", "-$0", 0, 0},
    [F_ABS] = {"absolute", 1, "fabs($0)", "($1 < " ZERO " ? -$0 : ($1 > " ZERO " ? $0 : " ZERO "))",
               1, 0},
    [F_SIGN] = {"sign", 1, "sign($0)", NULL, 0, 0},
    [F_SQUARE] = {"square", 1, "$0 * $0", "(V)(2.0f) * $0 * $1", 1, 0},
    [F_SQRT] = {"sqrt", 1, "sqrt($0)", "(V)(0.5f) * $0 / $1", 0, 1},
    [F_RSQRT] = {"rsqrt", 1, ONE " / sqrt($0)", "(V)(-0.5f) * $0 * $1 * $1 * $1", 0, 1},
    [F_EXP] = {"exp", 1, "exp($0)", "$0 * $1", 0, 1},
    [F_LOG] = {"log", 1, "log($0)", "$0 / $1", 1, 0},
    [F_LOG1P] = {"log1p", 1, "log1p($0)", "$0 / (" ONE " + $1)", 1, 0},
    [F_EXPM1] = {"expm1", 1, "expm1($0)", "$0 * ($1 + " ONE ")", 0, 1},
    [F_RECIPROCAL] = {"reciprocal", 1, ONE " / $0", "-$0 * $1 * $1", 0, 1},
    [F_FLOOR] = {"floor", 1, "floor($0)", NULL, 0, 0},
    [F_SIN] = {"sin", 1, "sin($0)", "$0 * cos($1)", 1, 0},
    [F_COS] = {"cos", 1, "cos($0)", "-$0 * sin($1)", 1, 0},
    [F_ERF] = {"erf", 1, "erf($0)", "$0 * (V)(1.12837917f) * exp(-$1 * $1)", 1, 0},
    [F_RELU] = {"relu", 1, "($0 < " ZERO " ? " ZERO " : $0)", "($1 > " ZERO " ? $0 : " ZERO ")", 0,
                1},
    [F_SIGMOID] = {"sigmoid", 1, SIGMOID("$0"), "$0 * $1 * (" ONE " - $1)", 0, 1},
    [F_TANH] = {"tanh", 1, "tanh($0)", "$0 * (" ONE " - $1 * $1)", 0, 1},
    [F_SOFTPLUS] = {"softplus", 1, "(($0 < " ZERO " ? " ZERO " : $0) + log1p(exp(-fabs($0))))",
                    "$0 * " SIGMOID("$1"), 1, 0},
    [F_SOFTSIGN] = {"softsign", 1, "$0 / (" ONE " + fabs($0))",
                    "$0 / ((" ONE " + fabs($1)) * (" ONE " + fabs($1)))", 1, 0},
    [F_ELU] = {"elu", 1, "($0 > " ZERO " ? $0 : @0 * expm1($0))",
               "($1 > " ZERO " ? $0 : $0 * @0 * exp($1))", 1, 0},
    [F_SELU] = {"selu", 1, "(V)(1.05070098f) * ($0 > " ZERO " ? $0 : (V)(1.67326324f) * expm1($0))",
                "(V)(1.05070098f) * $0 * ($1 > " ZERO " ? " ONE " : (V)(1.67326324f) * exp($1))", 1,
                0},
    [F_GELU] =
        {"gelu", 1, "(V)(0.5f) * $0 * (" ONE " + erf($0 * (V)(0.707106781f)))",
         "$0 * ((V)(0.5f) * (" ONE
         " + erf($1 * (V)(0.707106781f))) + $1 * (V)(0.398942280f) * exp((V)(-0.5f) * $1 * $1))",
         1, 0},
    [F_GELU_TANH] =
        {"gelu_tanh", 1,
         "(V)(0.5f) * $0 * (" ONE
         " + tanh((V)(0.797884561f) * ($0 + (V)(0.044715f) * $0 * $0 * $0)))",
         "$0 * ((V)(0.5f) * (" ONE
         " + tanh((V)(0.797884561f) * ($1 + (V)(0.044715f) * $1 * $1 * $1))) + (V)(0.5f) * $1 * "
         "(" ONE " - tanh((V)(0.797884561f) * ($1 + (V)(0.044715f) * $1 * $1 * $1)) * "
         "tanh((V)(0.797884561f) * ($1 + (V)(0.044715f) * $1 * $1 * $1))) * "
         "(V)(0.797884561f) * (" ONE " + (V)(0.134145f) * $1 * $1))",
         1, 0},
    [F_SILU] = {"silu", 1, "$0 * " SIGMOID("$0"),
                "$0 * " SIGMOID("$1") " * (" ONE " + $1 * (" ONE " - " SIGMOID("$1") "))", 1, 0},
    [F_MISH] = {"mish", 1, "$0 * tanh(($0 < " ZERO " ? " ZERO " : $0) + log1p(exp(-fabs($0))))",
                "$0 * (tanh(($1 < " ZERO " ? " ZERO
                " : $1) + log1p(exp(-fabs($1)))) + $1 * " SIGMOID(
                    "$1") " * "
                          "(" ONE " - tanh(($1 < " ZERO " ? " ZERO
                          " : $1) + log1p(exp(-fabs($1)))) * tanh(($1 < " ZERO " ? " ZERO
                          " : $1) + log1p(exp(-fabs($1))))))",
                1, 0},
    [F_LEAKY_RELU] = {"leaky_relu", 1, "($0 < " ZERO " ? @0 * $0 : $0)",
                      "($1 > " ZERO " ? $0 : @0 * $0)", 1, 0},
    [F_RELU6] = {"relu6", 1, "($0 < " ZERO " ? " ZERO " : ($0 > (V)(6.0f) ? (V)(6.0f) : $0))",
                 "($1 > " ZERO " ? ($1 < (V)(6.0f) ? $0 : " ZERO ") : " ZERO ")", 1, 0},
    [F_HARD_SIGMOID] = {"hard_sigmoid", 1,
                        "($0 < (V)(-3.0f) ? " ZERO " : ($0 > (V)(3.0f) ? " ONE
                        " : $0 / (V)(6.0f) + (V)(0.5f)))",
                        "($1 > (V)(-3.0f) ? ($1 < (V)(3.0f) ? $0 / (V)(6.0f) : " ZERO ") : " ZERO
                        ")",
                        1, 0},
    [F_HARD_SILU] =
        {"hard_silu", 1,
         "$0 * ($0 < (V)(-3.0f) ? " ZERO " : ($0 > (V)(3.0f) ? " ONE
         " : $0 / (V)(6.0f) + (V)(0.5f)))",
         "($1 > (V)(-3.0f) ? ($1 < (V)(3.0f) ? $0 * ($1 / (V)(3.0f) + (V)(0.5f)) : $0) : " ZERO ")",
         1, 0},
    [F_HARD_TANH] = {"hard_tanh", 1,
                     "($0 < (V)(-1.0f) ? (V)(-1.0f) : ($0 > " ONE " ? " ONE " : $0))",
                     "($1 > (V)(-1.0f) ? ($1 < " ONE " ? $0 : " ZERO ") : " ZERO ")", 1, 0},
    [F_EXPONENTIAL] = {"exponential", 1, "exp($0)", "$0 * $1", 0, 1},
    [F_CELU] = {"celu", 1, "($0 > " ZERO " ? $0 : @0 * expm1($0 / @0))",
                "($1 > " ZERO " ? $0 : $0 * exp($1 / @0))", 1, 0},
    [F_SQUAREPLUS] = {"squareplus", 1, "(V)(0.5f) * ($0 + sqrt($0 * $0 + @0))",
                      "(V)(0.5f) * $0 * (" ONE " + $1 / sqrt($1 * $1 + @0))", 1, 0},
    [F_SPARSE_PLUS] = {"sparse_plus", 1,
                       "($0 > (V)(-1.0f) ? ($0 < " ONE " ? (V)(0.25f) * ($0 + " ONE ") * ($0 + " ONE
                       ") : $0) : " ZERO ")",
                       "($1 > (V)(-1.0f) ? ($1 < " ONE " ? (V)(0.5f) * $0 * ($1 + " ONE
                       ") : $0) : " ZERO ")",
                       1, 0},
    [F_HARD_SHRINK] = {"hard_shrink", 1, "(fabs($0) > @0 ? $0 : " ZERO ")",
                       "(fabs($1) > @0 ? $0 : " ZERO ")", 1, 0},
    [F_SOFT_SHRINK] = {"soft_shrink", 1, "($0 > @0 ? $0 - @0 : ($0 < -@0 ? $0 + @0 : " ZERO "))",
                       "(fabs($1) > @0 ? $0 : " ZERO ")", 1, 0},
    [F_TANH_SHRINK] = {"tanh_shrink", 1, "$0 - tanh($0)", "$0 * tanh($1) * tanh($1)", 1, 0},
    [F_THRESHOLD] = {"threshold", 1, "($0 > @0 ? $0 : @1)", "($1 > @0 ? $0 : " ZERO ")", 1, 0},
    [F_LOG_SIGMOID] = {"log_sigmoid", 1,
                       "-(($0 > " ZERO " ? " ZERO " : -$0) + log1p(exp(-fabs($0))))",
                       "$0 * " SIGMOID("(-$1)"), 1, 0},
    [F_SPARSE_SIGMOID] = {"sparse_sigmoid", 1,
                          "($0 > (V)(-1.0f) ? ($0 < " ONE " ? (V)(0.5f) * ($0 + " ONE ") : " ONE
                          ") : " ZERO ")",
                          "($1 > (V)(-1.0f) ? ($1 < " ONE " ? (V)(0.5f) * $0 : " ZERO ") : " ZERO
                          ")",
                          1, 0},
    [F_AFFINE] = {"affine", 1, "$0 * @0 + @1", "$0 * @0", 0, 0},
    [F_IDENTITY] = {"identity", 1, "$0", "$0", 0, 0},
    [F_IS_FINITE] = {"is_finite", 1, "(fabs($0) <= (V)(FLT_MAX) ? " ONE " : " ZERO ")", NULL, 0, 0},
    [F_STOP_GRADIENT] = {"stop_gradient", 1, "$0", NULL, 0, 0},
};

static kiln_status unary_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx);
static kiln_status binary_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx);

/* Descriptors made from the table: one for each function, one for each derivative. */
static op_descriptor descriptors[F_COUNT], derivatives[F_COUNT];
static char derivative_names[F_COUNT][40];

__attribute__((constructor)) static void make_descriptors(void)
{
    for (int f = 0; f < F_COUNT; f++) {
        const function *from = &functions[f];
        descriptors[f] =
            (op_descriptor){.name = from->name,
                            .kind = OP_POINTWISE,
                            .inputs = from->inputs,
                            .expression = from->expression,
                            .gradient = from->inputs > 1 ? binary_gradient : unary_gradient};
        snprintf(derivative_names[f], sizeof derivative_names[f], "%s_gradient", from->name);
        derivatives[f] = (op_descriptor){.name = derivative_names[f],
                                         .kind = OP_POINTWISE,
                                         .inputs = 1 + from->uses_x + from->uses_y,
                                         .expression = from->derivative,
                                         .gradient = NULL};
    }
}

const op_descriptor *op_pointwise(op_function f)
{
    return &descriptors[f];
}

static ir_id add(ir_graph *g, const op_descriptor *op, int count, const ir_id *inputs,
                 const ir_attributes *attr)
{
    kiln_shape shape = {0};
    for (int i = 0; i < count; i++) {
        if (inputs[i] == IR_NONE)
            return IR_NONE;
        if (op_broadcast_shape(op->name, shape, g->items[inputs[i]].shape, &shape) != KILN_OK)
            return IR_NONE;
    }
    return op_node(g, op, count, inputs, KILN_FLOAT32, shape, attr);
}

ir_id op_unary_with(ir_graph *g, op_function f, ir_id x, double a, double b)
{
    if (functions[f].inputs != 1) {
        kiln_fail(KILN_ERROR_ARGUMENT, "%s takes %d inputs, not one", functions[f].name,
                  functions[f].inputs);
        return IR_NONE;
    }
    return add(g, &descriptors[f], 1, &x, &(ir_attributes){.number = {a, b}});
}

ir_id op_unary(ir_graph *g, op_function f, ir_id x)
{
    return op_unary_with(g, f, x, 1.0, 0.0);
}

ir_id op_affine(ir_graph *g, ir_id x, double scale, double shift)
{
    return scale == 1.0 && shift == 0.0 ? x : op_unary_with(g, F_AFFINE, x, scale, shift);
}

static bool is_constant(ir_graph *g, ir_id x, double value)
{
    return x != IR_NONE && strcmp(g->items[x].op->name, "constant") == 0 &&
           g->items[x].attr.number[0] == value;
}

ir_id op_binary(ir_graph *g, op_function f, ir_id x, ir_id y)
{
    if (x == IR_NONE || y == IR_NONE)
        return IR_NONE;
    if (f == F_MUL && is_constant(g, y, 1.0))
        return x;
    if (f == F_MUL && is_constant(g, x, 1.0))
        return y;
    return add(g, &descriptors[f], 2, (ir_id[]){x, y}, NULL);
}

ir_id op_select(ir_graph *g, ir_id condition, ir_id x, ir_id y)
{
    return add(g, &descriptors[F_SELECT], 3, (ir_id[]){condition, x, y}, NULL);
}

ir_id op_broadcast(ir_graph *g, ir_id x, kiln_shape shape)
{
    kiln_shape out;
    if (x == IR_NONE || op_broadcast_shape("broadcast", g->items[x].shape, shape, &out) != KILN_OK)
        return IR_NONE;
    if (!ir_shape_equal(out, shape)) {
        kiln_fail(KILN_ERROR_SHAPE, "%s does not broadcast to %s", ir_shape_text(g->items[x].shape),
                  ir_shape_text(shape));
        return IR_NONE;
    }
    if (ir_shape_equal(g->items[x].shape, shape))
        return x;
    return op_node(g, &descriptors[F_IDENTITY], 1, &x, KILN_FLOAT32, shape, NULL);
}

/* y = relu(x) behind which d = select(kept, y * scale, 0), as dropout makes it, with y reshaped or
 * not: the gradient dd of d reaches x where y > 0 and kept, which is where d > 0. So the backward
 * pass neither draws `kept` again nor keeps y. dy is what the gradients of select, scaling and
 * reshape made of dd. IR_NONE (no failure) for anything else. */
static ir_id relu_behind_dropout(ir_graph *g, ir_id relu, ir_id dy)
{
    const ir_node *scaled = &g->items[op_through_views(g, dy)];
    const kiln_shape shape = g->items[relu].shape;
    if (scaled->op != &derivatives[F_AFFINE] || scaled->attr.number[0] <= 0)
        return IR_NONE;
    const ir_node *chosen = &g->items[scaled->inputs[0]];
    if (chosen->op != &descriptors[F_SELECT] || !is_constant(g, chosen->inputs[2], 0.0))
        return IR_NONE;
    for (size_t i = (size_t)relu + 1; i < g->count; i++) {
        const ir_node *d = &g->items[i];
        if (d->op != &descriptors[F_SELECT] || d->inputs[0] != chosen->inputs[0] ||
            !is_constant(g, d->inputs[2], 0.0))
            continue;
        const ir_node *y = &g->items[d->inputs[1]];
        if (y->op != &descriptors[F_AFFINE] || op_through_views(g, y->inputs[0]) != relu ||
            y->attr.number[0] != scaled->attr.number[0] || y->attr.number[1] != 0 ||
            !ir_shape_equal(d->shape, y->shape))
            continue;
        ir_id dd = op_unary_with(g, F_AFFINE, chosen->inputs[1], scaled->attr.number[0], 0.0);
        return add(g, &derivatives[F_RELU], 2,
                   (ir_id[]){op_reshape(g, dd, shape), op_reshape(g, (ir_id)i, shape)}, NULL);
    }
    return IR_NONE;
}

static kiln_status unary_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx)
{
    ir_node n = g->items[node];
    int f = (int)(n.op - descriptors);
    if (functions[f].derivative == NULL)
        return KILN_OK;
    if (f == F_RELU) {
        ir_id fused = relu_behind_dropout(g, node, dy);
        if (fused != IR_NONE)
            return op_add_gradient(g, &dx[0], fused);
    }
    ir_id inputs[3] = {dy};
    int count = 1;
    if (functions[f].uses_x)
        inputs[count++] = n.inputs[0];
    if (functions[f].uses_y)
        inputs[count++] = node;
    ir_id d = f == F_IDENTITY ? dy : add(g, &derivatives[f], count, inputs, &n.attr);
    if (d == IR_NONE)
        return kiln_last_status();
    return op_add_gradient(g, &dx[0], op_sum_to(g, d, g->items[n.inputs[0]].shape));
}

static kiln_status binary_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx)
{
    ir_node n = g->items[node];
    ir_id x = n.inputs[0], y = n.inputs[1], d[3] = {IR_NONE, IR_NONE, IR_NONE};
    switch ((op_function)(n.op - descriptors)) {
    case F_ADD:
        d[0] = d[1] = dy;
        break;
    case F_SUB:
        d[0] = dy, d[1] = op_unary(g, F_NEG, dy);
        break;
    case F_MUL:
        d[0] = op_binary(g, F_MUL, dy, y), d[1] = op_binary(g, F_MUL, dy, x);
        break;
    case F_DIV:
        d[0] = op_binary(g, F_DIV, dy, y);
        d[1] = op_unary(g, F_NEG, op_binary(g, F_DIV, op_binary(g, F_MUL, dy, node), y));
        break;
    case F_MAX:
    case F_MIN: { /* ties go to the first, as the expression does */
        ir_id second = n.op == &descriptors[F_MAX] ? op_binary(g, F_LESS, x, y)
                                                   : op_binary(g, F_GREATER, x, y);
        d[1] = op_binary(g, F_MUL, dy, second);
        d[0] = op_binary(g, F_SUB, dy, d[1]);
        break;
    }
    case F_POW:
        d[0] =
            op_binary(g, F_MUL, dy,
                      op_binary(g, F_MUL, y, op_binary(g, F_POW, x, op_affine(g, y, 1.0, -1.0))));
        d[1] = op_binary(g, F_MUL, dy, op_binary(g, F_MUL, node, op_unary(g, F_LOG, x)));
        break;
    case F_SELECT: {
        ir_id zero = op_constant(g, 0.0);
        d[1] = op_select(g, x, dy, zero);
        d[2] = op_select(g, x, zero, dy);
        break;
    }
    default:
        return KILN_OK; /* comparisons */
    }
    for (int i = 0; i < n.input_count; i++)
        if (d[i] != IR_NONE)
            KILN_TRY(op_add_gradient(g, &dx[i], op_sum_to(g, d[i], g->items[n.inputs[i]].shape)));
    return KILN_OK;
}
