"""Features kept on disk: computed once, found again by everything they depend on, never half there."""

import numpy as np
import pytest
import torch

from ser.data.features.feature_store import open_features
from ser.data.features.sources import MappedFeatures, ResidentFeatures
from ser.data.store.array_store import list_entries

FRAMES = [3, 5, 1, 4]
ROWS = np.array([0, 2, 3, 5])  # recordings 1 and 4 could not be used


def computed(calls=None):
    """Features of the four rows, in two batches of different width, zeros behind the valid frames."""
    if calls is not None:
        calls.append(1)
    for start in (0, 2):
        frames = torch.tensor(FRAMES[start : start + 2])
        width = int(frames.max()) + 1
        batch = torch.arange(2 * 6 * width, dtype=torch.float32).reshape(2, 6, width) + 1 + 100 * start
        yield batch * (torch.arange(width) < frames[:, None])[:, None], frames


def keep(cache, depends_on=None, calls=None):
    return open_features(depends_on or {"frontend": "x"}, ROWS, 6, Lazily(calls), {"name": "c", "settings": {}}, cache)


class Lazily:
    """Computes when somebody asks."""

    def __init__(self, calls):
        self.calls = calls

    def __iter__(self):
        return computed(self.calls)


def test_what_is_kept_is_what_was_computed(tmp_path):
    features = keep(tmp_path)
    assert len(features) == 6 and features.num_features == 6 and features.num_frames == 6
    assert features.frames.tolist() == [3, 0, 5, 1, 0, 4]
    rows = iter(ROWS)
    for batch, frames in computed():
        for values, count in zip(batch, frames, strict=True):
            np.testing.assert_array_equal(features[next(rows)], values[:, :count])


def test_it_is_computed_once(tmp_path):
    calls = []
    keep(tmp_path, calls=calls)
    keep(tmp_path, calls=calls)
    assert len(calls) == 1
    keep(tmp_path, {"frontend": "y"}, calls=calls)
    assert len(calls) == 2 and {entry.kind for entry in list_entries(tmp_path)} == {"features"}


def test_what_is_damaged_is_computed_anew(tmp_path):
    calls = []
    keep(tmp_path, calls=calls)
    (entry,) = list_entries(tmp_path)
    values = entry.folder / "values.f32"
    values.write_bytes(values.read_bytes()[:-4])
    assert keep(tmp_path, calls=calls).frames.tolist() == [3, 0, 5, 1, 0, 4] and len(calls) == 2


def test_nothing_is_left_of_what_failed(tmp_path):
    def broken():
        yield from list(computed())[:1]
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError):
        open_features({}, ROWS, 6, broken(), {"name": "c", "settings": {}}, tmp_path)
    assert list_entries(tmp_path) == [] and not list((tmp_path / "features").glob("*.partial"))


@pytest.mark.parametrize("trim", [True, False])
def test_batches_from_disk_are_the_batches_from_memory(tmp_path, trim):
    features = keep(tmp_path)
    block, frames = map(torch.from_numpy, features.batch(ROWS))
    normalised = (block - 1) * (block != 0)
    resident = ResidentFeatures(normalised, frames, trim)
    mapped = MappedFeatures(features, ROWS, lambda x, _: (x - 1) * (x != 0), trim)
    for indices in ([0], [3, 1], [2, 2, 0, 1]):
        ours, theirs = mapped.batch(indices), resident.batch(indices)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_size_is_that_of_the_block(tmp_path):
    features = keep(tmp_path)
    assert features.size(ROWS) == features.batch(ROWS)[0].nbytes
