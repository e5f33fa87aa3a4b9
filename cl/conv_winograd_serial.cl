/* Convolutions of 3 x 3 taps side by side, by Winograd's minimal filtering F(2 x 2, 3 x 3), for devices that run a
 * work-item as a thread of a CPU (see src/blas/convolution.h for what they mean; S. Winograd, Arithmetic Complexity of
 * Computations, 1980; A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, 2016). Of 2 x 2 pixels of
 * the output and the 4 x 4 of the input x that they read,
 *   y = A' ((G g G') * (B' x B)) A      the convolution with the taps g, with 16 multiply-adds in place of 36
 *   dg = G' ((B' x B) * (A dy A')) G    the gradient of the taps, with as many
 *   B' = 1  0 -1  0     G = 1    0   0     A' = 1 1  1  0
 *        0  1  1  0         1/2  1/2 1/2        0 1 -1 -1
 *        0 -1  1  0         1/2 -1/2 1/2
 *        0  1  0 -1         0    0   1
 * where * multiplies place by place and sums over channels, or over such tiles: sixteen matrix products.
 *
 * KILN_SPLITS
 *   0  the convolution. A work-item (work-group of 1) owns KILN_PER tiles of the batch and KILN_FB filters. It transforms
 *      the taps once, then takes KILN_TILES tiles at a time through both transforms and the products.
 *   n  the gradient of the kernel, in n parts of the batch with a result each. A work-item owns one part and KILN_FB
 *      filters; the sums of its sixteen products wait in private memory while the tiles go by.
 *
 * To be defined before this file is included (all at once, or none; all are undefined at its end):
 *   KILN_NAME, KILN_BODY_ONLY, KILN_EXTRA_PARAMS, KILN_EXTRA_ARGS   as in gemm_serial.cl
 *   KILN_BATCH                    images
 *   KILN_IH, KILN_IW, KILN_OH, KILN_OW, KILN_BH, KILN_BW   the input's axes, the output's, padding before
 *   KILN_C, KILN_F                channels and filters: multiples of 16
 *   KILN_PER (convolution), KILN_TILES, KILN_FB   see above; KILN_FB divides KILN_F
 *   KILN_RM, KILN_RN              register tile: tiles (of the gradient: channels) by filters; KILN_RN divides KILN_FB, and
 *                                 KILN_RM, of the convolution, KILN_TILES
 *   KILN_LANES                    8 or 16 channels transformed at once
 *   KILN_POOLS                    (optional) 1: what is stored is the largest of each 2 x 2 pixels and its index, in
 *                                 KILN_STORE_C16(batch, row, col, v, index), row counting such windows
 *   KILN_STORE_C16(batch, row, col, v)   takes 16 filters from col on of pixel `row` of all the output's; of the gradient,
 *                                 of part `batch`, row being tap * KILN_C + channel
 * The hooks may use the parameters and KILN_C_AT(batch, row, col), the index of an element from c on.
 */
#ifndef KILN_NAME
#define KILN_NAME kiln_conv_winograd_serial
#endif
#ifndef KILN_EXTRA_PARAMS
#define KILN_EXTRA_PARAMS
#endif
#ifndef KILN_EXTRA_ARGS
#define KILN_EXTRA_ARGS
#endif
#ifndef KILN_BATCH /* an example, for a program without a caller */
#define KILN_BATCH 1
#define KILN_C 16
#define KILN_F 16
#define KILN_IH 8
#define KILN_IW 8
#define KILN_OH 6
#define KILN_OW 6
#define KILN_BH 0
#define KILN_BW 0
#define KILN_SPLITS 0
#define KILN_PER 9
#define KILN_TILES 6
#define KILN_FB 16
#define KILN_RM 3
#define KILN_RN 16
#define KILN_LANES 8
#endif
#ifndef KILN_POOLS
#define KILN_POOLS 0
#endif

#define KG_GLUE2(a, b) a##_##b
#define KG_GLUE(a, b) KG_GLUE2(a, b)
#define KG(suffix) KG_GLUE(KILN_NAME, suffix)
#define KG_PARAMS                                                                                                      \
    __global const float *a, ulong a_offset, __global const float *b, ulong b_offset, __global float *c,               \
        ulong c_offset KILN_EXTRA_PARAMS
