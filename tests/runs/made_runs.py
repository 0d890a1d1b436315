"""Run directories as `ser train` leaves them, written without training."""

import hashlib
import json
from pathlib import Path

from ser.runs.directory import RunDirectory

CONFIG = {"choices": {"model": "mlp"}, "seed": 0, "optimizer": {"lr": 0.001}, "run": {"dir": "runs"}}
PROTOCOL = "speaker-independent"
METRICS = {"val/uar": 0.5, "val/loss": 1.5, "test/uar": 0.4, "test/wa": 0.45, "epochs": 7, "seconds": 1.25}


def made_run(path: Path, state: str = "finished", identity: str | None = None, **metrics: float) -> Path:
    """A run in the state; of a finished one metrics.json holds `METRICS` and what is given (`__` for `/`).

    Args:
        path: Becomes the run directory.
        state: `finished`, `interrupted`, `failed` or `pruned`.
        identity: Recorded; by default one of its own for each path.
    """
    directory = RunDirectory(path, identity or hashlib.blake2b(str(path).encode(), digest_size=5).hexdigest())
    path.mkdir(parents=True)
    directory.begin(CONFIG, {"git_commit": None, "versions": {}}, PROTOCOL)
    directory.best.write_bytes(b"b" * 1000)
    directory.last.write_bytes(b"l" * 3000)
    (path / "predictions.csv").write_text("path,true,predicted\n")
    (path / "train.log").write_text("".join(f"2026-11-21 10:00:00,000  epoch {i}  val/uar 0.5\n" for i in range(3)))
    if state == "finished":
        given = {name.replace("__", "/"): value for name, value in metrics.items()}
        (path / "metrics.json").write_text(json.dumps(METRICS | given))
        directory.finish()
    elif state == "failed":
        directory.fail("the loss is no number")
    elif state == "pruned":
        directory.prune("behind the median after 3 epochs")
    return path
