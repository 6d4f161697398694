"""Recurrent layers and their cells.

Source: https://docs.pytorch.org/docs/2.13/nn.html#recurrent-layers
"""

from __future__ import annotations

import math
import numbers
import warnings
from typing import Any

from cltorch import functions
from cltorch.autograd.casting import active
from cltorch.dtypes import TYPE_NAMES
from cltorch.nn import init
from cltorch.nn.modules.module import Module
from cltorch.nn.modules.rnn_cells import GRUCell, LSTMCell, RNNCell, RNNCellBase
from cltorch.nn.parameter import Parameter
from cltorch.nn.utils.rnn import PackedSequence

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNBase", "RNNCell", "RNNCellBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


class RNNBase(Module):
    """Hold the parameters of a recurrent network and bring its inputs into order; RNN, LSTM and GRU derive from it.

    h' = f(W_ih x + b_ih + W_hh h + b_hh) in each step, with the f and the gates of the network that derives from it.
    Parameters are called ``weight_ih_l0``, ``weight_hh_l0``, ``bias_ih_l0``, ``bias_hh_l0`` (and ``weight_hr_l0``) with
    the layer's number, and end with ``_reverse`` for the other direction. They begin evenly distributed in ±1/√hidden.
    Shape: input (T, B, in), states (layers · directions, B, hidden).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.RNNBase.html

    >>> import cltorch as torch
    >>> torch.nn.RNNBase('GRU', 3, 4).weight_ih_l0.shape
    torch.Size([12, 3])
    """

    mode: str
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    proj_size: int

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        for name, value in (("bias", bias), ("batch_first", batch_first)):
            if not isinstance(value, bool):
                raise TypeError(f"{name} should be of type bool, got: {type(value).__name__}")
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        if not isinstance(dropout, numbers.Number) or not 0 <= dropout <= 1 or isinstance(dropout, bool):
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
            )
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={dropout} and num_layers={num_layers}",
                stacklevel=2,
            )
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            if not isinstance(size, int):
                raise TypeError(f"{name} should be of type int, got: {type(size).__name__}")
            if size <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if proj_size >= hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + mode)
        rows, width = _GATES[mode] * hidden_size, proj_size or hidden_size
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for direction in range(2 if bidirectional else 1):
                wide = input_size if layer == 0 else width * (2 if bidirectional else 1)
                end = f"_l{layer}" + ("_reverse" if direction else "")
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, wide), "weight_hh": (rows, width)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                for name, shape in shapes.items():
                    setattr(self, name + end, Parameter(functions.empty(shape, device=device, dtype=dtype)))
                self._all_weights.append([name + end for name in shapes])
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Do nothing: the parameters need not lie in one piece of memory here."""

    @property
    def all_weights(self) -> list[list[Any]]:
        """Return the parameters of every layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Any]:
        return [getattr(self, name) for name in self._flat_weights_names]

    def extra_repr(self) -> str:
        s = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size:
            s += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            s += f", num_layers={self.num_layers}"
        if self.bias is not True:
            s += f", bias={self.bias}"
        if self.batch_first is not False:
            s += f", batch_first={self.batch_first}"
        if self.dropout:
            s += f", dropout={self.dropout}"
        if self.bidirectional is not False:
            s += f", bidirectional={self.bidirectional}"
        return s

    def check_input(self, input: Any, batch_sizes: Any) -> None:
        """Raise where the input's dtype, dimensions or width are wrong."""
        weight = self._flat_weights[0]
        if input.dtype is not weight.dtype and not active[0]:  # autocast casts both
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). Convert input: "
                f"input.to({weight.dtype}), or convert model: model.to({input.dtype})"
            )
        expected = 2 if batch_sizes is not None else 3
        if input.dim() != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.dim()}")
        if self.input_size != input.size(-1):
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.size(-1)}"
            )

    def _state_shape(self, batch: int, width: int) -> tuple[int, int, int]:
        return (self.num_layers * (2 if self.bidirectional else 1), batch, width)

    def _batch(self, input: Any, batch_sizes: Any) -> int:
        return int(input.size(0 if self.batch_first else 1) if batch_sizes is None else batch_sizes[0])

    def get_expected_hidden_size(self, input: Any, batch_sizes: Any) -> tuple[int, int, int]:
        """Return the shape of the states h that go with an input."""
        return self._state_shape(self._batch(input, batch_sizes), self.proj_size or self.hidden_size)

    def check_hidden_size(
        self, hx: Any, expected_hidden_size: tuple[int, int, int], msg: str = "Expected hidden size {}, got {}"
    ) -> None:
        """Raise RuntimeError with ``msg`` where states have another shape."""
        if tuple(hx.shape) != tuple(expected_hidden_size):
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.shape)))

    def check_forward_args(self, input: Any, hidden: Any, batch_sizes: Any) -> None:
        """Raise where an input or its states do not fit the network."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx: Any, permutation: Any) -> Any:
        """Return the states with the sequences of their batch in another order."""
        return hx if permutation is None else functions.index_select(hx, 1, permutation)

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Return (outputs, last states) of a padded or packed batch, or of one sequence without a batch dimension."""
        pair = self.mode == "LSTM"
        name = self.mode.split("_")[0]
        sorted_indices = unsorted_indices = batch_sizes = None
        batched = True
        if isinstance(input, PackedSequence):
            data, batch_sizes, sorted_indices, unsorted_indices = input
            batch = int(batch_sizes[0])
        else:
            data = input
            if data.dim() not in (2, 3):
                raise ValueError(
                    f"{name}: Expected input to be 2D or 3D, got {data.dim()}D{' tensor' * (name == 'RNN')} instead"
                )
            batched = data.dim() == 3
            if not batched:
                data = data.unsqueeze(0 if self.batch_first else 1)
            batch = data.size(0 if self.batch_first else 1)
        states = None if hx is None else list(hx) if pair else [hx]
        if states is not None and batch_sizes is None:
            for s in states:
                if s.dim() != (3 if batched else 2):
                    kind = ("batched 3-D", 3) if batched else ("unbatched 2-D", 2)
                    if pair:
                        raise RuntimeError(
                            f"For {kind[0]} input, hx and cx should also be {kind[1]}-D but got "
                            f"({states[0].dim()}-D, {states[1].dim()}-D) tensors"
                        )
                    raise RuntimeError(f"For {kind[0]} input, hx should also be {kind[1]}-D but got {s.dim()}-D tensor")
            if not batched:
                states = [s.unsqueeze(1) for s in states]
        widths = [self.proj_size or self.hidden_size, self.hidden_size][: 2 if pair else 1]
        if states is None:
            states = [
                functions.zeros(self._state_shape(batch, w), dtype=data.dtype, device=data.device) for w in widths
            ]
        run = getattr(functions, self.mode.lower())
        state = tuple(states) if pair else states[0]
        if hx is not None:
            # the caller gives states in the order of the batch, which packing has sorted
            state = self.permute_hidden(state, sorted_indices)
        self.check_forward_args(data, state, batch_sizes)
        for s in states:
            if s.dtype is not data.dtype and not active[0]:
                raise RuntimeError(
                    f"mat1 and mat2 must have the same dtype, but got {TYPE_NAMES[s.dtype]} and "
                    f"{TYPE_NAMES[data.dtype]}"
                )
        shared = (self._flat_weights, self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        if batch_sizes is None:
            out, *last = run(data, state, *shared, self.batch_first)
            if not batched:
                out, last = out.squeeze(0 if self.batch_first else 1), [s.squeeze(1) for s in last]
        else:
            out, *last = run(data, batch_sizes, state, *shared)
            out = PackedSequence(out, batch_sizes, sorted_indices, unsorted_indices)
        return out, self.permute_hidden(tuple(last) if pair else last[0], unsorted_indices)


class RNN(RNNBase):
    """Run an Elman network: h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu.

    Shape: input (T, B, in), or (B, T, in) with ``batch_first``, (T, in), or a PackedSequence; state (layers·directions,
    B, hidden); output (T, B, directions·hidden).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.RNN.html

    >>> import cltorch as torch
    >>> output, h = torch.nn.RNN(10, 20, 2)(torch.randn(5, 3, 10))
    >>> output.shape, h.shape
    (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            self_nonlinearity = args[3]
            args = args[:3] + args[4:]
        else:
            self_nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if self_nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{self_nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__("RNN_" + self_nonlinearity.upper(), *args, **kwargs)
        self.nonlinearity = self_nonlinearity


class LSTM(RNNBase):
    """Run a long short-term memory network; states are the pair (h, c).

    i, f, o = σ(…), g = tanh(…) of W_ih x + b_ih + W_hh h + b_hh; c' = f·c + i·g; h' = o·tanh(c'), which ``proj_size``
    multiplies by W_hr.
    S. Hochreiter, J. Schmidhuber, Long Short-Term Memory, Neural Computation 1997.
    Shape: input (T, B, in), or (B, T, in) with ``batch_first``, (T, in), or a PackedSequence; h (layers·directions, B,
    proj_size or hidden), c (layers·directions, B, hidden); output (T, B, directions·(proj_size or hidden)).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LSTM.html

    >>> import cltorch as torch
    >>> output, (h, c) = torch.nn.LSTM(10, 20, batch_first=True)(torch.randn(3, 5, 10))
    >>> output.shape, c.shape
    (torch.Size([3, 5, 20]), torch.Size([1, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(self, input: Any, batch_sizes: Any) -> tuple[int, int, int]:
        """Return the shape of the states c that go with an input."""
        return self._state_shape(self._batch(input, batch_sizes), self.hidden_size)

    def check_forward_args(self, input: Any, hidden: Any, batch_sizes: Any) -> None:
        """Raise where an input or its pair of states do not fit the network."""
        self.check_input(input, batch_sizes)
        expected = (self.get_expected_hidden_size(input, batch_sizes), self.get_expected_cell_size(input, batch_sizes))
        for k, (x, shape) in enumerate(zip(hidden, expected, strict=True)):
            self.check_hidden_size(x, shape, f"Expected hidden[{k}] size {{}}, got {{}}")

    def permute_hidden(self, hx: Any, permutation: Any) -> Any:
        """Return the pair of states with the sequences of their batch in another order."""
        return hx if permutation is None else tuple(super(LSTM, self).permute_hidden(x, permutation) for x in hx)


class GRU(RNNBase):
    """Run a network of gated recurrent units.

    r, z = σ(…) of W_ih x + b_ih + W_hh h + b_hh; n = tanh(W_in x + b_in + r·(W_hn h + b_hn)); h' = (1 - z)·n + z·h.
    K. Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, EMNLP 2014.
    Shape: input (T, B, in), or (B, T, in) with ``batch_first``, (T, in), or a PackedSequence; state (layers·directions,
    B, hidden); output (T, B, directions·hidden).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.GRU.html

    >>> import cltorch as torch
    >>> output, h = torch.nn.GRU(10, 20, bidirectional=True)(torch.randn(5, 3, 10))
    >>> output.shape, h.shape
    (torch.Size([5, 3, 40]), torch.Size([2, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)
