## Attention of few queries on CPU-class devices, as a model that writes word by word asks for at each one.
##
## A work-item owns up to ``few`` queries of one head and walks over the keys, bc at a time, which it reads once: scores are sums
## along rows of keys, vw keys at a time, and the result is a sum of rows of values. Maxima and sums of exponentials are
## kept as in attention.cl, whose blocks of queries would be empty for the most part.
##
## Parameters: vt (dtype name), vw (lanes of a vector), few, bc (queries and keys of a block), dmax (room for the widths of
## keys and values), mask (type of the mask's elements, "" without).
<%namespace name="tile" file="gemm_tile.cl"/>
${tile.types(vt, vt, vw)}
% if mask == "uchar":
#define CT_MASK(m) ((m) ? (ct_t)0 : (ct_t)-INFINITY)
% else:
#define CT_MASK(m) (m)
% endif
## ot[d …] = ot[d …] * fade + sum over keys of V[key][d …] p[key], for n vectors
<%def name="gathered(n)">
                {
% for j in range(n):
                    ct_v c${j} = CT_READV(__local, o + d + ${j * vw}) * fade;
% endfor
                    const __global ct_t *x = V + (long)k0 * v_row + d;
                    for (int k = 0; k < kn; k++, x += v_row) {
                        const ct_v w = (ct_v)(p[k]);
                        ${" ".join(f"c{j} = fma(w, CT_READV(__global, x + {j * vw}), c{j});" for j in range(n))}
                    }
                    ${" ".join(f"CT_WRITEV(__local, c{j}, o + d + {j * vw});" for j in range(n))}
                }
</%def>
__kernel CT_ONE_ITEM void ct_attention_few(
    const __global ct_t *Q, const __global ct_t *K, const __global ct_t *V, __global ct_t *O, __global ct_t *lse,
    long q_off, long k_off, long v_off, int heads, int group, int Lq, int Lk, int D, int Dv, long q_b, long q_h, long
        q_row,
    long k_b, long k_h, long k_row, long v_b, long v_h, long v_row, long o_b, long o_h, long o_row, int causal, ct_t
        scale
% if mask:
    , const __global ${mask} *M, long m_off, long m_b, long m_h, long m_row, long m_col
% endif
    ) {
    __local ct_v room[${(2 * few * dmax + bc) // vw + 1}];
    __local ct_t *qs = (__local ct_t *)room, *ot = qs + ${few * dmax}, *p = ot + ${few * dmax}, *lanes = p + ${bc};
    const int z = get_global_id(1), b = z / heads, h = z % heads, q0 = get_global_id(0) * ${few};
    const int rows = min(${few}, Lq - q0), end = causal ? min(Lk, q0 + rows) : Lk;
    ct_t hi[${few}], sum[${few}];
    Q += q_off + b * q_b + h * q_h + q0 * q_row;
    K += k_off + b * k_b + h / group * k_h;
    V += v_off + b * v_b + h / group * v_h;
    O += b * o_b + h * o_h + q0 * o_row;
% if mask:
    M += m_off + b * m_b + h * m_h;
% endif
    for (int q = 0; q < rows; q++) {
        for (int d = 0; d < D; d++) qs[q * ${dmax} + d] = Q[q * q_row + d] * scale;
        for (int d = 0; d < ${dmax}; d += ${vw}) CT_WRITEV(__local, (ct_v)(0), ot + q * ${dmax} + d);
        hi[q] = -INFINITY;
        sum[q] = 0;
    }
    for (int k0 = 0; k0 < end; k0 += ${bc}) {
        const int kn = min(${bc}, end - k0);
        for (int q = 0; q < rows; q++) {
            const __local ct_t *from = qs + q * ${dmax};
            __local ct_t *o = ot + q * ${dmax};
            ct_v most = (ct_v)(-INFINITY), total = (ct_v)(0);
            for (int k = 0; k < kn; k += ${vw}) {
% for i in range(vw):
                const __global ct_t *a${i} = K + (long)(k0 + min(k + ${i}, kn - 1)) * k_row;
                ct_v r${i} = (ct_v)(0);
% endfor
                int d = 0;
                for (; d + ${vw} <= D; d += ${vw}) {
                    const ct_v x = CT_READV(__local, from + d);
% for i in range(vw):
                    r${i} = fma(x, CT_READV(__global, a${i} + d), r${i});
% endfor
                }
                ${tile.transpose(vw)}
                ct_v s = ${" + ".join(f"r{i}" for i in range(vw))};
                for (; d < D; d++) s += from[d] * (ct_v)(${", ".join(f"a{i}[d]" for i in range(vw))});
                CT_WRITEV(__local, s, p + k);
            }
            // causality, and the lanes behind the last key
            for (int k = causal ? max(0, min(kn, q0 + q + 1 - k0)) : kn; k < (kn + ${vw - 1}) / ${vw} * ${vw}; k++)
                p[k] = -INFINITY;
% if mask:
            const ${mask} __global *m = M + (long)(q0 + q) * m_row + (long)k0 * m_col;
            for (int k = 0; k < kn; k++) p[k] += CT_MASK(m[k * m_col]);
% endif
            for (int k = 0; k < kn; k += ${vw}) most = max(most, CT_READV(__local, p + k));
            CT_WRITEV(__local, most, lanes);
            const ct_t before = hi[q];
            ct_t top = before;
            for (int i = 0; i < ${vw}; i++) top = max(top, lanes[i]);
            // a query without any allowed key so far: 0 instead of -inf, lest the difference be NaN
            const ct_t base = top == -INFINITY ? (ct_t)0 : top;
            for (int k = 0; k < kn; k += ${vw}) {
                const ct_v e = exp(CT_READV(__local, p + k) - (ct_v)(base));
                CT_WRITEV(__local, e, p + k);
                total += e;
            }
            CT_WRITEV(__local, total, lanes);
            const ct_t fade = exp(before - base);
            ct_t added = 0;
            for (int i = 0; i < ${vw}; i++) added += lanes[i];
            hi[q] = top;
            sum[q] = sum[q] * fade + added;
            {
                int d = 0;
                for (; d + ${4 * vw} <= Dv; d += ${4 * vw}) ${gathered(4)}
                for (; d + ${vw} <= Dv; d += ${vw}) ${gathered(1)}
                for (; d < Dv; d++) {
                    ct_t c = o[d] * fade;
                    for (int k = 0; k < kn; k++) c = fma(p[k], V[(k0 + k) * v_row + d], c);
                    o[d] = c;
                }
            }
        }
    }
    for (int q = 0; q < rows; q++) {
        const ct_t factor = sum[q] == 0 ? (ct_t)0 : 1 / sum[q];
        for (int d = 0; d < Dv; d++) O[q * o_row + d] = ot[q * ${dmax} + d] * factor;
        lse[(long)z * Lq + q0 + q] = sum[q] == 0 ? (ct_t)INFINITY : hi[q] + log(sum[q]);
    }
}
