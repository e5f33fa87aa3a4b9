/* Peaks of kiln compare that were measured twice, and what is above them. */
#include "harness/harness.h"

#include "cli/compare.h"

#include <string.h>

START_TEST(the_better_figures_count)
{
    json_t *peaks = json_pack("{s:f, s:f, s:f}", "fma_gflops", 10.0, "copy_gbytes_per_second", 8.0,
                              "launch_us", 2.0),
           *again = json_pack("{s:f, s:f, s:f, s:f}", "fma_gflops", 20.0, "copy_gbytes_per_second",
                              4.0, "launch_us", 1.0, "fp16_gflops", 5.0),
           *better = json_pack("{s:f, s:f, s:f, s:f}", "fma_gflops", 20.0, "copy_gbytes_per_second",
                               8.0, "launch_us", 1.0, "fp16_gflops", 5.0);
    json_t *turned = json_deep_copy(again);
    compare_better_peaks(turned, peaks);
    compare_better_peaks(peaks, again);
    ck_assert(json_equal(peaks, better));
    ck_assert(json_equal(turned, better));
    json_decref(peaks);
    json_decref(again);
    json_decref(better);
    json_decref(turned);
}
END_TEST

static const char *above(double flops, double bytes, char *name)
{
    const compared_device device = {.measured = true,
                                    .peaks = {.fma_gflops = 100, .copy_gbytes = 10}};
    const compared_kernel kernel = {.name = name, .flops = flops, .bytes = bytes};
    return comparison_above(&device, &kernel, 1, 1e-3);
}

START_TEST(what_is_above_has_a_reason)
{
    char product[] = "matmul relu", convolution[] = "conv2d";
    ck_assert_ptr_null(above(1e8, 1e7, product)); /* at the peaks */
    ck_assert_str_eq(above(1.1e8, 2e7, product),
                     "the machine was busier while the peak was measured");
    ck_assert_ptr_nonnull(strstr(above(1.1e8, 0, convolution), "Winograd"));
    ck_assert_ptr_nonnull(strstr(above(5e7, 1.1e7, product), "came from a cache"));
    ck_assert_ptr_null(comparison_above(&(compared_device){0},
                                        &(compared_kernel){.name = product, .flops = 1e9}, 1, 1));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("peaks");
    TCase *tests = tcase_create("peaks");
    tcase_add_test(tests, the_better_figures_count);
    tcase_add_test(tests, what_is_above_has_a_reason);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
