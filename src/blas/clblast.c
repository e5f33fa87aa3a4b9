/* The CLBlast engine. Versions before 1.6.1 are not safe to call from threads with contexts of
 * their own, so one lock is around every call. */
#include "blas/clblast.h"

#include "blas/record.h"
#include "blas/tune.h"
#include "device/inject.h"

#include <clblast_c.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static pthread_mutex_t clblast_lock = PTHREAD_MUTEX_INITIALIZER;
static bool clblast_used; /* guarded by the lock */
float clblast_alpha = 1;

static const char *status_meaning(CLBlastStatusCode status)
{
    switch ((int)status) {
    case CLBlastInsufficientMemoryA:
    case CLBlastInsufficientMemoryB:
    case CLBlastInsufficientMemoryC:
        return "a buffer ends before the matrix does";
    case CLBlastInsufficientMemoryTemp:
        return "the scratch buffer is too small";
    case CLBlastInvalidLocalMemUsage:
        return "the device has too little local memory for its kernel";
    case CLBlastInvalidDimension:
    case CLBlastInvalidLeadDimA:
    case CLBlastInvalidLeadDimB:
    case CLBlastInvalidLeadDimC:
        return "it does not take these sizes";
    case CLBlastDatabaseError:
        return "it has no parameters for this device";
    default:
        return "an error of its own";
    }
}

static kiln_status check(kiln_device *device, CLBlastStatusCode status, const blas_product *p)
{
    if (status == CLBlastSuccess)
        return KILN_OK;
    if ((int)status > -1000)
        return device_check(device, (cl_int)status, "CLBlast", "a product of %lld x %lld x %lld",
                            (long long)p->m, (long long)p->n, (long long)p->k);
    return kiln_fail(KILN_ERROR_DEVICE,
                     "CLBlast failed on \"%s\" for a product of %lld x %lld x %lld: %s (%d); use "
                     "the engine tile instead",
                     device->info.name, (long long)p->m, (long long)p->n, (long long)p->k,
                     status_meaning(status), (int)status);
}

static CLBlastTranspose transpose(bool yes)
{
    return yes ? CLBlastTransposeYes : CLBlastTransposeNo;
}

/* ---- its parameters ---- */

/* Sets for Xgemm that CLBlast's database has no reason to know. Vectors for CPUs, of 32 registers and of 16; tiles
 * shared in local memory for the rest. */
