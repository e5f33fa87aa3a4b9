/* kiln fit */
#include "base/clock.h"
#include "base/file.h"
#include "cli/log_json.h"
#include "cli/networks.h"
#include "cli/objective.h"
#include "cli/run_report.h"
#include "cli/series.h"
#include "cli/text_data.h"
#include "train/resume.h"

#include <math.h>
#include <string.h>

static struct {
    const char *output, *history, *csv_log, *label, *class_weight, *validation_data, *checkpoint,
        *tensorboard, *log_json, *report, *initial_weights;
    bool resume;
    int64_t epochs, steps_per_epoch, early_stopping;
    double validation_split;
    objective_options objective;
    network_weights initial;
} given = {.early_stopping = -1};

#define AT(FIELD) offsetof(__typeof__(given), FIELD)

static const option options[] = {
    {"-o", OPTION_TEXT, AT(output), "FILE", "where to save the trained model", 0},
    {"--checkpoint", OPTION_TEXT, AT(checkpoint), "FILE",
     "keeps the whole state of the training there after each epoch", 0},
    {"--resume", OPTION_FLAG, AT(resume), NULL,
     "goes on from the checkpoint, if it is there, as if the training had never stopped", 0},
    {"--epochs", OPTION_WHOLE, AT(epochs), "N", "passes over the data (1; forecast: 200)", 1},
    {"--steps-per-epoch", OPTION_WHOLE, AT(steps_per_epoch), "N",
     "batches in an epoch (all the data)", 1},
    {"--optimizer", OPTION_TEXT, AT(objective.optimizer), "NAME",
     "sgd, adam (default), adamw, rmsprop or adagrad; with arguments in parentheses", 0},
    {"--learning-rate", OPTION_REAL, AT(objective.learning_rate), "X",
     "the optimizer's (Keras's default)", 0},
    {"--schedule", OPTION_TEXT, AT(objective.schedule), "S",
     "cosine, exponential, polynomial, piecewise; with arguments in parentheses", 0},
    {"--clipnorm", OPTION_REAL, AT(objective.clipnorm), "X", "clips each gradient to this norm", 0},
    {"--loss", OPTION_TEXT, AT(objective.loss), "L",
     "by Keras's name (from the labels and the last activation); of outputs: A=mse,B=huber", 0},
    {"--loss-weights", OPTION_TEXT, AT(objective.loss_weights), "X,...",
     "of the losses of several outputs, in order or by name: 1,0.3 or A=1,B=0.3", 0},
    {"--metrics", OPTION_TEXT, AT(objective.metrics), "M,...",
     "by Keras's names, or none (accuracy; mae for numbers)", 0},
    {"--validation-data", OPTION_TEXT, AT(validation_data), "DATA",
     "evaluated after each epoch (the test part of mnist and digits)", 0},
    {"--validation-split", OPTION_REAL, AT(validation_split), "F",
     "holds this share of the data back for evaluation", 0},
    {"--label", OPTION_TEXT, AT(label), "COLUMN",
     "label column of a CSV file, by name or index (the last)", 0},
    {"--class-weight", OPTION_TEXT, AT(class_weight), "balanced",
     "weighs classes by the inverse of their frequency", 0},
    {"--initial-weights", OPTION_TEXT, AT(initial_weights), "KIND",
     "of a built-in recurrent network: keras (default) or pytorch", 0},
    {"--embeddings-initializer", OPTION_TEXT, AT(initial.embeddings), "NAME",
     "of its Embedding, by Keras's name: random_normal(stddev=1)", 0},
    {"--kernel-initializer", OPTION_TEXT, AT(initial.kernel), "NAME",
     "of its recurrent layer's kernel", 0},
    {"--recurrent-initializer", OPTION_TEXT, AT(initial.recurrent), "NAME",
     "of its recurrent layer's recurrent kernel", 0},
    {"--bias-initializer", OPTION_TEXT, AT(initial.bias), "NAME", "of its recurrent layer's biases",
     0},
    {"--early-stopping", OPTION_WHOLE, AT(early_stopping), "N",
     "stops after N epochs without a better (validation) loss, and keeps the best weights", 0},
    {"--csv-log", OPTION_TEXT, AT(csv_log), "FILE", "the figures of each epoch, as they come", 0},
    {"--log-json", OPTION_TEXT, AT(log_json), "FILE", "the same with times, a line of JSON each",
     0},
    {"--tensorboard", OPTION_TEXT, AT(tensorboard), "DIR",
     "event files for TensorBoard: figures and histograms of the weights", 0},
    {"--report", OPTION_TEXT, AT(report), "FILE.html",
     "a page with curves, confusion matrix, figures of each class and the worst mistakes", 0},
    {"--history", OPTION_TEXT, AT(history), "FILE.json", "the figures of all epochs, at the end",
     0},
};

