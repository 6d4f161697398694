"""Sequences of different lengths in one batch: packed, padded, and the ways between them.

Source: https://docs.pytorch.org/docs/2.13/nn.html#utility-functions
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from cltorch import dtypes, functions
from cltorch.formats import contiguous_format
from cltorch.functions.arguments import SCALAR_NAMES
from cltorch.tensor import Tensor

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence",
    "pad_sequence", "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class _Packed(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


def invert_permutation(permutation: Any) -> Any:
    """Return the permutation that undoes one, or None for None.

    out[permutation[i]] = i.
    Shape: (n) to (n), None to None.
    Source: https://docs.pytorch.org/docs/2.13/nn.html

    >>> import cltorch as torch
    >>> torch.nn.utils.rnn.invert_permutation(torch.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    return functions.argsort(permutation)


class PackedSequence(_Packed):
    """Hold the data of sequences step by step, without padding.

    ``data`` has a row per sequence and step, ``batch_sizes`` (on the host) how many sequences reach each step;
    ``sorted_indices`` says which sequence of the batch stands where, as they are sorted by falling length.
    Shape: ``data`` (Σ lengths, *), ``batch_sizes`` (T), both indices (B).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.rnn.PackedSequence.html

    >>> import cltorch as torch
    >>> torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([4])]).data
    tensor([1, 4, 2, 3])
    """

    def __new__(
        cls, data: Any, batch_sizes: Any = None, sorted_indices: Any = None, unsorted_indices: Any = None
    ) -> PackedSequence:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is not None:
            if batch_sizes.device.type != "cpu":
                raise ValueError(
                    "batch_sizes should always be on CPU. Instances of PackedSequence should never be created "
                    "manually. They should be instantiated by functions like pack_sequence and pack_padded_sequences "
                    "in nn.utils.rnn. https://pytorch.org/docs/stable/nn.html#torch.nn.utils.rnn.pack_sequence"
                )
        else:
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def _map(self, data: Any) -> PackedSequence:
        if data is self.data:
            return self
        indices = [None if i is None else i.to(data.device) for i in (self.sorted_indices, self.unsorted_indices)]
        return type(self)(data, self.batch_sizes, *indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Return the sequences with their data moved or converted as ``Tensor.to`` does."""
        return self._map(self.data.to(*args, **kwargs))

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Return the sequences on the host."""
        return self.to(*args, device="cpu", **kwargs)

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Return the sequences on the OpenCL device."""
        return self._map(self.data.cuda(*args, **kwargs))

    def pin_memory(self) -> PackedSequence:
        """Return the sequences in memory that the device copies from quickly."""
        return self._map(self.data.pin_memory())

    def double(self) -> PackedSequence:
        """Return the sequences in float64."""
        return self.to(dtypes.float64)

    def float(self) -> PackedSequence:
        """Return the sequences in float32."""
        return self.to(dtypes.float32)

    def half(self) -> PackedSequence:
        """Return the sequences in float16."""
        return self.to(dtypes.float16)

    def long(self) -> PackedSequence:
        """Return the sequences in int64."""
        return self.to(dtypes.int64)

    def int(self) -> PackedSequence:
        """Return the sequences in int32."""
        return self.to(dtypes.int32)

    def short(self) -> PackedSequence:
        """Return the sequences in int16."""
        return self.to(dtypes.int16)

    def char(self) -> PackedSequence:
        """Return the sequences in int8."""
        return self.to(dtypes.int8)

    def byte(self) -> PackedSequence:
        """Return the sequences in uint8."""
        return self.to(dtypes.uint8)

    @property
    def is_cuda(self) -> bool:
        """Return whether the data lies on a device."""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """Return whether the data lies in pinned memory."""
        return self.data.is_pinned()


def _steps(lengths: Sequence[int]) -> list[int]:
    """Return how many sequences, sorted by falling length, reach each step."""
    out, alive = [], len(lengths)
    for t in range(lengths[0]):
        while lengths[alive - 1] <= t:
            alive -= 1
        out.append(alive)
    return out


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack a padded batch (T, B, …), or (B, T, …) with ``batch_first``, of sequences with the given lengths.

    ``lengths`` is a list or a tensor on the host; with ``enforce_sorted`` they must fall. Raises RuntimeError where
    they do not, or where one is not positive.
    Shape: (T, B, *), or (B, T, *) with ``batch_first``, and lengths (B) to data (Σ lengths, *).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.rnn.pack_padded_sequence.html

    >>> import cltorch as torch
    >>> torch.nn.utils.rnn.pack_padded_sequence(torch.tensor([[1, 3], [2, 0]]), [2, 1])
    PackedSequence(data=tensor([1, 3, 2]), batch_sizes=tensor([2, 1]), sorted_indices=None, unsorted_indices=None)
    """
    if isinstance(lengths, Tensor):
        if lengths.device.type != "cpu" or lengths.dim() != 1:
            raise RuntimeError(
                f"'lengths' argument should be a 1D CPU int64 tensor, but got {lengths.dim()}D {lengths.device} "
                f"{SCALAR_NAMES[lengths.dtype.name]} tensor"
            )
        lengths = lengths.tolist()
    lengths = [int(n) for n in lengths]
    indices = None
    if not enforce_sorted:
        rank = sorted(range(len(lengths)), key=lambda i: -lengths[i])
        lengths = [lengths[i] for i in rank]
        indices = functions.tensor(rank, dtype=dtypes.int64, device=input.device)
        input = functions.index_select(input, 0 if batch_first else 1, indices)
    if batch_first:
        input = functions.transpose(input, 0, 1)
    if input.shape[0] * input.shape[1] == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    if len(lengths) != input.shape[1]:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(lengths)} (batch_size={input.shape[1]})"
        )
    if lengths[-1] <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if any(a < b for a, b in zip(lengths, lengths[1:], strict=False)):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you "
            "do not need ONNX exportability."
        )
    if lengths[0] > input.shape[0]:
        raise RuntimeError(f"Expected lengths of at most {input.shape[0]}, but got {lengths[0]}")
    sizes = _steps(lengths)
    parts, start = [], 0
    for t, n in enumerate(sizes):  # a run of steps that the same sequences reach is one block
        if t + 1 == len(sizes) or sizes[t + 1] != n:
            block = input[start : t + 1, :n]
            parts.append(functions.reshape(block, (-1, *block.shape[2:])))
            start = t + 1
    data = functions.clone(parts[0]) if len(parts) == 1 else functions.cat(parts, 0)
    return PackedSequence(data, functions.tensor(sizes, device="cpu"), indices, None)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Any, Any]:
    """Return the padded batch of packed sequences and their lengths.

    Raises ValueError where ``total_length`` is less than the longest of them.
    Shape: data (Σ lengths, *) to (T, B, *), or (B, T, *) with ``batch_first``, and lengths (B).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.rnn.pad_packed_sequence.html

    >>> import cltorch as torch
    >>> packed = torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2]), torch.tensor([3])])
    >>> torch.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    (tensor([[1, 2],
            [3, 0]]), tensor([2, 1]))
    """
    sizes = sequence.batch_sizes.tolist()
    longest, batch = len(sizes), sizes[0]
    if total_length is not None and total_length < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but got "
            f"total_length={total_length} and max sequence length being {longest}"
        )
    data, f = sequence.data, functions
    rest = data.shape[1:]
    blocks, at, start = [], 0, 0
    for t, n in enumerate(sizes):
        if t + 1 == longest or sizes[t + 1] != n:
            steps = t + 1 - start
            block = f.reshape(f.narrow(data, 0, at, steps * n), (steps, n, *rest))
            if n < batch:
                pad = f.full((steps, batch - n, *rest), padding_value, dtype=data.dtype, device=data.device)
                block = f.cat((block, pad), 1)
            blocks.append(block)
            at, start = at + steps * n, t + 1
    if total_length is not None and total_length > longest:
        shape = (total_length - longest, batch, *rest)
        blocks.append(f.full(shape, padding_value, dtype=data.dtype, device=data.device))
    padded = blocks[0] if len(blocks) == 1 else f.cat(blocks, 0)
    lengths = [0] * batch
    for n in sizes:
        for i in range(n):
            lengths[i] += 1
    out = f.tensor(lengths, device="cpu")
    if batch_first:
        padded = f.transpose(padded, 0, 1)
    back = sequence.unsorted_indices
    if back is not None:
        padded = f.index_select(padded, 0 if batch_first else 1, back)
        out = f.index_select(out, 0, back.cpu())
    return padded, out


