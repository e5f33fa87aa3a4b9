/* .npy and .npz: what NumPy wrote (files/make_npy.py), round trips, and every way they can be
 * wrong. */
#include "support.h"

#include "data/npy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static double element(const npy_array *array, int64_t i)
{
    switch (array->dtype) {
    case KILN_UINT8:
        return ((uint8_t *)array->data)[i];
    case KILN_INT32:
        return ((int32_t *)array->data)[i];
    case KILN_INT64:
        return (double)((int64_t *)array->data)[i];
    case KILN_FLOAT32:
        return (double)((float *)array->data)[i];
    default:
        return ((double *)array->data)[i];
    }
}

static const struct {
    const char *name;
    kiln_dtype dtype;
} numpy_files[] = {
    {"bool", KILN_UINT8},       {"u1", KILN_UINT8},         {"i1", KILN_INT32},
    {"le_i2", KILN_INT32},      {"be_i2", KILN_INT32},      {"le_u2", KILN_INT32},
    {"le_i4", KILN_INT32},      {"be_i4", KILN_INT32},      {"le_u4", KILN_INT64},
    {"le_i8", KILN_INT64},      {"be_i8", KILN_INT64},      {"le_u8", KILN_INT64},
    {"le_f2", KILN_FLOAT32},    {"be_f2", KILN_FLOAT32},    {"le_f4", KILN_FLOAT32},
    {"be_f4", KILN_FLOAT32},    {"le_f8", KILN_FLOAT64},    {"be_f8", KILN_FLOAT64},
    {"version2", KILN_FLOAT32}, {"version3", KILN_FLOAT32},
};

START_TEST(reads_what_numpy_writes)
{
    char path[512];
    npy_array array;
    snprintf(path, sizeof path, TEST_FILES "/%s.npy", numpy_files[_i].name);
    ck_assert_msg(npy_read(path, &array) == KILN_OK, "%s", kiln_last_error());
    ck_assert_int_eq(array.dtype, numpy_files[_i].dtype);
    ck_assert_int_eq(array.rank, 2);
    ck_assert_int_eq(array.dims[0], 2);
    ck_assert_int_eq(array.dims[1], 3);
    for (int i = 0; i < 6; i++)
        ck_assert_double_eq(element(&array, i),
                            strcmp(numpy_files[_i].name, "bool") == 0 ? i > 0 : i);
    data_array_free(&array);
}
END_TEST

START_TEST(reads_other_shapes_and_orders)
{
    npy_array array;
    ck_assert_int_eq(npy_read(TEST_FILES "/fortran.npy", &array), KILN_OK);
    ck_assert_int_eq(array.rank, 3);
    for (int i = 0; i < 24; i++)
        ck_assert_double_eq(element(&array, i), i);
    data_array_free(&array);
    ck_assert_int_eq(npy_read(TEST_FILES "/scalar.npy", &array), KILN_OK);
    ck_assert_int_eq(array.rank, 0);
    ck_assert_uint_eq(array.bytes, 4);
    ck_assert_double_eq(element(&array, 0), 2.5);
    data_array_free(&array);
    ck_assert_int_eq(npy_read(TEST_FILES "/empty.npy", &array), KILN_OK);
    ck_assert_int_eq(array.dims[0], 0);
    ck_assert_uint_eq(array.bytes, 0);
    ck_assert_ptr_nonnull(array.data);
    data_array_free(&array);
    ck_assert_int_eq(npy_read(TEST_FILES "/halves.npy", &array), KILN_OK);
    static const double halves[] = {0,        -0.0,      0x1p-24, 1023 * 0x1p-24, 65504,
                                    INFINITY, -INFINITY, -1.5,    0x1.554p-2};
    for (int i = 0; i < 9; i++)
        ck_assert_double_eq(element(&array, i), halves[i]);
    ck_assert_int_ne(signbit(element(&array, 1)), 0);
    data_array_free(&array);
}
END_TEST

