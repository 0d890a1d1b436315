"""What Lightning does around each step and nobody here needs, taken out: for a small model it is a third of an epoch.

Lightning calls every hook of every callback in every step, each inside a profiler's context, whether or not it does
anything. It passes over what is no function.
"""

from contextlib import AbstractContextManager, nullcontext

from pytorch_lightning import Callback
from pytorch_lightning.profilers import PassThroughProfiler

_NOTHING = nullcontext()


class EpochCallback(Callback):
    """A callback with nothing to do in a step; one that has defines the hook anew."""

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
        """One context for all that does nothing."""
        return _NOTHING
