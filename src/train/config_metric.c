/* Metrics in Keras's JSON. */
#include "train/config.h"

#include "base/memory.h"
#include "layer/layer.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

/* ---- writing ---- */

static json_t *number_of(double x)
{
    return x == floor(x) ? json_integer((json_int_t)x) : json_real(x);
}

/* A loss that Keras has no metric of, as a mean of its function. */
static json_t *wrapped(json_t *config, const metric *m)
{
    json_t *function =
        json_pack("{s:s, s:s, s:s, s:s}", "module", "builtins", "class_name", "function", "config",
                  loss_name(m->loss.kind), "registered_name", "function");
    json_object_set_new(config, "fn", function);
    return config_object("keras.metrics", "MeanMetricWrapper", config);
}

json_t *config_metric_write(const metric *m)
{
    if (m->cls == NULL) /* the form of "accuracy" follows from the shapes, so it has no class */
        return json_string(m->named ? "accuracy" : m->name);
    if (metric_is_plain(m))
        return json_string(m->name);
    json_t *config = json_pack("{s:s, s:s}", "name", m->name, "dtype", "float32");
    const char *argument = metric_argument_name(m);
    if (argument)
        json_object_set_new(config, argument, number_of(m->argument));
    switch (m->loss.kind) {
    case KILN_LOSS_HUBER:
        json_object_set_new(config, "delta", json_real(m->loss.delta));
        return wrapped(config, m);
    case KILN_LOSS_CATEGORICAL_CROSSENTROPY:
    case KILN_LOSS_BINARY_CROSSENTROPY:
        json_object_set_new(config, "label_smoothing", json_real(m->loss.label_smoothing));
        /* fall through */
    case KILN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY:
        json_object_set_new(config, "from_logits", json_boolean(m->loss.from_logits == KILN_YES));
        break;
    default:
        break;
    }
    return config_object("keras.metrics", metric_class_name(m), config);
}

/* ---- reading ---- */

static void add_argument(text *out, const char **between, const char *key, double value)
{
    text_add(out, "%s%s=%.17g", *between, key, value);
    *between = ", ";
}

/* Its name in the logs, where it has one of its own that a text can hold. */
static void add_name(text *out, const char **between, const json_t *config, const char *usual)
{
    const char *name = json_string_value(json_object_get(config, "name"));
    if (name == NULL || strcmp(name, usual) == 0 || strlen(name) >= sizeof((spec){0}).words[0])
        return;
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_')
            return;
    text_add(out, "%sname=\"%s\"", *between, name);
    *between = ", ";
}

/* The name that the text begins with: that of a function that is wrapped, or of a class. */
static const char *base_name(const json_t *value)
{
    const char *name = config_class(value);
    const json_t *config = json_object_get(value, "config");
    if (name && strcmp(name, "function") == 0)
        return json_string_value(config);
    if (name && strcmp(name, "MeanMetricWrapper") == 0) {
        const json_t *function = json_object_get(config, "fn");
        return json_is_string(function) ? json_string_value(function)
                                        : json_string_value(json_object_get(function, "config"));
    }
    return name;
}

/* A number, or the only one of a list. */
static const json_t *single(const json_t *value)
{
    return json_is_array(value) && json_array_size(value) == 1 ? json_array_get(value, 0) : value;
}

static kiln_status read_object(const json_t *value, const metric *m, text *out)
{
    static const char *const losses[] = {"from_logits", "label_smoothing", "delta"};
    const json_t *config = json_object_get(value, "config");
    const char *between = "(", *argument = metric_argument_name(m);
    const char *used[] = {"name", "fn", NULL, NULL, NULL, NULL};
    size_t n = 2;
    text_add(out, "%s", metric_canonical_name(m));
    const json_t *given = argument ? single(json_object_get(config, argument)) : NULL;
    if (json_is_number(given)) {
        add_argument(out, &between, argument, json_number_value(given));
        used[n++] = argument;
    }
    for (size_t i = 0; m->loss.kind != KILN_LOSS_NONE && i < 3; i++) {
        const json_t *x = json_object_get(config, losses[i]);
        if (json_is_true(x) || json_number_value(x) != 0)
            add_argument(out, &between, losses[i], json_is_true(x) ? 1 : json_number_value(x));
        used[n++] = losses[i];
    }
    add_name(out, &between, config, metric_canonical_name(m));
    if (*between == ',')
        text_add(out, ")");
    return json_is_object(config) ? config_check_rest(m->name, config, used) : KILN_OK;
}

char *config_metric_read(const json_t *value)
{
    const char *name = base_name(value);
    metric m;
    if (name == NULL) {
        kiln_fail(KILN_ERROR_UNSUPPORTED, "its metrics are not a list of names or objects");
        return NULL;
    }
    if (metric_parse(name, &m) != KILN_OK)
        return NULL;
    if (json_is_string(value))
        return str_copy(name);
    text out = {0};
    kiln_status status = read_object(value, &m, &out);
    if (status == KILN_OK && out.failed)
        status = KILN_ERROR_MEMORY;
    if (status == KILN_OK)
        return out.data;
    text_free(&out);
    return NULL;
}
