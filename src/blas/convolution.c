#include "blas/convolution.h"

#include "base/env.h"
#include "blas/convolution_inside.h"
#include "blas/convolution_tune.h"
#include "blas/tune.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int64_t convolution_all(const int64_t *sizes)
{
    return sizes[0] * sizes[1] * sizes[2];
}

static int64_t gcd(int64_t x, int64_t y)
{
    return y ? gcd(y, x % y) : x;
}

int64_t convolution_all_cells(const int64_t *pool, const int64_t *of)
{
    return convolution_cells(pool, of, 0) * convolution_cells(pool, of, 1) * convolution_cells(pool, of, 2);
}

blas_product blas_convolution_product(const blas_convolution *c)
{
    int64_t pixels = c->batch * convolution_all_cells(c->pool, c->output) *
                     (c->pool[2] ? c->pool[0] * c->pool[1] * c->pool[2] : 1),
            channels = c->channels / c->groups, filters = c->filters / c->groups,
            k = convolution_all(c->size) * channels;
    blas_product p = {.m = pixels, .n = filters, .k = k, .lda = k, .batch = {1, c->groups}};
    p.ldb = p.ldc = c->filters;
    p.stride_b[1] = p.stride_c[1] = filters;
    if (c->splits) {
        p.m = p.lda = k;
        p.k = pixels / c->splits;
        p.transpose_a = true;
        p.batch[0] = c->splits;
        p.stride_b[0] = p.k * c->filters;
        p.stride_c[0] = k * c->filters;
    }
    return p;
}

/* ---- the templates for devices whose work-items are threads ---- */

static const char axis_names[] = "DHW";

void convolution_define(text *t, const char *name, int64_t value)
{
    text_add(t, "#define KILN_%s %" PRId64 "\n", name, value);
}

static void define_geometry(const blas_convolution *c, text *t)
{
    const struct {
        char name;
        const int64_t *values;
    } of_axes[] = {{'I', c->input},    {'O', c->output}, {'K', c->size},  {'S', c->stride},
                   {'D', c->dilation}, {'E', c->spread}, {'B', c->before}};
    for (size_t i = 0; i < sizeof of_axes / sizeof *of_axes; i++)
        for (int a = 0; a < CONVOLUTION_AXES; a++)
            convolution_define(t, (char[]){of_axes[i].name, axis_names[a], 0},
                               of_axes[i].values[a]);
    convolution_define(t, "BATCH", c->batch);
    convolution_define(t, "G", c->groups);
    convolution_define(t, "C", c->channels / c->groups);
    convolution_define(t, "F", c->filters / c->groups);
}

/* Whether every window lies inside the input along an axis. */
static bool inside(const blas_convolution *c, int axis)
{
    int64_t last = (c->output[axis] - 1) * c->stride[axis] - c->before[axis] +
                   (c->size[axis] - 1) * c->dilation[axis];
    return c->before[axis] <= 0 && last < c->input[axis];
}

tile convolution_registers(const kiln_device *device, int64_t m, int64_t n, int64_t k, int64_t distance)
{
    tile t = {.serial = true};
    blas_product p = blas_plain(m, n, k, false, false);
    p.lda = distance;
    p.batch[0] = device->info.compute_units ? device->info.compute_units : 1;
    tile_registers(device, &p, &t);
    if (t.rm > m)
        t.rm = (int)m;
    return t;
}

/* A register tile of these sizes, where they can be, of at most so many pixels. */
static void wish_registers(const convolution_tile *sizes, int64_t most, int64_t filters, tile *t)
{
    if (sizes->rn >= 16 && sizes->rn <= 64 && sizes->rn % 16 == 0 &&
        (sizes->rn <= filters || sizes->rn == 16))
        t->rn = sizes->rn;
    if (sizes->rm >= 1 && sizes->rm <= 16 && sizes->rm <= most)
        t->rm = sizes->rm;
}

/* The filters of an item: whole register tiles. */
static int64_t wish_filters(const convolution_tile *sizes, int64_t filters, const tile *t,
                            int64_t rule)
{
    int64_t most = convolution_blocks(filters, t->rn) * t->rn, tn = sizes->tn / t->rn * t->rn;
    return tn < t->rn ? rule : convolution_smaller(tn, most);
}

