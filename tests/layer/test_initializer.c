/* Initializers: distributions, fans, reproducibility. */
#include "harness/harness.h"
#include "layer/layer.h"

#include <math.h>

#define KERNEL                                                                                     \
    {                                                                                              \
        2,                                                                                         \
        {                                                                                          \
            300, 100                                                                               \
        }                                                                                          \
    } /* fan in 300, fan out 100 */
#define WINDOW                                                                                     \
    {                                                                                              \
        4,                                                                                         \
        {                                                                                          \
            3, 3, 40, 80                                                                           \
        }                                                                                          \
    } /* fan in 360, fan out 720 */
#define VECTOR                                                                                     \
    {                                                                                              \
        1,                                                                                         \
        {                                                                                          \
            30000                                                                                  \
        }                                                                                          \
    } /* both fans 30000 */

typedef struct moments {
    double mean, deviation, least, most;
} moments;

static moments measure(const float *values, size_t count)
{
    moments m = {.least = INFINITY, .most = -INFINITY};
    for (size_t i = 0; i < count; i++) {
        m.mean += values[i];
        m.least = fmin(m.least, values[i]);
        m.most = fmax(m.most, values[i]);
    }
    m.mean /= (double)count;
    for (size_t i = 0; i < count; i++)
        m.deviation += (values[i] - m.mean) * (values[i] - m.mean);
    m.deviation = sqrt(m.deviation / (double)count);
    return m;
}

static float *fill(const char *source, kiln_shape shape, uint64_t seed, uint32_t stream)
{
    float *values = malloc((size_t)kiln_shape_size(shape) * sizeof *values);
    ck_assert_ptr_nonnull(values);
    harness_ok(initializer_fill(source, shape, seed, stream, values));
    return values;
}

/* A deviation of the values drawn, and their bound: both as Keras's documentation gives them. */
static const struct {
    const char *source;
    kiln_shape shape;
    double mean, deviation, bound;
} cases[] = {
    {"random_uniform", VECTOR, 0, 0.1 / 3.4641016, 0.05},
    {"random_uniform(minval=1, maxval=3)", VECTOR, 2, 2 / 3.4641016, 1},
    {"random_normal", VECTOR, 0, 0.05, 1},
    {"random_normal(mean=2, stddev=0.5)", VECTOR, 2, 0.5, 10},
    {"truncated_normal(mean=1, stddev=0.5)", VECTOR, 1, 0.5 * 0.87962566, 1},
    {"glorot_uniform", KERNEL, 0, 0.0707106781, 0.122474487}, /* sqrt(2 / 400), sqrt(6 / 400) */
    {"glorot_normal", KERNEL, 0, 0.0707106781, 0.160774989},
    {"he_uniform", KERNEL, 0, 0.0816496581, 0.141421356},
    {"he_normal", KERNEL, 0, 0.0816496581, 0.185647},
    {"lecun_uniform", KERNEL, 0, 0.0577350269, 0.1},
    {"lecun_normal", KERNEL, 0, 0.0577350269, 0.1312723},
    {"glorot_uniform", WINDOW, 0, 0.0430331483, 0.0745355992}, /* sqrt(2 / 1080) */
    {"he_normal", WINDOW, 0, 0.0745355992, 0.1694713},
    {"glorot_uniform", VECTOR, 0, 0.00577350269, 0.01},
    {"variance_scaling", KERNEL, 0, 0.0577350269, 0.1312723},
    {"variance_scaling(scale=2, mode=fan_out, distribution=uniform)", KERNEL, 0, 0.141421356,
     0.244948974},
    {"variance_scaling(2, fan_avg, untruncated_normal)", KERNEL, 0, 0.1, 1},
    {"variance_scaling(1, fan_in, normal)", KERNEL, 0, 0.0577350269, 0.1312723},
};

START_TEST(distribution)
{
    size_t count = (size_t)kiln_shape_size(cases[_i].shape);
    float *values = fill(cases[_i].source, cases[_i].shape, 7, 3);
    moments m = measure(values, count);
    double error = cases[_i].deviation / sqrt((double)count);
    ck_assert_double_lt(fabs(m.mean - cases[_i].mean), 5 * error);
    ck_assert_double_lt(fabs(m.deviation - cases[_i].deviation), 0.02 * cases[_i].deviation);
    ck_assert_double_le(m.most - cases[_i].mean, cases[_i].bound * 1.000001);
    ck_assert_double_le(cases[_i].mean - m.least, cases[_i].bound * 1.000001);
    free(values);
}
END_TEST