#define KG_ARGS a, a_offset, b, b_offset, c, c_offset KILN_EXTRA_ARGS

#if KILN_LANES == 16
#define KG_VECTOR float16
#define KG_LOAD vload16
#define KG_STORE vstore16
#else
#define KG_VECTOR float8
#define KG_LOAD vload8
#define KG_STORE vstore8
#endif
#define KG_RV (KILN_RN / 16)
#define KG_BLOCKS (KILN_FB / KILN_RN)
/* Tiles of an image. With pooling, pixels that make no window have none. */
#if KILN_POOLS
#define KG_ACROSS (KILN_OW / 2)
#define KG_DOWN (KILN_OH / 2)
#else
#define KG_ACROSS ((KILN_OW + 1) / 2)
#define KG_DOWN ((KILN_OH + 1) / 2)
#endif
/* From one of the sixteen places to the next; no multiple of a page, where the sixteen would share sets of the cache. */
#define KG_APART (KILN_TILES * KILN_C + 16)
#define KG_APART_F (KILN_TILES * KILN_FB + 16)

#if KILN_SPLITS
#define KILN_C_AT(batch, row, col)                                                                                     \
    (c_offset + (batch) * (ulong)(9 * KILN_C * KILN_F) + (row) * (ulong)KILN_F + (col))
#else
#define KILN_C_AT(batch, row, col) (c_offset + (row) * (ulong)KILN_F + (col))
#endif
#ifndef KILN_STORE_C16
#if KILN_POOLS
#define KILN_STORE_C16(batch, row, col, v, index) vstore16(v, 0, c + KILN_C_AT(batch, row, col))
#else
#define KILN_STORE_C16(batch, row, col, v) vstore16(v, 0, c + KILN_C_AT(batch, row, col))
#endif
#endif

/* B' of four vectors. */
#define KG_INPUT(r0, r1, r2, r3, d0, d1, d2, d3)                                                                       \
    const KG_VECTOR r0 = d0 - d2, r1 = d1 + d2, r2 = d2 - d1, r3 = d1 - d3
#define KG_INPUT_COLUMN(j)                                                                                             \
    KG_INPUT(r0##j, r1##j, r2##j, r3##j, KG_LOAD(0, x + (j) * KILN_C + k), KG_LOAD(0, x + line + (j) * KILN_C + k),    \
             KG_LOAD(0, x + 2 * line + (j) * KILN_C + k), KG_LOAD(0, x + 3 * line + (j) * KILN_C + k))
