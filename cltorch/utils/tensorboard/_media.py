"""Records of images, videos and sounds."""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence
from typing import Any

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary

from cltorch.utils.tensorboard._convert_np import make_np
from cltorch.utils.tensorboard._utils import _prepare_video, convert_to_HWC


def _bytes(array: np.ndarray) -> np.ndarray:
    """Return bytes as they are, and all else, which lies in [0, 1], times 255."""
    if array.dtype == np.uint8:
        return array
    return (array.astype(np.float32) * 255).clip(0, 255).astype(np.uint8)


def image(tag: str, tensor: Any, rescale: float = 1, dataformats: str = "NCHW") -> Summary:
    """Return the record of an image, or of several side by side."""
    pixels = _bytes(convert_to_HWC(make_np(tensor), dataformats))
    return Summary(value=[Summary.Value(tag=tag, image=make_image(pixels, rescale=rescale))])


def image_boxes(
    tag: str, tensor_image: Any, tensor_boxes: Any, rescale: float = 1, dataformats: str = "CHW", labels: Any = None
) -> Summary:
    """Return the record of an image with boxes (x1, y1, x2, y2) drawn into it."""
    pixels = _bytes(convert_to_HWC(make_np(tensor_image), dataformats))
    made = make_image(pixels, rescale=rescale, rois=make_np(tensor_boxes), labels=labels)
    return Summary(value=[Summary.Value(tag=tag, image=made)])


def draw_boxes(disp_image: Any, boxes: np.ndarray, labels: Sequence[str] | None = None) -> Any:
    """Draw red boxes, and labels at their lower left corners, into an image of Pillow's, and return it."""
    from PIL import ImageDraw, ImageFont  # noqa: PLC0415 - optional

    draw, font = ImageDraw.Draw(disp_image), ImageFont.load_default()
    for i, box in enumerate(boxes):
        left, top, right, bottom = (float(x) for x in box)
        draw.line([(left, top), (left, bottom), (right, bottom), (right, top), (left, top)], width=2, fill="Red")
        if labels is not None and labels[i]:
            x1, y1, x2, y2 = font.getbbox(labels[i])
            width, height = x2 - x1, y2 - y1
            margin = np.ceil(0.05 * height)
            draw.rectangle([(left, bottom - height - 2 * margin), (left + width, bottom)], fill="Red")
            draw.text((left + margin, bottom - height - margin), labels[i], fill="black", font=font)
    return disp_image


def make_image(tensor: np.ndarray, rescale: float = 1, rois: Any = None, labels: Any = None) -> Any:
    """Return the message of an image (H, W, channels) of bytes, as a PNG."""
    from PIL import Image  # noqa: PLC0415 - optional

    height, width, channels = tensor.shape
    picture = Image.fromarray(np.ascontiguousarray(tensor))
    if rois is not None:
        picture = draw_boxes(picture, rois, labels=labels)
    picture = picture.resize((int(width * rescale), int(height * rescale)), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, format="PNG")
    return Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=out.getvalue())


def video(tag: str, tensor: Any, fps: float = 4) -> Summary:
    """Return the record of videos (N, T, C, H, W) side by side."""
    frames = _bytes(_prepare_video(make_np(tensor)))
    return Summary(value=[Summary.Value(tag=tag, image=make_video(frames, fps))])


def make_video(tensor: np.ndarray, fps: float) -> Any:
    """Return the message of a video (T, H, W, channels) of bytes, as an animated GIF."""
    from PIL import Image  # noqa: PLC0415 - optional

    _, height, width, channels = tensor.shape
    first, *rest = (Image.fromarray(np.ascontiguousarray(f[..., 0] if channels == 1 else f)) for f in tensor)
    out = io.BytesIO()
    first.save(out, format="GIF", save_all=True, append_images=rest, duration=1000 / fps, loop=0)
    return Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=out.getvalue())


def audio(tag: str, tensor: Any, sample_rate: int = 44100) -> Summary:
    """Return the record of a sound, one channel of numbers in [-1, 1], as a WAV file of 16 bits."""
    array = make_np(tensor).squeeze()
    if abs(array).max() > 1:
        print("warning: audio amplitude out of range, auto clipped.")
        array = array.clip(-1, 1)
    if array.ndim != 1:
        raise AssertionError("input tensor should be 1 dimensional.")
    samples = (array * np.iinfo(np.int16).max).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples.tobytes())
    message = Summary.Audio(
        sample_rate=sample_rate, num_channels=1, length_frames=len(samples), encoded_audio_string=out.getvalue(),
        content_type="audio/wav",
    )  # fmt: skip
    return Summary(value=[Summary.Value(tag=tag, audio=message)])
