<%doc>
Sort few long lines on CPU devices: by digits of 8 bits from the lowest on, each line cut into tiles of ``per``.

ct_sort_range          the smallest and largest key of every tile (where ``ranged``)
ct_sort_count, _first  how often every digit occurs in every tile
ct_sort_move, _first   every element to its place, tiles and elements within a tile in order
ct_sort_finish         elements and positions of the sorted keys
The two called _first are pass 0, that makes the keys from x.

ranged  True: keys are counted from the line's smallest, and digits above those of its range are passed over
bits, kind, infinity, descending: see sort_key.cl
Pass k writes buffer ``even`` or ``odd`` as k is; which one holds the result follows from the range.
</%doc>
<%include file="sort_key.cl"/>
<% full = "0xffffffffffffffffUL" if bits == 64 else f"0x{(1 << bits) - 1:x}U" %>
#define CT_TILE \
    const long id = get_global_id(0), line = id / tiles, tile = id - line * tiles; \
    const long begin = tile * per, end = min(n, begin + per), base = xo + ct_line(line, n, inner); \
    ct_key low = 0, span = ${full}; \
    ct_range(ranges, line, tiles, &low, &span);
static inline void ct_range(const __global ct_key *ranges, long line, long tiles, ct_key *low, ct_key *span) {
% if ranged:
    ct_key lo = ranges[line * tiles * 2], hi = ranges[line * tiles * 2 + 1];
    for (long t = 1; t < tiles; ++t) {
        lo = min(lo, ranges[(line * tiles + t) * 2]);
        hi = max(hi, ranges[(line * tiles + t) * 2 + 1]);
    }
    *low = lo;
    *span = hi - lo;
% endif
}
% if ranged:
__kernel void ct_sort_range(long n, long inner, long tiles, long per, const __global ct_raw *x, long xo,
                            __global ct_key *ranges)
{
    const long id = get_global_id(0), line = id / tiles, begin = (id - line * tiles) * per, end = min(n, begin + per);
    const long base = xo + ct_line(line, n, inner);
    ct_key lo = ct_key_of(x[base + begin * inner]), hi = lo;
    for (long i = begin + 1; i < end; ++i) {
        const ct_key k = ct_key_of(x[base + i * inner]);
        lo = min(lo, k);
        hi = max(hi, k);
    }
    ranges[id * 2] = lo;
    ranges[id * 2 + 1] = hi;
}
% endif
% for name, first in (("_first", True), ("", False)):
<%
    element = f"ct_pack(ct_key_of(x[base + (i{{0}}) * inner]) - low, i{{0}})" if first else "from[line * n + i{0}]"
    digit = lambda e: f"(ct_e_key({e}) >> shift) & 255"
%>
__kernel void ct_sort_count${name}(long n, long inner, long tiles, long per, const __global ct_raw *x, long xo,
                                   const __global ct_key *ranges, int shift, const __global ct_e *from,
                                   __global uint *counts)
{
    CT_TILE
    if (shift > 0 && span >> shift == 0) return;
    // four sets of counters, so that one digit after the other does not wait for the same counter
    uint count[4][256];
    for (int d = 0; d < 256; ++d) count[0][d] = count[1][d] = count[2][d] = count[3][d] = 0;
    long i = begin;
    for (; i + 4 <= end; i += 4) {
% for k in range(4):
        count[${k}][${digit(element.format(f" + {k}"))}]++;
% endfor
    }
    for (; i < end; ++i) count[0][${digit(element.format(""))}]++;
    for (int d = 0; d < 256; ++d) counts[id * 256 + d] = count[0][d] + count[1][d] + count[2][d] + count[3][d];
}
__kernel void ct_sort_move${name}(long n, long inner, long tiles, long per, const __global ct_raw *x, long xo,
                                  const __global ct_key *ranges, int shift, const __global ct_e *from,
                                  const __global uint *counts, __global ct_e *to)
{
    CT_TILE
    if (shift > 0 && span >> shift == 0) return;
    uint at[256];
    uint sum = 0;
    for (int d = 0; d < 256; ++d) {
        uint before = 0, total = 0;
        for (long t = 0; t < tiles; ++t) {
            const uint c = counts[(line * tiles + t) * 256 + d];
            before += t < tile ? c : 0;
            total += c;
        }
        at[d] = sum + before;
        sum += total;
    }
    for (long i = begin; i < end; ++i) {
        const ct_e e = ${element.format("")};
        to[line * n + at[${digit("e")}]++] = e;
    }
}
% endfor
__kernel void ct_sort_finish(long n, long inner, long tiles, long per, const __global ct_raw *x, long xo,
                             const __global ct_key *ranges, const __global ct_e *even, const __global ct_e *odd,
                             __global ct_raw *values, __global long *indices)
{
    CT_TILE
    int passes = 1;
    while (passes < ${bits // 8} && span >> (8 * passes) != 0) ++passes;
    const __global ct_e *sorted = (passes & 1 ? even : odd) + line * n;
    const long out = base - xo;
    for (long i = begin; i < end; ++i) {
        const ct_e e = sorted[i];
        values[out + i * inner] = ct_element(ct_e_key(e) + low, ct_e_at(e), x + base, inner);
        indices[out + i * inner] = ct_e_at(e);
    }
}
