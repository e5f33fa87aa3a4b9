/* kiln predict */
#include "base/file.h"
#include "cli/forecast.h"
#include "cli/objective.h"
#include "cli/text_data.h"
#include "data/npy.h"
#include "data/picture.h"
#include "train/training.h"

#include <math.h>
#include <string.h>

enum { SHOWN_ROWS = 20, SHOWN_VALUES = 8, MOST_STEPS = 100000 };

static struct {
    const char *output, *label, *plot;
    int64_t rows, steps;
} given = {.rows = -1};

static const option options[] = {
    {"-o", OPTION_TEXT, offsetof(__typeof__(given), output), "FILE",
     "writes what Keras's predict returns: .npy, .npz (an array for each output) or .csv", 0},
    {"--rows", OPTION_WHOLE, offsetof(__typeof__(given), rows), "N",
     "rows on the screen (20; 0: all of them)", 0},
    {"--label", OPTION_TEXT, offsetof(__typeof__(given), label), "COLUMN",
     "label column of a CSV file that has one, by name or index (the last)", 0},
    {"--steps", OPTION_WHOLE, offsetof(__typeof__(given), steps), "N",
     "rows to forecast behind a series' end (the model's horizon; more: from its own forecasts)",
     1},
    {"--plot", OPTION_TEXT, offsetof(__typeof__(given), plot), "FILE.svg",
     "draws a series and its forecast", 0},
};

/* The outputs of a model for a data set. */
typedef struct predictions {
    kiln_model *model;
    kiln_dataset *data;
    forecast forecast; /* of a series; else empty */
    kiln_device *device;
    int64_t samples;
    int64_t written; /* rows of the file */
    int width;       /* of the longest name of a picture */
    size_t count;
    float **values; /* (samples, output shape) */
} predictions;

static const char *output_name(const kiln_model *model, size_t i)
{
    return model_output_name(model, i);
}

static int64_t row_size(const predictions *p, size_t output)
{
    return kiln_shape_size(kiln_model_output_shape(p->model, output));
}

/* ---- files ---- */

static npy_array as_array(const predictions *p, size_t output)
{
    kiln_shape shape = kiln_model_output_shape(p->model, output);
    npy_array array = {.name = (char *)model_output_name(p->model, output),
                       .dtype = KILN_FLOAT32,
                       .rank = shape.rank + 1,
                       .data = p->values[output]};
    array.dims[0] = p->samples;
    memcpy(array.dims + 1, shape.dims, (size_t)shape.rank * sizeof *shape.dims);
    array.bytes = (size_t)p->samples * (size_t)row_size(p, output) * sizeof(float);
    return array;
}

static kiln_status write_npz(const predictions *p)
{
    npy_array *arrays = mem_new(p->count, sizeof *arrays);
    if (arrays == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < p->count; i++)
        arrays[i] = as_array(p, i);
    kiln_status status = npz_write(given.output, arrays, p->count, false);
    free(arrays);
    return status;
}

static void add_header(const predictions *p, text *out)
{
    const model_facts *facts = p->model->facts;
    for (size_t o = 0; o < p->count; o++) {
        int64_t row = row_size(p, o);
        bool classes = p->count == 1 && facts && (int64_t)facts->class_count == row;
        for (int64_t j = 0; j < row; j++) {
            text_add(out, o || j ? "," : "");
            if (classes)
                cli_add_cell(out, facts->class_names[j]);
            else if (row == 1)
                cli_add_cell(out, output_name(p->model, o));
            else
                text_add(out, "%s_%lld", output_name(p->model, o), (long long)j);
        }
    }
    text_add(out, "\n");
}

static kiln_status write_csv(const predictions *p)
{
    text out = {0};
    add_header(p, &out);
    for (int64_t i = 0; i < p->samples; i++) {
        for (size_t o = 0; o < p->count; o++) {
            int64_t row = row_size(p, o);
            for (int64_t j = 0; j < row; j++)
                text_add(&out, "%s%.9g", o || j ? "," : "", (double)p->values[o][i * row + j]);
        }
        text_add(&out, "\n");
    }
    kiln_status status = out.failed ? kiln_fail_memory(out.length)
                                    : file_write_atomic(given.output, out.data, out.length);
    text_free(&out);
    return status;
}

static kiln_status write_file(predictions *p)
{
    p->written = p->samples;
    if (p->forecast.series && cli_ends_with(given.output, ".csv"))
        return forecast_write_csv(&p->forecast, given.output, &p->written);
    if (cli_ends_with(given.output, ".csv"))
        return write_csv(p);
    if (cli_ends_with(given.output, ".npz"))
        return write_npz(p);
    npy_array array = as_array(p, 0);
    return npy_write(given.output, &array);
}

/* ---- the screen ---- */

static const char *class_name(const kiln_model *model, int64_t index)
{
    static char buffers[4][24];
    static unsigned next;
    if (model->facts && index < (int64_t)model->facts->class_count)
        return model->facts->class_names[index];
    char *buffer = buffers[next++ % 4];
    snprintf(buffer, 24, "%lld", (long long)index);
    return buffer;
}

