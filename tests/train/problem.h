/* Data and models that tests of training share, made by formulas: images of ten patterns under
 * noise. */
#ifndef TESTS_TRAIN_PROBLEM_H
#define TESTS_TRAIN_PROBLEM_H

#include "harness/harness.h"

#include <kiln/kiln.h>
#include <stdlib.h>

/* The call to kiln_fit succeeds. */
#define problem_fitted(call)                                                                       \
    do {                                                                                           \
        const kiln_history *fitted_ = (call);                                                      \
        ck_assert_msg(fitted_ != NULL, "%s: %s", #call, kiln_last_error());                        \
    } while (0)

/* 32 well mixed bits of a number; as in fixtures/make_curve.py. */
static inline uint32_t scramble(uint32_t n)
{
    uint32_t h = n * 2654435761u;
    h ^= h >> 15;
    h *= 2246822519u;
    return h ^ h >> 13;
}

static inline int32_t problem_label(uint32_t i)
{
    return (int32_t)((i * 7 + i / 10) % 10);
}

/* Pixel p of image i. */
static inline uint8_t problem_pixel(uint32_t i, uint32_t p)
{
    uint32_t pattern = scramble((uint32_t)problem_label(i) * 784 + p) >> 24;
    uint32_t noise = scramble(100000 + i * 784 + p) >> 24;
    return (uint8_t)((pattern + 3 * noise) / 4);
}

/* A weight between -limit and limit. */
static inline float problem_weight(uint32_t k, double limit)
{
    double unit = (double)(scramble(k) >> 8) / 16777216.0;
    return (float)((2 * unit - 1) * limit);
}

/* count images of side x side pixels (the first ones of 784) as bytes with scale 1/255, with
 * labels. */
static inline kiln_dataset *problem_images(int64_t count, int64_t side)
{
    size_t row = (size_t)(side * side);
    uint8_t *pixels = malloc((size_t)count * row);
    int32_t *labels = malloc((size_t)count * sizeof *labels);
    for (int64_t i = 0; i < count; i++) {
        labels[i] = problem_label((uint32_t)i);
        for (size_t p = 0; p < row; p++)
            pixels[(size_t)i * row + p] = problem_pixel((uint32_t)i, (uint32_t)p);
    }
    kiln_array x = {.dtype = KILN_UINT8, .shape = {2, {side, side}}, .data = pixels};
    kiln_array y = {.dtype = KILN_INT32, .data = labels};
    kiln_dataset *data = kiln_dataset_from_arrays(count, 1, &x, 1, &y);
    free(pixels);
    free(labels);
    ck_assert_msg(data != NULL, "%s", kiln_last_error());
    harness_ok(kiln_dataset_set_scale(data, 1.0 / 255));
    return data;
}

/* Flatten, Dense relu, Dropout (rate 0: none), Dense 10; seeded. */
static inline kiln_model *problem_model(int64_t side, int64_t hidden, double dropout, uint64_t seed)
{
    kiln_model *model =
        dropout > 0 ? kiln_sequential(kiln_flatten(.input_shape = KILN_SHAPE(side, side)),
                                      kiln_dense(hidden, .activation = "relu"),
                                      kiln_dropout(dropout), kiln_dense(10))
                    : kiln_sequential(kiln_flatten(.input_shape = KILN_SHAPE(side, side)),
                                      kiln_dense(hidden, .activation = "relu"), kiln_dense(10));
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    harness_ok(kiln_model_set_seed(model, seed));
    return model;
}

static inline void problem_compile(kiln_model *model, kiln_device *device, kiln_optimizer rule)
{
    harness_ok(kiln_compile(model, .optimizer = rule,
                            .loss = kiln_sparse_categorical_crossentropy(.from_logits = KILN_YES),
                            .metrics = KILN_METRICS("accuracy"), .device = device));
}

/* problem_model with 8 hidden units, seed 1. */
static inline kiln_model *problem_compiled(int64_t side, kiln_device *device, kiln_optimizer rule)
{
    kiln_model *model = problem_model(side, 8, 0, 1);
    problem_compile(model, device, rule);
    return model;
}

/* All weights one after the other; the caller's to free. */
static inline float *problem_weights(kiln_model *model, size_t *count)
{
    size_t total = 0;
    for (size_t i = 0; i < kiln_model_weight_count(model); i++)
        total += (size_t)kiln_shape_size(kiln_model_weight_shape(model, i));
    float *all = malloc(total * sizeof *all), *at = all;
    for (size_t i = 0; i < kiln_model_weight_count(model); i++) {
        size_t size = (size_t)kiln_shape_size(kiln_model_weight_shape(model, i));
        harness_ok(kiln_get_weights(model, i, at, size));
        at += size;
    }
    *count = total;
    return all;
}

/* Are the weights of two models the same bits? */
static inline bool problem_same(kiln_model *a, kiln_model *b)
{
    size_t n, m;
    float *x = problem_weights(a, &n), *y = problem_weights(b, &m);
    bool same = n == m && memcmp(x, y, n * sizeof *x) == 0;
    free(x);
    free(y);
    return same;
}

#endif
