"""The shapes of the learning-rate curves."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ser.training.schedules import constant, cosine, one_cycle, plateau

PEAK = 0.1


def sgd(**keys):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK, **keys)


def rates(schedule, steps, optimizer=None, key="lr", **keys):
    """The rate at each optimizer step, and one more: what is left when the run is over."""
    optimizer = optimizer or sgd(momentum=0.9)
    scheduler = schedule(optimizer, total_steps=steps, **keys)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0][key])
        optimizer.step()
        scheduler.step()
    return [*found, optimizer.param_groups[0][key]]


def test_constant():
    assert rates(constant, 20) == [PEAK] * 21


@settings(max_examples=60)
@given(st.integers(1, 200), st.floats(0, 0.99), st.floats(0, 1))
def test_cosine_rises_in_a_line_and_falls_to_its_end(steps, warmup, final):
    found = rates(cosine, steps, warmup=warmup, final=final)
    rising = int(warmup * steps)
    assert max(found) == pytest.approx(PEAK) and found[rising] == pytest.approx(PEAK)
    assert min(found[: rising + 1]) > 0
    differences = [b - a for a, b in zip(found[: rising + 1], found[1 : rising + 1], strict=False)]
    assert differences == pytest.approx([PEAK / (rising + 1)] * rising)
    falling = found[rising:]
    assert all(a >= b for a, b in zip(falling, falling[1:], strict=False))
    assert found[-1] == pytest.approx(final * PEAK, abs=1e-9)


def test_cosine_is_half_way_down_in_the_middle():
    assert rates(cosine, 100, warmup=0.0, final=0.2)[50] == pytest.approx(PEAK * (0.2 + 0.8 * 0.5))
    assert rates(cosine, 100, warmup=0.0)[25] == pytest.approx(PEAK * 0.5 * (1 + math.cos(math.pi / 4)))


def test_cosine_stays_at_its_end_beyond_the_run():
    optimizer = sgd()
    scheduler = cosine(optimizer, total_steps=5, final=0.1)
    for _ in range(9):
        optimizer.step()
        scheduler.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * PEAK)


def test_one_cycle_begins_and_ends_low():
    found = rates(one_cycle, 100, warmup=0.3, start_divisor=25, end_divisor=1e4)
    assert found[0] == pytest.approx(PEAK / 25)
    assert max(found) == pytest.approx(PEAK, rel=1e-3) and 28 <= found.index(max(found)) <= 31
    assert found[-1] == pytest.approx(PEAK / 25 / 1e4)
    top = found.index(max(found))
    assert found[: top + 1] == sorted(found[: top + 1]) and found[top:] == sorted(found[top:], reverse=True)


def test_one_cycle_moves_momentum_the_other_way():
    found = rates(one_cycle, 100, key="momentum")
    assert found[0] == pytest.approx(0.95) and min(found) == pytest.approx(0.85, abs=1e-3)
    assert found[-1] == pytest.approx(0.95)


@pytest.mark.parametrize(
    ("make", "moves"),
    [
        (lambda p: torch.optim.SGD(p, lr=PEAK), False),
        (lambda p: torch.optim.RMSprop(p, lr=PEAK), False),
        (lambda p: torch.optim.Adagrad(p, lr=PEAK), False),  # knows no momentum at all
        (lambda p: torch.optim.RMSprop(p, lr=PEAK, momentum=0.5), True),
        (lambda p: torch.optim.AdamW(p, lr=PEAK), True),
    ],
)
def test_one_cycle_gives_no_momentum_to_an_optimizer_without(make, moves):
    optimizer = make([torch.nn.Parameter(torch.zeros(1))])
    before = {key: optimizer.param_groups[0].get(key) for key in ("momentum", "betas")}
    one_cycle(optimizer, total_steps=10)
    after = {key: optimizer.param_groups[0].get(key) for key in ("momentum", "betas")}
    assert (before != after) == moves


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("warmup", [0.0, 0.3, 1.0])
def test_one_cycle_of_very_short_runs(steps, warmup):
    assert all(0 < rate <= PEAK * (1 + 1e-9) for rate in rates(one_cycle, steps, warmup=warmup))


@pytest.mark.parametrize(
    ("monitor", "worse"),
    [("val/loss", 1.0), ("train/loss", 1.0), ("val/uar", -1.0), ("val/wa", -1.0), ("val/error", 1.0)],
)
def test_plateau_lowers_the_rate_after_patience_epochs_without_improvement(monitor, worse):
    optimizer = sgd()
    scheduler = plateau(
        optimizer, total_steps=100, monitor=monitor, factor=0.5, patience=2, min_lr=0.02, lower_is_better=["error"]
    )
    assert scheduler.monitor == monitor
    value, found = 0.5, []
    for epoch in range(12):
        value += -0.1 * worse if epoch == 1 else 0.1 * worse  # better once, worse from then on
        scheduler.step(value)
        found.append(optimizer.param_groups[0]["lr"])
    assert found[:4] == [PEAK] * 4 and found[4] == PEAK / 2 and found[7] == PEAK / 4
    assert found[-1] == 0.02
