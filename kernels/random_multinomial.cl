// Draw categories with replacement. Probabilities are added up by segments of `segment` categories, so that a draw walks
// over a few hundred numbers however many categories there are. The host's twin is ops/multinomial.py: all additions are
// made in the same order. Parameters: ctype, dtype (of the probabilities), lanes = 1.
<%
tag = {"float16": "f16", "bfloat16": "bf16"}.get(dtype)
load = (lambda i: f"ct_load_{tag}(p, {i})") if tag else (lambda i: f"(float)p[{i}]")
%>
<%include file="random_philox.cl"/>

__kernel void ct_segments(__global float *restrict sums, __global const ${ctype} *p, long offset, long rows, long categories,
                          long segments, int segment) {
    long i = (long)get_global_id(0);
    if (i >= rows * segments) return;
    long row = i / segments, start = i % segments * segment, stop = min(start + segment, categories);
    p += offset + row * categories;
    float sum = 0.0f;
    for (long k = start; k < stop; k++) sum += ${load("k")};
    sums[i] = sum;
}

__kernel void ct_multinomial(__global long *restrict out, __global const float *sums, __global const ${ctype} *p, long offset,
                             long rows, long samples, long categories, long segments, int segment, uint k0, uint k1,
                             ulong block) {
    long i = (long)get_global_id(0);
    if (i >= rows * samples) return;
    long row = i / samples;
    p += offset + row * categories;
    sums += row * segments;
    uint w[4];
    ct_words(w, block + i / 4, 0, k0, k1);
    float total = 0.0f;
    for (long s = 0; s < segments; s++) total += sums[s];
    float target = convert_float(w[i & 3] >> 8) * 0x1p-24f * total;
    // the first segment, and in it the first category, whose running sum lies above the target
    float sum = 0.0f;
    long s = 0;
    while (s < segments - 1 && sum + sums[s] <= target) sum += sums[s++];
    long stop = min((s + 1) * segment, categories), chosen = -1;
    for (long k = s * segment; k < stop; k++) {
        float v = ${load("k")};
        sum += v;
        if (v > 0.0f) chosen = k;
        if (chosen == k && sum > target) break;
    }
    // rounding can put the target behind the last category that is possible
    for (; chosen < 0; s--)
        for (long k = min(s * segment, categories); k-- > max(0L, (s - 1) * segment);)
            if (chosen < 0 && ${load("k")} > 0.0f) chosen = k;
    out[i] = chosen;
}
