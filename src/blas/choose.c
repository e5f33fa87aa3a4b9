#include "blas/blas.h"

#include "base/env.h"
#include "blas/tile.h"

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
                     "\"%s\" is no engine for matrix products; use auto, clblast or tile", name);
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

kiln_status blas_choose(kiln_device *device, blas_engine wanted, const blas_product *product,
                        bool fused, blas_choice *choice)
{
    memset(choice, 0, sizeof *choice);
    KILN_TRY(check_product(product));
    const char *name = env_get(ENV_GEMM);
    if (wanted == BLAS_AUTO && name)
        KILN_TRY(blas_engine_parse(name, &wanted));
    if (wanted == BLAS_CLBLAST && !fused) {
        choice->engine = BLAS_CLBLAST;
        return KILN_OK;
    }
    tile t;
    tile_rule(device, product, fused, &t);
    return tile_describe(product, &t, choice);
}
