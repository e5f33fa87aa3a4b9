/* Layers as objects: configuration by field table, names, checks. */
#include "layer/layer.h"

#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

#define RING 4

const layer_class *layer_find_class(const char *class_name)
{
    for (const layer_class *const *c = layer_registry; *c; c++)
        if (strcmp((*c)->class_name, class_name) == 0)
            return *c;
    return NULL;
}

const layer_field *layer_find_field(const layer_class *cls, const char *name)
{
    for (size_t i = 0; i < cls->field_count; i++)
        if (strcmp(cls->fields[i].name, name) == 0)
            return &cls->fields[i];
    return NULL;
}

void *layer_field_at(const kiln_layer *layer, const layer_field *field)
{
    return (char *)layer->config + field->offset;
}

const char *layer_label(const kiln_layer *layer)
{
    static _Thread_local char ring[RING][160];
    static _Thread_local unsigned turn;
    char *out = ring[turn++ % RING];
    if (layer->name)
        snprintf(out, sizeof ring[0], "layer %s", layer->name);
    else
        snprintf(out, sizeof ring[0], "%s layer", layer->cls->class_name);
    return out;
}

/* ---- configuration ---- */

static bool is_text(layer_field_type type)
{
    return type == FIELD_TEXT || type == FIELD_ACTIVATION || type == FIELD_INITIALIZER ||
           type == FIELD_REGULARIZER || type == FIELD_CONSTRAINT;
}

static bool is_numbers(layer_field_type type)
{
    return type == FIELD_NUMBERS || type == FIELD_AXES || type == FIELD_FACTOR;
}

static kiln_status set_text(char **at, const char *value)
{
    char *copy = value ? str_copy(value) : NULL;
    if (value && copy == NULL)
        return KILN_ERROR_MEMORY;
    free(*at);
    *at = copy;
    return KILN_OK;
}

static kiln_status set_numbers(layer_numbers *at, const double *values, size_t count)
{
    double *copy = values ? mem_new(count, sizeof *copy) : NULL;
    if (values && copy == NULL)
        return KILN_ERROR_MEMORY;
    if (copy)
        memcpy(copy, values, count * sizeof *copy);
    free(at->values);
    *at = (layer_numbers){.count = values ? count : 0, .values = copy};
    return KILN_OK;
}

static kiln_status set_default(kiln_layer *layer, const layer_field *field)
{
    void *at = layer_field_at(layer, field);
    double number;
    switch (field->type) {
    case FIELD_INT:
        *(int64_t *)at = (int64_t)field->number;
        break;
    case FIELD_MAYBE:
    case FIELD_FLOAT:
        *(double *)at = field->number;
        break;
    case FIELD_BOOL:
        *(bool *)at = field->number != 0;
        break;
    case FIELD_NUMBERS:
    case FIELD_AXES:
    case FIELD_FACTOR:
        if (field->text && spec_read_number(field->text, &number))
            return set_numbers(at, &number, 1);
        break;
    default:
        if (is_text(field->type))
            return set_text(at, field->text);
    }
    return KILN_OK;
}

kiln_layer *layer_new(const layer_class *cls)
{
    kiln_layer *layer = mem_new(1, sizeof *layer);
    if (layer == NULL)
        return NULL;
    layer->cls = cls;
    layer->trainable = true;
    layer->config = mem_new(1, cls->config_size);
    kiln_status status = layer->config ? KILN_OK : KILN_ERROR_MEMORY;
    for (size_t i = 0; i < cls->field_count && status == KILN_OK; i++)
        status = set_default(layer, &cls->fields[i]);
    if (status != KILN_OK) {
        kiln_layer_free(layer);
        return NULL;
    }
    return layer;
}

void kiln_layer_free(kiln_layer *layer)
{
    if (layer == NULL || layer->references > 0) /* a model has it */
        return;
    for (size_t i = 0; layer->config && i < layer->cls->field_count; i++) {
        const layer_field *field = &layer->cls->fields[i];
        if (is_text(field->type))
            free(*(char **)layer_field_at(layer, field));
        else if (is_numbers(field->type))
            free(((layer_numbers *)layer_field_at(layer, field))->values);
    }
    if (layer->config && layer->cls->free_config)
        layer->cls->free_config(layer);
    for (int i = 0; i < LAYER_MAX_INNER; i++)
        if (layer->inner[i]) { /* whose weights these are */
            layer->weight_count = 0;
            layer->inner[i]->references--;
            kiln_layer_free(layer->inner[i]);
        }
    for (size_t i = 0; i < layer->weight_count; i++) {
        layer_weight *w = layer->weights[i];
        free(w->weight.path);
        free(w->weight.host);
        free(w->initializer);
        free(w->regularizer);
        free(w->constraint);
        free(w);
    }
    free(layer->weights);
    free(layer->config);
    free(layer->name);
    free(layer);
}

