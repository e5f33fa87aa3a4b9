/* Matrix products: Kiln beside OpenBLAS, in turn in the same run.
 *
 * usage: products [--device D] [--rounds N] [MxNxK[nn|nt|tn|tt] ...]
 *
 * A window is some 0.2 s of products one after another, after half as many untimed; each round has
 * a window of each library. OpenBLAS gets a thread per compute unit of the device (or
 * OPENBLAS_NUM_THREADS), and on a CPU with AVX-512 its kernels for it, whatever the environment
 * says of its core type and cache. */
#include "base/clock.h"
#include "blas/blas.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_ROUNDS = 101 };

/* s. Threads that slept may share a processor for tens of milliseconds before they are spread. */
static const double window = 0.2;

typedef struct shape {
    int m, n, k;
    bool ta, tb;
    const char *what;
} shape;

static const shape standard[] = {
    {32, 128, 784, false, false, "forward, batch 32"},
    {128, 128, 784, false, false, "forward, batch 128"},
    {512, 512, 512, false, false, ""},
    {1024, 1024, 1024, false, false, ""},
    {6272, 32, 288, false, false, ""},
    {15488, 64, 288, false, false, "3x3 convolution of 32 channels"},
    {86528, 32, 9, false, false, "3x3 convolution of an image"},
    {784, 128, 32, true, false, "gradient of weights, batch 32"},
    {784, 128, 128, true, false, "gradient of weights, batch 128"},
    {128, 784, 128, false, true, "gradient of inputs, batch 128"},
    {256, 1024, 784, false, false, "forward"},
    {256, 1024, 1024, false, false, "forward"},
    {784, 1024, 256, true, false, "gradient of weights"},
    {1024, 1024, 256, true, false, "gradient of weights"},
    {256, 1024, 1024, false, true, "gradient of inputs"},
};

typedef struct series {
    double best, median;
} series;

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static series sort(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
    return (series){values[0], values[count / 2]};
}

static float *fill(size_t count)
{
    float *data = mem_new(count, sizeof *data);
    uint32_t state = 1;
    for (size_t i = 0; data && i < count; i++) {
        state = state * 1664525u + 1013904223u;
        data[i] = (float)(int32_t)state * 0x1p-31f;
    }
    return data;
}

typedef struct bench {
    kiln_device *device;
    const shape *s;
    blas_product product;
    blas_choice choice;
    cl_kernel kernel;
    cl_mem memory[3], scratch;
    size_t scratch_bytes;
    float *host[3], *check;
} bench;

static kiln_status ours(bench *b, int repeat)
{
    for (int i = 0; i < repeat; i++)
        KILN_TRY(b->kernel
                     ? blas_tile_enqueue(b->device, &b->product, &b->choice, b->kernel,
                                         b->memory[0], 0, b->memory[1], 0, b->memory[2], 0)
                     : blas_clblast_enqueue(b->device, &b->product, b->memory[0], 0, b->memory[1],
                                            0, b->memory[2], 0, b->scratch, b->scratch_bytes));
    return device_finish(b->device);
}

static void theirs(bench *b, int repeat)
{
    const shape *s = b->s;
    for (int i = 0; i < repeat; i++)
        cblas_sgemm(CblasRowMajor, s->ta ? CblasTrans : CblasNoTrans,
                    s->tb ? CblasTrans : CblasNoTrans, s->m, s->n, s->k, 1, b->host[0],
                    (int)b->product.lda, b->host[1], (int)b->product.ldb, 0, b->host[2], s->n);
}

static kiln_status begin(bench *b)
{
    const shape *s = b->s;
    const size_t size[3] = {(size_t)s->m * (size_t)s->k, (size_t)s->k * (size_t)s->n,
                            (size_t)s->m * (size_t)s->n};
    b->product = blas_plain(s->m, s->n, s->k, s->ta, s->tb);
    KILN_TRY(blas_choose(b->device, BLAS_AUTO, &b->product, false, &b->choice));
    if (b->choice.engine == BLAS_TILE)
        KILN_TRY(blas_tile_kernel(b->device, &b->choice, "", &b->kernel));
    else
        KILN_TRY(blas_clblast_scratch(b->device, &b->product, &b->scratch_bytes));
    if (b->scratch_bytes)
        KILN_TRY(device_alloc(b->device, b->scratch_bytes, "scratch", &b->scratch));
    for (int i = 0; i < 3; i++) {
        b->host[i] = fill(size[i]);
        if (b->host[i] == NULL)
            return KILN_ERROR_MEMORY;
        KILN_TRY(device_alloc(b->device, 4 * size[i], "operands", &b->memory[i]));
        KILN_TRY(device_write(b->device, b->memory[i], 0, b->host[i], 4 * size[i]));
    }
    b->check = fill(size[2]);
    if (b->check == NULL)
        return KILN_ERROR_MEMORY;
    KILN_TRY(ours(b, 1));
    theirs(b, 1);
    KILN_TRY(device_read(b->device, b->memory[2], 0, b->check, 4 * size[2]));
    for (size_t i = 0; i < size[2]; i++) {
        const float difference = b->check[i] - b->host[2][i];
        if (!(difference * difference < 1e-6f * (float)s->k))
            return kiln_fail(KILN_ERROR_NUMERIC, "%d x %d x %d: element %zu is %g here, %g there",
                             s->m, s->n, s->k, i, (double)b->check[i], (double)b->host[2][i]);
    }
    return KILN_OK;
}

