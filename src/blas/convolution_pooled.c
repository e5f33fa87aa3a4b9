/* A convolution with a maximum pooling behind it, in one kernel, and the gradients of such a convolution
 * (cl/conv_serial.cl, cl/conv_pooled_serial.cl). */
#include "blas/convolution_inside.h"

/* Sums of sixteen that registers hold. */
static int64_t most_sums(const kiln_device *device)
{
    tile t = convolution_registers(device, 1024, 1024, 1024, 1);
    return (int64_t)t.rm * t.rn / 16;
}

/* Rows or columns from one cell to the next, and those that a cell's windows cover. */
typedef struct cell_reach {
    int64_t step, span, map; /* map: what all cells cover */
} cell_reach;

/* Of the convolution whose gradient c is; in terms of this one, whatever c is. */
typedef struct pooled_geometry {
    int64_t stride[CONVOLUTION_AXES], before[CONVOLUTION_AXES], input[CONVOLUTION_AXES],
        output[CONVOLUTION_AXES], channels, filters;
    cell_reach reach[CONVOLUTION_AXES];
} pooled_geometry;

static pooled_geometry pooled(const blas_convolution *c)
{
    pooled_geometry g = {.channels = c->splits ? c->channels : c->filters,
                         .filters = c->splits ? c->filters : c->channels};
    for (int a = 0; a < CONVOLUTION_AXES; a++) {
        int64_t last = (c->size[a] - 1) * c->dilation[a];
        g.stride[a] = c->splits ? c->stride[a] : c->spread[a];
        g.before[a] = c->splits ? c->before[a] : last - c->before[a];
        g.input[a] = c->splits ? c->input[a] : c->output[a];
        g.output[a] = c->splits ? c->output[a] : c->input[a];
        int64_t size = c->unpool[a] ? c->unpool[a] : 1;
        g.reach[a].step = size * g.stride[a];
        g.reach[a].span = (size - 1) * g.stride[a] + last + 1;
        g.reach[a].map = (convolution_cells(c->unpool, g.output, a) - 1) * g.reach[a].step + g.reach[a].span;
    }
    return g;
}

/* Taps whose sums or weights are held while the cells go by; taps and channels that are held for
 * sixteen filters; floats of a map that should stay in the first cache. */
enum { MOST_TAPS = 25, MOST_SMALL = 13, MAP = 10 * 1024 };

bool blas_convolution_pools(const kiln_device *device, const blas_convolution *c)
{
    if (!tile_kind_is_serial(device) || c->groups != 1)
        return false;
    if (c->pool[2]) {
        int64_t size = c->pool[1] * c->pool[2];
        return c->pool[0] == 1 && size > 1 && size <= most_sums(device) && !c->splits &&
               c->spread[0] == 1 && c->spread[1] == 1 && c->spread[2] == 1 &&
               c->filters % 16 == 0 && convolution_cells(c->pool, c->output, 1) > 0 &&
               convolution_cells(c->pool, c->output, 2) > 0;
    }
    int64_t taps = convolution_all(c->size);
    pooled_geometry g = pooled(c);
    return c->unpool[2] && c->unpool[0] == 1 && g.before[1] >= 0 && g.before[2] >= 0 &&
           c->input[0] == 1 && c->output[0] == 1 && c->size[0] == 1 && c->before[0] == 0 &&
           g.filters % 16 == 0 &&
           (c->splits ? c->spread[1] == 1 && c->spread[2] == 1
                      : c->stride[1] == 1 && c->stride[2] == 1) &&
           c->unpool[1] * c->unpool[2] <= 16 && convolution_cells(c->unpool, g.output, 1) > 0 &&
           convolution_cells(c->unpool, g.output, 2) > 0 &&
           g.reach[1].span * g.reach[2].map * 16 <= CONVOLUTION_PACKED &&
           ((g.channels % 16 == 0 && taps <= MOST_TAPS) ||
            (c->splits && taps * g.channels <= MOST_SMALL));
}

/* The largest of `most`, most / 2 ... 16 that divides n. */
static int64_t divisor(int64_t n, int64_t most)
{
    while (most > 16 && n % most)
        most /= 2;
    return most;
}

/* What to take of a size: what is wished for where it is 16, 32 ... `most` and divides n, else the rule's. */
static int64_t wish(int wished, int64_t n, int64_t most, int64_t rule)
{
    return wished >= 16 && wished <= most && wished % 16 == 0 && n % wished == 0 ? wished : rule;
}

