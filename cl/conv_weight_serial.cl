/* The gradient of a convolution's kernel, for devices that run a work-item as a thread of a CPU: for each tap and channel
 * (a row of the result) and each filter, the sum over the pixels of the output of what the tap reads times the pixel's
 * gradient (see src/blas/convolution.h).
 *
 * The batch is in KILN_SPLITS parts with a result each. A work-item owns one part, KILN_TAPS rows of taps, KILN_RUN
 * elements of such a row (its taps and their channels), KILN_TN filters of one group. It goes through its images
 * KILN_ROWS rows of the output at a time; meanwhile the sums of its tiles wait in private memory. What a tile reads of
 * the input at a pixel lies
 *   KILN_GATHER     in private memory, where all that a pixel reads is copied: any geometry
 *   KILN_SMALL      at fixed distances: all taps are one tile (spread 1)
 *   otherwise       side by side: the taps of a row are neighbours (spread 1, dilation 1 along the row)
 * in the input itself, or (KILN_PACK) in a copy of its rows with their padding.
 *
 * To be defined before this file is included (all at once, or none; all are undefined at its end): as for conv_serial.cl, and
 *   KILN_SPLITS, KILN_TAPS, KILN_RUN, KILN_ROWS, KILN_TN
 *   KILN_RM, KILN_RN              register tile: elements of a run by filters; KILN_RM divides KILN_RUN and is at most the run
 *   KILN_STORE_C16(batch, row, col, v), KILN_STORE_C1(batch, row, col, x)   of part batch / KILN_G and group batch % KILN_G
 */
#ifndef KILN_NAME
#define KILN_NAME kiln_conv_weight_serial
#endif
#ifndef KILN_EXTRA_PARAMS
#define KILN_EXTRA_PARAMS
#endif
#ifndef KILN_EXTRA_ARGS
#define KILN_EXTRA_ARGS
#endif
#ifndef KILN_GATHER
#define KILN_GATHER 0
#endif
#ifndef KILN_SMALL
#define KILN_SMALL 0
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
#define KILN_RM 3
#define KILN_SPLITS 1
#define KILN_TAPS 3
#define KILN_RUN 3
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
#if KILN_GATHER || KILN_SMALL
#define KG_TAPS 1
#define KG_RUN KG_K
#else
#define KG_TAPS (KILN_KD * KILN_KH)
#define KG_RUN (KILN_KW * KILN_C)
#endif
/* Rows and columns of the input that a strip of rows of the output reads. */
#define KG_LINES ((KILN_ROWS - 1) * KILN_SH + (KILN_KH - 1) * KILN_DH + 1)
#define KG_REACH ((KILN_OW - 1) * KILN_SW + (KILN_KW - 1) * KILN_DW + 1)
#if KILN_GATHER
#define KG_A_SPACE __private
#define KG_STEP (KILN_RUN < KG_RUN ? KILN_RUN + KILN_RM : KG_RUN) /* between pixels */
#define KG_PACKED (KILN_ROWS * KILN_OW * KG_STEP)
#elif KILN_PACK
#define KG_A_SPACE __private
#define KG_STEP (KILN_SW * KILN_C)
#define KG_LINE (KG_REACH * KILN_C)
#define KG_CHANNELS KILN_C
#define KG_PACKED (KILN_KD * KG_LINES * KG_LINE)
#else
#define KG_A_SPACE __global
#define KG_STEP (KILN_SW * KG_CT)
#define KG_LINE (KILN_IW * KG_CT)
#define KG_CHANNELS KG_CT
#endif
#if KILN_SMALL
#define KG_AT(i)                                                                                                       \
    ((i) / (KILN_KW * KILN_C) * (KILN_DH * KG_LINE) + (i) / KILN_C % KILN_KW * (KILN_DW * KG_CHANNELS) + (i) % KILN_C)
#else
#define KG_AT(i) (i)
#endif
#if KG_NARROW
#define KG_B_SPACE __private
#define KG_B_ROW 16
#else
#define KG_B_SPACE __global
#define KG_B_ROW KG_FT
#endif
#define KG_RUN_TILES ((KILN_RUN + KILN_RM - 1) / KILN_RM)
#define KG_COL_TILES ((KILN_TN + KILN_RN - 1) / KILN_RN)

