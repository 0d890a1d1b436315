"""Loads a trained model: a finished run, a single checkpoint, or an ensemble."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ser.errors import UserError, check_choice
from ser.inference.ensemble_predictor import EnsemblePredictor
from ser.inference.predictor import Predictor
from ser.inference.source import Source, build_model, calibration, find_source
from ser.runs.directory import finished_directory
from ser.runs.members import check_weights, is_ensemble, members_of

DEVICES = ("auto", "cpu", "gpu")


def load(
    run: str | Path,
    device: str = "auto",
    trust: str | Sequence[str] = (),
    calibrated: bool = False,
    only: Sequence[str] = (),
    unsure_below: float = 0.0,
) -> Predictor | EnsemblePredictor:
    """A trained model, from the directory of a finished run or of an ensemble, or from a single checkpoint.

    Nothing that the files hold is executed: weights and plain data only, and the config may name classes of `ser` and
    of torch's `nn` and `optim` only.

    Args:
        run: Directory or checkpoint.
        device: `auto`, `cpu` or `gpu`.
        trust: Packages of your own whose classes the config may name.
        calibrated: Divides the logits by the temperature that was fitted on the run's validation part.
        only: The classes among which the answer is; empty: all.
        unsure_below: Where the highest probability is lower, the emotion is 'unsure'.

    Raises:
        UserError: No such run, damaged, untrusted, or no GPU.

    Example:
        from ser import load

        model = load("runs/NAME")
        model(waveform, sample_rate).emotion
        for found in model.files(["recordings/"]):
            print(found.path, found.emotion, found.probability, found.error)
    """
    check_choice("device", device, DEVICES)
    path = Path(os.path.expanduser(run))
    if is_ensemble(path):
        return _ensemble(path, device, trust, calibrated, only, unsure_below)
    source = find_source(path, trust)
    temperature = calibration(source.temperature, source.checkpoint) if calibrated else 1.0
    return _predictor(source, device, temperature, only, unsure_below)


def _ensemble(
    path: Path, device: str, trust: str | Sequence[str], calibrated: bool, *answers: Any
) -> EnsemblePredictor:
    directory, config = finished_directory(path)
    temperature = calibration(directory.metrics().get("temperature"), path) if calibrated else 1.0
    check_weights(directory.path, config)
    members = members_of(directory.path, config)
    return EnsemblePredictor(
        [_predictor(find_source(member, trust), device) for member in members], temperature, *answers
    )


def _predictor(source: Source, device: str, *answers: Any) -> Predictor:
    place = _device(device)
    with torch.random.fork_rng(devices=[]):  # initial weights, soon replaced, are random
        classifier, audio = build_model(source)
    return Predictor(classifier.to(place), audio, *answers)


def _device(name: str) -> torch.device:
    if name == "gpu" and not torch.cuda.is_available():
        raise UserError("A GPU is asked for and torch finds no CUDA device. Use cpu, or auto for the best available.")
    return torch.device("cpu" if name == "cpu" or not torch.cuda.is_available() else "cuda")
