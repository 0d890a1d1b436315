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

BLOCK = 2**15  # samples of a block of the convolution
_TAPS = 16  # half samples that a value between them is summed over
_BETA = 12.5  # shape of their window, exp(β (√(1 - z²) - 1)): what it lets through is below -115 dB
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
        before, after = (size[:, :, None] for size in self.transforms(lengths))  # (B, R, 1)
        ratio = (before.double() / after)[..., None]
        first = (starts * ratio[..., 0]).floor().long() - _TAPS
        span = width * math.ceil(1001 * max(self.rates)) // 1000 + 2 * _TAPS
        halves = _halves(waveforms, before, after, first, span)  # (B, R, C, more than 2 spans)
        places = starts[..., None] + torch.arange(width, device=starts.device)
        return _between(halves, 2 * (places * ratio - first[..., None]))


def _halves(waveforms: Tensor, before: Tensor, after: Tensor, first: Tensor, span: int) -> Tensor:
    """y at whole and half samples from `first` on, for at least `span` samples.

    Shape:
        waveforms (B, T), before (B, R, 1), after (B, R, 1), first (B, R, C) → (B, R, C, 2 · Q · BLOCK).
    """
    # blocks of x and of y; even numbers, since torch.export would fix one that can be 1
    num_read, num_given = (2 * ((size + 2 * BLOCK - 1) // (2 * BLOCK)) for size in (waveforms.shape[1], span))
    behind = num_read * BLOCK - waveforms.shape[1]
    blocks = nn.functional.pad(waveforms, (0, behind)).view(-1, num_read, BLOCK)
    real, imaginary = torch.view_as_real(torch.fft.rfft(blocks, 2 * BLOCK))[:, None, None, None, None].unbind(-1)
    # block p of x adds to block q of y through the values of D around q - p blocks: P + Q - 1 distances
    distances = torch.arange(num_read + num_given - 1, device=first.device) - num_read
    places = distances[:, None] * BLOCK + torch.arange(2 * BLOCK, device=first.device)
    halves = 2 * places + torch.arange(2, device=first.device)[:, None, None]  # (2, P + Q - 1, 2 · BLOCK)
    halves = halves + 2 * first[..., None, None, None]  # (B, R, C, 2, P + Q - 1, 2 · BLOCK)
    kernels = _dirichlet(halves, before[..., None, None, None], after[..., None, None, None])
    kernels = torch.view_as_real(torch.fft.rfft(kernels)).unbind(-1)  # (B, R, C, 2, P + Q - 1, BLOCK + 1), two of them
    p, q = (torch.arange(count, device=first.device) for count in (num_read, num_given))
    index = (q[:, None] - p + num_read - 1).flatten()
    a, b = (part.index_select(4, index).unflatten(4, (num_given, num_read)) for part in kernels)
    summed = torch.stack([(a * real - b * imaginary).sum(5), (a * imaginary + b * real).sum(5)], dim=-1)
    found = torch.fft.irfft(torch.view_as_complex(summed), 2 * BLOCK)[..., BLOCK:]  # (B, R, C, 2, Q, BLOCK)
    return found.flatten(4).transpose(3, 4).flatten(3)


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
    """Values between those of `halves` (…, N), by a windowed sinc, at `places` (…, W) float64: (…, W)."""
    base = places.floor()
    fraction, base = (places - base).float(), base.long()
    total = torch.zeros_like(fraction)
    for tap in range(1 - _TAPS // 2, 1 + _TAPS // 2):
        distance = fraction - tap
        window = torch.exp(_BETA * ((1 - (distance / (_TAPS / 2)).square()).clamp(min=0).sqrt() - 1))
        total = total + window * torch.sinc(distance) * halves.gather(3, base + tap)
    return total


def _near_lengths(rate: float) -> list[tuple[int, int]]:
    """N and M of `resample`, from the shortest on; each pair holds up to its own N."""
    found, length = [], 1
    while length <= _LONGEST:
        found.append(near_lengths(length, rate))
        length = found[-1][0] + 1
    return found
