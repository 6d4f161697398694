## Convolution on GPUs, and anywhere for windows that no panel holds: products of matrices whose operands are read where
## they lie.
##
## A work-group of ty by tx items makes a block of bm by bn of the product; per step of bk it copies a block of each
## operand into local memory, and each item then takes bm/ty by bn/tx elements in registers (as in matmul_gpu.cl).
##
## ct_conv_gpu: rows are channels of the result, columns its places in all samples, the sum runs over channels and taps.
## A result of a phase at q reads the source at step * q + delta[tap] (phases: Stencil in cltorch/ops/conv_shape.py).
## ct_conv_weight_gpu: rows are output channels, columns "units" (a channel and a tap, and a last one of ones for the
## bias), the sum runs over all results, in parts that ct_conv_weight_join_gpu adds in their order.
##
## Parameters: ti (dtype), bm, bn, bk (block), ty, tx (work-group), deep (channels fill steps of bk, so that a step has
## one tap), ints, longs (fields of the table).
<%namespace name="tile" file="gemm_tile.cl"/>
<%namespace name="memory" file="memory.cl"/>
<%
    items, rows, cols = ty * tx, bm // ty, bn // tx
    # one more word per row keeps the items of a column of the block out of one bank
    a_line, b_line = bm + 1, bn + 1
%>
${tile.types(ti, ti, 4)}
<%def name="table()">
    ${memory.fields(ints, longs)}
    // per phase its first place, first tap and number of taps; per tap its number in the weight and the place it reads
    const __global long *phase_at = T + ${len(ints) + len(longs)}, *tap_at = phase_at + 5 * phases;
</%def>
<%def name="zero()">
    ct_t c[${rows}][${cols}];
#pragma unroll
    for (int i = 0; i < ${rows}; i++)
#pragma unroll
        for (int j = 0; j < ${cols}; j++) c[i][j] = 0;
