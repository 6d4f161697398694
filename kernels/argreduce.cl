<%doc>
Positions of the largest or smallest elements over some dimensions. The position counts the reduced elements in their
logical order. The first of equal elements wins; NaN wins over everything, the first NaN over later ones.

The reduced range may be cut into ``parts``: values and positions then go to buffers of [kept, parts], in mode "columns"
of [parts, kept], which a launch of mode "join" puts together.

name      kernel name without its prefix; less: True for the smallest
mode      "rows"    one work-item per (kept index, part): blocks of vectors that hold nothing better are passed over
          "columns" one work-item per (run of kept columns, part)
          "groups"  GPU: one work-group per (kept index, part), a tree in local memory
          "items"   GPU: one work-item per (kept index, part)
          "join"    x and its positions are the parts' winners
X, xtag   storage type and tag; A, M: type in which values are compared, its mask type; W: vector width
floating  True where NaN can occur; values: True where values are written too
KR, RR    number of kept and reduced dimensions; G: work-group size
RUN       columns that have room, of which ``run`` are used; LINES: rows that are read together (columns)
</%doc>
<%namespace name="places" file="reduce_places.cl"/>
<%namespace name="memory" file="memory.cl"/>
<%
def load(at, w=1): return memory.module.load("x", at, xtag, X, A, w)
def store(value, at): return memory.module.store("best_out", at, value, xtag, X)
sign = "<" if less else ">"
def better(v, best):
    # NaN beats all but another NaN
    return f"(({v} {sign} {best}) | (({v} != {v}) & ({best} == {best})))" if floating else f"({v} {sign} {best})"
%>
<%def name="place(p)">
            long at = base;
            ${places.reduced_place(p)}
</%def>
## compare the elements of ``lines`` rows, from the p-th reduced one on, with the extremes of their columns
<%def name="improve(lines)">
        {
            const ${M} since = (${M})(p - start);
% for r in range(lines):
            long at${r};
            { ${place(f"(p + {r})")} at${r} = at; }
% endfor
            int j = 0;
            for (; j + ${W} <= n; j += ${W}) {
                ${A}${W} best = bests[j / ${W}];
                ${M}${W} where = places[j / ${W}];
% for r in range(lines):
                {
                    const ${A}${W} v = ${load(f"at{r} + j", W)};
                    const ${M}${W} c = ${better("v", "best")};
                    best = select(best, v, c);
                    where = select(where, (${M}${W})(since + ${r}), c);
                }
% endfor
                bests[j / ${W}] = best;
                places[j / ${W}] = where;
            }
            for (; j < n; ++j) {
% for r in range(lines):
                {
                    const ${A} v = ${load(f"at{r} + j")}, best = ((${A} *)bests)[j];
                    if (${better("v", "best")}) { ((${A} *)bests)[j] = v; ((${M} *)places)[j] = since + ${r}; }
                }
% endfor
            }
        }
</%def>
<%def name="result(at)">
% if values:
        ${store("best", at)}
% endif
        out[${at}] = where;
