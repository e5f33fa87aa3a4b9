#include "blas/blas.h"

#include "base/clock.h"
#include "base/env.h"
#include "blas/clblast.h"
#include "blas/measure.h"
#include "blas/record.h"
#include "blas/tune.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

blas_product blas_plain(int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b)
{
    blas_product product = {.m = m,
                            .n = n,
                            .k = k,
                            .transpose_a = transpose_a,
                            .transpose_b = transpose_b,
                            .lda = transpose_a ? m : k,
                            .ldb = transpose_b ? k : n,
                            .ldc = n,
                            .batch = {1, 1}};
    return product;
}

static const char *const engine_names[] = {
    [BLAS_AUTO] = "auto", [BLAS_CLBLAST] = "clblast", [BLAS_TILE] = "tile"};

kiln_status blas_engine_parse(const char *name, blas_engine *engine)
{
    for (size_t i = 0; i < sizeof engine_names / sizeof *engine_names; i++)
        if (strcmp(name, engine_names[i]) == 0) {
            *engine = (blas_engine)i;
            return KILN_OK;
        }
    return kiln_fail(KILN_ERROR_ARGUMENT,
                     "engine \"%s\" for matrix products: there is none of that name; use auto, "
                     "clblast or tile",
                     name);
}

kiln_status blas_engine_asked(blas_engine *engine)
{
    const char *name = env_get(ENV_GEMM);
    *engine = BLAS_AUTO;
    return name ? blas_engine_parse(name, engine) : KILN_OK;
}

const char *blas_engine_name(blas_engine engine)
{
    return engine_names[engine];
}

static kiln_status check_product(const blas_product *p)
{
    if (p->m < 1 || p->n < 1 || p->k < 1 || p->batch[0] < 1 || p->batch[1] < 1)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "product %lld x %lld x %lld in batches of %lld x %lld: every size must be "
                         "at least 1",
                         (long long)p->m, (long long)p->n, (long long)p->k, (long long)p->batch[0],
                         (long long)p->batch[1]);
    if (p->lda < (p->transpose_a ? p->m : p->k) || p->ldb < (p->transpose_b ? p->k : p->n) ||
        p->ldc < p->n)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "product %lld x %lld x %lld: the leading dimensions %lld, %lld and %lld "
                         "are shorter than the rows",
                         (long long)p->m, (long long)p->n, (long long)p->k, (long long)p->lda,
                         (long long)p->ldb, (long long)p->ldc);
    return KILN_OK;
}

/* Below this the launch takes longer than the product, and above it 3 % pay for a trial. */
static const double least_flops = 4e6;
/* Seconds that all trials may take together, until a device is closed. After them the first candidate is still
 * checked, and where CLBlast takes part from the beginning, so is that. */
static const double budget = 2.0;

static struct {
    pthread_mutex_t lock;
    double spent;
} trials = {.lock = PTHREAD_MUTEX_INITIALIZER};

void (*blas_on_product)(const blas_product *p, bool fused);

static kiln_status describe(const blas_product *product, const candidate *c, blas_choice *choice)
{
    if (c->engine == BLAS_TILE)
        return tile_describe(product, &c->tile, choice);
    memset(choice, 0, sizeof *choice);
    choice->engine = BLAS_CLBLAST;
    return KILN_OK;
}

/* What is chosen unmeasured. */
static void built_in(const kiln_device *device, const blas_product *p, bool clblast, candidate *out)
{
    memset(out, 0, sizeof *out);
    out->engine = BLAS_TILE;
    tile_rule(device, p, &out->tile);
    if (clblast && device->info.type == KILN_DEVICE_GPU && p->m >= 128 && p->n >= 128 && p->k >= 64)
        out->engine = BLAS_CLBLAST;
}

/* What is on record, if it can be trusted. */
static bool read_record(kiln_device *device, const workload *w, candidate *out)
{
    char value[RECORD_TEXT];
    if (!record_find(device, w->key, value) || !candidate_read(value, out))
        return false;
    out->seconds = strstr(value, "not timed") ? 0 : 1;
    return workload_takes(device, w, out);
}

/* What tuning has put on record for a product that nothing else is measured for, or the rule's. */
static kiln_status by_record(kiln_device *device, const blas_product *product, blas_choice *choice)
{
    candidate chosen, known;
    built_in(device, product, false, &chosen);
    if (!env_tune_is_off() && product_flops(product) >= least_flops) {
        const workload w = workload_of_product(product, false);
        if (blas_on_product)
            blas_on_product(product, true);
        if (read_record(device, &w, &known))
            chosen = known;
    }
    return describe(product, &chosen, choice);
}

kiln_status blas_choose_rows(kiln_device *device, const blas_product *product,
                             blas_choice *choice)
{
    KILN_TRY(check_product(product));
    return by_record(device, product, choice);
}

