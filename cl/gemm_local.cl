/* Matrix product for devices whose work-groups share local memory: C[b] = op(A[b]) * op(B[b]), row-major.
 *
 * A work-group of KILN_LX x KILN_LY items owns a tile of KILN_TM x KILN_TN elements of C. It brings op(A) and op(B) to
 * local memory KILN_KT values of k at a time; an item sums every KILN_LY-th row and every KILN_LX-th column of the tile
 * in registers, so that neighbours read neighbouring words of local memory and store neighbouring elements. Every item
 * takes part in every barrier; edges read as zero and are not stored.
 *
 * Global and local sizes have one dimension: tiles x batches work-groups of KILN_LX * KILN_LY items. Work-group i owns
 * row block i % blocks of column block i / blocks.
 *
 * To be defined before this file is included (all have defaults; all are undefined at its end):
 *   KILN_NAME                     kernel; the function KILN_NAME_body(parameters, group, tile_a, tile_b) does the work
 *                                 of one group, with local memory of KILN_NAME_A and KILN_NAME_B floats (an enum)
 *   KILN_BODY_ONLY                leaves the kernel out
 *   KILN_M, KILN_N, KILN_K        op(A) is M x K, op(B) K x N
 *   KILN_TA, KILN_TB              1: stored transposed
 *   KILN_LDA, KILN_LDB, KILN_LDC  leading dimensions
 *   KILN_BATCH0, KILN_BATCH1      outer and inner batch axis; KILN_SA0, KILN_SA1, ... their strides
 *   KILN_TM, KILN_TN              tile of a work-group, multiples of KILN_LY and KILN_LX
 *   KILN_LX, KILN_LY              work-group; KILN_LX runs along columns
 *   KILN_KT                       values of k in local memory at a time
 *   KILN_GATES                    G > 1: columns c, c + N / G, c + 2 N / G ... are in the same tile, and in the same item
 *   KILN_HALF_A, KILN_HALF_B, KILN_HALF_C  1: stored as half; computed with is float
 *   KILN_EXTRA_PARAMS, KILN_EXTRA_ARGS  further parameters, from a comma on, and their names to pass them on
 *   KILN_LOAD_A(batch, row, k)    one element of op(A); KILN_LOAD_B(batch, k, col) of op(B)
 *   KILN_STORE_C1(batch, row, col, x)  takes one element (KILN_STORE_C16 is not used)
 *   KILN_STORE_GATES(batch, row, unit, Z)  with KILN_GATES, takes Z(0) ... Z(G - 1), the elements of columns
 *                                 unit, unit + N / G, ...
 * The hooks may use the parameters and KILN_C_AT(batch, row, col), the index of an element from c on.
 */
#ifndef KILN_NAME
#define KILN_NAME kiln_gemm_local
#endif
#ifndef KILN_M
#define KILN_M 64
#endif
#ifndef KILN_N
#define KILN_N 64
#endif
#ifndef KILN_K
#define KILN_K 64
#endif
#ifndef KILN_TA
#define KILN_TA 0
#endif
#ifndef KILN_TB
#define KILN_TB 0
#endif
#ifndef KILN_LDA
#if KILN_TA
#define KILN_LDA KILN_M
#else
#define KILN_LDA KILN_K
#endif
#endif
#ifndef KILN_LDB
#if KILN_TB
#define KILN_LDB KILN_K
#else
#define KILN_LDB KILN_N
#endif
#endif
#ifndef KILN_LDC
#define KILN_LDC KILN_N
#endif
#ifndef KILN_BATCH0
#define KILN_BATCH0 1
#endif
#ifndef KILN_BATCH1
#define KILN_BATCH1 1
#endif
#ifndef KILN_SA0
#define KILN_SA0 0
#endif
#ifndef KILN_SA1
#define KILN_SA1 0
#endif
#ifndef KILN_SB0
#define KILN_SB0 0
#endif
#ifndef KILN_SB1
#define KILN_SB1 0
#endif
#ifndef KILN_SC0
#define KILN_SC0 0
#endif
#ifndef KILN_SC1
#define KILN_SC1 0
#endif
#ifndef KILN_LX
#define KILN_LX 8
#endif
#ifndef KILN_LY
#define KILN_LY 8
#endif
#ifndef KILN_TM
#define KILN_TM (4 * KILN_LY)
#endif
#ifndef KILN_TN
#define KILN_TN (4 * KILN_LX)
#endif
#ifndef KILN_KT
#define KILN_KT 16
#endif
#ifndef KILN_GATES
#define KILN_GATES 1
#endif
#ifndef KILN_EXTRA_PARAMS
#define KILN_EXTRA_PARAMS
#endif
#ifndef KILN_EXTRA_ARGS
#define KILN_EXTRA_ARGS
#endif
#ifndef KILN_HALF_A
#define KILN_HALF_A 0
#endif
#ifndef KILN_HALF_B
#define KILN_HALF_B 0
#endif
#ifndef KILN_HALF_C
#define KILN_HALF_C 0
#endif

