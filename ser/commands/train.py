"""`ser train`: composes a run from configs and overrides, and trains it, finds it finished, or continues it."""

import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ser.commands.show import with_settings
from ser.errors import Interrupted, UserError

if TYPE_CHECKING:
    from rich.console import Console

    from ser.runs.directory import RunDirectory
    from ser.training.callbacks.interruption import Interruption
    from ser.training.job import Job
    from ser.training.ranks import Ranks

HELP = """ser train [group=choice …] [key=value …]

  ser train                                      the default run, on the demo corpus
  ser train dataset=ravdess dataset.root=FOLDER model=cnn1d frontend=mfcc seed=1
  ser train trainer.max_epochs=100 optimizer.lr=1e-3 model.dropout=0.2
  ser train -m model=mlp,cnn1d seed=0,1,2        a grid: every combination, tried before the first is trained
  ser train -m … hydra/launcher=joblib           side by side on this machine; submitit_slurm, ray: on a cluster
  ser train -m 'model=glob(cnn*)'                every choice that fits
  ser train -m … sweep.skip="model=mlp and seed>0"     without those for which this holds
  ser train experiment=grid_example              a grid that lives in a file
  ser train run.resume=RUN                       continue an interrupted run (so does the same command)
  ser train run.dry_run=true                     print what would be trained, and how long it takes
  ser train --cfg job                            print the composed config
  ser train --config-dir FOLDER …                add config files of your own
  ser train --hydra-help                         Hydra's own flags

Settings (configs/train.yaml; `ser train --cfg job` shows those of the chosen parts)
{settings}

Groups (`ser show`; `ser show model=cnn2d`: the settings of a choice, and what each may be)
{groups}"""


def main(arguments: list[str]) -> int:
    """Trains one run, or goes through a grid; 1 where a job of a grid failed."""
    from ser.commands.grid import train_grid
    from ser.commands.hydra_app import run_app

    return run_app("train", arguments, partial(_run, arguments=arguments), partial(train_grid, arguments=arguments))


def _run(config: dict[str, Any], arguments: list[str]) -> None:
    from rich.console import Console

    from ser.commands.hydra_app import explicit_run_dir, is_multirun

    if is_multirun():  # with Hydra's own sweeper
        from ser.runs.settings import check_run_settings
        from ser.sweeps.plan import check_job

        check_run_settings(config)
        check_job(config)
    asked = asked_run(config, arguments, explicit_run_dir())
    console = Console(quiet=not asked.ranks.first, width=None if sys.stdout.isatty() else 120)
    try:
        train_asked(asked, console)
    except Interrupted as interrupted:
        if interrupted.how_to_continue:
            console.print(interrupted.how_to_continue, soft_wrap=True, markup=False, highlight=False)
            interrupted.told = True
        raise


@dataclass(frozen=True, slots=True)
class Asked:
    """The run that was asked for.

    Args:
        config: Resolved, as plain data; of a run that is resumed its own.
        run_dir: Where the user put it, if anywhere.
        ranks: The processes that train it.
        words: Overrides.
    """

    config: dict[str, Any]
    run_dir: Path | None
    ranks: "Ranks"
    words: Sequence[str]


def asked_run(config: dict[str, Any], words: Sequence[str], run_dir: str | None) -> Asked:
    """Checks a config right after it was composed.

    Args:
        config: From `plain_config`.
        words: Overrides as typed.
        run_dir: `hydra.run.dir`, where the user set it.

    Raises:
        UserError: Settings of the run or the trainer are invalid; the run to resume is none, or another.
    """
    from ser.commands.overrides import in_quotes
    from ser.runs.settings import check_run_settings
    from ser.training.ranks import Ranks
    from ser.training.trainer import check_trainer

    check_run_settings(config)
    if run_dir is not None:  # where the name has the time in it, it is the same one for all ranks
        words = [*words, f"hydra.run.dir={in_quotes(run_dir)}"]
    if config["run"]["resume"]:
        run_dir = str(Path(config["run"]["resume"]).expanduser())
        config = _resumed_config(Path(run_dir), config)
    check_trainer(config["trainer"])
    ranks = Ranks.of(config["trainer"], [sys.executable, "-P", "-m", "ser", "train", *words])
    return Asked(config, None if run_dir is None else Path(run_dir), ranks, words)


