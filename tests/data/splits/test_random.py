"""A draw over recordings."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ser.data.splits import RandomSplit
from ser.errors import UserError
from tests.made_up import QUICK, check_parts, corpora, in_two_parts, ravdess_like, real_ravdess, seeds, utterance


@QUICK
@given(corpora(), st.floats(0.05, 0.4), st.floats(0.05, 0.4), seeds)
def test_parts_are_disjoint_complete_and_never_part_copies(utterances, val, test, seed):
    try:
        split = RandomSplit(val, test, seed)(utterances)
    except UserError as error:
        assert "part is empty" in str(error) and len(utterances) * min(val, test) < 2 + 2 * 5
        return
    check_parts(split, utterances)
    assert not in_two_parts(split, utterances)


@QUICK
@given(corpora(groups=False), st.floats(0.02, 0.45), st.floats(0.02, 0.45), seeds, st.booleans())
def test_totals_are_exact_and_strata_within_one(utterances, val, test, seed, by_speaker):
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


def test_the_test_part_does_not_depend_on_validation():
    utterances = ravdess_like()
    tests = [RandomSplit(val, 0.2, 3)(utterances).test for val in (0, 0.1, 0.3)]
    assert tests[0] == tests[1] == tests[2]


def test_every_recording_comes_to_test_equally_often():
    utterances = ravdess_like(6)
    times = Counter(i for seed in range(300) for i in RandomSplit(0.1, 0.2, seed)(utterances).test)
    assert min(times[i] for i in range(len(utterances))) > 25 and max(times.values()) < 100  # 60 expected


@pytest.mark.parametrize("seed", range(5))
def test_without_validation(seed):
    utterances = ravdess_like(4)
    split = RandomSplit(0, 0.25, seed)(utterances)
    check_parts(split, utterances, val_is_empty=True)
    assert split.val == [] and len(split.test) == round(0.25 * len(utterances))


def test_the_stamp_says_what_is_apart():
    utterances = [replace(u, statement=None) for u in ravdess_like(4)]
    assert RandomSplit()(utterances).protocol == "speaker-dependent; 4 of 4 test speakers also in train"
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
    assert f"'{name}' is not a stratum" in str(error.value)
    assert {"emotions": "'emotion'", "actors": "'actor'", 3: "gender"}[name] in str(error.value)


def test_too_few_recordings_name_the_empty_part():
    with pytest.raises(UserError, match="The test part is empty: 2 recordings"):
        RandomSplit(0, 0.2)([utterance(0), utterance(1)])
    with pytest.raises(UserError, match="The val part is empty: 4 recordings"):
        RandomSplit(0.1, 0.3)([utterance(i) for i in range(4)])


@pytest.mark.corpus
@pytest.mark.parametrize("stratify", [["emotion"], ["emotion", "gender", "actor"]])
def test_the_real_ravdess(stratify):
    ravdess = real_ravdess()
    for seed in range(20):
        split = RandomSplit(0.1, 0.2, seed, stratify)(ravdess)
        check_parts(split, ravdess)
        assert [len(indices) for indices in split.parts().values()] == [1008, 144, 288]
        assert not in_two_parts(split, ravdess)


@pytest.mark.corpus
def test_the_real_ravdess_every_margin_within_one():
    """Of stratify=[emotion,gender,actor]: emotions, emotions by gender, and each actor's emotions."""
    ravdess = real_ravdess()
    margins = [lambda u: u.emotion, lambda u: (u.emotion, u.gender), lambda u: (u.emotion, u.gender, u.speaker)]
    for seed in range(20):
        split = RandomSplit(0.1, 0.2, seed, ["emotion", "gender", "actor"])(ravdess)
        for margin in margins:
            whole = Counter(map(margin, ravdess))
            for part, share in (("test", 0.2), ("val", 0.1), ("train", 0.7)):
                counts = Counter(margin(ravdess[i]) for i in split.parts()[part])
                worst = max(abs(counts[key] - share * whole[key]) for key in whole)
                assert worst <= (1 if part != "train" else 2), (seed, part, worst)
