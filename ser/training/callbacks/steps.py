"""Removes Lightning's unused work around each step, which for a small model takes a third of an epoch.

Lightning calls every hook of every callback in every step, each inside a profiler's context, even if it does
nothing. It skips attributes that are not functions.
"""

from contextlib import AbstractContextManager, nullcontext

from pytorch_lightning import Callback
from pytorch_lightning.profilers import PassThroughProfiler

_NOTHING = nullcontext()


class EpochCallback(Callback):
    """A callback without hooks in a step; a subclass with one defines it again."""

    on_train_batch_start = None
    on_train_batch_end = None
    on_before_zero_grad = None
    on_before_backward = None
    on_after_backward = None
    on_before_optimizer_step = None
    on_validation_batch_start = None
    on_validation_batch_end = None


class NoProfiler(PassThroughProfiler):
    """Lightning's profiler that measures nothing, without making a generator for each of forty places in a step."""

    def profile(self, action_name: str) -> AbstractContextManager:
        """One shared context that does nothing."""
        return _NOTHING
