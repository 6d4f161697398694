"""torch.onnx for programs that merely ask whether they are being exported: they are not, there is no exporter."""

__all__ = ["is_in_onnx_export"]


def is_in_onnx_export() -> bool:
    """Return False.

    >>> is_in_onnx_export()
    False
    """
    return False
