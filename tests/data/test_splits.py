"""Who is for training, validation and test."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ser.data.corpus import Utterance
from ser.data.ravdess import Ravdess
from ser.data.splits import PARTS, RandomSplit, SpeakerSplit, Split
from ser.data.tess import Tess
from ser.errors import UserError
from tests.tiny_corpora import real_corpus, write_tiny_tess

QUICK = settings(deadline=None, max_examples=100)
seeds = st.integers(0, 2**32)
EMOTIONS = ("angry", "happy", "neutral", "sad")


def utterance(i, emotion="happy", speaker=None, gender=None, **known):
    return Utterance(Path(f"/{i}.wav"), f"{i}.wav", emotion, "made_up", speaker=speaker, gender=gender, **known)


def ravdess_like(speakers=24, takes=2):
    """Every speaker says everything: 8 emotions × `takes`, of neutral half."""
    found = []
    for speaker in range(1, speakers + 1):
        gender = "male" if speaker % 2 else "female"
        for emotion in ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"):
            for _ in range(takes // 2 if emotion == "neutral" else takes):
                found.append(utterance(len(found), emotion, f"r_{speaker:02}", gender))
    return found


@st.composite
def corpora(draw, least=8, most=150, groups=True):
    """Utterances of uneven emotions and speakers; some are copies of others."""
    rng = np.random.default_rng(draw(seeds))
    count, speakers = draw(st.integers(least, most)), draw(st.integers(1, 12))
    weights = rng.dirichlet(np.ones(len(EMOTIONS)))
    found = []
    for i in range(count):
        speaker = int(rng.integers(speakers))
        content = f"c{rng.integers(0, 2 * count)}" if groups else f"c{i}"
        emotion = str(rng.choice(EMOTIONS, p=weights))
        gender = ("female", "male")[speaker % 2]
        found.append(utterance(i, emotion, f"s{speaker}", gender, content=content))
    return found


def check_parts(split: Split, utterances, val_is_empty=False):
    """Disjoint, complete, ascending, none empty."""
    parts = split.parts()
    assert list(parts) == list(PARTS)
    assert sorted(sum(parts.values(), [])) == list(range(len(utterances)))
    assert all(indices == sorted(indices) for indices in parts.values())
    assert all(type(i) is int for indices in parts.values() for i in indices)
    assert all(indices or (part == "val" and val_is_empty) for part, indices in parts.items())


def parted(split: Split, utterances):
    """Contents that lie in two parts."""
    contents = [{utterances[i].content for i in indices} for indices in split.parts().values()]
    return (contents[0] & contents[1]) | (contents[0] & contents[2]) | (contents[1] & contents[2])


# ---- random --------------------------------------------------------------------------------------------------------


@QUICK
@given(corpora(), st.floats(0.05, 0.4), st.floats(0.05, 0.4), seeds)
def test_random_parts_are_disjoint_complete_and_never_part_copies(utterances, val, test, seed):
    try:
        split = RandomSplit(val, test, seed)(utterances)
    except UserError as error:
        assert "part is empty" in str(error) and len(utterances) * min(val, test) < 2 + 2 * 5
        return
    check_parts(split, utterances)
    assert not parted(split, utterances)


@QUICK
@given(corpora(groups=False), st.floats(0.02, 0.45), st.floats(0.02, 0.45), seeds, st.booleans())
def test_random_totals_are_exact_and_strata_within_one(utterances, val, test, seed, by_speaker):
    total = len(utterances)
    assume(round(val * total) and round(test * total) and round(val * total) + round(test * total) < total)
    stratify = ["emotion", "speaker"] if by_speaker else ["emotion"]
    split = RandomSplit(val, test, seed, stratify)(utterances)
    assert len(split.test) == round(test * total) and len(split.val) == round(val * total)
    whole = Counter(u.emotion for u in utterances)
    of_rest = len(split.val) / (total - len(split.test))
    for part, share in (("test", test), ("val", val)):
        counts = Counter(utterances[i].emotion for i in split.parts()[part])
        for emotion, count in whole.items():
            # val is drawn from what test leaves, which is itself within one, and both totals are rounded
            slack = 0 if part == "test" else of_rest + count / total
            assert abs(counts[emotion] - share * count) <= 1 + slack + 1e-9


@QUICK
@given(corpora(least=20), seeds)
def test_a_split_is_a_function_of_its_seed(utterances, seed):
    np.random.seed(seed % 2**32)
    before = np.random.get_state()[1].copy()
    splitter = RandomSplit(0.2, 0.2, seed)
    first = splitter(utterances)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # nobody draws from the global generator
    np.random.rand(7)
    assert splitter(utterances) == first == RandomSplit(0.2, 0.2, seed)(list(utterances))


@pytest.mark.parametrize("splitter", [RandomSplit, SpeakerSplit])
def test_seeds_give_different_splits(splitter):
    utterances = ravdess_like()
    found = {tuple(splitter(0.15, 0.15, seed)(utterances).test) for seed in range(20)}
    assert len(found) >= 19


def test_the_test_part_does_not_depend_on_validation():
    utterances = ravdess_like()
    tests = [RandomSplit(val, 0.2, 3)(utterances).test for val in (0, 0.1, 0.3)]
    assert tests[0] == tests[1] == tests[2]


def test_every_recording_comes_to_test_equally_often():
    utterances = ravdess_like(6)
    times = Counter(i for seed in range(300) for i in RandomSplit(0.1, 0.2, seed)(utterances).test)
    assert min(times[i] for i in range(len(utterances))) > 25 and max(times.values()) < 100  # 60 expected


@pytest.mark.parametrize("seed", range(5))
def test_random_without_validation(seed):
    utterances = ravdess_like(4)
    split = RandomSplit(0, 0.25, seed)(utterances)
    check_parts(split, utterances, val_is_empty=True)
    assert split.val == [] and len(split.test) == round(0.25 * len(utterances))


def test_random_protocol_says_what_it_keeps_apart():
    utterances = ravdess_like(4)
    assert RandomSplit()(utterances).protocol == "speaker-dependent"
    assert RandomSplit()([replace(u, speaker=None) for u in utterances]).protocol == "speakers unknown"
    alone = [replace(u, speaker=f"s{i}") for i, u in enumerate(utterances)]
    assert RandomSplit()(alone).protocol == "speaker-independent"


@pytest.mark.parametrize("stratify", [[], None, "emotion", ("emotion",)])
def test_stratify_may_be_empty_or_one_word(stratify):
    check_parts(RandomSplit(stratify=stratify)(ravdess_like(4)), ravdess_like(4))


@pytest.mark.parametrize("name", ["emotions", "actors", 3])
def test_an_unknown_stratum_is_named(name):
    with pytest.raises(UserError) as error:
        RandomSplit(stratify=["emotion", name])
    assert f"'{name}' is no stratum" in str(error.value)
    assert {"emotions": "'emotion'", "actors": "'actor'", 3: "gender"}[name] in str(error.value)


@pytest.mark.parametrize("splitter", [RandomSplit, SpeakerSplit])
@pytest.mark.parametrize(("val", "test"), [(0.1, 0), (-0.1, 0.2), (1, 0.2), (0.5, 0.5), (0.1, 1), (float("nan"), 0.2)])
def test_shares_that_leave_nothing(splitter, val, test):
    with pytest.raises(UserError, match=f"split.val={val} and split.test={test}"):
        splitter(val, test)


@pytest.mark.parametrize("seed", [-1, 0.5, "0", None])
def test_a_seed_is_a_whole_number_from_0(seed):
    with pytest.raises(UserError, match=f"split.seed={seed}"):
        RandomSplit(seed=seed)


def test_too_few_recordings_name_the_empty_part():
    with pytest.raises(UserError, match="The test part is empty: 2 recordings"):
        RandomSplit(0, 0.2)([utterance(0), utterance(1)])
    with pytest.raises(UserError, match="The val part is empty: 4 recordings"):
        RandomSplit(0.1, 0.3)([utterance(i) for i in range(4)])


# ---- speaker -------------------------------------------------------------------------------------------------------


@QUICK
@given(corpora(groups=False), st.floats(0, 0.4), st.floats(0.05, 0.4), seeds)
def test_no_speaker_in_two_parts(utterances, val, test, seed):
    speakers = {u.speaker for u in utterances}
    try:
        split = SpeakerSplit(val, test, seed)(utterances)
    except UserError as error:
        assert len(speakers) < 3 and "split=random" in str(error)
        return
    assert len(speakers) >= (3 if val else 2)
    check_parts(split, utterances, val_is_empty=val == 0)
    heard = [{utterances[i].speaker for i in indices} for indices in split.parts().values()]
    assert sum(map(len, heard)) == len(speakers) and split.protocol == "speaker-independent"


@pytest.mark.parametrize("seed", range(10))
def test_speakers_of_val_and_test_are_balanced_by_gender(seed):
    utterances = ravdess_like()
    split = SpeakerSplit(0.15, 0.15, seed)(utterances)
    genders = {u.speaker: u.gender for u in utterances}
    for part, each in (("test", 2), ("val", 2), ("train", 8)):
        speakers = {utterances[i].speaker for i in split.parts()[part]}
        assert Counter(genders[speaker] for speaker in speakers) == {"female": each, "male": each}


def test_every_speaker_comes_to_test_and_to_val():
    utterances = ravdess_like(8)
    splits = [SpeakerSplit(0.15, 0.15, seed)(utterances) for seed in range(40)]
    for part in ("val", "test"):
        heard = {utterances[i].speaker for split in splits for i in split.parts()[part]}
        assert len(heard) == 8


@pytest.mark.parametrize(
    "genders", [("female", "male", "male"), ("female", "male", None), ("female",) * 3, (None,) * 3]
)
def test_three_speakers_of_any_genders_are_one_for_each_part(genders):
    utterances = [utterance(i, "happy", f"s{i % 3}", genders[i % 3]) for i in range(9)]
    for seed in range(10):
        split = SpeakerSplit(0.15, 0.15, seed)(utterances)
        assert [len(indices) for indices in split.parts().values()] == [3, 3, 3]


def test_two_speakers_without_words():
    utterances = [utterance(i, "happy", f"s{i % 2}") for i in range(8)]
    with pytest.raises(UserError, match=r"needs 3 speakers.*have 2: s0, s1.*split=random, or split.val=0"):
        SpeakerSplit(0.2, 0.2)(utterances)
    split = SpeakerSplit(0, 0.2)(utterances)
    assert split.val == [] and len(split.train) == len(split.test) == 4


@pytest.mark.parametrize("val", [0, 0.2])
def test_one_speaker_is_too_few(val):
    with pytest.raises(UserError, match="split=random") as error:
        SpeakerSplit(val, 0.2)([utterance(i, "happy", "s0", word=f"w{i}") for i in range(8)])
    assert "have 1: s0" in str(error.value)


def test_unknown_speakers_are_counted_and_random_is_named():
    utterances = [utterance(i, speaker="s0" if i else None) for i in range(5)]
    with pytest.raises(UserError, match="1 of 5 recordings name none.*split=random"):
        SpeakerSplit()(utterances)


def test_copies_under_two_speakers_names_are_refused():
    utterances = ravdess_like(6)
    utterances = [replace(u, content=f"c{u.speaker}-{i}") for i, u in enumerate(utterances)]
    split = SpeakerSplit(0.15, 0.15, 0)(utterances)
    first, second = split.train[0], split.test[0]
    for i in (first, second):
        utterances[i] = replace(utterances[i], content="same")
    with pytest.raises(UserError, match="identical samples") as error:
        SpeakerSplit(0.15, 0.15, 0)(utterances)
    assert utterances[first].key in str(error.value) and utterances[second].key in str(error.value)


# ---- TESS ----------------------------------------------------------------------------------------------------------


def check_tess(utterances, split, val):
    heard = {part: {utterances[i].speaker for i in indices} for part, indices in split.parts().items()}
    assert heard["train"] == heard["val"] and len(heard["train"]) == len(heard["test"]) == 1
    assert heard["train"] != heard["test"] and "word-disjoint" in split.protocol
    train, held = ({utterances[i].word for i in split.parts()[part]} for part in ("train", "val"))
    assert not train & held and len(held) == max(1, round(val * len(train | held)))
    return next(iter(heard["test"]))


def test_tess_is_one_actress_against_the_other(tmp_path):
    words = ["back", "bite", "dog", "ring", "sad"]
    utterances = Tess(str(write_tiny_tess(tmp_path, words, emotions=["angry", "sad"]))).scan().utterances
    tested = set()
    for seed in range(12):
        split = SpeakerSplit(0.2, 0.2, seed)(utterances)
        check_parts(split, utterances)
        tested.add(check_tess(utterances, split, 0.2))
    assert tested == {"tess_oaf", "tess_yaf"}, "both directions occur"


@pytest.mark.corpus
def test_the_real_tess():
    utterances = Tess(str(real_corpus("tess"))).scan().utterances
    for seed in range(4):
        split = SpeakerSplit(0.15, 0.15, seed)(utterances)
        check_parts(split, utterances)
        check_tess(utterances, split, 0.15)
        assert [len(indices) for indices in split.parts().values()] == [1190, 210, 1400]


# ---- RAVDESS -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ravdess():
    """The 1440 real names; the one identical pair is known by its content, as after decoding."""
    pair = ("03-01-03-01-02-01-07", "03-01-03-01-02-02-07")
    found = Ravdess(str(real_corpus("ravdess"))).scan().utterances
    return [replace(u, content="pair" if u.path.stem in pair else u.key) for u in found]


@pytest.mark.corpus
@pytest.mark.parametrize("stratify", [["emotion"], ["emotion", "gender", "actor"]])
def test_the_real_ravdess_random(ravdess, stratify):
    for seed in range(20):
        split = RandomSplit(0.1, 0.2, seed, stratify)(ravdess)
        check_parts(split, ravdess)
        assert [len(indices) for indices in split.parts().values()] == [1008, 144, 288]
        assert not parted(split, ravdess)


@pytest.mark.corpus
def test_the_real_ravdess_every_margin_within_one(ravdess):
    """Of stratify=[emotion,gender,actor]: emotions, emotions by gender, and each actor's emotions."""
    margins = [lambda u: u.emotion, lambda u: (u.emotion, u.gender), lambda u: (u.emotion, u.gender, u.speaker)]
    for seed in range(20):
        split = RandomSplit(0.1, 0.2, seed, ["emotion", "gender", "actor"])(ravdess)
        for margin in margins:
            whole = Counter(map(margin, ravdess))
            for part, share in (("test", 0.2), ("val", 0.1), ("train", 0.7)):
                counts = Counter(margin(ravdess[i]) for i in split.parts()[part])
                worst = max(abs(counts[key] - share * whole[key]) for key in whole)
                assert worst <= (1 if part != "train" else 2), (seed, part, worst)


@pytest.mark.corpus
def test_the_real_ravdess_speaker(ravdess):
    for seed in range(10):
        split = SpeakerSplit(0.15, 0.15, seed)(ravdess)
        check_parts(split, ravdess)
        assert [len(indices) for indices in split.parts().values()] == [960, 240, 240]
        for part in ("val", "test"):
            speakers = {(ravdess[i].gender, ravdess[i].speaker) for i in split.parts()[part]}
            assert Counter(gender for gender, _ in speakers) == {"female": 2, "male": 2}
