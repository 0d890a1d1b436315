"""`ser.compare`: the ranking and the paired tests of `ser compare` as a DataFrame."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ser.commands.arguments import names
from ser.commands.python.guest import as_a_guest
from ser.commands.python.run import Run

if TYPE_CHECKING:
    from pandas import DataFrame


@as_a_guest
def compare(
    *runs: str | Path | Run | Sequence[str | Path | Run],
    where: str | None = None,
    sort: str | None = None,
    metrics: str | Sequence[str] = (),
    group_by: str | Sequence[str] = (),
    pairs: str = "best",
) -> "DataFrame":
    """Finished runs side by side, a row a configuration, ranked, and which differences are more than chance.

    Args:
        runs: Folders of runs, run directories, patterns such as `"runs/ravdess-*"`, or runs; by default `runs`.
        where: Only runs for which it is true: `"model=cnn2d and optimizer.lr<1e-3"`.
        sort: Figure or setting; default the runs' validation metric, best first.
        metrics: Figures; default what sorts, and UAR, WA and macro F1 of test.
        group_by: A row for each value of these keys.
        pairs: Paired tests: `best` (the first row against each other), `all` (in `attrs["pairs"]`), `none`.

    Returns:
        A row a configuration: rank, settings that differ, mean (and `/std`) of each figure over its runs; `difference`
        of UAR between the first row and this one with its 95 % interval `low`, `high`, the corrected `p_holm`, and the
        `verdict`. `attrs` has all `pairs`, and `remarks`.

    Raises:
        UserError: No run, or the question names a figure or a setting that no run has.
    """
    from ser.commands.python.frames import comparison_frame
    from ser.comparison.comparing import Question
    from ser.comparison.comparing import compare as compared
    from ser.comparison.conditions import Condition

    listed = [run for given in runs for run in ([given] if isinstance(given, str | Path | Run) else given)]
    places = [run.path if isinstance(run, Run) else Path(run).expanduser() for run in listed]
    question = Question(
        None if where is None else Condition(where, "where"), _names(metrics), sort, _names(group_by), pairs
    )
    return comparison_frame(compared(places or ["runs"], question))


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(names(given if isinstance(given, str) else ",".join(given)))
