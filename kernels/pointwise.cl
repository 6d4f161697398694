<%doc>
Apply one traced formula to any number of operands, elementwise.

name         kernel name without its prefix
mode         "flat"  all operands lie in memory as one run each
             "rows"  strided or broadcast, for CPU devices: a work-item takes whole stretches of the innermost dimension
             "items" strided or broadcast, for GPUs: a work-item takes single elements
             "tiles" an operand lies transposed, next to each other along the dimension before the last: tiles of W rows
                     by W columns are turned in registers on CPU devices, larger ones in local memory on GPUs (grid)
W            vector width (1: single elements); rank: number of dimensions (not for flat)
V, M, P      scalar compute type, scalar mask type of its size, type of number arguments
ins          (dtype tag, storage type, is mask, inner) per operand; tag "" is a number argument
             inner: "1" next to each other, "0" one value for the whole row, "2" every second one (CPU), "s" any stride,
             "t" transposed
outs         (dtype tag, storage type, inner) per result; results: (text, is mask) per result
statements   the traced formula over x0, x1, … and p0, p1, …
params       how many parameters; grid: True where work-items stride over the data (GPU)
I            type of the number of an element (items): GPUs divide numbers of 64 bits by many instructions
block        (rows, columns) of a block of tiles, which is one unit of work (tiles only)
few          rows: the innermost dimension has few elements, so a work-item walks stretches of the one before it, once for each
stream       True where the results are large beside the caches (CPU): whole lines are written past them, since a line that
             is written into a cache is read from memory first
</%doc>
<%namespace name="memory" file="memory.cl"/>
<%
tensors = [i for i, x in enumerate(ins) if x[0]]
def scalar_load(i, at):
    tag, ctype, mask, _ = ins[i]
    p = f"a{i}"
    if mask: return f"({p}[{at}] != 0)"
    if tag in memory.module.HALVES: return f"(({V})ct_load_{tag}({p}, {at}))"
    return f"(({V}){p}[{at}])"
def vector_load(i, at):
    tag, ctype, mask, _ = ins[i]
    p = f"a{i}"
    if mask: return f"(convert_{M}{W}({memory.module.vload(W, ctype, f'{p} + {at}')}) != ({M}{W})(0))"
    if tag in memory.module.HALVES:
        v = f"ct_load_{tag}_{W}({p}, {at})"
        return v if V == "float" else f"convert_{V}{W}({v})"
    v = memory.module.vload(W, ctype, f"{p} + {at}")
    return v if ctype == V else f"convert_{V}{W}({v})"
def through(ctype, w):
    # float to a narrow integer goes through a wider one, so that it wraps as on the host instead of saturating
    if V not in ("float", "double"): return ""
    return f"convert_int{w}" if ctype in ("char", "uchar", "short", "ushort") else f"convert_long{w}" if ctype == "uint" else ""
def store(k, at, w):
    tag, ctype, _ = outs[k]
    text, mask = results[k]
    n = "" if w == 1 else str(w)
    if tag == "b8":
        cond = text if mask else f"({text} != ((V)(0)))"
        # select, not & 1, which becomes an extension of bits: that makes 255 of them on Oclgrind 21.10
        whole = f"select(({M}{w})(0), ({M}{w})(1), {cond})"
        value = f"({cond} ? 1 : 0)" if w == 1 else f"convert_uchar{w}({whole})"
    else:
        value = f"SEL({text}, ((V)(1)), ((V)(0)))" if mask else text
        if tag in memory.module.HALVES:
            value = value if V == "float" else f"convert_float{n}({value})"
            return f"ct_store_{tag}{'' if w == 1 else '_' + n}({value}, o{k}, {at});"
        if ctype != V:
            step = through(ctype, n)
            if unsigned_long(k): value = f"ct_to_ulong{n}({value})"
            else: value = f"convert_{ctype}{n}({step}({value}))" if step else f"convert_{ctype}{n}({value})"
    if streamed(k) and w == W:
        return memory.module.store_line(f"o{k}", at, value, ctype)
    return f"o{k}[{at}] = {value};" if w == 1 else f"{memory.module.vstore(w, ctype, value, f'o{k} + {at}')};"
