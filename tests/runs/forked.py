"""`ser` in a process of its own that starts at once: a copy of one that has torch in memory and does nothing else.

The test's own process is not copied: a lock that one of its threads holds (a kernel's, a web server's) would be held in
the copy for ever.
"""

import multiprocessing
import os
import pkgutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["ser.commands.train", "ser.training.train", "ser.training.results", "ser.training.loggers.lightning"]
)


def call(function: Callable[..., int], *arguments: Any, folder: Path) -> BaseProcess:
    """Starts a function of a module, with this process's variables, in `folder`; it gives the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    process = CONTEXT.Process(target=_call, args=(dict(os.environ), folder, function, arguments))
    process.start()
    return process


def start(command: Sequence[str], folder: Path, patches: Mapping[str, Any] | None = None) -> BaseProcess:
    """Starts the command line in `folder`; what it prints goes to `folder/<process>.out`.

    Args:
        command: What is typed behind `ser`.
        folder: Is made.
        patches: `module:Class.name` or `module:name` → what takes its place there: a function of a module, or a value.
    """
    return call(_ser, list(command), dict(patches or {}), folder=folder)


def wait(process: BaseProcess) -> int:
    """Its exit code; negative: the signal that ended it."""
    process.join(120)
    if process.exitcode is None:
        process.kill()
        pytest.fail("the process did not end")
    return process.exitcode


def wait_for(file: Path, process: BaseProcess, seconds: float = 120) -> None:
    """Until the process has made a file."""
    end = time.monotonic() + seconds
    while not file.exists():
        if process.exitcode is not None or time.monotonic() > end:
            process.kill()
            pytest.fail(f"there is no {file.name}; exit code {process.exitcode}\n{printed(process, file.parent)}")
        time.sleep(0.01)


def run(command: Sequence[str], folder: Path) -> tuple[int, str]:
    """Exit code and what was printed."""
    process = start(command, folder)
    return wait(process), printed(process, folder)


def printed(process: BaseProcess, folder: Path) -> str:
    """What a process printed."""
    return (folder / f"{process.pid}.out").read_text(encoding="utf-8")


def kill_after(seconds: float, process: BaseProcess) -> int:
    """Kill -9 after so long, unless it has ended; its exit code."""
    process.join(seconds)
    process.kill()
    return wait(process)


def _call(variables: dict[str, str], folder: Path, function: Callable[..., int], arguments: Sequence[Any]) -> None:
    code = 70
    try:
        os.environ.clear()
        os.environ.update(variables)
        os.chdir(folder)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background has it ignored
        code = function(*arguments)
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _ser(command: list[str], patches: dict[str, Any]) -> int:
    printed = os.open(f"{os.getpid()}.out", os.O_WRONLY | os.O_CREAT)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    from ser.cli import main

    for place, value in patches.items():
        module, _, inside = place.partition(":")
        *owner, name = inside.split(".")
        holder = pkgutil.resolve_name(f"{module}:{'.'.join(owner)}")
        assert hasattr(holder, name), f"there is no {place}"
        setattr(holder, name, value)
    return main(command)
