<%doc>
Find the position of the largest or smallest element over the reduced dimension of x[kept, reduced] (any strides).

name     kernel name without its prefix; less: True for the smallest
X, xtag  storage type and tag; A: type in which values are compared; floating: True where NaN can occur
V        vector width of the contiguous path; gpu: True for one work-item per row whatever its length
values   True where the value is written too (T, otag are x's own)
The first of equal elements wins; NaN wins over everything, the first NaN over later ones.
</%doc>
<%
def load(at):
    if xtag in ("f16", "bf16"):
        return f"ct_load_{xtag}(x, {at})"
    return f"({A})x[{at}]"
better = "<" if less else ">"
%>
__kernel void ct_${name}(long kept, long reduced, long per_item, long ks, long rs, const __global ${X} *x, long xo,
                         __global long *out${f", __global {X} *value" if values else ""})
{
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(kept, first + per_item);
    for (long k = first; k < last; ++k) {
        const long base = xo + k * ks;
        ${A} best = ${load("base")};
        long at = 0;
        // blocks whose best element cannot win are passed over without looking for its place
        long r = 1;
        for (; r + 64 <= reduced; r += 64) {
            int hit = 0;
            for (int j = 0; j < 64; ++j) {
                const ${A} v = ${load("base + (r + j) * rs")};
                hit |= ${f"(v {better} best) | (v != v)" if floating else f"v {better} best"};
            }
            if (hit)
                for (int j = 0; j < 64; ++j) {
                    const ${A} v = ${load("base + (r + j) * rs")};
                    if (${f"best == best && (v {better} best || v != v)" if floating else f"v {better} best"}) { best = v; at = r + j; }
                }
        }
        for (; r < reduced; ++r) {
            const ${A} v = ${load("base + r * rs")};
            if (${f"best == best && (v {better} best || v != v)" if floating else f"v {better} best"}) { best = v; at = r; }
        }
        out[k] = at;
% if values:
        value[k] = x[base + at * rs];
% endif
    }
}
