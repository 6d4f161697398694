<%doc>
Means over the bins of regions of maps x (N, C, H, W), and their adjoint.

name      kernel name without its prefix
back      False: out (K, channels, h, w) = the means.  True: out (N, C, H, W) = for every element of the maps what the
          bins of x (K, channels, h, w) give back to it, region after region
bins      False: a bin is the mean of bilinear samples.  True: of the elements that it covers
largest   whether out is, instead of means, the place in its plane of a bin's greatest element, -1 for an empty bin; with
          bins, whose last elements then count and whose limits are the plane's
own       whether each bin has channels of its own: channel (c * h + i) * w + j of the maps is read by bin (i, j) of
          channel c
mode      of the adjoint: "items": elements of out, striding (GPUs); "planes": planes, through which each region passes
          (CPUs)
CH        channels that one unit of work does together
X         type of maps, regions and sums
A region is (index of its map, x1, y1, x2, y2).
</%doc>
<%
OUT = "long" if largest else X
inside = "for (int j = 0; j < CT_CH && c + j < channels; ++j)"
%>
#define CT_CH ${CH}

// A sample between two elements: the lower, the upper and their shares; false where it lies outside.
static inline bool ct_between(${X} at, const int limit, int *low, int *high, ${X} *share) {
    if (!(at >= -1 && at <= limit)) return false;
    at = fmax(at, (${X})0);
    *low = min((int)at, limit - 1);
    *high = min(*low + 1, limit - 1);
    *share = *low < limit - 1 ? at - *low : (${X})0;
    return true;
}

% if bins:
// The elements that a bin covers along one side.
static inline void ct_covered(const int start, const ${X} step, const int bin, const int limit, int *first, int *last) {
    *first = clamp((int)floor(bin * step) + start, 0, limit - ${0 if largest else 1});
    *last = clamp((int)ceil((bin + 1) * step) + start, 0, limit - ${0 if largest else 1});
}
% endif

