"""The smallest start: a network of two linear layers learns scikit-learn's 8×8 digits in a few seconds.

    python examples/mlp_digits.py

Writes digits.png, with digits that the network gets wrong, into the folder --out. Needs scikit-learn.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from tqdm import trange

import cltorch as torch
from cltorch import nn


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300, help="steps of training (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=128, help="digits in a step (default: %(default)s)")
    parser.add_argument("--hidden", type=int, default=64, help="width of the hidden layer (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=1e-2, help="Adam's learning rate (default: %(default)s)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/mlp_digits"), help="default: %(default)s")
    return parser.parse_args()


def main():
    args = parse_args()
    torch.manual_seed(args.seed)
    digits = load_digits()
    images = torch.tensor(digits.data, dtype=torch.float32, device=args.device) / 16
    labels = torch.tensor(digits.target, device=args.device)
    order = torch.randperm(len(images), device=args.device)
    train, test = order[:1400], order[1400:]

    model = nn.Sequential(nn.Linear(64, args.hidden), nn.ReLU(), nn.Linear(args.hidden, 10)).to(args.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    with trange(args.steps, unit="step", leave=False) as bar:
        for step in bar:
            batch = train[torch.randint(len(train), (args.batch_size,), device=args.device)]
            loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % 50 == 0:  # reading the loss waits for the device
                bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)

    with torch.no_grad():
        guesses = model(images[test]).argmax(dim=1)
    right = guesses == labels[test]
    wrong = test[~right][:10].tolist()
    args.out.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(1, max(1, len(wrong)), figsize=(1.2 * max(1, len(wrong)), 1.6), squeeze=False)
    for place, index, guess in zip(axes[0], wrong, guesses[~right].tolist(), strict=False):
        place.imshow(digits.images[index], cmap="gray_r")
        place.set_title(f"{guess}, is {digits.target[index]}", fontsize=7)
    for place in axes[0]:
        place.axis("off")
    figure.savefig(args.out / "digits.png", dpi=120)
    print(f"picture: {args.out / 'digits.png'}")
    print(f"test accuracy {right.float().mean().item():.4f}")


if __name__ == "__main__":
    main()
