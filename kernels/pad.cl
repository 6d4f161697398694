<%doc>
Padding of x by its own elements or a constant, and the adjoint of the former.

name      kernel name without its prefix
adjoint   False: out = padded x.  True: out = for every element of the unpadded tensor the sum over its copies in x
mode      "constant", "reflect", "replicate" or "circular"
padded    one flag per dimension: whether it is padded (others cost nothing)
rows      True: a work-item walks whole rows of the result (CPUs), False: one element each (GPUs)
X, xtag   storage type and tag (forward: an unsigned integer of the element's size, for it only copies)
A         type of sums; I: type of indices
Dimension r has n<r> elements unpadded, m<r> padded, l<r> of them in front (negative: cut off).
</%doc>
<%namespace name="memory" file="memory.cl"/>
<%
R = len(padded)
def load(p, at):
    return memory.module.load(p, at, xtag, X)
def store(value, at):
    return memory.module.store("out", at, value, xtag, X)
size = "n" if adjoint else "m"  # of the result
%>
<%def name="fold(r)">
% if mode == "reflect":
i${r} = i${r} < 0 ? -i${r} : i${r} >= n${r} ? 2 * (n${r} - 1) - i${r} : i${r};
% elif mode == "replicate":
i${r} = clamp(i${r}, (${I})0, n${r} - 1);
% elif mode == "circular":
i${r} = i${r} < 0 ? i${r} + n${r} : i${r} >= n${r} ? i${r} - n${r} : i${r};
% endif
</%def>
<%def name="split(dims)">
            // the result's coordinates in the dimensions ${dims}
            ${I} rest = at;
% for r in reversed(dims):
            const ${I} q${r} = rest / ${size}${r};
            ${I} i${r} = rest - q${r} * ${size}${r};
            rest = q${r};
% endfor
</%def>
## the heads of nested loops over all copies of an element in these dimensions, innermost last
<%def name="each_copy(dims)">
% for r in dims:
<% before = f"b{r - 1} * m{r} + " if r else "" %>
% if not padded[r]:
            { const ${I} b${r} = ${before}i${r};
% elif mode == "replicate":
            for (${I} o${r} = i${r} == 0 ? 0 : max(i${r} + l${r}, (${I})0),
                     e${r} = i${r} == n${r} - 1 ? m${r} - 1 : min(i${r} + l${r}, m${r} - 1); o${r} <= e${r}; ++o${r}) {
                const ${I} b${r} = ${before}o${r};
% else:
            for (int k${r} = 0; k${r} < 3; ++k${r}) {
% if mode == "reflect":
                if (k${r} == 1 && i${r} == 0 || k${r} == 2 && i${r} == n${r} - 1)
                    continue;
                const ${I} o${r} = l${r} + (k${r} == 0 ? i${r} : k${r} == 1 ? -i${r} : 2 * (n${r} - 1) - i${r});
% else:
                const ${I} o${r} = l${r} + i${r} + (k${r} - 1) * n${r};
% endif
                if (o${r} < 0 || o${r} >= m${r})
                    continue;
                const ${I} b${r} = ${before}o${r};
% endif
% endfor
</%def>
<%def name="copies()">
            ${A} total = 0;
            ${each_copy(range(R))}
            total += ${load("x", f"xo + b{R - 1}")};
            ${"}" * R}
</%def>
## the place in x of the first ``dims`` coordinates of an element of out, and whether it lies inside
<%def name="source(dims)">
    ${I} from = 0;
    bool inside = true;
% for r in range(dims):
% if padded[r]:
    i${r} -= l${r};
    ${fold(r)}
% if mode == "constant":
    inside = inside && i${r} >= 0 && i${r} < n${r};
% endif
% endif
    from = from * n${r} + i${r};
% endfor
</%def>
__kernel void ct_${name}(const ${I} count, const ${I} per_item, const __global ${X} *x, const long xo, __global ${X} *out, const long value
% for r in range(R):
    , const ${I} n${r}, const ${I} m${r}, const ${I} l${r}
% endfor
)
{
% if rows:
<% w = R - 1 %>
    const ${I} first = (${I})get_global_id(0) * per_item, last = min(count, first + per_item);
    for (${I} at = first; at < last; ++at) {
            ${split(range(w))}
            const ${I} start = at * ${size}${w};
% if adjoint:
<%
n, m, l = f"n{w}", f"m{w}", f"l{w}"
# where the copies of element i lie in a padded row, and for which i: from, up to (exclusively)
shown = [(f"{l} + i", f"-{l}", f"{m} - {l}")]
if padded[w] and mode == "reflect":
    shown += [(f"{l} - i", f"max(({I})1, {l} - {m} + 1)", f"{l} + 1")]
    shown += [(f"{l} + 2 * ({n} - 1) - i", f"{l} + 2 * {n} - 1 - {m}", f"min({n} - 1, {l} + 2 * {n} - 1)")]
elif padded[w] and mode == "circular":
    shown += [(f"{l} + i - {n}", f"{n} - {l}", f"{m} + {n} - {l}"), (f"{l} + i + {n}", f"-{l} - {n}", f"{m} - {l} - {n}")]
%>
        // blocks of a row: the sums over copies of whole rows, each of which is walked in order
        for (${I} c = 0; c < n${w}; c += 64) {
            const ${I} behind = min(n${w}, c + 64);
            ${A} total[64];
            for (int k = 0; k < 64; ++k) total[k] = 0;
            ${each_copy(range(w))}
            const long row = xo + ${f"b{w - 1} * m{w}" if w else "0"};
% for place, low, high in shown:
            {
                const ${I} stop = min(behind, ${high});
                for (${I} i = max(c, ${low}); i < stop; ++i) total[i - c] += ${load("x", f"row + {place}")};
            }
% endfor
% if padded[w] and mode == "replicate":
            if (c == 0)
                for (${I} o = 0; o < min(l${w}, m${w}); ++o) total[0] += ${load("x", "row + o")};
            if (behind == n${w})
                for (${I} o = max(l${w} + n${w}, (${I})0); o < m${w}; ++o) total[n${w} - 1 - c] += ${load("x", "row + o")};
% endif
            ${"}" * w}
            for (${I} i = c; i < behind; ++i) {
                ${store("total[i - c]", "start + i")}
            }
        }
% else:
            ${source(w)}
            const __global ${X} *line = x + xo + (long)from * n${w};
            __global ${X} *to = out + start;
            // where the elements of the line itself begin and end
            const ${I} lo = inside ? clamp(l${w}, (${I})0, m${w}) : m${w};
            const ${I} hi = clamp(l${w} + n${w}, lo, m${w});
% for begin, end in (("0", "lo"), ("hi", f"m{w}")):
            for (${I} j = ${begin}; j < ${end}; ++j) {
% if mode == "constant":
                to[j] = (${X})value;
% else:
                ${I} i${w} = j - l${w};
                ${fold(w)}
                to[j] = line[i${w}];
% endif
            }
% endfor
            for (${I} j = lo; j < hi; ++j)
                to[j] = line[j - l${w}];
% endif
    }
% else:
    const ${I} at = get_global_id(0);
    if (at >= count)
        return;
    ${split(range(R))}
% if adjoint:
    ${copies()}
    ${store("total", "at")}
% else:
    ${source(R)}
    out[at] = inside ? x[xo + from] : (${X})value;
% endif
% endif
}
