## Building blocks of the convolution kernels of CPU-class devices, as Mako definitions.
##
## The padded input of one block of results lies in local memory as a panel, one run of values per channel:
## [channel][plane][depth][height][width] (planes: see Stencil in cltorch/ops/conv_shape.py). There a tap of the window
## is one constant offset, whatever stride, padding and dilation are, and neighbouring results read neighbouring values.
##
## All sizes come in a table of longs: the fields (named by the template parameters `ints` and `longs`), then the planes
## (3 each), the phases of the result (5 each: first place, first tap, number of taps), the numbers of the taps in the
## packed weights' order, the taps' offsets in the panel, and the depths and heights that they read in the source.
<%namespace name="memory" file="memory.cl"/>
<%def name="table(ints, longs)">
    ${memory.fields(ints, longs)}
    const __global long *plane_at = T + ${len(ints) + len(longs)}, *phase_at = plane_at + 3 * planes;
    const __global long *tap_number = phase_at + 5 * phases, *tap_offset = tap_number + taps;
    const __global long *tap_d = tap_offset + taps, *tap_h = tap_d + taps;
</%def>
## the fields of a table that has nothing else
<%def name="fields(ints, longs)">
    ${memory.fields(ints, longs)}
</%def>
<%def name="saving(ti)">
% if ti in ("float16", "bfloat16", "int16", "int8", "uint8"):
#define CT_SAVEV(x, p) CT_PUTV(x, p)
% else:
#define CT_SAVEV(x, p) CT_WRITEV(__global, x, p)
% endif
</%def>
## ct_copy_row, which fills a row of a panel whose padding is there already
<%def name="rows(ti, vw)">
typedef ${"long" if ti in ("float64", "int64") else "int"}${vw} ct_mask;

// `count` values to a row of the panel; nothing but zeros behind it, up to where the next row lies.
static void ct_copy_row(const __global ct_in *src, const long step, const __global ct_in *end, __local ct_t *dst,
                        const int count) {
    const ct_mask places = (ct_mask)(${", ".join(map(str, range(vw)))});
    int j = 0;
    if (step == 1) {
        if (count >= ${vw}) {
            for (; j + ${vw} < count; j += ${vw}) CT_WRITEV(__local, CT_LOADV(src + j), dst + j);
            CT_WRITEV(__local, CT_LOADV(src + count - ${vw}), dst + count - ${vw});
            return;
        }
        if (count > 0 && src + ${vw} <= end) {
            CT_WRITEV(__local, select((ct_v)(0), CT_LOADV(src), places < (ct_mask)(count)), dst);
            return;
        }
    } else if (step == 2)
        for (; j < count && src + 2 * j + ${2 * vw} <= end; j += ${vw}) {
            const ct_v a = CT_LOADV(src + 2 * j), b = CT_LOADV(src + 2 * j + ${vw});
            CT_WRITEV(__local, select((ct_v)(0), (ct_v)(a.even, b.even), places < (ct_mask)(count - j)), dst + j);
        }
    for (; j < count; j++) dst[j] = CT_LOAD(src + j * step);
}
</%def>
<%def name="panel(ti, vw)">
${saving(ti)}
// A row of the panel: `width` values, of which lo to hi - 1 come from memory (`src` is where lo comes from), the rest
// is 0. Whole vectors are copied as long as the source has them, also beyond the row: what they write too much is
// written again by the next rows. The row that is needed soon lies `ahead`: a core's own prefetching gives up between
// short rows.
static void ct_panel_row(const __global ct_in *src, const long step, const __global ct_in *end, const long ahead,
                         __local ct_t *dst, const int lo, const int hi, const int width) {
    int j = lo;
    if (step == 1) {
        for (; j < hi && src + ${vw} <= end; j += ${vw}, src += ${vw}) {
            CT_PREFETCH(src + ahead);
            CT_WRITEV(__local, CT_LOADV(src), dst + j);
        }
        for (; j < hi; j++) dst[j] = CT_LOAD(src++);
    } else {
        if (step == 2)
            for (; j < hi && src + ${2 * vw} <= end; j += ${vw}, src += ${2 * vw}) {
                CT_PREFETCH(src + ahead);
                CT_PREFETCH(src + ahead + ${vw});
                const ct_v a = CT_LOADV(src), b = CT_LOADV(src + ${vw});
                CT_WRITEV(__local, (ct_v)(a.even, b.even), dst + j);
            }
        for (; j < hi; j++, src += step) dst[j] = CT_LOAD(src);
    }
    for (j = 0; j < lo; j++) dst[j] = 0;
    for (j = hi; j < width; j++) dst[j] = 0;
}

// The panel of `count` channels of X, whose first result in each dimension is qd, qh, qw. `end` is where X ends.
static void ct_fill_panel(const __global ct_in *X, const __global ct_in *end, __local ct_t *dst,
                          const __global long *plane_at, const int planes, const int count, const long x_c,
                          const long x_d, const long x_h, const long x_w, const int ID, const int IH, const int IW,
                          const int step_d, const int step_h, const int step_w, const int qd, const int qh,
                          const int qw, const int Ud, const int Uh, const int Uw) {
    for (int c = 0; c < count; c++, X += x_c) {
        for (int plane = 0; plane < planes; plane++) {
            // the place in the source of the panel's first row and column
            const int d0 = step_d * qd + (int)plane_at[3 * plane], h0 = step_h * qh + (int)plane_at[3 * plane + 1];
            const int w0 = step_w * qw + (int)plane_at[3 * plane + 2];
            const int hi = max(0, min(Uw, (IW - w0 + step_w - 1) / step_w));
            const int lo = min(hi, w0 < 0 ? (step_w - 1 - w0) / step_w : 0);
            for (int u = 0; u < Ud; u++) {
                const int d = d0 + step_d * u;
                for (int v = 0; v < Uh; v++, dst += Uw) {
                    const int h = h0 + step_h * v;
                    const int inside = d >= 0 && d < ID && h >= 0 && h < IH;
                    const __global ct_in *src = X + d * x_d + h * x_h + (w0 + lo * step_w) * x_w;
                    ct_panel_row(src, step_w * x_w, end, x_c, dst, inside ? lo : 0, inside ? hi : 0, Uw);
                }
            }
        }
    }
}
</%def>
