"""The phase vocoder: another duration at the same pitch (Flanagan and Golden, 1966)."""

import math

import torch
from torch import Tensor

WINDOW_S = 0.032  # seconds: two periods of a low voice, short enough for consonants
OVERLAP = 4  # windows over each sample


def window_length(sample_rate: float) -> int:
    """Samples of a window: the power of two nearest to 32 ms.

    >>> window_length(16000), window_length(22050), window_length(48000)
    (512, 512, 2048)
    """
    return 2 ** round(math.log2(WINDOW_S * sample_rate))


def stretch(waveform: Tensor, rate: float, n_fft: int) -> Tensor:
    """The waveform `rate` times as fast, its pitch kept.

    Frame k of the output is at frame t = k · rate of the input. Its magnitudes are interpolated between the two frames
    around t; its phases advance from frame k - 1 by the input's phase difference there. Rotations are unit complex
    numbers and are multiplied: no angle is computed.

    Args:
        waveform: (n,), n >= 1.
        rate: Above 1 is faster and shorter.
        n_fft: Samples of a window, a multiple of 4.

    Shape:
        (n,) → (round(n / rate),), at least one sample.
    """
    length, hop = max(1, round(len(waveform) / rate)), n_fft // OVERLAP
    num_frames = math.ceil((length + n_fft // 2) / hop) + 1  # up to the last that reaches into the output
    places = torch.arange(num_frames, device=waveform.device, dtype=torch.float64) * rate
    before = places.floor().long()
    frames = _frames(waveform, int((num_frames - 1) * rate) + 2, n_fft)  # (L, N)
    magnitudes = frames.abs()
    directions = _directions(frames, magnitudes)
    turns = directions[1:] * directions[:-1].conj()
    loud = torch.lerp(magnitudes[before], magnitudes[before + 1], (places - before).float()[:, None])
    # phases of the output: those of the first frame, turned once more from frame to frame
    phases = torch.cat([directions[:1], turns[before[:-1]]]).cumprod(0)
    phases = directions[before] * _in_step(phases * directions[before].conj(), loud)
    window = torch.hann_window(n_fft, device=waveform.device)
    pieces = torch.fft.irfft(loud * phases, n_fft) * window
    envelope = _overlapped(window.square().expand(num_frames, -1), hop)
    kept = slice(n_fft // 2, n_fft // 2 + length)
    return _overlapped(pieces, hop)[kept] / envelope[kept]


def _frames(waveform: Tensor, count: int, n_fft: int) -> Tensor:
    """Spectra (count, N) of windows around every hop, from the first sample on, zeros beyond both ends."""
    hop = n_fft // OVERLAP
    missing = (count - 1) * hop + n_fft - (len(waveform) + n_fft // 2)
    padded = torch.nn.functional.pad(waveform, (n_fft // 2, max(0, missing)))
    windows = padded.unfold(0, n_fft, hop)[:count]  # (count, n_fft)
    return torch.fft.rfft(windows * torch.hann_window(n_fft, device=waveform.device))


def _in_step(rotations: Tensor, loud: Tensor) -> Tensor:
    """Rotations (L, N) of the bins by which each follows the strongest around it (after Laroche and Dolson, 1999).

    A tone spans several bins. If their phases advanced independently, it would be weaker by a decibel or more.
    """
    weighted = rotations * loud
    together = weighted.clone()
    together[:, 1:] += weighted[:, :-1]
    together[:, :-1] += weighted[:, 1:]
    return _directions(together, together.abs())


def _directions(spectra: Tensor, magnitudes: Tensor) -> Tensor:
    """Spectra divided by their magnitudes; 1 where a magnitude is 0."""
    return torch.where(magnitudes > 0, spectra / magnitudes, 1.0)


def _overlapped(pieces: Tensor, hop: int) -> Tensor:
    """Adds pieces up, each `hop` samples after the one before: (L, n_fft) → ((L + 3) · hop,).

    As shifted sums, which are the same on every device; `torch.istft` is not, on a GPU.
    """
    blocks = pieces.reshape(len(pieces), OVERLAP, hop)  # (L, n_fft) → (L, 4, hop)
    total = blocks.new_zeros(len(pieces) + OVERLAP - 1, hop)
    for i in range(OVERLAP):
        total[i : i + len(pieces)] += blocks[:, i]
    return total.flatten()