static const char *const cpu_sets[] = {
    "GEMMK=0 KREG=1 KWG=16 KWI=2 MDIMA=8 MDIMC=8 MWG=128 NDIMB=8 NDIMC=8 NWG=64 SA=0 SB=0 STRM=0 STRN=0 VWM=8 VWN=8",
    "GEMMK=0 KREG=1 KWG=16 KWI=2 MDIMA=8 MDIMC=8 MWG=64 NDIMB=8 NDIMC=8 NWG=64 SA=0 SB=0 STRM=0 STRN=0 VWM=8 VWN=8",
    "GEMMK=0 KREG=1 KWG=32 KWI=2 MDIMA=8 MDIMC=8 MWG=64 NDIMB=8 NDIMC=8 NWG=128 SA=0 SB=0 STRM=0 STRN=0 VWM=8 VWN=8",
    "GEMMK=0 KREG=1 KWG=256 KWI=4 MDIMA=1 MDIMC=1 MWG=16 NDIMB=8 NDIMC=8 NWG=48 SA=0 SB=0 STRM=0 STRN=0 VWM=8 VWN=1",
    "GEMMK=0 KREG=1 KWG=32 KWI=4 MDIMA=4 MDIMC=4 MWG=64 NDIMB=8 NDIMC=8 NWG=48 SA=0 SB=0 STRM=0 STRN=0 VWM=8 VWN=1",
    "GEMMK=0 KREG=1 KWG=16 KWI=2 MDIMA=4 MDIMC=4 MWG=64 NDIMB=8 NDIMC=8 NWG=32 SA=0 SB=0 STRM=0 STRN=0 VWM=8 VWN=4",
};
static const char *const gpu_sets[] = {
    "GEMMK=0 KREG=1 KWG=16 KWI=2 MDIMA=16 MDIMC=16 MWG=64 NDIMB=16 NDIMC=16 NWG=64 SA=1 SB=1 STRM=0 STRN=0 VWM=2 VWN=2",
    "GEMMK=0 KREG=1 KWG=16 KWI=2 MDIMA=16 MDIMC=16 MWG=64 NDIMB=16 NDIMC=16 NWG=64 SA=1 SB=1 STRM=1 STRN=1 VWM=4 VWN=4",
    "GEMMK=0 KREG=1 KWG=16 KWI=2 MDIMA=16 MDIMC=16 MWG=128 NDIMB=16 NDIMC=16 NWG=128 SA=1 SB=1 STRM=0 STRN=0 VWM=4 VWN=4",
    "GEMMK=0 KREG=1 KWG=32 KWI=2 MDIMA=16 MDIMC=16 MWG=128 NDIMB=16 NDIMC=16 NWG=64 SA=1 SB=1 STRM=0 STRN=0 VWM=4 VWN=2",
    "GEMMK=0 KREG=1 KWG=16 KWI=2 MDIMA=8 MDIMC=8 MWG=64 NDIMB=8 NDIMC=8 NWG=64 SA=1 SB=1 STRM=0 STRN=0 VWM=4 VWN=4",
    "GEMMK=0 KREG=1 KWG=32 KWI=2 MDIMA=8 MDIMC=8 MWG=32 NDIMB=8 NDIMC=8 NWG=32 SA=1 SB=1 STRM=0 STRN=0 VWM=2 VWN=2",
};

const char *clblast_set(const kiln_device *device, int i)
{
    const bool cpu = device->info.type == KILN_DEVICE_CPU;
    const int count = (int)(cpu ? sizeof cpu_sets / sizeof *cpu_sets : sizeof gpu_sets / sizeof *gpu_sets);
    return i < 0 || i >= count ? NULL : cpu ? cpu_sets[i] : gpu_sets[i];
}

/* With the lock. */
static kiln_status use_set(kiln_device *device, const char *set)
{
    enum { MOST = 24 };
    char names[MOST][16];
    const char *list[MOST];
    size_t values[MOST], count = 0;
    int used;
    for (const char *at = set; count < MOST && sscanf(at, " %15[A-Z]=%zu%n", names[count], &values[count], &used) == 2;
         at += used, count++)
        list[count] = names[count];
    static const char *indirect[] = {"XGEMM_MIN_INDIRECT_SIZE"};
    static const size_t always[] = {1};
    CLBlastStatusCode status = CLBlastOverrideParameters(device->id, "Xgemm", CLBlastPrecisionSingle, count, list, values);
    if (status == CLBlastSuccess)
        status = CLBlastOverrideParameters(device->id, "GemmRoutine", CLBlastPrecisionSingle, 1, indirect, always);
    if (status != CLBlastSuccess)
        return kiln_fail(KILN_ERROR_ARGUMENT, "CLBlast does not take the parameters \"%s\" (%d)", set, (int)status);
    return KILN_OK;
}

kiln_status clblast_use(kiln_device *device, const char *set)
{
    pthread_mutex_lock(&clblast_lock);
    device->clblast_ready = true;
    clblast_used = true;
    kiln_status status = use_set(device, set);
    pthread_mutex_unlock(&clblast_lock);
    return status;
}

static const char set_key[] = "clblast Xgemm";

/* With the lock. A set that is refused is as good as none. */
static void use_recorded(kiln_device *device)
{
    char value[RECORD_TEXT];
    if (device->clblast_ready)
        return;
    device->clblast_ready = true;
    if (!record_find(device, set_key, value) || strncmp(value, "GEMMK", 5) != 0)
        return;
    value[strcspn(value, ",")] = '\0';
    kiln_error_record before;
    kiln_error_save(&before);
    use_set(device, value);
    kiln_error_restore(&before);
}

