"""`scripts/benchmark`: measures what the framework costs against what it replaces, and keeps the figures as JSON."""

import importlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from scripts.benchmarks import BENCHMARKS
from ser.errors import UserError, did_you_mean
from ser.system.files import write_text

HELP = """scripts/benchmark <name> …   or: scripts/benchmark all

Prints ours, theirs, their ratio and its spread (medians of rounds in turns), writes
docs/results/performance/<name>.json, and the table of docs/performance.md from all of them. Uses RAVDESS and TESS
where they are found ($SER_DATA, ../shared/data, data), else the demo corpus. Leave the machine alone meanwhile.

{names}
"""


def main(arguments: list[str]) -> int:
    """Runs benchmarks in the checkout that is the working folder."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(HELP.format(names="\n".join(f"  {name:<9} {line}" for name, line in BENCHMARKS.items())))
        return 0
    for name in arguments:
        if name not in (*BENCHMARKS, "all"):
            raise UserError(f"There is no benchmark '{name}'. {did_you_mean(name, [*BENCHMARKS, 'all'])}")
    benchmark(list(BENCHMARKS) if "all" in arguments else arguments, Path.cwd())
    return 0


def benchmark(names: Sequence[str], folder: Path) -> None:
    """Measures, prints and keeps.

    Args:
        names: Of `BENCHMARKS`.
        folder: The checkout.
    """
    from rich.console import Console

    from scripts.benchmarks.table import print_benchmark
    from scripts.generated import refresh

    console = Console(width=None if sys.stdout.isatty() else 160)
    results = folder / "docs" / "results" / "performance"
    results.mkdir(parents=True, exist_ok=True)
    for name in names:
        rows = measure(name)
        print_benchmark(console, name, rows)
        kept = {"benchmark": name, "environment": _environment(), "rows": rows}
        write_text(results / f"{name}.json", json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
    refresh(folder)


def measure(name: str) -> list[dict]:
    """The rows of one benchmark, as plain data."""
    return [asdict(row) for row in importlib.import_module(f"scripts.benchmarks.{name}").run()]


def _environment() -> dict:
    import torch

    from ser.runs.environment import describe_environment
    from ser.training.trainer import device_name

    return describe_environment(device_name({"accelerator": "auto", "devices": 1}), torch.get_num_threads())


if __name__ == "__main__":
    from ser.cli import guarded

    sys.exit(guarded(main, sys.argv[1:]))
