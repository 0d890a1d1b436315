"""Statistics over the valid frames, against numpy."""

import numpy as np
import pytest
import torch

from ser.frontends.base import Frontend
from ser.frontends.time_stats import TimeStats
from ser.masking import frame_mask


class Steps(Frontend):
    """Two features that are the samples themselves and a constant: one frame a sample."""

    num_features = 2

    def forward(self, waveforms, lengths):
        valid = frame_mask(lengths, waveforms.shape[-1])
        return torch.stack([waveforms, torch.full_like(waveforms, 7.0)], dim=1) * valid[:, None], lengths

    def count_frames(self, lengths):
        return lengths


def test_mean_and_population_deviation(error):
    waveforms = torch.randn(3, 50, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([50, 20, 1])
    stats, frames = TimeStats(Steps(), ["mean", "std"])(waveforms, lengths)
    assert stats.shape == (3, 4, 1) and frames.tolist() == [1, 1, 1]
    for row, samples, length in zip(stats[..., 0], waveforms.numpy(), lengths, strict=True):
        valid = samples[:length]
        assert error(row, [valid.mean(), 7.0, valid.std(), 0.0]) < 1e-6


def test_deviations_of_the_differences(error):
    waveforms = torch.randn(4, 50, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([50, 20, 2, 1])
    stats, _ = TimeStats(Steps(), ["delta_std", "delta2_std"])(waveforms, lengths)
    for row, samples, length in zip(stats[..., 0], waveforms.numpy(), lengths, strict=True):
        once, twice = (np.diff(samples[:length], n=order) for order in (1, 2))
        assert error(row, [once.std() if length > 1 else 0, 0, twice.std() if length > 2 else 0, 0]) < 1e-6
    one_frame, _ = TimeStats(Steps(), ["delta_std", "delta2_std"])(waveforms[:, :1], torch.ones(4, dtype=torch.int64))
    assert not one_frame.any()


def test_order_tells_differences_and_nothing_else():
    waveforms, lengths = torch.randn(1, 50, generator=torch.Generator().manual_seed(0)), torch.tensor([50])
    ordered = waveforms.sort().values
    every = TimeStats(Steps(), ["mean", "std", "delta_std"])
    before, after = every(waveforms, lengths)[0][0, ::2, 0], every(ordered, lengths)[0][0, ::2, 0]
    assert torch.allclose(before[:2], after[:2], atol=1e-6) and before[2] > 2 * after[2]


def test_order_of_the_rows_is_the_users():
    waveforms, lengths = torch.randn(1, 50), torch.tensor([50])
    mean, std = (TimeStats(Steps(), [name])(waveforms, lengths)[0] for name in ("mean", "std"))
    assert torch.equal(TimeStats(Steps(), ["std", "mean"])(waveforms, lengths)[0], torch.cat([std, mean], dim=1))


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_gradient_of_the_deviation_of_a_constant_is_zero(value):
    waveforms = torch.full((1, 8), value, requires_grad=True)
    TimeStats(Steps(), ["std", "delta_std", "delta2_std"])(waveforms, torch.tensor([8]))[0].sum().backward()
    assert not waveforms.grad.any()
