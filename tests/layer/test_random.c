/* Layers that draw: shares, means, variances, ranges and independence of many draws, and the same
 * bits from the same seed. Every bound is five deviations of what true draws would do, and the seed
 * is fixed, so that a test that passes goes on passing. */
#include "runner.h"

#include <math.h>

enum { SIDE = 9, MIDDLE = SIDE / 2, CHANNELS = 8, WIDE = 32 };

/* What each layer is given and what its output is looked at for. */
enum { DROPOUT, SPATIAL, NOISE, GAUSSIAN, FLIP, SHIFT, TURN, ZOOM, CONTRAST, KINDS };

typedef struct draws {
    uint32_t rows;
    float *y[KINDS];
    size_t row[KINDS]; /* elements of one sample */
} draws;

static float *numbers(size_t count)
{
    float *values = calloc(count, sizeof *values);
    ck_assert_ptr_nonnull(values);
    return values;
}

/* The network: every layer on an input of its own. */
typedef struct network {
    runner r;
    ir_id outputs[KINDS];
    kiln_layer *layers[KINDS];
    uint32_t rows;
} network;

static kiln_shape shape_of(int kind, uint32_t rows)
{
    switch (kind) {
    case SPATIAL:
        return KILN_SHAPE(rows, 2, 2, CHANNELS);
    case FLIP:
        return KILN_SHAPE(rows, 1, 2, 1);
    case CONTRAST:
        return KILN_SHAPE(rows, 2, 1, 1);
    case SHIFT:
    case TURN:
    case ZOOM:
        return KILN_SHAPE(rows, SIDE, SIDE, 2);
    default:
        return KILN_SHAPE(rows, WIDE);
    }
}

/* Pictures say where their pixels are: in their channels y and x, so that a moved one says where
 * each pixel came from. */
static float element(int kind, size_t i)
{
    switch (kind) {
    case NOISE:
        return 0;
    case FLIP:
        return (float)(i % 2);
    case CONTRAST:
        return i % 2 ? 1 : -1;
    case SHIFT:
    case TURN:
    case ZOOM:
        return (float)(i % 2 ? i / 2 % SIDE : i / 2 / SIDE % SIDE);
    default:
        return 1;
    }
}

static void open_network(network *n, kiln_device *device, uint32_t rows)
{
    kiln_layer *layers[KINDS] = {
        kiln_dropout(0.3),
        kiln_spatial_dropout2d(0.3),
        kiln_gaussian_noise(0.5),
        kiln_gaussian_dropout(0.2),
        kiln_random_flip("horizontal"),
        kiln_random_translation(0.25, .width_factor = 0.125, .fill_mode = "nearest"),
        kiln_random_rotation(0.1, .fill_mode = "nearest"),
        kiln_random_zoom(0.3, .fill_mode = "nearest"),
        kiln_random_contrast(0, .factor_range = {0.2, 0.4}, .value_range = {-9, 9}),
    };
    *n = (network){.rows = rows};
    runner_start(&n->r, device);
    layer_call call = {.graph = &n->r.graph, .training = true, .loss = IR_NONE};
    for (int k = 0; k < KINDS; k++) {
        ck_assert_msg(layers[k] != NULL, "%s", kiln_last_error());
        n->layers[k] = layers[k];
        kiln_shape shape = shape_of(k, rows);
        size_t count = (size_t)kiln_shape_size(shape);
        float *x = numbers(count);
        for (size_t i = 0; i < count; i++)
            x[i] = element(k, i);
        harness_ok(
            layers[k]->cls->call(layers[k], &call, runner_input(&n->r, shape, x), &n->outputs[k]));
        free(x);
    }
}

static void close_network(network *n)
{
    runner_end(&n->r);
    for (int k = 0; k < KINDS; k++)
        kiln_layer_free(n->layers[k]);
}

static draws run(network *n, runner_draws which)
{
    draws d = {.rows = n->rows};
    for (int k = 0; k < KINDS; k++) {
        size_t count = (size_t)kiln_shape_size(shape_of(k, n->rows));
        d.row[k] = count / n->rows;
        d.y[k] = numbers(count);
    }
    runner_run_with(&n->r, which, n->rows, KINDS, n->outputs, d.y);
    return d;
}

static void free_draws(draws *d)
{
    for (int k = 0; k < KINDS; k++)
        free(d->y[k]);
}

/* ---- what draws are like ---- */

typedef struct moments {
    double mean, variance, following; /* the correlation of each with the next */
} moments;

