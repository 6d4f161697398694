"""tinygrad as a side of the comparison: PyTorch's names, as far as the workloads use them, on tinygrad's tensors.

tinygrad computes when a result is asked for, and its users capture a step once and replay it: so does this side. A name
that is not here raises `Inexpressible`, and the row says so.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np

from cltorch.bench.workload import Inexpressible, Side, Step


def load() -> TinygradSide:
    """Return the side on tinygrad's OpenCL device, or end the program with a message that says what is missing."""
    os.environ["DEV"] = "CL"  # read when tinygrad is imported
    try:
        package: Any = importlib.import_module("tinygrad")
        package.Device["CL"].synchronize()
    except ImportError:
        sys.exit("--against tinygrad needs it: pip install tinygrad")
    except Exception as e:
        sys.exit(f"--against tinygrad: its OpenCL device does not work here ({e})")
    return TinygradSide(package)


class TinygradSide(Side):
    """Build inputs and steps of tinygrad."""

    def __init__(self, package: Any) -> None:
        importlib.import_module("tinygrad.helpers").TRAINING.value = 1
        self._changed: list[Any] = []  # what optimizers change, computed together with the step's result
        names = _Names("torch", _torch(package, self._changed))
        super().__init__("tinygrad", names, "CL", package.Device["CL"].synchronize)
        self._package = package

    def tensor(self, array: Any) -> Any:
        return self._package.Tensor(np.ascontiguousarray(array), device="CL").realize()

    def randn(self, *shape: int, grad: bool = False) -> Any:
        # in tinygrad every tensor may have a gradient: it is asked for by name
        return self.tensor(self.normal(shape))

    def model(self, build: Callable[[Any], Any]) -> Any:
        made = build(self.torch.nn)
        for p in made.parameters():
            p.assign(self.tensor(self.initial(p.shape))).realize()
        return made

    def prepare(self, build: Callable[[Side], Step]) -> Step:
        with _refusals():
            step = build(self)

        @self._package.TinyJit
        def realised() -> Any:
            self._changed.clear()
            result = step()
            parts = result if isinstance(result, (tuple, list)) else [result]
            self._package.Tensor.realize(*parts, *self._changed)
            return result

        def guarded() -> Any:
            with _refusals():
                return realised()

        return guarded

    def read(self, part: Any) -> np.ndarray:
        return np.array(part.float().numpy() if part.dtype in self._package.dtypes.floats else part.numpy())


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what tinygrad, its compiler or its driver refuse into the row's result: the table goes on."""
    try:
        yield
    except Inexpressible:
        raise
    except Exception as e:
        words = str(e).strip().splitlines() or [""]
        raise Inexpressible(f"{type(e).__name__}: {words[0][:80]}") from e


class _Names:
    """A module of which only some names exist."""

    def __init__(self, name: str, names: dict[str, Any]) -> None:
        self._name = name
        self.__dict__.update(names)

    def __getattr__(self, name: str) -> Any:
        raise Inexpressible(f"no translation of {self._name}.{name}")


def _torch(package: Any, changed: list[Any]) -> dict[str, Any]:
    tensor = package.Tensor
    return {
        "manual_seed": tensor.manual_seed,
        "no_grad": lambda: nullcontext(),
        "add": lambda x, y, alpha=1: x + alpha * y,
        "where": lambda mask, x, y: mask.where(x, y),
        **{name: _method(name) for name in ("sum", "argmax", "var", "softmax", "log_softmax", "topk")},
        "amax": _method("max"),
        "gather": lambda x, dim, index: x.gather(dim, index),
        "index_select": lambda x, dim, index: x[(slice(None),) * dim + (index,)],
        **{name: _random(getattr(tensor, name)) for name in ("rand", "randn")},
        "zeros": lambda *shape, device: tensor.zeros(*shape, device=device).contiguous().realize(),
        "ones": lambda *shape, device: tensor.ones(*shape, device=device).contiguous().realize(),
        "autograd": SimpleNamespace(grad=_grad),
        "nn": _Names("nn", {**_modules(package), "functional": _Names("functional", _functional(package))}),
        "optim": _Names("optim", _optimizers(package, changed)),
    }


def _method(name: str) -> Callable[..., Any]:
    return lambda x, *arguments: getattr(x, name)(*arguments)


