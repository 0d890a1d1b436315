"""Results come in order, a few are computed ahead, and an end of any kind leaves no thread."""

import threading
import time

import pytest
import torch

from ser.system.threads import computed_ahead, one_thread_each


def test_results_are_in_order_and_only_a_few_are_ahead():
    taken = []

    def items():
        for k in range(50):
            taken.append(k)
            yield k

    for k, (item, result) in enumerate(computed_ahead(items(), lambda k: time.sleep(0.001 * (k % 3)) or k * k, 3)):
        assert (item, result) == (k, k * k) and len(taken) <= k + 8
    assert k == 49


def test_an_error_comes_at_its_item_and_no_thread_stays():
    before, found = threading.active_count(), []
    with pytest.raises(ZeroDivisionError):
        for item, _ in computed_ahead(range(20), lambda k: 1 / (k - 5), 4):
            found.append(item)
    assert found == [0, 1, 2, 3, 4] and threading.active_count() == before
    rows = computed_ahead(range(1000), lambda k: k, 4)
    next(rows)
    rows.close()
    assert threading.active_count() == before


def test_torch_has_its_threads_again_when_all_are_done():
    torch.set_num_threads(3)
    try:
        one, other = one_thread_each(), one_thread_each()
        one.__enter__()
        other.__enter__()
        one.__exit__(None, None, None)
        assert torch.get_num_threads() == 1
        other.__exit__(None, None, None)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(1)
