#include "train/state.h"

#include "base/file.h"
#include "format/keras_json.h"
#include "format/weights_file.h"

#include <string.h>

static kiln_status save_json(kiln_model *model, const char *path)
{
    text json = {0};
    kiln_status status = keras_json_write(model, NULL, 2, &json);
    if (status == KILN_OK) {
        text_add(&json, "\n");
        status = json.failed ? KILN_ERROR_MEMORY : file_write_atomic(path, json.data, json.length);
    }
    text_free(&json);
    return status;
}

kiln_status save_check_path(const char *path)
{
    switch (file_kind_of(path)) {
    case FILE_KIND_WEIGHTS_H5:
    case FILE_KIND_SAFETENSORS:
    case FILE_KIND_NPZ:
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: a file of this kind holds weights alone; end its name in .keras to "
                         "save the model",
                         path);
    case FILE_KIND_H5:
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: whole models in HDF5 are only read; end its name in .keras", path);
    default:
        return KILN_OK;
    }
}

kiln_status kiln_save(kiln_model *model, const char *path)
{
    if (model == NULL || path == NULL)
        return kiln_fail_null(model ? "the path to save to" : "the model to save");
    KILN_TRY(save_check_path(path));
    if (file_kind_of(path) == FILE_KIND_JSON)
        return save_json(model, path);
    KILN_TRY(model_seed_weights(model));
    model_training *t = training_of(model);
    if (t == NULL || !t->compiled)
        return archive_write(model, NULL, NULL, path);
    text config = {0};
    archive_arrays extra = {0};
    kiln_status status = config_write(t, &config);
    if (status == KILN_OK)
        status = state_collect(t, &extra);
    if (status == KILN_OK)
        status = archive_write(model, config.data, &extra, path);
    text_free(&config);
    archive_arrays_free(&extra);
    return status;
}

kiln_status kiln_save_weights(kiln_model *model, const char *path)
{
    if (model == NULL || path == NULL)
        return kiln_fail_null(model ? "the path to save to" : "the model whose weights to save");
    model_training *t = training_of(model);
    archive_arrays variables = {0};
    kiln_status status = model_seed_weights(model);
    bool compiled = t && t->compiled;
    if (status == KILN_OK && compiled)
        status = state_collect(t, &variables);
    if (status == KILN_OK)
        status =
            weights_write(model, compiled ? optimizer_class_name(t->optimizer.args.kind) : NULL,
                          &variables, path);
    archive_arrays_free(&variables);
    return status;
}

kiln_status kiln_load_weights(kiln_model *model, const char *path)
{
    archive_arrays variables;
    kiln_error_record before;
    if (model == NULL || path == NULL)
        return kiln_fail_null(model ? "the path to load from" : "the model to load weights into");
    KILN_TRY(model_seed_weights(model));
    kiln_status status = weights_read(model, path, &variables);
    if (status != KILN_OK)
        return kiln_advise("give the file of a model of this architecture");
    model_training *t = training_of(model);
    if (t && t->compiled) {
        kiln_error_save(&before); /* another optimizer's state is no failure */
        if (state_take(t, &variables) != KILN_OK)
            kiln_error_restore(&before);
    }
    archive_arrays_free(&variables);
    return KILN_OK;
}

/* Takes over the compile configuration. One that means nothing here leaves the model without, and
 * the reason kept: such a model still predicts. */
static kiln_status take_config(kiln_model *model, const char *json, const archive_arrays *extra)
{
    compile_config config;
    model_training *t = NULL;
    kiln_optimizer resolved;
    kiln_error_record before;
    KILN_TRY(training_get(model, &t));
    kiln_error_save(&before);
    kiln_status status = config_read(model, json, &config);
    if (status == KILN_OK)
        status = optimizer_resolve(&config.optimizer, &resolved);
    if (status != KILN_OK) {
        t->problem = str_copy(kiln_last_error());
        config_free(&config);
        kiln_error_restore(&before);
        return t->problem ? KILN_OK : KILN_ERROR_MEMORY;
    }
    if (resolved.initial_scale == 0 && model_is_mixed(model)) /* Keras does not write its own wrapping */
        resolved.initial_scale = OPTIMIZER_SCALE;
    optimizer_free(&t->optimizer);
    optimizer_init(&t->optimizer, &resolved);
    goals_free(&t->goals);
    t->goals = config.goals; /* which owns them now */
    training_note_targets(t);
    KILN_TRY(state_take(t, extra));
    t->compiled = true;
    return KILN_OK;
}

kiln_model *save_load(const char *path, open_axis *open)
{
    kiln_model *model = NULL;
    char *json = NULL;
    archive_arrays extra = {0};
    if (path == NULL) {
        kiln_fail_null("the path of the model to load");
        return NULL;
    }
    if (archive_read(path, open, &model, &json, &extra) != KILN_OK) {
        kiln_advise(kiln_last_status() == KILN_ERROR_UNSUPPORTED
                        ? "save the model without it"
                        : "correct the file, or save the model again");
        return NULL;
    }
    if (json && json[0] && take_config(model, json, &extra) != KILN_OK) {
        kiln_fail_in("%s", path);
        kiln_model_free(model);
        model = NULL;
    }
    free(json);
    archive_arrays_free(&extra);
    return model;
}

kiln_model *kiln_load_with(const char *path, const kiln_load_args *args)
{
    open_axis open;
    return open_axis_take(&open, args) == KILN_OK ? save_load(path, &open) : NULL;
}

kiln_model *kiln_load(const char *path)
{
    return kiln_load_with(path, NULL);
}
