"""Stacking, one transform for equal settings, one grid of frames."""

import pytest
import torch

from ser.errors import UserError
from ser.frontends.base import Frontend
from ser.frontends.concat import Concat
from ser.frontends.log_mel import LogMel
from ser.frontends.log_mel_contour import LogMelContour
from ser.frontends.mel import Mel
from ser.frontends.mfcc import Mfcc
from ser.frontends.signal import Signal
from ser.frontends.spectrogram import Spectrogram
from ser.frontends.stft import PowerSpectrogram, Stft
from ser.frontends.time_stats import TimeStats
from ser.frontends.zcr_rms_chroma import ZcrRmsChroma
from ser.masking import frame_mask

RATE = 16_000


def stft(hop_length=256, **settings) -> Stft:
    """A new but equal object every time."""
    return Stft(n_fft=1024, hop_length=hop_length, **settings)


@pytest.fixture
def transforms(monkeypatch):
    """How often a batch was transformed."""
    calls, original = [], PowerSpectrogram.forward

    def counted(self, waveforms):
        calls.append(self.settings)
        return original(self, waveforms)

    monkeypatch.setattr(PowerSpectrogram, "forward", counted)
    return calls


class Samples(Frontend):
    """A frontend that knows of nothing but the contract: every 256th sample."""

    num_features = 1

    def forward(self, waveforms, lengths):
        valid = frame_mask(lengths, waveforms.shape[-1])
        every = torch.nn.functional.pad(waveforms * valid, (0, 256))[:, None, ::256]
        return every[..., : 1 + waveforms.shape[-1] // 256], self.count_frames(lengths)

    def count_frames(self, lengths):
        return 1 + lengths // 256


def batch():
    return torch.randn(2, 5000, generator=torch.Generator().manual_seed(0)), torch.tensor([5000, 3333])


def test_stacks_in_order():
    parts = {"b": LogMel(RATE, stft()), "values": Samples(), "type": ZcrRmsChroma(RATE, stft())}
    concat = Concat(parts)
    features, frames = concat(*batch())
    expected = [part(*batch())[0] for part in parts.values()]
    assert torch.equal(features, torch.cat(expected, dim=1))
    assert concat.num_features == 64 + 1 + 14
    assert torch.equal(frames, concat.count_frames(batch()[1]))


def test_one_transform_for_equal_settings(transforms):
    parts = {"mfcc": Mfcc(RATE, stft()), "chroma": ZcrRmsChroma(RATE, stft()), "whole": Spectrogram(stft())}
    Concat(parts)(*batch())
    assert len(transforms) == 1


def test_one_transform_through_nested_concat_and_time_stats(transforms):
    inner = Concat({"mel": Mel(RATE, stft()), "contour": LogMelContour(RATE, stft())})
    TimeStats(Concat({"inner": inner, "log_mel": LogMel(RATE, stft()), "rms": ZcrRmsChroma(RATE, stft())}))(*batch())
    assert len(transforms) == 1


def test_time_stats_inside_concat_with_different_hops(transforms):
    coarse, fine = TimeStats(LogMel(RATE, stft())), TimeStats(ZcrRmsChroma(RATE, stft(hop_length=128)), ["mean", "std"])
    features, frames = Concat({"coarse": coarse, "fine": fine, "again": TimeStats(Mfcc(RATE, stft()))})(*batch())
    assert features.shape == (2, 64 + 28 + 40, 1) and frames.tolist() == [1, 1]
    assert len(transforms) == 2


def test_different_windows_are_different_transforms(transforms):
    Concat({"a": LogMel(RATE, stft()), "b": LogMel(RATE, stft(win_length=400))})(*batch())
    assert len(transforms) == 2


def test_no_transform_where_nobody_needs_one(transforms):
    ZcrRmsChroma(RATE, stft(), chroma=False)(*batch())
    assert not transforms


def test_equal_mel_settings_are_one_product():
    signal = Signal(*batch())
    parts = {"mel": Mel(RATE, stft()), "log_mel": LogMel(RATE, stft()), "mfcc": Mfcc(RATE, stft())}
    Concat(parts).from_signal(signal)
    assert len(signal._computed) == 2  # one power, one mel


def test_from_power_is_the_same_path():
    waveforms, lengths = batch()
    for frontend in (Mel(RATE, stft()), Mfcc(RATE, stft()), Spectrogram(stft())):
        signal = Signal(waveforms, lengths)
        features, _ = frontend.from_power(frontend.power(signal), frontend.count_frames(lengths))
        assert torch.equal(features, frontend(waveforms, lengths)[0])


def test_different_grids_name_both_parts_and_hops():
    with pytest.raises(UserError, match=r"parts\.fine .*hop_length 128.*parts\.coarse .*hop_length 256"):
        Concat({"fine": LogMel(RATE, stft(128)), "coarse": LogMel(RATE, stft(256))})


@pytest.mark.parametrize(
    "odd", [LogMelContour(RATE, stft(), skip_frames=1), LogMelContour(RATE, stft(), fill_db=0.0), TimeStats(Samples())]
)
def test_same_hop_but_another_count_is_refused_too(odd):
    with pytest.raises(UserError, match=r"parts\.log_mel .*parts\.odd .*count frames differently"):
        Concat({"log_mel": LogMel(RATE, stft()), "odd": odd})


def test_no_parts():
    with pytest.raises(UserError, match=r"frontend\.parts is empty"):
        Concat({})


def hops(concat):
    return {part.hop_length for part in concat.parts}


def test_the_config_has_one_stft(compose, transforms):
    frontend = compose("frontend=concat", "frontend.stft.hop_length=128")
    frontend(*batch())
    assert frontend.names == ("mfcc", "zcr_rms_chroma", "log_mel") and hops(frontend) == {128}
    assert len(transforms) == 1


def test_the_config_inside_time_stats(compose, transforms):
    frontend = compose("frontend=time_stats", "frontend@frontend.of=concat", "frontend.of.stft.hop_length=128")
    frontend(*batch())
    assert hops(frontend.of) == {128} and len(transforms) == 1


def test_the_config_with_other_parts(compose):
    frontend = compose(
        "frontend=concat",
        "stft@frontend.stft=librosa",
        "frontend@frontend.parts.log_mel=spectrogram",
        "~frontend.parts.mfcc",
    )
    assert frontend.names == ("zcr_rms_chroma", "log_mel") and hops(frontend) == {512}
    assert isinstance(frontend.parts[1], Spectrogram)
