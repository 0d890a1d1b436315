"""Tables of results, made from results files."""

import statistics
from collections.abc import Sequence
from typing import Any


def table(results: dict) -> str:
    """Markdown: a line a row; mean ± standard deviation over seeds, pooled figures with their interval over folds.

    Args:
        results: Of `scripts/reproduce`. Where a row has a published figure, the table compares with it.
    """
    compares = any(row.get("published") for row in results["rows"])
    lines = (_judged if results["series"] == "tried" else _comparison if compares else _figures)(results["rows"])
    hardware = {
        (run["environment"]["device"], run["environment"]["threads"]) for row in results["rows"] for run in runs_of(row)
    }
    where = "; ".join(f"{device}, {threads} thread{'s' * (threads != 1)}" for device, threads in sorted(hardware))
    return "\n".join([*lines, "", f"Measured on: {where} (docs/results/{results['series']}.json)."])


def runs_of(row: dict) -> list[dict]:
    """All runs of a row, those of several cross-validations one after the other."""
    return [run for seed in row["seeds"] for run in seed["runs"]] if "seeds" in row else row["runs"]


def _judged(rows: Sequence[dict]) -> list[str]:
    """What was tried, by validation: test decides nothing."""
    lines = ["| recipe and change | folds | validation UAR, % | parameters | minutes a run |", "|---|---|---|---|---|"]
    for row in rows:
        uars = [run["metrics"]["val/uar"] for run in row["runs"]]
        cells = [row["label"], str(len(uars)), _percent(statistics.mean(uars))]
        cells += [f"{row['runs'][0]['metrics']['num_parameters']:,}", f"{_minutes(row):.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _figures(rows: Sequence[dict]) -> list[str]:
    lines = ["| run | runs | test UAR, % | test WA, % | minutes a run |", "|---|---|---|---|---|"]
    for row in rows:
        cells = [row["label"], _runs(row), _model(row, "uar"), _model(row, "wa"), f"{_minutes(row):.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _comparison(rows: Sequence[dict]) -> list[str]:
    lines = [
        "| preset | test | runs | published WA | WA, % | UAR, % | decision tree WA | majority WA | minutes a run |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        theirs = "pooled" not in row
        cells = [
            row["label"],
            _protocol(row),
            _runs(row),
            _published(row["published"]) if theirs else "–",
            _model(row, "wa"),
            _model(row, "uar"),
            _other(row, "decision tree"),
            _other(row, "majority class"),
            f"{_minutes(row):.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _protocol(row: dict) -> str:
    """The stamp without its particulars, and without what folds do not share.

    >>> _protocol({"protocol": "speaker-independent, 6 folds pooled (EmoBox); 2 of 2 test statements also in train"})
    'speaker-independent, 6 folds pooled (EmoBox)'
    >>> _protocol({"protocol": "speaker-independent, a → b, 2 folds pooled (b) / speaker-independent, b → a"})
    'speaker-independent, 2 folds pooled'
    """
    stamp, _, others = row["protocol"].partition(" / ")
    words = stamp.partition(";")[0].split(", ")
    if not others:
        return ", ".join(words)
    return ", ".join([words[0], *(word.partition(" (")[0] for word in words[1:] if "folds pooled" in word)])


def _published(figure: dict) -> str:
    return f"about {figure['wa']:g}" if figure.get("about") else f"{figure['wa']:.2f}"


def _runs(row: dict) -> str:
    if "seeds" in row:
        return f"{len(row['seeds'])} seeds × {len(row['seeds'][0]['runs'])} folds"
    count = len(row["runs"])
    what = "fold" if "pooled" in row else "seed"
    return f"{count} {what}{'s' * (count != 1)}"


def _model(row: dict, name: str) -> str:
    if "seeds" in row:
        return _mean([seed["pooled"]["systems"]["model"][name]["value"] for seed in row["seeds"]])
    if "pooled" not in row:
        return _mean([run["metrics"][f"test/{name}"] for run in row["runs"]])
    estimate = row["pooled"]["systems"]["model"][name]
    if estimate["low"] is None:  # too few speakers for an interval: what each fold says is shown
        folds = ", ".join(_percent(run["metrics"][f"test/{name}"]) for run in row["runs"])
        return f"{_percent(estimate['value'])} (folds {folds})"
    return f"{_percent(estimate['value'])} ({_percent(estimate['low'])} to {_percent(estimate['high'])})"


def _other(row: dict, system: str) -> str:
    if "pooled" in row:
        scores = row["pooled"]["systems"].get(system)
        return _percent(scores["wa"]["value"]) if scores else "–"
    values = [run["baselines"][system]["wa"] for run in row["runs"] if system in run["baselines"]]
    return _mean(values) if values else "–"


def _minutes(row: dict) -> float:
    return statistics.mean(run["metrics"]["seconds"] for run in runs_of(row)) / 60


def _mean(shares: Sequence[float]) -> str:
    """In per cent.

    >>> _mean([0.5, 0.52])
    '51.0 ± 1.4'
    """
    spread = f" ± {_percent(statistics.stdev(shares))}" if len(shares) > 1 else ""
    return f"{_percent(statistics.mean(shares))}{spread}"


def _percent(share: Any) -> str:
    return f"{100 * share:.1f}"
