"""What a process may use: of a cluster's node, what the job was given."""

import os
import subprocess
import sys

import pytest

from ser.system.machine import num_cores, visible_gpus


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores")
def test_a_job_bound_to_one_core_has_one():
    bind = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])"
    code = f"{bind}; from ser.system.machine import num_cores; print(num_cores())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"]
    assert num_cores() == len(os.sched_getaffinity(0))


def test_gpus_are_called_what_the_cluster_calls_them(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-5af")
    assert visible_gpus() == ["3", "GPU-5af"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_gpus() == ["0", "1"]
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []
