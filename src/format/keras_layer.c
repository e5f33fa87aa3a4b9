/* Layers of Keras's JSON, by the field tables. */
#include "format/keras_layer.h"

#include "format/keras_spec.h"

#include <math.h>
#include <string.h>

/* ---- keys and shapes ---- */

kiln_status keras_keys_check(const json_t *object, const char *const *known,
                             const char *const *ignored)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        bool found = false;
        for (const char *const *k = known; *k && !found; k++)
            found = strcmp(*k, key) == 0;
        for (const char *const *k = ignored; k && *k && !found; k++)
            found = strcmp(*k, key) == 0;
        if (!found)
            return kiln_fail(KILN_ERROR_FORMAT, "unknown key \"%.100s\"%s", key,
                             spec_hint(key, known));
    }
    return KILN_OK;
}

/* A list of sizes; where from is 1, the first is the batch axis, of any size. */
static kiln_status read_sizes(const json_t *value, const char *what, size_t from, bool open_ended,
                              kiln_shape *shape)
{
    *shape = (kiln_shape){0};
    size_t count = json_array_size(value);
    if (!json_is_array(value) || count < from)
        return kiln_fail(KILN_ERROR_FORMAT, "%s is no list of sizes", what);
    if (count - from > KILN_MAX_RANK - 1)
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "%s has %zu axes; at most %d are supported", what,
                         count, KILN_MAX_RANK - 1 + (int)from);
    for (size_t i = from; i < count; i++) {
        const json_t *size = json_array_get(value, i);
        if (json_is_null(size) && from == 1) {
            shape->dims[shape->rank++] = OPEN_AXIS;
            continue;
        }
        if (!json_is_integer(size) || (json_integer_value(size) < 1 && !open_ended))
            return kiln_fail(KILN_ERROR_FORMAT, "%s: axis %zu is no positive whole number", what,
                             i);
        shape->dims[shape->rank++] = json_integer_value(size);
    }
    return KILN_OK;
}

kiln_status keras_shape_read(const json_t *value, const char *what, int64_t *batch,
                             kiln_shape *shape)
{
    json_int_t rows = json_integer_value(json_array_get(value, 0)); /* 0 for null */
    *batch = rows > 0 ? rows : 0;
    return read_sizes(value, what, 1, false, shape);
}

void keras_shape_write(json_writer *w, const char *key, int64_t batch, kiln_shape shape, int open)
{
    text list = {0};
    if (batch)
        text_add(&list, "[%lld", (long long)batch);
    else
        text_add(&list, "[null");
    for (int i = 0; i < shape.rank; i++)
        if (i + 1 == open)
            text_add(&list, ", null");
        else
            text_add(&list, ", %lld", (long long)shape.dims[i]);
    text_add(&list, "]");
    w->out->failed |= list.failed;
    if (!list.failed)
        json_write_raw(w, key, list.data);
    text_free(&list);
}

/* ---- reading ---- */

static kiln_status fail_type(const char *wanted)
{
    return kiln_fail(KILN_ERROR_FORMAT, "it must be %s", wanted);
}

/* A list of numbers, of lists of numbers, or one number. */
static kiln_status add_numbers(const json_t *value, double **values, size_t *count,
                               size_t *capacity, int depth)
{
    if (json_is_number(value)) {
        KILN_TRY(mem_grow(values, capacity, *count + 1, sizeof **values));
        (*values)[(*count)++] = json_number_value(value);
        return KILN_OK;
    }
    if (!json_is_array(value) || depth > KILN_MAX_RANK)
        return fail_type("a list of numbers, or null");
    for (size_t i = 0; i < json_array_size(value); i++)
        KILN_TRY(add_numbers(json_array_get(value, i), values, count, capacity, depth + 1));
    return KILN_OK;
}

static kiln_status read_numbers(kiln_layer *layer, const layer_field *field, const json_t *value)
{
    double *values = NULL;
    size_t count = 0, capacity = 0;
    /* NumPy arrays are objects with the list inside. */
    const json_t *inner = json_object_get(json_object_get(value, "config"), "value");
    if (inner)
        value = inner;
    kiln_status status = mem_grow(&values, &capacity, 1, sizeof *values);
    /* An axis of None is the empty list. */
    if (status == KILN_OK && !json_is_null(value))
        status = add_numbers(value, &values, &count, &capacity, 0);
    if (status == KILN_OK) {
        bool none = json_is_null(value) && field->text == NULL;
        status = layer_set_numbers(layer, field->name, none ? NULL : values, count);
    }
    free(values);
    return status;
}

