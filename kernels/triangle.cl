<%doc>
Copy one triangle of matrices and set the other to zero; or only set it to zero; or list a triangle's coordinates.

name, mode  kernel name without its prefix; "copy" x to out, "zero" in place on out, "indices" to out[2, total]
upper       True: elements at and right of diagonal k are kept, False: those at and left of it
U           unsigned integer type of an element's size (bits are moved, never interpreted), or the index type
R           number of coalesced dimensions in front of the two of the matrix (run-time sizes and strides)
gpu         True: a work-item is one element, False: it walks per_item whole rows
</%doc>
% if mode == "indices":
// the sum of clamp(u, 0, columns) over all u <= t
static inline long ct_count_to(long t, long columns) {
    return t <= 0 ? 0 : t <= columns ? t * (t + 1) / 2 : columns * (columns + 1) / 2 + (t - columns) * columns;
}
__kernel void ct_${name}(long rows, long columns, long k, long total, __global ${U} *out)
{
    const long r = get_global_id(0);
    if (r >= rows) return;
% if upper:
    long at = r * columns - (ct_count_to(k + r - 1, columns) - ct_count_to(k - 1, columns));
    for (long c = clamp(r + k, 0L, columns); c < columns; ++c, ++at) {
% else:
    long at = ct_count_to(k + r, columns) - ct_count_to(k, columns);
    for (long c = 0; c < clamp(r + k + 1, 0L, columns); ++c, ++at) {
% endif
        out[at] = r;
        out[total + at] = c;
    }
}
% else:
__kernel void ct_${name}(long lines, long rows, long columns, long k, long per_item, long ors, long ocs, long xrs,
                         long xcs
% for r in range(R):
    , long d${r}, long os${r}, long xs${r}
% endfor
    , __global ${U} *out, long oo
% if mode == "copy":
    , const __global ${U} *x, long xo
% endif
)
{
% if gpu:
    const long id = get_global_id(0), line = id / columns;
    if (line >= lines) return;
    {
% else:
    const long first = (long)get_global_id(0) * per_item, last = min(lines, first + per_item);
    for (long line = first; line < last; ++line) {
% endif
        long rest = line / rows;
        const long row = line - rest * rows;
        long ob = oo + row * ors;
% if mode == "copy":
        long xb = xo + row * xrs;
% endif
% for r in range(R - 1, -1, -1):
        {
            const long q = rest / d${r}, at = rest - q * d${r};
            rest = q;
            ob += at * os${r};
% if mode == "copy":
            xb += at * xs${r};
% endif
        }
% endfor
        const long edge = clamp(row + k + ${0 if upper else 1}, 0L, columns);
% if gpu:
        const long c = id - line * columns;
        if (c ${">=" if upper else "<"} edge) {
% if mode == "copy":
            out[ob + c * ocs] = x[xb + c * xcs];
% endif
        } else {
            out[ob + c * ocs] = 0;
        }
% else:
        for (long c = ${"0; c < edge" if upper else "edge; c < columns"}; ++c) out[ob + c * ocs] = 0;
% if mode == "copy":
        if (xcs == 1 && ocs == 1)
            for (long c = ${"edge; c < columns" if upper else "0; c < edge"}; ++c) out[ob + c] = x[xb + c];
        else
            for (long c = ${"edge; c < columns" if upper else "0; c < edge"}; ++c) out[ob + c * ocs] = x[xb + c * xcs];
% endif
% endif
    }
}
% endif
