/* kiln_dataset_open: sources are told by their content. */
#include "support.h"

#include "data/dataset.h"
#include "data/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define WHAT_DATA_IS                                                                               \
    "data is mnist, digits, IMAGES,LABELS of IDX files, .npz, .npy, X.npy,Y.npy, .csv, .tsv, or "    \
    "pictures: a folder of classes, a .tar, .tar.gz or .zip of one, .png, .jpg"

static void put_idx(const char *name, bool gzip, int code, int rank, uint32_t a, uint32_t b,
                    uint32_t c)
{
    uint32_t dims[3] = {a, b, c};
    unsigned char elements[256];
    size_t count = a, size;
    for (int i = 0; i < 256; i++)
        elements[i] = (unsigned char)i;
    for (int i = 1; i < rank; i++)
        count *= dims[i];
    unsigned char *file = make_idx(code, rank, dims, elements, count, &size);
    (gzip ? put_gzip : put_file)(name, file, size);
    free(file);
}

static void put_npy(const char *name, kiln_dtype dtype, int rank, int64_t a, int64_t b)
{
    int64_t count = rank > 1 ? a * b : rank > 0 ? a : 1;
    npy_array array = {NULL,
                       dtype,
                       rank,
                       {a, b},
                       calloc((size_t)count + 1, 8),
                       (size_t)count * kiln_dtype_size(dtype)};
    for (int64_t i = 0; i < count; i++) {
        if (dtype == KILN_UINT8)
            ((uint8_t *)array.data)[i] = (uint8_t)i;
        else if (dtype == KILN_INT64)
            ((int64_t *)array.data)[i] = i;
        else
            ((float *)array.data)[i] = (float)i;
    }
    ck_assert_int_eq(npy_write(name, &array), KILN_OK);
    free(array.data);
}

START_TEST(opens_pairs)
{
    put_idx("images", false, 8, 3, 4, 2, 3);
    put_idx("labels.gz", true, 8, 1, 4, 0, 0);
    kiln_dataset *d = kiln_dataset_open("images,labels.gz");
    ck_assert_msg(d != NULL, "%s", kiln_last_error());
    ck_assert_int_eq(d->samples, 4);
    ck_assert_double_eq(d->scale, 1.0 / 255);
    ck_assert_int_eq(d->inputs[0].dtype, KILN_UINT8);
    ck_assert_int_eq(d->inputs[0].shape.rank, 2);
    ck_assert_int_eq(d->inputs[0].shape.dims[1], 3);
    ck_assert_int_eq(d->targets[0].dtype, KILN_INT32);
    ck_assert_int_eq(d->targets[0].shape.rank, 0);
    ck_assert_int_eq(((const int32_t *)d->targets[0].data)[3], 3);
    kiln_dataset_free(d);

    put_npy("x.npy", KILN_FLOAT32, 2, 4, 5);
    put_npy("y.npy", KILN_INT64, 1, 4, 0);
    d = kiln_dataset_open("x.npy,y.npy");
    ck_assert_msg(d != NULL, "%s", kiln_last_error());
    ck_assert_double_eq(d->scale, 1); /* arrays are taken as they are */
    ck_assert_int_eq(d->inputs[0].shape.dims[0], 5);
    ck_assert_int_eq(d->targets[0].dtype, KILN_INT32);
    kiln_dataset_free(d);
    d = kiln_dataset_open("x.npy,labels.gz");
    ck_assert_ptr_nonnull(d);
    kiln_dataset_free(d);
    d = kiln_dataset_open("images"); /* to predict */
    ck_assert_ptr_nonnull(d);
    ck_assert_uint_eq(d->target_count, 0);
    kiln_dataset_free(d);
    d = kiln_dataset_open("x.npy");
    ck_assert_ptr_nonnull(d);
    ck_assert_uint_eq(d->target_count, 0);
    kiln_dataset_free(d);
}
END_TEST

