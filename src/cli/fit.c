/* kiln fit */
#include "cli/fit.h"

#include "base/clock.h"
#include "base/file.h"
#include "cli/log_json.h"
#include "cli/series.h"
#include "cli/text_data.h"
#include "train/training.h"

#include <string.h>

static fit_options given = {.early_stopping = -1};

#define AT(FIELD) offsetof(fit_options, FIELD)

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
     "other data, evaluated after each epoch (none); of mnist and digits their test part", 0},
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
    {"--embedding-vectors", OPTION_TEXT, AT(vectors), "FILE",
     "fills its Embedding from a text file of word2vec or GloVe, which says how wide it is", 0},
    {"--freeze-vectors", OPTION_FLAG, AT(freeze_vectors), NULL,
     "the Embedding keeps them as they are", 0},
    {"--early-stopping", OPTION_WHOLE, AT(early_stopping), "N",
     "stops after N epochs without a better (validation) loss, and keeps the best weights", 0},
    {"--csv-log", OPTION_TEXT, AT(csv_log), "FILE", "the figures of each epoch, as they come", 0},
    {"--log-json", OPTION_TEXT, AT(log_json), "FILE", "the same with times, a line of JSON each",
     0},
    {"--tensorboard", OPTION_TEXT, AT(tensorboard), "DIR",
     "event files for TensorBoard: figures, histograms of weights and gradients, pictures", 0},
    {"--report", OPTION_TEXT, AT(report), "FILE.html",
     "a page with curves, confusion matrix, figures of each class and the worst mistakes", 0},
    {"--history", OPTION_TEXT, AT(history), "FILE.json", "the figures of all epochs, at the end",
     0},
};

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
    if (given.freeze_vectors && given.vectors == NULL)
        return usage_error(&command_fit, "--freeze-vectors: --embedding-vectors FILE says which");
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
        callbacks[count] =
            kiln_tensorboard(.log_dir = given.tensorboard, .histogram_freq = 1,
                             .write_grads = KILN_YES, .write_steps_per_second = KILN_YES);
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

static kiln_status fit(fitting *f)
{
    KILN_TRY(session_start());
    KILN_TRY(check_outputs());
    KILN_TRY(fit_open(f));
    KILN_TRY(fit_split(f));
    int64_t batch = common.batch_size ? common.batch_size : 32;
    int64_t cover =
        given.steps_per_epoch || texts.contiguous ? 0 : text_epoch_steps(f->data, batch);
    if (cover > 0)
        given.steps_per_epoch = cover;
    if (f->data->text.tokens)
        fit_say_text(f, cover);
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
        KILN_TRY(fit_balance(f));
    KILN_TRY(train(f));
    KILN_TRY(fit_keep(f));
    if (common.verbose > 0)
        fit_say_end(f);
    return KILN_OK;
}

static int run(int count, char **words)
{
    int status = options_parse(&command_fit, &given, &count, words);
    if (status < 0)
        status = check_usage();
    if (status >= 0)
        return status;
    fitting f = {.given = &given, .model_name = words[0], .data_name = words[1]};
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
