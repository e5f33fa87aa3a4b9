/* Matrix products: one description, two engines.
 *
 * C[b] = op(A[b]) * op(B[b]), row-major float32, over up to two batch axes. CLBlast is a call;
 * `tile` is a template of cl/ that the caller compiles with its own operand loaders and epilogue.
 */
#ifndef BLAS_BLAS_H
#define BLAS_BLAS_H

#include "device/device.h"

typedef enum blas_engine { BLAS_AUTO = 0, BLAS_CLBLAST, BLAS_TILE } blas_engine;

/* A product. A is (m, k), or (k, m) when transpose_a; B is (k, n), or (n, k) when transpose_b; C is
 * (m, n). Leading dimensions and strides count elements. batch axes of 1 are unused. */
typedef struct blas_product {
    int64_t m, n, k;
    bool transpose_a, transpose_b;
    int64_t lda, ldb, ldc;
    int64_t batch[2];
    int64_t stride_a[2], stride_b[2], stride_c[2];
    int64_t panel; /* 0, or op(B) lies in panels of so many columns, each (k, panel), one behind the
                      other; ldb and transpose_b then say nothing. Only serial tiles read that. */
    int64_t rows;  /* 0, or a work-item owns exactly so many rows of C, a divisor of m (serial tiles) */
} blas_product;

/* Fills in dense leading dimensions and no batch. */
blas_product blas_plain(int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b);

/* How a product is to be run on a device. */
typedef struct blas_choice {
    blas_engine engine; /* BLAS_CLBLAST or BLAS_TILE */
    /* BLAS_TILE: */
    const char *file;   /* template in cl/ */
    char defines[1024]; /* "#define ..." lines: sizes, strides, tile; the caller adds name, loaders
                          and epilogue */
    int dims;
    size_t global[3], local[3];
    bool serial; /* one work-item a work-group, no barrier: may be merged with other launches */
    int tile_m, tile_n;
} blas_choice;

/* Chooses the engine and the tile for a product; wanted BLAS_AUTO decides by what was measured (and
 * kept in the device's file of choices), by measuring now, or (KILN_TUNE=off) by the built-in rule.
 * `fused` says that the caller has an epilogue or loader of its own, which only `tile` can take. */
kiln_status blas_choose(kiln_device *device, blas_engine wanted, const blas_product *product,
                        bool fused, blas_choice *choice);

/* A choice of engine BLAS_TILE is compiled as: "#define KILN_NAME ...", hooks, the defines, the
 * template. The templates describe their hooks: KILN_LOAD_A, KILN_LOAD_B, KILN_STORE_C16,
 * KILN_STORE_C1, KILN_EXTRA_PARAMS, KILN_EXTRA_ARGS.
 *
 * The kernel by itself (the caller releases it), and a launch of it. Offsets count elements. hooks:
 * "#define ..." lines for those that need no parameters, "" for none.
 */
kiln_status blas_tile_kernel(kiln_device *device, const blas_choice *choice, const char *hooks, cl_kernel *kernel);
kiln_status blas_tile_enqueue(kiln_device *device, const blas_product *product,
                              const blas_choice *choice, cl_kernel kernel, cl_mem a,
                              size_t a_offset, cl_mem b, size_t b_offset, cl_mem c,
                              size_t c_offset);

/* Columns of a panel for a product of which a work-item owns `rows` rows; 0: its op(B) cannot lie
 * in panels, or need not. */
int64_t blas_panel(const kiln_device *device, const blas_product *product, int64_t rows);

/* Like blas_choose, for a product whose `rows` is not 0: work-item i of the choice owns row block
 * i % (m / rows) of column block i / (m / rows). Nothing is measured: the tile is what tuning has put
 * on record, else goes by rule. */
kiln_status blas_choose_rows(kiln_device *device, const blas_product *product,
                             blas_choice *choice);

/* Like blas_choose, for a tile in which a work-item owns, of each of its rows, the columns u,
 * u + n / gates, u + 2 n / gates ... together (KILN_STORE_GATES of gemm_local.cl). false: the device
 * has no such tile for it. */
bool blas_choose_gates(const kiln_device *device, const blas_product *product, int64_t gates,
                       blas_choice *choice);

/* "auto", "clblast", "tile"; a failure on record for another name. */
kiln_status blas_engine_parse(const char *name, blas_engine *engine);
/* The engine that KILN_GEMM asks for, or BLAS_AUTO. */
kiln_status blas_engine_asked(blas_engine *engine);
const char *blas_engine_name(blas_engine engine);

/* CLBlast: bytes of scratch a product wants (may be 0), and the call. Offsets count elements. */
kiln_status blas_clblast_scratch(kiln_device *device, const blas_product *product, size_t *bytes);
kiln_status blas_clblast_enqueue(kiln_device *device, const blas_product *product, cl_mem a,
                                 size_t a_offset, cl_mem b, size_t b_offset, cl_mem c,
                                 size_t c_offset, cl_mem scratch, size_t scratch_bytes);

/* Must run before the device's context dies. */
void blas_forget_device(kiln_device *device);

#endif
