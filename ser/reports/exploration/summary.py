"""A corpus in words and tables, for the page and the terminal."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ser.reports.exploration.examples import genders_of
from ser.reports.exploration.explore import Exploration
from ser.reports.exploration.figures import speakers_of
from ser.reports.exploration.inspection import Inspected
from ser.reports.exploration.outliers import KINDS, Suspicion

Table = tuple[list[str], list[list[object]]]  # header and rows


def headline(exploration: Exploration) -> dict[str, str]:
    """The key numbers."""
    recordings = exploration.recordings
    seconds = sum(r.file.duration_s for r in recordings if r.file is not None)
    return {
        "recordings": f"{len(recordings):,}",
        **speaker_counts(recordings),
        "emotions": str(len(exploration.emotions)),
        "of sound": f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min",
        "suspicious files": f"{len({suspicion.index for suspicion in exploration.suspicious}):,}",
    }


def speaker_counts(recordings: Sequence[Inspected]) -> dict[str, str]:
    """`speakers` and, where genders are known, how many of each; empty where speakers are not known."""
    gender_of = {r.utterance.speaker: r.utterance.gender for r in recordings if r.utterance.speaker is not None}
    counts = Counter(gender for gender in gender_of.values() if gender is not None)
    of_gender = {f"speakers, {gender}": f"{counts[gender]:,}" for gender in genders_of(recordings) if counts[gender]}
    return {"speakers": f"{len(gender_of):,}", **of_gender} if gender_of else {}


def unknown(recordings: Sequence[Inspected]) -> list[str]:
    """Sentences on what cannot be shown."""
    sentences = []
    for trait, left_out in (
        ("gender", "what would be shown by gender is shown for all together"),
        ("speaker", "there is no picture by speaker, and no split can hold speakers apart"),
    ):
        missing = sum(getattr(r.utterance, trait) is None for r in recordings)
        if missing == len(recordings):
            sentences.append(f"The corpus does not say the {trait} of its recordings: {left_out}.")
        elif missing:
            sentences.append(f"The {trait} of {missing:,} of {len(recordings):,} recordings is not known.")
    return sentences


def emotion_table(exploration: Exploration) -> Table:
    """A row an emotion: recordings by corpus and gender, speakers, median duration and level."""
    recordings, genders = exploration.recordings, genders_of(exploration.recordings)
    known = [gender for gender in genders if gender is not None]
    corpora = sorted({r.utterance.corpus for r in recordings})
    corpora = corpora if len(corpora) > 1 else []
    header = ["emotion", "recordings", *corpora, *known, "speakers", "median s", "median dBFS"]
    rows = []
    for emotion in exploration.emotions:
        group = [r for r in recordings if r.emotion == emotion]
        usable = [r for r in group if r.bad is None]
        counts = Counter(word for r in group for word in (r.utterance.corpus, r.utterance.gender))
        medians = [
            f"{np.median([r.used_s for r in usable]):.2f}" if usable else "–",
            f"{np.median([r.file.rms_db for r in usable]):.0f}" if usable else "–",
        ]
        rows.append(
            [emotion, len(group), *(counts[word] for word in corpora + known), len(speakers_of(group)) or "–", *medians]
        )
    return header, rows


def format_table(recordings: Sequence[Inspected]) -> Table:
    """A row a format that occurs, the commonest first."""
    counts = Counter((r.utterance.corpus, r.file.facts) for r in recordings if r.file is not None)
    rows = [
        [corpus, f"{facts.sample_rate:,}", facts.channels, facts.subtype, count]
        for (corpus, facts), count in counts.most_common()
    ]
    return ["corpus", "Hz", "channels", "coding", "files"], rows


def kinds_in_words(suspicious: Sequence[Suspicion]) -> str:
    """`2 with the samples of another, 5 with another number of channels`."""
    counts = Counter(suspicion.kind for suspicion in suspicious)
    return ", ".join(f"{counts[kind]} {words}" for kind, words in KINDS.items() if counts[kind])


def suspicious_rows(exploration: Exploration) -> list[tuple[str, str]]:
    """A file and its reasons, the gravest kind first."""
    return [(exploration.recordings[i].utterance.key, words) for i, words in reasons_of(exploration).items()]


def reasons_of(exploration: Exploration) -> dict[int, str]:
    """Index of each suspicious recording → its reasons, the gravest kind first."""
    reasons: dict[int, list[str]] = {}
    for suspicion in exploration.suspicious:
        reasons.setdefault(suspicion.index, []).append(suspicion.reason)
    return {i: "; ".join(words) for i, words in reasons.items()}
