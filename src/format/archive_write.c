/* Saved models, the writing half. */
#include "format/archive.h"

#include "base/file.h"
#include "data/npy.h"
#include "format/archive_inside.h"
#include "format/json.h"
#include "format/keras_json.h"
#include "format/series_json.h"
#include "format/tensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <zip.h>

/* The version of Keras whose layout the archive has. */
#define KERAS_VERSION "3.0.0"

/* ---- metadata.json ---- */

static void write_names(json_writer *w, const char *key, char *const *names, size_t count)
{
    if (count == 0)
        return;
    json_write_open(w, key, '[');
    for (size_t i = 0; i < count; i++)
        json_write_string(w, NULL, names[i]);
    json_write_close(w, ']');
}

static void write_text(json_writer *w, const model_text *rules)
{
    json_write_open(w, "text", '{');
    json_write_string(w, "task", rules->task);
    json_write_string(w, "standardize", rules->standardize);
    json_write_string(w, "split", rules->split);
    json_write_integer(w, "sequence_length", rules->length);
    if (rules->max_tokens)
        json_write_integer(w, "max_tokens", rules->max_tokens);
    if (rules->text_column)
        json_write_string(w, "text_column", rules->text_column);
    if (rules->label_column)
        json_write_string(w, "label_column", rules->label_column);
    write_names(w, "vocabulary", rules->tokens, rules->token_count);
    json_write_close(w, '}');
}

static kiln_status write_metadata(const kiln_model *model, const char *training, text *out)
{
    json_writer w = {.out = out, .indent = -1};
    const model_facts *facts = model->facts;
    char date[40] = "", seed[24];
    time_t now = time(NULL);
    struct tm parts;
    if (localtime_r(&now, &parts))
        strftime(date, sizeof date, "%Y-%m-%d@%H:%M:%S", &parts);
    json_write_open(&w, NULL, '{');
    json_write_string(&w, "keras_version", KERAS_VERSION);
    json_write_string(&w, "date_saved", date);
    json_write_open(&w, "kiln", '{');
    json_write_string(&w, "version", kiln_version());
    snprintf(seed, sizeof seed, "%" PRIu64, model->seed); /* more than JSON's numbers hold */
    json_write_string(&w, "seed", seed);
    if (facts->input_scale != 0)
        json_write_real(&w, "input_scale", facts->input_scale);
    for (size_t i = 0; i < model->input_count; i++) { /* open axes: the length they had */
        const kiln_layer *input = model->calls[model->inputs[i]].layer;
        if (input->open_axis) {
            json_write_integer(&w, "sequence_length",
                               input->input_shape.dims[input->open_axis - 1]);
            break;
        }
    }
    write_names(&w, "class_names", facts->class_names, facts->class_count);
    write_names(&w, "feature_names", facts->feature_names, facts->feature_count);
    series_json_write(&w, facts->series);
    if (facts->text.tokens)
        write_text(&w, &facts->text);
    if (training)
        json_write_raw(&w, "training", training);
    json_write_close(&w, '}');
    json_write_close(&w, '}');
    return out->failed ? KILN_ERROR_MEMORY : KILN_OK;
}

/* ---- model.weights.h5 ---- */

/* What the compile configuration calls its optimizer; *name is the caller's. */
static kiln_status optimizer_name(const char *compile_config, char **name)
{
    json_t *root = compile_config ? json_loads(compile_config, 0, NULL) : NULL;
    const json_t *config = json_object_get(json_object_get(root, "optimizer"), "config");
    const char *given = json_string_value(json_object_get(config, "name"));
    *name = str_copy(given ? given : "optimizer");
    json_decref(root);
    return *name ? KILN_OK : KILN_ERROR_MEMORY;
}

static kiln_status write_weights(kiln_model *model, const char *compile_config,
                                 const archive_arrays *extra, void **bytes, size_t *size)
{
    hdf5_contents contents;
    char *name;
    KILN_TRY(optimizer_name(compile_config, &name));
    kiln_status status = hdf5_of_model(model, name, extra, &contents);
    free(name);
    KILN_TRY(status);
    status = hdf5_write(&contents, bytes, size);
    hdf5_free(&contents);
    return status;
}

/* ---- the archive ---- */

typedef struct member {
    const char *name;
    const void *bytes;
    size_t size;
} member;

