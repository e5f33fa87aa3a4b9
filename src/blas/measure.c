#include "blas/measure.h"

#include "base/clock.h"
#include "blas/record.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

double product_flops(const blas_product *p)
{
    return 2.0 * (double)p->m * (double)p->n * (double)p->k * (double)(p->batch[0] * p->batch[1]);
}

void candidate_write(const candidate *c, char *out, size_t size)
{
    const tile *t = &c->tile;
    if (c->engine == BLAS_CLBLAST)
        snprintf(out, size, "clblast");
    else if (c->convolves)
        convolution_tile_write(&c->sizes, out, size);
    else if (t->serial)
        snprintf(out, size, "serial tm=%d tn=%d rm=%d rn=%d kb=%d pack=%d,%d", t->tm, t->tn, t->rm,
                 t->rn, t->kb, t->pack_a, t->pack_b);
    else
        snprintf(out, size, "local tm=%d tn=%d lx=%d ly=%d kt=%d", t->tm, t->tn, t->lx, t->ly,
                 t->kt);
}

bool candidate_read(const char *from, candidate *c)
{
    tile *t = &c->tile;
    memset(c, 0, sizeof *c);
    if (strncmp(from, "clblast", 7) == 0 && (from[7] == '\0' || from[7] == ',')) {
        c->engine = BLAS_CLBLAST;
        return true;
    }
    c->engine = BLAS_TILE;
    c->convolves = convolution_tile_read(from, &c->sizes);
    if (c->convolves)
        return true;
    if (sscanf(from, "serial tm=%d tn=%d rm=%d rn=%d kb=%d pack=%d,%d", &t->tm, &t->tn, &t->rm,
               &t->rn, &t->kb, &t->pack_a, &t->pack_b) == 7) {
        t->serial = true;
        return true;
    }
    return sscanf(from, "local tm=%d tn=%d lx=%d ly=%d kt=%d", &t->tm, &t->tn, &t->lx, &t->ly,
                  &t->kt) == 5;
}

/* The operands. */
typedef struct bench {
    kiln_device *device;
    const blas_product *product;
    const blas_convolution *convolution; /* that the product is, or NULL */
    size_t size[3];                      /* elements of A, B, C */
    float *host[3];
    cl_mem memory[3], scratch;
    size_t scratch_bytes;
} bench;

static size_t extent(int64_t rows, int64_t cols, int64_t ld, const int64_t *batch,
                     const int64_t *stride)
{
    return (size_t)((rows - 1) * ld + cols + (batch[0] - 1) * stride[0] +
                    (batch[1] - 1) * stride[1]);
}

static void sizes(const blas_product *p, size_t size[3])
{
    size[0] = extent(p->transpose_a ? p->k : p->m, p->transpose_a ? p->m : p->k, p->lda, p->batch,
                     p->stride_a);
    size[1] = extent(p->transpose_b ? p->n : p->k, p->transpose_b ? p->k : p->n, p->ldb, p->batch,
                     p->stride_b);
    if (p->panel)
        size[1] = (size_t)(p->k * p->n);
    size[2] = extent(p->m, p->n, p->ldc, p->batch, p->stride_c);
}

bool measure_is_too_large(const kiln_device *device, const blas_product *p, const blas_convolution *c)
{
    size_t size[3], all = 0;
    if (c)
        convolution_sizes(c, size);
    else
        sizes(p, size);
    for (int i = 0; i < 3; i++) {
        all += size[i] * sizeof(float);
        if (size[i] * sizeof(float) > device->info.largest_allocation)
            return true;
    }
    return all > (size_t)256 << 20 || device->used + 2 * all > device->info.memory;
}

static void bench_end(bench *b)
{
    for (int i = 0; i < 3; i++) {
        device_free(b->device, b->memory[i]);
        free(b->host[i]);
    }
    device_free(b->device, b->scratch);
}

