"""From a config to its parts: which node becomes what, and which sizes are handed on; for training and for loading."""

import inspect
from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ser.data.audio.prepare import AudioSettings
from ser.data.recordings import Recordings, find_recordings
from ser.data.selection import Selection
from ser.data.splits import Splitter
from ser.errors import UserError, did_you_mean
from ser.frontends.base import Frontend
from ser.frontends.normaliser import Normaliser
from ser.instantiate import build, check_settings, resolve
from ser.training.augment import augmentations, check_views, waveform_augmentations
from ser.training.module import EmotionClassifier, Learning

CHOICES = {  # settings that are one of a few words
    "checkpoint": ("best", "last"),
    "monitor": ("val/uar", "val/wa", "val/f1_macro", "val/loss"),
    "keep_features": ("auto", "memory", "disk", "never"),  # `ser.training.feature_cache`
    "compile": ("none", "default", "reduce-overhead", "max-autotune"),  # modes of torch.compile
}


def check_config(config: dict[str, Any]) -> None:
    """Refuses settings that contradict each other, before anything is read.

    Raises:
        UserError: The message names the setting to change.
    """
    for key, known in CHOICES.items():
        if config[key] not in known:
            why = " The test part is scored once, at the end." if str(config[key]).startswith("test/") else ""
            raise UserError(f"{key}={config[key]} cannot be chosen.{why} {did_you_mean(str(config[key]), list(known))}")
    if isinstance(config["seed"], bool) or not isinstance(config["seed"], int) or config["seed"] < 0:
        raise UserError(f"seed={config['seed']} must be a whole number from 0.")
    if not _is_number(config["batch_size"], whole=True) or config["batch_size"] < 1:
        raise UserError(f"batch_size={config['batch_size']} must be a whole number, at least 1.")
    patience = config["early_stopping"].get("patience")
    if patience is not None and (not _is_number(patience, whole=True) or patience < 0):
        raise UserError(f"early_stopping.patience={patience} is a number of epochs, or null to train to the end.")
    for key in config["early_stopping"]:
        if key != "patience":
            raise UserError(f"early_stopping has no setting '{key}'. Its one setting is patience, in epochs.")
    if config["split"].get("val") == 0:
        needing = {
            "checkpoint=best": config["checkpoint"] == "best",
            "early_stopping.patience": config["early_stopping"]["patience"] is not None,
            "scheduler.monitor": str(config["scheduler"].get("monitor")).startswith("val/"),
        }
        remedies = ["checkpoint=last", "early_stopping.patience=null", "scheduler.monitor=train/loss"]
        for (what, needs), remedy in zip(needing.items(), remedies, strict=True):
            if needs:
                raise UserError(f"split.val=0 leaves no validation part, which {what} needs. Add {remedy}.")
    check_views(config)
    _check_published(config.get("published"))
    if config["ema"] is not None and not (_is_number(config["ema"]) and 0 < config["ema"] < 1):
        raise UserError(
            f"ema={config['ema']} is a decay and must lie between 0 and 1, e.g. 0.999; null switches it off."
        )


def _check_published(node: Any) -> None:
    whole = isinstance(node, dict) and set(node) == {"wa", "how"} and isinstance(node["how"], str)
    if node is not None and not (whole and _is_number(node["wa"])):
        raise UserError(f"published={node} is no published figure: write {{wa: <per cent>, how: <protocol in words>}}.")


def _is_number(value: Any, whole: bool = False) -> bool:
    """Whether a setting is a number; YAML's `true` is none."""
    return isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)


def build_audio(config: dict[str, Any]) -> AudioSettings:
    """How recordings are prepared."""
    return build(config["audio"], "audio")


def build_recordings(config: dict[str, Any], cache: Path) -> Recordings:
    """The utterances of the run: the corpus is built from its own settings; the shared ones and the split choose."""
    shared = {field.name for field in fields(Selection)}
    node = config["dataset"]
    own = {key: value for key, value in node.items() if key not in shared}
    try:
        corpus = build(own, "dataset", config["trust"])
    except UserError as error:
        raise _with_shared_names(error, own, sorted(shared)) from None
    selection = Selection(**{key: node[key] for key in shared if key in node})
    return find_recordings(corpus, selection, cache, build_split(config))


def build_split(config: dict[str, Any]) -> Splitter:
    """Which deals the utterances into parts."""
    return build(config["split"], "split", config["trust"])


def build_frontend(config: dict[str, Any]) -> Frontend:
    """Waveforms → features."""
    return build(config["frontend"], "frontend", config["trust"])


