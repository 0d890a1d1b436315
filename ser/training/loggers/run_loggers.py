"""The loggers of a run: built from the config's `logger` node, fed as one, closed however the run ends.

Lightning's Trainer has none of them: it would log in each step, and one point an epoch is enough.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning.loggers import Logger
from rich.console import Console

from ser.errors import Pruned, UserError
from ser.instantiate import build, check_settings, resolve
from ser.reports.curves_csv import NAME as CURVES
from ser.reports.curves_csv import CurvesCsv
from ser.reports.tensorboard import RunBoard, hyperparameters
from ser.system.files import write_text
from ser.training.loggers.lightning import LightningLogger, reason_of

# only in this node, which comes from the command line: a logger can write and send anywhere
TRUSTED = ("ser.reports.tensorboard", "ser.reports.curves_csv", "ser.training.loggers")
VERSIONS = "loggers.json"  # which W&B or MLflow run belongs to a run directory, to continue it
OF_ONE_TRY = ("events.out.tfevents.*", CURVES, VERSIONS)  # removed when a run begins again


@dataclass(frozen=True, slots=True)
class About:
    """The values for braces in a logger's settings, `"{name}"`.

    Args:
        directory: The run directory's path.
        name: The run directory's name.
        identity: Of the run.
        protocol: The split's stamp.
        first_epoch: Where training begins, 0 unless it continues.
    """

    directory: str
    name: str
    identity: str
    protocol: str
    first_epoch: int


class RunLoggers:
    """All loggers of a run as one; each has the methods of this class, and `close`."""

    def __init__(self, loggers: Sequence[RunBoard | CurvesCsv | LightningLogger]):
        self._loggers = loggers

    def epoch(self, epoch: int, scores: dict[str, float], learning_rate: float) -> None:
        """One point on each curve; the horizontal axis is the epoch."""
        for logger in self._loggers:
            logger.epoch(epoch, scores, learning_rate)

    def result(self, config: dict[str, Any], metrics: dict[str, float], confusion: np.ndarray, protocol: str) -> None:
        """The finished run: config, metrics.json, confusion matrix (H, W, 3), the split's stamp."""
        for logger in self._loggers:
            logger.result(config, metrics, confusion, protocol)

    def flush(self) -> None:
        """Writes what is buffered; a full disk shows here, before the run is marked as finished."""
        for logger in self._loggers:
            logger.flush()


def check_loggers(nodes: Mapping[str, Any] | None, trust: Sequence[str]) -> dict[str, Any]:
    """Refuses, before anything is read, loggers that cannot be built; connects to nothing.

    Args:
        nodes: Name → `_target_` and settings.
        trust: Packages of the user's own.

    Returns:
        The nodes.

    Raises:
        UserError: An unknown or untrusted target, a misspelt setting, a package that is not installed.
    """
    some_run = {**asdict(About("", "", "", "", first_epoch=0)), "version": None}
    for name, node in (nodes or {}).items():
        target = resolve(node, f"logger.{name}", _trusted(trust))
        settings = {key: _filled(value, some_run) for key, value in node.items() if key != "_target_"}
        check_settings(target, settings, f"logger.{name}")
        package = getattr(target, "package", None)
        if package and find_spec(package) is None:
            raise UserError(f"logger={name} needs a package: pip install 'ser[{package}]'")
    return dict(nodes or {})


@contextmanager
def open_loggers(
    nodes: Mapping[str, Any], trust: Sequence[str], about: About, config: Mapping[str, Any], console: Console
) -> Iterator[RunLoggers]:
    """Builds loggers and closes them at the end of the block in any case.

    Args:
        nodes: Name → `_target_` and settings.
        trust: Packages of the user's own.
        about: The run.
        config: Of the run, for its hyperparameters.
        console: For messages of loggers that fail during training.

    Raises:
        UserError: One cannot begin.
    """
    if about.first_epoch == 0:  # curves of an earlier try would overlap
        for file in (file for pattern in OF_ONE_TRY for file in Path(about.directory).glob(pattern)):
            file.unlink(missing_ok=True)
    versions = _versions(about.directory)
    hparams = {**hyperparameters(config), "identity": about.identity, "protocol": about.protocol}
    loggers = []
    with ExitStack() as stack:
        for name, node in nodes.items():
            where, version = f"logger.{name}", versions.get(name)
            facts = {**asdict(about), "version": version}
            try:
                built = build(_filled(node, facts), where, _trusted(trust))
                if isinstance(built, Logger):
                    built = LightningLogger(name, built, console)
                elif not isinstance(built, (RunBoard, CurvesCsv)):
                    raise UserError(f"{where}._target_={node['_target_']} is not a pytorch_lightning.loggers.Logger.")
                stack.push(lambda kind, error, trace, logger=built: logger.close(_status(kind)))
                if isinstance(built, LightningLogger):
                    versions[name] = built.begin(hparams if version is None else {})
            except UserError:
                raise
            except Exception as error:
                raise UserError(_cannot_begin(name, error, about.directory, version)) from error
            loggers.append(built)
        if any(version is not None for version in versions.values()):
            write_text(Path(about.directory) / VERSIONS, json.dumps(versions) + "\n")
        yield RunLoggers(loggers)


def _filled(value: Any, facts: Mapping[str, Any]) -> Any:
    """A node with facts in the place of their names in braces.

    >>> _filled({"id": "{version}", "tags": ["of {name}"]}, {"version": None, "name": "demo-1"})
    {'id': None, 'tags': ['of demo-1']}
    """
    if isinstance(value, Mapping):
        return {key: _filled(item, facts) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, facts) for item in value]
    if isinstance(value, str):
        for name, fact in facts.items():
            if value == f"{{{name}}}":
                return fact
            value = value.replace(f"{{{name}}}", str(fact))
    return value


def _trusted(trust: Sequence[str]) -> tuple[str, ...]:
    return (*TRUSTED, *([trust] if isinstance(trust, str) else trust or ()))


def _status(kind: type[BaseException] | None) -> str:
    """Lightning's status; a pruned run is not a failure."""
    return "success" if kind is None or issubclass(kind, Pruned) else "failed"


def _versions(directory: str) -> dict[str, Any]:
    with suppress(OSError, ValueError, TypeError):
        found = json.loads((Path(directory) / VERSIONS).read_text(encoding="utf-8"))
        return {name: version for name, version in dict(found).items() if isinstance(version, str | int)}
    return {}


def _cannot_begin(name: str, error: Exception, directory: str, version: Any) -> str:
    again = f" It would continue {version}; without {directory}/{VERSIONS} it begins anew." if version else ""
    return f"logger={name} cannot begin: {reason_of(error)}.{again} Fix it, or choose loggers without {name}."
