<%doc>
One step of a recurrent layer after its matrix products: gates, states and what the derivative needs; and the
derivative of that step. Rows are sequences of the batch, `units` numbers each; packed arrays hold a row per sequence
and step, of which this step's begin at `at`.

mode       "lstm", "gru", "tanh", "relu";  "project": the state of an LSTM whose output is projected
projected  all steps at once are of an LSTM whose output is projected to `width` numbers
backward   False: the step.  True: from the gradients of its results those of the products
W, A       vector width (1 on GPUs, where a work-item takes one number; else it takes rows by vectors), type of numbers
mr, nv     rows of the register tile of all steps at once and vectors in each; GPUs have no such tile
ahead      rows of the packed weight that it asks for ahead
</%doc>
<%
gates = {"lstm": 4, "gru": 4}.get(mode, 1)
%>
<%namespace name="tile" file="gemm_tile.cl"/>
% if W > 1:
${tile.types("float32" if A == "float" else "float64", "float32" if A == "float" else "float64", W)}
% endif
% for w in sorted({1, W}):
<% V = A if w == 1 else f"{A}{w}" %>\
static inline ${V} ct_logistic_${w}(${V} x) { return (${V})(1) / ((${V})(1) + exp(-x)); }
% if A == "float":
// a series near 0, where the exponential would cancel
static inline ${V} ct_tanh_${w}(${V} x) {
    const ${V} s = x * x, e = exp((${V})(2) * x);
    const ${V} near = x * ((${V})(1) + s * ((${V})(-1.0f / 3) + s * ((${V})(2.0f / 15) + s * ((${V})(-17.0f / 315) +
        s * (${V})(62.0f / 2835)))));
    return s < (${V})(0.04f) ? near : (${V})(1) - (${V})(2) / (e + (${V})(1));
}
% else:
static inline ${V} ct_tanh_${w}(${V} x) { return tanh(x); }
% endif
% endfor
<%
def get(p, at, w):
    return f"{p}[{at}]" if w == 1 else f"vload{w}(0, {p} + {at})"
def put(value, p, at, w):
    return f"{p}[{at}] = {value};" if w == 1 else f"vstore{w}({value}, 0, {p} + {at});"
%>
## the numbers u … u + w - 1 of row r; i is their place in a state, n in a packed array of one number per unit
<%def name="forward(w, mode)">
<% V = A if w == 1 else f"{A}{w}" %>
                const long i = r * units + u, n = (at + r) * units + u;
% if mode == "lstm":
                const long g = r * 4 * units + u, k = (at + r) * 4 * units + u;
                const ${V} gi = ct_logistic_${w}(${get("pre", "g", w)}), gf =
                    ct_logistic_${w}(${get("pre", "g + units", w)});
                const ${V} gg = ct_tanh_${w}(${get("pre", "g + 2 * units", w)}), go =
                    ct_logistic_${w}(${get("pre", "g + 3 * units", w)});
                const ${V} before = ${get("c", "i", w)}, now = gf * before + gi * gg, y = go * ct_tanh_${w}(now);
                ${put("now", "c", "i", w)}
                if (keep) {
                    ${put("gi", "kept", "k", w)} ${put("gf", "kept", "k + units", w)}
                    ${put("gg", "kept", "k + 2 * units", w)} ${put("go", "kept", "k + 3 * units", w)}
                    ${put("before", "c_before", "n", w)}
                }
% elif mode == "gru":
                const long g = r * 3 * units + u, x = (at + r) * 3 * units + u, k = (at + r) * 4 * units + u;
                const ${V} gr = ct_logistic_${w}(${get("gx", "x", w)} + ${get("pre", "g", w)});
                const ${V} gz = ct_logistic_${w}(${get("gx", "x + units", w)} + ${get("pre", "g + units", w)});
                const ${V} hn = ${get("pre", "g + 2 * units", w)}, gn = ct_tanh_${w}(${get("gx", "x + 2 * units", w)}
                    + gr * hn);
                const ${V} y = gn + gz * (${get("h", "i", w)} - gn);
                if (keep) {
                    ${put("gr", "kept", "k", w)} ${put("gz", "kept", "k + units", w)}
                    ${put("gn", "kept", "k + 2 * units", w)} ${put("hn", "kept", "k + 3 * units", w)}
                }
