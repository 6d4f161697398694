## The derivative of attention on CPU-class devices: gradients of queries, keys and values, the probabilities computed
## anew.
##
## A work-item owns a stretch of keys of one head of keys and walks over the blocks of queries of the heads that share
## it; it alone writes the gradients of its keys and values. The gradient of the queries is written once per stretch,
## to be summed. delta = sum of gradient times result is what every line of the softmax's derivative subtracts.
##
## Parameters: as attention.cl.
<%namespace name="tile" file="gemm_tile.cl"/>
<%namespace name="at" file="attention_tile.cl"/>
% if drop:
<%include file="random_philox.cl"/>
% endif
${tile.types(vt, vt, vw)}
${at.helpers()}
## rows of x, copied side by side with room for whole vectors
static void ct_copy_rows(const __global ct_t *x, long x_row, int rows, int n, __local ct_t *to, int width, ct_t
    factor) {
    for (int q = 0; q < rows; q++, x += x_row, to += width) {
        int d = 0;
        for (; d + ${vw} <= n; d += ${vw}) CT_WRITEV(__local, CT_READV(__global, x + d) * factor, to + d);
        for (; d < n; d++) to[d] = x[d] * factor;
        for (; d < width; d++) to[d] = 0;
    }
}
## out[key][d] += sum over queries of p[key][query] x[query][d], for v vectors from d0 on
<%def name="spread_tile(v, p, x, width, n, out, out_row)">
            {
                ${tile.zero(mr, v)}
                const __local ct_t *a = ${p} + k * ${br};
                ${at.multiply(mr, v, vw, "rows", lambda i: f"a[{i * br} + s]", f"{x} + d0", width)}
                __global ct_t *o = ${out} + (long)(k0 + k) * ${out_row} + d0;
                if (d0 + ${v * vw} <= ${n}) {
% for i in range(mr):
                    if (k + ${i} < kn) {
% for j in range(v):
                        CT_WRITEV(__global, CT_READV(__global, o + ${j * vw}) + c${i}_${j}, o + ${j * vw});
% endfor
                    }
                    o += ${out_row};
% endfor
                } else {
                    ct_t t[${mr * v * vw}];
                    ${tile.spill(mr, v, vw, v * vw, "t")}
                    for (int i = 0; i < min(${mr}, kn - k); i++)
                        for (int d = 0; d < ${n} - d0; d++) o[i * ${out_row} + d] += t[i * ${v * vw} + d];
                }
            }
</%def>
<%def name="spread(p, x, width, n, out, out_row)">
        for (int d0 = 0; d0 < ${n}; d0 += ${nv * vw})
            for (int k = 0; k < kn; k += ${mr}) {
                if (${n} - d0 > ${(nv - 1) * vw}) ${spread_tile(nv, p, x, width, n, out, out_row)}
                else ${spread_tile(1, p, x, width, n, out, out_row)}
            }
