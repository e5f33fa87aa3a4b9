/* Sizes of convolutions' kernels: all that tuning may try compute what the host does; what is kept
 * is taken. */
#include "blas/tune.h"
#include "harness/harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AXES(...)                                                                                  \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define ONES AXES(1, 1, 1)

static const blas_convolution convolutions[] = {
    /* Winograd's way and the direct one; the gradient of its kernel */
    {2, 16, 32, 1, AXES(1, 9, 9), AXES(1, 9, 9), AXES(1, 3, 3), ONES, ONES, ONES, AXES(0, 1, 1),
     .splits = 0},
    {4, 16, 32, 1, AXES(1, 9, 9), AXES(1, 9, 9), AXES(1, 3, 3), ONES, ONES, ONES, AXES(0, 1, 1),
     .splits = 2},
    /* strides and padding, filters of no sixteens; its kernel's gradient, and its transpose */
    {2, 3, 20, 1, AXES(1, 11, 13), AXES(1, 6, 7), AXES(1, 3, 3), AXES(1, 2, 2), ONES, ONES,
     AXES(0, 1, 1), .splits = 0},
    {4, 3, 20, 1, AXES(1, 11, 13), AXES(1, 6, 7), AXES(1, 3, 3), AXES(1, 2, 2), ONES, ONES,
     AXES(0, 1, 1), .splits = 2},
    {2, 20, 24, 1, AXES(1, 6, 7), AXES(1, 11, 13), AXES(1, 3, 3), ONES, ONES, AXES(1, 2, 2),
     AXES(0, 1, 1), .splits = 0},
    /* groups, dilation, three axes */
    {2, 6, 64, 2, AXES(4, 7, 9), AXES(3, 5, 5), AXES(2, 3, 3), ONES, AXES(1, 1, 2), ONES,
     AXES(0, 0, 0), .splits = 0},
    {2, 6, 64, 2, AXES(4, 7, 9), AXES(3, 5, 5), AXES(2, 3, 3), ONES, AXES(1, 1, 2), ONES,
     AXES(0, 0, 0), .splits = 1},
    /* pooling in the kernel, by Winograd's way or the direct one; windows that do not cover the map, strides, padding */
    {3, 16, 32, 1, AXES(1, 9, 9), AXES(1, 7, 7), AXES(1, 3, 3), ONES, ONES, ONES, AXES(0, 0, 0),
     .splits = 0, .pool = AXES(1, 2, 2)},
    {2, 5, 96, 1, AXES(1, 14, 19), AXES(1, 7, 10), AXES(1, 3, 2), AXES(1, 2, 2), ONES, ONES,
     AXES(0, 1, 0), .splits = 0, .pool = AXES(1, 3, 2)},
    /* what reads its gradient: the input's, and the kernel's with few channels and with many */
    {3, 64, 32, 1, AXES(1, 7, 7), AXES(1, 9, 9), AXES(1, 3, 3), ONES, ONES, ONES, AXES(0, 2, 2),
     .splits = 0, .unpool = AXES(1, 2, 2)},
    {4, 1, 64, 1, AXES(1, 10, 12), AXES(1, 8, 10), AXES(1, 3, 3), ONES, ONES, ONES, AXES(0, 0, 0),
     .splits = 2, .unpool = AXES(1, 2, 3)},
    {4, 32, 64, 1, AXES(1, 10, 9), AXES(1, 10, 9), AXES(1, 3, 3), ONES, ONES, ONES, AXES(0, 1, 1),
     .splits = 2, .unpool = AXES(1, 2, 2)},
};
enum { COUNT = sizeof convolutions / sizeof *convolutions, POOLED = COUNT - 5 };

/* Has the device run one kind of kernels; false where it has none of that kind. */
static bool runs(kiln_device *device, bool serial)
{
    if (harness_is_slow(device))
        return false;
    device->serial_kernels = serial;
    return tile_kind_is_serial(device) == serial;
}

