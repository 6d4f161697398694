## Building blocks of matrix kernels on CPU-class devices, as Mako definitions: types and vector loads, packing into panels,
## the register tile. Used by matmul.cl and meant for every kernel that is a matrix product inside (convolution).
##
##   <%namespace name="tile" file="gemm_tile.cl"/>
##   ${tile.types("float16", "float16", 16)}     typedefs ct_in, ct_out, ct_t, ct_v and the macros CT_LOADV … below
##   ${tile.zero(mr, nv)}                        accumulators c0_0 … of mr rows by nv vectors
##   ${tile.multiply_panel(mr, nv, vw, …)}       the K loop
##
## A tile is mr rows by nr = nv * vw columns. Its mr * nv accumulators, nv vectors of B and one broadcast element of A must
## fit the vector registers: 32 on AVX-512 (12x32: 24 + 2 + 1), 16 on AVX2 (6x16: 12 + 2 + 1).
<%namespace name="memory" file="memory.cl"/>
<%!
COMPUTE = {"float16": "float", "bfloat16": "float", "float32": "float", "float64": "double", "int64": "long"}
STORAGE = {"float16": "half", "bfloat16": "ushort", "float32": "float", "float64": "double", "int64": "long",
           "int32": "int", "int16": "short", "int8": "char", "uint8": "uchar"}
def compute(t):
    return COMPUTE.get(t, "int")
def is_float(t):
    return compute(t) in ("float", "double")
