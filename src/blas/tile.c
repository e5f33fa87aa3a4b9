#include "blas/tile.h"

#include <stdio.h>
#include <string.h>

static int64_t blocks(int64_t size, int64_t block)
{
    return (size + block - 1) / block;
}

static int64_t batches(const blas_product *product)
{
    return product->batch[0] * product->batch[1];
}

bool tile_kind_is_serial(const kiln_device *device)
{
    return device->serial_kernels || device->group_limit < 64;
}

int tile_lanes(const kiln_device *device)
{
    cl_uint lanes = 0;
    clGetDeviceInfo(device->id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, sizeof lanes, &lanes, NULL);
    return lanes >= 16 ? 16 : lanes >= 8 ? 8 : lanes > 1 ? 4 : 1;
}

static double filled(int64_t size, int64_t block)
{
    return (double)size / (double)(blocks(size, block) * block);
}

/* The register tile: as many sums as there are registers beside a row of op(B) and one element of
 * op(A), few loads a multiply-add, little of the tile beyond the matrix. 16 sums keep the
 * multiply-add units busy, and no compute unit should be without a tile. With few registers (AVX's
 * 16 of 8 lanes) a row is 16 columns. */
void tile_registers(const kiln_device *device, const blas_product *p, tile *t)
{
    const int lanes = tile_lanes(device);
    const int registers = lanes == 16  ? 32
                          : lanes == 8 ? 16
                          : lanes == 4 ? 24
                                       : 33,
              each = 16 / lanes;
    double best = 0;
    for (int v = 1; v <= 4; v++)
        for (int m = 1; m <= 16 && m <= p->m; m++) {
            if ((m * v + v) * each + 1 > registers || (v > 1 && p->n < 16 * v) ||
                (p->panel && p->panel != 16 * v))
                continue;
            const double sums = m * v * each, loads = (m + v * each) / sums;
            double score = (sums < 16 ? sums / 16 : 1) * (1 - 0.2 * loads) * filled(p->m, m) *
                           filled(p->n, 16 * v);
            /* More rows than a set of the first cache has ways, a page apart at worst. */
            if (m > 8 && !p->transpose_a)
                score *= p->lda % 256 == 0 ? 0.9 : 0.98;
            score *= filled(blocks(p->m, m) * blocks(p->n, 16 * v) * batches(p),
                            device->info.compute_units);
            if (score > best * 1.001) {
                best = score;
                t->rm = m;
                t->rn = 16 * v;
            }
        }
}

/* Splits the rows evenly into blocks of at most about `most`, and into as many as give `wanted`
 * blocks in all. */
static void split_rows(const blas_product *p, tile *t, int64_t wanted, int most)
{
    int64_t parts = blocks(wanted, blocks(p->n, t->tn) * batches(p));
    if (parts > blocks(p->m, t->rm))
        parts = blocks(p->m, t->rm);
    if (parts < blocks(p->m, most))
        parts = blocks(p->m, most);
    t->tm = (int)blocks(blocks(p->m, parts), t->rm) * t->rm;
}

enum { PACKED_ROWS = 48, MOST_PACKED_ROWS = 256, MOST_ROWS = 64 };
/* What a packed panel of op(B) may take. With 16 lanes it stays in a first cache of 48 KB, or nearly so. With 8, half as
 * fast, a second cache is enough, and rows of op(A) are read on for longer; but of a transposed op(A) the block stays in the
 * second cache. */
static int panel_bytes(const kiln_device *device, bool transposed_a, bool packed_a)
{
    const int lanes = tile_lanes(device);
    if (lanes == 16)
        return 32768;
    if (transposed_a)
        return packed_a ? 8192 : 16384;
    return lanes == 8 ? 65536 : 16384;
}

/* Rows of op(B) packed at a time: as many each time. */
static int kb_for(const kiln_device *device, const blas_product *p, const tile *t)
{
    const int bytes = panel_bytes(device, p->transpose_a, t->pack_a);
    const int64_t parts = blocks(p->k, bytes / (t->rn * (int)sizeof(float)) / 16 * 16);
    return (int)blocks(blocks(p->k, parts), 16) * 16;
}

