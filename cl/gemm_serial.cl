/* Matrix product for devices that run a work-item as a thread of a CPU: C[b] = op(A[b]) * op(B[b]), row-major.
 *
 * One work-item (work-group of 1) owns a block of KILN_TM x KILN_TN elements of C and walks it in register tiles of
 * KILN_RM x KILN_RN: float16 accumulators, fma, rows of op(B) as vectors, op(A) as broadcast scalars. Where the block's
 * operands are used often enough, or are laid out badly, they are first copied to private memory (KILN_PACK_A,
 * KILN_PACK_B), KILN_KB rows of op(B) at a time. Work-item i owns row block i % blocks of column block i / blocks, so
 * that neighbours share op(B).
 *
 * The last tile of a row or column is moved back so that it ends with the block: what it computes twice it stores
 * once, so every element reaches exactly one of KILN_STORE_C16 and KILN_STORE_C1, once.
 *
 * To be defined before this file is included (all have defaults; all are undefined at its end):
 *   KILN_NAME                     kernel; the function KILN_NAME_body(parameters, item) does the work of one item
 *   KILN_BODY_ONLY                leaves the kernel out
 *   KILN_M, KILN_N, KILN_K        op(A) is M x K, op(B) K x N
 *   KILN_TA, KILN_TB              1: stored transposed
 *   KILN_LDA, KILN_LDB, KILN_LDC  leading dimensions
 *   KILN_BATCH0, KILN_BATCH1      outer and inner batch axis; KILN_SA0, KILN_SA1, ... their strides
 *   KILN_TM, KILN_TN              block of a work-item: KILN_RM or more, a multiple of KILN_RN
 *   KILN_PANEL                    op(B) lies in panels of so many columns, each K x KILN_PANEL; N is a multiple
 *   KILN_RM, KILN_RN              register tile; KILN_RN is a multiple of 16
 *   KILN_KB                       rows of op(B) packed at a time; K at most KB keeps sums in registers throughout
 *   KILN_PACK_A, KILN_PACK_B      1: copy the block's operand to private memory first
 *   KILN_HALF_A, KILN_HALF_B, KILN_HALF_C  1: stored as half; computed with is float
 *   KILN_EXTRA_PARAMS, KILN_EXTRA_ARGS  further parameters, from a comma on, and their names to pass them on
 *   KILN_LOAD_A(batch, row, k)    one element of op(A); such an operand is always packed
 *   KILN_LOAD_B(batch, k, col)    one element of op(B), likewise
 *   KILN_STORE_C16(batch, row, col, v)  takes 16 columns from col on; KILN_STORE_C1(batch, row, col, x) one
 * The hooks may use the parameters and KILN_C_AT(batch, row, col), the index of an element from c on.
 */
#ifndef KILN_NAME
#define KILN_NAME kiln_gemm_serial
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
#ifndef KILN_RM
#define KILN_RM 8
#endif
#ifndef KILN_RN
#define KILN_RN 32
#endif
#ifndef KILN_TM
#define KILN_TM KILN_RM
#endif
#ifndef KILN_TN
#define KILN_TN KILN_RN
#endif
#ifndef KILN_KB
#define KILN_KB 512
#endif
#ifndef KILN_PACK_A
#define KILN_PACK_A 0
#endif
#ifndef KILN_PACK_B
#define KILN_PACK_B 0
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

/* A matrix smaller than the register tile gets a tile of its own size. */
#if KILN_M < KILN_RM
#define KG_RM KILN_M
#else
#define KG_RM KILN_RM
#endif
#ifdef KILN_PANEL
#define KG_RN KILN_PANEL
#elif KILN_N >= KILN_RN
#define KG_RN KILN_RN
#elif KILN_N >= 16
#define KG_RN (KILN_N / 16 * 16)
#else
#define KG_RN 16
#endif
#define KG_RV (KG_RN / 16)
/* Fewer than 16 columns: the vectors of op(B) are filled up with zeros. */
#define KG_NARROW (KILN_N < 16)

