"""`ser` in a process of its own that starts at once: a copy of this one, with torch already in memory."""

import os
import signal
import time
from pathlib import Path


def start(command: list[str], folder: Path) -> int:
    """Runs the command line in `folder`; what it prints goes to `folder/<process>.out`. Returns the process number."""
    folder.mkdir(parents=True, exist_ok=True)
    if process := os.fork():
        return process
    code = 70
    try:
        os.chdir(folder)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background has it ignored
        printed = os.open(f"{os.getpid()}.out", os.O_WRONLY | os.O_CREAT)
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        import sys

        sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
        from ser.cli import main

        code = main(command)
    except SystemExit as ended:
        code = ended.code
    finally:
        os._exit(code)  # nothing of the test's own is ended here


def wait(process: int) -> int:
    """Its exit code; negative: the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def run(command: list[str], folder: Path) -> tuple[int, str]:
    """Exit code and what was printed."""
    process = start(command, folder)
    return wait(process), printed(process, folder)


def printed(process: int, folder: Path) -> str:
    """What a process printed."""
    return (folder / f"{process}.out").read_text(encoding="utf-8")


def kill_after(seconds: float, process: int) -> int:
    """Kill -9 after so long, unless it has ended; its exit code."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)
    return wait(process)
