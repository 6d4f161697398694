<%doc>
Normalise every row of x[rows, n] by its own mean and variance: layer, RMS, group and instance normalisation.

Weight and bias have ``groups * channels`` entries: row r uses the ``channels`` that start at r % groups * channels,
each for ``inner`` consecutive elements (n = channels * inner; a layer norm has groups 1 and inner 1).

name      kernel name without its prefix
stage     "forward"  out = (x - mean) * rstd * weight + bias; mean and rstd are kept for the gradient
          "backward" gx, and with ``partial`` the sums over a work-item's rows for the gradients of weight and bias
                     (two buffers of [work-items, entries])
          "finish"   add up those parts in order: gw and gb of [entries], where flags (1, 2) ask for them
variant   "cpu": one work-item per stretch of rows, vectors along a row;  "gpu": one work-group per row (no ``partial``)
rms       divide by the root of the mean square: no mean, no bias
runs      True: weights are constant along runs (inner > 1), False: one weight per element
weighted, biased   whether there are weight and bias
A         type of the arithmetic;  W: vector width;  G: size of a work-group
stream    whether the results are large beside the caches, and are written past them
X, xtag   storage type and tag of x, g, out and gx;  P, ptag: of weight and bias
</%doc>
<%namespace name="memory" file="memory.cl"/>
<%
def load(w, p, at):
    return memory.module.load(p, at, xtag, X, w=w)
def store(w, value, at):
    if w == W and streamed:
        return memory.module.store_line("out", at, value, X)
    return memory.module.store("out", at, value, xtag, X, w=w)
streamed = stream and memory.module.whole_line(xtag, X, W)
def param(w, p, at):
    return memory.module.load(p, at, ptag, P, w=w)
def store_param(p, value, at):
    return memory.module.store(p, at, value, ptag, P)
def vec(w):
    return A if w == 1 else f"{A}{w}"
def centred(w, at):
    return load(w, "x", at) if rms else f"({load(w, 'x', at)} - mu)"
def weight_at(w, i):
    return f" * {'wc' if runs else param(w, 'weight', f'base + {i}')}" if weighted else ""
def bias_at(w, i):
    return f" + {'bc' if runs else param(w, 'bias', f'base + {i}')}" if biased else ""