/* [[1, 2], [3, 4]] */
static kiln_status read_pairs(const json_t *value, kiln_shape *shape)
{
    *shape = (kiln_shape){0};
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *pair = json_array_get(value, i);
        if (json_array_size(pair) != 2 || shape->rank > KILN_MAX_RANK - 2)
            return fail_type("a list of pairs of whole numbers");
        for (size_t k = 0; k < 2; k++) {
            const json_t *number = json_array_get(pair, k);
            if (!json_is_integer(number))
                return fail_type("a list of pairs of whole numbers");
            shape->dims[shape->rank++] = json_integer_value(number);
        }
    }
    return shape->rank > 0 ? KILN_OK : fail_type("a list of pairs of whole numbers");
}

static kiln_status read_fixed(const layer_field *field, const json_t *value)
{
    json_t *wanted = json_loads(field->text, JSON_DECODE_ANY, NULL);
    bool same = wanted && json_equal(wanted, (json_t *)value);
    json_decref(wanted);
    return same ? KILN_OK : kiln_fail(KILN_ERROR_UNSUPPORTED, "only %s is supported", field->text);
}

static kiln_status read_field(kiln_layer *layer, const layer_field *field, const json_t *value,
                              open_axis *open)
{
    void *at = layer_field_at(layer, field);
    char *made = NULL;
    switch (field->type) {
    case FIELD_INT: {
        double number = json_number_value(value);
        if (!json_is_number(value) || number != floor(number) || fabs(number) > 0x1p53)
            return fail_type("a whole number");
        *(int64_t *)at = (int64_t)number;
        return KILN_OK;
    }
    case FIELD_MAYBE:
        if (json_is_null(value)) {
            *(double *)at = NAN;
            return KILN_OK;
        } /* fall through */
    case FIELD_FLOAT:
        if (!json_is_number(value))
            return fail_type("a number");
        *(double *)at = json_number_value(value);
        return KILN_OK;
    case FIELD_BOOL:
        if (!json_is_boolean(value))
            return fail_type("true or false");
        *(bool *)at = json_is_true(value);
        return KILN_OK;
    case FIELD_SHAPE:
        *(kiln_shape *)at = (kiln_shape){0};
        return json_is_null(value) ? KILN_OK
                                   : read_sizes(value, field->name, 0, true, (kiln_shape *)at);
    case FIELD_TEXT:
        if (!json_is_string(value) && !json_is_null(value))
            return fail_type("a text, or null");
        if (json_is_null(value) && field->none) {
            free(*(char **)at);
            *(char **)at = NULL;
            return KILN_OK;
        }
        return layer_set_text(layer, field->name, json_string_value(value));
    case FIELD_PAIRS:
        return read_pairs(value, (kiln_shape *)at);
    case FIELD_AXES:
    case FIELD_FACTOR:
    case FIELD_NUMBERS:
        return read_numbers(layer, field, value);
    case FIELD_LAYER: {
        kiln_layer *inner = json_is_null(value) ? NULL : keras_part_read(value, 1, open);
        if (inner == NULL)
            return json_is_null(value) ? KILN_OK : kiln_last_status();
        return layer_set_inner(layer, (int)field->offset, inner);
    }
    case FIELD_LAYERS: {
        size_t count = json_array_size(value);
        if (!json_is_array(value) || count > LAYER_MAX_INNER)
            return fail_type("a list of at most 16 layers");
        for (size_t i = 0; i < count; i++) {
            kiln_layer *inner = keras_layer_read(json_array_get(value, i), i + 1, open);
            if (inner == NULL)
                return kiln_last_status();
            KILN_TRY(layer_set_inner(layer, (int)i, inner));
        }
        return KILN_OK;
    }
    case FIELD_FIXED:
        return read_fixed(field, value);
    case FIELD_IGNORED:
        return KILN_OK;
    default:
        break;
    }
    KILN_TRY(keras_spec_read(value, field->type, &made));
    kiln_status status = layer_set_text(layer, field->name, made);
    free(made);
    return status;
}

/* "float32", or a policy object that names it. */
static kiln_status read_dtype(kiln_layer *layer, const json_t *value)
{
    const char *name = json_string_value(value);
    if (json_is_object(value))
        name = json_string_value(json_object_get(json_object_get(value, "config"), "name"));
    if (json_is_null(value) || (name && strcmp(name, "float32") == 0))
        return KILN_OK;
    if (name && strcmp(name, "mixed_float16") == 0 && layer->cls != &input_class)
        return kiln_layer_set_dtype_policy(layer, name);
    if (layer->cls == &input_class && name &&
        (strcmp(name, "int32") == 0 || strcmp(name, "int64") == 0)) {
        layer->input_dtype = KILN_INT32;
        return KILN_OK;
    }
    return kiln_fail(KILN_ERROR_UNSUPPORTED, "\"%.100s\" is not supported, only float32 and %s",
                     name ? name : "?", layer->cls == &input_class ? "int32" : "mixed_float16");
}

