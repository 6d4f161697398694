## Gradient of the weight of a convolution with 3x3 windows in steps of one by Winograd's algorithm on CPU-class devices:
## for each of the 36 points the product (channels, tiles) by (tiles, lanes) of the transformed source and the
## transformed gradient, transformed back at the end. Tiles, blocks and the source are those of conv_winograd.cl.
##
## A work-item of ct_winograd_weight sums a part of the blocks for some tiles of lanes:
## [part][group][tile of lanes][bias, then point, channel][lane]; ct_winograd_join adds the parts in their order.
##
## Parameters: ti (dtype), sizes (numbers of channels of the register tiles, the largest first), nv, vw, ints, longs
## (fields of the table).
<%namespace name="tile" file="gemm_tile.cl"/>
<%namespace name="shared" file="conv_panel.cl"/>
<%namespace name="winograd" file="winograd_tile.cl"/>
<%namespace name="memory" file="memory.cl"/>
<%
    nr = nv * vw
    read, write = winograd.module.read, winograd.module.write
%>
${tile.types(ti, ti, vw)}
${shared.saving(ti)}
${winograd.functions(vw)}

## sums over the tiles of a block for `rows` channels from c on at one point
<%def name="multiply(rows)">
                    {
                        const __global ct_t *a = v + c, *b = m;
                        __global ct_t *s = sums + (long)c * ${nr};
                        ${tile.zero(rows, nv)}
                        if (block != b0) {
% for i in range(rows):
% for j in range(nv):
                            ${f"if (c + {i} < reduced) " if i else ""}c${i}_${j} = ${read(f"s + {i * nr + j * vw}")};
% endfor
% endfor
                        }
                        for (int t = 0; t < count; t++, a += depth, b += ${nr}) {
% for j in range(nv):
                            const ct_v b${j} = ${read(f"b + {j * vw}")};
% endfor
% for i in range(rows):
                            {
                                const ct_v x = (ct_v)(a[${i}]);
% for j in range(nv):
                                c${i}_${j} = CT_FMA(x, b${j}, c${i}_${j});
% endfor
                            }
% endfor
                        }
% for i in range(rows):
% for j in range(nv):
                        ${f"if (c + {i} < reduced) " if i else ""}${write(f"c{i}_{j}", f"s + {i * nr + j * vw}")}
% endfor
% endfor
                        c += ${rows};
                    }
</%def>
__kernel CT_ONE_ITEM void ct_winograd_weight(const __global ct_in *X, const __global ct_in *G, __global ct_t *P,
                                             __global ct_t *S, const __global long *T, long x_off, long g_off) {
    ${memory.fields(ints, longs)}
    const int kt0 = get_global_id(1) * span, kt1 = min(tiles, kt0 + span);
    const int group = get_global_id(2);
    const __global ct_in *end = X + x_off + x_end, *end_of_grad = G + g_off + g_end;
    X += x_off + (long)group * reduced * x_c;
    G += g_off + (long)group * lanes * g_c;
    P += (get_global_id(0) * get_global_size(2) + group) * tiles * size;
    __global ct_t *V = S + ((get_global_id(2) * get_global_size(1) + get_global_id(1)) * get_global_size(0)
                            + get_global_id(0)) * each;
    __global ct_t *M = V + v_size, *plane = M + m_size;
    ct_v tmp[36];
    const int b0 = get_global_id(0) * share, b1 = min(blocks, b0 + share);
    for (int block = b0; block < b1; block++) {
        const int r0 = block / blocks_w * block_h, r1 = min(rows, r0 + block_h);
        const int w0 = block % blocks_w * block_w, nw = min(block_w, TW - w0), count = (r1 - r0) * nw;
        ${winograd.source_block(vw)}
        for (int kt = kt0; kt < kt1; kt++) {
            // the gradient of nr lanes, transformed: M[point][tile][lane]
            for (int lane = 0; lane < ${nr}; lane += ${vw}) {
                const int most = min(${vw}, lanes - kt * ${nr} - lane) - 1, wide = min(4 * nw, OW - 4 * w0);
                for (int r = r0; r < r1;) {
                    const int n = r / TH, h = r % TH, nh = min(r1 - r, TH - h);
                    const __global ct_in *y = G + n * g_n + ((long)kt * ${nr} + lane) * g_c + 4 * w0 * g_w;
                    __global ct_t *dst = plane;
                    for (int i = 0; i < 4 * nh; i++, dst += 4 * nw * ${vw}) {
                        const int have = 4 * h + i < OH && most >= 0 ? wide : 0;
                        for (int j = have; j < 4 * nw; j++) ${write("(ct_v)(0)", f"dst + j * {vw}")}
                        if (have) ct_take_row(y + (4 * h + i) * g_h, g_c, g_w, end_of_grad, dst, have, most);
                    }
                    __global ct_t *m = M + (long)(r - r0) * nw * ${nr} + lane;
                    for (int i = 0; i < nh; i++)
                        for (int j = 0; j < nw; j++, m += ${nr}) {
                            const __global ct_t *d = plane + (4 * i * 4 * nw + 4 * j) * ${vw};
% for row in range(4):
                            ${winograd.gradient(lambda k: read(f"d + ({4 * row} * nw + {k}) * {vw}"),
                                                lambda k, x: f"tmp[{6 * row + k}] = {x};")}
% endfor
% for k in range(6):
                            ${winograd.gradient(lambda row: f"tmp[{6 * row + k}]",
                                                lambda row, x: write(x, f"m + {6 * row + k} * m_point"))}
% endfor
                        }
                    r += nh;
                }
            }
            __global ct_t *sums = P + kt * size;
            // the sum of a whole tile is at point (1, 1)
            for (int lane = 0; lane < ${nr}; lane += ${vw}) {
                ct_v total = block == b0 ? (ct_v)(0) : ${read("sums + lane")};
                for (int t = 0; t < count; t++) total += ${read(f"M + 7 * m_point + (long)t * {nr} + lane")};
                ${write("total", "sums + lane")}
            }
            sums += ${nr};
            const __global ct_t *v = V, *m = M;
            for (int p = 0; p < 36; p++, v += v_point, m += m_point, sums += (reduced + 1L) * ${nr})
                for (int c = 0; c < reduced;) {
                    const int rest = reduced - c;
% for i, n in enumerate(sizes):
                    ${"else " if i else ""}${f"if (rest > {sum(sizes[i + 1:i + 3])})" if i + 1 < len(sizes) else ""}
                    ${multiply(n)}
% endfor
                }
        }
    }
}

