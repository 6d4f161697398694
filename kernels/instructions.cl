// Which instructions a processor has that its compiler does not use by itself, because it was made before the processor and
// takes it for an earlier one. Only a compiler that makes code for such a processor is asked, by its own macros; what the
// processor has, it says itself. Zero is the answer of everything else.
//
// found[0]: products of pairs of bfloat16 (AVX512-BF16)
__kernel void ct_instructions(__global int *found) {
    found[0] = 0;
#if defined(__clang__) && defined(__x86_64__) && defined(__AVX512F__) && defined(__AVX512VL__)
    uint a = 7, b = 0, c = 0, d = 0;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if (a == 0) return; // leaf 7 has no second part
    a = 7;
    c = 1;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    found[0] = a >> 5 & 1;
#endif
}
