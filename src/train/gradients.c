#include "train/gradients.h"

#include "train/run.h"

static kiln_status visit_all(model_training *t, program *p, gradients_visit *visit, void *user)
{
    int output = 0;
    for (size_t i = 0; i < kiln_model_weight_count(t->model); i++) {
        if (!t->trainable[i])
            continue;
        size_t count = (size_t)kiln_shape_size(kiln_model_weight_shape(t->model, i));
        float *values = mem_new(count, sizeof *values);
        kiln_status status =
            values ? plan_read_output(p->plan, output++, values) : KILN_ERROR_MEMORY;
        if (status == KILN_OK)
            status = visit(user, i, values, count);
        free(values);
        KILN_TRY(status);
    }
    return KILN_OK;
}

static kiln_status run(model_training *t, program *p, const program *trained, const plan_step *step)
{
    KILN_TRY(plan_bind_as(p->plan, trained->plan));
    KILN_TRY(plan_load_steps(p->plan, step, 1));
    KILN_TRY(plan_enqueue(p->plan, 1));
    return device_finish(t->device);
}

kiln_status gradients_of_last_batch(model_training *t, gradients_visit *visit, void *user)
{
    const fit_run *fit = t->fit;
    program *p;
    if (fit == NULL || fit->program == NULL)
        return KILN_OK;
    KILN_TRY(program_get(t, TRAINING_GRADIENTS, fit->program->batch, &fit->program->types, &p));
    kiln_status status = run(t, p, fit->program, &fit->last);
    if (status == KILN_OK)
        status = visit_all(t, p, visit, user);
    plan_unbind_all(p->plan); /* the data may go before the plan */
    return status;
}
