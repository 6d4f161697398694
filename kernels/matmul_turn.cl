## The end of a product whose operands changed places (few rows by a large matrix, cltorch/ops/gemm_cpu.py), on CPU-class
## devices: C = alpha * S^T + beta * I, where S (N rows of M, dense) is the product the other way round.
##
## A work-item makes ``span`` vectors of columns of C, down all rows, by blocks of vw x vw in registers, so that a row of C
## is written by whole cache lines.
##
## Parameters: t (dtype name), vw (vector width).
<%namespace name="tile" file="gemm_tile.cl"/>
${tile.types(t, t, vw)}

__kernel CT_ONE_ITEM void ct_gemm_turn(
    const __global ct_t *S, __global ct_out *C, const __global ct_out *I, long c_off, long i_off, int M, int N, int span,
    long i_row, long i_col, int inner, long i_b0, long i_b1, int addend, ct_t alpha, ct_t beta) {
    const long z = get_global_id(1), each = (long)M * N;
    S += z * each;
    C += c_off + z * each;
    I += i_off + z / inner * i_b0 + z % inner * i_b1;
    const int first = get_global_id(0) * span * ${vw}, end = min(N, first + span * ${vw});
    for (int n = first; n < end; n += ${vw}) {
        int m = 0;
        if (n + ${vw} <= end) {
            for (; m + ${vw} <= M; m += ${vw}) {
                const __global ct_t *s = S + (long)n * M + m;
% for l in range(vw):
                ct_v r${l} = CT_READV(__global, s + ${l} * (long)M);
% endfor
                ${tile.transpose(vw)}
                ct_t t[${vw * vw}];
% for l in range(vw):
                CT_WRITEV(__private, r${l}, t + ${l * vw});
% endfor
                for (int l = 0; l < ${vw}; l++) {
                    const __global ct_out *in = I + (m + l) * i_row + n * i_col;
                    ct_v x = alpha * vload${vw}(l, t);
                    if (addend && i_col == 1) {
                        x += beta * CT_GETV(in);
                    } else if (addend) {
                        ct_t y[${vw}];
                        for (int j = 0; j < ${vw}; j++) y[j] = CT_GET(in + j * i_col);
                        x += beta * vload${vw}(0, y);
                    }
                    CT_PUTV(x, C + (m + l) * (long)N + n);
                }
            }
        }
        for (; m < M; m++) {
            for (int j = n; j < min(end, n + ${vw}); j++) {
                ct_t x = alpha * S[(long)j * M + m];
                if (addend) x += beta * CT_GET(I + m * i_row + j * i_col);
                CT_PUT(x, C + m * (long)N + j);
            }
        }
    }
}
