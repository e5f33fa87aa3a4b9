#include "harness/trial.h"

#include "graph/autodiff.h"
#include "harness/harness.h"
#include "op/leaf.h"

#include <math.h>

#define GUARD 37  /* elements behind a source */
#define PROBES 10 /* single elements a gradient is checked at; one more: a random direction */
#define STEP 1e-5 /* of finite differences */
#define GUARD_BITS 0x7fc0deadu

void trial_start(trial *t, uint64_t seed)
{
    *t = (trial){.seed = 0x123456789abcdefu ^ seed,
                 .random = philox_start(seed, 77),
                 .step = {.rows = 1000, .step = 5, .sample = 6, .rate = 0.1f},
                 .engine = BLAS_TILE,
                 .loss = IR_NONE,
                 .tolerance = 1e-5,
                 .gradient_tolerance = 1e-4};
    reference_start(&t->reference, &t->graph);
}

void trial_end(trial *t)
{
    for (int i = 0; i < t->source_count; i++) {
        free(t->sources[i].values);
        ck_assert_ptr_null(t->sources[i].memory);
    }
    free(t->slopes);
    reference_end(&t->reference);
    ir_free(&t->graph);
}

double trial_random(trial *t, double low, double high)
{
    return low + (high - low) * philox_unit(&t->random);
}

static double smooth_value(trial *t, double low, double high)
{
    double x = trial_random(t, low, high), near = round(2 * x) / 2;
    if (fabs(x - near) < 0.01)
        x = near + (x < near ? -0.01 : 0.01) * (1 + trial_random(t, 0, 1));
    return (float)x;
}

static trial_source *add(trial *t, kiln_dtype dtype, kiln_shape shape)
{
    ck_assert_int_lt(t->source_count, TRIAL_SOURCES);
    trial_source *s = &t->sources[t->source_count];
    *s = (trial_source){.node = IR_NONE,
                        .slot = t->source_count++,
                        .dtype = dtype,
                        .shape = shape,
                        .count = (size_t)kiln_shape_size(shape),
                        .fixed = dtype != KILN_FLOAT32};
    s->offset = 1 + (size_t)(s->slot * 7) % 30;
    s->values = calloc(s->count, sizeof *s->values);
    ck_assert_ptr_nonnull(s->values);
    return s;
}

static ir_id as_input(trial *t, trial_source *s)
{
    reference_slot(&t->reference, s->slot, s->values);
    s->node = op_input(&t->graph, s->slot, s->dtype, s->shape);
    ck_assert_int_ge(s->node, 0);
    return s->node;
}

ir_id trial_float(trial *t, kiln_shape shape, double low, double high)
{
    trial_source *s = add(t, KILN_FLOAT32, shape);
    for (size_t i = 0; i < s->count; i++)
        s->values[i] = smooth_value(t, low, high);
    return as_input(t, s);
}

ir_id trial_values(trial *t, kiln_shape shape, const double *values)
{
    trial_source *s = add(t, KILN_FLOAT32, shape);
    for (size_t i = 0; i < s->count; i++)
        s->values[i] = (float)values[i];
    return as_input(t, s);
}

static void fill_whole(trial *t, trial_source *s, int low, int high)
{
    for (size_t i = 0; i < s->count; i++)
        s->values[i] = low + (double)philox_below(&t->random, (uint64_t)((int64_t)high - low + 1));
}

ir_id trial_whole(trial *t, kiln_dtype dtype, kiln_shape shape, int low, int high)
{
    trial_source *s = add(t, dtype, shape);
    fill_whole(t, s, low, high);
    s->fixed = true;
    return as_input(t, s);
}

int trial_buffer(trial *t, kiln_dtype dtype, kiln_shape shape, double low, double high)
{
    trial_source *s = add(t, dtype, shape);
    if (dtype != KILN_FLOAT32)
        fill_whole(t, s, (int)low, (int)high);
    else
        for (size_t i = 0; i < s->count; i++)
            s->values[i] = smooth_value(t, low, high);
    s->fixed = true;
    reference_slot(&t->reference, s->slot, s->values);
    return s->slot;
}