def train_asked(asked: Asked, console: "Console", results: "Console | None" = None) -> tuple["Job", bool]:
    """Trains a run, finds it finished, or prints what would be trained.

    Args:
        asked: The run.
        console, results: As of `ser.training.train.train`.

    Returns:
        The run, and whether it was found finished.

    Raises:
        UserError: Something the user can fix.
        Interrupted: With how to continue, where the run has begun.
    """
    from ser.training.callbacks.interruption import Interruption
    from ser.training.job import find_job
    from ser.training.summary import dry_run

    interruption, ranks = Interruption(), asked.ranks
    with interruption.listening(), ranks.met():
        job = ranks.rank_0_first("job", lambda: find_job(asked.config, asked.run_dir))
        if asked.config["run"]["dry_run"]:
            dry_run(job, console)
            return job, False
        return job, train_job(job, asked, interruption, console, results)


def train_job(
    job: "Job", asked: Asked, interruption: "Interruption", console: "Console", results: "Console | None" = None
) -> bool:
    """As `train_asked`, of a run that is known; gives whether it was found finished.

    Args:
        job: The run.
        asked: What it came from.
        interruption: Listening.
        console, results: As of `ser.training.train.train`.
    """
    from ser.system.stopping import telling
    from ser.training.train import train

    found = job.directory.finished and not job.config["run"]["rerun"]
    try:
        with telling(lambda: how_to_continue(job.directory, asked.words)):
            train(job, interruption, console, ranks=asked.ranks, results=results)
    except Interrupted as interrupted:
        interrupted.how_to_continue = how_to_continue(job.directory, asked.words)
        raise
    return found


def _resumed_config(run: Path, typed: dict[str, Any]) -> dict[str, Any]:
    """The run's own config with what may differ when it continues: paths, devices, verbosity.

    Raises:
        UserError: Not a run, or an override that would make it another run.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    from ser.inference.finished_run import never_written
    from ser.inference.limits import MOST_BYTES
    from ser.inference.source import check_model
    from ser.runs.directory import RunDirectory, load_config
    from ser.runs.identity import counts, flatten

    config = load_config(run)
    if RunDirectory(run, "").recorded_identity() is None:
        raise UserError(f"{run} is no run directory: it has no run.json that says which run it is.")
    config["dataset"] = never_written(config["dataset"])
    settings = dict(flatten(config))
    for override in OverridesParser.create().parse_overrides(list(HydraConfig.get().overrides.task)):
        key = override.key_or_group
        if key == "run.resume" or key.split(".")[0] == "logger":
            continue
        if key.startswith("hydra."):
            raise UserError(f"run.resume={run} continues in its own directory: leave out {key}.")
        fixed = key in ("batch_size", "init_from", "run.rerun") or key in config["choices"]
        if fixed or counts(key, settings):
            raise UserError(
                f"run.resume={run} takes its config from the run: only paths, devices and verbosity may differ, and "
                f"{key} is none of them."
            )
        value = OmegaConf.select(OmegaConf.create(typed), key)
        updated = OmegaConf.create(config)
        OmegaConf.update(updated, key, value, force_add=True)
        config = OmegaConf.to_container(updated)
    # what a file says of trust, and of where to log, does not count: only the command line does
    config["logger"] = typed["logger"]
    config["run"] |= {key: typed["run"][key] for key in ("trust", "dry_run")} | {"resume": None, "rerun": False}
    last = RunDirectory(run, "").last
    check_model(config, 1, run / "config.yaml", max(MOST_BYTES, last.stat().st_size if last.is_file() else 0))
    return config


def how_to_continue(directory: "RunDirectory", words: Sequence[str]) -> str:
    """What an interrupted run leaves, and the command that goes on.

    Args:
        directory: Of the run.
        words: Its overrides.
    """
    if directory.finished:
        return f"Stopped; the run is finished. Its page: ser evaluate {shlex.quote(f'run={directory.path}')}"
    if directory.last.is_file():
        ours = r"\+*(logger\b|run\.trust=)"  # what a run's config does not say
        again = [word for word in words if re.match(ours, word)]
        command = shlex.join(["ser", "train", f"run.resume={directory.path}", *again])
        return f"Stopped; test was not scored. Continue: {command}"
    if (directory.path / "chosen.json").is_file() or any(directory.path.glob("checkpoints/choosing_*.ckpt")):
        return "Stopped; test was not scored. The same command goes on from there."  # of checkpoint=refit
    return "Stopped before the first epoch was saved; the same command starts anew."


def help_text() -> str:
    """The settings of train.yaml with their comments, and the groups."""
    return with_settings(HELP, "train")
