## Matrix product on CPU-class devices: C = alpha * A @ B + beta * I, batched, any strides of A, B and I, rows of C dense.
##
## One work-item owns a group of column panels and a chunk of row tiles. For every slice of K it packs its part of B into local
## memory (its own core's L2), then walks down its row tiles; a tile of A stays in L1 while the panels of the group pass.
## With ``in_place`` nothing is packed where that can be, and B is read where it lies: its rows lie along N, and no panel goes
## beyond their ends.
## A is read where it lies if its rows run along K (ct_gemm_rows); otherwise, or if it is not of the type of arithmetic,
## ct_pack_a has laid it out in panels of mr rows first (ct_gemm_panel).
##
## Parameters: ti, to (dtype names), mr, nv, vw (the tile), local_elems (capacity of the packed part of B), unroll (steps of K
## per round), prefetch (rows of the panel asked for ahead), tail (vectors of the narrower tile that a last panel of so few
## columns takes; with one of two vectors, four vectors of columns that are left are two such panels), panels (whether
## ct_gemm_panel and ct_pack_a are wanted too), pairs (bfloat16 by the processor's own instruction, which multiplies two
## neighbours along K and adds both products: K, k0, kn and kc then count pairs, a pair is one ct_t, and ``odd`` says that the
## last pair has one element), grouped (many products at once, of which a table has the numbers and says which place of which
## product an item takes).
<%namespace name="tile" file="gemm_tile.cl"/>
<%namespace name="group" file="gemm_group.cl"/>
<%
nr = nv * vw
odd = ["int odd"] if pairs else []
in_place = not grouped and not pairs and ti in ("float32", "float64")
product_numbers = group.module.numbers(
    "long a_off b_off c_off i_off w_off", "int M N K kc span chunk", "long a_row b_k b_n c_row i_row i_col w_row", "int inner",
    "long a_b0 a_b1 b_b0 b_b1 i_b0 i_b1 c_b w_b", "int plain addend", *[] if grouped else ["int in_place"], *odd)
pack_numbers = group.module.numbers(
    "long a_off", "int M K kc", "long a_row a_k", "int inner", "long a_b0 a_b1 p_b", "int group", *odd,
    *(["long p_off"] if grouped else []))
