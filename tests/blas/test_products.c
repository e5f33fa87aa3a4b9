/* Products against a double-precision reference: both templates, CLBlast, the hooks. */
#include "reference.h"

#include "blas/measure.h"
#include "harness/harness.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void label_of(char *label, size_t size, const kiln_device *device, const blas_product *p,
                     const char *how)
{
    snprintf(label, size, "%s: %lldx%lldx%lld %c%c, ld %lld %lld %lld, batch %lldx%lld, %s",
             device->info.name, (long long)p->m, (long long)p->n, (long long)p->k,
             p->transpose_a ? 'T' : 'N', p->transpose_b ? 'T' : 'N', (long long)p->lda,
             (long long)p->ldb, (long long)p->ldc, (long long)p->batch[0], (long long)p->batch[1],
             how);
}

static bool compiles_slowly(const kiln_device *device)
{
    return strstr(device->info.name, "llvmpipe") != NULL;
}

/* A software GPU takes minutes to compile a register tile of 8 x 32: it gets 2 x 16. */
static tile fitted(const kiln_device *device, const tile *t)
{
    tile small = *t;
    if (t->serial && compiles_slowly(device)) {
        small.rm = 2;
        small.rn = 16;
        small.tm = t->tm > t->rm ? 4 : 2;
        small.tn = t->tn > t->rn ? 32 : 16;
    }
    return small;
}

static void run_tile(kiln_device *device, const blas_product *p, const tile *wanted, size_t offset)
{
    const tile here = fitted(device, wanted), *t = &here;
    operands o;
    blas_choice choice;
    cl_kernel kernel;
    char label[512], how[128];
    snprintf(how, sizeof how, "%s tile %dx%d, registers %dx%d, kb %d, packed %d%d, offset %zu",
             t->serial ? "serial" : "local", t->tm, t->tn, t->rm, t->rn, t->kb, t->pack_a,
             t->pack_b, offset);
    label_of(label, sizeof label, device, p, how);
    ck_assert_msg(tile_is_valid(device, t), "%s: the tile is not valid", label);
    harness_ok(tile_describe(p, t, &choice));
    harness_ok(blas_tile_kernel(device, &choice, "", &kernel));
    operands_make(device, p, offset, &o);
    harness_ok(blas_tile_enqueue(device, p, &choice, kernel, o.device[0], o.offset[0], o.device[1],
                                 o.offset[1], o.device[2], o.offset[2]));
    operands_check(device, &o, label, NULL);
    operands_free(device, &o);
    clReleaseKernel(kernel);
}

/* Whether the device's work-groups are large enough for a tile's. */
static bool has_groups_for(const kiln_device *device, const tile *t)
{
    return t->serial || (uint64_t)t->lx * (uint64_t)t->ly <= device->group_limit;
}

static void run_local_tile(kiln_device *device, const blas_product *p, const tile *wanted,
                           size_t offset)
{
    if (has_groups_for(device, wanted))
        run_tile(device, p, wanted, offset);
}

/* Sizes around the tiles' edges; the first few for slow devices. */
static const int64_t sizes[][3] = {
    {1, 1, 1},   {33, 31, 5},  {9, 65, 33},  {65, 17, 31}, {31, 33, 65},
    {8, 32, 16}, {1, 100, 64}, {100, 1, 31}, {40, 70, 37}, {67, 48, 129},
};

static blas_product product_of(const int64_t size[3], int transposes, int64_t slack)
{
    blas_product p =
        blas_plain(size[0], size[1], size[2], (transposes & 1) != 0, (transposes & 2) != 0);
    p.lda += slack;
    p.ldb += 2 * slack;
    p.ldc += 3 * slack;
    return p;
}

static size_t size_count(const kiln_device *device)
{
    return compiles_slowly(device) ? 2 : sizeof sizes / sizeof *sizes;
}

START_TEST(serial_tiles)
{
    static const tile tiles[] = {
        {.serial = true, .tm = 8, .tn = 32, .rm = 8, .rn = 32, .kb = 64},
        {.serial = true, .tm = 12, .tn = 32, .rm = 4, .rn = 16, .kb = 16, .pack_b = 1},
        {.serial = true, .tm = 18, .tn = 128, .rm = 6, .rn = 64, .kb = 24, .pack_a = 1},
        {.serial = true,
         .tm = 24,
         .tn = 64,
         .rm = 12,
         .rn = 32,
         .kb = 512,
         .pack_a = 1,
         .pack_b = 1},
    };
    HARNESS_EACH_DEVICE(device)
    {
        for (size_t i = 0; i < size_count(device); i++)
            for (int transposes = 0; transposes < 4; transposes++) {
                blas_product p = product_of(sizes[i], transposes, i % 2 ? 3 : 0);
                run_tile(device, &p, &tiles[(i + (size_t)transposes) % 4], i % 3 ? 7 : 0);
            }
    }
}
END_TEST