%>
% if streamed:
${memory.streams([X], W)}
% endif
% if stage == "finish":
__kernel void ct_${name}(
    long entries, long parts, long per_item, const __global ${A} *first_in, const __global ${A} *second_in,
    __global ${P} *gw, __global ${P} *gb, int flags)
{
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(entries, first + per_item);
    for (long j = first; j < last; ++j) {
        ${A} w = 0, b = 0;
        for (long p = 0; p < parts; ++p) {
            w += first_in[p * entries + j];
            b += second_in[p * entries + j];
        }
        if (flags & 1) { ${store_param("gw", "w", "j")} }
        if (flags & 2) { ${store_param("gb", "b", "j")} }
    }
}
% else:
% if variant == "cpu":
static inline ${A} ct_add_lanes(${A}${W} v) {
<% w = W %>
% while w > 2:
    const ${A}${w // 2} v${w // 2} = ${"v" if w == W else f"v{w}"}.lo + ${"v" if w == W else f"v{w}"}.hi;
<% w //= 2 %>
% endwhile
    return v2.lo + v2.hi;
}
% else:
static inline ${A} ct_tree(__local ${A} *tree, ${A} v) {
    const int me = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    tree[me] = v;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int s = ${G // 2}; s > 0; s /= 2) {
        if (me < s) tree[me] += tree[me + s];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    return tree[0];
}
% endif
## elements 0 … n of a row at at: four vectors at a time, then vectors, then single ones
<%def name="each(body, lo, hi)">
            {
                long i = ${lo};
                for (; i + ${4 * W} <= ${hi}; i += ${4 * W}) {
% for k in range(4):
${body(W, f"i + {k * W}", k)}
% endfor
                }
                for (; i + ${W} <= ${hi}; i += ${W}) {
${body(W, "i", 0)}
                }
                for (; i < ${hi}; ++i) {
${body(1, "i", "")}
                }
            }
</%def>
<%def name="square(w, i, k)">
                    { const ${vec(w)} d = ${centred(w, f"at + {i}")}; q${k} += d * d; ${"" if rms else f"s{k} += d;"} }
</%def>
<%def name="map(w, i, k)">
                    { const ${vec(w)} r = ${centred(w, f"at + {i}")} * scale${weight_at(w, i)}${bias_at(w, i)};
                      ${store(w, "r", f"at + {i}")} }
</%def>
<%def name="products(w, i, k)">
                    { const ${vec(w)} v = ${load(w, "g", f"at + {i}")}, h = ${centred(w, f"at + {i}")} * scale;
% if runs:
                      s${k} += v; q${k} += v * h;
% else:
% if partial:
% if w == 1:
                      pw[base + ${i}] += v * h; pb[base + ${i}] += v;
% else:
                      vstore${w}(vload${w}(0, pw + base + ${i}) + v * h, 0, pw + base + ${i});
% if not rms:
                      vstore${w}(vload${w}(0, pb + base + ${i}) + v, 0, pb + base + ${i});
% endif
% endif
% endif
                      const ${vec(w)} u = v${weight_at(w, i)};
                      s${k} += u; q${k} += u * h;
% endif
                    }
</%def>
<%def name="gradient(w, i, k)">
                    { const ${vec(w)} u = ${load(w, "g", f"at + {i}")}${weight_at(w, i)};
                      const ${vec(w)} h = ${centred(w, f"at + {i}")} * scale;
                      const ${vec(w)} r = (u - ${"" if rms else "sum - "}h * product) * scale;
                      ${store(w, "r", f"at + {i}")} }
</%def>
<%def name="zero()">
            s0 = (${A}${W})(0);
            s1 = s0; s2 = s0; s3 = s0; q0 = s0; q1 = s0; q2 = s0; q3 = s0; s = 0; q = 0;
</%def>
## the same body with wc and bc constant along each run
<%def name="along(body, after)">
% if runs:
            for (long c = 0; c < channels; ++c) {
                const long lo = c * inner, hi = lo + inner;
% if weighted:
                const ${A} wc = ${param(1, "weight", "base + c")};
% endif
% if biased:
                const ${A} bc = ${param(1, "bias", "base + c")};
% endif
${each(body, "lo", "hi")}
${after()}
            }
% else:
${each(body, "0", "n")}
% endif
</%def>
<%def name="nothing()">
</%def>
## elements of a row, dealt out to the threads of a group, with the channel c of each: steps without a division
<%def name="walk()">\
% if runs:
        for (long i = me, c = me / inner, r_ = me - c * inner; i < n; i += ${G}, c += step_c, r_ += step_r) {
            if (r_ >= inner) {
                r_ -= inner;
                ++c;
            }
% else:
        for (long i = me; i < n; i += ${G}) {
            const long c = i;
% endif
</%def>
<%def name="run_sums()">
                s += ct_add_lanes((s0 + s1) + (s2 + s3));
                q += ct_add_lanes((q0 + q1) + (q2 + q3));
                sum += s${" * wc" if weighted else ""};
                product += q${" * wc" if weighted else ""};
% if partial:
                pw[base + c] += q;
                pb[base + c] += s;
% endif
${zero()}
</%def>
__kernel
% if variant == "gpu":
__attribute__((reqd_work_group_size(${G}, 1, 1)))
% endif
void ct_${name}(
    long rows, long n, long groups, long channels, long inner, long per_item, ${A} eps,
    const __global ${X} *x, long xo
% if stage == "forward":
    , const __global ${P} *weight, long wo, const __global ${P} *bias, long bo,
    __global ${A} *mean, __global ${A} *rstd, __global ${X} *out
% else:
    , const __global ${X} *g, long g_at, const __global ${P} *weight, long wo,
    const __global ${A} *mean, const __global ${A} *rstd, __global ${X} *out
% if partial:
    , __global ${A} *pw, __global ${A} *pb
% endif
% endif
)
{
    x += xo;
    weight += wo;
% if stage == "forward":
    bias += bo;
% else:
    g += g_at;
% endif
% if variant == "gpu":
    __local ${A} tree[${G}];
    const int me = get_local_id(0);
    {
        const long row = get_group_id(0);
        const long base = row % groups * channels, at = row * n;
% if runs:
        const long step_c = ${G} / inner, step_r = ${G} - step_c * inner;
% endif
        ${A} s = 0, q = 0;
% if stage == "forward":
% if not rms:
        for (long i = me; i < n; i += ${G}) s += ${load(1, "x", "at + i")};
        ${A} mu = ct_tree(tree, s) / n;
        s = 0;
% endif
        for (long i = me; i < n; i += ${G}) {
            const ${A} d = ${centred(1, "at + i")};
            s += d;
            q += d * d;
        }
        q = ct_tree(tree, q);
% if not rms:
        s = ct_tree(tree, s);
        mu += s / n;
        q -= s * s / n;
% endif
        const ${A} scale = 1 / sqrt(q / n + eps);
        if (me == 0) {
% if not rms:
            mean[row] = mu;
% endif
            rstd[row] = scale;
        }
${walk()}
<%
times = f" * {param(1, 'weight', 'base + c')}" if weighted else ""
plus = f" + {param(1, 'bias', 'base + c')}" if biased else ""
%>
            const ${A} r = ${centred(1, "at + i")} * scale${times}${plus};
            ${store(1, "r", "at + i")}
        }
% else:
% if not rms:
        const ${A} mu = mean[row];
% endif
        const ${A} scale = rstd[row];
<% weight_here = " * " + param(1, "weight", "base + c") if weighted else "" %>
${walk()}
            const ${A} u = ${load(1, "g", "at + i")}${weight_here};
            s += u;
            q += u * (${centred(1, "at + i")} * scale);
        }
% if not rms:
        const ${A} sum = ct_tree(tree, s) / n;
% endif
        const ${A} product = ct_tree(tree, q) / n;
${walk()}
            const ${A} u = ${load(1, "g", "at + i")}${weight_here};
            const ${A} r = (u - ${"" if rms else "sum - "}(${centred(1, "at + i")} * scale) * product) * scale;
            ${store(1, "r", "at + i")}
        }
% endif
    }
% else:
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(rows, first + per_item);
% if partial:
    {
        const long entries = groups * channels;
        pw += get_global_id(0) * entries;
        pb += get_global_id(0) * entries;
        for (long j = 0; j < entries; ++j) pw[j] = 0;
        for (long j = 0; j < entries; ++j) pb[j] = 0;
    }
% endif
    for (long row = first; row < last; ++row) {
        const long base = row % groups * channels, at = row * n;
        ${A}${W} s0, s1, s2, s3, q0, q1, q2, q3;
        ${A} s, q;
${zero()}
% if stage == "forward":
% if rms:
${each(square, "0", "n")}
        q += ct_add_lanes((q0 + q1) + (q2 + q3));
% else:
        // deviations from the first element, which is near enough to the mean unless it stands far out of the row: the
        // second time they are from the mean itself
        ${A} mu = ${load(1, "x", "at")};
        for (int again = 0; again < 2; ++again) {
${zero()}
${each(square, "0", "n")}
            s += ct_add_lanes((s0 + s1) + (s2 + s3));
            q += ct_add_lanes((q0 + q1) + (q2 + q3));
            const ${A} off = s / n;
            mu += off;
            q -= s * off;
            if (s * off <= 8 * q) break;
        }
        if (q < 0) q = 0;
        mean[row] = mu;
% endif
        const ${A} scale = 1 / sqrt(q / n + eps);
        rstd[row] = scale;
${along(map, nothing)}
% else:
% if not rms:
        const ${A} mu = mean[row];
% endif
        const ${A} scale = rstd[row];
        ${A} sum = 0, product = 0;
${along(products, run_sums)}
% if not runs:
        sum = s + ct_add_lanes((s0 + s1) + (s2 + s3));
        product = q + ct_add_lanes((q0 + q1) + (q2 + q3));
% endif
        sum /= n;
        product /= n;
${along(gradient, nothing)}
% endif
    }
% if streamed:
    CT_STREAMED();
% endif
% endif
}
% endif
