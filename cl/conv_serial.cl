/* Convolution for devices that run a work-item as a thread of a CPU (see src/blas/convolution.h for what it means).
 *
 * A work-item (work-group of 1) owns KILN_ROWS rows of the output of one image and KILN_TN filters of one group. It goes
 * along a row in register tiles of KILN_RM pixels by KILN_RN filters. Pixels whose windows begin at whole elements of
 * the input lie KILN_PHASES apart; with a spread of 1 that is 1, pixels of a tile are neighbours, and where the taps of a
 * row are neighbours too, they and their channels are one run of the sum. Nothing is copied where no window reaches
 * outside the input; else the rows that a tile reads are brought to private memory with their padding (KILN_PACK).
 * Taps above and below the input are left out.
 *
 * The last tile of a row or of the filters is moved back so that it ends with them: what it computes twice it stores
 * once, so every element reaches exactly one of KILN_STORE_C16 and KILN_STORE_C1, once.
 *
 * To be defined before this file is included (all at once, or none; all are undefined at its end):
 *   KILN_NAME, KILN_BODY_ONLY, KILN_EXTRA_PARAMS, KILN_EXTRA_ARGS   as in gemm_serial.cl
 *   KILN_BATCH                    images
 *   KILN_ID, KILN_IH, KILN_IW     the input's axes; KILN_O., KILN_K., KILN_S., KILN_D., KILN_E., KILN_B. the output's,
 *                                 sizes of the window, strides, dilations, spreads, padding before
 *   KILN_G, KILN_C, KILN_F        groups, channels and filters of a group
 *   KILN_ROWS, KILN_TN            what an item owns; KILN_TN is a multiple of KILN_RN
 *   KILN_RM, KILN_RN              register tile; KILN_RM at most the pixels of a row that are KILN_PHASES apart
 *   KILN_PHASES                   KILN_EW / gcd(KILN_EW, KILN_SW)
 *   KILN_PACK                     1: tiles copy what they read
 *   KILN_PH, KILN_PW              (optional) windows of a maximum pooling: a tile is of KILN_RM / (KILN_PH * KILN_PW) such
 *                                 windows side by side, KILN_ROWS counts rows of windows, and what is stored is the largest
 *                                 of each and its index, in KILN_STORE_C16(batch, row, col, v, index) alone, row counting
 *                                 windows. KILN_F is a multiple of KILN_RN, KILN_PHASES is 1, and rows outside the input
 *                                 are reached with KILN_PACK only.
 *   KILN_STORE_C16(batch, row, col, v)  takes 16 filters from col on of group `batch`, of pixel `row` of all the output's;
 *   KILN_STORE_C1(batch, row, col, x)   one
 * The hooks may use the parameters and KILN_C_AT(batch, row, col), the index of an element from c on.
 */
#ifndef KILN_NAME
#define KILN_NAME kiln_conv_serial
#endif
#ifndef KILN_EXTRA_PARAMS
#define KILN_EXTRA_PARAMS
#endif
#ifndef KILN_EXTRA_ARGS
#define KILN_EXTRA_ARGS
#endif
#ifndef KILN_BATCH /* an example, for a program without a caller */
#define KILN_BATCH 1
#define KILN_G 1
#define KILN_C 1
#define KILN_F 16
#define KILN_ID 1
#define KILN_IH 8
#define KILN_IW 8
#define KILN_OD 1
#define KILN_OH 6
#define KILN_OW 6
#define KILN_KD 1
#define KILN_KH 3
#define KILN_KW 3
#define KILN_SD 1
#define KILN_SH 1
#define KILN_SW 1
#define KILN_DD 1
#define KILN_DH 1
#define KILN_DW 1
#define KILN_ED 1
#define KILN_EH 1
#define KILN_EW 1
#define KILN_BD 0
#define KILN_BH 0
#define KILN_BW 0
#define KILN_PACK 0
#define KILN_ROWS 6
#define KILN_TN 16
#define KILN_RN 16
#define KILN_RM 6
#define KILN_PHASES 1
#endif

