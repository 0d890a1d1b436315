"""The arithmetic of the frontends: pure functions of tensors, in float32, one utterance at a time.

Letters: B batch, T samples, F features, L frames, N = n_fft // 2 + 1 bins. Filterbanks are computed in float64 and kept
in float32, as librosa does. Nothing here synchronises the CPU with a GPU.

Mel bank and DCT are torchaudio's. Other functions differ from torchaudio's where it matters: its top_db floor is taken
over the whole batch, its deltas use a convolution, which a GPU rounds to TF32.
"""

import math
import warnings

import torch
from torch import Tensor

from ser.errors import UserError
from ser.masking import frame_mask, nothing_padded

try:
    from torchaudio.functional import create_dct, melscale_fbanks
except (ImportError, OSError, RuntimeError) as error:  # nothing in torchaudio's wheel keeps pip from a wrong pair
    raise UserError(
        f"torchaudio does not load beside torch {torch.__version__} ({str(error).splitlines()[0]}). Install a fitting "
        'pair: pip install "torch>=2.11,<2.15" "torchaudio==2.11.*" (README: CPU-only builds).'
    ) from error

# Slaney's mel scale (Auditory Toolbox, 1998; librosa's `htk=False`): linear to 1000 Hz, logarithmic above.
_HZ_PER_MEL = 200.0 / 3.0
_KNEE_HZ = 1000.0
_KNEE_MEL = _KNEE_HZ / _HZ_PER_MEL
_LOG_STEP = math.log(6.4) / 27.0

# librosa reads samples this small as 0 when it looks for zero crossings.
_ZERO_AMPLITUDE = 1e-10


def hz_to_mel(hz: float) -> float:
    """Slaney's mel of a frequency in Hz (`librosa.hz_to_mel`).

    >>> round(hz_to_mel(1000.0), 6)
    15.0
    """
    return hz / _HZ_PER_MEL if hz < _KNEE_HZ else _KNEE_MEL + math.log(hz / _KNEE_HZ) / _LOG_STEP


def mel_to_hz(mel: Tensor) -> Tensor:
    """Frequencies in Hz of Slaney mels, any shape (`librosa.mel_to_hz`)."""
    above = _KNEE_HZ * torch.exp(_LOG_STEP * (mel - _KNEE_MEL))
    return torch.where(mel < _KNEE_MEL, mel * _HZ_PER_MEL, above)


