/* Gradients of a convolution behind which lies a maximum pooling over windows side by side, for devices that run a
 * work-item as a thread of a CPU (see src/blas/convolution.h for what they mean). Of each window one pixel alone has a
 * gradient: that of the pooled result, `cell`; its index says which. So of KILN_PH * KILN_PW multiply-adds one is done,
 * and the map of gradients of the pixels is never written.
 *
 * KILN_MODE
 *   0  the input's gradient: c (batch, IH, IW, C) of dy (cells, F) and the kernel, turned round: b (taps from last to
 *      first, F, C). A work-item owns KILN_ROWS rows of an image and KILN_CB of its channels; their sums are in private
 *      memory. For each filter it holds the taps, goes through the cells and adds each, times the taps, where they are.
 *   1  the kernel's gradient: c (splits, taps * C, F) of x and dy. A work-item owns a part of the batch, KILN_CB
 *      channels and KILN_FB filters. For each filter it holds the sums of the taps and goes through the cells.
 *   2  the same where there are few taps and channels: sixteen filters side by side, the pixels of a cell in turn.
 *
 * To be defined before this file is included (all at once, or none; all are undefined at its end): as for conv_serial.cl
 * (KILN_G is 1, axis D is not there, KILN_E. are 1, KILN_F and, but in mode 2, KILN_C multiples of 16), and
 *   KILN_MODE, KILN_PH, KILN_PW   see above; KILN_CH, KILN_CW the cells along each axis
 *   KILN_ROWS                     rows of the input (mode 0) or of cells gone through together
 *   KILN_CB, KILN_FB              multiples of 16 that divide KILN_C (mode 2: all taps and channels) and KILN_F
 *   KILN_SPLITS                   modes 1 and 2: parts of the batch
 *   KILN_INDEX(i), KILN_INDEX16(i)  the index of cell i as a whole number, of 16 cells from i on as float16
 */
#ifndef KILN_NAME
#define KILN_NAME kiln_conv_pooled_serial
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
#define KILN_C 16
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
#define KILN_MODE 0
#define KILN_PH 2
#define KILN_PW 2
#define KILN_CH 3
#define KILN_CW 3
#define KILN_ROWS 8
#define KILN_CB 16
#define KILN_FB 16
#define KILN_SPLITS 1
#define KILN_INDEX(i) ((uint)(i) % 4)
#define KILN_INDEX16(i) (float16)(0.0f)
#endif

#define KG_GLUE2(a, b) a##_##b
#define KG_GLUE(a, b) KG_GLUE2(a, b)
#define KG(suffix) KG_GLUE(KILN_NAME, suffix)
#define KG_PARAMS                                                                                                      \
    __global const float *a, ulong a_offset, __global const float *b, ulong b_offset, __global float *c,               \
        ulong c_offset KILN_EXTRA_PARAMS
#define KG_ARGS a, a_offset, b, b_offset, c, c_offset KILN_EXTRA_ARGS

#define KG_TAPS (KILN_KH * KILN_KW)
#define KG_CV (KILN_CB / 16)
/* Rows and columns of the input from one cell to the next, and those that a cell's windows cover. */
#define KG_STEP_H (KILN_PH * KILN_SH)
#define KG_STEP_W (KILN_PW * KILN_SW)
#define KG_SPAN_H ((KILN_PH - 1) * KILN_SH + (KILN_KH - 1) * KILN_DH + 1)
#define KG_SPAN_W ((KILN_PW - 1) * KILN_SW + (KILN_KW - 1) * KILN_DW + 1)
/* The map of the input, or of its sums, in private memory: columns from -KILN_BW on. */
#define KG_MAP_W ((KILN_CW - 1) * KG_STEP_W + KG_SPAN_W)

#if KILN_MODE == 0
#define KG_WIDTH KILN_C
#define KILN_C_AT(batch, row, col) (c_offset + (row) * (ulong)KILN_C + (col))
#else
#define KG_WIDTH KILN_F
#define KILN_C_AT(batch, row, col)                                                                                     \
    (c_offset + (batch) * (ulong)(KG_TAPS * KILN_C * KILN_F) + (row) * (ulong)KILN_F + (col))
