"""The table of what was measured with CUDA graphs."""

from typing import Any


def markdown(found: dict[str, Any]) -> str:
    """Markdown of docs/results/gpu/graphs.json: seconds of 100 epochs, and how many options were compared.

    Args:
        found: The file's content.
    """
    lines = ["| 100 epochs of | CUDA graphs | eager | GPU |", "|---|---|---|---|"]
    for row in found["timings"]:
        eager = row.get("eager_s_per_100_epochs")
        cells = [row["what"], f"{row['graphs_s_per_100_epochs']} s", f"{eager} s" if eager else "–", row["device"]]
        lines.append(f"| {' | '.join(cells)} |")
    passed, where = sum(check["passed"] for check in found["checks"]), f"{found['device']}, torch {found['torch']}"
    lines += ["", f"{passed} of {len(found['checks'])} options had the losses of eager steps (below 1e-4 apart)."]
    return "\n".join([*lines, f"Compared on: {where} (docs/results/gpu/graphs.json)."])