/* Memory of whole pages of which the one behind must not be touched. */
static float *guarded(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    ck_assert_uint_eq(bytes % page, 0);
    char *memory = mmap(NULL, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(memory, MAP_FAILED);
    ck_assert_int_eq(mprotect(memory + bytes, page, PROT_NONE), 0);
    return (float *)(void *)memory;
}

/* Tiles of rows that do not divide the block's read nothing behind the matrix. A CPU's driver uses the host's memory as it
 * is, and dies of it. */
START_TEST(nothing_is_read_behind_the_matrix)
{
    enum { M = 64, N = 8, K = 256 }; /* few columns: stored one by one */
    static const int rows[] = {3, 5, 6, 7, 9, 11, 12};
    float *x = guarded(M * K * sizeof(float)), *y = guarded(N * K * sizeof(float));
    float result[M * N];
    for (int i = 0; i < M * K; i++)
        x[i] = (float)(i % 31) - 15;
    for (int i = 0; i < N * K; i++)
        y[i] = (float)(i % 29) - 14;
    const blas_product p = blas_plain(M, N, K, false, false);
    HARNESS_EACH_DEVICE(device)
    {
        for (size_t i = 0; i < (compiles_slowly(device) ? 2 : sizeof rows / sizeof *rows); i++) {
            const tile t = {.serial = true, .tm = 16, .tn = 16, .rm = rows[i], .rn = 16, .kb = K};
            blas_choice choice;
            cl_kernel kernel;
            cl_mem memory[3];
            harness_ok(tile_describe(&p, &t, &choice));
            harness_ok(blas_tile_kernel(device, &choice, "", &kernel));
            for (int k = 0; k < 2; k++)
                memory[k] = clCreateBuffer(device->context, CL_MEM_READ_ONLY | CL_MEM_USE_HOST_PTR,
                                           (k ? N : M) * K * sizeof(float), k ? y : x, NULL);
            harness_ok(device_alloc(device, sizeof result, "a result", &memory[2]));
            ck_assert(memory[0] && memory[1]);
            harness_ok(blas_tile_enqueue(device, &p, &choice, kernel, memory[0], 0, memory[1], 0, memory[2], 0));
            harness_ok(device_read(device, memory[2], 0, result, sizeof result));
            ck_assert(product_is_right(&p, x, y, result));
            clReleaseMemObject(memory[0]);
            clReleaseMemObject(memory[1]);
            device_free(device, memory[2]);
            clReleaseKernel(kernel);
        }
    }
}
END_TEST

START_TEST(local_tiles)
{
    static const tile tiles[] = {
        {.tm = 32, .tn = 32, .lx = 8, .ly = 8, .kt = 16},
        {.tm = 8, .tn = 16, .lx = 8, .ly = 8, .kt = 8},
        {.tm = 32, .tn = 64, .lx = 16, .ly = 8, .kt = 16},
        {.tm = 64, .tn = 64, .lx = 16, .ly = 16, .kt = 16},
        {.tm = 128, .tn = 128, .lx = 16, .ly = 16, .kt = 8},
    };
    HARNESS_EACH_DEVICE(device)
    {
        for (size_t i = 0; i < size_count(device); i++)
            for (int transposes = 0; transposes < 4; transposes++) {
                blas_product p = product_of(sizes[i], transposes, i % 2 ? 3 : 0);
                const tile *t = &tiles[(i + (size_t)transposes) % 5];
                run_local_tile(device, &p, tile_is_valid(device, t) ? t : &tiles[0], i % 3 ? 7 : 0);
            }
    }
}
END_TEST

/* Whatever the tile, the bits are the same: plans may choose by speed alone. */
START_TEST(bits_do_not_depend_on_the_tile)
{
    static const tile tiles[] = {
        {.serial = true, .tm = 8, .tn = 32, .rm = 8, .rn = 32, .kb = 512},
        {.serial = true, .tm = 12, .tn = 64, .rm = 6, .rn = 64, .kb = 16, .pack_a = 1, .pack_b = 1},
        {.tm = 32, .tn = 32, .lx = 8, .ly = 8, .kt = 16},
        {.tm = 16, .tn = 8, .lx = 8, .ly = 8, .kt = 8},
    };
    HARNESS_EACH_DEVICE(device)
    {
        enum { M = 21, N = 37, K = 70 };
        static float first[M * N], other[M * N];
        blas_product p = blas_plain(M, N, K, false, false);
        operands o;
        operands_make(device, &p, 0, &o);
        for (int i = 0; i < 4; i++) {
            blas_choice choice;
            cl_kernel kernel;
            const tile here = fitted(device, &tiles[i]);
            if (!has_groups_for(device, &here))
                continue;
            harness_ok(tile_describe(&p, &here, &choice));
            harness_ok(blas_tile_kernel(device, &choice, "", &kernel));
            harness_ok(blas_tile_enqueue(device, &p, &choice, kernel, o.device[0], 0, o.device[1],
                                         0, o.device[2], 0));
            harness_ok(device_read(device, o.device[2], 0, i ? other : first, sizeof first));
            ck_assert_msg(i == 0 || memcmp(first, other, sizeof first) == 0, "%s: tile %d differs",
                          device->info.name, i);
            clReleaseKernel(kernel);
        }
        operands_free(device, &o);
    }
}
END_TEST

/* What the rule says, on this device. */
START_TEST(chosen_tiles)
{
    static const int64_t more[][3] = {{32, 10, 128}, {130, 200, 70}, {200, 64, 300}, {150, 272, 150}};
    HARNESS_EACH_DEVICE(device)
    {
        for (size_t i = 0; i < (harness_is_slow(device) ? 1 : 4); i++)
            for (int transposes = 0; transposes < 4; transposes++) {
                blas_product p = product_of(more[i], transposes, 0);
                tile candidates[TILE_CANDIDATES];
                int count = tile_candidates(device, &p, candidates);
                for (int j = 0; j < count; j++)
                    run_tile(device, &p, &candidates[j], 0);
            }
    }
}
END_TEST

/* Two batch axes, laid out as attention does: (batch, position, head, feature). */
static blas_product batched_product(bool small)
{
    const int64_t heads = 3, features = small ? 5 : 20, positions = small ? 9 : 34;
    blas_product p = blas_plain(positions, positions, features, false, true);
    p.lda = p.ldb = heads * features;
    p.batch[0] = 2;
    p.batch[1] = heads;
    p.stride_a[0] = p.stride_b[0] = positions * heads * features;
    p.stride_a[1] = p.stride_b[1] = features;
    p.stride_c[0] = heads * (positions * positions + 11);
    p.stride_c[1] = positions * positions + 11;
    return p;
}

START_TEST(batches)
{
    HARNESS_EACH_DEVICE(device)
    {
        blas_product p = batched_product(harness_is_slow(device));
        const tile serial = {.serial = true, .tm = 16, .tn = 32, .rm = 8, .rn = 32, .kb = 64};
        const tile local = {.tm = 16, .tn = 16, .lx = 8, .ly = 8, .kt = 16};
        run_tile(device, &p, &serial, 5);
        run_local_tile(device, &p, &local, 5);
        p.batch[1] = 1; /* one axis of a view with strides of its own */
        run_tile(device, &p, &serial, 0);
        run_local_tile(device, &p, &local, 0);
        p.batch[1] = 3;
        p.stride_a[0] = 0; /* one A for every outer batch */
        run_tile(device, &p, &serial, 0);
        run_local_tile(device, &p, &local, 0);
    }
}
END_TEST

static double relu_of_bias(double value, size_t row, size_t col)
{
    (void)row;
    value += 0.25 * (double)(col % 7) - 0.5;
    return value > 0 ? value : 0;
}

/* An epilogue with an argument of its own, a loader of bytes by index, and the body of one kernel
 * called by another, twice. */
START_TEST(hooks)
{
    static const char *const definitions =
        "#define KILN_NAME kiln_test_%d\n"
        "#define KILN_BODY_ONLY\n"
        "#define KILN_EXTRA_PARAMS , __global const float *bias, __global const uint *index\n"
        "#define KILN_EXTRA_ARGS , bias, index\n"
        "#define KILN_LOAD_A(batch, row, k) a[a_offset + index[row] * (size_t)KILN_LDA + (k)]\n"
        "#define KILN_STORE_C16(batch, row, col, v) \\\n"
        "    vstore16(fmax((v) + vload16(0, bias + (col)), 0.0f), 0, c + KILN_C_AT(batch, row, "
        "col))\n"
        "#define KILN_STORE_C1(batch, row, col, x) \\\n"
        "    c[KILN_C_AT(batch, row, col)] = fmax((x) + bias[col], 0.0f)\n";
    HARNESS_EACH_DEVICE(device)
    {
        for (int local = 0; local < 2; local++) {
            const bool slow = harness_is_slow(device);
            enum { M = 21, N = 50, K = 40 };
            blas_product p = blas_plain(M, slow ? 20 : N, K, false, false);
            const tile serial = {.serial = true, .tm = 8, .tn = 32, .rm = 8, .rn = 32, .kb = 24};
            const tile shared = {.tm = 16, .tn = 16, .lx = 8, .ly = 8, .kt = 16};
            blas_choice choice;
            const tile here = fitted(device, local ? &shared : &serial);
            if (!has_groups_for(device, &here))
                continue;
            harness_ok(tile_describe(&p, &here, &choice));
            text source = {0};
            for (int i = 0; i < 2; i++) {
                text_add(&source, definitions, i);
                text_add(&source, "%s", choice.defines);
                harness_ok(source_file(&source, choice.file));
            }
            /* Two products in one launch: the second begins where the first's items end. */
            const char *parameters = "__global const float *a, __global const float *b, "
                                     "__global float *c, __global const float *bias, "
                                     "__global const uint *index, ulong c2";
            if (local)
                text_add(
                    &source,
                    "__kernel void kiln_test(%s)\n"
                    "{\n    __local float la[kiln_test_0_A], lb[kiln_test_0_B];\n"
                    "    size_t group = get_group_id(0);\n"
                    "    if (group < %zu)\n"
                    "        kiln_test_0_body(a, 0, b, 0, c, 0, bias, index, group, la, lb);\n"
                    "    else\n"
                    "        kiln_test_1_body(a, 0, b, 0, c, c2, bias, index, group - %zu, la, "
                    "lb);\n}\n",
                    parameters, choice.global[0] / choice.local[0],
                    choice.global[0] / choice.local[0]);
            else
                text_add(
                    &source,
                    "__kernel void kiln_test(%s)\n"
                    "{\n    size_t item = get_global_id(0);\n"
                    "    if (item < %zu)\n"
                    "        kiln_test_0_body(a, 0, b, 0, c, 0, bias, index, item);\n"
                    "    else\n"
                    "        kiln_test_1_body(a, 0, b, 0, c, c2, bias, index, item - %zu);\n}\n",
                    parameters, choice.global[0], choice.global[0]);
            ck_assert(!source.failed);
            cl_program program;
            cl_kernel kernel;
            harness_ok(device_program(device, "a test", source.data, NULL, &program));
            harness_ok(device_kernel(device, program, "kiln_test", &kernel));

            /* A's rows are taken in reverse; the reference sees them reversed. */
            operands o;
            float bias[N], reversed[M * K], twice[2 * M * N];
            cl_uint index[M];
            operands_make(device, &p, 0, &o);
            for (int i = 0; i < N; i++)
                bias[i] = 0.25f * (float)(i % 7) - 0.5f;
            for (int i = 0; i < M; i++) {
                index[i] = (cl_uint)(M - 1 - i);
                memcpy(reversed + (M - 1 - i) * K, o.host[0] + i * K, K * sizeof(float));
            }
            memcpy(o.host[0], reversed, sizeof reversed);
            cl_mem bias_memory, index_memory, both;
            const size_t one = (size_t)(p.m * p.n);
            harness_ok(device_alloc(device, sizeof bias, "bias", &bias_memory));
            harness_ok(device_alloc(device, sizeof index, "index", &index_memory));
            harness_ok(device_alloc(device, 2 * one * sizeof(float), "results", &both));
            harness_ok(device_write(device, bias_memory, 0, bias, sizeof bias));
            harness_ok(device_write(device, index_memory, 0, index, sizeof index));
            clSetKernelArg(kernel, 0, sizeof(cl_mem), &o.device[0]);
            clSetKernelArg(kernel, 1, sizeof(cl_mem), &o.device[1]);
            clSetKernelArg(kernel, 2, sizeof(cl_mem), &both);
            clSetKernelArg(kernel, 3, sizeof(cl_mem), &bias_memory);
            clSetKernelArg(kernel, 4, sizeof(cl_mem), &index_memory);
            clSetKernelArg(kernel, 5, sizeof(cl_ulong), &(cl_ulong){one});
            const size_t global = 2 * choice.global[0];
            harness_ok(device_launch(device, kernel, 1, &global, choice.local, NULL));
            harness_ok(device_read(device, both, 0, twice, 2 * one * sizeof(float)));
            for (int i = 0; i < 2; i++) {
                char label[512];
                label_of(label, sizeof label, device, &p, local ? "local hooks" : "serial hooks");
                harness_ok(device_write(device, o.device[2], 0, twice + (size_t)i * one,
                                        one * sizeof(float)));
                operands_check(device, &o, label, relu_of_bias);
            }
            clReleaseKernel(kernel);
            device_free(device, bias_memory);
            device_free(device, index_memory);
            device_free(device, both);
            operands_free(device, &o);
            text_free(&source);
        }
    }
}
END_TEST

static void run_clblast(kiln_device *device, const blas_product *p, size_t offset)
{
    operands o;
    char label[512];
    size_t bytes;
    cl_mem scratch = NULL;
    label_of(label, sizeof label, device, p, "CLBlast");
    operands_make(device, p, offset, &o);
    harness_ok(blas_clblast_scratch(device, p, &bytes));
    if (bytes)
        harness_ok(device_alloc(device, bytes, "scratch", &scratch));
    harness_ok(blas_clblast_enqueue(device, p, o.device[0], o.offset[0], o.device[1], o.offset[1],
                                    o.device[2], o.offset[2], scratch, bytes));
    operands_check(device, &o, label, NULL);
    operands_free(device, &o);
    device_free(device, scratch);
}

START_TEST(clblast)
{
    HARNESS_EACH_DEVICE(device)
    {
        const bool slow = harness_is_slow(device);
        if (slow && strstr(device->info.platform, "Oclgrind"))
            continue; /* its kernels take minutes to interpret */
        for (size_t i = 0; i < size_count(device); i++)
            for (int transposes = 0; transposes < (slow ? 1 : 4); transposes++) {
                blas_product p = product_of(sizes[i], transposes, i % 2 ? 3 : 0);
                run_clblast(device, &p, i % 3 ? 7 : 0);
            }
        blas_product p = batched_product(slow);
        run_clblast(device, &p, 5);
        p.batch[1] = 1;
        run_clblast(device, &p, 0);
        blas_forget_device(device);
    }
}
END_TEST

START_TEST(failures)
{
    HARNESS_EACH_DEVICE(device)
    {
        blas_choice choice;
        blas_engine engine;
        blas_product p = blas_plain(0, 4, 4, false, false);
        harness_fails(blas_choose(device, BLAS_TILE, &p, false, &choice), KILN_ERROR_SHAPE,
                      "0 x 4 x 4");
        p = blas_plain(4, 4, 4, false, false);
        p.lda = 3;
        harness_fails(blas_choose(device, BLAS_TILE, &p, false, &choice), KILN_ERROR_SHAPE,
                      "leading dimensions 3, 4 and 4");
        harness_fails(blas_engine_parse("mkl", &engine), KILN_ERROR_ARGUMENT, "\"mkl\"");
        harness_ok(blas_engine_parse("clblast", &engine));
        ck_assert_int_eq(engine, BLAS_CLBLAST);
        ck_assert_str_eq(blas_engine_name(BLAS_TILE), "tile");
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("products");
    /* A case each, so that CK_RUN_CASE can name it. */
    const struct {
        const char *name;
        const TTest *test;
    } tests[] = {
        {"serial", serial_tiles}, {"behind", nothing_is_read_behind_the_matrix}, {"local", local_tiles},
        {"chosen", chosen_tiles}, {"bits", bits_do_not_depend_on_the_tile},
        {"batches", batches},     {"hooks", hooks},
        {"clblast", clblast},     {"failures", failures},
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        TCase *one = tcase_create(tests[i].name);
        tcase_add_test(one, tests[i].test);
        suite_add_tcase(suite, one);
    }
    return harness_run(suite);
}
