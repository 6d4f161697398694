<%doc>
Cross entropy of scores x[lines, classes] against class indices target[lines], on processors: log_softmax and the
negative log-likelihood in one reading of a row, of which only its maximum and its sum of exponentials are kept. The
gradient reads the scores again. With label smoothing and weights as in loss.cl.

name       kernel name without its prefix
mode       "forward" or "backward"
A, X, xtag arithmetic type, storage type and tag of the scores and of the gradient; W: vector width
I          storage type of the targets; weighted: True where classes have weights; smooth: True for label smoothing
each       True where every line's loss is wanted (reduction "none"); mean: divide by the sum of weights
alone      True where one work-item takes all lines and needs no "finish" of loss.cl
</%doc>
<%namespace name="lanes" file="lanes.cl"/>
<%namespace name="memory" file="memory.cl"/>
<%
V = f"{A}{W}"
def load(p, at, w=1):
    return memory.module.load(p, at, xtag, X, A, w)
def store(p, value, at, w=1):
    return memory.module.store(p, at, value, xtag, X, A, w)
w = load("weight", "t") if weighted else f"(({A})1)"
%>
${memory.prefetch()}
% if mode == "forward":
% for what, join in (("sum", lambda a, b: f"{a} + {b}"), ("max", lambda a, b: f"{b} > {a} ? {b} : {a}")):
static inline ${A} ct_lanes_${what}(${V} v) {
    ${lanes.module.joined(A, "v", W, join)}
    return t0;
}
% endfor
% endif

// the last elements of a row, less than a vector of them; other lanes are those of classes that cannot be
static inline ${V} ct_rest(const __global ${X} *x, long from, int count) {
    ${A} t[${W}];
    for (int j = 0; j < ${W}; ++j) t[j] = -INFINITY;
    for (int j = 0; j < count; ++j) t[j] = ${load("x", "from + j")};
    return vload${W}(0, t);
}

__kernel void ct_${name}(long lines, long classes, long per_item, long ignore, ${A} smoothing,
                const __global ${X} *x, long xo, const __global ${I} *target
% if weighted:
                , const __global ${X} *weight, const __global ${A} *weight_sum
% endif
                , __global ${A} *norms
% if mode == "forward":
                , __global ${X if each or alone else A} *losses, __global ${A} *weights, int site,
                volatile __global int *note)
% else:
                , const __global ${X} *g, const __global ${A} *weights, __global ${X} *out)
% endif
{
    x += xo;
    const long first = (long)get_global_id(0) * per_item, last = min(lines, first + per_item);
    const long whole = classes / ${W} * ${W};
    const int rest = (int)(classes - whole);
% if mode == "forward":
    int faulty = 0;
    long wrong = 0;
    ${A} sum = 0, all = 0;
% endif
    for (long line = first; line < last; ++line) {
        const long at = line * classes, t = target[line];
        const int off = t == ignore, bad = !off && (t < 0 || t >= classes);
% if mode == "forward":
        ${A} loss = 0, heavy = 0, hi = 0, total = 1;
        // a class out of range must not read elsewhere; the result says that something is wrong, and it is noted
        if (bad) {
            loss = NAN;
            wrong = t;
            faulty = 1;
        } else if (!off) {
            const ${V} tail = ct_rest(x, at + whole, rest);
            // a comparison is three times as fast as fmax in PoCL; a NaN in v does not win, but spoils the sum
            ${V} hv = tail, tv = (${V})(0);
            for (long i = 0; i < whole; i += ${W}) {
                const ${V} v = ${load("x", "at + i", W)};
                hv = v > hv ? v : hv;
            }
            hi = ct_lanes_max(hv);
            for (long i = 0; i < whole; i += ${W}) {
                CT_PREFETCH(x + at + classes + i); // the next row, while this one is computed with
                tv += exp(${load("x", "at + i", W)} - hi);
            }
            if (rest) tv += exp(tail - hi);
            total = ct_lanes_sum(tv);
            const ${A} shift = log(total);
            heavy = ${w};
            // not hi + shift at once, which would lose digits of a large hi
            loss = -${"(1 - smoothing) * " if smooth else ""}heavy * ((${load("x", "at + t")} - hi) - shift);
% if smooth:
            ${V} sv = (${V})(0);
            ${A} spread = 0;
            for (long i = 0; i < whole; i += ${W})
                sv -= ((${load("x", "at + i", W)} - hi) - shift)${f" * {load('weight', 'i', W)}" if weighted else ""};
            for (long i = whole; i < classes; ++i)
                spread -= ((${load("x", "at + i")} - hi) - shift)${f" * {load('weight', 'i')}" if weighted else ""};
            loss += smoothing / classes * (spread + ct_lanes_sum(sv));
% endif
        }
        norms[2 * line] = hi;
        norms[2 * line + 1] = total;
% if each:
        ${store("losses", "loss", "line")}
% else:
        sum += loss;
        all += heavy;
% endif
% else:
        if (off) {
            for (long i = 0; i < classes; ++i) { ${store("out", f"(({A})0)", "at + i")} }
            continue;
        }
        const ${A} scale = bad ? (${A})NAN : ${load("g", "line" if each else "0")}${" / weights[0]" if mean else ""};
        // what the line's own class takes off, and the sum of its distribution
        ${A} hit = 0;
        if (!bad) hit = ${"(1 - smoothing) * " if smooth else ""}${w};
        const ${A} all = hit${f" + smoothing * {'weight_sum[0] / classes' if weighted else '1'}" if smooth else ""};
        const ${A} hi = norms[2 * line], share = scale * all / norms[2 * line + 1];
<%
def even(w, at):
    if not smooth:
        return ""
    return " - scale * smoothing / classes" + (f" * {load('weight', at, w)}" if weighted else "")
%>
        for (long i = 0; i < whole; i += ${W}) {
            CT_PREFETCH(x + at + classes + i);
            const ${V} r = exp(${load("x", "at + i", W)} - hi) * share${even(W, "i")};
            ${store("out", "r", "at + i", W)}
        }
        if (rest) {
            ${A} e[${W}];
            vstore${W}(exp(ct_rest(x, at + whole, rest) - hi), 0, e);
            for (int j = 0; j < rest; ++j) {
                const ${A} r = e[j] * share${even(1, "whole + j")};
                ${store("out", "r", "at + whole + j")}
            }
        }
        if (!bad) {
            const ${A} r = exp(${load("x", "at + t")} - hi) * share${even(1, "t")} - scale * hit;
            ${store("out", "r", "at + t")}
        }
% endif
    }
% if mode == "forward":
    if (faulty) ct_note(note, site, 0, wrong, classes);
% if alone:
    weights[0] = all;
    const ${A} r = ${"sum / all" if mean else "sum"};
    ${store("losses", "r", "0")}
% elif not each:
    losses[get_global_id(0)] = sum;
    weights[get_global_id(0)] = all;
% endif
% endif
}
