"""Let two convolutional networks play against each other until one of them draws clothes (DCGAN on Fashion-MNIST).

    python examples/dcgan.py                    10,000 of the images, on the OpenCL device if there is one
    python examples/dcgan.py --limit 60000 --epochs 10

The generator turns noise into images, the discriminator learns to tell them from real ones, and each is the other's
loss (A. Radford et al., https://arxiv.org/abs/1511.06434). Writes generated.png into the folder --out, from the same
noise after each epoch in one row.
"""

import argparse
import os
from pathlib import Path

from tqdm import tqdm

import cltorch as torch
import cltorch.nn.functional as F
from cltorch import nn
from cltorch.utils.data import DataLoader, Subset
from cltorch.vision import datasets, transforms
from cltorch.vision.utils import make_grid, save_image

DEBIAN = "/usr/share/datasets/fashion-mnist"  # where the package dataset-fashion-mnist puts the images
COLUMNS = 16


def generator(noise, width):
    """Return a network from (N, noise, 1, 1) to images (N, 1, 28, 28) from -1 to 1."""
    return nn.Sequential(
        nn.ConvTranspose2d(noise, 2 * width, 7, bias=False), nn.BatchNorm2d(2 * width), nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
        nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1), nn.Tanh(),
    )  # fmt: skip


def discriminator(width):
    """Return a network from images (N, 1, 28, 28) to scores (N,), positive where they look real."""
    return nn.Sequential(
        nn.Conv2d(1, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 1, 7), nn.Flatten(0),
    )  # fmt: skip


def initialise(module):
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


def loss_of(scores, real):
    """Return how far the judge's scores are from saying that all images are real, or that none is."""
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, float(real)))


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=4, help="passes over the images (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=64, help="images in a step (default: %(default)s)")
    parser.add_argument("--noise", type=int, default=64, help="numbers an image is made from (default: %(default)s)")
    parser.add_argument("--width", type=int, default=32, help="channels of the widest images (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=2e-4, help="Adam's learning rate (default: %(default)s)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of weights and noise (default: %(default)s)")
    data = DEBIAN if os.path.isdir(DEBIAN) else "data"
    parser.add_argument("--data", default=data, help="folder with the images, or for them (default: %(default)s)")
    parser.add_argument("--limit", type=int, metavar="N", default=10000, help="use the first N (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/dcgan"), help="default: %(default)s")
    return parser.parse_args()


def main():
    args = parse_args()
    torch.manual_seed(args.seed)
    to_range = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    images = datasets.FashionMNIST(args.data, train=True, download=True, transform=to_range)
    images = Subset(images, range(min(args.limit, len(images))))
    loader = DataLoader(images, batch_size=args.batch_size, shuffle=True, drop_last=True)
    draw, judge = generator(args.noise, args.width).to(args.device), discriminator(args.width).to(args.device)
    draw.apply(initialise)
    judge.apply(initialise)
    draw_optimizer, judge_optimizer = (
        torch.optim.Adam(network.parameters(), lr=args.lr, betas=(0.5, 0.999)) for network in (draw, judge)
    )
    same = torch.randn(COLUMNS, args.noise, 1, 1, device=args.device)
    rows = []
    for epoch in range(1, args.epochs + 1):
        draw.train()
        with tqdm(loader, desc=f"epoch {epoch}/{args.epochs}", unit="step", leave=False) as bar:
            for step, (real, _) in enumerate(bar):
                real = real.to(args.device)
                made = draw(torch.randn(len(real), args.noise, 1, 1, device=args.device))
                # the judge learns to tell them apart; cut off by detach, this does not reach the network that draws
                judged = loss_of(judge(real), True) + loss_of(judge(made.detach()), False)
                judge_optimizer.zero_grad()
                judged.backward()
                judge_optimizer.step()
                # the other one learns to draw what the judge takes for real
                drawn = loss_of(judge(made), True)
                draw_optimizer.zero_grad()
                drawn.backward()
                draw_optimizer.step()
                if step % 20 == 0:  # reading the losses waits for the device
                    bar.set_postfix(draw=f"{drawn.item():.2f}", judge=f"{judged.item():.2f}", refresh=False)
        draw.eval()
        with torch.no_grad():
            made = draw(same)
            rows.append(made.cpu())
        print(f"epoch {epoch}/{args.epochs}: loss of drawing {drawn.item():.3f}, of judging {judged.item():.3f}")
    with torch.no_grad():
        share = (judge(made) > 0).float().mean().item()
    args.out.mkdir(parents=True, exist_ok=True)
    save_image(make_grid(0.5 - 0.5 * torch.cat(rows), nrow=COLUMNS, pad_value=1.0), args.out / "generated.png")
    print(f"picture: {args.out / 'generated.png'}")
    print(f"the judge takes {share:.0%} of the last row for real")


if __name__ == "__main__":
    main()
