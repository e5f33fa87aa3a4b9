#include "blas/tune.h"

#include <stdio.h>
#include <string.h>

/* ---- names ---- */

void product_write(const blas_product *p, bool clblast, char out[RECORD_TEXT])
{
    int length = snprintf(out, RECORD_TEXT, "%lldx%lldx%lld %c%c ld=%lld,%lld,%lld",
                          (long long)p->m, (long long)p->n, (long long)p->k,
                          p->transpose_a ? 'T' : 'N', p->transpose_b ? 'T' : 'N', (long long)p->lda,
                          (long long)p->ldb, (long long)p->ldc);
    if (p->batch[0] * p->batch[1] > 1)
        length +=
            snprintf(out + length, (size_t)(RECORD_TEXT - length),
                     " batch=%lld,%lld a=%lld,%lld b=%lld,%lld c=%lld,%lld", (long long)p->batch[0],
                     (long long)p->batch[1], (long long)p->stride_a[0], (long long)p->stride_a[1],
                     (long long)p->stride_b[0], (long long)p->stride_b[1],
                     (long long)p->stride_c[0], (long long)p->stride_c[1]);
    if (length < RECORD_TEXT && p->panel)
        length += snprintf(out + length, (size_t)(RECORD_TEXT - length), " panel=%lld",
                           (long long)p->panel);
    if (length < RECORD_TEXT && p->rows)
        length += snprintf(out + length, (size_t)(RECORD_TEXT - length), " rows=%lld",
                           (long long)p->rows);
    if (length < RECORD_TEXT && !clblast)
        snprintf(out + length, (size_t)(RECORD_TEXT - length), " tile");
}

bool product_read(const char *from, blas_product *p, bool *clblast)
{
    long long v[14];
    char t[2];
    int at = 0, used = 0;
    memset(p, 0, sizeof *p);
    if (sscanf(from, "%lldx%lldx%lld %c%c ld=%lld,%lld,%lld%n", &v[0], &v[1], &v[2], &t[0], &t[1],
               &v[3], &v[4], &v[5], &at) != 8 ||
        strchr("NT", t[0]) == NULL || strchr("NT", t[1]) == NULL)
        return false;
    *p = (blas_product){.m = v[0],
                        .n = v[1],
                        .k = v[2],
                        .transpose_a = t[0] == 'T',
                        .transpose_b = t[1] == 'T',
                        .lda = v[3],
                        .ldb = v[4],
                        .ldc = v[5],
                        .batch = {1, 1}};
    if (sscanf(from + at, " batch=%lld,%lld a=%lld,%lld b=%lld,%lld c=%lld,%lld%n", &v[6], &v[7],
               &v[8], &v[9], &v[10], &v[11], &v[12], &v[13], &used) == 8) {
        for (int i = 0; i < 2; i++) {
            p->batch[i] = v[6 + i];
            p->stride_a[i] = v[8 + i];
            p->stride_b[i] = v[10 + i];
            p->stride_c[i] = v[12 + i];
        }
        at += used;
    }
    used = 0;
    if (sscanf(from + at, " panel=%lld%n", &v[6], &used) == 1 && v[6] > 0) {
        p->panel = v[6];
        at += used;
    }
    if (sscanf(from + at, " rows=%lld%n", &v[6], &used) == 1 && v[6] > 0) {
        p->rows = v[6];
        at += used;
    }
    *clblast = from[at] == '\0';
    char again[RECORD_TEXT];
    product_write(p, *clblast, again);
    return p->m > 0 && p->n > 0 && p->k > 0 && p->batch[0] > 0 && p->batch[1] > 0 &&
           (!p->rows || p->m % p->rows == 0) && (!p->panel || p->n % p->panel == 0) &&
           strcmp(from, again) == 0;
}

/* ---- neighbours ---- */

typedef struct neighbours {
    const kiln_device *device;
    const blas_product *product;
    const tile *from;
    candidate *out;
    int count;
} neighbours;

