"""A corpus in the terminal: counts, and the files that deserve a look."""

from rich.console import Console
from rich.table import Table

from ser.reports.exploration.explore import Exploration
from ser.reports.exploration.figures import printable
from ser.reports.exploration.summary import emotion_table, headline, kinds_in_words, suspicious_rows, unknown
from ser.system.names import escaped

MOST_LINES = 20  # suspicious files; the page and the CSV file have them all


def print_exploration(console: Console, exploration: Exploration) -> None:
    """Shows the corpus."""
    facts = headline(exploration)
    title = f"{exploration.corpus}: " + ", ".join(f"{facts[name]} {name}" for name in facts if "," not in name)
    console.print(title, style="bold", markup=False, highlight=False)
    console.print(_table(*emotion_table(exploration)))
    for sentence in (*exploration.notes, *unknown(exploration.recordings)):
        console.print(f"Note: {printable(sentence)}", markup=False, highlight=False)
    found = suspicious_rows(exploration)
    if not found:
        console.print("No file stands out.", highlight=False)
        return
    console.print("Files that deserve a look:", kinds_in_words(exploration.suspicious), style="bold", highlight=False)
    console.print(_table(["file", "why"], found[:MOST_LINES]))
    if len(found) > MOST_LINES:
        console.print(f"… and {len(found) - MOST_LINES} more.", highlight=False)


def _table(header: list[str], rows: list) -> Table:
    table = Table()
    for k, name in enumerate(header):
        table.add_column(escaped(name), justify="right" if k and name != "why" else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escaped(str(cell)) for cell in row))
    return table
