"""Comparing inputs piece by piece: a pair for each kind of value, which test suites extend by classes of their own."""

from __future__ import annotations

import cmath
import contextlib
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from cltorch import dtypes, functions
from cltorch.autograd.grad_mode import no_grad
from cltorch.dtypes import dtype
from cltorch.tensor import Tensor
from cltorch.testing._mismatch import ErrorMeta, make_scalar_mismatch_msg, make_tensor_mismatch_msg, numbers

__all__ = ["assert_allclose", "assert_close"]

# what PyTorch allows by default: (relative, absolute)
_DTYPE_PRECISIONS = {
    dtypes.float16: (0.001, 1e-5),
    dtypes.bfloat16: (0.016, 1e-5),
    dtypes.float32: (1.3e-6, 1e-5),
    dtypes.float64: (1e-7, 1e-7),
    dtypes.complex32: (0.001, 1e-5),
    dtypes.complex64: (1.3e-6, 1e-5),
    dtypes.complex128: (1e-7, 1e-7),
}
_WIDE = (dtypes.uint16, dtypes.uint32, dtypes.uint64)


class UnsupportedInputs(Exception):
    """Say, from a pair's constructor, that the next kind of pair shall be tried."""


def default_tolerances(
    *inputs: Tensor | dtype, dtype_precisions: Mapping[dtype, tuple[float, float]] | None = None
) -> tuple[float, float]:
    """Return the loosest relative and absolute tolerance among those of the inputs' dtypes."""
    table = dtype_precisions or _DTYPE_PRECISIONS
    found = []
    for x in inputs:
        if not isinstance(x, (Tensor, dtype)):
            raise TypeError(f"Expected a torch.Tensor or a torch.dtype, but got {type(x)} instead.")
        found.append(table.get(x.dtype if isinstance(x, Tensor) else x, (0.0, 0.0)))
    return max(rtol for rtol, _ in found), max(atol for _, atol in found)


def get_tolerances(
    *inputs: Tensor | dtype, rtol: float | None, atol: float | None, id: tuple[Any, ...] = ()
) -> tuple[float, float]:
    """Return the tolerances that are given, or those of the dtypes where none is."""
    if rtol is None and atol is None:
        return default_tolerances(*inputs)
    if rtol is None or atol is None:
        missing = "rtol" if rtol is None else "atol"
        raise ErrorMeta(
            ValueError, f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}.", id=id
        )
    return float(rtol), float(atol)


class Pair:
    """Hold two values to be compared; a subclass says which kinds it takes and what is close."""

    def __init__(self, actual: Any, expected: Any, *, id: tuple[Any, ...] = (), **unknown_parameters: Any) -> None:
        self.actual = actual
        self.expected = expected
        self.id = id
        self._unknown_parameters = unknown_parameters

    @staticmethod
    def _inputs_not_supported() -> NoReturn:
        raise UnsupportedInputs

    @staticmethod
    def _check_inputs_isinstance(*inputs: Any, cls: type | tuple[type, ...]) -> None:
        if not all(isinstance(x, cls) for x in inputs):
            raise UnsupportedInputs

    def _fail(self, type: type[Exception], msg: str, *, id: tuple[Any, ...] = ()) -> NoReturn:
        raise ErrorMeta(type, msg, id=id or getattr(self, "id", ()))

    def compare(self) -> None:
        """Raise ErrorMeta where the two values differ."""
        raise NotImplementedError(f"{type(self).__name__} does not say how its values are compared")

    def extra_repr(self) -> Sequence[str | tuple[str, Any]]:
        """Return what else the pair shows: names of attributes, or names with their values."""
        return ()

    def __repr__(self) -> str:
        shown: list[tuple[str, Any]] = [("id", self.id), ("actual", self.actual), ("expected", self.expected)]
        shown += [(item, getattr(self, item)) if isinstance(item, str) else item for item in self.extra_repr()]
        inner = "".join(f"    {name}={value!r},\n" for name, value in shown)
        return f"{type(self).__name__}(\n{inner})"


class ObjectPair(Pair):
    """Compare objects of any kind by ``==``."""

    def compare(self) -> None:
        """Raise ErrorMeta unless the two are equal."""
        try:
            equal = self.actual == self.expected
        except Exception as error:
            raise ErrorMeta(
                ValueError, f"{self.actual} == {self.expected} failed with:\n{error}.", id=self.id
            ) from error
        if not equal:
            self._fail(AssertionError, f"{self.actual} != {self.expected}")


class NonePair(Pair):
    """Compare two values of which at least one is None."""

    def __init__(self, actual: Any, expected: Any, **other_parameters: Any) -> None:
        if actual is not None and expected is not None:
            self._inputs_not_supported()
        super().__init__(actual, expected, **other_parameters)

    def compare(self) -> None:
        """Raise ErrorMeta unless both are None."""
        if self.actual is not self.expected:
            self._fail(AssertionError, f"None mismatch: {self.actual} is not {self.expected}")


