<%doc>
Replace elements of many tensors by one traced formula of them: a launch serves T rows of tensors.

OpenCL 1.2 has no arrays of buffers, so a row's buffers are arguments of their own and a table, made once for a list of
tensors, says what each work-group does. An entry is (slot of the row's buffers, elements, row, position in every column), and
where rank is not 0 (slot, elements, row, first element, sizes, strides of every column, offset of every column).

name         kernel name without its prefix
T            rows per launch; columns: (dtype tag, storage type, read, result or "") per column of a row
shared       columns that are one buffer for all rows, whose arguments follow those of the rows
W            vector width; V, M, P: scalar compute type, scalar mask type of its size, type of number arguments
statements   the traced formula over x0, x1, … and p0, p1, …
params       how many numbers; groups: True where a work-group shares an entry (GPU), else a work-item has it alone
scalars      how many numbers after these lie on the device, in buffers of one float each
own          how many after those are each row's own, in buffers of one number of type O per row
rank         0 where the tensors of a row are runs of memory, else the number of dimensions along which they are walked
</%doc>
<%
K = len(columns)
own_columns = [k for k in range(K) if k not in shared]
half = ("f16", "bf16")
CASES = 64  # of a switch: Mesa 22.3 makes conditions within one another of it, and forgets those behind the 80th
def load(k, w):
    tag, ctype, _, _ = columns[k]
    n = "" if w == 1 else f"_{w}"
    v = "V" if w == 1 else f"{V}{w}"
    at = f"at{k}" if rank else f"at{k} + i"
    if tag in half: value = f"ct_load_{tag}{n}(a{k}, {at})"
    else: value = f"a{k}[{at}]" if w == 1 else f"vload{w}(0, a{k} + {at})"
    from_type = "float" if tag in half else ctype
    return value if from_type == V else f"convert_{V}{'' if w == 1 else w}({value})"
def store(k, w):
    tag, ctype, _, result = columns[k]
    n = "" if w == 1 else str(w)
    at = f"at{k}" if rank else f"at{k} + i"
    to_type = "float" if tag in half else ctype
    value = result if to_type == V else f"convert_{to_type}{n}({result})"
    if tag in half: return f"ct_store_{tag}{'_' + n if n else ''}({value}, a{k}, {at});"
    return f"a{k}[{at}] = {value};" if w == 1 else f"vstore{w}({value}, 0, a{k} + {at});"
%>
<%def name="element(w)">
% for k in range(K):
% if columns[k][2]:
            const V x${k} = ${load(k, w)};
% endif
% endfor
% for s in statements:
            ${s}
% endfor
% for k in range(K):
% if columns[k][3]:
            ${store(k, w)}
% endif
% endfor
</%def>
<%def name="lanes(wide)">
% if wide:
#define V ${V}${W}
#define M ${M}${W}
#define SEL(c, a, b) select(b, a, c)
% else:
#define V ${V}
#define M int
#define SEL(c, a, b) ((c) ? (a) : (b))
% endif
</%def>
<%def name="no_lanes()">
#undef V
#undef M
#undef SEL
</%def>
<%def name="numbers(wide)">
<% open, close = ("(V)((" + V + ")", ")") if wide else ("", "") %>
% for k in range(params):
        const V p${k} = ${f"(V)(q{k})" if wide else f"q{k}"};
% endfor
% for k in range(scalars + own):
        const V p${params + k} = ${open}d${k}[place${k}${" + entry[2]" if k >= scalars else ""}]${close};
% endfor
</%def>
__kernel void ct_${name}(
    const __global long *table, long first
% for t in range(T):
% for k in own_columns:
    , __global ${columns[k][1]} *b${t}_${k}
% endfor
% endfor
% for k in shared:
    , __global ${columns[k][1]} *a${k}
% endfor
% for q in range(params):
    , ${P} q${q}
% endfor
% for q in range(scalars + own):
    , const __global ${"float" if q < scalars else O} *d${q}, long place${q}
% endfor
)
{
    const __global long *entry = table + first + (long)get_group_id(0) * ${4 + rank + K * (rank + 1) if rank else K + 3};
% for k in own_columns:
    __global ${columns[k][1]} *a${k} = b0_${k};
% endfor
% if own_columns:
% for low in range(0, T, CASES):
    ${f"if ((int)entry[0] >= {low}) " if low else ""}switch ((int)entry[0]) {
% for t in range(max(low, 1), min(T, low + CASES)):
    case ${t}:${"".join(f" a{k} = b{t}_{k};" for k in own_columns)} break;
% endfor
    default: break;
    }
% endfor
% endif
    const long n = entry[1];
% if rank:
    const uint start = (uint)entry[3];
% for d in range(rank):
    const uint size${d} = (uint)entry[${4 + d}];
% for k in range(K):
    const long step${k}_${d} = entry[${4 + rank + k * rank + d}];
% endfor
% endfor
% for k in range(K):
    const long from${k} = entry[${4 + rank + K * rank + k}];
% endfor
% if groups:
${lanes(False)}
    {
${numbers(False)}
        for (long i = get_local_id(0); i < n; i += get_local_size(0)) {
            uint rest = start + (uint)i;
% for d in range(rank - 1, 0, -1):
            const long c${d} = rest % size${d};
            rest /= size${d};
% endfor
            const long c0 = rest;
% for k in range(K):
            const long at${k} = from${k} + ${" + ".join(f"c{d} * step{k}_{d}" for d in range(rank))};
% endfor
${element(1)}
        }
    }
${no_lanes()}
% else:
<% last = rank - 1 %>
    // line by line along the last dimension, in vectors where all tensors lie densely along it
    const int dense = ${" && ".join(f"step{k}_{last} == 1" for k in range(K))};
    uint rest = start;
% for d in range(last, 0, -1):
    uint c${d} = rest % size${d};
    rest /= size${d};
% endfor
    uint c0 = rest;
    for (long i = 0; i < n;) {
        const long line = min(n - i, (long)(size${last} - c${last}));
% for k in range(K):
        const long base${k} = from${k} + ${" + ".join(f"c{d} * step{k}_{d}" for d in range(rank))};
% endfor
        long j = 0;
${lanes(True)}
        if (dense && line >= ${W}) {
${numbers(True)}
            for (; j + ${W} <= line; j += ${W}) {
% for k in range(K):
                const long at${k} = base${k} + j;
% endfor
${element(W)}
            }
        }
${no_lanes()}
${lanes(False)}
        {
${numbers(False)}
            for (; j < line; ++j) {
% for k in range(K):
                const long at${k} = base${k} + j * step${k}_${last};
% endfor
${element(1)}
            }
        }
${no_lanes()}
        i += line;
        c${last} = 0;
% for d in range(last - 1, 0, -1):
        if (++c${d} == size${d}) {
            c${d} = 0;
% endfor
            ++c0;
% for d in range(last - 1, 0, -1):
        }
% endfor
    }
% endif
% else:
% for k in range(K):
    const long at${k} = entry[${k + 3}];
% endfor
    long i = ${f"(long)get_local_id(0) * {W}" if groups else "0"};
    const long step = ${f"(long)get_local_size(0) * {W}" if groups else W};
${lanes(True)}
    {
${numbers(True)}
        for (; i + ${W} <= n; i += step) {
${element(W)}
        }
    }
${no_lanes()}
${lanes(False)}
    {
${numbers(False)}
        for (; i < n; ++i) {
${element(1)}
        }
    }
${no_lanes()}
% endif
}