def build_classifier(
    config: dict[str, Any], classes: Sequence[str], learning: Learning | None = None
) -> EmotionClassifier:
    """Frontend, normaliser and model, sized by each other and by the dataset.

    Args:
        config: The resolved config.
        classes: Names of the classes in label order.
        learning: For training; loading a run needs none.

    Raises:
        UserError: Parts that do not fit; the message names the setting to change.
    """
    frontend = build_frontend(config)
    num_frames = count_frames(frontend, build_audio(config))
    normaliser = Normaliser(config["normaliser"], frontend.num_features, num_frames)
    model = build(
        config["model"],
        "model",
        config["trust"],
        num_features=frontend.num_features,
        num_frames=num_frames,
        num_classes=len(classes),
    )
    description = {"config": config, "classes": list(classes)}
    return EmotionClassifier(frontend, normaliser, model, description, learning)


def count_frames(frontend: Frontend, audio: AudioSettings) -> int | None:
    """Frames of every clip, or None where clips differ (statistics over time give one frame whatever the length)."""
    if audio.num_samples is not None:
        return int(frontend.count_frames(torch.tensor([audio.num_samples])))
    brief, long = frontend.count_frames(torch.tensor([audio.sample_rate, 60 * audio.sample_rate])).tolist()
    return brief if brief == long else None


def build_learning(config: dict[str, Any], class_counts: Sequence[int]) -> Learning:
    """Optimizer, schedule, loss and augmentations.

    Args:
        config: The resolved config.
        class_counts: Training utterances of each class, for balanced weights.
    """
    loss = config["loss"]
    known = ["label_smoothing", "class_weights", "l2"]
    for key in set(loss) - set(known):
        raise UserError(f"loss has no setting '{key}'. {did_you_mean(key, known)}")
    if not _is_number(loss["label_smoothing"]) or not 0 <= loss["label_smoothing"] < 1:
        raise UserError(f"loss.label_smoothing={loss['label_smoothing']} must lie in [0, 1).")
    return Learning(
        optimizer=_fused(_factory(config["optimizer"], "optimizer", config["trust"], "params"), config["trainer"]),
        scheduler=_factory(config["scheduler"], "scheduler", config["trust"], "optimizer", "total_steps"),
        class_weights=_class_weights(loss["class_weights"], class_counts),
        label_smoothing=loss["label_smoothing"],
        l2=loss["l2"] or {},
        seed=config["seed"],
        stop_by=None if config["early_stopping"]["patience"] is None else config["monitor"],
        waveform_augmentations=waveform_augmentations(config, build_audio(config)),
        feature_augmentations=augmentations(config, "features"),
        mixings=augmentations(config, "mixing"),
    )


def _factory(node: dict[str, Any], where: str, trust: Sequence[str], *given: str) -> partial:
    """A call that waits for `given`; its settings are tried now, before anything is decoded."""
    target = resolve(node, where, trust)
    settings = {key: value for key, value in node.items() if key != "_target_"}
    check_settings(target, settings, where, dict.fromkeys(given))
    weights = [torch.nn.Parameter(torch.zeros(1))]
    trial = {"params": weights, "optimizer": torch.optim.SGD(weights, lr=0.1), "total_steps": 10}
    try:
        target(**settings, **{name: trial[name] for name in given})
    except (TypeError, ValueError) as error:  # `lr: abc`, a negative rate
        raise UserError(f"{where}: {error} (settings: {settings}).") from error
    return partial(target, **settings)


def _fused(optimizer: partial, trainer: dict[str, Any]) -> partial:
    """The optimizer's fused kernel, where it has one: one pass over all weights, on a CPU too, equal up to rounding.

    Not under mixed precision, where Lightning refuses to clip the gradients of fused steps.
    """
    ways = {"fused", "foreach", "capturable", "differentiable"}
    if "fused" not in inspect.signature(optimizer.func).parameters or ways & set(optimizer.keywords):
        return optimizer
    return optimizer if "mixed" in str(trainer["precision"]) else partial(optimizer, fused=True)


def _class_weights(kind: str, class_counts: Sequence[int]) -> torch.Tensor | None:
    """`balanced` as in scikit-learn: utterances / (classes × utterances of the class)."""
    if kind in (None, "none"):
        return None
    if kind != "balanced":
        raise UserError(f"loss.class_weights={kind} is unknown. {did_you_mean(str(kind), ['none', 'balanced'])}")
    counts = torch.tensor(class_counts, dtype=torch.float32)
    return counts.sum() / (len(counts) * counts)


def _with_shared_names(error: UserError, own: dict[str, Any], shared: list[str]) -> UserError:
    """A misspelt dataset key may be meant for the shared settings: `dataset.emotion` for `dataset.emotions`."""
    for key in own:
        if f"no setting '{key}'" in str(error) and did_you_mean(key, shared).startswith("Did"):
            return UserError(f"dataset has no setting '{key}'. {did_you_mean(key, shared)}")
    return error
