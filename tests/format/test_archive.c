/* Saved models: what goes in comes out, and what is damaged is refused with one clear sentence. */
#include "harness/harness.h"

#include "base/file.h"
#include "format/archive.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zip.h>

static char path[512]; /* of the file that a test writes */

static void set_up(void)
{
    snprintf(path, sizeof path, "%s/model.kiln", harness_folder());
}

static kiln_model *small(void)
{
    kiln_model *model = kiln_sequential(kiln_normalization(.input_shape = KILN_SHAPE(4)),
                                        kiln_dense(3, .activation = "relu"), kiln_dense(2));
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    harness_ok(kiln_model_set_seed(model, 0xFFFFFFFFFFFFFFF1u));
    return model;
}

static void save_small(void)
{
    kiln_model *model = small();
    harness_ok(archive_write(model, NULL, NULL, path));
    kiln_model_free(model);
}

START_TEST(round_trip)
{
    kiln_model *model = small(), *back;
    archive_arrays extra = {0}, found;
    char *config;
    float slot[6] = {1, 2, 3, 4, 5, 6}, rate = 0.125f;
    model->facts->input_scale = 1.0 / 255;
    harness_ok(
        model_set_class_names(model, 2, (const char *[]){"cat \"tom\"", "\xc3\xa9t\xc3\xa9"}));
    harness_ok(model_set_feature_names(model, 4, (const char *[]){"a", "b", "c", ""}));
    harness_ok(archive_add_whole(&extra, "iterations", 16777217)); /* no float */
    harness_ok(archive_add(&extra, "learning_rate", (kiln_shape){0}, &rate));
    harness_ok(archive_add(&extra, "dense_1/kernel/momentum", KILN_SHAPE(3, 2), slot));
    harness_ok(archive_write(model, "{\"optimizer\": \"adam\", \"loss\": null}", &extra, path));
    harness_ok(archive_read(path, NULL, &back, &config, &found));

    ck_assert_str_eq(config, "{\"optimizer\":\"adam\",\"loss\":null}");
    ck_assert_str_eq(back->facts->compile_config, config);
    ck_assert_uint_eq(back->seed, 0xFFFFFFFFFFFFFFF1u);
    ck_assert_double_eq(back->facts->input_scale, 1.0 / 255);
    ck_assert_uint_eq(back->facts->class_count, 2);
    ck_assert_str_eq(back->facts->class_names[0], "cat \"tom\"");
    ck_assert_str_eq(back->facts->class_names[1], "\xc3\xa9t\xc3\xa9");
    ck_assert_uint_eq(back->facts->feature_count, 4);
    ck_assert_uint_eq(kiln_model_weight_count(back), 7);
    for (size_t i = 0; i < 7; i++) {
        float a[12], b[12];
        size_t n = (size_t)kiln_shape_size(kiln_model_weight_shape(model, i));
        ck_assert_str_eq(kiln_model_weight_path(model, i), kiln_model_weight_path(back, i));
        harness_ok(kiln_get_weights(model, i, a, n));
        harness_ok(kiln_get_weights(back, i, b, n));
        ck_assert_mem_eq(a, b, n * sizeof *a);
    }
    ck_assert(!layer_wants_adapt(kiln_model_layer(back, 0)));
    ck_assert_uint_eq(found.count, 3);
    const archive_array *array = archive_find(&found, "optimizer/vars/2");
    ck_assert_ptr_nonnull(array);
    ck_assert(ir_shape_equal(array->shape, KILN_SHAPE(3, 2)));
    ck_assert_mem_eq(array->values, slot, sizeof slot);
    ck_assert(found.items[0].whole);
    ck_assert_int_eq(found.items[0].integer, 16777217);
    ck_assert_float_eq(archive_find(&found, "optimizer/vars/1")->values[0], 0.125f);
    ck_assert_ptr_null(archive_find(&found, "optimizer/none"));

    /* The optional results may be left out, and saving over the file works. */
    kiln_model_free(back);
    harness_ok(archive_read(path, NULL, &back, NULL, NULL));
    harness_ok(archive_write(back, NULL, NULL, path));
    kiln_model_free(back);
    free(config);
    harness_ok(archive_read(path, NULL, &back, &config, NULL));
    ck_assert_ptr_null(config);
    archive_arrays_free(&extra), archive_arrays_free(&found);
    kiln_model_free(model), kiln_model_free(back);
}
END_TEST

