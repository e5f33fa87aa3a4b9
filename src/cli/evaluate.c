/* kiln evaluate */
#include "cli/forecast.h"
#include "cli/objective.h"
#include "cli/text_data.h"
#include "train/training.h"

#include <math.h>
#include <string.h>

static struct {
    bool json;
    objective_options objective;
    const char *label;
} given;

static const option options[] = {
    {"--json", OPTION_FLAG, offsetof(__typeof__(given), json), NULL,
     "one object on standard output, nothing else", 0},
    {"--loss", OPTION_TEXT, offsetof(__typeof__(given), objective.loss), "L",
     "by Keras's name (as compiled, or from the labels and the last activation)", 0},
    {"--metrics", OPTION_TEXT, offsetof(__typeof__(given), objective.metrics), "M,...",
     "by Keras's names, or none (as compiled; else accuracy, or mae for numbers)", 0},
    {"--label", OPTION_TEXT, offsetof(__typeof__(given), label), "COLUMN",
     "label column of a CSV file, by name or index (the last)", 0},
};

static int print_logs(const kiln_logs *logs, const forecast *f, const char *model_name)
{
    if (given.json) {
        json_t *object = json_object();
        for (size_t i = 0; i < kiln_logs_count(logs); i++) {
            double value = kiln_logs_value(logs, i);
            json_object_set_new(object, kiln_logs_name(logs, i),
                                isfinite(value) ? json_real(value) : json_null());
        }
        if (f->series && forecast_add_errors(f, object) != KILN_OK) {
            json_decref(object);
            return cli_fail();
        }
        return cli_print_json(object);
    }
    /* What Keras's evaluate returns: the loss, then the metrics. */
    printf("[%.9g", kiln_logs_get(logs, "loss"));
    for (size_t i = 0; i < kiln_logs_count(logs); i++)
        if (strcmp(kiln_logs_name(logs, i), "loss") != 0)
            printf(", %.9g", kiln_logs_value(logs, i));
    printf("]\n");
    if (f->series)
        forecast_print_errors(f, model_name);
    return EXIT_DONE;
}

static int evaluate(const char *model_name, const char *data_name, kiln_model **model,
                    kiln_dataset **data, kiln_device **device, forecast *f)
{
    if (session_start() != KILN_OK)
        return cli_fail();
    bool builtin = session_is_builtin(model_name);
    text_expect(model_name);
    if (!builtin &&
        (*model = session_model_for(model_name, data_name, given.label, KILN_YES)) == NULL)
        return cli_fail();
    if (*model && (*model)->facts->series)
        forecast_open(f, data_name, *model, true, data);
    else
        *data = session_data(data_name, "test", given.label, *model, KILN_YES);
    if (*data == NULL)
        return cli_fail();
    if (builtin && (*model = session_model(model_name, *data)) == NULL)
        return cli_fail();
    if (session_match(*data, *model, true) != KILN_OK)
        return cli_fail();
    if ((*data)->text.tokens)
        text_say_contiguous(*model);
    *device = session_device();
    int verbose = given.json ? 0 : common.verbose;
    if (*device == NULL || objective_compile(*model, *data, *device, &given.objective,
                                             verbose > 0 && builtin) != KILN_OK)
        return cli_fail();
    fflush(stdout);
    session_begin_training();
    const kiln_logs *logs = kiln_evaluate(*model, *data, .batch_size = common.batch_size,
                                          .verbose = verbose ? verbose : KILN_NO,
                                          .check_numerics = common.check_numerics);
    kiln_status status = logs ? KILN_OK : kiln_last_status();
    if (status == KILN_OK && f->series)
        status = forecast_predict(f, *model, *data);
    session_end_training();
    return status == KILN_OK ? print_logs(logs, f, model_name) : cli_fail();
}

static int run(int count, char **words)
{
    int status = options_parse(&command_evaluate, &given, &count, words);
    if (status >= 0)
        return status;
    kiln_model *model = NULL;
    kiln_dataset *data = NULL;
    kiln_device *device = NULL;
    forecast f = {.count = 0};
    status = evaluate(words[0], words[1], &model, &data, &device, &f);
    forecast_close(&f);
    kiln_model_free(model);
    kiln_dataset_free(data);
    kiln_device_close(device);
    return status;
}

const command command_evaluate = {
    .name = "evaluate",
    .arguments = "MODEL DATA",
    .least_arguments = 2,
    .most_arguments = 2,
    .summary = "loss and metrics of a model on data",
    .help = "Runs MODEL over DATA without training and prints the loss and the metrics it was\n"
            "compiled with, as Keras's evaluate does. mnist and digits mean their test part.\n"
            "MODEL and DATA are as for kiln fit. A model of text reads DATA as its text was read,\n"
            "one that writes text in windows side by side: each character is predicted once. :train or\n"
            ":test behind a file's name is its first nine tenths or its last.\n"
            "A model of a series is evaluated on the rows held out of its training, in the file's own\n"
            "units too, beside the last value (persistence) and the value a season before\n"
            "(seasonal-naive).",
    .example = "  kiln evaluate digits.keras mnist --verbose 2\n"
               "  kiln evaluate digits.keras mnist --json\n"
               "  kiln evaluate poet.keras shakespeare.txt:test",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .takes_common = true,
    .takes_data = true,
    .group = &forecast_group,
    .run = run,
};
