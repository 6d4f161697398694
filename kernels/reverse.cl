<%doc>
Copy lines of x, whose elements lie next to each other, to out in reversed order (CPU devices).

name  kernel name without its prefix; U: unsigned integer type of an element's size; W: elements of a vector
R     number of coalesced dimensions of the lines (run-time sizes, strides of x may be negative)
xo    place of the last element of the first line; lines of out follow each other from offset 0
A work-item takes per_item stretches of ``segment`` elements, of which a line has ``segments``.
</%doc>
<%namespace name="memory" file="memory.cl"/>
<% mirrored = "s" + "".join(f"{k:x}" for k in range(W - 1, -1, -1)) %>
__kernel void ct_${name}(long units, long n, long segment, long segments, long per_item
% for r in range(R):
    , long d${r}, long s${r}
% endfor
    , const __global ${U} *x, long xo, __global ${U} *out)
{
    const long first = (long)get_global_id(0) * per_item, last = min(units, first + per_item);
    for (long unit = first; unit < last; ++unit) {
        const long line = unit / segments, begin = (unit - line * segments) * segment, end = min(n, begin + segment);
        long rest = line, from = xo;
% for r in range(R - 1, -1, -1):
        {
            const long q = rest / d${r};
            from += (rest - q * d${r}) * s${r};
            rest = q;
        }
% endfor
        const __global ${U} *source = x + from;
        __global ${U} *target = out + line * n;
        long i = begin;
        for (; i + ${W} <= end; i += ${W})
            ${memory.module.vstore(W, U, memory.module.vload(W, U, f"source - i - {W - 1}") + "." + mirrored, "target + i")};
        for (; i < end; ++i) target[i] = source[-i];
    }
}
