<%doc>
Sampling of images and volumes at given places: out[n, c, place] = the sum over neighbours of weight * x[n, c, neighbour];
and its gradients.

name     kernel name without its prefix
stage    "forward"; "input", the gradient of x: out[n, c, neighbour] += weight * g[n, c, place] in the order of places;
         "grid", that of the grid: out[n, place, d] = the sum over neighbours of slope of weight * sum over c of g * x
gpu      input only.  False: a work-item has whole channels.  True: it has every owners-th element of one, and so no
         other adds to what it adds to, and the sums are the same bits every time
dims     2 or 3; the grid's last dimension names them backwards
mode     "linear", "nearest" or "cubic": 2, 1 or 4 neighbours along each dimension
block    places whose neighbours a work-item finds together, before it walks the channels
nan      whether a neighbour outside keeps a weight that is NaN
X, xtag  storage type and tag; A type of the arithmetic; I type of offsets within a channel
</%doc>
<%namespace name="memory" file="memory.cl"/>
<%
from itertools import product
each = {"linear": 2, "nearest": 1, "cubic": 4}[mode]
taps = list(product(range(each), repeat=dims))
slopes = stage == "grid"
sloped = slopes and mode != "cubic"  # whether padding changes the slopes of weights
%>
// what padding makes of places: nothing (0), the edge (1), or a reflection (2) that is cut off at the edge
static inline void ct_padded(${A} *at,${f" {A} *slope," if sloped else ""} const int count, const int size, const int padding, const int align) {
    const ${A} low = align ? (${A})0 : (${A})-0.5f, span = align ? size - 1 : size, most = size - 1;
    if (padding == 2)
        for (int i = 0; i < count; ++i) {
            const ${A} from = fabs(at[i] - low), flips = floor(from / span), rest = from - flips * span;
            const ${A} back = flips - 2 * floor(flips / 2) != 0 ? span - rest : rest;
% if sloped:
            const int back_again = (at[i] < low) != (flips - 2 * floor(flips / 2) != 0);
            slope[i] = span == 0 ? 0 : back_again ? -1 : 1;
% endif
            at[i] = span == 0 ? at[i] * 0 : back + low;
        }
    if (padding)
        for (int i = 0; i < count; ++i) {
% if sloped:
            if (!(at[i] > 0 && at[i] < most)) slope[i] = 0;
% endif
            at[i] = at[i] > 0 && at[i] < most ? at[i] : at[i] >= most ? most : (${A})0;
        }
}
% if mode == "cubic":
static inline ${A} ct_near(const ${A} t) { return (((${A})1.25f * t - (${A})2.25f) * t) * t + 1; }
static inline ${A} ct_far(const ${A} t) { return (((${A})-0.75f * t + (${A})3.75f) * t - 6) * t + 3; }
% if slopes:
static inline ${A} ct_near_slope(const ${A} t) { return ((${A})3.75f * t - (${A})4.5f) * t; }
static inline ${A} ct_far_slope(const ${A} t) { return ((${A})-2.25f * t + (${A})7.5f) * t - 6; }
% endif
% endif
<%def name="neighbours()">
        const int count = (int)min((long)${block}, places - p0);
        const long g = go + (n * places + p0) * ${dims};
        // short loops, each of which a compiler makes vectors of
% for d in range(dims):
        for (int i = 0; i < count; ++i) {
            const ${A} v = ${memory.module.load("grid", f"g + i * {dims} + {dims - 1 - d}", xtag, X, A)};
            place${d}[0][i] = align ? (v + 1) * ((size${d} - 1) / (${A})2) : ((v + 1) * size${d} - 1) / 2;
        }
% if mode == "cubic":
        for (int i = 0; i < count; ++i) {
            const ${A} low = floor(place${d}[0][i]), t = place${d}[0][i] - low;
% for k in range(4):
            place${d}[${k}][i] = low + ${k - 1};
% endfor
            part${d}[0][i] = ct_far(t + 1);
            part${d}[1][i] = ct_near(t);
            part${d}[2][i] = ct_near(1 - t);
            part${d}[3][i] = ct_far(2 - t);
% if slopes:
            slope${d}[0][i] = ct_far_slope(t + 1);
            slope${d}[1][i] = ct_near_slope(t);
            slope${d}[2][i] = -ct_near_slope(1 - t);
            slope${d}[3][i] = -ct_far_slope(2 - t);
% endif
        }
        for (int k = 0; k < 4; ++k) ct_padded(place${d}[k], count, size${d}, padding, align);
% else:
% if sloped:
        for (int i = 0; i < count; ++i) slope${d}[0][i] = 1;
% endif
        ct_padded(place${d}[0], ${f"slope{d}[0], " if sloped else ""}count, size${d}, padding, align);
        for (int i = 0; i < count; ++i) {
            const ${A} to = place${d}[0][i];
% if mode == "nearest":
            place${d}[0][i] = rint(to);
            part${d}[0][i] = 1;
% else:
            const ${A} low = floor(to);
            place${d}[0][i] = low;
            place${d}[1][i] = low + 1;
            part${d}[0][i] = 1 - (to - low);
            part${d}[1][i] = to - low;
% if slopes:
            slope${d}[1][i] = slope${d}[0][i];
            slope${d}[0][i] = -slope${d}[0][i];
% endif
% endif
        }
