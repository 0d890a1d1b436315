"""Where a trained model comes from: a run's directory, or a checkpoint that was copied elsewhere.

Both are files that a stranger may have made. They are read as plain data: YAML without tags, weights with
`weights_only`, no `${…}` is resolved. What the config names is built by `ser.instantiate`, which goes by what a name
resolves to; sizes are looked at before anything is made (`ser.inference.limits`).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ser.data.audio.prepare import AudioSettings
from ser.data.build import build_audio
from ser.errors import UserError
from ser.evaluation.calibration import TEMPERATURES
from ser.frontends.base import Frontend
from ser.frontends.normaliser import Normaliser
from ser.inference.find_files import SUFFIXES
from ser.inference.finished_run import finished_directory
from ser.inference.limits import CONFIGURED, check_archive, check_clip, check_shapes, check_sizes, check_weights
from ser.instantiate import build
from ser.models.base import Model
from ser.runs.weights import load_weights, read_checkpoint
from ser.training.build import build_frontend, count_frames
from ser.training.module import EmotionClassifier

MOST_CLASSES = 1000


@dataclass(frozen=True, slots=True)
class Source:
    """Config and weights that belong together.

    Args:
        checkpoint: File of the weights.
        config: Plain data; its `trust` is the caller's.
        temperature: Fitted on the validation part; None where it is not known.
    """

    checkpoint: Path
    config: dict[str, Any]
    temperature: float | None


def find_source(place: str | Path, trust: Sequence[str] = ()) -> Source:
    """A finished run by its directory, or a checkpoint by itself.

    Args:
        place: Directory or file.
        trust: Packages whose classes the config may name; what the config itself says of trust does not count.

    Raises:
        UserError: Neither of the two is there.
    """
    path = Path(os.path.expanduser(place))
    if path.is_dir():
        directory, config = finished_directory(path)
        return Source(directory.best, config | {"trust": list(trust)}, directory.metrics().get("temperature"))
    if not path.exists():
        raise UserError(f"There is no run {path}: name the directory of a finished run (runs/…), or a checkpoint.")
    if path.suffix.lower() in SUFFIXES:
        raise UserError(f"{path} is a recording. The run comes first: ser predict runs/NAME {path.name}.")
    if not path.is_file():
        raise UserError(f"{path} is neither the directory of a run nor a checkpoint.")
    check_archive(path)
    config = _described(read_checkpoint(path), path).get("config")
    if not isinstance(config, dict):
        raise UserError(f"The checkpoint {path} does not say how its model is built: it is none of ser's.")
    return Source(path, config | {"trust": list(trust)}, None)


def build_model(source: Source) -> tuple[EmotionClassifier, AudioSettings]:
    """The whole path from waveform to logits, in evaluation mode on the CPU, and how recordings are prepared for it.

    Raises:
        UserError: Not ser's, damaged, names what may not be built, or asks for more than a machine has.
    """
    config, where = source.config, source.checkpoint
    check_archive(where)
    checkpoint = read_checkpoint(where)
    classes = _classes(_described(checkpoint, where), where)
    if missing := [name for name in CONFIGURED if name not in config]:
        raise UserError(f"The config of {where} says nothing of {', '.join(missing)}: it is none of ser's.")
    check_weights(checkpoint["state_dict"], where)
    if not config["trust"]:
        check_sizes(config, where)
    try:
        classifier, audio = _assemble(config, classes, checkpoint["state_dict"], where)
    except UserError:
        raise
    except Exception as error:  # words where numbers belong fail in every way, in every part
        raise UserError(
            f"The config of {where} describes no model that can be built ({type(error).__name__}: {error})."
        ) from error
    load_weights(classifier, where)
    return classifier.eval().requires_grad_(False), audio


def calibration(source: Source) -> float:
    """The temperature of `--calibrated`.

    Raises:
        UserError: It is not known.
    """
    known = source.temperature
    if known is None:
        raise UserError(
            f"Nothing is known of the calibration of {source.checkpoint}: the temperature is fitted on a validation "
            "part and stands in the run's metrics.json. Name the directory of a run that had one, or leave calibrated "
            "out."
        )
    low, high = TEMPERATURES
    if not 0.99 * low <= known <= 1.01 * high:
        raise UserError(
            f"The temperature of {source.checkpoint.parent.parent} is {known}: its metrics.json is damaged."
        )
    return float(known)


def _assemble(
    config: dict[str, Any], classes: list[str], state: dict[str, torch.Tensor], where: Path
) -> tuple[EmotionClassifier, AudioSettings]:
    audio, frontend = build_audio(config), build_frontend(config)
    _check_kind(audio, AudioSettings, "audio", where)
    if not config["trust"]:
        _check_kind(frontend, Frontend, "frontend", where)
        check_clip(audio, frontend, where)
    sizes = {"num_features": frontend.num_features, "num_frames": count_frames(frontend, audio)}
    if not config["trust"]:
        with torch.device("meta"):  # where weights have shapes and take no memory
            normaliser, model = _sized(config, sizes, len(classes))
        _check_kind(model, Model, "model", where)
        check_shapes({"normaliser": normaliser, "model": model}, state, where)
    normaliser, model = _sized(config, sizes, len(classes))
    description = {"config": config, "classes": classes}
    return EmotionClassifier(frontend, normaliser, model, description), audio


def _sized(config: dict[str, Any], sizes: dict[str, int | None], num_classes: int) -> tuple[Normaliser, nn.Module]:
    model = build(config["model"], "model", config["trust"], **sizes, num_classes=num_classes)
    return Normaliser(config["normaliser"], **sizes), model


def _check_kind(built: Any, kind: type, name: str, where: Path) -> None:
    if not isinstance(built, kind):
        raise UserError(f"The config of {where} names {type(built).__name__} for its {name}, which is none.")


def _described(checkpoint: dict[str, Any], where: Path) -> dict[str, Any]:
    described = checkpoint.get("ser")
    if not isinstance(described, dict):
        raise UserError(f"The checkpoint {where} does not say its classes: it is none of ser's.")
    return described


def _classes(described: dict[str, Any], where: Path) -> list[str]:
    classes = described.get("classes")
    if not isinstance(classes, list) or not all(isinstance(name, str) and name for name in classes):
        raise UserError(f"The checkpoint {where} does not say its classes: it is none of ser's.")
    if not 1 <= len(set(classes)) == len(classes) <= MOST_CLASSES:
        raise UserError(f"The checkpoint {where} has no classes, one of them twice, or more than {MOST_CLASSES}.")
    return classes
