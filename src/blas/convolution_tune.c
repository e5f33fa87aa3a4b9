/* Convolutions by name, with the sizes their kernels may have, and their results beside the host's.
 */
#include "blas/convolution_tune.h"

#include "blas/convolution_inside.h"

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
    if (c->pool[2] && length < RECORD_TEXT)
        write_axes(out + length, (size_t)(RECORD_TEXT - length), "pool", c->pool);
    if (c->unpool[2] && length < RECORD_TEXT)
        write_axes(out + length, (size_t)(RECORD_TEXT - length), "unpool", c->unpool);
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
    static const char *const poolings[] = {" pool=%" SCNd64 ",%" SCNd64 ",%" SCNd64 "%n",
                                           " unpool=%" SCNd64 ",%" SCNd64 ",%" SCNd64 "%n"};
    for (int i = 0; i < 2; i++) {
        int used = 0;
        int64_t *v = i ? c->unpool : c->pool;
        const int64_t *of = i && !c->splits ? c->input : c->output;
        if (sscanf(from + at, poolings[i], &v[0], &v[1], &v[2], &used) != 3)
            continue;
        at += used;
        for (int a = 0; a < CONVOLUTION_AXES; a++)
            sane = sane && v[a] > 0 && v[a] <= of[a];
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
    const int cell = c->pool[2] ? (int)(c->pool[1] * c->pool[2]) : 1; /* a register tile is of whole cells */
    int count = 0;
    /* The other way, by its rule. */
    add(device, c, from, (convolution_tile){.winograd = !from->winograd}, out, &count);
    for (int i = 0; i < 4; i++) {
        convolution_tile t = *from;
        t.rm += steps[i] * (t.winograd ? 1 : cell);
        if (t.rm > 0 && t.rm <= (cell > 1 ? 32 : 16) && t.rm * t.rn / 16 <= 32 && !c->unpool[2])
            add(device, c, from, t, out, &count);
    }
    for (int way = -1; way <= 1; way += 2) {
        convolution_tile t = *from;
        t.rn = !c->unpool[2] ? t.rn + 16 * way : way < 0 ? t.rn / 2 : 2 * t.rn;
        while (t.rm > (t.winograd ? 1 : cell) && t.rm * t.rn / 16 > 32)
            t.rm -= t.winograd ? 1 : cell;
        if (t.rn >= 16 && t.rn <= 64) {
            if (!c->unpool[2])
                t.tn = from->tn / from->rn * t.rn;
            add(device, c, from, t, out, &count);
        }
        t = *from;
        t.rows = way < 0 ? t.rows / 2 : 2 * t.rows;
        if (t.rows > 0)
            add(device, c, from, t, out, &count);
        t = *from;
        t.tn = way < 0 ? t.tn / 2 : 2 * t.tn;
        if (t.tn >= t.rn || c->unpool[2])
            add(device, c, from, t, out, &count);
    }
    return count;
}

/* ---- the host's result ---- */

enum { MOST_CELL = 64 };
static const int64_t no_pooling[CONVOLUTION_AXES];

/* Which element of its window the pooled one `i` is in a trial: by no pattern that a kernel could be right with by chance. */
static uint32_t trial_index(const blas_convolution *c, size_t i)
{
    return ((uint32_t)i * 2654435761u >> 16) % (uint32_t)(c->unpool[1] * c->unpool[2]);
}

void convolution_hooks(const blas_convolution *c, bool serial, text *out)
{
    if (!serial)
        blas_convolution_loader(c, "kiln_product", "float", out);
    if (c->pool[2])
        text_add(out, "#define KILN_STORE_C16(batch, row, col, v, index) "
                      "vstore16((row) & 1 ? (index) : (v), 0, c + KILN_C_AT(batch, row, col))\n");
    if (c->unpool[2])
        text_add(out,
                 "#define KILN_INDEX(i) (((uint)(i) * 2654435761u >> 16) %% %uu)\n"
                 "#define KILN_INDEX16(i) convert_float16((((uint16)(uint)(i) + (uint16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, "
                 "10, 11, 12, 13, 14, 15)) * 2654435761u >> 16) %% %uu)\n",
                 (unsigned)(c->unpool[1] * c->unpool[2]), (unsigned)(c->unpool[1] * c->unpool[2]));
}

void convolution_sizes(const blas_convolution *c, size_t size[3])
{
    const int64_t *of_x = c->splits ? no_pooling : c->unpool, *of_y = c->splits ? c->unpool : c->pool;
    const int64_t x = c->batch * convolution_all_cells(of_x, c->input) * c->channels,
                  y = c->batch * convolution_all_cells(of_y, c->output) * c->filters,
                  k = convolution_all(c->size) * (c->channels / c->groups) * c->filters;
    size[0] = (size_t)x;
    size[1] = (size_t)(c->splits ? y : k);
    size[2] = (size_t)(c->splits ? c->splits * k : y);
}

