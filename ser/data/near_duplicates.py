"""Which recordings of a corpus are copies of one another: at another level or sample rate, padded, cut, re-encoded.

Fingerprints that share words propose pairs; a pair stays if few bits of its fingerprints
differ and its waveforms are coherent. The answer depends on the recordings, not on any split, and is kept beside them.

Measured on RAVDESS and TESS together (4240 recordings), decoded at 8, 16 and 22.05 kHz, trimmed and whole. The most
coherent pair that is no copy has 0.55, and 0.7 is asked for: takes of one sentence and TESS's "say the word" stay far
below. Of 100 recordings copied in each of these ways, all were found but one of "several at once":

    gain -20 dB 0.99, -40 dB (in 16 bit) 0.90 · +6 dB 0.96 · loudest 1 % clipped 0.94, 5 % 0.80 · polarity, offset 1.00
    by way of 48, 22.05, 11.025, 8, 6 or 4 kHz 1.00 · 8 kHz by linear interpolation 0.86
    silence or noise of -70 dBFS around it 1.00 · trimmed 1.00 · first 80 % or 50 % 1.00 · the middle 30 % 0.86
    MP3 0.99, at its lowest quality 0.87 · Ogg 0.98, lowest 0.91 · Opus 0.98 · µ-law 0.98 · noise 20 dB below 0.96
    high-pass at 80 Hz 1.00, 200 Hz 0.93 · telephone band 0.86 · several of these at once 0.89

Missed are copies that are half noise (7 of 100 at 10 dB, 4 in 8 bit, 10 by GSM, mostly whispers), any at another speed
or pitch, and sounds shorter than a third of a second.

The search takes 7 s of one core and 70 MB. For 100,000 recordings it takes some minutes, as long as decoding them, and
800 MB: the work grows with the words that recordings share, not with their pairs.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
from filelock import FileLock

from ser.data.store.fingerprints import BITS, HOP, bit_counts, coherence, fingerprint, narrow, overlap
from ser.data.store.hashes import content_hash
from ser.data.store.waveforms import Waveforms
from ser.errors import UserError
from ser.system.files import write_text
from ser.system.machine import num_cores
from ser.system.source_code import code_fingerprint

LEAST_VOTES = 2  # equal words at one distance in time
MOST_VOTES = 10_000_000  # bounds memory: beyond it, common words are compared between near rows only
LEAST_FRAMES = 12  # voiced in both: less than a third of a second of two vowels may look the same
LEAST_SHARE = 0.25  # of the shorter recording's voiced frames: one beep at the start of all recordings makes no copies
MOST_DISAGREEMENT = 0.25  # share of unequal bits: of 52,000 pairs that RAVDESS and TESS propose, 2 % have so few
LEAST_COHERENCE = 0.7
# With fewer voiced frames in common than LONG (0.6 s of sound) chance does more: pieces of 0.3 to 0.5 s, all cut from
# different recordings of RAVDESS and TESS, reach 0.84; longer ones 0.69.
LONG = 24
LEAST_COHERENCE_SHORT = 0.9

Print = tuple[np.ndarray, np.ndarray]  # words (L,) and which of them are voiced (L,)


class NearCopy(NamedTuple):
    """Two copies of one recording, by the hashes of their samples (`Waveforms.contents`), and their coherence."""

    first: str
    second: str
    similarity: float


def near_copies(waveforms: Waveforms, sample_rate: int, progress=iter) -> list[NearCopy]:
    """The result of `find_near_copies`, cached beside the store as `near_copies.json`."""
    file = waveforms.folder / "near_copies.json"
    with ExitStack() as stack:
        if (kept := _read(file)) is not None:
            return kept
        with suppress(OSError):  # a cache that may not be written: then each run searches for itself
            stack.enter_context(FileLock(file.with_suffix(".lock")))  # runs of one sweep: one searches, the others wait
        if (kept := _read(file)) is not None:
            return kept
        found = find_near_copies(waveforms, sample_rate, progress)
        with suppress(UserError):  # not kept: the next run takes some seconds longer
            write_text(file, json.dumps({"pairs": found, "seal": _seal(found)}))
        return found


def find_near_copies(waveforms: Waveforms, sample_rate: int, progress=iter) -> list[NearCopy]:
    """Pairs of recordings that are near-copies. Recordings with identical samples count as one.

    Args:
        waveforms: All recordings of a corpus; the level does not matter, nor does trimming.
        sample_rate: Theirs, Hz.
        progress: Wraps the iterator over fingerprinted recordings, e.g. in a progress bar.

    Returns:
        In order of the first one's row, then of the second one's.
    """
    first: dict[str, int] = {}
    for row, content in enumerate(waveforms.contents):
        first.setdefault(content, row)
    first.pop("", None)  # files that could not be used
    contents, rows = list(first), list(first.values())

    def narrowed(i: int) -> np.ndarray:
        return narrow(waveforms[rows[i]], sample_rate)

    with ThreadPoolExecutor(num_cores()) as pool:
        prints = list(progress(pool.map(lambda i: fingerprint(narrowed(i)), range(len(rows)))))
        candidates = propose(prints)
        similarities = list(pool.map(lambda candidate: _similarity(prints, narrowed, *candidate), candidates))
    return [
        NearCopy(contents[i], contents[j], round(similarity, 4))
        for (i, j, _), similarity in zip(candidates, similarities, strict=True)
        if similarity > 0
    ]


def propose(prints: Sequence[Print]) -> list[tuple[int, int, int]]:
    """Pairs of prints that share words at one distance in time.

    Args:
        prints: Of N recordings.

    Returns:
        (i, j, hops by which j begins after i) with i < j, in this order, each pair once: where it shares most.
    """
    if not prints:
        return []
    words = np.concatenate([words[voiced] for words, voiced in prints])
    owners = np.repeat(np.arange(len(prints), dtype=np.int32), [np.count_nonzero(voiced) for _, voiced in prints])
    times = np.concatenate([np.flatnonzero(voiced).astype(np.int32) for _, voiced in prints])
    order = np.argsort(words, kind="stable")  # equal words stand together, in order of recordings and time
    words, owners, times = words[order], owners[order], times[order]
    N, span = len(prints), 2 * int(times.max(initial=0)) + 1
    votes, total = [np.zeros(0, np.int64)], 0  # (i * N + j) * span + offset, counted from the least possible one
    for first, second in _equal_words(words):
        others = owners[first] != owners[second]
        first, second = first[others], second[others]
        pairs = owners[first].astype(np.int64) * N + owners[second]
        votes.append(pairs * span + times[first] - times[second] + span // 2)
        total += len(first)
        if total > MOST_VOTES:
            break
    keys, counts = np.unique(np.concatenate(votes), return_counts=True)
    keys, counts = keys[counts >= LEAST_VOTES], counts[counts >= LEAST_VOTES]
    keys = keys[np.argsort(-counts, kind="stable")]
    pairs, best = np.unique(keys // span, return_index=True)  # the first of each pair has most votes
    offsets = keys[best] % span - span // 2
    return list(zip((pairs // N).tolist(), (pairs % N).tolist(), offsets.tolist(), strict=True))


def _equal_words(words: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Where a sorted array holds equal words: all neighbours, then all pairs two apart, and so on."""
    at = np.arange(len(words))
    for step in count(1):
        at = at[at < len(words) - step]
        at = at[words[at] == words[at + step]]
        if not len(at):
            return
        yield at, at + step


def _similarity(prints: Sequence[Print], narrowed: Callable[[int], np.ndarray], i: int, j: int, offset: int) -> float:
    """Coherence of two recordings if they are near-copies, else 0."""
    (words, voiced), (other_words, other_voiced) = prints[i], prints[j]
    both = np.logical_and(*overlap(voiced, other_voiced, offset))
    frames = np.count_nonzero(both)
    if frames < max(LEAST_FRAMES, LEAST_SHARE * min(np.count_nonzero(voiced), np.count_nonzero(other_voiced))):
        return 0.0
    words, other_words = overlap(words, other_words, offset)
    if bit_counts((words ^ other_words)[both]).mean() > MOST_DISAGREEMENT * BITS:
        return 0.0
    similarity = coherence(narrowed(i), narrowed(j), offset * HOP)
    return similarity if similarity >= (LEAST_COHERENCE if frames >= LONG else LEAST_COHERENCE_SHORT) else 0.0


def _read(file: Path) -> list[NearCopy] | None:
    """The cached pairs, or None where the file is missing or damaged."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return [NearCopy(*pair) for pair in kept["pairs"]] if kept["seal"] == _seal(kept["pairs"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _seal(pairs: Sequence) -> str:
    return content_hash(json.dumps([code_fingerprint(__name__), pairs]).encode())