static kiln_status bench_begin(bench *b)
{
    uint32_t state = 1;
    if (b->convolution)
        convolution_sizes(b->convolution, b->size);
    else
        sizes(b->product, b->size);
    for (int i = 0; i < 3; i++) {
        b->host[i] = mem_new(b->size[i], sizeof(float));
        if (b->host[i] == NULL)
            return KILN_ERROR_MEMORY;
        for (size_t j = 0; i < 2 && j < b->size[i]; j++) {
            state = state * 1664525u + 1013904223u;
            b->host[i][j] = (float)(int32_t)state * 0x1p-31f;
        }
        KILN_TRY(device_alloc(b->device, b->size[i] * sizeof(float), "operands of a trial product",
                              &b->memory[i]));
        if (i < 2)
            KILN_TRY(
                device_write(b->device, b->memory[i], 0, b->host[i], b->size[i] * sizeof(float)));
    }
    return KILN_OK;
}

/* Where op(B)[k][col] lies. */
static int64_t right_at(const blas_product *p, int64_t k, int64_t col)
{
    if (p->panel)
        return (col / p->panel * p->k + k) * p->panel + col % p->panel;
    return p->transpose_b ? col * p->ldb + k : k * p->ldb + col;
}

/* An element of C, and the sum of the magnitudes of its terms. */
static double element(const blas_product *p, const float *x, const float *y, int64_t batch0,
                      int64_t batch1, int64_t row, int64_t col, double *magnitude)
{
    x += batch0 * p->stride_a[0] + batch1 * p->stride_a[1];
    y += batch0 * p->stride_b[0] + batch1 * p->stride_b[1];
    double sum = 0;
    *magnitude = 0;
    for (int64_t k = 0; k < p->k; k++) {
        double term = (double)(p->transpose_a ? x[k * p->lda + row] : x[row * p->lda + k]) *
                      (double)y[right_at(p, k, col)];
        sum += term;
        *magnitude += fabs(term);
    }
    return sum;
}

bool product_is_right(const blas_product *p, const float *x, const float *y, const float *result)
{
    enum { SAMPLES = 64 };
    uint64_t state = 88172645463325252u;
    for (int64_t i = 0; i < p->batch[0]; i++)
        for (int64_t j = 0; j < p->batch[1]; j++)
            for (int64_t row = 0; row < p->m; row++) {
                const float *c = result + i * p->stride_c[0] + j * p->stride_c[1] + row * p->ldc;
                for (int64_t col = 0; col < p->n; col++)
                    if (!isfinite(c[col]))
                        return false;
            }
    for (int sample = 0; sample < SAMPLES; sample++) {
        int64_t at[4];
        const int64_t limit[4] = {p->batch[0], p->batch[1], p->m, p->n};
        for (int i = 0; i < 4; i++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            at[i] = (int64_t)(state % (uint64_t)limit[i]);
        }
        if (sample < 4) {
            at[2] = sample & 1 ? p->m - 1 : 0;
            at[3] = sample & 2 ? p->n - 1 : 0;
        }
        double magnitude, want = element(p, x, y, at[0], at[1], at[2], at[3], &magnitude);
        double got =
            result[at[0] * p->stride_c[0] + at[1] * p->stride_c[1] + at[2] * p->ldc + at[3]];
        if (!(fabs(got - want) <= 1e-5 * magnitude + 1e-6))
            return false;
    }
    return true;
}

/* A candidate ready to run. */
typedef struct runner {
    candidate *candidate;
    blas_choice choice;
    cl_kernel kernel;
    double once; /* seconds of the run that was checked */
    int repeat;
    double windows[MEASURE_MOST_WINDOWS];
} runner;

static kiln_status enqueue(bench *b, runner *r)
{
    const cl_mem *memory = b->memory;
    return r->candidate->engine == BLAS_CLBLAST
               ? blas_clblast_enqueue(b->device, b->product, memory[0], 0, memory[1], 0, memory[2],
                                      0, b->scratch, b->scratch_bytes)
               : blas_tile_enqueue(b->device, b->product, &r->choice, r->kernel, memory[0], 0,
                                   memory[1], 0, memory[2], 0);
}

