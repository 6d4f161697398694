// Arrays made of numbers: evenly spaced ones, the identity, one repeated value.
// Parameters: what ("spaced", "fill" or "eye"), dtype and ctype of the result, wide (the type positions are computed in).
<%
store = {"float16": "ct_store_f16({x}, out, {i});", "bfloat16": "ct_store_bf16({x}, out, {i});"}.get(
    dtype, f"out[{{i}}] = ({ctype})({{x}});")
%>
% if what == "spaced":
// Elements before `half_way` are counted from the start, the others back from the end, so that both ends are exact
// (arange counts all of them from the start). With `power`, the element is an exponent of base.
__kernel void ct_spaced(__global ${ctype} *restrict out, long offset, long n, long run,
                        ${wide} start, ${wide} end, ${wide} step, long half_way, ${wide} base, int power) {
    long i = (long)get_global_id(0) * run, stop = min(i + run, n);
    out += offset;
    for (; i < stop; i++) {
% if wide == "long":
        ${wide} v = start + step * i;
% else:
        ${wide} v = i < half_way ? fma(step, (${wide})i, start) : fma(-step, (${wide})(n - 1 - i), end);
        if (power) v = pow(base, v);
% endif
        ${store.format(x="v", i="i")}
    }
}
% elif what == "fill":
// Sixty-four bytes of a pattern at a time; the few bytes left over at the end are not this kernel's.
__kernel void ct_fill(__global uint *restrict out, ulong pattern, long vectors, long run) {
    long i = (long)get_global_id(0) * run, stop = min(i + run, vectors);
    uint16 v = as_uint16((ulong8)pattern);
    for (; i < stop; i++) vstore16(v, i, out);
}
% else:
__kernel void ct_eye(__global ${ctype} *restrict out, long n, long run, long columns) {
    long i = (long)get_global_id(0) * run, stop = min(i + run, n);
    for (long k = i; k < stop; k++) ${store.format(x="0", i="k")}
    // the diagonal is every (columns + 1)-th element, until the columns run out
    long row = (i + columns) / (columns + 1);
    for (; row < columns && row * (columns + 1) < stop; row++) ${store.format(x="1", i="row * (columns + 1)")}
}
% endif