%>
${tile.types(ti, to, vw, pairs)}
// a panel is packed in local memory, or lies in global memory: one pointer reaches both where the processor has one memory
#if ${int(in_place)} && defined(__clang__) && (defined(__x86_64__) || defined(__aarch64__))
#define CT_PANEL __global
#define CT_IN_PLACE in_place
#else
#define CT_PANEL __local
#define CT_IN_PLACE 0
#endif
% if pairs:
typedef ${"ushort%d" % vw} ct_halves __attribute__((aligned(2)));
typedef ${"uint%d" % vw} ct_words;
static inline ct_t ct_pair(const __global ct_in *low, const long apart, const int alone) {
    return as_float((uint)low[0] | (alone ? 0 : (uint)low[apart] << 16));
}
static inline ct_v ct_pairs(const __global ct_in *low, const long apart, const int alone) {
    const ct_words x = convert_uint${vw}(*(const __global ct_halves *)low);
    return alone ? as_float${vw}(x) : as_float${vw}(x | convert_uint${vw}(*(const __global ct_halves *)(low + apart)) << 16);
}
% endif
<%
# a step along K, and what is read there: an element, or a pair and whether it is the odd one
step = 2 if pairs else 1
def along(stride): return f"2 * {stride}" if pairs else stride
def one(p, stride): return f"ct_pair({p}, {stride}, alone)" if pairs else f"CT_LOAD({p})"
def many(p): return f"ct_pairs({p}, b_k, alone)" if pairs else f"CT_LOADV({p})"
%>
<% halves = nv == 3 and tail == 2 %>\
<%def name="alone(indent, k)">\
% if pairs:
${indent}const int alone = odd && k0 + ${k} == K - 1;
% endif
</%def>\
## one element of K at a time for the ends of a transposing copy, and for strides that no vector can load
<%def name="pack_b()">
    {
        // b points at row k0, first column of the group
        const __global ct_in *b = B + k0 * ${along("b_k")} + (long)n0 * b_n;
        if (b_n == 1) {
            // the processor by itself reads long stretches of a row ahead, and quicker
            const int near = panels <= 3;
            for (int k = 0; k < kn; k++, b += ${along("b_k")}) {
${alone("                ", "k")}\
                const __global ct_in *src = b;
                __local ct_t *dst = packed + (long)k * ${nr};
                for (int g = 0; g < panels; g++, src += ${nr}, dst += (long)kc * ${nr}) {
                    int cols = N - n0 - g * ${nr};
                    if (cols >= ${nr}) {
                        if (near) {
% for j in range(nv):
% for row in range(step):
                            CT_PREFETCH(src + ${8 * step + row} * b_k + ${j * vw});
% endfor
% endfor
                        }
% for j in range(nv):
                        CT_WRITEV(__local, ${many(f"src + {j * vw}")}, dst + ${j * vw});
% endfor
                    } else {
% if halves:
                        src -= shift, cols += shift;
% endif
% for j in range(nv):
                        if (cols >= ${(j + 1) * vw}) {
% for row in range(step):
                            CT_PREFETCH(src + ${8 * step + row} * b_k + ${j * vw});
% endfor
                            CT_WRITEV(__local, ${many(f"src + {j * vw}")}, dst + ${j * vw});
                        } else
                            for (int j = ${j * vw}; j < ${(j + 1) * vw}; j++) dst[j] = j < cols ? ${one("src + j", "b_k")} : (ct_t)0;
% endfor
                    }
                }
            }
        } else {
            for (int v = 0; v < panels * ${nv}; v++, b += ${vw} * b_n) {
% if halves:
                if (v % ${nv} == 0 && n0 + v * ${vw} + ${nr} > N) b -= shift * b_n;
                const int behind = n0 + v * ${vw} - (n0 + v / ${nv} * ${nr} + ${nr} > N ? shift : 0);
% else:
                const int behind = n0 + v * ${vw};
% endif
                // a vector of columns; those beyond the matrix repeat the last one and are never stored
                const int last = min(${vw}, N - behind) - 1;
                __local ct_t *dst = packed + (long)(v / ${nv}) * kc * ${nr} + v % ${nv} * ${vw};
                if (last < 0) {
                    for (int k = 0; k < kn; k++) vstore${vw}((ct_v)(0), 0, dst + k * ${nr});
                    continue;
                }
                int k = 0;
                if (b_k == 1) {
% for l in range(vw):
                    const __global ct_in *p${l} = b + min(${l}, last) * b_n;
% endfor
                    for (; k + ${vw} <= ${"kn - (odd && k0 + kn == K)" if pairs else "kn"}; k += ${vw}) {
% for l in range(vw):
                        ct_v r${l} = ${f"CT_READV(__global, (const __global ct_t *)p{l} + k)" if pairs else f"CT_LOADV(p{l} + k)"};
% endfor
                        ${tile.transpose(vw)}
% for l in range(vw):
                        CT_WRITEV(__local, r${l}, dst + (k + ${l}) * ${nr});
% endfor
                    }
                }
                for (; k < kn; k++) {
${alone("                    ", "k")}\
                    for (int l = 0; l < ${vw}; l++) dst[k * ${nr} + l] = ${one(f"b + min(l, last) * b_n + k * {along('b_k')}", "b_k")};
                }
            }
        }
    }
</%def>
## the tile of rows m0 … and of one panel, over one slice of K, and what becomes of it
<%def name="tile_body(v, rows_mode)">
    {
        const CT_PANEL ct_t *b = panel + ${"(CT_IN_PLACE ? nn - n0 : (long)g * kc * %d)" % nr if in_place else "(long)g * kc * %d" % nr};
        __global ct_t *w = W + (long)m0 * w_row + nn;
        ${tile.zero(mr, v)}
<% ahead = f"{prefetch} * b_step" if prefetch else "" %>\
        int k = 0;
% if not rows_mode:
        const __global ct_t *a = ap;
% endif
        // a core waits for few lines at a time: those of the result, and the first ones of A's next rows, a row at a time;
        // behind the last rows those of the next matrix of a batch, or none that matter
        for (int part = 0; part < ${mr}; part++) {
            const int until = kn * (part + 1L) / ${mr};
            const __global ct_t *line = w + part * w_row;
% for j in range(v):
            CT_PREFETCH_WRITE(line + ${j * vw});
% endfor
% if rows_mode:
            const __global ct_t *next = (const __global ct_t *)(A + (long)(m0 + ${mr} + part) * a_row) + k0;
% for j in range(4):
            CT_PREFETCH(next + ${j} * (64 / (int)sizeof(ct_t)));
% endfor
% if unroll > 1:
            for (; k + ${unroll} <= until; k += ${unroll}, b += ${unroll} * b_step) {
% for u in range(unroll):
                {
                ${tile.step(mr, v, vw, lambda i: f"a{i}[k + {u}]", f"b + {u} * b_step", ahead, "CT_PANEL")}
                }
% endfor
            }
% endif
            for (; k < until; k++, b += b_step) {
                ${tile.step(mr, v, vw, lambda i: f"a{i}[k]", "b", ahead, "CT_PANEL")}
            }
% else:
% if unroll > 1:
            for (; k + ${unroll} <= until; k += ${unroll}, b += ${unroll} * b_step, a += ${unroll * mr}) {
% for u in range(unroll):
                {
                CT_PREFETCH(a + ${256 + u * mr});
                ${tile.step(mr, v, vw, lambda i: f"a[{u * mr + i}]", f"b + {u} * b_step", ahead, "CT_PANEL")}
                }
% endfor
            }
% endif
            for (; k < until; k++, b += b_step, a += ${mr}) {
                CT_PREFETCH(a + 256);
                ${tile.step(mr, v, vw, lambda i: f"a[{i}]", "b", ahead, "CT_PANEL")}
            }
% endif
        }
        if (plain && m0 + ${mr} <= M && nn + ${v * vw} <= N) {
            __global ct_out *c = C + (long)m0 * c_row + nn;
% for i in range(mr):
% for j in range(v):
            ${"CT_PUTV(c%d_%d, c + %d)" % (i, j, j * vw) if to in ("float16", "bfloat16") else "CT_WRITEV(__global, c%d_%d, (__global ct_t *)c + %d)" % (i, j, j * vw)};
% endfor
            c += c_row;
% endfor
        } else {
            ct_t t[${mr * v * vw}];
            ${tile.spill(mr, v, vw, v * vw, "t")}
            ct_finish(t, ${v * vw}, min(${mr}, M - m0), min(${v * vw}, N - nn), k0 > 0, k0 + kc >= K, alpha, beta,
                      w, w_row, C + (long)m0 * c_row + nn, c_row, I + m0 * i_row + nn * i_col, i_row, i_col, addend);
        }
    }
</%def>
// Everything that is not a plain store of a full tile: edges, sums over slices of K (kept in w), alpha, the addend, conversion.
static void ct_finish(ct_t *t, const int t_row, const int rows, const int cols, const int more, const int last,
                      const ct_t alpha, const ct_t beta, __global ct_t *w, const long w_row, __global ct_out *c, const long c_row,
                      const __global ct_out *in, const long i_row, const long i_col, const int addend) {
    for (int i = 0; i < rows; i++, t += t_row, w += w_row, c += c_row, in += i_row) {
        int j = 0;
        for (; j + ${vw} <= cols; j += ${vw}) {
            ct_v x = vload${vw}(0, t + j);
            if (more) x += vload${vw}(0, w + j);
            if (!last) {
                vstore${vw}(x, 0, w + j);
                continue;
            }
            x *= alpha;
            if (addend) {
                if (i_col == 1) x += beta * CT_GETV(in + j);
                else if (i_col == 0) x += (ct_v)(beta * CT_GET(in));
                else {
                    ct_t y[${vw}];
                    for (int l = 0; l < ${vw}; l++) y[l] = CT_GET(in + (j + l) * i_col);
                    x += beta * vload${vw}(0, y);
                }
            }
            CT_PUTV(x, c + j);
        }
        for (; j < cols; j++) {
            ct_t x = t[j];
            if (more) x += w[j];
            if (!last) {
                w[j] = x;
                continue;
            }
            x *= alpha;
            if (addend) x += beta * CT_GET(in + j * i_col);
            CT_PUT(x, c + j);
        }
    }
}

