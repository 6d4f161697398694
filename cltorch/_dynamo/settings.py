"""Settings of PyTorch's graph compiler: kept, and read by nothing, for nothing is compiled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Settings:
    """Hold settings, which begin as PyTorch's."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    @contextmanager
    def patch(self, arg1: str | dict[str, Any] | None = None, arg2: Any = None, **changes: Any) -> Iterator[None]:
        """Change settings, a dictionary's, one by its name, or keywords, during a block or a function's calls."""
        changes |= {arg1: arg2} if isinstance(arg1, str) else (arg1 or {})
        before = dict(self.__dict__)
        self.__dict__.update(changes)
        try:
            yield
        finally:
            for name in changes:
                if name in before:
                    self.__dict__[name] = before[name]
                else:
                    del self.__dict__[name]


config = _Settings(
    verbose=False, suppress_errors=False, disable=False, cache_size_limit=8, recompile_limit=8,
    accumulated_cache_size_limit=256, accumulated_recompile_limit=256, capture_scalar_outputs=False,
    capture_dynamic_output_shape_ops=False,
    capture_func_transforms=True, optimize_ddp=True, inline_inbuilt_nn_modules=True, dynamic_shapes=True,
    assume_static_by_default=True, automatic_dynamic_shapes=True, force_parameter_static_shapes=True,
    guard_nn_modules=True, specialize_int=False, allow_unspec_int_on_nn_module=False, compiled_autograd=False,
    fail_on_recompile_limit_hit=False, error_on_recompile=False, do_not_emit_runtime_asserts=False,
    numpy_default_float="float64", enable_compiler_collectives=False, reorderable_logging_functions=set(),
    ignore_logger_methods=set(), skip_fwd_side_effects_in_bwd_under_checkpoint=False,
)  # fmt: skip