#define KILN_C_AT(batch, row, col)                                                                                     \
    (c_offset + (batch) / KILN_G * (ulong)(KG_K * KG_FT) + (row) * (ulong)KG_FT + (batch) % KILN_G * (ulong)KILN_F +   \
     (col))
#ifndef KILN_STORE_C16
#define KILN_STORE_C16(batch, row, col, v) vstore16(v, 0, c + KILN_C_AT(batch, row, col))
#endif
#ifndef KILN_STORE_C1
#define KILN_STORE_C1(batch, row, col, x) c[KILN_C_AT(batch, row, col)] = (x)
#endif

/* acc[i][j] += pa[p][i] * pb[p][16 j ..], over `count` pixels. */
static inline void KG(tile)(float16 acc[KILN_RM][KG_RV], KG_A_SPACE const float *pa, KG_B_SPACE const float *pb,
                            size_t count)
{
    for (size_t p = 0; p < count; p++) {
        float16 row[KG_RV];
#pragma unroll
        for (int j = 0; j < KG_RV; j++)
            row[j] = vload16(j, pb + p * KG_B_ROW);
#pragma unroll
        for (int i = 0; i < KILN_RM; i++) {
            float16 x = pa[p * KG_STEP + KG_AT(i)];
#pragma unroll
            for (int j = 0; j < KG_RV; j++)
                acc[i][j] = fma(x, row[j], acc[i][j]);
        }
    }
}

/* The element of an axis at a position before spreading; -1: none. */
#define KG_ELEMENT(position, spread, length)                                                                           \
    ((position) < 0 || (position) % (spread) || (position) / (spread) >= (length) ? -1 : (position) / (spread))

#if KILN_GATHER
/* Copies elements k0 .. k0 + count - 1 of what the pixels of `rows` rows of the output read, from row `row0` on. */
static inline void KG(gather)(float *packed, __global const float *x, int oz, int row0, int rows, int k0, int count)
{
    for (int p = 0; p < rows * KILN_OW; p++) {
        const int oy = row0 + p / KILN_OW, ox = p % KILN_OW;
        int k = 0;
        while (k < count) { /* a tap, or what is wanted of it */
            const int tap = (k0 + k) / KILN_C, channel = (k0 + k) % KILN_C, length = min(KILN_C - channel, count - k);
            const int z = KG_ELEMENT(oz * KILN_SD - KILN_BD + tap / (KILN_KW * KILN_KH) * KILN_DD, KILN_ED, KILN_ID);
            const int y = KG_ELEMENT(oy * KILN_SH - KILN_BH + tap / KILN_KW % KILN_KH * KILN_DH, KILN_EH, KILN_IH);
            const int w = KG_ELEMENT(ox * KILN_SW - KILN_BW + tap % KILN_KW * KILN_DW, KILN_EW, KILN_IW);
            const bool inside = z >= 0 && y >= 0 && w >= 0;
            __global const float *from =
                x + (inside ? ((z * KILN_IH + y) * (size_t)KILN_IW + w) * KG_CT + channel : 0);
            for (int i = 0; i < length; i++)
                packed[p * (size_t)KG_STEP + k + i] = inside ? from[i] : 0.0f;
            k += length;
        }
    }
}
#elif KILN_PACK
/* Copies the rows of the input, with padding, that a strip of the output reads. */
static inline void KG(pack)(float *packed, __global const float *x, int z0, int y0)
{
    for (int kz = 0; kz < KILN_KD; kz++)
        for (int line = 0; line < KG_LINES; line++) {
            float *to = packed + (kz * KG_LINES + line) * KG_LINE;
            const int z = z0 + kz * KILN_DD, y = y0 + line;
            const bool inside = z >= 0 && z < KILN_ID && y >= 0 && y < KILN_IH;
            const int begin = inside ? min(max(KILN_BW, 0), KG_REACH) : KG_REACH;
            const int end = inside ? max(min(KG_REACH, KILN_IW + KILN_BW), begin) : KG_REACH;
            __global const float *from =
                x + ((inside ? z * KILN_IH + y : 0) * (long)KILN_IW - KILN_BW) * (long)KG_CT;
            for (int k = 0; k < begin * KILN_C; k++)
                to[k] = 0.0f;
#if KILN_G == 1
            for (int k = begin * KILN_C; k < end * KILN_C; k++)
                to[k] = from[k];
#else
            for (int i = begin; i < end; i++)
                for (int k = 0; k < KILN_C; k++)
                    to[i * KILN_C + k] = from[i * (long)KG_CT + k];
#endif
            for (int k = end * KILN_C; k < KG_REACH * KILN_C; k++)
                to[k] = 0.0f;
        }
}
#endif

