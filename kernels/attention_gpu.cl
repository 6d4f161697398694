## Attention and its derivative on GPUs, by blocks of 32 queries and 32 keys, without the matrix of scores.
##
## A work-group of side by side items takes a block of queries (ct_attention, ct_attention_query) or of keys
## (ct_attention_key) of one head and walks over the other. A block of scores is a product of two blocks copied to
## local memory by pieces of 32 along the width; an item owns every side-th row and column, results stay in its
## registers. A group makes dmax columns of its results, from w0 on: where they are wider, as many groups as it takes
## compute the same scores.
##
## Parameters: vt, side (16 or 8), dmax (columns of a group's results, a multiple of 32), mask, drop: as attention.cl; held ("forward", "query" or "key"), what the program holds: Oclgrind counts the local memory of all of
## a program's kernels together.
<%namespace name="tile" file="gemm_tile.cl"/>
<%
    items, each, wide = side * side, 32 // side, dmax // side
    part = items // 32  # items that share a query in what runs along a line of scores
    line = 33           # one more than 32 keeps a column out of one bank
%>
% if drop:
<%include file="random_philox.cl"/>
% endif
${tile.types(vt, vt, 4)}
% if mask == "uchar":
#define CT_MASK(m) ((m) ? (ct_t)0 : (ct_t)-INFINITY)
% else:
#define CT_MASK(m) (m)
% endif
## a piece of 32 rows and 32 columns of a matrix, into local memory; zero beyond its end
<%def name="fetch(to, x, x_row, r0, rows, d0, n)">
        for (int e = item; e < 1024; e += ${items}) {
            const int r = e / 32, d = e % 32;
            ${to}[r * ${line} + d] = ${r0} + r < ${rows} && ${d0} + d < ${n} ? ${x}[(long)(${r0} + r) * ${x_row} +
                ${d0} + d] : (ct_t)0;
        }
</%def>
## s[i][j] = rows of x times rows of y, over the width n
<%def name="scores(s, x, x_row, x0, x_end, y, y_row, y0, y_end, n)">
    for (int i = 0; i < ${each}; i++)
        for (int j = 0; j < ${each}; j++) ${s}[i][j] = 0;
    for (int d0 = 0; d0 < ${n}; d0 += 32) {
        barrier(CLK_LOCAL_MEM_FENCE);
        ${fetch("left", x, x_row, x0, x_end, "d0", n)}
        ${fetch("right", y, y_row, y0, y_end, "d0", n)}
        barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll 1
        for (int d = 0; d < 32; d++)
            for (int i = 0; i < ${each}; i++) {
                const ct_t a = left[(ty + i * ${side}) * ${line} + d];
                for (int j = 0; j < ${each}; j++) ${s}[i][j] = fma(a, right[(tx + j * ${side}) * ${line} + d],
                    ${s}[i][j]);
            }
    }
