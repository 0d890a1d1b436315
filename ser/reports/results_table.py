"""Tables of the README, made from results files."""

import statistics

from ser.errors import UserError


def table(results: dict) -> str:
    """Markdown: mean of test UAR and WA in per cent, ± the standard deviation over seeds where there are several."""
    lines = ["| run | seeds | test UAR, % | test WA, % | minutes a run |", "|---|---|---|---|---|"]
    for row in results["rows"]:
        metrics = [run["metrics"] for run in row["runs"]]
        cells = [_mean([100 * figures[f"test/{name}"] for figures in metrics]) for name in ("uar", "wa")]
        minutes = statistics.mean(figures["seconds"] for figures in metrics) / 60
        lines.append(f"| {row['label']} | {len(metrics)} | {cells[0]} | {cells[1]} | {minutes:.1f} |")
    hardware = {
        (run["environment"]["device"], run["environment"]["threads"]) for row in results["rows"] for run in row["runs"]
    }
    where = "; ".join(f"{device}, {threads} threads" for device, threads in sorted(hardware))
    return "\n".join([*lines, "", f"Measured on: {where} (docs/results/{results['series']}.json)."])


def with_table(readme: str, results: dict) -> str:
    """The README with the series' table between its two marks.

    Raises:
        UserError: The marks are missing.
    """
    begin, end = (f"<!-- {results['series']} {word} -->" for word in ("begin", "end"))
    if begin not in readme or end not in readme:
        raise UserError(f"The README has no place for this table: it needs {begin} and {end}.")
    before, after = readme.split(begin)[0], readme.split(end)[1]
    return f"{before}{begin}\n{table(results)}\n{end}{after}"


def _mean(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}"