static void add(neighbours *n, const tile *wanted)
{
    tile t = *wanted;
    if (n->product->rows)
        t.tm = (int)n->product->rows;
    if (n->count == TUNE_NEIGHBOURS || !tile_fits(n->device, n->product, &t) ||
        memcmp(&t, n->from, sizeof t) == 0)
        return;
    for (int i = 0; i < n->count; i++)
        if (memcmp(&n->out[i].tile, &t, sizeof t) == 0)
            return;
    n->out[n->count] = (candidate){.engine = BLAS_TILE};
    n->out[n->count++].tile = t;
}

static int whole_blocks(int rows, int block)
{
    int blocks = (rows + block / 2) / block;
    return block * (blocks > 0 ? blocks : 1);
}

static void serial_neighbours(neighbours *n)
{
    const blas_product *p = n->product;
    const tile *from = n->from;
    static const int steps[] = {1, -1, 2, -2};
    for (int i = 0; i < 4; i++) {
        tile t = *from;
        t.rm += steps[i];
        if (t.rm < 1 || t.rm > 16 || t.rm * t.rn / 16 > 32 || t.rm > p->m)
            continue;
        t.tm = whole_blocks(from->tm, t.rm);
        add(n, &t);
    }
    for (int way = -1; way <= 1; way += 2) {
        tile t = *from;
        t.rn += 16 * way;
        if (t.rn >= 16 && t.rn <= 64 && (t.rn < p->n + 16)) {
            while (t.rm > 1 && t.rm * t.rn / 16 > 32)
                t.rm--;
            t.tm = whole_blocks(from->tm, t.rm);
            t.tn = from->tn == from->rn ? t.rn : whole_blocks(from->tn, t.rn);
            add(n, &t);
        }
    }
    tile t = *from;
    /* Equal shares of the rows, whose tiles may have a row less here and there. */
    const int64_t parts = (p->m + from->tm - 1) / from->tm;
    for (int64_t n_parts = parts > 1 ? parts - 1 : 1; n_parts <= parts + 1; n_parts++) {
        t.tm = (int)((p->m + n_parts - 1) / n_parts);
        if (p->m % n_parts == 0 && t.tm >= t.rm)
            add(n, &t);
    }
    t.tm = whole_blocks(2 * from->tm, t.rm);
    add(n, &t);
    t.tm = whole_blocks(from->tm / 2, t.rm);
    add(n, &t);
    t = *from;
    t.tn = 2 * from->tn;
    if (t.tn < p->n + t.rn)
        add(n, &t);
    t.tn = whole_blocks(from->tn / 2, t.rn);
    add(n, &t);
    for (int i = 0; i < 2; i++) {
        t = *from;
        *(i ? &t.pack_a : &t.pack_b) ^= 1;
        add(n, &t);
        t = *from;
        t.kb = i ? from->kb / 2 / 16 * 16 : 2 * from->kb;
        if (i || from->kb < p->k)
            add(n, &t);
        /* All of a sum at once, or equal parts of it. */
        const int64_t sums = i ? 1 : (p->k + from->kb - 1) / from->kb;
        t.kb = (int)(((p->k + sums - 1) / sums + 15) / 16 * 16);
        if (t.kb <= 2048)
            add(n, &t);
    }
}

static void local_neighbours(neighbours *n)
{
    const tile *from = n->from;
    for (int i = 0; i < 10; i++) {
        tile t = *from;
        const bool up = i % 2;
        int *size = i < 2 ? &t.tm : i < 4 ? &t.tn : i < 6 ? &t.kt : i < 8 ? &t.lx : &t.ly;
        *size = up ? *size * 2 : *size / 2;
        /* As many sums an item as registers hold. */
        if (*size < 1 || t.lx < 4 || t.ly < 4 || t.tm / t.ly > 16 || t.tn / t.lx > 16 ||
            t.tm / t.ly * (t.tn / t.lx) > 128)
            continue;
        add(n, &t);
    }
}