START_TEST(knows_content_not_names)
{
    put_npy("array.csv", KILN_FLOAT32, 2, 3, 2);
    kiln_dataset *d = kiln_dataset_open("array.csv");
    ck_assert_ptr_nonnull(d);
    ck_assert_int_eq(d->samples, 3);
    kiln_dataset_free(d);
    put_text("a,b.npy", "1,2\n3,4\n"); /* a comma in a name */
    d = kiln_dataset_open("a,b.npy");
    ck_assert_msg(d != NULL, "%s", kiln_last_error());
    ck_assert_int_eq(d->samples, 2);
    kiln_dataset_free(d);
    put_npy("c,d.npy", KILN_FLOAT32, 2, 3, 2);
    put_npy("y,z.npy", KILN_INT64, 1, 3, 0);
    d = kiln_dataset_open("c,d.npy,y,z.npy");
    ck_assert_msg(d != NULL, "%s", kiln_last_error());
    ck_assert_uint_eq(d->target_count, 1);
    kiln_dataset_free(d);
    put_text("table", "a\tb\tc\n1\t2\t3\n");
    d = kiln_dataset_open("table", .label = "a");
    ck_assert_ptr_nonnull(d);
    ck_assert_float_eq(((const float *)d->inputs[0].data)[0], 2);
    kiln_dataset_free(d);
}
END_TEST

START_TEST(opens_npz)
{
    kiln_dataset *d = kiln_dataset_open(TEST_FILES "/deflated.npz"); /* x_train ... */
    ck_assert_msg(d != NULL, "%s", kiln_last_error());
    ck_assert_int_eq(d->samples, 8);
    ck_assert_int_eq(d->inputs[0].shape.dims[0], 16);
    ck_assert_ptr_null(d->inputs[0].name);
    kiln_dataset_free(d);
    d = kiln_dataset_open(TEST_FILES "/deflated.npz", .part = "test");
    ck_assert_int_eq(d->samples, 4);
    ck_assert_int_eq(d->targets[0].dtype, KILN_INT32);
    ck_assert_int_eq(((const int32_t *)d->targets[0].data)[3], 3);
    kiln_dataset_free(d);
    d = kiln_dataset_open(TEST_FILES "/stored.npz");
    ck_assert_int_eq(d->samples, 2);
    ck_assert_uint_eq(d->target_count, 1);
    kiln_dataset_free(d);
    d = kiln_dataset_open(TEST_FILES "/named.npz");
    ck_assert_ptr_nonnull(d);
    ck_assert_uint_eq(d->input_count, 3);
    ck_assert(d->names_open);
    static const char *const inputs[] = {"hint", "image"}, *const outputs[] = {"label"};
    ck_assert_int_eq(dataset_assign(d, 2, inputs, 1, outputs, true), KILN_OK);
    ck_assert_int_eq(d->inputs[1].shape.dims[0], 2);
    ck_assert_int_eq(d->targets[0].dtype, KILN_INT32);
    kiln_dataset_free(d);

    float x[4] = {1, 2, 3, 4}, weights[2] = {0.5f, 2};
    npy_array arrays[4] = {{"x_b", KILN_FLOAT32, 2, {2, 2}, x, 16},
                           {"y_q", KILN_FLOAT32, 1, {2}, x, 8},
                           {"x_a", KILN_FLOAT32, 1, {2}, x, 8},
                           {"sample_weight", KILN_FLOAT32, 1, {2}, weights, 8}};
    ck_assert_int_eq(npz_write("letters.npz", arrays, 4, false), KILN_OK);
    d = kiln_dataset_open("letters.npz");
    ck_assert_msg(d != NULL, "%s", kiln_last_error());
    ck_assert_uint_eq(d->input_count, 2);
    ck_assert_str_eq(d->inputs[0].name, "x_b");
    ck_assert_str_eq(d->targets[0].name, "y_q");
    ck_assert_float_eq(((const float *)d->sample_weights->data)[1], 2);
    kiln_dataset_free(d);
}
END_TEST

static void prepare_wrong(void)
{
    float x[4] = {1, 2, 3, 4};
    put_idx("images", false, 8, 3, 4, 2, 3);
    put_idx("labels3", false, 8, 1, 3, 0, 0);
    put_npy("x.npy", KILN_FLOAT32, 2, 4, 5);
    put_npy("scalar.npy", KILN_FLOAT32, 0, 0, 0);
    put_npy("none.npy", KILN_FLOAT32, 2, 0, 5);
    put_text("text", "1,2\n");
    put_text("picture.png", "\x89PNG\r\n\x1a\n...");
    put_file("binary", "\x01\x02\x03\x00\x05", 5);
    put_file("wide.csv", "\xff\xfe" "a\0,\0b\0\n\0", 10);
    put_gzip("text.gz", "1,2\n", 4);
    put_text("empty", "");
    put_idx("cut", false, 8, 3, 4, 2, 3);
    npy_array uneven[2] = {{"x", KILN_FLOAT32, 1, {4}, x, 16}, {"y", KILN_FLOAT32, 1, {3}, x, 12}};
    npy_array half[1] = {{"x_test", KILN_FLOAT32, 1, {4}, x, 16}};
    ck_assert_int_eq(npz_write("uneven.npz", uneven, 2, true), KILN_OK);
    ck_assert_int_eq(npz_write("half.npz", half, 1, true), KILN_OK);
    ck_assert_int_eq(npz_write("nothing.npz", half, 0, true), KILN_OK);
    mkdir("folder", 0777);
}

