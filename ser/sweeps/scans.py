"""Finds recordings once for all runs of a sweep: a corpus is not scanned anew for another seed or model."""

import json
from pathlib import Path
from typing import Any

from ser.data.build import build_recordings, build_split
from ser.data.recordings import Recordings


class Scans:
    """Replaces `build_recordings` and caches its results.

    A split may leave recordings out, so it is part of the key; its seed is not: which recordings are usable does
    not depend on draws.
    """

    def __init__(self):
        self._found: dict[str, Recordings] = {}

    def __call__(self, config: dict[str, Any], cache: Path) -> Recordings:
        """The utterances of a run."""
        node = {"dataset": config["dataset"], "trust": config["run"]["trust"], "cache": str(cache)}
        if build_split(config).leaves_out:
            node["split"] = {key: value for key, value in config["split"].items() if key != "seed"}
        key = json.dumps(node, sort_keys=True, default=str)
        if key not in self._found:
            self._found[key] = build_recordings(config, cache)
        return self._found[key]
