"""Kernels of one's own: OpenCL C text as a function of tensors.

A kernel goes through the launch path of all others, so it is in order with them and waits for nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from cltorch import dtypes
from cltorch.autograd.grad_mode import mode
from cltorch.cl.devices import context_of
from cltorch.tensor import Tensor

__all__ = ["CustomKernel", "kernel"]

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
_HEAD = re.compile(
    r"\b(?:__)?kernel\s+(?:__attribute__\s*\(\(.*?\)\)\s*)*void\s+(?:__attribute__\s*\(\(.*?\)\)\s*)*(\w+)\s*\(([^()]*)\)",
    re.S,
)
_QUALIFIERS = {"const", "restrict", "__restrict", "volatile", "__private", "private"}
_SPACES = {"__global": "b", "global": "b", "__constant": "b", "constant": "b", "__local": "local", "local": "local"}

# what a pointer may point to (an unsigned type sees the bits of the dtype of its size), and how a number is passed
_DTYPES = {
    "float": (dtypes.float32,), "double": (dtypes.float64,), "half": (dtypes.float16,), "char": (dtypes.int8,),
    "uchar": (dtypes.uint8, dtypes.bool_), "short": (dtypes.int16,), "ushort": (dtypes.bfloat16, dtypes.int16),
    "int": (dtypes.int32,), "uint": (dtypes.int32,), "long": (dtypes.int64,), "ulong": (dtypes.int64,),
}  # fmt: skip
_NUMBERS = {"float": "f", "double": "d", "int": "i", "uint": "I", "long": "l", "ulong": "L"}


class _Argument:
    """One argument of a kernel: its name, its type in OpenCL C, and whether it points to memory that is written."""

    def __init__(self, text: str, kernel: str) -> None:
        words = text.replace("*", " * ").split()
        place = next((_SPACES[w] for w in words if w in _SPACES), None)
        self.pointer, self.written = "*" in words, "const" not in words and "__constant" not in words
        names = [w for w in words if w not in _SPACES and w not in _QUALIFIERS and w != "*"]
        unsigned = "unsigned" in names
        names = [w for w in names if w not in ("unsigned", "signed")]
        what = f"the argument '{' '.join(text.split())}' of kernel {kernel}"
        if len(names) == 1 and unsigned:
            names.insert(0, "int")
        if len(names) != 2:
            raise ValueError(f"{what} is not of the form 'type name'")
        self.type, self.name = ("u" if unsigned else "") + names[0], names[1]
        base = re.sub(r"(?<=[a-z])(2|3|4|8|16)$", "", self.type)
        if place == "local":
            raise ValueError(f"{what} is local memory: declare it in the body of the kernel")
        if self.pointer:
            if base not in _DTYPES:
                raise ValueError(f"{what} points to {base}, which no tensor holds")
            self.code, self.dtypes = "b", _DTYPES[base]
        elif self.type in _NUMBERS:
            self.code, self.dtypes = _NUMBERS[self.type], ()
        else:
            raise ValueError(f"{what} is a number that cannot be passed: use {', '.join(_NUMBERS)}")


class CustomKernel:
    """A kernel written in OpenCL C that is called with tensors and numbers by name; see ``kernel``."""

    def __init__(self, source: str, name: str | None = None) -> None:
        found = dict(_HEAD.findall(_COMMENT.sub(" ", source)))
        if not found:
            raise ValueError("the source has no function of the form '__kernel void name(...)'")
        if name is None:
            if len(found) > 1:
                raise ValueError(f"the source has several kernels, name one of them: {', '.join(found)}")
            name = next(iter(found))
        if name not in found:
            raise ValueError(f"the source has no kernel '{name}', only {', '.join(found)}")
        self.source, self.name = source, name
        texts = [] if found[name].strip() in ("", "void") else found[name].split(",")
        self._arguments = [_Argument(text, name) for text in texts]
        self._codes = "".join(a.code for a in self._arguments)

    def __repr__(self) -> str:
        return f"CustomKernel({self.name}({', '.join(a.name for a in self._arguments)}))"

    def build(self, device: Any = None) -> None:
        """Compile for a device (the current one by default); raise BuildError with what the compiler says."""
        self._kernel(context_of(device))

    def _kernel(self, context: Any) -> Any:
        return context.kernel_from_source(self.source, self.name, self._codes, f"kernel {self.name}")

    def __call__(
        self,
        *,
        global_size: int | Sequence[int] | None = None,
        local_size: int | Sequence[int] | None = None,
        **arguments: Any,
    ) -> None:
        """Enqueue the kernel with its arguments by name.

        ``global_size`` is the number of work-items, in up to three dimensions: that of the elements of the first
        tensor that is written, where it is not given. ``local_size`` is that of a work-group; the driver chooses
        without it. Raises TypeError for arguments that are missing, too many or of another type, ValueError for
        tensors that cannot be written in place and sizes that do not divide, BuildError where it does not compile,
        and RuntimeError where a gradient would be lost or devices differ.
        """
        wanted = [a.name for a in self._arguments]
        if sorted(wanted) != sorted(arguments):
            lacking = [n for n in wanted if n not in arguments]
            raise TypeError(
                f"kernel {self.name} takes the arguments {', '.join(wanted)}"
                + (f"; missing: {', '.join(lacking)}" if lacking else "")
                + "".join(f"; unknown: {n}" for n in arguments if n not in wanted)
            )
        values = [self._checked(a, arguments[a.name]) for a in self._arguments]
        tensors = [v for v in values if isinstance(v, Tensor)]
        if not tensors:
            raise TypeError(f"kernel {self.name} needs a tensor to know its device by")
        place = tensors[0].device
        if any(t.device != place for t in tensors):
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but found {', '.join(str(t.device) for t in tensors)}"
                f" (in kernel {self.name})"
            )
        written = [v for a, v in zip(self._arguments, values, strict=True) if a.pointer and a.written]
        items = _sizes("global_size", (written or tensors)[0].numel() if global_size is None else global_size)
        group = None if local_size is None else _sizes("local_size", local_size)
        if group is not None and (len(group) != len(items) or any(g % n for g, n in zip(items, group, strict=True))):
            raise ValueError(f"global_size {items} is not a multiple of local_size {group}")
        launcher = self._kernel(place.context)
        if math.prod(items):
            launcher(items, group, *(v._storage if isinstance(v, Tensor) else v for v in values))
            for tensor in written:
                tensor._storage.version += 1

    def _checked(self, argument: _Argument, value: Any) -> Any:
        what = f"argument '{argument.name}' of kernel {self.name}"
        if not argument.pointer:
            if isinstance(value, Tensor) or not isinstance(value, (int, float)):
                raise TypeError(f"{what} must be a number, not {type(value).__name__}")
            if argument.code not in "fd" and not isinstance(value, int):
                raise TypeError(f"{what} must be an integer, not {value!r}")
            return float(value) if argument.code in "fd" else int(value)
        if not isinstance(value, Tensor):
            raise TypeError(f"{what} must be a tensor, not {type(value).__name__}")
        if value.dtype not in argument.dtypes:
            known = " or ".join(str(t) for t in argument.dtypes)
            raise TypeError(f"{what} is '{argument.type} *' and takes {known}, not {value.dtype}")
        if value.device.type != "cl":
            raise RuntimeError(f"{what} is on {value.device}: a kernel runs on an OpenCL device")
        if mode.enabled and value.requires_grad:
            raise RuntimeError(
                f"{what} requires a gradient, which a kernel does not have: call it in an autograd.Function"
            )
        if value.is_contiguous() and not value.lay.offset:
            return value
        if argument.written:
            raise ValueError(f"{what} is written: it must be a whole contiguous tensor, not a part of another one")
        return value.contiguous() if not value.is_contiguous() else value.clone()


def _sizes(name: str, value: Any) -> tuple[int, ...]:
    sizes = (value,) if isinstance(value, int) else tuple(value)
    if not 1 <= len(sizes) <= 3 or any(not isinstance(n, int) or n < 0 for n in sizes):
        raise ValueError(f"{name} must be one to three numbers that are not negative, not {value!r}")
    return sizes


def kernel(source: str, name: str | None = None) -> CustomKernel:
    """Return a function that launches a kernel written in OpenCL C.

    ``name`` chooses one where the source has several. The function takes the kernel's arguments by name: a tensor for
    each pointer, whose dtype must be the pointer's type (the unsigned types see the bits: ``ushort`` those of
    bfloat16 or int16), and a number for each
    value. Tensors that the kernel only reads (``const``) are copied where they are not contiguous; those it writes
    must be contiguous. It is compiled at the first call on a device, or by ``build()``; a BuildError shows the
    compiler's message and the source. Raises ValueError for a source without such a kernel.

    >>> import cltorch as torch
    >>> twice = torch.cl.kernel('''
    ... __kernel void twice(__global const float *x, __global float *y, const float factor) {
    ...     const size_t i = get_global_id(0);
    ...     y[i] = factor * x[i];
    ... }''')
    >>> twice
    CustomKernel(twice(x, y, factor))
    >>> if torch.cl.is_available():
    ...     x = torch.arange(3.0, device="cl")
    ...     y = torch.empty_like(x)
    ...     twice(x=x, y=y, factor=2.0)
    ...     assert y.tolist() == [0, 2, 4]
    """
    return CustomKernel(source, name)
