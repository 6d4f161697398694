<%doc>
Batch normalisation of x[outer, C, inner]: every channel over ``outer`` and ``inner``.

A channel's elements are numbered 0 … outer * inner and cut in ``parts`` of ``per_part``. A first kernel ("stats")
leaves two numbers for each part of each channel, a second ("apply") joins them in order and maps the elements, so that
a channel is spread over many work-items and the result has the same bits in every run.

name      kernel name without its prefix
stage     "stats" or "apply"
backward  stats: False: mean and sum of squared deviations;  True: sums of g and of g * (x - mean)
          apply: False: out = (x - mean) * rstd * weight + bias, mean and rstd are kept, the running ones move
                 True: gx, and the gradients of weight and bias
variant   "planes"  CPU: one work-item per stretch of (part, channel), vectors along ``inner``
          "columns" CPU, inner == 1: the same with W neighbouring channels as the lanes of a vector
          "groups"  GPU: one work-group per (part, T neighbouring channels), trees in local memory
fixed     apply: mean and variance are given (the running ones), nothing was measured; they are constants for gx
rowwise   stats, backward, "groups": mean and rstd belong to rows of ``per_row`` channels instead of channels, and the
          second sum is of g * (x - mean) * rstd; rms: there is no mean
A, M      type of the arithmetic, integer type of its size;  W: vector width
X, xtag   storage type and tag of x, g, out and gx;  P, ptag: of weight, bias and running statistics
T, G      channels per work-group, size of a work-group
flags     at run time: 1 weight, 2 bias, 4 running statistics, 8 gradient of x, 16 gradient of weight, 32 of bias
</%doc>
<%
def load(w, p, at):
    n = "" if w == 1 else str(w)
    if xtag in ("f16", "bf16"):
        return f"ct_load_{xtag}{'_' + n if n else ''}({p}, {at})"
    return f"{p}[{at}]" if w == 1 else f"vload{n}(0, {p} + {at})"
def store(w, value, at):
    n = "" if w == 1 else str(w)
    if xtag in ("f16", "bf16"):
        return f"ct_store_{xtag}{'_' + n if n else ''}({value}, out, {at});"
    return f"out[{at}] = {value};" if w == 1 else f"vstore{n}({value}, 0, out + {at});"
def param(w, p, at):
    n = "" if w == 1 else str(w)
    if ptag in ("f16", "bf16"):
        return f"ct_load_{ptag}{'_' + n if n else ''}({p}, {at})"
    return f"{p}[{at}]" if w == 1 else f"vload{n}(0, {p} + {at})"
def store_param(w, p, value, at):
    n = "" if w == 1 else str(w)
    if ptag in ("f16", "bf16"):
        return f"ct_store_{ptag}{'_' + n if n else ''}({value}, {p}, {at});"
    return f"{p}[{at}] = {value};" if w == 1 else f"vstore{n}({value}, 0, {p} + {at});"
def acc(w, p, at):
    return f"{p}[{at}]" if w == 1 else f"vload{w}(0, {p} + {at})"
def store_acc(w, p, value, at):
    return f"{p}[{at}] = {value};" if w == 1 else f"vstore{w}({value}, 0, {p} + {at});"
def vec(w):
    return A if w == 1 else f"{A}{w}"
