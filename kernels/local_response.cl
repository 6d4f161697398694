<%doc>
Normalise every element of x[n, channels, inner] by the squares of the channels around it: local response norm.

With d = k + scale * (sum of x² over ``before`` channels in front, its own and ``behind`` ones after it):

stage     "forward"  out = x / d^beta; with ``keep`` the powers d^beta are kept for the gradient
          "ratio"    out = g x / d^(beta + 1), by which a channel moves those around it; in the type of the arithmetic
          "backward" out = g / d^beta - 2 scale beta x (sum of the ratios of the channels that look at this one)
variant   "cpu": one work-item per stretch of rows of ``inner`` elements, vectors along a row;  "gpu": one per element
A         type of the arithmetic;  W: vector width
X, xtag   storage type and tag of x, g and out
</%doc>
<%namespace name="memory" file="memory.cl"/>
<%
def load(w, p, at):
    return memory.module.load(p, at, xtag, X, w=w)
def vec(w):
    return A if w == 1 else f"{A}{w}"
def power(w):
    return f"ct_pow_{vec(w)}" if A == "double" and "double_lanes" in caps.quirks else "pow"
%>
## d of the elements from ``at`` on, ``w`` of them
<%def name="base(w)">
            ${vec(w)} sum = 0;
            for (int j = -first_before; j <= last_behind; ++j) {
                const ${vec(w)} near = ${load(w, "x", "x_off + at + j * inner")};
                sum = fma(near, near, sum);
            }
            const ${vec(w)} d = k + scale * sum;
</%def>
<%def name="element(w)">
            const ${vec(w)} own = ${load(w, "x", "x_off + at")};
% if stage == "forward":
            ${base(w)}
% if w > 1 and A == "float":
            // built-in functions of vectors: exp and log of 16 numbers take a third of the time of pow
            ${vec(w)} p;
            if (beta == 0 || any(d <= 0)) p = pow(d, (${vec(w)})(beta));
            else p = exp(beta * log(d));
% else:
            const ${vec(w)} p = ${power(w)}(d, (${vec(w)})(beta));
% endif
            ${memory.module.store("out", "at", "own / p", xtag, X, w=w)}
            if (keep) { ${memory.module.store("power", "at", "p", "", A, w=w)} }
% else:
            const ${vec(w)} p = ${memory.module.load("power", "at", "", A, w=w)}, slope = ${load(w, "g", "g_off + at")};
% if stage == "ratio":
            ${base(w)}
            ${memory.module.store("out", "at", "slope * own / (p * d)", "", A, w=w)}
% else:
            ${vec(w)} around = 0;
            for (int j = -first_behind; j <= last_before; ++j)
                around += ${memory.module.load("ratio", "at + j * inner", "", A, w=w)};
            ${memory.module.store("out", "at", "slope / p - 2 * scale * beta * own * around", xtag, X, w=w)}
% endif
% endif
</%def>
<%def name="reach()">
        // windows end with the channels
        const long c = r % channels;
        const int first_before = min((long)before, c), last_behind = min((long)behind, channels - 1 - c);
% if stage == "backward":
        const int first_behind = min((long)behind, c), last_before = min((long)before, channels - 1 - c);
% endif
</%def>
__kernel void ct_local_response_${stage}(
    long rows, long channels, long inner, long per_item, int before, int behind, const __global ${X} *x, long x_off,
    __global ${A if stage == "ratio" else X} *out, __global ${A} *power, ${A} scale, ${A} beta, ${A} k
% if stage == "forward":
    , int keep
% else:
    , const __global ${X} *g, long g_off
% endif
% if stage == "backward":
    , const __global ${A} *ratio
% endif
    )
{
% if variant == "cpu":
    const long begin = (long)get_global_id(0) * per_item, end = min(rows, begin + per_item);
    for (long r = begin; r < end; ++r) {
        ${reach()}
        long i = 0;
        for (; i + ${W} <= inner; i += ${W}) {
            const long at = r * inner + i;
            ${element(W)}
        }
        for (; i < inner; ++i) {
            const long at = r * inner + i;
            ${element(1)}
        }
    }
% else:
    const long at = get_global_id(0), r = at / inner;
    if (r < rows) {
        ${reach()}
        ${element(1)}
    }
% endif
}
