"""Images: data sets, models, operators and transforms under torchvision's names."""

from cltorch.vision import datasets, io, models, ops, transforms, tv_tensors, utils

__all__ = [
    "datasets", "disable_beta_transforms_warning", "get_image_backend", "io", "models", "ops", "set_image_backend",
    "transforms", "tv_tensors", "utils",
]  # fmt: skip


def disable_beta_transforms_warning() -> None:
    """Do nothing: ``transforms.v2`` has not warned since it is no longer new."""


def get_image_backend() -> str:
    """Return what loads images.

    >>> get_image_backend()
    'PIL'
    """
    return "PIL"


def set_image_backend(backend: str) -> None:
    """Choose what loads images, which is Pillow alone; raise ValueError for anything else."""
    if backend != "PIL":
        raise ValueError(f"Invalid backend '{backend}'. The only one is 'PIL'.")


def _is_tracing() -> bool:
    return False  # there is no tracer