enum { LARGE_COUNT = 3 }; /* as large as what is measured */
static const blas_convolution large[LARGE_COUNT] = {
    {4, 16, 32, 1, AXES(1, 15, 16), AXES(1, 15, 16), AXES(1, 3, 3), ONES, ONES, ONES, AXES(0, 1, 1), .splits = 0},
    {4, 16, 32, 1, AXES(1, 15, 16), AXES(1, 15, 16), AXES(1, 3, 3), ONES, ONES, ONES, AXES(0, 1, 1), .splits = 2},
    {4, 24, 60, 2, AXES(1, 30, 17), AXES(1, 15, 9), AXES(1, 3, 3), AXES(1, 2, 2), ONES, ONES, AXES(0, 1, 1),
     .splits = 0},
};

START_TEST(names_are_read_back)
{
    for (int i = 0; i < COUNT; i++) {
        workload w = workload_of_convolution(&convolutions[i]), again;
        ck_assert_msg(workload_read(w.key, &again), "%s", w.key);
        ck_assert(again.is_convolution);
        ck_assert_mem_eq(&again.convolution, &convolutions[i], sizeof again.convolution);
    }
    static const char *const wrong[] = {
        "",
        "conv",
        "conv 2x16x32 groups=1 splits=0",
        "conv 2x15x32 groups=2 splits=0 in=1,9,9 out=1,9,9 taps=1,3,3 by=1,1,1 apart=1,1,1 "
        "spread=1,1,1 before=0,1,1",
        "conv 2x16x32 groups=1 splits=3 in=1,9,9 out=1,9,9 taps=1,3,3 by=1,1,1 apart=1,1,1 "
        "spread=1,1,1 before=0,1,1",
        "conv 2x16x32 groups=1 splits=0 in=1,9,0 out=1,9,9 taps=1,3,3 by=1,1,1 apart=1,1,1 "
        "spread=1,1,1 before=0,1,1",
        "conv 2x16x32 groups=1 splits=0 in=1,9,9 out=1,9,9 taps=1,3,3 by=1,1,1 apart=1,1,1 "
        "spread=1,1,1 before=0,1,1 x",
        "conv 2x16x32 groups=1 splits=0 in=1,9,9 out=1,9,9 taps=1,3,3 by=1,1,1 apart=1,1,1 "
        "spread=1,1,1 before=0,1,1 pool=1,10,1",
        "conv 2x16x32 groups=1 splits=0 in=1,9,9 out=1,9,9 taps=1,3,3 by=1,1,1 apart=1,1,1 "
        "spread=1,1,1 before=0,1,1 unpool=0,2,2",
    };
    workload w;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(!workload_read(wrong[i], &w), "%s", wrong[i]);
}
END_TEST

START_TEST(all_candidates_are_right)
{
    setenv("KILN_CACHE_DIR", harness_folder(), 1);
    HARNESS_EACH_DEVICE(device)
    {
        if (!runs(device, true))
            continue;
        const workload w = workload_of_convolution(&convolutions[_i]);
        candidate list[1 + TUNE_NEIGHBOURS];
        harness_ok(tune_incumbent(device, &w, &list[0]));
        int count = 1 + tune_neighbours(device, &w, &list[0], list + 1);
        ck_assert_int_ge(count, 3);
        ck_assert_msg(workload_flops(&w) > 0, "%s", w.key);
        if (_i < 2 || _i == POOLED) /* both ways take part */
            ck_assert(list[0].sizes.winograd && !list[1].sizes.winograd);
        /* The rule's, the other way or another row of the register tile, and two of the rest. */
        if (count > 4) {
            list[2] = list[1 + count / 2];
            list[3] = list[count - 1];
            count = 4;
        }
        harness_ok(workload_measure(device, &w, list, count,
                                    (measure_effort){.certain = count, .windows = 1, .seconds = 600}));
        for (int i = 0; i < count; i++) {
            char name[RECORD_TEXT];
            candidate again;
            candidate_write(&list[i], name, sizeof name);
            ck_assert_msg(list[i].right, "%s: %s: %s", device->info.name, w.key, name);
            ck_assert(candidate_read(name, &again));
            ck_assert_mem_eq(&again.sizes, &list[i].sizes, sizeof again.sizes);
        }
        blas_forget_device(device);
    }
    harness_remove_folder();
}
END_TEST

