<%doc>
Reduce over some dimensions: out[k] = finish(combine over r of map(x[k, r], aux[k]), aux[k]).

Kept and reduced dimensions are each coalesced to KR and RR dimensions with run-time sizes and strides; the reduced ones
are walked as one linear range that may be cut into ``parts`` for parallelism. Partial results go to a buffer of
[kept, parts], in the column modes of [parts, kept], that a second launch reduces. Long ranges are combined in blocks,
so that the error of a sum grows with the number of blocks and the length of one, not with their product.

name      kernel name without its prefix
mode      "rows"    one work-item per (kept index, part), vectors along the reduced dimension where it is contiguous
          "columns" one work-item per (run of kept columns, part), vectors along the kept dimension
          "groups"  GPU: one work-group per (kept index, part), a tree in local memory
          "group_columns" GPU: one work-group per (TX kept columns, part), neighbours read neighbouring columns
          "items"   GPU: one work-item per kept index, for short ranges
W         vector width; A, M: type of accumulators, its mask type; B, N: type in which map computes, its mask type
X, xtag   storage type of the input and its tag; T, otag: storage type of the output and its tag
map, combine, finish   (statements, result text, is mask) each; identity: text of a scalar
aux       True where map and finish read a value per kept index (buffer of A, laid out [kept])
I         type in which GPUs count the reduced elements
params, P number of parameters and their type; unit: True where the reduced dimension is contiguous
KR, RR    how many kept and reduced dimensions; G: work-group size; TX: columns per work-group (group_columns)
RUN       columns that have room, of which ``run`` are used; LINES: rows that are read together (columns)
streams   runs that are read at the same time, one or more (rows)
ahead     how many elements ahead of a run memory is asked for; 0 for not at all (rows)
</%doc>
<%namespace name="lanes" file="lanes.cl"/>
<%namespace name="memory" file="memory.cl"/>
<%namespace name="places" file="reduce_places.cl"/>
<%
wide = f"{A}{W}"
def load(w, at):
    return memory.module.load("x", at, xtag, X, B, w)
def store(value, at):
    if otag == "b8":
        return f"out[{at}] = ({value}) != 0;"
    return memory.module.store("out", at, value, otag, T, A)
plist = "".join(f", {A} p{k}" for k in range(params))
pargs = "".join(f", p{k}" for k in range(params))
vargs = "".join(f", v{k}" for k in range(params))
%>
<%def name="functions(w)">
<%
n = "" if w == 1 else str(w)
s = "" if w == 1 else "v"
pl = "".join(f", {A}{n} p{k}" for k in range(params))
def value(part):
    return f"SEL({part[1]}, ((V)(1)), ((V)(0)))" if part[2] else part[1]
