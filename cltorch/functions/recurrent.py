"""Recurrent layers and cells: RNN with tanh or relu, LSTM and GRU.

Source: https://docs.pytorch.org/docs/2.13/nn.html#recurrent-layers
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch.autograd.grad_mode import enable_grad
from cltorch.autograd.gradients import grad
from cltorch.autograd.graph import Settings
from cltorch.autograd.record import apply
from cltorch.dtypes import C_NAMES, TYPE_NAMES
from cltorch.functions.arguments import need_array
from cltorch.ops.array import Array
from cltorch.ops.recurrent import GATES, Recurrent
from cltorch.ops.recurrent_host import order

__all__ = [
    "gru", "gru_cell", "lstm", "lstm_cell", "recurrent_gradients", "rnn_relu", "rnn_relu_cell", "rnn_tanh",
    "rnn_tanh_cell",
]  # fmt: skip


def composed(given: Sequence[Any], sizes: Sequence[int], mode: str, reverse: bool) -> list[Any]:
    """Return what the operator returns, step by step, composed of differentiable functions."""
    f = Settings.functions
    x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr = given
    gates = GATES[mode]
    gx = f.linear(x, w_ih, b_ih)
    outs = []
    for at, rows in order(sizes, reverse):
        before, g = f.narrow(h, 0, 0, rows), f.narrow(gx, 0, at, rows)
        pre = f.linear(before, w_hh, b_hh)
        if mode == "gru":
            (ir, iz, i_n), (hr, hz, hn) = (f.chunk(v, gates, 1) for v in (g, pre))
            z = f.sigmoid(iz + hz)
            n = f.tanh(i_n + f.sigmoid(ir + hr) * hn)
            y = n + z * (before - n)
        elif mode == "lstm":
            i, j, k, o = f.chunk(g + pre, gates, 1)
            now = f.sigmoid(j) * f.narrow(c, 0, 0, rows) + f.sigmoid(i) * f.tanh(k)
            y = f.sigmoid(o) * f.tanh(now)
            if w_hr is not None:
                y = f.linear(y, w_hr)
            c = f.cat((now, f.narrow(c, 0, rows, c.shape[0] - rows)), 0)
        else:
            y = (f.tanh if mode == "tanh" else f.relu)(g + pre)
        h = f.cat((y, f.narrow(h, 0, rows, h.shape[0] - rows)), 0)
        outs.append(y)
    out = f.cat(outs[::-1] if reverse else outs, 0)
    return [out, h, c] if mode == "lstm" else [out, h]


def recurrent_gradients(
    grads: Sequence[Any], given: Sequence[Any], needs: Sequence[bool], sizes: Sequence[int], mode: str, reverse: bool
) -> list[Any]:
    """Return the gradients of a layer's operands, recorded so that they can be differentiated again."""
    with enable_grad():
        results = composed(given, sizes, mode, reverse)
        wanted = [i for i in range(len(given)) if needs[i]]
        pairs = [(r, g) for r, g in zip(results, grads, strict=True) if g is not None]
        found = grad(
            [r for r, _ in pairs], [given[i] for i in wanted], [g for _, g in pairs], create_graph=True,
            allow_unused=True,
        )  # fmt: skip
    out: list[Any] = [None] * len(given)
    for i, g in zip(wanted, found, strict=True):
        out[i] = g
    return out


def _direction(given: Sequence[Any], sizes: tuple[int, ...], mode: str, reverse: bool) -> Sequence[Any]:
    """Run one direction of one layer; complex numbers, for which there is no kernel, step by step."""
    if given[0].dtype.is_complex:
        return composed(given, sizes, mode, reverse)
    found: Sequence[Any] = apply(Recurrent, *given, sizes, mode, reverse)
    return found