/* What one run holds. */
typedef struct fitting {
    const char *model_name, *data_name;
    kiln_device *device;
    kiln_dataset *data, *validation;
    kiln_model *model;
    double *class_weight;
    size_t class_count;
    const kiln_history *history;
    bool interrupted;
    double begun, ended;                /* of the training itself */
    double second_epoch;                /* when it began */
    int64_t earlier_steps, first_steps; /* before this training, and of its first epoch */
} fitting;

static int check_usage(void)
{
    if (given.validation_data && given.validation_split > 0)
        return usage_error(&command_fit, "--validation-data and --validation-split: only one of "
                                         "them can be used");
    if (given.validation_split >= 1)
        return usage_error(&command_fit, "--validation-split %g: it takes a share below 1",
                           given.validation_split);
    if (given.class_weight && strcmp(given.class_weight, "balanced") != 0)
        return usage_error(&command_fit, "--class-weight '%s': it takes balanced",
                           given.class_weight);
    if (given.initial_weights && strcmp(given.initial_weights, "keras") != 0 &&
        strcmp(given.initial_weights, "pytorch") != 0)
        return usage_error(&command_fit, "--initial-weights '%s': it takes keras or pytorch",
                           given.initial_weights);
    size_t length = given.report ? strlen(given.report) : 0;
    if (given.report && (length < 5 || strcmp(given.report + length - 5, ".html") != 0))
        return usage_error(&command_fit, "--report '%s': it takes a .html file", given.report);
    if (given.resume && given.checkpoint == NULL)
        return usage_error(&command_fit, "--resume: --checkpoint FILE says from where");
    return -1;
}

static kiln_status check_outputs(void)
{
    const char *const paths[] = {given.output, given.history, given.csv_log, given.log_json,
                                 given.report};
    if (given.checkpoint && !given.resume && file_exists(given.checkpoint))
        return kiln_fail(KILN_ERROR_FILE,
                         "%s holds a checkpoint already: another training would replace it; go on "
                         "with --resume, or remove it",
                         given.checkpoint);
    if (given.output)
        KILN_TRY(save_check_path(given.output));
    if (given.checkpoint)
        KILN_TRY(save_check_path(given.checkpoint));
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (paths[i])
            KILN_TRY(file_writable(paths[i]));
    return KILN_OK;
}

/* ---- opening ---- */

/* A training that goes on has the seed it began with: it draws the validation data too. */
static kiln_status take_seed(const fitting *f)
{
    uint64_t seed;
    if (!given.resume || !file_exists(given.checkpoint))
        return KILN_OK;
    KILN_TRY(resume_seeds(given.checkpoint, &f->model->seed, &seed));
    if (common.verbose > 0)
        printf("going on from %s\n", given.checkpoint);
    return KILN_OK;
}

/* Initial weights by the options. */
static kiln_status choose_weights(const fitting *f)
{
    const network_weights *w = &given.initial;
    const network *which = session_is_builtin(f->model_name) ? network_find(f->model_name) : NULL;
    bool some = w->embeddings || w->kernel || w->recurrent || w->bias || given.initial_weights;
    if (some && (which == NULL || which->task == NULL))
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: initial weights are chosen for the built-in recurrent networks; of "
                         "other models they stand in the .json file",
                         f->model_name);
    network_initial = *w;
    network_initial.pytorch =
        given.initial_weights && strcmp(given.initial_weights, "pytorch") == 0;
    return KILN_OK;
}

