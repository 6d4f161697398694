<%doc>
Pooling by windows of KH x 2 that tile the rows: out[rows, OW] of x[rows * KH, 2 * OW], and the gradient. For CPU
devices: a work-item walks a stretch of rows with vectors, no padding and no remainder to look after.

Where a row is shorter than a vector, the vector runs over into the next row, which comes later and puts that right; so
the rows at the end of a stretch are done one element at a time.

name, mode, index, X, xtag, A, M, W   as in pool.cl; backward: the gradient from g (called x here) instead of the result
</%doc>
<%namespace name="memory" file="memory.cl"/>
<%
def load(w, at):
    return memory.module.load("x", at, xtag, X, A, w)
def store(w, value, at):
    return memory.module.store("out", at, value, xtag, X, A, w)
floating = xtag[0] in "fb"
# NaN is larger than everything
def better(v, m):
    return f"(({v} > {m}) | ({v} != {v}))" if floating else f"({v} > {m})"
%>
<%def name="update(w, v, tag)">
                { const ${A if w == 1 else f"{A}{w}"} t = ${v};
% if mode == "avg":
                  m += t; }
% elif w == 1:
                  if (${better("t", "m")}) { m = t; c = ${tag}; } }
% else:
                  const ${M}${w} b = ${better("t", "m")};
                  m = select(m, t, b);
% if index:
                  c = select(c, (${M}${w})(${tag}), b);
% endif
                }
% endif
</%def>
__kernel void ct_${name}(
    long rows, long per_item, int OW, long divisor, const __global ${X} *x, long xo, __global ${X} *out
% if index:
    , ${"const " if backward else ""}__global uchar *index
% endif
)
{
    x += xo;
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(rows, first + per_item);
    const int blocks = max(OW / ${W} * ${W} + (OW % ${W} ? ${W} : 0), ${W});
    for (long row = first; row < last; ++row) {
        const long small = row * OW, large = row * ${2 * KH} * OW;
        if (OW >= ${W} || small + ${W} <= last * OW) {
            for (int block = 0; block < blocks; block += ${W}) {
                const int at = OW >= ${W} ? min(block, OW - ${W}) : 0;
% if not backward:
% for kh in range(KH):
                const ${A}${W} p${kh} = ${load(W, f"large + {2 * kh} * OW + 2 * at")},
                               q${kh} = ${load(W, f"large + {2 * kh} * OW + 2 * at + {W}")};
% endfor
                ${A}${W} m = (${A}${W})(p0.even, q0.even);
% if index:
                ${M}${W} c = (${M}${W})(0);
% endif
% for tap in range(1, 2 * KH):
<% half = "odd" if tap % 2 else "even" %>
${update(W, f"({A}{W})(p{tap // 2}.{half}, q{tap // 2}.{half})", tap)}
% endfor
% if mode == "avg":
                m = m / (${A})divisor;
% endif
                ${store(W, "m", "small + at")}
% if index:
                vstore${W}(convert_uchar${W}(c), 0, index + small + at);
% endif
% else:
                const ${A}${W} v = ${load(W, "small + at")}${f" / ({A})divisor" if mode == "avg" else ""};
% if index:
                const ${M}${W} c = convert_${M}${W}(vload${W}(0, index + small + at));
% endif
                ${A}${W} even = v, odd = v, lo, hi;
% for kh in range(KH):
% if mode == "max":
                even = select((${A}${W})(0), v, c == (${M})${2 * kh});
                odd = select((${A}${W})(0), v, c == (${M})${2 * kh + 1});
% endif
                lo.even = even.lo;
                lo.odd = odd.lo;
                hi.even = even.hi;
                hi.odd = odd.hi;
                ${store(W, "lo", f"large + {2 * kh} * OW + 2 * at")}
                ${store(W, "hi", f"large + {2 * kh} * OW + 2 * at + {W}")}
% endfor
% endif
            }
        } else {
            for (int at = 0; at < OW; ++at) {
% if not backward:
                ${A} m = ${load(1, "large + 2 * at")};
                int c = 0;
% for tap in range(1, 2 * KH):
${update(1, load(1, f"large + {tap // 2 * 2} * OW + 2 * at + {tap % 2}"), tap)}
% endfor
% if mode == "avg":
                m = m / (${A})divisor;
% endif
                ${store(1, "m", "small + at")}
% if index:
                index[small + at] = (uchar)c;
% endif
% else:
                const ${A} v = ${load(1, "small + at")}${f" / ({A})divisor" if mode == "avg" else ""};
% for tap in range(2 * KH):
<% share = f"(index[small + at] == {tap} ? v : 0)" if mode == "max" else "v" %>
                ${store(1, share, f"large + {tap // 2 * 2} * OW + 2 * at + {tap % 2}")}
% endfor
% endif
            }
        }
    }
}
