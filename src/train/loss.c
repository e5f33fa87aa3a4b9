#include "train/loss.h"

#include <math.h>
#include <string.h>

#define EPSILON 1e-7 /* Keras's backend.epsilon() */

static const struct loss_entry {
    kiln_loss_kind kind;
    const char *name, *class_name, *short_name;
} losses[] = {
    {KILN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY, "sparse_categorical_crossentropy",
     "SparseCategoricalCrossentropy", NULL},
    {KILN_LOSS_CATEGORICAL_CROSSENTROPY, "categorical_crossentropy", "CategoricalCrossentropy",
     NULL},
    {KILN_LOSS_BINARY_CROSSENTROPY, "binary_crossentropy", "BinaryCrossentropy", "bce"},
    {KILN_LOSS_MEAN_SQUARED_ERROR, "mean_squared_error", "MeanSquaredError", "mse"},
    {KILN_LOSS_MEAN_ABSOLUTE_ERROR, "mean_absolute_error", "MeanAbsoluteError", "mae"},
    {KILN_LOSS_MEAN_SQUARED_LOGARITHMIC_ERROR, "mean_squared_logarithmic_error",
     "MeanSquaredLogarithmicError", "msle"},
    {KILN_LOSS_HUBER, "huber", "Huber", "huber_loss"},
    {KILN_LOSS_HINGE, "hinge", "Hinge", NULL},
    {KILN_LOSS_CUSTOM, "custom", "Custom", NULL},
};

#define LOSS_COUNT (sizeof losses / sizeof *losses)

static const struct loss_entry *entry_of(kiln_loss_kind kind)
{
    for (size_t i = 0; i < LOSS_COUNT; i++)
        if (losses[i].kind == kind)
            return &losses[i];
    return NULL;
}

const char *loss_name(kiln_loss_kind kind)
{
    const struct loss_entry *entry = entry_of(kind);
    return entry ? entry->name : "none";
}

const char *loss_class_name(kiln_loss_kind kind)
{
    const struct loss_entry *entry = entry_of(kind);
    return entry ? entry->class_name : "None";
}

kiln_status loss_find(const char *name, kiln_loss_kind *kind)
{
    for (size_t i = 0; i < LOSS_COUNT; i++) {
        const struct loss_entry *entry = &losses[i];
        if (entry->kind == KILN_LOSS_CUSTOM)
            continue;
        if (strcmp(name, entry->name) == 0 || strcmp(name, entry->class_name) == 0 ||
            (entry->short_name && strcasecmp(name, entry->short_name) == 0)) {
            *kind = entry->kind;
            return KILN_OK;
        }
    }
    return kiln_fail(
        KILN_ERROR_ARGUMENT,
        "loss \"%s\": there is none of that name; the losses are sparse_categorical_crossentropy, "
        "categorical_crossentropy, binary_crossentropy, mean_squared_error (mse), "
        "mean_absolute_error (mae), mean_squared_logarithmic_error (msle), huber and "
        "hinge",
        name);
}

kiln_loss kiln_loss_of(kiln_loss_kind kind)
{
    return (kiln_loss){.kind = kind, .delta = kind == KILN_LOSS_HUBER ? 1.0 : 0.0};
}

kiln_status loss_check(const kiln_loss *loss)
{
    if (loss->kind == KILN_LOSS_NONE)
        return KILN_OK;
    if (entry_of(loss->kind) == NULL)
        return kiln_fail(KILN_ERROR_ARGUMENT, "there is no loss of kind %d", (int)loss->kind);
    if (loss->kind == KILN_LOSS_CUSTOM && loss->function == NULL)
        return kiln_fail(KILN_ERROR_ARGUMENT, "a custom loss needs its function");
    if (!(loss->label_smoothing >= 0 && loss->label_smoothing <= 1))
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: label_smoothing is %g; it must lie between 0 and 1",
                         loss_name(loss->kind), loss->label_smoothing);
    if (!(loss->delta >= 0) || isinf(loss->delta))
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s: delta is %g; it must be positive",
                         loss_name(loss->kind), loss->delta);
    return KILN_OK;
}

