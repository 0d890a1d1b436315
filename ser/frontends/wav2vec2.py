"""wav2vec 2.0, HuBERT and WavLM on torchaudio's modules, from a checkpoint that the user names."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint as compute_again

from ser.errors import UserError
from ser.frontends.checkpoint import find_checkpoint
from ser.frontends.pretrained import Encoder, Layers, LearningRate, PretrainedFrontend
from ser.frontends.wav2vec2_formats import Described, describe
from ser.masking import frame_mask, nothing_padded
from ser.system.ranges import Count, SampleRate


class Wav2Vec2(PretrainedFrontend):
    """States of wav2vec 2.0, HuBERT or WavLM (Baevski et al., 2020; Hsu et al., 2021; Chen et al., 2022).

    A frame is 25 ms, each 20 ms. The waveform is normalised, or not, as the checkpoint was trained. Everything that
    looks beyond one frame is masked, so that padding changes nothing, in the group normalisation of base models too.

    Args:
        sample_rate: Hz; it must be the checkpoint's.
        checkpoint: A folder of Hugging Face's with config.json and safetensors, or a file with the state dict of
            torchaudio's model.
        layers, trainable, lr, gradient_checkpointing: As of `PretrainedFrontend`.
        num_heads: Of the attention, which a state dict of torchaudio does not tell; None: as in its own pipelines.
        content: Hash of the checkpoint's content, which is compared at composition.

    Shape:
        waveforms (B, T) → (B, D, L), or (B, (N + 1)·D, L) where layers are `weighted`.

    Raises:
        UserError: No such checkpoint, a damaged one, one of another kind, or recordings at another sample rate.
    """

    def __init__(
        self,
        sample_rate: SampleRate,
        checkpoint: str | None = None,
        layers: Layers = "last",
        trainable: str = "none",
        lr: LearningRate = 1e-5,
        gradient_checkpointing: bool = False,
        num_heads: Count | None = None,
        content: str | None = None,
    ):
        found = describe(find_checkpoint(checkpoint, "frontend.checkpoint"), "frontend.checkpoint", num_heads)
        check_sample_rate(sample_rate, found.sample_rate)
        super().__init__(SpeechEncoder(found), layers, trainable, lr, gradient_checkpointing)


def check_sample_rate(sample_rate: int, trained: int) -> None:
    """Refuses recordings at another sample rate than those of the pretraining.

    Raises:
        UserError: It says what to set.
    """
    if sample_rate != trained:
        raise UserError(
            f"This pretrained model takes recordings at {trained} Hz: set audio.sample_rate={trained} "
            f"(it is {sample_rate})."
        )


def receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Samples from which convolutions, one behind the other, make one frame.

    >>> receptive_field((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2))
    400
    """
    size, step = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        size, step = size + (kernel - 1) * step, step * stride
    return size


class SpeechEncoder(Encoder):
    """torchaudio's `Wav2Vec2Model`, with masks, and with the state before the first layer.

    Args:
        described: Its checkpoint.
    """

    def __init__(self, described: Described):
        self.described = described
        super().__init__(described.settings["encoder_embed_dim"], described.settings["encoder_num_layers"])
        self.network = described.network()  # on the meta device
        _, kernels, strides = zip(*described.settings["extractor_conv_layer_config"], strict=True)
        self.shortest = receptive_field(kernels, strides)
        self.again = False

    def load(self) -> None:
        self.network.load_state_dict(self.described.state(self.network), assign=True)

    def parts(self) -> tuple[Sequence[nn.Module], Sequence[nn.Module]]:
        transformer = self.network.encoder.transformer
        return [*transformer.layers], [] if transformer.layer_norm_first else [transformer.layer_norm]

    def checkpoint_gradients(self) -> None:
        self.again = True

    def count_frames(self, lengths: Tensor) -> Tensor:
        lengths = lengths.clamp(min=self.shortest)
        for _, kernel, stride in self.described.settings["extractor_conv_layer_config"]:
            lengths = (lengths - kernel) // stride + 1
        return lengths

    def forward(self, waveforms: Tensor, lengths: Tensor, depth: int) -> tuple[list[Tensor], Tensor]:
        if self.described.normalise:
            waveforms = _normalised(waveforms, lengths, self.described.epsilon)
        if waveforms.shape[1] < self.shortest:
            waveforms = F.pad(waveforms, (0, self.shortest - waveforms.shape[1]))
        x, frames = self._convolved(waveforms, lengths.clamp(min=self.shortest))
        whole = nothing_padded(frames, x.shape[1])
        valid = frame_mask(frames, x.shape[1])
        x = self.network.encoder.feature_projection(x)
        x = x if whole else torch.where(valid[:, :, None], x, 0.0)
        transformer = self.network.encoder.transformer
        x = x + transformer.pos_conv_embed(x)
        if transformer.layer_norm_first:  # torchaudio's name for a norm before the first layer
            x = transformer.layer_norm(x)
        states, bias = [transformer.dropout(x)], None
        masks = {} if whole else self._masks(valid)
        for layer in transformer.layers[:depth]:
            step = partial(layer, **masks)
            if self.again and torch.is_grad_enabled():
                x, bias = compute_again(step, states[-1], position_bias=bias, use_reentrant=False)
            else:
                x, bias = step(states[-1], position_bias=bias)
            states.append(x)
        return states, states[-1] if transformer.layer_norm_first else transformer.layer_norm(states[-1])

    def _convolved(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        x, frames = waveforms[:, None], lengths  # (B, T) → (B, 1, T)
        for block in self.network.feature_extractor.conv_layers:
            x = block.conv(x)
            frames = (frames - block.kernel_size) // block.stride + 1
            if isinstance(block.layer_norm, nn.GroupNorm):
                x = _group_norm(x, frames, block.layer_norm)
            elif block.layer_norm is not None:
                x = block.layer_norm(x)
            x = F.gelu(x)
        return x.transpose(1, 2), frames  # (B, C, L) → (B, L, C)

    def _masks(self, valid: Tensor) -> dict[str, Tensor]:
        """What keeps the attention (B, L) → from padded frames: in each kind of layer its own argument."""
        if self.described.is_wavlm:
            return {"key_padding_mask": torch.zeros_like(valid, dtype=torch.float32).masked_fill(~valid, -torch.inf)}
        length = valid.shape[1]
        return {"attention_mask": valid[:, None, None].expand(-1, 1, length, length)}


def _normalised(waveforms: Tensor, lengths: Tensor, epsilon: float) -> Tensor:
    """Mean 0 and variance 1 over the real samples of each, zeros behind: (B, T), (B,) → (B, T)."""
    valid = frame_mask(lengths, waveforms.shape[1])
    count = lengths[:, None]
    centred = torch.where(valid, waveforms - waveforms.sum(1, keepdim=True) / count, 0.0)
    return centred / (centred.square().sum(1, keepdim=True) / count + epsilon).sqrt()


def _group_norm(x: Tensor, frames: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Each channel normalised over its valid frames: torch's counts the padding too. (B, C, L), (B,) → (B, C, L)."""
    if nothing_padded(frames, x.shape[2]):
        return norm(x)
    valid, count = frame_mask(frames, x.shape[2])[:, None], frames[:, None, None]
    values = torch.where(valid, x.float(), 0.0)
    centred = torch.where(valid, values - values.sum(2, keepdim=True) / count, 0.0)
    variance = centred.square().sum(2, keepdim=True) / count
    normed = centred * (variance + norm.eps).rsqrt() * norm.weight[:, None] + norm.bias[:, None]
    return normed.to(x.dtype)