ir_id trial_weight(trial *t, kiln_shape shape, double low, double high)
{
    trial_source *s = add(t, KILN_FLOAT32, shape);
    for (size_t i = 0; i < s->count; i++)
        s->values[i] = smooth_value(t, low, high);
    s->slot = -1;
    s->weight = (ir_weight){.path = "trial/weight", .shape = shape, .trainable = true};
    reference_weight(&t->reference, &s->weight, s->values);
    s->node = op_weight(&t->graph, &s->weight);
    ck_assert_int_ge(s->node, 0);
    return s->node;
}

trial_source *trial_source_of(trial *t, ir_id node)
{
    for (int i = 0; i < t->source_count; i++)
        if (t->sources[i].node == node)
            return &t->sources[i];
    ck_abort_msg("node %d is no source", node);
    return NULL;
}

void trial_output(trial *t, ir_id node)
{
    ck_assert_msg(node != IR_NONE, "%s", kiln_last_error());
    ck_assert_int_lt(t->output_count, TRIAL_OUTPUTS);
    t->tolerances[t->output_count] = t->tolerance;
    t->outputs[t->output_count++] = node;
}

void trial_differentiate(trial *t)
{
    ir_graph *g = &t->graph;
    ir_id wrt[TRIAL_SOURCES];
    int sources = t->source_count;
    for (int i = 0; i < sources; i++)
        wrt[i] = t->sources[i].fixed ? IR_NONE : t->sources[i].node;
    for (int i = 0; i < t->output_count; i++) {
        ir_id cotangent = trial_float(t, g->items[t->outputs[i]].shape, -1, 1);
        trial_source_of(t, cotangent)->fixed = true;
        ir_id part = op_binary(g, F_MUL, t->outputs[i], cotangent);
        ck_assert_int_ge(part, 0);
        if (g->items[part].shape.rank)
            part = op_reduce(g, R_SUM, part, 0, -1, false);
        t->loss = t->loss == IR_NONE ? part : op_binary(g, F_ADD, t->loss, part);
    }
    ck_assert_msg(t->loss != IR_NONE, "%s", kiln_last_error());
    for (int i = 0; i < TRIAL_SOURCES; i++)
        t->gradients[i] = IR_NONE;
    harness_ok(graph_gradients(g, t->loss, sources, wrt, t->gradients));
    t->differentiated = true;
}

/* ---- finite differences ---- */
static double loss_at(trial *t)
{
    reference_forget(&t->reference);
    return reference_value(&t->reference, t->loss)[0];
}

/* The same random direction and elements whenever they are asked for. */
static void probe_of(size_t count, int source, int probe, double *direction)
{
    philox_sequence random = philox_start((uint64_t)source * 100 + (uint64_t)probe, 78);
    memset(direction, 0, count * sizeof *direction);
    if (probe == 0)
        for (size_t i = 0; i < count; i++)
            direction[i] = 2 * philox_unit(&random) - 1;
    else
        direction[philox_below(&random, count)] = 1;
}

static void find_slopes(trial *t)
{
    t->slopes = calloc((size_t)t->source_count * (PROBES + 1), sizeof *t->slopes);
    ck_assert_ptr_nonnull(t->slopes);
    for (int i = 0; i < t->source_count; i++) {
        trial_source *s = &t->sources[i];
        if (s->fixed)
            continue;
        double *direction = malloc(s->count * sizeof *direction),
               *kept = malloc(s->count * sizeof *kept);
        ck_assert(direction && kept);
        memcpy(kept, s->values, s->count * sizeof *kept);
        for (int p = 0; p <= PROBES; p++) {
            double side[2];
            probe_of(s->count, i, p, direction);
            for (int k = 0; k < 2; k++) {
                for (size_t e = 0; e < s->count; e++)
                    s->values[e] = kept[e] + (k ? -STEP : STEP) * direction[e];
                side[k] = loss_at(t);
            }
            t->slopes[i * (PROBES + 1) + p] = (side[0] - side[1]) / (2 * STEP);
        }
        memcpy(s->values, kept, s->count * sizeof *kept);
        free(direction);
        free(kept);
    }
    reference_forget(&t->reference);
}