static void forward(const kiln_device *device, const blas_convolution *c, blas_choice *choice,
                    convolution_tile *sizes, text *t)
{
    int64_t w = CONVOLUTION_AXES - 1, channels = c->channels / c->groups,
            filters = c->filters / c->groups,
            phases = c->spread[w] / gcd(c->spread[w], c->stride[w]),
            taps = convolution_all(c->size),
            units = device->info.compute_units ? device->info.compute_units : 1;
    bool pack = c->spread[w] > 1 || !inside(c, (int)w), pools = c->pool[w] > 0;
    int64_t pool_w = pools ? c->pool[w] : 1, pool_h = pools ? c->pool[1] : 1,
            lines = convolution_cells(c->pool, c->output, 1);
    if (pools)
        pack = pack || !inside(c, 0) || !inside(c, 1);
    tile t0 = convolution_registers(device, c->output[w] / phases ? c->output[w] / phases : 1, filters,
                            taps * channels, phases * c->stride[w] / c->spread[w] * channels);
    if (phases > c->output[w])
        phases = c->output[w]; /* each pixel is a tile */
    if (pools)
        convolution_pooled_tile(device, c, sizes, &t0);
    else
        wish_registers(sizes, c->output[w] / phases, filters, &t0);
    int64_t reach = 0;
    for (;; t0.rm = pools ? (int)(pool_h * pool_w) : (t0.rm + 1) / 2) {
        reach = ((t0.rm / pool_h - 1) * phases * c->stride[w] + (c->size[w] - 1) * c->dilation[w]) /
                    c->spread[w] +
                1;
        if (t0.rm <= pool_h * pool_w ||
            reach * c->size[0] * c->size[1] * pool_h * channels <= CONVOLUTION_PACKED)
            break;
    }
    /* An item's filters: all, when their part of the kernel stays in the second cache. */
    int64_t tn = taps * channels * filters <= 64 * 1024 ? convolution_blocks(filters, t0.rn) * t0.rn : t0.rn;
    tn = wish_filters(sizes, filters, &t0, tn);
    int64_t slices = c->batch * c->output[0] * c->groups * convolution_blocks(filters, tn), rows = lines;
    while (rows > 1 && slices * convolution_blocks(lines, rows) < 8 * units)
        rows = (rows + 1) / 2;
    if (sizes->rows > 0)
        rows = convolution_smaller(sizes->rows, lines);
    if (sizes->whole)
        rows = lines;
    *sizes = (convolution_tile){false, t0.rm, t0.rn, (int)rows, (int)tn, sizes->whole};
    if (pools) {
        convolution_define(t, "PH", pool_h);
        convolution_define(t, "PW", pool_w);
    }
    convolution_define(t, "PHASES", phases);
    convolution_define(t, "PACK", pack);
    convolution_define(t, "ROWS", rows);
    convolution_define(t, "TN", tn);
    convolution_define(t, "RM", t0.rm);
    convolution_define(t, "RN", t0.rn);
    choice->file = "conv_serial.cl";
    choice->tile_m = t0.rm;
    choice->tile_n = t0.rn;
    choice->global[0] = (size_t)(slices * convolution_blocks(lines, rows));
}

/* Pixels that a strip of rows should have: enough to pay for taking the sums up again. */
enum { STRIP = 96, MOST_SUMS = 48 * 1024, SMALL = 13 };

