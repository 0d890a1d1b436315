"""SpecAugment: where it masks, how much, and that the generator alone decides."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ser.augmentations.spectrogram import SpecAugment
from ser.errors import UserError

QUICK = settings(max_examples=150)


def batch(seed, size, num_features, num_frames):
    """Features without a single zero in valid frames, zeros behind them."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randint(1, num_frames + 1, (size,), generator=generator)
    frames[0] = num_frames
    features = 1 + torch.rand(size, num_features, num_frames, generator=generator)
    return features * (torch.arange(num_frames) < frames[:, None])[:, None], frames


def augment(augmentation, features, frames, seed=0):
    return augmentation(features, frames, torch.Generator().manual_seed(seed))


def masked(before, after, frames):
    """Which features are masked over all valid frames, and which frames over all features, of each utterance."""
    for one, other, valid in zip(before, after, frames, strict=True):
        hidden = (one != other)[:, :valid]
        yield hidden, hidden.all(dim=1), hidden.all(dim=0)


shares = st.floats(0, 1)


@QUICK
@given(st.integers(0, 999), st.integers(1, 5), st.integers(1, 20), st.integers(1, 30), shares, shares)
def test_one_mask_each_is_a_stretch_of_at_most_its_width(seed, size, num_features, num_frames, high, wide):
    features, frames = batch(seed, size, num_features, num_frames)
    before = features.clone()
    after, after_frames = augment(SpecAugment(1, high, 1, wide), features, frames, seed)
    assert torch.equal(features, before), "it works on a copy"
    assert after.shape == features.shape and torch.equal(after_frames, frames)
    assert torch.equal(after[after != features], torch.zeros_like(after[after != features])), "the fill is the mean, 0"
    for (hidden, bands, stretches), valid in zip(masked(features, after, frames), frames.tolist(), strict=True):
        assert torch.equal(hidden, bands[:, None] | stretches[None, :]) or hidden.all()
        if not hidden.all():
            for found, longest in ((bands, high * num_features), (stretches, wide * valid)):
                assert found.sum() <= longest + 1e-4
                places = found.nonzero().flatten().tolist()
                assert places == list(range(places[0], places[0] + len(places))) if places else True


@QUICK
@given(st.integers(0, 999), st.integers(1, 4), st.integers(1, 4))
def test_several_masks_hide_at_most_their_sum(seed, bands, stretches):
    features, frames = batch(seed, 4, 40, 50)
    after, _ = augment(SpecAugment(bands, 0.1, stretches, 0.1), features, frames, seed)
    for (_, hidden_bands, hidden_frames), valid in zip(masked(features, after, frames), frames, strict=True):
        assert hidden_bands.sum() <= bands * 4 and hidden_frames.sum() <= stretches * (0.1 * valid)


def test_time_masks_lie_within_the_valid_frames():
    """A whole-width mask of a short utterance hides its valid frames and is as long as they are."""
    features, frames = torch.ones(200, 1, 100), torch.full((200,), 10)  # ones everywhere: padding would show a mask
    after, _ = augment(SpecAugment(0, 0, 1, 1.0), features, frames)
    hidden = (after == 0)[:, 0]
    assert not hidden[:, 10:].any()
    assert set(hidden.sum(dim=1).tolist()) == set(range(11)), "every width from 0 to all is drawn"


def test_places_and_widths_are_drawn_for_each_utterance():
    features, frames = torch.ones(64, 32, 80), torch.full((64,), 80)
    after, _ = augment(SpecAugment(1, 0.25, 1, 0.25), features, frames)
    assert len({tuple(row.flatten().tolist()) for row in after}) == 64
    hidden = (after == 0).float().mean(dim=0)
    assert (hidden > 0).all(), "every place is masked at times"


def test_the_generator_alone_decides():
    features, frames = batch(1, 6, 20, 30)
    spec = SpecAugment()
    torch.manual_seed(1)
    first, _ = augment(spec, features, frames, seed=5)
    torch.manual_seed(2)
    again, _ = augment(spec, features, frames, seed=5)
    other, _ = augment(spec, features, frames, seed=6)
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("counts", [(0, 0), (2, 0), (0, 2)])
def test_masks_can_be_switched_off(counts):
    features, frames = batch(0, 5, 16, 20)
    after, _ = augment(SpecAugment(counts[0], 0.5, counts[1], 0.5), features, frames)
    for hidden, bands, stretches in masked(features, after, frames):
        assert counts[0] or not bands.any() or hidden.all()
        assert counts[1] or not stretches.any() or hidden.all()
    assert torch.equal(features, after) == (counts == (0, 0))


def test_widths_of_zero_mask_nothing():
    features, frames = batch(0, 5, 16, 20)
    assert torch.equal(augment(SpecAugment(3, 0.0, 3, 0.0), features, frames)[0], features)


def test_one_feature_and_one_frame():
    features, frames = batch(3, 4, 1, 1)
    after, _ = augment(SpecAugment(), features, frames)
    assert torch.equal(after, features)  # an eighth of one feature is none
    after, _ = augment(SpecAugment(1, 1.0, 1, 1.0), torch.ones(100, 1, 1), torch.ones(100, dtype=torch.long))
    assert 0 < int(after.sum()) < 100


def test_the_clips_own_mean_where_nothing_is_normalised():
    features, frames = batch(4, 6, 12, 30)
    after, _ = augment(SpecAugment(1, 0.5, 1, 0.5, fill="clip_mean"), features, frames, seed=3)
    for one, other, valid in zip(features, after, frames.tolist(), strict=True):
        hidden = one != other
        assert hidden.any() and not hidden[:, valid:].any()
        mean = one[:, :valid].mean(1, keepdim=True).expand_as(one)
        assert torch.allclose(other[hidden], mean[hidden])


def test_with_p_of_1_nothing_more_is_drawn_than_masks():
    """What a run drew before there was a `p` stays what it draws."""
    features, frames = batch(1, 6, 20, 30)
    first, second = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    SpecAugment()(features, frames, first)
    torch.rand(2, 6, 2, 1, generator=second), torch.rand(2, 6, 2, 1, generator=second)
    assert torch.equal(first.get_state(), second.get_state())


def test_an_unknown_fill():
    with pytest.raises(UserError, match="SpecAugment's fill=zeros is unknown"):
        SpecAugment(fill="zeros")