static void check_gradient(trial *t, const char *label, int source, const float *got)
{
    const trial_source *s = &t->sources[source];
    double *direction = malloc(s->count * sizeof *direction), largest = 0;
    ck_assert_ptr_nonnull(direction);
    for (size_t e = 0; e < s->count && got; e++)
        if (fabs(got[e]) > largest)
            largest = fabs(got[e]);
    for (int p = 0; p <= PROBES; p++) {
        double sum = 0, size = 0, expected = t->slopes[source * (PROBES + 1) + p];
        probe_of(s->count, source, p, direction);
        for (size_t e = 0; e < s->count; e++) {
            sum += direction[e] * (got ? got[e] : 0);
            size += fabs(direction[e]) * largest;
        }
        ck_assert_msg(fabs(sum - expected) <=
                          t->gradient_tolerance * (1 + (p ? largest : sqrt((double)s->count)) +
                                                   (p ? 0 : size / sqrt((double)s->count))),
                      "%s: gradient of source %d %s, probe %d: %.9g, and finite differences give "
                      "%.9g (the largest gradient is %g)%s",
                      label, source, ir_shape_text(s->shape), p, sum, expected, largest,
                      got ? "" : "; there is none in the graph");
    }
    free(direction);
}

/* ---- buffers ---- */
static void *host_image(const trial_source *s, size_t *bytes)
{
    size_t total = s->offset + s->count + GUARD, size = kiln_dtype_size(s->dtype);
    unsigned char *image = malloc(total * size);
    ck_assert_ptr_nonnull(image);
    for (size_t i = 0; i < total; i++) {
        bool inside = i >= s->offset && i < s->offset + s->count;
        double v = inside ? s->values[i - s->offset] : 0;
        uint32_t guard = GUARD_BITS;
        float f = (float)v;
        int32_t w = (int32_t)v;
        uint8_t b = inside ? (uint8_t)v : 0xa5;
        memcpy(image + i * size,
               s->dtype == KILN_UINT8   ? (void *)&b
               : !inside                ? (void *)&guard
               : s->dtype == KILN_INT32 ? (void *)&w
                                        : (void *)&f,
               size);
    }
    *bytes = total * size;
    return image;
}

void trial_place(trial *t, kiln_device *device)
{
    for (int i = 0; i < t->source_count; i++) {
        trial_source *s = &t->sources[i];
        size_t bytes;
        void *image = host_image(s, &bytes);
        harness_ok(device_alloc(device, bytes, "a source", &s->memory));
        harness_ok(device_write(device, s->memory, 0, image, bytes));
        free(image);
        if (s->slot < 0) {
            s->weight.device = device;
            s->weight.memory = s->memory;
            s->weight.offset = s->offset;
        }
    }
}

void trial_bind(trial *t, plan *p)
{
    for (int i = 0; i < t->source_count; i++)
        if (t->sources[i].slot >= 0)
            harness_ok(plan_bind(p, t->sources[i].slot, t->sources[i].memory, t->sources[i].offset,
                                 t->sources[i].shape.rank ? t->sources[i].shape.dims[0] : 1));
}

void trial_take_back(trial *t, kiln_device *device, const char *label)
{
    for (int i = 0; i < t->source_count; i++) {
        trial_source *s = &t->sources[i];
        size_t bytes, size = kiln_dtype_size(s->dtype);
        unsigned char *image = host_image(s, &bytes), *now = malloc(bytes);
        ck_assert_ptr_nonnull(now);
        harness_ok(device_read(device, s->memory, 0, now, bytes));
        for (size_t e = 0; e < bytes / size; e++) {
            bool inside = e >= s->offset && e < s->offset + s->count;
            ck_assert_msg((inside && s->changes) ||
                              memcmp(image + e * size, now + e * size, size) == 0,
                          "%s: the plan wrote element %lld of source %d %s", label,
                          (long long)e - (long long)s->offset, i, ir_shape_text(s->shape));
        }
        free(image);
        free(now);
        device_free(device, s->memory);
        s->memory = NULL;
    }
}

/* ---- running ---- */
void trial_compare(const char *label, const char *what, const float *got, const double *expected,
                   int64_t count, double tolerance)
{
    for (int64_t i = 0; i < count; i++) {
        double x = got[i], y = expected[i];
        bool same = isnan(y)              ? isnan(x)
                    : !isfinite((float)y) ? (float)x == (float)y
                                          : fabs(x - y) <= tolerance * (1 + fabs(y));
        ck_assert_msg(same, "%s: %s, element %lld of %lld: %.9g, not %.9g", label, what,
                      (long long)i, (long long)count, x, y);
    }
}

