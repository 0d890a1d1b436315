"""Limits on the config of an untrusted run: larger sizes are refused before anything is allocated.

Files are read under the limits of `ser.runs.reading` and `ser.runs.weights`; those here are of the parts built.
Packages named with --trust run their code without these limits. The limits are far beyond speech: they only prevent a
few digits in a small file from exhausting the machine's memory.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ser.data.audio.prepare import AudioSettings
from ser.errors import UserError
from ser.frontends.stft import Stft

CONFIGURED = ("audio", "frontend", "model", "normaliser")  # nodes of the parts of a model
LARGEST = 2**20  # any whole number in frontend and model
MOST_SAMPLES = 2**27  # of a clip: two hours at 16 kHz
MOST_WEIGHTS = 2**23  # of all filterbanks
MOST_BINS = 2**26  # of the spectrogram of one clip: 256 MiB
MOST_LAYERS = 2000  # of a model
MOST_BYTES = 2**29  # of a model's weights, where there is no checkpoint to compare with


class BeyondLimits(UserError):
    """A config with sizes beyond any model for speech."""


def check_sizes(config: Mapping[str, Any], where: Path) -> None:
    """Refuses sizes beyond any model for speech.

    Args:
        config: As read; nothing of it is built yet.
        where: Its file, for the message.

    Raises:
        BeyondLimits: A number is too large; the message names the setting.
    """
    for name in ("frontend", "model"):
        _check_numbers(config.get(name), name, where)
    _check_layers(config.get("model"), where)
    if (weights := _bank_weights(config.get("frontend"), "frontend", where)) > MOST_WEIGHTS:
        raise BeyondLimits(f"{where}: frontend has {weights:,} weights in filterbanks, beyond what can be computed.")


def check_clip(audio: AudioSettings, frontend: nn.Module, where: Path) -> None:
    """Refuses clips or transforms that are too large for memory.

    Raises:
        BeyondLimits: The message names the setting.
    """
    num_samples = audio.num_samples or 60 * audio.sample_rate  # of its own length: a minute
    if audio.sample_rate > LARGEST or num_samples > MOST_SAMPLES:
        raise BeyondLimits(
            f"{where}: audio.duration_s={audio.duration_s} at audio.sample_rate={audio.sample_rate} is beyond what can "
            "be computed."
        )
    if (bins := bins_per_sample(frontend)) * num_samples > MOST_BINS:
        raise BeyondLimits(
            f"{where}: {bins:.3g} values for each of {num_samples:,} samples (stft.n_fft / 2 / stft.hop_length) are "
            "beyond what can be computed."
        )


def bins_per_sample(frontend: nn.Module) -> float:
    """Values of the largest spectrogram for each sample of a recording; at least 1."""
    stfts = (getattr(part, "stft", None) for part in frontend.modules())
    return max([1.0, *(stft.num_bins / stft.hop_length for stft in stfts if isinstance(stft, Stft))])


def check_shapes(modules: Mapping[str, nn.Module], state: Mapping[str, torch.Tensor], where: Path) -> None:
    """Compares the model that a config describes with the weights.

    Args:
        modules: By the first part of their weights' names; on the meta device, where nothing takes memory.
        state: The weights.
        where: Their file.

    Raises:
        BeyondLimits: A weight is missing or has another shape, or is expanded from fewer values.
    """
    for prefix, module in modules.items():
        for name, value in module.state_dict(prefix=f"{prefix}.").items():
            found = tuple(state[name].shape) if name in state else None
            if found != tuple(value.shape):
                raise BeyondLimits(
                    f"The checkpoint {where} belongs to another model: its config makes {name} {tuple(value.shape)}, "
                    f"and its weights {'lack it' if found is None else f'are {found}'}."
                )
    check_size(modules, 4 * where.stat().st_size, where)  # it may hold half precision


def check_size(modules: Mapping[str, nn.Module], most: int, where: Path) -> None:
    """Refuses a model that is larger than its checkpoint, or than the limit where the checkpoint is gone.

    Args:
        modules: On the meta device.
        most: Bytes.
        where: The file, for the message.

    Raises:
        BeyondLimits: It is larger.
    """
    tensors = {id(value): value for module in modules.values() for value in module.state_dict(keep_vars=True).values()}
    size = sum(value.numel() * value.element_size() for value in tensors.values())
    if size > most:
        raise BeyondLimits(
            f"{where}: the weights of the model would take {size:,} bytes, beyond what can be computed "
            f"(at most {most:,})."
        )


def _check_numbers(node: Any, name: str, where: Path) -> None:
    if isinstance(node, Mapping):
        for key, value in node.items():
            _check_numbers(value, f"{name}.{key}", where)
    elif isinstance(node, (list, tuple)):
        for i, value in enumerate(node):
            _check_numbers(value, f"{name}.{i}", where)
    elif isinstance(node, (int, float)) and not abs(node) <= LARGEST:  # NaN is no size either
        raise BeyondLimits(f"{where}: {name}={node} is beyond what can be computed (at most {LARGEST:,}).")


def _check_layers(model: Any, where: Path) -> None:
    """A model repeats what `blocks` counts for each entry of its lists."""
    settings = list(model.values()) if isinstance(model, Mapping) else []
    longest = max((len(value) for value in settings if isinstance(value, (list, tuple))), default=1)
    repeats = model.get("blocks") if settings else 1
    if max(1, longest) * (repeats if isinstance(repeats, int) else 1) > MOST_LAYERS:
        raise BeyondLimits(f"{where}: model has more than {MOST_LAYERS} layers, beyond what can be computed.")


def _bank_weights(node: Any, name: str, where: Path, n_fft: int | None = None) -> int:
    """Rows × bins of all filterbanks together; the bins are n_fft / 2."""
    settings = dict(node.items() if isinstance(node, Mapping) else _numbered(node))
    stft = settings.get("stft")
    own = stft.get("n_fft") if isinstance(stft, Mapping) else None
    n_fft = int(own) if isinstance(own, (int, float)) else n_fft
    counts = (value for key, value in settings.items() if str(key).startswith("n_") and key != "n_fft")  # n_mels, …
    rows = int(max((value for value in counts if isinstance(value, (int, float))), default=0))
    if n_fft and rows > n_fft:
        raise BeyondLimits(
            f"{where}: {name} has {rows} bands over n_fft={n_fft}, which is beyond what can be computed."
        )
    inner = sum(_bank_weights(value, f"{name}.{key}", where, n_fft) for key, value in settings.items())
    return rows * (n_fft or 0) // 2 + inner


def _numbered(node: Any) -> Iterable[tuple[Any, Any]]:
    return enumerate(node) if isinstance(node, (list, tuple)) else ()
