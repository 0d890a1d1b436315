"""From the start of the process to the end of the first training step, against importing torch and Lightning alone."""

import subprocess
import sys
import tempfile

from scripts.benchmarks.data import dataset_arguments
from scripts.benchmarks.measure import Row, compare, in_turns, seconds
from ser.errors import UserError

# `ser train` in a process of its own, ended by force when the first step is done
FIRST_STEP = """
import os, sys
from ser.cli import main

def leave(self, *args):
    os._exit(0)

if "train" in sys.argv:
    import ser.training.module
    ser.training.module.EmotionClassifier.on_train_batch_end = leave
main(sys.argv[1:])
os._exit(3)
"""
IMPORTS = "import os, torch, pytorch_lightning; os._exit(0)"
TARGET = "≤ 1.5"


def run(rounds: int = 5) -> list[Row]:
    """Times `ser train` on RAVDESS with everything decoded and computed before, for the three models."""
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for model in ("cnn2d", "mlp"):
            words = [f"model={model}", f"run.dir={folder}", "run.rerun=true"]
            arguments = ["train", *dataset_arguments("ravdess"), *words]
            ours, theirs = in_turns(
                lambda arguments=arguments: seconds(lambda: _start(FIRST_STEP, *arguments)),
                lambda: seconds(lambda: _start(IMPORTS)),
                rounds,
            )
            what = f"start of `ser train model={model}` to the first step, store warm"
            rows.append(compare(what, "importing torch and Lightning", ours, theirs, "s", "times the time", TARGET))
        return rows


def _start(code: str, *arguments: str) -> None:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"ser {' '.join(arguments)} ended with {done.returncode}: {done.stderr[-500:]}")
