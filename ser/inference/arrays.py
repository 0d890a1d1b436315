"""From a user's array to one mono waveform, as from a file."""

import math
from typing import Any

import numpy as np

from ser.data.audio.decode import BadRecording, check_peak
from ser.data.audio.prepare import from_pcm, to_mono
from ser.errors import UserError

PCM = {"int8": (0, 128), "uint8": (128, 128), "int16": (0, 32768), "int32": (0, 2**31)}  # offset and full scale


def mono(waveform: Any, channel: int | None = None) -> np.ndarray:
    """A waveform as (T,) float32 in [-1, 1]: one channel, or the mean of all.

    Whole numbers are PCM and are divided by their type's range: int16 by 32768, int32 by 2³¹, int8 by 128; of uint8,
    whose silence is 128 as in WAV, 128 is taken away first. Floats are taken as they are.

    Args:
        waveform: Array or tensor, on any device.
        channel: `audio.channel`.

    Shape:
        (T,) or (channels, T) → (T,).

    Raises:
        UserError: Another shape or type, no sample, NaN or infinite ones, or floats that are not scaled.
        BadRecording: No such channel, or channels that cancel each other.

    >>> mono(np.array([[16384, 0], [0, 0]], dtype=np.int16)).tolist()
    [0.25, 0.0]
    """
    array = _array(waveform)
    if array.ndim not in (1, 2):
        raise UserError(f"The waveform has the shape {array.shape}: give (samples,) or (channels, samples).")
    if array.size == 0:
        raise UserError(f"The waveform is empty (shape {array.shape}).")
    if array.ndim == 2 and array.shape[0] > array.shape[1]:
        raise UserError(
            f"The waveform has the shape {array.shape}, which would be {array.shape[0]} channels: give (channels, "
            "samples). soundfile and scipy put channels last; transpose theirs with waveform.T."
        )
    samples = _floats(array)
    return samples if samples.ndim == 1 else to_mono(samples.T, channel)


def rate(sample_rate: Any) -> int:
    """A sample rate in whole Hz.

    Raises:
        UserError: Not a whole number, or out of range.

    >>> rate(44100.0)
    44100
    """
    try:
        value = float(sample_rate)
    except (TypeError, ValueError, RuntimeError):
        value = math.nan
    if isinstance(sample_rate, bool) or not value.is_integer() or not 100 <= value <= 10_000_000:
        raise UserError(f"sample_rate={sample_rate!r} must be a whole number of Hz, such as 16000.")
    return int(value)


def _array(waveform: Any) -> np.ndarray:
    try:
        if hasattr(waveform, "detach"):  # a tensor; NumPy has no bfloat16
            waveform = waveform.detach().cpu()
            return (waveform.float() if waveform.is_floating_point() else waveform).numpy()
        return np.asarray(waveform)
    except (TypeError, ValueError, RuntimeError) as error:  # lists of unequal lengths, sparse tensors
        raise UserError(f"The waveform cannot be read as an array: {error}.") from error


def _floats(array: np.ndarray) -> np.ndarray:
    kind = array.dtype.name
    if kind in PCM:
        offset, full_scale = PCM[kind]
        return from_pcm(array, offset, full_scale)
    if not np.issubdtype(array.dtype, np.floating):
        raise UserError(
            f"The waveform holds {kind}, whose full scale is unknown: give floats in [-1, 1], or PCM as "
            f"{', '.join(PCM)}."
        )
    try:
        check_peak(array)
    except BadRecording as error:
        raise UserError(f"The waveform cannot be used: {error}.") from error
    return array.astype(np.float32, copy=False)
