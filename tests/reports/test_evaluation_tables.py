"""Tables of an evaluation as the terminal shows them."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from ser.evaluation.evaluate import evaluate
from ser.reports.evaluation_tables import print_evaluation
from tests.evaluation.simulated import made_of
from tests.evaluation.test_evaluate import fold


def shown(evaluation) -> str:
    console = Console(width=160, record=True, file=io.StringIO())
    print_evaluation(console, evaluation)
    return console.export_text()


def row(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if f" {name} " in line)


def test_figures_stand_with_their_intervals_beside_the_baselines():
    evaluation = evaluate([fold()])
    text = shown(evaluation)
    uar = evaluation.systems["model"].overall["uar"]
    assert f"{uar.value:.3f} [{uar.low:.3f}, {uar.high:.3f}]" in row(text, "UAR")
    assert "0.125" in row(text, "UAR")  # the commonest of eight classes
    assert row(text, "ECE, temperature scaled").rstrip(" │").endswith("-")
    assert "1440 utterances, 24 speakers" in text and "fitted on val" in text
    assert "gender f " in text and "gender: gap" in text and "speaker s07" in text


def test_what_is_missing_is_said():
    text = shown(evaluate([fold(num_speakers=5)]))
    assert "5 speakers: too few; use crossval" in text and "[" not in row(text, "UAR")
    one = fold()
    true = np.where(one.test.true == 3, 2, one.test.true)
    text = shown(evaluate([replace(one, test=replace(one.test, true=true), baselines={})]))
    assert "no test utterance is d" in text


def test_names_are_not_markup():
    part = made_of(np.arange(40) % 2, np.random.default_rng(0).standard_normal((40, 2)), ("[red]sad[/]", "b"))
    assert "[red]sad[/]" in shown(evaluate([replace(fold(), test=part, val=None, baselines={})]))


@pytest.mark.parametrize("speakers", [None, 24])
def test_tables_of_unknown_speakers(speakers):
    one = fold()
    unknown = replace(one.test, traits=one.test.traits | {"speaker": (None,) * len(one.test)})
    text = shown(evaluate([replace(one, test=one.test if speakers else unknown, baselines={})]))
    assert ("speakers unknown: no interval" in text) == (speakers is None)
