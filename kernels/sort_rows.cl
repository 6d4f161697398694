<%doc>
Sort many longer lines on CPU devices: each by one work-item, by its digits of 8 bits from the lowest on.

Digits in which all keys of a line agree are passed over. A work-item's scratch has 2 n ct_e.
name  kernel name without its prefix; bits, kind, infinity, descending: see sort_key.cl
</%doc>
<%include file="sort_key.cl"/>
<% digits = bits // 8 %>
__kernel void ct_${name}(long lines, long n, long inner, long per_item, const __global ct_raw *x, long xo,
                         __global ct_e *scratch, __global ct_raw *values, __global long *indices)
{
    __global ct_e *own = scratch + get_global_id(0) * (2 * n);
    const long first = (long)get_global_id(0) * per_item, last = min(lines, first + per_item);
    x += xo;
    for (long l = first; l < last; ++l) {
        const long base = ct_line(l, n, inner);
        uint count[${digits}][256];
        for (int k = 0; k < ${digits}; ++k)
            for (int d = 0; d < 256; ++d) count[k][d] = 0;
        __global ct_e *from = own, *to = own + n;
        for (long i = 0; i < n; ++i) {
            const ct_key key = ct_key_of(x[base + i * inner]);
            from[i] = ct_pack(key, i);
% for k in range(digits):
            count[${k}][(key >> ${8 * k}) & 255]++;
% endfor
        }
        for (int k = 0; k < ${digits}; ++k) {
            const int shift = 8 * k;
            if (count[k][(ct_e_key(from[0]) >> shift) & 255] == n) continue;
            uint sum = 0;
            for (int d = 0; d < 256; ++d) {
                const uint c = count[k][d];
                count[k][d] = sum;
                sum += c;
            }
            for (long i = 0; i < n; ++i) {
                const ct_e e = from[i];
                to[count[k][(ct_e_key(e) >> shift) & 255]++] = e;
            }
            __global ct_e *swap = from;
            from = to;
            to = swap;
        }
        for (long i = 0; i < n; ++i) {
            const ct_e e = from[i];
            values[base + i * inner] = ct_element(ct_e_key(e), ct_e_at(e), x + base, inner);
            indices[base + i * inner] = ct_e_at(e);
        }
    }
}
