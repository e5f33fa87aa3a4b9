/* Windows over arrays, against those that Keras cuts. */
#include "support.h"

#include "data/timeseries.h"

#include <stdlib.h>

#include "timeseries_figures.h"

/* Row r, feature f: 10 r + f + offset. */
static float *rows(int64_t count, int64_t features, float offset)
{
    float *values = calloc((size_t)(count * features) + 1, sizeof *values);
    for (int64_t i = 0; i < count * features; i++)
        values[i] = (float)(10 * (i / features) + i % features) + offset;
    return values;
}

static void expect_column(const char *name, const data_column *c, int64_t samples,
                          const float *expected)
{
    size_t count = (size_t)(samples * kiln_shape_size(c->shape));
    float *values = calloc(count + 1, sizeof *values);
    data_column_copy(c, 0, samples, values);
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(values[i] == expected[i], "%s: element %zu is %g, Keras's %g", name, i,
                      (double)values[i], (double)expected[i]);
    free(values);
}

START_TEST(cuts_what_keras_cuts)
{
    for (size_t i = 0; i < sizeof timeseries_figures / sizeof *timeseries_figures; i++) {
        const timeseries_figure *f = &timeseries_figures[i];
        float *x = rows(f->rows, f->features, 0), *y = rows(f->target_rows, f->target_features, 5);
        kiln_array data = {.shape = KILN_SHAPE(f->features), .data = x};
        kiln_array targets = {.shape = KILN_SHAPE(f->target_features), .data = y};
        kiln_dataset *d = kiln_timeseries_dataset_from_array(
            f->rows, &data, f->y ? &targets : NULL, f->length, .target_rows = f->target_rows,
            .sequence_stride = f->stride, .sampling_rate = f->rate, .start_index = f->start,
            .end_index = f->end);
        free(x); /* it was copied */
        free(y);
        ck_assert_msg(d != NULL, "%s: %s", f->name, kiln_last_error());
        ck_assert_msg(kiln_dataset_size(d) == f->samples, "%s: %lld windows, Keras's %lld", f->name,
                      (long long)kiln_dataset_size(d), (long long)f->samples);
        ck_assert_int_eq(d->inputs[0].shape.rank, 2);
        ck_assert_int_eq(d->inputs[0].shape.dims[0], f->length);
        expect_column(f->name, &d->inputs[0], f->samples, f->x);
        ck_assert_uint_eq(d->target_count, f->y != NULL);
        if (f->y)
            expect_column(f->name, &d->targets[0], f->samples, f->y);
        kiln_dataset *part = kiln_dataset_slice(d, 1, kiln_dataset_size(d) - 1);
        kiln_dataset_free(d);
        if (f->samples > 1)
            expect_column(f->name, &part->inputs[0], f->samples - 1,
                          f->x + f->length * f->features);
        kiln_dataset_free(part);
    }
}
END_TEST

START_TEST(horizon_gives_targets_an_axis)
{
    double series[12];
    for (int i = 0; i < 12; i++)
        series[i] = i;
    kiln_array data = {.dtype = KILN_FLOAT64, .data = series},
               targets = {.dtype = KILN_FLOAT64, .data = series + 6};
    kiln_dataset *d = kiln_timeseries_dataset_from_array(12, &data, &targets, 3, .target_rows = 6,
                                                         .sampling_rate = 2, .horizon = 2);
    ck_assert_msg(d != NULL, "%s", kiln_last_error());
    ck_assert_int_eq(kiln_dataset_size(d), 4);
    ck_assert_int_eq(d->inputs[0].shape.rank, 1);
    ck_assert_int_eq(d->targets[0].shape.rank, 1);
    ck_assert_int_eq(d->targets[0].shape.dims[0], 2);
    expect_column("x", &d->inputs[0], 4, (const float[]){0, 2, 4, 1, 3, 5, 2, 4, 6, 3, 5, 7});
    expect_column("y", &d->targets[0], 4, (const float[]){6, 8, 7, 9, 8, 10, 9, 11});
    kiln_dataset_free(d);
}
END_TEST

START_TEST(refuses_what_cannot_be)
{
#define REFUSED(MESSAGE, ...)                                                                      \
    do {                                                                                           \
        ck_assert_ptr_null(kiln_timeseries_dataset_from_array(__VA_ARGS__));                       \
        expect_error(KILN_ERROR_ARGUMENT, "timeseries_dataset_from_array: " MESSAGE);              \
    } while (0)
    float values[20] = {0};
    kiln_array data = {.data = values};
    REFUSED("sequence_length is 0; a window has at least one row", 20, &data, NULL, 0);
    REFUSED("the number of rows is 0; there must be some", 0, &data, NULL, 4);
    REFUSED("20 rows are fewer than one window, which takes 21", 20, &data, NULL, 21);
    REFUSED("20 rows are fewer than one window, which takes 22", 20, &data, NULL, 8,
            .sampling_rate = 3);
    REFUSED("3 rows are fewer than one window, which takes 4", 20, &data, NULL, 4,
            .start_index = 17);
    REFUSED("start_index is 20; it is 0 or more, and lower than the rows", 20, &data, NULL, 4,
            .start_index = 20);
    REFUSED("end_index is 21; it is higher than start_index, and not higher than the rows", 20,
            &data, NULL, 4, .end_index = 21);
    REFUSED("end_index is 3; it is higher than start_index, and not higher than the rows", 20,
            &data, NULL, 4, .start_index = 3, .end_index = 3);
    REFUSED("sampling_rate is -1; it is 1 or more, and lower than the rows", 20, &data, NULL, 4,
            .sampling_rate = -1);
    REFUSED("sequence_stride is 20; it is 1 or more, and lower than the rows", 20, &data, NULL, 4,
            .sequence_stride = 20);
    REFUSED("horizon is -2; a target has at least one row", 20, &data, &data, 4, .horizon = -2);
    REFUSED("windows longer than any memory", 20, &data, NULL, INT64_MAX, .sampling_rate = 2);
    REFUSED("the targets have 5 rows; from start_index 5 on not even one target is whole, which "
            "takes 1",
            20, &data, &data, 4, .target_rows = 5, .start_index = 5);
    ck_assert_ptr_null(kiln_timeseries_dataset_from_array(20, NULL, NULL, 4));
    ck_assert_int_ne(kiln_last_status(), KILN_OK);
    kiln_clear_error();
    kiln_array deep = {.shape = KILN_SHAPE(1, 1, 1, 1, 1, 1, 1), .data = values};
    ck_assert_ptr_null(kiln_timeseries_dataset_from_array(20, &deep, NULL, 4));
    expect_error(KILN_ERROR_SHAPE, "windows over rows of 7 axes: with the axis of time they would "
                                   "have more than the 7 a sample can have");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("timeseries");
    TCase *tests = tcase_create("timeseries");
    tcase_add_test(tests, cuts_what_keras_cuts);
    tcase_add_test(tests, horizon_gives_targets_an_axis);
    tcase_add_test(tests, refuses_what_cannot_be);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
