#include "train/metric.h"

#include "layer/layer.h"

#include <math.h>
#include <string.h>

/* Shapes that a metric compares. */
typedef enum metric_form {
    FORM_SAME,   /* target and output alike */
    FORM_SPARSE, /* target is a class number */
} metric_form;

typedef struct metric_class {
    const char *names[4];
    int direction; /* 1: more is better */
    metric_form form;
    const char *argument; /* name of the argument; NULL: none */
    double fallback;
    ir_id (*values)(const metric *m, ir_graph *g, ir_id target,
                    ir_id output); /* for a mean over samples */
    int (*build)(const metric *m, ir_graph *g, ir_id target, ir_id output, ir_id mask, ir_id *sums);
    double (*value)(const metric *m, const double *sums, double samples); /* default: the mean */
} metric_class;

/* ---- means over samples ---- */

static ir_id sparse_target(ir_graph *g, ir_id target, ir_id output)
{
    if (target == IR_NONE || output == IR_NONE)
        return IR_NONE;
    kiln_shape shape = g->items[target].shape;
    if (shape.rank < g->items[output].shape.rank)
        return target;
    shape.rank--;
    return op_reshape(g, target, shape);
}

static ir_id argmax(ir_graph *g, ir_id x)
{
    return op_reduce(g, R_ARGMAX, x, -1, -1, false);
}

static ir_id sparse_categorical_accuracy(const metric *m, ir_graph *g, ir_id target, ir_id output)
{
    (void)m;
    return op_binary(g, F_EQUAL, sparse_target(g, target, output), argmax(g, output));
}

static ir_id categorical_accuracy(const metric *m, ir_graph *g, ir_id target, ir_id output)
{
    (void)m;
    return op_binary(g, F_EQUAL, argmax(g, target), argmax(g, output));
}

static ir_id above(ir_graph *g, ir_id x, double threshold)
{
    return op_binary(g, F_GREATER, x, op_constant(g, threshold));
}

static ir_id binary_accuracy(const metric *m, ir_graph *g, ir_id target, ir_id output)
{
    return op_binary(g, F_EQUAL, target, above(g, output, m->argument));
}

/* 1 where fewer than k outputs are greater than the target's. */
static ir_id in_top_k(const metric *m, ir_graph *g, ir_id index, ir_id output)
{
    ir_id picked = op_pick(g, output, index);
    if (picked == IR_NONE)
        return IR_NONE;
    kiln_shape column = g->items[picked].shape;
    column.dims[column.rank++] = 1;
    ir_id greater = op_binary(g, F_GREATER, output, op_reshape(g, picked, column));
    ir_id rank = op_reduce(g, R_SUM, greater, -1, -1, false);
    return op_binary(g, F_LESS, rank, op_constant(g, m->argument));
}

static ir_id top_k(const metric *m, ir_graph *g, ir_id target, ir_id output)
{
    return in_top_k(m, g, argmax(g, target), output);
}

static ir_id sparse_top_k(const metric *m, ir_graph *g, ir_id target, ir_id output)
{
    return in_top_k(m, g, sparse_target(g, target, output), output);
}

static ir_id absolute_error(const metric *m, ir_graph *g, ir_id target, ir_id output)
{
    (void)m;
    return op_unary(g, F_ABS, op_binary(g, F_SUB, output, target));
}

static ir_id squared_error(const metric *m, ir_graph *g, ir_id target, ir_id output)
{
    (void)m;
    return op_unary(g, F_SQUARE, op_binary(g, F_SUB, output, target));
}

static ir_id loss_values(const metric *m, ir_graph *g, ir_id target, ir_id output)
{
    return loss_build(g, &m->loss, target, output);
}

static double root(const metric *m, const double *sums, double samples)
{
    (void)m;
    return samples > 0 ? sqrt(sums[0] / samples) : 0;
}

/* ---- counts ---- */

/* The mask with axes of 1 behind, as many as x has. */
static ir_id mask_for(ir_graph *g, ir_id mask, ir_id x)
{
    if (mask == IR_NONE || x == IR_NONE)
        return IR_NONE;
    kiln_shape shape = {.rank = g->items[x].shape.rank, .dims = {g->items[x].shape.dims[0]}};
    for (int i = 1; i < shape.rank; i++)
        shape.dims[i] = 1;
    return shape.rank == 1 ? mask : op_reshape(g, mask, shape);
}