static void end(bench *b)
{
    for (int i = 0; i < 3; i++) {
        device_free(b->device, b->memory[i]);
        free(b->host[i]);
    }
    device_free(b->device, b->scratch);
    free(b->check);
    if (b->kernel)
        clReleaseKernel(b->kernel);
}

static kiln_status compare(kiln_device *device, const shape *s, int rounds)
{
    bench b = {.device = device, .s = s};
    double we[MOST_ROUNDS], they[MOST_ROUNDS];
    const double flops = 2.0 * s->m * s->n * s->k * 1e-9;
    kiln_status status = begin(&b);
    double start = clock_seconds();
    if (status == KILN_OK)
        status = ours(&b, 1);
    const double once = clock_seconds() - start;
    const int repeat = once > window ? 1 : once < 1e-5 ? 20000 : (int)(window / once);
    const int warm_up = repeat / 2 + 1;
    for (int i = 0; i < rounds && status == KILN_OK; i++) {
        status = ours(&b, warm_up);
        start = clock_seconds();
        if (status == KILN_OK)
            status = ours(&b, repeat);
        we[i] = (clock_seconds() - start) / repeat;
        theirs(&b, warm_up);
        start = clock_seconds();
        theirs(&b, repeat);
        they[i] = (clock_seconds() - start) / repeat;
        clock_sleep(0.2); /* they spin on for a while, beside us */
    }
    end(&b);
    KILN_TRY(status);
    const series a = sort(we, rounds), z = sort(they, rounds);
    char name[48], how[32] = "CLBlast";
    if (b.choice.engine == BLAS_TILE)
        snprintf(how, sizeof how, "tile %dx%d", b.choice.tile_m, b.choice.tile_n);
    snprintf(name, sizeof name, "%d x %d x %d%s", s->m, s->n, s->k,
             s->ta   ? s->tb ? " TT" : " TN"
             : s->tb ? " NT"
                     : "");
    printf("| %-19s | %-13s | %5.0f %5.0f | %5.0f %5.0f | %.2f %.2f | %s\n", name, how,
           flops / a.best, flops / a.median, flops / z.best, flops / z.median, z.best / a.best,
           z.median / a.median, s->what);
    fflush(stdout);
    return KILN_OK;
}

static bool read_shape(const char *from, shape *s)
{
    char transposes[3] = "nn", after;
    *s = (shape){.what = ""};
    const int count = sscanf(from, "%dx%dx%d%2[nt]%c", &s->m, &s->n, &s->k, transposes, &after);
    s->ta = transposes[0] == 't';
    s->tb = transposes[1] == 't';
    return (count == 3 || (count == 4 && transposes[1])) && s->m > 0 && s->n > 0 && s->k > 0;
}

/* OpenBLAS looks at its environment when it is loaded. */
static void restart_with_environment(char **argv, unsigned threads)
{
    char number[16];
    if (getenv("OPENBLAS_NUM_THREADS"))
        return;
    snprintf(number, sizeof number, "%u", threads);
    setenv("OPENBLAS_NUM_THREADS", number, 1);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        setenv("OPENBLAS_CORETYPE", "SkylakeX", 1);
#endif
    unsetenv("OPENBLAS_L2_SIZE");
    execv("/proc/self/exe", argv);
}

static kiln_status run(kiln_device *device, const shape *shapes, size_t count, int rounds)
{
    const kiln_device_info *info = kiln_device_describe(device);
    printf("%s, %s; OpenBLAS for %s, %d threads; GFLOP/s, best and median of %d windows\n",
           info->name, info->platform, openblas_get_corename(), openblas_get_num_threads(), rounds);
    printf("| M x N x K           | Kiln's choice | Kiln        | OpenBLAS    | ratio     |\n"
           "|---|---|---|---|---|\n");
    for (size_t i = 0; i < count; i++)
        KILN_TRY(compare(device, &shapes[i], rounds));
    return KILN_OK;
}

int main(int argc, char **argv)
{
    const char *selector = NULL;
    int rounds = 11;
    shape wanted[64];
    size_t count = 0;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--device") == 0 && i + 1 < argc)
            selector = argv[++i];
        else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds = atoi(argv[++i]);
        else if (count < sizeof wanted / sizeof *wanted && read_shape(argv[i], &wanted[count]))
            count++;
        else {
            fprintf(stderr, "usage: products [--device D] [--rounds N] [MxNxK[nn|nt|tn|tt] ...]\n");
            return 2;
        }
    if (rounds < 1 || rounds > MOST_ROUNDS)
        rounds = 11;
    kiln_device *device = kiln_device_open(selector);
    if (device) {
        restart_with_environment(argv, kiln_device_describe(device)->compute_units);
        if (count)
            run(device, wanted, count, rounds);
        else
            run(device, standard, sizeof standard / sizeof *standard, rounds);
        blas_forget_device(device);
        kiln_device_close(device);
    }
    return kiln_report_errors(stderr);
}