static kiln_status add_member(zip_t *archive, const member *m)
{
    zip_source_t *source = zip_source_buffer(archive, m->bytes, m->size, 0);
    zip_int64_t at = source ? zip_file_add(archive, m->name, source, ZIP_FL_ENC_UTF_8) : -1;
    if (at < 0) {
        zip_source_free(source);
        return kiln_fail(KILN_ERROR_MEMORY, "%s cannot be put into the archive: %s", m->name,
                         zip_strerror(archive));
    }
    zip_set_file_compression(archive, (zip_uint64_t)at, ZIP_CM_STORE, 0);
    zip_file_set_dostime(archive, (zip_uint64_t)at, 0, 1 << 5 | 1, 0); /* 1980-01-01, as Keras */
    return KILN_OK;
}

/* Writes what a closed archive left in its source. */
static kiln_status write_source(zip_source_t *source, const char *path)
{
    static const size_t piece = 1 << 20;
    file_writer writer;
    char *buffer = mem_new(piece, 1);
    if (buffer == NULL)
        return KILN_ERROR_MEMORY;
    if (zip_source_open(source) != 0) {
        free(buffer);
        return kiln_fail_memory(piece);
    }
    kiln_status status = file_begin(&writer, path);
    if (status == KILN_OK) {
        zip_int64_t n = 0;
        bool written = true;
        while (written && (n = zip_source_read(source, buffer, piece)) > 0)
            written = fwrite(buffer, 1, (size_t)n, writer.stream) == (size_t)n;
        if (n < 0) {
            file_abandon(&writer);
            status = kiln_fail(KILN_ERROR_FILE, "%s: the archive cannot be put together", path);
        } else {
            status = file_commit(&writer); /* which notices what did not reach the disk */
        }
    }
    zip_source_close(source);
    free(buffer);
    return status;
}

static kiln_status write_archive(const member *members, size_t count, const char *path)
{
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *target = zip_source_buffer_create(NULL, 0, 0, &error);
    zip_t *archive = NULL;
    if (target) {
        zip_source_keep(target);
        archive = zip_open_from_source(target, ZIP_CREATE | ZIP_TRUNCATE, &error);
        if (archive == NULL)
            zip_source_free(target);
    }
    kiln_status status = archive ? KILN_OK : kiln_fail_memory(1 << 16);
    for (size_t i = 0; i < count && status == KILN_OK; i++)
        status = add_member(archive, &members[i]);
    if (status != KILN_OK) {
        if (archive)
            zip_discard(archive);
    } else if (zip_close(archive) != 0) {
        status = kiln_fail(KILN_ERROR_MEMORY, "the archive cannot be put together: %s",
                           zip_strerror(archive));
        zip_discard(archive);
    } else {
        status = write_source(target, path);
    }
    if (target)
        zip_source_free(target);
    zip_error_fini(&error);
    return status;
}

/* The kept arrays as .npz. */
static kiln_status write_kept(const archive_arrays *kept, void **bytes, size_t *size)
{
    data_array_list list = {0};
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < kept->count && status == KILN_OK; i++) {
        const archive_array *from = &kept->items[i];
        data_array *to =
            tensor_add(&list, from->name, KILN_FLOAT32, from->shape.rank, from->shape.dims);
        status = to ? KILN_OK : KILN_ERROR_MEMORY;
        if (to)
            memcpy(to->data, from->values, to->bytes);
    }
    if (status == KILN_OK)
        status = npz_encode(list.items, list.count, false, bytes, size);
    data_array_list_free(&list);
    return status;
}

kiln_status archive_write_training(kiln_model *model, const char *compile_config,
                                   const archive_arrays *extra, const archive_training *training,
                                   const char *path)
{
    text metadata = {0}, config = {0};
    void *weights = NULL, *kept = NULL;
    size_t size = 0, kept_size = 0;
    if (model == NULL || path == NULL)
        return kiln_fail_null("saving: model or path");
    kiln_status status = model_seed_weights(model);
    if (status == KILN_OK)
        status = write_metadata(model, training ? training->json : NULL, &metadata);
    if (status == KILN_OK)
        status = keras_json_write(model, compile_config, -1, &config);
    if (status == KILN_OK)
        status = write_weights(model, compile_config, extra, &weights, &size);
    if (status == KILN_OK && training && training->kept.count)
        status = write_kept(&training->kept, &kept, &kept_size);
    if (status == KILN_OK) {
        const member members[] = {
            {"metadata.json", metadata.data, metadata.length},
            {"config.json", config.data, config.length},
            {"model.weights.h5", weights, size},
            {ARCHIVE_KEPT, kept, kept_size},
        };
        status = write_archive(members, kept ? 4 : 3, path);
    }
    text_free(&metadata);
    text_free(&config);
    free(weights);
    free(kept);
    return status;
}

kiln_status archive_write(kiln_model *model, const char *compile_config,
                          const archive_arrays *extra, const char *path)
{
    return archive_write_training(model, compile_config, extra, NULL, path);
}
