<%doc>
Steps towards the distinct slices of x[n, m]: n slices of m elements, in an order in which equal ones are neighbours.

ct_unique_merge  one pass of sorting the slices: runs of w positions in ``from``, in lexicographic order, become runs of
                 2 w in ``to``: every slice counts by bisection how many of the neighbouring run come before it
ct_unique_flags  1 where a slice differs from the one before it, else 0
ct_unique_write  given the running sums of the flags: where every distinct slice begins, and for every slice which
                 distinct one it is

bits, kind, infinity, descending: see sort_key.cl. NaN differs from everything.
``ordered`` tells that ``order`` gives the positions of the slices. A work-item takes per_item slices.
</%doc>
<%include file="sort_key.cl"/>
static inline int ct_less(const __global ct_raw *a, const __global ct_raw *b, long m) {
    for (long k = 0; k < m; ++k) {
        const ct_key p = ct_key_of(a[k]), q = ct_key_of(b[k]);
        if (p != q) return p < q;
    }
    return 0;
}
__kernel void ct_unique_merge(long n, long m, long per_item, long w, const __global ct_raw *x, long xo,
                         const __global long *from, __global long *to)
{
    const long first = (long)get_global_id(0) * per_item, last = min(n, first + per_item);
    x += xo;
    for (long i = first; i < last; ++i) {
        const long left = i / (2 * w) * (2 * w), middle = min(n, left + w), right = min(n, left + 2 * w);
        const long me = from[i];
        const int early = i < middle;
        long lo = early ? middle : left, hi = early ? right : middle;
        const long start = lo;
        while (lo < hi) {
            const long c = (lo + hi) / 2;
            const __global ct_raw *other = x + from[c] * m;
            // equal slices keep their order: those of the left run come first
            if (early ? ct_less(other, x + me * m, m) : !ct_less(x + me * m, other, m)) lo = c + 1;
            else hi = c;
        }
        to[(early ? i : left + (i - middle)) + (lo - start)] = me;
    }
}
__kernel void ct_unique_flags(long n, long m, long per_item, int ordered, const __global ct_raw *x, long xo,
                              const __global long *order, __global long *flags)
{
    const long first = (long)get_global_id(0) * per_item, last = min(n, first + per_item);
    x += xo;
    for (long i = first; i < last; ++i) {
        int differs = 0;
        if (i > 0) {
            const __global ct_raw *a = x + (ordered ? order[i - 1] : i - 1) * m;
            const __global ct_raw *b = x + (ordered ? order[i] : i) * m;
            for (long k = 0; k < m && !differs; ++k)
                differs = ct_key_of(a[k]) != ct_key_of(b[k]) || ct_is_nan(b[k]);
        }
        flags[i] = differs;
    }
}
__kernel void ct_unique_write(long n, long per_item, int ordered, const __global long *sums, const __global long *order,
                              __global long *starts, __global long *inverse)
{
    const long first = (long)get_global_id(0) * per_item, last = min(n, first + per_item);
    for (long i = first; i < last; ++i) {
        const long k = sums[i];
        if (i == 0 || sums[i - 1] != k) starts[k] = i;
        inverse[ordered ? order[i] : i] = k;
    }
}