% for rows_mode in (False,) if grouped else (True, False) if panels else (True,):
__kernel CT_ONE_ITEM void ct_gemm_${"rows" if rows_mode else "panel"}(
    const __global ${"ct_in" if rows_mode else "ct_t"} *A, const __global ct_in *B, __global ct_out *C, const __global ct_out *I,
    __global ct_t *W, ${group.module.arguments(product_numbers, grouped)}, ct_t alpha, ct_t beta) {
    __local ct_v room[${local_elems // vw}];
    __local ct_t *packed = (__local ct_t *)room;
    ${group.module.read(product_numbers, grouped)}
    const long z = ${group.module.place(2, grouped, "get_global_id")}, z0 = z / inner, z1 = z % inner;
    A += a_off + z0 * a_b0 + z1 * a_b1;
    B += b_off + z0 * b_b0 + z1 * b_b1;
    I += i_off + z0 * i_b0 + z1 * i_b1;
    C += c_off + z * c_b;
    W += w_off + z * w_b;
    const int n0 = ${group.module.place(0, grouped, "get_global_id")} * span * ${nr};
    const int panels = min(span, (N - n0 + ${nr - 1}) / ${nr});
    const int first = ${group.module.place(1, grouped, "get_global_id")} * chunk * ${mr}, end = min(M, first + chunk * ${mr});
    // columns from which the narrower tile is taken; where a panel and one vector are left, the last panel begins earlier
    const int whole = (N - 1) / ${nr} * ${nr};
    int narrow = N - whole <= ${tail * vw} ? whole : N;
% if halves:
    const int shift = whole && N - whole <= ${vw} ? ${vw} : 0;
    if (shift) narrow -= ${nr};
% endif
% if in_place:
    const long b_step = CT_IN_PLACE ? b_k : ${nr};
% else:
    const int b_step = ${nr};
% endif
    int k0 = 0;
    do {
        const int kn = min(kc, K - k0);
        const CT_PANEL ct_t *panel = (const CT_PANEL ct_t *)(size_t)packed;
% if in_place:
        if (CT_IN_PLACE) panel = (const CT_PANEL ct_t *)(size_t)(B + k0 * b_k + n0);
        else
% endif
        ${pack_b()}
        for (int m0 = first; m0 < end; m0 += ${mr}) {
% if rows_mode:
% for i in range(mr):
            const __global ct_t *a${i} = (const __global ct_t *)(A + min(m0 + ${i}, M - 1) * a_row) + k0;
% endfor
% else:
            const __global ct_t *ap = A + (long)k0 * a_row + (long)m0 * kn;
% endif
            for (int g = 0; g < panels; g++) {
                int nn = n0 + g * ${nr};
% if halves:
                if (nn == whole) nn -= shift;
% endif
% if tail < nv:
                if (nn >= narrow) ${tile_body(tail, rows_mode)} else
% endif
                ${tile_body(nv, rows_mode)}
            }
        }
        k0 += kc;
    } while (k0 < K);
}
% endfor

% if panels:
// A as panels of mr rows: [slice of K][panel][k][row]. Rows beyond M repeat the last one. A work-item takes ``group``
// neighbouring panels of a slice: where rows are neighbours in memory, one panel alone would read half a line at a time.
__kernel CT_ONE_ITEM void ct_pack_a(const __global ct_in *A, __global ct_t *P, ${group.module.arguments(pack_numbers, grouped)}) {
    ${group.module.read(pack_numbers, grouped)}
    const long z = ${group.module.place(2, grouped, "get_global_id")};
    const int k0 = ${group.module.place(1, grouped, "get_global_id")} * kc, kn = min(kc, K - k0);
    int m0 = ${group.module.place(0, grouped, "get_global_id")} * group * ${mr};
    const int end = min(M, m0 + group * ${mr});
    A += a_off + z / inner * a_b0 + z % inner * a_b1 + k0 * ${along("a_k")};
    P += ${"p_off + " if grouped else ""}z * p_b + (long)k0 * ((M + ${mr - 1}) / ${mr} * ${mr});
    if (a_row == 1) {
        const int whole = (end - m0) / ${mr};
        const __global ct_in *row = A + m0;
        __global ct_t *to = P + (long)m0 * kn;
        for (int k = 0; k < kn; k++, row += ${along("a_k")}, to += ${mr}) {
${alone("            ", "k")}\
            const __global ct_in *a = row;
            __global ct_t *p = to;
            for (int g = 0; g < whole; g++, a += ${mr}, p += (long)kn * ${mr}) {
% for row in range(step):
                CT_PREFETCH(a + ${8 * step + row} * a_k);
% endfor
% for i in range(mr):
                p[${i}] = ${one(f"a + {i}", "a_k")};
% endfor
            }
        }
        m0 += whole * ${mr};
    }
    for (; m0 < end; m0 += ${mr}) {
        const int last = min(${mr}, M - m0) - 1;
        __global ct_t *p = P + (long)m0 * kn;
% for i in range(mr):
        const __global ct_in *a${i} = A + (m0 + min(${i}, last)) * a_row;
% endfor
        for (int k = 0; k < kn; k++, p += ${mr}) {
${alone("            ", "k")}\
% for i in range(mr):
            p[${i}] = ${one(f"a{i} + k * {along('a_k')}", "a_k")};
% endfor
        }
    }
}
% endif
