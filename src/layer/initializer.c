/* Initializers, by Keras's names, arguments and distributions; drawn on the host, so that every
 * device starts from the same bits. */
#include "base/philox.h"
#include "layer/layer.h"

#include <math.h>
#include <string.h>

/* The standard deviation of a normal distribution cut at two deviations; Keras divides by it. */
#define TRUNCATED_DEVIATION 0.87962566103423978

/* Streams of initial weights begin here, away from those of shuffles and splits. */
#define STREAM ((uint64_t)'W' << 56)

#define SEED                                                                                       \
    {                                                                                              \
        .name = "seed", .type = SPEC_INTEGER, .none = true                                         \
    }
#define SCALED                                                                                     \
    {                                                                                              \
        SEED, {.name = "input_axes", .type = SPEC_NULL},                                           \
        {                                                                                          \
            .name = "output_axes", .type = SPEC_NULL                                               \
        }                                                                                          \
    }

const spec_class initializer_classes[] = {
    {"zeros", "Zeros", "zero", {{0}}},
    {"ones", "Ones", "one", {{0}}},
    {"constant", "Constant", NULL, {{.name = "value", .number = 0}}},
    {"random_uniform",
     "RandomUniform",
     "uniform",
     {{.name = "minval", .number = -0.05}, {.name = "maxval", .number = 0.05}, SEED}},
    {"random_normal",
     "RandomNormal",
     "normal",
     {{.name = "mean", .number = 0}, {.name = "stddev", .number = 0.05}, SEED}},
    {"truncated_normal",
     "TruncatedNormal",
     NULL,
     {{.name = "mean", .number = 0}, {.name = "stddev", .number = 0.05}, SEED}},
    {"variance_scaling",
     "VarianceScaling",
     NULL,
     {{.name = "scale", .number = 1},
      {.name = "mode", .type = SPEC_WORD, .words = "fan_in fan_out fan_avg"},
      {.name = "distribution",
       .type = SPEC_WORD,
       .words = "truncated_normal untruncated_normal uniform normal"},
      SEED,
      {.name = "input_axes", .type = SPEC_NULL},
      {.name = "output_axes", .type = SPEC_NULL}}},
    {"glorot_uniform", "GlorotUniform", NULL, SCALED},
    {"glorot_normal", "GlorotNormal", NULL, SCALED},
    {"he_uniform", "HeUniform", NULL, SCALED},
    {"he_normal", "HeNormal", NULL, SCALED},
    {"lecun_uniform", "LecunUniform", NULL, SCALED},
    {"lecun_normal", "LecunNormal", NULL, SCALED},
    {"orthogonal", "Orthogonal", "OrthogonalInitializer", {{.name = "gain", .number = 1}, SEED}},
    {"identity", "Identity", "IdentityInitializer", {{.name = "gain", .number = 1}}},
    {.name = NULL},
};

/* What the scaled family has in common with variance_scaling. */
static const struct {
    const char *name, *mode, *distribution;
    double scale;
} scaled[] = {
    {"glorot_uniform", "fan_avg", "uniform", 1},
    {"glorot_normal", "fan_avg", "truncated_normal", 1},
    {"he_uniform", "fan_in", "uniform", 2},
    {"he_normal", "fan_in", "truncated_normal", 2},
    {"lecun_uniform", "fan_in", "uniform", 1},
    {"lecun_normal", "fan_in", "truncated_normal", 1},
};

static kiln_status resolve(const char *source, spec *s)
{
    KILN_TRY(spec_resolve(initializer_classes, "initializer", source, s, NULL));
    if (spec_number(s, "stddev", -1, 0) < 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "initializer \"%s\": stddev cannot be negative",
                         source);
    if (strcmp(s->name, "variance_scaling") == 0 && s->values[0] <= 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "initializer \"%s\": scale must be positive", source);
    return KILN_OK;
}

kiln_status initializer_check(const char *source)
{
    spec s;
    return resolve(source, &s);
}

/* Inputs and outputs of one unit: a kernel is (receptive field..., in, out). */
static void fans(kiln_shape shape, double *in, double *out)
{
    double field = 1;
    for (int i = 0; i + 2 < shape.rank; i++)
        field *= (double)shape.dims[i];
    *in = *out = shape.rank == 0 ? 1 : (double)shape.dims[shape.rank - 1] * field;
    if (shape.rank >= 2)
        *in = (double)shape.dims[shape.rank - 2] * field;
}