/* The seed that draws which lines are held back: it must be known before a network is made. */
static kiln_status text_seed(const fitting *f, uint64_t *seed)
{
    uint64_t other;
    if (f->model) {
        KILN_TRY(model_seed_weights(f->model));
        *seed = common.seed ? common.seed : f->model->seed;
    } else {
        if (given.resume && file_exists(given.checkpoint))
            KILN_TRY(resume_seeds(given.checkpoint, &common.seed, &other));
        if (common.seed == 0)
            common.seed = model_draw_seed();
        *seed = common.seed;
    }
    return KILN_OK;
}

/* Text, and the part of it that is held back: the vocabulary is that of the other one. */
static kiln_status open_text(fitting *f, const char *task)
{
    bool stream = strcmp(task, "generate") == 0;
    text_wish wish = {.model = f->model, .label = given.label, .labels = KILN_YES};
    wish.split = given.validation_split > 0         ? given.validation_split
                 : stream && !given.validation_data ? TEXT_HELD_BACK
                                                    : 0;
    KILN_TRY(text_seed(f, &wish.seed));
    f->data = text_open(f->data_name, &wish);
    if (f->data == NULL)
        return kiln_last_status();
    if (given.validation_data || wish.split > 0) {
        text_wish other = wish;
        other.like = f->data;
        other.validation = !given.validation_data;
        if (given.validation_data)
            other.split = 0;
        f->validation =
            text_open(given.validation_data ? given.validation_data : f->data_name, &other);
        if (f->validation == NULL)
            return kiln_last_status();
    }
    given.validation_split = 0; /* done */
    return KILN_OK;
}

static void say_text(const fitting *f, int64_t steps)
{
    const model_text *rules = &f->data->text;
    const char *unit = rules->split[0] == 'c' ? "characters" : "words";
    bool stream = strcmp(rules->task, "generate") == 0;
    if (common.verbose == 0)
        return;
    printf("text: %zu %s%s in the vocabulary, samples of %s\n", rules->token_count,
           stream && rules->split[0] == 'c' ? "" : "different ", unit,
           session_count(rules->length));
    if (f->validation)
        printf("validation: %s samples beside %s, %s\n", session_count(f->validation->samples),
               session_count(f->data->samples),
               given.validation_data ? "from the file given"
               : stream              ? "the end of the text"
                                     : "drawn by the seed, from each class its share");
    if (steps > 0)
        printf("an epoch is %s steps: as many windows, drawn by the seed, as cover the text once\n",
               session_count(steps));
}

static kiln_status open_all(fitting *f)
{
    bool builtin = session_is_builtin(f->model_name);
    if (given.epochs == 0)
        given.epochs = builtin ? network_epochs(network_find(f->model_name)) : 1;
    KILN_TRY(choose_weights(f));
    text_expect(f->model_name);
    if (!builtin) {
        f->model = session_model(f->model_name, NULL);
        if (f->model == NULL)
            return kiln_last_status();
    }
    const char *task = text_task(f->model);
    if (series_is_meant(f->model_name, f->model)) {
        if (given.validation_data)
            return kiln_fail(KILN_ERROR_ARGUMENT, "--validation-data: a series is validated on its "
                                                  "own last windows; use --validation-split");
        KILN_TRY(series_training_data(f->data_name, f->model, common.verbose > 0, &f->data));
    } else if (task) {
        KILN_TRY(open_text(f, task));
    } else {
        f->data = session_data(f->data_name, "train", given.label, f->model, KILN_YES);
    }
    if (f->data == NULL)
        return kiln_last_status();
    if (given.objective.loss && builtin) { /* a regression on integers wants one output */
        kiln_loss_kind kind;
        KILN_TRY(loss_find(given.objective.loss, &kind));
        if (kind != KILN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY &&
            kind != KILN_LOSS_CATEGORICAL_CROSSENTROPY)
            KILN_TRY(dataset_labels_as_numbers(f->data));
    }
    if (builtin) {
        f->model = session_model(f->model_name, f->data);
        if (f->model == NULL)
            return kiln_last_status();
    }
    KILN_TRY(take_seed(f));
    KILN_TRY(session_match(f->data, f->model, true));
    if (f->validation)
        KILN_TRY(session_match(f->validation, f->model, true));
    if (given.validation_data && f->validation == NULL) {
        kiln_dataset_args args = {.part = "test",
                                  .label = given.label,
                                  .has_labels = KILN_YES,
                                  .class_count = f->data->class_count,
                                  .class_names = (const char *const *)f->data->class_names};
        session_pictures(&args, f->data->inputs[0].shape);
        f->validation = kiln_dataset_open_with(given.validation_data, &args);
        if (f->validation == NULL)
            return kiln_last_status();
        session_skipped(f->validation);
        if (session_is_bytes(f->data) && session_is_bytes(f->validation))
            f->validation->scale = f->data->scale;
        KILN_TRY(session_match(f->validation, f->model, true));
    }
    f->device = session_device();
    return f->device ? KILN_OK : kiln_last_status();
}