#ifdef KILN_PH
#define KG_POOLS 1
#else
#define KG_POOLS 0
#define KILN_PH 1
#define KILN_PW 1
#endif
#define KG_GLUE2(a, b) a##_##b
#define KG_GLUE(a, b) KG_GLUE2(a, b)
#define KG(suffix) KG_GLUE(KILN_NAME, suffix)
#define KG_PARAMS                                                                                                      \
    __global const float *a, ulong a_offset, __global const float *b, ulong b_offset, __global float *c,               \
        ulong c_offset KILN_EXTRA_PARAMS
#define KG_ARGS a, a_offset, b, b_offset, c, c_offset KILN_EXTRA_ARGS

#define KG_CT (KILN_G * KILN_C)
#define KG_FT (KILN_G * KILN_F)
#define KG_K (KILN_KD * KILN_KH * KILN_KW * KILN_C)
#define KG_RV (KILN_RN / 16)
#define KG_NARROW (KILN_F < 16)
#define KG_LONG (KILN_EW == 1 && KILN_DW == 1) /* the taps of a row are one run */
/* Elements of the input between pixels of a tile, and those that a tile's windows reach over. */
#define KG_PIXEL (KILN_PHASES * KILN_SW / KILN_EW)
#define KG_REACH (((KILN_RM / KILN_PH - 1) * KILN_PHASES * KILN_SW + (KILN_KW - 1) * KILN_DW) / KILN_EW + 1)
#define KG_CELL (KILN_PH * KILN_PW)
#define KG_CELLS (KILN_RM / KG_CELL)
#define KG_LINES (KILN_OH / KILN_PH)
#if KILN_PACK
#define KG_A_SPACE __private
#define KG_CHANNELS KILN_C
#else
#define KG_A_SPACE __global
#define KG_CHANNELS KG_CT
#endif
#if KG_NARROW
#define KG_B_SPACE __private
#define KG_B_ROW 16
#else
#define KG_B_SPACE __global
#define KG_B_ROW KG_FT
#endif

/* Where the windows of a tile's pixel i begin. */
#if KILN_PACK
#define KG_DOWN (KILN_KH * KG_REACH * KILN_C)
#else
#define KG_DOWN (KILN_SH * KILN_IW * KG_CT)
#endif
#if KG_POOLS
#define KG_OF(i)                                                                                                       \
    (((i) % KG_CELL / KILN_PW) * (size_t)KG_DOWN +                                                                      \
     ((i) / KG_CELL * KILN_PW + (i) % KILN_PW) * (size_t)(KG_PIXEL * KG_CHANNELS))
#else
#define KG_OF(i) ((i) * (size_t)(KG_PIXEL * KG_CHANNELS))
#endif

#define KILN_C_AT(batch, row, col) (c_offset + (row) * (ulong)KG_FT + (batch) * (ulong)KILN_F + (col))
#ifndef KILN_STORE_C16
#define KG_PLAIN
#if KG_POOLS
#define KILN_STORE_C16(batch, row, col, v, index) vstore16(v, 0, c + KILN_C_AT(batch, row, col))
#else
#define KILN_STORE_C16(batch, row, col, v) vstore16(v, 0, c + KILN_C_AT(batch, row, col))
#endif
#endif
#ifndef KILN_STORE_C1
#define KILN_STORE_C1(batch, row, col, x) c[KILN_C_AT(batch, row, col)] = (x)
#endif

/* acc[i][j] += pa[i][k] * pb[k][16 j ..], over a run of `count` values of k. */
static inline void KG(run)(float16 acc[KILN_RM][KG_RV], KG_A_SPACE const float *pa, KG_B_SPACE const float *pb,
                           size_t count)
{
    for (size_t k = 0; k < count; k++) {
        float16 row[KG_RV];
#pragma unroll
        for (int j = 0; j < KG_RV; j++)
            row[j] = vload16(j, pb + k * KG_B_ROW);
#pragma unroll
        for (int i = 0; i < KILN_RM; i++) {
            float16 x = pa[KG_OF(i) + k];
#pragma unroll
            for (int j = 0; j < KG_RV; j++)
                acc[i][j] = fma(x, row[j], acc[i][j]);
        }
    }
}