static void fill_scaled(philox_sequence *draws, double scale, const char *mode,
                        const char *distribution, kiln_shape shape, size_t count, float *values)
{
    double in, out;
    fans(shape, &in, &out);
    double fan = strcmp(mode, "fan_in") == 0    ? in
                 : strcmp(mode, "fan_out") == 0 ? out
                                                : (in + out) / 2;
    scale /= fmax(1, fan);
    if (strcmp(distribution, "uniform") == 0)
        philox_fill_uniform(draws, values, count, -sqrt(3 * scale), sqrt(3 * scale));
    else if (strcmp(distribution, "untruncated_normal") == 0)
        philox_fill_normal(draws, values, count, 0, sqrt(scale));
    else
        philox_fill_truncated_normal(draws, values, count, 0, sqrt(scale) / TRUNCATED_DEVIATION);
}

static double dot(const double *a, const double *b, size_t n)
{
    double part[8] = {0}, sum = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t k = 0; k < 8; k++)
            part[k] += a[i + k] * b[i + k];
    for (; i < n; i++)
        part[i % 8] += a[i] * b[i];
    for (size_t k = 0; k < 8; k++)
        sum += part[k];
    return sum;
}

/* The Q of a normal matrix's QR decomposition with R's diagonal positive: its `few` columns of
 * `many` elements are made orthonormal one after the other. Two passes, because one leaves
 * rounding errors that grow with the condition of the matrix. */
static kiln_status fill_orthogonal(philox_sequence *draws, double gain, kiln_shape shape,
                                   size_t count, float *values)
{
    if (shape.rank < 2)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "initializer \"orthogonal\" needs a weight of two axes or more, not %s",
                         ir_shape_text(shape));
    size_t columns = (size_t)shape.dims[shape.rank - 1], rows = count / columns;
    size_t many = rows > columns ? rows : columns, few = rows > columns ? columns : rows;
    double *q = mem_new(count, sizeof *q); /* (few, many) */
    if (q == NULL)
        return KILN_ERROR_MEMORY;
    philox_fill_normal(draws, values, count, 0, 1);
    for (size_t i = 0; i < few; i++) {
        double *a = q + i * many;
        for (size_t k = 0; k < many; k++)
            a[k] = values[i * many + k];
        for (int pass = 0; pass < 2; pass++)
            for (size_t j = 0; j < i; j++) {
                const double *b = q + j * many;
                double along = dot(a, b, many);
                for (size_t k = 0; k < many; k++)
                    a[k] -= along * b[k];
            }
        double length = sqrt(dot(a, a, many));
        for (size_t k = 0; k < many; k++)
            a[k] /= length;
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            values[r * columns + c] =
                (float)(gain * (rows < columns ? q[r * many + c] : q[c * many + r]));
    free(q);
    return KILN_OK;
}

static kiln_status fill_identity(double gain, kiln_shape shape, size_t count, float *values)
{
    if (shape.rank != 2)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "initializer \"identity\" needs a weight of two axes, not %s",
                         ir_shape_text(shape));
    memset(values, 0, count * sizeof *values);
    for (int64_t i = 0; i < shape.dims[0] && i < shape.dims[1]; i++)
        values[i * shape.dims[1] + i] = (float)gain;
    return KILN_OK;
}

kiln_status initializer_fill(const char *source, kiln_shape shape, uint64_t seed, uint32_t stream,
                             float *values)
{
    spec s;
    size_t count;
    KILN_TRY(resolve(source, &s));
    KILN_TRY(weight_elements(shape, "a weight", &count));
    double own_seed = spec_number(&s, "seed", -1, -1);
    philox_sequence draws = own_seed < 0 ? philox_start(seed, STREAM | stream)
                                         : philox_start((uint64_t)own_seed, STREAM);
    for (size_t i = 0; i < sizeof scaled / sizeof *scaled; i++)
        if (strcmp(scaled[i].name, s.name) == 0) {
            fill_scaled(&draws, scaled[i].scale, scaled[i].mode, scaled[i].distribution, shape,
                        count, values);
            return KILN_OK;
        }
    if (strcmp(s.name, "variance_scaling") == 0)
        fill_scaled(&draws, s.values[0], s.words[1], s.words[2], shape, count, values);
    else if (strcmp(s.name, "random_uniform") == 0)
        philox_fill_uniform(&draws, values, count, s.values[0], s.values[1]);
    else if (strcmp(s.name, "random_normal") == 0)
        philox_fill_normal(&draws, values, count, s.values[0], s.values[1]);
    else if (strcmp(s.name, "truncated_normal") == 0)
        philox_fill_truncated_normal(&draws, values, count, s.values[0], s.values[1]);
    else if (strcmp(s.name, "orthogonal") == 0)
        return fill_orthogonal(&draws, s.values[0], shape, count, values);
    else if (strcmp(s.name, "identity") == 0)
        return fill_identity(s.values[0], shape, count, values);
    else
        for (size_t i = 0; i < count; i++)
            values[i] = s.count ? (float)s.values[0] : strcmp(s.name, "ones") == 0 ? 1.0f : 0.0f;
    return KILN_OK;
}
