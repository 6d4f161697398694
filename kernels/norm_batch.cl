<%doc>
Batch normalisation of x[outer, C, inner]: every channel over ``outer`` and ``inner``.

A channel's elements are numbered 0 … outer * inner and cut in ``parts`` of ``per_part``. A first kernel ("stats")
leaves two numbers for each part of each channel, a second ("apply") joins them in order and maps the elements, so that
a channel is spread over many work-items and the result has the same bits in every run. Where channels need not be cut,
a CPU device does both in one kernel ("fused"), while the channel is still in its cache. Instead of "apply", "spread"
writes the channels' variances, or with ``root`` their roots.

name      kernel name without its prefix
stage     "stats", "apply", "fused" or "spread"
backward  stats: False: mean and sum of squared deviations (means as distances from the channel's first element, so that
                 little is lost where they are large);  True: sums of g and of g * (x - mean)
          apply: False: out = (x - mean) * rstd * weight + bias, mean and rstd are kept, the running ones move
                 True: gx, and the gradients of weight and bias
variant   "planes"  CPU: one work-item per stretch of (part, channel), vectors along ``inner``
          "columns" CPU, inner == 1: the same with blocks of 4 * W neighbouring channels as the lanes of vectors
          "groups"  GPU: one work-group per (part, T neighbouring channels), trees in local memory
fixed     apply: mean and variance are given (the running ones), nothing was measured; they are constants for gx
rowwise   stats, backward, "groups": mean and rstd belong to rows of ``per_row`` channels instead of channels, and the
          second sum is of g * (x - mean) * rstd; rms: there is no mean
A, M      type of the arithmetic, integer type of its size;  W: vector width
X, xtag   storage type and tag of x, g, out and gx;  P, ptag: of weight, bias and running statistics
T, G      channels per work-group, size of a work-group
flags     at run time: 1 weight, 2 bias, 4 running statistics, 8 gradient of x, 16 gradient of weight, 32 of bias
</%doc>
<%namespace name="memory" file="memory.cl"/>
<%
def load(w, p, at): return memory.module.load(p, at, xtag, X, w=w)
def store(w, value, at): return memory.module.store("out", at, value, xtag, X, w=w)
def param(w, p, at): return memory.module.load(p, at, ptag, P, w=w)
def store_param(w, p, value, at): return memory.module.store(p, at, value, ptag, P, w=w)
def acc(w, p, at): return memory.module.load(p, at, "", A, w=w)
def store_acc(w, p, value, at): return memory.module.store(p, at, value, "", A, w=w)
def vec(w):
    return A if w == 1 else f"{A}{w}"
def positive(w, v):
    return f"({v} < 0 ? 0 : {v})" if w == 1 else f"select({v}, ({A}{w})(0), {v} < 0)"
