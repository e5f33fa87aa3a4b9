/* IDX files, plain and gzip, and every way they can be wrong. */
#include "support.h"

#include "data/idx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const unsigned char bytes24[24] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  250, 251,
                                          12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,  255};
static const uint32_t dims3[3] = {2, 3, 4};

/* Writes a good file of 2 x 3 x 4 bytes, its first `size` bytes changed by the caller. */
static unsigned char *good(size_t *size)
{
    return make_idx(0x08, 3, dims3, bytes24, sizeof bytes24, size);
}

START_TEST(reads_plain_and_gzip)
{
    size_t size;
    unsigned char *file = good(&size);
    put_file("plain.idx", file, size);
    put_gzip("packed.gz", file, size);
    free(file);
    for (int i = 0; i < 2; i++) {
        data_array array;
        ck_assert_int_eq(idx_read(i ? "packed.gz" : "plain.idx", &array), KILN_OK);
        ck_assert_int_eq(array.dtype, KILN_UINT8);
        ck_assert_int_eq(array.rank, 3);
        ck_assert_int_eq(array.dims[0], 2);
        ck_assert_int_eq(array.dims[1], 3);
        ck_assert_int_eq(array.dims[2], 4);
        ck_assert_uint_eq(array.bytes, 24);
        ck_assert_mem_eq(array.data, bytes24, 24);
        data_array_free(&array);
    }
}
END_TEST

START_TEST(reads_all_types)
{
    static const struct {
        int code;
        unsigned char raw[16];
        size_t bytes;
        kiln_dtype dtype;
        double values[2];
    } cases[] = {
        {0x09, {0xff, 0x05}, 2, KILN_INT32, {-1, 5}},
        {0x0B, {0xff, 0xfe, 0x01, 0x02}, 4, KILN_INT32, {-2, 258}},
        {0x0C, {0x80, 0, 0, 0, 0, 1, 0, 0}, 8, KILN_INT32, {-2147483648.0, 65536}},
        {0x0D, {0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0}, 8, KILN_FLOAT32, {1, -2.5}},
        {0x0E,
         {0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0xc0, 0x04, 0, 0, 0, 0, 0, 0},
         16,
         KILN_FLOAT64,
         {1, -2.5}},
    };
    const uint32_t two = 2;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size;
        unsigned char *file = make_idx(cases[i].code, 1, &two, cases[i].raw, cases[i].bytes, &size);
        put_file("typed.idx", file, size);
        free(file);
        data_array array;
        ck_assert_int_eq(idx_read("typed.idx", &array), KILN_OK);
        ck_assert_int_eq(array.dtype, cases[i].dtype);
        for (int k = 0; k < 2; k++) {
            double value = array.dtype == KILN_INT32     ? ((int32_t *)array.data)[k]
                           : array.dtype == KILN_FLOAT32 ? (double)((float *)array.data)[k]
                                                         : ((double *)array.data)[k];
            ck_assert_double_eq(value, cases[i].values[k]);
        }
        data_array_free(&array);
    }
}
END_TEST

/* A file, the cut or change made to it, and what is said about it. */
static const struct {
    const char *name;
    int length; /* -1: as made */
    int at;     /* byte to change; -1: none */
    int value;
    bool gzip;
    const char *message;
} wrong[] = {
    {"empty", 0, -1, 0, false, "empty: is 0 bytes long; an IDX file has a header of at least 8"},
    {"three", 3, -1, 0, false, "three: is 3 bytes long; an IDX file has a header of at least 8"},
    {"header", 9, -1, 0, false, "header: is cut off in the IDX header: 9 bytes of 16"},
    {"short", 39, -1, 0, false,
     "short: the header says (2, 3, 4), but only 23 bytes follow it: the file is cut off or its "
     "header is wrong"},
    {"short.gz", 39, -1, 0, true,
     "short.gz: the header says (2, 3, 4), 24 bytes, but only 23 follow it: the file is cut off"},
    {"magic", -1, 0, 7, false,
     "magic: starts with 07 00 08 03, which is no IDX header (00 00, a type of 08 to 0e, the "
     "number of axes) "
     "and no gzip file (1f 8b)"},
    {"type", -1, 2, 10, false,
     "type: starts with 00 00 0a 03, which is no IDX header (00 00, a type of 08 to 0e, the number "
     "of axes) "
     "and no gzip file (1f 8b)"},
    {"rank0", -1, 3, 0, false, "rank0: the IDX header says 0 axes; 1 to 9 are read"},
    {"rank200", -1, 3, 200, false, "rank200: the IDX header says 200 axes; 1 to 9 are read"},
    {"count1", -1, 7, 1, false,
     "count1: the header says (1, 3, 4), 12 bytes, but 24 follow it: the file is too long or its "
     "header is wrong"},
    {"count1.gz", -1, 7, 1, true,
     "count1.gz: the header says (1, 3, 4), 12 bytes, but 24 follow it: the file is too long or "
     "its header is "
     "wrong"},
    {"huge", -1, 4, 255, false,
     "huge: the header says (4278190082, 3, 4), but only 24 bytes follow it: the file is cut off "
     "or its header "
     "is wrong"},
    {"huge.gz", -1, 4, 255, true,
     "huge.gz: the header says (4278190082, 3, 4), more than this gzip file of at most "},
};

