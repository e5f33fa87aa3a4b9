/* Convolutions by name, with the sizes their kernels may have, and their results beside the host's.
 */
#include "blas/convolution_tune.h"

#include "blas/tile.h"
#include "blas/winograd.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void (*blas_on_convolution)(const blas_convolution *c);

/* ---- names ---- */

static int write_axes(char *out, size_t room, const char *name, const int64_t *of)
{
    return snprintf(out, room, " %s=%" PRId64 ",%" PRId64 ",%" PRId64, name, of[0], of[1], of[2]);
}

typedef struct named_axes {
    const char *name;
    int64_t *values;
} named_axes;

enum { AXES = 7 };
static void axes_of(blas_convolution *c, named_axes axes[AXES])
{
    const named_axes all[AXES] = {
        {"in", c->input},       {"out", c->output},    {"taps", c->size},    {"by", c->stride},
        {"apart", c->dilation}, {"spread", c->spread}, {"before", c->before}};
    memcpy(axes, all, sizeof all);
}

void convolution_write(const blas_convolution *c, char out[RECORD_TEXT])
{
    blas_convolution copy = *c;
    named_axes axes[AXES];
    axes_of(&copy, axes);
    int length =
        snprintf(out, RECORD_TEXT,
                 "conv %" PRId64 "x%" PRId64 "x%" PRId64 " groups=%" PRId64 " splits=%" PRId64,
                 c->batch, c->channels, c->filters, c->groups, c->splits);
    for (int i = 0; i < AXES && length < RECORD_TEXT; i++)
        length +=
            write_axes(out + length, (size_t)(RECORD_TEXT - length), axes[i].name, axes[i].values);
}

bool convolution_read(const char *from, blas_convolution *c)
{
    int at = 0;
    named_axes axes[AXES];
    memset(c, 0, sizeof *c);
    axes_of(c, axes);
    if (sscanf(from,
               "conv %" SCNd64 "x%" SCNd64 "x%" SCNd64 " groups=%" SCNd64 " splits=%" SCNd64 "%n",
               &c->batch, &c->channels, &c->filters, &c->groups, &c->splits, &at) != 5)
        return false;
    const int64_t most = 1 << 24;
    bool sane = c->batch > 0 && c->channels > 0 && c->filters > 0 && c->groups > 0 &&
                c->batch < most && c->channels < most && c->filters < most &&
                c->channels % c->groups == 0 && c->filters % c->groups == 0 && c->splits >= 0 &&
                (!c->splits || c->batch % c->splits == 0);
    for (int i = 0; i < AXES; i++) {
        char name[16];
        int used = 0;
        int64_t *v = axes[i].values;
        if (sscanf(from + at, " %15[a-z]=%" SCNd64 ",%" SCNd64 ",%" SCNd64 "%n", name, &v[0], &v[1],
                   &v[2], &used) != 4 ||
            strcmp(name, axes[i].name) != 0)
            return false;
        at += used;
        for (int a = 0; a < CONVOLUTION_AXES; a++)
            sane = sane && v[a] < most && v[a] > (axes[i].values == c->before ? -most : 0);
    }
    char again[RECORD_TEXT];
    convolution_write(c, again);
    return sane && strcmp(from, again) == 0;
}

void convolution_tile_write(const convolution_tile *t, char *out, size_t size)
{
    snprintf(out, size, "%s rm=%d rn=%d rows=%d tn=%d", t->winograd ? "winograd" : "direct", t->rm,
             t->rn, t->rows, t->tn);
}

bool convolution_tile_read(const char *from, convolution_tile *t)
{
    char way[16];
    memset(t, 0, sizeof *t);
    if (sscanf(from, "%15[a-z] rm=%d rn=%d rows=%d tn=%d", way, &t->rm, &t->rn, &t->rows, &t->tn) !=
        5)
        return false;
    t->winograd = strcmp(way, "winograd") == 0;
    return (t->winograd || strcmp(way, "direct") == 0) && t->rm > 0 && t->rn > 0 && t->rows > 0 &&
           t->tn > 0;
}

/* ---- what to try next ---- */

static void add(const kiln_device *device, const blas_convolution *c, const convolution_tile *from,
                convolution_tile wanted, convolution_tile out[CONVOLUTION_NEIGHBOURS], int *count)
{
    blas_choice choice;
    convolution_tile t;
    if (*count == CONVOLUTION_NEIGHBOURS || wanted.rm < 0 || wanted.rn < 0 || wanted.rows < 0 ||
        wanted.tn < 0 || convolution_describe(device, c, &wanted, &choice, &t) != KILN_OK ||
        memcmp(&t, from, sizeof t) == 0)
        return;
    for (int i = 0; i < *count; i++)
        if (memcmp(&out[i], &t, sizeof t) == 0)
            return;
    out[(*count)++] = t;
}