#if defined(KILN_LOAD_A) || KILN_PACK_A || KILN_HALF_A
#define KG_PACK_A 1
#else
#define KG_PACK_A 0
#endif
#if !defined(KILN_PANEL) && (defined(KILN_LOAD_B) || KILN_PACK_B || KILN_HALF_B || KILN_TB || KILN_N < 16)
#define KG_PACK_B 1
#else
#define KG_PACK_B 0
#endif
#if (KG_PACK_A || KG_PACK_B) && KILN_K > KILN_KB
#define KG_KB KILN_KB
#else
#define KG_KB KILN_K
#endif
#define KG_SPLIT (KG_KB < KILN_K)

#define KG_A_BATCH(batch) (a_offset + (batch) / KILN_BATCH1 * (ulong)KILN_SA0 + (batch) % KILN_BATCH1 * (ulong)KILN_SA1)
#define KG_B_BATCH(batch) (b_offset + (batch) / KILN_BATCH1 * (ulong)KILN_SB0 + (batch) % KILN_BATCH1 * (ulong)KILN_SB1)
#define KILN_C_AT(batch, row, col)                                                                                     \
    (c_offset + (batch) / KILN_BATCH1 * (ulong)KILN_SC0 + (batch) % KILN_BATCH1 * (ulong)KILN_SC1 +                    \
     (row) * (ulong)KILN_LDC + (col))
#ifndef KILN_STORE_C16
#define KG_PLAIN
#define KILN_STORE_C16(batch, row, col, v) KG_GLUE(KILN_WRITE16, KILN_HALF_C)(v, c, KILN_C_AT(batch, row, col))
#endif
#ifndef KILN_STORE_C1
#define KILN_STORE_C1(batch, row, col, x) KG_GLUE(KILN_WRITE, KILN_HALF_C)(x, c, KILN_C_AT(batch, row, col))
#endif

/* Where op(A)[i][k] lies from the tile's first element on, and rows of op(B). Packed rows are a little longer than they
 * need to be, so that they do not share cache sets. */
#if KG_PACK_A
#define KG_A_SPACE __private
#define KG_A_ROWS (KILN_TM > KG_RM ? KILN_TM : KG_RM)
#if KILN_TA
#define KG_A_AT(i, k) ((k) * (size_t)KG_A_ROWS + (i))
#define KG_A_SIZE (KG_A_ROWS * KG_KB)
#else
#define KG_A_AT(i, k) ((i) * (size_t)(KG_KB + 16) + (k))
#define KG_A_SIZE (KG_A_ROWS * (KG_KB + 16))
#endif
#else
#define KG_A_SPACE __global
#if KILN_TA
#define KG_A_AT(i, k) ((k) * (size_t)KILN_LDA + (i))
#else
#define KG_A_AT(i, k) ((i) * (size_t)KILN_LDA + (k))
#endif
#endif
#if KG_PACK_B
#define KG_B_SPACE __private
#define KG_B_ROW KG_RN
#else
#define KG_B_SPACE __global
#ifdef KILN_PANEL
#define KG_B_ROW KILN_PANEL
#else
#define KG_B_ROW KILN_LDB
#endif
#endif

/* Full blocks whose rows are no multiple of the register tile: tiles of KG_LOW rows, then of one more. */
#define KG_TILES ((KILN_TM + KG_RM - 1) / KG_RM)
#if KILN_M % KILN_TM == 0 && KILN_TM % KG_RM && KILN_TM > KG_RM
#define KG_LOW (KILN_TM / KG_TILES)
#define KG_LOW_TILES (KG_TILES - KILN_TM % KG_TILES)
#endif

/* acc[i][j] += op(A)[i][k] * op(B)[k][16 j ..] for a register tile of so many rows, over `count` values of k. */
#define KG_DEFINE_TILE(name, rows)                                                                                     \
    static inline void KG(name)(float16 acc[KG_RM][KG_RV], KG_A_SPACE const float *pa, KG_B_SPACE const float *pb,    \
                                size_t count)                                                                          \
    {                                                                                                                  \
        for (size_t k = 0; k < count; k++) {                                                                           \
            float16 row[KG_RV];                                                                                        \
            _Pragma("unroll") for (int j = 0; j < KG_RV; j++) row[j] = vload16(j, pb + k * KG_B_ROW);                  \
            _Pragma("unroll") for (int i = 0; i < rows; i++)                                                           \
            {                                                                                                          \
                float16 x = pa[KG_A_AT(i, k)];                                                                         \
                _Pragma("unroll") for (int j = 0; j < KG_RV; j++) acc[i][j] = fma(x, row[j], acc[i][j]);               \
            }                                                                                                          \
        }                                                                                                              \
    }
