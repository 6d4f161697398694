"""The parameters of kernels as data: for each kernel its meaning, what may be tried, the choice per class of device.

A kernel's row has ``meaning`` (each parameter in words), ``values`` (all that it may be) and, per class of device
(``cltorch.ops.tuning.device_class``), a set of parameters. ``smaller`` lists sets for devices that the class's own does
not fit, the last of which fits everything.

Where the GPU figures come from: the database of CLBlast, its kernels Xgemm (large blocks), XgemmDirect (small ones) and
gemv in float32, brought to blocks whose two operands and padding need at most 16 KB of local memory, and to at most 256
items in a group. Source: https://github.com/CNugteren/CLBlast/tree/master/src/database/kernels
"""

from __future__ import annotations

from typing import Any

_BLOCK = {
    "block_rows": "rows of the result that a work-group makes",
    "block_columns": "columns of the result that a work-group makes",
    "block_depth": "terms of the sum that are in local memory at a time",
    "group_rows": "work-items of a group along the rows",
    "group_columns": "work-items of a group along the columns",
}
_BLOCK_VALUES = {
    "block_rows": (16, 32, 64, 128),
    "block_columns": (16, 32, 64, 128),
    "block_depth": (4, 8, 16, 32),
    "group_rows": (4, 8, 16, 32),
    "group_columns": (4, 8, 16, 32),
}
_INNER = {
    "vector_width": "neighbouring rows and columns that a work-item owns and reads together",
    "unroll": "terms of the sum per round of the innermost loop",
}
_INNER_VALUES = {"vector_width": (1, 2, 4, 8), "unroll": (1, 2, 4, 8)}
_PLANES = {
    "rows_together": "rows of results that are made together",
    "panel_elements": "elements of the padded input that are laid out at a time",
    "vector_bytes": "bytes of a vector register",
}
_PLANES_VALUES = {
    "rows_together": (1, 2, 3, 4, 6, 8),
    "panel_elements": (1536, 3072, 6144, 12288, 24576),
    "vector_bytes": (16, 32, 64),
}
_GROUP = {"group_items": "work-items that add up one line together"}
_GROUP_VALUES = {"group_items": (16, 32, 64, 128, 256)}
_SMALLER_GROUPS = [{"group_items": n} for n in (128, 64, 32, 16, 8, 4, 2, 1)]
_TILE = {
    "tile_rows": "rows of the tile that is kept in registers",
    "tile_vectors": "vectors in each of its rows",
    "vector_bytes": "bytes of a vector register",
    "packed_bytes": "room for the columns of B that a work-item has laid out for itself",
    "unroll": "terms of the sum per round of the innermost loop",
    "prefetch": "rows of the packed columns that are asked for ahead; 0 for none",
    "left": "whether rows of A that lie together are read in place, or packed like others",
}
_TILE_VALUES = {
    "tile_rows": (4, 5, 6, 7, 8, 9, 10, 12, 14),
    "tile_vectors": (1, 2, 3, 4),
    "vector_bytes": (16, 32, 64),
    "packed_bytes": (65536, 131072, 196608, 262144, 393216, 524288, 786432),
    "unroll": (1, 2, 4),
    "prefetch": (0, 4, 8, 16),
    "left": ("in place", "packed"),
}


def _block(rows: int, columns: int, depth: int, group_rows: int, group_columns: int, **inner: int) -> dict[str, int]:
    return {
        "block_rows": rows, "block_columns": columns, "block_depth": depth,
        "group_rows": group_rows, "group_columns": group_columns, **inner,
    }  # fmt: skip


def _tile(rows: int, vectors: int, vector_bytes: int, packed_bytes: int) -> dict[str, int | str]:
    return {
        "tile_rows": rows, "tile_vectors": vectors, "vector_bytes": vector_bytes, "packed_bytes": packed_bytes,
        "unroll": 1, "prefetch": 8, "left": "in place",
    }  # fmt: skip


def _lanes(rows: int, short: int, vector_bytes: int) -> dict[str, int | str]:
    return {
        "tile_rows": rows, "short_rows": short, "tile_vectors": 2, "vector_bytes": vector_bytes,
        "winograd": "estimated",
    }  # fmt: skip


def _weight(units: int, flat_units: int, flat_lanes: int, vector_bytes: int) -> dict[str, int | str]:
    return {
        "tile_rows": units, "tile_vectors": 2, "flat_rows": flat_units, "flat_lanes": flat_lanes,
        "vector_bytes": vector_bytes, "winograd": "estimated", "winograd_tiles": 56,
    }  # fmt: skip


def _planes(vector_bytes: int, **more: int) -> dict[str, int]:
    return {"rows_together": 4, "panel_elements": 6144, "vector_bytes": vector_bytes, **more}


