/* Saved models, the reading half. */
#include "format/archive_inside.h"
#include "format/format.h"

#include "base/file.h"
#include "data/npy.h"
#include "format/json.h"
#include "format/keras_json.h"
#include "format/series_json.h"
#include "format/tensors.h"

#include <math.h>
#include <string.h>
#include <zip.h>

#define JSON_LIMIT ((size_t)64 << 20)

static bool looks_like_zip(const unsigned char *head, size_t count)
{
    return count >= 4 && (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0);
}

/* ---- members ---- */

/* Reads a member whole, with a zero byte behind it. What the archive says of its size is not
 * believed. */
static kiln_status read_member(zip_t *archive, const char *name, size_t limit, text *out)
{
    zip_file_t *file = zip_fopen(archive, name, 0);
    if (file == NULL)
        return kiln_fail(KILN_ERROR_FORMAT, "%s cannot be opened: %s", name, zip_strerror(archive));
    kiln_status status = KILN_OK;
    for (size_t piece = 1 << 16; status == KILN_OK; piece = out->length + 1) {
        if (out->length > limit) {
            status =
                kiln_fail(KILN_ERROR_FORMAT,
                          "%s unpacks to more than %zu bytes, far more than a model of its size",
                          name, limit);
            break;
        }
        status = mem_grow(&out->data, &out->capacity, out->length + piece + 1, 1);
        if (status != KILN_OK)
            break;
        zip_int64_t n = zip_fread(file, out->data + out->length, out->capacity - out->length - 1);
        if (n < 0)
            status =
                kiln_fail(KILN_ERROR_FORMAT, "%s is damaged: %s", name, zip_file_strerror(file));
        if (n <= 0)
            break;
        out->length += (size_t)n;
    }
    zip_fclose(file);
    if (status == KILN_OK)
        out->data[out->length] = '\0';
    else
        text_free(out);
    return status;
}

/* ---- metadata.json ---- */

/* A list of texts under key, if there is one. */
static kiln_status read_names(const json_t *kiln, const char *key, kiln_model *model,
                              kiln_status (*set)(kiln_model *, size_t, const char *const *))
{
    const json_t *list = json_object_get(kiln, key);
    size_t count = json_array_size(list);
    if (list == NULL)
        return KILN_OK;
    const char **names = mem_new(count, sizeof *names);
    if (names == NULL)
        return KILN_ERROR_MEMORY;
    kiln_status status = json_is_array(list)
                             ? KILN_OK
                             : kiln_fail(KILN_ERROR_FORMAT, "metadata.json: %s is no list", key);
    for (size_t i = 0; i < count && status == KILN_OK; i++) {
        names[i] = json_string_value(json_array_get(list, i));
        if (names[i] == NULL)
            status = kiln_fail(KILN_ERROR_FORMAT,
                               "metadata.json: %s has something in it that is no text", key);
    }
    if (status == KILN_OK)
        status = set(model, count, names);
    free(names);
    return status;
}

static kiln_status set_tokens(kiln_model *model, size_t count, const char *const *tokens)
{
    return model_text_set_tokens(&model->facts->text, count, tokens);
}

/* What earlier files have not: which columns of a table are read, and the vocabulary's limit. */
static kiln_status read_text_more(const json_t *from, model_text *rules)
{
    const json_t *limit = json_object_get(from, "max_tokens");
    const struct {
        const char *key;
        char **to;
    } words[] = {{"text_column", &rules->text_column}, {"label_column", &rules->label_column}};
    if (limit && (!json_is_integer(limit) || json_integer_value(limit) < 0))
        return kiln_fail(KILN_ERROR_FORMAT, "metadata.json: max_tokens of text is no count");
    rules->max_tokens = json_integer_value(limit);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const json_t *word = json_object_get(from, words[i].key);
        if (word == NULL)
            continue;
        if (!json_is_string(word))
            return kiln_fail(KILN_ERROR_FORMAT, "metadata.json: %s of text is no name",
                             words[i].key);
        if ((*words[i].to = str_copy(json_string_value(word))) == NULL)
            return kiln_last_status();
    }
    return KILN_OK;
}

/* How text becomes the model's numbers. */
static kiln_status read_text(const json_t *kiln, kiln_model *model)
{
    model_text *rules = &model->facts->text;
    const json_t *from = json_object_get(kiln, "text"),
                 *length = json_object_get(from, "sequence_length");
    const struct {
        const char *key;
        char **to;
    } words[] = {
        {"task", &rules->task}, {"standardize", &rules->standardize}, {"split", &rules->split}};
    if (from == NULL)
        return KILN_OK;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *word = json_string_value(json_object_get(from, words[i].key));
        if (word == NULL)
            return kiln_fail(KILN_ERROR_FORMAT, "metadata.json: text has no %s", words[i].key);
        if ((*words[i].to = str_copy(word)) == NULL)
            return kiln_last_status();
    }
    if (!json_is_integer(length) || json_integer_value(length) < 1)
        return kiln_fail(KILN_ERROR_FORMAT, "metadata.json: text has no sequence_length");
    rules->length = json_integer_value(length);
    KILN_TRY(read_text_more(from, rules));
    if (json_array_size(json_object_get(from, "vocabulary")) == 0)
        return kiln_fail(KILN_ERROR_FORMAT, "metadata.json: text has no vocabulary");
    return read_names(from, "vocabulary", model, set_tokens);
}

