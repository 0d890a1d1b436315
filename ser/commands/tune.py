"""`ser tune`: searches settings of `ser train` by a metric of validation; stopped, the same command continues."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ser.commands.show import with_settings
from ser.errors import Interrupted, UserError
from ser.system.config_folder import config_folder

if TYPE_CHECKING:
    from ser.sweeps.search.plan import SearchPlan

HELP = """ser tune key=values … [group=choice …] [key=value …]

  ser tune 'optimizer.lr=tag(log,interval(1e-4,1e-2))' 'model.dropout=interval(0,0.5)' model=cnn1d,cnn2d
  ser tune … tune.trials=100                     continues to 100 trials
  ser tune … tune.workers=4                      four trials at a time on this machine
  ser tune … tune.seeds=[0,1,2]                  the mean over three seeds; tune.folds=all: over folds
  ser tune … tune.storage=postgresql://USER@HOST/DATABASE     the same command on several machines
  ser tune … run.dry_run=true                    says what would be searched

What is searched, in Hydra's grammar (in quotes, because of the brackets):
  a,b,c  choice(a,b,c)  one of them; also of a group: model=cnn1d,cnn2d
  interval(0,0.5)  tag(log,interval(1e-4,1e-2))  int(interval(1,8))  any number between; range(16,65,16)  equal steps
Everything else is as in `ser train`, the same for all trials. Each trial is an ordinary run: a finished one is not
trained again, and nothing here looks at its test part. The search ends with the best settings as a `ser train` line.

