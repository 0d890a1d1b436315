"""Features that lie on a device once for all runs of a process that read the same ones."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakValueDictionary

import numpy as np
import torch

from ser.data.datamodule import BatchSource
from ser.data.features.sources import ResidentFeatures
from ser.data.features.views import Views
from ser.data.store.hashes import content_hash
from ser.system.source_code import parts_fingerprint
from ser.system.turns import is_shared
from ser.training.augment import folder_fingerprints, for_view, varies
from ser.training.feature_cache import FeatureInputs, what_decides

Sources = tuple[BatchSource, Views | None, list[str]]
_held: "WeakValueDictionary[str, _Held]" = WeakValueDictionary()  # for as long as a run reads them


@dataclass(frozen=True, eq=False)
class _Held:
    """Features as the first run put them there.

    Args:
        sources: Of its batches.
        normaliser: Its state, fitted for them.
    """

    sources: Sources
    normaliser: dict[str, torch.Tensor]


def shared_sources(inputs: FeatureInputs, make: Callable[[FeatureInputs], Sources]) -> Sources:
    """Where batches come from: what another run of this process reads, or made now; the normaliser is fitted.

    Args:
        inputs: What the features are made of.
        make: Makes them.
    """
    key = _key(inputs) if is_shared() else None
    if key is None:
        return make(inputs)
    if (held := _held.get(key)) is None:
        sources = make(inputs)
        if not all(isinstance(source, ResidentFeatures) for source in _kept(sources)):
            return sources
        state = copy.deepcopy(inputs.classifier.normaliser.state_dict())
        if inputs.classifier.device.type == "cuda":  # others read them on streams of their own
            torch.cuda.current_stream().synchronize()
        held = _held[key] = _Held(sources, state)
    inputs.classifier.normaliser.load_state_dict(held.normaliser)
    return _for_one_run(held, inputs.config["seed"])


def _kept(sources: Sources) -> list:
    served, views, _ = sources
    return [served] if views is None else [served, views.source]


def _for_one_run(held: _Held, seed: int) -> Sources:
    """The same memory behind sources of its own: a run cuts its batches as it needs them, and draws its views."""
    served, views, notes = held.sources
    own, source = (copy.copy(it) for it in (served, None if views is None else views.source))
    for it in filter(None, (own, source)):
        it.held = held  # it is there for as long as this run is
    return own, None if views is None else Views(source, views.train, views.num_views, seed), [*notes]


def _key(inputs: FeatureInputs) -> str | None:
    """All that decides what lies there; None where nobody knows, or where features are computed in each step."""
    config, source, classifier = inputs.config, inputs.source, inputs.classifier
    if config["augmentation"].get("views") is None and classifier.learning.waveform_augmentations:
        return None
    decides = what_decides(config, source, classifier)
    if decides is None:
        return None
    decides |= {
        "rows": content_hash(np.ascontiguousarray(source.rows).data),
        "train": content_hash(np.asarray(inputs.train).data),
        "normaliser": config["normaliser"],
        "whole": classifier.model.fixed_length,
        "kept": config["run"]["keep_features"],
        "device": str(classifier.device),
    }
    if config["augmentation"].get("views") is not None:
        nodes = config["augmentation"]["waveform"]
        code = parts_fingerprint(nodes, "ser.data.features.views", "ser.training.augment")
        if code is None:
            return None
        rendered = {key: value for key, value in config["augmentation"].items() if key not in ("features", "mixing")}
        decides |= {"views": rendered, "code_of_views": code, "folders": folder_fingerprints(config)}
        waveform, numbers = classifier.learning.waveform_augmentations, range(1, config["augmentation"]["views"] + 1)
        drawn = any(varies(for_view(waveform, number)) for number in numbers)
        decides["seed"] = config["seed"] if drawn else None
    return json.dumps(decides, sort_keys=True, default=str)
