#include "train/state.h"

#include "format/weight_paths.h"

#include <math.h>
#include <string.h>

/* What the earlier archive had: the count of steps in two floats that hold it exactly. */
#define OLD_ITERATIONS ARCHIVE_EXTRA "iterations"

/* Keras's list of slots is made of runs: of each weight in turn the run's slots. */
typedef struct slot_runs {
    int count;
    int first[4], length[4]; /* slots */
} slot_runs;

static void add_run(slot_runs *runs, int first, int length)
{
    runs->first[runs->count] = first;
    runs->length[runs->count++] = length;
}

static slot_runs runs_of(const optimizer *o)
{
    slot_runs runs = {0};
    int accumulator = o->plan.accumulate > 0, slots = o->plan.slot_count - accumulator;
    bool adam = o->args.kind == KILN_OPTIMIZER_ADAM || o->args.kind == KILN_OPTIMIZER_ADAMW;
    if (accumulator)
        add_run(&runs, slots, 1);
    if (adam)
        add_run(&runs, 0, 2);
    for (int slot = adam ? 2 : 0; slot < slots; slot++)
        add_run(&runs, slot, 1);
    return runs;
}

/* The steps through Keras's list; index counts the slots of all weights. */
typedef struct walk {
    const optimizer *o;
    ir_weight **weights;
    size_t weight_count;
} walk;

/* The name of the index-th slot array, "dense/kernel/momentum" (the caller's), and its weight.
 * NULL: behind the last, or no memory. */
static char *slot_at(const walk *w, size_t index, const ir_weight **weight)
{
    slot_runs runs = runs_of(w->o);
    for (int r = 0; r < runs.count; r++) {
        size_t length = (size_t)runs.length[r], all = length * w->weight_count;
        if (index < all) {
            *weight = w->weights[index / length];
            return str_format("%s/%s", (*weight)->path,
                              optimizer_slot_name(w->o, runs.first[r] + (int)(index % length)));
        }
        index -= all;
    }
    return NULL;
}

static size_t slots_in(const walk *w)
{
    return (size_t)w->o->plan.slot_count * w->weight_count;
}

/* ---- out ---- */

static const optimizer_array *find_array(const optimizer_array *arrays, size_t count,
                                         const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(arrays[i].name, name) == 0)
            return &arrays[i];
    return NULL;
}

static kiln_status collect_slots(const walk *w, const optimizer_array *arrays, size_t count,
                                 archive_arrays *variables)
{
    for (size_t i = 0; i < slots_in(w); i++) {
        const ir_weight *weight = NULL;
        char *name = slot_at(w, i, &weight);
        if (name == NULL)
            return KILN_ERROR_MEMORY;
        const optimizer_array *array = find_array(arrays, count, name);
        /* a weight that was frozen when the model was compiled has none */
        kiln_status status =
            array ? archive_add(variables, name, array->shape, array->values) : KILN_OK;
        free(name);
        KILN_TRY(status);
    }
    return KILN_OK;
}

/* The variables that Keras's LossScaleOptimizer puts in front of those of the optimizer in it: an unused
 * count and rate, the good steps in a row, and the scale. */
enum { SCALE_VARIABLES = 4 };

static kiln_status collect_scale(const optimizer *o, archive_arrays *variables)
{
    float scale[2], rate = 0;
    KILN_TRY(optimizer_read_scale(o, scale));
    KILN_TRY(archive_add_whole(variables, "iterations", 0));
    KILN_TRY(archive_add(variables, "learning_rate", (kiln_shape){0}, &rate));
    KILN_TRY(archive_add_whole(variables, "step_counter", (int64_t)scale[1]));
    return archive_add(variables, ARCHIVE_LOSS_SCALE, (kiln_shape){0}, &scale[0]);
}

kiln_status state_collect(model_training *t, archive_arrays *variables)
{
    optimizer *o = &t->optimizer;
    optimizer_array *arrays = NULL;
    size_t count = 0;
    walk w = {.o = o};
    if (o->args.initial_scale > 0)
        KILN_TRY(collect_scale(o, variables));
    KILN_TRY(archive_add_whole(variables, "iterations", o->iterations));
    if (o->args.schedule.kind == KILN_SCHEDULE_NONE) {
        float rate = (float)o->rate;
        KILN_TRY(archive_add(variables, "learning_rate", (kiln_shape){0}, &rate));
    }
    KILN_TRY(optimizer_export(o, &arrays, &count));
    kiln_status status = weight_places_trained(t->model, true, &w.weights, &w.weight_count);
    if (status == KILN_OK && count)
        status = collect_slots(&w, arrays, count, variables);
    free(w.weights);
    optimizer_arrays_free(arrays, count);
    return status;
}

/* ---- in ---- */

