/* Data sets: made of arrays and functions, cut, split, chosen by name. */
#include "support.h"

#include "data/dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* 10 samples: x[i] = {i, 10 i} float32, y[i] = i % 3 int32. */
static kiln_dataset *ten(void)
{
    float x[10][2];
    int32_t y[10];
    for (int i = 0; i < 10; i++) {
        x[i][0] = (float)i;
        x[i][1] = (float)(10 * i);
        y[i] = i % 3;
    }
    kiln_dataset *d =
        kiln_dataset_from_arrays(10, 1, &(kiln_array){.shape = KILN_SHAPE(2), .data = x}, 1,
                                 &(kiln_array){.dtype = KILN_INT32, .data = y});
    ck_assert_msg(d != NULL, "%s", kiln_last_error());
    return d;
}

static float x_of(const kiln_dataset *d, int64_t row)
{
    return ((const float *)d->inputs[0].data)[2 * row];
}

START_TEST(copies_and_narrows_arrays)
{
    int64_t longs[4] = {1, -2, INT32_MAX, INT32_MIN};
    double doubles[2] = {0.1, -1e30};
    kiln_array x[2] = {{"a", KILN_INT64, KILN_SHAPE(2), longs}, {"b", KILN_FLOAT64, {0}, doubles}};
    kiln_dataset *d = kiln_dataset_from_arrays(2, 2, x, 0, NULL);
    ck_assert_ptr_nonnull(d);
    ck_assert_int_eq(d->inputs[0].dtype, KILN_INT32);
    ck_assert_int_eq(((const int32_t *)d->inputs[0].data)[3], INT32_MIN);
    ck_assert_int_eq(d->inputs[1].dtype, KILN_FLOAT32);
    ck_assert_float_eq(((const float *)d->inputs[1].data)[0], 0.1f);
    ck_assert_str_eq(d->inputs[1].name, "b");
    ck_assert_int_eq(kiln_dataset_size(d), 2);
    ck_assert_double_eq(kiln_dataset_scale(d), 1);
    kiln_dataset_free(d);
    longs[3] = 5000000000;
    ck_assert_ptr_null(kiln_dataset_from_arrays(2, 2, x, 0, NULL));
    expect_error(KILN_ERROR_FORMAT,
                 "input 'a': element 1 of sample 1 is 5000000000, which does not fit into int32");
    longs[3] = 0;
    doubles[0] = -1e39;
    ck_assert_ptr_null(kiln_dataset_from_arrays(2, 2, x, 0, NULL));
    expect_error(KILN_ERROR_FORMAT,
                 "input 'b': element 0 of sample 0 is -1e+39, which does not fit into float32");
}
END_TEST

START_TEST(refuses_arrays_that_make_no_sense)
{
    float data[4] = {0};
    kiln_array good = {.shape = KILN_SHAPE(2), .data = data}, bad = good;
    ck_assert_ptr_null(kiln_dataset_from_arrays(0, 1, &good, 0, NULL));
    expect_error(KILN_ERROR_ARGUMENT, "a data set of 0 samples: 1 to 2147483647 are possible");
    ck_assert_ptr_null(kiln_dataset_from_arrays(2, 0, &good, 0, NULL));
    expect_error(KILN_ERROR_ARGUMENT, "a data set has at least one input array");
    ck_assert_ptr_null(kiln_dataset_from_arrays(2, 1, &good, 1, NULL));
    expect_error(KILN_ERROR_ARGUMENT, "the data set's targets are NULL");
    bad.data = NULL;
    ck_assert_ptr_null(kiln_dataset_from_arrays(2, 1, &good, 1, &bad));
    expect_error(KILN_ERROR_ARGUMENT, "target 0: data is NULL");
    bad = good;
    bad.shape.dims[0] = 0;
    ck_assert_ptr_null(kiln_dataset_from_arrays(2, 1, &bad, 0, NULL));
    expect_error(KILN_ERROR_SHAPE, "input 0: axis 0 has the length 0");
    bad.shape = (kiln_shape){.rank = 3, .dims = {1 << 30, 1 << 30, 1 << 30}};
    ck_assert_ptr_null(kiln_dataset_from_arrays(2, 1, &bad, 0, NULL));
    expect_error(KILN_ERROR_SHAPE, "input 0: is larger than any memory");
    bad.shape.rank = 9;
    ck_assert_ptr_null(kiln_dataset_from_arrays(2, 1, &bad, 0, NULL));
    expect_error(KILN_ERROR_SHAPE, "input 0: has 9 axes; 0 to 8 are possible");
    bad = good;
    bad.dtype = (kiln_dtype)77;
    ck_assert_ptr_null(kiln_dataset_from_arrays(2, 1, &bad, 0, NULL));
    expect_error(KILN_ERROR_ARGUMENT, "input 0: the element type 77 is unknown");
    kiln_array two[2] = {good, good};
    ck_assert_ptr_null(kiln_dataset_from_arrays(2, 2, two, 0, NULL));
    expect_error(KILN_ERROR_ARGUMENT,
                 "input 0 has no name; where there are several, each needs one");
}
END_TEST