static const struct {
    const char *source;
    kiln_status code;
    const char *message;
} wrong[] = {
    {"", KILN_ERROR_ARGUMENT, "no data was named; " WHAT_DATA_IS},
    {"nowhere.csv", KILN_ERROR_FILE, "nowhere.csv: there is no such file; " WHAT_DATA_IS},
    {"images,nowhere", KILN_ERROR_FILE, "images,nowhere: there is no file nowhere; check the path"},
    {"nowhere,images", KILN_ERROR_FILE, "nowhere,images: there is no file nowhere; check the path"},
    {"images,", KILN_ERROR_FILE, "images,: there is no file behind the comma; check the path"},
    {"folder", KILN_ERROR_FORMAT,
     "folder: has no pictures; put .png, .jpg or .jpeg files into a folder for each class"},
    {"images,labels3", KILN_ERROR_SHAPE,
     "labels3: has 3 samples, but the array before it has 4; give arrays with as many samples "
     "each, the samples along the first axis"},
    {"images,text", KILN_ERROR_FORMAT, "text: is text; the files of a pair are IDX or .npy files"},
    {"images,half.npz", KILN_ERROR_FORMAT,
     "half.npz: is a zip archive; the files of a pair are IDX or .npy files"},
    {"scalar.npy", KILN_ERROR_SHAPE,
     "scalar.npy: is a single number, not one value or more for each sample; give arrays with as "
     "many samples each, the samples along the first axis"},
    {"none.npy", KILN_ERROR_SHAPE,
     "none.npy: holds nothing: its shape is (0, 5); give arrays with as many samples each, the "
     "samples along the first axis"},
    {"picture.png", KILN_ERROR_FORMAT, "picture.png: is a damaged PNG file (it ends in the middle); repair or remove it, or leave out "
     "what cannot be read: skip_unreadable, --skip-unreadable"},
    {"wide.csv", KILN_ERROR_FORMAT, "wide.csv: is UTF-16 text; save it as UTF-8"},
    {"binary", KILN_ERROR_FORMAT,
     "binary: is neither IDX, .npy, .npz nor text (it starts with 01 02 03 00); " WHAT_DATA_IS},
    {"text.gz", KILN_ERROR_FORMAT,
     "text.gz: is a gzip file with neither an IDX nor a .npy file nor a tar archive in it; unpack it"},
    {"empty", KILN_ERROR_FORMAT, "empty: is empty; correct the file, or get it again"},
    {"uneven.npz", KILN_ERROR_SHAPE,
     "uneven.npz(y): has 3 samples, but the array before it has 4; give arrays with as many "
     "samples each, the samples along the first axis"},
    {"half.npz", KILN_ERROR_FORMAT,
     "half.npz: has no array x_train; correct the file, or get it again"},
    {"nothing.npz", KILN_ERROR_FORMAT,
     "nothing.npz: holds no array; correct the file, or get it again"},
};

START_TEST(names_what_is_wrong)
{
    ck_assert_ptr_null(kiln_dataset_open(wrong[_i].source));
    expect_error(wrong[_i].code, wrong[_i].message);
}
END_TEST

static void enter(void)
{
    enter_folder();
    prepare_wrong();
}

int main(void)
{
    Suite *suite = suite_create("open");
    TCase *tests = tcase_create("open");
    tcase_add_unchecked_fixture(tests, enter, leave_folder);
    tcase_add_test(tests, opens_pairs);
    tcase_add_test(tests, knows_content_not_names);
    tcase_add_test(tests, opens_npz);
    tcase_add_loop_test(tests, names_what_is_wrong, 0, (int)(sizeof wrong / sizeof *wrong));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
