## Convolution on CPU-class devices, forward and gradient of the input: a vector runs along output channels ("lanes").
##
## One work-item makes a block of results of one sample and one group. It lays the padded input of its block out as a panel in
## local memory (conv_panel.cl); a register tile is then `m` neighbouring results by nv vectors of lanes: per channel and tap,
## nv vectors of packed weights and m values of the panel, each of which feeds nv multiplications. No value of the input is
## copied once per tap, and no lane is spent on padding. Finished tiles are transposed on the way out.
##
## Weights are packed first, by ct_conv_pack: [group][tile of lanes][bias, then phase, channel, tap][lane].
##
## Parameters: ti (dtype), m, nv, vw (the tile), room (elements of local memory), ints, longs (fields of the table).
<%namespace name="tile" file="gemm_tile.cl"/>
<%namespace name="shared" file="conv_panel.cl"/>
<% nr = nv * vw %>
${tile.types(ti, ti, vw)}
${shared.panel(vw)}
% if ti in ("float32", "float64"):
#define CT_SAVEV(x, p) CT_WRITEV(__global, x, p)
% else:
#define CT_SAVEV(x, p) CT_PUTV(x, p)
% endif

__kernel CT_ONE_ITEM void ct_conv_pack(const __global ct_in *W, const __global ct_in *B, __global ct_t *P, const __global long *T,
                                       long w_off, long b_off, int has_bias, int chunk) {
    ${shared.table(ints, longs)}
    const int group = get_global_id(1) / tiles, first = get_global_id(1) % tiles * ${nr};
    const int c0 = get_global_id(0) * chunk, c1 = min(reduced, c0 + chunk), valid = min(${nr}, lanes - first);
    P += get_global_id(1) * (1L + (long)reduced * taps) * ${nr};
    W += w_off + group * w_group + first * w_lane;
    if (c0 == 0)
        for (int l = 0; l < ${nr}; l++) P[l] = has_bias && l < valid ? CT_LOAD(B + b_off + (long)group * lanes + first + l) : (ct_t)0;
    P += ${nr};
    for (int f = 0; f < phases; f++) {
        const int t0 = (int)phase_at[5 * f + 3], count = (int)phase_at[5 * f + 4];
        __global ct_t *dst = P + ((long)t0 * reduced + (long)c0 * count) * ${nr};
        for (int c = c0; c < c1; c++) {
            const __global ct_in *row = W + c * w_reduced;
            for (int t = 0; t < count; t++, dst += ${nr}) {
                const __global ct_in *src = row + tap_number[t0 + t];
                for (int l = 0; l < valid; l++, src += w_lane) dst[l] = CT_LOAD(src);
                for (int l = valid; l < ${nr}; l++) dst[l] = 0;
            }
        }
    }
}

// `count` neighbouring results of all lanes of a tile, from [result][lane] to memory where a lane's results are `step` apart.
// Where there are at least ${vw} of them the last vector overlaps the one before instead of ending in single values.
static void ct_put_lanes(const __local ct_t *buf, __global ct_out *Y, const long y_c, const int step, const int count, const int lanes) {
    for (int v = 0; v < ${nr} && v < lanes; v += ${vw}) {
        const int rows = min(${vw}, lanes - v);
        __global ct_out *y = Y + v * y_c;
        for (int p = 0; p < count; p += ${vw}) {
            const int at = count >= ${vw} ? min(p, count - ${vw}) : 0;
            const __local ct_t *src = buf + (long)at * ${nr} + v;
% for l in range(vw):
            ct_v r${l} = CT_READV(__local, src + ${l * nr});
% endfor
            ${tile.transpose(vw)}
            if (step == 1 && count >= ${vw}) {
% for l in range(vw):
                if (${l} < rows) CT_SAVEV(r${l}, y + ${l} * y_c + at);
% endfor
            } else {
                ct_t t[${vw * vw}];
% for l in range(vw):
                CT_WRITEV(__private, r${l}, t + ${l * vw});
% endfor
                const int n = min(${vw}, count - at);
                for (int l = 0; l < rows; l++)
                    for (int i = 0; i < n; i++) CT_PUT(t[l * ${vw} + i], y + l * y_c + (long)(at + i) * step);
            }
        }
    }
}

