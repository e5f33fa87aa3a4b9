/* HDF5 through kiln-hdf5: what is written reads back, and whatever happens to that program or to
 * the file ends in one clear sentence. */
#include "harness/harness.h"

#include "base/file.h"
#include "format/hdf5_file.h"
#include "format/hdf5_stream.h"
#include "format/tensors.h"
#include "format/weights_file.h"

#include <hdf5.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void add(data_array_list *list, const char *name, kiln_dtype dtype, int rank,
                const int64_t *dims, const void *values)
{
    data_array *array = tensor_add(list, name, dtype, rank, dims);
    ck_assert_ptr_nonnull(array);
    memcpy(array->data, values, array->bytes);
}

/* A file with some of everything; free it. */
static void *sample(size_t *size)
{
    hdf5_contents contents = {0};
    void *bytes;
    const float kernel[6] = {1, 2, 3, 4, 5, 6};
    const int32_t count = -7;
    add(&contents.arrays, "layers/dense/vars/0", KILN_FLOAT32, 2, (int64_t[]){2, 3}, kernel);
    add(&contents.arrays, "layers/dense/vars/1", KILN_FLOAT32, 1, (int64_t[]){0}, kernel);
    add(&contents.arrays, "optimizer/vars/0", KILN_INT32, 0, NULL, &count);
    harness_ok(hdf5_add_texts(&contents.attributes, "layers/dense/vars", "name", 1,
                              (const char *[]){"d\xc3\xa9nse"}));
    harness_ok(hdf5_add_texts(&contents.attributes, "", "backend", 1, (const char *[]){""}));
    harness_ok(hdf5_write(&contents, &bytes, size));
    hdf5_free(&contents);
    return bytes;
}

START_TEST(round_trip)
{
    hdf5_contents contents;
    size_t size;
    void *bytes = sample(&size);
    ck_assert(hdf5_looks_like(bytes, size));
    harness_ok(hdf5_read("x", bytes, size, &contents));
    ck_assert_uint_eq(contents.arrays.count, 3);
    const data_array *array = data_array_find(&contents.arrays, "layers/dense/vars/0");
    ck_assert_int_eq(array->rank, 2);
    ck_assert_int_eq(array->dims[1], 3);
    ck_assert_float_eq(((float *)array->data)[5], 6);
    array = data_array_find(&contents.arrays, "optimizer/vars/0");
    ck_assert_int_eq(array->rank, 0);
    ck_assert_int_eq(array->dtype, KILN_INT64);
    ck_assert_int_eq(*(int64_t *)array->data, -7);
    const hdf5_text *name = hdf5_attribute(&contents, "layers/dense/vars", "name");
    ck_assert_uint_eq(name->count, 1);
    ck_assert_str_eq(name->values[0], "d\xc3\xa9nse");
    ck_assert_str_eq(hdf5_attribute(&contents, "", "backend")->values[0], "");
    ck_assert_ptr_null(hdf5_attribute(&contents, "", "name"));
    hdf5_free(&contents);
    free(bytes);
}
END_TEST

/* A file that is cut off, or changed anywhere, is read or refused: nothing else. */
START_TEST(damage)
{
    hdf5_contents contents;
    size_t size, refused = 0, read = 0;
    unsigned char *bytes = sample(&size), *copy = malloc(size);
    for (size_t at = 0; at < size; at += 1 + size / 150) {
        memcpy(copy, bytes, size);
        copy[at] ^= (unsigned char)(1 + at % 255);
        kiln_clear_error();
        if (hdf5_read("damaged", copy, size, &contents) == KILN_OK) {
            hdf5_free(&contents);
            read++;
            continue;
        }
        refused++;
        ck_assert_msg(strncmp(kiln_last_error(), "damaged: ", 9) == 0, "%s", kiln_last_error());
        ck_assert_uint_eq(contents.arrays.count, 0);
    }
    for (size_t cut = 0; cut < size; cut += 1 + size / 30) {
        kiln_clear_error();
        ck_assert_int_ne(hdf5_read("cut", bytes, cut, &contents), KILN_OK);
    }
    ck_assert_uint_gt(refused, 0);
    ck_assert_uint_gt(read, 0);
    free(bytes), free(copy);
}
END_TEST

/* ---- files that libhdf5 makes ---- */

/* The bytes of a new file that `fill` fills. */
static void *made(void (*fill)(hid_t file), size_t *size)
{
    char path[512];
    void *bytes;
    snprintf(path, sizeof path, "%s/made.h5", harness_folder());
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    ck_assert_int_ge(file, 0);
    fill(file);
    ck_assert_int_ge(H5Fclose(file), 0);
    harness_ok(file_read(path, SIZE_MAX / 4, &bytes, size));
    return bytes;
}

static hid_t huge_space(void)
{
    return H5Screate_simple(1, (hsize_t[]){(hsize_t)1 << 40}, NULL);
}

