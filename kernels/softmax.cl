<%doc>
softmax and log_softmax of x[outer, n, inner] over n, forward and backward, one work-item per line or block of lines.

name       kernel name without its prefix
backward   False: out = softmax(x).  True: out = gradient from (y = the result, x = the incoming gradient)
logarithm  log_softmax instead of softmax
W, A, M    vector width, accumulation type, mask type of its size
X, xtag    storage type and tag of x and y; T, otag: of out
columns    True: a work-item takes W neighbouring lines (inner > 1), False: one line (inner == 1)
</%doc>
<%
def load(p, w, at, tag=None, ctype=None):
    tag, ctype = tag or xtag, ctype or X
    n = "" if w == 1 else str(w)
    if tag in ("f16", "bf16"):
        v = f"ct_load_{tag}{'_' + n if n else ''}({p}, {at})"
        return v if A == "float" else f"convert_{A}{n}({v})"
    v = f"{p}[{at}]" if w == 1 else f"vload{n}(0, {p} + {at})"
    return v if ctype == A else f"convert_{A}{n}({v})"
def store(w, value, at):
    n = "" if w == 1 else str(w)
    if otag in ("f16", "bf16"):
        return f"ct_store_{otag}{'_' + n if n else ''}({value if A == 'float' else f'convert_float{n}({value})'}, out, {at});"
    v = value if T == A else f"convert_{T}{n}({value})"
    return f"out[{at}] = {v};" if w == 1 else f"vstore{n}({v}, 0, out + {at});"
%>
<%def name="line(w, step)">
<%
V = A if w == 1 else f"{A}{w}"
at = f"at + i * {step}"
%>
% if not backward:
            ${V} hi = (${V})(-INFINITY);
            for (long i = 0; i < n; ++i)
                hi = fmax(hi, ${load("x", w, at)});
            // a line of -inf alone must give NaN, as exp(-inf + inf) does
            ${V} total = (${V})(0);
            for (long i = 0; i < n; ++i)
                total += exp(${load("x", w, at)} - hi);
% if logarithm:
            const ${V} shift = hi + log(total);
            for (long i = 0; i < n; ++i) {
                const ${V} r = ${load("x", w, at)} - shift;
                ${store(w, "r", at)}
            }
% else:
            const ${V} scale = (${V})(1) / total;
            for (long i = 0; i < n; ++i) {
                const ${V} r = exp(${load("x", w, at)} - hi) * scale;
                ${store(w, "r", at)}
            }
% endif
% else:
            ${V} total = (${V})(0);
            for (long i = 0; i < n; ++i)
                total += ${load("x", w, at)}${"" if logarithm else f" * {load('y', w, at)}"};
            for (long i = 0; i < n; ++i) {
% if logarithm:
                const ${V} r = ${load("x", w, at)} - exp(${load("y", w, at)}) * total;
% else:
                const ${V} r = ${load("y", w, at)} * (${load("x", w, at)} - total);
% endif
                ${store(w, "r", at)}
            }
% endif
</%def>
% if not columns:
inline ${A} ct_add_lanes(${A}${W} v) {
    ${A} t[${W}];
    vstore${W}(v, 0, t);
    for (int s = ${W // 2}; s > 0; s /= 2)
        for (int j = 0; j < s; ++j) t[j] += t[j + s];
    return t[0];
}
inline ${A} ct_max_lanes(${A}${W} v) {
    ${A} t[${W}];
    vstore${W}(v, 0, t);
    for (int s = ${W // 2}; s > 0; s /= 2)
        for (int j = 0; j < s; ++j) t[j] = fmax(t[j], t[j + s]);
    return t[0];
}
% endif
__kernel void ct_${name}(long outer, long n, long inner, long per_item, const __global ${X} *x, long xo
% if backward:
    , const __global ${X} *y, long yo
% endif
    , __global ${T} *out)
{
    x += xo;
% if backward:
    y += yo;
% endif
% if columns:
    const long blocks = (inner + ${W - 1}) / ${W};
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(outer * blocks, first + per_item);
    for (long u = first; u < last; ++u) {
        const long row = u / blocks, column = (u - row * blocks) * ${W};
        long at = row * n * inner + column;
        if (column + ${W} <= inner) {
${line(W, "inner")}
        } else {
            for (long c = column; c < inner; ++c, ++at) {
${line(1, "inner")}
            }
        }
    }
% else:
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(outer, first + per_item);
    const long whole = n / ${W} * ${W};
    for (long row = first; row < last; ++row) {
        const long at = row * n;
% if not backward:
        ${A}${W} hv = (${A}${W})(-INFINITY);
        ${A} hi = -INFINITY;
        for (long i = 0; i < whole; i += ${W}) hv = fmax(hv, ${load("x", W, "at + i")});
        for (long i = whole; i < n; ++i) hi = fmax(hi, ${load("x", 1, "at + i")});
        if (whole) hi = fmax(hi, ct_max_lanes(hv));
        ${A}${W} tv = (${A}${W})(0);
        ${A} total = 0;
% if logarithm:
        for (long i = 0; i < whole; i += ${W}) tv += exp(${load("x", W, "at + i")} - hi);
        for (long i = whole; i < n; ++i) total += exp(${load("x", 1, "at + i")} - hi);
        const ${A} shift = hi + log(total + (whole ? ct_add_lanes(tv) : 0));
        for (long i = 0; i < whole; i += ${W}) {
            const ${A}${W} r = ${load("x", W, "at + i")} - shift;
            ${store(W, "r", "at + i")}
        }
        for (long i = whole; i < n; ++i) {
            const ${A} r = ${load("x", 1, "at + i")} - shift;
            ${store(1, "r", "at + i")}
        }
% else:
        for (long i = 0; i < whole; i += ${W}) tv += exp(${load("x", W, "at + i")} - hi);
        for (long i = whole; i < n; ++i) total += exp(${load("x", 1, "at + i")} - hi);
        const ${A} scale = 1 / (total + (whole ? ct_add_lanes(tv) : 0));
        for (long i = 0; i < whole; i += ${W}) {
            const ${A}${W} r = exp(${load("x", W, "at + i")} - hi) * scale;
            ${store(W, "r", "at + i")}
        }
        for (long i = whole; i < n; ++i) {
            const ${A} r = exp(${load("x", 1, "at + i")} - hi) * scale;
            ${store(1, "r", "at + i")}
        }
% endif
% else:
        ${A}${W} tv = (${A}${W})(0);
        ${A} total = 0;
        for (long i = 0; i < whole; i += ${W}) tv += ${load("x", W, "at + i")}${"" if logarithm else f" * {load('y', W, 'at + i')}"};
        for (long i = whole; i < n; ++i) total += ${load("x", 1, "at + i")}${"" if logarithm else f" * {load('y', 1, 'at + i')}"};
        if (whole) total += ct_add_lanes(tv);
        for (long i = 0; i < whole; i += ${W}) {
% if logarithm:
            const ${A}${W} r = ${load("x", W, "at + i")} - exp(${load("y", W, "at + i")}) * total;
% else:
            const ${A}${W} r = ${load("y", W, "at + i")} * (${load("x", W, "at + i")} - total);
% endif
            ${store(W, "r", "at + i")}
        }
        for (long i = whole; i < n; ++i) {
% if logarithm:
            const ${A} r = ${load("x", 1, "at + i")} - exp(${load("y", 1, "at + i")}) * total;
% else:
            const ${A} r = ${load("y", 1, "at + i")} * (${load("x", 1, "at + i")} - total);
% endif
            ${store(1, "r", "at + i")}
        }
% endif
    }
% endif
}
