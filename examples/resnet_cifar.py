"""Train a residual network on CIFAR-10, or on Fashion-MNIST where CIFAR-10 is not there.

    python examples/resnet_cifar.py --data folder       looks for cifar-10-batches-py in the folder
    python examples/resnet_cifar.py --download          fetches CIFAR-10 into the folder
    python examples/resnet_cifar.py --amp --epochs 10   in mixed precision

The network is the paper's for small images, with three stages of --depth blocks each (K. He et al.,
https://arxiv.org/abs/1512.03385). Writes curves.png and model.pt into the folder --out.
"""

import argparse
import os
import time
from pathlib import Path

import matplotlib.pyplot as plt
from tqdm import tqdm

import cltorch as torch
import cltorch.nn.functional as F
from cltorch import nn
from cltorch.utils.data import DataLoader, Subset
from cltorch.vision import datasets, transforms
from cltorch.vision.models.resnet import BasicBlock, conv1x1

DEBIAN = "/usr/share/datasets/fashion-mnist"  # where the package dataset-fashion-mnist puts the images


class SmallResNet(nn.Module):
    def __init__(self, channels, depth, width, classes=10):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        blocks, before = [], width
        for stage in range(3):
            after = width * 2**stage
            for i in range(depth):
                stride = 2 if stage and not i else 1
                down = nn.Sequential(conv1x1(before, after, stride), nn.BatchNorm2d(after)) if stride > 1 else None
                blocks.append(BasicBlock(before, after, stride, down))
                before = after
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(before, classes)

    def forward(self, x):
        return self.fc(self.blocks(self.stem(x)).mean(dim=(2, 3)))


def load(args):
    """Return the images to train and to test with, and their name and number of channels."""
    folder = args.data or "data"
    if args.download or os.path.isdir(os.path.join(folder, datasets.CIFAR10.base_folder)):
        kind, channels, mean, std = datasets.CIFAR10, 3, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    else:
        kind, channels, mean, std = datasets.FashionMNIST, 1, (0.2860,), (0.3530,)
        folder = args.data or (DEBIAN if os.path.isdir(DEBIAN) else "data")
    last = [transforms.ToTensor(), transforms.Normalize(mean, std)]
    side = 32 if channels == 3 else 28
    vary = [transforms.RandomCrop(side, padding=4), transforms.RandomHorizontalFlip()]
    sets = [
        kind(folder, train=train, download=channels == 1 or args.download, transform=transforms.Compose(steps))
        for train, steps in ((True, vary + last), (False, last))
    ]
    if args.limit:
        sets = [Subset(part, range(min(args.limit, len(part)))) for part in sets]
    return *sets, kind.__name__, channels


@torch.no_grad()
def evaluate(model, loader, device):
    """Return the share of images that the model classifies right."""
    model.eval()
    correct = torch.zeros((), dtype=torch.int64, device=device)
    for images, labels in loader:
        correct += (model(images.to(device)).argmax(dim=1) == labels.to(device)).sum()
    return correct.item() / len(loader.dataset)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3, help="passes over the images (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=128, help="images in a step (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=0.1, help="the greatest learning rate (default: %(default)s)")
    parser.add_argument("--depth", type=int, default=1, help="blocks of each stage (default: %(default)s)")
    parser.add_argument("--width", type=int, default=16, help="channels of the first stage (default: %(default)s)")
    parser.add_argument("--amp", action="store_true", help="mixed precision: half floats where they are enough")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of weights and order (default: %(default)s)")
    parser.add_argument("--data", metavar="FOLDER", help="with the images, or for them (default: data)")
    parser.add_argument("--download", action="store_true", help="fetch CIFAR-10 where it is not there")
    parser.add_argument("--limit", type=int, metavar="N", help="use only the first N images to train and to test")
    parser.add_argument("--out", type=Path, default=Path("runs/resnet_cifar"), help="default: %(default)s")
    return parser.parse_args()


def main():
    args = parse_args()
    torch.manual_seed(args.seed)
    train_set, test_set, name, channels = load(args)
    train_loader = DataLoader(train_set, batch_size=args.batch_size, shuffle=True, drop_last=True)
    test_loader = DataLoader(test_set, batch_size=500)
    device = torch.device(args.device)
    model = SmallResNet(channels, args.depth, args.width).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, weight_decay=5e-4, nesterov=True)
    steps = args.epochs * len(train_loader)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=args.lr, total_steps=steps)
    # scaled, so that small gradients do not vanish in half floats
    scaler = torch.amp.GradScaler(device.type, enabled=args.amp)
    half = torch.float16 if device.type != "cpu" else torch.bfloat16
    print(f"{name}: {len(train_set)} images on {device}, {'mixed' if args.amp else 'single'} precision")

    losses, accuracies = [], []
    for epoch in range(1, args.epochs + 1):
        model.train()
        start = time.perf_counter()
        with tqdm(train_loader, desc=f"epoch {epoch}/{args.epochs}", unit="step", leave=False) as bar:
            for step, (images, labels) in enumerate(bar):
                with torch.autocast(device.type, dtype=half, enabled=args.amp):
                    scores = model(images.to(device))
                    loss = F.cross_entropy(scores, labels.to(device))
                optimizer.zero_grad()
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
                scheduler.step()
                if step % 20 == 0:  # reading the loss waits for the device
                    losses.append(((epoch - 1) * len(train_loader) + step, loss.item()))
                    bar.set_postfix(loss=f"{losses[-1][1]:.3f}", refresh=False)
        speed = len(train_loader) * args.batch_size / (time.perf_counter() - start)
        accuracies.append(evaluate(model, test_loader, device))
        print(f"epoch {epoch}/{args.epochs}: test accuracy {accuracies[-1]:.4f}, {speed:.0f} images/s")

    args.out.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), args.out / "model.pt")
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    left.plot(*zip(*losses, strict=True))
    left.set(xlabel="step", ylabel="training loss", ylim=(0, None))
    right.plot(range(1, args.epochs + 1), accuracies, marker="o")
    right.set(xlabel="epoch", ylabel="test accuracy")
    figure.savefig(args.out / "curves.png", dpi=120)
    print(f"picture: {args.out / 'curves.png'}")
    print(f"test accuracy {accuracies[-1]:.4f}")


if __name__ == "__main__":
    main()
