<%doc>
How often each of ``bins`` places occurs among n elements, and what the least and largest element are.

counts    True: ct_counts adds up each part's elements in a row of ``table`` of its own; numbers outside are left out
binned    an element's place is that among bins of equal width from lo to hi = lo + span; a ``fixed`` >= 0 is the place
          of all that lie between them. Else the element itself is its place
ends      True: each part's least and largest element is written, NaN where there is one
gpu       False: a work-item per part, and the only part writes the result.  True: a work-group of G per part, which
          counts in local memory where LOCAL > 0 numbers suffice, else in one of ``rows`` rows of zeros for all of them
X, xtag   storage type and tag of the input; A type of the arithmetic; T, otag: of the result
ct_counts_sum adds up the rows of the table, which are 32 bits wide on GPUs.
</%doc>
<%namespace name="memory" file="memory.cl"/>
<%
load, store = memory.module.load, memory.module.store
real = A in ("float", "double")
R = "uint" if gpu else "long"
%>
<%def name="look(add)">
        const ${A} v = ${load("x", "xo + i * xs", xtag, X, A)};
% if ends:
% if real:
        broken |= v != v;
% endif
        least = v < least ? v : least;
        most = v > most ? v : most;
% endif
% if counts and binned:
        if (v >= lo && v <= hi) {
            const long place = fixed >= 0 ? fixed : min((long)((v - lo) * (${A})bins / span), bins - 1);
            if (place >= 0) ${add};
        }
% elif counts:
        const long place = v;
        if (place >= 0 && place < bins) ${add};
% endif
</%def>
% if gpu:
__kernel __attribute__((reqd_work_group_size(${G}, 1, 1)))
% else:
__kernel
% endif
void ct_counts(const long n, const long per, const long bins, const long rows, const __global ${X} *x, const long xo,
               const long xs
% if binned:
               , const ${A} lo, const ${A} hi, const ${A} span, const long fixed
% endif
% if counts:
               , __global ${R} *table
% if not gpu:
               , __global ${T} *out
% endif
% endif
% if ends:
               , __global ${A} *extremes
% endif
)
{
% if gpu:
    const int me = get_local_id(0), step = ${G};
    const long part = get_group_id(0), parts = get_num_groups(0);
% else:
    const int me = 0, step = 1;
    const long part = get_global_id(0), parts = get_global_size(0);
% endif
    const long first = part * per, last = min(n, first + per);
% if ends:
    ${A} least = ${"INFINITY" if real else "LONG_MAX"}, most = ${"-INFINITY" if real else "LONG_MIN"};
% if real:
    int broken = 0;
% endif
% endif
% if counts and gpu and LOCAL:
    __local uint own[${LOCAL}];
    for (int b = me; b < bins; b += step) own[b] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (long i = first + me; i < last; i += step) {
${look("atomic_inc(own + place)")}
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int b = me; b < bins; b += step) table[part * bins + b] = own[b];
% elif counts and gpu:
    volatile __global uint *row = (volatile __global uint *)table + part * rows / parts * bins;
    for (long i = first + me; i < last; i += step) {
${look("atomic_inc(row + place)")}
    }
% elif counts:
    __global long *row = table + part * bins;
    for (long b = 0; b < bins; ++b) row[b] = 0;
    for (long i = first; i < last; ++i) {
${look("++row[place]")}
    }
    if (parts == 1)
        for (long b = 0; b < bins; ++b) { ${store("out", "b", "row[b]", otag, T, "long")} }
% else:
    for (long i = first + me; i < last; i += step) {
${look("")}
    }
% endif
% if ends:
% if real:
    if (broken) least = most = NAN;
% endif
% if gpu:
    __local ${A} low[${G}], high[${G}];
    low[me] = least;
    high[me] = most;
    for (int half_ = ${G // 2}; half_ > 0; half_ /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me < half_) {
            const ${A} a = low[me + half_], b = high[me + half_];
            // what is NaN is not equal to itself, and stays
            if (a < low[me] || a != a) low[me] = a;
            if (b > high[me] || b != b) high[me] = b;
        }
    }
    if (me == 0) {
        extremes[2 * part] = low[0];
        extremes[2 * part + 1] = high[0];
    }
% else:
    extremes[2 * part] = least;
    extremes[2 * part + 1] = most;
% endif
% endif
}
% if counts:
__kernel void ct_counts_sum(const long rows, const long bins, const long per_item, const __global ${R} *table,
                            __global ${T} *out)
{
    const long first = (long)get_global_id(0) * per_item, last = min(bins, first + per_item);
    for (long b = first; b < last; ++b) {
        long sum = 0;
        for (long r = 0; r < rows; ++r) sum += table[r * bins + b];
        ${store("out", "b", "sum", otag, T, "long")}
    }
}
% endif
