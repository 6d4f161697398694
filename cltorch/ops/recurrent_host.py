"""Recurrent layers on the host, in NumPy: all steps of one direction of one layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def _logistic(x: Any) -> Any:
    # by tanh, which does not overflow
    return 0.5 * (1 + np.tanh(0.5 * x))


def order(sizes: Sequence[int], reverse: bool) -> list[tuple[int, int]]:
    """Return (first row, rows) of every step in the order in which they are computed."""
    out, at = [], 0
    for n in sizes:
        out.append((at, n))
        at += n
    return out[::-1] if reverse else out


def forward(given: Sequence[Any], sizes: Sequence[int], mode: str, reverse: bool) -> tuple[Any, ...]:
    """Return (outputs, last h, last c or None, what ``backward`` needs)."""
    x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr = given
    gx = x @ w_ih.T
    if b_ih is not None:
        gx += b_ih if mode == "gru" else b_ih + b_hh
    units = w_hh.shape[1] if w_hr is None else w_hr.shape[1]
    h = h0.copy()
    c: Any = None if c0 is None else c0.copy()
    out = np.empty((x.shape[0], h.shape[1]), x.dtype)
    h_before = np.empty_like(out)
    gates: Any = np.empty((x.shape[0], 4 * units), x.dtype) if mode in ("lstm", "gru") else None
    c_before, hidden = (np.empty((x.shape[0], units), x.dtype) for _ in range(2))
    for at, rows in order(sizes, reverse):
        here = slice(at, at + rows)
        h_before[here] = h[:rows]
        pre = h[:rows] @ w_hh.T
        if mode == "gru":
            if b_hh is not None:
                pre += b_hh
            g = gx[here]
            rz = _logistic(g[:, : 2 * units] + pre[:, : 2 * units])
            r, z = rz[:, :units], rz[:, units:]
            hn = pre[:, 2 * units :]
            n = np.tanh(g[:, 2 * units :] + r * hn)
            y = n + z * (h[:rows] - n)
            gates[here] = np.concatenate((rz, n, hn), 1)
        else:
            pre += gx[here]
            if mode == "lstm":
                i, f, o = (_logistic(pre[:, k * units : (k + 1) * units]) for k in (0, 1, 3))
                g = np.tanh(pre[:, 2 * units : 3 * units])
                c_before[here] = c[:rows]
                c[:rows] = f * c[:rows] + i * g
                y = o * np.tanh(c[:rows])
                gates[here] = np.concatenate((i, f, g, o), 1)
                if w_hr is not None:
                    hidden[here] = y
                    y = y @ w_hr.T
            else:
                y = np.tanh(pre) if mode == "tanh" else np.where(pre < 0, 0, pre)
        h[:rows] = out[here] = y
    return out, h, c, (out, h_before, gates, c_before, hidden)


def backward(
    given: Sequence[Any], grads: Sequence[Any], kept: Sequence[Any], sizes: Sequence[int], mode: str, reverse: bool
) -> list[Any]:
    """Return the gradients of (x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr), None where there is no such operand."""
    x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr = given
    dout, dh, dc = grads
    out, h_before, gates, c_before, hidden = kept
    units = w_hh.shape[1] if w_hr is None else w_hr.shape[1]
    dh = np.zeros_like(h0) if dh is None else dh.copy()
    if c0 is not None:
        dc = np.zeros_like(c0) if dc is None else dc.copy()
    dpre = np.empty((x.shape[0], w_hh.shape[0]), x.dtype)
    dstate = np.empty_like(dpre) if mode == "gru" else dpre
    dproject = np.empty_like(out)
    for at, rows in order(sizes, not reverse):
        here = slice(at, at + rows)
        d = dh[:rows] if dout is None else dh[:rows] + dout[here]
        if mode == "lstm":
            if w_hr is not None:
                dproject[here] = d
                d = d @ w_hr
            i, f, g, o = (gates[here, k * units : (k + 1) * units] for k in range(4))
            before = c_before[here]
            y = np.tanh(f * before + i * g)
            e = dc[:rows] + d * o * (1 - y * y)
            dpre[here] = np.concatenate(
                (e * g * i * (1 - i), e * before * f * (1 - f), e * i * (1 - g * g), d * y * o * (1 - o)), 1
            )
            dc[:rows] = e * f
            dh[:rows] = dpre[here] @ w_hh
        elif mode == "gru":
            r, z, n, hn = (gates[here, k * units : (k + 1) * units] for k in range(4))
            dn = d * (1 - z) * (1 - n * n)
            dz = d * (h_before[here] - n) * z * (1 - z)
            dr = dn * hn * r * (1 - r)
            dpre[here], dstate[here] = np.concatenate((dr, dz, dn), 1), np.concatenate((dr, dz, dn * r), 1)
            dh[:rows] = d * z + dstate[here] @ w_hh
        else:
            y = out[here]
            dpre[here] = d * (1 - y * y) if mode == "tanh" else np.where(y > 0, d, 0)
            dh[:rows] = dpre[here] @ w_hh
    biased = b_ih is not None
    return [
        dpre @ w_ih,
        dh,
        dc if c0 is not None else None,
        dpre.T @ x,
        dstate.T @ h_before,
        dpre.sum(0) if biased else None,
        dstate.sum(0) if biased else None,
        None if w_hr is None else dproject.T @ hidden,
    ]