/* The earlier archive: arrays have names. */
static kiln_status take_named(model_training *t, const archive_arrays *variables)
{
    const archive_array *steps = archive_find(variables, OLD_ITERATIONS);
    size_t prefix = strlen(ARCHIVE_EXTRA), count = 0;
    if (steps && kiln_shape_size(steps->shape) == 2)
        t->optimizer.iterations = (int64_t)steps->values[0] + (int64_t)steps->values[1] * (1 << 24);
    optimizer_array *arrays = mem_new(variables->count, sizeof *arrays);
    if (arrays == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < variables->count; i++) {
        const archive_array *from = &variables->items[i];
        if (from != steps && strncmp(from->name, ARCHIVE_EXTRA, prefix) == 0)
            arrays[count++] = (optimizer_array){from->name + prefix, from->shape, from->values};
    }
    kiln_status status = optimizer_import(&t->optimizer, arrays, count);
    free(arrays);
    return status;
}

static kiln_status take_slots(model_training *t, const walk *w, const archive_array *from)
{
    size_t count = slots_in(w), made = 0;
    optimizer_array *arrays = mem_new(count, sizeof *arrays);
    kiln_status status = arrays ? KILN_OK : KILN_ERROR_MEMORY;
    for (; made < count && status == KILN_OK; made++) {
        const ir_weight *weight = NULL;
        arrays[made] =
            (optimizer_array){slot_at(w, made, &weight), from[made].shape, from[made].values};
        if (arrays[made].name == NULL)
            status = KILN_ERROR_MEMORY;
        else if (!ir_shape_equal(weight->shape, from[made].shape))
            status = kiln_fail(KILN_ERROR_SHAPE,
                               "the optimizer's variable %s has the shape %s, and %s the shape %s",
                               from[made].name, ir_shape_text(from[made].shape), weight->path,
                               ir_shape_text(weight->shape));
    }
    if (status == KILN_OK)
        status = optimizer_import(&t->optimizer, arrays, count);
    for (size_t i = 0; arrays && i < made; i++)
        free(arrays[i].name);
    free(arrays);
    return status;
}

static bool has_scale(const archive_arrays *variables)
{
    const archive_array *all = variables->items;
    return variables->count > SCALE_VARIABLES && all[2].shape.rank == 0 && all[2].whole &&
           all[3].shape.rank == 0 && !all[3].whole && all[3].values[0] > 0 &&
           all[SCALE_VARIABLES].shape.rank == 0 && all[SCALE_VARIABLES].whole;
}

kiln_status state_take(model_training *t, const archive_arrays *variables)
{
    optimizer *o = &t->optimizer;
    walk w = {.o = o};
    size_t first = o->args.schedule.kind == KILN_SCHEDULE_NONE ? 2 : 1, wanted;
    if (variables->count == 0)
        return KILN_OK;
    if (strncmp(variables->items[0].name, ARCHIVE_VARIABLE, strlen(ARCHIVE_VARIABLE)) != 0)
        return take_named(t, variables);
    const archive_array *all = variables->items;
    size_t count = variables->count;
    if (has_scale(variables)) {
        if (o->args.initial_scale > 0)
            KILN_TRY(optimizer_write_scale(o, (float[]){all[3].values[0], (float)all[2].integer}));
        all += SCALE_VARIABLES;
        count -= SCALE_VARIABLES;
    }
    if (all[0].shape.rank != 0 || !all[0].whole || all[0].integer < 0)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "the optimizer's first variable is not the count of its steps");
    KILN_TRY(weight_places_trained(t->model, false, &w.weights, &w.weight_count));
    wanted = first + slots_in(&w);
    if (first == 2 && count == wanted - 1 &&
        (count == 1 || all[1].shape.rank != 0)) { /* Keras 2 keeps no learning rate */
        first = 1;
        wanted--;
    }
    kiln_status status = KILN_OK;
    /* Before its first step Keras has no slots yet. */
    if (count != wanted && (count != first || all[0].integer != 0))
        status = kiln_fail(KILN_ERROR_FORMAT,
                           "the file has %zu variables of the optimizer, and %s for this model has "
                           "%zu",
                           count, optimizer_class_name(o->args.kind), wanted);
    if (status == KILN_OK && first == 2 && all[1].shape.rank != 0)
        status = kiln_fail(KILN_ERROR_FORMAT,
                           "the optimizer's second variable is not the learning rate");
    if (status == KILN_OK && count == wanted && slots_in(&w))
        status = take_slots(t, &w, all + first);
    if (status == KILN_OK) {
        o->iterations = all[0].integer;
        if (first == 2 && all[1].values[0] != (float)o->rate)
            o->rate = all[1].values[0];
    }
    free(w.weights);
    return status;
}
