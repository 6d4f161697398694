<%doc>
Windows of images as columns and back: x (planes, H, W), columns (planes, kh, kw, oh, ow).

name      kernel name without its prefix
fold      False: out = the columns of x.  True: out = for every element of the images the sum over its places in x
mode      "items": one element of out per work-item, striding (GPUs); "rows": whole rows of out (CPUs)
X, xtag   storage type and tag (columns: an unsigned integer of the element's size, for it only copies); A type of sums
count is the number of elements or rows of out.
</%doc>
<%namespace name="memory" file="memory.cl"/>
<%
def load(at):
    return memory.module.load("x", at, xtag, X)
def store(value, at):
    return memory.module.store("out", at, value, xtag, X)
direct = xtag not in ("f16", "bf16")
%>
<%def name="gather()">
            // every window that holds (row, col), in the order of the kernel's elements
            ${A} sum = 0;
            for (int i = 0; i < kh; ++i) {
                const int ty = row + ph - i * dh, oy = ty / sh;
                if (ty < 0 || oy * sh != ty || oy >= oh)
                    continue;
                for (int j = 0; j < kw; ++j) {
                    const int tx = col + pw - j * dw, ox = tx / sw;
                    if (tx >= 0 && ox * sw == tx && ox < ow)
                        sum += ${load("xo + (((plane * kh + i) * kw + j) * oh + oy) * ow + ox")};
                }
            }
</%def>
__kernel void ct_${name}(const long count, const long per_item, const int H, const int W, const int kh, const int kw,
                         const int oh, const int ow, const int dh, const int dw, const int ph, const int pw,
                         const int sh, const int sw, const __global ${X} *x, const long xo, __global ${X} *out)
{
% if mode == "items":
    for (long at = get_global_id(0); at < count; at += get_global_size(0)) {
% if fold:
        const long line = at / W, plane = line / H;
        const int col = (int)(at - line * W), row = (int)(line - plane * H);
        ${gather()}
        ${store("sum", "at")}
% else:
        long rest = at / ow;
        const int ox = (int)(at - rest * ow);
        const int oy = (int)(rest % oh);
        rest /= oh;
        const int j = (int)(rest % kw);
        rest /= kw;
        const int i = (int)(rest % kh);
        const int row = oy * sh - ph + i * dh, col = ox * sw - pw + j * dw;
        const bool inside = row >= 0 && row < H && col >= 0 && col < W;
        out[at] = inside ? x[xo + (rest / kh * H + row) * W + col] : (${X})0;
% endif
    }
% else:
    const long first = (long)get_global_id(0) * per_item, last = min(count, first + per_item);
    for (long line = first; line < last; ++line) {
% if fold:
        const long plane = line / H;
        const int row = (int)(line - plane * H);
% if direct:
        __global ${X} *to = out + line * W;
        for (int col = 0; col < W; ++col)
            to[col] = 0;
        for (int i = 0; i < kh; ++i) {
            const int ty = row + ph - i * dh, oy = ty / sh;
            if (ty < 0 || oy * sh != ty || oy >= oh)
                continue;
            for (int j = 0; j < kw; ++j) {
                const int shift = j * dw - pw;
                const __global ${X} *from = x + xo + (((plane * kh + i) * kw + j) * oh + oy) * ow;
                // the windows whose element lies inside the image
                const int lo = shift >= 0 ? 0 : min(ow, (sw - 1 - shift) / sw);
                const int hi = shift >= W ? 0 : min(ow, (W - 1 - shift) / sw + 1);
                if (sw == 1)
                    for (int ox = lo; ox < hi; ++ox)
                        to[ox + shift] += from[ox];
                else
                    for (int ox = lo; ox < hi; ++ox)
                        to[ox * sw + shift] += from[ox];
            }
        }
% else:
        for (int col = 0; col < W; ++col) {
            ${gather()}
            ${store("sum", "line * W + col")}
        }
% endif
% else:
        long rest = line / oh;
        const int oy = (int)(line - rest * oh);
        const int j = (int)(rest % kw);
        rest /= kw;
        const int i = (int)(rest % kh);
        const int row = oy * sh - ph + i * dh, shift = j * dw - pw;
        __global ${X} *to = out + line * ow;
        const bool inside = row >= 0 && row < H;
        const int lo = !inside ? ow : shift >= 0 ? 0 : min(ow, (sw - 1 - shift) / sw);
        const int hi = !inside || shift >= W ? lo : clamp((W - 1 - shift) / sw + 1, lo, ow);
        const __global ${X} *from = x + xo + (rest / kh * H + row) * W;
        for (int ox = 0; ox < lo; ++ox)
            to[ox] = 0;
        if (sw == 1)
            for (int ox = lo; ox < hi; ++ox)
                to[ox] = from[ox + shift];
        else
            for (int ox = lo; ox < hi; ++ox)
                to[ox] = from[ox * sw + shift];
        for (int ox = hi; ox < ow; ++ox)
            to[ox] = 0;
% endif
    }
% endif
}
