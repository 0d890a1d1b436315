"""A run that is known: its config, its recordings, and the directory that is its own while it is trained."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ser.data.build import build_recordings, build_split, with_one_form
from ser.data.recordings import Recordings
from ser.errors import Pruned, UserError
from ser.runs.directory import RunDirectory
from ser.runs.identity import identity
from ser.runs.log import logging_to
from ser.runs.members import FOLDER, is_ensemble
from ser.runs.seen_recordings import content_of_seen
from ser.runs.weights import content_of_run
from ser.system.cache import cache_folder
from ser.training.augment import folder_fingerprints
from ser.training.build import check_config, with_checkpoint, with_directions
from ser.training.loggers.run_loggers import check_loggers
from ser.training.pretrained import with_checkpoints
from ser.training.trainer import check_trainer, num_devices

log = logging.getLogger("ser")


@dataclass(frozen=True, slots=True)
class Job:
    """A run that is known but not begun.

    Args:
        config: Resolved, as plain data.
        recordings: What it works on.
        directory: Where it belongs.
        alone: Whether it is a run by itself; in a sweep what takes longer to judge comes later, on demand.
        loggers: Of this training; no part of the run, and not in its config: addresses of servers stay out of it.
        cache: In place of the user's cache folder.
    """

    config: dict[str, Any]
    recordings: Recordings
    directory: RunDirectory
    alone: bool = True
    loggers: dict[str, Any] = field(default_factory=dict)
    cache: Path | None = None


def find_job(
    config: dict[str, Any], run_dir: Path | None = None, alone: bool = True, scan: Callable = build_recordings
) -> Job:
    """Scans the corpus and finds the run's directory, by identity or where the user put it.

    Args:
        config: Resolved.
        run_dir: Where the user put it, if anywhere.
        alone: Whether it is a run by itself.
        scan: Finds the recordings; one that remembers them (`ser.sweeps.scans`) serves many runs.

    Raises:
        UserError: From the corpus; settings that contradict each other; a directory that holds another run.
    """
    config = with_one_form(with_checkpoint(config))
    check_config(config)
    check_trainer(config["trainer"])
    loggers = check_loggers(config.get("logger"), config["run"]["trust"])
    config = {key: value for key, value in config.items() if key != "logger"}
    recordings = scan(config, cache_folder())
    config = with_checkpoints(config)
    config = with_directions(config, len(recordings.classes))
    fingerprints = {"dataset": recordings.fingerprint(), **folder_fingerprints(config)}
    if (listed := build_split(config).fingerprint()) is not None:  # a split that a file names
        fingerprints["split"] = listed
    if config["init_from"] is not None:
        if not config["init_from"]:
            raise UserError("init_from= names no run: write init_from=<directory of a finished run>, or leave it out.")
        if (Path(config["init_from"]).expanduser() / "crossval.json").is_file():
            raise UserError(
                f"init_from={config['init_from']} pools the folds of a cross-validation, and each fold has a network "
                "of its own: name the run of one fold; its crossval.json lists them."
            )
        if is_ensemble(first := Path(config["init_from"]).expanduser()):
            raise UserError(
                f"init_from={config['init_from']} is an ensemble, and training begins with the weights of one network: "
                f"name one of its members, the folders in {first / FOLDER}."
            )
        fingerprints["init_from"] = content_of_run(Path(config["init_from"]))
        fingerprints["seen"] = content_of_seen(Path(config["init_from"]))
    name = identity(config, fingerprints, num_devices(config["trainer"]))
    if run_dir is not None:
        return Job(config, recordings, RunDirectory.at(run_dir.expanduser().absolute(), name), alone, loggers)
    runs_dir = Path(config["run"]["dir"]).expanduser().absolute()
    return Job(config, recordings, RunDirectory.find(runs_dir, readable_name(config, recordings), name), alone, loggers)


def readable_name(config: dict[str, Any], recordings: Recordings) -> str:
    """A run's directory in words, before the identity: `ravdess-log_mel-cnn2d-speaker-s0`; with emobox its corpus."""
    chosen = config["choices"]
    corpus = chosen["dataset"] + (f"_{recordings.corpus}" if recordings.corpus != chosen["dataset"] else "")
    first = config["run"]["name"] or chosen.get("experiment") or corpus
    return "-".join([str(first), chosen["frontend"], chosen["model"], chosen["split"], f"s{config['seed']}"])


def claim(directory: RunDirectory, rerun: bool) -> bool:
    """Takes the run for this process, unless it is finished: then True."""
    if directory.finished and not rerun:
        return True
    directory.lock()
    if directory.finished and not rerun:  # another process finished it a moment ago
        return True
    directory.check_checkpoints()
    if rerun:
        directory.clear()
    return False


@contextmanager
def noted(directory: RunDirectory) -> Iterator[None]:
    """Keeps the log; leaves failed.json and a line in it where the run ends by an error, once it has begun."""
    with logging_to(directory.path / "train.log"):
        try:
            yield
        except Pruned as pruned:  # no failure
            log.info("%s", pruned)
            directory.prune(str(pruned))
            raise
        except Exception as error:
            mendable_by_user = isinstance(error, UserError)
            reason = " ".join(str(error).split()) or type(error).__name__
            log.error("failed: %s", reason, exc_info=None if mendable_by_user else error)
            if directory.recorded_identity() is not None and not directory.finished:
                with suppress(UserError):  # on a full disk the note has no place either
                    directory.fail(reason if mendable_by_user else f"{type(error).__name__}: {reason}")
            raise
