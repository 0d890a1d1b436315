"""Calls inside somebody else's process, such as a notebook's kernel: their errors, and what they leave behind."""

import functools
import logging
import os
import random
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from ser.errors import Interrupted, UserError, in_words
from ser.system.without_warnings import without_warnings

F = TypeVar("F", bound=Callable[..., Any])
VARIABLES = (  # that Lightning and torch set for a run
    "PL_GLOBAL_SEED", "PL_SEED_WORKERS", "CUBLAS_WORKSPACE_CONFIG", "PYTORCH_NVML_BASED_CUDA_CHECK",
    "TORCHINDUCTOR_CACHE_DIR",
)  # fmt: skip


def as_a_guest(function: F) -> F:
    """Gives a function's errors in the user's words, and hides warnings of libraries.

    What the user can fix is a `UserError` with the sentence that the command prints (SER_TRACEBACK=1 shows where it
    came from), Ctrl-C and a notebook's stop button are a `KeyboardInterrupt` that says how to continue. Both are raised
    here: a traceback from further inside would keep the model and its data in memory.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            with without_warnings():
                return function(*args, **kwargs)
        except Interrupted as interrupted:
            how = (interrupted.how_to_continue or "Interrupted before training began").rstrip(".")
            signum, failure = interrupted.signum, KeyboardInterrupt(f"{how} (in Python: the same call).")
        except SystemExit as error:  # Lightning's answer to a KeyboardInterrupt that is raised inside it
            if not isinstance(error.__context__, KeyboardInterrupt):
                raise
            signum, failure = signal.SIGINT, KeyboardInterrupt("Interrupted. The same call continues.")
        except Exception as error:
            words = in_words(error)
            if words is None or os.environ.get("SER_TRACEBACK"):
                raise
            signum, failure = None, UserError(words)
        if signum not in (None, signal.SIGINT):
            signal.raise_signal(signum)  # SIGTERM, for whoever handles it outside: by default the process ends
        raise failure

    return call


@contextmanager
def as_found() -> Iterator[None]:
    """Leaves the process as it was found, however the block ends.

    That is random states, torch's switches and threads, loggers, filters of warnings, and variables of the environment.
    Signals, Hydra's state and matplotlib's are restored or left alone where they would be changed.
    """
    state, variables = random.getstate(), {name: os.environ.get(name) for name in VARIABLES}
    with warnings.catch_warnings():  # the filters of what is imported now, too
        import numpy as np

        state_of_numpy = np.random.get_state()
        import torch

        import ser.training.train  # noqa: F401  # Lightning sets up its loggers when it is imported
    loggers = [
        it for it in (logging.root, *logging.Logger.manager.loggerDict.values()) if isinstance(it, logging.Logger)
    ]
    levels = [(logger, logger.level, logger.propagate, logger.handlers[:]) for logger in loggers]
    switches = _switches(torch)
    try:
        with warnings.catch_warnings(), torch.random.fork_rng():
            yield
    finally:
        random.setstate(state)
        np.random.set_state(state_of_numpy)
        for restore, value in switches:
            restore(value)
        for name, value in variables.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})
        for logger, level, propagate, handlers in levels:
            logger.setLevel(level)
            logger.propagate, logger.handlers = propagate, handlers


def _switches(torch: Any) -> list[tuple[Callable[[Any], None], Any]]:
    """What is global in torch and a training sets, each as the function that sets it and its value now."""

    def deterministic(value: tuple[bool, bool]) -> None:
        torch.use_deterministic_algorithms(value[0], warn_only=value[1])

    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    return [
        (torch.set_num_threads, torch.get_num_threads()),
        (torch.set_default_dtype, torch.get_default_dtype()),
        (torch.set_float32_matmul_precision, torch.get_float32_matmul_precision()),
        (deterministic, (torch.are_deterministic_algorithms_enabled(), warns)),
        *(
            (functools.partial(setattr, owner, name), getattr(owner, name))
            for owner, name in (
                (torch.utils.deterministic, "fill_uninitialized_memory"),
                (torch.backends.cudnn, "benchmark"),
                (torch.backends.cudnn, "deterministic"),
            )
        ),
    ]
