"""Names, order, kinds and defaults of the arguments of torch.nn and torch.optim beside PyTorch's."""

from __future__ import annotations

import importlib
import inspect

import pytest

import cltorch

MODULES = [
    "nn", "nn.functional", "nn.init", "nn.utils", "nn.utils.rnn", "nn.utils.parametrize", "nn.utils.parametrizations",
    "nn.utils.prune", "nn.attention", "nn.parallel", "optim", "optim.lr_scheduler", "optim.swa_utils", "amp",
]  # fmt: skip
# what PyTorch's wrappers say of these is *args and **kwargs
HIDDEN = {"LazyLinear", "LazyBatchNorm1d"}
ABSENT = {"DistributedDataParallel", "assert_int_or_pair"}
ANYTHING = [inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD]


def arguments(x):
    try:
        signature = inspect.signature(x)
    except (TypeError, ValueError):
        return None  # a builtin

    def written(default):
        return repr(default).replace("cltorch.", "torch.").partition(" at 0x")[0]

    return [(p.name, p.kind, written(p.default)) for p in signature.parameters.values()]


def public(module):
    names = getattr(module, "__all__", None) or [n for n, x in vars(module).items() if inspect.isfunction(x)]
    own = getattr(module, "__name__", "")
    return [
        n for n in names if not n.startswith("_") and callable(getattr(module, n, None))
        and (hasattr(module, "__all__") or getattr(module, n).__module__ == own)
    ]  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_arguments_are_pytorchs(name, peer):
    theirs, ours = (importlib.import_module(f"{root.__name__}.{name}") for root in (peer, cltorch))
    missing, differing = [], []
    for what in public(theirs):
        if what in HIDDEN | ABSENT:
            continue
        if not hasattr(ours, what):
            missing.append(what)
            continue
        wanted, found = arguments(getattr(theirs, what)), arguments(getattr(ours, what))
        if wanted is None or found is None or [kind for _, kind, _ in wanted] == ANYTHING:
            continue
        if wanted != found:
            differing.append(f"{what}: {found}, not {wanted}")
    assert missing == []
    assert not differing, "\n".join(differing)


def test_methods_of_lazy_layers_and_convolutions_take_pytorchs_arguments(peer):
    for name, method in (
        ("LazyLinear", "initialize_parameters"), ("LazyBatchNorm1d", "initialize_parameters"),
        ("LazyInstanceNorm2d", "initialize_parameters"), ("LazyConv2d", "initialize_parameters"),
        ("ConvTranspose2d", "_output_padding"), ("Module", "_named_members"), ("AvgPool3d", "__setstate__"),
    ):  # fmt: skip
        theirs, ours = (getattr(getattr(lib.nn, name), method) for lib in (peer, cltorch))
        assert arguments(ours) == arguments(theirs), name