% endif
% endfor
% for t, tap in enumerate(taps):
        for (int i = 0; i < count; ++i) {
            const ${A} w = ${" * ".join(f"part{d}[{k}][i]" for d, k in enumerate(tap))};
% for d, k in enumerate(tap):
            const ${A} to${d} = place${d}[${k}][i];
% endfor
            const int inside = ${" & ".join(f"(to{d} >= 0) & (to{d} <= size{d} - 1)" for d in range(dims))};
            const ${I} here = ${" + ".join(f"({I})(inside ? to{d} : 0) * ({I})step{d}" for d in range(dims))};
            at[${t}][i] = inside ? here : -1;
% if slopes:
            dot[${t}][i] = 0;
% endif
            weight[${t}][i] = ${"w" if nan and stage == "forward" else "inside ? w : 0"};
        }
% endfor
</%def>
__kernel void ct_${name}(const long batches, const long channels, const long places, const long per_item,
                             const int padding, const int align, const long xn, const long xc
% for d in range(dims):
                             , const int size${d}, const long step${d}
% endfor
% if stage != "input":
                             , const __global ${X} *x, const long xo
% endif
% if stage != "forward":
                             , const __global ${X} *given, const long given0
% endif
                             , const __global ${X} *grid, const long go, __global ${A if stage == "input" else X} *out)
{
    ${I} at[${len(taps)}][${block}];
    ${A} weight[${len(taps)}][${block}];
% for d in range(dims):
    ${A} place${d}[${each}][${block}], part${d}[${each}][${block}];
% if slopes:
    ${A} slope${d}[${each}][${block}];
% endif
% endfor
% if slopes:
    ${A} dot[${len(taps)}][${block}];
% endif
% if stage == "input":
% if gpu:
    const long owners = per_item, row = (long)get_global_id(0) / owners, mine = (long)get_global_id(0) - row * owners;
    const long n = row / channels, first = row - n * channels, last = first + 1;
    if (n >= batches) return;
    for (long k = mine; k < xc; k += owners) out[row * xc + k] = 0;
    {
% else:
    const long begin = (long)get_global_id(0) * per_item, end = min(batches * channels, begin + per_item);
    for (long k = begin * xc; k < end * xc; ++k) out[k] = 0;
    for (long row = begin; row < end;) {
        const long n = row / channels, first = row - n * channels, last = min(channels, first + end - row);
        row += last - first;
% endif
        for (long p0 = 0; p0 < places; p0 += ${block}) {
            ${neighbours()}
            for (long c = first; c < last; ++c) {
                __global ${A} *plane = out + (n * xn + c * xc);
                const long from = given0 + (n * channels + c) * places + p0;
                for (int i = 0; i < count; ++i) {
                    const ${A} v = ${memory.module.load("given", "from + i", xtag, X, A)};
% for t in range(len(taps)):
                    if (at[${t}][i] >= 0${f" && at[{t}][i] % owners == mine" if gpu else ""}) plane[at[${t}][i]] += weight[${t}][i] * v;
% endfor
                }
            }
        }
    }
% else:
    const long blocks = (places + ${block - 1}) / ${block}, all = batches * blocks;
    const long first = (long)get_global_id(0) * per_item, last = min(all, first + per_item);
    for (long u = first; u < last; ++u) {
        const long n = u / blocks, p0 = (u - n * blocks) * ${block};
        ${neighbours()}
        for (long c = 0; c < channels; ++c) {
            const __global ${X} *plane = x + (xo + n * xn + c * xc);
            const long to = (n * channels + c) * places + p0;
            for (int i = 0; i < count; ++i) {
% if slopes:
                const ${A} v = ${memory.module.load("given", "given0 + to + i", xtag, X, A)};
% else:
                ${A} sum = 0;
% endif
% for t in range(len(taps)):
                {
                    const ${I} k = at[${t}][i];
                    const ${A} near = k < 0 ? (${A})0 : ${memory.module.load("plane", "k", xtag, X, A)};
                    ${f"dot[{t}][i] = fma(v, near, dot[{t}][i]);" if slopes else f"sum = fma(weight[{t}][i], near, sum);"}
                }
% endfor
% if not slopes:
                ${memory.module.store("out", "to + i", "sum", xtag, X, A)}
% endif
            }
        }
% if slopes:
        for (int i = 0; i < count; ++i) {
            // slopes of places that are NaN are NaN, but have no neighbour
            const int any = ${" | ".join(f"(at[{t}][i] >= 0)" for t in range(len(taps)))};
% for d in range(dims):
            ${A} sum${d} = 0;
% for t, tap in enumerate(taps):
            sum${d} = fma(dot[${t}][i], ${" * ".join(f"{'slope' if e == d else 'part'}{e}[{k}][i]" for e, k in enumerate(tap))}, sum${d});
% endfor
            sum${d} = any ? sum${d} * ((align ? size${d} - 1 : size${d}) / (${A})2) : 0;
            ${memory.module.store("out", f"(n * places + p0 + i) * {dims} + {dims - 1 - d}", f"sum{d}", xtag, X, A)}
% endfor
        }
% endif
    }
% endif
}
