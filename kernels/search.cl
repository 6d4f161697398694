<%doc>
Binary search of values in sorted sequences, one result per value.

name, mode  kernel name without its prefix;
            "place"  how many elements of the value's sequence come before it (left: smaller ones; right: smaller or
                     equal ones), compared as numbers; a sequence per line of values, or one for all
            "counts" the same for the values 0, 1, 2, … themselves, right
right       see place; sorter: True where positions that sort the sequence are given
A, X, xtag  type of comparison, storage type and tag; O: integer type of the results
A work-item takes per_item values. n > 0.
</%doc>
<%
def load(p, at):
    return f"ct_load_{xtag}({p}, {at})" if xtag in ("f16", "bf16") else f"({A}){p}[{at}]"
def before(at):
    """The statement that tests whether the value comes behind an element; the negation sends NaN to the end."""
    place = f"so + base + order[oo + base + {at}]" if sorter else f"so + base + {at}"
    return f"const int up = !({load('sequence', place)} {'>' if right else '>='} value);"
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
        // without branches in the loop, which would be guessed wrong half of the time; the elements that are looked at
        // are PyTorch's, which shows where the sequence is not sorted
        long lo = 0, left = n;
        while (left > 0) {
            const long half_ = left / 2;
            ${before("lo + half_")}
            lo += -(long)up & (half_ + 1);
            left = half_ - ((long)up & ~left & 1);
        }
        out[i] = lo;
    }
}
