"""Run an example on cltorch and the very same source on PyTorch, by turns, and print both speeds and results.

    python ci/compare_example.py                                          3 turns of 2 epochs of 6400 images
    python ci/compare_example.py --rounds 1 --threads 2 -- --epochs 3     arguments after -- go to the example

PyTorch runs the example's text with `cltorch` replaced by `torch`. The images come from cltorch.vision for both, as
tensors over the same memory, so that what is compared is the training itself. The speed is the last epoch's, after
everything is compiled. Needs PyTorch: pip install torch.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "fashion_mnist.py"
OURS = ("cltorch.vision", "cltorch.utils.data")  # what stays cltorch's on PyTorch: the images and their loader


def for_torch(source: str) -> str:
    """Return an example's source with its imports of cltorch replaced by PyTorch's."""
    lines = []
    for line in source.splitlines(keepends=True):
        if re.match(r"(import|from) cltorch\b", line) and not any(name in line for name in OURS):
            line = line.replace("import cltorch as torch", "import torch").replace("cltorch", "torch")
        lines.append(line)
    return "".join(lines)


def torch_loader(*args: Any, **options: Any) -> Any:
    """Return cltorch's loader whose batches are PyTorch's tensors over the same memory."""
    import torch  # noqa: PLC0415 (only the child process that runs on PyTorch needs it)

    from cltorch.utils.data import DataLoader, default_collate  # noqa: PLC0415

    def collate(samples: Any) -> list[Any]:
        return [torch.from_numpy(field.numpy()) for field in default_collate(samples)]

    return DataLoader(*args, collate_fn=collate, **options)


def run_on_torch(example: Path, arguments: list[str]) -> None:
    """Run an example on PyTorch in this process."""
    names: dict[str, Any] = {"__name__": "example", "__doc__": "", "__file__": str(example)}
    exec(compile(for_torch(example.read_text()), str(example), "exec"), names)
    names["DataLoader"] = torch_loader
    sys.argv = [str(example), *arguments]
    names["main"]()


def run(framework: str, example: Path, arguments: list[str], threads: int) -> tuple[float, float, str]:
    """Run an example in a process of its own; return its last epoch's images/s, its test accuracy, its first line."""
    script = [str(example)] if framework == "cltorch" else [__file__, "--on-torch", "--"]
    limits = ("OMP_NUM_THREADS", "POCL_MAX_PTHREAD_COUNT", "POCL_CPU_MAX_CU_COUNT")
    env = {**os.environ, "PYTHONPATH": str(ROOT), **dict.fromkeys(limits, str(threads))}
    # PyTorch's build for processors has no "cuda", so there it is the processor anyway; cltorch takes its own default
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, *script, *arguments, "--out", out]
        ran = subprocess.run(command, env=env, capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(f"{framework} failed:\n{ran.stderr}")
    speed = re.findall(r"([\d.]+) images/s", ran.stdout)[-1]
    accuracy = re.findall(r"^test accuracy ([\d.]+)", ran.stdout, re.M)[-1]
    return float(speed), float(accuracy), ran.stdout.splitlines()[0]


def main() -> None:
    """Compare, by turns, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of each (default: %(default)s)")
    parser.add_argument("--example", type=Path, default=EXAMPLE, help="default: examples/fashion_mnist.py")
    parser.add_argument("--on-torch", action="store_true", help="run the example once, here, on PyTorch")
    parser.add_argument("arguments", nargs="*", help="for the example")
    options = parser.parse_args()
    arguments = options.arguments or ["--epochs", "2", "--limit", "6400"]
    if options.on_torch:
        run_on_torch(options.example, arguments)
        return
    found: dict[str, list[tuple[float, float]]] = {"cltorch": [], "torch": []}
    for turn in range(options.rounds):
        for framework, results in found.items():
            speed, accuracy, title = run(framework, options.example, arguments, options.threads)
            results.append((speed, accuracy))
            print(
                f"{turn + 1}/{options.rounds} {title}: {speed:.0f} images/s, test accuracy {accuracy:.4f}", flush=True
            )
    medians = {name: statistics.median(speed for speed, _ in results) for name, results in found.items()}
    batch = int(dict(zip(arguments, arguments[1:], strict=False)).get("--batch-size", 128))
    for name, speed in medians.items():
        print(f"{name:8} {speed:8.0f} images/s {batch / speed * 1e3:8.2f} ms for a step of {batch} images")
    print(f"cltorch / torch = {medians['cltorch'] / medians['torch']:.2f} (images/s, {options.threads} threads each)")


if __name__ == "__main__":
    main()
