/* The drawn digits: the same bytes everywhere, balanced, cached. */
#include "support.h"

#include "base/hash.h"
#include "data/dataset.h"
#include "data/digits.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Of all 70,000 pictures, then all labels. It changes only together with DIGITS_VERSION. */
#define CHECKSUM 0x82941999559e7bb5ull

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

START_TEST(draws_the_same_bytes_everywhere)
{
    uint32_t count = DIGITS_TRAIN + DIGITS_TEST;
    uint8_t *pictures = malloc((size_t)count * DIGITS_PIXELS), *labels = malloc(count),
            one[DIGITS_PIXELS];
    ck_assert(pictures && labels);
    double start = now();
    digits_draw_all(0, count, pictures, labels);
    printf("70,000 digits drawn in %.2f s\n", now() - start);
    uint64_t hash =
        hash_bytes(hash_bytes(0, pictures, (size_t)count * DIGITS_PIXELS), labels, count);
    ck_assert_msg(hash == CHECKSUM, "checksum is 0x%llx", (unsigned long long)hash);
    int counts[10] = {0}, ink = 0;
    for (uint32_t i = 0; i < count; i++)
        counts[labels[i]]++;
    for (int i = 0; i < 10; i++)
        ck_assert_int_gt(counts[i], 6700);
    ck_assert_int_eq(digits_draw(69999, one),
                     labels[69999]); /* each digit depends on its number alone */
    ck_assert_mem_eq(one, pictures + (size_t)69999 * DIGITS_PIXELS, DIGITS_PIXELS);
    for (uint32_t i = 0; i < 1000 * DIGITS_PIXELS; i++)
        ink += pictures[i] > 127;
    ck_assert_int_gt(ink, 1000 * 60); /* MNIST has about 100 dark pixels in a picture */
    ck_assert_int_lt(ink, 1000 * 140);
    free(pictures);
    free(labels);
}
END_TEST

static void expect_digits(kiln_dataset *train, kiln_dataset *test)
{
    uint8_t one[DIGITS_PIXELS];
    ck_assert_int_eq(kiln_dataset_size(train), 60000);
    ck_assert_int_eq(kiln_dataset_size(test), 10000);
    int label = digits_draw(59999, one);
    ck_assert_mem_eq((const uint8_t *)train->inputs[0].data + (size_t)59999 * DIGITS_PIXELS, one,
                     DIGITS_PIXELS);
    ck_assert_int_eq(((const int32_t *)train->targets[0].data)[59999], label);
    label = digits_draw(60000, one);
    ck_assert_mem_eq(test->inputs[0].data, one, DIGITS_PIXELS);
    ck_assert_int_eq(((const int32_t *)test->targets[0].data)[0], label);
    ck_assert_double_eq(kiln_dataset_scale(test), 1.0 / 255);
    kiln_dataset_free(train);
    kiln_dataset_free(test);
}

static ino_t inode_of(const char *path)
{
    struct stat info;
    ck_assert_int_eq(stat(path, &info), 0);
    return info.st_ino;
}

static double resident_megabytes(void)
{
    long all, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    ck_assert(file && fscanf(file, "%ld %ld", &all, &resident) == 2);
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

START_TEST(keeps_them_in_the_cache)
{
    kiln_dataset *train, *test;
    setenv("KILN_CACHE_DIR", "cache", 1);
    ck_assert_int_eq(kiln_datasets_digits_load(&train, &test), KILN_OK);
    expect_digits(train, test);
    ino_t first = inode_of("cache/digits/digits.bin");
    double start = now();
    ck_assert_int_eq(kiln_datasets_digits_load(&train, &test), KILN_OK);
    printf("loaded from the cache in %.4f s\n", now() - start);
    ck_assert_uint_eq(inode_of("cache/digits/digits.bin"), first);
    /* what is not needed for a while leaves the memory, and comes back */
    const data_block *block = train->inputs[0].block;
    ck_assert(block->mapped);
    double resident = resident_megabytes();
    data_block_cool(block, train->inputs[0].data, (size_t)60000 * DIGITS_PIXELS);
    ck_assert_double_lt(resident_megabytes(), resident - 40);
    expect_digits(train, test);
    /* damaged, of another version, or cut off: drawn again */
    int file = open("cache/digits/digits.bin", O_RDWR);
    ck_assert_int_eq(pwrite(file, "\1", 1, 20000000), 1);
    ck_assert_int_eq(kiln_datasets_digits_load(&train, &test), KILN_OK);
    ck_assert_uint_ne(inode_of("cache/digits/digits.bin"), first);
    first = inode_of("cache/digits/digits.bin");
    expect_digits(train, test);
    close(file);
    file = open("cache/digits/digits.bin", O_RDWR);
    ck_assert_int_eq(pwrite(file, "K", 1, 36), 1);
    close(file);
    ck_assert_int_eq(kiln_datasets_digits_load(&train, &test), KILN_OK);
    ck_assert_uint_ne(inode_of("cache/digits/digits.bin"), first);
    first = inode_of("cache/digits/digits.bin");
    expect_digits(train, test);
    ck_assert_int_eq(truncate("cache/digits/digits.bin", 5000), 0);
    ck_assert_int_eq(kiln_datasets_digits_load(&train, &test), KILN_OK);
    expect_digits(train, test);
    test = kiln_dataset_open("digits:test");
    ck_assert_int_eq(kiln_dataset_size(test), 10000);
    kiln_dataset_free(test);
}
END_TEST

START_TEST(works_without_a_cache)
{
    kiln_dataset *train, *test;
    put_text("no-folder", "");
    setenv("KILN_CACHE_DIR", "no-folder/cache", 1);
    ck_assert_int_eq(kiln_datasets_digits_load(&train, &test), KILN_OK);
    ck_assert_str_eq(kiln_last_error(), "");
    expect_digits(train, test);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("digits");
    TCase *tests = tcase_create("digits");
    tcase_add_unchecked_fixture(tests, enter_folder, leave_folder);
    tcase_add_test(tests, draws_the_same_bytes_everywhere);
    tcase_add_test(tests, keeps_them_in_the_cache);
    tcase_add_test(tests, works_without_a_cache);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