/* A file with this dictionary and these bytes behind it. */
static size_t put_npy(const char *name, const char *dictionary, const void *elements, size_t bytes)
{
    unsigned char file[1024] = "\x93NUMPY\x01";
    size_t length = strlen(dictionary);
    file[8] = (unsigned char)(length & 255);
    file[9] = (unsigned char)(length >> 8);
    memcpy(file + 10, dictionary, length);
    memcpy(file + 10 + length, elements, bytes);
    put_file(name, file, 10 + length + bytes);
    return 10 + length + bytes;
}

static const struct {
    const char *dictionary;
    size_t bytes;
    const char *message; /* NULL: good */
} headers[] = {
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 8, NULL},
    {"{\"shape\":(1L,2L),\"descr\":\"=f4\",\"fortran_order\":True}   \n", 8, NULL},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 7,
     "t.npy: the shape (2,) needs 8 bytes, but 7 follow the header: the file is cut off"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 9,
     "t.npy: 1 bytes follow the array of shape (2,)"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (100000000000, 784), }", 8,
     "t.npy: the shape (100000000000, 784) needs 313600000000000 bytes, but 8 follow the header: "
     "the file is cut off"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000000, 4000000000000), }", 8,
     "t.npy: the shape (4000000000000, 4000000000000) is too large for any memory"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", 8,
     "t.npy: the .npy header has a dimension that is too large"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2), }", 8,
     "t.npy: the .npy header has the negative dimension -1"},
    {"{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", 8,
     "t.npy: holds Python objects (dtype '|O'), which only Python can read; save numbers instead"},
    {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", 8,
     "t.npy: holds records (a structured dtype); save each field as an array of its own"},
    {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", 8,
     "t.npy: has the dtype '<c8'; bool, integers of 8 to 64 bits and floats of 16 to 64 bits are "
     "read"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,2), }", 8,
     "t.npy: has more than 9 axes"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': 2, }", 8,
     "t.npy: the .npy header has a shape that is no tuple"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, }", 8,
     "t.npy: the .npy header has a shape that is no tuple of integers"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2 3), }", 8,
     "t.npy: the .npy header has a shape that does not end"},
    {"{'descr': '<f4', 'fortran_order': 0, 'shape': (2,), }", 8,
     "t.npy: the .npy header has a fortran_order that is neither True nor False"},
    {"{'descr': '<f4', 'shape': (2,), }", 8, "t.npy: the .npy header lacks fortran_order"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", 8,
     "t.npy: the .npy header has the unknown key 'x'"},
    {"{'descr': '<f4", 8, "t.npy: the .npy header has a string that is too long or does not end"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)", 8,
     "t.npy: the .npy header does not end"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", 8,
     "t.npy: the .npy header goes on behind its dictionary"},
    {"[]", 8, "t.npy: the .npy header is no dictionary of descr, fortran_order and shape"},
};

START_TEST(names_what_is_wrong_in_headers)
{
    npy_array array;
    const float two[3] = {1, 2, 3};
    put_npy("t.npy", headers[_i].dictionary, two, headers[_i].bytes);
    if (headers[_i].message) {
        ck_assert_int_ne(npy_read("t.npy", &array), KILN_OK);
        expect_error(KILN_ERROR_FORMAT, headers[_i].message);
        ck_assert_ptr_null(array.data);
    } else {
        ck_assert_msg(npy_read("t.npy", &array) == KILN_OK, "%s", kiln_last_error());
        ck_assert_double_eq(element(&array, 0), 1);
        ck_assert_double_eq(element(&array, 1), 2);
        data_array_free(&array);
    }
}
END_TEST

