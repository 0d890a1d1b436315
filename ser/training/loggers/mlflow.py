"""MLflow without output on the terminal and without open files."""

import functools
import logging
import os
import re
from typing import Any

from pytorch_lightning.loggers import MLFlowLogger

ENVIRONMENT = {  # defaults; the user's values take precedence
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # a missing server is reported in seconds, not in minutes
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",  # a database file is closed after each write
}


class Mlflow(MLFlowLogger):
    """Lightning's logger; a continued run is marked as running again.

    Args:
        run_id: Of the MLflow run to continue; None begins one.
        settings: Of Lightning's `MLFlowLogger`.
    """

    package = "mlflow"

    @functools.wraps(MLFlowLogger.__init__)  # its signature is the schema of the settings
    def __init__(self, run_id: str | None = None, **settings: Any):
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        import mlflow  # noqa: F401 sets the level of its log

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        super().__init__(run_id=run_id, **settings)
        if run_id is not None:
            self.experiment.update_run(run_id, status="RUNNING")

    def log_hyperparams(self, params: dict[str, Any]) -> None:
        """Settings under names that MLflow accepts: `stft@frontend.stft` becomes `stft_frontend.stft`."""
        super().log_hyperparams({re.sub(r"[^\w./ :-]", "_", name): value for name, value in params.items()})
