"""A job of a sweep while it waits for its place, and what its errors mean beside others."""

import os
import subprocess
import sys
import textwrap
import threading

import pytest
import torch
from filelock import FileLock

from ser.errors import UserError
from ser.sweeps import outcomes
from ser.sweeps.devices import Packing
from ser.sweeps.task import Launch, _beside_others, run_job
from tests.sweeps.test_launchers import wait_for

ONE_PLACE = Packing(1, 1, ("cpu0",))
SWEEP_WITH_A_WORKER = """
import subprocess, sys
worker = '''
import os, sys
from pathlib import Path
from ser.sweeps.devices import Packing
from ser.sweeps.task import Launch, begin_worker, run_job

begin_worker(os.getppid())
sweep = Path(sys.argv[1])
launch = Launch(sweep, ("a",), Packing(1, 1, ("cpu0",)), sweep, False, os.getppid())
print("waits", flush=True)
run_job({"trainer": {"accelerator": "cpu"}}, 0, launch)
'''
subprocess.run([sys.executable, "-c", worker, sys.argv[1]])
"""


@pytest.fixture
def taken(tmp_path):
    """A sweep's folder whose one place is another's."""
    outcomes.prepare(tmp_path)
    with FileLock(tmp_path / outcomes.FOLDER / "cpu0.lock", thread_local=False):
        yield tmp_path


def test_a_worker_that_waits_for_its_place_ends_with_the_sweep(taken):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SWEEP_WITH_A_WORKER), str(taken)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "waits\n"
    process.kill()
    out, _ = process.communicate(timeout=60)  # until the worker has ended, too
    assert out == "" and outcomes.read_outcome(taken, "a")[0] != "running"


def test_a_job_that_waits_for_its_place_gives_up_when_the_sweep_asks(taken):
    launch = Launch(taken, ("a",), ONE_PLACE, taken, False, os.getpid())
    threading.Timer(0.5, outcomes.ask_to_stop, [taken]).start()
    assert run_job({"trainer": {"accelerator": "cpu"}}, 0, launch) is None
    assert wait_for(lambda: outcomes.asked_to_stop(taken), 1)
    assert outcomes.read_outcome(taken, "a")[0] != "running"


def user_error(cause: Exception) -> UserError:
    try:
        raise UserError("The GPU ran out of memory") from cause
    except UserError as error:
        return error


SHARED = Packing(3, 1, ("gpu0.0", "gpu0.1", "gpu0.2"), ("0",) * 3, together=True, on_gpus=True)
PROCESSES = Packing(2, 1, ("gpu0.0", "gpu0.1"), ("0", "0"), on_gpus=True)  # by joblib, with jobs_per_gpu=2
ALONE = Packing(1, 1, ("gpu0.0",), ("0",), together=True, on_gpus=True)
FULL = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    user_error(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")),
]


@pytest.mark.parametrize("error", FULL, ids=lambda error: str(error)[-30:])
def test_a_full_gpu_is_for_fewer_at_once(error):
    assert _beside_others(error, SHARED) == _beside_others(error, PROCESSES) == outcomes.NO_ROOM
    assert [_beside_others(error, packing) for packing in (ALONE, ONE_PLACE, Packing(1, 1))] == [""] * 3


def test_other_errors_are_the_runs_own():
    for error in (ValueError("CUDA error: out of memory"), RuntimeError("a bug"), user_error(RuntimeError("a bug"))):
        assert _beside_others(error, SHARED) == _beside_others(error, PROCESSES) == ""
