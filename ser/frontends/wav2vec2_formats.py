"""Checkpoints of wav2vec 2.0, HuBERT and WavLM in both formats: their settings, and where each weight is found."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ser.errors import UserError
from ser.frontends.checkpoint import Weights, read_settings

KINDS = ("wav2vec2", "hubert", "wavlm")  # of Hugging Face's `model_type`
FIRST = "feature_extractor.conv_layers.0.conv.weight"  # of every checkpoint, behind a prefix
KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)  # of all published models
HEADS = {768: 12, 1024: 16, 1280: 16, 1920: 16}  # of torchaudio's pipelines, by width
OTHER = "frontend=transformers reads what transformers reads"


@dataclass(frozen=True, slots=True)
class Described:
    """A checkpoint that was looked at.

    Args:
        settings: Arguments of torchaudio's `wav2vec2_model` or `wavlm_model`.
        is_wavlm: Which of the two.
        layer_norm_eps: Of the transformer's norms.
        sources: Weight of torchaudio's model → those of the checkpoint that it is made of, one below the other.
        weights: The checkpoint.
        normalise: Whether waveforms are brought to mean 0 and variance 1.
        epsilon: Added to that variance.
        sample_rate: Hz.
    """

    settings: dict[str, Any]
    is_wavlm: bool
    layer_norm_eps: float
    sources: dict[str, tuple[str, ...]]
    weights: Weights
    normalise: bool
    epsilon: float
    sample_rate: int

    def network(self) -> nn.Module:
        """torchaudio's model without weights, on the meta device."""
        return _network(self.settings, self.is_wavlm, self.layer_norm_eps)

    def state(self, network: nn.Module) -> dict[str, Tensor]:
        """The weights, by the names of torchaudio's model."""
        values = self.weights.read(*(name for names in self.sources.values() for name in names))
        state = {
            key: torch.cat([values[name] for name in names]) if len(names) > 1 else values[names[0]].clone()
            for key, names in self.sources.items()
        }
        if bad := [key for key, value in state.items() if not bool(value.isfinite().all())]:
            raise UserError(f"{self.weights.where}: {self.weights.place} has NaN or infinite weights ({bad[0]}).")
        return state


def describe(place: Path, where: str, num_heads: int | None = None) -> Described:
    """Looks at a checkpoint: its settings, and the names and shapes of its weights.

    Args:
        place: A folder of Hugging Face's, or a file with torchaudio's state dict.
        where: The setting, for messages.
        num_heads: Of the attention in a file.

    Raises:
        UserError: It is damaged, of another kind, or has other weights than its settings say.
    """
    found = _folder(place, where) if place.is_dir() else _file(place, where, num_heads)
    shapes = found.weights.shapes
    for key, value in found.network().state_dict().items():
        names = found.sources.setdefault(key, ())
        rows = sum(shapes[name][0] if shapes[name] else 1 for name in names if name in shapes)
        fits = names and all(name in shapes and shapes[name][1:] == tuple(value.shape[1:]) for name in names)
        if not fits or rows != value.shape[0]:
            what = f"are {shapes[names[0]]}" if names and names[0] in shapes else "are missing"
            raise UserError(
                f"{where}: the weights in {place} are not those of its settings: {key} should be "
                f"{tuple(value.shape)}, and {what}."
            )
    return found


def _network(settings: Mapping[str, Any], is_wavlm: bool, eps: float) -> nn.Module:
    from torchaudio.models import wav2vec2_model, wavlm_model  # ser.frontends.functional says where it does not load

    with torch.device("meta"):
        network = (wavlm_model if is_wavlm else wav2vec2_model)(**settings)
    for part in network.encoder.modules():
        if isinstance(part, nn.LayerNorm):
            part.eps = eps
    return network


