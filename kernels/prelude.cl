// Text in front of every kernel: all differences between dtypes live here.
// fp16 and bf16 are storage types only: they load as float and store rounded to nearest even.
#ifdef cl_khr_fp64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#endif

inline float ct_load_bf16(const __global ushort *p, long i) { return as_float((uint)p[i] << 16); }
inline ushort ct_round_bf16(float x) {
    uint u = as_uint(x);
    return x != x ? (ushort)((u >> 16) | 0x40u) : (ushort)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}
inline void ct_store_bf16(float x, __global ushort *p, long i) { p[i] = ct_round_bf16(x); }
inline float ct_load_f16(const __global half *p, long i) { return vload_half(i, p); }
inline void ct_store_f16(float x, __global half *p, long i) { vstore_half_rte(x, i, p); }

% for w in (2, 4, 8, 16):
inline float${w} ct_load_bf16_${w}(const __global ushort *p, long i) {
    return as_float${w}(convert_uint${w}(vload${w}(0, p + i)) << 16);
}
inline ushort${w} ct_round_bf16_${w}(float${w} x) {
    uint${w} u = as_uint${w}(x);
    uint${w} r = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    return convert_ushort${w}(select(r, (u >> 16) | 0x40u, x != x));
}
inline void ct_store_bf16_${w}(float${w} x, __global ushort *p, long i) { vstore${w}(ct_round_bf16_${w}(x), 0, p + i); }
inline float${w} ct_load_f16_${w}(const __global half *p, long i) { return vload_half${w}(0, p + i); }
inline void ct_store_f16_${w}(float${w} x, __global half *p, long i) { vstore_half${w}_rte(x, 0, p + i); }
% endfor
