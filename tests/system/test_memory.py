"""What is freed and soon allocated again."""

import pytest
import torch

from ser.system.memory import keep_freed_gpu_memory

GIB = 2**30


@pytest.mark.parametrize(("free", "given_back"), [(20 * GIB, 0), (9 * GIB, 1)])
def test_gpu_memory_is_given_back_where_it_is_short(monkeypatch, free, given_back):
    """Of 80 GiB."""
    calls = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: calls.append("emptied"))
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free, 80 * GIB))
    keep_freed_gpu_memory()
    torch.cuda.empty_cache()
    assert len(calls) == given_back