def _folder(folder: Path, where: str) -> Described:
    config = read_settings(folder, "config.json", where)
    if config is None:
        raise UserError(f"{where}: {folder} has no config.json: name the folder of one pretrained model.")
    kind = config.get("model_type")
    if kind not in KINDS:
        raise UserError(
            f"{where}: {folder} is of the kind {kind}, and frontend=wav2vec2 reads {', '.join(KINDS)}: {OTHER}."
        )
    unlike = {
        "add_adapter": False, "adapter_attn_dim": None, "conv_pos_batch_norm": False, "feat_proj_layer_norm": True,
        "hidden_act": "gelu", "feat_extract_activation": "gelu",
    }  # fmt: skip
    for key, usual in unlike.items():
        if config.get(key, usual) != usual:
            raise UserError(
                f"{where}: {folder} has {key}={config[key]}, which torchaudio's model has not: {OTHER}, this too."
            )
    is_wavlm = kind == "wavlm"
    try:
        settings = _settings_of(config, is_wavlm)
        eps = float(config.get("layer_norm_eps", 1e-5))
        network = _network(settings, is_wavlm, eps)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise UserError(f"{where}: {folder / 'config.json'} is damaged: {str(error).splitlines()[0]}.") from error
    weights = Weights(folder, where)
    prefix, keys = _prefix(weights, where), network.state_dict()
    extractor = read_settings(folder, "preprocessor_config.json", where) or {}
    return Described(
        settings,
        is_wavlm,
        eps,
        {key: _hugging_face(key, prefix, weights.shapes) for key in keys},
        weights,
        normalise=bool(extractor.get("do_normalize", settings["extractor_mode"] == "layer_norm")),
        epsilon=1e-7,
        sample_rate=int(extractor.get("sampling_rate", 16000)),
    )


def _settings_of(config: Mapping[str, Any], is_wavlm: bool) -> dict[str, Any]:
    """Arguments of torchaudio's model; what a config.json leaves out has the default of transformers."""
    layers = zip(
        config.get("conv_dim", [512] * 7), config.get("conv_kernel", KERNELS), config.get("conv_stride", STRIDES),
        strict=True,
    )  # fmt: skip
    settings = {
        "extractor_mode": f"{config.get('feat_extract_norm', 'group')}_norm",
        "extractor_conv_layer_config": [tuple(map(int, layer)) for layer in layers],
        "extractor_conv_bias": bool(config.get("conv_bias", False)),
        "encoder_embed_dim": int(config.get("hidden_size", 768)),
        "encoder_projection_dropout": float(config.get("feat_proj_dropout", 0.0)),
        "encoder_pos_conv_kernel": int(config.get("num_conv_pos_embeddings", 128)),
        "encoder_pos_conv_groups": int(config.get("num_conv_pos_embedding_groups", 16)),
        "encoder_num_layers": int(config.get("num_hidden_layers", 12)),
        "encoder_num_heads": int(config.get("num_attention_heads", 12)),
        "encoder_attention_dropout": float(config.get("attention_dropout", 0.1)),
        "encoder_ff_interm_features": int(config.get("intermediate_size", 3072)),
        "encoder_ff_interm_dropout": float(config.get("activation_dropout", 0.1)),
        "encoder_dropout": float(config.get("hidden_dropout", 0.1)),
        "encoder_layer_norm_first": bool(config.get("do_stable_layer_norm", False)),
        "encoder_layer_drop": 0.0,
        "aux_num_out": None,
    }
    if is_wavlm:
        settings["encoder_num_buckets"] = int(config.get("num_buckets", 320))
        settings["encoder_max_distance"] = int(config.get("max_bucket_distance", 800))
    return settings


def _hugging_face(key: str, prefix: str, known: Mapping[str, Any]) -> tuple[str, ...]:
    """Names in a folder of Hugging Face's for a weight of torchaudio's model."""
    name = key.replace("encoder.feature_projection.", "feature_projection.", 1)
    name = name.replace("encoder.transformer.", "encoder.", 1).replace(".attention.attention.", ".attention.")
    if ".in_proj_" in name:  # WavLM: queries, keys and values are one matrix
        return tuple(prefix + name.replace(".in_proj_", f".{part}_proj.") for part in "qkv")
    return (_weight_norm(prefix + name, known),)


def _weight_norm(name: str, known: Mapping[str, Any]) -> str:
    """The older names of a weight norm's two parts, where those are the known ones."""
    older = name.replace("parametrizations.weight.original0", "weight_g")
    older = older.replace("parametrizations.weight.original1", "weight_v")
    return older if name not in known and older in known else name


