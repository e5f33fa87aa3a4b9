#include "format/keras_spec.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    layer_field_type type;
    const spec_class *table;
    const char *what, *module;
} kinds[] = {
    {FIELD_ACTIVATION, activation_classes, "activation", "keras.layers"},
    {FIELD_INITIALIZER, initializer_classes, "initializer", "keras.initializers"},
    {FIELD_REGULARIZER, regularizer_classes, "regularizer", "keras.regularizers"},
    {FIELD_CONSTRAINT, constraint_classes, "constraint", "keras.constraints"},
};

static size_t kind_of(layer_field_type type)
{
    size_t i = 0;
    while (kinds[i].type != type)
        i++;
    return i;
}

/* ---- reading ---- */

/* Keys that say nothing about an activation written as a layer. */
static bool is_common_key(const char *key)
{
    static const char *const keys[] = {"name", "trainable", "dtype", "activity_regularizer"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

/* [0, 1] as "0 1". */
static kiln_status add_list(const json_t *list, text *out)
{
    text_add(out, "\"");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *number = json_array_get(list, i);
        if (!json_is_integer(number))
            return kiln_fail(KILN_ERROR_FORMAT, "it must be a list of whole numbers");
        text_add(out, i ? " %lld" : "%lld", (long long)json_integer_value(number));
    }
    text_add(out, "\"");
    return KILN_OK;
}

static bool takes_list(const spec_class *cls, const char *key)
{
    for (int i = 0; i < SPEC_MAX && cls->keys[i].name; i++)
        if (strcmp(cls->keys[i].name, key) == 0)
            return cls->keys[i].type == SPEC_AXES;
    return false;
}

static kiln_status add_value(const spec_class *cls, const char *key, const json_t *value, text *out)
{
    char number[SPEC_NUMBER_ROOM];
    if (json_array_size(value) > 0 && takes_list(cls, key))
        return add_list(value, out) == KILN_OK ? KILN_OK : kiln_fail_in("%s: %s", cls->name, key);
    if (json_is_null(value))
        text_add(out, "None");
    else if (json_is_boolean(value))
        text_add(out, json_is_true(value) ? "true" : "false");
    else if (json_is_number(value))
        text_add(out, "%s", spec_number_text(json_number_value(value), number));
    else if (json_is_string(value) && strchr(json_string_value(value), '"') == NULL)
        text_add(out, "\"%s\"", json_string_value(value));
    else
        return kiln_fail(KILN_ERROR_UNSUPPORTED,
                         "%s: the value of \"%s\" is neither a number nor a word", cls->name, key);
    return KILN_OK;
}

/* "name(key=value, ...)" from a class and its configuration. */
static kiln_status add_config(const spec_class *cls, const json_t *config, text *out)
{
    const char *name = cls->name, *key, *between = "(";
    json_t *value;
    text_add(out, "%s", name);
    json_object_foreach((json_t *)config, key, value)
    {
        if (is_common_key(key) || (strcmp(key, "seed") == 0 && json_is_object(value)))
            continue;
        for (const char *c = key; *c; c++)
            if (!isalnum((unsigned char)*c) && *c != '_')
                return kiln_fail(KILN_ERROR_FORMAT, "%s has no argument \"%s\"", name, key);
        text_add(out, "%s%s=", between, key);
        KILN_TRY(add_value(cls, key, value, out));
        between = ", ";
    }
    if (*between == ',')
        text_add(out, ")");
    return KILN_OK;
}

kiln_status keras_spec_read(const json_t *value, layer_field_type type, char **made)
{
    const char *what = kinds[kind_of(type)].what;
    text out = {0};
    *made = NULL;
    if (json_is_null(value))
        return KILN_OK;
    if (json_is_string(value)) {
        *made = str_copy(json_string_value(value));
        return *made ? KILN_OK : KILN_ERROR_MEMORY;
    }
    const char *name = json_string_value(json_object_get(value, "class_name"));
    const json_t *config = json_object_get(value, "config");
    if (name == NULL)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "this is neither the name of an %s nor an object with a class_name", what);
    kiln_status status = KILN_OK;
    if (strcmp(name, "function") == 0) {
        if (!json_is_string(config))
            return kiln_fail(KILN_ERROR_FORMAT, "the function that it names is missing");
        text_add(&out, "%s", json_string_value(config));
    } else {
        const spec_class *known = spec_find(kinds[kind_of(type)].table, name);
        if (known == NULL)
            return kiln_fail(KILN_ERROR_UNSUPPORTED, "unknown %s \"%s\"", what, name);
        status = add_config(known, config, &out);
    }
    if (status == KILN_OK && out.failed)
        status = KILN_ERROR_MEMORY;
    if (status == KILN_OK)
        *made = out.data;
    else
        text_free(&out);
    return status;
}