class BooleanPair(Pair):
    """Compare two bools, of Python or of NumPy."""

    def __init__(self, actual: Any, expected: Any, *, id: tuple[Any, ...] = (), **other_parameters: Any) -> None:
        actual, expected = self._process_inputs(actual, expected, id=id)
        super().__init__(actual, expected, id=id, **other_parameters)

    @property
    def _supported_types(self) -> tuple[type, ...]:
        return (bool, np.bool_)

    def _process_inputs(self, actual: Any, expected: Any, *, id: tuple[Any, ...]) -> tuple[bool, bool]:
        self._check_inputs_isinstance(actual, expected, cls=self._supported_types)
        return self._to_bool(actual, id=id), self._to_bool(expected, id=id)

    def _to_bool(self, bool_like: Any, *, id: tuple[Any, ...]) -> bool:
        if not isinstance(bool_like, (bool, np.bool_)):
            raise ErrorMeta(TypeError, f"Unknown boolean type {type(bool_like)}.", id=id)
        return bool(bool_like)

    def compare(self) -> None:
        """Raise ErrorMeta unless the two are the same."""
        if self.actual is not self.expected:
            self._fail(AssertionError, f"Booleans mismatch: {self.actual} is not {self.expected}")


class NumberPair(Pair):
    """Compare two numbers, of Python or of NumPy."""

    _TYPE_TO_DTYPE: dict[type, dtype] = {int: dtypes.int64, float: dtypes.float64, complex: dtypes.complex128}
    _NUMBER_TYPES = tuple(_TYPE_TO_DTYPE)

    def __init__(
        self, actual: Any, expected: Any, *, id: tuple[Any, ...] = (), rtol: float | None = None,
        atol: float | None = None, equal_nan: bool = False, check_dtype: bool = False, **other_parameters: Any,
    ) -> None:  # fmt: skip
        actual, expected = self._process_inputs(actual, expected, id=id)
        super().__init__(actual, expected, id=id, **other_parameters)
        # a bool is an int, and so are members of an IntEnum
        kinds = [next(t for k, t in self._TYPE_TO_DTYPE.items() if isinstance(x, k)) for x in (actual, expected)]
        self.rtol, self.atol = get_tolerances(*kinds, rtol=rtol, atol=atol, id=id)
        self.equal_nan = equal_nan
        self.check_dtype = check_dtype

    @property
    def _supported_types(self) -> tuple[type, ...]:
        return (*self._NUMBER_TYPES, np.number)

    def _process_inputs(self, actual: Any, expected: Any, *, id: tuple[Any, ...]) -> tuple[Any, Any]:
        self._check_inputs_isinstance(actual, expected, cls=self._supported_types)
        return self._to_number(actual, id=id), self._to_number(expected, id=id)

    def _to_number(self, number_like: Any, *, id: tuple[Any, ...]) -> Any:
        if isinstance(number_like, np.number):
            return number_like.item()
        if isinstance(number_like, self._NUMBER_TYPES):
            return number_like
        raise ErrorMeta(TypeError, f"Unknown number type {type(number_like)}.", id=id)

    def compare(self) -> None:
        """Raise ErrorMeta unless the two are close, and of one type where that is asked for."""
        x, y = self.actual, self.expected
        if self.check_dtype and type(x) is not type(y):
            self._fail(AssertionError, f"The (d)types do not match: {type(x)} != {type(y)}.")
        if x == y or self.equal_nan and cmath.isnan(x) and cmath.isnan(y):
            return
        apart = abs(x - y)
        if not cmath.isfinite(apart) or apart > self.atol + self.rtol * abs(y):
            self._fail(AssertionError, make_scalar_mismatch_msg(x, y, rtol=self.rtol, atol=self.atol))

    def extra_repr(self) -> Sequence[str]:
        """Return the names of the tolerances and checks."""
        return ("rtol", "atol", "equal_nan", "check_dtype")