def _prefix(weights: Weights, where: str) -> str:
    """What stands before the names of the model, in a checkpoint that holds more than it."""
    found = [name.removesuffix(FIRST) for name in weights.shapes if name.endswith(FIRST)]
    if not found:
        raise UserError(f"{where}: {weights.place} is no wav2vec 2.0, HuBERT or WavLM, it has no {FIRST}: {OTHER}.")
    return min(found, key=len)


def _file(file: Path, where: str, num_heads: int | None) -> Described:
    weights = Weights(file, where)
    prefix = _prefix(weights, where)
    shapes = {name.removeprefix(prefix): shape for name, shape in weights.shapes.items() if name.startswith(prefix)}
    if "feature_projection.projection.weight" in shapes:
        raise UserError(f"{where}: {file} has Hugging Face's names: name its folder, with config.json in it.")
    try:
        settings = _settings_from(shapes, num_heads, where, file)
    except (KeyError, IndexError, ValueError) as error:
        raise UserError(f"{where}: {file} is no state dict of torchaudio's model: it lacks {error}.") from error
    is_wavlm = "encoder_num_buckets" in settings
    keys = _network(settings, is_wavlm, 1e-5).state_dict()
    sources = {key: (_weight_norm(prefix + key, weights.shapes),) for key in keys}
    # torchaudio's pipelines normalise waveforms where all convolutions have a layer norm
    return Described(
        settings, is_wavlm, 1e-5, sources, weights, settings["extractor_mode"] == "layer_norm", 1e-5, 16000
    )


def _settings_from(
    shapes: Mapping[str, tuple[int, ...]], num_heads: int | None, where: str, file: Path
) -> dict[str, Any]:
    """Arguments of torchaudio's model, from the shapes of its weights."""
    convolutions = []
    while (shape := shapes.get(f"feature_extractor.conv_layers.{len(convolutions)}.conv.weight")) is not None:
        convolutions.append(shape)
    kernels = tuple(shape[2] for shape in convolutions)
    if kernels != KERNELS:
        raise UserError(f"{where}: {file} has kernels {kernels} where torchaudio's pipelines have {KERNELS}.")
    layer, transformer = "encoder.transformer.layers.0", "encoder.transformer"
    width = shapes["encoder.feature_projection.projection.weight"][0]
    position = f"{transformer}.pos_conv_embed.conv.parametrizations.weight.original1"
    positions = shapes[_weight_norm(position, shapes)]
    gates = shapes.get(f"{layer}.attention.gru_rel_pos_const")  # (1, heads, 1, 1), of WavLM alone
    heads = num_heads or (gates[1] if gates else HEADS.get(width))
    if heads is None:
        raise UserError(f"{where}: {file} does not say how many heads its attention has: set frontend.num_heads.")
    if width % heads:
        raise UserError(f"frontend.num_heads={heads} does not divide the width {width} of {file}.")
    mode = "layer_norm" if "feature_extractor.conv_layers.1.layer_norm.weight" in shapes else "group_norm"
    settings = {
        "extractor_mode": mode,
        "extractor_conv_layer_config": [
            (shape[0], shape[2], stride) for shape, stride in zip(convolutions, STRIDES, strict=True)
        ],
        "extractor_conv_bias": "feature_extractor.conv_layers.0.conv.bias" in shapes,
        "encoder_embed_dim": width,
        "encoder_pos_conv_kernel": positions[2],
        "encoder_pos_conv_groups": width // positions[1],
        "encoder_num_layers": len({name.split(".")[3] for name in shapes if name.startswith(f"{transformer}.layers.")}),
        "encoder_num_heads": heads,
        "encoder_ff_interm_features": shapes[f"{layer}.feed_forward.intermediate_dense.weight"][0],
        "encoder_layer_norm_first": mode == "layer_norm",
        **dict.fromkeys(("encoder_projection_dropout", "encoder_attention_dropout", "encoder_dropout"), 0.1),
        "encoder_ff_interm_dropout": 0.0,
        "encoder_layer_drop": 0.0,
        "aux_num_out": None,
    }
    if gates:
        settings["encoder_num_buckets"] = shapes[f"{layer}.attention.rel_attn_embed.weight"][0]
        settings["encoder_max_distance"] = 800
    return settings
