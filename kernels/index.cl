<%doc>
Take or put slices of x at positions that index tensors name: slice i of x lies at offset sum_k at_k[i] * stride_k.

The index tensors share one shape of IR coalesced dimensions (i is its linear index) and have strides of their own in
it, as has v, the other operand: v[i, r] stands opposite x[at[i], r]. A slice has RR coalesced dimensions, 0 for one
element.

name     kernel name without its prefix
mode     "get"    v = x at the positions
         "across" get, where slices lie across the result: a slice has ``slice`` places, for each of which all positions
                  are walked, and at each place the elements of its last dimension
         "put"    x at the positions = v; where positions are equal the last one stays
         "add"    x at the positions += v, in the order of i
         "claim"  GPU: the last i that names a position, into ``owner``;  "won"  GPU: put, for those i alone
gpu      False: a work-item takes a range.  True: neighbours take neighbouring elements
K        number of index tensors; I: their type
X        type of the elements: for get, put and won any type of their size, for add their storage type with its tag xtag
unit     True where the last dimension of a slice is contiguous in x and v
soon     get by one row of indices: bytes of the next slice that are asked for meanwhile; 0 for none
single   across: whether a place has one element only
lanes    GPU, put and add: work-items that share a position, each with every lanes-th element of its slice

An index out of range never reads or writes elsewhere: get gives ``bad`` (NaN, 0 for integers), put and add skip it, and
it is noted as one of the operator ``site``.
put and add are the same bits every time: an element of x belongs to one work-item, which walks i in order.
</%doc>
<%namespace name="memory" file="memory.cl"/>
<%
owned = mode in ("put", "add")
last = RR - 1
def load(p, at):
    return f"ct_load_{xtag}({p}, {at})" if xtag in ("f16", "bf16") else f"{p}[{at}]"
def store(value, at):
    if xtag in ("f16", "bf16"):
        return f"ct_store_{xtag}({value}, x, {at});"
    return f"x[{at}] = ({value}) != 0;" if xtag == "b8" else f"x[{at}] = {value};"
def act(xa, va):
    if mode == "get":
        return f"v[{va}] = x[{xa}];"
    if mode == "add":
        return store(f"{load('x', xa)} + {load('v', va)}", xa)
    return f"x[{xa}] = v[{va}];"
%>
## the place of slice i in x (base) and v (vb), the number of its position (dest), and whether an index is out of range
<%def name="locate()">
        long base = xo, vb = vo, dest = 0${"".join(f", at{k}" for k in range(K))};
        int off = 0;
        {
            long rest = i;
% for k in range(K):
            long p${k} = io${k};
% endfor
% for r in range(IR - 1, -1, -1):
            {
% if r:
                const long q = rest / id${r}, at = rest - q * id${r};
                rest = q;
% else:
                const long at = rest;
% endif
                vb += at * iv${r};
% for k in range(K):
                p${k} += at * is${k}_${r};
% endfor
            }
% endfor
% for k in range(K):
            {
                // its sign is asked for before it is widened: Mesa's compiler (22.3) takes a widened int for positive
                const ${I} given = index${k}[p${k}];
                at${k} = given;
                if (wrap && given < 0) at${k} += size${k};
            }
            off |= (ulong)at${k} >= (ulong)size${k};
            base += at${k} * stride${k};
            dest = dest * size${k} + at${k};
% endfor
        }
</%def>
## note which index of slice i is out of range
<%def name="noted()">
% for k in range(K):
            if ((ulong)at${k} >= (ulong)size${k})
                ct_note(note, site, ${k}, wrap && at${k} < 0 ? at${k} - size${k} : at${k}, size${k});
% endfor
</%def>
## one element of a slice, by its number r
<%def name="element()">
            {
                long xa = base, va = vb;
% if RR:
                long rest = r;
% for q in range(last, 0, -1):
                {
                    const long t = rest / rd${q}, s = rest - t * rd${q};
                    rest = t;
                    xa += s * rx${q};
                    va += s * rv${q};
                }
% endfor
                xa += rest * rx0;
                va += rest * rv0;
% endif
                ${act("xa", "va")}
            }
</%def>
## the elements r0 … r1 of a slice, run by run along its last dimension
<%def name="elements()">
% if RR == 0:
            ${act("base", "vb")}
% else:
            for (long r = r0; r < r1;) {
                long xa = base, va = vb;
                long rest = ${f"r / rd{last}" if RR > 1 else "0"};
                const long s = r - rest * rd${last}, n = min(rd${last} - s, r1 - r);
                xa += s * rx${last};
                va += s * rv${last};
% for q in range(last - 1, 0, -1):
                {
                    const long t = rest / rd${q}, u = rest - t * rd${q};
                    rest = t;
                    xa += u * rx${q};
                    va += u * rv${q};
                }
% endfor
% if RR > 1:
                xa += rest * rx0;
                va += rest * rv0;
% endif
% if unit:
                for (long j = 0; j < n; ++j) { ${act("xa + j", "va + j")} }
% else:
                for (long j = 0; j < n; ++j, xa += rx${last}, va += rv${last}) { ${act("xa", "va")} }
% endif
                r += n;
            }
% endif
</%def>
<%def name="nothing()">
% if RR == 0:
            v[vb] = (${X})bad;
% else:
            for (long r = r0; r < r1; ++r) {
                long va = vb, rest = r;
% for q in range(last, 0, -1):
                { const long t = rest / rd${q}; va += (rest - t * rd${q}) * rv${q}; rest = t; }
% endfor
                v[va + rest * rv0] = (${X})bad;
            }
