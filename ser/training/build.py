"""From a config to a classifier and its optimisation, with sizes passed between parts; for training and loading."""

import inspect
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from ser.data.audio.prepare import AudioSettings
from ser.data.build import build_audio
from ser.data.targets import predicts_numbers, shown_target
from ser.errors import UserError
from ser.evaluation.epoch_scores import added_metrics, falling
from ser.frontends.base import Frontend
from ser.frontends.normaliser import Normaliser
from ser.instantiate import build, check_place, check_settings, resolve
from ser.models.base import Model
from ser.models.layer_sum import LayerSum
from ser.runs.settings import OPTIMIZER, check_run_settings
from ser.training.augment import augmentations, check_views, waveform_augmentations
from ser.training.auxiliary import Auxiliary
from ser.training.evaluation_views import build_evaluation_views
from ser.training.learning import Learning
from ser.training.module import EmotionClassifier
from ser.training.pretrained import with_checkpoints
from ser.training.sizing import check_memory
from ser.training.task import TargetScale, Task


def with_checkpoint(config: dict[str, Any]) -> dict[str, Any]:
    """The config with `checkpoint=auto` resolved: the best epoch by validation, or the last without validation."""
    if config["checkpoint"] != "auto":
        return config
    return {**config, "checkpoint": "last" if config["split"].get("val") == 0 else "best"}


def check_config(config: dict[str, Any]) -> None:
    """Refuses invalid or contradictory settings before anything is read.

    Raises:
        UserError: The message names the setting to change.
    """
    check_run_settings(config)
    if config["split"].get("val") == 0:
        needing = {
            f"checkpoint={config['checkpoint']}": config["checkpoint"] in ("best", "refit"),
            "early_stopping.patience": config["early_stopping"]["patience"] is not None,
            "scheduler.monitor": str(config["scheduler"].get("monitor")).startswith("val/"),
        }
        remedies = ["checkpoint=auto", "early_stopping.patience=null", "scheduler.monitor=train/loss"]
        for (what, needs), remedy in zip(needing.items(), remedies, strict=True):
            if needs:
                raise UserError(f"split.val=0 leaves no validation part, which {what} needs. Add {remedy}.")
    if config["checkpoint"] == "refit" and str(config["scheduler"].get("monitor")).startswith("val/"):
        raise UserError("checkpoint=refit trains without validation in the end: add scheduler.monitor=train/loss.")
    check_views(config)
    _check_loss(config)
    _check_published(config.get("published"))


def with_directions(config: dict[str, Any], num_classes: int, *watched: str) -> dict[str, Any]:
    """The config with its added metrics where lower is better under `lower_is_better`, from their classes.

    Args:
        config: Resolved.
        num_classes: K, or how many numbers it predicts.
        watched: Metrics that select something, beside those in the config.

    Raises:
        UserError: An invalid metric; a watched one without a direction.
    """
    config = {key: value for key, value in config.items() if key != "lower_is_better"}  # ignores the file's
    if not (nodes := config.get("metrics")):
        return config
    watched += (config["monitor"], config["scheduler"].get("monitor"))
    built = added_metrics(nodes, num_classes, config["run"]["trust"], predicts_numbers(config))
    return {**config, "lower_is_better": falling(nodes, built, watched)}


def _check_loss(config: dict[str, Any]) -> None:
    """Refuses settings of the loss that the run's target does not have."""
    loss, target = config["loss"], shown_target(config["dataset"].get("target", "emotion"))
    if not predicts_numbers(config):
        if loss.get("numbers") is not None:
            raise UserError(f"loss.numbers is of numbers, and dataset.target={target} is a class: leave it out.")
        return
    for key, off in (("label_smoothing", (0,)), ("class_weights", (None, "none"))):
        if loss[key] not in off:
            raise UserError(
                f"loss.{key}={loss[key]} is of classes, and dataset.target={target} is predicted as a number: leave "
                "it out."
            )


def _check_published(node: Any) -> None:
    known = isinstance(node, dict) and {"wa", "how"} <= set(node) <= {"wa", "how", "about"}
    known = known and isinstance(node["how"], str)
    number = known and isinstance(node["wa"], (int, float)) and 0 <= node["wa"] <= 100
    if node is not None and not (number and isinstance(node.get("about", False), bool)):
        raise UserError(
            f"published={node} is not a published figure: write {{wa: <per cent>, how: <protocol in words>}}, with "
            "about: true where the figure is not exact."
        )


def build_frontend(config: dict[str, Any]) -> Frontend:
    """Waveforms → features.

    Raises:
        UserError: A setting is invalid; a pretrained checkpoint is missing, or another than the config notes.
    """
    config = with_checkpoints(config)
    return build(config["frontend"], "frontend", config["run"]["trust"], Frontend)


