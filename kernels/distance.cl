<%doc>
Distances between all pairs of rows of x1[batch, rows, columns] and x2[batch, others, columns], all dense.

name       kernel name without its prefix
mode       "forward"   out[batch, rows, others], the p-norms of the differences
           "backward"  out[batch, rows, columns], the sum over the other rows of weight[batch, row, other] times the
                       derivative of the difference's terms; rs and os are the strides of a row and of another one in
                       the weights and in the distances, so that the same kernel serves x2
way        "zero", "one", "two", "most", "power": what p is; "most" is infinity
gpu        True: forward a work-group takes a tile of T by T results through local memory, backward a work-item an
           element. False: a work-item takes a range of rows
A, X, xtag arithmetic type, storage type and tag of x1, x2 and out; W: vector width
</%doc>
<%namespace name="memory" file="memory.cl"/>
<%
def load(p, at, w=1):
    return memory.module.load(p, at, xtag, X, w=w)
def store(p, value, at, w=1):
    return memory.module.store(p, at, value, xtag, X, w=w)
def add(total, d, w=1):
    power = f"({A}{w})(p)" if w > 1 else "p"
    return {
        "zero": f"{total} += {d} != 0 ? 1 : 0;",
        "one": f"{total} += fabs({d});",
        "two": f"{total} = fma({d}, {d}, {total});",
        # NaN replaces what is there and stays
        "most": f"{total} = fabs({d}) > {total} || {d} != {d} ? fabs({d}) : {total};",
        "power": f"{total} += powr(fabs({d}), {power});",
    }[way]
finish = {"two": "sqrt(total)", "power": "powr(total, 1 / p)"}.get(way, "total")
term = {
    "one": "sign(d)",
    "two": "d",
    "most": "fabs(d) == far ? sign(d) : 0",
    "power": "d == 0 ? 0 : sign(d) * powr(fabs(d), p - 1)",
}.get(way)
wide = f"select(sign(d) * powr(fabs(d), ({A}{W})(p - 1)), ({A}{W})0, d == 0)" if way == "power" else term
# what vectors compute alike on every driver: those of doubles may get powers wrong
vector = way in ("one", "two") or way == "power" and A == "float"
%>
% if mode == "forward":
% if gpu:
__kernel __attribute__((reqd_work_group_size(${T * T}, 1, 1)))
void ct_${name}(long lines, long rows, long others, long columns, long per_item, ${A} p,
                const __global ${X} *x1, long o1, const __global ${X} *x2, long o2, __global ${X} *out)
{
    __local ${A} a[${T}][${T} + 1], b[${T}][${T} + 1];
    // by bits, T being a power of two: at remainder and quotient a compiler of Intel's, of 2026, ends the process
    const int me = (int)get_local_id(0), lx = me & ${T - 1}, ly = me >> ${T.bit_length() - 1};
    const long across = (others + ${T - 1}) / ${T}, down = (rows + ${T - 1}) / ${T};
    const long group = get_group_id(0), tile = group / across, batch = tile / down;
    const long j1 = (group - tile * across) * ${T}, i = (tile - batch * down) * ${T} + ly;
    const long i0 = batch * rows, j0 = batch * others, j = j1 + lx, other = j1 + ly;
    ${A} total = 0;
    for (long c0 = 0; c0 < columns; c0 += ${T}) {
        const long c = c0 + lx;
        a[ly][lx] = i < rows && c < columns ? ${load("x1", "o1 + (i0 + i) * columns + c")} : 0;
        b[ly][lx] = other < others && c < columns ? ${load("x2", "o2 + (j0 + other) * columns + c")} : 0;
        barrier(CLK_LOCAL_MEM_FENCE);
        // zeros beyond the last column add nothing
        for (int k = 0; k < ${T}; ++k) {
            const ${A} d = a[ly][k] - b[lx][k];
            ${add("total", "d")}
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (i < rows && j < others) { ${store("out", finish, "(i0 + i) * others + j")} }
}
% else:
__kernel void ct_${name}(long lines, long rows, long others, long columns, long per_item, ${A} p,
                         const __global ${X} *x1, long o1, const __global ${X} *x2, long o2, __global ${X} *out)
{
    const long first = (long)get_global_id(0) * per_item, last = min(lines, first + per_item);
    for (long line = first; line < last; ++line) {
        const long left = o1 + line * columns;
        for (long j = 0; j < others; ++j) {
            const long right = o2 + (line / rows * others + j) * columns;
            ${A} total = 0;
            long c = 0;
% if vector:
            ${A}${W} totals = 0;
            for (; c + ${W} <= columns; c += ${W}) {
                const ${A}${W} d = ${load("x1", "left + c", W)} - ${load("x2", "right + c", W)};
                ${add("totals", "d", W)}
            }
% for k in range(W):
            total += totals.s${f"{k:x}"};
% endfor
% endif
            for (; c < columns; ++c) {
                const ${A} d = ${load("x1", "left + c")} - ${load("x2", "right + c")};
                ${add("total", "d")}
            }
            ${store("out", finish, "line * others + j")}
        }
    }
}
% endif
% else:
__kernel void ct_${name}(long lines, long rows, long others, long columns, long per_item, long rs, long os, ${A} p,
                         const __global ${X} *x1, long o1, const __global ${X} *x2, long o2,
                         const __global ${X} *weight
% if way == "most":
                         , const __global ${X} *distance
% endif
                         , __global ${X} *out)
{
% if gpu:
    const long id = get_global_id(0), line = id / columns, c = id - line * columns;
    if (line >= lines) return;
    {
% else:
    const long first = (long)get_global_id(0) * per_item, last = min(lines, first + per_item);
    for (long line = first; line < last; ++line) {
% endif
        const long batch = line / rows, left = o1 + line * columns, right = o2 + batch * others * columns;
        const long at = batch * rows * others + (line - batch * rows) * rs;
<%def name="one()">
            const ${A} x = ${load("x1", "left + c")};
            ${A} total = 0;
            for (long j = 0; j < others; ++j) {
                const ${A} d = x - ${load("x2", "right + j * columns + c")};
% if way == "most":
                const ${A} far = ${load("distance", "at + j * os")};
% endif
                total += ${load("weight", "at + j * os")} * (${term});
            }
            ${store("out", "total", "line * columns + c")}
</%def>
% if gpu:
        ${one()}
% else:
        long c = 0;
% if vector:
        for (; c + ${W} <= columns; c += ${W}) {
            const ${A}${W} x = ${load("x1", "left + c", W)};
            ${A}${W} total = 0;
            for (long j = 0; j < others; ++j) {
                const ${A}${W} d = x - ${load("x2", "right + j * columns + c", W)};
                total += ${load("weight", "at + j * os")} * (${wide});
            }
            ${store("out", "total", "line * columns + c", W)}
        }
% endif
        for (; c < columns; ++c) {
            ${one()}
        }
% endif
    }
}
% endif