static ir_id masked(ir_graph *g, ir_id x, ir_id mask)
{
    return op_binary(g, F_MUL, x, mask_for(g, mask, x));
}

static ir_id sum_all(ir_graph *g, ir_id x)
{
    return op_reduce(g, R_SUM, x, 0, -1, false);
}

/* 1 where the label is not 0. */
static ir_id positive(ir_graph *g, ir_id target)
{
    return op_affine(g, op_binary(g, F_EQUAL, target, op_constant(g, 0)), -1, 1);
}

static int precision(const metric *m, ir_graph *g, ir_id target, ir_id output, ir_id mask,
                     ir_id *sums)
{
    ir_id found = masked(g, above(g, output, m->argument), mask);
    sums[0] = sum_all(g, op_binary(g, F_MUL, found, positive(g, target)));
    sums[1] = sum_all(g, found);
    return 2;
}

static int recall(const metric *m, ir_graph *g, ir_id target, ir_id output, ir_id mask, ir_id *sums)
{
    ir_id wanted = masked(g, positive(g, target), mask);
    sums[0] = sum_all(g, op_binary(g, F_MUL, wanted, above(g, output, m->argument)));
    sums[1] = sum_all(g, wanted);
    return 2;
}

static double share(const metric *m, const double *sums, double samples)
{
    (void)m, (void)samples;
    return sums[1] > 0 ? sums[0] / sums[1] : 0;
}

/* True and false positives at each threshold, by the bucket of the output as Keras counts it:
 * thresholds i / (n - 1), the first a little below 0 and the last a little above 1. */
static int auc(const metric *m, ir_graph *g, ir_id target, ir_id output, ir_id mask, ir_id *sums)
{
    if (target == IR_NONE || output == IR_NONE)
        return sums[0] = sums[1] = IR_NONE, 2;
    kiln_shape column = {.rank = 2, .dims = {kiln_shape_size(g->items[output].shape), 1}};
    ir_id clipped =
        op_binary(g, F_MIN, op_binary(g, F_MAX, output, op_constant(g, 0)), op_constant(g, 1));
    /* ceil(x) - 1 is -floor(-x) - 1 */
    ir_id down = op_unary(g, F_FLOOR, op_affine(g, clipped, -(m->argument - 1), 0));
    ir_id bucket = op_unary(g, F_RELU, op_affine(g, down, -1, -1));
    ir_id over = op_binary(g, F_GREATER_EQUAL, op_reshape(g, bucket, column),
                           op_iota(g, (int64_t)m->argument));
    ir_id label = positive(g, target);
    ir_id yes = op_reshape(g, masked(g, label, mask), column);
    ir_id no = op_reshape(g, masked(g, op_affine(g, label, -1, 1), mask), column);
    sums[0] = op_reduce(g, R_SUM, op_binary(g, F_MUL, over, yes), 0, 0, false);
    sums[1] = op_reduce(g, R_SUM, op_binary(g, F_MUL, over, no), 0, 0, false);
    return 2;
}

/* The area under the ROC curve, by trapezoids. Every output passes the first threshold. */
static double auc_value(const metric *m, const double *sums, double samples)
{
    (void)samples;
    size_t n = m->sizes[0];
    const double *tp = sums, *fp = sums + n;
    double area = 0, positives = tp[0], negatives = fp[0];
    for (size_t i = 0; i + 1 < n; i++) {
        double width = negatives > 0 ? (fp[i] - fp[i + 1]) / negatives : 0;
        double height = positives > 0 ? (tp[i] + tp[i + 1]) / (2 * positives) : 0;
        area += width * height;
    }
    return area;
}

static int r2(const metric *m, ir_graph *g, ir_id target, ir_id output, ir_id mask, ir_id *sums)
{
    (void)m;
    ir_id kept = masked(g, target, mask);
    ir_id error = op_unary(g, F_SQUARE, op_binary(g, F_SUB, target, output));
    sums[0] = op_reduce(g, R_SUM, kept, 0, 0, false);
    sums[1] = op_reduce(g, R_SUM, op_binary(g, F_MUL, kept, target), 0, 0, false);
    sums[2] = op_reduce(g, R_SUM, masked(g, error, mask), 0, 0, false);
    return 3;
}

static double r2_value(const metric *m, const double *sums, double samples)
{
    size_t n = m->sizes[0];
    double total = 0;
    for (size_t i = 0; i < n; i++) {
        double sum = sums[i], squares = sums[n + i], residual = sums[2 * n + i];
        double score = 1 - residual / (squares - sum * (sum / samples));
        total += isinf(score) ? 0 : score;
    }
    return total / (double)n;
}

