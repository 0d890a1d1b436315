"""Settings added to the user's for Hydra's launchers: jobs at a time, and the places of their own files."""

import os
from pathlib import Path
from typing import Any

from ser.sweeps.devices import Packing

A_WEEK = 7 * 24 * 60  # minutes
# by launcher: setting, the launcher's own default (anything else was chosen by the user), and ours
DEFAULTS = {
    "joblib": (("batch_size", "auto", 1),),  # jobs are long: a worker gets one at a time
    "submitit_local": (("timeout_min", 60, A_WEEK), ("name", "${hydra.job.name}", "ser")),
    # a job that the time limit ends is queued again, and continues
    "submitit_slurm": (("max_num_timeout", 0, 3), ("name", "${hydra.job.name}", "ser")),
}


def asked_for(launcher: str, settings: dict[str, Any]) -> int | None:
    """Jobs at a time that the user asked for; None where it is left open."""
    asked = settings.get("n_jobs") if launcher == "joblib" else None
    return asked if isinstance(asked, int) and asked > 0 else None


def settings_for(launcher: str, settings: dict[str, Any], packing: Packing, folder: Path) -> list[str]:
    """Overrides of Hydra's settings for a launch.

    Args:
        launcher: Its name.
        settings: As composed.
        packing: How jobs share this machine.
        folder: The sweep's.
    """
    quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
    found = [f"hydra.sweep.dir='{quoted}'"]
    if launcher == "joblib":
        found.append(f"hydra.launcher.n_jobs={packing.parallel}")
        if packing.parallel != 1:  # one job at a time is trained in this process
            first = f"{{_target_: ser.sweeps.task.begin_worker, _partial_: true, parent: {os.getpid()}}}"
            found.append(f"+hydra.launcher.initializer={first}")
    for key, default, ours in DEFAULTS.get(launcher, ()):
        if settings.get(key) == default:
            found.append(f"hydra.launcher.{key}={ours}")
    return found
