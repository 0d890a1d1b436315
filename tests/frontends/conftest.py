"""Clips, composed frontends and a yardstick for the frontends' tests."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

REPO = Path(__file__).parents[2]
SAMPLE_RATE = 16_000


def tone(hz: float, seconds: float, amplitude: float = 0.5, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(round(seconds * sample_rate)) / sample_rate)).astype("f4")


@pytest.fixture(scope="session")
def make_tone():
    return tone


@pytest.fixture(scope="session")
def clips() -> list[np.ndarray]:
    """Speech-like levels and lengths: a chord that dies away, noise with a pause in it, a sweep, less than one frame.

    The sweep has noise 38 dB below it: with 60 dB, single bins hold so little that the rounding of a float32 transform
    shows (1.1e-4 of the spectrogram's largest dB).
    """
    rng = np.random.default_rng(0)
    chord = sum(tone(hz, 1.0, 0.2) for hz in (220.0, 440.0, 1312.3)) * np.exp(-np.linspace(0, 7, SAMPLE_RATE))
    noise = rng.normal(0, 0.1, 12_345)
    noise[4000:7000] = 0
    seconds = np.arange(9000) / SAMPLE_RATE
    sweep = 0.8 * np.sin(2 * np.pi * (100 * seconds + 3000 * seconds**2)) + rng.normal(0, 1e-2, 9000)
    return [clip.astype("f4") for clip in (chord, noise, sweep, rng.normal(0, 0.05, 700))]


@pytest.fixture(scope="session", params=["ravdess", "tess"])
def recordings(request):
    """`recordings(sample_rate)`: five recordings of a corpus, the first, the last and some between."""
    root = Path(os.environ.get("SER_DATA", REPO.parent / "shared" / "data")) / request.param
    files = sorted(path for path in root.rglob("*") if path.suffix in {".wav", ".flac"})
    if not files:
        pytest.skip(f"no recordings in {root} (set SER_DATA)")

    def load(sample_rate: int = SAMPLE_RATE) -> list[np.ndarray]:
        import soundfile
        import soxr

        read = [soundfile.read(path, dtype="float32") for path in files[:: len(files) // 4]]
        return [soxr.resample(samples.reshape(len(samples), -1).mean(1), rate, sample_rate) for samples, rate in read]

    return load


@pytest.fixture(scope="session")
def collate():
    """`collate(clips, extra, content)`: one batch, with `extra` samples of padding behind the longest clip."""

    def pad(clips, extra: int = 0, content: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
        lengths = torch.tensor([len(clip) for clip in clips])
        waveforms = torch.full((len(clips), int(lengths.max()) + extra), content)
        for row, clip in zip(waveforms, clips, strict=True):
            row[: len(clip)] = torch.as_tensor(clip)
        return waveforms, lengths

    return pad


@pytest.fixture(scope="session")
def error():
    """`error(ours, reference)`: largest difference over the reference's largest value."""

    def relative(ours, reference) -> float:
        ours, reference = np.asarray(ours, dtype="f8"), np.asarray(reference, dtype="f8")
        assert ours.shape == reference.shape
        return float(np.abs(ours - reference).max() / max(np.abs(reference).max(), 1e-12))

    return relative


@pytest.fixture(scope="session")
def compose(tmp_path_factory):
    """`compose("frontend=mfcc", ...)`: the frontend that these overrides of the shipped configs give."""
    from hydra import compose, initialize_config_dir
    from hydra.utils import instantiate

    folder = tmp_path_factory.mktemp("top")
    (folder / "top.yaml").write_text(
        "defaults: [{frontend: mfcc}, _self_]\n"
        f"audio: {{sample_rate: {SAMPLE_RATE}}}\n"
        f"hydra: {{searchpath: ['file://{REPO / 'configs'}']}}\n"
    )

    def build(*overrides: str):
        with initialize_config_dir(str(folder), version_base="1.3"):
            config = compose("top", overrides=list(overrides))
        return instantiate(config.frontend)

    return build
