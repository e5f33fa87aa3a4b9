/* How one weight is updated: Keras 3's rules, each written once for float and for vectors of it.
 *
 * The program puts the lines of plan_optimizer.defines before this file: one KILN_RULE_* and its
 * constants. This file defines
 *
 *   KILN_UPDATE_SLOTS    slots the rule uses, 0..3
 *   KILN_UPDATE(V, w, g, s0, s1, s2, rate, f0, f1, f2)
 *                        statements (no semicolon wanted after them) that update w and s0.. in place
 *
 * V is the value type, float or a vector of it. w, g, s0, s1 and s2 are variables of type V: the
 * weight, its gradient (after accumulation, division by its steps, and clipping) and the slots; a
 * slot the rule does not use is not mentioned, so any name does. rate and f0..f2 are of type float:
 * plan_step.rate and plan_step.factor. Nothing else is read or written, so the statements fit a
 * slab update, a block of one or the epilogue of a product alike.
 *
 * Decoupled weight decay comes first, as Keras does it, with the rate itself. What depends on the
 * step is made on the host in double and comes as a factor:
 *   Adam      f0 = rate * sqrt(1 - beta_2^t) / (1 - beta_1^t)
 *   others    none
 *
 * With gradient accumulation over n steps, a step updates when (kiln_state.step + 1) % n == 0; the
 * others only add to the accumulator. The gradient to give is then (accumulator + g) / n, and the
 * accumulator starts again at zero. */

#if !defined(KILN_RULE_SGD) && !defined(KILN_RULE_ADAM) && !defined(KILN_RULE_RMSPROP) &&           \
    !defined(KILN_RULE_ADAGRAD)
#define KILN_RULE_SGD 1
#endif
#ifndef KILN_DECAY
#define KILN_DECAY 0 /* 1: weight decay */
#endif
#ifndef KILN_WEIGHT_DECAY
#define KILN_WEIGHT_DECAY 0.0f
#endif
#ifndef KILN_MOMENTUM
#define KILN_MOMENTUM 0.0f
#endif
#ifndef KILN_USE_MOMENTUM
#define KILN_USE_MOMENTUM 0
#endif
#ifndef KILN_NESTEROV
#define KILN_NESTEROV 0
#endif
#ifndef KILN_EPSILON
#define KILN_EPSILON 1e-7f
#endif

#if KILN_DECAY
#define KILN_UPDATE_DECAY(V, w, rate) w -= w * (V)(KILN_WEIGHT_DECAY) * (V)(rate);
#else
#define KILN_UPDATE_DECAY(V, w, rate)
#endif

#if defined(KILN_RULE_SGD)

#if KILN_USE_MOMENTUM
#define KILN_UPDATE_SLOTS 1
#if KILN_NESTEROV
#define KILN_UPDATE(V, w, g, s0, s1, s2, rate, f0, f1, f2)                                         \
    {                                                                                              \
        KILN_UPDATE_DECAY(V, w, rate)                                                              \
        s0 = s0 * (V)(KILN_MOMENTUM) - g * (V)(rate);                                              \
        w += s0 * (V)(KILN_MOMENTUM) - g * (V)(rate);                                              \
    }
#else
#define KILN_UPDATE(V, w, g, s0, s1, s2, rate, f0, f1, f2)                                         \
    {                                                                                              \
        KILN_UPDATE_DECAY(V, w, rate)                                                              \
        s0 = s0 * (V)(KILN_MOMENTUM) - g * (V)(rate);                                              \
        w += s0;                                                                                   \
    }
#endif
#else
#define KILN_UPDATE_SLOTS 0
#define KILN_UPDATE(V, w, g, s0, s1, s2, rate, f0, f1, f2)                                         \
    {                                                                                              \
        KILN_UPDATE_DECAY(V, w, rate)                                                              \
        w -= g * (V)(rate);                                                                        \
    }
#endif

#elif defined(KILN_RULE_ADAM)

/* s0 momentum, s1 velocity, s2 the largest velocity (amsgrad). */
#ifndef KILN_GAIN_1
#define KILN_GAIN_1 0.1f /* 1 - beta_1 */
#endif
#ifndef KILN_GAIN_2
#define KILN_GAIN_2 0.001f /* 1 - beta_2 */
#endif
#ifndef KILN_AMSGRAD
#define KILN_AMSGRAD 0
#endif
#if KILN_AMSGRAD
#define KILN_UPDATE_SLOTS 3
#define KILN_UPDATE(V, w, g, s0, s1, s2, rate, f0, f1, f2)                                         \
    {                                                                                              \
        KILN_UPDATE_DECAY(V, w, rate)                                                              \
        s0 += (g - s0) * (V)(KILN_GAIN_1);                                                         \
        s1 += (g * g - s1) * (V)(KILN_GAIN_2);                                                     \
        s2 = fmax(s2, s1);                                                                         \
        w -= s0 * (V)(f0) / (sqrt(s2) + (V)(KILN_EPSILON));                                        \
    }
