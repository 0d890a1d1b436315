"""Warnings of libraries, which are for programmers, are hidden from users."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_warnings() -> Iterator[None]:
    """Hides warnings of libraries inside the block; `python -W` and PYTHONWARNINGS show them."""
    if sys.warnoptions:
        yield
        return
    least = logging.lastResort.level
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = "ignore"  # for the processes that a sweep or several devices start
    logging.lastResort.setLevel(logging.ERROR)  # matplotlib's way to warn
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda *warning: None  # filters would not do: libraries set their own
            yield
    finally:
        logging.lastResort.setLevel(least)
        os.environ.pop("PYTHONWARNINGS", None)
        if before is not None:
            os.environ["PYTHONWARNINGS"] = before