% elif mode == "tanh":
                const ${V} y = ct_tanh_${w}(${get("pre", "i", w)});
% elif mode == "relu":
                const ${V} v = ${get("pre", "i", w)}, y = v < (${V})(0) ? (${V})(0) : v;
% else:
                const ${V} y = ${get("pre", "i", w)};
% endif
                if (state) {
                    if (keep) {
                        const ${V} old = ${get("h", "i", w)};
                        ${put("old", "h_before", "n", w)}
                    }
                    ${put("y", "h", "i", w)}
                }
                ${put("y", "out", "n", w)}
</%def>
<%def name="derivative(w, mode)">
<% V = A if w == 1 else f"{A}{w}" %>
                const long i = r * units + u, n = (at + r) * units + u;
                if (r >= rows) {
                    // the sequence has no earlier step: its state's gradient is that of the first state
                    const ${V} done = ${get("from_next", "i", w)};
                    ${put("done", "first", "i", w)}
                    continue;
                }
                ${V} d = r < next ? ${get("from_next", "i", w)} : ${get("last", "i", w)};
                if (given) d += ${get("dout", "n", w)};
% if mode == "lstm":
                const long k = (at + r) * 4 * units + u;
                const ${V} gi = ${get("kept", "k", w)}, gf = ${get("kept", "k + units", w)};
                const ${V} gg = ${get("kept", "k + 2 * units", w)}, go = ${get("kept", "k + 3 * units", w)};
                const ${V} before = ${get("c_before", "n", w)}, y = ct_tanh_${w}(gf * before + gi * gg), one =
                    (${V})(1);
                const ${V} dc = ${get("c", "i", w)} + d * go * (one - y * y);
                const ${V} di = dc * gg * gi * (one - gi), df = dc * before * gf * (one - gf);
                const ${V} dg = dc * gi * (one - gg * gg), d_o = d * y * go * (one - go), dn = dc * gf;
                ${put("di", "dpre", "k", w)} ${put("df", "dpre", "k + units", w)}
                ${put("dg", "dpre", "k + 2 * units", w)} ${put("d_o", "dpre", "k + 3 * units", w)}
                ${put("dn", "c", "i", w)}
% elif mode == "gru":
                const long k = (at + r) * 4 * units + u, g = (at + r) * 3 * units + u;
                const ${V} gr = ${get("kept", "k", w)}, gz = ${get("kept", "k + units", w)}, one = (${V})(1);
                const ${V} gn = ${get("kept", "k + 2 * units", w)}, hn = ${get("kept", "k + 3 * units", w)};
                const ${V} dn = d * (one - gz) * (one - gn * gn), dz = d * (${get("h_before", "n", w)} - gn) * gz *
                    (one - gz);
                const ${V} dr = dn * hn * gr * (one - gr), dh = dn * gr, through = d * gz;
                ${put("dr", "dpre", "g", w)} ${put("dz", "dpre", "g + units", w)}
                    ${put("dn", "dpre", "g + 2 * units", w)}
                ${put("dr", "dhidden", "g", w)} ${put("dz", "dhidden", "g + units", w)}
                    ${put("dh", "dhidden", "g + 2 * units", w)}
                ${put("through", "direct", "i", w)}
% elif mode == "tanh":
                const ${V} y = ${get("out", "n", w)}, dx = d * ((${V})(1) - y * y);
                ${put("dx", "dpre", "n", w)}
% elif mode == "relu":
                const ${V} y = ${get("out", "n", w)}, dx = y > (${V})(0) ? d : (${V})(0);
                ${put("dx", "dpre", "n", w)}