/* A block whose op(B) is packed has many rows to use it for. */
static void packed_tile(const kiln_device *device, const blas_product *p, tile *t)
{
    t->tn = t->rn;
    split_rows(p, t, 4 * (int64_t)device->info.compute_units, MOST_PACKED_ROWS);
    t->pack_a = 0;
    t->pack_b = 1;
    t->kb = kb_for(device, p, t);
}

/* Of a transposed op(A) a tile reads a few elements of each row, every row in a cache line and at worst in a page of its
 * own. Where many columns use it, the block is copied to where it is dense. Together with the sums, which a long K keeps
 * beside it, it takes a quarter of a megabyte: some drivers have no more private memory. */
enum { BOTH_COLUMNS = 256, BOTH_ROWS = 132 };

static bool packs_both(const blas_product *p)
{
    return p->transpose_a && !p->panel && p->m >= PACKED_ROWS && p->n >= BOTH_COLUMNS;
}

static void both_packed_tile(const kiln_device *device, const blas_product *p, tile *t)
{
    t->pack_a = 1;
    t->pack_b = 1;
    t->kb = kb_for(device, p, t);
    t->tn = (int)blocks(blocks(p->n, blocks(p->n, BOTH_COLUMNS)), t->rn) * t->rn;
    split_rows(p, t, 2 * (int64_t)device->info.compute_units, p->k > t->kb ? BOTH_ROWS : MOST_PACKED_ROWS);
}

static void direct_tile(const kiln_device *device, const blas_product *p, tile *t)
{
    const int64_t units = device->info.compute_units;
    t->tn = t->rn;
    t->pack_a = 0;
    t->pack_b = 0;
    t->kb = kb_for(device, p, t);
    /* Of a tall product the rows of op(A) are read once, when all of op(B) fits a cache. */
    if (p->n <= 256 && p->n * p->k <= 65536 && blocks(p->m, MOST_ROWS) * batches(p) >= 16 * units)
        t->tn = (int)blocks(p->n, t->rn) * t->rn;
    split_rows(p, t, 16 * units, MOST_ROWS);
}

static void serial_rule(const kiln_device *device, const blas_product *p, tile *t)
{
    t->serial = true;
    tile_registers(device, p, t);
    if (packs_both(p)) {
        both_packed_tile(device, p, t);
        return;
    }
    packed_tile(device, p, t);
    /* Rows of B a page apart share cache sets and address translations, a transposed B has no rows at all, and a
     * transposed A stays in a cache beside a packed B better. */
    const bool near_rows = p->ldb < 256 && !p->transpose_a;
    if (p->panel || (!p->transpose_b && (t->tm < PACKED_ROWS || near_rows)))
        direct_tile(device, p, t);
}

/* A work-item owns whole rows of the result, so many of them as it is told. */
static void rows_rule(const kiln_device *device, const blas_product *product, tile *t)
{
    blas_product p = *product;
    p.m = product->rows;
    *t = (tile){.serial = true, .rm = 1, .rn = 16, .kb = 1024};
    tile_registers(device, &p, t);
    t->tm = (int)p.m;
    t->tn = t->rn;
    if (!p.panel && !p.transpose_b && p.m >= PACKED_ROWS && p.ldb >= 256) {
        t->pack_b = 1;
        t->kb = kb_for(device, &p, t);
    }
    const int64_t tiles = blocks(p.m, t->rm);
    t->rm = (int)blocks(p.m, tiles);
}

/* What a work-group keeps of both operands. */
static uint64_t local_bytes(int tm, int tn, int kt)
{
    return (uint64_t)kt * (uint64_t)(tm + tn + 2) * sizeof(float);
}

static void local_rule(const kiln_device *device, const blas_product *product, tile *t)
{
    int64_t m = product->m, n = product->n;
    uint64_t group = device->group_limit;
    int per_item = m >= 512 && n >= 512 && group >= 256 ? 8 : 4;
    t->serial = false;
    t->kt = 16;
    t->lx = group >= 128 && n > 32 ? 16 : 8;
    t->ly = group >= 256 && n > 32 && m > 32 ? 16 : 8;
    /* Few tiles leave compute units idle: smaller ones then. */
    while (per_item > 1 &&
           blocks(m, t->ly * per_item) * blocks(n, t->lx * per_item) * batches(product) <
               2 * (int64_t)device->info.compute_units)
        per_item /= 2;
    while (per_item > 1 &&
           local_bytes(t->ly * per_item, t->lx * per_item, t->kt) > device->info.local_memory)
        per_item /= 2;
    t->tm = t->ly * per_item;
    t->tn = t->lx * per_item;
    while (t->kt > 1 && local_bytes(t->tm, t->tn, t->kt) > device->info.local_memory)
        t->kt /= 2;
}

