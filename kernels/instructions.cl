// Which instructions a processor has that its compiler does not use by itself, because it was made before the processor and
// takes it for an earlier one. Only a compiler that makes code for such a processor is asked, by its own macros; what the
// processor has, it says itself. Zero is the answer of everything else.
//
// found[0]: products of pairs of bfloat16 (AVX512-BF16)
// found[1]: the same, where one takes no longer than a multiply-add of float32: on Intel's processors it takes both units for
// two cycles, and products of converted operands are faster
__kernel void ct_instructions(__global int *found) {
    found[0] = found[1] = 0;
#if defined(__clang__) && defined(__x86_64__) && defined(__AVX512F__) && defined(__AVX512VL__)
    uint a = 0, b = 0, c = 0, d = 0;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    const int intel = b == 0x756e6547; // "Genu", of GenuineIntel
    a = 7;
    c = 0;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if (a == 0) return; // leaf 7 has no second part
    a = 7;
    c = 1;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    found[0] = a >> 5 & 1;
    found[1] = found[0] && !intel;
#endif
}