% else:
                ${put("d", "dpre", "n", w)}
% endif
</%def>
## the rows from … to - 1, by vectors
<%def name="each_row(mode)">
<% body = derivative if backward else forward %>
    const int whole = units / ${W} * ${W};
    for (long r = from; r < to; r++) {
        for (long u = 0; u < whole; u += ${W}) {
            ${body(W, mode)}
        }
        for (long u = whole; u < units; u++) {
            ${body(1, mode)}
        }
    }
</%def>
__kernel void ct_recurrent(
% if backward:
    const __global ${A} *dout, long dout_off, const __global ${A} *from_next, const __global ${A} *last, __global
        ${A} *first,
    __global ${A} *dpre, int given, int next
% if mode == "lstm":
    , const __global ${A} *kept, const __global ${A} *c_before, __global ${A} *c
% elif mode == "gru":
    , const __global ${A} *kept, const __global ${A} *h_before, __global ${A} *dhidden, __global ${A} *direct
% elif mode != "project":
    , const __global ${A} *out
% endif
% else:
    const __global ${A} *pre, __global ${A} *h, __global ${A} *h_before, __global ${A} *out, int keep, int state
% if mode == "lstm":
    , __global ${A} *c, __global ${A} *kept, __global ${A} *c_before
% elif mode == "gru":
    , const __global ${A} *gx, __global ${A} *kept
% endif
% endif
    , int rows, int units, long at, int chunk) {
% if backward:
    dout += dout_off;
    const int lines = max(rows, next);
% else:
    const int lines = rows;
% endif
% if W == 1:
    const long place = get_global_id(0);
    if (place >= (long)lines * units) return;
    const long r = place / units, u = place % units;
    do {
        ${derivative(1, mode) if backward else forward(1, mode)}
    } while (0);
% else:
    const int from = get_global_id(0) * chunk, to = min(lines, from + chunk);
    ${each_row(mode)}
% endif
}
% if W > 1 and mode != "project":
<%
count = {"lstm": 4, "gru": 3}.get(mode, 1)
nr = nv * W
%>
// ---- all steps at once: a work-item owns some sequences of the batch, which depend on no others
// a matrix B[k][n] = w[k * k_step + n * n_step] as panels of columns, zeros beyond its end
__kernel void ct_recurrent_pack(const __global ${A} *w, long w_off, __global ${A} *packed, int K, int N, long k_step,
    long n_step) {
    const int n0 = get_global_id(0) * ${nr};
    __global ${A} *to = packed + (long)n0 * K;
    w += w_off;
    for (int k = 0; k < K; k++)
        for (int j = 0; j < ${nr}; j++) to[k * ${nr} + j] = n0 + j < N ? w[k * k_step + (n0 + j) * n_step] : 0;
}
// out = x B + add, for the rows of x
static void ct_rows_times(const __global ${A} *x, long x_row, int rows, int K, const __global ${A} *packed, int N,
                          const __global ${A} *add, long add_row, int added, __global ${A} *out, long out_row) {
    for (int n0 = 0; n0 < N; n0 += ${nr}, packed += (long)K * ${nr})
        for (int r = 0; r < rows; r += ${mr}) {
% for i in range(mr):
            const __global ${A} *a${i} = x + min(r + ${i}, rows - 1) * x_row;
% endfor
            ${tile.zero(mr, nv)}
            const __global ${A} *b = packed;
            for (int k = 0; k < K; k++, b += ${nr}) {
                ${tile.step(mr, nv, W, lambda i: f"a{i}[k]", "b", ahead * nr, "__global")}
            }
            if (r + ${mr} <= rows && n0 + ${nr} <= N) {
                const __global ${A} *p = add + r * add_row + n0;
                __global ${A} *o = out + r * out_row + n0;
% for i in range(mr):
% for j in range(nv):
                if (added) c${i}_${j} += CT_READV(__global, p + ${i} * add_row + ${j * W});
                CT_WRITEV(__global, c${i}_${j}, o + ${i} * out_row + ${j * W});
% endfor
% endfor
            } else {
                ${A} t[${mr * nr}];
                ${tile.spill(mr, nv, W, nr, "t")}
                for (int i = 0; i < min(${mr}, rows - r); i++)
                    for (int j = 0; j < min(${nr}, N - n0); j++)
                        out[(r + i) * out_row + n0 + j] = t[i * ${nr} + j] + (added ? add[(r + i) * add_row + n0 + j]
                            : 0);
            }
        }
}
__kernel CT_ONE_ITEM void ct_recurrent_all(
% if backward:
    const __global ${A} *dout, long dout_off, __global ${A} *from_next, const __global ${A} *last, __global ${A} *first,
    __global ${A} *dpre, int given
% if mode == "lstm":
    , const __global ${A} *kept, const __global ${A} *c_before, __global ${A} *c
% elif mode == "gru":
    , const __global ${A} *kept, const __global ${A} *h_before, __global ${A} *dhidden, __global ${A} *direct
% else:
    , const __global ${A} *out
% endif
% else:
    __global ${A} *pre, __global ${A} *h, __global ${A} *h_before, __global ${A} *out, int keep, int state
% if mode == "lstm":
    , __global ${A} *c, __global ${A} *kept, __global ${A} *c_before
% elif mode == "gru":
    , const __global ${A} *gx, __global ${A} *kept
% endif
    , const __global ${A} *add, long add_off, int added
% endif
% if projected:
    , __global ${A} *${"dprojected" if backward else "hidden"}, __global ${A} *through, const __global ${A} *projection
% endif
    , const __global ${A} *packed, const __global int *order, int steps, int units, int width, int chunk) {
    const int from = get_global_id(0) * chunk;
% if backward:
    dout += dout_off;
    int next = 0;
% else:
    add += add_off;
% endif
    for (int s = 0; s < steps; s++) {
        const long at = order[2 * s];
        const int rows = order[2 * s + 1], own = min(rows, from + chunk) - from;
% if not backward:
        if (own > 0)
            ct_rows_times(h + (long)from * width, width, own, width, packed, ${count} * units,
% if mode == "gru":
                          add, 0, added,
% else:
                          add + (at + from) * ${count} * units, ${count} * units, 1,
% endif
                          pre + (long)from * ${count} * units, ${count} * units);
        const int to = from + own;
% if projected:
        {
            __global ${A} *out = hidden;
            const int state = 0;
            ${each_row(mode)}
        }
        if (own > 0)
            ct_rows_times(hidden + (at + from) * units, units, own, units, projection, width, hidden, 0, 0,
                          through + (long)from * width, width);
        {
            const __global ${A} *pre = through;
            const int units = width;
            ${each_row("project")}
        }
% else:
        ${each_row(mode)}
% endif
% else:
% if projected:
        {
            __global ${A} *dpre = dprojected;
            const int units = width, to = min(max(rows, next), from + chunk);
            ${each_row("project")}
        }
        if (own > 0)
            ct_rows_times(dprojected + (at + from) * width, width, own, width, projection, units, dpre, 0, 0,
                          through + (long)from * units, units);
        {
            const __global ${A} *from_next = through, *last = through;
            const int given = 0, next = rows, to = from + own;
            ${each_row(mode)}
        }
% else:
        const int to = min(max(rows, next), from + chunk);
        ${each_row(mode)}
% endif
        if (own > 0)
            ct_rows_times(${"dhidden" if mode == "gru" else "dpre"} + (at + from) * ${count} * units, ${count} *
                units, own, ${count} * units, packed, width,
                          ${"direct + (long)from * units, units, 1" if mode == "gru" else "dpre, 0, 0"},
                          from_next + (long)from * width, width);
        next = rows;
% endif
    }
}
% endif