class TensorLikePair(Pair):
    """Compare two tensors, or two values of one kind that ``torch.as_tensor`` takes."""

    def __init__(
        self, actual: Any, expected: Any, *, id: tuple[Any, ...] = (), allow_subclasses: bool = True,
        rtol: float | None = None, atol: float | None = None, equal_nan: bool = False, check_device: bool = True,
        check_dtype: bool = True, check_layout: bool = True, check_stride: bool = False, **other_parameters: Any,
    ) -> None:  # fmt: skip
        actual, expected = self._process_inputs(actual, expected, id=id, allow_subclasses=allow_subclasses)
        super().__init__(actual, expected, id=id, **other_parameters)
        self.rtol, self.atol = get_tolerances(actual, expected, rtol=rtol, atol=atol, id=self.id)
        self.equal_nan = equal_nan
        self.check_device = check_device
        self.check_dtype = check_dtype
        self.check_layout = check_layout
        self.check_stride = check_stride

    def _process_inputs(
        self, actual: Any, expected: Any, *, id: tuple[Any, ...], allow_subclasses: bool
    ) -> tuple[Tensor, Tensor]:
        related = isinstance(actual, type(expected)) or isinstance(expected, type(actual))
        if not related or not allow_subclasses and type(actual) is not type(expected):
            self._inputs_not_supported()
        return self._to_tensor(actual), self._to_tensor(expected)

    def _to_tensor(self, tensor_like: Any) -> Tensor:
        if isinstance(tensor_like, Tensor):
            return tensor_like
        try:
            return functions.as_tensor(tensor_like)
        except Exception:
            self._inputs_not_supported()

    def compare(self) -> None:
        """Raise ErrorMeta unless shape, what else is asked for, and the values of the two agree."""
        actual, expected = self.actual, self.expected
        self._compare_attributes(actual, expected)
        if actual.is_meta or expected.is_meta:
            return
        with no_grad():
            self._compare_values(*self._equalize_attributes(actual, expected))

    def _compare_attributes(self, actual: Tensor, expected: Tensor) -> None:
        # every tensor is strided: there are no layouts that could differ
        looks: list[tuple[str, bool, Callable[[Tensor], Any]]] = [
            ("shape", True, lambda x: x.shape),
            ("stride()", self.check_stride, lambda x: x.stride()),
            ("device", self.check_device, lambda x: x.device),
            ("dtype", self.check_dtype, lambda x: x.dtype),
        ]
        for name, wanted, look in looks:
            mine, other = look(actual), look(expected)
            if wanted and mine != other:
                self._fail(AssertionError, f"The values for attribute '{name}' do not match: {mine} != {other}.")

    def _equalize_attributes(self, actual: Tensor, expected: Tensor) -> tuple[Tensor, Tensor]:
        if actual.device != expected.device:
            actual, expected = actual.cpu(), expected.cpu()
        if actual.dtype != expected.dtype:
            first, second = (dtypes.int64 if x.dtype in _WIDE else x.dtype for x in (actual, expected))
            common = dtypes.promote_types(first, second)
            actual, expected = actual.to(common), expected.to(common)
        return actual, expected

    def _compare_values(self, actual: Tensor, expected: Tensor) -> None:
        if actual.dtype.is_floating_point and actual.dtype.itemsize == 1 and (self.rtol or self.atol):
            self._fail(
                AssertionError,
                f"Rtol={self.rtol} and atol={self.atol} are not supported for bitwise comparison of low dimensional "
                "floats. Please use rtol=0.0 and atol=0.0.",
            )
        self._compare_regular_values_close(actual, expected, rtol=self.rtol, atol=self.atol, equal_nan=self.equal_nan)

    def _compare_regular_values_equal(
        self, actual: Tensor, expected: Tensor, *, equal_nan: bool = False,
        identifier: str | Callable[[str], str] | None = None,
    ) -> None:  # fmt: skip
        self._compare_regular_values_close(actual, expected, rtol=0, atol=0, equal_nan=equal_nan, identifier=identifier)

    def _compare_regular_values_close(
        self, actual: Tensor, expected: Tensor, *, rtol: float, atol: float, equal_nan: bool,
        identifier: str | Callable[[str], str] | None = None,
    ) -> None:  # fmt: skip
        with np.errstate(all="ignore"):
            close = np.isclose(numbers(actual), numbers(expected), rtol=rtol, atol=atol, equal_nan=equal_nan)
        if close.all():
            return
        if not actual.shape:
            words = make_scalar_mismatch_msg(
                actual.item(), expected.item(), rtol=rtol, atol=atol, identifier=identifier
            )
        else:
            words = make_tensor_mismatch_msg(
                actual, expected, functions.from_numpy(close), rtol=rtol, atol=atol, identifier=identifier
            )
        self._fail(AssertionError, words)

    def extra_repr(self) -> Sequence[str]:
        """Return the names of the tolerances and checks."""
        return ("rtol", "atol", "equal_nan", "check_device", "check_dtype", "check_layout", "check_stride")


