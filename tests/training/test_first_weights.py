"""Weights that training begins with: what they have seen is neither tested nor called unseen."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser.data.splits import Split
from ser.errors import UserError
from ser.runs.seen_recordings import Seen, SeenRecordings, content_of_seen, read_seen, together, write_seen
from ser.training.first_weights import dealt, seen_before, seen_by
from tests.made_up import ravdess_like, tess_like

OURS = tess_like()
HASHES = {utterance.path: f"hash of {utterance.key}" for utterance in OURS}
OAF, YAF = ([u for u in OURS if u.speaker == name] for name in ("tess_oaf", "tess_yaf"))


def recorded(run: Path, *groups) -> Path:
    """A run's directory with a list of what it has seen: (part, utterances) each."""
    rows = (
        Seen(HASHES.get(u.path, f"hash of {u.key}"), part, u, u.emotion) for part, of_part in groups for u in of_part
    )
    run.mkdir(exist_ok=True)
    write_seen(run, SeenRecordings(tuple(rows)))
    return run


def divided(run: Path | None, fold: int = 1) -> Split:
    """Trained on OAF and tested on YAF, begun with a run's weights."""
    split = {"_target_": "ser.data.splits.LeaveOneSpeakerOut", "val": 0.2, "fold": fold}
    config = {"init_from": run and str(run), "split": split, "run": {"trust": []}}
    return dealt(config, OURS, HASHES, seen_before(config))


def test_without_first_weights_nothing_is_said_of_them():
    split = divided(None)
    assert split.protocol.startswith("speaker-independent, ") and "first weights" not in split.protocol


@pytest.mark.parametrize("part", ["train", "val", "before"])
def test_a_tested_recording_that_they_have_seen_is_refused(tmp_path, part):
    run = recorded(tmp_path, ("train", ravdess_like(2)), (part, YAF[:3]))
    with pytest.raises(UserError, match=rf"was trained on 3 of the {len(YAF)} recordings that are tested here"):
        divided(run)


@pytest.mark.parametrize("part", ["train", "before", "val"])
def test_what_they_were_trained_on_chooses_no_epoch(tmp_path, part):
    validates = [OURS[i] for i in divided(None).val]
    run = recorded(tmp_path, (part, validates[:4]))
    if part == "val":  # chosen by the same, trained on neither time
        assert divided(run).val
        return
    with pytest.raises(UserError, match=rf"was trained on 4 of the {len(validates)} recordings that validate here"):
        divided(run)


def test_other_speakers_are_named_by_their_corpus(tmp_path):
    run = recorded(tmp_path, ("train", ravdess_like(2)))
    assert divided(run) == replace(divided(None), protocol=divided(run).protocol), "the parts are the same"
    segments = divided(run).protocol.split("; ")
    assert segments[0].startswith("speaker-independent") and segments[-1] == "first weights trained on RAVDESS"


def test_tested_speakers_and_words_that_they_have_seen_are_training_too(tmp_path):
    other_takes = [replace(u, path=Path(f"other/{i}"), key=f"other/{i}") for i, u in enumerate(YAF[:2])]
    run = recorded(tmp_path, ("train", ravdess_like(2)), ("val", other_takes))
    protocol = divided(run).protocol
    assert protocol.startswith("speaker-dependent, ") and "1 of 1 test speaker" in protocol
    assert protocol.endswith("; first weights trained on RAVDESS + TESS")


def test_words_that_they_have_seen_are_not_new(tmp_path):
    """A split by words is not word-independent where the first weights know the words of another speaker."""
    whole = recorded(tmp_path / "all", ("train", [replace(u, path=Path(u.key), key=f"x{u.key}") for u in OAF]))
    config = {
        "init_from": str(whole),
        "split": {"_target_": "ser.data.splits.WordSplit", "test": 0.3, "val": 0.2},
        "run": {"trust": []},
    }
    fresh = dealt({**config, "init_from": None}, YAF, HASHES, SeenRecordings(()))
    begun = dealt(config, YAF, HASHES, seen_before(config))
    assert "word-independent" in fresh.protocol and "word-independent" not in begun.protocol
    assert begun.test == fresh.test and "test words" in begun.protocol


