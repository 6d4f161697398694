"""The class of sparse tensors in coordinate format, and how they are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from cltorch import dtypes, functions, torch_function
from cltorch.formats import sparse_coo
from cltorch.functions.unique import unique
from cltorch.tensor import Tensor

__all__ = ["RULES", "SparseTensor", "added", "made", "numbered", "sparse_coo_tensor", "sparse_dims", "to_sparse"]

#: What functions and methods do to sparse tensors, by their names; getters of properties end with ``.__get__``.
RULES: dict[str, Callable[..., Any]] = {}
_OF_THE_WHOLE = frozenset(
    """
    shape.__get__ dtype.__get__ ndim.__get__ size dim ndimension numel nelement __len__ is_floating_point is_complex
    element_size is_tensor
    """.split()
)


_tensors: Any = Tensor  # with what its stub does not tell


class SparseTensor(Tensor):
    """A tensor of which only some elements are kept, with their places; `sparse_coo_tensor` makes one."""

    is_sparse = True
    _coo: tuple[Any, Any]
    _coalesced: bool

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call what a function does to sparse tensors; raise NotImplementedError for one that has no such rule."""
        path = torch_function.path_of(func)
        name = path.removeprefix("torch.Tensor.") if path.endswith("__get__") else path.rpartition(".")[2]
        if name in _OF_THE_WHOLE:
            with torch_function.without(1):
                return func(*args, **(kwargs or {}))
        rule = RULES.get(name)
        if rule is None:
            raise NotImplementedError(f"{path} of sparse tensors is not built in cltorch: take x.to_dense()")
        return rule(*args, **(kwargs or {}))

    def indices(self) -> Any:
        """Return the places, a column for each value; raise RuntimeError where some may be there twice."""
        self._need_coalesced("indices")
        return self._coo[0]

    def values(self) -> Any:
        """Return the values; raise RuntimeError where some places may be there twice."""
        self._need_coalesced("values")
        return self._coo[1]

    def _need_coalesced(self, what: str) -> None:
        if not self._coalesced:
            raise RuntimeError(f"Cannot get {what} on an uncoalesced tensor, please call .coalesce() first")

    def _indices(self) -> Any:
        return self._coo[0]

    def _values(self) -> Any:
        return self._coo[1]

    def _nnz(self) -> int:
        return int(self._coo[1].shape[0])

    def is_coalesced(self) -> bool:
        """Return whether each place is there once, in order."""
        return self._coalesced

    def _coalesced_(self, coalesced: bool) -> Any:
        """Take a program's word for each place being there once, in order, or not."""
        self._coalesced = coalesced
        return self

    def coalesce(self) -> Any:
        """Return a tensor with each place once, in order, and the sum of its values; it waits for the device."""
        if self._coalesced:
            return self
        indices, values = self._coo
        size = tuple(self.lay.shape)
        sparse = size[: indices.shape[0]]
        places, inverse = unique(numbered(indices, sparse), return_inverse=True)
        summed = added(places.shape[0], inverse, values)
        return made(_places(places, sparse), summed, size, True)

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        indices, values = self._coo
        parts = [f"indices={indices!r}", f"values={values.detach()!r}", f"size={tuple(self.lay.shape)}"]
        parts.append(f"nnz={self._nnz()}")
        if values.device.type != "cpu":
            parts.append(f"device='{values.device}'")
        parts.append("layout=torch.sparse_coo")
        if values.requires_grad:
            parts.append("requires_grad=True" if values.grad_fn is None else f"grad_fn=<{values.grad_fn.name()}>")
        return "tensor(" + ",\n       ".join(parts[:2]) + ",\n       " + ", ".join(parts[2:]) + ")"

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __copy__(self) -> Any:
        return made(*self._coo, tuple(self.lay.shape), self._coalesced)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        indices, values = self._coo
        return made(indices.clone(), values.detach().clone(), tuple(self.lay.shape), self._coalesced)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise NotImplementedError("sparse tensors cannot be saved in cltorch: save their indices and values")


def made(indices: Any, values: Any, size: Sequence[int], coalesced: bool) -> SparseTensor:
    """Return the sparse tensor of two dense ones."""
    with torch_function.without(2):
        whole = functions.empty(tuple(size), dtype=values.dtype, device="meta")  # its shape and dtype: it has no bytes
        made: SparseTensor = _tensors._make_subclass(SparseTensor, whole)
    made._coo, made._coalesced = (indices, values), coalesced
    return made


def numbered(indices: Any, size: Sequence[int]) -> Any:
    """Return the numbers of places in a tensor of a size, counted row by row."""
    numbers, step = indices[-1] * 1, 1
    for d in range(len(size) - 2, -1, -1):
        step *= size[d + 1]
        numbers = numbers + indices[d] * step
    return numbers


def _places(places: Any, size: Sequence[int]) -> Any:
    rows = []
    for n in reversed(size):
        rows.append(places % n)
        places = places // n
    return functions.stack(rows[::-1])


def added(n: int, places: Any, values: Any) -> Any:
    """Return ``n`` sums of the values at their places; of truth values whether one of them is true."""
    if values.dtype == dtypes.bool_:
        return added(n, places, values.to(dtypes.int32)) > 0
    return values.new_zeros((n, *values.shape[1:])).index_add(0, places, values)


def sparse_coo_tensor(
    indices: Any, values: Any = None, size: Any = None, *, dtype: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False, check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> Any:  # fmt: skip
    """Return the sparse tensor that has ``values`` (n, ...) at the places ``indices`` (sparse dimensions, n).

    Values at one place add up. Without ``size`` it is as large as the indices need, and an empty one is
    ``sparse_coo_tensor(size)``. Without ``size``, and with ``check_invariants``, the places are looked at, which waits
    for the device. Raises RuntimeError for shapes that do not fit; NotImplementedError with ``requires_grad``, for
    gradients of sparse leaves are not built: those of ``values`` are.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.sparse_coo_tensor.html

    >>> import cltorch as torch
    >>> x = torch.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0], (2, 3))
    >>> x.to_dense()
    tensor([[0., 0., 3.],
            [4., 0., 5.]])
    >>> x @ torch.ones(3, 1)
    tensor([[3.],
            [9.]])
    """
    if requires_grad:
        raise NotImplementedError("gradients of sparse leaves are not built in cltorch: let the values require them")
    if values is None:
        size = tuple(indices if size is None else size)
        indices = functions.empty((len(size), 0), dtype=dtypes.int64, device=device)
        values, is_coalesced = functions.empty((0,), dtype=dtype, device=device), True
    values = _tensor(values, dtype, device)
    indices = _tensor(indices, dtypes.int64, values.device)
    if indices.ndim != 2:
        raise RuntimeError(f"indices must be sparse_dim x nnz, but got: {_sizes(indices)}")
    if values.ndim < 1 or indices.shape[1] != values.shape[0]:
        raise RuntimeError(
            f"number of indices must match number of values: got {indices.shape[1]} indices and values of size "
            f"{_sizes(values)}"
        )
    if size is None:
        if not indices.shape[1]:
            size = (*(0,) * indices.shape[0], *values.shape[1:])
        else:
            size = (*(int(n) + 1 for n in functions.amax(indices, 1).tolist()), *values.shape[1:])
    size = tuple(size)
    if len(size) != indices.shape[0] + values.ndim - 1:
        raise RuntimeError(
            f"number of dimensions must be sparse_dim ({indices.shape[0]}) + dense_dim ({values.ndim - 1}), but got "
            f"{len(size)}"
        )
    if tuple(values.shape[1:]) != size[indices.shape[0] :]:
        raise RuntimeError(f"values has incorrect size, expected {[values.shape[0], *size[indices.shape[0] :]]}, got "
                           f"{list(values.shape)}")  # fmt: skip
    if check_invariants and indices.shape[1]:
        low, high = functions.amin(indices, 1).tolist(), functions.amax(indices, 1).tolist()
        if min(low) < 0:
            raise RuntimeError(f"found negative index {min(low)}")
        for d, (n, top) in enumerate(zip(size, high, strict=False)):
            if top >= n:
                raise RuntimeError(f"size is inconsistent with indices: for dim {d}, size is {n} but found index {top}")
    return made(indices, values, size, bool(is_coalesced))


def _tensor(x: Any, dtype: Any, device: Any) -> Any:
    if not isinstance(x, Tensor):
        return functions.tensor(x, dtype=dtype, device=device)
    return x.to(device=x.device if device is None else device, dtype=x.dtype if dtype is None else dtype)


def _sizes(x: Any) -> list[int]:
    return list(x.shape)


def sparse_dims(layout: Any, sparse_dim: int | None, other: dict[str, Any]) -> int | None:
    """Return how many dimensions ``to_sparse`` is to make sparse, None for all; refuse formats that are not there."""
    if isinstance(layout, int):
        return layout
    if other or layout not in (None, sparse_coo):
        raise NotImplementedError(f"sparse tensors of the layout {layout} are not built in cltorch")
    return sparse_dim


def to_sparse(self: Any, layout: Any = None, *, sparse_dim: int | None = None, **other: Any) -> Any:
    """Return what of a dense tensor is not zero as a sparse tensor, whose last dimensions may stay dense.

    ``sparse_dim`` (or a number in place of ``layout``) says how many dimensions are sparse, all by default. It waits
    for the device, to know how many values there are. Only the coordinate format is there: NotImplementedError for
    others.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.to_sparse.html

    >>> import cltorch as torch
    >>> torch.eye(3).to_sparse().indices()
    tensor([[0, 1, 2],
            [0, 1, 2]])
    """
    sparse_dim = sparse_dims(layout, sparse_dim, other)
    n = self.ndim if sparse_dim is None else sparse_dim
    if not 0 <= n <= self.ndim or (n == 0 < self.ndim):
        raise RuntimeError(
            f"sparse_dim argument must be in >0 when self is a dense tensor of {self.ndim} dimensions, got {n}"
        )
    if self.ndim == 0:
        raise NotImplementedError("sparse tensors without dimensions are not built in cltorch")
    kept = self != 0
    if n < self.ndim:
        kept = kept.flatten(n).any(-1)
    indices = kept.nonzero().t()
    return made(indices.contiguous(), self[tuple(indices)], tuple(self.shape), True)


_tensors.to_sparse = to_sparse
torch_function.method(to_sparse, "torch.Tensor.to_sparse")  # type: ignore[arg-type]