void tile_rule(const kiln_device *device, const blas_product *product, tile *out)
{
    memset(out, 0, sizeof *out);
    if (product->rows)
        rows_rule(device, product, out);
    else if (tile_kind_is_serial(device))
        serial_rule(device, product, out);
    else
        local_rule(device, product, out);
}

/* Adds a tile that is not in the list yet. */
static void add(tile out[TILE_CANDIDATES], int *count, const tile *t)
{
    for (int i = 0; i < *count; i++)
        if (memcmp(&out[i], t, sizeof *t) == 0)
            return;
    if (*count < TILE_CANDIDATES)
        out[(*count)++] = *t;
}

int tile_candidates(const kiln_device *device, const blas_product *product,
                    tile out[TILE_CANDIDATES])
{
    int count = 0;
    tile t;
    tile_rule(device, product, &t);
    add(out, &count, &t);
    if (product->panel)
        return count;
    if (t.serial) {
        tile other = t;
        if (t.pack_a)
            packed_tile(device, product, &other);
        else if (t.pack_b && !product->transpose_b)
            direct_tile(device, product, &other);
        else if (product->m >= PACKED_ROWS)
            packed_tile(device, product, &other);
        add(out, &count, &other);
        if (t.rn > 32 && product->m >= 8) {
            other = t;
            other.rn = 32;
            other.rm = 8;
            if (t.pack_a)
                both_packed_tile(device, product, &other);
            else if (t.pack_b)
                packed_tile(device, product, &other);
            else
                direct_tile(device, product, &other);
            add(out, &count, &other);
        }
    } else {
        /* The other per-item tile, and one of eight sums, for items that are no threads of hardware
         * and whose registers are soon spilled. */
        tile other = t;
        other.tm = t.tm / t.ly > 2 ? t.tm / 2 : t.tm * 2;
        other.tn = t.tn / t.lx > 2 ? t.tn / 2 : t.tn * 2;
        add(out, &count, &other);
        other = t;
        other.tm = 2 * t.ly;
        other.tn = 4 * t.lx;
        if (tile_is_valid(device, &other))
            add(out, &count, &other);
    }
    return count;
}

bool tile_is_valid(const kiln_device *device, const tile *t)
{
    const int limit = 4096;
    if (t->tm < 1 || t->tn < 1 || t->tm > limit || t->tn > limit)
        return false;
    if (t->serial)
        return t->rm >= 1 && t->rm <= 32 && t->rn >= 16 && t->rn <= 128 && t->rn % 16 == 0 &&
               t->tm >= t->rm && t->tn % t->rn == 0 && t->kb >= 16 && t->kb <= 8192;
    return t->lx >= 1 && t->ly >= 1 && t->kt >= 1 && t->kt <= 64 && t->tm % t->ly == 0 &&
           t->tn % t->lx == 0 && (uint64_t)t->lx * (uint64_t)t->ly <= device->group_limit &&
           local_bytes(t->tm, t->tn, t->kt) <= device->info.local_memory;
}

bool tile_fits(const kiln_device *device, const blas_product *product, const tile *t)
{
    const bool serial = product->rows || product->panel || tile_kind_is_serial(device);
    return tile_is_valid(device, t) && t->serial == serial && (!product->rows || t->tm == product->rows) &&
           (!product->panel || (t->rn == product->panel && !t->pack_b));
}

/* Appends "#define KILN_NAME value". */
static bool define(blas_choice *choice, const char *name, int64_t value)
{
    size_t used = strlen(choice->defines), room = sizeof choice->defines - used;
    int length =
        snprintf(choice->defines + used, room, "#define KILN_%s %lld\n", name, (long long)value);
    return length > 0 && (size_t)length < room;
}