static void KG(body)(KG_PARAMS, size_t item)
{
    const size_t run_blocks = (KG_RUN + KILN_RUN - 1) / KILN_RUN, tap_blocks = (KG_TAPS + KILN_TAPS - 1) / KILN_TAPS;
    const size_t col_blocks = (KILN_F + KILN_TN - 1) / KILN_TN;
    const size_t run_begin = item % run_blocks * KILN_RUN, run_end = min(run_begin + KILN_RUN, (size_t)KG_RUN);
    size_t rest = item / run_blocks;
    const size_t tap_begin = rest % tap_blocks * KILN_TAPS, tap_end = min(tap_begin + KILN_TAPS, (size_t)KG_TAPS);
    rest /= tap_blocks;
    const size_t col_begin = rest % col_blocks * KILN_TN, col_end = min(col_begin + KILN_TN, (size_t)KILN_F);
    const size_t batch = rest / col_blocks, group = batch % KILN_G, part = batch / KILN_G;
    const size_t images = KILN_BATCH / KILN_SPLITS, pixels = (size_t)KILN_OD * KILN_OH * KILN_OW;
    float16 sums[KILN_TAPS * KG_RUN_TILES * KG_COL_TILES][KILN_RM][KG_RV];
#if KILN_GATHER || KILN_PACK
    float packed[KG_PACKED] __attribute__((aligned(64)));
#endif
#if KG_NARROW
    float filters[KILN_ROWS * KILN_OW * 16] __attribute__((aligned(64)));
#endif
    for (size_t slice = part * images * KILN_OD; slice < (part + 1) * images * KILN_OD; slice++) {
        const int oz = (int)(slice % KILN_OD);
        __global const float *x =
            a + a_offset + slice / KILN_OD * ((size_t)KILN_ID * KILN_IH * KILN_IW * KG_CT) + group * KILN_C;
        for (size_t row0 = 0; row0 < KILN_OH; row0 += KILN_ROWS) {
            const size_t rows = min((size_t)KILN_ROWS, KILN_OH - row0);
            __global const float *dy =
                b + b_offset + (slice * KILN_OH + row0) * (size_t)(KILN_OW * KG_FT) + group * KILN_F;
#if KILN_GATHER
            const size_t gathered = min(run_begin, (size_t)(KG_RUN - KILN_RM));
            KG(gather)(packed, x, oz, (int)row0, (int)rows, (int)gathered, (int)(run_end - gathered));
#elif KILN_PACK
            KG(pack)(packed, x, oz * KILN_SD - KILN_BD, (int)row0 * KILN_SH - KILN_BH);
#endif
#if KG_NARROW
            for (size_t p = 0; p < rows * KILN_OW; p++)
                for (size_t j = 0; j < 16; j++)
                    filters[p * 16 + j] = j < KILN_F ? dy[p * KG_FT + j] : 0.0f;
#endif
            size_t tile = 0;
            for (size_t col0 = col_begin; col0 < col_end; col0 += KILN_RN) {
#if KG_NARROW
                const float *pb = filters;
#else
                __global const float *pb = dy + min(col0, (size_t)(KILN_F - KILN_RN));
#endif
                for (size_t tap = tap_begin; tap < tap_end; tap++)
                    for (size_t m0 = run_begin; m0 < run_end; m0 += KILN_RM, tile++) {
                        const size_t first = min(m0, (size_t)(KG_RUN - KILN_RM));
                        float16 acc[KILN_RM][KG_RV];
#pragma unroll
                        for (int i = 0; i < KILN_RM; i++)
#pragma unroll
                            for (int j = 0; j < KG_RV; j++)
                                acc[i][j] = slice == part * images * KILN_OD && row0 == 0 ? (float16)0.0f
                                                                                          : sums[tile][i][j];
#if KILN_GATHER
                        KG(tile)(acc, packed + (first - gathered), pb, rows * KILN_OW);
#else
                        const int kz = (int)tap / KILN_KH, ky = (int)tap % KILN_KH;
                        for (size_t r = 0; r < rows; r++) {
                            const int z = oz * KILN_SD - KILN_BD + kz * KILN_DD;
                            const int y = (int)(row0 + r) * KILN_SH - KILN_BH + ky * KILN_DH;
#if !KILN_SMALL
                            if (z < 0 || z >= KILN_ID || y < 0 || y >= KILN_IH)
                                continue;
#endif
#if KILN_PACK
                            const float *line = packed + (kz * KG_LINES + r * KILN_SH + ky * KILN_DH) * KG_LINE;
#else
                            __global const float *line =
                                x + (z * KILN_IH + y) * (size_t)KG_LINE + (size_t)(-(KILN_BW)) * KG_CT;
#endif
                            KG(tile)(acc, line + first, pb + r * (size_t)(KILN_OW * KG_B_ROW), KILN_OW);
                        }
#endif
#pragma unroll
                        for (int i = 0; i < KILN_RM; i++)
#pragma unroll
                            for (int j = 0; j < KG_RV; j++)
                                sums[tile][i][j] = acc[i][j];
                    }
            }
        }
    }
    size_t tile = 0;
    for (size_t col0 = col_begin; col0 < col_end; col0 += KILN_RN) {
        const size_t tile_col = KG_NARROW ? 0 : min(col0, (size_t)(KG_NARROW ? 0 : KILN_F - KILN_RN));
        for (size_t tap = tap_begin; tap < tap_end; tap++)
            for (size_t m0 = run_begin; m0 < run_end; m0 += KILN_RM, tile++) {
                const size_t first = min(m0, (size_t)(KG_RUN - KILN_RM));
                for (size_t i = m0 - first; i < KILN_RM; i++) {
                    const size_t row = tap * KG_RUN + first + i;
                    for (int j = 0; j < KG_RV; j++) {
                        const size_t col = tile_col + 16 * j;
                        if (!KG_NARROW && col >= col0) {
                            KILN_STORE_C16(batch, row, col, sums[tile][i][j]);
                        } else {
                            float lanes[16];
                            vstore16(sums[tile][i][j], 0, lanes);
                            for (size_t k = 0; k < 16; k++)
                                if (col + k >= col0 && col + k < KILN_F)
                                    KILN_STORE_C1(batch, row, (col + k), lanes[k]);
                        }
                    }
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
#undef KG_AT
#undef KG_A_SPACE
#undef KG_B_ROW
#undef KG_B_SPACE
#undef KG_CHANNELS
#undef KG_COL_TILES
#undef KG_CT
#undef KG_ELEMENT
#undef KG_FT
#undef KG_GLUE
#undef KG_GLUE2
#undef KG_K
#undef KG_LINE
#undef KG_LINES
#undef KG_NARROW
#undef KG_PACKED
#undef KG_PARAMS
#undef KG_REACH
#undef KG_RUN
#undef KG_RUN_TILES
#undef KG_RV
#undef KG_STEP
#undef KG_TAPS
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
#undef KILN_GATHER
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
#undef KILN_RM
#undef KILN_RN
#undef KILN_ROWS
#undef KILN_RUN
#undef KILN_SD
#undef KILN_SH
#undef KILN_SMALL
#undef KILN_SPLITS
#undef KILN_STORE_C1
#undef KILN_STORE_C16
#undef KILN_SW
#undef KILN_TAPS
#undef KILN_TN
