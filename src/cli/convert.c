/* kiln convert */
#include "base/file.h"
#include "cli/session.h"
#include "format/tensors.h"
#include "format/weights_file.h"

#include <string.h>

static struct {
    const char *model;
} given;

static const option options[] = {
    {"--model", OPTION_TEXT, offsetof(__typeof__(given), model), "MODEL",
     "the model whose weights IN holds: a saved one, an architecture .json or a built-in network",
     0},
};

static bool holds_weights_alone(file_kind kind)
{
    return kind == FILE_KIND_WEIGHTS_H5 || kind == FILE_KIND_SAFETENSORS || kind == FILE_KIND_NPZ;
}

static bool has_names(file_kind kind)
{
    return kind == FILE_KIND_SAFETENSORS || kind == FILE_KIND_NPZ;
}

static kiln_status write_out(kiln_model *model, const char *out)
{
    return holds_weights_alone(file_kind_of(out)) ? kiln_save_weights(model, out)
                                                  : kiln_save(model, out);
}

/* Weights by name go from one format to the other as they are. */
static kiln_status rename_tensors(const char *in, const char *out)
{
    data_array_list list;
    KILN_TRY(tensors_read(in, &list));
    for (size_t i = 0; i < list.count; i++) { /* as in a model: safetensors gets F32 */
        data_array *array = &list.items[i];
        float *values;
        if (array->dtype == KILN_FLOAT32)
            continue;
        kiln_status status = tensor_floats(array, &values);
        if (status != KILN_OK) {
            data_array_list_free(&list);
            return status;
        }
        array->bytes = (size_t)data_array_size(array) * sizeof *values;
        array->dtype = KILN_FLOAT32;
        free(array->data);
        array->data = values;
    }
    kiln_status status = tensors_write(&list, out);
    data_array_list_free(&list);
    return status;
}

static kiln_status convert(const char *in, const char *out)
{
    file_kind to = file_kind_of(out);
    if (to == FILE_KIND_NONE || to == FILE_KIND_H5)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s cannot be written: its name says no format; end it in .keras, .json, "
                         ".weights.h5, .safetensors or .npz",
                         out);
    KILN_TRY(file_writable(out));
    bool weights = holds_weights_alone(file_kind_of(in));
    if (weights && given.model == NULL && has_names(file_kind_of(in)) && has_names(to))
        return rename_tensors(in, out);
    if (weights && given.model == NULL)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: it holds weights without a model; name the one they belong to: "
                         "--model FILE",
                         in);
    kiln_model *model = session_model(given.model ? given.model : in, NULL);
    if (model == NULL)
        return kiln_last_status();
    kiln_status status = given.model ? kiln_load_weights(model, in) : KILN_OK;
    if (status == KILN_OK && holds_weights_alone(to) && !model->seeded)
        status =
            kiln_fail(KILN_ERROR_ARGUMENT,
                      "%s: it is an architecture without weights, so there are none to write; name "
                      "a trained model",
                      in);
    if (status == KILN_OK)
        status = write_out(model, out);
    kiln_model_free(model);
    return status;
}

static int run(int count, char **words)
{
    int status = options_parse(&command_convert, &given, &count, words);
    if (status >= 0)
        return status;
    if (session_start() != KILN_OK || convert(words[0], words[1]) != KILN_OK)
        return cli_fail();
    return EXIT_DONE;
}

const command command_convert = {
    .name = "convert",
    .arguments = "IN OUT",
    .least_arguments = 2,
    .most_arguments = 2,
    .summary = "a model or its weights in another format",
    .help =
        "Reads IN and writes OUT in the format that the end of its name says: .keras (the whole\n"
        "model), .json (the architecture), .weights.h5 (weights and the optimizer's state),\n"
        ".safetensors or .npz (weights by Keras's names, such as dense/kernel). IN is any of "
        "these,\n"
        "or a whole model that Keras 2 saved as .h5. Weights alone need --model to become a model\n"
        "or .weights.h5, which has no names.",
    .example = "  kiln convert digits.keras digits.safetensors\n"
               "  kiln convert digits.safetensors again.keras --model digits.json",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .group = &length_group,
    .run = run,
};