def unsigned_long(k):
    return outs[k][1] == "ulong" and V in ("float", "double")
def streamed(k):
    return stream and memory.module.whole_line(outs[k][0], outs[k][1], W)
%>
% if any(unsigned_long(k) for k in range(len(outs))):
// The upper half of unsigned numbers, which no conversion to long reaches; negative numbers wrap.
static inline ulong ct_to_ulong(${V} x) {
    return x >= (${V})0x1p63f ? (ulong)(long)(x - (${V})0x1p63f) ^ (1UL << 63) : (ulong)(long)x;
}
% if W > 1:
static inline ulong${W} ct_to_ulong${W}(${V}${W} x) {
    long${W} high = convert_long${W}(x >= (${V})0x1p63f);
    return as_ulong${W}(convert_long${W}(select(x, x - (${V})0x1p63f, x >= (${V})0x1p63f))) ^ (as_ulong${W}(high) & (1UL << 63));
}
% endif
% endif
${memory.streams(sorted({outs[k][1] for k in range(len(outs)) if streamed(k)}), W)}\
% if W > 1 and any("ANY(" in s for s in statements):
<%
    halves, lanes, w = [], "c", W
    while w > 2:
        w //= 2
        halves.append((w, lanes))
        lanes = f"c{w}"
%>\
// any() of PoCL takes the lanes one by one
static inline int ct_any(${M}${W} c) {
% for w, whole in halves:
    const ${M}${w} c${w} = ${whole}.lo | ${whole}.hi;
% endfor
    return (${lanes}.x | ${lanes}.y) != 0;
}
% endif
<%def name="zipped(first)">${", ".join(f"(a).s{j:x}, (b).s{j:x}" for j in range(first, first + W // 2))}</%def>
<%def name="vector_types()">
#define V ${V}${W}
#define M ${M}${W}
#define SEL(c, a, b) select(b, a, c)
#define ANY(c) ct_any(c)
</%def>
<%def name="scalar_types()">
#define V ${V}
#define M int
% if "byte_choices" in caps.quirks and V in ("char", "uchar"):
#define SEL(c, a, b) select((V)(b), (V)(a), (V)(-((c) != 0)))
% else:
#define SEL(c, a, b) ((c) ? (a) : (b))
% endif
#define ANY(c) (c)
</%def>
<%def name="no_types()">
#undef V
#undef M
#undef SEL
#undef ANY
</%def>
<%def name="numbers()">
    % for i, x in enumerate(ins):
    % if not x[0]:
    V x${i} = (V)((${V})s${i});
    % endif
    % endfor
    % for k in range(params):
    V p${k} = (V)((${V})q${k});
    % endfor
</%def>
% if mode == "tiles" and not grid:
#define CT_ZIP_LOW(T, a, b) ((T)(${zipped(0)}))
#define CT_ZIP_HIGH(T, a, b) ((T)(${zipped(W // 2)}))
% endif
__kernel void ct_${name}(
% if mode == "flat":
    long n, long chunk
% elif mode == "rows":
    long units, long inner, long seg, long segs, long per_item
% elif mode == "tiles":
    long units, long per_item
% else:
    long n
% endif
% if mode != "flat":
% for r in range(rank):
    , long d${r}
% endfor
% for k in range(len(outs)):
% for r in range(rank):
    , long ost${k}_${r}
% endfor
% endfor
% for i in tensors:
% for r in range(rank):
    , long st${i}_${r}
% endfor
% endfor
% endif
% for k, o in enumerate(outs):
    , __global ${o[1]} *o${k}
% endfor
% for i in tensors:
    , const __global ${ins[i][1]} *a${i}
% endfor
% for k in range(len(outs)):
    , long oo${k}
% endfor
% for i in tensors:
    , long ao${i}
% endfor
% for i, x in enumerate(ins):
% if not x[0]:
    , ${P} s${i}
% endif
% endfor
% for k in range(params):
    , ${P} q${k}
% endfor
)
{
% if mode == "flat":
% for k in range(len(outs)):
% if outs[k][0] not in memory.module.HALVES:
    o${k} += oo${k};
% endif
% endfor
<%
    def at_in(i): return f"(ao{i} + i)" if ins[i][0] in memory.module.HALVES else "i"
    def at_out(k): return f"(oo{k} + i)" if outs[k][0] in memory.module.HALVES else "i"
%>
% for i in tensors:
% if ins[i][0] not in memory.module.HALVES:
    a${i} += ao${i};
% endif
% endfor
% if grid:
    long i = (long)get_global_id(0) * ${W};
    const long step = (long)get_global_size(0) * ${W};
    const long end = n;
% else:
    long i = (long)get_global_id(0) * chunk;
    const long end = min(n, i + chunk);
    const long step = ${W};
% endif
% if W > 1:
    {
${vector_types()}
${numbers()}
    for (; i + ${W} <= end; i += step) {
% for i in tensors:
        ${"M" if ins[i][2] else "V"} x${i} = ${vector_load(i, at_in(i))};
% endfor
% for s in statements:
        ${s}
% endfor
% for k in range(len(outs)):
        ${store(k, at_out(k), W)}
% endfor
    }
${no_types()}
    }
% endif
    {
${scalar_types()}
${numbers()}
    for (; i < end; ${"++i" if W > 1 else "i += step"}) {
% for i in tensors:
        ${"M" if ins[i][2] else "V"} x${i} = ${scalar_load(i, at_in(i))};
% endfor
% for s in statements:
        ${s}
% endfor
% for k in range(len(outs)):
        ${store(k, at_out(k), 1)}
% endfor
    }
${no_types()}
    }
% elif mode == "rows":
<%
    strided = any(ins[i][3] == "s" for i in tensors) or any(o[2] == "s" for o in outs)
    walked = rank - 2 if few else rank - 1
    def row_in(i):
        inner_class = ins[i][3]
        steps = {"1": " + i", "0": "", "2": " + 2 * i"}
        return f"(r{i}{steps.get(inner_class, f' + i * st{i}_{walked}')})"
    def row_out(k):
        return f"(w{k} + i)" if outs[k][2] == "1" else f"(w{k} + i * ost{k}_{walked})"
%>
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(units, first + per_item);
    for (long u = first; u < last; ++u) {
        long rest = u / segs;
        const long begin = (u - rest * segs) * seg;
        const long end = min(inner, begin + seg);
% for k in range(len(outs)):
        long w${k} = oo${k};
% endfor
% for i in tensors:
        long r${i} = ao${i};
% endfor
% for r in range(walked - 1, -1, -1):
        {
% if r:
            const long q = rest / d${r};
            const long at = rest - q * d${r};
            rest = q;
% else:
            const long at = rest;
% endif
% for k in range(len(outs)):
            w${k} += at * ost${k}_${r};
% endfor
% for i in tensors:
            r${i} += at * st${i}_${r};
% endfor
        }
% endfor
% if few:
        for (long f = 0; f < d${rank - 1}; ++f) {
% endif
        long i = begin;
% if not strided and W > 1:
        {
${vector_types()}
${numbers()}
% for i in tensors:
% if ins[i][3] == "0":
        ${"M" if ins[i][2] else "V"} x${i} = (${"M" if ins[i][2] else "V"})(${scalar_load(i, row_in(i)) if not ins[i][2] else scalar_load(i, row_in(i)) + " ? -1 : 0"});
% endif
% endfor
        for (; i + ${W} <= end; i += ${W}) {
% for i in tensors:
% if ins[i][3] == "1":
            ${"M" if ins[i][2] else "V"} x${i} = ${vector_load(i, row_in(i))};
% elif ins[i][3] == "2":
            // the last wanted element is the last one that is read
            const ${"M" if ins[i][2] else "V"} low${i} = ${vector_load(i, row_in(i))}, high${i} = ${vector_load(i, f"({row_in(i)} + {W - 1})")};
            ${"M" if ins[i][2] else "V"} x${i} = (${"M" if ins[i][2] else "V"})(low${i}.even, high${i}.odd);
% endif
% endfor
% for s in statements:
            ${s}
% endfor
% for k in range(len(outs)):
            ${store(k, row_out(k), W)}
% endfor
        }
${no_types()}
        }
% endif
        {
${scalar_types()}
${numbers()}
        for (; i < end; ++i) {
% for i in tensors:
            ${"M" if ins[i][2] else "V"} x${i} = ${scalar_load(i, row_in(i))};
% endfor
% for s in statements:
            ${s}
% endfor
% for k in range(len(outs)):
            ${store(k, row_out(k), 1)}
% endfor
        }
${no_types()}
        }
% if few:
% for k in range(len(outs)):
        w${k} += ost${k}_${rank - 1};
% endfor
% for i in tensors:
        r${i} += st${i}_${rank - 1};
% endfor
        }
% endif
    }
% elif mode == "tiles":
<%
    row, col = rank - 2, rank - 1
    turned = [i for i in tensors if ins[i][3] == "t"]
    high, wide = block
    def type_of(i): return "M" if ins[i][2] else "V"
    def place(i, r, c):
        """The text of where an element lies, for the texts of its row and column in the block."""
        column = {"1": f" + {c}", "0": "", "t": f" + {c} * st{i}_{col}"}[ins[i][3]]
        return f"(r{i} + {r}{'' if ins[i][3] == 't' else f' * st{i}_{row}'}{column})"
    def place_out(k, r, c): return f"(w{k} + {r} * ost{k}_{row} + {c})"
    final = {}
%>
    const long row_blocks = (d${row} + ${high - 1}) / ${high}, column_blocks = (d${col} + ${wide - 1}) / ${wide};
% if grid:
% for i in turned:
    __local ${"int" if ins[i][2] else V} tile${i}[${high}][${wide + 1}];
% endfor
    for (long u = get_group_id(0); u < units; u += get_num_groups(0)) {
% else:
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(units, first + per_item);
    for (long u = first; u < last; ++u) {
% endif
        long rest = u / column_blocks;
        const long left = (u - rest * column_blocks) * ${wide};
        const long above = rest / row_blocks, top = (rest - above * row_blocks) * ${high};
        const long rows = min(d${row} - top, (long)${high}), columns = min(d${col} - left, (long)${wide});
        rest = above;
% for k in range(len(outs)):
        long w${k} = oo${k} + top * ost${k}_${row} + left;
% endfor
% for i in tensors:
        long r${i} = ao${i} + ${"top" if ins[i][3] == "t" else f"top * st{i}_{row}"} + left * st${i}_${col};
% endfor
% for r in range(rank - 3, -1, -1):
        {
            const long q = ${f"rest / d{r}" if r else "0"};
            const long at = rest - q * d${r};
            rest = q;
% for k in range(len(outs)):
            w${k} += at * ost${k}_${r};
% endfor
% for i in tensors:
            r${i} += at * st${i}_${r};
% endfor
        }
% endfor
% if grid:
${scalar_types()}
${numbers()}
        for (int e = get_local_id(0); e < ${high * wide}; e += get_local_size(0)) {
            const int r = e % ${high}, c = e / ${high};
            if (r < rows && c < columns) {
% for i in turned:
                tile${i}[r][c] = ${scalar_load(i, place(i, "r", "c"))};
% endfor
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int e = get_local_id(0); e < ${high * wide}; e += get_local_size(0)) {
            const int c = e % ${wide}, r = e / ${wide};
            if (r < rows && c < columns) {
% for i in tensors:
                ${type_of(i)} x${i} = ${f"tile{i}[r][c]" if i in turned else scalar_load(i, place(i, "r", "c"))};
% endfor
% for s in statements:
                ${s}
% endfor
% for k in range(len(outs)):
                ${store(k, place_out(k, "r", "c"), 1)}
% endfor
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
${no_types()}
% else:
        const long whole_rows = rows / ${W} * ${W}, whole_columns = columns / ${W} * ${W};
        {
${vector_types()}
${numbers()}
        for (long i = 0; i < whole_rows; i += ${W})
        for (long j = 0; j < whole_columns; j += ${W}) {
% for i in turned:
            ${type_of(i)} y${i}[${W}], z${i}[${W}];
            for (int c = 0; c < ${W}; ++c) y${i}[c] = ${vector_load(i, place(i, "i", "(j + c)"))};
<% a, b = f"y{i}", f"z{i}" %>
            // columns k and k + half, lane by lane in turn, make columns 2k and 2k + 1: repeated, that is the transpose.
            // Without unrolling, which takes the compiler a second and brings nothing
% for stage in range(W.bit_length() - 1):
            #pragma unroll 1
            for (int k = 0; k < ${W // 2}; ++k) {
                ${b}[2 * k] = CT_ZIP_LOW(${type_of(i)}, ${a}[k], ${a}[k + ${W // 2}]);
                ${b}[2 * k + 1] = CT_ZIP_HIGH(${type_of(i)}, ${a}[k], ${a}[k + ${W // 2}]);
            }
<% a, b = b, a %>
% endfor
<% final[i] = a %>
% endfor
            for (int r = 0; r < ${W}; ++r) {
% for i in tensors:
% if i in turned:
                ${type_of(i)} x${i} = ${final[i]}[r];
% elif ins[i][3] == "1":
                ${type_of(i)} x${i} = ${vector_load(i, place(i, "(i + r)", "j"))};
% else:
                ${type_of(i)} x${i} = (${type_of(i)})(${scalar_load(i, place(i, "(i + r)", "j"))}${" ? -1 : 0" if ins[i][2] else ""});
% endif
% endfor
% for s in statements:
                ${s}
% endfor
% for k in range(len(outs)):
                ${store(k, place_out(k, "(i + r)", "j"), W)}
% endfor
            }
        }
${no_types()}
        }
        {
${scalar_types()}
${numbers()}
        for (long i = 0; i < rows; ++i)
        for (long j = i < whole_rows ? whole_columns : 0; j < columns; ++j) {
% for i in tensors:
            ${type_of(i)} x${i} = ${scalar_load(i, place(i, "i", "j"))};
% endfor
% for s in statements:
            ${s}
% endfor
% for k in range(len(outs)):
            ${store(k, place_out(k, "i", "j"), 1)}
% endfor
        }
${no_types()}
        }
% endif
    }
% else:
${scalar_types()}
${numbers()}
    for (long e = get_global_id(0); e < n; e += get_global_size(0)) {
        ${I} rest = (${I})e;
% for k in range(len(outs)):
        long w${k} = oo${k};
% endfor
% for i in tensors:
        long r${i} = ao${i};
% endfor
% for r in range(rank - 1, -1, -1):
        {
% if r:
            const ${I} q = rest / (${I})d${r}, at = rest - q * (${I})d${r};
            rest = q;
% else:
            const ${I} at = rest;
% endif
% for k in range(len(outs)):
            w${k} += at * ost${k}_${r};
% endfor
% for i in tensors:
            r${i} += at * st${i}_${r};
% endfor
        }
% endfor
% for i in tensors:
        ${"M" if ins[i][2] else "V"} x${i} = ${scalar_load(i, f"r{i}")};
% endfor
% for s in statements:
        ${s}
% endfor
% for k in range(len(outs)):
        ${store(k, f"w{k}", 1)}
% endfor
    }
${no_types()}
% endif
% if any(map(streamed, range(len(outs)))):
    CT_STREAMED();
% endif
}
