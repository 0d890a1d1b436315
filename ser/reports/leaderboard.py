"""The page of a leaderboard: the ranking, a picture of it, the paired tests, and what was left out."""

from pathlib import Path

from ser.comparison.leaderboard import Leaderboard, Recipe, value_in
from ser.comparison.leaderboard_table import figure_cell, sheet_of
from ser.comparison.published import METRICS
from ser.reports.comparison_figures import short
from ser.reports.figures import BLUE, GREY, ORANGE, Picture, blank, light_grid, png_of
from ser.reports.page import Page, figure, note, table, text
from ser.system.files import write_text

LONGEST = 32  # letters of a name in the picture


def write_leaderboard(path: Path, board: Leaderboard) -> None:
    """Writes the page, which is self-contained.

    Raises:
        UserError: The file cannot be written.
    """
    sheet = sheet_of(board)
    page = Page(f"{board.group.facts.corpus}, {board.group.name}", sheet.title)
    picture = intervals(board, sheet.stamp)
    page.section("Ranking", table(sheet.header, sheet.rows, f"By {METRICS[board.metric]} of test", sheet.stamp))
    page.section("Intervals", figure(picture.png, picture.alt, picture.caption))
    if sheet.pairs:
        page.section("Paired tests", table(sheet.pairs_header, sheet.pairs, "Recipes of ours", sheet.stamp))
    page.section("How to read it", *map(text, sheet.notes))
    if board.asides:
        page.section("Left out", *map(note, board.asides))
    write_text(path, page.html())


def intervals(board: Leaderboard, stamp: str) -> Picture:
    """Each line's figure on one axis: ours with the interval, published ones as points.

    Args:
        board: With the metric on at least one line.
        stamp: Of the split.
    """
    name = METRICS[board.metric]
    lines = [(place, line) for place, line in enumerate(board.lines, start=1) if value_in(line, board.metric) >= 0]
    drawn = blank(0.9 + 0.2 * len(lines), stamp)
    axes = drawn.subplots()
    words = []
    for place, line in lines:
        value = value_in(line, board.metric)
        if isinstance(line, Recipe):
            it = line.figures[board.metric]
            if it.low is not None:
                axes.plot([100 * it.low, 100 * it.high], [place, place], color=BLUE, lw=2.2, solid_capstyle="butt")
            axes.plot([value], [place], "o", color=BLUE, ms=5)
            words.append(f"{line.name} {figure_cell(it)}")
        else:
            axes.plot([value], [place], "D", color=ORANGE, ms=4.5)
            words.append(f"{line.system}, published, {value:.1f}")
    best = board.best.figures[board.metric]
    if best.low is not None:
        axes.axvspan(100 * best.low, 100 * best.high, color=BLUE, alpha=0.08, lw=0)
    names = [line.name if isinstance(line, Recipe) else line.system for _, line in lines]
    places = [place for place, _ in lines]
    axes.invert_yaxis()
    light_grid(axes)
    axes.set_yticks(places, [f"{short(it, LONGEST)}  {at}" for it, at in zip(names, places, strict=True)], fontsize=6.5)
    axes.set_xlabel(f"{name} of test, %", fontsize=8, color=GREY)
    alt = f"{name} of test in percent: {'; '.join(words)}."
    caption = "Blue: ours, with the 95 % interval; orange: published. The band is the interval of our best"
    return Picture("leaderboard", png_of(drawn), alt, caption)
