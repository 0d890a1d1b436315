"""Every width of every model trains. A convolution may crash natively, so each scan is a process of its own."""

import os
import subprocess
import sys

import pytest

SCAN = """
import sys
import torch
from ser.models.cnn1d import CNN1D
from ser.models.cnn2d import CNN2D, PlainCNN2D
from ser.models.mlp import MLP

def build(name, width):
    if name == "cnn2d":
        return CNN2D(64, None, 8, width=width)
    if name == "cnn2d_plain":
        return PlainCNN2D(64, None, 8, channels=[width, 2 * width])
    if name == "cnn1d":
        blocks = [{"channels": width, "kernel_size": 5}, {"channels": 2 * width, "kernel_size": 3, "pool": 2}]
        return CNN1D(64, None, 8, blocks=blocks)
    return MLP(64, None, 8, hidden=[width])

name, lengths, sizes, dtypes = sys.argv[1], *map(eval, sys.argv[2:])
torch.manual_seed(0)
torch.set_num_threads(1)
for dtype in dtypes:
    for width in range(1, 41):
        model = build(name, width)
        for length in lengths:
            for size in sizes:
                print(f"width {width}, {size} x 64 x {length}, {dtype}", flush=True)
                frames = torch.randint(1, length + 1, (size,))
                with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                    loss = model(torch.randn(size, 64, length), frames).float().logsumexp(1).mean()
                loss.backward()
                assert all(torch.isfinite(p.grad).all() for p in model.parameters()), "gradients are not finite"
print("all trained")
"""


def scan(name: str, lengths: list[int], sizes: list[int], dtypes: str) -> None:
    """Trains a step at each width from 1 to 40; fails with the one at which the process ended."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", SCAN, name, str(lengths), str(sizes), dtypes],
        capture_output=True, text=True, env=os.environ | {"MALLOC_CHECK_": "3"},
    )  # fmt: skip
    last = (done.stdout.splitlines() or [""])[-1]
    assert last == "all trained", f"{name} ended (exit code {done.returncode}) at {last}\n{done.stderr[-2000:]}"


@pytest.mark.slow
def test_cnn2d_trains_at_every_width():
    scan("cnn2d", [188], [2, 5], "[torch.float32]")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp", "cnn1d", "cnn2d", "cnn2d_plain"])
def test_every_model_trains_at_every_width(name):
    scan(name, [2, 31, 94, 188], [1, 7, 32], "[torch.float32]")
    # not below 9 frames: of an image of one column oneDNN's bf16 kernels give a weight's gradient as NaN at times
    scan(name, [31, 188], [1, 7], "[torch.bfloat16]")