def originate_pairs(
    actual: Any, expected: Any, *, pair_types: Sequence[type[Pair]],
    sequence_types: tuple[type, ...] = (Sequence,), mapping_types: tuple[type, ...] = (Mapping,),
    id: tuple[Any, ...] = (), **options: Any,
) -> list[Pair]:  # fmt: skip
    """Return the pairs of nested inputs; for each the first of the kinds is taken that does not refuse it.

    Raises ErrorMeta where sequences have other lengths, mappings other keys, or no kind takes two inputs.
    """

    def pairs_of(keys: Iterable[Any]) -> list[Pair]:
        return [
            pair
            for key in keys
            for pair in originate_pairs(
                actual[key], expected[key], pair_types=pair_types, sequence_types=sequence_types,
                mapping_types=mapping_types, id=(*id, key), **options,
            )
        ]  # fmt: skip

    if all(isinstance(x, sequence_types) and not isinstance(x, str) for x in (actual, expected)):
        if len(actual) != len(expected):
            raise ErrorMeta(
                AssertionError, f"The length of the sequences mismatch: {len(actual)} != {len(expected)}", id=id
            )
        return pairs_of(range(len(actual)))
    if isinstance(actual, mapping_types) and isinstance(expected, mapping_types):
        mine, others = set(actual.keys()), set(expected.keys())  # type: ignore[attr-defined]
        if mine != others:
            raise ErrorMeta(
                AssertionError,
                "The keys of the mappings do not match:\n"
                f"Missing keys in the actual mapping: {_in_order(others - mine)}\n"
                f"Additional keys in the actual mapping: {_in_order(mine - others)}",
                id=id,
            )
        return pairs_of(_in_order(mine))
    for kind in pair_types:
        try:
            return [kind(actual, expected, id=id, **options)]
        except UnsupportedInputs:
            continue
    raise ErrorMeta(
        TypeError, f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.", id=id
    )


def _in_order(keys: set[Any]) -> list[Any]:
    with contextlib.suppress(TypeError):
        return sorted(keys)
    return list(keys)


def not_close_error_metas(
    actual: Any, expected: Any, *, pair_types: Sequence[type[Pair]] = (ObjectPair,),
    sequence_types: tuple[type, ...] = (Sequence,), mapping_types: tuple[type, ...] = (Mapping,), **options: Any,
) -> list[ErrorMeta]:  # fmt: skip
    """Compare nested inputs and return what fails, an ErrorMeta each; what cannot be compared is raised."""
    __tracebackhide__ = True
    try:
        pairs = originate_pairs(
            actual, expected, pair_types=pair_types, sequence_types=sequence_types, mapping_types=mapping_types,
            **options,
        )  # fmt: skip
    except ErrorMeta as meta:
        raise meta.to_error() from None
    found = []
    for pair in pairs:
        try:
            pair.compare()
        except ErrorMeta as meta:
            # the traceback would keep this frame, and with it the tensors, alive
            found.append(meta.with_traceback(None))
    return found


def assert_close(
    actual: Any, expected: Any, *, allow_subclasses: bool = True, rtol: float | None = None, atol: float | None = None,
    equal_nan: bool = False, check_device: bool = True, check_dtype: bool = True, check_layout: bool = True,
    check_stride: bool = False, msg: str | Callable[[str], str] | None = None,
) -> None:  # fmt: skip
    """Raise AssertionError unless two tensors, numbers, or sequences or mappings of them are close.

    Close is ``|actual - expected| <= atol + rtol * |expected|``; the tolerances follow from the dtypes by default.

    >>> import cltorch as torch
    >>> assert_close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0 + 1e-7]))
    """
    __tracebackhide__ = True
    found = not_close_error_metas(
        actual, expected, pair_types=(NonePair, BooleanPair, NumberPair, TensorLikePair),
        allow_subclasses=allow_subclasses, rtol=rtol, atol=atol, equal_nan=equal_nan, check_device=check_device,
        check_dtype=check_dtype, check_layout=check_layout, check_stride=check_stride,
    )  # fmt: skip
    if found:
        raise found[0].to_error(msg)


_ALLCLOSE = {dtypes.float16: (1e-3, 1e-3), dtypes.float32: (1e-4, 1e-5), dtypes.float64: (1e-5, 1e-8)}


def assert_allclose(
    actual: Any, expected: Any, rtol: float | None = None, atol: float | None = None, equal_nan: bool = True,
    msg: str = "",
) -> None:  # fmt: skip
    """Do what ``assert_close`` does, without a look at dtypes and with tolerances of its own; an old name."""
    warnings.warn(
        "`torch.testing.assert_allclose()` is deprecated since 1.12: use `torch.testing.assert_close()`",
        FutureWarning,
        stacklevel=2,
    )
    if not isinstance(actual, Tensor):
        actual = functions.tensor(actual)
    if not isinstance(expected, Tensor):
        expected = functions.tensor(expected, dtype=actual.dtype)
    if rtol is None and atol is None:
        rtol, atol = default_tolerances(actual, expected, dtype_precisions=_ALLCLOSE)
    assert_close(
        actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False, msg=msg or None
    )  # fmt: skip