START_TEST(names_what_is_wrong_in_files)
{
    npy_array array;
    npy_list list;
    static const struct {
        const char *bytes;
        size_t size;
        const char *message;
    } cases[] = {
        {"", 0, "w.npy: is no .npy file: it does not start with \\x93NUMPY"},
        {"\x93NUMPX\x01\x00\x10\x00", 10,
         "w.npy: is no .npy file: it does not start with \\x93NUMPY"},
        {"\x93NUMPY\x04\x00\x10\x00", 10, "w.npy: is a .npy file of version 4.0; 1 to 3 are read"},
        {"\x93NUMPY\x01\x00\x10", 9,
         "w.npy: the .npy header says it is 16 bytes long, but the file is cut off"},
        {"\x93NUMPY\x01\x00\x10\x00{", 11,
         "w.npy: the .npy header says it is 16 bytes long, but the file is cut off"},
        {"\x93NUMPY\x02\x00\xff\xff\xff\xff", 12,
         "w.npy: the .npy header says it is 4294967295 bytes long, but that is too long"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_file("w.npy", cases[i].bytes, cases[i].size);
        ck_assert_int_eq(npy_read("w.npy", &array), KILN_ERROR_FORMAT);
        expect_error(KILN_ERROR_FORMAT, cases[i].message);
    }
    ck_assert_int_eq(npy_read(TEST_FILES "/object.npy", &array), KILN_ERROR_FORMAT);
    expect_error(KILN_ERROR_FORMAT, TEST_FILES
                 "/object.npy: holds Python objects (dtype '|O'), which only Python can read; save "
                 "numbers instead");
    ck_assert_int_eq(npy_read(TEST_FILES "/big_unsigned.npy", &array), KILN_ERROR_FORMAT);
    expect_error(
        KILN_ERROR_FORMAT, TEST_FILES
        "/big_unsigned.npy: element 1 is 9223372036854775808, which does not fit into int64");
    ck_assert_int_eq(npy_read(TEST_FILES "/text.npy", &array), KILN_ERROR_FORMAT);
    ck_assert_int_eq(npz_read(TEST_FILES "/objects.npz", &list), KILN_ERROR_FORMAT);
    expect_error(
        KILN_ERROR_FORMAT, TEST_FILES
        "/objects.npz(y.npy): holds Python objects (dtype '|O'), which only Python can read; "
        "save numbers instead");
    ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(narrows_with_the_element_named)
{
    npy_array array = {.dtype = KILN_INT64, .rank = 2, .dims = {2, 2}, .bytes = 32};
    array.data = calloc(4, 8);
    ((int64_t *)array.data)[3] = -3000000000;
    ck_assert_int_eq(data_array_narrow(&array, "big.npy"), KILN_ERROR_FORMAT);
    expect_error(KILN_ERROR_FORMAT,
                 "big.npy: element 1 of sample 1 is -3000000000, which does not fit into int32");
    ((int64_t *)array.data)[3] = INT32_MIN;
    ck_assert_int_eq(data_array_narrow(&array, "big.npy"), KILN_OK);
    ck_assert_int_eq(array.dtype, KILN_INT32);
    ck_assert_uint_eq(array.bytes, 16);
    ck_assert_int_eq(((int32_t *)array.data)[3], INT32_MIN);
    data_array_free(&array);

    array = (npy_array){.dtype = KILN_FLOAT64, .rank = 1, .dims = {3}, .bytes = 24};
    array.data = calloc(3, 8);
    ((double *)array.data)[0] = NAN;
    ((double *)array.data)[1] = INFINITY;
    ((double *)array.data)[2] = 1e39;
    ck_assert_int_eq(data_array_narrow(&array, "big.npy"), KILN_ERROR_FORMAT);
    expect_error(KILN_ERROR_FORMAT,
                 "big.npy: element 0 of sample 2 is 1e+39, which does not fit into float32");
    data_array_free(&array);
}
END_TEST

/* Five arrays of every type that is written, one a scalar, one empty. */
static void fill(npy_array arrays[5])
{
    static float floats[6] = {0, 1, -2, 3.5f, 1e-30f, 1e30f};
    static int32_t ints[1] = {-7};
    static uint8_t bytes[3] = {0, 127, 255};
    static int64_t longs[2] = {INT64_MIN, INT64_MAX};
    static double doubles[1];
    arrays[0] = (npy_array){"dense/kernel", KILN_FLOAT32, 2, {2, 3}, floats, sizeof floats};
    arrays[1] = (npy_array){"iterations", KILN_INT32, 0, {0}, ints, sizeof ints};
    arrays[2] = (npy_array){"bytes", KILN_UINT8, 1, {3}, bytes, sizeof bytes};
    arrays[3] = (npy_array){"longs \xc3\xa4", KILN_INT64, 2, {2, 1}, longs, sizeof longs};
    arrays[4] = (npy_array){"none", KILN_FLOAT64, 2, {0, 4}, doubles, 0};
}

static void expect_same(const npy_array *a, const npy_array *b)
{
    ck_assert_int_eq(a->dtype, b->dtype);
    ck_assert_int_eq(a->rank, b->rank);
    for (int i = 0; i < a->rank; i++)
        ck_assert_int_eq(a->dims[i], b->dims[i]);
    ck_assert_uint_eq(a->bytes, b->bytes);
    ck_assert_mem_eq(a->data, b->data, a->bytes);
}

START_TEST(writes_npy)
{
    npy_array arrays[5], back;
    fill(arrays);
    for (int i = 0; i < 5; i++) {
        void *bytes;
        size_t size;
        ck_assert_int_eq(npy_encode(&arrays[i], &bytes, &size), KILN_OK);
        ck_assert_uint_eq((size - arrays[i].bytes) % 64, 0);
        ck_assert_int_eq(npy_decode(bytes, size, "memory", &back), KILN_OK);
        expect_same(&arrays[i], &back);
        data_array_free(&back);
        ck_assert_int_eq(npy_write("out.npy", &arrays[i]), KILN_OK);
        ck_assert_int_eq(npy_read("out.npy", &back), KILN_OK);
        expect_same(&arrays[i], &back);
        data_array_free(&back);
        free(bytes);
    }
    ck_assert_int_eq(npy_write("nowhere/out.npy", &arrays[0]), KILN_ERROR_FILE);
}
END_TEST

START_TEST(writes_npz)
{
    npy_array arrays[5];
    npy_list list;
    fill(arrays);
    for (int deflate = 0; deflate < 2; deflate++) {
        void *first, *second;
        size_t size, again;
        ck_assert_int_eq(npz_encode(arrays, 5, deflate, &first, &size), KILN_OK);
        ck_assert_int_eq(npz_encode(arrays, 5, deflate, &second, &again), KILN_OK);
        ck_assert_uint_eq(size, again);
        ck_assert_mem_eq(first, second, size);
        ck_assert_int_eq(npz_decode(first, size, "memory", &list), KILN_OK);
        ck_assert_uint_eq(list.count, 5);
        for (int i = 0; i < 5; i++) {
            ck_assert_str_eq(list.items[i].name, arrays[i].name);
            expect_same(&arrays[i], &list.items[i]);
        }
        ck_assert_ptr_eq(data_array_find(&list, "bytes"), &list.items[2]);
        ck_assert_ptr_null(data_array_find(&list, "byte"));
        data_array_list_free(&list);
        free(first);
        free(second);
    }
    ck_assert_int_eq(npz_write("out.npz", arrays, 5, true), KILN_OK);
    ck_assert_int_eq(npz_read("out.npz", &list), KILN_OK);
    ck_assert_uint_eq(list.count, 5);
    data_array_list_free(&list);
    ck_assert_int_eq(npz_write("none.npz", arrays, 0, true), KILN_OK);
    ck_assert_int_eq(npz_read("none.npz", &list), KILN_OK);
    ck_assert_uint_eq(list.count, 0);
    data_array_list_free(&list);
}
END_TEST

START_TEST(reads_npz_of_numpy)
{
    npy_list list;
    ck_assert_int_eq(npz_read(TEST_FILES "/deflated.npz", &list), KILN_OK);
    ck_assert_uint_eq(list.count, 4);
    const npy_array *x = data_array_find(&list, "x_test");
    ck_assert_ptr_nonnull(x);
    ck_assert_int_eq(x->dims[0], 4);
    ck_assert_int_eq(x->dims[1], 16);
    for (int i = 0; i < 64; i++)
        ck_assert_double_eq(element(x, i), 1);
    data_array_list_free(&list);
    ck_assert_int_eq(npz_read(TEST_FILES "/stored.npz", &list), KILN_OK);
    ck_assert_uint_eq(list.count, 2);
    data_array_list_free(&list);
}
END_TEST

/* Each byte of an archive changed, and each cut: never a crash, and either an error or the same
 * arrays. */
START_TEST(survives_damaged_archives)
{
    npy_array arrays[5];
    npy_list list;
    void *good;
    size_t size;
    fill(arrays);
    ck_assert_int_eq(npz_encode(arrays, 5, true, &good, &size), KILN_OK);
    unsigned char *bad = malloc(size);
    size_t refused = 0;
    for (size_t i = 0; i < size; i++) {
        memcpy(bad, good, size);
        bad[i] ^= 0x41;
        if (npz_decode(bad, size, "bad", &list) != KILN_OK) {
            ck_assert_str_ne(kiln_last_error(), "");
            ck_assert_uint_eq(list.count, 0);
            refused++;
        }
        data_array_list_free(&list);
        ck_assert_msg(npz_decode(good, i, "cut", &list) != KILN_OK, "cut at %zu of %zu", i, size);
    }
    ck_assert_uint_gt(refused, size / 2);
    free(bad);
    free(good);
}
END_TEST

START_TEST(names_what_is_wrong_in_archives)
{
    npy_list list;
    put_text("junk.npz", "PK\x03\x04junk that is no archive");
    ck_assert_int_eq(npz_read("junk.npz", &list), KILN_ERROR_FORMAT);
    expect_error(KILN_ERROR_FORMAT,
                 "junk.npz: cannot be read as a zip archive (27 bytes): Not a zip archive");
    ck_assert_int_eq(npz_read("nowhere.npz", &list), KILN_ERROR_FILE);
    expect_error(KILN_ERROR_FILE, "nowhere.npz cannot be opened: No such file or directory");
}
END_TEST

START_TEST(keeps_the_old_file_when_the_disk_is_full)
{
    npy_array arrays[5], back;
    struct stat info;
    if (stat("/dev/full", &info) != 0)
        return;
    fill(arrays);
    ck_assert_int_eq(npy_write("/dev/full", &arrays[0]), KILN_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), "No space left on device"));
    ck_assert_int_eq(npy_write("kept.npy", &arrays[0]), KILN_OK);
    ck_assert_int_eq(npy_read("kept.npy", &back), KILN_OK);
    data_array_free(&back);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("npy");
    TCase *tests = tcase_create("npy");
    tcase_add_unchecked_fixture(tests, enter_folder, leave_folder);
    tcase_add_loop_test(tests, reads_what_numpy_writes, 0,
                        (int)(sizeof numpy_files / sizeof *numpy_files));
    tcase_add_test(tests, reads_other_shapes_and_orders);
    tcase_add_loop_test(tests, names_what_is_wrong_in_headers, 0,
                        (int)(sizeof headers / sizeof *headers));
    tcase_add_test(tests, names_what_is_wrong_in_files);
    tcase_add_test(tests, narrows_with_the_element_named);
    tcase_add_test(tests, writes_npy);
    tcase_add_test(tests, writes_npz);
    tcase_add_test(tests, reads_npz_of_numpy);
    tcase_add_test(tests, survives_damaged_archives);
    tcase_add_test(tests, names_what_is_wrong_in_archives);
    tcase_add_test(tests, keeps_the_old_file_when_the_disk_is_full);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
