"""Where somebody speaks: silero-vad's own probabilities, and the energy where it is absent."""

import importlib.util
import sys
import warnings

import numpy as np
import pytest
import torch

from ser.data.audio.prepare import AudioSettings, load
from ser.errors import UserError
from ser.inference import voice_activity
from ser.inference.voice_activity import FRAME, RATE, Energy, Everything, Silero, build_detector, describe
from tests.tiny_corpora import real_corpus


def sound() -> np.ndarray:
    """A voice-like sound that comes and goes, 8 s."""
    rng = np.random.default_rng(0)
    time = np.arange(250 * FRAME) / RATE
    pitch = 140 + 30 * np.sin(2 * np.pi * 0.7 * time)
    voice = sum(np.sin(2 * np.pi * k * np.cumsum(pitch) / RATE) / k for k in range(1, 20))
    envelope = np.clip(np.sin(2 * np.pi * 0.4 * time), 0, 1) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time))
    return (0.1 * envelope * voice + 0.002 * rng.standard_normal(len(time))).astype(np.float32)


@pytest.fixture(scope="module")
def package():
    """The network as silero-vad runs it, a frame at a time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        silero_vad = pytest.importorskip("silero_vad")
        model = silero_vad.load_silero_vad()
    torch.set_num_threads(1)

    def run(samples: np.ndarray) -> np.ndarray:
        model.reset_states()
        with torch.inference_mode():
            frames = torch.from_numpy(samples).reshape(-1, FRAME)
            return np.array([model(frame, RATE).item() for frame in frames])

    return run


@pytest.mark.parametrize("frames", [1, 7, 250])
def test_silero_gives_the_package_s_probabilities_in_pieces_of_any_size(package, frames):
    samples = sound()
    detector = Silero()
    size = frames * FRAME
    found = np.concatenate([detector(samples[start : start + size]) for start in range(0, len(samples), size)])
    np.testing.assert_allclose(found, package(samples), atol=1e-4)


@pytest.mark.corpus
def test_silero_on_a_real_voice(package):
    path = sorted((real_corpus("ravdess") / "Actor_05").iterdir())[7]
    samples = load(path, AudioSettings(trim_db=None))
    samples = samples[: len(samples) // FRAME * FRAME]
    found = Silero()(samples)
    np.testing.assert_allclose(found, package(samples), atol=1e-4)
    assert 0.2 < (found > 0.5).mean() < 0.9
    assert (Energy()(samples) == (found > 0.5)).mean() > 0.8


def test_threads_and_random_numbers_stay_as_they_were():
    torch.set_num_threads(2)
    sys.modules.pop("silero_vad", None)
    voice_activity._silero_weights.cache_clear()
    random = torch.get_rng_state()
    try:
        Silero()
        assert torch.get_num_threads() == 2 and torch.equal(torch.get_rng_state(), random)
    finally:
        torch.set_num_threads(1)


def test_energy_follows_the_level():
    rng = np.random.default_rng(0)
    levels = np.repeat([0.001, 0.1, 0.001, 0.03, 0.001, 0.0005], 60)  # noise, speech, noise, softer speech, noise
    samples = (rng.standard_normal((len(levels), FRAME)) * levels[:, None]).astype(np.float32)
    found = Energy()(samples.reshape(-1)).reshape(6, 60).mean(axis=1)
    assert found[[1, 3]].min() > 0.95 and found[[0, 2, 4, 5]].max() < 0.05
    assert Energy()(np.zeros(50 * FRAME, np.float32)).max() == 0
    assert Everything()(np.zeros(50 * FRAME, np.float32)).min() == 1


def test_energy_where_silero_is_absent(monkeypatch):
    assert isinstance(build_detector(), Silero) and "silero-vad" in describe(build_detector())
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "silero_vad" else found(name))
    assert isinstance(build_detector(), Energy)
    assert "energy" in describe(build_detector()) and "ser[vad]" in describe(build_detector())
    with pytest.raises(UserError, match=r"silero-vad is not installed: pip install 'ser\[vad\]'"):
        build_detector("silero")
    with pytest.raises(UserError, match="Did you mean 'silero'"):
        build_detector("silera")
