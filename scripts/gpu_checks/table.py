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
    compared = [check for check in found["checks"] if check["found"].startswith("losses")]
    others = [check["check"] for check in found["checks"] if check not in compared and check["passed"]]
    where = ", ".join(sorted({check.get("device", found["device"]) for check in found["checks"]}))
    passed = sum(check["passed"] for check in compared)
    lines += ["", f"{passed} of {len(compared)} options had the losses of eager steps (below 1e-4 apart)."]
    lines += [f"Passed too: {', '.join(others)}."] if others else []
    return "\n".join([*lines, f"Checked on: {where}; torch {found['torch']} (docs/results/gpu/graphs.json)."])
