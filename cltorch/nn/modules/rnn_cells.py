"""Single steps of recurrent networks as modules.

Source: https://docs.pytorch.org/docs/2.13/nn.html#recurrent-layers
"""

from __future__ import annotations

import math
from typing import Any

from cltorch import functions
from cltorch.nn import init
from cltorch.nn.modules.module import Module
from cltorch.nn.parameter import Parameter

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]


class RNNCellBase(Module):
    """Hold the parameters of one step: ``weight_ih``, ``weight_hh``, ``bias_ih`` and ``bias_hh``.

    Shape: ``weight_ih`` (num_chunks · hidden, in), ``weight_hh`` (num_chunks · hidden, hidden), biases (num_chunks ·
    hidden).
    Source: https://docs.pytorch.org/docs/2.13/nn.html

    >>> import cltorch as torch
    >>> torch.nn.RNNCellBase(3, 4, bias=True, num_chunks=3).weight_ih.shape
    torch.Size([12, 3])
    """

    bias_ih: Any
    bias_hh: Any

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = num_chunks * hidden_size
        for name, width in (("weight_ih", input_size), ("weight_hh", hidden_size)):
            setattr(self, name, Parameter(functions.empty((rows, width), device=device, dtype=dtype)))
        for name in ("bias_ih", "bias_hh"):
            if bias:
                setattr(self, name, Parameter(functions.empty(rows, device=device, dtype=dtype)))
            else:
                self.register_parameter(name, None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew, evenly in ±1/√hidden."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        s = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            s += f", bias={self.bias}"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            s += f", nonlinearity={self.nonlinearity}"
        return s

    def _step(self, run: Any, input: Any, hx: Any, pair: bool) -> Any:
        name = type(self).__name__
        if input.dim() not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.dim()}D instead")
        if hx is not None:
            for i, s in enumerate(hx if pair else (hx,)):
                if s.dim() not in (1, 2):
                    raise ValueError(
                        f"{name}: Expected {f'hx[{i}]' if pair else 'hidden'} to be 1D or 2D, got {s.dim()}D instead"
                    )
        batched = input.dim() == 2
        if not batched:
            input = input.unsqueeze(0)
        if hx is None:
            zeros = functions.zeros((input.size(0), self.hidden_size), dtype=input.dtype, device=input.device)
            hx = (zeros, zeros) if pair else zeros
        elif not batched:
            hx = tuple(s.unsqueeze(0) for s in hx) if pair else hx.unsqueeze(0)
        out = run(input, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        if batched:
            return out
        return tuple(s.squeeze(0) for s in out) if pair else out.squeeze(0)


class RNNCell(RNNCellBase):
    """Return h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu, which is one step of an RNN.

    Shape: input (B, in) and state (B, hidden), zeros if none, or both without B, to (B, hidden).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.RNNCell.html

    >>> import cltorch as torch
    >>> torch.nn.RNNCell(10, 20)(torch.randn(3, 10)).shape
    torch.Size([3, 20])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Any:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return self._step(getattr(functions, f"rnn_{self.nonlinearity}_cell"), input, hx, False)


class LSTMCell(RNNCellBase):
    """Return (h', c') of one step of an LSTM.

    i, f, o = σ(…), g = tanh(…) of W_ih x + b_ih + W_hh h + b_hh; c' = f·c + i·g; h' = o·tanh(c').
    Shape: input (B, in) and two states (B, hidden), or all without B, to two of (B, hidden).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LSTMCell.html

    >>> import cltorch as torch
    >>> h, c = torch.nn.LSTMCell(10, 20)(torch.randn(3, 10))
    >>> h.shape
    torch.Size([3, 20])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> Any:
        return self._step(functions.lstm_cell, input, hx, True)


class GRUCell(RNNCellBase):
    """Return h' of one step of a GRU.

    r, z = σ(…) of W_ih x + b_ih + W_hh h + b_hh; n = tanh(W_in x + b_in + r·(W_hn h + b_hn)); h' = (1 - z)·n + z·h.
    Shape: input (B, in) and state (B, hidden), or both without B, to (B, hidden).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.GRUCell.html

    >>> import cltorch as torch
    >>> torch.nn.GRUCell(10, 20)(torch.randn(3, 10)).shape
    torch.Size([3, 20])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> Any:
        return self._step(functions.gru_cell, input, hx, False)
