"""What parts share: near-copies named with their keys and parts, and counts of speakers and texts."""

from dataclasses import asdict
from pathlib import Path

import pytest
import soundfile

from ser.data.audio.prepare import AudioSettings
from ser.data.corpora.ravdess import Ravdess
from ser.data.leakage import PartedCopy, Shared, check_leakage
from ser.data.near_duplicates import NearCopy, near_copies
from ser.data.recordings import decode_recordings, find_recordings
from ser.data.selection import Selection
from ser.data.utterance import Utterance
from tests.data.planted import write_planted
from tests.tiny_corpora import ravdess_name, real_corpus, write_tiny_ravdess


def utterance(name, content=None, **known):
    return Utterance(Path(f"/{name}.wav"), f"{name}.wav", "happy", "own", content=content or name, **known)


LETTERS = [utterance(name) for name in "abcdefgh"]
PARTS = {"train": [0, 1, 2, 3], "val": [4, 5], "test": [6, 7]}


def test_nothing_shared_nothing_said():
    report = check_leakage(LETTERS, PARTS, [])
    assert report.copies == report.shared == () and report.notes() == []
    assert report.stamp == "near-copies across parts: 0"


def test_a_copy_across_parts_is_named_with_keys_and_parts():
    report = check_leakage(LETTERS, PARTS, [NearCopy("b", "g", 0.9984)])
    assert report.copies == (PartedCopy("g.wav", "test", "b.wav", "train", 0.9984),)
    assert report.stamp == "near-copies across parts: 1"
    (note,) = report.notes()
    assert note.startswith("1 recording of test is a near-copy of recordings in train: g.wav ≈ b.wav (0.998). ")


def test_which_one_came_first_does_not_matter():
    reports = [check_leakage(LETTERS, PARTS, [NearCopy(*pair, 0.9)]) for pair in ("bg", "gb")]
    assert reports[0] == reports[1]


def test_copies_within_a_part_or_in_none_are_no_leak():
    parts = {"train": [0, 1], "val": [], "test": [6, 7]}
    copies = [NearCopy("a", "b", 1.0), NearCopy("a", "c", 1.0), NearCopy("c", "d", 1.0), NearCopy("x", "g", 1.0)]
    assert check_leakage(LETTERS, parts, copies).copies == ()


def test_each_part_is_compared_with_those_before_it():
    copies = [NearCopy("a", "e", 0.9), NearCopy("a", "g", 0.8), NearCopy("e", "g", 0.95)]
    report = check_leakage(LETTERS, PARTS, copies)
    assert [(copy.key, copy.part, copy.other, copy.other_part) for copy in report.copies] == [
        ("e.wav", "val", "a.wav", "train"),
        ("g.wav", "test", "a.wav", "train"),
        ("g.wav", "test", "e.wav", "val"),
    ]
    assert report.recordings == 2, "g counts once"
    assert [note[:42] for note in report.notes()] == [
        "1 recording of val is a near-copy of recor",
        "1 recording of test is a near-copy of reco",
        "1 recording of test is a near-copy of reco",
    ]


def test_the_most_similar_copy_is_named():
    copies = [NearCopy("a", "g", 0.8), NearCopy("g", "c", 0.99), NearCopy("b", "g", 0.9)]
    (copy,) = check_leakage(LETTERS, PARTS, copies).copies
    assert (copy.other, copy.similarity) == ("c.wav", 0.99)


def test_what_copies_one_of_two_identical_recordings_copies_both():
    twins = [utterance("a", "same"), utterance("b", "same"), utterance("c")]
    report = check_leakage(twins, {"train": [2], "val": [], "test": [0, 1]}, [NearCopy("c", "same", 0.9)])
    assert [copy.key for copy in report.copies] == ["a.wav", "b.wav"] and report.recordings == 2


def test_a_note_names_a_few_and_counts_the_rest():
    many = [utterance(f"{part}{k}") for part in ("train", "test") for k in range(5)]
    copies = [NearCopy(f"test{k}", f"train{k}", 0.9 + 0.01 * k) for k in range(5)]
    (note,) = check_leakage(many, {"train": range(5), "val": [], "test": range(5, 10)}, copies).notes()
    assert note.startswith(
        "5 recordings of test are near-copies of recordings in train: test0.wav ≈ train0.wav (0.900), "
        "test1.wav ≈ train1.wav (0.910), test2.wav ≈ train2.wav (0.920) and 2 more. Remove one of each"
    )


