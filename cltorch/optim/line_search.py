"""A line search for the strong Wolfe conditions: enough descent, and a slope that is flat enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Point", "strong_wolfe"]

_DESCENT, _FLAT = 1e-4, 0.9  # the constants c1 and c2 of the conditions


class Point(NamedTuple):
    """A place on the line: the step, the value there, the gradient and its slope along the line."""

    t: float
    value: float
    grad: Any
    slope: float


def cubic_minimum(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """Return the minimum of the cubic through two points with their slopes, within bounds (the points' own if None)."""
    low, high = bounds if bounds is not None else (min(a.t, b.t), max(a.t, b.t))
    left, right = (a, b) if a.t <= b.t else (b, a)
    if left.t == right.t:
        return (low + high) / 2
    d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    below = right.slope - left.slope + 2 * d2
    if below == 0:
        return (low + high) / 2
    at = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / below)
    return min(max(at, low), high)


def strong_wolfe(
    evaluate: Callable[[float], Point], start: Point, t: float, length: float, tolerance: float, most: int,
    descent: float = _DESCENT, flatness: float = _FLAT,
) -> tuple[Point, int]:  # fmt: skip
    """Return a point of the line that meets the conditions, or the best seen in ``most`` trials, and how many it took.

    ``evaluate(t)`` gives the point at step ``t``, ``start`` is the point at 0, ``t`` the first trial; a bracket whose
    length times ``length`` is below ``tolerance`` is narrow enough. ``descent`` and ``flatness`` are the conditions'
    constants.
    Source: Nocedal and Wright, "Numerical Optimization", algorithms 3.5 and 3.6.
    """

    def too_high(p: Point) -> bool:
        return p.value > start.value + descent * p.t * start.slope

    def flat(p: Point) -> bool:
        return abs(p.slope) <= -flatness * start.slope

    before, now = start, evaluate(t)
    evaluations, tries = 1, 0
    bracket = None
    while tries < most:
        if too_high(now) or (tries > 1 and now.value >= before.value):
            bracket = [before, now]
            break
        if flat(now):
            return now, evaluations
        if now.slope >= 0:
            bracket = [before, now]
            break
        t = cubic_minimum(before, now, (now.t + 0.01 * (now.t - before.t), now.t * 10))
        before, now = now, evaluate(t)
        evaluations, tries = evaluations + 1, tries + 1
    if bracket is None:
        bracket = [start, now]
    low, high = _order(bracket)
    stuck = False
    while tries < most and abs(bracket[1].t - bracket[0].t) * length >= tolerance:
        t = cubic_minimum(bracket[0], bracket[1])
        t, stuck = _away_from_ends(t, bracket, stuck)
        now = evaluate(t)
        evaluations, tries = evaluations + 1, tries + 1
        if too_high(now) or now.value >= bracket[low].value:
            bracket[high] = now
            low, high = _order(bracket)
            continue
        done = flat(now)
        if not done and now.slope * (bracket[high].t - bracket[low].t) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = now
        if done:
            break
    return bracket[low], evaluations


def _order(bracket: list[Point]) -> tuple[int, int]:
    return (0, 1) if bracket[0].value <= bracket[1].value else (1, 0)


def _away_from_ends(t: float, bracket: list[Point], stuck: bool) -> tuple[float, bool]:
    """Return a trial that makes progress: twice in a row close to an end of the bracket is once too often."""
    least, most = min(p.t for p in bracket), max(p.t for p in bracket)
    margin = 0.1 * (most - least)
    if min(most - t, t - least) >= margin:
        return t, False
    if stuck or t >= most or t <= least:
        return (most - margin if abs(t - most) < abs(t - least) else least + margin), False
    return t, True


def _strong_wolfe(
    obj_func: Callable[[Any, float, Any], tuple[float, Any]], x: Any, t: float, d: Any, f: float, g: Any, gtd: Any,
    c1: float = _DESCENT, c2: float = _FLAT, tolerance_change: float = 1e-9, max_ls: int = 25,
) -> tuple[float, Any, float, int]:  # fmt: skip
    """Search a line by PyTorch's arguments: ``obj_func(x, t, d)`` gives value and gradient at ``x + t * d``.

    ``f``, ``g`` and ``gtd`` are the value, the gradient and the slope at 0. Returns the value, the gradient and the
    step of the point that was found, and how often the function was called.
    """

    def evaluate(t: float) -> Point:
        value, grad = obj_func(x, t, d)
        return Point(t, value, grad, float(grad.dot(d)))

    start = Point(0, f, g.clone(), float(gtd))
    found, evaluations = strong_wolfe(evaluate, start, t, float(d.abs().max()), tolerance_change, max_ls, c1, c2)
    return found.value, found.grad, found.t, evaluations


def _cubic_interpolate(
    x1: Any, f1: Any, g1: Any, x2: Any, f2: Any, g2: Any, bounds: tuple[float, float] | None = None
) -> float:
    """Return the minimum of a cubic through two places with values and slopes, by PyTorch's arguments."""
    a, b = (Point(float(x), float(f), None, float(g)) for x, f, g in ((x1, f1, g1), (x2, f2, g2)))
    return cubic_minimum(a, b, bounds)
