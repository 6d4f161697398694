<%doc>
gather and scatter along one dimension: element (line, j) of the index tensor names a place in the same line of x.

name     kernel name without its prefix
mode     "gather" out = x[place]; "assign", "add", "multiply", "amax", "amin": x[place] = combine(x[place], v)
R        number of dimensions of a line's coordinates (the indexed one apart)
X, xtag  storage type and tag; A: arithmetic type
Lines never share a place, and each is walked in order: results are the same bits every time.
</%doc>
<%
def load(p, at):
    return f"ct_load_{xtag}({p}, {at})" if xtag in ("f16", "bf16") else f"({A}){p}[{at}]"
def store(p, value, at):
    return f"ct_store_{xtag}({value}, {p}, {at});" if xtag in ("f16", "bf16") else f"{p}[{at}] = {value};"
join = {"add": "a + b", "multiply": "a * b", "amax": "(a > b || a != a) ? a : b", "amin": "(a < b || a != a) ? a : b"}.get(mode)
%>
__kernel void ct_${name}(long lines, long length, long per_item, long size, long xs, long is, long vs,
                         __global ${X} *x, long xo, const __global long *index, long io, __global ${X} *v, long vo, __global int *fault
% for r in range(R):
    , long d${r}, long xs${r}, long is${r}, long vs${r}
% endfor
)
{
    const long first = (long)get_global_id(0) * per_item, last = min(lines, first + per_item);
    for (long line = first; line < last; ++line) {
        long xb = xo, ib = io, vb = vo, rest = line;
% for r in range(R - 1, -1, -1):
        {
            const long q = rest / d${r}, at = rest - q * d${r};
            rest = q;
            xb += at * xs${r};
            ib += at * is${r};
            vb += at * vs${r};
        }
% endfor
        for (long j = 0; j < length; ++j) {
            const long raw = index[ib + j * is];
            const long at = raw < 0 ? raw + size : raw;
            if (at < 0 || at >= size) {
                fault[0] = 1;
% if mode == "gather":
                ${store("v", "0", "vb + j * vs")}
% endif
                continue;
            }
% if mode == "gather":
            v[vb + j * vs] = x[xb + at * xs];
% elif mode == "assign":
            x[xb + at * xs] = v[vb + j * vs];
% else:
            const ${A} a = ${load("x", "xb + at * xs")}, b = ${load("v", "vb + j * vs")};
            ${store("x", f"({join})", "xb + at * xs")}
% endif
        }
    }
}
