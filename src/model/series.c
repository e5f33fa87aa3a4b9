#include "model/series.h"

#include <string.h>

void model_series_free(model_series *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; s->columns && i < s->column_count; i++)
        free(s->columns[i]);
    free(s->columns);
    free(s->means);
    free(s->scales);
    free(s->trained_to);
    free(s);
}

model_series *model_series_copy(const model_series *s)
{
    model_series *copy = s ? mem_new(1, sizeof *copy) : NULL;
    if (copy == NULL)
        return NULL;
    *copy = *s;
    copy->columns = mem_new(s->column_count, sizeof *copy->columns);
    copy->means = mem_new(s->column_count, sizeof *copy->means);
    copy->scales = mem_new(s->column_count, sizeof *copy->scales);
    copy->trained_to = s->trained_to ? str_copy(s->trained_to) : NULL;
    bool good = copy->columns && copy->means && copy->scales && !copy->trained_to == !s->trained_to;
    for (size_t i = 0; good && i < s->column_count; i++) {
        copy->columns[i] = str_copy(s->columns[i]);
        copy->means[i] = s->means[i];
        copy->scales[i] = s->scales[i];
        good = copy->columns[i] != NULL;
    }
    if (good)
        return copy;
    model_series_free(copy);
    return NULL;
}

int64_t model_series_rows(const model_series *s)
{
    return (s->difference + s->window + s->horizon - 1) * s->rate + 1;
}
