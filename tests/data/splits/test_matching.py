"""Which recording a written name means."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.data.corpora.tails import tail_of
from ser.data.splits.matching import match
from ser.data.splits.part_lists import Entry
from ser.errors import UserError
from tests.made_up import QUICK, utterance


def recordings(*paths):
    return [replace(utterance(i), path=Path("/data") / path, key=path) for i, path in enumerate(paths)]


def entries(*named):
    """Each is written `path=part`."""
    return [Entry(f"list.csv, row {number}", *name.split("=")) for number, name in enumerate(named, start=2)]


@pytest.mark.parametrize(
    "written",
    [
        "03-01-07.wav",
        "03-01-07",
        "03-01-07.FLAC",
        "downloads/ravdess/Audio_Speech_Actors_01-24/Actor_11/03-01-07.wav",
        r"C:\Corpora\RAVDESS\actor_11\03-01-07.wav",
        "./Actor_11/03-01-07.wav",
        "/nowhere/03-01-07.wav",
    ],
)
def test_the_base_name_counts(written):
    found = match(entries(f"{written}=test"), recordings("Actor_11/03-01-07.flac", "Actor_11/03-01-08.flac"))
    assert found == ({0: "test"}, [])


def test_names_with_dots_and_accents():
    utterances = recordings("a.b.wav", "café.wav")
    assert match(entries("a.b=train", "cafe\u0301.wav=test"), utterances) == ({0: "train", 1: "test"}, [])


def test_equal_base_names_are_told_apart_by_their_folders():
    utterances = recordings("ann/angry/0.wav", "bob/angry/0.wav", "bob/sad/0.wav")
    named = entries("x/bob/sad/0.wav=val", "bob/angry/0.wav=test", "ann/angry/0=train")
    assert match(named, utterances) == ({0: "train", 1: "test", 2: "val"}, [])


@pytest.mark.parametrize("written", ["0.wav", "angry/0.wav", "eve/angry/0.wav"])
def test_a_name_that_two_recordings_could_have(written):
    with pytest.raises(UserError) as error:
        match(entries(f"{written}=train"), recordings("ann/angry/0.wav", "bob/angry/0.wav"))
    words = f"list.csv, row 2: {written} could be ann/angry/0.wav or bob/angry/0.wav; write more of its path."
    assert str(error.value) == words


def test_of_two_names_the_nearer_has_the_recording():
    named = entries("ann/0.wav=train", "bob/0.wav=test")
    assert match(named, recordings("bob/0.wav")) == ({0: "test"}, [named[0]])


def test_a_recording_named_twice():
    utterances = recordings("a/0.wav")
    assert match(entries("a/0.wav=train", "a/0.wav=train"), utterances) == ({0: "train"}, [])
    with pytest.raises(UserError) as error:
        match(entries("a/0.wav=train", "a/0.flac=val"), utterances)
    message = "a/0.wav is named for train (list.csv, row 2) and for val (list.csv, row 3): keep one of them."
    assert str(error.value) == message


def test_names_without_a_recording():
    named = entries("0.wav=train", "1.wav=test", "/=val")
    assert match(named, recordings("a/0.wav")) == ({0: "train"}, named[1:])


@QUICK
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("ab"), st.sampled_from("01")), unique=True), st.data()
)
def test_whole_paths_always_find_their_recording(paths, data):
    utterances = recordings(*("/".join(path) + ".wav" for path in paths))
    parts = [data.draw(st.sampled_from(["train", "val", "test"])) for _ in utterances]
    named = [Entry("", f"elsewhere/{u.key}", part) for u, part in zip(utterances, parts, strict=True)]
    assert match(data.draw(st.permutations(named)), utterances) == (dict(enumerate(parts)), [])


@given(st.text())
def test_any_text_has_a_tail(text):
    assert len(tail_of(text)) >= 1