BLOCK = 4096  # elements whose mean is taken before their deviations, while they are still near
%>
% if variant == "planes":
inline ${A} ct_add_lanes(${A}${W} v) {
    ${A} t[${W}];
    vstore${W}(v, 0, t);
    for (int s = ${W // 2}; s > 0; s /= 2)
        for (int j = 0; j < s; ++j) t[j] += t[j + s];
    return t[0];
}
#define LANES ((${M}${W})(${", ".join(map(str, range(W)))}))
% endif
% if variant == "groups":
inline ${A} ct_tree(__local ${A} *tree, ${A} v) {
    const int me = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    tree[me] = v;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int s = ${G // 2}; s >= ${T}; s /= 2) {
        if (me < s) tree[me] += tree[me + s];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    return tree[me % ${T}];
}
% endif
## the runs of consecutive elements of channel c between two numbers: a body per vector, one for the last vector, which
## overlaps the one before, and one per element
<%def name="runs(begin, end, body, tail, one)">
            for (long e = ${begin}; e < ${end};) {
                const long n = e / inner, i0 = e - n * inner;
                const long at = (n * C + c) * inner + i0;
                const long size = min(inner - i0, ${end} - e);
                e += size;
                long i = 0;
                if (size >= ${W}) {
                    for (; i + ${2 * W} <= size; i += ${2 * W}) {
${body("at + i", "0")}
${body(f"at + i + {W}", "1")}
                    }
                    for (; i + ${W} <= size; i += ${W}) {
${body("at + i", "0")}
                    }
                    if (i < size) {
${tail("at + size - %d" % W, "LANES >= (%s)(%d - (size - i))" % (M, W))}
                    }
                } else {
                    for (; i < size; ++i) {
${one("at + i")}
                    }
                }
            }
</%def>
% if stage == "stats":
<%def name="sum_body(at, k)">
                        s${k} += ${load(W, "x", at)};
</%def>
<%def name="sum_tail(at, mask)">
                        s0 += select((${A}${W})(0), ${load(W, "x", at)}, ${mask});
</%def>
<%def name="sum_one(at)">
                        sum += ${load(1, "x", at)};
</%def>
<%def name="square_body(at, k)">
                        { const ${A}${W} d = ${load(W, "x", at)} - mu; s${k} += d; q${k} += d * d; }
</%def>
<%def name="square_tail(at, mask)">
                        { const ${A}${W} d = select((${A}${W})(0), ${load(W, "x", at)} - mu, ${mask});
                          s0 += d;
                          q0 += d * d; }
</%def>
<%def name="square_one(at)">
                        { const ${A} d = ${load(1, "x", at)} - mu; sum += d; squares += d * d; }
</%def>
<%def name="product_body(at, k)">
                        { const ${A}${W} v = ${load(W, "g", at)}; s${k} += v; q${k} += v * (${load(W, "x", at)} - mu); }
</%def>
<%def name="product_tail(at, mask)">
                        { const ${A}${W} v = select((${A}${W})(0), ${load(W, "g", at)}, ${mask}); s0 += v;
                          q0 += v * (${load(W, "x", at)} - mu); }
</%def>
<%def name="product_one(at)">
                        { const ${A} v = ${load(1, "g", at)}; sum += v; squares += v * (${load(1, "x", at)} - mu); }
</%def>
<%def name="columns(w)">
            ${vec(w)} count_mean = (${vec(w)})(0), m2 = (${vec(w)})(0);
% if backward:
            const ${vec(w)} mu = ${acc(w, "mean", "c")};
% endif
            for (long b = begin; b < end; b += 128) {
                const long stop = min(end, b + 128);
% if backward:
                ${vec(w)} s = (${vec(w)})(0), q = (${vec(w)})(0);
                for (long e = b; e < stop; ++e) {
                    const ${vec(w)} v = ${load(w, "g", "e * C + c")};
                    s += v;
                    q += v * (${load(w, "x", "e * C + c")} - mu);
                }
                count_mean += s;
                m2 += q;
% else:
                ${vec(w)} s = (${vec(w)})(0), q = (${vec(w)})(0);
                for (long e = b; e < stop; ++e) s += ${load(w, "x", "e * C + c")};
                const ${A} size = stop - b, before = b - begin;
                const ${vec(w)} mu = s / size;
                s = (${vec(w)})(0);
                for (long e = b; e < stop; ++e) {
                    const ${vec(w)} d = ${load(w, "x", "e * C + c")} - mu;
                    s += d;
                    q += d * d;
                }
                const ${vec(w)} off = s / size, delta = mu + off - count_mean;
                m2 += q - s * off + delta * delta * (before * size / (before + size));
                count_mean += delta * (size / (before + size));
% endif
            }
            ${store_acc(w, "first_out", "count_mean", "part * C + c")}
            ${store_acc(w, "second_out", "m2", "part * C + c")}
</%def>
__kernel
% if variant == "groups":
__attribute__((reqd_work_group_size(${G}, 1, 1)))
% endif
void ct_${name}(
    long outer, long C, long inner, long parts, long per_part, long per_item, const __global ${X} *x, long xo
% if backward:
    , const __global ${X} *g, long g_at, const __global ${A} *mean
% if rowwise:
    , const __global ${A} *rstd, long per_row
% endif
% endif
    , __global ${A} *first_out, __global ${A} *second_out)
{
    x += xo;
% if backward:
    g += g_at;
% endif
    const long total = outer * inner;
% if variant == "groups":
    __local ${A} tree[${G}];
    const long blocks = (C + ${T - 1}) / ${T};
    const long part = get_group_id(0) / blocks;
    const int tx = get_local_id(0) % ${T}, ty = get_local_id(0) / ${T};
    const long c = min((long)(get_group_id(0) - part * blocks) * ${T} + tx, C - 1);
    const int mine = (get_group_id(0) - part * blocks) * ${T} + tx < C;
    const long begin = part * per_part, end = min(total, begin + per_part);
    ${A} sum = 0, squares = 0;
% if not backward:
    for (long e = begin + ty; e < end; e += ${G // T}) {
        const long n = e / inner;
        sum += ${load(1, "x", "(n * C + c) * inner + e - n * inner")};
    }
    const ${A} size = end - begin, mu = ct_tree(tree, sum) / size;
    sum = 0;
    for (long e = begin + ty; e < end; e += ${G // T}) {
        const long n = e / inner;
        const ${A} d = ${load(1, "x", "(n * C + c) * inner + e - n * inner")} - mu;
        sum += d;
        squares += d * d;
    }
    sum = ct_tree(tree, sum);
    squares = ct_tree(tree, squares);
    if (ty == 0 && mine) {
        first_out[part * C + c] = mu + sum / size;
        second_out[part * C + c] = squares - sum * sum / size;
    }
% else:
% if not rowwise:
    const ${A} mu = mean[c];
% endif
    for (long e = begin + ty; e < end; e += ${G // T}) {
        const long n = e / inner, at = (n * C + c) * inner + e - n * inner;
        const ${A} v = ${load(1, "g", "at")};
        sum += v;
% if rowwise:
        const long row = (n * C + c) / per_row;
        squares += v * ${load(1, "x", "at") if rms else f"({load(1, 'x', 'at')} - mean[row])"} * rstd[row];
% else:
        squares += v * (${load(1, "x", "at")} - mu);
% endif
    }
    sum = ct_tree(tree, sum);
    squares = ct_tree(tree, squares);
    if (ty == 0 && mine) {
        first_out[part * C + c] = sum;
        second_out[part * C + c] = squares;
    }
% endif
% else:
% if variant == "columns":
    const long blocks = (C + ${W - 1}) / ${W};
% else:
    const long blocks = C;
% endif
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(parts * blocks, first + per_item);
    for (long u = first; u < last; ++u) {
        const long part = u / blocks;
        const long begin = part * per_part, end = min(total, begin + per_part);
% if variant == "columns":
        const long block = (u - part * blocks) * ${W};
        if (block + ${W} <= C) {
            const long c = block;
${columns(W)}
        } else {
            for (long c = block; c < C; ++c) {
${columns(1)}
            }
        }
% else:
        const long c = u - part * blocks;
% if backward:
        const ${A} mu = mean[c];
        ${A} total_sum = 0, total_squares = 0;
        const long step = inner < ${4 * BLOCK} ? ${4 * BLOCK} / inner * inner : ${4 * BLOCK};
        for (long b = begin; b < end; b += step) {
            const long stop = min(end, b + step);
            ${A}${W} s0 = (${A}${W})(0), s1 = s0, q0 = s0, q1 = s0;
            ${A} sum = 0, squares = 0;
${runs("b", "stop", product_body, product_tail, product_one)}
            total_sum += sum + ct_add_lanes(s0 + s1);
            total_squares += squares + ct_add_lanes(q0 + q1);
        }
        first_out[u] = total_sum;
        second_out[u] = total_squares;
% else:
        ${A} whole = 0, m2 = 0;
        // blocks end where runs do, if runs are short
        const long step = inner < ${BLOCK} ? ${BLOCK} / inner * inner : ${BLOCK};
        for (long b = begin; b < end; b += step) {
            const long stop = min(end, b + step);
            const ${A} size = stop - b, before = b - begin;
            ${A}${W} s0 = (${A}${W})(0), s1 = s0, q0 = s0, q1 = s0;
            ${A} sum = 0, squares = 0;
${runs("b", "stop", sum_body, sum_tail, sum_one)}
            const ${A} mu = (sum + ct_add_lanes(s0 + s1)) / size;
            s0 = (${A}${W})(0);
            s1 = s0;
            sum = 0;
${runs("b", "stop", square_body, square_tail, square_one)}
            // the mean is itself rounded: what is left over corrects it and the squares
            sum += ct_add_lanes(s0 + s1);
            squares += ct_add_lanes(q0 + q1);
            const ${A} off = sum / size, delta = mu + off - whole;
            m2 += squares - sum * off + delta * delta * (before * size / (before + size));
            whole += delta * (size / (before + size));
        }
        first_out[u] = whole;
        second_out[u] = m2;
% endif
% endif
    }
% endif
}
% else:
## what a channel (or w of them) needs, joined from the parts; who = true for the one who writes what is kept
<%def name="join(w, who)">
<% v = vec(w) %>
            const ${v} weight_c = flags & 1 ? ${param(w, "weight", "c")} : (${v})(1);
% if not backward:
            ${v} mu = (${v})(0), scale;
            const ${v} shift = flags & 2 ? ${param(w, "bias", "c")} : (${v})(0);
% if fixed:
            mu = ${param(w, "running_mean", "c")};
            scale = (${A})1 / sqrt(${param(w, "running_var", "c")} + eps);
            if (${who}) {
                ${store_acc(w, "mean", "mu", "c")}
                ${store_acc(w, "rstd", "scale", "c")}
            }
% else:
            {
                ${v} m2 = (${v})(0);
                ${A} before = 0;
                for (long p = 0; p < parts; ++p) {
                    const ${A} size = min(total, (p + 1) * per_part) - p * per_part;
                    const ${v} delta = ${acc(w, "first_in", "p * C + c")} - mu;
                    m2 += ${acc(w, "second_in", "p * C + c")} + delta * delta * (before * size / (before + size));
                    before += size;
                    mu += delta * (size / before);
                }
                scale = (${A})1 / sqrt(m2 / (${A})total + eps);
                if (${who}) {
                    ${store_acc(w, "mean", "mu", "c")}
                    ${store_acc(w, "rstd", "scale", "c")}
                    if (flags & 4) {
                        const ${v} var = m2 / (${A})(total - 1);
<%
old_mean, old_var = param(w, "running_mean", "c"), param(w, "running_var", "c")
%>
                        ${store_param(w, "running_mean", f"mu * momentum + {old_mean} * (1 - momentum)", "c")}
                        ${store_param(w, "running_var", f"var * momentum + {old_var} * (1 - momentum)", "c")}
                    }
                }
            }
% endif
            scale *= weight_c;
% else:
            const ${v} mu = ${acc(w, "mean", "c")}, r = ${acc(w, "rstd", "c")};
            ${v} sum = (${v})(0), products = (${v})(0);
            for (long p = 0; p < parts; ++p) {
                sum += ${acc(w, "first_in", "p * C + c")};
                products += ${acc(w, "second_in", "p * C + c")};
            }
            if (${who}) {
                if (flags & 16) { ${store_param(w, "gw", "products * r", "c")} }
                if (flags & 32) { ${store_param(w, "gb", "sum", "c")} }
            }
            const ${v} scale = weight_c * r;
% if not fixed:
            const ${v} shift = sum / (${A})total, slope = r * r * products / (${A})total;
% endif
% endif
</%def>
<%def name="value(w, at)">\
<%
if not backward:
    r = f"({load(w, 'x', at)} - mu) * scale + shift"
elif fixed:
    r = f"{load(w, 'g', at)} * scale"
else:
    r = f"({load(w, 'g', at)} - shift - ({load(w, 'x', at)} - mu) * slope) * scale"
%>\
${store(w, r, at)}\
</%def>
__kernel
% if variant == "groups":
__attribute__((reqd_work_group_size(${G}, 1, 1)))
% endif
void ct_${name}(
    long outer, long C, long inner, long parts, long per_part, long per_item, int flags, ${A} eps,
    const __global ${X} *x, long xo
% if not backward:
    , ${A} momentum, const __global ${A} *first_in, const __global ${A} *second_in,
    const __global ${P} *weight, long wo, const __global ${P} *bias, long bo,
    __global ${P} *running_mean, long mo, __global ${P} *running_var, long vo,
    __global ${A} *mean, __global ${A} *rstd, __global ${X} *out
% else:
    , const __global ${X} *g, long g_at, const __global ${A} *first_in, const __global ${A} *second_in,
    const __global ${P} *weight, long wo, const __global ${A} *mean, const __global ${A} *rstd,
    __global ${X} *out, __global ${P} *gw, __global ${P} *gb
% endif
)
{
    x += xo;
    weight += wo;
% if not backward:
    bias += bo;
    running_mean += mo;
    running_var += vo;
% else:
    g += g_at;
% endif
    const long total = outer * inner;
% if variant == "groups":
    const long blocks = (C + ${T - 1}) / ${T};
    const long part = get_group_id(0) / blocks;
    const int tx = get_local_id(0) % ${T}, ty = get_local_id(0) / ${T};
    const long c = (long)(get_group_id(0) - part * blocks) * ${T} + tx;
    const long begin = part * per_part, end = min(total, begin + per_part);
    if (c < C) {
${join(1, "part == 0 && ty == 0")}
% if backward:
        if (flags & 8)
% endif
        for (long e = begin + ty; e < end; e += ${G // T}) {
            const long n = e / inner, at = (n * C + c) * inner + e - n * inner;
            ${value(1, "at")}
        }
    }
% else:
% if variant == "columns":
    const long blocks = (C + ${W - 1}) / ${W};
% else:
    const long blocks = C;
% endif
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(parts * blocks, first + per_item);
    for (long u = first; u < last; ++u) {
        const long part = u / blocks;
        const long begin = part * per_part, end = min(total, begin + per_part);
% if variant == "columns":
        const long block = (u - part * blocks) * ${W};
        if (block + ${W} <= C) {
            const long c = block;
${join(W, "part == 0")}
% if backward:
            if (flags & 8)
% endif
            for (long e = begin; e < end; ++e) { ${value(W, "e * C + c")} }
        } else {
            for (long c = block; c < C; ++c) {
${join(1, "part == 0")}
% if backward:
                if (flags & 8)
% endif
                for (long e = begin; e < end; ++e) { ${value(1, "e * C + c")} }
            }
        }
% else:
        const long c = u - part * blocks;
${join(1, "part == 0")}
% if backward:
        if (!(flags & 8)) continue;
% endif
<%def name="map_body(at, k)">
                        ${value(W, at)}
</%def>
<%def name="map_tail(at, mask)">
                        ${value(W, at)}
</%def>
<%def name="map_one(at)">
                        ${value(1, at)}
</%def>
${runs("begin", "end", map_body, map_tail, map_one)}
% endif
    }
% endif
}
% endif
