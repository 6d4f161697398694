<%doc>
Test which values occur in a sorted vector.

name    kernel name without its prefix; invert: True to test which do not occur
bits, kind, infinity, descending: see sort_key.cl. NaN occurs nowhere. A work-item takes per_item values. n > 0.
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
        // without branches, which would be guessed wrong half of the time
        long lo = 0, left = n;
        while (left > 1) {
            const long half_ = left / 2;
            lo += -(long)(ct_key_of(sorted[lo + half_ - 1]) < key) & half_;
            left -= half_;
        }
        out[i] = (ct_key_of(sorted[lo + (lo < n - 1 && ct_key_of(sorted[lo]) < key)]) == key && !ct_is_nan(raw))
                 ${"== 0" if invert else "!= 0"};
    }
}
