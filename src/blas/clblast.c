/* The CLBlast engine. Versions before 1.6.1 are not safe to call from threads with contexts of
 * their own, so one lock is around every call. */
#include "blas/clblast.h"

#include "device/inject.h"

#include <clblast_c.h>
#include <pthread.h>

static pthread_mutex_t clblast_lock = PTHREAD_MUTEX_INITIALIZER;
static bool clblast_used; /* guarded by the lock */

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

kiln_status blas_clblast_scratch(kiln_device *device, const blas_product *p, size_t *bytes)
{
    *bytes = 0;
    if (p->batch[0] * p->batch[1] > 1)
        return KILN_OK; /* only single products take a buffer of ours */
    cl_command_queue queue = device->queue;
    pthread_mutex_lock(&clblast_lock);
    clblast_used = true;
    CLBlastStatusCode status = CLBlastSGemmTempBufferSize(
        CLBlastLayoutRowMajor, transpose(p->transpose_a), transpose(p->transpose_b), (size_t)p->m,
        (size_t)p->n, (size_t)p->k, 0, (size_t)p->lda, 0, (size_t)p->ldb, 0, (size_t)p->ldc, &queue,
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
    for (int64_t i = 0; i < p->batch[outer] && status == CLBlastSuccess; i++) {
        const size_t a_at = a_offset + (size_t)(i * p->stride_a[outer]);
        const size_t b_at = b_offset + (size_t)(i * p->stride_b[outer]);
        const size_t c_at = c_offset + (size_t)(i * p->stride_c[outer]);
        if (p->batch[inner] > 1)
            status = CLBlastSgemmStridedBatched(
                CLBlastLayoutRowMajor, ta, tb, m, n, k, 1.0f, a, a_at, lda,
                (size_t)p->stride_a[inner], b, b_at, ldb, (size_t)p->stride_b[inner], 0.0f, c, c_at,
                ldc, (size_t)p->stride_c[inner], (size_t)p->batch[inner], &queue, NULL);
        else
            status = CLBlastSgemmWithTempBuffer(CLBlastLayoutRowMajor, ta, tb, m, n, k, 1.0f, a,
                                                a_at, lda, b, b_at, ldb, 0.0f, c, c_at, ldc, &queue,
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
