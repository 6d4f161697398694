<%doc>
Take or put slices of x at positions given by index tensors: slice i lies at offset sum_k wrap(index_k[i]) * stride_k.

name     kernel name without its prefix
mode     "get" out[i, r] = x[i, r]; "put" x[i, r] = v[i, r]; "add" x[i, r] += v[i, r] (slices in order, so that equal
         positions add up the same way every time)
K, RR    number of index tensors; number of coalesced dimensions of a slice (run-time sizes and strides in x)
X, xtag  storage type and tag; A: type of the addition
An index out of range never reads or writes elsewhere: get gives zero, put and add skip, and ``fault`` is set.
</%doc>
<%
def load(p, at):
    return f"ct_load_{xtag}({p}, {at})" if xtag in ("f16", "bf16") else f"{p}[{at}]"
def store(p, value, at):
    return f"ct_store_{xtag}({value}, {p}, {at});" if xtag in ("f16", "bf16") else f"{p}[{at}] = {value};"
%>
__kernel void ct_${name}(long count, long slice, long per_item, long span, __global ${X} *x, long xo, __global ${X} *v, long vi, long vr,
                         __global int *fault
% for k in range(K):
    , const __global long *index${k}, long size${k}, long stride${k}
% endfor
% for r in range(RR):
    , long rd${r}, long rs${r}
% endfor
)
{
% if mode == "add":
    // every work-item owns a range of the slice and walks all positions in order
    const long r0 = (long)get_global_id(0) * span, r1 = min(slice, r0 + span);
    for (long i = 0; i < count; ++i) {
% else:
    const long first = (long)get_global_id(0) * per_item, last = min(count, first + per_item);
    const long r0 = 0, r1 = slice;
    for (long i = first; i < last; ++i) {
% endif
        long base = xo;
        int bad = 0;
% for k in range(K):
        {
            const long raw = index${k}[i];
            const long at = raw < 0 ? raw + size${k} : raw;
            bad |= at < 0 || at >= size${k};
            base += at * stride${k};
        }
% endfor
        if (bad) {
            fault[0] = 1;
% if mode == "get":
            for (long r = r0; r < r1; ++r) { ${store("v", "0", "i * vi + r * vr")} }
% endif
            continue;
        }
% if RR == 1:
        for (long r = r0; r < r1; ++r) {
            const long at = base + r * rs0;
% else:
        for (long r = r0; r < r1; ++r) {
            long at = base, rest = r;
% for q in range(RR - 1, 0, -1):
            { const long t = rest / rd${q}; at += (rest - t * rd${q}) * rs${q}; rest = t; }
% endfor
            at += rest * rs0;
% endif
% if mode == "get":
            v[i * vi + r * vr] = x[at];
% elif mode == "put":
            x[at] = v[i * vi + r * vr];
% else:
            ${store("x", f"{load('x', 'at')} + {load('v', 'i * vi + r * vr')}", "at")}
% endif
        }
    }
}
