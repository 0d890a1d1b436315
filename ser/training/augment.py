"""The augmentations of a run: built from its config, and the folders of recordings that they work with."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from ser.augmentations.base import Augmentation, WaveformAugmentation
from ser.augmentations.clip import Clip
from ser.augmentations.mixing import Mixing
from ser.data.audio.prepare import AudioSettings
from ser.data.corpora.sound_folder import find_sounds
from ser.errors import UserError
from ser.instantiate import build, resolve
from ser.system.cache import cache_folder

STAGES = ("waveform", "features", "mixing")  # in the order in which they are applied


def check_views(config: dict[str, Any]) -> None:
    """Refuses invalid pre-rendered views, or views without anything to render.

    Raises:
        UserError: The message names the setting to change.
    """
    views = config["augmentation"].get("views")
    if views is None:
        return
    if not config["augmentation"]["waveform"]:
        raise UserError(
            f"augmentation.views={views} renders augmentations of waveforms, and augmentation.waveform has none: "
            "choose augmentation=waveform, pitch_stretch or room, or leave out views."
        )
    if config["run"]["keep_features"] == "never":
        raise UserError(
            f"augmentation.views={views} needs to keep the rendered features, and run.keep_features=never forbids "
            "it: choose run.keep_features=auto, memory or disk, or augmentation.views=null."
        )


def waveform_augmentations(config: dict[str, Any], audio: AudioSettings) -> tuple[Callable, ...]:
    """Augmentations of waveforms, followed by the step that restores the run's duration."""
    found = augmentations(config, "waveform")
    if not found or audio.num_samples is None:
        return found
    return (*found, Clip(audio.num_samples, audio.padding_is_signal))


def augmentations(config: dict[str, Any], stage: str) -> tuple[Callable, ...]:
    """The augmentations of a stage.

    A class that takes `recordings` gets the decoded recordings of its `folder`.

    Args:
        config: Resolved.
        stage: `waveform`, `features` or `mixing`.

    Raises:
        UserError: From the nodes, or from a folder.
    """
    parts = []
    for i, node in enumerate(config["augmentation"][stage] or []):
        where, given = f"augmentation.{stage}.{i}", {}
        if "recordings" in inspect.signature(resolve(node, where, config["run"]["trust"])).parameters:
            if not node.get("folder"):
                key = "augmentation.folder" if "folder" in config["augmentation"] else f"{where}.folder"
                raise UserError(f"{node['_target_']} needs your own recordings: name their folder, {key}=FOLDER.")
            sounds = find_sounds(node["folder"], f"{where}.folder", cache_folder())
            given["recordings"] = sounds.decode(config["audio"]["sample_rate"], cache_folder())
        parts.append(build(node, where, config["run"]["trust"], **given))
        if (its := _stage_of(parts[-1])) not in (None, stage):
            raise UserError(f"{where}: {node['_target_']} belongs into augmentation.{its}, not augmentation.{stage}.")
    return tuple(parts)


def _stage_of(part: Callable) -> str | None:
    """The stage that an augmentation is made for; of a class that is none of ours, nobody knows."""
    if isinstance(part, Mixing):
        return "mixing"
    if isinstance(part, WaveformAugmentation):
        return "waveform"
    return "features" if isinstance(part, Augmentation) else None


def for_view(waveform: Sequence[Callable], number: int) -> list[Callable]:
    """The augmentations of view `number` of `augmentation.views`: a list of rates gives each view its own."""
    return [augment.for_view(number) if isinstance(augment, Augmentation) else augment for augment in waveform]


def varies(waveform: Sequence[Callable]) -> bool:
    """Whether what these augmentations make of a clip depends on what is drawn; of a user's own nobody knows."""
    return any(getattr(augment, "varies", True) for augment in waveform)


def folder_fingerprints(config: dict[str, Any]) -> dict[str, str]:
    """Fingerprints of the augmentations' folders, by setting: part of a run's identity, unlike their places.

    Raises:
        UserError: A folder that is missing, unreadable or without recordings.
    """
    named = {
        f"augmentation.{stage}.{i}.folder": node["folder"]
        for stage in STAGES
        for i, node in enumerate(config["augmentation"][stage] or [])
        if isinstance(node, dict) and node.get("folder")
    }
    return {where: find_sounds(folder, where, cache_folder()).fingerprint() for where, folder in named.items()}


def without_augmentation(config: dict[str, Any]) -> dict[str, Any]:
    """The config for inspecting a finished run: its recordings and features, without settings of training only."""
    return {**config, "augmentation": {stage: [] for stage in STAGES}, "metrics": {}}