/* "     3  ", or the name of the picture. */
static void print_sample(const predictions *p, int64_t sample)
{
    if (p->data->sample_names)
        printf("%-*s", p->width, p->data->sample_names[sample]);
    else
        printf("%6lld", (long long)sample);
}

static void print_classes(const predictions *p, int64_t sample, bool from_logits)
{
    int64_t classes = row_size(p, 0);
    float *scores = p->values[0] + sample * classes;
    if (classes == 1) { /* one score for "class 1 or not" */
        objective_probabilities(scores, 1, from_logits);
        double v = (double)scores[0];
        print_sample(p, sample);
        printf("  %-16s %6.2f %%\n", class_name(p->model, v >= 0.5), 100 * (v >= 0.5 ? v : 1 - v));
        return;
    }
    objective_probabilities(scores, classes, from_logits);
    print_sample(p, sample);
    printf("  ");
    int64_t shown = classes < 3 ? classes : 3, done[3];
    for (int64_t k = 0; k < shown; k++) {
        int64_t best = -1;
        for (int64_t j = 0; j < classes; j++) {
            bool taken = false;
            for (int64_t i = 0; i < k; i++)
                taken |= done[i] == j;
            if (!taken && (best < 0 || scores[j] > scores[best]))
                best = j;
        }
        done[k] = best;
        const char *name = class_name(p->model, best);
        if (k == 0)
            printf("%-16s %6.2f %%", name, 100 * (double)scores[best]);
        else
            printf("%s%s %.2f %%", k == 1 ? "    then " : ", ", name, 100 * (double)scores[best]);
    }
    printf("\n");
}

static void print_values(const predictions *p, int64_t sample)
{
    print_sample(p, sample);
    printf(" ");
    for (size_t o = 0; o < p->count; o++) {
        int64_t row = row_size(p, o);
        if (p->count > 1)
            printf(" %s:", output_name(p->model, o));
        for (int64_t j = 0; j < row && j < SHOWN_VALUES; j++)
            printf(" %g", (double)p->values[o][sample * row + j]);
        if (row > SHOWN_VALUES)
            printf(" ... (%lld values)", (long long)row);
    }
    printf("\n");
}

static void print_screen(predictions *p)
{
    char *const *names = p->data->sample_names;
    bool from_logits;
    kiln_shape shape = kiln_model_output_shape(p->model, 0);
    bool classes =
        p->count == 1 && shape.rank == 1 && objective_is_classifier(p->model, 0, &from_logits);
    int64_t limit = given.rows < 0 ? SHOWN_ROWS : given.rows == 0 ? p->samples : given.rows;
    if (limit > p->samples)
        limit = p->samples;
    bool lines = p->data->text.tokens != NULL;
    if (names && given.rows < 0 && !lines)
        limit = p->samples; /* they were named one by one */
    p->width = 7;
    for (int64_t i = 0; names && i < limit; i++)
        if (strlen(names[i]) > (size_t)p->width)
            p->width = (int)strlen(names[i]);
    const char *title = classes ? "class       probability" : "output";
    if (names)
        printf("%-*s  %s\n", p->width, lines ? "text" : "picture", title);
    else
        printf("   row  %s\n", title);
    for (int64_t i = 0; i < limit; i++) {
        if (classes)
            print_classes(p, i, from_logits);
        else
            print_values(p, i);
    }
    if (limit < p->samples)
        printf("and %s more rows: --rows 0 shows them all, -o FILE writes them\n",
               session_count(p->samples - limit));
}

/* ---- the command ---- */

static kiln_status compute(predictions *p)
{
    p->count = kiln_model_output_count(p->model);
    p->values = mem_new(p->count, sizeof *p->values);
    if (p->values == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < p->count; i++) {
        kiln_predict_args args = {.model = p->model,
                                  .data = p->data,
                                  .batch_size = common.batch_size,
                                  .verbose = common.has_verbose && common.verbose ? common.verbose
                                                                                  : KILN_NO,
                                  .output = i,
                                  .check_numerics = common.check_numerics};
        p->values[i] = kiln_predict_with(&args, &p->samples);
        if (p->values[i] == NULL)
            return kiln_last_status();
    }
    return KILN_OK;
}

/* The outputs in the file's units; arrays are written like that too. */
static kiln_status compute_forecast(predictions *p)
{
    forecast *f = &p->forecast;
    KILN_TRY(forecast_take(f, p->values[0], p->samples, row_size(p, 0)));
    for (int64_t i = 0; i < p->samples * row_size(p, 0); i++)
        p->values[0][i] = (float)f->values[i];
    return forecast_go_on(f, p->model, given.steps);
}

static kiln_status write_plot(const predictions *p)
{
    return given.plot ? forecast_plot(&p->forecast, given.plot) : KILN_OK;
}

static void print_forecast(const predictions *p, const char *model_name)
{
    forecast_print(&p->forecast, given.rows < 0 ? SHOWN_ROWS : given.rows);
    forecast_print_errors(&p->forecast, model_name);
}