START_TEST(slices_share_memory)
{
    kiln_dataset *d = ten(), *slice, *inner;
    float weights[10];
    for (int i = 0; i < 10; i++)
        weights[i] = (float)i / 2;
    ck_assert_int_eq(kiln_dataset_set_sample_weights(d, weights), KILN_OK);
    ck_assert_int_eq(kiln_dataset_set_scale(d, 0.5), KILN_OK);
    slice = kiln_dataset_slice(d, 3, 5);
    ck_assert_ptr_nonnull(slice);
    kiln_dataset_free(d);
    inner = kiln_dataset_slice(slice, 1, 2);
    kiln_dataset_free(slice);
    ck_assert_int_eq(kiln_dataset_size(inner), 2);
    ck_assert_float_eq(x_of(inner, 0), 4);
    ck_assert_float_eq(x_of(inner, 1), 5);
    ck_assert_float_eq(((const float *)inner->sample_weights->data)[0], 2);
    ck_assert_double_eq(kiln_dataset_scale(inner), 0.5);
    ck_assert_int_eq(kiln_dataset_set_sample_weights(inner, NULL), KILN_OK);
    ck_assert_ptr_null(inner->sample_weights);
    ck_assert_ptr_null(kiln_dataset_slice(inner, 1, 2));
    expect_error(KILN_ERROR_ARGUMENT,
                 "arrays: the samples 1 to 3 (excluded) were asked for, but there are 2");
    weights[1] = NAN;
    ck_assert_int_eq(kiln_dataset_set_sample_weights(inner, weights), KILN_ERROR_ARGUMENT);
    expect_error(KILN_ERROR_ARGUMENT, "arrays: the weight of sample 1 is nan, not finite");
    kiln_dataset_free(inner);
}
END_TEST

START_TEST(splits_like_keras)
{
    kiln_dataset *d = ten(), *train, *validation;
    ck_assert_int_eq(dataset_validation_split(d, 0.25, 1, &train, &validation), KILN_OK);
    ck_assert_int_eq(train->samples, 7); /* floor(10 * 0.75) */
    ck_assert_int_eq(validation->samples, 3);
    ck_assert_float_eq(x_of(validation, 0), 7);
    kiln_dataset_free(train);
    kiln_dataset_free(validation);
    ck_assert_int_eq(dataset_validation_split(d, 0.001, 1, &train, &validation),
                     KILN_OK); /* floor: 9 + 1 */
    ck_assert_int_eq(train->samples, 9);
    kiln_dataset_free(train);
    kiln_dataset_free(validation);
    ck_assert_int_eq(dataset_validation_split(d, 0.95, 1, &train, &validation),
                     KILN_ERROR_ARGUMENT);
    expect_error(
        KILN_ERROR_ARGUMENT,
        "arrays: a split of 0.95 leaves one part of its 10 samples empty; choose another fraction");
    ck_assert_int_eq(dataset_validation_split(d, 1.0, 1, &train, &validation), KILN_ERROR_ARGUMENT);
    expect_error(KILN_ERROR_ARGUMENT, "a split of 1: the fraction lies between 0 and 1");
    ck_assert_int_eq(dataset_validation_split(d, NAN, 1, &train, &validation), KILN_ERROR_ARGUMENT);
    kiln_dataset_free(d);
}
END_TEST

