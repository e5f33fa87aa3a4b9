/* Pointwise functions from their mathematical definitions. */
#include "harness/harness.h"
#include "harness/reference.h"

#include <math.h>

static double clip(double x, double low, double high)
{
    return isnan(x) ? x : x < low ? low : x > high ? high : x;
}

/* log(1 + e^x) */
static double softplus(double x)
{
    return x > 30 ? x + log1p(exp(-x)) : log1p(exp(x));
}

double reference_function(op_function f, const double *in, const double *numbers)
{
    const double x = in[0], y = in[1], a = numbers[0], b = numbers[1], pi = acos(-1.0);
    switch (f) {
    case F_ADD:
        return x + y;
    case F_SUB:
        return x - y;
    case F_MUL:
        return x * y;
    case F_DIV:
        return x / y;
    case F_MAX:
        return isnan(x) || isnan(y) ? (double)NAN : x > y ? x : y;
    case F_MIN:
        return isnan(x) || isnan(y) ? (double)NAN : x < y ? x : y;
    case F_POW:
        return pow(x, y);
    case F_EQUAL:
        return x == y;
    case F_GREATER:
        return x > y;
    case F_GREATER_EQUAL:
        return x >= y;
    case F_LESS:
        return x < y;
    case F_SELECT:
        return x != 0 ? y : in[2];
    case F_NEG:
        return -x;
    case F_ABS:
        return fabs(x);
    case F_SIGN:
        return x > 0 ? 1 : x < 0 ? -1 : 0;
    case F_SQUARE:
        return x * x;
    case F_SQRT:
        return sqrt(x);
    case F_RSQRT:
        return pow(x, -0.5);
    case F_EXP:
    case F_EXPONENTIAL:
        return exp(x);
    case F_LOG:
        return log(x);
    case F_LOG1P:
        return log1p(x);
    case F_EXPM1:
        return expm1(x);
    case F_RECIPROCAL:
        return 1 / x;
    case F_FLOOR:
        return floor(x);
    case F_SIN:
        return sin(x);
    case F_COS:
        return cos(x);
    case F_ERF:
        return erf(x);
    case F_RELU:
        return clip(x, 0, INFINITY);
    case F_SIGMOID:
        return 1 / (1 + exp(-x));
    case F_TANH:
        return tanh(x);
    case F_SOFTPLUS:
        return softplus(x);
    case F_SOFTSIGN:
        return x / (1 + fabs(x));
    case F_ELU:
        return x >= 0 ? x : a * expm1(x);
    case F_SELU:
        return 1.0507009873554805 * (x >= 0 ? x : 1.6732632423543772 * expm1(x));
    case F_GELU:
        return x * 0.5 * erfc(-x / sqrt(2.0));
    case F_GELU_TANH:
        return 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * pow(x, 3))));
    case F_SILU:
        return x / (1 + exp(-x));
    case F_MISH:
        return x * tanh(softplus(x));
    case F_LEAKY_RELU:
        return x >= 0 ? x : a * x;
    case F_RELU6:
        return clip(x, 0, 6);
    case F_HARD_SIGMOID:
        return clip(x + 3, 0, 6) / 6;
    case F_HARD_SILU:
        return x * clip(x + 3, 0, 6) / 6;
    case F_HARD_TANH:
        return clip(x, -1, 1);
    case F_CELU:
        return x >= 0 ? x : a * expm1(x / a);
    case F_SQUAREPLUS:
        return (x + sqrt(x * x + a)) / 2;
    case F_SPARSE_PLUS:
        return x <= -1 ? 0 : x >= 1 ? x : (x + 1) * (x + 1) / 4;
    case F_HARD_SHRINK:
        return x > a || x < -a ? x : 0;
    case F_SOFT_SHRINK:
        return x > a ? x - a : x < -a ? x + a : 0;
    case F_TANH_SHRINK:
        return x - tanh(x);
    case F_THRESHOLD:
        return x > a ? x : b;
    case F_LOG_SIGMOID:
        return -softplus(-x);
    case F_SPARSE_SIGMOID:
        return clip((x + 1) / 2, 0, 1);
    case F_AFFINE:
        return x * a + b;
    case F_IDENTITY:
    case F_STOP_GRADIENT:
        return x;
    case F_IS_FINITE:
        return isfinite(x) != 0;
    case F_COUNT:
        break;
    }
    ck_abort_msg("function %d has no definition", f);
    return 0;
}
