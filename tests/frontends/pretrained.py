"""Tiny pretrained models with random weights, written in the formats in which real ones are published."""

from pathlib import Path

import torch

SMALL = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
    "num_conv_pos_embeddings": 9, "num_conv_pos_embedding_groups": 2, "vocab_size": 5,
}  # fmt: skip
CONVOLUTIONS = {"conv_dim": [8, 8, 8], "conv_kernel": [10, 3, 3], "conv_stride": [5, 4, 4]}
LARGE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}  # as the large ones are built
KINDS = {  # name → class in transformers, settings, whether waveforms are normalised
    "wav2vec2_base": ("Wav2Vec2", {}, True),
    "wav2vec2_large": ("Wav2Vec2", LARGE, True),
    "hubert_base": ("Hubert", {}, False),
    "hubert_large": ("Hubert", LARGE, True),
    "wavlm_base": ("WavLM", {"num_buckets": 16, "max_bucket_distance": 40}, False),
    "wavlm_large": ("WavLM", LARGE, True),
}


def write_folder(folder: Path, kind: str, task: str = "Model", **settings) -> Path:
    """A folder as `save_pretrained` of transformers leaves it."""
    import transformers

    name, special, normalised = KINDS[kind]
    config = getattr(transformers, f"{name}Config")(**SMALL, **CONVOLUTIONS, **special)
    torch.manual_seed(len(kind))
    model = _shaken(getattr(transformers, f"{name}{task}")(config))
    model.save_pretrained(folder, **settings)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=normalised).save_pretrained(folder)
    return folder


def write_state(file: Path, large: bool = False, wavlm: bool = False) -> torch.nn.Module:
    """torchaudio's own state dict, of a model with its seven convolutions; gives the model."""
    from torchaudio.models import wav2vec2_model, wavlm_model

    kernels, strides = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
    torch.manual_seed(large + 2 * wavlm)
    special = {"encoder_num_buckets": 16, "encoder_max_distance": 800} if wavlm else {}
    model = (wavlm_model if wavlm else wav2vec2_model)(
        extractor_mode="layer_norm" if large else "group_norm",
        extractor_conv_layer_config=[(8, kernel, stride) for kernel, stride in zip(kernels, strides, strict=True)],
        extractor_conv_bias=large, encoder_embed_dim=16, encoder_projection_dropout=0.1, encoder_pos_conv_kernel=9,
        encoder_pos_conv_groups=2, encoder_num_layers=2, encoder_num_heads=2, encoder_attention_dropout=0.1,
        encoder_ff_interm_features=24, encoder_ff_interm_dropout=0.0, encoder_dropout=0.1,
        encoder_layer_norm_first=large, encoder_layer_drop=0.1, aux_num_out=None, **special,
    )  # fmt: skip
    model = _shaken(model)
    torch.save(model.state_dict(), file)
    return model


def _shaken(model: torch.nn.Module) -> torch.nn.Module:
    """Weights and biases away from their neutral start, where mistakes would not show."""
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(0.1 * torch.randn_like(weights))
    return model.eval()


def write_other(folder: Path, kind: str) -> Path:
    """A folder of `whisper`, `data2vec` or `wav2vec2_bert`, as `save_pretrained` leaves it."""
    import transformers

    torch.manual_seed(7)
    if kind == "whisper":
        sizes = {f"{part}_{what}": 2 for part in ("encoder", "decoder") for what in ("layers", "attention_heads")}
        config = transformers.WhisperConfig(
            d_model=16, encoder_ffn_dim=24, decoder_ffn_dim=24, vocab_size=50, max_source_positions=150,
            max_target_positions=10, pad_token_id=1, bos_token_id=2, eos_token_id=3, decoder_start_token_id=2, **sizes,
        )  # fmt: skip
        model, extractor = transformers.WhisperModel(config), transformers.WhisperFeatureExtractor(chunk_length=3)
    elif kind == "data2vec":
        config = transformers.Data2VecAudioConfig(**SMALL, **CONVOLUTIONS, conv_pos_kernel_size=5)
        config.num_conv_pos_embeddings = 2
        model, extractor = transformers.Data2VecAudioModel(config), transformers.Wav2Vec2FeatureExtractor()
    else:
        config = transformers.Wav2Vec2BertConfig(**{k: v for k, v in SMALL.items() if not k.startswith("num_conv")})
        model, extractor = transformers.Wav2Vec2BertModel(config), transformers.SeamlessM4TFeatureExtractor()
    _shaken(model).save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder
