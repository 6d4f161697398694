## Matrix times vector: y[m] = alpha * sum_k A[m, k] * x[k] + beta * i[m], batched, any strides. Memory bound: A is read once.
##
## ct_mv_rows: for rows of A that run along k (and for strides that suit nothing). Some rows at a time share the loads of x.
## ct_mv_columns: for neighbouring outputs that are neighbours in memory: rows of A are added to a run of outputs.
## Where there are fewer outputs than keep the device busy (a dot product has one), k is cut into parts: dimension 1 of the range
## counts the parts, their sums go to S, and ct_mv_finish adds them in the same order every time.
##
## Parameters: ti, to (dtype names), vw (vector width), run (vectors of outputs that ct_mv_columns
## computes together), lines (rows that it adds at a time), together (rows of ct_mv_rows), room (elements of
## x that fit local memory, for an x whose elements are apart), group (work-items per row on a GPU; 0 on a CPU).
<%namespace name="tile" file="gemm_tile.cl"/>
<%
    head = """const __global ct_in *A, const __global ct_in *X, __global ct_out *Y, const __global ct_out *I, __global ct_t *S,
    long a_off, long x_off, long y_off, long i_off, long M, long K, long part, int parts, long chunk, long a_row, long a_k, long x_k,
    long i_row, int inner, long a_b0, long a_b1, long x_b0, long x_b1, long i_b0, long i_b1, int addend, ct_t alpha, ct_t beta"""
%>
${tile.types(ti, to, vw)}
#define CT_PLACE(item)                                                                                            \
    const long z = get_global_id(2), z0 = z / inner, z1 = z % inner, p = get_global_id(1);                        \
    const long first = item * chunk, end = min(M, first + chunk), k0 = p * part, kn = min(part, K - k0);          \
    A += a_off + z0 * a_b0 + z1 * a_b1 + k0 * a_k;                                                                \
    X += x_off + z0 * x_b0 + z1 * x_b1 + k0 * x_k;                                                                \
    I += i_off + z0 * i_b0 + z1 * i_b1;                                                                           \
    Y += y_off + z * M;                                                                                           \
    S += (z * parts + p) * M;
#define CT_END(m, sum) ct_end(sum, alpha, beta, m, i_row, addend, parts, Y, I, S)

static void ct_end(const ct_t sum, const ct_t alpha, const ct_t beta, const long m, const long i_row, const int addend,
                   const int parts, __global ct_out *Y, const __global ct_out *I, __global ct_t *S) {
    if (parts > 1) {
        S[m] = sum;
    } else {
        ct_t y = alpha * sum;
        if (addend) y += beta * CT_GET(I + m * i_row);
        CT_PUT(y, Y + m);
    }
}
% if not group:

static inline ct_t ct_sum(const ct_v x) {
    ct_t t[${vw}], s = 0;
    CT_WRITEV(__private, x, t);
    for (int l = 0; l < ${vw}; l++) s += t[l];
    return s;
}

<%def name="rows(n, space, load)">
        {
% for r in range(n):
            const __global ct_in *a${r} = A + (m + ${r}) * a_row;
            ct_v s${r} = (ct_v)(0), u${r} = (ct_v)(0);
            ct_t e${r} = 0;
% endfor
            long k = 0;
            if (a_k == 1) {
                for (; k + ${2 * vw} <= kn; k += ${2 * vw}) {
                    const ct_v lo = ${load("x + k")}, hi = ${load(f"x + k + {vw}")};
% for r in range(n):
                    s${r} = CT_FMA(CT_LOADV(a${r} + k), lo, s${r});
                    u${r} = CT_FMA(CT_LOADV(a${r} + k + ${vw}), hi, u${r});
% endfor
                }
            }
            for (; k < kn; k++) {
% for r in range(n):
                e${r} += CT_LOAD(a${r} + k * a_k) * ${"x[k]" if space == "__local" else "CT_LOAD(x + k)"};
% endfor
            }
% for r in range(n):
            CT_END(m + ${r}, e${r} + ct_sum(s${r} + u${r}));
% endfor
        }
</%def>
<%def name="all_rows(space, load)">
        long m = first;
% if together > 1:
        for (; m + ${together} <= end; m += ${together}) ${rows(together, space, load)}
% endif
        for (; m < end; m++) ${rows(1, space, load)}
