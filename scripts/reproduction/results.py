"""What finished runs say of a published system: figures of every seed and fold, with the base models beside."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from ser.evaluation.evaluate import MODEL, Evaluation, Fold, evaluate
from ser.inference.ensemble import make_ensemble
from ser.inference.ensemble_members import by_test_part, find_members
from ser.runs.reading import read_json
from ser.sweeps.crossval import judged, pool_ensembles, pooled_folder
from ser.training.job import Job

SHOWN = ("uar", "wa", "f1_macro")


def result_of_runs(jobs: Sequence[Job], console: Console) -> dict[str, Any]:
    """Repetitions of one configuration with different seeds.

    Args:
        jobs: Finished.
        console: For the bars.
    """
    runs = [{"seed": job.config["seed"], **_run(job, judged(job, console))} for job in jobs]
    return {**_about(jobs), "protocol": jobs[0].directory.protocol, "runs": runs}


def result_of_folds(jobs: Sequence[Job], console: Console) -> dict[str, Any]:
    """A cross-validation that `ser crossval` has pooled.

    Args:
        jobs: Its folds, finished.
        console: For the bars.
    """
    folder = pooled_folder(list(jobs))
    about = read_json(folder / "crossval.json")
    systems = read_json(folder / "evaluation.json")["systems"]
    pooled = {name: {key: it["overall"][key] for key in SHOWN} for name, it in systems.items()}
    runs = [{"fold": fold, **_run(job, judged(job, console))} for fold, job in enumerate(jobs)]
    metrics = read_json(folder / "metrics.json")
    return {
        **_about(jobs),
        "protocol": about["protocol"],
        "pooled": {"num_test": metrics["num_test"], "systems": pooled},
        "runs": runs,
    }


def result_of_ensembles(jobs: Sequence[Job]) -> dict[str, Any]:
    """Seeds of a cross-validation averaged fold by fold, and pooled.

    Args:
        jobs: Their folds, finished.
    """
    members, _ = find_members([job.directory.path for job in jobs])
    groups = by_test_part(members)
    folder = jobs[0].directory.path.parent
    made = [make_ensemble(group, folder, None, [], report=False) for group in groups]
    pooled = pool_ensembles(made)
    overall = pooled.evaluation.as_dict()["systems"][MODEL]["overall"]
    environment = read_json(jobs[0].directory.path / "environment.json")
    return {
        "protocol": pooled.stamp,
        "pooled": {"systems": {MODEL: {key: overall[key] for key in SHOWN}}},
        "runs": [{"metrics": one.run.directory.metrics(), "environment": environment} for one in made],
    }


def _about(jobs: Sequence[Job]) -> dict[str, Any]:
    return {"published": jobs[0].config.get("published"), "batch_size": jobs[0].config["batch_size"]}


def _run(job: Job, fold: Fold) -> dict[str, Any]:
    """One run: its identity, its figures, those of the base models on the same recordings, and where it ran."""
    environment = read_json(job.directory.path / "environment.json")
    return {
        "identity": job.directory.identity,
        "protocol": job.directory.protocol,
        "metrics": job.directory.metrics(),
        "baselines": _baselines(evaluate([fold])),
        "environment": environment,
    }


def _baselines(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    others = {name: scores for name, scores in evaluation.systems.items() if name != MODEL}
    return {name: {key: scores.overall[key].value for key in SHOWN} for name, scores in others.items()}
