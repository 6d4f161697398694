<%doc>
softmax and log_softmax of x[outer, n, inner] over n, forward and backward. A line is one (outer, inner) pair.

name       kernel name without its prefix
backward   False: out = softmax(x).  True: out = gradient from (y = the result, x = the incoming gradient)
logarithm  log_softmax instead of softmax
mode       "lines"   inner == 1: a work-item takes lines, vectors run along them
           "columns" a work-item takes blocks of W neighbouring lines, a lane each
           "items"   GPU: a work-item per line
           "groups"  GPU: a work-group per line, maximum and sum by trees in local memory
large      whether x is larger than the caches
W, A, M    vector width, accumulation type, mask type of its size; G: work-group size
X, xtag    storage type and tag of x, y and out
</%doc>
<%namespace name="lanes" file="lanes.cl"/>
<%namespace name="memory" file="memory.cl"/>
<%
def load(p, w, at):
    return memory.module.load(p, at, xtag, X, A, w)
def store(w, value, at):
    return memory.module.store("out", at, value, xtag, X, A, w)
streamed = large and logarithm and memory.module.whole_line(xtag, X, W)  # results that are written once
keep = X == A and not logarithm  # exponentials wait in out, where it can hold them, instead of being computed twice
def larger(a, b):
    # three times as fast as fmax in PoCL; a NaN in b does not win, but spoils the sum
    return f"({b} > {a} ? {b} : {a})"
def highest(w):
    target, kind = ("hi", A) if w == 1 else ("hv", f"{A}{W}")
    return f"const {kind} v = {load('x', w, 'at + i')}; {target} = {larger(target, 'v')};"
# what every element adds to the sum
def term(w, at):
    if not backward:
        return f"exp({load('x', w, at)} - hi)"
    return load("x", w, at) if logarithm else f"{load('x', w, at)} * {load('y', w, at)}"
def result(w, at):
    if backward:
        if logarithm:
            return f"{load('x', w, at)} - exp({load('y', w, at)}) * total"
        return f"{load('y', w, at)} * ({load('x', w, at)} - total)"
    if logarithm:
        return f"({load('x', w, at)} - hi) - shift"  # not hi + shift at once, which would lose digits of a large hi
    if keep:
        return f"out[{at}] * scale" if w == 1 else f"vload{w}(0, out + {at}) * scale"
    return f"exp({load('x', w, at)} - hi) * scale"
%>
## what the results of a line need beside the sum
<%def name="after_sum(V)">
% if not backward:
% if logarithm:
            const ${V} shift = log(total);
% else:
            const ${V} scale = (${V})(1) / total;
% endif
% endif
</%def>
## one line, or w of them side by side, from element ``at`` with a step of ``inner``
<%def name="line(w)">
<%
V = A if w == 1 else f"{A}{w}"
at = "at + i * inner"
%>
% if not backward:
            ${V} hi = (${V})(-INFINITY);
            for (long i = 0; i < n; ++i) {
                const ${V} v = ${load("x", w, at)};
                hi = ${larger("hi", "v")};
            }
% endif
            // a line of -inf alone gives NaN, as exp(-inf + inf) does
            ${V} total = (${V})(0);
            for (long i = 0; i < n; ++i) {
                const ${V} e = ${term(w, at)};
                total += e;
% if keep and not backward:
                ${store(w, "e", at)}
% endif
            }
            ${after_sum(V)}
            for (long i = 0; i < n; ++i) {
                const ${V} r = ${result(w, at)};
                ${store(w, "r", at)}
            }
</%def>
% if mode == "lines":
${memory.prefetch()}
${memory.streams([X] if streamed else [], W)}
% for what, join in (("sum", lambda a, b: f"{a} + {b}"), ("max", larger)):
static inline ${A} ct_${what}_lanes(${A}${W} v) {
    ${lanes.module.joined(A, "v", W, join)}
    return t0;
}
% endfor
% endif
## a body that runs along a line by vectors, then by elements
<%def name="along(body)">
        for (long i = 0; i < whole; i += ${W}) { ${body(W)} }
        for (long i = whole; i < n; ++i) { ${body(1)} }
