#include "train/run.h"

struct snapshot {
    model_training *training;
    int64_t iteration;
    float **weights;
    size_t weight_count;
    float *slots[4];
};

static kiln_status make(model_training *t, snapshot **made)
{
    snapshot *s = mem_new(1, sizeof *s);
    if (s == NULL)
        return KILN_ERROR_MEMORY;
    *made = s;
    s->training = t;
    size_t count = model_weight_count(t->model);
    s->weights = mem_new(count, sizeof *s->weights);
    if (s->weights == NULL)
        return KILN_ERROR_MEMORY;
    s->weight_count = count;
    for (size_t i = 0; i < count; i++) {
        kiln_layer *layer;
        const ir_weight *weight = &model_weight(t->model, i, &layer)->weight;
        s->weights[i] = mem_new((size_t)kiln_shape_size(weight->shape), sizeof(float));
        if (s->weights[i] == NULL)
            return KILN_ERROR_MEMORY;
    }
    for (int slot = 0; t->optimizer.weights && slot < t->optimizer.plan.slot_count; slot++) {
        s->slots[slot] = mem_new(t->optimizer.elements, sizeof(float));
        if (s->slots[slot] == NULL)
            return KILN_ERROR_MEMORY;
    }
    return KILN_OK;
}

kiln_status snapshot_take(model_training *t, snapshot **taken)
{
    if (*taken == NULL)
        KILN_TRY(make(t, taken));
    snapshot *s = *taken;
    for (size_t i = 0; i < s->weight_count; i++) {
        kiln_layer *layer;
        KILN_TRY(store_download(&model_weight(t->model, i, &layer)->weight, s->weights[i]));
    }
    for (int slot = 0; slot < 4; slot++)
        if (s->slots[slot])
            KILN_TRY(optimizer_read_slot(&t->optimizer, slot, s->slots[slot]));
    s->iteration = t->optimizer.iterations;
    return KILN_OK;
}

kiln_status snapshot_restore(const snapshot *s)
{
    model_training *t = s->training;
    for (size_t i = 0; i < s->weight_count; i++) {
        kiln_layer *layer;
        KILN_TRY(store_upload(&model_weight(t->model, i, &layer)->weight, s->weights[i]));
    }
    for (int slot = 0; slot < 4; slot++)
        if (s->slots[slot])
            KILN_TRY(optimizer_write_slot(&t->optimizer, slot, s->slots[slot]));
    return KILN_OK;
}

int64_t snapshot_iteration(const snapshot *s)
{
    return s->iteration;
}

void snapshot_free(snapshot *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->weight_count; i++)
        free(s->weights[i]);
    free(s->weights);
    for (int slot = 0; slot < 4; slot++)
        free(s->slots[slot]);
    free(s);
}
