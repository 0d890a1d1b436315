"""What dropout draws from where several runs train in one process: each has a state of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ser.system.turns import alone


class OwnDraws:
    """A run's state of the generator that dropout draws from, which is the process's (of a GPU: the device's).

    A CUDA graph that is recorded inside `in_place` goes on drawing from this state wherever it is replayed.

    Args:
        device: Where the run computes.
    """

    def __init__(self, device: torch.device):
        self._own = torch.Generator(device)

    def seed(self, seed: int) -> None:
        """Begins anew."""
        self._own.manual_seed(seed)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Draws inside the block are this run's; other threads wait for the end of theirs."""
        with alone():
            if self._own.device.type == "cuda":
                everyones = torch.cuda.default_generators[self._own.device.index or 0]
                before = everyones.graphsafe_get_state()
                everyones.graphsafe_set_state(self._own)
                try:
                    yield
                finally:
                    everyones.graphsafe_set_state(before)
                return
            before = torch.default_generator.get_state()
            torch.default_generator.set_state(self._own.get_state())
            try:
                yield
            finally:
                self._own.set_state(torch.default_generator.get_state())
                torch.default_generator.set_state(before)