#endif
#ifndef KILN_STORE_C16
#define KILN_STORE_C16(batch, row, col, v) vstore16(v, 0, c + KILN_C_AT(batch, row, col))
#endif

/* Where in the map the windows of pixel `index` of the cell at (y, x) begin. */
static inline size_t KG(place)(size_t y, size_t x, uint index)
{
    return (y * KG_STEP_H + index / KILN_PW * KILN_SH) * KG_MAP_W + x * KG_STEP_W + index % KILN_PW * KILN_SW;
}

#if KILN_MODE == 0
#define KG_MAP_H (((KILN_ROWS + 2 * (KG_SPAN_H - 1)) / KG_STEP_H) * KG_STEP_H + KG_SPAN_H)

static void KG(body)(KG_PARAMS, size_t item)
{
    const size_t strips = (KILN_IH + KILN_ROWS - 1) / KILN_ROWS, image = item / strips % KILN_BATCH;
    const int row_begin = (int)(item % strips) * KILN_ROWS, row_end = min(row_begin + KILN_ROWS, KILN_IH);
    const size_t first = item / (strips * KILN_BATCH) * KILN_CB;
    /* The cells whose windows reach the rows. */
    const int above = row_begin + KILN_BH - (KG_SPAN_H - 1);
    const int begin = min(above > 0 ? (above + KG_STEP_H - 1) / KG_STEP_H : 0, KILN_CH);
    const int end = max(min((row_end - 1 + KILN_BH) / KG_STEP_H + 1, KILN_CH), begin);
    float16 map[KG_MAP_H * KG_MAP_W][KG_CV];
    const int lines = end > begin ? (end - begin - 1) * KG_STEP_H + KG_SPAN_H : 0;
    for (int i = 0; i < lines * KG_MAP_W; i++)
#pragma unroll
        for (int j = 0; j < KG_CV; j++)
            map[i][j] = 0.0f;
    for (size_t f = 0; f < KILN_F; f++) {
        float16 taps[KG_TAPS][KG_CV];
#pragma unroll
        for (int t = 0; t < KG_TAPS; t++)
#pragma unroll
            for (int j = 0; j < KG_CV; j++)
                taps[t][j] =
                    vload16(j, b + b_offset + ((KG_TAPS - 1 - t) * (size_t)KILN_F + f) * KILN_C + first);
        for (int y = begin; y < end; y++) {
            size_t cell = ((image * KILN_CH + y) * KILN_CW) * KILN_F + f;
            for (int x = 0; x < KILN_CW; x++, cell += KILN_F) {
                const float16 dy = a[a_offset + cell];
                float16(*at)[KG_CV] = map + KG(place)(y - begin, x, KILN_INDEX(cell));
#pragma unroll
                for (int t = 0; t < KG_TAPS; t++)
#pragma unroll
                    for (int j = 0; j < KG_CV; j++) {
                        float16 *sum = &at[t / KILN_KW * KILN_DH * KG_MAP_W + t % KILN_KW * KILN_DW][j];
                        *sum = fma(dy, taps[t][j], *sum);
                    }
            }
        }
    }
#pragma nounroll
    for (int y = row_begin; y < row_end; y++) {
        const int line = y + KILN_BH - begin * KG_STEP_H;
#pragma nounroll
        for (int x = 0; x < KILN_IW; x++) {
            const bool inside = line >= 0 && line < lines && x + KILN_BW < KG_MAP_W;
#pragma nounroll
            for (int j = 0; j < KG_CV; j++) {
                const float16 v = inside ? map[line * KG_MAP_W + x + KILN_BW][j] : (float16)0.0f;
                KILN_STORE_C16(0, ((image * KILN_IH + y) * KILN_IW + x), (first + 16 * j), v);
            }
        }
    }
}
#else
#define KG_MAP_H ((KILN_ROWS - 1) * KG_STEP_H + KG_SPAN_H)
#define KG_IMAGES (KILN_BATCH / KILN_SPLITS)
#if KILN_MODE == 1
#define KG_CHANNELS KILN_CB
#else
#define KG_CHANNELS KILN_C
#endif

