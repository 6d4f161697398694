<%doc>
Positions of the elements that are not zero, in row-major order: count per chunk, then write at known places.

name: kernel name; mode "count" or "write"; X, xtag: storage type and tag of the dense input; ndim: coordinates to write
</%doc>
<% test = f"ct_load_{xtag}(x, i) != 0" if xtag in ("f16", "bf16") else "x[i] != 0" %>
__kernel void ct_${name}(long n, long chunk, const __global ${X} *x, long xo, __global long *counts
% if mode == "write":
    , __global long *out
% for d in range(ndim):
    , long d${d}
% endfor
% endif
)
{
    const long c = get_global_id(0), first = xo + c * chunk, last = xo + min(n, (c + 1) * chunk);
% if mode == "count":
    long found = 0;
    for (long i = first; i < last; ++i) found += ${test};
    counts[c] = found;
% else:
    long at = counts[c];
    for (long i = first; i < last; ++i)
        if (${test}) {
            long rest = i - xo;
% for d in range(ndim - 1, -1, -1):
            out[at * ${ndim} + ${d}] = rest % d${d};
            rest /= d${d};
% endfor
            ++at;
        }
% endif
}
