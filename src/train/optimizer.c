#include "train/optimizer.h"

#include <math.h>
#include <string.h>

static const char *const class_names[] = {"RMSprop", "SGD", "Adam", "AdamW", "RMSprop", "Adagrad"};

const char *optimizer_class_name(kiln_optimizer_kind kind)
{
    return class_names[kind];
}

static kiln_status check_share(const char *class_name, const char *field, double value)
{
    if (value >= 0 && value <= 1)
        return KILN_OK;
    return kiln_fail(KILN_ERROR_ARGUMENT, "%s: %s is %g; it must lie between 0 and 1", class_name,
                     field, value);
}

static kiln_status check_positive(const char *class_name, const char *field, double value)
{
    if (value >= 0 && isfinite(value))
        return KILN_OK;
    return kiln_fail(KILN_ERROR_ARGUMENT, "%s: %s is %g; it must be finite and not negative",
                     class_name, field, value);
}

static kiln_status check(const kiln_optimizer *o)
{
    const char *name = optimizer_class_name(o->kind);
    KILN_TRY(check_positive(name, "learning_rate", o->learning_rate));
    KILN_TRY(check_share(name, "momentum", o->momentum));
    KILN_TRY(check_share(name, "beta_1", o->beta_1));
    KILN_TRY(check_share(name, "beta_2", o->beta_2));
    KILN_TRY(check_share(name, "rho", o->rho));
    KILN_TRY(check_positive(name, "epsilon", o->epsilon));
    KILN_TRY(check_positive(name, "initial_accumulator_value", o->initial_accumulator_value));
    KILN_TRY(check_positive(name, "weight_decay", o->weight_decay));
    KILN_TRY(check_positive(name, "clipnorm", o->clipnorm));
    KILN_TRY(check_positive(name, "clipvalue", o->clipvalue));
    KILN_TRY(check_positive(name, "global_clipnorm", o->global_clipnorm));
    if ((o->clipnorm > 0) + (o->clipvalue > 0) + (o->global_clipnorm > 0) > 1)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: only one of clipnorm (%g), clipvalue (%g) and global_clipnorm (%g) "
                         "can be set",
                         name, o->clipnorm, o->clipvalue, o->global_clipnorm);
    if (o->gradient_accumulation_steps != 0 && o->gradient_accumulation_steps < 2)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: gradient_accumulation_steps is %lld; it must be at least 2", name,
                         (long long)o->gradient_accumulation_steps);
    KILN_TRY(check_positive(name, "initial_scale", o->initial_scale));
    if (o->dynamic_growth_steps < 1 || o->dynamic_growth_steps > (1 << 24))
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: dynamic_growth_steps is %lld; it must lie between 1 and 16777216",
                         name, (long long)o->dynamic_growth_steps);
    if (o->gradient_accumulation_steps > INT32_MAX)
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s: gradient_accumulation_steps is %lld; too many",
                         name, (long long)o->gradient_accumulation_steps);
    return schedule_check(&o->schedule);
}

kiln_status optimizer_resolve(const kiln_optimizer *given, kiln_optimizer *full)
{
    kiln_optimizer o = *given;
    if ((unsigned)o.kind > KILN_OPTIMIZER_ADAGRAD)
        return kiln_fail(KILN_ERROR_ARGUMENT, "there is no optimizer of kind %d", (int)o.kind);
    if (o.kind == KILN_OPTIMIZER_DEFAULT)
        o.kind = KILN_OPTIMIZER_RMSPROP;
    o.learning_rate =
        optimizer_number(o.learning_rate, o.kind == KILN_OPTIMIZER_SGD ? 0.01 : 0.001);
    o.momentum = optimizer_number(o.momentum, 0);
    o.nesterov = o.nesterov == KILN_YES ? KILN_YES : KILN_NO;
    o.beta_1 = optimizer_number(o.beta_1, 0.9);
    o.beta_2 = optimizer_number(o.beta_2, 0.999);
    o.rho = optimizer_number(o.rho, 0.9);
    o.centered = o.centered == KILN_YES ? KILN_YES : KILN_NO;
    o.amsgrad = o.amsgrad == KILN_YES ? KILN_YES : KILN_NO;
    o.epsilon = optimizer_number(o.epsilon, 1e-7);
    o.initial_accumulator_value = optimizer_number(o.initial_accumulator_value, 0.1);
    o.weight_decay = optimizer_number(o.weight_decay, o.kind == KILN_OPTIMIZER_ADAMW ? 0.004 : 0);
    o.clipnorm = optimizer_number(o.clipnorm, 0);
    o.clipvalue = optimizer_number(o.clipvalue, 0);
    o.global_clipnorm = optimizer_number(o.global_clipnorm, 0);
    o.initial_scale = optimizer_number(o.initial_scale, 0);
    if (o.dynamic_growth_steps == 0)
        o.dynamic_growth_steps = 2000;
    KILN_TRY(check(&o));
    *full = o;
    return KILN_OK;
}