</%def>
## acc[i][c] += sum over 32 lines l of weight(l, own row) x[l][own columns]; ``weight`` is text
<%def name="gather(acc, weight, x, x_row, x0, x_end, n)">
#pragma unroll
    for (int part = 0; part < ${dmax // 32}; part++) {
        if (w0 + part * 32 >= ${n}) break;
        barrier(CLK_LOCAL_MEM_FENCE);
        ${fetch("right", x, x_row, x0, x_end, "w0 + part * 32", n)}
        barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll 1
        for (int l = 0; l < 32; l++)
            for (int i = 0; i < ${each}; i++) {
                const ct_t a = ${weight};
                for (int j = 0; j < ${each}; j++)
                    ${acc}[i][part * ${each} + j] = fma(a, right[l * ${line} + tx + j * ${side}], ${acc}[i][part *
                        ${each} + j]);
            }
    }
</%def>
<%def name="zero(acc)">
    ct_t ${acc}[${each}][${wide}];
    for (int i = 0; i < ${each}; i++)
        for (int j = 0; j < ${wide}; j++) ${acc}[i][j] = 0;
</%def>
## results of the items' rows and columns, times a factor that may depend on the row
<%def name="store(acc, out, out_row, r0, rows, n, factor)">
    for (int i = 0; i < ${each}; i++) {
        const int r = ${r0} + ty + i * ${side};
        if (r >= ${rows}) continue;
        const ct_t f = ${factor};
        for (int part = 0; part < ${dmax // 32}; part++)
            for (int j = 0; j < ${each}; j++) {
                const int d = w0 + part * 32 + tx + j * ${side};
                if (d < ${n}) ${out}[(long)r * ${out_row} + d] = ${acc}[i][part * ${each} + j] * f;
            }
    }
</%def>
% if mask:
#define CT_ALLOWED(s, q, k) ((q) < Lq && (k) < Lk && !(causal && (k) > (q)) ? \
    (s) * scale + CT_MASK(M[(q) * m_row + (k) * m_col]) : (ct_t)-INFINITY)
% else:
#define CT_ALLOWED(s, q, k) ((q) < Lq && (k) < Lk && !(causal && (k) > (q)) ? (s) * scale : (ct_t)-INFINITY)
% endif
% if drop:
// the factor of dropout of one element: word k % 4 of block (k / 4) * Lq + q of the stream
static ct_t ct_coin(ulong block, uint key0, uint key1, int z, int q, int k, int Lq, int Lk, float keep, ct_t factor) {
    uint w[4];
    ct_words(w, block + ((ulong)z * ((Lk + 3) / 4) + k / 4) * Lq + q, 0, key0, key1);
    const uint word = k % 4 == 0 ? w[0] : k % 4 == 1 ? w[1] : k % 4 == 2 ? w[2] : w[3];
    return (float)(int)(word >> 8) * 0x1p-24f < keep ? factor : (ct_t)0;
}
#define CT_COIN(q, k) ct_coin(block, key0, key1, z, q, k, Lq, Lk, keep, factor)
% else:
#define CT_COIN(q, k) ((ct_t)1)
% endif
<%def name="tail()">
% if mask:
    , const __global ${mask} *M, long m_off, long m_b, long m_h, long m_row, long m_col
% endif
% if drop:
    , uint key0, uint key1, ulong block, float keep, ct_t factor
% endif
</%def>
#define CT_GROUP __attribute__((reqd_work_group_size(${side * side}, 1, 1)))
% if held == "forward":
__kernel CT_GROUP void ct_attention(
    const __global ct_t *Q, const __global ct_t *K, const __global ct_t *V, __global ct_t *O, __global ct_t *lse,
    long q_off, long k_off, long v_off, int heads, int group, int Lq, int Lk, int D, int Dv, long q_b, long q_h, long
        q_row,
    long k_b, long k_h, long k_row, long v_b, long v_h, long v_row, long o_b, long o_h, long o_row, int causal, ct_t
        scale
    ${tail()}) {
    __local ct_t left[${32 * line}], right[${32 * line}], p[${32 * line}], top[32], sum[32], fade[32], shared[${items}];
    const int item = get_local_id(0), tx = item % ${side}, ty = item / ${side};
    const int z = get_group_id(1), b = z / heads, h = z % heads, q0 = get_group_id(0) * 32;
    const int w0 = get_group_id(2) * ${dmax};
    const int end = causal ? min(Lk, q0 + 32) : Lk, own = item / ${part}, lane = item % ${part};
    Q += q_off + b * q_b + h * q_h;
    K += k_off + b * k_b + h / group * k_h;
    V += v_off + b * v_b + h / group * v_h;
    O += b * o_b + h * o_h;
% if mask:
    M += m_off + b * m_b + h * m_h;
% endif
    if (item < 32) {
        top[item] = -INFINITY;
        sum[item] = 0;
    }
    ${zero("o")}
    for (int k0 = 0; k0 < end; k0 += 32) {
        ct_t s[${each}][${each}];
        ${scores("s", "Q", "q_row", "q0", "Lq", "K", "k_row", "k0", "Lk", "D")}
        for (int i = 0; i < ${each}; i++)
            for (int j = 0; j < ${each}; j++) {
                const int r = ty + i * ${side}, c = tx + j * ${side};
                p[r * ${line} + c] = CT_ALLOWED(s[i][j], q0 + r, k0 + c);
            }
        barrier(CLK_LOCAL_MEM_FENCE);
        ct_t hi = -INFINITY;
        for (int c = lane; c < 32; c += ${part}) hi = p[own * ${line} + c] > hi ? p[own * ${line} + c] : hi;
        shared[item] = hi;
        barrier(CLK_LOCAL_MEM_FENCE);
        hi = top[own];
        for (int c = 0; c < ${part}; c++) hi = shared[own * ${part} + c] > hi ? shared[own * ${part} + c] : hi;
        const ct_t base = hi == (ct_t)-INFINITY ? (ct_t)0 : hi, faded = exp(top[own] - base);
        barrier(CLK_LOCAL_MEM_FENCE);
        ct_t total = 0;
        for (int c = lane; c < 32; c += ${part}) {
            const ct_t e = exp(p[own * ${line} + c] - base);
            total += e;
            p[own * ${line} + c] = e * CT_COIN(q0 + own, k0 + c);
        }
        shared[item] = total;
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lane == 0) {
            total = sum[own] * faded;
            for (int c = 0; c < ${part}; c++) total += shared[item + c];
            sum[own] = total;
            top[own] = hi;
            fade[own] = faded;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int i = 0; i < ${each}; i++)
            for (int j = 0; j < ${wide}; j++) o[i][j] *= fade[ty + i * ${side}];
        ${gather("o", f"p[(ty + i * {side}) * {line} + l]", "V", "v_row", "k0", "Lk", "Dv")}
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    ${store("o", "O", "o_row", "q0", "Lq", "Dv", "sum[r - q0] == 0 ? (ct_t)0 : 1 / sum[r - q0]")}
    if (w0 == 0 && item < 32 && q0 + item < Lq)
        lse[(long)z * Lq + q0 + item] = sum[item] == 0 ? (ct_t)INFINITY : top[item] + log(sum[item]);
}
% endif
% if held == "query":
// delta: sum of gradient times result, a value per query
__kernel void ct_attention_delta(const __global ct_t *O, const __global ct_t *G, __global ct_t *delta, long o_off,
    long g_off,
                                 long count, int heads, int Lq, int Dv, long o_b, long o_h, long o_row,
                                 long g_b, long g_h, long g_row) {
    const long at = get_global_id(0);
    if (at >= count) return;
    const long q = at % Lq, z = at / Lq;
    O += o_off + z / heads * o_b + z % heads * o_h + q * o_row;
    G += g_off + z / heads * g_b + z % heads * g_h + q * g_row;
    ct_t sum = 0;
    for (int d = 0; d < Dv; d++) sum = fma(O[d], G[d], sum);
    delta[at] = sum;
}
% endif

<%def name="head()">
    const __global ct_t *Q, const __global ct_t *K, const __global ct_t *V, const __global ct_t *G,
    const __global ct_t *lse, const __global ct_t *delta, __global ct_t *DQ, __global ct_t *DK, __global ct_t *DV,
    long q_off, long k_off, long v_off, long g_off, int heads, int group, int Lq, int Lk, int D, int Dv,
    long q_b, long q_h, long q_row, long k_b, long k_h, long k_row, long v_b, long v_h, long v_row,
    long g_b, long g_h, long g_row, long dq_b, long dq_h, long dq_row, long dk_b, long dk_h, long dk_row,
    long dv_b, long dv_h, long dv_row, int causal, ct_t scale ${tail()}
</%def>
## probabilities (with dropout) into p, where asked, and the gradient of the scores into e
<%def name="gradient_of_scores(keep_p)">
        ct_t s[${each}][${each}], g[${each}][${each}];
        ${scores("s", "Q", "q_row", "q0", "Lq", "K", "k_row", "k0", "Lk", "D")}
        ${scores("g", "G", "g_row", "q0", "Lq", "V", "v_row", "k0", "Lk", "Dv")}
% if keep_p:
        barrier(CLK_LOCAL_MEM_FENCE);  // items that are late still read the left operand of the scores
% endif
        for (int i = 0; i < ${each}; i++) {
            const int r = ty + i * ${side}, q = q0 + r;
            const ct_t shift = q < Lq ? lse[(long)z * Lq + q] : (ct_t)INFINITY, dl = q < Lq ? delta[(long)z * Lq + q]
                : (ct_t)0;
            for (int j = 0; j < ${each}; j++) {
                const int c = tx + j * ${side}, k = k0 + c;
                const ct_t y = exp(CT_ALLOWED(s[i][j], q, k) - shift), f = CT_COIN(q, k);
% if keep_p:
                p[r * ${line} + c] = y * f;
% endif
                e[r * ${line} + c] = y * (g[i][j] * f - dl) * scale;
            }
        }
</%def>
% if held == "query":
__kernel CT_GROUP void ct_attention_query(${head()}) {
    __local ct_t left[${32 * line}], right[${32 * line}], e[${32 * line}];
    const int item = get_local_id(0), tx = item % ${side}, ty = item / ${side};
    const int z = get_group_id(1), b = z / heads, h = z % heads, q0 = get_group_id(0) * 32;
    const int w0 = get_group_id(2) * ${dmax};
    const int end = causal ? min(Lk, q0 + 32) : Lk;
    Q += q_off + b * q_b + h * q_h;
    K += k_off + b * k_b + h / group * k_h;
    V += v_off + b * v_b + h / group * v_h;
    G += g_off + b * g_b + h * g_h;
    DQ += b * dq_b + h * dq_h;
% if mask:
    M += m_off + b * m_b + h * m_h;
% endif
    ${zero("dq")}
    for (int k0 = 0; k0 < end; k0 += 32) {
        ${gradient_of_scores(False)}
        ${gather("dq", f"e[(ty + i * {side}) * {line} + l]", "K", "k_row", "k0", "Lk", "D")}
    }
    ${store("dq", "DQ", "dq_row", "q0", "Lq", "D", "1")}
}
% endif
% if held == "key":
__kernel CT_GROUP void ct_attention_key(${head()}) {
    __local ct_t left[${32 * line}], right[${32 * line}];
    // the probabilities may lie where the left operand of the scores was
    __local ct_t e[${32 * line}], *p = left;
    const int item = get_local_id(0), tx = item % ${side}, ty = item / ${side};
    const int heads_k = heads / group, b = get_group_id(1) / heads_k, hk = get_group_id(1) % heads_k;
    const int k0 = get_group_id(0) * 32, w0 = get_group_id(2) * ${dmax};
    const __global ct_t *q_first = Q + q_off + b * q_b, *g_first = G + g_off + b * g_b;
    K += k_off + b * k_b + hk * k_h;
    V += v_off + b * v_b + hk * v_h;
    DK += b * dk_b + hk * dk_h;
    DV += b * dv_b + hk * dv_h;
% if mask:
    const __global ${mask} *m_first = M + m_off + b * m_b;
% endif
    ${zero("dk")}
    ${zero("dv")}
    for (int h = hk * group; h < (hk + 1) * group; h++) {
        const int z = b * heads + h;
        Q = q_first + h * q_h;
        G = g_first + h * g_h;
% if mask:
        M = m_first + h * m_h;
% endif
        for (int q0 = causal ? k0 : 0; q0 < Lq; q0 += 32) {
            ${gradient_of_scores(True)}
            ${gather("dv", f"p[l * {line} + ty + i * {side}]", "G", "g_row", "q0", "Lq", "Dv")}
            ${gather("dk", f"e[l * {line} + ty + i * {side}]", "Q", "q_row", "q0", "Lq", "D")}
        }
    }
    ${store("dk", "DK", "dk_row", "k0", "Lk", "D", "1")}
    ${store("dv", "DV", "dv_row", "k0", "Lk", "Dv", "1")}
}
% endif