/* Terabytes that were never written. */
static void fill_empty(hid_t file)
{
    hid_t space = huge_space();
    H5Dclose(H5Dcreate2(file, "w", H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
}

/* A few kilobytes of deflated zeros that unpack to 400 MB. */
static void fill_deflated(hid_t file)
{
    hsize_t chunk = 1 << 22, all = 24 * chunk;
    hid_t list = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(1, &all, NULL);
    H5Pset_chunk(list, 1, &chunk);
    H5Pset_deflate(list, 9);
    hid_t data = H5Dcreate2(file, "w", H5T_IEEE_F32LE, space, H5P_DEFAULT, list, H5P_DEFAULT);
    float *zeros = calloc(all, sizeof *zeros);
    ck_assert_int_ge(H5Dwrite(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros), 0);
    free(zeros);
    H5Dclose(data), H5Sclose(space), H5Pclose(list);
}

static void fill_links(hid_t file)
{
    H5Lcreate_external("/etc/passwd", "/", file, "away", H5P_DEFAULT, H5P_DEFAULT);
}

static void fill_external(hid_t file)
{
    hid_t list = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(1, (hsize_t[]){4}, NULL);
    H5Pset_external(list, "/etc/passwd", 0, 16);
    H5Dclose(H5Dcreate2(file, "w", H5T_IEEE_F32LE, space, H5P_DEFAULT, list, H5P_DEFAULT));
    H5Sclose(space), H5Pclose(list);
}

/* A group that holds itself. */
static void fill_circle(hid_t file)
{
    hid_t group = H5Gcreate2(file, "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_hard(file, "g", group, "g", H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(group);
}

static void refused(void (*fill)(hid_t file), const char *message)
{
    hdf5_contents contents;
    size_t size;
    void *bytes = made(fill, &size);
    harness_fails(hdf5_read("bad.h5", bytes, size, &contents), KILN_ERROR_FORMAT, message);
    ck_assert_uint_eq(contents.arrays.count, 0);
    free(bytes);
}

static void has_other(void (*fill)(hid_t file), const char *why)
{
    hdf5_contents contents;
    size_t size;
    void *bytes = made(fill, &size);
    harness_ok(hdf5_read("bad.h5", bytes, size, &contents));
    ck_assert_uint_eq(contents.arrays.count, 0);
    ck_assert_uint_eq(contents.others.count, 1);
    ck_assert_str_eq(contents.others.items[0].values[0], why);
    hdf5_free(&contents);
    free(bytes);
}

START_TEST(hostile_files)
{
    has_other(fill_empty, "data that claim to be far larger than what is stored");
    refused(fill_deflated, "bad.h5: \"w\" takes 100663296 elements");
    refused(fill_links, "bad.h5: \"away\" is a link to another place, which is not followed");
    has_other(fill_external, "data that lie in another file");
    refused(fill_circle, "bad.h5: its groups lie more than 64 deep");
}
END_TEST

/* Half floats, doubles, truth values, texts. */
static void fill_types(hid_t file)
{
    const struct {
        const char *name;
        hid_t stored, memory;
        const void *value;
    } each[] = {{"double", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &(double){0.1}},
                {"byte", H5T_STD_U8BE, H5T_NATIVE_UINT8, &(uint8_t){200}},
                {"long", H5T_STD_I64BE, H5T_NATIVE_INT64, &(int64_t){INT64_MIN}}};
    hid_t space = H5Screate(H5S_SCALAR);
    for (size_t i = 0; i < 3; i++) {
        hid_t data = H5Dcreate2(file, each[i].name, each[i].stored, space, H5P_DEFAULT, H5P_DEFAULT,
                                H5P_DEFAULT);
        H5Dwrite(data, each[i].memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, each[i].value);
        H5Dclose(data);
    }
    hid_t three = H5Tcopy(H5T_C_S1);
    H5Tset_size(three, 3);
    H5Dclose(H5Dcreate2(file, "text", three, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    hid_t attribute = H5Acreate2(file, "fixed", three, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, three, "ab");
    H5Aclose(attribute), H5Tclose(three), H5Sclose(space);
}

START_TEST(types)
{
    hdf5_contents contents;
    size_t size;
    void *bytes = made(fill_types, &size);
    harness_ok(hdf5_read("x", bytes, size, &contents));
    ck_assert_float_eq(*(float *)data_array_find(&contents.arrays, "double")->data, 0.1f);
    ck_assert_int_eq(*(int64_t *)data_array_find(&contents.arrays, "byte")->data, 200);
    ck_assert(*(int64_t *)data_array_find(&contents.arrays, "long")->data == INT64_MIN);
    ck_assert_str_eq(contents.others.items[0].path, "text");
    ck_assert_str_eq(contents.others.items[0].values[0], "texts");
    ck_assert_str_eq(hdf5_attribute(&contents, "", "fixed")->values[0], "ab");
    hdf5_free(&contents);
    free(bytes);
}
END_TEST

/* ---- the program itself ---- */

/* Puts a program of another kind in its place. */
static void replace_helper(const char *script)
{
    char path[512];
    snprintf(path, sizeof path, "%s/kiln-hdf5", harness_folder());
    if (script) {
        harness_ok(file_write_atomic(path, script, strlen(script)));
        ck_assert_int_eq(chmod(path, 0755), 0);
    } else {
        unlink(path);
    }
    ck_assert_int_eq(setenv("KILN_HELPER_DIR", harness_folder(), 1), 0);
}

START_TEST(a_helper_that_fails)
{
    static const struct {
        const char *script, *message;
    } cases[] = {
        {NULL, "where KILN_HELPER_DIR says it is, has none; correct the variable or unset it"},
        {"no program", "cannot be started: Exec format error; install Kiln again"},
        {"#!/bin/sh\nkill -SEGV $$\n", "x: libhdf5 crashed on it (Segmentation fault)"},
        {"#!/bin/sh\nkill -XCPU $$\n", "x: reading it as HDF5 takes longer than it may"},
        {"#!/bin/sh\ncat >/dev/null\nexit 3\n",
         "x: it cannot be read as HDF5: kiln-hdf5 ended with status 3"},
        {"#!/bin/sh\nexit 0\n", "handed back nonsense; install Kiln again"},
        {"#!/bin/sh\nprintf KilnHDF5\n", "handed back nonsense"},
        {"#!/bin/sh\nprintf 'KilnHDF5\\004\\003\\001\\001abcdefghijklmnopqrstuvw'\n",
         "handed back nonsense"},
    };
    size_t large = 1 << 22; /* more than a socket takes before it is read */
    char *bytes = calloc(large, 1);
    hdf5_contents contents;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        replace_helper(cases[i].script);
        kiln_clear_error();
        ck_assert_int_ne(hdf5_read("x", bytes, i % 2 ? large : 100, &contents), KILN_OK);
        ck_assert_msg(strstr(kiln_last_error(), cases[i].message), "%s, not %s", kiln_last_error(),
                      cases[i].message);
    }
    free(bytes);
}
END_TEST

/* A process without room for files reads all the same: nothing goes to the disk. */
START_TEST(limits_of_this_process)
{
    hdf5_contents contents;
    size_t size;
    void *bytes = sample(&size);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){16, 16});
    harness_ok(hdf5_read("x", bytes, size, &contents));
    hdf5_free(&contents);
    free(bytes);
}
END_TEST

/* ---- the stream ---- */

START_TEST(streams)
{
    static const struct {
        hdf5_record head;
        uint64_t dim;
        char rest[8];
    } cases[] = {
        {{.kind = 9, .version = 1}, 0, ""},
        {{.kind = HDF5_RECORD_DATA, .type = HDF5_TYPE_FLOAT, .version = 2}, 0, ""},
        {{.kind = HDF5_RECORD_DATA,
          .type = HDF5_TYPE_FLOAT,
          .rank = 1,
          .version = 1,
          .data_bytes = 4},
         2,
         "abcd"},
        {{.kind = HDF5_RECORD_DATA,
          .type = HDF5_TYPE_FLOAT,
          .rank = 1,
          .version = 1,
          .data_bytes = 4},
         UINT64_MAX,
         "abcd"},
        {{.kind = HDF5_RECORD_DATA, .type = 77, .rank = 1, .version = 1, .data_bytes = 4},
         1,
         "abcd"},
        {{.kind = HDF5_RECORD_DATA, .rank = 33, .version = 1}, 1, "abcd"},
        {{.kind = HDF5_RECORD_DATA, .version = 1, .name_bytes = 5000}, 1, "abcd"},
        {{.kind = HDF5_RECORD_DATA, .version = 1, .data_bytes = UINT64_MAX}, 1, "abcd"},
        {{.kind = HDF5_RECORD_TEXTS, .rank = 1, .version = 1, .name_bytes = 2, .data_bytes = 2},
         1,
         "abcd"},
        {{.kind = HDF5_RECORD_TEXTS, .rank = 1, .version = 1, .name_bytes = 3, .data_bytes = 2},
         1,
         "a\0bcd"},
        {{.kind = HDF5_RECORD_TEXTS, .rank = 1, .version = 1, .name_bytes = 3, .data_bytes = 2},
         7,
         "a\0bc\0"},
    };
    hdf5_contents contents;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char stream[256] = HDF5_STREAM_MAGIC;
        size_t at = 8;
        memcpy(stream + at, &cases[i].head, sizeof cases[i].head);
        at += sizeof cases[i].head;
        if (cases[i].head.rank == 1) {
            memcpy(stream + at, &cases[i].dim, 8);
            at += 8;
        }
        memcpy(stream + at, cases[i].rest, 5);
        kiln_clear_error();
        ck_assert_int_eq(hdf5_decode("x", stream, sizeof stream, &contents), KILN_ERROR_FORMAT);
        ck_assert_uint_eq(contents.arrays.count + contents.attributes.count, 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hdf5");
    TCase *tests = tcase_create("hdf5");
    tcase_add_checked_fixture(tests, NULL, harness_remove_folder);
    tcase_add_test(tests, round_trip);
    tcase_add_test(tests, damage);
    tcase_add_test(tests, hostile_files);
    tcase_add_test(tests, types);
    tcase_add_test(tests, a_helper_that_fails);
    tcase_add_test(tests, limits_of_this_process);
    tcase_add_test(tests, streams);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