</%def>
<%def name="tree(value, join)">
    scratch[lid] = ${value};
    for (int s = ${G // 2}; s > 0; s /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lid < s) scratch[lid] = ${join("scratch[lid]", "scratch[lid + s]")};
    }
    barrier(CLK_LOCAL_MEM_FENCE);
</%def>
% if mode == "groups":
__kernel __attribute__((reqd_work_group_size(${G}, 1, 1)))
% else:
__kernel
% endif
void ct_${name}(long outer, long n, long inner, long per_item, const __global ${X} *x, long xo
% if backward:
    , const __global ${X} *y, long yo
% endif
    , __global ${X} *out)
{
    x += xo;
% if backward:
    y += yo;
% endif
% if mode == "columns":
    const long blocks = (inner + ${W - 1}) / ${W};
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(outer * blocks, first + per_item);
    for (long u = first; u < last; ++u) {
        const long row = u / blocks, column = (u - row * blocks) * ${W};
        long at = row * n * inner + column;
        if (column + ${W} <= inner) {
            ${line(W)}
        } else {
            for (long c = column; c < inner; ++c, ++at) {
                ${line(1)}
            }
        }
    }
% elif mode == "items":
    for (long l = get_global_id(0); l < outer * inner; l += get_global_size(0)) {
        const long at = l / inner * n * inner + l % inner;
        ${line(1)}
    }
% elif mode == "groups":
    __local ${A} scratch[${G}];
    const int lid = get_local_id(0);
    const long l = get_group_id(0), at = l / inner * n * inner + l % inner;
% if not backward:
    ${A} part = -INFINITY;
    for (long i = lid; i < n; i += ${G}) {
        const ${A} v = ${load("x", 1, "at + i * inner")};
        part = ${larger("part", "v")};
    }
    ${tree("part", larger)}
    const ${A} hi = scratch[0];
    barrier(CLK_LOCAL_MEM_FENCE);
% endif
    ${A} sum = 0;
    for (long i = lid; i < n; i += ${G}) {
        const ${A} e = ${term(1, "at + i * inner")};
        sum += e;
% if keep and not backward:
        ${store(1, "e", "at + i * inner")}
% endif
    }
    ${tree("sum", lambda a, b: f"{a} + {b}")}
    const ${A} total = scratch[0];
    ${after_sum(A)}
    for (long i = lid; i < n; i += ${G}) {
        const ${A} r = ${result(1, "at + i * inner")};
        ${store(1, "r", "at + i * inner")}
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
        ${along(highest)}
        if (whole) {
            const ${A} v = ct_max_lanes(hv);
            hi = ${larger("hi", "v")};
        }
% endif
        ${A}${W} tv = (${A}${W})(0);
        ${A} total = 0;
<%
def add(w):
    target, kind = ("total", A) if w == 1 else ("tv", f"{A}{W}")
    kept = store(w, "e", "at + i") if keep and not backward else ""
    return f"const {kind} e = {term(w, 'at + i')}; {target} += e; {kept}"
def write(w):
    put = memory.module.store_line("out", "at + i", "r", X) if streamed and w > 1 else store(w, "r", "at + i")
    return f"const {A if w == 1 else f'{A}{W}'} r = {result(w, 'at + i')}; {put}"
%>
% if backward:
        ${along(add)}
% else:
        for (long i = 0; i < whole; i += ${W}) {
% if large:
            CT_PREFETCH(x + at + n + i); // the next line, while this one is computed with; behind the last one is no harm
% endif
            ${add(W)}
        }
        // the rest, too, by a vector: exp of single elements would take longer than all the others
        if (n < ${W}) {
            for (long i = 0; i < n; ++i) { ${add(1)} }
        } else if (whole < n) {
            const long i = n - ${W};
            const ${A}${W} e = ${term(W, "at + i")};
            ${store(W, "e", "at + i") if keep else ""}
            const ${M}${W} lane = (${M}${W})(${", ".join(str(j) for j in range(W))});
            tv += select((${A}${W})(0), e, lane >= (${M}${W})((${M})(whole - i)));
        }
% endif
        if (whole) total += ct_sum_lanes(tv);
        ${after_sum(A)}
        for (long i = 0; i < whole; i += ${W}) { ${write(W)} }
% if keep and not backward:
        for (long i = whole; i < n; ++i) { ${write(1)} }
% else:
        if (n < ${W}) {
            for (long i = 0; i < n; ++i) { ${write(1)} }
        } else if (whole < n) {
            const long i = n - ${W};
            ${write(W)}
        }
% endif
    }
% if streamed:
    CT_STREAMED();
% endif
% endif
}