/* *root stays NULL where there is none: nothing in it is needed. */
static kiln_status parse_metadata(zip_t *archive, json_t **root)
{
    text content = {0};
    *root = NULL;
    if (zip_name_locate(archive, "metadata.json", 0) < 0)
        return KILN_OK;
    KILN_TRY(read_member(archive, "metadata.json", JSON_LIMIT, &content));
    *root = json_parse("metadata.json", content.data, content.length);
    text_free(&content);
    return *root ? KILN_OK : kiln_last_status();
}

/* The length that open axes had when Kiln wrote the file. */
static void take_length(const json_t *root, open_axis *open)
{
    json_int_t length =
        json_integer_value(json_object_get(json_object_get(root, "kiln"), "sequence_length"));
    if (open->length == 0 && length > 0)
        open->length = length;
}

static kiln_status read_metadata(const json_t *root, kiln_model *model)
{
    const json_t *kiln = json_object_get(root, "kiln"),
                 *scale = json_object_get(kiln, "input_scale");
    const char *seed = json_string_value(json_object_get(kiln, "seed"));
    kiln_status status = KILN_OK;
    if (scale && (!json_is_number(scale) || !isfinite(json_number_value(scale))))
        status = kiln_fail(KILN_ERROR_FORMAT, "metadata.json: input_scale is no number");
    else
        model->facts->input_scale = json_number_value(scale);
    if (seed)
        model->seed = strtoull(seed, NULL, 10);
    if (status == KILN_OK)
        status = read_names(kiln, "class_names", model, model_set_class_names);
    if (status == KILN_OK)
        status = read_names(kiln, "feature_names", model, model_set_feature_names);
    if (status == KILN_OK)
        status = series_json_read(json_object_get(kiln, "series"), &model->facts->series);
    if (status == KILN_OK)
        status = read_text(kiln, model);
    return status;
}

/* ---- the weights ---- */

/* What a member may unpack to: more is no model, but an archive made to fill the memory. */
#define EXPANDED_LEAST ((uint64_t)256 << 20)
#define EXPANDED_RATIO 100

/* Reads a member of arrays whole. */
static kiln_status read_arrays(zip_t *archive, const char *name, text *content)
{
    zip_stat_t about;
    if (zip_stat(archive, name, 0, &about) != 0 || !(about.valid & ZIP_STAT_COMP_SIZE))
        return kiln_fail(KILN_ERROR_FORMAT,
                         "it has no weights: neither model.weights.h5 nor model.weights.npz");
    uint64_t limit = about.comp_size > SIZE_MAX / 4 / EXPANDED_RATIO
                         ? SIZE_MAX / 4
                         : about.comp_size * EXPANDED_RATIO;
    if (limit < EXPANDED_LEAST)
        limit = EXPANDED_LEAST;
    return read_member(archive, name, (size_t)limit, content);
}

static kiln_status read_weights(zip_t *archive, kiln_model *model, archive_arrays *extra)
{
    static const char h5[] = "model.weights.h5", npz[] = "model.weights.npz";
    bool is_h5 = zip_name_locate(archive, h5, 0) >= 0;
    const char *name = is_h5 ? h5 : npz;
    text content = {0};
    KILN_TRY(read_arrays(archive, name, &content));
    kiln_status status;
    if (is_h5) {
        hdf5_contents contents;
        status = hdf5_read(name, content.data, content.length, &contents);
        text_free(&content);
        KILN_TRY(status);
        status = hdf5_to_model(&contents, model, extra);
        hdf5_free(&contents);
    } else {
        npy_list list = {0};
        status = npz_decode(content.data, content.length, name, &list);
        text_free(&content);
        KILN_TRY(status);
        status = tensors_to_model(&list, model, extra);
        data_array_list_free(&list);
    }
    return status == KILN_OK ? KILN_OK : kiln_fail_in("%s", name);
}

/* ---- the archive ---- */

