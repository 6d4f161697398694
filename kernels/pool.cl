<%doc>
Largest or average value of the windows of x[planes, D, H, W]: out[planes, OD, OH, OW].

Where windows lie is told by a table of ints: for depth, height and width in turn the first input of each window, one
past its last, and the count that an average divides by. So adaptive windows, padding and ceil_mode need no code here.

name      kernel name without its prefix
mode      "max" or "avg"; pick: out = x at the places that an index of mode "max" names (the gradient's own gradient)
variant   "rows"   CPU: one work-item per stretch of output rows, vectors along a row where S is 1 or 2
          "items"  GPU: one work-item per output
index     ""      no index is written
          "code"  the number of the input within its window, padding included (windows without dilation)
          "flat"  the number of the input within its plane
I         type of the index; X, xtag: storage type and tag of x and out
A, M      type of the arithmetic and the integer type of its size; low: the lowest value of A
W, S      vector width and stride along the width that vectors walk (0: no vectors)
L         type of the number of an output (or of an input, backward): int where that will do
U         vector width of the sum over one window (1: none)
</%doc>
<%namespace name="memory" file="memory.cl"/>
<%
def load(w, p, at):
    return memory.module.load(p, at, xtag, X, A, w)
def store(w, value, at):
    return memory.module.store("out", at, value, xtag, X, A, w)
def store_index(w, value, at):
    if not index or pick:
        return ""
    if w == 1:
        return f"index[{at}] = ({I})({value});"
    v = value if I == M else f"convert_{I}{w}({value})"
    return f"vstore{w}({v}, 0, index + {at});"
floating = xtag[0] in "fb"
# NaN is larger than everything
def better(v, m):
    return f"(({v} > {m}) | ({v} != {v}))" if floating else f"({v} > {m})"
%>
% if mode == "max":
#define UPDATE(v, tag) { const ${A} t_ = v; if (${better("t_", "m")}) { m = t_; c = tag; } }
% if S:
<% keep = f"c = select(c, ({M}{W})(tag), b_);" if index else "" %>
<% test = better("t_", "m") %>
#define UPDATE_V(v, tag) { const ${A}${W} t_ = v; const ${M}${W} b_ = ${test}; m = select(m, t_, b_); ${keep} }
% endif
% else:
#define UPDATE(v, tag) m += v;
#define UPDATE_V(v, tag) m += v;
% endif
<%def name="one()">
% if pick:
% if index == "flat":
            const long place = index[o];
% else:
            const int code = index[o], kw = code % KW, kd = code / KW / KH, kh = code / KW - kd * KH;
            const long place = ((long)(od * sd - pd + kd) * H + oh * sh - ph + kh) * IW + ow * sw - pw + kw;
% endif
            const ${A} m = place >= 0 && place < (long)D * H * IW ? ${load(1, "xp", "place")} : 0;
% else:
            const int w0 = lw[ow], w1 = lw[OW + ow];
% if mode == "max":
            ${A} m = ${low};
% if index == "flat":
            ${I} c = ((${I})min(d0, D - 1) * H + min(h0, H - 1)) * IW + min(w0, IW - 1);
% else:
            int c = ((d0 - od * sd + pd) * KH + h0 - oh * sh + ph) * KW + w0 - ow * sw + pw;
% endif
% else:
            ${A} m = 0;
% endif
% if mode == "avg":
            // windows of whole rows are one run in memory
            const int across = w1 - w0 == IW;
            const int run = across ? (h1 - h0) * IW : w1 - w0;
% if U > 1:
            ${A}${U} wide = (${A}${U})(0);
% endif
            for (int id = d0; id < d1; ++id)
                for (int ih = h0; ih < (across ? h0 + 1 : h1); ++ih) {
                    const __global ${X} *row = xp + ((long)id * H + ih) * IW + w0;
                    int i = 0;
% if U > 1:
                    for (; i + ${U} <= run; i += ${U}) wide += ${load(U, "row", "i")};
% endif
                    for (; i < run; ++i) m += ${load(1, "row", "i")};
                }
% if U > 1:
            ${A} lanes[${U}];
            vstore${U}(wide, 0, lanes);
            for (int step = ${U // 2}; step > 0; step /= 2)
                for (int i = 0; i < step; ++i) lanes[i] += lanes[i + step];
            m += lanes[0];
% endif
% else:
            for (int id = d0; id < d1; id += dd)
                for (int ih = h0; ih < h1; ih += dh)
                    for (int iw = w0; iw < w1; iw += dw) {
% if index == "flat":
                        UPDATE(${load(1, "xp", "((long)id * H + ih) * IW + iw")}, (((${I})id * H + ih) * IW + iw))
% else:
                        UPDATE(${load(1, "xp", "((long)id * H + ih) * IW + iw")},
                               (((id - od * sd + pd) * KH + ih - oh * sh + ph) * KW + iw - ow * sw + pw))
% endif
                    }
% endif
% if mode == "avg":
            m = m / (${A})(override ? override : (long)rows_count * lw[2 * OW + ow]);
% endif
% endif
            ${store(1, "m", "o")}
% if mode == "max":
            ${store_index(1, "c", "o")}
% endif
</%def>
__kernel void ct_${name}(
    long count, long per_item, int D, int H, int IW, int OD, int OH, int OW, int KH, int KW, int sd, int sh, int sw,
    int pd, int ph, int pw, int dd, int dh, int dw, int vlo, int vhi, long override, const __global int *table,
    const __global ${X} *x, long xo, __global ${X} *out
% if index:
    , ${"const " if pick else ""}__global ${I} *index
% endif
)
{
    x += xo;
    const __global int *ld = table, *lh = table + 3 * OD, *lw = table + 3 * OD + 3 * OH;
    const long plane = (long)D * H * IW;
% if variant == "items":
    for (${L} o = get_global_id(0); o < count; o += get_global_size(0)) {
        const int ow = o % OW;
        ${L} rest = o / OW;
        const int oh = rest % OH;
        rest /= OH;
        const int od = rest % OD;
        const __global ${X} *xp = x + (long)(rest / OD) * plane;
        const int d0 = ld[od], d1 = ld[OD + od], h0 = lh[oh], h1 = lh[OH + oh];
        const int rows_count = ld[2 * OD + od] * lh[2 * OH + oh];
        {
${one()}
        }
    }
% else:
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(count, first + per_item);
    int oh = first % OH, od = first / OH % OD;
    const __global ${X} *xp = x + first / OH / OD * plane;
    for (long u = first; u < last; ++u) {
        const int d0 = ld[od], d1 = ld[OD + od], h0 = lh[oh], h1 = lh[OH + oh];
        const int rows_count = ld[2 * OD + od] * lh[2 * OH + oh];
        for (int ow = 0; ow < OW; ++ow) {
% if S:
            // the vectors come where the first window lies that they can do; the last vector may overlap the one before
            if (ow == vlo && vhi > vlo) {
% if mode == "max" and index == "code":
                const int tag0 = (d0 - od * sd + pd) * KH + h0 - oh * sh + ph;
% endif
                for (int block = vlo; block < vhi; block += ${W}) {
                    const int at = min(block, vhi - ${W});
                    const long o = u * OW + at;
% if mode == "max":
                    ${A}${W} m = (${A}${W})(${low});
% if index == "code":
                    ${M}${W} c = (${M}${W})(tag0 * KW);
% elif index:
                    const ${M}${W} lanes = (${M}${W})(${", ".join(str(i * S) for i in range(W))})
                                           + (${M})(at * ${S} - pw);
                    ${M}${W} c = (${M}${W})(((${M})min(d0, D - 1) * H + min(h0, H - 1)) * IW) + lanes;
% endif
% else:
                    ${A}${W} m = (${A}${W})(0);
% endif
                    for (int id = d0; id < d1; id += dd)
                        for (int ih = h0; ih < h1; ih += dh) {
                            const __global ${X} *row = xp + ((long)id * H + ih) * IW + at * ${S} - pw;
% if mode == "max" and index == "code":
                            const int tag = ((id - od * sd + pd) * KH + ih - oh * sh + ph) * KW;
% elif mode == "max" and index:
                            const ${M}${W} tag = (${M}${W})(((${M})id * H + ih) * IW) + lanes;
% endif
<% step = "" if index == "code" else " * dw" %>
% if S == 1:
                            for (int kw = 0; kw < KW; ++kw)
                                UPDATE_V(${load(W, "row", "kw * dw")}, tag + (${M})(kw${step}))
% else:
                            int kw = 0;
                            if (dw == 1)
                                for (; kw + 1 < KW; kw += 2) {
                                    const ${A}${W} p = ${load(W, "row", "kw")}, q = ${load(W, "row", f"kw + {W}")};
                                    UPDATE_V(((${A}${W})(p.even, q.even)), tag + (${M})kw)
                                    UPDATE_V(((${A}${W})(p.odd, q.odd)), tag + (${M})(kw + 1))
                                }
                            // taps one by one: nothing outside the row may be read, so all but the first take the odd
                            for (; kw < KW; ++kw) {
                                const int back = kw > 0;
                                const ${A}${W} p = ${load(W, "row", "kw * dw - back")},
                                               q = ${load(W, "row", f"kw * dw - back + {W}")};
                                if (back)
                                    UPDATE_V(((${A}${W})(p.odd, q.odd)), tag + (${M})(kw${step}))
                                else
                                    UPDATE_V(((${A}${W})(p.even, q.even)), tag + (${M})(kw${step}))
                            }
% endif
                        }
% if mode == "avg":
                    m = m / (${A})(override ? override : (long)rows_count * lw[2 * OW + at]);
% endif
                    ${store(W, "m", "o")}
% if mode == "max":
                    ${store_index(W, "c", "o")}
% endif
                }
                ow = vhi - 1;
                continue;
            }
% endif
            const long o = u * OW + ow;
            {
${one()}
            }
        }
        if (++oh == OH) {
            oh = 0;
            if (++od == OD) {
                od = 0;
                xp += plane;
            }
        }
    }
% endif
}
