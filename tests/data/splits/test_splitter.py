"""What every splitter does: shares, seeds, the user's own column, copies; and what the package offers."""

from dataclasses import replace

import pytest
import yaml

from ser.data import splits
from ser.data.splits import (
    CrossCorpusSplit,
    KFold,
    LeaveOneSpeakerOut,
    RandomSplit,
    SpeakerKFold,
    SpeakerSplit,
    Splitter,
    StatementSplit,
    WordSplit,
)
from ser.errors import UserError
from ser.system.config_folder import config_folder
from tests.made_up import check_parts, in_two_parts, ravdess_like, utterance

SHARES = [RandomSplit, SpeakerSplit, WordSplit]
FOLDS = [KFold, SpeakerKFold, LeaveOneSpeakerOut, StatementSplit]
NAMED = {"train": 4, "val": 2, "test": 2}


def named_by_the_list():
    parts = [part for part, count in NAMED.items() for _ in range(count)]
    return [utterance(i, speaker=f"s{i // 2}", part=part) for i, part in enumerate(parts)]


@pytest.mark.parametrize("file", sorted((config_folder() / "split").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_choice_is_a_splitter_of_this_package(file):
    module, name = yaml.safe_load(file.read_text(encoding="utf-8"))["_target_"].rsplit(".", 1)
    assert module == splits.__name__ and issubclass(getattr(splits, name), Splitter)


@pytest.mark.parametrize("splitter", SHARES)
def test_shares_that_leave_nothing(splitter):
    with pytest.raises(UserError, match="split.val=0.5 and split.test=0.5"):
        splitter(0.5, 0.5)


@pytest.mark.parametrize("splitter", [RandomSplit, SpeakerSplit])
def test_seeds_give_different_splits(splitter):
    utterances = ravdess_like()
    found = {tuple(splitter(0.15, 0.15, seed)(utterances).test) for seed in range(20)}
    assert len(found) >= 19


@pytest.mark.parametrize("splitter", [RandomSplit(), KFold(), SpeakerKFold(), StatementSplit(), WordSplit()])
def test_the_users_own_column_holds_whatever_the_split(splitter):
    utterances = named_by_the_list()
    split = splitter(utterances)
    assert {part: len(indices) for part, indices in split.parts().items()} == NAMED
    assert split.protocol == "speaker-independent; parts named by the list"
    assert splitter.num_folds(utterances) is None


def test_the_users_own_column_needs_a_validation_part_unless_none_is_wanted():
    utterances = [u for u in named_by_the_list() if u.part != "val"]
    with pytest.raises(UserError, match="no recording for val.*split.val=0"):
        RandomSplit()(utterances)
    assert RandomSplit(val=0)(utterances).val == []


def test_copies_in_two_parts_of_the_users_own_column_are_refused():
    utterances = [replace(u, content="same" if i in (0, 7) else str(i)) for i, u in enumerate(named_by_the_list())]
    with pytest.raises(UserError, match="0.wav and 7.wav hold identical samples but would be in train and test"):
        RandomSplit()(utterances)


@pytest.mark.parametrize("splitter", [RandomSplit(), SpeakerSplit(), WordSplit(), CrossCorpusSplit("a", "b")])
def test_splits_without_folds_say_so(splitter):
    assert splitter.num_folds(ravdess_like(4)) is None


def test_by_default_a_split_uses_everything_and_points_to_no_file():
    utterances = ravdess_like(4)
    kept, remarks = SpeakerSplit().usable(utterances, [u.emotion for u in utterances])
    assert list(kept) == list(range(len(utterances))) and not remarks
    assert SpeakerSplit().fingerprint() is None


@pytest.mark.parametrize("splitter", [RandomSplit(), KFold(fold=3)])
def test_the_identical_pair_of_an_actor_stays_together(splitter):
    """RAVDESS has one such pair; here each fifth recording has a twin."""
    utterances = [replace(u, content=f"c{i // 2 if i % 5 < 2 else i + 1000}") for i, u in enumerate(ravdess_like(6))]
    split = splitter(utterances)
    check_parts(split, utterances)
    assert not in_two_parts(split, utterances)