#define KG_INPUT_ROW(i)                                                                                                \
    {                                                                                                                  \
        KG_INPUT(v0, v1, v2, v3, r##i##0, r##i##1, r##i##2, r##i##3);                                                  \
        KG_STORE(v0, 0, to + (4 * i) * KG_APART + k);                                                                  \
        KG_STORE(v1, 0, to + (4 * i + 1) * KG_APART + k);                                                              \
        KG_STORE(v2, 0, to + (4 * i + 2) * KG_APART + k);                                                              \
        KG_STORE(v3, 0, to + (4 * i + 3) * KG_APART + k);                                                              \
    }
/* to = B' x B; lines of x are `line` floats apart. */
#define KG_DEFINE_INPUT(name, space)                                                                                   \
    static inline void KG(name)(float *to, space const float *x, size_t line)                                          \
    {                                                                                                                  \
        _Pragma("nounroll") for (size_t k = 0; k < KILN_C; k += KILN_LANES)                                            \
        {                                                                                                              \
            KG_INPUT_COLUMN(0);                                                                                        \
            KG_INPUT_COLUMN(1);                                                                                        \
            KG_INPUT_COLUMN(2);                                                                                        \
            KG_INPUT_COLUMN(3);                                                                                        \
            KG_INPUT_ROW(0)                                                                                            \
            KG_INPUT_ROW(1)                                                                                            \
            KG_INPUT_ROW(2)                                                                                            \
            KG_INPUT_ROW(3)                                                                                            \
        }                                                                                                              \
    }
KG_DEFINE_INPUT(inside, __global)
KG_DEFINE_INPUT(at_edge, __private)

/* The transformed input of tile `tile`. */
static inline void KG(input)(float *to, __global const float *image, size_t tile, float *edge)
{
    const int y = (int)(tile / KG_ACROSS) * 2 - KILN_BH, x = (int)(tile % KG_ACROSS) * 2 - KILN_BW;
    /* How far it hangs over an edge. Four comparisons would be a switch over an integer of a few bits to LLVM, and Oclgrind
     * 21.10 compares all eight of its byte. */
    if (max(max(-y, y + 4 - KILN_IH), max(-x, x + 4 - KILN_IW)) <= 0) {
        KG(inside)(to, image + (y * (size_t)KILN_IW + x) * KILN_C, (size_t)KILN_IW * KILN_C);
        return;
    }
#pragma nounroll
    for (int p = 0; p < 16; p++) {
        const int row = y + p / 4, col = x + p % 4;
        const bool inside = row >= 0 && row < KILN_IH && col >= 0 && col < KILN_IW;
        __global const float *from = image + (inside ? (row * (size_t)KILN_IW + col) * KILN_C : 0);
#pragma nounroll
        for (int k = 0; k < KILN_C; k++)
            edge[p * KILN_C + k] = inside ? from[k] : 0.0f;
    }
    KG(at_edge)(to, edge, 4 * KILN_C);
}

/* acc[i][j] += pa[k][i] * pb[k][16 j ..], over `count` values of k; elements of pa are `step` apart in k, `apart` in i. */
static inline void KG(run)(float16 acc[KILN_RM][KG_RV], const float *pa, size_t step, size_t apart, const float *pb,
                           size_t step_b, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        float16 row[KG_RV];
#pragma unroll
        for (int j = 0; j < KG_RV; j++)
            row[j] = vload16(j, pb + k * step_b);
#pragma unroll
        for (int i = 0; i < KILN_RM; i++) {
            float16 x = pa[i * apart + k * step];
#pragma unroll
            for (int j = 0; j < KG_RV; j++)
                acc[i][j] = fma(x, row[j], acc[i][j]);
        }
    }
}

#if KILN_SPLITS == 0
/* taps[place][block][channel][filter] = G g G'. */
static void KG(taps)(float *taps, __global const float *g)
{
#pragma nounroll
    for (size_t k = 0; k < KILN_C; k++)
#pragma nounroll
        for (size_t col = 0; col < KILN_FB; col += KILN_LANES) {
            KG_VECTOR mid[4][3];
#pragma unroll
            for (int j = 0; j < 3; j++) {
                const KG_VECTOR g0 = KG_LOAD(0, g + (j * (size_t)KILN_C + k) * KILN_F + col),
                                g1 = KG_LOAD(0, g + ((3 + j) * (size_t)KILN_C + k) * KILN_F + col),
                                g2 = KG_LOAD(0, g + ((6 + j) * (size_t)KILN_C + k) * KILN_F + col);
                mid[0][j] = g0;
                mid[1][j] = 0.5f * ((g0 + g2) + g1);
                mid[2][j] = 0.5f * ((g0 + g2) - g1);
                mid[3][j] = g2;
            }
            float *to = taps + ((col / KILN_RN) * KILN_C + k) * KILN_RN + col % KILN_RN;
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const KG_VECTOR g0 = mid[i][0], g1 = mid[i][1], g2 = mid[i][2];
                KG_STORE(g0, 0, to + (4 * i) * (KILN_C * KILN_FB));
                KG_STORE(0.5f * ((g0 + g2) + g1), 0, to + (4 * i + 1) * (KILN_C * KILN_FB));
                KG_STORE(0.5f * ((g0 + g2) - g1), 0, to + (4 * i + 2) * (KILN_C * KILN_FB));
                KG_STORE(g2, 0, to + (4 * i + 3) * (KILN_C * KILN_FB));
            }
        }
}

