"""Recordings read faster or slower in blocks are those that `ser.augmentations.resampling` reads whole."""

import numpy as np
import pytest
import torch

from ser.augmentations.resampling import near_lengths, num_transformed, resample
from ser.inference.graph_speed import BLOCK, Reader
from tests.inference.untrained import voices

RATES = (0.5, 0.9, 1.05, 1.1, 2.0)


def batch(clips):
    lengths = torch.tensor([len(clip) for clip in clips])
    return torch.nn.utils.rnn.pad_sequence([torch.from_numpy(clip) for clip in clips], batch_first=True), lengths


def assert_read(clips, rates=RATES, start=0):
    waveforms, lengths = batch(clips)
    reader = Reader(rates)
    width = 2 * waveforms.shape[1] + 2
    starts = torch.full((len(clips), len(rates), 1), start)
    read, new_lengths = reader(waveforms, lengths, starts, width), reader.lengths(lengths)
    for i, clip in enumerate(clips):
        for j, rate in enumerate(rates):
            expected = resample(torch.from_numpy(clip), rate)
            assert len(expected) == new_lengths[i, j]
            found = read[i, j, 0, : len(expected) - start]
            assert (found - expected[start:]).abs().max() < 5e-6 * expected.abs().max()


def test_voices_are_read_alike_at_every_speed():
    assert_read(voices(16_000)[::2])


def test_from_any_sample_on():
    assert_read(voices(16_000)[:1], start=1234)


def test_longer_than_a_block_without_a_seam():
    long = np.tile(voices(16_000)[0], 6)
    assert len(long) > 1.5 * BLOCK
    assert_read([long, voices(16_000)[1]], rates=(0.9, 1.1))


@pytest.mark.parametrize("rate", [0.95, 1.1])
def test_the_very_transforms_of_each_length(rate):
    """A ratio that is off by 3e-4 would shift the end of three seconds by 14 samples."""
    lengths = torch.tensor([1, 3000, 8190, 47_999, 48_000, 60_001, 1_234_567])
    before, after = Reader([rate]).transforms(lengths)
    for length, *pair in zip(lengths.tolist(), before[:, 0].tolist(), after[:, 0].tolist(), strict=True):
        assert tuple(pair) == near_lengths(num_transformed(length), rate)


def test_noise_up_to_half_the_sample_rate():
    """There a cut that is off by one frequency, or a transform of another length, would show first."""
    noise = np.random.default_rng(0).normal(0, 0.1, 20_001).astype(np.float32)
    assert_read([noise, noise[:8000], np.r_[noise[:5000], 0 * noise[:5000]]])