/* The element of an axis at a position before spreading; -1: none. */
#define KG_ELEMENT(position, spread, length)                                                                           \
    ((position) < 0 || (position) % (spread) || (position) / (spread) >= (length) ? -1 : (position) / (spread))

#if KILN_PACK
/* Copies KG_REACH elements of an input row from element `first` on, which may lie outside. */
static inline void KG(pack)(float *packed, __global const float *row, int first)
{
    const int begin = min(max(-first, 0), KG_REACH), end = max(min(KG_REACH, KILN_IW - first), begin);
    for (int k = 0; k < begin * KILN_C; k++)
        packed[k] = 0.0f;
#if KILN_G == 1
    __global const float *from = row + first * (long)KG_CT;
    for (int k = begin * KILN_C; k < end * KILN_C; k++)
        packed[k] = from[k];
#else
    for (int i = begin; i < end; i++)
        for (int k = 0; k < KILN_C; k++)
            packed[i * KILN_C + k] = row[(first + i) * (long)KG_CT + k];
#endif
    for (int k = end * KILN_C; k < KG_REACH * KILN_C; k++)
        packed[k] = 0.0f;
}
#endif

#if KG_POOLS
/* Stores the cells of a register tile from i0 on; the tile begins at cell `first` of the row whose 0th is `cell`. */
static inline void KG(store)(KG_PARAMS, float16 acc[KILN_RM][KG_RV], size_t group, size_t cell, size_t first,
                             size_t tile_col, size_t i0, size_t col0)
{
    float16 largest[KG_CELLS * KG_RV], index[KG_CELLS * KG_RV];
#pragma unroll
    for (int i = 0; i < KG_CELLS; i++)
#pragma unroll
        for (int j = 0; j < KG_RV; j++) {
            float16 v = acc[i * KG_CELL][j], at = 0.0f;
#pragma unroll
            for (int p = 1; p < KG_CELL; p++) {
                const float16 x = acc[i * KG_CELL + p][j];
                at = (v >= x) || (v != v) ? at : (float16)(float)p;
                v = (v >= x) || (v != v) ? v : x;
            }
            largest[i * KG_RV + j] = v;
            index[i * KG_RV + j] = at;
        }
#pragma nounroll
    for (size_t i = (i0 - first) * KG_RV; i < KG_CELLS * KG_RV; i++)
        KILN_STORE_C16(group, (cell + first + i / KG_RV), (tile_col + i % KG_RV * 16), largest[i], index[i]);
}
#else
/* Stores the elements of a register tile from pixel i0 and filter col0 on; the tile itself begins at pixel `first` of
 * those KILN_PHASES apart, the 0th of which is `pixel`, and at tile_col. */
static inline void KG(store)(KG_PARAMS, float16 acc[KILN_RM][KG_RV], size_t group, size_t pixel, size_t first,
                             size_t tile_col, size_t i0, size_t col0)
{
#if KG_NARROW || KILN_F % KILN_RN
    if (KG_NARROW || tile_col < col0) {
        float lanes[KILN_RM][KILN_RN];
#pragma unroll
        for (int i = 0; i < KILN_RM; i++)
#pragma unroll
            for (int j = 0; j < KG_RV; j++)
                vstore16(acc[i][j], j, lanes[i]);
        const size_t end = KG_NARROW ? KILN_F : tile_col + KILN_RN;
#pragma nounroll
        for (size_t i = i0; i < first + KILN_RM; i++)
#pragma nounroll
            for (size_t col = col0; col < end; col++)
                KILN_STORE_C1(group, (pixel + i * KILN_PHASES), col, lanes[i - first][col - tile_col]);
        return;
    }
#endif
#ifdef KG_PLAIN
#pragma unroll
    for (int i = 0; i < KILN_RM; i++) {
        if (first + i < i0)
            continue;
#pragma unroll
        for (int j = 0; j < KG_RV; j++)
            KILN_STORE_C16(group, (pixel + (first + i) * KILN_PHASES), (tile_col + 16 * j), acc[i][j]);
    }
#else
    /* One copy of an epilogue that may be long. */
    float16 sums[KILN_RM * KG_RV];
#pragma unroll
    for (int i = 0; i < KILN_RM; i++)
#pragma unroll
        for (int j = 0; j < KG_RV; j++)
            sums[i * KG_RV + j] = acc[i][j];
#pragma nounroll
    for (size_t i = (i0 - first) * KG_RV; i < KILN_RM * KG_RV; i++)
        KILN_STORE_C16(group, (pixel + (first + i / KG_RV) * KILN_PHASES), (tile_col + i % KG_RV * 16), sums[i]);
#endif
}

