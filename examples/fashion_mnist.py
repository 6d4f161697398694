"""Train a convolutional network on Fashion-MNIST and draw what it learned.

    python examples/fashion_mnist.py                    the full 60,000 images, on the OpenCL device if there is one
    python examples/fashion_mnist.py --device cpu       on the host
    python examples/fashion_mnist.py --epochs 5 --resume runs/fashion_mnist/checkpoint.pt

Writes checkpoint.pt, curves.png and predictions.png into the folder --out. Needs tqdm and matplotlib.
"""

import argparse
import os
import time
from pathlib import Path

import matplotlib.pyplot as plt
from tqdm import tqdm

import cltorch as torch
import cltorch.nn as nn
import cltorch.nn.functional as F
from cltorch.utils.data import DataLoader, Subset
from cltorch.vision import datasets, transforms

DEBIAN = "/usr/share/datasets/fashion-mnist"  # where the package dataset-fashion-mnist puts the images


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, kernel_size=3, padding=1)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3, padding=1)
        self.bn2 = nn.BatchNorm2d(64)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(0.25)
        self.fc1 = nn.Linear(64 * 7 * 7, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.bn1(self.conv1(x))))
        x = self.pool(F.relu(self.bn2(self.conv2(x))))
        x = self.dropout(torch.flatten(x, 1))
        x = F.relu(self.fc1(x))
        return self.fc2(self.dropout(x))


def train(model, loader, optimizer, device, epoch, args):
    """Train for one epoch; return the losses that were looked at, as (step, loss), and the images per second."""
    model.train()
    losses, seen, start = [], 0, time.perf_counter()
    with tqdm(total=len(loader.dataset), desc=f"epoch {epoch}/{args.epochs}", unit="img", mininterval=0.5) as bar:
        for step, (images, labels) in enumerate(loader):
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            seen += len(labels)
            bar.update(len(labels))
            # reading the loss waits for the device, so only now and then
            if step % args.log_every == 0 or step == len(loader) - 1:
                losses.append(((epoch - 1) * len(loader) + step, loss.item()))
                bar.set_postfix(loss=f"{losses[-1][1]:.3f}", refresh=False)
    return losses, seen / (time.perf_counter() - start)


@torch.no_grad()
def evaluate(model, loader, device):
    """Return the share of images that the model classifies right."""
    model.eval()
    correct = torch.zeros((), dtype=torch.int64, device=device)
    for images, labels in loader:
        predicted = model(images.to(device)).argmax(dim=1)
        correct += (predicted == labels.to(device)).sum()
    return correct.item() / len(loader.dataset)


@torch.no_grad()
def predict(model, loader, device, count):
    """Return the first ``count`` images with their labels, and the class and its probability that the model gives."""
    model.eval()
    images, labels = next(iter(loader))
    images, labels = images[:count], labels[:count]
    probability, predicted = F.softmax(model(images.to(device)), dim=1).max(dim=1)
    return images.numpy(), labels.tolist(), predicted.tolist(), probability.tolist()


def draw_curves(history, path):
    """Plot the loss of the training and the accuracy after each epoch."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    points = [point for epoch in history for point in epoch["losses"]]
    left.plot([step for step, _ in points], [loss for _, loss in points], linewidth=1)
    left.set(xlabel="step", ylabel="training loss", ylim=(0, None))
    right.plot([e["epoch"] for e in history], [e["accuracy"] for e in history], marker="o")
    right.set(xlabel="epoch", ylabel="test accuracy", xticks=[e["epoch"] for e in history])
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def draw_predictions(images, labels, predicted, probability, classes, path, columns=8):
    """Draw a sheet of images with the class that the model sees in each, in red where it is wrong."""
    rows = -(-len(labels) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(1.4 * columns, 1.7 * rows), layout="constrained", squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, image, label, guess, p in zip(grid.flat, images, labels, predicted, probability, strict=False):
        axes.imshow(image[0], cmap="gray_r")
        right = guess == label
        title = f"{classes[guess]} {p:.0%}" if right else f"{classes[guess]} {p:.0%}\n(is {classes[label]})"
        axes.set_title(title, fontsize=7, color="black" if right else "crimson")
    figure.savefig(path, dpi=120)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3, help="passes over the training images (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=128, help="images in a step (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=1e-3, help="Adam's learning rate at first (default: %(default)s)")
    parser.add_argument("--gamma", type=float, default=0.5, help="its factor after each epoch (default: %(default)s)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and dropout (default: %(default)s)")
    data = DEBIAN if os.path.isdir(DEBIAN) else "data"
    parser.add_argument("--data", default=data, help="folder with the images, or for them (default: %(default)s)")
    parser.add_argument("--limit", type=int, metavar="N", help="use only the first N images to train and to test")
    parser.add_argument("--out", type=Path, default=Path("runs/fashion_mnist"), help="default: %(default)s")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="checkpoint to go on from")
    parser.add_argument("--log-every", type=int, default=20, metavar="N", help="steps between looks at the loss")
    return parser.parse_args()


def main():
    args = parse_args()
    device = torch.device(args.device)
    torch.manual_seed(args.seed)

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.2860,), (0.3530,))])
    train_set = datasets.FashionMNIST(args.data, train=True, download=True, transform=transform)
    test_set = datasets.FashionMNIST(args.data, train=False, download=True, transform=transform)
    classes = train_set.classes
    if args.limit:
        train_set = Subset(train_set, range(min(args.limit, len(train_set))))
        test_set = Subset(test_set, range(min(args.limit, len(test_set))))
    train_loader = DataLoader(train_set, batch_size=args.batch_size, shuffle=True)
    test_loader = DataLoader(test_set, batch_size=1000)

    model = Net().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=args.gamma)
    history = []
    if args.resume:
        checkpoint = torch.load(args.resume, map_location=device)
        model.load_state_dict(checkpoint["model"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        scheduler.load_state_dict(checkpoint["scheduler"])
        history = checkpoint["history"]
    if len(history) >= args.epochs:
        raise SystemExit(f"nothing to do: {len(history)} epochs are done, --epochs is {args.epochs}")
    args.out.mkdir(parents=True, exist_ok=True)
    name = "the host" if device.type == "cpu" else torch.cuda.get_device_name(device)
    print(f"{torch.__name__} {torch.__version__} on {device} ({name}), {len(train_set)} images")

    for epoch in range(len(history) + 1, args.epochs + 1):
        torch.manual_seed(args.seed + epoch)  # so that a resumed run sees what an uninterrupted one would
        losses, speed = train(model, train_loader, optimizer, device, epoch, args)
        scheduler.step()
        accuracy = evaluate(model, test_loader, device)
        history.append({"epoch": epoch, "losses": losses, "accuracy": accuracy, "images_per_second": speed})
        loss = losses[-1][1]
        print(f"epoch {epoch}/{args.epochs}: loss {loss:.4f}, test accuracy {accuracy:.4f}, {speed:.0f} images/s")
        checkpoint = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
            "history": history,
        }
        torch.save(checkpoint, args.out / "checkpoint.pt")

    draw_curves(history, args.out / "curves.png")
    draw_predictions(*predict(model, test_loader, device, 40), classes, args.out / "predictions.png")
    print(f"pictures: {args.out / 'curves.png'}, {args.out / 'predictions.png'}")
    print(f"test accuracy {history[-1]['accuracy']:.4f}")


if __name__ == "__main__":
    main()
