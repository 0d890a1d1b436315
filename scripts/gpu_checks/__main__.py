"""`scripts/check_gpu`: composes every option on CUDA, as graphs and eagerly, and resumes; a table and JSON."""

import json
import sys
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from scripts.gpu_checks.checks import Check, all_checks
from ser.errors import UserError
from ser.runs.environment import describe_environment
from ser.system.files import write_text

HELP = """scripts/check_gpu [--output FILE] [word …]

Trains the demo corpus for two epochs with every option, once with its steps as CUDA graphs and once eagerly, and
compares the loss of each step (1e-4); stops and continues a run; counts where the host waits for the GPU. About five
minutes on one GPU. With words: only checks that hold one of them. Exit codes: 0 all passed, 1 some did not, 2 no GPU.
"""


def main(arguments: list[str]) -> int:
    """Runs the checks; the exit code."""
    if "--help" in arguments or "-h" in arguments:
        print(HELP)
        return 0
    output = None
    if "--output" in arguments:
        place = arguments.index("--output")
        if place + 1 == len(arguments):
            raise UserError("--output needs a file.")
        output = Path(arguments[place + 1])
        arguments = [*arguments[:place], *arguments[place + 2 :]]
    checks = list(all_checks(arguments))
    if not checks:
        raise UserError(f"No check holds {' or '.join(arguments)}: scripts/check_gpu without words does them all.")
    if not torch.cuda.is_available():
        raise UserError("scripts/check_gpu needs a GPU, and torch finds no CUDA device here.")
    console, rows = Console(width=160), []
    for name, check in checks:
        start = time.monotonic()
        try:
            row = check()
        except Exception as error:  # the next check may pass, and the table shows all of them
            row = Check(False, f"{type(error).__name__}: {error}"[:300])
        rows.append({"check": name, "passed": row.passed, "found": row.found, "seconds": time.monotonic() - start})
        console.print(f"{'passed' if row.passed else 'FAILED'}  {name}: {row.found}", markup=False, highlight=False)
        if output is not None:
            environment = describe_environment(torch.cuda.get_device_name(), torch.get_num_threads())
            write_text(output, json.dumps({"environment": environment, "checks": rows}, indent=2) + "\n")
    failed = [row["check"] for row in rows if not row["passed"]]
    table = Table("checks", "passed", "failed")
    table.add_row(str(len(rows)), str(len(rows) - len(failed)), ", ".join(failed))
    console.print(table)
    return int(bool(failed))


if __name__ == "__main__":
    from ser.cli import guarded

    sys.exit(guarded(main, sys.argv[1:]))
