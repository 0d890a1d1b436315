"""Optuna's figures of a search: drawn of anything a search may leave; the style of others' figures is let be."""

import matplotlib
import optuna
import pytest
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import TrialState

from ser.sweeps.search.figures import draw
from ser.sweeps.search.study import quiet


@pytest.mark.parametrize("values", [[0.4], [0.4, None, "pruned", 0.7, 0.7, "running", 0.1]])
def test_figures_are_drawn_of_complete_pruned_and_failed_trials(tmp_path, values):
    quiet()
    study = optuna.create_study(direction="maximize")
    for value in values:
        trial = study.ask()
        trial.suggest_float("optimizer.lr", 0, 1)
        if value == "pruned":
            trial.report(0.3, 0)
            study.tell(trial, state=TrialState.PRUNED)
        elif value != "running":
            study.tell(trial, value, None if value else TrialState.FAIL)
    before = dict(matplotlib.rcParams)
    evaluator, names = FanovaImportanceEvaluator(seed=0), ["optimizer.lr"] if len(values) > 1 else []
    draw(study, tmp_path / "figures", "val/uar", "speaker-independent $1", evaluator, names)
    assert {file.name for file in (tmp_path / "figures").iterdir()} == {"history.png", *["importance.png"] * len(names)}
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in (tmp_path / "figures").iterdir())
    assert {**matplotlib.rcParams, "backend": None} == {**before, "backend": None}
    assert matplotlib.pyplot.get_fignums() == []
