"""The files of embeddings beside the events: points, their labels and images, and what TensorBoard finds them by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from tensorboard.plugins.projector.projector_config_pb2 import EmbeddingInfo, ProjectorConfig

from cltorch.utils.tensorboard._convert_np import make_np
from cltorch.utils.tensorboard._utils import make_grid


def _lines(path: Path, rows: Iterable[str]) -> None:
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8", newline="")


def make_mat(matlist: np.ndarray, save_path: Any) -> None:
    """Write points (N, D) as tensors.tsv."""
    _lines(Path(save_path) / "tensors.tsv", ("\t".join(map(str, row)) for row in matlist.tolist()))


def make_tsv(metadata: Sequence[Any], save_path: Any, metadata_header: Sequence[str] | None = None) -> None:
    """Write the labels of points as metadata.tsv, in columns where there is a header."""
    rows: list[str] = [str(row) for row in metadata]
    if metadata_header:
        if len(metadata_header) != len(metadata[0]):
            raise AssertionError("len of header must be equal to the number of columns in metadata")
        rows = ["\t".join(map(str, row)) for row in [metadata_header, *metadata]]
    _lines(Path(save_path) / "metadata.tsv", rows)


def make_sprite(label_img: Any, save_path: Any) -> None:
    """Write the images of points as sprite.png, a square of as many rows as columns."""
    from PIL import Image  # noqa: PLC0415 - optional

    images = make_np(label_img)
    side = math.ceil(len(images) ** 0.5)
    grid = make_grid(images, ncols=side).transpose(1, 2, 0)
    square = np.zeros((grid.shape[1], grid.shape[1], 3))
    square[: grid.shape[0]] = grid
    Image.fromarray((square * 255).clip(0, 255).astype(np.uint8)).save(Path(save_path) / "sprite.png")


def get_embedding_info(metadata: Any, label_img: Any, subdir: str, global_step: int, tag: str) -> EmbeddingInfo:
    """Return the message that says in which files an embedding lies."""
    info = EmbeddingInfo(tensor_name=f"{tag}:{str(global_step).zfill(5)}", tensor_path=f"{subdir}/tensors.tsv")
    if metadata is not None:
        info.metadata_path = f"{subdir}/metadata.tsv"
    if label_img is not None:
        info.sprite.image_path = f"{subdir}/sprite.png"
        info.sprite.single_image_dim.extend([label_img.shape[3], label_img.shape[2]])
    return info


def write_pbtxt(save_path: Any, contents: str) -> None:
    """Write projector_config.pbtxt."""
    (Path(save_path) / "projector_config.pbtxt").write_text(contents, encoding="utf-8")


def written(config: ProjectorConfig) -> str:
    """Return the configuration as text."""
    return text_format.MessageToString(config)