__kernel void ct_${name}(const int site, const long count, const long per_item, const int K, const int N, const int C,
                         const int channels, const int H, const int W, const int h, const int w, const int ratio,
                         const int aligned, const ${X} scale, const ${X} offset, const __global ${X} *x, const long xo,
                         const __global ${X} *rois, const long ro, __global ${OUT} *out
% if not back:
                         , volatile __global int *note
% endif
                         )
{
    const int chunks = (channels + CT_CH - 1) / CT_CH;
<%def name="sample_y()">
                    int yl, yh;
                    ${X} dy;
                    if (!ct_between(y1 + py * step_y + (iy + (${X})0.5f) * step_y / points_y, H, &yl, &yh, &dy)) continue;
</%def>
<%def name="sample_x()">
                    int xl, xh;
                    ${X} dx;
                    if (!ct_between(x1 + px * step_x + (ix + (${X})0.5f) * step_x / points_x, W, &xl, &xh, &dx)) continue;
</%def>
<%def name="covered()">
        int top, bottom, left, right;
        ct_covered(y1, step_y, py, H, &top, &bottom);
        ct_covered(x1, step_x, px, W, &left, &right);
</%def>
<%def name="region()">
        const __global ${X} *r = rois + ro + (long)k * 5;
% if bins:
        const int x1 = (int)round(r[1] * scale), y1 = (int)round(r[2] * scale);
        const ${X} step_x = (${X})max((int)round(r[3] * scale) - x1${' + 1' if largest else ''}, 1) / w;
        const ${X} step_y = (${X})max((int)round(r[4] * scale) - y1${' + 1' if largest else ''}, 1) / h;
% else:
        const ${X} x1 = r[1] * scale - offset, y1 = r[2] * scale - offset;
        ${X} width = r[3] * scale - offset - x1, height = r[4] * scale - offset - y1;
        if (!aligned) {
            width = fmax(width, (${X})1);
            height = fmax(height, (${X})1);
        }
        const ${X} step_x = width / w, step_y = height / h;
        const int points_x = ratio > 0 ? ratio : isfinite(width) ? (int)ceil(step_x) : 0;
        const int points_y = ratio > 0 ? ratio : isfinite(height) ? (int)ceil(step_y) : 0;
        const ${X} points = max(points_x * points_y, 1);
% endif
</%def>
% if not back:
    bool faulty = false;
    long wrong = 0;
% if mode == "items":
    for (long u = get_global_id(0); u < count; u += get_global_size(0)) {
% else:
    const long first = (long)get_global_id(0) * per_item, last = min(count, first + per_item);
    for (long u = first; u < last; ++u) {
% endif
        const int px = (int)(u % w), py = (int)(u / w % h);
        const long rest = u / ((long)w * h);
        const int c = (int)(rest % chunks) * CT_CH, k = (int)(rest / chunks);
        ${region()}
        const ${X} told = r[0];
        __global ${OUT} *to = out + (((long)k * channels + c) * h + py) * w + px;
        if (!(told > -1 && told < N)) {
            faulty = true;
            wrong = (long)told;
            ${inside} to[(long)j * h * w] = ${'-1' if largest else 'NAN'};
            continue;
        }
% if own:
        const __global ${X} *from = x + xo + (((long)(int)told * C) + ((long)c * h + py) * w + px) * H * W;
        const long apart = (long)h * w * H * W;
% else:
        const __global ${X} *from = x + xo + ((long)(int)told * C + c) * H * W;
        const long apart = (long)H * W;
% endif
% if not largest:
        ${X} sum[CT_CH];
        for (int j = 0; j < CT_CH; ++j) sum[j] = 0;
% endif
% if bins:
        ${covered()}
% if largest:
        ${inside} {
            const __global ${X} *p = from + j * apart;
            long best = top < bottom && left < right ? (long)top * W + left : -1;
            for (int y = top; y < bottom; ++y)
                for (int q = left; q < right; ++q)
                    if (p[(long)y * W + q] > p[best]) best = (long)y * W + q;
            to[(long)j * h * w] = best;
        }
% else:
        for (int y = top; y < bottom; ++y)
            for (int q = left; q < right; ++q)
                ${inside} sum[j] += from[j * apart + (long)y * W + q];
        const ${X} points = max((bottom - top) * (right - left), 1);
% endif
% else:
        for (int iy = 0; iy < points_y; ++iy) {
            ${sample_y()}
            for (int ix = 0; ix < points_x; ++ix) {
                ${sample_x()}
                const ${X} a = (1 - dy) * (1 - dx), b = (1 - dy) * dx, d = dy * (1 - dx), e = dy * dx;
                const long ll = (long)yl * W + xl, lh = (long)yl * W + xh, hl = (long)yh * W + xl, hh = (long)yh * W + xh;
                ${inside} {
                    const __global ${X} *p = from + j * apart;
                    sum[j] += a * p[ll] + b * p[lh] + d * p[hl] + e * p[hh];
                }
            }
        }
% endif
% if not largest:
        ${inside} to[(long)j * h * w] = sum[j] / points;
% endif
    }
    if (faulty) ct_note(note, site, 0, wrong, N);
% elif mode == "planes":
    // a unit passes through CH planes alone, so that sums need no atomics
    const long first = (long)get_global_id(0) * per_item, last = min(count, first + per_item);
    for (long u = first; u < last; ++u) {
        const int n = (int)(u / chunks), c = (int)(u % chunks) * CT_CH;
% if own:
        // of one channel of the maps, which one bin of each region reads
        const int py = c / w % h, px = c % w;
% endif
        __global ${X} *to = out + ((long)n * C + c) * H * W;
        const long apart = (long)H * W;
        for (long i = 0; i < min(CT_CH, channels - c) * apart; ++i) to[i] = 0;
        for (int k = 0; k < K; ++k) {
            if ((int)rois[ro + (long)k * 5] != n || !(rois[ro + (long)k * 5] > -1)) continue;
            ${region()}
% if own:
            const __global ${X} *g = x + xo + (long)k * channels + c;
            const long step = 0;
            {
                {
% else:
            const long step = (long)h * w;
            for (int py = 0; py < h; ++py) {
                for (int px = 0; px < w; ++px) {
                    const __global ${X} *g = x + xo + (((long)k * channels + c) * h + py) * w + px;
% endif
% if bins:
                    ${covered()}
                    const ${X} points = max((bottom - top) * (right - left), 1);
                    for (int y = top; y < bottom; ++y)
                        for (int q = left; q < right; ++q)
                            ${inside} to[j * apart + (long)y * W + q] += g[j * step] / points;
% else:
                    for (int iy = 0; iy < points_y; ++iy) {
                        ${sample_y()}
                        for (int ix = 0; ix < points_x; ++ix) {
                            ${sample_x()}
                            ${inside} {
                                const ${X} share = g[j * step] / points;
                                __global ${X} *p = to + j * apart;
                                p[(long)yl * W + xl] += (1 - dy) * (1 - dx) * share;
                                p[(long)yl * W + xh] += (1 - dy) * dx * share;
                                p[(long)yh * W + xl] += dy * (1 - dx) * share;
                                p[(long)yh * W + xh] += dy * dx * share;
                            }
                        }
                    }
% endif
                }
            }
        }
    }
% else:
    for (long u = get_global_id(0); u < count; u += get_global_size(0)) {
        const int column = (int)(u % W), row = (int)(u / W % H);
        const long rest = u / ((long)W * H);
        const int c = (int)(rest % chunks) * CT_CH, n = (int)(rest / chunks);
% if own:
        const int oy = c / w % h, ox = c % w;
% endif
        ${X} sum[CT_CH];
        for (int j = 0; j < CT_CH; ++j) sum[j] = 0;
        for (int k = 0; k < K; ++k) {
            if ((int)rois[ro + (long)k * 5] != n || !(rois[ro + (long)k * 5] > -1)) continue;
            ${region()}
% if not bins:
            // most regions are nowhere near
            const ${X} ya = clamp(fmin(y1, y1 + height), (${X})0, (${X})(H - 1)), yb = clamp(fmax(y1, y1 + height), (${X})0, (${X})(H - 1));
            const ${X} xa = clamp(fmin(x1, x1 + width), (${X})0, (${X})(W - 1)), xb = clamp(fmax(x1, x1 + width), (${X})0, (${X})(W - 1));
            if (ya >= row + 1 || yb <= row - 1 || xa >= column + 1 || xb <= column - 1) continue;
% endif
% if own:
            { const int py = oy;
% else:
            for (int py = 0; py < h; ++py) {
% endif
                ${X} down = 0;
% if bins:
                int top, bottom, left, right;
                ct_covered(y1, step_y, py, H, &top, &bottom);
                if (row >= top && row < bottom) down = 1;
% else:
                for (int iy = 0; iy < points_y; ++iy) {
                    ${sample_y()}
                    if (yl == row) down += 1 - dy;
                    if (yh == row) down += dy;
                }
% endif
                if (down == 0) continue;
% if own:
                { const int px = ox;
% else:
                for (int px = 0; px < w; ++px) {
% endif
                    ${X} share = 0;
% if bins:
                    ct_covered(x1, step_x, px, W, &left, &right);
                    if (column >= left && column < right) share = (${X})1 / max((bottom - top) * (right - left), 1);
% else:
                    for (int ix = 0; ix < points_x; ++ix) {
                        ${sample_x()}
                        if (xl == column) share += 1 - dx;
                        if (xh == column) share += dx;
                    }
                    share = share * down / points;
% endif
                    if (share == 0) continue;
% if own:
                    sum[0] += share * x[xo + (long)k * channels + c];
% else:
                    ${inside} sum[j] += share * x[xo + (((long)k * channels + c + j) * h + py) * w + px];
% endif
                }
            }
        }
        ${inside} out[(((long)n * C + c + j) * H + row) * W + column] = sum[j];
    }
% endif
}
