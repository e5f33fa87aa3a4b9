/* The measured peaks of a device, and what is above them. */
#include "cli/compare.h"

#include <string.h>

void compare_better_peaks(json_t *peaks, const json_t *again)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)again, key, value)
    {
        const json_t *before = json_object_get(peaks, key);
        bool is_less = json_number_value(value) < json_number_value(before);
        bool wants_less = strcmp(key, "launch_us") == 0;
        if (before == NULL || is_less == wants_less)
            json_object_set(peaks, key, value);
    }
}

static double compute_seconds(const compared_device *d, double flops)
{
    return d->peaks.fma_gflops > 0 ? flops / d->peaks.fma_gflops * 1e-9 : 0;
}

static double copy_seconds(const compared_device *d, double bytes)
{
    return d->peaks.copy_gbytes > 0 ? bytes / d->peaks.copy_gbytes * 1e-9 : 0;
}

double comparison_bound(const compared_device *d, double flops, double bytes)
{
    double compute = compute_seconds(d, flops), memory = copy_seconds(d, bytes);
    return compute > memory ? compute : memory;
}

#define BUSIER "the machine was busier while the peak was measured"

const char *comparison_above(const compared_device *d, const compared_kernel *kernels, size_t count,
                             double seconds)
{
    const double rounding = 1.005; /* what is printed as 100 % is not above */
    double bound = 0, compute = 0;
    bool any_convolution = false;
    for (size_t i = 0; i < count; i++) {
        bound += comparison_bound(d, kernels[i].flops, kernels[i].bytes);
        compute += compute_seconds(d, kernels[i].flops);
        any_convolution |= strstr(kernels[i].name, "conv") != NULL;
    }
    if (!d->measured || bound <= rounding * seconds)
        return NULL;
    if (compute <= rounding * seconds)
        return "the data came from a cache, or " BUSIER;
    return any_convolution
               ? "Winograd's algorithm multiplies less often than is counted, or " BUSIER
               : BUSIER;
}