kiln_status tile_describe(const blas_product *p, const tile *t, blas_choice *choice)
{
    static const char *const axis[2][3] = {{"SA0", "SB0", "SC0"}, {"SA1", "SB1", "SC1"}};
    memset(choice, 0, sizeof *choice);
    choice->engine = BLAS_TILE;
    choice->serial = t->serial;
    choice->file = t->serial ? "gemm_serial.cl" : "gemm_local.cl";
    choice->tile_m = t->tm;
    choice->tile_n = t->tn;
    choice->dims = 1;
    choice->local[0] = t->serial ? 1 : (size_t)(t->lx * t->ly);
    choice->global[0] =
        (size_t)(blocks(p->m, t->tm) * blocks(p->n, t->tn) * batches(p)) * choice->local[0];

    bool fits = define(choice, "M", p->m) && define(choice, "N", p->n) &&
                define(choice, "K", p->k) && define(choice, "LDA", p->lda) &&
                define(choice, "LDB", p->ldb) && define(choice, "LDC", p->ldc) &&
                define(choice, "TM", t->tm) && define(choice, "TN", t->tn);
    if (p->transpose_a)
        fits = fits && define(choice, "TA", 1);
    if (p->panel)
        fits = fits && define(choice, "PANEL", p->panel);
    else if (p->transpose_b)
        fits = fits && define(choice, "TB", 1);
    for (int i = 0; i < 2; i++)
        if (p->batch[i] > 1)
            fits = fits && define(choice, i ? "BATCH1" : "BATCH0", p->batch[i]) &&
                   define(choice, axis[i][0], p->stride_a[i]) &&
                   define(choice, axis[i][1], p->stride_b[i]) &&
                   define(choice, axis[i][2], p->stride_c[i]);
    if (t->serial) {
        fits = fits && define(choice, "RM", t->rm) && define(choice, "RN", t->rn) &&
               define(choice, "KB", t->kb);
        if (t->pack_a)
            fits = fits && define(choice, "PACK_A", 1);
        if (t->pack_b)
            fits = fits && define(choice, "PACK_B", 1);
    } else {
        fits = fits && define(choice, "LX", t->lx) && define(choice, "LY", t->ly) &&
               define(choice, "KT", t->kt);
    }
    if (!fits)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "product %lld x %lld x %lld: the sizes are too long to be written down",
                         (long long)p->m, (long long)p->n, (long long)p->k);
    return KILN_OK;
}

bool blas_choose_gates(const kiln_device *device, const blas_product *product, int64_t gates,
                       blas_choice *choice)
{
    tile t;
    int per_item = 4;
    if (tile_kind_is_serial(device) || gates < 2 || gates > 4 ||
        product->n % gates)
        return false;
    const int64_t units = product->n / gates;
    memset(&t, 0, sizeof t);
    t.kt = 16;
    t.lx = device->group_limit >= 128 && units > 8 ? 16 : 8;
    t.ly = 8;
    while (per_item > 1 &&
           blocks(product->m, t.ly * per_item) * blocks(units, t.lx) * batches(product) <
               2 * (int64_t)device->info.compute_units)
        per_item /= 2;
    t.tn = t.lx * (int)gates;
    t.tm = t.ly * per_item;
    while (t.kt > 1 && local_bytes(t.tm, t.tn, t.kt) > device->info.local_memory)
        t.kt /= 2;
    if (!tile_is_valid(device, &t) || tile_describe(product, &t, choice) != KILN_OK ||
        !define(choice, "GATES", gates))
        return false;
    choice->global[0] =
        (size_t)(blocks(product->m, t.tm) * blocks(units, t.lx) * batches(product)) *
        choice->local[0];
    return true;
}

enum { LEAST_PANELS = 16384 }; /* bytes of op(B) that a first cache holds anyway */

int64_t blas_panel(const kiln_device *device, const blas_product *product, int64_t rows)
{
    tile t = {.rn = 0};
    blas_product p = *product;
    p.m = rows;
    if (!device->serial_kernels || p.batch[0] * p.batch[1] != 1 || p.k * p.n * 4 <= LEAST_PANELS)
        return 0;
    tile_registers(device, &p, &t);
    return t.rn && p.n % t.rn == 0 ? t.rn : p.n % 16 == 0 ? 16 : 0;
}
