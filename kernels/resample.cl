<%doc>
Resampling along one dimension: (outer, n, inner) -> (outer, m, inner), out[j] = the sum of weight[j][k] x[start[j] + k].

name      kernel name without its prefix
mode      "items": one output per work-item, striding (GPUs); CPUs: "lines" of the last dimension (inner = 1), or
          "rows", inner elements side by side as vectors
single    whether every sum has exactly one term of weight one: a copy
X, xtag   storage type and tag of x; Y, ytag of out; A type of sums and weights; W elements of a vector
rounded   whether out is an unsigned byte, to be rounded and clamped
whole     whether weights are whole numbers in units of 2 to the power of -bits, and A is int
</%doc>
<%
def load(at, w=""):
    if xtag in ("f16", "bf16"):
        return f"ct_load_{xtag}{'_' + str(w) if w else ''}(x, {at})"
    return f"convert_{A}{w}(vload{w}(0, x + {at}))" if w else f"({A})x[{at}]"
half = "1 << bits >> 1" if whole else "0"
def add(weight, value):
    return f"sum += {weight} * {value};" if whole else f"sum = fma({weight}, {value}, sum);"
def store(value, at, w=""):
    if ytag in ("f16", "bf16"):
        return f"ct_store_{ytag}{'_' + str(w) if w else ''}({value}, out, {at});"
    if whole:
        value = f"convert_{Y}{w}_sat({value} >> bits)"
    elif rounded:
        value = f"convert_{Y}{w}_sat(rint({value}))"
    return f"vstore{w}({value}, 0, out + {at});" if w else f"out[{at}] = {value};"
%>
__kernel void ct_${name}(const long outer, const int n, const int m, const long inner, const long per_item,
                         const int width, const int bits, const __global int *start, const __global int *count,
                         const __global ${A} *weight, const __global ${X} *x, const long xo, __global ${Y} *out)
{
% if mode == "items":
    const long total = outer * m * inner;
    for (long at = get_global_id(0); at < total; at += get_global_size(0)) {
        const long row = at / inner, o = row / m;
        const int j = (int)(row - o * m);
        const long from = xo + (o * n + start[j]) * inner + (at - row * inner);
% if single:
        const ${A} sum = ${load("from")};
% else:
        const __global ${A} *w = weight + (long)j * width;
        const int taps = count[j];
        ${A} sum = ${half};
        for (int k = 0; k < taps; ++k)
            ${add("w[k]", load("from + k * inner"))}
% endif
        ${store("sum", "at")}
    }
% elif mode == "lines":
    const long first = (long)get_global_id(0) * per_item, last = min(outer, first + per_item);
    for (long o = first; o < last; ++o) {
        const long from = xo + o * n, to = o * m;
        for (int j = 0; j < m; ++j) {
            const int s = start[j];
% if single:
            const ${A} sum = ${load("from + s")};
% else:
            const __global ${A} *w = weight + (long)j * width;
            const int taps = count[j];
            ${A} sum = ${half};
            for (int k = 0; k < taps; ++k)
                ${add("w[k]", load("from + s + k"))}
% endif
            ${store("sum", "to + j")}
        }
    }
% else:
    const long rows = outer * m;
    const long first = (long)get_global_id(0) * per_item, last = min(rows, first + per_item);
    for (long row = first; row < last; ++row) {
        const long o = row / m;
        const int j = (int)(row - o * m);
        const long from = xo + (o * n + start[j]) * inner, to = row * inner;
        const __global ${A} *w = weight + (long)j * width;
        const int taps = count[j];
        long c = 0;
% for v in (W, ""):
        for (; c ${f"+ {W} <= inner" if v else "< inner"}; c += ${v or 1}) {
% if single:
            const ${A}${v} sum = ${load("from + c", v)};
% else:
            ${A}${v} sum = ${half};
            for (int k = 0; k < taps; ++k)
                ${add(f"({A}{v})w[k]", load("from + c + k * inner", v))}
% endif
            ${store("sum", "to + c", v)}
        }
% endfor
    }
% endif
}
