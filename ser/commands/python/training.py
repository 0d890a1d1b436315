"""`ser.train` and `ser.crossval`: what `ser train` and `ser crossval` do, in this process."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ser.commands.python.guest import as_a_guest, as_found
from ser.commands.python.run import Run
from ser.commands.python.words import overrides_of
from ser.errors import UserError
from ser.system.names import near

if TYPE_CHECKING:
    from rich.console import Console

    from ser.commands.train import Asked

Override = str | Mapping[str, Any]


@as_a_guest
def train(*overrides: Override, **settings: Any) -> Run | None:
    """Trains a run, continues it, or finds it finished: the run that `ser train` has for the same overrides.

    Args:
        overrides: As on the command line, `"model=cnn2d"`, `"optimizer.lr=1e-3"`; or dicts.
        settings: The same as keyword arguments: `seed=0`, `optimizer={"lr": 1e-3}`, `**{"model.dropout": 0.2}`.
            `run={"progress": False}` prints nothing.

    Returns:
        The finished run; nothing of `run.dry_run=true`.

    Raises:
        UserError: Something you can fix, in a sentence.
        KeyboardInterrupt: It was interrupted; the same call continues.
    """
    from rich.console import Console

    from ser.commands.train import train_asked

    with as_found():
        asked = _asked(overrides_of(overrides, settings))
        console = _console(asked.config)
        job, found = train_asked(asked, console, Console(quiet=True))
        if asked.config["run"]["dry_run"]:
            return None
        run = Run(job.directory.path, job.config, job.directory.protocol, asked.config["run"]["trust"])
        _say("Already trained" if found else "Trained", run, console)
    return run


@as_a_guest
def crossval(*overrides: Override, **settings: Any) -> Run:
    """Trains all folds of a split, one after the other, and pools their predictions, as `ser crossval` does.

    Args:
        overrides, settings: As of `train`.

    Returns:
        The pooled result: each recording is tested once.

    Raises:
        UserError: Something you can fix, in a sentence.
        KeyboardInterrupt: It was interrupted; the same call continues with the fold that it was at.
    """
    from rich.console import Console

    from ser.commands.composing import hydra_as_found
    from ser.commands.crossval import check_words
    from ser.commands.train import train_job
    from ser.sweeps.crossval import folds_of, pool_folds
    from ser.sweeps.plan import check_job
    from ser.training.callbacks.interruption import Interruption

    with as_found():
        words = overrides_of(overrides, settings)
        with hydra_as_found():
            check_words(words)
        asked, interruption = _asked(words), Interruption()
        check_job(asked.config)
        console, bars, trust = _console(asked.config), _console(asked.config, text=False), asked.config["run"]["trust"]
        with interruption.listening():
            folds = folds_of(asked.config)
            for number, job in enumerate(folds, start=1):
                train_job(job, asked, interruption, bars, Console(quiet=True))
                fold = Run(job.directory.path, job.config, job.directory.protocol, trust)
                _say(f"Fold {number} of {len(folds)}", fold, console)
            pooled = pool_folds(folds, bars)
        run = Run(pooled.folder, pooled.config, pooled.stamp, trust)
        _say("Pooled", run, console)
    return run


def _asked(words: Sequence[str]) -> "Asked":
    """The run that some words ask for, composed as the command line composes it.

    Raises:
        UserError: Words that ask for several runs, or for something else.
    """
    from hydra.core.hydra_config import HydraConfig

    from ser.commands.composing import Composer, hydra_as_found
    from ser.commands.hydra_app import chosen_run_dir, is_multirun
    from ser.commands.overrides import flags_and_words, parse, values_of
    from ser.commands.train import asked_run

    flags, words = flags_and_words(words)
    folders = values_of(flags, "--config-dir", "-cd")
    if strange := set(flags) - {"--config-dir", "-cd", *folders}:
        raise UserError(f"{min(strange)} is of the command line: ser.train takes overrides and --config-dir.")
    with hydra_as_found():
        for override in parse(words):
            if override.is_sweep_override():
                raise UserError(f"{override.input_line} is several values, and a call trains one: call it for each.")
        config = Composer("train", words, tuple(map(os.path.abspath, folders)))()
        if is_multirun():
            raise UserError("A config file makes this a grid (hydra.mode: MULTIRUN): call ser.train for each run.")
        typed = [word for folder in folders for word in ("--config-dir", folder)] + words
        return asked_run(config, typed, chosen_run_dir(HydraConfig.get().run))


def _console(config: Mapping[str, Any], text: bool = True) -> "Console":
    """Where text and progress go: a notebook, a terminal, or a file; nowhere under `run.progress=false`.

    Args:
        config: The run's.
        text: Whether text is wanted, beside progress.
    """
    from rich.console import Console

    from ser.training.notebook import NotebookConsole

    quiet = not config["run"]["progress"]
    if Console().is_jupyter:
        return NotebookConsole(quiet, text)
    terminal = sys.stdout is not None and sys.stdout.isatty()
    return Console(quiet=quiet or not (text or terminal), width=None if terminal else 120)


def _say(what: str, run: Run, console: "Console") -> None:
    console.print(f"{what}: {near(run.path)}\n{run.summary()}", markup=False, highlight=False, soft_wrap=True)
