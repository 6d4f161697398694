<%doc>
Merge sorted runs of every line, two and two, on GPUs; and write out what is sorted.

ct_sort_merge   runs of w elements in a to runs of 2 w in b: a work-item finds by bisection where its K results begin in
                both runs, and merges them
ct_sort_finish  elements and positions of what is sorted
Source: Odeh, Green, Mwassi, Shmueli and Birk, Merge Path (2012).
K               results per work-item, a divisor of w; bits, kind, infinity, descending: see sort_key.cl
</%doc>
<%include file="sort_key.cl"/>
__kernel void ct_sort_merge(long lines, long n, long w, const __global ct_e *a, __global ct_e *b)
{
    const long each = (n + ${K - 1}) / ${K}, id = get_global_id(0), line = id / each;
    if (line >= lines) return;
    const long out = (id - line * each) * ${K};
    a += line * n;
    b += line * n;
    const long left = out / (2 * w) * (2 * w), middle = min(n, left + w), right = min(n, left + 2 * w);
    const long skip = out - left;
    long lo = max(0L, skip - (right - middle)), hi = min(skip, middle - left);
    while (lo < hi) {
        const long c = (lo + hi) / 2;
        if (ct_before(a[left + c], a[middle + skip - 1 - c])) lo = c + 1;
        else hi = c;
    }
    long i = left + lo, j = middle + skip - lo;
    const long end = min(n, out + ${K});
    for (long k = out; k < end; ++k)
        b[k] = j >= right || (i < middle && ct_before(a[i], a[j])) ? a[i++] : a[j++];
}
__kernel void ct_sort_finish(long lines, long n, long inner, const __global ct_raw *x, long xo, const __global ct_e *a,
                             __global ct_raw *values, __global long *indices)
{
    const long id = get_global_id(0), line = id / n;
    if (line >= lines) return;
    const long base = ct_line(line, n, inner), to = base + (id - line * n) * inner;
    const ct_e e = a[id];
    values[to] = ct_element(ct_e_key(e), ct_e_at(e), x + xo + base, inner);
    indices[to] = ct_e_at(e);
}
