"""A leaderboard as cells of text, for the terminal, Markdown, LaTeX and the page."""

from ser.comparison.conditions import is_number
from ser.comparison.leaderboard import Leaderboard, Recipe, position, value_in
from ser.comparison.published import METRICS, Published
from ser.comparison.rows import Spread
from ser.comparison.sections import runs_in_words
from ser.comparison.significance import Pair
from ser.comparison.text_tables import Sheet, cost_cell, difference_cell, p_cell
from ser.evaluation.confidence import Estimate

POINTS = {"scale": 100, "style": "+.1f"}
PAIRS = ("pair", "first", "second", "difference", "test", "p", "p (Holm)", "verdict")
READ = (
    "Brackets: the 95 % interval, from resampled speakers, of the mean over a recipe's trainings. Differences are in "
    "points of {metric}.",
    "Two of our recipes are compared over the speakers that both were tested on, by Wilcoxon's signed-rank test; p is "
    "corrected by Holm over all pairs of recipes ({count}).",
    "A published figure is compared with the interval of ours: above, inside or below it. That is no test of the "
    "difference, since its predictions are not known; inside does not mean equal.",
)
UNPUBLISHED = "No published system of this protocol is known; --published FILE adds some."


def sheet_of(board: Leaderboard) -> Sheet:
    """The ranking with distances to our best and to a published system, and the paired tests."""
    facts, about = board.group.facts, board.group.protocol and board.group.protocol.about
    words = [facts.corpus, board.group.name, f"{len(facts.emotions)} classes", f"{facts.recordings} recordings"]
    named = {"uar", "wa", board.metric}.union(*(it.figures for it in board.lines if isinstance(it, Published)))
    metrics = [name for name in METRICS if name in named]
    header = ["#", "system", *(f"{METRICS[name]}, %" for name in metrics)]
    header.append(f"to {board.lines.index(board.best) + 1}, our best")
    if board.against is not None:
        header.append(f"to {board.lines.index(board.against) + 1}, {board.against.system}")
    header += ["pretrained", "runs", "parameters", "published"]
    rows = [_row(board, place, line, metrics) for place, line in enumerate(board.lines, start=1)]
    published = any(isinstance(line, Published) for line in board.lines)
    counted = {"metric": METRICS[board.metric], "count": len(board.pairs)}
    notes = [READ[0], *READ[1:2] * bool(board.pairs), *READ[2:] * published, *[UNPUBLISHED] * (not published)]
    return Sheet(
        ", ".join([*words, *([about] if about else [])]),
        board.stamp,
        2,
        tuple(header),
        tuple(rows),
        PAIRS,
        tuple(map(_pair, board.pairs)),
        tuple(pair.better for pair in board.pairs),
        tuple(note.format(**counted) for note in notes),
    )


def figure_cell(estimate: Estimate) -> str:
    """`68.6 (63.2 to 73.6)`, in percent."""
    limits = "" if estimate.low is None else f" ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"
    return "–" if estimate.value != estimate.value else f"{100 * estimate.value:.1f}{limits}"


def _row(board: Leaderboard, place: int, line: Recipe | Published, metrics: list[str]) -> tuple[str, ...]:
    if isinstance(line, Published):
        cells = [line.system, *(f"{line.figures[name]:.1f}" if name in line.figures else "–" for name in metrics)]
        about = ["–", "–", line.reference]
    else:
        sizes = [run.metrics["num_parameters"] for run in line.runs if is_number(run.metrics.get("num_parameters"))]
        cells = [line.name, *(figure_cell(line.figures[name]) for name in metrics)]
        about = [runs_in_words(line.runs), cost_cell("num_parameters", Spread.of(sizes)), "–"]
    others = [board.best] if board.against is None else [board.best, board.against]
    distances = [_distance(board, line, other) for other in others]
    return (str(place), *cells, *distances, "yes" if line.pretrained else "no", *about)


def _distance(board: Leaderboard, line: Recipe | Published, other: Recipe | Published) -> str:
    """A line less another: tested where both are ours, else with the published one's place beside our interval."""
    ours, theirs = value_in(line, board.metric), value_in(other, board.metric)
    if line is other or float("-inf") in (ours, theirs):
        return "–"
    if isinstance(line, Recipe) and isinstance(other, Recipe):
        places = sorted(board.lines.index(it) + 1 for it in (line, other))
        pair = next(it for it in board.pairs if [it.first, it.second] == places)
        test = f", p {p_cell(pair.corrected)}" if pair.corrected is not None else ""
        return f"{ours - theirs:+.1f}{test}: {_verdict(pair, brief=True)}"
    place = ""
    if isinstance(line, Published) != isinstance(other, Published):
        recipe, published = (line, theirs) if isinstance(line, Recipe) else (other, ours)
        place = position(published, recipe.figures[board.metric])
        place = f": {'published ' * (line is recipe)}{place} the interval" if place else ": no interval"
    return f"{ours - theirs:+.1f}{place}"


def _verdict(pair: Pair, brief: bool = False) -> str:
    if pair.p is None:
        return f"not tested ({pair.difference.remark})" if pair.difference.remark else "not tested"
    return "distinguishable" if brief and pair.distinguishable else pair.verdict


def _pair(pair: Pair) -> tuple[str, ...]:
    return (
        f"{pair.first}–{pair.second}", *pair.names, difference_cell(pair, **POINTS), pair.test or "–", p_cell(pair.p),
        p_cell(pair.corrected), _verdict(pair),
    )  # fmt: skip
