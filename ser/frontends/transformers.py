"""Any speech model that `transformers` loads from a folder: Whisper's encoder, data2vec, and their like.

Needs `pip install 'ser[pretrained]'`. Weights are read from safetensors only, and no code of a checkpoint is executed.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ser.errors import UserError
from ser.frontends.checkpoint import Weights, read_settings
from ser.frontends.fine_tuning import PRETRAINING
from ser.frontends.hub import find_or_fetch, transformers_library
from ser.frontends.pretrained import Encoder, Layers, LearningRate, PretrainedFrontend
from ser.frontends.wav2vec2 import check_sample_rate, receptive_field
from ser.system.ranges import SampleRate


class Transformers(PretrainedFrontend):
    """States of a speech model of Hugging Face's `transformers`; of an encoder and decoder, those of the encoder.

    Recordings are prepared by the checkpoint's own feature extractor (Whisper's log-mel, a normalised waveform) and
    computed one length at a time, so that neither padding nor the rest of a batch changes anything.

    Args:
        sample_rate: Hz; it must be the checkpoint's.
        checkpoint: A folder with config.json, preprocessor_config.json and safetensors; with `online` the name of a
            model on the hub, `openai/whisper-tiny`, or one version of it, `openai/whisper-tiny@REVISION`.
        online: Fetch it from the hub where it is not on this machine yet.
        layers, trainable, lr, gradient_checkpointing: As of `PretrainedFrontend`.
        content: Hash of the checkpoint's content, which is compared at composition.

    Shape:
        waveforms (B, T) → (B, D, L), or (B, (N + 1)·D, L) where layers are `weighted`.

    Raises:
        UserError: No such checkpoint, a damaged one, no speech model, or recordings at another sample rate.
    """

    libraries = ("transformers",)
    not_exported = (
        "frontend=transformers is not exported, since its feature extractors are no tensor operations; "
        "frontend=wav2vec2 is, with wav2vec 2.0, HuBERT and WavLM."
    )

    def __init__(
        self,
        sample_rate: SampleRate,
        checkpoint: str | None = None,
        online: bool = False,
        layers: Layers = "last",
        trainable: str = "none",
        lr: LearningRate = 1e-5,
        gradient_checkpointing: bool = False,
        content: str | None = None,
    ):
        folder = find_or_fetch(checkpoint, "frontend.checkpoint", online)
        encoder = AutoEncoder(folder, "frontend.checkpoint")
        check_sample_rate(sample_rate, encoder.sample_rate)
        super().__init__(encoder, layers, trainable, lr, gradient_checkpointing)


class AutoEncoder(Encoder):
    """What `AutoModel` makes of a folder, behind what `AutoFeatureExtractor` makes of it.

    Args:
        folder: The checkpoint.
        where: The setting, for messages.
    """

    def __init__(self, folder: Path, where: str):
        self.folder, self.where = folder, where
        if not folder.is_dir() or read_settings(folder, "config.json", where) is None:
            raise UserError(f"{where}: {folder} is no folder with a config.json, as `save_pretrained` leaves it.")
        Weights(folder, where)  # truncated and pickled ones are refused now
        library = transformers_library()
        self.config = self._read(library.AutoConfig)
        self.extractor = self._read(library.AutoFeatureExtractor)
        self.main_input = getattr(self.extractor, "model_input_names", [""])[0]
        if self.main_input not in ("input_values", "input_features"):
            raise UserError(f"{where}: {folder} is a {self.config.model_type}, which takes no recordings.")
        width = getattr(self.config, "hidden_size", None) or self.config.d_model
        super().__init__(width, _num_layers(self.config))
        self.sample_rate = int(self.extractor.sampling_rate)
        kernels, strides = (getattr(self.config, f"conv_{name}", ()) for name in ("kernel", "stride"))
        # samples of one frame; of a spectrogram two columns
        self.shortest = receptive_field(kernels, strides) if kernels else self.sample_rate * 35 // 1000
        self._shapes = [self._twin()]  # in a list, so that it is no part of this module
        self.model: nn.Module | None = None
        self._frames_of = cache(self._measured)

    def load(self) -> None:
        report = {"output_loading_info": True, "ignore_mismatched_sizes": True}
        model, told = self._read(transformers_library().AutoModel, use_safetensors=True, **report)
        lacking = [name for name in told["missing_keys"] if not name.endswith(PRETRAINING) and "decoder." not in name]
        if wrong := [*lacking, *(name for name, *_ in told["mismatched_keys"])]:
            raise UserError(
                f"{self.where}: the weights in {self.folder} are not those of its config.json ({wrong[0]} and "
                f"{len(wrong) - 1} more are missing or of another shape)."
            )
        self.model = _encoder_of(model).float()
        # pretraining's ways to hide something, which draw from generators that a resumed run could not repeat
        places = [self.model.config, *self.model.modules()]
        for place, name in ((place, name) for place in places for name in ("apply_spec_augment", "layerdrop")):
            if hasattr(place, name):
                setattr(place, name, type(getattr(place, name))(0))  # False, or 0.0

    def parts(self) -> tuple[Sequence[nn.Module], Sequence[nn.Module]]:
        stacks = [part for part in self.model.modules() if isinstance(part, nn.ModuleList)]
        layers = [stack for stack in stacks if len(stack) == self.num_layers]
        # convolutions may be as many, and are smaller
        return [*max(layers, key=lambda stack: sum(weights.numel() for weights in stack.parameters()))], []

    def checkpoint_gradients(self) -> None:
        self.model.gradient_checkpointing_enable()

    def count_frames(self, lengths: Tensor) -> Tensor:
        if lengths.is_meta:
            return torch.empty_like(lengths)
        counts = [self._frames_of(length) for length in lengths.tolist()]
        return torch.tensor(counts, dtype=torch.int64, device=lengths.device)

    def forward(self, waveforms: Tensor, lengths: Tensor, depth: int) -> tuple[list[Tensor], Tensor]:
        counts = self.count_frames(lengths)
        states: list[list[Tensor]] = [[] for _ in range(depth + 2)]
        order = []
        for rows in _by_length(lengths):
            clips = [waveforms[i, : max(1, int(lengths[i]))] for i in rows]
            order += rows
            for into, made in zip(states, self._run(self.model, clips, depth, waveforms.device), strict=True):
                into += made[:, : int(counts[rows[0]])].unbind(0)
        width = int(counts.max())
        back = sorted(range(len(order)), key=order.__getitem__)
        padded = [torch.stack([F.pad(state[i], (0, 0, 0, width - len(state[i]))) for i in back]) for state in states]
        return padded[:-1], padded[-1]

    def _run(self, model: nn.Module, clips: list[Tensor], depth: int, device: torch.device | str) -> list[Tensor]:
        """States 0 to `depth` and the output of clips of one length, each (B, L, D)."""
        arrays = [F.pad(clip.detach(), (0, max(0, self.shortest - len(clip)))).cpu().numpy() for clip in clips]
        inputs = self.extractor(arrays, sampling_rate=self.sample_rate, return_tensors="pt").to(device)
        if device == "meta":  # a mask's values would be asked for, and change no shape
            inputs.pop("attention_mask", None)
        made = model(**inputs, output_hidden_states=True)
        return [*made.hidden_states[: depth + 1], made.last_hidden_state]

    def _measured(self, length: int) -> int:
        """Frames of a clip of so many samples: on the meta device, where nothing is computed."""
        if self.config.model_type == "whisper":  # it always has those of its 30 s; two columns of the log-mel a frame
            hop, whole = self.extractor.hop_length, self.extractor.n_samples
            if length > whole:
                raise UserError(
                    f"Whisper takes {whole / self.sample_rate:g} s at once and a recording is longer: set "
                    f"audio.duration_s={whole / self.sample_rate:g} or less."
                )
            return max(1, -(-length // hop) + 1 >> 1)
        with torch.inference_mode():
            return self._run(self._shapes[0], [torch.zeros(max(1, length))], 0, "meta")[-1].shape[1]

    def _twin(self) -> nn.Module:
        with torch.device("meta"):
            return _encoder_of(transformers_library().AutoModel.from_config(self.config)).eval()

    def _read(self, kind: Any, **settings: Any) -> Any:
        """`kind.from_pretrained` of the folder: without the network, and without code of the checkpoint's own."""
        try:
            return kind.from_pretrained(str(self.folder), local_files_only=True, trust_remote_code=False, **settings)
        except Exception as error:  # transformers' own errors, of many kinds, are long
            lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
            raise UserError(
                f"{self.where}: transformers cannot read {self.folder} ({kind.__name__}: {lines[0][:300]})."
            ) from error


def _encoder_of(model: nn.Module) -> nn.Module:
    return model.get_encoder() if model.config.is_encoder_decoder else model


def _num_layers(config: Any) -> int:
    return int(getattr(config, "encoder_layers", None) or config.num_hidden_layers)


def _by_length(lengths: Tensor) -> Iterator[list[int]]:
    """Indices of equally long clips."""
    groups: dict[int, list[int]] = {}
    for i, length in enumerate(lengths.tolist()):
        groups.setdefault(length, []).append(i)
    return iter(groups.values())