BLOCK = 4096  # elements whose mean is taken before their deviations, while they are still near
%>
% if variant == "planes":
static inline ${A} ct_add_lanes(${A}${W} v) {
<% w = W %>
% while w > 2:
    const ${A}${w // 2} v${w // 2} = ${"v" if w == W else f"v{w}"}.lo + ${"v" if w == W else f"v{w}"}.hi;
<% w //= 2 %>
% endwhile
    return v2.lo + v2.hi;
}
#define LANES ((${M}${W})(${", ".join(map(str, range(W)))}))
% endif
% if variant == "groups":
static inline ${A} ct_tree(__local ${A} *tree, ${A} v) {
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
## sums of the unit (part, channels from c on), K vectors of w channels each, left in first_out and second_out
<%def name="measure_columns(w, K)">
% for k in range(K):
            ${vec(w)} whole${k} = (${vec(w)})(0), m2_${k} = (${vec(w)})(0);
% if backward:
            const ${vec(w)} mu${k} = ${acc(w, "mean", f"c + {k * w}")};
% else:
            const ${vec(w)} zero${k} = ${load(w, "x", f"c + {k * w}")};
% endif
% endfor
            for (long b = begin; b < end; b += 64) {
                const long stop = min(end, b + 64);
% for k in range(K):
                ${vec(w)} s${k} = (${vec(w)})(0), q${k} = (${vec(w)})(0);
% endfor
% if backward:
                for (long e = b; e < stop; ++e) {
% for k in range(K):
                    { const ${vec(w)} v = ${load(w, "g", f"e * C + c + {k * w}")};
                      s${k} += v;
                      q${k} += v * (${load(w, "x", f"e * C + c + {k * w}")} - mu${k}); }
% endfor
                }
% for k in range(K):
                whole${k} += s${k};
                m2_${k} += q${k};
% endfor
% else:
                const ${A} size = stop - b, before = b - begin;
                // deviations from the first row, and once more from the mean where that stood far out of the block
% for k in range(K):
                ${vec(w)} mu${k} = ${load(w, "x", f"b * C + c + {k * w}")};
% endfor
                for (int again = 0; again < 2; ++again) {
% for k in range(K):
                    s${k} = (${vec(w)})(0);
                    q${k} = s${k};
% endfor
                    for (long e = b; e < stop; ++e) {
% for k in range(K):
                        { const ${vec(w)} d = ${load(w, "x", f"e * C + c + {k * w}")} - mu${k};
                          s${k} += d;
                          q${k} += d * d; }
% endfor
                    }
                    int near = 1;
% for k in range(K):
                    { const ${vec(w)} off = s${k} / size;
                      q${k} -= s${k} * off;
                      near &= ${"all" if w > 1 else ""}(s${k} * off <= 8 * q${k}); }
% endfor
                    if (near || again) break;
% for k in range(K):
                    mu${k} += s${k} / size;
% endfor
                }
% for k in range(K):
                { const ${vec(w)} delta = mu${k} - zero${k} + s${k} / size - whole${k};
                  m2_${k} += ${positive(w, f"q{k}")} + delta * delta * (before * size / (before + size));
                  whole${k} += delta * (size / (before + size)); }
% endfor
% endif
            }
% for k in range(K):
            ${store_acc(w, "first_out", f"whole{k}", f"part * C + c + {k * w}")}
            ${store_acc(w, "second_out", f"m2_{k}", f"part * C + c + {k * w}")}
% endfor
</%def>
<%def name="measure_planes()">
% if backward:
            const ${A} mu = mean[c];
            ${A} whole = 0, m2 = 0;
            const long step = inner < ${4 * BLOCK} ? ${4 * BLOCK} / inner * inner : ${4 * BLOCK};
            for (long b = begin; b < end; b += step) {
                const long stop = min(end, b + step);
                ${A}${W} s0 = (${A}${W})(0), s1 = s0, q0 = s0, q1 = s0;
                ${A} sum = 0, squares = 0;
${runs("b", "stop", product_body, product_tail, product_one)}
                whole += sum + ct_add_lanes(s0 + s1);
                m2 += squares + ct_add_lanes(q0 + q1);
            }
% else:
            const ${A} zero = ${load(1, "x", "c * inner")};
            ${A} whole = 0, m2 = 0;
            // blocks end where runs do, if runs are short
            const long step = inner < ${BLOCK} ? ${BLOCK} / inner * inner : ${BLOCK};
            for (long b = begin; b < end; b += step) {
                const long stop = min(end, b + step);
                const ${A} size = stop - b, before = b - begin;
                // deviations from the first element, which is near enough to the mean unless it stands far out of the
                // block: the second time they are from the mean itself
                ${A} mu = ${load(1, "x", "(b / inner * C + c) * inner + b % inner")};
                ${A} sum, squares;
                for (int again = 0; again < 2; ++again) {
                    ${A}${W} s0 = (${A}${W})(0), s1 = s0, q0 = s0, q1 = s0;
                    sum = 0;
                    squares = 0;
${runs("b", "stop", square_body, square_tail, square_one)}
                    sum += ct_add_lanes(s0 + s1);
                    squares += ct_add_lanes(q0 + q1);
                    const ${A} off = sum / size;
                    squares -= sum * off;
                    if (sum * off <= 8 * squares || again) break;
                    mu += off;
                }
                const ${A} delta = mu - zero + sum / size - whole;
                m2 += ${positive(1, "squares")} + delta * delta * (before * size / (before + size));
                whole += delta * (size / (before + size));
            }
% endif
            first_out[part * C + c] = whole;
            second_out[part * C + c] = m2;
</%def>
## elements of a part, dealt out to the threads of a group: steps without a division
<%def name="walk()">\
    for (long e = begin + ty, n = e / inner, i = e - n * inner; e < end; e += ${G // T}, n += step_n, i += step_i) {
        if (i >= inner) {
            i -= inner;
            ++n;
        }\
</%def>
<%def name="measure_group()">
    __local ${A} tree[${G}];
    const int mine = c < C;
    const long at_c = min(c, C - 1);
    ${A} sum = 0, squares = 0;
% if not backward:
${walk()}
        sum += ${load(1, "x", "(n * C + at_c) * inner + i")};
    }
    const ${A} size = end - begin, mu = ct_tree(tree, sum) / size;
    sum = 0;
${walk()}
        const ${A} d = ${load(1, "x", "(n * C + at_c) * inner + i")} - mu;
        sum += d;
        squares += d * d;
    }
    sum = ct_tree(tree, sum);
    squares = ct_tree(tree, squares);
    if (ty == 0 && mine) {
        first_out[part * C + c] = mu - ${load(1, "x", "c * inner")} + sum / size;
        second_out[part * C + c] = squares - sum * sum / size;
    }
% else:
% if not rowwise:
    const ${A} mu = mean[at_c];
% endif
${walk()}
        const long at = (n * C + at_c) * inner + i;
        const ${A} v = ${load(1, "g", "at")};
        sum += v;
% if rowwise:
        const long row = (n * C + at_c) / per_row;
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
</%def>
## the mean (as a distance from the first element) and the sum m2 of squared deviations of w channels, from their parts
<%def name="join_parts(w, c, mu)">
                ${A} before = 0;
                for (long p = 0; p < parts; ++p) {
                    const ${A} size = min(total, (p + 1) * per_part) - p * per_part;
                    const ${vec(w)} delta = ${acc(w, "first_out", f"p * C + {c}")} - ${mu};
                    m2 += ${acc(w, "second_out", f"p * C + {c}")} + delta * delta * (before * size / (before + size));
                    before += size;
                    ${mu} += delta * (size / before);
                }
</%def>
## what w channels from c + off on need, joined from the parts; k makes the names, and who is true for the one that
## writes what is kept
<%def name="join(w, who, k='', off=0)">
<%
v = vec(w)
c = f"c + {off}" if off else "c"
%>
            const ${v} factor${k} = flags & 1 ? ${param(w, "weight", c)} : (${v})(1);
% if not backward:
            ${v} mu${k} = (${v})(0), scale${k};
            const ${v} shift${k} = flags & 2 ? ${param(w, "bias", c)} : (${v})(0);
% if fixed:
            mu${k} = ${param(w, "running_mean", c)};
            scale${k} = (${A})1 / sqrt(${param(w, "running_var", c)} + eps);
            if (${who}) {
                ${store_acc(w, "mean", f"mu{k}", c)}
                ${store_acc(w, "rstd", f"scale{k}", c)}
            }
% else:
            {
                ${v} m2 = (${v})(0);
${join_parts(w, c, f"mu{k}")}
                mu${k} += ${load(w, "x", c if variant == "columns" else "c * inner")};
                scale${k} = (${A})1 / sqrt(m2 / (${A})total + eps);
                if (${who}) {
                    ${store_acc(w, "mean", f"mu{k}", c)}
                    ${store_acc(w, "rstd", f"scale{k}", c)}
                    if (flags & 4) {
                        const ${v} var = m2 / (${A})(total - 1);
<%
old_mean, old_var = param(w, "running_mean", c), param(w, "running_var", c)
%>
                        ${store_param(w, "running_mean", f"mu{k} * momentum + {old_mean} * (1 - momentum)", c)}
                        ${store_param(w, "running_var", f"var * momentum + {old_var} * (1 - momentum)", c)}
                    }
                }
            }
% endif
            scale${k} *= factor${k};
% else:
            const ${v} mu${k} = ${acc(w, "mean", c)}, r${k} = ${acc(w, "rstd", c)};
            ${v} sum${k} = (${v})(0), products${k} = (${v})(0);
            for (long p = 0; p < parts; ++p) {
                sum${k} += ${acc(w, "first_out", f"p * C + {c}")};
                products${k} += ${acc(w, "second_out", f"p * C + {c}")};
            }
            if (${who}) {
                if (flags & 16) { ${store_param(w, "gw", f"products{k} * r{k}", c)} }
                if (flags & 32) { ${store_param(w, "gb", f"sum{k}", c)} }
            }
            const ${v} scale${k} = factor${k} * r${k};
% if not fixed:
            const ${v} shift${k} = sum${k} / (${A})total, slope${k} = r${k} * r${k} * products${k} / (${A})total;
% endif
% endif
</%def>
<%def name="value(w, at, k='')">\
<%
if not backward:
    r = f"({load(w, 'x', at)} - mu{k}) * scale{k} + shift{k}"
elif fixed:
    r = f"{load(w, 'g', at)} * scale{k}"
else:
    r = f"({load(w, 'g', at)} - shift{k} - ({load(w, 'x', at)} - mu{k}) * slope{k}) * scale{k}"
%>\
${store(w, r, at)}\
</%def>
<%def name="map_body(at, k)">
                        ${value(W, at)}
</%def>
<%def name="map_tail(at, mask)">
                        ${value(W, at)}
</%def>
<%def name="map_one(at)">
                        ${value(1, at)}
</%def>
<%def name="apply_columns(w, K)">
% for k in range(K):
${join(w, "part == 0", k, k * w)}
% endfor
% if backward:
            if (flags & 8)
% endif
            for (long e = begin; e < end; ++e) {
% for k in range(K):
                ${value(w, f"e * C + c + {k * w}", k)}
% endfor
            }
</%def>
<%def name="columns(w, K)">
% if stage != "apply":
            {
${measure_columns(w, K)}
            }
% endif
% if stage != "stats":
            {
${apply_columns(w, K)}
            }
% endif
</%def>
% if stage == "spread":
__kernel void ct_${name}(
    long outer, long C, long inner, long parts, long per_part, long per_item, const __global ${A} *first_out,
    const __global ${A} *second_out, ${A} divisor, int root, __global ${X} *out)
{
    const long total = outer * inner;
    for (long c = get_global_id(0); c < C; c += get_global_size(0)) {
        ${A} mu = 0, m2 = 0;
${join_parts(1, "c", "mu")}
        const ${A} var = m2 / divisor;
        ${store(1, "root ? sqrt(var) : var", "c")}
    }
}
% else:
__kernel
% if variant == "groups":
__attribute__((reqd_work_group_size(${G}, 1, 1)))
% endif
void ct_${name}(
    long outer, long C, long inner, long parts, long per_part, long per_item, const __global ${X} *x, long xo
% if backward:
    , const __global ${X} *g, long g_at, const __global ${A} *mean
% if stage != "stats" or rowwise:
    , const __global ${A} *rstd
% endif
% if rowwise:
    , long per_row
% endif
% endif
    , __global ${A} *first_out, __global ${A} *second_out
% if stage != "stats":
    , int flags, const __global ${P} *weight, long wo, __global ${X} *out
% if backward:
    , __global ${P} *gw, __global ${P} *gb
% else:
    , ${A} eps, ${A} momentum, const __global ${P} *bias, long bo, __global ${P} *running_mean, long mo,
    __global ${P} *running_var, long vo, __global ${A} *mean, __global ${A} *rstd
% endif
% endif
)
{
    x += xo;
% if backward:
    g += g_at;
% endif
% if stage != "stats":
    weight += wo;
% if not backward:
    bias += bo;
    running_mean += mo;
    running_var += vo;
% endif
% endif
    const long total = outer * inner;
% if variant == "groups":
    const long blocks = (C + ${T - 1}) / ${T};
    const long part = get_group_id(0) / blocks;
    const int tx = get_local_id(0) % ${T}, ty = get_local_id(0) / ${T};
    const long c = (long)(get_group_id(0) - part * blocks) * ${T} + tx;
    const long begin = part * per_part, end = min(total, begin + per_part);
    const long step_n = ${G // T} / inner, step_i = ${G // T} - step_n * inner;
% if stage == "stats":
${measure_group()}
% else:
    if (c < C) {
${join(1, "part == 0 && ty == 0")}
% if backward:
        if (flags & 8)
% endif
${walk()}
            const long at = (n * C + c) * inner + i;
            ${value(1, "at")}
        }
    }
% endif
% else:
    const long blocks = ${f"(C + {4 * W - 1}) / {4 * W}" if variant == "columns" else "C"};
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(parts * blocks, first + per_item);
    for (long u = first; u < last; ++u) {
        const long part = u / blocks;
        const long begin = part * per_part, end = min(total, begin + per_part);
% if variant == "columns":
        long c = (u - part * blocks) * ${4 * W};
        if (c + ${4 * W} <= C) {
${columns(W, 4)}
        } else {
            for (; c + ${W} <= C; c += ${W}) {
${columns(W, 1)}
            }
            for (; c < C; ++c) {
${columns(1, 1)}
            }
        }
% else:
        const long c = u - part * blocks;
% if stage != "apply":
        {
${measure_planes()}
        }
% endif
% if stage != "stats":
${join(1, "part == 0")}
% if backward:
        if (!(flags & 8)) continue;
% endif
${runs("begin", "end", map_body, map_tail, map_one)}
% endif
% endif
    }
% endif
}
% endif
