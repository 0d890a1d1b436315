"""CUDA graphs: what the host would launch kernel by kernel is recorded once, and replayed with one launch.

Nothing recorded may wait for the device, nor may its sizes depend on values: it is first done a few times eagerly, the
last time with torch's check for waits.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ser.system.memory import is_out_of_memory
from ser.system.turns import is_shared

WARM_UPS = 3  # before recording: cuBLAS and cuDNN choose and allocate in the first ones

_broken: list[torch.cuda.CUDAGraph] = []  # older versions of torch ask such a graph at each allocation, for ever


class NotCaptured(Exception):
    """Why a step cannot be a graph, in words that end a sentence."""


class BrokenCapture(NotCaptured):
    """Why recording a step failed halfway, which may leave torch's memory and generators as if it went on."""


class Recorder:
    """Makes the CUDA graphs of a run, whose memory is shared: they are replayed one after the other."""

    def __init__(self):
        self.pool = torch.cuda.graph_pool_handle()
        self._made: list[torch.cuda.CUDAGraph] = []

    def record(
        self, work: Callable[[], Any], generator: torch.Generator | None = None
    ) -> tuple[Callable[[], None], Any]:
        """What does the same once more with the tensors that the work reads and writes; and its result, a tensor that
        is written each time.

        Args:
            work: Is done a few times.
            generator: It draws from this one, besides the device's own.

        Raises:
            NotCaptured: Why it cannot be.
        """
        graph = torch.cuda.CUDAGraph()
        if generator is not None:
            graph.register_generator_state(generator)
        try:
            self._warm_up(work)
            with _garbage_waits():
                result = self._recorded(graph, work)
        except RuntimeError as error:
            no_room = next((it for it in (error, error.__context__) if is_out_of_memory(it)), None)
            if no_room is None:
                _broken.append(graph)
                first = error.__context__ if isinstance(error.__context__, RuntimeError) else error
                raise BrokenCapture(f"it fails as a graph ({_first_line(first)})") from error
            if is_shared():
                raise no_room from None  # it is trained again when fewer runs are beside it
            raise NotCaptured("the GPU has no memory for a graph") from error
        self._made.append(graph)
        return graph.replay, result

    def release(self) -> None:
        """Says that a part of the graphs is replayed no more.

        Where several runs share a process they all stay: the end of one would free the memory in which cuBLAS works for
        the others of its stream.
        """
        if not is_shared():
            self._made.clear()
            self.pool = torch.cuda.graph_pool_handle()  # torch takes no pool again whose graphs have all ended

    def _recorded(self, graph: torch.cuda.CUDAGraph, work: Callable[[], Any]) -> Any:
        """The result of the work, which is recorded.

        Beside other runs without the wait for the whole GPU of `torch.cuda.graph`: four runs leave it no pause, and the
        fifth was recorded when they had ended (seen on an H200).
        """
        if not is_shared():
            with torch.cuda.graph(graph, self.pool, self._stream(), capture_error_mode="thread_local"):
                return work()
        torch.cuda.empty_cache()  # where memory is short (`keep_freed_gpu_memory`): nothing can be while recording
        with torch.cuda.stream(self._stream()):
            graph.capture_begin(self.pool, capture_error_mode="thread_local")
            try:
                return work()
            finally:
                graph.capture_end()

    def _warm_up(self, work: Callable[[], Any]) -> None:
        side = self._stream()
        side.wait_stream(torch.cuda.current_stream())
        before = torch.cuda.get_sync_debug_mode()
        with torch.cuda.stream(side):
            try:
                for i in range(WARM_UPS):
                    if i == WARM_UPS - 1 and not is_shared():  # the check is for all threads, and others may wait
                        torch.cuda.set_sync_debug_mode("error")
                    work()
            except RuntimeError as error:
                of_the_gpu = is_out_of_memory(error) or isinstance(error, torch.AcceleratorError)
                if of_the_gpu or str(error).startswith(("CUDA error", "cuDNN error")):
                    raise
                raise NotCaptured(f"a step fails or waits ({_first_line(error)})") from error  # eagerly, it does so too
            finally:
                torch.cuda.set_sync_debug_mode(before)
        torch.cuda.current_stream().wait_stream(side)

    @staticmethod
    def _stream() -> torch.cuda.Stream:
        """Where steps are recorded. cuBLAS has memory to work in for each stream: where several runs share a process, a
        run's own stream is the one that no other graph was recorded on, so that none works in its memory.
        """
        return torch.cuda.current_stream() if is_shared() else torch.cuda.Stream()


@contextmanager
def _garbage_waits() -> Iterator[None]:
    """A graph that nobody holds is not destroyed inside the block: CUDA takes that for a part of what is recorded."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
