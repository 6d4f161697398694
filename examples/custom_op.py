"""Add a pointwise operator in one row, and learn a wave with it that goes on where the data ends.

    python examples/custom_op.py

The activation x + sin²(ax) / a (L. Ziyin et al., https://arxiv.org/abs/2006.08195) is a formula and its derivative.
From that row come the OpenCL kernel, the host's function and the gradient. A small network with it continues a wave
beyond what it was trained on; one with ReLU does not. Writes waves.png into the folder --out.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
from tqdm import trange

import cltorch as torch
from cltorch import nn
from cltorch.functions.pointwise import make
from cltorch.ops.pointwise import FLOAT, Pointwise

# `m` is the mathematics of whoever reads the formula: a kernel's text, NumPy, or Tensors for the derivative
snake = make(
    Pointwise(
        "snake",
        FLOAT,
        fwd=lambda m, x, a: x + m.sin(a * x) * m.sin(a * x) / a,
        vjp=lambda m, g, x, out, a: g * (1 + m.sin(2 * a * x)),
        params={"a": 1.0},
        doc="Return x + sin²(ax) / a.",
    )
)


class Snake(nn.Module):
    def __init__(self, a=1.0):
        super().__init__()
        self.a = a

    def forward(self, x):
        return snake(x, self.a)


def wave(x):
    return torch.sin(x) + 0.3 * x


def learn(activation, x, args):
    """Return a network trained on the wave at x."""
    torch.manual_seed(args.seed)
    model = nn.Sequential(
        nn.Linear(1, args.width), activation(), nn.Linear(args.width, args.width), activation(),
        nn.Linear(args.width, 1),
    ).to(args.device)  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=1e-2)
    y = wave(x)
    with trange(args.steps, desc=activation.__name__, unit="step", leave=False) as bar:
        for step in bar:
            loss = nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % 100 == 0:  # reading the loss waits for the device
                bar.set_postfix(loss=f"{loss.item():.4f}", refresh=False)
    return model


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000, help="steps of training (default: %(default)s)")
    parser.add_argument("--width", type=int, default=48, help="of the hidden layers (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=5e-3, help="AdamW's learning rate (default: %(default)s)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the weights (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/custom_op"), help="default: %(default)s")
    return parser.parse_args()


def main():
    args = parse_args()
    known = torch.linspace(-9, 9, 400, device=args.device)[:, None]
    whole = torch.linspace(-15, 15, 600, device=args.device)[:, None]
    beyond = whole.abs() > 9
    figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    axes.axvspan(-9, 9, color="0.93", label="trained on")
    axes.plot(whole[:, 0].tolist(), wave(whole)[:, 0].tolist(), color="0.6", linewidth=4, label="the wave")
    errors = {}
    for activation in (nn.ReLU, Snake):
        model = learn(activation, known, args)
        with torch.no_grad():
            guess = model(whole)
        errors[activation.__name__] = (guess - wave(whole))[beyond].square().mean().sqrt().item()
        axes.plot(whole[:, 0].tolist(), guess[:, 0].tolist(), label=activation.__name__)
    axes.set(ylim=(-8, 8), xlabel="x")
    axes.legend(loc="upper left", fontsize=8)
    args.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out / "waves.png", dpi=120)
    print(f"picture: {args.out / 'waves.png'}")
    print("error beyond the data: " + ", ".join(f"{name} {error:.3f}" for name, error in errors.items()))


if __name__ == "__main__":
    main()
