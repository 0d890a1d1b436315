"""Which runs are ranked together: those with the same recordings, classes, kind of split and test part.

Runs of different protocols are in separate sections: a speaker-dependent UAR cannot be ranked against a
speaker-independent one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ser.comparison.load_runs import NOT_TESTED, Run, frozen
from ser.comparison.rows import Row, rows_of
from ser.data.splits.protocol import merged
from ser.data.targets import shown_target


@dataclass(frozen=True, eq=False)
class Section:
    """Rows that can be ranked.

    Args:
        title: Dataset and split.
        stamp: In what the split's parts are disjoint.
        varied: What differed between the runs of a row, which ± is a spread over.
        columns: Settings that distinguish the rows.
        rows: Unordered.
        remarks: On runs left out, and on rows of unequal runs.
        sort: What orders the rows once they are ranked: a figure, a setting or a group.
        why: Why, where the user did not ask for it, as the end of a sentence.
    """

    title: str
    stamp: str
    varied: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    remarks: tuple[str, ...]
    sort: str = ""
    why: str = ""


def sections_of(runs: Sequence[Run], group_by: Sequence[str] = ()) -> list[Section]:
    """Divides runs into sections, the largest first.

    Args:
        runs: Finished.
        group_by: Keys to pool rows by.
    """
    kinds: dict[str, list[Run]] = {}
    for run in runs:
        kinds.setdefault(_protocol(run), []).append(run)
    divided = [part for members in kinds.values() for part in _by_test_part(members)]
    sections = [_section(members, group_by) for members in sorted(divided, key=len, reverse=True)]
    titles = [section.title for section in sections]
    return [
        _numbered(section, titles[: i + 1].count(section.title)) if titles.count(section.title) > 1 else section
        for i, section in enumerate(sections)
    ]


def what_varied(runs: Sequence[Run]) -> str:
    """Whether the seed varied the initial weights, the split or both, in words; and whether folds did."""
    seeds, splits, folds = (sorted({frozen(run.drawn[i]) for run in runs}) for i in range(3))
    parts: dict[str, set[str]] = {}
    for run in runs:
        parts.setdefault(frozen(run.drawn[2]), set()).add(run.answered.part)
    same_test = all(len(found) == 1 for found in parts.values())
    words = []
    if len(seeds) > 1 and len(splits) == 1:
        words.append(
            f"{len(seeds)} seeds varied the initial weights (with order, dropout and augmentation); the split was the "
            f"same (split.seed={splits[0]})"
        )
    elif len(seeds) > 1 and same_test:
        words.append(
            f"{len(seeds)} seeds varied the initial weights (with order, dropout and augmentation) and what the split "
            "draws, which is not the test part: all were tested on the same recordings"
        )
    elif len(seeds) > 1:
        words.append(
            f"{len(seeds)} seeds varied both the initial weights (with order, dropout and augmentation) and the split, "
            "so ± holds both"
        )
    elif len(splits) > 1:
        words.append(f"{len(splits)} seeds of the split varied the split; the initial weights had one seed")
    if len(folds) > 1:
        words.append(f"{len(folds)} folds test other recordings each, so ± holds how folds differ")
    return "; ".join(words) or "One seed and one split: the spread between runs is unknown"


def runs_in_words(runs: Sequence[Run]) -> str:
    """How many runs, and what they are.

    `3 seeds`, `6 folds`, `18 = 3 seeds × 6 folds`, and of an incomplete set `5 of 6 = 1 seed × 6 folds`.
    """
    seeds = len({run.drawn[:2] for run in runs})
    folds = len({run.drawn[2] for run in runs})
    cells = len({run.drawn for run in runs})
    if len(runs) > cells:  # pooled over settings too
        return f"{len(runs)}"
    if cells == 1:
        return "1"
    counts = [f"{count} {word}s" for count, word in ((seeds, "seed"), (folds, "fold")) if count > 1]
    product = " × ".join(counts)
    if cells == seeds * folds:
        return product if len(counts) == 1 else f"{cells} = {product}"
    return f"{cells} of {seeds * folds} = {product}"


def _protocol(run: Run) -> str:
    """Equal for runs that may be compared, by their configs: recordings, classes, and kind of split.

    How much is validated is no part of it: a recipe that trains on all but test is compared with one that does not.
    """
    settings = {key: value for key, value in run.settings.items() if key.startswith(("dataset.", "split."))}
    return frozen([{key: value for key, value in settings.items() if key not in NOT_TESTED}, run.answered.classes])


def _by_test_part(runs: Sequence[Run]) -> list[list[Run]]:
    """Divides runs whose equal draws gave different test parts: their recordings were not the same.

    Draws in which runs disagree come first; any other run then joins its own configuration, or else the runs with which
    it shares most recordings.
    """
    parts_of: dict[tuple, set[str]] = {}
    for run in runs:
        parts_of.setdefault(run.drawn[1:], set()).add(run.answered.part)
    if all(len(parts) == 1 for parts in parts_of.values()):
        return [list(runs)]
    divisions: list[_Division] = []
    for run in sorted(runs, key=lambda run: -len(parts_of[run.drawn[1:]])):
        fitting = [it for it in divisions if it.parts.get(run.drawn[1:], run.answered.part) == run.answered.part]
        if not fitting:
            divisions.append(_Division())
        max(fitting, key=lambda it: it.nearness(run), default=divisions[-1]).add(run)
    return [division.runs for division in divisions]


class _Division:
    """Runs over the same recordings, judged by their draws."""

    def __init__(self):
        self.runs: list[Run] = []
        self.parts: dict[tuple, str] = {}
        self._recordings: set[tuple[str, str]] = set()

    def add(self, run: Run) -> None:
        self.runs.append(run)
        self.parts[run.drawn[1:]] = run.answered.part
        self._recordings.update(run.answered.recordings)

    def nearness(self, run: Run) -> tuple[bool, int]:
        """Whether it holds the run's configuration, and how many of its recordings."""
        own = any(run.configuration == other.configuration for other in self.runs)
        return own, len(self._recordings.intersection(run.answered.recordings))


