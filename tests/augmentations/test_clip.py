"""Clips come back to the run's duration."""

import torch

from ser.augmentations.clip import Clip
from tests.augmentations.signals import noisy_batch


def test_longer_clips_are_cut_and_shorter_ones_padded():
    x, lengths = noisy_batch([120, 100, 70])
    for width in (100, 150):
        clips, clip_lengths = Clip(width)(x, lengths)
        assert clips.shape == (3, width)
        assert clip_lengths.tolist() == [min(length, width) for length in (120, 100, 70)]
        for before, after, length in zip(x, clips, clip_lengths.tolist(), strict=True):
            assert torch.equal(after[:length], before[:length]) and (after[length:] == 0).all()


def test_padding_that_counts_as_signal():
    x, lengths = noisy_batch([120, 70])
    clips, clip_lengths = Clip(100, padding_is_signal=True)(x, lengths)
    assert clip_lengths.tolist() == [100, 100] and (clips[1, 70:] == 0).all()