START_TEST(splits_by_seed_and_class)
{
    enum { N = 1000 };
    float *x = calloc(N, 2 * sizeof *x), weights[N];
    int32_t y[N];
    for (int i = 0; i < N; i++) {
        x[2 * i] = weights[i] = (float)i;
        y[i] = i < 50 ? -3 : i < 350 ? 0 : 4; /* 50, 300, 650 */
    }
    kiln_dataset *d =
        kiln_dataset_from_arrays(N, 1, &(kiln_array){.shape = KILN_SHAPE(2), .data = x}, 1,
                                 &(kiln_array){.dtype = KILN_INT32, .data = y});
    ck_assert_int_eq(kiln_dataset_set_sample_weights(d, weights), KILN_OK);
    free(x);
    kiln_dataset *a[2], *b[2];
    for (int by_class = 0; by_class < 2; by_class++) {
        int seen[N] = {0}, counts[3] = {0};
        ck_assert_int_eq(kiln_dataset_split(d, 0.1, 7, by_class, &a[0], &b[0]), KILN_OK);
        ck_assert_int_eq(kiln_dataset_split(d, 0.1, 7, by_class, &a[1], &b[1]), KILN_OK);
        ck_assert_int_eq(a[0]->samples, 900);
        ck_assert_int_eq(b[0]->samples, 100);
        ck_assert_mem_eq(b[0]->inputs[0].data, b[1]->inputs[0].data,
                         800); /* the seed alone decides */
        for (int i = 0; i < N; i++) {
            kiln_dataset *from = i < 900 ? a[0] : b[0];
            int row = i < 900 ? i : i - 900, index = (int)x_of(from, row);
            seen[index]++;
            ck_assert_int_eq(((const int32_t *)from->targets[0].data)[row], y[index]);
            ck_assert_float_eq(((const float *)from->sample_weights->data)[row], (float)index);
            if (i >= 900)
                counts[index < 50 ? 0 : index < 350 ? 1 : 2]++;
        }
        for (int i = 0; i < N; i++)
            ck_assert_int_eq(seen[i], 1);
        if (by_class) {
            ck_assert_int_eq(counts[0], 5);
            ck_assert_int_eq(counts[1], 30);
            ck_assert_int_eq(counts[2], 65);
        }
        for (int i = 0; i < 2; i++) {
            kiln_dataset_free(a[i]);
            kiln_dataset_free(b[i]);
        }
    }
    ck_assert_int_eq(kiln_dataset_split(d, 0.1, 8, 0, &a[0], &b[0]), KILN_OK);
    ck_assert_int_eq(kiln_dataset_split(d, 0.1, 7, 0, &a[1], &b[1]), KILN_OK);
    ck_assert_mem_ne(b[0]->inputs[0].data, b[1]->inputs[0].data, 800);
    for (int i = 0; i < 2; i++) {
        kiln_dataset_free(a[i]);
        kiln_dataset_free(b[i]);
    }
    kiln_dataset_free(d);
}
END_TEST