/* Keys that any layer may have. *known is false for others. */
static kiln_status read_common(kiln_layer *layer, const char *key, const json_t *value,
                               open_axis *open, bool *known)
{
    *known = true;
    if (strcmp(key, "name") == 0)
        return KILN_OK; /* read before all others */
    if (strcmp(key, "trainable") == 0) {
        if (!json_is_boolean(value))
            return fail_type("true or false");
        layer->trainable = json_is_true(value);
        return KILN_OK;
    }
    if (strcmp(key, "dtype") == 0)
        return read_dtype(layer, value);
    if (strcmp(key, "batch_input_shape") == 0 || strcmp(key, "batch_shape") == 0) {
        layer->has_input_shape = true;
        KILN_TRY(keras_shape_read(value, "the shape", &layer->batch, &layer->input_shape));
        layer->has_input_shape = layer->input_shape.rank > 0;
        return open_axis_fix(layer, open);
    }
    if (strcmp(key, "activity_regularizer") == 0) {
        if (!json_is_null(value))
            return kiln_fail(KILN_ERROR_UNSUPPORTED, "only null is supported");
        return KILN_OK;
    }
    *known = false;
    return KILN_OK;
}

static kiln_status fail_unknown_key(const kiln_layer *layer, const char *key)
{
    const char *names[32] = {"name", "trainable", "dtype"};
    size_t n = 3;
    for (size_t i = 0; i < layer->cls->field_count && n < 31; i++)
        names[n++] = layer->cls->fields[i].name;
    return kiln_fail(KILN_ERROR_FORMAT, "unknown key \"%.100s\"%s", key, spec_hint(key, names));
}

static kiln_status read_config(kiln_layer *layer, const json_t *config, open_axis *open)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)config, key, value)
    {
        const layer_field *field = layer_find_field(layer->cls, key);
        bool known = true;
        kiln_status status = field ? read_field(layer, field, value, open)
                                   : read_common(layer, key, value, open, &known);
        if (!known)
            return fail_unknown_key(layer, key);
        if (status != KILN_OK)
            return kiln_fail_in("%s", key);
    }
    for (size_t i = 0; i < layer->cls->field_count; i++)
        if (layer->cls->fields[i].required &&
            json_object_get(config, layer->cls->fields[i].name) == NULL)
            return kiln_fail(KILN_ERROR_FORMAT, "%s is missing", layer->cls->fields[i].name);
    return KILN_OK;
}

static kiln_status fail_unknown_class(const char *class_name)
{
    const char *names[128];
    size_t n = 0;
    for (const layer_class *const *c = layer_registry; *c && n < 127; c++)
        names[n++] = (*c)->class_name;
    names[n] = NULL;
    return kiln_fail(KILN_ERROR_UNSUPPORTED, "layers of class \"%.100s\" are not supported%s",
                     class_name, spec_hint(class_name, names));
}

kiln_layer *keras_layer_read(const json_t *object, size_t number, open_axis *open)
{
    static const char *const known[] = {
        "module",          "class_name",       "config", "build_config", "name", "inbound_nodes",
        "registered_name", "shared_object_id", NULL};
    const char *class_name = json_string_value(json_object_get(object, "class_name"));
    const json_t *config = json_object_get(object, "config");
    const char *name = json_string_value(json_object_get(config, "name"));
    kiln_layer *layer = NULL;
    kiln_status status;
    if (name == NULL)
        name = json_string_value(json_object_get(object, "name"));
    if (class_name == NULL || !json_is_object(config)) {
        kiln_fail(KILN_ERROR_FORMAT, "layer %zu has no class_name or no config", number);
        return NULL;
    }
    const layer_class *cls = layer_find_class(class_name);
    if (cls == NULL)
        status = fail_unknown_class(class_name);
    else if ((layer = layer_new(cls)) == NULL)
        return NULL;
    else
        status = keras_keys_check(object, known, NULL);
    if (status == KILN_OK && name)
        status = layer_set_name(layer, name);
    if (status == KILN_OK)
        status = read_config(layer, config, open);
    if (status == KILN_OK && (status = layer_check(layer)) != KILN_OK) {
        kiln_layer_free(layer);
        return NULL; /* the message names the layer already */
    }
    if (status == KILN_OK)
        return layer;
    kiln_layer_free(layer);
    if (name)
        kiln_fail_in("layer %.100s (%.100s)", name, class_name);
    else
        kiln_fail_in("layer %zu (%.100s)", number, class_name);
    return NULL;
}

/* ---- writing ---- */