static moments moments_of(const double *v, size_t n)
{
    moments m = {0};
    for (size_t i = 0; i < n; i++)
        m.mean += v[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        m.variance += (v[i] - m.mean) * (v[i] - m.mean) / (double)n;
    for (size_t i = 0; i + 1 < n; i++)
        m.following += (v[i] - m.mean) * (v[i + 1] - m.mean) / (double)n / m.variance;
    return m;
}

static double correlation(const double *a, const double *b, size_t n)
{
    moments x = moments_of(a, n), y = moments_of(b, n);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (a[i] - x.mean) * (b[i] - y.mean) / (double)n;
    return sum / sqrt(x.variance * y.variance);
}

static void near(const char *what, double found, double wanted, double deviation)
{
    ck_assert_msg(fabs(found - wanted) <= 5 * deviation, "%s is %g, not %g within 5 times %g", what,
                  found, wanted, deviation);
}

/* Draws of a distribution with this mean, variance and kurtosis, each independent of the next. */
static void check_moments(const char *name, const double *v, size_t n, double mean, double variance,
                          double kurtosis)
{
    moments m = moments_of(v, n);
    char what[64];
    snprintf(what, sizeof what, "the mean of %s", name);
    near(what, m.mean, mean, sqrt(variance / (double)n));
    snprintf(what, sizeof what, "the variance of %s", name);
    near(what, m.variance, variance, variance * sqrt((kurtosis - 1) / (double)n));
    snprintf(what, sizeof what, "the correlation of neighbours of %s", name);
    near(what, m.following, 0, 1 / sqrt((double)n));
}

static void check_uniform(const char *name, const double *v, size_t n, double low, double high)
{
    double width = high - low;
    size_t quarters[4] = {0};
    char what[64];
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(v[i] >= low - 1e-4 && v[i] <= high + 1e-4, "%s draws %g", name, v[i]);
        int q = (int)(4 * (v[i] - low) / width);
        quarters[q < 0 ? 0 : q > 3 ? 3 : q]++;
    }
    check_moments(name, v, n, low + width / 2, width * width / 12, 1.8);
    snprintf(what, sizeof what, "a quarter of the range of %s", name);
    for (int q = 0; q < 4; q++)
        near(what, (double)quarters[q], (double)n / 4, sqrt(3 * (double)n / 16));
}

/* Draws that are 1 with this probability, else 0, whose variance is known with their mean. */
static void check_share(const char *name, const double *v, size_t n, double share)
{
    moments m = moments_of(v, n);
    char what[64];
    snprintf(what, sizeof what, "the share of %s", name);
    near(what, m.mean, share, sqrt(share * (1 - share) / (double)n));
    snprintf(what, sizeof what, "the correlation of neighbours of %s", name);
    near(what, m.following, 0, 1 / sqrt((double)n));
}

/* ---- by layer: one number for each draw ---- */

/* How many draws there are of a kind, and what they were; the caller's. */
static double *drawn(const draws *d, int kind, size_t *count)
{
    size_t row = d->row[kind];
    *count = d->rows;
    if (kind == DROPOUT || kind == NOISE || kind == GAUSSIAN)
        *count = d->rows * row;
    if (kind == SPATIAL)
        *count = d->rows * CHANNELS;
    double *v = calloc(*count, sizeof *v);
    ck_assert_ptr_nonnull(v);
    for (size_t i = 0; i < *count; i++) {
        const float *y = d->y[kind] + i * row;
        /* The channels y and x of a pixel beside the middle. */
        const float *pixel = y + 2 * (MIDDLE * SIDE + MIDDLE + (kind == SHIFT ? 0 : 2));
        switch (kind) {
        case DROPOUT:
            v[i] = d->y[kind][i] != 0;
            break;
        case SPATIAL:
            v[i] = d->y[kind][i / CHANNELS * row + i % CHANNELS] != 0;
            break;
        case FLIP:
            v[i] = (double)y[0];
            break;
        case SHIFT:
            v[i] = (double)pixel[0] - MIDDLE;
            break;
        case TURN:
            v[i] = atan2((double)pixel[0] - MIDDLE, (double)pixel[1] - MIDDLE);
            break;
        case ZOOM:
            v[i] = ((double)pixel[1] - MIDDLE) / 2;
            break;
        case CONTRAST:
            v[i] = (double)y[1];
            break;
        default:
            v[i] = (double)d->y[kind][i];
        }
    }
    return v;
}

