// Text in front of every kernel: all differences between dtypes live here.
// fp16, bf16 and fractions of 8 bits are storage types only: they load as float and store rounded to nearest even.
#ifdef cl_khr_fp64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#endif

// Vectors of 8 and 16 bits in global memory, aligned as one element is. CT_VLOAD16(uchar, p), CT_VSTORE16(uchar, v, p)
% for w in (2, 4, 8, 16):
% if "narrow_vectors" in caps.quirks:
% for t, size in (("char", 1), ("uchar", 1), ("short", 2), ("ushort", 2)):
typedef ${t}${w} ct_${t}${w}_anywhere __attribute__((aligned(${size})));
% endfor
#define CT_VLOAD${w}(T, p) (*(const __global ct_##T##${w}_anywhere *)(p))
#define CT_VSTORE${w}(T, v, p) (*(__global ct_##T##${w}_anywhere *)(p) = (v))
% else:
#define CT_VLOAD${w}(T, p) vload${w}(0, p)
#define CT_VSTORE${w}(T, v, p) vstore${w}(v, 0, p)
% endif
% endfor
% if with_halves:

static inline float ct_load_bf16(const __global ushort *p, long i) { return as_float((uint)p[i] << 16); }
static inline ushort ct_round_bf16(float x) {
    uint u = as_uint(x);
    return x != x ? (ushort)((u >> 16) | 0x40u) : (ushort)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}
static inline void ct_store_bf16(float x, __global ushort *p, long i) { p[i] = ct_round_bf16(x); }
static inline float ct_load_f16(const __global half *p, long i) { return vload_half(i, p); }
static inline void ct_store_f16(float x, __global half *p, long i) { vstore_half_rte(x, i, p); }

