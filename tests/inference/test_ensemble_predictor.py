"""An ensemble that is used: each member hears the recording in its own way, and what they say is averaged."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml

import ser
from ser.cli import main
from ser.errors import UserError
from ser.inference.answers import Answers, Prediction
from ser.inference.ensemble_predictor import EnsemblePredictor
from tests.inference.test_predictor import assert_says_what_the_run_said
from tests.inference.trained import trained_run
from tests.tiny_corpora import write_tone


@pytest.fixture(scope="module")
def other(tmp_path_factory, tiny_ravdess) -> Path:
    """A run of another recipe on the split of `run`: other features, rate and trimming."""
    folder = tmp_path_factory.mktemp("other")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = ["frontend=mfcc", "audio.sample_rate=8000", "audio.trim_db=null"]
        return trained_run(folder / "runs", tiny_ravdess, *words, "seed=1", "split.seed=0")


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory, run, other) -> Path:
    """Of both, moved away from them."""
    folder = tmp_path_factory.mktemp("ensemble")
    assert main(["ensemble", str(run), str(other), "--dir", str(folder / "runs")]) == 0
    (made,) = (folder / "runs").iterdir()
    return shutil.move(made, folder / "moved")


def mean_of(members: list[dict[str, float]], temperature: float = 1.0) -> dict[str, float]:
    logits = {name: np.mean([np.log(member[name]) for member in members]) / temperature for name in members[0]}
    total = sum(map(np.exp, logits.values()))
    return {name: np.exp(logit) / total for name, logit in logits.items()}


def assert_same(found: dict[str, float], expected: dict[str, float]) -> None:
    assert list(found) == list(expected)
    np.testing.assert_allclose(list(found.values()), list(expected.values()), atol=1e-6)


def test_files_and_arrays_get_the_mean_of_the_members(ensemble, run, other, tmp_path):
    model, alone = ser.load(ensemble, "cpu"), [ser.load(member, "cpu") for member in (run, other)]
    assert model.classes == alone[0].classes and [it.sample_rate for it in (model, *alone)] == [16000, 16000, 8000]
    for k, rate in enumerate((16000, 44100)):
        write_tone(tmp_path / f"{k}.wav", 150 + 80 * k, sample_rate=rate, duration_s=0.7)
    answers = list(model.files(tmp_path, batch_size=1))
    for found, *others in zip(answers, *(member.files(tmp_path) for member in alone), strict=True):
        assert_same(found.probabilities, mean_of([one.probabilities for one in others]))
        assert found.emotion == max(found.probabilities, key=found.probabilities.get)
    samples, rate = soundfile.read(tmp_path / "1.wav")
    assert_same(model(samples, rate).probabilities, answers[1].probabilities)
    with pytest.raises(UserError, match="silent"):
        model(np.zeros(16000), 16000)


class Said:
    """A member that says the same of everything."""

    sample_rate = 16000

    def __init__(self, **probabilities: float):
        self.classes, self._said = tuple(probabilities), Prediction(max(probabilities), probabilities)
        self.answers = Answers(self.classes)

    def __call__(self, waveform, sample_rate):
        return self._said


def test_classes_are_matched_by_name():
    one, two = Said(angry=0.8, sad=0.2), Said(sad=0.5, angry=0.5)
    assert_same(EnsemblePredictor([one, two])(np.ones(1), 16000).probabilities, {"angry": 2 / 3, "sad": 1 / 3})
    with pytest.raises(UserError, match="have different classes"):
        EnsemblePredictor([one, Said(angry=0.5, calm=0.5)])


def test_test_recordings_get_what_the_ensemble_s_predictions_csv_says(ensemble, tiny_ravdess):
    assert_says_what_the_run_said(ensemble, tiny_ravdess)


def test_a_file_that_cannot_be_used_has_a_reason(ensemble, tmp_path):
    write_tone(tmp_path / "a.wav", duration_s=0.7)
    (tmp_path / "b.wav").write_text("this is no audio")
    good, bad = ser.load(ensemble, "cpu").files(tmp_path)
    assert good.emotion and not good.error and "in place of the recording" in bad.error and not bad.emotion
    with pytest.raises(UserError, match="batch_size=0"):
        ser.load(ensemble, "cpu").files(tmp_path, batch_size=0)


def test_calibrated_is_at_the_temperature_of_the_common_validation_part(ensemble, tmp_path):
    temperature = json.loads((ensemble / "metrics.json").read_text())["temperature"]
    path = write_tone(tmp_path / "a.wav", duration_s=0.7)
    (plain,), (scaled,) = (ser.load(ensemble, "cpu", calibrated=it).files(path) for it in (False, True))
    assert_same(scaled.probabilities, mean_of([plain.probabilities], temperature))
    assert scaled.emotion == plain.emotion and scaled.probability != plain.probability


def changed(ensemble: Path, folder: Path, **settings) -> Path:
    copied = Path(shutil.copytree(ensemble, folder / "copy"))
    config = yaml.safe_load((copied / "config.yaml").read_text())
    (copied / "config.yaml").write_text(yaml.safe_dump({**config, **settings}))
    return copied


def test_other_weights_than_those_that_were_scored_are_refused(ensemble, tmp_path):
    copied = changed(ensemble, tmp_path)
    best = next(iter(sorted(copied.glob("members/*/checkpoints/best.ckpt"))))
    checkpoint = torch.load(best, weights_only=True)
    name = next(name for name in checkpoint["state_dict"] if name.startswith("model."))
    checkpoint["state_dict"][name] += 1
    torch.save(checkpoint, best)
    with pytest.raises(UserError, match="has other weights than the ensemble was scored with"):
        ser.load(copied)
    best.unlink()
    with pytest.raises(UserError, match="No checkpoint at"):
        ser.load(copied)


@pytest.mark.parametrize(
    "members",
    [None, [], "members", ["a"], [{"folder": "../.."}], [{"folder": "/etc"}], [{"folder": ".."}], [{"folder": 3}],
     [{"folder": "a"}, {"folder": "a"}], [{"folder": str(k)} for k in range(101)]],
    ids=lambda members: str(members)[:20],
)  # fmt: skip
def test_members_lie_in_the_ensemble_s_own_folder(ensemble, tmp_path, members):
    with pytest.raises(UserError, match="does not name the members of the ensemble"):
        ser.load(changed(ensemble, tmp_path, members=members))


def test_a_member_is_a_run_under_the_limits_of_all_runs(ensemble, tmp_path):
    copied = changed(ensemble, tmp_path)
    config = sorted(copied.glob("members/*/config.yaml"))[1]
    config.write_text(config.read_text().replace("ser.models.mlp.MLP", "os.system"))
    with pytest.raises(UserError, match="os.system"):
        ser.load(copied)
