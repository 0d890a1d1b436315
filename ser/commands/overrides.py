"""The words behind a command: flags before overrides, paths in quotes, and choices of groups as Hydra takes them."""

import os
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, QuotedString

from ser.commands.top_file import PRESETS, SEVERAL, choices_of, top_file
from ser.errors import UserError
from ser.runs.identity import OF_MODELS, PATH_KEY
from ser.system.config_folder import config_folder

FLAGS_WITH_VALUE = frozenset(
    ["--cfg", "-c", "--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp", "--package", "-p",
     "-sc", "--shell-completion-query", "--experimental-rerun"]
)  # fmt: skip
QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""  # a whole value in quotes
# settings of a grid itself, needed before there is a job; all others may belong to a part that only some jobs have
OF_THE_GRID = ("experiment", "run.threads", "run.progress", "run.dry_run", "sweep")
NO_TEXT = r"[-+\d_.]*(e[-+\d_]+)?|[-+]?(inf|nan)|true|false"  # what Hydra's grammar would take for another type


def flags_and_words(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Hydra's parser takes overrides in one piece, behind the flags.

    >>> flags_and_words(["model=mlp", "-m", "--config-dir", "mine", "seed=0,1"])
    (['-m', '--config-dir', 'mine'], ['model=mlp', 'seed=0,1'])
    """
    flags, words, rest = [], [], iter(arguments)
    for word in rest:
        if word.startswith("-"):
            flag, has_value, value = word.partition("=")
            if flag in FLAGS_WITH_VALUE:
                flags += [flag, os.path.expanduser(value if has_value else next(rest, ""))]
            else:
                flags.append(word)
        elif flags[-1:] in (["--info"], ["-i"]) and "=" not in word:  # its value may be left out
            flags.append(word)
        else:
            words.append(quoted_path(word))
    return flags, words


def values_of(flags: Sequence[str], *names: str) -> list[str]:
    """What stands behind a flag, each time that it was typed."""
    return [value for flag, value in pairwise(flags) if flag in names]


def config_folders(flags: Sequence[str]) -> list[Path]:
    """Where config files lie: ours, then the user's own (`--config-dir`).

    Raises:
        UserError: A folder that is not there.
    """
    own = [Path(os.path.abspath(value)) for value in values_of(flags, "--config-dir", "-cd")]
    for folder in own:
        if not folder.is_dir():
            raise UserError(f"--config-dir: there is no such folder: {folder}.")
    return [config_folder(), *own]


def quoted_path(word: str) -> str:
    """Quotes the value of a key that names a path, so that any path may be typed as the shell gives it.

    A comma stays a comma between the values of a sweep; what is quoted or computed already stays as it is.

    >>> quoted_path("dataset.root=/data/My corpora (old)"), quoted_path("run.resume=1"), quoted_path("seed=1")
    ("dataset.root='/data/My corpora (old)'", "run.resume='1'", 'seed=1')
    >>> quoted_path("model.drop_path=0.1,0.2"), quoted_path("run={progress: false}")
    ('model.drop_path=0.1,0.2', 'run={progress: false}')
    """
    key, _, value = word.partition("=")
    name = key.lstrip("+").split(".")[-1]
    names_path = PATH_KEY.search(name) or key.lstrip("+") in ("run.resume", "init_from", "run")
    if key == "sweep.skip" and not re.fullmatch(QUOTED, value):  # a condition, with signs that Hydra's grammar lacks
        return f"{key}={in_quotes(value)}"
    of_a_model = key.lstrip("+").split(".")[0] in OF_MODELS
    number = of_a_model and all(re.fullmatch(NO_TEXT, part, flags=re.I) for part in value.split(","))
    if not names_path or number or value[:1] in ("'", '"', "[", "{") or "${" in value:
        return word
    value = os.path.expanduser(value)  # the shell leaves `key=~/data` as it is
    if value.lower() == "null" or not value:
        return f"{key}={value}"
    if re.fullmatch(r"[\w./,-]*", value, flags=re.ASCII):
        parts = value.split(",")
        return f"{key}=" + ",".join(in_quotes(p) if re.fullmatch(NO_TEXT, p, flags=re.I) else p for p in parts)
    return f"{key}={in_quotes(value)}"


def in_quotes(text: str) -> str:
    r"""A text as Hydra's grammar takes it whatever is in it: backslashes count only before a quote.

    >>> print(in_quotes("it's"), in_quotes("C:\\data\\"))
    'it\'s' 'C:\data\\'
    """
    escaped = re.sub(r"(\\*)('|\Z)", lambda match: 2 * match[1] + match[2].replace("'", "\\'"), text)
    return f"'{escaped}'"


def parse(words: Iterable[str]) -> list[Override]:
    """Overrides as Hydra reads them.

    Raises:
        UserError: One that cannot be read.
    """
    parser, found = OverridesParser.create(), []
    for word in words:
        try:
            override = parser.parse_override(word)
        except Exception as error:  # of the grammar
            said = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            raise UserError(f"The argument '{word}' cannot be read as key=value: {said}.") from error
        if not override.key_or_group:
            raise UserError(f"The argument '{word}' cannot be read as key=value: it has no key.")
        found.append(override)
    return found


def words_of_the_grid(words: Iterable[str]) -> list[str]:
    """Overrides of a grid itself: Hydra's own, and `OF_THE_GRID`.

    >>> words_of_the_grid(["model=mlp,cnn1d", "hydra/launcher=joblib", "sweep.bad=skip", "model.hidden=[8]"])
    ['hydra/launcher=joblib', 'sweep.bad=skip']
    """
    return [str(word.input_line) for word in parse(words) if _is_of_the_grid(word)]


def _is_of_the_grid(word: Override) -> bool:
    own = f"{word.key_or_group}.".startswith(tuple(f"{key}." for key in OF_THE_GRID)) and not word.is_sweep_override()
    return own or word.is_hydra_override()


def as_hydra_takes_them(words: Iterable[str], app: str, folders: Sequence[Path]) -> list[str]:
    """Overrides with `group=null` as the group taken away, and `group=glob(*)` as its choices.

    Args:
        words: Overrides.
        app: Name of the top file.
        folders: Where config files lie.

    Raises:
        UserError: One that cannot be read, or whose value is no name of a choice.
    """
    return [_as_hydra_takes(override, app, folders) for override in parse(words)]


def _as_hydra_takes(override: Override, app: str, folders: Sequence[Path]) -> str:
    key, word, value = override.key_or_group, str(override.input_line), override.value()
    choices, of_hydra = choices_of(key, folders), key == "hydra" or key.startswith("hydra/")
    if isinstance(value, Glob) and not of_hydra:
        return f"{override.get_key_element()}={','.join(_fitting(override, value, choices))}"
    if key in SEVERAL and (override.is_delete() or value is None):  # of several, Hydra takes none away
        return f"{key}=none"
    if override.is_delete() or isinstance(value, (dict, Glob)):
        return word
    if key in ("hydra.launcher", "hydra.sweeper"):
        raise UserError(f"{word} takes the place of a whole node: choose one by {key.replace('.', '/')}=NAME.")
    if not (choices or of_hydra):
        return word
    if key == "hydra":
        raise UserError(f"{word} takes the place of all of Hydra's settings: name one, such as hydra.run.dir=FOLDER.")
    several = override.is_sweep_override()
    for name in getattr(value, "list", [0]) if several else [value]:  # an interval and a range are of numbers
        if isinstance(name, list) and key not in (PRESETS, *SEVERAL):
            grid = f"; a grid has no brackets: -m {key}=a,b" if app == "train" else ""
            raise UserError(f"{key} takes one choice, and {word} is several{grid}.")
        may_be_off = override.package is None and ("none" in choices or top_file(app).groups.get(key, "") is None)
        if not isinstance(name, (str, QuotedString, list)) and not (name is None and may_be_off):
            raise UserError(f"{word} is not a choice." + (f" Choose from: {', '.join(choices)}." if choices else ""))
    return f"~{key}" if value is None else word


def _fitting(override: Override, glob: Glob, choices: list[str]) -> list[str]:
    """Which choices `glob(cnn*)` means, as they are typed."""
    if not choices:
        raise UserError(f"{override.input_line}: glob goes through the choices of a group, which this is not.")
    found = Glob([str(name) for name in glob.include], [str(name) for name in glob.exclude]).filter(choices)
    if not found:
        raise UserError(f"{override.input_line} fits no choice. There are: {', '.join(choices)}.")
    return [name if re.fullmatch(r"[\w.-]+", name, flags=re.ASCII) else in_quotes(name) for name in found]
