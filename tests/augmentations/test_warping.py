"""Warps: where things go on the time and the frequency axis."""

import numpy as np
import pytest
import torch

from ser.augmentations.warping import FrequencyWarp, TimeWarp, bend, read_between
from tests.augmentations.signals import generator


def ramp(size, num_features=3, num_frames=50, frames=None):
    """Features whose value is their frame, zeros behind the valid ones."""
    frames = torch.full((size,), num_frames) if frames is None else frames
    x = torch.arange(num_frames).float().expand(size, num_features, -1)
    return x * (torch.arange(num_frames) < frames[:, None, None]), frames


def test_a_time_warp_keeps_ends_and_order_and_bends_in_one_place():
    x, frames = ramp(200, frames=torch.randint(10, 51, (200,), generator=generator()))
    after, after_frames = TimeWarp(0.2)(x, frames, generator(1))
    assert torch.equal(after_frames, frames)
    for warped, n in zip(after[:, 0].double(), frames.tolist(), strict=True):
        valid = warped[:n]
        assert valid[0] == 0 and valid[-1] == pytest.approx(n - 1, abs=1e-4) and (warped[n:] == 0).all()
        steps = valid.diff()
        assert (steps > 0).all(), "time never stands still and never runs back"
        assert (steps.diff().abs() > 1e-3).sum() <= 2, "two straight lines"
        assert (valid - torch.arange(n)).abs().max() <= 0.2 * (n - 1) + 1e-3


def test_all_features_warp_together():
    x = torch.randn(4, 6, 30, generator=generator())
    after, _ = TimeWarp(0.3)(x, torch.full((4,), 30), generator(2))
    one, _ = TimeWarp(0.3)(x[:, 2:3], torch.full((4,), 30), generator(2))
    assert torch.allclose(after[:, 2:3], one)


def test_padding_never_leaks_into_valid_frames():
    x = torch.ones(50, 2, 30)
    frames = torch.full((50,), 20)
    x[:, :, 20:] = 0
    after, _ = TimeWarp(0.5)(x, frames, generator())
    assert torch.allclose(after[:, :, :20], torch.ones(50, 2, 20)) and (after[:, :, 20:] == 0).all()


@pytest.mark.parametrize("frames", [1, 2])
def test_too_few_frames_to_move_anything(frames):
    x = torch.randn(5, 3, frames)
    after, _ = TimeWarp(0.5)(x, torch.full((5,), frames), generator())
    assert torch.allclose(after, x, atol=1e-6)


@pytest.mark.parametrize("factor", [0.8, 0.9, 1.1, 1.25])
def test_a_peak_moves_by_the_factor(factor):
    """A bump at feature 40 of 101 is at 40 · factor: below the knee on both sides."""
    bump = torch.exp(-((torch.arange(101.0) - 40) ** 2) / 8)[None, :, None].expand(1, -1, 7)
    after, _ = FrequencyWarp(factor)(bump, torch.tensor([7]), generator())
    middle = (after[0, :, 0] * torch.arange(101)).sum() / after[0, :, 0].sum()
    assert float(middle) == pytest.approx(40 * factor, abs=0.3)
    assert torch.allclose(after, after[:, :, :1].expand(-1, -1, 7)), "the same in every frame"


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1, 2.0])
def test_a_frequency_warp_keeps_both_ends_and_the_order(factor):
    x = torch.arange(64.0)[None, :, None].expand(3, -1, 2)
    after, _ = FrequencyWarp(factor)(x, torch.full((3,), 2), generator())
    assert (after[:, 0] == 0).all() and np.allclose(after[:, -1], 63, atol=1e-4)
    assert (after.diff(dim=1) > 0).all()


def test_a_factor_of_1_changes_nothing():
    x = torch.randn(3, 40, 5)
    assert torch.allclose(FrequencyWarp(1.0)(x, torch.full((3,), 5))[0], x, atol=1e-5)


def test_reading_between_is_numpy_interpolation():
    x, places = torch.randn(2, 3, 20), torch.rand(2, 3, 20, generator=generator()) * 19
    found = read_between(x, places, dim=2)
    for b in range(2):
        for f in range(3):
            assert np.allclose(found[b, f], np.interp(places[b, f], np.arange(20), x[b, f]), atol=1e-5)


def test_bends_are_two_lines_through_three_points():
    knee, source, last = torch.tensor([4.0]), torch.tensor([6.0]), torch.tensor([10.0])
    found = bend(torch.tensor([[0.0, 2.0, 4.0, 7.0, 10.0]]), knee, source, last)
    assert found[0].tolist() == pytest.approx([0, 3, 6, 8, 10])