kiln_status layer_set_text(kiln_layer *layer, const char *field, const char *value)
{
    const layer_field *found = layer_find_field(layer->cls, field);
    if (found == NULL || !is_text(found->type))
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s has no text argument \"%s\"", layer_label(layer),
                         field);
    return value ? set_text(layer_field_at(layer, found), value) : KILN_OK;
}

kiln_status layer_set_numbers(kiln_layer *layer, const char *field, const double *values,
                              size_t count)
{
    const layer_field *found = layer_find_field(layer->cls, field);
    if (found == NULL || !is_numbers(found->type))
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s has no list \"%s\"", layer_label(layer), field);
    return set_numbers(layer_field_at(layer, found), values, count);
}

/* ---- layers in layers ---- */

kiln_status layer_set_inner(kiln_layer *layer, int place, kiln_layer *inner)
{
    if (inner == NULL)
        return kiln_fail_null("the wrapped layer");
    kiln_status status = KILN_OK;
    if (inner->references > 0)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s is part of a model or of another layer already, and cannot be wrapped",
                         layer_label(inner));
    if (inner->cls->call == NULL && !inner->cls->is_cell && !inner->cls->is_model)
        status = kiln_fail(KILN_ERROR_UNSUPPORTED, "a layer of class %s cannot be wrapped",
                           inner->cls->class_name);
    if (status == KILN_OK && inner->name == NULL)
        status = layer_set_name(inner, inner->cls->snake_name);
    if (status != KILN_OK) {
        kiln_layer_free(inner);
        return status;
    }
    if (layer->inner[place]) {
        layer->inner[place]->references--;
        kiln_layer_free(layer->inner[place]);
    }
    inner->references++;
    layer->inner[place] = inner;
    if (layer->inner_count <= place)
        layer->inner_count = place + 1;
    return KILN_OK;
}

kiln_layer *layer_clone(const kiln_layer *layer)
{
    kiln_layer *copy = layer_new(layer->cls);
    kiln_status status = copy ? KILN_OK : KILN_ERROR_MEMORY;
    for (size_t i = 0; i < layer->cls->field_count && status == KILN_OK; i++) {
        const layer_field *field = &layer->cls->fields[i];
        void *to = layer_field_at(copy, field), *from = layer_field_at(layer, field);
        const layer_numbers *numbers = from;
        if (is_text(field->type))
            status = set_text(to, *(char **)from);
        else if (is_numbers(field->type))
            status = set_numbers(to, numbers->values, numbers->count);
        else if (field->type == FIELD_INT)
            *(int64_t *)to = *(int64_t *)from;
        else if (field->type == FIELD_FLOAT || field->type == FIELD_MAYBE)
            *(double *)to = *(double *)from;
        else if (field->type == FIELD_BOOL)
            *(bool *)to = *(bool *)from;
        else if (field->type == FIELD_SHAPE || field->type == FIELD_PAIRS)
            *(kiln_shape *)to = *(kiln_shape *)from;
    }
    for (int i = 0; i < layer->inner_count && status == KILN_OK; i++)
        status = layer_set_inner(copy, i, layer_clone(layer->inner[i]));
    if (status == KILN_OK) {
        copy->trainable = layer->trainable;
        return copy;
    }
    kiln_layer_free(copy);
    return NULL;
}

/* ---- checks ---- */

static kiln_status check_shape(const char *what, kiln_shape shape)
{
    if (shape.rank < 0 || shape.rank > KILN_MAX_RANK - 1)
        return kiln_fail(KILN_ERROR_SHAPE, "%s has %d axes; 1 to %d are possible besides the batch",
                         what, shape.rank, KILN_MAX_RANK - 1);
    for (int i = 0; i < shape.rank; i++)
        if (shape.dims[i] < 1)
            return kiln_fail(KILN_ERROR_SHAPE, "%s %s: each axis must be known and at least 1",
                             what, ir_shape_text(shape));
    return KILN_OK;
}

kiln_status layer_set_name(kiln_layer *layer, const char *name)
{
    if (*name == '\0' || strchr(name, '/'))
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s: the name \"%s\" %s", layer_label(layer), name,
                         *name ? "cannot have a \"/\" in it" : "is empty");
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 32)
            return kiln_fail(KILN_ERROR_ARGUMENT, "%s: a name cannot have control characters in it",
                             layer_label(layer));
    if (!utf8_valid(name))
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s: a name must be valid UTF-8", layer_label(layer));
    if (strlen(name) > 100)
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s: a name can have at most 100 bytes",
                         layer_label(layer));
    for (size_t i = 0; i < layer->weight_count; i++) {
        ir_weight *w = &layer->weights[i]->weight;
        const char *slash = strchr(w->path, '/');
        char *path = str_format("%s/%s", name, slash ? slash + 1 : w->path);
        if (path == NULL)
            return KILN_ERROR_MEMORY;
        free(w->path);
        w->path = path;
    }
    return set_text(&layer->name, name);
}

