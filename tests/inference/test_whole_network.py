"""The network for export gives the probabilities of the predictor, for every way to prepare and to look."""

import numpy as np
import pytest
import torch

from ser.errors import UserError
from ser.inference.ensemble_predictor import EnsemblePredictor
from ser.inference.predictor import Predictor
from ser.inference.whole_network import WholeNetwork
from tests.inference.untrained import side_by_side, untrained, voices

VIEWS = "evaluation.views={speeds: [1.0, 0.9, 1.1], crops: 2}"
SMALL = ("model=cnn1d", "model.blocks=[{channels: 8, pool: 2}]")
SETTINGS = {
    "cut and padded": (*SMALL, "audio.duration_s=0.7"),
    "padding is signal": (*SMALL, "audio.duration_s=1.2", "audio.padding_is_signal=true", "audio.level=peak"),
    "whole": (*SMALL, "audio=whole", "audio.trim_db=null", "audio.offset_s=0.1"),
    "views and crops": (*SMALL, "audio.duration_s=0.7", "augmentation=none", VIEWS, "audio.level=rms"),
    "views of whole recordings": (*SMALL, "audio=whole", "augmentation=none", "evaluation.views={speeds: [0.8, 1.25]}"),
    "another rate": ("model=mlp", "audio.sample_rate=22050", "loss.auxiliary={gender: 0.2}"),
}


def assert_same(network, predictor, rate):
    with torch.inference_mode():
        found = network(torch.from_numpy(side_by_side(voices(rate)))).numpy()
    expected = np.array([list(predictor(voice, rate).probabilities.values()) for voice in voices(rate)])
    assert np.ptp(expected, axis=0).max() > 0.05  # else any network would do
    np.testing.assert_allclose(found, expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("words", SETTINGS.values(), ids=SETTINGS)
def test_probabilities_are_those_of_the_predictor(words):
    classifier, audio = untrained(*words)
    network = WholeNetwork([(classifier, audio)], temperature=0.8)
    assert_same(network, Predictor(classifier, audio, 0.8), network.sample_rate)


def test_what_the_predictor_refuses_is_nan_and_disturbs_nobody():
    classifier, audio = untrained(*SETTINGS["cut and padded"])
    network, voice = WholeNetwork([(classifier, audio)]).eval(), voices(16_000)[0]
    bad = [
        0 * voice,
        voice[:1000],
        1e4 * voice,
        np.r_[voice[:500], np.float32(np.nan), voice],
        np.full(9, np.nan, "f4"),
    ]
    found = network(torch.from_numpy(side_by_side([*bad, voice])))
    assert found[:-1].isnan().all()
    torch.testing.assert_close(found[-1:], network(torch.from_numpy(voice[None])), atol=1e-6, rtol=0)


def test_an_ensemble_is_the_mean_of_logits_with_classes_by_name():
    words = ("model=mlp", "model.hidden=[8]")
    members = [
        untrained(*words, "audio.duration_s=0.7"),
        untrained(*words, "audio=whole", "frontend=mfcc", seed=1, classes=["sad", "happy", "angry", "neutral"]),
    ]
    predictor = EnsemblePredictor([Predictor(*member) for member in members], 1.3)
    assert_same(WholeNetwork(members, 1.3), predictor, 16_000)


@pytest.mark.parametrize("word", ["audio.sample_rate=8000", "audio.channel=2"])
def test_members_that_take_different_input_are_refused(word):
    members = [untrained("model=mlp"), untrained("model=mlp", word)]
    with pytest.raises(UserError, match="export them one by one"):
        WholeNetwork(members)