/* Puts the part that is held back into f->validation. */
static kiln_status split(fitting *f)
{
    kiln_dataset *whole = f->data, *train, *held;
    if (given.validation_split <= 0)
        return KILN_OK;
    KILN_TRY(model_seed_weights(f->model)); /* the model's seed draws the part */
    uint64_t seed = common.seed ? common.seed : f->model->seed;
    KILN_TRY(dataset_validation_split(whole, given.validation_split, seed, &train, &held));
    f->data = train;
    f->validation = held;
    if (common.verbose > 0) {
        const char *how = !whole->split_by_class ? "the last ones"
                          : whole->class_count   ? "drawn by the seed, from each class its share"
                                                 : "drawn by the seed";
        printf("validation: %s of %s samples, %s\n", session_count(held->samples),
               session_count(whole->samples), how);
    }
    kiln_dataset_free(whole);
    return KILN_OK;
}

/* Keras's recipe: samples / (classes * samples of the class), over the classes that occur. */
static kiln_status balance(fitting *f)
{
    const kiln_dataset *d = f->data;
    if (d->target_count != 1 || d->function || d->targets[0].dtype == KILN_FLOAT32 ||
        kiln_shape_size(d->targets[0].shape) != 1)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "--class-weight balanced: the targets of %s are not class numbers",
                         f->data_name);
    const data_column *target = &d->targets[0];
    size_t classes = (size_t)kiln_shape_size(kiln_model_output_shape(f->model, 0));
    if (classes == 1)
        classes = 2;
    f->class_weight = mem_new(classes, sizeof *f->class_weight);
    if (f->class_weight == NULL)
        return KILN_ERROR_MEMORY;
    f->class_count = classes;
    size_t present = 0;
    for (int64_t i = 0; i < d->samples; i++) {
        int64_t label = data_column_label(target, i);
        if (label >= 0 && (size_t)label < classes) /* kiln_fit says what is wrong with others */
            present += f->class_weight[label]++ == 0;
    }
    for (size_t i = 0; i < classes; i++)
        f->class_weight[i] = f->class_weight[i] > 0
                                 ? (double)d->samples / ((double)present * f->class_weight[i])
                                 : 1;
    return KILN_OK;
}

/* ---- training ---- */

static kiln_status on_train_begin(void *user, kiln_model *model)
{
    fitting *f = user;
    f->begun = clock_seconds();
    f->earlier_steps = training_of(model)->optimizer.iterations;
    return KILN_OK;
}

static kiln_status on_epoch_begin(void *user, kiln_model *model, int64_t epoch)
{
    fitting *f = user;
    if (epoch == 1) {
        f->second_epoch = clock_seconds();
        f->first_steps = training_of(model)->optimizer.iterations - f->earlier_steps;
    }
    return KILN_OK;
}

