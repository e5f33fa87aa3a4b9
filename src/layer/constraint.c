/* Constraints: what a weight becomes after each step of training, by Keras's names and
 * definitions. */
#include "layer/layer.h"

#include <stdlib.h>
#include <string.h>

#define EPSILON 1e-7 /* keras.config.epsilon() */

#define AXIS                                                                                       \
    {                                                                                              \
        .name = "axis", .type = SPEC_AXES                                                          \
    }

const spec_class constraint_classes[] = {
    {"max_norm", "MaxNorm", "maxnorm", {{.name = "max_value", .number = 2}, AXIS}},
    {"non_neg", "NonNeg", "nonneg", {{.name = NULL}}},
    {"unit_norm", "UnitNorm", "unitnorm", {AXIS}},
    {"min_max_norm",
     "MinMaxNorm",
     "minmaxnorm",
     {{.name = "min_value"},
      {.name = "max_value", .number = 1},
      {.name = "rate", .number = 1},
      AXIS}},
    {.name = NULL},
};

kiln_status constraint_check(const char *source)
{
    spec s;
    return source ? spec_resolve(constraint_classes, "constraint", source, &s, NULL) : KILN_OK;
}

/* Marks the axes that norms are taken along. */
static kiln_status mark_axes(const spec *s, int rank, bool along[KILN_MAX_RANK])
{
    const char *list = s->words[s->count - 1]; /* the axis is the last argument */
    char *end = NULL;
    memset(along, 0, KILN_MAX_RANK * sizeof *along);
    do {
        long axis = list[0] ? strtol(list, &end, 10) : (long)s->values[s->count - 1];
        if (axis < -rank || axis >= rank)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "constraint \"%s\": axis %ld is none of a weight with %d axes",
                             s->name, axis, rank);
        along[axis < 0 ? axis + rank : axis] = true;
        list = end;
    } while (list && *list);
    return KILN_OK;
}

kiln_status constraint_check_for(const char *source, kiln_shape shape)
{
    spec s;
    bool along[KILN_MAX_RANK];
    if (source == NULL)
        return KILN_OK;
    KILN_TRY(spec_resolve(constraint_classes, "constraint", source, &s, NULL));
    return s.count ? mark_axes(&s, shape.rank, along) : KILN_OK;
}

static ir_id clip(ir_graph *g, ir_id x, double least, double most)
{
    x = op_binary(g, F_MAX, x, op_constant(g, least));
    return op_binary(g, F_MIN, x, op_constant(g, most));
}

ir_id constraint_apply(ir_graph *g, const char *source, ir_id x)
{
    spec s;
    bool along[KILN_MAX_RANK];
    if (x == IR_NONE || spec_resolve(constraint_classes, "constraint", source, &s, NULL) != KILN_OK)
        return IR_NONE;
    if (strcmp(s.name, "non_neg") == 0)
        return op_binary(g, F_MAX, x, op_constant(g, 0));
    if (mark_axes(&s, g->items[x].shape.rank, along) != KILN_OK)
        return IR_NONE;
    ir_id norm = op_unary(g, F_SQUARE, x), wanted = op_constant(g, 1);
    for (int i = 0; i < g->items[x].shape.rank && norm != IR_NONE; i++)
        if (along[i])
            norm = op_reduce(g, R_SUM, norm, i, i, true);
    norm = op_unary(g, F_SQRT, norm);
    if (strcmp(s.name, "max_norm") == 0)
        wanted = clip(g, norm, 0, s.values[0]);
    else if (strcmp(s.name, "min_max_norm") == 0)
        wanted = op_binary(g, F_ADD,
                           op_affine(g, clip(g, norm, s.values[0], s.values[1]), s.values[2], 0),
                           op_affine(g, norm, 1 - s.values[2], 0));
    return op_binary(g, F_MUL, x, op_binary(g, F_DIV, wanted, op_affine(g, norm, 1, EPSILON)));
}