/* ---- shapes ---- */

kiln_shape loss_align_shape(kiln_shape target, kiln_shape output)
{
    if (output.rank == target.rank + 1 && output.dims[output.rank - 1] == 1)
        target.dims[target.rank++] = 1;
    else if (target.rank == output.rank + 1 && target.dims[target.rank - 1] == 1)
        target.rank--;
    return target;
}

ir_id loss_align(ir_graph *g, ir_id target, ir_id output)
{
    if (target == IR_NONE || output == IR_NONE)
        return IR_NONE;
    kiln_shape shape = g->items[target].shape;
    kiln_shape aligned = loss_align_shape(shape, g->items[output].shape);
    return aligned.rank == shape.rank ? target : op_reshape(g, target, aligned);
}

/* The target of a sparse loss: the output's shape without its last axis, or with 1 there. */
static bool sparse_fits(kiln_shape target, kiln_shape output)
{
    if (target.rank == output.rank && target.rank > 0 && target.dims[target.rank - 1] == 1)
        target.rank--;
    if (target.rank != output.rank - 1)
        return false;
    output.rank--;
    return ir_shape_equal(target, output);
}

kiln_status loss_check_shapes(const kiln_loss *loss, kiln_shape target, kiln_shape output,
                              const char *layer)
{
    if (loss->kind == KILN_LOSS_CUSTOM)
        return KILN_OK;
    if (loss->kind == KILN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY) {
        if (sparse_fits(target, output))
            return KILN_OK;
        return kiln_fail(KILN_ERROR_SHAPE,
                         "%s: the output of layer %s has shape %s for each sample, the target %s; "
                         "the target must be a class number for each row of classes (one-hot "
                         "targets want categorical_crossentropy)",
                         loss_name(loss->kind), layer, ir_shape_text(output),
                         ir_shape_text(target));
    }
    if (ir_shape_equal(loss_align_shape(target, output), output))
        return KILN_OK;
    return kiln_fail(KILN_ERROR_SHAPE,
                     "%s: the output of layer %s has shape %s for each sample, the target %s; they "
                     "must be the same%s",
                     loss_name(loss->kind), layer, ir_shape_text(output), ir_shape_text(target),
                     sparse_fits(target, output) && loss->kind == KILN_LOSS_CATEGORICAL_CROSSENTROPY
                         ? " (class numbers want sparse_categorical_crossentropy)"
                         : "");
}

/* ---- graphs ---- */

ir_id loss_sample_mean(ir_graph *g, ir_id x)
{
    if (x == IR_NONE)
        return IR_NONE;
    int rank = g->items[x].shape.rank;
    return rank > 1 ? op_mean(g, x, 1, rank - 1, false) : x;
}

/* Between Keras's epsilon and 1 - epsilon. */
static ir_id clip_share(ir_graph *g, ir_id x)
{
    return op_binary(g, F_MIN, op_binary(g, F_MAX, x, op_constant(g, EPSILON)),
                     op_constant(g, 1 - EPSILON));
}

/* Log of probabilities that are made to sum to one first. */
static ir_id log_share(ir_graph *g, ir_id x)
{
    ir_id share = op_binary(g, F_DIV, x, op_reduce(g, R_SUM, x, -1, -1, true));
    return op_unary(g, F_LOG, clip_share(g, share));
}