mask = (lambda t: "int") if w == 1 else (lambda t: t + n)
%>
% if w == 1:
#define SEL(c, a, b) ((c) ? (a) : (b))
% else:
#define SEL(c, a, b) select(b, a, c)
% endif
#define V ${B}${n}
#define M ${mask(N)}
static inline ${A}${n} ct_map${s}(V x0, ${A}${n} x1${pl}) {
% for line in map[0]:
    ${line}
% endfor
    return ${value(map) if A == B else f"convert_{A}{n}({value(map)})"};
}
#undef V
#undef M
#define V ${A}${n}
#define M ${mask(M)}
static inline V ct_combine${s}(V x0, V x1) {
% for line in combine[0]:
    ${line}
% endfor
    return ${value(combine)};
}
% if w == 1:
static inline V ct_finish(V x0, V x1${pl}) {
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
% if ahead:
${memory.prefetch()}
% endif
${functions(1)}
% if mode in ("rows", "columns"):
${functions(W)}
% endif
% if mode == "rows":
## the elements of ``rows`` runs of one length, each combined in the order in which it is combined alone
<%def name="run(rows)">
<%
name = "ct_run" if rows == 1 else "ct_runs"
each = range(rows)
%>
static inline void ${name}(const __global ${X} *x, const long *at, long stride, long n, ${A} *acc, const ${A} *aux_value${plist}) {
    long i = 0;
% if unit:
    if (n >= ${W}) {
        // four vector accumulators hide the latency of the combining instruction
% for r in each:
        ${wide} sum${r} = (${wide})(${identity});
        const ${wide} q${r} = (${wide})(aux_value[${r}]);
% endfor
% for k in range(params):
        const ${wide} v${k} = (${wide})(p${k});
% endfor
        while (i + ${4 * W} <= n) {
            const long stop = min(n, i + ${128 * 4 * W});
% for r in each:
            ${wide} ${", ".join(f"a{r}_{j} = (({wide})({identity}))" for j in range(4))};
% endfor
            for (; i + ${4 * W} <= stop; i += ${4 * W}) {
% for r in each:
% for j in range(4):
% if ahead and rows == 1:
                CT_PREFETCH(x + at[0] + i + ${ahead + j * W});
% endif
                a${r}_${j} = ct_combinev(a${r}_${j}, ct_mapv(${load(W, f"at[{r}] + i + {j * W}")}, q${r}${vargs}));
% endfor
% endfor
            }
% for r in each:
            sum${r} = ct_combinev(sum${r}, ct_combinev(ct_combinev(a${r}_0, a${r}_1), ct_combinev(a${r}_2, a${r}_3)));
% endfor
        }
        for (; i + ${W} <= n; i += ${W}) {
% for r in each:
            sum${r} = ct_combinev(sum${r}, ct_mapv(${load(W, f"at[{r}] + i")}, q${r}${vargs}));
% endfor
        }
% for r in each:
        {
            ${lanes.module.joined(A, f"sum{r}", W, lambda a, b: f"ct_combine({a}, {b})")}
            acc[${r}] = ct_combine(acc[${r}], t0);
        }
% endfor
    }
% endif
    while (i < n) {
        const long stop = min(n, i + 512), begin = i;
        for (int r = 0; r < ${rows}; ++r) {
            ${A} a = ${identity};
            for (i = begin; i < stop; ++i)
                a = ct_combine(a, ct_map(${load(1, "at[r] + i" + ("" if unit else " * stride"))}, aux_value[r]${pargs}));
            acc[r] = ct_combine(acc[r], a);
        }
    }
}
</%def>
${run(1)}
% if streams > 1:
${run(streams)}
% endif
% endif
## combine the elements of ``lines`` rows, from the p-th reduced one on, with those of each column
<%def name="combine_rows(lines)">
            {
% for r in range(lines):
                long at${r} = base;
                ${places.reduced_place(f"(p + {r})", f"at{r}")}
% endfor
                int j = 0;
                for (; j + ${W} <= n; j += ${W}) {
                    ${wide} a = sums[j / ${W}];
                    const ${wide} q = ${f"vload{W}(0, aux + k + j)" if aux else f"({wide})(0)"};
% for r in range(lines):
                    a = ct_combinev(a, ct_mapv(${load(W, f"at{r} + j")}, q${vargs}));
% endfor
                    sums[j / ${W}] = a;
                }
                for (; j < n; ++j) {
                    ${A} a = ((${A} *)sums)[j];
                    const ${A} q = ${"aux[k + j]" if aux else "0"};
% for r in range(lines):
                    a = ct_combine(a, ct_map(${load(1, f"at{r} + j")}, q${pargs}));
% endfor
                    ((${A} *)sums)[j] = a;
                }
            }
</%def>
__kernel
% if mode in ("groups", "group_columns"):
__attribute__((reqd_work_group_size(${G}, 1, 1)))
% endif
void ct_${name}(
    long kept, long reduced, long parts, long per_part, long per_item
% if mode == "columns":
    , long run
% endif
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
% if streams > 1:
        // Several runs at once, where they are of one length: a core fetches more from memory by several streams than by
        // one. What remains is done alone, with the same result.
        if (u + ${streams} <= last && (parts == 1 || reduced % per_part == 0 || u % parts + ${streams} < parts)) {
            long at[${streams}];
            ${A} acc[${streams}], given[${streams}];
            for (int r = 0; r < ${streams}; ++r) {
                const long k = parts == 1 ? u + r : (u + r) / parts, part = u + r - k * parts;
                ${places.kept_base("k", 0)}
                at[r] = base + part * per_part * rs0;
                acc[r] = ${identity};
                given[r] = ${"aux[k]" if aux else "0"};
            }
            ct_runs(x, at, rs0, min(reduced, per_part), acc, given${pargs});
            for (int r = 0; r < ${streams}; ++r) {
                const ${A} r1 = ct_finish(acc[r], given[r]${pargs});
                ${store("r1", "oo + u + r")}
            }
            u += ${streams - 1};
            continue;
        }
% endif
        const long k = parts == 1 ? u : u / parts, part = u - k * parts;
        ${places.kept_base("k", 0)}
        long p = part * per_part;
        const long end = min(reduced, p + per_part);
        ${A} acc = ${identity};
        const ${A} given = ${"aux[k]" if aux else "0"};
% if RR == 1:
        const long at = base + p * rs0;
        ct_run(x, &at, rs0, end - p, &acc, &given${pargs});
% else:
        while (p < end) {
            const long run = p / rd${RR - 1}, start = p - run * rd${RR - 1};
            const long n = min(rd${RR - 1} - start, end - p);
            long rest = run, at = base + start * rs${RR - 1};
% for r in range(RR - 2, 0, -1):
            { const long q = rest / rd${r}; at += (rest - q * rd${r}) * rs${r}; rest = q; }
% endfor
            at += rest * rs0;
            ct_run(x, &at, rs${RR - 1}, n, &acc, &given${pargs});
            p += n;
        }
% endif
        const ${A} r = ct_finish(acc, given${pargs});
        ${store("r", "oo + u")}
    }
% elif mode == "items":
    for (long k = get_global_id(0); k < kept; k += get_global_size(0)) {
        ${places.kept_base("k", 0)}
        ${A} acc = ${identity};
        for (long p = 0; p < reduced; ++p) {
            long at = base;
            ${places.reduced_place("p", I=I)}
            acc = ct_combine(acc, ct_map(${load(1, "at")}, ${"aux[k]" if aux else "0"}${pargs}));
        }
        const ${A} r = ct_finish(acc, ${"aux[k]" if aux else "0"}${pargs});
        ${store("r", "oo + k")}
    }
% elif mode == "groups":
    __local ${A} tree[${G}];
    const int lid = get_local_id(0);
    const long u = get_group_id(0);
    const long k = u / parts, part = u - k * parts;
    ${places.kept_base("k", 0)}
    const long end = min(reduced, (part + 1) * per_part);
    ${A} acc = ${identity};
    for (long p = part * per_part + lid; p < end; p += ${G}) {
        long at = base;
        ${places.reduced_place("p", I=I)}
        acc = ct_combine(acc, ct_map(${load(1, "at")}, ${"aux[k]" if aux else "0"}${pargs}));
    }
    tree[lid] = acc;
    for (int step = ${G // 2}; step > 0; step /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lid < step) tree[lid] = ct_combine(tree[lid], tree[lid + step]);
    }
    if (lid == 0) {
        const ${A} r = ct_finish(tree[0], ${"aux[k]" if aux else "0"}${pargs});
        ${store("r", "oo + u")}
    }
% elif mode == "group_columns":
    __local ${A} tree[${G}];
    const int lid = get_local_id(0), tx = lid % ${TX}, ty = lid / ${TX};
    const long width = kd${KR - 1}, blocks = (width + ${TX - 1}) / ${TX}, outer = kept / width;
    const long u = get_group_id(0), part = u / (outer * blocks), v = u - part * (outer * blocks);
    const long row = v / blocks, column = (v - row * blocks) * ${TX} + tx, k = row * width + column;
    ${places.kept_base("row", 1)}
    const long end = min(reduced, (part + 1) * per_part);
    ${A} acc = ${identity};
    if (column < width)
        for (long p = part * per_part + ty; p < end; p += ${G // TX}) {
            long at = base + column;
            ${places.reduced_place("p", I=I)}
            acc = ct_combine(acc, ct_map(${load(1, "at")}, ${"aux[k]" if aux else "0"}${pargs}));
        }
    tree[lid] = acc;
    for (int step = ${G // 2}; step >= ${TX}; step /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lid < step) tree[lid] = ct_combine(tree[lid], tree[lid + step]);
    }
    if (ty == 0 && column < width) {
        const ${A} r = ct_finish(tree[lid], ${"aux[k]" if aux else "0"}${pargs});
        ${store("r", "oo + part * kept + k")}
    }
% else:
    // The values of a run of columns stay in the first cache while stretches of several rows are read: a few hundred
    // bytes of each row would leave most of a page unread, and its entry in the TLB would be gone by the next visit.
    const long width = kd${KR - 1}, blocks = (width + run - 1) / run, outer = kept / width;
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(outer * blocks * parts, first + per_item);
    ${wide} sums[${RUN // W}], totals[${RUN // W}];
% for k in range(params):
    const ${wide} v${k} = (${wide})(p${k});
% endfor
    for (long u = first; u < last; ++u) {
        const long part = u / (outer * blocks), v = u - part * (outer * blocks);
        const long row = v / blocks, column = (v - row * blocks) * run;
        ${places.kept_base("row", 1)}
        base += column;
        const long begin = part * per_part, end = min(reduced, begin + per_part);
        const long k = row * width + column, target = oo + part * kept + k;
        const int n = (int)min(run, width - column), vectors = (n + ${W - 1}) / ${W};
        const bool several = end - begin > 256;
        if (several)
            for (int j = 0; j < vectors; ++j) totals[j] = (${wide})(${identity});
        long p = begin;
        do {
            const long stop = min(end, p + 256);
            for (int j = 0; j < vectors; ++j) sums[j] = (${wide})(${identity});
            for (; p + ${LINES} <= stop; p += ${LINES}) ${combine_rows(LINES)}
            for (; p < stop; ++p) ${combine_rows(1)}
            if (several)
                for (int j = 0; j < vectors; ++j) totals[j] = ct_combinev(totals[j], sums[j]);
        } while (p < end);
        const ${A} *found = (const ${A} *)(several ? totals : sums);
        for (int j = 0; j < n; ++j) {
            const ${A} r = ct_finish(found[j], ${"aux[k + j]" if aux else "0"}${pargs});
            ${store("r", "target + j")}
        }
    }
% endif
}
