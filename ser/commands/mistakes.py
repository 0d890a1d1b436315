"""What goes wrong while a config is composed, told in a sentence: by Hydra, OmegaConf, PyYAML or the grammar."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from hydra.errors import ConfigCompositionException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from yaml import MarkedYAMLError
from yaml.reader import ReaderError

from ser.commands.top_file import choices_of, composed
from ser.errors import MENDABLE, Interrupted, UserError, did_you_mean
from ser.runs.identity import flatten
from ser.system.config_folder import config_folder

LAUNCHERS = {"submitit_local": "cluster", "submitit_slurm": "cluster", "ray": "ray"}  # and the extra that brings them
RAISED = re.compile(r"""^\w+ raised while resolving interpolation: ["']?(.*?)["']?$""")


@contextmanager
def in_users_words(name: str, arguments: Sequence[str], folders: Sequence[Path] = ()) -> Iterator[None]:
    """Tells whatever is raised in the block in a sentence: it calls libraries that compose, and nothing of ours.

    Args:
        name: Of the top file.
        arguments: Which are composed with it.
        folders: Where config files lie.

    Raises:
        UserError: A mistyped key or choice, with the nearest right one; a file that cannot be read, with the line.
    """
    try:
        yield
    except Exception as error:
        of_the_system = isinstance(error, BrokenPipeError) or isinstance(error, OSError) and error.errno in MENDABLE
        if of_the_system or isinstance(error, UserError):
            raise
        if (interrupted := _interruption(error)) is not None:
            raise interrupted from None
        raise UserError(_sentence(error, name, arguments, folders)) from error


def _interruption(error: BaseException | None) -> Interrupted | None:
    """The signal that came in the middle of a composition; OmegaConf, which was cut short, covers it by an error."""
    while error is not None and not isinstance(error, Interrupted):
        error = error.__context__
    return error


def _sentence(error: BaseException, name: str, arguments: Sequence[str], folders: Sequence[Path]) -> str:
    error = _out_of_its_envelope(error)
    if isinstance(error, MissingConfigException):
        return _missing_choice(error)
    if isinstance(error, OverrideParseException):
        return f"The argument '{error.override}' cannot be read as key=value: {first_line(error)}"
    if isinstance(error, MarkedYAMLError):
        return _in_yaml(error)
    if isinstance(error, ReaderError):
        line = Path(error.name).read_text(encoding="utf-8", errors="replace")[: error.position].count("\n") + 1
        return f"{error.name}, line {line}: a character that YAML does not allow (U+{error.character:04X})."
    if isinstance(error, UnicodeDecodeError):
        return _not_utf8(error, folders)
    if isinstance(error, ConfigCompositionException):
        return _unknown_key(error, name, list(arguments), tuple(folders))
    alike = (word for word in arguments if _error_of(name, word, tuple(folders)) == f"{type(error).__name__}: {error}")
    key = getattr(error, "full_key", None) or next(alike, None)
    return f"The config cannot be composed: {f'{key}: ' if key else ''}{first_line(error)}"


@cache
def _error_of(name: str, argument: str, folders: tuple[Path, ...]) -> str:
    """What an argument by itself leads to: the one that fails as all of them together is the one to name."""
    try:
        OmegaConf.to_container(composed(name, [argument], folders))
    except Exception as raised:
        error = _out_of_its_envelope(raised)
        return f"{type(error).__name__}: {error}"
    return ""


def _out_of_its_envelope(error: BaseException) -> BaseException:
    """OmegaConf's error, which Hydra puts into one of its own that says nothing."""
    return error if str(error) or error.__cause__ is None else error.__cause__


def first_line(error: BaseException) -> str:
    """What a library's error says, without its tail."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    said = RAISED.sub(r"\1", lines[0].rstrip("."))
    if said.endswith(":"):  # In 'experiment/mine': ConfigTypeError raised while composing config:
        said = " ".join([re.sub(r"\w+ raised while composing config:$", "", said).rstrip(), *lines[1:2]])
    return f"{said}."


def nearest(key: str, known: Sequence[str]) -> str:
    """Which of the dotted keys is meant: one that ends so, one that looks alike, or those beside it; else nothing."""
    same = [word for word in known if word.endswith(f".{key}")]
    hint = f"Did you mean '{same[0]}'?" if same else did_you_mean(key, list(known))
    if not hint.startswith("Did") and "." not in key:  # its last word is mistyped, and the node left out
        ends = {word.rpartition(".")[2]: word for word in reversed(known)}
        hint = next((f"Did you mean '{ends[word]}'?" for word in get_close_matches(key, ends, n=1)), "")
    if not hint.startswith("Did"):
        parent = key.rpartition(".")[0]
        siblings = [word for word in known if word.rpartition(".")[0] == parent]
        hint = did_you_mean(key, siblings) if siblings else ""
    return hint


def dotted_keys(config: dict[str, Any]) -> list[str]:
    """Every dotted key of a config, of nodes too."""
    leaves = [key for key, _ in flatten(config)]
    return sorted({*leaves, *(key.rsplit(".", depth)[0] for key in leaves for depth in range(1, key.count(".") + 1))})


def _in_yaml(error: MarkedYAMLError) -> str:
    """File and line, what is wrong there, and in what it stands."""
    mark, begun = error.problem_mark or error.context_mark, error.context_mark
    if mark is None:
        return f"A config file cannot be read: {first_line(error)}"
    inside = f" ({error.context}, begun in line {begun.line + 1})" if begun and error.context else ""
    tab = "; YAML is indented by spaces" if "\\t" in str(error.problem) else ""
    return f"{mark.name}, line {mark.line + 1}: {error.problem or error.context}{inside}{tab}."


def _not_utf8(error: UnicodeDecodeError, folders: Sequence[Path]) -> str:
    for path in (path for folder in folders for path in sorted(folder.rglob("*.yaml"))):
        content = path.read_bytes()
        if (start := content.find(error.object)) >= 0:
            line = content[: start + error.start].count(b"\n") + 1
            return f"{path}, line {line}: this is no UTF-8 (byte 0x{error.object[error.start]:02x}). Save it as UTF-8."
    return f"A config file is no UTF-8: {first_line(error)}"


def _missing_choice(error: MissingConfigException) -> str:
    """`model=cnn2` names no file; or the --config-dir has no such file."""
    wanted = str(error.missing_cfg_file or "")
    group, _, choice = wanted.rpartition("/")
    if error.options:
        extra = LAUNCHERS.get(choice) if group == "hydra/launcher" else None
        hint = f"It needs a package: pip install 'ser[{extra}]'" if extra else did_you_mean(choice, list(error.options))
        return f"{group}={choice} is not a choice. {hint}"
    if match := re.search(r"Could not load '(\w+)/([^']+)'", str(error)):  # one of several: logger=[csv,tensorbord]
        group, choice = match.groups()
        return f"{group}=[{choice}] is not a choice. {did_you_mean(choice, choices_of(group, [config_folder()]))}"
    return first_line(error)


def _unknown_key(error: ConfigCompositionException, name: str, arguments: list[str], folders: tuple[Path, ...]) -> str:
    """`optimizer.l=1`, `modle=mlp`: the key that is nearest among all keys of the config."""
    match = re.search(
        r"Could not (?:override|delete(?: from config\.)?|append to config(?:\. An item is already at)?)? ?'([^']+)'",
        str(error),
    )
    why = f" {first_line(error.__cause__)}" if error.__cause__ else ""
    if match is None:
        return _several_values(error, name) or first_line(error) + why
    key = match.group(1).split("@")[0]
    good = [word for word in arguments if "=" in word and word.lstrip("+~").split("=")[0] != match.group(1)]
    known = _known_keys(name, good, folders)
    if key in known:
        return f"{key} is null already: leave out ~{key}." if "delete from" in str(error) else first_line(error) + why
    hint = nearest(key, known) or f"`ser {name} --help` lists the settings."
    addable = f" (One of Lightning's that stands in no file here is added by +{key}=….)" if "trainer." in key else ""
    addable = f" (A metric is added by +{key}=….)" if key.startswith("metrics.") else addable
    return f"There is no setting '{key}'. {hint}{addable}"


def _several_values(error: ConfigCompositionException, name: str) -> str | None:
    """`seed=0,1` and `seed=range(0,2)` without -m."""
    match = re.search(r"(?:Ambiguous value for argument|Sweep parameters) '([^=']+)=(.*)'", str(error))
    if match is None:
        return None
    key, values = match.groups()
    grid = "Add -m to train with each of them" if name == "train" else "Give one"
    takes_a_list = "(" not in values and not (config_folder() / key).is_dir()
    as_list = f"; a list is written '{key}=[{values}]'" if takes_a_list else ""
    return f"{key}={values} is several values. {grid}{as_list}."


def _known_keys(name: str, overrides: list[str], folders: tuple[Path, ...]) -> list[str]:
    """Every dotted key and group of the composed config; of the plain one where the overrides do not compose."""
    for tried in (overrides, []):
        try:
            config = OmegaConf.to_container(composed(name, tried, folders))
            return dotted_keys({key: value for key, value in config.items() if key != "hydra"})
        except Exception:  # another mistake than the one that is told
            continue
    return []
