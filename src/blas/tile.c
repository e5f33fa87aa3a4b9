#include "blas/tile.h"

#include <stdarg.h>
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

/* One work-item a block: registers first, then as many register tiles a block as leave every
 * compute unit a few blocks. */
static void serial_rule(const kiln_device *device, const blas_product *product, tile *t)
{
    int64_t m = product->m, n = product->n;
    t->serial = true;
    t->rm = m < 8 ? (int)m : 8;
    t->rn = n < 32 ? 16 : 32;
    t->tm = t->rm;
    t->tn = t->rn;
    t->kb = 1024;
    int64_t wanted = 8 * (int64_t)device->info.compute_units;
    while (t->tm < 64 && blocks(m, 2 * t->tm) * blocks(n, t->tn) * batches(product) >= wanted)
        t->tm *= 2;
    t->pack_b = t->tm >= 64 && product->ldb >= 512;
}

static void local_rule(const kiln_device *device, const blas_product *product, tile *t)
{
    int64_t m = product->m, n = product->n;
    uint64_t group = device->info.largest_work_group;
    int per_item = 4;
    t->serial = false;
    t->kt = 16;
    t->lx = group >= 128 && n > 32 ? 16 : 8;
    t->ly = group >= 256 && n > 32 && m > 32 ? 16 : 8;
    /* Few tiles leave compute units idle: smaller ones then. */
    while (per_item > 1 &&
           blocks(m, t->ly * per_item) * blocks(n, t->lx * per_item) * batches(product) <
               2 * (int64_t)device->info.compute_units)
        per_item /= 2;
    t->tm = t->ly * per_item;
    t->tn = t->lx * per_item;
}

void tile_rule(const kiln_device *device, const blas_product *product, bool fused, tile *out)
{
    (void)fused;
    memset(out, 0, sizeof *out);
    if (device->serial_kernels || device->info.largest_work_group < 64)
        serial_rule(device, product, out);
    else
        local_rule(device, product, out);
}

int tile_candidates(const kiln_device *device, const blas_product *product, bool fused,
                    tile out[TILE_CANDIDATES])
{
    tile_rule(device, product, fused, &out[0]);
    return 1;
}

bool tile_is_valid(const kiln_device *device, const tile *t)
{
    const int limit = 4096;
    if (t->tm < 1 || t->tn < 1 || t->tm > limit || t->tn > limit)
        return false;
    if (t->serial)
        return t->rm >= 1 && t->rm <= 32 && t->rn >= 16 && t->rn <= 128 && t->rn % 16 == 0 &&
               t->tm % t->rm == 0 && t->tn % t->rn == 0 && t->kb >= 16 && t->kb <= 8192;
    return t->lx >= 1 && t->ly >= 1 && t->kt >= 1 && t->kt <= 64 && t->tm % t->ly == 0 &&
           t->tn % t->lx == 0 &&
           (uint64_t)t->lx * (uint64_t)t->ly <= device->info.largest_work_group &&
           (uint64_t)t->kt * (uint64_t)(t->tm + t->tn + 2) * 4 <= device->info.local_memory;
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
    if (p->transpose_b)
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