static kiln_status write_field(json_writer *w, const kiln_layer *layer, const layer_field *field)
{
    const void *at = layer_field_at(layer, field);
    switch (field->type) {
    case FIELD_INT:
        json_write_integer(w, field->name, *(const int64_t *)at);
        return KILN_OK;
    case FIELD_MAYBE: /* not a number is null */
    case FIELD_FLOAT:
        json_write_real(w, field->name, *(const double *)at);
        return KILN_OK;
    case FIELD_BOOL:
        json_write_bool(w, field->name, *(const bool *)at);
        return KILN_OK;
    case FIELD_SHAPE: {
        const kiln_shape *shape = at;
        if (shape->rank == 0) {
            json_write_raw(w, field->name, "null");
            return KILN_OK;
        }
        json_write_open(w, field->name, '[');
        for (int i = 0; i < shape->rank; i++)
            json_write_integer(w, NULL, shape->dims[i]);
        json_write_close(w, ']');
        return KILN_OK;
    }
    case FIELD_TEXT:
        json_write_string(w, field->name, *(char *const *)at);
        return KILN_OK;
    case FIELD_PAIRS: {
        const kiln_shape *shape = at;
        json_write_open(w, field->name, '[');
        for (int i = 0; i + 1 < shape->rank; i += 2) {
            json_write_open(w, NULL, '[');
            json_write_integer(w, NULL, shape->dims[i]);
            json_write_integer(w, NULL, shape->dims[i + 1]);
            json_write_close(w, ']');
        }
        json_write_close(w, ']');
        return KILN_OK;
    }
    case FIELD_AXES:
    case FIELD_FACTOR:
    case FIELD_NUMBERS: {
        const layer_numbers *numbers = at;
        bool whole = field->type == FIELD_AXES || (field->type == FIELD_NUMBERS && field->text);
        if (numbers->values == NULL) {
            json_write_raw(w, field->name, "null");
        } else if (field->type == FIELD_FACTOR && numbers->count == 1) {
            json_write_real(w, field->name, numbers->values[0]);
        } else {
            json_write_open(w, field->name, '[');
            for (size_t i = 0; i < numbers->count; i++)
                if (floor(numbers->values[i]) == numbers->values[i] && whole)
                    json_write_integer(w, NULL, (long long)numbers->values[i]); /* axes */
                else
                    json_write_real(w, NULL, numbers->values[i]);
            json_write_close(w, ']');
        }
        return KILN_OK;
    }
    case FIELD_LAYER:
        KILN_TRY(keras_part_write(w, field->name, layer->inner[field->offset]));
        json_write_close(w, '}');
        return KILN_OK;
    case FIELD_LAYERS:
        json_write_open(w, field->name, '[');
        for (int i = 0; i < layer->inner_count; i++) {
            KILN_TRY(keras_layer_write(w, NULL, layer->inner[i]));
            json_write_close(w, '}');
        }
        json_write_close(w, ']');
        return KILN_OK;
    case FIELD_FIXED:
    case FIELD_IGNORED:
        json_write_raw(w, field->name, field->text);
        return KILN_OK;
    default:
        return keras_spec_write(w, field->name, field->type, *(char *const *)at);
    }
}

static bool is_left_out(const kiln_layer *layer, const layer_field *field)
{
    if (!field->quiet)
        return false;
    return field->type == FIELD_FIXED || field->type == FIELD_IGNORED ||
           *(char *const *)layer_field_at(layer, field) == NULL;
}

kiln_status keras_layer_write(json_writer *w, const char *key, const kiln_layer *layer)
{
    json_write_open(w, key, '{');
    json_write_string(w, "module", "keras.layers");
    json_write_string(w, "class_name", layer->cls->class_name);
    json_write_open(w, "config", '{');
    if (layer->cls == &input_class) {
        keras_shape_write(w, "batch_shape", layer->batch, layer->input_shape, layer->open_axis);
        json_write_string(w, "dtype", kiln_dtype_name(layer->input_dtype));
        json_write_string(w, "name", layer->name);
    } else {
        json_write_string(w, "name", layer->name);
        if (!layer->cls->no_trainable)
            json_write_bool(w, "trainable", layer->trainable);
        json_write_string(w, "dtype", kiln_layer_dtype_policy(layer));
    }
    for (size_t i = 0; i < layer->cls->field_count; i++)
        if (!is_left_out(layer, &layer->cls->fields[i]))
            if (write_field(w, layer, &layer->cls->fields[i]) != KILN_OK)
                return kiln_fail_in("%s: %s", layer_label(layer), layer->cls->fields[i].name);
    json_write_close(w, '}');
    json_write_raw(w, "registered_name", "null");
    if (layer->weight_count > 0 || (layer->inner_count > 0 && layer->inner[0]->cls->is_model)) {
        json_write_open(w, "build_config", '{');
        keras_shape_write(w, "input_shape", layer->batch, layer->built_shape, 0);
        json_write_close(w, '}');
    }
    return KILN_OK;
}