/* A weight whose layer is called like the optimizer's group keeps out of its way. */
START_TEST(a_layer_called_optimizer)
{
    kiln_model *model = kiln_sequential(
                   kiln_dense(1, .name = "optimizer", .input_shape = KILN_SHAPE(1))),
               *back;
    archive_arrays extra = {0}, found;
    float one = 1;
    harness_ok(archive_add(&extra, "optimizer/kernel", (kiln_shape){0}, &one));
    harness_ok(archive_write(model, NULL, &extra, path));
    harness_ok(archive_read(path, NULL, &back, NULL, &found));
    ck_assert_uint_eq(found.count, 1);
    archive_arrays_free(&extra), archive_arrays_free(&found);
    kiln_model_free(model), kiln_model_free(back);
}
END_TEST

/* The architecture alone; a byte order mark and white space before it; a file named anything. */
START_TEST(json_alone)
{
    kiln_model *model = small(), *back;
    char *json = kiln_model_to_json(model, 2), *with_mark = str_format("\xEF\xBB\xBF \n%s", json);
    harness_ok(file_write_atomic(path, with_mark, strlen(with_mark)));
    harness_ok(archive_read(path, NULL, &back, NULL, NULL));
    ck_assert(!back->seeded);
    ck_assert_int_eq(kiln_model_count_params(back), kiln_model_count_params(model));
    free(json), free(with_mark);
    kiln_model_free(model), kiln_model_free(back);
}
END_TEST

/* archive_read fails with PATH and then this. */
static void check_refused(kiln_status status, const char *message)
{
    kiln_model *model = (kiln_model *)path;
    char *config = path;
    archive_arrays extra = {.count = 7};
    kiln_clear_error();
    ck_assert_int_eq(archive_read(path, NULL, &model, &config, &extra), status);
    ck_assert_msg(strncmp(kiln_last_error(), path, strlen(path)) == 0, "%s", kiln_last_error());
    ck_assert_msg(strcmp(kiln_last_error() + strlen(path), message) == 0, "%s", kiln_last_error());
    ck_assert_ptr_null(model);
    ck_assert_ptr_null(config);
    ck_assert_uint_eq(extra.count, 0);
}

START_TEST(other_files)
{
    check_refused(KILN_ERROR_FILE, " cannot be opened: No such file or directory; check the path");
    harness_ok(file_write_atomic(path, "", 0));
    check_refused(
        KILN_ERROR_FORMAT,
        ": is empty; a model is a .keras archive, a Keras architecture in JSON or a whole "
        "model in HDF5");
    harness_ok(file_write_atomic(path, "hello", 5));
    check_refused(
        KILN_ERROR_FORMAT,
        ": is no model file; a model is a .keras archive, a Keras architecture in JSON or "
        "a whole model in HDF5");
    harness_ok(file_write_atomic(path, "\x89HDF\r\n\x1a\n\0\0", 10));
    check_refused(KILN_ERROR_FORMAT, ": it is damaged or cut off");
    harness_ok(file_write_atomic(path, "{\"a\"", 4));
    check_refused(KILN_ERROR_FORMAT,
                  " is not valid JSON: line 1, column 4: ':' expected near end of file");
    unlink(path);
    snprintf(path, sizeof path, "%s", harness_folder());
    check_refused(KILN_ERROR_FILE, " cannot be read: Is a directory; check the path");
}
END_TEST

/* Replaces (or, with bytes NULL, removes) a member of the file at path. */
static void replace(const char *name, const void *bytes, size_t size)
{
    int error;
    zip_t *archive = zip_open(path, ZIP_CREATE, &error);
    ck_assert_ptr_nonnull(archive);
    if (bytes) {
        zip_source_t *source = zip_source_buffer(archive, bytes, size, 0);
        ck_assert_int_ge(zip_file_add(archive, name, source, ZIP_FL_OVERWRITE), 0);
    } else {
        ck_assert_int_eq(zip_delete(archive, (zip_uint64_t)zip_name_locate(archive, name, 0)), 0);
    }
    ck_assert_int_eq(zip_close(archive), 0);
}