static void check_kind(const draws *d, int kind)
{
    static const double turn = 0.1 * 2 * 3.14159265358979;
    size_t n;
    double *v = drawn(d, kind, &n), *across = calloc(n, sizeof *across);
    size_t row = d->row[kind];
    switch (kind) {
    case DROPOUT:
        check_share("Dropout", v, n, 0.7);
        for (size_t i = 0; i < n; i++)
            ck_assert(d->y[kind][i] == 0 || fabs((double)d->y[kind][i] - 1 / 0.7) < 1e-6);
        break;
    case SPATIAL:
        check_share("SpatialDropout2D", v, n, 0.7);
        for (size_t i = 0; i < d->rows * row; i++) /* whole channels */
            ck_assert_float_eq(d->y[kind][i], d->y[kind][i / row * row + i % CHANNELS]);
        break;
    case NOISE:
        check_moments("GaussianNoise", v, n, 0, 0.25, 3);
        for (size_t i = 0; i < n; i++)
            across[i] = fabs(v[i]) < 0.5;
        check_share("GaussianNoise within a deviation", across, n, 0.682689);
        break;
    case GAUSSIAN:
        check_moments("GaussianDropout", v, n, 1, 0.25, 3);
        break;
    case FLIP:
        check_share("RandomFlip", v, n, 0.5);
        break;
    case SHIFT:
        check_uniform("RandomTranslation's height", v, n, -0.25 * SIDE, 0.25 * SIDE);
        for (size_t i = 0; i < n; i++)
            across[i] = (double)d->y[kind][i * row + 2 * (MIDDLE * SIDE + MIDDLE) + 1] - MIDDLE;
        check_uniform("RandomTranslation's width", across, n, -0.125 * SIDE, 0.125 * SIDE);
        near("the correlation of height and width", correlation(v, across, n), 0,
             1 / sqrt((double)n));
        break;
    case TURN:
        check_uniform("RandomRotation", v, n, -turn, turn);
        break;
    case ZOOM:
        check_uniform("RandomZoom", v, n, 0.7, 1.3);
        break;
    case CONTRAST:
        check_uniform("RandomContrast", v, n, 0.8, 1.4);
        break;
    default:
        ck_abort();
    }
    free(v);
    free(across);
}

static uint32_t rows_for(const kiln_device *device)
{
    return harness_is_slow(device) ? 128 : 1024;
}

START_TEST(statistics)
{
    HARNESS_EACH_DEVICE(device)
    {
        network n;
        open_network(&n, device, rows_for(device));
        draws d = run(&n, (runner_draws){.seed = 3});
        for (int k = 0; k < KINDS; k++)
            check_kind(&d, k);
        free_draws(&d);
        close_network(&n);
    }
}
END_TEST

static void check_unlike(const draws *a, const draws *b, const char *what)
{
    for (int k = 0; k < KINDS; k++) {
        size_t n;
        double *x = drawn(a, k, &n), *y = drawn(b, k, &n);
        near(what, correlation(x, y, n), 0, 1 / sqrt((double)n));
        free(x);
        free(y);
    }
}

START_TEST(seeds_steps_and_samples)
{
    HARNESS_EACH_DEVICE(device)
    {
        network n;
        open_network(&n, device, rows_for(device));
        draws first = run(&n, (runner_draws){.seed = 3}),
              again = run(&n, (runner_draws){.seed = 3}),
              other = run(&n, (runner_draws){.seed = 4}),
              next = run(&n, (runner_draws){.seed = 3, .step = 1}),
              moved = run(&n, (runner_draws){.seed = 3, .sample = 1});
        for (int k = 0; k < KINDS; k++) {
            size_t row = first.row[k], count = row * (first.rows - 1);
            ck_assert_msg(memcmp(first.y[k], again.y[k], (count + row) * sizeof(float)) == 0,
                          "kind %d: the same seed, other bits", k);
            /* A sample draws by its number, wherever in a batch it is. */
            ck_assert_msg(memcmp(first.y[k] + row, moved.y[k], count * sizeof(float)) == 0,
                          "kind %d: the same sample, other bits", k);
        }
        check_unlike(&first, &other, "the correlation of two seeds");
        check_unlike(&first, &next, "the correlation of two steps");
        draws *all[] = {&first, &again, &other, &next, &moved};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            free_draws(all[i]);
        close_network(&n);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("random");
    TCase *cases = tcase_create("random");
    tcase_add_test(cases, statistics);
    tcase_add_test(cases, seeds_steps_and_samples);
    suite_add_tcase(suite, cases);
    return harness_run(suite);
}
