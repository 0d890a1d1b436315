"""The source of a trained model: a run's directory, or a checkpoint that was copied elsewhere.

Neither is trusted. They are read as plain data: YAML without tags, weights with `weights_only`, no `${…}` is resolved.
The config's parts are built by `ser.instantiate`, which checks what a name resolves to; sizes are checked before
anything is built (`ser.inference.limits`).
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ser.data.audio.prepare import AudioSettings
from ser.data.build import build_audio
from ser.data.targets import predicts_numbers
from ser.errors import UserError
from ser.evaluation.calibration import TEMPERATURES
from ser.frontends.base import Frontend
from ser.frontends.normaliser import Normaliser
from ser.inference.find_files import SUFFIXES
from ser.inference.limits import CONFIGURED, check_clip, check_shapes, check_size, check_sizes
from ser.runs.defaults import with_defaults
from ser.runs.directory import finished_directory
from ser.runs.reading import check_config
from ser.runs.weights import check_finite, load_weights, read_checkpoint
from ser.training import build as training
from ser.training.build import build_frontend, count_frames
from ser.training.evaluation_views import build_evaluation_views
from ser.training.module import EmotionClassifier
from ser.training.pretrained import offline
from ser.training.task import TargetScale

MOST_CLASSES = 1000


@dataclass(frozen=True, slots=True)
class Source:
    """Config and weights that belong together.

    Args:
        checkpoint: File of the weights.
        config: Plain data; its `run.trust` is the caller's.
        temperature: Fitted on the validation part; None where it is not known.
    """

    checkpoint: Path
    config: dict[str, Any]
    temperature: float | None


def find_source(place: str | Path, trust: str | Sequence[str] = ()) -> Source:
    """A finished run by its directory, or a single checkpoint.

    Args:
        place: Directory or file.
        trust: Packages whose classes the config may name; trust in the config itself is ignored.

    Raises:
        UserError: It is neither of the two.
    """
    path = Path(os.path.expanduser(place))
    if path.is_dir():
        directory, config = finished_directory(path)
        return Source(directory.best, trusting(config, trust), directory.metrics().get("temperature"))
    if not path.exists():
        raise UserError(f"There is no run {path}: name the directory of a finished run (runs/…), or a checkpoint.")
    if path.suffix.lower() in SUFFIXES:
        raise UserError(f"{path} is a recording. The run comes first: ser predict runs/NAME {path.name}.")
    if not path.is_file():
        raise UserError(f"{path} is neither the directory of a run nor a checkpoint.")
    config = _described(read_checkpoint(path), path).get("config")
    if not isinstance(config, dict):
        raise UserError(f"The checkpoint {path} has no config of its model: it is none of ser's.")
    return Source(path, trusting(with_defaults(check_config(config, path)), trust), None)


def trusting(config: dict[str, Any], trust: str | Sequence[str]) -> dict[str, Any]:
    """A run's config with the caller's trust in place of its own, and without leave to use the network."""
    trust = [trust] if isinstance(trust, str) else list(trust)
    return offline({**config, "run": {**config["run"], "trust": trust}})


def build_model(source: Source) -> tuple[EmotionClassifier, AudioSettings]:
    """The whole path from waveform to logits, in evaluation mode on the CPU, and its audio settings.

    Raises:
        UserError: Not ser's, damaged, names parts that are not allowed, or is too large.
    """
    config, where = source.config, source.checkpoint
    checkpoint = read_checkpoint(where)
    described = _described(checkpoint, where)
    classes, beside = _classes(described, where), _auxiliary(described, where)
    if missing := [name for name in CONFIGURED if name not in config]:
        raise UserError(f"The config of {where} lacks {', '.join(missing)}: it is none of ser's.")
    check_finite(checkpoint["state_dict"], where)
    with built_from(where):
        classifier, audio = _assemble(config, classes, beside, checkpoint["state_dict"], where)
    load_weights(classifier, where)
    return classifier.eval().requires_grad_(False), audio


@contextmanager
def built_from(where: Path) -> Iterator[None]:
    """Turns any error while parts are built from an untrusted config into a `UserError`.

    Raises:
        UserError: Always, where anything is raised.
    """
    try:
        yield
    except UserError as error:
        if str(where) in str(error):
            raise
        raise type(error)(f"{where} cannot be used: {error}") from error
    except Exception as error:  # wrong types raise various errors in the parts
        raise UserError(f"The config of {where} cannot be built ({type(error).__name__}: {error}).") from error


def check_model(config: dict[str, Any], num_classes: int, where: Path, most: int) -> None:
    """Refuses a model that is too large, by its config alone: its weights may be missing.

    Args:
        config: Of a run.
        num_classes: Its number of classes.
        where: The file of the config.
        most: Bytes of its weights.

    Raises:
        UserError: It is too large, or cannot be built.
    """
    with built_from(where):
        _, frontend, num_frames = _measured(config, where)
        if not config["run"]["trust"]:
            check_size(_on_meta(config, frontend, num_frames, num_classes), most, where)


def calibration(known: float | None, where: Path) -> float:
    """The temperature of `--calibrated`.

    Args:
        known: The temperature in the run's metrics.json.
        where: The run, or a single checkpoint.

    Raises:
        UserError: It is not known.
    """
    if known is None:
        raise UserError(
            f"The calibration of {where} is not known: the temperature is fitted on a validation part and "
            "saved in the run's metrics.json. Name the directory of a run that had one, or leave calibrated out."
        )
    low, high = TEMPERATURES
    if not 0.99 * low <= known <= 1.01 * high:
        raise UserError(f"The temperature of {where} is {known}: its metrics.json is damaged.")
    return float(known)


def _assemble(
    config: dict[str, Any], classes: list[str], beside: int, state: dict[str, torch.Tensor], where: Path
) -> tuple[EmotionClassifier, AudioSettings]:
    audio, frontend, num_frames = _measured(config, where)
    scale = TargetScale(len(classes)) if predicts_numbers(config) else None
    if not config["run"]["trust"]:
        own = {} if scale is None else {"scale": scale}
        check_shapes(_on_meta(config, frontend, num_frames, len(classes) + beside) | own, state, where)
    normaliser, model = _sized(config, frontend, num_frames, len(classes) + beside)
    description = {"config": config, "classes": classes, "auxiliary": beside}
    views = build_evaluation_views(config, audio)
    return EmotionClassifier(frontend, normaliser, model, description, views=views, scale=scale), audio


def _measured(config: dict[str, Any], where: Path) -> tuple[AudioSettings, Frontend, int | None]:
    """The parts before the model, and the frames of each clip."""
    if not config["run"]["trust"]:
        check_sizes(config, where)
    audio, frontend = build_audio(config), build_frontend(config)
    if not config["run"]["trust"]:
        check_clip(audio, frontend, where)
    return audio, frontend, count_frames(frontend, audio)


def _on_meta(
    config: dict[str, Any], frontend: Frontend, num_frames: int | None, num_classes: int
) -> dict[str, nn.Module]:
    """The parts with weights, on the meta device: shapes without memory."""
    with torch.device("meta"):
        normaliser, model = _sized(config, frontend, num_frames, num_classes)
    return {"normaliser": normaliser, "model": model}


def _sized(
    config: dict[str, Any], frontend: Frontend, num_frames: int | None, num_classes: int
) -> tuple[Normaliser, nn.Module]:
    normaliser = Normaliser(config["normaliser"], frontend.num_features, num_frames)
    return normaliser, training.build_model(config, frontend, num_frames, num_classes)


def _described(checkpoint: dict[str, Any], where: Path) -> dict[str, Any]:
    described = checkpoint.get("ser")
    if not isinstance(described, dict):
        raise UserError(f"The checkpoint {where} has no classes: it is none of ser's.")
    return described


def _auxiliary(described: dict[str, Any], where: Path) -> int:
    """Outputs of the model behind those of the classes; an older checkpoint has none."""
    beside = described.get("auxiliary", 0)
    if type(beside) is not int or not 0 <= beside <= MOST_CLASSES:
        raise UserError(f"The checkpoint {where} has invalid auxiliary outputs: it is none of ser's.")
    return beside


def _classes(described: dict[str, Any], where: Path) -> list[str]:
    classes = described.get("classes")
    if not isinstance(classes, list) or not all(isinstance(name, str) and name for name in classes):
        raise UserError(f"The checkpoint {where} has no classes: it is none of ser's.")
    if not 1 <= len(set(classes)) == len(classes) <= MOST_CLASSES:
        raise UserError(f"The checkpoint {where} has no classes, one of them twice, or more than {MOST_CLASSES}.")
    return classes