// One work-item joins the parts of vw channels of a tile of lanes, and writes them as weights: [lane][channel][tap].
__kernel CT_ONE_ITEM void ct_winograd_join(const __global ct_t *P, __global ct_out *W, __global ct_out *B,
                                           const __global long *T, int parts, int groups, int has_bias) {
    ${memory.fields(ints, longs)}
    const int first = get_global_id(1) % tiles * ${nr}, c0 = get_global_id(0) * ${vw}, count = min(${vw}, reduced - c0);
    const long part = (long)groups * tiles * size, lane0 = get_global_id(1) / tiles * lanes + first;
    P += get_global_id(1) * size;
    ct_v tmp[18], made[${9 * vw}];
    for (int lane = 0; lane < ${nr} && first + lane < lanes; lane += ${vw}) {
        const int valid = min(${vw}, lanes - first - lane);
        if (c0 == 0 && has_bias) {
            ct_v total = ${read("P + lane")};
            for (int i = 1; i < parts; i++) total += ${read("P + i * part + lane")};
            ct_t t[${vw}];
            CT_WRITEV(__private, total, t);
            for (int l = 0; l < valid; l++) CT_PUT(t[l], B + lane0 + lane + l);
        }
        for (int at = 0; at < count; at++) {
            const __global ct_t *s = P + (1L + c0 + at) * ${nr} + lane;
            const long point = (reduced + 1L) * ${nr};
            for (int k = 0; k < 6; k++, s += point) {
% for i in range(6):
                ct_v s${i} = ${read(f"s + {6 * i} * point")};
% endfor
                const __global ct_t *more = s;
                for (int i = 1; i < parts; i++) {
                    more += part;
% for i in range(6):
                    s${i} += ${read(f"more + {6 * i} * point")};
% endfor
                }
                ${winograd.weight_gradient(lambda i: f"s{i}", lambda i, x: f"tmp[{6 * i} + k] = {x};")}
            }
% for i in range(3):
            ${winograd.weight_gradient(lambda k: f"tmp[{6 * i + k}]", lambda k, x: f"made[9 * at + {3 * i + k}] = {x};")}
% endfor
        }
        __global ct_out *w = W + ((lane0 + lane) * reduced + c0) * 9;
        const long w_lane = 9L * reduced;
        int p = 0;
        for (; p + ${vw} <= 9 * count; p += ${vw}) {
% for l in range(vw):
            ct_v r${l} = made[p + ${l}];
% endfor
            ${tile.transpose(vw)}
% for l in range(vw):
            if (${l} < valid) CT_SAVEV(r${l}, w + ${l} * w_lane + p);
% endfor
        }
        for (; p < 9 * count; p++) {
            ct_t t[${vw}];
            CT_WRITEV(__private, made[p], t);
            for (int l = 0; l < valid; l++) CT_PUT(t[l], w + l * w_lane + p);
        }
    }
}