Settings (configs/tune.yaml)
{settings}
"""
FOLDER_FLAGS = ("--config-dir", "-cd")
NOT_HERE = {
    "run.resume": "a search finds its runs by itself",
    "run.rerun": "a search uses finished runs; train one again by ser train … run.rerun=true",
    "hydra.run.dir": "each trial has its own directory",
}


def main(arguments: list[str]) -> int:
    """Searches, or continues a search; 0 when all trials are done."""
    from ser.commands.hydra_app import run_app
    from ser.commands.overrides import config_folders, flags_and_words, parse

    flags, words = flags_and_words(arguments)
    if {"-m", "--multirun"} & set(flags):
        raise UserError("ser tune goes through many runs by itself: leave out -m.")
    if any(flag.startswith("-") and flag not in FOLDER_FLAGS for flag in flags):
        # Hydra's own, such as --cfg job: of what is the same for all trials
        words = [override.input_line for override in parse(words) if not override.is_sweep_override()]
        return run_app("tune", [*flags, *words], lambda config: None)
    plan, config = _plan(words, config_folders(flags))
    return _search(plan, config)


def _plan(words: list[str], places: list[Path]) -> tuple["SearchPlan", dict[str, Any]]:
    """What the command line asks for, checked, and the config without what is searched."""
    from ser.commands.composing import Composer
    from ser.commands.overrides import as_hydra_takes_them, parse
    from ser.commands.search_space import parameter
    from ser.sweeps.search.plan import make_plan
    from ser.sweeps.search.settings import Settings
    from ser.sweeps.search.space import Space
    from ser.sweeps.search.storage import without_password

    folders = tuple(str(folder) for folder in places if folder != config_folder())
    overrides = parse(as_hydra_takes_them(words, "tune", places))
    _check(overrides)
    searched = [override for override in overrides if override.is_sweep_override()]
    fixed = [override.input_line for override in overrides if override not in searched]
    config = Composer("tune", tuple(fixed), folders)()
    settings = Settings.read(config)
    typed = {override.input_line.partition("=")[0].lstrip("+") for override in overrides}
    listed = parse(as_hydra_takes_them(_listed(config["tune"]["space"]), "tune", places))
    searched += [override for override in listed if override.input_line.partition("=")[0] not in typed]
    space = Space(tuple(parameter(override) for override in searched))
    _check_space(space, settings, typed, config)
    fixed_of_runs = [word for word in fixed if not word.lstrip("+~").startswith(("tune.", "run.dry_run="))]
    compose = Composer("tune", tuple(fixed_of_runs), folders, without=("tune",))
    flags = [word for folder in folders for word in ("--config-dir", folder)]
    command = without_password(shlex.join(["ser", "tune", *flags, *words]))
    defaults = Composer("train", (), folders, whole=False)
    return make_plan(compose, defaults, [*flags, *fixed_of_runs], space, settings, command), config


def _check(overrides: Sequence[Any]) -> None:
    """Refuses what a search decides by itself."""
    for override in overrides:
        key = override.key_or_group
        if key in NOT_HERE or override.is_hydra_override() and key != "hydra.searchpath":
            why = NOT_HERE.get(key, "a search has workers of its own (tune.workers)")
            raise UserError(f"Leave out {override.input_line}: {why}.")
        if override.is_sweep_override() and key.startswith("tune."):
            value = override.input_line.partition("=")[2]
            raise UserError(f"{override.input_line} is several values; a list has brackets: {key}=[{value}].")


def _listed(space: Any) -> list[str]:
    """`tune.space` as overrides."""
    if not isinstance(space, dict):
        raise UserError(f"tune.space={space} must be keys with values, e.g. {{model: [cnn1d, cnn2d]}}.")
    from ser.commands.python.words import in_grammar

    def text(value: Any, key: str) -> str:
        return value if isinstance(value, str) else in_grammar(value, key)

    texts = {
        key: ",".join(text(item, key) for item in value) if isinstance(value, list) else text(value, key)
        for key, value in space.items()
    }
    return [f"{key}={words}" for key, words in texts.items()]


def _check_space(space: Any, settings: Any, typed: set[str], config: dict[str, Any]) -> None:
    """Refuses a search of nothing, of a key twice, of one that is repeated, of fractions where whole numbers belong."""
    from ser.runs.identity import flatten

    names = [parameter.name for parameter in space.parameters]
    if not names:
        raise UserError(
            "Nothing to search: give some keys several values, e.g. 'optimizer.lr=tag(log,interval(1e-4,1e-2))' or "
            "model=cnn1d,cnn2d (ser tune --help)."
        )
    for name in {name for name in names if names.count(name) > 1}:
        raise UserError(f"{name} is searched twice: give all its values in one argument.")
    for key, given, option in (("seed", settings.seeds, "seeds"), ("split.fold", settings.folds, "folds")):
        if given and key in {*typed, *names}:
            raise UserError(f"{key} is given and tune.{option} goes through several: leave one of them out.")
    if settings.metric == "test" or any(name.startswith("monitor") for name in names):
        raise UserError("monitor chooses the checkpoint, by which trials are compared: it cannot be searched itself.")
    now = dict(flatten(config))
    for p in space.parameters:
        meant_whole = isinstance(now.get(p.name), int) and not isinstance(now.get(p.name), bool)
        if p.kind == "float" and p.step is None and meant_whole and p.low == int(p.low) and p.high == int(p.high) > 1:
            raise UserError(
                f"{p.name} is {now[p.name]}, a whole number, and {p.name}=interval({p.low:g},{p.high:g}) draws any "
                f"number between. Whole ones: int(interval({p.low:g},{p.high:g}))."
            )


def _search(plan: "SearchPlan", config: dict[str, Any]) -> int:
    from rich.console import Console

    from ser.sweeps.search.progress import Progress, announce
    from ser.sweeps.search.run import search
    from ser.training.callbacks.interruption import Interruption

    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False, markup=False, soft_wrap=True)
    announce(plan, console)
    if config["run"]["dry_run"]:
        return 0
    with Interruption().listening(), Progress(plan, console) as progress:
        try:
            outcome = search(plan, progress.look)
        except Interrupted as interrupted:
            progress.stop()
            console.print(f"Stopped. What is done is kept; continue by the same command: {plan.command}")
            interrupted.told = True
            raise
    outcome.print(console)
    return 0


def help_text() -> str:
    """The settings of tune.yaml with their comments."""
    return with_settings(HELP, "tune")
