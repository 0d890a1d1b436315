"""A notebook's output while a run is trained: text in one piece, and lines of progress that change in place.

Rich's own way makes an output of each line, and needs ipywidgets for a bar.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from rich.console import Console

from ser.system.clock import clock

T = TypeVar("T")
WIDTH = 110  # letters
BAR = 30  # letters
FIRST_S = 0.5  # what is done sooner shows no line
EVERY_S = 0.2  # between two changes of a line


class NotebookConsole(Console):
    """A console that prints into the output of a notebook's cell.

    Args:
        quiet: Prints nothing, and shows no progress.
        text: Whether it prints, beside lines of progress.
    """

    def __init__(self, quiet: bool = False, text: bool = True):
        super().__init__(force_jupyter=False, force_terminal=False, width=WIDTH, quiet=quiet)
        self._text = text

    def print(self, *objects: Any, **style: Any) -> None:
        """As of `Console`, where text is wanted."""
        if self._text:
            super().print(*objects, **style)

    def counted(self, items: Iterable[T], what: str, total: int) -> Iterator[T]:
        """The items, with a line that counts them."""
        line = ProgressLine(self, what, total)
        for done, item in enumerate(items, start=1):
            yield item
            line.show(min(done, total - 1))
        line.show(total)  # there may have been fewer


class ProgressLine:
    """One line: `epoch 12/80 ━━━━━╌╌╌╌╌╌╌ val/uar 0.512, 0:41 left`.

    Args:
        console: Whether it is quiet.
        what: Is counted.
        total: How many there are.
        done: Of these, before.
    """

    def __init__(self, console: Console, what: str, total: int, done: int = 0):
        self._quiet, self._what, self._total, self._before = console.quiet, what, max(total, 1), done
        self._begun = time.monotonic()
        self._shown_at = self._begun + FIRST_S - EVERY_S
        self._display = None

    def show(self, done: int, words: str = "") -> None:
        """Shows how far it is, unless a moment ago it did.

        Args:
            done: So many.
            words: Behind the bar.
        """
        now = time.monotonic()
        last = done >= self._total and self._display is not None
        if self._quiet or (now - self._shown_at < EVERY_S and not last):
            return
        from IPython.display import display

        self._shown_at = now
        text = {"text/plain": self._text(done, words, now - self._begun)}
        if self._display is None:
            self._display = display(text, raw=True, display_id=True)
        else:
            self._display.update(text, raw=True)

    def _text(self, done: int, words: str, seconds: float) -> str:
        full = min(BAR, BAR * done // self._total)
        left = seconds * (self._total - done) / max(1, done - self._before)
        time_words = f"{clock(left)} left" if done < self._total else clock(seconds)
        bar = "━" * full + "╌" * (BAR - full)
        return f"{self._what} {done}/{self._total} {bar} {', '.join(filter(None, [words, time_words]))}"