</%def>
% if mode == "join":
__kernel void ct_${name}(long kept, long parts, long kept_step, long part_step, const __global ${X} *x,
                         const __global long *places, __global long *out
% if values:
                         , __global ${X} *best_out
% endif
)
{
    for (long k = get_global_id(0); k < kept; k += get_global_size(0)) {
        long at = k * kept_step;
        ${A} best = ${load("at")};
        long where = places[at];
        for (long p = 1; p < parts; ++p) {
            at += part_step;
            const ${A} v = ${load("at")};
            if (${better("v", "best")}) { best = v; where = places[at]; }
        }
        ${result("k")}
    }
}
% else:
% if mode == "rows":
<% same = "((v == *best) | ((v != v) & (*best != *best)))" if floating else "(v == *best)" %>
// The extreme of a run of at least ${W} neighbours: every lane keeps its own and its place, the lanes meet at the end.
static inline void ct_scan(const __global ${X} *x, long at, long n, ${A} *best, long *where) {
    const ${M}${W} lane = (${M}${W})(${", ".join(str(j) for j in range(W))});
    ${A}${W} b0 = ${load("at", W)}, b1 = b0;
    ${M}${W} w0 = lane, w1 = lane;
    long i = ${W};
    for (; i + ${2 * W} <= n; i += ${2 * W}) {
        const ${A}${W} v0 = ${load("at + i", W)}, v1 = ${load(f"at + i + {W}", W)};
        const ${M}${W} c0 = ${better("v0", "b0")}, c1 = ${better("v1", "b1")};
        b0 = select(b0, v0, c0);
        w0 = select(w0, lane + (${M})i, c0);
        b1 = select(b1, v1, c1);
        w1 = select(w1, lane + (${M})(i + ${W}), c1);
    }
    ${A} values[${2 * W}];
    ${M} places[${2 * W}];
    vstore${W}(b0, 0, values);
    vstore${W}(b1, 1, values);
    vstore${W}(w0, 0, places);
    vstore${W}(w1, 1, places);
    *best = values[0];
    *where = places[0];
    for (int j = 1; j < ${2 * W}; ++j) {
        const ${A} v = values[j];
        if (${better("v", "*best")} || (${same} && places[j] < *where)) { *best = v; *where = places[j]; }
    }
    for (; i < n; ++i) {
        const ${A} v = ${load("at + i")};
        if (${better("v", "*best")}) { *best = v; *where = i; }
    }
}
% endif
__kernel
% if mode == "groups":
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
    , const __global ${X} *x, long xo, __global long *out${f", __global {X} *best_out" if values else ""})
{
% if mode == "columns":
    // The extremes of a run of columns and their places stay in the first cache while stretches of several rows are read.
    const long width = kd${KR - 1}, blocks = (width + run - 1) / run, outer = kept / width;
    const long first = (long)get_global_id(0) * per_item, last = min(outer * blocks * parts, first + per_item);
    ${A}${W} bests[${RUN // W}];
    ${M}${W} places[${RUN // W}];
    for (long u = first; u < last; ++u) {
        const long part = u / (outer * blocks), v = u - part * (outer * blocks);
        const long row = v / blocks, column = (v - row * blocks) * run;
        ${places.kept_base("row", 1)}
        base += column;
        const long start = part * per_part, end = min(reduced, start + per_part);
        const long target = part * kept + row * width + column;
        const int n = (int)min(run, width - column);
        {
            ${place("start")}
            int j = 0;
            for (; j + ${W} <= n; j += ${W}) bests[j / ${W}] = ${load("at + j", W)};
            for (; j < n; ++j) ((${A} *)bests)[j] = ${load("at + j")};
            for (j = 0; j < n; j += ${W}) places[j / ${W}] = (${M}${W})(0);
        }
        long p = start + 1;
        for (; p + ${LINES} <= end; p += ${LINES}) ${improve(LINES)}
        for (; p < end; ++p) ${improve(1)}
        for (int j = 0; j < n; ++j) {
% if values:
            ${store(f"(({A} *)bests)[j]", "target + j")}
% endif
            out[target + j] = start + ((${M} *)places)[j];
        }
    }
% elif mode == "groups":
    __local ${A} bests[${G}];
    __local long places[${G}];
    const int lid = get_local_id(0);
    const long u = get_group_id(0), k = u / parts, part = u - k * parts;
    ${places.kept_base("k", 0)}
    const long start = part * per_part, end = min(reduced, start + per_part);
    // items beyond a short range repeat its last element
    long where = min(start + lid, end - 1);
    ${A} best;
    { ${place("where")} best = ${load("at")}; }
    for (long p = start + lid + ${G}; p < end; p += ${G}) {
        ${place("p")}
        const ${A} v = ${load("at")};
        if (${better("v", "best")}) { best = v; where = p; }
    }
    bests[lid] = best;
    places[lid] = where;
    for (int step = ${G // 2}; step > 0; step /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lid < step) {
            const ${A} v = bests[lid + step];
            const long w = places[lid + step];
            best = bests[lid];
            where = places[lid];
            const int same = ${"(v == best) | ((v != v) & (best != best))" if floating else "v == best"};
            if (${better("v", "best")} || (same && w < where)) { bests[lid] = v; places[lid] = w; }
        }
    }
    if (lid == 0) {
        best = bests[0];
        where = places[0];
        ${result("u")}
    }
% else:
% if mode == "rows":
    const long first = (long)get_global_id(0) * per_item, last = min(kept * parts, first + per_item);
    for (long u = first; u < last; ++u) {
% else:
    for (long u = get_global_id(0); u < kept * parts; u += get_global_size(0)) {
% endif
        const long k = parts == 1 ? u : u / parts, part = u - k * parts;
        ${places.kept_base("k", 0)}
        const long start = part * per_part, end = min(reduced, start + per_part);
        long where = start;
        ${A} best;
        { ${place("start")} best = ${load("at")}; }
        for (long p = start; p < end;) {
            // a run along the last reduced dimension
            ${place("p")}
            const long stop = ${"end" if RR == 1 else f"min(end, p + rd{RR - 1} - p % rd{RR - 1})"};
% if mode == "rows":
            if (rs${RR - 1} == 1)
                while (p + ${4 * W} <= stop) {
                    const long n = min(stop - p, 1L << 30);
                    ${A} v;
                    long w;
                    ct_scan(x, at, n, &v, &w);
                    if (${better("v", "best")}) { best = v; where = p + w; }
                    p += n;
                    at += n;
                }
% endif
            for (; p < stop; ++p, at += rs${RR - 1}) {
                const ${A} v = ${load("at")};
                if (${better("v", "best")}) { best = v; where = p; }
            }
        }
        ${result("u")}
    }
% endif
}
% endif