/* `compared`: all candidates took part. `other`: the engine that lost, or NULL. */
static void keep(kiln_device *device, const char *key, const blas_product *p, const candidate *c,
                 bool compared, const candidate *other)
{
    char value[RECORD_TEXT];
    candidate_write(c, value, sizeof value);
    size_t length = strlen(value);
    if (c->seconds > 0 && compared)
        snprintf(value + length, sizeof value - length, ", %.1f GFLOP/s",
                 product_flops(p) / c->seconds * 1e-9);
    else
        snprintf(value + length, sizeof value - length, "%s, not timed",
                 c->right ? ", checked" : "");
    length = strlen(value);
    if (other && other->right)
        snprintf(value + length, sizeof value - length, " (%s %.1f)",
                 blas_engine_name(other->engine), product_flops(p) / other->seconds * 1e-9);
    else if (other)
        snprintf(value + length, sizeof value - length, " (%s %s)", blas_engine_name(other->engine),
                 other->ran ? "wrong" : "failed");
    record_keep(device, key, value);
}

/* The fastest of the other engine than that of `best`, or one that failed, or NULL. */
static const candidate *other_engine(const candidate *list, int count, const candidate *best)
{
    const candidate *other = NULL;
    for (int i = 0; i < count; i++)
        if (list[i].engine != best->engine &&
            (other == NULL ||
             (list[i].right && (!other->right || list[i].seconds < other->seconds))))
            other = &list[i];
    return other;
}

/* Measures and keeps the best. Where nothing could be tried, for want of memory say, the choice
 * stays the built-in one, and unkept. */
static kiln_status measured(kiln_device *device, const workload *w, bool clblast, candidate *chosen)
{
    const blas_product *p = &w->product;
    candidate list[TILE_CANDIDATES + 1] = {0};
    tile tiles[TILE_CANDIDATES];
    int count = tile_candidates(device, p, tiles), certain = 1;
    for (int i = 0; i < count; i++)
        list[i] = (candidate){.engine = BLAS_TILE, .tile = tiles[i]};
    /* On a GPU CLBlast comes right after the rule's tile, and whatever the time. On a CPU it would compile for ten
     * seconds, and was never the faster one: there it takes part once kiln tune has kept it. */
    if (clblast && device->info.type != KILN_DEVICE_CPU) {
        memmove(&list[2], &list[1], (size_t)(count - 1) * sizeof *list);
        list[1] = (candidate){.engine = BLAS_CLBLAST};
        count++;
        certain = 2;
    }
    const double start = clock_seconds(), left = budget - trials.spent;
    const candidate *best = NULL;
    kiln_status status =
        workload_measure(device, w, list, count,
                         (measure_effort){.certain = certain, .windows = MEASURE_WINDOWS, .seconds = left});
    trials.spent += clock_seconds() - start;
    bool compared = left > 0;
    if (status == KILN_OK)
        status = candidates_best(device, p, list, count, &best);
    KILN_TRY(status);
    if (best) {
        *chosen = *best;
        keep(device, w->key, p, best, compared, other_engine(list, count, best));
    }
    return KILN_OK;
}

kiln_status workload_choose(kiln_device *device, const workload *w, blas_choice *choice)
{
    const blas_product *product = &w->product;
    bool clblast = w->clblast;
    candidate chosen;
    if (env_tune_is_off() || product_flops(product) < least_flops) {
        built_in(device, product, clblast, &chosen);
        return describe(product, &chosen, choice);
    }
    const bool known = read_record(device, w, &chosen);
    if (known && (chosen.engine == BLAS_CLBLAST || chosen.seconds > 0))
        return describe(product, &chosen, choice);
    /* An engine once taken is kept, timed or not, for the two round differently; tiles do not. */
    if (known)
        clblast = false;
    else
        built_in(device, product, clblast, &chosen);
    kiln_status status = KILN_OK;
    pthread_mutex_lock(&trials.lock);
    if (!measure_is_too_large(device, product, w->is_convolution ? &w->convolution : NULL) &&
        !(known && trials.spent >= budget))
        status = measured(device, w, clblast, &chosen);
    else if (!known && clblast)
        keep(device, w->key, product, &chosen, false, NULL);
    pthread_mutex_unlock(&trials.lock);
    KILN_TRY(status);
    return describe(product, &chosen, choice);
}

kiln_status blas_choose(kiln_device *device, blas_engine wanted, const blas_product *product,
                        bool fused, blas_choice *choice)
{
    memset(choice, 0, sizeof *choice);
    KILN_TRY(check_product(product));
    if (wanted == BLAS_AUTO)
        KILN_TRY(blas_engine_asked(&wanted));
    if (product->panel)
        return by_record(device, product, choice);
    if (wanted == BLAS_CLBLAST && !fused) {
        choice->engine = BLAS_CLBLAST;
        return KILN_OK;
    }
    if (!env_tune_is_off() && product_flops(product) >= least_flops && blas_on_product)
        blas_on_product(product, fused);
    const workload w = workload_of_product(product, wanted == BLAS_AUTO && !fused);
    return workload_choose(device, &w, choice);
}

void blas_forget_device(kiln_device *device)
{
    clblast_forget();
    record_forget(device);
    pthread_mutex_lock(&trials.lock);
    trials.spent = 0;
    pthread_mutex_unlock(&trials.lock);
}