kiln_optimizer kiln_optimizer_of(kiln_optimizer_kind kind)
{
    kiln_optimizer full = {.kind = kind};
    if (optimizer_resolve(&(kiln_optimizer){.kind = kind}, &full) != KILN_OK)
        return (kiln_optimizer){.kind = kind};
    return full;
}

/* ---- the rule ---- */

static void define(optimizer *o, const char *name, double value)
{
    size_t used = strlen(o->defines);
    snprintf(o->defines + used, sizeof o->defines - used, "#define %s %.9ef\n", name, value);
}

static void define_flag(optimizer *o, const char *name, int value)
{
    size_t used = strlen(o->defines);
    snprintf(o->defines + used, sizeof o->defines - used, "#define %s %d\n", name, value);
}

void optimizer_init(optimizer *o, const kiln_optimizer *args)
{
    *o = (optimizer){.args = *args,
                     .rate = args->learning_rate,
                     .scale = {.path = "loss_scale", .shape = {1, {2}}},
                     .scale_start = {(float)args->initial_scale, 0}};
    bool momentum = args->momentum > 0;
    int slots = 0;
    if (args->weight_decay > 0) {
        define_flag(o, "KILN_DECAY", 1);
        define(o, "KILN_WEIGHT_DECAY", args->weight_decay);
    }
    define(o, "KILN_EPSILON", args->epsilon);
    switch (args->kind) {
    case KILN_OPTIMIZER_SGD:
        define_flag(o, "KILN_RULE_SGD", 1);
        define_flag(o, "KILN_USE_MOMENTUM", momentum);
        define_flag(o, "KILN_NESTEROV", args->nesterov == KILN_YES);
        define(o, "KILN_MOMENTUM", args->momentum);
        slots = momentum;
        break;
    case KILN_OPTIMIZER_ADAM:
    case KILN_OPTIMIZER_ADAMW:
        define_flag(o, "KILN_RULE_ADAM", 1);
        define_flag(o, "KILN_AMSGRAD", args->amsgrad == KILN_YES);
        define(o, "KILN_GAIN_1", 1 - args->beta_1);
        define(o, "KILN_GAIN_2", 1 - args->beta_2);
        slots = 2 + (args->amsgrad == KILN_YES);
        break;
    case KILN_OPTIMIZER_ADAGRAD:
        define_flag(o, "KILN_RULE_ADAGRAD", 1);
        slots = 1;
        break;
    default:
        define_flag(o, "KILN_RULE_RMSPROP", 1);
        define_flag(o, "KILN_USE_MOMENTUM", momentum);
        define_flag(o, "KILN_CENTERED", args->centered == KILN_YES);
        define(o, "KILN_MOMENTUM", args->momentum);
        define(o, "KILN_RHO", args->rho);
        define(o, "KILN_GAIN", 1 - args->rho);
        slots = 1 + momentum + (args->centered == KILN_YES);
        break;
    }
    o->plan.defines = o->defines;
    o->plan.accumulate = (int)args->gradient_accumulation_steps;
    o->plan.slot_count = slots + (o->plan.accumulate > 0);
    o->plan.clipvalue = (float)args->clipvalue;
    o->plan.clipnorm = (float)args->clipnorm;
    o->plan.global_clipnorm = (float)args->global_clipnorm;
}

/* ---- a step ---- */

double optimizer_rate(const optimizer *o, int64_t iteration)
{
    if (o->args.schedule.kind != KILN_SCHEDULE_NONE)
        return kiln_schedule_rate(&o->args.schedule, iteration);
    return o->rate;
}

void optimizer_step(const optimizer *o, int64_t iteration, plan_step *step)
{
    double rate = optimizer_rate(o, iteration);
    step->rate = (float)rate;
    step->factor[0] = step->factor[1] = step->factor[2] = 0;
    if (o->args.kind == KILN_OPTIMIZER_ADAM || o->args.kind == KILN_OPTIMIZER_ADAMW) {
        int64_t every = o->args.gradient_accumulation_steps;
        double t = (double)((every > 0 ? iteration / every : iteration) + 1);
        step->factor[0] =
            (float)(rate * sqrt(1 - pow(o->args.beta_2, t)) / (1 - pow(o->args.beta_1, t)));
    }
}
