/* Other data sets from one: rows, splits, columns by name. */
#include "base/philox.h"
#include "data/dataset.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* What the draws are for: keeps them apart from those of training with the same seed. */
#define SPLIT_STREAM 0x73706c6974u /* "split" */

static kiln_status need_arrays(const kiln_dataset *dataset, const char *verb)
{
    if (dataset == NULL)
        return kiln_fail_null("the data set");
    if (dataset->function)
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s: the batches of a function cannot be %s",
                         dataset->origin, verb);
    return KILN_OK;
}

static void *gather_column(const data_column *column, int64_t count, const int64_t *rows,
                           size_t *bytes)
{
    size_t row = data_column_row(column);
    *bytes = row * (size_t)count;
    char *out = malloc(*bytes ? *bytes : 1);
    if (out == NULL) {
        kiln_fail_memory(*bytes);
        return NULL;
    }
    for (int64_t i = 0; i < count; i++)
        data_column_copy(column, rows[i], 1, out + (size_t)i * row);
    return out;
}

kiln_dataset *dataset_gather(const kiln_dataset *dataset, int64_t count, const int64_t *rows)
{
    if (need_arrays(dataset, "gathered") != KILN_OK)
        return NULL;
    kiln_dataset *out = dataset_like(dataset, count);
    if (out == NULL)
        return NULL;
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < dataset->input_count + dataset->target_count && status == KILN_OK; i++) {
        bool target = i >= dataset->input_count;
        const data_column *c =
            target ? &dataset->targets[i - dataset->input_count] : &dataset->inputs[i];
        size_t bytes;
        void *memory = gather_column(c, count, rows, &bytes);
        if (memory == NULL)
            status = kiln_last_status();
        else
            status = target ? dataset_take_target(out, c->name, c->dtype, c->shape, memory, bytes)
                            : dataset_take_input(out, c->name, c->dtype, c->shape, memory, bytes);
    }
    if (status == KILN_OK && dataset->sample_weights) {
        size_t bytes;
        float *weights = gather_column(dataset->sample_weights, count, rows, &bytes);
        status = weights ? kiln_dataset_set_sample_weights(out, weights) : kiln_last_status();
        free(weights);
    }
    if (status != KILN_OK) {
        kiln_dataset_free(out);
        return NULL;
    }
    return out;
}

/* Samples that stay in the first part, as Keras counts them. */
static kiln_status first_count(const kiln_dataset *dataset, double fraction, int64_t *count)
{
    if (!(fraction > 0 && fraction < 1))
        return kiln_fail(KILN_ERROR_ARGUMENT, "a split of %g: the fraction lies between 0 and 1",
                         fraction);
    *count = (int64_t)floor((double)dataset->samples * (1.0 - fraction));
    if (*count <= 0 || *count >= dataset->samples)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: a split of %g leaves one part of its %" PRId64
                         " samples empty; choose another fraction",
                         dataset->origin, fraction, dataset->samples);
    return KILN_OK;
}

/* The labels when the only target is one integer a sample, in a range that can be counted. */
static const int32_t *class_labels(const kiln_dataset *dataset, int32_t *low, size_t *classes)
{
    if (dataset->target_count != 1)
        return NULL;
    const data_column *c = &dataset->targets[0];
    if (c->dtype != KILN_INT32 || kiln_shape_size(c->shape) != 1 || dataset->samples == 0 ||
        !data_column_is_packed(c))
        return NULL;
    const int32_t *labels = c->data;
    int32_t least = labels[0], most = labels[0];
    for (int64_t i = 1; i < dataset->samples; i++) {
        least = labels[i] < least ? labels[i] : least;
        most = labels[i] > most ? labels[i] : most;
    }
    if ((int64_t)most - least > dataset->samples)
        return NULL;
    *low = least;
    *classes = (size_t)((int64_t)most - least + 1);
    return labels;
}

/* How many samples of each class go to the second part: its share of `second`, rounded so that the
 * sum is `second` (largest remainders first). quota has the sizes of the classes at the start. */
static kiln_status share_out(int64_t *quota, size_t classes, int64_t second, int64_t samples)
{
    int64_t *remainder = mem_new(classes, sizeof *remainder), left = second;
    if (remainder == NULL)
        return kiln_last_status();
    for (size_t c = 0; c < classes; c++) {
        int64_t product = quota[c] * second; /* both below 2^31 */
        quota[c] = product / samples;
        remainder[c] = product % samples;
        left -= quota[c];
    }
    for (; left > 0; left--) {
        size_t best = 0;
        for (size_t c = 1; c < classes; c++)
            if (remainder[c] > remainder[best])
                best = c;
        quota[best]++;
        remainder[best] = -1;
    }
    free(remainder);
    return KILN_OK;
}

