"""Names of emotions and genders."""

import pytest

from ser.data.emotions import ALIASES, EMOTIONS, canonical, canonical_gender, in_order


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("anger", "angry"),
        ("Happiness", "happy"),
        ("JOY", "happy"),
        ("sadness", "sad"),
        ("fear", "fearful"),
        ("ps", "surprised"),
        ("pleasant_surprise", "surprised"),
        ("Pleasant Surprised", "surprised"),
        ("surprise", "surprised"),
        ("disgusted", "disgust"),
        ("boredom", "bored"),
        (" Neutral\n", "neutral"),
        ("Home-Sick", "home_sick"),
        ("cole\u0300re", "colère"),  # as macOS writes it: e and an accent of its own
        ("गुस्सा", "गुस्सा"),  # vowel signs are part of the word
        ("  ", ""),
    ],
)
def test_canonical(word, name):
    assert canonical(word) == name


def test_canonical_is_idempotent_and_aliases_lead_to_canonical_names():
    assert set(ALIASES.values()) <= set(EMOTIONS)
    assert not set(ALIASES) & set(EMOTIONS)
    assert [canonical(emotion) for emotion in EMOTIONS] == list(EMOTIONS)
    assert all(canonical(canonical(alias)) == canonical(alias) for alias in ALIASES)


def test_order_is_that_of_ravdess_then_alphabetical():
    assert EMOTIONS[:8] == ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
    assert in_order(["zeal", "sad", "awe", "neutral", "sad"]) == ["neutral", "sad", "awe", "zeal"]


@pytest.mark.parametrize(
    ("word", "gender"), [("F", "female"), ("Male", "male"), ("man", "male"), ("", None), ("Non-binary", "non_binary")]
)
def test_gender(word, gender):
    assert canonical_gender(word) == gender
