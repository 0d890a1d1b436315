"""Several views of a recording at test, averaged."""

import csv
import json

import numpy as np
import pytest
import torch

from ser.augmentations.resampling import resample
from ser.data.audio.prepare import AudioSettings
from ser.errors import UserError
from ser.inference.load import load
from ser.training.evaluation_views import EvaluationViews, build_evaluation_views
from tests.conftest import only_run

RATE = 16000


def audio(duration_s, **settings):
    return AudioSettings(sample_rate=RATE, duration_s=duration_s, **settings)


def seen_by(views: EvaluationViews, waveforms: torch.Tensor, lengths: torch.Tensor):
    """What a classifier is given, view by view, and the average of what it answers."""
    seen = []

    def answer(x, valid):
        seen.append((x, valid))
        return torch.stack([x[:, 0], x[:, -1]], dim=1)

    return seen, views.average(answer, waveforms, lengths)


def test_the_average_is_of_probabilities():
    logits = iter([torch.tensor([[2.0, 0.0]]), torch.tensor([[-1.0, 1.0]])])
    views = EvaluationViews(audio(None), speeds=[1.0, 0.8])
    mean = views.average(lambda x, valid: next(logits), torch.ones(1, 4000), torch.tensor([4000]))
    by_hand = (torch.tensor([[2.0, 0.0]]).softmax(1) + torch.tensor([[-1.0, 1.0]]).softmax(1)) / 2
    torch.testing.assert_close(mean.exp(), by_hand)


def test_speeds_are_those_of_the_augmentation_and_clips_have_their_duration():
    waveform = torch.randn(2, 9000)
    waveform[1, 5000:] = 0
    seen, _ = seen_by(EvaluationViews(audio(0.5), speeds=[1.0, 1.25, 0.8]), waveform, torch.tensor([9000, 5000]))
    assert [x.shape for x, _ in seen] == [(2, 8000)] * 3
    assert [valid.tolist() for _, valid in seen] == [[8000, 5000], [7200, 4000], [8000, 6250]]
    torch.testing.assert_close(seen[1][0][1, :4000], resample(waveform[1, :5000], 1.25))
    assert not seen[1][0][1, 4000:].any()


def test_crops_reach_from_the_beginning_to_the_end_of_a_long_recording():
    count = torch.arange(10_000.0)
    waveforms = torch.stack([count, torch.where(count < 3000, count, 0.0)])
    seen, _ = seen_by(EvaluationViews(audio(0.25), crops=3), waveforms, torch.tensor([10_000, 3000]))
    assert [x[0, 0].item() for x, _ in seen] == [0, 3000, 6000]
    assert all(torch.equal(x[1, :3000], count[:3000]) and valid.tolist() == [4000, 3000] for x, valid in seen)
    short, _ = seen_by(EvaluationViews(audio(0.25), crops=3), waveforms[1:], torch.tensor([3000]))
    assert len(short) == 1  # all crops of it are one
    whole, _ = seen_by(EvaluationViews(audio(0.25, padding_is_signal=True)), waveforms, torch.tensor([10_000, 3000]))
    assert whole[0][1].tolist() == [4000, 4000]


def test_what_is_said_of_a_recording_does_not_depend_on_its_batch():
    """Crops of a short one count as often as of a long one: at 0.9 it is longer than a clip, at 1 it is not."""
    views = EvaluationViews(audio(1.0), speeds=[1.0, 0.9], crops=3)
    torch.manual_seed(0)
    lengths = torch.tensor([8000, 15500, 24000])
    waveforms = torch.randn(3, 24000) * (torch.arange(24000) < lengths[:, None])
    together = seen_by(views, waveforms, lengths)[1]
    for i, length in enumerate(lengths.tolist()):
        alone = seen_by(views, waveforms[i : i + 1, :length], lengths[i : i + 1])[1]
        torch.testing.assert_close(alone[0], together[i])
    numbers = EvaluationViews(audio(1.0), speeds=[1.0, 0.9], crops=3, numbers=True)
    together = seen_by(numbers, waveforms, lengths)[1]
    torch.testing.assert_close(seen_by(numbers, waveforms[1:2, :15500], lengths[1:2])[1][0], together[1])


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"speeds": []}, "names no speed"),
        ({"crops": 2}, "takes clips of audio.duration_s"),
        ({"speeds": [0.9, 0.1]}, r"evaluation.views.speeds.1=0.1 must be a number from 0.25 to 4"),
        ({"speed": [0.9]}, "has no setting 'speed'. Did you mean 'speeds'"),
        ({"speeds": [1.0] * 101}, "at most 100"),
        ({"speeds": [1.0, 0.8]}, r"0.8, which training never saw.*rates=\[0.9, 1.1\]"),
        (["speeds"], "must name what to vary"),
    ],
)
def test_views_that_cannot_be(settings, message):
    config = {"evaluation": {"views": settings}, "augmentation": {"waveform": [{"rates": [0.9, 1.1]}]}}
    with pytest.raises(UserError, match=message):
        build_evaluation_views(config, audio(None))


def test_test_and_predictions_of_files_have_the_same_views(ser, quick, in_tmp, tiny_ravdess):
    code, out, _ = ser(*quick, "evaluation.views={speeds: [1, 0.8, 1.25]}", "run.name=views")
    assert code == 0 and "the mean over 3 views of each recording (speeds 1, 0.8, 1.25)" in " ".join(out.split())
    run = only_run(in_tmp)
    assert json.loads((run / "metrics.json").read_text())["num_views"] == 3
    with (run / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    model = load(run, device="cpu")
    found = list(model.files([tiny_ravdess / row["path"] for row in rows]))
    shares = np.array([[float(row[name]) for name in model.classes] for row in rows])
    assert np.allclose([list(one.probabilities.values()) for one in found], shares, atol=1e-5)
    model._classifier.views = None  # as it answers of one view
    plain = list(model.files([tiny_ravdess / row["path"] for row in rows]))
    assert not np.allclose([list(one.probabilities.values()) for one in plain], shares, atol=1e-3)