/* Stores A' m A of tile `tile` of image `image`. */
static inline void KG(store)(KG_PARAMS, const float *m, size_t image, size_t tile, size_t col0)
{
    const size_t y = tile / KG_ACROSS * 2, x = tile % KG_ACROSS * 2;
#pragma nounroll
    for (size_t col = 0; col < KILN_FB; col += 16) {
        float out[4][16];
#pragma nounroll
        for (size_t k = 0; k < 16; k += KILN_LANES) {
            KG_VECTOR mid[2][4];
#pragma unroll
            for (int j = 0; j < 4; j++) {
                const KG_VECTOR m0 = KG_LOAD(0, m + j * KG_APART_F + col + k),
                                m1 = KG_LOAD(0, m + (4 + j) * KG_APART_F + col + k),
                                m2 = KG_LOAD(0, m + (8 + j) * KG_APART_F + col + k),
                                m3 = KG_LOAD(0, m + (12 + j) * KG_APART_F + col + k);
                mid[0][j] = m0 + m1 + m2;
                mid[1][j] = m1 - m2 - m3;
            }
#pragma unroll
            for (int i = 0; i < 2; i++) {
                KG_STORE(mid[i][0] + mid[i][1] + mid[i][2], 0, out[2 * i] + k);
                KG_STORE(mid[i][1] - mid[i][2] - mid[i][3], 0, out[2 * i + 1] + k);
            }
        }
#if KILN_POOLS
        float16 v = vload16(0, out[0]), at = 0.0f;
#pragma unroll
        for (int p = 1; p < 4; p++) {
            const float16 x = vload16(p, out[0]);
            at = (v >= x) || (v != v) ? at : (float16)(float)p;
            v = (v >= x) || (v != v) ? v : x;
        }
        KILN_STORE_C16(0, (image * (KG_DOWN * KG_ACROSS) + tile), (col0 + col), v, at);
#else
#pragma nounroll
        for (size_t p = 0; p < 4; p++)
            if ((KILN_OH % 2 == 0 || y + p / 2 < KILN_OH) && (KILN_OW % 2 == 0 || x + p % 2 < KILN_OW))
                KILN_STORE_C16(0, ((image * KILN_OH + y + p / 2) * KILN_OW + x + p % 2), (col0 + col),
                               vload16(0, out[p]));
#endif
    }
}

static void KG(body)(KG_PARAMS, size_t item)
{
    const size_t tiles = (size_t)KILN_BATCH * KG_DOWN * KG_ACROSS, parts = (tiles + KILN_PER - 1) / KILN_PER;
    const size_t begin = item % parts * KILN_PER, end = min(begin + KILN_PER, tiles), col0 = item / parts * KILN_FB;
    float taps[16 * KILN_C * KILN_FB] __attribute__((aligned(64)));
    float values[16 * KG_APART] __attribute__((aligned(64)));
    float sums[16 * KG_APART_F] __attribute__((aligned(64)));
    float edge[16 * KILN_C] __attribute__((aligned(64)));
    KG(taps)(taps, b + b_offset + col0);
    for (size_t first = begin; first < end; first += KILN_TILES) {
        const size_t count = min((size_t)KILN_TILES, end - first);
        for (size_t i = 0; i < count; i++) {
            const size_t image = (first + i) / (KG_DOWN * KG_ACROSS);
            KG(input)(values + i * KILN_C, a + a_offset + image * ((size_t)KILN_IH * KILN_IW * KILN_C),
                      (first + i) % (KG_DOWN * KG_ACROSS), edge);
        }
        for (size_t i = count; i % KILN_RM; i++) /* computed, and not stored */
#pragma nounroll
            for (size_t p = 0; p < 16; p++)
#pragma nounroll
                for (size_t k = 0; k < KILN_C; k++)
                    values[p * KG_APART + i * KILN_C + k] = 0.0f;
#pragma nounroll
        for (size_t p = 0; p < 16; p++)
#pragma nounroll
            for (size_t block = 0; block < KG_BLOCKS; block++)
#pragma nounroll
                for (size_t i0 = 0; i0 < count; i0 += KILN_RM) {
                    float16 acc[KILN_RM][KG_RV];
#pragma unroll
                    for (int i = 0; i < KILN_RM; i++)
#pragma unroll
                        for (int j = 0; j < KG_RV; j++)
                            acc[i][j] = 0.0f;
                    KG(run)(acc, values + p * KG_APART + i0 * KILN_C, 1, KILN_C,
                            taps + (p * KG_BLOCKS + block) * (KILN_C * KILN_RN), KILN_RN, KILN_C);
                    float *to = sums + p * KG_APART_F + i0 * KILN_FB + block * KILN_RN;
#pragma unroll
                    for (int i = 0; i < KILN_RM; i++)
#pragma unroll
                        for (int j = 0; j < KG_RV; j++)
                            vstore16(acc[i][j], j, to + i * KILN_FB);
                }
        for (size_t i = 0; i < count; i++)
            KG(store)(KG_ARGS, sums + i * KILN_FB, (first + i) / (KG_DOWN * KG_ACROSS),
                      (first + i) % (KG_DOWN * KG_ACROSS), col0);
    }
}
#else
#define KG_IMAGES (KILN_BATCH / KILN_SPLITS)
#define KG_ROW_TILES ((KILN_C + KILN_RM - 1) / KILN_RM)