START_TEST(what_is_kept_is_taken)
{
    setenv("KILN_CACHE_DIR", harness_folder(), 1);
    HARNESS_EACH_DEVICE(device)
    {
        if (!runs(device, true))
            continue;
        const workload w = workload_of_convolution(&convolutions[0]);
        blas_choice rule, choice;
        candidate c = {
            .engine = BLAS_TILE, .convolves = true, .sizes = {false, 3, 16, 4, 32}, .seconds = 1};
        ck_assert(!tune_is_done(device, &w));
        harness_ok(blas_choose_convolution(device, &w.convolution, &rule));
        ck_assert_str_eq(rule.file, "conv_winograd_serial.cl");
        tune_keep(device, &w, &c, true);
        ck_assert(tune_is_done(device, &w));
        harness_ok(blas_choose_convolution(device, &w.convolution, &choice));
        ck_assert_str_eq(choice.file, "conv_serial.cl");
        ck_assert_int_eq(choice.tile_m, 3);
        ck_assert_int_eq(choice.tile_n, 16);
        ck_assert_msg(strstr(choice.defines, "#define KILN_ROWS 4\n") != NULL, "%s",
                      choice.defines);
        ck_assert_msg(strstr(choice.defines, "#define KILN_TN 32\n") != NULL, "%s", choice.defines);
        /* Sizes that cannot be go by rule. */
        static const char *const lines[] = {
            "winograd rm=99 rn=17 rows=100000 tn=48", "direct rm=0 rn=16 rows=4 tn=16",
            "serial tm=8 tn=32 rm=8 rn=32 kb=256 pack=0,0", "nonsense"};
        for (int i = 0; i < 4; i++) {
            record_keep(device, w.key, lines[i]);
            harness_ok(blas_choose_convolution(device, &w.convolution, &choice));
            ck_assert_str_eq(choice.defines, rule.defines);
        }
        tune_keep(device, &w, &c, true);
        setenv("KILN_TUNE", "off", 1);
        harness_ok(blas_choose_convolution(device, &w.convolution, &choice));
        ck_assert_str_eq(choice.defines, rule.defines);
        unsetenv("KILN_TUNE");
        blas_forget_device(device);
    }
    harness_remove_folder();
}
END_TEST

/* Where work-items are threads, tiles of the product that it is are measured, tuned, kept and taken. */
START_TEST(tiles_in_local_memory_are_measured)
{
    setenv("KILN_CACHE_DIR", harness_folder(), 1);
    HARNESS_EACH_DEVICE(device)
    {
        if (!runs(device, false))
            continue;
        const workload w = workload_of_convolution(&large[_i]);
        char value[RECORD_TEXT];
        blas_choice choice;
        candidate list[1 + TUNE_NEIGHBOURS] = {{.engine = BLAS_AUTO}};
        ck_assert(!record_find(device, w.key, value));
        harness_ok(blas_choose_convolution(device, &w.convolution, &choice));
        ck_assert_str_eq(choice.file, "gemm_local.cl");
        ck_assert(record_find(device, w.key, value) && strstr(value, " GFLOP/s"));
        harness_ok(tune_incumbent(device, &w, &list[0]));
        ck_assert(!list[0].convolves && !list[0].tile.serial);
        const int count = 1 + tune_neighbours(device, &w, &list[0], list + 1);
        ck_assert_int_ge(count, 4);
        list[2] = list[1 + count / 2];
        list[3] = list[count - 1];
        harness_ok(workload_measure(device, &w, list, 4,
                                    (measure_effort){.certain = 4, .windows = 1, .seconds = 600}));
        for (int i = 0; i < 4; i++) {
            candidate_write(&list[i], value, sizeof value);
            ck_assert_msg(list[i].right, "%s: %s: %s", device->info.name, w.key, value);
        }
        list[1] = (candidate){.engine = BLAS_TILE, .tile = {.tm = 16, .tn = 8, .lx = 8, .ly = 8, .kt = 8}, .seconds = 1};
        tune_keep(device, &w, &list[1], true);
        harness_ok(blas_choose_convolution(device, &w.convolution, &choice));
        ck_assert_int_eq(choice.tile_m, 16);
        ck_assert_int_eq(choice.tile_n, 8);
        /* Sizes of the other kind of kernels are none here. */
        record_keep(device, w.key, "direct rm=3 rn=16 rows=4 tn=32");
        harness_ok(blas_choose_convolution(device, &w.convolution, &choice));
        ck_assert_str_eq(choice.file, "gemm_local.cl");
        blas_forget_device(device);
    }
    harness_remove_folder();
}
END_TEST