#define KG_GLUE2(a, b) a##_##b
#define KG_GLUE(a, b) KG_GLUE2(a, b)
#define KG(suffix) KG_GLUE(KILN_NAME, suffix)
#define KG_STORED(x) KG_GLUE(KILN_STORED, KILN_HALF_##x)
#define KG_PARAMS                                                                                                      \
    __global const KG_STORED(A) *a, ulong a_offset, __global const KG_STORED(B) *b, ulong b_offset,                    \
        __global KG_STORED(C) *c, ulong c_offset KILN_EXTRA_PARAMS
#define KG_ARGS a, a_offset, b, b_offset, c, c_offset KILN_EXTRA_ARGS
#define KILN_C_AT(batch, row, col)                                                                                     \
    (c_offset + (batch) / KILN_BATCH1 * (ulong)KILN_SC0 + (batch) % KILN_BATCH1 * (ulong)KILN_SC1 +                    \
     (row) * (ulong)KILN_LDC + (col))
#ifndef KILN_STORE_C1
#define KILN_STORE_C1(batch, row, col, x) KG_GLUE(KILN_WRITE, KILN_HALF_C)(x, c, KILN_C_AT(batch, row, col))
#endif
#ifndef KILN_LOAD_A
#define KILN_LOAD_A(batch, row, k)                                                                                     \
    KG_GLUE(KILN_READ, KILN_HALF_A)(a, a_at + (KILN_TA ? (k) * (size_t)KILN_LDA + (row) : (row) * (size_t)KILN_LDA + (k)))
#endif
#ifndef KILN_LOAD_B
#define KILN_LOAD_B(batch, k, col)                                                                                     \
    KG_GLUE(KILN_READ, KILN_HALF_B)(b, b_at + (KILN_TB ? (col) * (size_t)KILN_LDB + (k) : (k) * (size_t)KILN_LDB + (col)))
#endif

#define KG_ITEMS (KILN_LX * KILN_LY)
#define KG_WM (KILN_TM / KILN_LY)
#define KG_WN (KILN_TN / KILN_LX)
/* A row of local memory is one word longer than the tile, so that a column of it lies in different banks. */
#define KG_A_ROW (KILN_TM + 1)
#define KG_B_ROW (KILN_TN + 1)

/* Without gates a unit is a column. */
#define KG_UNITS (KILN_N / KILN_GATES)
#define KG_TU (KILN_TN / KILN_GATES)
#define KG_WU (KG_WN / KILN_GATES)

enum { KG(A) = KILN_KT * KG_A_ROW, KG(B) = KILN_KT * KG_B_ROW };