% endif
</%def>
% if soon:
${memory.prefetch()}
% endif
__kernel void ct_${name}(long count, long slice, long chunk, long owners, long bad, int site, int wrap,
                         __global ${X} *x, long xo, __global ${X} *v, long vo, __global int *owner
% for k in range(K):
    , const __global ${I} *index${k}, long io${k}
% endfor
% for k in range(K):
    , long size${k}, long stride${k}
% endfor
% for r in range(IR):
    , long id${r}, long iv${r}${"".join(f", long is{k}_{r}" for k in range(K))}
% endfor
% for r in range(RR):
    , long rd${r}, long rx${r}, long rv${r}
% endfor
    , volatile __global int *note)
{
    // noted behind the loops, which stay free of atomics; processors have few registers and look for the slice once more
    long faulty = ${-1 if gpu else 0};
% if mode == "claim":
    for (long i = get_global_id(0); i < count; i += get_global_size(0)) {
        ${locate()}
        if (off) {
            faulty = i;
        } else atomic_max(owner + dest, (int)i);
    }
% elif owned and gpu:
    // a group of lanes owns every owners-th position; owners is a power of two
    const long id = get_global_id(0), mine = id / ${lanes}, lane = id % ${lanes};
    for (long i = 0; i < count; ++i) {
        ${locate()}
        if (off) {
            faulty = i;
            continue;
        }
        if ((dest & (owners - 1)) != mine) continue;
        for (long r = lane; r < slice; r += ${lanes}) ${element()}
    }
% elif owned:
    const long r0 = get_global_id(0) * chunk, r1 = min(slice, r0 + chunk);  // a range of every slice
    for (long i = 0; i < count; ++i) {
        ${locate()}
        if (off) {
            faulty = 1;
            continue;
        }
        ${elements()}
    }
% elif mode == "across":
<%def name="place()">
        long xa = xo, va = vo;
        {
            long rest = o;
% for q in range(last - 1, -1, -1):
            {
                const long t = ${f"rest / rd{q}" if q else "0"}, s = rest - t * rd${q};
                rest = t;
                xa += s * rx${q};
                va += s * rv${q};
            }
% endfor
        }
</%def>
<%def name="position()">
            const ${I} given = index0[io0 + i * is0_0];
            long at = given;
            if (wrap && given < 0) at += size0;
            const int off = (ulong)at >= (ulong)size0;
</%def>
% if gpu:
    const long inner = rd${last}, line = count * inner;
    for (long e = get_global_id(0); e < slice * line; e += get_global_size(0)) {
        const long o = e / line, i = (e - o * line) / inner, r = e - o * line - i * inner;
        ${place()}
        ${position()}
        if (off) faulty = i;
        v[va + i * iv0 + r * rv${last}] = off ? (${X})bad : x[xa + at * stride0 + r * rx${last}];
    }
% else:
% if not single:
    const long inner = rd${last};
% endif
    long e = get_global_id(0) * chunk;
    const long end = min(slice * count, e + chunk);
    while (e < end) {
        const long o = e / count;
        long i = e - o * count;
        const long stop = min(count, i + end - e);
        e += stop - i;
        ${place()}
        for (; i < stop; ++i) {
            ${position()}
% if single:
            if (!off) {
                v[va + i * iv0] = x[xa + at * stride0];
                continue;
            }
            v[va + i * iv0] = (${X})bad;
% else:
            const long from = xa + at * stride0, to = va + i * iv0;
            if (!off) {
                for (long r = 0; r < inner; ++r) v[to + r * rv${last}] = x[from + r * rx${last}];
                continue;
            }
            for (long r = 0; r < inner; ++r) v[to + r * rv${last}] = (${X})bad;
% endif
            faulty = 1;
        }
    }
% endif
% elif gpu:
    for (long e = get_global_id(0); e < count * slice; e += get_global_size(0)) {
% if RR:
        const long i = e / slice, r = e - i * slice, r0 = r, r1 = r + 1;
% else:
        const long i = e;
% endif
        ${locate()}
% if mode == "won":
        if (off || owner[dest] != i) continue;
% else:
        if (off) {
            ${nothing()}
            faulty = i;
            continue;
        }
% endif
        ${element()}
    }
% else:
    const long total = count * slice;
    long e = get_global_id(0) * chunk;
    const long end = min(total, e + chunk);
    while (e < end) {
% if RR:
        const long i = e / slice, r0 = e - i * slice, r1 = min(slice, r0 + end - e);
        e += r1 - r0;
% else:
        const long i = e++;
% endif
% if soon:
        // The next slice lies anywhere, so that a processor does not read ahead by itself; a prefetch of a place that
        // does not exist does nothing.
        if (i + 1 < count) {
            const size_t next = (size_t)(x + xo) + (size_t)((long)index0[io0 + (i + 1) * is0_0] * stride0) * sizeof(${X});
            for (size_t line = next; line < next + min((size_t)slice * sizeof(${X}), (size_t)${soon}); line += 64)
                CT_PREFETCH(line);
        }
% endif
        ${locate()}
        if (off) {
            ${nothing()}
            faulty = 1;
        } else {
            ${elements()}
        }
    }
% endif
% if mode != "won":
% if gpu:
    if (faulty < 0) return;
    const long i = faulty;
    {
% else:
    if (!faulty) return;
% if owned or mode == "across":
    for (long i = 0; i < count; ++i) {
% else:
    for (long i = get_global_id(0) * chunk${" / slice" if RR else ""}; i < count; ++i) {
% endif
% endif
        ${locate()}
        if (off) {
            ${noted()}
            return;
        }
    }
% endif
}