def _section(runs: Sequence[Run], group_by: Sequence[str]) -> Section:
    columns, rows, remarks = rows_of(runs, group_by)
    choices = runs[0].choices
    title = f"{choices.get('dataset')}, split={choices.get('split')}"
    settings = {key: runs[0].settings.get(f"dataset.{key}") for key in ("emotions", "merge", "target")}
    settings["target"] = shown_target(settings["target"]) if settings["target"] else None
    asked = [f"{key}={value}" for key, value in settings.items() if value not in (None, "emotion")]
    return Section(
        ", ".join([title, *asked]),
        merged([run.protocol for run in runs], "runs"),
        what_varied(runs),
        columns,
        tuple(rows),
        (*remarks, *_pooled(rows), *_unequal(rows), *_learned_from(runs)),
    )


def validated_alike(runs: Sequence[Run]) -> bool:
    """Whether the runs hold back equal shares for validation, so that its figures can rank them."""
    return len({frozen([run.settings.get(key) for key in NOT_TESTED]) for run in runs}) <= 1


def _learned_from(runs: Sequence[Run]) -> list[str]:
    if validated_alike(runs):
        return []
    return ["split.val differs: what is not validated is trained on, so that figures hold this difference too."]


def _numbered(section: Section, number: int) -> Section:
    title = f"{section.title} ({number})"
    return Section(title, section.stamp, section.varied, section.columns, section.rows, section.remarks)


def _pooled(rows: Sequence[Row]) -> list[str]:
    apart = sorted({key for row in rows for key in row.apart})
    return [f"Rows pool runs of different {', '.join(apart)}: ± holds these differences too."] if apart else []


def _unequal(rows: Sequence[Row]) -> list[str]:
    """Says where rows are means over different runs."""
    units = {unit for row in rows for unit in row.units()}
    lacking = {row.name: len(units - row.units().keys()) for row in rows}
    short = [f"{name} ({len(units) - count} of {len(units)})" for name, count in lacking.items() if count]
    if len(rows) < 2 or not short:
        return []
    listed = "; ".join(short[:5]) + ("; …" if len(short) > 5 else "")
    return [f"Not every row has the same seeds and folds, so means are over different runs: {listed}."]