/* Of a convolution worked out here in another way: each term goes to where it is summed. */
START_TEST(wrong_results_are_seen)
{
    enum { IMAGES = 2, SIDE = 7, CHANNELS = 3, FILTERS = 5, OUT = 4 };
    static float x[IMAGES * SIDE * SIDE * CHANNELS], k[9 * CHANNELS * FILTERS],
        y[IMAGES * OUT * OUT * FILTERS];
    const blas_convolution c = {
        IMAGES,        CHANNELS,      FILTERS, 1,    AXES(1, SIDE, SIDE), AXES(1, OUT, OUT),
        AXES(1, 3, 3), AXES(1, 2, 2), ONES,    ONES, AXES(0, 1, 1),       .splits = 0};
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = (float)(i % 17) - 8;
    for (size_t i = 0; i < sizeof k / sizeof *k; i++)
        k[i] = (float)(i % 13) - 6;
    for (int n = 0; n < IMAGES; n++)
        for (int row = 0; row < SIDE; row++)
            for (int col = 0; col < SIDE; col++)
                for (int tap = 0; tap < 9; tap++) {
                    const int down = row + 1 - tap / 3, right = col + 1 - tap % 3;
                    if (down < 0 || right < 0 || down % 2 || right % 2 || down / 2 >= OUT ||
                        right / 2 >= OUT)
                        continue;
                    for (int i = 0; i < CHANNELS; i++)
                        for (int f = 0; f < FILTERS; f++)
                            y[((n * OUT + down / 2) * OUT + right / 2) * FILTERS + f] +=
                                x[((n * SIDE + row) * SIDE + col) * CHANNELS + i] *
                                k[(tap * CHANNELS + i) * FILTERS + f];
                }
    enum { LAST = IMAGES * OUT * OUT * FILTERS - 1 };
    ck_assert(convolution_is_right(&c, x, k, y));
    const float last = y[LAST], middle = y[LAST / 2];
    y[LAST] += 1;
    ck_assert(!convolution_is_right(&c, x, k, y));
    y[LAST] = last;
    y[LAST / 2] = NAN;
    ck_assert(!convolution_is_right(&c, x, k, y));
    y[LAST / 2] = middle;
    ck_assert(convolution_is_right(&c, x, k, y));
    for (int i = 1; i < LAST; i++)
        y[i] = y[i] * 1.01f + 0.1f;
    ck_assert(!convolution_is_right(&c, x, k, y));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("convolutions");
    TCase *tests = tcase_create("convolutions");
    tcase_add_test(tests, names_are_read_back);
    tcase_add_loop_test(tests, all_candidates_are_right, 0, COUNT);
    tcase_add_test(tests, what_is_kept_is_taken);
    tcase_add_loop_test(tests, tiles_in_local_memory_are_measured, 0, LARGE_COUNT);
    tcase_add_test(tests, wrong_results_are_seen);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
