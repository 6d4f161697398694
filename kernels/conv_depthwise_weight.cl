## Gradient of the weight (and bias) of a convolution of single channels (depthwise) on CPU-class devices.
##
## One work-item sums, for one channel, over a part of the samples and one block of rows of results. A plane's padded
## input lies in a panel in local memory, as it is, whose padding is written once. The gradient is read where it lies,
## `rows` of its rows at a time, which stay in registers while each vector of the panel that they reach is read once for
## all of them and for `together` columns of taps. Sums stay vectors until the end. The last vector of a row overlaps the
## one before, and what it repeats or reaches beyond the row is masked in both factors: it must not count, not even as
## infinity times 0.
##
## Sums of a work-item lie in S: [part and block][channel][tap, then the bias]; ct_conv_depthwise_weight_join adds them
## in their order. With one part and one block they are the result, and go straight to it.
##
## Parameters: ti (dtype), vw (vector), rows, high, wide (the window), step (of the window, 1 or 2), together, room
## (elements of local memory), ints, longs (fields of the table).
<%namespace name="tile" file="gemm_tile.cl"/>
<%namespace name="shared" file="conv_panel.cl"/>
<% taps = high * wide %>
${tile.types(ti, ti, vw)}
${shared.rows(ti, vw)}

// A vector of the gradient's row, of which the lanes of the mask count; vectors that reach beyond `end` lane by lane.
static ct_v ct_masked(const __global ct_in *g, const __global ct_in *end, const ct_mask mask) {
    if (g + ${vw} <= end) return select((ct_v)(0), CT_LOADV(g), mask);
    ct_t t[${vw}];
    for (int i = 0; i < ${vw}; i++) t[i] = g + i < end ? CT_LOAD(g + i) : (ct_t)0;
    return select((ct_v)(0), CT_READV(__private, t), mask);
}

## the products of `count` rows of the gradient, from row h on
<%def name="products(count, masked)">
                {
                    const __global ct_in *from = g + h * g_h + start;
                    const __local ct_t *a = panel + ((long)h * Uw + start) * ${step} + column;
% for r in range(count):
                    CT_PREFETCH(from + ${r} * g_h + g_n);
                    const ct_v g${r} = ${f"ct_masked(from + {r} * g_h, end_of_grad, mask)" if masked else f"CT_LOADV(from + {r} * g_h)"};
                    ${"" if together == wide else "if (column == 0) "}total += g${r};
% endfor
% for i in range((count - 1) * step + high):
% for j in range(together):
                    {
                        const __local ct_t *b = a + ${i} * Uw + ${j};
% if step == 2:
                        ct_v x = (ct_v)(CT_READV(__local, b).even, CT_READV(__local, b + ${vw}).even);
% else:
                        ct_v x = CT_READV(__local, b);
% endif
% if masked:
                        x = select((ct_v)(0), x, mask);
% endif
% for r in range(count):
% if 0 <= i - r * step < high:
                        c${i - r * step}_${j} = CT_FMA(x, g${r}, c${i - r * step}_${j});
% endif
% endfor
                    }
% endfor
% endfor
                }
</%def>
__kernel CT_ONE_ITEM void ct_conv_depthwise_weight(const __global ct_in *X, const __global ct_in *G, __global ct_out *W,
                                                   __global ct_out *B, __global ct_t *S, const __global long *T,
                                                   long x_off, long g_off, int has_bias) {
    __local ct_v memory[${room // vw}];
    ${shared.fields(ints, longs)}
    __local ct_t *panel = (__local ct_t *)memory;
    const int group = get_global_id(0), part = get_global_id(1) / blocks;
    const int q0 = get_global_id(1) % blocks * block_h, nh = min(block_h, OH - q0);
    const int n0 = part * per_part, n1 = min(samples, n0 + per_part);
    const __global ct_in *end = X + x_off + x_end, *end_of_grad = G + g_off + g_end;
    const int h0 = ${step} * q0 - pad_h, v0 = max(0, -h0), v1 = min(Uh, IH - h0);
    const int lo = min(pad_w, Uw), hi = max(lo, min(Uw, IW + pad_w));
    const ct_mask places = (ct_mask)(${", ".join(map(str, range(vw)))});
    ct_v sums[${taps}], total = (ct_v)(0);
    for (int t = 0; t < ${taps}; t++) sums[t] = (ct_v)(0);
    for (int i = 0; i < panel_size; i += ${vw}) CT_WRITEV(__local, (ct_v)(0), panel + i);
    for (int n = n0; n < n1; n++) {
        const __global ct_in *x = X + x_off + n * x_n + group * x_c + h0 * x_h;
        const __global ct_in *g = G + g_off + n * g_n + group * g_c + q0 * g_h;
        for (int v = v0; v < v1; v++) {
            const __global ct_in *row = x + v * x_h;
            for (int w = 0; w < IW; w += ${vw}) CT_PREFETCH(row + x_n + w * x_w);
            ct_copy_row(row + (lo - pad_w) * x_w, x_w, end, panel + v * Uw + lo, hi - lo);
        }
        for (int column = 0; column < ${wide}; column += ${together}) {
            ct_v *s = sums + column;
% for i in range(high):
            ct_v ${", ".join(f"c{i}_{j} = s[{i * wide + j}]" for j in range(together))};
% endfor
            for (int at = 0; at < OW; at += ${vw}) {
                const int start = OW >= ${vw} ? min(at, OW - ${vw}) : 0;
                int h = 0;
                if (start == at && at + ${vw} <= OW) {
                    for (; h + ${rows} <= nh; h += ${rows}) ${products(rows, False)}
                    for (; h < nh; h++) ${products(1, False)}
                    continue;
                }
                const ct_mask mask = (places >= (ct_mask)(at - start)) & (places < (ct_mask)(OW - start));
                for (; h + ${rows} <= nh; h += ${rows}) ${products(rows, True)}
                for (; h < nh; h++) ${products(1, True)}
            }
% for i in range(high):
            ${" ".join(f"s[{i * wide + j}] = c{i}_{j};" for j in range(together))}
% endfor
        }
    }
    const int direct = get_global_size(1) == 1;
    S += (get_global_id(1) * (long)groups + group) * ${taps + 1};
    for (int t = 0; t <= ${taps}; t++) {
        ct_t lanes[${vw}];
        CT_WRITEV(__private, t < ${taps} ? sums[t] : total, lanes);
        ct_t sum = lanes[0];
        for (int i = 1; i < ${vw}; i++) sum += lanes[i];
        if (!direct) S[t] = sum;
        else if (t < ${taps}) CT_PUT(sum, W + group * (long)${taps} + t);
        else if (has_bias) CT_PUT(sum, B + group);
    }
}

// One work-item adds up the parts of one channel.
__kernel CT_ONE_ITEM void ct_conv_depthwise_weight_join(const __global ct_t *S, __global ct_out *W, __global ct_out *B,
                                                        int groups, int parts, int has_bias) {
    const long group = get_global_id(0), apart = groups * (long)${taps + 1};
    S += group * ${taps + 1};
    for (int t = 0; t < ${taps} + has_bias; t++) {
        ct_t sum = S[t];
        for (int p = 1; p < parts; p++) sum += S[p * apart + t];
        if (t < ${taps}) CT_PUT(sum, W + group * ${taps} + t);
        else CT_PUT(sum, B + group);
    }
}