static ir_id sparse_categorical(ir_graph *g, bool logits, ir_id target, ir_id output)
{
    if (target == IR_NONE || output == IR_NONE)
        return IR_NONE;
    kiln_shape shape = g->items[target].shape;
    if (shape.rank == g->items[output].shape.rank) {
        shape.rank--;
        target = op_reshape(g, target, shape);
    }
    ir_id picked = op_pick(g, output, target);
    if (logits)
        return op_binary(g, F_SUB, op_reduce(g, R_LOGSUMEXP, output, -1, -1, false), picked);
    ir_id share = op_binary(g, F_DIV, picked, op_reduce(g, R_SUM, output, -1, -1, false));
    return op_unary(g, F_NEG, op_unary(g, F_LOG, clip_share(g, share)));
}

static ir_id categorical(ir_graph *g, const kiln_loss *loss, ir_id target, ir_id output)
{
    if (target == IR_NONE || output == IR_NONE)
        return IR_NONE;
    double smoothing = loss->label_smoothing;
    if (smoothing > 0) {
        kiln_shape shape = g->items[target].shape;
        double classes = (double)shape.dims[shape.rank - 1];
        target = op_affine(g, target, 1 - smoothing, smoothing / classes);
    }
    ir_id logs = loss->from_logits == KILN_YES ? op_log_softmax(g, output) : log_share(g, output);
    ir_id sum = op_reduce(g, R_SUM, op_binary(g, F_MUL, target, logs), -1, -1, false);
    return op_unary(g, F_NEG, sum);
}

static ir_id binary(ir_graph *g, const kiln_loss *loss, ir_id target, ir_id output)
{
    double smoothing = loss->label_smoothing;
    if (smoothing > 0)
        target = op_affine(g, target, 1 - smoothing, 0.5 * smoothing);
    ir_id other = op_affine(g, target, -1, 1), yes, no;
    if (loss->from_logits == KILN_YES) {
        /* -log sigmoid(x) is softplus(-x), and -log (1 - sigmoid(x)) is softplus(x) */
        yes = op_unary(g, F_SOFTPLUS, op_unary(g, F_NEG, output));
        no = op_unary(g, F_SOFTPLUS, output);
    } else {
        ir_id share = clip_share(g, output);
        yes = op_unary(g, F_NEG, op_unary(g, F_LOG, share));
        no = op_unary(g, F_NEG, op_unary(g, F_LOG, op_affine(g, share, -1, 1)));
    }
    return op_binary(g, F_ADD, op_binary(g, F_MUL, target, yes), op_binary(g, F_MUL, other, no));
}

static ir_id squared_log(ir_graph *g, ir_id target, ir_id output)
{
    ir_id epsilon = op_constant(g, EPSILON);
    ir_id a = op_unary(g, F_LOG1P, op_binary(g, F_MAX, output, epsilon));
    ir_id b = op_unary(g, F_LOG1P, op_binary(g, F_MAX, target, epsilon));
    return op_unary(g, F_SQUARE, op_binary(g, F_SUB, a, b));
}

static ir_id huber(ir_graph *g, double delta, ir_id target, ir_id output)
{
    ir_id error = op_binary(g, F_SUB, output, target);
    ir_id size = op_unary(g, F_ABS, error);
    ir_id inside = op_affine(g, op_unary(g, F_SQUARE, error), 0.5, 0);
    ir_id outside = op_affine(g, size, delta, -0.5 * delta * delta);
    return op_select(g, op_binary(g, F_GREATER, size, op_constant(g, delta)), outside, inside);
}

/* Labels 0 and 1 become -1 and 1 when the whole batch has no others. Rows past the batch's count
 * repeat its first row, so they change nothing. */
static ir_id hinge_labels(ir_graph *g, ir_id target)
{
    if (target == IR_NONE)
        return IR_NONE;
    ir_id known = op_binary(g, F_ADD, op_binary(g, F_EQUAL, target, op_constant(g, 0)),
                            op_binary(g, F_EQUAL, target, op_constant(g, 1)));
    ir_id all = op_reduce(g, R_MIN, known, 0, -1, false);
    return op_select(g, all, op_affine(g, target, 2, -1), target);
}