/* Rows that go together: of the input for its gradient, else of cells. */
static int64_t rows_together(const kiln_device *device, const blas_convolution *c, const pooled_geometry *g,
                             int64_t width, int64_t blocks, int wished)
{
    const int64_t units = device->info.compute_units ? device->info.compute_units : 1, span = g->reach[1].span,
                  whole = c->splits ? convolution_cells(c->unpool, g->output, 1) : g->input[1];
    int64_t rows = wished > 0 ? convolution_smaller(wished, whole) : whole;
    if (c->splits) {
        const int64_t most = wished > 0 ? CONVOLUTION_PACKED : MAP;
        while (rows > 1 && ((rows - 1) * g->reach[1].step + span) * width > most)
            rows = (rows + 1) / 2;
        return rows;
    }
    /* What strips share is computed twice. */
    while (wished <= 0 && rows > 4 * span && (rows + 2 * span) * width > MAP)
        rows = (rows + 1) / 2;
    while (rows > 1 && (rows + 3 * span) * width > CONVOLUTION_PACKED)
        rows = (rows + 1) / 2;
    while (wished <= 0 && rows > 4 * span && c->batch * convolution_blocks(whole, rows) * blocks < 4 * units)
        rows = (rows + 1) / 2;
    return rows;
}

void convolution_unpooled(const kiln_device *device, const blas_convolution *c, blas_choice *choice,
                          convolution_tile *sizes, text *t)
{
    pooled_geometry g = pooled(c);
    int64_t taps = convolution_all(c->size), most = most_sums(device);
    int mode = !c->splits ? 0 : g.channels % 16 == 0 && taps <= MOST_TAPS ? 1 : 2;
    int64_t cb, fb;
    if (mode == 2) {
        cb = 16;
        fb = wish(sizes->tn, g.filters, 32, taps * g.channels * 2 <= most + 4 ? divisor(g.filters, 32) : 16);
    } else {
        cb = wish(sizes->rn, g.channels, 64, taps * 2 <= most + 4 ? divisor(g.channels, 32) : 16);
        fb = wish(sizes->tn, g.filters, 128, divisor(g.filters, 64));
    }
    const int64_t width = g.reach[2].map * (mode == 2 ? g.channels : cb), blocks = mode == 2 ? 1 : g.channels / cb,
                  rows = rows_together(device, c, &g, width, blocks, sizes->rows),
                  items = mode == 0 ? c->batch * convolution_blocks(g.input[1], rows) * blocks
                                    : c->splits * (g.filters / fb) * blocks;
    *sizes = (convolution_tile){.rm = 1, .rn = (int)cb, .rows = (int)rows, .tn = mode == 0 ? (int)cb : (int)fb};
    const struct {
        const char *name;
        int64_t value;
    } values[] = {{"MODE", mode},
                  {"PH", c->unpool[1]},
                  {"PW", c->unpool[2]},
                  {"CH", convolution_cells(c->unpool, g.output, 1)},
                  {"CW", convolution_cells(c->unpool, g.output, 2)},
                  {"ROWS", rows},
                  {"CB", cb},
                  {"FB", fb},
                  {"SPLITS", c->splits ? c->splits : 1},
                  {"BATCH", c->batch},
                  {"C", g.channels},
                  {"F", g.filters},
                  {"IH", g.input[1]},
                  {"IW", g.input[2]},
                  {"KH", c->size[1]},
                  {"KW", c->size[2]},
                  {"SH", g.stride[1]},
                  {"SW", g.stride[2]},
                  {"DH", c->dilation[1]},
                  {"DW", c->dilation[2]},
                  {"BH", g.before[1]},
                  {"BW", g.before[2]}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        convolution_define(t, values[i].name, values[i].value);
    choice->file = "conv_pooled_serial.cl";
    choice->tile_m = (int)taps;
    choice->tile_n = (int)cb;
    choice->global[0] = (size_t)items;
}

/* Cells of a register tile, and its filters: as few sums as possible twice, and not too few at
 * once. */
void convolution_pooled_tile(const kiln_device *device, const blas_convolution *c, const convolution_tile *wished, tile *t)
{
    int64_t size = c->pool[1] * c->pool[2], columns = convolution_cells(c->pool, c->output, 2),
            most = most_sums(device);
    double best = 0;
    for (int vectors = 1; vectors <= 2; vectors++)
        for (int64_t m = 1; m <= columns && m * size * vectors <= most; m++) {
            if (c->filters % (16 * vectors))
                continue;
            double sums = (double)(m * size * vectors), loads = (double)(m * size + vectors) / sums,
                   score = (double)columns / (double)(convolution_blocks(columns, m) * m) * (1 - 0.2 * loads) *
                           (sums < 12 ? sums / 12 : 1);
            if (score > best) {
                best = score;
                t->rm = (int)(m * size);
                t->rn = 16 * vectors;
            }
        }
    if (wished->rn >= 16 && wished->rn <= 64 && wished->rn % 16 == 0 && c->filters % wished->rn == 0)
        t->rn = wished->rn;
    if (wished->rm > 0 && wished->rm % size == 0 && wished->rm <= 32 && wished->rm / size <= columns)
        t->rm = wished->rm;
}
