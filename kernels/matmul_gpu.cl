## Matrix product on GPUs: C = alpha * A @ B + beta * I, batched, any strides of A, B and I, rows of C dense.
##
## A work-group of ty by tx items makes a tile of bm by bn: per step of bk along K it copies a block of A and a block of B into
## local memory, each item then takes bm/ty by bn/tx elements in registers. An item owns runs of ``width`` rows and columns, which
## it reads from local memory as vectors; the runs of neighbours are neighbours, so that they read neighbouring words and write
## neighbouring words of C. Blocks are read along whichever stride is 1 (a_along_k, b_along_n), so that transposed operands are
## coalesced too.
##
## Parameters: ti, to (dtype names), bm, bn, bk (block), ty, tx (work-group), width (of vectors), unroll (steps of K per round),
## grouped (many products at once, of which a table has the numbers and says which block of which product a work-group makes).
<%namespace name="tile" file="gemm_tile.cl"/>
<%namespace name="group" file="gemm_group.cl"/>
<%
    items, rows, cols = ty * tx, bm // ty, bn // tx
    # more words per row keep the items of a column of the block out of one bank; whole vectors stay aligned
    a_line, b_line = bm + width, bn + width
    # the place in the block of an item's row or column number i
    def row(i): return f"(y + {i // width * ty}) * {width} + {i % width}"
    def col(j): return f"(x + {j // width * tx}) * {width} + {j % width}"
    def lane(v, l): return f"{v}.s{l}" if width > 1 else v
    numbers = group.module.numbers(
        "long a_off b_off c_off i_off", "int M N K", "long a_row a_k b_k b_n c_row i_row i_col", "int inner",
        "long a_b0 a_b1 b_b0 b_b1 i_b0 i_b1 c_b", "int a_along_k b_along_n addend")
%>
${tile.types(ti, to, max(width, 2))}
typedef ${"ct_v" if width > 1 else "ct_t"} ct_w;

__kernel __attribute__((reqd_work_group_size(${tx * ty}, 1, 1))) void ct_gemm_gpu(
    const __global ct_in *A, const __global ct_in *B, __global ct_out *C, const __global ct_out *I,
    ${group.module.arguments(numbers, grouped)}, ct_t alpha, ct_t beta) {
    __local ct_w a_room[${bk * a_line // width}], b_room[${bk * b_line // width}];
    __local ct_t *a_block = (__local ct_t *)a_room, *b_block = (__local ct_t *)b_room;
    ${group.module.read(numbers, grouped)}
    const long z = ${group.module.place(2, grouped)}, z0 = z / inner, z1 = z % inner;
    const int m0 = ${group.module.place(1, grouped)} * ${bm}, n0 = ${group.module.place(0, grouped)} * ${bn};
    const int item = get_local_id(0), x = item % ${tx}, y = item / ${tx};
    A += a_off + z0 * a_b0 + z1 * a_b1 + m0 * a_row;
    B += b_off + z0 * b_b0 + z1 * b_b1 + n0 * b_n;
    I += i_off + z0 * i_b0 + z1 * i_b1 + m0 * i_row + n0 * i_col;
    C += c_off + z * c_b + m0 * c_row + n0;
    const int m_end = M - m0, n_end = N - n0;
% for i in range(rows):
    ct_t ${", ".join(f"c{i}_{j} = 0" for j in range(cols))};
% endfor
    for (int k0 = 0; k0 < K; k0 += ${bk}) {
        for (int e = item; e < ${bm * bk}; e += ${items}) {
            const int m = a_along_k ? e / ${bk} : e % ${bm}, k = a_along_k ? e % ${bk} : e / ${bm};
            a_block[k * ${a_line} + m] = m < m_end && k0 + k < K ? CT_LOAD(A + m * a_row + (long)(k0 + k) * a_k) : (ct_t)0;
        }
        for (int e = item; e < ${bn * bk}; e += ${items}) {
            const int n = b_along_n ? e % ${bn} : e / ${bk}, k = b_along_n ? e / ${bn} : e % ${bk};
            b_block[k * ${b_line} + n] = n < n_end && k0 + k < K ? CT_LOAD(B + n * b_n + (long)(k0 + k) * b_k) : (ct_t)0;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int k = 0; k < ${bk}; k += ${unroll}) {
% for u in range(unroll):
            {
% for i in range(rows // width):
                const ct_w a${i} = a_room[(k + ${u}) * ${a_line // width} + y + ${i * ty}];
% endfor
% for j in range(cols // width):
                const ct_w b${j} = b_room[(k + ${u}) * ${b_line // width} + x + ${j * tx}];
% endfor
% for i in range(rows):
% for j in range(cols):
                c${i}_${j} = CT_FMA(${lane(f"a{i // width}", i % width)}, ${lane(f"b{j // width}", j % width)}, c${i}_${j});
% endfor
% endfor
            }
% endfor
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
% for i in range(rows):
    {
        const int m = ${row(i)};
% for j in range(cols):
        if (m < m_end && ${col(j)} < n_end) {
            const int n = ${col(j)};
            ct_t r = alpha * c${i}_${j};
            if (addend) r += beta * CT_GET(I + m * i_row + n * i_col);
            CT_PUT(r, C + m * c_row + n);
        }
% endfor
    }
% endfor
}