% for w in (2, 4, 8, 16):
static inline float${w} ct_load_bf16_${w}(const __global ushort *p, long i) {
    return as_float${w}(convert_uint${w}(CT_VLOAD${w}(ushort, p + i)) << 16);
}
static inline ushort${w} ct_round_bf16_${w}(float${w} x) {
    uint${w} u = as_uint${w}(x);
    uint${w} r = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    return convert_ushort${w}(select(r, (u >> 16) | 0x40u, x != x));
}
static inline void ct_store_bf16_${w}(float${w} x, __global ushort *p, long i) { CT_VSTORE${w}(ushort, ct_round_bf16_${w}(x), p + i); }
% if w >= 8 and "vload_half8" in caps.quirks:
static inline float${w} ct_load_f16_${w}(const __global half *p, long i) {
    return (float${w})(ct_load_f16_${w // 2}(p, i), ct_load_f16_${w // 2}(p, i + ${w // 2}));
}
static inline void ct_store_f16_${w}(float${w} x, __global half *p, long i) {
    ct_store_f16_${w // 2}(x.lo, p, i);
    ct_store_f16_${w // 2}(x.hi, p, i + ${w // 2});
}
% else:
static inline float${w} ct_load_f16_${w}(const __global half *p, long i) { return vload_half${w}(0, p + i); }
static inline void ct_store_f16_${w}(float${w} x, __global half *p, long i) { vstore_half${w}_rte(x, 0, p + i); }
% endif
% endfor
% endif
% for t in float8:
<%
form = t.form
low = form.mantissa and 1 << form.mantissa
def hexed(n): return f"0x{n:x}u"
%>
// ${t.name}: integer arithmetic all through, as cltorch/float_bits.py has it
% for w in ("", 2, 4, 8, 16):
<% U, I, F, n = f"uint{w}", f"int{w}", f"float{w}", f"_{w}" if w else "" %>
static inline ${F} ct_widen_${t.tag}${n}(${U} b) {
    ${U} a = b & ${"0x7fu" if form.sign else "0xffu"};
% if form.subnormal:
    ${U} r = (a << ${23 - form.mantissa}) + ${hexed((127 - form.bias) << 23)};
    r = select(r, as_uint${w}(convert_float${w}(a) * ${float.hex(2.0 ** (1 - form.bias - form.mantissa))}f), a < (${U})(${low}));
% else:
    ${U} r = select(a << 23, (${U})(0x400000u), a == (${U})(0));
% endif
% if form.infinity:
    r = select(r, (${U})(0x7f800000u), a == (${U})(${form.over}));
% endif
% if form.negative_zero:
    r = select(r, (${U})(0x7fc00000u), a > (${U})(${max(form.largest, form.over)}));
    return as_float${w}(r | ((b & 0x80u) << 24));
% else:
% if form.sign:
    r |= (b & 0x80u) << 24;
% endif
    return as_float${w}(select(r, (${U})(0x7fc00000u), b == (${U})(${form.nan})));
% endif
}
static inline uchar${w} ct_round_${t.tag}${n}(${F} x) {
    ${U} u = as_uint${w}(x), size = u & 0x7fffffffu, e = size >> 23, f = size & 0x7fffffu;
    ${U} steps = select(f | 0x800000u, f, e == (${U})(0));
    e = max(e, (${U})(1));
    ${U} shift = min(${23 - form.mantissa}u + max(e, (${U})(${128 - form.bias})) - e, (${U})(31));
    ${U} whole = steps >> shift, rest = steps & (((${U})(1) << shift) - 1u), half_way = (${U})(1) << (shift - 1u);
    whole += select((${U})(0), (${U})(1), (rest > half_way) | ((rest == half_way) & ((whole & 1u) != (${U})(0))));
    ${U} code = ((max(e, (${U})(${128 - form.bias})) - ${128 - form.bias}u) << ${form.mantissa}) + whole;
    code = select(code, (${U})(${form.over}), code > (${U})(${form.largest}));
    code = select(code, (${U})(${form.nan}), size > (${U})(0x7f800000u));
% if form.negative_zero:
    code |= (u >> 24) & 0x80u;
% elif form.sign:
    code = select(code | ((u >> 24) & 0x80u), code, (code == (${U})(${form.nan})) | (code == (${U})(0)));
% endif
    return convert_uchar${w}(code);
}
% if w:
static inline ${F} ct_load_${t.tag}${n}(const __global uchar *p, long i) { return ct_widen_${t.tag}${n}(convert_uint${w}(CT_VLOAD${w}(uchar, p + i))); }
static inline void ct_store_${t.tag}${n}(${F} x, __global uchar *p, long i) { CT_VSTORE${w}(uchar, ct_round_${t.tag}${n}(x), p + i); }
% else:
static inline float ct_load_${t.tag}(const __global uchar *p, long i) { return ct_widen_${t.tag}((uint)p[i]); }
static inline void ct_store_${t.tag}(float x, __global uchar *p, long i) { p[i] = ct_round_${t.tag}(x); }
% endif
% endfor
% endfor
% if with_notes:

// Note an index out of range, unless there is a note already, for the operator of a number (0 notes nothing); of the
// index tensors it is number k. Only called where there is one, so that it costs nothing where there is none.
static inline void ct_note(volatile __global int *note, int site, int k, long index, long size) {
    if (site == 0 || atomic_cmpxchg(note, 0, site) != 0) return;
    note[1] = k;
    note[2] = (int)index;
    note[3] = (int)(index >> 32);
    note[4] = (int)size;
    note[5] = (int)(size >> 32);
}
% endif

// What a traced formula calls, V being the type of its operands and M that of its masks: their bits as one another's, and
// the driver's own functions, or what is done instead of them.
#define CT_JOIN_(a, b) a##b
#define CT_JOIN(a, b) CT_JOIN_(a, b)
#define CT_BITS(x) CT_JOIN(as_, M)(x)
#define CT_FLOATS(x) CT_JOIN(as_, V)(x)
% for f in ("pow", "fmod"):
% if "double_lanes" in caps.quirks:
#define ct_${f}_lanes(a, b) CT_JOIN(ct_${f}_, V)(a, b)
#define ct_${f}_double(a, b) ${f}(a, b)
% for w in (2, 4, 8, 16):
#define ct_${f}_double${w}(a, b) ((double${w})(${", ".join(f"{f}((a).s{i:x}, (b).s{i:x})" for i in range(w))}))
% endfor
% else:
#define ct_${f}_lanes(a, b) ${f}(a, b)
% endif
% endfor