def _steps(rows: int) -> dict[str, int]:
    return {
        "tile_rows": rows, "tile_vectors": 2, "vector_bytes": 64, "prefetch": 8, "cached_bytes": 1572864,
    }  # fmt: skip


def _lines(vector_bytes: int, run_bytes: int = 8192) -> dict[str, int]:
    return {
        "vector_bytes": vector_bytes, "rows_together": 4, "run_vectors": run_bytes // vector_bytes, "least_work": 16384,
    }  # fmt: skip


KERNELS: dict[str, dict[str, Any]] = {
    # the accumulators (tile_rows * tile_vectors), a row's vectors of B and one of A must fit the registers: 32 of them
    # on AVX-512 (8x48), 16 on AVX2 (6x16) and on four-wide machines (6x8); the packed part of B belongs into one
    # core's L2
    "matmul cpu": {
        "meaning": _TILE,
        "values": _TILE_VALUES,
        "cpu-avx512": _tile(8, 3, 64, 393216),
        "cpu-avx2": _tile(6, 2, 32, 131072),
        "cpu": _tile(6, 2, 16, 131072),
    },
    # few rows by a matrix that is read in place with the operands exchanged: the tile's columns are those rows. 6x64
    # makes one panel of 64 rows
    "matmul cpu few rows": {
        "meaning": {**_TILE, "most_rows": "rows up to which the operands are exchanged; 0 for never"},
        "values": {**_TILE_VALUES, "most_rows": (0, 16, 32, 64, 96, 128, 192, 256)},
        "cpu-avx512": _tile(6, 4, 64, 393216) | {"most_rows": 128},
        "cpu-avx2": _tile(6, 2, 32, 131072) | {"most_rows": 64},
        "cpu": _tile(6, 2, 16, 131072) | {"most_rows": 64},
    },
    "matrix vector cpu": {
        "meaning": {
            "vector_bytes": "bytes of a vector register",
            "rows_together": "rows that share the loads of the vector",
            "run_vectors": "vectors of outputs that stay in the first cache while rows of the matrix are added to them",
            "least_work": "elements of the matrix below which another work-item costs more than it brings",
        },
        "values": {
            "vector_bytes": (16, 32, 64),
            "rows_together": (1, 2, 4, 8),
            "run_vectors": (16, 64, 128, 256, 512),
            "least_work": (4096, 16384, 65536),
        },
        "cpu-avx512": _lines(64, 16384),
        "cpu-avx2": _lines(32),
        "cpu": _lines(16),
    },
    # direct convolutions along lanes have two tiles, of which each one is taken where its estimate is better; the end
    # of a row takes half of it
    "convolution cpu": {
        "meaning": {
            "tile_rows": "results of the larger tile that is kept in registers",
            "short_rows": "results of the smaller one",
            "tile_vectors": "vectors of channels in both",
            "vector_bytes": "bytes of a vector register",
            "winograd": "which windows of 3x3 go Winograd's way: those estimated to gain by it, all that fit, or none",
        },
        "values": {
            "tile_rows": (4, 6, 8, 10, 12, 14),
            "short_rows": (2, 4, 6, 8),
            "tile_vectors": (1, 2, 3),
            "vector_bytes": (16, 32, 64),
            "winograd": ("none", "estimated", "all"),
        },
        "cpu-avx512": _lanes(14, 8, 64),
        "cpu-avx2": _lanes(6, 4, 32),
        "cpu": _lanes(6, 4, 16),
    },
    # gradients of weights have a tile along output channels, whose units (a channel and a tap; 9 are a window of 3x3)
    # meet one result at a time, and one along results for few channels; the estimate chooses
    "convolution weight cpu": {
        "meaning": {
            "tile_rows": "units of the tile along output channels",
            "tile_vectors": "vectors of output channels in it",
            "flat_rows": "units of the tile along results",
            "flat_lanes": "output channels in it",
            "vector_bytes": "bytes of a vector register",
            "winograd": "which windows of 3x3 go Winograd's way: those estimated to gain by it, all that fit, or none",
            "winograd_tiles": "tiles of the gradient that are transformed and multiplied together that way",
        },
        "values": {
            "tile_rows": (3, 4, 5, 6, 7, 8, 9, 10, 12, 14),
            "tile_vectors": (1, 2, 3),
            "flat_rows": (2, 3, 4, 5, 6, 8, 9),
            "flat_lanes": (1, 2, 3, 4),
            "vector_bytes": (16, 32, 64),
            "winograd": ("none", "estimated", "all"),
            "winograd_tiles": (14, 28, 56, 84, 112),
        },
        "cpu-avx512": _weight(9, 6, 4, 64),
        "cpu-avx2": _weight(5, 3, 3, 32),
        "cpu": _weight(5, 3, 3, 16),
    },
    "depthwise cpu": {
        "meaning": _PLANES,
        "values": _PLANES_VALUES,
        "cpu-avx512": _planes(64),
        "cpu-avx2": _planes(32),
        "cpu": _planes(16),
    },
    "depthwise weight cpu": {
        "meaning": {**_PLANES, "whole_taps": "taps up to which a window's are all summed in registers at once"},
        "values": {**_PLANES_VALUES, "whole_taps": (0, 9, 25)},
        "cpu-avx512": _planes(64, whole_taps=9),
        "cpu-avx2": _planes(32, whole_taps=9),
        "cpu": _planes(16, whole_taps=9),
    },
    # the products of states with their weights, which each core computes for its own sequences
    "recurrent cpu": {
        "meaning": {
            "tile_rows": "sequences of the tile that is kept in registers",
            "tile_vectors": "vectors in each of its rows",
            "vector_bytes": "bytes of a vector",
            "prefetch": "rows of the packed weight that are asked for ahead; 0 for none",
            "cached_bytes": "bytes of weights up to which one core takes few sequences through all steps",
        },
        "values": {
            "tile_rows": (2, 4, 5, 6, 7, 8, 10, 12),
            "tile_vectors": (1, 2, 3, 4),
            "vector_bytes": (16, 32, 64),
            "prefetch": (0, 4, 8, 16, 32),
            "cached_bytes": (0, 524288, 1572864, 4194304),
        },
        "cpu-avx512": _steps(8),
        "cpu-avx2": _steps(4),
        "cpu": _steps(4),
    },
    # where large blocks would leave compute units idle, the small ones are taken
    "matmul gpu": {
        "meaning": {**_BLOCK, **_INNER},
        "values": {**_BLOCK_VALUES, **_INNER_VALUES},
        "nvidia": _block(128, 64, 16, 8, 16, vector_width=4, unroll=2),
        "amd": _block(64, 64, 16, 8, 16, vector_width=4, unroll=2),
        "intel": _block(64, 64, 16, 8, 16, vector_width=4, unroll=2),
        "gpu": _block(64, 64, 16, 16, 16, vector_width=1, unroll=1),
        "smaller": [
            _block(64, 64, 16, 16, 16, vector_width=1, unroll=1),
            _block(32, 32, 8, 8, 8, vector_width=1, unroll=1),
            _block(16, 16, 4, 4, 4, vector_width=1, unroll=1),
        ],
    },
    "matmul gpu small": {
        "meaning": {**_BLOCK, **_INNER},
        "values": {**_BLOCK_VALUES, **_INNER_VALUES},
        "nvidia": _block(32, 32, 32, 16, 8, vector_width=2, unroll=2),
        "amd": _block(32, 32, 32, 8, 8, vector_width=2, unroll=2),
        "intel": _block(32, 32, 32, 8, 16, vector_width=2, unroll=2),
        "gpu": _block(32, 32, 16, 8, 16, vector_width=1, unroll=1),
        "smaller": [
            _block(32, 32, 8, 8, 8, vector_width=1, unroll=1),
            _block(16, 16, 4, 4, 4, vector_width=1, unroll=1),
        ],
    },
    "matrix vector gpu": {
        "meaning": _GROUP,
        "values": _GROUP_VALUES,
        "nvidia": {"group_items": 128},
        "amd": {"group_items": 256},
        "intel": {"group_items": 64},
        "gpu": {"group_items": 128},
        "smaller": _SMALLER_GROUPS,
    },
    "convolution gpu": {
        "meaning": _BLOCK,
        "values": _BLOCK_VALUES,
        "nvidia": _block(64, 64, 16, 16, 16),
        "amd": _block(64, 64, 16, 16, 16),
        "intel": _block(64, 64, 16, 16, 16),
        "gpu": _block(64, 64, 16, 16, 16),
        "smaller": [_block(32, 32, 8, 8, 8), _block(16, 16, 4, 4, 4)],
    },
    "convolution gpu small": {
        "meaning": _BLOCK,
        "values": _BLOCK_VALUES,
        "nvidia": _block(32, 32, 16, 8, 16),
        "amd": _block(32, 32, 16, 8, 8),
        "intel": _block(32, 32, 16, 8, 16),
        "gpu": _block(32, 32, 16, 16, 16),
        "smaller": [_block(32, 32, 8, 8, 8), _block(16, 16, 4, 4, 4)],
    },
    "recurrent gpu": {
        "meaning": {"group_items": "work-items of a group, which take a number each"},
        "values": _GROUP_VALUES,
        **{device: {"group_items": 64} for device in ("nvidia", "amd", "intel", "gpu")},
        "smaller": _SMALLER_GROUPS,
    },
    **{
        f"{name} gpu": {
            "meaning": _GROUP,
            "values": _GROUP_VALUES,
            **{device: {"group_items": 256} for device in ("nvidia", "amd", "intel", "gpu")},
            "smaller": _SMALLER_GROUPS,
        }
        for name in ("reduction", "softmax", "normalisation")
    },
}
