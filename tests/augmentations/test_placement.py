"""Where clips begin."""

import torch

from ser.augmentations.placement import RandomCrop, RandomPlacement


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def counted(num_clips, num_frames):
    """Features whose values are their frames' numbers, from 1."""
    return torch.arange(1.0, num_frames + 1).expand(num_clips, 2, num_frames)


def test_a_crop_is_a_stretch_of_the_clip_and_every_stretch_comes():
    x, frames = counted(500, 10) * torch.ones(500, 1, 1), torch.full((500,), 9)
    x[..., 9:] = 0
    cut, left = RandomCrop(4)(x, frames, generator())
    assert (left == 4).all() and not cut[..., 4:].any()
    starts = cut[:, 0, 0]
    assert torch.equal(cut[:, 0, :4], starts[:, None] + torch.arange(4))
    assert set(starts.tolist()) == {1, 2, 3, 4, 5, 6}
    short, left = RandomCrop(20)(x, frames, generator())
    assert torch.equal(short, x) and torch.equal(left, frames)


def test_a_clip_moves_into_the_silence_behind_it_and_is_whole_there():
    x = counted(500, 8).clone()
    x[..., 3:] = -7.0  # three frames, then silence up to the sixth, then padding
    frames = torch.full((500,), 6)
    x[..., 6:] = 0
    moved, after = RandomPlacement()(x, frames, generator())
    assert torch.equal(after, frames) and not moved[..., 6:].any()
    starts = set()
    for row in moved[:, 0, :6].tolist():
        start = row.index(1.0)
        starts.add(start)
        assert row == [-7.0] * start + [1.0, 2.0, 3.0] + [-7.0] * (3 - start)
    assert starts == {0, 1, 2, 3}


def test_a_clip_without_silence_stays():
    x, frames = torch.randn(4, 3, 9), torch.tensor([9, 9, 9, 9])
    moved, _ = RandomPlacement()(x, frames, generator())
    assert torch.equal(moved, x)
