"""Weights that training begins with: what they have seen is neither tested nor called unseen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ser.data.splits import Split
from ser.errors import UserError
from ser.runs.seen_recordings import Seen, SeenRecordings, read_seen, together, write_seen
from ser.training.first_weights import held_apart, seen_by
from tests.made_up import ravdess_like, tess_like

OURS = tess_like()
HASHES = {utterance.path: f"hash of {utterance.key}" for utterance in OURS}
OAF, YAF = ([i for i, u in enumerate(OURS) if u.speaker == name] for name in ("tess_oaf", "tess_yaf"))
SPLIT = Split(OAF[5:], OAF[:5], YAF, "speaker-independent, fold 2 of 2; no more")


def recorded(run: Path, *groups) -> str:
    """A run's directory with a list of what it has seen: (part, utterances) each."""
    rows = (
        Seen(HASHES.get(u.path, f"hash of {u.key}"), part, u, u.emotion) for part, of_part in groups for u in of_part
    )
    write_seen(run, SeenRecordings(tuple(rows)))
    return str(run)


def test_without_first_weights_nothing_changes():
    assert held_apart(None, SPLIT, OURS, HASHES) is SPLIT


@pytest.mark.parametrize("part", ["train", "val", "before"])
def test_a_tested_recording_that_they_have_seen_is_refused(tmp_path, part):
    run = recorded(tmp_path, ("train", ravdess_like(2)), (part, [OURS[i] for i in YAF[:3]]))
    with pytest.raises(UserError, match=rf"was trained on 3 of the {len(YAF)} recordings that are tested here"):
        held_apart(run, SPLIT, OURS, HASHES)


def test_other_speakers_are_named_by_their_corpus(tmp_path):
    run = recorded(tmp_path, ("train", ravdess_like(2)))
    split = held_apart(run, SPLIT, OURS, HASHES)
    assert split == replace(SPLIT, protocol=f"{SPLIT.protocol}; first weights trained on RAVDESS")


def test_tested_speakers_that_they_have_seen_are_counted(tmp_path):
    other_takes = [replace(OURS[i], path=Path(f"other/{i}"), key=f"other/{i}") for i in YAF[:2]]
    run = recorded(tmp_path, ("train", ravdess_like(2)), ("val", other_takes))
    protocol = held_apart(run, SPLIT, OURS, HASHES).protocol
    assert protocol == (
        "speaker-dependent, fold 2 of 2; no more; first weights trained on RAVDESS + TESS, with 1 of 1 test speaker"
    )


def test_validation_that_they_have_seen_is_counted(tmp_path):
    run = recorded(tmp_path, ("train", [OURS[i] for i in OAF[3:]]))
    protocol = held_apart(run, SPLIT, OURS, HASHES).protocol
    assert protocol.endswith("; first weights trained on TESS, and on 2 of 5 validation recordings")
    assert protocol.startswith("speaker-independent")


def test_speakers_who_are_not_known(tmp_path):
    run = recorded(tmp_path, ("train", [replace(u, speaker=None) for u in ravdess_like(1)]))
    protocol = held_apart(run, SPLIT, OURS, HASHES).protocol
    assert protocol.startswith("speakers unknown, fold 2 of 2") and "who are not all known" in protocol


def test_a_run_that_did_not_record_what_it_saw(tmp_path):
    split = held_apart(str(tmp_path), SPLIT, OURS, HASHES)
    assert split.protocol == f"{SPLIT.protocol}; what its first weights were trained on is not recorded"
    assert seen_by(SPLIT, OURS, [u.emotion for u in OURS], HASHES, str(tmp_path)) is None


def test_what_first_weights_have_seen_is_handed_on(tmp_path):
    """Over two runs; what both have seen is listed once."""
    other = [OURS[i] for i in OAF[:2]]
    run = recorded(tmp_path, ("train", [*ravdess_like(1), *other]), ("before", ravdess_like(2)[20:]))
    seen = seen_by(SPLIT, OURS, [u.emotion for u in OURS], HASHES, run)
    assert [u.key for u in seen.of("train", "val")] == [OURS[i].key for i in (*SPLIT.train, *SPLIT.val)]
    assert {u.key for u in seen.of("before")} == {u.key for u in (*ravdess_like(1), *ravdess_like(2)[20:])}
    assert len(seen.hashes) == len(seen.recordings)
    write_seen(tmp_path, seen)
    assert read_seen(tmp_path).hashes == seen.hashes


def test_the_list_is_read_as_it_was_written(tmp_path):
    strange = replace(OURS[0], key='a, "b"\nc/é.wav', speaker=None, statement=None, word="the word")
    recorded(tmp_path, ("train", [strange, OURS[1]]), ("val", [OURS[2]]), ("before", [OURS[3]]))
    seen = read_seen(tmp_path)
    first, *_ = seen.of("train")
    assert (first.key, first.speaker, first.statement, first.word, first.corpus) == (
        strange.key, None, None, "the word", "tess",
    )  # fmt: skip
    assert [one.part for one in seen.recordings] == ["train", "train", "val", "before"]
    classes = sorted({OURS[0].emotion, OURS[1].emotion})
    assert seen.labels(classes, are_numbers=False).tolist() == [classes.index(u.emotion) for u in OURS[:2]]
    with pytest.raises(UserError, match=r"seen.csv does not fit"):
        seen.labels(["nothing"], are_numbers=False)
    both = together([seen, SeenRecordings((Seen("other", "train", OURS[5], "x"),))])
    assert len(both.recordings) == 5 and len(both.of("train")) == 2 and "other" in both.hashes


def test_numbers_are_read_with_all_digits(tmp_path):
    values = np.array([[0.1, -2e-17], [1 / 3, 4.0]])
    rows = [Seen(str(i), "train", OURS[i], " ".join(map(repr, row))) for i, row in enumerate(values.tolist())]
    write_seen(tmp_path, SeenRecordings(tuple(rows)))
    assert np.array_equal(read_seen(tmp_path).labels(("arousal", "valence"), are_numbers=True), values)


def test_no_run_tests_what_its_first_weights_have_seen(ser, quick, in_tmp):
    code, _, err = ser(*quick)
    assert code == 0, err
    (first,) = (path for path in (in_tmp / "runs").iterdir() if path.is_dir())
    code, _, err = ser(*quick, f"init_from={first}", "split.seed=5", "trainer.max_epochs=1")
    assert code == 2 and "recordings that are tested here" in err and f"init_from={first}" in err
    assert [path for path in (in_tmp / "runs").iterdir() if path.is_dir()] == [first]
    code, out, err = ser(*quick, f"init_from={first}", "seed=5", "split.seed=0", "trainer.max_epochs=1")
    assert code == 0 and "first weights trained on RAVDESS" in " ".join(out.split()), err
