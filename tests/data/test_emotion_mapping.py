"""What counts as what on other recordings: equal names, the user's words, and a remark on the rest."""

import pytest

from ser.data.emotion_mapping import map_emotions
from ser.errors import UserError

PRESENT = {"happy": 4, "sad": 3, "surprised": 2, "bored": 1}
KNOWN = ["neutral", "happy", "sad", "surprised"]


def test_equal_names_are_one_emotion_and_the_rest_is_named():
    words, remarks = map_emotions(PRESENT, KNOWN)
    assert words == {"happy": "happy", "sad": "sad", "surprised": "surprised"}
    assert any("left out" in remark and "bored (1)" in remark for remark in remarks)
    assert any("no recording is neutral" in remark for remark in remarks)


def test_the_users_map_goes_first_and_in_any_words():
    words, remarks = map_emotions(PRESENT, KNOWN, {"Boredom": "neutral", "ps": None, "sad": "joy"})
    assert words == {"happy": "happy", "sad": "happy", "bored": "neutral"}
    assert remarks[0] == "counted: sad as happy, bored as neutral"
    assert "surprised (2)" in remarks[1]


def test_a_perfect_match_needs_no_remark():
    assert map_emotions({"happy": 1, "sad": 1}, ["happy", "sad"]) == ({"happy": "happy", "sad": "sad"}, [])


@pytest.mark.parametrize(
    "chosen, message",
    [
        ({"hapy": "sad"}, "map names 'hapy'.*Did you mean 'happy'"),
        ({"happy": "calm"}, "sends 'happy' to 'calm', which is no class of the run"),
    ],
)
def test_words_that_a_side_does_not_have(chosen, message):
    with pytest.raises(UserError, match=message):
        map_emotions(PRESENT, KNOWN, chosen)


def test_nothing_in_common():
    with pytest.raises(UserError, match=r"no emotion in common.*emotions with map='\{bored: happy\}'"):
        map_emotions({"bored": 3}, ["happy", "sad"])


def test_one_emotion_is_nothing_to_tell_apart():
    with pytest.raises(UserError, match="only happy in common"):
        map_emotions({"happy": 3, "bored": 1}, ["happy", "sad"])