</%def>
<%def name="multiply()">
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int k = 0; k < ${bk}; k++) {
            ct_t a[${rows}], b[${cols}];
#pragma unroll
            for (int i = 0; i < ${rows}; i++) a[i] = a_block[k * ${a_line} + y + i * ${ty}];
#pragma unroll
            for (int j = 0; j < ${cols}; j++) b[j] = b_block[k * ${b_line} + x + j * ${tx}];
#pragma unroll
            for (int i = 0; i < ${rows}; i++)
#pragma unroll
                for (int j = 0; j < ${cols}; j++) c[i][j] = CT_FMA(a[i], b[j], c[i][j]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
</%def>

// A place in the source, or 0 where it lies in the padding.
static ct_t ct_read(const __global ct_in *X, const int d, const int h, const int w, const int ID, const int IH,
                    const int IW, const long x_d, const long x_h, const long x_w) {
    const int inside = d >= 0 && d < ID && h >= 0 && h < IH && w >= 0 && w < IW;
    return inside ? CT_LOAD(X + d * x_d + h * x_h + w * x_w) : (ct_t)0;
}

__kernel __attribute__((reqd_work_group_size(${tx * ty}, 1, 1))) void ct_conv_gpu(
    const __global ct_in *X, const __global ct_in *W, const __global ct_in *B, __global ct_out *Y,
    const __global long *T, long x_off, long w_off, long b_off, int has_bias) {
    __local ct_t a_block[${bk * a_line}], b_block[${bk * b_line}];
    ${table()}
    const int item = get_local_id(0), x = item % ${tx}, y = item / ${tx};
    const int m0 = get_group_id(1) * ${bm}, n0 = get_group_id(0) * ${bn}, group = get_group_id(2) / phases;
    const __global long *phase = phase_at + 5 * (get_group_id(2) % phases);
    const int fd = (int)phase[0], fh = (int)phase[1], fw = (int)phase[2], count = (int)phase[4];
    const __global long *tap = tap_at + 4 * phase[3];
    X += x_off + (long)group * reduced * x_c;
    W += w_off + group * w_group;
    ${zero()}
    // an item always reads the same column of the source's block
    const int column = item % ${bn};
    int at = n0 + column;
    const int inside = at < columns, qw = at % QW, qh = at / QW % QH, qd = at / (QW * QH) % QD;
    const int sd = step_d * qd, sh = step_h * qh, sw = step_w * qw;
    const __global ct_in *sample = X + at / (QW * QH * QD) * x_n;
% if deep:
    for (int t = 0; t < count; t++, tap += 4) {
        const int d = sd + (int)tap[1], h = sh + (int)tap[2], w = sw + (int)tap[3];
        const int valid = inside && d >= 0 && d < ID && h >= 0 && h < IH && w >= 0 && w < IW ? reduced : 0;
        const __global ct_in *source = sample + d * x_d + h * x_h + w * x_w, *weight = W + tap[0];
        for (int c0 = 0; c0 < reduced; c0 += ${bk}) {
            for (int e = item; e < ${bm * bk}; e += ${items}) {
                const int m = e / ${bk}, c = c0 + e % ${bk};
                a_block[e % ${bk} * ${a_line} + m] =
                    m0 + m < lanes && c < reduced ? CT_LOAD(weight + (m0 + m) * w_lane + c * w_reduced) : (ct_t)0;
            }
            for (int e = item / ${bn}; e < ${bk}; e += ${items // bn})
                b_block[e * ${b_line} + column] = c0 + e < valid ? CT_LOAD(source + (c0 + e) * x_c) : (ct_t)0;
            ${multiply()}
        }
    }
% else:
    const int K = reduced * count;
    for (int k0 = 0; k0 < K; k0 += ${bk}) {
        for (int e = item; e < ${bm * bk}; e += ${items}) {
            const int m = e / ${bk}, k = k0 + e % ${bk};
            ct_t value = 0;
            if (m0 + m < lanes && k < K)
                value = CT_LOAD(W + (m0 + m) * w_lane + k / count * w_reduced + tap[4 * (k % count)]);
            a_block[e % ${bk} * ${a_line} + m] = value;
        }
        for (int e = item / ${bn}; e < ${bk}; e += ${items // bn}) {
            const int k = k0 + e;
            ct_t value = 0;
            if (inside && k < K) {
                const __global long *t = tap + 4 * (k % count);
                value = ct_read(sample + k / count * x_c, sd + (int)t[1], sh + (int)t[2], sw + (int)t[3],
                                ID, IH, IW, x_d, x_h, x_w);
            }
            b_block[e * ${b_line} + column] = value;
        }
        ${multiply()}
    }
% endif
#pragma unroll
    for (int j = 0; j < ${cols}; j++) {
        at = n0 + x + j * ${tx};
        const int d = fd + dst_step_d * (at / (QW * QH) % QD), h = fh + dst_step_h * (at / QW % QH);
        const int w = fw + dst_step_w * (at % QW);
        if (at >= columns || d >= OD || h >= OH || w >= OW) continue;
        const long sample_n = at / (QW * QH * QD);
#pragma unroll
        for (int i = 0; i < ${rows}; i++) {
            const int m = m0 + y + i * ${ty};
            if (m >= lanes) continue;
            const long channel = (long)group * lanes + m;
            const ct_t bias = has_bias ? CT_LOAD(B + b_off + channel) : (ct_t)0;
            CT_PUT(c[i][j] + bias, Y + (((sample_n * groups * lanes + channel) * OD + d) * OH + h) * OW + w);
        }
    }
}

__kernel __attribute__((reqd_work_group_size(${tx * ty}, 1, 1))) void ct_conv_weight_gpu(
    const __global ct_in *X, const __global ct_in *G, __global ct_t *S, const __global long *T, long x_off,
    long g_off) {
    __local ct_t a_block[${bk * a_line}], b_block[${bk * b_line}];
    ${table()}
    const int item = get_local_id(0), x = item % ${tx}, y = item / ${tx};
    const int m0 = get_group_id(1) * ${bm}, n0 = get_group_id(0) * ${bn};
    const int group = get_group_id(2) / parts, part = get_group_id(2) % parts;
    const int units = reduced * taps, end = min(columns, (part + 1) * per_part);
    X += x_off + (long)group * reduced * x_c;
    G += g_off + (long)group * lanes * g_c;
    ${zero()}
    // an item always reads the same units: the places of their channels and taps; kind 1 is the bias's ones, 2 nothing
    long channel[${bn * bk // items}];
    int at_d[${bn * bk // items}], at_h[${bn * bk // items}], at_w[${bn * bk // items}], kind[${bn * bk // items}];
#pragma unroll
    for (int i = 0; i < ${bn * bk // items}; i++) {
        const int u = n0 + item / ${bk} + i * ${items // bk}, known = min(u, units - 1);
        const __global long *t = tap_at + 4 * (known % taps);
        channel[i] = known / taps * x_c;
        at_d[i] = (int)t[1];
        at_h[i] = (int)t[2];
        at_w[i] = (int)t[3];
        kind[i] = u < units ? 0 : u == units ? 1 : 2;
    }
    for (int k0 = part * per_part; k0 < end; k0 += ${bk}) {
        // an item always reads the same row of both blocks: one result
        const int k = k0 + item % ${bk}, inside = k < end;
        const int qw = k % QW, qh = k / QW % QH, qd = k / (QW * QH) % QD;
        const long n = k / (QW * QH * QD);
        const __global ct_in *grad = G + n * g_n + qd * g_d + qh * g_h + qw * g_w;
        for (int e = item / ${bk}; e < ${bm}; e += ${items // bk})
            a_block[item % ${bk} * ${a_line} + e] =
                inside && m0 + e < lanes ? CT_LOAD(grad + (m0 + e) * g_c) : (ct_t)0;
#pragma unroll
        for (int i = 0; i < ${bn * bk // items}; i++) {
            ct_t value = kind[i] == 1 ? 1 : 0;
            if (inside && kind[i] == 0)
                value = ct_read(X + n * x_n + channel[i], step_d * qd + at_d[i], step_h * qh + at_h[i],
                                step_w * qw + at_w[i], ID, IH, IW, x_d, x_h, x_w);
            b_block[item % ${bk} * ${b_line} + item / ${bk} + i * ${items // bk}] = value;
        }
        ${multiply()}
    }
    S += (((long)part * groups + group) * lanes + m0) * (units + 1) + n0;
#pragma unroll
    for (int i = 0; i < ${rows}; i++)
#pragma unroll
        for (int j = 0; j < ${cols}; j++) {
            const int m = y + i * ${ty}, u = x + j * ${tx};
            if (m0 + m < lanes && n0 + u <= units) S[(long)m * (units + 1) + u] = c[i][j];
        }
}

// One item per element of the weight, or of the bias.
__kernel void ct_conv_weight_join_gpu(const __global ct_t *S, __global ct_out *W, __global ct_out *B,
                                      const __global long *T, int has_bias) {
    ${table()}
    const long units = (long)reduced * taps, each = (long)groups * lanes * (units + 1);
    const long i = get_global_id(0), u = i % (units + 1), m = i / (units + 1);
    if (i >= each || (u == units && !has_bias)) return;
    ct_t sum = S[i];
    for (int p = 1; p < parts; p++) sum += S[p * each + i];
    if (u < units) CT_PUT(sum, W + m * units + u);
    else CT_PUT(sum, B + m);
}