#ifdef KG_LOW
KG_DEFINE_TILE(low_tile, KG_LOW)
KG_DEFINE_TILE(tile, KG_LOW + 1)
#else
KG_DEFINE_TILE(tile, KG_RM)
#endif
#undef KG_DEFINE_TILE

#if KG_PACK_A
/* Copies op(A)[row0 ..][k0 ..]. */
static inline void KG(pack_a)(KG_PARAMS, float *packed, size_t batch, size_t row0, size_t rows, size_t k0, size_t count)
{
#ifndef KILN_LOAD_A
    __global const KG_STORED(A) *from = a + KG_A_BATCH(batch);
#define KILN_LOAD_A(batch, row, k)                                                                                     \
    KG_GLUE(KILN_READ, KILN_HALF_A)(from, KILN_TA ? (k) * (size_t)KILN_LDA + (row) : (row) * (size_t)KILN_LDA + (k))
#endif
#if KILN_TA
    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; i < rows; i++)
            packed[KG_A_AT(i, k)] = KILN_LOAD_A(batch, (row0 + i), (k0 + k));
#else
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < count; k++)
            packed[KG_A_AT(i, k)] = KILN_LOAD_A(batch, (row0 + i), (k0 + k));
#endif
}
#endif

#if KG_PACK_B
#if KILN_TB && !KG_NARROW && !KILN_HALF_B && !defined(KILN_LOAD_B)
/* packed[k][j] = from[j][k] for 16 x 16 elements, in four rounds of interleaving. */
static inline void KG(transpose)(float *packed, __global const float *from)
{
    float16 v[16], w[16];
#pragma unroll
    for (int i = 0; i < 16; i++)
        v[i] = vload16(0, from + i * (size_t)KILN_LDB);
#pragma unroll
    for (int round = 0; round < 4; round++) {
#pragma unroll
        for (int i = 0; i < 8; i++) {
            w[2 * i] = (float16)(v[i].s0, v[i + 8].s0, v[i].s1, v[i + 8].s1, v[i].s2, v[i + 8].s2, v[i].s3, v[i + 8].s3,
                                 v[i].s4, v[i + 8].s4, v[i].s5, v[i + 8].s5, v[i].s6, v[i + 8].s6, v[i].s7, v[i + 8].s7);
            w[2 * i + 1] =
                (float16)(v[i].s8, v[i + 8].s8, v[i].s9, v[i + 8].s9, v[i].sa, v[i + 8].sa, v[i].sb, v[i + 8].sb,
                          v[i].sc, v[i + 8].sc, v[i].sd, v[i + 8].sd, v[i].se, v[i + 8].se, v[i].sf, v[i + 8].sf);
        }
#pragma unroll
        for (int i = 0; i < 16; i++)
            v[i] = w[i];
    }
#pragma unroll
    for (int i = 0; i < 16; i++)
        vstore16(v[i], 0, packed + i * KG_B_ROW);
}
#endif

/* Copies op(B)[k0 ..][col0 ..]. */
static inline void KG(pack_b)(KG_PARAMS, float *packed, size_t batch, size_t k0, size_t count, size_t col0)
{
    const size_t cols = KG_NARROW ? KILN_N : KG_RN;
    size_t k_done = 0;
#if KG_NARROW
    for (size_t i = 0; i < count * KG_B_ROW; i++)
        packed[i] = 0.0f;
#endif
#ifndef KILN_LOAD_B
    __global const KG_STORED(B) *from = b + KG_B_BATCH(batch);
#if KILN_TB && !KG_NARROW && !KILN_HALF_B
    for (; k_done + 16 <= count; k_done += 16)
        for (size_t j = 0; j < KG_RN; j += 16)
            KG(transpose)(packed + k_done * KG_B_ROW + j, from + (col0 + j) * KILN_LDB + k0 + k_done);
#endif
#define KILN_LOAD_B(batch, k, col)                                                                                     \
    KG_GLUE(KILN_READ, KILN_HALF_B)(from, KILN_TB ? (col) * (size_t)KILN_LDB + (k) : (k) * (size_t)KILN_LDB + (col))
#endif
    for (size_t k = k_done; k < count; k++)
        for (size_t j = 0; j < cols; j++)
            packed[k * KG_B_ROW + j] = KILN_LOAD_B(batch, (k0 + k), (col0 + j));
}
#endif