int tune_neighbours(const kiln_device *device, const workload *w, const candidate *from,
                    candidate out[TUNE_NEIGHBOURS])
{
    neighbours n = {.device = device, .product = &w->product, .from = &from->tile, .out = out};
    if (from->convolves) {
        convolution_tile sizes[CONVOLUTION_NEIGHBOURS];
        n.count = convolution_neighbours(device, &w->convolution, &from->sizes, sizes);
        for (int i = 0; i < n.count; i++)
            out[i] = (candidate){.engine = BLAS_TILE, .convolves = true, .sizes = sizes[i]};
        return n.count;
    }
    if (from->engine != BLAS_TILE)
        return 0;
    if (from->tile.serial)
        serial_neighbours(&n);
    else
        local_neighbours(&n);
    return n.count;
}

/* ---- workloads ---- */

workload workload_of_product(const blas_product *p, bool clblast)
{
    workload w = {.product = *p, .clblast = clblast};
    product_write(p, clblast, w.key);
    return w;
}

workload workload_of_convolution(const blas_convolution *c)
{
    workload w = {
        .is_convolution = true, .product = blas_convolution_product(c), .convolution = *c};
    convolution_write(c, w.key);
    return w;
}

bool workload_read(const char *key, workload *w)
{
    blas_product p;
    blas_convolution c;
    bool clblast;
    if (convolution_read(key, &c))
        *w = workload_of_convolution(&c);
    else if (product_read(key, &p, &clblast))
        *w = workload_of_product(&p, clblast);
    else
        return false;
    return true;
}

bool workload_takes(const kiln_device *device, const workload *w, const candidate *c)
{
    if (c->engine == BLAS_CLBLAST)
        return w->clblast;
    if (w->is_convolution && tile_kind_is_serial(device))
        return c->convolves;
    return !c->convolves && tile_fits(device, &w->product, &c->tile);
}

kiln_status workload_check(const kiln_device *device, const workload *w)
{
    const blas_convolution *c = &w->convolution;
    if (!w->is_convolution || (!c->pool[2] && !c->unpool[2]) || blas_convolution_pools(device, c))
        return KILN_OK;
    return kiln_fail(KILN_ERROR_UNSUPPORTED,
                     "%s: \"%s\" has no kernel that does this convolution and its pooling together; leave pool or unpool out",
                     w->key, device->info.name);
}

double workload_flops(const workload *w)
{
    const int64_t *cell = w->convolution.unpool;
    return product_flops(&w->product) / (w->is_convolution && cell[2] ? (double)(cell[1] * cell[2]) : 1);
}

kiln_status workload_measure(kiln_device *device, const workload *w, candidate *list, int count,
                             measure_effort effort)
{
    KILN_TRY(workload_check(device, w));
    return w->is_convolution
               ? measure_convolution(device, &w->convolution, w->key, list, count, effort)
               : measure(device, &w->product, w->key, list, count, effort);
}

/* ---- the record ---- */

kiln_status tune_incumbent(kiln_device *device, const workload *w, candidate *out)
{
    char value[RECORD_TEXT];
    bool found = record_find(device, w->key, value) && candidate_read(value, out) && workload_takes(device, w, out);
    if (found && !out->convolves)
        return KILN_OK;
    if (!found)
        memset(out, 0, sizeof *out);
    out->engine = BLAS_TILE;
    if (!w->is_convolution || !tile_kind_is_serial(device)) {
        tile_rule(device, &w->product, &out->tile);
        return KILN_OK;
    }
    blas_choice choice;
    out->convolves = true;
    return convolution_describe(device, &w->convolution, found ? &out->sizes : NULL, &choice,
                                &out->sizes);
}

void tune_keep(kiln_device *device, const workload *w, const candidate *c, bool done)
{
    char value[RECORD_TEXT];
    candidate_write(c, value, sizeof value);
    size_t length = strlen(value);
    snprintf(value + length, sizeof value - length, ", %.1f GFLOP/s%s",
             workload_flops(w) / c->seconds * 1e-9, done ? " (tuned)" : "");
    record_keep(device, w->key, value);
}

bool tune_is_done(kiln_device *device, const workload *w)
{
    char value[RECORD_TEXT];
    return record_find(device, w->key, value) && strstr(value, "(tuned)") != NULL;
}
