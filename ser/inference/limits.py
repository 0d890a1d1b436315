"""What a model made by a stranger may ask for: refused before anything large is made.

Who names a package with --trust lets its code run, and is asked nothing of this. The limits lie far beyond what speech
needs: they only keep a few digits in a small file from taking all of the machine's memory.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ser.audio import AudioSettings
from ser.errors import UserError

CONFIGURED = ("audio", "frontend", "model", "normaliser")  # nodes that a model is built from
MOST_NODES = 20_000  # settings in them, lists counted through
DEEPEST = 40
LARGEST = 2**20  # any whole number in frontend and model
MOST_SAMPLES = 2**27  # of a clip: two hours at 16 kHz
MOST_WEIGHTS = 2**25  # of a filterbank
MOST_BINS = 2**28  # of the spectrogram of one clip: 1 GiB
LENGTHS = ("n_fft", "hop_length", "win_length", "sample_rate")


def check_sizes(config: Mapping[str, Any], where: Path) -> None:
    """Refuses what no config of a model that hears speech says.

    Args:
        config: As it was read; nothing of it is built yet.
        where: The file that it stands in, for the message.

    Raises:
        UserError: Settings without end, or numbers beyond all use; the message names the setting.
    """
    left = [MOST_NODES]
    for name in CONFIGURED:
        _check_node(config.get(name), name, where, left, DEEPEST)
    for name in ("frontend", "model"):
        _check_numbers(config.get(name), name, where)
    _check_banks(config.get("frontend"), "frontend", where, None)


def check_clip(audio: AudioSettings, frontend: nn.Module, where: Path) -> None:
    """Refuses clips that are longer, or a transform that is finer, than memory is large.

    Raises:
        UserError: The message names the setting.
    """
    num_samples = audio.num_samples or 60 * audio.sample_rate
    if audio.sample_rate > LARGEST or num_samples > MOST_SAMPLES:
        raise UserError(
            f"{where}: audio.duration_s={audio.duration_s} at audio.sample_rate={audio.sample_rate} is beyond what can "
            "be computed."
        )
    for part in frontend.modules():
        stft = getattr(part, "stft", None)
        bins, hop = getattr(stft, "num_bins", None), getattr(stft, "hop_length", None)
        if isinstance(bins, int) and isinstance(hop, int) and bins * (1 + num_samples // hop) > MOST_BINS:
            raise UserError(f"{where}: {stft} of {num_samples} samples is beyond what can be computed.")


def check_weights(state: Mapping[str, Any], where: Path) -> None:
    """Refuses weights that are no tensors, claim to be larger than their file, or are no numbers.

    Raises:
        UserError: The message names what is wrong.
    """
    if not all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()):
        raise UserError(f"The checkpoint {where} holds something else than tensors for weights: it is none of ser's.")
    claimed = sum(value.numel() * value.element_size() for value in state.values())
    if claimed > (size := where.stat().st_size):
        raise UserError(
            f"The checkpoint {where} claims {claimed:,} bytes of weights and is {size:,} bytes long: it is damaged, or "
            "was made to exhaust memory."
        )
    for name, value in state.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise UserError(f"The checkpoint {where} holds NaN or infinite weights ({name}): no model to predict with.")


def check_shapes(modules: Mapping[str, nn.Module], state: Mapping[str, torch.Tensor], where: Path) -> None:
    """Compares what a config describes with the weights that are there.

    Args:
        modules: By the first part of their weights' names; on the meta device, where nothing takes memory.
        state: The weights.
        where: Their file.

    Raises:
        UserError: A weight is missing or has another shape.
    """
    for prefix, module in modules.items():
        for name, value in module.state_dict(prefix=f"{prefix}.").items():
            found = tuple(state[name].shape) if name in state else None
            if found != tuple(value.shape):
                raise UserError(
                    f"The checkpoint {where} belongs to another model: its config makes {name} {tuple(value.shape)}, "
                    f"and its weights {'lack it' if found is None else f'are {found}'}."
                )


def _check_node(node: Any, name: str, where: Path, left: list[int], depth: int) -> None:
    """Counts settings: a few lines of YAML can stand for billions, or hold themselves."""
    left[0] -= 1
    if left[0] < 0 or depth < 0:
        raise UserError(f"{where}: {name} has settings without end: it is none of ser's.")
    if isinstance(node, Mapping):
        for key, value in node.items():
            if not isinstance(key, str):
                raise UserError(f"{where}: {name} has the setting {key!r}, which is no name.")
            _check_node(value, name, where, left, depth - 1)
    elif isinstance(node, (list, tuple)):
        for value in node:
            _check_node(value, name, where, left, depth - 1)
    elif isinstance(node, (str, bytes)):
        left[0] -= len(node) // 100


def _check_numbers(node: Any, name: str, where: Path) -> None:
    if isinstance(node, Mapping):
        for key, value in node.items():
            _check_numbers(value, f"{name}.{key}", where)
    elif isinstance(node, (list, tuple)):
        for i, value in enumerate(node):
            _check_numbers(value, f"{name}.{i}", where)
    elif isinstance(node, (int, float)) and not isinstance(node, bool) and abs(node) > LARGEST:
        raise UserError(f"{where}: {name}={node} is beyond what can be computed (at most {LARGEST:,}).")


def _check_banks(node: Any, name: str, where: Path, n_fft: int | None) -> None:
    """Every filterbank is rows × bins, and bins are n_fft / 2."""
    if isinstance(node, (list, tuple)):
        node = dict(enumerate(node))
    if not isinstance(node, Mapping):
        return
    stft = node.get("stft")
    own = stft.get("n_fft") if isinstance(stft, Mapping) else None
    n_fft = own if isinstance(own, int) else n_fft
    rows = _largest(value for key, value in node.items() if key not in LENGTHS)
    if n_fft and (rows * n_fft > MOST_WEIGHTS or rows > n_fft):
        raise UserError(f"{where}: {name} has {rows} bands over n_fft={n_fft}, which is beyond what can be computed.")
    for key, value in node.items():
        _check_banks(value, f"{name}.{key}", where, n_fft)


def _largest(values: Iterable[Any]) -> int:
    return max((value for value in values if isinstance(value, int) and not isinstance(value, bool)), default=0)