def test_speakers_who_are_not_known(tmp_path):
    run = recorded(tmp_path, ("train", [replace(u, speaker=None) for u in ravdess_like(1)]))
    assert divided(run).protocol.startswith("speakers unknown, ")


def test_a_run_that_did_not_record_what_it_saw(tmp_path):
    """Nothing is claimed, and its children say so too; what is known is refused all the same."""
    split = divided(tmp_path)
    assert split.protocol.startswith("speakers unknown") and "-independent" not in split.protocol
    assert split.protocol.endswith("what its first weights were trained on is not recorded")
    seen = seen_by(split, OURS, [u.emotion for u in OURS], HASHES, read_seen(tmp_path))
    assert not seen.complete and len(seen.hashes()) == len(split.train) + len(split.val)
    write_seen(tmp_path, seen)
    assert not read_seen(tmp_path).complete
    with pytest.raises(UserError, match="recordings that are tested here"):
        divided(tmp_path, fold=0)


def test_a_rehearsal_tests_what_it_trains_on(tmp_path):
    run = recorded(tmp_path, ("train", OAF))
    config = {"init_from": str(run), "split": {"_target_": "ser.data.splits.over_and_over.OverAndOver", "size": 9}}
    split = dealt({**config, "run": {"trust": []}}, OAF[:4], HASHES, seen_before(config))
    assert split.test == [0, 1, 2, 3]


def test_what_first_weights_have_seen_is_handed_on(tmp_path):
    """Over two runs; what both have seen is listed once."""
    other = OAF[:2]
    run = recorded(tmp_path, ("train", [*ravdess_like(1), *other]), ("before", ravdess_like(2)[20:]))
    split = divided(run)
    seen = seen_by(split, OURS, [u.emotion for u in OURS], HASHES, read_seen(run))
    assert [u.key for u in seen.of("train", "val")] == [OURS[i].key for i in (*split.train, *split.val)]
    assert {u.key for u in seen.of("before")} == {u.key for u in (*ravdess_like(1), *ravdess_like(2)[20:])}
    assert len(seen.hashes()) == len(seen.recordings) and seen.complete
    write_seen(tmp_path, seen)
    assert read_seen(tmp_path).hashes() == seen.hashes()


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
    assert len(both.recordings) == 5 and len(both.of("train")) == 2 and "other" in both.hashes()


def test_numbers_are_read_with_all_digits(tmp_path):
    values = np.array([[0.1, -2e-17], [1 / 3, 4.0]])
    rows = [Seen(str(i), "train", OURS[i], " ".join(map(repr, row))) for i, row in enumerate(values.tolist())]
    write_seen(tmp_path, SeenRecordings(tuple(rows)))
    assert np.array_equal(read_seen(tmp_path).labels(("arousal", "valence"), are_numbers=True), values)


def test_the_list_is_part_of_the_identity_of_what_begins_with_the_run(tmp_path):
    names = [content_of_seen(recorded(tmp_path / str(i), ("train", OAF[:i]))) for i in range(1, 4)]
    assert len({*names, content_of_seen(tmp_path)}) == 4
    assert content_of_seen(recorded(tmp_path / "again", ("train", OAF[:2][::-1]))) == names[1]


def test_no_run_tests_what_its_first_weights_have_seen(ser, quick, in_tmp):
    code, _, err = ser(*quick)
    assert code == 0, err
    (first,) = (path for path in (in_tmp / "runs").iterdir() if path.is_dir())
    code, _, err = ser(*quick, f"init_from={first}", "split.seed=5", "trainer.max_epochs=1")
    assert code == 2 and "recordings that are tested here" in err and f"init_from={first}" in err
    assert [path for path in (in_tmp / "runs").iterdir() if path.is_dir()] == [first]
    code, out, err = ser(*quick, f"init_from={first}", "seed=5", "split.seed=0", "trainer.max_epochs=1")
    assert code == 0 and "first weights trained on RAVDESS" in " ".join(out.split()), err


