<%doc>
Sums, means or largest values of bags of rows of x: bag b has the rows that index[i] names, for i from offsets[b] up to
the next offset, or to the end of the line where there is none. Without offsets all bags have ``given`` rows.

mode       "sum", "mean" or "max", of which the first of equals stays, and one that is no number where it comes first
A, X, xtag arithmetic type, storage type and tag of the rows; W: vector width
I, O       types of the indices and of the offsets, "" for none
weighted   True where sample[i] weighs row i
padded     True where rows of the number ``padding`` count for nothing
keep       True where what a gradient needs is written too: for "max" the place i of each largest value, ``length`` for
           none; else the bag of every i, ``bags`` for those behind the last, and the number of each bag's rows, 1 at least
gpu        False: a work-item takes per_item bags.  True: it takes single elements of the result

An index out of range gives NaN and is noted as one of the operator ``site``, as is a first offset that is not 0 and a
last one beyond the line. A sum is added up in the order of i by one work-item.
</%doc>
<%namespace name="memory" file="memory.cl"/>
<%
most = mode == "max"
count = mode == "mean" or keep and not most
def load(p, at, w=1): return memory.module.load(p, at, xtag, X, A, w)
def store(at, value, w=1): return memory.module.store("out", at, value, xtag, X, A, w)
%>
## the columns j … of bag b, ``many`` vectors of w
<%def name="columns(many, w)">
<%
n = "" if w == 1 else w
V, L, M = f"{A}{n}", f"long{n}", f"{'long' if A == 'double' else 'int'}{n}"
def plus(p, k): return f"{p} + {k * w}" if k else p
%>
% for k in range(many):
            ${V} sum${k} = (${V})0;
% if most and keep:
            ${L} place${k} = (${L})length;
% endif
% endfor
% if most:
            int begun = 0;
% endif
            for (long i = start; i < end; ++i) {
                const long at = index[io + i];
% if padded:
                if (at == padding) continue;
% endif
                if ((ulong)at >= (ulong)rows) {
                    wrong = at;
                    faulty = 1;
% for k in range(many):
                    sum${k} = (${V})NAN;
% endfor
% if most:
                    begun = 1;
% endif
                    continue;
                }
                const long from = xo + at * step + j;
% if weighted:
                const ${A} share = ${load("sample", "so + i")};
% endif
% for k in range(many):
                {
                    const ${V} value = ${"share * " if weighted else ""}${load("x", plus("from", k), w)};
% if most:
                    const ${M} more = begun ? convert_${M}(value > sum${k}) : (${M})-1;
                    sum${k} = select(sum${k}, value, more);
% if keep:
                    place${k} = select(place${k}, (${L})i, convert_${L}(more));
% endif
% else:
                    sum${k} += value;
% endif
                }
% endfor
% if most:
                begun = 1;
% endif
            }
% for k in range(many):
            ${store(plus("b * width + j", k), f"sum{k} / ({V})({A})number" if mode == "mean" else f"sum{k}", w)}
% if most and keep:
            ${memory.module.store("places", plus("b * width + j", k), f"place{k}", "", "long", w=w)}
% endif
% endfor
</%def>
<%def name="limits()">
% if O:
        const long start = clamp((long)offsets[oo + b], 0L, length);
        const long end = b + 1 < given ? clamp((long)offsets[oo + b + 1], start, length) : length;
% else:
        const long start = b * given, end = start + given;
% endif
</%def>
<%def name="counted()">
        long number = ${0 if padded else "end - start"};
% if padded:
        for (long i = start; i < end; ++i) number += (long)index[io + i] != padding;
% endif
        number = max(number, 1L);
</%def>
<%def name="kept()">
            for (long i = start; i < end; ++i) bag[i] = b;
            if (b == bags - 1)
                for (long i = end; i < length; ++i) bag[i] = bags;
            count[b] = number;
</%def>
__kernel void ct_embedding_bag(const int site, const long rows, const long width, const long step, const long length,
                               const long bags, const long given, const long per_item, const long padding,
                               const __global ${X} *x, const long xo, const __global ${I} *index, const long io,
                               const __global ${O or I} *offsets, const long oo, const __global ${X} *sample, const long so,
                               __global ${X} *out, __global long *${"places" if most else "bag"}, __global long *count,
                               volatile __global int *note)
{
    int faulty = 0;
    long wrong = 0;
% if gpu:
    for (long e = get_global_id(0); e < bags * width; e += get_global_size(0)) {
        const long b = e / width, j = e - b * width;
        ${limits()}
% if count:
        ${counted()}
% endif
% if count and keep:
        if (j == 0) {
            ${kept()}
        }
% endif
        ${columns(1, 1)}
    }
% else:
    const long first = (long)get_global_id(0) * per_item, last = min(bags, first + per_item);
    for (long b = first; b < last; ++b) {
        ${limits()}
% if count:
        ${counted()}
% endif
% if count and keep:
        ${kept()}
% endif
        long j = 0;
        for (; j + ${4 * W} <= width; j += ${4 * W}) {
            ${columns(4, W)}
        }
        for (; j + ${W} <= width; j += ${W}) {
            ${columns(1, W)}
        }
        for (; j < width; ++j) {
            ${columns(1, 1)}
        }
    }
% endif
    if (faulty) ct_note(note, site, 0, wrong, rows);
% if O:
    if (get_global_id(0) == 0) {
        if (offsets[oo] != 0) ct_note(note, site, 0, offsets[oo], 1);
        if (offsets[oo + given - 1] > length) ct_note(note, site, 0, offsets[oo + given - 1], length + 1);
    }
% endif
}
