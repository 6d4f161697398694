// Philox4x32-10 (Salmon et al., SC 2011), the same function as cltorch/ops/philox.py.
// Parameter: lanes. 1: one block of four words per call; 16: sixteen consecutive blocks, word j of block b in w[j].s<b>.
<% U = "uint" if lanes == 1 else f"uint{lanes}" %>
#define CT_LANE ${"0u" if lanes == 1 else "(uint16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)"}

static inline void ct_philox(${U} w[4], uint k0, uint k1) {
    #pragma unroll
    for (int r = 0; r < 10; r++) {
        ${U} high0 = mul_hi(w[0], (${U})0xD2511F53u), low0 = w[0] * 0xD2511F53u;
        ${U} high1 = mul_hi(w[2], (${U})0xCD9E8D57u), low1 = w[2] * 0xCD9E8D57u;
        w[0] = high1 ^ w[1] ^ k0;
        w[1] = low1;
        w[2] = high0 ^ w[3] ^ k1;
        w[3] = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

// The words of the blocks from `block` on; `attempt` numbers further draws for the same element.
static inline void ct_words(${U} w[4], ulong block, uint attempt, uint k0, uint k1) {
    uint low = (uint)block;
    w[0] = CT_LANE + low;
% if lanes == 1:
    w[1] = (uint)(block >> 32);
% else:
    // a lane that wrapped around carries one (a true comparison is -1)
    w[1] = (uint)(block >> 32) - as_uint16(w[0] < low);
% endif
    w[2] = attempt;
    w[3] = 0;
    ct_philox(w, k0, k1);
}