/* Copies what the windows of the cells from line `row` on read, with the padding, and KG_CHANNELS channels. */
static inline void KG(pack)(float *map, __global const float *x, int row)
{
    for (int i = 0; i < KG_MAP_H; i++) {
        const int y = row * KG_STEP_H - KILN_BH + i;
        float *to = map + i * (KG_MAP_W * KG_CHANNELS);
        for (int j = 0; j < KG_MAP_W; j++, to += KG_CHANNELS) {
            const int w = j - KILN_BW;
            const bool inside = y >= 0 && y < KILN_IH && w >= 0 && w < KILN_IW;
            __global const float *from = x + (inside ? (y * (long)KILN_IW + w) * KILN_C : 0);
            for (int k = 0; k < KG_CHANNELS; k++)
                to[k] = inside ? from[k] : 0.0f;
        }
    }
}

static void KG(body)(KG_PARAMS, size_t item)
{
#if KILN_MODE == 1
    const size_t blocks = KILN_C / KILN_CB, first = item % blocks * KILN_CB;
#else
    const size_t blocks = 1, first = 0;
#endif
    const size_t filter = item / blocks % (KILN_F / KILN_FB) * KILN_FB, part = item / blocks / (KILN_F / KILN_FB);
    float map[KG_MAP_H * KG_MAP_W * KG_CHANNELS] __attribute__((aligned(64)));
#if KILN_MODE == 1
    float16 sums[KILN_FB][KG_TAPS][KG_CV];
    for (int f = 0; f < KILN_FB; f++)
        for (int t = 0; t < KG_TAPS; t++)
            for (int j = 0; j < KG_CV; j++)
                sums[f][t][j] = 0.0f;
#else
    float16 sums[KG_TAPS * KILN_C][KILN_FB / 16];
#pragma unroll
    for (int t = 0; t < KG_TAPS * KILN_C; t++)
#pragma unroll
        for (int j = 0; j < KILN_FB / 16; j++)
            sums[t][j] = 0.0f;
#endif
    for (size_t image = part * KG_IMAGES; image < (part + 1) * KG_IMAGES; image++)
        for (int row = 0; row < KILN_CH; row += KILN_ROWS) {
            const int rows = min(KILN_ROWS, KILN_CH - row);
            const size_t cells = ((image * KILN_CH + row) * KILN_CW) * KILN_F + filter;
            KG(pack)(map, a + a_offset + image * ((size_t)KILN_IH * KILN_IW * KILN_C) + first, row);
#if KILN_MODE == 1
            for (size_t f = 0; f < KILN_FB; f++) {
                float16 acc[KG_TAPS][KG_CV];
#pragma unroll
                for (int t = 0; t < KG_TAPS; t++)
#pragma unroll
                    for (int j = 0; j < KG_CV; j++)
                        acc[t][j] = sums[f][t][j];
                size_t cell = cells + f;
                for (int y = 0; y < rows; y++)
                    for (int x = 0; x < KILN_CW; x++, cell += KILN_F) {
                        const float16 dy = b[b_offset + cell];
                        const float *from = map + KG(place)(y, x, KILN_INDEX(cell)) * KILN_CB;
#pragma unroll
                        for (int t = 0; t < KG_TAPS; t++)
#pragma unroll
                            for (int j = 0; j < KG_CV; j++)
                                acc[t][j] =
                                    fma(dy,
                                        vload16(j, from + (t / KILN_KW * KILN_DH * KG_MAP_W + t % KILN_KW * KILN_DW) *
                                                              KILN_CB),
                                        acc[t][j]);
                    }
#pragma unroll
                for (int t = 0; t < KG_TAPS; t++)
#pragma unroll
                    for (int j = 0; j < KG_CV; j++)
                        sums[f][t][j] = acc[t][j];
            }
#else
            size_t cell = cells;
            for (int y = 0; y < rows; y++)
                for (int x = 0; x < KILN_CW; x++, cell += KILN_F) {
                    float16 dy[KILN_FB / 16], which[KILN_FB / 16];
#pragma unroll
                    for (int j = 0; j < KILN_FB / 16; j++) {
                        dy[j] = vload16(j, b + b_offset + cell);
                        which[j] = KILN_INDEX16(cell + 16 * j);
                    }
#pragma unroll
                    for (int p = 0; p < KILN_PH * KILN_PW; p++) {
                        const float *from = map + KG(place)(y, x, p) * KILN_C;
                        float16 of[KILN_FB / 16];
#pragma unroll
                        for (int j = 0; j < KILN_FB / 16; j++)
                            of[j] = which[j] == (float16)(float)p ? dy[j] : (float16)0.0f;
#pragma unroll
                        for (int t = 0; t < KG_TAPS * KILN_C; t++) {
                            const float16 value = from[(t / KILN_C / KILN_KW * KILN_DH * KG_MAP_W +
                                                        t / KILN_C % KILN_KW * KILN_DW) *
                                                           KILN_C +
                                                       t % KILN_C];
#pragma unroll
                            for (int j = 0; j < KILN_FB / 16; j++)
                                sums[t][j] = fma(value, of[j], sums[t][j]);
                        }
                    }
                }
#endif
        }
#if KILN_MODE == 1
#pragma nounroll
    for (int t = 0; t < KG_TAPS; t++)
#pragma nounroll
        for (int k = 0; k < KILN_CB; k++)
#pragma nounroll
            for (int j = 0; j < KILN_FB / 16; j++) {
                float16 v;
                float lanes[16];
                for (int i = 0; i < 16; i++)
                    lanes[i] = ((const float *)&sums[16 * j + i][t])[k];
                v = vload16(0, lanes);
                KILN_STORE_C16(part, (t * KILN_C + first + k), (filter + 16 * j), v);
            }
#else
    float16 stored[KG_TAPS * KILN_C * (KILN_FB / 16)];
#pragma unroll
    for (int t = 0; t < KG_TAPS * KILN_C; t++)
#pragma unroll
        for (int j = 0; j < KILN_FB / 16; j++)
            stored[t * (KILN_FB / 16) + j] = sums[t][j];
#pragma nounroll
    for (int i = 0; i < KG_TAPS * KILN_C * (KILN_FB / 16); i++)
        KILN_STORE_C16(part, (i / (KILN_FB / 16)), (filter + i % (KILN_FB / 16) * 16), stored[i]);
#endif
}
#endif

