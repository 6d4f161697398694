<%doc>
Test which values occur in a sorted vector.

name    kernel name without its prefix; invert: True to test which do not occur
bits, kind, infinity, descending: see sort_key.cl. NaN occurs nowhere. A work-item takes per_item values.
</%doc>
<%include file="sort_key.cl"/>
__kernel void ct_${name}(long count, long per_item, long n, const __global ct_raw *sorted, long so,
                         const __global ct_raw *x, long xo, __global uchar *out)
{
    const long first = (long)get_global_id(0) * per_item, last = min(count, first + per_item);
    sorted += so;
    for (long i = first; i < last; ++i) {
        const ct_raw raw = x[xo + i];
        const ct_key key = ct_key_of(raw);
        long lo = 0, hi = n;
        while (lo < hi) {
            const long c = lo + (hi - lo) / 2;
            if (ct_key_of(sorted[c]) < key) lo = c + 1;
            else hi = c;
        }
        out[i] = (lo < n && ct_key_of(sorted[lo]) == key && !ct_is_nan(raw)) ${"== 0" if invert else "!= 0"};
    }
}
