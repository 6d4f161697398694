// Gamma variables by rejection (Marsaglia and Tsang, 2000). Every element has its own stream: counter (block + element),
// attempt number; float64 takes two blocks per attempt. Parameters: dtype, ctype, logarithm
// (of the variables instead of them), lanes = 1. The host's twin is
// ops/gamma_sample.py.
<%
tag = {"float16": "f16", "bfloat16": "bf16"}.get(dtype)
R = "double" if dtype == "float64" else "float"
s = "" if dtype == "float64" else "f"
%>
<%include file="random_philox.cl"/>

// four numbers in (0, 1)
static inline void ct_uniform(${R} u[4], ulong block, uint attempt, uint k0, uint k1) {
    uint w[4];
% if dtype == "float64":
    uint low[4];
    ct_words(w, block, 2 * attempt, k0, k1);
    ct_words(low, block, 2 * attempt + 1, k0, k1);
    for (int j = 0; j < 4; j++) u[j] = ((w[j] >> 5) * 67108864.0 + (low[j] >> 6) + 0.5) * 0x1p-53;
% else:
    ct_words(w, block, attempt, k0, k1);
    for (int j = 0; j < 4; j++) u[j] = (convert_float(w[j] >> 8) + 0.5f) * 0x1p-24f;
% endif
}

static inline ${R} ct_draw(ulong block, uint k0, uint k1, ${R} a) {
    if (!(a > 0)) return a == 0 ? ${'-INFINITY' if logarithm else '0'} : NAN;
    // below 1 a variable of parameter a + 1 is scaled by a power of a uniform number
    ${R} d = (a < 1 ? a + 1 : a) - 0.333333333333333333${s}, c = 1 / sqrt(9 * d);
    for (uint attempt = 0; attempt < 1000; attempt++) {
        ${R} u[4];
        ct_uniform(u, block, attempt, k0, k1);
        ${R} z = sqrt(-2 * log(u[0])) * cospi(2 * u[1]), v = 1 + c * z, cube = v * v * v;
        if (v > 0 && log(u[2]) < 0.5${s} * z * z + d - d * cube + d * log(cube))
% if logarithm:
            return log(d * cube) + (a < 1 ? log(u[3]) / a : 0);
% else:
            return d * cube * (a < 1 ? pow(u[3], 1 / a) : 1);
% endif
    }
    return NAN;
}

__kernel void ct_gamma(__global ${ctype} *restrict out, long offset, __global const ${ctype} *a, long a_offset, long n,
                       uint k0, uint k1, ulong block, ${R} least) {
    long i = (long)get_global_id(0);
    if (i >= n) return;
% if tag:
    float x = ct_draw(block + i, k0, k1, ct_load_${tag}(a, a_offset + i));
    ct_store_${tag}(x < least ? least : x, out, offset + i);
% else:
    ${R} x = ct_draw(block + i, k0, k1, a[a_offset + i]);
    out[offset + i] = x < least ? least : x;
% endif
}
