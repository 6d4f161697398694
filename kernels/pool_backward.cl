<%doc>
Gradient of a pooling: gx[planes, D, H, W] from g[planes, OD, OH, OW], gathered: every input adds up what the windows
that hold it send to it, in the order of the windows.

The table of ints holds, for depth, height and width in turn, the first window that holds each input and one past the
last, and after all that the counts that averages divide by, window by window, for each dimension.

Parameters as in pool.cl, and one more variant:
variant   "planes" CPU: one work-item per stretch of planes; it sends each element of g to the place that a flat index
                   names (in the order of g, so that equal bits come out again)
Here rows, vectors and items are those of gx, and ``vlo`` … ``vhi`` are groups of S inputs.
</%doc>
<%namespace name="memory" file="memory.cl"/>
<%
def load(w, at):
    return memory.module.load("g", at, xtag, X, A, w)
def store(w, value, at):
    return memory.module.store("gx", at, value, xtag, X, A, w)
# what an index holds that points from output (od, oh, ow) to input (id, ih, iw)
if index == "flat":
    wanted = f"(({I})id * H + ih) * IW + iw"
else:
    wanted = "((id - od * sd + pd) * KH + ih - oh * sh + ph) * KW + iw - ow * sw + pw"
%>
<%def name="one()">
            const int w0 = lw[iw], w1 = lw[IW + iw];
% if mode == "avg" and variant == "rows":
            // neighbours held by the same windows get the same sum
            if (w0 != last0 || w1 != last1) {
            last0 = w0;
            last1 = w1;
            sum = 0;
% else:
            ${A} sum = 0;
% endif
            for (int od = d0; od < d1; ++od)
                for (int oh = h0; oh < h1; ++oh)
                    for (int ow = w0; ow < w1; ++ow) {
                        const long o = go + ((long)od * OH + oh) * OW + ow;
% if mode == "avg":
                        sum += ${load(1, "o")} / (${A})(override ? override : (long)cd[od] * ch[oh] * cw[ow]);
% else:
                        if (index[o] == ${wanted}) sum += ${load(1, "o")};
% endif
                    }
% if mode == "avg" and variant == "rows":
            }
% endif
            ${store(1, "sum", "i")}
</%def>
<%def name="add(acc, phase)">
% if mode == "avg":
                                ${acc} += v / scale;
% elif index == "code":
                                ${acc} += select((${A}${W})(0), v, c == (${M})(tag + kw));
% else:
                                ${acc} += select((${A}${W})(0), v, c == tag + (${M})${phase});
% endif
</%def>
<%def name="fetch()">
                                const ${A}${W} v = ${load(W, "at - j")};
% if mode == "max":
<% raw = "vload%d(0, index + at - j)" % W %>
                                const ${M}${W} c = ${raw if I == M else f"convert_{M}{W}({raw})"};
% endif
</%def>
% if variant == "planes":
__kernel void ct_${name}(
    long planes, long per_item, long inputs, long outputs, const __global ${X} *g, long g_at, __global ${X} *gx,
    const __global ${I} *index)
{
    g += g_at;
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(planes, first + per_item);
    for (long plane = first; plane < last; ++plane) {
        __global ${X} *to = gx + plane * inputs;
        for (long i = 0; i < inputs; ++i) to[i] = 0;
        for (long o = plane * outputs; o < (plane + 1) * outputs; ++o) {
            const long at = index[o];
            // an index that a caller handed in must not write elsewhere
            if (at >= 0 && at < inputs) ${"to[at] = g[o]" if single else "to[at] += g[o]"};
        }
    }
}
% else:
__kernel void ct_${name}(
    long count, long per_item, int D, int H, int IW, int OD, int OH, int OW, int KH, int KW, int sd, int sh, int sw,
    int pd, int ph, int pw, int dd, int dh, int dw, int vlo, int vhi, long override, const __global int *table,
    const __global ${X} *g, long g_at, __global ${X} *gx
% if index:
    , const __global ${I} *index
% endif
)
{
    g += g_at;
    const __global int *ld = table, *lh = table + 2 * D, *lw = table + 2 * D + 2 * H;
% if mode == "avg":
    const __global int *cd = table + 2 * (D + H + IW), *ch = cd + OD, *cw = ch + OH;
% endif
    const long plane = (long)OD * OH * OW;
% if variant == "items":
    for (${L} i = get_global_id(0); i < count; i += get_global_size(0)) {
        const int iw = i % IW;
        ${L} rest = i / IW;
        const int ih = rest % H;
        rest /= H;
        const int id = rest % D;
        const long go = (long)(rest / D) * plane;
        const int d0 = ld[id], d1 = ld[D + id], h0 = lh[ih], h1 = lh[H + ih];
        {
${one()}
        }
    }
% else:
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(count, first + per_item);
    int ih = first % H, id = first / H % D;
    long go = first / H / D * plane;
    for (long u = first; u < last; ++u) {
        const int d0 = ld[id], d1 = ld[D + id], h0 = lh[ih], h1 = lh[H + ih];
% if mode == "avg":
        int last0 = -1, last1 = -1;
        ${A} sum = 0;
% endif
        for (int iw = 0; iw < IW; ++iw) {
% if S:
            if (vhi > vlo && iw == vlo * ${S} - pw) {
                for (int block = vlo; block < vhi; block += ${W}) {
                    const int q = min(block, vhi - ${W});
                    ${A}${W} even = (${A}${W})(0);
% if S == 2:
                    ${A}${W} odd = even;
% endif
% if mode == "max" and index == "flat":
                    const ${M}${W} lanes = (${M}${W})(${", ".join(str(i * S) for i in range(W))})
                                           + (${M})(q * ${S} - pw);
% endif
                    for (int od = d0; od < d1; ++od)
                        for (int oh = h0; oh < h1; ++oh) {
                            const long at = go + ((long)od * OH + oh) * OW + q;
% if mode == "avg":
                            const ${A} scale = (${A})(override ? override : (long)cd[od] * ch[oh] * cw[q]);
% elif index == "code":
                            const int tag = ((id - od * sd + pd) * KH + ih - oh * sh + ph) * KW;
% else:
                            const ${M}${W} tag = (${M}${W})(((${M})id * H + ih) * IW) + lanes;
% endif
% if S == 1:
                            for (int kw = 0; kw < KW; ++kw) {
                                const int j = kw * dw;
${fetch()}
${add("even", 0)}
                            }
% else:
                            int kw = 0;
                            if (dw == 1)
                                for (; kw + 1 < KW; kw += 2) {
                                    const int j = kw / 2;
${fetch()}
${add("even", 0)}
                                    ++kw;
${add("odd", 1)}
                                    --kw;
                                }
                            for (; kw < KW; ++kw) {
                                const int j = kw * dw / 2;
${fetch()}
                                if (kw * dw % 2) {
${add("odd", 1)}
                                } else {
${add("even", 0)}
                                }
                            }
% endif
                        }
                    const long i = u * IW + q * ${S} - pw;
% if S == 1:
                    ${store(W, "even", "i")}
% else:
                    ${A}${W} low, high;
                    low.even = even.lo;
                    low.odd = odd.lo;
                    high.even = even.hi;
                    high.odd = odd.hi;
                    ${store(W, "low", "i")}
                    ${store(W, "high", f"i + {W}")}
% endif
                }
                iw = vhi * ${S} - pw - 1;
                continue;
            }
% endif
            const long i = u * IW + iw;
            {
${one()}
            }
        }
        if (++ih == H) {
            ih = 0;
            if (++id == D) {
                id = 0;
                go += plane;
            }
        }
    }
% endif
}
% endif
