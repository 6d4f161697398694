## Attention on CPU-class devices: softmax(scale * Q K^T + mask) V by blocks, without the matrix of scores.
##
## A work-item owns a block of br queries of one head and walks over the keys, bc at a time, keeping for every query
## the largest score and the sum so far (M. Milakov, N. Gimelshein, Online normalizer calculation for softmax, 2018; T.
## Dao et al., FlashAttention, 2022). lse keeps the logarithm of the sums for the derivative, +inf where everything was
## masked.
##
## Parameters: vt (dtype name), mr, nv, vw, br, bc (see attention_tile.cl), dmax (room for the widths of keys and
## values), mask (type of the mask's elements, "" without), drop (whether there is dropout).
<%namespace name="tile" file="gemm_tile.cl"/>
<%namespace name="at" file="attention_tile.cl"/>
% if drop:
<%include file="random_philox.cl"/>
% endif
${tile.types(vt, vt, vw)}
${at.helpers()}
__kernel CT_ONE_ITEM void ct_attention(
    const __global ct_t *Q, const __global ct_t *K, const __global ct_t *V, __global ct_t *O, __global ct_t *lse,
    long q_off, long k_off, long v_off, int heads, int group, int Lq, int Lk, int D, int Dv, long q_b, long q_h, long
        q_row,
    long k_b, long k_h, long k_row, long v_b, long v_h, long v_row, long o_b, long o_h, long o_row, int causal, ct_t
        scale
% if mask:
    , const __global ${mask} *M, long m_off, long m_b, long m_h, long m_row, long m_col
% endif
% if drop:
    , uint key0, uint key1, ulong block, float keep, ct_t factor
% endif
    ) {
    __local ct_v room[${(2 * dmax * br + bc * br * (2 if drop else 1) + 3 * br) // vw}];
    __local ct_t *qt = (__local ct_t *)room, *ot = qt + ${dmax * br}, *p = ot + ${dmax * br};
    __local ct_t *hi = p + ${bc * br}, *sum = hi + ${br}, *old = sum + ${br};
% if drop:
    __local ct_t *drop = old + ${br};
% endif
    const int z = get_global_id(1), b = z / heads, h = z % heads, q0 = get_global_id(0) * ${br};
    const int rows = min(${br}, Lq - q0), end = causal ? min(Lk, q0 + rows) : Lk;
    Q += q_off + b * q_b + h * q_h + q0 * q_row;
    K += k_off + b * k_b + h / group * k_h;
    V += v_off + b * v_b + h / group * v_h;
    O += b * o_b + h * o_h + q0 * o_row;
% if mask:
    M += m_off + b * m_b + h * m_h;
% endif
    ct_turn(Q, q_row, rows, D, qt, scale);
    for (int i = 0; i < Dv * ${br}; i += ${vw}) CT_WRITEV(__local, (ct_v)(0), ot + i);
    for (int q = 0; q < ${br}; q += ${vw}) {
        CT_WRITEV(__local, (ct_v)(-INFINITY), hi + q);
        CT_WRITEV(__local, (ct_v)(0), sum + q);
    }
    for (int k0 = 0; k0 < end; k0 += ${bc}) {
        const int kn = min(${bc}, end - k0);
        ${at.scores("K", "k_row", "D", "qt", "p")}
        ${at.masked("p")}
        for (int q = 0; q < ${br}; q += ${vw}) {
            const ct_v before = CT_READV(__local, hi + q);
            ct_v top = before, total = (ct_v)(0);
            for (int k = 0; k < kn; k++) {
                const ct_v s = CT_READV(__local, p + k * ${br} + q);
                top = s > top ? s : top;
            }
            // a line without any allowed key so far: 0 instead of -inf, lest the difference be NaN
            const ct_v base = top == (ct_v)(-INFINITY) ? (ct_v)(0) : top;
            for (int k = 0; k < kn; k++) {
                const ct_v e = exp(CT_READV(__local, p + k * ${br} + q) - base);
                CT_WRITEV(__local, e, p + k * ${br} + q);
                total += e;
            }
            const ct_v fade = exp(before - base);
            CT_WRITEV(__local, fade, old + q);
            CT_WRITEV(__local, top, hi + q);
            CT_WRITEV(__local, CT_READV(__local, sum + q) * fade + total, sum + q);
        }
% if drop:
        ${at.drawn()}
        for (int i = 0; i < kn * ${br}; i += ${vw})
            CT_WRITEV(__local, CT_READV(__local, p + i) * CT_READV(__local, drop + i), p + i);
% endif
        ${at.gathered("old", "V", "v_row", "Dv", "p", "ot")}
    }
    for (int q = 0; q < ${br}; q += ${vw}) {
        // select, not ?:, from whose two a compiler makes a negation of vectors of bits, which Oclgrind 21.10 miscomputes
        const ct_v total = CT_READV(__local, sum + q), top = CT_READV(__local, hi + q);
        const ct_m none = total == (ct_v)(0);
        CT_WRITEV(__local, select((ct_v)(1) / total, (ct_v)(0), none), old + q);
        CT_WRITEV(__local, select(top + log(total), (ct_v)(INFINITY), none), hi + q);
    }
    for (int d = 0; d < Dv; d++)
        for (int q = 0; q < ${br}; q += ${vw}) {
            __local ct_t *t = ot + d * ${br} + q;
            CT_WRITEV(__local, CT_READV(__local, t) * CT_READV(__local, old + q), t);
        }
    ct_turn_back(ot, rows, Dv, O, o_row, 1);
    for (int q = 0; q < rows; q++) lse[(long)z * Lq + q0 + q] = hi[q];
}
