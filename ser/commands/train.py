"""`ser train`: composes a run from configs and overrides, and trains it, finds it finished, or continues it."""

import re
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Any

from ser.commands.show import config_groups, describe, settings
from ser.errors import Interrupted, UserError

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
    if any(word in ("-h", "--help") for word in arguments):
        print(_help())
        return 0
    from ser.commands.grid import train_grid
    from ser.commands.hydra_app import run_app

    return run_app("train", arguments, partial(_run, arguments=arguments), partial(train_grid, arguments=arguments))


def _run(config: dict[str, Any], arguments: list[str]) -> None:
    from ser.commands.hydra_app import explicit_run_dir, is_multirun
    from ser.commands.overrides import in_quotes
    from ser.runs.settings import check_run_settings

    check_run_settings(config)
    if is_multirun():  # with Hydra's own sweeper
        from ser.sweeps.plan import check_job

        check_job(config)
    run_dir = explicit_run_dir()
    if run_dir is not None:  # where the name has the time in it, it is the same one for all ranks
        arguments = [*arguments, f"hydra.run.dir={in_quotes(run_dir)}"]
    if config["run"]["resume"]:
        run_dir = str(Path(config["run"]["resume"]).expanduser())
        config = _resumed_config(Path(run_dir), config)
    _train(config, run_dir, [sys.executable, "-m", "ser", "train", *arguments])


def _train(config: dict[str, Any], run_dir: str | None, command: list[str]) -> None:
    from rich.console import Console

    from ser.system.stopping import telling
    from ser.training.callbacks.interruption import Interruption
    from ser.training.job import find_job
    from ser.training.ranks import Ranks
    from ser.training.summary import dry_run
    from ser.training.train import train
    from ser.training.trainer import check_trainer

    check_trainer(config["trainer"])
    ranks = Ranks.of(config["trainer"], command)
    console = Console(quiet=not ranks.first, width=None if sys.stdout.isatty() else 120)
    interruption = Interruption()
    with interruption.listening(), ranks.met():
        job = ranks.rank_0_first("job", lambda: find_job(config, None if run_dir is None else Path(run_dir)))
        if config["run"]["dry_run"]:
            dry_run(job, console)
            return
        try:
            with telling(lambda: _how_to_continue(job.directory)):
                train(job, interruption, console, ranks=ranks)
        except Interrupted as interrupted:
            console.print(_how_to_continue(job.directory), soft_wrap=True, markup=False, highlight=False)
            interrupted.told = True
            raise


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
    from ser.runs.identity import counts

    config = load_config(run)
    if RunDirectory(run, "").recorded_identity() is None:
        raise UserError(f"{run} is no run directory: it has no run.json that says which run it is.")
    config["dataset"] = never_written(config["dataset"])
    for override in OverridesParser.create().parse_overrides(list(HydraConfig.get().overrides.task)):
        key = override.key_or_group
        if key == "run.resume" or key.split(".")[0] == "logger":
            continue
        if key.startswith("hydra."):
            raise UserError(f"run.resume={run} continues in its own directory: leave out {key}.")
        if counts(key) or key in ("batch_size", "init_from", "run.rerun") or key in config["choices"]:
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


def _how_to_continue(directory) -> str:
    if directory.finished:
        return f"Stopped; the run is finished. Its page: ser evaluate {shlex.quote(f'run={directory.path}')}"
    if directory.last.is_file():
        ours = r"\+*(logger\b|run\.trust=)"  # what a run's config does not say
        again = [word for word in sys.argv if re.match(ours, word)]
        command = shlex.join(["ser", "train", f"run.resume={directory.path}", *again])
        return f"Stopped; test was not scored. Continue: {command}"
    return "Stopped before the first epoch was saved; the same command starts anew."


def _help() -> str:
    """The settings of train.yaml with their comments, and the groups."""
    groups = "\n".join(describe(group, files) for group, files in sorted(config_groups().items()))
    return HELP.format(settings=settings("train"), groups=groups)