static float *read_output(trial *t, plan *p, int i, ir_id node)
{
    float *values = malloc((size_t)kiln_shape_size(t->graph.items[node].shape) * sizeof *values);
    ck_assert_ptr_nonnull(values);
    harness_ok(plan_read_output(p, i, values));
    return values;
}

static const char *name_of(const trial *t, ir_id node)
{
    static char name[128];
    snprintf(name, sizeof name, "%s %s", t->graph.items[node].op->name,
             ir_shape_text(t->graph.items[node].shape));
    return name;
}

void trial_run(trial *t, kiln_device *device, const char *label)
{
    ir_id asked[TRIAL_OUTPUTS + TRIAL_SOURCES];
    int count = 0, source_of[TRIAL_OUTPUTS + TRIAL_SOURCES];
    char where[512];
    plan *p;
    snprintf(where, sizeof where, "%s, %s, %s kernels", label, device->info.name,
             device->serial_kernels ? "serial" : "parallel");
    for (; count < t->output_count; count++)
        asked[count] = t->outputs[count];
    for (int i = 0; i < t->source_count && t->differentiated; i++)
        if (t->gradients[i] != IR_NONE) {
            source_of[count] = i;
            asked[count++] = t->gradients[i];
        }
    t->reference.step = t->step;
    t->reference.seed = t->seed;
    if (t->differentiated && t->slopes == NULL)
        find_slopes(t);
    trial_place(t, device);
    plan_request request = {.name = label,
                            .graph = &t->graph,
                            .output_count = count,
                            .outputs = asked,
                            .loss = t->loss,
                            .engine = t->engine,
                            .half = t->half,
                            .seed = t->seed};
    kiln_status status = plan_create(device, &request, &p);
    ck_assert_msg(status == KILN_OK, "%s: %s", where, kiln_last_error());
    plan_facts facts;
    plan_describe(p, &facts);
    t->arena_bytes = facts.arena_bytes;
    trial_bind(t, p);
    harness_ok(plan_load_steps(p, (plan_step[]){t->step, t->step}, 2));
    float *values[TRIAL_OUTPUTS + TRIAL_SOURCES];
    harness_ok(plan_enqueue(p, 1));
    for (int i = 0; i < count; i++) {
        values[i] = read_output(t, p, i, asked[i]);
        if (i < t->output_count)
            trial_compare(where, name_of(t, asked[i]), values[i],
                          reference_value(&t->reference, asked[i]),
                          kiln_shape_size(t->graph.items[asked[i]].shape), t->tolerances[i]);
        else
            check_gradient(t, where, source_of[i], values[i]);
    }
    for (int i = 0; i < t->source_count && t->differentiated; i++)
        if (t->gradients[i] == IR_NONE && !t->sources[i].fixed)
            check_gradient(t, where, i, NULL);
    harness_ok(plan_enqueue(p, 1));
    for (int i = 0; i < count; i++) {
        float *again = read_output(t, p, i, asked[i]);
        ck_assert_msg(
            memcmp(again, values[i],
                   (size_t)kiln_shape_size(t->graph.items[asked[i]].shape) * sizeof *again) == 0,
            "%s: %s: a second run gives other bits", where, name_of(t, asked[i]));
        free(again);
        free(values[i]);
    }
    plan_free(p);
    trial_take_back(t, device, where);
}

void trial_run_everywhere(trial *t, const char *label)
{
    HARNESS_EACH_DEVICE(device)
    {
        bool usual = device->serial_kernels, small = device->info.largest_work_group < 256;
        for (int parallel = 0; parallel < 2; parallel++) {
            /* On a slow one only one way or the other; serial kernels take the longest to compile.
             * With small work-groups its own: in the other kernels they have one work-item. */
            if (small || (t->only_usual_on && strstr(device->info.name, t->only_usual_on))
                    ? usual == (parallel == 1)
                    : harness_is_slow(device) && (t->seed % 4 == 0) == (parallel == 1))
                continue;
            device->serial_kernels = !parallel;
            trial_run(t, device, label);
        }
        device->serial_kernels = usual;
    }
}
