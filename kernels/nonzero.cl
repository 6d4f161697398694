<%doc>
Positions of the elements that are not zero, in row-major order: count per chunk, then write behind
what the chunks before have found.

name: kernel name; mode "count" or "write"; X, xtag: storage type and tag of the dense input; ndim: coordinates to write
(0: the position in the flattened tensor)
         (coordinates are written one dimension after the other)
gpu      False: a work-item per chunk.  True: a work-group of G per chunk, G elements at a time, places by running sums
</%doc>
<%
if xtag in ("f16", "bf16"):
    test = f"(ct_load_{xtag}(x, i) != 0)"
elif xtag in ("c64", "c128"):
    test = "(x[i].x != 0 || x[i].y != 0)"
else:
    test = "(x[i] != 0)"
%>
<%def name="write()">
% if ndim == 0:
            out[at] = i - xo;
% else:
            long rest = i - xo;
% for d in range(ndim - 1, 0, -1):
            { const long q = rest / d${d}; out[${d} * total + at] = rest - q * d${d}; rest = q; }
% endfor
            out[at] = rest;
% endif
</%def>
% if gpu:
__kernel __attribute__((reqd_work_group_size(${G}, 1, 1)))
% else:
__kernel
% endif
void ct_${name}(long n, long chunk, const __global ${X} *x, long xo, __global long *counts
% if mode == "write":
    , __global long *out
% if ndim:
    , long total
% endif
% for d in range(ndim):
    , long d${d}
% endfor
% endif
)
{
% if gpu:
    __local int sums[${G}];
    const int lid = get_local_id(0);
    const long c = get_group_id(0), first = xo + c * chunk, last = xo + min(n, (c + 1) * chunk);
% if mode == "count":
    int found = 0;
    for (long i = first + lid; i < last; i += ${G}) found += ${test};
    sums[lid] = found;
    for (int step = ${G // 2}; step > 0; step /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lid < step) sums[lid] += sums[lid + step];
    }
    if (lid == 0) counts[c] = sums[0];
% else:
    __local long earlier[${G}];
    long start = 0;
    {
        long found = 0;
        for (long d = lid; d < c; d += ${G}) found += counts[d];
        earlier[lid] = found;
        for (int step = ${G // 2}; step > 0; step /= 2) {
            barrier(CLK_LOCAL_MEM_FENCE);
            if (lid < step) earlier[lid] += earlier[lid + step];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        start = earlier[0];
    }
    for (long block = first; block < last; block += ${G}) {
        const long i = block + lid;
        const int hit = i < last && ${test};
        sums[lid] = hit;
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int step = 1; step < ${G}; step *= 2) {
            const int before = lid >= step ? sums[lid - step] : 0;
            barrier(CLK_LOCAL_MEM_FENCE);
            sums[lid] += before;
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        if (hit) {
            const long at = start + sums[lid] - 1;
            ${write()}
        }
        start += sums[${G - 1}];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
% endif
% else:
    const long c = get_global_id(0), first = xo + c * chunk;
% if mode == "count":
    const long last = xo + min(n, (c + 1) * chunk);
    long found = 0;
    for (long i = first; i < last; ++i) found += ${test};
    counts[c] = found;
% else:
    long begin = 0;
    for (long d = 0; d < c; ++d) begin += counts[d];
    // without branches, which would be guessed wrong: every position is written, and stays where it is one
    __global long *to = out${f" + {ndim - 1} * total" if ndim else ""};
    const long end = begin + counts[c];
    for (long at = begin, i = first; at < end; ++i) {
        to[at] = i - xo;
        at += ${test};
    }
% if ndim > 1:
    for (long at = begin; at < end; ++at) {
        long rest = to[at];
% for d in range(ndim - 1, 0, -1):
        { const long q = rest / d${d}; out[${d} * total + at] = rest - q * d${d}; rest = q; }
% endfor
        out[at] = rest;
    }
% endif
% endif
% endif
}
