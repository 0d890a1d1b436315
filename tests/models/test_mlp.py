"""The multilayer perceptron."""

import pytest
import torch

from ser.errors import UserError
from ser.models.mlp import MLP


def count(model) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_a_pooled_vector_goes_in_as_it_is():
    for pooling in ("mean", "mean_std", "attention"):
        model = MLP(180, 1, 3, hidden=[300], norm="none", pooling=pooling)
        assert count(model) == 180 * 300 + 300 + 300 * 3 + 3
    vector = torch.randn(2, 180, 1)
    assert torch.equal(model.eval()(vector, torch.ones(2, dtype=torch.int64)), model.layers(vector[:, :, 0]))


def test_frames_are_pooled_to_mean_and_std():
    assert count(MLP(40, None, 8, hidden=[])) == 80 * 8 + 8
    assert count(MLP(40, 99, 8, hidden=[], pooling="mean")) == 40 * 8 + 8


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"pooling": "mean_sdt"}, "model.pooling has no choice 'mean_sdt'. Did you mean 'mean_std'"),
        ({"norm": "bach"}, "model.norm has no choice 'bach'. Did you mean 'batch'"),
        ({"activation": "rellu"}, "Did you mean 'relu'"),
        ({"init": "kera"}, "model.init has no choice 'kera'. Did you mean 'keras'"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(UserError, match=message):
        MLP(40, None, 8, **settings)
