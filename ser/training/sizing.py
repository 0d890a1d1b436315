"""Estimates the memory of a run before anything large is allocated."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from ser.errors import UserError
from ser.models.base import count_parameters

GB = 1e9
FLOAT = 4  # bytes
TRAINED = 4  # numbers for each parameter: its value, its gradient, and two of the optimizer
UNSEEN = 100  # activations are not counted if memory is this many times parameters and inputs


def check_memory(
    model: nn.Module, config: dict[str, Any], num_features: int, num_frames: int, num_samples: int, batch_size: int
) -> None:
    """Refuses runs that do not fit into memory. The estimate is a lower bound: a run that passes may still not fit.

    Args:
        model: On the meta device, where nothing takes memory.
        config: Of the run.
        num_features: F.
        num_frames: L of a clip; of clips of any length, those of a short one.
        num_samples: T of such a clip.
        batch_size: Utterances at once; 0 where nothing is trained.

    Raises:
        UserError: How much is needed, for what, and what to lower.
    """
    available, place = memory_of(config["trainer"]) if batch_size else (main_memory(), "this machine")
    parameters = FLOAT * count_parameters(model) * (TRAINED if batch_size else 1)
    inputs = FLOAT * batch_size * (num_samples + num_features * num_frames)
    if UNSEEN * (parameters + inputs) < available:
        return
    activations = (
        0 if parameters + inputs > available else FLOAT * _activations(model, num_features, num_frames, batch_size)
    )
    needed = parameters + inputs + activations
    if needed > available:
        batch = f", and a batch of {batch_size} with what is computed of it {(inputs + activations) / GB:,.0f} GB"
        raise UserError(
            f"{needed / GB:,.0f} GB of memory are needed and {place} has {available / GB:,.0f} GB: the model's "
            f"parameters take {parameters / GB:,.1f} GB{batch if batch_size else ''}. Choose a smaller model, fewer "
            "features, or a lower batch_size or audio.duration_s."
        )


def _activations(model: nn.Module, num_features: int, num_frames: int, batch_size: int) -> int:
    """Numbers in all layers' outputs for a batch, which the backward pass needs."""
    counts: list[int] = []

    def count(layer: nn.Module, given: Any, made: Any) -> None:
        tensors = made if isinstance(made, tuple) else (made,)
        counts.extend(tensor.numel() for tensor in tensors if isinstance(tensor, torch.Tensor))

    hooks = [layer.register_forward_hook(count) for layer in model.modules() if not next(layer.children(), None)]
    with torch.device("meta"):
        model(torch.empty(batch_size, num_features, num_frames), torch.empty(batch_size, dtype=torch.int64))
    for hook in hooks:
        hook.remove()
    return sum(counts)


def memory_of(trainer: dict[str, Any]) -> tuple[int, str]:
    """Bytes of memory of the training device, and its name."""
    from ser.training.trainer import training_device  # loaded in training anyway; prediction does without

    device = training_device(trainer)
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory, "the GPU"
    return main_memory(), "this machine"


def main_memory() -> int:
    """Bytes of memory that this process may use, free or not: the machine's, or a container's."""
    found = []
    for file, unit in (("/proc/meminfo", 1024), ("/sys/fs/cgroup/memory.max", 1)):
        try:
            words = Path(file).read_text().split()
            found.append(unit * int(words[1] if unit == 1024 else words[0]))
        except (OSError, ValueError, IndexError):  # another system; a container without a limit
            continue
    return min(found, default=2**63)