static void weight_gradient(const kiln_device *device, const blas_convolution *c,
                            blas_choice *choice, convolution_tile *sizes, text *t)
{
    int64_t channels = c->channels / c->groups, filters = c->filters / c->groups,
            k = convolution_all(c->size) * channels, run = c->size[2] * channels,
            taps = c->size[0] * c->size[1];
    bool spread = c->spread[0] > 1 || c->spread[1] > 1 || c->spread[2] > 1;
    bool is_small = !spread && c->size[0] == 1 && k <= SMALL,
         gather = !is_small && (spread || c->dilation[2] > 1 || run < 8);
    bool pack = c->groups > 1 && channels > 1 ? true : !inside(c, 2);
    if (is_small)
        pack = pack || !inside(c, 0) || !inside(c, 1);
    if (is_small || gather) {
        run = k;
        taps = 1;
    }
    tile t0 = convolution_registers(device, run, filters, c->output[1] * c->output[2], 1);
    if (is_small) {
        t0.rm = (int)run;
        t0.rn = filters >= 32 ? 32 : 16;
    } else {
        wish_registers(sizes, run, filters, &t0);
    }
    int64_t tn = wish_filters(sizes, filters, &t0, convolution_blocks(filters, t0.rn) * t0.rn),
            length = convolution_blocks(run, t0.rm) * t0.rm, together = taps;
    while (tn > t0.rn && length * tn > MOST_SUMS && tn > 128)
        tn = convolution_blocks(tn / 2, t0.rn) * t0.rn;
    while (length > t0.rm && length * tn > MOST_SUMS)
        length = convolution_blocks(length / 2, t0.rm) * t0.rm;
    while (together > 1 && together * length * tn > MOST_SUMS)
        together = (together + 1) / 2;
    int64_t rows =
        convolution_smaller(sizes->rows > 0 ? sizes->rows : convolution_blocks(STRIP, c->output[2]), c->output[1]);
    int64_t reach = (c->output[2] - 1) * c->stride[2] + (c->size[2] - 1) * c->dilation[2] + 1;
    while (pack && !gather && rows > 1 &&
           c->size[0] * ((rows - 1) * c->stride[1] + (c->size[1] - 1) * c->dilation[1] + 1) *
                   reach * channels >
               CONVOLUTION_PACKED)
        rows = (rows + 1) / 2;
    while (gather && length > t0.rm && rows * c->output[2] * length > CONVOLUTION_PACKED)
        length = convolution_blocks(length / 2, t0.rm) * t0.rm;
    *sizes = (convolution_tile){false, t0.rm, t0.rn, (int)rows, (int)tn, false};
    convolution_define(t, "SPLITS", c->splits);
    convolution_define(t, "PACK", pack && !gather);
    convolution_define(t, "GATHER", gather);
    convolution_define(t, "SMALL", is_small);
    convolution_define(t, "TAPS", together);
    convolution_define(t, "RUN", length);
    convolution_define(t, "ROWS", rows);
    convolution_define(t, "TN", tn);
    convolution_define(t, "RM", t0.rm);
    convolution_define(t, "RN", t0.rn);
    choice->file = "conv_weight_serial.cl";
    choice->tile_m = t0.rm;
    choice->tile_n = t0.rn;
    choice->global[0] = (size_t)(convolution_blocks(run, length) * convolution_blocks(taps, together) *
                                 convolution_blocks(filters, tn) * c->splits * c->groups);
}

kiln_status convolution_describe(const kiln_device *device, const blas_convolution *c,
                                 const convolution_tile *wanted, blas_choice *choice,
                                 convolution_tile *taken)
{
    bool winograd = !(device->avoid & DEVICE_AVOID_WINOGRAD) && winograd_fits(c) &&
                    (wanted == NULL || wanted->winograd);
    convolution_tile sizes = {.winograd = winograd};
    if (wanted && wanted->winograd == winograd)
        sizes = *wanted;
    sizes.whole = wanted && wanted->whole;
    memset(choice, 0, sizeof *choice);
    choice->engine = BLAS_TILE;
    choice->serial = true;
    choice->dims = 1;
    choice->local[0] = 1;
    text t = {0};
    if (!c->unpool[2] && !winograd)
        define_geometry(c, &t);
    if (winograd)
        winograd_choose(device, c, choice, &sizes, &t);
    else if (c->unpool[2])
        convolution_unpooled(device, c, choice, &sizes, &t);
    else if (c->splits)
        weight_gradient(device, c, choice, &sizes, &t);
    else
        forward(device, c, choice, &sizes, &t);
    kiln_status status = KILN_OK;
    if (t.failed)
        status = KILN_ERROR_MEMORY;
    else if (t.length >= sizeof choice->defines)
        status = kiln_fail(KILN_ERROR_ARGUMENT,
                           "convolution: the sizes are too long to be written down");
    else
        memcpy(choice->defines, t.data, t.length + 1);
    text_free(&t);
    if (taken)
        *taken = sizes;
    return status;
}

