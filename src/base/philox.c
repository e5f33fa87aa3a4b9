#include "base/philox.h"

#include <math.h>

void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t product0 = (uint64_t)0xD2511F53u * c0, product1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(product1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)product1;
        c2 = (uint32_t)(product0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)product0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

philox_sequence philox_start(uint64_t seed, uint64_t stream)
{
    return (philox_sequence){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                             .counter = {0, 0, (uint32_t)stream, (uint32_t)(stream >> 32)}};
}

uint32_t philox_word(philox_sequence *sequence)
{
    if (sequence->left == 0) {
        philox4x32(sequence->counter, sequence->key, sequence->words);
        if (++sequence->counter[0] == 0)
            sequence->counter[1]++;
        sequence->left = 4;
    }
    return sequence->words[4 - sequence->left--];
}

uint64_t philox_word64(philox_sequence *sequence)
{
    uint64_t low = philox_word(sequence);
    return low | (uint64_t)philox_word(sequence) << 32;
}

float philox_unit(philox_sequence *sequence)
{
    return (float)(philox_word(sequence) >> 8) * 0x1p-24f;
}

/* Words below the largest multiple of the bound are even; the few others are drawn again. */
uint64_t philox_below(philox_sequence *sequence, uint64_t bound)
{
    if (bound <= 1)
        return 0;
    if (bound <= UINT32_MAX) {
        uint32_t narrow = (uint32_t)bound, uneven = -narrow % narrow, word;
        do
            word = philox_word(sequence);
        while (word < uneven);
        return word % narrow;
    }
    uint64_t uneven = -bound % bound, word;
    do
        word = philox_word64(sequence);
    while (word < uneven);
    return word % bound;
}

void philox_fill_uniform(philox_sequence *sequence, float *out, size_t count, double low,
                         double high)
{
    for (size_t i = 0; i < count; i++) {
        float value = (float)(low + (high - low) * philox_unit(sequence));
        out[i] = value < (float)high ? value : (float)low; /* rounding may reach the end */
    }
}

/* Two draws from the normal distribution. 53 bits, so that the tail reaches 8 deviations. */
static void two_normals(philox_sequence *sequence, double out[2])
{
    double u = ((double)(philox_word64(sequence) >> 11) + 0.5) * 0x1p-53;
    double angle = (double)(philox_word64(sequence) >> 11) * 0x1p-53 * 6.283185307179586;
    double radius = sqrt(-2 * log(u));
    out[0] = radius * cos(angle);
    out[1] = radius * sin(angle);
}

void philox_fill_normal(philox_sequence *sequence, float *out, size_t count, double mean,
                        double deviation)
{
    double pair[2];
    for (size_t i = 0; i < count; i++) {
        if (i % 2 == 0)
            two_normals(sequence, pair);
        out[i] = (float)(mean + deviation * pair[i % 2]);
    }
}

void philox_fill_truncated_normal(philox_sequence *sequence, float *out, size_t count, double mean,
                                  double deviation)
{
    double pair[2];
    for (size_t i = 0, used = 2; i < count;) {
        if (used == 2) {
            two_normals(sequence, pair);
            used = 0;
        }
        double value = pair[used++];
        if (fabs(value) <= 2)
            out[i++] = (float)(mean + deviation * value);
    }
}

void philox_permutation(uint64_t seed, uint64_t stream, uint32_t *out, size_t count)
{
    philox_sequence sequence = philox_start(seed, stream);
    for (size_t i = 0; i < count; i++) {
        size_t j = (size_t)philox_below(&sequence, i + 1);
        out[i] = out[j]; /* i == j copies itself before it is set */
        out[j] = (uint32_t)i;
    }
}

void philox_permutation64(uint64_t seed, uint64_t stream, uint64_t *out, size_t count)
{
    philox_sequence sequence = philox_start(seed, stream);
    for (size_t i = 0; i < count; i++) {
        size_t j = (size_t)philox_below(&sequence, i + 1);
        out[i] = out[j];
        out[j] = i;
    }
}