def _random(draw: Callable[..., Any]) -> Callable[..., Any]:
    return lambda n, device: draw(n, device=device)


def _grad(y: Any, wanted: Any, gradient: Any = None, retain_graph: bool = False) -> list[Any]:
    del retain_graph  # a graph stays as long as somebody holds it
    return y.gradient(*(wanted if isinstance(wanted, (tuple, list)) else (wanted,)), gradient=gradient)


def _functional(package: Any) -> dict[str, Any]:
    def cross_entropy(x: Any, target: Any) -> Any:
        return x.sparse_categorical_crossentropy(target)

    def layer_norm(x: Any, shape: tuple[int, ...], weight: Any, bias: Any) -> Any:
        return x.layernorm(tuple(range(-len(shape), 0))) * weight + bias

    def conv(x: Any, w: Any, **settings: Any) -> Any:
        return x.conv2d(w, **settings)

    def attention(q: Any, k: Any, v: Any, is_causal: bool = False) -> Any:
        return q.scaled_dot_product_attention(k, v, is_causal=is_causal)

    def batch_norm(x: Any, mean: Any, var: Any, weight: Any, bias: Any, training: bool) -> Any:
        layer = package.nn.BatchNorm2d(x.shape[1])
        layer.running_mean, layer.running_var, layer.weight, layer.bias = mean, var, weight, bias
        return layer(x)

    return {
        "gelu": lambda x: x.gelu("none"),
        "linear": lambda x, w, b=None: x.linear(w.transpose(0, 1), b),
        "conv1d": conv, "conv2d": conv, "conv3d": conv,
        "conv_transpose2d": lambda x, w, **settings: x.conv_transpose2d(w, **settings),
        "max_pool2d": lambda x, n: x.max_pool2d((n, n)),
        "avg_pool2d": lambda x, n: x.avg_pool2d((n, n)),
        "embedding": lambda words, table: table[words],
        "cross_entropy": cross_entropy, "layer_norm": layer_norm, "batch_norm": batch_norm,
        "scaled_dot_product_attention": attention,
    }  # fmt: skip


class _Layer:
    """Keep parameters in PyTorch's order and a function of the input."""

    def __init__(self, parameters: Sequence[Any], call: Callable[[Any], Any]) -> None:
        self._parameters, self._call = list(parameters), call

    def parameters(self) -> list[Any]:
        return self._parameters

    def __call__(self, x: Any) -> Any:
        return self._call(x)


def _modules(package: Any) -> dict[str, Any]:
    nn = package.nn

    def of(layer: Any) -> _Layer:
        return _Layer([p for p in (layer.weight, layer.bias) if p is not None], layer)

    def sequential(*layers: _Layer) -> _Layer:
        def call(x: Any) -> Any:
            for layer in layers:
                x = layer(x)
            return x

        return _Layer([p for layer in layers for p in layer.parameters()], call)

    return {
        "Sequential": sequential,
        "Linear": lambda before, after: of(nn.Linear(before, after)),
        "Conv2d": lambda before, after, window, padding=0: of(nn.Conv2d(before, after, window, padding=padding)),
        "BatchNorm2d": lambda width: of(nn.BatchNorm2d(width)),
        "MaxPool2d": lambda n: _Layer([], lambda x: x.max_pool2d((n, n))),
        "ReLU": lambda: _Layer([], lambda x: x.relu()),
        "Flatten": lambda: _Layer([], lambda x: x.flatten(1)),
        "Module": _Module,
    }  # fmt: skip


class _Module:
    """Refuse networks that are classes of their own: they use more of PyTorch than is translated here."""

    def __init__(self) -> None:
        raise Inexpressible("no translation of nn.Module")


class _Optimizer:
    def __init__(self, optimizer: Any, changed: list[Any]) -> None:
        self._optimizer, self._changed, self.zero_grad = optimizer, changed, optimizer.zero_grad

    def step(self) -> None:
        self._changed += self._optimizer.schedule_step()


def _optimizers(package: Any, changed: list[Any]) -> dict[str, Any]:
    def of(kind: Any) -> Callable[..., _Optimizer]:
        return lambda parameters, **options: _Optimizer(kind(parameters, **options), changed)

    return {name: of(getattr(package.nn.optim, name)) for name in ("SGD", "Adam", "AdamW")}