int convolution_neighbours(const kiln_device *device, const blas_convolution *c,
                           const convolution_tile *from,
                           convolution_tile out[CONVOLUTION_NEIGHBOURS])
{
    static const int steps[] = {1, -1, 2, -2};
    int count = 0;
    /* The other way, by its rule. */
    add(device, c, from, (convolution_tile){.winograd = !from->winograd}, out, &count);
    for (int i = 0; i < 4; i++) {
        convolution_tile t = *from;
        t.rm += steps[i];
        if (t.rm > 0 && t.rm <= 16 && t.rm * t.rn / 16 <= 32)
            add(device, c, from, t, out, &count);
    }
    for (int way = -1; way <= 1; way += 2) {
        convolution_tile t = *from;
        t.rn += 16 * way;
        while (t.rm > 1 && t.rm * t.rn / 16 > 32)
            t.rm--;
        if (t.rn >= 16 && t.rn <= 64) {
            t.tn = from->tn / from->rn * t.rn;
            add(device, c, from, t, out, &count);
        }
        t = *from;
        t.rows = way < 0 ? t.rows / 2 : 2 * t.rows;
        if (t.rows > 0)
            add(device, c, from, t, out, &count);
        t = *from;
        t.tn = way < 0 ? t.tn / 2 : 2 * t.tn;
        if (t.tn >= t.rn)
            add(device, c, from, t, out, &count);
    }
    return count;
}

/* ---- the host's result ---- */

void convolution_sizes(const blas_convolution *c, size_t size[3])
{
    const int64_t x = c->batch * convolution_all(c->input) * c->channels,
                  y = c->batch * convolution_all(c->output) * c->filters,
                  k = convolution_all(c->size) * (c->channels / c->groups) * c->filters;
    size[0] = (size_t)x;
    size[1] = (size_t)(c->splits ? y : k);
    size[2] = (size_t)(c->splits ? c->splits * k : y);
}

/* What a tap reads of a channel at an output; 0 outside. */
static double window(const blas_convolution *c, const float *x, int64_t image, int64_t pixel,
                     int64_t tap, int64_t channel)
{
    int64_t at = 0, outer = convolution_all(c->output), taps = convolution_all(c->size);
    for (int a = 0; a < CONVOLUTION_AXES; a++) {
        outer /= c->output[a];
        taps /= c->size[a];
        const int64_t p = pixel / outer % c->output[a] * c->stride[a] - c->before[a] +
                          tap / taps % c->size[a] * c->dilation[a];
        if (p < 0 || p % c->spread[a] || p / c->spread[a] >= c->input[a])
            return 0;
        at = at * c->input[a] + p / c->spread[a];
    }
    return (double)x[(image * convolution_all(c->input) + at) * c->channels + channel];
}

static double element(const blas_convolution *c, const float *x, const float *y, int64_t index,
                      double *magnitude)
{
    const int64_t filter = index % c->filters, row = index / c->filters,
                  channels = c->channels / c->groups, group = filter / (c->filters / c->groups),
                  taps = convolution_all(c->size), pixels = convolution_all(c->output);
    double sum = 0;
    *magnitude = 0;
    if (c->splits) {
        const int64_t images = c->batch / c->splits, k = row % (taps * channels),
                      part = row / (taps * channels);
        for (int64_t i = part * images; i < (part + 1) * images; i++)
            for (int64_t p = 0; p < pixels; p++) {
                const double term =
                    window(c, x, i, p, k / channels, group * channels + k % channels) *
                    (double)y[(i * pixels + p) * c->filters + filter];
                sum += term;
                *magnitude += fabs(term);
            }
        return sum;
    }
    for (int64_t k = 0; k < taps * channels; k++) {
        const double term = window(c, x, row / pixels, row % pixels, k / channels,
                                   group * channels + k % channels) *
                            (double)y[k * c->filters + filter];
        sum += term;
        *magnitude += fabs(term);
    }
    return sum;
}

bool convolution_is_right(const blas_convolution *c, const float *x, const float *y,
                          const float *result)
{
    enum { SAMPLES = 64 };
    size_t size[3];
    convolution_sizes(c, size);
    for (size_t i = 0; i < size[2]; i++)
        if (!isfinite(result[i]))
            return false;
    uint64_t state = 88172645463325252u;
    for (int sample = 0; sample < SAMPLES; sample++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        const int64_t index = sample == 0   ? 0
                              : sample == 1 ? (int64_t)size[2] - 1
                                            : (int64_t)(state % size[2]);
        double magnitude, want = element(c, x, y, index, &magnitude);
        if (!(fabs((double)result[index] - want) <= 1e-5 * magnitude + 1e-5))
            return false;
    }
    return true;
}