def mel_filterbank(sample_rate: float, n_fft: int, n_mels: int, f_min: float, f_max: float) -> Tensor:
    """Triangles equally spaced in mel, each of area 1 (`librosa.filters.mel`, its defaults).

    Args:
        sample_rate: Hz.
        n_fft: Samples of one transform, even.
        n_mels: Bands.
        f_min: Lower edge of the first band, Hz.
        f_max: Upper edge of the last band, Hz.

    Shape:
        → (n_mels, N) float32. A band narrower than the distance between bins may be all zeros.
    """
    # torchaudio rounds half the sample rate down (11025 Hz): of twice the rate it has all our bins, and as many above
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of empty bands, which `Mel` reports with a remedy
        bank = melscale_fbanks(n_fft + 1, f_min, f_max, n_mels, 2 * sample_rate, norm="slaney", mel_scale="slaney")
    return bank[: n_fft // 2 + 1].T.contiguous()


def empty_bands(sample_rate: float, n_fft: int, n_mels: int, f_min: float, f_max: float) -> int:
    """How many bands of `mel_filterbank` would hold no bin and be all zeros; found without making it.

    >>> empty_bands(16000, 512, 64, 0.0, 8000.0), empty_bands(16000, 512, 300, 0.0, 8000.0) > 0
    (0, True)
    """
    edges = mel_to_hz(torch.linspace(hz_to_mel(f_min), hz_to_mel(f_max), n_mels + 2, dtype=torch.float64))
    bins = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * sample_rate / n_fft
    within = torch.searchsorted(bins, edges[2:]) - torch.searchsorted(bins, edges[:-2].contiguous(), right=True)
    return int((within <= 0).sum())


def chroma_filterbank(sample_rate: float, n_fft: int, n_chroma: int) -> Tensor:
    """Weight of each bin in each pitch class, C first (`librosa.filters.chroma` with tuning=0, after Ellis, 2007).

    Every pitch has a Gaussian over the octave; bins far from the fifth octave count less.

    Args:
        sample_rate: Hz.
        n_fft: Samples of one transform, even.
        n_chroma: Pitch classes of an octave.

    Shape:
        → (n_chroma, N) float32.
    """
    hz = torch.arange(1, n_fft, dtype=torch.float64) * sample_rate / n_fft
    pitch = n_chroma * torch.log2(hz / (440.0 / 16.0))
    # 0 Hz has no pitch: librosa puts it one and a half octaves below the first bin, where it hardly counts.
    pitch = torch.cat([pitch[:1] - 1.5 * n_chroma, pitch])
    width = torch.cat([pitch.diff().clamp(min=1.0), pitch.new_ones(1)])
    half = round(n_chroma / 2)
    distance = pitch - torch.arange(n_chroma, dtype=torch.float64)[:, None]
    distance = torch.remainder(distance + half + 10 * n_chroma, n_chroma) - half
    weights = torch.exp(-0.5 * (2.0 * distance / width) ** 2)
    weights = weights / torch.linalg.vector_norm(weights, dim=0)
    weights = weights * torch.exp(-0.5 * ((pitch / n_chroma - 5.0) / 2.0) ** 2)
    # Counted from A so far; librosa's first row is C.
    weights = weights.roll(-3 * (n_chroma // 12), dims=0)
    return weights[:, : n_fft // 2 + 1].float().contiguous()


def dct_matrix(n_mfcc: int, n_mels: int) -> Tensor:
    """The first rows of the orthonormal DCT-II (`scipy.fft.dct(type=2, norm="ortho")`).

    Shape:
        → (n_mfcc, n_mels) float32.
    """
    return create_dct(n_mfcc, n_mels, norm="ortho").T.contiguous()


def keep_valid(features: Tensor, frames: Tensor) -> Tensor:
    """Features with zeros behind the valid frames, in place of any value (NaN too).

    Shape:
        features (B, F, L), frames (B,) → (B, F, L).
    """
    if nothing_padded(frames, features.shape[-1]):
        return features
    # (B, L) → (B, 1, L)
    return torch.where(frame_mask(frames, features.shape[-1])[:, None], features, 0.0)


def power_to_db(
    power: Tensor, frames: Tensor, log_floor: float, top_db: float | None, log_offset: float = 0.0
) -> Tensor:
    """10 log10(max(power + log_offset, log_floor)), at most `top_db` below the utterance's own loudest value.

    `librosa.power_to_db(power, ref=1.0, amin=log_floor, top_db=top_db)` of each utterance's valid frames by themselves.

    Args:
        power: Power spectrogram of any kind.
        frames: Valid frames of each utterance.
        log_floor: Power that stands for silence, > 0.
        top_db: Dynamic range in dB; None keeps all of it.
        log_offset: Power added to all.

    Shape:
        power (B, F, L), frames (B,) → (B, F, L) dB, zeros behind the valid frames.
    """
    db = 10.0 * torch.log10((power + log_offset if log_offset else power).clamp(min=log_floor))
    if top_db is not None:
        valid = db
        if not nothing_padded(frames, power.shape[-1]):
            valid = torch.where(frame_mask(frames, power.shape[-1])[:, None], db, -torch.inf)
        db = torch.maximum(db, valid.amax(dim=(1, 2), keepdim=True) - top_db)
    return keep_valid(db, frames)


def delta_kernel(order: int, width: int = 9) -> list[float]:
    """Weights that give the first or second derivative at the middle of a fitted parabola (Savitzky and Golay, 1964).

    >>> [round(60 * weight) for weight in delta_kernel(1)]
    [-4, -3, -2, -1, 0, 1, 2, 3, 4]
    """
    half = width // 2
    offsets = range(-half, half + 1)
    if order == 1:
        return [n / sum(m * m for m in offsets) for n in offsets]
    mean = sum(n * n for n in offsets) / width
    return [2 * (n * n - mean) / sum((m * m - mean) ** 2 for m in offsets) for n in offsets]


def deltas(features: Tensor, frames: Tensor, order: int, width: int = 9) -> Tensor:
    """How features change over time, per frame: `librosa.feature.delta(order=order, mode="nearest")`.

    Args:
        features: The features; padded frames are ignored.
        frames: Valid frames of each utterance; the first and the last one are repeated beyond the ends.
        order: 1 (slope) or 2 (curvature; the second derivative, not the slope of the slope).
        width: Frames used, odd.

    Shape:
        features (B, F, L), frames (B,) → (B, F, L), zeros behind the valid frames.
    """
    num_frames, half = features.shape[-1], width // 2
    index = torch.arange(-half, num_frames + half, device=features.device).clamp(min=0)
    index = torch.minimum(index, frames[:, None] - 1)
    # (B, L + width - 1) → (B, F, L + width - 1)
    around = features.gather(-1, index[:, None].expand(-1, features.shape[1], -1))
    # A sum of shifted copies, not a convolution: cuDNN computes those in TF32 by default.
    kernel = delta_kernel(order, width)
    slopes = sum(weight * around[..., n : n + num_frames] for n, weight in enumerate(kernel))
    return keep_valid(slopes, frames)


def zero_crossing_rate(waveforms: Tensor, lengths: Tensor, frame_length: int, hop_length: int) -> Tensor:
    """Changes of sign per sample in each frame (`librosa.feature.zero_crossing_rate`).

    librosa repeats the first and last sample beyond the ends, where therefore nothing crosses. So crossings are counted
    from the start once, and a frame's number is the count at its end minus the count at its beginning. The counts are
    integers: exact, and allowed on CUDA with deterministic algorithms, where a float cumulative sum is not.

    Args:
        waveforms: Samples; those behind `lengths` are ignored.
        lengths: Real samples.
        frame_length: Samples of a frame, even.
        hop_length: Samples from frame to frame.

    Shape:
        waveforms (B, T), lengths (B,) → (B, 1, 1 + T // hop_length), in [0, 1].
    """
    num_samples = waveforms.shape[-1]
    negative = waveforms < -_ZERO_AMPLITUDE
    crossed = negative[:, 1:] != negative[:, :-1]
    counts = torch.nn.functional.pad(crossed.int(), (1, 0)).cumsum(dim=-1)
    first = torch.arange(1 + num_samples // hop_length, device=waveforms.device) * hop_length - frame_length // 2
    ends = (lengths[:, None] - 1).clamp(min=0)  # crossings behind the last real sample are ignored
    last = (first + frame_length - 1).clamp(min=0).minimum(ends)  # (B, L)
    crossings = counts.gather(1, last) - counts.gather(1, first.clamp(min=0).minimum(ends))
    return crossings[:, None].float() / frame_length


def root_mean_square(waveforms: Tensor, frame_length: int, hop_length: int) -> Tensor:
    """Root of the mean square of each frame, zeros beyond the ends (`librosa.feature.rms`).

    Shape:
        waveforms (B, T), zero behind their ends → (B, 1, 1 + T // hop_length).
    """
    half = frame_length // 2
    power = torch.nn.functional.pad(waveforms.square(), (half, half))
    # (B, T + frame_length) → (B, L, frame_length) → (B, 1, L)
    return safe_sqrt(power.unfold(-1, frame_length, hop_length).mean(dim=-1))[:, None]


def safe_sqrt(x: Tensor) -> Tensor:
    """Square root whose gradient at 0 is 0, not infinite: silence must not make the gradient NaN."""
    positive = x > 0
    if not x.requires_grad:  # half the time, for features that are computed once
        return torch.where(positive, x.sqrt(), 0.0)
    return torch.where(positive, torch.where(positive, x, 1.0).sqrt(), 0.0)


def divide_by_peak(features: Tensor) -> Tensor:
    """Each frame divided by its largest value; an empty frame is unchanged (`librosa.util.normalize`).

    Shape:
        features (B, F, L), not negative → (B, F, L).
    """
    peak = features.amax(dim=1, keepdim=True)
    return features / torch.where(peak < torch.finfo(torch.float32).tiny, 1.0, peak)