void clblast_keep(kiln_device *device, const char *set, const blas_product *p, double gflops)
{
    char value[RECORD_TEXT];
    snprintf(value, sizeof value, "%s, %.1f GFLOP/s at %lld x %lld x %lld (tuned)", set, gflops, (long long)p->m,
             (long long)p->n, (long long)p->k);
    record_keep(device, set_key, gflops > 0 ? value : NULL);
}

/* CLBlast computes by columns, and of a product by rows it would transpose the result before and after. A matrix read by
 * columns is its transpose, so it is asked for C' = op(B)' op(A)'. */
kiln_status blas_clblast_scratch(kiln_device *device, const blas_product *p, size_t *bytes)
{
    *bytes = 0;
    if (p->batch[0] * p->batch[1] > 1)
        return KILN_OK; /* only single products take a buffer of ours */
    cl_command_queue queue = device->queue;
    pthread_mutex_lock(&clblast_lock);
    clblast_used = true;
    use_recorded(device);
    CLBlastStatusCode status = CLBlastSGemmTempBufferSize(
        CLBlastLayoutColMajor, transpose(p->transpose_b), transpose(p->transpose_a), (size_t)p->n,
        (size_t)p->m, (size_t)p->k, 0, (size_t)p->ldb, 0, (size_t)p->lda, 0, (size_t)p->ldc, &queue,
        bytes);
    pthread_mutex_unlock(&clblast_lock);
    return check(device, status, p);
}

/* Products along the inner batch axis in one call, along the outer one in a loop. */
kiln_status blas_clblast_enqueue(kiln_device *device, const blas_product *p, cl_mem a,
                                 size_t a_offset, cl_mem b, size_t b_offset, cl_mem c,
                                 size_t c_offset, cl_mem scratch, size_t scratch_bytes)
{
    if (device->lost)
        return device_finish(device);
    const int inner = p->batch[1] > 1 ? 1 : 0, outer = 1 - inner;
    const size_t m = (size_t)p->m, n = (size_t)p->n, k = (size_t)p->k;
    const size_t lda = (size_t)p->lda, ldb = (size_t)p->ldb, ldc = (size_t)p->ldc;
    const CLBlastTranspose ta = transpose(p->transpose_a), tb = transpose(p->transpose_b);
    cl_command_queue queue = device->queue;
    if (inject("CLBlastSgemm", device, queue))
        return check(device, (CLBlastStatusCode)inject_code(), p);
    CLBlastStatusCode status = CLBlastSuccess;
    pthread_mutex_lock(&clblast_lock);
    clblast_used = true;
    use_recorded(device);
    for (int64_t i = 0; i < p->batch[outer] && status == CLBlastSuccess; i++) {
        const size_t a_at = a_offset + (size_t)(i * p->stride_a[outer]);
        const size_t b_at = b_offset + (size_t)(i * p->stride_b[outer]);
        const size_t c_at = c_offset + (size_t)(i * p->stride_c[outer]);
        if (p->batch[inner] > 1)
            status = CLBlastSgemmStridedBatched(
                CLBlastLayoutColMajor, tb, ta, n, m, k, clblast_alpha, b, b_at, ldb,
                (size_t)p->stride_b[inner], a, a_at, lda, (size_t)p->stride_a[inner], 0.0f, c, c_at,
                ldc, (size_t)p->stride_c[inner], (size_t)p->batch[inner], &queue, NULL);
        else
            status = CLBlastSgemmWithTempBuffer(CLBlastLayoutColMajor, tb, ta, n, m, k, clblast_alpha, b,
                                                b_at, ldb, a, a_at, lda, 0.0f, c, c_at, ldc, &queue,
                                                NULL, scratch_bytes ? scratch : NULL);
    }
    pthread_mutex_unlock(&clblast_lock);
    return check(device, status, p);
}

void clblast_forget(void)
{
    pthread_mutex_lock(&clblast_lock);
    if (clblast_used)
        CLBlastClearCache();
    clblast_used = false;
    pthread_mutex_unlock(&clblast_lock);
}
