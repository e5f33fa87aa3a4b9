/* The optimizer that a command line asks for. */
#include "cli/objective.h"

#include "layer/layer.h"
#include "train/training.h"

#include <string.h>
#include <strings.h>

/* "sgd", or with Keras's arguments: "sgd(momentum=0.9, nesterov=true)". */
static kiln_status named_optimizer(const char *source, kiln_optimizer *o)
{
    static const struct {
        const char *name;
        kiln_optimizer_kind kind;
    } kinds[] = {{"sgd", KILN_OPTIMIZER_SGD},
                 {"adam", KILN_OPTIMIZER_ADAM},
                 {"adamw", KILN_OPTIMIZER_ADAMW},
                 {"rmsprop", KILN_OPTIMIZER_RMSPROP},
                 {"adagrad", KILN_OPTIMIZER_ADAGRAD}};
    const struct {
        const char *name, *of; /* the optimizers that have it */
        double *number;
        kiln_choice *choice;
    } arguments[] = {{"learning_rate", "sgd adam adamw rmsprop adagrad", &o->learning_rate, NULL},
                     {"momentum", "sgd rmsprop", &o->momentum, NULL},
                     {"nesterov", "sgd", NULL, &o->nesterov},
                     {"beta_1", "adam adamw", &o->beta_1, NULL},
                     {"beta_2", "adam adamw", &o->beta_2, NULL},
                     {"amsgrad", "adam adamw", NULL, &o->amsgrad},
                     {"rho", "rmsprop", &o->rho, NULL},
                     {"centered", "rmsprop", NULL, &o->centered},
                     {"epsilon", "adam adamw rmsprop adagrad", &o->epsilon, NULL},
                     {"initial_accumulator_value", "adagrad", &o->initial_accumulator_value, NULL},
                     {"weight_decay", "sgd adam adamw rmsprop adagrad", &o->weight_decay, NULL}};
    enum { ARGUMENTS = sizeof arguments / sizeof *arguments };
    const char *keys[ARGUMENTS + 1] = {NULL};
    size_t key_count = 0;
    spec s;
    bool found = false;
    if (spec_parse(source, "optimizer", &s) != KILN_OK)
        return kiln_fail_in("--optimizer");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcasecmp(kinds[i].name, s.name) == 0) {
            o->kind = kinds[i].kind;
            for (size_t k = 0; k < ARGUMENTS; k++) {
                const char *at = strstr(arguments[k].of, kinds[i].name);
                size_t length = strlen(kinds[i].name);
                if (at && strcmp(kinds[i].name, "adam") == 0 && at[length] != ' ')
                    at = NULL;
                if (at)
                    keys[key_count++] = arguments[k].name;
            }
            found = true;
        }
    if (!found)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "--optimizer '%s': there is none of that name; use sgd, adam, adamw, "
                         "rmsprop or adagrad",
                         s.name);
    if (spec_only(&s, "optimizer", keys) != KILN_OK)
        return kiln_fail_in("--optimizer");
    for (int i = 0; i < s.count; i++) {
        const char *key = s.keys[i][0] ? s.keys[i] : keys[i];
        if (s.words[i][0] || s.given_none[i])
            return kiln_fail(KILN_ERROR_ARGUMENT, "--optimizer '%s': %s must be a number", source,
                             key);
        for (size_t k = 0; k < ARGUMENTS; k++)
            if (strcmp(arguments[k].name, key) == 0) {
                if (arguments[k].choice)
                    *arguments[k].choice = s.values[i] != 0 ? KILN_YES : KILN_NO;
                else
                    *arguments[k].number = s.values[i] == 0 ? KILN_ZERO : s.values[i];
            }
    }
    return KILN_OK;
}

static kiln_status no_key(const spec *s, const char *const *keys)
{
    return spec_only(s, "schedule", keys) == KILN_OK ? KILN_OK : kiln_fail_in("--schedule");
}

/* "cosine", "exponential(decay_rate=0.5, decay_steps=1000)", ...; Keras's names and defaults, with
 * the steps of the whole training where decay_steps is not given. */
