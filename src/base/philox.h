/* Random numbers by counter: Philox4x32-10, the same bits as kiln_philox() in cl/common.clh.
 *
 * Nothing has a state: a number is a function of a seed, a stream (what it is for) and a position,
 * so that any part of a sequence can be made anywhere. */
#ifndef BASE_PHILOX_H
#define BASE_PHILOX_H

#include "base/status.h"

#include <stdint.h>

/* Four words from a counter and a key. */
void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* A sequence: key from the seed, upper half of the counter from the stream. */
typedef struct philox_sequence {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t words[4];
    int left; /* words not yet given out */
} philox_sequence;

philox_sequence philox_start(uint64_t seed, uint64_t stream);
uint32_t philox_word(philox_sequence *sequence);
uint64_t philox_word64(philox_sequence *sequence);

/* In [0, 1): 24 bits, so every value is exact in float. */
float philox_unit(philox_sequence *sequence);

/* In [0, bound), without bias. bound 0 gives 0. */
uint64_t philox_below(philox_sequence *sequence, uint64_t bound);

/* Arrays of draws. Uniform in [low, high); normal by Box and Muller; truncated normal redraws what
 * lies more than two deviations from the mean, as Keras does. */
void philox_fill_uniform(philox_sequence *sequence, float *out, size_t count, double low,
                         double high);
void philox_fill_normal(philox_sequence *sequence, float *out, size_t count, double mean,
                        double deviation);
void philox_fill_truncated_normal(philox_sequence *sequence, float *out, size_t count, double mean,
                                  double deviation);

/* A random order of 0 .. count-1. */
void philox_permutation(uint64_t seed, uint64_t stream, uint32_t *out, size_t count);
void philox_permutation64(uint64_t seed, uint64_t stream, uint64_t *out, size_t count);

#endif
