#include "blas/convolution_inside.h"

/* Floats of the sixteen products' larger operand (taps, or sums of a gradient), and of the tiles
 * that wait for them: both should stay in the second cache. */
enum { MOST_TAPS = 64 * 1024, MOST_TILES = 48 * 1024 };
/* Tiles together: more do not pay; and for how many an item's transform of the taps does. */
enum { TILES = 24, GRADIENT_TILES = 32, LEAST_PER = 32 };

static bool pools(const blas_convolution *c)
{
    return c->pool[2] > 0;
}

/* Tiles of an image. */
static int64_t tiles_of(const blas_convolution *c)
{
    return pools(c) ? (c->output[1] / 2) * (c->output[2] / 2)
                    : convolution_blocks(c->output[1], 2) * convolution_blocks(c->output[2], 2);
}

bool winograd_fits(const blas_convolution *c)
{
    if (c->groups != 1 || c->unpool[2] || c->channels % 16 ||
        c->filters % 16 || c->channels * 16 * 16 > MOST_TAPS || c->input[0] != 1 ||
        c->output[0] != 1 || c->size[0] != 1 || c->before[0] != 0)
        return false;
    for (int a = 1; a < CONVOLUTION_AXES; a++)
        if (c->size[a] != 3 || c->stride[a] != 1 || c->dilation[a] != 1 || c->spread[a] != 1 ||
            (pools(c) && (c->pool[a] != 2 || c->output[a] < 2)))
            return false;
    if (pools(c))
        return c->pool[0] == 1 && !c->splits;
    /* Tiles hang over the edges of small maps. */
    return 16 * 3 * tiles_of(c) <= 9 * 2 * c->output[1] * c->output[2];
}

/* The most filters, at most about `most`, in equal shares of multiples of 16. */
static int64_t share(int64_t filters, int64_t most)
{
    int64_t sixteens = filters / 16, parts = 1;
    while (parts < sixteens && (sixteens % parts || filters / parts > most))
        parts++;
    return filters / parts;
}

void winograd_choose(const kiln_device *device, const blas_convolution *c, blas_choice *choice,
                     convolution_tile *sizes, text *t)
{
    int64_t units = device->info.compute_units ? device->info.compute_units : 1,
            most_filters = MOST_TAPS / (16 * c->channels), fb = share(c->filters, most_filters),
            all = c->batch * tiles_of(c), per = all;
    if (sizes->tn >= 16 && sizes->tn <= most_filters && sizes->tn % 16 == 0 &&
        c->filters % sizes->tn == 0)
        fb = sizes->tn;
    int64_t most_tiles = MOST_TILES / (16 * (c->channels + fb)), tiles = most_tiles;
    /* A register tile that divides the filters. */
    blas_product p = blas_plain(c->splits ? c->channels : TILES, fb % 32 ? 16 : fb,
                                c->splits ? 1024 : c->channels, c->splits != 0, false);
    tile r = {.serial = true};
    tile_registers(device, &p, &r);
    if (fb % r.rn)
        r.rn = fb % 32 ? 16 : 32;
    if (sizes->rn >= 16 && sizes->rn <= 64 && fb % sizes->rn == 0 && sizes->rn % 16 == 0)
        r.rn = sizes->rn;
    if (sizes->rm >= 1 && sizes->rm <= 16 && sizes->rm <= (c->splits ? c->channels : most_tiles))
        r.rm = sizes->rm;
    if (c->splits) {
        tiles = tiles < GRADIENT_TILES ? tiles : GRADIENT_TILES;
        if (sizes->rows >= 1 && sizes->rows <= most_tiles)
            tiles = sizes->rows;
        choice->global[0] = (size_t)(c->splits * (c->filters / fb));
    } else {
        tiles = (tiles < TILES ? tiles : TILES) / r.rm * r.rm;
        tiles = tiles < r.rm ? r.rm : tiles;
        if (sizes->rows >= r.rm && sizes->rows <= most_tiles)
            tiles = sizes->rows / r.rm * r.rm;
        per = convolution_blocks(all * (c->filters / fb), 8 * units);
        if (per < LEAST_PER)
            per = convolution_blocks(all, units) < LEAST_PER ? convolution_blocks(all, units) : LEAST_PER;
        if (sizes->whole)
            per = tiles_of(c);
        choice->global[0] = (size_t)(convolution_blocks(all, per) * (c->filters / fb));
    }
    const struct {
        const char *name;
        int64_t value;
    } values[] = {{"BATCH", c->batch},
                  {"C", c->channels},
                  {"F", c->filters},
                  {"IH", c->input[1]},
                  {"IW", c->input[2]},
                  {"OH", c->output[1]},
                  {"OW", c->output[2]},
                  {"BH", c->before[1]},
                  {"BW", c->before[2]},
                  {"SPLITS", c->splits},
                  {"POOLS", pools(c)},
                  {"PER", per},
                  {"TILES", tiles},
                  {"FB", fb},
                  {"RM", r.rm},
                  {"RN", r.rn},
                  {"LANES", tile_lanes(device) == 16 ? 16 : 8}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        convolution_define(t, values[i].name, values[i].value);
    *sizes = (convolution_tile){true, r.rm, r.rn, (int)tiles, (int)fb, sizes->whole};
    choice->file = "conv_winograd_serial.cl";
    choice->tile_m = r.rm;
    choice->tile_n = r.rn;
}
