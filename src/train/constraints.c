/* Constraints of weights: a plan of their own, which runs after each step of a training. */
#include "train/training.h"

/* Adds what each constrained weight that is trained becomes. */
static kiln_status build(const model_training *t, ir_graph *g, plan_assign *assigns, int *count)
{
    kiln_model *model = t->model;
    KILN_TRY(ir_set_place(g, "constraints"));
    for (size_t i = 0; i < model_weight_count(model); i++) {
        layer_weight *w = model_weight(model, i, NULL);
        if (w->constraint == NULL || !t->trainable[i])
            continue;
        ir_id value = constraint_apply(g, w->constraint, op_weight(g, &w->weight));
        if (value == IR_NONE)
            return kiln_fail_in("%s", w->weight.path);
        assigns[(*count)++] = (plan_assign){.weight = &w->weight, .value = value};
    }
    return KILN_OK;
}

/* t->constraints stays NULL where no weight has one. */
static kiln_status make(model_training *t)
{
    ir_graph g = {0};
    int count = 0;
    plan_assign *assigns = mem_new(model_weight_count(t->model), sizeof *assigns);
    kiln_status status = assigns ? build(t, &g, assigns, &count) : KILN_ERROR_MEMORY;
    plan_request request = {.name = "constrain", .graph = &g, .loss = IR_NONE};
    request.assigns = assigns;
    request.assign_count = count;
    if (status == KILN_OK && count > 0)
        status = plan_create(t->device, &request, &t->constraints);
    t->constraints_made = status == KILN_OK;
    ir_free(&g);
    free(assigns);
    return status;
}

kiln_status training_enqueue(model_training *t, program *p, size_t count)
{
    if (p->mode == TRAINING_FIT && !t->constraints_made)
        KILN_TRY(make(t));
    if (p->mode != TRAINING_FIT || t->constraints == NULL)
        return plan_enqueue(p->plan, count);
    plan_step *steps = mem_new(count, sizeof *steps); /* of which the constraints read nothing */
    kiln_status status = steps ? plan_load_steps(t->constraints, steps, count) : KILN_ERROR_MEMORY;
    for (size_t i = 0; i < count && status == KILN_OK; i++) {
        status = plan_enqueue(p->plan, 1);
        if (status == KILN_OK)
            status = plan_enqueue(t->constraints, 1);
    }
    free(steps);
    return status;
}

void constraints_free(model_training *t)
{
    if (t->constraints)
        plan_free(t->constraints);
    t->constraints = NULL;
    t->constraints_made = false;
}
