<%doc>
Binary search of values in sorted sequences, one result per value.

name, mode  kernel name without its prefix;
            "place"  how many elements of the value's sequence come before it (left: smaller ones; right: smaller or
                     equal ones), compared as numbers; a sequence per line of values, or one for all
            "counts" the same for the values 0, 1, 2, … themselves, right
right       see place; sorter: True where positions that sort the sequence are given
A, X, xtag  type of comparison, storage type and tag; O: integer type of the results
A work-item takes per_item values.
</%doc>
<%
def load(p, at):
    return f"ct_load_{xtag}({p}, {at})" if xtag in ("f16", "bf16") else f"({A}){p}[{at}]"
%>
__kernel void ct_${name}(long count, long per_item, long n, long per_line, const __global ${X} *sequence, long so
% if mode == "place":
    , const __global ${X} *x, long xo
% endif
% if sorter:
    , const __global long *order, long oo
% endif
    , __global ${O} *out)
{
    const long first = (long)get_global_id(0) * per_item, last = min(count, first + per_item);
    for (long i = first; i < last; ++i) {
        const long base = per_line ? i / per_line * n : 0;
        const ${A} value = ${load("x", "xo + i") if mode == "place" else "i"};
        long lo = 0, hi = n;
        while (lo < hi) {
            const long c = lo + (hi - lo) / 2;
% if sorter:
            const ${A} found = ${load("sequence", "so + base + order[oo + base + c]")};
% else:
            const ${A} found = ${load("sequence", "so + base + c")};
% endif
            // the negation sends NaN to the end
            if (!(found ${">" if right else ">="} value)) lo = c + 1;
            else hi = c;
        }
        out[i] = lo;
    }
}
