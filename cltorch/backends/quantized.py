"""Engines of quantised operators, of which there are none: torch.backends.quantized."""

from __future__ import annotations

engine: str = "none"
supported_engines: list[str] = ["none"]
