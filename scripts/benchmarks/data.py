"""What benchmarks work on: the real corpora where they are found, else the demo corpus."""

import os
from pathlib import Path

from ser.data.corpora.demo import Demo
from ser.data.corpora.ravdess import Ravdess
from ser.data.corpora.tess import Tess

CORPORA = {"ravdess": Ravdess, "tess": Tess}


def dataset_arguments(name: str) -> list[str]:
    """Arguments of `ser train` for a corpus, or for the demo corpus where it is absent."""
    root = corpus_root(name)
    return ["dataset=demo"] if root is None else [f"dataset={name}", f"dataset.root={root}"]


def corpus_root(name: str) -> Path | None:
    """Folder of a corpus: in `$SER_DATA`, `../shared/data` or `data`; None where it is absent."""
    places = [os.environ.get("SER_DATA"), Path.cwd().parent / "shared" / "data", "data"]
    roots = [Path(place).expanduser() / name for place in places if place]
    return next((root.absolute() for root in roots if root.is_dir()), None)


def recordings_of(name: str) -> tuple[str, list[Path]]:
    """Name and files of a corpus, or of the demo corpus where it is absent."""
    root = corpus_root(name)
    corpus = CORPORA[name](str(root)) if root else Demo()
    return corpus.name, [utterance.path for utterance in corpus.scan().utterances]
