"""Fitting on valid frames, keeping it in the checkpoint, zero padding."""

import numpy as np
import pytest
import torch

from ser.errors import UserError
from ser.frontends.normaliser import Normaliser


def make_batches(content: float = 0.0):
    """Three batches of four utterances, 5 features, at most 9 frames, `content` behind the valid ones."""
    generator = torch.Generator().manual_seed(0)
    batches = []
    for _ in range(3):
        features = torch.randn(4, 5, 9, generator=generator) * torch.arange(1, 6)[:, None] + 100
        frames = torch.randint(1, 9, (4,), generator=generator)
        for row, count in zip(features, frames, strict=True):
            row[:, count:] = content
        batches.append((features, frames))
    return batches


def valid_frames(batches):
    pairs = [pair for features, frames in batches for pair in zip(features, frames, strict=True)]
    return [row[:, :count].numpy().astype("f8") for row, count in pairs]


@pytest.mark.parametrize("content", [0.0, 1e9, float("nan")])
def test_per_feature_equals_numpy_over_valid_frames(content):
    batches = make_batches(content)
    normaliser = Normaliser("feature", 5)
    normaliser.fit(iter(batches))
    everything = np.concatenate(valid_frames(batches), axis=1)
    assert normaliser.mean[:, 0].numpy() == pytest.approx(everything.mean(1), rel=1e-6)
    assert normaliser.std[:, 0].numpy() == pytest.approx(everything.std(1), rel=1e-6)


@pytest.mark.parametrize("content", [0.0, 1e9, float("nan")])
def test_per_feature_and_frame_counts_only_utterances_that_reach_it(content):
    batches = make_batches(content)
    normaliser = Normaliser("feature_and_frame", 5, num_frames=9)
    normaliser.fit(iter(batches))
    utterances = valid_frames(batches)
    for frame in range(9):
        column = [utterance[:, frame] for utterance in utterances if utterance.shape[1] > frame]
        if len(column) > 1:
            assert normaliser.mean[:, frame].numpy() == pytest.approx(np.mean(column, axis=0), rel=1e-6)
            assert normaliser.std[:, frame].numpy() == pytest.approx(np.std(column, axis=0), rel=1e-5)
    never = max(utterance.shape[1] for utterance in utterances)
    assert never < 9
    assert not normaliser.mean[:, never:].any() and torch.all(normaliser.std[:, never:] == 1)


def test_output_is_standard_with_zero_padding():
    normaliser = Normaliser("feature", 5)
    normaliser.fit(make_batches())
    outputs = [(normaliser(*batch), batch[1]) for batch in make_batches(content=float("nan"))]
    everything = np.concatenate(valid_frames(outputs), axis=1)
    assert everything.mean(1) == pytest.approx(0, abs=1e-5) and everything.std(1) == pytest.approx(1, rel=1e-5)
    for features, frames in outputs:
        for row, count in zip(features, frames, strict=True):
            assert not row[:, count:].any()


def test_only_what_it_was_fitted_on_counts():
    normaliser = Normaliser("feature", 5)
    normaliser.fit(make_batches())
    before = normaliser.state_dict()["mean"].clone()
    normaliser.train()(torch.full((2, 5, 9), 1e6), torch.tensor([9, 9]))
    assert torch.equal(normaliser.mean, before)


@pytest.mark.parametrize("value", [0.0, -100.0, 1e-9, 12345.678])
def test_constant_features_are_not_blown_up(value):
    normaliser = Normaliser("feature", 1)
    features, frames = torch.full((4, 1, 7), value), torch.tensor([7, 3, 1, 5])
    normaliser.fit([(features, frames)] * 3)
    assert normaliser.std.item() == 1
    assert normaliser(features, frames).abs().max() < 1e-3


def test_small_features_are_scaled_all_the_same():
    normaliser = Normaliser("feature", 1)
    normaliser.fit([(1e-9 * torch.randn(4, 1, 50), torch.full((4,), 50))])
    assert 1e-10 < normaliser.std.item() < 1e-8


