## Building blocks of attention on CPU-class devices, as Mako definitions; used by attention.cl and
## attention_backward.cl.
##
## Scores lie transposed, keys by queries, so that a vector holds the same key for neighbouring queries: maxima, sums
## and exponentials of a query's line then never cross the lanes of a vector, and no matrix but the block of queries is
## packed.
##
## Parameters everywhere: mr, nv, vw (register tile of mr rows by nv vectors), br, bc (queries and keys of a block).
<%namespace name="tile" file="gemm_tile.cl"/>
## accumulators += A B over n steps. a(i): text of row i's element of A at step s; B begins at ``b``
## and steps by ``step``
<%def name="multiply(rows, nv, vw, n, a, b, step, advance='')">
            { const __local ct_t *bp = ${b};
            for (int s = 0; s < ${n}; s++, bp += ${step}) {
                ${tile.step(rows, nv, vw, a, "bp")}
                ${advance}
            } }
</%def>
## the block's scores of keys k0 … k0+kn-1: to[key][query] = sum over d of X[key][d] from[d][query]
<%def name="scores(x, x_row, n, source, to)">
    for (int c0 = 0; c0 < ${br}; c0 += ${nv * vw})
        for (int k = 0; k < kn; k += ${mr}) {
% for i in range(mr):
            const __global ct_t *a${i} = ${x} + (long)(k0 + min(k + ${i}, kn - 1)) * ${x_row};
% endfor
            ${tile.zero(mr, nv)}
            ${multiply(mr, nv, vw, n, lambda i: f"a{i}[s]", f"{source} + c0", br)}
            __local ct_t *t = ${to} + k * ${br} + c0;
% for i in range(mr):
            ${" ".join(f"CT_WRITEV(__local, c{i}_{j}, t + {i * br + j * vw});" for j in range(nv))}
% endfor
        }
</%def>
## to[d][query] = to[d][query] * factor + sum over keys of X[key][d] p[key][query]
<%def name="gathered_rows(rows, factor, x, x_row, source, to)">
        {
            __local ct_t *t = ${to} + d * ${br} + c0;
% for i in range(rows):
% for j in range(nv):
            ct_v c${i}_${j} = CT_READV(__local, t +
                ${i * br + j * vw})${f" * CT_READV(__local, {factor} + c0 + {j * vw})" if factor else ""};
% endfor
% endfor
            const __global ct_t *a = ${x} + (long)k0 * ${x_row} + d;
            ${multiply(rows, nv, vw, "kn", lambda i: f"a[{i}]", f"{source} + c0", br, f"a += {x_row};")}
% for i in range(rows):
            ${" ".join(f"CT_WRITEV(__local, c{i}_{j}, t + {i * br + j * vw});" for j in range(nv))}
% endfor
        }
</%def>
<%def name="gathered(factor, x, x_row, n, source, to)">
    for (int c0 = 0; c0 < ${br}; c0 += ${nv * vw}) {
        int d = 0;
        for (; d + ${mr} <= ${n}; d += ${mr}) ${gathered_rows(mr, factor, x, x_row, source, to)}
        for (; d < ${n}; d++) ${gathered_rows(1, factor, x, x_row, source, to)}
    }
</%def>
## what causality and the mask forbid becomes -inf; numbers of a mask are added
<%def name="masked(p)">
    if (causal && k0 + kn - 1 > q0)
        for (int k = max(0, q0 - k0); k < kn; k++)
            for (int q = 0; q < ${br}; q += ${vw}) {
                __local ct_t *t = ${p} + k * ${br} + q;
                const ct_m at = CT_IOTA + (ct_m)(q0 + q);
                CT_WRITEV(__local, select((ct_v)(-INFINITY), CT_READV(__local, t), at >= (ct_m)(k0 + k)), t);
            }
