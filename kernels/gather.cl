<%doc>
gather and scatter along one dimension: element (line, j) of the index tensor names a place in the same line of x.

name     kernel name without its prefix
mode     "gather" v = x[place]; "assign", "add", "multiply", "amax", "amin": x[place] = combine(x[place], v)
         by rising j
gpu      False: a work-item takes lines, side by side where they are neighbours (runs).
         True: a work-item takes elements (gather), or the places of a line that are its own (scatter)
R        number of coalesced dimensions of a line's coordinates (the indexed one apart)
runs     True where work-items take neighbouring lines, along the last of these dimensions
I        type of the indices
X        type of the elements: for gather and assign any type of their size, else their storage type with its tag xtag
A        arithmetic type
An index out of range never reads or writes elsewhere: gather gives ``bad`` (NaN, 0 for integers), scatter skips it, and
it is noted as one of the operator ``site``.
Every element of x belongs to one work-item, which walks j in order: results are the same bits every time.
</%doc>
<%namespace name="memory" file="memory.cl"/>
<%
def load(p, at):
    return f"ct_load_{xtag}({p}, {at})" if xtag in ("f16", "bf16") else f"({A}){p}[{at}]"
def store(value, at):
    if xtag in ("f16", "bf16"):
        return f"ct_store_{xtag}({value}, x, {at});"
    return f"x[{at}] = ({value}) != 0;" if xtag == "b8" else f"x[{at}] = {value};"
floats = xtag in ("f16", "bf16", "f32", "f64")
product = f"({A})(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x)" if xtag in ("c64", "c128") else "a * b"
join = {
    "add": "a + b", "multiply": product,
    "amax": "(a > b || a != a) ? a : b" if floats else "max(a, b)",
    "amin": "(a < b || a != a) ? a : b" if floats else "min(a, b)",
}.get(mode)
def act(xa, va):
    if mode == "gather":
        return f"v[{va}] = x[{xa}];"
    if mode == "assign":
        return f"x[{xa}] = v[{va}];"
    return f"{{ const {A} a = {load('x', xa)}, b = {load('v', va)}; {store(f'({join})', xa)} }}"
# noted behind the loops, which stay free of atomics
kept = "wrong = at; faulty = 1;"
%>
## the places of a line: its first element in x, the index and v
<%def name="locate(first)">
        long xb = xo, ib = io, vb = vo;
        {
            long rest = line;
% for r in range(first, -1, -1):
            {
% if r:
                const long q = rest / d${r}, at = rest - q * d${r};
                rest = q;
% else:
                const long at = rest;
% endif
                xb += at * xs${r};
                ib += at * is${r};
                vb += at * vs${r};
            }
% endfor
        }
</%def>
% if runs and not gpu:
${memory.prefetch()}
% endif
__kernel void ct_${name}(int site, long lines, long length, long per_item, long owners, long bad, long size,
                         long xs, long is, long vs, __global ${X} *x, long xo, const __global ${I} *index, long io,
                         __global ${X} *v, long vo
% for r in range(R):
    , long d${r}, long xs${r}, long is${r}, long vs${r}
% endfor
    , volatile __global int *note)
{
    int faulty = 0;
    long wrong = 0;
% if gpu and mode == "gather":
    for (long e = get_global_id(0); e < lines * length; e += get_global_size(0)) {
        // owners tells here which way v runs: along the lines (1) or across them (0)
        const long line = owners ? e / length : e % lines, j = owners ? e % length : e / lines;
        ${locate(R - 1)}
        const long at = index[ib + j * is];
        if ((ulong)at >= (ulong)size) {
            v[vb + j * vs] = (${X})bad;
            ${kept}
        } else ${act("xb + at * xs", "vb + j * vs")}
    }
% elif gpu:
    for (long id = get_global_id(0); id < lines * owners; id += get_global_size(0)) {
        const long mine = id / lines, line = id - mine * lines;
        ${locate(R - 1)}
        for (long j = 0; j < length; ++j) {
            const long at = index[ib + j * is];
            if ((ulong)at >= (ulong)size) {
                ${kept}
                continue;
            }
            if ((at & (owners - 1)) != mine) continue;
            ${act("xb + at * xs", "vb + j * vs")}
        }
    }
% elif runs:
    // blocks of up to 64 neighbouring lines: every row of the index is read in order
    const long width = d${R - 1}, blocks = (width + 63) / 64, all = lines / width * blocks;
    const long first = (long)get_global_id(0) * per_item, last = min(all, first + per_item);
    for (long u = first; u < last; ++u) {
        const long line = u / blocks, c = (u - line * blocks) * 64;
        const long n = min(64L, width - c);
        ${locate(R - 2)}
        xb += c * xs${R - 1};
        ib += c * is${R - 1};
        vb += c * vs${R - 1};
        for (long j = 0; j < length; ++j) {
            // the rows after this one lie in pages of their own, where the processor does not read ahead by itself
            for (long l = 0; l < n; l += 64 / sizeof(${I}))
                CT_PREFETCH(index + ib + (j + 8) * is + l * is${R - 1});
            for (long l = 0; l < n; l += 64 / sizeof(${X}))
                ${"CT_PREFETCH_WRITE" if mode == "gather" else "CT_PREFETCH"}(v + vb + (j + 8) * vs + l * vs${R - 1});
            for (long l = 0; l < n; ++l) {
                const long at = index[ib + j * is + l * is${R - 1}];
                const long va = vb + j * vs + l * vs${R - 1};
                if ((ulong)at < (ulong)size) {
                    ${act(f"xb + at * xs + l * xs{R - 1}", "va")}
                    continue;
                }
% if mode == "gather":
                v[va] = (${X})bad;
% endif
                ${kept}
            }
        }
    }
% else:
    const long first = (long)get_global_id(0) * per_item, last = min(lines, first + per_item);
    for (long line = first; line < last; ++line) {
        ${locate(R - 1)}
        for (long j = 0; j < length; ++j) {
            const long at = index[ib + j * is];
            if ((ulong)at < (ulong)size) {
                ${act("xb + at * xs", "vb + j * vs")}
                continue;
            }
% if mode == "gather":
            v[vb + j * vs] = (${X})bad;
% endif
            ${kept}
        }
    }
% endif
    if (faulty) ct_note(note, site, 0, wrong, size);
}
