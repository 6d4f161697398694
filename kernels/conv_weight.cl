## Gradient of a convolution's weight (and bias) on CPU-class devices.
##
## A weight's gradient sums, over all results, the result's gradient times the input that the weight met. One work-item
## does that for a range of blocks of results: it lays the padded input out as a panel (conv_panel.cl) and the gradient
## beside it. A register tile is m "units" (a channel and a tap) by nv vectors:
## * along lanes (the output channels), where they fill vectors: the gradient is transposed to [result][lane], and each
##   result adds the product of m values of the panel and nv vectors of the gradient.
## * along results, for few lanes (depthwise): nv lanes, whose sums stay vectors until the end. A vector that reaches
##   beyond its row is masked: what lies there must not count, not even as infinity times 0.
##
## Sums of a work-item lie in S: [part][group][tile of lanes][unit, then the bias][nv * vw]. ct_conv_weight_join adds
## the parts in their order, so the bits do not depend on which core was faster.
##
## Parameters: ti (dtype), m, nv, vw (the tile), flat (vectors along results), room (elements of local memory), ints,
## longs (fields of the table).
<%namespace name="tile" file="gemm_tile.cl"/>
<%namespace name="shared" file="conv_panel.cl"/>
<%
    nr = nv * vw  # sums of a unit
    lanes_of_tile = nv if flat else nr
%>
${tile.types(ti, ti, vw)}
${shared.panel(ti, vw)}

% if flat:
typedef ${"long" if ti in ("float64", "int64") else "int"}${vw} ct_mask;
% else:
// `count` results of ${vw} lanes from memory, where a lane's results are `step` apart, to [result][lane]; lanes beyond
// `last` repeat it and are never used. Returns `sum` plus what the lanes sum to.
static ct_v ct_take_lanes(const __global ct_in *G, const long g_c, const long step, const int count, const int last,
                          __local ct_t *dst, ct_v sum) {
% for l in range(vw):
    const __global ct_in *g${l} = G + min(${l}, last) * g_c;
% endfor
    int p = 0;
    if (step == 1)
        for (; p + ${vw} <= count; p += ${vw}) {
% for l in range(vw):
            ct_v r${l} = CT_LOADV(g${l} + p);
% endfor
            ${tile.transpose(vw)}
% for l in range(vw):
            CT_WRITEV(__local, r${l}, dst + (long)(p + ${l}) * ${nr});
            sum += r${l};
% endfor
        }
    for (; p < count; p++) {
        const ct_v r = (ct_v)(${", ".join(f"CT_LOAD(g{l} + p * step)" for l in range(vw))});
        CT_WRITEV(__local, r, dst + (long)p * ${nr});
        sum += r;
    }
    return sum;
}
% endif

## a vector of results of every lane and unit, from the place w of a row on
<%def name="vectors_of_row(masked)">
% for j in range(nv):
                                const ct_v b${j} = CT_READV(__local, b + (long)${j} * results + w);
% endfor
% for i in range(m):
                                {
                                    ct_v x = CT_READV(__local, a${i} + row + w);
% if masked:
                                    x = select((ct_v)(0), x, mask);
% endif
% for j in range(nv):
                                    c${i}_${j} = CT_FMA(x, b${j}, c${i}_${j});
% endfor
                                }