%>
## ---- types ----------------------------------------------------------------------------------------------------------------
## ct_in / ct_out: storage types of operands and result; ct_t: type of arithmetic, ct_v: its vector.
## Integers narrower than 32 bits are computed in int: the result is cut to the stored width, as wrapping arithmetic would.
## With ``pairs`` a ct_t of an operand holds two neighbouring bfloat16, and CT_FMA adds both of their products to c.
<%def name="types(ti, to, vw, pairs=False)">
typedef ${STORAGE[ti]} ct_in;
typedef ${STORAGE[to]} ct_out;
typedef ${compute(ti)} ct_t;
typedef ${compute(ti)}${vw} ct_v;
// vload and vstore of 16 floats are four pieces each in PoCL's library, which the optimizer does not always put together
// again; Clang takes a vector type of the alignment of its elements instead.
#ifdef __clang__
typedef ct_v ct_packed_v __attribute__((aligned(sizeof(ct_t))));
#define CT_READV(space, p) (*(const space ct_packed_v *)(p))
#define CT_WRITEV(space, x, p) (*(space ct_packed_v *)(p) = (x))
#else
#define CT_READV(space, p) vload${vw}(0, p)
#define CT_WRITEV(space, x, p) vstore${vw}(x, 0, p)
#endif
% if "widens_one_item" in caps.quirks:
#define CT_ONE_ITEM __attribute__((reqd_work_group_size(1, 1, 1), intel_vec_len_hint(1)))
% else:
#define CT_ONE_ITEM __attribute__((reqd_work_group_size(1, 1, 1)))
% endif
% if pairs:
// an instruction that compilers older than the processor do not know by a builtin
static inline ct_v ct_dot(const ct_v a, const ct_v b, ct_v c) {
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(c) : "v"(a), "v"(b));
    return c;
}
#define CT_FMA(a, b, c) ct_dot(a, b, c)
% elif is_float(ti):
#define CT_FMA(a, b, c) fma(a, b, c)
% else:
#define CT_FMA(a, b, c) ((a) * (b) + (c))
% endif
% if ti == "float16":
#define CT_LOAD(p) ct_load_f16(p, 0)
#define CT_LOADV(p) ct_load_f16_${vw}(p, 0)
% elif ti == "bfloat16":
#define CT_LOAD(p) ct_load_bf16(p, 0)
#define CT_LOADV(p) ct_load_bf16_${vw}(p, 0)
% elif STORAGE[ti] == compute(ti):
#define CT_LOAD(p) (*(p))
#define CT_LOADV(p) CT_READV(__global, p)
% else:
#define CT_LOAD(p) ((ct_t)*(p))
#define CT_LOADV(p) convert_${compute(ti)}${vw}(vload${vw}(0, p))
% endif
## the result's type, which is also that of the addend of addmm
% if to == "float16":
#define CT_GET(p) ct_load_f16(p, 0)
#define CT_GETV(p) ct_load_f16_${vw}(p, 0)
#define CT_PUT(x, p) ct_store_f16(x, p, 0)
#define CT_PUTV(x, p) ct_store_f16_${vw}(x, p, 0)
% elif to == "bfloat16":
#define CT_GET(p) ct_load_bf16(p, 0)
#define CT_GETV(p) ct_load_bf16_${vw}(p, 0)
#define CT_PUT(x, p) ct_store_bf16(x, p, 0)
#define CT_PUTV(x, p) ct_store_bf16_${vw}(x, p, 0)
% elif STORAGE[to] == compute(ti):
#define CT_GET(p) (*(p))
#define CT_GETV(p) vload${vw}(0, p)
#define CT_PUT(x, p) (*(p) = (x))
#define CT_PUTV(x, p) vstore${vw}(x, 0, p)
% else:
#define CT_GET(p) ((ct_t)*(p))
#define CT_GETV(p) convert_${compute(ti)}${vw}(vload${vw}(0, p))
#define CT_PUT(x, p) (*(p) = (ct_out)(x))
#define CT_PUTV(x, p) vstore${vw}(convert_${STORAGE[to]}${vw}(x), 0, p)
% endif
${memory.prefetch()}\
// two vectors interleaved: the lower half of the result, the upper half
<%
    low, high = range(vw // 2), range(vw // 2, vw)
    def pick(r): return ", ".join(f"{v}.s{k:x}" for k in r for v in ("(a)", "(b)"))
    def index(r): return ", ".join(f"{k}, {k + vw}" for k in r)
%>\
#ifdef __clang__
#define CT_LOW(a, b) __builtin_shufflevector(a, b, ${index(low)})
#define CT_HIGH(a, b) __builtin_shufflevector(a, b, ${index(high)})
#else
#define CT_LOW(a, b) (ct_v)(${pick(low)})
#define CT_HIGH(a, b) (ct_v)(${pick(high)})
#endif
</%def>
## ---- the register tile ----------------------------------------------------------------------------------------------------
<%def name="zero(mr, nv)">
% for i in range(mr):
        ct_v ${", ".join(f"c{i}_{j} = (ct_v)(0)" for j in range(nv))};
% endfor
</%def>
## one step of K: a(i) gives the C text of row i's element of A; b points to the nv vectors of the panel's row, in `space`; those
## `ahead` are asked for
<%def name="step(mr, nv, vw, a, b, ahead='', space='__local')">
% if ahead:
% for j in range(nv):
            CT_PREFETCH(${b} + ${ahead} + ${j * vw});
% endfor
% endif
% for j in range(nv):
            const ct_v b${j} = CT_READV(${space}, ${b} + ${j * vw});
% endfor
% for i in range(mr):
            { const ct_v x = (ct_v)(${a(i)}); ${" ".join(f"c{i}_{j} = CT_FMA(x, b{j}, c{i}_{j});" for j in range(nv))} }
% endfor
</%def>
## copy of the accumulators to memory t of mr rows of nr elements, for every ending that is not a plain store
<%def name="spill(mr, nv, vw, nr, t)">
% for i in range(mr):
            ${" ".join(f"CT_WRITEV(__private, c{i}_{j}, {t} + {i * nr + j * vw});" for j in range(nv))}
% endfor
</%def>
## ---- packing --------------------------------------------------------------------------------------------------------------
## rows r0 … r(w-1) become columns: log2(w) rounds that interleave row i with row i + w/2; only shuffles, one per row and round
<%def name="transpose(w)">
<% n = w %>
% while n > 1:
            {
% for i in range(w // 2):
                const ct_v t${2 * i} = CT_LOW(r${i}, r${i + w // 2}), t${2 * i + 1} = CT_HIGH(r${i}, r${i + w // 2});
% endfor
% for i in range(w):
                r${i} = t${i};
% endfor
            }
<% n //= 2 %>\
% endwhile
</%def>
