#include "train/optimizer.h"

#include <math.h>

/* Keras's default of a field that was left zero; KILN_ZERO is the number 0. */
double optimizer_number(double value, double fallback)
{
    if (value == 0)
        return signbit(value) ? 0.0 : fallback;
    return value;
}

static double exponential(const kiln_schedule *s, double step)
{
    double p = step / (double)s->decay_steps;
    if (s->staircase == KILN_YES)
        p = floor(p);
    return s->initial_learning_rate * pow(s->decay_rate, p);
}

static double cosine(const kiln_schedule *s, double step)
{
    double from = s->initial_learning_rate, decay_steps = (double)s->decay_steps;
    if (s->warmup_target > 0) {
        double warmup = (double)s->warmup_steps;
        if (step < warmup)
            return (s->warmup_target - from) * (step / warmup) + from;
        from = s->warmup_target;
        step -= warmup;
    }
    double share = fmin(step, decay_steps) / decay_steps;
    return from * ((1 - s->alpha) * 0.5 * (1 + cos(acos(-1.0) * share)) + s->alpha);
}

static double piecewise(const kiln_schedule *s, double step)
{
    int i = 0;
    while (i < s->piece_count && step > s->boundaries[i])
        i++;
    return s->values[i];
}

static double polynomial(const kiln_schedule *s, double step)
{
    double end = optimizer_number(s->end_learning_rate, 0.0001);
    double power = optimizer_number(s->power, 1.0), over = (double)s->decay_steps;
    if (s->cycle == KILN_YES)
        over *= step > 0 ? ceil(step / over) : 1.0;
    else
        step = fmin(step, over);
    return (s->initial_learning_rate - end) * pow(1 - step / over, power) + end;
}

kiln_schedule kiln_schedule_of(kiln_schedule_kind kind, double initial_learning_rate,
                               int64_t decay_steps)
{
    return (kiln_schedule){.kind = kind,
                           .initial_learning_rate = initial_learning_rate,
                           .decay_steps = decay_steps,
                           .end_learning_rate = 0.0001,
                           .power = 1};
}

double kiln_schedule_rate(const kiln_schedule *schedule, int64_t step)
{
    switch (schedule->kind) {
    case KILN_SCHEDULE_EXPONENTIAL:
        return exponential(schedule, (double)step);
    case KILN_SCHEDULE_COSINE:
        return cosine(schedule, (double)step);
    case KILN_SCHEDULE_PIECEWISE:
        return piecewise(schedule, (double)step);
    case KILN_SCHEDULE_POLYNOMIAL:
        return polynomial(schedule, (double)step);
    case KILN_SCHEDULE_NONE:
        break;
    }
    return schedule->initial_learning_rate;
}

kiln_status schedule_check(const kiln_schedule *s)
{
    if ((unsigned)s->kind > KILN_SCHEDULE_POLYNOMIAL)
        return kiln_fail(KILN_ERROR_ARGUMENT, "the learning rate schedule has no kind number %d",
                         (int)s->kind);
    if (s->kind == KILN_SCHEDULE_NONE)
        return KILN_OK;
    if (s->kind == KILN_SCHEDULE_PIECEWISE) {
        if (s->piece_count < 1 || s->piece_count > KILN_SCHEDULE_PIECES)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "a piecewise learning rate takes 1 to %d boundaries, not %d",
                             KILN_SCHEDULE_PIECES, s->piece_count);
        for (int i = 1; i < s->piece_count; i++)
            if (!(s->boundaries[i] > s->boundaries[i - 1]))
                return kiln_fail(KILN_ERROR_ARGUMENT,
                                 "the boundaries of a piecewise learning rate must rise; number %d "
                                 "is %g after %g",
                                 i, s->boundaries[i], s->boundaries[i - 1]);
        return KILN_OK;
    }
    if (s->decay_steps < 1)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "the learning rate schedule's decay_steps is %lld; it must be positive",
                         (long long)s->decay_steps);
    if (!isfinite(s->initial_learning_rate) || s->initial_learning_rate < 0)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "the learning rate schedule starts at %g; it must be finite and not "
                         "negative",
                         s->initial_learning_rate);
    if (s->kind == KILN_SCHEDULE_COSINE && s->warmup_target > 0 && s->warmup_steps < 1)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "the cosine schedule has a warmup_target but %lld warmup_steps; give at "
                         "least 1",
                         (long long)s->warmup_steps);
    return KILN_OK;
}
