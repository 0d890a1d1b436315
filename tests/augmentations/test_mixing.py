"""Mixing does what its formulas say, and is a function of its generator."""

import pytest
import torch
from scipy.stats import beta
from torch.nn import functional as F

from ser.augmentations.mixing import CutMix, FreqMixStyle, Mixup


@pytest.fixture
def batch():
    torch.manual_seed(0)
    features = torch.randn(6, 4, 10)
    frames = torch.tensor([10, 9, 3, 1, 10, 5])
    features *= torch.arange(10) < frames[:, None, None]
    return features, frames, F.one_hot(torch.arange(6) % 3, 3).float()


def mix(batch, seed: int, alpha: float = 0.4):
    return Mixup(alpha)(*batch, torch.Generator().manual_seed(seed))


def test_targets_tell_how_features_were_mixed(batch):
    features, frames, targets = batch
    mixed, same_frames, soft = mix((features, frames, torch.eye(6)), seed=3, alpha=1.0)
    assert torch.equal(same_frames, frames)
    assert torch.allclose(soft.sum(1), torch.ones(6))
    valid = torch.arange(10) < frames[:, None, None]
    assert torch.allclose(mixed, torch.einsum("ij,jfl->ifl", soft, features) * valid, atol=1e-6)
    assert (soft.diagonal() >= 0.5).all(), "the larger share is the utterance's own"


def test_same_generator_same_mixture_and_another_differs(batch):
    assert torch.equal(mix(batch, 1)[0], mix(batch, 1)[0])
    assert not torch.equal(mix(batch, 1)[0], mix(batch, 2)[0])


def test_input_is_left_alone(batch):
    before = batch[0].clone()
    mix(batch, 1)
    assert torch.equal(batch[0], before)


def test_shares_follow_the_beta_distribution():
    """max(b, 1 − b) of Beta(1, 1) is uniform on [0.5, 1]: mean 0.75, variance 1/48."""
    pair = torch.eye(2)[:, :, None], torch.ones(2, dtype=torch.int64), torch.eye(2)
    shares = torch.stack([mix(pair, seed, alpha=1.0)[2].max() for seed in range(4000)])
    shares = shares[shares < 1]  # where the draw paired each with itself, nothing shows
    assert shares.mean() == pytest.approx(0.75, abs=0.01)
    assert shares.var() == pytest.approx(1 / 48, abs=0.002)


def test_p_leaves_some_utterances_as_they_are(batch):
    features, frames, _ = batch
    targets = torch.eye(6)
    _, _, soft = Mixup(1.0, p=0.5)(features, frames, targets, torch.Generator().manual_seed(1))
    whole = soft.diagonal() == 1
    assert whole.any() and not whole.all()
    assert torch.equal(Mixup(1.0, p=0)(features, frames, targets)[0], features)


# ---- CutMix --------------------------------------------------------------------------------------------------------


def cut(features, frames, targets, seed=0, alpha=1.0, p=1.0):
    return CutMix(alpha, p)(features, frames, targets, torch.Generator().manual_seed(seed))


def stamped(frames, num_features=3, num_frames=40):
    """Every value says whose it is and which frame: utterance + frame / 100, from 1.00 on."""
    size = len(frames)
    x = 1 + torch.arange(size)[:, None, None] + torch.arange(num_frames) / 100
    return x.expand(-1, num_features, -1) * (torch.arange(num_frames) < frames[:, None, None])


@pytest.mark.parametrize("seed", range(6))
def test_targets_are_the_shares_of_frames(seed):
    frames = torch.tensor([40, 40, 31, 20, 7, 1, 12, 33])
    features = stamped(frames)
    mixed, same_frames, soft = cut(features, frames, torch.eye(8), seed)
    assert torch.equal(same_frames, frames)
    for i, n in enumerate(frames.tolist()):
        values = mixed[i, :, :n]
        assert (values == values[:1]).all(), "all features of a frame come from one utterance"
        whose = values[0].floor().long() - 1
        shares = torch.bincount(whose, minlength=8) / n
        assert torch.allclose(soft[i], shares, atol=1e-6)
        assert len(set(whose.tolist())) <= 2
        assert torch.allclose(values[0] - values[0].floor(), torch.arange(n) / 100, atol=1e-5), "at the same place"
        assert (mixed[i, :, n:] == 0).all()
        foreign = (whose != i).nonzero().flatten()
        assert len(foreign) == 0 or foreign[-1] - foreign[0] == len(foreign) - 1, "one stretch"


def test_shares_are_drawn_evenly_with_alpha_1():
    frames = torch.full((400,), 100)
    _, _, soft = cut(torch.zeros(400, 1, 100), frames, torch.eye(400), seed=1)
    kept = soft.diagonal()
    kept = kept[kept < 1]
    assert float(kept.mean()) == pytest.approx(0.5, abs=0.05) and float(kept.std()) == pytest.approx(12**-0.5, abs=0.03)


def test_soft_targets_are_mixed_further():
    """After mixup the targets are soft already; they still sum to 1."""
    frames = torch.full((5,), 10)
    soft = torch.softmax(torch.randn(5, 3), dim=1)
    assert torch.allclose(cut(torch.randn(5, 2, 10), frames, soft)[2].sum(1), torch.ones(5))


