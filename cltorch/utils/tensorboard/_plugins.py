"""Records that plugins of TensorBoard read: text, curves, hyperparameters, charts, meshes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf import struct_pb2
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.plugins.mesh import metadata as mesh_metadata
from tensorboard.plugins.mesh.plugin_data_pb2 import MeshPluginData
from tensorboard.plugins.pr_curve.plugin_data_pb2 import PrCurvePluginData
from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData

from cltorch.tensor import Tensor
from cltorch.utils.tensorboard._convert_np import make_np

_MOST_THRESHOLDS = 127  # the message's field takes no more
_SMALL = 1e-7  # in place of a count of zero to divide by


def _metadata(name: str, content: Any = None) -> SummaryMetadata:
    data = SummaryMetadata.PluginData(plugin_name=name)
    if content is not None:
        data.content = content.SerializeToString()
    return SummaryMetadata(plugin_data=data)


def _floats(array: np.ndarray) -> TensorProto:
    sizes = TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in array.shape])
    return TensorProto(dtype="DT_FLOAT", float_val=array.reshape(-1).tolist(), tensor_shape=sizes)


def text(tag: str, text: str) -> Summary:
    """Return the record of a text in Markdown."""
    message = TensorProto(
        dtype="DT_STRING", string_val=[text.encode("utf-8")],
        tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)]),
    )  # fmt: skip
    data = _metadata("text", TextPluginData(version=0))
    return Summary(value=[Summary.Value(tag=f"{tag}/text_summary", metadata=data, tensor=message)])


def pr_curve_raw(
    tag: str, tp: Any, fp: Any, tn: Any, fn: Any, precision: Any, recall: Any, num_thresholds: int = 127,
    weights: Any = None,
) -> Summary:  # fmt: skip
    """Return the record of a curve of precision and recall whose points are computed already."""
    return _curve(tag, np.stack([make_np(x) for x in (tp, fp, tn, fn, precision, recall)]), num_thresholds)


def pr_curve(tag: str, labels: Any, predictions: Any, num_thresholds: int = 127, weights: Any = None) -> Summary:
    """Return the record of the curve of precision and recall of predicted probabilities."""
    num_thresholds = min(num_thresholds, _MOST_THRESHOLDS)
    points = compute_curve(make_np(labels), make_np(predictions), num_thresholds, weights)
    return _curve(tag, points, num_thresholds)


def _curve(tag: str, points: np.ndarray, num_thresholds: int) -> Summary:
    content = PrCurvePluginData(version=0, num_thresholds=min(num_thresholds, _MOST_THRESHOLDS))
    return Summary(
        value=[Summary.Value(tag=tag, metadata=_metadata("pr_curves", content), tensor=_floats(points))]
    )  # fmt: skip


def compute_curve(labels: np.ndarray, predictions: np.ndarray, num_thresholds: int, weights: Any = None) -> np.ndarray:
    """Return (6, num_thresholds): true and false positives, true and false negatives, precision, recall.

    At threshold i those are taken for positive whose prediction is at least i / (num_thresholds - 1).
    """
    weights = 1.0 if weights is None else weights
    place = np.floor(predictions * (num_thresholds - 1)).astype(np.int32)
    truth = labels.astype(np.float64)

    def at_least(amounts: Any) -> np.ndarray:
        found, _ = np.histogram(place, num_thresholds, (0, num_thresholds - 1), weights=amounts)
        return np.cumsum(found[::-1])[::-1]

    tp, fp = at_least(truth * weights), at_least((1.0 - truth) * weights)
    tn, fn = fp[0] - fp, tp[0] - tp
    return np.stack((tp, fp, tn, fn, tp / np.maximum(_SMALL, tp + fp), tp / np.maximum(_SMALL, tp + fn)))


def custom_scalars(layout: Mapping[str, Mapping[str, Any]]) -> Summary:
    """Return the record of which charts show which scalars: {category: {title: [kind, tags]}}."""
    categories = []
    for category, charts in layout.items():
        made = []
        for title, (kind, tags) in charts.items():
            if kind == "Margin":
                if len(tags) != 3:
                    raise AssertionError("len(tags) != 3")
                series = layout_pb2.MarginChartContent.Series(value=tags[0], lower=tags[1], upper=tags[2])
                made.append(layout_pb2.Chart(title=title, margin=layout_pb2.MarginChartContent(series=[series])))
            else:
                lines = layout_pb2.MultilineChartContent(tag=tags)
                made.append(layout_pb2.Chart(title=title, multiline=lines))
        categories.append(layout_pb2.Category(title=category, chart=made))
    message = TensorProto(
        dtype="DT_STRING", string_val=[layout_pb2.Layout(category=categories).SerializeToString()],
        tensor_shape=TensorShapeProto(),
    )  # fmt: skip
    data = _metadata("custom_scalars")
    return Summary(value=[Summary.Value(tag="custom_scalars__config__", tensor=message, metadata=data)])


def mesh(
    tag: str, vertices: Any, colors: Any, faces: Any, config_dict: Any, display_name: str | None = None,
    description: str | None = None,
) -> Summary:  # fmt: skip
    """Return the records of points (N, V, 3), their colours and the triangles between them, as far as given."""
    kinds = MeshPluginData
    parts = [(vertices, kinds.VERTEX), (faces, kinds.FACE), (colors, kinds.COLOR)]
    parts = [(make_np(values), kind) for values, kind in parts if values is not None]
    components = mesh_metadata.get_components_bitmask([kind for _, kind in parts])
    config = json.dumps(config_dict, sort_keys=True) if config_dict is not None else "{}"
    return Summary(
        value=[
            Summary.Value(
                tag=mesh_metadata.get_instance_name(tag, kind),
                tensor=_floats(values),
                metadata=mesh_metadata.create_summary_metadata(
                    tag, display_name, kind, components, values.shape, description, json_config=config
                ),
            )
            for values, kind in parts
        ]
    )


def _parameter(name: str, value: Any, choices: list[Any] | None) -> tuple[struct_pb2.Value, api_pb2.HParamInfo]:
    """Return a hyperparameter's value and its description."""
    if isinstance(value, Tensor):
        value, choices = make_np(value).reshape(-1)[0].item(), None
    if isinstance(value, (int, float)):  # a bool too, as PyTorch has it
        kind, field = "DATA_TYPE_FLOAT64", "number_value"
    elif isinstance(value, str):
        kind, field = "DATA_TYPE_STRING", "string_value"
    else:
        raise ValueError("value should be one of int, float, str, bool, or torch.Tensor")
    info = api_pb2.HParamInfo(name=name, type=api_pb2.DataType.Value(kind))
    if choices is not None:
        values = [struct_pb2.Value(**{field: x}) for x in choices]
        info.domain_discrete.CopyFrom(struct_pb2.ListValue(values=values))
    return struct_pb2.Value(**{field: value}), info


