<%doc>
Binary search of values in sorted sequences, one result per value.

name, mode  kernel name without its prefix;
            "place"  how many elements of the value's sequence come before it (left: smaller ones; right: smaller or
                     equal ones), compared as numbers; a sequence per line of values, or one for all
            "counts" the same for the values 0, 1, 2, … themselves, right
right       see place; sorter: True where positions that sort the sequence are given
A, X, xtag  type of comparison, storage type and tag; O: integer type of the results
lanes       how many searches go side by side
A work-item takes per_item values. n > 0.
</%doc>
<%
def load(p, at):
    return f"ct_load_{xtag}({p}, {at})" if xtag in ("f16", "bf16") else f"({A}){p}[{at}]"
def behind(k, at):
    """The test whether value k comes behind an element; the negation sends NaN to the end."""
    place = f"so + base{k} + order[oo + base{k} + {at}]" if sorter else f"so + base{k} + {at}"
    return f"!({load('sequence', place)} {'>' if right else '>='} value{k})"
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
    // several searches go side by side, since each step of one waits for memory; those beyond the end repeat the last
    for (long i = first; i < last; i += ${lanes}) {
% for k in range(lanes):
        const long at${k} = min(i + ${k}, last - 1), base${k} = per_line ? at${k} / per_line * n : 0;
        const ${A} value${k} = ${load("x", f"xo + at{k}") if mode == "place" else f"at{k}"};
        long lo${k} = 0, left${k} = n;
% endfor
        // without branches in the loop, which would be guessed wrong half of the time; the elements that are looked at
        // are PyTorch's, which shows where the sequence is not sorted; no search takes more steps than n has bits
        for (long most = n; most > 0; most /= 2) {
% for k in range(lanes):
            {
                const long half_ = left${k} / 2;
                const int up = ${behind(k, f"min(lo{k} + half_, n - 1)")} & (left${k} > 0);
                lo${k} += -(long)up & (half_ + 1);
                left${k} = half_ - ((long)up & ~left${k} & 1);
            }
% endfor
        }
% for k in range(lanes):
        out[at${k}] = lo${k};
% endfor
    }
}
