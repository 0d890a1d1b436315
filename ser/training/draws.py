"""What dropout draws from: the process's generators, or, where it has several runs, a state of them for each."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from ser.system.turns import alone, is_shared


class ProcessDraws:
    """The generators of the process, and of the device: of a run that has them for itself.

    Args:
        device: Where it computes.
    """

    def __init__(self, device: torch.device):
        self._device = device

    def seed(self, seed: int) -> None:
        """Begins anew."""
        torch.default_generator.manual_seed(seed)
        if self._device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def in_place(self) -> AbstractContextManager:
        """Draws inside the block are this run's, as all are."""
        return nullcontext()


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


def draws_of(device: torch.device) -> ProcessDraws | OwnDraws:
    """Those of a run that computes on a device."""
    return OwnDraws(device) if is_shared() else ProcessDraws(device)
