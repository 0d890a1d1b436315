"""What is learned beside the class."""

import csv
import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from ser.data.utterance import Utterance
from ser.errors import UserError
from ser.inference.load import load
from ser.runs.weights import read_checkpoint
from ser.training.auxiliary import Auxiliary, auxiliary_loss, find_auxiliary, joined_targets
from tests.conftest import only_run


def utterance(i: int, **known) -> Utterance:
    return Utterance(Path(f"/{i}.wav"), f"{i}.wav", "sad", "made_up", **known)


KNOWN = [
    utterance(0, gender="female", statement="dogs", intensity="normal"),
    utterance(1, gender="male", statement="kids", intensity="normal"),
    utterance(2, gender="male", intensity="normal"),
]


def test_targets_are_what_the_corpus_knows_and_tells_apart():
    targets, notes = find_auxiliary({"gender": 0.2, "statement": 0.1, "intensity": 0.3, "word": 1, "corpus": 0}, KNOWN)
    assert targets == (Auxiliary("gender", ("female", "male"), 0.2), Auxiliary("statement", ("dogs", "kids"), 0.1))
    assert notes == [
        "loss.auxiliary.intensity is left out: this corpus knows only normal",
        "loss.auxiliary.word is left out: this corpus knows none",
    ]
    assert targets[1].labels(KNOWN).tolist() == [0, 1, -1]
    with pytest.raises(UserError, match="names 'gendr'.*Did you mean 'gender'"):
        find_auxiliary({"gendr": 0.2}, KNOWN)


def test_the_loss_is_the_weighted_cross_entropy_over_what_is_known():
    targets, _ = find_auxiliary({"gender": 0.2, "statement": 0.5}, KNOWN)
    known = torch.stack([target.labels(KNOWN) for target in targets], dim=1)
    joined = joined_targets(torch.tensor([2, 0, 1]), 3, targets, known)
    assert joined.tolist() == [[0, 0, 1, 1, 0, 1, 0], [1, 0, 0, 0, 1, 0, 1], [0, 1, 0, 0, 1, 0, 0]]
    logits = torch.randn(3, 4)
    by_hand = 0.2 * F.cross_entropy(logits[:, :2], known[:, 0])
    by_hand += 0.5 * F.cross_entropy(logits[:, 2:], known[:, 1], ignore_index=-1)
    torch.testing.assert_close(auxiliary_loss(logits, joined[:, 3:], targets), by_hand)
    nobody = torch.zeros(3, 4)
    assert auxiliary_loss(logits, nobody, targets) == 0


def test_a_run_learns_them_and_answers_with_its_classes_alone(ser, quick, in_tmp, tiny_ravdess):
    words = ["loss.auxiliary={gender: 0.5, intensity: 0.5, word: 0.2}", "augmentation=spec_mixup"]
    code, out, _ = ser(*quick, *words)
    assert code == 0 and "loss.auxiliary.word is left out" in out
    run = only_run(in_tmp)
    checkpoint = read_checkpoint(run / "checkpoints" / "best.ckpt")
    assert checkpoint["ser"]["auxiliary"] == 4 and len(checkpoint["ser"]["classes"]) == 8
    assert [weights for name, weights in checkpoint["state_dict"].items() if name.endswith(".bias")][-1].shape == (12,)
    (found, *_) = load(run, device="cpu").files(tiny_ravdess / "Actor_01")
    assert len(found.probabilities) == 8 and sum(found.probabilities.values()) == pytest.approx(1)
    code, _, err = ser(*quick, "loss.auxiliary={gendr: 0.5}")
    assert code == 2 and "Did you mean 'gender'" in err
    code, _, err = ser(*quick, "loss.auxiliary={gender: -1}")
    assert code == 2 and "loss.auxiliary.gender" in err


def test_a_checkpoint_that_lies_about_them_is_refused(ser, quick, in_tmp):
    ser(*quick, "loss.auxiliary={gender: 0.5}")
    path = only_run(in_tmp) / "checkpoints" / "best.ckpt"
    checkpoint = read_checkpoint(path)
    for lie in (10**9, -1, "two"):
        checkpoint["ser"]["auxiliary"] = lie
        torch.save(checkpoint, in_tmp / "lie.ckpt")
        with pytest.raises(UserError, match="auxiliary outputs"):
            load(in_tmp / "lie.ckpt", device="cpu")


def test_what_only_test_has_is_no_output(ser, quick, in_tmp):
    code, _, err = ser(*quick, "split=speaker", "loss.auxiliary={speaker: 0.1}")
    assert code == 0, err
    run = only_run(in_tmp)
    apart = set()
    for file in ("predictions.csv", "predictions_val.csv"):
        with (run / file).open() as rows:
            apart |= {row["speaker"] for row in csv.DictReader(rows)}
    assert len(apart) >= 2
    assert read_checkpoint(run / "checkpoints" / "best.ckpt")["ser"]["auxiliary"] == 6 - len(apart)


@pytest.mark.slow
def test_they_change_what_is_learned_and_belong_to_the_identity(ser, quick, in_tmp):
    ser(*quick, "run.name=without")
    ser(*quick, "run.name=with", "loss.auxiliary={gender: 1.0}")
    runs = sorted((in_tmp / "runs").iterdir())
    assert len(runs) == 2
    losses = [json.loads((run / "metrics.json").read_text())["test/loss"] for run in runs]
    assert losses[0] != losses[1]