/* ---- the table ---- */

static const metric_class accuracy_sparse = {
    {"sparse_categorical_accuracy", "SparseCategoricalAccuracy"},
    1,
    FORM_SPARSE,
    NULL,
    0,
    sparse_categorical_accuracy,
    NULL,
    NULL};
static const metric_class accuracy_categorical = {{"categorical_accuracy", "CategoricalAccuracy"},
                                                  1,
                                                  FORM_SAME,
                                                  NULL,
                                                  0,
                                                  categorical_accuracy,
                                                  NULL,
                                                  NULL};
static const metric_class accuracy_binary = {{"binary_accuracy", "BinaryAccuracy"},
                                             1,
                                             FORM_SAME,
                                             "threshold",
                                             0.5,
                                             binary_accuracy,
                                             NULL,
                                             NULL};
static const metric_class metric_of_loss = {{NULL}, -1,          FORM_SAME, NULL,
                                            0,      loss_values, NULL,      NULL};

static const metric_class classes[] = {
    {{"top_k_categorical_accuracy", "TopKCategoricalAccuracy"},
     1,
     FORM_SAME,
     "k",
     5,
     top_k,
     NULL,
     NULL},
    {{"sparse_top_k_categorical_accuracy", "SparseTopKCategoricalAccuracy"},
     1,
     FORM_SPARSE,
     "k",
     5,
     sparse_top_k,
     NULL,
     NULL},
    {{"precision", "Precision"}, 1, FORM_SAME, "thresholds", 0.5, NULL, precision, share},
    {{"recall", "Recall"}, 1, FORM_SAME, "thresholds", 0.5, NULL, recall, share},
    {{"auc", "AUC"}, 1, FORM_SAME, "num_thresholds", 200, NULL, auc, auc_value},
    {{"mean_absolute_error", "mae", "MeanAbsoluteError", "MAE"},
     -1,
     FORM_SAME,
     NULL,
     0,
     absolute_error,
     NULL,
     NULL},
    {{"mean_squared_error", "mse", "MeanSquaredError", "MSE"},
     -1,
     FORM_SAME,
     NULL,
     0,
     squared_error,
     NULL,
     NULL},
    {{"root_mean_squared_error", "rmse", "RootMeanSquaredError", "RMSE"},
     -1,
     FORM_SAME,
     NULL,
     0,
     squared_error,
     NULL,
     root},
    {{"r2_score", "R2Score", "r2"}, 1, FORM_SAME, NULL, 0, NULL, r2, r2_value},
};

#define CLASS_COUNT (sizeof classes / sizeof *classes)

static bool is_named(const metric_class *cls, const char *name)
{
    for (int i = 0; i < 4 && cls->names[i]; i++)
        if (strcmp(cls->names[i], name) == 0)
            return true;
    return false;
}

static bool is_accuracy(const char *name)
{
    return strcmp(name, "accuracy") == 0 || strcmp(name, "acc") == 0 ||
           strcmp(name, "Accuracy") == 0;
}

static const metric_class *find_class(const char *name)
{
    static const metric_class *const forms[] = {&accuracy_sparse, &accuracy_categorical,
                                                &accuracy_binary};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (is_named(forms[i], name))
            return forms[i];
    for (size_t i = 0; i < CLASS_COUNT; i++)
        if (is_named(&classes[i], name))
            return &classes[i];
    return NULL;
}

/* A loss as a metric, "binary_crossentropy(from_logits=1)". Leaves no failure when the name is
 * none. */
static bool parse_loss(const char *name, const spec *s, metric *m)
{
    kiln_loss_kind kind;
    if (loss_find(name, &kind) != KILN_OK)
        return false;
    m->cls = &metric_of_loss;
    m->loss = kiln_loss_of(kind);
    m->loss.from_logits = spec_number(s, "from_logits", -1, 0) != 0 ? KILN_YES : KILN_NO;
    m->loss.label_smoothing = spec_number(s, "label_smoothing", -1, 0);
    m->loss.delta = spec_number(s, "delta", -1, 1);
    return true;
}

