"""Reading recordings faster or slower, as `ser.augmentations.resampling`, in tensor operations that can be exported.

There each recording has a Fourier transform of its own length, which a batch cannot have, and which onnxruntime rounds
to two digits unless it is a power of two. Here blocks of one length are transformed: their spectrum is cut at the same
frequency, and read off between samples by a non-uniform transform (Barnett, Magland and af Klinteberg, 2019,
arXiv:1808.06736): the spectrum is divided by that of a short kernel, transformed back at twice the rate, and summed
under the kernel around each place. Both agree to about 1e-6.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ser.augmentations.resampling import near_lengths, num_transformed

BLOCK = 2**16  # samples transformed at once
_MARGIN = 1024  # of them faded in and out on each side, so that what lies beyond does not ring into the block
_TAPS = 8  # of the kernel, on twice the rate: seven digits
_BETA = 2.3 * _TAPS  # its shape, exp(β (√(1 - z²) - 1))
_LONGEST = 2**25  # samples up to which the very ratio of `resample` is used; beyond, the last one: within 3e-4 of it


class Reader(nn.Module):
    """Reads each recording at several speeds, and of each what is asked for.

    Args:
        rates: R speeds, each above 0.
    """

    def __init__(self, rates: Sequence[float]):
        super().__init__()
        self.rates = tuple(rates)
        tables = [_ratios(rate) for rate in rates]
        self.register_buffer("longest", _padded([longest for longest, _ in tables]), persistent=False)
        self.register_buffer("ratios", _padded([ratios for _, ratios in tables]), persistent=False)
        self.register_buffer("fade", _fade(), persistent=False)
        self.register_buffer("response", _response(), persistent=False)
        self.width = int((BLOCK - 2 * _MARGIN - 2 * _TAPS) / (max(rates) * 1.001))  # samples that a block gives

    def lengths(self, lengths: Tensor) -> Tensor:
        """Samples of whole recordings once read, at least 1: (B,) → (B, R)."""
        rates = torch.tensor(self.rates, dtype=torch.float64, device=lengths.device)
        return (lengths[:, None] / rates).round().long().clamp(min=1)

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
        ratio = self._ratios_of(lengths)[:, :, None, None]  # (B, R, 1, 1)
        num_blocks = (width + self.width - 1) // self.width
        # (B, R, C, blocks): where each block begins, at the new speed and in the waveform
        begins = starts[..., None] + torch.arange(num_blocks, device=starts.device) * self.width
        first = (begins * ratio).floor().long() - _MARGIN - _TAPS // 2
        grid = self._grid(waveforms, first.flatten(1), (ratio + 0 * begins).flatten(1))
        places = begins[..., None] + torch.arange(self.width, device=starts.device)
        exact = 2 * (places * ratio[..., None] - first[..., None])  # (B, R, C, blocks, width)
        return _between(grid, exact.flatten(0, 3)).view(*starts.shape, -1)[..., :width]

    def _ratios_of(self, lengths: Tensor) -> Tensor:
        """How fast `resample` really reads recordings of `lengths` samples: (B,) → (B, R) float64."""
        index = (num_transformed(lengths)[:, None, None] > self.longest).sum(dim=2)
        index = index.clamp(max=self.ratios.shape[1] - 1)
        return self.ratios.expand(index.shape[0], -1, -1).gather(2, index[:, :, None])[:, :, 0]

    def _grid(self, waveforms: Tensor, first: Tensor, ratio: Tensor) -> Tensor:
        """Blocks at twice the rate, without what the new speed cannot hold: (B, P) → (B · P, 2 · BLOCK)."""
        index = (first[:, :, None] + torch.arange(BLOCK, device=first.device)).flatten(1)  # (B, P · BLOCK)
        last = waveforms.shape[1] - 1
        taken = torch.where((index >= 0) & (index <= last), waveforms.gather(1, index.clamp(0, last)), 0.0)
        spectrum = torch.view_as_real(torch.fft.rfft(taken.view(-1, BLOCK) * self.fade))
        bins = torch.arange(BLOCK // 2 + 1, device=first.device)
        kept = torch.where(bins * ratio.flatten()[:, None] <= BLOCK // 2, self.response, 0.0)  # (B · P, bins)
        finer = F.pad(spectrum * kept[:, :, None], (0, 0, 0, BLOCK // 2))  # (B · P, BLOCK + 1, 2)
        return torch.fft.irfft(torch.view_as_complex(finer), 2 * BLOCK)


def _between(grid: Tensor, places: Tensor) -> Tensor:
    """Values between the samples of `grid` (R, N) at `places` (R, W) float64: (R, W)."""
    base = places.floor()
    fraction = (places - base).float()
    base, total = base.long(), 0.0
    for tap in range(1 - _TAPS // 2, 1 + _TAPS // 2):
        z = (fraction - tap) / (_TAPS / 2)
        weight = torch.exp(_BETA * ((1 - z.square()).clamp(min=0).sqrt() - 1))
        total = total + weight * grid.gather(1, base + tap)
    return total


def _ratios(rate: float) -> tuple[list[int], list[float]]:
    """Of each range of lengths the largest, and the ratio of transforms that `resample` takes for all of it."""
    longest, ratios, length = [], [], 1
    while length <= _LONGEST:
        before, after = near_lengths(length, rate)
        longest.append(before)
        ratios.append(before / after)
        length = before + 1
    return longest, ratios


def _padded(rows: Sequence[Sequence[float]]) -> Tensor:
    """Rows of different lengths as one float64 matrix; the last value of each is repeated."""
    widest = max(map(len, rows))
    return torch.tensor([[*row, *[row[-1]] * (widest - len(row))] for row in rows], dtype=torch.float64)


def _fade() -> Tensor:
    """(BLOCK,): rising over the margin, 1, falling over the margin."""
    rise = torch.sin(torch.linspace(0, math.pi / 2, _MARGIN, dtype=torch.float64)).square()
    return torch.cat([rise, torch.ones(BLOCK - 2 * _MARGIN, dtype=torch.float64), rise.flip(0)]).float()


def _response() -> Tensor:
    """(BLOCK // 2 + 1,): what a spectrum is multiplied by for the kernel and the finer grid."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    kernel = np.exp(_BETA * (np.sqrt(1 - nodes**2) - 1)) * weights * _TAPS / 2
    bins = np.arange(BLOCK // 2 + 1)
    return torch.from_numpy(2 / (np.cos(np.pi * bins[:, None] / BLOCK * nodes * _TAPS / 2) @ kernel)).float()