static ir_id hinge(ir_graph *g, ir_id target, ir_id output)
{
    ir_id margin = op_binary(g, F_MUL, hinge_labels(g, target), output);
    return op_unary(g, F_RELU, op_affine(g, margin, -1, 1));
}

static ir_id custom(ir_graph *g, const kiln_loss *loss, ir_id target, ir_id output)
{
    struct kiln_ops ops = {.graph = g};
    ir_id node = loss->function(&ops, target, output, loss->user);
    if (node == IR_NONE) {
        if (kiln_last_status() == KILN_OK)
            kiln_fail(KILN_ERROR_ARGUMENT, "the custom loss returned no node");
        return IR_NONE;
    }
    if (node < 0 || (size_t)node >= g->count) {
        kiln_fail(KILN_ERROR_ARGUMENT, "the custom loss returned node %d, which does not exist",
                  (int)node);
        return IR_NONE;
    }
    kiln_shape shape = g->items[node].shape, batch = g->items[output].shape;
    if (shape.rank < 1 || shape.dims[0] != batch.dims[0]) {
        kiln_fail(KILN_ERROR_SHAPE,
                  "the custom loss has shape %s; it must be one loss for each of the %lld samples",
                  ir_shape_text(shape), (long long)batch.dims[0]);
        return IR_NONE;
    }
    return node;
}

ir_id loss_each(ir_graph *g, const kiln_loss *loss, ir_id target, ir_id output)
{
    if (target == IR_NONE || output == IR_NONE)
        return IR_NONE;
    bool logits = loss->from_logits == KILN_YES;
    if (loss->kind == KILN_LOSS_CUSTOM)
        return custom(g, loss, target, output);
    if (loss->kind == KILN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY)
        return sparse_categorical(g, logits, target, output);
    target = loss_align(g, target, output);
    ir_id values = IR_NONE;
    switch (loss->kind) {
    case KILN_LOSS_CATEGORICAL_CROSSENTROPY:
        values = categorical(g, loss, target, output);
        break;
    case KILN_LOSS_BINARY_CROSSENTROPY:
        values = binary(g, loss, target, output);
        break;
    case KILN_LOSS_MEAN_SQUARED_ERROR:
        values = op_unary(g, F_SQUARE, op_binary(g, F_SUB, output, target));
        break;
    case KILN_LOSS_MEAN_ABSOLUTE_ERROR:
        values = op_unary(g, F_ABS, op_binary(g, F_SUB, output, target));
        break;
    case KILN_LOSS_MEAN_SQUARED_LOGARITHMIC_ERROR:
        values = squared_log(g, target, output);
        break;
    case KILN_LOSS_HUBER:
        values = huber(g, loss->delta > 0 ? loss->delta : 1, target, output);
        break;
    case KILN_LOSS_HINGE:
        values = hinge(g, target, output);
        break;
    default:
        kiln_fail(KILN_ERROR_ARGUMENT, "there is no loss of kind %d", (int)loss->kind);
    }
    return values;
}

ir_id loss_build(ir_graph *g, const kiln_loss *loss, ir_id target, ir_id output)
{
    return loss_sample_mean(g, loss_each(g, loss, target, output));
}

ir_id loss_masked_mean(ir_graph *g, ir_id values, ir_id mask)
{
    if (values == IR_NONE || mask == IR_NONE)
        return IR_NONE;
    kiln_shape shape = g->items[values].shape, wanted = g->items[mask].shape;
    if (shape.rank > wanted.rank)
        values = op_mean(g, values, wanted.rank, shape.rank - 1, false);
    shape.rank = shape.rank > wanted.rank ? wanted.rank : shape.rank;
    if (ir_shape_equal(shape, wanted))
        return values;
    kiln_fail(KILN_ERROR_SHAPE, "the mask %s of the output does not fit its values %s",
              ir_shape_text(wanted), ir_shape_text(shape));
    return IR_NONE;
}