static kiln_status make_callbacks(fitting *f, kiln_callback **callbacks)
{
    size_t count = 0, wanted = 1;
    static const kiln_callback_functions clock = {.on_train_begin = on_train_begin,
                                                  .on_epoch_begin = on_epoch_begin};
    callbacks[count] = kiln_callback_new(&clock, f);
    count += callbacks[count] != NULL;
    if (given.early_stopping >= 0) {
        wanted++;
        callbacks[count] =
            kiln_early_stopping(.monitor = f->validation ? "val_loss" : "loss",
                                .patience = given.early_stopping, .restore_best_weights = KILN_YES,
                                .verbose = common.verbose > 0);
        count += callbacks[count] != NULL;
    }
    if (given.csv_log) {
        wanted++;
        callbacks[count] = kiln_csv_logger(given.csv_log);
        count += callbacks[count] != NULL;
    }
    if (given.log_json) {
        wanted++;
        callbacks[count] = log_json_callback(given.log_json, given.resume);
        count += callbacks[count] != NULL;
    }
    if (given.tensorboard) {
        wanted++;
        callbacks[count] = kiln_tensorboard(.log_dir = given.tensorboard, .histogram_freq = 1,
                                            .write_steps_per_second = KILN_YES);
        count += callbacks[count] != NULL;
    }
    if (count == wanted)
        return KILN_OK;
    for (size_t i = 0; i < count; i++)
        kiln_callback_free(callbacks[i]);
    return kiln_last_status();
}

static kiln_status train(fitting *f)
{
    kiln_fit_args args = {.model = f->model,
                          .data = f->data,
                          .batch_size = common.batch_size ? common.batch_size : 32,
                          .epochs = given.epochs,
                          .steps_per_epoch = given.steps_per_epoch,
                          .shuffle = texts.contiguous ? KILN_NO : KILN_DEFAULT,
                          .validation_data = f->validation,
                          .class_weight = f->class_weight,
                          .class_weight_count = f->class_count,
                          .seed = common.seed,
                          .verbose = common.verbose ? common.verbose : KILN_NO,
                          .checkpoint = given.checkpoint,
                          .resume = given.resume ? KILN_YES : KILN_NO,
                          .check_numerics = common.check_numerics};
    KILN_TRY(make_callbacks(f, args.callbacks));
    kiln_clear_error();
    fflush(stdout);
    session_begin_training();
    f->history = kiln_fit_with(&args);
    f->ended = clock_seconds();
    session_end_training();
    f->interrupted = kiln_last_status() == KILN_INTERRUPTED;
    return f->history ? KILN_OK : kiln_last_status();
}

/* ---- what is kept ---- */

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
    kiln_status status = file_write_atomic(given.history, dump, strlen(dump));
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

static void say_end(const fitting *f)
{
    const model_training *t = training_of(f->model);
    double seconds = f->begun > 0 ? f->ended - f->begun : 0;
    int64_t steps = t->optimizer.iterations - f->earlier_steps;
    const kiln_device_info *info = kiln_device_describe(f->device);
    if (f->interrupted)
        printf("Interrupted after %zu whole epochs. ", kiln_history_epochs(f->history));
    printf("Trained on %s (%s, %s): %s steps in %.1f s", info->name,
           kiln_device_type_name(info->type), info->platform, session_count(steps), seconds);
    double step = step_seconds(f, steps);
    if (step > 0)
        printf(", %.3f ms a step", 1e3 * step);
    printf(".\n");
    const model_text *rules = &f->data->text;
    if (given.output && rules->tokens && strcmp(rules->task, "generate") == 0)
        printf("Saved in %s; kiln generate %s writes text.\n", given.output, given.output);
    else if (given.output)
        printf("Saved in %s; kiln evaluate %s %s tests it.\n", given.output, given.output,
               f->data_name);
    else
        printf("Nothing was saved: -o FILE keeps the trained model.\n");
}

static kiln_status write_report(const fitting *f)
{
    const kiln_device_info *info = kiln_device_describe(f->device);
    char title[300], lead[500];
    double seconds = f->begun > 0 ? f->ended - f->begun : 0;
    snprintf(title, sizeof title, "%.120s on %.120s", f->model_name, f->data_name);
    snprintf(lead, sizeof lead, "%zu epochs in %.1f s on %.200s%s.",
             kiln_history_epochs(f->history), seconds, info->name,
             f->interrupted ? ", then interrupted" : "");
    return run_report_write(
        &(run_report){.title = title,
                      .lead = lead,
                      .model = f->model,
                      .history = f->history,
                      .data = f->validation ? f->validation : f->data,
                      .data_name = f->validation ? "the validation data" : "the training data",
                      .batch = common.batch_size ? common.batch_size : 32},
        given.report);
}