START_TEST(names_what_is_wrong)
{
    size_t size;
    unsigned char *file = good(&size);
    if (wrong[_i].at >= 0)
        file[wrong[_i].at] = (unsigned char)wrong[_i].value;
    if (wrong[_i].length >= 0)
        size = (size_t)wrong[_i].length;
    (wrong[_i].gzip ? put_gzip : put_file)(wrong[_i].name, file, size);
    free(file);
    data_array array;
    ck_assert_int_eq(idx_read(wrong[_i].name, &array), KILN_ERROR_FORMAT);
    size_t length = strlen(wrong[_i].message);
    bool begins = wrong[_i].message[length - 1] == ' '; /* the number then is of zlib's making */
    if (begins)
        ck_assert_int_eq(strncmp(kiln_last_error(), wrong[_i].message, length), 0);
    else
        expect_error(KILN_ERROR_FORMAT, wrong[_i].message);
    ck_assert_ptr_null(array.data);
}
END_TEST

/* Reads a file of packed bytes into memory. */
static size_t load(const char *name, unsigned char *out, size_t room)
{
    FILE *in = fopen(name, "rb");
    ck_assert_ptr_nonnull(in);
    size_t n = fread(out, 1, room, in);
    fclose(in);
    return n;
}

START_TEST(names_damaged_gzip)
{
    unsigned char packed[256];
    size_t size;
    unsigned char *file = good(&size);
    put_gzip("whole.gz", file, size);
    free(file);
    size_t n = load("whole.gz", packed, sizeof packed);
    data_array array;

    put_file("cut.gz", packed, n - 4); /* the check sums at the end are missing */
    ck_assert_int_eq(idx_read("cut.gz", &array), KILN_ERROR_FORMAT);
    expect_error(KILN_ERROR_FORMAT,
                 "cut.gz: the gzip stream ends after 40 unpacked bytes; get the file again");

    put_file("cut2.gz", packed, 10);
    ck_assert_int_eq(idx_read("cut2.gz", &array), KILN_ERROR_FORMAT);
    expect_error(KILN_ERROR_FORMAT,
                 "cut2.gz: the gzip stream ends after 0 unpacked bytes; get the file again");

    packed[n - 6] ^= 1; /* CRC */
    put_file("crc.gz", packed, n);
    ck_assert_int_eq(idx_read("crc.gz", &array), KILN_ERROR_FORMAT);
    expect_error(KILN_ERROR_FORMAT,
                 "crc.gz: the gzip stream is damaged after 40 unpacked bytes; get the file again");
    packed[n - 6] ^= 1;

    memcpy(packed + n, "rest", 4);
    put_file("rest.gz", packed, n + 4);
    ck_assert_int_eq(idx_read("rest.gz", &array), KILN_ERROR_FORMAT);
    expect_error(KILN_ERROR_FORMAT, "rest.gz: 4 bytes that are not gzip follow the gzip stream");

    put_text("page.gz", "<html>404 Not Found</html>");
    ck_assert_int_eq(idx_read("page.gz", &array), KILN_ERROR_FORMAT);
    expect_error(KILN_ERROR_FORMAT, "page.gz: starts with 3c 68 74 6d, which is no IDX header (00 "
                                    "00, a type of 08 to 0e, the number "
                                    "of axes) and no gzip file (1f 8b)");
}
END_TEST

START_TEST(names_files_that_cannot_be_read)
{
    data_array array;
    ck_assert_int_eq(idx_read("nowhere", &array), KILN_ERROR_FILE);
    expect_error(KILN_ERROR_FILE, "nowhere cannot be opened: No such file or directory");
    ck_assert_int_eq(idx_read(".", &array), KILN_ERROR_FILE);
    expect_error(KILN_ERROR_FILE, ". is a directory; a regular file is needed");
}
END_TEST

START_TEST(reads_members_in_a_row)
{
    size_t size, half;
    unsigned char *file = good(&size), packed[512];
    put_gzip("a.gz", file, 20);
    put_gzip("b.gz", file + 20, size - 20);
    half = load("a.gz", packed, sizeof packed);
    half += load("b.gz", packed + half, sizeof packed - half);
    put_file("ab.gz", packed, half);
    data_array array;
    ck_assert_int_eq(idx_read("ab.gz", &array), KILN_OK);
    ck_assert_mem_eq(array.data, bytes24, 24);
    data_array_free(&array);
    free(file);
}
END_TEST

START_TEST(reads_mnist_fast)
{
    char *path = real_data("mnist/train-images-idx3-ubyte.gz");
    if (path == NULL)
        return;
    double best = 1e9;
    for (int i = 0; i < 3; i++) {
        struct timespec a, b;
        data_array array;
        clock_gettime(CLOCK_MONOTONIC, &a);
        ck_assert_int_eq(idx_read(path, &array), KILN_OK);
        clock_gettime(CLOCK_MONOTONIC, &b);
        ck_assert_uint_eq(array.bytes, 60000u * 784);
        data_array_free(&array);
        double seconds = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
        best = seconds < best ? seconds : best;
    }
    printf("60,000 images of 784 bytes from gzip: %.3f s\n", best);
#if !defined(__SANITIZE_ADDRESS__)
    ck_assert_double_lt(best, 1.0); /* a machine that is busy with other things may need long */
#endif
    free(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("idx");
    TCase *tests = tcase_create("idx");
    tcase_add_unchecked_fixture(tests, enter_folder, leave_folder);
    tcase_add_test(tests, reads_plain_and_gzip);
    tcase_add_test(tests, reads_all_types);
    tcase_add_loop_test(tests, names_what_is_wrong, 0, (int)(sizeof wrong / sizeof *wrong));
    tcase_add_test(tests, names_damaged_gzip);
    tcase_add_test(tests, names_files_that_cannot_be_read);
    tcase_add_test(tests, reads_members_in_a_row);
    tcase_add_test(tests, reads_mnist_fast);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
