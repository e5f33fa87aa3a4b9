#include "format/series_json.h"

#include <math.h>
#include <string.h>

#define MOST_ROWS ((int64_t)1 << 30)

static void write_reals(json_writer *w, const char *key, const double *values, size_t count)
{
    json_write_open(w, key, '[');
    for (size_t i = 0; i < count; i++)
        json_write_real(w, NULL, values[i]);
    json_write_close(w, ']');
}

void series_json_write(json_writer *w, const model_series *s)
{
    if (s == NULL)
        return;
    json_write_open(w, "series", '{');
    json_write_integer(w, "window", s->window);
    json_write_integer(w, "horizon", s->horizon);
    json_write_integer(w, "sampling_rate", s->rate);
    json_write_integer(w, "difference", s->difference);
    json_write_bool(w, "log", s->log);
    json_write_integer(w, "targets", (long long)s->target_count);
    json_write_open(w, "columns", '[');
    for (size_t i = 0; i < s->column_count; i++)
        json_write_string(w, NULL, s->columns[i]);
    json_write_close(w, ']');
    write_reals(w, "means", s->means, s->column_count);
    write_reals(w, "scales", s->scales, s->column_count);
    json_write_integer(w, "trained_rows", s->trained_rows);
    if (s->trained_to)
        json_write_string(w, "trained_to", s->trained_to);
    json_write_close(w, '}');
}

static kiln_status wrong(const char *key, const char *what)
{
    return kiln_fail(KILN_ERROR_FORMAT, "metadata.json: series: %s %s", key, what);
}

static kiln_status read_whole(const json_t *json, const char *key, int64_t least, int64_t *value)
{
    const json_t *item = json_object_get(json, key);
    *value = json_integer_value(item);
    return json_is_integer(item) && *value >= least && *value <= MOST_ROWS
               ? KILN_OK
               : wrong(key, "is no whole number in its range");
}

static kiln_status read_reals(const json_t *json, const char *key, size_t count, bool positive,
                              double **values)
{
    const json_t *list = json_object_get(json, key);
    if (!json_is_array(list) || json_array_size(list) != count)
        return wrong(key, "has not a number for each column");
    *values = mem_new(count, sizeof **values);
    if (*values == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        (*values)[i] = json_number_value(item);
        if (!json_is_number(item) || !isfinite((*values)[i]) || (positive && !((*values)[i] > 0)))
            return wrong(key, "has something in it that is no such number");
    }
    return KILN_OK;
}

static kiln_status read_columns(const json_t *json, model_series *s)
{
    const json_t *list = json_object_get(json, "columns");
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count == 0)
        return wrong("columns", "are none");
    s->columns = mem_new(count, sizeof *s->columns);
    if (s->columns == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (name == NULL)
            return wrong("columns", "have a name that is no text");
        s->columns[i] = str_copy(name);
        if (s->columns[i] == NULL)
            return KILN_ERROR_MEMORY;
        s->column_count = i + 1;
    }
    return KILN_OK;
}

static kiln_status read_all(const json_t *json, model_series *s)
{
    int64_t targets;
    if (!json_is_object(json))
        return kiln_fail(KILN_ERROR_FORMAT, "metadata.json: series is no object");
    KILN_TRY(read_whole(json, "window", 1, &s->window));
    KILN_TRY(read_whole(json, "horizon", 1, &s->horizon));
    KILN_TRY(read_whole(json, "sampling_rate", 1, &s->rate));
    KILN_TRY(read_whole(json, "difference", 0, &s->difference));
    KILN_TRY(read_whole(json, "trained_rows", 0, &s->trained_rows));
    KILN_TRY(read_whole(json, "targets", 1, &targets));
    s->log = json_is_true(json_object_get(json, "log"));
    KILN_TRY(read_columns(json, s));
    s->target_count = (size_t)targets;
    if (s->target_count > s->column_count)
        return wrong("targets", "are more than the columns");
    KILN_TRY(read_reals(json, "means", s->column_count, false, &s->means));
    KILN_TRY(read_reals(json, "scales", s->column_count, true, &s->scales));
    const char *date = json_string_value(json_object_get(json, "trained_to"));
    s->trained_to = date ? str_copy(date) : NULL;
    return date && s->trained_to == NULL ? KILN_ERROR_MEMORY : KILN_OK;
}

kiln_status series_json_read(const json_t *json, model_series **series)
{
    *series = NULL;
    if (json == NULL)
        return KILN_OK;
    model_series *s = mem_new(1, sizeof *s);
    if (s == NULL)
        return KILN_ERROR_MEMORY;
    kiln_status status = read_all(json, s);
    if (status == KILN_OK)
        *series = s;
    else
        model_series_free(s);
    return status;
}
