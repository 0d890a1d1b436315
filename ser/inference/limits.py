"""What a model made by a stranger may ask for: refused before anything large is made.

Who names a package with --trust lets its code run, and is asked nothing of this. The limits lie far beyond what speech
needs: they only keep a few digits in a small file from taking all of the machine's memory.
"""

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ser.data.audio.prepare import AudioSettings
from ser.errors import UserError
from ser.frontends.stft import Stft

CONFIGURED = ("audio", "frontend", "model", "normaliser")  # nodes that a model is built from
MOST_NODES = 20_000  # settings in them, lists counted through
DEEPEST = 40
LARGEST = 2**20  # any whole number in frontend and model
MOST_SAMPLES = 2**27  # of a clip: two hours at 16 kHz
MOST_WEIGHTS = 2**23  # of all filterbanks
MOST_BINS = 2**26  # of the spectrogram of one clip: 256 MiB
MOST_LAYERS = 2000  # of a model
FRONTENDS = "ser.frontends."


def check_archive(where: Path) -> None:
    """Refuses a checkpoint that is packed: torch packs none, and unpacked it could be a thousand times larger.

    Raises:
        UserError: Its members claim more bytes than the file has.
    """
    try:
        with zipfile.ZipFile(where) as archive:
            claimed = sum(member.file_size for member in archive.infolist())
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):  # whoever reads it says what it is
        return
    if claimed > (size := where.stat().st_size):
        raise UserError(f"The checkpoint {where} claims {claimed:,} bytes and is {size:,} bytes long: ser packs none.")


def check_sizes(config: Mapping[str, Any], where: Path) -> None:
    """Refuses what no config of a model that hears speech says.

    Args:
        config: As it was read; nothing of it is built yet.
        where: The file that it stands in, for the message.

    Raises:
        UserError: Settings without end, numbers beyond all use, or parts of a model in the frontend; the message names
            the setting.
    """
    left = [MOST_NODES]
    for name in CONFIGURED:
        _check_node(config.get(name), name, where, left, DEEPEST)
    for name in ("frontend", "model"):
        _check_numbers(config.get(name), name, where)
    _check_layers(config.get("model"), where)
    _check_targets(config.get("frontend"), "frontend", where)
    if (weights := _bank_weights(config.get("frontend"), "frontend", where)) > MOST_WEIGHTS:
        raise UserError(f"{where}: frontend has {weights:,} weights in filterbanks, beyond what can be computed.")


def check_clip(audio: AudioSettings, frontend: nn.Module, where: Path) -> None:
    """Refuses clips that are longer, or a transform that is finer, than memory is large.

    Raises:
        UserError: The message names the setting.
    """
    num_samples = audio.num_samples or 60 * audio.sample_rate  # of its own length: a minute
    if audio.sample_rate > LARGEST or num_samples > MOST_SAMPLES:
        raise UserError(
            f"{where}: audio.duration_s={audio.duration_s} at audio.sample_rate={audio.sample_rate} is beyond what can "
            "be computed."
        )
    if (bins := bins_per_sample(frontend)) * num_samples > MOST_BINS:
        raise UserError(
            f"{where}: {bins:.3g} values for each of {num_samples:,} samples (stft.n_fft / 2 / stft.hop_length) are "
            "beyond what can be computed."
        )


def bins_per_sample(frontend: nn.Module) -> float:
    """Values of the largest spectrogram for each sample of a recording; at least 1, for what computes none."""
    stfts = (getattr(part, "stft", None) for part in frontend.modules())
    return max([1.0, *(stft.num_bins / stft.hop_length for stft in stfts if isinstance(stft, Stft))])


def check_weights(state: Mapping[str, Any], where: Path) -> None:
    """Refuses weights that are no tensors, claim to be larger than their file, or are no numbers.

    Raises:
        UserError: The message names what is wrong.
    """
    if not all(isinstance(name, str) and _is_plain(value) for name, value in state.items()):
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
    elif isinstance(node, (int, float)) and not abs(node) <= LARGEST:  # NaN is no size either
        raise UserError(f"{where}: {name}={node} is beyond what can be computed (at most {LARGEST:,}).")


def _check_layers(model: Any, where: Path) -> None:
    """A model repeats what `blocks` counts for each entry of its lists."""
    settings = list(model.values()) if isinstance(model, Mapping) else []
    longest = max((len(value) for value in settings if isinstance(value, (list, tuple))), default=1)
    repeats = model.get("blocks") if settings else 1
    if max(1, longest) * (repeats if isinstance(repeats, int) else 1) > MOST_LAYERS:
        raise UserError(f"{where}: model has more than {MOST_LAYERS} layers, beyond what can be computed.")


def _check_targets(node: Any, name: str, where: Path) -> None:
    """A frontend is built before its sizes are known: of our own and torch's classes, frontends only, no layers."""
    for key, value in node.items() if isinstance(node, Mapping) else _numbered(node):
        if key == "_target_" and str(value).startswith(("ser.", "torch.")) and not str(value).startswith(FRONTENDS):
            raise UserError(f"{where}: {name} names {value}, which is no part of a frontend.")
        _check_targets(value, f"{name}.{key}", where)


def _bank_weights(node: Any, name: str, where: Path, n_fft: int | None = None) -> int:
    """Rows × bins of all filterbanks together; the bins are n_fft / 2."""
    settings = dict(node.items() if isinstance(node, Mapping) else _numbered(node))
    stft = settings.get("stft")
    own = stft.get("n_fft") if isinstance(stft, Mapping) else None
    n_fft = int(own) if isinstance(own, (int, float)) else n_fft
    counts = (value for key, value in settings.items() if str(key).startswith("n_") and key != "n_fft")  # n_mels, …
    rows = int(max((value for value in counts if isinstance(value, (int, float))), default=0))
    if n_fft and rows > n_fft:
        raise UserError(f"{where}: {name} has {rows} bands over n_fft={n_fft}, which is beyond what can be computed.")
    inner = sum(_bank_weights(value, f"{name}.{key}", where, n_fft) for key, value in settings.items())
    return rows * (n_fft or 0) // 2 + inner


def _numbered(node: Any) -> Iterable[tuple[Any, Any]]:
    return enumerate(node) if isinstance(node, (list, tuple)) else ()


def _is_plain(value: Any) -> bool:
    """Whether it is a tensor as ser saves them, with all of its numbers there."""
    return (
        isinstance(value, torch.Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and not (value.is_quantized or value.is_nested)
    )