% if mask:
    if (m_row == 0) {
        for (int k = 0; k < kn; k++) {
            const ct_v m = (ct_v)(CT_MASK(M[(long)(k0 + k) * m_col]));
            for (int q = 0; q < ${br}; q += ${vw}) {
                __local ct_t *t = ${p} + k * ${br} + q;
                CT_WRITEV(__local, CT_READV(__local, t) + m, t);
            }
        }
    } else {
        for (int q = 0; q < rows; q++) {
            const ${mask} __global *m = M + (long)(q0 + q) * m_row + (long)k0 * m_col;
            for (int k = 0; k < kn; k++) ${p}[k * ${br} + q] += CT_MASK(m[k * m_col]);
        }
    }
% endif
</%def>
## a factor of dropout for 16 queries and four keys at a time: word k % 4 of block (k / 4) * Lq + q of the stream
<%def name="drawn()">
    for (int k = 0; k < kn; k += 4)
        for (int q = 0; q < ${br}; q += 16) {
            uint16 w[4];
            ct_words(w, block + ((ulong)z * ((Lk + 3) / 4) + (k0 + k) / 4) * Lq + q0 + q, 0, key0, key1);
% for i in range(4):
            vstore16(CT_COIN(w[${i}]), 0, drop + (k + ${i}) * ${br} + q);
% endfor
        }
</%def>
<%def name="helpers()">
<%
    wide = "long" if vt == "float64" else "int"
    t16 = "double16" if vt == "float64" else "float16"
%>
typedef ${wide}${vw} ct_m;
#define CT_IOTA (ct_m)(${", ".join(str(i) for i in range(vw))})
% if mask == "uchar":
#define CT_MASK(m) ((m) ? (ct_t)0 : (ct_t)-INFINITY)
% else:
#define CT_MASK(m) (m)
% endif
% if drop:
#define CT_COIN(w) select((${t16})(0), (${t16})(factor), \
    convert_${wide}16(convert_float16(convert_int16((w) >> 8)) * 0x1p-24f < (float16)(keep)))
% endif
// rows of x, turned into columns of br elements and multiplied; columns beyond the rows are zero
static void ct_turn(const __global ct_t *x, long x_row, int rows, int n, __local ct_t *to, ct_t factor) {
    int q = 0;
    for (; q + ${vw} <= rows; q += ${vw}, x += ${vw} * x_row) {
        int d = 0;
        for (; d + ${vw} <= n; d += ${vw}) {
% for i in range(vw):
            ct_v r${i} = CT_READV(__global, x + ${i} * x_row + d);
% endfor
            ${tile.transpose(vw)}
% for i in range(vw):
            CT_WRITEV(__local, r${i} * factor, to + (d + ${i}) * ${br} + q);
% endfor
        }
        for (; d < n; d++)
            for (int i = 0; i < ${vw}; i++) to[d * ${br} + q + i] = x[i * x_row + d] * factor;
    }
    for (; q < ${br}; q++, x += x_row)
        for (int d = 0; d < n; d++) to[d * ${br} + q] = q < rows ? x[d] * factor : (ct_t)0;
}
// the way back: columns become rows of the result
static void ct_turn_back(const __local ct_t *x, int rows, int n, __global ct_t *to, long to_row, ct_t factor) {
    int q = 0;
    for (; q + ${vw} <= rows; q += ${vw}, to += ${vw} * to_row) {
        int d = 0;
        for (; d + ${vw} <= n; d += ${vw}) {
% for i in range(vw):
            ct_v r${i} = CT_READV(__local, x + (d + ${i}) * ${br} + q);
% endfor
            ${tile.transpose(vw)}
% for i in range(vw):
            CT_WRITEV(__global, r${i} * factor, to + ${i} * to_row + d);
% endfor
        }
        for (; d < n; d++)
            for (int i = 0; i < ${vw}; i++) to[i * to_row + d] = x[d * ${br} + q + i] * factor;
    }
    for (; q < rows; q++, to += to_row)
        for (int d = 0; d < n; d++) to[d] = x[d * ${br} + q] * factor;
}
</%def>
