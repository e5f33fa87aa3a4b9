/* Optimizers: defaults, the text that makes a rule, factors of a step, and the slots on the device.
 */
#ifndef TRAIN_OPTIMIZER_H
#define TRAIN_OPTIMIZER_H

#include "graph/plan.h"

#include <kiln/train.h>

/* Keras's default of a field that was left zero; KILN_ZERO is the number 0. */
double optimizer_number(double value, double fallback);

kiln_status schedule_check(const kiln_schedule *schedule);

/* Fills in Keras's defaults: afterwards a zero is a zero. Fails for values that mean nothing. */
kiln_status optimizer_resolve(const kiln_optimizer *given, kiln_optimizer *full);

/* Keras's class name, "RMSprop". */
const char *optimizer_class_name(kiln_optimizer_kind kind);

/* Keras's first scale of a loss. */
#define OPTIMIZER_SCALE 32768.0

/* An optimizer at work on the weights of one compiled model. */
typedef struct optimizer {
    kiln_optimizer args; /* resolved */
    double rate;         /* in force where there is no schedule */
    int64_t iterations;  /* training steps since the model was compiled */
    char defines[640];   /* for cl/optimizer.cl */
    plan_optimizer plan; /* what plans take; slots on the device once placed */
    kiln_device *device;
    int weight_count; /* 0 until placed */
    ir_weight **weights;
    size_t *offsets;                 /* of each weight in a slot */
    size_t elements;                 /* of a slot */
    ir_weight scale;                 /* of the loss, and how many steps it was good for */
    float scale_start[2];            /* the same, until it is placed */
    struct optimizer_array *pending; /* read from a file, to be taken at placing */
    size_t pending_count;
} optimizer;

/* args is resolved. */
void optimizer_init(optimizer *o, const kiln_optimizer *args);
void optimizer_free(optimizer *o);

/* Makes the slots for these weights, once. Later calls must name the same weights. */
kiln_status optimizer_place(optimizer *o, kiln_device *device, int count,
                            const plan_update *updates);

/* The rate of a step, and the record's rate and factors. */
double optimizer_rate(const optimizer *o, int64_t iteration);
void optimizer_step(const optimizer *o, int64_t iteration, plan_step *step);

/* What Keras calls a slot, by position: "momentum". */
const char *optimizer_slot_name(const optimizer *o, int slot);

/* The slots as named arrays, "dense/kernel/momentum". */
typedef struct optimizer_array {
    char *name;
    kiln_shape shape;
    float *values;
} optimizer_array;
kiln_status optimizer_export(optimizer *o, optimizer_array **arrays, size_t *count);
/* Takes values by name; those that are missing keep what they have. Before the slots are placed
 * they are kept until then. */
kiln_status optimizer_import(optimizer *o, const optimizer_array *arrays, size_t count);
void optimizer_arrays_free(optimizer_array *arrays, size_t count);

/* The loss's scale, and how many steps in a row it was good for; only where args.initial_scale is
 * above 0. */
kiln_status optimizer_read_scale(const optimizer *o, float values[2]);
kiln_status optimizer_write_scale(optimizer *o, const float values[2]);

/* Slots by position, for copies of the whole state. */
kiln_status optimizer_read_slot(optimizer *o, int slot, float *values);
kiln_status optimizer_write_slot(optimizer *o, int slot, const float *values);

#endif