/* Puts the weights of another model into the file at path. */
static void replace_weights(kiln_model *other, const archive_arrays *extra)
{
    char second[600];
    int error;
    snprintf(second, sizeof second, "%s.other", path);
    harness_ok(archive_write(other, NULL, extra, second));
    zip_t *archive = zip_open(second, ZIP_RDONLY, &error);
    zip_stat_t info;
    ck_assert_int_eq(zip_stat(archive, "model.weights.h5", 0, &info), 0);
    char *bytes = malloc(info.size);
    zip_file_t *file = zip_fopen(archive, "model.weights.h5", 0);
    ck_assert_int_eq(zip_fread(file, bytes, info.size), (zip_int64_t)info.size);
    zip_fclose(file);
    zip_discard(archive);
    replace("model.weights.h5", bytes, (size_t)info.size);
    free(bytes);
    kiln_model_free(other);
}

START_TEST(wrong_members)
{
    static const char no_model[] = "{\"class_name\": \"Sequential\", \"config\": {\"layers\": []}}";
    save_small();
    replace("config.json", no_model, strlen(no_model));
    check_refused(KILN_ERROR_FORMAT, ": config.json: the model has no layers");
    save_small();
    replace("config.json", NULL, 0);
    check_refused(KILN_ERROR_FORMAT,
                  ": it is a zip archive without a config.json, so no saved model");
    save_small();
    replace("model.weights.h5", NULL, 0);
    check_refused(KILN_ERROR_FORMAT,
                  ": it has no weights: neither model.weights.h5 nor model.weights.npz");
    replace("model.weights.h5", "x", 1);
    check_refused(KILN_ERROR_FORMAT, ": model.weights.h5: it is damaged or cut off");
    save_small();
    replace("metadata.json", "{", 1);
    check_refused(KILN_ERROR_FORMAT, ": metadata.json is not valid JSON: line 1, column 1: string "
                                     "or '}' expected near end of file");
    replace("metadata.json", "{\"kiln\": {\"class_names\": [1]}}", 30);
    check_refused(KILN_ERROR_FORMAT,
                  ": metadata.json: class_names has something in it that is no text");
    replace("metadata.json", "{\"kiln\": {\"class_names\": 1}}", 28);
    check_refused(KILN_ERROR_FORMAT, ": metadata.json: class_names is no list");
    replace("metadata.json", "{\"kiln\": {\"input_scale\": []}}", 29);
    check_refused(KILN_ERROR_FORMAT, ": metadata.json: input_scale is no number");
    replace("metadata.json", NULL, 0);
    kiln_model *model;
    harness_ok(archive_read(path, NULL, &model, NULL, NULL)); /* nothing in it is needed */
    kiln_model_free(model);
    replace("model.weights.h5", NULL, 0);
    replace("model.weights.npz", "PK\5\6", 4);
    kiln_clear_error();
    ck_assert_int_eq(archive_read(path, NULL, &model, NULL, NULL), KILN_ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), "model.weights.npz"));
}
END_TEST

START_TEST(wrong_weights)
{
    save_small();
    replace_weights(
        kiln_sequential(kiln_normalization(.input_shape = KILN_SHAPE(4)), kiln_dense(3)), NULL);
    check_refused(
        KILN_ERROR_FORMAT,
        ": model.weights.h5: layer dense_1: its weight dense_1/kernel is not in the file, "
        "which has no \"layers/dense_1/vars/0\"");
    save_small();
    replace_weights(kiln_sequential(kiln_normalization(.input_shape = KILN_SHAPE(4)), kiln_dense(3),
                                    kiln_dense(5)),
                    NULL);
    check_refused(
        KILN_ERROR_SHAPE,
        ": model.weights.h5: layer dense_1: its weight dense_1/kernel has the shape (3, 5) "
        "in the file and (3, 2) in the model");
    save_small();
    replace_weights(kiln_sequential(kiln_normalization(.input_shape = KILN_SHAPE(4)), kiln_dense(3),
                                    kiln_dense(2), kiln_dense(2)),
                    NULL);
    check_refused(
        KILN_ERROR_FORMAT,
        ": model.weights.h5: the file has weights \"layers/dense_2/vars/0\", and no layer of "
        "the model takes them; use the architecture that they were saved with");
}
END_TEST

