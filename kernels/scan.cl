<%doc>
Running totals along one dimension of x[outer, n, inner]: out[o, j, c] = x[o, 0, c] . x[o, 1, c] . … . x[o, j, c].

Operators (op) on states (v, s), where s is there only for the last three:
"sum", "prod"   addition, multiplication
"lse"           log(exp(a) + exp(b))
"max", "min"    s is the position: the last of equal extremes; the first NaN stays, a later NaN replaces its position
"rec"           out[j] = a[j - lag] * out[j - 1] + x[j] (the first a does not matter); s is the product of the a's

name      kernel name without its prefix
mode      "rows"    inner == 1, CPU devices: a work-item takes L lines (or parts) at a time, transposing blocks of L x L
          "columns" inner > 1, CPU devices: a work-item takes 4 W neighbouring columns
          "groups"  inner == 1, GPUs: a work-group takes one line (or part) in tiles of G elements
          "items"   inner > 1, GPUs: a work-item takes one column
phase     "whole" lines are not cut; else they are cut into ``parts`` of ``per`` elements (the last takes the rest):
          "totals" the state after every part, "final" the results, given those
reverse   True: from the last element to the first; lag: 0 or 1 (rec)
A, I      scalar type of the arithmetic, integer type of its size; X, xtag, T, otag: storage of x (and a), and of out
floating  True where NaN can occur; L, W, G: lanes, vector width, work-group size
</%doc>
<%namespace name="memory" file="memory.cl"/>
<%
second = op in ("max", "min", "rec")
position = op in ("max", "min")
S = I if position else A
sign = ">=" if op == "max" else "<="
lowest = {"int": "INT_MIN", "long": "LONG_MIN"}.get(A, "-INFINITY")
highest = {"int": "INT_MAX", "long": "LONG_MAX"}.get(A, "INFINITY")
identity = {"sum": "0", "prod": "1", "lse": "-INFINITY", "max": lowest, "min": highest, "rec": "0"}[op]
identity2 = "1" if op == "rec" else "0"
unit = mode in ("rows", "groups")
def num(w): return "" if w == 1 else str(w)
def load(p, w, at):
    return memory.module.load(p, at, xtag, X, A, w)
def store(w, value, at):
    if otag == "b8":
        value = f"({value} != 0)" if w == 1 else f"(({value} != 0) & 1)"
    return memory.module.store("out", at, value, otag, T, A, w)
def store_position(w, value, at):
    return f"indices[{at}] = {value};" if w == 1 else f"vstore{w}(convert_long{w}({value}), 0, indices + {at});"
def join(v, s, x, t, w):
    """The statements that put the state (x, t) behind (v, s)."""
    choose = (lambda c, a, b: f"({c}) ? {a} : {b}") if w == 1 else (lambda c, a, b: f"select({b}, {a}, {c})")
    V, M = f"{A}{num(w)}", "int" if w == 1 else f"{I}{w}"
    if op in ("sum", "prod"):
        return f"{v} {'+' if op == 'sum' else '*'}= {x};"
    if op == "lse":
        return f"{v} = ct_lse{num(w)}({v}, {x});"
    if op == "rec":
        # a product that overflowed must not turn a state of zero into NaN
        guard = choose(f"({v} == 0) & ({t} == {t})", f"({V})(0)", f"{t} * {v}")
        return f"{v} = {x} + ({guard}); {s} *= {t};"
    newer = f"({x} != {x}) | (({v} == {v}) & ({x} {sign} {v}))" if floating else f"{x} {sign} {v}"
    return f"{{ const {M} c = {newer}; {v} = {choose('c', x, v)}; {s} = {choose('c', t, s)}; }}"
%>
<%def name="lse(w)">
static inline ${A}${num(w)} ct_lse${num(w)}(${A}${num(w)} a, ${A}${num(w)} b) {
    const ${A}${num(w)} hi = ${"a > b ? a : b" if w == 1 else "select(b, a, a > b)"};
    const ${A}${num(w)} lo = ${"a > b ? b : a" if w == 1 else "select(a, b, a > b)"};
    // equal infinities must not be subtracted
    const ${A}${num(w)} d = ${"lo == hi ? 0 : lo - hi" if w == 1 else f"select(lo - hi, ({A}{w})(0), lo == hi)"};
    return hi + log1p(exp(d));
}
</%def>
## the state before a part: the identity, or the totals of the parts before it. ``to``: place of part 0's total
<%def name="start(v, s, w, part, to)">
% if phase == "final":
    for (long q = 0; q < ${part}; ++q) {
        const long from = ${to} + q * inner;
        const ${A}${num(w)} qv = ${"totals[from]" if w == 1 else f"vload{w}(0, totals + from)"};
% if second:
        const ${S}${num(w)} qs = ${"totals2[from]" if w == 1 else f"vload{w}(0, totals2 + from)"};
% endif
        ${join(v, s, "qv", "qs", w)}
    }
