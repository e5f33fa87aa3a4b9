/* kiln fit: opening the model and its data. */
#include "cli/fit.h"

#include "base/file.h"
#include "cli/series.h"
#include "cli/text_data.h"
#include "format/word_vectors.h"
#include "train/resume.h"

#include <string.h>

/* A training that goes on has the seed it began with: it draws the validation data too. */
static kiln_status take_seed(const fitting *f)
{
    uint64_t seed;
    if (!f->given->resume || !file_exists(f->given->checkpoint))
        return KILN_OK;
    KILN_TRY(resume_seeds(f->given->checkpoint, &f->model->seed, &seed));
    if (common.verbose > 0)
        printf("going on from %s\n", f->given->checkpoint);
    return KILN_OK;
}

/* Initial weights by the options. */
static kiln_status choose_weights(const fitting *f)
{
    const network_weights *w = &f->given->initial;
    const network *which = session_is_builtin(f->model_name) ? network_find(f->model_name) : NULL;
    bool some = w->embeddings || w->kernel || w->recurrent || w->bias || f->given->initial_weights;
    if (some && (which == NULL || which->task == NULL))
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: initial weights are chosen for the built-in recurrent networks; of "
                         "other models they stand in the .json file",
                         f->model_name);
    network_initial = *w;
    network_initial.pytorch =
        f->given->initial_weights && strcmp(f->given->initial_weights, "pytorch") == 0;
    return f->given->vectors ? word_vectors_width(f->given->vectors, &network_initial.width) : KILN_OK;
}

/* --embedding-vectors: the data's words in the file, if there are any. */
static kiln_status load_vectors(const fitting *f)
{
    const model_text *words = &f->data->text;
    size_t missing;
    if (words->tokens == NULL)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "--embedding-vectors %s: %s holds no text, whose words could be looked up in it",
                         f->given->vectors, f->data_name);
    KILN_TRY(kiln_load_word_vectors(&missing, f->model, .path = f->given->vectors, .count = words->token_count,
                                    .words = (const char *const *)words->tokens,
                                    .freeze = f->given->freeze_vectors ? KILN_YES : KILN_NO));
    const size_t named = words->token_count - (model_text_reserves(words) ? 2 : 0);
    const size_t found = words->token_count - (words->tokens[0][0] == '\0') - missing;
    if (found == 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "--embedding-vectors %s: not one of the %zu words of %s is in it",
                         f->given->vectors, named, f->data_name);
    if (common.verbose > 0)
        printf("vectors: %s of %s words are in %s\n", session_count((int64_t)found),
               session_count((int64_t)named), f->given->vectors);
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
        if (f->given->resume && file_exists(f->given->checkpoint))
            KILN_TRY(resume_seeds(f->given->checkpoint, &common.seed, &other));
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
    text_wish wish = {.model = f->model, .label = f->given->label, .labels = KILN_YES};
    wish.split = f->given->validation_split > 0         ? f->given->validation_split
                 : stream && !f->given->validation_data ? TEXT_HELD_BACK
                                                        : 0;
    KILN_TRY(text_seed(f, &wish.seed));
    f->data = text_open(f->data_name, &wish);
    if (f->data == NULL)
        return kiln_last_status();
    if (f->given->validation_data || wish.split > 0) {
        text_wish other = wish;
        other.like = f->data;
        other.validation = !f->given->validation_data;
        other.once = true;
        if (f->given->validation_data)
            other.split = 0;
        f->validation =
            text_open(f->given->validation_data ? f->given->validation_data : f->data_name, &other);
        if (f->validation == NULL)
            return kiln_last_status();
    }
    f->given->validation_split = 0; /* done */
    return KILN_OK;
}

void fit_say_text(const fitting *f, int64_t steps)
{
    const model_text *rules = &f->data->text;
    const char *unit = rules->split[0] == 'c' ? "characters" : "words";
    bool stream = strcmp(rules->task, "generate") == 0;
    if (common.verbose == 0)
        return;
    if (f->data->columns_read)
        printf("columns: %s\n", f->data->columns_read);
    printf("text: %zu %s%s in the vocabulary, samples of %s\n", rules->token_count,
           stream && rules->split[0] == 'c' ? "" : "different ", unit,
           session_count(rules->length));
    if (f->validation)
        printf("validation: %s samples beside %s, %s\n", session_count(f->validation->samples),
               session_count(f->data->samples),
               f->given->validation_data ? "from the file given"
               : stream                  ? "the end of the text"
                                         : "drawn by the seed, from each class its share");
    if (steps > 0)
        printf("an epoch is %s steps: as many windows, drawn by the seed, as cover the text once\n",
               session_count(steps));
    fflush(stdout);
    text_say_contiguous(f->model);
}

kiln_status fit_open(fitting *f)
{
    bool builtin = session_is_builtin(f->model_name);
    if (f->given->epochs == 0)
        f->given->epochs = builtin ? network_epochs(network_find(f->model_name)) : 1;
    KILN_TRY(choose_weights(f));
    text_expect(f->model_name);
    if (!builtin) {
        f->model = session_model_for(f->model_name, f->data_name, f->given->label, KILN_YES);
        if (f->model == NULL)
            return kiln_last_status();
    }
    const char *task = text_task(f->model);
    if (series_is_meant(f->model_name, f->model)) {
        if (f->given->validation_data)
            return kiln_fail(KILN_ERROR_ARGUMENT, "--validation-data: a series is validated on its "
                                                  "own last windows; use --validation-split");
        KILN_TRY(series_training_data(f->data_name, f->model, common.verbose > 0, &f->data));
    } else if (task) {
        KILN_TRY(open_text(f, task));
    } else {
        f->data = session_data(f->data_name, "train", f->given->label, f->model, KILN_YES);
    }
    if (f->data == NULL)
        return kiln_last_status();
    if (f->given->objective.loss && builtin) { /* a regression on integers wants one output */
        kiln_loss_kind kind;
        KILN_TRY(loss_find(f->given->objective.loss, &kind));
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
    if (f->given->vectors)
        KILN_TRY(load_vectors(f));
    KILN_TRY(session_match(f->data, f->model, true));
    if (f->validation)
        KILN_TRY(session_match(f->validation, f->model, true));
    if (f->given->validation_data && f->validation == NULL) {
        kiln_dataset_args args = {.part = "test",
                                  .label = f->given->label,
                                  .has_labels = KILN_YES,
                                  .class_count = f->data->class_count,
                                  .class_names = (const char *const *)f->data->class_names};
        session_pictures(&args, f->data->inputs[0].shape);
        f->validation = kiln_dataset_open_with(f->given->validation_data, &args);
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
kiln_status fit_split(fitting *f)
{
    kiln_dataset *whole = f->data, *train, *held;
    if (f->given->validation_split <= 0)
        return KILN_OK;
    KILN_TRY(model_seed_weights(f->model)); /* the model's seed draws the part */
    uint64_t seed = common.seed ? common.seed : f->model->seed;
    KILN_TRY(dataset_validation_split(whole, f->given->validation_split, seed, &train, &held));
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
kiln_status fit_balance(fitting *f)
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