% endfor
</%def>
__kernel CT_ONE_ITEM void ct_conv_weight(const __global ct_in *X, const __global ct_in *G, __global ct_t *S,
                                         const __global long *T, long x_off, long g_off) {
    __local ct_v memory[${room // vw}];
    ${shared.table(ints, longs)}
    const int part = get_global_id(0), group = get_global_id(2);
    const int kt0 = get_global_id(1) % splits * span, kt1 = min(tiles, kt0 + span);
    const int first_c = get_global_id(1) / splits * share, end_c = min(reduced, first_c + share);
    __local ct_t *panel = (__local ct_t *)memory, *grad = panel + panel_size;
    const __global ct_in *end = X + x_off + x_end, *end_of_grad = G + g_off + g_end;
    X += x_off + (long)group * reduced * x_c;
    G += g_off + (long)group * lanes * g_c;
    const long units = (long)reduced * taps;
    S += ((long)part * groups + group) * tiles * (units + 1) * ${nr};
    const int stretch = planes * Ud * Uh * Uw, per_sample = blocks_d * blocks_h * blocks_w;
    const int b0 = part * per_part, b1 = min(blocks, b0 + per_part);
    for (int block = b0; block < b1; block++) {
        const int n = block / per_sample, qd = block % per_sample / (blocks_w * blocks_h) * block_d;
        const int qw = block % blocks_w * block_w, qh = block / blocks_w % blocks_h * block_h;
        const int nd = min(block_d, OD - qd), nh = min(block_h, OH - qh), nw = min(block_w, OW - qw);
        const __global ct_in *source = G + n * g_n + qd * g_d + qh * g_h + qw * g_w;
% if flat:
        // rows of the gradient are filled up with zeros to whole vectors
        const int line = (nw + ${vw - 1}) / ${vw} * ${vw}, results = nd * nh * line;
        for (int l = 0; l < (kt1 - kt0) * ${nv}; l++) {
            const int lane = kt0 * ${nv} + l, count = lane < lanes ? nw : 0;
            __local ct_t *dst = grad + (long)l * results;
            for (int zd = 0; zd < nd; zd++)
                for (int zh = 0; zh < nh; zh++, dst += line) {
                    const __global ct_in *row = source + lane * g_c + zd * g_d + zh * g_h;
                    ct_panel_row(row, g_w, end_of_grad, g_c, dst, 0, count, line);
                }
            if (first_c) continue;
            __global ct_t *total = S + ((long)(kt0 + l / ${nv}) * (units + 1) + units) * ${nr} + l % ${nv} * ${vw};
            ct_v sum = block == b0 ? (ct_v)(0) : CT_READV(__global, total);
            for (int i = 0; i < results; i += ${vw}) sum += CT_READV(__local, grad + (long)l * results + i);
            CT_WRITEV(__global, sum, total);
        }
% else:
        const int results = nd * nh * nw;
        // rows that follow each other in memory are one run
        const int whole = (nh == 1 || g_h == nw * g_w) && (nd == 1 || g_d == nh * nw * g_w);
        for (int kt = kt0; kt < kt1; kt++)
            for (int v = 0; v < ${nr}; v += ${vw}) {
                const int last = min(${vw}, lanes - kt * ${nr} - v) - 1;
                __local ct_t *dst = grad + (long)(kt - kt0) * results * ${nr} + v;
                if (last < 0) {
                    for (int i = 0; i < results; i++, dst += ${nr}) CT_WRITEV(__local, (ct_v)(0), dst);
                    continue;
                }
                const __global ct_in *src = source + (kt * ${nr} + v) * g_c;
                __global ct_t *total = S + ((long)kt * (units + 1) + units) * ${nr} + v;
                ct_v sum = block == b0 ? (ct_v)(0) : CT_READV(__global, total);
                if (whole) sum = ct_take_lanes(src, g_c, g_w, results, last, dst, sum);
                else
                    for (int zd = 0; zd < nd; zd++)
                        for (int zh = 0; zh < nh; zh++, dst += nw * ${nr})
                            sum = ct_take_lanes(src + zd * g_d + zh * g_h, g_c, g_w, nw, last, dst, sum);
                if (first_c == 0) CT_WRITEV(__global, sum, total);
            }
% endif
        for (int c0 = first_c; c0 < end_c; c0 += channels) {
            const int count_c = min(channels, end_c - c0), count_u = count_c * taps;
            ct_fill_panel(X + n * x_n + c0 * x_c, end, panel, plane_at, planes, count_c, x_c, x_d, x_h, x_w,
                          ID, IH, IW, step_d, step_h, step_w, qd + low_d, qh + low_h, qw + low_w, Ud, Uh, Uw);
            for (int kt = kt0; kt < kt1; kt++) {
                __global ct_t *s = S + ((long)kt * (units + 1) + (long)c0 * taps) * ${nr};
                for (int u = 0; u < count_u; u += ${m}, s += ${m * nr}) {
% for i in range(m):
                    const int u${i} = min(u + ${i}, count_u - 1);
                    const __local ct_t *a${i} = panel + u${i} / taps * stretch + tap_offset[u${i} % taps];
% endfor
                    const __local ct_t *b = grad + (long)(kt - kt0) * results * ${lanes_of_tile};
                    const int left = count_u - u;
                    ${tile.zero(m, nv)}
                    if (block != b0) {
% for i in range(m):
% for j in range(nv):
                        ${f"if ({i} < left) " if i else ""}c${i}_${j} = CT_READV(__global, s + ${i * nr + j * vw});
% endfor
% endfor
                    }
                    for (int zd = 0; zd < nd; zd++)
                        for (int zh = 0; zh < nh; zh++) {
                            const long row = ((long)zd * Uh + zh) * Uw;
% if flat:
                            int w = 0;
                            for (; w + ${vw} <= nw; w += ${vw}) {
                                ${vectors_of_row(False)}
                            }
                            if (w < nw) {
                                const ct_mask places = (ct_mask)(${", ".join(map(str, range(vw)))});
                                const ct_mask mask = places < (ct_mask)(nw - w);
                                ${vectors_of_row(True)}
                            }
                            b += line;
% else:
                            for (long w = row; w < row + nw; w++, b += ${nr}) {
                                ${tile.step(m, nv, vw, lambda i: f"a{i}[w]", "b")}
                            }
% endif
                        }
% for i in range(m):
% for j in range(nv):
                    ${f"if ({i} < left) " if i else ""}CT_WRITEV(__global, c${i}_${j}, s + ${i * nr + j * vw});
% endfor
% endfor
                }
            }
        }
    }
}

// The sums of one unit of a tile over all parts, one for each lane.
static void ct_join(const __global ct_t *S, const int parts, const long part, ct_t *sums) {
% for j in range(nv):
    ct_v c${j} = CT_READV(__global, S + ${j * vw});
    for (int p = 1; p < parts; p++) c${j} += CT_READV(__global, S + p * part + ${j * vw});
% if flat:
    ct_t t${j}[${vw}];
    CT_WRITEV(__private, c${j}, t${j});
    sums[${j}] = t${j}[0];
    for (int i = 1; i < ${vw}; i++) sums[${j}] += t${j}[i];
% else:
    CT_WRITEV(__private, c${j}, sums + ${j * vw});
% endif
% endfor
}

// One work-item joins a stretch of units of a tile of lanes, and writes them as weights: [lane][channel][tap]. The
// stretch has all taps of its channels; those of the window that only ever met padding are not among them, and get 0.
__kernel CT_ONE_ITEM void ct_conv_weight_join(const __global ct_t *S, __global ct_out *W, __global ct_out *B,
                                              const __global long *T, int has_bias, int chunk) {
    ${shared.table(ints, longs)}
    const long units = (long)reduced * taps, part = (long)groups * tiles * (units + 1) * ${nr};
    const int group = get_global_id(1) / tiles, first = get_global_id(1) % tiles * ${lanes_of_tile};
    const int valid = min(${lanes_of_tile}, lanes - first);
    const long u0 = get_global_id(0) * (long)chunk, u1 = min(units, u0 + chunk);
    const long lane = (long)group * lanes + first;
    ct_t sums[${lanes_of_tile}];
    S += get_global_id(1) * (units + 1) * ${nr};
    long u = u0;
    if (taps < window) {
        for (int l = 0; l < valid; l++) {
            __global ct_out *w = W + (lane + l) * reduced * window;
            for (long i = u0 / taps * window; i < u1 / taps * window; i++) CT_PUT((ct_t)0, w + i);
        }
        for (; u < u1; u++) {
            ct_join(S + u * ${nr}, parts, part, sums);
            __global ct_out *w = W + (lane * reduced + u / taps) * window + tap_number[u % taps];
            for (int l = 0; l < valid; l++) CT_PUT(sums[l], w + (long)l * reduced * window);
        }
    }
% if not flat:
    for (; u1 - u0 >= ${vw} && u < u1; u += ${vw}) {
        const long at = min(u, u1 - ${vw});
% for j in range(nv):
        {
            const __global ct_t *s = S + at * ${nr} + ${j * vw};
% for l in range(vw):
            ct_v r${l} = CT_READV(__global, s + ${l * nr});
% endfor
            for (int p = 1; p < parts; p++) {
                s += part;
% for l in range(vw):
                r${l} += CT_READV(__global, s + ${l * nr});
% endfor
            }
            ${tile.transpose(vw)}
            __global ct_out *w = W + (lane + ${j * vw}) * units + at;
% for l in range(vw):
            if (${j * vw + l} < valid) CT_SAVEV(r${l}, w + ${l} * units);
% endfor
        }
% endfor
    }
% endif
    for (; u < u1; u++) {
        ct_join(S + u * ${nr}, parts, part, sums);
        for (int l = 0; l < valid; l++) CT_PUT(sums[l], W + (lane + l) * units + u);
    }
    if (u0 == 0 && has_bias) {
        ct_join(S + units * ${nr}, parts, part, sums);
        for (int l = 0; l < valid; l++) CT_PUT(sums[l], B + lane + l);
    }
}