/* Without waiting for the disk. */
static void put(const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

/* A file that is cut off anywhere, or has any one byte changed, is refused or reads the same. */
START_TEST(damage)
{
    void *bytes;
    size_t size;
    kiln_model *model;
    save_small();
    harness_ok(file_read(path, 1 << 20, &bytes, &size));
    char *copy = malloc(size);
    for (size_t cut = 0; cut < size; cut += cut < size - 200 ? 37 : 1) {
        put(bytes, cut);
        kiln_clear_error();
        ck_assert_msg(archive_read(path, NULL, &model, NULL, NULL) != KILN_OK,
                      "%zu bytes of %zu read", cut, size);
        ck_assert_msg(strncmp(kiln_last_error(), path, strlen(path)) == 0, "%s", kiln_last_error());
    }
    size_t refused = 0, tried = 0;
    for (size_t at = 0; at < size; at += 5, tried++) {
        memcpy(copy, bytes, size);
        copy[at] ^= 0x41;
        put(copy, size);
        kiln_clear_error();
        if (archive_read(path, NULL, &model, NULL, NULL) == KILN_OK) {
            kiln_model_free(model);
            continue;
        }
        refused++;
        ck_assert_msg(strncmp(kiln_last_error(), path, strlen(path)) == 0, "%s", kiln_last_error());
        ck_assert_ptr_null(model);
    }
    ck_assert_msg(refused * 2 > tried, "%zu of %zu changes were noticed", refused, tried);
    free(copy), free(bytes);
}
END_TEST

/* A disk that is full: the old file stays, and nothing is left beside it. */
START_TEST(full_disk)
{
    void *before, *after;
    size_t size, now;
    save_small();
    harness_ok(file_read(path, 1 << 20, &before, &size));
    kiln_model *model = kiln_sequential(kiln_dense(100, .input_shape = KILN_SHAPE(1000)));
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    rlim_t most = limit.rlim_cur;
    limit.rlim_cur = 100000;
    setrlimit(RLIMIT_FSIZE, &limit);
    kiln_status status = archive_write(model, NULL, NULL, path);
    limit.rlim_cur = most;
    setrlimit(RLIMIT_FSIZE, &limit);
    ck_assert_int_eq(status, KILN_ERROR_FILE);
    char *message = str_format(
        "%s could not be written: File too large; make room or take another place", path);
    ck_assert_str_eq(kiln_last_error(), message);
    free(message);
    harness_ok(file_read(path, 1 << 20, &after, &now));
    ck_assert_uint_eq(size, now);
    ck_assert_mem_eq(before, after, size);
    unlink(path);
    ck_assert_msg(rmdir(harness_folder()) == 0, "something is left in the folder: %s",
                  strerror(errno));
    free(before), free(after);
    kiln_model_free(model);
}
END_TEST

START_TEST(unwritable)
{
    kiln_model *model = small();
    snprintf(path, sizeof path, "%s/no/such/folder/model", harness_folder());
    harness_fails(archive_write(model, NULL, NULL, path), KILN_ERROR_FILE, "/no/such/folder/model");
    kiln_model_free(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("archive");
    TCase *tests = tcase_create("archive");
    tcase_add_checked_fixture(tests, set_up, harness_remove_folder);
    tcase_add_test(tests, round_trip);
    tcase_add_test(tests, a_layer_called_optimizer);
    tcase_add_test(tests, json_alone);
    tcase_add_test(tests, other_files);
    tcase_add_test(tests, wrong_members);
    tcase_add_test(tests, wrong_weights);
    tcase_add_test(tests, damage);
    tcase_add_test(tests, full_disk);
    tcase_add_test(tests, unwritable);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