/* Marks the samples of the second part. */
static kiln_status mark_second(const kiln_dataset *dataset, int64_t second, uint64_t seed,
                               bool by_class, bool *marked)
{
    size_t n = (size_t)dataset->samples, classes = 1;
    int32_t low = 0;
    const int32_t *labels = by_class ? class_labels(dataset, &low, &classes) : NULL;
    if (labels == NULL)
        classes = 1;
    uint64_t *order = mem_new(n, sizeof *order);
    int64_t *quota = mem_new(classes, sizeof *quota);
    kiln_status status = order && quota ? KILN_OK : kiln_last_status();
    if (status == KILN_OK) {
        for (size_t i = 0; i < n; i++)
            quota[labels ? labels[i] - low : 0]++;
        status = share_out(quota, classes, second, dataset->samples);
    }
    if (status == KILN_OK) {
        philox_permutation64(seed, SPLIT_STREAM, order, n);
        for (size_t i = 0; i < n; i++) {
            size_t at = (size_t)order[i];
            int64_t *room = &quota[labels ? labels[at] - low : 0];
            marked[at] = *room > 0;
            *room -= *room > 0;
        }
    }
    free(order);
    free(quota);
    return status;
}

kiln_status kiln_dataset_split(const kiln_dataset *dataset, double fraction, uint64_t seed,
                               int by_class, kiln_dataset **first, kiln_dataset **second)
{
    int64_t kept = 0, counts[2] = {0, 0};
    if (first == NULL || second == NULL)
        return kiln_fail(KILN_ERROR_ARGUMENT, "a split needs a place for both parts");
    *first = *second = NULL;
    KILN_TRY(need_arrays(dataset, "split"));
    KILN_TRY(first_count(dataset, fraction, &kept));
    bool *marked = mem_new((size_t)dataset->samples, sizeof *marked);
    int64_t *rows = mem_new((size_t)dataset->samples, sizeof *rows);
    kiln_status status = marked && rows ? KILN_OK : kiln_last_status();
    if (status == KILN_OK)
        status = mark_second(dataset, dataset->samples - kept, seed, by_class != 0, marked);
    if (status == KILN_OK) { /* both in the order they had; the first part from the front */
        for (int64_t i = 0; i < dataset->samples; i++)
            rows[marked[i] ? kept + counts[1]++ : counts[0]++] = i;
        *first = dataset_gather(dataset, kept, rows);
        *second = *first ? dataset_gather(dataset, dataset->samples - kept, rows + kept) : NULL;
        if (*second == NULL) {
            kiln_dataset_free(*first);
            *first = NULL;
            status = kiln_last_status();
        }
    }
    free(marked);
    free(rows);
    return status;
}

kiln_status dataset_validation_split(const kiln_dataset *dataset, double fraction, uint64_t seed,
                                     kiln_dataset **train, kiln_dataset **validation)
{
    int64_t kept = 0;
    *train = *validation = NULL;
    KILN_TRY(need_arrays(dataset, "split"));
    if (dataset->split_by_class)
        return kiln_dataset_split(dataset, fraction, seed, 1, train, validation);
    KILN_TRY(first_count(dataset, fraction, &kept));
    *train = kiln_dataset_slice(dataset, 0, kept);
    *validation = *train ? kiln_dataset_slice(dataset, kept, dataset->samples - kept) : NULL;
    if (*validation == NULL) {
        kiln_dataset_free(*train);
        *train = NULL;
        return kiln_last_status();
    }
    return KILN_OK;
}

static const data_column *find_column(const data_column *columns, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (columns[i].name && strcmp(columns[i].name, name) == 0)
            return &columns[i];
    return NULL;
}

/* "'a', 'b'"; free with text_free. */
static text list_names(const data_column *columns, size_t count)
{
    text out = {0};
    for (size_t i = 0; i < count; i++)
        text_add(&out, "%s'%s'", i ? ", " : "", columns[i].name ? columns[i].name : "");
    return out;
}

/* Adds the columns with the names a model has to `out`. Of several targets some may be missing:
 * which are needed is a matter of how the model is compiled. */