kiln_status layer_set_common(kiln_layer *layer, kiln_shape input_shape, const char *name,
                             kiln_choice trainable)
{
    if (name)
        KILN_TRY(layer_set_name(layer, name));
    if (check_shape("input_shape", input_shape) != KILN_OK)
        return kiln_fail_in("%s", layer_label(layer));
    layer->input_shape = input_shape;
    layer->has_input_shape = input_shape.rank > 0;
    layer->trainable = trainable != KILN_NO;
    return KILN_OK;
}

kiln_status layer_check(const kiln_layer *layer)
{
    for (size_t i = 0; i < layer->cls->field_count; i++) {
        const layer_field *field = &layer->cls->fields[i];
        const char *value = is_text(field->type) ? *(char **)layer_field_at(layer, field) : NULL;
        kiln_status status = KILN_OK;
        if (field->required && is_text(field->type) && value == NULL)
            return kiln_fail(KILN_ERROR_ARGUMENT, "%s: %s is missing", layer_label(layer),
                             field->name);
        if (field->type == FIELD_ACTIVATION)
            status = activation_check(value);
        else if (field->type == FIELD_INITIALIZER)
            status = initializer_check(value);
        else if (field->type == FIELD_REGULARIZER)
            status = regularizer_check(value);
        else if (field->type == FIELD_CONSTRAINT)
            status = constraint_check(value);
        if (status != KILN_OK)
            return kiln_fail_in("%s: %s", layer_label(layer), field->name);
    }
    for (int i = 0; i < layer->inner_count; i++) {
        const kiln_layer *inner = layer->inner[i];
        if (inner && !inner->cls->is_model && inner->trainable != layer->trainable)
            return kiln_fail(KILN_ERROR_UNSUPPORTED,
                             "%s: it and %s must both be trainable, or none", layer_label(layer),
                             layer_label(inner));
    }
    if (layer->cls->check && layer->cls->check(layer) != KILN_OK)
        return kiln_fail_in("%s", layer_label(layer));
    return KILN_OK;
}

kiln_layer *layer_finish(kiln_layer *layer, kiln_status status)
{
    if (layer == NULL)
        return NULL;
    if (status == KILN_OK)
        status = layer_check(layer);
    if (status == KILN_OK)
        return layer;
    kiln_layer_free(layer);
    return NULL;
}

/* ---- what a user sees ---- */

const char *kiln_layer_name(const kiln_layer *layer)
{
    return layer && layer->name ? layer->name : "";
}

const char *kiln_layer_class_name(const kiln_layer *layer)
{
    return layer ? layer->cls->class_name : "";
}

int kiln_layer_trainable(const kiln_layer *layer)
{
    return layer && layer->trainable;
}

kiln_status kiln_layer_set_trainable(kiln_layer *layer, int trainable)
{
    if (layer == NULL)
        return kiln_fail_null("kiln_layer_set_trainable: layer");
    layer->trainable = trainable != 0;
    if (layer->cls->set_trainable)
        layer->cls->set_trainable(layer, layer->trainable);
    for (int i = 0; i < layer->inner_count; i++)
        KILN_TRY(kiln_layer_set_trainable(layer->inner[i], trainable));
    return KILN_OK;
}

const char *kiln_layer_dtype_policy(const kiln_layer *layer)
{
    return layer && layer->mixed ? "mixed_float16" : "float32";
}

kiln_status kiln_layer_set_dtype_policy(kiln_layer *layer, const char *policy)
{
    if (layer == NULL || policy == NULL)
        return kiln_fail_null("kiln_layer_set_dtype_policy: layer or policy");
    const bool mixed = strcmp(policy, "mixed_float16") == 0;
    if (!mixed && strcmp(policy, "float32") != 0)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "there is no dtype policy \"%.100s\": it is float32 or mixed_float16",
                         policy);
    layer->mixed = mixed && layer->cls != &input_class;
    if (layer->cls->set_mixed)
        layer->cls->set_mixed(layer, mixed);
    for (int i = 0; i < layer->inner_count; i++)
        KILN_TRY(kiln_layer_set_dtype_policy(layer->inner[i], policy));
    return KILN_OK;
}

bool layer_wants_adapt(const kiln_layer *layer)
{
    return layer->cls->adapt && !layer->adapted;
}
