/* Philox: published vectors, distributions, permutations, and the device's bits. */
#include "base/philox.h"

#include "harness/harness.h"

#include <math.h>

/* Known-answer vectors published with Random123. */
static const struct {
    uint32_t counter[4], key[2], out[4];
} known[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

START_TEST(known_answers)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        philox4x32(known[i].counter, known[i].key, out);
        ck_assert_mem_eq(out, known[i].out, sizeof out);
    }
}
END_TEST

START_TEST(device_has_the_same_bits)
{
    static const char source[] =
        "__kernel void kiln_test_philox(__global const uint *in, __global uint *out,\n"
        "                               __global float *unit)\n"
        "{\n"
        "    size_t i = get_global_id(0);\n"
        "    uint4 r = kiln_philox(vload4(0, in + i * 6), vload2(0, in + i * 6 + 4));\n"
        "    vstore4(r, i, out);\n"
        "    unit[i] = kiln_unit(r.x);\n"
        "}\n";
    enum { N = 256 };
    static uint32_t in[N][6], out[N][4], expected[4];
    static float unit[N];
    philox_sequence words = philox_start(11, 22);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < 6; k++)
            in[i][k] = philox_word(&words);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        memcpy(in[i], known[i].counter, sizeof known[i].counter);
        memcpy(in[i] + 4, known[i].key, sizeof known[i].key);
    }
    HARNESS_EACH_DEVICE(device)
    {
        cl_program program;
        cl_kernel kernel;
        cl_mem buffers[3];
        size_t sizes[3] = {sizeof in, sizeof out, sizeof unit}, global = N;
        harness_ok(device_program(device, "philox test", source, NULL, &program));
        harness_ok(device_kernel(device, program, "kiln_test_philox", &kernel));
        for (cl_uint i = 0; i < 3; i++) {
            harness_ok(device_alloc(device, sizes[i], "test", &buffers[i]));
            ck_assert_int_eq(clSetKernelArg(kernel, i, sizeof(cl_mem), &buffers[i]), CL_SUCCESS);
        }
        harness_ok(device_write(device, buffers[0], 0, in, sizeof in));
        harness_ok(device_launch(device, kernel, 1, &global, NULL, NULL));
        harness_ok(device_read(device, buffers[1], 0, out, sizeof out));
        harness_ok(device_read(device, buffers[2], 0, unit, sizeof unit));
        for (int i = 0; i < N; i++) {
            philox4x32(in[i], in[i] + 4, expected);
            ck_assert_mem_eq(out[i], expected, sizeof expected);
            ck_assert_float_eq(unit[i], (float)(expected[0] >> 8) * 0x1p-24f);
        }
        for (int i = 0; i < 3; i++)
            device_free(device, buffers[i]);
        clReleaseKernel(kernel);
    }
}
END_TEST

START_TEST(sequences_depend_on_seed_and_stream)
{
    philox_sequence a = philox_start(1, 0), again = philox_start(1, 0);
    philox_sequence seed = philox_start(2, 0), stream = philox_start(1, 1);
    int same_seed = 0, same_stream = 0;
    for (int i = 0; i < 1000; i++) {
        uint32_t word = philox_word(&a);
        ck_assert_uint_eq(word, philox_word(&again));
        same_seed += word == philox_word(&seed);
        same_stream += word == philox_word(&stream);
    }
    ck_assert_int_lt(same_seed, 3);
    ck_assert_int_lt(same_stream, 3);
    /* The counter carries into its second word. */
    philox_sequence late = philox_start(1, 0);
    uint32_t expected[4];
    late.counter[0] = 0xffffffff;
    for (int i = 0; i < 4; i++)
        philox_word(&late);
    philox4x32((uint32_t[4]){0, 1, 0, 0}, (uint32_t[2]){1, 0}, expected);
    ck_assert_uint_eq(philox_word(&late), expected[0]);
}
END_TEST

