"""Features kept on disk: computed once, found again by everything they depend on, never half there."""

from functools import partial

import numpy as np
import pytest
import torch

from ser.data.features.feature_store import open_features
from ser.data.features.sources import MappedFeatures, ResidentFeatures
from ser.data.store import journal
from ser.data.store.array_store import list_entries

FRAMES = [3, 5, 1, 4]
ROWS = np.array([0, 2, 3, 5])  # recordings 1 and 4 could not be used


def computed(done=0, calls=None):
    """Features of the four rows, in two batches of different width, zeros behind the valid frames."""
    if calls is not None:
        calls.append(done)
    for start in (0, 2)[done // 2 :]:
        frames = torch.tensor(FRAMES[start : start + 2])
        width = int(frames.max()) + 1
        batch = torch.arange(2 * 6 * width, dtype=torch.float32).reshape(2, 6, width) + 1 + 100 * start
        yield batch * (torch.arange(width) < frames[:, None])[:, None], frames


def keep(cache, depends_on=None, calls=None, **settings):
    compute, about = partial(computed, calls=calls), {"name": "c", "settings": {}}
    return open_features(depends_on or {"frontend": "x"}, ROWS, 6, compute, about, cache, **settings)


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
    def broken(done):
        yield from list(computed())[:1]
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError):
        open_features({}, ROWS, 6, broken, {"name": "c", "settings": {}}, tmp_path)
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


def test_half_precision_takes_half_the_disk_and_gives_float32(tmp_path):
    whole, half = keep(tmp_path), keep(tmp_path, {"frontend": "half"}, kept_as="float16")
    sizes = {entry.size for entry in list_entries(tmp_path)}
    assert max(sizes) - min(sizes) > 100
    (block, frames), (expected, _) = half.batch(ROWS), whole.batch(ROWS)
    assert block.dtype == np.float32 and frames.tolist() == FRAMES
    np.testing.assert_allclose(block, expected, rtol=1e-3)
    large = lambda done: [(torch.full((4, 6, 1), -1e9), torch.ones(4, dtype=torch.int64))]  # noqa: E731
    huge = open_features({"x": 1}, ROWS, 6, large, {"name": "c", "settings": {}}, tmp_path, "float16")
    assert np.isfinite(huge.batch(ROWS)[0]).all()


class Killed(BaseException):
    pass


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """A cache in which a process was killed after one of two batches."""
    monkeypatch.setattr(journal, "EVERY_S", 0.0)

    def killed(done):
        yield next(computed(done))
        raise Killed

    with pytest.raises(Killed):
        open_features({"frontend": "x"}, ROWS, 6, killed, {"name": "c", "settings": {}}, tmp_path)
    assert list_entries(tmp_path) == []
    return tmp_path


@pytest.mark.parametrize("torn", [b"", b"a few values more", b"lost"])
def test_a_killed_process_is_continued_at_its_last_whole_block(interrupted, torn):
    (partial_folder,) = (interrupted / "features").glob("*.partial")
    values, calls = partial_folder / "values.f32", []
    if torn == b"lost":  # a journal that names what is not there
        values.write_bytes(values.read_bytes()[:-4])
    else:
        values.write_bytes(values.read_bytes() + torn)
        with (partial_folder / "blocks.jsonl").open("ab") as file:
            file.write(torn)
    features = keep(interrupted, calls=calls)
    assert calls == [0 if torn == b"lost" else 2]
    expected = keep(interrupted / "another")
    assert all(np.array_equal(*rows) for rows in zip(features.batch(ROWS), expected.batch(ROWS), strict=True))
    assert not list((interrupted / "features").glob("*.partial"))
    (entry,) = list_entries(interrupted)
    assert sorted(path.name for path in entry.folder.iterdir()) == ["index.json", "values.f32"]