/* to = A dy A', of the 2 x 2 pixels of a tile. */
static inline void KG(output)(float *to, __global const float *dy, size_t tile)
{
    const size_t y = tile / KG_ACROSS * 2, x = tile % KG_ACROSS * 2;
    const bool right = KILN_OW % 2 == 0 || x + 1 < KILN_OW, below = KILN_OH % 2 == 0 || y + 1 < KILN_OH;
    __global const float *from = dy + (y * KILN_OW + x) * KILN_F;
#pragma nounroll
    for (size_t k = 0; k < KILN_FB; k += KILN_LANES) {
        const KG_VECTOR zero = 0.0f, y00 = KG_LOAD(0, from + k), y01 = right ? KG_LOAD(0, from + KILN_F + k) : zero,
                        y10 = below ? KG_LOAD(0, from + KILN_OW * KILN_F + k) : zero,
                        y11 = right && below ? KG_LOAD(0, from + (KILN_OW + 1) * KILN_F + k) : zero;
        const KG_VECTOR left[4] = {y00, y00 + y10, y00 - y10, -y10}, other[4] = {y01, y01 + y11, y01 - y11, -y11};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            KG_STORE(left[i], 0, to + (4 * i) * KG_APART_F + k);
            KG_STORE(left[i] + other[i], 0, to + (4 * i + 1) * KG_APART_F + k);
            KG_STORE(left[i] - other[i], 0, to + (4 * i + 2) * KG_APART_F + k);
            KG_STORE(-other[i], 0, to + (4 * i + 3) * KG_APART_F + k);
        }
    }
}

/* Stores G' m G of channel k, all of the item's filters; m's places are `apart` floats apart. */
static inline void KG(store)(KG_PARAMS, const float *m, size_t apart, size_t part, size_t k, size_t col)
{
    float out[9][16];
#pragma nounroll
    for (size_t lane = 0; lane < 16; lane += KILN_LANES) {
        KG_VECTOR mid[3][4];
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const KG_VECTOR m0 = KG_LOAD(0, m + j * apart + lane), m1 = KG_LOAD(0, m + (4 + j) * apart + lane),
                            m2 = KG_LOAD(0, m + (8 + j) * apart + lane), m3 = KG_LOAD(0, m + (12 + j) * apart + lane);
            mid[0][j] = m0 + 0.5f * (m1 + m2);
            mid[1][j] = 0.5f * (m1 - m2);
            mid[2][j] = 0.5f * (m1 + m2) + m3;
        }
#pragma unroll
        for (int i = 0; i < 3; i++) {
            KG_STORE(mid[i][0] + 0.5f * (mid[i][1] + mid[i][2]), 0, out[3 * i] + lane);
            KG_STORE(0.5f * (mid[i][1] - mid[i][2]), 0, out[3 * i + 1] + lane);
            KG_STORE(0.5f * (mid[i][1] + mid[i][2]) + mid[i][3], 0, out[3 * i + 2] + lane);
        }
    }
#pragma nounroll
    for (size_t tap = 0; tap < 9; tap++)
        KILN_STORE_C16(part, (tap * KILN_C + k), col, vload16(0, out[tap]));
}

