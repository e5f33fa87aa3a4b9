/* What a device can do at best: multiply-adds, copies. kiln_device_measure and the choice between devices use it. */

#ifndef CHAINS
#define CHAINS 12 /* independent accumulators, 6 or 12: enough to fill two pipelines */
#endif
#ifndef LANES
#define LANES 16 /* 1, 2 or 16 */
#endif
#ifdef HALF
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#define PEAK_SCALAR half
#else
#define PEAK_SCALAR float
#endif
#define PEAK_JOIN(type, lanes) type##lanes
#define PEAK_VECTOR(type, lanes) PEAK_JOIN(type, lanes)
#if LANES == 1
typedef PEAK_SCALAR peak_vector;
#else
typedef PEAK_VECTOR(PEAK_SCALAR, LANES) peak_vector;
#endif

/* CHAINS multiply-adds of a vector per work-item and pass. The factors make the values settle at
 * 1, far from overflow and denormals; the result is stored so that nothing is left out. Variables and not
 * an array: an array is only kept in registers where the compiler unrolls early enough. */
#define PEAK_FMA(x) x = fma(x, a, b)
#define PEAK_FMA_6(x0, x1, x2, x3, x4, x5)                                                         \
    PEAK_FMA(x0), PEAK_FMA(x1), PEAK_FMA(x2), PEAK_FMA(x3), PEAK_FMA(x4), PEAK_FMA(x5)

__kernel void kiln_peak_fma(__global float *out, int passes, float factor, float rest)
{
    const peak_vector a = (peak_vector)((PEAK_SCALAR)factor), b = (peak_vector)((PEAK_SCALAR)rest);
    peak_vector x0 = a, x1 = x0 * a, x2 = x1 * a, x3 = x2 * a, x4 = x3 * a, x5 = x4 * a;
#if CHAINS == 12
    peak_vector y0 = -x0, y1 = -x1, y2 = -x2, y3 = -x3, y4 = -x4, y5 = -x5;
#endif
    for (int p = 0; p < passes; p++) {
        PEAK_FMA_6(x0, x1, x2, x3, x4, x5);
#if CHAINS == 12
        PEAK_FMA_6(y0, y1, y2, y3, y4, y5);
#endif
    }
    peak_vector sum = x0 + x1 + x2 + x3 + x4 + x5;
#if CHAINS == 12
    sum += y0 + y1 + y2 + y3 + y4 + y5;
#endif
#if LANES == 16
    PEAK_VECTOR(PEAK_SCALAR, 8) eight = sum.lo + sum.hi;
    PEAK_VECTOR(PEAK_SCALAR, 4) four = eight.lo + eight.hi;
    PEAK_VECTOR(PEAK_SCALAR, 2) two = four.lo + four.hi;
    out[get_global_id(0)] = (float)(two.x + two.y);
#elif LANES == 2
    out[get_global_id(0)] = (float)(sum.x + sum.y);
#else
    out[get_global_id(0)] = (float)sum;
#endif
}

/* Each work-item copies count vectors of 4: `between` apart, the first at its number times `begin`. */
__kernel void kiln_peak_copy(__global const float *from, __global float *to, uint count, uint begin,
                             uint between)
{
    size_t at = get_global_id(0) * (size_t)begin;
    for (uint i = 0; i < count; i++, at += between)
        vstore4(vload4(at, from), at, to);
}

__kernel void kiln_peak_empty(__global float *out)
{
    if (get_global_size(0) == 0)
        out[0] = 0.0f;
}
