/* kiln fit: what is saved, written and said at the end. */
#include "cli/fit.h"

#include "base/file.h"
#include "cli/run_report.h"
#include "train/training.h"

#include <math.h>
#include <string.h>

static json_t *history_json(const kiln_history *history)
{
    json_t *all = json_object();
    for (size_t e = 0; e < kiln_history_epochs(history); e++) {
        const kiln_logs *logs = kiln_history_logs(history, e);
        for (size_t i = 0; i < kiln_logs_count(logs); i++) {
            const char *name = kiln_logs_name(logs, i);
            json_t *list = json_object_get(all, name);
            if (list == NULL) {
                json_object_set_new(all, name, json_array());
                list = json_object_get(all, name);
            }
            /* Epochs without this figure (no validation) are null, so that positions are epochs. */
            while (list && json_array_size(list) < e)
                json_array_append_new(list, json_null());
            double value = kiln_logs_value(logs, i);
            json_array_append_new(list, isfinite(value) ? json_real(value) : json_null());
        }
    }
    return all;
}

static kiln_status write_history(const fitting *f)
{
    json_t *json = history_json(f->history);
    char *dump = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(json);
    if (dump == NULL)
        return kiln_fail_memory(0);
    kiln_status status = file_write_atomic(f->given->history, dump, strlen(dump));
    free(dump);
    return status;
}

/* On average, without the first epoch where there are several: it may have compiled. */
static double step_seconds(const fitting *f, int64_t steps)
{
    if (f->second_epoch > 0 && f->ended > f->second_epoch && steps > f->first_steps)
        return (f->ended - f->second_epoch) / (double)(steps - f->first_steps);
    return steps > 0 && f->begun > 0 ? (f->ended - f->begun) / (double)steps : 0;
}

void fit_say_end(const fitting *f)
{
    const model_training *t = training_of(f->model);
    double seconds = f->begun > 0 ? f->ended - f->begun : 0;
    int64_t steps = t->optimizer.iterations - f->earlier_steps;
    const kiln_device_info *info = kiln_device_describe(f->device);
    const size_t epochs = kiln_history_epochs(f->history);
    if (f->interrupted)
        printf("Interrupted after %zu whole epoch%s. ", epochs, epochs == 1 ? "" : "s");
    printf("Trained on %s (%s, %s): %s steps in %.1f s", info->name,
           kiln_device_type_name(info->type), info->platform, session_count(steps), seconds);
    double step = step_seconds(f, steps);
    if (step > 0)
        printf(", %.3f ms a step", 1e3 * step);
    printf(".\n");
    const model_text *rules = &f->data->text;
    if (f->given->output && rules->tokens && strcmp(rules->task, "generate") == 0)
        printf("Saved in %s; kiln generate %s writes text.\n", f->given->output, f->given->output);
    else if (f->given->output)
        printf("Saved in %s; kiln evaluate %s %s tests it.\n", f->given->output, f->given->output,
               f->data_name);
    else
        printf("Nothing was saved: -o FILE keeps the trained model.\n");
}

static kiln_status write_pages(const fitting *f)
{
    const kiln_device_info *info = kiln_device_describe(f->device);
    char title[300], lead[500];
    double seconds = f->begun > 0 ? f->ended - f->begun : 0;
    snprintf(title, sizeof title, "%.120s on %.120s", f->model_name, f->data_name);
    const size_t epochs = kiln_history_epochs(f->history);
    snprintf(lead, sizeof lead, "%zu epoch%s in %s s on %.200s%s.", epochs,
             epochs == 1 ? "" : "s", session_figure(seconds), info->name,
             f->interrupted ? ", then interrupted" : "");
    const run_report report = {.title = title,
                               .lead = lead,
                               .model = f->model,
                               .history = f->history,
                               .data = f->validation ? f->validation : f->data,
                               .data_name =
                                   f->validation ? "the validation data" : "the training data",
                               .series_file = f->model->facts->series ? f->data_name : NULL,
                               .batch = common.batch_size ? common.batch_size : 32};
    if (f->given->tensorboard)
        KILN_TRY(run_pictures_write(&report, f->data, f->given->tensorboard));
    return f->given->report ? run_report_write(&report, f->given->report) : KILN_OK;
}

kiln_status fit_keep(const fitting *f)
{
    if (f->given->output)
        KILN_TRY(kiln_save(f->model, f->given->output));
    if (f->given->history)
        KILN_TRY(write_history(f));
    return write_pages(f);
}