/* Stores the elements of a register tile from row0 and col0 on; the tile itself begins at tile_row and tile_col, and has
 * so many rows. */
static inline void KG(store)(KG_PARAMS, float16 acc[KG_RM][KG_RV], size_t batch, size_t tile_row, size_t tile_col,
                             size_t row0, size_t col0, size_t rows)
{
#if KG_NARROW || KILN_N % KG_RN
    if (KG_NARROW || tile_col < col0) {
        float lanes[KG_RM][KG_RN];
#pragma unroll
        for (int i = 0; i < KG_RM; i++)
#pragma unroll
            for (int j = 0; j < KG_RV; j++)
                vstore16(acc[i][j], j, lanes[i]);
        const size_t end = KG_NARROW ? KILN_N : tile_col + KG_RN;
#pragma nounroll
        for (size_t row = row0; row < tile_row + rows; row++)
#pragma nounroll
            for (size_t col = col0; col < end; col++)
                KILN_STORE_C1(batch, row, col, lanes[row - tile_row][col - tile_col]);
        return;
    }
#endif
#ifdef KG_PLAIN
#pragma unroll
    for (int i = 0; i < KG_RM; i++) {
        const size_t row = tile_row + i;
#ifdef KG_LOW
        if (i >= rows)
            continue;
#elif KILN_M % KG_RM || KILN_TM % KG_RM
        if (row < row0)
            continue;
#endif
#pragma unroll
        for (int j = 0; j < KG_RV; j++)
            KILN_STORE_C16(batch, row, (tile_col + 16 * j), acc[i][j]);
    }
#else
    /* One copy of an epilogue that may be long. */
    float sums[KG_RM * KG_RN] __attribute__((aligned(64)));
#pragma unroll
    for (int i = 0; i < KG_RM; i++)
#pragma unroll
        for (int j = 0; j < KG_RV; j++)
            kiln_keep16(acc[i][j], sums + (i * KG_RV + j) * 16);
#pragma nounroll
    for (size_t i = (row0 - tile_row) * KG_RV; i < rows * KG_RV; i++)
        KILN_STORE_C16(batch, (tile_row + i / KG_RV), (tile_col + i % KG_RV * 16), kiln_kept16(sums + i * 16));
#endif
}

