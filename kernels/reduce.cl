<%doc>
Reduce over some dimensions: out[k] = finish(combine over r of map(x[k, r], aux[k])).

Kept and reduced dimensions are each coalesced to at most KR and RR dimensions with run-time sizes and strides; the
reduced ones are walked as one linear range that may be cut into ``parts`` for parallelism (partial results go to a
buffer of [parts, kept] or [kept, parts] that a second launch reduces).

name      kernel name without its prefix
mode      "rows"    one work-item per (kept index, part), vectors along the reduced dimension where it is contiguous
          "columns" one work-item per (block of kept columns, part), vectors along the kept dimension
          "groups"  one work-group per (kept index, part), a tree in local memory (GPU)
W, A, M   vector width, scalar accumulation type, mask type of its size
X, xtag   storage type of the input and its tag; T, otag: storage type of the output and its tag
map, combine, finish   (statements, result text, is mask) each; identity: text of a scalar
aux       True where map reads a value per kept index (buffer of A, laid out [kept])
params, P number of parameters and their type; unit: True where the reduced dimension is contiguous
KR, RR    how many kept and reduced dimensions; G: work-group size (groups)
</%doc>
<%
wide = f"{A}{W}"
def load(w, at):
    n = "" if w == 1 else str(w)
    if xtag in ("f16", "bf16"):
        v = f"ct_load_{xtag}{'_' + n if n else ''}(x, {at})"
        return v if A == "float" else f"convert_{A}{n}({v})"
    v = f"x[{at}]" if w == 1 else f"vload{n}(0, x + {at})"
    return v if X == A else f"convert_{A}{n}({v})"
def store(value, at):
    if otag in ("f16", "bf16"):
        return f"ct_store_{otag}({value if A == 'float' else f'convert_float({value})'}, out, {at});"
    if otag == "b8":
        return f"out[{at}] = ({value}) != 0;"
    return f"out[{at}] = {value};" if T == A else f"out[{at}] = convert_{T}({value});"
plist = "".join(f", {A} p{k}" for k in range(params))
pargs = "".join(f", p{k}" for k in range(params))
%>
<%def name="functions(w)">
<%
t = A if w == 1 else f"{A}{w}"
s = "" if w == 1 else "v"
pl = "".join(f", {t} p{k}" for k in range(params))
def value(part):
    return f"SEL({part[1]}, ((V)(1)), ((V)(0)))" if part[2] else part[1]
