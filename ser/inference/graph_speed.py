"""Reading recordings faster or slower, as `ser.augmentations.resampling`, in tensor operations that can be exported.

There each recording has a Fourier transform of its own length, which a batch cannot have; and onnxruntime keeps two
digits of a transform whose length is not a power of two. What the two transforms do to a recording x of n samples is

    y(t) = Σ_n x[n] D(t - n),   D(u) = (1 + 2 Σ_k cos(2πku / N)) / N = sin((2K + 1)πu / N) / (N sin(πu / N))

with the K lowest of the N frequencies, at t = m N / M for two lengths N and M near the speed. Here this sum is computed
as a convolution, in blocks of one length, for whole and half samples, and y is read off between them. Both agree to
about 1e-6.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ser.augmentations.resampling import near_lengths, num_transformed

BLOCK = 2**16  # samples of a block of the convolution
_TAPS = 16  # half samples that a value between them is summed over
_BETA = 12.5  # shape of their window, exp(β (√(1 - z²) - 1)): what it lets through is below -115 dB
_MARGIN = _TAPS  # zeros before and behind a recording, so that it can be read up to its ends
_LONGEST = 2**25  # samples up to which the very lengths of `resample` are used; beyond, the last ones


class Reader(nn.Module):
    """Reads each recording at several speeds, and of each what is asked for.

    Args:
        rates: R speeds, each above 0.
    """

    def __init__(self, rates: Sequence[float]):
        super().__init__()
        self.rates = tuple(rates)
        tables = [_near_lengths(rate) for rate in rates]
        widest = max(map(len, tables))
        padded = [table + table[-1:] * (widest - len(table)) for table in tables]
        self.register_buffer("near", torch.tensor(padded), persistent=False)  # (R, lengths, 2)

    def lengths(self, lengths: Tensor) -> Tensor:
        """Samples of whole recordings once read, at least 1: (B,) → (B, R)."""
        rates = torch.tensor(self.rates, dtype=torch.float64, device=lengths.device)
        return (lengths[:, None] / rates).round().long().clamp(min=1)

    def transforms(self, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """N and M of recordings of `lengths` samples: (B,) → (B, R), (B, R)."""
        before = self.near[:, :, 0]
        index = (num_transformed(lengths)[:, None, None] > before).sum(dim=2).clamp(max=before.shape[1] - 1)
        chosen = self.near.expand(lengths.shape[0], -1, -1, -1).gather(2, index[:, :, None, None].expand(-1, -1, -1, 2))
        return chosen[:, :, 0, 0], chosen[:, :, 0, 1]

    def forward(self, waveforms: Tensor, lengths: Tensor, starts: Tensor, width: int) -> Tensor:
        """Parts of recordings as they are read; what lies behind a recording's end is not zero.

        Args:
            waveforms: Whole recordings, zeros behind their ends.
            lengths: Samples of each.
            starts: First sample of each of C parts, counted at the new speed.
            width: Samples of a part.

        Shape:
            waveforms (B, T), lengths (B,), starts (B, R, C) → (B, R, C, width).
        """
        before, after = self.transforms(lengths)
        halves = _halves(waveforms, before, after)
        ratio = (before.double() / after)[:, :, None, None]
        places = starts[..., None] + torch.arange(width, device=starts.device)
        places = (2 * (places * ratio + _MARGIN)).clamp(_TAPS, halves.shape[2] - _TAPS)  # the rest is behind the end
        return _between(halves, places.flatten(2)).view(*starts.shape, -1)


def _halves(waveforms: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """y at half samples, from -_MARGIN on: waveforms (B, T), before (B, R), after (B, R) → (B, R, more than 2 T)."""
    num_blocks = (waveforms.shape[1] + 2 * _MARGIN + BLOCK - 1) // BLOCK  # P
    behind = num_blocks * BLOCK - waveforms.shape[1] - _MARGIN
    blocks = nn.functional.pad(waveforms, (_MARGIN, behind)).view(-1, num_blocks, BLOCK)
    # from block p to block r go the values of D around r - p blocks: of 2 P - 1 distances, for whole and half samples
    distances = torch.arange(2 * num_blocks - 1, device=before.device) - num_blocks
    places = distances[:, None] * BLOCK + torch.arange(2 * BLOCK, device=before.device)  # (2 P - 1, 2 BLOCK)
    halves = 2 * places + torch.arange(2, device=before.device)[:, None, None]
    kernels = _dirichlet(halves, before[:, :, None, None, None], after[:, :, None, None, None])
    kernels = torch.view_as_real(torch.fft.rfft(kernels)).unbind(-1)  # (B, R, 2, 2 P - 1, BLOCK + 1), two of them
    real, imaginary = torch.view_as_real(torch.fft.rfft(blocks, 2 * BLOCK)).unbind(-1)  # (B, P, BLOCK + 1)
    blocks = torch.arange(num_blocks, device=before.device)
    index = (blocks[:, None] - blocks + num_blocks - 1).flatten()  # (P · P,): r by row, p by column
    a, b = (part.index_select(3, index).unflatten(3, (num_blocks, num_blocks)) for part in kernels)
    real, imaginary = real[:, None, None, None], imaginary[:, None, None, None]
    summed = torch.stack([(a * real - b * imaginary).sum(4), (a * imaginary + b * real).sum(4)], dim=-1)
    found = torch.fft.irfft(torch.view_as_complex(summed), 2 * BLOCK)[..., BLOCK:]  # (B, R, 2, P, BLOCK)
    return found.flatten(3).transpose(2, 3).flatten(2)


def _dirichlet(halves: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """D(halves / 2), float32.

    Angles are whole numbers of half turns over N, reduced before they are divided: no digit is lost.
    """
    kept = torch.minimum(before, after) // 2
    halves = (halves + before) % (2 * before) - before  # D has the period N
    above = torch.sin(math.pi * (((2 * kept + 1) * halves) % (4 * before) / (2 * before).double()).float())
    below = torch.sin(math.pi * (halves / (2 * before).double()).float())
    kernel = torch.where(halves == 0, (2 * kept + 1).float(), above / torch.where(halves == 0, 1.0, below))
    # the highest frequency of an even M counts once, not twice
    last = torch.cos(math.pi * ((kept * halves) % (2 * before) / before.double()).float())
    return (kernel - torch.where(2 * kept == after, last, 0.0)) / before


def _between(halves: Tensor, places: Tensor) -> Tensor:
    """Values between those of `halves` (B, R, N), by a windowed sinc, at `places` (B, R, W) float64: (B, R, W)."""
    base = places.floor()
    fraction, base = (places - base).float(), base.long()
    total = torch.zeros_like(fraction)
    for tap in range(1 - _TAPS // 2, 1 + _TAPS // 2):
        distance = fraction - tap
        window = torch.exp(_BETA * ((1 - (distance / (_TAPS / 2)).square()).clamp(min=0).sqrt() - 1))
        total = total + window * torch.sinc(distance) * halves.gather(2, base + tap)
    return total


def _near_lengths(rate: float) -> list[tuple[int, int]]:
    """N and M of `resample`, from the shortest on; each pair holds up to its own N."""
    found, length = [], 1
    while length <= _LONGEST:
        found.append(near_lengths(length, rate))
        length = found[-1][0] + 1
    return found