/* Words behind the model that are files: pictures. One word is data of any kind. */
static kiln_dataset *open_data(int count, char **words, predictions *p)
{
    const kiln_model *model = p->model;
    kiln_dataset *windows = NULL;
    if (model && model->facts->series) {
        if (count > 1)
            kiln_fail(KILN_ERROR_ARGUMENT, "model %s: it forecasts a series, and takes one file",
                      model->name);
        else
            forecast_open(&p->forecast, words[0], model, false, &windows);
        return windows;
    }
    if (count > 1 || (picture_is_named(words[0]) && file_exists(words[0])))
        return session_images((size_t)count, words, model);
    return session_data(words[0], "test", given.label, model, KILN_DEFAULT);
}

static kiln_status predict(const char *model_name, int count, char **words, predictions *p)
{
    KILN_TRY(session_start());
    if (given.output)
        KILN_TRY(file_writable(given.output));
    if (given.plot)
        KILN_TRY(file_writable(given.plot));
    text_expect(model_name);
    bool builtin = session_is_builtin(model_name);
    p->model = builtin ? NULL : session_model_for(model_name, words[0], given.label, KILN_DEFAULT);
    if (p->model == NULL && !builtin)
        return kiln_last_status();
    p->data = open_data(count, words, p);
    if (p->data == NULL)
        return kiln_last_status();
    if (p->model == NULL)
        p->model = session_model(model_name, p->data);
    if (p->model == NULL)
        return kiln_last_status();
    if ((given.plot || given.steps) && p->forecast.series == NULL)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: model %s was not trained on a series, so that there is no forecast",
                         given.plot ? "--plot" : "--steps", p->model->name);
    if (given.steps > MOST_STEPS)
        return kiln_fail(
            KILN_ERROR_ARGUMENT,
            "--steps %lld: a forecast goes at most %s rows beyond the end of a series; "
            "ask for fewer",
            (long long)given.steps, session_count(MOST_STEPS));
    KILN_TRY(session_match(p->data, p->model, false));
    if (given.output && p->model->output_count > 1 && !cli_ends_with(given.output, ".npz") &&
        !cli_ends_with(given.output, ".csv"))
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: the model has %zu outputs, and .npy holds one array; use .npz",
                         given.output, p->model->output_count);
    p->device = session_device();
    if (p->device == NULL)
        return kiln_last_status();
    KILN_TRY(session_place(p->model, p->device));
    session_begin_training();
    kiln_status status = compute(p);
    if (status == KILN_OK && p->forecast.series)
        status = compute_forecast(p);
    session_end_training();
    return status;
}

static int run(int count, char **words)
{
    int status = options_parse(&command_predict, &given, &count, words);
    if (status >= 0)
        return status;
    if (given.output && !cli_ends_with(given.output, ".npy") &&
        !cli_ends_with(given.output, ".npz") && !cli_ends_with(given.output, ".csv"))
        return usage_error(&command_predict, "-o '%s': it takes a .npy, .npz or .csv file",
                           given.output);
    predictions p = {0};
    status = EXIT_DONE;
    if (predict(words[0], count - 1, words + 1, &p) != KILN_OK ||
        (given.output && write_file(&p) != KILN_OK) || write_plot(&p) != KILN_OK) {
        status = cli_fail();
    } else if (given.output) {
        if (common.verbose > 0)
            printf("%s rows written to %s\n", session_count(p.written), given.output);
    } else if (p.forecast.series) {
        print_forecast(&p, words[0]);
    } else {
        print_screen(&p);
    }
    for (size_t i = 0; p.values && i < p.count; i++)
        free(p.values[i]);
    free(p.values);
    kiln_model_free(p.model);
    forecast_close(&p.forecast);
    kiln_dataset_free(p.data);
    kiln_device_close(p.device);
    return status;
}

const command command_predict = {
    .name = "predict",
    .arguments = "MODEL DATA|PICTURE...",
    .least_arguments = 2,
    .most_arguments = 1 << 20,
    .summary = "what a model says about data",
    .help =
        "Prints, for a classifier, the likeliest classes of each row with their probabilities\n"
        "(softmax is applied where the network ends without it), for other models the outputs.\n"
        "With -o it writes the outputs as they are. DATA is as for kiln fit, with or without\n"
        "labels; mnist and digits mean their test part. Several words behind the model are "
        "picture\n"
        "files, brought to the size that the model takes. For a classifier of text, DATA is a "
        "table\n"
        "as for kiln fit, or a file of lines, each a text; - is the standard input.\n\n"
        "A model of a series says, in the file's own units and with its dates, what it would have\n"
        "forecast for the rows held out of its training, each from the rows before it, and what "
        "it\n"
        "forecasts for the rows behind the file's end.",
    .example = "  kiln predict digits.keras mnist\n"
               "  kiln predict iris.keras flowers.csv -o scores.npy\n"
               "  kiln predict pets.keras tom.jpg rex.png\n"
               "  echo \"You have won a prize\" | kiln predict spam.keras -\n"
               "  kiln predict air.keras airline-passengers.csv --steps 12 --plot air.svg",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .takes_common = true,
    .takes_data = true,
    .group = &forecast_group,
    .run = run,
};
