"""From a config to the data: how recordings are prepared, which are used, and how they are split."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from ser.data.audio.prepare import AudioSettings
from ser.data.corpora.corpus import Corpus
from ser.data.emotions import one_form
from ser.data.recordings import Recordings, find_recordings
from ser.data.selection import Selection
from ser.data.splits import Splitter
from ser.errors import UserError, did_you_mean
from ser.instantiate import build, check_settings

SHARED = sorted(field.name for field in fields(Selection))  # settings of every dataset


def build_audio(config: dict[str, Any]) -> AudioSettings:
    """How recordings are prepared."""
    return build(config["audio"], "audio", kind=AudioSettings)


def build_corpus(node: Mapping[str, Any], trust: Sequence[str]) -> Corpus:
    """The corpus of a dataset's node, from its own settings: those that all datasets share choose from it."""
    own = {key: value for key, value in node.items() if key not in SHARED}
    try:
        return build(own, "dataset", trust, Corpus)
    except UserError as error:
        raise _with_shared_names(error, own, SHARED) from None


def build_recordings(config: dict[str, Any], cache: Path) -> Recordings:
    """The utterances of the run: the corpus lists them; the shared settings and the split choose."""
    node = config["dataset"]
    corpus = build_corpus(node, config["run"]["trust"])
    chosen = {key: node[key] for key in SHARED if key in node}
    check_settings(Selection, chosen, "dataset")
    return find_recordings(corpus, Selection(**chosen), cache, build_split(config))


def with_one_form(config: dict[str, Any]) -> dict[str, Any]:
    """The config with `split.train_only` in one form, so that what says the same is the same run: null, a name, or
    several in order."""
    names = config["split"].get("train_only")
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):  # refused later
        return config
    names = sorted(set(map(one_form, names)))
    return {**config, "split": {**config["split"], "train_only": names[0] if len(names) == 1 else names or None}}


def build_split(config: dict[str, Any]) -> Splitter:
    """The splitter, which divides the utterances into parts."""
    return build(config["split"], "split", config["run"]["trust"], Splitter)


def _with_shared_names(error: UserError, own: dict[str, Any], shared: list[str]) -> UserError:
    """A misspelt dataset key may be one of the shared settings: `dataset.emotion` for `dataset.emotions`."""
    for key in own:
        if f"no setting '{key}'" in str(error) and did_you_mean(key, shared).startswith("Did"):
            return UserError(f"dataset has no setting '{key}'. {did_you_mean(key, shared)}")
    return error
