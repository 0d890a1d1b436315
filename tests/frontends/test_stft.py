"""Settings of the transform: equality, counting frames, what is refused."""

import pytest
import torch

from ser.errors import UserError
from ser.frontends.stft import PowerSpectrogram, Stft


def test_equal_settings_are_equal():
    assert Stft(512, 128) == Stft(n_fft=512, hop_length=128, win_length=512, window="hann")
    assert len({Stft(512, 128), Stft(512, 128), Stft(512, 128, 400), Stft(512, 128, window="hamming")}) == 3


@pytest.mark.parametrize("num_samples", [1, 255, 256, 257, 1024, 5000])
def test_counts_the_frames_it_gives(num_samples):
    settings = Stft(n_fft=1024, hop_length=256)
    power = PowerSpectrogram(settings)(torch.zeros(2, num_samples))
    assert power.shape == (2, settings.num_bins, settings.count_frames(torch.tensor([num_samples])).item())


def test_parseval():
    """Windowed samples and their transform hold the same energy."""
    settings = Stft(n_fft=256, hop_length=256, window="rectangular")
    x = torch.randn(1, 1024, generator=torch.Generator().manual_seed(0))
    power = PowerSpectrogram(settings)(x)[0]
    energy = (2 * power.sum(0) - power[0] - power[-1]) / 256
    assert torch.allclose(energy[1], x[0, 128:384].square().sum(), rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"n_fft": 1023, "hop_length": 256}, "n_fft"),
        ({"n_fft": 1024, "hop_length": 256, "win_length": 1025}, "win_length"),
        ({"n_fft": 1024, "hop_length": 256, "window": "han"}, "window"),
    ],
)
def test_refuses(settings, key):
    with pytest.raises(UserError, match=rf"frontend\.stft\.{key}"):
        Stft(**settings)