static kiln_status read_parts(zip_t *archive, open_axis *open, kiln_model **model,
                              archive_arrays *extra)
{
    text config = {0};
    json_t *metadata;
    if (zip_name_locate(archive, "config.json", 0) < 0)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "it is a zip archive without a config.json, so no saved model");
    KILN_TRY(read_member(archive, "config.json", JSON_LIMIT, &config));
    kiln_status status = parse_metadata(archive, &metadata);
    if (status == KILN_OK) {
        take_length(metadata, open);
        status = keras_json_read("config.json", config.data, config.length, open, model);
    }
    text_free(&config);
    if (status == KILN_OK)
        status = read_metadata(metadata, *model);
    if (status == KILN_OK && open->layer[0] && (*model)->facts->text.tokens)
        (*model)->facts->text.length = open->length; /* samples of text are as long as the axis */
    json_decref(metadata);
    if (status == KILN_OK)
        status = read_weights(archive, *model, extra);
    return status;
}

/* Opens bytes as an archive; NULL, with a failure on record, when they are none. */
static zip_t *open_archive(const void *bytes, size_t count)
{
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(bytes, count, 0, &error);
    zip_t *archive =
        source ? zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error) : NULL;
    if (archive == NULL) {
        kiln_fail(KILN_ERROR_FORMAT, "it is a zip archive that is damaged or cut off: %s",
                  zip_error_strerror(&error));
        zip_source_free(source);
    }
    zip_error_fini(&error);
    return archive;
}

static kiln_status read_archive(const char *path, const void *bytes, size_t count, open_axis *open,
                                kiln_model **model, archive_arrays *extra)
{
    zip_t *archive = open_archive(bytes, count);
    kiln_status status = archive ? read_parts(archive, open, model, extra) : kiln_last_status();
    if (archive)
        zip_discard(archive);
    if (status == KILN_OK)
        return KILN_OK;
    kiln_model_free(*model);
    *model = NULL;
    return kiln_fail_in("%s", path);
}

const format format_archive = {"zip archive", looks_like_zip, read_archive};

/* ---- weights alone ---- */

bool archive_looks_like(const void *bytes, size_t size)
{
    kiln_error_record before;
    if (!looks_like_zip(bytes, size))
        return false;
    kiln_error_save(&before);
    zip_t *archive = open_archive(bytes, size);
    kiln_error_restore(&before);
    bool found = archive && zip_name_locate(archive, "config.json", 0) >= 0;
    if (archive)
        zip_discard(archive);
    return found;
}

kiln_status archive_read_weights(const char *path, const void *bytes, size_t size,
                                 kiln_model *model, archive_arrays *variables)
{
    zip_t *archive = open_archive(bytes, size);
    kiln_status status = archive ? read_weights(archive, model, variables) : kiln_last_status();
    if (archive)
        zip_discard(archive);
    return status == KILN_OK ? KILN_OK : kiln_fail_in("%s", path);
}

/* ---- what a training kept ---- */

static kiln_status read_json(zip_t *archive, char **json)
{
    text content = {0};
    KILN_TRY(read_member(archive, "metadata.json", JSON_LIMIT, &content));
    json_t *root = json_parse("metadata.json", content.data, content.length);
    text_free(&content);
    if (root == NULL)
        return kiln_last_status();
    const json_t *training = json_object_get(json_object_get(root, "kiln"), "training");
    char *words = training ? json_dumps(training, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(root);
    if (words == NULL)
        return kiln_fail(KILN_ERROR_FORMAT, "it is a saved model, and no checkpoint of a training");
    *json = str_copy(words);
    free(words);
    return *json ? KILN_OK : KILN_ERROR_MEMORY;
}

static kiln_status read_kept(zip_t *archive, archive_arrays *kept)
{
    text content = {0};
    npy_list list = {0};
    if (zip_name_locate(archive, ARCHIVE_KEPT, 0) < 0)
        return KILN_OK;
    KILN_TRY(read_arrays(archive, ARCHIVE_KEPT, &content));
    kiln_status status = npz_decode(content.data, content.length, ARCHIVE_KEPT, &list);
    text_free(&content);
    for (size_t i = 0; i < list.count && status == KILN_OK; i++) {
        const data_array *from = &list.items[i];
        if (from->dtype == KILN_FLOAT32 && from->rank <= KILN_MAX_RANK && from->name)
            status =
                archive_add(kept, from->name, kiln_shape_of(from->rank, from->dims), from->data);
    }
    data_array_list_free(&list);
    return status;
}

kiln_status archive_read_training(const char *path, archive_training *training)
{
    void *bytes;
    size_t size;
    *training = (archive_training){0};
    KILN_TRY(file_read(path, SIZE_MAX / 4, &bytes, &size));
    zip_t *archive = open_archive(bytes, size);
    kiln_status status = archive ? read_json(archive, &training->json) : kiln_last_status();
    if (status == KILN_OK)
        status = read_kept(archive, &training->kept);
    if (archive)
        zip_discard(archive);
    free(bytes);
    if (status == KILN_OK)
        return KILN_OK;
    archive_training_free(training);
    return kiln_fail_in("%s", path);
}
