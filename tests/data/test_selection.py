"""Which utterances, and what is recognised in them."""

from pathlib import Path

import numpy as np
import pytest

from ser.data.corpora.ravdess import Ravdess
from ser.data.recordings import find_recordings
from ser.data.selection import Selection, rare_misspellings
from ser.data.utterance import Utterance
from ser.errors import UserError
from ser.training.task import Classification


def utterance(emotion, gender="female", intensity="normal", speaker="s"):
    name = f"{emotion}_{gender}_{intensity}.wav"
    return Utterance(Path("/x") / name, name, emotion, "tiny", speaker, gender, intensity)


EMOTIONS = ("zest", "surprised", "neutral", "calm", "angry", "fearful")
UTTERANCES = [utterance(emotion, gender) for emotion in EMOTIONS for gender in ("male", "female")]


def test_everything_by_default_in_the_fixed_order():
    selected = Selection().apply(UTTERANCES)
    assert selected.utterances == tuple(UTTERANCES)
    assert selected.labels == tuple(u.emotion for u in UTTERANCES)
    assert selected.classes == ("neutral", "calm", "angry", "fearful", "surprised", "zest")


def test_a_subset_with_aliases():
    selected = Selection(emotions=["Fear", "anger"]).apply(UTTERANCES)
    assert selected.classes == ("angry", "fearful")
    assert len(selected.utterances) == 4


def test_merging_comes_first():
    selected = Selection(
        emotions=["negative", "neutral"], merge={"calm": "neutral", "anger": "negative", "fear": "negative"}
    ).apply(UTTERANCES)
    assert selected.classes == ("neutral", "negative")
    assert selected.labels.count("neutral") == 4 and selected.labels.count("negative") == 4
    assert (
        selected.utterances[0].emotion == "neutral" and selected.utterances[2].emotion == "calm"
    )  # as the corpus says


def test_merges_do_not_chain():
    selected = Selection(merge={"calm": "neutral", "neutral": "angry"}).apply(UTTERANCES)
    assert selected.labels[4:8] == ("angry", "angry", "neutral", "neutral")


@pytest.mark.parametrize(
    ("target", "classes"),
    [
        ("gender", ("female", "male")),
        ("gender_emotion", ("female_neutral", "female_angry", "male_neutral", "male_angry")),
    ],
)
def test_targets(target, classes):
    selected = Selection(["neutral", "angry"], {"calm": "neutral"}, target).apply(UTTERANCES)
    assert selected.classes == classes
    assert len(selected.labels) == len(selected.utterances) == 6


def test_intensity():
    both = [utterance("sad", intensity=intensity) for intensity in ("strong", "normal")]
    assert Selection(target="intensity").apply(both).classes == ("normal", "strong")


def test_one_emotion_is_enough_for_another_target():
    assert Selection(["angry"], target="gender").apply(UTTERANCES).labels == ("male", "female")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"emotions": ["angri", "calm"]}, "Did you mean 'angry'"),
        ({"emotions": ["boredom", "calm"]}, "It has: neutral, calm, angry, fearful, surprised, zest"),
        ({"merge": {"sadness": "calm"}}, "dataset.merge names 'sadness', which this dataset does not have"),
        ({"merge": {"fear": "calm", "fearful": "angry"}}, "sends 'fearful' to two emotions"),
        ({"emotions": ["calm", "neutral"], "merge": {"calm": "neutral"}}, "name 'neutral' instead"),
        ({"emotions": ["angry"]}, "One class only is left ('angry') of 2 utterances"),
        ({"emotions": ["neutral"], "merge": {"calm": "neutral"}}, "One class only"),
        ({"target": "intensity"}, "One class only is left ('normal')"),
    ],
)
def test_wrong_settings_for_this_corpus(settings, message):
    with pytest.raises(UserError) as error:
        Selection(**settings).apply(UTTERANCES)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": []}, "names nothing to predict: choose from emotion, gender, gender_emotion, intensity"),
        ({"target": ["arousal", "gender"]}, "dataset.target=[arousal,gender]: gender is a class"),
        ({"target": ["Arousal", "arousal"]}, "names a number twice"),
        ({"target": "arousal", "emotions": ["calm", "angry"]}, "dataset.emotions is about classes"),
        ({"target": ["arousal"], "merge": {"calm": "neutral"}}, "dataset.merge is about classes"),
        ({"on_bad_file": "skipp"}, "Did you mean 'skip'"),
        ({"emotions": []}, "is an empty list"),
    ],
)
def test_wrong_settings_for_any_corpus(settings, message):
    with pytest.raises(UserError) as error:
        Selection(**settings)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("target", "what"), [("gender", "gender"), ("gender_emotion", "gender"), ("intensity", "intensity")]
)
def test_a_target_that_the_corpus_does_not_know(target, what):
    utterances = [*UTTERANCES, utterance("sad", None, None)]
    with pytest.raises(UserError, match=f"the {what} of 1 of 13 utterances is not known"):
        Selection(target=target).apply(utterances)


def test_nothing_at_all():
    with pytest.raises(UserError, match="One class only is left"):
        Selection().apply([])


@pytest.mark.parametrize(
    ("counts", "remarked"),
    [
        ({"happy": 300, "hapy": 1}, "hapy"),
        ({"calm": 50, "clam": 9}, "clam"),
        ({"surprised": 50, "suprized": 3}, "suprized"),
        ({"happy": 60, "hapiness": 2}, "hapiness"),  # near another word for it
        ({"female_happy": 60, "female_hapy": 2, "male_happy": 2}, "female_hapy"),
        ({"happy": 300, "hapy": 100}, None),  # not few
        ({"sad": 300, "bored": 3, "angry": 2, "fearful": 1}, None),
        ({"female": 90, "male": 3}, None),
        ({"happy": 300, "unhappy": 3}, None),
        ({"level_1": 300, "level_2": 3}, None),
        ({"3": 300, "33": 3}, None),
    ],
)
def test_classes_with_nearly_the_name_of_another(counts, remarked):
    found = rare_misspellings([name for name, count in counts.items() for _ in range(count)])
    assert [remark.split("'")[1] for remark in found] == ([remarked] if remarked else [])


def test_a_misspelt_class_that_fell_out_of_train_is_told_as_one():
    with pytest.raises(UserError, match="no recording of: hapy.*Is hapy a slip for happy. dataset.merge"):
        Classification(("happy", "hapy", "sad")).check_train(np.repeat([0, 2], [30, 20]))


@pytest.mark.parametrize(("target", "hint"), [("emotions", "Did you mean 'emotion'"), ("age", "Choose from: emotion")])
def test_a_target_that_no_published_corpus_knows(target, hint, tiny_ravdess, tmp_path):
    with pytest.raises(UserError, match=f"dataset.target={target} does not exist. {hint}.*dataset=csv"):
        find_recordings(Ravdess(str(tiny_ravdess)), Selection(target=target), tmp_path)