/* The element at a place of a map of the axes `of`; of one that is not written down, from its windows. */
static double map_at(const blas_convolution *c, const float *x, bool pooled, const int64_t *of, int64_t channels,
                     int64_t image, const int64_t *place, int64_t channel)
{
    const int64_t *cell = pooled ? c->unpool : no_pooling;
    int64_t at = image, within = 0;
    for (int a = 0; a < CONVOLUTION_AXES; a++) {
        const int64_t cells = convolution_cells(cell, of, a), one = cell[a] ? cell[a] : 1;
        if (place[a] / one >= cells)
            return 0;
        at = at * cells + place[a] / one;
        within = within * one + place[a] % one;
    }
    const size_t i = (size_t)(at * channels + channel);
    return pooled && trial_index(c, i) != (uint32_t)within ? 0 : (double)x[i];
}

/* Along each axis, of a number that counts them all. */
static void place_of(int64_t number, const int64_t *of, int64_t place[CONVOLUTION_AXES])
{
    for (int a = CONVOLUTION_AXES - 1; a >= 0; a--) {
        place[a] = number % of[a];
        number /= of[a];
    }
}

/* What a tap reads of a channel at an output; 0 outside. */
static double window(const blas_convolution *c, const float *x, int64_t image, int64_t pixel,
                     int64_t tap, int64_t channel)
{
    int64_t place[CONVOLUTION_AXES], tap_place[CONVOLUTION_AXES];
    place_of(pixel, c->output, place);
    place_of(tap, c->size, tap_place);
    for (int a = 0; a < CONVOLUTION_AXES; a++) {
        const int64_t p = place[a] * c->stride[a] - c->before[a] + tap_place[a] * c->dilation[a];
        if (p < 0 || p % c->spread[a] || p / c->spread[a] >= c->input[a])
            return 0;
        place[a] = p / c->spread[a];
    }
    return map_at(c, x, c->unpool[2] && !c->splits, c->input, c->channels, image, place, channel);
}

/* A sum of the gradient of the kernel, and the sum of the magnitudes of its terms. */
static double kernel_element(const blas_convolution *c, const float *x, const float *y, int64_t row, int64_t filter,
                             double *magnitude)
{
    const int64_t channels = c->channels / c->groups, group = filter / (c->filters / c->groups),
                  rows = convolution_all(c->size) * channels, images = c->batch / c->splits, k = row % rows,
                  part = row / rows;
    double sum = 0;
    *magnitude = 0;
    for (int64_t i = part * images; i < (part + 1) * images; i++)
        for (int64_t p = 0; p < convolution_all(c->output); p++) {
            int64_t place[CONVOLUTION_AXES];
            place_of(p, c->output, place);
            const double term = window(c, x, i, p, k / channels, group * channels + k % channels) *
                                map_at(c, y, c->unpool[2] > 0, c->output, c->filters, i, place, filter);
            sum += term;
            *magnitude += fabs(term);
        }
    return sum;
}

/* An output, the same way. */
static double output_element(const blas_convolution *c, const float *x, const float *y, int64_t image, int64_t pixel,
                             int64_t filter, double *magnitude)
{
    const int64_t channels = c->channels / c->groups, group = filter / (c->filters / c->groups);
    double sum = 0;
    *magnitude = 0;
    for (int64_t k = 0; k < convolution_all(c->size) * channels; k++) {
        const double term = window(c, x, image, pixel, k / channels, group * channels + k % channels) *
                            (double)y[k * c->filters + filter];
        sum += term;
        *magnitude += fabs(term);
    }
    return sum;
}

/* May an element of the pooled result, or an index in its place, be `got`? */
static bool pooled_is_right(const blas_convolution *c, const float *x, const float *y, int64_t row, int64_t filter,
                            double got)
{
    int64_t cells[CONVOLUTION_AXES], place[CONVOLUTION_AXES];
    double sums[MOST_CELL], largest = -INFINITY, tolerance = 0;
    for (int a = 0; a < CONVOLUTION_AXES; a++)
        cells[a] = convolution_cells(c->pool, c->output, a);
    const int64_t all = convolution_all(cells), size = c->pool[1] * c->pool[2];
    place_of(row % all, cells, place);
    for (int64_t i = 0; i < size; i++) {
        double magnitude;
        const int64_t y0 = place[1] * c->pool[1] + i / c->pool[2], x0 = place[2] * c->pool[2] + i % c->pool[2];
        sums[i] = output_element(c, x, y, row / all, (place[0] * c->output[1] + y0) * c->output[2] + x0, filter, &magnitude);
        largest = fmax(largest, sums[i]);
        tolerance = fmax(tolerance, 1e-5 * magnitude + 1e-5);
    }
    if (row & 1)
        return got >= 0 && got < (double)size && got == floor(got) && sums[(int)got] >= largest - 2 * tolerance;
    return fabs(got - largest) <= tolerance;
}

static bool element_is_right(const blas_convolution *c, const float *x, const float *y, int64_t index, double got)
{
    const int64_t row = index / c->filters, filter = index % c->filters, pixels = convolution_all(c->output);
    double magnitude;
    if (c->pool[2])
        return pooled_is_right(c, x, y, row, filter, got);
    const double want = c->splits ? kernel_element(c, x, y, row, filter, &magnitude)
                                  : output_element(c, x, y, row / pixels, row % pixels, filter, &magnitude);
    return fabs(got - want) <= 1e-5 * magnitude + 1e-5;
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
        if (!element_is_right(c, x, y, index, (double)result[index]))
            return false;
    }
    return true;
}
