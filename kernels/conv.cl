## Convolution on CPU-class devices, forward and gradient of the input.
##
## One work-item makes a block of results of one sample and of some groups. It lays the padded input of its block out as
## a panel in local memory (conv_panel.cl), where no value is copied once per tap. The register tile is m by nv vectors
## of vw elements:
## * along "lanes" (the output channels), where they fill vectors: m neighbouring results by nv vectors of lanes. Per
##   channel and tap, nv vectors of packed weights and m values of the panel, each of which feeds nv multiplications.
##   Taps at the ends of the window whose row lies in the padding are left out. Finished tiles are transposed on the way
##   out.
## * along results, for few lanes (depthwise): m lanes by nv vectors of results, m weights and nv vectors of the panel.
##   The block is one flat run of the panel: the few values between the rows of the result are computed in vain and left
##   out of the copy.
##
## Weights are packed first, by ct_conv_pack: [group][tile of lanes][bias, then phase, channel, tap][lane].
##
## Parameters: ti (dtype), m, nv, vw (the tile), flat (vectors along results), pairs (two rows share a tile where they
## fit), room (elements of local memory), ints, longs (fields of the table).
<%namespace name="tile" file="gemm_tile.cl"/>
<%namespace name="shared" file="conv_panel.cl"/>
<%
    nr = m if flat else nv * vw  # lanes of a tile
    run = nv * vw if flat else m  # results of a tile
%>
${tile.types(ti, ti, vw)}
${shared.panel(ti, vw)}

__kernel CT_ONE_ITEM void ct_conv_pack(const __global ct_in *W, const __global ct_in *B, __global ct_t *P,
                                       const __global long *T, long w_off, long b_off, int has_bias, int linear,
                                       int chunk) {
    ${shared.table(ints, longs)}
    const int group = get_global_id(1) / tiles, first = get_global_id(1) % tiles * ${nr};
    const int c0 = get_global_id(0) * chunk, c1 = min(reduced, c0 + chunk), valid = min(${nr}, lanes - first);
    P += get_global_id(1) * (1L + (long)reduced * taps) * ${nr};
    W += w_off + group * w_group + first * w_lane;
    B += b_off + (long)group * lanes + first;
    if (c0 == 0)
        for (int l = 0; l < ${nr}; l++) P[l] = has_bias && l < valid ? CT_LOAD(B + l) : (ct_t)0;
    P += ${nr};
% if not flat:
    // where the weight's order is that of the result but for the lanes, whole vectors are transposed
    const long q0 = (long)c0 * taps, q1 = (long)c1 * taps;
    if (linear && q1 - q0 >= ${vw}) {
        for (int v = 0; v < ${nr}; v += ${vw}) {
% for l in range(vw):
            const __global ct_in *w${l} = W + min(v + ${l}, valid - 1) * w_lane;
% endfor
            for (long q = q0; q < q1; q += ${vw}) {
                const long at = min(q, q1 - ${vw});
% for l in range(vw):
                ct_v r${l} = CT_LOADV(w${l} + at);
% endfor
                ${tile.transpose(vw)}
% for l in range(vw):
                CT_WRITEV(__global, r${l}, P + (at + ${l}) * ${nr} + v);
% endfor
            }
        }
        return;
    }
% endif
    for (int f = 0; f < phases; f++) {
        const int t0 = (int)phase_at[5 * f + 3], count = (int)phase_at[5 * f + 4];
        __global ct_t *dst = P + ((long)t0 * reduced + (long)c0 * count) * ${nr};
        if (w_reduced < w_lane) {
            // read as the weight lies: what is written meanwhile stays in the first cache
            for (int l = 0; l < valid; l++) {
                const __global ct_in *row = W + l * w_lane + c0 * w_reduced;
                __global ct_t *to = dst + l;
                for (int c = c0; c < c1; c++, row += w_reduced)
                    for (int t = t0; t < t0 + count; t++, to += ${nr}) *to = CT_LOAD(row + tap_number[t]);
            }
            for (int q = 0; q < (c1 - c0) * count; q++, dst += ${nr})
                for (int l = valid; l < ${nr}; l++) dst[l] = 0;
            continue;
        }
        for (int c = c0; c < c1; c++) {
            const __global ct_in *row = W + c * w_reduced;
            for (int t = 0; t < count; t++, dst += ${nr}) {
                const __global ct_in *src = row + tap_number[t0 + t];
% if not flat:
                // the gradient of the input, by a window of one place: a tile's lanes lie side by side
                if (w_lane == 1 && valid == ${nr}) {
% for j in range(nv):
                    CT_PREFETCH(src + 8 * w_reduced + ${j * vw});
                    CT_WRITEV(__global, CT_LOADV(src + ${j * vw}), dst + ${j * vw});
% endfor
                    continue;
                }
% endif
                for (int l = 0; l < valid; l++, src += w_lane) dst[l] = CT_LOAD(src);
                for (int l = valid; l < ${nr}; l++) dst[l] = 0;
            }
        }
    }
}

