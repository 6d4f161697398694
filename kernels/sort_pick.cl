<%doc>
One element of every sorted line (kernels of sort.cl, ascending), with its position: the median or the mode.

name, what  kernel name without its prefix; "median" (the lower one; the first NaN where there is one), "nanmedian" (of
            what is not NaN, if anything), "kth" (number k), "mode" (the smallest of the most frequent, at its last position)
bits, kind, infinity, descending: see sort_key.cl
A work-item takes per_item lines.
</%doc>
<%include file="sort_key.cl"/>
__kernel void ct_${name}(long lines, long n, long inner, long per_item, long k, const __global ct_raw *sorted,
                         const __global long *from, __global ct_raw *values, __global long *indices)
{
    const long first = (long)get_global_id(0) * per_item, last = min(lines, first + per_item);
    for (long l = first; l < last; ++l) {
        const long base = ct_line(l, n, inner);
% if what == "mode":
        long chosen = 0, most = 0, run = 0;
        ct_key key = ct_key_of(sorted[base]);
        for (long i = 0; i < n; ++i) {
            const ct_raw raw = sorted[base + i * inner];
            const ct_key next = ct_key_of(raw);
            run = next == key && !ct_is_nan(raw) ? run + 1 : 1;
            key = next;
            // a run is longest at its own end, so that the last position of the first longest run stays
            if (run > most) {
                most = run;
                chosen = i;
            }
        }
% elif what == "kth":
        const long chosen = k;
% else:
        // where the NaNs begin
        long lo = 0, hi = n;
        while (lo < hi) {
            const long c = (lo + hi) / 2;
            if (ct_is_nan(sorted[base + c * inner])) hi = c;
            else lo = c + 1;
        }
% if what == "median":
        const long chosen = lo < n ? lo : (n - 1) / 2;
% else:
        const long chosen = lo > 0 ? (lo - 1) / 2 : 0;
% endif
% endif
        values[l] = sorted[base + chosen * inner];
        indices[l] = from[base + chosen * inner];
    }
}