def test_shared_speakers_and_texts_are_counted():
    spoken = [utterance(f"{s}{t}", speaker=s, statement=t) for s in "ABC" for t in ("kids", "dogs")]
    report = check_leakage(spoken, {"train": [0, 2], "val": [3], "test": [1, 4, 5]}, [])
    assert report.shared == (
        Shared("speaker", "val", "train", 1, 1),
        Shared("statement", "val", "train", 0, 1),
        Shared("speaker", "test", "train", 1, 2),
        Shared("statement", "test", "train", 1, 2),
        Shared("speaker", "test", "val", 0, 2),
        Shared("statement", "test", "val", 1, 2),
    )
    assert report.notes() == [
        "val shares with train: 1 of 1 speaker",
        "test shares with train: 1 of 2 speakers, 1 of 2 statements",
        "test shares with val: 1 of 2 statements",
    ]


def test_what_a_recording_does_not_know_is_not_counted():
    known = [utterance("a", speaker="A"), utterance("b", speaker="A"), utterance("c")]
    assert check_leakage(known, {"train": [0], "val": [1], "test": [2]}, []).shared == (
        Shared("speaker", "val", "train", 1, 1),
    )


def test_a_report_is_plain_data():
    report = asdict(check_leakage(LETTERS, PARTS, [NearCopy("b", "g", 0.9)]))
    assert report["copies"][0]["other_part"] == "train"


# ---- with recordings -----------------------------------------------------------------------------------------------


def check(root, cache, in_test, sample_rate=16000, **selection):
    """The report of a RAVDESS tree whose recordings are in test if `in_test` says so of their key."""
    recordings = find_recordings(Ravdess(str(root)), Selection(**selection), cache)
    decoded = decode_recordings(recordings, AudioSettings(sample_rate=sample_rate), cache)
    parts = {"train": [], "val": [], "test": []}
    for i, each in enumerate(decoded.utterances):
        parts["test" if in_test(each.key) else "train"].append(i)
    return check_leakage(decoded.utterances, parts, near_copies(decoded.waveforms, sample_rate))


@pytest.fixture
def planted(tmp_path):
    """A tree of two actors, and a resampled, padded copy of a recording of the first under a third one's name."""
    root = write_tiny_ravdess(tmp_path / "ravdess", actors=(1, 2), duration_s=0.8)
    original = root / "Actor_01" / ravdess_name(5, 1)
    path = root / "Actor_03" / ravdess_name(3, 3, suffix="")
    write_planted(path, "resampled and padded", *soundfile.read(original))
    return root


def test_a_planted_copy_is_found_and_named(planted, tmp_path):
    report = check(planted, tmp_path / "cache", lambda key: key.startswith("Actor_03"))
    assert [(copy.key, copy.other, copy.part) for copy in report.copies] == [
        (f"Actor_03/{ravdess_name(3, 3)}", f"Actor_01/{ravdess_name(5, 1)}", "test")
    ]
    assert report.stamp == "near-copies across parts: 1"


def test_a_copy_that_the_run_does_not_use_is_no_leak(planted, tmp_path):
    report = check(planted, tmp_path / "cache", lambda key: key.startswith("Actor_03"), emotions=["happy", "sad"])
    assert report.copies == ()


@pytest.mark.corpus
def test_the_real_pair_of_identical_samples_is_no_alarm_in_one_part(tmp_path):
    """And a quieter copy of the one is a copy of both."""
    root = tmp_path / "ravdess"
    root.mkdir()
    (root / "Actor_07").symlink_to(real_corpus("ravdess") / "Actor_07")
    assert check(root, tmp_path / "cache", lambda key: False).copies == ()
    (pair, _) = sorted((root / "Actor_07").glob("03-01-03-01-02-0?-07.*"))
    write_planted(root / "Actor_08" / ravdess_name(3, 8, suffix=""), "quieter", *soundfile.read(pair))
    report = check(root, tmp_path / "cache", lambda key: key.startswith("Actor_07"))
    assert [Path(copy.key).stem for copy in report.copies] == ["03-01-03-01-02-01-07", "03-01-03-01-02-02-07"]
