"""Where batches come from: the store, or features kept in memory."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ser.data.audio.prepare import AudioSettings
from ser.data.features.sources import ResidentFeatures, StoredWaveforms, compute_features, keep_in_memory
from ser.data.store.hashes import hash_files
from ser.data.store.waveforms import open_store
from tests.tiny_corpora import write_tone


@pytest.fixture(scope="module")
def waveforms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tones")
    paths = [write_tone(folder / f"{i}.wav", 100 + 10 * i, 8000, 0.15 + 0.02 * (i * 7 % 10)) for i in range(10)]
    audio = AudioSettings(sample_rate=8000, trim_db=None)
    return open_store(paths, hash_files(paths, folder), audio, folder / "cache", "tones")


def frontend(waveforms, lengths):
    """Two features a frame of 100 samples: mean square and mean; zero behind the valid frames."""
    frames = lengths // 100
    blocks = waveforms[:, : waveforms.shape[1] // 100 * 100].reshape(len(waveforms), -1, 100)
    features = torch.stack([blocks.square().mean(dim=2), blocks.mean(dim=2)], dim=1)  # (B, 2, L)
    valid = torch.arange(features.shape[2]) < frames[:, None]
    return features * valid[:, None], frames


def resident(count=6, num_features=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randint(1, 9, (count,), generator=generator)
    features = torch.randn(count, num_features, int(frames.max()), generator=generator)
    return features * (torch.arange(features.shape[2]) < frames[:, None])[:, None], frames


@settings(max_examples=50)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.one_of(st.none(), st.integers(1, 4000)))
def test_stored_batches_are_what_indexing_says(waveforms, indices, num_samples):
    rows = np.arange(10)[::-1].copy()
    batch = StoredWaveforms(waveforms, rows, num_samples).batch(indices)
    assert batch["waveforms"].dtype == torch.float32 and batch["lengths"].dtype == torch.int64
    width = num_samples or max(len(waveforms[9 - i]) for i in indices)
    assert batch["waveforms"].shape == (len(indices), width)
    for row, length, i in zip(batch["waveforms"], batch["lengths"], indices, strict=True):
        assert length == min(width, len(waveforms[9 - i]))
        np.testing.assert_array_equal(row[:length], waveforms[9 - i][:length])
        assert not row[length:].any()


def test_padding_may_be_signal(waveforms):
    source = StoredWaveforms(waveforms, np.arange(10), 4000, padding_is_signal=True)
    batch = source.batch([0, 3])
    assert batch["lengths"].tolist() == [4000, 4000] and not batch["waveforms"][0, -100:].any()
    own_lengths = StoredWaveforms(waveforms, np.arange(10), None, padding_is_signal=True).batch([0, 3])
    assert own_lengths["lengths"].tolist() == [len(waveforms[0]), len(waveforms[3])]


@settings(max_examples=50)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=9), st.booleans(), st.integers(0, 99))
def test_kept_batches_are_what_indexing_says(indices, trim, seed):
    features, frames = resident(seed=seed)
    batch = ResidentFeatures(features, frames, trim).batch(np.array(indices))
    width = int(frames[indices].max()) if trim else features.shape[2]
    torch.testing.assert_close(batch["features"], features[indices][:, :, :width], rtol=0, atol=0)
    torch.testing.assert_close(batch["frames"], frames[indices], rtol=0, atol=0)
    assert not features[indices][:, :, width:].any(), "what is cut off is padding"


def test_a_batch_is_a_copy():
    features, frames = resident()
    kept = ResidentFeatures(features, frames, trim=False)
    kept.batch([0, 1])["features"].fill_(7)
    assert not (kept.features == 7).any()


def test_moving_to_a_device_changes_no_batch():
    kept = ResidentFeatures(*resident(), trim=True)
    before = kept.batch([4, 2])
    kept.to(torch.device("cpu"))
    assert all(torch.equal(before[name], tensor) for name, tensor in kept.batch([4, 2]).items())


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_computed_features_do_not_depend_on_the_batches(waveforms, batch_size):
    source = StoredWaveforms(waveforms, np.arange(10), None)
    kept = keep_in_memory(compute_features(source, frontend, range(10)), 10, trim=True)
    assert kept.features.shape == (10, 2, int(kept.frames.max())) and not kept.features.requires_grad
    for i in range(10):
        alone, frames = frontend(**source.batch([i]))
        assert kept.frames[i] == frames
        torch.testing.assert_close(kept.features[i, :, :frames], alone[0, :, :frames])
        assert not kept.features[i, :, frames:].any()


def test_computed_features_are_of_the_asked_in_order(waveforms):
    source = StoredWaveforms(waveforms, np.arange(10), 1000)
    asked = [7, 1, 4]
    found = torch.cat([features for features, _ in compute_features(source, frontend, asked)])
    torch.testing.assert_close(found, frontend(**source.batch(asked))[0])


def test_kept_features_can_be_trained_on(waveforms):
    """They come out of inference mode, and must serve autograd all the same."""
    source = StoredWaveforms(waveforms, np.arange(10), None)
    kept = keep_in_memory(compute_features(source, frontend, range(10)), 10, trim=True)
    weight = torch.ones(2, 1, requires_grad=True)
    (kept.batch([0, 1])["features"] * weight).sum().backward()
    assert weight.grad is not None