% endif
</%def>
<%def name="finish(v, s, w, to)">
% if phase == "totals":
    ${f"totals[{to}] = {v};" if w == 1 else f"vstore{w}({v}, 0, totals + {to});"}
% if second:
    ${f"totals2[{to}] = {s};" if w == 1 else f"vstore{w}({s}, 0, totals2 + {to});"}
% endif
% endif
</%def>
## one step at logical position j, for w neighbouring columns
<%def name="step(v, s, w, base, j)">
    const long at = ${base} + (${"n - 1 - " if reverse else ""}(${j}))${"" if unit else " * inner"};
    const ${A}${num(w)} x_ = ${load("x", w, "xo + at")};
% if op == "rec":
<% before = f"ao + at {'+' if reverse else '-'} {lag}{'' if unit else ' * inner'}" %>
    const ${A}${num(w)} t_ = ${j} == 0 ? (${A}${num(w)})(0) : ${load("a", w, before)};
% elif position:
    const ${S}${num(w)} t_ = (${S}${num(w)})(${j});
% endif
    ${join(v, s, "x_", "t_", w)}
% if phase != "totals":
    ${store(w, v, "at")}
% if position:
    ${store_position(w, s, "at")}
% endif
% endif
</%def>
% if op == "lse":
${lse(1)}
% if mode == "rows":
${lse(L)}
% elif mode == "columns":
${lse(W)}
% endif
% endif
__kernel
% if mode == "groups":
__attribute__((reqd_work_group_size(${G}, 1, 1)))
% endif
void ct_${name}(long outer, long n, long inner, long parts, long per, long per_item, const __global ${X} *x, long xo
% if op == "rec":
    , const __global ${X} *a, long ao
% endif
% if phase != "totals":
    , __global ${T} *out
% if position:
    , __global long *indices
% endif
% endif
% if phase != "whole":
    , __global ${A} *totals
% if second:
    , __global ${S} *totals2
% endif
% endif
)
{
% if mode == "rows":
    const long first = (long)get_global_id(0) * per_item, last = min(outer * parts, first + per_item);
    for (long u = first; u < last; u += ${L}) {
        const int lanes = (int)min(${L}L, last - u);
        ${A} v[${L}];
% if second:
        ${S} s[${L}];
% endif
        long base[${L}], begin[${L}], length[${L}];
        long common = n;
        for (int k = 0; k < lanes; ++k) {
            const long line = (u + k) / parts, part = (u + k) - line * parts;
            v[k] = ${identity};
% if second:
            s[k] = ${identity2};
% endif
            base[k] = line * n;
            begin[k] = part * per;
            length[k] = part == parts - 1 ? n - begin[k] : per;
            common = min(common, length[k]);
            ${start("v[k]", "s[k]", 1, "part", "line * parts")}
        }
        long done = 0;
        if (lanes == ${L} && common >= ${L + 1}) {
% if op == "rec":
            // the first element apart, so that a block never reaches in front of its line
            for (int k = 0; k < ${L}; ++k) {
                ${step("v[k]", "s[k]", 1, "base[k]", "begin[k]")}
            }
            done = 1;
% endif
            ${A}${L} V = vload${L}(0, v);
% if second:
            ${S}${L} Z = vload${L}(0, s);
% endif
            for (; done + ${L} <= common; done += ${L}) {
<% lane = (lambda c: L - 1 - c) if reverse else (lambda c: c) %>
% for k in range(L):
                const long at${k} = base[${k}] + ${f"n - {L} - " if reverse else ""}(begin[${k}] + done);
                const ${A}${L} r${k} = ${load("x", L, f"xo + at{k}")};
% if op == "rec":
                const ${A}${L} q${k} = ${load("a", L, f"ao + at{k} {'+' if reverse else '-'} {lag}")};
% endif
% endfor
% for c in range(L):
                ${A}${L} t${c} = (${A}${L})(${", ".join(f"r{k}.s{lane(c):x}" for k in range(L))});
% if op == "rec":
                const ${A}${L} m${c} = (${A}${L})(${", ".join(f"q{k}.s{lane(c):x}" for k in range(L))});
% elif position:
                ${S}${L} m${c} = (${S}${L})(${", ".join(f"begin[{k}]" for k in range(L))}) + (${S})(done + ${c});
% endif
                ${join("V", "Z", f"t{c}", f"m{c}", L)}
                t${c} = V;
% if position:
                m${c} = Z;
% endif
% endfor
% if phase != "totals":
% for k in range(L):
                {
                    const ${A}${L} w = (${A}${L})(${", ".join(f"t{lane(c)}.s{k:x}" for c in range(L))});
                    ${store(L, "w", f"at{k}")}
% if position:
                    const ${S}${L} z = (${S}${L})(${", ".join(f"m{lane(c)}.s{k:x}" for c in range(L))});
                    ${store_position(L, "z", f"at{k}")}
% endif
                }
% endfor
% endif
            }
            vstore${L}(V, 0, v);
% if second:
            vstore${L}(Z, 0, s);
% endif
        }
        for (int k = 0; k < lanes; ++k) {
            for (long i = done; i < length[k]; ++i) {
                ${step("v[k]", "s[k]", 1, "base[k]", "begin[k] + i")}
            }
            ${finish("v[k]", "s[k]", 1, "u + k")}
        }
    }
% elif mode == "columns":
    const long blocks = (inner + ${4 * W - 1}) / ${4 * W};
    const long first = (long)get_global_id(0) * per_item, last = min(outer * parts * blocks, first + per_item);
    for (long u = first; u < last; ++u) {
        const long cut = u / blocks, column = (u - cut * blocks) * ${4 * W};
        const long line = cut / parts, part = cut - line * parts;
        const long begin = part * per, end = part == parts - 1 ? n : begin + per;
        const long base = line * n * inner + column, to = line * parts * inner + column, mine = cut * inner + column;
        if (column + ${4 * W} <= inner) {
% for b in range(4):
            ${A}${W} v${b} = (${A}${W})(${identity});
% if second:
            ${S}${W} s${b} = (${S}${W})(${identity2});
% endif
            ${start(f"v{b}", f"s{b}", W, "part", f"to + {b * W}")}
% endfor
            for (long j = begin; j < end; ++j) {
% for b in range(4):
                { ${step(f"v{b}", f"s{b}", W, f"base + {b * W}", "j")} }
% endfor
            }
% for b in range(4):
            ${finish(f"v{b}", f"s{b}", W, f"mine + {b * W}")}
% endfor
        } else {
            for (long c = 0; c < inner - column; ++c) {
                ${A} v = ${identity};
% if second:
                ${S} s = ${identity2};
% endif
                ${start("v", "s", 1, "part", "to + c")}
                for (long j = begin; j < end; ++j) {
                    ${step("v", "s", 1, "base + c", "j")}
                }
                ${finish("v", "s", 1, "mine + c")}
            }
        }
    }
% elif mode == "items":
    const long id = get_global_id(0);
    if (id >= outer * parts * inner) return;
    const long cut = id / inner, c = id - cut * inner, line = cut / parts, part = cut - line * parts;
    const long begin = part * per, end = part == parts - 1 ? n : begin + per, base = line * n * inner + c;
    ${A} v = ${identity};
% if second:
    ${S} s = ${identity2};
% endif
    ${start("v", "s", 1, "part", "line * parts * inner + c")}
    for (long j = begin; j < end; ++j) {
        ${step("v", "s", 1, "base", "j")}
    }
    ${finish("v", "s", 1, "id")}
% else:
    __local ${A} lv[${G}];
% if second:
    __local ${S} ls[${G}];
% endif
    const long u = get_group_id(0), line = u / parts, part = u - line * parts;
    const long begin = part * per, end = part == parts - 1 ? n : begin + per, base = line * n;
    const int me = get_local_id(0);
    ${A} v = ${identity};
% if second:
    ${S} s = ${identity2};
% endif
    ${start("v", "s", 1, "part", "line * parts")}
    for (long tile = begin; tile < end; tile += ${G}) {
        const long j = tile + me, at = base + ${"n - 1 - j" if reverse else "j"};
        // the states of single elements, joined over distances 1, 2, 4, …
        ${A} x_ = ${identity};
% if second:
        ${S} t_ = ${identity2};
% endif
        if (j < end) {
            x_ = ${load("x", 1, "xo + at")};
% if op == "rec":
            t_ = j == 0 ? 0 : ${load("a", 1, f"ao + at {'+' if reverse else '-'} {lag}")};
% elif position:
            t_ = j;
% endif
        }
        for (int d = 1; d < ${G}; d *= 2) {
            lv[me] = x_;
% if second:
            ls[me] = t_;
% endif
            barrier(CLK_LOCAL_MEM_FENCE);
            if (me >= d) {
                ${A} ev = lv[me - d];
% if second:
                ${S} es = ls[me - d];
% endif
                ${join("ev", "es", "x_", "t_", 1)}
                x_ = ev;
% if second:
                t_ = es;
% endif
            }
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        lv[me] = x_;
% if second:
        ls[me] = t_;
% endif
        barrier(CLK_LOCAL_MEM_FENCE);
        ${A} ev = v;
% if second:
        ${S} es = s;
% endif
        ${join("ev", "es", "x_", "t_", 1)}
% if phase != "totals":
        if (j < end) {
            ${store(1, "ev", "at")}
% if position:
            indices[at] = es;
% endif
        }
% endif
        {
            const ${A} lx = lv[${G - 1}];
% if second:
            const ${S} lt = ls[${G - 1}];
% endif
            ${join("v", "s", "lx", "lt", 1)}
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (me == 0) {
        ${finish("v", "s", 1, "u")}
    }
% endif
}