#else
#define KILN_UPDATE_SLOTS 2
#define KILN_UPDATE(V, w, g, s0, s1, s2, rate, f0, f1, f2)                                         \
    {                                                                                              \
        KILN_UPDATE_DECAY(V, w, rate)                                                              \
        s0 += (g - s0) * (V)(KILN_GAIN_1);                                                         \
        s1 += (g * g - s1) * (V)(KILN_GAIN_2);                                                     \
        w -= s0 * (V)(f0) / (sqrt(s1) + (V)(KILN_EPSILON));                                        \
    }
#endif

#elif defined(KILN_RULE_RMSPROP)

/* s0 velocity, then momentum where it is used, then the average gradient where it is centered. */
#ifndef KILN_RHO
#define KILN_RHO 0.9f
#endif
#ifndef KILN_GAIN
#define KILN_GAIN 0.1f /* 1 - rho */
#endif
#ifndef KILN_CENTERED
#define KILN_CENTERED 0
#endif
#define KILN_UPDATE_SLOTS (1 + KILN_USE_MOMENTUM + KILN_CENTERED)
#define KILN_UPDATE_VELOCITY(V, g, s) s = (V)(KILN_RHO) * s + (V)(KILN_GAIN) * g * g;
#define KILN_UPDATE_AVERAGE(V, g, s) s = (V)(KILN_RHO) * s + (V)(KILN_GAIN) * g;
#define KILN_UPDATE_INCREMENT(V, g, rate, square) ((V)(rate) * g / sqrt((square) + (V)(KILN_EPSILON)))
#if KILN_USE_MOMENTUM && KILN_CENTERED
#define KILN_UPDATE(V, w, g, s0, s1, s2, rate, f0, f1, f2)                                         \
    {                                                                                              \
        KILN_UPDATE_DECAY(V, w, rate)                                                              \
        KILN_UPDATE_VELOCITY(V, g, s0)                                                             \
        KILN_UPDATE_AVERAGE(V, g, s2)                                                              \
        s1 = (V)(KILN_MOMENTUM) * s1 + KILN_UPDATE_INCREMENT(V, g, rate, s0 - s2 * s2);            \
        w -= s1;                                                                                   \
    }
#elif KILN_USE_MOMENTUM
#define KILN_UPDATE(V, w, g, s0, s1, s2, rate, f0, f1, f2)                                         \
    {                                                                                              \
        KILN_UPDATE_DECAY(V, w, rate)                                                              \
        KILN_UPDATE_VELOCITY(V, g, s0)                                                             \
        s1 = (V)(KILN_MOMENTUM) * s1 + KILN_UPDATE_INCREMENT(V, g, rate, s0);                      \
        w -= s1;                                                                                   \
    }
#elif KILN_CENTERED
#define KILN_UPDATE(V, w, g, s0, s1, s2, rate, f0, f1, f2)                                         \
    {                                                                                              \
        KILN_UPDATE_DECAY(V, w, rate)                                                              \
        KILN_UPDATE_VELOCITY(V, g, s0)                                                             \
        KILN_UPDATE_AVERAGE(V, g, s1)                                                              \
        w -= KILN_UPDATE_INCREMENT(V, g, rate, s0 - s1 * s1);                                      \
    }
#else
#define KILN_UPDATE(V, w, g, s0, s1, s2, rate, f0, f1, f2)                                         \
    {                                                                                              \
        KILN_UPDATE_DECAY(V, w, rate)                                                              \
        KILN_UPDATE_VELOCITY(V, g, s0)                                                             \
        w -= KILN_UPDATE_INCREMENT(V, g, rate, s0);                                                \
    }
#endif

#elif defined(KILN_RULE_ADAGRAD)

/* s0 sum of squared gradients. */
#define KILN_UPDATE_SLOTS 1
#define KILN_UPDATE(V, w, g, s0, s1, s2, rate, f0, f1, f2)                                         \
    {                                                                                              \
        KILN_UPDATE_DECAY(V, w, rate)                                                              \
        s0 += g * g;                                                                               \
        w -= (V)(rate) * g / sqrt(s0 + (V)(KILN_EPSILON));                                         \
    }

#endif