def test_none_changes_nothing_but_padding():
    normaliser = Normaliser("none", 5)
    normaliser.fit(make_batches())
    features, frames = make_batches(content=0.0)[0]
    assert torch.equal(normaliser(features, frames), features)


@pytest.mark.parametrize(("mode", "num_frames"), [("none", None), ("feature", None), ("feature_and_frame", 9)])
def test_state_dict_round_trip(mode, num_frames, tmp_path):
    fitted, fresh = (Normaliser(mode, 5, num_frames) for _ in range(2))
    fitted.fit(make_batches())
    torch.save(fitted.state_dict(), tmp_path / "state.pt")
    fresh.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    features, frames = make_batches()[1]
    assert torch.equal(fitted(features, frames), fresh(features, frames))
    assert set(fitted.state_dict()) == {"mean", "std"}


def test_float32_under_autocast():
    normaliser = Normaliser("feature", 5)
    normaliser.fit(make_batches())
    features, frames = make_batches()[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert normaliser(features.bfloat16(), frames).dtype == torch.float32
        assert torch.equal(normaliser(features, frames), normaliser(features, frames))


def test_refusals():
    with pytest.raises(UserError, match="Did you mean 'feature'"):
        Normaliser("featur", 5)
    with pytest.raises(UserError, match=r"set audio\.duration_s"):
        Normaliser("feature_and_frame", 5)
    with pytest.raises(UserError, match="no training utterance"):
        Normaliser("feature", 5).fit([])
    with pytest.raises(UserError, match=r"8 frames.*for 9: set audio\.duration_s"):
        Normaliser("feature_and_frame", 5, 9)(torch.zeros(1, 5, 8), torch.tensor([8]))


@pytest.mark.parametrize("content", [0.0, 1e9, float("nan")])
def test_of_each_utterance_its_own_mean_is_taken_away(content):
    batches = make_batches(content)
    normaliser = Normaliser("utterance", 5)
    normaliser.fit(iter(batches))
    centred = [row - row.mean(axis=1, keepdims=True) for row in valid_frames(batches)]
    std = np.concatenate(centred, axis=1).std(1)
    assert normaliser.std[:, 0].numpy() == pytest.approx(std, rel=1e-5)
    outputs = [(normaliser(*batch), batch[1]) for batch in batches]
    for row, expected in zip(valid_frames(outputs), centred, strict=True):
        assert row == pytest.approx(expected / std[:, None], abs=1e-4)
    louder = [(normaliser(features + 3.0, frames), frames) for features, frames in batches]
    for row, expected in zip(valid_frames(louder), valid_frames(outputs), strict=True):
        assert row == pytest.approx(expected, abs=1e-4), "a gain adds the same to every frame of a logarithm"


def test_of_one_vector_nothing_would_be_left():
    with pytest.raises(UserError, match="normaliser=utterance .* nothing would be left"):
        Normaliser("utterance", 5, num_frames=1)


def test_what_stands_still_within_utterances_is_not_blown_up():
    """A band above a telephone's: constant in each training utterance, and moving in those of another corpus."""
    generator = torch.Generator().manual_seed(0)
    levels = 5 * torch.randn(64, 1, 1, generator=generator) - 80
    features = levels + torch.cat([torch.zeros(64, 1, 20), torch.randn(64, 1, 20, generator=generator)], dim=1)
    frames = torch.full((64,), 20)
    normaliser = Normaliser("utterance", 2)
    normaliser.fit([(features, frames)])
    deviation = float(features[:, 0].std(unbiased=False))
    assert float(normaliser.std[0]) == pytest.approx(deviation / 10, rel=1e-4)
    assert float(normaliser.std[1]) == pytest.approx(0.97, abs=0.05), "what moves has the deviation of its movement"
    wide = levels + 10 * torch.randn(64, 2, 20, generator=generator)
    assert normaliser(wide, frames).abs().max() < 100
    silent = Normaliser("utterance", 1)
    silent.fit([(torch.full((3, 1, 9), -80.0), torch.full((3,), 9))])
    assert float(silent.std) == 1.0
