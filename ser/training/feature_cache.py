"""Which features are computed once, and where they are kept: on the training device, or on disk when they are large."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from ser.data.features.feature_store import Features, open_features
from ser.data.features.sources import (
    MappedFeatures,
    ResidentFeatures,
    StoredWaveforms,
    clips_at_once,
    compute_features,
    keep_in_memory,
)
from ser.data.features.views import StackedFeatures
from ser.data.store.hashes import content_hash
from ser.system.files import why_refused
from ser.system.source_code import parts_fingerprint
from ser.system.turns import is_shared
from ser.training.module import EmotionClassifier
from ser.training.notebook import NotebookConsole
from ser.training.pretrained import what_computes, with_checkpoints
from ser.training.trainer import free_memory, num_devices

Blocks = Iterator[tuple[torch.Tensor, torch.Tensor]]  # features (B, F, L), frames (B,), not normalised
log = logging.getLogger("ser")

BLOCK = 256  # utterances normalised at once
SHARE_OF_FREE_MEMORY = 0.5  # that `auto` lets features take
READ_ONCE = 2**30  # bytes of features that stay in memory for the next run of the process
_read: dict[tuple[str, str], tuple[torch.Tensor, ...]] = {}  # the last ones, not normalised


@dataclass(frozen=True, slots=True)
class FeatureInputs:
    """What the features of a run are made of.

    Args:
        config: Resolved.
        source: The waveforms.
        classifier: Its frontend computes, its normaliser is fitted.
        corpus: Name, for `ser store list`.
        train: Indices of the training part.
        console: Shows a bar while something is computed.
        cache: The cache folder.
    """

    config: dict[str, Any]
    source: StoredWaveforms
    classifier: EmotionClassifier
    corpus: str
    train: list[int]
    console: Console
    cache: Path


def kept_features(
    inputs: FeatureInputs, views: Blocks | None = None
) -> tuple[ResidentFeatures | MappedFeatures, list[str]]:
    """Features of all utterances, found in the store or computed now, normalised by what the training part looks like.

    Args:
        inputs: What they are made of.
        views: Of the training part, where the normaliser is fitted to these and not to the recordings as they are.

    Returns:
        The source of batches, and remarks for the summary.
    """
    source, classifier, train = inputs.source, inputs.classifier, inputs.train
    trim = not classifier.model.fixed_length
    features, notes = stored_features(inputs)
    if features is None:
        everyone = range(len(source.rows))
        batches = compute_features(source, classifier.frontend, everyone, classifier.device)
        return _normalised(keep_in_memory(batches, len(source.rows), trim), classifier, train, views), notes
    if goes_to_memory(inputs.config, features.size(source.rows), classifier.device):
        resident = ResidentFeatures(*_on_device(features, source.rows, classifier.device), trim)
        features.release()  # twice in memory is once too often
        source.waveforms.release()
        return _normalised(resident, classifier, train, views), notes
    mapped = MappedFeatures(features, source.rows, classifier.normaliser, trim)
    classifier.normaliser.fit(blocks_of(features, source.rows[train]) if views is None else views)
    features.release()
    source.waveforms.release()
    return mapped, [*notes, f"features stay on disk: {features.size(source.rows) / 2**30:.1f} GiB"]


def _on_device(features: Features, rows: np.ndarray, device: torch.device) -> tuple[torch.Tensor, ...]:
    """Features (N, F, L) and frames (N,) of some recordings, for a run to normalise in place.

    Where several runs share a process, those that differ in their training part find in memory what the first has read.
    """
    if not is_shared() or device.type == "cpu":
        return tuple(torch.from_numpy(array).to(device) for array in features.batch(rows))
    key = (str(features.folder), content_hash(np.ascontiguousarray(rows).data))
    if key not in _read:
        _read.clear()
    read = _read.get(key) or tuple(map(torch.from_numpy, features.batch(rows)))
    if features.size(rows) <= READ_ONCE:
        _read[key] = read
    return tuple(tensor.to(device) for tensor in read)


def bar(console: Console, what: str, total: int, done: int = 0) -> Callable[[Iterable], Iterable]:
    """Wraps an iterator in a bar that vanishes when done; in a notebook in a line that stays.

    Args:
        console: Where.
        what: Before the bar.
        total: Of the items, with those that are done.
        done: Already, before the iterator begins.
    """
    if isinstance(console, NotebookConsole):
        return lambda items: console.counted(items, what, total)
    return lambda items: track(
        items, what, total=total, completed=done, console=console, transient=True, disable=not console.is_terminal
    )


def stored_features(inputs: FeatureInputs) -> tuple[Features | None, list[str]]:
    """Features in the store; None where they cannot be kept there, and why."""
    config, source, classifier = inputs.config, inputs.source, inputs.classifier
    depends_on = what_decides(config, source, classifier)
    if depends_on is None:
        return None, []
    whole = source.of_all()
    everyone = range(len(whole.rows))

    def compute(done: int) -> Blocks:
        """Of the recordings behind the first `done`, which an interrupted run has left."""
        if done:
            kept = f"features of {done:,} of {len(everyone):,} recordings were kept by an interrupted run"
            inputs.console.print(f"Note: {kept}: continuing with the next.", markup=False, highlight=False)
        size = clips_at_once(whole, classifier.device)
        batches = compute_features(whole, classifier.frontend, everyone[done:], classifier.device)
        return bar(inputs.console, "features", -(-len(everyone) // size), done // size)(batches)

    about = {"name": inputs.corpus, "settings": {"frontend": config["choices"]["frontend"]}}
    try:
        kept_as = classifier.frontend.kept_as
        return open_features(depends_on, whole.rows, len(source.waveforms), compute, about, inputs.cache, kept_as), []
    except OSError as error:
        return None, [f"features are kept in memory only, for this run: {why_refused(error)}"]


def what_decides(
    config: dict[str, Any], source: StoredWaveforms, classifier: EmotionClassifier
) -> dict[str, Any] | None:
    """All that decides the values of features; None where nobody knows."""
    code = parts_fingerprint(config["frontend"], "ser.data.features.sources")
    if code is None:
        return None
    return {
        "waveforms": source.waveforms.folder.name,
        "num_samples": source.num_samples,
        "padding_is_signal": source.padding_is_signal,
        "frontend": what_computes(with_checkpoints(config)["frontend"]),
        "code": code,
        "libraries": {name: version(name) for name in _libraries(classifier.frontend)},
        # two devices, or two versions of torch, agree to rounding only
        "torch": torch.__version__,
        "device": classifier.device.type,
    }


def _libraries(frontend: torch.nn.Module) -> set[str]:
    """Packages beside torch whose version decides the values of a frontend, or of its parts."""
    return {name for part in frontend.modules() for name in getattr(part, "libraries", ())}


def goes_to_memory(config: dict[str, Any], size: int, device: torch.device) -> bool:
    """Whether features of so many bytes are kept in memory: as the user says, or where they fit twice."""
    if config["run"]["keep_features"] in ("memory", "disk"):
        return config["run"]["keep_features"] == "memory"
    copies = 1 if device.type == "cuda" else num_devices(config["trainer"])  # each process on a CPU has its own
    return size * copies <= SHARE_OF_FREE_MEMORY * free_memory(device)


def blocks_of(features: Features | StackedFeatures, rows: np.ndarray) -> Blocks:
    """Features (B, F, L) and frames (B,) of these rows, block by block."""
    for start in range(0, len(rows), BLOCK):
        yield tuple(map(torch.from_numpy, features.batch(rows[start : start + BLOCK])))


def _normalised(
    kept: ResidentFeatures, classifier: EmotionClassifier, train: list[int], views: Blocks | None
) -> ResidentFeatures:
    """Fits the normaliser to the training part, or to its views, and applies it to all, in place."""
    blocks = [train[start : start + BLOCK] for start in range(0, len(train), BLOCK)]
    plain = ((kept.features[rows], kept.frames[rows]) for rows in blocks)
    classifier.normaliser.fit(plain if views is None else views)
    return normalise(kept, classifier)


def normalise(kept: ResidentFeatures, classifier: EmotionClassifier) -> ResidentFeatures:
    """Applies the fitted normaliser to all, in place."""
    with torch.no_grad():
        for start in range(0, len(kept.features), BLOCK):
            rows = slice(start, start + BLOCK)
            kept.features[rows] = classifier.normaliser(kept.features[rows], kept.frames[rows])
    return kept
