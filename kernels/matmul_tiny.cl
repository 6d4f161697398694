## Many products of tiny matrices, C = alpha * A B + beta * I, none of whose sizes is more than vw, on CPU-class devices: rows of
## B and of the result are one vector each, and a work-item makes many products one after the other. A work-item for each of
## them, as in matmul.cl, costs more than the product.
##
## Parameters: t (dtype name), vw (vector width).
<%namespace name="tile" file="gemm_tile.cl"/>
${tile.types(t, t, vw)}

__kernel CT_ONE_ITEM void ct_gemm_tiny(
    const __global ct_in *A, const __global ct_in *B, __global ct_out *C, const __global ct_out *I, long a_off, long b_off,
    long c_off, long i_off, long batch, long per_item, int M, int N, int K, long inner, long a_row, long a_k, long b_k,
    long b_n, long i_row, long i_col, long a_b0, long a_b1, long b_b0, long b_b1, long i_b0, long i_b1, int addend,
    ct_t alpha, ct_t beta) {
    const long first = get_global_id(0) * per_item, last = min(batch, first + per_item);
    long z0 = first / inner, z1 = first - z0 * inner;
    ct_t line[${vw}];
    ct_v rows[${vw}];
    C += c_off + first * M * N;
    for (long z = first; z < last; z++, C += M * N) {
        const __global ct_in *a = A + a_off + z0 * a_b0 + z1 * a_b1, *b = B + b_off + z0 * b_b0 + z1 * b_b1;
        const __global ct_out *in = I + i_off + z0 * i_b0 + z1 * i_b1;
        for (int k = 0; k < K; k++) {
            // not by way of memory: a vector of what was just written there one by one waits for all of it
            const __global ct_in *row = b + k * b_k;
            switch (N) {
% for n in range(2, vw):
            case ${n}: rows[k] = (ct_v)(${", ".join(f"CT_LOAD(row + {i} * b_n)" if i < n else "0" for i in range(vw))}); break;
% endfor
            default: rows[k] = (ct_v)(${", ".join(f"CT_LOAD(row + {i} * b_n)" for i in range(vw))});
            }
        }
        for (int m = 0; m < M; m++) {
            ct_v sum = (ct_v)(0);
            for (int k = 0; k < K; k++) sum = CT_FMA((ct_v)(CT_LOAD(a + m * a_row + k * a_k)), rows[k], sum);
            CT_WRITEV(__private, alpha * sum, line);
            if (addend)
                for (int n = 0; n < N; n++) line[n] += beta * CT_GET(in + m * i_row + n * i_col);
            for (int n = 0; n < N; n++) CT_PUT(line[n], C + m * N + n);
        }
        if (++z1 == inner) {
            z1 = 0;
            z0++;
        }
    }
}