#ifndef KILN_BODY_ONLY
__kernel void KILN_NAME(KG_PARAMS)
{
    KG(body)(KG_ARGS, get_global_id(0));
}
#endif

#undef KG
#undef KG_ARGS
#undef KG_CHANNELS
#undef KG_CV
#undef KG_GLUE
#undef KG_GLUE2
#undef KG_IMAGES
#undef KG_MAP_H
#undef KG_MAP_W
#undef KG_PARAMS
#undef KG_SPAN_H
#undef KG_SPAN_W
#undef KG_STEP_H
#undef KG_STEP_W
#undef KG_TAPS
#undef KG_WIDTH
#undef KILN_BATCH
#undef KILN_BD
#undef KILN_BH
#undef KILN_BODY_ONLY
#undef KILN_BW
#undef KILN_C
#undef KILN_CB
#undef KILN_CH
#undef KILN_CW
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
#undef KILN_FB
#undef KILN_G
#undef KILN_ID
#undef KILN_IH
#undef KILN_INDEX
#undef KILN_INDEX16
#undef KILN_IW
#undef KILN_KD
#undef KILN_KH
#undef KILN_KW
#undef KILN_MODE
#undef KILN_NAME
#undef KILN_OD
#undef KILN_OH
#undef KILN_OW
#undef KILN_PH
#undef KILN_PW
#undef KILN_ROWS
#undef KILN_SD
#undef KILN_SH
#undef KILN_SPLITS
#undef KILN_STORE_C1
#undef KILN_STORE_C16
#undef KILN_SW
