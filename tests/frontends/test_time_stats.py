"""Statistics over the valid frames, against numpy."""

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


def test_order_of_the_rows_is_the_users():
    waveforms, lengths = torch.randn(1, 50), torch.tensor([50])
    mean, std = (TimeStats(Steps(), [name])(waveforms, lengths)[0] for name in ("mean", "std"))
    assert torch.equal(TimeStats(Steps(), ["std", "mean"])(waveforms, lengths)[0], torch.cat([std, mean], dim=1))


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_gradient_of_the_deviation_of_a_constant_is_zero(value):
    waveforms = torch.full((1, 8), value, requires_grad=True)
    TimeStats(Steps(), ["std"])(waveforms, torch.tensor([8]))[0].sum().backward()
    assert not waveforms.grad.any()