static kiln_status keep(const fitting *f)
{
    if (given.output)
        KILN_TRY(kiln_save(f->model, given.output));
    if (given.history)
        KILN_TRY(write_history(f));
    return given.report ? write_report(f) : KILN_OK;
}

static kiln_status fit(fitting *f)
{
    KILN_TRY(session_start());
    KILN_TRY(check_outputs());
    KILN_TRY(open_all(f));
    KILN_TRY(split(f));
    int64_t batch = common.batch_size ? common.batch_size : 32;
    int64_t cover =
        given.steps_per_epoch || texts.contiguous ? 0 : text_epoch_steps(f->data, batch);
    if (cover > 0)
        given.steps_per_epoch = cover;
    if (f->data->text.tokens)
        say_text(f, cover);
    const network *which = session_is_builtin(f->model_name) ? network_find(f->model_name) : NULL;
    if (which && f->data->text.tokens && strcmp(f->data->text.task, "generate") == 0 &&
        given.objective.learning_rate == 0 && given.objective.optimizer == NULL)
        given.objective.learning_rate = which->rate;
    int64_t steps = given.steps_per_epoch  ? given.steps_per_epoch
                    : f->data->samples > 0 ? (f->data->samples + batch - 1) / batch
                                           : 1;
    given.objective.steps = steps * given.epochs;
    KILN_TRY(objective_compile(f->model, f->data, f->device, &given.objective, common.verbose > 0));
    if (f->validation)
        KILN_TRY(objective_prepare(f->model, f->validation));
    if (given.class_weight)
        KILN_TRY(balance(f));
    KILN_TRY(train(f));
    KILN_TRY(keep(f));
    if (common.verbose > 0)
        say_end(f);
    return KILN_OK;
}

static int run(int count, char **words)
{
    int status = options_parse(&command_fit, &given, &count, words);
    if (status < 0)
        status = check_usage();
    if (status >= 0)
        return status;
    fitting f = {.model_name = words[0], .data_name = words[1]};
    if (fit(&f) != KILN_OK)
        status = cli_fail();
    else
        status = f.interrupted ? EXIT_INTERRUPTED : EXIT_DONE;
    kiln_model_free(f.model);
    kiln_dataset_free(f.validation);
    kiln_dataset_free(f.data);
    kiln_device_close(f.device);
    free(f.class_weight);
    return status;
}

const command command_fit = {
    .name = "fit",
    .arguments = "MODEL DATA",
    .least_arguments = 2,
    .most_arguments = 2,
    .summary = "train a network and save it",
    .help =
        "Trains MODEL on DATA.\n\n"
        "MODEL is a built-in network (kiln new lists them), a Keras architecture .json, or a "
        "saved\n"
        "model. DATA is mnist or digits (:train or :test behind it), IMAGES,LABELS of IDX files\n"
        "(plain or gzip), .npz with x and y, X.npy,Y.npy, .csv or .tsv with or without a "
        "header,\n"
        "a folder of pictures (DIR/CLASS/*.png, .jpg, .jpeg, maybe below train/ and test/), a "
        ".tar,\n"
        ".tar.gz or .zip of one, or CIFAR's binary files; for simple_rnn, lstm, gru and\n"
        "bilstm_classifier, and with --task, text: a file whose characters a network learns to\n"
        "continue (the last tenth is held back), or labelled lines (.tsv or .csv).\n\n"
        "The loss is that of the model's compile configuration, else it follows from the labels "
        "and\n"
        "the last activation; it is printed. --validation-split takes the last part of arrays and\n"
        "IDX images, and a part drawn by the seed of CSV files and pictures. Ctrl-C ends the "
        "training after the\n"
        "running steps, saves the model as it is then, and exits 130.",
    .example = "  kiln fit mlp mnist --epochs 5 -o digits.keras\n"
               "  kiln fit tabular iris.csv --epochs 50 --validation-split 0.2 -o iris.keras\n"
               "  kiln fit lstm shakespeare.txt --sequence-length 64 --epochs 4 -o poet.keras\n"
               "  kiln fit gru sms.tsv --task classify --validation-split 0.2 -o spam.keras",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .takes_common = true,
    .takes_data = true,
    .group = &series_fit_group,
    .run = run,
};
