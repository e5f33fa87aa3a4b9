/* Pictures for TensorBoard: what the network was shown, and what it gets most wrong. */
#include "cli/judge.h"
#include "cli/run_report.h"
#include "train/events.h"

#include <string.h>

enum { LARGEST_PICTURE = 256, SHOWN = 12 };

static kiln_status add_sample(event_summary *s, const kiln_dataset *data, int64_t sample,
                              const char *tag)
{
    sample_picture p;
    KILN_TRY(sample_take_picture(&data->inputs[0], sample, LARGEST_PICTURE, &p));
    kiln_status status = summary_image(s, tag, p.pixels, p.width, p.height, p.channels);
    free(p.pixels);
    return status;
}

/* "01 cat": the number keeps TensorBoard's order; a stroke in a name would begin a group of its
 * own. */
static void name_picture(char *tag, size_t room, const char *group, size_t number,
                         const char *words)
{
    int used = snprintf(tag, room, "%s/", group);
    snprintf(tag + used, room - (size_t)used, "%02zu %s", number + 1, words);
    for (char *c = tag + used; *c; c++)
        *c = *c == '/' ? '|' : *c;
}

static kiln_status add_shown(event_summary *s, const kiln_dataset *data)
{
    char tag[200];
    for (int64_t i = 0; i < data->samples && i < SHOWN; i++) {
        const data_column *target = data->target_count == 1 ? &data->targets[0] : NULL;
        int64_t label =
            target && kiln_shape_size(target->shape) == 1 && target->dtype != KILN_FLOAT32
                ? data_column_label(target, i)
                : -1;
        char words[80] = "";
        if (label >= 0 && (size_t)label < data->class_count)
            snprintf(words, sizeof words, "%.60s", data->class_names[label]);
        else if (label >= 0)
            snprintf(words, sizeof words, "%lld", (long long)label);
        name_picture(tag, sizeof tag, "training data", (size_t)i, words);
        KILN_TRY(add_sample(s, data, i, tag));
    }
    return KILN_OK;
}

static kiln_status add_mistakes(event_summary *s, const judged *j)
{
    char words[160], tag[200];
    mistake *all;
    size_t count;
    KILN_TRY(judge_mistakes(j, &all, &count));
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < count && i < JUDGE_MOST_MISTAKES && status == KILN_OK; i++) {
        snprintf(words, sizeof words, "%.60s, taken for %.60s", j->names[all[i].label],
                 j->names[all[i].taken_for]);
        name_picture(tag, sizeof tag, "worst mistakes", i, words);
        status = add_sample(s, j->data, all[i].sample, tag);
    }
    free(all);
    return status;
}

static kiln_status add_judged(event_summary *s, const run_report *r)
{
    judged j;
    kiln_dataset *part = r->data->samples > JUDGE_MOST_SAMPLES
                             ? kiln_dataset_slice(r->data, 0, JUDGE_MOST_SAMPLES)
                             : NULL;
    if (part == NULL && r->data->samples > JUDGE_MOST_SAMPLES)
        return kiln_last_status();
    kiln_status status = judge_data(&j, r->model, part ? part : r->data, r->batch);
    if (status == KILN_OK)
        status = add_mistakes(s, &j);
    judge_free(&j);
    kiln_dataset_free(part);
    return status;
}

static bool has_pictures(const kiln_dataset *data)
{
    return data && data->function == NULL && data->input_count == 1 && data->samples > 0 &&
           sample_is_picture(&data->inputs[0]);
}

static kiln_status write_summary(event_summary *s, const char *log_dir, const char *part,
                                 int64_t step)
{
    event_file file = {0};
    char *folder = str_format("%s/%s", log_dir, part);
    kiln_status status = folder ? events_open(&file, folder) : KILN_ERROR_MEMORY;
    free(folder);
    if (status != KILN_OK) {
        text_free(&s->values);
        return status;
    }
    status = events_write(&file, s, step);
    kiln_status closed = events_close(&file);
    return status == KILN_OK ? closed : status;
}

kiln_status run_pictures_write(const run_report *r, const kiln_dataset *shown, const char *log_dir)
{
    event_summary s = {0};
    kiln_status status = has_pictures(shown) ? add_shown(&s, shown) : KILN_OK;
    if (status == KILN_OK && has_pictures(r->data) && judge_is_meant(r->model, r->data))
        status = add_judged(&s, r);
    if (status != KILN_OK || s.values.length == 0) {
        text_free(&s.values);
        return status;
    }
    size_t epochs = kiln_history_epochs(r->history);
    return write_summary(&s, log_dir, "pictures", epochs ? (int64_t)epochs - 1 : 0);
}