/* The kernel of a candidate that is a tile. */
static kiln_status tile_kernel(bench *b, runner *r)
{
    const candidate *c = r->candidate;
    text hooks = {0};
    kiln_status status = c->convolves ? convolution_describe(b->device, b->convolution, &c->sizes, &r->choice, NULL)
                                      : tile_describe(b->product, &c->tile, &r->choice);
    if (b->convolution)
        convolution_hooks(b->convolution, c->convolves, &hooks);
    if (status == KILN_OK && hooks.failed)
        status = kiln_fail_memory(hooks.length);
    if (status == KILN_OK)
        status = blas_tile_kernel(b->device, &r->choice, hooks.data ? hooks.data : "", &r->kernel);
    text_free(&hooks);
    return status;
}

/* Builds, runs and checks a candidate. */
static kiln_status try_once(bench *b, runner *r)
{
    kiln_device *device = b->device;
    if (r->candidate->engine == BLAS_CLBLAST) {
        KILN_TRY(blas_clblast_scratch(device, b->product, &b->scratch_bytes));
        if (b->scratch_bytes)
            KILN_TRY(
                device_alloc(device, b->scratch_bytes, "scratch of a trial product", &b->scratch));
    } else {
        KILN_TRY(tile_kernel(b, r));
    }
    memset(b->host[2], 0xff, b->size[2] * sizeof(float));
    const size_t bytes = b->size[2] * sizeof(float);
    KILN_TRY(device_write(device, b->memory[2], 0, b->host[2], bytes));
    KILN_TRY(enqueue(b, r)); /* the first run compiles, and touches the memory */
    KILN_TRY(device_finish(device));
    const double start = clock_seconds();
    KILN_TRY(enqueue(b, r));
    KILN_TRY(device_finish(device));
    r->once = clock_seconds() - start;
    KILN_TRY(device_read(device, b->memory[2], 0, b->host[2], bytes));
    r->candidate->ran = true;
    r->candidate->right =
        b->convolution ? convolution_is_right(b->convolution, b->host[0], b->host[1], b->host[2])
                       : product_is_right(b->product, b->host[0], b->host[1], b->host[2]);
    return KILN_OK;
}