def test_a_grid_of_runs_that_begin_with_a_run(ser, quick, in_tmp):
    """The rehearsal is no leak; a combination that is one is listed before anything is trained."""
    code, _, err = ser(*quick)
    assert code == 0, err
    (first,) = (path for path in (in_tmp / "runs").iterdir() if path.is_dir())
    grid = ["-m", f"init_from={first}", "seed=0", "trainer.max_epochs=1"]
    code, out, err = ser(*quick, *grid, "split.seed=0,5")
    assert code == 2 and "recordings that are tested here" in out + err
    assert [path for path in (in_tmp / "runs").iterdir() if path.is_dir()] == [first], "nothing was trained"
    code, out, err = ser(*quick, *grid, "split.seed=0", "optimizer.lr=1e-3,1e-4")
    assert code == 0 and "2 runs trained" in out, out + err
    protocols = {json.loads(path.read_text())["protocol"] for path in (in_tmp / "runs").glob("*/run.json")}
    assert sum("first weights trained on RAVDESS" in protocol for protocol in protocols) == 1


@pytest.mark.parametrize("spoil", ["a copy", "a silent file"])
def test_the_division_of_the_first_run_is_taken_where_decoding_decides_it(ser, quick, in_tmp, tiny_ravdess, spoil):
    """Copies stay together and bad files are left out: with them random parts are others than before decoding."""
    root = shutil.copytree(tiny_ravdess, in_tmp / "ravdess")
    first, second, *_ = sorted((root / "Actor_03").iterdir())
    if spoil == "a copy":
        shutil.copy(first, second)
    else:
        soundfile.write(first, np.zeros(6400), 16000)
    words = [*quick, f"dataset.root={root}", "split=random", "dataset.on_bad_file=skip", "trainer.max_epochs=1"]
    code, _, err = ser(*words, "run.dir=first")
    assert code == 0, err
    (run,) = (path for path in (in_tmp / "first").iterdir() if path.is_dir())
    code, _, err = ser(*words, f"init_from={run}", "optimizer.lr=1e-4")
    assert code == 0, err
    code, out, err = ser("train", "-m", *words[1:], f"init_from={run}", "optimizer.lr=1e-4,1e-5")
    assert code == 0 and "2 combinations" in out, err
    code, _, err = ser(*words, f"init_from={run}", "split.seed=9")
    assert code == 2 and "recordings that are tested here" in err


def test_a_lossless_copy_is_what_it_is_a_copy_of(ser, quick, in_tmp, tiny_ravdess):
    """The same samples in files of another format, by another dataset: neither tested, nor scored."""
    flac = in_tmp / "flac"
    for path in sorted(tiny_ravdess.rglob("*.wav")):
        copy = flac / path.parent.name / f"{path.stem}.flac"
        copy.parent.mkdir(parents=True, exist_ok=True)
        samples, rate = soundfile.read(path, dtype="int16")
        soundfile.write(copy, samples, rate)
    code, _, err = ser(*quick, "trainer.max_epochs=1")
    assert code == 0, err
    (first,) = (path for path in (in_tmp / "runs").iterdir() if path.is_dir())
    own = [word for word in quick if not word.startswith("dataset")]
    pattern = "dataset.pattern='Actor_{speaker}/03-01-{emotion}-*'"
    words = [*own, "dataset=folder", f"dataset.root={flac}", pattern, "split.seed=5", "trainer.max_epochs=1"]
    code, _, err = ser(*words, f"init_from={first}")
    assert code == 2 and "recordings that are tested here" in err
    code, out, err = ser("evaluate", f"run={first}", "dataset=ravdess", f"dataset.root={flac}")
    assert code == 0 and "77 recordings left out: the run was trained on copies of them in other files" in out, (
        out + err
    )
