"""Tables for the terminal: the run before training, and its results."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from ser.data.splits import Split
from ser.data.utterance import Utterance
from ser.evaluation.ranking import added
from ser.system.names import escaped

SCORES = {
    "uar": "UAR", "wa": "WA", "f1_macro": "macro F1", "ccc": "CCC", "pearson": "Pearson's r", "mae": "MAE",
    "rmse": "RMSE", "loss": "loss",
}  # fmt: skip


def print_summary(
    console: Console, corpus: str, parts: dict[str, str], split: Split, utterances: Sequence[Utterance],
    columns: Sequence[str], cells: Callable[[Sequence[int]], Sequence[str]], what: str, notes: Sequence[str],
) -> None:  # fmt: skip
    """Shows the composed run.

    Args:
        console: The terminal.
        corpus: Name.
        parts: Label → one line about it (frontend shape, parameters, …).
        split, utterances: Of the run.
        columns, cells: What is said of the labels of each part, and of some utterances.
        what: Is predicted: `8 classes`.
        notes: Remarks of corpus and store.
    """
    table = Table(title=f"{corpus}: {len(utterances)} recordings, {what}", title_justify="left")
    table.add_column("part")
    table.add_column("recordings", justify="right")
    table.add_column("speakers", justify="right")
    for name in columns:
        table.add_column(name, justify="right")
    joined = len({utterance.corpus for utterance in utterances}) > 1
    for part, indices in split.parts().items():
        groups = {part: indices}
        for i in indices if joined else ():
            groups.setdefault(f"  {utterances[i].corpus}", []).append(i)
        for name, group in groups.items():
            speakers = {utterances[i].speaker for i in group} - {None}
            table.add_row(name, str(len(group)), str(len(speakers) or "?"), *cells(group))
    console.print(table)
    for label, text in {"split": split.protocol, **parts}.items():
        console.print(f"[bold]{label:>12}[/]  {escaped(text)}", highlight=False)
    for note in notes:
        console.print(f"[bold]{'note':>12}[/]  {escaped(note)}", highlight=False)


def print_result(console: Console, metrics: dict[str, float], protocol: str, config: Mapping[str, Any]) -> None:
    """Shows the scores of validation and test, and the recall of each class on test.

    Args:
        console: The terminal.
        metrics: metrics.json.
        protocol: The stamp.
        config: The metrics that it adds are shown, and the `published` result of this system.
    """
    console.print(f"Result ({protocol}; test scored once)", style="italic", markup=False, highlight=False)
    table = Table()
    table.add_column("")
    parts = [part for part in ("val", "test") if any(f"{part}/{key}" in metrics for key in SCORES)]
    for part in parts:
        # under checkpoint=refit validation's figures are of the training that chose the number of epochs
        table.add_column(f"{part} ({metrics[f'num_{part}'] or 'first training'})", justify="right")
    for key, label in {**SCORES, **{name: name for name in added([config])}}.items():
        if key in SCORES and not any(f"{part}/{key}" in metrics for part in parts):  # of the other task
            continue
        table.add_row(
            label, *(f"{metrics[found]:.4f}" if (found := f"{part}/{key}") in metrics else "-" for part in parts)
        )
    for key, value in metrics.items():
        if key.startswith("test/recall/"):
            table.add_row(f"recall {key.rpartition('/')[2]}", *[""] * (len(parts) - 1), f"{value:.4f}")
    console.print(table)
    if (published := config.get("published")) and "test/wa" in metrics:
        here = f"WA {100 * metrics['test/wa']:.2f} % here ({protocol.partition(';')[0]})"
        about = "about " if published.get("about") else ""
        text = f"Published: WA {about}{published['wa']:.2f} % ({published['how']}); {here}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