static kiln_status window(bench *b, runner *r, int number)
{
    const double start = clock_seconds();
    for (int i = 0; i < r->repeat; i++)
        KILN_TRY(enqueue(b, r));
    KILN_TRY(device_finish(b->device));
    r->windows[number] = (clock_seconds() - start) / r->repeat;
    return KILN_OK;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A window is about 3 ms; the candidates take turns, so that what else the machine does hits all.
 */
static kiln_status time_all(bench *b, runner *runners, int count, measure_effort effort,
                            double until)
{
    int done = 0;
    bool any = false;
    for (int i = 0; i < count; i++) {
        any |= runners[i].candidate->right;
        const double repeat = 0.003 / (runners[i].once + 1e-6);
        runners[i].repeat = repeat < 1 ? 1 : repeat > 100 ? 100 : (int)repeat;
    }
    if (!any)
        return KILN_OK;
    const double warm = clock_seconds() + effort.warm_up;
    while (done < effort.windows && (done == 0 || clock_seconds() < until)) {
        for (int i = 0; i < count; i++)
            if (runners[i].candidate->right)
                KILN_TRY(window(b, &runners[i], done));
        if (clock_seconds() >= warm)
            done++;
    }
    for (int i = 0; i < count; i++) {
        qsort(runners[i].windows, (size_t)done, sizeof *runners[i].windows, by_value);
        runners[i].candidate->seconds = runners[i].windows[done / 2];
        runners[i].candidate->least = runners[i].windows[0];
    }
    return KILN_OK;
}

/* Plans compile the tile anew, with their own hooks: no reason to keep a trial's program on disk.
 */
static void drop_kernel(kiln_device *device, cl_kernel kernel)
{
    cl_program program = NULL;
    if (kernel == NULL)
        return;
    if (clGetKernelInfo(kernel, CL_KERNEL_PROGRAM, sizeof program, (void *)&program, NULL) !=
        CL_SUCCESS)
        program = NULL;
    clReleaseKernel(kernel);
    if (program)
        device_program_drop(device, program);
}

static kiln_status measure_all(bench b, const char *key, candidate *candidates, int count,
                               measure_effort effort)
{
    kiln_device *device = b.device;
    kiln_error_record before;
    kiln_error_save(&before);
    enum { MOST = TILE_CANDIDATES + 1 };
    runner runners[MOST] = {0};
    const double start = clock_seconds();
    /* Trials are no part of what is profiled, nor of the memory that work takes. */
    device_profile *profile = device->profile;
    const uint64_t peak = device->peak;
    device->profile = NULL;
    int ready = 0;
    kiln_status status = bench_begin(&b);
    for (int i = 0; i < count && i < MOST && status == KILN_OK; i++) {
        char name[RECORD_TEXT];
        candidates[i].right = candidates[i].ran = false;
        if (i >= effort.certain && clock_seconds() - start > 0.7 * effort.seconds)
            continue;
        candidate_write(&candidates[i], name, sizeof name);
        if (record_is_fatal(device, key, name))
            continue;
        record_trying(device, key, name);
        runners[ready].candidate = &candidates[i];
        /* A candidate that fails is no candidate; a lost device is the end. */
        if (try_once(&b, &runners[ready++]) != KILN_OK && device->lost)
            status = kiln_last_status();
        record_trying(device, key, NULL);
    }
    if (status == KILN_OK)
        status = time_all(&b, runners, ready, effort, start + effort.seconds);
    for (int i = 0; i < ready; i++)
        drop_kernel(device, runners[i].kernel);
    bench_end(&b);
    device->profile = profile;
    device->peak = peak;
    if (device->lost)
        return status == KILN_OK ? device_finish(device) : status;
    if (status != KILN_OK)
        for (int i = 0; i < count; i++)
            candidates[i].right = false;
    kiln_error_restore(&before);
    return KILN_OK;
}

kiln_status measure(kiln_device *device, const blas_product *product, const char *key,
                    candidate *candidates, int count, measure_effort effort)
{
    return measure_all((bench){.device = device, .product = product}, key, candidates, count,
                       effort);
}

kiln_status measure_convolution(kiln_device *device, const blas_convolution *convolution,
                                const char *key, candidate *candidates, int count,
                                measure_effort effort)
{
    const blas_product p = blas_convolution_product(convolution);
    return measure_all((bench){.device = device, .product = &p, .convolution = convolution}, key,
                       candidates, count, effort);
}

/* A product that takes less is measured with a launch that is a good part of its time, and that a plan, whose kernels
 * are of many products, does not have. */
#define SHORT_SECONDS 60e-6

/* The share of the earlier candidate's time that a later one may take at most. */
static double margin(const candidate *best)
{
    return best->seconds < SHORT_SECONDS ? 0.93 : 0.97;
}

kiln_status candidates_best(const kiln_device *device, const blas_product *p,
                            const candidate *candidates, int count, const candidate **best)
{
    int wrong = 0;
    *best = NULL;
    for (int i = 0; i < count; i++) {
        const candidate *c = &candidates[i];
        if (c->right && (*best == NULL || c->seconds < margin(*best) * (*best)->seconds))
            *best = c;
        wrong += c->ran && !c->right;
    }
    if (*best || wrong == 0)
        return KILN_OK;
    return kiln_fail(KILN_ERROR_DEVICE,
                     "\"%s\" computes a product of %lld x %lld x %lld wrongly, in each of %d ways "
                     "that were tried; update its driver (%s) or use another device",
                     device->info.name, (long long)p->m, (long long)p->n, (long long)p->k, wrong,
                     device->info.driver);
}