% if flat:
// A row of `count` results from the panel's run to memory, `step` apart. What a whole vector writes too much must lie
// before `end`: the next row writes it again.
static void ct_put_row(const __local ct_t *src, __global ct_out *y, const __global ct_out *end, const long step,
                       const int count) {
    int i = 0;
    if (step == 1) {
        for (; i < count && y + i + ${vw} <= end; i += ${vw}) CT_SAVEV(CT_READV(__local, src + i), y + i);
        for (; i < count; i++) CT_PUT(src[i], y + i);
    } else {
        for (; i < count; i++, y += step) CT_PUT(src[i], y);
    }
}
% else:
// `count` neighbouring results of all lanes of a tile, from [result][lane] to memory where a lane's results are `step`
// apart. Where they fill a vector the last one overlaps the one before instead of ending in single values.
static void ct_put_lanes(const __local ct_t *buf, __global ct_out *Y, const long y_c, const long step,
                         const int count, const int lanes) {
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
% endif

## One tile from the panel's place x on, over the channels from c0 and the taps of one phase: `rows` by `vectors`
## accumulators that start from the bias or from what earlier channels left in `out`. A row is `line` apart from the
## next one there; along lanes only the first `left` rows exist. ``pair``: the second half of the rows belongs to the
## next row of results, ``below`` further in the panel.
<%def name="tile_body(rows, vectors, line, pair=False)">
<%
half = rows // 2
def at(i):
    return f"({i - half} + left) * {line}" if pair and i >= half else f"{i} * {line}"
def value(i):
    return f"under[{i - half}]" if pair and i >= half else f"{'b' if flat else 'a'}[{i}]"
%>
        {
            const __global ct_t *b = weights + begin_t * ${nr};
            ${tile.zero(rows, vectors)}
            if (c0 == 0) {
% for i in range(rows):
% for j in range(vectors):
                c${i}_${j} = ${f"(ct_v)(bias[{i}])" if flat else f"CT_READV(__global, bias + {j * vw})"};
% endfor
% endfor
            } else {
% for i in range(rows):
% for j in range(vectors):
                c${i}_${j} = CT_READV(__local, out + ${at(i)} + ${j * vw});
% endfor
% endfor
            }
            const __local ct_t *channel = x;
% if flat:
            for (int c = 0; c < count_c; c++, channel += stretch, b += skipped)
% else:
            // the results' lines are asked for while they are computed, for they are written all at once; an eighth of them at
            // a time, for a core waits for few
            for (int part = 0, c = 0; part < 8; part++) {
                if (last)
                    for (int l = here * part / 8; l < here * (part + 1) / 8; l++) {
                        CT_PREFETCH_WRITE(row + l * y_c + w * each_w);
% if pair:
                        CT_PREFETCH_WRITE(row + each_h + l * y_c);
% endif
                    }
                for (const int until = count_c * (part + 1) / 8; c < until; c++, channel += stretch, b += skipped)
% endif
                for (int t = begin_t; t < end_t; t++, b += ${nr}) {
                    const __local ct_t *a = channel + offsets[t];
% if pair:
                    const __local ct_t *under = a + below;
% endif
% if not flat:
% for j in range(vectors):
                    CT_PREFETCH(b + ${8 * nr + j * vw});
% endfor
% endif
% for j in range(vectors):
                    const ct_v b${j} = CT_READV(${f"__local, a" if flat else f"__global, b"} + ${j * vw});
% endfor
% for i in range(rows):
                    {
                        const ct_v s = (ct_v)(${value(i)});
% for j in range(vectors):
                        c${i}_${j} = CT_FMA(s, b${j}, c${i}_${j});
% endfor
                    }
% endfor
                }
% if not flat:
            }
% endif
% for i in range(rows):
<% guard = f"if ({i % half if pair else i} < left) " if i and not flat else "" %>\
% for j in range(vectors):
            ${guard}CT_WRITEV(__local, c${i}_${j}, out + ${at(i)} + ${j * vw});
% endfor
% endfor
        }
</%def>
__kernel CT_ONE_ITEM void ct_conv(const __global ct_in *X, const __global ct_t *P, __global ct_out *Y,
                                  const __global long *T, long x_off) {
    __local ct_v memory[${room // vw}];
    ${shared.table(ints, longs)}
    const int n = get_global_id(1), block = get_global_id(0);
    const int group0 = get_global_id(2) / splits * share, t0 = get_global_id(2) % splits * span;
    const int qw = block % blocks_w * block_w, qh = block / blocks_w % blocks_h * block_h;
    const int qd = block / (blocks_w * blocks_h) * block_d;
    __local ct_t *panel = (__local ct_t *)memory, *buf = panel + panel_size;
    const __global ct_in *end = X + x_off + x_end;
    X += x_off + n * x_n;
    const int stretch = planes * Ud * Uh * Uw;
% if pairs:
    const int below = Uw;
% endif
    const long each_d = dst_step_d * y_d, each_h = dst_step_h * y_h, each_w = dst_step_w * y_w;
    for (int group = group0; group < min(groups, group0 + share); group++)
    for (int kt = t0; kt < min(tiles, t0 + span); kt++) {
        const __global ct_in *source = X + (long)group * reduced * x_c;
        const __global ct_t *bias = P + ((long)group * tiles + kt) * (1L + (long)reduced * taps) * ${nr};
        const int first = kt * ${nr};
        for (int f = 0; f < phases; f++) {
            const __global long *phase = phase_at + 5 * f;
            const int fd = (int)phase[0], fh = (int)phase[1], fw = (int)phase[2];
            const int first_t = (int)phase[3], count_t = (int)phase[4];
            const int nd = min(block_d, (OD - fd + dst_step_d - 1) / dst_step_d - qd);
            const int nh = min(block_h, (OH - fh + dst_step_h - 1) / dst_step_h - qh);
            const int nw = min(block_w, (OW - fw + dst_step_w - 1) / dst_step_w - qw);
            if (nd <= 0 || nh <= 0 || nw <= 0) continue;
            const __global long *offsets = tap_offset + first_t;
            __global ct_out *y = Y + n * y_n + ((long)group * lanes + first) * y_c + fd * y_d + fh * y_h + fw * y_w;
            y += qd * each_d + qh * each_h + qw * each_w;
            int c0 = 0;
            do {
                const int count_c = min(channels, reduced - c0);
                // where one panel holds all channels it serves all lanes and phases
                if (channels < reduced || (kt == t0 && f == 0))
                    ct_fill_panel(source + c0 * x_c, end, panel, plane_at, planes, count_c, x_c, x_d, x_h, x_w,
                                  ID, IH, IW, step_d, step_h, step_w, qd + low_d, qh + low_h, qw + low_w, Ud, Uh, Uw);
                const __global ct_t *weights = bias + (1L + (long)first_t * reduced + (long)c0 * count_t) * ${nr};
                __local ct_t *out = buf;
                int begin_t = 0, end_t = count_t;
% if not flat:
                const int last = c0 + channels >= reduced, here = min(${nr}, lanes - first);
% endif
% if flat:
                const long skipped = 0;
                const int results = ((nd - 1) * Uh + nh - 1) * Uw + nw;
                for (int p = 0; p < results;) {
                    const __local ct_t *x = panel + p;
                    if (results - p > ${run // 2}) {
                        ${tile_body(m, nv, "line")}
                        p += ${run};
                        out += ${run};
                    } else {
                        ${tile_body(m, nv // 2, "line")}
                        p += ${run // 2};
                        out += ${run // 2};
                    }
                }
% else:
                for (int zd = 0; zd < nd; zd++)
                    for (int zh = 0; zh < nh; zh++) {
                        // from the first to the last of the taps that meet the source in this row
                        const int d = (qd + zd) * step_d, h = (qh + zh) * step_h;
                        begin_t = 0;
                        end_t = count_t;
                        if (d + first_d < 0 || d + last_d >= ID || h + first_h < 0 || h + last_h >= IH) {
                            end_t = 0;
                            for (int t = count_t - 1; t >= 0; t--) {
                                const int at_d = d + (int)tap_d[first_t + t], at_h = h + (int)tap_h[first_t + t];
                                if (at_d < 0 || at_d >= ID || at_h < 0 || at_h >= IH) continue;
                                end_t = max(end_t, t + 1);
                                begin_t = t;
                            }
                        }
% if pairs:
                        // two short rows are one tile, with all taps: the weights, which come from the last cache for
                        // each block anew, are read once for both
                        const int two = nw <= ${m // 2} && zh + 1 < nh;
                        if (two) {
                            begin_t = 0;
                            end_t = count_t;
                        }
% endif
                        const long skipped = (count_t - (end_t - begin_t)) * ${nr};
                        __global ct_out *row = y + zd * each_d + zh * each_h;
                        for (int w = 0; w < nw;) {
                            const __local ct_t *x = panel + ((long)zd * Uh + zh) * Uw + w;
                            const int left = nw - w;
% if pairs:
                            if (two) {
                                ${tile_body(m, nv, nr, pair=True)}
                                out += 2 * left * ${nr};
                                zh++;
                                break;
                            }
% endif
                            if (left > ${m // 2}) {
                                ${tile_body(m, nv, nr)}
                                out += min(left, ${m}) * ${nr};
                                w += ${m};
                            } else {
                                ${tile_body(m // 2, nv, nr)}
                                out += min(left, ${m // 2}) * ${nr};
                                w += ${m // 2};
                            }
                        }
                    }
% endif
                c0 += channels;
            } while (c0 < reduced);
            // rows that follow each other in memory are one run
            const int whole = each_w == 1 && (nh == 1 || each_h == nw) && (nd == 1 || each_d == nh * nw);
% if flat:
            for (int l = 0; l < min(${m}, lanes - first); l++, y += y_c)
                for (int zd = 0; zd < nd; zd++)
                    for (int zh = 0; zh < nh; zh++) {
                        __global ct_out *row = y + zd * each_d + zh * each_h;
                        const __global ct_out *last = whole ? y + nd * nh * nw : row + nw;
                        ct_put_row(buf + l * line + (zd * Uh + zh) * Uw, row, last, each_w, nw);
                    }
% else:
            const __local ct_t *src = buf;
            if (whole) ct_put_lanes(src, y, y_c, 1, nd * nh * nw, lanes - first);
            else
                for (int zd = 0; zd < nd; zd++)
                    for (int zh = 0; zh < nh; zh++, src += nw * ${nr})
                        ct_put_lanes(src, y + zd * each_d + zh * each_h, y_c, each_w, nw, lanes - first);
% endif
        }
    }
}