def build_model(config: dict[str, Any], frontend: Frontend, num_frames: int | None, num_classes: int) -> Model:
    """Features → logits; behind several layers of a pretrained model also their weighted sum."""
    sizes = {"num_features": frontend.num_features // frontend.num_stacked, "num_frames": num_frames}
    model = build(config["model"], "model", config["run"]["trust"], Model, **sizes, num_classes=num_classes)
    return model if frontend.num_stacked == 1 else LayerSum(frontend.num_stacked, model)


def build_classifier(
    config: dict[str, Any], classes: Sequence[str], learning: Learning | None = None
) -> EmotionClassifier:
    """Frontend, normaliser and model, sized by each other and by the dataset.

    Args:
        config: The resolved config.
        classes: Names of the classes in label order, or of the numbers.
        learning: For training; loading a run needs none.

    Raises:
        UserError: Parts that do not fit; the message names the setting to change.
    """
    frontend, audio = build_frontend(config), build_audio(config)
    num_frames = count_frames(frontend, audio)
    target = config["model"].get("_target_") if isinstance(config["model"], dict) else None
    if str(target).startswith("ser."):  # a user's own part need not support the meta device
        with torch.device("meta"):
            sketch = build_model(config, frontend, num_frames, len(classes))
        samples = audio.num_samples or audio.sample_rate
        shortest = num_frames or int(frontend.count_frames(torch.tensor([samples])))
        batch_size = 0 if learning is None else min(config["batch_size"], learning.num_utterances)
        check_memory(sketch, config, frontend.num_features, shortest, samples, batch_size)
    normaliser = Normaliser(config["normaliser"], frontend.num_features, num_frames)
    beside = 0 if learning is None else sum(len(target.values) for target in learning.auxiliary)
    model = build_model(config, frontend, num_frames, len(classes) + beside)
    description = {"config": config, "classes": list(classes), "auxiliary": beside}
    views = build_evaluation_views(config, audio)
    scale = TargetScale(len(classes)) if predicts_numbers(config) else None
    return EmotionClassifier(frontend, normaliser, model, description, learning, views, scale)


def count_frames(frontend: Frontend, audio: AudioSettings) -> int | None:
    """Frames of every clip, or None where clips differ (statistics over time give one frame for any length)."""
    if audio.num_samples is not None:
        return int(frontend.count_frames(torch.tensor([audio.num_samples])))
    brief, long = frontend.count_frames(torch.tensor([audio.sample_rate, 60 * audio.sample_rate])).tolist()
    return brief if brief == long else None


def build_learning(
    config: dict[str, Any], task: Task, labels: np.ndarray, auxiliary: Sequence[Auxiliary] = ()
) -> Learning:
    """Optimizer, schedule, loss and augmentations.

    Args:
        config: The resolved config.
        task: What is learned.
        labels: Of the training part, for balanced weights.
        auxiliary: The corpus's labels for `loss.auxiliary`.
    """
    loss, trainer, trust = config["loss"], config["trainer"], config["run"]["trust"]
    scheduler = _factory(config["scheduler"], "scheduler", trust, "optimizer", "total_steps")
    if "lower_is_better" in inspect.signature(scheduler.func).parameters:
        scheduler = partial(scheduler, lower_is_better=config.get("lower_is_better", ()))
    return Learning(
        task=task,
        optimizer=_fused(_factory(config["optimizer"], "optimizer", trust, "params"), trainer),
        scheduler=scheduler,
        metrics=task.metrics(config.get("metrics"), trust),
        class_weights=task.class_weights(loss["class_weights"], labels),
        label_smoothing=loss["label_smoothing"],
        l2=loss["l2"] or {},
        accumulate=trainer.get("accumulate_grad_batches") or 1,
        clip=trainer.get("gradient_clip_val"),
        clip_by=trainer.get("gradient_clip_algorithm") or "norm",
        seed=config["seed"],
        num_utterances=len(labels),
        stop_by=None if config["early_stopping"]["patience"] is None else config["monitor"],
        waveform_augmentations=waveform_augmentations(config, build_audio(config)),
        feature_augmentations=augmentations(config, "features"),
        mixings=augmentations(config, "mixing"),
        auxiliary=auxiliary,
    )


def _factory(node: dict[str, Any], where: str, trust: Sequence[str], *given: str) -> partial:
    """A partial call without `given`; its settings are checked now, before anything is decoded."""
    target = resolve(node, where, trust)
    if not trust:
        check_place(target, node["_target_"], where)
    settings = {key: value for key, value in node.items() if key != "_target_"}
    check_settings(target, settings, where, dict.fromkeys(given), OPTIMIZER if where == "optimizer" else None)
    weights = [torch.nn.Parameter(torch.zeros(1))]
    trial = {"params": weights, "optimizer": torch.optim.SGD(weights, lr=0.1), "total_steps": 10}
    try:
        target(**settings, **{name: trial[name] for name in given})
    except (TypeError, ValueError) as error:  # `lr: abc`, a negative rate
        raise UserError(f"{where}: {error} (settings: {settings}).") from error
    return partial(target, **settings)


def _fused(optimizer: partial, trainer: dict[str, Any]) -> partial:
    """The optimizer's fused kernel, where it has one: one pass over all weights, on a CPU too, equal up to rounding.

    Not where a scaler of half precision has to restore the gradients' scale before they are clipped.
    """
    ways = {"fused", "foreach", "capturable", "differentiable"}
    if "fused" not in inspect.signature(optimizer.func).parameters or ways & set(optimizer.keywords):
        return optimizer
    return optimizer if trainer["precision"] == "16-mixed" else partial(optimizer, fused=True)