START_TEST(assigns_columns_by_name)
{
    float data[2] = {1, 2};
    kiln_array arrays[3] = {{"hint", KILN_FLOAT32, {0}, data},
                            {"label", KILN_FLOAT32, {0}, data},
                            {"image", KILN_FLOAT32, {0}, data}};
    static const char *const inputs[] = {"image", "hint"}, *const targets[] = {"label"},
                             *const other[] = {"score"};
    kiln_dataset *d = kiln_dataset_from_arrays(2, 3, arrays, 0, NULL);
    d->names_open = true;
    ck_assert_int_eq(dataset_assign(d, 2, inputs, 1, other, true), KILN_ERROR_ARGUMENT);
    expect_error(KILN_ERROR_ARGUMENT, "arrays: has no array 'score' for the model's output of that "
                                      "name; it has 'hint', 'label', 'image'");
    ck_assert_int_eq(dataset_assign(d, 2, inputs, 1, targets, true), KILN_OK);
    ck_assert_uint_eq(d->input_count, 2);
    ck_assert_str_eq(d->inputs[0].name, "image");
    ck_assert_str_eq(d->inputs[1].name, "hint");
    ck_assert_uint_eq(d->target_count, 1);
    ck_assert_str_eq(d->targets[0].name, "label");
    kiln_dataset_free(d);
    d = ten(); /* the only input and the only target fit any name */
    ck_assert_int_eq(dataset_assign(d, 1, inputs, 1, targets, true), KILN_OK);
    ck_assert_str_eq(d->inputs[0].name, "image");
    ck_assert_float_eq(x_of(d, 3), 3);
    ck_assert_int_eq(dataset_assign(d, 2, inputs, 1, targets, true), KILN_ERROR_ARGUMENT);
    kiln_clear_error();
    kiln_dataset_free(d);
}
END_TEST

static kiln_status make_batch(void *user, int64_t batch_size, void *const *x, void *const *y,
                              int64_t *samples)
{
    (void)user, (void)batch_size, (void)x, (void)y;
    *samples = 0;
    return KILN_OK;
}

/* What a function is asked for is tested with the feed of a training. */
START_TEST(describes_a_function)
{
    kiln_array x = {.shape = KILN_SHAPE(1)}, y = {.dtype = KILN_UINT8};
    kiln_dataset *d = kiln_dataset_from_function(make_batch, NULL, 3, 1, &x, 1, &y);
    ck_assert_ptr_nonnull(d);
    ck_assert_int_eq(kiln_dataset_size(d), -1);
    ck_assert_int_eq(d->function_steps, 3);
    ck_assert_ptr_null(kiln_dataset_slice(d, 0, 1));
    expect_error(KILN_ERROR_ARGUMENT, "function: the batches of a function cannot be sliced");
    kiln_dataset_free(d);
    x.dtype = KILN_FLOAT64;
    ck_assert_ptr_null(kiln_dataset_from_function(make_batch, NULL, 3, 1, &x, 1, &y));
    expect_error(KILN_ERROR_ARGUMENT,
                 "input 0: a function fills float32, int32 or uint8 arrays, not float64");
}
END_TEST

START_TEST(accepts_null)
{
    kiln_dataset *a, *b;
    kiln_dataset_free(NULL);
    ck_assert_ptr_null(kiln_dataset_class_names(NULL, NULL));
    ck_assert_ptr_null(kiln_dataset_slice(NULL, 0, 1));
    expect_error(KILN_ERROR_ARGUMENT, "the data set to slice is NULL");
    ck_assert_int_eq(kiln_dataset_split(NULL, 0.5, 1, 0, &a, &b), KILN_ERROR_ARGUMENT);
    expect_error(KILN_ERROR_ARGUMENT, "the data set is NULL");
    ck_assert_int_eq(kiln_dataset_set_scale(NULL, 1), KILN_ERROR_ARGUMENT);
    expect_error(KILN_ERROR_ARGUMENT, "the data set to scale is NULL");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dataset");
    TCase *tests = tcase_create("dataset");
    tcase_add_test(tests, copies_and_narrows_arrays);
    tcase_add_test(tests, refuses_arrays_that_make_no_sense);
    tcase_add_test(tests, slices_share_memory);
    tcase_add_test(tests, splits_like_keras);
    tcase_add_test(tests, splits_by_seed_and_class);
    tcase_add_test(tests, assigns_columns_by_name);
    tcase_add_test(tests, describes_a_function);
    tcase_add_test(tests, accepts_null);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
