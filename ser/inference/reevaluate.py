"""A finished run evaluated again from its own files, with the report that sweeps leave out."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from ser.data.build import build_audio, build_recordings
from ser.errors import UserError
from ser.evaluation.evaluate import Evaluation, Fold, evaluate
from ser.evaluation.predictions import AnyPredictions
from ser.evaluation.scored import Scores
from ser.inference.finished_run import FinishedRun
from ser.inference.limits import MOST_BYTES, BeyondLimits
from ser.inference.source import built_from, check_model
from ser.reports.mistakes import Sounds
from ser.reports.run_report import write_run_report
from ser.runs.reading import read_json
from ser.system.cache import cache_folder
from ser.system.files import write_text
from ser.system.ranges import OutOfRange
from ser.training.augment import without_augmentation
from ser.training.results import baselines_of
from ser.training.setup import Parts, prepare


def reevaluate(run: FinishedRun, console: Console) -> tuple[Evaluation, list[str], Path]:
    """Writes evaluation.json, figures/ and report.html anew, from predictions.csv and predictions_val.csv.

    The test part is not scored again: its predictions are read from the files. Baselines and sounds need the
    recordings; if these have moved, the report notes that they are missing, and keeps the baselines it had.

    Args:
        run: The run.
        console: For the bars.

    Returns:
        All figures, remarks, and the page.

    Raises:
        UserError: A file of the run is missing or damaged, or a process is training it.
    """
    run.directory.lock()
    try:
        test, val = run.predictions()
        parts, notes = _recordings(run, test, console)
        baselines, sounds = {}, None
        if parts is not None:
            baselines = baselines_of(parts, np.asarray(parts.split.test), test, run.config["seed"])
            sounds = Sounds(parts.decoded, build_audio(run.config))
        evaluation = evaluate([Fold(test, val, baselines)])
        kept = {name: scores for name, scores in _kept(run).items() if name not in evaluation.systems}
        evaluation = replace(evaluation, systems=evaluation.systems | kept)
        write_text(run.path / "evaluation.json", json.dumps(evaluation.as_dict(), allow_nan=False) + "\n")
        return evaluation, notes, write_run_report(run.directory, test, evaluation, sounds, notes)
    finally:
        run.directory.release()


def _recordings(run: FinishedRun, test: AnyPredictions, console: Console) -> tuple[Parts | None, list[str]]:
    """The run's data prepared again, if its recordings are unchanged and still in place."""
    where, best = run.path / "config.yaml", run.directory.best
    try:
        check_model(run.config, len(test.classes), where, max(MOST_BYTES, best.stat().st_size if best.is_file() else 0))
        with built_from(where):
            recordings = build_recordings(run.config, cache_folder())
            parts = prepare(without_augmentation(run.config), recordings, console)
    except (BeyondLimits, OutOfRange):
        raise
    except UserError as error:
        why = str(error).splitlines()[0].rstrip(":")
        return None, [f"Without sounds, and baselines are not computed again: {why}"]
    predicted = list(zip(test.traits["corpus"], test.keys, test.true.tolist(), strict=True))
    present = [
        (utterance.corpus, utterance.key, parts.decoded.labels[i].tolist())
        for i, utterance in ((i, parts.decoded.utterances[i]) for i in parts.split.test)
    ]
    if predicted != present:
        return None, [
            "Without sounds, and baselines are not computed again: the recordings in its folder are not those that "
            "the run was tested on."
        ]
    return parts, []


def _kept(run: FinishedRun) -> dict[str, Scores]:
    """The systems of the run's evaluation.json, as far as it can be read."""
    with suppress(UserError, ValueError, KeyError, TypeError, AttributeError):
        written = read_json(run.path / "evaluation.json")
        return {name: Scores.from_dict(scores) for name, scores in written["systems"].items()}
    return {}
