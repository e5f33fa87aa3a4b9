/* Keras's architecture JSON: what is read can be written, and reads again as the same text. */
#include "format/keras_json.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    kiln_model *model, *again;
    text first = {0}, second = {0};
    kiln_clear_error();
    if (keras_json_read("fuzz", (const char *)bytes, size, &(open_axis){.length = 3}, &model) != KILN_OK) {
        if (*kiln_last_error() == '\0' || model != NULL)
            abort();
        return 0;
    }
    if (keras_json_write(model, model->facts->compile_config, -1, &first) != KILN_OK)
        abort();
    if (keras_json_read("again", first.data, first.length, &(open_axis){.length = 3}, &again) != KILN_OK ||
        keras_json_write(again, again->facts->compile_config, -1, &second) != KILN_OK ||
        first.length != second.length || memcmp(first.data, second.data, first.length) != 0) {
        fprintf(stderr, "%s\n%s\n%s\n", kiln_last_error(), first.data, second.data ? second.data : "");
        abort();
    }
    text_free(&first), text_free(&second);
    kiln_model_free(model), kiln_model_free(again);
    return 0;
}
