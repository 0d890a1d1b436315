"""Views: which is drawn when, what a view depends on, and how several entries are one."""

import numpy as np
import pytest
import torch

from ser.data.features.sources import ResidentFeatures, StoredWaveforms
from ser.data.features.views import StackedFeatures, Views, render, view_seed

TRAIN = [3, 5, 6, 9]


def resident(num_views=3, trim=False):
    """View v of the k-th training utterance holds 10 k + v in every feature, in 1 + k + v frames of 8."""
    features, frames = torch.zeros(num_views * len(TRAIN), 2, 8), []
    for v in range(num_views):
        for k in range(len(TRAIN)):
            features[v * len(TRAIN) + k, :, : 1 + k + v] = 10 * k + v
            frames.append(1 + k + v)
    return ResidentFeatures(features, torch.tensor(frames), trim)


def drawn(views, epoch):
    """The view that each training utterance has in an epoch, read from what batches hold."""
    views.set_epoch(epoch)
    batch = views.batch(TRAIN)
    values = batch["features"][:, 0, 0]
    assert torch.equal(batch["frames"], (1 + values // 10 + values % 10).long())
    assert (values // 10).tolist() == [0, 1, 2, 3], "each utterance shows a view of its own"
    return (values % 10).int().tolist()


def test_the_view_is_a_function_of_seed_and_epoch():
    first, second = Views(resident(), TRAIN, 3, seed=1), Views(resident(), TRAIN, 3, seed=1)
    seen = [drawn(first, epoch) for epoch in range(20)]
    assert [drawn(second, epoch) for epoch in reversed(range(20))] == seen[::-1]
    assert len({tuple(views) for views in seen}) > 10
    assert [drawn(Views(resident(), TRAIN, 3, seed=2), epoch) for epoch in range(20)] != seen


def test_all_views_are_drawn_evenly():
    views = Views(resident(), TRAIN, 3, seed=0)
    counts = np.bincount(np.concatenate([drawn(views, epoch) for epoch in range(300)]), minlength=3)
    assert len(counts) == 3 and (np.abs(counts - 400) < 80).all(), "the recordings as they are, view 0, count as one"


def test_batches_by_index_and_by_what_lies_on_the_device_are_the_same():
    views = Views(resident(trim=True), TRAIN, 3, seed=4)
    views.to(torch.device("cpu"))
    for epoch in range(5):
        views.set_epoch(epoch)
        indices = np.array([9, 3, 6])
        one, other = views.batch(indices), views.batch(indices, torch.from_numpy(indices))
        assert all(torch.equal(one[name], other[name]) for name in one)
        assert one["features"].shape[2] == int(one["frames"].max())


class Entry:
    """As `ser.data.features.feature_store.Features`: recording i holds `value` in i frames."""

    num_features = 2

    def __init__(self, value, total=4):
        self.value, self.frames, self.num_frames = value, np.arange(total), total + value

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, i):
        return np.full((2, i), self.value, dtype=np.float32)


def test_entries_are_stacked():
    stacked = StackedFeatures([Entry(1), Entry(2), Entry(5)])
    block, frames = stacked.batch(np.array([1, 4 + 3, 8 + 2, 8]))
    assert frames.tolist() == [1, 3, 2, 0] and block.shape == (4, 2, 9)
    assert [block[i].max() for i in range(4)] == [1, 2, 5, 0]
    assert [int((row[0] > 0).sum()) for row in block] == [1, 3, 2, 0]
    assert stacked.size(np.arange(12)) == 4 * 12 * 2 * 9


class Store:
    """As `ser.data.store.waveforms.Waveforms`."""

    def __init__(self, clips):
        self.clips, self.lengths = clips, np.array([len(clip) for clip in clips])

    def batch(self, indices, num_samples):
        width = num_samples or max(self.lengths[i] for i in indices)
        block = np.zeros((len(indices), width), np.float32)
        for row, i in zip(block, indices, strict=True):
            row[: min(width, self.lengths[i])] = self.clips[i][:width]
        return block, np.minimum(self.lengths[indices], width)


def jitter(waveforms, lengths, generator):
    return waveforms + torch.rand(waveforms.shape, generator=generator), lengths


def plain(waveforms, lengths):
    return waveforms[:, None], lengths


def rendered(clips, indices, view, seed=0):
    source = StoredWaveforms(Store(clips), np.arange(len(clips)), None)
    batches = render(source, [jitter], plain, indices, view, seed)
    return {
        i: features for block, frames in batches for i, features in zip(indices, unpadded(block, frames), strict=True)
    }


def unpadded(block, frames):
    return [features[:, :n] for features, n in zip(block, frames.tolist(), strict=True)]


def test_a_view_depends_on_the_clip_the_seed_and_its_number_alone():
    clips = [np.random.default_rng(i).standard_normal(50 + i).astype(np.float32) for i in range(5)]
    everyone = rendered(clips, [0, 1, 2, 3, 4], view=1)
    alone = rendered([clips[3]], [0], view=1)
    assert torch.equal(everyone[3], alone[0]), "neither its place nor its batch mates"
    assert not torch.equal(everyone[3], rendered(clips, [3], view=2)[3])
    assert not torch.equal(everyone[3], rendered(clips, [3], view=1, seed=1)[3])
    twins = rendered([clips[0], clips[0].copy()], [0, 1], view=1)
    assert torch.equal(twins[0], twins[1]), "the same samples are the same clip"


def test_seeds_of_views():
    clip = torch.randn(100)
    seeds = {view_seed(seed, clip, view) for seed in range(5) for view in range(5)}
    assert len(seeds) == 25 and view_seed(0, clip, 1) == view_seed(0, clip.clone(), 1)
    assert view_seed(0, clip, 1) != view_seed(0, clip + 1e-6, 1)


@pytest.mark.parametrize("count", [1, 15, 16, 17, 40])
def test_every_clip_is_rendered_once_and_in_order(count):
    clips = [np.full(5 + i, i, np.float32) for i in range(count)]
    source = StoredWaveforms(Store(clips), np.arange(count), None)
    batches = list(render(source, [], plain, range(count), 1, 0))
    found = [features for block, frames in batches for features in unpadded(block, frames)]
    assert [float(features.mean()) for features in found] == list(range(count))