def pad_sequence(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Any:
    """Stack tensors (L_i, …) into one (T, B, …), or (B, T, …) with ``batch_first``, filled up to the longest.

    Shape: (L, *) each to (T, B, *), or (B, T, *) with ``batch_first``, T being the greatest L.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.rnn.pad_sequence.html

    >>> import cltorch as torch
    >>> torch.nn.utils.rnn.pad_sequence([torch.tensor([1, 2]), torch.tensor([3])], batch_first=True)
    tensor([[1, 2],
            [3, 0]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    if padding_side not in ("left", "right"):
        raise RuntimeError("Expected padding_side to be one of left or right, but got " + padding_side + ".")
    items = tuple(sequences.unbind(0)) if hasattr(sequences, "unbind") else tuple(sequences)
    if not items:
        raise RuntimeError("received an empty list of sequences")
    for i, x in enumerate(items):
        if not hasattr(x, "shape"):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(x).__name__}")
    longest = max(x.shape[0] for x in items)
    f, rows = functions, []
    for x in items:
        missing = longest - x.shape[0]
        if missing:
            fill = f.full((missing, *x.shape[1:]), padding_value, dtype=x.dtype, device=x.device)
            x = f.cat((x, fill) if padding_side == "right" else (fill, x), 0)
        rows.append(x)
    return f.stack(rows, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Any]:
    """Return the sequences of a padded batch, each with its own length.

    Shape: (T, B, *), or (B, T, *) with ``batch_first``, and lengths (B) to (L, *) each.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.rnn.unpad_sequence.html

    >>> import cltorch as torch
    >>> torch.nn.utils.rnn.unpad_sequence(torch.tensor([[1, 3], [2, 0]]), torch.tensor([2, 1]))
    [tensor([1, 2]), tensor([3])]
    """
    if not batch_first:
        padded_sequences = functions.transpose(padded_sequences, 0, 1)
    return [
        functions.clone(x[: int(n)], memory_format=contiguous_format)
        for x, n in zip(padded_sequences.unbind(0), lengths.tolist(), strict=True)
    ]


def pack_sequence(sequences: Sequence[Any], enforce_sorted: bool = True) -> PackedSequence:
    """Pack tensors (L_i, …), which must come by falling length unless ``enforce_sorted`` is False.

    Shape: (L, *) each to data (Σ L, *).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.rnn.pack_sequence.html

    >>> import cltorch as torch
    >>> torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2]), torch.tensor([3])]).batch_sizes
    tensor([2, 1])
    """
    lengths = [x.shape[0] for x in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Any]:
    """Return the sequences that were packed.

    Shape: data (Σ lengths, *) to (L, *) each.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.rnn.unpack_sequence.html

    >>> import cltorch as torch
    >>> torch.nn.utils.rnn.unpack_sequence(torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2]), torch.tensor([3])]))
    [tensor([1, 2]), tensor([3])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
