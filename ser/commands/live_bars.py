"""Probabilities of live sound as bars in the terminal."""

import time
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ser.inference.live import Moment
from ser.system.clock import clock
from ser.system.names import printable

LEAST_S = 0.05  # between two pictures: a stream that comes faster than time would only draw


def show(moments: Iterable[Moment], classes: Sequence[str], console: Console | None = None) -> None:
    """Draws each moment over the one before, to the end of the stream."""
    shares, drawn, latest = dict.fromkeys(classes, 0.0), 0.0, None
    with Live(console=console, auto_refresh=False) as live:
        for latest in moments:
            shares = latest.probabilities or shares
            if (now := time.monotonic()) - drawn >= LEAST_S:
                live.update(bars(latest, shares), refresh=True)
                drawn = now
        if latest is not None:
            live.update(bars(latest, shares), refresh=True)


def bars(moment: Moment, shares: dict[str, float]) -> Table:
    """One picture: time and emotion, and a bar a class; grey in a pause.

    Args:
        moment: The newest.
        shares: The last known probabilities.
    """
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right")
    table.add_column(width=40)
    table.add_column(justify="right", width=5)
    is_pause = moment.emotion is None
    table.add_row(clock(moment.time, 1), Text("pause" if is_pause else printable(moment.emotion), style="bold"), "")
    for name, share in shares.items():
        colour = "grey50" if is_pause else "green" if name == moment.emotion else "blue"
        bar = ProgressBar(total=1.0, completed=share, width=40, complete_style=colour, finished_style=colour)
        table.add_row(printable(name), bar, Text(f"{100 * share:.0f} %", style="grey50" if is_pause else ""))
    return table