%>
#define V ${t}
#define M ${"int" if w == 1 else M + str(w)}
% if w == 1:
#define SEL(c, a, b) ((c) ? (a) : (b))
% else:
#define SEL(c, a, b) select(b, a, c)
% endif
inline V ct_map${s}(V x0, V x1${pl}) {
% for line in map[0]:
    ${line}
% endfor
    return ${value(map)};
}
inline V ct_combine${s}(V x0, V x1) {
% for line in combine[0]:
    ${line}
% endfor
    return ${value(combine)};
}
% if w == 1:
inline V ct_finish(V x0${pl}) {
% for line in finish[0]:
    ${line}
% endfor
    return ${value(finish)};
}
% endif
#undef V
#undef M
#undef SEL
</%def>
${functions(1)}
${functions(W)}
% if mode != "columns":
inline ${A} ct_run(const __global ${X} *x, long at, long stride, long n, ${A} acc, ${A} aux_value${plist}) {
    // four vector accumulators hide the latency of the combining instruction and keep sums accurate
    long i = 0;
% if unit:
    if (n >= ${W}) {
        ${wide} a0 = (${wide})(${identity}), a1 = a0, a2 = a0, a3 = a0;
        const ${wide} q = (${wide})(aux_value);
% for k in range(params):
        const ${wide} v${k} = (${wide})(p${k});
% endfor
<% vargs = "".join(f", v{k}" for k in range(params)) %>
        for (; i + ${4 * W} <= n; i += ${4 * W}) {
            a0 = ct_combinev(a0, ct_mapv(${load(W, "at + i")}, q${vargs}));
            a1 = ct_combinev(a1, ct_mapv(${load(W, f"at + i + {W}")}, q${vargs}));
            a2 = ct_combinev(a2, ct_mapv(${load(W, f"at + i + {2 * W}")}, q${vargs}));
            a3 = ct_combinev(a3, ct_mapv(${load(W, f"at + i + {3 * W}")}, q${vargs}));
        }
        for (; i + ${W} <= n; i += ${W})
            a0 = ct_combinev(a0, ct_mapv(${load(W, "at + i")}, q${vargs}));
        a0 = ct_combinev(ct_combinev(a0, a1), ct_combinev(a2, a3));
        ${A} lanes[${W}];
        vstore${W}(a0, 0, lanes);
        for (int step = ${W // 2}; step > 0; step /= 2)
            for (int j = 0; j < step; ++j)
                lanes[j] = ct_combine(lanes[j], lanes[j + step]);
        acc = ct_combine(acc, lanes[0]);
    }
% endif
    for (; i < n; ++i)
        acc = ct_combine(acc, ct_map(${load(1, "at + i" + ("" if unit else " * stride"))}, aux_value${pargs}));
    return acc;
}
% endif
__kernel
% if mode == "groups":
__attribute__((reqd_work_group_size(${G}, 1, 1)))
% endif
void ct_${name}(
    long kept, long reduced, long parts, long per_part, long per_item
% for r in range(KR):
    , long kd${r}, long ks${r}
% endfor
% for r in range(RR):
    , long rd${r}, long rs${r}
% endfor
    , const __global ${X} *x, long xo
% if aux:
    , const __global ${A} *aux
% endif
    , __global ${T} *out, long oo
% for k in range(params):
    , ${P} q${k}
% endfor
)
{
% for k in range(params):
    const ${A} p${k} = (${A})q${k};
% endfor
% if mode == "rows":
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(kept * parts, first + per_item);
    for (long u = first; u < last; ++u) {
        const long k = u / parts, part = u - k * parts;
% elif mode == "groups":
    __local ${A} tree[${G}];
    {
        const long u = get_group_id(0);
        const long k = u / parts, part = u - k * parts;
% else:
    const long blocks = (kd${KR - 1} + ${4 * W - 1}) / ${4 * W};
    const long outer = kept / kd${KR - 1};
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(outer * blocks * parts, first + per_item);
    for (long u = first; u < last; ++u) {
        const long part = u / (outer * blocks), v = u - part * (outer * blocks);
        const long row = v / blocks, column = (v - row * blocks) * ${4 * W};
% endif
        long base = xo;
        {
            long rest = ${"row" if mode == "columns" else "k"};
% for r in range(KR - (2 if mode == "columns" else 1), -1, -1):
            {
                const long q = rest / kd${r};
                base += (rest - q * kd${r}) * ks${r};
                rest = q;
            }
% endfor
        }
        long p = part * per_part;
        const long end = min(reduced, p + per_part);
% if mode == "columns":
        const long width = kd${KR - 1};
        const long target = oo + part * kept + row * width + column;
        if (column + ${4 * W} <= width) {
            ${wide} a0 = (${wide})(${identity}), a1 = a0, a2 = a0, a3 = a0;
% for j in range(4):
            const ${wide} q${"abcd"[j]} = ${f"vload{W}(0, aux + row * width + column + {j * W})" if aux else f"({wide})(0)"};
% endfor
% for k in range(params):
            const ${wide} v${k} = (${wide})(p${k});
% endfor
<% vargs = "".join(f", v{k}" for k in range(params)) %>
            for (; p < end; ++p) {
                long at = base + column;
                long rest = p;
% for r in range(RR - 1, 0, -1):
                { const long q = rest / rd${r}; at += (rest - q * rd${r}) * rs${r}; rest = q; }
% endfor
                at += rest * rs0;
% for j in range(4):
                a${j} = ct_combinev(a${j}, ct_mapv(${load(W, f"at + {j * W}")}, q${"abcd"[j]}${vargs}));
% endfor
            }
            ${A} lanes[${4 * W}];
% for j in range(4):
            vstore${W}(a${j}, ${j}, lanes);
% endfor
            for (int j = 0; j < ${4 * W}; ++j) {
                const ${A} r = ct_finish(lanes[j]${pargs});
                ${store("r", "target + j")}
            }
        } else {
            for (long c = column; c < width; ++c) {
                ${A} acc = ${identity};
                const ${A} q = ${"aux[row * width + c]" if aux else "0"};
                for (long s = p; s < end; ++s) {
                    long at = base + c;
                    long rest = s;
% for r in range(RR - 1, 0, -1):
                    { const long t = rest / rd${r}; at += (rest - t * rd${r}) * rs${r}; rest = t; }
% endfor
                    at += rest * rs0;
                    acc = ct_combine(acc, ct_map(${load(1, "at")}, q${pargs}));
                }
                const ${A} r = ct_finish(acc${pargs});
                ${store("r", "target + (c - column)")}
            }
        }
    }
% else:
        const ${A} aux_value = ${"aux[k]" if aux else "0"};
        ${A} acc = ${identity};
% if mode == "groups":
        for (p += get_local_id(0); p < end; p += ${G}) {
            long rest = p, at = base;
% for r in range(RR - 1, 0, -1):
            { const long q = rest / rd${r}; at += (rest - q * rd${r}) * rs${r}; rest = q; }
% endfor
            at += rest * rs0;
            acc = ct_combine(acc, ct_map(${load(1, "at")}, aux_value${pargs}));
        }
        tree[get_local_id(0)] = acc;
        for (int step = ${G // 2}; step > 0; step /= 2) {
            barrier(CLK_LOCAL_MEM_FENCE);
            if (get_local_id(0) < step)
                tree[get_local_id(0)] = ct_combine(tree[get_local_id(0)], tree[get_local_id(0) + step]);
        }
        if (get_local_id(0) == 0) {
            const ${A} r = ct_finish(tree[0]${pargs});
            ${store("r", "oo + k * parts + part")}
        }
    }
% else:
        while (p < end) {
            const long run = p / rd${RR - 1}, start = p - run * rd${RR - 1};
            const long n = min(rd${RR - 1} - start, end - p);
            long rest = run, at = base + start * rs${RR - 1};
% for r in range(RR - 2, 0, -1):
            { const long q = rest / rd${r}; at += (rest - q * rd${r}) * rs${r}; rest = q; }
% endfor
% if RR > 1:
            at += rest * rs0;
% endif
            acc = ct_run(x, at, rs${RR - 1}, n, acc, aux_value${pargs});
            p += n;
        }
        const ${A} r = ct_finish(acc${pargs});
        ${store("r", "oo + k * parts + part")}
    }
% endif
% endif
}