#endif

static void KG(body)(KG_PARAMS, size_t item)
{
    const size_t strips = (KG_LINES + KILN_ROWS - 1) / KILN_ROWS, col_blocks = (KILN_F + KILN_TN - 1) / KILN_TN;
    const size_t row_begin = item % strips * KILN_ROWS, row_end = min(row_begin + KILN_ROWS, (size_t)KG_LINES);
    const size_t slice = item / strips % (KILN_BATCH * KILN_OD), image = slice / KILN_OD;
    const size_t rest = item / (strips * KILN_BATCH * KILN_OD), group = rest / col_blocks;
    const size_t col_begin = rest % col_blocks * KILN_TN, col_end = min(col_begin + KILN_TN, (size_t)KILN_F);
    const int z0 = (int)(slice % KILN_OD) * KILN_SD - KILN_BD;
    __global const float *x = a + a_offset + image * ((size_t)KILN_ID * KILN_IH * KILN_IW * KG_CT) + group * KILN_C;
#if KG_NARROW
    float taps[KG_K * 16] __attribute__((aligned(64)));
    for (size_t k = 0; k < KG_K; k++)
        for (size_t j = 0; j < 16; j++)
            taps[k * 16 + j] = j < KILN_F ? b[b_offset + k * KG_FT + group * KILN_F + j] : 0.0f;
#else
    __global const float *taps = b + b_offset + group * KILN_F;
#endif
#if KILN_PACK
    float packed[KILN_PH * KILN_KD * KILN_KH * KG_REACH * KILN_C] __attribute__((aligned(64)));
#endif
    for (size_t row = row_begin; row < row_end; row++)
        for (size_t phase = 0; phase < KILN_PHASES; phase++) {
#if KG_POOLS
            const size_t count = KILN_OW / KILN_PW, step = KG_CELLS;
#else
            const size_t count = (KILN_OW - phase + KILN_PHASES - 1) / KILN_PHASES, step = KILN_RM;
#endif
            const int y0 = (int)(row * KILN_PH) * KILN_SH - KILN_BH;
            for (size_t i0 = 0; i0 < count; i0 += step) {
                const size_t first = min(i0, count - step);
                /* Where the tile's first window begins before spreading, and the first element it may reach. */
                const int x0 = (int)(phase + first * (KILN_PHASES * KILN_PW)) * KILN_SW - KILN_BW;
                const int left = x0 >= 0 ? (x0 + KILN_EW - 1) / KILN_EW : -(-x0 / KILN_EW);
#if KILN_PACK
                for (int kz = 0; kz < KILN_KD; kz++)
                    for (int line = 0; line < KILN_PH * KILN_KH; line++) {
                        const int ky = line % KILN_KH * KILN_DH + line / KILN_KH * KILN_SH;
                        float *to = packed + (kz * (KILN_PH * KILN_KH) + line) * (KG_REACH * KILN_C);
                        const int z = KG_ELEMENT(z0 + kz * KILN_DD, KILN_ED, KILN_ID);
                        const int y = KG_ELEMENT(y0 + ky, KILN_EH, KILN_IH);
                        if (z >= 0 && y >= 0)
                            KG(pack)(to, x + (z * KILN_IH + y) * ((size_t)KILN_IW * KG_CT), left);
                        else if (KG_POOLS) /* other rows of the windows may be inside */
                            for (int k = 0; k < KG_REACH * KILN_C; k++)
                                to[k] = 0.0f;
                    }
#endif
                for (size_t col0 = col_begin; col0 < col_end; col0 += KILN_RN) {
                    const size_t tile_col = KG_NARROW ? 0 : min(col0, (size_t)(KG_NARROW ? 0 : KILN_F - KILN_RN));
                    float16 acc[KILN_RM][KG_RV];
#pragma unroll
                    for (int i = 0; i < KILN_RM; i++)
#pragma unroll
                        for (int j = 0; j < KG_RV; j++)
                            acc[i][j] = 0.0f;
                    for (int kz = 0; kz < KILN_KD; kz++)
                        for (int ky = 0; ky < KILN_KH; ky++) {
                            const int z = KG_ELEMENT(z0 + kz * KILN_DD, KILN_ED, KILN_ID);
                            const int y = KG_ELEMENT(y0 + ky * KILN_DH, KILN_EH, KILN_IH);
                            if (z < 0 || (y < 0 && !KG_POOLS))
                                continue;
#if KILN_PACK
                            const float *line = packed + (kz * (KILN_PH * KILN_KH) + ky) * (KG_REACH * KILN_C);
#else
                            __global const float *line =
                                x + ((z * KILN_IH + y) * (size_t)KILN_IW + (size_t)left) * KG_CT;
#endif
                            KG_B_SPACE const float *pb =
                                taps + (kz * KILN_KH + ky) * (size_t)(KILN_KW * KILN_C * KG_B_ROW) + tile_col;
#if KG_LONG && (KILN_PACK || KILN_G == 1)
                            KG(run)(acc, line, pb, KILN_KW * KILN_C);
#else
                            for (int kx = 0; kx < KILN_KW; kx++) {
                                const int at = x0 + kx * KILN_DW;
                                if (at % KILN_EW == 0)
                                    KG(run)(acc, line + (at / KILN_EW - left) * KG_CHANNELS,
                                            pb + kx * (size_t)(KILN_C * KG_B_ROW), KILN_C);
                            }
#endif
                        }
                    const size_t pixel = (slice * KG_LINES + row) * (KILN_OW / KILN_PW) + phase;
                    KG(store)(KG_ARGS, acc, group, pixel, first, tile_col, i0, col0);
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
#undef KG_A_SPACE
#undef KG_B_ROW
#undef KG_B_SPACE
#undef KG_CELL
#undef KG_CELLS
#undef KG_CHANNELS
#undef KG_CT
#undef KG_DOWN
#undef KG_ELEMENT
#undef KG_FT
#undef KG_GLUE
#undef KG_GLUE2
#undef KG_K
#undef KG_LINES
#undef KG_LONG
#undef KG_NARROW
#undef KG_OF
#undef KG_PARAMS
#undef KG_PIXEL
#undef KG_PLAIN
#undef KG_POOLS
#undef KG_REACH
#undef KG_RV
#undef KILN_BATCH
#undef KILN_BD
#undef KILN_BH
#undef KILN_BODY_ONLY
#undef KILN_BW
#undef KILN_C
#undef KILN_C_AT
#undef KILN_DD
#undef KILN_DH
#undef KILN_DW
#undef KILN_ED
#undef KILN_EH
#undef KILN_EW
#undef KILN_EXTRA_ARGS
#undef KILN_EXTRA_PARAMS
#undef KILN_F
#undef KILN_G
#undef KILN_ID
#undef KILN_IH
#undef KILN_IW
#undef KILN_KD
#undef KILN_KH
#undef KILN_KW
#undef KILN_NAME
#undef KILN_OD
#undef KILN_OH
#undef KILN_OW
#undef KILN_PACK
#undef KILN_PH
#undef KILN_PHASES
#undef KILN_PW
#undef KILN_RM
#undef KILN_RN
#undef KILN_ROWS
#undef KILN_SD
#undef KILN_SH
#undef KILN_STORE_C1
#undef KILN_STORE_C16
#undef KILN_SW
#undef KILN_TN
