"""Pipes: datasets whose stages other packages add as methods. The stages that PyTorch brings itself are not here.

Source: https://github.com/pytorch/pytorch/blob/v2.13.0/torch/utils/data/datapipes/datapipe.py
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar, cast

from cltorch.utils.data.dataset import Dataset, IterableDataset

__all__ = ["IterDataPipe", "MapDataPipe", "functional_datapipe"]

T = TypeVar("T")


class _Stages:
    """Find the registered stages as methods."""

    functions: ClassVar[dict[str, Callable[..., Any]]]

    def __getattr__(self, name: str) -> Any:
        stage = type(self).functions.get(name)
        if stage is None:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        return functools.partial(stage, self)

    @classmethod
    def register_function(cls, function_name: str, function: Callable[..., Any]) -> None:
        """Make a function of a pipe its method."""
        if function_name in cls.functions:
            raise ValueError(f"Unable to add DataPipe function name {function_name} as it is already taken")
        cls.functions[function_name] = function

    @classmethod
    def register_datapipe_as_function(
        cls, function_name: str, cls_to_register: Any, enable_df_api_tracing: bool = False
    ) -> None:
        """Make a class of pipes, called with a pipe and arguments, a method of pipes."""
        cls.register_function(function_name, lambda pipe, *args, **kwargs: cls_to_register(pipe, *args, **kwargs))


class IterDataPipe(_Stages, IterableDataset[T]):
    """Yield samples, from a source or from another pipe.

    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.IterDataPipe

    >>> @functional_datapipe("doubled_")
    ... class Doubled(IterDataPipe):
    ...     def __init__(self, source): self.source = source
    ...     def __iter__(self): return (2 * x for x in self.source)
    >>> class Numbers(IterDataPipe):
    ...     def __iter__(self): return iter(range(3))
    >>> list(Numbers().doubled_())
    [0, 2, 4]
    """

    functions: ClassVar[dict[str, Callable[..., Any]]] = {}

    def __iter__(self) -> Iterator[T]:
        return cast(Iterator[T], self)

    def reset(self) -> None:
        """Do nothing: a pipe that has a state overrides it."""


class MapDataPipe(_Stages, Dataset[T]):
    """Map an index to a sample, from a source or from another pipe.

    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.MapDataPipe
    """

    functions: ClassVar[dict[str, Callable[..., Any]]] = {}


class functional_datapipe:
    """Register the decorated class as a method of pipes of its kind; a class of another kind stays as it is.

    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.functional_datapipe
    """

    def __init__(self, name: str, enable_df_api_tracing: bool = False) -> None:
        self.name = name

    def __call__(self, cls: T) -> T:
        for kind in (IterDataPipe, MapDataPipe):
            if isinstance(cls, type) and issubclass(cls, kind):
                kind.register_datapipe_as_function(self.name, cls)
        return cls
