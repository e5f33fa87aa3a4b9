#include "check/work.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Of every buffer, left free in front of what is bound: offsets are never 0. */
enum { LEAD = 48 };

void *check_memory(check_work *w, int64_t count, size_t size)
{
    static double spare[1 << 15];
    void *memory = w->failed || w->owned_count == CHECK_OWNED ? NULL : mem_new((size_t)count, size);
    if (memory == NULL) {
        if (!w->failed && w->owned_count == CHECK_OWNED)
            kiln_fail(KILN_ERROR_MEMORY, "a case of the self-check has too many parts");
        w->failed = true;
        return spare;
    }
    return w->owned[w->owned_count++] = memory;
}

void *check_slot(check_work *w, kiln_dtype dtype, int64_t count, int64_t rows, int *slot)
{
    size_t size = dtype == KILN_UINT8 ? 1 : 4;
    void *values = check_memory(w, count, size);
    *slot = 0;
    if (w->source_count == CHECK_SOURCES)
        w->failed = true;
    if (w->failed)
        return values;
    *slot = w->source_count++;
    w->sources[*slot].dtype = dtype;
    w->sources[*slot].bytes = (size_t)count * size;
    w->sources[*slot].values = values;
    w->sources[*slot].rows = rows;
    return values;
}

float *check_floats(check_work *w, kiln_shape shape, double low, double high, ir_id *node)
{
    int slot;
    int64_t count = kiln_shape_size(shape);
    float *values = check_slot(w, KILN_FLOAT32, count, shape.dims[0], &slot);
    if (!w->failed)
        philox_fill_uniform(&w->draws, values, (size_t)count, low, high);
    *node = op_input(&w->graph, slot, KILN_FLOAT32, shape);
    return values;
}

int32_t *check_whole(check_work *w, kiln_shape shape, int below, ir_id *node)
{
    int slot;
    int64_t count = kiln_shape_size(shape);
    int32_t *values = check_slot(w, KILN_INT32, count, shape.dims[0], &slot);
    for (int64_t i = 0; i < count && !w->failed; i++)
        values[i] = (int32_t)philox_below(&w->draws, (uint64_t)below);
    *node = op_input(&w->graph, slot, KILN_INT32, shape);
    return values;
}

float *check_weight(check_work *w, kiln_shape shape, double low, double high, ir_id *node)
{
    int64_t count = kiln_shape_size(shape);
    float *values = check_memory(w, count, sizeof *values);
    *node = IR_NONE;
    if (w->weight_count == CHECK_WEIGHTS)
        w->failed = true;
    if (w->failed)
        return values;
    int i = w->weight_count++;
    philox_fill_uniform(&w->draws, values, (size_t)count, low, high);
    w->weights[i].values = values;
    w->weights[i].gradient = IR_NONE;
    w->weights[i].weight =
        (ir_weight){.path = "check/weight", .shape = shape, .trainable = true, .host = values};
    *node = op_weight(&w->graph, &w->weights[i].weight);
    return values;
}

double *check_expect(check_work *w, const char *what, ir_id node, double tolerance)
{
    if (node == IR_NONE || w->output_count == CHECK_OUTPUTS)
        w->failed = true;
    double *values =
        check_memory(w, w->failed ? 0 : kiln_shape_size(w->graph.items[node].shape), sizeof *values);
    if (w->failed)
        return values;
    int i = w->output_count++;
    w->outputs[i].what = what;
    w->outputs[i].node = node;
    w->outputs[i].values = values;
    w->outputs[i].tolerance = tolerance;
    return values;
}

kiln_status check_wrong(const char *what, size_t at, double got, double want)
{
    return kiln_fail(KILN_ERROR_DEVICE, "%s: element %zu is %.9g, not %.9g", what, at, got, want);
}

static kiln_status compare(const char *what, const float *got, const double *want, size_t count,
                           double tolerance)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - want[i]) <= tolerance * (1 + fabs(want[i]))))
            return check_wrong(what, i, (double)got[i], want[i]);
    return KILN_OK;
}

typedef struct memories {
    cl_mem sources[CHECK_SOURCES], weights, slots;
    size_t weight_bytes;
} memories;

static kiln_status upload(check_work *w, memories *m)
{
    kiln_device *device = w->device;
    for (int i = 0; i < w->source_count; i++) {
        size_t bytes = w->sources[i].bytes;
        KILN_TRY(device_alloc(device, bytes + LEAD, "the self-check", &m->sources[i]));
        KILN_TRY(device_write(device, m->sources[i], LEAD, w->sources[i].values, bytes));
    }
    size_t at = 64;
    for (int i = 0; i < w->weight_count; i++) {
        w->weights[i].weight.offset = at;
        at += ((size_t)kiln_shape_size(w->weights[i].weight.shape) + 63) / 64 * 64;
    }
    if (w->weight_count == 0)
        return KILN_OK;
    m->weight_bytes = at * sizeof(float);
    KILN_TRY(device_alloc(device, m->weight_bytes, "the self-check", &m->weights));
    KILN_TRY(device_alloc(device, m->weight_bytes, "the self-check", &m->slots));
    KILN_TRY(device_fill_zero(device, m->slots, 0, m->weight_bytes));
    for (int i = 0; i < w->weight_count; i++) {
        w->weights[i].weight.device = device;
        w->weights[i].weight.memory = m->weights;
        KILN_TRY(device_write(device, m->weights, w->weights[i].weight.offset * sizeof(float),
                              w->weights[i].values,
                              (size_t)kiln_shape_size(w->weights[i].weight.shape) * sizeof(float)));
    }
    return KILN_OK;
}

