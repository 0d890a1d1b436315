"""Reading a waveform faster or slower, by its spectrum."""

import math
from typing import TypeVar

import torch
from scipy.fft import next_fast_len
from torch import Tensor

Length = TypeVar("Length", int, Tensor)

_SHORTEST = 8192  # samples transformed at least: lengths are whole, so that a rate is met to 1 in that many
_NEAR = 3e-4  # how exactly a rate is met, as a share of it: half a cent
_TRIES = 40  # pairs of lengths that are tried
_SILENCE = 512  # samples added at the end at least: the transform is circular, and the end must not ring into the start


def resample(waveform: Tensor, rate: float) -> Tensor:
    """The waveform read `rate` times as fast: every frequency is multiplied by `rate`.

    Its spectrum is cut, or padded, to another number of bins and transformed back (`scipy.signal.resample`): band
    limited, without delay, for any rate, which it meets to half a cent.

    Args:
        waveform: (n,), n >= 1.
        rate: Above 0.

    Shape:
        (n,) → (round(n / rate),), at least one sample.
    """
    length = max(1, round(len(waveform) / rate))
    before, after = near_lengths(num_transformed(len(waveform)), rate)
    spectrum = torch.fft.rfft(waveform, before)
    return torch.fft.irfft(spectrum, after)[:length] * (after / before)


def num_transformed(length: Length) -> Length:
    """Samples that the transform of a recording of `length` samples takes at least; whole, or a tensor of them.

    >>> num_transformed(48_000), num_transformed(100)
    (48512, 8192)
    """
    if isinstance(length, Tensor):
        silence = (2 * _NEAR * length.double()).ceil().long().clamp(min=_SILENCE)
        return (length + silence).clamp(min=_SHORTEST)
    return max(length + max(_SILENCE, math.ceil(2 * _NEAR * length)), _SHORTEST)


def near_lengths(shortest: int, rate: float) -> tuple[int, int]:
    """Two lengths whose quotient is nearly the rate, with fast transforms: products of small primes.

    A transform whose length has a large prime factor takes several times as long.

    Args:
        shortest: The first of the two is at least this.
        rate: Above 0.

    >>> near_lengths(8192, 1.1)
    (8250, 7500)
    """
    before = shortest - 1
    for _ in range(_TRIES):
        before = next_fast_len(before + 1)
        after = next_fast_len(math.ceil(before / rate * (1 - _NEAR)))
        if abs(after * rate / before - 1) < _NEAR:
            return before, after
    return shortest, round(shortest / rate)