static void KG(body)(KG_PARAMS, size_t item)
{
    const size_t tiles = (size_t)KG_IMAGES * KG_DOWN * KG_ACROSS, part = item / (KILN_F / KILN_FB);
    const size_t col0 = item % (KILN_F / KILN_FB) * KILN_FB;
    /* sums[place][block][channel][filter]; rows of a tile beyond the channels are computed and not stored. */
    float sums[16 * KG_BLOCKS * KG_ROW_TILES * KILN_RM * KILN_RN] __attribute__((aligned(64)));
    float values[16 * KG_APART + KILN_RM] __attribute__((aligned(64)));
    float slopes[16 * KG_APART_F] __attribute__((aligned(64)));
    float edge[16 * KILN_C] __attribute__((aligned(64)));
    const size_t apart = KG_BLOCKS * KG_ROW_TILES * KILN_RM * KILN_RN;
#pragma nounroll
    for (size_t i = 0; i < 16 * apart; i++)
        sums[i] = 0.0f;
#pragma nounroll
    for (size_t i = 0; i < 16 * KG_APART + KILN_RM; i++)
        values[i] = 0.0f;
    for (size_t first = 0; first < tiles; first += KILN_TILES) {
        const size_t count = min((size_t)KILN_TILES, tiles - first);
        for (size_t i = 0; i < count; i++) {
            const size_t image = part * KG_IMAGES + (first + i) / (KG_DOWN * KG_ACROSS),
                         tile = (first + i) % (KG_DOWN * KG_ACROSS);
            KG(input)(values + i * KILN_C, a + a_offset + image * ((size_t)KILN_IH * KILN_IW * KILN_C), tile, edge);
            KG(output)(slopes + i * KILN_FB, b + b_offset + image * ((size_t)KILN_OH * KILN_OW * KILN_F) + col0, tile);
        }
#pragma nounroll
        for (size_t p = 0; p < 16; p++)
#pragma nounroll
            for (size_t block = 0; block < KG_BLOCKS; block++)
#pragma nounroll
                for (size_t m = 0; m < KG_ROW_TILES; m++) {
                    float *sum = sums + p * apart + (block * KG_ROW_TILES + m) * (KILN_RM * KILN_RN);
                    float16 acc[KILN_RM][KG_RV];
#pragma unroll
                    for (int i = 0; i < KILN_RM; i++)
#pragma unroll
                        for (int j = 0; j < KG_RV; j++)
                            acc[i][j] = vload16(j, sum + i * KILN_RN);
                    KG(run)(acc, values + p * KG_APART + m * KILN_RM, KILN_C, 1,
                            slopes + p * KG_APART_F + block * KILN_RN, KILN_FB, count);
#pragma unroll
                    for (int i = 0; i < KILN_RM; i++)
#pragma unroll
                        for (int j = 0; j < KG_RV; j++)
                            vstore16(acc[i][j], j, sum + i * KILN_RN);
                }
    }
#pragma nounroll
    for (size_t k = 0; k < KILN_C; k++)
#pragma nounroll
        for (size_t col = 0; col < KILN_FB; col += 16)
            KG(store)(KG_ARGS, sums + (col / KILN_RN * (KG_ROW_TILES * KILN_RM) + k) * KILN_RN + col % KILN_RN, apart,
                      part, k, col0 + col);
}
#endif

#ifndef KILN_BODY_ONLY
__kernel void KILN_NAME(KG_PARAMS)
{
    KG(body)(KG_ARGS, get_global_id(0));
}
#endif

#undef KG
#undef KG_ACROSS
#undef KG_APART
#undef KG_APART_F
#undef KG_ARGS
#undef KG_BLOCKS
#undef KG_DEFINE_INPUT
#undef KG_DOWN
#undef KG_GLUE
#undef KG_GLUE2
#undef KG_IMAGES
#undef KG_INPUT
#undef KG_INPUT_COLUMN
#undef KG_INPUT_ROW
#undef KG_LOAD
#undef KG_PARAMS
#undef KG_ROW_TILES
#undef KG_RV
#undef KG_STORE
#undef KG_VECTOR
#undef KILN_BATCH
#undef KILN_BH
#undef KILN_BODY_ONLY
#undef KILN_BW
#undef KILN_C
#undef KILN_C_AT
#undef KILN_EXTRA_ARGS
#undef KILN_EXTRA_PARAMS
#undef KILN_F
#undef KILN_FB
#undef KILN_IH
#undef KILN_IW
#undef KILN_LANES
#undef KILN_NAME
#undef KILN_OH
#undef KILN_OW
#undef KILN_PER
#undef KILN_POOLS
#undef KILN_RM
#undef KILN_RN
#undef KILN_SPLITS
#undef KILN_STORE_C1
#undef KILN_STORE_C16
#undef KILN_TILES