static void KG(body)(KG_PARAMS, size_t item)
{
    const size_t row_blocks = (KILN_M + KILN_TM - 1) / KILN_TM, col_blocks = (KILN_N + KILN_TN - 1) / KILN_TN;
    const size_t row_begin = item % row_blocks * KILN_TM, col_begin = item / row_blocks % col_blocks * KILN_TN;
    const size_t batch = item / (row_blocks * col_blocks);
    const size_t row_end = min(row_begin + KILN_TM, (size_t)KILN_M), col_end = min(col_begin + KILN_TN, (size_t)KILN_N);
#if KG_PACK_A
    float packed_a[KG_A_SIZE];
    const size_t a_row = min(row_begin, row_end - KG_RM); /* first packed row */
#endif
#if KG_PACK_B
    float packed_b[KG_KB * KG_B_ROW] __attribute__((aligned(64)));
#endif
#if KG_SPLIT
    float16 sums[(KILN_TM + KG_RM - 1) / KG_RM * ((KILN_TN + KG_RN - 1) / KG_RN)][KG_RM][KG_RV];
    for (size_t k0 = 0; k0 < KILN_K; k0 += KG_KB) {
        const size_t count = min((size_t)KG_KB, KILN_K - k0);
        size_t tile = 0;
#else
    {
        const size_t k0 = 0, count = KILN_K;
#endif
#if KG_PACK_A
        KG(pack_a)(KG_ARGS, packed_a, batch, a_row, row_end - a_row, k0, count);
#endif
        for (size_t col0 = col_begin; col0 < col_end; col0 += KG_RN) {
            const size_t tile_col = KG_NARROW ? 0 : min(col0, (size_t)(KG_NARROW ? 0 : KILN_N - KG_RN));
#if KG_PACK_B
            KG(pack_b)(KG_ARGS, packed_b, batch, k0, count, tile_col);
#endif
#ifdef KG_LOW
            for (size_t t = 0; t < KG_TILES; t++) {
                const size_t rows = t < KG_LOW_TILES ? KG_LOW : KG_LOW + 1;
                const size_t row0 = row_begin + t * KG_LOW + (t > KG_LOW_TILES ? t - KG_LOW_TILES : 0), tile_row = row0;
#else
            for (size_t row0 = row_begin; row0 < row_end; row0 += KG_RM) {
                const size_t tile_row = min(row0, row_end - KG_RM), rows = KG_RM;
#endif
                float16 acc[KG_RM][KG_RV];
#pragma unroll
                for (int i = 0; i < KG_RM; i++)
#pragma unroll
                    for (int j = 0; j < KG_RV; j++)
#if KG_SPLIT
                        acc[i][j] = k0 == 0 ? (float16)0.0f : sums[tile][i][j];
#else
                        acc[i][j] = 0.0f;
#endif
                KG_A_SPACE const float *tile_a =
#if KG_PACK_A
                    packed_a + KG_A_AT(tile_row - a_row, 0);
#else
                    a + KG_A_BATCH(batch) + KG_A_AT(tile_row, k0);
#endif
                KG_B_SPACE const float *tile_b =
#if KG_PACK_B
                    packed_b;
#elif defined(KILN_PANEL)
                    b + KG_B_BATCH(batch) + tile_col * KILN_K + k0 * KG_B_ROW;
#else
                    b + KG_B_BATCH(batch) + k0 * KG_B_ROW + tile_col;
#endif
#ifdef KG_LOW
                if (rows == KG_LOW)
                    KG(low_tile)(acc, tile_a, tile_b, count);
                else
#endif
                    KG(tile)(acc, tile_a, tile_b, count);
#if KG_SPLIT
                if (k0 + count < KILN_K) {
#pragma unroll
                    for (int i = 0; i < KG_RM; i++)
#pragma unroll
                        for (int j = 0; j < KG_RV; j++)
                            sums[tile][i][j] = acc[i][j];
                } else
#endif
                    KG(store)(KG_ARGS, acc, batch, tile_row, tile_col, row0, col0, rows);
#if KG_SPLIT
                tile++;
#endif
            }
        }
    }
}

#ifndef KILN_BODY_ONLY
__kernel void KILN_NAME(KG_PARAMS)
{
    KG(body)(KG_ARGS, get_global_id(0));
}
#endif

#undef KG
#undef KG_ARGS
#undef KG_A_AT
#undef KG_A_BATCH
#undef KG_A_ROWS
#undef KG_A_SIZE
#undef KG_A_SPACE
#undef KG_B_BATCH
#undef KG_B_ROW
#undef KG_B_SPACE
#undef KG_GLUE
#undef KG_GLUE2
#undef KG_KB
#undef KG_LOW
#undef KG_LOW_TILES
#undef KG_NARROW
#undef KG_PACK_A
#undef KG_PACK_B
#undef KG_PARAMS
#undef KG_STORED
#undef KG_PLAIN
#undef KG_RM
#undef KG_RN
#undef KG_RV
#undef KG_SPLIT
#undef KG_TILES
#undef KILN_BATCH0
#undef KILN_BATCH1
#undef KILN_C_AT
#undef KILN_EXTRA_ARGS
#undef KILN_EXTRA_PARAMS
#undef KILN_K
#undef KILN_KB
#undef KILN_LDA
#undef KILN_LDB
#undef KILN_LDC
#undef KILN_LOAD_A
#undef KILN_LOAD_B
#undef KILN_M
#undef KILN_N
#undef KILN_NAME
#undef KILN_PACK_A
#undef KILN_PACK_B
#undef KILN_PANEL
#undef KILN_RM
#undef KILN_RN
#undef KILN_SA0
#undef KILN_SA1
#undef KILN_SB0
#undef KILN_SB1
#undef KILN_SC0
#undef KILN_SC1
#undef KILN_STORE_C1
#undef KILN_STORE_C16
#undef KILN_TA
#undef KILN_TB
#undef KILN_TM
#undef KILN_TN
#undef KILN_HALF_A
#undef KILN_HALF_B
#undef KILN_HALF_C
#undef KILN_BODY_ONLY
