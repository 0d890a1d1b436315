"""Mixing does what its formula says, and is a function of its generator."""

import pytest
import torch
from torch.nn import functional as F

from ser.augmentations.mixing import Mixup
from ser.errors import UserError


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


@pytest.mark.parametrize("alpha", [0, -1, float("nan")])
def test_alpha_that_cannot_be(alpha):
    with pytest.raises(UserError, match="alpha"):
        Mixup(alpha)