static kiln_status parse_schedule(const char *given, double rate, int64_t steps, kiln_schedule *out)
{
    spec s;
    KILN_TRY(spec_parse(given, "--schedule", &s));
    kiln_schedule made = {.initial_learning_rate = rate};
    bool exponential = strcmp(s.name, "exponential") == 0;
    made.decay_steps = (int64_t)spec_number(&s, "decay_steps", exponential ? 1 : 0, (double)steps);
    if (exponential) {
        static const char *const keys[] = {"decay_rate", "decay_steps", "staircase", NULL};
        KILN_TRY(no_key(&s, keys));
        made.kind = KILN_SCHEDULE_EXPONENTIAL;
        made.decay_rate = spec_number(&s, "decay_rate", 0, 0.96);
        made.staircase = spec_number(&s, "staircase", 2, 0) != 0 ? KILN_YES : KILN_DEFAULT;
    } else if (strcmp(s.name, "cosine") == 0) {
        static const char *const keys[] = {"decay_steps", "alpha", "warmup_steps", "warmup_target",
                                           NULL};
        KILN_TRY(no_key(&s, keys));
        made.kind = KILN_SCHEDULE_COSINE;
        made.alpha = spec_number(&s, "alpha", 1, 0);
        made.warmup_steps = (int64_t)spec_number(&s, "warmup_steps", 2, 0);
        made.warmup_target = spec_number(&s, "warmup_target", 3, 0);
        if (made.warmup_steps > 0 && made.warmup_target == 0) {
            made.warmup_target = rate;
            made.initial_learning_rate = KILN_ZERO;
        }
        if (made.warmup_steps > 0 && made.decay_steps == steps && steps > made.warmup_steps)
            made.decay_steps = steps - made.warmup_steps;
    } else if (strcmp(s.name, "polynomial") == 0) {
        static const char *const keys[] = {"decay_steps", "end_learning_rate", "power", "cycle",
                                           NULL};
        KILN_TRY(no_key(&s, keys));
        made.kind = KILN_SCHEDULE_POLYNOMIAL;
        made.end_learning_rate = spec_number(&s, "end_learning_rate", 1, 0.0001);
        made.power = spec_number(&s, "power", 2, 1);
        made.cycle = spec_number(&s, "cycle", 3, 0) != 0 ? KILN_YES : KILN_DEFAULT;
    } else if (strcmp(s.name, "piecewise") == 0) {
        if (s.count == 0 || s.count % 2)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "--schedule '%s': piecewise takes pairs of a step and the rate from "
                             "it on: piecewise(1000, 0.0005, 2000, 0.0001)",
                             given);
        made.kind = KILN_SCHEDULE_PIECEWISE;
        made.values[0] = rate;
        made.piece_count = s.count / 2;
        for (int i = 0; i < made.piece_count; i++) {
            made.boundaries[i] = s.values[2 * i];
            made.values[i + 1] = s.values[2 * i + 1];
        }
    } else {
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "--schedule '%s': there is none of that name; use exponential, cosine, "
                         "polynomial or piecewise",
                         s.name);
    }
    *out = made;
    return KILN_OK;
}

/* A resolved optimizer as an argument: what is zero there is zero on purpose. */
static void say_zeros(kiln_optimizer *o)
{
    double *fields[] = {
        &o->learning_rate, &o->momentum, &o->beta_1,       &o->beta_2,
        &o->rho,           &o->epsilon,  &o->weight_decay, &o->initial_accumulator_value};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (*fields[i] == 0)
            *fields[i] = KILN_ZERO;
}

kiln_status objective_optimizer(const kiln_model *model, const objective_options *given,
                                kiln_optimizer *out)
{
    const model_training *t = training_of(model);
    bool from_file = t && t->compiled;
    kiln_optimizer o = {.kind = KILN_OPTIMIZER_ADAM};
    if (from_file && !given->optimizer) {
        if (!given->schedule && given->learning_rate == 0 && given->clipnorm == 0)
            return KILN_OK; /* as the file says, its state included */
        o = t->optimizer.args;
        say_zeros(&o);
    }
    if (given->optimizer)
        KILN_TRY(named_optimizer(given->optimizer, &o));
    if (given->learning_rate > 0) {
        o.learning_rate = given->learning_rate;
        o.schedule = (kiln_schedule){0};
    }
    if (given->clipnorm > 0) {
        o.clipnorm = given->clipnorm;
        o.clipvalue = o.global_clipnorm = 0;
    }
    if (given->schedule) {
        kiln_optimizer full;
        KILN_TRY(optimizer_resolve(&o, &full));
        KILN_TRY(parse_schedule(given->schedule, full.learning_rate, given->steps, &o.schedule));
    }
    *out = o;
    return KILN_OK;
}