/* ---- writing ---- */

static void write_list(json_writer *w, const char *key, const char *numbers)
{
    char *end;
    json_write_open(w, key, '[');
    for (; *numbers; numbers = end)
        json_write_integer(w, NULL, strtol(numbers, &end, 10));
    json_write_close(w, ']');
}

static void write_value(json_writer *w, const spec *s, int i, const spec_key *key)
{
    if (s->given_none[i])
        json_write_raw(w, key->name, "null");
    else if (key->type == SPEC_WORD)
        json_write_string(w, key->name, s->words[i]);
    else if (key->type == SPEC_AXES && s->words[i][0])
        write_list(w, key->name, s->words[i]);
    else if (key->type == SPEC_BOOL)
        json_write_bool(w, key->name, s->values[i] != 0);
    else if (key->type == SPEC_INTEGER || key->type == SPEC_AXES)
        json_write_integer(w, key->name, (long long)s->values[i]);
    else
        json_write_real(w, key->name, s->values[i]);
}

/* Are all arguments what the bare name means? */
static bool is_plain(const spec *s, const spec_class *cls)
{
    spec plain;
    const spec_class *same;
    kiln_error_record before;
    if (s->count == 0)
        return true;
    kiln_error_save(&before);
    bool ok = spec_resolve(cls, "", cls->name, &plain, &same) == KILN_OK;
    kiln_error_restore(&before);
    for (int i = 0; i < s->count && ok; i++)
        ok = s->given_none[i] == plain.given_none[i] &&
             (s->given_none[i] || s->values[i] == plain.values[i]) &&
             strcmp(s->words[i], plain.words[i]) == 0;
    return ok;
}

/* An axis is the last one whatever its number, which is what the bare name means. */
static bool takes_axis_alone(const spec_class *cls)
{
    return cls->class_name == NULL && cls->keys[0].name && strcmp(cls->keys[0].name, "axis") == 0;
}

kiln_status keras_spec_write(json_writer *w, const char *key, layer_field_type type,
                             const char *source)
{
    size_t kind = kind_of(type);
    const spec_class *cls = NULL;
    spec s;
    if (source == NULL) {
        json_write_raw(w, key, "null");
        return KILN_OK;
    }
    KILN_TRY(spec_resolve(kinds[kind].table, kinds[kind].what, source, &s, &cls));
    if (type == FIELD_REGULARIZER)
        KILN_TRY(regularizer_resolve(source, &s));
    if (type == FIELD_ACTIVATION && (is_plain(&s, cls) || takes_axis_alone(cls))) {
        json_write_string(w, key, cls->name);
        return KILN_OK;
    }
    /* Keras has some activations with arguments as functions only, which its files cannot hold:
     * those are written as objects that a program registers with it. */
    bool registered = cls->class_name == NULL;
    json_write_open(w, key, '{');
    json_write_string(w, "module", registered ? "kiln" : kinds[kind].module);
    json_write_string(w, "class_name", registered ? cls->name : cls->class_name);
    json_write_open(w, "config", '{');
    for (int i = 0; i < s.count; i++)
        if (cls->keys[i].type != SPEC_NULL) /* arguments that older versions do not have */
            write_value(w, &s, i, &cls->keys[i]);
    json_write_close(w, '}');
    if (registered) {
        char name[80];
        snprintf(name, sizeof name, "kiln>%s", cls->name);
        json_write_string(w, "registered_name", name);
    } else {
        json_write_raw(w, "registered_name", "null");
    }
    json_write_close(w, '}');
    return KILN_OK;
}
