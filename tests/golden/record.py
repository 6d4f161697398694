"""Write what PyTorch gives for every case: ``python -m tests.golden.record`` where PyTorch 2.13.0 is installed."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np

from tests.golden import functions, modules, optimizers, schedules, utilities

FILE = Path(__file__).with_name("values.npz")


def every(library, device: str = "cpu", layout: str = "contiguous"):
    """Yield the name of each case with a function that runs it."""
    for case in modules.CASES:
        if layout == "expanded" and case in modules.NOT_EXPANDED:
            continue
        for mode in modules.modes(case):
            name = f"{case}/{mode} expanded" if layout == "expanded" else f"{case}/{mode}"
            yield name, lambda case=case, mode=mode: modules.run(library, case, mode, device, layout)
    for case in functions.CASES:
        if layout == "expanded" and case in functions.NOT_EXPANDED:
            continue
        name = f"F.{case} expanded" if layout == "expanded" else f"F.{case}"
        yield name, lambda case=case: functions.run(library, case, device, layout)
    for case in utilities.CASES if layout != "expanded" else ():
        yield f"utils.{case}", lambda case=case: utilities.run(library, case, device, layout)
    if layout in ("contiguous", "transposed"):
        for case in optimizers.CASES:
            yield f"optim.{case}", lambda case=case: optimizers.run(library, case, device, layout)
    if layout == "contiguous" and device == "cpu":  # where parameters lie makes no difference to their rates
        for case in schedules.CASES:
            yield f"lr.{case}", lambda case=case: schedules.run(library, case)


def load() -> dict[str, list[np.ndarray]]:
    """Return the recorded arrays of every case."""
    with np.load(FILE) as file:
        values, index = file["values"], json.loads(str(file["index"]))
    found, at = {}, 0
    for name, shapes in index:
        found[name] = []
        for shape in shapes:
            size = int(np.prod(shape))
            found[name].append(values[at : at + size].reshape(shape))
            at += size
    return found


def main() -> None:
    import torch  # noqa: PLC0415  # only recording needs it

    index, parts = [], []
    for name, run in itertools.chain(every(torch), every(torch, layout="expanded")):
        arrays = run()
        index.append((name, [a.shape for a in arrays]))
        parts += [a.ravel() for a in arrays]
    np.savez_compressed(FILE, values=np.concatenate(parts), index=np.array(json.dumps(index)))
    print(f"{len(index)} cases, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
