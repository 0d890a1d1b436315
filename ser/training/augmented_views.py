"""Pre-rendered views of the training part, for `augmentation.views`: found in the feature store, or rendered now."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import numpy as np
import torch

from ser.data.features.feature_store import Features, open_features
from ser.data.features.sources import (
    MappedFeatures,
    ResidentFeatures,
    compute_features,
    keep_in_memory,
)
from ser.data.features.views import HANDFUL, StackedFeatures, Views, render
from ser.data.store.hashes import content_hash
from ser.system.files import why_refused
from ser.system.source_code import parts_fingerprint
from ser.training.augment import folder_fingerprints, for_view, varies
from ser.training.feature_cache import (
    BLOCK,
    Blocks,
    FeatureInputs,
    bar,
    blocks_of,
    goes_to_memory,
    normalise,
    stored_features,
    what_decides,
)


@dataclass(frozen=True, slots=True)
class Rendering(FeatureInputs):
    """What views are made of: `augmentation.views` says how many, and `train` is in the order of the store."""

    @property
    def count(self) -> int:
        """Views beside the recordings."""
        return self.config["augmentation"]["views"]

    @property
    def trim(self) -> bool:
        """Whether batches are cut to their longest utterance."""
        return not self.classifier.model.fixed_length

    def augmentations(self, number: int) -> list:
        """Those of one view."""
        return for_view(self.classifier.learning.waveform_augmentations, number)

    def view(self, number: int, done: int = 0) -> Iterable:
        """Features and frames of one view behind the first `done`, batch by batch, made as they are asked for."""
        made = render(
            self.source, self.augmentations(number), self.classifier.frontend, self.train[done:], number,
            self.config["seed"], self.classifier.device,
        )  # fmt: skip
        return bar(self.console, f"view {number} of {self.count}", -(-len(self.train) // HANDFUL), done // HANDFUL)(
            made
        )


@dataclass(frozen=True, slots=True)
class Rendered:
    """Views of the training part as they were made, not normalised.

    Args:
        work: What they are made of.
        kept: In the store, or in memory where nothing can be kept.
        notes: Remarks for the summary.
    """

    work: Rendering
    kept: StackedFeatures | ResidentFeatures
    notes: list[str]

    @property
    def rows(self) -> np.ndarray:
        """Of all views of the training part, in the stack of entries."""
        total = self.kept.total
        return np.concatenate([view * total + self.work.source.rows[self.work.train] for view in self.numbers])

    @property
    def numbers(self) -> range:
        """Of the views, the recording as it is among them."""
        return range(self.work.count + 1)

    def blocks(self) -> Blocks:
        """All of them, for the normaliser."""
        if isinstance(self.kept, StackedFeatures):
            yield from blocks_of(self.kept, self.rows)
            self.kept.release()
            return
        for start in range(0, len(self.kept.features), BLOCK):
            yield self.kept.features[start : start + BLOCK], self.kept.frames[start : start + BLOCK]

    def views(self) -> tuple[Views, list[str]]:
        """The source of training batches, normalised, in memory or on disk as all features are; and remarks."""
        work, notes = self.work, self.notes
        placed = _placed(self) if isinstance(self.kept, StackedFeatures) else normalise(self.kept, work.classifier)
        if isinstance(placed, MappedFeatures):
            notes = [*notes, f"views stay on disk: {placed.features.size(placed.rows) / 2**30:.1f} GiB"]
        return Views(placed, work.train, len(self.numbers), work.config["seed"]), notes


def render_views(inputs: FeatureInputs) -> Rendered:
    """Views of the training part (`ser.data.features.views`), found in the store or made now."""
    in_order = sorted(set(inputs.train), key=lambda i: inputs.source.rows[i])
    work = Rendering(
        inputs.config, inputs.source, inputs.classifier, inputs.corpus, in_order, inputs.console, inputs.cache
    )
    entries, notes = _stored_views(work)
    notes = [f"views: {work.count} of each training recording; an epoch draws one of them or the recording", *notes]
    return Rendered(work, _computed(work) if entries is None else StackedFeatures(entries), notes)


def _stored_views(work: Rendering) -> tuple[list[Features] | None, list[str]]:
    """An entry of the store for each view, the recordings first; None where they cannot be kept there, and why."""
    config, nodes = work.config, work.config["augmentation"]["waveform"]
    decides = what_decides(config, work.source, work.classifier)
    code = parts_fingerprint(nodes, "ser.data.features.views", "ser.training.augment")
    if decides is None or code is None:
        return None, ["views are rendered for this run only: nobody knows what files your own classes depend on"]
    plain, notes = stored_features(work)
    if plain is None:
        return None, notes
    rows = work.source.rows[work.train]
    decides |= {
        "augmentations": [{key: value for key, value in node.items() if key != "folder"} for node in nodes],
        "folders": folder_fingerprints(config),
        "augmentation_code": code,
    }
    drawn = {"seed": config["seed"], "recordings": content_hash(np.ascontiguousarray(rows).data)}
    views = [plain]
    try:
        for number in range(1, work.count + 1):
            # what no seed changes is made of all recordings: every seed and fold finds it
            of = work if varies(work.augmentations(number)) else _of_all(work)
            depends_on = decides | {"view": number} | (drawn if of is work else {})
            settings = {"frontend": config["choices"]["frontend"], "view": number}
            about = {"name": work.corpus, "settings": settings}
            made, kept_as = partial(of.view, number), work.classifier.frontend.kept_as
            its_rows = of.source.rows[of.train]
            views.append(open_features(depends_on, its_rows, len(plain), made, about, work.cache, kept_as))
    except OSError as error:
        return None, [f"views are kept in memory only, for this run: {why_refused(error)}"]
    return views, []


def _of_all(work: Rendering) -> Rendering:
    """The same of every usable recording of the corpus, as features of recordings are kept."""
    source = work.source.of_all()
    return replace(work, source=source, train=list(range(len(source.rows))))


def _computed(work: Rendering) -> ResidentFeatures:
    """All views, made now and kept in memory."""
    plain = compute_features(work.source, work.classifier.frontend, work.train, work.classifier.device)
    batches = chain(plain, *(work.view(number) for number in range(1, work.count + 1)))
    return keep_in_memory(batches, (work.count + 1) * len(work.train), work.trim)


def _placed(rendered: Rendered) -> ResidentFeatures | MappedFeatures:
    """Views from the store, in memory or on disk: as large as they are, or as the user says."""
    work, views, rows = rendered.work, rendered.kept, rendered.rows
    device = work.classifier.device
    if not goes_to_memory(work.config, views.size(rows), device):
        return MappedFeatures(views, rows, work.classifier.normaliser, work.trim)
    block, frames = (torch.from_numpy(array).to(device) for array in views.batch(rows))
    views.release()
    return normalise(ResidentFeatures(block, frames, work.trim), work.classifier)
