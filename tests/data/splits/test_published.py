"""Published folds are those that were published."""

from collections import Counter
from dataclasses import replace

import pytest
import yaml

from ser.data.corpora.ravdess import Ravdess
from ser.data.splits import PublishedFolds
from ser.errors import UserError
from ser.system.config_folder import config_folder
from tests.made_up import check_parts, in_two_parts, of_parts, ravdess_like, real_ravdess, tess_like
from tests.tiny_corpora import write_tiny_ravdess

CHOICES = {"emobox": (6, {4}), "five_actors": (5, {4, 5})}


def published(choice, **changed):
    """The splitter of a config file."""
    settings = yaml.safe_load((config_folder() / "split" / f"{choice}.yaml").read_text(encoding="utf-8"))
    del settings["_target_"]
    return PublishedFolds(**{**settings, "seed": 0, **changed})


@pytest.mark.parametrize("choice", CHOICES)
def test_each_of_the_24_actors_is_tested_once(choice):
    number, sizes = CHOICES[choice]
    listed = published(choice).listed
    assert len(listed) == number and {len(names) for names in listed} == sizes
    assert sorted(int(name) for names in listed for name in names) == list(range(1, 25))


@pytest.mark.parametrize("choice", CHOICES)
def test_folds_divide_the_corpus_and_validation_is_of_other_actors(choice):
    utterances = ravdess_like()
    genders = {u.speaker: u.gender for u in utterances}
    number, _ = CHOICES[choice]
    assert published(choice).num_folds(utterances) == number
    tested = []
    for fold in range(number):
        split = published(choice, fold=fold)(utterances)
        check_parts(split, utterances)
        assert not in_two_parts(split, utterances, "speaker")
        held = of_parts(split, utterances, "speaker")[1]
        assert Counter(genders[speaker] for speaker in held) == {"female": 2, "male": 2}
        tested += split.test
    assert sorted(tested) == list(range(len(utterances)))


def test_emobox_first_fold_and_its_stamp():
    utterances = ravdess_like()
    split = published("emobox")(utterances)
    assert of_parts(split, utterances, "speaker")[2] == {"ravdess_01", "ravdess_11", "ravdess_20", "ravdess_21"}
    words = "speaker-independent, fold 1 of 6 (EmoBox); 2 of 2 test statements also in train"
    assert split.protocol == words


def test_the_seed_decides_validation_and_nothing_else():
    utterances = ravdess_like()
    splits = [published("emobox", seed=seed)(utterances) for seed in range(5)]
    assert len({tuple(split.test) for split in splits}) == 1 < len({tuple(split.val) for split in splits})


def test_fewer_actors_are_counted_in_the_stamp(tmp_path):
    utterances = Ravdess(str(write_tiny_ravdess(tmp_path, emotions=[1, 5]))).scan().utterances  # actors 1 to 6
    split = published("emobox", fold=3)(utterances)
    assert of_parts(split, utterances, "speaker")[2] == {"ravdess_03", "ravdess_05"}
    assert "fold 4 of 6 (EmoBox, 6 of 24 speakers)" in split.protocol
    with pytest.raises(UserError, match="split.fold=2 tests the speakers 8, 9, 19, 23.*Choose another fold"):
        published("emobox", fold=2)(utterances)


@pytest.mark.parametrize("choice", CHOICES)
def test_another_corpus_is_refused(choice):
    message = r"2 of 26 here are none of them \(tess_oaf, tess_yaf\). Use dataset=ravdess, or split=speaker_kfold"
    with pytest.raises(UserError, match=message):
        published(choice)(ravdess_like() + tess_like())
    demo = [replace(u, speaker=u.speaker.replace("ravdess", "demo")) for u in ravdess_like(10)]
    with pytest.raises(UserError, match=r"10 of 10 here are none of them \(demo_01, demo_02, demo_03, …\)"):
        published(choice).num_folds(demo) and published(choice)(demo)


def test_another_corpus_can_be_trained_on_in_every_fold():
    ours = ravdess_like()
    utterances = tess_like() + ours
    for fold in (0, 5):
        split, alone = (
            published("emobox", fold=fold, train_only=["tess"])(utterances),
            published("emobox", fold=fold)(ours),
        )
        assert {utterances[i].key for i in split.test} == {ours[i].key for i in alone.test}
        assert {utterances[i].key for i in split.val} == {ours[i].key for i in alone.val}
        assert {"tess_oaf", "tess_yaf"} < of_parts(split, utterances, "speaker")[0]
        assert f"fold {fold + 1} of 6 (EmoBox); " in split.protocol and "trained on TESS too" in split.protocol


@pytest.mark.parametrize("speakers", [[1, 2], ["12", "34"], [[1, 2], []], [[1], None]])
def test_folds_that_are_no_lists(speakers):
    with pytest.raises(UserError, match=r"split.speakers is a list of folds"):
        published("emobox", speakers=speakers)


def test_a_speaker_in_two_folds():
    with pytest.raises(UserError, match="split.speakers names 3 twice"):
        published("emobox", speakers=[[1, 3], ["03", 4]])


@pytest.mark.parametrize("fold", [6, -1])
def test_a_fold_that_does_not_exist(fold):
    with pytest.raises(UserError, match=f"split.fold={fold}: this split has folds 0 to 5."):
        published("emobox", fold=fold)(ravdess_like())


def test_a_copy_under_another_actors_name_is_refused():
    utterances = [replace(u, content=str(i)) for i, u in enumerate(ravdess_like())]
    split = published("five_actors")(utterances)
    utterances[split.train[0]] = replace(utterances[split.train[0]], content=utterances[split.test[0]].content)
    with pytest.raises(UserError, match="hold identical samples"):
        published("five_actors")(utterances)


@pytest.mark.corpus
@pytest.mark.parametrize(("choice", "sizes"), [("emobox", [240] * 6), ("five_actors", [300, 300, 300, 300, 240])])
def test_the_real_ravdess(choice, sizes):
    ravdess = real_ravdess()
    for fold, size in enumerate(sizes):
        split = published(choice, fold=fold)(ravdess)
        check_parts(split, ravdess)
        assert len(split.test) == size and len(split.val) == 240
