"""What the stamp says is what is in the parts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.data.splits.protocol import fold_of, merged, stamp
from tests.made_up import QUICK, corpora, utterance


def stamped(train, val, test, place="", remark=""):
    """Each recording is written `speaker`, `speaker:text`, or with its corpus before, `corpus/speaker:text`."""
    utterances = []
    for name in [*train, *val, *test]:
        corpus, _, name = name.rpartition("/")
        speaker, _, text = name.partition(":")
        known = {"statement": text} if text else {}
        utterances.append(utterance(len(utterances), speaker=speaker or None, corpus=corpus or "made_up", **known))
    bounds = len(train), len(train) + len(val)
    indices = range(len(utterances))
    parts = {"train": indices[: bounds[0]], "val": indices[bounds[0] : bounds[1]], "test": indices[bounds[1] :]}
    return stamp(utterances, parts, place, remark)


@pytest.mark.parametrize(
    ("train", "val", "test", "words"),
    [
        (["a", "b"], ["c"], ["d"], "speaker-independent"),
        (["a", "b"], ["c"], ["b", "d"], "speaker-dependent; 1 of 2 test speakers also in train"),
        (["a", "b"], ["c"], ["c"], "speaker-dependent; 1 of 1 test speaker also in validation"),
        (["a", "b"], ["b", "c"], ["b", "c"], "speaker-dependent; 2 of 2 test speakers also in train or validation"),
        (["a", "b"], ["a"], ["c", "d"], "speaker-independent; 1 of 1 validation speaker also in train"),
        (["a", ""], ["b"], ["c"], "speakers unknown"),
        (["a", "b"], [], ["c"], "speaker-independent; no validation"),
        (["a"], [], ["c"], "speaker-independent, a → c; no validation"),
        (["a:x"], ["b:y"], ["a:z"], "speaker-dependent, statement-independent; 1 of 1 test speaker also in train"),
        (["a:x", "b:x"], ["c:x"], ["a:z", "b:z"], "speaker-dependent, statement-independent; 2 of 2 test speakers "
         "also in train; validation speaker-disjoint"),
        (["a:x", "a:y"], ["a:z"], ["b:x", "b:z"], "speaker-independent, a → b; 2 of 2 test statements also in train or "
         "validation; validation statement-disjoint within the training speaker"),
        (["p/a:x", "p/b:x"], ["p/c:x"], ["q/d:y"], "speaker-independent, P → Q; validation speaker-disjoint within P"),
        (["p/a", "r/b"], ["p/a"], ["q/d"], "speaker-independent, P + R → Q; 1 of 1 validation speaker also in train"),
        (["p/", "p/"], ["p/"], ["q/"], "speakers unknown, P → Q; validation within P"),
    ],
)  # fmt: skip
def test_stamps(train, val, test, words):
    assert stamped(train, val, test) == words


def test_place_and_remark():
    words = stamped(["a", "b"], ["c"], ["d"], "fold 3 of 6 (EmoBox)", "parts named by x.csv")
    assert words == "speaker-independent, fold 3 of 6 (EmoBox); parts named by x.csv"


def test_words_stand_for_statements_where_every_recording_has_one():
    utterances = [utterance(i, speaker="s", word=f"w{i}", statement="say") for i in range(3)]
    parts = {"train": [0], "val": [1], "test": [2]}
    assert stamp(utterances, parts) == "speaker-dependent, word-independent; 1 of 1 test speaker also in train"
    utterances[0] = replace(utterances[0], word=None)
    assert "1 of 1 test speaker, 1 of 1 test statement also in train" in stamp(utterances, parts)


@QUICK
@given(corpora(least=3), st.data())
def test_the_first_words_are_true_of_any_division(utterances, data):
    named = data.draw(st.lists(st.sampled_from("tvx"), min_size=len(utterances), max_size=len(utterances)))
    parts = {
        part: [i for i, letter in enumerate(named) if letter == short]
        for part, short in {"train": "t", "val": "v", "test": "x"}.items()
    }
    if not parts["train"] or not parts["test"]:
        return
    seen = {utterances[i].speaker for i in parts["train"] + parts["val"]}
    tested = {utterances[i].speaker for i in parts["test"]}
    words = stamp(utterances, parts)
    assert words.startswith("speaker-dependent" if seen & tested else "speaker-independent")
    assert (f"{len(seen & tested)} of {len(tested)} test speaker" in words) == bool(seen & tested)
    assert ("no validation" in words) == (not parts["val"])


# ---- of several folds ----------------------------------------------------------------------------------------------

TEXTS = "2 of 2 test statements also in train or validation"
COPIES = "near-copies across parts"


@pytest.mark.parametrize(
    ("stamps", "together"),
    [
        (
            [f"speaker-independent, fold {i} of 10 (csv_{i:02}); {TEXTS}" for i in range(1, 11)],
            f"speaker-independent, 10 folds pooled; {TEXTS}",
        ),
        (
            [f"speaker-independent, fold {i} of 6 (EmoBox, 23 of 24 speakers); {TEXTS}" for i in range(1, 7)],
            f"speaker-independent, 6 folds pooled (EmoBox, 23 of 24 speakers); {TEXTS}",
        ),
        (
            [
                f"speaker-independent, a → b, fold 1 of 2 (b); {TEXTS}",
                f"speaker-independent, b → a, fold 2 of 2 (a); {TEXTS}",
            ],
            f"speaker-independent, 2 folds pooled; {TEXTS}",
        ),
        (
            [f"speaker-independent, RAVDESS → TESS, fold {i} of 2 (f; (x), y)" for i in (1, 2)],
            "speaker-independent, RAVDESS → TESS, 2 folds pooled (f; (x), y)",
        ),
        (
            [
                f"speaker-dependent, fold 1 of 4; 1 of 1 test speaker also in train; {TEXTS}; {COPIES}: 3",
                f"speaker-dependent, fold 2 of 4; 2 of 3 test speakers also in train; {TEXTS}",
                f"speaker-independent, fold 3 of 4; {TEXTS}; {COPIES}: 12",
                f"speaker-dependent, fold 4 of 4; 2 of 2 test speakers also in train; {TEXTS}",
            ],
            "speaker-dependent (in 3 of 4 folds), speaker-independent (in 1 of 4 folds), 4 folds pooled; 1–2 of 1–3 "
            f"test speakers also in train (in 3 of 4 folds); {TEXTS}; {COPIES}: 3–12 (in 2 of 4 folds)",
        ),
    ],
)
def test_stamps_of_folds_say_each_thing_once(stamps, together):
    assert merged(stamps, "folds", f"{len(stamps)} folds pooled") == together
    assert merged(stamps, "runs") == together.replace(f", {len(stamps)} folds pooled", "").replace("folds", "runs")


def test_what_all_runs_of_one_fold_share_is_their_fold():
    """Seeds of a fold that chose other numbers of epochs."""
    stamps = [f"speaker-independent, fold 3 of 6 (EmoBox); {epochs} epochs chosen on validation" for epochs in (20, 31)]
    together = merged(stamps, "members")
    assert together == "speaker-independent, fold 3 of 6 (EmoBox); 20–31 epochs chosen on validation"
    assert fold_of(together) == (3, 6)
    assert fold_of(merged([stamps[0], stamps[1].replace("3 of 6", "4 of 6")], "members")) is None
    assert fold_of(merged([stamps[0], "speaker-independent"], "members")) is None
