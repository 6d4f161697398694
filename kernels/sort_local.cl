<%doc>
Sort in local memory on GPUs: a work-group takes a tile of up to T elements, by Batcher's merge exchange.

Source: Knuth, The Art of Computer Programming, vol. 3, algorithm 5.2.2M.
name    kernel name without its prefix
packed  False: a tile holds T / n whole lines, results go to values and indices
        True: a tile is a piece of one line, its sorted ct_e go to ``out`` (lines one after the other), to be merged
T, G    elements of a tile, work-group size; bits, kind, infinity, descending: see sort_key.cl
</%doc>
<%include file="sort_key.cl"/>
__kernel __attribute__((reqd_work_group_size(${G}, 1, 1)))
void ct_${name}(long lines, long n, long inner, const __global ct_raw *x, long xo
% if packed:
    , __global ct_e *out
% else:
    , __global ct_raw *values, __global long *indices
% endif
)
{
    __local ct_e s[${T}];
    const int me = get_local_id(0);
    x += xo;
% if packed:
    const long tiles = (n + ${T - 1}) / ${T}, line = get_group_id(0) / tiles;
    const long begin = (get_group_id(0) - line * tiles) * ${T}, base = ct_line(line, n, inner);
    const int m = (int)min(${T}L, n - begin), all = m;
    for (int i = me; i < m; i += ${G}) s[i] = ct_pack(ct_key_of(x[base + (begin + i) * inner]), begin + i);
% else:
    const int m = (int)n, whole = ${T} / m;
    const long first = (long)get_group_id(0) * whole;
    const int all = (int)min((long)whole, lines - first) * m;
    for (int i = me; i < all; i += ${G}) {
        const int k = i / m, at = i - k * m;
        s[i] = ct_pack(ct_key_of(x[ct_line(first + k, n, inner) + at * inner]), at);
    }
% endif
    barrier(CLK_LOCAL_MEM_FENCE);
    int top = 1;
    while (top * 2 < m) top *= 2;
    for (int step = m > 1 ? top : 0; step > 0; step /= 2) {
        int q = top, r = 0, d = step;
        for (;;) {
            for (int i = me; i < all; i += ${G}) {
                const int at = i % m;
                if (at < m - d && (at & step) == r) {
                    const ct_e a = s[i], b = s[i + d];
                    if (ct_before(b, a)) {
                        s[i] = b;
                        s[i + d] = a;
                    }
                }
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            if (q == step) break;
            d = q - step;
            q /= 2;
            r = step;
        }
    }
    for (int i = me; i < all; i += ${G}) {
% if packed:
        out[line * n + begin + i] = s[i];
% else:
        const int k = i / m;
        const long base = ct_line(first + k, n, inner), to = base + (i - k * m) * inner;
        values[to] = ct_element(ct_e_key(s[i]), ct_e_at(s[i]), x + base, inner);
        indices[to] = ct_e_at(s[i]);
% endif
    }
}
