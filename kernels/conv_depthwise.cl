## Convolution of single channels (depthwise) on CPU-class devices, forward and gradient of the input.
##
## One work-item makes the same block of rows of some (sample, channel) planes, one after the other. Their padded input
## lies in a panel in local memory (planes: Stencil in cltorch/ops/conv_shape.py) whose padding is written once: only
## what comes from memory is copied for each plane. Then `rows` neighbouring rows of results at a time, one vector each:
## a tap is one broadcast weight and one vector of the panel per row. Usual windows in steps of one or two (`high`, `step`)
## read each vector of the panel once for all rows that it reaches; the panel is then the source as it is, in one plane. Results go straight to memory; the last vector of a row overlaps the one
## before, and in rows shorter than a vector what is written too much is written again by the next row.
##
## ct_conv_depthwise_back makes gradients of the input for steps of two, from the same panel.
##
## Parameters: ti (dtype), vw (vector), rows, high (rows of the window, 0 for any window), step (of such
## windows, else 1), room (elements of local memory), ints, longs (fields of the table), back (whether the program holds
## ct_conv_depthwise_back, else the other: Oclgrind counts the local memory of all of a program's kernels together).
<%namespace name="tile" file="gemm_tile.cl"/>
<%namespace name="shared" file="conv_panel.cl"/>
${tile.types(ti, ti, vw)}
${shared.saving(ti)}
${shared.rows(ti, vw)}

// A vector of results, of which `count` exist; whole vectors must end before `end`.
static void ct_save_row(const ct_v x, __global ct_out *y, const __global ct_out *end, const int count) {
    if (y + ${vw} <= end) CT_SAVEV(x, y);
    else {
        ct_t t[${vw}];
        CT_WRITEV(__private, x, t);
        for (int i = 0; i < min(count, ${vw}); i++) CT_PUT(t[i], y + i);
    }
}


## what both kernels begin with: the loop over planes, and a plane's panel and weights
<%def name="begin()">
    __local ct_v memory[${room // vw}];
    ${shared.table(ints, longs)}
    __local ct_t *panel = (__local ct_t *)memory, *weights = panel + panel_size;
    const int q0 = get_global_id(1) * block_h, nh = min(block_h, OH - q0);
    const long z0 = get_global_id(0) * (long)share, z1 = min((long)total, z0 + share);
    const __global ct_in *end = X + x_off + x_end;
    for (int i = 0; i < panel_size; i += ${vw}) CT_WRITEV(__local, (ct_v)(0), panel + i);
    for (long z = z0; z < z1; z++) {
        const long n = z / groups, group = z % groups;
        const __global ct_in *x = X + x_off + n * x_n + group * x_c, *w = W + w_off + group * taps;
        __local ct_t *dst = panel;
        for (int plane = 0; plane < planes; plane++) {
            const int h0 = jump * q0 + low_h + (int)plane_at[3 * plane + 1];
            const int w0 = low_w + (int)plane_at[3 * plane + 2];
            const int hi = max(0, min(Uw, (IW - w0 + step_w - 1) / step_w));
            const int lo = min(hi, w0 < 0 ? (step_w - 1 - w0) / step_w : 0);
            for (int v = 0; v < Uh; v++, dst += Uw) {
                const int h = h0 + step_h * v;
                if (h < 0 || h >= IH) continue;
                ct_copy_row(x + h * x_h + (w0 + lo * step_w) * x_w, step_w * x_w, end, dst + lo, hi - lo);
            }
        }
        for (int t = 0; t < taps; t++) weights[t] = CT_LOAD(w + tap_number[t]);
</%def>
% if not back:
__kernel CT_ONE_ITEM void ct_conv_depthwise(const __global ct_in *X, const __global ct_in *W, const __global ct_in *B,
                                            __global ct_out *Y, const __global long *T, long x_off, long w_off,
                                            long b_off, int has_bias) {
    ${begin()}
        const ct_v first = (ct_v)(has_bias ? CT_LOAD(B + b_off + group) : (ct_t)0);
        __global ct_out *out = Y + (z * OH + q0) * (long)OW;
        const __global ct_out *last = out + (long)nh * OW;
        for (int at = 0; at < OW; at += ${vw}) {
            const int start = OW >= ${vw} ? min(at, OW - ${vw}) : 0;
            for (int h = 0; h < nh; h += ${rows}) {
                const __local ct_t *a = panel + (long)h * ${step} * Uw + start * ${step};
% for r in range(rows):
                ct_v c${r} = first;
% endfor
% if high:
                for (int j = 0; j < wide; j++, a += apart) {
% for i in range((rows - 1) * step + high):
<% reached = [r for r in range(rows) if 0 <= i - r * step < high] %>\
                    {
                        const __local ct_t *b = a + ${i} * Uw;
% if step == 2:
                        const ct_v v = (ct_v)(CT_READV(__local, b).even, CT_READV(__local, b + ${vw}).even);
% else:
                        const ct_v v = CT_READV(__local, b);
% endif
% for r in reached:
                        c${r} = CT_FMA((ct_v)(weights[${i - r * step} * wide + j]), v, c${r});
% endfor
                    }
% endfor
                }
% else:
                for (int t = 0; t < taps; t++) {
                    const ct_v v = (ct_v)(weights[t]);
                    const __local ct_t *b = a + tap_offset[t];
% for r in range(rows):
                    c${r} = CT_FMA(v, CT_READV(__local, b + ${r} * Uw), c${r});
% endfor
                }
% endif
                __global ct_out *y = out + (long)h * OW + start;
                ct_save_row(c0, y, last, OW);
% for r in range(1, rows):
                if (h + ${r} < nh) ct_save_row(c${r}, y + ${r} * (long)OW, last, OW);
% endfor
            }
        }
    }
}
% else:
// Gradients of the input for steps of two: a row of results has even and odd columns from different taps, and they are
// put together on their way out. Rows are written in their order, so that what goes too far is written again.
__kernel CT_ONE_ITEM void ct_conv_depthwise_back(const __global ct_in *X, const __global ct_in *W,
                                                 const __global ct_in *B, __global ct_out *Y, const __global long *T,
                                                 long x_off, long w_off, long b_off, int has_bias) {
    ${begin()}
        const ct_v first = (ct_v)(has_bias ? CT_LOAD(B + b_off + group) : (ct_t)0);
        const int places = (OW + 1) / 2, end_h = min(OH, 2 * (q0 + block_h));
        const __global ct_out *last = Y + (z * OH + end_h) * (long)OW;
        for (int h = 2 * q0; h < end_h; h++)
            for (int at = 0; at < places; at += ${vw}) {
                const int start = places >= ${vw} ? min(at, places - ${vw}) : 0;
                const __local ct_t *a = panel + (long)(h / 2 - q0) * Uw + start;
                const __global long *phase = phase_at + h % 2 * 10;
% for i in range(2):
                ct_v c${i} = first;
                for (int t = (int)phase[${5 * i + 3}], end_t = t + (int)phase[${5 * i + 4}]; t < end_t; t++)
                    c${i} = CT_FMA((ct_v)(weights[t]), CT_READV(__local, a + tap_offset[t]), c${i});
% endfor
                __global ct_out *y = Y + (z * OH + h) * (long)OW + 2 * start;
                ct_save_row(CT_LOW(c0, c1), y, last, OW - 2 * start);
                ct_save_row(CT_HIGH(c0, c1), y + ${vw}, last, OW - 2 * start - ${vw});
            }
    }
}
% endif