/* What tuning has put on record for it. */
static bool on_record(kiln_device *device, const blas_convolution *c, convolution_tile *known)
{
    char key[RECORD_TEXT], value[RECORD_TEXT];
    if (env_tune_is_off())
        return false;
    if (blas_on_convolution)
        blas_on_convolution(c);
    convolution_write(c, key);
    return record_find(device, key, value) && convolution_tile_read(value, known);
}

kiln_status blas_choose_convolution(kiln_device *device, const blas_convolution *c,
                                    blas_choice *choice)
{
    if (!tile_kind_is_serial(device)) {
        const workload w = workload_of_convolution(c);
        if (blas_on_convolution && !env_tune_is_off())
            blas_on_convolution(c);
        return workload_choose(device, &w, choice);
    }
    convolution_tile known;
    bool found = on_record(device, c, &known);
    return convolution_describe(device, c, found ? &known : NULL, choice, NULL);
}

kiln_status blas_choose_images(kiln_device *device, const blas_convolution *c, blas_choice *choice)
{
    convolution_tile known, sizes = {.winograd = true};
    if (on_record(device, c, &known))
        sizes = known;
    sizes.whole = true;
    return convolution_describe(device, c, &sizes, choice, NULL);
}

/* ---- the operand loader for the other templates ---- */

void blas_convolution_window(const blas_convolution *c, const char *name, const char *stored,
                             text *out)
{
    int64_t channels = c->channels / c->groups, k = convolution_all(c->size) * channels;
    const char *type = c->batch * convolution_all(c->input) * c->channels >= INT32_MAX ||
                               c->batch * convolution_all(c->output) * k >= INT32_MAX
                           ? "ulong"
                           : "uint";
    text_add(out,
             "static float %s(__global const %s *a, const ulong a_offset, const uint "
             "group, const "
             "%s pixel, const uint k)\n{\nconst uint tap = k / %" PRId64
             "u;\n%s at = pixel / %" PRId64 "u;\n",
             name, stored, type, channels, type, convolution_all(c->output));
    int64_t outer_taps = convolution_all(c->size), outer = convolution_all(c->output);
    for (int a = 0; a < CONVOLUTION_AXES; a++) {
        outer_taps /= c->size[a];
        outer /= c->output[a];
        if (c->input[a] == 1 && c->output[a] == 1 && c->size[a] == 1 && c->before[a] == 0)
            continue;
        text_add(out,
                 "const int p%d = (int)(pixel / %" PRId64 "u %% %" PRId64 "u) * %" PRId64
                 " - (%" PRId64 ") + (int)(tap / %" PRId64 "u %% %" PRId64 "u) * %" PRId64 ";\n",
                 a, outer, c->output[a], c->stride[a], c->before[a], outer_taps, c->size[a],
                 c->dilation[a]);
        text_add(out, "if (p%d < 0 || p%d >= %" PRId64, a, a, c->input[a] * c->spread[a]);
        if (c->spread[a] > 1)
            text_add(out, " || p%d %% %" PRId64 " != 0", a, c->spread[a]);
        text_add(out, ")\n    return 0.0f;\nat = at * %" PRId64 "u + (%s)(p%d / %" PRId64 ");\n",
                 c->input[a], type, a, c->spread[a]);
    }
    text_add(out,
             "at = at * %" PRId64 "u + group * %" PRId64 "u + k %% %" PRId64 "u;\nreturn %s;\n}\n",
             c->channels, channels, channels,
             strcmp(stored, "half") == 0 ? "vload_half(a_offset + at, a)" : "a[a_offset + at]");
}

void blas_convolution_loader(const blas_convolution *c, const char *name, const char *stored, text *out)
{
    char window[64];
    snprintf(window, sizeof window, "%s_window", name);
    blas_convolution_window(c, window, stored, out);
    if (c->splits)
        text_add(out,
                 "#define KILN_LOAD_A(batch, row, k) %s(a, a_offset, (batch) %% %" PRId64
                 "u, (batch) / %" PRId64 "u * %" PRId64 "u + (k), row)\n",
                 window, c->groups, c->groups, c->batch / c->splits * convolution_all(c->output));
    else
        text_add(out, "#define KILN_LOAD_A(batch, row, k) %s(a, a_offset, batch, row, k)\n", window);
}
