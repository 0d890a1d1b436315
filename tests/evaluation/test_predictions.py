"""predictions.csv read back: exactly what a run had in memory, or one clear sentence."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ser.data.utterance import Utterance
from ser.errors import UserError
from ser.evaluation.metrics import softmax
from ser.evaluation.predictions import Predictions, pool, predictions_of, read_predictions, write_predictions

CLASSES = ("angry", "happy, or so", "sad")


def made_up(count=12, seed=0, scale=5.0):
    rng = np.random.default_rng(seed)
    utterances = [
        Utterance(
            Path(f"/x/{i}.wav"), f"Act {i}/ä,b.wav", "sad", "x", speaker=[None, "s_1"][i % 2], gender="female",
            statement='say "now"', word=[None, "now"][i % 2],
        )
        for i in range(count)
    ]  # fmt: skip
    logits = (scale * rng.standard_normal((count, 3))).astype(np.float32)
    return utterances, rng.integers(0, 3, count), logits, CLASSES


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "predictions.csv"
    write_predictions(path, predictions_of(*made_up()))
    return path


def assert_same(found: Predictions, expected: Predictions):
    for name in ("classes", "keys", "traits"):
        assert getattr(found, name) == getattr(expected, name)
    for name in ("true", "predicted", "probabilities"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))  # to the last bit
        assert getattr(found, name).dtype == getattr(expected, name).dtype


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.sampled_from([0.01, 1, 30, 1000]))
def test_what_was_written_is_read(tmp_path, seed, scale):
    write_predictions(tmp_path / "p.csv", predictions_of(*made_up(20, seed, scale)))
    assert_same(read_predictions(tmp_path / "p.csv", count=20), predictions_of(*made_up(20, seed, scale)))


def test_each_utterance_has_a_row(path):
    utterances, true, logits, _ = made_up()
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    known = ["corpus", "speaker", "gender", "intensity", "statement", "word"]
    assert header == ["path", *known, "true", "predicted", *CLASSES]
    for row, utterance, label, expected in zip(rows, utterances, true, softmax(logits.astype(np.float64)), strict=True):
        assert row[:2] == [utterance.key, "x"]
        assert row[2:7] == [getattr(utterance, trait) or "" for trait in known[1:]]
        assert row[7:9] == [CLASSES[label], CLASSES[expected.argmax()]]
        assert [float(share) for share in row[9:]] == expected.tolist()  # to the last bit


def test_logits_are_in_the_file_up_to_a_constant_of_the_row(path):
    logits = made_up()[2].astype(np.float64)
    found = np.log(read_predictions(path).probabilities)
    np.testing.assert_allclose(found - found[:, :1], logits - logits[:, :1], atol=1e-12)


def test_a_failed_writing_leaves_the_old_file(path):
    before, part = path.read_bytes(), predictions_of(*made_up())
    with pytest.raises(ValueError):
        write_predictions(path, replace(part, true=part.true[:-1]))
    assert path.read_bytes() == before and [child.name for child in path.parent.iterdir()] == [path.name]


def test_files_of_others_are_read(path, tmp_path):
    """Rounded, with a byte order mark, without what the corpus does not know."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    keep = ["path", "speaker", "true", "predicted", *CLASSES]
    lines = [",".join(f'"{name}"' for name in keep)]
    for row in rows:
        cells = [row[name] for name in keep[:4]] + [f"{float(row[name]):.6f}" for name in CLASSES]
        lines.append(",".join(f'"{cell}"' for cell in cells))
    other = tmp_path / "other.csv"
    other.write_text("\n".join(lines) + "\n\n", encoding="utf-8-sig")
    found, expected = read_predictions(other), read_predictions(path)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-6)
    assert found.traits["speaker"] == expected.traits["speaker"] and set(found.traits["gender"]) == {None}


def edited(path: Path, change) -> Path:
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    change(lines)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    return path


def cell(line, column, text):
    return lambda lines: lines[line - 1].__setitem__(lines[0].index(column), text)


def without(column):
    def change(lines):
        place = lines[0].index(column)
        for line in lines:
            del line[place]

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (cell(5, "sad", "a lot"), "line 5: the cells of the classes are not probabilities"),
        (cell(5, "sad", ""), "line 5: the cells of the classes are not probabilities"),
        (cell(5, "sad", "nan"), "line 5: the cells of the classes are not probabilities"),
        (cell(5, "angry", "inf"), "line 5: the cells of the classes are not probabilities"),
        (cell(5, "sad", "-0.5"), "line 5: the cells of the classes are not probabilities"),
        (cell(5, "sad", "1.5"), "line 5: the cells of the classes are not probabilities"),
        (cell(3, "true", "bored"), "line 3: the file has no column for the class 'bored'"),
        (cell(3, "predicted", ""), "line 3: the file has no column for the class ''"),
        (lambda lines: lines[7].pop(), "line 8: 11 cells under 12 columns"),
        (lambda lines: lines[7].append("x"), "line 8: 13 cells under 12 columns"),
        (without("true"), "no column 'true'"),
        (without("predicted"), "no column 'predicted'"),
        (without("path"), "no column 'path'"),
        (lambda lines: lines.__delitem__(slice(1, None)), "holds no predictions"),
        (lambda lines: lines.clear(), "holds no predictions"),
        (lambda lines: [line.__delitem__(slice(10, None)) for line in lines], "a column of probabilities for each"),
        (lambda lines: lines[0].__setitem__(11, "angry"), "a column of probabilities for each"),
    ],
)
def test_damage_is_named_with_its_line(path, change, words):
    with pytest.raises(UserError, match="run.rerun=true") as caught:
        read_predictions(edited(path, change))
    assert words in str(caught.value) and str(path) in str(caught.value)


def test_a_decision_against_the_probabilities_is_refused(path):
    found = read_predictions(path)
    other = CLASSES[(found.predicted[2] + 1) % 3]
    with pytest.raises(UserError, match=f"line 4: predicted is '{other}', but '.*' is more probable"):
        read_predictions(edited(path, cell(4, "predicted", other)))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_cut_anywhere_is_refused(path, data):
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
        with pytest.raises(UserError):
            read_predictions(path, count=12)
    finally:
        path.write_bytes(whole)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_bytes_of_any_kind_end_in_one_sentence(tmp_path, content):
    (tmp_path / "p.csv").write_bytes(content)
    with pytest.raises(UserError):
        read_predictions(tmp_path / "p.csv")


def test_what_is_no_file(tmp_path):
    for path in (tmp_path / "nothing.csv", tmp_path):
        with pytest.raises(UserError, match="Cannot read the predictions .* Name a finished run"):
            read_predictions(path)


def test_folds_are_pooled_in_order():
    utterances, true, logits, classes = made_up()
    whole = predictions_of(utterances, true, logits, classes)
    folds = [predictions_of(utterances[part], true[part], logits[part], classes) for part in (slice(5), slice(5, None))]
    assert_same(pool(folds), whole)
    assert_same(pool([whole]), whole)


def test_runs_that_do_not_belong_together_are_not_pooled():
    part = predictions_of(*made_up())
    with pytest.raises(UserError, match=r"Act 0/ä,b.wav is tested 2 times"):
        pool([part, part])
    with pytest.raises(UserError, match="one has angry, happy, or so, sad, another x, y, z"):
        pool([part, replace(part, classes=("x", "y", "z"))])
