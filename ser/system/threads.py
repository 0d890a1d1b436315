"""Work that threads do ahead of who uses it, in order, and how many threads torch adds to them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

Item, Result = TypeVar("Item"), TypeVar("Result")
_lock = Lock()
_inside, _before = 0, 1  # blocks of `one_thread_each`, and torch's threads before the first of them


def computed_ahead(
    items: Iterable[Item], compute: Callable[[Item], Result], workers: int
) -> Iterator[tuple[Item, Result]]:
    """Each item with its result, in order; a few items more are computed meanwhile.

    Args:
        items: Taken one by one, as they are needed.
        compute: Called in threads; what it raises is raised here, at its item.
        workers: Threads; at most twice as many results wait.
    """
    ahead: deque[tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                ahead.append((item, pool.submit(compute, item)))
                if len(ahead) > 2 * workers:
                    first, result = ahead.popleft()
                    yield first, result.result()
            while ahead:
                first, result = ahead.popleft()
                yield first, result.result()
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Has torch use one thread for each of ours, while any is inside.

    Small batches gain nothing from more threads, and wait long for each other where other programs use the cores: with
    as many programs as cores a batch has taken twenty times as long on two threads as on one.
    """
    global _inside, _before
    import torch

    with _lock:
        if not _inside:
            _before = torch.get_num_threads()
            torch.set_num_threads(1)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                torch.set_num_threads(_before)