</%def>
__kernel CT_ONE_ITEM void ct_attention_backward(
    const __global ct_t *Q, const __global ct_t *K, const __global ct_t *V, const __global ct_t *O, const __global
        ct_t *lse,
    const __global ct_t *G, __global ct_t *DQ, __global ct_t *DK, __global ct_t *DV,
    long q_off, long k_off, long v_off, long o_off, long g_off, int heads, int group, int Lq, int Lk, int D, int Dv,
    long q_b, long q_h, long q_row, long k_b, long k_h, long k_row, long v_b, long v_h, long v_row,
    long o_b, long o_h, long o_row, long g_b, long g_h, long g_row, long dq_chunk, long dq_b, long dq_h, long dq_row,
    long dk_b, long dk_h, long dk_row, long dv_b, long dv_h, long dv_row, int span, int causal, ct_t scale
% if mask:
    , const __global ${mask} *M0, long m_off, long m_b, long m_h, long m_row, long m_col
% endif
% if drop:
    , uint key0, uint key1, ulong block, float keep, ct_t factor
% endif
    ) {
    __local ct_v room[${(5 * dmax * br + bc * br * (3 if drop else 2) + 2 * br) // vw}];
    __local ct_t *qt = (__local ct_t *)room, *gt = qt + ${dmax * br}, *qr = gt + ${dmax * br}, *gr = qr + ${dmax * br};
    __local ct_t *dqt = gr + ${dmax * br}, *p = dqt + ${dmax * br}, *e = p + ${bc * br}, *shift = e + ${bc * br};
    __local ct_t *delta = shift + ${br};
% if drop:
    __local ct_t *drop = delta + ${br};
% endif
    const int each = heads / group, b = get_global_id(1) / each, hk = get_global_id(1) % each;
    const int first = get_global_id(0) * span, last = min(Lk, first + span);
    const int wide = (D + ${vw - 1}) / ${vw} * ${vw}, wide_v = (Dv + ${vw - 1}) / ${vw} * ${vw};
    K += k_off + b * k_b + hk * k_h;
    V += v_off + b * v_b + hk * v_h;
    DK += b * dk_b + hk * dk_h;
    DV += b * dv_b + hk * dv_h;
    DQ += get_global_id(0) * dq_chunk;
    for (int k = first; k < last; k++) {
        for (int d = 0; d < D; d++) DK[k * dk_row + d] = 0;
        for (int d = 0; d < Dv; d++) DV[k * dv_row + d] = 0;
    }
    for (int h = hk * group; h < (hk + 1) * group; h++) {
        const int z = b * heads + h;
% if mask:
        const __global ${mask} *M = M0 + m_off + b * m_b + h * m_h;
% endif
        for (int q0 = 0; q0 < Lq; q0 += ${br}) {
            const int rows = min(${br}, Lq - q0), end = causal ? min(last, q0 + rows) : last;
            const __global ct_t *q_at = Q + q_off + b * q_b + h * q_h + q0 * q_row;
            const __global ct_t *g_at = G + g_off + b * g_b + h * g_h + q0 * g_row;
            for (int i = 0; i < D * ${br}; i += ${vw}) CT_WRITEV(__local, (ct_v)(0), dqt + i);
            if (first < end) {
                ct_turn(q_at, q_row, rows, D, qt, scale);
                ct_turn(g_at, g_row, rows, Dv, gt, 1);
                ct_copy_rows(q_at, q_row, rows, D, qr, wide, scale);
                ct_copy_rows(g_at, g_row, rows, Dv, gr, wide_v, 1);
                const __global ct_t *o_at = O + o_off + b * o_b + h * o_h + q0 * o_row;
                for (int q = 0; q < ${br}; q++) {
                    ct_v sums = (ct_v)(0);
                    ct_t sum = 0;
                    if (q < rows) {
                        const __local ct_t *g = gr + q * wide_v;
                        const __global ct_t *o = o_at + q * o_row;
                        int d = 0;
                        for (; d + ${vw} <= Dv; d += ${vw}) sums += CT_READV(__global, o + d) * CT_READV(__local, g +
                            d);
                        for (; d < Dv; d++) sum += o[d] * g[d];
                    }
                    ct_t t[${vw}];
                    CT_WRITEV(__private, sums, t);
                    for (int i = 0; i < ${vw}; i++) sum += t[i];
                    delta[q] = sum;
                    shift[q] = q < rows ? lse[(long)z * Lq + q0 + q] : (ct_t)INFINITY;
                }
            }
            for (int k0 = first; k0 < end; k0 += ${bc}) {
                const int kn = min(${bc}, end - k0);
                ${at.scores("K", "k_row", "D", "qt", "p")}
                ${at.scores("V", "v_row", "Dv", "gt", "e")}
                ${at.masked("p")}
% if drop:
                ${at.drawn()}
% endif
                for (int q = 0; q < ${br}; q += ${vw}) {
                    const ct_v s = CT_READV(__local, shift + q), dl = CT_READV(__local, delta + q);
                    for (int i = q; i < kn * ${br}; i += ${br}) {
                        const ct_v y = exp(CT_READV(__local, p + i) - s);
% if drop:
                        const ct_v f = CT_READV(__local, drop + i);
                        CT_WRITEV(__local, y * (CT_READV(__local, e + i) * f - dl), e + i);
                        CT_WRITEV(__local, y * f, p + i);
% else:
                        CT_WRITEV(__local, y * (CT_READV(__local, e + i) - dl), e + i);
                        CT_WRITEV(__local, y, p + i);
% endif
                    }
                }
                ${spread("p", "gr", "wide_v", "Dv", "DV", "dv_row")}
                ${spread("e", "qr", "wide", "D", "DK", "dk_row")}
                ${at.gathered("", "K", "k_row", "D", "e", "dqt")}
            }
            ct_turn_back(dqt, rows, D, DQ + b * dq_b + h * dq_h + q0 * dq_row, dq_row, scale);
        }
    }
}