static size_t element_size(kiln_dtype dtype)
{
    return dtype == KILN_UINT8 ? 1 : 4;
}

static kiln_status make_plan(check_work *w, const memories *m, const char *name, plan **p)
{
    ir_id outputs[CHECK_OUTPUTS];
    plan_update updates[CHECK_WEIGHTS];
    plan_optimizer rule = {.defines = "#define KILN_RULE_SGD 1\n#define KILN_USE_MOMENTUM 1\n"
                                      "#define KILN_MOMENTUM 0.5f\n",
                           .slot_count = 1,
                           .slots = {m->slots}};
    plan_request r = {.name = name,
                      .graph = &w->graph,
                      .output_count = w->output_count,
                      .outputs = outputs,
                      .loss = w->loss,
                      .updates = updates,
                      .optimizer = &rule,
                      .engine = w->engine,
                      .sample = w->samples ? &w->sample : NULL,
                      .seed = 77};
    for (int i = 0; i < w->output_count; i++)
        outputs[i] = w->outputs[i].node;
    for (int i = 0; i < w->weight_count; i++)
        if (w->weights[i].after)
            updates[r.update_count++] =
                (plan_update){&w->weights[i].weight, w->weights[i].gradient};
    KILN_TRY(plan_create(w->device, &r, p));
    for (int i = 0; i < w->source_count; i++)
        KILN_TRY(plan_bind(*p, i, m->sources[i], LEAD / element_size(w->sources[i].dtype),
                           w->sources[i].rows));
    return KILN_OK;
}

static kiln_status compare_all(check_work *w, plan *p, const memories *m)
{
    for (int i = 0; i < w->output_count; i++) {
        size_t count = (size_t)kiln_shape_size(w->graph.items[w->outputs[i].node].shape);
        float *got = check_memory(w, (int64_t)count, sizeof *got);
        if (w->failed)
            return kiln_last_status();
        KILN_TRY(plan_read_output(p, i, got));
        KILN_TRY(compare(w->outputs[i].what, got, w->outputs[i].values, count,
                         w->outputs[i].tolerance));
    }
    for (int i = 0; i < w->source_count; i++) {
        const int32_t *want = w->sources[i].after;
        if (want == NULL)
            continue;
        int32_t *got = check_memory(w, 1, w->sources[i].bytes);
        if (w->failed)
            return kiln_last_status();
        KILN_TRY(device_read(w->device, m->sources[i], LEAD, got, w->sources[i].bytes));
        for (size_t k = 0; k < w->sources[i].bytes / sizeof *got; k++)
            if (got[k] != want[k])
                return check_wrong("tokens", k, got[k], want[k]);
    }
    for (int i = 0; i < w->weight_count; i++) {
        size_t count = (size_t)kiln_shape_size(w->weights[i].weight.shape);
        float *got = check_memory(w, (int64_t)count, sizeof *got);
        if (w->failed)
            return kiln_last_status();
        KILN_TRY(device_read(w->device, m->weights, w->weights[i].weight.offset * sizeof(float), got,
                             count * sizeof *got));
        if (w->weights[i].after)
            KILN_TRY(compare("trained weights", got, w->weights[i].after, count, 1e-5));
    }
    return KILN_OK;
}

static kiln_status run_work(check_work *w, const char *name)
{
    memories m = {0};
    plan *p = NULL;
    kiln_status status = upload(w, &m);
    if (status == KILN_OK)
        status = make_plan(w, &m, name, &p);
    if (status == KILN_OK)
        status = plan_load_steps(p, w->steps, (size_t)w->step_count);
    if (status == KILN_OK)
        status = plan_enqueue(p, (size_t)w->step_count);
    if (status == KILN_OK)
        status = device_finish(w->device);
    if (status == KILN_OK)
        status = compare_all(w, p, &m);
    kiln_error_record failure;
    kiln_error_save(&failure);
    plan_free(p);
    for (int i = 0; i < w->source_count; i++)
        device_free(w->device, m.sources[i]);
    device_free(w->device, m.weights);
    device_free(w->device, m.slots);
    kiln_error_restore(&failure);
    return status;
}

kiln_status check_run(kiln_device *device, const check_case *one)
{
    if (one->direct)
        return one->direct(device);
    check_work *w = mem_new(1, sizeof *w);
    if (w == NULL)
        return KILN_ERROR_MEMORY;
    w->device = device;
    w->draws = philox_start(20, 0);
    w->loss = IR_NONE;
    w->engine = one->engine == BLAS_AUTO ? BLAS_TILE : one->engine;
    w->step_count = 1;
    w->steps[0] = (plan_step){.rows = 1, .step = 3, .sample = 6, .rate = 0.1f};
    char name[64];
    snprintf(name, sizeof name, "check of %s", one->name);
    kiln_status status = ir_set_place(&w->graph, "check");
    if (status == KILN_OK) {
        one->make(w);
        status = w->failed ? kiln_last_status() : run_work(w, name);
    }
    ir_free(&w->graph);
    for (int i = 0; i < w->owned_count; i++)
        free(w->owned[i]);
    free(w);
    return status;
}
