<%doc>
Sort short lines on CPU devices: eight lines side by side in vectors, by Batcher's merge exchange.

Source: Knuth, The Art of Computer Programming, vol. 3, algorithm 5.2.2M: the comparisons do not depend on the data, so
that eight lines go through one program, and n need not be a power of two.

name  kernel name without its prefix; bits, kind, infinity, descending: see sort_key.cl
A work-item takes per_item lines (a multiple of 8); its scratch has 8 n ct_e.
</%doc>
<%include file="sort_key.cl"/>
<% wide = bits == 64 %>
__kernel void ct_${name}(long lines, long n, long inner, long per_item, const __global ct_raw *x, long xo,
                         __global ulong *scratch, __global ct_raw *values, __global long *indices)
{
    __global ulong *s = scratch + get_global_id(0) * (n * ${16 if wide else 8});
% if wide:
    __global ulong *p = s + n * 8;
% endif
    const long first = (long)get_global_id(0) * per_item, last = min(lines, first + per_item);
    x += xo;
    long top = 1;
    while (top * 2 < n) top *= 2;
    for (long l = first; l < last; l += 8) {
        const int lanes = (int)min(8L, last - l);
        long base[8];
        // lanes without a line do what the first one does
        for (int j = 0; j < 8; ++j) base[j] = ct_line(j < lanes ? l + j : l, n, inner);
        for (long i = 0; i < n; ++i)
            for (int j = 0; j < 8; ++j) {
% if wide:
                s[i * 8 + j] = ct_key_of(x[base[j] + i * inner]);
                p[i * 8 + j] = i;
% else:
                s[i * 8 + j] = ct_pack(ct_key_of(x[base[j] + i * inner]), i);
% endif
            }
        for (long step = n > 1 ? top : 0; step > 0; step /= 2) {
            long q = top, r = 0, d = step;
            for (;;) {
                for (long i0 = r; i0 < n - d; i0 += 2 * step) {
                    const long end = min(i0 + step, n - d);
                    for (long i = i0; i < end; ++i) {
                        const ulong8 a = vload8(i, s), b = vload8(i + d, s);
% if wide:
                        const ulong8 f = vload8(i, p), g = vload8(i + d, p);
                        const long8 c = (a > b) | ((a == b) & (f > g));
                        vstore8(select(a, b, c), i, s);
                        vstore8(select(b, a, c), i + d, s);
                        vstore8(select(f, g, c), i, p);
                        vstore8(select(g, f, c), i + d, p);
% else:
                        vstore8(min(a, b), i, s);
                        vstore8(max(a, b), i + d, s);
% endif
                    }
                }
                if (q == step) break;
                d = q - step;
                q /= 2;
                r = step;
            }
        }
        for (int j = 0; j < lanes; ++j)
            for (long i = 0; i < n; ++i) {
% if wide:
                const ct_e e = ct_pack(s[i * 8 + j], p[i * 8 + j]);
% else:
                const ct_e e = s[i * 8 + j];
% endif
                const long to = base[j] + i * inner;
                values[to] = ct_element(ct_e_key(e), ct_e_at(e), x + base[j], inner);
                indices[to] = ct_e_at(e);
            }
    }
}
