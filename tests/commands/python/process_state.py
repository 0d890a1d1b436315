"""What a process has that is global, to be compared before and after a call."""

import logging
import os
import random
import signal
import sys
import threading
import warnings

import matplotlib
import numpy as np
import pandas
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.version import VersionBase
from omegaconf import OmegaConf


def process_state() -> dict:
    """Everything that a training, a composition or a drawing might change."""
    loggers = {name: it for name, it in logging.root.manager.loggerDict.items() if isinstance(it, logging.Logger)}
    return {
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "arguments": (list(sys.argv), list(sys.path)),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "hooks": (sys.excepthook, sys.displayhook, threading.excepthook),
        "threads": {thread.name for thread in threading.enumerate()},
        "warnings": (list(warnings.filters), warnings.showwarning),
        "loggers": {
            name: (it.level, it.propagate, it.disabled, list(it.handlers))
            for name, it in {"": logging.root, **loggers}.items()
        },
        "last resort": logging.lastResort.level,
        "random": random.getstate(),
        "NumPy": (np.random.get_state()[1].tolist(), np.random.get_state()[2], np.geterr()),
        "torch": {
            "random": torch.get_rng_state().tolist(),
            "threads": torch.get_num_threads(),
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "fills": torch.utils.deterministic.fill_uninitialized_memory,
            "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
            "type": torch.get_default_dtype(),
            "products": torch.get_float32_matmul_precision(),
            "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_anomaly_enabled()),
        },
        "matplotlib": {key: dict.__getitem__(matplotlib.rcParams, key) for key in matplotlib.rcParams},
        "pandas": pandas.get_option("display.max_columns"),
        "Hydra": (GlobalHydra.instance(), GlobalHydra.instance().hydra, HydraConfig.instance().cfg),
        "Hydra's version": VersionBase.instance().version_base,
        "resolvers": [name for name in ("now", "hydra", "python_version") if OmegaConf.has_resolver(name)],
    }


def changed(before: dict, after: dict) -> dict:
    """What differs; loggers that came with an import are new, and none of what was there before."""
    known = {name: it for name, it in after["loggers"].items() if name in before["loggers"]}
    after = {**after, "loggers": known}
    return {key: (before[key], after[key]) for key in before if before[key] != after[key]}