static kiln_status check_argument(const metric *m, const char *given)
{
    double x = m->argument;
    const char *what = m->cls->argument;
    if (what == NULL)
        return KILN_OK;
    if (strcmp(what, "k") == 0 && !(x >= 1 && x == floor(x)))
        return kiln_fail(KILN_ERROR_ARGUMENT, "metric %s: k must be a whole number from 1 up",
                         given);
    if (strcmp(what, "num_thresholds") == 0 && !(x >= 2 && x <= 10000 && x == floor(x)))
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "metric %s: num_thresholds must lie between 2 and 10000", given);
    if (!isfinite(x))
        return kiln_fail(KILN_ERROR_ARGUMENT, "metric %s: %s must be a number", given, what);
    return KILN_OK;
}

/* The name for the logs, "name=...", is taken out of the arguments. */
static kiln_status take_name(const char *given, spec *s, metric *m)
{
    snprintf(m->name, sizeof m->name, "%s", s->name);
    for (int i = 0; i < s->count; i++) {
        if (strcmp(s->keys[i], "name") != 0)
            continue;
        if (s->words[i][0] == '\0')
            return kiln_fail(KILN_ERROR_ARGUMENT, "metric %s: name must be a word", given);
        m->named = strcmp(s->words[i], s->name) != 0;
        snprintf(m->name, sizeof m->name, "%s", s->words[i]);
        for (s->count--; i < s->count; i++) {
            memcpy(s->keys[i], s->keys[i + 1], sizeof s->keys[i]);
            memcpy(s->words[i], s->words[i + 1], sizeof s->words[i]);
            s->values[i] = s->values[i + 1];
            s->given_none[i] = s->given_none[i + 1];
        }
    }
    return KILN_OK;
}

kiln_status metric_parse(const char *given, metric *m)
{
    static const char *const none[] = {NULL};
    spec s;
    *m = (metric){0};
    KILN_TRY(spec_parse(given, "metric", &s));
    KILN_TRY(take_name(given, &s, m));
    if (is_accuracy(s.name)) {
        m->argument = 0.5;
        return spec_only(&s, "metric", none);
    }
    m->cls = find_class(s.name);
    if (m->cls) {
        const char *keys[] = {m->cls->argument, NULL};
        KILN_TRY(spec_only(&s, "metric", keys));
        m->argument = m->cls->fallback;
        if (m->cls->argument)
            m->argument = spec_number(&s, m->cls->argument, 0, m->cls->fallback);
        return check_argument(m, given);
    }
    if (parse_loss(s.name, &s, m)) {
        const char *keys[] = {"from_logits", "label_smoothing", "delta", NULL};
        KILN_TRY(spec_only(&s, "metric", keys));
        return loss_check(&m->loss);
    }
    return kiln_fail(KILN_ERROR_ARGUMENT,
                     "metric \"%s\": there is none of that name; the metrics are accuracy, "
                     "sparse_categorical_accuracy, categorical_accuracy, binary_accuracy, "
                     "top_k_categorical_accuracy, sparse_top_k_categorical_accuracy, precision, "
                     "recall, auc, mae, mse, rmse, r2_score and the losses",
                     s.name);
}

kiln_metrics kiln_metrics_of(size_t count, const char *const *names)
{
    kiln_metrics metrics = {{NULL}};
    if (count > KILN_MAX_METRICS)
        kiln_fail(KILN_ERROR_ARGUMENT, "%zu metrics were given; %d are the most", count,
                  KILN_MAX_METRICS);
    for (size_t i = 0; i < count && i < KILN_MAX_METRICS; i++)
        metrics.names[i] = names[i];
    return metrics;
}

/* The accuracy that Keras takes for these shapes. */
static const metric_class *accuracy_for(kiln_shape target, kiln_shape output)
{
    int64_t last = output.rank > 0 ? output.dims[output.rank - 1] : 1;
    int64_t target_last = target.rank > 0 ? target.dims[target.rank - 1] : 0;
    if (last == 1)
        return &accuracy_binary;
    if (target.rank < output.rank || (target_last == 1 && last > 1))
        return &accuracy_sparse;
    return &accuracy_categorical;
}