</%def>
__kernel CT_ONE_ITEM void ct_mv_rows(${head}) {
    __local ct_v space[${room // vw}];
    CT_PLACE(get_global_id(0))
    if (x_k == 1) {
        const __global ct_in *x = X;
        ${all_rows("__global", lambda p: f"CT_LOADV({p})")}
    } else {
        __local ct_t *x = (__local ct_t *)space;
        for (long k = 0; k < kn; k++) x[k] = CT_LOAD(X + k * x_k);
        ${all_rows("__local", lambda p: f"CT_READV(__local, {p})")}
    }
}

<%def name="add_rows(n)">
            {
                const __global ct_in *a = A + m + k * a_k;
% for r in range(n):
                const ct_t x${r} = CT_LOAD(X + (k + ${r}) * x_k);
% endfor
                int j = 0;
                for (; j + ${vw} <= width; j += ${vw}) {
                    ct_v s = CT_READV(__private, sums + j);
% for r in range(n):
                    s = CT_FMA(CT_LOADV(a + ${r} * a_k + j), (ct_v)(x${r}), s);
% endfor
                    CT_WRITEV(__private, s, sums + j);
                }
                for (; j < width; j++) {
% for r in range(n):
                    sums[j] += CT_LOAD(a + ${r} * a_k + j) * x${r};
% endfor
                }
            }
</%def>
// The sums of a run stay in the first cache, and the matrix is read in stretches as long as the run, of several rows at a
// time: reading a few hundred bytes of each row leaves most of a page unread, and its entry in the TLB is gone by the next
// visit.
__kernel CT_ONE_ITEM void ct_mv_columns(${head}) {
    CT_PLACE(get_global_id(0))
    ct_t sums[${run * vw}] __attribute__((aligned(64)));
    for (long m = first; m < end; m += ${run * vw}) {
        const int width = min((long)${run * vw}, end - m);
        for (int j = 0; j < width; j++) sums[j] = 0;
        long k = 0;
        for (; k + ${lines} <= kn; k += ${lines}) ${add_rows(lines)}
        for (; k + ${lines // 4} <= kn; k += ${lines // 4}) ${add_rows(lines // 4)}
        for (; k < kn; k++) ${add_rows(1)}
        for (int j = 0; j < width; j++) CT_END(m + j, sums[j]);
    }
}
% else:

// one work-group per row: strided sums, then a tree in local memory
__kernel __attribute__((reqd_work_group_size(${group}, 1, 1))) void ct_mv_rows(${head}) {
    __local ct_t sums[${group}];
    CT_PLACE(get_group_id(0))
    const int l = get_local_id(0);
    for (long m = first; m < end; m++) {
        ct_t s = 0;
        for (long k = l; k < kn; k += ${group}) s += CT_LOAD(A + m * a_row + k * a_k) * CT_LOAD(X + k * x_k);
        sums[l] = s;
        for (int n = ${group // 2}; n > 0; n /= 2) {
            barrier(CLK_LOCAL_MEM_FENCE);
            if (l < n) sums[l] += sums[l + n];
        }
        if (l == 0) CT_END(m, sums[0]);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

// one work-item per output: neighbours read neighbours
__kernel __attribute__((reqd_work_group_size(${group}, 1, 1))) void ct_mv_columns(${head}) {
    CT_PLACE(get_group_id(0))
    for (long m = first + get_local_id(0); m < end; m += ${group}) {
        ct_t s = 0;
        for (long k = 0; k < kn; k++) s += CT_LOAD(A + m * a_row + k * a_k) * CT_LOAD(X + k * x_k);
        CT_END(m, s);
    }
}
% endif

__kernel void ct_mv_finish(__global ct_out *Y, const __global ct_out *I, const __global ct_t *S, long y_off, long i_off, long M,
                           int parts, long chunk, long i_row, int inner, long i_b0, long i_b1, int addend, ct_t alpha, ct_t beta) {
    const long z = get_global_id(2), first = get_global_id(0) * chunk, end = min(M, first + chunk);
    Y += y_off + z * M;
    I += i_off + z / inner * i_b0 + z % inner * i_b1;
    S += z * parts * M;
    for (long m = first; m < end; m++) {
        ct_t s = S[m];
        for (int p = 1; p < parts; p++) s += S[p * M + m];
        ct_t y = alpha * s;
        if (addend) y += beta * CT_GET(I + m * i_row);
        CT_PUT(y, Y + m);
    }
}
