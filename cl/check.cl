/* Arithmetic that other kernels take for granted, for the self-check. */

/* Whole numbers: the upper half of a product, rotation, 64 bits, signed shifts and remainders. */
__kernel void kiln_check_whole(__global const uint *x, __global uint *y, const uint n)
{
    const size_t i = get_global_id(0);
    if (i < n) {
        const uint v = x[i];
        y[4 * i] = mul_hi(v, 0xD2511F53u);
        y[4 * i + 1] = rotate(v, 7u);
        y[4 * i + 2] = (uint)((ulong)v * v >> 17);
        y[4 * i + 3] = (uint)((int)v >> 5) % 1021u;
    }
}

/* Each number is stored as a half behind y's first 2 n words, read back, and stored whole. */
__kernel void kiln_check_half(__global const float *x, __global float *y, const uint n)
{
    const size_t i = get_global_id(0);
    if (i < n) {
        __global half *h = (__global half *)(y + 2 * n);
        vstore_half(x[i], i, h);
        y[i] = vload_half(i, h);
    }
}

/* The sum of all of x. */
__kernel void kiln_check_atomic(__global const uint *x, __global uint *y, const uint n)
{
    const size_t i = get_global_id(0);
    if (i < n)
        atomic_add(y, x[i]);
}