kiln_status metric_resolve(metric *m, kiln_shape target, kiln_shape output, const char *layer)
{
    if (m->cls == NULL)
        m->cls = accuracy_for(target, output);
    kiln_loss_kind kind = m->cls == &metric_of_loss     ? m->loss.kind
                          : m->cls->form == FORM_SPARSE ? KILN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY
                                                        : KILN_LOSS_MEAN_SQUARED_ERROR;
    if (loss_check_shapes(&(kiln_loss){.kind = kind}, target, output, layer) != KILN_OK)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "metric %s: the output of layer %s has shape %s for each sample, the "
                         "target %s; %s",
                         m->name, layer, ir_shape_text(output), ir_shape_text(target),
                         kind == KILN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY
                             ? "the target must be a class number"
                             : "they must be the same");
    if (m->cls->value == r2_value && output.rank != 1)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "metric %s: the output of layer %s has shape %s for each sample; it must "
                         "have one axis",
                         m->name, layer, ir_shape_text(output));
    return KILN_OK;
}

kiln_status metric_build(metric *m, ir_graph *g, ir_id target, ir_id output, ir_id mask,
                         ir_id steps, ir_id *sums)
{
    if (m->cls->form == FORM_SAME && m->cls != &metric_of_loss)
        target = loss_align(g, target, output);
    m->masked = false;
    if (m->cls->build) {
        m->sum_count = m->cls->build(m, g, target, output, mask, sums);
    } else if (steps != IR_NONE && m->cls->value == NULL) {
        /* A mean over the steps that count, of all samples. */
        kiln_shape rows = {.rank = g->items[steps].shape.rank,
                           .dims = {g->items[mask].shape.dims[0]}};
        for (int i = 1; i < rows.rank; i++)
            rows.dims[i] = 1;
        ir_id weights = op_binary(g, F_MUL, steps, op_reshape(g, mask, rows)),
              values = loss_masked_mean(g, m->cls->values(m, g, target, output), steps);
        sums[0] = op_reduce(g, R_SUM, op_binary(g, F_MUL, values, weights), 0, -1, false);
        sums[1] = op_reduce(g, R_SUM, weights, 0, -1, false);
        m->sum_count = 2;
        m->masked = true;
    } else {
        ir_id values = loss_sample_mean(g, m->cls->values(m, g, target, output));
        sums[0] = op_reduce(g, R_SUM, op_binary(g, F_MUL, values, mask), 0, 0, false);
        m->sum_count = 1;
    }
    for (int i = 0; i < m->sum_count; i++) {
        if (sums[i] == IR_NONE)
            return kiln_fail_in("metric %s", m->name);
        m->sizes[i] = (size_t)kiln_shape_size(g->items[sums[i]].shape);
    }
    return KILN_OK;
}

double metric_value(const metric *m, const double *sums, double samples)
{
    if (m->cls->value)
        return m->cls->value(m, sums, samples);
    if (m->masked)
        return sums[1] > 0 ? sums[0] / sums[1] : 0;
    return samples > 0 ? sums[0] / samples : 0;
}

const char *metric_canonical_name(const metric *m)
{
    return m->cls == NULL             ? "accuracy"
           : m->cls->names[0] == NULL ? loss_name(m->loss.kind)
                                      : m->cls->names[0];
}

const char *metric_argument_name(const metric *m)
{
    return m->cls ? m->cls->argument : NULL;
}

/* The names of a class begin with a small letter, those of Keras's classes with a capital. */
const char *metric_class_name(const metric *m)
{
    if (m->cls == &metric_of_loss)
        return loss_class_name(m->loss.kind);
    for (int i = 0; m->cls && i < 4 && m->cls->names[i]; i++)
        if (m->cls->names[i][0] >= 'A' && m->cls->names[i][0] <= 'Z')
            return m->cls->names[i];
    return "Accuracy";
}

bool metric_is_plain(const metric *m)
{
    static const char *const ours[] = {"rmse", "RMSE", "r2"};
    if (m->named || (m->cls && m->cls->argument && m->argument != m->cls->fallback))
        return false;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strcmp(m->name, ours[i]) == 0)
            return false;
    return m->cls != &metric_of_loss ||
           (m->loss.kind != KILN_LOSS_HUBER && m->loss.from_logits != KILN_YES &&
            m->loss.label_smoothing == 0);
}

int metric_better(const metric *m)
{
    return m->cls ? m->cls->direction : 1;
}

int metric_direction(const char *name)
{
    kiln_loss_kind kind;
    if (is_accuracy(name))
        return 1;
    if (strcmp(name, "loss") == 0)
        return -1;
    const metric_class *cls = find_class(name);
    if (cls)
        return cls->direction;
    kiln_error_record record;
    kiln_error_save(&record);
    bool is_loss = loss_find(name, &kind) == KILN_OK;
    kiln_error_restore(&record);
    return is_loss ? -1 : 0;
}