def hparams(
    hparam_dict: Any = None, metric_dict: Any = None, hparam_domain_discrete: Any = None
) -> tuple[Summary, Summary, Summary]:
    """Return three records: what is varied and measured, the values of this run, and that it ended well.

    Raises TypeError for what is no dictionary, ValueError for values that are no number, text or tensor.
    """
    for name, given in (("hparam_dict", hparam_dict), ("metric_dict", metric_dict)):
        if not isinstance(given, dict):
            raise TypeError(f"parameter: {name} should be a dictionary, nothing logged.")
    choices = hparam_domain_discrete or {}
    if not isinstance(choices, dict):
        raise TypeError("parameter: hparam_domain_discrete should be a dictionary, nothing logged.")
    for key, values in choices.items():
        known = key in hparam_dict and isinstance(values, list)
        if not known or not all(isinstance(x, type(hparam_dict[key])) for x in values):
            raise TypeError(
                f"parameter: hparam_domain_discrete[{key}] should be a list of same type as hparam_dict[{key}]."
            )
    infos, start = [], plugin_data_pb2.SessionStartInfo()
    for key, value in hparam_dict.items():
        if value is not None:
            message, info = _parameter(key, value, choices.get(key))
            start.hparams[key].CopyFrom(message)
            infos.append(info)
    metrics = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=key)) for key in metric_dict]
    experiment = api_pb2.Experiment(hparam_infos=infos, metric_infos=metrics)
    end = plugin_data_pb2.SessionEndInfo(status=api_pb2.Status.Value("STATUS_SUCCESS"))

    def record(tag: str, **content: Any) -> Summary:
        data = plugin_data_pb2.HParamsPluginData(version=hparams_metadata.PLUGIN_DATA_VERSION, **content)
        return Summary(value=[Summary.Value(tag=tag, metadata=_metadata(hparams_metadata.PLUGIN_NAME, data))])

    return (
        record(hparams_metadata.EXPERIMENT_TAG, experiment=experiment),
        record(hparams_metadata.SESSION_START_INFO_TAG, session_start_info=start),
        record(hparams_metadata.SESSION_END_INFO_TAG, session_end_info=end),
    )
