"""Paint a photo with a few hundred soft blobs, drawn and differentiated by OpenCL kernels of your own.

    python examples/custom_kernel.py photo.jpg        your own photo
    python examples/custom_kernel.py                  the cat that scikit-image brings

Each blob has a place, a size and a colour, and its share of a pixel falls off like Gauss's bell. The kernel `paint`
adds them up, `unpaint` is its derivative, `Paint` makes both a function for autograd, and Adam moves the blobs until
they look like the photo. Writes painting.png into the folder --out. Needs an OpenCL device.
"""

import argparse
import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import trange

import cltorch as torch

# A blob is six numbers: x, y, how narrow it is, red, green, blue; the image (3, height, width) is 1 high and 1 wide.
# Work-items take eight pixels at a time, which processors without a GPU's many threads are thankful for.
SOURCE = """
float8 squares(const int x, const int y, const int width, const int height, __global const float *b,
               float8 *right, float *down) {
    *right = (x + (float8)(0.5f, 1.5f, 2.5f, 3.5f, 4.5f, 5.5f, 6.5f, 7.5f)) / width - b[0];
    *down = (y + 0.5f) / height - b[1];
    return *right * *right + *down * *down;
}

float sum(const float8 v) {
    const float4 half_ = v.lo + v.hi;
    return half_.x + half_.y + half_.z + half_.w;
}

// one work-item for eight pixels of a row
__kernel void paint(__global const float *blobs, __global float *image, const int count, const int width,
                    const int height) {
    const int x = 8 * get_global_id(0), y = get_global_id(1);
    float8 red = 0.0f, green = 0.0f, blue = 0.0f, right;
    float down;
    for (int k = 0; k < count; k++) {
        __global const float *b = blobs + 6 * k;
        const float8 share = exp(-b[2] * squares(x, y, width, height, b, &right, &down));
        red += share * b[3];
        green += share * b[4];
        blue += share * b[5];
    }
    __global float *pixel = image + y * width + x;
    vstore8(red, 0, pixel);
    vstore8(green, 0, pixel + height * width);
    vstore8(blue, 0, pixel + 2 * height * width);
}

// one work-item for each blob: it gathers over the pixels, so that no two of them write to one place
__kernel void unpaint(__global const float *blobs, __global const float *gradient, __global float *moves,
                      const int count, const int width, const int height) {
    const int k = get_global_id(0);
    __global const float *b = blobs + 6 * k;
    float8 of[6] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f}, right;
    float down;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x += 8) {
            const float8 far = squares(x, y, width, height, b, &right, &down);
            const float8 share = exp(-b[2] * far);
            float8 pull = 0.0f;
            for (int c = 0; c < 3; c++) {
                const float8 g = vload8(0, gradient + (c * height + y) * width + x) * share;
                of[3 + c] += g;
                pull += g * b[3 + c];
            }
            of[0] += pull * right;
            of[1] += pull * down;
            of[2] -= pull * far;
        }
    for (int i = 0; i < 6; i++)
        moves[6 * k + i] = sum(of[i]) * (i < 2 ? 2.0f * b[2] : 1.0f);
}
"""
paint = torch.cl.kernel(SOURCE, "paint")
unpaint = torch.cl.kernel(SOURCE, "unpaint")


class Paint(torch.autograd.Function):
    """Paint blobs (count, 6) into an image (3, height, width), whose width is a multiple of 8."""

    @staticmethod
    def forward(ctx, blobs, height, width):
        ctx.save_for_backward(blobs)
        ctx.sizes = {"count": len(blobs), "width": width, "height": height}
        image = torch.empty(3, height, width, device=blobs.device)
        paint(blobs=blobs, image=image, global_size=(width // 8, height), **ctx.sizes)
        return image

    @staticmethod
    def backward(ctx, gradient):
        (blobs,) = ctx.saved_tensors
        moves = torch.empty_like(blobs)
        unpaint(blobs=blobs, gradient=gradient, moves=moves, global_size=len(blobs), **ctx.sizes)
        return moves, None, None


def sample():
    """Return the path of scikit-image's cat."""
    spec = importlib.util.find_spec("skimage")
    path = spec and Path(spec.submodule_search_locations[0]) / "data" / "chelsea.png"
    if not (path and path.is_file()):
        raise SystemExit("no photo: name one, or pip install scikit-image")
    return path


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", nargs="?", type=Path, help="image file (default: a cat)")
    parser.add_argument("--blobs", type=int, default=600, help="how many there are (default: %(default)s)")
    parser.add_argument("--size", type=int, default=96, help="pixels a side, a multiple of 8 (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=400, help="steps of fitting (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=0.01, help="Adam's learning rate (default: %(default)s)")
    parser.add_argument("--device", default="cl", help="an OpenCL device (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the first blobs (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/custom_kernel"), help="default: %(default)s")
    return parser.parse_args()


def main():
    args = parse_args()
    if args.size % 8:
        raise SystemExit(f"--size {args.size} is not a multiple of 8")
    if not torch.cl.is_available():
        raise SystemExit("this example runs kernels of its own, which needs an OpenCL device: python -m cltorch doctor")
    photo = Image.open(args.photo or sample()).convert("RGB")
    side = min(photo.size)
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    photo = photo.crop((left, top, left + side, top + side)).resize((args.size, args.size))
    target = torch.from_numpy(np.asarray(photo, np.float32) / 255).permute(2, 0, 1).to(args.device)

    torch.manual_seed(args.seed)
    places = torch.rand(args.blobs, 2)
    # a blob starts as wide as the distance to its neighbours, its colour as a share of the photo's there
    width = torch.full((args.blobs, 1), -0.5 * np.log(args.blobs) - 0.3)
    pixels = (places * args.size).long().clamp(max=args.size - 1)
    colours = target.cpu()[:, pixels[:, 1], pixels[:, 0]].T * 0.3
    places, width, colours = (x.to(args.device).requires_grad_(True) for x in (places, width, colours))
    groups = [{"params": [places], "lr": args.lr * 0.3}, {"params": [width], "lr": args.lr * 3}, {"params": [colours]}]
    optimizer = torch.optim.Adam(groups, lr=args.lr)
    with trange(args.steps, unit="step", leave=False) as bar:
        for step in bar:
            blobs = torch.cat([places, 0.5 * torch.exp(-2 * width), colours], dim=1)
            image = Paint.apply(blobs, args.size, args.size)
            loss = ((image - target) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % 50 == 0:  # reading the loss waits for the device
                bar.set_postfix(loss=f"{loss.item():.5f}", refresh=False)

    painted = Image.fromarray((image.detach().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy())
    args.out.mkdir(parents=True, exist_ok=True)
    sheet = Image.new("RGB", (2 * args.size + 4, args.size), "white")
    sheet.paste(photo, (0, 0))
    sheet.paste(painted, (args.size + 4, 0))
    scale = max(1, 384 // args.size)
    sheet.resize((sheet.width * scale, sheet.height * scale), Image.Resampling.NEAREST).save(args.out / "painting.png")
    print(f"picture: {args.out / 'painting.png'}")
    print(f"{args.blobs} blobs, {-10 * np.log10(loss.item()):.2f} dB to the photo")


if __name__ == "__main__":
    main()
