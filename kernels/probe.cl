// What a device must get right before it is trusted. Plain OpenCL C, not a template: the probe runs before anything else.
// PROBE_SALT is another number each time, so that a binary from a cache cannot hide a compiler that no longer builds.
// PROBE_LOCAL is defined for devices whose kernels will share local memory.

// reads a half, computes in float and in 64-bit integers, and takes an offset at run time: what every operator does
__kernel void ct_probe(__global const float *x, __global const ushort *h, __global float *out, __global long *count, const long offset)
{
    const size_t i = get_global_id(0);
    const float half_value = vload_half(i, (__global const half *)h);
    out[i] = fma(x[i + offset], 2.0f, half_value) + exp(x[i + offset]);
    count[i] = (long)i * 10000000000L + offset + PROBE_SALT;
}

#ifdef PROBE_LOCAL
// the sum of each work-group of 16 by a tree in local memory
__kernel void ct_probe_local(__global const float *x, __global float *sums)
{
    __local float tile[16];
    const int i = (int)get_local_id(0);
    tile[i] = x[get_global_id(0)];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_width = 8; half_width > 0; half_width >>= 1) {
        if (i < half_width)
            tile[i] += tile[i + half_width];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (i == 0)
        sums[get_group_id(0)] = tile[0];
}
#endif

// ---- measured by `python -m cltorch doctor` -------------------------------------------------------------------------

// Memory is measured in several forms, because devices differ in which of them they do best: each work-item takes `run`
// vectors that stand `step` apart. Copies: one read, one write.
__kernel void ct_probe_copy(__global const float16 *x, __global float16 *out, const int run, const int step)
{
    const size_t first = step == 1 ? get_global_id(0) * run : get_global_id(0);
    for (int k = 0; k < run; ++k)
        out[first + (size_t)k * step] = x[first + (size_t)k * step];
}

// the same with vectors of four, which are what GPUs load at once
__kernel void ct_probe_copy4(__global const float4 *x, __global float4 *out, const int run, const int step)
{
    const size_t first = step == 1 ? get_global_id(0) * run : get_global_id(0);
    for (int k = 0; k < run; ++k)
        out[first + (size_t)k * step] = x[first + (size_t)k * step];
}

// two reads and one write, in place: what is written has been read, so nothing is fetched that does not count
__kernel void ct_probe_update(__global const float16 *x, __global float16 *out, const int run, const int step)
{
    const size_t first = step == 1 ? get_global_id(0) * run : get_global_id(0);
    for (int k = 0; k < run; ++k)
        out[first + (size_t)k * step] = fma(x[first + (size_t)k * step], (float16)(0.5f), out[first + (size_t)k * step]);
}

// eight independent chains of fused multiply-adds, which is enough to keep two pipelines busy
__kernel void ct_probe_fma(__global float16 *out, const float scale, const int rounds)
{
    float16 a = (float16)(get_global_id(0) * 1e-6f), b = a + 1.0f, c = a + 2.0f, d = a + 3.0f;
    float16 e = a + 4.0f, f = a + 5.0f, g = a + 6.0f, h = a + 7.0f;
    const float16 s = (float16)(scale), t = (float16)(1e-3f);
    for (int i = 0; i < rounds; ++i) {
        a = fma(a, s, t); b = fma(b, s, t); c = fma(c, s, t); d = fma(d, s, t);
        e = fma(e, s, t); f = fma(f, s, t); g = fma(g, s, t); h = fma(h, s, t);
    }
    out[get_global_id(0)] = a + b + c + d + e + f + g + h;
}
