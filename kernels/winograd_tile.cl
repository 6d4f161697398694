## Winograd's transforms for F(4x4, 3x3) on CPU-class devices, as Mako definitions: vectors of vw channels, six or four
## places at a time. The points are 0, 1, -1, 2, -2 and infinity.
## Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, https://arxiv.org/abs/1509.09308
##
## Every definition takes a function that gives the C text of the operand at a place, and one that takes the text of a
## result at a place to a statement.
<%!
def read(p):
    return f"CT_READV(__global, {p})"
def write(x, p):
    return f"CT_WRITEV(__global, {x}, {p});"
%>
<%namespace name="tile" file="gemm_tile.cl"/>
<%def name="six(load)">
% for i in range(6):
                const ct_v d${i} = ${load(i)};
% endfor
</%def>
## B^T d: input
<%def name="input(load, save)">
            {
                ${six(load)}
                const ct_v a = d4 - (ct_t)4 * d2, b = d3 - (ct_t)4 * d1, c = d4 - d2, e = (ct_t)2 * (d3 - d1);
                ${save(0, "(ct_t)4 * d0 - (ct_t)5 * d2 + d4")}
                ${save(1, "a + b")}
                ${save(2, "a - b")}
                ${save(3, "c + e")}
                ${save(4, "c - e")}
                ${save(5, "(ct_t)4 * d1 - (ct_t)5 * d3 + d5")}
            }
</%def>
## G g: weight
<%def name="weight(load, save)">
            {
% for i in range(3):
                const ct_v g${i} = ${load(i)};
% endfor
                const ct_v a = (g0 + g2) * (ct_t)(-1.0f / 6), b = g1 * (ct_t)(1.0f / 6);
                const ct_v c = g0 * (ct_t)(1.0f / 24) + g2 * (ct_t)(1.0f / 6), e = g1 * (ct_t)(1.0f / 12);
                ${save(0, "g0 * (ct_t)0.25f")}
                ${save(1, "a - b")}
                ${save(2, "a + b")}
                ${save(3, "c + e")}
                ${save(4, "c - e")}
                ${save(5, "g2")}
            }
</%def>
## A^T m: result
<%def name="result(load, save)">
            {
                ${six(load)}
                const ct_v a = d1 + d2, b = d1 - d2, c = d3 + d4, e = d3 - d4;
                ${save(0, "d0 + a + c")}
                ${save(1, "b + (ct_t)2 * e")}
                ${save(2, "a + (ct_t)4 * c")}
                ${save(3, "b + (ct_t)8 * e + d5")}
            }
</%def>
## A dy: gradient of the result (the transpose of A^T)
<%def name="gradient(load, save)">
            {
% for i in range(4):
                const ct_v d${i} = ${load(i)};
% endfor
                const ct_v a = d0 + d2, b = d1 + d3, c = d0 + (ct_t)4 * d2, e = (ct_t)2 * d1 + (ct_t)8 * d3;
                ${save(0, "d0")}
                ${save(1, "a + b")}
                ${save(2, "a - b")}
                ${save(3, "c + e")}
                ${save(4, "c - e")}
                ${save(5, "d3")}
            }
</%def>
## G^T s: gradient of the weight
<%def name="weight_gradient(load, save)">
            {
                ${six(load)}
                const ct_v a = (d1 + d2) * (ct_t)(-1.0f / 6), b = (d2 - d1) * (ct_t)(1.0f / 6), c = d3 + d4, e = d3 - d4;
                ${save(0, "d0 * (ct_t)0.25f + a + c * (ct_t)(1.0f / 24)")}
                ${save(1, "b + e * (ct_t)(1.0f / 12)")}
                ${save(2, "a + c * (ct_t)(1.0f / 6) + d5")}
            }
</%def>
<%def name="functions(vw)">
// `count` neighbouring values of ${vw} channels, from memory to [place][channel]; channels beyond `last` repeat it and
// are never used.
static void ct_take_row(const __global ct_in *x, const long x_c, const long step, const __global ct_in *end,
                        __global ct_t *dst, const int count, const int last) {
    if (x_c == 1 && last == ${vw - 1}) {
        for (int i = 0; i < count; i++, x += step, dst += ${vw}) ${write("CT_LOADV(x)", "dst")}
        return;
    }
% for l in range(vw):
    const __global ct_in *x${l} = x + min(${l}, last) * x_c;
% endfor
    if (step == 1 && (count >= ${vw} || x${vw - 1} + ${vw} <= end))
        for (int p = 0; p < count; p += ${vw}) {
            const int at = count >= ${vw} ? min(p, count - ${vw}) : 0;
            __global ct_t *d = dst + at * ${vw};
% for l in range(vw):
            ct_v r${l} = CT_LOADV(x${l} + at);
% endfor
            ${tile.transpose(vw)}
            if (count >= ${vw}) {
% for l in range(vw):
                ${write(f"r{l}", f"d + {l * vw}")}
% endfor
            } else {
% for l in range(vw):
                if (${l} < count) ${write(f"r{l}", f"d + {l * vw}")}
% endfor
            }
        }
    else
        for (int p = 0; p < count; p++, dst += ${vw})
            ${write(f"(ct_v)({', '.join(f'CT_LOAD(x{l} + p * step)' for l in range(vw))})", "dst")}
}

</%def>
## the source of the block of tiles (rows r0 to r1 - 1, nw columns from w0 on), transformed: V[point][tile][channel]
<%def name="source_block(vw)">
        const int Uw = 4 * nw + 2, left = 4 * w0 + low_w;
        const int hi = max(0, min(Uw, IW - left)), lo = min(hi, max(0, -left));
        for (int c = 0; c < reduced; c += ${vw}) {
            const int last = min(${vw}, reduced - c) - 1;
            // the rows of tiles of one sample at a time
            for (int r = r0; r < r1;) {
                const int n = r / TH, h = r % TH, nh = min(r1 - r, TH - h);
                const __global ct_in *x = X + n * x_n + c * x_c + (left + lo) * x_w;
                __global ct_t *dst = plane;
                for (int i = 0; i < 4 * nh + 2; i++, dst += Uw * ${vw}) {
                    const int at = 4 * h + low_h + i, inside = at >= 0 && at < IH;
                    const int begin = inside ? lo : 0, stop = inside ? hi : 0;
                    for (int j = 0; j < begin; j++) ${write("(ct_v)(0)", f"dst + j * {vw}")}
                    for (int j = stop; j < Uw; j++) ${write("(ct_v)(0)", f"dst + j * {vw}")}
                    if (stop > begin) ct_take_row(x + at * x_h, x_c, x_w, end, dst + begin * ${vw}, stop - begin, last);
                }
                __global ct_t *v = V + (long)(r - r0) * nw * depth + c;
                for (int i = 0; i < nh; i++)
                    for (int j = 0; j < nw; j++, v += depth) {
                        const __global ct_t *d = plane + (4 * i * Uw + 4 * j) * ${vw};
% for row in range(6):
                        ${input(lambda k: read(f"d + ({row} * Uw + {k}) * {vw}"),
                                         lambda k, x: f"tmp[{6 * row + k}] = {x};")}
% endfor
% for k in range(6):
                        ${input(lambda row: f"tmp[{6 * row + k}]",
                                         lambda row, x: write(x, f"v + {6 * row + k} * v_point"))}
% endfor
                    }
                r += nh;
            }
        }
</%def>