static void KG(body)(KG_PARAMS, size_t group, __local float *tile_a, __local float *tile_b)
{
    const size_t row_blocks = (KILN_M + KILN_TM - 1) / KILN_TM, col_blocks = (KG_UNITS + KG_TU - 1) / KG_TU;
    const size_t row0 = group % row_blocks * KILN_TM, unit0 = group / row_blocks % col_blocks * KG_TU;
    const size_t batch = group / (row_blocks * col_blocks);
    const size_t item = get_local_id(0), x = item % KILN_LX, y = item / KILN_LX;
    const size_t a_at = a_offset + batch / KILN_BATCH1 * (size_t)KILN_SA0 + batch % KILN_BATCH1 * (size_t)KILN_SA1;
    const size_t b_at = b_offset + batch / KILN_BATCH1 * (size_t)KILN_SB0 + batch % KILN_BATCH1 * (size_t)KILN_SB1;
    float sums[KG_WM][KG_WN];
#pragma unroll
    for (int i = 0; i < KG_WM; i++)
#pragma unroll
        for (int j = 0; j < KG_WN; j++)
            sums[i][j] = 0.0f;

    for (size_t k0 = 0; k0 < KILN_K; k0 += KILN_KT) {
        /* Neighbouring items read neighbouring elements of memory. */
        for (size_t at = item; at < KILN_TM * KILN_KT; at += KG_ITEMS) {
            const size_t i = KILN_TA ? at % KILN_TM : at / KILN_KT, k = KILN_TA ? at / KILN_TM : at % KILN_KT;
            tile_a[k * KG_A_ROW + i] =
                row0 + i < KILN_M && k0 + k < KILN_K ? KILN_LOAD_A(batch, (row0 + i), (k0 + k)) : 0.0f;
        }
        for (size_t at = item; at < KILN_TN * KILN_KT; at += KG_ITEMS) {
            const size_t j = KILN_TB ? at / KILN_KT : at % KILN_TN, k = KILN_TB ? at % KILN_KT : at / KILN_TN;
            const size_t unit = unit0 + j % KG_TU, col = j / KG_TU * KG_UNITS + unit;
            tile_b[k * KG_B_ROW + j] =
                unit < KG_UNITS && k0 + k < KILN_K ? KILN_LOAD_B(batch, (k0 + k), col) : 0.0f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll 4
        for (int k = 0; k < KILN_KT; k++) {
            float column[KG_WM], row[KG_WN];
#pragma unroll
            for (int i = 0; i < KG_WM; i++)
                column[i] = tile_a[k * KG_A_ROW + y + i * KILN_LY];
#pragma unroll
            for (int j = 0; j < KG_WN; j++)
                row[j] = tile_b[k * KG_B_ROW + x + j * KILN_LX];
#pragma unroll
            for (int i = 0; i < KG_WM; i++)
#pragma unroll
                for (int j = 0; j < KG_WN; j++)
                    sums[i][j] = fma(column[i], row[j], sums[i][j]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

#pragma unroll
    for (int i = 0; i < KG_WM; i++) {
        const size_t r = row0 + y + i * KILN_LY;
#pragma unroll
        for (int j = 0; j < KG_WU; j++) {
            const size_t q = unit0 + x + j * KILN_LX;
#if KILN_GATES > 1
#define KG_Z(gate) sums[i][(gate) * KG_WU + j]
            if (r < KILN_M && q < KG_UNITS)
                KILN_STORE_GATES(batch, r, q, KG_Z);
#undef KG_Z
#else
            if (r < KILN_M && q < KILN_N)
                KILN_STORE_C1(batch, r, q, sums[i][j]);
#endif
        }
    }
}

#ifndef KILN_BODY_ONLY
__kernel void KILN_NAME(KG_PARAMS)
{
    __local float tile_a[KG(A)], tile_b[KG(B)];
    KG(body)(KG_ARGS, get_group_id(0), tile_a, tile_b);
}
#endif

#undef KG
#undef KG_ARGS
#undef KG_A_ROW
#undef KG_B_ROW
#undef KG_GLUE
#undef KG_GLUE2
#undef KG_ITEMS
#undef KG_PARAMS
#undef KG_STORED
#undef KG_TU
#undef KG_UNITS
#undef KG_WM
#undef KG_WN
#undef KG_WU
#undef KILN_BATCH0
#undef KILN_BATCH1
#undef KILN_C_AT
#undef KILN_EXTRA_ARGS
#undef KILN_EXTRA_PARAMS
#undef KILN_GATES
#undef KILN_K
#undef KILN_KT
#undef KILN_LDA
#undef KILN_LDB
#undef KILN_LDC
#undef KILN_LOAD_A
#undef KILN_LOAD_B
#undef KILN_LX
#undef KILN_LY
#undef KILN_M
#undef KILN_N
#undef KILN_NAME
#undef KILN_SA0
#undef KILN_SA1
#undef KILN_SB0
#undef KILN_SB1
#undef KILN_SC0
#undef KILN_SC1
#undef KILN_STORE_C1
#undef KILN_TA
#undef KILN_TB
#undef KILN_TM
#undef KILN_TN
#undef KILN_HALF_A
#undef KILN_HALF_B
#undef KILN_HALF_C
#undef KILN_BODY_ONLY
#undef KILN_STORE_C16
#undef KILN_STORE_GATES