def test_cutmix_leaves_its_input_alone_and_depends_on_the_generator_alone(batch):
    before = batch[0].clone()
    torch.manual_seed(1)
    first = cut(*batch, seed=4)
    torch.manual_seed(2)
    second = cut(*batch, seed=4)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(batch[0], before) and not torch.equal(first[0], cut(*batch, seed=5)[0])
    assert all(torch.equal(a, b) for a, b in zip(cut(*batch, p=0.0), batch, strict=True))


# ---- Freq-MixStyle -------------------------------------------------------------------------------------------------


def restyle(features, frames, targets, seed=0, alpha=1.0, p=1.0):
    return FreqMixStyle(alpha, p)(features, frames, targets, torch.Generator().manual_seed(seed))


def statistics(features, frames):
    """Mean and deviation of each feature over the valid frames: (B, F) each."""
    parts = [one[:, :n] for one, n in zip(features, frames.tolist(), strict=True)]
    return torch.stack([part.mean(1) for part in parts]), torch.stack([part.std(1, correction=0) for part in parts])


@pytest.fixture
def styled():
    """Eight utterances with a level and a deviation of their own in each of 5 features."""
    torch.manual_seed(1)
    frames = torch.tensor([40, 40, 31, 20, 25, 36, 12, 33])
    features = torch.randn(8, 5, 40) * (0.5 + torch.rand(8, 5, 1)) + 3 * torch.randn(8, 5, 1)
    return features * (torch.arange(40) < frames[:, None, None]), frames, torch.eye(8)


def test_statistics_lie_between_the_own_and_anothers_and_the_target_stays(styled):
    features, frames, targets = styled
    changed, same_frames, same_targets = restyle(*styled)
    assert torch.equal(same_frames, frames) and same_targets is targets
    means, deviations = statistics(features, frames)
    new_means, new_deviations = statistics(changed, frames)
    for i in range(8):
        # one share b explains all features' means and deviations, with one other utterance
        fits = []
        for j in range(8):
            ours, theirs = (torch.cat([m[k], d[k]]) for m, d in [(means, deviations)] for k in (i, j))
            new = torch.cat([new_means[i], new_deviations[i]])
            span = ours - theirs
            share = (new - theirs) @ span / (span @ span) if i != j else torch.tensor(1.0)
            fits.append(((theirs + share * span - new).abs().max(), share))
        worst, share = min(fits)
        assert worst < 1e-3 and -1e-4 <= share <= 1 + 1e-4
    assert not torch.allclose(new_means, means, atol=0.1)


def test_the_course_over_time_stays(styled):
    """Each feature, standardised over its valid frames, is as it was; what is not valid stays 0."""
    features, frames, _ = styled
    changed = restyle(*styled, seed=3)[0]

    def courses(x):
        mean, deviation = statistics(x, frames)
        return (x - mean[:, :, None]) / deviation[:, :, None] * (torch.arange(40) < frames[:, None, None])

    assert torch.allclose(courses(features), courses(changed), atol=1e-4)
    assert (changed[:, :, 12:][6] == 0).all() and (changed[3, :, 20:] == 0).all()


def test_style_leaves_its_input_alone_and_depends_on_the_generator_alone(styled):
    before = styled[0].clone()
    first, second = restyle(*styled, seed=4)[0], restyle(*styled, seed=4)[0]
    assert torch.equal(first, second) and not torch.equal(first, restyle(*styled, seed=5)[0])
    assert torch.equal(styled[0], before) and torch.equal(restyle(*styled, p=0.0)[0], before)
    some = restyle(*styled, p=0.5, seed=2)[0]
    whole = torch.tensor([torch.equal(a, b) for a, b in zip(some, before, strict=True)])
    assert whole.any() and not whole.all()


def test_statistics_over_time_are_left_alone():
    """One vector an utterance: its mean is its content."""
    features = torch.randn(8, 5, 1)
    assert torch.equal(restyle(features, torch.ones(8, dtype=torch.int64), torch.eye(8))[0], features)


def test_a_constant_feature_and_one_frame_stay_finite():
    frames = torch.tensor([3, 1, 0])
    features = torch.ones(3, 2, 3) * (torch.arange(3) < frames[:, None, None])
    changed = restyle(features.requires_grad_(), frames, torch.eye(3), alpha=0.1)[0]
    changed.sum().backward()
    assert changed.isfinite().all() and features.grad.isfinite().all()


@pytest.mark.parametrize("kind", [Mixup, CutMix, FreqMixStyle])
@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("alpha", [0.05, 1.0, 100.0])
def test_small_batches_stay_finite(kind, size, alpha):
    for seed in range(20):
        random = torch.Generator().manual_seed(seed)
        mixed, _, soft = kind(alpha)(torch.ones(size, 2, 3), torch.full((size,), 3), torch.eye(2)[:size], random)
        assert mixed.isfinite().all() and torch.allclose(soft.sum(1), torch.ones(size))


@pytest.mark.parametrize("alpha", [0.05, 0.3, 2.0])
def test_shares_are_beta_draws(alpha):
    random = torch.Generator().manual_seed(0)
    _, kept = Mixup(alpha)._each(40_000, random, torch.device("cpu"))
    for place in (0.001, 0.1, 0.5, 0.9):
        assert (kept < place).float().mean().item() == pytest.approx(beta(alpha, alpha).cdf(place), abs=0.01)
