"""Running a Hydra app inside `ser`: its errors in the user's words, its config as plain data."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from ser.commands.experiments import without_stale
from ser.errors import UserError, did_you_mean
from ser.runs.identity import PATH_KEY, flatten
from ser.system.config_folder import config_folder

FLAGS_WITH_VALUE = frozenset(
    ["--cfg", "-c", "--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp", "--package", "-p",
     "-sc", "--shell-completion-query"]
)  # fmt: skip
LAUNCHERS = {"submitit_local": "cluster", "submitit_slurm": "cluster", "ray": "ray"}  # and the extra that brings them
QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""  # a whole value in quotes


def run_app(name: str, arguments: list[str], task: Callable[[DictConfig], Any]) -> None:
    """Composes `configs/<name>.yaml` with the arguments and calls `task`.

    An error of the task is kept back until Hydra is done, which would print over it, and raised then.

    Raises:
        UserError: A mistyped key or choice, with the nearest right one.
        Exception: Whatever the task raised.
    """
    raised: list[Exception] = []

    def kept_back(cfg: DictConfig) -> None:
        try:
            task(cfg)
        except Exception as error:
            raised.append(error)

    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come here instead of being printed by Hydra
    before, sys.argv = sys.argv, [f"ser {name}", *flags_first(arguments)]
    GlobalHydra.instance().clear()  # of what was composed before the app
    try:
        with in_users_words(name, arguments):
            hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=name)(kept_back)()
    finally:
        sys.argv = before
    if raised:
        raise raised[0]


@contextmanager
def in_users_words(name: str, arguments: list[str]) -> Iterator[None]:
    """Tells Hydra's errors in sentences, where `configs/<name>.yaml` is composed with the arguments.

    Raises:
        UserError: A mistyped key or choice, with the nearest right one.
    """
    try:
        yield
    except MissingConfigException as error:
        raise UserError(_missing_choice(error)) from error
    except OverrideParseException as error:
        raise UserError(f"The argument '{error.override}' cannot be read as key=value: {_first_line(error)}") from error
    except ConfigCompositionException as error:
        raise UserError(_unknown_key(error, name, arguments)) from error
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(f"The config cannot be composed: {_first_line(error)}") from error


def flags_first(arguments: list[str]) -> list[str]:
    """Hydra's parser takes overrides in one piece: `model=mlp -m seed=0,1` becomes `-m model=mlp seed=0,1`.

    >>> flags_first(["model=mlp", "-m", "--config-dir", "mine", "seed=0,1"])
    ['-m', '--config-dir', 'mine', 'model=mlp', 'seed=0,1']
    """
    flags, overrides, words = [], [], iter(arguments)
    for word in words:
        if word.startswith("-"):
            flags += [word, next(words, "")] if word in FLAGS_WITH_VALUE else [word]
        else:
            overrides.append(quoted_path(word))
    return flags + overrides


def quoted_path(word: str) -> str:
    """Quotes the value of a key that names a path, so that any path may be typed as the shell gives it.

    A comma stays a comma between the values of a sweep; what is quoted or computed already stays as it is.

    >>> quoted_path("dataset.root=/data/My corpora (old)"), quoted_path("seed=1")
    ("dataset.root='/data/My corpora (old)'", 'seed=1')
    """
    key, _, value = word.partition("=")
    name = key.lstrip("+").split(".")[-1]
    names_path = PATH_KEY.search(name) or name in ("resume", "init_from", "run")
    if key == "sweep.skip" and not re.fullmatch(QUOTED, value):  # a condition, with signs that Hydra's grammar lacks
        return f"{key}={in_quotes(value)}"
    if not names_path or value[:1] in ("'", '"', "[") or "${" in value:
        return word
    value = os.path.expanduser(value)  # the shell leaves `key=~/data` as it is
    if value == "null" or re.fullmatch(r"[\w./,-]*", value, flags=re.ASCII):
        return f"{key}={value}"
    return f"{key}={in_quotes(value)}"


def in_quotes(text: str) -> str:
    """A text as Hydra's grammar takes it whatever is in it."""
    escaped = text.replace("'", "\\'")
    return f"'{escaped}'"