def _layers(
    mode: str, data: Any, sizes: tuple[int, ...], hx: Any, cx: Any, params: Sequence[Any], has_biases: bool,
    num_layers: int, dropout: float, train: bool, bidirectional: bool,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """Run all layers over packed rows; return (outputs, last h of all, last c of all or None)."""
    f = Settings.functions
    directions = 2 if bidirectional else 1
    projected = mode == "lstm" and hx.shape[2] != cx.shape[2]
    each = (4 if has_biases else 2) + int(projected)
    if len(params) != each * num_layers * directions:
        raise RuntimeError(
            f"got an incorrect number of RNN parameters: expected {each * num_layers * directions}, got {len(params)}"
        )
    first_h = hx.unbind(0)
    first_c = (None,) * len(first_h) if cx is None else cx.unbind(0)
    last_h, last_c = [], []
    for layer in range(num_layers):
        if layer and dropout > 0 and train:
            data = f.dropout(data, dropout, True)
        outs = []
        for direction in range(directions):
            k = layer * directions + direction
            own = list(params[k * each : (k + 1) * each])
            w_hr = own.pop() if projected else None
            w_ih, w_hh, b_ih, b_hh = own if has_biases else (*own, None, None)
            given = data, first_h[k], first_c[k], w_ih, w_hh, b_ih, b_hh, w_hr
            found = _direction(given, sizes, mode, direction == 1)
            outs.append(found[0])
            last_h.append(found[1])
            if cx is not None:
                last_c.append(found[2])
        data = outs[0] if directions == 1 else f.cat(outs, 1)
    return data, f.stack(last_h), f.stack(last_c) if cx is not None else None


_LAST = "has_biases num_layers dropout train bidirectional".split()
_PADDED, _PACKED = ("input", "hx", "params", *_LAST, "batch_first"), ("data", "batch_sizes", "hx", "params", *_LAST)


def _in_order(mode: str, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    names = _PADDED if "batch_first" in named else _PACKED
    rest = names[len(args) :]
    if named.keys() != set(rest):
        raise TypeError(f"{mode}() received an invalid combination of arguments: {sorted(named)} for {list(rest)}")
    return (*args, *(named[name] for name in rest))


def _run(mode: str, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Serve both signatures: (input, hx, params, …, batch_first) and (data, batch_sizes, hx, params, …)."""
    f = Settings.functions
    if named:
        args = _in_order(mode, args, named)
    if len(args) != 9:
        raise TypeError(f"{mode}() received an invalid combination of arguments: {len(args)} where there should be 9")
    hidden = args[2 if isinstance(args[3], (list, tuple)) else 1]
    if mode == "lstm" and not (isinstance(hidden, (list, tuple)) and len(hidden) == 2):
        raise RuntimeError("lstm expects two hidden states")
    if isinstance(args[3], (list, tuple)):
        data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional = args
        hx, cx = hx if mode == "lstm" else (hx, None)
        sizes = tuple(batch_sizes.tolist() if isinstance(batch_sizes, Array) else batch_sizes)
        return _layers(mode, data, sizes, hx, cx, params, has_biases, num_layers, dropout, train, bidirectional)
    input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first = args
    hx, cx = hx if mode == "lstm" else (hx, None)
    if batch_first:
        input = f.transpose(input, 0, 1)
    steps, batch, width = input.shape
    if steps == 0:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    data = f.reshape(input, (steps * batch, width))
    out, h, c = _layers(
        mode, data, (batch,) * steps, hx, cx, params, has_biases, num_layers, dropout, train, bidirectional
    )
    out = f.reshape(out, (steps, batch, out.shape[1]))
    return f.transpose(out, 0, 1) if batch_first else out, h, c


def lstm(*args: Any, **named: Any) -> tuple[Any, Any, Any]:
    """Run a long short-term memory network; return (outputs, last hidden states, last cell states).

    Called as ``lstm(input, (h0, c0), params, has_biases, num_layers, dropout, train, bidirectional, batch_first)`` or,
    for packed sequences, ``lstm(data, batch_sizes, (h0, c0), params, has_biases, …, bidirectional)``; ``params`` are
    the weights of every layer and direction in the order of ``torch.nn.LSTM``.
    S. Hochreiter, J. Schmidhuber, Long Short-Term Memory, Neural Computation 1997.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LSTM.html

    >>> import cltorch as torch
    >>> x, h = torch.ones(3, 1, 2), torch.zeros(1, 1, 4)
    >>> weights = [torch.zeros(16, 2), torch.zeros(16, 4)]
    >>> torch.lstm(x, (h, h), weights, False, 1, 0.0, False, False, False)[0].shape
    torch.Size([3, 1, 4])
    """
    return _run("lstm", args, named)


def gru(*args: Any, **named: Any) -> tuple[Any, Any]:
    """Run a network of gated recurrent units; return (outputs, last hidden states). The arguments are as in ``lstm``.

    K. Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, EMNLP 2014.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.GRU.html

    >>> import cltorch as torch
    >>> x, h = torch.ones(3, 1, 2), torch.zeros(1, 1, 4)
    >>> weights = [torch.zeros(12, 2), torch.zeros(12, 4)]
    >>> torch.gru(x, h, weights, False, 1, 0.0, False, False, False)[0].shape
    torch.Size([3, 1, 4])
    """
    return _run("gru", args, named)[:2]


def rnn_tanh(*args: Any, **named: Any) -> tuple[Any, Any]:
    """Run an Elman network with tanh; return (outputs, last hidden states). The arguments are those of ``lstm``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.RNN.html

    >>> import cltorch as torch
    >>> x, h = torch.ones(3, 1, 2), torch.zeros(1, 1, 4)
    >>> weights = [torch.zeros(4, 2), torch.zeros(4, 4)]
    >>> torch.rnn_tanh(x, h, weights, False, 1, 0.0, False, False, False)[0].shape
    torch.Size([3, 1, 4])
    """
    return _run("tanh", args, named)[:2]


def rnn_relu(*args: Any, **named: Any) -> tuple[Any, Any]:
    """Run an Elman network with relu; return (outputs, last hidden states). The arguments are those of ``lstm``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.RNN.html

    >>> import cltorch as torch
    >>> x, h = torch.ones(3, 1, 2), torch.zeros(1, 1, 4)
    >>> weights = [torch.zeros(4, 2), torch.zeros(4, 4)]
    >>> torch.rnn_relu(x, h, weights, False, 1, 0.0, False, False, False)[0].shape
    torch.Size([3, 1, 4])
    """
    return _run("relu", args, named)[:2]


def _cell(mode: str, input: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> tuple[Any, ...]:
    need_array(f"{mode}_cell", "w_ih", 3, w_ih)
    need_array(f"{mode}_cell", "w_hh", 4, w_hh)
    for what, x in (("input", input), ("w_ih", w_ih), ("w_hh", w_hh)):
        if x.lay.ndim != 2:
            raise RuntimeError(f"{mode}_cell(): Expected {what} to be 2-dimensional, but it has {x.lay.ndim}")
    if input.shape[-1] != w_ih.shape[1]:
        raise RuntimeError(f"input has inconsistent input_size: got {input.shape[-1]} expected {w_ih.shape[1]}")
    for i, x in enumerate((h, c)):
        if x is None:
            continue
        need_array(f"{mode}_cell", "hx", 2, x)
        if x.lay.ndim != 2:
            raise RuntimeError(f"{mode}_cell(): Expected hidden{i} to be 2-dimensional, but it has {x.lay.ndim}")
        if x.shape[-1] != w_hh.shape[1]:
            raise RuntimeError(f"hidden{i} has inconsistent hidden_size: got {x.shape[-1]}, expected {w_hh.shape[1]}")
        if input.shape[0] != x.shape[0]:
            raise RuntimeError(f"Input batch size {input.shape[0]} doesn't match hidden{i} batch size {x.shape[0]}")
    rows = GATES[mode] * w_hh.shape[1]
    for what, w in (("weight_ih", w_ih), ("weight_hh", w_hh)):
        if w.shape[0] != rows:
            raise RuntimeError(f"{what} first dim must be {GATES[mode]} * hidden_size = {rows}, but got {w.shape[0]}")
    for what, b in (("b_ih", b_ih), ("b_hh", b_hh)):
        if b is not None and tuple(need_array(f"{mode}_cell", what, 5, b).shape) != (rows,):
            raise RuntimeError(f"{mode}_cell(): Expected {what} to have the shape [{rows}], but got {list(b.shape)}")
    for x in (h, c, w_ih, w_hh, b_ih, b_hh):
        if x is not None and x.dtype is not input.dtype:
            if b_ih is None:  # PyTorch's product says so, its sum with a bias the other
                have, want = (C_NAMES[t.name] for t in (input.dtype, x.dtype))
                raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {have} != {want}")
            raise RuntimeError(
                f"mat1 and mat2 must have the same dtype, but got {TYPE_NAMES[input.dtype]} and {TYPE_NAMES[x.dtype]}"
            )
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        raise NotImplementedError(f"\"{mode}_cell\" not implemented for '{TYPE_NAMES[input.dtype]}'")
    if (b_ih is None) != (b_hh is None):
        other = Settings.functions.zeros_like(b_hh if b_ih is None else b_ih)
        b_ih, b_hh = (other if b is None else b for b in (b_ih, b_hh))
    return tuple(_direction((input, h, c, w_ih, w_hh, b_ih, b_hh, None), (input.shape[0],), mode, False))


def lstm_cell(
    input: Any, hx: Sequence[Any], w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> tuple[Any, Any]:
    """Return (h, c) after one step of an LSTM: ``input`` (batch, in), ``hx`` the pair (h, c), each (batch, hidden).

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LSTMCell.html

    >>> import cltorch as torch
    >>> h = torch.ones(1, 1)
    >>> torch.lstm_cell(torch.ones(1, 2), (h, h), torch.zeros(4, 2), torch.zeros(4, 1))[1]
    tensor([[0.5000]])
    """
    need_array("lstm_cell", "input", 1, input)
    need_array("lstm_cell", "w_ih", 3, w_ih)
    need_array("lstm_cell", "w_hh", 4, w_hh)
    if b_hh is not None:
        need_array("lstm_cell", "b_hh", 6, b_hh)
    if not isinstance(hx, (list, tuple)):
        raise TypeError(f"lstm_cell(): argument 'hx' (position 2) must be tuple of Tensors, not {type(hx).__name__}")
    if len(hx) != 2:
        raise RuntimeError("lstm_cell expects two hidden states")
    found = _cell("lstm", input, hx[0], hx[1], w_ih, w_hh, b_ih, b_hh)
    return found[1], found[2]


def gru_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """Return h after one step of a GRU.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.GRUCell.html

    >>> import cltorch as torch
    >>> torch.gru_cell(torch.ones(1, 2), torch.ones(1, 1), torch.zeros(3, 2), torch.zeros(3, 1))
    tensor([[0.5000]])
    """
    need_array("gru_cell", "input", 1, input)
    need_array("gru_cell", "w_ih", 3, w_ih)
    return _cell("gru", input, hx, None, w_ih, w_hh, b_ih, b_hh)[1]


def rnn_tanh_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """Return tanh(input @ w_ih.T + b_ih + hx @ w_hh.T + b_hh).

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.RNNCell.html

    >>> import cltorch as torch
    >>> torch.rnn_tanh_cell(torch.ones(1, 2), torch.ones(1, 1), torch.zeros(1, 2), torch.zeros(1, 1))
    tensor([[0.]])
    """
    need_array("rnn_tanh_cell", "input", 1, input)
    need_array("rnn_tanh_cell", "w_ih", 3, w_ih)
    return _cell("tanh", input, hx, None, w_ih, w_hh, b_ih, b_hh)[1]


def rnn_relu_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """Return relu(input @ w_ih.T + b_ih + hx @ w_hh.T + b_hh).

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.RNNCell.html

    >>> import cltorch as torch
    >>> torch.rnn_relu_cell(torch.ones(1, 2), torch.ones(1, 1), torch.ones(1, 2), torch.zeros(1, 1))
    tensor([[2.]])
    """
    need_array("rnn_relu_cell", "input", 1, input)
    need_array("rnn_relu_cell", "hx", 2, hx)
    need_array("rnn_relu_cell", "w_ih", 3, w_ih)
    need_array("rnn_relu_cell", "w_hh", 4, w_hh)
    return _cell("relu", input, hx, None, w_ih, w_hh, b_ih, b_hh)[1]
