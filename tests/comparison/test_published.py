"""The list of published systems: ser's own is whole, and mistakes in a user's are named."""

import re

import pytest
import yaml

from ser.comparison.published import Facts, read_published
from ser.errors import UserError

EIGHT = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
FOLDS = [[1, 11, 20, 21], [4, 10, 12, 14], [8, 9, 19, 23], [3, 5, 7, 24], [2, 15, 16, 18], [6, 13, 17, 22]]
EMOBOX = dict(corpus="ravdess", emotions=EIGHT, recordings=1440, folds=6, apart=True, split="file", settings={},
              speakers=frozenset(frozenset(map(str, fold)) for fold in FOLDS))  # fmt: skip
PROTOCOL = {"name": "p", "about": "", "corpus": "c", "emotions": ["a", "b"], "recordings": 9, "split": "kfold",
            "speakers": "shared", "folds": 3}  # fmt: skip
SYSTEM = {"system": "s", "source": "x", "corpus": "c", "protocol": "p", "pretrained": False, "figures": {"uar": 50}}


def test_the_runs_of_a_protocol_are_known_by_what_they_tested():
    library = read_published()
    matching = [it.name for it in library.protocols if not it.mismatch(Facts(**EMOBOX))]
    assert matching == ["emobox"]
    frozen = [it for it in library.systems if it.protocol == "emobox"]
    assert len(frozen) == 6 and all(it.pretrained and it.year == 2024 for it in frozen)
    assert max(frozen, key=lambda it: it.figures["uar"]).figures == {"uar": 75.32}


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ({"corpus": "tess"}, "its corpus is ravdess, not tess"),
        ({"emotions": EIGHT[2:5]}, "it has 8 emotions .*, not happy, sad, angry"),
        ({"settings": {"dataset.vocal_channel": "all"}}, "dataset.vocal_channel=speech, not all"),
        ({"apart": False}, "its test speakers are apart from those in training"),
        ({"folds": None, "speakers": None}, "it has 6 folds, not one division"),
        ({"speakers": frozenset([frozenset("12")])}, "its folds test other speakers"),
        ({"recordings": 1439}, "it tests 1440 recordings, not 1439"),
    ],
)
def test_the_first_difference_is_the_reason(others, reason):
    (protocol,) = (it for it in read_published().protocols if it.name == "emobox")
    assert re.search(reason, protocol.mismatch(Facts(**{**EMOBOX, **others})))


def test_a_system_of_the_users_replaces_one_of_its_name(tmp_path):
    mine = {"protocols": [PROTOCOL], "systems": [SYSTEM, {**SYSTEM, "figures": {"wa": 60.5}}]}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(mine), encoding="utf-8")
    library = read_published([tmp_path / "a.yaml"])
    (mine,) = (it for it in library.systems if it.system == "s")
    assert mine.figures == {"wa": 60.5} and mine.reference == "x" and library.protocol_of(mine).folds == 3
    assert len(library.systems) == len(read_published().systems) + 1


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "two lists"),
        ([SYSTEM], "two lists"),
        ({"system": [SYSTEM]}, "two lists"),
        ({"systems": SYSTEM}, "systems is not a list"),
        ({"systems": ["s"]}, "systems, entry 1 is not a mapping"),
        ({"systems": [{**SYSTEM, "protocl": 1}]}, "Did you mean 'protocol'"),
        ({"systems": [{"system": "s"}]}, "lacks source, corpus, protocol, pretrained, figures"),
        ({"systems": [{**SYSTEM, "pretrained": "no"}]}, "pretrained cannot be 'no'"),
        ({"systems": [{**SYSTEM, "year": True}]}, "year cannot be True"),
        ({"systems": [{**SYSTEM, "figures": {"uar": 0.75}}]}, "in percent"),
        ({"systems": [{**SYSTEM, "figures": {"uar": "75"}}]}, "in percent"),
        ({"systems": [{**SYSTEM, "figures": {"auc": 75}}]}, "figures has 'auc'"),
        ({"systems": [{**SYSTEM, "figures": {}}]}, "figures is empty"),
        ({"systems": [SYSTEM]}, "no protocol c/p. Add it"),
        ({"systems": [{**SYSTEM, "corpus": "ravdess", "protocol": "emobx"}]}, "Did you mean 'emobox'"),
        ({"protocols": [{**PROTOCOL, "speakers": "both"}]}, "speakers is a list of folds"),
        ({"protocols": [{**PROTOCOL, "split": ""}]}, "give split"),
        ({"protocols": [{**PROTOCOL, "emotions": ["a"]}]}, "emotions names at least two"),
        ({"protocols": [{**PROTOCOL, "corpus": "ravdess", "name": "emobox"}]}, "is another one already"),
    ],
)
def test_mistakes_in_a_list_are_named(tmp_path, found, message):
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(found), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_published([tmp_path / "a.yaml"])


def test_a_file_that_is_no_list_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"none\.yaml cannot be read"):
        read_published([tmp_path / "none.yaml"])
    (tmp_path / "a.yaml").write_text("systems: [", encoding="utf-8")
    with pytest.raises(UserError, match="is damaged"):
        read_published([tmp_path / "a.yaml"])