def plain_config(cfg: DictConfig, chosen: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The config as dicts, lists, numbers and strings, all interpolations resolved, with the choice made in each group.

    Args:
        cfg: Composed.
        chosen: The choices, by default those of the job that Hydra runs.

    Raises:
        UserError: A value that must be given is missing, or an interpolation leads nowhere.
    """
    chosen = HydraConfig.get().runtime.choices if chosen is None else chosen
    if HydraConfig.initialized():
        typed = list(HydraConfig.get().overrides.task)
        cfg = without_stale(cfg, chosen, typed, [Path(source) for source in _config_folders()])
    missing = sorted(OmegaConf.missing_keys(cfg))
    if missing:
        raise UserError(f"Needed and not given: {', '.join(f'{key}=…' for key in missing)}")
    try:
        config = OmegaConf.to_container(cfg, resolve=True)
    except OmegaConfBaseException as error:
        raise UserError(f"The config cannot be composed: {_first_line(error)}") from error
    _make_absolute(config)
    choices = {str(group): choice for group, choice in chosen.items() if not group.startswith("hydra/")}
    return {"choices": choices, **config}


def _config_folders() -> list[str]:
    """Where config files lie: ours, then the user's own."""
    sources = HydraConfig.get().runtime.config_sources
    return [source.path for source in sources if source.schema == "file"]


def _make_absolute(node: Any) -> None:
    """Paths that are there become absolute: a run can be continued from any folder."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if key == "columns":  # `{path: file}` names no path
            continue
        names_path = PATH_KEY.search(str(key)) or key == "init_from"
        if isinstance(value, str) and names_path and value and os.path.exists(os.path.expanduser(value)):
            node[key] = os.path.abspath(os.path.expanduser(value))
        else:
            _make_absolute(value)


class NoFolder(Callback):
    """Hydra makes the folder `hydra.run.dir` for each job; a run makes its own when it begins, a dry run never."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Gives Hydra the working folder instead, and keeps what was chosen for `explicit_run_dir`."""
        with open_dict(config.hydra.run):
            config.hydra.run.chosen = config.hydra.run.dir
            config.hydra.run.dir = "."


def explicit_run_dir(default: str) -> str | None:
    """`hydra.run.dir` where the user set it, else None."""
    chosen = HydraConfig.get().run.chosen
    return None if chosen == default else chosen


def _missing_choice(error: MissingConfigException) -> str:
    """`model=cnn2` names no file; or the --config-dir has no such file."""
    wanted = str(error.missing_cfg_file or "")
    group, _, choice = wanted.rpartition("/")
    if error.options:
        extra = LAUNCHERS.get(choice) if group == "hydra/launcher" else None
        hint = f"It needs a package: pip install 'ser[{extra}]'" if extra else did_you_mean(choice, list(error.options))
        return f"{group}={choice} is not a choice. {hint}"
    return _first_line(error)


def _unknown_key(error: ConfigCompositionException, name: str, arguments: list[str]) -> str:
    """`optimizer.l=1`, `modle=mlp`: the key that is nearest among all keys of the config."""
    match = re.search(
        r"Could not (?:override|delete|append to config\. An item is already at|append to config)? ?'([^']+)'",
        str(error),
    )
    if match is None:
        return _several_values(error, name) or _first_line(error)
    key = match.group(1).split("@")[0]
    good = [word for word in arguments if "=" in word and word.lstrip("+~").split("=")[0] != match.group(1)]
    known = known_keys(name, good)
    if key in known:
        return _first_line(error)
    hint = did_you_mean(key, known)
    if not hint.startswith("Did"):
        parent = key.rpartition(".")[0]
        siblings = [k for k in known if k.rpartition(".")[0] == parent]
        hint = did_you_mean(key, siblings) if siblings else f"`ser {name} --help` lists the settings."
    addable = f" (One of Lightning's that stands in no file here is added by +{key}=….)" if "trainer." in key else ""
    return f"There is no setting '{key}'. {hint}{addable}"


def _several_values(error: ConfigCompositionException, name: str) -> str | None:
    """`seed=0,1` without -m."""
    match = re.search(r"Ambiguous value for argument '([^=']+)=(.*)'", str(error))
    if match is None:
        return None
    key, values = match.groups()
    grid = "Add -m to train with each of them" if name == "train" else "Give one"
    return f"{key}={values} is several values. {grid}; a list is written '{key}=[{values}]'."


def known_keys(name: str, overrides: list[str]) -> list[str]:
    """Every dotted key and group of the composed config; of the plain one where the overrides do not compose."""
    for tried in (overrides, []):
        GlobalHydra.instance().clear()
        try:
            with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
                cfg = hydra.compose(name, overrides=tried)
            leaves = [key for key, _ in flatten(OmegaConf.to_container(cfg, resolve=False))]
            parents = {key.rsplit(".", depth)[0] for key in leaves for depth in range(1, key.count(".") + 1)}
            return sorted({*leaves, *parents})
        except (HydraException, OmegaConfBaseException):
            continue
    return []


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") + "." if lines else type(error).__name__
