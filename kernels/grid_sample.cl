<%doc>
Sampling of images and volumes at given places: out[n, c, place] = the sum over neighbours of weight * x[n, c, neighbour].

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
%>
// what padding makes of places: nothing (0), the edge (1), or a reflection (2) that is cut off at the edge
static void ct_padded(${A} *at, const int count, const int size, const int padding, const int align) {
    const ${A} low = align ? (${A})0 : (${A})-0.5f, span = align ? size - 1 : size, most = size - 1;
    if (padding == 2)
        for (int i = 0; i < count; ++i) {
            const ${A} from = fabs(at[i] - low), flips = floor(from / span), rest = from - flips * span;
            const ${A} back = flips - 2 * floor(flips / 2) != 0 ? span - rest : rest;
            at[i] = span == 0 ? at[i] * 0 : back + low;
        }
    if (padding)
        for (int i = 0; i < count; ++i)
            at[i] = at[i] > 0 && at[i] < most ? at[i] : at[i] >= most ? most : (${A})0;
}
% if mode == "cubic":
static ${A} ct_near(const ${A} t) { return (((${A})1.25f * t - (${A})2.25f) * t) * t + 1; }
static ${A} ct_far(const ${A} t) { return (((${A})-0.75f * t + (${A})3.75f) * t - 6) * t + 3; }
% endif
__kernel void ct_grid_sample(const long batches, const long channels, const long places, const long per_item,
                             const int padding, const int align, const long xn, const long xc
% for d in range(dims):
                             , const int size${d}, const long step${d}
% endfor
                             , const __global ${X} *x, const long xo, const __global ${X} *grid, const long go,
                             __global ${X} *out)
{
    const long blocks = (places + ${block - 1}) / ${block}, all = batches * blocks;
    const long first = (long)get_global_id(0) * per_item, last = min(all, first + per_item);
    ${I} at[${len(taps)}][${block}];
    ${A} weight[${len(taps)}][${block}];
% for d in range(dims):
    ${A} place${d}[${each}][${block}], part${d}[${each}][${block}];
% endfor
    for (long u = first; u < last; ++u) {
        const long n = u / blocks, p0 = (u - n * blocks) * ${block};
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
        }
        for (int k = 0; k < 4; ++k) ct_padded(place${d}[k], count, size${d}, padding, align);
% else:
        ct_padded(place${d}[0], count, size${d}, padding, align);
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
            weight[${t}][i] = ${"w" if nan else "inside ? w : 0"};
        }
% endfor
        for (long c = 0; c < channels; ++c) {
            const __global ${X} *plane = x + (xo + n * xn + c * xc);
            const long to = (n * channels + c) * places + p0;
            for (int i = 0; i < count; ++i) {
                ${A} sum = 0;
% for t in range(len(taps)):
                {
                    const ${I} k = at[${t}][i];
                    const ${A} v = k < 0 ? (${A})0 : ${memory.module.load("plane", "k", xtag, X, A)};
                    sum = fma(weight[${t}][i], v, sum);
                }
% endfor
                ${memory.module.store("out", "to + i", "sum", xtag, X, A)}
            }
        }
    }
}
