## Convolution with 3x3 windows in steps of one by Winograd's F(4x4, 3x3) on CPU-class devices, forward and gradient of
## the input: 36 multiplications for 16 results instead of 144.
##
## A tile is 4x4 results of a channel and the 6x6 values of the source under them. ct_winograd_pack transforms the
## weight: [group][tile of lanes][bias, then point, channel][lane], of as many tiles of lanes at a time as stay in the last
## cache. A work-item of ct_winograd makes blocks of whole
## rows of tiles, which are numbered through all samples:
## * the source is transposed to [row][column][vw channels], transformed tile by tile, and kept as [point][tile][channel]
## * for nr lanes at a time, the 36 products (tiles, channels) by (channels, lanes), in register tiles of m by nv vectors
## * the products are transformed back, and transposed on their way out.
## All of that lies in a piece of `S` of the work-item's own, which is small enough to stay in caches.
##
## Parameters: ti (dtype), sizes (numbers of tiles of the register tiles, the largest first), nv, vw, ints, longs (fields
## of the table).
<%namespace name="tile" file="gemm_tile.cl"/>
<%namespace name="shared" file="conv_panel.cl"/>
<%namespace name="winograd" file="winograd_tile.cl"/>
<%namespace name="memory" file="memory.cl"/>
<%
    nr = nv * vw
    some = 8  # channels of the weight that are transformed together
    whole = -(-9 // vw) * vw
    read, write = winograd.module.read, winograd.module.write
%>
${tile.types(ti, ti, vw)}
${shared.saving(ti)}
${winograd.functions(vw)}
__kernel CT_ONE_ITEM void ct_winograd_pack(const __global ct_in *W, const __global ct_in *B, __global ct_t *P,
                                           const __global long *T, long w_off, long b_off, int has_bias, int chunk,
                                           int kt_first, int kt_count) {
    ${memory.fields(ints, longs)}
    const __global long *number = T + ${len(ints) + len(longs)};
    const int group = get_global_id(1) / kt_count, first = (get_global_id(1) % kt_count + kt_first) * ${nr};
    const int c0 = get_global_id(0) * chunk, c1 = min(reduced, c0 + chunk), valid = min(${nr}, lanes - first);
    const __global ct_in *end = W + w_off + w_end;
    P += get_global_id(1) * (1L + 36L * (reduced + 1)) * ${nr};
    W += w_off + group * w_group + first * w_lane;
    B += b_off + (long)group * lanes + first;
    if (c0 == 0)
        for (int l = 0; l < ${nr}; l++) P[l] = has_bias && l < valid ? CT_LOAD(B + l) : (ct_t)0;
    P += ${nr};
    // some channels at a time, so that each point's are written in one piece: 36 places at once are too many for memory
    ct_v made[${36 * some * nv}];
    for (int c = c0; c < c1; c += ${some}) {
        const int count = min(${some}, c1 - c);
        for (int i = 0; i < count * ${nv}; i++) {
            const int v = i % ${nv} * ${vw}, last = min(${vw}, valid - v) - 1;
            const __global ct_in *w = W + (c + i / ${nv}) * w_reduced + v * w_lane;
            ct_v g[9], t[18];
            // nine taps of each lane become nine vectors of lanes; lanes beyond the last repeat it
            if (last < 0) {
                for (int k = 0; k < 9; k++) g[k] = (ct_v)(0);
            } else if (w + last * w_lane + ${whole} <= end) {
% for part in range(0, 9, vw):
                {
% for l in range(vw):
                    ct_v r${l} = CT_LOADV(w + min(${l}, last) * w_lane + ${part});
% endfor
                    ${tile.transpose(vw)}
% for k in range(min(vw, 9 - part)):
                    g[${part + k}] = r${k};
% endfor
                }
% endfor
            } else {
                for (int k = 0; k < 9; k++)
                    g[k] = (ct_v)(${", ".join(f"CT_LOAD(w + min({l}, last) * w_lane + k)" for l in range(vw))});
            }
            // the window's rows, then its columns
% for j in range(3):
            ${winograd.weight(lambda k: f"g[number[{3 * k + j}]]", lambda k, x: f"t[{3 * k + j}] = {x};")}
% endfor
            for (int k = 0; k < 6; k++) {
                const ct_v *row = t + 3 * k;
                ct_v *dst = made + 6 * k * ${some * nv} + i;
                ${winograd.weight(lambda j: f"row[{j}]", lambda j, x: f"dst[{j * some * nv}] = {x};")}
            }
        }
        __global ct_t *dst = P + (long)c * ${nr};
        for (int p = 0; p < 36; p++, dst += (reduced + 1L) * ${nr})
            for (int i = 0; i < count * ${nv}; i++) CT_WRITEV(__global, made[p * ${some * nv} + i], dst + i * ${vw});
    }
}

// `count` neighbouring results of ${vw} lanes, of which `rows` exist, from [place][lane] to memory.
static void ct_put_run(const __global ct_t *src, __global ct_out *y, const long y_c, const int count, const int rows) {
    for (int p = 0; p < count; p += ${vw}) {
        const int at = count >= ${vw} ? min(p, count - ${vw}) : 0;
% for l in range(vw):
        ct_v r${l} = ${read(f"src + (at + {l}) * {vw}")};
% endfor
        ${tile.transpose(vw)}
        if (count >= ${vw}) {
% for l in range(vw):
            if (${l} < rows) CT_SAVEV(r${l}, y + ${l} * y_c + at);
% endfor
        } else {
            ct_t t[${vw * vw}];
% for l in range(vw):
            CT_WRITEV(__private, r${l}, t + ${l * vw});
% endfor
            for (int l = 0; l < rows; l++)
                for (int i = 0; i < count; i++) CT_PUT(t[l * ${vw} + i], y + l * y_c + i);
        }
    }
}

## products of `rows` tiles from t on at one point
<%def name="multiply(rows)">
                    {
                        const __global ct_t *b = weights;
% for i in range(rows):
                        const __global ct_t *a${i} = a + min(t + ${i}, count - 1) * (long)depth;
% endfor
                        ${tile.zero(rows, nv)}
                        for (int c = 0; c < reduced; c++, b += ${nr}) {
% for j in range(nv):
                            CT_PREFETCH(b + ${8 * nr + j * vw});
                            const ct_v b${j} = ${read(f"b + {j * vw}")};
% endfor
% for i in range(rows):
                            {
                                const ct_v s = (ct_v)(a${i}[c]);
% for j in range(nv):
                                c${i}_${j} = CT_FMA(s, b${j}, c${i}_${j});
% endfor
                            }
% endfor
                        }
% for i in range(rows):
% for j in range(nv):
                        ${f"if (t + {i} < count) " if i else ""}${write(f"c{i}_{j}", f"m + (t + {i}) * {nr} + {j * vw}")}
% endfor
% endfor
                        t += ${rows};
                    }
</%def>
__kernel CT_ONE_ITEM void ct_winograd(const __global ct_in *X, const __global ct_t *P, __global ct_out *Y,
                                      __global ct_t *S, const __global long *T, long x_off, int kt_first,
                                      int kt_count) {
    ${memory.fields(ints, longs)}
    const int kt0 = kt_first + get_global_id(1) * span, kt1 = min(kt_first + kt_count, kt0 + span);
    const int group = get_global_id(2);
    const __global ct_in *end = X + x_off + x_end;
    X += x_off + (long)group * reduced * x_c;
    Y += (long)group * lanes * y_c;
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
            const __global ct_t *weights = P + ((long)group * kt_count + kt - kt_first) * (1L + 36L * (reduced + 1)) * ${nr};
            const __global ct_t *bias = weights, *a = V;
            __global ct_t *m = M;
            weights += ${nr};
            for (int p = 0; p < 36; p++, weights += (reduced + 1L) * ${nr}, a += v_point, m += m_point) {
                for (int t = 0; t < count;) {
                    const int rest = count - t;
% for i, size in enumerate(sizes):
                    ${"else " if i else ""}${f"if (rest > {sum(sizes[i + 1:i + 3])})" if i + 1 < len(sizes) else ""}
                    ${multiply(size)}
% endfor
                }
            }
            for (int v = 0; v < ${nr} && kt * ${nr} + v < lanes; v += ${vw}) {
                const ct_v first = ${read("bias + v")};
                const int left_lanes = min(${vw}, lanes - kt * ${nr} - v);
                for (int r = r0; r < r1;) {
                    const int n = r / TH, h = r % TH, nh = min(r1 - r, TH - h);
                    const int high = min(4 * nh, OH - 4 * h), wide = min(4 * nw, OW - 4 * w0);
                    const __global ct_t *src = M + (long)(r - r0) * nw * ${nr} + v;
                    for (int i = 0; i < nh; i++)
                        for (int j = 0; j < nw; j++, src += ${nr}) {
% for k in range(6):
                            ${winograd.result(lambda row: read(f"src + {6 * row + k} * m_point"),
                                              lambda row, x: f"tmp[{6 * row + k}] = {x};")}
% endfor
                            __global ct_t *dst = plane + (4 * i * wide + 4 * j) * ${vw};
                            const int cols = wide - 4 * j;
% for row in range(4):
                            if (${row} < high - 4 * i) {
                                ${winograd.result(lambda k: f"tmp[{6 * row + k}]",
                                                  lambda k, x: (f"if ({k} < cols) " if k else "")
                                                  + write(f"first + ({x})", f"dst + {k * vw}"))}
                            }
                            dst += wide * ${vw};
% endfor
                        }
                    __global ct_out *y = Y + n * y_n + ((long)kt * ${nr} + v) * y_c + 4L * h * OW + 4 * w0;
                    if (wide == OW) ct_put_run(plane, y, y_c, high * wide, left_lanes);
                    else
                        for (int i = 0; i < high; i++, y += OW)
                            ct_put_run(plane + i * wide * ${vw}, y, y_c, wide, left_lanes);
                    r += nh;
                }
            }
        }
    }
}
