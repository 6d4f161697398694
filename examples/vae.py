"""Train a variational autoencoder on Fashion-MNIST and let it invent clothes.

    python examples/vae.py                      the full 60,000 images, on the OpenCL device if there is one
    python examples/vae.py --latent 2           two hidden numbers: the picture is a map of them

Each image becomes a distribution over --latent hidden numbers, from which a decoder makes the image again (D. P. Kingma
and M. Welling, https://arxiv.org/abs/1312.6114). Writes clothes.png into the folder --out: images and what comes back
of them above, invented ones below.
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


class VAE(nn.Module):
    def __init__(self, latent, width):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(784, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, 2 * latent),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(latent, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 784)
        )

    def forward(self, x):
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        hidden = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return self.decoder(hidden).view_as(x), mean, log_variance


def bound(model, images):
    """Return what training lowers: an upper bound of minus the log probability of an image, in nats.

    It is how badly the image comes back, and how far its distribution is from the standard normal one, of which
    `draw` takes the hidden numbers of invented images.
    """
    logits, mean, log_variance = model(images)
    again = F.binary_cross_entropy_with_logits(logits, images, reduction="sum")
    distance = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum()
    return (again + distance) / len(images)


@torch.no_grad()
def evaluate(model, loader, device):
    """Return the mean bound over all images."""
    total = torch.zeros((), device=device)
    for images, _ in loader:
        images = images.to(device)
        total += bound(model, images) * len(images)
    return total.item() / len(loader.dataset)


@torch.no_grad()
def draw(model, images, device, latent, path):
    """Draw images, what comes back of them, and invented ones."""
    logits, _, _ = model(images.to(device))
    if latent == 2:
        axis = torch.linspace(-2, 2, 16)
        hidden = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    else:
        hidden = torch.randn(64, latent)
    invented = torch.sigmoid(model.decoder(hidden.to(device))).view(-1, 1, 28, 28)
    rows = torch.cat([images, torch.sigmoid(logits).cpu(), torch.zeros(16, 1, 28, 28), invented.cpu()])
    save_image(make_grid(1 - rows, nrow=16, pad_value=1.0), path)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=5, help="passes over the images (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=256, help="images in a step (default: %(default)s)")
    parser.add_argument("--latent", type=int, default=16, help="hidden numbers of an image (default: %(default)s)")
    parser.add_argument("--width", type=int, default=400, help="of the hidden layers (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=1e-3, help="Adam's learning rate (default: %(default)s)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of weights and noise (default: %(default)s)")
    data = DEBIAN if os.path.isdir(DEBIAN) else "data"
    parser.add_argument("--data", default=data, help="folder with the images, or for them (default: %(default)s)")
    parser.add_argument("--limit", type=int, metavar="N", help="use only the first N images to train and to test")
    parser.add_argument("--out", type=Path, default=Path("runs/vae"), help="default: %(default)s")
    return parser.parse_args()


def main():
    args = parse_args()
    torch.manual_seed(args.seed)
    parts = [
        datasets.FashionMNIST(args.data, train=train, download=True, transform=transforms.ToTensor())
        for train in (True, False)
    ]
    if args.limit:
        parts = [Subset(part, range(min(args.limit, len(part)))) for part in parts]
    train_loader = DataLoader(parts[0], batch_size=args.batch_size, shuffle=True)
    test_loader = DataLoader(parts[1], batch_size=1000)
    model = VAE(args.latent, args.width).to(args.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    for epoch in range(1, args.epochs + 1):
        with tqdm(train_loader, desc=f"epoch {epoch}/{args.epochs}", unit="step", leave=False) as bar:
            for step, (images, _) in enumerate(bar):
                loss = bound(model, images.to(args.device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if step % 50 == 0:  # reading the loss waits for the device
                    bar.set_postfix(loss=f"{loss.item():.1f}", refresh=False)
        tested = evaluate(model, test_loader, args.device)
        print(f"epoch {epoch}/{args.epochs}: {tested:.2f} nats for a test image")
    args.out.mkdir(parents=True, exist_ok=True)
    images = torch.stack([parts[1][i][0] for i in range(16)])
    draw(model, images, args.device, args.latent, args.out / "clothes.png")
    print(f"picture: {args.out / 'clothes.png'}")
    print(f"test bound {tested:.2f} nats")


if __name__ == "__main__":
    main()
