"""What `ser.data.audio.prepare` does to one recording, for a batch and in tensor operations that can be exported.

Rows of a batch differ in length: what lies behind a row's last number is NaN. Each row is computed for itself.
"""

import torch
from torch import Tensor

from ser.data.audio.decode import LOUDEST
from ser.data.audio.prepare import RMS_LEVEL, SILENCE_PEAK, TRIM_HOP, AudioSettings
from ser.masking import frame_mask

_POWER_FLOOR = 1e-10  # as `ser.data.audio.prepare.voiced_range`


def prepared(waveforms: Tensor, audio: AudioSettings) -> tuple[Tensor, Tensor, Tensor]:
    """Offset, trim and level of each row, and whether it can be used.

    Args:
        waveforms: At the sample rate of `audio`, NaN behind the end of a row that is shorter than others.
        audio: How the run prepares recordings.

    Returns:
        Waveforms (B, T) with zeros behind their ends, lengths (B,), and usable (B,): not where `prepare` refuses the
        recording, because it is silent, too short, not finite or not in [-1, 1].
    """
    places = torch.arange(waveforms.shape[1], device=waveforms.device)
    lengths = torch.where(waveforms.isnan(), 0, places + 1).amax(dim=1)
    waveforms = torch.where(frame_mask(lengths, waveforms.shape[1]), waveforms, 0.0)
    finite = (waveforms.abs() <= LOUDEST).all(dim=1)  # false for NaN and infinity too
    if offset := int(audio.offset_s * audio.sample_rate):
        lengths = (lengths - offset).clamp(min=0)
        waveforms = cut(waveforms, torch.full_like(lengths, offset), waveforms.shape[1])
    sounds = waveforms.abs().amax(dim=1) >= SILENCE_PEAK
    if audio.trim_db is not None:
        starts, ends = _voiced_range(waveforms, lengths, audio.trim_db)
        lengths = (ends - starts).clamp(min=0)
        waveforms = cut(waveforms, starts, waveforms.shape[1])
        waveforms = torch.where(frame_mask(lengths, waveforms.shape[1]), waveforms, 0.0)
    long_enough = lengths >= max(1, audio.min_duration_s * audio.sample_rate)
    return _levelled(waveforms, lengths, audio.level), lengths, finite & sounds & long_enough


def cut(waveforms: Tensor, starts: Tensor, width: int) -> Tensor:
    """`width` samples of each row from `starts` (B,) on, zeros behind the last: (B, T) → (B, width)."""
    index = starts[:, None] + torch.arange(width, device=waveforms.device)
    last = waveforms.shape[1] - 1
    return torch.where(index <= last, waveforms.gather(1, index.clamp(max=last)), 0.0)


def _voiced_range(waveforms: Tensor, lengths: Tensor, trim_db: float) -> tuple[Tensor, Tensor]:
    """First sample, and the one behind the last, of what is louder than `trim_db` below each row's loudest frame."""
    num_samples = waveforms.shape[1]
    num_frames = 1 + num_samples // TRIM_HOP
    behind = (num_frames + 1) * TRIM_HOP - num_samples  # with two hops before: each frame is four hops
    hops = torch.nn.functional.pad(waveforms, (2 * TRIM_HOP, behind)).view(waveforms.shape[0], num_frames + 3, TRIM_HOP)
    energy = hops.square().sum(dim=2).double()
    power = (energy[:, :-3] + energy[:, 1:-2] + energy[:, 2:-1] + energy[:, 3:]) / (4 * TRIM_HOP)
    valid = frame_mask(1 + lengths // TRIM_HOP, num_frames)
    power = torch.where(valid, power, 0.0).clamp(min=_POWER_FLOOR)
    loud = valid & (power > power.amax(dim=1, keepdim=True) * 10 ** (-trim_db / 10))
    frames = torch.arange(num_frames, device=waveforms.device)
    first = torch.where(loud, frames, num_frames).amin(dim=1)
    last = torch.where(loud, frames, 0).amax(dim=1)
    return first * TRIM_HOP, torch.minimum(lengths, (last + 1) * TRIM_HOP)


def _levelled(waveforms: Tensor, lengths: Tensor, level: str) -> Tensor:
    if level == "peak":
        return waveforms / waveforms.abs().amax(dim=1, keepdim=True)
    if level == "rms":
        precise = waveforms.double()
        mean_square = precise.square().sum(dim=1, keepdim=True) / lengths[:, None]
        return (precise * (RMS_LEVEL / mean_square.sqrt())).float()
    return waveforms
