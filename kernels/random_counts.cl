// Draws that reject: Poisson and binomial. Every element has its own stream: counter (block + element), attempt number.
// Parameters: dist, dtype, ctype (of rates, probabilities and result), lanes = 1. The host's twin is ops/random_counts.py.
<%
tag = {"float16": "f16", "bfloat16": "bf16"}.get(dtype)
def load(p, i):
    return f"ct_load_{tag}({p}, {i})" if tag else f"(float){p}[{i}]"
%>
<%include file="random_philox.cl"/>

static inline float ct_unit(uint w) { return (convert_float(w >> 8) + 0.5f) * 0x1p-24f; }   // in (0, 1)

// ln k! minus Stirling's formula (Loader, Fast and accurate computation of binomial probabilities, 2000)
static inline float ct_stirling(float k) {
    const float table[10] = {0.0f, 0.0810614668f, 0.0413406959f, 0.0276779257f, 0.0207906721f,
                             0.0166446912f, 0.0138761288f, 0.0118967099f, 0.0104112653f, 0.00925546218f};
    if (k < 10.0f) return table[(int)k];
    float r = 1.0f / k, s = r * r;
    return r * (0.0833333333f - s * (0.00277777778f - s * 0.000793650794f));
}

// x ln(x / m) + m - x without the cancellation where x is close to m (the same paper)
static inline float ct_deviance(float x, float m) {
    if (x == 0.0f) return m;
    float d = x - m;
    if (fabs(d) < 0.1f * (x + m)) {
        float v = d / (x + m), s = v * v;
        return d * v + 2.0f * x * v * s * (0.333333333f + s * (0.2f + s * (0.142857143f + s * 0.111111111f)));
    }
    return x * log(x / m) + m - x;
}

% if dist == "poisson":
// ln of the probability of k
static inline float ct_log_mass(float k, float rate) {
    float half_log = k == 0.0f ? 0.0f : 0.5f * log(6.28318531f * k);
    return -ct_stirling(k) - ct_deviance(k, rate) - half_log;
}

static inline float ct_draw(ulong block, uint k0, uint k1, float rate) {
    uint w[4];
    if (!(rate > 0.0f)) return 0.0f;
    if (rate < 10.0f) {
        // Knuth: how many uniform numbers can be multiplied before the product falls below exp(-rate)
        float floor_ = exp(-rate), product = 1.0f;
        for (uint attempt = 0, k = 0; attempt < 1000; attempt++) {
            ct_words(w, block, attempt, k0, k1);
            for (int j = 0; j < 4; j++, k++) {
                product *= ct_unit(w[j]);
                if (product <= floor_) return k;
            }
        }
    }
    // W. Hoermann, The transformed rejection method for generating Poisson random variables, 1993
    float b = 0.931f + 2.53f * sqrt(rate), a = -0.059f + 0.02483f * b;
    float inverse = 1.1239f + 1.1328f / (b - 3.4f), vr = 0.9277f - 3.6224f / (b - 2.0f);
    for (uint attempt = 0; attempt < 1000; attempt++) {
        ct_words(w, block, attempt, k0, k1);
        for (int j = 0; j < 4; j += 2) {
            float u = ct_unit(w[j]) - 0.5f, v = ct_unit(w[j + 1]), us = 0.5f - fabs(u);
            float k = floor((2.0f * a / us + b) * u + rate + 0.43f);
            if (us >= 0.07f && v <= vr) return k;
            if (k < 0.0f || (us < 0.013f && v > us)) continue;
            if (log(v * inverse / (a / (us * us) + b)) <= ct_log_mass(k, rate)) return k;
        }
    }
    return floor(rate);
}
% else:
// ln of the probability of k successes in n trials, less its constant part
static inline float ct_log_mass(float k, float n, float p) {
    float rest = n - k;
    float spread = (k == 0.0f || rest == 0.0f) ? 0.0f : 0.5f * log(6.28318531f * k * (rest / n));
    return ct_stirling(n) - ct_stirling(k) - ct_stirling(rest) - ct_deviance(k, n * p) - ct_deviance(rest, n * (1.0f - p)) - spread;
}

static inline float ct_draw(ulong block, uint k0, uint k1, float n, float prob) {
    uint w[4];
    n = floor(n);
    if (!(n > 0.0f) || !(prob > 0.0f)) return 0.0f;
    if (prob >= 1.0f) return n;
    float p = prob > 0.5f ? 1.0f - prob : prob, k = -1.0f;
    if (n * p < 10.0f) {
        // the gaps between successes are geometric
        float log_q = log1p(-p), trials = 0.0f, found = -1.0f;
        for (uint attempt = 0; attempt < 1000 && k < 0.0f; attempt++) {
            ct_words(w, block, attempt, k0, k1);
            for (int j = 0; j < 4 && k < 0.0f; j++) {
                trials += ceil(log(ct_unit(w[j])) / log_q);
                found += 1.0f;
                if (trials > n) k = found;
            }
        }
    } else {
        // W. Hoermann, The generation of binomial random variates, 1993 (BTRS)
        float b = 1.15f + 2.53f * sqrt(n * p * (1.0f - p)), a = -0.0873f + 0.0248f * b + 0.01f * p;
        float c = n * p + 0.5f, vr = 0.92f - 4.2f / b;
        float alpha = (2.83f + 5.1f / b) * sqrt(n * p * (1.0f - p)), top = ct_log_mass(floor((n + 1.0f) * p), n, p);
        for (uint attempt = 0; attempt < 1000 && k < 0.0f; attempt++) {
            ct_words(w, block, attempt, k0, k1);
            for (int j = 0; j < 4 && k < 0.0f; j += 2) {
                float u = ct_unit(w[j]) - 0.5f, v = ct_unit(w[j + 1]), us = 0.5f - fabs(u);
                float t = floor((2.0f * a / us + b) * u + c);
                if (t < 0.0f || t > n) continue;
                if ((us >= 0.07f && v <= vr) || log(v * alpha / (a / (us * us) + b)) <= ct_log_mass(t, n, p) - top) k = t;
            }
        }
        if (k < 0.0f) k = floor(c);
    }
    return prob > 0.5f ? n - k : k;
}
% endif

__kernel void ct_counts(__global ${ctype} *restrict out, long offset, __global const ${ctype} *x, long x_offset,
                        __global const ${ctype} *y, long y_offset, long n, uint k0, uint k1, ulong block) {
    long i = (long)get_global_id(0);
    if (i >= n) return;
    float k = ct_draw(block + i, k0, k1, ${load("x", "x_offset + i")}${", " + load("y", "y_offset + i") if dist == "binomial" else ""});
% if tag:
    ct_store_${tag}(k, out, offset + i);
% else:
    out[offset + i] = k;
% endif
}
