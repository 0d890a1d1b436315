"""What dropout draws from where several runs train in one process: each has a state of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ser.system.turns import alone


class OwnDraws:
    """A run's states of the generators that dropout and a user's parts draw from: the process's, and the device's.

    A CUDA graph that is recorded inside `in_place` goes on drawing from this state wherever it is replayed.

    Args:
        device: Where the run computes.
    """

    def __init__(self, device: torch.device):
        self._host = torch.Generator()
        self._device = torch.Generator(device) if device.type == "cuda" else None

    def seed(self, seed: int) -> None:
        """Begins anew."""
        for generator in filter(None, (self._host, self._device)):
            generator.manual_seed(seed)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Draws inside the block are this run's; other threads wait for the end of theirs."""
        with alone(), self._on_the_device():
            before = torch.default_generator.get_state()
            torch.default_generator.set_state(self._host.get_state())
            try:
                yield
            finally:
                self._host.set_state(torch.default_generator.get_state())
                torch.default_generator.set_state(before)

    @contextmanager
    def _on_the_device(self) -> Iterator[None]:
        if self._device is None:
            yield
            return
        everyones = torch.cuda.default_generators[self._device.device.index or 0]
        before = everyones.graphsafe_get_state()
        everyones.graphsafe_set_state(self._device)
        try:
            yield
        finally:
            everyones.graphsafe_set_state(before)