START_TEST(below_is_even_and_in_range)
{
    philox_sequence words = philox_start(5, 0);
    int counts[7] = {0};
    for (int i = 0; i < 70000; i++)
        counts[philox_below(&words, 7)]++;
    for (int i = 0; i < 7; i++)
        ck_assert_int_lt(abs(counts[i] - 10000), 400); /* 4 deviations */
    ck_assert_uint_eq(philox_below(&words, 0), 0);
    ck_assert_uint_eq(philox_below(&words, 1), 0);
    uint64_t largest = 0, bound = (uint64_t)3 << 40;
    for (int i = 0; i < 1000; i++) {
        uint64_t word = philox_below(&words, bound);
        ck_assert_uint_lt(word, bound);
        largest = word > largest ? word : largest;
    }
    ck_assert_uint_gt(largest, bound / 100 * 98);
}
END_TEST

static void moments(const float *x, size_t n, double *mean, double *deviation, double *low,
                    double *high)
{
    double sum = 0, squares = 0;
    *low = *high = x[0];
    for (size_t i = 0; i < n; i++) {
        sum += x[i];
        squares += (double)x[i] * x[i];
        *low = fmin(*low, x[i]);
        *high = fmax(*high, x[i]);
    }
    *mean = sum / (double)n;
    *deviation = sqrt(squares / (double)n - *mean * *mean);
}

START_TEST(distributions)
{
    enum { N = 100001 };
    static float x[N];
    double mean, deviation, low, high;
    philox_sequence words = philox_start(3, 9);
    philox_fill_uniform(&words, x, N, -2, 6);
    moments(x, N, &mean, &deviation, &low, &high);
    ck_assert_double_eq_tol(mean, 2, 0.03);
    ck_assert_double_eq_tol(deviation, 8 / sqrt(12), 0.02);
    ck_assert(low >= -2 && low < -1.99 && high < 6 && high > 5.99);
    philox_fill_normal(&words, x, N, 1, 3);
    moments(x, N, &mean, &deviation, &low, &high);
    ck_assert_double_eq_tol(mean, 1, 0.04);
    ck_assert_double_eq_tol(deviation, 3, 0.03);
    ck_assert(low < -10 && high > 12 && low > -19 && high < 21);
    philox_fill_truncated_normal(&words, x, N, 0, 1);
    moments(x, N, &mean, &deviation, &low, &high);
    ck_assert_double_eq_tol(mean, 0, 0.012);
    ck_assert_double_eq_tol(deviation, 0.8796256610342398, 0.01);
    ck_assert(low >= -2 && high <= 2 && low < -1.98 && high > 1.98);
}
END_TEST

START_TEST(permutations)
{
    static const size_t sizes[] = {0, 1, 2, 31, 60000};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t n = sizes[s], moved = 0, differ = 0;
        uint32_t *order = calloc(n + 1, sizeof *order), *other = calloc(n + 1, sizeof *other);
        uint64_t *wide = calloc(n + 1, sizeof *wide);
        char *seen = calloc(n + 1, 1);
        order[n] = 77;
        philox_permutation(4, 1, order, n);
        philox_permutation(4, 2, other, n);
        philox_permutation64(4, 1, wide, n);
        ck_assert_uint_eq(order[n], 77);
        for (size_t i = 0; i < n; i++) {
            ck_assert_uint_lt(order[i], n);
            ck_assert_int_eq(seen[order[i]]++, 0);
            ck_assert_uint_eq(order[i], wide[i]);
            moved += order[i] != i;
            differ += order[i] != other[i];
        }
        if (n > 10) {
            ck_assert_uint_gt(moved, n * 8 / 10);
            ck_assert_uint_gt(differ, n * 8 / 10);
        }
        free(order);
        free(other);
        free(wide);
        free(seen);
    }
    /* Every order of three comes up equally often. */
    int counts[27] = {0};
    for (uint64_t seed = 0; seed < 6000; seed++) {
        uint32_t order[3];
        philox_permutation(seed, 0, order, 3);
        counts[order[0] * 9 + order[1] * 3 + order[2]]++;
    }
    for (int i = 0; i < 27; i++)
        ck_assert(counts[i] == 0 || abs(counts[i] - 1000) < 130);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("philox");
    TCase *tests = tcase_create("philox");
    tcase_add_test(tests, known_answers);
    tcase_add_test(tests, device_has_the_same_bits);
    tcase_add_test(tests, sequences_depend_on_seed_and_stream);
    tcase_add_test(tests, below_is_even_and_in_range);
    tcase_add_test(tests, distributions);
    tcase_add_test(tests, permutations);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
