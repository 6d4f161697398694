"""The examples in docstrings run, and every public function says what it does."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import cltorch
from cltorch import amp, autograd, distributions, fft, func, linalg, masked, nn, optim, signal, special, vision
from cltorch.functions import public, row_docs
from cltorch.functions.row_examples import EXAMPLES
from cltorch.ops.pointwise import INNER
from cltorch.ops.table import TABLE

ROOT = Path(cltorch.__file__).parent
# what is imported only where the package tensorboard is installed
OF_TENSORBOARD = {
    f"cltorch.utils.tensorboard._{part}" for part in ("embedding", "media", "plugins", "summary", "writer")
}
LEFT_OUT = {"cltorch.device.probe"} | (OF_TENSORBOARD if importlib.util.find_spec("tensorboard") is None else set())
MODULES = sorted(
    m.name
    for m in pkgutil.walk_packages([str(ROOT)], "cltorch.")
    if not m.name.endswith("__main__") and m.name not in LEFT_OUT
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Finder(doctest.DocTestFinder):
    """Find the examples of decorated functions too, where they are written."""

    def _from_module(self, module, object):
        return super()._from_module(module, inspect.unwrap(object) if inspect.isroutine(object) else object)


def examples(name):
    return [t for t in Finder(exclude_empty=True).find(importlib.import_module(name)) if t.examples]


DOCUMENTED = [
    amp, autograd, autograd.forward_ad, autograd.functional, distributions, fft, func, linalg, masked, nn,
    nn.attention, nn.attention.bias, nn.attention.flex_attention, nn.attention.varlen, nn.functional, nn.grad,
    nn.init, nn.parallel, nn.utils, nn.utils.parametrizations, nn.utils.parametrize, nn.utils.prune, nn.utils.rnn,
    nn.utils.stateless, optim, optim.lr_scheduler, optim.swa_utils, public, signal.windows, special, vision.ops,
    vision.transforms, vision.transforms.v2,
]  # fmt: skip
INTERNAL = {"SavedTensor", "apply", "inplace", "view"}  # names of autograd for this package's own layers
ROWS = [row for row in TABLE.values() if row.scope != INNER]


def test_examples_of_rows_are_found():
    assert len(examples("cltorch.functions.pointwise")) >= len(ROWS), "run `python ci/stubs.py`"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_examples_of_rows_print_the_same_in_pytorch(row):
    torch = pytest.importorskip("torch")
    assert repr(eval(row_docs.call(row), {"torch": torch})) == EXAMPLES[row.name]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for test in examples(name):
        test.globs["__name__"] = "__main__"
        runner.run(test)
    assert runner.failures == 0


def test_there_are_examples():
    assert sum(len(examples(name)) for name in MODULES) > 800


@pytest.mark.parametrize("module", DOCUMENTED, ids=lambda module: module.__name__)
def test_what_a_module_offers_has_an_example(module):
    lacking = []
    for name, x in public_names(module).items():
        if name.endswith("_") or not callable(x) or (is_old(x) if inspect.isroutine(x) else is_error(x)):
            continue
        if ">>>" not in ((vars(x)["__doc__"] if inspect.isclass(x) else inspect.getdoc(x)) or ""):
            lacking.append(name)
    assert lacking == []


def public_names(module):
    """Return what a module offers to programs."""
    left_out = INTERNAL if module is autograd else ()
    return {name: getattr(module, name) for name in module.__all__ if name not in left_out}


def is_old(function):
    """Return whether a function is a deprecated name of another."""
    return "FutureWarning" in inspect.unwrap(function).__code__.co_names


def is_error(x):
    return inspect.isclass(x) and issubclass(x, BaseException)


@pytest.mark.parametrize("module", [m for m in DOCUMENTED if m is not public], ids=lambda module: module.__name__)
def test_what_a_module_offers_names_its_source(module):
    offered = public_names(module)
    lacking = [
        name for name, x in offered.items()
        if (inspect.isroutine(x) or inspect.isclass(x) and not is_error(x))
        and "https://docs.pytorch.org/" not in (inspect.getdoc(x) or "")
    ]  # fmt: skip
    assert lacking == []


# what computes no formula: it holds, arranges, registers or answers, which its first line says
WITHOUT_FORMULA = {
    amp: "autocast custom_bwd custom_fwd is_autocast_available",
    autograd.forward_ad: "UnpackedDualTensor enter_dual_level exit_dual_level set_forward_grad_enabled",
    autograd.functional: "",
    distributions: "ReshapeTransform Transform register_kl",
    fft: "Tensor",
    func: "debug_unwrap functional_call functionalize rearrange replace_all_batch_norm_modules_ stack_module_state",
    linalg: "",
    masked: "median",
    nn: "Buffer Container Flatten LinearCrossEntropyOptions Module ModuleDict ModuleList Parameter "
    "ParameterDict ParameterList RNNCellBase Unflatten UninitializedBuffer UninitializedParameter factory_kwargs",
    nn.attention: "SDPAParams SDPBackend activate_flash_attention_impl can_use_cudnn_attention "
    "can_use_efficient_attention can_use_flash_attention current_flash_attention_impl list_flash_attention_impls "
    "register_flash_attention_impl restore_flash_attention_impl sdpa_kernel",
    nn.attention.bias: "",
    nn.attention.flex_attention: "AuxOutput BlockMask FlexKernelOptions create_block_mask noop_mask",
    nn.attention.varlen: "",
    nn.functional: "ScalingType SwizzleType",
    nn.grad: "",
    nn.init: "",
    nn.parallel: "replicate",
    nn.utils: "convert_conv2d_weight_memory_format convert_conv3d_weight_memory_format skip_init",
    nn.utils.parametrizations: "",
    nn.utils.parametrize: "cached is_parametrized remove_parametrizations transfer_parametrizations_and_params "
    "type_before_parametrizations",
    nn.utils.prune: "is_pruned",
    nn.utils.rnn: "PackedSequence pack_padded_sequence pack_sequence pad_packed_sequence pad_sequence "
    "unpack_sequence unpad_sequence",
    nn.utils.stateless: "",
    optim: "Optimizer SparseAdam swap_in_optimizer_params_and_state",
    optim.lr_scheduler: "ChainedScheduler LRScheduler SequentialLR",
    optim.swa_utils: "",
    signal.windows: "",
    special: "",
}
# what takes and returns no tensors of its own
WITHOUT_SHAPES = {
    amp: WITHOUT_FORMULA[amp],
    autograd.forward_ad: "dual_level enter_dual_level exit_dual_level set_forward_grad_enabled",
    distributions: "register_kl",
    fft: "Tensor",
    nn: "Container LinearCrossEntropyOptions Module ModuleDict ModuleList ParameterDict ParameterList factory_kwargs",
    nn.attention: WITHOUT_FORMULA[nn.attention].removeprefix("SDPAParams "),
    nn.attention.bias: "CausalVariant",
    nn.attention.flex_attention: "AuxRequest FlexKernelOptions",
    nn.functional: "ScalingType SwizzleType",
    nn.init: "calculate_gain",
    nn.utils.parametrize: "cached is_parametrized type_before_parametrizations",
    nn.utils.prune: "is_pruned",
    optim.lr_scheduler: " ".join(optim.lr_scheduler.__all__),
    optim.swa_utils: "SWALR",
}
OPERATORS = re.compile(
    r" (==?|\+|-|\*\*?|/|·|⋆|@|~|∝|↦|←|<=?|>=?) |\.\. math::|[√ΣΠ‖∫∂]|\blog \||\b(exp|log|max|min|floor|softmax)\("
)
OF_ANOTHER = re.compile(r"Do what ``(\w+)`` does|Be an? (\w+) that")


def documentation(x):
    return inspect.cleandoc((vars(x)["__doc__"] if inspect.isclass(x) else inspect.getdoc(x)) or "")


def has_formula(doc):
    """Return whether a docstring computes something in front of its shapes, sources and examples."""
    return bool(OPERATORS.search(re.sub(r"Shape: [^\n]*(\n[^\n]+)*", "", doc.partition(">>>")[0])))


@pytest.mark.parametrize("module", list(WITHOUT_FORMULA), ids=lambda module: module.__name__)
def test_what_computes_says_its_formula_and_what_takes_tensors_their_shapes(module):
    offered = public_names(module)
    documented = {
        name: documentation(x) for name, x in offered.items()
        if (inspect.isclass(x) and not is_error(x)) or (inspect.isroutine(x) and not is_old(x))
    }  # fmt: skip
    formulas, shapes = [], []
    for name, doc in documented.items():
        other = next((n for n in (OF_ANOTHER.match(doc) or re.match("", "")).groups() if n), None)
        if not has_formula(documented[other] if other else doc):
            formulas.append(name)
        if not re.search("^Shape: ", doc, re.MULTILINE):
            shapes.append(name)
    assert sorted(formulas) == sorted(WITHOUT_FORMULA[module].split())
    assert sorted(shapes) == sorted(WITHOUT_SHAPES.get(module, "").split())


@pytest.mark.parametrize("doc", ["Return twice x.", "Return x.\n\nShape: L' = L + 1.", "Return x.\n\n>>> x = 1 + 1"])
def test_a_docstring_without_a_formula_would_be_seen(doc):
    assert not has_formula(doc)
    assert has_formula("Return 2 · x.")


def test_every_public_function_says_what_it_does():
    for name in public.__all__:
        doc = inspect.getdoc(getattr(cltorch, name))
        assert doc and doc[0].isupper(), f"torch.{name} has no docstring"
        assert "." in doc.split("\n\n")[0] or ":" in doc.split("\n\n")[0], f"torch.{name}: {doc.splitlines()[0]}"