static kiln_status pick(const kiln_dataset *dataset, kiln_dataset *out, bool target, size_t count,
                        const char *const *names)
{
    const data_column *own = target ? dataset->targets : dataset->inputs;
    size_t own_count = target ? dataset->target_count : dataset->input_count;
    for (size_t i = 0; i < count; i++) {
        const data_column *c = find_column(own, own_count, names[i]);
        if (c == NULL && target && dataset->names_open)
            c = find_column(dataset->inputs, dataset->input_count, names[i]);
        if (c == NULL && count == 1 && own_count == 1) /* the only one */
            c = own;
        if (c == NULL && count == 1 && target && dataset->names_open)
            c = find_column(dataset->inputs, dataset->input_count, "y");
        if (c == NULL && target && count > 1 && (i + 1 < count || out->target_count > 0))
            continue;
        if (c == NULL && own_count == 0 && !dataset->names_open)
            return kiln_fail(
                KILN_ERROR_ARGUMENT,
                "%s: holds no targets; a model learns from IMAGES,LABELS or X.npy,Y.npy "
                "or arrays x and y",
                dataset->origin);
        if (c == NULL) {
            text there = list_names(own_count ? own : dataset->inputs,
                                    own_count ? own_count : dataset->input_count);
            kiln_fail(KILN_ERROR_ARGUMENT,
                      "%s: has no array '%s' for the model's %s of that name; it has %s",
                      dataset->origin, names[i], target ? "output" : "input",
                      there.data ? there.data : "none");
            text_free(&there);
            return KILN_ERROR_ARGUMENT;
        }
        KILN_TRY(dataset_share_column(out, target, names[i], c, 0));
    }
    return KILN_OK;
}

kiln_status dataset_assign(kiln_dataset *dataset, size_t inputs, const char *const *input_names,
                           size_t targets, const char *const *target_names, bool need_targets)
{
    kiln_error_record before;
    kiln_error_save(&before);
    kiln_dataset *out = dataset_new(dataset->origin);
    if (out == NULL)
        return kiln_last_status();
    kiln_status status = pick(dataset, out, false, inputs, input_names);
    if (status == KILN_OK && targets > 0) {
        status = pick(dataset, out, true, targets, target_names);
        if (status == KILN_ERROR_ARGUMENT && !need_targets) {
            kiln_error_restore(&before);
            status = KILN_OK;
        }
    }
    if (status == KILN_OK) { /* the new columns move in, the old ones leave with `out` */
        data_column *own_inputs = dataset->inputs, *own_targets = dataset->targets;
        size_t input_count = dataset->input_count, target_count = dataset->target_count;
        dataset->inputs = out->inputs;
        dataset->targets = out->targets;
        dataset->input_count = out->input_count;
        dataset->target_count = out->target_count;
        dataset->names_open = false;
        out->inputs = own_inputs;
        out->targets = own_targets;
        out->input_count = input_count;
        out->target_count = target_count;
    }
    kiln_dataset_free(out);
    return status;
}

kiln_status dataset_labels_as_numbers(kiln_dataset *dataset)
{
    if (dataset->function)
        return KILN_OK;
    for (size_t i = 0; i < dataset->target_count; i++) {
        data_column *c = &dataset->targets[i];
        if (c->dtype != KILN_INT32)
            continue;
        size_t count = (size_t)data_column_span(c, dataset->samples);
        float *numbers = mem_new(count, sizeof *numbers);
        if (numbers == NULL)
            return kiln_last_status();
        for (size_t k = 0; k < count; k++) {
            int32_t label = ((const int32_t *)c->data)[k];
            bool known =
                dataset->class_values && label >= 0 && (size_t)label < dataset->class_count;
            numbers[k] = (float)(known ? dataset->class_values[label] : label);
        }
        data_block *block = data_block_new(numbers, count * sizeof *numbers, false);
        if (block == NULL)
            return kiln_last_status();
        data_block_release(c->block);
        c->block = block;
        c->data = numbers;
        c->dtype = KILN_FLOAT32;
    }
    /* Numbers are no classes any more. */
    for (size_t i = 0; i < dataset->class_count; i++)
        free(dataset->class_names[i]);
    free(dataset->class_names);
    free(dataset->class_values);
    dataset->class_names = NULL;
    dataset->class_values = NULL;
    dataset->class_count = 0;
    return KILN_OK;
}