START_TEST(constants)
{
    static const struct {
        const char *source;
        float value;
    } plain[] = {{"zeros", 0}, {"Zeros", 0}, {"ones", 1}, {"constant", 0}, {"constant(0.5)", 0.5f}};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        float *values = fill(plain[i].source, (kiln_shape){1, {5}}, 1, 0);
        for (int k = 0; k < 5; k++)
            ck_assert_float_eq(values[k], plain[i].value);
        free(values);
    }
    float *values = fill("identity(gain=3)", (kiln_shape){2, {2, 3}}, 1, 0);
    static const float expected[] = {3, 0, 0, 0, 3, 0};
    ck_assert_mem_eq(values, expected, sizeof expected);
    free(values);
    float scalar;
    harness_ok(initializer_fill("ones", (kiln_shape){0}, 1, 0, &scalar));
    ck_assert_float_eq(scalar, 1);
}
END_TEST

/* The shorter side's vectors are orthogonal and as long as the gain. */
static void check_orthogonal(kiln_shape shape, double gain, const char *source)
{
    float *v = fill(source, shape, 5, 0);
    size_t columns = (size_t)shape.dims[shape.rank - 1];
    size_t rows = (size_t)kiln_shape_size(shape) / columns;
    bool by_rows = rows < columns;
    size_t few = by_rows ? rows : columns, many = by_rows ? columns : rows;
    for (size_t i = 0; i < few; i++)
        for (size_t j = 0; j <= i; j++) {
            double dot = 0;
            for (size_t k = 0; k < many; k++)
                dot += by_rows ? (double)v[i * columns + k] * v[j * columns + k]
                               : (double)v[k * columns + i] * v[k * columns + j];
            ck_assert_double_lt(fabs(dot - (i == j ? gain * gain : 0)), 1e-6 * gain * gain);
        }
    free(v);
}

START_TEST(orthogonal)
{
    check_orthogonal((kiln_shape){2, {40, 40}}, 1, "orthogonal");
    check_orthogonal((kiln_shape){2, {64, 16}}, 2, "orthogonal(gain=2)");
    check_orthogonal((kiln_shape){2, {16, 65}}, 1, "Orthogonal");
    check_orthogonal((kiln_shape){4, {3, 3, 4, 10}}, 1, "OrthogonalInitializer");
    check_orthogonal((kiln_shape){2, {1, 7}}, 1, "orthogonal");
}
END_TEST

START_TEST(streams)
{
    const kiln_shape kernel = KERNEL;
    float *a = fill("he_normal", kernel, 1, 0), *b = fill("he_normal", kernel, 1, 0);
    float *c = fill("he_normal", kernel, 1, 1), *d = fill("he_normal", kernel, 2, 0);
    float *e = fill("he_normal(seed=9)", kernel, 1, 0),
          *f = fill("he_normal(seed=9)", kernel, 2, 5);
    size_t bytes = (size_t)kiln_shape_size(kernel) * sizeof *a;
    ck_assert_mem_eq(a, b, bytes);
    ck_assert_mem_ne(a, c, bytes);
    ck_assert_mem_ne(a, d, bytes);
    ck_assert_mem_eq(e, f, bytes); /* a seed of its own */
    ck_assert_mem_ne(a, e, bytes);
    free(a), free(b), free(c), free(d), free(e), free(f);
}
END_TEST

START_TEST(bad)
{
    float v[8];
    harness_fails(initializer_fill("orthogonal", (kiln_shape){1, {4}}, 1, 0, v), KILN_ERROR_SHAPE,
                  "initializer \"orthogonal\" needs a weight of two axes or more, not (4,)");
    harness_fails(initializer_fill("identity", (kiln_shape){1, {4}}, 1, 0, v), KILN_ERROR_SHAPE,
                  "initializer \"identity\" needs a weight of two axes, not (4,)");
    harness_fails(initializer_fill("zeros", (kiln_shape){2, {INT64_MAX, 9}}, 1, 0, v),
                  KILN_ERROR_MEMORY, "larger than any memory");
    harness_fails(initializer_fill("nothing", (kiln_shape){1, {4}}, 1, 0, v), KILN_ERROR_ARGUMENT,
                  "unknown initializer");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("initializer");
    TCase *tests = tcase_create("initializer");
    tcase_add_loop_test(tests, distribution, 0, sizeof cases / sizeof *cases);
    tcase_add_test(tests, constants);
    tcase_add_test(tests, orthogonal);
    tcase_add_test(tests, streams);
    tcase_add_test(tests, bad);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
