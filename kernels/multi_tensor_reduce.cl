<%doc>
Reduce the elements of many tensors to one number, or to one for each: partial results by a table of entries, then
their combination.

mode         "partial": entries (row, elements, position) of a table to one number each; "finish": those to the result;
             "each": to a result for every tensor, whose parts two numbers of the table bound
T            tensors per launch (partial); tag, ctype: dtype and storage type of the tensors, or of the result (finish)
A, W         type of the accumulator, vector width
what         norm (sum of powers), square, abs, count, max, min, bad (1 where any element is not finite)
groups       0 where a work-item has an entry alone (CPU), else the size of the work-groups that share it (GPU)
</%doc>
<%
half = tag in ("f16", "bf16")
CASES = 64  # of a switch: Mesa 22.3 makes conditions within one another of it, and forgets those behind the 80th
def load(w):
    n = "" if w == 1 else f"_{w}"
    v = "" if w == 1 else str(w)
    if half: value, source = f"ct_load_{tag}{n}(x, at + i)", "float"
    else: value, source = ("x[at + i]" if w == 1 else f"vload{w}(0, x + at + i)"), ctype
    return value if source == A else f"convert_{A}{v}({value})"
identity = {"max": "0", "bad": "0", "min": "INFINITY"}.get(what, "0")
%>
<%def name="functions(w)">
<% v = "" if w == 1 else str(w); V = A + v %>
static inline ${V} ct_map${v}(${V} x, ${V} p) {
% if what == "square":
    return x * x;
% elif what == "norm":
    return ${f"ct_pow_{V}" if A == "double" and "double_lanes" in caps.quirks else "pow"}(fabs(x), p);
% elif what == "count":
    return ${"x != 0 ? 1 : 0" if w == 1 else f"select(({V})(1), ({V})(0), x == ({V})(0))"};
% elif what == "bad":
    return ${"x - x != 0 ? 1 : 0" if w == 1 else f"select(({V})(0), ({V})(1), x - x != ({V})(0))"};
% else:
    return fabs(x);
% endif
}
static inline ${V} ct_join${v}(${V} a, ${V} b) {
% if what in ("max", "bad", "min"):
<% sign = "<" if what == "min" else ">" %>
    return ${f"a {sign} b || a != a ? a : b" if w == 1 else f"select(b, a, (a {sign} b) | (a != a))"};
% else:
    return a + b;
% endif
}
</%def>
${functions(1)}
% if mode == "partial":
${functions(W)}
% endif
<%def name="gather()">
% if groups:
    __local ${A} lanes[${groups}];
    const int me = (int)get_local_id(0);
    lanes[me] = acc;
    for (int step = ${groups // 2}; step > 0; step /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me < step)
            lanes[me] = ct_join(lanes[me], lanes[me + step]);
    }
    if (me != 0)
        return;
    acc = lanes[0];
% endif
</%def>
% if mode == "partial":
__kernel void ct_partial(
    const __global long *table, long first, __global ${A} *out, ${A} p
% for t in range(T):
    , const __global ${ctype} *b${t}
% endfor
)
{
    const long mine = first + (long)get_group_id(0);
    const __global long *entry = table + mine * 3;
    const __global ${ctype} *x = b0;
% for low in range(0, T, CASES):
    ${f"if ((int)entry[0] >= {low}) " if low else ""}switch ((int)entry[0]) {
% for t in range(max(low, 1), min(T, low + CASES)):
    case ${t}: x = b${t}; break;
% endfor
    default: break;
    }
% endfor
    const long n = entry[1], at = entry[2];
    const ${A}${W} many = (${A}${W})(p);
    ${A}${W} a0 = (${A}${W})(${identity}), a1 = a0;
    const long step = ${f"(long)get_local_size(0) * {W}" if groups else W};
    long i = ${f"(long)get_local_id(0) * {W}" if groups else "0"};
    for (; i + step + ${W} <= n; i += 2 * step) {
        a0 = ct_join${W}(a0, ct_map${W}(${load(W)}, many));
        i += step;
        a1 = ct_join${W}(a1, ct_map${W}(${load(W)}, many));
        i -= step;
    }
    for (; i + ${W} <= n; i += step)
        a0 = ct_join${W}(a0, ct_map${W}(${load(W)}, many));
    a0 = ct_join${W}(a0, a1);
    ${A} parts[${W}];
    vstore${W}(a0, 0, parts);
    ${A} acc = parts[0];
    for (int j = 1; j < ${W}; ++j)
        acc = ct_join(acc, parts[j]);
    for (const long stop = min(n, i + ${W}); i < stop; ++i)
        acc = ct_join(acc, ct_map(${load(1)}, p));
${gather()}
    out[mine] = acc;
}
% else:
% if mode == "each":
__kernel void ct_finish(const __global ${A} *parts, const __global long *table, long at, __global ${ctype} *out) {
    const long here = get_group_id(0);
    const long first = table[at + 2 * here], n = table[at + 2 * here + 1];
% else:
__kernel void ct_finish(const __global ${A} *parts, long n, __global ${ctype} *out, ${A} p) {
    const long here = 0, first = 0;
% endif
    ${A} acc = ${identity};
    for (long i = first + ${"(long)get_local_id(0)" if groups else "0"}; i < n; i += ${groups or 1})
        acc = ct_join(acc, parts[i]);
${gather()}
% if what == "square":
    acc = sqrt(acc);
% elif what == "norm":
    acc = pow(acc, 1 / p);
% endif
% if half:
    ct_store_${tag}(acc, out, here);
% else:
    out[here] = ${"acc" if ctype == A else f"convert_{ctype}(acc)"};
% endif
}
% endif