## ${rows} results from the panel's place a on, over the channels c0 … and the taps of one phase
<%def name="tile_body(rows)">
                        {
                            const __global ct_t *b = weights;
                            ${tile.zero(rows, nv)}
                            if (c0 == 0) {
% for j in range(nv):
                                const ct_v b${j} = CT_READV(__global, bias + ${j * vw});
% for i in range(rows):
                                c${i}_${j} = b${j};
% endfor
% endfor
                            } else {
% for i in range(rows):
% for j in range(nv):
                                c${i}_${j} = CT_READV(__local, out + ${i * nr + j * vw});
% endfor
% endfor
                            }
                            const __local ct_t *x = panel + ((long)zd * Uh + zh) * Uw + w;
                            for (int c = 0; c < count_c; c++, x += stretch)
                                for (int t = 0; t < count_t; t++, b += ${nr}) {
                                    const __local ct_t *a = x + offsets[t];
% for j in range(nv):
                                    CT_PREFETCH(b + ${8 * nr + j * vw});
% endfor
% for j in range(nv):
                                    const ct_v b${j} = CT_READV(__global, b + ${j * vw});
% endfor
% for i in range(rows):
                                    { const ct_v s = (ct_v)(a[${i}]); ${" ".join(f"c{i}_{j} = CT_FMA(s, b{j}, c{i}_{j});" for j in range(nv))} }
% endfor
                                }
% for i in range(rows):
                            ${f"if ({i} < left) " if i else ""}{ ${" ".join(f"CT_WRITEV(__local, c{i}_{j}, out + {i * nr + j * vw});" for j in range(nv))} }
% endfor
                        }
</%def>
__kernel CT_ONE_ITEM void ct_conv(const __global ct_in *X, const __global ct_t *P, __global ct_out *Y, const __global long *T,
                                  long x_off) {
    __local ct_v memory[${room // vw}];
    ${shared.table(ints, longs)}
    const int n = get_global_id(1), group = get_global_id(2) / splits, t0 = get_global_id(2) % splits * span;
    const int block = get_global_id(0), qw = block % blocks_w * block_w, qh = block / blocks_w % blocks_h * block_h,
              qd = block / (blocks_w * blocks_h) * block_d;
    __local ct_t *panel = (__local ct_t *)memory, *buf = panel + panel_size;
    const __global ct_in *end = X + x_off + x_end;
    X += x_off + n * x_n + (long)group * reduced * x_c;
    const int stretch = planes * Ud * Uh * Uw;
    const int step = step_w == 1 ? dst_step_w : 1;
    for (int kt = t0; kt < min(tiles, t0 + span); kt++) {
        const __global ct_t *bias = P + ((long)group * tiles + kt) * (1L + (long)reduced * taps) * ${nr};
        const int first = kt * ${nr};
        for (int f = 0; f < phases; f++) {
            const int fd = (int)phase_at[5 * f], fh = (int)phase_at[5 * f + 1], fw = (int)phase_at[5 * f + 2];
            const int first_t = (int)phase_at[5 * f + 3], count_t = (int)phase_at[5 * f + 4];
            const int nd = min(block_d, (OD - fd + dst_step_d - 1) / dst_step_d - qd),
                      nh = min(block_h, (OH - fh + dst_step_h - 1) / dst_step_h - qh),
                      nw = min(block_w, (OW - fw + dst_step_w - 1) / dst_step_w - qw);
            if (nd <= 0 || nh <= 0 || nw <= 0) continue;
            const __global long *offsets = tap_offset + first_t;
            int c0 = 0;
            do {
                const int count_c = min(channels, reduced - c0);
                // where one panel holds all channels it serves all lanes and phases
                if (channels < reduced || (kt == t0 && f == 0))
                    ct_fill_panel(X + c0 * x_c, end, panel, plane_at, planes, count_c, x_c, x_d, x_h, x_w, ID, IH, IW,
                                  step_d, step_h, step_w, qd + low_d, qh + low_h, qw + low_w, Ud, Uh, Uw);
                const __global ct_t *weights = bias + (1L + (long)first_t * reduced + (long)c0 * count_t) * ${nr};
                __local ct_t *out = buf;
                for (int zd = 0; zd < nd; zd++)
                    for (int zh = 0; zh < nh; zh++)
                        for (int w = 0; w < nw;) {
                            const int left = nw - w;
                            if (left > ${m // 2}) {
                                ${tile_body(m)}
                                out += min(left, ${m}) * ${nr};
                                w += ${m};
                            } else {
                                ${tile_body(m // 2)}
                                out += min(left, ${m // 2}) * ${nr};
                                w += ${m // 2};
                            }
                        }
                c0 += channels;
            } while (c0 < reduced);
            __global ct_out *y = Y + (((long)n * groups + group) * lanes + first) * y_c
                + ((fd + (long)qd * dst_step_d) * OH + fh + (long)qh * dst_step_h) * OW + fw + (long)qw * dst_step_w;
            // rows that follow each other in memory are one run
            const int whole = dst_step_w == 1 && dst_step_h == 1 && nw == OW && (nd == 1 || (dst_step_d == 1 && nh == OH));
            const __local ct_t *src = buf;
            if (whole) ct_put_lanes(src, y, y_c, 1, nd * nh * nw, lanes - first);
            else
                for (int zd = 0; zd < nd; zd++)
                    for (int zh = 0; zh < nh; zh++, src += nw * ${nr})
                        ct_put_lanes(src, y + ((long)zd * dst_step_d * OH + (long)zh * dst_step_h) * OW, y_c, dst_step_w, nw, lanes - first);
        }
    }
}
